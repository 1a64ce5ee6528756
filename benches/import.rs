//! How long 1,000 command lines of bhyve take from their text to checked machines and to the text of recipes, and how long `vmrun import --all` takes
//! for a datastore of vm-bhyve with 60 guests: files are read, recipes rehearsed with and without `--init`, compared and written. Beside it stands what
//! one would otherwise run: a loop of sh(1) that imports each guest by itself.
//!
//! The lines are those of `tests/fixtures/argv-valid.txt`, again and again, each for its release and architecture. Nothing is
//! asserted: times belong to the machine.

#![allow(clippy::print_stdout, reason = "a benchmark's figures are its output")]
#![allow(missing_docs, reason = "there is nothing to call")]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a benchmark may stop with a panic")]
#![allow(dead_code, reason = "the tests use all of the datastore")]

use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use vmrun::internals::import::{ImportOptions, SourceKind, read, recipe};
use vmrun::internals::model::{Arch, Target};

#[path = "../tests/common/datastore.rs"]
mod datastore;

const FIXTURE: &str = include_str!("../tests/fixtures/argv-valid.txt");
const LINES: usize = 1000;
const RUNS: usize = 11;
const GUESTS: usize = 60;

/// A command line, and the bhyve that it is for.
type Line = (Target, String);

fn lines() -> Vec<Line> {
    let mut target = Target::default();
    let mut lines = Vec::new();
    for line in FIXTURE.lines().filter(|line| !line.starts_with("    ")) {
        if line.starts_with('#') {
            target = heading(line).unwrap_or(target);
        } else {
            lines.push((target, line.to_string()));
        }
    }
    lines.iter().cycle().take(LINES).cloned().collect()
}

/// Reads `# FreeBSD 14 on amd64`.
fn heading(line: &str) -> Option<Target> {
    let (release, arch) = line.strip_prefix("# FreeBSD ")?.split_once(" on ")?;
    let arch = Arch::ALL.into_iter().find(|known| known.to_string() == arch)?;
    Some(Target { arch, release: release.parse().ok()? })
}

/// Imports a command line: reads and checks it, and writes the recipe. Returns how long that is; nothing for what is no
/// machine.
fn import((target, line): &Line) -> Option<usize> {
    let setting = ImportOptions { kind: Some(SourceKind::Bhyve), target: *target, ..ImportOptions::default() };
    read("<line>", line, &setting, &|_| None).ok().map(|import| recipe::recipe(&import).len())
}

/// Returns how long the program takes for a whole datastore, in milliseconds.
fn whole(folder: &Path) -> f64 {
    let begin = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_vmrun"));
    command.args(["import", "--all", "vm", "--datastore", "/vm", "--rc-conf", "rc.conf", "--out", "out"]);
    let done = command.current_dir(folder).stderr(Stdio::null()).status();
    // Switches that vmrun does not make are to be finished by hand: 1.
    assert!(done.is_ok_and(|status| status.code() == Some(1)), "the datastore was not imported");
    let spent = begin.elapsed().as_secs_f64() * 1000.0;
    std::fs::remove_dir_all(folder.join("out")).unwrap();
    spent
}

/// Returns how long a shell takes that imports each guest by itself, in milliseconds.
fn one_by_one(folder: &Path) -> f64 {
    const LOOP: &str = "mkdir out && for guest in vm/*/; do name=$(basename \"$guest\"); \
                        \"$0\" import --datastore /vm \"$guest$name.conf\" --out \"out/$name.rhai\"; done; ls out | wc -l";
    let begin = Instant::now();
    let mut command = Command::new("sh");
    command.args(["-c", LOOP, env!("CARGO_BIN_EXE_vmrun")]).current_dir(folder);
    let done = command.stdin(Stdio::null()).stderr(Stdio::null()).output().unwrap();
    let spent = begin.elapsed().as_secs_f64() * 1000.0;
    let written: usize = String::from_utf8_lossy(&done.stdout).trim().parse().unwrap();
    // Guests that are to be finished by hand are written all the same, but for those that are none.
    assert!(written > GUESTS / 2, "{written} guests were imported");
    std::fs::remove_dir_all(folder.join("out")).unwrap();
    spent
}

/// Returns the time in the middle.
fn middle(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn main() {
    let lines = lines();
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let begin = Instant::now();
            black_box(black_box(&lines).iter().filter_map(import).sum::<usize>());
            begin.elapsed()
        })
        .collect();
    times.sort();
    let median = times.get(RUNS / 2).copied().unwrap_or_default().as_secs_f64() * 1000.0;
    let machines = lines.iter().filter(|line| import(line).is_some()).count();
    println!("import     {median:.1} ms for 1,000 command lines (goal 500), of which {machines} are machines");
    let folder = tempfile::tempdir().unwrap();
    datastore::make(&folder.path().join("vm"), GUESTS);
    std::fs::write(folder.path().join("rc.conf"), "vm_list=\"g3 g1\"\n").unwrap();
    let all = middle((0..RUNS).map(|_| whole(folder.path())).collect());
    let each = middle((0..RUNS).map(|_| one_by_one(folder.path())).collect());
    println!("import     {all:.1} ms for a datastore of {GUESTS} guests (goal 2,000)");
    println!("import     {:.2} of the time of a loop that imports each by itself, {each:.1} ms (goal 1)", all / each);
}
