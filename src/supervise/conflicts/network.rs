//! What a host has against the network that a recipe makes or joins.

use crate::diag::Fault;
use crate::host::commands::unmarked;
use crate::host::worlds::rehearsal::Rehearsed;
use crate::host::{Effect, Host, Interface, InterfaceKind, Platform};
use crate::model::Link;
use crate::network::naming;
use crate::supervise::recovery::{self, left};
use std::rc::Rc;

/// How often it is looked again whose an interface is.
const GLANCES: usize = 10;

/// Returns what speaks against the name of an interface that is made, whatever is there.
pub(crate) fn against_name(host: &dyn Host, link: &Link) -> Option<Fault> {
    if host.settings().platform == Platform::FreeBsd && !host.settings().user_net { naming::fault(link) } else { None }
}

/// Returns what the host has against a recipe, by its path, that makes a tap or another interface of that name.
pub(crate) fn against_making(host: &dyn Host, name: &str, recipe: &str) -> Result<Option<Fault>, Fault> {
    if host.settings().user_net {
        return Ok(None);
    }
    let found = glanced(host, name, |one| one.is_ours || one.elsewhere.is_some())?;
    if let Some(interface) = found {
        let owner = interface.mark.as_ref().and_then(|machine| Some((machine, recovery::holder(host, machine)?)));
        if let Some((machine, owner)) = owner {
            let who = owner.as_ref().map(|owner| format!(", {owner}")).unwrap_or_default();
            let fault = Fault::busy(format!("{name} is in use by the machine {machine}{who}"));
            return Ok(Some(fault.hint(recovery::against_interface(host, machine, owner.as_ref(), recipe))));
        }
        if let Some(machine) = &interface.elsewhere {
            let fault = Fault::host(format!("{name} is of the machine {machine} of another vmrun"));
            return Ok(Some(fault.hint("it keeps its state in another folder; choose another name, or stop it there")));
        }
        let how = recovery::taking_away(host, name);
        let fault = Fault::new(format!("{name} is there already, and this run did not make it"));
        return Ok(Some(fault.hint(format!("choose another name, or remove it: {how}"))));
    }
    Ok(None)
}

/// Returns an interface that is there, and nobody's who is known. One that another run makes at this moment has its mark, or its name, a
/// moment later.
fn glanced(host: &dyn Host, name: &str, is_known: impl Fn(&Interface) -> bool) -> Result<Option<Interface>, Fault> {
    let find = |all: Rc<[Interface]>| all.iter().find(|interface| interface.name == name).cloned();
    let mut found = find(host.interfaces()?);
    for _ in 0..GLANCES {
        if host.is_assumed() || found.as_ref().is_none_or(&is_known) {
            break;
        }
        host.processes().pause();
        found = find(host.interfaces_anew()?);
    }
    Ok(found)
}

/// Returns what speaks against the names that an interface, or a pair, has on Linux until it is marked. Somebody else's of such a name would
/// be taken for half of ours, once a run was killed there.
pub(crate) fn against_half(host: &dyn Host, link: &Link) -> Result<Option<Fault>, Fault> {
    if host.settings().platform != Platform::Linux || host.settings().user_net {
        return Ok(None);
    }
    let names = link.names();
    // Of a pair the first end is noted, and both are there.
    let is_left = || names.iter().any(|name| left::is_half_made(host, name.as_str()));
    for name in &names {
        let unnamed = unmarked(name);
        if glanced(host, &unnamed, |_| is_left())?.is_some() && !is_left() {
            let how = recovery::taking_away(host, &unnamed);
            let fault = Fault::new(format!("{unnamed} is there already, and {name} is called so until it is marked"));
            return Ok(Some(fault.hint(format!("choose another name, or give that one another: {how} removes it"))));
        }
    }
    Ok(None)
}

/// Returns what the host has against making a VLAN of an interface.
pub(crate) fn against_parent(host: &dyn Host, name: &str) -> Result<Option<Fault>, Fault> {
    if host.is_assumed() || host.settings().user_net {
        return Ok(None);
    }
    let all = host.interfaces()?;
    if all.iter().any(|interface| interface.name == name) {
        return Ok(None);
    }
    let (here, made) = here_and_made(host, &all, |_| true);
    Ok(Some(
        Fault::new(format!("the interface {name} is not there")).hint(format!("interfaces on this host: {here}{made}")),
    ))
}

/// Returns the names of interfaces for a hint: those of the host, and those that the recipe makes, with what makes them.
fn here_and_made(host: &dyn Host, all: &[Interface], is_meant: impl Fn(&Interface) -> bool) -> (String, String) {
    let makes = |one: &Interface, done: &Rehearsed| match done {
        Rehearsed::Effect(Effect::CreateLink(link)) => link.names().iter().any(|name| name.as_str() == one.name),
        Rehearsed::Effect(_) | Rehearsed::Boot(_) => false,
    };
    let is_made =
        |one: &&Interface| host.rehearsal().is_some_and(|known| known.done.iter().any(|done| makes(one, done)));
    let (made, here): (Vec<&Interface>, Vec<&Interface>) = all.iter().filter(|one| is_meant(one)).partition(is_made);
    let names = |all: &[&Interface]| crate::diag::suggest::list(all.iter().map(|one| one.name.as_str()));
    let made = if made.is_empty() { String::new() } else { format!("; the recipe makes {}", names(&made)) };
    (names(&here), made)
}

/// Returns what an interface that a recipe puts into a bridge cannot do: a wireless station sends frames with its own address alone, so that
/// FreeBSD's bridge gets no answers through it (handbook, wireless networks) and Linux refuses it (brctl: Operation not supported). What is
/// an access point can be a member, which its name does not tell.
pub(crate) fn against_member(host: &dyn Host, name: &str) -> Option<Fault> {
    let is_wireless = match host.settings().platform {
        Platform::FreeBsd => name.strip_prefix("wlan").is_some_and(|unit| unit.parse::<u16>().is_ok()),
        Platform::Linux => name.starts_with("wl"),
    };
    let fault =
        || Fault::new(format!("{name} is wireless: as a station of a network it cannot be a member of a bridge"));
    let hint = "an access point can; else leave it out, and have the host route between the bridge and it (NAT)";
    (is_wireless && !host.settings().user_net).then(|| fault().hint(hint))
}

/// Returns what the host has against making or joining interfaces at all.
pub(crate) fn against_network(host: &dyn Host) -> Option<Fault> {
    let program = match host.settings().platform {
        Platform::FreeBsd => "ifconfig",
        Platform::Linux => "ip",
    };
    if host.settings().user_net {
        None
    } else if !host.rights().network {
        // What opens a tap that is there: tap(4).
        let hint = match host.settings().platform {
            Platform::FreeBsd => {
                "run vmrun as root, or use a tap that root has made and given away: net.link.tap.user_open=1, chown USER /dev/tapN"
            }
            Platform::Linux => "run vmrun as root, or with --user-net",
        };
        Some(Fault::host("making interfaces needs root").hint(hint))
    } else if !host.has_program(program) {
        let hint = match host.settings().platform {
            Platform::FreeBsd => "ifconfig is part of FreeBSD's base system; is PATH right?",
            Platform::Linux => "apt-get install iproute2 brings it",
        };
        Some(Fault::host(format!("`{program}` is not installed")).hint(hint))
    } else {
        None
    }
}

/// Returns what the host has against joining a bridge.
pub(crate) fn against_bridge(host: &dyn Host, name: &str) -> Result<Option<Fault>, Fault> {
    if host.is_assumed() || host.settings().user_net {
        return Ok(None);
    }
    let all = host.interfaces()?;
    match all.iter().find(|interface| interface.name == name) {
        Some(interface) if interface.kind == InterfaceKind::Bridge => Ok(None),
        Some(_) => {
            let fault = Fault::new(format!("{name} is not a bridge"));
            let (here, made) = here_and_made(host, &all, |one| one.kind == InterfaceKind::Bridge);
            let there = (!here.is_empty()).then(|| format!("bridges on this host: {here}{made}"));
            Ok(Some(fault.hint("name the bridge of which it is a member").maybe_hint(there)))
        }
        None => {
            let (here, made) = here_and_made(host, &all, |one| one.kind == InterfaceKind::Bridge);
            let hint = match (host.settings().platform, here.is_empty()) {
                (_, false) => format!("bridges on this host: {here}{made}"),
                (Platform::FreeBsd, true) => format!("make it: ifconfig {name} create up"),
                (Platform::Linux, true) => format!("make it: ip link add {name} type bridge; ip link set {name} up"),
            };
            Ok(Some(Fault::new(format!("the bridge {name} is not there")).hint(hint)))
        }
    }
}
