//! An exported machine as a stream: what is in it, in which order, and what is refused of it.
//!
//! It is a tar of POSIX.1-1988 (ustar), so that any tar(1) takes it apart, in a stream of zstd (RFC 8878), which is not of this room.
//! All is in one folder, `vmrun-export`:
//!
//! | member | is |
//! |---|---|
//! | `manifest.json` | the first: what follows, with the size of each part ([`Manifest`]) |
//! | `SHA256SUMS` | the digests of the manifest and the texts, as sha256sum(1) has them |
//! | `texts/PATH` | the recipe, and what it imports from its own folder, by their paths there |
//! | `disks/N/OFFSET` | bytes of the disk of that number from that byte on, 20 digits of decimals |
//! | `trailer.json` | the last: the digests of the disks, each of which is known only when all of it was read; a stream without it was cut off |
//!
//! Of a disk only what is not zero is there. It is looked at in blocks of [`BLOCK`]; a member is as many of them as follow each
//! other, and ends where [`WINDOW`] ends: so the members of a disk follow from its content alone, whatever was a hole of a file. The
//! digest of a disk is the SHA-256 of its members' bytes, one after the other (`cat disks/1/* | sha256sum`), and its map the
//! SHA-256 of their offsets and lengths (`OFFSET LENGTH`, a line each): a digest of all of its bytes would take as long for a
//! hole as for data.
//!
//! A volume may be a stream of zfs-send(8) instead, of which the manifest says so ([`DiskForm`]): its members are the stream, in order and
//! without gaps (`cat disks/1/* | zfs receive pool/volume`), and are no longer than a volume of its size can be.

use sha2::{Digest as _, Sha256};

mod extents;
mod header;
mod manifest;
mod reader;
mod trailer;
mod writer;

pub(crate) use extents::{BLOCK, WINDOW, extents};
#[cfg(test)]
pub(crate) use manifest::tests::sample as manifest_sample;
pub(crate) use manifest::{DiskForm, DiskPart, Home, Manifest, Role, TextPart, check_text};
pub use reader::read_whole;
pub(crate) use reader::{AGAIN, Extent, Reader};
pub(crate) use trailer::DiskSum;
pub(crate) use writer::Writer;

/// The folder in which all members are.
const FOLDER: &str = "vmrun-export";
/// The name of the first member.
const MANIFEST: &str = "manifest.json";
/// The name of the second member.
const SUMS: &str = "SHA256SUMS";
/// The name of the last member.
const TRAILER: &str = "trailer.json";

/// How long the manifest or the trailer may be, in bytes.
const DOCUMENT: u64 = 1 << 20;

/// What most commands of zstd write, and what a stream of it begins with (RFC 8878, 3.1.1).
pub(crate) const ZSTD: [u8; 4] = *b"\x28\xb5\x2f\xfd";

/// Returns the line of a member in [`SUMS`].
fn sum(name: &str, bytes: &[u8]) -> String {
    format!("{}  {name}\n", hex(Sha256::digest(bytes)))
}

/// Returns a digest in hexadecimal digits.
fn hex(digest: impl AsRef<[u8]>) -> String {
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
