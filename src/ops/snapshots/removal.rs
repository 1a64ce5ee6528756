//! A snapshot of a machine's disks goes.

use super::{Disks, Listener, Part, Place, SnapshotEvent};
use crate::diag::{Diagnostic, Fault};
use crate::host::program::run;
use crate::host::snapshots::{self, Snapshot};
use crate::model::Argv;
use crate::model::snapshot::SnapshotName;
use std::path::PathBuf;

/// A snapshot that is to go, once all of it was checked.
pub(crate) struct Removal {
    steps: Vec<(Argv, Option<PathBuf>)>,
}

impl Removal {
    /// Looks a snapshot of ours up, whole or not.
    ///
    /// # Errors
    /// There is none of that tag, it is somebody else's, or something hangs on it.
    pub(crate) fn of(machine: &str, tag: &str) -> Result<Self, Vec<Diagnostic>> {
        let name = SnapshotName::of_tag(tag)?;
        let disks = Disks::of(machine)?;
        let found: Vec<(&Part, &Snapshot)> =
            disks.parts.iter().filter_map(|part| Some((part, part.find(&name)?))).collect();
        let Some((first, _)) = found.first() else {
            let fault = Fault::host(format!("{} has no snapshot {name}", disks.name));
            let missing = disks.against_missing(&name);
            return Err(missing.unwrap_or(fault).into());
        };
        if !name.is_own() {
            let fault = Fault::host(format!("{} is not vmrun's", first.place.snapshot(&name)));
            return Err(fault.hint(format!("whoever has made it removes it, or `{}`", command(first, &name))).into());
        }
        found.iter().find_map(|(part, one)| against_destroying(part, one)).map_or(Ok(()), Err)?;
        let step = |part: &Part| {
            let file = if let Place::File(path) = &part.place { Some(name.of_file(path)) } else { None };
            (command(part, &name), file)
        };
        let mut steps: Vec<_> = found.iter().map(|(part, _)| step(part)).collect();
        // What was cut off with it, and has no name.
        let halves = disks.files().flat_map(snapshots::halves_of);
        steps.extend(halves.map(|half| (Argv::new("rm").arg(half.display()), Some(half))));
        Ok(Self { steps })
    }

    /// Returns what is done for it, as commands.
    pub(crate) fn commands(&self) -> impl Iterator<Item = &Argv> {
        self.steps.iter().map(|(argv, _)| argv)
    }

    /// Does it.
    ///
    /// # Errors
    /// The host refuses it; what is left of it is listed.
    pub(crate) fn perform(&self, tell: Listener<'_>) -> Result<(), Fault> {
        self.steps.iter().try_for_each(|(argv, file)| {
            tell(&SnapshotEvent::Runs(argv));
            match file {
                Some(path) => snapshots::remove_file(path),
                None => run(argv).map(drop),
            }
        })
    }
}

fn command(part: &Part, name: &SnapshotName) -> Argv {
    let what = part.place.snapshot(name);
    match part.place {
        Place::File(_) => Argv::new("rm").arg(what),
        Place::Volume(..) => Argv::new("zfs").arg("destroy").arg(what),
    }
}

/// Says what hangs on a snapshot, so that zfs(8) would refuse to destroy it.
pub(super) fn against_destroying(part: &Part, one: &Snapshot) -> Option<Fault> {
    let what = part.place.snapshot(&one.name);
    if let Some(clone) = one.clones.first() {
        let fault = Fault::host(format!("{clone} is a clone of {what}"));
        return Some(fault.hint(format!("`zfs promote {clone}` makes it independent; or keep the snapshot")));
    }
    if one.is_held {
        return Some(Fault::host(format!("{what} is held")).hint(format!("`zfs holds {what}` tells by whom")));
    }
    None
}
