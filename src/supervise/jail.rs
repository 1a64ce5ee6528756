//! The jail in which a machine's bhyve runs: one that is there is only entered, one that is made for it goes with it. Its taps are lent to
//! the network of the jail, each with a bridge there and a pair that leads to the host's bridge.

use super::Run;
use super::holds::Hold;
use super::recovery::{Back, Left};
use crate::bhyve;
use crate::diag::Fault;
use crate::host::boot_plan::BootPlan;
use crate::host::interfaces::freebsd::parse_interfaces;
use crate::host::marks;
use crate::host::{Effect, Host, Inner, Interface, Platform};
use crate::model::{Argv, InterfaceName, Jail, JailName, Link, LinkKind, Machine, Membership, VmName};

/// Returns the taps that a machine's cards have.
pub(super) fn taps(machine: &Machine) -> impl Iterator<Item = &InterfaceName> {
    machine.devices().filter_map(|(_, device)| device.tap())
}

/// Returns the interfaces in the network of a jail that is there.
pub(super) fn interfaces_in(host: &dyn Host, jail: &JailName) -> Result<Vec<Interface>, Fault> {
    host.query(&bhyve::within(jail, &Argv::new("ifconfig").arg("-a")))
        .map(|text| marks::seen(host, parse_interfaces(&text)))
}

impl Run {
    /// Makes the jail of a machine, if it is to be made; once for all boots of a run.
    pub(super) fn make_jail(&mut self, machine: &Machine) -> Result<(), Fault> {
        let is_freebsd = self.host.settings().platform == Platform::FreeBsd;
        let Some(jail) = machine.jail().filter(|jail| jail.is_made && is_freebsd) else { return Ok(()) };
        let passes_devices = machine.devices().any(|(_, device)| device.kind().name == "passthru");
        let effect = Effect::CreateJail { jail: jail.clone(), machine: machine.name().clone(), passes_devices };
        self.act(&effect).map(drop)
    }

    /// Takes the taps of a machine into the network of its jail, if the run has made them; once for all boots of a run.
    pub(super) fn lend_taps(&mut self, machine: &Machine) -> Result<(), Fault> {
        let settings = self.host.settings();
        let has_interfaces = settings.platform == Platform::FreeBsd && !settings.user_net;
        let Some(jail) = machine.jail().filter(|_| has_interfaces).cloned() else { return Ok(()) };
        for tap in taps(machine) {
            if self.has_made_tap(tap) && !self.is_lent(tap) {
                // It leaves its bridge by going, and has to be there before.
                self.settle()?;
                self.lend(&jail, tap)?;
            }
        }
        Ok(())
    }

    /// Makes the control group of a machine, if it has one; once for all boots of a run.
    pub(super) fn make_cgroup(&mut self, plan: &BootPlan) -> Result<(), Fault> {
        let Some(group) = &plan.cgroup else { return Ok(()) };
        self.act(&Effect::MakeCgroup(group.folder.clone())).map(drop)
    }

    fn lend(&mut self, jail: &Jail, tap: &InterfaceName) -> Result<(), Fault> {
        let lend = Effect::Lend { jail: jail.name.clone(), tap: tap.clone() };
        let Some((bridge, how)) = self.bridge_of(tap) else { return self.act(&lend).map(drop) };
        let (pair, half, inner) = self.names_for(jail, tap)?;
        let mtu = how.mtu.or_else(|| self.made_mtu(tap));
        let kind = LinkKind::Pair { peer: half.clone() };
        self.act(&Effect::CreateLink(Box::new(Link { mtu, ..Link::new(pair.clone(), kind) })))?;
        self.act(&Effect::Join { bridge, member: pair, how: Membership { mtu: None, ..how } })?;
        self.act(&lend)?;
        let inner = Inner { jail: jail.name.clone(), bridge: inner, half, tap: tap.clone() };
        self.act(&Effect::CreateInner(Box::new(inner))).map(drop)
    }

    /// Returns the bridge that the run has put a tap of its own into.
    fn bridge_of(&self, tap: &InterfaceName) -> Option<(InterfaceName, Membership)> {
        self.joined.iter().find_map(|effect| match effect {
            Effect::Join { bridge, member, how } if member == tap => Some((bridge.clone(), how.clone())),
            // Only a membership names a bridge.
            _ => None,
        })
    }

    fn made_mtu(&self, tap: &InterfaceName) -> Option<u16> {
        self.holds.iter().find_map(|hold| match hold {
            Hold::Effect(Effect::CreateLink(link)) if link.name == *tap => link.mtu,
            Hold::Effect(_)
            | Hold::Lock(_)
            | Hold::Node(_)
            | Hold::Image(..)
            | Hold::Temporary(_)
            | Hold::Link(_)
            | Hold::Jail(_)
            | Hold::Helper { .. }
            | Hold::Guest { .. } => None,
        })
    }

    /// Returns names for both halves of a pair and for a bridge in the jail that nothing has: by the number of the tap, or by the next
    /// that is free. In a jail that is only entered there may be bridges.
    fn names_for(
        &self,
        jail: &Jail,
        tap: &InterfaceName,
    ) -> Result<(InterfaceName, InterfaceName, InterfaceName), Fault> {
        let here = self.host.interfaces()?;
        let looks = !jail.is_made && !self.host.is_assumed();
        let mut there = if looks { interfaces_in(&*self.host, &jail.name)? } else { Vec::new() };
        // What the run has put there, which a rehearsal only imagines.
        let inner = self.holds.iter().filter_map(|hold| match hold {
            Hold::Effect(Effect::CreateInner(inner)) if inner.jail == jail.name => Some(inner.bridge.as_str()),
            Hold::Effect(_)
            | Hold::Lock(_)
            | Hold::Node(_)
            | Hold::Image(..)
            | Hold::Temporary(_)
            | Hold::Link(_)
            | Hold::Jail(_)
            | Hold::Helper { .. }
            | Hold::Guest { .. } => None,
        });
        there.extend(inner.map(|name| Interface::new(name, crate::host::InterfaceKind::Bridge)));
        let is_free = |all: &[Interface], names: &[&str]| !all.iter().any(|one| names.contains(&one.name.as_str()));
        let own = tap.as_str().trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(0);
        let numbers = || own..=i32::MAX;
        let pair = |number: &i32| {
            let (a, b) = (format!("epair{number}a"), format!("epair{number}b"));
            is_free(&here, &[&a, &b]) && is_free(&there, &[&a, &b])
        };
        let bridge = |number: &i32| is_free(&there, &[&format!("bridge{number}")]);
        let number = numbers().find(pair).unwrap_or_default();
        let inner = numbers().find(bridge).unwrap_or_default();
        Ok((format!("epair{number}a").parse()?, format!("epair{number}b").parse()?, format!("bridge{inner}").parse()?))
    }

    fn is_lent(&self, name: &InterfaceName) -> bool {
        self.holds.iter().any(|hold| matches!(hold, Hold::Effect(Effect::Lend { tap, .. }) if tap == name))
    }

    /// Whether an effect would put a tap into a bridge that the run has lent to a jail, where it has one.
    pub(super) fn is_of_lent(&self, effect: &Effect) -> bool {
        matches!(effect, Effect::Join { member, .. } if self.is_lent(member))
    }
}

/// A jail that a dead run has made goes, if it is still that one: another of its name stays.
pub(super) fn undo(host: &dyn Host, jail: &JailName, left: &mut Left) {
    match host.query(&bhyve::look_at_jail(jail)) {
        Ok(parameters) if bhyve::is_made_for(&parameters, &left.name) => {
            left.backs.push(Back::Effect(Effect::RemoveJail(jail.clone())));
        }
        Err(fault) if bhyve::is_no_jail(&fault.message) => {}
        Ok(_) | Err(_) => left.kept.push(format!("the jail {jail}")),
    }
}

/// A tap that a dead run has lent to a jail comes back and goes, if it is still that one. Without its jail it has come back by itself.
pub(super) fn undo_loan(host: &dyn Host, jail: &JailName, tap: &InterfaceName, left: &mut Left) {
    match interfaces_in(host, jail) {
        Ok(there) => {
            let Some(one) = there.iter().find(|one| one.name == tap.as_str()) else { return };
            if one.description_machine.as_ref() == Some(&left.name) {
                left.backs.push(Back::Effect(Effect::Reclaim { jail: jail.clone(), tap: tap.clone() }));
                left.backs.push(Back::Effect(Effect::DestroyTap(tap.clone())));
            } else {
                left.kept.push(format!("{tap} in the jail {jail}"));
            }
        }
        Err(fault) if bhyve::is_no_jail(&fault.message) => {}
        Err(_) => left.kept.push(format!("{tap} in the jail {jail}")),
    }
}

/// A bridge that a dead run has made in a jail goes, if it is still that one. Without its jail it is gone.
pub(super) fn undo_inner(host: &dyn Host, inner: &Inner, left: &mut Left) {
    let Inner { jail, bridge, .. } = inner;
    match interfaces_in(host, jail) {
        Ok(there) => {
            let Some(one) = there.iter().find(|one| one.name == bridge.as_str()) else { return };
            if one.mark.as_ref() == Some(&left.name) {
                left.backs.push(Back::Effect(Effect::DestroyInner(Box::new(inner.clone()))));
            } else {
                left.kept.push(format!("{bridge} in the jail {jail}"));
            }
        }
        Err(fault) if bhyve::is_no_jail(&fault.message) => {}
        Err(_) => left.kept.push(format!("{bridge} in the jail {jail}")),
    }
}

/// Whether a tap that is on the host again was lent by the run of that machine: it has lost its group on the way, and only what
/// describes it says whose it is.
pub(super) fn was_lent(holds: &[Hold], one: &Interface, machine: &VmName) -> bool {
    let is_lent = |hold: &Hold| matches!(hold, Hold::Effect(Effect::Lend { tap, .. }) if tap.as_str() == one.name);
    one.description_machine.as_ref() == Some(machine) && holds.iter().any(is_lent)
}
