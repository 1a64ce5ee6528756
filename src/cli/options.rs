//! Every long option with its one meaning: one thing has one name in all commands, and a name means one thing. A new option is one row
//! of this table, without which a test fails.

use super::Cli;
use super::mistakes::SYNONYMS;
use clap::{Command, CommandFactory};
use std::collections::BTreeSet;

/// The names, in the order of the alphabet, and what they mean wherever they are.
#[rustfmt::skip]
const OPTIONS: &[(&str, &str)] = &[
    ("abort", "undo what was cut off"),
    ("align", "of what a partition begins and ends at a multiple"),
    ("all", "all that there are, instead of those that are named"),
    ("all-arms", "what each argument chooses of a script"),
    ("all-hosts", "of all hosts of the configuration"),
    ("answer", "a call of a recorded script, and the file with its answer"),
    ("answer-within", "how long hosts may take to answer"),
    ("anyway", "do it although nothing holds it back from the host"),
    ("arch", "the architecture of an image"),
    ("assume", "what a host that is not here is taken to have"),
    ("at-once", "how many are in work at a time"),
    ("bless", "take what is now for what ought to be, and write it into tests"),
    ("bridge", "the bridge to serve"),
    ("check", "compare only, and tell what differs"),
    ("copy", "copy data where a file system cannot share it"),
    ("cpus", "how many virtual CPUs a machine has"),
    ("datastore", "the folder of vm-bhyve's guests"),
    ("destroy-newer", "remove the snapshots that are newer"),
    ("diff", "compare with what runs"),
    ("dir", "the folder of a new recipe and its disk"),
    ("disks", "where the disks of a machine that comes are put"),
    ("dry-run", "only print what would be done"),
    ("edit", "also write it into the recipe"),
    ("escape", "the key that leaves"),
    ("events", "a file to which events are added"),
    ("every", "how often"),
    ("exits", "the exit statuses of bhyve in turn"),
    ("fenced", "a host that certainly writes no more"),
    ("file", "a further file of an image"),
    ("fill", "the value of a placeholder in a script"),
    ("folder", "the folder of the recipes, with vmrun.toml"),
    ("follow", "go on with what is added"),
    ("forget", "keep nothing more of it"),
    ("format", "how what is printed is written"),
    ("from", "what is imported"),
    ("from-replica", "begin as another host's machine was"),
    ("guid", "the GUID of a disk"),
    ("hosts", "the hosts to ask"),
    ("init", "initialize the machine"),
    ("init-args", "what initializes the machine of a script"),
    ("interface", "the interface to serve"),
    ("json", "print JSON, for a program"),
    ("junit", "a file for a report in the form of JUnit"),
    ("kea", "for Kea instead of ISC's dhcpd"),
    ("keep", "how many there are in the end, without the oldest"),
    ("key", "the file of a public key of ssh"),
    ("label", "the label of a volume"),
    ("limit", "how many calls a recorded script may make"),
    ("lines", "how many of the last"),
    ("loader", "the program that firmware boots from an image or a network"),
    ("memory", "how much memory a machine has"),
    ("meta-data", "which instance it is, for cloud-init"),
    ("moved", "take a tag that was moved"),
    ("name", "what the machine has to be called"),
    ("net", "how a machine is connected"),
    ("network-config", "the network, for cloud-init"),
    ("no-query", "run no command that only asks"),
    ("older-than", "what was not used for so long"),
    ("on", "for a host of that kind"),
    ("only", "only those whose name holds a text"),
    ("os", "the system of a machine"),
    ("out", "where what is made is written"),
    ("pace", "how long after a key the next one is pressed"),
    ("path", "a library's folder"),
    ("permit", "a command that holds what the machine needs to run"),
    ("permit-keep", "a command that renews it each time that it succeeds"),
    ("permit-ttl", "how long it is good after it was renewed"),
    ("picture", "a picture that is to be on the screen"),
    ("places", "say which line asked for a command"),
    ("port", "which serial port"),
    ("prune", "remove what belongs to nothing any more"),
    ("rc-conf", "the rc.conf that is read"),
    ("recipe", "its recipe as well"),
    ("recursive", "folders with what is in them"),
    ("remove", "remove one instead of listing all"),
    ("resume", "go on with what was cut off"),
    ("rev", "a tag, a branch or a commit of a library"),
    ("running", "what runs now"),
    ("script", "the script in an image"),
    ("semver", "the versions of a library that will do"),
    ("serial", "what the guest wrote to its serial port"),
    ("server", "who has the files of machines"),
    ("set", "the value of a recipe's parameter"),
    ("sha256", "the SHA-256 of an image"),
    ("sha512", "the SHA-512 of an image"),
    ("shared", "what several hosts see, and is not copied"),
    ("size", "how large a disk or an image becomes"),
    ("snapshots", "the snapshots as well"),
    ("ssh-host-key", "the key by which ssh knows a guest"),
    ("stop-within", "how long a guest may take to power off when it is asked to later on"),
    ("text", "print the text of a picture"),
    ("tftp", "the TFTP server's folder"),
    ("time", "the time of all files in an image"),
    ("transcript", "print a transcript instead of a recipe"),
    ("user", "who logs in to a guest"),
    ("user-data", "what is to be done, for cloud-init"),
    ("user-net", "a network inside the process, without root"),
    ("verbose", "show every command as it is run"),
    ("wait", "how long is waited for what is not to be had yet"),
    ("watch", "draw it anew until somebody leaves"),
    ("with-test", "write a test as well"),
    ("within", "how long it may take"),
    ("yes", "do not ask"),
    ("zfs-send", "volumes of ZFS as streams of zfs-send(8)"),
    ("zvol", "the filesystem of ZFS in which a disk becomes a volume"),
];

/// Goes through all options of a command and of its commands that are not hidden.
fn each(command: &Command, does: &mut impl FnMut(&Command, &str)) {
    let is_own = |name: &&str| !["help", "version"].contains(name);
    command.get_arguments().filter_map(clap::Arg::get_long).filter(is_own).for_each(|name| does(command, name));
    command.get_subcommands().filter(|inner| !inner.is_hide_set()).for_each(|inner| each(inner, does));
}

#[test]
fn every_option_has_one_meaning() {
    let mut found = BTreeSet::new();
    each(&Cli::command(), &mut |_, name| {
        found.insert(name.to_string());
    });
    let known: Vec<&str> = OPTIONS.iter().map(|(name, _)| *name).collect();
    assert_eq!(known, found.iter().map(String::as_str).collect::<Vec<_>>(), "OPTIONS in src/cli/options.rs");
    let meanings: BTreeSet<&str> = OPTIONS.iter().map(|(_, meaning)| *meaning).collect();
    assert_eq!(meanings.len(), OPTIONS.len(), "two options mean the same");
}

#[test]
fn no_option_is_another_ones_synonym() {
    let mut faults = Vec::new();
    each(&Cli::command(), &mut |command, name| {
        let ours = SYNONYMS.iter().find(|(theirs, _)| theirs.contains(&name));
        faults.extend(ours.map(|(_, ours)| format!("{}: --{name} is --{ours} elsewhere", command.get_name())));
    });
    assert_eq!(faults, [""; 0]);
    assert!(SYNONYMS.iter().all(|(_, ours)| OPTIONS.iter().any(|(name, _)| name == ours)));
}

#[test]
fn the_version_of_a_library_is_none_of_ours() {
    for line in [
        "vmrun lib add net url --version 1.2",
        "vmrun lib update --version",
        "vmrun lib --version",
        "vmrun lib sync -V",
    ] {
        let done = Cli::command().try_get_matches_from(line.split(' '));
        let shows_ours = done.err().is_some_and(|error| error.kind() == clap::error::ErrorKind::DisplayVersion);
        assert!(!shows_ours, "{line}");
    }
}
