//! Machines whose guest has not come to run, or not as it was to, on the fake FreeBSD: one that waits for its viewer, one that has
//! started some of its processors only, one whose node somebody destroys.

use super::host::{Host, ended, kill, lives};
use super::sandbox::same;
use super::shown::table;
use std::process::Command;
use vmrun::internals::supervise::status::MachineState;

/// A machine with four vCPUs that waits for its viewer.
fn waiting() -> Host {
    let host = Host::new("");
    host.recipe("db", "");
    let screen = "\"29\": fbuf(#{ tcp: \"127.100.100.9:5901\", wait: true }), \"31\": lpc()";
    let text = host.read("db.rhai").replace("\"31\": lpc()", screen).replace("cpus: 1", "cpus: 4");
    host.write("db.rhai", &text);
    host
}

/// The process of the machine's bhyve.
fn bhyve(host: &Host) -> u32 {
    let node = host.read("fake/vmm/db");
    node.lines().find_map(|line| line.strip_prefix("pid ")?.parse().ok()).unwrap()
}

#[test]
fn a_machine_that_waits_for_its_viewer_is_found_and_stopped() {
    let host = waiting();
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    let guest = host.status("db").unwrap().guest.unwrap();
    let list = host.run(&["list"]);
    same(
        &table(&list.stdout, &[(guest, "db")]),
        "
NAME STATE PID UPTIME CPUS MEMORY CPU% VNC RESTARTS RECIPE
db running [db] 1d02h 4 256M 12.5 127.100.100.9:5901 0 [tmp]/db.rhai
",
    );
    let status = host.run(&["status", "db"]);
    let vcpus = status.stdout.lines().find(|line| line.starts_with("vcpus")).unwrap_or_default();
    assert_eq!(vcpus.split_whitespace().collect::<Vec<_>>(), ["vcpus", "4"], "{}", status.stdout);
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    host.is_clean();
    // Where its vmrun is gone it is found and stopped as well.
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    kill(host.status("db").unwrap().supervisor.unwrap());
    assert!(host.run(&["list"]).stdout.contains("unsupervised"));
    let guest = bhyve(&host);
    ended(
        &host.run(&["stop", "db"]),
        0,
        &format!(
            "
vmrun: db was left by vmrun [pid], of [tmp]/db.rhai, since [when]; giving back what it took
vmrun: kill {guest}
vmrun: bhyvectl --destroy --vm=db
vmrun: ifconfig tap1 destroy
vmrun: rm -rf [tmp]/state/db [tmp]/state/.db.secrets [tmp]/state/.db.lock
vmrun: db is down
"
        ),
    );
    host.is_clean();
    assert_eq!(host.names("fake/vmm"), [""; 0]);
}

#[test]
fn a_machine_that_waits_for_its_viewer_and_hears_no_signal_is_killed() {
    let host = waiting();
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    let guest = host.status("db").unwrap().guest.unwrap();
    // Neither the signal nor the switch reaches it.
    assert!(Command::new("kill").args(["-STOP", &guest.to_string()]).status().unwrap().success());
    ended(&host.run(&["kill", "db"]), 0, "vmrun: db was switched off");
    assert!(!lives(guest));
    host.is_clean();
    assert_eq!(host.names("fake/vmm"), [""; 0]);
}

#[test]
fn vcpus_are_those_that_were_configured_in_the_foreground_too() {
    let host = waiting();
    let mut run = host.start(&["db.rhai"]);
    run.until("the guest", |host| host.read("state/.db.lock").contains(" + guest "));
    run.until("the bhyve", |host| host.read("fake/vmm/db").contains("pid "));
    let guest = bhyve(&host);
    same(
        &table(&host.run(&["list"]).stdout, &[(guest, "db")]),
        "
NAME STATE PID UPTIME CPUS MEMORY CPU% VNC RESTARTS RECIPE
db foreground [db] 1d02h 4 - 12.5 - - [tmp]/db.rhai
",
    );
    run.signal("TERM");
    let done = run.wait();
    assert_eq!(done.code, 130, "{}", done.stderr);
    host.is_clean();
}

#[test]
fn a_node_that_is_destroyed_under_a_machine_in_the_background_has_it_held() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    assert_eq!(host.finish(&mut host.program("bhyvectl", &["--destroy", "--vm=db"])).code, 0);
    let held = host.until("db", |status| status.state == MachineState::Failed);
    let error = "the hypervisor failed with status 1: vm_run error -1, errno 25";
    assert_eq!(held.error.as_deref(), Some(error));
    let status = host.run(&["status", "db"]).stdout;
    assert!(status.contains("held") && status.contains(error), "{status}");
    let log = host.log("db");
    assert!(
        log.contains("somebody has destroyed its node while it ran, by bhyvectl --destroy: start it again"),
        "{log}"
    );
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is not held any more");
    host.is_clean();
}

#[test]
fn a_node_that_is_destroyed_while_its_machine_starts_is_told_by_the_start() {
    let host = Host::new("err vm_run error -1, errno 6|1\n");
    host.recipe("db", "");
    ended(
        &host.run(&["start", "db.rhai"]),
        4,
        r#"
error: the hypervisor failed with status 1: vm_run error -1, errno 6
 --> [tmp]/db.rhai:3:1
  |
3 | / bhyve(#{ name: "db", cpus: 1, memory: 256.MiB, bootrom: bootrom("[tmp]/vm/rom.fd"), slots: #{
4 | | "0": hostbridge(), "4": virtio_blk("[tmp]/vm/db.img"), "6": virtio_net(nic), "31": lpc(),
5 | | } }).run();
  | |____^
  |
  = hint: somebody has destroyed its node while it ran, by bhyvectl --destroy: start it again
error: db did not start
 |
 = hint: its log: [tmp]/log/db.log
"#,
    );
    host.is_clean();
}
