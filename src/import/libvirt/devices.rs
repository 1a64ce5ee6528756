//! The other devices, in the order in which libvirt gives them slots.

use super::Reading;
use super::disks::{self, word};
use super::slots::Slots;
use crate::import::translated::Translated;
use roxmltree::Node;
use std::collections::BTreeMap;

/// Adds every device.
pub(super) fn read<'a, 'input>(
    reading: &mut Reading<'a, 'input>,
    all: Node<'a, 'input>,
    slots: &mut Slots,
    domain: &mut Translated,
) {
    if let Some(emulator) = reading.child(all, "emulator") {
        reading.take_whole(emulator);
    }
    let isa = controllers(reading, all);
    let mut argv = Vec::new();
    let mut taps = std::mem::take(&mut domain.taps);
    disks::add(reading, all, slots, &mut argv, |reading, slots, argv| {
        for card in reading.children(all, "interface") {
            if let Some((text, tap, bridge)) = interface(reading, card, &taps) {
                let place = slots.of(reading, card);
                argv.extend(["-s".into(), format!("{place},{text}")]);
                taps.extend(tap.map(|tap| (tap, bridge)));
            }
        }
    });
    domain.taps = taps;
    screen(reading, all, slots, &mut argv);
    tablet(reading, all, slots, &mut argv);
    sound(reading, all, slots, &mut argv);
    shares(reading, all, slots, &mut argv);
    for rng in reading.children(all, "rng") {
        let place = slots.of(reading, rng);
        reading.take_whole(rng);
        argv.extend(["-s".into(), format!("{place},virtio-rnd")]);
    }
    let is_wired = domain.argv.iter().any(|arg| arg == "-S");
    if passthru(reading, all, slots, &mut argv) && !is_wired {
        argv.push("-S".into());
    }
    consoles(reading, all, &domain.name.clone(), &mut argv);
    tpm(reading, all, &mut argv);
    if let Some(balloon) = reading.child(all, "memballoon") {
        reading.take_whole(balloon);
    }
    // libvirt gives bhyve the LPC bridge where something is on it.
    let place = Slots::lpc(reading, isa);
    argv.extend(["-s".into(), format!("{place},lpc")]);
    domain.argv.extend(argv);
}

/// Returns the controller of ISA, if there is one, and tells of those that bhyve has not.
fn controllers<'a, 'input>(reading: &mut Reading<'a, 'input>, all: Node<'a, 'input>) -> Option<Node<'a, 'input>> {
    let mut isa = None;
    for controller in reading.children(all, "controller") {
        match reading.attribute(controller, "type") {
            Some("isa") => isa = Some(controller),
            Some("sata" | "usb" | "pci" | "ide" | "virtio-serial") => {}
            other => {
                let text = format!("bhyve has no controller {:?}, and it is left out", word(other.unwrap_or_default()));
                reading.note(controller, text);
            }
        }
        for name in ["index", "model", "ports", "vectors"] {
            reading.attribute(controller, name);
        }
        for inner in ["model", "target", "address"] {
            if let Some(inner) = reading.child(controller, inner) {
                reading.take_whole(inner);
            }
        }
    }
    isa
}

/// Adds the folders that are shared.
fn shares<'a, 'input>(
    reading: &mut Reading<'a, 'input>,
    all: Node<'a, 'input>,
    slots: &mut Slots,
    argv: &mut Vec<String>,
) {
    for share in reading.children(all, "filesystem") {
        let (source, target) = (reading.of(share, "source", "dir"), reading.of(share, "target", "dir"));
        let is_read_only = reading.child(share, "readonly").is_some();
        for name in ["type", "accessmode"] {
            reading.attribute(share, name);
        }
        let (Some(source), Some(target)) = (source, target) else {
            reading.hole(share, "a share is a folder and a name: it is left out");
            continue;
        };
        let place = slots.of(reading, share);
        let ro = if is_read_only { ",ro" } else { "" };
        argv.extend(["-s".into(), format!("{place},virtio-9p,{target}={source}{ro}")]);
    }
}

/// Adds the TPM.
fn tpm<'a, 'input>(reading: &mut Reading<'a, 'input>, all: Node<'a, 'input>, argv: &mut Vec<String>) {
    let Some(tpm) = reading.child(all, "tpm") else { return };
    let backend = reading.child(tpm, "backend");
    let device = backend.and_then(|backend| reading.of(backend, "device", "path"));
    reading.take_whole(tpm);
    if let Some(device) = device {
        argv.extend(["-l".into(), format!("tpm,passthru,{device}")]);
    } else {
        let text = "an emulated TPM is a program of its own: start swtpm, and write `tpm: #{ … }` with its socket";
        reading.hole(tpm, text);
    }
}

/// Reads a card: bhyve's words, and its tap with the bridge.
fn interface<'a, 'input>(
    reading: &mut Reading<'a, 'input>,
    card: Node<'a, 'input>,
    taps: &BTreeMap<String, Option<String>>,
) -> Option<(String, Option<String>, Option<String>)> {
    let kind = reading.attribute(card, "type").unwrap_or("bridge");
    let model = match reading.of(card, "model", "type").unwrap_or("virtio") {
        "virtio" | "virtio-net" => "virtio-net",
        "e1000" => "e1000",
        other => {
            reading.hole(
                card,
                format!("bhyve has no card {:?}: it is a virtio_net, which the guest has to know", word(other)),
            );
            "virtio-net"
        }
    };
    let mac = reading.of(card, "mac", "address").map(|mac| format!(",mac={mac}")).unwrap_or_default();
    let mtu = reading.of(card, "mtu", "size").map(|mtu| format!(",mtu={}", word(mtu))).unwrap_or_default();
    if mac.is_empty() {
        reading.note(card, "libvirt makes up an address when it defines the domain: give one, so that it stays");
    }
    let source = reading.child(card, "source");
    let mut of = |name| source.and_then(|source| reading.attribute(source, name)).map(String::from);
    let (bridge, network, _, _) = (of("bridge"), of("network"), of("portid"), of("portgroup"));
    if kind == "user" {
        return Some((format!("{model},slirp{mac}{mtu}"), None, None));
    }
    if !["bridge", "network"].contains(&kind) {
        reading.hole(card, format!("a card of type {:?} is on no bridge: it is left out", word(kind)));
        return None;
    }
    let bridge = bridge.or_else(|| reading.bridges.get(network.as_ref()?).cloned());
    if bridge.is_none() {
        let name = network.as_deref().map(word).unwrap_or_default();
        let text = format!("the bridge of the network {name:?} is not known: `virsh net-dumpxml` shows it");
        reading.hole(source.unwrap_or(card), text);
    }
    let given = reading.of(card, "target", "dev").filter(|name| !name.starts_with("vnet") && reading.is_bhyve);
    let is_free = |name: &String| !taps.contains_key(name) && !reading.taken.contains(name);
    let tap = given.map(String::from).or_else(|| (0_u32..=9999).map(|number| format!("tap{number}")).find(is_free))?;
    Some((format!("{model},{tap}{mac}{mtu}"), Some(tap), bridge))
}

/// Adds the frame buffer.
fn screen<'a, 'input>(
    reading: &mut Reading<'a, 'input>,
    all: Node<'a, 'input>,
    slots: &mut Slots,
    argv: &mut Vec<String>,
) {
    let video = reading.child(all, "video");
    let (mut size, mut vga) = (String::new(), String::new());
    if let Some(video) = video {
        if let Some(model) = reading.child(video, "model") {
            let resolution = reading.child(model, "resolution");
            let of = |name| resolution.and_then(|size| size.attribute(name)).map(word);
            size = of("x").zip(of("y")).map(|(x, y)| format!(",w={x},h={y}")).unwrap_or_default();
            reading.take_whole(model);
        }
        vga = reading.of(video, "driver", "vgaconf").map(|vga| format!(",vga={}", word(vga))).unwrap_or_default();
    }
    for graphics in reading.children(all, "graphics") {
        if reading.attribute(graphics, "type") != Some("vnc") {
            reading.take_whole(graphics);
            reading.note(graphics, "bhyve shows its screen by VNC only: `fbuf(#{ tcp: \"127.0.0.1:5900\" })`");
            continue;
        }
        let port = reading.attribute(graphics, "port").filter(|port| *port != "-1").map(String::from);
        let port = port.unwrap_or_else(|| {
            let free = (5900..=u16::MAX).find(|port| !reading.taken.contains(&port.to_string())).unwrap_or(5900);
            reading
                .note(graphics, format!("libvirt takes the first port from 5900 on that is free; here it is {free}"));
            free.to_string()
        });
        let listen = reading.child(graphics, "listen").and_then(|listen| {
            reading.attribute(listen, "type");
            reading.attribute(listen, "address")
        });
        let listen = reading.attribute(graphics, "listen").or(listen).unwrap_or("127.0.0.1");
        let listen = if listen.contains(':') { format!("[{listen}]") } else { listen.to_string() };
        let password = reading.attribute(graphics, "passwd").map(|it| format!(",password={it}")).unwrap_or_default();
        for name in ["autoport", "sharePolicy"] {
            reading.attribute(graphics, name);
        }
        let place = slots.of_some(reading, video);
        argv.extend(["-s".into(), format!("{place},fbuf,tcp={listen}:{port}{size}{vga}{password}")]);
        return;
    }
}

/// Adds the tablet: the one device that bhyve has on USB.
fn tablet<'a, 'input>(
    reading: &mut Reading<'a, 'input>,
    all: Node<'a, 'input>,
    slots: &mut Slots,
    argv: &mut Vec<String>,
) {
    let mut has = false;
    for input in reading.children(all, "input") {
        let is_tablet = reading.attribute(input, "type") == Some("tablet");
        reading.take_whole(input);
        if !is_tablet {
            reading.note(input, "bhyve has the keyboard and mouse of a PC in its frame buffer");
        }
        has |= is_tablet;
    }
    let is_usb = |node: &Node<'_, '_>| node.attribute("type") == Some("usb");
    let usb = reading.children(all, "controller").into_iter().find(is_usb);
    if has {
        let place = slots.of_some(reading, usb);
        argv.extend(["-s".into(), format!("{place},xhci,tablet")]);
    }
}

/// Adds the sound card. libvirt gives its input to `play` and its output to `rec`.
fn sound<'a, 'input>(
    reading: &mut Reading<'a, 'input>,
    all: Node<'a, 'input>,
    slots: &mut Slots,
    argv: &mut Vec<String>,
) {
    let audio = reading.child(all, "audio");
    let mut of = |name| audio.and_then(|audio| reading.of(audio, name, "dev"));
    let (input, output) = (of("input"), of("output"));
    if let Some(audio) = audio {
        reading.attribute(audio, "id");
        reading.attribute(audio, "type");
    }
    let play = input.map(|dev| format!(",play={dev}")).unwrap_or_default();
    let rec = output.map(|dev| format!(",rec={dev}")).unwrap_or_default();
    if let Some(card) = reading.child(all, "sound") {
        let place = slots.of(reading, card);
        reading.take_whole(card);
        argv.extend(["-s".into(), format!("{place},hda{play}{rec}")]);
    }
}

/// Adds the host's own devices; returns whether there is one, whose guest has all of its memory wired.
fn passthru<'a, 'input>(
    reading: &mut Reading<'a, 'input>,
    all: Node<'a, 'input>,
    slots: &mut Slots,
    argv: &mut Vec<String>,
) -> bool {
    let mut is_wired = false;
    for device in reading.children(all, "hostdev") {
        let is_pci = reading.attribute(device, "type") == Some("pci");
        for name in ["mode", "managed"] {
            reading.attribute(device, name);
        }
        let source = reading.child(device, "source");
        let address = source.and_then(|source| reading.child(source, "address")).filter(|_| is_pci);
        let Some(address) = address else {
            source.into_iter().for_each(|source| reading.take_whole(source));
            reading.hole(device, "bhyve hands over devices of PCI only: it is left out");
            continue;
        };
        let [bus, slot, function] = bus_slot_function(reading, address);
        let place = slots.of(reading, device);
        argv.extend(["-s".into(), format!("{place},passthru,{bus}/{slot}/{function}")]);
        is_wired = true;
    }
    is_wired
}

/// Reads where a PCI device is on the host.
fn bus_slot_function<'a, 'input>(reading: &mut Reading<'a, 'input>, address: Node<'a, 'input>) -> [u16; 3] {
    reading.attribute(address, "domain");
    ["bus", "slot", "function"].map(|name| {
        let text = reading.attribute(address, name).unwrap_or("0");
        u16::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or_default()
    })
}

/// Adds serial ports. A console is the first of them under another name.
fn consoles<'a, 'input>(reading: &mut Reading<'a, 'input>, all: Node<'a, 'input>, name: &str, argv: &mut Vec<String>) {
    let serials = reading.children(all, "serial");
    let consoles = reading.children(all, "console");
    let has_serial = !serials.is_empty();
    let mut count = 0;
    for (at, port) in serials.into_iter().chain(consoles).enumerate() {
        let kind = reading.attribute(port, "type").unwrap_or("nmdm");
        let target = reading.of(port, "target", "port").and_then(|number| number.parse::<usize>().ok());
        let master = reading.of(port, "source", "master").map(String::from);
        let is_alias = port.tag_name().name() == "console" && has_serial;
        reading.take_whole(port);
        if is_alias || count >= 4 {
            continue;
        }
        let com = target.unwrap_or(at) + 1;
        let tty = master.filter(|_| kind == "nmdm").unwrap_or_else(|| {
            let tty = format!("/dev/nmdm-{}.{com}A", word(name));
            reading.note(port, format!("the port is {tty}, at whose end B `vmrun console` listens"));
            tty
        });
        argv.extend(["-l".into(), format!("com{com},{tty}")]);
        count += 1;
    }
}
