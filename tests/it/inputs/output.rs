//! What programs of the host say: ifconfig(8), ip(8) and QEMU's monitor.

use vmrun::host::{freebsd, links, linux};
use vmrun::qemu;
use vmrun::recording::world::INTERFACES;

/// What each of them prints.
pub fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        INTERFACES,
        "bridge0: flags=8843<UP> metric 0 mtu 1500\n\tinet 10.0.0.1 netmask 0xffffff00\n\tinet6 fe80::1%em0 prefixlen \
         64\n\tid 00:00:00:00:00:00 priority 32768\n\tmember: tap0 flags=143<LEARNING>\n\tgroups: bridge viid-4c918@\n",
        r#"[{"ifname":"br0","linkinfo":{"info_kind":"bridge"},"addr_info":[{"local":"10.9.0.1"}]},{"ifname":"tap0",
        "linkinfo":{"info_kind":"tun"},"addr_info":[]}]"#,
        "ix0.82: flags=8843<UP> metric 0 mtu 9000\n\tgroups: vlan vmrun\n\tvlan: 82 vlanproto: 802.1q vlanpcp: 0 parent \
         interface: ix0\n",
        r#"[{"ifname":"a.82","link":"a","mtu":1500,"flags":["UP"],"ifalias":"vmrun:a","linkinfo":{"info_kind":"vlan",
        "info_data":{"id":82}},"addr_info":[{"local":"10.9.0.1","prefixlen":24}]}]"#,
        r#"{"timestamp": {"seconds": 1}, "event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-reset"}}"#,
        r#"{"event": "SHUTDOWN", "data": {"reason": "guest-shutdown"}}"#,
        "{\"return\": {}}\n{\"QMP\": {}}",
        "CPU Reset (CPU 0)\nTriple fault\n",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

pub fn holds(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let interfaces = freebsd::parse_interfaces(&text);
    assert!(interfaces.len() <= text.lines().count());
    if let Ok(interfaces) = linux::parse_interfaces(&text) {
        assert!(interfaces.len() <= text.len());
    }
    assert_eq!(links::of_ifconfig(&text).len(), interfaces.len());
    if let Ok(links) = links::of_ip(&text) {
        assert!(links.len() <= text.len());
    }
    for line in text.lines() {
        if let Some(event) = qemu::event(line) {
            let _ = qemu::ended(event, &text).to_string();
        }
    }
    let _ = qemu::ended(qemu::Event::Reset, &text).to_string();
}
