//! A whole configuration of dnsmasq(8): DHCP and TFTP on one interface, for a laptop or a lab.

use super::{NetbootHost, dnsmasq};
use crate::diag::Fault;
use crate::model::NetAddress;
use std::path::Path;

/// Where it is served, and from what.
#[derive(Clone, Debug)]
pub(crate) struct Served<'a> {
    /// The interface on which requests are answered.
    pub interface: &'a str,
    /// Its address of version 4.
    pub address: NetAddress,
    /// The folder of the TFTP server.
    pub tftp: &'a Path,
    /// A folder for leases and the like, which goes away with the server.
    pub folder: &'a Path,
    /// What a firmware's own PXE gets.
    pub loader: &'a str,
}

/// Refuses a host whose address is not in the network that is served.
fn check_address(host: &NetbootHost, served: &Served<'_>) -> Result<(), Fault> {
    match host.address {
        Some(address) if !served.address.reaches(address.into()) => {
            let (name, network) = (&host.name, served.address);
            let fault = format!("{name}'s address {address} is not in {}'s network, {network}", served.interface);
            Err(Fault::new(fault).hint("correct `address` in its recipe, or serve on another bridge"))
        }
        Some(_) | None => Ok(()),
    }
}

/// Returns the configuration. It names no server for names, and hears nothing but its interface.
pub(crate) fn configuration(hosts: &[NetbootHost], served: &Served<'_>) -> Result<String, Fault> {
    let (first, last, mask) = served.address.hosts().ok_or_else(|| {
        let fault =
            Fault::host(format!("the network of {} has no room for guests: {}", served.interface, served.address));
        fault.hint("a network of 30 bits at most, 24 usually")
    })?;
    hosts.iter().try_for_each(|host| check_address(host, served))?;
    let mut lines = vec![
        "port=0".into(),
        "bind-interfaces".into(),
        "no-hosts".into(),
        "no-resolv".into(),
        "log-dhcp".into(),
        format!("interface={}", served.interface),
        format!("dhcp-range={first},{last},{mask},10m"),
        format!("dhcp-leasefile={}", served.folder.join("leases").display()),
        format!("pid-file={}", served.folder.join("pid").display()),
        "enable-tftp".into(),
        format!("tftp-root={}", served.tftp.display()),
    ];
    lines.extend(dnsmasq(hosts, served.loader));
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::super::samples::hosts;
    use super::*;

    fn served(address: &str) -> Served<'static> {
        let (tftp, folder) = (Path::new("/srv/tftp"), Path::new("/var/run/vmrun/netboot"));
        Served { interface: "bridge2", address: address.parse().unwrap(), tftp, folder, loader: "ipxe.efi" }
    }

    #[test]
    fn it_serves_one_interface_and_nothing_else() {
        let text = configuration(&hosts(), &served("192.168.2.5/24")).unwrap();
        let expected = "\
port=0
bind-interfaces
no-hosts
no-resolv
log-dhcp
interface=bridge2
dhcp-range=192.168.2.1,192.168.2.254,255.255.255.0,10m
dhcp-leasefile=/var/run/vmrun/netboot/leases
pid-file=/var/run/vmrun/netboot/pid
enable-tftp
tftp-root=/srv/tftp
";
        assert_eq!(text.split_once("# vmrun").unwrap().0, expected);
        assert!(text.ends_with("auto_install,,192.168.2.5\n"));
    }

    #[test]
    fn a_network_that_cannot_be_served_is_refused() {
        let told = |address: &str| {
            let fault = configuration(&hosts(), &served(address)).unwrap_err();
            format!("{} | {}", fault.message, fault.hint.unwrap_or_default())
        };
        let hint = "a network of 30 bits at most, 24 usually";
        assert_eq!(told("10.0.0.1/31"), format!("the network of bridge2 has no room for guests: 10.0.0.1/31 | {hint}"));
        let hint = "correct `address` in its recipe, or serve on another bridge";
        assert_eq!(
            told("10.0.0.1/24"),
            format!("report1's address 192.168.2.50 is not in bridge2's network, 10.0.0.1/24 | {hint}")
        );
    }
}
