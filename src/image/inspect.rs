//! What is in an image: its table, its partitions, its volumes, their files. It may be any disk, made by anybody.

use super::form::{bytes, serial};
use super::{Disk, SCRIPT, SECTOR, amount, fat, gpt, loader};
use crate::diag::Fault;
use std::fmt::{self, Display, Write as _};

/// More than this of a program is not looked at, nor of a script.
const LONGEST: u64 = 64 << 20;

/// What was found on a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskContents {
    /// The size of the disk in bytes.
    pub size: u64,
    /// Its partition table, if it has one.
    pub table: Option<Table>,
    /// Its partitions, or one without a number: the whole disk.
    pub partitions: Vec<Partition>,
    /// What is wrong with any of it.
    pub wrong: Vec<String>,
}

/// A partition table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// `GPT` or `MBR`.
    pub kind: String,
    /// The disk's GUID, in a GPT.
    pub guid: Option<String>,
}

/// A partition of an image, or all of it where there is no table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number from 1; nothing for a disk without a table.
    pub number: Option<u32>,
    /// Its type: `EFI system`, or what stands in the table.
    pub kind: String,
    /// Its own GUID, in a GPT.
    pub guid: Option<String>,
    /// Its name, in a GPT.
    pub name: String,
    /// Its first sector, of 512 bytes.
    pub first: u64,
    /// Its last sector.
    pub last: u64,
    /// The volume in it, or what is there in its place.
    pub volume: Result<Volume, String>,
}

/// A FAT volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// `FAT12`, `FAT16` or `FAT32`.
    pub kind: String,
    /// The volume's label, at most 11 characters: of the root directory, or else of the boot sector.
    pub label: String,
    /// Its serial number.
    pub serial: String,
    /// The bytes of a cluster.
    pub cluster: u32,
    /// The number of clusters.
    pub clusters: u32,
    /// How many are free, if it was counted.
    pub free: Option<u32>,
    /// Its files and folders, folders before what is in them.
    pub files: Vec<File>,
    /// The script that iPXE runs from it.
    pub script: Option<String>,
}

/// A file or a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path from the root of the volume.
    pub path: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Its size in bytes.
    pub size: u64,
    /// When it was written.
    pub time: String,
    /// What kind of program it is, of those that firmware starts.
    pub program: Option<String>,
}

impl DiskContents {
    /// Lists the volumes.
    pub fn volumes(&self) -> impl Iterator<Item = &Volume> {
        self.partitions.iter().filter_map(|partition| partition.volume.as_ref().ok())
    }
}

/// Finds out what is on a disk. A fault is one of reading it; what is wrong with it is among what is found.
pub fn inspect(disk: &dyn Disk) -> Result<DiskContents, Fault> {
    let size = disk.size();
    let table = gpt::read(disk)?;
    let mut wrong = table.as_ref().map(|table| table.wrong.clone()).unwrap_or_default();
    let mut partitions = Vec::new();
    for found in table.iter().flat_map(|table| &table.partitions) {
        let start = found.extent.first * u64::from(SECTOR);
        let (volume, faults) = volume(disk, start, found.extent.sectors() * u64::from(SECTOR))?;
        wrong.extend(faults.into_iter().map(|fault| format!("partition {}: {fault}", found.number)));
        partitions.push(Partition {
            number: Some(found.number),
            kind: found.kind.clone(),
            guid: found.guid.map(|guid| guid.to_string()),
            name: found.name.clone(),
            first: found.extent.first,
            last: found.extent.last,
            volume,
        });
    }
    if table.is_none() {
        let (volume, faults) = volume(disk, 0, size)?;
        wrong.extend(faults);
        let (kind, last) = ("the whole disk".into(), (size / u64::from(SECTOR)).saturating_sub(1));
        partitions.push(Partition { number: None, kind, guid: None, name: String::new(), first: 0, last, volume });
    }
    let table = table.map(|table| Table { kind: table.kind.into(), guid: table.guid.map(|guid| guid.to_string()) });
    Ok(DiskContents { size, table, partitions, wrong })
}

type Opened = (Result<Volume, String>, Vec<String>);

fn volume(disk: &dyn Disk, start: u64, room: u64) -> Result<Opened, Fault> {
    let volume = match fat::Volume::open(disk, start, room)? {
        Ok(volume) => volume,
        Err(why) => return Ok((Err(why), Vec::new())),
    };
    let (entries, mut wrong) = volume.entries()?;
    let (mut files, mut script) = (Vec::new(), None);
    // Files that have their clusters for themselves do not have more than there are.
    let mut clusters = u64::from(volume.shape.clusters);
    for entry in &entries {
        let is_script = entry.path.eq_ignore_ascii_case(SCRIPT);
        let folder = entry.path.to_ascii_lowercase();
        let starts = folder.starts_with("efi/") && folder.rsplit_once('.').is_some_and(|(_, kind)| kind == "efi");
        let mut program = None;
        if !entry.is_folder {
            match clusters.checked_sub(volume.shape.clusters_of(entry.size.into())) {
                None => wrong.push(format!("{} is larger than what others leave", entry.path)),
                Some(left) => {
                    clusters = left;
                    match if is_script || starts { volume.read(entry, LONGEST)?.map(Some) } else { Ok(None) } {
                        Err(why) => wrong.push(why),
                        Ok(None) => wrong.extend(volume.check(entry)?),
                        Ok(Some(bytes)) if is_script => script = Some(String::from_utf8_lossy(&bytes).into_owned()),
                        Ok(Some(bytes)) => program = Some(loader::description(&bytes)),
                    }
                }
            }
        }
        files.push(File {
            path: entry.path.clone(),
            is_folder: entry.is_folder,
            size: entry.size.into(),
            time: entry.time.to_string(),
            program,
        });
    }
    let found = Volume {
        kind: volume.shape.kind.to_string(),
        label: volume.label.clone(),
        serial: serial(volume.serial),
        cluster: volume.shape.cluster_bytes(),
        clusters: volume.shape.clusters,
        free: volume.free()?,
        files,
        script,
    };
    Ok((Ok(found), wrong))
}

/// As people read it.
impl Display for DiskContents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "size {}", amount(self.size))?;
        match &self.table {
            None => write!(f, ", no partition table")?,
            Some(Table { kind, guid: Some(guid) }) => write!(f, ", {kind} {guid}")?,
            Some(Table { kind, guid: None }) => write!(f, ", {kind}")?,
        }
        self.partitions.iter().try_for_each(|partition| write!(f, "\n{partition}"))?;
        self.wrong.iter().try_for_each(|wrong| write!(f, "\nwrong: {wrong}"))
    }
}

impl Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(number) = self.number {
            write!(f, "partition {number}: {}, sectors {} to {}", self.kind, self.first, self.last)?;
            if !self.name.is_empty() {
                write!(f, ", {:?}", self.name)?;
            }
            if let Some(guid) = &self.guid {
                write!(f, ", {guid}")?;
            }
            f.write_char('\n')?;
        }
        match &self.volume {
            Ok(volume) => volume.fmt(f),
            Err(why) => write!(f, "  {why}"),
        }
    }
}

impl Display for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}, label {:?}, serial {}, ", self.kind, self.label, self.serial)?;
        let clusters = format!("{} clusters of {}", self.clusters, amount(self.cluster.into()));
        match self.free {
            Some(free) => write!(f, "{free} of {clusters} free")?,
            None => f.write_str(&clusters)?,
        }
        let width = self.files.iter().map(|file| file.path.chars().count()).max().unwrap_or_default();
        for file in &self.files {
            let slash = if file.is_folder { "/" } else { "" };
            let path = format!("{}{slash}", file.path);
            if file.is_folder {
                write!(f, "\n  {path}")?;
                continue;
            }
            write!(f, "\n  {path:width$}  {}  {}", file.time, bytes(file.size))?;
            if let Some(program) = &file.program {
                write!(f, "  {program}")?;
            }
        }
        if let Some(script) = &self.script {
            write!(f, "\n  the script that iPXE runs:")?;
            script.lines().try_for_each(|line| write!(f, "\n    {}", shown(line)))?;
        }
        Ok(())
    }
}

/// A script must not move the cursor of the one who looks at it.
fn shown(line: &str) -> String {
    line.chars().map(|c| if c.is_control() && c != '\t' { '?' } else { c }).collect()
}
