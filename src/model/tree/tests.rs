use super::*;
use crate::model::DeviceKind;
use crate::model::device::KINDS;
use crate::model::samples::any::{device, machine};
use proptest::prelude::*;
use proptest::sample::select;

proptest! {
    #[test]
    fn a_device_that_was_written_is_read_as_the_same(device in select(KINDS).prop_flat_map(device)) {
        prop_assert_eq!(Device::from_entries(&device.entries()), Ok(device));
    }
}

proptest! {
    // A machine is hundreds of values.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_machine_that_was_written_is_read_as_the_same(machine in machine(Just(Vec::new()))) {
        let (mut draft, faults) = Draft::from_entries(machine.entries());
        prop_assert_eq!(faults, []);
        draft.target = machine.target();
        prop_assert_eq!(draft.check().unwrap(), machine);
    }

    #[test]
    fn no_tree_panics(entries: Vec<(String, String)>, keys in proptest::collection::vec("(pci\\.0\\.[0-9]\\.0\\.)?[a-z.0-9]{0,20}", 0..9), text: String) {
        let _ = Draft::from_entries(entries);
        let _ = Draft::from_entries(keys.into_iter().map(|key| (key, text.clone())));
    }
}

/// What the generator leaves out because it would seldom hold together.
#[test]
fn what_goes_together_is_read_as_it_was_written() {
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("virtio-net", &[("backend", "netgraph"), ("path", "a:"), ("peerhook", "b"), ("hook", "c"), ("socket", "d")]),
        ("e1000", &[("backend", "slirp"), ("hostfwd", "tcp::1-:2;udp::3-:4"), ("open", "true")]),
        ("virtio-net", &[("backend", "vale0:lab"), ("mtu", "9000")]),
        ("virtio-net", &[("backend", "web0"), ("type", "tap")]),
        ("virtio-net", &[("backend", "epair0b"), ("type", "vmnet")]),
        ("nvme", &[("ram", "64")]),
        ("fbuf", &[("tcp", "[::1]:5901")]),
        ("fbuf", &[("rfb", "[fe80::1%em0]:5901")]),
        ("virtio-blk", &[("path", "/a"), ("serial", "S"), ("bootindex", "3")]),
        ("uart", &[("tty", "tcp=[::1]:4321")]),
    ];
    for (name, values) in cases {
        let kind = DeviceKind::named(name).unwrap();
        let values = values.iter().map(|(key, text)| {
            let parameter = kind.parameter(key).unwrap();
            (parameter, parameter.ty.read(text).unwrap())
        });
        let device = Device::new(kind, values.collect()).unwrap();
        assert_eq!(Device::from_entries(&device.entries()), Ok(device), "{name}");
    }
}

fn said(text: &str) -> Vec<String> {
    let pair = |line: &str| line.split_once('=').map(|(key, value)| (key.to_string(), value.to_string())).unwrap();
    let (_, faults) = Draft::from_entries(text.split(' ').map(pair));
    faults.into_iter().map(|(key, f)| format!("{key}: {} | {}", f.message, f.hint.unwrap_or_default())).collect()
}

#[test]
fn keys_that_bhyve_would_never_read_are_named() {
    assert_eq!(
        said(
            "cpu=2 x86.strictmrs=true pci.0.4.device=x pci.0.4.00.device=x pci.0.99.0.device=x lpc.pcireg.vendor=host lpc.com1.path=x bootvars=/v config.dump=1"
        ),
        [
            "cpu: there is no key `cpu` | did you mean `cpus`?",
            "x86.strictmrs: there is no key `x86.strictmrs` | did you mean `x86.strictmsr`?",
            "pci.0.4.device: `pci.0.4.device` is no key of a device | write pci.BUS.SLOT.FUNCTION.KEY",
            "pci.0.4.00.device: `pci.0.4.00.device` is no key of a device | write pci.BUS.SLOT.FUNCTION.KEY",
            "pci.0.99.0.device: `0:99:0` is not a PCI slot | slots are SLOT, SLOT:FUNCTION or BUS:SLOT:FUNCTION with bus 0 to 255, slot 0 to 31, function 0 to 7",
            "lpc.pcireg.vendor: bhyve does not read `lpc.pcireg.vendor` | it reads pci.0.31.0.pcireg.vendor: write it below the slot of the LPC bridge",
            "lpc.com1.path: \"x\" is not a backend for a serial port | \"stdio\", or the path of a tty such as \"/dev/nmdm0A\"",
            "bootvars: `bootvars` is there without a boot ROM | add `bootrom`",
        ]
    );
    assert_eq!(
        said("pci.0.4.0.device=virtio-rnd pci.0.4.0.x=1"),
        ["pci.0.4.0.x: virtio-rnd has no key `x` | it has none but `device`"]
    );
}

#[test]
fn a_tpm_is_nothing_without_its_version_nor_a_version_without_a_tpm() {
    let lacks = "the TPM has no `tpm.version`, without which bhyve aborts | add `tpm.version=2.0`";
    assert_eq!(said("tpm.type=passthru tpm.path=/dev/tpm0"), [format!("tpm.type: {lacks}")]);
    assert_eq!(
        said("tpm.version=2.0"),
        [
            "tpm.version: `tpm.version` is there without a TPM, over which bhyve aborts | add `tpm.type` and `tpm.path`, or \
          leave it out"
        ]
    );
    assert_eq!(said("tpm.type= tpm.path= tpm.version=2.0").len(), 3);
    assert_eq!(said("tpm.type=swtpm tpm.path=/run/tpm tpm.version=2.0 tpm.intf=crb tpm.ppi=qemu"), [""; 0]);
}

#[test]
fn a_boot_rom_of_its_own_key_wins_over_that_of_the_lpc_bridge() {
    for text in ["bootrom=/a lpc.bootrom=/b", "lpc.bootrom=/b bootrom=/a"] {
        let pair = |line: &str| line.split_once('=').map(|(key, value)| (key.to_string(), value.to_string())).unwrap();
        let draft = Draft::from_entries(text.split(' ').map(pair)).0;
        assert_eq!(draft.bootrom.unwrap().code.as_str(), "/a", "{text}");
    }
}

#[test]
fn sockets_are_as_many_as_cpus_where_they_are_not_said() {
    let read = |text: &str| {
        let pair = |line: &str| line.split_once('=').map(|(key, value)| (key.to_string(), value.to_string())).unwrap();
        let draft = Draft::from_entries(text.split(' ').map(pair)).0;
        (draft.cpus, draft.topology)
    };
    let topology = |sockets, cores| Some(Topology { sockets, cores, threads: 1 });
    assert_eq!(read("cpus=4"), (4, None));
    assert_eq!(read("cpus=4 cores=2"), (4, topology(4, 2)));
    assert_eq!(read("cores=4"), (4, topology(1, 4)));
    assert_eq!(read("cpus=4 sockets=2 cores=2"), (4, topology(2, 2)));
}
