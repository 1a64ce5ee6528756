//! A script that is recorded for FreeBSD, as most tests here have it.

use crate::sandbox::{Done, Sandbox};

/// Has a script recorded in a sandbox, with more options.
pub fn record_in(sandbox: &Sandbox, script: &str, options: &[&str]) -> Done {
    sandbox.write("s.sh", &format!("#!/bin/sh\n{script}\n"));
    sandbox
        .finish(&mut sandbox.command(&[&["record", "--on", "freebsd-14.3"], options, &["--", "sh", "s.sh"]].concat()))
}

/// Has a script recorded in a sandbox of its own.
pub fn record(script: &str) -> Done {
    record_in(&Sandbox::new(), script, &[])
}
