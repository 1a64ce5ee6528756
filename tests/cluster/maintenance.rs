//! What people do to a cluster: maintenance by hand, and another vmrun.

use super::lab::{LONG, Lab, Setup, kill, took, wait_for};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Longer than two monitors take.
const QUIET: Duration = Duration::from_millis(2500);

#[test]
fn in_maintenance_a_machine_is_whose_who_works_on_it_and_the_clusters_afterwards() {
    let lab = Lab::started(&Setup::default());
    let (_, first) = lab.running().unwrap();
    lab.done_on("n1", "crm_attribute --name maintenance-mode --update true");
    lab.settled("n1");
    // By hand it is stopped and started again, and nobody interferes.
    lab.done_on("n3", "vmrun stop db");
    sleep(QUIET);
    assert_eq!(lab.running(), None);
    lab.done_on("n3", &format!("vmrun start {}", lab.path("vm/db.rhai").display()));
    let (node, second) = lab.until_running("the start by hand", LONG, |_, pid| pid != first);
    assert_eq!(node, "n3");
    // Nobody is asked, so that nobody adopts.
    let supervisor = lab.supervisor("n3").unwrap();
    kill(supervisor);
    sleep(QUIET);
    assert_eq!(lab.on("n3", "vmrun monitor db").code, Some(9));
    let begin = Instant::now();
    lab.done_on("n1", "crm_attribute --name maintenance-mode --update false");
    wait_for("another supervisor", LONG, || lab.supervisor("n3").filter(|it| *it != supervisor));
    took("end of maintenance: a guest without a supervisor is adopted", begin.elapsed());
    lab.settled("n1");
    assert_eq!(lab.running(), Some(("n3", second)));
    lab.watch.one_at_a_time();
    assert_eq!(lab.fenced(), []);
}

#[test]
fn another_vmrun_takes_its_place_on_one_node_after_the_other_and_the_guest_goes_on() {
    let lab = Lab::started(&Setup::default());
    let before = lab.running().unwrap();
    let begin = Instant::now();
    for node in ["n1", "n2", "n3"] {
        // Another file with the same name, as a package manager puts it there.
        lab.done_on(node, "cp /run/bin/vmrun /run/bin/new && echo >>/run/bin/new && mv /run/bin/new /run/bin/vmrun");
        sleep(QUIET);
        assert_eq!(lab.running(), Some(before));
    }
    // The old one still runs as the supervisor, and is replaced when it is gone.
    let supervisor = lab.supervisor("n3").unwrap();
    let program = |pid: u32| std::fs::read_link(format!("/proc/{pid}/exe")).unwrap().display().to_string();
    assert_eq!(program(supervisor), "/run/bin/vmrun (deleted)");
    kill(supervisor);
    let now = wait_for("another supervisor", LONG, || lab.supervisor("n3").filter(|it| *it != supervisor));
    assert_eq!(program(now), "/run/bin/vmrun");
    lab.settled("n1");
    took("rolling update of vmrun on three nodes, the guest running", begin.elapsed());
    assert_eq!(lab.running(), Some(before));
    assert_eq!(lab.watch.seen().len(), 2, "{:?}", lab.watch.seen());
    // What was started by the old one is stopped by the new one, and started elsewhere.
    lab.done_on("n1", "crm_resource --move --resource db --node n2");
    lab.until_running("the move", LONG, |node, _| node == "n2");
    lab.settled("n1");
    lab.watch.one_at_a_time();
    assert_eq!(lab.fenced(), []);
}
