//! The program `vmrun-tools`, to which `vmrun` hands over.

use super::sandbox::{Sandbox, same};
use std::fs;

/// Puts a copy of `vmrun` alone into a folder of the sandbox.
fn alone(sandbox: &Sandbox) -> String {
    fs::create_dir_all(sandbox.path("prefix/bin")).unwrap();
    let vmrun = sandbox.path("prefix/bin/vmrun");
    fs::copy(env!("CARGO_BIN_EXE_vmrun"), &vmrun).unwrap();
    vmrun.display().to_string()
}

#[test]
fn a_host_without_the_tools_is_told_so() {
    let sandbox = Sandbox::new();
    let vmrun = alone(&sandbox);
    let done = sandbox.finish(&mut sandbox.program(&vmrun, &["completions", "zsh"]));
    assert_eq!(done.code, 3);
    same(
        &done.stderr,
        "
error: this command is in the program vmrun-tools, which is not installed
 |
 = hint: it comes with vmrun, and belongs beside it or into PATH
",
    );
}

#[test]
fn the_tools_are_found_in_libexec_and_speak_as_vmrun() {
    let sandbox = Sandbox::new();
    let vmrun = alone(&sandbox);
    fs::create_dir_all(sandbox.path("prefix/libexec")).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_vmrun-tools"), sandbox.path("prefix/libexec/vmrun-tools")).unwrap();
    let done = sandbox.finish(&mut sandbox.program(&vmrun, &["import", "no.conf"]));
    assert_eq!(done.code, 2);
    let itself = sandbox.finish(&mut sandbox.command(&["import", "no.conf"]));
    same(&done.stderr, &itself.stderr);
    let usage = |program: &str, args: &[&str]| sandbox.finish(&mut sandbox.program(program, args)).stdout;
    assert!(usage(&vmrun, &["import", "--help"]).contains("\nUsage: vmrun import "));
    assert_eq!(usage(&vmrun, &["import", "--help"]), usage(env!("CARGO_BIN_EXE_vmrun"), &["import", "--help"]));
}
