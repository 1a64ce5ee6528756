//! Whether the processor helps a hypervisor on Linux (KVM).

use super::name_service;
use std::fs::{OpenOptions, metadata, read_to_string};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;

/// The device by which QEMU asks the kernel.
const DEVICE: &str = "/dev/kvm";

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

/// Looks what there is of KVM on this host.
pub(crate) fn look() -> Kvm {
    let cpuinfo = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let opened = OpenOptions::new().read(true).write(true).open(DEVICE);
    of(&cpuinfo, opened.map(drop), group)
}

/// Returns whether the processor can help.
pub(crate) fn is_usable() -> bool {
    look() == Kvm::Usable
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
    let Ok(found) = metadata(DEVICE) else { return "kvm".into() };
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
