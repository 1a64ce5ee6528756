//! What is in the pools: the file `zfs`, a line each, in the order in which it was made: a kind and a name, then `property=value`, with
//! tabs between them. A pool is the filesystem that has `size`; there may be `readonly=on` with it, and `keystatus=unavailable` with a
//! filesystem. Tests write the file by hand.
//!
//! The device of a volume is a file of its size, `zvol/NAME`; what a snapshot keeps is a copy, `zvol-snapshots/NAME@TAG`. So what is
//! written to a volume is there after a snapshot, gone after a rollback, and there in a clone.

use nix::unistd::{Whence, lseek};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

use super::properties::number;
use crate::exit::Step;
use crate::state::State;

/// When the first of a test is made: seconds since 1970.
const BEGINNING: u64 = 1_764_288_000;

/// What a dataset is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Filesystem,
    Volume,
    Snapshot,
}

impl Kind {
    /// Its word, as zfs_type_to_name has it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Filesystem => "filesystem",
            Self::Volume => "volume",
            Self::Snapshot => "snapshot",
        }
    }
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dataset {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) values: BTreeMap<String, String>,
}

impl Dataset {
    pub(super) fn new(kind: Kind, name: &str, values: BTreeMap<String, String>) -> Self {
        Self { kind, name: name.into(), values }
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split('\t');
        let (kind, name) = fields.next()?.split_once(' ')?;
        let kind = [Kind::Filesystem, Kind::Volume, Kind::Snapshot].into_iter().find(|known| known.word() == kind)?;
        let values = fields.filter_map(|field| field.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect();
        Some(Self { kind, name: name.into(), values })
    }

    fn line(&self) -> String {
        let values = self.values.iter().map(|(key, value)| format!("\t{key}={value}"));
        format!("{} {}{}", self.kind.word(), self.name, values.collect::<String>())
    }

    /// A number that it has.
    pub(crate) fn number(&self, key: &str) -> u64 {
        number(&self.values, key).unwrap_or(0)
    }

    /// The volume or the filesystem of a snapshot.
    pub(super) fn head(&self) -> &str {
        self.name.split('@').next().unwrap_or(&self.name)
    }

    /// Whether it is a pool, too.
    pub(crate) fn is_pool(&self) -> bool {
        self.kind == Kind::Filesystem && !self.name.contains('/')
    }

    /// Whether it is below another one: its child, or its snapshot.
    pub(super) fn is_below(&self, name: &str) -> bool {
        self.name.strip_prefix(name).is_some_and(|rest| rest.starts_with(['/', '@']))
    }
}

/// All of them.
pub(crate) struct Pools<'a> {
    state: &'a State,
    all: Vec<Dataset>,
}

impl<'a> Pools<'a> {
    pub(crate) fn read(state: &'a State) -> Step<Self> {
        let all = state.read("zfs")?.lines().filter_map(Dataset::parse).collect();
        Ok(Self { state, all })
    }

    pub(super) fn write(&self) -> Step<()> {
        Ok(self.state.write_lines("zfs", &self.all.iter().map(Dataset::line).collect::<Vec<_>>())?)
    }

    /// Every one, in the order in which they were made.
    pub(crate) fn all(&self) -> &[Dataset] {
        &self.all
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Dataset> {
        self.all.iter().find(|one| one.name == name)
    }

    /// Adds one, with the moment and the transaction in which it was made.
    pub(super) fn add(&mut self, mut one: Dataset) {
        let txg = 1 + self.all.iter().map(|one| one.number("createtxg")).max().unwrap_or(0);
        let now = BEGINNING + self.state.now().unwrap_or(0);
        one.values.insert("createtxg".into(), txg.to_string());
        one.values.insert("creation".into(), now.to_string());
        self.all.push(one);
    }

    pub(super) fn set(&mut self, name: &str, key: &str, value: &str) {
        for one in self.all.iter_mut().filter(|one| one.name == name) {
            one.values.insert(key.into(), value.into());
        }
    }

    /// The filesystems between a pool and a name that are not there.
    pub(super) fn missing_parents(&self, name: &str) -> Vec<String> {
        let ends = name.match_indices('/').map(|(at, _)| name[..at].to_string());
        ends.filter(|ancestor| ancestor.contains('/') && self.get(ancestor).is_none()).collect()
    }

    /// What the nearest of a dataset and its ancestors says.
    pub(super) fn inherited(&self, name: &str, key: &str) -> Option<String> {
        let mut at = Some(name);
        while let Some(name) = at {
            if let Some(value) = self.get(name).and_then(|one| one.values.get(key)) {
                return Some(value.clone());
            }
            at = name.rsplit_once('/').map(|(parent, _)| parent);
        }
        None
    }

    /// Whether the pool is imported read-only.
    pub(super) fn is_read_only(&self, name: &str) -> bool {
        let pool = name.split(['/', '@']).next().unwrap_or(name);
        self.get(pool).and_then(|pool| pool.values.get("readonly")).is_some_and(|value| value == "on")
    }

    /// The clones of a snapshot.
    pub(super) fn clones(&self, snapshot: &str) -> Vec<&Dataset> {
        self.all.iter().filter(|one| one.values.get("origin").is_some_and(|origin| origin == snapshot)).collect()
    }

    /// The snapshots of a dataset, from the oldest on.
    pub(super) fn snapshots(&self, name: &str) -> Vec<&Dataset> {
        self.all.iter().filter(|one| one.kind == Kind::Snapshot && one.head() == name).collect()
    }

    /// How much is written to a dataset, in bytes.
    pub(crate) fn referenced(&self, one: &Dataset) -> u64 {
        fs::metadata(self.data(one)).map_or(0, |meta| meta.blocks() * 512)
    }

    /// How much space a volume takes: what is reserved or written. What its snapshots keep comes on top of what is reserved
    /// (zfsprops(7), refreservation), and shares the blocks of the volume otherwise; how much of them is left out (k).
    pub(crate) fn used(&self, one: &Dataset) -> u64 {
        match one.kind {
            Kind::Snapshot => 0,
            Kind::Filesystem => {
                let below = self.all.iter().filter(|other| other.kind == Kind::Volume && other.is_below(&one.name));
                below.map(|volume| self.used(volume)).sum()
            }
            Kind::Volume => {
                let reserved = one.number("refreservation");
                let kept = self.snapshots(&one.name).into_iter().map(|snapshot| self.referenced(snapshot));
                if reserved > 0 {
                    reserved.max(self.referenced(one)) + kept.sum::<u64>()
                } else {
                    self.referenced(one).max(kept.max().unwrap_or(0))
                }
            }
        }
    }

    /// How much space there is for a dataset: what the pool and every quota above it leave.
    pub(crate) fn available(&self, name: &str) -> u64 {
        let mut at = Some(name);
        let mut least = u64::MAX;
        while let Some(name) = at {
            if let Some(one) = self.get(name) {
                for limit in ["size", "quota"].iter().filter_map(|key| number(&one.values, key)) {
                    least = least.min(limit.saturating_sub(self.used(one)));
                }
            }
            at = name.rsplit_once('/').map(|(parent, _)| parent);
        }
        least
    }

    /// The file with the data of a volume or a snapshot.
    pub(super) fn data(&self, one: &Dataset) -> PathBuf {
        let folder = if one.kind == Kind::Snapshot { "zvol-snapshots" } else { "zvol" };
        self.state.path(folder).join(&one.name)
    }

    /// Makes the device of a volume that is there.
    pub(super) fn make_device(&self, name: &str) -> Step<()> {
        let Some(one) = self.get(name).filter(|one| one.kind == Kind::Volume) else { return Ok(()) };
        let path = self.data(one);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        File::create(path)?.set_len(one.number("volsize"))?;
        Ok(())
    }

    pub(super) fn resize_device(&self, name: &str, size: u64) -> io::Result<()> {
        let Some(one) = self.get(name) else { return Ok(()) };
        OpenOptions::new().write(true).open(self.data(one))?.set_len(size)
    }

    /// Copies the data of one to another; what is a hole stays one.
    pub(super) fn copy(&self, from: &str, to: &str) -> Step<()> {
        let (Some(from), Some(to)) = (self.get(from), self.get(to)) else { return Ok(()) };
        let (source, target) = (self.data(from), self.data(to));
        if !source.exists() {
            return Ok(());
        }
        target.parent().map_or(Ok(()), fs::create_dir_all)?;
        let (source, target) = (File::open(source)?, File::create(target)?);
        let length = source.metadata()?.len();
        target.set_len(length)?;
        let seek = |at: u64, whence| {
            let found = i64::try_from(at).ok().and_then(|at| lseek(&source, at, whence).ok());
            found.and_then(|found| u64::try_from(found).ok())
        };
        let mut at = 0;
        while let Some(begin) = seek(at, Whence::SeekData) {
            at = seek(begin, Whence::SeekHole).unwrap_or(length);
            let mut bytes = vec![0; usize::try_from(at - begin).unwrap_or(0)];
            source.read_exact_at(&mut bytes, begin)?;
            target.write_all_at(&bytes, begin)?;
        }
        Ok(())
    }

    /// Whether a process has a volume open.
    pub(super) fn is_open(&self, one: &Dataset) -> bool {
        let Ok(path) = fs::canonicalize(self.data(one)) else { return false };
        let folders = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path().join("fd"));
        let links = folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
        links.filter_map(|link| fs::read_link(link.path()).ok()).any(|link| link == path)
    }

    /// Gives a volume another name, and its snapshots with it.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> Step<()> {
        let named = |one: &Dataset| Dataset { name: format!("{to}{}", &one.name[from.len()..]), ..one.clone() };
        let is_its = |one: &Dataset| one.name == from || one.kind == Kind::Snapshot && one.head() == from;
        for at in 0..self.all.len() {
            let before = self.all[at].clone();
            if is_its(&before) {
                let after = named(&before);
                let (old, new) = (self.data(&before), self.data(&after));
                new.parent().map_or(Ok(()), fs::create_dir_all)?;
                if old.exists() {
                    fs::rename(old, new)?;
                }
                self.all[at] = after;
            }
        }
        let origin = format!("{from}@");
        for one in &mut self.all {
            if let Some(tag) = one.values.get("origin").and_then(|text| text.strip_prefix(&origin)) {
                let moved = format!("{to}@{tag}");
                one.values.insert("origin".into(), moved);
            }
        }
        self.write()
    }

    /// Takes these away, with their data.
    pub(super) fn remove(&mut self, names: &[String]) -> Step<()> {
        for one in self.all.iter().filter(|one| names.contains(&one.name)) {
            match fs::remove_file(self.data(one)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound && one.kind != Kind::Filesystem => {
                    return Err(error.into());
                }
                _ => {}
            }
        }
        self.all.retain(|one| !names.contains(&one.name));
        self.write()
    }
}
