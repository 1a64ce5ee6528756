//! The command lines of the fixtures, and what becomes of them by small changes.

use crate::judges::Bench;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::fmt::Write as _;
use vmrun::internals::model::{Arch, Release, Target};

const FIXTURES: [&str; 3] = [
    include_str!("../fixtures/argv-valid.txt"),
    include_str!("../fixtures/argv-late.txt"),
    include_str!("../fixtures/argv-invalid.txt"),
];

/// Numbers at the borders of what is read, in every base.
const NUMBERS: [&str; 20] = [
    "", "0", "00", "1", "07", "08", "010", "0x10", "-1", "+1", "1.5", "7", "15", "16", "31", "32", "255", "256",
    "1024", "65536",
];

/// Options that devices and flags know, or nearly.
const OPTIONS: [&str; 16] = [
    "ro",
    "nocache",
    "sync=1",
    "bootindex=0",
    "mac=58:9c:fc:00:00:01",
    "mtu=1500",
    "sectorsize=512/4096",
    "w=800",
    "wait",
    "rfb=:5901",
    "rfb=unix:/run/v",
    "type=tap",
    "target=3:/dev/cam/ctl3",
    "size=1G",
    "version=2.0",
    "fwcfg=qemu",
];

/// What is done to a command line.
#[derive(Clone, Debug)]
enum Change {
    Drop(usize),
    Double(usize),
    Swap(usize, usize),
    /// The n-th number of a word becomes another.
    Number(usize, usize, usize),
    /// An item of a word goes.
    Item(usize, usize),
    /// A word gets an option more.
    Option(usize, usize),
    /// A word of another line comes in.
    Foreign(usize, usize, usize),
}

impl Change {
    fn apply(&self, words: &mut Vec<String>, all: &[(Target, Vec<String>)]) {
        let count = words.len().max(1);
        if words.is_empty() {
            return;
        }
        match *self {
            Self::Drop(at) => drop(words.remove(at % count)),
            Self::Double(at) => words.insert(at % count, words[at % count].clone()),
            Self::Swap(one, other) => words.swap(one % count, other % count),
            Self::Number(at, nth, number) => {
                let word = &mut words[at % count];
                let numbers = numbers(word);
                if let Some((from, to)) = numbers.get(nth % numbers.len().max(1)) {
                    word.replace_range(*from..*to, NUMBERS[number % NUMBERS.len()]);
                }
            }
            Self::Item(at, nth) => {
                let word = &mut words[at % count];
                let mut items: Vec<&str> = word.split(',').collect();
                items.remove(nth % items.len());
                *word = items.join(",");
            }
            Self::Option(at, option) => {
                let _ = write!(words[at % count], ",{}", OPTIONS[option % OPTIONS.len()]);
            }
            Self::Foreign(line, word, at) => {
                let other = &all[line % all.len()].1;
                if let Some(word) = other.get(word % other.len().max(1)) {
                    words[at % count].clone_from(word);
                }
            }
        }
    }
}

/// Where the runs of digits of a word are.
fn numbers(word: &str) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (at, _) in word.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit()) {
        match runs.last_mut() {
            Some((_, end)) if *end == at => *end = at + 1,
            _ => runs.push((at, at + 1)),
        }
    }
    runs
}

fn change() -> impl Strategy<Value = Change> {
    let at = || 0_usize..40;
    prop_oneof![
        at().prop_map(Change::Drop),
        at().prop_map(Change::Double),
        (at(), at()).prop_map(|(one, other)| Change::Swap(one, other)),
        (at(), 0_usize..6, 0..NUMBERS.len()).prop_map(|(at, nth, number)| Change::Number(at, nth, number)),
        (at(), 0_usize..6, 0..NUMBERS.len()).prop_map(|(at, nth, number)| Change::Number(at, nth, number)),
        (at(), 0_usize..6).prop_map(|(at, nth)| Change::Item(at, nth)),
        (at(), 0..OPTIONS.len()).prop_map(|(at, option)| Change::Option(at, option)),
        (0_usize..1000, at(), at()).prop_map(|(line, word, at)| Change::Foreign(line, word, at)),
    ]
}

/// The command lines for amd64, without the program's name.
fn lines() -> Vec<(Target, Vec<String>)> {
    let mut target = Target::default();
    let mut all = Vec::new();
    for line in FIXTURES.into_iter().flat_map(str::lines).filter(|line| !line.starts_with("    ")) {
        if let Some((release, arch)) = line.strip_prefix("# FreeBSD ").and_then(|told| told.split_once(" on ")) {
            target = Target { arch: arch.parse().unwrap(), release: release.parse().unwrap() };
        } else if target.arch == Arch::Amd64 && line.starts_with("bhyve") {
            let words = line.split(' ').skip(1).map(|word| if word == "''" { String::new() } else { word.to_string() });
            all.push((target, words.collect()));
        }
    }
    all
}

#[test]
fn the_command_lines_of_the_fixtures_are_judged_alike_for_every_release() {
    let bench = Bench::new();
    let mut wrong = String::new();
    for (_, words) in lines() {
        for release in Release::ALL {
            for what in bench.compare(&words, Target { release, ..Target::default() }) {
                writeln!(wrong, "{release}: bhyve {}\n    {what}", words.join(" ")).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// So many cases, the same ones, unless PROPTEST_RNG_SEED and PROPTEST_CASES say otherwise.
fn settled(cases: u32) -> ProptestConfig {
    let usual = ProptestConfig::default();
    let rng_seed = if usual.rng_seed == RngSeed::Random { RngSeed::Fixed(18) } else { usual.rng_seed };
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { usual.cases } else { cases };
    ProptestConfig { rng_seed, cases, failure_persistence: None, ..usual }
}

proptest! {
    // The same lines every time, so that a run is the same as the one before; CONTRIBUTING.md has how to look at others.
    #![proptest_config(settled(2000))]

    #[test]
    fn what_becomes_of_them_is_judged_alike(
        line in 0_usize..1000, changes in prop::collection::vec(change(), 1..4), release in 0_usize..6
    ) {
        thread_local!(static KNOWN: (Bench, Vec<(Target, Vec<String>)>) = (Bench::new(), lines()));
        let target = Target { release: Release::ALL[release], ..Target::default() };
        let (words, wrong) = KNOWN.with(|(bench, lines)| {
            let mut words = lines[line % lines.len()].1.clone();
            changes.iter().for_each(|change| change.apply(&mut words, lines));
            let wrong = bench.compare(&words, target);
            (words, wrong)
        });
        prop_assert!(wrong.is_empty(), "{} bhyve {words:?}\n{}", target.release, wrong.join("\n"));
    }
}
