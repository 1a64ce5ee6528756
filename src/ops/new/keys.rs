//! The public keys of ssh by which one logs in to a new machine: those that are given, the user's own, or a new one.

use crate::diag::may_fail::MayFail as _;
use crate::diag::{Fault, suggest};
use crate::host::system::System;
use crate::host::{Facts as _, files, host_key};
use crate::ops::settings::env;
use std::cell::Cell;
use std::path::{Path, PathBuf};

/// The kinds of keys that sshd of today takes (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
const KINDS: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// The folder beside the configuration in which a key of vmrun's own is, and its name there.
const OWN: [&str; 2] = ["ssh", "id_ed25519"];

/// Public keys, each a line as authorized_keys has it.
pub(super) struct Keys {
    /// The lines.
    pub(super) lines: Vec<String>,
    /// The private key, where ssh does not look for it itself: vmrun's own.
    pub(super) identity: Option<PathBuf>,
    /// The key that was made for it.
    pub(super) new: Option<NewKey>,
}

/// A key that was made, and goes again unless it is kept.
pub(super) struct NewKey {
    /// Where it is.
    pub(super) path: PathBuf,
    is_kept: Cell<bool>,
}

impl Keys {
    /// Reads the files that are given; without any, every key of `~/.ssh`; without one there, vmrun's own, which is made where it is
    /// missing.
    ///
    /// # Errors
    /// A file that is given has no public key, or ssh-keygen(1) makes none.
    pub(super) fn of(host: &System, given: &[PathBuf]) -> Result<Self, Fault> {
        let known = |lines| Ok(Self { lines, identity: None, new: None });
        if !given.is_empty() {
            return known(given.iter().map(|path| read(path)).collect::<Result<_, _>>()?);
        }
        let own = own();
        if !own.is_empty() {
            return known(own);
        }
        let path = host.settings().config.join(OWN[0]).join(OWN[1]);
        if files::exists(&path) {
            return Ok(Self { lines: vec![read(&host_key::public_path(&path))?], identity: Some(path), new: None });
        }
        let new = NewKey::make(host, path)?;
        let lines = vec![read(&host_key::public_path(&new.path))?];
        Ok(Self { lines, identity: Some(new.path.clone()), new: Some(new) })
    }
}

/// Returns the user's own keys, by name; files that have none are passed over.
fn own() -> Vec<String> {
    let Some(home) = env("HOME").filter(|home| !home.is_empty()) else { return Vec::new() };
    let folder = Path::new(&home).join(".ssh");
    let is_public = |name: &String| Path::new(name).extension().is_some_and(|end| end == "pub");
    let mut names: Vec<String> = files::names(&folder).into_iter().filter(is_public).collect();
    names.sort();
    let mut lines: Vec<String> = Vec::new();
    for line in names.iter().filter_map(|name| read(&folder.join(name)).ok()) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// Reads the key of a file.
fn read(path: &Path) -> Result<String, Fault> {
    let text = files::read_text(path).map_err(|why| {
        let fault = Fault::usage(format!("cannot read {}: {}", path.display(), files::reason(&why)));
        fault.hint("name the file of a public key, such as ~/.ssh/id_ed25519.pub")
    })?;
    if text.starts_with("-----BEGIN") {
        let fault = Fault::usage(format!("{} is a private key, which stays where it is", path.display()));
        return Err(fault.hint(format!("name its public half: {}", host_key::public_path(path).display())));
    }
    text.lines().find_map(key).ok_or_else(|| {
        let fault = Fault::usage(format!("{} has no public key of ssh", path.display()));
        fault.hint(format!("sshd takes {}; `ssh-keygen -t ed25519` makes one", suggest::list(KINDS)))
    })
}

/// Returns a key with its comment, where that is plain; nothing of any other line.
fn key(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let kind = words.next().filter(|kind| KINDS.contains(kind))?;
    let is_base64 = |word: &&str| word.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b));
    let body = words.next().filter(is_base64)?;
    let is_plain = |word: &&str| word.bytes().all(|b| b.is_ascii_alphanumeric() || b"@._-".contains(&b));
    let comment = words.next().filter(is_plain).map(|word| format!(" {word}")).unwrap_or_default();
    Some(format!("{kind} {body}{comment}"))
}

impl NewKey {
    /// Makes one.
    fn make(host: &System, path: PathBuf) -> Result<Self, Fault> {
        if !host_key::has_program(host) {
            let fault = Fault::host("there is no public key in ~/.ssh, and no `ssh-keygen` that makes one");
            return Err(fault.hint("name the file of one by --key"));
        }
        files::make_folder(path.parent().unwrap_or(Path::new("")), Some(0o700))?;
        host_key::make(&path)?;
        Ok(Self { path, is_kept: Cell::new(false) })
    }

    /// Has it stay.
    pub(super) fn keep(&self) {
        self.is_kept.set(true);
    }
}

impl Drop for NewKey {
    fn drop(&mut self) {
        if self.is_kept.get() {
            return;
        }
        for path in [self.path.clone(), host_key::public_path(&self.path)] {
            files::remove(&path).may_fail("what stays is a key for the next machine");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_of_a_kind_that_sshd_takes_and_its_comment_is_plain() {
        let of = |line: &str| key(line).unwrap_or_default();
        assert_eq!(of("ssh-ed25519 AAAA/+= ann@home"), "ssh-ed25519 AAAA/+= ann@home");
        assert_eq!(of("sk-ssh-ed25519@openssh.com AAAA it's \"me\""), "sk-ssh-ed25519@openssh.com AAAA");
        assert_eq!(of("  ecdsa-sha2-nistp521\tAAAA"), "ecdsa-sha2-nistp521 AAAA");
        for none in
            ["", "# a comment", "ssh-dss AAAA", "ssh-rsa", "ssh-rsa A\"A", "ssh-ed25519-cert-v01@openssh.com AAAA"]
        {
            assert_eq!(of(none), "", "{none}");
        }
    }
}
