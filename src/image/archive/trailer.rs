//! What an export ends with: the digests of its disks.

use super::hex;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The digest of a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DiskDigest {
    /// How many members it has.
    pub(crate) extents: u64,
    /// How many bytes they have.
    pub(crate) data: u64,
    /// The SHA-256 of them, one after the other.
    pub(crate) sha256: String,
    /// The SHA-256 of their offsets and lengths.
    pub(crate) map: String,
}

/// The digest of a disk that is being made.
#[derive(Clone, Debug, Default)]
pub(crate) struct DiskSum {
    extents: u64,
    data: u64,
    bytes: Sha256,
    map: Sha256,
}

impl DiskSum {
    /// Takes in some bytes, from that byte of the disk on.
    pub(crate) fn add(&mut self, at: u64, bytes: &[u8]) {
        self.extents += 1;
        self.data += bytes.len() as u64;
        self.bytes.update(bytes);
        self.map.update(format!("{at} {}\n", bytes.len()).as_bytes());
    }

    /// Returns how many bytes came so far.
    pub(super) const fn data(&self) -> u64 {
        self.data
    }

    /// Returns the digest.
    pub(crate) fn finish(self) -> DiskDigest {
        let (sha256, map) = (hex(self.bytes.finalize()), hex(self.map.finalize()));
        DiskDigest { extents: self.extents, data: self.data, sha256, map }
    }
}

/// The digests of the disks of an export, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Trailer {
    /// The digests.
    pub(super) disks: Vec<DiskDigest>,
}

impl Trailer {
    /// Returns its text.
    pub(super) fn text(&self) -> String {
        let disk = |disk: &DiskDigest| json!({ "extents": disk.extents, "data": disk.data, "sha256": disk.sha256, "map": disk.map });
        let disks: Vec<Value> = self.disks.iter().map(disk).collect();
        format!("{:#}\n", json!({ "disks": disks }))
    }

    /// Says which disk came otherwise than it was written, if one did.
    pub(super) fn against(&self, text: &[u8]) -> Result<(), String> {
        let written: Value = serde_json::from_slice(text).map_err(|_| "its trailer cannot be read")?;
        let is: Value = serde_json::from_str(&self.text()).unwrap_or_default();
        let disk = |value: &Value, at: usize| value.get("disks").and_then(|disks| disks.get(at)).cloned();
        match (0..self.disks.len()).find(|at| disk(&written, *at) != disk(&is, *at)) {
            Some(at) => Err(format!("its disk {} is not what was written", at + 1)),
            None if written == is => Ok(()),
            None => Err("its trailer is not what was written".into()),
        }
    }
}
