//! The partition table: a protective MBR and a GPT with one EFI system partition.

use super::SECTOR;
use crate::diag::Fault;
use ::gpt::GptConfig;
use ::gpt::mbr::ProtectiveMBR;
use ::gpt::partition::Partition;
use ::gpt::partition_types::EFI;
use std::collections::BTreeMap;
use std::error::Error;
use std::io::Cursor;
use std::ops::Range;

/// Where `gpart add` and `sgdisk -a 8` put the first partition: behind the table, a multiple of 4 KiB.
const FIRST: u32 = 40;
/// What is behind the partition: the second table, 32 sectors, and its header.
const TAIL: u32 = 33;
/// One GUID for all images, because the same input has to give the same bytes. Nothing finds an image by it.
const DISK_GUID: &str = "5d1f7c3a-0b62-4c8e-9f47-6a2e81d3b590";
const PARTITION_GUID: &str = "a86e2b94-73d1-4f05-8c1b-e94d50f7263c";
const NAME: &str = "vmrun iPXE";

/// The place of the partition, in sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// Its first sector.
    pub(super) first: u32,
    /// Its last sector.
    pub(super) last: u32,
}

impl Extent {
    /// Returns the number of sectors.
    pub(super) fn sectors(self) -> u32 {
        self.last - self.first + 1
    }

    /// Returns where it is on the disk.
    pub(super) fn bytes(self) -> Range<usize> {
        let start = self.first as usize * SECTOR as usize;
        start..start + self.sectors() as usize * SECTOR as usize
    }
}

/// Returns the place of the partition on a disk of that many sectors: everything that the table leaves.
pub(super) fn partition(sectors: u32) -> Extent {
    Extent { first: FIRST, last: sectors - TAIL - 1 }
}

/// Writes the table to both ends of an empty disk.
pub(super) fn write(disk: &mut [u8], partition: Extent) -> Result<(), Fault> {
    try_write(disk, partition).map_err(|error| Fault::new(format!("the image's partition table: {error}")))
}

fn try_write(disk: &mut [u8], extent: Extent) -> Result<(), Box<dyn Error>> {
    let behind_mbr = u32::try_from(disk.len() / SECTOR as usize)?.saturating_sub(1);
    let mut disk = Cursor::new(disk);
    ProtectiveMBR::with_lb_size(behind_mbr).overwrite_lba0(&mut disk)?;

    let mut table = GptConfig::new().writable(true).create_from_device(disk, Some(DISK_GUID.parse()?))?;
    // Not `add_partition_at`, which draws a random GUID.
    let partition = Partition {
        part_type_guid: EFI,
        part_guid: PARTITION_GUID.parse()?,
        first_lba: extent.first.into(),
        last_lba: extent.last.into(),
        flags: 0,
        name: NAME.to_owned(),
    };
    table.update_partitions(BTreeMap::from([(1, partition)]))?;
    table.write()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_takes_what_the_table_leaves() {
        let mut disk = vec![0; 4 << 20];
        let extent = partition(8192);
        assert_eq!((extent.first, extent.last, extent.sectors()), (40, 8158, 8119));
        write(&mut disk, extent).unwrap();

        let table = GptConfig::new().only_valid_headers(true).open_from_device(Cursor::new(&mut disk[..])).unwrap();
        assert_eq!(table.guid().to_string(), DISK_GUID);
        assert_eq!(table.header().last_usable, u64::from(extent.last));
        assert_eq!(table.partitions().len(), 1);
        let found = &table.partitions()[&1];
        assert_eq!((found.first_lba, found.last_lba), (40, 8158));
        assert_eq!(found.part_type_guid, EFI);
        assert_eq!((found.part_guid.to_string().as_str(), found.name.as_str()), (PARTITION_GUID, "vmrun iPXE"));
    }

    #[test]
    fn the_protective_mbr_covers_the_disk() {
        let mut disk = vec![0; 4 << 20];
        write(&mut disk, partition(8192)).unwrap();
        let mbr = ProtectiveMBR::from_bytes(&disk[..512], ::gpt::disk::LogicalBlockSize::Lb512).unwrap();
        let entry = mbr.partition(0).unwrap();
        assert_eq!((entry.os_type, entry.lb_start, entry.lb_size), (0xee, 1, 8191));
    }

    #[test]
    fn a_disk_without_room_for_a_table_is_a_fault() {
        let fault = write(&mut [0; 1024], partition(8192)).unwrap_err();
        assert_eq!(
            fault,
            Fault::new("the image's partition table: GPT Header Error: the disk is to small to hold a backup header")
        );
    }
}
