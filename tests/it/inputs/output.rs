//! What programs of the host say: ifconfig(8), ip(8), ps(1), procstat(1), netstat(1), bhyvectl(8), QEMU's monitor and another host's vmrun; and how a QEMU was called.

use vmrun::internals::bhyve;
use vmrun::internals::host::interfaces::{freebsd, linux};
use vmrun::internals::host::{processes, statistics};
use vmrun::internals::ops::remote;
use vmrun::internals::qemu;
use vmrun::internals::recording::world::INTERFACES;

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
        " 4470  4460   93784 112.5  195:23.50 524288 bhyve: web (bhyve)\n    1     0 9000000   0.0    0:01.00   1032 /sbin/init\n",
        "  PID    TID COMM                TDNAME              CPU  PRI STATE   WCHAN    \n 4470 100518 bhyve               \
         vtnet-5:0 tx         -1  120 sleep   uwait     \n 4470 100521 bhyve               vcpu 1                1  124 run     \
         -         \n",
        "-name\nguest=a,,b,debug-threads=on\n-m\nsize=4194304k\n-smp\n4,sockets=4\n-vnc\n[::1]:1\n-drive\nfile=/a,,b.img\n",
        "vcpu1 stats:\ntotal number of vm exits                \t1234\nResident memory                         \t67108864\n",
        r#"{"return": [{"device": "disk-4.0", "stats": {"rd_bytes": 512, "wr_bytes": 8192, "rd_total_time_ns": 25}}], "id": "disks"}"#,
        r#"{"statistics": {"interface": [{"name":"tap1","network":"<Link#5>","received-bytes":7,"sent-packets":1}]}}"#,
        r#"{"host": "vm6", "machines": [{"name": "web", "pid": 5, "vnc": "10.0.0.6:5901"}, {"name": "db", "pid": null}]}"#,
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
    let seen = processes::freebsd::parse_processes(&text);
    assert!(seen.hypervisors.len() <= text.lines().count());
    for thread in processes::freebsd::parse_threads(&text).values().flatten() {
        assert!(!thread.work().to_string().is_empty());
    }
    assert!(bhyve::statistics::read(&text).len() <= text.lines().count());
    assert!(statistics::of_netstat(&text).len() <= text.len());
    let args: Vec<String> = text.lines().map(String::from).collect();
    assert!(qemu::seen::options_of(&args).shape.disks.len() <= args.len());
    if let Some(running) = remote::read_list(&text) {
        assert!(running.machines.len() <= text.len());
    }
    for line in text.lines() {
        assert!(qemu::statistics::answer(line).is_none_or(|disks| disks.len() <= line.len()));
        if let Some(event) = qemu::event(line) {
            let _ = qemu::ended(event, &text).to_string();
        }
    }
    let _ = qemu::ended(qemu::Event::Reset, &text).to_string();
}
