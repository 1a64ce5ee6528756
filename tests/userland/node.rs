//! A virtual machine node, as `/dev/vmm/NAME`: the file `vmm/NAME`, lines of a key and a value, all optional.
//!
//! ```text
//! cpus 2              the virtual CPUs, with `sockets`, `cores` and `threads`
//! pid 1234            the bhyve that runs it, or ran it to no good end; absent when none does
//! ```
//!
//! As on FreeBSD, a node outlives bhyve and is removed only by `bhyvectl --destroy` (or bhyve's -D and -M).

use std::io;

use crate::state::{State, alive};

/// The longest name `/dev/vmm` takes (13.0 and later).
const NAME_MAX: usize = 229;

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

/// What is known of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) topology: Topology,
    pub(crate) pid: Option<u32>,
}

impl Node {
    fn parse(text: &str) -> Self {
        let value = |key| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        let count = |key| value(key).and_then(|text| text.trim().parse().ok()).unwrap_or(1);
        Self {
            topology: Topology {
                cpus: count("cpus"),
                sockets: count("sockets"),
                cores: count("cores"),
                threads: count("threads"),
            },
            pid: value("pid").and_then(|text| text.trim().parse().ok()),
        }
    }

    fn text(&self) -> String {
        let Topology { cpus, sockets, cores, threads } = self.topology;
        let pid = self.pid.map_or_else(String::new, |pid| format!("pid {pid}\n"));
        format!("cpus {cpus}\nsockets {sockets}\ncores {cores}\nthreads {threads}\n{pid}")
    }

    /// The living bhyve that runs this machine.
    pub(crate) fn runner(&self) -> Option<u32> {
        self.pid.filter(|pid| alive(*pid))
    }

    /// Saves the node, which makes it if it is not there.
    pub(crate) fn save(&self, state: &State, name: &str) -> io::Result<()> {
        state.write(&file(name), self.text())
    }
}

/// Whether a node of this name can exist.
pub(crate) fn valid(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_MAX && !name.starts_with('.') && !name.contains('/')
}

/// Loads a node, if there is one of this name.
pub(crate) fn load(state: &State, name: &str) -> io::Result<Option<Node>> {
    if !valid(name) || !state.path(&file(name)).is_file() {
        return Ok(None);
    }
    Ok(Some(Node::parse(&state.read(&file(name))?)))
}

/// The processes that run machines, with the names of these.
pub(crate) fn running(state: &State) -> io::Result<Vec<(u32, String)>> {
    let mut all = Vec::new();
    for name in state.names("vmm")?.into_iter().filter(|name| !name.ends_with(".request")) {
        all.extend(load(state, &name)?.and_then(|node| node.runner()).map(|pid| (pid, name)));
    }
    all.sort();
    Ok(all)
}

/// Removes a node and what was asked of it.
pub(crate) fn remove(state: &State, name: &str) -> io::Result<()> {
    state.remove(&file(name))?;
    state.remove(&request_file(name))
}

fn file(name: &str) -> String {
    format!("vmm/{name}")
}

/// Where bhyvectl leaves what it asks of a running guest.
pub(crate) fn request_file(name: &str) -> String {
    format!("vmm/{name}.request")
}

#[cfg(test)]
mod tests {
    use super::{Node, Topology, valid};

    #[test]
    fn an_empty_file_is_an_idle_machine_with_one_cpu() {
        assert_eq!(Node::parse(""), Node::default());
    }

    #[test]
    fn what_is_saved_is_what_is_read() {
        let node = Node { topology: Topology { cpus: 8, sockets: 1, cores: 4, threads: 2 }, pid: Some(7) };
        assert_eq!(Node::parse(&node.text()), node);
    }

    #[test]
    fn names_must_be_able_to_stand_in_dev_vmm() {
        assert!(valid("a.b-c") && valid(&"x".repeat(229)));
        assert!(!valid("") && !valid("a/b") && !valid("..") && !valid(&"x".repeat(230)));
    }
}
