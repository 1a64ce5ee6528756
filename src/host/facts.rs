//! What a host is asked: files, interfaces, programs, secrets. Nothing of it changes anything.

use super::cgroup::DeviceNumber;
use super::seat::Seat;
use super::{Interface, Rights, Settings};
use crate::diag::Fault;
use crate::model::{Argv, Secret, Size};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileFact {
    /// Its size; nothing for what has none, as a device.
    pub size: Option<Size>,
    /// Whether any block of it is in use.
    pub has_data: bool,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// The block device that it is, or that its file system is on; nothing where that is not known.
    pub device: Option<DeviceNumber>,
}

/// What the host can give to machines; nothing where it cannot be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Capacity {
    /// Its processors.
    pub cpus: Option<u64>,
    /// How much memory is built in.
    pub memory: Option<Size>,
    /// The most vCPUs that a machine may have.
    pub vcpus: Option<u64>,
}

/// A host that can be asked.
pub(crate) trait Facts {
    /// Returns what somebody chose for this run: platform, release, hypervisor, folders.
    fn settings(&self) -> &Settings;
    /// Returns whether its facts are only assumed, because it is not this host.
    fn is_assumed(&self) -> bool;
    /// Returns what is known of a file, or nothing if it is not there.
    fn file(&self, path: &Path) -> Option<FileFact>;
    /// Returns where a path leads, as far as it is there: what is not there yet has no links.
    fn real(&self, path: &Path) -> PathBuf;
    /// Returns the content of a file, or as much of its beginning, in bytes.
    fn read(&self, path: &Path, most: usize) -> Result<Vec<u8>, Fault>;
    /// Returns the network interfaces, as they were when they were asked for first.
    fn interfaces(&self) -> Result<Rc<[Interface]>, Fault>;
    /// Returns the network interfaces as they are now.
    fn interfaces_anew(&self) -> Result<Rc<[Interface]>, Fault>;
    /// Returns the host's name.
    fn hostname(&self) -> String;
    /// Returns a variable of the environment.
    fn env(&self, name: &str) -> Option<String>;
    /// Returns what it can give to a machine of this size.
    fn capacity(&self, cpus: u64, memory: Size) -> Capacity;
    /// Returns whether somebody listens there already.
    fn is_taken(&self, seat: &Seat) -> bool;
    /// Returns whether a program is in PATH.
    fn has_program(&self, name: &str) -> bool;
    /// Returns what whoever runs vmrun may do.
    fn rights(&self) -> Rights;
    /// Returns a secret, or nothing if there is none of that name.
    fn secret(&self, name: &str) -> Result<Option<Secret>, Fault>;
    /// Returns the output of a command that changes nothing.
    fn query(&self, argv: &Argv) -> Result<String, Fault>;
}
