//! The text of `-s`: `SLOT,DEVICE[,CONF]`, read as bhyve reads it and written so that bhyve reads the same (bhyve(8), `-s`).

mod reader;
#[cfg(test)]
mod writer;

use super::tree::{shown, veiled};
use crate::diag::Fault;
use crate::diag::suggest;
use crate::model::{Arch, PciSlot, Target};
use reader::Conf;
use std::fmt;

#[cfg(test)]
pub(crate) use writer::write;

/// A device in its slot, as bhyve's configuration has it.
#[derive(Clone, PartialEq, Eq)]
pub struct Slot {
    /// Where it sits.
    pub slot: PciSlot,
    /// The keys below the device's node with their values, `device` first.
    pub entries: Vec<(String, String)>,
    /// What bhyve takes and does not use.
    pub warnings: Vec<Fault>,
}

/// Passwords are not shown.
impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries: Vec<(&str, &str)> = self.entries.iter().map(|(key, value)| (&**key, shown(key, value))).collect();
        let mut shape = f.debug_struct("Slot");
        shape.field("slot", &self.slot).field("entries", &entries).field("warnings", &self.warnings).finish()
    }
}

/// How the text after a device's name is read (bhyve(8), `-s`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ItemForm {
    /// `KEY=VALUE` or a bare `KEY`, with commas between them.
    Options,
    /// The first item is the value of this key, whatever it looks like; options follow.
    First(&'static str),
    /// The same, and the first item has to be there.
    Needed(&'static str),
    /// All of it is the value of this key.
    Whole(&'static str),
    /// A path, or `ram=` and a size; options follow.
    PathOrRam,
    /// Port 0 of this type: a path; options follow.
    Port(&'static str),
    /// `hd:PATH` and `cd:PATH`, repeated, each with its options.
    Ports,
    /// The text is ignored: a host bridge with AMD's numbers.
    Amd,
    /// `NAME=PATH` once, and bare words.
    Share,
    /// `NAME=PATH`, repeated.
    Named,
    /// A device of CAM; from FreeBSD 16 on `target=[ID:]DEVICE`, repeated.
    Targets,
    /// A device of the host in one of four spellings; options follow.
    Host,
    /// `DEVICE[=OPTION]`, repeated.
    Usb,
}

/// A device that `-s` knows.
#[derive(Clone, Copy, Debug)]
struct SlotDevice {
    /// Its name in a `-s`.
    name: &'static str,
    /// Its name in the configuration.
    device: &'static str,
    form: ItemForm,
    amd64_only: bool,
}

const fn kind(name: &'static str, form: ItemForm) -> SlotDevice {
    SlotDevice { name, device: name, form, amd64_only: false }
}

const fn amd64(name: &'static str, form: ItemForm) -> SlotDevice {
    SlotDevice { amd64_only: true, ..kind(name, form) }
}

const fn alias(name: &'static str, device: &'static str, form: ItemForm) -> SlotDevice {
    SlotDevice { device, ..kind(name, form) }
}

/// Every device of `-s help`.
const KINDS: &[SlotDevice] = &[
    kind("ahci", ItemForm::Ports),
    alias("ahci-hd", "ahci", ItemForm::Port("hd")),
    alias("ahci-cd", "ahci", ItemForm::Port("cd")),
    kind("e1000", ItemForm::First("backend")),
    amd64("fbuf", ItemForm::Options),
    kind("hda", ItemForm::Options),
    kind("hostbridge", ItemForm::Options),
    alias("amd_hostbridge", "hostbridge", ItemForm::Amd),
    amd64("lpc", ItemForm::Options),
    kind("nvme", ItemForm::PathOrRam),
    amd64("passthru", ItemForm::Host),
    kind("uart", ItemForm::Whole("path")),
    kind("virtio-9p", ItemForm::Share),
    kind("virtio-blk", ItemForm::First("path")),
    kind("virtio-console", ItemForm::Named),
    kind("virtio-input", ItemForm::Needed("path")),
    kind("virtio-net", ItemForm::First("backend")),
    kind("virtio-rnd", ItemForm::Options),
    kind("virtio-scsi", ItemForm::Targets),
    kind("xhci", ItemForm::Usb),
];

/// What `amd_hostbridge` sets.
const AMD: [(&str, &str); 2] = [("pcireg.vendor", "0x1022"), ("pcireg.device", "0x7432")];

/// How many ports an AHCI controller has.
const AHCI_PORTS: usize = 32;

/// How many ports a console has.
const CONSOLE_PORTS: usize = 16;

/// The highest id of a target of virtio-scsi.
const TARGET_MAX: u32 = 255;

/// Returns the names of `-s` on an architecture, as `-s help` lists them.
pub(crate) fn names(arch: Arch) -> impl Iterator<Item = &'static str> {
    KINDS.iter().filter(move |kind| !kind.amd64_only || arch == Arch::Amd64).map(|kind| kind.name)
}

/// Returns the node of a device in bhyve's configuration: `pci.0.4.0`.
pub(crate) fn node(slot: PciSlot) -> String {
    format!("pci.{}.{}.{}", slot.bus(), slot.number(), slot.function())
}

/// Reads the text of a `-s` (bhyve(8)). Refuses what bhyve refuses while it reads its options, and what it would ignore or take
/// for something else: what follows the numbers of a slot, an option without a name or without its value, an option in the
/// place of a path. Values are not checked.
pub fn read(text: &str, target: Target) -> Result<Slot, Fault> {
    const HOW: &str = "write SLOT,DEVICE[,CONF], as in `4,virtio-blk,/vm/a.img`";
    let nameless = || Fault::new(format!("`{}` names no device", veiled(text))).hint(HOW);
    let (place, rest) = text.split_once(',').ok_or_else(nameless)?;
    let slot = place_of(place)?;
    let (name, conf) = rest.split_once(',').map_or((rest, None), |(name, conf)| (name, Some(conf)));
    if name.is_empty() {
        return Err(nameless());
    }
    let kind = kind_of(name, target)?;
    let mut reading = Conf::new(slot, kind.name);
    reading.tree.set("device", kind.device)?;
    reading.read(kind.form, conf, target)?;
    let (entries, warnings) = reading.done();
    Ok(Slot { slot, entries, warnings })
}

/// Finds a device by its name in a `-s`.
fn kind_of(name: &str, target: Target) -> Result<&'static SlotDevice, Fault> {
    match KINDS.iter().find(|kind| kind.name == name) {
        Some(kind) if kind.amd64_only && target.arch != Arch::Amd64 => {
            Err(Fault::new(format!("there is no `{name}` on {}", target.arch)).hint("bhyve has it on amd64 only"))
        }
        Some(kind) => Ok(kind),
        None => {
            let list = format!("one of {}", suggest::list(names(target.arch)));
            let fault = Fault::new(format!("`{}` is no device of bhyve", veiled(name)));
            Err(fault.hint(list).did_you_mean(name, names(target.arch)))
        }
    }
}

/// Reads `SLOT`, `SLOT:FUNCTION` or `BUS:SLOT:FUNCTION` as scanf(3) does: blanks and a sign may come before a number, zeros may
/// lead it.
fn place_of(text: &str) -> Result<PciSlot, Fault> {
    let shown = veiled(text);
    let (numbers, rest) = numbers(text, ':', 3);
    if !numbers.is_empty() && !rest.is_empty() {
        let hint = "bhyve ignores it: write SLOT, SLOT:FUNCTION or BUS:SLOT:FUNCTION";
        return Err(Fault::new(format!("`{rest}` follows the numbers of the slot `{shown}`")).hint(hint));
    }
    let spelt = numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(":");
    spelt.parse().map_err(|fault: Fault| Fault { message: format!("`{shown}` is not a PCI slot"), ..fault })
}

/// Reads up to `most` whole numbers with a separator between them, as scanf(3) reads `%d`. Returns what is left.
pub(super) fn numbers(text: &str, separator: char, most: usize) -> (Vec<i64>, &str) {
    let mut numbers = Vec::new();
    let mut rest = text;
    while numbers.len() < most {
        let next = if numbers.is_empty() { Some(rest) } else { rest.strip_prefix(separator) };
        match next.and_then(number) {
            Some((number, after)) => {
                numbers.push(number);
                rest = after;
            }
            None => break,
        }
    }
    (numbers, rest)
}

/// Reads one number of at most nine digits, leading zeros apart, and returns what follows.
fn number(text: &str) -> Option<(i64, &str)> {
    let unsigned = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let (sign, digits) = match unsigned.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, unsigned.strip_prefix('+').unwrap_or(unsigned)),
    };
    let (digits, rest) = digits.split_at(digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len()));
    let short = digits.trim_start_matches('0');
    match (digits, short) {
        ("", _) => None,
        (_, "") => Some((0, rest)),
        _ if short.len() > 9 => None,
        _ => Some((sign * short.parse::<i64>().ok()?, rest)),
    }
}

#[cfg(test)]
mod tests;
