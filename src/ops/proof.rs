//! The rehearsal of a recipe that was written by vmrun, to see whether it does what it was written of.

pub(super) mod boots;

use crate::diag::Diagnostic;
use crate::host::commands::commands;
use crate::host::interfaces::freebsd;
use crate::host::worlds::elsewhere::Elsewhere;
use crate::host::worlds::rehearsal::{Rehearsal, Rehearsed};
use crate::host::{CommandStep, Effect, Interface, InterfaceKind, Platform};
use crate::import::commands_proof::{Deeds, deeds, loaded};
use crate::import::{proof, recorded, umasks, written};
use crate::model::{InterfaceName, Link, LinkKind, Machine, NetAddress, Target};
use crate::recording::{Call, Recording, merge};
use crate::script::{Inputs, Recipe};
use crate::supervise::Run;
use crate::supervise::conflicts::Purpose;
use std::net::IpAddr;

/// Rehearses a recipe on a host that has whatever it needs, but the interfaces and the files that were there when its script was recorded, and returns what it would have done.
pub(super) fn rehearsed(
    recipe: &Recipe,
    target: Target,
    recording: &Recording,
    init: bool,
) -> Result<Vec<Rehearsed>, Vec<Diagnostic>> {
    let missing = recording.files.iter().filter(|file| !file.is_there).map(|file| file.path.clone().into());
    let rehearsal = Rehearsal::new(Box::new(Elsewhere::alone(target).with(&found(recording, target)).without(missing)));
    let inputs = Inputs { init, ..Inputs::default() };
    let evaluated = recipe.evaluate(Run::new(Box::new(rehearsal)), &inputs, Some(Purpose::Plan));
    if evaluated.faults.is_empty() { Ok(evaluated.run.rehearsed().to_vec()) } else { Err(evaluated.faults) }
}

/// Whether a recipe ends by saying so, on a host with the files of a recording.
pub(super) fn refuses(recipe: &Recipe, target: Target, recording: &Recording, init: bool, message: &str) -> bool {
    let faults = rehearsed(recipe, target, recording, init).err().unwrap_or_default();
    faults.iter().any(|fault| fault.fault.message.contains(message))
}

/// Returns the machines that a rehearsal booted, in order.
pub(super) fn booted(done: &[Rehearsed]) -> Vec<&Machine> {
    done.iter()
        .filter_map(|done| match done {
            Rehearsed::Boot(machine) => Some(machine.as_ref()),
            Rehearsed::Effect(_) => None,
        })
        .collect()
}

/// What a recipe was found to do otherwise than the script that was recorded, in one of its two ways.
pub(super) struct Proof {
    /// How its machines differ.
    pub(super) machines: Vec<String>,
    /// What the script calls, and what the recipe does.
    pub(super) calls: (Deeds, Deeds),
    /// How the loaders of its machines differ.
    pub(super) loaders: Vec<String>,
}

/// Compares a recorded script with the recipe that was made of it; nothing of a script that boots no machine. `init` is whether the
/// recording is one that initializes.
pub(super) fn of_script(
    recipe: &Recipe,
    recording: &Recording,
    target: Target,
    init: bool,
) -> Result<Option<Proof>, Vec<Diagnostic>> {
    let boots = recorded::boots(recording);
    let done = rehearsed(recipe, target, recording, init)?;
    if boots.is_empty() {
        return Ok(None);
    }
    let script: Vec<Call> = merge(recording, None).into_iter().map(|step| step.call).collect();
    let calls = (deeds(&script), deeds(&done.iter().flat_map(calls).collect::<Vec<_>>()));
    let machines = booted(&done);
    let mut proof = Proof { machines: Vec::new(), calls, loaders: Vec::new() };
    if machines.len() != boots.len() {
        proof.machines.push(format!("it has {} boots, and the script {}", machines.len(), boots.len()));
        return Ok(Some(proof));
    }
    for (call, machine) in boots.iter().zip(&machines) {
        proof.machines.extend(proof::differences(&recorded::booted(call, target)?, machine));
    }
    let places = script.iter().enumerate().filter(|(_, call)| call.boots().is_some()).map(|(at, _)| at);
    let loaders = places.zip(machines).filter_map(|(at, machine)| loaded(script.get(..at)?, machine));
    proof.loaders = loaders.collect();
    Ok(Some(proof))
}

/// Returns the interfaces that were there before the script, as it has seen them: those with an address. A tap may be its own. An address at which
/// its machine listens is there too.
fn found(recording: &Recording, target: Target) -> Vec<Interface> {
    let printed = recording.calls.iter().filter(|call| call.program() == "ifconfig").map(|call| call.output.as_str());
    let mut interfaces = freebsd::parse_interfaces(&printed.collect::<String>());
    interfaces.retain(|interface| interface.kind != InterfaceKind::Tap && !interface.addresses.is_empty());
    for address in listened(recording, target) {
        if interfaces.iter().all(|interface| !interface.has(address)) {
            let length = if address.is_ipv4() { 32 } else { 128 };
            if interfaces.is_empty() {
                interfaces.push(Interface::new("em0", InterfaceKind::Other));
            }
            let own = interfaces.first_mut().into_iter();
            own.for_each(|one| one.addresses.extend(format!("{address}/{length}").parse::<NetAddress>()));
        }
    }
    interfaces
}

/// Returns the addresses of a host at which the machines of a recording listen.
fn listened(recording: &Recording, target: Target) -> Vec<IpAddr> {
    let booted = recording.calls.iter().filter(|call| call.boots().is_some());
    let drafts = booted.filter_map(|call| recorded::booted(call, target).ok()).map(|import| import.draft);
    let all = drafts.flat_map(|draft| draft.slots.into_values()).filter_map(|device| device.vnc());
    all.map(|address| address.socket().ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified()).collect()
}

/// Returns the calls that are a rehearsed effect. Marks are no part of them, nor what a machine's firmware begins with.
fn calls(done: &Rehearsed) -> Vec<Call> {
    let call = |argv: Vec<String>| Call { argv, ..Call::default() };
    match done {
        Rehearsed::Boot(machine) => vec![call(vec!["bhyve".into(), machine.name().to_string()])],
        Rehearsed::Effect(Effect::CreateLink(link)) => making(link).into_iter().map(call).collect(),
        Rehearsed::Effect(Effect::WriteFile { path, text, mode }) => {
            let mode = mode.map(|mode| format!("{mode:03o}")).unwrap_or_default();
            vec![call(vec![written::WORD.into(), path.display().to_string(), text.to_string(), mode])]
        }
        Rehearsed::Effect(Effect::Umask(mask)) => vec![call(vec![umasks::WORD.into(), format!("{mask:03o}")])],
        // A jail that is made is one of the machine's.
        Rehearsed::Effect(Effect::CopyVars { .. } | Effect::CreateJail { .. } | Effect::RemoveJail(_)) => Vec::new(),
        Rehearsed::Effect(effect) => {
            let words = |step: CommandStep| step.argv.words().into_iter().map(String::from).collect();
            commands(Platform::FreeBsd, None, effect).into_iter().map(|step| call(words(step))).collect()
        }
    }
}

/// Returns the calls of ifconfig(8) that make an interface what it is meant to be.
fn making(link: &Link) -> Vec<Vec<String>> {
    let ifconfig = |name: &InterfaceName| vec!["ifconfig".to_string(), name.to_string()];
    let mut first = [ifconfig(&link.name), vec!["create".into()]].concat();
    match &link.kind {
        LinkKind::Vlan { parent, tag } => {
            first.extend(["vlan".into(), tag.to_string(), "vlandev".into(), parent.to_string()]);
        }
        LinkKind::Vxlan(vxlan) => first.extend(vxlan.words()),
        LinkKind::Bridge | LinkKind::Pair { .. } | LinkKind::Tap => {}
    }
    first.extend(link.description.iter().flat_map(|text| ["description".to_string(), text.clone()]));
    let mtu = link.mtu.iter().flat_map(|mtu| {
        link.names().into_iter().map(move |name| [ifconfig(name), vec!["mtu".into(), mtu.to_string()]].concat())
    });
    let addresses = link.addresses.iter().map(|address| {
        let family = if address.ip.is_ipv4() { "inet" } else { "inet6" };
        [ifconfig(&link.name), vec![family.into(), address.to_string()]].concat()
    });
    std::iter::once(first).chain(mtu).chain(addresses).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(script: &[&str], recipe: &str, init: bool) -> Vec<String> {
        let call = |line: &&str| Call { argv: line.split(' ').map(String::from).collect(), ..Call::default() };
        let recording = Recording { calls: script.iter().map(call).collect(), ..Recording::default() };
        let recipe = Recipe::parse("the recipe", recipe).unwrap();
        of_script(&recipe, &recording, Target::default(), init).unwrap().map(|proof| proof.machines).unwrap_or_default()
    }

    #[test]
    fn what_a_recipe_boots_otherwise_is_told_key_by_key() {
        let recipe = "bhyve(#{ name: \"vm\", memory: 1.GiB, slots: #{ \"3\": if init { virtio_rnd() } } }).run();";
        assert_eq!(told(&["bhyve -m 1G -s 3,virtio-rnd vm"], recipe, true), [""; 0]);
        assert_eq!(
            told(&["bhyve -m 2G -s 3,virtio-rnd vm"], recipe, false),
            ["memory.size: 2G, not 1G", "only here: pci.0.3.0.device=virtio-rnd"]
        );
        assert_eq!(told(&["bhyve a", "bhyve b"], recipe, true), ["it has 1 boots, and the script 2"]);
        assert_eq!(told(&["ifconfig -l"], "", true), [""; 0]);
    }
}
