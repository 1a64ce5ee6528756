//! What holds for every configuration, wherever it was read.

use std::path::Path;
use vmrun::internals::bhyve;
use vmrun::internals::bhyve::command;
use vmrun::internals::bhyve::config::expand;
use vmrun::internals::bhyve::tree::Tree;
use vmrun::internals::model::{Arch, Draft, Machine, Part, Release, Target};
use vmrun::internals::qemu;

/// Every release on every architecture.
pub const TARGETS: [Target; 18] = {
    let mut all = [Target { release: Release::ALL[0], arch: Arch::ALL[0] }; 18];
    let mut at = 0;
    while at < all.len() {
        all[at] = Target { release: Release::ALL[at / 3], arch: Arch::ALL[at % 3] };
        at += 1;
    }
    all
};

/// Returns the target that a number stands for.
pub fn target(number: &str) -> Target {
    let at = number.parse().unwrap_or(0);
    TARGETS.get(at).copied().unwrap_or_default()
}

/// One form stays as it is, and a machine that was written reads back, from its entries and from its command line.
pub fn holds(tree: &Tree, target: Target) {
    let normal = tree.normalized(target);
    assert_eq!(normal.normalized(target), normal);
    let Some(machine) = machine(expanded(tree), target) else { return };
    reads_back(&machine);
    is_told_whole(&machine);
    let folder = Path::new("/run/lab");
    if qemu::check(&machine).is_empty() && qemu::backends(&machine).is_empty() {
        qemu::argv(&machine, &qemu::QemuSetting { folder, kvm: false, user_net: false, log: None });
    }
    qemu::ignored(&machine);
}

fn expanded(tree: &Tree) -> Vec<(String, String)> {
    tree.entries().map(|(key, value)| (key.to_string(), expand(tree, value).text)).collect()
}

/// Returns the machine, if there is nothing against it.
fn machine(entries: Vec<(String, String)>, target: Target) -> Option<Machine> {
    let (draft, faults) = Draft::from_entries(entries);
    let checked: Result<Machine, Vec<(Part, _)>> = Draft { target, ..draft }.check();
    checked.ok().filter(|_| faults.is_empty())
}

fn reads_back(machine: &Machine) {
    let again = self::machine(machine.entries(), machine.target());
    let again = again.unwrap_or_else(|| panic!("{:#?} is no machine any more", machine.entries()));
    assert_eq!(again.entries(), machine.entries());
    if bhyve::secrets(machine).is_none() {
        assert_eq!(again, *machine);
    }
}

/// What the command line leaves out are bhyve's defaults, so that machines are compared by it.
fn is_told_whole(machine: &Machine) {
    let file = Path::new("/run/lab/secrets");
    let argv = bhyve::argv(machine, file);
    let secrets = bhyve::secrets(machine);
    let words: Vec<String> = argv.words().into_iter().map(str::to_string).collect();
    let reading = command::read(&words, machine.target(), &|_| secrets.clone());
    let reading = reading.unwrap_or_else(|refusals| panic!("{argv}: {refusals:?}"));
    let again = self::machine(expanded(&reading.tree), machine.target());
    let again = again.unwrap_or_else(|| panic!("{argv} is no machine any more"));
    assert_eq!(bhyve::argv(&again, file).to_string(), argv.to_string());
    assert_eq!(bhyve::secrets(&again), secrets);
    assert!(again.devices().eq(machine.devices()), "{argv}");
}
