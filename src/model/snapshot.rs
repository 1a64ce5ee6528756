//! Names of snapshots: `vmrun-TAG` after an `@`, of a volume and of a file alike.
//!
//! By the beginning of a name sanoid, zrepl and zfs-auto-snapshot tell their snapshots from others, and remove none but their own. A
//! property of the snapshot would be lost where it is sent without its properties (zfs-send(8)), and files have none.

use super::volume::VolumeName;
use crate::diag::Fault;
use std::fmt;
use std::path::{Path, PathBuf};

/// With what the names of ours begin.
const OWN: &str = "vmrun-";

/// How long a tag may be, in bytes: a file with it has a name of 255 at most.
const MAX: usize = 64;

/// The name of a snapshot, without what it is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SnapshotName(String);

impl SnapshotName {
    /// Returns that of a tag that somebody says. `@NAME` is the name of somebody else's.
    ///
    /// # Errors
    /// ZFS would refuse it, or it would be another file's name.
    pub(crate) fn of_tag(tag: &str) -> Result<Self, Fault> {
        let (others, tag) = tag.strip_prefix('@').map_or((false, tag), |name| (true, name));
        let is_wrong = |c: &char| !c.is_ascii_alphanumeric() && !"-_.:".contains(*c);
        let why = match tag.chars().find(is_wrong) {
            Some(bad) => format!("it has {bad:?}"),
            None if tag.is_empty() => "it is empty".into(),
            None if is_half(tag) => "files that are being written have such names".into(),
            None if tag.len() > MAX && !others => format!("it has {} bytes, of {MAX} at most", tag.len()),
            None => return Ok(Self(if others { tag.into() } else { format!("{OWN}{tag}") })),
        };
        let fault = Fault::usage(format!("{tag:?} is no tag of a snapshot: {why}"));
        Err(fault.hint("letters, digits and any of -_.: as in before-upgrade"))
    }

    /// Returns that of one that there is.
    pub(crate) fn there(name: &str) -> Self {
        Self(name.into())
    }

    /// Returns its tag, as it is said.
    pub(crate) fn tag(&self) -> String {
        self.0.strip_prefix(OWN).map_or_else(|| format!("@{}", self.0), Into::into)
    }

    /// Returns whether vmrun has made it, as its name says.
    pub(crate) fn is_own(&self) -> bool {
        self.0.starts_with(OWN)
    }

    /// Returns the snapshot of a volume.
    pub(crate) fn of_volume(&self, volume: &VolumeName) -> String {
        format!("{volume}@{}", self.0)
    }

    /// Returns the file that keeps another one: beside it.
    pub(crate) fn of_file(&self, file: &Path) -> PathBuf {
        let mut name = file.file_name().unwrap_or_default().to_os_string();
        name.push(format!("@{}", self.0));
        file.with_file_name(name)
    }

    /// Returns whose snapshot a file beside another one is, if it is one: by the names of both.
    pub(crate) fn in_name(file: &str, name: &str) -> Option<Self> {
        let tag = name.strip_prefix(file)?.strip_prefix('@')?.strip_prefix(OWN)?;
        Self::of_tag(tag).ok().filter(|_| !tag.starts_with('@'))
    }
}

/// Whether it is the name of a file that is being written (`host::files::halves`).
fn is_half(tag: &str) -> bool {
    tag.contains(".vmrun-") && Path::new(tag).extension().is_some_and(|end| end == "new")
}

impl fmt::Display for SnapshotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tag())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_has_one_name_for_volumes_and_files() {
        let name = SnapshotName::of_tag("before-upgrade").unwrap();
        let volume = "zroot/vm/web".parse().unwrap();
        assert_eq!(name.of_volume(&volume), "zroot/vm/web@vmrun-before-upgrade");
        let file = name.of_file(Path::new("/vm/web.img"));
        assert_eq!(file, Path::new("/vm/web.img@vmrun-before-upgrade"));
        assert_eq!(SnapshotName::in_name("web.img", "web.img@vmrun-before-upgrade"), Some(name.clone()));
        assert_eq!((name.tag(), name.is_own()), ("before-upgrade".into(), true));
        let others = SnapshotName::of_tag("@autosnap_2026-11-29_daily").unwrap();
        assert_eq!((others.tag(), others.is_own()), ("@autosnap_2026-11-29_daily".into(), false));
        for other in ["web.img", "web.img@a", "web.img2@vmrun-a", "web.img@vmrun-", "web.img@vmrun-a.vmrun-7.new"] {
            assert_eq!(SnapshotName::in_name("web.img", other), None, "{other}");
        }
    }

    #[test]
    fn what_zfs_would_refuse_is_no_tag() {
        for (tag, why) in [
            ("", "\"\" is no tag of a snapshot: it is empty"),
            ("a/b", "\"a/b\" is no tag of a snapshot: it has '/'"),
            ("a b", "\"a b\" is no tag of a snapshot: it has ' '"),
            (
                "a.vmrun-7.new",
                "\"a.vmrun-7.new\" is no tag of a snapshot: files that are being written have such names",
            ),
            ("a@b", "\"a@b\" is no tag of a snapshot: it has '@'"),
        ] {
            let fault = Fault::usage(why).hint("letters, digits and any of -_.: as in before-upgrade");
            assert_eq!(SnapshotName::of_tag(tag), Err(fault));
        }
        let long = "a".repeat(65);
        let fault = SnapshotName::of_tag(&long).unwrap_err();
        assert_eq!(fault.message, format!("{long:?} is no tag of a snapshot: it has 65 bytes, of 64 at most"));
    }
}
