//! What brings a program, a library or firmware to a host: packages of FreeBSD and of Debian.

use super::Platform;

/// What may be missing, with the line that brings it to FreeBSD and to Debian; an empty one is of the base system there, or there
/// is none.
const PACKAGES: [(&str, &str, &str); 24] = [
    ("bhyve", "", ""),
    ("bhyvectl", "", ""),
    ("bhyveload", "", ""),
    ("curl", "pkg install curl", "apt-get install curl"),
    ("dnsmasq", "pkg install dnsmasq", "apt-get install dnsmasq-base"),
    ("fetch", "", ""),
    ("firmware", "pkg install edk2-bhyve (or bhyve-firmware)", "apt-get install ovmf"),
    ("git", "pkg install git", "apt-get install git"),
    // That FreeBSD's package of GnuPG brings gpgv is told from memory.
    ("gpgv", "pkg install gnupg", "apt-get install gpgv"),
    ("grub-bhyve", "pkg install grub2-bhyve", ""),
    ("ifconfig", "", ""),
    ("ip", "", "apt-get install iproute2"),
    ("iscsiadm", "", "apt-get install open-iscsi"),
    ("iscsictl", "", ""),
    ("libslirp", "pkg install libslirp", ""),
    ("prlimit", "", "apt-get install util-linux"),
    ("qemu-img", "pkg install qemu-tools", "apt-get install qemu-utils"),
    ("qemu-system-x86_64", "", "apt-get install qemu-system-x86"),
    ("rctl", "", ""),
    ("scp", "", "apt-get install openssh-client"),
    ("ssh", "", "apt-get install openssh-client"),
    ("ssh-keygen", "", "apt-get install openssh-client"),
    ("swtpm", "pkg install swtpm", "apt-get install swtpm"),
    ("zstd", "", "apt-get install zstd"),
];

/// Returns the line that brings something to a host; nothing where it is of the base system, or not known.
pub(crate) fn line(platform: Platform, what: &str) -> Option<&'static str> {
    let (_, freebsd, debian) = PACKAGES.iter().find(|(known, ..)| *known == what)?;
    let line = match platform {
        Platform::FreeBsd => freebsd,
        Platform::Linux => debian,
    };
    Some(*line).filter(|line| !line.is_empty())
}

/// Returns what to do where a program, a library or firmware is not there.
pub(crate) fn way_out(platform: Platform, what: &str) -> String {
    match (line(platform, what), platform) {
        (Some(line), _) => format!("{line} brings it"),
        (None, Platform::FreeBsd) if !PACKAGES.iter().any(|(known, ..)| *known == what) => {
            "install it by pkg(8)".into()
        }
        (None, Platform::FreeBsd) => format!("{what} is part of FreeBSD's base system; is PATH right?"),
        (None, Platform::Linux) => "install it by the system's packages".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_brought_by_a_package_or_is_of_the_base_system() {
        assert!(PACKAGES.is_sorted_by_key(|(what, ..)| *what));
        let of = |what| [way_out(Platform::FreeBsd, what), way_out(Platform::Linux, what)];
        assert_eq!(of("nosuch"), ["install it by pkg(8)", "install it by the system's packages"]);
        assert_eq!(of("dnsmasq"), ["pkg install dnsmasq brings it", "apt-get install dnsmasq-base brings it"]);
        assert_eq!(
            of("rctl"),
            ["rctl is part of FreeBSD's base system; is PATH right?", "install it by the system's packages"]
        );
        assert_eq!(line(Platform::Linux, "nothing"), None);
    }
}
