//! Lines for dnsmasq(8).

use super::NetbootHost;

/// Returns the lines to add to dnsmasq.conf. iPXE tells of itself by option 175; a firmware's own PXE gets the loader, which
/// then asks again.
pub(crate) fn dnsmasq(hosts: &[NetbootHost], loader: &str) -> Vec<String> {
    let mut lines: Vec<String> = [
        "# vmrun netboot dnsmasq",
        "dhcp-match=set:vmrun-ipxe,175",
        "dhcp-match=set:vmrun-efi64,option:client-arch,7",
        "dhcp-match=set:vmrun-efi64,option:client-arch,9",
    ]
    .map(String::from)
    .into();
    for host in hosts {
        let (name, tag) = (&host.name, format!("vmrun-host-{}", host.name));
        let address = host.address.map(|address| format!(",{address}")).unwrap_or_default();
        // Where nothing is said dnsmasq names itself.
        let server = host.server.map(|server| format!(",,{server}")).unwrap_or_default();
        lines.push(format!("dhcp-host={},set:{tag}{address},{name}", host.mac));
        lines.push(format!("dhcp-boot=tag:{tag},tag:vmrun-ipxe,{}{server}", host.script()));
        lines.push(format!("dhcp-boot=tag:{tag},tag:!vmrun-ipxe,tag:vmrun-efi64,{loader}{server}"));
        lines.extend(
            host.answers().map(|file| format!("dhcp-boot=tag:{tag},tag:!vmrun-ipxe,tag:!vmrun-efi64,{file}{server}")),
        );
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::samples::hosts;
    use super::*;

    #[test]
    fn every_machine_has_its_lines() {
        let expected = "\
# vmrun netboot dnsmasq
dhcp-match=set:vmrun-ipxe,175
dhcp-match=set:vmrun-efi64,option:client-arch,7
dhcp-match=set:vmrun-efi64,option:client-arch,9
dhcp-host=00:0c:29:f9:6d:4e,set:vmrun-host-report1,192.168.2.50,report1
dhcp-boot=tag:vmrun-host-report1,tag:vmrun-ipxe,chainload/report1.ipxe,,192.168.2.5
dhcp-boot=tag:vmrun-host-report1,tag:!vmrun-ipxe,tag:vmrun-efi64,ipxe.efi,,192.168.2.5
dhcp-host=00:0c:29:a5:19:b9,set:vmrun-host-install,install
dhcp-boot=tag:vmrun-host-install,tag:vmrun-ipxe,chainload/install.ipxe,,192.168.2.5
dhcp-boot=tag:vmrun-host-install,tag:!vmrun-ipxe,tag:vmrun-efi64,ipxe.efi,,192.168.2.5
dhcp-boot=tag:vmrun-host-install,tag:!vmrun-ipxe,tag:!vmrun-efi64,auto_install,,192.168.2.5";
        assert_eq!(dnsmasq(&hosts(), "ipxe.efi").join("\n"), expected);
    }
}
