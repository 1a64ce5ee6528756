//! Which names datasets may have: zfs_validate_name (libzfs_dataset.c) and entity_namecheck (zfs_namecheck.c).

use super::pools::Kind;

/// The longest name: ZFS_MAX_DATASET_NAME_LEN, with the NUL at its end.
const LONGEST: usize = 255;

/// What a name is to be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Filesystem,
    Volume,
    Snapshot,
    /// A filesystem or a volume.
    Head,
    Any,
}

impl Expected {
    /// Whether a dataset is one.
    pub(super) fn takes(self, kind: Kind) -> bool {
        match self {
            Self::Filesystem => kind == Kind::Filesystem,
            Self::Volume => kind == Kind::Volume,
            Self::Snapshot => kind == Kind::Snapshot,
            Self::Head => kind != Kind::Snapshot,
            Self::Any => true,
        }
    }
}

/// Says why a name is none.
pub(super) fn check(name: &str, expected: Expected, is_made: bool) -> Result<(), String> {
    let may_be_snapshot = expected.takes(Kind::Snapshot);
    if !may_be_snapshot && name.contains('@') {
        return Err("snapshot delimiter '@' is not expected here".into());
    }
    if expected == Expected::Snapshot && !name.contains('@') {
        return Err("missing '@' delimiter in snapshot name".into());
    }
    if name.contains('#') {
        return Err("bookmark delimiter '#' is not expected here".into());
    }
    if is_made && name.contains('%') {
        return Err("invalid character % in name".into());
    }
    entity(name)
}

fn entity(name: &str) -> Result<(), String> {
    if name.len() > LONGEST {
        return Err("name is too long".into());
    }
    if name.starts_with('/') {
        return Err("leading slash in name".into());
    }
    if name.ends_with('/') {
        return Err("trailing slash in name".into());
    }
    if name.matches('@').count() > 1 {
        return Err("multiple '@' and/or '#' delimiters in name".into());
    }
    let (path, tag) = name.split_once('@').map_or((name, None), |(path, tag)| (path, Some(tag)));
    for part in path.split('/').chain(tag) {
        let is_wrong = |c: &char| !c.is_ascii_alphanumeric() && !"-_.: %".contains(*c);
        match part {
            "" => return Err("empty component or misplaced '@' or '#' delimiter in name".into()),
            "." => return Err("self reference, '.' is found in name".into()),
            ".." => return Err("parent reference, '..' is found in name".into()),
            _ => {}
        }
        if let Some(what) = part.chars().find(is_wrong) {
            return Err(format!("invalid character '{what}' in name"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Expected, check};

    #[test]
    fn a_name_that_is_none_is_refused_in_the_words_of_libzfs() {
        let of = |name: &str, expected| check(name, expected, true).err().unwrap_or_default();
        for name in ["zroot", "zroot/vm/web", "zroot/a b", "zroot/x.y_z-1:2"] {
            assert_eq!(of(name, Expected::Volume), "", "{name}");
        }
        assert_eq!(of("zroot/a@b", Expected::Volume), "snapshot delimiter '@' is not expected here");
        assert_eq!(of("zroot/a", Expected::Snapshot), "missing '@' delimiter in snapshot name");
        assert_eq!(of("zroot/a#b", Expected::Volume), "bookmark delimiter '#' is not expected here");
        assert_eq!(of("zroot/a%b", Expected::Volume), "invalid character % in name");
        assert_eq!(of("/zroot/a", Expected::Volume), "leading slash in name");
        assert_eq!(of("zroot/a/", Expected::Volume), "trailing slash in name");
        assert_eq!(of("zroot/a@b@c", Expected::Snapshot), "multiple '@' and/or '#' delimiters in name");
        let empty = "empty component or misplaced '@' or '#' delimiter in name";
        assert_eq!([of("zroot//a", Expected::Volume), of("zroot/a@", Expected::Snapshot)], [empty, empty]);
        assert_eq!(of("zroot/../a", Expected::Volume), "parent reference, '..' is found in name");
        assert_eq!(of("zroot/./a", Expected::Volume), "self reference, '.' is found in name");
        assert_eq!(of("zroot/a+b", Expected::Volume), "invalid character '+' in name");
        assert_eq!(of(&"z".repeat(256), Expected::Volume), "name is too long");
    }
}
