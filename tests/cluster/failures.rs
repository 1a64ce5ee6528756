//! What fails: hypervisors, supervisors, nodes and their network.

use super::lab::{LONG, Lab, Setup, kill, took, wait_for};
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What a failover with fencing may take at most, at a token of one second.
const FAILOVER: Duration = Duration::from_secs(5);

#[test]
fn a_guest_whose_hypervisor_is_killed_runs_again() {
    let lab = Lab::started(&Setup::default());
    let (_, before) = lab.running().unwrap();
    let begin = Instant::now();
    kill(before);
    let (node, _) = lab.until_running("another hypervisor", LONG, |_, pid| pid != before);
    took("hypervisor killed: it runs again, on the same node", begin.elapsed());
    assert_eq!(node, "n3");
    assert!(begin.elapsed() <= FAILOVER);
    lab.watch.one_at_a_time();
    assert_eq!(lab.fenced(), []);
}

#[test]
fn a_guest_whose_supervisor_is_killed_is_adopted() {
    let lab = Lab::started(&Setup::default());
    let before = lab.running().unwrap();
    let supervisor = lab.supervisor("n3").unwrap();
    let begin = Instant::now();
    kill(supervisor);
    wait_for("another supervisor", LONG, || lab.supervisor("n3").filter(|it| *it != supervisor));
    took("supervisor killed: a monitor has the guest adopted", begin.elapsed());
    assert!(begin.elapsed() <= FAILOVER);
    lab.settled("n3");
    assert_eq!(lab.running(), Some(before));
    assert_eq!(lab.watch.seen().len(), 2, "{:?}", lab.watch.seen());
    lab.watch.one_at_a_time();
}

#[test]
fn a_guest_whose_node_is_off_runs_elsewhere_when_the_node_is_fenced() {
    let mut lab = Lab::started(&Setup::default());
    let (_, before) = lab.running().unwrap();
    let begin = Instant::now();
    lab.off("n3");
    let (node, _) = lab.until_running("another hypervisor", LONG, |_, pid| pid != before);
    let time = begin.elapsed();
    let fenced = lab.fenced();
    took("node off: it is fenced", fenced[0].1 - begin);
    took("node off: the machine runs elsewhere", time);
    assert_ne!(node, "n3");
    assert_eq!(fenced.iter().map(|(node, _)| &node[..]).collect::<Vec<_>>(), ["n3"]);
    assert!(time <= FAILOVER, "{time:?}");
    // It comes back, and the machine to where it is to be: stopped there before it is started here.
    let begin = Instant::now();
    lab.boot("n3");
    lab.until_running("the way back", LONG, |node, _| node == "n3");
    took("node on again: the machine has moved back", begin.elapsed());
    lab.until_complete("n3");
    lab.settled("n3");
    lab.watch.one_at_a_time();
    assert_eq!(lab.fenced().len(), 1);
}

#[test]
fn a_guest_whose_node_is_cut_off_is_ended_by_fencing_before_it_runs_elsewhere() {
    let lab = Lab::started(&Setup::default());
    let (_, before) = lab.running().unwrap();
    let begin = Instant::now();
    lab.cut("n3");
    let (node, _) = lab.until_running("another hypervisor", LONG, |_, pid| pid != before);
    let time = begin.elapsed();
    let fenced = lab.fenced();
    took("partition with fencing: the lone node is fenced", fenced[0].1 - begin);
    took("partition with fencing: the machine runs elsewhere", time);
    assert_ne!(node, "n3");
    // Whoever is alone has no quorum, and fences nobody.
    assert_eq!(fenced.iter().map(|(node, _)| &node[..]).collect::<Vec<_>>(), ["n3"]);
    lab.watch.one_at_a_time();
    assert!(time <= FAILOVER, "{time:?}");
}

#[test]
fn a_guest_whose_node_hangs_is_ended_by_fencing_before_it_runs_elsewhere() {
    let lab = Lab::started(&Setup::default());
    let (_, before) = lab.running().unwrap();
    let begin = Instant::now();
    lab.hang("n3");
    let (node, _) = lab.until_running("another hypervisor", LONG, |_, pid| pid != before);
    let time = begin.elapsed();
    took("node hangs: it is fenced, and the machine runs elsewhere", time);
    assert_ne!(node, "n3");
    assert_eq!(lab.fenced().iter().map(|(node, _)| &node[..]).collect::<Vec<_>>(), ["n3"]);
    lab.watch.one_at_a_time();
    assert!(time <= FAILOVER, "{time:?}");
}

/// How long both sides of a partition would have had the image, if its lock did not reach from host to host: from the start that one
/// side asks for to the end of the hypervisor on the other.
fn exposed(what: &str, order: char, params: &[(&str, &str)]) -> Duration {
    let lab = Lab::started(&Setup { order, fencing: false, params, ..Setup::default() });
    let (_, before) = lab.running().unwrap();
    let begin = Instant::now();
    lab.cut("n3");
    let start = format!("start\0{}\0", lab.path("vm/db.rhai").display());
    let asked =
        wait_for("a start on the other side", LONG, || lab.process_of(&["n1", "n2"], &start).map(|_| Instant::now()));
    let ended = wait_for("the end of the hypervisor", LONG, || {
        lab.watch
            .seen()
            .iter()
            .rev()
            .find(|sight| sight.holders.is_empty() && sight.since > begin)
            .map(|sight| sight.since)
    });
    let (node, _) = lab.until_running("another hypervisor", LONG, |_, pid| pid != before);
    took(&format!("{what}: the majority starts the machine"), asked - begin);
    took(&format!("{what}: the hypervisor of the minority ends"), ended - begin);
    took(&format!("{what}: the machine runs elsewhere"), begin.elapsed());
    let exposed = ended.saturating_duration_since(asked);
    took(&format!("{what}: both would have written for"), exposed);
    assert_ne!(node, "n3");
    // Back together they agree, and there is one.
    lab.mend("n3");
    lab.until_complete("n3");
    lab.settled("n3");
    assert!(lab.running().is_some());
    assert_eq!(lab.fenced(), []);
    // All of it is one kernel, whose lock on the image made the start wait.
    lab.watch.one_at_a_time();
    exposed
}

#[test]
fn without_fencing_only_a_lock_that_both_sides_know_keeps_a_partition_from_two_writers() {
    exposed("partition, no fencing", 'B', &[]);
    let exposed = exposed("partition, no fencing, deaf guest", 'W', &[("within", "8s"), ("wait", "20s")]);
    assert!(exposed > Duration::from_secs(1), "{exposed:?}");
}

#[test]
fn a_guest_whose_node_cannot_be_fenced_runs_nowhere_else() {
    let lab = Lab::started(&Setup::default());
    fs::write(lab.path("power/broken"), "").unwrap();
    lab.cut("n3");
    wait_for("fencing that fails", LONG, || lab.path("power/refused").exists().then_some(()));
    // Whoever is alone stops it, without quorum. What is not certainly off may not run elsewhere all the same.
    sleep(Duration::from_secs(5));
    assert_eq!((lab.running(), lab.fenced()), (None, Vec::new()));
    lab.watch.one_at_a_time();
    // The switch is mended, and tried again: ten times at most, which would be over after half a minute.
    let begin = Instant::now();
    fs::remove_file(lab.path("power/broken")).unwrap();
    lab.until_running("another hypervisor", LONG, |node, _| node != "n3");
    took("fencing that failed works again: the machine runs elsewhere", begin.elapsed());
    lab.watch.one_at_a_time();
}
