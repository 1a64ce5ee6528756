//! Whether a recipe calls what a recorded script called.
//!
//! Both are rows of calls: those of the script as they were recorded, those of the recipe as its rehearsal has them. They are compared
//! in order, up to an equivalence that is all here; what it does not decide is a difference.
//!
//! The same are:
//! - what only asks, a guest's console by cu(1), and nothing;
//! - a module that is loaded, with `-n` or without, once or twice, and one that is asked for by kldstat(8), without which a script
//!   does not go on;
//! - every spelling of `bhyvectl --destroy`, and of `truncate -s SIZE FILE …`, a file at a time;
//! - a node that is destroyed after a boot of its machine, and nothing: vmrun destroys it. So is one that is made, or a machine that
//!   is ended, by bhyvectl(8), before a boot;
//! - everything that is said of one interface until a boot, in whichever order and number of calls: what counts is what it is at the
//!   boot. One that the run makes is up, and known by each of its names;
//! - an interface that is destroyed before it is made, and nothing;
//! - a card of the run's that joins a bridge after the last boot, and one that has joined before: the script does so while the guest
//!   runs;
//! - what the run makes and which members bridges have after the last boot: vmrun gives all that back;
//! - the variables of UEFI firmware that are copied from its template, and nothing: vmrun does so where they are missing;
//! - a file that is written with a line's end at its end, and without;
//! - what is set once more to what it is already, and nothing: a variable of the kernel, the size of a file, its text, a folder;
//! - the umask with which a run begins, and that of a script that sets none; one after which nothing is made, and nothing;
//! - a memory disk by its number, and by its name;
//! - an interface that a script makes before each boot, and one that is there for the whole run.
//!
//! Loaders are compared as their machines have them ([`loaded`]). Marks and secrets are no calls. What only makes disks may be called
//! where the recipe initializes alone ([`is_lasting`]): a later start finds it done.

use super::loader::fitted;
use super::recorded::{Change, asked_module, changes, copied_vars, truncated, unit_by_name};
use super::{umasks, written};
use crate::bhyve::loader;
use crate::model::{Argv, Loader, Machine, Size};
use crate::recording::merge::{Pair, align};
use crate::recording::{Call, LASTING, base_name, node_of};
use crate::supervise::DEFAULT_UMASK;
use std::collections::{BTreeMap, BTreeSet};

/// What a row of calls comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deeds {
    /// What has a place in the order: the boots, and everything but what is said of interfaces.
    ordered: Vec<String>,
    /// What the interfaces are at each boot, and at the end those that the run did not make.
    interfaces: Vec<BTreeSet<String>>,
}

/// What is said of one interface.
#[derive(Clone, Debug, Default)]
struct Interface {
    is_made: bool,
    /// The last that was said of each thing: `mtu`, `up`.
    said: BTreeMap<&'static str, String>,
    addresses: BTreeSet<String>,
    /// Members, with what is said of each.
    members: BTreeMap<String, BTreeSet<String>>,
    /// What is not understood, as it is and in its order.
    others: Vec<String>,
}

#[derive(Default)]
struct CallInterpreter {
    deeds: Deeds,
    interfaces: BTreeMap<String, Interface>,
    /// The names that taps were given later.
    names: BTreeMap<String, String>,
    modules: BTreeSet<String>,
    /// What files and variables of the kernel were last set to, by what says it.
    set: BTreeMap<String, String>,
    /// The interfaces that were made, also those that are gone.
    made: BTreeSet<String>,
    booted: BTreeSet<String>,
    /// Those that go on while the script does something else.
    left_alone: BTreeSet<String>,
    /// The umask, and the one of what was called last.
    umask: (String, String),
}

/// Returns what calls come to.
pub(crate) fn deeds(calls: &[Call]) -> Deeds {
    let mut reader = CallInterpreter::default();
    for (at, call) in calls.iter().enumerate() {
        reader.call(call, calls.get(at + 1..).unwrap_or_default());
    }
    let is_foreign = |one: &&Interface| !one.is_made;
    let end = reader.interfaces.iter().filter(|(_, one)| is_foreign(one));
    let end = end.flat_map(|(name, one)| Interface { members: BTreeMap::new(), ..one.clone() }.lines(name)).collect();
    reader.deeds.interfaces.push(end);
    reader.deeds
}

/// Whether what a command does is on a disk, where a later start finds it done.
pub(crate) fn is_lasting(line: &str) -> bool {
    line.split_once(' ').is_some_and(|(program, _)| LASTING.contains(&program))
}

impl Deeds {
    /// Returns what the script (here) calls and the recipe (there) does not, and the other way around.
    pub(crate) fn differences(&self, there: &Self) -> (Vec<String>, Vec<String>) {
        let (mut missing, mut more) = (Vec::new(), Vec::new());
        for pair in align(&self.ordered, &there.ordered, |a, b| usize::from(a == b)) {
            match pair {
                Pair::Both(..) => {}
                Pair::Left(line) => missing.push(line.clone()),
                Pair::Right(line) => more.push(line.clone()),
            }
        }
        let most = self.interfaces.len().max(there.interfaces.len());
        let (mut of_script, mut of_recipe) = (BTreeSet::new(), BTreeSet::new());
        let none = BTreeSet::new();
        for at in 0..most {
            let [ours, theirs] = [self, there].map(|deeds| deeds.interfaces.get(at).unwrap_or(&none));
            of_script.extend(ours.difference(theirs).cloned());
            of_recipe.extend(theirs.difference(ours).cloned());
        }
        missing.extend(of_script);
        more.extend(of_recipe);
        (missing, more)
    }

    /// Whether a line is among what has a place in the order.
    pub(crate) fn has(&self, line: &str) -> bool {
        self.ordered.iter().any(|one| one == line)
    }
}

/// Tells what differs, line by line.
pub(crate) fn told(missing: &[String], more: &[String]) -> Vec<String> {
    let of_script = missing.iter().map(|line| {
        if more.contains(line) {
            format!("the recipe calls `{line}`, but at another place than the script")
        } else {
            format!("the script calls `{line}`, the recipe does not")
        }
    });
    let of_recipe = more.iter().filter(|line| !missing.contains(line));
    of_script.chain(of_recipe.map(|line| format!("the recipe calls `{line}`, the script does not"))).collect()
}

/// Returns how the loader of a machine differs from the one that the script calls before it boots the machine.
pub(crate) fn loaded(before: &[Call], machine: &Machine) -> Option<String> {
    let read = |call: &Call| read_loader(call).filter(|(_, name)| name == machine.name().as_str());
    let script = before.iter().rev().take_while(|call| call.boots() != Some(machine.name().as_str()));
    let script =
        script.filter(|call| !call.reads).find_map(|call| read(call).map(|(loader, _)| (call.command(), loader)));
    let fit = |loader: &Loader| fitted(loader.clone(), machine.draft());
    match (script, machine.loader()) {
        (None, None) => None,
        (Some((_, script)), Some(recipe)) if fit(&script) == fit(recipe) => None,
        (Some((command, _)), None) => Some(format!("the script calls `{command}`, the recipe does not")),
        (Some((command, _)), Some(recipe)) => {
            Some(format!("the script calls `{command}`, the recipe calls {} in another way", recipe.word()))
        }
        (None, Some(recipe)) => Some(format!("the recipe calls {}, the script does not", recipe.word())),
    }
}

fn read_loader(call: &Call) -> Option<(Loader, String)> {
    let is_loader = ["bhyveload", "grub-bhyve"].contains(&call.program());
    let map = Some(call.map.as_str()).filter(|map| !map.is_empty());
    is_loader.then(|| loader::read(call.program(), call.args(), Some(&call.heard), map)).flatten()
}

impl CallInterpreter {
    fn call(&mut self, call: &Call, later: &[Call]) {
        let is_booted = |name: &str| later.iter().any(|other| other.boots() == Some(name));
        match call.program() {
            "kldstat" => asked_module(call.args()).into_iter().for_each(|name| self.module(&name)),
            "cu" => {}
            _ if call.reads || call.program() == "sleep" => {}
            "bhyve" => self.boot(call),
            "bhyvectl" => self.node(call),
            "bhyveload" | "grub-bhyve" if read_loader(call).is_some_and(|(_, name)| is_booted(&name)) => {}
            "kldload" => {
                let names = call.args().iter().filter(|name| !name.starts_with('-'));
                names.for_each(|name| self.module(name));
            }
            "truncate" => self.truncate(call),
            "ifconfig" => self.interface(call, later),
            written::WORD => {
                let [path, text, mode] = call.args() else { return };
                let mode = if mode.is_empty() { String::new() } else { format!(" {mode}") };
                let what = format!("{} {path}", written::WORD);
                self.set(what, format!(" {:?}{mode}", text.trim_end_matches('\n')));
            }
            umasks::WORD => self.mask(call),
            "sysctl" => self.variables(call),
            "cp" if copied_vars(&call.argv).is_some() => {}
            "mdconfig" => {
                let args = unit_by_name(call).unwrap_or_else(|| call.args().to_vec());
                self.put(Argv::new("mdconfig").args(&args).to_string());
            }
            // A folder that is there is there.
            "mkdir" => self.set(call.command().to_string(), String::new()),
            _ => self.put(call.command().to_string()),
        }
    }

    /// What a run begins with says nothing.
    fn mask(&mut self, call: &Call) {
        let Some(mask) = call.args().first() else { return };
        if !self.umask.0.is_empty() || u32::from_str_radix(mask, 8) != Ok(DEFAULT_UMASK) {
            self.umask.0.clone_from(mask);
        }
    }

    fn variables(&mut self, call: &Call) {
        let pairs: Option<Vec<_>> = call.args().iter().map(|word| word.split_once('=')).collect();
        let Some(pairs) = pairs.filter(|_| !call.args().iter().any(|word| word.starts_with('-'))) else {
            return self.put(call.command().to_string());
        };
        for (name, value) in pairs {
            self.set(Argv::new("sysctl").arg(name).to_string(), format!("={value}"));
        }
    }

    /// What is said so already is not said again.
    fn set(&mut self, what: String, value: String) {
        let line = format!("{what}{value}");
        if self.set.get(&what) != Some(&value) {
            self.set.insert(what, value);
            self.put(line);
        }
    }

    fn put(&mut self, line: String) {
        if self.umask.0 != self.umask.1 {
            self.umask.1.clone_from(&self.umask.0);
            self.deeds.ordered.push(format!("{} {}", umasks::WORD, self.umask.0));
        }
        self.deeds.ordered.push(line);
    }

    fn module(&mut self, name: &str) {
        let name = base_name(name).trim_end_matches(".ko").to_string();
        if self.modules.insert(name.clone()) {
            self.put(format!("kldload {name}"));
        }
    }

    fn boot(&mut self, call: &Call) {
        let Some(name) = call.boots() else { return self.put(call.command().to_string()) };
        self.booted.insert(name.into());
        if !call.carriers.is_empty() {
            self.left_alone.insert(name.into());
        }
        self.put(format!("bhyve … {name}"));
        let lines = self.interfaces.iter().flat_map(|(name, one)| one.lines(name)).collect();
        self.deeds.interfaces.push(lines);
    }

    fn node(&mut self, call: &Call) {
        let args: Vec<&str> = call.args().iter().map(String::as_str).collect();
        let says = |words: &[&str]| args.iter().any(|arg| words.contains(arg));
        match node_of(&args) {
            Some(name) if says(&["--destroy"]) && self.booted.contains(name) => {}
            Some(name) if says(&["--destroy"]) => self.put(format!("bhyvectl --destroy --vm={name}")),
            // It may run: nothing else would end it, or start it again, at that moment.
            Some(name) if says(&["--force-poweroff", "--force-reset"]) && self.left_alone.contains(name) => {
                self.put(call.command().to_string());
            }
            Some(_) if says(&["--create", "--force-poweroff", "--force-reset"]) => {}
            _ => self.put(call.command().to_string()),
        }
    }

    fn truncate(&mut self, call: &Call) {
        let Some((length, paths)) = truncated(call.args()) else { return self.put(call.command().to_string()) };
        let length = length.parse::<Size>().map_or(length, |size| size.to_string());
        for path in paths {
            let what = format!("truncate {path}");
            if self.set.insert(what, length.clone()).is_none_or(|before| before != length) {
                self.put(Argv::new("truncate").args(["-s", &length, path]).to_string());
            }
        }
    }

    /// The name by which an interface is known.
    fn known(&self, name: &str) -> String {
        self.names.get(name).map_or(name, String::as_str).to_string()
    }

    fn interface(&mut self, call: &Call, later: &[Call]) {
        let args = call.args();
        let Some((name, words)) = args.split_first().filter(|(name, _)| !name.starts_with('-')) else {
            return self.put(call.command().to_string());
        };
        match words.first().map(String::as_str) {
            Some("create" | "plumb") => self.create(call, name, words.get(1..).unwrap_or_default()),
            Some("destroy" | "unplumb") => self.destroy(name, later),
            _ => self.change(&self.known(name), changes(words), later),
        }
    }

    fn create(&mut self, call: &Call, name: &str, words: &[String]) {
        let mut changes = changes(words);
        let renamed = changes.iter().position(|change| matches!(change, Change::Name(_)));
        let printed = call.output.trim();
        let own = if printed.is_empty() { name } else { printed };
        let renamed = renamed.map(|at| changes.remove(at));
        let own = if let Some(Change::Name(new)) = renamed { new } else { own.to_string() };
        let stem = own.strip_prefix("epair").map(|number| number.trim_end_matches(['a', 'b']));
        let ends =
            stem.map_or_else(|| vec![own.clone()], |number| ["a", "b"].map(|end| format!("epair{number}{end}")).into());
        let first = ends.first().cloned().unwrap_or_default();
        if self.made.insert(first.clone()) {
            self.put(format!("ifconfig {first} create"));
        }
        let is_there = |end: &String| self.interfaces.get(end).is_some_and(|one| one.is_made);
        // It says so, and does nothing, where there is one already.
        let ends = if ends.iter().all(is_there) { Vec::new() } else { ends };
        for end in ends {
            self.names.remove(&end);
            self.interfaces.insert(end, Interface { is_made: true, ..Interface::default() });
        }
        if let Some((parent, tag)) = name.rsplit_once('.').filter(|(_, tag)| tag.parse::<u16>().is_ok()) {
            changes.extend([Change::Vlan(tag.into()), Change::Parent(parent.into())]);
        }
        self.change(&first, changes, &[]);
    }

    fn destroy(&mut self, name: &str, later: &[Call]) {
        let known = self.known(name);
        if self.interfaces.get(&known).is_some_and(|one| one.is_made) {
            let other = match known.strip_prefix("epair").and_then(|rest| rest.strip_suffix('a')) {
                Some(number) => format!("epair{number}b"),
                None => known.strip_suffix('b').map(|stem| format!("{stem}a")).unwrap_or_default(),
            };
            let is_pair = known.starts_with("epair");
            for gone in [known, other].iter().take(if is_pair { 2 } else { 1 }) {
                self.interfaces.remove(gone);
                self.interfaces.values_mut().for_each(|one| drop(one.members.remove(gone)));
            }
            return;
        }
        let makes = |call: &Call| {
            call.program() == "ifconfig"
                && call.args().get(1).is_some_and(|word| ["create", "plumb"].contains(&word.as_str()))
                && (call.args().iter().any(|word| word == name) || call.output.trim() == name)
        };
        if !later.iter().any(makes) {
            self.put(format!("ifconfig {known} destroy"));
        }
    }

    fn change(&mut self, name: &str, changes: Vec<Change>, later: &[Call]) {
        let is_over = !self.booted.is_empty() && !later.iter().any(|call| call.boots().is_some());
        let mut name = name.to_string();
        for change in changes {
            if let Change::Name(new) = change {
                name = self.rename(name, new);
                continue;
            }
            let member = |word: &String| self.known(word);
            let (joined, left) = match &change {
                Change::Add(word) => (Some(member(word)), None),
                Change::Delete(word) => (None, Some(member(word))),
                // The others say nothing of a second interface.
                _ => (None, None),
            };
            let switched = if let Change::Switch(word, of) = &change { Some((word.clone(), member(of))) } else { None };
            if let Some(member) = &left {
                self.leave(&name, member, later);
                continue;
            }
            if is_over
                && let Some(member) = &joined
                && self.interfaces.get(member).is_some_and(|one| one.is_made)
            {
                let line = format!("ifconfig {name} addm {member}");
                self.deeds.interfaces.last_mut().into_iter().for_each(|lines| lines.extend([line.clone()]));
            }
            let one = self.interfaces.entry(name.clone()).or_default();
            match change {
                Change::Up => one.said.extend([("up", String::new())]),
                Change::Mtu(mtu) => one.said.extend([("mtu", mtu)]),
                Change::Description(text) => one.said.extend([("description", text)]),
                Change::Vlan(tag) => one.said.extend([("vlan", tag)]),
                Change::Parent(parent) => one.said.extend([("vlandev", parent)]),
                Change::Address(address) => one.addresses.extend([address]),
                Change::Add(_) => {
                    if let Some(member) = joined {
                        one.members.entry(member).or_default();
                    }
                }
                Change::Switch(..) => {
                    if let Some((word, member)) = switched {
                        match one.members.get_mut(&member) {
                            Some(said) => said.extend([word]),
                            None => one.others.push(format!("{word} {member}")),
                        }
                    }
                }
                Change::Other(words) => one.others.push(words.join(" ")),
                Change::Name(_) | Change::Delete(_) => {}
            }
        }
    }

    /// A tap that the run makes keeps the name of its device, which bhyve opens; any other has the last that it was given.
    fn rename(&mut self, name: String, new: String) -> String {
        match self.interfaces.remove(&name) {
            Some(one) if one.is_made && (name.starts_with("tap") || name.starts_with("vmnet")) => {
                self.interfaces.insert(name.clone(), one);
                self.names.insert(new, name.clone());
                name
            }
            Some(one) if one.is_made => {
                let made = format!("ifconfig {name} create");
                let line = self.deeds.ordered.iter_mut().rfind(|line| **line == made);
                line.into_iter().for_each(|line| *line = format!("ifconfig {new} create"));
                self.made.insert(new.clone());
                for bridge in self.interfaces.values_mut() {
                    if let Some(said) = bridge.members.remove(&name) {
                        bridge.members.insert(new.clone(), said);
                    }
                }
                self.interfaces.insert(new.clone(), one);
                new
            }
            one => {
                self.interfaces.extend(one.map(|one| (name.clone(), one)));
                self.put(format!("ifconfig {name} name {new}"));
                new
            }
        }
    }

    fn leave(&mut self, bridge: &str, member: &str, later: &[Call]) {
        let one = self.interfaces.entry(bridge.into()).or_default();
        let adds = |pair: &[String]| matches!(pair, [word, joined] if word == "addm" && joined == member);
        let is_later = |call: &Call| {
            call.program() == "ifconfig"
                && call.args().first().is_some_and(|name| name == bridge)
                && call.args().windows(2).any(adds)
        };
        if one.members.remove(member).is_none() && !later.iter().any(is_later) {
            self.put(format!("ifconfig {bridge} deletem {member}"));
        }
    }
}

impl Interface {
    /// Returns what it is, in the words of ifconfig(8).
    fn lines(&self, name: &str) -> Vec<String> {
        let is_told = |word: &str| !self.is_made || word != "up";
        let said = self.said.iter().filter(|(word, _)| is_told(word));
        let mut lines: Vec<String> =
            said.map(|(word, value)| format!("ifconfig {name} {word} {value}").trim_end().to_string()).collect();
        lines.extend(self.addresses.iter().map(|address| {
            format!("ifconfig {name} {} {address}", if address.contains(':') { "inet6" } else { "inet" })
        }));
        for (member, said) in &self.members {
            lines.push(format!("ifconfig {name} addm {member}"));
            lines.extend(said.iter().map(|word| format!("ifconfig {name} {word} {member}")));
        }
        lines.extend(self.others.iter().map(|words| format!("ifconfig {name} {words}")));
        lines
    }
}

#[cfg(test)]
mod tests;
