//! The interfaces, as ifconfig(8) prints and changes them.

use super::{Answer, INTERFACES};

/// Every interface, in the order in which `ifconfig` prints them.
#[derive(Clone, Debug)]
pub(super) struct Network {
    interfaces: Vec<Interface>,
    /// The names of those that are on no host: nobody has said which there are.
    made_up: Vec<String>,
}

/// One interface: what `ifconfig` prints of it.
#[derive(Clone, Debug)]
struct Interface {
    name: String,
    /// What follows the name in the first line, its colon included.
    head: String,
    /// The other lines.
    lines: Vec<String>,
}

impl Interface {
    /// A new one. Its group is the beginning of its name, as the kernel does it.
    fn new(name: &str) -> Self {
        let kind = kind(name);
        let mut lines = vec![format!("\tether 58:9c:fc:00:{:02x}:{:02x}", name.len() & 0xff, sum(name))];
        if kind == "bridge" {
            lines.push("\tid 00:00:00:00:00:00 priority 32768 hellotime 2 fwddelay 15".into());
        }
        lines.push(format!("\tgroups: {kind}"));
        Self { name: name.into(), head: ": flags=8802<BROADCAST,SIMPLEX,MULTICAST> metric 0 mtu 1500".into(), lines }
    }

    fn text(&self) -> String {
        let lines: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        format!("{}{}\n{lines}", self.name, self.head)
    }

    /// Takes away the lines that begin so, and puts another before the groups.
    fn replace(&mut self, start: &str, line: Option<String>) {
        self.lines.retain(|old| !old.starts_with(start));
        let at = self.lines.iter().position(|old| old.starts_with("\tgroups:")).unwrap_or(self.lines.len());
        line.into_iter().for_each(|line| self.lines.insert(at, line));
    }

    fn groups(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter_map(|line| line.strip_prefix("\tgroups:")).flat_map(str::split_whitespace)
    }

    fn set_group(&mut self, group: &str, is_member: bool) {
        let mut groups: Vec<String> = self.groups().filter(|old| *old != group).map(str::to_string).collect();
        groups.extend(is_member.then(|| group.to_string()));
        self.replace("\tgroups:", (!groups.is_empty()).then(|| format!("\tgroups: {}", groups.join(" "))));
    }

    fn set_up(&mut self, up: bool) {
        self.head = self.head.replacen("<UP,", "<", 1);
        if up {
            self.head = self.head.replacen('<', "<UP,", 1);
        }
    }

    fn set_mtu(&mut self, mtu: &str) {
        let before = self.head.split(" mtu ").next().unwrap_or_default().to_string();
        self.head = format!("{before} mtu {mtu}");
    }
}

impl Network {
    /// Reads what `ifconfig` prints.
    pub(super) fn read(text: &str) -> Self {
        let mut interfaces: Vec<Interface> = Vec::new();
        for line in text.lines() {
            match line.split_once(':') {
                Some((name, head)) if !line.starts_with([' ', '\t']) => {
                    interfaces.push(Interface { name: name.into(), head: format!(":{head}"), lines: Vec::new() });
                }
                _ => interfaces.last_mut().into_iter().for_each(|last| last.lines.push(line.into())),
            }
        }
        let made_up =
            if text == INTERFACES { interfaces.iter().map(|one| one.name.clone()).collect() } else { Vec::new() };
        Self { interfaces, made_up }
    }

    /// An answer that has interfaces which are on no host says so.
    fn telling(&self, output: String) -> Answer {
        let is_in = |name: &&String| output.split(|c: char| c.is_whitespace() || c == ':').any(|word| word == **name);
        let names: Vec<&str> = self.made_up.iter().filter(is_in).map(String::as_str).collect();
        // The loopback is on every host.
        let is_known = names.iter().all(|name| name.starts_with("lo"));
        let made_up = (!is_known).then(|| format!("the interfaces of the host are {}", self.made_up.join(" and ")));
        Answer { made_up, ..Answer::tells(output) }
    }

    /// Whether a path of netgraph(4) begins at an interface that is there.
    pub(super) fn has_node(&self, path: &str) -> bool {
        path.split_once(':').is_some_and(|(name, _)| self.interfaces.iter().any(|one| one.name == name))
    }

    /// Answers a call of ifconfig(8).
    pub(super) fn ifconfig(&mut self, args: &[&str]) -> Answer {
        let mut rest = args;
        while let Some((word, after)) = rest.split_first() {
            let names = || self.interfaces.iter().map(|one| one.name.as_str());
            match *word {
                "-l" => return self.telling(format!("{}\n", names().collect::<Vec<_>>().join(" "))),
                "-g" => return self.group(after),
                "-f" | "-G" | "-j" => rest = after.get(1..).unwrap_or_default(),
                option if option.starts_with('-') => rest = after,
                name => return self.about(name, after),
            }
        }
        self.telling(self.interfaces.iter().map(Interface::text).collect::<String>())
    }

    fn group(&self, args: &[&str]) -> Answer {
        let is_in = |one: &&Interface| args.first().is_none_or(|group| one.groups().any(|its| its == *group));
        self.telling(self.interfaces.iter().filter(is_in).map(|one| format!("{}\n", one.name)).collect::<String>())
    }

    /// What is asked of one interface, or done to it.
    fn about(&mut self, name: &str, words: &[&str]) -> Answer {
        if words.iter().all(|word| ["inet", "inet6", "ether", "link"].contains(word)) {
            return match self.interfaces.iter().find(|one| one.name == name) {
                Some(one) => self.telling(one.text()),
                None => Answer::no(1, format!("ifconfig: interface {name} does not exist")),
            };
        }
        if matches!(words.first(), Some(&("destroy" | "unplumb"))) {
            self.destroy(name);
            return Answer::done();
        }
        let creates = matches!(words.first(), Some(&("create" | "plumb")));
        let (name, mut prints) = if creates { self.create(name) } else { (name.to_string(), false) };
        // A script changes only what is there on its own host.
        if !creates && !self.interfaces.iter().any(|one| one.name == name) {
            self.interfaces.push(Interface::new(&name));
        }
        let renamed = self.change(&name, words);
        prints |= creates && renamed.is_some();
        if prints { Answer::made(renamed.unwrap_or(name)) } else { Answer::done() }
    }

    /// Makes an interface, and returns its name and whether the kernel chose it.
    fn create(&mut self, name: &str) -> (String, bool) {
        let chooses = !name.contains(|c: char| c.is_ascii_digit() || c == '.');
        let there = |name: &str| self.interfaces.iter().any(|one| one.name == name);
        let name = match name {
            "epair" => (0..=u32::MAX).map(|n| format!("epair{n}a")).find(|name| !there(name)),
            _ if chooses => (0..=u32::MAX).map(|n| format!("{name}{n}")).find(|name| !there(name)),
            _ if kind(name) == "epair" && !name.ends_with('a') => Some(format!("{name}a")),
            _ => Some(name.to_string()),
        };
        let name = name.unwrap_or_default();
        let other = name.strip_suffix('a').filter(|_| kind(&name) == "epair").map(|stem| format!("{stem}b"));
        for name in std::iter::once(&name).chain(&other) {
            if !self.interfaces.iter().any(|one| one.name == *name) {
                self.interfaces.push(Interface::new(name));
            }
        }
        (name, chooses)
    }

    /// Takes an interface away, out of its bridges too, and an epair's other end.
    fn destroy(&mut self, name: &str) {
        let other = match name.strip_prefix("epair").and_then(|rest| rest.chars().next_back()) {
            Some('a') => format!("{}b", name.trim_end_matches('a')),
            Some('b') => format!("{}a", name.trim_end_matches('b')),
            _ => name.to_string(),
        };
        for name in [name, &other] {
            self.interfaces.retain(|one| one.name != name);
            self.interfaces.iter_mut().for_each(|one| one.replace(&member(name), None));
        }
    }

    /// Follows the words of a change, and returns a new name.
    fn change(&mut self, name: &str, words: &[&str]) -> Option<String> {
        let at = self.interfaces.iter().position(|one| one.name == name)?;
        let interface = self.interfaces.get_mut(at)?;
        let mut renamed = None;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().copied().unwrap_or_default();
            match *word {
                "up" => interface.set_up(true),
                "down" => interface.set_up(false),
                "addm" => {
                    let name = value();
                    let line = format!("{}flags=143<LEARNING,DISCOVER,AUTOEDGE,AUTOPTP>", member(name));
                    interface.replace(&member(name), Some(line));
                }
                "deletem" => interface.replace(&member(value()), None),
                "mtu" => interface.set_mtu(value()),
                "ether" | "link" => {
                    let line = format!("\tether {}", value());
                    interface.replace("\tether ", Some(line));
                }
                "name" => renamed = Some(value().to_string()),
                "group" => interface.set_group(value(), true),
                "-group" => interface.set_group(value(), false),
                "description" | "descr" => {
                    let line = format!("\tdescription: {}", value());
                    interface.replace("\tdescription:", Some(line));
                }
                "-description" | "-descr" => interface.replace("\tdescription:", None),
                "inet" | "inet6" => {
                    let line = format!("\t{word} {}", value());
                    interface.replace(&line, Some(line.clone()));
                }
                "vlan" => {
                    let line = format!("\tvlan: {}", value());
                    interface.replace("\tvlan:", Some(line));
                }
                _ => {}
            }
        }
        if let Some(new) = &renamed {
            interface.name.clone_from(new);
        }
        renamed
    }
}

fn member(name: &str) -> String {
    format!("\tmember: {name} ")
}

/// Returns the kind that a name says: what stands before its number.
fn kind(name: &str) -> &str {
    name.split(|c: char| c.is_ascii_digit()).next().unwrap_or_default()
}

/// A byte that differs between most names.
fn sum(name: &str) -> u8 {
    name.bytes().fold(0, u8::wrapping_add)
}

/// Answers a call of route(8).
pub(super) fn route(args: &[&str]) -> Answer {
    match args.iter().find(|arg| !arg.starts_with('-')) {
        Some(&"get") => Answer {
            made_up: Some("the default route is by 192.168.2.1 and em0".into()),
            ..Answer::tells("   route to: default\n    gateway: 192.168.2.1\n  interface: em0\n")
        },
        Some(&("show" | "monitor")) => Answer::tells(""),
        _ => Answer::done(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{INTERFACES, Scenario, World, answers_of};

    #[test]
    fn what_was_made_is_in_the_list_until_it_goes() {
        let lines = [
            "ifconfig -l",
            "ifconfig tap create",
            "ifconfig tap1 create",
            "ifconfig tap create name web0 group vms",
            "ifconfig epair create",
            "ifconfig -l",
            "ifconfig -g tap",
            "ifconfig -g vms",
            "ifconfig epair0b destroy",
            "ifconfig tap0 destroy",
            "ifconfig tap0",
            "ifconfig -l",
        ];
        assert_eq!(
            answers_of(&Scenario::default(), &lines),
            [
                "0 em0 lo0",
                "0 tap0",
                "0",
                "0 web0",
                "0 epair0a",
                "0 em0 lo0 tap0 tap1 web0 epair0a epair0b",
                "0 tap0\ntap1\nweb0",
                "0 web0",
                "0",
                "0",
                "1 ifconfig: interface tap0 does not exist",
                "0 em0 lo0 tap1 web0",
            ]
        );
    }

    #[test]
    fn a_bridge_shows_its_members_and_one_that_nobody_made_is_assumed() {
        let lines = [
            "ifconfig bridge2",
            "ifconfig bridge2 addm tap1 addm tap2 up mtu 9000 inet 10.0.0.1/24 description lab",
            "ifconfig bridge2 deletem tap2",
            "ifconfig bridge2",
            "ifconfig tap1 destroy",
            "ifconfig bridge2 down -description",
            "ifconfig bridge2",
        ];
        let answers = answers_of(&Scenario::default(), &lines);
        assert_eq!(answers[0], "1 ifconfig: interface bridge2 does not exist");
        assert_eq!(
            answers[3],
            "0 bridge2: flags=8802<UP,BROADCAST,SIMPLEX,MULTICAST> metric 0 mtu 9000\n\
             \tether 58:9c:fc:00:07:9f\n\
             \tid 00:00:00:00:00:00 priority 32768 hellotime 2 fwddelay 15\n\
             \tmember: tap1 flags=143<LEARNING,DISCOVER,AUTOEDGE,AUTOPTP>\n\
             \tinet 10.0.0.1/24\n\
             \tdescription: lab\n\
             \tgroups: bridge"
        );
        assert_eq!(answers[6].lines().count(), 5);
        assert!(answers[6].starts_with("0 bridge2: flags=8802<BROADCAST,"));
    }

    #[test]
    fn a_list_that_was_read_is_printed_as_it_was() {
        let mut world = World::new(&Scenario::default());
        assert_eq!(world.call(&["ifconfig".into(), "-a".into()]).output, INTERFACES);
    }
}
