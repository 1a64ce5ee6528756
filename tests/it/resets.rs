//! Guests that reset as soon as they are started, on the fake FreeBSD.

use super::host::{Host, ended};
use super::sandbox::same;
use vmrun::internals::supervise::status::MachineState;

const NEVER_UP: &str = "
error: it does not come up: it rebooted 6 times in a row within 1s of its start
 |
 = hint: it is not started again; its console, or `vmrun logs`, shows what it says last: often it has nothing to boot from, or its loader or firmware does not fit
";

const AT_ONCE: &str = "vmrun: the guest rebooted as soon as it was started; starting it again in 1s\n";

#[test]
fn a_guest_that_resets_for_ever_does_not_come_up_and_its_start_says_so() {
    let host = Host::new(&"0\n".repeat(40));
    host.recipe("db", "");
    let hint = "error: db did not start\n |\n = hint: its log: [tmp]/log/db.log\n";
    ended(&host.run(&["start", "db.rhai"]), 4, &format!("{NEVER_UP}{hint}"));
    host.is_clean();
    let told = format!(
        "vmrun: the guest rebooted; starting it again\n{}vmrun: it is down\n{}",
        AT_ONCE.repeat(4),
        NEVER_UP.trim_start()
    );
    same(&host.log("db"), &told);
    let boots = host.calls().lines().filter(|line| line.starts_with("bhyve -c")).count();
    assert_eq!(boots, 6);
    let events = host.run(&["events", "db"]).stdout;
    let kinds = |kind: &str| events.matches(&format!("\"event\":\"{kind}\"")).count();
    assert_eq!(
        (kinds("started"), kinds("ended"), kinds("waiting"), kinds("running"), kinds("failed")),
        (6, 6, 4, 0, 1)
    );
}

#[test]
fn a_run_in_the_foreground_gives_up_too() {
    let host = Host::new(&"0\n".repeat(40));
    host.recipe("db", "restart(#{ on: [\"reboot\", \"crash\"] });\n");
    let said = format!("vmrun: the guest rebooted; starting it again\n{}{}", AT_ONCE.repeat(4), NEVER_UP.trim_start());
    ended(&host.run(&["db.rhai"]), 4, &said);
    host.is_clean();
}

#[test]
fn who_ran_once_and_then_resets_for_ever_is_held() {
    let host = Host::new(&["run\n", &"0\n".repeat(40)].concat());
    host.recipe("db", "");
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    assert_eq!(host.run(&["status", "db"]).code, 0);
    std::process::Command::new("sleep").arg("1").status().unwrap();
    assert_eq!(host.finish(&mut host.program("bhyvectl", &["--force-reset", "--vm=db"])).code, 0);
    let held = host.until("db", |status| status.state == MachineState::Failed);
    let error = "it does not come up: it rebooted 6 times in a row within 1s of its start";
    assert_eq!((held.error.as_deref(), held.boots), (Some(error), 7));
    let status = host.run(&["status", "db"]);
    assert!(status.stdout.contains("held") && status.stdout.contains(error), "{}", status.stdout);
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is not held any more");
    host.is_clean();
}

#[test]
fn a_guest_that_pauses_is_stopped_at_once() {
    let host = Host::new("0\n0\n0\nrun\n");
    host.recipe("db", "");
    let mut run = host.start(&["start", "db.rhai"]);
    run.until("a pause", |sandbox| sandbox.read("log/db.log").contains("in 1s"));
    let waits = host.until("db", |status| status.state == MachineState::Waiting || status.boots > 2);
    assert_eq!(waits.restarts, 0);
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    assert_eq!(run.wait().code, 0);
    host.is_clean();
}
