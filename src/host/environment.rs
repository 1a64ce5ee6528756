//! What this process was given: variables, and the system that it was built for.

use super::Platform;

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
