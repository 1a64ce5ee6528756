//! Devices as data: one file describes one kind, one row of [`KINDS`] makes it known.
//!
//! The description holds bhyve's name and options and what plays the device's part under QEMU. Everything else (the recipe's
//! word, the checks, the reference, both command lines) is derived from it.

mod ahci;
mod block;
mod bridges;
mod e1000;
mod fbuf;
mod lpc;
mod nvme;
mod virtio_blk;
mod virtio_net;
mod virtio_rnd;
mod xhci;

use super::value::{Need, Parameter, Tty, Value};
use super::{Backend, DevicePath, Mac, Secret, VncAddress};
use crate::diag::Fault;

pub use block::BLOCK;

/// Every kind of device, in the order of the reference.
pub const KINDS: &[&DeviceKind] = &[
    &bridges::HOSTBRIDGE,
    &bridges::AMD_HOSTBRIDGE,
    &lpc::LPC,
    &virtio_blk::VIRTIO_BLK,
    &nvme::NVME,
    &ahci::AHCI_HD,
    &ahci::AHCI_CD,
    &virtio_net::VIRTIO_NET,
    &e1000::E1000,
    &fbuf::FBUF,
    &xhci::XHCI,
    &virtio_rnd::VIRTIO_RND,
];

/// A kind of device, as bhyve(8) describes it.
#[derive(Debug)]
pub struct DeviceKind {
    /// bhyve's name; the recipe's word is the same with `_` for `-`.
    pub name: &'static str,
    /// One sentence for the reference.
    pub help: &'static str,
    /// What is given before the options, in order.
    pub given: &'static [Parameter],
    /// The options, in the order in which they are written; several lists so that devices can share one.
    pub options: &'static [&'static [Parameter]],
    /// Whether bhyve refuses a second one.
    pub single: bool,
    /// What plays its part under QEMU.
    pub counterpart: Counterpart,
}

/// What plays a device's part under QEMU, and with that its role in the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counterpart {
    /// The host bridge, which QEMU's machine brings along in slot 0.
    HostBridge,
    /// The LPC bridge, which QEMU's machine brings along in slot 31.
    Lpc,
    /// A disk that sits on the PCI bus itself: the name of QEMU's device.
    Disk(&'static str),
    /// A disk behind an AHCI controller of its own.
    AhciDisk,
    /// A CD behind an AHCI controller of its own.
    AhciCd,
    /// A network card: the name of QEMU's device.
    Nic(&'static str),
    /// A frame buffer with VNC.
    Screen,
    /// An USB controller with its devices.
    Usb,
    /// Any other: the name of QEMU's device.
    Plain(&'static str),
}

/// How a device uses its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It only reads.
    ReadOnly,
    /// It writes, so nobody else may.
    ReadWrite,
}

impl DeviceKind {
    /// Finds a kind by bhyve's name.
    pub fn named(name: &str) -> Option<&'static Self> {
        KINDS.iter().copied().find(|kind| kind.name == name)
    }

    /// Returns the recipe's word.
    pub fn word(&self) -> String {
        self.name.replace('-', "_")
    }

    /// Returns every option.
    pub fn options(&self) -> impl Iterator<Item = &'static Parameter> {
        self.options.iter().copied().flatten()
    }

    /// Finds what is given or an option by its name.
    pub fn parameter(&self, name: &str) -> Option<&'static Parameter> {
        self.given.iter().chain(self.options()).find(|parameter| parameter.name == name)
    }
}

impl PartialEq for DeviceKind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// A device with its options.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    kind: &'static DeviceKind,
    values: Vec<(&'static Parameter, Value)>,
}

impl Device {
    /// Makes a device of values whose parameters are the kind's own.
    ///
    /// The fault comes with the parameter that it is about.
    pub fn new(
        kind: &'static DeviceKind,
        mut values: Vec<(&'static Parameter, Value)>,
    ) -> Result<Self, (Option<&'static Parameter>, Fault)> {
        let position = |parameter: &Parameter| {
            kind.given.iter().chain(kind.options()).position(|known| known.name == parameter.name)
        };
        values.sort_by_key(|(parameter, _)| position(parameter));
        for parameter in kind.given.iter().filter(|parameter| parameter.need != Need::Optional) {
            if !values.iter().any(|(given, _)| given.name == parameter.name) {
                let message = format!("{} needs {}: {}", kind.word(), parameter.ty, parameter.help);
                return Err((None, Fault::new(message)));
            }
        }
        for pair in values.windows(2) {
            if pair[0].0.name == pair[1].0.name && pair[0].0.need != Need::Repeated {
                return Err((Some(pair[1].0), Fault::new(format!("`{}` is given twice", pair[1].0.name))));
            }
        }
        let device = Self { kind, values };
        if device.value("tcp").is_some() && device.value("rfb").is_some() {
            let parameter = kind.parameter("rfb");
            return Err((
                parameter,
                Fault::new("`rfb` and `tcp` are two names of one option").hint("keep one of them"),
            ));
        }
        Ok(device)
    }

    /// Returns its kind.
    pub const fn kind(&self) -> &'static DeviceKind {
        self.kind
    }

    /// Returns everything it was given, in the order in which bhyve is told it.
    pub fn values(&self) -> &[(&'static Parameter, Value)] {
        &self.values
    }

    /// Returns the value of one parameter.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.values.iter().find(|(parameter, _)| parameter.name == name).map(|(_, value)| value)
    }

    /// Returns whether a flag is set.
    pub fn flag(&self, name: &str) -> bool {
        self.value(name) == Some(&Value::Flag(true))
    }

    /// Returns the image or volume that a disk or CD uses, and how.
    pub fn image(&self) -> Option<(&DevicePath, Access)> {
        let access = match self.kind.counterpart {
            Counterpart::Disk(_) | Counterpart::AhciDisk if self.flag("ro") => Access::ReadOnly,
            Counterpart::Disk(_) | Counterpart::AhciDisk => Access::ReadWrite,
            Counterpart::AhciCd => Access::ReadOnly,
            Counterpart::HostBridge
            | Counterpart::Lpc
            | Counterpart::Nic(_)
            | Counterpart::Screen
            | Counterpart::Usb
            | Counterpart::Plain(_) => return None,
        };
        match self.value("path") {
            Some(Value::Path(path)) => Some((path, access)),
            _ => None,
        }
    }

    /// Returns what a network card is plugged into.
    pub fn backend(&self) -> Option<&Backend> {
        self.values.iter().find_map(|(_, value)| if let Value::Backend(backend) = value { Some(backend) } else { None })
    }

    /// Returns the hardware address of a network card, if it was given one.
    pub fn mac(&self) -> Option<Mac> {
        self.values.iter().find_map(|(_, value)| if let Value::Mac(mac) = value { Some(*mac) } else { None })
    }

    /// Returns where a frame buffer listens: what it was told, or bhyve's default.
    pub fn vnc(&self) -> Option<VncAddress> {
        let told = self.values.iter().find_map(|(_, v)| if let Value::Address(a) = v { Some(*a) } else { None });
        let default = VncAddress::new(std::net::Ipv4Addr::LOCALHOST.into(), VncAddress::PORT);
        told.or((self.kind.counterpart == Counterpart::Screen).then_some(default))
    }

    /// Returns the password of a frame buffer.
    pub fn password(&self) -> Option<&Secret> {
        self.values.iter().find_map(|(_, v)| if let Value::Password(p) = v { Some(p.secret()) } else { None })
    }

    /// Returns the serial ports that an LPC bridge was given, by name.
    pub fn ttys(&self) -> impl Iterator<Item = (&'static str, &Tty)> {
        self.values.iter().filter_map(|(p, v)| if let Value::Tty(tty) = v { Some((p.name, tty)) } else { None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_no_parameter_twice() {
        for (at, kind) in KINDS.iter().enumerate() {
            assert!(KINDS[at + 1..].iter().all(|other| other.name != kind.name), "{}", kind.name);
            let names: Vec<&str> = kind.given.iter().chain(kind.options()).map(|p| p.name).collect();
            for (at, name) in names.iter().enumerate() {
                assert!(!names[at + 1..].contains(name), "{} has {name} twice", kind.name);
            }
            assert!(kind.help.ends_with('.'), "{}", kind.name);
        }
    }

    #[test]
    fn a_disk_without_a_path_is_no_disk() {
        let (_, fault) = Device::new(&virtio_blk::VIRTIO_BLK, vec![]).unwrap_err();
        assert_eq!(fault.message, "virtio_blk needs a path: the disk: an image, a volume or a device");
    }

    #[test]
    fn a_frame_buffer_listens_where_bhyve_does_by_default() {
        let screen = Device::new(&fbuf::FBUF, vec![]).unwrap();
        assert_eq!(screen.vnc().unwrap().to_string(), "127.0.0.1:5900");
    }
}
