//! The inventory: the machines of this host, by what state folders and processes say.
//!
//! Whoever may not read a lock file is told what the rest says: the status of a machine in the background, and who the parent of a
//! hypervisor is.

mod entry;

pub(crate) use entry::{Entry, EntryState, down};

pub(crate) use crate::host::replicas::Replicas;

use super::permit::PermitFound;
use crate::host::Kept;
pub(crate) use crate::host::processes::Hypervisor;
use crate::host::processes::HypervisorKind;
use crate::model::instance::INSTANCE;
use crate::model::name::in_order;
use crate::model::{Shape, VmName};
use crate::supervise::holds::Hold;
use crate::supervise::journal::{Journal, Owner, Work};
use crate::supervise::recovery::exports::work_of;
pub(crate) use crate::supervise::status::{MachineState, MachineStatus};
use std::collections::{BTreeMap, BTreeSet};

/// The processes of this host, as far as this user sees them.
pub(crate) struct Seen<'a> {
    /// Processes that run a machine, by any manager.
    pub hypervisors: &'a [Hypervisor],
    /// Whether those of other users are to be seen at all.
    pub sees_others: bool,
    /// Whether a process is a vmrun that lives, by what it calls itself.
    pub is_vmrun: &'a dyn Fn(u32) -> bool,
    /// Whether a process lives.
    pub lives: &'a dyn Fn(u32) -> bool,
    /// Where numbers of processes mean what is seen here.
    pub space: &'a dyn Fn() -> String,
}

/// Returns every machine: those of vmrun by name, then those that others have started.
pub(crate) fn inventory(kept: &[Kept], processes: &Seen<'_>) -> Vec<Entry> {
    let hypervisors = processes.hypervisors;
    let journals: BTreeMap<&VmName, Journal> = kept
        .iter()
        .filter_map(|one| Some((&one.name, Journal::read(one.record.as_ref()?.journal.as_deref()?))))
        .collect();
    let mut rest: Vec<Option<&Hypervisor>> = hypervisors.iter().map(Some).collect();
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, process) in hypervisors.iter().enumerate() {
        by_name.entry(process.name.as_deref().unwrap_or_default()).or_default().push(at);
    }
    let mut all: Vec<Entry> = Vec::new();
    let is_locked = |one: &Kept| one.record.as_ref().is_some_and(|record| record.is_locked);
    let nothing = Journal::default();
    let exported_by = |one: &Kept| {
        let journal = journals.get(&one.name).unwrap_or(&nothing);
        match work_of(&one.name, journal)? {
            Work::Export(machine) => Some(machine),
            Work::Clone(_) | Work::Change(_) => None,
        }
    };
    let exported: BTreeSet<VmName> = kept.iter().filter(|one| is_locked(one)).filter_map(exported_by).collect();
    for one in kept {
        let journal = journals.get(&one.name);
        // An export is no machine, whether it goes on or has left nothing.
        let has_left = journal.is_some_and(|journal| !journal.holds.is_empty());
        if exported_by(one).is_some() && (is_locked(one) || !has_left) {
            continue;
        }
        let whole = journal.and_then(|journal| journal.part_of.as_ref());
        let journal = whole.and_then(|name| journals.get(name)).or(journal);
        let status = one.status.as_deref().and_then(MachineStatus::read).filter(|status| status.name == one.name);
        let is_own = |process: &Hypervisor| is_of(process, one, status.as_ref());
        let named = by_name.get(one.name.as_str()).into_iter().flatten();
        let at = named.copied().find(|at| rest[*at].is_some_and(is_own));
        let process = at.and_then(|at| rest[at].take());
        let entry = entry(one, status, journal, process, processes);
        all.push(if exported.contains(&one.name) { exporting(entry) } else { entry });
    }
    all.sort_by_cached_key(|one| in_order(one.name.as_deref().unwrap_or_default()));
    let mut foreign: Vec<Entry> = rest.into_iter().flatten().map(foreign).collect();
    foreign.sort_by(|one, other| one.name.cmp(&other.name));
    all.append(&mut foreign);
    all
}

/// Whether a hypervisor that has its name is that of a machine of ours: a bhyve by its name, of which there is one on a host, a QEMU by the folder of its
/// machine's state.
fn is_of(process: &Hypervisor, one: &Kept, status: Option<&MachineStatus>) -> bool {
    let is_noted = status.is_some_and(|status| status.guest == Some(process.pid));
    let is_in_folder = match &process.folder {
        Some(folder) => *folder == one.folder,
        None => process.kind == HypervisorKind::Bhyve,
    };
    is_noted || is_in_folder
}

fn entry(
    one: &Kept,
    status: Option<MachineStatus>,
    journal: Option<&Journal>,
    process: Option<&Hypervisor>,
    processes: &Seen<'_>,
) -> Entry {
    let owner = journal.and_then(|journal| journal.owner.as_ref());
    // Of a lock that may not be read the hypervisor's parent tells.
    let known = status.as_ref().and_then(|it| it.supervisor).or(owner.map(|owner| owner.pid));
    let asked = known.or(process.map(|process| process.parent).filter(|_| one.record.is_none()));
    let is_free = one.record.as_ref().map_or(!one.has_lock, |record| !record.is_locked);
    // A program may be renamed while it runs: whoever holds the lock, or has started the hypervisor, needs no name.
    let is_locked = one.record.as_ref().is_some_and(|record| record.is_locked);
    let has_started =
        |pid: u32| is_locked || known == Some(pid) && process.is_some_and(|process| process.parent == pid);
    // Whoever holds a lock in other namespaces or another jail need not be seen.
    let is_elsewhere = owner.is_some_and(|owner| owner.is_elsewhere(processes.space));
    let is_its =
        |pid: u32| (processes.is_vmrun)(pid) || has_started(pid) && (processes.lives)(pid) || is_locked && is_elsewhere;
    let supervisor = asked.filter(|pid| !is_free && is_its(*pid));
    let state = match (&status, supervisor) {
        (Some(status), Some(_)) => EntryState::Supervised(status.state),
        (Some(status), None) if status.state == MachineState::Failed => EntryState::Supervised(MachineState::Failed),
        (None, Some(_)) => EntryState::Foreground,
        (Some(_), None) if process.is_some() => EntryState::Unsupervised,
        (None, None) if journal.is_some_and(|journal| journal.in_background) && process.is_some() => {
            EntryState::Unsupervised
        }
        // The moment in which a run begins, and has not written yet whose it is.
        (None, None) if is_locked && owner.is_none() => EntryState::Supervised(MachineState::Starting),
        (None, None) if one.record.is_none() && process.is_none() => EntryState::Unknown,
        // Who sees no process of others cannot tell that its owner's are dead.
        (_, None) if one.record.is_none() && one.has_lock && process.is_none() && !processes.sees_others => {
            EntryState::Unknown
        }
        (_, None) => EntryState::Left,
    };
    let noted = status.as_ref().map(|status| status.shape.clone()).unwrap_or_default();
    let is_alone =
        |journal: &&Journal| journal.holds.iter().all(|hold| !matches!(hold, Hold::Lock(other) if *other != one.name));
    let own = journal.filter(is_alone).map(of_holds).unwrap_or_default();
    // A processor that the guest has not started has no thread (12.1).
    let running_cpus =
        Shape { cpus: journal.and_then(|journal| journal.vcpus.get(&one.name).copied()), ..Shape::default() };
    Entry {
        name: Some(one.name.to_string()),
        state,
        supervisor,
        shape: noted.or(running_cpus).or(process.map(|process| process.shape.clone()).unwrap_or_default()).or(own),
        process: process.cloned(),
        recipe: recipe(status.as_ref(), owner),
        instance: status.as_ref().and_then(|it| it.params.get(INSTANCE).cloned()),
        status,
        elsewhere: owner.filter(|_| is_elsewhere).map(Owner::whereabouts),
        permit: journal.and_then(PermitFound::noted),
        ..down("", "", None)
    }
}

/// A machine that is exported: whoever has its lock and is none of its runs is the export.
fn exporting(entry: Entry) -> Entry {
    let has_run = entry.supervisor.is_some() || entry.process.is_some() || entry.status.is_some();
    let begins = entry.state == EntryState::Supervised(MachineState::Starting) && !has_run;
    Entry { state: if begins { EntryState::Exporting } else { entry.state }, is_exported: true, ..entry }
}

/// The recipe of a machine, if that is known.
fn recipe(status: Option<&MachineStatus>, owner: Option<&Owner>) -> Option<String> {
    let known = status.map(|status| &status.recipe).or(owner.map(|owner| &owner.recipe));
    known.filter(|recipe| !recipe.is_empty()).cloned()
}

/// What a journal tells of a machine: its disks and its taps.
fn of_holds(journal: &Journal) -> Shape {
    let mut shape = Shape::default();
    for hold in &journal.holds {
        match hold {
            Hold::Image(path, _) => shape.disks.push(path.display().to_string()),
            Hold::Effect(effect) => shape.taps.extend(effect.made_tap().map(ToString::to_string)),
            Hold::Lock(_)
            | Hold::Node(_)
            | Hold::Temporary(_)
            | Hold::Link(_)
            | Hold::Jail(_)
            | Hold::Helper { .. }
            | Hold::Guest { .. } => {}
        }
    }
    shape
}

fn foreign(process: &Hypervisor) -> Entry {
    Entry {
        name: process.name.clone(),
        state: EntryState::Foreign,
        shape: process.shape.clone(),
        process: Some(process.clone()),
        recipe: None,
        ..down("", "", None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::store::StateRecord;
    use crate::model::Size;
    use crate::supervise::journal::{self, Owner};
    use std::path::PathBuf;
    use std::time::Duration;

    fn process(pid: u32, parent: u32, kind: HypervisorKind, name: &str, folder: Option<&str>) -> Hypervisor {
        Hypervisor {
            pid,
            parent,
            kind,
            name: Some(name.into()).filter(|name: &String| !name.is_empty()),
            uptime: Duration::from_secs(60),
            cpu: 5,
            used: None,
            resident: Size::mib(64),
            shape: Shape { cpus: Some(4), ..Shape::default() },
            folder: folder.map(PathBuf::from),
        }
    }

    fn owner(pid: u32) -> String {
        journal::begun_by(&Owner { pid, recipe: format!("/vm/{pid}.rhai"), ..Owner::default() })
    }

    /// The lock file of a machine.
    enum Lock {
        Absent,
        /// It may not be read.
        Secret,
        Locked(String),
        Free(String),
    }

    /// What a state folder has of a machine: its status and supervisor, and the lock with its journal.
    fn kept(name: &str, status: Option<(&str, u32)>, lock: Lock) -> Kept {
        let text = |(state, supervisor): (&str, u32)| {
            format!(
                "{{\"name\":\"{name}\",\"state\":\"{state}\",\"since\":1,\"recipe\":\"/vm/{name}.rhai\",\"supervisor\":{supervisor}}}"
            )
        };
        let name: VmName = name.parse().unwrap();
        let has_lock = !matches!(lock, Lock::Absent);
        let record = |is_locked, journal: String| {
            let journal = Some(journal).filter(|text| !text.is_empty());
            Some(StateRecord { name: name.clone(), is_locked, journal })
        };
        let record = match lock {
            Lock::Absent | Lock::Secret => None,
            Lock::Locked(text) => record(true, text),
            Lock::Free(text) => record(false, text),
        };
        Kept { folder: format!("/run/{name}").into(), status: status.map(text), has_lock, record, name }
    }

    /// The machines in short: name, state, supervisor, hypervisor, recipe. Processes below 100 are vmrun's.
    fn short(kept: &[Kept], hypervisors: &[Hypervisor]) -> Vec<String> {
        shown(&inventory(
            kept,
            &Seen {
                hypervisors,
                sees_others: true,
                is_vmrun: &|pid| pid < 100,
                lives: &|pid| pid < 400,
                space: &String::new,
            },
        ))
    }

    fn shown(all: &[Entry]) -> Vec<String> {
        let number = |pid: Option<u32>| pid.map_or("-".into(), |pid| pid.to_string());
        all.iter()
            .map(|one| {
                let (name, recipe) = (one.name.as_deref().unwrap_or("-"), one.recipe.as_deref().unwrap_or("-"));
                let pid = number(one.process.as_ref().map(|it| it.pid));
                format!("{name} {} {} {pid} {recipe}", one.state, number(one.supervisor))
            })
            .collect()
    }

    #[test]
    fn an_export_is_no_machine_and_told_of_its_own() {
        let exports = |name: &str| journal::of_work(&Work::Export(name.parse().unwrap()));
        let left = [exports("left"), journal::taken(&Hold::Temporary("/vm/web.img.export".into()))].concat();
        let all = [
            kept("db", Some(("running", 1)), Lock::Locked(owner(1))),
            kept("db.export", None, Lock::Locked(exports("db"))),
            kept("web", None, Lock::Locked(String::new())),
            kept("web.export", None, Lock::Locked(exports("web"))),
            kept("begins", None, Lock::Locked(String::new())),
            kept("begins.export", None, Lock::Free(exports("begins"))),
            kept("left.export", None, Lock::Free(left)),
            // One that is called so.
            kept("own.export", None, Lock::Locked(owner(2))),
        ];
        assert_eq!(
            short(&all, &[]),
            [
                "begins starting - - -",
                "db running 1 - /vm/db.rhai",
                "left.export left - - -",
                "own.export foreground 2 - /vm/2.rhai",
                "web exporting - - -"
            ]
        );
    }

    #[test]
    fn a_machine_stands_as_its_folder_and_its_processes_say() {
        let all = [
            kept("running", Some(("running", 1)), Lock::Locked(owner(1))),
            kept("waiting", Some(("waiting", 2)), Lock::Locked(owner(2))),
            kept("held", Some(("held", 3)), Lock::Absent),
            kept("orphan", Some(("running", 400)), Lock::Free([owner(400), journal::in_background()].concat())),
            kept("dead", Some(("running", 401)), Lock::Free(owner(401))),
            kept("front", None, Lock::Locked(owner(5))),
            kept("half", None, Lock::Locked("vmru".into())),
            kept("begins", None, Lock::Locked(String::new())),
            kept("killed", None, Lock::Free(owner(402))),
            kept("another", None, Lock::Locked(journal::part_of(&"front".parse().unwrap()))),
        ];
        let bhyve = |pid, name| process(pid, 1, HypervisorKind::Bhyve, name, None);
        let hypervisors = [
            bhyve(201, "running"),
            bhyve(204, "orphan"),
            bhyve(205, "front"),
            bhyve(206, "bare"),
            bhyve(207, "killed"),
        ];
        assert_eq!(
            short(&all, &hypervisors),
            [
                "another foreground 5 - /vm/5.rhai",
                "begins starting - - -",
                "dead left - - /vm/dead.rhai",
                "front foreground 5 205 /vm/5.rhai",
                "half starting - - -",
                "held held - - /vm/held.rhai",
                "killed left - 207 /vm/402.rhai",
                "orphan unsupervised - 204 /vm/orphan.rhai",
                "running running 1 201 /vm/running.rhai",
                "waiting waiting 2 - /vm/waiting.rhai",
                "bare foreign - 206 -",
            ]
        );
    }

    #[test]
    fn whoever_holds_a_lock_elsewhere_need_not_be_seen() {
        let there = |pid| [owner(pid), journal::in_space("host"), journal::in_background()].concat();
        let all = [
            kept("back", Some(("running", 500)), Lock::Locked(there(500))),
            kept("front", None, Lock::Locked(there(501))),
            kept("dead", Some(("running", 502)), Lock::Free(there(502))),
        ];
        let from = |space: &'static str| {
            let (is_vmrun, lives, space) = (&|pid| pid < 100, &|pid| pid < 400, &|| space.to_string());
            inventory(&all, &Seen { hypervisors: &[], sees_others: true, is_vmrun, lives, space })
        };
        let jailed = from("jail:web.example.org");
        assert_eq!(
            shown(&jailed),
            ["back running 500 - /vm/back.rhai", "dead left - - /vm/dead.rhai", "front foreground 501 - /vm/501.rhai"]
        );
        assert!(jailed.iter().all(|one| one.elsewhere.as_deref() == Some("on the host of this jail")));
        let here = from("host");
        assert!(here.iter().all(|one| one.state == EntryState::Left && one.elsewhere.is_none()), "{:?}", shown(&here));
    }

    #[test]
    fn whoever_may_not_read_a_lock_is_told_what_the_rest_says() {
        let all = [
            kept("back", Some(("running", 1)), Lock::Secret),
            kept("orphan", Some(("running", 400)), Lock::Secret),
            kept("front", None, Lock::Secret),
            kept("killed", None, Lock::Secret),
            kept("silent", None, Lock::Secret),
        ];
        let qemu =
            |pid, parent, name: &str| process(pid, parent, HypervisorKind::Qemu, name, Some(&format!("/run/{name}")));
        let elsewhere = process(209, 1, HypervisorKind::Qemu, "front", Some("/home/somebody/front"));
        let hypervisors = [
            qemu(201, 1, "back"),
            qemu(202, 500, "orphan"),
            qemu(203, 7, "front"),
            qemu(204, 500, "killed"),
            elsewhere,
            process(210, 1, HypervisorKind::Qemu, "", None),
        ];
        assert_eq!(
            short(&all, &hypervisors),
            [
                "back running 1 201 /vm/back.rhai",
                "front foreground 7 203 -",
                "killed left - 204 -",
                "orphan unsupervised - 202 /vm/orphan.rhai",
                "silent unknown - - -",
                "- foreign - 210 -",
                "front foreign - 209 -",
            ]
        );
    }

    #[test]
    fn who_sees_no_process_of_others_is_not_told_that_theirs_are_dead() {
        let all = [
            kept("back", Some(("running", 1)), Lock::Secret),
            kept("front", None, Lock::Secret),
            kept("gone", Some(("running", 1)), Lock::Absent),
            kept("held", Some(("held", 3)), Lock::Absent),
            kept("own", Some(("running", 400)), Lock::Free(owner(400))),
        ];
        let seen = |sees_others| {
            shown(&inventory(
                &all,
                &Seen { hypervisors: &[], sees_others, is_vmrun: &|_| false, lives: &|_| false, space: &String::new },
            ))
        };
        let rest = [
            "front unknown - - -",
            "gone left - - /vm/gone.rhai",
            "held held - - /vm/held.rhai",
            "own left - - /vm/own.rhai",
        ];
        assert_eq!(seen(false), [&["back unknown - - /vm/back.rhai"], &rest[..]].concat());
        assert_eq!(seen(true), [&["back left - - /vm/back.rhai"], &rest[..]].concat());
    }

    #[test]
    fn a_program_that_was_renamed_while_it_runs_looks_after_its_machines_all_the_same() {
        let all = [
            kept("locked", Some(("running", 300)), Lock::Locked(owner(300))),
            kept("front", None, Lock::Locked(owner(301))),
            // Its last command still holds the lock.
            kept("killed", Some(("running", 500)), Lock::Locked(owner(500))),
            kept("secret", Some(("running", 302)), Lock::Secret),
            kept("reused", Some(("running", 303)), Lock::Secret),
        ];
        let bhyve = |pid, parent, name| process(pid, parent, HypervisorKind::Bhyve, name, None);
        let hypervisors =
            [bhyve(200, 300, "locked"), bhyve(203, 302, "secret"), bhyve(204, 1, "reused"), bhyve(205, 1, "killed")];
        assert_eq!(
            short(&all, &hypervisors),
            [
                "front foreground 301 - /vm/301.rhai",
                "killed unsupervised - 205 /vm/killed.rhai",
                "locked running 300 200 /vm/locked.rhai",
                "reused unsupervised - 204 /vm/reused.rhai",
                "secret running 302 203 /vm/secret.rhai",
            ]
        );
    }

    #[test]
    fn vcpus_are_those_that_were_configured_and_else_those_that_have_a_thread() {
        let running_cpus = [owner(5), journal::vcpus(&"front".parse().unwrap(), 8)].concat();
        let all = [kept("front", None, Lock::Locked(running_cpus)), kept("old", None, Lock::Locked(owner(6)))];
        let hypervisors = ["front", "old"].map(|name| process(200, 5, HypervisorKind::Bhyve, name, None));
        let seen = Seen {
            hypervisors: &hypervisors,
            sees_others: true,
            is_vmrun: &|pid| pid < 100,
            lives: &|pid| pid < 400,
            space: &String::new,
        };
        let cpus: Vec<Option<u64>> = inventory(&all, &seen).iter().map(|one| one.shape.cpus).collect();
        assert_eq!(cpus, [Some(8), Some(4)]);
    }
}
