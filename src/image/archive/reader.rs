//! An export as it is read. Nothing of it is believed: what comes is as long as the manifest has said, or it is refused, and no more
//! than a window of a disk is in memory.

use super::header::{Header, UNIT};
use super::manifest::{DiskPart, Manifest, TextPart};
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
        let end = at.checked_add(header.size).filter(|end| *end <= part.size.get());
        let before = self.disk.1;
        let (block, window) = (BLOCK as u64, WINDOW as u64);
        // A part begins where nobody has written before, and lies in one window: no more of it is in memory.
        let is_one = header.size > 0 && at.is_multiple_of(block) && at >= before;
        let Some(end) = end.filter(|end| is_one && at / window == (end - 1) / window) else {
            return Err(damaged(&format!("a part of disk {number} is where none can be")));
        };
        if self.disk.0.data().saturating_add(header.size) > part.used.get() {
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
mod tests {
    use super::super::manifest::tests::sample;
    use super::super::{Writer, extents};
    use super::*;
    use proptest::prelude::*;

    /// An export of the sample, whose first disk has some bytes and whose variables have others.
    fn export() -> Vec<u8> {
        let manifest = sample();
        let texts = [b"let a = 1;\n\n".to_vec(), b"// \n".to_vec()];
        let mut writer = Writer::begin(Vec::new(), &manifest, &texts).unwrap();
        for number in 0..manifest.disks.len() {
            let mut sum = DiskSum::default();
            let window =
                if number == 1 { vec![0; BLOCK] } else { [vec![7; BLOCK], vec![0; BLOCK], vec![8; 100]].concat() };
            for range in extents(&window) {
                let (at, bytes) = (range.start as u64, &window[range]);
                sum.add(at, bytes);
                writer.extent(at, bytes).unwrap();
            }
            writer.end_disk(sum.finish());
        }
        writer.end().unwrap()
    }

    /// What is read of an export: its texts, and the parts of its disks.
    fn read(bytes: &[u8]) -> Result<Vec<(u64, Vec<u8>)>, Fault> {
        let mut reader = Reader::new(bytes);
        let manifest = reader.manifest()?;
        let mut parts = Vec::new();
        for text in &manifest.texts {
            parts.push((0, reader.text(text)?));
        }
        for (number, disk) in manifest.disks.iter().enumerate() {
            while let Some(extent) = reader.extent(number + 1, disk)? {
                parts.push((extent.at, extent.bytes.to_vec()));
            }
        }
        reader.end()?;
        Ok(parts)
    }

    #[test]
    fn an_export_is_read_as_it_was_written() {
        let far = 2 * BLOCK as u64;
        let lengths: Vec<(u64, usize)> =
            read(&export()).unwrap().iter().map(|(at, bytes)| (*at, bytes.len())).collect();
        assert_eq!(lengths, [(0, 12), (0, 4), (0, BLOCK), (far, 100), (0, BLOCK), (far, 100)]);
    }

    #[test]
    fn an_export_that_is_cut_off_anywhere_is_known() {
        let whole = export();
        for length in (0..whole.len()).step_by(512) {
            let fault = read(&whole[..length]).unwrap_err();
            let expected = if length == 0 { "it is no export of vmrun" } else { "it is cut off: its end did not come" };
            assert_eq!(fault.message, expected, "{length}");
        }
        let more = [whole, vec![0; 512]].concat();
        assert_eq!(read(&more).unwrap_err().message, "it is damaged: there is something after its end");
    }

    /// What a hostile export says of a part of a disk: its name, and how long it is.
    fn with_part(name: &str, length: usize) -> String {
        let text = sample().text();
        let parts =
            [(MANIFEST, text.as_bytes()), ("texts/web.rhai", &[b' '; 12]), ("texts/lib/cards.rhai", &[b' '; 4])];
        let sums: String = parts.iter().map(|(name, bytes)| sum(name, bytes)).collect();
        let member = |name: &str, content: &[u8]| {
            let header = Header { name: name.into(), size: content.len() as u64 }.bytes().unwrap();
            let padding = content.len().next_multiple_of(UNIT) - content.len();
            [&header[..], content, &vec![0; padding]].concat()
        };
        let [manifest, one, other] = parts.map(|(name, bytes)| member(name, bytes));
        let texts = [manifest, member(SUMS, sums.as_bytes()), one, other].concat();
        read(&[texts, member(name, &vec![1; length])].concat()).unwrap_err().message
    }

    #[test]
    fn a_part_of_a_disk_is_in_the_disk_and_comes_after_the_one_before() {
        let nowhere = "it is damaged: a part of disk 1 is where none can be";
        assert_eq!(with_part("disks/1/00000000000000000001", 10), nowhere);
        assert_eq!(with_part("disks/1/00000000000000000000", 0), nowhere);
        assert_eq!(with_part("disks/1/00000000000000000000", WINDOW + 1), nowhere);
        assert_eq!(with_part("disks/1/00000000000033554432", 10), nowhere);
        assert_eq!(
            with_part("disks/1/00000000000000000000", (1 << 20) + 1),
            "it is damaged: disk 1 has more than its manifest says"
        );
        assert_eq!(with_part("disks/1/18446744073709486080", BLOCK), nowhere);
        assert_eq!(with_part("disks/1/0000000000000000000x", 10), "it is damaged: a part of a disk has no place");
        assert_eq!(with_part("disks/1/0", 10), "it is damaged: a part of a disk has no place");
        assert_eq!(with_part("disks/4/0", 10), "it is damaged: there is something after its last disk");
        assert_eq!(with_part("disks/1/00000000000000000000", 10), "it is cut off: its end did not come");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_byte_that_is_flipped_is_found(at in any::<prop::sample::Index>(), bit in 0..8) {
            let mut bytes = export();
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            let same = read(&bytes);
            // What fills up a unit is nobody's.
            let is_found = same.is_err() || same == read(&export());
            prop_assert!(is_found, "{at}");
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            prop_assert!(read(&bytes).is_err());
        }
    }
}
