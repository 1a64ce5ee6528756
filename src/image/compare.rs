//! What a disk has otherwise than an image that would be made.

use super::form::bytes;
use super::{Disk, DiskContents, File, Image, Partition, Volume, amount, grouped, inspect};
use crate::diag::Fault;
use std::fmt::Display;

/// Names every difference; nothing where every byte is the same.
pub fn compare(disk: &dyn Disk, wanted: &Image) -> Result<Vec<String>, Fault> {
    let Some(at) = wanted.first_difference(disk)? else { return Ok(Vec::new()) };
    let (has, wants) = (inspect(disk)?, inspect(wanted)?);
    let mut found = Differences(Vec::new());
    found.value("size", &amount(has.size), &amount(wants.size));
    found.tables(&has, &wants);
    found.0.extend(has.wrong);
    for partition in &wants.partitions {
        let same = |other: &&Partition| other.number == partition.number;
        match has.partitions.iter().find(same) {
            Some(other) => found.partition(other, partition, disk, wanted)?,
            None => found.0.push(format!("{} is missing", name(partition))),
        }
    }
    let is_wanted = |partition: &&Partition| wants.partitions.iter().any(|other| other.number == partition.number);
    let extra = has.partitions.iter().filter(|partition| !is_wanted(partition));
    found.0.extend(extra.map(|partition| format!("{} is there, and should not", name(partition))));
    if found.0.is_empty() {
        found.0.push(format!("byte {} is another one, in no file", grouped(at)));
    }
    Ok(found.0)
}

fn name(partition: &Partition) -> String {
    partition.number.map_or_else(|| partition.kind.clone(), |number| format!("partition {number}"))
}

struct Differences(Vec<String>);

impl Differences {
    fn value(&mut self, what: &str, has: &impl Display, wants: &impl Display) {
        let (has, wants) = (has.to_string(), wants.to_string());
        if has != wants {
            self.0.push(format!("{what}: {has}, should be {wants}"));
        }
    }

    fn tables(&mut self, has: &DiskContents, wants: &DiskContents) {
        let kind =
            |found: &DiskContents| found.table.as_ref().map_or_else(|| "none".to_string(), |table| table.kind.clone());
        self.value("partition table", &kind(has), &kind(wants));
        if let (Some(has), Some(wants)) = (&has.table, &wants.table) {
            let guid = |guid: &Option<String>| guid.clone().unwrap_or_else(|| "none".into());
            self.value("GUID of the disk", &guid(&has.guid), &guid(&wants.guid));
        }
    }

    fn partition(&mut self, has: &Partition, wants: &Partition, disk: &dyn Disk, image: &Image) -> Result<(), Fault> {
        let what = |field: &str| format!("{field} of {}", name(wants));
        let extent = |partition: &Partition| format!("{} to {}", partition.first, partition.last);
        let guid = |partition: &Partition| partition.guid.clone().unwrap_or_else(|| "none".into());
        if wants.number.is_some() {
            self.value(&what("type"), &has.kind, &wants.kind);
            self.value(&what("sectors"), &extent(has), &extent(wants));
            self.value(&what("name"), &format!("{:?}", has.name), &format!("{:?}", wants.name));
            self.value(&what("GUID"), &guid(has), &guid(wants));
        }
        match (&has.volume, &wants.volume) {
            (Ok(volume), Ok(wanted)) => {
                self.volume(volume, wanted);
                self.files(
                    &Side { volume, disk, first: has.first },
                    &Side { volume: wanted, disk: image, first: wants.first },
                )?;
            }
            (Err(why), Ok(_)) => self.0.push(format!("{}: {why}", name(wants))),
            (_, Err(_)) => {}
        }
        Ok(())
    }

    fn volume(&mut self, has: &Volume, wants: &Volume) {
        self.value("kind of FAT", &has.kind, &wants.kind);
        self.value("cluster", &amount(has.cluster.into()), &amount(wants.cluster.into()));
        self.value("label", &format!("{:?}", has.label), &format!("{:?}", wants.label));
        self.value("serial number", &has.serial, &wants.serial);
    }

    fn files(&mut self, has: &Side<'_>, wants: &Side<'_>) -> Result<(), Fault> {
        let same = |one: &File, other: &File| one.path == other.path && one.is_folder == other.is_folder;
        for file in &wants.volume.files {
            let Some(other) = has.volume.files.iter().find(|other| same(other, file)) else {
                self.0.push(format!("{} is missing", file.path));
                continue;
            };
            if file.is_folder {
                continue;
            }
            if other.size == file.size {
                self.content(file, &has.read(&file.path)?, &wants.read(&file.path)?);
            } else {
                self.value(&file.path, &bytes(other.size), &bytes(file.size));
            }
            self.value(&format!("time of {}", file.path), &other.time, &file.time);
        }
        let is_wanted = |file: &&File| wants.volume.files.iter().any(|other| same(other, file));
        let extra = has.volume.files.iter().filter(|file| !is_wanted(file));
        self.0.extend(extra.map(|file| format!("{} is there, and should not", file.path)));
        self.script(has.volume, wants.volume);
        Ok(())
    }

    fn content(&mut self, file: &File, has: &[u8], wants: &[u8]) {
        let at = has.iter().zip(wants).position(|(one, other)| one != other);
        let short = (has.len() != wants.len()).then_some(has.len().min(wants.len()));
        if let Some(at) = at.or(short) {
            self.0.push(format!("{}: byte {} of {} is another one", file.path, grouped(at as u64), grouped(file.size)));
        }
    }

    /// A script is told of by its first line that differs.
    fn script(&mut self, has: &Volume, wants: &Volume) {
        let (Some(has), Some(wants)) = (&has.script, &wants.script) else { return };
        let (mut has, mut wants) = (has.lines(), wants.lines());
        for number in 1.. {
            match (has.next(), wants.next()) {
                (None, None) => return,
                (one, other) if one == other => {}
                (one, other) => {
                    let shown = |line: Option<&str>| line.map_or_else(|| "nothing".into(), |line| format!("{line:?}"));
                    let (one, other) = (shown(one), shown(other));
                    self.0.push(format!("line {number} of the script: {one}, should be {other}"));
                    return;
                }
            }
        }
    }
}

/// A volume and where it is.
struct Side<'a> {
    volume: &'a Volume,
    disk: &'a dyn Disk,
    first: u64,
}

impl Side<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, Fault> {
        let start = self.first * u64::from(super::SECTOR);
        let Ok(volume) = super::fat::Volume::open(self.disk, start, self.disk.size() - start)? else {
            return Ok(Vec::new());
        };
        let (entries, _) = volume.entries()?;
        match entries.iter().find(|entry| entry.path == path) {
            Some(entry) => Ok(volume.read(entry, u64::MAX)?.unwrap_or_default()),
            None => Ok(Vec::new()),
        }
    }
}
