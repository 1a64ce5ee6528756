//! A host on which boot images are made.

use super::efi::ipxe;
use super::sandbox::{Done, Sandbox};
use std::fs;

/// A host with the two loaders, a file to add, and a script.
pub(crate) fn host() -> Sandbox {
    let sandbox = Sandbox::new();
    for (name, bytes) in [
        ("x64.efi", ipxe(0x8664)),
        ("aa64.efi", ipxe(0xaa64)),
        ("logo.png", b"logo".to_vec()),
        ("boot.ipxe", b"#!ipxe\nchain http://{{server}}/{{port}} || shell\n".to_vec()),
    ] {
        fs::write(sandbox.path(name), bytes).unwrap();
    }
    sandbox
}

/// Runs a line of words, without quotes.
pub(crate) fn vmrun(sandbox: &Sandbox, line: &str) -> Done {
    sandbox.run(&line.split_whitespace().collect::<Vec<_>>())
}

#[track_caller]
pub(crate) fn done(sandbox: &Sandbox, line: &str) -> String {
    let done = vmrun(sandbox, line);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{line}");
    done.stdout
}
