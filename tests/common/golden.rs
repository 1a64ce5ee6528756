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
pub(crate) fn compare(folder: &Path, files: impl IntoIterator<Item = (String, String)>, blesses: bool) -> String {
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
