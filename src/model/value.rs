//! What options hold: a [`Value`] of a [`Type`].

use super::{Backend, CpuSet, DevicePath, Feature, Forward, HostDevice, Mac, Secret, Size, VncAddress};
use crate::diag::Fault;
use std::fmt;

pub(crate) use super::parameter::{Need, Parameter, ParameterForm};
pub(crate) use super::tty::Tty;
pub(crate) use super::types::Type;

/// VNC authentication uses the first eight bytes of a password and says nothing of the rest.
pub(crate) const PASSWORD_MAX: usize = 8;

/// What an option holds. Shown as bhyve is told it, a password as `***`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A file or device.
    Path(DevicePath),
    /// A text of one line.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Whether the word stands there.
    Flag(bool),
    /// One of the few words.
    Choice(&'static str),
    /// Logical and physical sector size.
    SectorSize(u32, u32),
    /// An IEEE identifier.
    Eui64(u64),
    /// A hardware address.
    Mac(Mac),
    /// What a network card is plugged into.
    Backend(Backend),
    /// Ports of the host that reach into the guest.
    Forwards(Vec<Forward>),
    /// Where VNC listens.
    Address(VncAddress),
    /// The socket in the file system on which VNC listens.
    Socket(DevicePath),
    /// A password for VNC.
    Password(Password),
    /// What a serial port is plugged into.
    Tty(Tty),
    /// A PCI device of the host.
    HostDevice(HostDevice),
    /// A register of a PCI device.
    Register(u16),
    /// CPUs of the host, as cpuset(1) lists them.
    CpuSet(CpuSet),
    /// An amount of memory.
    Size(Size),
}

impl Value {
    /// Returns what bhyve has to have in order to understand it.
    pub fn feature(&self) -> Option<Feature> {
        match self {
            Self::Tty(tty) => tty.feature(),
            // bhyve(8), -l tpm.
            Self::Socket(_) => Some(Feature::ScreenSocket),
            Self::Choice("swtpm") => Some(Feature::Swtpm),
            // Every bhyve that vmrun knows understands the others.
            _ => None,
        }
    }

    /// Returns the value as bhyve_config(5) has it: usually one entry of that key; none for a password.
    pub fn entries(&self, key: &str) -> Vec<(String, String)> {
        match self {
            Self::Password(_) => Vec::new(),
            Self::HostDevice(HostDevice::Address(bus, slot, function)) => {
                let parts = [("bus", bus), ("slot", slot), ("func", function)];
                parts.map(|(key, number)| (key.to_string(), number.to_string())).into()
            }
            // The others are one entry.
            value => vec![(key.to_string(), value.to_string())],
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => number.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
            Self::Choice(word) => f.write_str(word),
            Self::SectorSize(logical, physical) if logical == physical => logical.fmt(f),
            Self::SectorSize(logical, physical) => write!(f, "{logical}/{physical}"),
            Self::Eui64(id) => write!(f, "{id:#018x}"),
            Self::Mac(mac) => mac.fmt(f),
            Self::Backend(backend) => backend.fmt(f),
            Self::Forwards(rules) => {
                f.write_str(&rules.iter().map(ToString::to_string).collect::<Vec<String>>().join(";"))
            }
            Self::Address(address) => address.fmt(f),
            Self::Socket(path) => write!(f, "unix:{path}"),
            Self::Password(password) => password.secret().fmt(f),
            Self::Tty(tty) => tty.fmt(f),
            Self::HostDevice(device) => device.fmt(f),
            Self::Register(number) => write!(f, "{number:#x}"),
            Self::CpuSet(set) => set.fmt(f),
            Self::Size(size) => size.fmt(f),
        }
    }
}

/// A secret that VNC can use whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Password(Secret);

impl Password {
    /// Returns the text, which nothing prints.
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

impl TryFrom<Secret> for Password {
    type Error = Fault;

    fn try_from(secret: Secret) -> Result<Self, Fault> {
        let text = secret.reveal();
        if text.len() > PASSWORD_MAX {
            let message = format!("the password has {} bytes, of which VNC uses {PASSWORD_MAX}", text.len());
            return Err(Fault::new(message).hint("choose one of at most eight: the rest would protect nothing"));
        }
        if text.is_empty() || text.chars().any(char::is_control) {
            let hint = "one line of at most eight bytes";
            return Err(Fault::new("the password is empty or holds a control character").hint(hint));
        }
        Ok(Self(secret))
    }
}
