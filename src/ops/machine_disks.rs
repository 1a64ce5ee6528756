//! The disks of a machine, as its recipe says: what a snapshot, a clone, an export and a removal are of.

use super::installation::{Installation, Wanted};
use super::known;
use super::settings;
use crate::diag::{Diagnostic, Fault, suggest};
use crate::host::files;
use crate::model::device::Access;
use crate::model::volume::DiskPlace;
use crate::model::{Machine, PciSlot, VmName};
use std::path::{Path, PathBuf};

/// A machine that is known by its recipe, and what it writes to.
pub(crate) struct MachineDisks {
    /// Its recipe, and the parameters with which it was started.
    pub(crate) wanted: Wanted,
    /// The machine, as the recipe describes it.
    pub(crate) machine: Machine,
    /// What it has in its slots, in their order: what it only reads as well.
    pub(crate) disks: Vec<MachineDisk>,
    /// The variables of its firmware, which are as much its own as a disk.
    pub(crate) vars: Option<PathBuf>,
}

/// A disk of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MachineDisk {
    /// Where it is plugged in.
    pub(crate) slot: PciSlot,
    /// Its port, of a controller that has several.
    pub(crate) port: Option<u16>,
    /// Where it lives.
    pub(crate) place: DiskPlace,
    /// Whether the guest only reads it, as a CD: it is then none of the machine's own.
    pub(crate) only_reads: bool,
}

impl MachineDisks {
    /// Finds a machine by its name, or by its recipe, and reads what its disks are: on a host as it would be without it, so that one
    /// that runs is described as well. A recipe that boots several machines is refused unless one of them has the name; disks that
    /// one machine has only at some of its boots are its disks as well.
    ///
    /// # Errors
    /// There is no such recipe, it does not rehearse, or it has another machine by now.
    pub(crate) fn of(installation: &Installation, name: &str) -> Result<Self, Vec<Diagnostic>> {
        let wanted = known::one(installation, &known::statuses()?, name)?;
        let booted = installation.booted(&wanted)?;
        let machine = Self::among(wanted, &booted)?;
        // Who opened a pipe would wait for ever.
        for path in machine.disks.iter().map(|disk| disk.place.path()) {
            if let Some(why) = files::no_disk(path) {
                let fault = Fault::host(format!("{} is no disk of {}: {why}", path.display(), machine.name()));
                return Err(fault.hint("name another file in the recipe, or move what is there away").into());
            }
        }
        Ok(machine)
    }

    /// Finds a machine among those that a recipe boots.
    ///
    /// # Errors
    /// It is not among them, or there are several and none has the name.
    pub(crate) fn among(wanted: Wanted, booted: &[Machine]) -> Result<Self, Vec<Diagnostic>> {
        let mut names: Vec<&VmName> = booted.iter().map(Machine::name).collect();
        names.dedup();
        let recipe = wanted.path.display();
        let is_asked = |machine: &VmName| match &wanted.name {
            Some(asked) => machine.as_str() == asked,
            None => names.len() == 1,
        };
        let Some(machine) = booted.iter().find(|machine| is_asked(machine.name())).cloned() else {
            let fault = match (names.as_slice(), &wanted.name) {
                ([], _) => Fault::new(format!("the recipe {recipe} boots no machine")),
                (_, Some(asked)) => Fault::new(format!("the recipe {recipe} boots no machine {asked}")),
                (_, None) => Fault::new(format!("the recipe {recipe} boots several machines")),
            };
            let list = suggest::list(names.iter().map(|name| name.as_str()));
            return Err(fault.maybe_hint(names.first().map(|_| format!("name one of them: {list}"))).into());
        };
        let disks = disks(booted.iter().filter(|boot| boot.name() == machine.name()))?;
        let vars = vars(&machine);
        Ok(Self { wanted, machine, disks, vars })
    }

    /// Returns the name of the machine.
    pub(crate) const fn name(&self) -> &VmName {
        self.machine.name()
    }

    /// Returns the disks that are the machine's own: it writes to them.
    pub(crate) fn own(&self) -> impl Iterator<Item = &MachineDisk> {
        self.disks.iter().filter(|disk| !disk.only_reads)
    }
}

/// Returns the variables of a machine's firmware.
pub(super) fn vars(machine: &Machine) -> Option<PathBuf> {
    let vars = machine.draft().bootrom.as_ref().and_then(|rom| rom.vars.as_ref());
    vars.map(|path| Path::new(path.as_str()).to_path_buf())
}

/// Returns the disks of a machine that boots so.
pub(super) fn disks<'a>(boots: impl Iterator<Item = &'a Machine>) -> Result<Vec<MachineDisk>, Fault> {
    let mut disks: Vec<MachineDisk> = Vec::new();
    for boot in boots {
        let new: Vec<MachineDisk> = of_boot(boot)?;
        disks.extend(
            new.into_iter().filter(|disk| !disks.iter().any(|known| known.place == disk.place)).collect::<Vec<_>>(),
        );
    }
    Ok(disks)
}

/// Returns the disks of a machine as it boots once.
fn of_boot(machine: &Machine) -> Result<Vec<MachineDisk>, Fault> {
    let zvols = settings::settings(settings::platform()?, false)?.zvols;
    let mut disks = Vec::new();
    for (slot, device) in &machine.draft().slots {
        for (port, _, path, access) in device.images() {
            let place = DiskPlace::of(path.as_path(), &zvols)?;
            disks.push(MachineDisk { slot: *slot, port, place, only_reads: access == Access::ReadOnly });
        }
    }
    Ok(disks)
}
