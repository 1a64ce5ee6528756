//! Commands of other tools (vm-bhyve, CBSD, virsh, docker, vagrant) that vmrun has by another name, or does in another way.

use crate::diag::Fault;
use crate::ops::recipe::is_there;
use clap::Command;

/// What other tools call it, and how it is done here.
const VERBS: &[(&[&str], &str)] = &[
    (
        &["create", "bcreate", "define", "install", "provision", "init"],
        "`vmrun new NAME --os OS` writes the recipe of a machine, `vmrun RECIPE --init` makes its disks and boots its installer",
    ),
    (&["destroy"], "`vmrun kill NAME` switches a machine off at once, `vmrun remove NAME` removes it with its disks"),
    (
        &["delete", "rm", "undefine", "purge", "uninstall", "bremove"],
        "`vmrun remove NAME` removes a machine with its disks",
    ),
    (
        &["shutdown", "poweroff", "halt", "powerdown", "off"],
        "`vmrun stop NAME` asks the guest to power off, `vmrun kill NAME` switches the machine off at once",
    ),
    (&["down"], "`vmrun stop NAME` asks the guest to power off, `vmrun stop --all` those of all machines"),
    (
        &["up", "boot", "launch", "on", "apply"],
        "`vmrun start RECIPE` runs a machine in the background, `vmrun RECIPE` in the foreground",
    ),
    (&["reboot", "reset", "reload"], "`vmrun restart NAME` stops a machine and starts it again"),
    (
        &["ps", "ls", "jls", "vms", "bls"],
        "`vmrun list` lists the machines that run, `vmrun list --all` those that are down as well",
    ),
    (
        &["info", "show", "inspect", "describe", "dominfo", "domstate"],
        "`vmrun status NAME` tells all that is known of a machine",
    ),
    (&["stats", "htop", "usage"], "`vmrun top` shows machines and their threads live"),
    (&["history"], "`vmrun events NAME` prints what happened to a machine"),
    (
        &["attach", "serial", "connect", "cu"],
        "`vmrun console NAME` connects the terminal with the serial port of a machine",
    ),
    (
        &["display", "view", "viewer", "screen", "gui", "vncdisplay"],
        "`vmrun vnc NAME` opens a viewer on the screen of a machine",
    ),
    (&["sendkey", "send-key", "sendkeys"], "`vmrun type NAME TEXT` types at the keyboard of a machine"),
    (&["edit", "configure", "config", "set"], "a machine is what its recipe says: edit that, and `vmrun restart NAME`"),
    (
        &["autostart", "enable"],
        "`start` in config.toml lists the machines that `vmrun start --all` starts; the rc.d script calls it",
    ),
    (&["switch", "bridge", "net"], "`vmrun network up RECIPE` makes the network of a recipe, and lets it stay"),
    (
        &["iso", "pull", "fetch", "download"],
        "a recipe names what it fetches; `vmrun images` lists images of systems that are known",
    ),
    (&["validate", "lint"], "`vmrun check PATH` finds what is wrong with recipes"),
    (&["diff", "dry-run"], "`vmrun plan RECIPE` prints the commands that a recipe would run"),
    (&["backup"], "`vmrun snapshot NAME` keeps the disks of a machine, `vmrun export NAME FILE` writes it into a file"),
    (&["restore", "revert"], "`vmrun rollback NAME TAG` has the disks of a machine as they were in a snapshot"),
    (&["grow", "extend"], "`vmrun resize NAME DISK SIZE` makes a disk of a machine larger"),
    (&["copy", "fork", "duplicate"], "`vmrun clone NAME NEW` makes a machine of another one"),
    (&["send"], "`vmrun export NAME FILE` writes a machine with its disks, `vmrun import FILE` makes it elsewhere"),
    (&["move"], "`vmrun migrate NAME HOST` moves a machine to another host"),
    (
        &["prune", "cleanup"],
        "`vmrun gc` gives back what killed runs have left, `vmrun cache prune` removes what was fetched",
    ),
    (&["version"], "`vmrun --version` tells it"),
    (
        &["shell", "login", "enter", "blogin"],
        "`vmrun ssh NAME` logs in to the guest, `vmrun console NAME` connects the terminal with its serial port",
    ),
    (
        &["pause", "suspend", "save", "managedsave", "resume"],
        "a machine runs or is down: `vmrun stop NAME` asks the guest to power off, `vmrun snapshot NAME` keeps its disks",
    ),
    (
        &["startall", "bstart"],
        "`vmrun start RECIPE` runs a machine in the background, `vmrun start --all` all of config.toml",
    ),
    (&["stopall", "bstop"], "`vmrun stop NAME` asks the guest to power off, `vmrun stop --all` those of all machines"),
    (
        &["ip", "addr", "address", "domifaddr"],
        "`vmrun status NAME` tells the address of a guest, `vmrun list` those of all machines",
    ),
    (&["dumpxml"], "a machine is what its recipe says: `vmrun plan NAME` prints what becomes of it"),
    (&["mount", "push", "scp"], "`vmrun cp FILE NAME:PATH` copies files to the guest of a machine, or from it"),
];

/// Returns the answer to a command that other tools have, if the first word of a command line is one; where a file has its name it is a
/// recipe.
pub(super) fn answer(args: &[String], program: &Command) -> Option<Fault> {
    let mut words = args.iter().skip(1).filter(|arg| !arg.starts_with('-'));
    let verb = words.next().filter(|word| *word != "help").or_else(|| words.next())?;
    let (_, ours) = VERBS.iter().find(|(theirs, _)| theirs.contains(&verb.as_str()))?;
    let is_ours = program.find_subcommand(verb).is_some() || is_there(verb) || is_there(&format!("{verb}.rhai"));
    (!is_ours).then(|| Fault::usage(format!("vmrun has no command `{verb}`")).hint(*ours))
}

#[cfg(test)]
mod tests {
    use super::super::Cli;
    use super::*;
    use clap::CommandFactory;
    use std::collections::BTreeSet;

    #[test]
    fn every_verb_of_another_tool_is_answered_once_and_with_a_command_that_there_is() {
        let program = Cli::command();
        let mut seen = BTreeSet::new();
        for (theirs, ours) in VERBS {
            let named: Vec<&str> =
                ours.split("`vmrun ").skip(1).filter_map(|rest| rest.split([' ', '`']).next()).collect();
            assert!(!named.is_empty(), "{ours}");
            for name in named {
                let is_known = program.find_subcommand(name).is_some() || ["RECIPE", "--version"].contains(&name);
                assert!(is_known, "{name}: {ours}");
            }
            for verb in *theirs {
                assert!(seen.insert(*verb), "{verb} is answered twice");
                assert!(program.find_subcommand(verb).is_none(), "{verb} is a command of vmrun's");
            }
        }
    }

    #[test]
    fn a_command_of_ours_is_none_of_another_tool() {
        let answered = |line: &str| {
            let args: Vec<String> = line.split(' ').map(String::from).collect();
            answer(&args, &Cli::command()).is_some()
        };
        for (line, is_answered) in [
            ("vmrun ps", true),
            ("vmrun -v ps --json", true),
            ("vmrun help ps", true),
            ("vmrun list", false),
            ("vmrun help", false),
            ("vmrun run ps", false),
            ("vmrun kill ps", false),
            ("vmrun", false),
        ] {
            assert_eq!(answered(line), is_answered, "{line}");
        }
    }
}
