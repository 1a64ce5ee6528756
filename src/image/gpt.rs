//! The partition table: a protective MBR and a GPT with one EFI system partition, by chapter 5 of the UEFI specification; and
//! the tables of others, read back.

use super::{Disk, Piece, SECTOR};
use crate::diag::Fault;
use crc::{CRC_32_ISO_HDLC, Crc};
use uuid::Uuid;

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
const EFI_SYSTEM: Uuid = Uuid::from_u128(0xc12a_7328_f81f_11d2_ba4b_00a0_c93e_c93b);
/// The entries of a table, and the bytes of each.
const ENTRIES: u32 = 128;
const ENTRY: usize = 128;
/// The sectors of the entries: 128 of 128 bytes.
const TABLE: u32 = 32;
/// The protective MBR, the header and the entries.
const HEAD: u32 = 2 + TABLE;
/// The second table: entries, and its header at the very end.
pub(super) const TAIL: u32 = TABLE + 1;
const HEADER: usize = 92;
const SECTOR_BYTES: usize = SECTOR as usize;
/// A table of more entries than this is not read: sgdisk makes 128, and nobody needs more.
const MOST_ENTRIES: u32 = 1024;

/// The place of the partition, in sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// Its first sector.
    pub(super) first: u64,
    /// Its last sector.
    pub(super) last: u64,
}

impl Extent {
    /// Returns the number of sectors.
    pub(super) fn sectors(self) -> u64 {
        self.last - self.first + 1
    }
}

/// Returns the place of the partition on a disk of that many sectors: everything that the table leaves and that begins and ends
/// at a multiple of the alignment. Nothing where that is nothing.
pub(super) fn partition(sectors: u64, alignment: u64) -> Option<Extent> {
    let first = u64::from(HEAD).next_multiple_of(alignment);
    let end = sectors.checked_sub(TAIL.into())? / alignment * alignment;
    Some(Extent { first, last: end.checked_sub(1)? }).filter(|extent| extent.last >= extent.first)
}

/// What a table says of itself and its partition.
pub(super) struct Names<'a> {
    pub(super) disk: Uuid,
    pub(super) partition: Uuid,
    pub(super) name: &'a str,
}

/// Returns the pieces of a table at both ends of a disk.
pub(super) fn write(sectors: u64, extent: Extent, names: &Names<'_>) -> Vec<Piece> {
    let mut entries = vec![0; ENTRIES as usize * ENTRY];
    let mut put = |at: usize, with: &[u8]| entries[at..at + with.len()].copy_from_slice(with);
    put(0, &EFI_SYSTEM.to_bytes_le());
    put(16, &names.partition.to_bytes_le());
    put(32, &extent.first.to_le_bytes());
    put(40, &extent.last.to_le_bytes());
    let units = names.name.encode_utf16().take(36).flat_map(u16::to_le_bytes);
    put(56, &units.collect::<Vec<u8>>());
    let sum = CRC.checksum(&entries);
    // The other sectors are empty.
    entries.truncate(SECTOR_BYTES);

    let last = sectors - 1;
    let first = header(1, last, 2, sectors, names.disk, sum);
    let second = header(last, 1, sectors - u64::from(TAIL), sectors, names.disk, sum);
    let head = [protective(last).as_slice(), &first, &entries].concat();
    let place = |sector: u64| sector * u64::from(SECTOR);
    vec![
        Piece::new(0, head),
        Piece::new(place(sectors - u64::from(TAIL)), entries),
        Piece::new(place(last), second.to_vec()),
    ]
}

fn header(own: u64, other: u64, entries: u64, sectors: u64, disk: Uuid, sum: u32) -> [u8; SECTOR_BYTES] {
    let mut bytes = [0; SECTOR_BYTES];
    let mut put = |at: usize, with: &[u8]| bytes[at..at + with.len()].copy_from_slice(with);
    put(0, b"EFI PART");
    put(8, &[0, 0, 1, 0, 92, 0, 0, 0]);
    put(24, &own.to_le_bytes());
    put(32, &other.to_le_bytes());
    put(40, &u64::from(HEAD).to_le_bytes());
    put(48, &(sectors - u64::from(TAIL) - 1).to_le_bytes());
    put(56, &disk.to_bytes_le());
    put(72, &entries.to_le_bytes());
    put(80, &ENTRIES.to_le_bytes());
    put(84, &[128, 0, 0, 0]);
    put(88, &sum.to_le_bytes());
    let sum = CRC.checksum(&bytes[..HEADER]);
    bytes[16..20].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// One partition over the whole disk, of a kind that says: look for a GPT.
fn protective(sectors: u64) -> [u8; SECTOR_BYTES] {
    let mut bytes = [0; SECTOR_BYTES];
    let sectors = u32::try_from(sectors).unwrap_or(u32::MAX);
    bytes[446..458].copy_from_slice(&[0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0]);
    bytes[458..462].copy_from_slice(&sectors.to_le_bytes());
    bytes[510..].copy_from_slice(&[0x55, 0xaa]);
    bytes
}

/// A table that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FoundTable {
    /// `GPT` or `MBR`.
    pub(super) kind: &'static str,
    /// The disk's GUID, if it is a GPT.
    pub(super) guid: Option<Uuid>,
    pub(super) partitions: Vec<Partition>,
    /// Faults of the table, a sentence each; none if it is sound.
    pub(super) wrong: Vec<String>,
}

/// A partition that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partition {
    pub(super) number: u32,
    /// Its type: a name, or what stands there.
    pub(super) kind: String,
    pub(super) guid: Option<Uuid>,
    pub(super) name: String,
    pub(super) extent: Extent,
}

/// Reads the table of a disk; nothing if it has none.
pub(super) fn read(disk: &dyn Disk) -> Result<Option<FoundTable>, Fault> {
    let sectors = disk.size() / u64::from(SECTOR);
    if sectors < 2 {
        return Ok(None);
    }
    let first = read_gpt(disk, 1, sectors)?;
    let second = read_gpt(disk, sectors - 1, sectors)?;
    Ok(match (first, second) {
        (Some(mut first), Some(second)) => {
            if (first.guid, &first.partitions) != (second.guid, &second.partitions) {
                first.wrong.push("the second table, at the end, is another one".into());
            }
            Some(first)
        }
        (Some(mut first), None) => {
            first.wrong.push("the second table, at the end of the disk, is missing or broken".into());
            Some(first)
        }
        (None, Some(mut second)) => {
            second.wrong.push("the first table is missing or broken; this is the second one".into());
            Some(second)
        }
        (None, None) => read_mbr(disk, sectors)?,
    })
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().map(u32::from_le_bytes).unwrap_or_default()
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().map(u64::from_le_bytes).unwrap_or_default()
}

fn guid_at(bytes: &[u8], at: usize) -> Uuid {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().map(Uuid::from_bytes_le).unwrap_or_default()
}

/// Reads a whole table, if its sums are right.
fn read_gpt(disk: &dyn Disk, at: u64, sectors: u64) -> Result<Option<FoundTable>, Fault> {
    let mut header = [0; SECTOR_BYTES];
    disk.read(at * u64::from(SECTOR), &mut header)?;
    let (length, sum) = (u32_at(&header, 12) as usize, u32_at(&header, 16));
    if !header.starts_with(b"EFI PART") || !(HEADER..=SECTOR_BYTES).contains(&length) {
        return Ok(None);
    }
    header[16..20].fill(0);
    let (count, size) = (u32_at(&header, 80), u32_at(&header, 84));
    if CRC.checksum(&header[..length]) != sum || count > MOST_ENTRIES || !(128..=4096).contains(&size) {
        return Ok(None);
    }
    let mut entries = vec![0; count as usize * size as usize];
    let start = u64_at(&header, 72).checked_mul(SECTOR.into());
    let end = start.and_then(|start| start.checked_add(entries.len() as u64));
    let Some(start) = start.filter(|_| end.is_some_and(|end| end <= disk.size())) else { return Ok(None) };
    disk.read(start, &mut entries)?;
    if CRC.checksum(&entries) != u32_at(&header, 88) {
        return Ok(None);
    }
    let mut found =
        FoundTable { kind: "GPT", guid: Some(guid_at(&header, 56)), partitions: Vec::new(), wrong: Vec::new() };
    for (number, entry) in (1..).zip(entries.chunks_exact(size as usize)) {
        let (kind, extent) = (guid_at(entry, 0), Extent { first: u64_at(entry, 32), last: u64_at(entry, 40) });
        if kind.is_nil() {
            continue;
        }
        if extent.first > extent.last || extent.last >= sectors {
            found.wrong.push(format!("partition {number} is not within the disk"));
            continue;
        }
        let units = entry[56..128].as_chunks().0.iter().map(|unit| u16::from_le_bytes(*unit));
        let chars = char::decode_utf16(units.take_while(|unit| *unit != 0)).map(|c| c.unwrap_or('?'));
        let name = chars.map(|c| if c.is_control() { '?' } else { c }).collect();
        let kind = if kind == EFI_SYSTEM { "EFI system".into() } else { kind.to_string() };
        found.partitions.push(Partition { number, kind, guid: Some(guid_at(entry, 16)), name, extent });
    }
    Ok(Some(found))
}

/// Reads the four partitions of an MBR. A boot sector of FAT ends with the same mark, and is none.
fn read_mbr(disk: &dyn Disk, sectors: u64) -> Result<Option<FoundTable>, Fault> {
    let mut bytes = [0; SECTOR_BYTES];
    disk.read(0, &mut bytes)?;
    let is_volume = matches!(bytes[0], 0xeb | 0xe9) && u32_at(&bytes, 11) & 0xffff == SECTOR;
    if bytes[510..] != [0x55, 0xaa] || is_volume {
        return Ok(None);
    }
    let mut found = FoundTable { kind: "MBR", guid: None, partitions: Vec::new(), wrong: Vec::new() };
    for (number, entry) in (1..).zip(bytes[446..510].as_chunks::<16>().0) {
        let (kind, first, length) = (entry[4], u64::from(u32_at(entry, 8)), u64::from(u32_at(entry, 12)));
        match kind {
            0 => {}
            0xee => found.wrong.push("this MBR only says that there is a GPT, and there is no whole one".into()),
            _ if length == 0 || first + length > sectors => {
                found.wrong.push(format!("partition {number} is not within the disk"));
            }
            _ => {
                let (extent, name) = (Extent { first, last: first + length - 1 }, String::new());
                let kind = if kind == 0xef { "EFI system".into() } else { format!("{kind:#04x}") };
                found.partitions.push(Partition { number, kind, guid: None, name, extent });
            }
        }
    }
    Ok(Some(found).filter(|found| !found.partitions.is_empty() || !found.wrong.is_empty()))
}
