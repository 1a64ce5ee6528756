//! What this process was given: variables, and the system that it was built for.

use super::Platform;
use crate::diag::Fault;
use crate::model::span;
use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How the variables begin that hold secrets.
const SECRET: &str = "VMRUN_SECRET_";

/// The variables that hold secrets: nothing here changes the environment, and to read all of it for each program takes its time.
static SECRETS: LazyLock<Vec<OsString>> = LazyLock::new(|| {
    let names = std::env::vars_os().map(|(name, _)| name);
    names.filter(|name| is_secret(name)).collect()
});

/// Whether a variable of that name holds a secret.
fn is_secret(name: &OsStr) -> bool {
    name.as_bytes().starts_with(SECRET.as_bytes())
}

/// Secrets that were handed over by whoever started this process, or given on its command line, by the names of their variables.
static HANDED: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

/// The same, though somebody panicked who had them.
fn handed() -> MutexGuard<'static, BTreeMap<String, String>> {
    HANDED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the variable that holds a secret.
pub(crate) fn variable(name: &str) -> String {
    format!("{SECRET}{}", name.to_uppercase().replace('-', "_"))
}

/// Returns a command whose program sees all of our environment but the secrets. All children are begun by it.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    SECRETS.iter().for_each(|name| {
        command.env_remove(name);
    });
    command
}

/// Returns what all children have in their environment, as execve(2) takes it: all of ours but the secrets.
pub(super) fn of_children() -> &'static [CString] {
    static ALL: LazyLock<Vec<CString>> = LazyLock::new(|| {
        let all = std::env::vars_os().filter(|(name, _)| !is_secret(name));
        let line = |(name, value): (OsString, OsString)| [name.as_bytes(), b"=", value.as_bytes()].concat();
        all.filter_map(|variable| CString::new(line(variable)).ok()).collect()
    });
    &ALL
}

/// Returns the path of a file by which the system tells something, in the folder that stands for the root of the host.
pub(super) fn of_system(name: &str) -> PathBuf {
    PathBuf::from(env("VMRUN_KVM_DIR").filter(|folder| !folder.is_empty()).unwrap_or_else(|| "/".into())).join(name)
}

/// Returns a secret that a variable holds, or that was handed over.
pub(crate) fn secret(name: &str) -> Option<String> {
    let variable = variable(name);
    // What was given for this very command counts before what stands in the environment.
    handed().get(&variable).cloned().or_else(|| env(&variable))
}

/// Returns all secrets that this process has, for a process of our own that it starts: a JSON object in a line.
pub(crate) fn all_secrets() -> String {
    let mut all = BTreeMap::new();
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    all.extend(std::env::vars_os().filter_map(text).filter(|(name, _)| name.starts_with(SECRET)));
    all.extend(handed().clone());
    format!("{}\n", serde_json::json!(all))
}

/// Keeps secrets that were handed over, in memory alone.
pub(crate) fn keep_secrets(line: &str) {
    let all: BTreeMap<String, String> = serde_json::from_str(line).unwrap_or_default();
    handed().extend(all);
}

/// Keeps a secret that the command line gave, in memory alone.
pub(crate) fn keep_secret(name: &str, value: String) {
    handed().insert(variable(name), value);
}

/// Returns a variable of the environment; what is not text does not count.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub(crate) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// How long another host that was asked for something may say nothing: longer than a guest takes to power off. One whose connection
/// stands while its storage does not answer would otherwise be waited for without end, and hold the machine.
const HOST_WITHIN: Duration = Duration::from_secs(900);

/// Returns how long another host that was asked for something may say nothing.
///
/// # Errors
/// The variable that says so is no time.
pub(crate) fn host_within() -> Result<Duration, Fault> {
    const NAME: &str = "VMRUN_HOST_WITHIN";
    let Some(text) = env(NAME).filter(|text| !text.is_empty()) else { return Ok(HOST_WITHIN) };
    span::parse(&text).map_err(|why| Fault::usage(format!("{NAME} is {text:?}: {why}")))
}

/// Returns the name of this host; nothing if it is no text.
pub(crate) fn host_name() -> Option<String> {
    nix::unistd::gethostname().ok().map(|name| name.to_string_lossy().into_owned())
}

/// The kind of the system that the program was built for; any that is not FreeBSD works like Linux.
pub(crate) const fn native_platform() -> Platform {
    if cfg!(target_os = "freebsd") { Platform::FreeBsd } else { Platform::Linux }
}
