//! From recipes to what a DHCP server sees of their machines.

use super::one;
use crate::cli::term::Term;
use crate::cli::{GivenArgs, RecipeArgs};
use crate::diag::{Diagnostic, Fault, suggest};
use crate::host::Facts as _;
use crate::host::system::System;
use crate::host::worlds::elsewhere::Elsewhere;
use crate::host::worlds::rehearsal::{Rehearsal, Rehearsed};
use crate::model::{Ended, Machine};
use crate::netboot::{Described, Station};
use crate::script::handle::nowhere;
use crate::script::raise::Site;
use crate::script::{Inputs, Recipe};
use crate::supervise::Run;
use crate::supervise::conflicts::Purpose;
use std::net::Ipv4Addr;

/// A machine, and the call that told of it.
struct Told {
    station: Station,
    recipe: usize,
    site: Site,
}

/// Rehearses every recipe with `init` on a host that is not here, and returns its machines. Nothing is returned if two of them
/// cannot be told apart.
pub(super) fn stations(
    paths: &[String],
    set: &[(String, String)],
    server: Option<Ipv4Addr>,
    host: &dyn Fn() -> Result<System, Vec<Diagnostic>>,
    term: &Term,
) -> Result<Vec<Station>, Vec<Diagnostic>> {
    let mut recipes = Vec::new();
    let mut told: Vec<Told> = Vec::new();
    for path in paths {
        let args =
            RecipeArgs { recipe: path.clone(), given: GivenArgs { init: true, set: set.to_vec(), user_net: false } };
        let (recipe, machines, described) = rehearsed(&args, host()?)?;
        if machines.is_empty() && described.is_empty() {
            let fault = Fault::new(format!("the recipe {path} boots no machine"));
            term.diagnostic(&Diagnostic::warning(fault.hint("a machine is bhyve(#{ … }).run()")));
        }
        for (station, site) in of_recipe(&recipe, &machines, &described)? {
            told.push(Told { station, recipe: recipes.len(), site });
        }
        recipes.push(recipe);
    }
    conflicts(&recipes, &told)?;
    let with_server = |told: Told| Station { server: told.station.server.or(server), ..told.station };
    Ok(told.into_iter().map(with_server).collect())
}

type Parts = (Recipe, Vec<Machine>, Vec<(Described, Site)>);

fn rehearsed(args: &RecipeArgs, host: System) -> Result<Parts, Vec<Diagnostic>> {
    let recipe = args.read()?;
    let settings = host.settings().clone();
    let mut rehearsal = Rehearsal::new(Box::new(Elsewhere::with_every_secret(settings, Box::new(host))));
    rehearsal.exits = Ended::Rebooted;
    let inputs: Inputs = args.inputs();
    let evaluated = recipe.evaluate(Run::new(Box::new(rehearsal)), &inputs, Some(Purpose::Plan));
    // Warnings are about a run, which this is not.
    if !evaluated.faults.is_empty() {
        return Err(evaluated.faults);
    }
    let mut machines: Vec<Machine> = Vec::new();
    for done in evaluated.run.rehearsed() {
        if let Rehearsed::Boot(machine) = done
            && !machines.iter().any(|known| known.name() == machine.name())
        {
            machines.push((**machine).clone());
        }
    }
    Ok((recipe, machines, evaluated.installs))
}

/// Sets what a recipe says of installs to its machines. A machine of which nothing is said has its own name.
fn of_recipe(
    recipe: &Recipe,
    machines: &[Machine],
    described: &[(Described, Site)],
) -> Result<Vec<(Station, Site)>, Vec<Diagnostic>> {
    let mut of: Vec<Option<&(Described, Site)>> = vec![None; machines.len()];
    for said in described {
        let at = machine_of(&said.0, machines).map_err(|fault| recipe.diagnostic(fault, &said.1))?;
        if of[at].replace(said).is_some() {
            let fault = Fault::new(format!("the install of {} is described twice", machines[at].name()));
            return Err(recipe.diagnostic(fault.hint("say it once"), &said.1));
        }
    }
    let station = |(machine, said): (&Machine, Option<&(Described, Site)>)| {
        let site = said.map_or_else(nowhere, |(_, site)| site.clone());
        let described = said.map(|(described, _)| described.clone()).unwrap_or_default();
        match station(machine, described) {
            Ok(station) => Ok((station, site)),
            Err(fault) if said.is_none() => Err(one(fault.context(&recipe.source().name))),
            Err(fault) => Err(recipe.diagnostic(fault, &site)),
        }
    };
    machines.iter().zip(of).map(station).collect()
}

fn machine_of(described: &Described, machines: &[Machine]) -> Result<usize, Fault> {
    let names = || suggest::list(machines.iter().map(|machine| machine.name().as_str()));
    match (&described.machine, machines) {
        (None, [_]) => Ok(0),
        (_, []) => {
            Err(Fault::new("an install is described, and no machine is booted").hint("bhyve(#{ … }).run() boots one"))
        }
        (None, _) => Err(Fault::new(format!("the recipe boots {}: whose install is it?", names()))
            .hint("name it: `machine: \"web\"`")),
        (Some(name), _) => machines.iter().position(|machine| machine.name() == name).ok_or_else(|| {
            Fault::new(format!("the recipe boots no machine {name}")).hint(format!("it boots {}", names()))
        }),
    }
}

fn station(machine: &Machine, described: Described) -> Result<Station, Fault> {
    let mac = machine.devices().find_map(|(_, device)| device.mac()).ok_or_else(|| {
        let fault = Fault::new(format!("the machine {} has no card with a MAC address of its own", machine.name()));
        fault.hint("virtio_net(nic, #{ mac: \"58:9c:fc:00:00:01\" }): DHCP knows machines by it")
    })?;
    let host = match described.host {
        Some(host) => host,
        None => machine.name().as_str().parse()?,
    };
    Ok(Station { host, mac, address: described.address, server: described.server, install: described.install })
}

/// Two machines that a DHCP server could not tell apart.
fn conflicts(recipes: &[Recipe], told: &[Told]) -> Result<(), Vec<Diagnostic>> {
    for (at, second) in told.iter().enumerate() {
        for first in &told[..at] {
            let (a, b) = (&first.station, &second.station);
            let what = if a.host == b.host {
                format!("the host name {}", a.host)
            } else if a.mac == b.mac {
                format!("the MAC address {}", a.mac)
            } else if let Some(address) = a.address.filter(|_| a.address == b.address) {
                format!("the address {address}")
            } else {
                continue;
            };
            let name = |told: &Told| recipes[told.recipe].source().name.clone();
            let fault = Fault::new(format!("two machines have {what}: in {} and in {}", name(first), name(second)));
            let mut diagnostics =
                recipes[second.recipe].diagnostic(fault.hint("give one of them another"), &second.site);
            let other = recipes[first.recipe].diagnostic(Fault::new(""), &first.site);
            let place = other.into_iter().find_map(|diagnostic| diagnostic.place);
            if let (Some(diagnostic), Some(place)) = (diagnostics.first_mut(), place) {
                diagnostic.trail.push((place, "the other one".into()));
            }
            return Err(diagnostics);
        }
    }
    Ok(())
}
