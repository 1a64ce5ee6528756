//! The picture of the README, which is what vmrun prints today.

use crate::sandbox::{project, same};
use crate::tools::{need, tool};
use std::fs;

/// How many columns the terminal of the picture has.
const COLUMNS: usize = 90;

/// What changes from run to run: times, processes and how busy they are.
const CHANGING: &[&str] = &["\u{a0}since\u{a0}", "hypervisor", "supervisor", "\"time\""];

/// A picture, with N for each number that the next run has otherwise.
fn lasting(picture: &str) -> String {
    let line = |line: &str| {
        let Some((place, text)) =
            line.split_once('>').filter(|(_, text)| CHANGING.iter().any(|part| text.contains(part)))
        else {
            return format!("{line}\n");
        };
        let mut kept = String::new();
        for c in text.chars() {
            let is_of_number = c.is_ascii_digit() || c == '.' && kept.ends_with('N');
            match (is_of_number, kept.ends_with('N')) {
                (true, true) => {}
                (true, false) => kept.push('N'),
                (false, _) => kept.push(c),
            }
        }
        format!("{place}>{kept}\n")
    };
    picture.lines().map(line).collect()
}

/// How many columns a line of the picture takes.
fn width(line: &str) -> usize {
    let text = line.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text).collect::<String>();
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    text.chars().count()
}

#[test]
fn the_picture_of_the_readme_shows_what_is_printed_today() {
    need(&["awk", "qemu-system-x86_64", "script"]);
    let shown = fs::read_to_string(project("docs/picture.svg")).unwrap();
    let printed = tool(&project("tools/picture.sh"), &[env!("CARGO_BIN_EXE_vmrun")]);
    // Otherwise make it anew, by: tools/picture.sh target/release/vmrun >docs/picture.svg
    same(&lasting(&printed), &lasting(&shown));
    for line in shown.lines().filter(|line| line.starts_with("<text")) {
        assert!(width(line) <= COLUMNS, "{line}");
    }
}
