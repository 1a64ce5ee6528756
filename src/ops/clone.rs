//! A machine under another name, with copies of its disks.

/// With what the tags of snapshots begin that are made for a clone.
pub(crate) const TAG: &str = "clone-";
