//! A virtual machine node, as `/dev/vmm/NAME`: the file `vmm/NAME`, lines of a key and a value, all optional.
//!
//! ```text
//! cpus 2              the virtual CPUs, with `sockets`, `cores` and `threads`
//! pid 1234            the bhyve that runs it, or ran it to no good end; absent when none does
//! memory 33554432     the bytes of memory that were set up for it, with `wired` behind them if they cannot be swapped
//! processors going    its first one was set going, or `stopped`: they have stopped as they were told
//! loaded yes          a loader has put a guest into its memory, which one boot uses up
//! suspend poweroff    it was told to stop (vm_suspend): `poweroff`, `reset` or `halt`
//! ```
//!
//! As on FreeBSD, a node outlives bhyve and is removed only by `bhyvectl --destroy` (or bhyve's -D and -M).

use std::fs;
use std::io;
use std::path::Path;

use crate::exit::Step;
use crate::kld;
use crate::release::Release;
use crate::state::{State, alive};

/// The longest name `/dev/vmm` takes (13.0 and later), and took before (bhyvectl.txt).
const NAME_MAX: usize = 229;
const NAME_MAX_OF_12: usize = 31;

/// How many CPUs a machine has, and in what shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Topology {
    pub(crate) cpus: u16,
    pub(crate) sockets: u16,
    pub(crate) cores: u16,
    pub(crate) threads: u16,
}

impl Default for Topology {
    fn default() -> Self {
        Self { cpus: 1, sockets: 1, cores: 1, threads: 1 }
    }
}

/// How a machine was told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suspend {
    Poweroff,
    Reset,
    Halt,
}

const SUSPENDS: &[(&str, Suspend)] =
    &[("poweroff", Suspend::Poweroff), ("reset", Suspend::Reset), ("halt", Suspend::Halt)];

impl Suspend {
    fn name(self) -> &'static str {
        SUSPENDS.iter().find(|(_, how)| *how == self).map_or("poweroff", |(name, _)| name)
    }

    fn parse(name: &str) -> Option<Self> {
        SUSPENDS.iter().find(|(known, _)| *known == name).map(|(_, how)| *how)
    }

    /// The status with which bhyve ends.
    pub(crate) fn status(self) -> u8 {
        match self {
            Self::Reset => 0,
            Self::Poweroff => 1,
            Self::Halt => 2,
        }
    }

    /// What a status of bhyve says of its machine; none for one that did not stop by itself.
    pub(crate) fn of_status(status: u8) -> Option<Self> {
        SUSPENDS.iter().map(|(_, how)| *how).find(|how| how.status() == status)
    }
}

/// The memory that was set up for a machine, which stays as long as its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Bytes.
    pub(crate) size: u64,
    /// Whether it cannot be swapped.
    pub(crate) wired: bool,
}

/// What the processors of a machine do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Processors {
    /// None was set going.
    #[default]
    Idle,
    /// Set going; where their bhyve was killed they are so for ever.
    Going,
    /// Stopped as they were told.
    Stopped,
}

/// What is known of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) topology: Topology,
    pub(crate) pid: Option<u32>,
    pub(crate) memory: Option<Memory>,
    pub(crate) processors: Processors,
    pub(crate) loaded: bool,
    pub(crate) suspend: Option<Suspend>,
}

impl Node {
    fn parse(text: &str) -> Self {
        let value = |key| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')).map(str::trim);
        let count = |key| value(key).and_then(|text| text.parse().ok()).unwrap_or(1);
        let memory = |text: &str| {
            let (size, wired) = text.split_once(' ').map_or((text, false), |(size, word)| (size, word == "wired"));
            Some(Memory { size: size.parse().ok()?, wired })
        };
        Self {
            topology: Topology {
                cpus: count("cpus"),
                sockets: count("sockets"),
                cores: count("cores"),
                threads: count("threads"),
            },
            pid: value("pid").and_then(|text| text.parse().ok()),
            memory: value("memory").and_then(memory),
            processors: match value("processors") {
                Some("going") => Processors::Going,
                Some("stopped") => Processors::Stopped,
                _ => Processors::Idle,
            },
            loaded: value("loaded").is_some(),
            suspend: value("suspend").and_then(Suspend::parse),
        }
    }

    fn text(&self) -> String {
        let Topology { cpus, sockets, cores, threads } = self.topology;
        let memory = |Memory { size, wired }| format!("{size}{}", if wired { " wired" } else { "" });
        let processors = match self.processors {
            Processors::Idle => None,
            Processors::Going => Some("going"),
            Processors::Stopped => Some("stopped"),
        };
        let lines = [
            ("cpus", Some(cpus.to_string())),
            ("sockets", Some(sockets.to_string())),
            ("cores", Some(cores.to_string())),
            ("threads", Some(threads.to_string())),
            ("pid", self.pid.map(|pid| pid.to_string())),
            ("memory", self.memory.map(memory)),
            ("processors", processors.map(str::to_string)),
            ("loaded", self.loaded.then(|| "yes".to_string())),
            ("suspend", self.suspend.map(|how| how.name().to_string())),
        ];
        lines.into_iter().filter_map(|(key, value)| Some(format!("{key} {}\n", value?))).collect()
    }

    /// The living bhyve that runs this machine.
    pub(crate) fn runner(&self) -> Option<u32> {
        self.pid.filter(|pid| alive(*pid))
    }

    /// Makes the node as it was at first, but for its memory (vm_reinit). False if its processors were set going and have not
    /// stopped: its bhyve runs, was killed or has aborted (bhyve-node.txt).
    pub(crate) fn reinit(&mut self) -> bool {
        let is_still = self.processors != Processors::Going;
        if is_still {
            *self = Self { topology: self.topology, memory: self.memory, ..Self::default() };
        }
        is_still
    }

    /// Saves the node, which makes it if it is not there.
    pub(crate) fn save(&self, state: &State, name: &str) -> io::Result<()> {
        state.write(&file(name), self.text())
    }
}

/// Whether a node of this name can exist.
fn valid(release: Release, name: &str) -> bool {
    if release.major < 13 {
        let is_step = |part: &str| !["", ".", ".."].contains(&part);
        return name.len() <= NAME_MAX_OF_12 && !name.contains([' ', '"']) && name.split('/').all(is_step);
    }
    !name.is_empty() && name.len() <= NAME_MAX && !name.starts_with('.') && !name.contains('/')
}

/// Whether a node of this name can be made.
pub(crate) fn is_valid(name: &str) -> Step<bool> {
    Ok(valid(Release::of_environment()?, name))
}

/// Loads a node, if there is one of this name.
pub(crate) fn load(state: &State, name: &str) -> Step<Option<Node>> {
    if !is_valid(name)? || !state.path(&file(name)).is_file() {
        return Ok(None);
    }
    Ok(Some(Node::parse(&state.read(&file(name))?)))
}

/// The names of the nodes below a folder; one with a slash is in a folder of its own.
fn names(folder: &Path, prefix: &str) -> io::Result<Vec<String>> {
    let mut all = Vec::new();
    if !folder.is_dir() {
        return Ok(all);
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if State::is_draft(&name) {
            continue;
        }
        let name = format!("{prefix}{name}");
        if entry.path().is_dir() {
            all.extend(names(&entry.path(), &format!("{name}/"))?);
        } else {
            all.push(name);
        }
    }
    Ok(all)
}

/// The names of all nodes.
pub(crate) fn all(state: &State) -> Step<Vec<String>> {
    Ok(names(&state.path("vmm"), "")?)
}

/// The processes that run machines, with the names of these.
pub(crate) fn running(state: &State) -> Step<Vec<(u32, String)>> {
    let mut all = Vec::new();
    for name in self::all(state)? {
        all.extend(load(state, &name)?.and_then(|node| node.runner()).map(|pid| (pid, name)));
    }
    all.sort();
    Ok(all)
}

/// Whether vmm is loaded: without it there are no machines.
pub(crate) fn has_vmm(state: &State) -> Step<bool> {
    kld::has_module(state, "vmm")
}

/// Removes a node, and the folders that it leaves empty.
pub(crate) fn remove(state: &State, name: &str) -> io::Result<()> {
    state.remove(&file(name))?;
    let mut above = name;
    while let Some((folder, _)) = above.rsplit_once('/') {
        let _ = fs::remove_dir(state.path(&file(folder)));
        above = folder;
    }
    Ok(())
}

fn file(name: &str) -> String {
    format!("vmm/{name}")
}

#[cfg(test)]
mod tests {
    use super::{Memory, Node, Processors, Suspend, Topology, valid};
    use crate::release::Release;

    #[test]
    fn an_empty_file_is_an_idle_machine_with_one_cpu() {
        assert_eq!(Node::parse(""), Node::default());
    }

    #[test]
    fn what_is_saved_is_what_is_read() {
        let topology = Topology { cpus: 8, sockets: 1, cores: 4, threads: 2 };
        let (pid, memory) = (Some(7), Some(Memory { size: 1 << 25, wired: true }));
        let (processors, suspend) = (Processors::Stopped, Some(Suspend::Reset));
        let node = Node { topology, pid, memory, processors, loaded: true, suspend };
        assert_eq!(Node::parse(&node.text()), node);
    }

    #[test]
    fn names_must_be_able_to_stand_in_dev_vmm() {
        let is_valid = |name: &str| valid(Release::newest(15), name);
        assert!(is_valid("a.b-c") && is_valid(&"x".repeat(229)));
        assert!(!is_valid("") && !is_valid("a/b") && !is_valid("..") && !is_valid(&"x".repeat(230)));
    }

    #[test]
    fn names_were_short_before_13_and_may_have_had_slashes() {
        let is_valid = |name: &str| valid(Release::new(12, 1), name);
        assert!(is_valid("a/b") && is_valid(".hidden") && is_valid(&"x".repeat(31)));
        assert!(!is_valid("two words") && !is_valid("a/../b") && !is_valid("") && !is_valid(&"x".repeat(32)));
    }

    #[test]
    fn a_node_whose_processors_were_left_going_cannot_be_used_again() {
        let memory = Some(Memory { size: 1 << 25, wired: false });
        let mut killed = Node { processors: Processors::Going, memory, ..Node::default() };
        assert!(!killed.reinit());
        let mut off = Node { processors: Processors::Stopped, suspend: Some(Suspend::Poweroff), ..killed };
        assert!(off.reinit() && off == Node { memory, ..Node::default() });
    }
}
