//! Machines of other managers and hypervisors: each comes to a command line of bhyve, which is read like any other.

use super::{Basis, arguments, error, slot_with};
use crate::bhyve::tree::Tree;
use crate::diag::{Diagnostic, Source};
use crate::import::loads::Files;
use crate::import::translated::Translated;
use crate::import::words::{Wrong, spans};
use crate::import::{Import, ImportOptions, SourceKind, Tap, Volume, loads, place, source};
use crate::model::{IscsiDisk, PciSlot};
use crate::vmbhyve;
use std::ops::Range;
use std::rc::Rc;

/// Reads a guest of vm-bhyve.
pub(super) fn guest(
    shown: &Rc<Source>,
    text: &str,
    given: &ImportOptions,
    files: Files<'_>,
    import: &mut Import,
) -> Result<Basis, Vec<Diagnostic>> {
    let spans: Vec<Range<usize>> = spans(text).collect();
    let line = |number: usize| {
        let span = spans.get(number.checked_sub(1)?)?;
        place(shown, span.clone())
    };
    let name = import.from.strip_suffix(".conf").unwrap_or(&import.from).to_string();
    let mut at = vmbhyve::Place::new(&given.datastore);
    (at.system, at.release) = (given.system.as_deref(), given.target.release);
    (at.dataset, at.taken, at.bridges) = (given.dataset.as_deref(), Some(&given.taken), Some(&given.bridges));
    let guest = vmbhyve::read(text, &name, &at)
        .map_err(|faults| faults.into_iter().map(|(number, fault)| error(fault, line(number))).collect::<Vec<_>>())?;
    let mut basis = command(shown, "as vm-bhyve runs it", &guest.argv, given, files)?;
    // A note tells that bhyve never reads it there.
    basis.tree.remove("pci.0.31.0.fwcfg");
    let notes = guest.notes.iter().map(|note| (slot_noted(&guest, &basis.tree, note), note.to_string()));
    let notes: Vec<(Option<PciSlot>, String)> = notes.collect();
    basis.remarks.splice(0..0, notes);
    if guest.loader == vmbhyve::Loader::Uefi {
        let (slot, wait) = (guest.installer.slot.trim_end_matches(":0"), guest.installer.wait);
        let wait = if wait { ", and `wait: init` to fbuf" } else { "" };
        let device = "if init { ahci_cd(\"/path/of/the/installer.iso\") }";
        basis.remarks.push((None, format!("to install, add `\"{slot}\": {device}` to the slots{wait}")));
    }
    if let Some(load) = &guest.load {
        let (loader, remarks) = loads::of_guest(load, guest.installer.slot.trim_end_matches(":0"));
        basis.loader = loader;
        basis.remarks.extend(remarks.into_iter().map(|remark| (None, remark)));
    }
    for nic in &guest.nics {
        let role = if nic.span { Some("span") } else { nic.private.then_some("private") };
        let tap = Tap { bridge: nic.bridge.clone(), is_there: nic.device.is_some(), role };
        import.taps.insert(nic.backend.clone(), tap);
    }
    import.notes.clone_from(&guest.notes);
    import.before.extend(guest.prestart.clone());
    import.restarts.clone_from(&guest.restarts);
    import.draft.limits = guest.limits;
    guest.disks.iter().for_each(|disk| self::disk(disk, import));
    Ok(basis)
}

/// Takes in what a disk is beside its path.
fn disk(disk: &vmbhyve::Disk, import: &mut Import) {
    match (disk.size, disk.kind) {
        (_, vmbhyve::DiskKind::Iscsi) => {
            let target = disk.path.strip_prefix("/dev/iscsi/").unwrap_or(&disk.path);
            let read = target.rsplit_once('/').and_then(|(target, lun)| {
                Some(IscsiDisk { target: target.parse().ok()?, lun: lun.parse().ok()?, portal: None })
            });
            if let Some(iscsi) = read {
                import.iscsi.insert(disk.path.clone(), iscsi);
            } else {
                let what = format!("the disk of the iSCSI target {target}");
                import.unknown_disks.insert(disk.path.clone(), what);
            }
        }
        (Some(size), vmbhyve::DiskKind::File) => drop(import.disks.insert(disk.path.clone(), size)),
        (Some(size), vmbhyve::DiskKind::Zvol { sparse }) => {
            import.volumes.insert(disk.path.clone(), Volume { size, sparse });
        }
        _ => {}
    }
}

fn placed(shown: &Rc<Source>, faults: Vec<Wrong>) -> Vec<Diagnostic> {
    faults.into_iter().map(|(span, fault)| error(fault, place(shown, span))).collect()
}

/// Reads the command line that a source comes to; what is wrong with it is shown there.
fn command(
    shown: &Rc<Source>,
    whose: &str,
    argv: &[String],
    given: &ImportOptions,
    files: Files<'_>,
) -> Result<Basis, Vec<Diagnostic>> {
    let (line, spans) = joined(argv);
    let command = source(&format!("{}, {whose}", shown.name), &line, SourceKind::Bhyve);
    let words: Vec<String> = ["bhyve".to_string()].into_iter().chain(argv.iter().cloned()).collect();
    arguments(&command, &words, |at| spans.get(at).cloned(), given.target, files)
}

/// Takes over what a source comes to, and says whose command line that is.
pub(super) fn translated(
    shown: &Rc<Source>,
    whose: &str,
    read: Result<Translated, Vec<Wrong>>,
    given: &ImportOptions,
    files: Files<'_>,
    import: &mut Import,
) -> Result<Basis, Vec<Diagnostic>> {
    let machine = read.map_err(|faults| placed(shown, faults))?;
    let mut basis = command(shown, whose, &machine.argv, given, files)?;
    let is_told = |note: &&vmbhyve::Note| !machine.remarks.iter().any(|(_, remark)| remark.ends_with(&note.text));
    let notes = machine.notes.iter().filter(is_told).map(|note| (None, note.to_string()));
    basis.remarks.splice(0..0, notes.collect::<Vec<_>>());
    if let Some(load) = &machine.load {
        let (loader, remarks) = loads::of_guest(load, "3");
        basis.loader = loader;
        basis.remarks.extend(remarks.into_iter().map(|remark| (None, remark)));
    }
    for (tap, bridge) in machine.taps {
        let is_there = machine.lasting.contains(&tap);
        import.taps.insert(tap, Tap { bridge, is_there, ..Tap::default() });
    }
    import.notes = machine.notes;
    import.parts = machine.remarks;
    Ok(basis)
}

/// Returns the slot of the disk or card that a note is about.
fn slot_noted(guest: &vmbhyve::Guest, tree: &Tree, note: &vmbhyve::Note) -> Option<PciSlot> {
    let number = |family: &str| note.key.strip_prefix(family)?.split_once('_')?.0.parse::<usize>().ok();
    let disk = number("disk").and_then(|number| guest.disks.get(number)).map(|disk| &disk.path);
    // A card that vm-bhyve does not add is counted all the same.
    let nic = number("network").and_then(|number| guest.nics.iter().find(|nic| nic.number == number));
    let nic = nic.map(|nic| &nic.backend);
    slot_with(tree, disk.or(nic)?)
}

/// Returns a command line in one text, and where each of its words stands.
fn joined(args: &[String]) -> (String, Vec<Range<usize>>) {
    let mut text = String::new();
    let mut spans = Vec::new();
    for word in ["bhyve"].into_iter().chain(args.iter().map(String::as_str)) {
        text += if text.is_empty() { "" } else { " " };
        let start = text.len();
        text += &crate::model::argv::quote(word);
        spans.push(start..text.len());
    }
    (text, spans)
}
