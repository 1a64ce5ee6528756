//! Examples of command lines, each with what a bhyve of its release does with it, and with those of later releases.

use crate::judges::{Bench, Verdict};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use vmrun::internals::model::{Release, Target};

const VALID: &str = include_str!("valid.txt");
const INVALID: &str = include_str!("invalid.txt");

/// The releases that are judged for.
const RELEASES: [Release; 4] = [Release::V14_3, Release::V15_0, Release::V15_1, Release::V16];

/// An example: the first number of the release that it is for, its words, and when bhyve refuses it, if it does.
struct Example {
    vintage: u32,
    words: Vec<String>,
    when: &'static str,
}

fn examples(text: &str) -> Vec<Example> {
    let mut vintage = 0;
    let mut is_amd64 = true;
    let mut all = Vec::new();
    for line in text.lines() {
        if let Some(told) = line.strip_prefix("# arch=") {
            is_amd64 = told.starts_with("amd64");
            vintage = told.split_once("vintage=").and_then(|(_, told)| told[..2].parse().ok()).unwrap();
        }
        if !is_amd64 || !line.starts_with("bhyve") {
            continue;
        }
        let mut parts = line.split('\t');
        let words = parts.next().unwrap().split(' ').skip(1);
        let when = match parts.nth(1) {
            Some("parse") => "parse",
            Some("init") => "init",
            // The kernel or the resolver finds it; files are there all of them.
            _ if line.contains("[host") && !line.contains("file") => "init",
            _ => "taken",
        };
        let words = words.map(|word| if word == "''" { String::new() } else { word.to_string() }).collect();
        all.push(Example { vintage, words, when });
    }
    all
}

/// Tells of each example where a judge says something else than it says, and how many there were of each kind.
fn judged(text: &str, is_valid: bool) -> (String, String) {
    let bench = Bench::new();
    let mut wrong = String::new();
    let mut counts: BTreeMap<(Release, String), usize> = BTreeMap::new();
    for Example { vintage, words, when } in examples(text) {
        for release in RELEASES.into_iter().filter(|release| release.numbers().0 >= vintage) {
            let target = Target { release, ..Target::default() };
            let (theirs, ours) = (bench.bhyve(&words, release), Bench::vmrun(&words, target, None));
            let ours = if ours.is_refused() { "refuses" } else { "takes" };
            let said = format!("bhyve {}, vmrun {ours}", theirs.word());
            // What is wrong is so on the releases that it is told for; what is right stays so.
            let is_told = is_valid || release.numbers().0 == vintage;
            let is_as_told = theirs.word() == when || (is_valid && matches!(theirs, Verdict::Printed));
            if is_told && !is_as_told {
                writeln!(wrong, "{release}: bhyve {}\n    {when}, and {theirs:?}", words.join(" ")).unwrap();
            }
            for what in bench.compare(&words, target) {
                writeln!(wrong, "{release}: bhyve {}\n    {what}", words.join(" ")).unwrap();
            }
            *counts.entry((release, said)).or_default() += 1;
        }
    }
    let counts = counts.into_iter().fold(String::new(), |mut text, ((release, said), count)| {
        writeln!(text, "{release}: {said}: {count}").unwrap();
        text
    });
    (wrong, counts)
}

#[test]
fn valid_examples_are_taken_by_both_on_every_release_from_theirs_on() {
    let (wrong, counts) = judged(VALID, true);
    assert_eq!(wrong, "");
    let told = "\
FreeBSD 14.3: bhyve prints, vmrun takes: 2
FreeBSD 14.3: bhyve taken, vmrun takes: 28
FreeBSD 15.0: bhyve prints, vmrun takes: 2
FreeBSD 15.0: bhyve taken, vmrun takes: 31
FreeBSD 15.1: bhyve prints, vmrun takes: 2
FreeBSD 15.1: bhyve taken, vmrun takes: 31
FreeBSD 16: bhyve prints, vmrun takes: 2
FreeBSD 16: bhyve taken, vmrun takes: 33
";
    assert_eq!(counts, told);
}

#[test]
fn invalid_examples_are_refused_when_bhyve_refuses_them_and_by_vmrun_at_once() {
    let (wrong, counts) = judged(INVALID, false);
    assert_eq!(wrong, "");
    let told = "\
FreeBSD 14.3: bhyve init, vmrun refuses: 35
FreeBSD 14.3: bhyve parse, vmrun refuses: 28
FreeBSD 14.3: bhyve taken, vmrun refuses: 19
FreeBSD 14.3: bhyve taken, vmrun takes: 2
FreeBSD 15.0: bhyve init, vmrun refuses: 38
FreeBSD 15.0: bhyve parse, vmrun refuses: 31
FreeBSD 15.0: bhyve taken, vmrun refuses: 20
FreeBSD 15.0: bhyve taken, vmrun takes: 4
FreeBSD 15.1: bhyve init, vmrun refuses: 38
FreeBSD 15.1: bhyve parse, vmrun refuses: 31
FreeBSD 15.1: bhyve taken, vmrun refuses: 20
FreeBSD 15.1: bhyve taken, vmrun takes: 4
FreeBSD 16: bhyve init, vmrun refuses: 38
FreeBSD 16: bhyve parse, vmrun refuses: 31
FreeBSD 16: bhyve taken, vmrun refuses: 20
FreeBSD 16: bhyve taken, vmrun takes: 5
";
    assert_eq!(counts, told);
}
