//! Guests of vm-bhyve, the shell manager of bhyve guests: a guest's file in, the command line that vm-bhyve would run and
//! notes on everything else out. Pure: nothing is touched.
//!
//! The facts are those of vm-bhyve 1.7.1, from its manual vm(8), its `config.sample` and its scripts. [`conf`] reads the
//! lines as vm-bhyve does, [`keys`] knows what each key means and what becomes of it, [`guest`] puts the command line
//! together in vm-bhyve's order.

pub(crate) mod conf;
mod devices;
mod disks;
pub(crate) mod guest;
pub(crate) mod keys;
mod nics;
pub(crate) mod rc_conf;
mod reading;
mod slots;
pub(crate) mod switch;
#[cfg(test)]
mod tests;

pub(crate) use disks::{Disk, DiskKind};
pub use guest::read;
pub(crate) use guest::{Guest, Load, Loader};

use crate::model::Release;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Where a guest lives: what its own file does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The folder of the default datastore, which holds `.config` and `.iso`: `vm_dir` of rc.conf, as a path.
    pub vm_dir: &'a str,
    /// The folder of the guest's own datastore, in which the guest is a folder: most often the same.
    pub datastore: &'a str,
    /// The ZFS dataset of that datastore, if it is known: `zroot/vm` where rc.conf says `vm_dir="zfs:zroot/vm"`.
    pub dataset: Option<&'a str>,
    /// The text of `.config/system.conf`, which says what the switches are, if it is there.
    pub system: Option<&'a str>,
    /// The release of FreeBSD that will run the guest.
    pub release: Release,
    /// The number of the first tap that is named for a card without a name of its own.
    pub first_tap: u32,
    /// What other guests have already, and this one is not given: taps by their names, ports of screens by their numbers.
    pub taken: Option<&'a BTreeSet<String>>,
    /// The bridges of switches whose names are too long to be the bridge's.
    pub bridges: Option<&'a BTreeMap<String, String>>,
}

impl<'a> Place<'a> {
    /// Returns the place of a guest in a folder, with nothing else known.
    pub fn new(vm_dir: &'a str) -> Self {
        let release = Release::default();
        Self {
            vm_dir,
            datastore: vm_dir,
            dataset: None,
            system: None,
            release,
            first_tap: 0,
            taken: None,
            bridges: None,
        }
    }

    /// Returns whether another guest has a tap or a port.
    fn has_taken(&self, name: &str) -> bool {
        self.taken.is_some_and(|taken| taken.contains(name))
    }
}

/// A word about one line of the file: something that has no equivalent, or that somebody should know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// The line, from 1; 0 when it is about the file as a whole, or about a line that is not there.
    pub line: usize,
    /// The key of the file, as it is written there; empty if it is about none.
    pub key: String,
    /// What is to be known. It never holds the value of a password.
    pub text: String,
    /// Whether the recipe is not whole without what somebody does about it.
    pub is_hole: bool,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = (self.line > 0).then(|| format!("line {}", self.line));
        let about: Vec<String> = line.into_iter().chain(Some(self.key.clone()).filter(|key| !key.is_empty())).collect();
        if !about.is_empty() {
            write!(f, "{}: ", about.join(", "))?;
        }
        f.write_str(&self.text)
    }
}

impl Note {
    pub(crate) fn new(line: usize, key: impl Into<String>, text: impl Into<String>) -> Self {
        Self { line, key: key.into(), text: text.into(), is_hole: false }
    }

    fn hole(line: usize, key: impl Into<String>, text: impl Into<String>) -> Self {
        Self { is_hole: true, ..Self::new(line, key, text) }
    }
}
