//! `vmrun replicate` between two hosts of the fake FreeBSD: what is on the disks of a machine is kept on another one, and is no machine there
//! until somebody takes it who knows that the first one is gone.

use super::host::Host;
use super::migrate::VOLUME;
use super::sandbox::{Done, same};
use super::two_hosts::TwoHosts;
use std::fs;
use std::os::unix::fs::FileExt as _;

fn here() -> String {
    nix::unistd::gethostname().unwrap().into_string().unwrap()
}

#[track_caller]
fn ends(done: &Done, code: i32, stderr: &str) {
    let (name, mut text) = (here(), done.stderr.clone());
    for (before, after) in [
        ("on ", " on"),
        ("on ", ":"),
        ("is ", "'s"),
        ("fence ", ","),
        ("--fenced ", "\n"),
        ("error: ", " does"),
        ("error: ", ":"),
        ("host ", " port"),
    ] {
        text = text.replace(&format!("{before}{name}{after}"), &format!("{before}[here]{after}"));
    }
    let shown: String =
        text.lines().map(|line| format!("{}\n", line.split_once("[here] on ").map_or(line.into(), dated))).collect();
    same(&shown, stderr);
    same(&done.stdout, "");
    assert_eq!(done.code, code);
}

/// A line with a date and an age, without them.
fn dated((head, rest): (&str, &str)) -> String {
    let (age, tail) = rest.split_once(" ago").unwrap();
    assert!(age.contains(" UTC, "), "{rest}");
    format!("{head}[here] on [date], [age] ago{tail}")
}

/// Two hosts that keep volumes, and a machine on one, which runs.
fn with_volume() -> TwoHosts {
    let hosts = TwoHosts::new();
    for host in [&hosts.source, &hosts.target] {
        ["zfs", "zpool"].iter().for_each(|program| host.has(program));
        host.write("fake/zfs", "filesystem zroot\tsize=107374182400\nfilesystem zroot/vm\n");
    }
    hosts.source.write("config/recipes/web.rhai", VOLUME);
    let line = "zfs create -s -b 16K -o compression=lz4 -V 8M zroot/vm/web";
    assert_eq!(hosts.source.finish(&mut hosts.source.shell(line)).code, 0);
    put(&hosts, 5 << 20, b"first");
    assert_eq!(hosts.source.run(&["start", "web"]).code, 0);
    hosts
}

/// Writes to the volume of the machine.
fn put(hosts: &TwoHosts, at: u64, text: &[u8]) {
    let volume = fs::OpenOptions::new().write(true).open(hosts.source.path("fake/zvol/zroot/vm/web")).unwrap();
    volume.write_all_at(text, at).unwrap();
}

/// What the other host has of volumes, from the oldest replica on.
fn kept(host: &Host) -> Vec<Vec<u8>> {
    let records = host.names("config/replicas/web");
    let mut all: Vec<(std::time::SystemTime, String)> = records
        .iter()
        .map(|name| {
            (
                host.path("config/replicas/web").join(name).metadata().unwrap().modified().unwrap(),
                name.replace(".json", ""),
            )
        })
        .collect();
    all.sort();
    all.iter()
        .map(|(_, id)| fs::read(host.path(&format!("fake/zvol/zroot/vm/web.vmrun-{id}.moving"))).unwrap())
        .collect()
}

/// The volumes and snapshots of a host.
fn volumes(host: &Host) -> Vec<String> {
    let done = host.finish(&mut host.shell("zfs list -H -o name -t volume,snapshot"));
    done.stdout.lines().map(String::from).collect()
}

#[test]
fn a_guest_that_runs_is_replicated_as_at_one_moment_and_only_what_has_changed_is_sent() {
    let hosts = with_volume();
    let said = |sent: &str| {
        format!(
            "vmrun: a replica of web goes to vm6: 1 disk with [used]\nvmrun: the disks are as after a power cut: the machine web is \
             running already: [run]\nvmrun: a replica of web is on vm6; {sent} were sent\n"
        )
    };
    let replicate = || {
        let done = hosts.source.run(&["replicate", "web", "vm6", "--keep", "2"]);
        assert_eq!((done.code, done.stdout.as_str()), (0, ""), "{done:?}");
        let shown = |line: &str| match (line.split_once(" disk with "), line.split_once("is running already: ")) {
            (Some((head, _)), _) => format!("{head} disk with [used]\n"),
            (_, Some((head, _))) => format!("{head}is running already: [run]\n"),
            _ => format!("{line}\n"),
        };
        done.stderr.lines().map(shown).collect::<String>()
    };
    same(&replicate(), &said("1 MiB"));
    same(&replicate(), &said("0 bytes"));
    put(&hosts, 2 << 20, b"second");
    same(&replicate(), &said("1 MiB"));
    put(&hosts, 5 << 20, b"third");
    let all = kept(&hosts.target);
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|bytes| bytes[5 << 20..].starts_with(b"first")));
    assert!(all[1][2 << 20..].starts_with(b"second") && !all[0][2 << 20..].starts_with(b"second"));
    // Nothing of it is left where it is from, and it runs on.
    assert_eq!(volumes(&hosts.source), ["zroot/vm/web"]);
    assert!(TwoHosts::runs(&hosts.source));
    // It is no machine there.
    let done = hosts.target.run(&["start", "web"]);
    assert!(done.code != 0 && !TwoHosts::runs(&hosts.target), "{done:?}");
    assert!(!hosts.target.path("config/recipes/web.rhai").exists());
    let shown = hosts.target.run(&["list", "--all"]);
    let (head, date) = shown.stderr.split_once(" of 20").unwrap();
    assert_eq!(head, format!("vmrun: web is {}'s, and here is 2 replicas, the newest", here()));
    assert!(
        date.ends_with(" UTC\n")
            && shown.stdout.lines().any(|line| line.starts_with("web ") && line.contains(" replica ")),
        "{shown:?}"
    );
    let json: serde_json::Value = serde_json::from_str(&hosts.target.run(&["list", "--all", "--json"]).stdout).unwrap();
    assert_eq!(
        (&json["machines"][0]["state"], &json["machines"][0]["replicas"]["count"]),
        (&"replica".into(), &2.into())
    );
    ends(&hosts.target.run(&["replicate", "web", "--forget"]), 0, "vmrun: the 2 replicas of web went\n");
    assert_eq!(volumes(&hosts.target), [""; 0]);
    assert_eq!(hosts.target.names("config/recipes"), ["rom.fd"]);
    ends(
        &hosts.target.run(&["replicate", "web", "--forget"]),
        3,
        "error: there is no replica of web here\n |\n = hint: `vmrun replicate web HOST`, on the host that has it, sends one\n",
    );
}

#[test]
fn a_machine_that_does_not_run_is_replicated_as_it_is_and_one_without_reflinks_only_then() {
    let hosts = TwoHosts::running();
    ends(
        &hosts.source.run(&["replicate", "web", "vm6"]),
        3,
        "error: the file system of [tmp]/config/recipes/web.img has no reflinks, and web writes to it\n |\n = hint: stop it for a replica, \
         or have its disks on ZFS as volumes\n",
    );
    assert_eq!(hosts.target.names("config/recipes"), ["rom.fd"]);
    assert_eq!(hosts.source.run(&["stop", "web"]).code, 0);
    let first = "
vmrun: a replica of web goes to vm6: 2 disks with 68 KiB
vmrun: a replica of web is on vm6; 1 MiB were sent
";
    ends(&hosts.source.run(&["replicate", "web", "vm6"]), 0, first);
    let disk = hosts.source.path("config/recipes/web.img");
    let mut bytes = fs::read(&disk).unwrap();
    bytes[7] = 7;
    fs::write(&disk, &bytes).unwrap();
    ends(&hosts.source.run(&["replicate", "web", "vm6"]), 0, &first.replace("68 KiB", "3 MiB"));
    // What is there by that name already is in the way of a replica as of a machine.
    hosts.target.write("config/recipes/data.img", "x");
    let done = hosts.source.run(&["replicate", "web", "vm6"]);
    assert!(done.code == 3 && done.stderr.contains("config/recipes/data.img is here already\n"), "{done:?}");
    fs::remove_file(hosts.target.path("config/recipes/data.img")).unwrap();
    let started = hosts.target.run(&["start", "web", "--from-replica"]);
    ends(
        &started,
        0,
        "vmrun: web begins as it was on [here] on [date], [age] ago; what came after that is lost\nvmrun: web runs\n",
    );
    assert_eq!(TwoHosts::disks(&hosts.target), TwoHosts::disks(&hosts.source));
    // Where it was it is not started any more, and it can be moved back.
    let refused = hosts.source.run(&["start", "web"]);
    assert!(
        refused.code == 5
            && refused.stderr.contains(&format!("the machine web was moved to {}, which has it now", here()))
    );
    assert_eq!((TwoHosts::runs(&hosts.source), TwoHosts::runs(&hosts.target)), (false, true));
    assert_eq!(hosts.target.run(&["migrate", "web", "vm5"]).code, 0);
    assert_eq!((TwoHosts::runs(&hosts.source), TwoHosts::runs(&hosts.target)), (true, false));
}

#[test]
fn a_replica_is_started_only_if_its_machine_certainly_runs_nowhere_else() {
    let hosts = with_volume();
    assert_eq!(hosts.source.run(&["replicate", "web", "vm6"]).code, 0);
    let start = |options: &[&str]| hosts.target.run(&[&["start", "web", "--from-replica"], options].concat());
    let runs = "
error: [here]: web runs here: its replica there would be a second one
 |
 = hint: on [here]: `vmrun migrate web HOST` moves it; or stop it
";
    let fenced = format!("--fenced={}", here());
    ends(&start(&[]), 5, runs);
    ends(&start(&[&fenced]), 5, runs);
    ends(
        &start(&["--fenced=vm9"]),
        3,
        "error: the replica of web is [here]'s, and `--fenced vm9` proves nothing of it\n |\n = hint: fence [here], then say --fenced [here]\n",
    );
    hosts.target.write("fake/ssh", "");
    ends(
        &start(&[]),
        3,
        "
error: [here]: ssh: connect to host [here] port 22: Connection refused
error: [here] does not tell whether web runs there
 |
 = hint: fence it, so that it cannot run there, then say --fenced [here]
",
    );
    assert_eq!((TwoHosts::runs(&hosts.source), TwoHosts::runs(&hosts.target)), (true, false));
    // Its host is gone, as somebody vouches for; the record is still there, as if he had been killed meanwhile.
    assert_eq!(hosts.source.run(&["stop", "web"]).code, 0);
    let name = hosts.target.names("config/replicas/web").remove(0);
    let record = hosts.target.read(&format!("config/replicas/web/{name}"));
    let begins =
        "vmrun: web begins as it was on [here] on [date], [age] ago; what came after that is lost\nvmrun: web runs\n";
    ends(&start(&[&fenced]), 0, begins);
    assert_eq!(volumes(&hosts.target), ["zroot/vm/web"]);
    assert!(!hosts.target.path("config/replicas/web").exists() && !hosts.target.path("config/moves/web.json").exists());
    fs::create_dir(hosts.target.path("config/replicas/web")).unwrap();
    hosts.target.write(&format!("config/replicas/web/{name}"), &record);
    let done = hosts.target.run(&["replicate", "web", "--forget"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(TwoHosts::runs(&hosts.target));
    assert_eq!(volumes(&hosts.target), ["zroot/vm/web"]);
    assert!(hosts.target.names("config/recipes").contains(&"web.rhai".to_string()));
}

#[test]
fn a_host_that_has_nothing_of_a_machine_any_more_hinders_nobody_from_taking_its_replica() {
    let hosts = TwoHosts::new();
    assert_eq!(hosts.source.run(&["replicate", "web", "vm6"]).code, 0);
    for name in ["web.rhai", "web.img", "data.img"] {
        fs::remove_file(hosts.source.path("config/recipes").join(name)).unwrap();
    }
    // What has its place by now stays, and nothing was asked of the other host.
    hosts.target.write("config/recipes/data.img", "x");
    let done = hosts.target.run(&["start", "web", "--from-replica"]);
    same(
        &done.stderr,
        "
error: [tmp]/config/recipes/data.img is here already
 |
 = hint: nothing is written over: move it away, or remove it
",
    );
    assert_eq!(done.code, 3);
    assert!(!hosts.source.path("config/moves/web.json").exists());
    fs::remove_file(hosts.target.path("config/recipes/data.img")).unwrap();
    let done = hosts.target.run(&["start", "web", "--from-replica"]);
    assert!(done.code == 0 && TwoHosts::runs(&hosts.target), "{done:?}");
    // A replica is one of a machine alone: what is asked of a move is refused, and a move does not ask for what a replica is.
    let done = hosts.source.run(&["start", "web", "--from-replica"]);
    ends(
        &done,
        3,
        "error: there is no replica of web here\n |\n = hint: `vmrun replicate web HOST`, on the host that has it, sends one\n",
    );
}

#[test]
fn who_is_killed_while_a_replica_is_taken_goes_on_with_it() {
    let hosts = with_volume();
    assert_eq!(hosts.source.run(&["replicate", "web", "vm6"]).code, 0);
    assert_eq!(hosts.source.run(&["stop", "web"]).code, 0);
    let name = hosts.target.names("config/replicas/web").remove(0);
    let record = hosts.target.read(&format!("config/replicas/web/{name}"));
    // Killed when the other host has given it up: it is started by nobody until it is taken.
    for strike in ["before source give_up", "after source give_up", "before target give_up", "before ssh re:give_up"] {
        let known = hosts.target.read("fake/ssh");
        let known = known.lines().filter(|line| !line.starts_with("strike ")).map(|line| format!("{line}\n"));
        hosts.target.write("fake/ssh", &format!("{}strike {strike}\n", known.collect::<String>()));
        let done = hosts.target.run(&["start", "web", "--from-replica"]);
        assert!(done.code != 0, "{strike}: {done:?}");
        hosts.source.run(&["start", "web"]);
        hosts.target.run(&["start", "web"]);
        let runs = (TwoHosts::runs(&hosts.source), TwoHosts::runs(&hosts.target));
        assert!(!runs.1, "{strike}: {runs:?}");
        hosts.source.run(&["stop", "web"]);
    }
    let known = hosts.target.read("fake/ssh");
    let known = known.lines().filter(|line| !line.starts_with("strike ")).map(|line| format!("{line}\n"));
    hosts.target.write("fake/ssh", &known.collect::<String>());
    // Killed when it was written that it is taken, and before it had its names; and when it had them.
    for has_names in [false, true] {
        if has_names {
            assert_eq!(hosts.target.run(&["stop", "web"]).code, 0);
            fs::create_dir_all(hosts.target.path("config/replicas/web")).unwrap();
            hosts.target.write(&format!("config/replicas/web/{name}"), &record);
        }
        hosts.target.write("config/moves/web.json", &record.replace("\"whole\"", "\"named\""));
        let refused = hosts.target.run(&["start", "web"]);
        assert!(refused.code != 0 && !TwoHosts::runs(&hosts.target), "{refused:?}");
        let done = hosts.target.run(&["start", "web", "--from-replica"]);
        assert_eq!(done.code, 0, "{done:?}");
        assert!(TwoHosts::runs(&hosts.target));
        assert_eq!(volumes(&hosts.target), ["zroot/vm/web"]);
        assert!(fs::read(hosts.target.path("fake/zvol/zroot/vm/web")).unwrap()[5 << 20..].starts_with(b"first"));
    }
}

#[test]
fn whoever_is_killed_the_machine_runs_on_and_the_replicas_that_are_whole_are_kept() {
    let said = [
        "hello",
        "re:hello",
        "offer",
        "text",
        "re:offer",
        "digests",
        "re:digests",
        "block",
        "seal",
        "re:seal",
        "keep",
        "re:keep",
    ];
    let is_all = std::env::var_os("VMRUN_ATTACK").is_some_and(|value| value == "all");
    let cases = said.iter().flat_map(|what| ["source", "target", "ssh"].map(|who| (*what, who)));
    let cases = cases.enumerate().filter(|(at, _)| is_all || at % 2 == 0);
    for (at, (what, who)) in cases {
        let when = if at % 4 < 2 { "before" } else { "after" };
        let case = format!("{when} {who} {what}");
        let hosts = with_volume();
        assert_eq!(hosts.source.run(&["replicate", "web", "vm6"]).code, 0);
        put(&hosts, 2 << 20, b"second");
        hosts.strike(&case);
        let done = hosts.source.run(&["replicate", "web", "vm6"]);
        hosts.strike("");
        assert_eq!(hosts.source.read("fake/struck"), what, "{case}: nobody was struck: {done:?}");
        assert!(TwoHosts::runs(&hosts.source), "{case}: {done:?}");
        hosts.target.run(&["start", "web"]);
        assert!(!TwoHosts::runs(&hosts.target), "{case}");
        let done = hosts.patiently(&["replicate", "web", "vm6", "--keep", "2"]);
        assert_eq!(done.code, 0, "{case}: {done:?}");
        let all = kept(&hosts.target);
        assert_eq!((all.len(), volumes(&hosts.target).len()), (2, 2), "{case}");
        assert!(all[1][2 << 20..].starts_with(b"second") && all[0][5 << 20..].starts_with(b"first"), "{case}");
        assert_eq!(volumes(&hosts.source), ["zroot/vm/web"], "{case}");
        assert!(TwoHosts::runs(&hosts.source), "{case}");
    }
}
