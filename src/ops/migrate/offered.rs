//! What is offered of a machine to another host.

use crate::diag::{Diagnostic, Fault};
use crate::host::export::DiskSource;
use crate::host::sparse::SparseDisk;
use crate::image::archive::Manifest;
use crate::model::Machine;
use crate::model::volume::DiskPlace;
use crate::ops::export::{ReadAim, Sources, keys, manifest, own_disks, texts};
use crate::ops::installation::{Installation, Wanted, read};
use crate::ops::machine_disks::MachineDisks;
use crate::ops::settings;
use std::path::PathBuf;

/// A machine with all that goes with it.
pub(super) struct Offered {
    /// What it is made of.
    pub(super) manifest: Manifest,
    /// Its texts, in the order of the manifest.
    pub(super) texts: Vec<Vec<u8>>,
    /// Its disks, in the order of the manifest.
    pub(super) disks: Vec<SparseDisk>,
    /// Where they are.
    pub(super) paths: Vec<PathBuf>,
    /// What does not go with it, and why.
    pub(super) left_out: Vec<String>,
}

/// Finds a machine that can be moved.
pub(super) fn machine(installation: &Installation, wanted: Wanted) -> Result<MachineDisks, Vec<Diagnostic>> {
    let recipe = read(&wanted)?;
    let booted = installation.booted_by(&recipe, &wanted)?;
    let machine = MachineDisks::among(wanted, &booted)?;
    if let Some(slot) = passed(&machine.machine) {
        let name = machine.name();
        let fault = Fault::host(format!("{name} has a device of this host in its slot {slot}, which stays here"));
        return Err(fault.hint("take passthru(…) out of its recipe; then move it").into());
    }
    Ok(machine)
}

/// Returns the slot of a device of the host that a machine is given.
fn passed(machine: &Machine) -> Option<String> {
    let passed = machine.devices().find(|(_, device)| device.kind().name == "passthru");
    passed.map(|(slot, _)| slot.to_string())
}

impl Offered {
    /// Reads all of a machine but what is on its disks.
    pub(super) fn of(machine: &MachineDisks, is_shared: bool, aim: ReadAim) -> Result<Self, Vec<Diagnostic>> {
        let recipe = read(&machine.wanted)?;
        // What it imports is known once it was evaluated.
        Installation::open()?.booted_by(&recipe, &machine.wanted)?;
        if is_shared && let Some(disk) = machine.own().find(|disk| !matches!(disk.place, DiskPlace::File(_))) {
            let fault =
                Fault::host(format!("{} is no file, and no other host sees the same", disk.place.path().display()));
            return Err(fault.hint("leave --shared out: it is copied then").into());
        }
        let (host, mut left_out) = (settings::host(false)?, Vec::new());
        let texts = texts(&recipe, &machine.wanted.path, &mut left_out)?;
        let (parts, disks) = own_disks(&host, machine, &Sources::of(aim), &mut left_out)?;
        let disks: Vec<SparseDisk> = disks.into_iter().filter_map(DiskSource::disk).collect();
        left_out.extend(keys(&recipe, machine)?);
        let manifest = manifest(machine, &texts, parts).map_err(|fault| fault.context("it cannot be moved"))?;
        let paths = disks.iter().map(|disk| disk.path.clone()).collect();
        let texts = texts.into_iter().map(|(_, bytes)| bytes).collect();
        Ok(Self { manifest, texts, disks, paths, left_out })
    }
}
