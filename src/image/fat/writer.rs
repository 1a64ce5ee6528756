//! A volume as pieces of bytes: boot sectors, tables, directories, files.

use super::name::{self, Label};
use super::tree::{Is, ROOT, Tree};
use super::{ARCHIVE, ATTRIBUTES, DIRECTORY, ENTRY, FIRST_CLUSTER, FatKind, SECTOR, Shape, Time, VOLUME_LABEL};
use crate::image::Piece;
use std::rc::Rc;

/// The drive number of the first hard disk.
const DRIVE: u8 = 0x80;
/// A hard disk, in the boot sector and in the first number of each table.
const MEDIA: u8 = 0xf8;
/// Where FAT32 has what is known of its free clusters, and copies of its first three sectors.
const INFO: u16 = 1;
const COPY: u16 = 6;
/// Asks a BIOS for the next disk (INT 18h), and goes no further.
const CODE: [u8; 4] = [0xcd, 0x18, 0xeb, 0xfe];

/// What a volume says of itself.
#[derive(Clone, Debug)]
pub(in super::super) struct Head {
    pub(in super::super) label: Label,
    /// The volume's serial number.
    pub(in super::super) serial: u32,
    /// When every file was made.
    pub(in super::super) time: Time,
    /// The number of sectors before the volume on its disk.
    pub(in super::super) hidden: u32,
}

/// Returns the pieces of a volume into which the tree fits, in order, with places from the start of the volume.
pub(in super::super) fn write(shape: &Shape, head: &Head, tree: &Tree) -> Vec<Piece> {
    let layout = Layout::of(shape, tree);
    let mut pieces = vec![Piece::new(0, boot_sectors(shape, head, layout.next))];
    let table = Rc::new(table(shape, &layout));
    for number in 0..shape.tables {
        let at = u64::from(shape.reserved + number * shape.table) * u64::from(SECTOR);
        pieces.push(Piece { at, bytes: table.clone() });
    }
    for folder in 0..tree.folders.len() {
        let at = match layout.folders[folder].first {
            0 => u64::from(shape.root()) * u64::from(SECTOR),
            cluster => shape.place(cluster),
        };
        pieces.push(Piece::new(at, directory(tree, folder, &layout, head)));
    }
    let files = tree.files.iter().zip(&layout.files).filter(|(file, _)| !file.content.is_empty());
    pieces.extend(files.map(|(file, run)| Piece { at: shape.place(run.first), bytes: file.content.clone() }));
    pieces
}

/// A run of clusters; of none if there are none.
#[derive(Clone, Copy)]
struct Run {
    first: u32,
    length: u32,
}

/// Where everything is.
struct Layout {
    folders: Vec<Run>,
    files: Vec<Run>,
    /// The first cluster that is free.
    next: u32,
}

impl Layout {
    /// Gives clusters to the folders and then to the files, in order. The tree fits, so the numbers do.
    fn of(shape: &Shape, tree: &Tree) -> Self {
        let mut next = FIRST_CLUSTER;
        let mut take = |length: u64| {
            let length = u32::try_from(length).unwrap_or_default();
            let run = Run { first: if length == 0 { 0 } else { next }, length };
            next += length;
            run
        };
        let folders = (0..tree.folders.len()).map(|folder| take(tree.folder_clusters(folder, shape))).collect();
        let files = tree.files.iter().map(|file| take(shape.clusters_of(file.content.len() as u64))).collect();
        Self { folders, files, next }
    }
}

/// The sectors before the tables, as far as there is something in them.
fn boot_sectors(shape: &Shape, head: &Head, next: u32) -> Vec<u8> {
    let boot = boot_sector(shape, head);
    if shape.kind != FatKind::Fat32 {
        return boot.to_vec();
    }
    let sector = SECTOR as usize;
    let used = next - FIRST_CLUSTER;
    let mut bytes = vec![0; (usize::from(COPY) + 3) * sector];
    for first in [0, usize::from(COPY) * sector] {
        let mut put = |at: usize, with: &[u8]| bytes[first + at..][..with.len()].copy_from_slice(with);
        put(0, &boot);
        put(sector, b"RRaA");
        put(sector + 484, b"rrAa");
        put(sector + 488, &(shape.clusters - used).to_le_bytes());
        put(sector + 492, &next.to_le_bytes());
        put(sector + 510, &[0x55, 0xaa]);
        put(2 * sector + 510, &[0x55, 0xaa]);
    }
    bytes
}

#[expect(clippy::cast_possible_truncation, reason = "a field has as many bytes as its numbers need")]
fn boot_sector(shape: &Shape, head: &Head) -> [u8; SECTOR as usize] {
    let mut bytes = [0; SECTOR as usize];
    let mut put = |at: usize, with: &[u8]| bytes[at..at + with.len()].copy_from_slice(with);
    let is_fat32 = shape.kind == FatKind::Fat32;
    // What follows the fields that all kinds have.
    let more = if is_fat32 { 64 } else { 36 };
    let code = more + 26;
    put(0, &[0xeb, code as u8 - 2, 0x90]);
    put(3, b"VMRUN   ");
    put(11, &(SECTOR as u16).to_le_bytes());
    put(13, &[shape.cluster as u8]);
    put(14, &(shape.reserved as u16).to_le_bytes());
    put(16, &[shape.tables as u8]);
    put(17, &(shape.root_entries as u16).to_le_bytes());
    match u16::try_from(shape.sectors) {
        Ok(sectors) if !is_fat32 => put(19, &sectors.to_le_bytes()),
        _ => put(32, &shape.sectors.to_le_bytes()),
    }
    put(21, &[MEDIA]);
    // Sectors of a track and heads: nothing goes by them any more, and a track of one sector divides every volume.
    put(24, &[1, 0, 1, 0]);
    put(28, &head.hidden.to_le_bytes());
    if is_fat32 {
        put(36, &shape.table.to_le_bytes());
        put(44, &FIRST_CLUSTER.to_le_bytes());
        put(48, &INFO.to_le_bytes());
        put(50, &COPY.to_le_bytes());
    } else {
        put(22, &(shape.table as u16).to_le_bytes());
    }
    put(more, &[DRIVE, 0, 0x29]);
    put(more + 3, &head.serial.to_le_bytes());
    put(more + 7, &head.label.bytes());
    put(more + 18, format!("{:<8}", shape.kind.to_string()).as_bytes());
    put(code, &CODE);
    put(510, &[0x55, 0xaa]);
    bytes
}

/// The numbers of all clusters that are used; those that follow are 0, which is free.
fn table(shape: &Shape, layout: &Layout) -> Vec<u8> {
    let end = shape.kind.end();
    // The second one says that the volume was left in order.
    let mut numbers = vec![end & !0xff | u32::from(MEDIA), end];
    for run in layout.folders.iter().chain(&layout.files).filter(|run| run.length > 0) {
        numbers.extend(run.first + 1..run.first + run.length);
        numbers.push(end);
    }
    match shape.kind {
        FatKind::Fat12 => packed(&numbers),
        FatKind::Fat16 => numbers.iter().flat_map(|number| number.to_le_bytes().into_iter().take(2)).collect(),
        FatKind::Fat32 => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
    }
}

/// Two numbers of twelve bits in three bytes.
#[expect(clippy::cast_possible_truncation, reason = "bits that are cut off are in the byte beside")]
fn packed(numbers: &[u32]) -> Vec<u8> {
    let pair = |pair: &[u32]| {
        let (low, high) = (pair[0], pair.get(1).copied().unwrap_or_default());
        [low as u8, (low >> 8 | high << 4) as u8, (high >> 4) as u8]
    };
    numbers.chunks(2).flat_map(pair).collect()
}

fn directory(tree: &Tree, number: usize, layout: &Layout, head: &Head) -> Vec<u8> {
    let folder = &tree.folders[number];
    let mut bytes = Vec::with_capacity(tree.entries(number) * ENTRY);
    let entry = |short: &[u8; 11], attributes: u8, cluster: u32| entry(short, attributes, head.time, cluster, 0);
    if number == ROOT {
        bytes.extend(entry(&head.label.bytes(), VOLUME_LABEL, 0));
    } else {
        // For the root directory 0 stands, whichever cluster it has.
        let parent = if folder.parent == ROOT { 0 } else { layout.folders[folder.parent].first };
        bytes.extend(entry(b".          ", DIRECTORY, layout.folders[number].first));
        bytes.extend(entry(b"..         ", DIRECTORY, parent));
    }
    for child in &folder.children {
        if child.is_long {
            bytes.extend(name::long(&child.name, &child.short).into_iter().flatten());
        }
        bytes.extend(match child.is {
            Is::Folder(folder) => entry(&child.short, DIRECTORY, layout.folders[folder].first),
            Is::File(file) => {
                let size = u32::try_from(tree.files[file].content.len()).unwrap_or_default();
                self::entry(&child.short, ARCHIVE, head.time, layout.files[file].first, size)
            }
        });
    }
    bytes
}

fn entry(short: &[u8; 11], attributes: u8, time: Time, cluster: u32, size: u32) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    let mut put = |at: usize, with: &[u8]| entry[at..at + with.len()].copy_from_slice(with);
    let (date, time, cluster) = (time.date.to_le_bytes(), time.time.to_le_bytes(), cluster.to_le_bytes());
    put(0, short);
    put(ATTRIBUTES, &[attributes]);
    if attributes != VOLUME_LABEL {
        // When it was made, and when it was last read; a label has only when it was written.
        put(14, &time);
        put(16, &date);
        put(18, &date);
    }
    put(20, &cluster[2..]);
    put(22, &time);
    put(24, &date);
    put(26, &cluster[..2]);
    put(28, &size.to_le_bytes());
    entry
}
