//! What marks an interface as made by vmrun: for which machine, and of which state folder that run was. Another vmrun, with a state
//! folder of its own, has interfaces that nobody has open between two boots: they are not ours to take away.

use super::{Interface, InterfaceKind};
use crate::model::{Link, VmName};
use std::fmt;
use std::path::{Path, PathBuf};

const CHECKSUM: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

/// What a mark says of a state folder: the checksum of its path, without links, as eight hexadecimal digits. It is short, as
/// ifconfig(8) of FreeBSD asks for 64 bytes of a description first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder(String);

impl Folder {
    /// Returns what marks say of the folder of that path, which has no links.
    pub(crate) fn of(path: &Path) -> Self {
        // A slash at the end makes no other folder.
        let path: PathBuf = path.components().collect();
        Self(format!("{:08x}", CHECKSUM.checksum(path.as_os_str().as_encoded_bytes())))
    }

    fn read(text: &str) -> Option<Self> {
        let is_one = text.len() == 8 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_one.then(|| Self(text.into()))
    }
}

/// Who makes interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Maker {
    /// The machine whose run it is.
    pub machine: VmName,
    /// The state folder of the run; nothing on a host that has none.
    pub folder: Option<Folder>,
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { machine, folder } = self;
        match folder {
            Some(Folder(sum)) => write!(f, "{machine}/{sum}"),
            None => write!(f, "{machine}"),
        }
    }
}

/// Returns what marks a tap that was made for a machine: its description.
pub(crate) fn mark(maker: &Maker, link: &Link) -> String {
    format!("vmrun:{maker}{}", description(link))
}

/// Returns what marks a vlan, a bridge or a pair that a machine's run has made. One that `vmrun network` made, and that stays, has
/// no `@`: no name of an interface begins so, and no description that a recipe gives.
pub(crate) fn mark_link(maker: &Maker, link: &Link) -> String {
    format!("vmrun:@{maker}{}", description(link))
}

fn description(link: &Link) -> String {
    link.description.as_ref().map(|text| format!(" {text}")).unwrap_or_default()
}

/// Returns the machine whose run has made an interface, and its state folder, as the description says. What older releases have
/// made tells no folder.
pub(super) fn marked(kind: &InterfaceKind, description: &str) -> Option<Maker> {
    let word = description.strip_prefix("vmrun:")?.split(' ').next()?;
    let maker = match (kind, word.strip_prefix('@')) {
        (InterfaceKind::Tap, None) => word,
        (InterfaceKind::Tap, Some(_)) => return None,
        (_, at) => at?,
    };
    let (machine, folder) = match maker.split_once('/') {
        Some((machine, sum)) => (machine, Some(Folder::read(sum)?)),
        None => (maker, None),
    };
    Some(Maker { machine: machine.parse().ok()?, folder })
}

impl Interface {
    /// Returns it as a vmrun with that state folder sees it: what one with another has made is somebody else's.
    #[must_use]
    pub(crate) fn seen_from(self, own: &Folder) -> Self {
        if self.folder.as_ref().is_none_or(|folder| folder == own) {
            return self;
        }
        Self { elsewhere: self.mark, mark: None, description_machine: None, is_ours: false, ..self }
    }

    /// Returns whether its mark tells no state folder, as those of older releases: it may be any vmrun's.
    pub(crate) const fn is_dated(&self) -> bool {
        self.mark.is_some() && self.folder.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maker(machine: &str, folder: &str) -> Maker {
        Maker { machine: machine.parse().unwrap(), folder: Some(Folder::of(Path::new(folder))) }
    }

    #[test]
    fn a_mark_says_whose_an_interface_is_and_a_tap_has_another_than_the_rest() {
        let whose = |kind, text: &str| marked(&kind, text).map(|maker| maker.to_string());
        let vlan = || InterfaceKind::Vlan { parent: "ix0".into(), tag: 82 };
        assert_eq!(whose(InterfaceKind::Tap, "vmrun:web"), Some("web".into()));
        assert_eq!(whose(InterfaceKind::Tap, "vmrun:web/0123abcd"), Some("web/0123abcd".into()));
        for text in ["vmrun:@web", "vmrun:web/", "vmrun:web/0123ABCD", "vmrun:web/0123abcde", "vmrun:/0123abcd"] {
            assert_eq!(whose(InterfaceKind::Tap, text), None, "{text}");
        }
        for kind in [InterfaceKind::Bridge, InterfaceKind::Pair, InterfaceKind::Other, vlan()] {
            assert_eq!(whose(kind.clone(), "vmrun:@web the LAN"), Some("web".into()));
            assert_eq!(whose(kind.clone(), "vmrun:@web/0123abcd the LAN"), Some("web/0123abcd".into()));
            assert_eq!(whose(kind, "vmrun:bridge2"), None);
        }
        assert_eq!(whose(vlan(), "the web"), None);
    }

    #[test]
    fn what_a_mark_says_is_read_again_and_is_short() {
        let (web, link) = (maker("web", "/var/run/vmrun"), Link::tap("tap1".parse().unwrap()));
        assert_eq!(mark(&web, &link), "vmrun:web/fcca3627");
        assert_eq!(mark_link(&web, &link), "vmrun:@web/fcca3627");
        assert_eq!(marked(&InterfaceKind::Tap, &mark(&web, &link)), Some(web));
        let long = maker(&"m".repeat(47), "/var/run/vmrun");
        assert!(mark_link(&long, &link).len() < 64);
    }

    #[test]
    fn what_a_vmrun_with_another_state_folder_has_made_is_somebody_elses() {
        let Maker { machine, folder } = maker("web", "/a");
        let made = Interface {
            mark: Some(machine.clone()),
            description_machine: Some(machine.clone()),
            folder: folder.clone(),
            is_ours: true,
            ..Interface::new("tap1", InterfaceKind::Tap)
        };
        assert_eq!(made.clone().seen_from(&Folder::of(Path::new("/a/"))), made);
        let theirs = Interface { elsewhere: Some(machine), folder, ..Interface::new("tap1", InterfaceKind::Tap) };
        assert_eq!(made.clone().seen_from(&Folder::of(Path::new("/b"))), theirs);
        let dated = Interface { folder: None, ..made };
        assert!(dated.is_dated() && dated.clone().seen_from(&Folder::of(Path::new("/b"))) == dated);
    }
}
