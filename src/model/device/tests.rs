use super::*;
use crate::model::ParameterForm;

#[test]
fn every_kind_has_a_name_of_its_own_and_no_parameter_twice() {
    for (at, kind) in KINDS.iter().enumerate() {
        assert!(KINDS[at + 1..].iter().all(|other| other.name != kind.name), "{}", kind.name);
        let names: Vec<&str> = kind.parameters().map(|(_, p)| p.name).collect();
        for (at, name) in names.iter().enumerate() {
            assert!(!names[at + 1..].contains(name), "{} has {name} twice", kind.name);
        }
        assert!(kind.help.ends_with('.'), "{}", kind.name);
    }
}

#[test]
fn a_disk_without_a_path_is_no_disk() {
    let (_, fault) = Device::new(&virtio_blk::VIRTIO_BLK, vec![]).unwrap_err();
    assert_eq!(fault.message, "virtio_blk needs a path: the disk: an image, a volume or a device");
}

#[test]
fn a_frame_buffer_listens_where_bhyve_does_by_default() {
    let screen = Device::new(&fbuf::FBUF, vec![]).unwrap();
    assert_eq!(screen.vnc().unwrap().to_string(), "127.0.0.1:5900");
}

#[test]
fn every_parameter_has_a_key_of_its_own_that_is_its_name_where_nothing_else_is_said() {
    for kind in KINDS {
        let mut keys: Vec<String> = Vec::new();
        for (below, parameter) in kind.parameters() {
            let implied = parameter.implies.map(|(_, value)| value).unwrap_or_default();
            let key = format!("{below}/{}/{implied}", parameter.key);
            assert!(!keys.contains(&key), "{}: {key}", kind.name);
            keys.push(key);
            let elsewhere =
                matches!(parameter.form, ParameterForm::Lpc | ParameterForm::Prefixed | ParameterForm::Numbered);
            let positional = kind.given.iter().any(|given| given.name == parameter.name);
            assert!(parameter.key == parameter.name || elsewhere || positional, "{}: {}", kind.name, parameter.name);
            assert_eq!(parameter.form == ParameterForm::Config, parameter.name.contains('.'), "{}", parameter.name);
            assert!(!kind.has_grouped(parameter.name) || below.contains('N'), "{}", parameter.name);
        }
        let real = KINDS.iter().any(|other| other.device == kind.device && other.implied.is_empty());
        assert!(real && !kind.archs.is_empty(), "{}", kind.name);
    }
}

fn made(name: &str, values: &[(&str, &str)]) -> Result<Device, String> {
    let kind = DeviceKind::named(name).unwrap();
    let values = values.iter().map(|(key, text)| {
        let parameter = kind.parameter(key).unwrap();
        (parameter, parameter.ty.read(text).unwrap())
    });
    Device::new(kind, values.collect()).map_err(|(_, fault)| fault.message)
}

fn entries(name: &str, values: &[(&str, &str)]) -> Vec<String> {
    made(name, values).unwrap().entries().into_iter().map(|(key, value)| format!("{key}={value}")).collect()
}

#[test]
fn a_device_is_shown_as_bhyves_configuration_has_it() {
    assert_eq!(entries("amd_hostbridge", &[]), ["device=hostbridge", "pcireg.vendor=0x1022", "pcireg.device=0x7432"]);
    assert_eq!(
        entries("ahci-hd", &[("ser", "S"), ("path", "/a")]),
        ["device=ahci", "port.0.type=hd", "port.0.path=/a", "port.0.ser=S"]
    );
    assert_eq!(
        entries("ahci", &[("hd", "/a"), ("ro", "true"), ("cd", "/b")]),
        ["device=ahci", "port.0.type=hd", "port.0.path=/a", "port.0.ro=true", "port.1.type=cd", "port.1.path=/b"]
    );
    assert_eq!(entries("passthru", &[("host", "2/0/1")]), ["device=passthru", "bus=2", "slot=0", "func=1"]);
    assert_eq!(entries("passthru", &[("host", "ppt3")]), ["device=passthru", "pptdev=ppt3"]);
    assert_eq!(entries("xhci", &[("device", "tablet")]), ["device=xhci", "slot.1.device=tablet"]);
    assert_eq!(entries("fbuf", &[("password", "pw"), ("w", "800")]), ["device=fbuf", "w=800"]);
    assert_eq!(
        entries("virtio-net", &[("backend", "web0"), ("type", "tap")]),
        ["device=virtio-net", "backend=web0", "type=tap"]
    );
    let scsi = made("virtio-scsi", &[("dev", "/c"), ("target", "/d")]).unwrap();
    let target = crate::model::Target { release: crate::model::Release::V16, ..Default::default() };
    let shown: Vec<String> =
        scsi.entries_for(target).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(shown, ["device=virtio-scsi", "target.0=/c", "target.1=/d"]);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let said = |name, values: &[(&str, &str)]| made(name, values).unwrap_err();
    assert_eq!(said("nvme", &[("path", "/a"), ("ram", "64")]), "an nvme is a disk or memory, not both");
    assert_eq!(said("nvme", &[]), "nvme needs a path: the disk: an image, a volume or a device; or `ram`");
    assert_eq!(
        said("virtio-blk", &[("path", "/a"), ("ser", "1"), ("serial", "2")]),
        "`ser` and `serial` are two names of one option"
    );
    assert_eq!(said("virtio-net", &[("backend", "em0")]), "\"em0\" is not a network backend");
    assert_eq!(said("e1000", &[("backend", "tap0"), ("type", "slirp")]), "tap0 is no backend of type slirp");
    assert_eq!(said("e1000", &[("backend", "netgraph"), ("path", "x:")]), "a netgraph backend needs `peerhook`");
    assert_eq!(
        said("virtio-net", &[("backend", "tap0"), ("hostfwd", "tcp::1-:2")]),
        "`hostfwd` is for slirp, and the card is plugged into tap0"
    );
    assert_eq!(said("ahci", &[]), "ahci needs at least one port");
    assert_eq!(said("virtio-console", &[("name", "a")]), "port 0 of virtio_console needs `path`: a path");
    let twice = [("name", "a"), ("path", "/a"), ("name", "a"), ("path", "/b")];
    assert_eq!(said("virtio-console", &twice), "two ports have the name \"a\"");
    assert_eq!(said("ahci", &[("ser", "x")]), "port 0 of ahci needs one `hd` or `cd`");
    let iid = said("virtio-scsi", &[("iid", "2")]);
    assert_eq!(iid, "bhyve takes the first option of virtio-scsi for its device, where it has none");
}

fn read(text: &str) -> Result<Device, Vec<String>> {
    let pair = |line: &str| line.split_once('=').map(|(key, value)| (key.to_string(), value.to_string())).unwrap();
    let entries: Vec<(String, String)> = text.split(' ').map(pair).collect();
    let said = |(key, fault): (String, Fault)| format!("{key}: {} | {}", fault.message, fault.hint.unwrap_or_default());
    Device::from_entries(&entries).map_err(|faults| faults.into_iter().map(said).collect())
}

#[test]
fn configuration_is_read_as_the_device_that_it_is() {
    let name = |text| read(text).unwrap().kind().name;
    assert_eq!(name("device=hostbridge pcireg.vendor=0x1022 pcireg.device=0x7432"), "amd_hostbridge");
    assert_eq!(name("device=hostbridge pcireg.vendor=0x1022"), "hostbridge");
    assert_eq!(name("device=ahci port.0.type=cd port.0.path=/a"), "ahci-cd");
    assert_eq!(name("port.0.path=/a port.1.type=hd port.1.path=/b port.0.type=cd device=ahci"), "ahci");
    let host = read("device=passthru bus=2 slot=0 func=1").unwrap();
    assert_eq!(host, made("passthru", &[("host", "2/0/1")]).unwrap());
    assert_eq!(read("device=virtio-scsi target.0=/c"), Ok(made("virtio-scsi", &[("dev", "/c")]).unwrap()));
}

#[test]
fn keys_that_bhyve_would_never_read_are_named() {
    let said = |text| read(text).unwrap_err().join("; ");
    assert_eq!(said("path=/a"), "device: the slot has no `device` | say which one it is: `device=virtio-blk`");
    assert_eq!(
        said("device=virtio-blkk path=/a"),
        "device: bhyve has no device \"virtio-blkk\" | did you mean `virtio-blk`?"
    );
    assert_eq!(
        said("device=ahci-hd path=/a"),
        "device: \"ahci-hd\" is an alias, which bhyve's configuration does not take | write `device=ahci` with `port.0.type=hd`"
    );
    assert_eq!(said("device=virtio-rnd x=1"), "x: virtio-rnd has no key `x` | it has none but `device`");
    assert_eq!(said("device=virtio-9p sharename=a pth=/x"), "pth: virtio-9p has no key `pth` | did you mean `path`?");
    assert_eq!(
        said("device=ahci port.3.pat=/x port.0.type=hd port.0.path=/a"),
        "port.3.pat: ahci has no key `port.3.pat` | did you mean `port.3.path`?"
    );
    assert_eq!(
        said("device=ahci port.0.path=/a"),
        "port.0.path: `port.0.path` needs to know what it is | add `port.0.type=hd` or `port.0.type=cd`"
    );
    assert_eq!(
        said("device=ahci port.0.path=/a port.0.type=hd port.1.type=cd"),
        "port.1.type: `port.1.type` is there without `port.1.path` | add `port.1.path=…`, or take `port.1.type` out"
    );
    assert_eq!(
        said("device=virtio-console port.1.path=/a port.1.name=b"),
        "port.1.name: port 1 of virtio_console follows no port 0 | count them from 0 on without a gap"
    );
    assert_eq!(said("device=fbuf w=x vga=on").matches(" | ").count(), 2);
}
