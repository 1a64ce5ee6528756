//! Where a disk lives: a file, a volume of ZFS, or a device that is there.

use super::Size;
use crate::diag::Fault;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where both systems have the devices of volumes (zfs-create(8), -V).
pub(crate) const ZVOLS: &str = "/dev/zvol";

/// The name of a volume: a pool, filesystems and its own, by the rules of zfs_namecheck.c.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct VolumeName(String);

impl VolumeName {
    /// How many bytes a name may have: ZFS_MAX_DATASET_NAME_LEN, without the NUL at its end.
    pub(crate) const MAX: usize = 255;

    /// Returns the name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the pool.
    pub(crate) fn pool(&self) -> &str {
        self.0.split('/').next().unwrap_or(&self.0)
    }

    /// Returns the filesystem in which it is.
    pub(crate) fn parent(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(parent, _)| parent)
    }
}

/// Says why a text is no name of a volume.
fn against(text: &str) -> Option<String> {
    let is_wrong = |c: &char| !c.is_ascii_alphanumeric() && !"-_.: ".contains(*c);
    if text.contains('@') {
        return Some("with `@` it is a snapshot".into());
    }
    if text.starts_with('/') {
        return Some("it begins with a slash".into());
    }
    if text.len() > VolumeName::MAX {
        return Some(format!("it has {} bytes, of {} at most", text.len(), VolumeName::MAX));
    }
    if !text.contains('/') {
        return Some("a pool has no name before it".into());
    }
    for part in text.split('/') {
        match part.chars().find(is_wrong) {
            Some(bad) => return Some(format!("it has {bad:?}")),
            None if ["", ".", ".."].contains(&part) => return Some("a part of it is empty, or dots alone".into()),
            None => {}
        }
    }
    None
}

impl FromStr for VolumeName {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let way_out = "a pool, its filesystems and the volume: \"zroot/vm/web\"";
        match against(text) {
            Some(why) => Err(Fault::new(format!("{text:?} is no name of a volume: {why}")).hint(way_out)),
            None => Ok(Self(text.into())),
        }
    }
}

impl fmt::Display for VolumeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A volume that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Volume {
    /// Its name.
    pub name: VolumeName,
    /// Its size (zfsprops(7), volsize).
    pub size: Size,
    /// Its blocks, if somebody says (volblocksize).
    pub block: Option<Size>,
    /// Whether it takes space only when it is written to, and reserves none (zfs-create(8), -s).
    pub is_sparse: bool,
    /// How it is compressed, if somebody says (compression).
    pub compression: Option<String>,
    /// How it is encrypted, if somebody says; one in a filesystem that is encrypted is so anyway (encryption).
    pub encryption: Option<Encryption>,
}

/// How a volume is encrypted (zfsprops(7), encryption, keyformat, keylocation). It cannot be changed afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Encryption {
    /// The cipher, or `on`.
    pub cipher: String,
    /// The key of its own; without one it has that of the filesystem that it is in.
    pub key: Option<VolumeKey>,
}

/// Where the key of a volume is. It stays in its file: nobody but zfs(8) reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VolumeKey {
    /// What is in the file: `raw`, `hex` or `passphrase`.
    pub format: String,
    /// The file.
    pub file: PathBuf,
}

impl VolumeKey {
    /// How a location begins that is a file (zfsprops(7), keylocation).
    const FILE: &str = "file://";

    /// Reads a location.
    pub(crate) fn parse(format: Option<String>, location: &str) -> Result<Self, Fault> {
        let file = location.strip_prefix(Self::FILE).filter(|file| file.starts_with('/'));
        let file = file.ok_or_else(|| {
            let fault = Fault::new(format!("{location:?} is no file with a key, from the root on"));
            fault.hint("\"file:///etc/vm/web.key\"; a key that is asked for has nobody to type it")
        })?;
        Ok(Self { format: format.unwrap_or_else(|| "raw".into()), file: file.into() })
    }

    /// Returns the location as zfs(8) has it.
    pub(crate) fn location(&self) -> String {
        format!("{}{}", Self::FILE, self.file.display())
    }
}

/// The blocks of a volume of which nobody says how large they are, since OpenZFS 2.2; before they were half of that (zfsprops(7)).
const USUAL_BLOCK: Size = Size::bytes(16 << 10);
/// What blocks may be (zfsprops(7), volblocksize; more than 128K only with a tunable).
const BLOCKS: std::ops::RangeInclusive<u64> = 512..=128 << 10;
/// The ciphers; `on` is the last one (zfsprops(7), encryption).
const CIPHERS: [&str; 7] =
    ["on", "aes-128-ccm", "aes-192-ccm", "aes-256-ccm", "aes-128-gcm", "aes-192-gcm", "aes-256-gcm"];
/// What may be in the file of a key (zfsprops(7), keyformat).
const KEY_FORMATS: [&str; 3] = ["raw", "hex", "passphrase"];
/// The compressions that have no level (zfsprops(7), compression).
const COMPRESSIONS: [&str; 8] = ["on", "off", "lzjb", "gzip", "zle", "lz4", "zstd", "zstd-fast"];

/// Returns a size that ends with a whole block of a volume of whose blocks nobody says how large they are; nothing where there is none.
pub(crate) fn whole_blocks(size: Size) -> Option<Size> {
    size.get().checked_next_multiple_of(USUAL_BLOCK.get()).map(Size::bytes)
}

impl Volume {
    /// Says what zfs(8) would refuse of it, with the option that is at fault.
    pub(crate) fn against(&self) -> Option<(&'static str, Fault)> {
        let block = self.block.unwrap_or(USUAL_BLOCK);
        if !BLOCKS.contains(&block.get()) || !block.get().is_power_of_two() {
            let fault = Fault::new(format!("{block} is no size of a volume's blocks"));
            return Some(("volblocksize", fault.hint("a power of two from 512 to \"128K\"; \"16K\" is usual")));
        }
        if self.size.get() == 0 {
            return Some(("size", Fault::new("a volume has a size").hint("zvol(name, 20.GiB)")));
        }
        if !self.size.get().is_multiple_of(block.get()) {
            let whole = self.size.get().checked_next_multiple_of(block.get()).map(Size::bytes);
            let fault = Fault::new(format!("{} does not end with a whole block of {block}", self.size));
            return Some(("size", fault.maybe_hint(whole.map(|whole| format!("{whole} does")))));
        }
        if let Some(compression) = self.compression.as_ref().filter(|given| !is_compression(given)) {
            let fault = Fault::new(format!("there is no compression {compression:?}"));
            let known = "on, off, lz4, zstd, zstd-1 to zstd-19, zstd-fast, gzip, gzip-1 to gzip-9, lzjb, zle";
            return Some(("compression", fault.hint(known)));
        }
        self.encryption.as_ref().and_then(Encryption::against)
    }
}

impl Encryption {
    fn against(&self) -> Option<(&'static str, Fault)> {
        let unknown = |key, what: &str, given: &str, known: &[&str]| {
            Some((key, Fault::new(format!("there is no {what} {given:?}")).hint(known.join(", "))))
        };
        if !CIPHERS.contains(&self.cipher.as_str()) {
            return unknown("encryption", "cipher", &self.cipher, &CIPHERS);
        }
        let format = &self.key.as_ref()?.format;
        if KEY_FORMATS.contains(&format.as_str()) {
            None
        } else {
            unknown("keyformat", "form of a key", format, &KEY_FORMATS)
        }
    }
}

fn is_compression(text: &str) -> bool {
    let level = |stem: &str| text.strip_prefix(stem)?.parse::<u16>().ok();
    COMPRESSIONS.contains(&text)
        || level("gzip-").is_some_and(|level| (1..=9).contains(&level))
        || level("zstd-").is_some_and(|level| (1..=19).contains(&level))
        || level("zstd-fast-").is_some_and(|level| (1..=1000).contains(&level))
}

/// Where a disk lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DiskPlace {
    /// In a file.
    File(PathBuf),
    /// In a volume of ZFS, whose device has this path.
    Volume(VolumeName, PathBuf),
    /// On a device, which nobody makes.
    Device(PathBuf),
}

impl DiskPlace {
    /// Returns the path by which a machine has it.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Volume(_, path) | Self::Device(path) => path,
        }
    }

    /// Returns where a path leads: below the folder with the devices of volumes, or below /dev/zvol, to one of these.
    pub(crate) fn of(path: &Path, zvols: &Path) -> Result<Self, Fault> {
        // Recipes name volumes by where the systems have them.
        let below = path.strip_prefix(zvols).or_else(|_| path.strip_prefix(ZVOLS));
        match below.ok().and_then(Path::to_str).filter(|name| !name.is_empty()) {
            Some(name) => Ok(Self::Volume(name.parse()?, zvols.join(name))),
            None if path.starts_with("/dev") => Ok(Self::Device(path.into())),
            None => Ok(Self::File(path.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_has_a_pool_before_it_and_no_snapshot_behind_it() {
        for name in ["zroot/web", "zroot/vm/web-1.a_b:c"] {
            assert_eq!(name.parse::<VolumeName>().map(|name| name.to_string()), Ok(name.to_string()));
        }
        let way_out = "a pool, its filesystems and the volume: \"zroot/vm/web\"";
        for (name, why) in [
            ("zroot", "a pool has no name before it"),
            ("/dev/zvol/zroot/web", "it begins with a slash"),
            ("zroot/web@a", "with `@` it is a snapshot"),
            ("zroot//web", "a part of it is empty, or dots alone"),
            ("zroot/../web", "a part of it is empty, or dots alone"),
            ("zroot/we+b", "it has '+'"),
        ] {
            let fault = Fault::new(format!("{name:?} is no name of a volume: {why}")).hint(way_out);
            assert_eq!(name.parse::<VolumeName>(), Err(fault));
        }
        let name: VolumeName = "zroot/vm/web".parse().unwrap();
        assert_eq!((name.pool(), name.parent()), ("zroot", "zroot/vm"));
    }

    #[test]
    fn what_zfs_refuses_of_a_volume_is_a_fault_of_its_option() {
        let usual = Volume {
            name: "zroot/web".parse().unwrap(),
            size: Size::bytes(1 << 30),
            block: None,
            is_sparse: false,
            compression: None,
            encryption: None,
        };
        let of = |volume: Volume| volume.against().map(|(key, fault)| (key, fault.message, fault.hint));
        assert_eq!(of(usual.clone()), None);
        let compressed = |text: &str| Volume { compression: Some(text.into()), ..usual.clone() };
        assert_eq!(["lz4", "zstd-19", "gzip-9", "zstd-fast-10"].map(|text| of(compressed(text))), [const { None }; 4]);
        let compressions = "on, off, lz4, zstd, zstd-1 to zstd-19, zstd-fast, gzip, gzip-1 to gzip-9, lzjb, zle";
        let none = ("compression", "there is no compression \"zstd-20\"".into(), Some(compressions.into()));
        assert_eq!(of(compressed("zstd-20")), Some(none));
        let key = |format: &str| VolumeKey::parse(Some(format.into()), "file:///k").ok();
        let encrypted = |cipher: &str, format| {
            let encryption = Some(Encryption { cipher: cipher.into(), key: key(format) });
            Volume { encryption, ..usual.clone() }
        };
        assert_eq!(
            ["raw", "hex", "passphrase"].map(|format| of(encrypted("aes-256-gcm", format))),
            [const { None }; 3]
        );
        let ciphers = "on, aes-128-ccm, aes-192-ccm, aes-256-ccm, aes-128-gcm, aes-192-gcm, aes-256-gcm";
        let none = ("encryption", "there is no cipher \"off\"".into(), Some(ciphers.into()));
        assert_eq!(of(encrypted("off", "raw")), Some(none));
        let none = ("keyformat", "there is no form of a key \"pem\"".into(), Some("raw, hex, passphrase".into()));
        assert_eq!(of(encrypted("on", "pem")), Some(none));
        for location in ["prompt", "/k", "file://k", "https://example.org/k"] {
            let fault = Fault::new(format!("{location:?} is no file with a key, from the root on"));
            let fault = fault.hint("\"file:///etc/vm/web.key\"; a key that is asked for has nobody to type it");
            assert_eq!(VolumeKey::parse(None, location), Err(fault));
        }
        let odd = Volume { size: Size::bytes(1_000_000_000), ..usual.clone() };
        let whole = ("size", "1000000000 does not end with a whole block of 16K".into(), Some("976576K does".into()));
        assert_eq!(of(odd), Some(whole));
        let block = Volume { block: Some(Size::bytes(10_000)), ..usual };
        let power = Some("a power of two from 512 to \"128K\"; \"16K\" is usual".into());
        assert_eq!(of(block), Some(("volblocksize", "10000 is no size of a volume's blocks".into(), power)));
    }

    #[test]
    fn a_path_tells_where_a_disk_lives() {
        let of = |path: &str| DiskPlace::of(Path::new(path), Path::new(ZVOLS));
        assert_eq!(of("/vm/web.img"), Ok(DiskPlace::File("/vm/web.img".into())));
        assert_eq!(of("/dev/ada1"), Ok(DiskPlace::Device("/dev/ada1".into())));
        let path = "/dev/zvol/zroot/vm/web";
        assert_eq!(of(path), Ok(DiskPlace::Volume("zroot/vm/web".parse().unwrap(), path.into())));
        assert!(of("/dev/zvol/zroot").is_err());
    }
}
