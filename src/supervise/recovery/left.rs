//! What a dead run has left, found by its journal, by our marks and by processes: what of it goes, and what stays.

use super::exports::work_of;
use super::{evidence, holder, journal, taking_away};
use crate::diag::Fault;
use crate::host::commands::{commands, unmarked};
use crate::host::helper::{HelperEnd, HelperId, HelperProcess};
use crate::host::interfaces;
use crate::host::seat::Seat;
use crate::host::store::StateRecord;
use crate::host::{Effect, Host, Interface, InterfaceKind, Platform};
use crate::model::{Argv, InterfaceName, LinkKind, VmName};
use crate::supervise::holds::Hold;
use crate::supervise::jail;
use crate::supervise::journal::{Journal, Owner, Work};
use crate::supervise::{made, sessions};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One thing that is given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Back {
    /// A guest that still runs is asked to power off, and then ended.
    Guest(u32),
    /// A change like others.
    Effect(Effect),
    /// A file that was left half written.
    File(PathBuf),
    /// The machine's folder, journal and lock.
    State,
}

/// What a dead run has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// The machine whose run it was.
    pub name: VmName,
    /// Who it was, if that is known.
    pub owner: Option<Owner>,
    /// What is to be given back, in order.
    pub backs: Vec<Back>,
    /// What stays: it has the name of something that the run announced and is not marked as made by it, or others use it.
    pub kept: Vec<String>,
    /// Interfaces whose mark tells no state folder and that are in no journal, and the command that takes each away: an older vmrun
    /// made them, perhaps one with another state folder, and they stay.
    pub dated: Vec<(String, String)>,
    /// What could not be given back.
    pub faults: Vec<Fault>,
    /// The guest of a run in the background, which goes on without it.
    pub goes_on: Option<u32>,
    /// The socket of the agent that has frozen the file systems of its guest, and not thawed them.
    pub frozen: Option<PathBuf>,
    /// What it was, if it was no run.
    pub work: Option<Work>,
}

impl Left {
    /// Returns what is done about it as commands that one would type.
    pub(crate) fn commands(&self, host: &dyn Host) -> Vec<Argv> {
        let settings = host.settings();
        let shown = |back: &Back| match back {
            Back::Guest(pid) => vec![Argv::new("kill").arg(pid)],
            Back::Effect(effect) => {
                commands(settings.platform, None, effect).into_iter().map(|step| step.argv).collect()
            }
            Back::File(path) => vec![Argv::new("rm").arg(path.display())],
            Back::State => {
                let name = &self.name;
                let all = [settings.machine_folder(name), settings.secrets_file(name), settings.lock_file(name)];
                let map = Some(settings.map_file(name)).filter(|map| host.file(map).is_some());
                vec![Argv::new("rm").arg("-rf").args(all.iter().chain(&map).map(|path| path.display()))]
            }
        };
        self.backs.iter().flat_map(shown).collect()
    }

    /// Returns who it was, as a sentence about the past.
    pub(crate) fn whose(&self) -> String {
        match (&self.work, &self.owner) {
            (Some(work @ Work::Clone(_)), _) => format!("{}, {}, ended half done", self.name, work.named()),
            (Some(work), _) => format!("{} ended half done", work.named()),
            (None, Some(owner)) => format!("{} was left by {owner}", self.name),
            // As of an export that was killed, whose machine did not run.
            (None, None) if self.backs == [Back::State] && self.kept.is_empty() => {
                format!("{} has a record that says nothing, and nothing else of it is left", self.name)
            }
            (None, None) => format!("{} was left by a vmrun of which nothing is known", self.name),
        }
    }
}

/// Returns what the dead run of a machine has left. One that has no lock file here may run with its state elsewhere.
pub(super) fn left(host: &dyn Host, record: &StateRecord, is_known: bool) -> Result<Left, Fault> {
    let journal = journal(record);
    let interfaces = host.interfaces_anew()?;
    let same_boot = evidence::is_same_boot(host.processes(), &record.name, &journal, &interfaces);
    let work = work_of(&record.name, &journal);
    let has_guests = same_boot && work.is_none();
    let guests = if has_guests { guests(host, &record.name, &journal, &interfaces, is_known) } else { BTreeSet::new() };
    let mut left = Left {
        name: record.name.clone(),
        owner: journal.owner.clone(),
        backs: guests.iter().copied().map(Back::Guest).collect(),
        kept: Vec::new(),
        dated: Vec::new(),
        faults: Vec::new(),
        goes_on: None,
        frozen: journal.frozen.clone(),
        work,
    };
    // Even of a journal that was torn before it came to that. Only a run makes one.
    let is_run = record.journal.is_some() && left.work.is_none();
    if same_boot && is_run && !journal.holds.iter().any(|hold| matches!(hold, Hold::Node(_))) {
        undo_node(host, &record.name, &mut left);
    }
    // Of a run in other namespaces only files are here.
    let is_elsewhere = evidence::is_elsewhere(host.processes(), &journal);
    let is_here = |hold: &&Hold| !is_elsewhere || hold.outlives_the_kernel();
    for hold in journal.holds.iter().rev().filter(is_here) {
        undo(host, hold, &journal, same_boot, &interfaces, &mut left);
    }
    // Whatever carries our mark and is not in the journal: it was lost.
    let is_idle = |one: &&Interface| !one.is_open || one.opener.is_some_and(|pid| guests.contains(&pid));
    for one in interfaces.iter().filter(|one| one.mark.as_ref() == Some(&record.name)).filter(is_idle) {
        let Ok(name) = one.name.parse() else { continue };
        if one.is_dated() && !is_noted(&journal, &one.name) {
            left.dated.push((one.name.clone(), taking_away(host, &one.name)));
            continue;
        }
        if one.kind != InterfaceKind::Tap && is_shared(one, &interfaces, &record.name) {
            left.kept.extend((!left.kept.contains(&one.name)).then(|| one.name.clone()));
            continue;
        }
        let back = match one.kind {
            InterfaceKind::Tap => Back::Effect(Effect::DestroyTap(name)),
            InterfaceKind::Bridge
            | InterfaceKind::Vlan { .. }
            | InterfaceKind::Vxlan { .. }
            | InterfaceKind::Pair
            | InterfaceKind::Other => Back::Effect(Effect::DestroyLink(name)),
        };
        left.backs.extend(Some(back).filter(|back| !left.backs.contains(back)));
    }
    // Of a machine of which there is only such an interface there is no state here.
    if is_known || left.dated.is_empty() || !left.backs.is_empty() {
        left.backs.push(Back::State);
    }
    Ok(left)
}

/// Returns whether a run has noted that it made an interface of that name.
pub(super) fn is_noted(journal: &Journal, name: &str) -> bool {
    let makes = |hold: &Hold| match hold {
        Hold::Effect(Effect::CreateLink(link)) => link.names().iter().any(|made| made.as_str() == name),
        Hold::Link(link) => link.as_str() == name,
        Hold::Effect(_)
        | Hold::Lock(_)
        | Hold::Node(_)
        | Hold::Image(..)
        | Hold::Temporary(_)
        | Hold::Jail(_)
        | Hold::Helper { .. }
        | Hold::Guest { .. } => false,
    };
    journal.holds.iter().any(makes)
}

fn guests(
    host: &dyn Host,
    name: &VmName,
    journal: &Journal,
    interfaces: &[Interface],
    is_known: bool,
) -> BTreeSet<u32> {
    let noted = journal.holds.iter().filter_map(|hold| evidence::living(host.processes(), name, journal, hold));
    let is_ours =
        |one: &&Interface| one.mark.as_ref() == Some(name) && (!one.is_dated() || is_noted(journal, &one.name));
    let ours = interfaces.iter().filter(is_ours);
    // Whoever else has opened a tap of ours is not ours.
    let openers = ours.filter_map(|one| one.opener).filter(|pid| is_known && host.processes().runs(*pid, name));
    noted.chain(host.processes().strays(name)).chain(openers).collect()
}

fn undo(host: &dyn Host, hold: &Hold, journal: &Journal, same_boot: bool, interfaces: &[Interface], left: &mut Left) {
    let platform = host.settings().platform;
    let there = |name: &str| interfaces.iter().find(|one| one.name == name);
    match hold {
        Hold::Effect(Effect::CreateLink(link)) if link.kind == LinkKind::Tap => {
            let tap = &link.name;
            match there(tap.as_str()) {
                Some(one)
                    if one.mark.as_ref() == Some(&left.name) || jail::was_lent(&journal.holds, one, &left.name) =>
                {
                    left.backs.extend(hold.back(platform).map(Back::Effect))
                }
                Some(_) => left.kept.push(tap.to_string()),
                None => {}
            }
            undo_half(tap, true, same_boot, interfaces, platform, left);
        }
        Hold::Effect(Effect::Join { bridge, member, .. }) => {
            let is_member = |one: &Interface| one.members.iter().any(|name| name == member.as_str());
            if same_boot && there(bridge.as_str()).is_some_and(is_member) {
                left.backs.extend(hold.back(platform).map(Back::Effect));
            }
        }
        Hold::Node(name) if same_boot => undo_node(host, name, left),
        Hold::Jail(jail) if same_boot => jail::undo(host, jail, left),
        Hold::Effect(Effect::Lend { jail, tap }) if same_boot => jail::undo_loan(host, jail, tap, left),
        Hold::Effect(Effect::CreateInner(inner)) if same_boot => jail::undo_inner(host, inner, left),
        Hold::Link(name) => {
            match there(name.as_str()) {
                Some(one) if one.mark.as_ref() == Some(&left.name) && !is_shared(one, interfaces, &left.name) => {
                    left.backs.extend(hold.back(platform).map(Back::Effect));
                }
                Some(_) => left.kept.push(name.to_string()),
                None => {}
            }
            undo_half(name, false, same_boot, interfaces, platform, left);
        }
        // A route has no mark, and without one the host may be out of reach.
        Hold::Effect(Effect::AddRoute(router)) if same_boot => {
            let there = interfaces::default_router(platform, &|argv| host.query(argv), router);
            let is_there = matches!(there, Ok(Some(there)) if there == *router);
            left.kept.extend(is_there.then(|| format!("the default route by {router}")));
        }
        Hold::Effect(Effect::Disk(change)) => made::undo(host, change, left),
        Hold::Effect(Effect::IscsiLogin(session)) if same_boot => sessions::undo(host, session, left),
        Hold::Effect(Effect::MakeCgroup(folder)) if same_boot => undo_group(host, folder, left),
        Hold::Helper { name, id: HelperId::Process(process), socket, .. } if same_boot => {
            undo_helper(host, (name, process, socket.as_deref()), journal, left, hold.back(platform));
        }
        Hold::Temporary(path) if host.file(path).is_some() => left.backs.push(Back::File(path.clone())),
        Hold::Effect(_)
        | Hold::Node(_)
        | Hold::Jail(_)
        | Hold::Temporary(_)
        | Hold::Lock(_)
        | Hold::Image(..)
        | Hold::Helper { .. }
        | Hold::Guest { .. } => {}
    }
}

/// A helper that is still the one is ended. One that calls itself otherwise by now stays. The socket of one that is gone goes, if nobody
/// listens there.
fn undo_helper(
    host: &dyn Host,
    (name, process, socket): (&str, &HelperProcess, Option<&Path>),
    journal: &Journal,
    left: &mut Left,
    back: Option<Effect>,
) {
    let fact = || host.processes().process(process.pid);
    if evidence::is_helper(host.processes(), journal, process) {
        left.backs.extend(back.map(Back::Effect));
    } else if !process.started.is_empty() && fact().is_some_and(|fact| fact.started == process.started) {
        left.kept.push(format!("process {}, which was the helper {name} and calls itself otherwise", process.pid));
    } else if let Some(socket) = socket.filter(|socket| host.file(socket).is_some())
        && !host.is_taken(&Seat::Socket(socket.into()))
    {
        let end = HelperEnd { name: name.into(), id: HelperId::Gone, socket: Some(socket.into()) };
        left.backs.push(Back::Effect(Effect::EndHelper(Box::new(end))));
    }
}

/// Returns whether a dead run has noted that it makes an interface of that name: what is there without a mark may be half of it, which is
/// given back before it is made anew.
pub(crate) fn is_half_made(host: &dyn Host, name: &str) -> bool {
    let is_of = |record: &StateRecord| is_noted(&journal(record), name) && holder(host, &record.name).is_none();
    host.store().records().iter().any(is_of)
}

/// What a run had made on Linux when it was killed before it gave that its name, and with it its mark. By then nothing else was done
/// to it: one that has an alias, an address or members, that is up, open, in a bridge or of another kind is somebody else's, and
/// so is one beside an interface that has its name and our mark already.
fn undo_half(
    name: &InterfaceName,
    is_tap: bool,
    same_boot: bool,
    interfaces: &[Interface],
    platform: Platform,
    left: &mut Left,
) {
    let unnamed = unmarked(name);
    let Some(one) = interfaces.iter().find(|one| one.name == unnamed && platform == Platform::Linux) else { return };
    let is_its = |one: &Interface| one.name == name.as_str() && one.mark.as_ref() == Some(&left.name);
    let is_of_kind = match one.kind {
        InterfaceKind::Tap => is_tap,
        InterfaceKind::Bridge | InterfaceKind::Vlan { .. } | InterfaceKind::Vxlan { .. } | InterfaceKind::Pair => {
            !is_tap
        }
        InterfaceKind::Other => false,
    };
    let is_bare = !one.has_description && one.addresses.is_empty() && one.members.is_empty() && !one.up && !one.is_open;
    let is_free = interfaces::bridge_of(interfaces, &unnamed).is_none() && !interfaces.iter().any(is_its);
    match unnamed.parse() {
        Ok(made) if same_boot && is_of_kind && is_bare && is_free => {
            left.backs.push(Back::Effect(if is_tap { Effect::DestroyTap(made) } else { Effect::DestroyLink(made) }));
        }
        _ => left.kept.push(unnamed),
    }
}

/// A control group goes, which it only does when no process is in it.
fn undo_group(host: &dyn Host, folder: &Path, left: &mut Left) {
    if host.file(folder).is_some() {
        left.backs.push(Back::Effect(Effect::RemoveCgroup(folder.into())));
    }
}

/// A node goes, unless a bhyve runs it that is not known to be the run's: that one would go with it.
fn undo_node(host: &dyn Host, name: &VmName, left: &mut Left) {
    let Some(back) = Hold::Node(name.clone()).back(host.settings().platform) else { return };
    let is_own = |pid: &u32| left.backs.contains(&Back::Guest(*pid));
    match host.processes().bhyves(name) {
        Ok(all) if all.iter().all(is_own) => left.backs.push(Back::Effect(back)),
        Ok(all) => left
            .kept
            .extend(all.iter().filter(|pid| !is_own(pid)).map(|pid| format!("the node {name} of process {pid}"))),
        Err(_) => left.kept.push(format!("the node {name}")),
    }
}

/// Returns whether machines of others use a bridge.
fn is_shared(bridge: &Interface, interfaces: &[Interface], own: &VmName) -> bool {
    let of_others = |one: &&Interface| one.elsewhere.is_some() || one.mark.as_ref().is_some_and(|mark| mark != own);
    interfaces.iter().filter(of_others).any(|one| bridge.members.contains(&one.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> InterfaceName {
        "tap1".parse().unwrap()
    }

    /// What goes and what stays of the interface that a run had not named yet, beside others.
    fn half(one: Interface, is_tap: bool, others: &[Interface]) -> (Vec<Back>, Vec<String>) {
        let (backs, kept, faults) = (Vec::new(), Vec::new(), Vec::new());
        let (machine, dated) = ("web".parse().unwrap(), Vec::new());
        let mut left =
            Left { name: machine, owner: None, backs, kept, dated, faults, goes_on: None, frozen: None, work: None };
        let all: Vec<Interface> = std::iter::once(one).chain(others.iter().cloned()).collect();
        undo_half(&name(), is_tap, true, &all, Platform::Linux, &mut left);
        (left.backs, left.kept)
    }

    #[test]
    fn only_what_is_as_our_own_call_has_made_it_goes_without_a_mark() {
        let bare = |kind| Interface::new("tap1.new", kind);
        let made: InterfaceName = "tap1.new".parse().unwrap();
        let goes = |effect| (vec![Back::Effect(effect)], vec![]);
        assert_eq!(half(bare(InterfaceKind::Tap), true, &[]), goes(Effect::DestroyTap(made.clone())));
        for kind in [InterfaceKind::Bridge, InterfaceKind::Pair] {
            assert_eq!(half(bare(kind), false, &[]), goes(Effect::DestroyLink(made.clone())));
        }
        let tap = || bare(InterfaceKind::Tap);
        let marked = |name: &str| Interface { mark: name.parse().ok(), ..Interface::new("tap1", InterfaceKind::Tap) };
        let bridge = Interface { members: vec!["tap1.new".into()], ..Interface::new("br0", InterfaceKind::Bridge) };
        let address = "10.0.0.1/24".parse().unwrap();
        let others: [(Interface, bool, &[Interface]); 9] = [
            (Interface { has_description: true, ..tap() }, true, &[]),
            (Interface { up: true, ..tap() }, true, &[]),
            (Interface { is_open: true, ..tap() }, true, &[]),
            (Interface { addresses: vec![address], ..tap() }, true, &[]),
            (Interface { members: vec!["eth0".into()], ..bare(InterfaceKind::Bridge) }, false, &[]),
            (bare(InterfaceKind::Other), true, &[]),
            (tap(), false, &[]),
            (tap(), true, &[bridge]),
            (tap(), true, &[marked("web")]),
        ];
        for (one, is_tap, beside) in others {
            assert_eq!(half(one.clone(), is_tap, beside), (vec![], vec!["tap1.new".to_string()]), "{one:?}");
        }
        assert_eq!(half(tap(), true, &[marked("db")]), goes(Effect::DestroyTap(made)));
        assert_eq!(half(Interface::new("tap2.new", InterfaceKind::Tap), true, &[]), (vec![], vec![]));
    }
}
