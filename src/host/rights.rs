//! What whoever runs vmrun may do on this host, as far as it can be seen without starting a process.

use super::{Platform, name_service};
use crate::model::Target;
use crate::model::gate::Feature;
use nix::errno::Errno;
use std::fs::OpenOptions;
use std::path::Path;

/// What whoever runs vmrun may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rights {
    /// Whether it is the superuser.
    pub root: bool,
    /// Whether interfaces may be made.
    pub network: bool,
    /// What the kernel says to who wants to make machines.
    pub control: Control,
}

impl Rights {
    /// Those of somebody who may do everything.
    pub(crate) const ALL: Self = Self { root: true, network: true, control: Control::Open };
}

/// What comes of opening /dev/vmmctl, through which FreeBSD 15.0 and later make machines (sys/dev/vmm/vmm_dev.c, `vmmctl_open`).
/// To open it makes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// Machines may be made.
    Open,
    /// It is not there: vmm(4) is not loaded, or this is a jail whose devfs(8) rules hide it.
    Missing,
    /// It is another's: of root, and of the group vmm where there is one.
    Denied,
    /// This is a jail without `allow.vmm`.
    Jailed,
    /// There is none in this release, or what was said is something else.
    Unknown,
}

/// Returns what this process may do; `folder` is the one with the nodes of machines, beside which /dev/vmmctl is.
pub(crate) fn rights(platform: Platform, target: Target, folder: &Path) -> Rights {
    let root = is_root(folder);
    let has_control = platform == Platform::FreeBsd && target.has(Feature::ControlDevice);
    let control = if has_control { control(&folder.with_file_name(CONTROL)) } else { Control::Unknown };
    Rights { root, network: root || may_administer_networks(), control }
}

/// Whether whoever runs vmrun is the superuser of the host that has its nodes in a folder.
pub(super) fn is_root(folder: &Path) -> bool {
    nix::unistd::geteuid().is_root() || is_own(folder)
}

/// Whether a folder is this user's own. That of devfs(5) is root's; one that VMRUN_VMM_DIR names is of a stand-in for a host, whose root
/// is whoever has it.
fn is_own(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(folder).is_ok_and(|metadata| metadata.uid() == nix::unistd::geteuid().as_raw())
}

/// The device beside the folder of nodes.
pub(crate) const CONTROL: &str = "vmmctl";

fn control(path: &Path) -> Control {
    let error = OpenOptions::new().write(true).open(path).err();
    match error.map(|error| error.raw_os_error().map(Errno::from_raw)) {
        None => Control::Open,
        Some(Some(Errno::ENOENT)) => Control::Missing,
        Some(Some(Errno::EACCES)) => Control::Denied,
        Some(Some(Errno::EPERM)) => Control::Jailed,
        Some(_) => Control::Unknown,
    }
}

/// Linux' CAP_NET_ADMIN is bit 12 of the effective set (capabilities(7)).
fn may_administer_networks() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).is_some_and(|bits| bits >> 12 & 1 == 1)
}

/// Returns the name of whoever runs vmrun, or the number of one without.
pub(crate) fn user_name() -> String {
    let uid = nix::unistd::geteuid();
    name_service::user(uid.as_raw()).unwrap_or_else(|| uid.to_string())
}

/// Returns who has a file, by name or number, where that is neither who runs vmrun nor root; nothing of one that is not there.
pub(crate) fn owner_beside_us(path: &std::path::Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let uid = nix::unistd::Uid::from_raw(std::fs::metadata(path).ok()?.uid());
    let is_ours = uid == nix::unistd::geteuid() || uid.is_root();
    (!is_ours).then(|| name_service::user(uid.as_raw()).unwrap_or_else(|| format!("user {uid}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Release;

    #[test]
    fn whoever_has_the_folder_of_nodes_is_root_there() {
        let folder = tempfile::tempdir().unwrap();
        assert!(rights(Platform::FreeBsd, Target::default(), folder.path()).root);
        let is_root = nix::unistd::geteuid().is_root();
        for other in [Path::new("/"), &folder.path().join("none")] {
            assert_eq!(rights(Platform::FreeBsd, Target::default(), other).root, is_root, "{}", other.display());
        }
    }

    #[test]
    fn the_device_of_machines_is_looked_for_beside_their_folder_and_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let of = |platform, release| {
            rights(platform, Target { release, ..Target::default() }, &folder.path().join("vmm")).control
        };
        assert_eq!(of(Platform::FreeBsd, Release::V15_1), Control::Missing);
        assert_eq!(of(Platform::FreeBsd, Release::V14_5), Control::Unknown);
        assert_eq!(of(Platform::Linux, Release::V16), Control::Unknown);
        assert!(!folder.path().join("vmmctl").exists());
        std::fs::File::create(folder.path().join("vmmctl")).unwrap();
        assert_eq!(of(Platform::FreeBsd, Release::V15_1), Control::Open);
    }
}
