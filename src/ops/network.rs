//! A network that stays, and the files that make it at every start.

use super::notice::{Notice, Notify};
use super::recipe::RecipeRequest;
use crate::diag::{Diagnostic, Fault};
use crate::host::system::{Prefetch, System};
use crate::host::worlds::elsewhere::Elsewhere;
use crate::host::worlds::rehearsal::{Rehearsal, Rehearsed};
use crate::host::{Effect, Host, Platform, Settings};
use crate::network::{Network, networkd, rcconf};
use crate::script::Recipe;
use crate::script::raise::Site;
use crate::supervise::Run;
use crate::supervise::conflicts::Purpose;
pub(crate) use crate::supervise::network::Change;
use crate::supervise::network::{self, Verdict};

/// What became of a part of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartOutcome {
    /// It was made.
    Made,
    /// It was removed.
    Removed,
    /// It was there before.
    Present,
    /// It was not there.
    Absent,
    /// It is not vmrun's, and stays.
    Foreign,
}

/// A part of a network, and what became of it.
#[derive(Debug)]
pub(crate) struct NetworkStep {
    /// The part in words.
    pub(crate) part: String,
    /// What became of it.
    pub(crate) outcome: PartOutcome,
}

/// A network recipe that was evaluated: what it means, part by part, and the calls.
struct Meant {
    recipe: Recipe,
    calls: Vec<(Effect, Site)>,
    network: Network,
    host: Box<dyn Host>,
}

/// Rehearses a network recipe.
fn meant(request: &RecipeRequest, host: Box<dyn Host>, notify: Notify<'_>) -> Result<Meant, Vec<Diagnostic>> {
    let recipe = request.read()?;
    let mut run = Run::new(Box::new(Rehearsal::new(host)));
    run.listener = Some(request.listener());
    let evaluated = recipe.evaluate(run, &request.inputs(), Some(Purpose::Network));
    evaluated.printed.into_iter().for_each(|line| notify(Notice::Printed(line)));
    // What it has not asked may be what is wrong.
    let mut warnings = evaluated.warnings.into_iter();
    if request.asks_nothing {
        warnings.by_ref().for_each(|warning| notify(Notice::Warning(warning)));
    }
    if !evaluated.faults.is_empty() {
        return Err(evaluated.faults);
    }
    let boots = evaluated.run.rehearsed().iter().find_map(|done| match done {
        Rehearsed::Boot(machine) => Some(machine.name().clone()),
        Rehearsed::Effect(_) => None,
    });
    if let Some(name) = boots {
        let fault = Fault::new(format!("a network recipe boots no machine, and this one boots {name}"));
        return Err(fault.hint("what machines share goes into a recipe of its own").into());
    }
    warnings.for_each(|warning| notify(Notice::Warning(warning)));
    // What the recipe says twice it means once.
    let done = evaluated.run.rehearsed();
    let mut calls: Vec<(Effect, Site)> = Vec::new();
    for (effect, site) in evaluated.calls {
        let is_done = done.iter().any(|other| matches!(other, Rehearsed::Effect(other) if *other == effect));
        if is_done && !calls.iter().any(|(known, _)| *known == effect) {
            calls.push((effect, site));
        }
    }
    let network = network::network(calls.iter().map(|(effect, _)| effect));
    let network = network.map_err(|(at, fault)| recipe.diagnostic(fault, &calls[at].1))?;
    let host = evaluated.run.into_host();
    network::doubts(&*host, &network)?.into_iter().for_each(|doubt| notify(Notice::warning(doubt)));
    Ok(Meant { recipe, calls, network, host })
}

/// Makes what is missing of a recipe's network, or takes it away as far as vmrun made it. Nothing is changed unless all of it can be.
pub(crate) fn change(
    request: &RecipeRequest,
    change: Change,
    settings: Settings,
    notify: Notify<'_>,
) -> Result<Vec<NetworkStep>, Vec<Diagnostic>> {
    let mut host = System::new(settings, Prefetch::default())?;
    host.work_in(request.inputs().origin.folder());
    let Meant { recipe, calls, mut host, .. } = meant(request, Box::new(host), notify)?;
    let effects: Vec<Effect> = calls.iter().map(|(effect, _)| effect.clone()).collect();
    let verdicts = change.verdicts(&*host, &effects)?;
    let faults = verdicts.iter().filter_map(|(at, verdict)| match verdict {
        Verdict::Wrong(fault) => Some(recipe.diagnostic(fault.clone(), &calls[*at].1)),
        Verdict::Done | Verdict::Do(_) | Verdict::NotOurs => None,
    });
    let faults: Vec<Diagnostic> = faults.flatten().collect();
    if !faults.is_empty() {
        return Err(faults);
    }
    let wanted = verdicts.iter().filter_map(|(_, verdict)| match verdict {
        Verdict::Do(effect) => Some(effect.clone()),
        Verdict::Done | Verdict::NotOurs | Verdict::Wrong(_) => None,
    });
    let wanted: Vec<Effect> = wanted.collect();
    let done = change.perform(&mut *host, &wanted);
    done.map_err(|faults| faults.into_iter().map(Diagnostic::error).collect::<Vec<_>>())?;
    Ok(verdicts.iter().filter_map(|(at, verdict)| step(change, &effects[*at], verdict)).collect())
}

/// Returns what a verdict came to; nothing of a membership that there was not, which ends by itself.
fn step(change: Change, effect: &Effect, verdict: &Verdict) -> Option<NetworkStep> {
    let outcome = match (verdict, change) {
        (Verdict::Do(_), Change::Up) => PartOutcome::Made,
        (Verdict::Do(_), Change::Down) => PartOutcome::Removed,
        (Verdict::NotOurs, _) => PartOutcome::Foreign,
        (_, Change::Down) if matches!(effect, Effect::Join { .. }) => return None,
        (_, Change::Up) => PartOutcome::Present,
        (_, Change::Down) => PartOutcome::Absent,
    };
    Some(NetworkStep { part: part(effect), outcome })
}

/// Returns the part of a network that an effect makes, in words.
fn part(effect: &Effect) -> String {
    match effect {
        Effect::CreateLink(link) => link.name.to_string(),
        Effect::Join { bridge, member, .. } => format!("{member} in {bridge}"),
        Effect::AddRoute(router) => format!("the route by {router}"),
        // A network is made of these.
        _ => String::new(),
    }
}

/// Returns the lines of rc.conf that make a recipe's network at every start of a host there; for Linux, systemd-networkd's files.
pub(crate) fn files(
    request: &RecipeRequest,
    here: Settings,
    there: Settings,
    notify: Notify<'_>,
) -> Result<String, Vec<Diagnostic>> {
    let platform = there.platform;
    let host = System::new(here, Prefetch::default())?;
    // What is written is for any start, not for what is there now.
    let meant = meant(request, Box::new(Elsewhere::new(there, Box::new(host))), notify)?;
    let text = match platform {
        Platform::FreeBsd => rcconf(&meant.network).join("\n"),
        Platform::Linux => {
            let file = |(name, text): (String, String)| format!("# /etc/systemd/network/{name}\n{text}");
            networkd(&meant.network).into_iter().map(file).collect::<Vec<_>>().join("\n")
        }
    };
    Ok(text.trim_end().into())
}
