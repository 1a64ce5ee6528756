//! A snapshot of a machine's disks is made: all of them, or none.

use super::copies::{Copy, copies};
use super::freeze::Freeze;
use super::{Disks, Listener, Part, SnapshotEvent, against_stop};
use crate::diag::may_fail::MayFail as _;
use crate::diag::{Diagnostic, Fault};
use crate::host::clock::{Utc, now};
use crate::host::program::{run, stays};
use crate::host::reflink::CopyWay;
use crate::host::signals::Signals;
use crate::host::{Platform, files, snapshots};
use crate::image::migration::is_id;
use crate::model::snapshot::SnapshotName;
use crate::model::{Argv, VmName};
use crate::ops::clone::TAG;
use crate::ops::stopped;
use crate::supervise::recovery;
use std::path::PathBuf;

/// What is wanted of a snapshot.
pub(crate) struct TakeRequest<'a> {
    /// The machine, or its recipe.
    pub machine: &'a str,
    /// Its tag; otherwise the time.
    pub tag: Option<&'a str>,
    /// Whether data may be copied.
    pub may_copy: bool,
    /// Whether nothing is to be done.
    pub only_look: bool,
    /// Whether it is for a replica, and goes with it.
    pub is_for_replica: bool,
}

/// What the tags of snapshots for replicas begin with; the name of the replica follows.
pub(crate) const OF_REPLICA: &str = "replica-";

/// What is done for a snapshot.
struct Taking {
    platform: Platform,
    name: SnapshotName,
    copies: Vec<Copy>,
    /// A call for each pool, and what takes it back.
    pools: Vec<(Argv, Vec<Argv>)>,
}

/// Makes a snapshot of all disks of a machine, and returns its name.
///
/// # Errors
/// There is one of that name, a disk can have none, or the host refuses it; then nothing of it is left.
pub(crate) fn take(request: &TakeRequest<'_>, tell: Listener<'_>) -> Result<SnapshotName, Vec<Diagnostic>> {
    let name = match request.tag {
        Some(tag) => own(tag, request.is_for_replica)?,
        None => SnapshotName::of_tag(&of_time(now()))?,
    };
    let mut disks = Disks::of(request.machine)?;
    against(&disks, &name)?;
    if let Some(fault) = recovery::exports::against_exported(&disks.host, &disks.name) {
        return Err(fault.into());
    }
    let runs = stopped::against(&disks.host, &disks.name, &disks.paths());
    let pairs = disks.files().map(|file| (file.to_path_buf(), name.of_file(file))).collect();
    let command = [Some("vmrun snapshot"), Some(request.machine), request.tag];
    let copies = copies(pairs, request.may_copy, &command.into_iter().flatten().collect::<Vec<_>>().join(" "))?;
    if let Some((why, copy)) = runs.as_ref().zip(copies.iter().find(|copy| copy.way == CopyWay::Data)) {
        let fault = format!("a copy of {} would be of no one moment: {}", copy.from.display(), why.message);
        return Err(Fault::host(fault).maybe_hint(why.hint.clone()).into());
    }
    tell_before(&disks, runs.as_ref().map(|_| copies.len()), tell);
    let taking = Taking { platform: disks.platform(), pools: of_pools(&disks, &name), name, copies };
    let freeze = runs.as_ref().and_then(|_| Freeze::of(&disks.host, &disks.name));
    if request.only_look {
        match (&runs, &freeze) {
            (Some(_), Some(_)) => tell(&SnapshotEvent::Note(&asked(&disks.name))),
            (Some(why), None) => tell(&SnapshotEvent::Note(&as_after_a_power_cut(&why.message))),
            (None, _) => {}
        }
        taking.commands().iter().for_each(|argv| tell(&SnapshotEvent::Runs(argv)));
        return Ok(taking.name);
    }
    let signals = Signals::install()?;
    // While it runs nobody else starts it.
    if let Some(why) = &runs {
        frozen(freeze.as_ref().ok_or(&why.message), &disks.name, tell, |tell| taking.perform(&signals, tell))?;
    } else {
        let (machine, held): (_, Vec<PathBuf>) = (disks.name.clone(), disks.files().map(Into::into).collect());
        let halves: Vec<PathBuf> = taking.copies.iter().map(|copy| copy.to.clone()).collect();
        stopped::hold_with_halves(&mut disks.host, &machine, (&held, &halves), || taking.perform(&signals, tell))?;
    }
    Ok(taking.name)
}

/// Returns the name of one of ours.
fn own(tag: &str, is_for_replica: bool) -> Result<SnapshotName, Fault> {
    let name = SnapshotName::of_tag(tag)?;
    // One that nothing is cloned of is taken for what a clone has left, and goes with the next.
    if tag.starts_with(TAG) {
        let fault =
            Fault::usage(format!("{tag:?} is the tag of a snapshot that `vmrun clone` makes, and removes again"));
        return Err(fault.hint("choose another tag"));
    }
    if !is_for_replica && tag.strip_prefix(OF_REPLICA).is_some_and(is_id) {
        let fault =
            Fault::usage(format!("{tag:?} is the tag of a snapshot that `vmrun replicate` makes, and removes again"));
        return Err(fault.hint("choose another tag"));
    }
    if tag.starts_with('-') {
        let fault = Fault::usage(format!("{tag:?} is no tag of a snapshot: it begins as an option does"));
        return Err(fault.hint("choose another tag"));
    }
    if name.is_own() {
        return Ok(name);
    }
    Err(Fault::usage(format!("{tag:?} is the name of somebody else's snapshot")).hint("leave the @ out"))
}

/// Returns a time as a tag, in UTC: without what is not in names of ZFS.
fn of_time(seconds: u64) -> String {
    Utc(seconds).to_string().replacen(' ', "T", 1).replace(" UTC", "Z").replace(':', "-")
}

/// Says why there can be no such snapshot.
fn against(disks: &Disks, name: &SnapshotName) -> Result<(), Fault> {
    if disks.parts.iter().all(|part| part.is_vars) {
        let fault = Fault::host(format!("{} has no disk of which there can be a snapshot", disks.name));
        return Err(fault.maybe_hint(disks.left_out.first().cloned()));
    }
    if let Some(part) = disks.parts.iter().find(|part| part.find(name).is_some()) {
        let there = format!("{} is there already", part.place.snapshot(name));
        let remove = format!("`vmrun snapshots {} --remove {name}` removes it", disks.name);
        let lacks = |part: &&Part| !part.is_vars && part.find(name).is_none();
        let missing: Vec<String> = disks.parts.iter().filter(lacks).map(|part| part.place.shown()).collect();
        if missing.is_empty() {
            return Err(Fault::host(there).hint(format!("choose another tag; {remove}")));
        }
        let fault = Fault::host(format!("{there}, and nothing of {}", missing.join(", ")));
        return Err(fault.hint(format!("choose another tag; if a snapshot that was cut off has left it: {remove}")));
    }
    for file in disks.files() {
        if !files::is_file(file) {
            let fault = Fault::host(format!("the disk {} is not there", file.display()));
            return Err(fault.hint("`--init` makes it, if its recipe does"));
        }
    }
    Ok(())
}

/// Says what is to be known before.
/// Says what is to be known before: of a machine that runs, with so many files, also whether its disks are of one moment.
fn tell_before(disks: &Disks, files: Option<usize>, tell: Listener<'_>) {
    disks.left_out.iter().for_each(|line| tell(&SnapshotEvent::Note(line)));
    let pools = disks.pools().len();
    if let Some(files) = files.filter(|files| pools + files > 1) {
        tell(&SnapshotEvent::Note(&no_one_moment(&disks.name, pools, files)));
    }
}

/// Says that disks in so many pools, and so many files, cannot be kept at one moment.
pub(in crate::ops) fn no_one_moment(name: &VmName, pools: usize, files: usize) -> String {
    let what = match (pools, files) {
        (0, files) => format!("{files} files"),
        (pools, 0) => format!("{pools} pools"),
        _ => "volumes and files".into(),
    };
    format!("the disks of {name} are not of one moment: {what} are kept one after the other")
}

/// Does something while the file systems of a guest that runs are frozen, and says of what moment the disks are then.
pub(in crate::ops) fn frozen(
    freeze: Result<&Freeze<'_>, &String>,
    name: &VmName,
    tell: Listener<'_>,
    act: impl FnOnce(Listener<'_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let (freeze, count) = match freeze.map(|freeze| (freeze, freeze.begin())) {
        Ok((freeze, Ok(count))) => (freeze, count),
        Ok((_, Err(why))) => {
            tell(&SnapshotEvent::Note(&as_after_a_power_cut(&why)));
            return act(tell);
        }
        Err(why) => {
            tell(&SnapshotEvent::Note(&as_after_a_power_cut(why)));
            return act(tell);
        }
    };
    let done = act(tell);
    match freeze.end() {
        Ok(()) => tell(&SnapshotEvent::Note(&format!(
            "the file systems in {name} were frozen meanwhile ({count}), and go on"
        ))),
        Err(why) => tell(&SnapshotEvent::Note(&as_after_a_power_cut(&why))),
    }
    done
}

fn as_after_a_power_cut(why: &str) -> String {
    format!("the disks are as after a power cut: {why}")
}

fn asked(name: &VmName) -> String {
    format!("the agent in {name} is asked to freeze its file systems meanwhile")
}

/// One call for all volumes of a pool, so that they are of one moment (zfs-snapshot(8)).
fn of_pools(disks: &Disks, name: &SnapshotName) -> Vec<(Argv, Vec<Argv>)> {
    let of_pool = |pool: Vec<&crate::model::volume::VolumeName>| {
        let all: Vec<String> = pool.into_iter().map(|volume| name.of_volume(volume)).collect();
        let back = all.iter().map(|one| Argv::new("zfs").arg("destroy").arg(one)).collect();
        (Argv::new("zfs").arg("snapshot").args(all), back)
    };
    disks.pools().into_iter().map(of_pool).collect()
}

impl Taking {
    fn commands(&self) -> Vec<Argv> {
        let copies = self.copies.iter().map(|copy| copy.command(&copy.to, self.platform));
        copies.chain(self.pools.iter().map(|(argv, _)| argv.clone())).collect()
    }

    /// Does it. Files get their names last: until then what is made of them goes by itself.
    fn perform(&self, signals: &Signals, tell: Listener<'_>) -> Result<(), Fault> {
        let mut made = Vec::new();
        for copy in &self.copies {
            against_stop(signals)?;
            snapshots::clear_halves(&copy.from)?;
            tell(&SnapshotEvent::Runs(&copy.command(&copy.to, self.platform)));
            made.push(copy.make(signals, tell)?);
        }
        let (mut backs, mut named): (Vec<&Argv>, Vec<PathBuf>) = (Vec::new(), Vec::new());
        let done = self.pools.iter().try_for_each(|(argv, back)| {
            against_stop(signals)?;
            tell(&SnapshotEvent::Runs(argv));
            run(argv)?;
            backs.extend(back);
            Ok(())
        });
        let done = done.and_then(|()| {
            made.into_iter().zip(&self.copies).try_for_each(|(new, copy)| {
                new.name()?;
                named.push(copy.to.clone());
                Ok(())
            })
        });
        done.map_err(|fault| take_back(fault, &backs, &named, tell))
    }
}

/// Half of a snapshot is none.
fn take_back(mut fault: Fault, backs: &[&Argv], named: &[PathBuf], tell: Listener<'_>) -> Fault {
    for back in backs {
        tell(&SnapshotEvent::Runs(back));
        if run(back).is_err() {
            fault = stays(fault, back);
        }
    }
    named.iter().for_each(|path| {
        snapshots::remove_file(path).may_fail("the list tells that it is not whole, and it can be removed by that");
    });
    fault
}
