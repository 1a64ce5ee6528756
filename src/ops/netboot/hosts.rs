//! From recipes to what a DHCP server sees of their machines.

use super::Recipes;
use crate::diag::{Diagnostic, Fault, suggest};
use crate::host::Facts as _;
use crate::host::system::System;
use crate::host::worlds::elsewhere::Elsewhere;
use crate::host::worlds::rehearsal::{Rehearsal, Rehearsed};
use crate::model::{Ended, Machine};
use crate::netboot::{NetbootHost, NetbootOptions};
use crate::ops::notice::{Notice, Notify};
use crate::ops::recipe::RecipeRequest;
use crate::script::Recipe;
use crate::script::handle::nowhere;
use crate::script::raise::Site;
use crate::supervise::Run;
use crate::supervise::conflicts::Purpose;

/// A host, and the call that described it.
struct Located {
    host: NetbootHost,
    /// The index of its recipe.
    recipe: usize,
    site: Site,
}

/// Rehearses every recipe with `init` on a host that is not here, and returns its machines. Nothing is returned if two of them
/// cannot be told apart.
pub(super) fn hosts(asked: &Recipes, notify: Notify<'_>) -> Result<Vec<NetbootHost>, Vec<Diagnostic>> {
    let mut recipes = Vec::new();
    let mut found: Vec<Located> = Vec::new();
    for request in &asked.recipes {
        let (recipe, machines, options) = rehearsed(request, asked.host()?)?;
        if machines.is_empty() && options.is_empty() {
            let fault = Fault::new(format!("the recipe {} boots no machine", request.path));
            notify(Notice::warning(fault.hint("a machine is bhyve(#{ … }).run()")));
        }
        for (host, site) in of_recipe(&recipe, &machines, &options)? {
            found.push(Located { host, recipe: recipes.len(), site });
        }
        recipes.push(recipe);
    }
    conflicts(&recipes, &found)?;
    let server = |host: NetbootHost| NetbootHost { server: host.server.or(asked.server), ..host };
    Ok(found.into_iter().map(|located| server(located.host)).collect())
}

/// A recipe, the machines that it boots, and what it says of installs.
type Parts = (Recipe, Vec<Machine>, Vec<(NetbootOptions, Site)>);

fn rehearsed(request: &RecipeRequest, host: System) -> Result<Parts, Vec<Diagnostic>> {
    let recipe = request.read()?;
    let settings = host.settings().clone();
    let mut rehearsal = Rehearsal::new(Box::new(Elsewhere::with_every_secret(settings, Box::new(host))));
    rehearsal.exits = Ended::Rebooted;
    let evaluated = recipe.evaluate(Run::new(Box::new(rehearsal)), &request.inputs(), Some(Purpose::Plan));
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
    options: &[(NetbootOptions, Site)],
) -> Result<Vec<(NetbootHost, Site)>, Vec<Diagnostic>> {
    let mut of: Vec<Option<&(NetbootOptions, Site)>> = vec![None; machines.len()];
    for call in options {
        let at = machine_of(&call.0, machines).map_err(|fault| recipe.diagnostic(fault, &call.1))?;
        if of[at].replace(call).is_some() {
            let fault = Fault::new(format!("the install of {} is described twice", machines[at].name()));
            return Err(recipe.diagnostic(fault.hint("say it once"), &call.1));
        }
    }
    let located = |(machine, call): (&Machine, Option<&(NetbootOptions, Site)>)| {
        let site = call.map_or_else(nowhere, |(_, site)| site.clone());
        let options = call.map(|(options, _)| options.clone()).unwrap_or_default();
        match host(machine, options) {
            Ok(host) => Ok((host, site)),
            Err(fault) if call.is_none() => Err(fault.context(&recipe.source().name).into()),
            Err(fault) => Err(recipe.diagnostic(fault, &site)),
        }
    };
    machines.iter().zip(of).map(located).collect()
}

fn machine_of(options: &NetbootOptions, machines: &[Machine]) -> Result<usize, Fault> {
    let names = || suggest::list(machines.iter().map(|machine| machine.name().as_str()));
    match (&options.machine, machines) {
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

fn host(machine: &Machine, options: NetbootOptions) -> Result<NetbootHost, Fault> {
    let mac = machine.devices().find_map(|(_, device)| device.mac()).ok_or_else(|| {
        let fault = Fault::new(format!("the machine {} has no card with a MAC address of its own", machine.name()));
        fault.hint("virtio_net(nic, #{ mac: \"58:9c:fc:00:00:01\" }): DHCP knows machines by it")
    })?;
    let name = match options.host {
        Some(host) => host,
        None => machine.name().as_str().parse()?,
    };
    Ok(NetbootHost { name, mac, address: options.address, server: options.server, install: options.install })
}

/// Two machines that a DHCP server could not tell apart.
fn conflicts(recipes: &[Recipe], located: &[Located]) -> Result<(), Vec<Diagnostic>> {
    for (at, second) in located.iter().enumerate() {
        for first in &located[..at] {
            let (a, b) = (&first.host, &second.host);
            let what = if a.name == b.name {
                format!("the host name {}", a.name)
            } else if a.mac == b.mac {
                format!("the MAC address {}", a.mac)
            } else if let Some(address) = a.address.filter(|_| a.address == b.address) {
                format!("the address {address}")
            } else {
                continue;
            };
            let name = |one: &Located| recipes[one.recipe].source().name.clone();
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
