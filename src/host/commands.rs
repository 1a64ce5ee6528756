//! Effects as the commands that one would type: what `vmrun plan` prints, and what the real hosts run.

pub(crate) mod fetch;
mod helper;
mod jail;
mod link;

use super::host_key;
use super::interfaces::marks::Maker;
use super::program::{self, Chain};
use super::{CommandStep, Effect, Effects, Platform, iscsi};
use crate::bhyve;
use crate::diag::Fault;
use crate::model::{Argv, InterfaceName, LinkKind, Membership, Router};
use crate::network::naming;
use link::{freebsd_link, linux_link};

/// Returns the commands of an effect, in order. Interfaces are marked as made by the run of a machine, if it is known.
pub(crate) fn commands(platform: Platform, maker: Option<&Maker>, effect: &Effect) -> Vec<CommandStep> {
    match effect {
        Effect::Umask(mask) => vec![Argv::new("umask").arg(format!("{mask:03o}")).into()],
        Effect::Truncate { path, size } => {
            vec![Argv::new("truncate").arg("-s").arg(size).arg(path.display()).into()]
        }
        Effect::WriteImage { command, stdin, .. } => vec![CommandStep { argv: command.clone(), stdin: stdin.clone() }],
        Effect::WriteFile { path, text, mode } => {
            let argv = match mode {
                Some(mode) => Argv::new("install").arg("-m").arg(format!("{mode:o}")).arg("/dev/stdin"),
                // Not cp, which would give it the permissions that the shell's own file has.
                None => Argv::new("tee"),
            };
            vec![CommandStep { argv: argv.arg(path.display()), stdin: Some(text.to_string()) }]
        }
        Effect::MakeHostKey(path) => vec![host_key::command(path).into()],
        Effect::CopyVars { from, to } => vec![Argv::new("cp").arg(from).arg(to).into()],
        Effect::Disk(change) => change.commands().into_iter().map(CommandStep::from).collect(),
        Effect::Fetch(file) => fetch::steps(platform, file),
        Effect::Run(argv) | Effect::Make { argv, .. } => vec![argv.clone().into()],
        Effect::MakeCgroup(folder) => vec![Argv::new("mkdir").arg(folder.display()).into()],
        Effect::IscsiLogin(session) => vec![iscsi::login(platform, session).into()],
        Effect::IscsiLogout(session) => vec![iscsi::logout(platform, session).into()],
        Effect::RemoveCgroup(folder) => vec![Argv::new("rmdir").arg(folder.display()).into()],
        Effect::StartHelper(start) => helper::start(start),
        Effect::EndHelper(end) => helper::end(end),
        Effect::DestroyNode(_)
        | Effect::DestroyTap(_)
        | Effect::Join { .. }
        | Effect::Leave { .. }
        | Effect::CreateLink(_)
        | Effect::DestroyLink(_)
        | Effect::AddRoute(_)
        | Effect::DeleteRoute(_)
        | Effect::CreateJail { .. }
        | Effect::RemoveJail(_)
        | Effect::Lend { .. }
        | Effect::Reclaim { .. }
        | Effect::CreateInner(_)
        | Effect::DestroyInner(_) => {
            let argvs = match platform {
                Platform::FreeBsd => freebsd(maker, effect),
                Platform::Linux => linux(maker, effect),
            };
            argvs.into_iter().map(CommandStep::from).collect()
        }
    }
}

/// ifconfig(8) and bhyvectl(8).
fn freebsd(maker: Option<&Maker>, effect: &Effect) -> Vec<Argv> {
    let ifconfig = || Argv::new("ifconfig");
    match effect {
        Effect::DestroyNode(name) => vec![bhyve::destroy(name)],
        Effect::DestroyTap(tap) => vec![ifconfig().arg(tap).arg("destroy")],
        Effect::Join { bridge, member, how } => freebsd_join(bridge, member, how),
        Effect::Leave { bridge, member, is_span } => {
            vec![ifconfig().arg(bridge).arg(if *is_span { "-span" } else { "deletem" }).arg(member)]
        }
        Effect::CreateLink(link) => freebsd_link(maker, link),
        Effect::DestroyLink(name) => vec![ifconfig().arg(name).arg("destroy")],
        Effect::AddRoute(router) => vec![freebsd_route("add", router)],
        Effect::DeleteRoute(router) => vec![freebsd_route("delete", router)],
        Effect::CreateJail { jail, machine, passes_devices } => {
            vec![bhyve::create_jail(jail, machine, *passes_devices)]
        }
        Effect::RemoveJail(jail) => vec![bhyve::remove_jail(jail)],
        Effect::Lend { jail, tap } => jail::lend(jail, tap),
        Effect::Reclaim { jail, tap } => jail::reclaim(jail, tap),
        Effect::CreateInner(inner) => jail::create_inner(maker, inner),
        Effect::DestroyInner(inner) => vec![jail::destroy_inner(inner)],
        Effect::Umask(_)
        | Effect::Truncate { .. }
        | Effect::WriteImage { .. }
        | Effect::WriteFile { .. }
        | Effect::MakeHostKey(_)
        | Effect::CopyVars { .. }
        | Effect::MakeCgroup(_)
        | Effect::RemoveCgroup(_)
        | Effect::IscsiLogin(_)
        | Effect::IscsiLogout(_)
        | Effect::Disk(_)
        | Effect::Fetch(_)
        | Effect::StartHelper(_)
        | Effect::EndHelper(_)
        | Effect::Run(_)
        | Effect::Make { .. } => Vec::new(),
    }
}

/// Returns the name that an interface has on Linux until it is marked. ip(8) cannot make one and mark it at once, and one without a
/// mark could be anybody's; a name is given and marked at once.
pub(crate) fn unmarked(tap: &InterfaceName) -> String {
    const END: &str = ".new";
    let name = tap.as_str();
    format!("{}{END}", name.get(..InterfaceName::MAX - END.len()).unwrap_or(name))
}

/// ip(8) of iproute2. Linux has no vmm nodes.
fn linux(maker: Option<&Maker>, effect: &Effect) -> Vec<Argv> {
    let ip = |words: &[&str]| Argv::new("ip").args(words);
    match effect {
        Effect::DestroyTap(tap) => vec![ip(&["link", "delete", "dev", tap.as_str()])],
        Effect::Join { bridge, member, how } => linux_join(bridge, member, how),
        Effect::Leave { member, .. } => vec![ip(&["link", "set", "dev", member.as_str(), "nomaster"])],
        Effect::CreateLink(link) => linux_link(maker, link),
        Effect::DestroyLink(name) => vec![ip(&["link", "delete", "dev", name.as_str()])],
        Effect::AddRoute(router) => vec![linux_route("add", router)],
        Effect::DeleteRoute(router) => vec![linux_route("delete", router)],
        Effect::DestroyNode(_)
        | Effect::CreateJail { .. }
        | Effect::RemoveJail(_)
        | Effect::Lend { .. }
        | Effect::Reclaim { .. }
        | Effect::CreateInner(_)
        | Effect::DestroyInner(_)
        | Effect::Umask(_)
        | Effect::Truncate { .. }
        | Effect::WriteImage { .. }
        | Effect::WriteFile { .. }
        | Effect::MakeHostKey(_)
        | Effect::CopyVars { .. }
        | Effect::MakeCgroup(_)
        | Effect::RemoveCgroup(_)
        | Effect::IscsiLogin(_)
        | Effect::IscsiLogout(_)
        | Effect::Disk(_)
        | Effect::Fetch(_)
        | Effect::StartHelper(_)
        | Effect::EndHelper(_)
        | Effect::Run(_)
        | Effect::Make { .. } => Vec::new(),
    }
}

/// ifconfig(8), bridge(4). An interface has its MTU before it joins: the first member gives the bridge its own, and a later one of
/// another is refused or changed.
fn freebsd_join(bridge: &InterfaceName, member: &InterfaceName, how: &Membership) -> Vec<Argv> {
    let ifconfig = |name: &InterfaceName| Argv::new("ifconfig").arg(name);
    let mtu = how.mtu.map(|mtu| ifconfig(member).arg("mtu").arg(mtu));
    mtu.into_iter().chain([ifconfig(bridge).args(how.words(member))]).collect()
}

/// ip-link(8). What bridges of Linux call otherwise, or do not have, is told of by the word.
fn linux_join(bridge: &InterfaceName, member: &InterfaceName, how: &Membership) -> Vec<Argv> {
    let set = || Argv::new("ip").args(["link", "set", "dev"]).arg(member);
    let mut argvs: Vec<Argv> = how.mtu.map(|mtu| set().arg("mtu").arg(mtu)).into_iter().collect();
    argvs.push(set().arg("master").arg(bridge));
    for (word, is_on) in &how.switches {
        let word = match *word {
            "private" => "isolated",
            "discover" => "flood",
            "learn" => "learning",
            _ => continue,
        };
        argvs.push(set().args(["type", "bridge_slave", word]).arg(if *is_on { "on" } else { "off" }));
    }
    argvs
}

/// route(8).
fn freebsd_route(what: &str, router: &Router) -> Argv {
    let argv = Argv::new("route").arg("-n").arg(what);
    (if router.ip().is_ipv6() { argv.arg("-6") } else { argv }).arg("default").arg(router)
}

/// ip-route(8), which takes a zone as the device.
fn linux_route(what: &str, router: &Router) -> Argv {
    let argv = Argv::new("ip");
    let argv = if router.ip().is_ipv6() { argv.arg("-6") } else { argv };
    let argv = argv.args(["route", what, "default", "via"]).arg(router.ip());
    router.zone().into_iter().fold(argv, |argv, zone| argv.arg("dev").arg(zone))
}

/// Returns what takes back what the first commands of an effect took, where a later one was refused: the first of these that can
/// be done.
pub(crate) fn halves(platform: Platform, is_marked: bool, effect: &Effect) -> Vec<Effect> {
    let is_unmarked = platform == Platform::Linux && is_marked;
    let new = |name: &InterfaceName| unmarked(name).parse().ok();
    match effect {
        Effect::CreateLink(link) if is_unmarked && link.kind == LinkKind::Tap => {
            new(&link.name).map(Effect::DestroyTap).into_iter().collect()
        }
        // It may have had its name already.
        Effect::CreateLink(link) if is_unmarked => {
            new(&link.name).into_iter().chain([link.name.clone()]).map(Effect::DestroyLink).collect()
        }
        // Half of the others is given back as the whole is.
        _ => undo(effect).into_iter().collect(),
    }
}

/// Returns the names of the interfaces that are there after that many of the commands of an effect which makes some: on Linux one
/// has its name with its mark.
pub(crate) fn names_after(platform: Platform, is_marked: bool, effect: &Effect, steps: usize) -> Vec<String> {
    let names = match effect {
        Effect::CreateLink(link) => link.names(),
        // No other effect makes interfaces that are there under a name of their own before it is done.
        _ => Vec::new(),
    };
    let first = match effect {
        Effect::CreateLink(link) if platform == Platform::FreeBsd && steps == 1 => naming::first_name(link),
        // On Linux, and after the second command, it has its own name.
        _ => None,
    };
    let is_named = |at: usize| platform != Platform::Linux || !is_marked || steps > at + 1;
    let name = |(at, name): (usize, &InterfaceName)| match &first {
        Some(first) => first.clone(),
        None if is_named(at) => name.to_string(),
        None => unmarked(name),
    };
    if steps == 0 { Vec::new() } else { names.into_iter().enumerate().map(name).collect() }
}

/// Returns what gives an effect back, if it takes something.
pub(crate) fn undo(effect: &Effect) -> Option<Effect> {
    match effect {
        Effect::CreateLink(link) if link.kind == LinkKind::Tap => Some(Effect::DestroyTap(link.name.clone())),
        Effect::Join { bridge, member, how } => {
            Some(Effect::Leave { bridge: bridge.clone(), member: member.clone(), is_span: how.is_span })
        }
        Effect::CreateLink(link) => Some(Effect::DestroyLink(link.name.clone())),
        Effect::AddRoute(router) => Some(Effect::DeleteRoute(router.clone())),
        Effect::CreateJail { jail, .. } => Some(Effect::RemoveJail(jail.name.clone())),
        Effect::Lend { jail, tap } => Some(Effect::Reclaim { jail: jail.clone(), tap: tap.clone() }),
        Effect::CreateInner(inner) => Some(Effect::DestroyInner(inner.clone())),
        Effect::MakeCgroup(folder) => Some(Effect::RemoveCgroup(folder.clone())),
        Effect::IscsiLogin(session) => Some(Effect::IscsiLogout(session.clone())),
        Effect::Disk(change) => change.opposite().map(|back| Effect::Disk(Box::new(back))),
        Effect::Umask(_)
        | Effect::Truncate { .. }
        | Effect::DestroyNode(_)
        | Effect::DestroyTap(_)
        | Effect::DestroyLink(_)
        | Effect::DeleteRoute(_)
        | Effect::RemoveJail(_)
        | Effect::RemoveCgroup(_)
        | Effect::IscsiLogout(_)
        | Effect::Reclaim { .. }
        | Effect::DestroyInner(_)
        | Effect::Leave { .. }
        | Effect::WriteImage { .. }
        | Effect::WriteFile { .. }
        | Effect::MakeHostKey(_)
        | Effect::CopyVars { .. }
        | Effect::Fetch(_)
        | Effect::StartHelper(_)
        | Effect::EndHelper(_)
        | Effect::Run(_)
        | Effect::Make { .. } => None,
    }
}

/// Returns the commands of an effect as children run them. On FreeBSD an interface that is made is anybody's until it is marked, by
/// a call of its own: one child does both, and takes away what it made if a later call is refused.
pub(crate) fn chains(platform: Platform, maker: Option<&Maker>, effect: &Effect) -> Vec<Chain> {
    let argvs = commands(platform, maker, effect).into_iter().map(|step| step.argv);
    // A command of the recipe hears what the terminal says.
    let is_apart = !matches!(effect, Effect::Run(_) | Effect::Make { .. });
    let made = match effect {
        Effect::CreateLink(link) if platform == Platform::FreeBsd => {
            // By the name that it has after each call.
            let names = naming::first_name(link).into_iter().chain([link.name.to_string()]);
            names.map(|name| Argv::new("ifconfig").arg(name).arg("destroy")).collect()
        }
        Effect::Join { .. } | Effect::Reclaim { .. } => Vec::new(),
        Effect::Lend { jail, tap } => jail::reclaim(jail, tap).into_iter().take(1).collect(),
        Effect::CreateInner(inner) => jail::undone(inner),
        // Half of the others leaves nothing that would have to be taken back.
        _ => return argvs.map(|argv| Chain { is_apart, ..argv.into() }).collect(),
    };
    vec![Chain { argvs: argvs.collect(), made, is_apart, folder: None }]
}

/// Returns the fault of an effect that was refused, with the way out where the host's words need one.
pub(crate) fn explained(platform: Platform, effect: &Effect, fault: Fault) -> Fault {
    let is_made = matches!(effect, Effect::CreateLink(_)) && platform == Platform::FreeBsd;
    // The number of an interface that was renamed stays taken (12.1, ifconfig-names-groups.txt); that of a vlan's tag and card too.
    if is_made && fault.message.contains("SIOCIFCREATE2") && fault.message.ends_with("File exists") {
        return fault.hint("an interface that was renamed has its number: choose another, or destroy that one");
    }
    if let Effect::IscsiLogin(session) = effect {
        return iscsi::explained(platform, session, fault);
    }
    fault
}

/// Half of an effect is none: what its first commands took goes back, where a later one was refused with this fault. Returns the
/// fault, which tells of what could not be taken back.
pub(crate) fn take_back(
    host: &mut dyn Effects,
    platform: Platform,
    is_marked: bool,
    effect: &Effect,
    fault: Fault,
) -> Fault {
    let halves = halves(platform, is_marked, effect);
    if halves.is_empty() || halves.iter().any(|back| host.perform(back).is_ok()) {
        return fault;
    }
    let backs = halves.iter().flat_map(|back| commands(platform, None, back));
    let backs: Vec<String> = backs.map(|step| step.argv.to_string()).collect();
    program::stays(fault, &backs.join(" || "))
}
