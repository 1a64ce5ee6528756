//! ssh-keygen, which says whether a signature is good (ssh-keygen(1), `-Y verify`). It is the one that is installed.

use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::host::environment::command;
use crate::host::files::{is_file, read_text, reason};
use crate::host::spawn;
use crate::library::signature::Signed;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::{Output, Stdio};

/// What git signs for, so that a signature for something else is no good.
const NAMESPACE: &str = "git";

/// Who signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signer {
    /// The name, as the file of signers has it.
    pub name: String,
    /// The key: `ED25519 key SHA256:…`.
    pub key: String,
}

/// Finds out who signed: one of those that a file names (ssh-keygen(1), ALLOWED SIGNERS). A key counts that is valid at `at`, which
/// is `YYYYMMDDHHMMSSZ`. Files are made in `folder`.
pub(crate) fn signer(signed: &Signed, signers: &Path, at: &str, folder: &Path) -> Result<Signer, Fault> {
    is_there(signers)?;
    let file = folder.join("signature");
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    fs::write(&file, &signed.signature)
        .map_err(|error| Fault::host(format!("cannot write {}: {}", file.display(), reason(&error))))?;
    let (signers, file) = (signers.display().to_string(), file.display().to_string());
    let whole = run(&["-Y", "check-novalidate", "-n", NAMESPACE, "-s", &file], &signed.payload)?;
    let key = key(&String::from_utf8_lossy(&whole.stdout)).filter(|_| whole.status.success());
    let Some(key) = key else {
        return Err(Fault::new("the signature is not of what is signed").hint("ask who keeps the library"));
    };
    let time = format!("-Overify-time={at}");
    let found = run(&["-Y", "find-principals", "-f", &signers, "-s", &file, &time], "")?;
    let names = String::from_utf8_lossy(&found.stdout).into_owned();
    for name in names.lines().filter(|_| found.status.success()) {
        let args = ["-Y", "verify", "-f", &signers, "-I", name, "-n", NAMESPACE, "-s", &file, &time];
        if run(&args, &signed.payload)?.status.success() {
            return Ok(Signer { name: name.into(), key });
        }
    }
    let fault = Fault::new(format!("it is signed by the {key}, which {signers} does not have, or not for now"));
    Err(fault.hint("ask who keeps the library; if the key is right, add it there"))
}

/// Returns whether a file of signers still has a key, `ED25519 key SHA256:…`, for whatever time. Of a key that a certificate's authority
/// vouches for the file cannot tell.
pub(crate) fn has_key(signers: &Path, key: &str) -> Result<bool, Fault> {
    is_there(signers)?;
    let text = read_text(signers)
        .map_err(|error| Fault::host(format!("cannot read {}: {}", signers.display(), reason(&error))))?;
    let lines = || text.lines().filter(|line| !line.trim_start().starts_with('#'));
    if lines().any(|line| line.contains("cert-authority")) {
        return Ok(true);
    }
    let keys: String = lines().filter_map(key_of).collect();
    let said = run(&["-l", "-f", "-"], &keys)?;
    let digest = key.split_whitespace().last().unwrap_or_default();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    // A line for each: `256 SHA256:… no comment (ED25519)`.
    Ok(said.lines().any(|line| line.split_whitespace().nth(1) == Some(digest)))
}

/// The key of a line of a file of signers, as a line: `NAME[,NAME] [OPTIONS] ssh-ed25519 AAAA… [COMMENT]`.
fn key_of(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|word| word.starts_with("AAAA"))?;
    Some(format!("{} {}\n", words.get(at.checked_sub(1)?)?, words.get(at)?))
}

/// Refuses a file of signers that is not there.
fn is_there(signers: &Path) -> Result<(), Fault> {
    if is_file(signers) {
        return Ok(());
    }
    let fault = Fault::new(format!("the file of signers {} is not there", signers.display()));
    Err(fault.hint("`signers` in vmrun.toml is from that file on: a line is NAME ssh-ed25519 AAAA…"))
}

/// The key that a line of ssh-keygen names: `Good "git" signature with ED25519 key SHA256:…`.
fn key(said: &str) -> Option<String> {
    let (_, key) = said.lines().next()?.split_once(" signature with ")?;
    Some(key.into())
}

fn run(args: &[&str], payload: &str) -> Result<Output, Fault> {
    tracing::debug!("ssh-keygen {}", args.join(" "));
    let fault = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => Fault::host("ssh-keygen is not installed, and signatures are verified by it")
            .hint("install it: it is part of FreeBSD; apt install openssh-client"),
        _ => spawn::refused("ssh-keygen", &error),
    };
    let mut command = command("ssh-keygen");
    command.args(args).env("LC_ALL", "C").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawn::start(&mut command).map_err(fault)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(payload.as_bytes()).may_fail("one that ends before it has read all says why by its status");
    }
    child.wait_with_output().map_err(fault)
}
