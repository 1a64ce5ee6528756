//! The FAT volume in the partition: iPXE where firmware looks for a loader, and its script where iPXE looks for it.

use super::{MIB, SECTOR};
use crate::diag::Fault;
use fatfs::{Date, DateTime, FatType, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider};
use std::io::{self, Cursor, Write};

/// One serial number for all images, because the same input has to give the same bytes.
const VOLUME_ID: u32 = 0x1bfe_2021;
const LABEL: [u8; 11] = *b"VMRUN IPXE ";
/// The drive number of the first hard disk: the default for FAT12 is that of a floppy disk.
const DRIVE: u8 = 0x80;
/// Up to here the volume is FAT12, above fatfs chooses FAT16 and then FAT32.
const FAT12_LIMIT: u64 = 16 * MIB;
/// From this many clusters on a volume counts as FAT16.
const FAT16_CLUSTERS: u64 = 4085;
const SMALLEST_CLUSTER: u32 = 1024;
/// `/EFI` and `/EFI/Boot`, one cluster each.
const DIRECTORIES: u32 = 2;
/// One entry of a directory.
const ENTRY: usize = 32;
/// From the start of a boot sector to the number of sectors before the volume.
const HIDDEN_SECTORS: usize = 28;
/// Where FAT32 has the copy of its boot sector.
const BOOT_COPY: usize = 6 * SECTOR as usize;

/// What the volume has in it.
#[derive(Clone, Copy)]
pub(super) struct Files<'a> {
    /// The name of the loader in `/EFI/Boot`.
    pub(super) program: &'a str,
    /// The loader.
    pub(super) loader: &'a [u8],
    /// The text of `/autoexec.ipxe`.
    pub(super) script: &'a [u8],
}

/// Why there is no volume.
#[derive(Debug)]
pub(super) enum Failure {
    /// The files need more room than there is.
    Full,
    /// What fatfs says, which writes to memory and so has little reason to.
    Other(io::Error),
}

impl Failure {
    /// Returns the fault, which is another one where the files do not fit.
    pub(super) fn fault(self, does_not_fit: impl FnOnce() -> Fault) -> Fault {
        match self {
            Self::Full => does_not_fit(),
            Self::Other(error) => Fault::new(format!("the image's file system: {error}")),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Other(error)
    }
}

/// Tells whether a volume of that many sectors has room for the files.
pub(super) fn fits(sectors: u32, files: Files<'_>) -> bool {
    // Formatting touches a few pages of this memory, the rest is never there.
    let mut volume = vec![0; sectors as usize * SECTOR as usize];
    format(&mut volume).and_then(|volume| has_room(&volume, files)).unwrap_or(false)
}

/// Writes the volume to empty memory; `hidden` is the number of sectors before it on the disk.
pub(super) fn write(bytes: &mut [u8], hidden: u32, files: Files<'_>) -> Result<(), Failure> {
    let volume = format(bytes)?;
    if !has_room(&volume, files)? {
        return Err(Failure::Full);
    }
    let root = volume.root_dir();
    let boot = root.create_dir("EFI")?.create_dir("Boot")?;
    for (directory, name, content) in [(&boot, files.program, files.loader), (&root, "autoexec.ipxe", files.script)] {
        let mut file = directory.create_file(name)?;
        file.write_all(content)?;
        file.flush()?;
    }
    drop((boot, root));
    let (is_fat32, cluster) = (volume.fat_type() == FatType::Fat32, volume.cluster_size() as usize);
    volume.unmount()?;

    hide(bytes, 0, hidden);
    if is_fat32 {
        hide(bytes, BOOT_COPY, hidden);
    }
    // The directories are the first to get clusters, but in FAT32 the root directory has had one before.
    let clusters = data(bytes).and_then(|start| bytes.get_mut(start..)).unwrap_or_default().chunks_exact_mut(cluster);
    let mut directories = clusters.skip(usize::from(is_fat32)).take(DIRECTORIES as usize);
    if let Some(efi) = directories.next() {
        shorten_dots(efi);
        parent_is_root(efi);
    }
    directories.for_each(shorten_dots);
    Ok(())
}

/// Makes an empty volume and opens it.
fn format(bytes: &mut [u8]) -> io::Result<FileSystem<Cursor<&mut [u8]>>> {
    let size = bytes.len() as u64;
    let mut options = FormatVolumeOptions::new().volume_id(VOLUME_ID).volume_label(LABEL).drive_num(DRIVE);
    if size <= FAT12_LIMIT {
        let mut cluster = SMALLEST_CLUSTER;
        while size / u64::from(cluster) >= FAT16_CLUSTERS {
            cluster *= 2;
        }
        options = options.bytes_per_cluster(cluster);
    }
    fatfs::format_volume(Cursor::new(&mut *bytes), options)?;
    FileSystem::new(Cursor::new(bytes), FsOptions::new().time_provider(&Start))
}

/// Tells whether an empty volume has the clusters that the files and their directories take.
fn has_room(volume: &FileSystem<Cursor<&mut [u8]>>, files: Files<'_>) -> io::Result<bool> {
    let free = volume.stats()?.free_clusters();
    let clusters = |content: &[u8]| (content.len() as u64).div_ceil(u64::from(volume.cluster_size()));
    Ok(u64::from(DIRECTORIES) + clusters(files.loader) + clusters(files.script) <= u64::from(free))
}

/// Notes the sectors before the volume in the boot sector at that place; fatfs always writes 0.
fn hide(bytes: &mut [u8], boot_sector: usize, hidden: u32) {
    if let Some(field) = bytes.get_mut(boot_sector + HIDDEN_SECTORS..).and_then(<[u8]>::first_chunk_mut) {
        *field = hidden.to_le_bytes();
    }
}

/// Returns where the first cluster is, as the boot sector has it.
fn data(bytes: &[u8]) -> Option<usize> {
    let u16_at = |at: usize| bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes).map(usize::from);
    let u32_at = |at: usize| bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes);
    let (reserved, tables, root_entries) = (u16_at(14)?, usize::from(*bytes.get(16)?), u16_at(17)?);
    let sectors_per_table = match u16_at(22)? {
        // FAT32 has a wider field.
        0 => u32_at(36)? as usize,
        sectors => sectors,
    };
    Some((reserved + tables * sectors_per_table) * SECTOR as usize + root_entries * ENTRY)
}

/// Takes the long names from `.` and `..`, which fatfs gives them and fsck refuses.
fn shorten_dots(directory: &mut [u8]) {
    const LONG: u8 = 0x0f;
    let is_long = |index: usize| directory.get(index * ENTRY + 11) == Some(&LONG);
    if is_long(0) && !is_long(1) && is_long(2) && !is_long(3) {
        directory.copy_within(ENTRY..2 * ENTRY, 0);
        // Behind the last entry there are zeros enough to move up.
        directory.copy_within(3 * ENTRY.., ENTRY);
    }
}

/// Makes `..` the root directory, whose number there is 0 even in FAT32; fatfs gives its cluster.
fn parent_is_root(directory: &mut [u8]) {
    for half in [20, 26] {
        if let Some(field) = directory.get_mut(ENTRY + half..).and_then(<[u8]>::first_chunk_mut) {
            *field = [0; 2];
        }
    }
}

/// The clock of the volume: it stands at the first moment that FAT can tell.
#[derive(Debug)]
struct Start;

impl TimeProvider for Start {
    fn get_current_date(&self) -> Date {
        Date { year: 1980, month: 1, day: 1 }
    }

    fn get_current_date_time(&self) -> DateTime {
        DateTime { date: self.get_current_date(), time: Time { hour: 0, min: 0, sec: 0, millis: 0 } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fatfs_refuses_is_a_fault() {
        let files = Files { program: "BootX64.efi", loader: b"MZ", script: b"#!ipxe\n" };
        let failure = write(&mut [0; 8 * SECTOR as usize], 40, files).unwrap_err();
        let message = "the image's file system: Cannot select FAT type - unfortunate disk size";
        assert_eq!(failure.fault(|| Fault::new("full")), Fault::new(message));
        assert!(!fits(8, files));
    }
}
