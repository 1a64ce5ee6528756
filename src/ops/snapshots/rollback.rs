//! The disks of a machine get what was on them in a snapshot: all of them, or none.

use super::copies::{Copy, copies};
use super::removal::against_destroying;
use super::{Disks, Listener, Part, Place, SnapshotEvent, against_stop};
use crate::diag::{Diagnostic, Fault};
use crate::host::Platform;
use crate::host::files;
use crate::host::program::run;
use crate::host::signals::Signals;
use crate::host::snapshots::{self, Before, Snapshot};
use crate::model::Argv;
use crate::model::snapshot::SnapshotName;
use crate::ops::stopped;
use std::path::{Path, PathBuf};

/// What is wanted of a rollback.
pub(crate) struct RollbackRequest<'a> {
    /// The machine, or its recipe.
    pub machine: &'a str,
    /// The tag of the snapshot.
    pub tag: &'a str,
    /// Whether newer snapshots may go.
    pub destroys_newer: bool,
    /// Whether data may be copied.
    pub may_copy: bool,
    /// Whether nothing is to be done.
    pub only_look: bool,
}

/// What is done for it.
struct Rollback {
    copies: Vec<Copy>,
    /// What rolls volumes back: it cannot be undone.
    volumes: Vec<(String, Argv)>,
    /// Newer snapshots of files.
    gone: Vec<PathBuf>,
    platform: Platform,
}

/// Has the disks of a machine as they were in a snapshot.
///
/// # Errors
/// The machine runs, the snapshot is not of all disks, there are newer ones, or the host refuses it; then the files are as they were.
pub(crate) fn rollback(request: &RollbackRequest<'_>, tell: Listener<'_>) -> Result<(), Vec<Diagnostic>> {
    let name = SnapshotName::of_tag(request.tag)?;
    let mut disks = Disks::of(request.machine)?;
    disks.against_missing(&name).map_or(Ok(()), Err)?;
    stopped::against(&disks.host, &disks.name, &disks.paths()).map_or(Ok(()), Err)?;
    let newer = newer(&disks, &name);
    against_newer(&disks, &name, &newer, request.destroys_newer)?;
    let rollback = rollback_of(&disks, &name, &newer, request)?;
    tell_before(&disks, &name, &rollback, tell);
    if request.only_look {
        rollback.commands().iter().for_each(|argv| tell(&SnapshotEvent::Runs(argv)));
        return Ok(());
    }
    let signals = Signals::install()?;
    let (machine, held): (_, Vec<PathBuf>) = (disks.name.clone(), disks.files().map(Into::into).collect());
    held.iter().try_for_each(|path| snapshots::clear_before(path))?;
    let halves: Vec<PathBuf> = rollback.copies.iter().map(|copy| copy.to.clone()).collect();
    Ok(stopped::hold_with_halves(&mut disks.host, &machine, (&held, &halves), || rollback.perform(&signals, tell))?)
}

/// Returns the snapshots that are newer than that of the same disk.
fn newer<'a>(disks: &'a Disks, name: &SnapshotName) -> Vec<(&'a Part, &'a Snapshot)> {
    let of_part = |part: &'a Part| {
        let order = part.find(name).map(|one| one.order);
        part.snapshots
            .iter()
            .filter(move |one| order.is_some_and(|order| one.order > order))
            .map(move |one| (part, one))
    };
    disks.parts.iter().flat_map(of_part).collect()
}

fn against_newer(disks: &Disks, name: &SnapshotName, newer: &[(&Part, &Snapshot)], may_go: bool) -> Result<(), Fault> {
    let mut tags: Vec<String> = Vec::new();
    for (_, one) in newer {
        let tag = one.name.tag();
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    if !tags.is_empty() && !may_go {
        let fault = Fault::host(format!("{} has newer snapshots than {name}: {}", disks.name, tags.join(", ")));
        return Err(fault.hint("--destroy-newer removes them, and what is in them alone is lost"));
    }
    newer.iter().find_map(|(part, one)| against_destroying(part, one)).map_or(Ok(()), Err)
}

fn rollback_of(
    disks: &Disks,
    name: &SnapshotName,
    newer: &[(&Part, &Snapshot)],
    request: &RollbackRequest<'_>,
) -> Result<Rollback, Fault> {
    let (mut pairs, mut volumes) = (Vec::new(), Vec::new());
    for part in disks.parts.iter().filter(|part| part.find(name).is_some()) {
        match &part.place {
            Place::File(path) => pairs.push((name.of_file(path), path.clone())),
            Place::Volume(volume, _) => {
                let has_newer = newer.iter().any(|(other, _)| other.place == part.place);
                let argv = Argv::new("zfs").arg("rollback");
                // Only what was named before goes (zfs-rollback(8), -r).
                let argv = if has_newer { argv.arg("-r") } else { argv };
                volumes.push((volume.to_string(), argv.arg(name.of_volume(volume))));
            }
        }
    }
    let flag = if request.destroys_newer { " --destroy-newer" } else { "" };
    let command = format!("vmrun rollback {} {}{flag}", request.machine, request.tag);
    let gone = newer.iter().filter_map(|(part, one)| match &part.place {
        Place::File(path) => Some(one.name.of_file(path)),
        Place::Volume(..) => None,
    });
    let gone = gone.collect();
    Ok(Rollback { copies: copies(pairs, request.may_copy, &command)?, volumes, gone, platform: disks.platform() })
}

/// Says what is to be known before.
fn tell_before(disks: &Disks, name: &SnapshotName, rollback: &Rollback, tell: Listener<'_>) {
    disks.left_out.iter().for_each(|line| tell(&SnapshotEvent::Note(line)));
    for part in disks.parts.iter().filter(|part| part.find(name).is_none() && files::is_file(part.place.path())) {
        tell(&SnapshotEvent::Note(&format!("{} stays as it is: {name} has nothing of it", part.place.shown())));
    }
    if rollback.volumes.len() > 1 || !rollback.volumes.is_empty() && !rollback.copies.is_empty() {
        let note = "volumes are rolled back last, one after the other: no failure after the first puts it back";
        tell(&SnapshotEvent::Note(note));
    }
}

impl Rollback {
    fn commands(&self) -> Vec<Argv> {
        let made = self.copies.iter().map(|copy| copy.command(&new(copy), self.platform));
        let named = self.copies.iter().map(|copy| mv(&new(copy), &copy.to));
        made.chain(named).chain(self.volumes.iter().map(|(_, argv)| argv.clone())).chain(self.removals()).collect()
    }

    fn removals(&self) -> Vec<Argv> {
        self.gone.iter().map(|path| Argv::new("rm").arg(path.display())).collect()
    }

    /// Does it: what can be put back first.
    fn perform(&self, signals: &Signals, tell: Listener<'_>) -> Result<(), Fault> {
        let mut made = Vec::new();
        for copy in &self.copies {
            against_stop(signals)?;
            tell(&SnapshotEvent::Runs(&copy.command(&new(copy), self.platform)));
            made.push(copy.make(signals, tell)?);
        }
        let mut kept = Vec::new();
        for copy in &self.copies {
            kept.push(Before::of(&copy.to)?);
        }
        against_stop(signals)?;
        let named = made.into_iter().zip(&self.copies).try_for_each(|(made, copy)| {
            tell(&SnapshotEvent::Runs(&mv(&new(copy), &copy.to)));
            made.replace()
        });
        if let Err(fault) = named {
            return Err(put_back(fault, kept));
        }
        for (at, (volume, argv)) in self.volumes.iter().enumerate() {
            tell(&SnapshotEvent::Runs(argv));
            match (run(argv), at) {
                (Ok(_), _) => {}
                (Err(fault), 0) => return Err(put_back(fault, kept)),
                (Err(fault), at) => return Err(self.half(fault, at, volume)),
            }
        }
        drop(kept);
        self.removals().iter().zip(&self.gone).try_for_each(|(argv, path)| {
            tell(&SnapshotEvent::Runs(argv));
            snapshots::remove_file(path)
        })
    }

    /// The fault of a rollback of volumes that fails when some are rolled back.
    fn half(&self, mut fault: Fault, at: usize, volume: &str) -> Fault {
        let done = self.volumes.iter().take(at).map(|(name, _)| name.clone());
        let done: Vec<String> = done.chain(self.copies.iter().map(|copy| copy.to.display().to_string())).collect();
        fault.message = format!("{}; {} rolled back already, {volume} is not", fault.message, are(&done));
        fault.hint("do not start the machine: mend that, and roll back again")
    }
}

fn are(names: &[String]) -> String {
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}

/// The file as one would call it before it has its name.
fn new(copy: &Copy) -> PathBuf {
    PathBuf::from(format!("{}.new", copy.to.display()))
}

fn mv(from: &Path, to: &Path) -> Argv {
    Argv::new("mv").arg(from.display()).arg(to.display())
}

/// Has files as they were.
fn put_back(mut fault: Fault, kept: Vec<Before>) -> Fault {
    for before in kept {
        if let Err(why) = before.put_back() {
            fault.message = format!("{}; {}", fault.message, why.message);
        }
    }
    fault
}
