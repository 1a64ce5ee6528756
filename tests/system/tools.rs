//! Programs of this system.

use std::path::Path;
use std::process::Command;

/// The programs of the system may be outside of the path of an ordinary user.
pub(crate) fn search_path() -> String {
    format!("{}:/usr/local/sbin:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

/// Fails, with their names, when programs are missing.
pub(crate) fn need(programs: &[&str]) {
    let path = search_path();
    let is_there = |program: &str| path.split(':').any(|folder| Path::new(folder).join(program).is_file());
    let missing: Vec<&str> = programs.iter().copied().filter(|program| !is_there(program)).collect();
    assert!(missing.is_empty(), "this test needs {}: install it", missing.join(", "));
}

/// Runs a program to its end and returns its standard output; fails when it fails.
pub(crate) fn tool(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).env("PATH", search_path()).output();
    let output = output.unwrap_or_else(|why| panic!("cannot start {program}: {why}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {args:?}: {}\n{stdout}{stderr}", output.status);
    stdout.into_owned()
}
