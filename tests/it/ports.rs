//! The port of FreeBSD: what it fetches, what it installs, and how it is written.

use super::golden;
use super::install::{files, install_with};
use super::sandbox::{Sandbox, project};
use std::fs;

/// The files of an installation as a port's plist names them: manuals are compressed after they were installed, and what is an option
/// stands behind its name.
fn plist(files: &[String]) -> String {
    let line = |file: &String| match file.split_once('/') {
        Some(("share", rest)) if rest.starts_with("man/") => format!("share/{rest}.gz\n"),
        Some(("share", rest)) => match (rest.strip_prefix("doc/vmrun/"), rest.strip_prefix("examples/vmrun/")) {
            (Some(name), _) => format!("%%PORTDOCS%%%%DOCSDIR%%/{name}\n"),
            (_, Some(name)) => format!("%%PORTEXAMPLES%%%%EXAMPLESDIR%%/{name}\n"),
            _ => format!("share/{rest}\n"),
        },
        _ => format!("{file}\n"),
    };
    let mut lines: Vec<String> = files.iter().map(line).collect();
    let place = |line: &String| line.rsplit("%%").next().unwrap_or_default().to_string();
    lines.sort_by_key(|line| (line.starts_with("%%"), line.split('/').next().map(String::from), place(line)));
    lines.concat()
}

#[test]
fn the_plist_of_the_port_is_what_an_installation_on_freebsd_has() {
    let sandbox = Sandbox::new();
    install_with(&sandbox, &[("SYSTEM", "freebsd"), ("PACKAGED", "yes")]);
    golden::check([("packaging/freebsd-port/pkg-plist".into(), plist(&files(&sandbox)))]);
}

#[test]
fn the_port_fetches_the_crates_of_the_lock_file() {
    let sandbox = Sandbox::new();
    let done = sandbox.finish(&mut sandbox.program("sh", &[&project("tools/port-crates.sh")]));
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    golden::check([("packaging/freebsd-port/Makefile.crates".into(), done.stdout.clone())]);
    // Everything in the lock file but vmrun itself.
    let lock = fs::read_to_string(project("Cargo.lock")).unwrap();
    assert_eq!(done.stdout.lines().count() + 1, lock.matches("[[package]]").count());
}

/// What portlint(1) asks of the text of a port: variables in the order of the Porter's Handbook, a tab behind each, short lines, and a
/// description that is no longer than a page.
#[test]
fn the_port_reads_as_the_porters_handbook_asks() {
    let read = |name: &str| fs::read_to_string(project("packaging/freebsd-port") + "/" + name).unwrap();
    let makefile = read("Makefile");
    let assigned = |line: &str| line.split_once('=').map(|(name, value)| (name.to_string(), value.to_string()));
    let variables: Vec<(String, String)> = makefile
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
        .filter_map(assigned)
        .collect();
    let names: Vec<&str> = variables.iter().map(|(name, _)| name.as_str()).collect();
    let order = [
        "PORTNAME",
        "DISTVERSION",
        "CATEGORIES",
        "MAINTAINER",
        "COMMENT",
        "LICENSE",
        "LICENSE_FILE",
        "ONLY_FOR_ARCHS",
        "ONLY_FOR_ARCHS_REASON",
        "USES",
        "OPTIONS_DEFINE",
    ];
    assert_eq!(names, order);
    for (name, value) in &variables {
        assert!(value.starts_with('\t') && !value.contains("  ") && !value.ends_with([' ', '\t']), "{name}");
    }
    let comment = &variables[4].1.trim();
    assert!(comment.len() <= 70 && !comment.ends_with('.') && comment.starts_with(char::is_uppercase), "{comment}");
    assert!(makefile.ends_with("\n.include <bsd.port.mk>\n"));
    assert!(makefile.lines().all(|line| line.len() <= 80 && !line.starts_with(' ')));
    let description = read("pkg-descr");
    assert!(description.lines().count() <= 24 && description.lines().all(|line| line.len() <= 80));
    // The version is the program's.
    assert_eq!(variables[1].1.trim(), env!("CARGO_PKG_VERSION"));
}
