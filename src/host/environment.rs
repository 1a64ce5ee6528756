//! What this process was given: variables, and the system that it was built for.

use super::Platform;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::process::Command;
use std::sync::OnceLock;

/// How the variables begin that hold secrets.
const SECRET: &str = "VMRUN_SECRET_";

/// Secrets that were handed over by whoever started this process, by the names of their variables.
static HANDED: OnceLock<BTreeMap<String, String>> = OnceLock::new();

/// Returns a command whose program sees all of our environment but the secrets. All children are begun by it.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    let is_secret = |name: &OsString| name.as_encoded_bytes().starts_with(SECRET.as_bytes());
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_secret(name)) {
        command.env_remove(name);
    }
    command
}

/// Returns a secret that a variable holds, or that was handed over.
pub(crate) fn secret(name: &str) -> Option<String> {
    let variable = format!("{SECRET}{}", name.to_uppercase().replace('-', "_"));
    env(&variable).or_else(|| HANDED.get()?.get(&variable).cloned())
}

/// Returns all secrets that this process has, for a process of our own that it starts: a JSON object in a line.
pub(crate) fn all_secrets() -> String {
    let mut all = HANDED.get().cloned().unwrap_or_default();
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    all.extend(std::env::vars_os().filter_map(text).filter(|(name, _)| name.starts_with(SECRET)));
    format!("{}\n", serde_json::json!(all))
}

/// Keeps secrets that were handed over, in memory alone.
pub(crate) fn keep_secrets(line: &str) {
    let all: BTreeMap<String, String> = serde_json::from_str(line).unwrap_or_default();
    let _ = HANDED.set(all);
}

/// Returns a variable of the environment; what is not text does not count.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub(crate) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Returns the name of this host; nothing if it is no text.
pub(crate) fn host_name() -> Option<String> {
    nix::unistd::gethostname().ok().map(|name| name.to_string_lossy().into_owned())
}

/// The kind of the system that the program was built for; any that is not FreeBSD works like Linux.
pub(crate) const fn native_platform() -> Platform {
    if cfg!(target_os = "freebsd") { Platform::FreeBsd } else { Platform::Linux }
}
