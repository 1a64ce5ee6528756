use super::*;
use crate::bhyve::slot;
use crate::model::{Arch, Release};
use proptest::prelude::*;
use std::fmt::Write as _;

const VALID: &str = include_str!("../../../tests/fixtures/argv-valid.txt");
const LATE: &str = include_str!("../../../tests/fixtures/argv-late.txt");
const INVALID: &str = include_str!("../../../tests/fixtures/argv-invalid.txt");

fn files(path: &str) -> Option<String> {
    match path {
        "/vm/a.conf" => Some("# a\nuuid=5c8dbf6a\npci.0.1.0.device=virtio-rnd\n".into()),
        "/vm/wrong.conf" => Some("a\n\nname.x=1\n ".into()),
        "/vm/a.txt" => Some("text".into()),
        _ => None,
    }
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(|word| if word == "''" { String::new() } else { word.to_string() }).collect()
}

fn target(line: &str) -> Option<Target> {
    let (release, arch) = line.strip_prefix("# FreeBSD ")?.split_once(" on ")?;
    let arch = Arch::ALL.into_iter().find(|known| known.to_string() == arch)?;
    Some(Target { arch, release: release.parse().ok()? })
}

fn with_hint(fault: &Fault) -> String {
    format!("{} | {}", fault.message, fault.hint.as_deref().unwrap_or_default())
}

fn shown(reading: &Reading) -> String {
    let mut text = String::new();
    for (key, value) in reading.tree.entries() {
        let value = if key.ends_with("password") { "***" } else { value };
        writeln!(text, "    {key}={value}").unwrap();
    }
    for item in &reading.fw_cfg {
        writeln!(text, "    -f {}: {}", item.name, item.content).unwrap();
    }
    reading.help.iter().for_each(|help| writeln!(text, "    help: {help:?}").unwrap());
    reading.warnings.iter().for_each(|one| writeln!(text, "    warning: {}", with_hint(&one.fault)).unwrap());
    text
}

/// Reads the command lines of a transcript and tells what came of each.
fn transcript(text: &str, told: impl Fn(&str, Target) -> String) -> String {
    let mut current = Target::default();
    let mut again = String::new();
    for line in text.lines().filter(|line| !line.starts_with("    ")) {
        current = target(line).unwrap_or(current);
        writeln!(again, "{line}").unwrap();
        if !line.starts_with('#') {
            again += &told(line, current);
        }
    }
    again
}

#[test]
fn valid_command_lines_are_read_into_these_keys() {
    let again = transcript(VALID, |line, target| shown(&read(&words(line), target, &files).unwrap()));
    assert_eq!(again, VALID);
}

#[test]
fn what_bhyve_finds_late_or_never_is_read_as_it_stands() {
    let again = transcript(LATE, |line, target| shown(&read(&words(line), target, &files).unwrap()));
    assert_eq!(again, LATE);
}

#[test]
fn invalid_command_lines_are_refused_in_these_words() {
    let again = transcript(INVALID, |line, target| {
        let refusals = read(&words(line), target, &files).unwrap_err();
        assert!(refusals.iter().all(|refusal| !format!("{refusal:?}").contains("hunter")));
        refusals.iter().map(|refusal| format!("    {}: {}\n", refusal.arg, with_hint(&refusal.fault))).collect()
    });
    assert_eq!(again, INVALID);
}

#[test]
fn every_slot_of_them_is_written_so_that_it_reads_the_same() {
    transcript(VALID, |line, target| {
        let words = words(line);
        for pair in words.windows(2).filter(|pair| pair[0] == "-s" && pair[1].contains(',')) {
            let once = slot::read(&pair[1], target).unwrap();
            let text = slot::write(once.slot, &once.entries, target).unwrap();
            let again = slot::read(&text, target).unwrap();
            assert_eq!((once.slot, once.entries), (again.slot, again.entries), "{}", pair[1]);
        }
        String::new()
    });
}

#[test]
fn every_key_knows_the_word_that_set_it() {
    let args = words("bhyve -wH -c 2 -s4,virtio-rnd -m 1G -k /vm/a.conf -m 2G vm");
    let origins = read(&args, Target::default(), &files).unwrap().origins;
    let origins: Vec<String> = origins.iter().map(|(key, at)| format!("{key}@{}", args[*at])).collect();
    assert_eq!(
        origins.join(" "),
        "cpus@2 memory.size@2G name@vm pci.0.1.0.device@/vm/a.conf pci.0.4.0.device@-s4,virtio-rnd uuid@/vm/a.conf \
         x86.strictmsr@-wH x86.vmexit_on_hlt@-wH"
    );
}

#[test]
fn a_password_is_in_no_message_and_no_debug_output() {
    let args = words("bhyve -s 29,fbuf,password=hunter2,password=hunter3 -o pci.0.29.0.password=hunter4 vm");
    let reading = read(&args, Target::default(), &files).unwrap();
    assert_eq!(reading.tree.get("pci.0.29.0.password"), Some("hunter4"));
    assert!(!format!("{reading:?}").contains("hunter"));
    let warnings: Vec<&str> = reading.warnings.iter().map(|one| one.fault.message.as_str()).collect();
    assert_eq!(
        warnings,
        [
            "`-s 29,fbuf,password=***`: `fbuf` is given `password` twice",
            "`-o pci.0.29.0.password=***` overrides `-s 29,fbuf,password=***`: both set `pci.0.29.0.password`",
        ]
    );
}

/// Words that are near to what bhyve takes.
fn word() -> impl Strategy<Value = String> {
    let near =
        "-?[a-zA-Z]{0,2}|-[clnpGfks]|[0-9:]{1,4},(ahci|xhci|passthru|virtio-(scsi|9p|console|blk)),[a-z0-9=:/,.]{0,12}";
    prop_oneof![near, "[a-z]{0,4}[=,:.][a-z0-9=,:.]{0,9}", any::<String>()]
}

proptest! {
    #[test]
    fn no_words_panic(args in prop::collection::vec(word(), 0..9), arch in 0_usize..3, release in 0_usize..6) {
        let target = Target { arch: Arch::ALL[arch], release: Release::ALL[release] };
        let files = |path: &str| Some(path.to_string());
        match read(&args, target, &files) {
            Ok(reading) => {
                let _ = reading.tree.normalized(target);
                prop_assert!(reading.origins.values().all(|at| *at < args.len()));
                prop_assert!(reading.tree.entries().all(|(key, _)| reading.origins.contains_key(key)));
            }
            Err(refusals) => prop_assert!(refusals.iter().all(|refusal| refusal.arg < args.len().max(1))),
        }
    }
}
