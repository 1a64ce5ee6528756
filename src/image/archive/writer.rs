//! An export as it is written.

use super::header::{Header, UNIT};
use super::manifest::Manifest;
use super::trailer::{DiskDigest, Trailer};
use super::{MANIFEST, TRAILER, hex};
use crate::diag::Fault;
use sha2::{Digest as _, Sha256};
use std::io::{self, Write};

/// Writes the members, in their order.
pub(crate) struct Writer<W> {
    to: W,
    trailer: Trailer,
}

/// The fault of a stream that takes no more.
fn refused(why: &io::Error) -> Fault {
    let why = why.to_string();
    Fault::host(format!("it cannot be written: {}", why.split(" (os error").next().unwrap_or_default()))
}

impl<W: Write> Writer<W> {
    /// Begins with the manifest.
    pub(crate) fn begin(to: W, manifest: &Manifest) -> Result<Self, Fault> {
        let text = manifest.text();
        let trailer = Trailer { manifest: hex(Sha256::digest(text.as_bytes())), ..Trailer::default() };
        let mut writer = Self { to, trailer };
        writer.member(MANIFEST, text.as_bytes())?;
        Ok(writer)
    }

    /// Writes the next text.
    pub(crate) fn text(&mut self, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        self.member(&format!("texts/{name}"), bytes)?;
        self.trailer.texts.push(hex(Sha256::digest(bytes)));
        Ok(())
    }

    /// Writes bytes of the disk that is written now, from that byte on.
    pub(crate) fn extent(&mut self, at: u64, bytes: &[u8]) -> Result<(), Fault> {
        let number = self.trailer.disks.len() + 1;
        self.member(&format!("disks/{number}/{at:020}"), bytes)
    }

    /// Ends the disk that is written now.
    pub(crate) fn end_disk(&mut self, digest: DiskDigest) {
        self.trailer.disks.push(digest);
    }

    /// Ends all of it, and returns where it was written.
    pub(crate) fn end(mut self) -> Result<W, Fault> {
        let text = self.trailer.text();
        self.member(TRAILER, text.as_bytes())?;
        self.to.write_all(&[0; 2 * UNIT]).and_then(|()| self.to.flush()).map_err(|why| refused(&why))?;
        Ok(self.to)
    }

    fn member(&mut self, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        let header = Header { name: name.into(), size: bytes.len() as u64 }.bytes()?;
        let padding = bytes.len().next_multiple_of(UNIT) - bytes.len();
        let zeroes = [0; UNIT];
        let written = self.to.write_all(&header).and_then(|()| self.to.write_all(bytes));
        let written = written.and_then(|()| self.to.write_all(zeroes.get(..padding).unwrap_or_default()));
        written.map_err(|why| refused(&why))
    }
}
