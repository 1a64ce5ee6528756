//! What is told of a machine where machines are listed.

use super::{Backend, Device, Forward, Mac, Machine, Size, Value};
use std::net::SocketAddr;

/// What a machine is made of, as far as it is told where machines are listed: known from the machine itself, or read from the
/// command line of its hypervisor, where some of it may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Its vCPUs.
    pub cpus: Option<u64>,
    /// How much memory its guest has.
    pub memory: Option<Size>,
    /// Where its screen listens.
    pub vnc: Option<SocketAddr>,
    /// The paths of its disks.
    pub disks: Vec<String>,
    /// The names of its taps.
    pub taps: Vec<String>,
    /// The hardware addresses of its cards, as far as its recipe gives them.
    pub macs: Vec<Mac>,
    /// Which ports of the host reach its guest.
    pub forwards: Vec<Forward>,
    /// The socket of the port at which its guest's agent is.
    pub agent: Option<String>,
}

impl Shape {
    /// Returns what is told of a machine.
    pub fn of(machine: &Machine) -> Self {
        let devices = || machine.devices().map(|(_, device)| device);
        let tap = |backend: &Backend| if let Backend::Tap(tap) = backend { Some(tap.to_string()) } else { None };
        Self {
            cpus: Some(u64::from(machine.cpus())),
            memory: Some(machine.memory()),
            vnc: devices().find_map(Device::vnc).map(|address| address.socket()),
            disks: devices().flat_map(|device| device.images()).map(|(_, _, path, _)| path.to_string()).collect(),
            taps: devices().filter_map(|device| device.backend().and_then(tap)).collect(),
            macs: devices().filter_map(Device::mac).collect(),
            forwards: devices().flat_map(forwards).collect(),
            agent: devices().find_map(Device::agent).map(ToString::to_string),
        }
    }

    /// Returns it with what another knows where it says nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let longer = |one: Vec<String>, other: Vec<String>| if one.is_empty() { other } else { one };
        Self {
            cpus: self.cpus.or(other.cpus),
            memory: self.memory.or(other.memory),
            vnc: self.vnc.or(other.vnc),
            disks: longer(self.disks, other.disks),
            taps: longer(self.taps, other.taps),
            macs: if self.macs.is_empty() { other.macs } else { self.macs },
            forwards: if self.forwards.is_empty() { other.forwards } else { self.forwards },
            agent: self.agent.or(other.agent),
        }
    }
}

/// The rules by which ports of the host reach a card's guest.
fn forwards(device: &Device) -> Vec<Forward> {
    match device.value("hostfwd") {
        Some(Value::Forwards(rules)) => rules.clone(),
        // No other value is for it.
        _ => Vec::new(),
    }
}
