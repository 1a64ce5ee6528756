use super::*;
use crate::model::device::KINDS;
use crate::model::value::Need;
use crate::model::{DeviceKind, Form, Part, Release, Setting, VmName};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// A text of a type, which reads.
fn text_of(ty: Type) -> BoxedStrategy<String> {
    match ty {
        Type::Path => "/[a-z%]{1,8}".boxed(),
        Type::Text { max } => "[a-zA-Z0-9 =%]{1,8}".prop_map(move |text| text.chars().take(max).collect()).boxed(),
        Type::Name { .. } => "[a-z.]{1,8}".boxed(),
        Type::Line => "[a-zA-Z0-9, =%]{1,12}".boxed(),
        Type::Integer { min, max } | Type::Number { min, max } => {
            (min..=max).prop_map(|number| number.to_string()).boxed()
        }
        Type::Pixels { min, before, .. } => (min..=before).prop_map(|number| number.to_string()).boxed(),
        Type::Flag => Just("true".to_string()).boxed(),
        Type::Choice(words) => select(words).prop_map(ToString::to_string).boxed(),
        Type::Vga => select(&["io", "off"][..]).prop_map(ToString::to_string).boxed(),
        Type::SectorSize => select(&["512", "4096", "512/4096"][..]).prop_map(ToString::to_string).boxed(),
        Type::Eui64 => "0x[0-9a-f]{16}".boxed(),
        Type::Mac => "58(:[0-9a-f]{2}){5}".boxed(),
        Type::Backend => "tap[0-9]{1,4}".boxed(),
        Type::Forwards => "tcp::[1-9][0-9]{0,3}-:[1-9][0-9]{0,3}".boxed(),
        Type::Address => "127\\.0\\.0\\.1:[1-9][0-9]{0,3}".boxed(),
        Type::Password => "[a-z]{1,8}".boxed(),
        Type::Tty => "/dev/nmdm[0-9]{1,3}A".boxed(),
        Type::HostDevice => prop_oneof!["ppt[0-9]{1,3}", "[1-9]/[1-9]/[0-7]"].boxed(),
        Type::Register { .. } => "0x[1-9a-f][0-9a-f]{0,3}".boxed(),
        Type::CpuSet => (0_u16..9, 0_u16..9).prop_map(|(a, b)| format!("{a}-{}", a + b)).boxed(),
        Type::Size => (1_u64..99).prop_map(|size| format!("{size}M")).boxed(),
        Type::Uuid => "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}".boxed(),
    }
}

/// Some values of some parameters.
fn values(parameters: &[&'static Parameter]) -> BoxedStrategy<Vec<(&'static Parameter, Value)>> {
    // A card without a link has no options.
    let is_optional = |p: &&'static Parameter| p.need == Need::Optional && p.ty != Type::Backend;
    let (optional, needed): (Vec<&'static Parameter>, Vec<_>) = parameters.iter().copied().partition(is_optional);
    let most = optional.len();
    let value = |p: &'static Parameter| text_of(p.ty).prop_map(move |text| (p, p.ty.read(&text).unwrap()));
    subsequence(optional, 0..=most)
        .prop_flat_map(move |some| needed.iter().copied().chain(some).map(value).collect::<Vec<_>>())
        .boxed()
}

/// A device of a kind; the few that do not hold together are made plainer. Secrets and serial ports are the machine's.
fn device(kind: &'static DeviceKind) -> BoxedStrategy<Device> {
    let fits = |p: &&'static Parameter| !matches!(p.form, Form::Lpc | Form::Secret) && p.ty != Type::Backend;
    let skip = ["type", "path", "peerhook", "hook", "socket", "hostfwd", "open", "bootindex", "tcp", "serial", "ram"];
    let is_nic = kind.parameter("backend").is_some();
    let own = kind.given.iter().chain(kind.options()).filter(fits);
    let own = own.filter(move |p| p.need == Need::Required || !skip.contains(&p.name) || (p.name == "path" && !is_nic));
    let backend = kind.given.iter().filter(|p| p.ty == Type::Backend);
    let own = values(&backend.chain(own).collect::<Vec<_>>());
    let others: Vec<&'static Parameter> =
        kind.grouped().filter(|p| p.need != Need::Leading && p.name != "bootindex").collect();
    let leads: Vec<&'static Parameter> = kind.grouped().filter(|p| p.need == Need::Leading).collect();
    let most = usize::from(kind.group.is_some());
    let port = move || {
        let (leads, others) = (leads.clone(), others.clone());
        select(leads).prop_flat_map(move |lead| values(&[lead].into_iter().chain(others.clone()).collect::<Vec<_>>()))
    };
    // One SATA disk alone is read as `ahci-hd`.
    let ports = if most == 0 { Just(Vec::new()).boxed() } else { proptest::collection::vec(port(), 2..4).boxed() };
    (own, ports)
        .prop_filter_map("holds together", move |(own, ports)| {
            let all: Vec<(&'static Parameter, Value)> = own.into_iter().chain(ports.into_iter().flatten()).collect();
            Device::new(kind, all).ok()
        })
        .boxed()
}

fn settings() -> BoxedStrategy<Vec<(&'static Setting, Value)>> {
    let all: Vec<&'static Setting> = SETTINGS.iter().filter(|setting| setting.archs.contains(&Arch::Amd64)).collect();
    let value = |setting: &'static Setting| {
        text_of(setting.ty).prop_map(move |text| (setting, setting.ty.read(&text).unwrap()))
    };
    subsequence(all, 0..SETTINGS.len() - 1)
        .prop_flat_map(move |some| some.into_iter().map(value).collect::<Vec<_>>())
        .boxed()
}

fn machine() -> impl Strategy<Value = Machine> {
    let kinds: Vec<&'static DeviceKind> = KINDS.iter().copied().filter(|kind| kind.name != "lpc").collect();
    let device = select(kinds).prop_flat_map(device);
    let devices = proptest::collection::btree_map(1_i64..31, device, 0..6);
    let rom = proptest::option::of(("/[a-z]{1,8}", proptest::option::of("/[a-z]{1,8}")));
    (devices, settings(), rom, 1_u16..9, 1_u16..4, any::<bool>(), select(&Release::ALL[..]), 64_u64..9999)
        .prop_filter_map("holds together", |(devices, settings, rom, sockets, cores, arranged, release, memory)| {
            let mut draft = Draft { name: "lab".parse::<VmName>().ok(), ..Draft::default() };
            (draft.target.release, draft.memory, draft.cpus) = (release, Size::mib(memory), sockets * cores);
            draft.topology = arranged.then_some(Topology { sockets, cores, threads: 1 });
            draft.pins.insert(0, "0-3,8".parse().ok()?);
            draft.ttys.extend(
                device::serial_ports()
                    .iter()
                    .take(2)
                    .map(|port| (port.name, format!("/dev/nmdm-{}A", port.name).parse().unwrap())),
            );
            settings.into_iter().for_each(|(setting, value)| draft.set(setting, value));
            for name in ["gdb.port", "tpm.type", "tpm.path", "wired"] {
                let setting = Setting::named(name)?;
                let text = match setting.ty {
                    Type::Number { .. } => "1",
                    Type::Flag => "true",
                    Type::Path => "/dev/tpm0",
                    _ => "passthru",
                };
                draft.set(setting, setting.ty.read(text).ok()?);
            }
            if release < Release::V16 {
                draft.settings.retain(|name, _| !["monitor", "verbose_msr"].contains(name));
            }
            draft.bootrom = rom.and_then(|(code, vars)| {
                Some(Bootrom {
                    code: code.parse().ok()?,
                    vars: vars.and_then(|vars| vars.parse().ok()),
                    template: None,
                })
            });
            for (slot, device) in devices {
                draft.put(PciSlot::slot(slot).ok()?, device).ok()?;
            }
            let lpc = Device::new(DeviceKind::named("lpc")?, Vec::new()).ok()?;
            draft.put(PciSlot::slot(31).ok()?, lpc).ok()?;
            // What another slot has already goes, until the machine holds together.
            for _ in 0..40 {
                let faults = match draft.clone().check() {
                    Ok(machine) => return Some(machine),
                    Err(faults) => faults,
                };
                for (part, _) in faults {
                    if let Part::Slot(slot) | Part::Option(slot, _) | Part::Item(slot, ..) = part {
                        draft.slots.remove(&slot);
                    }
                }
            }
            None
        })
}

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
    fn a_machine_that_was_written_is_read_as_the_same(machine in machine()) {
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
        ("e1000", &[]),
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
            "cpu=2 x86.strictmrs=true pci.0.4.device=x pci.0.99.0.device=x lpc.pcireg.vendor=host lpc.com1.path=x bootvars=/v config.dump=1"
        ),
        [
            "cpu: there is no key `cpu` | did you mean `cpus`?",
            "x86.strictmrs: there is no key `x86.strictmrs` | did you mean `x86.strictmsr`?",
            "pci.0.4.device: `pci.0.4.device` is no key of a device | write pci.BUS.SLOT.FUNCTION.KEY",
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
