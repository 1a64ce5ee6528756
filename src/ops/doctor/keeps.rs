//! What vmrun keeps and reads: folders, secrets, the configuration, pins of libraries, and what dead runs have left.

use super::{Health, Report};
use crate::diag::Fault;
use crate::host::folder::{self, Keeps};
use crate::host::system::System;
use crate::host::{Facts as _, files};
use crate::library::MANIFEST;
use crate::ops::installation::Installation;
use crate::ops::inventory::EntryState;
use crate::ops::library::status;
use crate::ops::machines::machines as all_machines;
use crate::ops::settings::{Settings, log_folder};
use std::path::Path;

/// The folders of state, logs and what was fetched.
pub(super) fn folders(settings: &Settings, report: &mut Report) {
    folder("state", &settings.state, Keeps::State, report);
    match log_folder() {
        Ok(path) => folder("logs", &path, Keeps::Logs, report),
        Err(fault) => report.wrong("logs", fault),
    }
    folder("cache", &settings.cache, Keeps::Cache, report);
}

fn folder(part: &'static str, path: &Path, keeps: Keeps, report: &mut Report) {
    match folder::is_there(path, keeps) {
        Ok(true) => report.ok(part, path.display().to_string()),
        Ok(false) => report.ok(part, format!("{}, which is made when it is needed", path.display())),
        Err(fault) => report.wrong(part, fault),
    }
}

/// The secrets, which others may not read.
pub(super) fn secrets(host: &System, report: &mut Report) {
    let folder = host.settings().config.join("secrets");
    let names = files::names(&folder);
    let faults: Vec<Fault> = names.iter().filter_map(|name| host.secret(name).err()).collect();
    if !names.is_empty() && faults.is_empty() {
        report.ok("secrets", format!("{} in {}", names.len(), folder.display()));
    }
    faults.into_iter().for_each(|fault| report.wrong("secrets", fault));
}

/// config.toml, and the machines that are to start with the host.
pub(super) fn configuration(settings: &Settings, report: &mut Report) {
    let path = settings.config.join("config.toml");
    match Installation::open() {
        Ok(_) if !files::exists(&path) => {
            report.ok("configuration", format!("none: {} is not there, and need not be", path.display()));
        }
        Ok(installation) => {
            report.ok("configuration", path.display().to_string());
            let lost = installation.config.start.iter().filter_map(|name| installation.recipe(name).err());
            lost.for_each(|fault| report.wrong("configuration", fault.context(format!("start in {}", path.display()))));
            let folders = installation.config.recipes.iter().filter(|folder| !files::is_folder(folder));
            for folder in folders {
                let fault =
                    Fault::usage(format!("recipes in {}: there is no folder {}", path.display(), folder.display()));
                report.wrong("configuration", fault.hint("make it, or correct the path"));
            }
        }
        Err(faults) => report.in_file("configuration", faults),
    }
}

/// The libraries of this folder, and whether they are what is pinned.
pub(super) fn libraries(report: &mut Report) {
    let here = Path::new("");
    if !files::exists(&here.join(MANIFEST)) {
        return report.ok("libraries", format!("none: there is no {MANIFEST} in this folder"));
    }
    let all = match status::all(here) {
        Ok(all) => all,
        Err(faults) => return report.in_file("libraries", faults),
    };
    let sound: Vec<String> = all
        .iter()
        .filter(|one| one.fault().is_none())
        .map(|one| [one.name.as_str(), &one.short(), one.state.word()].join(" ").replace("  ", " "))
        .collect();
    if !sound.is_empty() {
        report.ok("libraries", sound.join(", "));
    }
    all.iter().filter_map(status::Status::fault).for_each(|fault| report.wrong("libraries", fault));
}

/// What runs have left that are dead.
pub(super) fn machines(report: &mut Report) {
    let all = match all_machines() {
        Ok(all) => all,
        Err(fault) => return report.wrong("machines", fault),
    };
    let name = |one: &crate::ops::inventory::Entry| one.name.clone().unwrap_or_default();
    let mut is_sound = true;
    for one in &all {
        let (what, way_out) = match one.state {
            EntryState::Left => ("was left by a run that is dead", "vmrun gc".to_string()),
            EntryState::Unsupervised => ("goes on without its vmrun", format!("vmrun adopt {}", name(one))),
            EntryState::Supervised(_)
            | EntryState::Foreground
            | EntryState::Exporting
            | EntryState::Unknown
            | EntryState::Foreign
            | EntryState::Down
            | EntryState::Moved
            | EntryState::Replica => continue,
        };
        is_sound = false;
        report.add("machines", Health::Note, Fault::host(format!("{} {what}", name(one))).hint(way_out));
    }
    if is_sound {
        let many = match all.len() {
            0 => "none".into(),
            1 => "1 is here".into(),
            count => format!("{count} are here"),
        };
        report.ok("machines", format!("{many}, and nothing is left of dead runs"));
    }
}
