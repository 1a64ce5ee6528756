//! What a host is: its kind, and where runs keep their state there.

use crate::diag::Fault;
use crate::model::volume::VolumeName;
use crate::model::{Arch, Release, Target, VmName};
use std::fmt;
use std::path::PathBuf;

/// What the name of the file ends in that has the last status of a machine whose run is over.
pub(super) const LAST: &str = ".last";

/// The file that has the status of a machine in the background, in the machine's folder. Its name is that which earlier versions read.
pub(crate) const STATUS_FILE: &str = "standing.json";

/// Where FreeBSD has the nodes of machines (vmm(4)).
pub(crate) const NODES: &str = "/dev/vmm";

/// The folder of what root has fetched (hier(7), file-hierarchy(7)).
pub(crate) const SYSTEM_CACHE: &str = "/var/cache/vmrun";

/// The kind of a host: whose programs run the machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// bhyve, bhyvectl, ifconfig.
    FreeBsd,
    /// qemu-system-x86_64, ip.
    Linux,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FreeBsd => "freebsd",
            Self::Linux => "linux",
        })
    }
}

/// The kind of a host as it is asked for: `linux`, `freebsd`, `freebsd-14.3`, `freebsd-15-arm64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Whose programs run the machines.
    pub platform: Platform,
    /// The release of FreeBSD, if it matters.
    pub release: Option<Release>,
    /// The architecture, if it matters.
    pub arch: Option<Arch>,
}

impl Asked {
    /// Returns the bhyve of such a host: what was not said is as on `here`.
    pub(crate) fn target(self, here: Target) -> Target {
        Target { release: self.release.unwrap_or(here.release), arch: self.arch.unwrap_or(here.arch) }
    }
}

impl From<Platform> for Asked {
    fn from(platform: Platform) -> Self {
        Self { platform, release: None, arch: None }
    }
}

impl std::str::FromStr for Asked {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let none = || {
            let fault = Fault::usage(format!("{text:?} is no platform"));
            let releases = Release::ALL.map(Release::name).join(", ");
            let example = "freebsd-14.3, freebsd-15-arm64";
            fault.hint(format!("linux, freebsd, or freebsd with a release ({releases}) and an architecture: {example}"))
        };
        let mut words = text.split('-');
        let platform = match words.next() {
            Some("freebsd") => Platform::FreeBsd,
            Some("linux") if text == "linux" => Platform::Linux,
            _ => return Err(none()),
        };
        let mut asked = Self::from(platform);
        for word in words {
            match (word.parse(), word.parse()) {
                (Ok(release), _) if asked.release.is_none() && asked.arch.is_none() => asked.release = Some(release),
                (_, Ok(arch)) if asked.arch.is_none() => asked.arch = Some(arch),
                _ => return Err(none()),
            }
        }
        Ok(asked)
    }
}

/// Where a run keeps its state, and what it was told about the host.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The kind of host.
    pub platform: Platform,
    /// The folder with a folder for each running machine.
    pub state: PathBuf,
    /// The folder with the configuration and the secrets.
    pub config: PathBuf,
    /// The folder of what was fetched, by content.
    pub cache: PathBuf,
    /// The bhyve whose machines they are. Under QEMU nothing depends on it, so that it is the newest there.
    pub target: Target,
    /// The folder with the nodes of machines that the kernel knows: /dev/vmm (vmm(4)).
    pub nodes: PathBuf,
    /// The folder with the devices of ZFS's volumes: /dev/zvol (zfs-create(8)).
    pub zvols: PathBuf,
    /// The folder in which the control groups of machines are made: /sys/fs/cgroup (cgroups(7)).
    pub cgroups: PathBuf,
    /// Network cards are plugged into a network inside the process, which needs no root.
    pub user_net: bool,
}

impl Settings {
    /// Returns the file whose lock says that a machine runs, and whose text is the journal of what the run has taken. Only its
    /// owner may read it, as whoever can open a file can lock it.
    pub fn lock_file(&self, name: &VmName) -> PathBuf {
        self.state.join(format!(".{name}.lock"))
    }

    /// Returns the vmm node of a machine.
    pub fn node(&self, name: &VmName) -> PathBuf {
        self.nodes.join(name.as_str())
    }

    /// Returns the device of a volume of ZFS.
    pub(crate) fn volume(&self, name: &VolumeName) -> PathBuf {
        self.zvols.join(name.as_str())
    }

    /// Returns the file with the secrets that bhyve reads.
    pub fn secrets_file(&self, name: &VmName) -> PathBuf {
        self.state.join(format!(".{name}.secrets"))
    }

    /// Returns the file that says to ssh by which key a guest is known.
    pub fn known_hosts_file(&self, name: &VmName) -> PathBuf {
        self.state.join(format!(".{name}.known_hosts"))
    }

    /// Returns the file with GRUB's names of the files of a machine.
    pub fn map_file(&self, name: &VmName) -> PathBuf {
        self.state.join(format!(".{name}.map"))
    }

    /// Returns the file that has the status of a machine in the background.
    pub fn status_file(&self, name: &VmName) -> PathBuf {
        self.machine_folder(name).join(STATUS_FILE)
    }

    /// Returns the file that has the last status of a machine that was in the background, when its run was over.
    pub fn last_file(&self, name: &VmName) -> PathBuf {
        self.state.join(format!(".{name}{LAST}"))
    }

    /// Returns the file that says how long the guest of a machine that is being stopped gets to power off.
    pub fn stop_file(&self, name: &VmName) -> PathBuf {
        self.machine_folder(name).join("stop")
    }

    /// Returns the folder of one machine's state, where there is more than a file: QEMU's sockets, its status.
    pub fn machine_folder(&self, name: &VmName) -> PathBuf {
        self.state.join(name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_host_may_have_a_release_and_an_architecture() {
        let here = Target { arch: Arch::Amd64, release: Release::V15_1 };
        let target = |text: &str| text.parse::<Asked>().unwrap().target(here);
        assert_eq!(target("freebsd"), here);
        assert_eq!(target("freebsd-14"), Target { release: Release::V14_5, ..here });
        assert_eq!(target("freebsd-14.3"), Target { release: Release::V14_3, ..here });
        assert_eq!(target("freebsd-15.0-arm64"), Target { release: Release::V15_0, arch: Arch::Arm64 });
        assert_eq!(target("freebsd-15"), Target { release: Release::V15_1, ..here });
        assert_eq!(target("freebsd-arm64"), Target { arch: Arch::Arm64, ..here });
        assert_eq!(target("freebsd-16-riscv"), Target { arch: Arch::Riscv64, release: Release::V16 });
        assert_eq!("linux".parse::<Asked>().unwrap(), Platform::Linux.into());
        let none = "is no platform | linux, freebsd, or freebsd with a release (14.3, 14.4, 14.5, 15.0, 15.1, 16) and an \
                    architecture: freebsd-14.3, freebsd-15-arm64";
        for text in [
            "",
            "freebsd-13",
            "freebsd-14.2",
            "freebsd-14.",
            "freebsd-14-15",
            "freebsd-arm64-14",
            "linux-6",
            "freebsd-",
            "windows",
            "freebsd-14-amd64-x",
        ] {
            let fault = text.parse::<Asked>().unwrap_err();
            assert_eq!(format!("{} | {}", fault.message, fault.hint.unwrap()), format!("{text:?} {none}"));
        }
    }
}
