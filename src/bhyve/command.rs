//! A command line of bhyve(8), read as bhyve reads it: every flag writes into one configuration, in order.

use super::arguments::{Content, Keys, fw_cfg, gdb, numa, pin, topology};
pub(crate) use super::flags::Refusal;
use super::flags::{Effect, Given, getopt};
use super::tree::{Tree, veiled};
use super::{config, lpc, slot};
use crate::diag::Fault;
use crate::model::{Feature, PciSlot, Target};
use std::collections::BTreeMap;

/// What a command line says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The configuration.
    pub tree: Tree,
    /// The word that set each key, as an index of the arguments: for a flag with an argument the word that holds it.
    pub origins: BTreeMap<String, usize>,
    /// The items of `-f`, which are not in the configuration.
    pub fw_cfg: Vec<FwItem>,
    /// What bhyve prints instead of running a machine. Nothing after it is read.
    pub help: Option<Help>,
    /// What bhyve takes and does not use, or takes twice.
    pub warnings: Vec<Warning>,
}

/// A warning, with the slot of the `-s` that it is about, if it is about one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where the device is that it is about; nothing where it is about the machine as a whole.
    pub slot: Option<PciSlot>,
    /// What is to be said.
    pub fault: Fault,
}

/// An item of `-f`: a file that the firmware and the guest find by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FwItem {
    /// Its name, 1 to 55 bytes.
    pub name: String,
    /// What it holds.
    pub content: String,
    /// The file that it was read from, if it was given by `file=`.
    pub file: Option<String>,
    /// The word that gives it, as an index of the arguments.
    pub arg: usize,
}

/// What bhyve prints and ends with status 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Help {
    /// `-h`: how it is used.
    Usage,
    /// `-s help`: the devices of `-s`.
    Slots,
    /// `-l help`: the devices of `-l`.
    Lpc,
}

/// Reads a command line (bhyve(8)), with or without the program's name before it. `files` gives the text of a file that `-k` or
/// `-f` names, or nothing if it cannot be read.
///
/// bhyve ends at the first word that it refuses; here all of them are told, but for what follows a flag that is not known.
pub fn read(args: &[String], target: Target, files: &dyn Fn(&str) -> Option<String>) -> Result<Reading, Vec<Refusal>> {
    let mut reader =
        Reader { target, files, set_by: BTreeMap::new(), slot: None, done: Reading::default(), refusals: Vec::new() };
    let program = args.first().is_some_and(|word| word.rsplit('/').next() == Some("bhyve"));
    let (flags, rest) = getopt(args, usize::from(program));
    for given in flags {
        if let Err(fault) = given.flag.check(target) {
            reader.refuse(fault, given.at);
        } else if let Some(help) = help(&given) {
            reader.done.help = Some(help);
            break;
        } else if let Err(fault) = reader.flag(&given) {
            reader.refuse(fault.context(given.shown()), given.at);
        }
    }
    if reader.done.help.is_none() {
        match rest {
            Ok(rest) => reader.operands(args, rest),
            Err(refusal) => reader.refusals.push(refusal),
        }
    }
    if reader.refusals.is_empty() { Ok(reader.done) } else { Err(reader.refusals) }
}

/// What bhyve sets before it reads its options, so that it is a value and `memory` a node.
const PRESET: &str = "memory.size";

struct Reader<'a> {
    target: Target,
    files: &'a dyn Fn(&str) -> Option<String>,
    /// Who set each key, for people.
    set_by: BTreeMap<String, String>,
    /// The slot of the `-s` that is being read.
    slot: Option<PciSlot>,
    done: Reading,
    refusals: Vec<Refusal>,
}

impl Reader<'_> {
    fn refuse(&mut self, fault: Fault, arg: usize) {
        self.refusals.push(Refusal { fault, arg });
    }

    fn warn(&mut self, message: String, hint: impl Into<String>) {
        self.done.warnings.push(Warning { slot: self.slot, fault: Fault::new(message).hint(hint) });
    }

    /// Sets a key, and warns if it was set before.
    fn put(&mut self, who: &str, at: usize, key: &str, value: &str) -> Result<(), Fault> {
        if PRESET.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')) {
            let fault = Fault::new(format!("`{key}` cannot have a value: bhyve has set `{PRESET}` below it"));
            return Err(fault.hint(format!("write `-o {PRESET}=...`")));
        }
        if key.strip_prefix(PRESET).is_some_and(|rest| rest.starts_with('.')) {
            let fault = Fault::new(format!("`{key}` cannot be set: bhyve has given `{PRESET}` a value"));
            return Err(fault.hint(format!("write `-o {PRESET}=...`")));
        }
        let before = self.done.tree.get(key).map(|before| before == value);
        self.done.tree.set(key, value)?;
        self.done.origins.insert(key.into(), at);
        let earlier = self.set_by.insert(key.into(), who.into());
        if let (Some(same), Some(earlier)) = (before, earlier) {
            let message = format!("{who} {} {earlier}: both set `{key}`", if same { "repeats" } else { "overrides" });
            self.warn(message, "the last one counts: keep one of them");
        }
        Ok(())
    }

    fn put_all(&mut self, given: &Given, keys: Keys) -> Result<(), Fault> {
        let slot = self.slot;
        let warning = |fault: Fault| Warning { slot, fault: fault.context(given.shown()) };
        self.done.warnings.extend(keys.warnings.into_iter().map(warning));
        keys.entries.iter().try_for_each(|(key, value)| self.put(&given.shown(), given.at, key, value))
    }

    fn flag(&mut self, given: &Given) -> Result<(), Fault> {
        let argument = given.argument;
        match given.flag.effect {
            Effect::Set(key, value) => self.put(&given.shown(), given.at, key, value),
            Effect::Redundant(key, value) => {
                if self.done.tree.get(key).is_none() {
                    self.warn(format!("{} says what is so anyway", given.shown()), "leave it out");
                }
                self.put(&given.shown(), given.at, key, value)
            }
            Effect::Store(key) => self.put(&given.shown(), given.at, key, argument),
            Effect::Acpi if !self.target.has(Feature::AcpiAlways) => {
                self.put(&given.shown(), given.at, "acpi_tables", "true")
            }
            Effect::Acpi => {
                let hint = format!("leave it out: {} makes ACPI tables unless told otherwise", self.target.release);
                self.warn(format!("{} says nothing", given.shown()), hint);
                Ok(())
            }
            Effect::Ignored => {
                self.warn(format!("{} says nothing", given.shown()), "leave it out: bhyve ignores it");
                Ok(())
            }
            Effect::Topology => self.put_all(given, topology(argument)?),
            Effect::FwCfg => self.fw_cfg(given),
            Effect::Gdb => self.put_all(given, gdb(argument)),
            Effect::File => self.file(given),
            Effect::Lpc => self.lpc(given),
            Effect::Numa => self.numa(given),
            Effect::Option => {
                let (key, value) = config::option(argument)?;
                self.put(&given.shown(), given.at, key, value)
            }
            Effect::Pin => self.pin(given),
            Effect::Slot => self.slot(given),
            // Refused by the table, or read before.
            Effect::Gone(..) | Effect::Help => Ok(()),
        }
    }

    fn open(&self, path: &str) -> Result<String, Fault> {
        let fault = || Fault::new(format!("`{}` cannot be read", veiled(path))).hint("name a text file that is there");
        (self.files)(path).ok_or_else(fault)
    }

    fn fw_cfg(&mut self, given: &Given) -> Result<(), Fault> {
        let (name, content) = fw_cfg(given.argument)?;
        let (content, file) = match content {
            Content::Text(text) => (text.to_string(), None),
            Content::File(path) => (self.open(path)?, Some(path.to_string())),
        };
        self.done.fw_cfg.push(FwItem { name: name.into(), content, file, arg: given.at });
        Ok(())
    }

    /// Every line that is wrong is a refusal of its own.
    fn file(&mut self, given: &Given) -> Result<(), Fault> {
        let text = self.open(given.argument)?;
        for (line, option) in config::lines(&text) {
            let set = option.and_then(|(key, value)| self.put(&given.shown(), given.at, key, value));
            if let Err(fault) = set {
                self.refuse(fault.context(format!("{} line {line}", given.shown())), given.at);
            }
        }
        Ok(())
    }

    fn lpc(&mut self, given: &Given) -> Result<(), Fault> {
        let keys = lpc::read(given.argument, self.target)?;
        let tpm = keys.entries.iter().any(|(key, _)| key == "tpm.type");
        self.put_all(given, keys)?;
        if tpm && self.done.tree.get("tpm.version").is_none() {
            self.put(&given.shown(), given.at, "tpm.version", "2.0")?;
        }
        Ok(())
    }

    /// A NUMA domain needs the ACPI tables, which FreeBSD 15.0 makes unless it was told not to.
    fn numa(&mut self, given: &Given) -> Result<(), Fault> {
        self.put_all(given, numa(given.argument)?)?;
        match self.done.tree.get("acpi_tables").map(str::to_ascii_lowercase).as_deref() {
            Some("false" | "off" | "no" | "0") => {
                let fault = Fault::new("a NUMA domain needs ACPI tables, and `acpi_tables` is false");
                Err(fault.hint("take `-o acpi_tables=false` out"))
            }
            _ => Ok(()),
        }
    }

    /// A repeated `-p` adds a CPU to the list.
    fn pin(&mut self, given: &Given) -> Result<(), Fault> {
        let mut keys = pin(given.argument)?;
        for (key, value) in std::mem::take(&mut keys.entries) {
            let value = self.done.tree.get(&key).map_or(value.clone(), |before| format!("{before},{value}"));
            self.done.tree.set(&key, &value)?;
            self.set_by.insert(key.clone(), given.shown());
            self.done.origins.insert(key, given.at);
        }
        self.put_all(given, keys)
    }

    fn slot(&mut self, given: &Given) -> Result<(), Fault> {
        let slot::Slot { slot, entries, warnings } = slot::read(given.argument, self.target)?;
        let node = slot::node(slot);
        if self.done.tree.has_node(&node) {
            let first =
                self.done.tree.under(&node).next().and_then(|(key, _)| self.set_by.get(&format!("{node}.{key}")));
            let taker = first.map(|who| format!(" by {who}")).unwrap_or_default();
            let fault = Fault::new(format!("slot {slot} is taken{taker}"));
            return Err(fault.hint("choose a free slot; more keys of a device follow its `-s`"));
        }
        let entries = entries.into_iter().map(|(key, value)| (format!("{node}.{key}"), value)).collect();
        self.slot = Some(slot);
        let done = self.put_all(given, Keys { entries, warnings });
        self.slot = None;
        done
    }

    /// The one operand is the machine's name; without it, `name` has to be set (bhyve(8)).
    fn operands(&mut self, args: &[String], rest: usize) {
        let operands = args.get(rest..).unwrap_or_default();
        if let Some(name) = operands.first() {
            let who = format!("the name `{}`", veiled(name));
            if let Err(fault) = self.put(&who, rest, "name", name) {
                self.refuse(fault, rest);
            }
        } else if self.done.tree.get("name").is_none() {
            let fault = Fault::new("the machine has no name").hint("it is the last word, after all flags");
            self.refuse(fault, 0);
        }
        if let Some(extra) = operands.get(1) {
            let hint = "a machine has one name, which is the last word: flags come before it";
            self.refuse(Fault::new(format!("`{}` follows the machine's name", veiled(extra))).hint(hint), rest + 1);
        }
    }
}

/// Returns what a flag makes bhyve print. `help` is compared for as many letters as are given, so that an empty text asks for it
/// too.
fn help(given: &Given) -> Option<Help> {
    let asked = "help".starts_with(given.argument);
    match given.flag.effect {
        Effect::Help => Some(Help::Usage),
        Effect::Slot if asked => Some(Help::Slots),
        Effect::Lpc if asked => Some(Help::Lpc),
        // The others make bhyve print nothing.
        _ => None,
    }
}

#[cfg(test)]
mod tests;
