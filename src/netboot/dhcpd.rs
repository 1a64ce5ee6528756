//! Lines for dhcpd.conf(5) of ISC.

use super::NetbootHost;
use crate::diag::Fault;
use std::net::Ipv4Addr;

/// Returns who has the files of a machine: dhcpd and Kea have to be told.
pub(super) fn server(host: &NetbootHost) -> Result<Ipv4Addr, Fault> {
    host.server.ok_or_else(|| {
        let fault = Fault::new(format!("nothing says who has the boot files of {}", host.name));
        fault.hint("netboot(#{ server: \"192.168.2.5\" }) in its recipe, or --server 192.168.2.5")
    })
}

/// Returns the lines to add to dhcpd.conf. iPXE tells of itself by its user class, a firmware by its vendor class.
pub(crate) fn dhcpd(hosts: &[NetbootHost], loader: &str) -> Result<Vec<String>, Fault> {
    let mut lines = vec!["# vmrun netboot dhcpd".into()];
    for host in hosts {
        lines.push(format!("host {} {{", host.name));
        lines.push(format!("    hardware ethernet {};", host.mac));
        lines.extend(host.address.map(|address| format!("    fixed-address {address};")));
        lines.push(format!("    option host-name \"{}\";", host.name));
        lines.push(format!("    next-server {};", server(host)?));
        lines.push("    if exists user-class and option user-class = \"iPXE\" {".into());
        lines.push(format!("        filename \"{}\";", host.script()));
        let arch =
            |number: u8| format!("substring (option vendor-class-identifier, 0, 20) = \"PXEClient:Arch:{number:05}\"");
        lines.push(format!("    }} elsif {} or {} {{", arch(7), arch(9)));
        lines.push(format!("        filename \"{loader}\";"));
        if let Some(file) = host.answers() {
            lines.push("    } else {".into());
            lines.push(format!("        filename \"{file}\";"));
        }
        lines.extend(["    }", "}"].map(String::from));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::super::samples::hosts;
    use super::*;

    #[test]
    fn every_machine_has_its_lines() {
        let expected = r#"
# vmrun netboot dhcpd
host report1 {
    hardware ethernet 00:0c:29:f9:6d:4e;
    fixed-address 192.168.2.50;
    option host-name "report1";
    next-server 192.168.2.5;
    if exists user-class and option user-class = "iPXE" {
        filename "chainload/report1.ipxe";
    } elsif substring (option vendor-class-identifier, 0, 20) = "PXEClient:Arch:00007" or substring (option vendor-class-identifier, 0, 20) = "PXEClient:Arch:00009" {
        filename "ipxe.efi";
    }
}
host install {
    hardware ethernet 00:0c:29:a5:19:b9;
    option host-name "install";
    next-server 192.168.2.5;
    if exists user-class and option user-class = "iPXE" {
        filename "chainload/install.ipxe";
    } elsif substring (option vendor-class-identifier, 0, 20) = "PXEClient:Arch:00007" or substring (option vendor-class-identifier, 0, 20) = "PXEClient:Arch:00009" {
        filename "ipxe.efi";
    } else {
        filename "auto_install";
    }
}"#;
        assert_eq!(dhcpd(&hosts(), "ipxe.efi").unwrap().join("\n"), expected.trim_start());
        let nobody = [NetbootHost { server: None, ..hosts()[0].clone() }];
        let fault = dhcpd(&nobody, "ipxe.efi").unwrap_err();
        assert_eq!(fault.message, "nothing says who has the boot files of report1");
        let hint = "netboot(#{ server: \"192.168.2.5\" }) in its recipe, or --server 192.168.2.5";
        assert_eq!(fault.hint.as_deref(), Some(hint));
        assert_eq!(super::super::kea(&nobody, "ipxe.efi").unwrap_err(), fault);
    }
}
