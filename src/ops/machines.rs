//! The machines of this host as they are now, and the JSON by which programs and other hosts are told of them.

use super::address::Addresses;
use super::hosts::KnownMachine;
use super::installation::{Installation, Wanted, stem};
use super::instances;
use super::inventory::{Entry, EntryState, Seen, down, inventory};
use super::known::statuses;
use super::permit::PermitFound;
use super::recipe::absolute;
use super::recipe_digest;
use super::settings::{platform, settings, states};
use crate::diag::snippet::{Colour, draw};
use crate::diag::{Diagnostic, Fault};
use crate::host::clock;
use crate::host::environment::host_name;
use crate::host::processes::{self, Processes};
use crate::host::{Kept, kept, moves, replicas};
use crate::image::migration::MoveRecord;
use crate::model::Size;
use crate::model::instance::INSTANCE;
use crate::model::name::in_order;
use crate::supervise::status::{MachineStatus, ssh_value};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

/// Returns every machine of this host that this user can see.
pub(crate) fn machines() -> Result<Vec<Entry>, Fault> {
    let platform = platform()?.platform;
    let states = states()?;
    let look = || Processes::look(platform);
    // Both ask the kernel for one small thing after the other, and neither needs what the other finds.
    let (kept, processes) = thread::scope(|scope| {
        let looks = thread::Builder::new().spawn_scoped(scope, look);
        let kept: Vec<Kept> = states.iter().flat_map(|folder| kept(folder)).collect();
        let processes = looks.map_or_else(|_| look(), |it| it.join().unwrap_or_else(|panic| resume_unwind(panic)));
        (kept, processes)
    });
    let processes = processes?;
    let (is_vmrun, lives, space) = (&|pid| processes.is_vmrun(pid), &processes::lives, &|| processes::space(platform));
    let (hypervisors, sees_others) = (processes.hypervisors.as_slice(), processes.sees_others);
    let mut all = inventory(&kept, &Seen { hypervisors, sees_others, is_vmrun, lives, space });
    all.iter_mut().for_each(|one| one.permit = one.permit.take().and_then(PermitFound::asked));
    Ok(all)
}

/// Returns every machine that is there, and those that are down: known since the host was started, or described by a recipe of the
/// configuration; each with the faults of recipes that do not tell, drawn without colour.
pub(crate) fn machines_and_known() -> Result<(Vec<Entry>, Vec<String>), Vec<Diagnostic>> {
    let mut all = machines()?;
    let installation = Installation::open()?;
    let statuses = statuses()?;
    let of = |status: MachineStatus| {
        let instance = status.params.get(INSTANCE).cloned();
        (in_order(status.name.as_str()), status.name.to_string(), status.recipe, instance)
    };
    let mut known: Vec<_> = statuses.into_iter().map(of).collect();
    let mut faults = Vec::new();
    for path in installation.configured() {
        let recipe = absolute(&path.display().to_string());
        let some = instances::each(&installation, &Wanted::of(path.clone()), None)?;
        // One machine of a recipe of several says nothing of the others.
        if some.len() == 1 && known.iter().any(|(_, _, known, _)| *known == recipe) {
            continue;
        }
        for wanted in some {
            let machines = installation.machines_of(&wanted)?;
            let instance = wanted.params.get(INSTANCE).cloned();
            if !machines.faults.is_empty() && machines.all.is_empty() {
                let name = stem(&path);
                known.push((in_order(&name), name, recipe.clone(), instance.clone()));
            }
            let of = |machine: KnownMachine| (in_order(&machine.name), machine.name, recipe.clone(), instance.clone());
            known.extend(machines.all.into_iter().map(of));
            faults.extend(machines.faults);
        }
    }
    let moved = moved(&mut faults)?;
    let of = |(name, record): (&String, &MoveRecord)| {
        let (recipe, instance) = (record.with.recipe.display().to_string(), record.with.params.get(INSTANCE).cloned());
        (in_order(name), name.clone(), recipe, instance)
    };
    let missing = moved.iter().filter(|(name, _)| !known.iter().any(|(_, other, ..)| other == *name));
    let missing: Vec<_> = missing.map(of).collect();
    known.extend(missing);
    known.sort();
    known.dedup();
    for (_, name, recipe, instance) in known {
        if !all.iter().any(|one| one.name.as_deref() == Some(name.as_str())) {
            let away = moved.get(&name).and_then(MoveRecord::away);
            let state = if away.is_some() { EntryState::Moved } else { EntryState::Down };
            all.push(Entry { state, away, ..down(&name, &recipe, instance) });
        }
    }
    for replicas in replicas::kept(&settings(platform()?, false)?) {
        match replicas {
            Ok(replicas) => with_replicas(&mut all, replicas),
            Err(fault) => faults.push(draw(&Diagnostic::error(fault), Colour::Plain)),
        }
    }
    Ok((all, faults))
}

/// Adds the replicas of a machine, which this host may know otherwise.
fn with_replicas(all: &mut Vec<Entry>, replicas: replicas::Replicas) {
    let name = replicas.machine.to_string();
    let known = all.iter_mut().find(|one| one.name.as_deref() == Some(name.as_str()));
    let Some(known) = known else {
        let state = EntryState::Replica;
        all.push(Entry { state, recipe: None, replicas: Some(replicas), ..down(&name, "", None) });
        return;
    };
    known.replicas = Some(replicas);
}

/// Returns the records of the machines that were moved to another host; one that cannot be read is told.
fn moved(faults: &mut Vec<String>) -> Result<BTreeMap<String, MoveRecord>, Fault> {
    let mut moved = BTreeMap::new();
    for record in moves::all(&settings(platform()?, false)?) {
        match record {
            Ok(record) if record.away().is_some() => drop(moved.insert(record.machine.to_string(), record)),
            Ok(_) => {}
            Err(fault) => faults.push(draw(&Diagnostic::error(fault), Colour::Plain)),
        }
    }
    Ok(moved)
}

/// Finds out where the guests of machines are that run; what is wrong with the configuration is told by whoever needs it.
pub(crate) fn locate(all: &mut [Entry]) {
    if let Ok(installation) = Installation::open() {
        let mut addresses = Addresses::new(&installation);
        addresses.ask_agents(all);
        all.iter_mut().for_each(|one| addresses.locate(one));
    }
}

/// What is known of ssh to a guest: with the port of its address. Where its key of who logs in is, is this host's affair.
fn ssh(one: &Entry) -> Option<Value> {
    let mut ssh = one.status.as_ref()?.ssh.clone();
    ssh.port = one.address.map(|found| found.port).or(ssh.port);
    (ssh.identity, ssh.address) = (None, None);
    Some(ssh_value(&ssh))
}

/// Returns thousandths as a percentage with one decimal.
pub(crate) fn percent(permille: u64) -> String {
    format!("{}.{}", permille / 10, permille % 10)
}

/// Returns the list of machines that hosts exchange: version, name of the host, machines.
pub(crate) fn document(all: &[Entry]) -> Value {
    let machines: Vec<Value> = all.iter().map(object).collect();
    json!({ "version": env!("CARGO_PKG_VERSION"), "host": host_name(), "time": clock::now(), "machines": machines })
}

/// Returns a machine as a JSON object; what is not known is null.
pub(crate) fn object(one: &Entry) -> Value {
    let (process, status) = (one.process.as_ref(), one.status.as_ref());
    // Tenths of a percent are whole numbers, so that no other decimals come about.
    let cpu: Option<Value> = process.and_then(|it| percent(it.cpu).parse().ok());
    json!({
        "name": one.name,
        "state": one.state.word(),
        "hypervisor": process.map(|it| it.kind.word()),
        "pid": process.map(|it| it.pid),
        "supervisor": one.supervisor,
        "uptime": process.map(|it| it.uptime.as_secs()),
        "since": status.map(|it| it.since),
        "until": status.and_then(|it| it.until),
        "cpus": one.shape.cpus,
        "memory": one.shape.memory.map(Size::get),
        "resident": process.map(|it| it.resident.get()),
        "cpu": cpu,
        "vnc": one.shape.vnc.map(|address| address.to_string()),
        "disks": one.shape.disks,
        "taps": one.shape.taps,
        "macs": one.shape.macs.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "address": one.address.map(|found| found.ip),
        "address_from": one.address.map(|found| found.source.word()),
        "ssh": ssh(one),
        "boots": status.map(|it| it.boots),
        "restarts": status.map(|it| it.restarts),
        "recipe": one.recipe,
        "recipe_digest": one.recipe.as_deref().and_then(|path| recipe_digest::of(Path::new(path))),
        "instance": one.instance,
        "log": status.map(|it| it.log.as_str()).filter(|log| !log.is_empty()),
        "error": status.and_then(|it| it.error.as_deref()),
        "exporting": one.is_exported,
        "permit": one.permit.as_ref().map(PermitFound::value),
        "replicas": one.replicas.as_ref().map(|all| json!({ "host": all.host, "at": all.at, "count": all.count })),
        "moved": one.away.as_ref().map(|away| json!({ "host": away.host, "since": away.since })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_percentage_with_one_decimal() {
        assert_eq!([0, 7, 1125].map(percent), ["0.0", "0.7", "112.5"]);
    }
}
