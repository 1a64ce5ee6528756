//! Where a guest is, and what that is known from.

use std::net::{IpAddr, SocketAddr};

/// What an address is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddressSource {
    /// The recipe names it.
    Recipe,
    /// A port of this host leads to the guest.
    Forward,
    /// Its agent says it.
    Agent,
    /// A DHCP server of this host has lent it.
    Leases,
    /// This host has spoken to it.
    Neighbours,
}

impl AddressSource {
    /// Returns its word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Recipe => "recipe",
            Self::Forward => "forward",
            Self::Agent => "agent",
            Self::Leases => "leases",
            Self::Neighbours => "neighbours",
        }
    }
}

/// Where a guest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FoundAddress {
    /// The address.
    pub ip: IpAddr,
    /// The port of its sshd there.
    pub port: u16,
    /// What that is known from.
    pub source: AddressSource,
}

impl FoundAddress {
    /// Returns where its sshd is.
    pub(crate) const fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port)
    }
}
