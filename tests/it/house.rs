//! The house: who may know whom.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms and their floors. Nobody looks upward, nor into another room of the same floor.
const ROOMS: &[(&str, u8)] = &[
    ("diag", 0),
    ("model", 1),
    ("bhyve", 2),
    ("qemu", 2),
    ("image", 2),
    ("network", 2),
    ("netboot", 2),
    ("vmbhyve", 2),
    ("recording", 2),
    ("library", 2),
    ("screen", 2),
    ("host", 3),
    ("client", 4),
    ("supervise", 5),
    ("script", 6),
    ("import", 6),
    ("ops", 7),
    ("cli", 8),
];

fn floor(room: &str) -> Option<u8> {
    ROOMS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Returns every file below src, by its path there.
fn files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let name = |path: &Path| path.strip_prefix(&root).unwrap().display().to_string();
    sources(&root).iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

fn room(file: &str) -> &str {
    file.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

/// Returns the rooms that a line names by `crate::`, groups of them included.
fn named(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &text[at + "crate::".len()..];
        let line = text[..at].lines().count().max(1) + usize::from(text[..at].ends_with('\n'));
        let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        match rest.strip_prefix('{') {
            None => found.push((line, word(rest))),
            Some(group) => {
                let mut depth = 0;
                let mut starts = true;
                for (at, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => starts = true,
                        c if starts && c.is_alphabetic() => {
                            found.push((line, word(&group[at..])));
                            starts = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

fn upward(file: &str, text: &str) -> Vec<String> {
    let own = room(file);
    let looks_up = |other: &str| match (floor(own), floor(other)) {
        (Some(mine), Some(theirs)) => other != own && theirs >= mine,
        _ => false,
    };
    let bad = named(text).into_iter().filter(|(_, other)| looks_up(other));
    bad.map(|(line, other)| format!("src/{file}:{line}: `{own}` looks up to `{other}`")).collect()
}

#[test]
fn no_room_looks_upward() {
    let faults: Vec<String> = files().iter().flat_map(|(file, text)| upward(file, text)).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_room_has_a_floor() {
    let files = files();
    let rooms = files.iter().map(|(file, _)| room(file)).filter(|room| !["lib", "main", "internals"].contains(room));
    let homeless: Vec<&str> = rooms.filter(|room| floor(room).is_none()).collect();
    assert_eq!(homeless, [""; 0]);
}

#[test]
fn only_the_host_knows_what_it_was_built_for() {
    let mut faults = Vec::new();
    for (file, text) in files().iter().filter(|(file, _)| room(file) != "host") {
        for (line, _) in text.lines().enumerate().filter(|(_, line)| line.contains("target_os")) {
            faults.push(format!("src/{file}:{}: `target_os` belongs to src/host", line + 1));
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn the_oldest_rust_is_the_same_wherever_it_is_said() {
    let oldest = env!("CARGO_PKG_RUST_VERSION");
    let said = [
        ("fuzz/Cargo.toml", format!("\nrust-version = \"{oldest}\"\n")),
        ("tools/setup.sh", format!("{{minimum:-{oldest}}}")),
        ("tools/freebsd-check.sh", format!("{{RUST_MINIMUM:-{oldest}}}")),
    ];
    for (name, text) in said {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        assert!(fs::read_to_string(path).unwrap().contains(&text), "{name} lacks {text}");
    }
}

#[test]
fn a_look_upward_is_found_wherever_it_is_written() {
    let upward = |text| upward("model/size.rs", text);
    assert_eq!(upward("use crate::diag::Fault;\nuse crate::model::Size;\n"), [""; 0]);
    assert_eq!(upward("\nuse crate::host::Host;\n"), ["src/model/size.rs:2: `model` looks up to `host`"]);
    assert_eq!(
        upward("use crate::{\n    diag::Fault, supervise::Run};"),
        ["src/model/size.rs:1: `model` looks up to `supervise`"]
    );
    assert_eq!(super::house::upward("bhyve.rs", "crate::qemu::x()"), ["src/bhyve.rs:1: `bhyve` looks up to `qemu`"]);
}
