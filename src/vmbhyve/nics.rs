//! Network cards: all in the slot after the disks, a function each.

use super::disks::push;
use super::reading::Reading;
use super::slots::Slots;
use super::switch::{self, Switch};
use std::collections::BTreeSet;

/// A network card of a guest, and the tap that it wishes for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nic {
    /// Its number in the file: that of `networkN_type`.
    pub number: usize,
    /// bhyve's device, as `virtio-net`.
    pub emulation: String,
    /// The backend that the command line names: an interface, or netgraph's words.
    pub backend: String,
    /// The interface that is there already and is not to be made (`networkN_device`).
    pub device: Option<String>,
    /// The name that the tap is to have (`networkN_name`).
    pub name: Option<String>,
    /// vm-bhyve's switch.
    pub switch: Option<String>,
    /// The bridge of that switch, if it is one and its name is known: `vm-public`.
    pub bridge: Option<String>,
    /// Whether the tap is the bridge's span, not its member (ifconfig(8), `span`).
    pub span: bool,
    /// Whether the bridge keeps it from other private members (ifconfig(8), `private`).
    pub private: bool,
    /// The MAC address, as it is written.
    pub mac: Option<String>,
    /// The line of its type.
    pub line: usize,
}

/// Adds the cards to the devices, and returns them.
pub(super) fn add(reading: &mut Reading, slots: &mut Slots, devices: &mut Vec<String>) -> Vec<Nic> {
    let mut taps = Taps::new(reading);
    let (mut nics, mut number) = (Vec::new(), 0);
    while let Some(emulation) = reading.word(&key(number, "type")) {
        slots.settle();
        if let Some(nic) = card(reading, number, emulation, &mut taps) {
            let mac = nic.mac.as_ref().map(|mac| format!(",mac={mac}")).unwrap_or_default();
            push(devices, &slots.here(), &format!("{},{}{mac}", nic.emulation, nic.backend));
            slots.next_function();
            nics.push(nic);
        }
        number += 1;
    }
    if number > 0 {
        slots.next_slot();
    }
    reading.reach("network", number);
    nics
}

fn key(number: usize, part: &str) -> String {
    format!("network{number}_{part}")
}

/// The names of taps that vm-bhyve leaves to the kernel, and the hooks of netgraph. Those that the file gives are not among them.
struct Taps {
    next: u32,
    taken: BTreeSet<String>,
}

impl Taps {
    fn new(reading: &Reading) -> Self {
        let numbers = (0..).take_while(|number| reading.get(&key(*number, "type")).is_some());
        let names = numbers.flat_map(|number| [key(number, "device"), key(number, "name")]);
        let taken = names.filter_map(|name| reading.get(&name).map(|name| name.trim().to_string())).collect();
        Self { next: reading.place.first_tap, taken }
    }

    fn name(&mut self, reading: &Reading) -> String {
        let is_free = |name: &str| !self.taken.contains(name) && !reading.place.has_taken(name);
        let free = (self.next..=u32::MAX).find(|number| is_free(&format!("tap{number}")));
        let number = free.unwrap_or(u32::MAX);
        self.next = number.saturating_add(1);
        format!("tap{number}")
    }

    /// Returns the words for the first hook of a netgraph bridge that no card has, from link2 on.
    fn hook(&mut self, reading: &Reading, bridge: &str) -> String {
        let mut hooks = (2_u32..).map(|number| format!("netgraph,path={bridge}:,peerhook=link{number}"));
        let is_free = |words: &String| !self.taken.contains(words) && !reading.place.has_taken(words);
        let words = hooks.find(is_free).unwrap_or_default();
        self.taken.insert(words.clone());
        words
    }
}

/// Returns a card, or nothing if vm-bhyve adds none.
fn card(reading: &mut Reading, number: usize, emulation: String, taps: &mut Taps) -> Option<Nic> {
    let [device, name, r#type] = ["device", "name", "type"].map(|part| key(number, part));
    let mac = reading.word(&key(number, "mac"));
    if mac.is_none() {
        let text = "vm-bhyve makes up an address at the first start and writes it into the file; without one bhyve makes its \
                    own of the slot and the machine's name: give one, so that it stays";
        reading.note_at(&r#type, &key(number, "mac"), text);
    }
    let mut nic = Nic { number, emulation, mac, line: reading.line(&r#type), ..Nic::default() };
    if let Some(switch) = reading.word(&key(number, "switch")) {
        let what = switch::named(&switch, &reading.system);
        if let Some(text) = switch::unknown(&switch, &reading.system) {
            reading.note(&key(number, "switch"), text);
        }
        nic.switch = Some(switch);
        if !plug(reading, number, &mut nic, what, taps) {
            return None;
        }
    }
    if !nic.backend.is_empty() {
        return Some(nic);
    }
    nic.device = reading.word(&device);
    nic.name = reading.word(&name);
    if nic.switch.is_none() && nic.device.is_none() {
        let text = "the card has no switch: vm-bhyve makes a tap that is on no bridge";
        reading.note_at(&r#type, &key(number, "switch"), text);
    }
    if nic.device.is_some() && nic.name.is_some() {
        reading.note(&name, format!("vm-bhyve does not look at it beside `{device}`"));
        nic.name = None;
    }
    nic.backend = nic.device.clone().or_else(|| nic.name.clone()).unwrap_or_else(|| taps.name(reading));
    Some(nic)
}

/// Plugs a card into its switch; returns whether vm-bhyve adds the card at all.
fn plug(reading: &mut Reading, number: usize, nic: &mut Nic, switch: Switch, taps: &mut Taps) -> bool {
    let key = key(number, "switch");
    match switch {
        Switch::Unknown(kind) => {
            reading.hole(&key, format!("vm-bhyve knows no switch of type {kind:?}, and adds no card"));
            return false;
        }
        Switch::Netgraph => {
            reading.note(&key, "the switch is a netgraph bridge: vm-bhyve takes its first free hook, from link2 on");
            nic.backend = taps.hook(reading, nic.switch.as_deref().unwrap_or_default());
        }
        Switch::Vale => {
            let text =
                "the switch is a VALE switch, whose port vm-bhyve names by a sum of the MAC address: write it by hand";
            reading.hole(&key, text);
        }
        Switch::Bridge { name, private, mtu } => {
            let given = nic.switch.as_ref().and_then(|switch| reading.place.bridges?.get(switch));
            let name = name.or_else(|| given.cloned());
            if let Some(mtu) = mtu {
                reading.note(&key, format!("the switch has an MTU of {mtu}, which vm-bhyve gives to the tap too"));
            }
            if private {
                reading.note(&key, "the switch is private: its bridge keeps its members from each other");
            }
            if name.is_none() {
                reading.hole(&key, "the name of the switch's bridge is not known: see `vm switch list`");
            } else if reading.place.system.is_none() {
                let text = "the switch is taken for a standard one, as there is no .config/system.conf to ask";
                reading.note(&key, text);
            }
            (nic.bridge, nic.private) = (name, private);
            nic.span = reading.yes(&self::key(number, "span"), "");
        }
    }
    true
}
