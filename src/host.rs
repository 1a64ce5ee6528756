//! The door to the world: facts, effects, guests and processes, each a trait, and what runs keep in files.
//!
//! A [`Host`] has all of it. [`system::System`] is the real one, for FreeBSD and for Linux;
//! [`worlds::rehearsal::Rehearsal`] answers with the facts of the host below it and simulates every effect;
//! [`worlds::elsewhere::Elsewhere`] stands for a host that is not here; [`worlds::simulated::Simulated`] is the one that a test
//! of recipes describes. Nothing outside this floor and that of the clients touches files, processes or the environment.

pub(crate) mod background;
pub(crate) mod boot_plan;
pub(crate) mod cache;
pub(crate) mod carried;
pub(crate) mod cgroup;
mod child;
pub(crate) mod clock;
pub(crate) mod commands;
#[cfg(test)]
pub(crate) mod corpus;
mod descriptions;
pub(crate) mod disks;
pub(crate) mod download;
pub(crate) mod effects;
pub(crate) mod enclosure;
pub(crate) mod environment;
pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod facts;
pub(crate) mod files;
mod fill;
pub(crate) mod folder;
pub(crate) mod foreign_process;
pub(crate) mod freeze;
pub(crate) mod full_screen;
pub(crate) mod growth;
pub(crate) mod guests;
pub(crate) mod handover;
pub(crate) mod helper;
mod helpers;
pub(crate) mod host_key;
mod identity;
pub(crate) mod interfaces;
pub(crate) mod ipxe;
pub(crate) mod iscsi;
mod kernel;
pub(crate) mod kvm;
pub(crate) mod leases;
pub(crate) mod library_tree;
pub(crate) mod live_disk;
pub(crate) mod log;
pub(crate) mod marks;
pub(crate) mod memory;
pub(crate) mod moved_disks;
pub(crate) mod moves;
pub(crate) mod name_service;
pub(crate) mod neighbours;
pub(crate) mod os;
pub(crate) mod packages;
pub(crate) mod peer;
pub(crate) mod permit;
mod piped;
pub(crate) mod process;
pub(crate) mod processes;
pub(crate) mod program;
mod qemu_monitor;
pub(crate) mod reflink;
pub(crate) mod replicas;
pub(crate) mod replication;
pub(crate) mod report;
pub(crate) mod reservation;
pub(crate) mod restore;
pub(crate) mod rights;
pub(crate) mod rolling;
pub(crate) mod seat;
pub(crate) mod serial_log;
pub(crate) mod server;
mod settings;
pub(crate) mod signals;
pub(crate) mod snapshots;
mod spare;
pub(crate) mod sparse;
pub(crate) mod spawn;
pub(crate) mod stack;
pub(crate) mod standard_input;
pub(crate) mod standins;
pub(crate) mod statistics;
pub(crate) mod store;
pub(crate) mod swtpm;
pub(crate) mod system;
pub(crate) mod terminal;
pub(crate) mod volumes;
pub(crate) mod wait;
pub(crate) mod watched_command;
pub(crate) mod worlds;
mod writeback;
pub(crate) mod zstd;

pub(crate) use effects::{CommandStep, Effect, Effects, FetchProgress, Inner, Stage, Tell};
pub(crate) use facts::{Capacity, Facts, FileFact};
pub(crate) use guests::{Guest, Guests, Woken};
pub(crate) use identity::{IN_JAIL, Identity, ON_HOST, ProcessFact, ProcessTable, SameBoot, UnknownProcesses, Witness};
pub use interfaces::Interface;
pub(crate) use interfaces::InterfaceKind;
pub(crate) use kernel::{gather_randomness, release_doubt, target};
pub(crate) use rights::{CONTROL, Control, Rights, owner_beside_us};
pub(crate) use settings::Asked;
pub(crate) use settings::{NODES, SYSTEM_CACHE};
pub use settings::{Platform, Settings};
use store::Store;
pub(crate) use store::{Kept, kept, last};
use worlds::rehearsal::Rehearsal;

/// A host: what can be asked of it, what can be done to it, what runs on it, and what runs keep there.
pub(crate) trait Host: Facts + Effects + Guests {
    /// Returns what the system tells of processes, whoever has them.
    fn processes(&self) -> &dyn ProcessTable;
    /// Returns what runs keep of their machines.
    fn store(&self) -> &Store;
    /// Returns it to be changed.
    fn store_mut(&mut self) -> &mut Store;
    /// Returns the rehearsal that it is; any other is none.
    fn rehearsal(&self) -> Option<&Rehearsal>;
    /// Returns that to be changed.
    fn rehearsal_mut(&mut self) -> Option<&mut Rehearsal>;
    /// Returns the host below a rehearsal; any other is its own.
    fn into_below(self: Box<Self>) -> Box<dyn Host>;
}
