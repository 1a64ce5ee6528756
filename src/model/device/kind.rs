//! What all devices of a kind have in common.

use super::{Device, KINDS};
use crate::diag::Fault;
use crate::model::Parameter;
use crate::model::target::Arch;

/// A kind of device, as bhyve(8) describes it.
#[derive(Debug)]
pub struct DeviceKind {
    /// bhyve's name in a `-s`; the recipe's word is the same with `_` for `-`.
    pub name: &'static str,
    /// The name of its emulation in bhyve_config(5), where no other name is allowed.
    pub device: &'static str,
    /// The entries that the name stands for beside its emulation.
    pub implied: &'static [(&'static str, &'static str)],
    /// One sentence for the reference.
    pub help: &'static str,
    /// What is given before the options, in order.
    pub given: &'static [Parameter],
    /// The options, in the order in which they are written; several lists so that devices can share one.
    pub options: &'static [&'static [Parameter]],
    /// Where the keys of what is given and of the options are, below the device's node; empty for the node itself.
    pub below: &'static str,
    /// What it has any number of: ports, targets.
    pub group: Option<Group>,
    /// Whether bhyve refuses a second one.
    pub single: bool,
    /// The architectures whose bhyve has it.
    pub archs: &'static [Arch],
    /// What has to hold between its values.
    pub check: Check,
    /// What plays its part under QEMU.
    pub counterpart: Counterpart,
}

/// A check of a device as a whole; the fault comes with the parameter that it is about.
pub(crate) type Check = fn(&Device) -> Result<(), (Option<&'static str>, Fault)>;

/// What a device has any number of, each with parameters of its own.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// What one of them is called: `port`.
    pub what: &'static str,
    /// Their parameters; the leading ones begin a new one.
    pub parameters: &'static [&'static [Parameter]],
    /// Where the keys are, below the device's node: `N` stands for the number.
    pub below: &'static str,
    /// The number of the first.
    pub first: u16,
    /// The greatest number.
    pub last: u16,
    /// Whether numbers may be left out between others.
    pub gaps: bool,
    /// Whether the device is nothing without one.
    pub needed: bool,
    /// How recipes write them.
    pub shape: Shape,
}

/// How recipes write a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A list of maps: `[#{ hd: "/a", ser: "X" }]`; an empty one leaves its number out.
    Rows,
    /// A map of the first parameter to the second: `#{ name: "/path" }`.
    Pairs,
    /// A value, or a list of them: `["tablet"]`.
    List,
    /// An option that is a map of numbers: `targets: #{ "1": "/a" }`.
    Numbers(&'static str),
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
    /// Disks and CDs behind one AHCI controller.
    Ahci,
    /// A network card: the name of QEMU's device.
    Nic(&'static str),
    /// A frame buffer with VNC.
    Screen,
    /// An USB controller with its devices.
    Usb,
    /// A folder of the host.
    Share,
    /// Ports that are sockets of the host.
    Console,
    /// A sound card.
    Sound,
    /// A serial port on the PCI bus.
    Uart,
    /// An input device of the host.
    Input,
    /// A PCI device of the host.
    Passthrough,
    /// Any other: the name of QEMU's device.
    Plain(&'static str),
    /// None, with the way out.
    None(&'static str),
}

impl DeviceKind {
    /// What most kinds have; every kind says the rest.
    pub(super) const PLAIN: Self = Self {
        name: "",
        device: "",
        implied: &[],
        help: "",
        given: &[],
        options: &[],
        below: "",
        group: None,
        single: false,
        archs: &Arch::ALL,
        check: |_| Ok(()),
        counterpart: Counterpart::HostBridge,
    };

    /// Makes a kind whose emulation has the same name.
    pub(super) const fn new(name: &'static str, help: &'static str, counterpart: Counterpart) -> Self {
        Self { name, device: name, help, counterpart, ..Self::PLAIN }
    }

    /// Finds a kind by bhyve's name.
    pub fn named(name: &str) -> Option<&'static Self> {
        KINDS.iter().copied().find(|kind| kind.name == name)
    }

    /// Returns the recipe's word.
    pub fn word(&self) -> String {
        self.name.replace('-', "_")
    }

    /// Returns whether that is the recipe's word.
    pub fn is_word(&self, word: &str) -> bool {
        let same = |(ours, theirs): (u8, u8)| ours == theirs || (ours, theirs) == (b'-', b'_');
        self.name.len() == word.len() && self.name.bytes().zip(word.bytes()).all(same)
    }

    /// Returns every option.
    pub fn options(&self) -> impl Iterator<Item = &'static Parameter> {
        self.options.iter().copied().flatten()
    }

    /// Returns what each of its group may have.
    pub fn grouped(&self) -> impl Iterator<Item = &'static Parameter> {
        self.group.iter().flat_map(|group| group.parameters.iter().copied().flatten())
    }

    /// Returns every parameter, in the order in which they are written, and where its key is below the device's node.
    pub fn parameters(&self) -> impl Iterator<Item = (&'static str, &'static Parameter)> {
        let below = self.below;
        let own = self.given.iter().chain(self.options()).map(move |parameter| (below, parameter));
        let group = self.group.map_or("", |group| group.below);
        own.chain(self.grouped().map(move |parameter| (group, parameter)))
    }

    /// Finds a parameter by its name.
    pub fn parameter(&self, name: &str) -> Option<&'static Parameter> {
        self.parameters().map(|(_, parameter)| parameter).find(|parameter| parameter.name == name)
    }

    /// Returns whether a parameter belongs to its group.
    pub fn has_grouped(&self, name: &str) -> bool {
        self.grouped().any(|parameter| parameter.name == name)
    }
}

impl PartialEq for DeviceKind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// Refuses two names of one option.
pub(super) fn one_of(
    device: &Device,
    name: &'static str,
    other: &'static str,
) -> Result<(), (Option<&'static str>, Fault)> {
    if device.value(name).is_some() && device.value(other).is_some() {
        let fault = Fault::new(format!("`{name}` and `{other}` are two names of one option"));
        return Err((Some(name), fault.hint("keep one of them")));
    }
    Ok(())
}
