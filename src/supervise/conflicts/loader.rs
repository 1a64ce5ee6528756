//! What a host has against a machine's loader, and a machine that has neither loader nor firmware.

use super::{Conflict, Purpose};
use crate::diag::{Fault, Severity};
use crate::host::worlds::rehearsal::Rehearsed;
use crate::host::{Effect, Host, Platform};
use crate::model::{Loader, Machine, Part};

/// Returns what the host has against the machine's loader.
pub(super) fn conflicts(host: &dyn Host, machine: &Machine, purpose: Purpose, init: bool) -> Vec<Conflict> {
    let Some(loader) = machine.loader() else { return Vec::new() };
    if host.settings().platform == Platform::Linux {
        return vec![(Part::Key("loader"), under_qemu(loader), Severity::Warning)];
    }
    let program = super::without(host, loader.program());
    let program = program.map(|fault| (Part::Key("loader"), fault, purpose.severity()));
    files(host, machine, loader, init).into_iter().chain(program).collect()
}

/// QEMU's BIOS starts what a disk has for it, which loaders do not need.
fn under_qemu(loader: &Loader) -> Fault {
    let fault =
        Fault::new(format!("{} is for bhyve: QEMU starts the machine's first disk by its BIOS", loader.program()));
    fault.hint(format!(
        "a disk that starts by UEFI alone needs firmware there: `bootrom: if platform == \"linux\" {{ uefi() }}`, and \
         `loader: if platform == \"freebsd\" {{ {}(…) }}`",
        loader.word()
    ))
}

/// Files that the loader opens: disks to write, as bhyveload(8) does, and folders. Those of the machine's own disks are told of there.
fn files(host: &dyn Host, machine: &Machine, loader: &Loader, init: bool) -> Vec<Conflict> {
    let is_own = |path: &std::path::Path| {
        machine.devices().any(|(_, device)| device.images().iter().any(|(_, _, image, _)| image.as_path() == path))
    };
    let mut found = Vec::new();
    for (key, path) in loader.paths().into_iter().filter(|(_, path)| !is_own(path.as_path())) {
        let fault = match (host.file(path.as_path()), key) {
            (None, "host") if host.is_assumed() => continue,
            (None, "host") => {
                Fault::new(format!("the folder {path} is not there")).hint("make it, or correct the path")
            }
            (None, "disks" | "map") if !init => {
                let fault =
                    Fault::new(format!("the loader's disk {path} is not there, and the recipe does not make it"));
                fault.hint("correct the path, or add --init to initialize")
            }
            (None, _) => Fault::new(format!("{path} is not there")).hint("correct the path"),
            (Some(fact), "host") if !fact.is_folder && !host.is_assumed() => {
                Fault::new(format!("{path} is no folder")).hint("bhyveload's `host` is the root of a file system")
            }
            (Some(fact), "disks" | "loader") if fact.is_folder => Fault::new(format!("{path} is a folder")),
            _ => continue,
        };
        found.push((Part::Under("loader", key.into()), fault, Severity::Error));
    }
    found
}

/// Without a boot ROM bhyve only starts what a loader has put into its memory before (bhyve(8), bhyveload(8)).
pub(super) fn missing(host: &dyn Host, machine: &Machine) -> Option<Conflict> {
    let loads = |done: &Rehearsed| match done {
        Rehearsed::Effect(Effect::Run(argv) | Effect::Make { argv, .. }) => [argv.program.as_str()]
            .iter()
            .chain(&argv.words())
            .any(|word| word.ends_with("bhyveload") || word.ends_with("grub-bhyve")),
        Rehearsed::Effect(_) | Rehearsed::Boot(_) => false,
    };
    let freebsd = host.settings().platform == Platform::FreeBsd;
    if !freebsd
        || machine.bootrom().is_some()
        || machine.loader().is_some()
        || host.rehearsal().is_some_and(|rehearsal| rehearsal.done.iter().any(loads))
    {
        return None;
    }
    let fault = Fault::new("the machine has no boot ROM: bhyve starts only what a loader has put into its memory");
    let fault = fault
        .hint("add `bootrom: uefi()`, or a loader: `loader: bhyveload()` for FreeBSD, `loader: grub_bhyve(#{ … })`");
    Some((Part::Whole, fault, Severity::Warning))
}
