//! Whether the processor helps a hypervisor on Linux (KVM).

use super::environment::of_system;
use super::name_service;
use super::rights::user_name;
use crate::diag::Fault;
use crate::model::argv::quote;
use std::fs::{OpenOptions, metadata, read_to_string};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;

/// The device by which QEMU asks the kernel.
const DEVICE: &str = "dev/kvm";

/// What the kernel tells of the processor (proc(5)).
const PROCESSOR: &str = "proc/cpuinfo";

/// What there is of KVM. The device alone says nothing: it may be there and not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kvm {
    /// It helps.
    Usable,
    /// The processor does not offer it, as far as this system sees.
    NoProcessor,
    /// The kernel has no device of it; the module that brings it.
    NoDevice(&'static str),
    /// The device is not this user's, but of a group, by name or number.
    Denied(String),
    /// It cannot be opened, for a reason.
    Refused(String),
}

impl Kvm {
    /// Looks what there is of it on this host.
    pub(crate) fn look() -> Self {
        let cpuinfo = read_to_string(of_system(PROCESSOR)).unwrap_or_default();
        let opened = OpenOptions::new().read(true).write(true).open(of_system(DEVICE));
        of(&cpuinfo, opened.map(drop), group)
    }

    /// Returns why it does not help, with what mends that; nothing if it helps.
    pub(crate) fn fault(&self) -> Option<Fault> {
        Some(match self {
            Self::Usable => return None,
            Self::NoProcessor => Fault::host("the processor shows neither VT-x nor AMD-V (vmx, svm in /proc/cpuinfo)")
                .hint("switch it on in the firmware of this host; where this is a guest, let its host nest"),
            Self::NoDevice(module) => Fault::host(format!("/dev/kvm does not work: {module} is not loaded"))
                .hint(format!("modprobe {module}; in a container: give it the device /dev/kvm")),
            Self::Denied(group) => {
                let way_out = format!("usermod -aG {} {}, and log in anew", quote(group), quote(&user_name()));
                Fault::host(format!("/dev/kvm is of the group {group}, and this user is not in it")).hint(way_out)
            }
            Self::Refused(why) => Fault::host(format!("/dev/kvm cannot be opened: {why}"))
                .hint("look at what the kernel says: dmesg | grep kvm"),
        })
    }
}

fn of(cpuinfo: &str, opened: io::Result<()>, group: impl FnOnce() -> String) -> Kvm {
    let flags = cpuinfo.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    let has = |flag: &str| flags.split_whitespace().any(|known| known == flag);
    let module = match (has("vmx"), has("svm")) {
        (true, _) => "kvm_intel",
        (false, true) => "kvm_amd",
        (false, false) => return Kvm::NoProcessor,
    };
    match opened {
        Ok(()) => Kvm::Usable,
        Err(error) => match error.kind() {
            // ENXIO and ENODEV: the node is there, and the module is not.
            _ if matches!(error.raw_os_error(), Some(nix::libc::ENXIO | nix::libc::ENODEV)) => Kvm::NoDevice(module),
            ErrorKind::NotFound => Kvm::NoDevice(module),
            ErrorKind::PermissionDenied => Kvm::Denied(group()),
            _ => Kvm::Refused(super::files::reason(&error)),
        },
    }
}

/// The group that has the device.
fn group() -> String {
    let Ok(found) = metadata(of_system(DEVICE)) else { return "kvm".into() };
    name_service::group(found.gid()).unwrap_or_else(|| found.gid().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_helps_when_it_says_so_and_its_device_opens() {
        let (intel, amd) = ("flags\t\t: fpu vmx\n", "model name\t: svm-like\nflags\t\t: fpu vme svm\n");
        let errno = |number| Err(io::Error::from_raw_os_error(number));
        let of = |cpuinfo, opened| of(cpuinfo, opened, || "kvm".into());
        assert_eq!(of(amd, Ok(())), Kvm::Usable);
        for opened in [Ok(()), errno(nix::libc::EACCES)] {
            assert_eq!(of("model name\t: svm vmx\nflags\t\t: fpu vme\n", opened), Kvm::NoProcessor);
        }
        assert_eq!(of(intel, errno(nix::libc::ENOENT)), Kvm::NoDevice("kvm_intel"));
        assert_eq!(of(amd, errno(nix::libc::ENODEV)), Kvm::NoDevice("kvm_amd"));
        assert_eq!(of(amd, errno(nix::libc::EACCES)), Kvm::Denied("kvm".into()));
        assert_eq!(of(intel, errno(nix::libc::EBUSY)), Kvm::Refused("Device or resource busy".into()));
    }
}
