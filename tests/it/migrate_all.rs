//! `vmrun migrate --all`: a host is emptied, machine by machine.

use super::host::{Host, kill};
use super::migrate::told;
use super::sandbox::same;
use super::two_hosts::TwoHosts;
use std::fs;

/// Two hosts, the first of which runs `db`, `web` that starts after it, and `lab`.
fn three() -> TwoHosts {
    let hosts = TwoHosts::new();
    for (name, before) in [("db", ""), ("web", "after(\"db\");\n"), ("lab", "")] {
        let image = hosts.source.path("config/recipes").join(format!("{name}.img"));
        fs::write(image, [7; 4096]).unwrap();
        let text = format!(
            "{before}bhyve(#{{\n    name: \"{name}\", cpus: 1, memory: 64.MiB, bootrom: bootrom(\"rom.fd\"),\n    \
             slots: #{{ \"0\": hostbridge(), \"4\": virtio_blk(\"{name}.img\"), \"31\": lpc() }},\n}}).run();\n"
        );
        hosts.source.write(&format!("config/recipes/{name}.rhai"), &text);
    }
    let done = hosts.source.run(&["start", "db", "web", "lab"]);
    assert_eq!(done.code, 0, "{done:?}");
    hosts
}

/// The machines that run on a host, by name.
fn running(host: &Host) -> Vec<String> {
    let list: serde_json::Value = serde_json::from_str(&host.run(&["list", "--json"]).stdout).unwrap();
    let of = |one: &serde_json::Value| one["name"].as_str().filter(|_| one["state"] == "running").map(String::from);
    list["machines"].as_array().unwrap().iter().filter_map(of).collect()
}

/// A third host, which the first one reaches as `vm7`.
fn third(hosts: &TwoHosts) -> Host {
    let host = Host::new(&"run\n".repeat(8));
    fs::create_dir_all(host.path("config/recipes")).unwrap();
    fs::copy(host.path("vm/rom.fd"), host.path("config/recipes/rom.fd")).unwrap();
    let known = hosts.source.read("fake/ssh");
    hosts.source.write("fake/ssh", &format!("{known}at vm7 {}\n", host.path("").display()));
    host
}

#[test]
fn a_host_is_emptied_in_the_order_in_which_machines_are_started() {
    let hosts = three();
    let asked = hosts.source.run(&["migrate", "--all", "vm6", "--dry-run"]);
    same(
        &asked.stderr,
        "
vmrun: nothing stands against moving db to vm6; nothing was changed
vmrun: nothing stands against moving lab to vm6; nothing was changed
vmrun: nothing stands against moving web to vm6; nothing was changed
",
    );
    assert_eq!(asked.code, 0);
    assert_eq!(running(&hosts.source), ["db", "lab", "web"]);
    let done = hosts.source.run(&["migrate", "--all", "vm6"]);
    let of = |name: &str| {
        format!(
            "vmrun: {name} is moved to vm6: 1 disk with 4 KiB\nvmrun: copied 4 KiB while it runs\nvmrun: stopping {name}\n\
             vmrun: starting {name} on vm6\nvmrun: {name} runs on vm6; it was down for [time]\n"
        )
    };
    same(&told(&done.stderr), &["db", "lab", "web"].map(of).concat());
    assert_eq!((done.code, done.stdout.as_str()), (0, ""));
    assert_eq!(
        (running(&hosts.source), running(&hosts.target)),
        (vec![], ["db", "lab", "web"].map(String::from).to_vec())
    );
    // There is nothing left to be moved.
    let done = hosts.source.run(&["migrate", "--all", "vm6"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, "vmrun: no machine runs here\n"));
}

#[test]
fn what_cannot_be_moved_stays_with_what_starts_after_it_and_the_rest_goes() {
    let hosts = three();
    hosts.target.write("config/recipes/db.img", "x");
    for args in [&["migrate", "--all", "vm6", "--dry-run"][..], &["migrate", "--all", "vm6"]] {
        let done = hosts.source.run(args);
        let errors: String = done
            .stderr
            .lines()
            .skip_while(|line| !line.starts_with("error: "))
            .map(|line| format!("{line}\n"))
            .collect();
        let there = hosts.target.path("config/recipes/db.img").display().to_string();
        same(
            &errors.replace(&there, "[there]/db.img"),
            "
error: db: vm6: [there]/db.img is here already
 |
 = hint: on vm6: nothing is written over: move it away, or remove it; --shared if both hosts see the same disk
error: web: it starts after db, which stays here
 |
 = hint: move db; then `vmrun migrate web HOST`
",
        );
        assert_eq!(done.code, 3);
        assert!(done.stderr.contains("vmrun: db stays here\n") && done.stderr.contains("vmrun: web stays here\n"));
    }
    assert_eq!(
        (running(&hosts.source), running(&hosts.target)),
        (["db", "web"].map(String::from).to_vec(), vec!["lab".into()])
    );
}

#[test]
fn the_next_host_is_asked_where_the_first_lacks_something() {
    let hosts = three();
    let third = third(&hosts);
    hosts.target.write("config/recipes/db.img", "x");
    let done = hosts.source.run(&["migrate", "--all", "vm6", "vm7"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(
        done.stderr
            .contains("config/recipes/db.img is here already\nvmrun: vm6 does not take it; the next host is asked\n"),
        "{done:?}"
    );
    // What starts after another one is where that is.
    assert_eq!(
        (running(&hosts.target), running(&third)),
        (vec!["lab".into()], ["db", "web"].map(String::from).to_vec())
    );
    assert_eq!(running(&hosts.source), [""; 0]);
}

#[test]
fn one_machine_goes_to_the_first_host_that_nothing_stands_against() {
    let hosts = TwoHosts::running();
    let third = third(&hosts);
    fs::remove_file(hosts.target.path("fake/interfaces/bridge2")).unwrap();
    let asked = hosts.source.run(&["migrate", "web", "vm6", "vm7", "--dry-run"]);
    let last = asked.stderr.lines().last().unwrap_or_default();
    assert_eq!(last, "vmrun: nothing stands against moving web to vm7; nothing was changed", "{asked:?}");
    let done = hosts.source.run(&["migrate", "web", "vm6", "vm7"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(
        (TwoHosts::runs(&hosts.source), TwoHosts::runs(&hosts.target), TwoHosts::runs(&third)),
        (false, false, true)
    );
}

#[test]
fn what_is_not_looked_after_or_not_ours_is_told_and_stays() {
    let hosts = three();
    kill(hosts.source.status("lab").unwrap().supervisor.unwrap());
    let done = hosts.source.run(&["migrate", "--all", "vm6"]);
    assert_eq!(done.code, 9, "{done:?}");
    let guest = hosts.source.status("lab").unwrap().guest.unwrap();
    let error = format!(
        "error: lab: the guest of lab, process {guest}, runs, and its supervisor is gone\n |\n = hint: `vmrun adopt lab` takes it over; then move it\n"
    );
    assert!(done.stderr.ends_with(&error), "{done:?}");
    assert_eq!(running(&hosts.target), ["db", "web"]);
}

#[test]
fn whoever_is_killed_while_a_host_is_emptied_every_machine_has_one_host() {
    for strike in
        ["before source take", "after source take", "before target start", "after target start", "after ssh seal"]
    {
        let hosts = three();
        hosts.strike(strike);
        let done = hosts.source.run(&["migrate", "--all", "vm6"]);
        hosts.strike("");
        assert_ne!(done.code, 0, "{strike}: {done:?}");
        let starts = |host: &Host| ["db", "web", "lab"].map(|name| host.run(&["start", name])).len();
        assert_eq!((starts(&hosts.source), starts(&hosts.target)), (3, 3));
        let (here, there) = (running(&hosts.source), running(&hosts.target));
        assert!(!here.iter().any(|name| there.contains(name)), "{strike}: {here:?} {there:?}");
        for name in ["db", "lab", "web"] {
            let ended = hosts.patiently(&["migrate", "--resume", name]);
            let is_over = [format!("no move of {name} has begun here"), "was moved to vm6, which has it now".into()];
            let is_over = is_over.iter().any(|text| ended.stderr.contains(text));
            assert!(ended.code == 0 || is_over, "{strike}: {ended:?}");
        }
        let ended = hosts.patiently(&["migrate", "--all", "vm6"]);
        assert_eq!(ended.code, 0, "{strike}: {ended:?}");
        let all = ["db", "lab", "web"].map(String::from).to_vec();
        assert_eq!((running(&hosts.source), running(&hosts.target)), (vec![], all), "{strike}");
    }
}
