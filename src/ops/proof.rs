//! The rehearsal of a recipe that was written by vmrun, to see whether it does what it was written of.

use crate::diag::Diagnostic;
use crate::host::interfaces::freebsd;
use crate::host::worlds::elsewhere::Elsewhere;
use crate::host::worlds::rehearsal::{Rehearsal, Rehearsed};
use crate::host::{Interface, InterfaceKind};
use crate::import::{proof, recorded};
use crate::model::{Machine, Target};
use crate::recording::Recording;
use crate::script::{Inputs, Recipe};
use crate::supervise::Run;
use crate::supervise::conflicts::Purpose;

/// Rehearses a recipe on a host that has whatever it needs, and returns what it would have done.
pub(super) fn rehearsed(
    recipe: &Recipe,
    target: Target,
    interfaces: &[Interface],
    init: bool,
) -> Result<Vec<Rehearsed>, Vec<Diagnostic>> {
    let rehearsal = Rehearsal::new(Box::new(Elsewhere::alone(target).with(interfaces)));
    let inputs = Inputs { init, ..Inputs::default() };
    let evaluated = recipe.evaluate(Run::new(Box::new(rehearsal)), &inputs, Some(Purpose::Plan));
    if evaluated.faults.is_empty() { Ok(evaluated.run.rehearsed().to_vec()) } else { Err(evaluated.faults) }
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

/// Returns what differs between the machines of a recorded script and those of the recipe that was made of it; nothing of a
/// script that boots none. `init` is whether the recording is one that initializes.
pub(super) fn of_script(
    recipe: &Recipe,
    recording: &Recording,
    target: Target,
    init: bool,
) -> Result<Option<Vec<String>>, Vec<Diagnostic>> {
    let boots = recorded::boots(recording);
    let printed = recording.calls.iter().filter(|call| call.program() == "ifconfig").map(|call| call.output.as_str());
    let mut interfaces = freebsd::parse_interfaces(&printed.collect::<String>());
    // Those with an address were there before; a tap may be the script's own.
    interfaces.retain(|interface| interface.kind != InterfaceKind::Tap && !interface.addresses.is_empty());
    let done = rehearsed(recipe, target, &interfaces, init)?;
    let machines = booted(&done);
    if machines.len() != boots.len() {
        return Ok(Some(vec![format!("it has {} boots, and the script {}", machines.len(), boots.len())]));
    }
    let mut differences = Vec::new();
    for (call, machine) in boots.iter().zip(machines) {
        differences.extend(proof::differences(&recorded::import(call.args(), &call.map, target)?, machine));
    }
    Ok((!boots.is_empty()).then_some(differences))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Call;

    fn told(script: &[&str], recipe: &str, init: bool) -> Vec<String> {
        let call = |line: &&str| Call { argv: line.split(' ').map(String::from).collect(), ..Call::default() };
        let recording = Recording { calls: script.iter().map(call).collect(), ..Recording::default() };
        let recipe = Recipe::parse("the recipe", recipe).unwrap();
        of_script(&recipe, &recording, Target::default(), init).unwrap().unwrap_or_default()
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
