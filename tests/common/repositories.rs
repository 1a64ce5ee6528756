//! Libraries that teams keep in repositories of git.

use super::sandbox::{Done, Sandbox, same};
use std::fs;
use std::process::Command;

/// Runs git in a folder of the sandbox, always at the same time and for the same person, so that commits are the same.
pub(crate) fn git(sandbox: &Sandbox, folder: &str, args: &[&str]) {
    let mut command = Command::new("git");
    command.args(["-c", "init.defaultBranch=main"]).args(args).current_dir(sandbox.path(folder));
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "t").env(format!("GIT_{who}_EMAIL"), "t@example.org");
        command.env(format!("GIT_{who}_DATE"), "2026-01-01T00:00:00Z");
    }
    command.env("HOME", sandbox.path("home")).env("GIT_CONFIG_NOSYSTEM", "1");
    let done = command.output().unwrap();
    assert!(done.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Writes files into a repository, commits them and tags the commit.
pub(crate) fn release(sandbox: &Sandbox, name: &str, files: &[(&str, &str)], tag: &str) {
    let folder = format!("git/{name}");
    if !sandbox.path(&folder).exists() {
        fs::create_dir_all(sandbox.path(&folder)).unwrap();
        git(sandbox, &folder, &["init", "--quiet", "--template="]);
    }
    for (file, text) in files {
        let path = sandbox.path(&format!("{folder}/{file}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    git(sandbox, &folder, &["add", "--all"]);
    git(sandbox, &folder, &["commit", "--quiet", "--allow-empty", "--message", tag]);
    git(sandbox, &folder, &["tag", "--force", tag]);
}

/// Runs `vmrun lib`.
pub(crate) fn lib(sandbox: &Sandbox, args: &[&str]) -> Done {
    sandbox.finish(&mut sandbox.command(&[&["lib"], args].concat()))
}

/// A run that says only what is wrong.
#[track_caller]
pub(crate) fn refuses(done: &Done, code: i32, expected: &str) {
    same(&done.stderr, expected);
    assert_eq!((done.code, done.stdout.as_str()), (code, ""));
}
