//! Files of what the program is expected to say. `make bless` writes them anew; whoever blesses reads the difference.

use super::sandbox::project;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Compares files of the project with what they should be now. All of them are compared before the first one fails.
#[track_caller]
pub(crate) fn check(files: impl IntoIterator<Item = (String, String)>) {
    let blesses = env::var_os("VMRUN_BLESS").is_some_and(|value| value == "1");
    let differences = compare(Path::new(&project("")), files, blesses);
    assert!(differences.is_empty(), "\n{differences}`make bless` writes what is said now\n");
}

/// Returns how files below a folder differ from what they should be, or, if it blesses, makes them so.
fn compare(folder: &Path, files: impl IntoIterator<Item = (String, String)>, blesses: bool) -> String {
    let mut differences = String::new();
    for (name, actual) in files {
        let path = folder.join(&name);
        let expected = fs::read_to_string(&path).unwrap_or_default();
        match actual == expected {
            true => {}
            false if blesses => fs::write(&path, actual).unwrap(),
            false => write!(differences, "{name}: - expected, + said now\n{}", difference(&expected, &actual)).unwrap(),
        }
    }
    differences
}

/// The lines of either text that the other one lacks, with their numbers there.
fn difference(expected: &str, actual: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) =
        (expected.split_inclusive('\n').collect(), actual.split_inclusive('\n').collect());
    // How many lines are common from here on.
    let mut common = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] =
                if old[i] == new[j] { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let line = |sign: char, number: usize, line: &str| {
        let cut = if line.ends_with('\n') { "" } else { " (without an end of the line)" };
        format!("{sign}{:5} {}{cut}\n", number + 1, line.trim_end_matches('\n'))
    };
    let (mut i, mut j, mut lines) = (0, 0, String::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || i < old.len() && common[i + 1][j] >= common[i][j + 1] {
            lines += &line('-', i, old[i]);
            i += 1;
        } else {
            lines += &line('+', j, new[j]);
            j += 1;
        }
    }
    lines
}

#[test]
fn a_falsified_file_is_told_whole_and_blessed_once() {
    let folder = tempfile::tempdir().unwrap();
    let name = "tests/fixtures/import/web.conf.told";
    let truth = fs::read_to_string(project(name)).unwrap();
    let copy = folder.path().join("web.told");
    let second = truth.lines().nth(1).unwrap();
    fs::write(&copy, truth.replacen(&format!("{second}\n"), "a lie\n", 1) + "a rest").unwrap();
    let check = |blesses| compare(folder.path(), [("web.told".into(), truth.clone())], blesses);
    let last = truth.lines().count() + 1;
    let told = format!(
        "web.told: - expected, + said now\n-    2 a lie\n+    2 {second}\n-{last:5} a rest (without an end of the line)\n"
    );
    assert_eq!(check(false), told);
    assert_eq!(check(true), "");
    assert_eq!(fs::read_to_string(&copy).unwrap(), truth);
    assert_eq!(check(false), "");
    fs::remove_file(&copy).unwrap();
    assert!(check(false).contains(second));
    assert_eq!(check(true), "");
    assert_eq!(fs::read_to_string(&copy).unwrap(), truth);
}

#[test]
fn make_bless_runs_every_test_that_can_bless() {
    let makefile = fs::read_to_string(project("Makefile")).unwrap();
    let command = makefile.lines().find(|line| line.contains("VMRUN_BLESS=1")).unwrap();
    let mut blessed: Vec<&str> = command.split_whitespace().filter_map(|word| word.strip_suffix("::")).collect();
    blessed.sort_unstable();
    let mut can: Vec<String> = Vec::new();
    for entry in fs::read_dir(project("tests/it")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && fs::read_to_string(&path).unwrap().contains("golden::check(") {
            can.push(path.file_stem().unwrap().to_str().unwrap().into());
        }
    }
    can.retain(|name| name != "golden");
    can.sort_unstable();
    assert_eq!(blessed, can);
}
