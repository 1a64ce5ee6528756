//! Devices as data: one file describes one kind, one row of [`KINDS`] makes it known.
//!
//! The description holds bhyve's name and options and what plays the device's part under QEMU. Everything else (the recipe's
//! word, the checks, the reference, both command lines, the configuration) is derived from it.

mod ahci;
mod block;
mod bridges;
mod e1000;
pub(crate) mod entries;
mod fbuf;
mod hda;
mod kind;
mod lpc;
mod nvme;
mod passthru;
mod uart;
mod virtio_9p;
mod virtio_blk;
mod virtio_console;
mod virtio_input;
mod virtio_net;
mod virtio_rnd;
mod virtio_scsi;
mod xhci;

use super::value::{Need, Parameter, ParameterForm, Tty, Value};
use super::{Backend, DevicePath, InterfaceName, Mac, Secret, VncAddress};
use crate::diag::Fault;

pub(crate) use kind::{Counterpart, DeviceKind, Group, Shape};
pub(crate) use virtio_console::agent_socket;

/// Every kind of device, in the order of the reference.
pub const KINDS: &[&DeviceKind] = &[
    &bridges::HOSTBRIDGE,
    &bridges::AMD_HOSTBRIDGE,
    &lpc::LPC,
    &virtio_blk::VIRTIO_BLK,
    &nvme::NVME,
    &ahci::AHCI,
    &ahci::AHCI_HD,
    &ahci::AHCI_CD,
    &virtio_scsi::VIRTIO_SCSI,
    &virtio_9p::VIRTIO_9P,
    &virtio_net::VIRTIO_NET,
    &e1000::E1000,
    &fbuf::FBUF,
    &xhci::XHCI,
    &virtio_input::VIRTIO_INPUT,
    &virtio_console::VIRTIO_CONSOLE,
    &uart::UART,
    &hda::HDA,
    &virtio_rnd::VIRTIO_RND,
    &passthru::PASSTHRU,
];

/// Returns the serial ports of the LPC bridge, which a machine may also be given beside its devices.
pub const fn serial_ports() -> &'static [Parameter] {
    lpc::PORTS
}

/// How a device uses its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It only reads, so that others may too.
    ReadOnly,
    /// It writes, so nobody else may.
    ReadWrite,
}

/// One thing that a device was given.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The number of the port or target that it belongs to; nothing for the device itself.
    pub number: Option<u16>,
    /// What bhyve calls it, and how it is read.
    pub parameter: &'static Parameter,
    /// What it holds.
    pub value: Value,
}

/// A fault of a device, with the number and the parameter that it is about.
pub(crate) type ItemFault = (Option<u16>, Option<&'static Parameter>, Fault);

/// A device with its options.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    kind: &'static DeviceKind,
    items: Vec<Item>,
}

impl Device {
    /// Makes a device of values whose parameters are the kind's own. What leads a group takes the next number in it, and
    /// what follows belongs to that.
    ///
    /// The fault comes with the parameter that it is about.
    pub fn new(
        kind: &'static DeviceKind,
        values: Vec<(&'static Parameter, Value)>,
    ) -> Result<Self, (Option<&'static Parameter>, Fault)> {
        let mut next = kind.group.map_or(0, |group| group.first);
        let mut number = next;
        let items = values.into_iter().map(|(parameter, value)| {
            if parameter.need == Need::Leading {
                number = next;
                next = next.saturating_add(1);
            }
            Item { number: kind.has_grouped(parameter.name).then_some(number), parameter, value }
        });
        Self::of_items(kind, items.collect()).map_err(|(_, parameter, fault)| (parameter, fault))
    }

    /// Makes a device of values that know their numbers.
    pub fn of_items(kind: &'static DeviceKind, mut items: Vec<Item>) -> Result<Self, ItemFault> {
        let position = |name: &str| kind.parameters().position(|(_, known)| known.name == name);
        // A flag that is off is bhyve's default.
        items.retain(|item| item.value != Value::Flag(false));
        items.sort_by_key(|item| (item.number, position(item.parameter.name)));
        for parameter in kind.given.iter().filter(|parameter| parameter.need == Need::Required) {
            if !items.iter().any(|item| item.parameter.name == parameter.name) {
                let message = format!("{} needs {}: {}", kind.word(), parameter.ty, parameter.help);
                return Err((None, None, Fault::new(message)));
            }
        }
        for pair in items.windows(2) {
            if let [first, second] = pair
                && (first.number, first.parameter.name) == (second.number, second.parameter.name)
            {
                let fault = Fault::new(format!("`{}` is given twice", second.parameter.name));
                return Err((second.number, Some(second.parameter), fault));
            }
        }
        check_group(kind, &items)?;
        let mut device = Self { kind, items };
        device.tell_type();
        let named = |name: Option<&'static str>| name.and_then(|name| kind.parameter(name));
        (kind.check)(&device).map_err(|(name, fault)| {
            let of = |item: &&Item| name == Some(item.parameter.name);
            (device.items.iter().rev().find(of).and_then(|item| item.number), named(name), fault)
        })?;
        Ok(device)
    }

    /// bhyve has to be told that an interface is a tap where its name does not say so.
    fn tell_type(&mut self) {
        let Some(ty) = self.kind.parameter("type") else { return };
        let tap = Value::Choice("tap");
        let is_tap = matches!(self.value("type"), Some(Value::Choice("tap" | "vmnet")));
        for item in &mut self.items {
            if let (Value::Backend(Backend::Named(name)), true) = (&item.value, is_tap) {
                item.value = Value::Backend(Backend::Tap(name.clone()));
            }
        }
        let strange = self.backend().is_some_and(|b| matches!(b, Backend::Tap(_)) && b.kind().is_none());
        if strange && self.value("type").is_none() {
            let at = self.items.iter().position(|i| !self.kind.given.iter().any(|g| g.name == i.parameter.name));
            self.items.insert(at.unwrap_or(self.items.len()), Item { number: None, parameter: ty, value: tap });
        }
    }

    /// Returns its kind.
    pub const fn kind(&self) -> &'static DeviceKind {
        self.kind
    }

    /// Returns everything it was given, in the order in which bhyve is told it.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Returns everything it was given, to be replaced by something of its type.
    pub(super) fn items_mut(&mut self) -> &mut [Item] {
        &mut self.items
    }

    /// Returns the numbers of its group that are there, each with what it was given.
    pub fn numbers(&self) -> Vec<(u16, Vec<&Item>)> {
        let mut all: Vec<(u16, Vec<&Item>)> = Vec::new();
        for item in &self.items {
            let Some(number) = item.number else { continue };
            match all.last_mut() {
                Some((last, items)) if *last == number => items.push(item),
                _ => all.push((number, vec![item])),
            }
        }
        all
    }

    /// Returns the value of one parameter; the first of a group.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.items.iter().find(|item| item.parameter.name == name).map(|item| &item.value)
    }

    /// Returns whether a flag is set.
    pub fn flag(&self, name: &str) -> bool {
        self.value(name) == Some(&Value::Flag(true))
    }

    /// Returns the images and volumes that its disks and CDs use, how, and the parameter that names them.
    pub fn images(&self) -> Vec<(Option<u16>, &'static str, &DevicePath, Access)> {
        let disk = |ro| if ro { Access::ReadOnly } else { Access::ReadWrite };
        let one = |access| match self.value("path") {
            Some(Value::Path(path)) => vec![(None, "path", path, access)],
            // Without a path there is no image.
            _ => Vec::new(),
        };
        match self.kind.counterpart {
            Counterpart::Disk(_) | Counterpart::AhciDisk => one(disk(self.flag("ro"))),
            Counterpart::AhciCd => one(Access::ReadOnly),
            Counterpart::Ahci => {
                let port = |(number, items): (u16, Vec<&'_ Item>)| {
                    let ro = items.iter().any(|i| i.parameter.name == "ro" && i.value == Value::Flag(true));
                    self.items.iter().find_map(|item| match (item.parameter.name, &item.value) {
                        (name @ ("hd" | "cd"), Value::Path(path)) if item.number == Some(number) => {
                            Some((Some(number), name, path, disk(ro || name == "cd")))
                        }
                        _ => None,
                    })
                };
                self.numbers().into_iter().filter_map(port).collect()
            }
            Counterpart::HostBridge
            | Counterpart::Lpc
            | Counterpart::Nic(_)
            | Counterpart::Screen
            | Counterpart::Usb
            | Counterpart::Share
            | Counterpart::Console
            | Counterpart::Sound
            | Counterpart::Uart
            | Counterpart::Input
            | Counterpart::Passthrough
            | Counterpart::Plain(_)
            | Counterpart::None(_) => Vec::new(),
        }
    }

    /// Returns whether the image of the device, or of one of its ports, was said to be a disk as it is.
    pub fn is_raw(&self, number: Option<u16>) -> bool {
        self.items.iter().any(|item| item.number == number && item.parameter.form == ParameterForm::Own)
    }

    /// Returns the tap that a network card is plugged into.
    pub fn tap(&self) -> Option<&InterfaceName> {
        self.backend().and_then(|backend| if let Backend::Tap(tap) = backend { Some(tap) } else { None })
    }

    /// Returns what a network card is plugged into.
    pub fn backend(&self) -> Option<&Backend> {
        self.find(|value| if let Value::Backend(backend) = value { Some(backend) } else { None })
    }

    /// Returns the hardware address of a network card, if it was given one.
    pub fn mac(&self) -> Option<Mac> {
        self.find(|value| if let Value::Mac(mac) = value { Some(*mac) } else { None })
    }

    /// Returns the socket in the file system on which a frame buffer listens, where it was told one.
    pub fn vnc_socket(&self) -> Option<&DevicePath> {
        self.find(|value| if let Value::Socket(path) = value { Some(path) } else { None })
    }

    /// Returns the address on which a frame buffer listens: what it was told, or bhyve's default.
    pub fn vnc(&self) -> Option<VncAddress> {
        if self.vnc_socket().is_some() {
            return None;
        }
        let told = self.find(|value| if let Value::Address(address) = value { Some(address.clone()) } else { None });
        let default = VncAddress::new(std::net::Ipv4Addr::LOCALHOST.into(), VncAddress::PORT);
        told.or((self.kind.counterpart == Counterpart::Screen).then_some(default))
    }

    /// Returns the password of a frame buffer.
    pub fn password(&self) -> Option<&Secret> {
        self.find(|value| if let Value::Password(password) = value { Some(password.secret()) } else { None })
    }

    /// Returns what its serial ports are plugged into, by the names of their parameters.
    pub fn ttys(&self) -> impl Iterator<Item = (&'static str, &Tty)> {
        let tty = |item: &'_ Item| item.parameter.name;
        self.items
            .iter()
            .filter_map(move |item| if let Value::Tty(of) = &item.value { Some((tty(item), of)) } else { None })
    }

    fn find<'a, T>(&'a self, pick: impl Fn(&'a Value) -> Option<T>) -> Option<T> {
        self.items.iter().find_map(|item| pick(&item.value))
    }
}

/// A group has its numbers without a gap, and each begins with what leads it.
fn check_group(kind: &'static DeviceKind, items: &[Item]) -> Result<(), ItemFault> {
    let Some(group) = kind.group else { return Ok(()) };
    let (what, word) = (group.what, kind.word());
    let mut numbers: Vec<u16> = items.iter().filter_map(|item| item.number).collect();
    numbers.dedup();
    if numbers.is_empty() && group.needed {
        return Err((None, None, Fault::new(format!("{word} needs at least one {what}"))));
    }
    for (number, expected) in numbers.iter().copied().zip(group.first..) {
        let of = || items.iter().filter(|item| item.number == Some(number));
        let first = of().next().map(|item| item.parameter);
        let fault = |fault: Fault| Err((Some(number), first, fault));
        if number > group.last || number < group.first {
            let message = format!("{word} has no {what} {number}");
            return fault(Fault::new(message).hint(format!("{what}s from {} to {}", group.first, group.last)));
        }
        if number != expected && !group.gaps {
            let message = format!("{what} {number} of {word} follows no {what} {}", number.saturating_sub(1));
            return fault(Fault::new(message).hint(format!("count them from {} on without a gap", group.first)));
        }
        let leading = of().filter(|item| item.parameter.need == Need::Leading).count();
        let missing =
            kind.grouped().find(|p| p.need == Need::Required && !of().any(|item| item.parameter.name == p.name));
        let leads = || kind.grouped().filter(|p| p.need == Need::Leading).map(|p| format!("`{}`", p.name));
        if leading != 1 {
            let message = format!("{what} {number} of {word} needs one {}", leads().collect::<Vec<_>>().join(" or "));
            return fault(Fault::new(message));
        }
        if let Some(missing) = missing {
            return fault(Fault::new(format!("{what} {number} of {word} needs `{}`: {}", missing.name, missing.ty)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
