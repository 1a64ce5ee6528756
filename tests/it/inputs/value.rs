//! Single values: what is shown reads back, of every type that an option or a key may have.

use std::fmt::{Debug, Display};
use std::str::FromStr;
use vmrun::internals::model::device::{KINDS, serial_ports};
use vmrun::internals::model::setting::SETTINGS;
use vmrun::internals::model::value::Value;
use vmrun::internals::model::{
    Backend, CpuSet, DevicePath, Forward, HostDevice, HostName, InterfaceName, Mac, NetAddress, PciSlot, Size, Tty,
    Type, VmName, VncAddress,
};

/// One of each.
pub fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "20G",
        "4gb",
        "0x200",
        "1048576k",
        "16777215T",
        "7b",
        "192.168.2.6/24",
        "fd00::1/64",
        "web-1",
        "0:c:29:a5:19:b9",
        "58:9c:fc:00:00:01",
        "3",
        "31:7",
        "255:31:7",
        "5901",
        "127.0.0.1:5901",
        "[::1]:5900",
        "[fe80::1%em0]:1",
        "lab",
        "tap1",
        "vmnet0",
        "netmap:em0",
        "vale0:1",
        "netgraph",
        "slirp",
        "ppt0",
        "2/0/0",
        "pci0:2:0:0",
        "stdio",
        "/dev/nmdm0A",
        "tcp=127.0.0.1:4321",
        "tcp=[::1]:1",
        "0-3,8",
        "1,1,2-2",
        "tcp::2222-:22",
        "udp:127.0.0.1:53-10.0.2.15:53;tcp::1-:2",
        "512/4096",
        "0x589cfc20ffee0001",
        "true",
        "OFF",
        "5c8dbf6a-0f3f-11ee-9d6b-589cfc0f1c2a",
        "/vm/50%.img",
        "io",
        "host",
        "0x8086",
        "1920",
        "-1",
        "hunter2",
        "qemu",
        "enable",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

pub fn holds(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    reads_back::<Backend>(text);
    reads_back::<CpuSet>(text);
    reads_back::<DevicePath>(text);
    reads_back::<Forward>(text);
    reads_back::<HostDevice>(text);
    reads_back::<HostName>(text);
    reads_back::<InterfaceName>(text);
    reads_back::<Mac>(text);
    reads_back::<NetAddress>(text);
    reads_back::<PciSlot>(text);
    reads_back::<Size>(text);
    reads_back::<Tty>(text);
    reads_back::<VmName>(text);
    reads_back::<VncAddress>(text);
    if let Ok(size) = Size::memory(text) {
        assert_eq!(size.to_string().parse(), Ok(size));
        let _ = size.rough();
    }
    let of_devices = KINDS.iter().flat_map(|kind| kind.parameters()).map(|(_, parameter)| parameter.ty);
    let types = of_devices.chain(SETTINGS.iter().map(|key| key.ty)).chain(serial_ports().iter().map(|port| port.ty));
    types.chain([Type::Size, Type::CpuSet, Type::Uuid]).for_each(|ty| option_reads_back(ty, text));
}

fn reads_back<T: FromStr + Display + PartialEq + Debug>(text: &str)
where
    T::Err: Debug + PartialEq,
{
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string().parse(), Ok(value), "{text:?}");
    }
}

fn option_reads_back(ty: Type, text: &str) {
    match ty.read(text) {
        // It shows itself as stars.
        Ok(Value::Password(_)) => {}
        Ok(value) => assert_eq!(ty.read(&value.to_string()), Ok(value), "{ty:?} {text:?}"),
        Err(fault) => assert!(!fault.message.is_empty()),
    }
}
