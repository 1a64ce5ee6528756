//! The figures of the structure that `tools/figures.sh` counts, and what they may be at most.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

const AT_MOST: &[(&str, &[u64])] = &[
    ("loops \"evaluate, boot, what next\"", &[1]),
    ("ways from a machine to files and argv", &[1]),
    ("most methods of a trait of the host", &[15]),
    ("methods of these that have a body", &[0]),
    ("programs", &[1]),
    ("lines with files, processes, sockets above host and client", &[0]),
    ("circles of imports across families, in the rooms that were moved", &[0]),
    ("the same in other rooms", &[0]),
    ("readers of the text of recipes beside the parser", &[1]),
    ("tables by the names of words", &[0]),
    ("lines of a file: most, and of 95 %", &[500, 340]),
    ("lines of a function: most, and of 95 %", &[60, 30]),
    ("arms for anything else on own enums, without a reason", &[0]),
    ("results dropped without a reason (let _ =; not by may_fail)", &[0]),
];

/// Returns what the script counts in a tree, by what it is a figure of.
fn figures(tree: &Path) -> BTreeMap<String, Vec<u64>> {
    let output = Command::new("sh").arg(tree.join("tools/figures.sh")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let number = |text: &str| text.trim_end_matches(',').parse().ok();
    let row = |line: &str| {
        let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
        // What it is, what it was, and what it is now: the last one or two, by how many there were before.
        let pair = words.iter().rev().nth(1).is_some_and(|word| word.ends_with(','));
        let now = words.iter().rev().take(if pair { 2 } else { 1 }).rev().filter_map(|word| number(word)).collect();
        (line.get(..66).unwrap_or(line).trim().to_string(), now)
    };
    String::from_utf8(output.stdout).unwrap().lines().skip(1).map(row).collect()
}

/// Returns which figures are more than they may be.
fn beyond(figures: &BTreeMap<String, Vec<u64>>) -> Vec<String> {
    let is_beyond = |(name, most): &&(&str, &[u64])| {
        let now = figures.get(*name).map_or(&[][..], Vec::as_slice);
        now.len() != most.len() || now.iter().zip(*most).any(|(now, most)| now > most)
    };
    let shown = |(name, most): &(&str, &[u64])| format!("{name}: {:?}, at most {most:?}", figures.get(*name));
    AT_MOST.iter().filter(is_beyond).map(shown).collect()
}

#[test]
fn the_figures_of_the_structure_are_within_their_bounds() {
    let none: [&str; 0] = [];
    assert_eq!(beyond(&figures(Path::new(env!("CARGO_MANIFEST_DIR")))), none, "`tools/figures.sh -v` says where");
}

#[test]
fn a_figure_that_is_beyond_its_bound_is_found() {
    let tree = tempfile::tempdir().unwrap();
    for folder in ["tools", "src/host"] {
        fs::create_dir_all(tree.path().join(folder)).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/figures.sh");
    fs::copy(script, tree.path().join("tools/figures.sh")).unwrap();
    fs::write(tree.path().join("Cargo.toml"), "[[bin]]\n[[bin]]\n").unwrap();
    let text = "enum Kind {\n    One,\n    Two,\n}\n\nfn of(kind: &Kind) -> u8 {\n    let _ = open();\n    match kind {\n        \
                Kind::One => 1,\n        _ => 2,\n    }\n}\n";
    fs::write(tree.path().join("src/model.rs"), format!("{text}{}", "// long\n".repeat(500))).unwrap();
    let found = beyond(&figures(tree.path()));
    let expected = [
        "programs: Some([2]), at most [1]",
        "lines of a file: most, and of 95 %: Some([512, 512]), at most [500, 340]",
        "arms for anything else on own enums, without a reason: Some([1]), at most [0]",
        "results dropped without a reason (let _ =; not by may_fail): Some([1]), at most [0]",
    ];
    let missing: Vec<_> = expected.iter().filter(|one| !found.contains(&(**one).to_string())).collect();
    assert!(missing.is_empty(), "{missing:?} of {found:?}");
}
