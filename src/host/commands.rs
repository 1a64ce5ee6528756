//! Effects as the commands that one would type: what `vmrun plan` prints, and what the real hosts run.

use super::{Effect, Platform, Step, mark};
use crate::bhyve;
use crate::model::{Argv, InterfaceName, VmName};

/// Returns the commands of an effect, in order. Interfaces are marked as made for the machine, if it is known.
pub fn commands(platform: Platform, machine: Option<&VmName>, effect: &Effect) -> Vec<Step> {
    match effect {
        Effect::Umask(mask) => vec![Argv::new("umask").arg(format!("{mask:03o}")).into()],
        Effect::Truncate { path, size } => {
            vec![Argv::new("truncate").arg("-s").arg(size).arg(path.display()).into()]
        }
        Effect::WriteImage { command, stdin, .. } => vec![Step { argv: command.clone(), stdin: stdin.clone() }],
        Effect::CopyVars { from, to } => vec![Argv::new("cp").arg(from).arg(to).into()],
        Effect::Run(argv) | Effect::Make { argv, .. } => vec![argv.clone().into()],
        Effect::DestroyNode(_)
        | Effect::CreateTap(_)
        | Effect::DestroyTap(_)
        | Effect::Join { .. }
        | Effect::Leave { .. } => {
            let argvs = match platform {
                Platform::FreeBsd => freebsd(machine, effect),
                Platform::Linux => linux(machine, effect),
            };
            argvs.into_iter().map(Step::from).collect()
        }
    }
}

/// ifconfig(8) and bhyvectl(8).
fn freebsd(machine: Option<&VmName>, effect: &Effect) -> Vec<Argv> {
    let ifconfig = || Argv::new("ifconfig");
    match effect {
        Effect::DestroyNode(name) => vec![bhyve::destroy(name)],
        Effect::CreateTap(tap) => {
            let marks = machine.map(|name| ["group".into(), "vmrun".into(), "description".into(), mark(name)]);
            vec![ifconfig().arg(tap).arg("create").args(marks.into_iter().flatten())]
        }
        Effect::DestroyTap(tap) => vec![ifconfig().arg(tap).arg("destroy")],
        Effect::Join { bridge, member } => vec![ifconfig().arg(bridge).arg("addm").arg(member)],
        Effect::Leave { bridge, member } => vec![ifconfig().arg(bridge).arg("deletem").arg(member)],
        Effect::Umask(_)
        | Effect::Truncate { .. }
        | Effect::WriteImage { .. }
        | Effect::CopyVars { .. }
        | Effect::Run(_)
        | Effect::Make { .. } => Vec::new(),
    }
}

/// Returns the name that a tap has on Linux until it is marked. ip(8) cannot make a tap and mark it at once, and one without a
/// mark could be anybody's; a name is given and marked at once.
pub fn unmarked(tap: &InterfaceName) -> String {
    const END: &str = ".new";
    let name = tap.as_str();
    format!("{}{END}", name.get(..InterfaceName::MAX - END.len()).unwrap_or(name))
}

/// ip(8) of iproute2. Linux has no vmm nodes.
fn linux(machine: Option<&VmName>, effect: &Effect) -> Vec<Argv> {
    let ip = |words: &[&str]| Argv::new("ip").args(words);
    match effect {
        Effect::CreateTap(tap) => match machine {
            Some(name) => vec![
                ip(&["tuntap", "add", "dev", &unmarked(tap), "mode", "tap"]),
                ip(&["link", "set", "dev", &unmarked(tap), "name", tap.as_str(), "alias", &mark(name), "up"]),
            ],
            None => vec![
                ip(&["tuntap", "add", "dev", tap.as_str(), "mode", "tap"]),
                ip(&["link", "set", "dev", tap.as_str(), "up"]),
            ],
        },
        Effect::DestroyTap(tap) => vec![ip(&["link", "delete", "dev", tap.as_str()])],
        Effect::Join { bridge, member } => {
            vec![ip(&["link", "set", "dev", member.as_str(), "master", bridge.as_str()])]
        }
        Effect::Leave { member, .. } => vec![ip(&["link", "set", "dev", member.as_str(), "nomaster"])],
        Effect::DestroyNode(_)
        | Effect::Umask(_)
        | Effect::Truncate { .. }
        | Effect::WriteImage { .. }
        | Effect::CopyVars { .. }
        | Effect::Run(_)
        | Effect::Make { .. } => Vec::new(),
    }
}

/// Returns what gives an effect back, if it takes something.
pub fn undo(effect: &Effect) -> Option<Effect> {
    match effect {
        Effect::CreateTap(tap) => Some(Effect::DestroyTap(tap.clone())),
        Effect::Join { bridge, member } => Some(Effect::Leave { bridge: bridge.clone(), member: member.clone() }),
        Effect::Umask(_)
        | Effect::Truncate { .. }
        | Effect::DestroyNode(_)
        | Effect::DestroyTap(_)
        | Effect::Leave { .. }
        | Effect::WriteImage { .. }
        | Effect::CopyVars { .. }
        | Effect::Run(_)
        | Effect::Make { .. } => None,
    }
}
