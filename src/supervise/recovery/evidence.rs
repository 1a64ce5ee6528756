//! What says that a process of a journal lives, and that the host was not started anew since.
//!
//! Clocks may be set while machines run, so that what is computed from them says no to nothing by itself. A lock that is held was
//! taken in this boot; a bhyve that has the machine's name and the noted number is the machine's; what the kernel calls its start
//! (`kern.boot_id`), and when a process was started since then, are the same before a step of the clock and behind it.

use crate::host::helper::HelperProcess;
use crate::host::{Interface, ProcessFact, ProcessTable, SameBoot};
use crate::model::VmName;
use crate::supervise::holds::Hold;
use crate::supervise::journal::{Journal, Owner};

/// Returns whether the owner of a journal lives whose lock somebody holds: it, or a command that it has started. Only a process that
/// is known to be another is not it.
pub(super) fn is_alive(processes: &dyn ProcessTable, name: &VmName, journal: &Journal) -> bool {
    let Some(owner) = &journal.owner else { return false };
    let Some(fact) = processes.process(owner.pid) else { return false };
    let boot = boot(processes, journal);
    if boot == SameBoot::No || processes.has_lock(owner.pid, name) == Some(false) {
        return false;
    }
    is_of_then(processes, journal, (owner.pid, &owner.started), &fact)
        .unwrap_or_else(|| boot == SameBoot::Yes || fact.is_vmrun())
}

/// Returns whether the owner of a journal is certainly a process, so that it may be sent a signal: it lives, and was started when the
/// journal says, or is a vmrun where nobody knows when that was.
pub(super) fn is_certain(processes: &dyn ProcessTable, name: &VmName, journal: &Journal) -> bool {
    let Some((owner, fact)) = journal.owner.as_ref().and_then(|owner| Some((owner, processes.process(owner.pid)?)))
    else {
        return false;
    };
    let is_same =
        || is_of_then(processes, journal, (owner.pid, &owner.started), &fact).unwrap_or_else(|| fact.is_vmrun());
    is_alive(processes, name, journal) && !is_elsewhere(processes, journal) && is_same()
}

/// Returns whether a process was started when a journal says; nothing where that is not known.
fn is_of_then(
    processes: &dyn ProcessTable,
    journal: &Journal,
    (pid, started): (u32, &str),
    fact: &ProcessFact,
) -> Option<bool> {
    if !started.is_empty() {
        return Some(started == fact.started);
    }
    let noted = journal.starts.get(&pid)?;
    let seen = processes.witness(&[pid]).starts.get(&pid).copied()?;
    // Both are told in whole seconds.
    Some(noted.abs_diff(seen) <= 1)
}

/// Returns the machines that a run has booted: the one that its journal is with, and what the journal says of others.
pub(super) fn booted<'a>(name: &'a VmName, journal: &'a Journal) -> impl Iterator<Item = &'a VmName> {
    let other = |hold: &'a Hold| match hold {
        Hold::Lock(other) | Hold::Node(other) => Some(other),
        Hold::Effect(_)
        | Hold::Image(..)
        | Hold::Temporary(_)
        | Hold::Link(_)
        | Hold::Jail(_)
        | Hold::Helper { .. }
        | Hold::Guest { .. } => None,
    };
    std::iter::once(name).chain(journal.holds.iter().filter_map(other).filter(move |other| *other != name))
}

/// Returns the process of a journal's guest that lives: it has the number, was started then, and certainly runs this machine, or
/// another one that the same run has booted.
pub(super) fn living(processes: &dyn ProcessTable, name: &VmName, journal: &Journal, hold: &Hold) -> Option<u32> {
    let Hold::Guest { pid, started } = hold else { return None };
    let fact = processes.process(*pid)?;
    let is_its = booted(name, journal).any(|name| processes.runs(*pid, name));
    let is_same = is_its && is_of_then(processes, journal, (*pid, started), &fact) != Some(false);
    is_same.then_some(*pid)
}

/// Returns whether the helper of a journal lives: it has the number, was started then, and has the command line. Where nobody knows
/// when it was started the command line tells.
pub(super) fn is_helper(processes: &dyn ProcessTable, journal: &Journal, helper: &HelperProcess) -> bool {
    let Some(fact) = processes.process(helper.pid) else { return false };
    helper.has_command_of(&fact) && is_of_then(processes, journal, (helper.pid, &helper.started), &fact) != Some(false)
}

/// Returns whether a journal is of a run in other namespaces or another jail: the numbers of its processes and the names of its
/// interfaces mean nothing here.
pub(super) fn is_elsewhere(processes: &dyn ProcessTable, journal: &Journal) -> bool {
    journal.owner.as_ref().is_some_and(|owner| is_of_elsewhere(processes, owner))
}

/// Returns whether a run is in other namespaces or another jail.
pub(super) fn is_of_elsewhere(processes: &dyn ProcessTable, owner: &Owner) -> bool {
    owner.is_elsewhere(|| processes.space())
}

/// Returns whether the host was not started anew since a journal was begun. Where only clocks tell, and tell that it was, whatever
/// of the run no kernel outlives says that they were set: its guest, or an interface with its mark.
pub(super) fn is_same_boot(
    processes: &dyn ProcessTable,
    name: &VmName,
    journal: &Journal,
    interfaces: &[Interface],
) -> bool {
    match boot(processes, journal) {
        _ if is_elsewhere(processes, journal) => false,
        SameBoot::Yes => true,
        SameBoot::No => false,
        SameBoot::Unsure => {
            interfaces.iter().any(|one| one.mark.as_ref() == Some(name))
                || journal.holds.iter().any(|hold| living(processes, name, journal, hold).is_some())
        }
    }
}

/// Returns whether the host was started anew since a journal was begun, as far as that is known.
pub(super) fn boot(processes: &dyn ProcessTable, journal: &Journal) -> SameBoot {
    let Some(owner) = &journal.owner else { return SameBoot::Yes };
    let id = journal.boot.as_ref().and_then(|noted| Some((noted, processes.witness(&[]).boot?)));
    match id {
        Some((noted, now)) if *noted == now => SameBoot::Yes,
        Some(_) => SameBoot::No,
        None => SameBoot::of(&owner.boot, &processes.identity().boot),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Fault;
    use crate::host::{Identity, InterfaceKind, Witness};
    use crate::supervise::journal::{begun_by, witnessed};

    /// A host of which is known what a test says.
    #[derive(Clone, Default)]
    struct Table {
        boot: &'static str,
        space: &'static str,
        has_lock: Option<bool>,
        id: Option<&'static str>,
        /// Number, when it was started as the system tells it and since the boot, command.
        processes: Vec<(u32, &'static str, Option<i64>, &'static str)>,
    }

    impl ProcessTable for Table {
        fn identity(&self) -> Identity {
            Identity { boot: self.boot.into(), ..Identity::default() }
        }

        fn witness(&self, pids: &[u32]) -> Witness {
            let asked = self.processes.iter().filter(|(pid, ..)| pids.contains(pid));
            let starts = asked.filter_map(|(pid, _, start, _)| Some((*pid, (*start)?))).collect();
            Witness { boot: self.id.map(Into::into), starts }
        }

        fn started(&self, _: u32) -> String {
            String::new()
        }

        fn process(&self, pid: u32) -> Option<ProcessFact> {
            let (_, started, _, command) = self.processes.iter().find(|(known, ..)| *known == pid)?;
            Some(ProcessFact { started: (*started).into(), command: (*command).into() })
        }

        fn exists(&self, pid: u32) -> bool {
            self.process(pid).is_some()
        }

        fn runs(&self, pid: u32, name: &VmName) -> bool {
            self.process(pid).is_some_and(|fact| fact.is_bhyve_of(name))
        }

        fn has_lock(&self, _: u32, _: &VmName) -> Option<bool> {
            self.has_lock
        }

        fn space(&self) -> String {
            self.space.into()
        }

        fn answers(&self, _: &VmName) -> Option<bool> {
            None
        }

        fn strays(&self, _: &VmName) -> Vec<u32> {
            Vec::new()
        }

        fn bhyves(&self, _: &VmName) -> Result<Vec<u32>, Fault> {
            Ok(Vec::new())
        }

        fn pause(&self) {}
    }

    const VMRUN: &str = "/usr/local/bin/vmrun supervise /vm/web.rhai";

    fn web() -> VmName {
        "web".parse().unwrap()
    }

    /// The journal of process 7, begun in this boot by the clock; what a newer vmrun adds, as that boot's id and a start.
    fn journal(boot: &str, started: &str, known: Option<(&str, i64)>) -> Journal {
        let owner = Owner { pid: 7, boot: boot.into(), started: started.into(), ..Owner::default() };
        let witness = known.map(|(id, start)| Witness { boot: Some(id.into()), starts: [(7, start)].into() });
        let mut journal = Journal::read(&[begun_by(&owner), witnessed(&witness.unwrap_or_default())].concat());
        journal.holds.push(Hold::Guest { pid: 8, started: String::new() });
        journal
    }

    /// A FreeBSD, as its clock is set now: process 7 was started then, and 8 is what.
    fn freebsd(boot: &'static str, id: &'static str, owner: (i64, &'static str), guest: &'static str) -> Table {
        let processes = vec![(7, "", Some(owner.0), owner.1), (8, "", None, guest)];
        Table { boot, id: Some(id), processes, ..Table::default() }
    }

    const THEN: &str = "1795875026";
    const SET_BY_AN_HOUR: &str = "1795878626";

    #[test]
    fn an_owner_lives_whatever_the_clock_says_unless_it_is_known_to_be_another() {
        let new = |id, start| journal(THEN, "", Some((id, start)));
        let alive = |journal: &Journal, boot, id, start, command| {
            is_alive(&freebsd(boot, id, (start, command), "bhyve: web (bhyve)"), &web(), journal)
        };
        for boot in [THEN, SET_BY_AN_HOUR] {
            assert!(alive(&new("a", 40), boot, "a", 40, VMRUN));
            assert!(alive(&new("a", 40), boot, "a", 41, VMRUN));
            // It was renamed, or an upgrade has replaced it.
            assert!(alive(&new("a", 40), boot, "a", 40, "/root/vmrun.old supervise /vm/web.rhai"));
            // Another process of that number; another boot.
            assert!(!alive(&new("a", 40), boot, "a", 42, VMRUN));
            assert!(!alive(&new("a", 40), boot, "b", 40, VMRUN));
            // What an older vmrun wrote.
            assert!(alive(&journal(THEN, "", None), boot, "a", 40, VMRUN));
        }
        assert!(alive(&journal(THEN, "", None), THEN, "a", 40, "sleep 60"));
        assert!(!alive(&journal(THEN, "", None), SET_BY_AN_HOUR, "a", 40, "sleep 60"));
        // Where ps does not tell when it was started its name does.
        let mut silent = freebsd(SET_BY_AN_HOUR, "a", (40, VMRUN), "");
        (silent.id, silent.processes[0].2) = (None, None);
        assert!(is_alive(&silent, &web(), &new("a", 40)));
        assert!(!is_alive(&Table { boot: THEN, ..Table::default() }, &web(), &new("a", 40)));
        assert!(!is_alive(&silent, &web(), &Journal::default()));
    }

    #[test]
    fn a_process_of_linux_is_the_one_that_was_started_at_that_tick_of_that_boot() {
        let alive = |noted: &str, boot: &'static str, started: &'static str| {
            let table = Table { boot, processes: vec![(7, started, None, VMRUN)], ..Table::default() };
            is_alive(&table, &web(), &journal(noted, "81213", None))
        };
        assert!(alive("6d1f-a", "6d1f-a", "81213"));
        assert!(!alive("6d1f-a", "6d1f-a", "81214") && !alive("6d1f-a", "6d1f-b", "81213"));
        // The id of a boot could not be read.
        assert!(alive("", "6d1f-a", "81213") && alive("6d1f-a", "", "81213") && !alive("", "", "81214"));
    }

    #[test]
    fn a_guest_lives_where_a_bhyve_of_its_name_has_its_number_and_was_started_then() {
        let old = journal(THEN, "", None);
        let lives = |command| {
            living(&freebsd(SET_BY_AN_HOUR, "a", (40, VMRUN), command), &web(), &old, &old.holds[0]).is_some()
        };
        assert!(lives("bhyve: web (bhyve)") && lives("bhyve -c 1 -s 29,fbuf,wait web"));
        for other in ["bhyve: web2 (bhyve)", "bhyve: db (bhyve)", "vi web", "sleep 60", "/sbin/init --", "bhyve web db"]
            .into_iter()
            .chain(["bhyve: my web (bhyve)", "bhyve: web (bhyve) x", "mariadbd web", "qemu-system-x86_64 -name web"])
        {
            assert!(!lives(other), "{other}");
        }
        assert_eq!(living(&Table::default(), &web(), &old, &old.holds[0]), None);
        // Another bhyve of that name which got the number later, and the same one whose start is told in another second.
        let mut new = old.clone();
        new.starts.insert(8, 41);
        let started = |start| {
            let mut table = freebsd(THEN, "a", (40, VMRUN), "bhyve: web (bhyve)");
            table.processes[1].2 = start;
            living(&table, &web(), &new, &new.holds[0]).is_some()
        };
        assert!(started(Some(41)) && started(Some(42)) && !started(Some(43)) && !started(Some(9000)));
        // ps does not tell: its title does.
        assert!(started(None));
    }

    #[test]
    fn a_process_gets_a_signal_only_if_it_is_certainly_the_owner() {
        let certain = |table: &Table, journal: &Journal| is_certain(table, &web(), journal);
        let (old, new) = (journal(THEN, "", None), journal(THEN, "", Some(("a", 40))));
        let table = |start, command| freebsd(THEN, "a", (start, command), "");
        assert!(certain(&table(40, VMRUN), &new) && certain(&table(40, "/root/vmrun.old start"), &new));
        assert!(!certain(&table(42, VMRUN), &new) && !certain(&table(42, "mariadbd"), &new));
        // Where nobody knows when it was started it has to be a vmrun.
        assert!(certain(&table(40, VMRUN), &old) && !certain(&table(40, "mariadbd"), &old));
        // Somebody else has the lock; a run elsewhere whose number is another's here.
        assert!(!certain(&Table { has_lock: Some(false), ..table(40, VMRUN) }, &new));
        assert!(certain(&Table { has_lock: Some(true), ..table(40, VMRUN) }, &new));
        let mut there = new;
        there.owner.as_mut().unwrap().space = "jail:web.example.org".into();
        assert!(certain(&Table { space: "jail:web.example.org", ..table(40, VMRUN) }, &there));
        assert!(!certain(&Table { space: "jail:db.example.org", ..table(40, VMRUN) }, &there));
        assert!(!certain(&Table { space: "host", ..table(40, VMRUN) }, &there));
    }

    #[test]
    fn a_boot_is_the_same_one_if_something_of_the_run_lives_that_no_kernel_outlives() {
        let mark = |name: &str| Interface { mark: name.parse().ok(), ..Interface::new("tap1", InterfaceKind::Tap) };
        let same = |journal: &Journal, boot, id, guest, mark_of: &str| {
            is_same_boot(&freebsd(boot, id, (40, "sh"), guest), &web(), journal, &[mark(mark_of)])
        };
        let (old, new) = (journal(THEN, "", None), journal(THEN, "", Some(("a", 40))));
        assert!(same(&old, THEN, "a", "sh", "db") && !same(&old, SET_BY_AN_HOUR, "a", "sh", "db"));
        assert!(same(&old, SET_BY_AN_HOUR, "a", "bhyve: web (bhyve)", "db"));
        assert!(same(&old, SET_BY_AN_HOUR, "a", "sh", "web"));
        assert!(same(&new, SET_BY_AN_HOUR, "a", "sh", "db"));
        // It was started anew within a minute, and somebody has the same name and number.
        assert!(!same(&new, THEN, "b", "bhyve: web (bhyve)", "web"));
        assert!(same(&Journal::default(), THEN, "a", "sh", "db"));
    }
}
