//! A machine of the inventory: in which state it is found, and what is known of it.

use super::{Hypervisor, MachineState, MachineStatus};
use crate::host::replicas::Replicas;
use crate::image::migration::Away;
use crate::model::{FoundAddress, Shape};
use crate::ops::permit::PermitFound;
use std::fmt;

/// The state of a machine, as it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryState {
    /// A supervisor looks after it, and has written this.
    Supervised(MachineState),
    /// A vmrun runs it in the foreground.
    Foreground,
    /// It does not run, and cannot be started for as long as it is exported.
    Exporting,
    /// Its guest goes on without its supervisor.
    Unsupervised,
    /// Its run is dead and has left something.
    Left,
    /// It cannot be told: it has a lock that may not be read, and no process that can be seen.
    Unknown,
    /// A hypervisor that is not vmrun's, as far as the state folders tell.
    Foreign,
    /// It does not run, and is known: it did since the host was started, or a recipe describes it.
    Down,
    /// It does not run here, and another host has it: it was moved there.
    Moved,
    /// It is none of this host's, which has replicas of it.
    Replica,
}

impl EntryState {
    /// Returns its word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Supervised(state) => state.word(),
            Self::Foreground => "foreground",
            Self::Exporting => "exporting",
            Self::Unsupervised => "unsupervised",
            Self::Left => "left",
            Self::Unknown => "unknown",
            Self::Foreign => "foreign",
            Self::Down => "down",
            Self::Moved => "moved",
            Self::Replica => "replica",
        }
    }
}

impl fmt::Display for EntryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A machine, as it is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its name; a foreign one may have none, or one that vmrun would not take.
    pub name: Option<String>,
    /// How it is found.
    pub state: EntryState,
    /// The vmrun that looks after it, if it lives.
    pub supervisor: Option<u32>,
    /// Its hypervisor, if it runs.
    pub process: Option<Hypervisor>,
    /// What it is made of, as far as that is known.
    pub shape: Shape,
    /// Its status, as its supervisor has written it.
    pub status: Option<MachineStatus>,
    /// The path of its recipe, if that is known.
    pub recipe: Option<String>,
    /// Which instance of its recipe it is, where that is of several machines.
    pub instance: Option<String>,
    /// Where its run is, or was, if that is in other namespaces or another jail, as words.
    pub elsewhere: Option<String>,
    /// Where its guest is, where somebody has asked for it.
    pub address: Option<FoundAddress>,
    /// How its permit stands, where it has one.
    pub permit: Option<PermitFound>,
    /// Whether an export of it goes on.
    pub is_exported: bool,
    /// Which host has it, if it was moved there.
    pub away: Option<Away>,
    /// What this host has of replicas of it.
    pub replicas: Option<Replicas>,
}

/// Returns a machine that does not run.
pub(crate) fn down(name: &str, recipe: &str, instance: Option<String>) -> Entry {
    Entry {
        name: Some(name.into()),
        state: EntryState::Down,
        supervisor: None,
        process: None,
        shape: Shape::default(),
        status: None,
        recipe: Some(recipe.into()),
        instance,
        elsewhere: None,
        address: None,
        permit: None,
        is_exported: false,
        away: None,
        replicas: None,
    }
}
