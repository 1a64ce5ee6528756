//! gpgv, which says whether a signature by OpenPGP is good (gpgv(1)). It is the one that is installed, and reads no configuration.

use crate::diag::Fault;
use crate::host::environment::command;
use crate::host::{Platform, files, packages, spawn};
use crate::image::openpgp::{ARMORED_KEY, Form, Signer, none, signer};
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Child, Stdio};

/// A text that somebody is said to have signed.
pub(crate) struct Signed<'a> {
    /// The text; with its signature around it, unless that is a file of its own.
    pub text: &'a str,
    /// The file of the signature.
    pub signature: Option<&'a [u8]>,
}

/// Finds out who signed: one whose key is in a keyring. Returns it with the text that is signed. Files are made in `folder`.
pub(crate) fn verified(
    signed: &Signed<'_>,
    keyring: &Path,
    folder: &Path,
    platform: Platform,
) -> Result<(Signer, String), Fault> {
    readable(keyring)?;
    let [text, signature, output] = ["text", "signature", "signed"].map(|name| folder.join(name));
    files::write_private(&text, signed.text.as_bytes())?;
    let of_signature: Vec<&Path> = match signed.signature {
        Some(bytes) => {
            files::write_private(&signature, bytes)?;
            vec![&signature, &text]
        }
        None => vec![Path::new("--output"), &output, &text],
    };
    let mut command = command("gpgv");
    // SHA-1 can be made to fit, and GnuPG takes it by itself.
    command.args(["--status-fd", "1", "--weak-digest", "SHA1", "--homedir"]).arg(folder);
    command.arg("--keyring").arg(keyring).args(of_signature).env("LC_ALL", "C").stdin(Stdio::null());
    let done = spawn::start(command.stdout(Stdio::piped()).stderr(Stdio::piped())).and_then(Child::wait_with_output);
    let done = done.map_err(|error| match error.kind() {
        ErrorKind::NotFound => Fault::host("gpgv is not installed, and signatures by OpenPGP are verified by it")
            .hint(packages::way_out(platform, "gpgv")),
        _ => spawn::refused("gpgv", &error),
    })?;
    let form = if signed.signature.is_some() { Form::Detached } else { Form::Clear };
    let by = signer(&String::from_utf8_lossy(&done.stdout), form, keyring)?;
    let text = match form {
        Form::Detached => signed.text.to_string(),
        Form::Clear => files::read_text(&output).map_err(|_| none())?,
    };
    Ok((by, text))
}

/// Refuses a keyring that gpgv would take for an empty one.
fn readable(keyring: &Path) -> Result<(), Fault> {
    let begin = files::read(keyring, ARMORED_KEY.len()).map_err(|error| {
        let fault = files::io_fault("read", keyring)(error).context("the keyring of publishers");
        fault.hint("`keyring` below [images] in config.toml names it")
    })?;
    if begin == ARMORED_KEY {
        let path = crate::model::argv::quote(&keyring.display().to_string());
        let fault = Fault::new(format!("{} is a key as text, and gpgv reads keyrings only", keyring.display()));
        return Err(fault.hint(format!("`gpg --dearmor < {path} > FILE` makes one: name that FILE")));
    }
    Ok(())
}
