//! Networks of a test's own: ip-netns(8).

use super::tools::{need, search_path, tool};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

/// Numbers of networks, so that tests beside each other have different ones.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// A network of its own, which nobody else sees.
pub(crate) struct Network {
    pub(crate) name: String,
}

impl Network {
    pub(crate) fn new(of: &str) -> Self {
        need(&["ip"]);
        let count = NEXT.fetch_add(1, Ordering::SeqCst);
        let network = Self { name: format!("vmrun-it-{of}-{}-{count}", std::process::id()) };
        tool("ip", &["netns", "add", &network.name]);
        network
    }

    /// Runs ip(8) in the network.
    pub(crate) fn ip(&self, args: &str) -> String {
        let args: Vec<&str> = args.split(' ').collect();
        tool("ip", &[&["-n", &self.name], &args[..]].concat())
    }

    /// Returns the command that starts a program in the network.
    pub(crate) fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.env("PATH", search_path()).args(["netns", "exec", &self.name, program]);
        command
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = Command::new("ip").env("PATH", search_path()).args(["netns", "delete", &self.name]).status();
    }
}
