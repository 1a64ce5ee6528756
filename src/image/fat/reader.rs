//! A volume that anybody made, read back. No bytes make it fail: what is wrong with them is told.

use super::name::{LAST, PLACES, checksum};
use super::{ATTRIBUTES, DIRECTORY, ENTRY, FIRST_CLUSTER, FatKind, LONG, SECTOR, Shape, Time, VOLUME_LABEL};
use crate::diag::Fault;
use crate::image::Disk;
use std::collections::BTreeSet;

/// How much of a table is kept: all of FAT12 and FAT16, and of FAT32 that of 4 GiB. What is behind is read one by one.
const KEPT: u64 = 4 << 20;
/// More than this a directory cannot have, by Microsoft's text.
const LARGEST_DIRECTORY: u64 = 2 << 20;
/// More than this is not listed.
const MOST_ENTRIES: usize = 1 << 16;

/// A volume on a disk.
pub(in super::super) struct Volume<'a> {
    disk: &'a dyn Disk,
    start: u64,
    pub(in super::super) shape: Shape,
    /// The label, of the root directory or else of the boot sector.
    pub(in super::super) label: String,
    /// The serial number.
    pub(in super::super) serial: u32,
    /// The first cluster of the root directory in FAT32.
    first: u32,
    table: Vec<u8>,
}

/// A file or a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Entry {
    /// Its path from the root, without a `/` in front.
    pub(in super::super) path: String,
    pub(in super::super) is_folder: bool,
    pub(in super::super) size: u32,
    pub(in super::super) time: Time,
    first: u32,
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().map(u16::from_le_bytes).unwrap_or_default()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().map(u32::from_le_bytes).unwrap_or_default()
}

/// Reads a boot sector; says why there is no volume.
fn shape(boot: &[u8], room: u64) -> Result<Shape, String> {
    if u16_at(boot, 510) != 0xaa55 || !matches!(boot.first(), Some(0xeb | 0xe9)) {
        return Err("no FAT volume".into());
    }
    let sector = u16_at(boot, 11);
    if u32::from(sector) != SECTOR {
        return Err(match sector {
            1024 | 2048 | 4096 => format!("a FAT volume with sectors of {sector} bytes, which is not read"),
            _ => "no FAT volume".into(),
        });
    }
    let (cluster, tables) = (u32::from(boot[13]), u32::from(boot[16]));
    if !cluster.is_power_of_two() || !(1..=2).contains(&tables) {
        return Err("no FAT volume".into());
    }
    let wide = |narrow: usize, wide: usize| match u16_at(boot, narrow) {
        0 => u32_at(boot, wide),
        number => number.into(),
    };
    let (sectors, table) = (wide(19, 32), wide(22, 36));
    let (reserved, root_entries) = (u32::from(u16_at(boot, 14)), u32::from(u16_at(boot, 17)));
    let data =
        u64::from(reserved) + u64::from(tables) * u64::from(table) + u64::from((root_entries * 32).div_ceil(SECTOR));
    let clusters = u64::from(sectors).saturating_sub(data) / u64::from(cluster);
    let clusters = u32::try_from(clusters).unwrap_or_default();
    if reserved == 0 || table == 0 || clusters == 0 {
        return Err("a FAT volume whose boot sector is broken".into());
    }
    if u64::from(sectors) * u64::from(SECTOR) > room {
        return Err("a FAT volume that is larger than what it is in".into());
    }
    Ok(Shape { kind: FatKind::of(clusters), sectors, cluster, reserved, tables, table, root_entries, clusters })
}

impl<'a> Volume<'a> {
    /// Opens the volume that begins there; says what is there if it is none.
    pub(in super::super) fn open(disk: &'a dyn Disk, start: u64, within: u64) -> Result<Result<Self, String>, Fault> {
        let mut boot = [0; SECTOR as usize];
        if within < boot.len() as u64 {
            return Ok(Err("no FAT volume".into()));
        }
        disk.read(start, &mut boot)?;
        let shape = match shape(&boot, within) {
            Ok(shape) => shape,
            Err(why) => return Ok(Err(why)),
        };
        let more = if shape.kind == FatKind::Fat32 { 64 } else { 36 };
        let kept = (u64::from(shape.table) * u64::from(SECTOR)).min(KEPT);
        let mut table = vec![0; usize::try_from(kept).unwrap_or_default()];
        disk.read(start + u64::from(shape.reserved) * u64::from(SECTOR), &mut table)?;
        let has_more = matches!(boot[more + 2], 0x28 | 0x29);
        let label = if has_more { text(&boot[more + 7..more + 18]) } else { String::new() };
        let (serial, first) = (if has_more { u32_at(&boot, more + 3) } else { 0 }, u32_at(&boot, 44));
        let mut volume = Self { disk, start, shape, label, serial, first, table };
        let directory = volume.directory(None)?;
        let entries = directory.chunks_exact(ENTRY).take_while(|entry| entry[0] != 0);
        let is_label = |entry: &&[u8]| entry[0] != 0xe5 && entry[ATTRIBUTES] & 0x1f == VOLUME_LABEL;
        if let Some(entry) = entries.into_iter().find(is_label) {
            volume.label = text(&entry[..11]);
        } else if volume.label == "NO NAME" {
            volume.label.clear();
        }
        Ok(Ok(volume))
    }

    /// Returns the number that the table has for a cluster.
    fn number(&self, cluster: u32) -> Result<u32, Fault> {
        let bit = u64::from(cluster) * u64::from(self.shape.kind.bits());
        let at = bit / 8;
        let mut bytes = [0; 4];
        if let Some(kept) = usize::try_from(at).ok().and_then(|at| self.table.get(at..at + 4)) {
            bytes.copy_from_slice(kept);
        } else {
            let end = u64::from(self.shape.table) * u64::from(SECTOR);
            let length = usize::try_from(end.saturating_sub(at).min(4)).unwrap_or_default();
            let start = self.start + u64::from(self.shape.reserved) * u64::from(SECTOR);
            self.disk.read(start + at, &mut bytes[..length])?;
        }
        let number = u32::from_le_bytes(bytes);
        Ok(match self.shape.kind {
            FatKind::Fat12 => number >> (bit % 8) & 0xfff,
            FatKind::Fat16 => number & 0xffff,
            FatKind::Fat32 => number & 0x0fff_ffff,
        })
    }

    fn is_cluster(&self, number: u32) -> bool {
        (FIRST_CLUSTER..FIRST_CLUSTER.saturating_add(self.shape.clusters)).contains(&number)
    }

    /// Returns how many clusters are free, unless the table is too large to be looked through.
    pub(in super::super) fn free(&self) -> Result<Option<u32>, Fault> {
        if (self.table.len() as u64) < u64::from(self.shape.table) * u64::from(SECTOR) {
            return Ok(None);
        }
        let mut free = 0;
        let numbers = self.table.len() as u64 * 8 / u64::from(self.shape.kind.bits());
        let end = u64::from(FIRST_CLUSTER + self.shape.clusters).min(numbers);
        for cluster in FIRST_CLUSTER..u32::try_from(end).unwrap_or_default() {
            free += u32::from(self.number(cluster)? == 0);
        }
        Ok(Some(free))
    }

    /// Reads a chain of clusters up to its end, or as far as so many bytes.
    fn chain(&self, first: u32, most: u64) -> Result<Vec<u8>, Fault> {
        let cluster = u64::from(self.shape.cluster_bytes());
        let mut bytes = Vec::new();
        let (mut at, mut steps) = (first, 0);
        while self.is_cluster(at) && (bytes.len() as u64) < most && steps < self.shape.clusters {
            // A run that lies in one piece is read as one.
            let (start, mut length) = (at, 0);
            loop {
                length += 1;
                steps += 1;
                let next = self.number(at)?;
                let goes_on = next == at + 1 && (bytes.len() as u64) + length * cluster < most;
                at = next;
                if !goes_on || !self.is_cluster(next) || length * cluster >= LARGEST_DIRECTORY {
                    break;
                }
            }
            let wanted = (length * cluster).min(most - bytes.len() as u64);
            let end = bytes.len();
            bytes.resize(end + usize::try_from(wanted).unwrap_or_default(), 0);
            self.disk.read(self.start + self.shape.place(start), &mut bytes[end..])?;
        }
        Ok(bytes)
    }

    /// Reads the bytes of a folder, or of the root.
    fn directory(&self, first: Option<u32>) -> Result<Vec<u8>, Fault> {
        match first {
            Some(first) => self.chain(first, LARGEST_DIRECTORY),
            None if self.shape.kind == FatKind::Fat32 => self.chain(self.first, LARGEST_DIRECTORY),
            None => {
                let mut bytes = vec![0; self.shape.root_entries as usize * ENTRY];
                self.disk.read(self.start + u64::from(self.shape.root()) * u64::from(SECTOR), &mut bytes)?;
                Ok(bytes)
            }
        }
    }

    /// Lists everything in it, folders before what is in them, and what is wrong with it.
    pub(in super::super) fn entries(&self) -> Result<(Vec<Entry>, Vec<String>), Fault> {
        let (mut found, mut wrong) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        // Folders that have their clusters for themselves do not have more than there are.
        let mut room = u64::from(self.shape.clusters) * u64::from(self.shape.cluster_bytes()) + LARGEST_DIRECTORY;
        let mut left = listed(&self.directory(None)?, "");
        left.reverse();
        while let Some(entry) = left.pop() {
            if found.len() >= MOST_ENTRIES {
                wrong.push(format!("more than {MOST_ENTRIES} files: the others are not listed"));
                break;
            }
            if entry.is_folder && self.is_cluster(entry.first) && seen.insert(entry.first) {
                let bytes = self.directory(Some(entry.first))?;
                if bytes.len() as u64 > room {
                    wrong.push("folders share clusters: not all are listed".into());
                    break;
                }
                room -= bytes.len() as u64;
                left.extend(listed(&bytes, &format!("{}/", entry.path)).into_iter().rev());
            } else if entry.is_folder {
                wrong.push(format!("the folder {} is nowhere, or is another one too", entry.path));
            }
            found.push(entry);
        }
        Ok((found, wrong))
    }

    /// Says if a file has fewer clusters than its folder says.
    pub(in super::super) fn check(&self, file: &Entry) -> Result<Option<String>, Fault> {
        let wanted = self.shape.clusters_of(file.size.into());
        let (mut at, mut there) = (file.first, 0);
        while there < wanted && self.is_cluster(at) {
            there += 1;
            at = self.number(at)?;
        }
        Ok((there < wanted).then(|| Self::short(file, there * u64::from(self.shape.cluster_bytes()))))
    }

    fn short(file: &Entry, there: u64) -> String {
        format!("{} should have {} bytes, and there are only {there}", file.path, file.size)
    }

    /// Reads a file, as far as so many bytes; says if there are fewer than its folder says.
    pub(in super::super) fn read(&self, file: &Entry, most: u64) -> Result<Result<Vec<u8>, String>, Fault> {
        let wanted = u64::from(file.size).min(most);
        let bytes = self.chain(file.first, wanted)?;
        if (bytes.len() as u64) < wanted {
            return Ok(Err(Self::short(file, bytes.len() as u64)));
        }
        Ok(Ok(bytes))
    }
}

/// Reads the entries of a directory, without labels, what was removed, and `.` and `..`.
fn listed(bytes: &[u8], folder: &str) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut long: Vec<(u8, u8, Vec<u16>)> = Vec::new();
    for entry in bytes.chunks_exact(ENTRY).take_while(|entry| entry[0] != 0) {
        let attributes = entry[ATTRIBUTES];
        if entry[0] == 0xe5 {
            long.clear();
        } else if attributes & 0x3f == LONG {
            if entry[0] & LAST != 0 {
                long.clear();
            }
            long.push((entry[0] & !LAST, entry[13], PLACES.iter().map(|place| u16_at(entry, *place)).collect()));
        } else {
            let pieces = std::mem::take(&mut long);
            if attributes & VOLUME_LABEL != 0 || entry[0] == b'.' {
                continue;
            }
            let name = joined(&pieces, &entry[..11]).unwrap_or_else(|| shown(&entry[..11], entry[12]));
            found.push(Entry {
                path: format!("{folder}{name}"),
                is_folder: attributes & DIRECTORY != 0,
                size: u32_at(entry, 28),
                time: Time { time: u16_at(entry, 22), date: u16_at(entry, 24) },
                first: u32::from(u16_at(entry, 20)) << 16 | u32::from(u16_at(entry, 26)),
            });
        }
    }
    found
}

/// Puts the pieces of a long name together, if they are whole and belong to the short one.
fn joined(pieces: &[(u8, u8, Vec<u16>)], short: &[u8]) -> Option<String> {
    let sum = checksum(short);
    let numbers = (1..=pieces.len()).rev();
    let is_whole = pieces.iter().zip(numbers).all(|((number, of, _), want)| usize::from(*number) == want && *of == sum);
    let units = pieces.iter().rev().flat_map(|(_, _, units)| units).copied().take_while(|unit| *unit != 0);
    let name: String = char::decode_utf16(units).map(|c| printable(c.unwrap_or(char::REPLACEMENT_CHARACTER))).collect();
    Some(name).filter(|name| is_whole && !name.is_empty())
}

/// Returns a short name as it is shown; a byte says whether its parts are in small letters.
fn shown(short: &[u8], case: u8) -> String {
    let (base, extension) = (text(&short[..8]), text(&short[8..]));
    let small = |part: String, bit: u8| if case & bit == 0 { part } else { part.to_ascii_lowercase() };
    let (base, extension) = (small(base, 8), small(extension, 16));
    if extension.is_empty() { base } else { format!("{base}.{extension}") }
}

fn text(bytes: &[u8]) -> String {
    let text: String =
        bytes.iter().map(|byte| if byte.is_ascii() { printable(char::from(*byte)) } else { '?' }).collect();
    text.trim_end().to_string()
}

/// A name must not move the cursor of the one who looks at it.
fn printable(c: char) -> char {
    if c.is_control() || c == '/' { '?' } else { c }
}
