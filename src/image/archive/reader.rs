//! An export as it is read. Nothing of it is believed: what comes is as long as the manifest has said, or it is refused, and no more
//! than a window of a disk is in memory.

use super::header::{Header, UNIT};
use super::manifest::{DiskForm, DiskPart, Manifest, TextPart};
use super::trailer::{DiskSum, Trailer};
use super::{BLOCK, DOCUMENT, MANIFEST, SUMS, TRAILER, WINDOW, sum};
use crate::diag::Fault;
use std::io::{ErrorKind, Read};

/// Some bytes of a disk.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Extent<'a> {
    /// From which byte of the disk on.
    pub(crate) at: u64,
    /// The bytes.
    pub(crate) bytes: &'a [u8],
}

/// Reads the members, in their order.
pub(crate) struct Reader<R> {
    from: R,
    /// The header of the next member, if it was read already.
    next: Option<Header>,
    /// The lines of the digests that are still to come.
    sums: String,
    trailer: Trailer,
    /// The disk that is read now, and where the member before has ended.
    disk: (DiskSum, u64),
    buffer: Vec<u8>,
}

/// The way out of a stream that did not come as it was written.
pub(crate) const AGAIN: &str = "fetch it again, or export the machine again";

/// The fault of a stream that is not as it was written.
fn damaged(what: &str) -> Fault {
    Fault::host(format!("it is damaged: {what}")).hint(AGAIN)
}

impl<R: Read> Reader<R> {
    /// Begins with nothing read.
    pub(crate) fn new(from: R) -> Self {
        let trailer = Trailer::default();
        Self { from, next: None, sums: String::new(), trailer, disk: (DiskSum::default(), 0), buffer: Vec::new() }
    }

    /// Returns the manifest, with which it begins.
    pub(crate) fn manifest(&mut self) -> Result<Manifest, Fault> {
        let none = || Fault::new("it is no export of vmrun").hint("`vmrun export NAME FILE` writes one");
        let header = self.header().ok().filter(|header| header.name == MANIFEST).ok_or_else(none)?;
        if header.size > DOCUMENT {
            return Err(damaged("its manifest is too long"));
        }
        self.bytes(header.size)?;
        let document = std::mem::take(&mut self.buffer);
        let header = self.header()?;
        if header.name != SUMS || header.size > DOCUMENT {
            return Err(damaged("the digests of its texts are missing"));
        }
        self.bytes(header.size)?;
        self.sums = String::from_utf8_lossy(&self.buffer).into_owned();
        self.against_sum(MANIFEST, &document, "its manifest")?;
        let wrong = |fault: Fault| {
            let fault = fault.context("its manifest is none that an import takes");
            if fault.hint.is_some() { fault } else { fault.hint(AGAIN) }
        };
        Manifest::parse(&document).map_err(wrong)
    }

    /// Returns the bytes of the next text.
    pub(crate) fn text(&mut self, part: &TextPart) -> Result<Vec<u8>, Fault> {
        let header = self.header()?;
        if header.name != format!("texts/{}", part.name) || header.size != part.size {
            return Err(damaged(&format!("{:?} is not where the manifest has it", part.name)));
        }
        self.bytes(header.size)?;
        let bytes = std::mem::take(&mut self.buffer);
        self.against_sum(&header.name, &bytes, &format!("{:?}", part.name))?;
        Ok(bytes)
    }

    /// Refuses what is not the next line of the digests.
    fn against_sum(&mut self, name: &str, bytes: &[u8], what: &str) -> Result<(), Fault> {
        match self.sums.strip_prefix(&sum(name, bytes)) {
            Some(rest) => {
                self.sums = rest.into();
                Ok(())
            }
            None => Err(damaged(&format!("{what} is not what was written"))),
        }
    }

    /// Returns the next bytes of the disk of that number, from 1 on; nothing at its end.
    pub(crate) fn extent(&mut self, number: usize, part: &DiskPart) -> Result<Option<Extent<'_>>, Fault> {
        let header = self.header()?;
        let Some(at) = header.name.strip_prefix(&format!("disks/{number}/")) else {
            self.next = Some(header);
            let (sum, _) = std::mem::take(&mut self.disk);
            self.trailer.disks.push(sum.finish());
            return Ok(None);
        };
        let is_number = at.len() == 20 && at.bytes().all(|byte| byte.is_ascii_digit());
        let at = at.parse::<u64>().ok().filter(|_| is_number);
        let at = at.ok_or_else(|| damaged("a part of a disk has no place"))?;
        let is_stream = part.form != DiskForm::Bytes;
        let last = if is_stream { part.most() } else { part.size.get() };
        let end = at.checked_add(header.size).filter(|end| *end <= last);
        let before = self.disk.1;
        let (block, window) = (BLOCK as u64, WINDOW as u64);
        // A part begins where nobody has written before, and lies in one window: no more of it is in memory.
        let follows = if is_stream { at == before } else { at >= before };
        let is_one = header.size > 0 && at.is_multiple_of(block) && follows;
        let Some(end) = end.filter(|end| is_one && at / window == (end - 1) / window) else {
            return Err(damaged(&format!("a part of disk {number} is where none can be")));
        };
        if self.disk.0.data().saturating_add(header.size) > part.most() {
            return Err(damaged(&format!("disk {number} has more than its manifest says")));
        }
        self.bytes(header.size)?;
        self.disk.1 = end;
        self.disk.0.add(at, &self.buffer);
        Ok(Some(Extent { at, bytes: &self.buffer }))
    }

    /// Returns what it is read from.
    pub(crate) const fn source(&mut self) -> &mut R {
        &mut self.from
    }

    /// Reads the end, and compares what came with what was written.
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        let header = self.header()?;
        if header.name != TRAILER || header.size > DOCUMENT {
            return Err(damaged("there is something after its last disk"));
        }
        self.bytes(header.size)?;
        self.trailer.against(&self.buffer).map_err(|why| damaged(&why))?;
        let mut zeroes = [0; 2 * UNIT];
        self.fill(&mut zeroes)?;
        let mut more = [0; UNIT];
        if zeroes.iter().any(|byte| *byte != 0) || self.from.read(&mut more).map_err(|why| broken(&why))? > 0 {
            return Err(damaged("there is something after its end"));
        }
        Ok(())
    }

    /// Returns the header of the next member.
    fn header(&mut self) -> Result<Header, Fault> {
        if let Some(header) = self.next.take() {
            return Ok(header);
        }
        let mut block = [0; UNIT];
        self.fill(&mut block)?;
        Header::read(&block).map_err(damaged)?.ok_or_else(|| damaged("it ends before its trailer"))
    }

    /// Reads so many bytes into the buffer, and what fills up the last unit. Its length was looked at before.
    fn bytes(&mut self, size: u64) -> Result<(), Fault> {
        let whole = usize::try_from(size).map_err(|_| damaged("a part is too long"))?;
        self.buffer.clear();
        // What does not come takes no memory.
        let came = (&mut self.from).take(size).read_to_end(&mut self.buffer).map_err(|why| broken(&why))?;
        if came != whole {
            return Err(cut_off());
        }
        let mut padding = [0; UNIT];
        let length = whole.next_multiple_of(UNIT) - whole;
        self.fill(padding.get_mut(..length).unwrap_or_default())
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Fault> {
        self.from.read_exact(bytes).map_err(|why| broken(&why))
    }
}

/// Reads an export to its end, and returns how many bytes of its disks there are.
pub fn read_whole(from: impl Read) -> Result<u64, Fault> {
    let mut reader = Reader::new(from);
    let manifest = reader.manifest()?;
    manifest.texts.iter().try_for_each(|part| reader.text(part).map(drop))?;
    let mut bytes = 0;
    for (at, disk) in manifest.disks.iter().enumerate() {
        while let Some(extent) = reader.extent(at + 1, disk)? {
            bytes += extent.bytes.len() as u64;
        }
    }
    reader.end().map(|()| bytes)
}

fn cut_off() -> Fault {
    Fault::host("it is cut off: its end did not come").hint(AGAIN)
}

fn broken(why: &std::io::Error) -> Fault {
    if why.kind() == ErrorKind::UnexpectedEof {
        return cut_off();
    }
    Fault::host(format!("it cannot be read: {}", why.to_string().split(" (os error").next().unwrap_or_default()))
}

#[cfg(test)]
mod tests;
