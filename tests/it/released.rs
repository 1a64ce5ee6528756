//! What is released: a package of Debian, a crate, and what says which version it is.

use super::sandbox::{Sandbox, project};
use std::fs;

fn read(name: &str) -> String {
    fs::read_to_string(project(name)).unwrap()
}

/// What a maintainer's script of the package asks of systemd, when dpkg calls it with arguments.
fn asked(script: &str, args: &[&str]) -> String {
    let sandbox = Sandbox::new();
    for program in ["systemctl", "deb-systemd-invoke"] {
        sandbox.script(program, &format!("#!/bin/sh\necho {program} \"$@\" >>asked\n"));
    }
    sandbox.write("asked", "");
    // As if systemd ran here, and as if root's files were those of the test.
    let text = read(&format!("packaging/debian/{script}"));
    let text = text.replace("-d /run/systemd/system", "-d .").replace("/etc/systemd/", "systemd/");
    sandbox.write(script, &text);
    fs::create_dir_all(sandbox.path("systemd/system/multi-user.target.wants")).unwrap();
    let link = "systemd/system/multi-user.target.wants/vmrun.service";
    sandbox.write(link, "");
    let mut command = sandbox.shell(&format!("exec sh {script} {}", args.join(" ")));
    let done = sandbox.finish(&mut command);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, "", ""), "{script} {args:?}");
    assert_eq!(sandbox.path(link).exists(), args != ["purge"], "{script} {args:?}");
    sandbox.read("asked")
}

#[test]
fn an_upgrade_of_the_package_stops_no_machine_and_a_removal_stops_all() {
    let reload = "systemctl --system daemon-reload\n";
    assert_eq!(asked("prerm", &["upgrade", "0.2.0-1"]), "");
    assert_eq!(asked("postrm", &["upgrade", "0.2.0-1"]), reload);
    assert_eq!(asked("prerm", &["failed-upgrade", "0.1.0-1", "0.2.0-1"]), "");
    assert_eq!(asked("postinst", &["configure", "0.1.0-1"]), reload);
    assert_eq!(asked("postinst", &["configure"]), reload);
    assert_eq!(asked("postinst", &["abort-upgrade", "0.2.0-1"]), reload);
    assert_eq!(asked("prerm", &["remove"]), "deb-systemd-invoke stop vmrun.service\n");
    assert_eq!(asked("postrm", &["remove"]), reload);
    assert_eq!(asked("postrm", &["purge"]), reload);
    // cargo-deb would write scripts of its own, which restart the service.
    let manifest = read("Cargo.toml");
    assert!(!manifest.contains("\nsystemd-units"));
    assert!(manifest.contains("\nmaintainer-scripts = \"packaging/debian\"\n"));
}

/// Who builds vmrun from its crate needs the sources and what they include; who reads it needs what README leads to.
#[test]
fn a_crate_has_what_it_is_built_of_and_no_tests() {
    let manifest: Vec<String> = read("Cargo.toml").lines().map(String::from).collect();
    let include = manifest.iter().find_map(|line| line.strip_prefix("include = ")).unwrap();
    let include: Vec<String> = serde_json::from_str(include).unwrap();
    let wanted = [
        "/CHANGELOG.md",
        "/Cargo.lock",
        "/LICENSE",
        "/README.md",
        "/build.rs",
        "/docs/",
        "/recipes/",
        "/src/",
        "/stdlib/",
    ];
    assert_eq!(include, wanted);
    // What the program has in itself is below these, but for what its own tests compare.
    let mut folders = vec![project("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path.display().to_string());
                continue;
            }
            let text = fs::read_to_string(&path).unwrap_or_default();
            let product = text.split("#[cfg(test)]").next().unwrap_or_default();
            let is_tests = path.ends_with("tests.rs") || path.components().any(|part| part.as_os_str() == "tests");
            for rest in product.split("include_str!(\"").skip(1).filter(|_| !is_tests) {
                let name = rest.split('"').next().unwrap();
                let file = path.parent().unwrap().join(name).canonicalize().unwrap();
                let file = file.strip_prefix(fs::canonicalize(project("")).unwrap()).unwrap().to_path_buf();
                assert!(file.starts_with("src") || file.starts_with("stdlib"), "{} has {name}", path.display());
            }
        }
    }
    assert!(!manifest.iter().any(|line| line.starts_with("repository")), "nobody knows an address of vmrun");
}

/// The form is <https://keepachangelog.com/en/1.1.0/>'s.
#[test]
fn the_changelog_is_kept_as_changelogs_are_and_has_the_version_of_the_program() {
    let text = read("CHANGELOG.md");
    let versions: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let (version, date) = versions[0].split_once("] - ").unwrap();
    assert_eq!(version, format!("[{}", env!("CARGO_PKG_VERSION")));
    let is_date = |text: &str| text.len() == 10 && text.chars().all(|c| c.is_ascii_digit() || c == '-');
    assert!(date == "Unreleased" || is_date(date), "{date}");
    assert!(versions[1..].iter().all(|line| line.split_once("] - ").is_some_and(|(_, date)| is_date(date))));
    let mut seen = Vec::new();
    let sections = text.split("\n## ").nth(1).unwrap();
    for section in sections.lines().filter_map(|line| line.strip_prefix("### ")) {
        assert!(["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"].contains(&section), "{section}");
        assert!(!seen.contains(&section), "{section} is there twice");
        seen.push(section);
    }
    assert!(!seen.is_empty());
}
