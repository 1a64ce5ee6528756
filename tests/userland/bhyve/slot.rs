//! `-s SLOT,EMUL[,CONF]`: finds the place and the device, and lets the device's own parser read the rest.
//!
//! The words of virtio-9p, virtio-scsi and passthru are (k).

use super::tree::{ERROR, Tree, fatal};
use crate::exit::{Exit, Step};
use crate::number::{scan, strtol};
use crate::release::V16;

/// `SIGSEGV`: what the console's parser does to bhyve when it is given nothing.
const SIGSEGV: i32 = 11;

/// How many ports an ahci controller has.
pub(crate) const MAX_PORTS: usize = 32;

/// What `-s help` lists: the devices of amd64.
pub(crate) const NAMES: &[&str] = &[
    "ahci",
    "ahci-hd",
    "ahci-cd",
    "e1000",
    "fbuf",
    "hda",
    "hostbridge",
    "amd_hostbridge",
    "lpc",
    "nvme",
    "passthru",
    "uart",
    "virtio-9p",
    "virtio-blk",
    "virtio-console",
    "virtio-input",
    "virtio-net",
    "virtio-rnd",
    "virtio-scsi",
    "xhci",
];

/// Names that stand for another device and are not allowed in a configuration file.
pub(crate) const ALIASES: &[(&str, &str)] =
    &[("ahci-hd", "ahci"), ("ahci-cd", "ahci"), ("amd_hostbridge", "hostbridge")];

/// The name a device goes by in the tree.
pub(crate) fn real_name(name: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, real)| real)
}

fn refused(line: impl std::fmt::Display) -> Exit {
    Exit::new(ERROR, line)
}

/// Reads the argument of `-s` into the tree.
pub(crate) fn parse(tree: &mut Tree, argument: &str) -> Step<()> {
    let invalid = || refused(format!("Invalid PCI slot info field \"{argument}\""));
    let (place, rest) = argument.split_once(',').ok_or_else(invalid)?;
    let (device, conf) = rest.split_once(',').map_or((rest, None), |(device, conf)| (device, Some(conf)));
    let (bus, slot, function) = location(place).ok_or_else(invalid)?;
    if !NAMES.contains(&device) {
        return Err(refused(format!("pci slot {bus}:{slot}:{function}: unknown device \"{device}\"")));
    }
    let node = format!("pci.{bus}.{slot}.{function}");
    if tree.has_node(&node) {
        return Err(refused(format!("pci slot {bus}:{slot}:{function} already occupied!")));
    }
    tree.set_in(&node, "device", real_name(device))?;
    read_conf(tree, &node, device, conf)
}

/// `SLOT`, `SLOT:FUNCTION` or `BUS:SLOT:FUNCTION`; what follows the numbers is ignored.
fn location(place: &str) -> Option<(i128, i128, i128)> {
    let (bus, slot, function) = match scan(place, 10, ':', 3)[..] {
        [bus, slot, function] => (bus, slot, function),
        [slot, function] => (0, slot, function),
        [slot] => (0, slot, 0),
        _ => return None,
    };
    let known = (0..=255).contains(&bus) && (0..=31).contains(&slot) && (0..=7).contains(&function);
    known.then_some((bus, slot, function))
}

fn read_conf(tree: &mut Tree, node: &str, device: &str, conf: Option<&str>) -> Step<()> {
    match (device, conf) {
        ("amd_hostbridge", _) => {
            let node = format!("{node}.pcireg");
            tree.set_in(&node, "vendor", "0x1022")?;
            tree.set_in(&node, "device", "0x7432")
        }
        ("ahci-hd" | "ahci-cd", conf) => {
            let port = format!("{node}.port.0");
            tree.set_in(&port, "type", &device["ahci-".len()..])?;
            conf.map_or(Ok(()), |conf| first_then_generic(tree, &port, "path", conf))
        }
        ("virtio-scsi", None) if tree.release >= V16 => tree.set_in(&format!("{node}.target"), "0", "/dev/cam/ctl"),
        ("virtio-console", None) => Err(Exit::signal(SIGSEGV)),
        ("virtio-input", None) => Err(Exit::silent(ERROR)),
        (_, None) => Ok(()),
        ("virtio-net" | "e1000", Some(conf)) => first_then_generic(tree, node, "backend", conf),
        ("nvme", Some(conf)) if conf.starts_with("ram=") => generic(tree, node, conf),
        ("virtio-blk" | "virtio-input" | "nvme", Some(conf)) => first_then_generic(tree, node, "path", conf),
        ("uart", Some(conf)) => tree.set_in(node, "path", conf),
        ("ahci", Some(conf)) => ahci(tree, node, conf),
        ("virtio-scsi", Some(conf)) => scsi(tree, node, conf),
        ("virtio-9p", Some(conf)) => shared_folder(tree, node, conf),
        ("virtio-console", Some(conf)) => console(tree, node, conf),
        ("passthru", Some(conf)) => passthru(tree, node, conf),
        ("xhci", Some(conf)) => xhci(tree, node, conf),
        (_, Some(conf)) => generic(tree, node, conf),
    }
}

/// The parser most devices share: `k=v` sets k, a bare `k` sets it to true.
pub(crate) fn generic(tree: &mut Tree, node: &str, conf: &str) -> Step<()> {
    conf.split(',').try_for_each(|item| {
        let (key, value) = item.split_once('=').unwrap_or((item, "true"));
        tree.set_in(node, key, value)
    })
}

/// The first item is the value of a key, whatever it looks like.
fn first_then_generic(tree: &mut Tree, node: &str, key: &str, conf: &str) -> Step<()> {
    let (first, rest) = conf.split_once(',').map_or((conf, None), |(first, rest)| (first, Some(rest)));
    tree.set_in(node, key, first)?;
    rest.map_or(Ok(()), |rest| generic(tree, node, rest))
}

/// `hd:PATH[,K=V…]` or `cd:PATH[,K=V…]`, repeated; an empty port is skipped.
fn ahci(tree: &mut Tree, node: &str, conf: &str) -> Step<()> {
    let mut next = Some(conf);
    for port in 0..MAX_PORTS {
        let Some(item) = next else {
            break;
        };
        let kind = item.get(..2).filter(|kind| ["hd", "cd"].contains(kind) && item[2..].starts_with(':'));
        let kind = kind.ok_or_else(|| Exit::silent(ERROR))?;
        let body = &item[3..];
        let end = [",hd:", ",cd:"].iter().filter_map(|mark| body.find(mark)).min();
        next = end.map(|end| &body[end + 1..]);
        let body = &body[..end.unwrap_or(body.len())];
        if !body.is_empty() {
            let node = format!("{node}.port.{port}");
            tree.set_in(&node, "type", kind)?;
            first_then_generic(tree, &node, "path", body)?;
        }
    }
    Ok(())
}

/// `DEV[,K=V…]`; from 16 on also `target=[ID:]DEV`, any number of them.
fn scsi(tree: &mut Tree, node: &str, conf: &str) -> Step<()> {
    if tree.release < V16 {
        return first_then_generic(tree, node, "dev", conf);
    }
    let targets = format!("{node}.target");
    let mut free = 0;
    for (at, item) in conf.split(',').enumerate() {
        let device = match item.split_once('=') {
            Some(("target" | "dev", device)) => device,
            None if at == 0 => item,
            None if ["target", "dev"].contains(&item) => return Err(refused("target path must be specified")),
            _ => {
                generic(tree, node, item)?;
                continue;
            }
        };
        let (id, device) = match device.split_once(':').filter(|_| !device.starts_with('/')) {
            Some((id, device)) => {
                let number = strtol(id, 0).and_then(|number| number.whole()).and_then(|id| u8::try_from(id).ok());
                let invalid = || refused(format!("invalid target {id}: target ID is invalid"));
                (u32::from(number.ok_or_else(invalid)?), device)
            }
            None => (free, device),
        };
        if tree.get(&format!("{targets}.{id}")).is_some() {
            return Err(refused(format!("virtio-scsi: target {id} already in use")));
        }
        tree.set_in(&targets, &id.to_string(), device)?;
        free = free.max(id + 1);
    }
    Ok(())
}

/// `NAME=PATH[,ro]`: a second `=` is taken for a second share.
fn shared_folder(tree: &mut Tree, node: &str, conf: &str) -> Step<()> {
    for item in conf.split(',') {
        match item.split_once('=') {
            Some(_) if tree.get(&format!("{node}.sharename")).is_some() => {
                return Err(refused("virtio-9p: more than one share name given"));
            }
            Some((name, path)) => {
                tree.set_in(node, "sharename", name)?;
                tree.set_in(node, "path", path)?;
            }
            None => tree.set_in(node, item, "true")?,
        }
    }
    Ok(())
}

/// `NAME=PATH`, repeated.
fn console(tree: &mut Tree, node: &str, conf: &str) -> Step<()> {
    const MAX_PORTS: usize = 16;
    for (port, item) in conf.split(',').enumerate() {
        let Some((name, path)) = item.split_once('=') else {
            return Err(refused(format!("vtcon: port {item} requires a path")));
        };
        if port >= MAX_PORTS {
            return Err(refused("vtcon: too many ports"));
        }
        let port = format!("{node}.port.{port}");
        tree.set_in(&port, "name", name)?;
        tree.set_in(&port, "path", path)?;
    }
    Ok(())
}

/// `pptN`, `B/S/F`, `pciB:S:F` or `pci0:B:S:F`.
fn passthru(tree: &mut Tree, node: &str, conf: &str) -> Step<()> {
    let (device, rest) = conf.split_once(',').map_or((conf, None), |(device, rest)| (device, Some(rest)));
    let colons = device.strip_prefix("pci").map_or_else(Vec::new, |numbers| scan(numbers, 10, ':', 4));
    let slashes = scan(device, 10, '/', 3);
    match (&colons[..], &slashes[..]) {
        _ if device.starts_with("ppt") => tree.set_in(node, "pptdev", device)?,
        ([0, bus, slot, func] | [bus, slot, func], _) | (_, [bus, slot, func]) => {
            for (key, number) in [("bus", bus), ("slot", slot), ("func", func)] {
                tree.set_in(node, key, &number.to_string())?;
            }
        }
        _ => return Err(fatal(format!("passthru: Invalid device \"{device}\""))),
    }
    rest.map_or(Ok(()), |rest| generic(tree, node, rest))
}

/// `DEVICE[=OPT]`, repeated; ports count from 1.
fn xhci(tree: &mut Tree, node: &str, conf: &str) -> Step<()> {
    for (at, item) in conf.split(',').enumerate() {
        let (device, option) = item.split_once('=').unwrap_or((item, ""));
        let slot = format!("{node}.slot.{}", at + 1);
        tree.set_in(&slot, "device", device)?;
        if !option.is_empty() {
            generic(tree, &slot, option)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{location, parse};
    use crate::bhyve::tree::Tree;
    use crate::exit::Ending;
    use crate::release::Release;

    fn dump(argument: &str) -> String {
        let mut tree = Tree::new(Release::newest(15));
        parse(&mut tree, argument).unwrap();
        tree.dump()
    }

    fn refusal(arguments: &[&str]) -> String {
        let mut tree = Tree::new(Release::newest(16));
        let exit = arguments.iter().find_map(|argument| parse(&mut tree, argument).err()).unwrap();
        assert_eq!(exit.ending, Ending::Status(4), "{arguments:?}");
        exit.lines.join("\n")
    }

    #[test]
    fn places_are_read_as_scanf_reads_them() {
        assert_eq!(location("03"), Some((0, 3, 0)));
        assert_eq!(location("1:2:3:4"), Some((1, 2, 3)));
        assert_eq!(location("4x"), Some((0, 4, 0)));
        for wrong in ["32", "0:8", "0:0:9", "256:0:0", "-1", ""] {
            assert_eq!(location(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_first_item_of_a_disk_or_a_nic_has_no_key() {
        assert_eq!(
            dump("4,virtio-blk,/a,ro,sectorsize=512/4096"),
            "pci.0.4.0.device=virtio-blk\npci.0.4.0.path=/a\npci.0.4.0.ro=true\npci.0.4.0.sectorsize=512/4096\n"
        );
        assert_eq!(dump("6,virtio-net,mac=1"), "pci.0.6.0.device=virtio-net\npci.0.6.0.backend=mac=1\n");
    }

    #[test]
    fn ahci_ports_keep_their_own_options() {
        assert_eq!(
            dump("1:0,ahci,hd:,hd:/d/1,ro,cd:/i.iso"),
            "pci.0.1.0.device=ahci\n\
             pci.0.1.0.port.1.type=hd\npci.0.1.0.port.1.path=/d/1\npci.0.1.0.port.1.ro=true\n\
             pci.0.1.0.port.2.type=cd\npci.0.1.0.port.2.path=/i.iso\n"
        );
    }

    #[test]
    fn passthrough_devices_have_three_notations() {
        let short = dump("6,passthru,2/0/1");
        assert_eq!(short, dump("6,passthru,pci2:0:1"));
        assert_eq!(short, dump("6,passthru,pci0:2:0:1"));
        assert!(refusal(&["6,passthru,2:0:1"]).contains("Invalid"));
        assert!(refusal(&["6,passthru,ix0"]).contains("Invalid"));
    }

    #[test]
    fn places_and_names_must_be_free_and_known() {
        assert_eq!(refusal(&["3,virtio-rnd", "3:0,virtio-rnd"]), "pci slot 0:3:0 already occupied!");
        assert_eq!(refusal(&["5,virtio_blk,/a"]), "pci slot 0:5:0: unknown device \"virtio_blk\"");
        assert_eq!(refusal(&["5"]), "Invalid PCI slot info field \"5\"");
        assert_eq!(refusal(&["5,virtio-net,tap0,pcireg.vendor=1"]), "bhyve: Invalid config node name pcireg.vendor");
    }

    #[test]
    fn special_parsers_refuse_what_they_cannot_place() {
        refusal(&["5,virtio-9p,ro,a=/x,version=2"]);
        refusal(&["5,virtio-input"]);
        refusal(&["3,ahci,/no/prefix"]);
        refusal(&["4,virtio-scsi,target=1:/dev/a,target=1:/dev/b"]);
        let ports: Vec<String> = (0..17).map(|port| format!("p{port}=/s{port}")).collect();
        assert_eq!(refusal(&[&format!("5,virtio-console,{}", ports.join(","))]), "vtcon: too many ports");
    }
}
