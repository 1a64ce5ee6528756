//! The text of `bhyve(#{ … })` for a machine.

use super::expressions::{Words, literal, size};
use super::layout::{Piece, filled, key, quoted};
use super::{device, loader};
use crate::bhyve::UEFI_CODE;
use crate::model::fwcfg::FwContent;
use crate::model::setting::SETTINGS;
use crate::model::{Arch, Draft, Jail, Limits, Part, Setting, Size, Topology, Value};

/// Returns the statements that describe a machine and run it: what differs from bhyve's defaults, a slot a line.
///
/// What stands in the place of a password is `given.password`; the draft's own is never written.
pub(crate) fn machine(draft: &Draft, given: &Words) -> String {
    let mut text = given.about(0, |part| *part == Part::Whole);
    let raw = !draft.options.is_empty() || !draft.args.is_empty() || !draft.limits.is_empty();
    text += if raw { "let vm = bhyve(#{\n" } else { "bhyve(#{\n" };
    for paragraph in [processors(draft), settings(draft), firmware(draft, given), ports(draft)] {
        let names: Vec<&str> = paragraph.iter().map(|(name, _)| *name).collect();
        text += &given.about(4, |part| match part {
            Part::Key(name) | Part::Under(name, _) => names.contains(name),
            // What is said of the machine as a whole and of its slots stands beside them.
            _ => false,
        });
        text += &filled(4, paragraph.iter().map(|(name, piece)| (*name, piece)));
    }
    if !draft.slots.is_empty() {
        text += "    slots: #{\n";
        for (slot, device) in &draft.slots {
            text += &given.about(
                8,
                |part| matches!(part, Part::Slot(of) | Part::Option(of, _) | Part::Item(of, ..) if of == slot),
            );
            let piece = device::piece(device, given, given.conditions.get(slot));
            let slot = quoted(&slot.to_string());
            text += &filled(8, [(slot.as_str(), &piece)].into_iter());
        }
        text += "    },\n";
    }
    if !raw {
        return text + "}).run();\n";
    }
    text += "});\n";
    for (name, value) in &draft.options {
        text.push_str(&format!("vm.option({}, {});\n", quoted(name), quoted(value)));
    }
    if !draft.args.is_empty() {
        let args = draft.args.iter().map(|arg| Piece::Text(quoted(arg))).collect();
        text.push_str(&format!("vm.args({});\n", Piece::List(args).flat()));
    }
    if !draft.limits.is_empty() {
        text.push_str(&format!("vm.limits(#{{ {} }});\n", limits(&draft.limits).join(", ")));
    }
    text + "vm.run();\n"
}

/// Keys of the map of `limits`, with what they hold.
fn limits(limits: &Limits) -> Vec<String> {
    let number = |key: &str, value: Option<i64>| value.map(|value| format!("{key}: {value}"));
    let bytes = |key: &str, value: Option<Size>| value.map(|value| format!("{key}: {}", size(value)));
    let count = |key: &str, value: Option<u64>| value.map(|value| format!("{key}: {value}"));
    let transfers = &limits.transfers;
    let all = [
        bytes("memory", limits.memory),
        number("cpu", limits.cpu.map(i64::from)),
        number("cpu_weight", limits.cpu_weight.map(i64::from)),
        number("nice", limits.nice.map(i64::from)),
        bytes("readbps", transfers.readbps),
        bytes("writebps", transfers.writebps),
        count("readiops", transfers.readiops),
        count("writeiops", transfers.writeiops),
    ];
    all.into_iter().flatten().collect()
}

/// Keys of the machine's map, with what they hold.
type Entries = Vec<(&'static str, Piece)>;

fn processors(draft: &Draft) -> Entries {
    let mut all = Entries::new();
    if let Some(name) = &draft.name {
        all.push(("name", Piece::Text(quoted(name.as_str()))));
    }
    let is_default = |t: &Topology| (t.sockets, t.cores, t.threads) == (draft.cpus, 1, 1);
    match draft.topology.filter(|topology| !is_default(topology)) {
        Some(Topology { sockets, cores, threads }) => {
            let threads = (threads != 1).then_some(("threads", threads));
            let parts = [("sockets", sockets), ("cores", cores)].into_iter().chain(threads);
            let parts = parts.map(|(name, count)| (name.to_string(), Piece::Text(count.to_string())));
            all.push(("cpus", Piece::Map(parts.collect())));
        }
        None if draft.cpus == 1 => {}
        None => all.push(("cpus", Piece::Text(draft.cpus.to_string()))),
    }
    all.extend(draft.jail.as_ref().map(|jail| ("jail", self::jail(jail))));
    if !draft.pins.is_empty() {
        let pin = |(vcpu, set): (&u16, &crate::model::CpuSet)| {
            (quoted(&vcpu.to_string()), Piece::Text(quoted(&set.to_string())))
        };
        all.push(("pin", Piece::Map(draft.pins.iter().map(pin).collect())));
    }
    if draft.memory != Draft::default().memory {
        all.push(("memory", Piece::Text(size(draft.memory))));
    }
    if !draft.domains.is_empty() {
        let domains = draft.domains.values().map(|domain| {
            let size = domain.size.map(|of| ("size", size(of)));
            let cpus = domain.cpus.as_ref().map(|cpus| ("cpus", quoted(&cpus.to_string())));
            let policy = domain.policy.as_ref().map(|policy| ("policy", quoted(policy)));
            let parts = [size, cpus, policy].into_iter().flatten();
            Piece::Map(parts.map(|(name, text)| (name.into(), Piece::Text(text))).collect())
        });
        all.push(("domains", Piece::List(domains.collect())));
    }
    all
}

/// A jail that is there by its name, one that is made with what is said of it.
fn jail(jail: &Jail) -> Piece {
    let name = Piece::Text(quoted(jail.name.as_str()));
    if !jail.is_made {
        return name;
    }
    let switch = |key: &str| (key.to_string(), Piece::Text("true".into()));
    let network = jail.has_network.then(|| switch("vnet"));
    Piece::Map([("name".to_string(), name), switch("create")].into_iter().chain(network).collect())
}

/// The settings that are keys of the machine's own map.
fn settings(draft: &Draft) -> Entries {
    let own = given(draft).filter(|(setting, _)| setting.under.is_none() && setting.name != "fwcfg");
    own.map(|(setting, value)| (setting.name, literal(value))).collect()
}

/// The settings that were given and are no defaults, in the order of their table.
fn given(draft: &Draft) -> impl Iterator<Item = (&'static Setting, &Value)> {
    let all = SETTINGS.iter().filter_map(|setting| Some((setting, draft.settings.get(setting.name)?)));
    all.filter(|(setting, value)| !setting.is_default(value, draft.target))
}

fn firmware(draft: &Draft, words: &Words) -> Entries {
    let mut all = Entries::new();
    if let Some(rom) = &draft.bootrom {
        let vars = rom.vars.as_ref();
        let vars = vars.map(|path| Piece::Map(vec![("vars".into(), words.value(path.as_str()))]));
        let usual = rom.code.as_str() == UEFI_CODE && draft.target.arch == Arch::Amd64;
        let piece = match (&words.bootrom, vars) {
            (Some(expression), _) => Piece::Text(expression.clone()),
            (None, vars) if usual => Piece::Call("uefi".into(), vars.into_iter().collect(), ""),
            (None, None) => words.value(rom.code.as_str()),
            (None, Some(vars)) => Piece::Call("bootrom".into(), vec![words.value(rom.code.as_str()), vars], ""),
        };
        all.push(("bootrom", piece));
    }
    let loader = |loader| words.loader.clone().map_or_else(|| loader::piece(loader, words), Piece::Text);
    all.extend(draft.loader.as_ref().map(|given| ("loader", loader(given))));
    all.extend(given(draft).filter(|(setting, _)| setting.name == "fwcfg").map(|(s, value)| (s.name, literal(value))));
    if !draft.fw_items.is_empty() {
        let item = |item: &crate::model::FwItem| {
            let content = match item.content() {
                FwContent::Text(text) => Piece::Text(quoted(text)),
                FwContent::File(path) => Piece::Map(vec![("file".into(), words.value(path.as_str()))]),
            };
            (quoted(item.name()), content)
        };
        all.push(("fw_cfg", Piece::Map(draft.fw_items.iter().map(item).collect())));
    }
    all
}

/// Serial ports, and keys that are maps of settings.
fn ports(draft: &Draft) -> Entries {
    let mut all: Entries =
        draft.ttys.iter().map(|(name, tty)| (*name, Piece::Text(quoted(&tty.to_string())))).collect();
    for top in ["gdb", "tpm", "smbios"] {
        let under: Vec<(&Setting, &Value)> = given(draft).filter(|(setting, _)| setting.under == Some(top)).collect();
        let piece = match under.as_slice() {
            [] => continue,
            [(Setting { name: "gdb.port", .. }, port)] => literal(port),
            many => Piece::Map(many.iter().map(|(setting, value)| (key(setting.short()), literal(value))).collect()),
        };
        all.push((top, piece));
    }
    if !draft.oem_strings.is_empty() {
        let text = |(number, text): (&u16, &String)| (quoted(&number.to_string()), Piece::Text(quoted(text)));
        all.push(("oem_strings", Piece::Map(draft.oem_strings.iter().map(text).collect())));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Size;
    use crate::model::{Bootrom, Device, DeviceKind, FwItem};

    fn device(name: &str, values: &[(&str, &str)]) -> Device {
        let kind = DeviceKind::named(name).unwrap();
        let read = |(key, text): &(&str, &str)| {
            let parameter = kind.parameter(key).unwrap();
            (parameter, parameter.ty.read(text).unwrap())
        };
        Device::new(kind, values.iter().map(read).collect()).unwrap()
    }

    #[test]
    fn expressions_stand_where_the_caller_wants_them() {
        let mut draft = Draft { name: "lab".parse().ok(), memory: Size::mib(1536), cpus: 2, ..Draft::default() };
        let rom = |path: &str| path.parse().unwrap();
        draft.bootrom = Some(Bootrom { code: rom(UEFI_CODE), vars: Some(rom("/vm/v.fd")), template: None });
        let devices = [
            ("3", device("ahci-cd", &[("path", "/iso")])),
            ("4", device("virtio-blk", &[("path", "/vm/a"), ("sync", "true"), ("sectorsize", "4096")])),
            ("5", device("virtio-net", &[("backend", "web0"), ("type", "tap"), ("mac", "58:9c:fc:0:0:1")])),
            ("29", device("fbuf", &[("tcp", "10.0.0.1:5901"), ("password", "hunter2")])),
        ];
        for (slot, device) in devices {
            draft.put(slot.parse().unwrap(), device).unwrap();
        }
        draft.fw_items.push(FwItem::new("opt/a", FwContent::File(rom("/vm/a"))).unwrap());
        draft.options.push(("x.y".into(), "\"".into()));
        draft.args.push("-Z".into());
        let pairs = [("/vm/a", "root"), ("web0", "nic"), ("10.0.0.1:5901", "`${ip}:5901`")];
        let given = Words {
            values: pairs.map(|(text, expression)| (text.to_string(), expression.to_string())).into(),
            password: "secret(\"lab\")".into(),
            conditions: [("3".parse().unwrap(), "init".to_string())].into(),
            bootrom: None,
            loader: None,
            remarks: vec![
                (Part::Whole, "all".into()),
                (Part::Key("memory"), "much".into()),
                (Part::Option("4".parse().unwrap(), "path"), "a disk".into()),
            ],
        };
        assert_eq!(
            machine(&draft, &given),
            r#"// all
let vm = bhyve(#{
    // much
    name: "lab", cpus: 2, memory: 1536.MiB,
    bootrom: uefi(#{ vars: "/vm/v.fd" }), fw_cfg: #{ "opt/a": #{ file: root } },
    slots: #{
        "3": if init { ahci_cd("/iso") },
        // a disk
        "4": virtio_blk(root, #{ "sync": true, sectorsize: 4096 }),
        "5": virtio_net(nic, #{ mac: "58:9c:fc:00:00:01" }),
        "29": fbuf(#{ tcp: `${ip}:5901`, password: secret("lab") }),
    },
});
vm.option("x.y", "\"");
vm.args(["-Z"]);
vm.run();
"#
        );
    }
}
