//! `vmrun migrate` between two hosts of the fake FreeBSD.

use super::sandbox::same;
use super::two_hosts::{TwoHosts, WEB};
use std::fs;

/// What is said, without times.
fn told(text: &str) -> String {
    let shown = |line: &str| match line.split_once("it was down for ") {
        Some((head, tail)) => {
            assert!(tail.strip_suffix(" s").is_some_and(|seconds| seconds.parse::<f64>().is_ok()), "{line}");
            format!("{head}it was down for [time]\n")
        }
        None => format!("{line}\n"),
    };
    text.lines().map(shown).collect()
}

#[track_caller]
fn ends(done: &super::sandbox::Done, code: i32, stderr: &str) {
    same(&told(&done.stderr), stderr);
    same(&done.stdout, "");
    assert_eq!(done.code, code);
}

#[test]
fn a_machine_that_runs_is_moved_and_runs_there() {
    let hosts = TwoHosts::running();
    let disks = TwoHosts::disks(&hosts.source);
    ends(
        &hosts.source.run(&["migrate", "web", "root@vm6:2222"]),
        0,
        "
vmrun: web is moved to root@vm6:2222: 2 disks with 68 KiB
vmrun: copied 1 MiB while it runs
vmrun: stopping web
vmrun: starting web on root@vm6:2222
vmrun: web runs on root@vm6:2222; it was down for [time]
",
    );
    let ssh = "ssh -oBatchMode=yes -oConnectTimeout=10 -p 2222 -oServerAliveInterval=15 -oServerAliveCountMax=4 -- root@vm6 vmrun migrate-receive";
    assert!(hosts.source.calls().lines().any(|line| line == ssh), "{}", hosts.source.calls());
    assert_eq!((TwoHosts::runs(&hosts.source), TwoHosts::runs(&hosts.target)), (false, true));
    let there = TwoHosts::disks(&hosts.target);
    for (one, other) in disks.iter().flatten().zip(there.iter().flatten()) {
        assert_eq!(one.len(), other.len());
        assert_eq!((0..one.len()).find(|at| one[*at] != other[*at]), None);
    }
    assert_eq!(hosts.target.read("config/recipes/web.rhai"), WEB);
    assert_eq!(hosts.target.names("config/recipes"), ["data.img", "rom.fd", "web.img", "web.rhai"]);
    assert_eq!(hosts.source.names("config/recipes"), ["data.img", "rom.fd", "web.img", "web.rhai"]);
    // Nothing of the move is left but the mark of who has left.
    assert_eq!(hosts.target.names("config/moves").into_iter().filter(|name| name.ends_with(".json")).count(), 0);
    let refused = "
error: the machine web was moved to root@vm6:2222, which has it now
 |
 = hint: `vmrun migrate web HOST` there brings it back; `vmrun migrate --forget web` lets this one be started if that one is gone for ever
error: web did not start
 |
 = hint: its log: [tmp]/log/web.log
";
    ends(&hosts.source.run(&["start", "web"]), 3, refused);
    ends(
        &hosts.source.run(&["run", "config/recipes/web.rhai"]),
        3,
        refused.split("error: web did not start").next().unwrap(),
    );
}

#[test]
fn a_machine_that_comes_back_brings_only_what_has_changed() {
    let hosts = TwoHosts::running();
    assert_eq!(hosts.source.run(&["migrate", "web", "vm6"]).code, 0);
    let path = hosts.target.path("config/recipes/web.img");
    let mut bytes = fs::read(&path).unwrap();
    bytes[0] = 7;
    fs::write(&path, &bytes).unwrap();
    ends(
        &hosts.target.run(&["migrate", "web", "vm5"]),
        0,
        "
vmrun: web is moved to vm5: 2 disks with 3 MiB
vmrun: copied 1 MiB while it runs
vmrun: stopping web
vmrun: starting web on vm5
vmrun: web runs on vm5; it was down for [time]
",
    );
    assert_eq!(fs::read(hosts.source.path("config/recipes/web.img")).unwrap(), bytes);
    assert_eq!((TwoHosts::runs(&hosts.source), TwoHosts::runs(&hosts.target)), (true, false));
}
