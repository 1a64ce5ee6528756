//! What follows the device in a `-s`, read by the device's own rules.

use super::{AHCI_PORTS, AMD, CONSOLE_PORTS, ItemForm, TARGET_MAX, node, numbers};
use crate::bhyve::tree::{Tree, veiled};
use crate::diag::Fault;
use crate::model::number::base_0;
use crate::model::{DeviceKind, Feature, PciSlot, Target, Type};

/// The target that a SCSI controller has where nothing is said of it; with options alone it has none (pci_virtio_scsi.c).
const CTL: &str = "/dev/cam/ctl";

/// The keys of a device, while its text is read.
pub(super) struct Conf {
    slot: PciSlot,
    name: &'static str,
    pub(super) tree: Tree,
    warnings: Vec<Fault>,
}

impl Conf {
    pub(super) fn new(slot: PciSlot, name: &'static str) -> Self {
        Self { slot, name, tree: Tree::new(), warnings: Vec::new() }
    }

    /// Returns the keys, `device` first, and the warnings.
    pub(super) fn done(self) -> (Vec<(String, String)>, Vec<Fault>) {
        let mut entries: Vec<(String, String)> =
            self.tree.entries().map(|(key, value)| (key.into(), value.into())).collect();
        entries.sort_by_key(|(key, _)| key != "device");
        (entries, self.warnings)
    }

    pub(super) fn read(&mut self, form: ItemForm, conf: Option<&str>, target: Target) -> Result<(), Fault> {
        match (form, conf) {
            (ItemForm::Amd, conf) => self.amd(conf),
            (ItemForm::Port(kind), conf) => {
                self.tree.set("port.0.type", kind)?;
                conf.map_or(Ok(()), |conf| self.first("port.0.", "path", conf))
            }
            (ItemForm::Needed(key), None) => {
                let hint = format!("write `{},{},/dev/input/event0`", self.slot, self.name);
                Err(Fault::new(format!("`{}` needs its {key}", self.name)).hint(hint))
            }
            (ItemForm::Named, None) => {
                let hint = format!("write `{},{},NAME=PATH`; without it bhyve crashes", self.slot, self.name);
                Err(Fault::new(format!("`{}` needs a port", self.name)).hint(hint))
            }
            (ItemForm::Targets, None) if target.has(Feature::ScsiTargets) => self.tree.set("target.0", CTL),
            (_, None) => Ok(()),
            (ItemForm::Options, Some(conf)) => self.options("", conf),
            (ItemForm::First(key) | ItemForm::Needed(key), Some(conf)) => self.first("", key, conf),
            (ItemForm::Whole(key), Some(conf)) => self.tree.set(key, conf),
            (ItemForm::PathOrRam, Some(conf)) if conf.starts_with("ram=") => self.options("", conf),
            (ItemForm::PathOrRam, Some(conf)) => self.first("", "path", conf),
            (ItemForm::Ports, Some(conf)) => self.ports(conf),
            (ItemForm::Share, Some(conf)) => self.share(conf),
            (ItemForm::Named, Some(conf)) => self.named(conf),
            (ItemForm::Targets, Some(conf)) if !target.has(Feature::ScsiTargets) => self.first("", "dev", conf),
            (ItemForm::Targets, Some(conf)) => self.targets(conf),
            (ItemForm::Host, Some(conf)) => self.host(conf),
            (ItemForm::Usb, Some(conf)) => self.usb(conf),
        }
    }

    fn warn(&mut self, message: String, hint: &str) {
        self.warnings.push(Fault::new(message).hint(hint));
    }

    /// Reads options with commas between them into the node `below`, which is empty or ends in a dot.
    fn options(&mut self, below: &str, text: &str) -> Result<(), Fault> {
        text.split(',').try_for_each(|item| self.option(below, item))
    }

    fn option(&mut self, below: &str, item: &str) -> Result<(), Fault> {
        let (key, value) = item.split_once('=').unwrap_or((item, "true"));
        if key.contains('.') {
            let hint = format!("write `-o {}.{below}{}=...`", node(self.slot), veiled(key));
            return Err(Fault::new(format!("`{}` has a dot, which `-s` does not take", veiled(key))).hint(hint));
        }
        if key.is_empty() {
            let fault = Fault::new(format!("`{}` has an option without a name", self.name));
            return Err(fault.hint("bhyve reads no such key: leave the comma out"));
        }
        if !item.contains('=') && self.takes_value(key) {
            let fault = Fault::new(format!("`{key}` of `{}` has no value", self.name));
            return Err(fault.hint(format!("bhyve would take \"true\" for it: write `{key}=...`")));
        }
        let key = format!("{below}{key}");
        if self.tree.get(&key).is_some() {
            self.warn(format!("`{}` is given `{key}` twice", self.name), "the last one counts: keep one of them");
        }
        self.tree.set(&key, value)
    }

    /// Returns whether an option means nothing without a value.
    fn takes_value(&self, name: &str) -> bool {
        let kind = DeviceKind::named(self.name);
        let all = kind.into_iter().flat_map(DeviceKind::parameters).map(|(_, parameter)| parameter);
        let mut named = all.filter(|parameter| parameter.name == name).peekable();
        named.peek().is_some() && named.all(|parameter| parameter.ty != Type::Flag)
    }

    /// Refuses an option where a path has to stand: bhyve would look for a file of that name.
    fn is_no_path(&self, text: &str) -> Result<(), Fault> {
        let name = text.split_once('=').map_or(text, |(name, _)| name);
        let kind = DeviceKind::named(self.name);
        let mut options = kind.into_iter().flat_map(|kind| kind.options().chain(kind.grouped()));
        let is_option = options.any(|option| option.name == name && (option.ty == Type::Flag || name != text));
        let fault = || Fault::new(format!("`{}` stands where the path of `{}` belongs", veiled(text), self.name));
        if is_option { Err(fault().hint("the path comes first, and then the options")) } else { Ok(()) }
    }

    /// Reads a first item that is the value of `key`, and then options.
    fn first(&mut self, below: &str, key: &str, text: &str) -> Result<(), Fault> {
        let (first, rest) = text.split_once(',').map_or((text, None), |(first, rest)| (first, Some(rest)));
        if matches!(key, "path" | "dev") {
            self.is_no_path(first)?;
        }
        self.tree.set(&format!("{below}{key}"), first)?;
        rest.map_or(Ok(()), |rest| self.options(below, rest))
    }

    fn amd(&mut self, conf: Option<&str>) -> Result<(), Fault> {
        if conf.is_some() {
            let fault = Fault::new(format!("`{}` takes no options", self.name));
            return Err(fault.hint("bhyve ignores what follows: leave it out"));
        }
        AMD.iter().try_for_each(|(key, value)| self.tree.set(key, value))
    }

    /// A port that names nothing is skipped, and keeps its number.
    fn ports(&mut self, conf: &str) -> Result<(), Fault> {
        let mut next = Some(conf);
        let mut port = 0;
        while let Some(text) = next {
            let kind = ["hd", "cd"].into_iter().find(|kind| text.get(..3) == Some(&format!("{kind}:")));
            let (Some(kind), Some(body)) = (kind, text.get(3..)) else {
                let hint = "write `hd:PATH` for a disk, `cd:PATH` for a CD, with commas between them";
                return Err(Fault::new(format!("`{}` is no port of `{}`", veiled(text), self.name)).hint(hint));
            };
            if port == AHCI_PORTS {
                let message = format!("`{}` has {AHCI_PORTS} ports, and more are given", self.name);
                return Err(Fault::new(message).hint("bhyve ignores the rest: put it in another slot"));
            }
            let end = [",hd:", ",cd:"].iter().filter_map(|mark| body.find(mark)).min();
            next = end.and_then(|end| body.get(end + 1..));
            let body = end.and_then(|end| body.get(..end)).unwrap_or(body);
            if !body.is_empty() {
                let below = format!("port.{port}.");
                self.tree.set(&format!("{below}type"), kind)?;
                self.first(&below, "path", body)?;
            }
            port += 1;
        }
        Ok(())
    }

    fn share(&mut self, conf: &str) -> Result<(), Fault> {
        let mut shared = false;
        for item in conf.split(',') {
            match item.split_once('=') {
                Some((name, path)) if !shared => {
                    shared = true;
                    self.tree.set("sharename", name)?;
                    self.tree.set("path", path)?;
                }
                Some((name, _)) => {
                    let message = format!("`{}` takes `{}` for a second share", self.name, veiled(name));
                    return Err(Fault::new(message).hint("one `NAME=PATH` a device; options are bare words, as `ro`"));
                }
                None => self.option("", item)?,
            }
        }
        Ok(())
    }

    fn named(&mut self, conf: &str) -> Result<(), Fault> {
        for (port, item) in conf.split(',').enumerate() {
            let Some((name, path)) = item.split_once('=') else {
                let message = format!("the port `{}` of `{}` has no path", veiled(item), self.name);
                return Err(Fault::new(message).hint("write NAME=PATH, the path of a socket"));
            };
            if port == CONSOLE_PORTS {
                let message = format!("`{}` has {CONSOLE_PORTS} ports, and more are given", self.name);
                return Err(Fault::new(message).hint("put the rest in another slot"));
            }
            self.tree.set(&format!("port.{port}.name"), name)?;
            self.tree.set(&format!("port.{port}.path"), path)?;
        }
        Ok(())
    }

    fn targets(&mut self, conf: &str) -> Result<(), Fault> {
        let mut last = None;
        for (at, item) in conf.split(',').enumerate() {
            let device = match item.split_once('=') {
                Some(("target" | "dev", device)) => device,
                None if at == 0 => item,
                None if matches!(item, "target" | "dev") => {
                    let fault = Fault::new(format!("`{item}` of `{}` names no device", self.name));
                    return Err(fault.hint("write target=[ID:]DEVICE, as in `target=1:/dev/cam/ctl1`"));
                }
                _ => {
                    self.option("", item)?;
                    continue;
                }
            };
            let (id, device) = target_of(device, last)?;
            if self.tree.get(&format!("target.{id}")).is_some() {
                let fault = Fault::new(format!("the target {id} of `{}` is given twice", self.name));
                return Err(fault.hint("give each an id of its own, or none"));
            }
            self.tree.set(&format!("target.{id}"), device)?;
            last = last.max(Some(id));
        }
        Ok(())
    }

    fn host(&mut self, conf: &str) -> Result<(), Fault> {
        let (device, rest) = conf.split_once(',').map_or((conf, None), |(device, rest)| (device, Some(rest)));
        if device.starts_with("ppt") {
            self.tree.set("pptdev", device)?;
        } else {
            let spellings = [
                device.strip_prefix("pci0:").map(|rest| numbers(rest, ':', 3)),
                device.strip_prefix("pci").map(|rest| numbers(rest, ':', 3)),
                Some(numbers(device, '/', 3)),
            ];
            let found = spellings.into_iter().flatten().find(|(numbers, _)| numbers.len() == 3);
            let Some((numbers, "")) = found else {
                let message = format!("`{}` is no device of the host", veiled(device));
                return Err(Fault::new(message).hint("write BUS/SLOT/FUNCTION, as in `2/0/0`, or a name, as in `ppt0`"));
            };
            for (key, number) in ["bus", "slot", "func"].iter().zip(numbers) {
                self.tree.set(key, &number.to_string())?;
            }
        }
        rest.map_or(Ok(()), |rest| self.options("", rest))
    }

    /// Ports count from 1. As the commas are taken, a device has one option at most.
    fn usb(&mut self, conf: &str) -> Result<(), Fault> {
        for (at, item) in conf.split(',').enumerate() {
            let (device, option) = item.split_once('=').unwrap_or((item, ""));
            let below = format!("slot.{}.", at + 1);
            self.tree.set(&format!("{below}device"), device)?;
            if !option.is_empty() {
                self.option(&below, option)?;
            }
        }
        Ok(())
    }
}

/// Reads `[ID:]DEVICE`, the id in base 0; without one, it is the one after the highest.
fn target_of(text: &str, last: Option<u32>) -> Result<(u32, &str), Fault> {
    let (id, device) = match text.split_once(':').filter(|_| !text.starts_with('/')) {
        Some((id, device)) => (base_0(id).and_then(|id| u32::try_from(id).ok()), device),
        None => (Some(last.map_or(0, |last| last + 1)), text),
    };
    let id = id.filter(|id| *id <= TARGET_MAX).ok_or_else(|| {
        let fault = Fault::new(format!("`{}` has no id that a target can have", veiled(text)));
        fault.hint(format!("write target=ID:DEVICE, the id from 0 to {TARGET_MAX}"))
    })?;
    Ok((id, device))
}
