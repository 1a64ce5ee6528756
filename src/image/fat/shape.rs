//! How a volume is divided: which FAT, how large its clusters are, where what begins.

use super::{FIRST_CLUSTER, SECTOR};
use std::fmt;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Up to here a volume is FAT12, as floppy disks are, and small disks by newfs_msdos(8).
const FAT12_LIMIT: u64 = 16 * MIB;
/// Up to here it is FAT16.
const FAT16_LIMIT: u64 = 512 * MIB;
/// The number of clusters decides what a reader takes the volume for. Microsoft's text asks to stay away from the borders,
/// because not every reader has them right.
const FAT12_CLUSTERS: u32 = 4084 - MARGIN;
const FAT16_CLUSTERS: u32 = 65_524 - MARGIN;
const MARGIN: u32 = 16;
/// The entries of the root directory of FAT12 and FAT16, which cannot grow.
const ROOT_ENTRIES: u32 = 512;
/// The entries of a sector.
const ENTRIES: u32 = SECTOR / 32;

/// The three kinds of FAT, by the bits of a number in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FatKind {
    /// FAT12: fewer than 4085 clusters.
    Fat12,
    /// FAT16: fewer than 65525 clusters.
    Fat16,
    /// FAT32: 65525 clusters and more.
    Fat32,
}

impl FatKind {
    /// Returns what a volume with that many clusters is.
    pub(super) fn of(clusters: u32) -> Self {
        match clusters {
            0..4085 => Self::Fat12,
            4085..65_525 => Self::Fat16,
            _ => Self::Fat32,
        }
    }

    /// Returns how many bits a number has in the table.
    pub(super) fn bits(self) -> u32 {
        match self {
            Self::Fat12 => 12,
            Self::Fat16 => 16,
            Self::Fat32 => 32,
        }
    }

    /// Returns the number that ends a chain.
    pub(super) fn end(self) -> u32 {
        match self {
            Self::Fat12 => 0xfff,
            Self::Fat16 => 0xffff,
            Self::Fat32 => 0x0fff_ffff,
        }
    }
}

impl fmt::Display for FatKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FAT{}", self.bits())
    }
}

/// The division of a volume; all lengths in sectors unless they say otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Shape {
    pub(in super::super) kind: FatKind,
    /// The whole volume.
    pub(in super::super) sectors: u32,
    /// One cluster.
    pub(in super::super) cluster: u32,
    /// What is before the tables: boot sectors.
    pub(super) reserved: u32,
    /// The number of tables: two, one a copy of the other.
    pub(super) tables: u32,
    /// One of them.
    pub(super) table: u32,
    /// The number of entries of the root directory; none in FAT32, where it is a chain as any other.
    pub(super) root_entries: u32,
    /// The number of clusters.
    pub(in super::super) clusters: u32,
}

impl Shape {
    /// Divides a volume of that many sectors; nothing where it is too small for any.
    pub(in super::super) fn of(sectors: u32) -> Option<Self> {
        let bytes = u64::from(sectors) * u64::from(SECTOR);
        let (kind, least, most) = if bytes <= FAT12_LIMIT {
            (FatKind::Fat12, KIB, FAT12_CLUSTERS)
        } else if bytes <= FAT16_LIMIT {
            (FatKind::Fat16, 2 * KIB, FAT16_CLUSTERS)
        } else {
            (FatKind::Fat32, fat32_cluster(bytes), u32::MAX)
        };
        let first = u32::try_from(least / u64::from(SECTOR)).ok()?;
        let shapes = std::iter::successors(Some(first), |cluster| Some(cluster * 2).filter(|sectors| *sectors <= 64));
        shapes.filter_map(|cluster| Self::with(kind, sectors, cluster)).find(|shape| shape.clusters <= most)
    }

    fn with(kind: FatKind, sectors: u32, cluster: u32) -> Option<Self> {
        let (reserved, root_entries) = if kind == FatKind::Fat32 { (32, 0) } else { (1, ROOT_ENTRIES) };
        // For one cluster more than there can be: the tables take some of the room themselves.
        let numbers = u64::from(sectors / cluster + FIRST_CLUSTER);
        let table = u32::try_from((numbers * u64::from(kind.bits())).div_ceil(u64::from(SECTOR) * 8)).ok()?;
        let shape = Self { kind, sectors, cluster, reserved, tables: 2, table, root_entries, clusters: 0 };
        let data = sectors.checked_sub(shape.data())?;
        Some(Self { clusters: data / cluster, ..shape }).filter(|shape| shape.clusters > 0)
    }

    /// Returns how long a cluster is, in bytes.
    pub(in super::super) fn cluster_bytes(&self) -> u32 {
        self.cluster * SECTOR
    }

    /// Returns the sector where the root directory of FAT12 and FAT16 is.
    pub(super) fn root(&self) -> u32 {
        self.reserved + self.tables * self.table
    }

    /// Returns the sector of the first cluster.
    pub(super) fn data(&self) -> u32 {
        self.root() + self.root_entries.div_ceil(ENTRIES)
    }

    /// Returns where a cluster is, in bytes from the start of the volume.
    pub(super) fn place(&self, cluster: u32) -> u64 {
        let index = u64::from(cluster.saturating_sub(FIRST_CLUSTER));
        (u64::from(self.data()) + index * u64::from(self.cluster)) * u64::from(SECTOR)
    }

    /// Returns the clusters that so many bytes take.
    pub(in super::super) fn clusters_of(&self, bytes: u64) -> u64 {
        bytes.div_ceil(u64::from(self.cluster_bytes()))
    }
}

/// The table of Microsoft's text.
fn fat32_cluster(bytes: u64) -> u64 {
    let sizes = [(8 * GIB, 4 * KIB), (16 * GIB, 8 * KIB), (32 * GIB, 16 * KIB)];
    sizes.into_iter().find(|(limit, _)| bytes <= *limit).map_or(32 * KIB, |(_, cluster)| cluster)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shape(bytes: u64) -> (FatKind, u32, u32) {
        let shape = Shape::of(u32::try_from(bytes / 512).unwrap()).unwrap();
        (shape.kind, shape.cluster_bytes(), shape.clusters)
    }

    #[test]
    fn the_size_decides_the_kind_and_the_cluster() {
        let cases = [
            (64 * KIB, (FatKind::Fat12, 1024, 46)),
            (4 * MIB, (FatKind::Fat12, 1024, 4066)),
            (4 * MIB + 64 * KIB, (FatKind::Fat12, 2048, 2068)),
            (16 * MIB, (FatKind::Fat12, 8192, 2045)),
            (16 * MIB + 512, (FatKind::Fat16, 2048, 8167)),
            (128 * MIB, (FatKind::Fat16, 2048, 65_399)),
            (512 * MIB, (FatKind::Fat16, 8192, 65_501)),
            (512 * MIB + 512, (FatKind::Fat32, 4096, 130_811)),
            (8 * GIB, (FatKind::Fat32, 4096, 2_093_051)),
            (8 * GIB + 512, (FatKind::Fat32, 8192, 1_047_549)),
            (2048 * GIB - 512, (FatKind::Fat32, 32_768, 67_092_479)),
        ];
        for (bytes, want) in cases {
            assert_eq!(shape(bytes), want, "{bytes}");
        }
        assert_eq!(Shape::of(20), None);
    }

    proptest! {
        #[test]
        fn every_volume_is_what_its_clusters_say_and_its_table_has_a_number_for_each(sectors in 64_u32..) {
            let shape = Shape::of(sectors).unwrap();
            prop_assert_eq!(FatKind::of(shape.clusters), shape.kind);
            let numbers = u64::from(shape.clusters) + 2;
            prop_assert!(u64::from(shape.table) * 512 * 8 >= numbers * u64::from(shape.kind.bits()));
            let end = u64::from(shape.data()) + u64::from(shape.clusters) * u64::from(shape.cluster);
            prop_assert!(end <= u64::from(sectors));
        }
    }
}
