//! Something that a run has taken, or is about to take, as a value and as words of a journal.

use crate::host::commands::undo;
use crate::host::{Effect, Platform};
use crate::model::device::Access;
use crate::model::{InterfaceName, VmName};
use std::path::PathBuf;

/// Something that was taken and has to be given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lease {
    /// An effect; its opposite gives it back.
    Effect(Effect),
    /// A machine's lock, and its folder with sockets and secrets.
    Lock(VmName),
    /// A machine's vmm node.
    Node(VmName),
    /// The lock of a disk image. It dies with its owner and with the guest; it is noted so that others can be told who has it.
    Image(PathBuf, Access),
    /// A file that is written beside the one that it replaces.
    Temporary(PathBuf),
    /// A vlan, a bridge or a pair, as a journal knows it: by its name.
    Link(InterfaceName),
    /// A hypervisor: its process, and when that was started, as the system tells it.
    Guest {
        /// Its process id.
        pid: u32,
        /// When it was started; empty where nobody says.
        started: String,
    },
}

impl Lease {
    /// Returns what gives it back, where that is a change like others.
    pub fn back(&self, platform: Platform) -> Option<Effect> {
        match self {
            Self::Effect(effect) => undo(effect),
            Self::Node(name) => (platform == Platform::FreeBsd).then(|| Effect::DestroyNode(name.clone())),
            Self::Link(name) => Some(Effect::DestroyLink(name.clone())),
            Self::Lock(_) | Self::Image(..) | Self::Temporary(_) | Self::Guest { .. } => None,
        }
    }

    /// Whether it may be there after the host went down: everything else ends with the kernel.
    pub const fn outlives_the_kernel(&self) -> bool {
        matches!(self, Self::Temporary(_))
    }

    /// Returns the words of a journal for it; nothing for an effect that takes nothing.
    pub fn words(&self) -> Option<Vec<String>> {
        let words = |words: &[&str]| Some(words.iter().map(ToString::to_string).collect());
        match self {
            Self::Effect(Effect::CreateTap(tap)) => words(&["tap", tap.as_str()]),
            Self::Effect(Effect::Join { bridge, member }) => words(&["member", bridge.as_str(), member.as_str()]),
            Self::Effect(Effect::CreateLink(link)) => words(&["link", link.name.as_str()]),
            Self::Link(name) => words(&["link", name.as_str()]),
            Self::Effect(Effect::AddRoute(router)) => words(&["route", &router.to_string()]),
            Self::Effect(
                Effect::Umask(_)
                | Effect::Truncate { .. }
                | Effect::DestroyNode(_)
                | Effect::DestroyTap(_)
                | Effect::Leave { .. }
                | Effect::DestroyLink(_)
                | Effect::DeleteRoute(_)
                | Effect::WriteFile { .. }
                | Effect::WriteImage { .. }
                | Effect::CopyVars { .. }
                | Effect::Run(_)
                | Effect::Make { .. },
            ) => None,
            Self::Lock(name) => words(&["lock", name.as_str()]),
            Self::Node(name) => words(&["node", name.as_str()]),
            Self::Image(path, Access::ReadOnly) => words(&["reads", &path.to_string_lossy()]),
            Self::Image(path, Access::ReadWrite) => words(&["writes", &path.to_string_lossy()]),
            Self::Temporary(path) => words(&["file", &path.to_string_lossy()]),
            Self::Guest { pid, started } => words(&["guest", &pid.to_string(), started]),
        }
    }

    /// Reads what [`Self::words`] wrote.
    pub fn read(words: &[String]) -> Option<Self> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Some(match words.as_slice() {
            ["tap", tap] => Self::Effect(Effect::CreateTap(tap.parse().ok()?)),
            ["member", bridge, member] => {
                Self::Effect(Effect::Join { bridge: bridge.parse().ok()?, member: member.parse().ok()? })
            }
            ["link", name] => Self::Link(name.parse().ok()?),
            ["route", router] => Self::Effect(Effect::AddRoute(router.parse().ok()?)),
            ["lock", name] => Self::Lock(name.parse().ok()?),
            ["node", name] => Self::Node(name.parse().ok()?),
            ["reads", path] => Self::Image(path.into(), Access::ReadOnly),
            ["writes", path] => Self::Image(path.into(), Access::ReadWrite),
            ["file", path] => Self::Temporary(path.into()),
            ["guest", pid, started] => Self::Guest { pid: pid.parse().ok()?, started: (*started).into() },
            _ => return None,
        })
    }
}
