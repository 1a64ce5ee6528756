//! Files of what the program is expected to say: how one that is wrong is told, and that `make bless` writes all of them.

use super::golden::compare;
use super::sandbox::project;
use std::fs;

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
    let commands: Vec<&str> = makefile.lines().filter(|line| line.contains("VMRUN_BLESS=1")).collect();
    for (target, command) in ["it", "record"].into_iter().zip(&commands) {
        assert!(command.contains(&format!("--test {target} -- ")), "{command}");
        let mut blessed: Vec<&str> = command.split_whitespace().filter_map(|word| word.strip_suffix("::")).collect();
        blessed.sort_unstable();
        let mut can: Vec<String> = Vec::new();
        for entry in fs::read_dir(project(&format!("tests/{target}"))).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() && fs::read_to_string(&path).unwrap().contains(concat!("golden::", "check(")) {
                can.push(path.file_stem().unwrap().to_str().unwrap().into());
            }
        }
        can.sort_unstable();
        assert_eq!(blessed, can);
    }
    assert_eq!(commands.len(), 2);
}
