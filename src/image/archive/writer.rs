//! An export as it is written.

use super::header::{Header, UNIT};
use super::manifest::Manifest;
use super::trailer::{DiskDigest, Trailer};
use super::{MANIFEST, SUMS, TRAILER, sum};
use crate::diag::Fault;
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
    /// Begins with the manifest and the texts, in its order.
    pub(crate) fn begin(to: W, manifest: &Manifest, texts: &[Vec<u8>]) -> Result<Self, Fault> {
        let mut writer = Self { to, trailer: Trailer::default() };
        let document = manifest.text();
        let names = manifest.texts.iter().map(|part| format!("texts/{}", part.name));
        let texts: Vec<(String, &[u8])> = names.zip(texts.iter().map(Vec::as_slice)).collect();
        let first = (MANIFEST.to_string(), document.as_bytes());
        let sums: String = std::iter::once(&first).chain(&texts).map(|(name, bytes)| sum(name, bytes)).collect();
        writer.member(MANIFEST, document.as_bytes())?;
        writer.member(SUMS, sums.as_bytes())?;
        texts.iter().try_for_each(|(name, bytes)| writer.member(name, bytes))?;
        Ok(writer)
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
