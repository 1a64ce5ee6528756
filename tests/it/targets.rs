//! Which test is run by what: `cargo test` runs those that an ordinary user can, `make test` all of them.

use super::sandbox::project;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// What a test that `cargo test` runs may start by its name; shellcheck is asked where it is. CONTRIBUTING.md has the same list.
const PROGRAMS: &[&str] = &["bash", "git", "kill", "mkfifo", "ps", "sh", "sha256sum", "shellcheck", "sleep"];

/// The targets that boot whole systems, which takes too long for every change, or take what is not Debian's: each has one of the
/// Makefile's of its own.
const APART: &[&str] = &["acceptance", "cluster", "editors", "images"];

fn read(name: &str) -> String {
    fs::read_to_string(project(name)).unwrap()
}

/// The files of Rust below a folder of the project, and the text of each.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(project(folder)).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            found.extend(sources(&name));
        } else if entry.path().extension().is_some_and(|extension| extension == "rs") {
            found.push((name.clone(), read(&name)));
        }
    }
    found
}

/// The targets of tests in Cargo.toml: the name, the folder, and whether `cargo test` leaves it out.
fn targets() -> Vec<(String, String, bool)> {
    let manifest = read("Cargo.toml");
    let folder = |path: &str| Path::new(path).parent().unwrap().to_str().unwrap().to_string();
    let target = |rest: &str| {
        let lines = rest.lines().take_while(|line| !line.is_empty());
        let values: BTreeMap<&str, &str> = lines.filter_map(|line| line.split_once(" = ")).collect();
        let text = |key: &str| values[key].trim_matches('"');
        (text("name").to_string(), folder(text("path")), values.get("test") == Some(&"false"))
    };
    manifest.split("\n[[test]]\n").skip(1).map(target).collect()
}

/// The commands of a target of the Makefile.
fn recipe(target: &str) -> Vec<String> {
    let makefile = read("Makefile");
    let (_, rest) = makefile.split_once(&format!("\n{target}:\n")).unwrap();
    rest.lines().map_while(|line| line.strip_prefix('\t')).map(Into::into).collect()
}

#[test]
fn make_test_runs_what_cargo_test_runs_and_names_every_target_that_it_leaves_out() {
    let left_out = targets().into_iter().filter(|(.., is_left_out)| *is_left_out);
    let is_apart = |(name, ..): &(String, _, _)| APART.contains(&name.as_str());
    let (apart, left_out): (Vec<_>, Vec<_>) = left_out.partition(is_apart);
    let named = left_out.into_iter().map(|(name, ..)| format!("$(CARGO) test --locked --test {name}"));
    let wanted: Vec<String> = std::iter::once("$(CARGO) test --locked".into()).chain(named).collect();
    let commands: Vec<String> = recipe("test").into_iter().filter(|line| line.starts_with("$(CARGO)")).collect();
    assert_eq!(commands, wanted);
    assert!(read(".ci/run").contains("\nstep make test\n") && read("CONTRIBUTING.md").contains("\nmake test "));
    assert_eq!(apart.len(), APART.len());
    for (name, ..) in apart {
        let (commands, run) = (recipe(&name), format!("$(CARGO) test --locked --test {name}"));
        assert_eq!(commands.first(), Some(&format!("tools/setup.sh {name}")));
        assert!(commands.last().is_some_and(|last| last.starts_with(&run)), "{commands:?}");
        assert!(read("CONTRIBUTING.md").contains(&format!("\nmake {name} ")));
    }
}

#[test]
fn every_test_is_in_one_target() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let folders: BTreeSet<String> = targets().into_iter().map(|(_, folder, _)| folder).collect();
    for (name, text) in sources("tests") {
        let is_fake = name.starts_with("tests/userland/");
        let is_test = |line: &&str| line.trim() == "#[test]";
        assert!(!text.lines().any(|line| line.trim().starts_with("#[ignore")), "{name} has a test that is never run");
        let is_of_target = is_fake || folders.iter().any(|folder| name.starts_with(&format!("{folder}/")));
        assert!(is_of_target || !text.lines().any(|line| is_test(&line)), "{name} has tests and is of no target");
        let mut lines = text.lines().map(str::trim);
        while lines.find(is_test).is_some() {
            let function = lines.find_map(|line| line.strip_prefix("fn ")).unwrap_or_default();
            let function = function.split('(').next().unwrap_or_default().to_string();
            places.entry(function).or_default().push(name.clone());
        }
    }
    places.remove("$name");
    let folder = |name: &String| name.split('/').nth(1).unwrap_or_default().to_string();
    places.retain(|_, names| names.iter().map(folder).collect::<BTreeSet<_>>().len() > 1);
    assert!(places.is_empty(), "{places:#?}");
}

#[test]
fn what_cargo_test_runs_needs_no_program_that_has_to_be_installed_for_it() {
    let mut wrong = Vec::new();
    let folders = targets().into_iter().filter(|(.., is_left_out)| !is_left_out).map(|(_, folder, _)| folder);
    for (name, text) in folders.chain(["tests/common".into()]).flat_map(|folder| sources(&folder)) {
        for rest in text.split("Command::new(\"").skip(1) {
            let program = rest.split('"').next().unwrap_or_default();
            if !PROGRAMS.contains(&program) {
                wrong.push(format!("{name}: {program}"));
            }
        }
    }
    // cargo itself is nobody's to start: what it builds it builds before the tests.
    let starts = concat!("env!(\"CARG", "O\")");
    wrong.extend(sources("tests").into_iter().filter(|(_, text)| text.contains(starts)).map(|(name, _)| name));
    assert_eq!(wrong, [""; 0]);
}
