//! The machine itself: processors, memory, clock, firmware and loader, and what is handed to bhyve as it is.

use super::slots::Slots;
use super::{Reading, devices, disks};
use crate::bhyve::UEFI_CODE;
use crate::diag::Fault;
use crate::import::translated::Translated;
use crate::vmbhyve::Load;
use roxmltree::Node;

const BHYVE: &str = "http://libvirt.org/schemas/domain/bhyve/1.0";

/// Reads everything.
pub(super) fn read<'a, 'input>(reading: &mut Reading<'a, 'input>, root: Node<'a, 'input>) -> Translated {
    let kind = reading.attribute(root, "type").unwrap_or("bhyve");
    reading.is_bhyve = kind == "bhyve";
    reading.attribute(root, "id");
    if !reading.is_bhyve {
        let text = format!("the domain is of {kind}: what bhyve has of it is taken, at places of its own");
        reading.note(root, text);
    }
    let name = reading.text(root, "name").unwrap_or_default().to_string();
    if name.is_empty() {
        reading.fault(root, Fault::new("the domain has no name").hint("add <name>…</name>"));
    }
    let mut domain = Translated { name: name.clone(), ..Translated::default() };
    domain.argv = processors(reading, root);
    let memory = memory(reading, root);
    domain.argv.extend(["-m".into(), memory]);
    domain.argv.extend(options(reading, root));
    ends(reading, root);
    let firmware = firmware(reading, root);
    domain.argv.extend(firmware.iter().flat_map(|firmware| ["-l".into(), format!("bootrom,{firmware}")]));
    domain.argv.extend(["-s".into(), "0:0,hostbridge".into()]);
    let all = reading.child(root, "devices");
    let mut slots = Slots::new(reading, all);
    let mut disks = Vec::new();
    if let Some(all) = all {
        disks = disks::names(reading, all);
        devices::read(reading, all, &mut slots, &mut domain);
    }
    let load = Some(loader(reading, root, &name, &disks));
    domain.load = load.filter(|_| firmware.is_none());
    command_line(reading, root, &mut domain.argv);
    domain.argv.push(name);
    domain
}

/// Returns `-c`, and `-p` for processors that are bound to some of the host's.
fn processors<'a, 'input>(reading: &mut Reading<'a, 'input>, root: Node<'a, 'input>) -> Vec<String> {
    let mut count = reading.text(root, "vcpu").unwrap_or("1").to_string();
    if let Some(vcpu) = reading.child(root, "vcpu") {
        if let Some(current) = reading.attribute(vcpu, "current") {
            reading.note(vcpu, format!("bhyve plugs no processor in while it runs: {current} at the start are all"));
            count = current.into();
        }
        reading.attribute(vcpu, "placement");
    }
    if !count.bytes().all(|byte| byte.is_ascii_digit()) {
        reading.fault(root, Fault::new(format!("{count:?} is no number of processors")).hint("<vcpu>2</vcpu>"));
        count = "1".into();
    }
    if let Some(cpu) = reading.child(root, "cpu") {
        if let Some(topology) = reading.child(cpu, "topology") {
            let parts = ["sockets", "cores", "threads"].map(|part| (part, reading.attribute(topology, part)));
            for (part, value) in parts {
                count += &value.map(|value| format!(",{part}={}", digits(value))).unwrap_or_default();
            }
            for part in ["dies", "clusters"] {
                if reading.attribute(topology, part).is_some_and(|value| value != "1") {
                    reading.hole(topology, format!("bhyve knows no {part}: give sockets and cores the product"));
                }
            }
        }
        for inner in ["model", "feature", "numa", "cache", "vendor"] {
            for element in reading.children(cpu, inner) {
                reading.take_whole(element);
                reading.note(element, "the guest sees the host's own processor, so that it is left out");
            }
        }
        for name in ["mode", "match", "check", "migratable"] {
            reading.attribute(cpu, name);
        }
    }
    let mut argv = vec!["-c".into(), count];
    argv.extend(pins(reading, root));
    argv
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).take(9).collect()
}

fn pins<'a, 'input>(reading: &mut Reading<'a, 'input>, root: Node<'a, 'input>) -> Vec<String> {
    let Some(tune) = reading.child(root, "cputune") else { return Vec::new() };
    let mut argv = Vec::new();
    for pin in reading.children(tune, "vcpupin") {
        let (vcpu, set) = (reading.attribute(pin, "vcpu"), reading.attribute(pin, "cpuset"));
        let (Some(vcpu), Some(set)) = (vcpu, set) else { continue };
        if set.contains('^') {
            reading.hole(pin, "a processor is taken out of the set: write the set that is left");
            continue;
        }
        for part in set.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (Ok(first), Ok(last)) = (first.trim().parse::<u16>(), last.trim().parse::<u16>()) else { continue };
            argv.extend(
                (first..=last.min(first.saturating_add(1023))).flat_map(|cpu| ["-p".into(), format!("{vcpu}:{cpu}")]),
            );
        }
    }
    argv
}

/// Returns what `-m` says: whole mebibytes, as libvirt rounds up.
fn memory<'a, 'input>(reading: &mut Reading<'a, 'input>, root: Node<'a, 'input>) -> String {
    let bytes = |reading: &mut Reading<'a, 'input>, name: &str| {
        let element = reading.child(root, name)?;
        let unit = reading.attribute(element, "unit").unwrap_or("KiB");
        let number: u64 = element.text()?.trim().parse().ok()?;
        number.checked_mul(factor(unit)?)
    };
    let (most, current) = (bytes(reading, "memory"), bytes(reading, "currentMemory"));
    let Some(most) = most else {
        let fault = Fault::new("the domain has no <memory> that can be read");
        reading.fault(root, fault.hint("<memory unit='MiB'>512</memory>"));
        return "256".into();
    };
    if let (Some(current), Some(element)) = (current, reading.child(root, "currentMemory"))
        && current != most
    {
        reading.note(element, "bhyve has no balloon that gives memory back: the guest has all of <memory>");
    }
    format!("{}M", most.div_ceil(1 << 20))
}

/// How many bytes a unit has (libvirt, "Memory Allocation").
fn factor(unit: &str) -> Option<u64> {
    Some(match unit {
        "b" | "bytes" => 1,
        "KB" => 1000,
        "k" | "K" | "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "M" | "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "G" | "GiB" => 1 << 30,
        "TB" => 1_000_000_000_000,
        "T" | "TiB" => 1 << 40,
        _ => return None,
    })
}

/// Returns the options without a value. libvirt always has bhyve leave the processor when the guest is idle.
fn options<'a, 'input>(reading: &mut Reading<'a, 'input>, root: Node<'a, 'input>) -> Vec<String> {
    let mut argv: Vec<String> = Vec::new();
    if let Some(features) = reading.child(root, "features") {
        for (name, flag) in [("acpi", Some("-A")), ("apic", None), ("pae", None)] {
            if let Some(element) = reading.child(features, name) {
                reading.take_whole(element);
                argv.extend(flag.map(String::from));
            }
        }
        if reading.of(features, "msrs", "unknown") == Some("ignore") {
            argv.push("-w".into());
        }
    }
    if let Some(backing) = reading.child(root, "memoryBacking")
        && reading.child(backing, "locked").is_some()
    {
        argv.push("-S".into());
    }
    let clock = reading.child(root, "clock");
    let offset = clock.and_then(|clock| reading.attribute(clock, "offset")).unwrap_or("utc");
    if offset != "localtime" {
        argv.push("-u".into());
    }
    if let Some(clock) = clock
        && !["utc", "localtime"].contains(&offset)
    {
        reading.hole(clock, format!("bhyve's clock has UTC or local time, and nothing like {offset:?}: it is UTC"));
    }
    argv.extend(["-H", "-P"].map(String::from));
    if let Some(uuid) = reading.child(root, "uuid") {
        let text = "libvirt does not give it to bhyve: `uuid: \"…\"` in the recipe would change what the guest sees";
        if reading.is_bhyve {
            reading.note(uuid, text);
        } else {
            argv.extend(["-U".into(), uuid.text().unwrap_or_default().trim().into()]);
        }
    }
    argv
}

/// Looks at what follows each end of the guest.
fn ends<'a, 'input>(reading: &mut Reading<'a, 'input>, root: Node<'a, 'input>) {
    for (name, usual) in [("on_poweroff", "destroy"), ("on_reboot", "restart"), ("on_crash", "destroy")] {
        if let Some(element) = reading.child(root, name)
            && element.text().is_some_and(|text| text.trim() != usual)
        {
            let text = format!(
                "vmrun does what {usual:?} says; any other wish is the recipe's, by `restart(#{{ … }})` or `on`"
            );
            reading.note(element, text);
        }
    }
}

/// Returns the firmware, with its variables behind a comma.
fn firmware<'a, 'input>(reading: &mut Reading<'a, 'input>, root: Node<'a, 'input>) -> Option<String> {
    let os = reading.child(root, "os")?;
    if let Some(kind) = reading.child(os, "type") {
        reading.take_whole(kind);
    }
    for boot in reading.children(os, "boot") {
        reading.attribute(boot, "dev");
        reading.note(
            boot,
            "bhyve has no order of boot: UEFI keeps one in its variables, and `bootindex` needs `fwcfg: \"qemu\"`",
        );
    }
    let auto = reading.attribute(os, "firmware");
    let loader = reading.child(os, "loader");
    let nvram = reading.child(os, "nvram");
    let path = loader.and_then(|loader| {
        reading.take_whole(loader);
        loader.text().map(str::trim).filter(|path| !path.is_empty())
    });
    let vars = nvram.and_then(|nvram| {
        reading.attribute(nvram, "template");
        reading.attribute(nvram, "type");
        nvram.text().map(str::trim).filter(|path| !path.is_empty())
    });
    if reading.is_bhyve && path.is_none() && auto.is_none() {
        return None;
    }
    let own = path.filter(|_| reading.is_bhyve);
    if own.is_none() {
        reading.note(loader.unwrap_or(os), format!("the firmware is bhyve's own, {UEFI_CODE}"));
    }
    let code = own.unwrap_or(UEFI_CODE).to_string();
    match (vars, nvram) {
        (Some(vars), _) if reading.is_bhyve => Some(format!("{code},{vars}")),
        (_, Some(nvram)) => {
            let text = "variables of another firmware mean nothing to bhyve's: `uefi(#{ vars: \"…\" })` has new ones";
            reading.note(nvram, text);
            Some(code)
        }
        _ => Some(code),
    }
}

/// Returns what loads the guest where there is no firmware: bhyveload(8) of the first disk, unless another one is named.
fn loader<'a, 'input>(reading: &mut Reading<'a, 'input>, root: Node<'a, 'input>, name: &str, disks: &[String]) -> Load {
    let program = reading.text(root, "bootloader").unwrap_or("bhyveload");
    let args = reading.text(root, "bootloader_args");
    let short = program.rsplit('/').next().unwrap_or(program);
    let given = args.map(|args| args.split_whitespace().map(String::from).collect::<Vec<_>>());
    let line: Vec<String> = match (short, given) {
        ("bhyveload", None) => ["bhyveload".into()]
            .into_iter()
            .chain(disks.first().into_iter().flat_map(|disk| ["-d".into(), disk.clone()]))
            .collect(),
        // libvirt's own choice where it is told nothing.
        ("grub-bhyve", None) => ["grub-bhyve", "-r", "hd0,msdos1"].map(String::from).into(),
        (_, Some(args)) => {
            // The name is the last word of the line.
            let kept = args.strip_suffix(&[name.to_string()][..]).unwrap_or(&args).to_vec();
            [short.to_string()].into_iter().chain(kept).collect()
        }
        (_, None) => vec![short.to_string()],
    };
    Load { argv: line.into_iter().chain([name.to_string()]).collect(), ..Load::default() }
}

/// Returns what the domain hands to bhyve as it is.
fn command_line<'a, 'input>(reading: &mut Reading<'a, 'input>, root: Node<'a, 'input>, argv: &mut Vec<String>) {
    let is_it = |node: &Node<'_, '_>| node.is_element() && node.tag_name().name() == "commandline";
    for line in root.children().filter(is_it).collect::<Vec<_>>() {
        let is_ours = line.tag_name().namespace() == Some(BHYVE);
        reading.take_whole(line);
        if !is_ours {
            reading.hole(line, "the arguments are for another hypervisor, and are left out");
            continue;
        }
        for inner in line.children().filter(Node::is_element) {
            match (inner.tag_name().name(), inner.attribute("value")) {
                ("arg", Some(value)) => argv.push(value.into()),
                ("env", _) => reading.note(inner, "vmrun gives bhyve no variables of its own"),
                _ => {}
            }
        }
    }
}
