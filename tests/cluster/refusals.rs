//! What is refused, and whom Pacemaker lets try again: recipes that are wrong, files that are missing, images in use, guests that are deaf.

use super::lab::{LONG, Lab, Setup, recipe, took, wait_for};
use std::fs;
use std::time::{Duration, Instant};

/// The starts that failed, as Pacemaker has recorded them: the node, how it was, and why.
fn failed_starts(lab: &Lab, node: &str) -> Vec<String> {
    let said = lab.done_on(node, "crm_mon -1 --output-as=xml --include=none,failures");
    let of = |line: &str, key: &str| {
        let value = line.split_once(&format!(" {key}=\"")).and_then(|(_, rest)| rest.split_once('"'));
        value.map_or_else(String::new, |(value, _)| value.to_string())
    };
    let starts = said.lines().filter(|line| line.contains("<failure ") && of(line, "op_key") == "db_start_0");
    let mut all: Vec<String> = starts
        .map(|line| format!("{}, {}: {}", of(line, "node"), of(line, "exitstatus"), of(line, "exitreason")))
        .map(|text| text.replace(&lab.path("").display().to_string(), "[lab]/"))
        .collect();
    all.sort();
    all
}

#[test]
fn a_recipe_that_is_wrong_is_tried_once_and_bans_nobody_when_it_is_right() {
    let lab = Lab::new(&Setup { before: "tap(42);\n", ..Setup::default() });
    let begin = Instant::now();
    wait_for("a start that fails", LONG, || (!failed_starts(&lab, "n1").is_empty()).then_some(()));
    took("wrong recipe: the start is refused", begin.elapsed());
    lab.settled("n1");
    assert_eq!(failed_starts(&lab, "n1"), ["n3, not configured: expected a text, got a number"]);
    assert_eq!(lab.running(), None);
    fs::write(lab.path("vm/db.rhai"), recipe(&lab.path(""), "db")).unwrap();
    let begin = Instant::now();
    lab.done_on("n1", "crm_resource --cleanup --resource db");
    lab.until_running("the start of the recipe that was mended", LONG, |node, _| node == "n3");
    took("wrong recipe: it runs, mended and cleaned up", begin.elapsed());
    lab.settled("n1");
    assert_eq!(failed_starts(&lab, "n1"), Vec::<String>::new());
    lab.watch.one_at_a_time();
    assert_eq!(lab.fenced(), []);
}

#[test]
fn a_node_that_lacks_a_file_leaves_the_machine_to_the_others() {
    let lab = Lab::new(&Setup { is_stopped: true, ..Setup::default() });
    // The folder is the node's own.
    let disk = "\"5\": virtio_blk(\"/run/more.img\"), \"31\": lpc()";
    fs::write(lab.path("vm/db.rhai"), recipe(&lab.path(""), "db").replace("\"31\": lpc()", disk)).unwrap();
    lab.done_on("n1", "truncate -s 1M /run/more.img");
    let begin = Instant::now();
    lab.done_on("n1", "crm_resource --resource db --set-parameter target-role --meta --parameter-value Started");
    lab.until_running("a start where the file is", LONG, |node, _| node == "n1");
    took("missing file: it runs on the node that has it", begin.elapsed());
    lab.settled("n1");
    let mut failed = failed_starts(&lab, "n1");
    assert_eq!(
        failed.pop(),
        Some("n3, not installed: the disk /run/more.img is not there, and the recipe does not make it".into())
    );
    // Which of the others is tried first is Pacemaker's affair.
    assert!(
        failed.is_empty()
            || failed == ["n2, not installed: the disk /run/more.img is not there, and the recipe does not make it"],
        "{failed:?}"
    );
    lab.watch.one_at_a_time();
    assert_eq!(lab.fenced(), []);
}

/// Stops the machine by the cluster, and has a run by hand on another node take the image.
fn busy(lab: &Lab) {
    lab.done_on("n1", "crm_resource --resource db --set-parameter target-role --meta --parameter-value Stopped");
    lab.settled("n1");
    fs::write(lab.path("vm/other.rhai"), recipe(&lab.path(""), "other")).unwrap();
    lab.done_on("n1", &format!("vmrun start {}", lab.path("vm/other.rhai").display()));
    wait_for("the run by hand", LONG, || lab.running().filter(|(node, _)| *node == "n1"));
    lab.done_on("n1", "crm_resource --resource db --set-parameter target-role --meta --parameter-value Started");
}

#[test]
fn an_image_in_use_is_waited_for() {
    let lab = Lab::started(&Setup::default());
    busy(&lab);
    let start = format!("start\0{}\0", lab.path("vm/db.rhai").display());
    wait_for("the start that waits", LONG, || lab.process_of(&["n3"], &start));
    let (_, before) = lab.running().unwrap();
    let begin = Instant::now();
    lab.done_on("n1", "vmrun stop other --within 1s");
    lab.until_running("a start when the image is let go", LONG, |node, pid| node == "n3" && pid != before);
    took("busy image, let go in time: it runs", begin.elapsed());
    lab.settled("n1");
    assert_eq!(failed_starts(&lab, "n1"), Vec::<String>::new());
    lab.watch.one_at_a_time();
}

#[test]
fn an_image_that_stays_in_use_is_an_error_on_each_node_until_failures_expire() {
    let lab = Lab::started(&Setup { params: &[("wait", "1s")], ..Setup::default() });
    let begin = Instant::now();
    busy(&lab);
    let failed =
        wait_for("three starts that fail", LONG, || Some(failed_starts(&lab, "n2")).filter(|it| it.len() == 3));
    for (node, who) in [
        ("n1", "the machine other, vmrun "),
        ("n2", "another vmrun or its guest"),
        ("n3", "another vmrun or its guest"),
    ] {
        let start = format!("{node}, error: [lab]/vm/db.img is in use by {who}");
        assert!(failed.iter().any(|failure| failure.starts_with(&start)), "{start}: {failed:?}");
    }
    took("busy image, not let go: all three nodes have failed", begin.elapsed());
    lab.settled("n2");
    assert_eq!(lab.running().map(|(node, _)| node), Some("n1"));
    lab.done_on("n1", "vmrun stop other --within 1s");
    // Nobody tries again by himself, unless failures expire.
    lab.settled("n2");
    assert_eq!(lab.running(), None);
    let begin = Instant::now();
    lab.done_on("n1", "crm_resource --resource db --set-parameter failure-timeout --meta --parameter-value 5s");
    lab.until_running("a start after all", LONG, |node, _| node == "n3");
    took("busy image, not let go: it runs, with failure-timeout=5s", begin.elapsed());
    lab.watch.one_at_a_time();
    assert_eq!(lab.fenced(), []);
}

#[test]
fn a_guest_that_is_deaf_is_switched_off_in_time_and_nobody_is_fenced() {
    let lab = Lab::started(&Setup { order: 'W', ..Setup::default() });
    let begin = Instant::now();
    lab.done_on("n1", "crm_resource --move --resource db --node n2");
    wait_for("the end of the hypervisor", LONG, || lab.watch.holders().is_empty().then_some(()));
    let time = begin.elapsed();
    took("deaf guest, within=3s: it is switched off", time);
    lab.until_running("a start elsewhere", LONG, |node, _| node == "n2");
    took("deaf guest, within=3s: it runs elsewhere", begin.elapsed());
    assert!((Duration::from_secs(3)..Duration::from_secs(5)).contains(&time), "{time:?}");
    lab.settled("n1");
    lab.watch.one_at_a_time();
    assert_eq!(lab.fenced(), []);
}
