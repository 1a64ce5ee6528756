//! The machines that one script boots, and which of its calls are whose.
//!
//! A call belongs to the machines whose command lines have a word of it: a card, a disk, a node. A word that no command line has, as the name
//! of a bridge, belongs to those that calls name beside it. What belongs to several is the first one's, or everybody's where they run
//! one after the other; and what every machine may say again, as `kldload`, is everybody's.

use super::LASTING;
use super::call::{Call, Recording};

use super::taken::node_of;
use std::collections::{BTreeMap, BTreeSet};

/// The machines of a script, in the order in which it starts them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guests {
    all: Vec<Guest>,
    /// The words of the machines' own command lines, and whose they are.
    own: BTreeMap<String, BTreeSet<usize>>,
    /// The words that stand beside those in other calls.
    beside: BTreeMap<String, BTreeSet<usize>>,
}

#[derive(Clone, Debug)]
struct Guest {
    name: String,
    /// Whether the script goes on while it runs.
    is_detached: bool,
}

/// The machine that a script starts before another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Before {
    /// Its name.
    pub(crate) name: String,
    /// Whether it has ended when the other one is started.
    pub(crate) has_ended: bool,
}

/// The carriers that go on by themselves; `&` is the shell's own.
const DETACHING: &[&str] = &["&", "abduco", "daemon", "dtach", "tmux", "screen", "setsid"];

/// How often what belongs together is looked for: a memory disk, what is mounted of it, and what is in there.
const ROUNDS: usize = 4;

impl Guests {
    /// Finds the machines of recordings of one script. `text` is the script's and its arguments, in which those that are started beside each
    /// other have their order.
    pub(crate) fn of(recordings: &[&Recording], text: &str) -> Self {
        let mut guests = Self::default();
        let calls = || recordings.iter().flat_map(|recording| &recording.calls);
        for call in calls() {
            if let Some(name) = call.boots().filter(|name| guests.place(name).is_none()) {
                let is_detached = call.carriers.split(' ').any(|carrier| DETACHING.contains(&carrier));
                guests.all.push(Guest { name: name.into(), is_detached });
            }
        }
        guests.order(text);
        for call in calls() {
            let Some(at) = guests.runs(call).and_then(|name| guests.place(name)) else { continue };
            for word in words(call).into_iter().filter(|word| is_name(word)) {
                guests.own.entry(word).or_default().insert(at);
            }
        }
        for round in 0..=ROUNDS {
            calls().filter(|call| guests.runs(call).is_none()).cloned().collect::<Vec<_>>().iter().for_each(|call| {
                let owners = guests.owners(call);
                for word in guests.learning(call, round == ROUNDS) {
                    guests.beside.entry(word).or_default().extend(&owners);
                }
            });
        }
        guests
    }

    /// Returns their names.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.all.iter().map(|guest| guest.name.as_str()).collect()
    }

    /// Returns the machine that is started before one.
    pub(crate) fn before(&self, name: &str) -> Option<Before> {
        let before = self.all.get(self.place(name)?.checked_sub(1)?)?;
        Some(Before { name: before.name.clone(), has_ended: !before.is_detached })
    }

    /// Returns what of a recording is one machine's.
    pub(crate) fn share(&self, name: &str, recording: &Recording) -> Recording {
        let Some(at) = self.place(name) else { return recording.clone() };
        let calls = recording.calls.iter().filter_map(|call| self.part(at, call)).collect();
        let mut beside: Vec<String> = Vec::new();
        for other in recording.calls.iter().filter_map(Call::boots).filter(|other| *other != name) {
            if !beside.iter().any(|known| known == other) {
                beside.push(other.into());
            }
        }
        beside.sort();
        Recording { calls, beside, ..recording.clone() }
    }

    /// What runs at the same time comes in the order of the text: which of two is heard first is chance.
    fn order(&mut self, text: &str) {
        let is_word = |c: char| c.is_ascii_alphanumeric() || ['_', '-', '.'].contains(&c);
        let words: Vec<&str> = text.split(|c| !is_word(c)).collect();
        let place = |guest: &Guest| words.iter().position(|word| *word == guest.name);
        let is_known = self.all.iter().all(|guest| place(guest).is_some());
        if is_known && self.all.iter().any(|guest| guest.is_detached) {
            self.all.sort_by_key(place);
        }
    }

    /// Returns the words of a call that it is told whose they are. A bridge is its members', and only at last they are its own: before, not all
    /// are known.
    fn learning(&self, call: &Call, is_last: bool) -> Vec<String> {
        let members = members(call);
        let is_known = |word: &String| self.of_word(word, call).is_some();
        let mut words = if members.iter().any(|word| is_known(word)) {
            call.args().first().cloned().into_iter().collect()
        } else if members.is_empty() || is_last {
            derived(call)
        } else {
            Vec::new()
        };
        words.retain(|word| !self.own.contains_key(word));
        words
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.all.iter().position(|guest| guest.name == name)
    }

    /// The machine that a call boots, loads or is about.
    fn runs<'a>(&self, call: &'a Call) -> Option<&'a str> {
        let args: Vec<&str> = call.args().iter().map(String::as_str).collect();
        let name = match call.program() {
            "bhyve" => call.boots(),
            "bhyveload" | "grub-bhyve" => args.last().copied(),
            "bhyvectl" => node_of(&args),
            _ => None,
        };
        name.filter(|name| self.place(name).is_some())
    }

    /// Whose a call is by its words: nobody's where nothing tells.
    fn owners(&self, call: &Call) -> BTreeSet<usize> {
        let members = members(call);
        let of_members = members.iter().filter_map(|word| self.of_word(word, call)).flatten().copied();
        let of_members: BTreeSet<usize> = of_members.collect();
        if !of_members.is_empty() {
            return of_members;
        }
        let words = words(call);
        let of = |known: &BTreeMap<String, BTreeSet<usize>>| -> BTreeSet<usize> {
            let sets: Vec<&BTreeSet<usize>> = words.iter().filter_map(|word| known.get(word)).collect();
            let Some(first) = sets.first() else { return BTreeSet::new() };
            let common: BTreeSet<usize> =
                first.iter().filter(|at| sets.iter().all(|set| set.contains(at))).copied().collect();
            if common.is_empty() { sets.into_iter().flatten().copied().collect() } else { common }
        };
        let own = of(&self.own);
        if own.is_empty() { of(&self.beside) } else { own }
    }

    /// What of a call is a machine's, by its place.
    fn part(&self, at: usize, call: &Call) -> Option<Call> {
        if let Some(name) = self.runs(call) {
            return (self.place(name) == Some(at)).then(|| call.clone());
        }
        if call.reads || ["kldload", "kldunload", "sysctl"].contains(&call.program()) {
            return Some(call.clone());
        }
        let owners = self.owners(call);
        let first = owners.first().copied().unwrap_or_default();
        let is_one_after_the_other = !self.all.iter().any(|guest| guest.is_detached);
        // What is given back when one machine has ended the next one has again.
        let first = if is_one_after_the_other && owners.contains(&at) && !LASTING.contains(&call.program()) {
            at
        } else {
            first
        };
        match call.program() {
            _ if owners.len() < 2 => (first == at).then(|| call.clone()),
            // One that others still use stays: it goes away with the run that has made it.
            "ifconfig" if call.args().iter().any(|word| ["destroy", "unplumb"].contains(&word.as_str())) => {
                Some(call.clone()).filter(|_| first == at && is_one_after_the_other)
            }
            "ifconfig" => self.members(at, first == at, call),
            "truncate" => {
                let is_anothers = |word: &String| self.is_anothers(at, word, call);
                let argv = call.argv.iter().filter(|word| !is_anothers(word)).cloned().collect();
                Some(Call { argv, ..call.clone() }).filter(|_| owners.contains(&at))
            }
            _ => (first == at).then(|| call.clone()),
        }
    }

    /// What is said of a bridge of several: each has its own members, and the first one all the rest.
    fn members(&self, at: usize, is_first: bool, call: &Call) -> Option<Call> {
        let (name, words) = call.args().split_first()?;
        let mut argv = vec![call.program().to_string(), name.clone()];
        let mut rest = words;
        while let Some((word, after)) = rest.split_first() {
            let member = after.first().filter(|_| ["addm", "deletem"].contains(&word.as_str()));
            rest = if member.is_some() { after.get(1..).unwrap_or_default() } else { after };
            match member {
                Some(member) if self.is_anothers(at, member, call) => {}
                Some(member) if is_first || self.is_own(at, member, call) => {
                    argv.extend([word.clone(), member.clone()]);
                }
                None if is_first => argv.push(word.clone()),
                _ => {}
            }
        }
        (argv.len() > 2).then(|| Call { argv, ..call.clone() })
    }

    fn of_word(&self, word: &str, call: &Call) -> Option<&BTreeSet<usize>> {
        let mut words = forms(word, call).into_iter();
        words.find_map(|word| self.own.get(&word).or_else(|| self.beside.get(&word)))
    }

    fn is_own(&self, at: usize, word: &str, call: &Call) -> bool {
        self.of_word(word, call).is_some_and(|owners| owners.len() == 1 && owners.contains(&at))
    }

    fn is_anothers(&self, at: usize, word: &str, call: &Call) -> bool {
        self.of_word(word, call).is_some_and(|owners| !owners.contains(&at))
    }
}

/// Returns the words of a call, and what it printed if that is one.
fn words(call: &Call) -> Vec<String> {
    let parts = call.args().iter().flat_map(|arg| arg.split([',', '=']).chain([arg.as_str()]));
    let printed = Some(call.output.trim()).filter(|text| !text.is_empty() && !text.contains(char::is_whitespace));
    parts.chain(printed).flat_map(|word| forms(word, call)).collect()
}

/// Returns how else a word may be written: a device by its name, a path from the root on.
fn forms(word: &str, call: &Call) -> Vec<String> {
    let device = word.strip_prefix("/dev/zvol/").or_else(|| word.strip_prefix("/dev/")).unwrap_or(word);
    let name = device.split('@').next().unwrap_or(device);
    let mut all = vec![name.to_string()];
    if !word.starts_with('/') && (word.contains('/') || word.contains('.')) {
        all.push(format!("{}/{}", call.cwd, word.trim_start_matches("./")));
    }
    if call.program() == "mdconfig" && word.parse::<u32>().is_ok() {
        all.push(format!("md{word}"));
    }
    all
}

/// Returns the interfaces that join a bridge by a call, or leave it.
fn members(call: &Call) -> Vec<&String> {
    let pairs = call.args().windows(2).filter(|_| call.program() == "ifconfig");
    let member = |pair: &'_ [String]| matches!(pair, [word, _] if ["addm", "deletem"].contains(&word.as_str()));
    pairs.filter(|pair| member(pair)).filter_map(|pair| pair.get(1)).collect()
}

/// Whether a word of a command line may name something: no number, and no single letter.
fn is_name(word: &str) -> bool {
    word.len() > 1 && word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
}

/// Returns the words of a call that name something besides: those with a number or a slash, and the names of interfaces.
fn derived(call: &Call) -> Vec<String> {
    let is_interfaces = call.program() == "ifconfig";
    let named = call.args().windows(2).filter(|pair| is_interfaces && pair.first().is_some_and(|word| word == "name"));
    let named = named.filter_map(|pair| pair.get(1).cloned());
    let first = call.args().first().filter(|_| is_interfaces).cloned();
    let first = first.filter(|word| !["bridge", "tap", "vmnet", "epair", "vlan", "vxlan"].contains(&word.as_str()));
    let is_telling = |word: &String| is_name(word) && word.contains(|c: char| c.is_ascii_digit() || c == '/');
    words(call).into_iter().filter(is_telling).chain(named).chain(first).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(lines: &[&str]) -> Recording {
        let call = |line: &&str| {
            let (line, carriers) = line.strip_suffix(" &").map_or((*line, ""), |line| (line, "&"));
            let (line, output) = line.split_once(" > ").unwrap_or((line, ""));
            let argv: Vec<String> = line.split(' ').map(str::to_string).collect();
            let reads = line == "ifconfig";
            let (output, carriers, cwd) = (output.to_string(), carriers.to_string(), "/vm".to_string());
            Call { argv, cwd, output, reads, carriers, ..Call::default() }
        };
        Recording { calls: lines.iter().map(call).collect(), ..Recording::default() }
    }

    fn shares(lines: &[&str], text: &str) -> Vec<String> {
        let all = recording(lines);
        let guests = Guests::of(&[&all], text);
        let mut shown = Vec::new();
        for name in guests.names() {
            shown.push(format!("{name}:"));
            shown.extend(guests.share(name, &all).calls.iter().map(|call| call.command().to_string()));
        }
        shown
    }

    #[test]
    fn each_machine_has_the_calls_that_name_what_it_uses() {
        let lines = [
            "kldload vmm nmdm",
            "ifconfig bridge create > bridge0",
            "ifconfig bridge0 name lan",
            "ifconfig lan addm em0 up",
            "ifconfig tap create > tap0",
            "ifconfig tap0 name web0",
            "ifconfig tap1 create",
            "ifconfig lan addm web0 addm tap1",
            "truncate -s 20G web.img /vm/db.img",
            "mdconfig -f seed.img > md0",
            "mount -t msdosfs /dev/md0 /mnt/seed",
            "umount /mnt/seed",
            "zfs snapshot z/db@start",
            "service dnsmasq restart",
            "bhyvectl --destroy --vm=db",
            "bhyve -m 20G -s 2,virtio-net,tap0 -s 3,virtio-blk,/vm/web.img -s 4,ahci-cd,/dev/md0 -l bootrom,/f.fd web &",
            "bhyve -m 20G -s 2,virtio-net,tap1 -s 3,nvme,db.img -s 4,nvme,/dev/zvol/z/db -l bootrom,/f.fd db &",
            "mdconfig -d -u 0",
            "ifconfig tap1 destroy",
            "ifconfig web0 destroy",
            "ifconfig lan destroy",
        ];
        let boot = |at: usize| lines[at].strip_suffix(" &").unwrap();
        let expected = [
            "web:",
            "kldload vmm nmdm",
            "ifconfig bridge create",
            "ifconfig bridge0 name lan",
            "ifconfig lan addm em0 up",
            "ifconfig tap create",
            "ifconfig tap0 name web0",
            "ifconfig lan addm web0",
            "truncate -s 20G web.img",
            "mdconfig -f seed.img",
            "mount -t msdosfs /dev/md0 /mnt/seed",
            "umount /mnt/seed",
            "service dnsmasq restart",
            boot(15),
            "mdconfig -d -u 0",
            "ifconfig web0 destroy",
            "db:",
            "kldload vmm nmdm",
            "ifconfig tap1 create",
            "ifconfig lan addm tap1",
            "truncate -s 20G /vm/db.img",
            "zfs snapshot z/db@start",
            "bhyvectl --destroy --vm=db",
            boot(16),
            "ifconfig tap1 destroy",
        ];
        assert_eq!(shares(&lines, ""), expected);
    }

    #[test]
    fn what_is_given_back_is_everybodys_where_one_runs_after_the_other() {
        let lines = [
            "zfs create z/x",
            "ifconfig tap0 create",
            "bhyve -s 2,virtio-net,tap0 -s 3,nvme,/dev/zvol/z/x a",
            "bhyve -s 2,virtio-net,tap0 -s 3,nvme,/dev/zvol/z/x b",
            "ifconfig tap0 destroy",
        ];
        let expected =
            ["a:", lines[0], lines[1], lines[2], lines[4], "b:", lines[1], lines[3], lines[4]].map(String::from);
        assert_eq!(shares(&lines, ""), expected);
    }

    #[test]
    fn what_runs_at_the_same_time_has_the_order_of_the_text() {
        let before = |lines: &[&str], text: &str| {
            let guests = Guests::of(&[&recording(lines)], text);
            let shown = |name| guests.before(name).map(|before| format!("{}{}", before.name, before.has_ended));
            format!("{} {:?}", guests.names().join(" "), guests.names().last().and_then(|name| shown(name)))
        };
        assert_eq!(before(&["bhyve b &", "bhyve a &"], "for vm in a b; do"), "a b Some(\"afalse\")");
        assert_eq!(before(&["bhyve b &", "bhyve a"], "$1"), "b a Some(\"bfalse\")");
        assert_eq!(before(&["bhyve b", "bhyve a"], "a b"), "b a Some(\"btrue\")");
        assert_eq!(before(&["bhyve a"], ""), "a None");
    }
}
