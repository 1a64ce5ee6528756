//! Machines that boot from the network: what a DHCP server has to be told of them, and the script that each one chains to.
//!
//! A guest boots iPXE from an image of its own, gets an address and a host name, and fetches `chainload/HOST.ipxe` from its
//! next server. Nothing here is written: the texts are.

pub(crate) mod chainload;
mod dhcpd;
mod dnsmasq;
mod install;
mod kea;
mod serve;

pub(crate) use dhcpd::dhcpd;
pub(crate) use dnsmasq::dnsmasq;
pub(crate) use install::Install;
pub(crate) use install::KEYS;
pub(crate) use kea::kea;
pub(crate) use serve::{Served, configuration};

use crate::model::{HostName, Mac, VmName};
use std::net::Ipv4Addr;

/// What `netboot(#{ … })` says of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NetbootOptions {
    /// How it is installed.
    pub install: Option<Install>,
    /// The machine, where a recipe has several.
    pub machine: Option<VmName>,
    /// Its host name, if that is not the machine's own.
    pub host: Option<HostName>,
    /// The address that it always gets; nothing where the server chooses one.
    pub address: Option<Ipv4Addr>,
    /// Who has its files.
    pub server: Option<Ipv4Addr>,
}

/// A machine as a DHCP server sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NetbootHost {
    /// The host's name that DHCP gives the machine.
    pub name: HostName,
    /// Its card.
    pub mac: Mac,
    /// Its address, if it is always the same.
    pub address: Option<Ipv4Addr>,
    /// Who has its files, if that is not the DHCP server.
    pub server: Option<Ipv4Addr>,
    /// How it is installed.
    pub install: Option<Install>,
}

impl NetbootHost {
    /// Returns the name of its script below the TFTP server's folder.
    pub(crate) fn script(&self) -> String {
        format!("{}/{}", chainload::FOLDER, chainload::name(&self.name))
    }

    /// Returns the file that an installer asks for by DHCP, having booted.
    fn answers(&self) -> Option<&'static str> {
        // OpenBSD's autoinstall(8): `auto_install` at the next server.
        matches!(self.install, Some(Install::OpenBsd { .. })).then_some("auto_install")
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    /// Two machines, one with everything.
    pub(crate) fn hosts() -> Vec<NetbootHost> {
        vec![
            NetbootHost {
                name: "report1".parse().unwrap(),
                mac: "00:0c:29:f9:6d:4e".parse().unwrap(),
                address: Some(Ipv4Addr::new(192, 168, 2, 50)),
                server: Some(Ipv4Addr::new(192, 168, 2, 5)),
                install: None,
            },
            NetbootHost {
                name: "install".parse().unwrap(),
                mac: "00:0c:29:a5:19:b9".parse().unwrap(),
                address: None,
                server: Some(Ipv4Addr::new(192, 168, 2, 5)),
                install: Some(Install::OpenBsd { mirror: "http://192.168.2.5/7.4/amd64".into() }),
            },
        ]
    }
}
