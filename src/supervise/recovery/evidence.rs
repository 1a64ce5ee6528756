//! What says that a process of a journal lives, and that the host was not started anew since.
//!
//! Clocks may be set while machines run, so that what is computed from them says no to nothing by itself. A lock that is held was
//! taken in this boot; a bhyve that has the machine's name and the noted number is the machine's; what the kernel calls its start
//! (`kern.boot_id`), and when a process was started since then, are the same before a step of the clock and behind it.

use crate::host::{Interface, ProcessTable, SameBoot};
use crate::model::VmName;
use crate::supervise::journal::Journal;
use crate::supervise::leases::Lease;

/// Returns whether the owner of a journal lives whose lock somebody holds: it, or a command that it has started. Only a process that
/// is known to be another is not it.
pub(super) fn is_alive(processes: &dyn ProcessTable, journal: &Journal) -> bool {
    let Some(owner) = &journal.owner else { return false };
    let Some(fact) = processes.process(owner.pid) else { return false };
    let boot = boot(processes, journal);
    if boot == SameBoot::No {
        return false;
    }
    if !owner.started.is_empty() {
        return owner.started == fact.started;
    }
    let seen = || processes.witness(&[owner.pid]).starts.get(&owner.pid).copied();
    match journal.start.map(|noted| (noted, seen())) {
        // Both are told in whole seconds.
        Some((noted, Some(seen))) => noted.abs_diff(seen) <= 1,
        _ => boot == SameBoot::Yes || fact.is_vmrun(),
    }
}

/// Returns the process of a journal's guest that lives.
pub(super) fn living(processes: &dyn ProcessTable, name: &VmName, lease: &Lease) -> Option<u32> {
    let Lease::Guest { pid, started } = lease else { return None };
    let fact = processes.process(*pid)?;
    let is_same = started.is_empty() || *started == fact.started;
    (is_same && fact.runs(name)).then_some(*pid)
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
        SameBoot::Yes => true,
        SameBoot::No => false,
        SameBoot::Unsure => {
            interfaces.iter().any(|one| one.mark.as_ref() == Some(name))
                || journal.leases.iter().any(|lease| living(processes, name, lease).is_some())
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
    use crate::host::{Identity, InterfaceKind, ProcessFact, Witness};
    use crate::supervise::journal::{Owner, begun_by, witnessed};

    /// A host of which is known what a test says.
    #[derive(Clone, Default)]
    struct Table {
        boot: &'static str,
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
        let mut journal = Journal::read(&[begun_by(&owner), witnessed(7, &witness.unwrap_or_default())].concat());
        journal.leases.push(Lease::Guest { pid: 8, started: String::new() });
        journal
    }

    /// A FreeBSD, as its clock is set now: process 7 was started then, and 8 is what.
    fn freebsd(boot: &'static str, id: &'static str, owner: (i64, &'static str), guest: &'static str) -> Table {
        let processes = vec![(7, "", Some(owner.0), owner.1), (8, "", None, guest)];
        Table { boot, id: Some(id), processes }
    }

    const THEN: &str = "1795875026";
    const SET_BY_AN_HOUR: &str = "1795878626";

    #[test]
    fn an_owner_lives_whatever_the_clock_says_unless_it_is_known_to_be_another() {
        let new = |id, start| journal(THEN, "", Some((id, start)));
        let alive = |journal: &Journal, boot, id, start, command| {
            is_alive(&freebsd(boot, id, (start, command), "bhyve: web (bhyve)"), journal)
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
        assert!(is_alive(&silent, &new("a", 40)));
        assert!(!is_alive(&Table { boot: THEN, ..Table::default() }, &new("a", 40)));
        assert!(!is_alive(&silent, &Journal::default()));
    }

    #[test]
    fn a_process_of_linux_is_the_one_that_was_started_at_that_tick_of_that_boot() {
        let alive = |noted: &str, boot: &'static str, started: &'static str| {
            let table = Table { boot, id: None, processes: vec![(7, started, None, VMRUN)] };
            is_alive(&table, &journal(noted, "81213", None))
        };
        assert!(alive("6d1f-a", "6d1f-a", "81213"));
        assert!(!alive("6d1f-a", "6d1f-a", "81214") && !alive("6d1f-a", "6d1f-b", "81213"));
        // The id of a boot could not be read.
        assert!(alive("", "6d1f-a", "81213") && alive("6d1f-a", "", "81213") && !alive("", "", "81214"));
    }

    #[test]
    fn a_guest_lives_where_a_bhyve_of_its_name_has_its_number() {
        let lease = Lease::Guest { pid: 8, started: String::new() };
        let lives = |command| living(&freebsd(SET_BY_AN_HOUR, "a", (40, VMRUN), command), &web(), &lease).is_some();
        assert!(lives("bhyve: web (bhyve)") && lives("bhyve -c 1 -s 29,fbuf,wait web"));
        for other in ["bhyve: web2 (bhyve)", "bhyve: db (bhyve)", "vi web", "sleep 60", "/sbin/init --", "bhyve web db"]
        {
            assert!(!lives(other), "{other}");
        }
        assert_eq!(living(&Table::default(), &web(), &lease), None);
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
