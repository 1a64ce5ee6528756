//! What a run is going to take, and how it gets it: the machine's lock, its journal, the locks of its images.

use super::accelerator;
use super::holds::replaced;
use super::journal::{self, Owner};
use super::order::ServiceOptions;
use super::progress::Progress;
use super::{Hold, Run, recovery};
use crate::diag::Fault;
use crate::host::files::beside;
use crate::host::worlds::rehearsal::Rehearsed;
use crate::host::{Effect, Interface};
use crate::model::device::Access;
use crate::model::{Exclusive, Machine, Part, Role, VmName};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a run is going to take, as its rehearsal found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The machine whose lock and journal are the run's: the first that it boots, or one that is named like the recipe.
    pub machine: VmName,
    /// The path of the recipe.
    pub recipe: String,
    /// What it is going to take, in order.
    pub holds: Vec<Hold>,
    /// The disk images that it is going to use.
    pub images: Vec<(PathBuf, Access)>,
    /// What its machines have alone while they run, beside their images, which are locked.
    pub alone: Vec<Exclusive>,
    /// How many vCPUs the machines have that it is going to boot.
    pub vcpus: BTreeMap<VmName, u64>,
    /// When it is started again, what it starts after, and when it is ready.
    pub service: ServiceOptions,
    /// The file in which is kept what its machine says on its serial port, if it is kept.
    pub serial_log: Option<PathBuf>,
    /// Which of its machines run without KVM, in a line of each, where nobody asked for that.
    pub emulated: Vec<String>,
    /// The parameters that are paths, from the root on.
    pub given: BTreeMap<String, String>,
}

impl Run {
    /// Returns what a rehearsal would take, for the run that follows it.
    pub(crate) fn claim_of(&self, recipe: &str) -> Claim {
        let (mut images, mut holds): (Vec<(PathBuf, Access)>, _) = (Vec::new(), self.holds.clone());
        // A disk is announced when it is made, and a session of iSCSI too: until then one may come there that is somebody else's.
        holds.retain(|hold| !matches!(hold, Hold::Effect(Effect::Disk(_) | Effect::IscsiLogin(_))));
        let (mut vcpus, mut alone, mut serial_log) = (BTreeMap::new(), Vec::new(), None);
        for done in self.rehearsed() {
            match done {
                Rehearsed::Boot(machine) => {
                    serial_log = serial_log.or_else(|| machine.serial_log().map(|path| path.as_path().into()));
                    images.extend(images_of(machine));
                    alone.extend(alone_of(machine).map(|(own, _)| own));
                    vcpus.entry(machine.name().clone()).or_insert_with(|| u64::from(machine.cpus()));
                }
                Rehearsed::Effect(effect) => {
                    let path = replaced(effect).map(beside);
                    holds.extend(path.map(Hold::Temporary).filter(|hold| !holds.contains(hold)));
                }
            }
        }
        images.sort_by(|one, other| one.0.cmp(&other.0));
        images.dedup();
        alone.sort();
        alone.dedup();
        holds.extend(images.iter().map(|(path, access)| Hold::Image(path.clone(), *access)));
        let (machine, service) = (self.machine_of(recipe), self.service.clone());
        let (given, emulated) = (self.given.clone(), self.emulated());
        Claim { machine, recipe: recipe.into(), holds, images, alone, vcpus, service, serial_log, emulated, given }
    }

    /// Returns what is to be said of the machines of a rehearsed run that have to do without KVM: of each once.
    pub(crate) fn emulated(&self) -> Vec<String> {
        let said = |done: &Rehearsed| match done {
            Rehearsed::Boot(machine) => accelerator::emulated(&*self.host, machine),
            Rehearsed::Effect(_) => None,
        };
        let mut said: Vec<String> = self.rehearsed().iter().filter_map(said).collect();
        said.sort();
        said.dedup();
        said
    }

    /// Returns the machine whose lock is a rehearsed run's own.
    pub(crate) fn machine_of(&self, recipe: &str) -> VmName {
        let boot =
            |done: &Rehearsed| if let Rehearsed::Boot(machine) = done { Some(machine.name().clone()) } else { None };
        let booted = self.rehearsed().iter().find_map(boot);
        let locked =
            || self.holds.iter().find_map(|hold| if let Hold::Lock(name) = hold { Some(name.clone()) } else { None });
        let stem = || Path::new(recipe).file_stem()?.to_str()?.parse().ok();
        booted.or_else(locked).or_else(stem).unwrap_or_else(VmName::nameless)
    }

    /// Takes the lock of the run's machine and those of its images, and writes into its journal what it is going to take. A dead
    /// run of the same machine, or one that has left an interface which this one makes, is cleaned up first.
    pub(crate) fn claim(&mut self, claim: &Claim) -> Result<(), Fault> {
        for name in self.in_the_way(claim) {
            self.take_over(&name)?;
            if name != claim.machine {
                self.host.store_mut().tidy(&name, false)?;
                self.host.store_mut().clear(&name)?;
            }
        }
        self.holds.push(Hold::Lock(claim.machine.clone()));
        self.take_over(&claim.machine).inspect_err(|_| drop(self.holds.pop()))?;
        self.against_move(&claim.machine)?;
        self.host.mark(&claim.machine);
        let owner = self.owner(&claim.recipe);
        let vcpus = claim.vcpus.iter().map(|(name, count)| journal::vcpus(name, *count));
        // A journal that was torn has lost its end: what is not needed to give back stands before what is.
        let alone = claim.alone.iter().map(journal::has);
        let lines: String = vcpus.chain(alone).chain(claim.holds.iter().map(journal::taken)).collect();
        let background = if self.status.is_some() { journal::in_background() } else { String::new() };
        let durable = claim.holds.iter().any(Hold::outlives_the_kernel);
        self.host.store_mut().note(
            &claim.machine,
            &format!("{}{background}{lines}", journal::begun_by(&owner)),
            durable,
        )?;
        self.noted.clone_from(&claim.holds);
        self.vcpus.clone_from(&claim.vcpus);
        self.owner = Some((claim.machine.clone(), owner));
        // Of two that begin at the same moment at least one finds what the other has written.
        let others = recovery::against_own(&*self.host, &claim.machine, &claim.alone);
        others.into_iter().next().map_or(Ok(()), |(_, fault)| Err(fault))?;
        // Whoever finds one held finds the journal that names it.
        claim.images.iter().try_for_each(|(path, access)| self.lock_image(&claim.machine, path, *access))
    }

    pub(super) fn owner(&self, recipe: &str) -> Owner {
        let me = self.host.processes().identity();
        let (version, recipe) = (env!("CARGO_PKG_VERSION").into(), recipe.into());
        Owner { pid: me.pid, started: me.started, boot: me.boot, space: me.space, version, since: me.now, recipe }
    }

    /// Returns the machines, other than the run's own, that dead runs have left and whose interfaces are in the way.
    fn in_the_way(&self, claim: &Claim) -> Vec<VmName> {
        let makes = |name: &str| {
            claim.holds.iter().any(|hold| match hold {
                Hold::Effect(Effect::CreateLink(link)) => link.name.as_str() == name,
                Hold::Effect(_)
                | Hold::Lock(_)
                | Hold::Node(_)
                | Hold::Image(..)
                | Hold::Temporary(_)
                | Hold::Link(_)
                | Hold::Jail(_)
                | Hold::Helper { .. }
                | Hold::Guest { .. } => false,
            })
        };
        let is_made = |hold: &Hold| matches!(hold, Hold::Effect(Effect::CreateLink(_)));
        let interfaces = if claim.holds.iter().any(is_made) { self.host.interfaces().ok() } else { None };
        let is_dead = |one: &&Interface| makes(&one.name) && recovery::is_left(&*self.host, one);
        let marks = interfaces.iter().flat_map(|all| all.iter()).filter(is_dead);
        let mut names: Vec<VmName> = marks.filter_map(|one| one.mark.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    fn take_over(&mut self, name: &VmName) -> Result<(), Fault> {
        let (within, listener) = (self.stop_within, &self.listener);
        recovery::take_over(&mut *self.host, name, within, &mut |host, left| {
            if let Some(listener) = listener {
                listener(&Progress::TakesOver(left, &left.commands(host)));
            }
        })
    }

    /// Refuses a machine that was moved to another host, or is on its way. Who has its lock is asked: a move that takes it away, or is
    /// undone, takes that before.
    fn against_move(&self, name: &VmName) -> Result<(), Fault> {
        self.host.store().against_move(name).map_or(Ok(()), Err)
    }

    pub(super) fn lock_image(&mut self, machine: &VmName, path: &Path, access: Access) -> Result<(), Fault> {
        if self.host.store_mut().hold(path, access) {
            return Ok(());
        }
        let fault = recovery::against_image(&*self.host, machine, path, access);
        // Whoever had it has let it go meanwhile.
        if fault.is_none() && self.host.store_mut().hold(path, access) {
            Ok(())
        } else {
            Err(fault.unwrap_or_else(|| in_use(path)))
        }
    }

    /// Takes a machine. Only what was taken is given back: the node of another run's machine is none of ours.
    pub(super) fn reserve(&mut self, name: &VmName) -> Result<(), Fault> {
        let hold = Hold::Lock(name.clone());
        if self.holds.contains(&hold) {
            return Ok(());
        }
        let owner = self.owner.clone();
        self.take(&hold)?;
        let Some((whole, owner)) = owner else { return self.host.store_mut().reserve(name, Duration::ZERO).map(drop) };
        self.take_over(name).inspect_err(|_| self.strike(&hold))?;
        self.against_move(name)?;
        self.host.store_mut().note(name, &format!("{}{}", journal::begun_by(&owner), journal::part_of(&whole)), false)
    }

    /// Returns whether the run has its machine: what happens before that happens to no machine.
    pub(crate) fn has_claimed(&self) -> bool {
        self.owner.is_some()
    }
}

pub(super) fn images_of(machine: &Machine) -> Vec<(PathBuf, Access)> {
    let images = machine.devices().flat_map(|(_, device)| device.images());
    images.map(|(_, _, path, access)| (path.as_path().into(), access)).collect()
}

/// What a machine has alone, but for what is locked.
pub(super) fn alone_of(machine: &Machine) -> impl Iterator<Item = (Exclusive, Part)> {
    const fn is_locked(own: &Exclusive) -> bool {
        matches!(own.role, Role::Name | Role::Image)
    }
    machine.exclusives().iter().filter(|(own, _)| !is_locked(own)).cloned()
}

fn in_use(path: &Path) -> Fault {
    let fault = Fault::busy(format!("{} is in use by another vmrun or its guest", path.display()));
    fault.hint("stop that one, or give this machine a disk of its own")
}
