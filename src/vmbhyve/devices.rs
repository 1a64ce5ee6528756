//! The devices after the disks and cards, in vm-bhyve's order: randomness, the host's own devices, screen, tablet, sound,
//! consoles.

use super::disks::push;
use super::reading::Reading;
use super::slots::Slots;
use crate::diag::Fault;
use crate::model::{Feature, Target};

/// Adds the source of randomness.
pub(super) fn random(reading: &mut Reading, slots: &mut Slots, devices: &mut Vec<String>) {
    if reading.yes("virt_random", "") {
        push(devices, &slots.here(), "virtio-rnd");
        slots.next_slot();
    }
}

/// Adds the host's own devices; returns whether there is one. Functions of one device of the host share a slot.
pub(super) fn passthru(reading: &mut Reading, slots: &mut Slots, devices: &mut Vec<String>) -> bool {
    let (mut number, mut last) = (0, None);
    while let Some(device) = reading.word(&format!("passthru{number}")) {
        let options = reading.word(&format!("passthru{number}_options"));
        let options = options.map(|options| format!(",{options}")).unwrap_or_default();
        if let (Some((host, _)), Some((_, guest))) = (device.split_once('='), device.rsplit_once('=')) {
            push(devices, &format!("{}:{guest}", slots.bus()), &format!("passthru,{host}{options}"));
        } else {
            // vm-bhyve compares the part before the first slash, which is the bus.
            let bus = device.split('/').next().unwrap_or_default().to_string();
            if last.as_ref().is_some_and(|last| *last != bus) {
                slots.next_slot();
            }
            push(devices, &slots.here(), &format!("passthru,{device}{options}"));
            slots.next_function();
            last = Some(bus);
        }
        number += 1;
    }
    if number > 0 {
        slots.next_slot();
    }
    reading.reach("passthru", number);
    number > 0
}

/// Adds the frame buffer; returns whether an installer would wait for a viewer.
pub(super) fn screen(reading: &mut Reading, slots: &mut Slots, devices: &mut Vec<String>) -> bool {
    if !reading.uefi || !reading.yes("graphics", "") {
        if reading.yes("graphics", "") {
            reading.note("graphics", "vm-bhyve adds a frame buffer with UEFI only");
        }
        reading.silence("graphics_", "`graphics` and UEFI");
        reading.silence("vnc_password", "`graphics` and UEFI");
        return false;
    }
    let port = reading.word("graphics_port").unwrap_or_else(|| {
        let free = (5900..=u16::MAX).find(|port| !reading.place.has_taken(&port.to_string())).unwrap_or(5900);
        let text = format!("vm-bhyve takes the first port from 5900 on that is free; here it is {free}");
        reading.note_at("graphics", "graphics_port", &text);
        free.to_string()
    });
    let listen = reading.word("graphics_listen").unwrap_or_else(|| {
        let text = "vm-bhyve listens on every address, 0.0.0.0, when it is told none";
        reading.note_at("graphics", "graphics_listen", text);
        "0.0.0.0".into()
    });
    if listen.starts_with("unix") {
        let text = "only a vm-bhyve after 1.7.1 listens on a Unix socket: write an address, such as 127.0.0.1";
        reading.note("graphics_listen", text);
    }
    let listen = if listen.contains(':') && !listen.starts_with(['[', 'u']) {
        reading.note("graphics_listen", "an address of IPv6 stands in brackets for bhyve, which vm-bhyve does not add");
        format!("[{listen}]")
    } else {
        listen
    };
    let mut parts = vec![format!("fbuf,tcp={listen}:{port}")];
    if let Some(size) = reading.word("graphics_res") {
        let width = size.split('x').next().unwrap_or_default();
        let height = size.rsplit('x').next().unwrap_or_default();
        parts.push(format!("w={width},h={height}"));
        check_size(reading, width.parse().ok(), height.parse().ok());
    }
    if let Some(vga) = reading.word("graphics_vga") {
        parts.push(format!("vga={vga}"));
        if vga == "on" {
            reading.note("graphics_vga", "with `vga=on` bhyve's guest runs without a VNC server: leave the key out");
        }
    }
    if let Some(password) = reading.word("vnc_password") {
        parts.push(format!("password={password}"));
        let note = "vm-bhyve writes the password into bhyve's command line, where ps(1) shows it: a recipe has \
                    a secret instead";
        reading.note("vnc_password", note);
        if password.contains(',') {
            reading.note("vnc_password", "bhyve ends the password at its first comma");
        }
    }
    let wait = reading.get("graphics_wait").unwrap_or("auto").to_string();
    if wait != "auto" && super::reading::yes(&wait) {
        parts.push("wait".into());
    }
    push(devices, &slots.here(), &parts.join(","));
    slots.next_slot();
    wait == "auto"
}

/// Notes a size of the screen that bhyve refuses (bhyve(8), fbuf).
fn check_size(reading: &mut Reading, width: Option<u32>, height: Option<u32>) {
    let (Some(width), Some(height)) = (width, height) else {
        let fault = Fault::new("`graphics_res` is not a width and a height");
        return reading.fault("graphics_res", fault.hint("write two numbers with an `x` between: \"1024x768\""));
    };
    let release = reading.place.release;
    let is_large = Target { release, ..Target::default() }.has(Feature::LargeScreens);
    let (least, most) = if is_large { ((640, 480), (3840, 2160)) } else { ((0, 0), (1920, 1200)) };
    if width > most.0 || height > most.1 || width < least.0 || height < least.1 {
        let text = format!("bhyve of {release} takes {}x{} to {}x{}", least.0, least.1, most.0, most.1);
        reading.note("graphics_res", text);
    }
}

/// Adds the tablet.
pub(super) fn tablet(reading: &mut Reading, slots: &mut Slots, devices: &mut Vec<String>) {
    if reading.yes("xhci_mouse", "") {
        push(devices, &slots.here(), "xhci,tablet");
        slots.next_slot();
    }
}

/// Adds the sound card.
pub(super) fn sound(reading: &mut Reading, slots: &mut Slots, devices: &mut Vec<String>) {
    if !reading.yes("sound", "") {
        reading.silence("sound_", "`sound`");
        return;
    }
    // An empty value is not the default: vm-bhyve writes `play=` then, with nothing behind it.
    let play = if reading.get("sound_play").is_some() { reading.word("sound_play") } else { Some("/dev/dsp0".into()) };
    let record = reading.word("sound_rec").map(|device| format!(",rec={device}")).unwrap_or_default();
    push(devices, &slots.here(), &format!("hda,play={}{record}", play.unwrap_or_default()));
    slots.next_slot();
}

/// Adds the console ports, at most 16.
pub(super) fn consoles(reading: &mut Reading, slots: &mut Slots, devices: &mut Vec<String>) {
    let (mut number, mut parts) = (0, vec!["virtio-console".to_string()]);
    while number < 16 {
        let key = format!("virt_console{number}");
        let Some(mut port) = reading.word(&key) else { break };
        if port == "1" || ["yes", "on"].iter().any(|yes| port.eq_ignore_ascii_case(yes)) {
            port = number.to_string();
        } else if !super::reading::yes(&port) {
            reading.note(&key, format!("vm-bhyve takes {port:?} for the name of a port: leave the key out for none"));
        }
        parts.push(format!("{port}={}", reading.own(&format!("vtcon.{port}"))));
        number += 1;
    }
    if number > 0 {
        push(devices, &slots.here(), &parts.join(","));
        slots.next_slot();
    }
    reading.reach("virt_console", number);
}
