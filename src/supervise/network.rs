//! A network recipe set against the host: what is missing of it, what is not as it says, and what of it is ours.

use super::gone::gone;
use super::{interrupted, recovery};
use crate::diag::Fault;
use crate::host::commands::undo;
use crate::host::interfaces::{self, bridge_of};
use crate::host::marks;
use crate::host::{Effect, Host, Interface, InterfaceKind, Platform};
use crate::model::{InterfaceName, Link, LinkKind, Router, Vxlan};
use crate::network::Network;

/// What is done with a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It is made.
    Up,
    /// It is taken away, in the reverse order of what is meant.
    Down,
}

/// What the host has to say of one part of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is as it should be, or it is gone already.
    Done,
    /// This has to be done.
    Do(Effect),
    /// It is there and not ours: it stays as it is.
    NotOurs,
    /// It is not as it should be.
    Wrong(Fault),
}

/// Returns what effects mean as a network, or the first one that is no part of any.
pub(crate) fn network<'a>(effects: impl IntoIterator<Item = &'a Effect>) -> Result<Network, (usize, Fault)> {
    let mut network = Network::default();
    for (at, effect) in effects.into_iter().enumerate() {
        match effect {
            Effect::CreateLink(link) if link.kind == LinkKind::Tap => {
                let fault = Fault::new(format!("the tap {} is no part of a network that stays", link.name));
                return Err((
                    at,
                    fault.hint("a machine's tap comes and goes with its machine: make it in that recipe"),
                ));
            }
            Effect::CreateLink(link) => network.links.push((**link).clone()),
            Effect::Join { bridge, member, how } => {
                network.members.push((bridge.clone(), member.clone(), how.clone()));
            }
            Effect::AddRoute(router) => match network.routers.iter().find(|known| known.is_like(router)) {
                Some(other) => {
                    let fault = Fault::new(format!("there is a default router already: {other}"));
                    return Err((at, fault.hint("a host has one for each version of IP")));
                }
                None => network.routers.push(router.clone()),
            },
            Effect::Umask(_)
            | Effect::Truncate { .. }
            | Effect::DestroyNode(_)
            | Effect::DestroyTap(_)
            | Effect::Leave { .. }
            | Effect::DestroyLink(_)
            | Effect::DeleteRoute(_)
            | Effect::CreateJail { .. }
            | Effect::RemoveJail(_)
            | Effect::MakeCgroup(_)
            | Effect::RemoveCgroup(_)
            | Effect::IscsiLogin(_)
            | Effect::IscsiLogout(_)
            | Effect::Lend { .. }
            | Effect::Reclaim { .. }
            | Effect::CreateInner(_)
            | Effect::DestroyInner(_)
            | Effect::WriteFile { .. }
            | Effect::WriteImage { .. }
            | Effect::MakeHostKey(_)
            | Effect::CopyVars { .. }
            | Effect::Disk(_)
            | Effect::Fetch(_)
            | Effect::StartHelper(_)
            | Effect::EndHelper(_)
            | Effect::Run(_)
            | Effect::Make { .. } => {
                let fault = Fault::new("a network recipe makes a network and nothing else");
                return Err((
                    at,
                    fault.hint("vlan, vxlan, bridge with `create: true`, epair, default_router, bridge.add"),
                ));
            }
        }
    }
    Ok(network)
}

/// Returns the interfaces of a host as they are now, whatever a rehearsal has made.
fn states(host: &dyn Host) -> Result<Vec<Interface>, Fault> {
    marks::read(host, &|argv| host.query(argv))
}

/// Returns the default router of a host, of the same version of IP as that one; that one, if there are several and it is among them.
fn default_router(host: &dyn Host, like: &Router) -> Result<Option<Router>, Fault> {
    interfaces::default_router(host.settings().platform, &|argv| host.query(argv), like)
}

/// The interfaces of a host beside those that a recipe means.
struct Site<'a> {
    states: Vec<Interface>,
    meant: &'a [Effect],
}

impl Site<'_> {
    fn state(&self, name: &InterfaceName) -> Option<&Interface> {
        self.states.iter().find(|state| state.name == name.as_str())
    }

    fn means(&self, name: &str) -> bool {
        let made = |effect: &Effect| matches!(effect, Effect::CreateLink(link) if link.names().iter().any(|made| made.as_str() == name));
        self.meant.iter().any(made)
    }

    /// Returns how another interface uses one that is to be taken away, in words: as its member, or as a VLAN of it. What a run that is
    /// dead has left is nobody's any more.
    fn use_of(&self, host: &dyn Host, link: &Link, state: &Interface, other: &Interface) -> Option<String> {
        let joins = |effect: &Effect| matches!(effect, Effect::Join { bridge, member, .. } if *bridge == link.name && member.as_str() == other.name);
        let is_vlan = matches!(&other.kind, InterfaceKind::Vlan { parent, .. } if *parent == state.name);
        let uses = is_vlan || state.members.contains(&other.name) && !self.meant.iter().any(joins);
        if !uses || self.means(&other.name) {
            return None;
        }
        match &other.mark {
            Some(machine) => {
                let lives = other.is_open || !recovery::is_left(host, other);
                lives.then(|| format!("{} of the machine {machine}", other.name))
            }
            None => (is_vlan || !other.is_ours).then(|| other.name.clone()),
        }
    }

    /// Whether it is ours, or about to be.
    fn is_ours(&self, name: &InterfaceName) -> bool {
        match self.state(name) {
            Some(state) => state.is_ours,
            None => self.means(name.as_str()),
        }
    }
}

impl Change {
    /// Returns what is to be done, for each part of what is meant, with its number there.
    pub(crate) fn verdicts(self, host: &dyn Host, meant: &[Effect]) -> Result<Vec<(usize, Verdict)>, Fault> {
        Ok(match self {
            Self::Up => up(host, meant)?.into_iter().enumerate().collect(),
            Self::Down => (0..meant.len()).rev().zip(down(host, meant)?).collect(),
        })
    }

    /// Does it.
    pub(crate) fn perform(self, host: &mut dyn Host, effects: &[Effect]) -> Result<(), Vec<Fault>> {
        match self {
            Self::Up => make(host, effects),
            Self::Down => take_away(host, effects),
        }
    }
}

/// Everything that is meant is to be there.
fn up(host: &dyn Host, meant: &[Effect]) -> Result<Vec<Verdict>, Fault> {
    let site = Site { states: states(host)?, meant };
    let verdict = |effect: &Effect| {
        Ok(match effect {
            Effect::CreateLink(link) => made(&site, link),
            Effect::Join { bridge, member, .. } => joined(&site, effect, bridge, member),
            Effect::AddRoute(router) => match default_router(host, router)? {
                Some(there) if there == *router => Verdict::Done,
                Some(there) => Verdict::Wrong(
                    Fault::host(format!("the default router is {there}, not {router}"))
                        .hint("it is not vmrun's: change it, or the recipe"),
                ),
                None => Verdict::Do(effect.clone()),
            },
            // A network is made of these.
            _ => Verdict::Done,
        })
    };
    meant.iter().map(verdict).collect()
}

/// Returns what may not be meant, though it can be done.
pub(crate) fn doubts(host: &dyn Host, network: &Network) -> Result<Vec<Fault>, Fault> {
    let mut doubts = Vec::new();
    if host.settings().platform == Platform::Linux {
        for (bridge, member, _) in &network.members {
            if let Some(link) = network.links.iter().find(|link| link.name == *member && !link.addresses.is_empty()) {
                let fault = Fault::new(format!("nobody hears the address of {}, a member of {bridge}", link.name));
                doubts.push(fault.hint("on Linux the address belongs to the bridge"));
            }
        }
    }
    if !host.is_assumed() {
        let states = states(host)?;
        for link in &network.links {
            let (LinkKind::Vlan { parent, .. } | LinkKind::Vxlan(Vxlan { dev: Some(parent), .. })) = &link.kind else {
                continue;
            };
            if states.iter().any(|state| state.name == parent.as_str() && !state.up) {
                let fault = Fault::new(format!("{parent}, which carries {}, is down", link.name));
                doubts.push(fault.hint("it is not vmrun's to change: bring it up, or nothing gets through"));
            }
        }
    }
    Ok(doubts)
}

fn made(site: &Site<'_>, link: &Link) -> Verdict {
    let Some(state) = site.state(&link.name) else {
        return Verdict::Do(Effect::CreateLink(Box::new(link.clone())));
    };
    let wrong = differences(link, state);
    if wrong.is_empty() {
        return Verdict::Done;
    }
    let fault = Fault::host(format!("{} is there, and not as the recipe says: {}", link.name, wrong.join("; ")));
    Verdict::Wrong(fault.hint(if state.is_ours {
        "it is vmrun's: take the network down and bring it up again"
    } else {
        "it is not vmrun's: change it, or the recipe"
    }))
}

fn differences(link: &Link, state: &Interface) -> Vec<String> {
    let mut wrong = Vec::new();
    let alike = match (&link.kind, &state.kind) {
        (LinkKind::Vlan { parent, tag }, InterfaceKind::Vlan { parent: its, tag: number }) => {
            parent.as_str() == its && tag.get() == *number
        }
        (LinkKind::Vxlan(_), InterfaceKind::Vxlan { .. }) => InterfaceKind::of(&link.kind) == state.kind,
        (LinkKind::Bridge, InterfaceKind::Bridge)
        | (LinkKind::Pair { .. }, InterfaceKind::Pair)
        | (LinkKind::Tap, InterfaceKind::Tap) => true,
        _ => false,
    };
    if !alike {
        wrong.push(format!("it is {}, not {}", state.kind.words(), link.kind.words()));
    }
    for address in link.addresses.iter().filter(|address| !state.addresses.contains(address)) {
        wrong.push(format!("it has no address {address}"));
    }
    if let Some(mtu) = link.mtu.filter(|mtu| u32::from(*mtu) != state.mtu) {
        wrong.push(format!("its MTU is {}, not {mtu}", state.mtu));
    }
    match (link.up, state.up) {
        (true, false) => wrong.push("it is down".into()),
        (false, true) => wrong.push("it is up".into()),
        _ => {}
    }
    wrong
}

fn joined(site: &Site<'_>, effect: &Effect, bridge: &InterfaceName, member: &InterfaceName) -> Verdict {
    let state = site.state(member);
    if let Some(other) = bridge_of(&site.states, member.as_str()) {
        if other == bridge.as_str() {
            return Verdict::Done;
        }
        let fault = Fault::host(format!("{member} is a member of {other}, not of {bridge}"));
        return Verdict::Wrong(fault.hint("an interface is a member of one bridge at most"));
    }
    if state.is_none() && !site.means(member.as_str()) {
        return Verdict::Wrong(Fault::host(format!("the interface {member} is not there")).hint("nothing was changed"));
    }
    if !site.is_ours(bridge) && !site.is_ours(member) {
        let fault = Fault::host(format!("neither {bridge} nor {member} is vmrun's"));
        return Verdict::Wrong(fault.hint("vmrun joins what it made; the rest belongs into rc.conf or the like"));
    }
    Verdict::Do(effect.clone())
}

/// Nothing of ours is to be there any more.
fn down(host: &dyn Host, meant: &[Effect]) -> Result<Vec<Verdict>, Fault> {
    let site = Site { states: states(host)?, meant };
    let verdict = |effect: &Effect| {
        Ok(match effect {
            Effect::CreateLink(link) => unmade(host, &site, link),
            Effect::AddRoute(router) if default_router(host, router)?.as_ref() == Some(router) => {
                // A route has no mark: it is ours if it leads through what is ours.
                let leads = |state: &&Interface| match router.zone() {
                    Some(zone) => state.name == zone.as_str(),
                    None => state.addresses.iter().any(|address| address.reaches(router.ip())),
                };
                match site.states.iter().find(leads) {
                    Some(state) if state.is_ours => Verdict::Do(Effect::DeleteRoute(router.clone())),
                    _ => Verdict::NotOurs,
                }
            }
            // A membership ends with whichever of the two is ours.
            _ => Verdict::Done,
        })
    };
    meant.iter().rev().map(verdict).collect()
}

fn unmade(host: &dyn Host, site: &Site<'_>, link: &Link) -> Verdict {
    let Some(state) = site.state(&link.name) else { return Verdict::Done };
    if !state.is_ours {
        return Verdict::NotOurs;
    }
    let users: Vec<String> = site.states.iter().filter_map(|other| site.use_of(host, link, state, other)).collect();
    if users.is_empty() {
        return Verdict::Do(Effect::DestroyLink(link.name.clone()));
    }
    let what = if link.kind == LinkKind::Bridge { "the bridge " } else { "" };
    let fault = Fault::host(format!("{what}{} is in use by {}", link.name, users.join(", ")));
    Verdict::Wrong(fault.hint("stop the machines that use it first"))
}

/// Does all of it, or nothing: what was done before a step that fails is undone in reverse.
fn make(host: &mut dyn Host, effects: &[Effect]) -> Result<(), Vec<Fault>> {
    for (at, effect) in effects.iter().enumerate() {
        let done = if host.stop_asked() { Err(interrupted()) } else { host.perform(effect).map(drop) };
        if let Err(fault) = done {
            let back = effects[..at].iter().rev().filter_map(undo);
            let failed = back.filter_map(|back| host.perform(&back).err());
            return Err(std::iter::once(fault).chain(failed).collect());
        }
    }
    Ok(())
}

/// Takes all of it away, and goes on past a step that fails.
fn take_away(host: &mut dyn Host, effects: &[Effect]) -> Result<(), Vec<Fault>> {
    let mut faults = Vec::new();
    for effect in effects {
        // What was there a moment ago may be gone by now: a pair goes with either of its ends.
        faults.extend(host.perform(effect).err().filter(|_| gone(host, effect).is_none()));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}
