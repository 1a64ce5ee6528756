//! Keys of a host of ssh, which the installed ssh-keygen makes: the private one is for the guest, the public one for whoever
//! speaks to it. Both are kept as the machine's disk is.

use super::facts::Facts;
use super::files::halves::{self, beside};
use super::files::{io_fault, remove};
use super::program::run;
use crate::diag::may_fail::MayFail as _;
use crate::diag::{Cause, Fault};
use crate::model::{Argv, HostKey, Secret};
use std::fs::File;
use std::path::{Path, PathBuf};

/// The program that makes keys.
const PROGRAM: &str = "ssh-keygen";

/// How many bytes a file with a key may have: ssh-keygen's of 16384 bits has 12 KiB.
const MOST: usize = 16 << 10;

/// Returns where the public key of a private one is.
pub(crate) fn public_path(private: &Path) -> PathBuf {
    let mut name = private.as_os_str().to_os_string();
    name.push(".pub");
    name.into()
}

/// Returns the command that makes a key, without a passphrase and without a comment (ssh-keygen(1)).
pub(crate) fn command(path: &Path) -> Argv {
    Argv::new(PROGRAM).args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(path.display())
}

/// The fault of a host without ssh-keygen.
pub(crate) fn missing() -> Fault {
    let fault = Fault::host(format!("{PROGRAM} is not installed, and host keys are made by it"));
    fault.hint("install it: it is part of FreeBSD; apt install openssh-client")
}

/// Returns whether it is installed.
pub(crate) fn has_program(host: &(impl Facts + ?Sized)) -> bool {
    host.has_program(PROGRAM)
}

/// Makes a key. The private one gets its name last: where it is, the public one is too.
pub(crate) fn make(path: &Path) -> Result<(), Fault> {
    halves::clear(path)?;
    let half = beside(path);
    let made = run(&command(&half)).map(drop).and_then(|()| {
        for (from, to) in [(public_path(&half), public_path(path)), (half.clone(), path.to_path_buf())] {
            let done = File::open(&from).and_then(|file| file.sync_all()).and_then(|()| std::fs::rename(&from, &to));
            done.map_err(io_fault("write", &to))?;
        }
        Ok(())
    });
    made.inspect_err(|_| {
        for left in [half.clone(), public_path(&half)] {
            remove(&left).may_fail("the fault that matters is the first one");
        }
    })
}

/// Returns the public key of a private one; that which nobody has, where it is only to be made, or is not of this host.
pub(crate) fn public(host: &(impl Facts + ?Sized), private: &Path) -> Result<HostKey, Fault> {
    if host.is_assumed() {
        return Ok(HostKey::not_made());
    }
    let path = public_path(private);
    let text = match host.read(&path, MOST) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(fault) if fault.cause == Some(Cause::NotYet) => return Ok(HostKey::not_made()),
        // Somebody's own key may be without it.
        Err(_) if host.file(&path).is_none() => {
            host.query(&Argv::new(PROGRAM).args(["-y", "-f"]).arg(private.display()))?
        }
        Err(fault) => return Err(fault),
    };
    text.trim_end().parse().map_err(|fault: Fault| fault.context(path.display().to_string()))
}

/// Returns a private key. What is only to be made is absent.
pub(crate) fn private(host: &(impl Facts + ?Sized), path: &Path) -> Result<Secret, Fault> {
    if host.is_assumed() {
        return Ok(Secret::absent());
    }
    let bytes = match host.read(path, MOST) {
        Ok(bytes) => bytes,
        Err(fault) if fault.cause == Some(Cause::NotYet) => return Ok(Secret::absent()),
        Err(fault) => return Err(fault),
    };
    let text = String::from_utf8(bytes).ok().filter(|text| is_private(text));
    let fault = || {
        let fault = Fault::new(format!("{} is no private key of ssh", path.display()));
        fault.hint("a file that ssh-keygen has made, without a passphrase: `ssh_host_key(path)` makes one")
    };
    text.map(Secret::new).ok_or_else(fault)
}

/// Whether a text is one key in PEM's form.
fn is_private(text: &str) -> bool {
    let is_line = |line: &str| line.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    text.starts_with("-----BEGIN ")
        && text.lines().next().is_some_and(|line| line.ends_with("PRIVATE KEY-----"))
        && text.trim_end().ends_with("PRIVATE KEY-----")
        && text.matches("-----BEGIN").count() == 1
        && text.lines().all(is_line)
}
