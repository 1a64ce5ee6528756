//! What a script made of interfaces, as words: each that it makes becomes one word with all that it says of it later, and every
//! member of a bridge one of its own.
//!
//! What a run makes is new at each of its starts and goes away with it, so what a script takes away beforehand, or at its end,
//! has no line.

use super::super::layout::{comment, quoted};
use crate::model::NetAddress;
use crate::recording::{Step, When};
use std::collections::BTreeMap;

/// The words that make interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InterfaceWord {
    Tap,
    Bridge,
    Vlan,
    Pair,
}

/// An interface that the script makes.
#[derive(Clone, Debug)]
struct MadeInterface {
    kind: InterfaceWord,
    /// Its names, the one that it was made with first.
    names: Vec<String>,
    when: When,
    is_gone: bool,
    /// The script makes it only where it is missing.
    may_be_there: bool,
    mtu: Option<String>,
    description: Option<String>,
    addresses: Vec<String>,
    /// A VLAN's parent and tag.
    vlan: Option<(String, String)>,
}

/// What is done to interfaces, in the order in which a recipe says it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Deed {
    Make(usize),
    Join {
        bridge: String,
        member: String,
        switches: Vec<String>,
    },
    /// ifconfig(8) as it is.
    Raw(Vec<String>),
    /// ifconfig(8) as it is, and its failure is none.
    Tried(Vec<String>),
    /// What is not done, and why.
    Remark(String),
}

/// The interfaces of a script.
#[derive(Debug, Default)]
pub(super) struct Network {
    made: Vec<MadeInterface>,
    /// What is done at each step, by its place.
    deeds: BTreeMap<usize, Vec<(When, Deed)>>,
    /// The steps that name an interface after the place where it is made.
    used: Vec<bool>,
    /// The commands that the script calls only where something is missing.
    missing: Vec<String>,
}

/// One thing that a call of ifconfig(8) says of its interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::import) enum Change {
    Up,
    Mtu(String),
    Name(String),
    Description(String),
    Address(String),
    Add(String),
    Delete(String),
    Switch(String, String),
    Vlan(String),
    Parent(String),
    Other(Vec<String>),
}

/// What ifconfig(8) says of a member of a bridge, and the key of `add` for it.
const SWITCHES: [&str; 8] = ["private", "span", "edge", "autoedge", "ptp", "sticky", "discover", "learn"];

/// Returns what words of ifconfig(8) behind the name of an interface say.
pub(in crate::import) fn changes(words: &[String]) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut rest = words;
    while let Some((word, after)) = rest.split_first() {
        let value = after.first().cloned().unwrap_or_default();
        let (change, length) = match word.as_str() {
            "up" => (Change::Up, 1),
            "alias" => (Change::Other(Vec::new()), 1),
            "mtu" => (Change::Mtu(value), 2),
            "name" => (Change::Name(value), 2),
            "description" | "descr" => (Change::Description(value), 2),
            "addm" => (Change::Add(value), 2),
            "deletem" => (Change::Delete(value), 2),
            "vlan" => (Change::Vlan(value), 2),
            "vlandev" => (Change::Parent(value), 2),
            "group" | "-group" | "ether" | "link" | "lladdr" => (Change::Other(vec![word.clone(), value]), 2),
            "inet" | "inet6" => inet(rest),
            switch if SWITCHES.contains(&switch.trim_start_matches('-')) => (Change::Switch(word.clone(), value), 2),
            address if address.starts_with(|c: char| c.is_ascii_digit()) && address.contains('.') => {
                let (change, length) = inet(&[&["inet".to_string()], rest].concat());
                (change, length - 1)
            }
            _ => (Change::Other(rest.to_vec()), rest.len()),
        };
        changes.push(change);
        rest = rest.get(length..).unwrap_or_default();
    }
    changes.retain(|change| *change != Change::Other(Vec::new()));
    changes
}

/// Reads `inet A/24`, `inet A netmask M` and what may follow; an address without the length of its network stays as it is.
fn inet(words: &[String]) -> (Change, usize) {
    let text = |at: usize| words.get(at).map(String::as_str).unwrap_or_default();
    let (mut address, mut length) = (text(1).to_string(), 2.min(words.len()));
    loop {
        match text(length) {
            "netmask" => {
                let bits = super::length_of(text(length + 1));
                address = bits.map_or_else(String::new, |bits| format!("{address}/{bits}"));
                length += 2;
            }
            "prefixlen" => {
                address = format!("{address}/{}", text(length + 1));
                length += 2;
            }
            "broadcast" => length += 2,
            "alias" | "add" => length += 1,
            _ => break,
        }
    }
    let length = length.min(words.len());
    let as_it_is = || Change::Other(words.get(..length).unwrap_or_default().to_vec());
    (if address.parse::<NetAddress>().is_ok() { Change::Address(address) } else { as_it_is() }, length)
}

/// Returns the kind of an interface by the name that it is made with (ifconfig(8): the kind and a number, or a VLAN's parent, a
/// dot and the tag).
fn kind(name: &str, changes: &[Change]) -> Option<InterfaceWord> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    match stem {
        "tap" | "vmnet" => Some(InterfaceWord::Tap),
        "bridge" => Some(InterfaceWord::Bridge),
        "epair" => Some(InterfaceWord::Pair),
        _ if name.starts_with("epair") => Some(InterfaceWord::Pair),
        _ if name.rsplit_once('.').is_some_and(|(_, tag)| tag.parse::<u16>().is_ok()) => Some(InterfaceWord::Vlan),
        "vlan" if changes.iter().any(|change| matches!(change, Change::Parent(_))) => Some(InterfaceWord::Vlan),
        _ => None,
    }
}

impl Network {
    /// Reads the calls of ifconfig(8) among the steps.
    pub(super) fn of(steps: &[Step], missing: &[String]) -> Self {
        let mut network = Self { missing: missing.to_vec(), ..Self::default() };
        let first_boot = steps.iter().position(|step| step.call.boots().is_some());
        let last_boot = steps.iter().rposition(|step| step.call.boots().is_some());
        for (at, step) in steps.iter().enumerate() {
            if step.call.program() != "ifconfig" || step.call.reads {
                continue;
            }
            let later = steps.get(at + 1..).unwrap_or_default();
            let is_over = last_boot.is_some_and(|boot| boot < at);
            let place = first_boot.filter(|boot| *boot < at && is_over).unwrap_or(at);
            network.call(place, (step, later), is_over);
        }
        network.used = network.made.iter().map(|made| made.is_used(steps)).collect();
        network
    }

    fn call(&mut self, place: usize, (step, later): (&Step, &[Step]), is_over: bool) {
        let args = step.call.args();
        let Some((name, words)) = args.split_first() else { return };
        if name.starts_with('-') {
            return self.put(place, step.when, Deed::Raw(args.to_vec()));
        }
        match words.first().map(String::as_str) {
            Some("destroy" | "unplumb") => self.destroy(place, (step, later), name),
            Some("create" | "plumb") => self.create(place, step, name, words.get(1..).unwrap_or_default()),
            _ => self.change(place, (step, later), name, changes(words), is_over),
        }
    }

    fn put(&mut self, place: usize, when: When, deed: Deed) {
        self.deeds.entry(place).or_default().push((when, deed));
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.made.iter().rposition(|made| !made.is_gone && made.answers_to(name))
    }

    fn create(&mut self, place: usize, step: &Step, name: &str, words: &[String]) {
        let mut changes = changes(words);
        let Some(kind) = kind(name, &changes) else {
            return self.put(place, step.when, Deed::Raw(step.call.args().to_vec()));
        };
        let renamed = changes.iter().position(|change| matches!(change, Change::Name(_)));
        let printed = step.call.output.trim();
        // What is printed is the last name; a new one has it from the beginning.
        let own = if printed.is_empty() { name.to_string() } else { printed.to_string() };
        let renamed = renamed.map(|at| changes.remove(at));
        let own = if let Some(Change::Name(new)) = renamed { new } else { own };
        let vlan = name.rsplit_once('.').filter(|_| kind == InterfaceWord::Vlan);
        let vlan = vlan.map(|(parent, tag)| (parent.to_string(), tag.to_string()));
        let (tag, parent) = changes.iter().fold((None, None), |(tag, parent), change| match change {
            Change::Vlan(tag) => (Some(tag.clone()), parent),
            Change::Parent(parent) => (tag, Some(parent.clone())),
            // Only these say which VLAN it is.
            _ => (tag, parent),
        });
        let made = MadeInterface {
            kind,
            names: vec![own.clone()],
            when: step.when,
            is_gone: false,
            may_be_there: self.missing.contains(&step.call.command().to_string()),
            mtu: None,
            description: None,
            addresses: Vec::new(),
            vlan: parent.zip(tag).or(vlan),
        };
        changes.retain(|change| !matches!(change, Change::Vlan(_) | Change::Parent(_) | Change::Up));
        self.made.push(made);
        self.put(place, step.when, Deed::Make(self.made.len() - 1));
        self.change(place, (step, &[]), &own, changes, false);
    }

    /// What is made again, or was made by the script, goes away by itself.
    fn destroy(&mut self, place: usize, (step, later): (&Step, &[Step]), name: &str) {
        if let Some(at) = self.find(name) {
            if let Some(made) = self.made.get_mut(at) {
                made.is_gone = true;
            }
            return;
        }
        let is_made_later = later.iter().any(|other| {
            let args = other.call.args();
            other.call.program() == "ifconfig"
                && args.get(1).is_some_and(|word| ["create", "plumb"].contains(&word.as_str()))
                && (args.first().is_some_and(|other| other == name) || args.iter().any(|word| word == name))
        });
        if !is_made_later {
            self.put(place, step.when, Deed::Remark(format!("{name} is taken away if it is there.")));
            self.put(place, step.when, Deed::Tried(vec![name.into(), "destroy".into()]));
        }
    }

    fn change(
        &mut self,
        place: usize,
        (step, later): (&Step, &[Step]),
        name: &str,
        changes: Vec<Change>,
        is_over: bool,
    ) {
        let own = self.find(name).filter(|at| self.made.get(*at).is_some_and(|made| made.when == step.when));
        let is_conditional = self.missing.contains(&step.call.command().to_string());
        let mut raw: Vec<String> = Vec::new();
        let mut joins: Vec<(String, Vec<String>)> = Vec::new();
        for change in changes {
            let made = own.and_then(|at| self.made.get_mut(at));
            match (change, made) {
                // What the run makes is up; what is there already need not be.
                (Change::Up, Some(made)) if !made.may_be_there || is_conditional => {}
                (Change::Up, _) => raw.push("up".into()),
                (Change::Mtu(mtu), Some(made)) => made.mtu = Some(mtu),
                (Change::Mtu(mtu), None) => raw.extend(["mtu".into(), mtu]),
                (Change::Name(new), Some(made)) => made.names.push(new),
                (Change::Name(new), None) => raw.extend(["name".into(), new]),
                (Change::Description(text), Some(made)) => made.description = Some(text),
                (Change::Description(text), None) => raw.extend(["description".into(), text]),
                (Change::Address(address), Some(made))
                    if matches!(made.kind, InterfaceWord::Bridge | InterfaceWord::Vlan) =>
                {
                    made.addresses.push(address);
                }
                (Change::Address(address), _) => {
                    raw.extend([if address.contains(':') { "inet6" } else { "inet" }.into(), address])
                }
                (Change::Vlan(tag), _) => raw.extend(["vlan".into(), tag]),
                (Change::Parent(parent), _) => raw.extend(["vlandev".into(), parent]),
                (Change::Add(member), _) => joins.push((member, Vec::new())),
                (Change::Switch(word, member), _) if joins.iter().any(|(joined, _)| *joined == member) => {
                    joins.iter_mut().filter(|(joined, _)| *joined == member).for_each(|join| join.1.push(word.clone()));
                }
                (Change::Switch(word, member), _) => self.switch(name, word, member, &mut raw),
                (Change::Delete(member), _) => self.delete(place, (step, later), name, &member),
                (Change::Other(words), _) => raw.extend(words),
            }
        }
        if is_over && !joins.is_empty() {
            let remark = "The script does this while the guest runs; here it is done before.";
            self.put(place, step.when, Deed::Remark(remark.into()));
        }
        for (member, switches) in joins {
            self.put(place, step.when, Deed::Join { bridge: name.into(), member, switches });
        }
        if !raw.is_empty() {
            raw.insert(0, name.into());
            self.put(place, step.when, Deed::Raw(raw));
        }
    }

    /// What is said of a member later belongs to the line that made it one.
    fn switch(&mut self, name: &str, word: String, member: String, raw: &mut Vec<String>) {
        let joins = self.deeds.values_mut().flatten().filter_map(|(_, deed)| match deed {
            Deed::Join { bridge, member: joined, switches } if bridge == name && *joined == member => Some(switches),
            // Only a member has switches.
            _ => None,
        });
        match joins.last() {
            Some(switches) => switches.push(word),
            None => raw.extend([word, member]),
        }
    }

    /// A member leaves when the run ends.
    fn delete(&mut self, place: usize, (step, later): (&Step, &[Step]), name: &str, member: &str) {
        let joins = |deed: &Deed| matches!(deed, Deed::Join { bridge, member: joined, .. } if bridge == name && joined == member);
        let is_joined = self.deeds.values().flatten().any(|(_, deed)| joins(deed));
        let adds = |pair: &[String]| pair == ["addm".to_string(), member.to_string()];
        let is_later = later.iter().any(|other| {
            other.call.program() == "ifconfig"
                && other.call.args().first().is_some_and(|other| other == name)
                && other.call.args().windows(2).any(adds)
        });
        if !is_joined && !is_later {
            self.put(place, step.when, Deed::Tried(vec![name.into(), "deletem".into(), member.into()]));
        }
    }

    /// Returns what is said at a step. `values` learns the variables that are made.
    pub(super) fn said(&self, at: usize, values: &mut BTreeMap<String, String>) -> Vec<(When, String)> {
        let deeds = self.deeds.get(&at).into_iter().flatten();
        deeds.map(|(when, deed)| (*when, self.text(deed, values))).collect()
    }

    fn text(&self, deed: &Deed, values: &mut BTreeMap<String, String>) -> String {
        let word = |word: &String| values.get(word).cloned().unwrap_or_else(|| quoted(word));
        // A handle is no text.
        let list = |words: &[String]| words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", ");
        match deed {
            Deed::Raw(words) => format!("ifconfig([{}]);\n", list(words)),
            Deed::Tried(words) => format!("try {{ ifconfig([{}]); }} catch {{ }}\n", list(words)),
            Deed::Remark(text) => comment(0, text),
            Deed::Join { bridge, member, switches } => {
                let whose = values.get(bridge).cloned().unwrap_or_else(|| format!("bridge({})", quoted(bridge)));
                let key = |switch: &String| {
                    let (word, is_on) = switch.strip_prefix('-').map_or((switch.as_str(), true), |word| (word, false));
                    // Rhai keeps that word for itself.
                    let key = if word == "private" { quoted(word) } else { word.into() };
                    format!("{key}: {is_on}")
                };
                let keys: Vec<String> = switches.iter().map(key).collect();
                let keys = if keys.is_empty() { String::new() } else { format!(", #{{ {} }}", keys.join(", ")) };
                format!("{whose}.add({}{keys});\n", word(member))
            }
            Deed::Make(at) => self.making(*at, values),
        }
    }

    fn making(&self, at: usize, values: &mut BTreeMap<String, String>) -> String {
        let Some(made) = self.made.get(at) else { return String::new() };
        let call = made.call();
        let mut remarks = String::new();
        if let [first, .., last] = made.names.as_slice() {
            let (kept, other) = if made.kind == InterfaceWord::Tap { (first, last) } else { (last, first) };
            remarks += &comment(0, &format!("The script names it {other} as well; here it is {kept} throughout."));
        }
        if made.kind == InterfaceWord::Bridge && !made.is_gone {
            let text = format!(
                "{} goes away when the run ends; one that machines share is made by `vmrun network up`.",
                made.name()
            );
            remarks += &comment(0, &text);
        }
        let is_used = self.used.get(at).copied().unwrap_or_default() || made.kind == InterfaceWord::Tap;
        // A variable is seen only where it was made: what depends on `init` has none.
        if made.when != When::Always || !is_used {
            return format!("{remarks}{call};\n");
        }
        let stem = match made.kind {
            InterfaceWord::Tap => "nic",
            InterfaceWord::Bridge => "net",
            InterfaceWord::Vlan => "trunk",
            InterfaceWord::Pair => "pair",
        };
        let before = self.made.iter().take(at).filter(|other| other.kind == made.kind && other.when == When::Always);
        let count = before.count() + 1;
        let variable = if count == 1 { stem.to_string() } else { format!("{stem}{count}") };
        for name in &made.names {
            if made.kind == InterfaceWord::Pair {
                let stem = name.trim_end_matches(['a', 'b']);
                values.extend(["a", "b"].map(|end| (format!("{stem}{end}"), format!("{variable}.{end}"))));
            } else {
                values.insert(name.clone(), variable.clone());
            }
        }
        format!("{remarks}let {variable} = {call};\n")
    }
}

impl MadeInterface {
    /// A tap keeps the name of its device, which bhyve opens; any other has the last that it was given.
    fn name(&self) -> &str {
        let name = if self.kind == InterfaceWord::Tap { self.names.first() } else { self.names.last() };
        name.map(String::as_str).unwrap_or_default()
    }

    fn answers_to(&self, name: &str) -> bool {
        let stem = |name: &str| name.trim_end_matches(['a', 'b']).to_string();
        self.names.iter().any(|own| own == name || self.kind == InterfaceWord::Pair && stem(own) == stem(name))
    }

    fn call(&self) -> String {
        let mut keys = Vec::new();
        let (name, tag) = (self.name(), self.vlan.as_ref().map(|(_, tag)| tag.as_str()).unwrap_or_default());
        let parent = self.vlan.as_ref().map(|(parent, _)| parent.as_str()).unwrap_or_default();
        match self.kind {
            InterfaceWord::Bridge => keys.push("create: true".to_string()),
            InterfaceWord::Vlan if name != format!("{parent}.{tag}") => keys.push(format!("name: {}", quoted(name))),
            InterfaceWord::Vlan | InterfaceWord::Tap | InterfaceWord::Pair => {}
        }
        match self.addresses.as_slice() {
            [] => {}
            [one] => keys.push(format!("address: {}", quoted(one))),
            all => {
                let all: Vec<String> = all.iter().map(|one| quoted(one)).collect();
                keys.push(format!("address: [{}]", all.join(", ")));
            }
        }
        keys.extend(self.mtu.as_ref().map(|mtu| match mtu.parse::<u32>() {
            Ok(_) => format!("mtu: {mtu}"),
            Err(_) => format!("mtu: {}", quoted(mtu)),
        }));
        keys.extend(self.description.as_ref().map(|text| format!("description: {}", quoted(text))));
        let keys = if keys.is_empty() { String::new() } else { format!(", #{{ {} }}", keys.join(", ")) };
        match self.kind {
            InterfaceWord::Tap => format!("tap({}{keys})", quoted(name)),
            InterfaceWord::Bridge => format!("bridge({}{keys})", quoted(name)),
            InterfaceWord::Pair => format!("epair({}{keys})", quoted(name.trim_end_matches(['a', 'b']))),
            InterfaceWord::Vlan => format!("vlan({}, {tag}{keys})", quoted(parent)),
        }
    }

    /// Whether anything but what makes it names it.
    fn is_used(&self, steps: &[Step]) -> bool {
        let names = |word: &String| {
            let parts = word.split([',', '=']);
            parts.into_iter().any(|part| self.answers_to(part))
        };
        let joins = |args: &[String]| {
            let adds = |pair: &[String]| matches!(pair, [word, member] if word == "addm" && self.answers_to(member));
            let is_bridge = args.first().is_some_and(|name| self.answers_to(name))
                || args.iter().any(|word| self.answers_to(word) && self.kind == InterfaceWord::Bridge);
            args.windows(2).any(adds) || is_bridge && args.iter().any(|word| word == "addm")
        };
        steps.iter().filter(|step| !step.call.reads).any(|step| match step.call.program() {
            "ifconfig" => joins(step.call.args()),
            "bhyve" => step.call.args().iter().any(names),
            _ => false,
        })
    }
}
