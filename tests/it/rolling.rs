//! `vmrun restart --all-hosts`: the machines of several hosts, one after the other, in the order in which they start after each other.

use super::host::{Host, ended};
use super::sandbox::{Done, Sandbox, same};
use super::two_hosts::TwoHosts;
use std::fs;

/// Two hosts: the first one has `web`, which starts after `db` of the second one, and `lab`; the second one has `mail`, too.
fn fleet() -> TwoHosts {
    let hosts = TwoHosts::new();
    hosts.source.write("config/config.toml", "hosts = [\"ssh://vm6\"]\n");
    for (host, name, before) in [
        (&hosts.target, "db", ""),
        (&hosts.target, "mail", "after(\"web\");\n"),
        (&hosts.source, "web", "after(\"db\");\n"),
        (&hosts.source, "lab", ""),
    ] {
        recipe(host, name, before);
    }
    hosts.target.write("config/config.toml", "hosts = [\"ssh://vm5\"]\n");
    hosts
}

fn recipe(host: &Host, name: &str, before: &str) {
    fs::write(host.path("config/recipes").join(format!("{name}.img")), [7; 4096]).unwrap();
    let text = format!(
        "{before}bhyve(#{{\n    name: \"{name}\", cpus: 1, memory: 64.MiB, bootrom: bootrom(\"rom.fd\"),\n    \
         slots: #{{ \"0\": hostbridge(), \"4\": virtio_blk(\"{name}.img\"), \"31\": lpc() }},\n}}).run();\n"
    );
    host.write(&format!("config/recipes/{name}.rhai"), &text);
}

/// All of them run.
pub(super) fn running() -> TwoHosts {
    let hosts = fleet();
    ended(&hosts.target.run(&["start", "db"]), 0, "vmrun: db runs");
    ended(&hosts.source.run(&["start", "web", "lab"]).sorted(), 0, "vmrun: lab runs\nvmrun: web runs");
    ended(&hosts.target.run(&["start", "mail"]), 0, "vmrun: mail runs");
    hosts
}

/// The supervisors of `lab`, `web`, `db` and `mail`.
fn supervisors(hosts: &TwoHosts) -> [Option<u32>; 4] {
    let of = |host: &Host, name: &str| host.status(name).and_then(|status| status.supervisor);
    [of(&hosts.source, "lab"), of(&hosts.source, "web"), of(&hosts.target, "db"), of(&hosts.target, "mail")]
}

/// Which of them have another supervisor than before.
fn changed(before: [Option<u32>; 4], now: [Option<u32>; 4]) -> Vec<&'static str> {
    let names = ["lab", "web", "db", "mail"];
    names
        .into_iter()
        .zip(before.into_iter().zip(now))
        .filter(|(_, (a, b))| a != b && b.is_some())
        .map(|(name, _)| name)
        .collect()
}

/// Compares what was said; how long a machine took is `[time]`.
#[track_caller]
pub(super) fn said(done: &Done, code: i32, stderr: &str) {
    let timed = |line: &str| match line.split_once(" is back after ") {
        Some((head, _)) => format!("{head} is back after [time]\n"),
        None => format!("{line}\n"),
    };
    same(&done.stderr.lines().map(timed).collect::<String>(), &format!("\n{stderr}\n"));
    assert_eq!(done.code, code);
}

#[test]
fn the_machines_of_many_hosts_are_restarted_one_by_one_after_those_that_they_start_after() {
    let hosts = running();
    let before = supervisors(&hosts);
    let plan = hosts.source.run(&["restart", "--all-hosts", "--dry-run", "--answer-within", "20s"]);
    same(
        &plan.stdout,
        "
NAME  HOST       AFTER
lab   this host  -
db    ssh://vm6  -
web   this host  db
mail  ssh://vm6  web
",
    );
    said(&plan, 0, "vmrun: nothing stands against restarting 4 machines; nothing was changed");
    assert_eq!(supervisors(&hosts), before);
    let done = hosts.source.run(&["restart", "--all-hosts", "--answer-within", "20s"]);
    said(
        &done,
        0,
        "vmrun: 1 of 4: lab on this host is back after [time]
vmrun: 2 of 4: db on ssh://vm6 is back after [time]
vmrun: 3 of 4: web on this host is back after [time]
vmrun: 4 of 4: mail on ssh://vm6 is back after [time]
vmrun: 4 machines were restarted",
    );
    assert_eq!(changed(before, supervisors(&hosts)), ["lab", "web", "db", "mail"]);
    // Some of them, as a program reads it.
    let json =
        hosts.source.run(&["restart", "db", "web", "--all-hosts", "--dry-run", "--json", "--answer-within", "20s"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        json["machines"],
        serde_json::json!([
            { "name": "db", "host": "ssh://vm6", "after": [] },
            { "name": "web", "host": nix::unistd::gethostname().unwrap().into_string().unwrap(), "after": ["db"] },
        ])
    );
    // All of it is gone.
    assert!(!hosts.source.path("config/rolling-restart.jsonl").exists());
    said(
        &hosts.source.run(&["restart", "--resume"]),
        2,
        "error: no restart of many hosts was cut off here\n |\n = hint: `vmrun restart --all-hosts` begins one",
    );
}

#[test]
fn nothing_is_restarted_where_one_would_not_come_back() {
    let hosts = running();
    let before = supervisors(&hosts);
    let text = hosts.target.read("config/recipes/mail.rhai");
    hosts.target.write("config/recipes/mail.rhai", "tap(7);\n");
    let done = hosts.source.run(&["restart", "--all-hosts", "--answer-within", "20s"]);
    let there = hosts.target.path("config/recipes/mail.rhai").display().to_string();
    said(
        &Done { stderr: done.stderr.replace(&there, "[there]"), ..done },
        1,
        "vmrun: ssh://vm6: error: expected a text, got a number
vmrun: ssh://vm6:  --> [there]:1:5
vmrun: ssh://vm6:   |
vmrun: ssh://vm6: 1 | tap(7);
vmrun: ssh://vm6:   |     ^
vmrun: ssh://vm6:   |
vmrun: ssh://vm6:   = hint: write `tap(\"tap1\", #{ mtu, description, up })`
vmrun: ssh://vm6: error: mail was not restarted, and goes on as it was started
vmrun: ssh://vm6:  |
vmrun: ssh://vm6:  = hint: correct what is wrong; `vmrun stop mail` stops it
error: ssh://vm6: expected a text, got a number
error: nothing was restarted
 |
 = hint: correct what is wrong, or name the machines that are to be restarted",
    );
    // Machines of two hosts that start after each other.
    hosts.target.write("config/recipes/mail.rhai", &text);
    let db = hosts.target.read("config/recipes/db.rhai");
    hosts.target.write("config/recipes/db.rhai", &format!("after(\"web\");\n{db}"));
    said(
        &hosts.source.run(&["restart", "--all-hosts", "--answer-within", "20s"]),
        1,
        "error: these start after each other: web after db after web\n |\n = hint: take one of the `after` away",
    );
    assert_eq!(supervisors(&hosts), before);
    // A host that is not there, and one that can be asked for nothing.
    said(
        &hosts.source.run(&["restart", "nobody", "db", "--hosts", "ssh://vm6", "--answer-within", "20s"]),
        3,
        "error: nobody runs in the background on none of these hosts: ssh://vm6",
    );
    said(
        &hosts.source.run(&["restart", "--hosts", "ssh://vm6,"]),
        2,
        "error: a value is required for '--hosts <HOST,…>' but none was supplied\n\nFor more information, try '--help'.",
    );
    said(
        &hosts.source.run(&["restart", "/vm/db.rhai", "--hosts", "ssh://vm6"]),
        2,
        "error: \"/vm/db.rhai\" is not a machine's name
 |
 = hint: name the machine, not its recipe: the machines of other hosts are known by their names",
    );
    hosts.source.write("config/config.toml", "hosts = [\"ssh://vm6\", \"file:///srv/vmrun/vm7.json\", \"10.0.0.9\"]\n");
    let done = hosts.source.run(&["restart", "--all-hosts", "--answer-within", "20s"]);
    said(
        &done,
        3,
        "error: file:///srv/vmrun/vm7.json cannot be asked: No such file or directory; nothing was restarted
 |
 = hint: wait for it, or give it longer by --answer-within 10s; or leave it out: --hosts with the others
error: 10.0.0.9 cannot be asked: it is asked by screens alone, which do not tell what runs: write ssh://10.0.0.9; nothing was restarted
 |
 = hint: name it as ssh://10.0.0.9, or leave it out: --hosts with the others",
    );
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    hosts.source.write("vm7.json", &serde_json::json!({ "host": "vm7", "time": now, "machines": [] }).to_string());
    said(
        &hosts.source.run(&[
            "restart",
            "db",
            "--hosts",
            &format!("file://{}", hosts.source.path("vm7.json").display()),
        ]),
        3,
        "error: vm7 is known by its file alone: nothing is restarted by that
 |
 = hint: name it as ssh://HOST, or leave it out: --hosts with the others",
    );
    assert_eq!(supervisors(&hosts), before);
}

#[test]
fn the_first_machine_that_does_not_come_back_ends_it_and_the_rest_is_gone_on_with() {
    let hosts = running();
    let before = supervisors(&hosts);
    // The guest of db ends at once when it is started again.
    hosts.target.write("fake/exits", "1\n");
    said(
        &hosts.source.run(&["restart", "--all-hosts", "--answer-within", "20s"]),
        4,
        "vmrun: 1 of 4: lab on this host is back after [time]
error: db on ssh://vm6 did not come back
 |
 = hint: `vmrun logs db` there tells more
error: nothing more was restarted: 3 machines are left
 |
 = hint: `vmrun restart --resume` goes on, once what is wrong is corrected; `vmrun restart --forget` leaves them alone",
    );
    assert_eq!(changed(before, supervisors(&hosts)), ["lab"]);
    // Nothing goes on for as long as it does not run, and nothing begins anew.
    let resume = || hosts.source.run(&["restart", "--resume", "--answer-within", "20s"]);
    said(
        &resume(),
        3,
        "error: db on vm6 does not run since its restart was cut off, and nothing more was restarted
 |
 = hint: `vmrun start db` there; then `vmrun restart --resume`, or `vmrun restart --forget` leaves the others alone",
    );
    let done = hosts.source.run(&["restart", "--all-hosts", "--answer-within", "20s"]);
    assert_eq!(done.code, 5, "{done:?}");
    assert!(
        done.stderr.ends_with(
            " has 3 machines left\n |\n = hint: `vmrun restart --resume` goes on with it, `vmrun restart --forget` leaves them alone\n"
        ),
        "{done:?}"
    );
    hosts.target.write("fake/exits", &"run\n".repeat(8));
    ended(&hosts.target.run(&["start", "db"]), 0, "vmrun: db runs");
    // Somebody stops one that has not had its turn: it is left alone.
    ended(&hosts.target.run(&["stop", "mail"]), 0, "vmrun: mail is down");
    said(
        &resume(),
        0,
        "vmrun: db was restarted since
vmrun: mail does not run any more, and is left alone
vmrun: 1 of 1: web on this host is back after [time]
vmrun: 2 machines were restarted",
    );
    assert_eq!(changed(before, supervisors(&hosts)), ["lab", "web", "db"]);
}

#[test]
fn whoever_is_killed_meanwhile_it_is_gone_on_with() {
    for strike in [
        "before source restart_db",
        "after source restart_db",
        "before ssh restart_db",
        "after ssh restart_db",
        "after source monitor_db",
    ] {
        let hosts = running();
        let before = supervisors(&hosts);
        hosts.strike(strike);
        let done = hosts.source.run(&["restart", "--all-hosts", "--answer-within", "20s"]);
        assert_ne!(done.code, 0, "{strike}: {done:?}");
        assert!(hosts.source.path("fake/struck").exists(), "{strike}: {done:?}");
        hosts.strike("");
        let resumed = hosts.source.run(&["restart", "--resume", "--answer-within", "20s"]);
        assert_eq!(resumed.code, 0, "{strike}: {resumed:?}");
        assert_eq!(changed(before, supervisors(&hosts)), ["lab", "web", "db", "mail"], "{strike}");
        // None was restarted twice.
        let boots = |host: &Host, name: &str| host.status(name).unwrap().boots;
        assert_eq!(boots(&hosts.target, "db"), 1, "{strike}");
        assert_eq!(
            resumed.stderr.contains("vmrun: db was restarted since\n"),
            strike.starts_with("after"),
            "{strike}: {resumed:?}"
        );
    }
}

#[test]
fn a_host_that_is_lost_meanwhile_is_told_and_several_are_restarted_at_once() {
    let hosts = running();
    let before = supervisors(&hosts);
    hosts.strike("before ssh restart_db");
    let ssh = hosts.source.read("fake/ssh");
    said(
        &hosts.source.run(&["restart", "--all-hosts", "--answer-within", "20s"]),
        3,
        "vmrun: 1 of 4: lab on this host is back after [time]
vmrun: ssh://vm6: Timeout, server vm6 not responding.
error: db on ssh://vm6 runs, and was not restarted, or is not ready: Timeout, server vm6 not responding.
 |
 = hint: `vmrun status db` there tells more
error: nothing more was restarted: 3 machines are left
 |
 = hint: `vmrun restart --resume` goes on, once what is wrong is corrected; `vmrun restart --forget` leaves them alone",
    );
    // The host is gone.
    hosts.source.write("fake/ssh", "");
    said(
        &hosts.source.run(&["restart", "--resume", "--answer-within", "20s"]),
        3,
        "error: ssh://vm6 cannot be asked: ssh: connect to host vm6 port 22: Connection refused; nothing was restarted
 |
 = hint: wait for it, or give it longer by --answer-within 10s; or leave it out: --hosts with the others",
    );
    said(&hosts.source.run(&["restart", "--forget"]), 0, "vmrun: 3 machines are left alone");
    assert_eq!(changed(before, supervisors(&hosts)), ["lab"]);
    hosts.source.write("fake/ssh", &ssh.replace("strike before ssh restart_db\n", ""));
    let done =
        hosts.source.run(&["restart", "db", "lab", "web", "--all-hosts", "--at-once", "2", "--answer-within", "20s"]);
    assert_eq!(done.code, 0, "{done:?}");
    let back: Vec<&str> = done.stderr.lines().filter(|line| line.contains(" is back ")).collect();
    assert_eq!(back.len(), 3, "{done:?}");
    assert!(back[2].contains(" web on this host "), "{done:?}");
    assert_eq!(changed(before, supervisors(&hosts)), ["lab", "web", "db"]);
}

#[test]
fn a_machine_of_another_host_is_looked_for_there() {
    let hosts = fleet();
    let unknown = "error: web starts after db, which does not run and is not among those to start\n |\n = hint: start db first, or both at once";
    ended(&hosts.source.run(&["start", "web"]), 1, unknown);
    // Nobody knows whether it runs on a host that is silent.
    let ssh = hosts.source.read("fake/ssh");
    hosts.source.write("fake/ssh", "");
    let silent =
        "warning: ssh://vm6 does not tell what runs there: ssh: connect to host vm6 port 22: Connection refused\n";
    ended(&hosts.source.run(&["start", "web"]), 1, &format!("{silent}{unknown}"));
    hosts.source.write("fake/ssh", &ssh);
    // Who waits for it starts it as soon as it runs there.
    std::thread::scope(|scope| {
        let start = scope.spawn(|| hosts.source.run(&["start", "web", "--wait", "60s"]));
        std::thread::sleep(std::time::Duration::from_millis(300));
        ended(&hosts.target.run(&["start", "db"]), 0, "vmrun: db runs");
        let done = start.join().unwrap();
        assert!(done.code == 0 && done.stderr.ends_with("vmrun: web runs\n"), "{done:?}");
    });
    ended(&hosts.target.run(&["start", "mail"]), 0, "vmrun: mail runs");
    // Restarted by itself it waits for none.
    ended(&hosts.source.run(&["restart", "web"]), 0, "vmrun: web is down\nvmrun: web runs");
    let dry = hosts.source.run(&["restart", "web", "--dry-run"]);
    ended(&dry, 0, "vmrun: nothing stands against restarting web; nothing was changed");
    let json = hosts.source.run(&["restart", "web", "--dry-run", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["machines"], serde_json::json!([{ "name": "web", "after": ["db"] }]));
    ended(
        &hosts.source.run(&["restart", "web", "--at-once", "2"]),
        2,
        "error: --at-once is for the machines of many hosts\n |\n = hint: add --all-hosts; here all that nothing orders are restarted at once",
    );
}

#[test]
fn whoever_interrupts_it_waits_for_what_has_begun_and_goes_on_later() {
    use std::io::{BufRead as _, BufReader, Read as _};
    let hosts = running();
    let before = supervisors(&hosts);
    let mut command = hosts.source.command(&["restart", "--all-hosts", "--answer-within", "20s"]);
    let mut child = command.stdin(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut first = String::new();
    said.read_line(&mut first).unwrap();
    assert!(first.starts_with("vmrun: 1 of 4: lab on this host is back after "), "{first}");
    while !hosts.source.read("config/rolling-restart.jsonl").contains("{\"begun\":\"db\"}") {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id().cast_signed()), nix::sys::signal::Signal::SIGINT)
        .unwrap();
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
    assert!(
        rest.starts_with(
            "vmrun: interrupted: what has begun is waited for\nvmrun: 2 of 4: db on ssh://vm6 is back after "
        ),
        "{rest}"
    );
    assert!(
        rest.ends_with(
            "\nerror: interrupted\nerror: nothing more was restarted: 2 machines are left\n |\n = hint: `vmrun restart --resume` goes on, once \
             what is wrong is corrected; `vmrun restart --forget` leaves them alone\n"
        ),
        "{rest}"
    );
    assert_eq!(changed(before, supervisors(&hosts)), ["lab", "db"]);
    let done = hosts.source.run(&["restart", "--resume", "--answer-within", "20s"]);
    assert_eq!((done.code, changed(before, supervisors(&hosts)).len()), (0, 4), "{done:?}");
}

#[test]
fn of_a_machine_that_does_not_run_as_it_should_it_is_told_and_the_others_are_restarted() {
    let hosts = running();
    let before = supervisors(&hosts);
    super::host::kill(before[3].unwrap());
    while super::host::lives(before[3].unwrap()) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let done = hosts.source.run(&["restart", "--all-hosts", "--dry-run", "--answer-within", "20s"]);
    said(
        &done,
        0,
        "vmrun: mail on ssh://vm6 is unsupervised, and is left alone
vmrun: nothing stands against restarting 3 machines; nothing was changed",
    );
    said(
        &hosts.source.run(&["restart", "mail", "--all-hosts", "--answer-within", "20s"]),
        3,
        "error: mail on ssh://vm6 is unsupervised, and is restarted only where it runs in the background
 |
 = hint: `vmrun status mail` there tells more",
    );
    assert_eq!(hosts.target.run(&["adopt", "mail"]).code, 0);
}

#[test]
fn whoever_goes_on_with_nothing_leaves_nothing() {
    let sandbox = Sandbox::new();
    let before = sandbox.everything();
    for way in ["--resume", "--forget"] {
        let done = sandbox.run(&["restart", way]);
        let none =
            "error: no restart of many hosts was cut off here\n |\n = hint: `vmrun restart --all-hosts` begins one";
        assert_eq!((done.code, done.stderr.trim_end()), (2, none), "{way}");
        assert!(sandbox.everything() == before, "{way}");
    }
}
