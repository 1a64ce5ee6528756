//! Names and paths that are too long for the system: what only the performance would find otherwise.

use crate::diag::Fault;
use crate::host::{Host, Platform};
use crate::model::{Machine, Part, Role};
use crate::qemu;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The most bytes of one name in a path (`NAME_MAX`, on both systems).
const NAME_MAX: usize = 255;

/// The most bytes of a path: `PATH_MAX` without the zero at its end (sys/syslimits.h, linux/limits.h).
const fn longest_path(platform: Platform) -> usize {
    match platform {
        Platform::FreeBsd => 1023,
        Platform::Linux => 4095,
    }
}

/// The most bytes of a socket's path: `sun_path` without the zero at its end (FreeBSD: sys/un.h, unix(4); Linux: unix(7)).
const fn longest_socket(platform: Platform) -> usize {
    match platform {
        Platform::FreeBsd => 103,
        Platform::Linux => 107,
    }
}

const fn system(platform: Platform) -> &'static str {
    match platform {
        Platform::FreeBsd => "FreeBSD",
        Platform::Linux => "Linux",
    }
}

/// Returns the sockets and files of a machine whose paths are too long.
pub(super) fn too_long(host: &dyn Host, machine: &Machine) -> Vec<(Part, Fault)> {
    let platform = host.settings().platform;
    let most = longest_socket(platform);
    let mut found = Vec::new();
    for (own, part) in machine.exclusives() {
        let is_socket = matches!(own.role, Role::Vnc | Role::Console | Role::Tpm) && own.text.starts_with('/');
        if is_socket && own.text.len() > most {
            let fault = Fault::new(format!("the path of the socket {} has {} bytes", own.text, own.text.len()));
            let hint =
                format!("a socket's path has at most {most} bytes on {}: choose a shorter one", system(platform));
            found.push((part.clone(), fault.hint(hint)));
        }
    }
    found.extend(of_state(host, machine).map(|fault| (Part::Key("name"), fault)));
    found
}

/// What is kept of a machine is in the state folder: QEMU's sockets too.
fn of_state(host: &dyn Host, machine: &Machine) -> Option<Fault> {
    let (settings, name) = (host.settings(), machine.name());
    let platform = settings.platform;
    let shorter = "give the machine a shorter name, or VMRUN_STATE_DIR names a shorter folder";
    let of_qemu = || qemu::sockets(machine, &settings.machine_folder(name));
    let sockets = if platform == Platform::Linux { of_qemu() } else { Vec::new() };
    let most = longest_socket(platform);
    if let Some(socket) = sockets.iter().filter(|path| length(path) > most).max_by_key(|path| length(path)) {
        let message = format!("the path of QEMU's socket {} has {} bytes", socket.display(), length(socket));
        let hint = format!("a socket's path has at most {most} bytes on {}: {shorter}", system(platform));
        return Some(Fault::new(message).hint(hint));
    }
    let files = [settings.secrets_file(name), settings.status_file(name)];
    let long = files.iter().find_map(|path| against_path(platform, path, 0))?;
    Some(long.hint(shorter))
}

fn length(path: &Path) -> usize {
    path.as_os_str().as_bytes().len()
}

/// Returns why no file of that path can be made; `more` bytes follow its name while it is written.
pub(crate) fn against_path(platform: Platform, path: &Path, more: usize) -> Option<Fault> {
    let last = path.file_name().map_or(0, |name| name.as_bytes().len());
    let whole = length(path);
    let (most, most_of_path) = (NAME_MAX - more, longest_path(platform) - more);
    let longest = path.components().map(|part| part.as_os_str().as_bytes().len()).max().unwrap_or_default();
    let (what, has, most) = if last > most {
        ("the name of", last, most)
    } else if longest > NAME_MAX {
        ("a folder's name in", longest, NAME_MAX)
    } else if whole > most_of_path {
        ("the path", whole, most_of_path)
    } else {
        return None;
    };
    let fault = Fault::new(format!("{what} {} has {has} bytes", path.display()));
    Some(fault.hint(format!("at most {most} on {}", system(platform))))
}

/// How many bytes follow a file's name while it is written: `.vmrun-4194304.new`.
pub(crate) const WHILE_WRITTEN: usize = 18;
