//! QEMU's cards and the other devices.

use super::{Given, Reading, first, key};
use crate::model::Part;
use std::collections::BTreeMap;

/// What is behind a card.
#[derive(Clone, Default)]
struct Net {
    kind: String,
    tap: Option<String>,
    bridge: Option<String>,
}

/// What cards refer to, by name, and how many cards there are.
#[derive(Default)]
pub(super) struct Nets {
    all: BTreeMap<String, Net>,
    count: u8,
}

fn net(value: &str) -> Net {
    Net { kind: first(value), tap: key(value, "ifname"), bridge: key(value, "br") }
}

/// Devices that are part of QEMU's machines, or that bhyve's machines do without.
const WITHOUT: &[&str] = &[
    "pcie-root-port",
    "pcie-pci-bridge",
    "pci-bridge",
    "ioh3420",
    "i82801b11-bridge",
    "ahci",
    "ich9-ahci",
    "virtio-scsi-pci",
    "VGA",
    "virtio-vga",
    "virtio-gpu-pci",
    "qxl-vga",
    "bochs-display",
    "cirrus-vga",
    "usb-kbd",
    "qemu-xhci",
    "nec-usb-xhci",
    "piix3-usb-uhci",
    "ich9-usb-ehci1",
    "usb-ehci",
    "virtio-balloon-pci",
    "isa-serial",
    "virtio-serial-pci",
    "virtserialport",
    "virtio-keyboard-pci",
    "pvpanic",
    "usb-redir",
    "vmcoreinfo",
    "isa-debugcon",
];

impl Reading {
    /// Reads what cards refer to, and adds the cards of `-nic`.
    pub(super) fn nets(&mut self, given: &[Given]) {
        for one in given {
            if one.name == "netdev" && !one.value.starts_with('{') {
                if let Some(id) = key(&one.value, "id") {
                    self.nets.all.insert(id, net(&one.value));
                }
            } else if one.name == "netdev" {
                let object: serde_json::Value = serde_json::from_str(&one.value).unwrap_or_default();
                let text = |name: &str| object.get(name).and_then(|value| value.as_str()).map(String::from);
                let found = Net { kind: text("type").unwrap_or_default(), tap: text("ifname"), bridge: text("br") };
                self.nets.all.extend(text("id").map(|id| (id, found)));
            }
        }
        for one in given.iter().filter(|one| one.name == "nic" && first(&one.value) != "none") {
            let model = key(&one.value, "model").unwrap_or_else(|| "e1000".into());
            self.card(one, &model, &net(&one.value), key(&one.value, "mac"));
        }
        for one in given.iter().filter(|one| one.name == "net" && first(&one.value) != "none") {
            let text = "`-net` is of old releases of QEMU, and is not read: write the card by hand";
            self.machine.hole(one.line, "-net", Part::Whole, text);
        }
    }

    /// Adds a card: bhyve's own model that is nearest, and a tap.
    fn card(&mut self, one: &Given, model: &str, net: &Net, mac: Option<String>) {
        let option = format!("-{}", one.name);
        let number = self.nets.count;
        self.nets.count = number.saturating_add(1);
        // QEMU counts from this address on where it is told none.
        let mac = mac.unwrap_or_else(|| format!("52:54:00:12:34:{:02x}", 0x56_u8.saturating_add(number)));
        let device = if model.starts_with("e1000") { "e1000" } else { "virtio-net" };
        let tap = net.tap.clone().unwrap_or_else(|| self.free_tap());
        let is_tap = tap.starts_with("tap") || tap.starts_with("vmnet");
        let kind = if is_tap { "" } else { ",type=tap" };
        let part = self.put(&format!("{device},{tap}{kind},mac={mac}"));
        self.machine.taps.insert(tap, net.bridge.clone());
        let hole = match net.kind.as_str() {
            "tap" | "bridge" if net.tap.is_some() || net.bridge.is_some() => None,
            "user" => Some(
                "QEMU's own network reaches the guest by the host's addresses: here it is a tap, which needs a bridge",
            ),
            _ => {
                Some("the command line does not tell which interface it is: here it is a new tap, which needs a bridge")
            }
        };
        if let Some(text) = hole {
            self.machine.hole(one.line, &option, part.clone(), text);
        }
        if !(model.starts_with("virtio") || model.starts_with("e1000")) {
            let text = "bhyve has no card of this model: it is VirtIO's, which the guest has to know";
            self.machine.hole(one.line, &option, part, text);
        }
    }

    /// Returns the first tap that no card has.
    fn free_tap(&self) -> String {
        let names = (0_u32..).map(|number| format!("tap{number}"));
        let is_free = |name: &String| {
            !self.machine.taps.contains_key(name) && self.nets.all.values().all(|net| net.tap.as_ref() != Some(name))
        };
        names.into_iter().find(is_free).unwrap_or_default()
    }

    /// Adds the devices.
    pub(super) fn devices(&mut self, given: &[Given]) {
        self.has_tablet = given.iter().any(|one| one.name == "usbdevice" && one.value == "tablet");
        for one in given.iter().filter(|one| one.name == "device") {
            let value = json_as_keys(&one.value).unwrap_or_else(|| one.value.clone());
            let one = &Given { name: one.name.clone(), value, line: one.line };
            let model = first(&one.value);
            if self.disk_device(one) {
                continue;
            }
            if let Some(id) = key(&one.value, "netdev") {
                let net = self.nets.all.get(&id).cloned().unwrap_or_default();
                self.card(one, &model, &net, key(&one.value, "mac"));
            } else if model.starts_with("virtio-rng") {
                self.put("virtio-rnd");
            } else if model == "usb-tablet" || model == "virtio-tablet-pci" {
                self.has_tablet = true;
            } else if WITHOUT.contains(&model.as_str()) {
                self.machine.note(
                    one.line,
                    "-device",
                    format!("bhyve's machines do without {model}, and it is left out"),
                );
            } else {
                let model: String =
                    model.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).take(32).collect();
                let text = format!("bhyve has no device {model:?}, and it is left out");
                self.machine.hole(one.line, "-device", Part::Whole, &text);
            }
        }
    }
}

/// Returns a device in JSON, as libvirt writes it, as keys and values.
fn json_as_keys(text: &str) -> Option<String> {
    let object: serde_json::Value = serde_json::from_str(text.strip_prefix('{').map(|_| text)?).ok()?;
    let mut all = vec![object.get("driver")?.as_str()?.to_string()];
    for (key, value) in object.as_object()? {
        let value = value.as_str().map_or_else(|| value.to_string(), String::from);
        all.push(format!("{key}={}", value.replace(',', ",,")));
    }
    Some(all.join(","))
}
