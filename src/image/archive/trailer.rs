//! What an export ends with: the digests of all that came before.

use super::hex;
use crate::diag::Fault;
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

/// The digests of an export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trailer {
    /// The SHA-256 of the manifest.
    pub(crate) manifest: String,
    /// The SHA-256 of each text, in their order.
    pub(crate) texts: Vec<String>,
    /// The digest of each disk, in their order.
    pub(crate) disks: Vec<DiskDigest>,
}

impl Trailer {
    /// Returns its text.
    pub(super) fn text(&self) -> String {
        let disk = |disk: &DiskDigest| json!({ "extents": disk.extents, "data": disk.data, "sha256": disk.sha256, "map": disk.map });
        let disks: Vec<Value> = self.disks.iter().map(disk).collect();
        format!("{:#}\n", json!({ "manifest": self.manifest, "texts": self.texts, "disks": disks }))
    }

    /// Says which part came otherwise than it was written, if one did.
    pub(super) fn against(&self, text: &[u8]) -> Result<(), Fault> {
        let written: Value = serde_json::from_slice(text).map_err(|_| Fault::host("its end cannot be read"))?;
        let is = serde_json::from_str::<Value>(&self.text()).unwrap_or_default();
        let part = |value: &Value, key: &str, at: usize| value.get(key).and_then(|list| list.get(at)).cloned();
        if written.get("manifest") != is.get("manifest") {
            return Err(Fault::host("its manifest is not what was written"));
        }
        if let Some(at) = (0..self.texts.len()).find(|at| part(&written, "texts", *at) != part(&is, "texts", *at)) {
            return Err(Fault::host(format!("its text {} is not what was written", at + 1)));
        }
        if let Some(at) = (0..self.disks.len()).find(|at| part(&written, "disks", *at) != part(&is, "disks", *at)) {
            return Err(Fault::host(format!("its disk {} is not what was written", at + 1)));
        }
        if written == is { Ok(()) } else { Err(Fault::host("there was more in it when it was written")) }
    }
}
