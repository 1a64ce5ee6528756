//! Members for the configuration of kea-dhcp4(8), which is JSON.

use super::NetbootHost;
use super::dhcpd::server;
use crate::diag::Fault;
use serde_json::{Value, json};

/// Returns what to add to `Dhcp4`: reservations, and a class for each kind of asking of each machine, because the file of a
/// reservation would be the same for all of them.
pub(crate) fn kea(hosts: &[NetbootHost], loader: &str) -> Result<String, Fault> {
    const IPXE: &str = "option[175].exists";
    const EFI64: &str = "(option[93].hex == 0x0007 or option[93].hex == 0x0009)";
    let (mut classes, mut reservations) = (Vec::new(), Vec::new());
    for host in hosts {
        let mac = host.mac.octets().map(|octet| format!("{octet:02x}")).concat();
        let server = server(host)?;
        let class = |kind: &str, test: String, file: &str| {
            json!({
                "name": format!("vmrun-{}-{kind}", host.name),
                "test": format!("pkt4.mac == 0x{mac} and {test}"),
                "next-server": server.to_string(),
                "boot-file-name": file,
            })
        };
        classes.push(class("ipxe", IPXE.into(), &host.script()));
        classes.push(class("pxe", format!("not {IPXE} and {EFI64}"), loader));
        classes.extend(host.answers().map(|file| class("answers", format!("not {IPXE} and not {EFI64}"), file)));
        let mut reservation = json!({ "hw-address": host.mac.to_string(), "hostname": host.name.as_str() });
        if let Some(address) = host.address {
            reservation["ip-address"] = Value::String(address.to_string());
        }
        reservations.push(reservation);
    }
    let whole = json!({
        "Dhcp4": { "client-classes": classes, "reservations-global": true, "reservations": reservations }
    });
    Ok(format!("{whole:#}"))
}

#[cfg(test)]
mod tests {
    use super::super::samples::hosts;
    use super::*;

    #[test]
    fn every_machine_has_its_classes_and_its_reservation() {
        let text = kea(&hosts()[1..], "ipxe.efi").unwrap();
        let expected = r#"{
  "Dhcp4": {
    "client-classes": [
      {
        "boot-file-name": "chainload/install.ipxe",
        "name": "vmrun-install-ipxe",
        "next-server": "192.168.2.5",
        "test": "pkt4.mac == 0x000c29a519b9 and option[175].exists"
      },
      {
        "boot-file-name": "ipxe.efi",
        "name": "vmrun-install-pxe",
        "next-server": "192.168.2.5",
        "test": "pkt4.mac == 0x000c29a519b9 and not option[175].exists and (option[93].hex == 0x0007 or option[93].hex == 0x0009)"
      },
      {
        "boot-file-name": "auto_install",
        "name": "vmrun-install-answers",
        "next-server": "192.168.2.5",
        "test": "pkt4.mac == 0x000c29a519b9 and not option[175].exists and not (option[93].hex == 0x0007 or option[93].hex == 0x0009)"
      }
    ],
    "reservations": [
      {
        "hostname": "install",
        "hw-address": "00:0c:29:a5:19:b9"
      }
    ],
    "reservations-global": true
  }
}"#;
        assert_eq!(text, expected);
        assert!(kea(&hosts()[..1], "ipxe.efi").unwrap().contains("\"ip-address\": \"192.168.2.50\""));
    }
}
