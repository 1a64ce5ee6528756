//! The FAT volume, by Microsoft's "FAT: General Overview of On-Disk Format" of 2000: made as a whole from the files that
//! are to be in it, and read back from any bytes.
//!
//! Nothing is ever changed in a volume, so there is no allocator: each directory and each file is one run of clusters.

mod name;
mod reader;
mod shape;
mod time;
mod tree;
mod writer;

pub(crate) use name::Label;
pub(crate) use name::check_path;
pub(super) use reader::Volume;
pub(crate) use shape::FatKind;
pub(super) use shape::Shape;
pub(crate) use time::Time;
pub(super) use tree::Tree;
pub(super) use writer::{Head, write};

/// The bytes of a sector.
pub(super) const SECTOR: u32 = 512;
/// One entry of a directory.
const ENTRY: usize = 32;
/// The first cluster: the two numbers before it say what the table is.
const FIRST_CLUSTER: u32 = 2;

/// Marks a piece of a long name, and where an entry has its attributes.
const LONG: u8 = 0x0f;
const ATTRIBUTES: usize = 11;
const VOLUME_LABEL: u8 = 0x08;
const DIRECTORY: u8 = 0x10;
const ARCHIVE: u8 = 0x20;
