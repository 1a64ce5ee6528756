//! One form for each meaning, so that two configurations can be compared.

use super::config::expand;
use super::slot::numbers;
use super::tree::Tree;
use crate::diag::may_fail::MayFail as _;
use crate::model::device::KINDS;
use crate::model::number::base_0;
use crate::model::value::Type;
use crate::model::{Arch, CpuSet, DeviceKind, Feature, Forward, Mac, Size, Target, Tty, VncAddress};
use std::collections::BTreeSet;

/// How bhyve reads the value of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// As it stands.
    Text,
    /// A boolean.
    Flag,
    /// A number as atoi(3) reads it.
    Decimal,
    /// A number as atoi(3) reads it, and what 0 stands for.
    Pixels(i64),
    /// A number as strtol(3) reads it in base 0.
    Number,
    /// Bytes, as `-m` reads them.
    Memory,
    /// A list of CPUs.
    Cpus,
    Mac,
    Sectors,
    Address,
    /// Rules of a slirp backend.
    Forwards,
    /// What a serial port is plugged into.
    Serial,
    Uuid,
    Eui64,
    /// A hexadecimal number, with or without `0x`.
    Register,
}

/// The keys of bhyve_config(5) outside devices whose values have several spellings.
const GLOBAL: &[(&str, Meaning)] = &[
    ("acpi_tables", Meaning::Flag),
    ("acpi_tables_in_memory", Meaning::Flag),
    ("config.dump", Meaning::Flag),
    ("console", Meaning::Serial),
    ("cores", Meaning::Number),
    ("cpus", Meaning::Number),
    ("destroy_on_poweroff", Meaning::Flag),
    ("gdb.port", Meaning::Decimal),
    ("gdb.wait", Meaning::Flag),
    ("lpc.pc-testdev", Meaning::Flag),
    ("memory.guest_in_core", Meaning::Flag),
    ("memory.size", Meaning::Memory),
    ("memory.wired", Meaning::Flag),
    ("monitor", Meaning::Flag),
    ("pci.enable_bars", Meaning::Flag),
    ("rtc.use_localtime", Meaning::Flag),
    ("sockets", Meaning::Number),
    ("threads", Meaning::Number),
    ("uuid", Meaning::Uuid),
    ("virtio_msix", Meaning::Flag),
    ("x86.mptable", Meaning::Flag),
    ("x86.strictio", Meaning::Flag),
    ("x86.strictmsr", Meaning::Flag),
    ("x86.verbosemsr", Meaning::Flag),
    ("x86.vmexit_on_hlt", Meaning::Flag),
    ("x86.vmexit_on_pause", Meaning::Flag),
    ("x86.x2apic", Meaning::Flag),
];

impl Meaning {
    fn of(tree: &Tree, key: &str) -> Self {
        let parts: Vec<&str> = key.split('.').collect();
        match parts[..] {
            ["pci", _, _, _, "pcireg", _] => Self::Register,
            ["pci", bus, slot, function, .., last] => {
                let device = tree.get(&format!("pci.{bus}.{slot}.{function}.device"));
                Self::of_device(device.unwrap_or_default(), last)
            }
            ["lpc", "com1" | "com2" | "com3" | "com4", "path"] => Self::Serial,
            ["vcpu", _, "cpuset"] | ["domains", _, "cpus"] => Self::Cpus,
            ["domains", _, "size"] => Self::Memory,
            _ => GLOBAL.iter().find(|(known, _)| *known == key).map_or(Self::Text, |(_, meaning)| *meaning),
        }
    }

    /// What a key means is what the kinds of that device have it for, or any other kind where it is none of theirs.
    fn of_device(device: &str, last: &str) -> Self {
        match last {
            // What bhyve takes for more than vmrun does, or what several parameters are made of.
            "bus" | "slot" | "func" | "sectsz" => Self::Decimal,
            "w" => Self::Pixels(1920),
            "h" => Self::Pixels(1080),
            // The older name of `rfb`.
            "tcp" => Self::Address,
            _ => {
                let (own, others): (Vec<_>, Vec<_>) = KINDS.iter().partition(|kind| kind.device == device);
                let parameters = own.into_iter().chain(others).flat_map(DeviceKind::parameters);
                let named = |key: &str| key.rsplit('.').next() == Some(last);
                let known = parameters.map(|(_, parameter)| parameter).find(|parameter| parameter.keys().any(named));
                known.map_or(Self::Text, |parameter| Self::of_type(parameter.ty))
            }
        }
    }

    /// How bhyve reads what vmrun reads as a type.
    const fn of_type(ty: Type) -> Self {
        match ty {
            Type::Flag => Self::Flag,
            Type::Integer { .. } => Self::Decimal,
            Type::Number { .. } => Self::Number,
            Type::Mac => Self::Mac,
            Type::SectorSize => Self::Sectors,
            Type::Address => Self::Address,
            Type::Forwards => Self::Forwards,
            Type::Eui64 => Self::Eui64,
            Type::Tty => Self::Serial,
            Type::Register { .. } => Self::Register,
            Type::Path
            | Type::Text { .. }
            | Type::Name { .. }
            | Type::Line
            | Type::Pixels { .. }
            | Type::Choice(_)
            | Type::Vga
            | Type::Backend
            | Type::Password
            | Type::HostDevice
            | Type::CpuSet
            | Type::Size
            | Type::Uuid => Self::Text,
        }
    }

    /// Returns the one form of a value, or nothing if it has no meaning here.
    fn spelt(self, text: &str) -> Option<String> {
        match self {
            Self::Text => None,
            Self::Flag => Type::Flag.read(text).ok().map(|value| value.to_string()),
            Self::Decimal => decimal(text).map(|number| number.to_string()),
            Self::Pixels(zero) => decimal(text).map(|number| if number == 0 { zero } else { number }.to_string()),
            Self::Number => base_0(text).map(|number| number.to_string()),
            Self::Memory => Size::memory(text).ok().map(memory),
            Self::Cpus => cpus(text),
            Self::Mac => text.parse::<Mac>().ok().map(|mac| mac.to_string()),
            Self::Sectors => sectors(text),
            Self::Address => text.parse::<VncAddress>().ok().map(|address| address.to_string()),
            Self::Forwards => Forward::list(text)
                .ok()
                .map(|rules| rules.iter().map(ToString::to_string).collect::<Vec<_>>().join(";")),
            Self::Serial => text.parse::<Tty>().ok().map(|tty| tty.to_string()),
            Self::Uuid => Some(text.to_ascii_lowercase()),
            Self::Register => Type::Register { host: true }.read(text).ok().map(|value| value.to_string()),
            Self::Eui64 => base_0(text).map(|number| format!("{number:#018x}")),
        }
    }
}

impl Tree {
    /// Returns the same configuration in one form: references expanded, aliases resolved, numbers, sizes, booleans, addresses
    /// and lists of CPUs spelt alike, the topology written out, the keys in an order of their own. Values that bhyve would
    /// refuse stay as they are, and so do keys that only repeat a default.
    #[must_use]
    pub fn normalized(&self, target: Target) -> Self {
        let mut normal = Self::new();
        for (key, value) in self.entries() {
            let text = expand(self, value).text;
            let spelt = Meaning::of(self, key).spelt(&text).unwrap_or(text);
            normal
                .set_literal(key, &spelt)
                .may_fail("the key was in a tree, and no value of a tree holds a line break");
        }
        if target.arch == Arch::Amd64 && target.has(Feature::BootromKeys) {
            rename(&mut normal, "lpc.bootrom", "bootrom");
            rename(&mut normal, "lpc.bootvars", "bootvars");
        }
        screens(&mut normal);
        topology(&mut normal);
        sorted(&normal)
    }
}

/// Moves a value to the key that is preferred, unless that is set.
fn rename(tree: &mut Tree, from: &str, to: &str) {
    if let Some(value) = tree.remove(from).filter(|_| tree.get(to).is_none()) {
        tree.set(to, &value).may_fail("both keys have a value at most");
    }
}

/// `tcp` is the older name of `rfb` (bhyve(8), `fbuf`).
fn screens(tree: &mut Tree) {
    let device = |(key, value): (&str, &str)| (value == "fbuf").then(|| key.strip_suffix(".device").map(String::from));
    let nodes: Vec<String> = tree.entries().filter_map(device).flatten().collect();
    nodes.iter().for_each(|node| rename(tree, &format!("{node}.tcp"), &format!("{node}.rfb")));
}

/// Writes out what bhyve takes where `-c` says nothing: one core and one thread, and as many sockets as CPUs, which is not what
/// the manual says. A topology that does not come out is left for bhyve to refuse.
fn topology(tree: &mut Tree) {
    let count = |name: &str, default: Option<u64>| match tree.get(name) {
        Some(text) => base_0(text).filter(|count| (1..=65535).contains(count)),
        None => default,
    };
    let sum = || {
        let cpus = count("cpus", Some(1))?;
        let (sockets, cores, threads) =
            (count("sockets", Some(cpus))?, count("cores", Some(1))?, count("threads", Some(1))?);
        let total = sockets * cores * threads;
        (tree.get("cpus").is_none() || total == cpus).then_some([total, sockets, cores, threads])
    };
    for (name, count) in ["cpus", "sockets", "cores", "threads"].iter().zip(sum().into_iter().flatten()) {
        tree.set(name, &count.to_string())
            .may_fail("a node of such a name, which bhyve does not read, stays what it is");
    }
}

/// Returns the keys in the order of their parts, numbers by their value.
fn sorted(tree: &Tree) -> Tree {
    let rank = |key: &str| -> Vec<(u64, String)> {
        key.split('.').map(|part| (part.parse().unwrap_or(u64::MAX), part.to_string())).collect()
    };
    let mut entries: Vec<(&str, &str)> = tree.entries().collect();
    entries.sort_by_cached_key(|(key, _)| rank(key));
    let mut sorted = Tree::new();
    for (key, value) in entries {
        sorted.set(key, value).may_fail("they fit as they did before");
    }
    sorted
}

/// Reads a number with nothing after it.
fn decimal(text: &str) -> Option<i64> {
    let (found, rest) = numbers(text, ',', 1);
    found.first().copied().filter(|_| rest.is_empty())
}

/// A plain number below 1048576 would be read as megabytes.
fn memory(size: Size) -> String {
    let text = size.to_string();
    if size.get() < 1 << 20 && text.bytes().all(|b| b.is_ascii_digit()) { text + "B" } else { text }
}

fn sectors(text: &str) -> Option<String> {
    let spelt: Option<Vec<String>> = text.split('/').map(|part| decimal(part).map(|n| n.to_string())).collect();
    Type::SectorSize.read(&spelt?.join("/")).ok().map(|value| value.to_string())
}

/// Reads numbers and ranges with commas between them, and writes them in order, each once.
fn cpus(text: &str) -> Option<String> {
    let mut all = BTreeSet::new();
    for item in text.split(',') {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        let (first, last) = (cpu(first)?, cpu(last)?);
        if first > last {
            return None;
        }
        all.extend(first..=last);
    }
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for cpu in all {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == cpu => *last = cpu,
            _ => ranges.push((cpu, cpu)),
        }
    }
    let spelt = |(first, last)| if first == last { format!("{first}") } else { format!("{first}-{last}") };
    Some(ranges.into_iter().map(spelt).collect::<Vec<_>>().join(","))
}

fn cpu(text: &str) -> Option<u16> {
    base_0(text).and_then(|number| u16::try_from(number).ok()).filter(|number| *number <= CpuSet::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Release;
    use crate::model::setting::SETTINGS;
    use proptest::prelude::*;

    fn tree(text: &str) -> Tree {
        let mut tree = Tree::new();
        text.split_whitespace().for_each(|option| {
            let (key, value) = option.split_once('=').unwrap();
            tree.set(key, value).unwrap();
        });
        tree
    }

    fn normal(text: &str, release: Release) -> String {
        let normal = tree(text).normalized(Target { arch: Arch::Amd64, release });
        normal.entries().map(|(key, value)| format!("{key}={value} ")).collect()
    }

    /// Without the topology, which is always there.
    fn rest(text: &str) -> String {
        normal(text, Release::V15_1).replace("cores=1 cpus=1 ", "").replace("sockets=1 threads=1 ", "")
    }

    #[test]
    fn numbers_are_read_in_the_base_that_bhyve_reads_them_in() {
        let text = "memory.size=010G\nvcpu.0.cpuset=010\ngdb.port=010\npci.0.29.0.device=fbuf\npci.0.29.0.h=0";
        assert!(normal(text, Release::V15_1).contains("gdb.port=10 memory.size=8G "));
        assert!(normal(text, Release::V15_1).contains("pci.0.29.0.h=1080 "));
        assert!(normal(text, Release::V15_1).contains("vcpu.0.cpuset=8 "));
    }

    #[test]
    fn spellings_of_one_value_become_one() {
        assert_eq!(
            rest("x86.strictio=YES memory.wired=0 virtio_msix=maybe"),
            "memory.wired=false virtio_msix=maybe x86.strictio=true "
        );
        assert_eq!(rest("memory.size=512"), rest("memory.size=524288k"));
        assert_eq!(rest("memory.size=0x200"), "memory.size=512M ");
        assert_eq!(rest("lpc.com1.path=tcp=127.0.0.1:07"), "lpc.com1.path=tcp=127.0.0.1:7 ");
        assert_eq!(rest("pci.0.4.0.hostfwd=tcp::02222-:022"), "pci.0.4.0.hostfwd=tcp::2222-:22 ");
        assert_eq!(rest("memory.size=7b"), "memory.size=7B ");
        assert_eq!(rest("uuid=5C8DBF6A vcpu.0.cpuset=3,0-2,2,8"), "uuid=5c8dbf6a vcpu.0.cpuset=0-3,8 ");
        assert_eq!(
            rest("pci.0.4.0.mac=0:C:29:a5:19:b9 pci.0.4.0.mtu=0x5dc"),
            "pci.0.4.0.mac=00:0c:29:a5:19:b9 pci.0.4.0.mtu=1500 "
        );
        assert_eq!(
            rest("pci.0.4.0.port.0.ro=on pci.0.4.0.port.0.nmrr=01"),
            "pci.0.4.0.port.0.nmrr=1 pci.0.4.0.port.0.ro=true "
        );
        assert_eq!(
            rest("pci.0.4.0.sectorsize=512/0512 pci.0.4.0.eui64=0x1"),
            "pci.0.4.0.eui64=0x0000000000000001 pci.0.4.0.sectorsize=512 "
        );
        assert_eq!(
            rest("pci.0.31.0.pcireg.vendor=8086 pci.0.31.0.pcireg.revid=host pci.0.31.0.pcireg.device=0x0A"),
            "pci.0.31.0.pcireg.device=0xa pci.0.31.0.pcireg.revid=host pci.0.31.0.pcireg.vendor=0x8086 "
        );
        assert_eq!(rest("pci.0.4.0.ser=007 pci.0.4.0.path=/ON"), "pci.0.4.0.path=/ON pci.0.4.0.ser=007 ");
    }

    /// Two spellings of a value and the key of each parameter and setting: where both read alike, they are one form.
    #[test]
    fn what_vmrun_reads_as_one_value_is_one_form_whatever_the_key() {
        const SPELLINGS: [[&str; 2]; 8] = [
            ["7", "07"],
            ["7", "+7"],
            ["1500", "0x5dc"],
            ["yes", "true"],
            ["512/512", "0512"],
            ["00:0c:29:a5:19:b9", "0:C:29:a5:19:b9"],
            ["3-4", "3,4"],
            ["tcp=127.0.0.1:10", "tcp=127.0.0.1:010"],
        ];
        let of_device = KINDS.iter().flat_map(|kind| kind.parameters().map(move |(_, parameter)| (kind, parameter)));
        let of_device = of_device.map(|(kind, parameter)| {
            let key = parameter.key.split('.').map(|part| if part == "N" { "1" } else { part });
            let node = format!("pci.0.4.0.device={} pci.0.4.0", kind.device);
            (format!("{node}.{}", key.collect::<Vec<_>>().join(".")), parameter.ty)
        });
        let keys = of_device.chain(SETTINGS.iter().map(|setting| (setting.key.to_string(), setting.ty)));
        for (key, ty) in keys.filter(|(_, ty)| *ty != Type::Uuid) {
            for [one, other] in SPELLINGS {
                if ty.read(one).is_ok_and(|value| ty.read(other) == Ok(value)) {
                    assert_eq!(rest(&format!("{key}={one}")), rest(&format!("{key}={other}")), "{key} is {ty}");
                }
            }
        }
    }

    #[test]
    fn references_are_expanded_and_what_is_left_is_escaped() {
        assert_eq!(rest("name=vm pci.0.4.0.path=/%(name)/a%"), "name=vm pci.0.4.0.path=/vm/a\\% ");
    }

    #[test]
    fn aliases_are_resolved_where_the_release_has_them() {
        let text = "lpc.bootrom=/c lpc.bootvars=/v bootvars=/w lpc.com1.path=stdio";
        assert_eq!(rest(text), "bootrom=/c bootvars=/w lpc.com1.path=stdio ");
        assert!(normal(text, Release::V14_5).contains("lpc.bootrom=/c lpc.bootvars=/v "));
        let screen = "pci.0.29.0.device=fbuf pci.0.29.0.tcp=5901";
        assert_eq!(rest(screen), "pci.0.29.0.device=fbuf pci.0.29.0.rfb=127.0.0.1:5901 ");
        assert_eq!(
            rest(&format!("{screen} pci.0.29.0.rfb=[::1]")),
            "pci.0.29.0.device=fbuf pci.0.29.0.rfb=[::1]:5900 "
        );
    }

    #[test]
    fn a_topology_is_written_out_as_bhyve_reads_it() {
        let normal = |text| normal(text, Release::V15_1);
        assert_eq!(normal(""), "cores=1 cpus=1 sockets=1 threads=1 ");
        assert_eq!(normal("cpus=4"), "cores=1 cpus=4 sockets=4 threads=1 ");
        assert_eq!(normal("cores=0x4"), "cores=4 cpus=4 sockets=1 threads=1 ");
        assert_eq!(normal("cpus=8 sockets=1 threads=2 cores=4"), "cores=4 cpus=8 sockets=1 threads=2 ");
        assert_eq!(normal("cpus=4 cores=2"), "cores=2 cpus=4 ");
        assert_eq!(normal("cpus=two cpuset.x=1"), "cpus=two cpuset.x=1 ");
        assert_eq!(normal("cpus.x=1"), "cores=1 cpus.x=1 sockets=1 threads=1 ");
    }

    #[test]
    fn the_order_of_keys_is_no_difference() {
        let target = Target::default();
        let (one, other) = (tree("b=1 pci.0.10.0.a=1 pci.0.9.0.b=2"), tree("pci.0.9.0.b=2 b=1 pci.0.10.0.a=1"));
        assert_eq!(one.normalized(target), other.normalized(target));
        assert_ne!(one, other);
        assert_eq!(rest("pci.0.10.0.a=1 pci.0.9.0.b=2"), "pci.0.9.0.b=2 pci.0.10.0.a=1 ");
    }

    proptest! {
        #[test]
        fn one_form_stays_as_it_is(
            pairs in prop::collection::vec(("(pci\\.0\\.[0-9]\\.0\\.)?(ro|w|mtu|mac|rfb|cpus|cores|memory\\.size|vcpu\\.1\\.cpuset)", "[0-9a-fxX:,kM-]{1,6}|[%()\\\\a]{1,6}"), 0..6)
        ) {
            let mut tree = Tree::new();
            for (key, value) in &pairs {
                let _ = tree.set(key, value);
            }
            let once = tree.normalized(Target::default());
            prop_assert_eq!(once.normalized(Target::default()), once);
        }
    }
}
