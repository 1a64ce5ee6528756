//! Any device and any machine that the model can hold, for properties.

use crate::model::device::{self, KINDS};
use crate::model::fwcfg::FwContent;
use crate::model::setting::SETTINGS;
use crate::model::value::Need;
use crate::model::{
    Arch, Bootrom, Device, DeviceKind, Draft, FwItem, Machine, Parameter, ParameterForm, Part, PciSlot, Release,
    Setting, Size, Topology, Type, Value, VmName,
};
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
        Type::Uuid => "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-d][0-9a-f]{3}-[0-9a-f]{12}".boxed(),
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
pub(crate) fn device(kind: &'static DeviceKind) -> BoxedStrategy<Device> {
    let fits = |p: &&'static Parameter| {
        !matches!(p.form, ParameterForm::Lpc | ParameterForm::Secret | ParameterForm::Own) && p.ty != Type::Backend
    };
    let skip = ["type", "path", "peerhook", "hook", "socket", "hostfwd", "open", "bootindex", "tcp", "serial", "ram"];
    let is_nic = kind.parameter("backend").is_some();
    let own = kind.given.iter().chain(kind.options()).filter(fits);
    let own = own.filter(move |p| p.need == Need::Required || !skip.contains(&p.name) || (p.name == "path" && !is_nic));
    let backend = kind.given.iter().filter(|p| p.ty == Type::Backend);
    let own = values(&backend.chain(own).collect::<Vec<_>>());
    let others: Vec<&'static Parameter> =
        kind.grouped().filter(fits).filter(|p| p.need != Need::Leading && p.name != "bootindex").collect();
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

/// A machine with items of fw_cfg. It has an LPC bridge.
pub(crate) fn machine(items: impl Strategy<Value = Vec<FwItem>>) -> impl Strategy<Value = Machine> {
    let kinds: Vec<&'static DeviceKind> = KINDS.iter().copied().filter(|kind| kind.name != "lpc").collect();
    let device = select(kinds).prop_flat_map(device);
    let devices = proptest::collection::btree_map(1_i64..31, device, 0..6);
    let rom = proptest::option::of(("/[a-z]{1,8}", proptest::option::of("/[a-z]{1,8}")));
    (devices, settings(), rom, 1_u16..9, 1_u16..4, any::<bool>(), select(&Release::ALL[..]), 64_u64..9999, items)
        .prop_filter_map(
            "holds together",
            |(devices, settings, rom, sockets, cores, arranged, release, memory, items)| {
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
                if release >= crate::model::Feature::OemStrings.since() {
                    draft.oem_strings.insert(cores, "50% of, a".into());
                }
                for name in ["gdb.port", "tpm.type", "tpm.path", "wired"] {
                    let setting = Setting::named(name)?;
                    let text = match setting.ty {
                        Type::Integer { .. } => "1",
                        Type::Flag => "true",
                        Type::Path => "/dev/tpm0",
                        _ => "passthru",
                    };
                    draft.set(setting, setting.ty.read(text).ok()?);
                }
                if !items.is_empty() {
                    draft.set(Setting::named("fwcfg")?, Value::Choice("qemu"));
                }
                draft.fw_items = items;
                let has =
                    |name: &str| Setting::named(name).and_then(|it| it.feature).is_none_or(|it| release >= it.since());
                draft.settings.retain(|name, _| has(name));
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
            },
        )
}

/// Items of fw_cfg, each with a name of its own.
pub(crate) fn items() -> impl Strategy<Value = Vec<FwItem>> {
    let text = "[ -~é\n]{0,12}".prop_map(FwContent::Text);
    let file = "/[a-z %$]{1,8}".prop_map(|path| FwContent::File(path.parse().unwrap()));
    let items = proptest::collection::btree_map("opt/[a-z.=%]{1,9}", prop_oneof![text, file], 0..4);
    items.prop_map(|items| items.into_iter().map(|(name, content)| FwItem::new(&name, content).unwrap()).collect())
}
