//! bhyve, its loaders and bhyvectl, as a script sees them.

use super::Answer;
use crate::recording::part::machine;
use std::collections::BTreeSet;

/// The vmm nodes, and how bhyve is going to end.
#[derive(Clone, Debug)]
pub(super) struct Machines {
    nodes: BTreeSet<String>,
    exits: Vec<u8>,
    exits_of: Option<String>,
    boots: usize,
}

impl Machines {
    /// `exits` are the statuses of one machine's boots, or of all machines' in turn.
    pub(super) fn new(exits: &[u8], exits_of: Option<String>) -> Self {
        Self { nodes: BTreeSet::new(), exits: exits.to_vec(), exits_of, boots: 0 }
    }

    /// Boots a machine, or prints help, which bhyve does with status 0 for `-h` and for any beginning of `help`.
    pub(super) fn bhyve(&mut self, args: &[&str]) -> Answer {
        let asks_for_list = |pair: &[&str]| matches!(pair, ["-s" | "-l", what] if "help".starts_with(what));
        if args.first() == Some(&"-h") || args.windows(2).any(asks_for_list) {
            return Answer::tells("");
        }
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let Some(name) = machine(&args) else { return Answer::no(1, "bhyve: no machine is named") };
        self.nodes.insert(name.into());
        let is_meant = self.exits_of.as_ref().is_none_or(|of| of == name);
        let status = self.exits.get(self.boots).or(self.exits.last()).copied().filter(|_| is_meant).unwrap_or(1);
        self.boots += usize::from(is_meant);
        // bhyve(8), -D: only a guest that powers itself off takes its node along.
        let takes_along = args.iter().take_while(|arg| *arg != name).any(|arg| {
            arg.strip_prefix('-')
                .is_some_and(|letters| letters.bytes().all(|b| b.is_ascii_alphabetic()) && letters.contains('D'))
        });
        if status == 1 && takes_along {
            self.nodes.remove(name);
        }
        Answer { status, ..Answer::done() }
    }

    /// Loads a guest for bhyve, which makes the node: bhyveload(8) and grub-bhyve name it last.
    pub(super) fn load(&mut self, args: &[&str]) -> Answer {
        self.nodes.extend(args.last().map(ToString::to_string));
        Answer::done()
    }

    pub(super) fn bhyvectl(&mut self, args: &[&str]) -> Answer {
        let joined = args.iter().find_map(|arg| arg.strip_prefix("--vm="));
        let apart = || args.windows(2).find_map(|pair| if let ["--vm", name] = pair { Some(*name) } else { None });
        let name = joined.or_else(apart).unwrap_or_default();
        if args.contains(&"--create") {
            self.nodes.insert(name.into());
        }
        if args.contains(&"--destroy") {
            self.nodes.remove(name);
            return Answer::done();
        }
        let asks: Vec<&str> = args.iter().filter_map(|arg| arg.strip_prefix("--get-")).collect();
        let acts = args.iter().any(|arg| {
            arg.starts_with("--") && !arg.starts_with("--get-") && !arg.starts_with("--vm") && !arg.starts_with("--cpu")
        });
        if acts {
            return Answer::done();
        }
        if !self.nodes.contains(name) {
            // It complains on its standard output.
            return Answer { status: 1, ..Answer::tells(format!("VM:{name} is not created.\n")) };
        }
        Answer::tells(asks.iter().map(|what| statistics(what)).collect::<String>())
    }
}

/// What bhyvectl tells of a machine with one vCPU that does nothing.
fn statistics(what: &str) -> String {
    let text = match what {
        "active-cpus" => "active cpus:\t0",
        "suspended-cpus" => "suspended cpus:\t",
        "cpu-topology" => "cpu_topology:\tsockets=1, cores=1, threads=1, maxcpus=1",
        "stats" => "vcpu0 stats:",
        "all" => return ["active-cpus", "suspended-cpus", "cpu-topology", "stats"].map(statistics).concat(),
        _ => return String::new(),
    };
    format!("{text}\n")
}

#[cfg(test)]
mod tests {
    use super::super::{Scenario, answers_of};

    #[test]
    fn bhyve_ends_as_it_was_told_and_leaves_its_node() {
        let setting = Scenario { exits: vec![0, 3], ..Scenario::default() };
        let lines = [
            "bhyvectl --vm=a --get-active-cpus",
            "bhyve -s help",
            "bhyve -c 1 a",
            "bhyve a",
            "bhyve a",
            "bhyvectl --get-active-cpus --vm a",
            "bhyvectl --destroy --vm=a",
            "bhyvectl --vm=a",
            "bhyvectl --force-poweroff --vm=a",
        ];
        let not_there = "1 VM:a is not created.";
        assert_eq!(
            answers_of(&setting, &lines),
            [not_there, "0", "0", "3", "3", "0 active cpus:\t0", "0", not_there, "0"]
        );
    }

    #[test]
    fn statuses_may_be_of_one_of_several_machines() {
        let setting = Scenario { exits: vec![0, 2], exits_of: Some("b".into()), ..Scenario::default() };
        let lines = ["bhyve a", "bhyve b", "bhyve a", "bhyve b", "bhyve b"];
        assert_eq!(answers_of(&setting, &lines), ["1", "0", "1", "2", "2"]);
    }

    #[test]
    fn a_guest_that_powers_off_takes_its_node_along_if_it_was_told_to() {
        let lines = ["bhyve -HD -c 1 a", "bhyvectl --vm=a", "bhyveload -m 1G -d disk b", "bhyvectl --vm=b"];
        assert_eq!(answers_of(&Scenario::default(), &lines), ["1", "1 VM:a is not created.", "0", "0"]);
    }
}
