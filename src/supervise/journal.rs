//! The journal of a run: who it is, and what it has taken and not given back.
//!
//! It is the text of the machine's lock file. A line is a checksum, a blank, and words between blanks:
//!
//! ```text
//! 9bd366ae owner 1234 81213 6d1f…e2 0.1.0 1764090312 /root/install.rhai
//! 3b1c6f0a + tap tap1
//! 8e0d55c1 - tap tap1
//! ```
//!
//! What no step of the clock changes is added once the guest runs, where it takes commands to ask for it: what the kernel calls this
//! start of the host, and when the owner and its guest were started, in seconds since then.
//!
//! ```text
//! 5d0c1b7e boot 0123456789abcdef0123456789abcdef
//! 77e1c2a4 start 1234 93784
//! ```
//!
//! Where numbers of processes and names of interfaces mean something is told behind the owner: its namespaces, or its jail.
//!
//! ```text
//! 0c4e6b19 space net:[4026531840],pid:[4026531836]
//! ```
//!
//! How many vCPUs a machine of the run has is nowhere else to be seen before its guest has started them all.
//!
//! ```text
//! 2f6f0a43 vcpus web 4
//! ```
//!
//! So is what its machines have alone while they run, beside their images.
//!
//! ```text
//! 64a0f2d1 has mac 58:9c:fc:00:00:01
//! ```
//!
//! How the guest is told to stop is written before that is done, for whoever has asked the run to stop and reads on until its end.
//!
//! ```text
//! 5709c4ac stops force
//! ```
//!
//! So is that its file systems are frozen, with the socket of who thaws them, until they are thawed.
//!
//! ```text
//! 1f8c0d35 frozen /var/run/vmrun/web/agent.sock
//! ```
//!
//! One that took over from another has a line of its own, and the last one counts; `background` says that the guest goes on
//! without its owner. The owner is told by its process, when that and when the host were started, the version, the second of 1970 at which it
//! began, and the recipe. `+` is written before something is taken, `-` when it was given back or was refused. A line whose
//! checksum is wrong was never written whole, and says nothing.

use super::holds::Hold;
use super::step::Means;
use crate::host::clock::Utc;
use crate::host::{IN_JAIL, ON_HOST, Witness};
use crate::model::{Exclusive, Role, VmName};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// CRC-32 as of gzip and Ethernet.
const CHECKSUM: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

/// The owner of a journal: the process of its run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owner {
    /// Its process id.
    pub pid: u32,
    /// When that process was started, as the system tells it; empty where nobody says.
    pub started: String,
    /// When the host was started, as the system tells it.
    pub boot: String,
    /// Where its number and the names of its interfaces mean something, as the system tells it; empty where nobody says.
    pub space: String,
    /// The version of vmrun.
    pub version: String,
    /// When it began, in seconds of 1970.
    pub since: u64,
    /// The path of its recipe.
    pub recipe: String,
}

impl Owner {
    /// Returns whether it is in other namespaces or another jail than who asks, who says where that is. What is not known is here.
    pub(crate) fn is_elsewhere(&self, here: impl FnOnce() -> String) -> bool {
        let here = if self.space.is_empty() { String::new() } else { here() };
        !here.is_empty() && here != self.space
    }

    /// Returns where it is, as words for who is elsewhere.
    pub(crate) fn whereabouts(&self) -> String {
        match self.space.strip_prefix(IN_JAIL) {
            Some("") => "in a jail without a host name".into(),
            Some(hostname) => format!("in the jail with the host name {hostname}"),
            None if self.space == ON_HOST => "on the host of this jail".into(),
            None => format!("in other namespaces than this vmrun, {}", self.space),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vmrun {}, of {}, since {}", self.pid, self.recipe, Utc(self.since))
    }
}

/// A journal that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Journal {
    /// Its owner; nothing if the first line was never written whole.
    pub owner: Option<Owner>,
    /// What the kernel called that start of the host, where it took a command to ask.
    pub boot: Option<String>,
    /// When processes were started, in seconds since the host was, where it took commands to ask: the owner and its guest.
    pub starts: BTreeMap<u32, i64>,
    /// Whether its guest goes on without its owner.
    pub in_background: bool,
    /// The machine whose journal has the holds, for every machine of a run but its first.
    pub part_of: Option<VmName>,
    /// How many vCPUs the machines of the run have.
    pub vcpus: BTreeMap<VmName, u64>,
    /// What the machines of the run have alone, beside their images.
    pub alone: Vec<Exclusive>,
    /// How its guest was told to stop last, if it was.
    pub stops: Option<Means>,
    /// The socket of the agent that has frozen the file systems of its guest, and not thawed them.
    pub frozen: Option<PathBuf>,
    /// What was taken, or was about to be, and not given back, in the order in which it was taken.
    pub holds: Vec<Hold>,
}

impl Journal {
    /// Reads a journal. Whatever is not a whole line is passed over.
    pub(crate) fn read(text: &str) -> Self {
        let mut journal = Self::default();
        for words in text.lines().filter_map(words) {
            journal.take(&words);
        }
        journal
    }

    fn take(&mut self, words: &[String]) {
        match words.split_first() {
            Some((first, rest)) if first == "owner" => {
                if let Some(owner) = owner(rest) {
                    self.starts.remove(&owner.pid);
                    self.owner = Some(owner);
                    self.stops = None;
                }
            }
            Some((first, [id])) if first == "boot" => self.boot = Some(id.clone()),
            Some((first, [space])) if first == "space" => {
                self.owner.iter_mut().for_each(|owner| owner.space.clone_from(space));
            }
            Some((first, [pid, start])) if first == "start" => {
                if let (Ok(pid), Ok(start)) = (pid.parse(), start.parse()) {
                    self.starts.insert(pid, start);
                }
            }
            Some((first, [])) if first == "background" => self.in_background = true,
            Some((first, [name, count])) if first == "vcpus" => {
                if let (Ok(name), Ok(count)) = (name.parse(), count.parse()) {
                    self.vcpus.insert(name, count);
                }
            }
            Some((first, [role, text])) if first == "has" => {
                self.alone.extend(Role::named(role).map(|role| Exclusive::new(role, text)));
            }
            Some((first, [name])) if first == "part" => self.part_of = name.parse().ok(),
            Some((first, [means])) if first == "stops" => self.stops = Means::named(means).or(self.stops),
            Some((first, [socket])) if first == "frozen" => self.frozen = Some(socket.into()),
            Some((first, [])) if first == "thawed" => self.frozen = None,
            Some((first, rest)) if first == "+" => {
                if let Some(pid) = Hold::read(rest).as_ref().and_then(Hold::process) {
                    self.starts.remove(&pid);
                }
                self.holds.extend(Hold::read(rest).filter(|hold| !self.holds.contains(hold)));
            }
            Some((first, rest)) if first == "-" => {
                let gone = Hold::read(rest);
                self.holds.retain(|hold| Some(hold) != gone.as_ref());
            }
            _ => {}
        }
    }
}

/// Returns the line that says whose a journal is.
pub(crate) fn begun_by(owner: &Owner) -> String {
    let Owner { pid, started, boot, space, version, since, recipe } = owner;
    let begun = line(&["owner", &pid.to_string(), started, boot, version, &since.to_string(), recipe]);
    [begun, in_space(space)].concat()
}

/// Returns the line that says where a journal's owner is; none where that is not known.
pub(crate) fn in_space(space: &str) -> String {
    if space.is_empty() { String::new() } else { line(&["space", space]) }
}

/// Returns the lines that say of the host and of processes what no step of the clock changes.
pub(crate) fn witnessed(witness: &Witness) -> String {
    let boot = witness.boot.as_ref().map(|id| line(&["boot", id]));
    let start = |(pid, start): (&u32, &i64)| line(&["start", &pid.to_string(), &start.to_string()]);
    boot.into_iter().chain(witness.starts.iter().map(start)).collect()
}

/// Returns the line that says that file systems are frozen by the agent at a socket.
pub(crate) fn frozen(socket: &Path) -> String {
    line(&["frozen", &socket.to_string_lossy()])
}

/// Returns the line that says that they are thawed.
pub(crate) fn thawed() -> String {
    line(&["thawed"])
}

/// Returns the line that says that the guest goes on without its owner.
pub(crate) fn in_background() -> String {
    line(&["background"])
}

/// Returns the line that says how many vCPUs a machine of the run has.
pub(crate) fn vcpus(name: &VmName, count: u64) -> String {
    line(&["vcpus", name.as_str(), &count.to_string()])
}

/// Returns the line that says what a machine of the run has alone.
pub(crate) fn has(own: &Exclusive) -> String {
    line(&["has", own.role.word(), &own.text])
}

/// Returns the line that says how the guest is running_cpus to stop. Whoever has asked the run to stop reads there how it came down.
pub(crate) fn stops(means: Means) -> String {
    line(&["stops", means.word()])
}

/// Returns the line of a machine whose holds are in the journal of another.
pub(crate) fn part_of(name: &VmName) -> String {
    line(&["part", name.as_str()])
}

/// Returns the line to be written before something is taken; nothing for what takes nothing.
pub(crate) fn taken(hold: &Hold) -> String {
    entry("+", hold)
}

/// Returns the line to be written when something was given back, or was not to be had.
pub(crate) fn given_back(hold: &Hold) -> String {
    entry("-", hold)
}

fn entry(sign: &str, hold: &Hold) -> String {
    let Some(words) = hold.words() else { return String::new() };
    line(&std::iter::once(sign).chain(words.iter().map(String::as_str)).collect::<Vec<_>>())
}

fn owner(words: &[String]) -> Option<Owner> {
    let [pid, started, boot, version, since, recipe] = words else { return None };
    let (pid, since) = (pid.parse().ok()?, since.parse().ok()?);
    let [started, boot, version, recipe] = [started, boot, version, recipe].map(Clone::clone);
    Some(Owner { pid, started, boot, space: String::new(), version, since, recipe })
}

/// Returns the line of a journal that has these words, with its checksum.
pub fn line(words: &[&str]) -> String {
    let text = words.iter().map(|word| escaped(word)).collect::<Vec<_>>().join(" ");
    format!("{:08x} {text}\n", CHECKSUM.checksum(text.as_bytes()))
}

fn words(line: &str) -> Option<Vec<String>> {
    let (sum, text) = line.split_once(' ')?;
    let whole = sum == format!("{:08x}", CHECKSUM.checksum(text.as_bytes()));
    whole.then(|| text.split(' ').map(unescaped).collect::<Option<_>>()).flatten()
}

/// Blanks, control characters and the escape itself as `%` and two hexadecimal digits.
fn escaped(word: &str) -> String {
    word.chars().fold(String::new(), |mut text, c| {
        match c {
            '%' | ' ' | '\0'..='\x1f' | '\x7f' => text.push_str(&format!("%{:02x}", u32::from(c))),
            c => text.push(c),
        }
        text
    })
}

fn unescaped(word: &str) -> Option<String> {
    let mut parts = word.split('%');
    let mut text = parts.next()?.to_string();
    for part in parts {
        let code = u8::from_str_radix(part.get(..2)?, 16).ok()?;
        text.push(char::from(code));
        text += part.get(2..)?;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::helper::{HelperId, HelperProcess};
    use crate::host::{Effect, Inner};
    use crate::model::device::Access;
    use proptest::prelude::*;

    fn me() -> Owner {
        Owner {
            pid: 1234,
            started: "81213".into(),
            boot: "6d1f".into(),
            space: "net:[4026531840],pid:[4026531836]".into(),
            version: "0.1.0".into(),
            since: 1_764_090_312,
            recipe: "/root/my recipes/in\n100%.rhai".into(),
        }
    }

    fn tap(name: &str) -> Hold {
        Hold::Effect(Effect::create_tap(name.parse().unwrap()))
    }

    fn holds() -> Vec<Hold> {
        let join = Effect::join("bridge2".parse().unwrap(), "em0".parse().unwrap());
        vec![
            Hold::Lock("install".parse().unwrap()),
            Hold::Node("install".parse().unwrap()),
            tap("tap1"),
            Hold::Effect(join),
            Hold::Image("/vm/a b.img".into(), Access::ReadWrite),
            Hold::Temporary("/vm/ü%.img.1.new".into()),
            Hold::Guest { pid: 77, started: String::new() },
            Hold::Helper {
                name: "swtpm".into(),
                is_fatal: true,
                id: HelperId::Process(HelperProcess {
                    pid: 78,
                    started: "81214".into(),
                    command: "swtpm socket".into(),
                }),
                socket: None,
            },
            Hold::Helper {
                name: "fs".into(),
                is_fatal: false,
                id: HelperId::Process(HelperProcess { pid: 79, started: String::new(), command: "virtiofsd".into() }),
                socket: Some("/run/a b.sock".into()),
            },
            Hold::Effect(Effect::MakeCgroup("/sys/fs/cgroup/vmrun-web".into())),
            Hold::Effect(Effect::Lend { jail: "web".parse().unwrap(), tap: "tap1".parse().unwrap() }),
            Hold::Effect(Effect::CreateInner(Box::new(Inner {
                jail: "web".parse().unwrap(),
                bridge: "bridge1".parse().unwrap(),
                half: "epair1b".parse().unwrap(),
                tap: "tap1".parse().unwrap(),
            }))),
        ]
    }

    fn text() -> String {
        std::iter::once(begun_by(&me())).chain(holds().iter().map(taken)).collect()
    }

    #[test]
    fn a_journal_is_text_that_people_can_read() {
        let expected = "\
2fba9b1a owner 1234 81213 6d1f 0.1.0 1764090312 /root/my%20recipes/in%0a100%25.rhai
0c4e6b19 space net:[4026531840],pid:[4026531836]
+ lock install
+ node install
+ tap tap1
+ member bridge2 em0
+ writes /vm/a%20b.img
+ file /vm/ü%25.img.1.new
+ guest 77 
+ helper swtpm 78 81214 fatal swtpm%20socket
+ helper fs 79   virtiofsd /run/a%20b.sock
+ cgroup /sys/fs/cgroup/vmrun-web
+ lent web tap1
+ inner web bridge1 epair1b tap1
";
        let text = text();
        let without: Vec<&str> = text.lines().map(|line| line.split_once(' ').unwrap().1).collect();
        let expected: Vec<&str> = expected
            .lines()
            .map(|line| if line.starts_with('+') { line } else { line.split_once(' ').unwrap().1 })
            .collect();
        assert_eq!(without, expected);
    }

    #[test]
    fn what_was_written_is_read_and_what_was_given_back_is_not() {
        let journal = Journal::read(&text());
        let whole = Journal { owner: Some(me()), holds: holds(), ..Journal::default() };
        assert_eq!(journal, whole);
        let other = Owner { pid: 99, ..me() };
        let taken_over = Journal::read(&[text(), in_background(), begun_by(&other)].concat());
        assert_eq!(taken_over, Journal { owner: Some(other), in_background: true, ..whole });
        let journal = Journal::read(&[text(), given_back(&tap("tap1")), given_back(&tap("tap9"))].concat());
        let rest: Vec<Hold> = holds().into_iter().filter(|hold| *hold != tap("tap1")).collect();
        assert_eq!(journal.holds, rest);
        let db: VmName = "db".parse().unwrap();
        let grown = Journal::read(&[vcpus(&db, 2), vcpus(&db, 4), line(&["vcpus", "db", "many"])].concat());
        assert_eq!(grown.vcpus, [(db, 4)].into());
        let alone = [Exclusive::new(Role::Serial, "/dev/nmdm0A"), Exclusive::new(Role::Vnc, "[::1]:5901")];
        let lines: String = alone.iter().map(has).chain([line(&["has", "luck", "a lot"])]).collect();
        assert_eq!(Journal::read(&lines).alone, alone);
        assert_eq!(Journal::read(&part_of(&"db".parse().unwrap())).part_of, "db".parse().ok());
        let stopped = [stops(Means::PowerButton), stops(Means::Force), line(&["stops", "by magic"])].concat();
        assert_eq!(Journal::read(&stopped).stops, Some(Means::Force));
        assert_eq!(Journal::read(&[stopped, begun_by(&me())].concat()).stops, None);
    }

    #[test]
    fn what_no_step_of_the_clock_changes_is_that_of_the_owner_and_the_guest_that_count() {
        let witness = Witness { boot: Some("0123abcd".into()), starts: [(1234, 40), (77, 41)].into() };
        let lines = witnessed(&witness);
        let words: Vec<&str> = lines.lines().map(|line| line.split_once(' ').unwrap().1).collect();
        assert_eq!(words, ["boot 0123abcd", "start 77 41", "start 1234 40"]);
        let known = |text: String| {
            let journal = Journal::read(&text);
            (journal.boot, journal.starts.into_iter().collect::<Vec<_>>())
        };
        let boot = || Some("0123abcd".to_string());
        assert_eq!(known([text(), lines.clone()].concat()), (boot(), vec![(77, 41), (1234, 40)]));
        // Whoever took over was started at another time, in the same boot; so was the next guest.
        let other = begun_by(&Owner { pid: 1234, ..me() });
        assert_eq!(known([text(), lines.clone(), other].concat()), (boot(), vec![(77, 41)]));
        let next = taken(&Hold::Guest { pid: 77, started: String::new() });
        assert_eq!(known([text(), lines, next].concat()), (boot(), vec![(1234, 40)]));
        assert_eq!(known(text()), (None, vec![]));
        assert_eq!(witnessed(&Witness::default()), "");
        assert_eq!(known([text(), line(&["start", "1234", "soon"])].concat()), (None, vec![]));
    }

    #[test]
    fn an_owner_is_named_with_its_recipe_and_its_time() {
        let owner = Owner { recipe: "web.rhai".into(), ..me() };
        assert_eq!(owner.to_string(), "vmrun 1234, of web.rhai, since 2025-11-25 17:05:12 UTC");
    }

    #[test]
    fn an_owner_is_elsewhere_if_both_places_are_known_and_is_told_by_where_that_is() {
        let of = |space: &str| Owner { space: space.into(), ..me() };
        let is_elsewhere = |there: &str, here: &str| of(there).is_elsewhere(|| here.into());
        assert!(
            is_elsewhere("host", "jail:web") && is_elsewhere("jail:web", "host") && is_elsewhere("jail:a", "jail:b")
        );
        assert!(!is_elsewhere("jail:web", "jail:web") && !is_elsewhere("", "host") && !is_elsewhere("host", ""));
        let places = ["host", "jail:web.example.org", "jail:", "net:[1],pid:[2]"].map(|space| of(space).whereabouts());
        assert_eq!(
            places,
            [
                "on the host of this jail",
                "in the jail with the host name web.example.org",
                "in a jail without a host name",
                "in other namespaces than this vmrun, net:[1],pid:[2]",
            ]
        );
    }

    /// The owner of a journal whose lines about it are whole, or not: where it is may be missing.
    fn owner_of(is_whole: bool, has_space: bool) -> Option<Owner> {
        let space = if has_space { me().space } else { String::new() };
        is_whole.then(|| Owner { space, ..me() })
    }

    proptest! {
        #[test]
        fn a_torn_journal_has_every_hold_but_the_torn_one(cut in 0_usize..400) {
            let whole = text();
            let cut = (0..=cut.min(whole.len())).rev().find(|at| whole.is_char_boundary(*at)).unwrap_or(0);
            let torn = Journal::read(&whole[..cut]);
            let lines = whole[..cut].matches('\n').count() + usize::from(whole[cut..].starts_with('\n'));
            prop_assert_eq!(torn.owner, owner_of(lines > 0, lines > 1));
            prop_assert_eq!(torn.holds, holds()[..lines.saturating_sub(2)].to_vec());
        }

        #[test]
        fn a_line_with_one_wrong_byte_says_nothing(at in 0_usize..400, byte in 0x21_u8..0x7f) {
            let whole = text();
            let mut bytes = whole.clone().into_bytes();
            let at = at % bytes.len();
            prop_assume!(bytes[at] != byte && bytes[at] != b'\n' && bytes[at].is_ascii());
            bytes[at] = byte;
            let line = whole[..at].matches('\n').count();
            let mut expected = holds();
            if line > 1 { expected.remove(line - 2); }
            let read = Journal::read(&String::from_utf8(bytes).unwrap());
            prop_assert_eq!(read.owner, owner_of(line != 0, line != 1));
            prop_assert_eq!(read.holds, expected);
        }

        #[test]
        fn any_text_can_be_read(text in ".{0,200}") {
            let _ = Journal::read(&text);
        }
    }
}
