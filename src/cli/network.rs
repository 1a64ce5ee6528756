//! `vmrun network up|down|rcconf RECIPE`: a network that stays, and the files that make it at every start.

use super::term::Term;
use super::{RecipeArgs, place, platform};
use crate::diag::{Diagnostic, Fault};
use crate::host::system::{Ahead, System};
use crate::host::worlds::elsewhere::Elsewhere;
use crate::host::worlds::rehearsal::{Rehearsal, Rehearsed};
use crate::host::{Asked, Effect, Host, Platform};
use crate::network::{Network, networkd, rcconf};
use crate::script::Recipe;
use crate::script::raise::Site;
use crate::supervise::Run;
use crate::supervise::conflicts::Purpose;
use crate::supervise::network::{self, Change, Verdict};
use clap::{Args, Subcommand};

#[derive(Args)]
pub(super) struct NetworkArgs {
    #[command(subcommand)]
    does: Does,
}

#[derive(Subcommand)]
enum Does {
    /// Make what is missing of a recipe's network; what is there and right is left alone
    Up(Of),
    /// Take a recipe's network away, as far as vmrun made it
    Down(Of),
    /// Print the lines of rc.conf that make it at every start; for Linux, systemd-networkd's files
    Rcconf(RcconfArgs),
}

#[derive(Args)]
struct Of {
    #[command(flatten)]
    recipe: RecipeArgs,
}

#[derive(Args)]
struct RcconfArgs {
    #[command(flatten)]
    recipe: RecipeArgs,
    /// For a host of that kind: freebsd, linux
    #[arg(long, value_name = "HOST")]
    on: Option<String>,
}

pub(super) fn run(args: &NetworkArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    match &args.does {
        Does::Up(of) => change(&of.recipe, Change::Up, term),
        Does::Down(of) => change(&of.recipe, Change::Down, term),
        Does::Rcconf(args) => print(args, term),
    }
}

/// A network recipe that was evaluated: what it means, part by part, and the calls.
struct Meant {
    recipe: Recipe,
    calls: Vec<(Effect, Site)>,
    network: Network,
    host: Box<dyn Host>,
}

fn one(fault: Fault) -> Vec<Diagnostic> {
    vec![Diagnostic::error(fault)]
}

fn meant(args: &RecipeArgs, host: Box<dyn Host>, term: &Term) -> Result<Meant, Vec<Diagnostic>> {
    let recipe = args.read()?;
    let run = Run::new(Box::new(Rehearsal::new(host)));
    let evaluated = recipe.evaluate(run, &args.inputs(), Some(Purpose::Network));
    term.printed(&evaluated.printed);
    if !evaluated.faults.is_empty() {
        return Err(evaluated.faults);
    }
    let boots = evaluated.run.rehearsed().iter().find_map(|done| match done {
        Rehearsed::Boot(machine) => Some(machine.name().clone()),
        Rehearsed::Effect(_) => None,
    });
    if let Some(name) = boots {
        let fault = Fault::new(format!("a network recipe boots no machine, and this one boots {name}"));
        return Err(one(fault.hint("what machines share goes into a recipe of its own")));
    }
    evaluated.warnings.iter().for_each(|warning| term.diagnostic(warning));
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
    for doubt in network::doubts(&*host, &network).map_err(one)? {
        term.diagnostic(&Diagnostic::warning(doubt));
    }
    Ok(Meant { recipe, calls, network, host })
}

fn change(args: &RecipeArgs, change: Change, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let settings = platform().and_then(|platform| place::settings(platform, args.given.user_net)).map_err(one)?;
    let host = System::new(settings, Ahead::default()).map_err(one)?;
    let Meant { recipe, calls, mut host, .. } = meant(args, Box::new(host), term)?;
    let effects: Vec<Effect> = calls.iter().map(|(effect, _)| effect.clone()).collect();
    let verdicts = change.verdicts(&*host, &effects).map_err(one)?;
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
    verdicts.iter().for_each(|(at, verdict)| tell(change, &effects[*at], verdict, term));
    Ok(())
}

fn tell(change: Change, effect: &Effect, verdict: &Verdict, term: &Term) {
    let what = told(effect);
    match (verdict, change) {
        (Verdict::Do(_), Change::Up) => term.say(format!("made {what}")),
        (Verdict::Do(_), Change::Down) => term.say(format!("removed {what}")),
        (Verdict::NotOurs, _) => term.say(format!("{what} is not vmrun's, and stays")),
        // A membership ends without a word.
        (_, Change::Down) if matches!(effect, Effect::Join { .. }) => {}
        (_, Change::Up) => term.say(format!("{what} is there already")),
        (_, Change::Down) => term.say(format!("{what} is not there")),
    }
}

fn told(effect: &Effect) -> String {
    match effect {
        Effect::CreateLink(link) => link.name.to_string(),
        Effect::Join { bridge, member } => format!("{member} in {bridge}"),
        Effect::AddRoute(router) => format!("the route by {router}"),
        _ => String::new(),
    }
}

fn print(args: &RcconfArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let here = platform().map_err(one)?;
    let there: Asked = args.on.as_ref().map_or(Ok(here), |on| on.parse()).map_err(one)?;
    let host = System::new(place::settings(here, false).map_err(one)?, Ahead::default()).map_err(one)?;
    // What is printed is for any start, not for what is there now.
    let settings = place::settings(there, false).map_err(one)?;
    let meant = meant(&args.recipe, Box::new(Elsewhere::new(settings, Box::new(host))), term)?;
    let text = match there.platform {
        Platform::FreeBsd => rcconf(&meant.network).join("\n"),
        Platform::Linux => {
            let file = |(name, text): (String, String)| format!("# /etc/systemd/network/{name}\n{text}");
            networkd(&meant.network).into_iter().map(file).collect::<Vec<_>>().join("\n")
        }
    };
    term.data(text.trim_end()).map_err(one)
}
