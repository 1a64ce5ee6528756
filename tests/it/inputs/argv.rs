//! bhyve's arguments: a number for the release and architecture, then the words, each after a line break.

use super::machine::{self, TARGETS};
use vmrun::internals::bhyve::command;
use vmrun::internals::bhyve::slot;

const FIXTURES: [&str; 3] = [
    include_str!("../../fixtures/argv-valid.txt"),
    include_str!("../../fixtures/argv-late.txt"),
    include_str!("../../fixtures/argv-invalid.txt"),
];

/// The command lines of the fixtures, for the release and architecture that each is for.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut number = 0;
    let mut seeds = Vec::new();
    for line in FIXTURES.into_iter().flat_map(str::lines).filter(|line| !line.starts_with("    ")) {
        if let Some(told) = line.strip_prefix("# FreeBSD ") {
            let at = TARGETS.iter().position(|target| told == format!("{} on {}", target.release.name(), target.arch));
            number = at.unwrap_or(number);
        } else if !line.starts_with('#') {
            let words: Vec<&str> = line.split(' ').map(|word| if word == "''" { "" } else { word }).collect();
            seeds.push(format!("{number}\n{}", words.join("\n")).into_bytes());
        }
    }
    seeds.extend(FOUND.map(|words| words.replace(' ', "\n").into_bytes()));
    seeds
}

/// What a fuzzer found, with blanks for line breaks.
const FOUND: [&str; 2] = [
    // The only target's path has a `=`, as an option has, or a `:`, as a number has.
    "15 bhyve -s 0,hostbridge -s 4,virtio-scsi,target=0:/dev/cam/ctl1$targe5=2:/t5dev/cam/ctl2 sc2",
    "15 bhyve -s 0,hostbridge -s 4,virtio-scsi,target=0:l1255:/dev/cam/ctl2 sc2",
];

pub fn holds(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut words = text.split(['\n', '\0']);
    let target = machine::target(words.next().unwrap_or_default());
    let args: Vec<String> = words.map(str::to_string).collect();
    // A file holds what it is called, so that it can hold anything.
    let files = |path: &str| Some(path.replace(';', "\n"));
    match command::read(&args, target, &files) {
        Err(refusals) => {
            assert!(!refusals.is_empty() && refusals.iter().all(|refusal| refusal.arg < args.len().max(1)));
        }
        Ok(reading) => {
            assert!(reading.tree.entries().all(|(key, _)| reading.origins.contains_key(key)));
            assert!(reading.origins.values().all(|at| *at < args.len()));
            machine::holds(&reading.tree, target);
        }
    }
    for word in &args {
        // A fault is as good as a slot; neither may panic.
        let _ = slot::read(word, target);
    }
}
