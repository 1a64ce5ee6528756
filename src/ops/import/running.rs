//! What runs on this host now.
//!
//! Linux tells the whole command line of a QEMU. On FreeBSD a bhyve gives itself a title, so that its command line is not to be seen: the
//! options are what its manager keeps of it, and where it has none, what procstat(1) and ifconfig(8) show.

use super::datastore::{rc_conf, secret};
use super::folders::folder;
use super::source::{Guest, Next, Options, Source};
use super::{cbsd, datastore, domains};
use crate::diag::Fault;
use crate::host::processes::{CommandLine, command_line, shown};
use crate::host::program::run;
use crate::host::{Platform, files};
use crate::import::{ImportOptions, SourceKind, command_line as typed, opened_images};
use crate::model::Argv;
use crate::ops::inventory::{Entry, EntryState, Hypervisor};
use crate::ops::machines::machines;
use crate::ops::settings::{platform, settings};
use crate::vmbhyve::Note;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where libvirt keeps the domains of its driver for bhyve (`BHYVE_CONFIG_DIR` of bhyve_utils.h, below the port's `sysconfdir`).
const LIBVIRT: &str = "/usr/local/etc/libvirt/bhyve";

/// Reads what runs.
pub(super) fn read(options: &Options<'_>) -> Result<Source, Fault> {
    let asked = platform()?;
    let runs = |one: Entry| one.process.clone().map(|process| (one, process));
    let mut entries: Vec<(Entry, Hypervisor)> = machines()?.into_iter().filter_map(runs).collect();
    if entries.is_empty() {
        let hint = "start the guests before, and ask as root, who sees the processes of everybody";
        return Err(Fault::new("nothing runs here that is to be seen").hint(hint));
    }
    // The order in which they were started.
    entries.sort_by_key(|(_, process)| (Reverse(process.uptime.as_secs()), process.pid));
    let mut managers = managers(options, asked.platform)?;
    let mut secrets: BTreeSet<String> = BTreeSet::new();
    let (mut guests, mut used) = (Vec::new(), BTreeSet::new());
    for (entry, process) in &entries {
        let name = entry.name.clone().unwrap_or_else(|| format!("{}-{}", process.kind.word(), process.pid));
        let mut guest = if entry.state != EntryState::Foreign {
            own(&name, entry)
        } else if let Some((at, guest)) = managed(&name, &mut managers) {
            used.insert(at);
            Guest { opened: shown(process.pid).map(|text| opened_images(&text)).unwrap_or_default(), ..guest }
        } else {
            foreign(&name, process, asked.platform, options)
        };
        guest.setting.secret = secret(&name, &mut secrets);
        guests.push(guest);
    }
    let start = guests.iter().filter(|guest| guest.own_recipe.is_none()).map(|guest| guest.name.clone()).collect();
    let next = managers.iter().enumerate().filter(|(at, _)| used.contains(at)).flat_map(|(_, one)| one.next.clone());
    let next: Vec<Next> = next.collect();
    let taken = managers.iter().flat_map(|one| one.taken.clone()).collect();
    let is_used = |(at, one): (usize, Source)| used.contains(&at).then_some(one.network).flatten();
    let names: BTreeSet<&str> = guests.iter().map(|guest| guest.name.as_str()).collect();
    Ok(Source {
        kind: "what runs",
        taken,
        notes: left(&settings(asked, false)?.nodes, asked.platform, &names),
        guests,
        network: managers.into_iter().enumerate().find_map(is_used),
        start,
        start_file: Some("the order in which they were started".into()),
        next,
    })
}

/// Reads what the managers of this host have, of which some runs.
fn managers(options: &Options<'_>, platform: Platform) -> Result<Vec<Source>, Fault> {
    if let Some(given) = options.source {
        return folder(given, options).map(|(_, source)| vec![source]);
    }
    if platform != Platform::FreeBsd {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    let (_, rc_conf) = rc_conf(options)?;
    let mounted = |dataset: &str| {
        let argv = Argv::new("zfs").args(["get", "-H", "-o", "value", "mountpoint", dataset]);
        let told = run(&argv).ok().map(|text| text.trim().to_string()).filter(|text| text.starts_with('/'));
        told.unwrap_or_else(|| format!("/{dataset}"))
    };
    let store = rc_conf.dataset().map(mounted).or_else(|| rc_conf.dir.clone()).map(PathBuf::from);
    if let Some(store) = store.filter(|store| datastore::is(store)) {
        all.push(datastore::read(&store, options)?);
    }
    if let Some(folder) = rc_conf.cbsd.map(PathBuf::from).filter(|folder| cbsd::is(folder)) {
        all.push(cbsd::read(&folder, options));
    }
    if domains::is(Path::new(LIBVIRT)) {
        all.push(domains::read(Path::new(LIBVIRT), options));
    }
    Ok(all)
}

/// Takes a guest out of what managers have, with the manager's place.
fn managed(name: &str, managers: &mut [Source]) -> Option<(usize, Guest)> {
    managers.iter_mut().enumerate().find_map(|(number, source)| {
        let at = source.guests.iter().position(|guest| guest.name == name)?;
        Some((number, source.guests.swap_remove(at)))
    })
}

/// A machine that vmrun runs: it has a recipe already.
fn own(name: &str, entry: &Entry) -> Guest {
    let recipe = entry.recipe.clone().unwrap_or_else(|| "a recipe that is not known".into());
    let guest = Guest::new(name.into(), "vmrun's state".into(), Ok(String::new()), ImportOptions::default());
    Guest { own_recipe: Some(recipe), ..guest }
}

/// A machine of which there is its process alone.
fn foreign(name: &str, process: &Hypervisor, platform: Platform, options: &Options<'_>) -> Guest {
    let (kind, text) = match command_line(platform, process.pid) {
        Some(CommandLine::Words(words)) => (SourceKind::Qemu, Ok(typed(&words))),
        // It has not come to give itself a title: it waits for its viewer.
        Some(CommandLine::Line(line)) if !line.starts_with("bhyve: ") => {
            (SourceKind::Bhyve, Ok(format!("{} {line}\n", process.pid)))
        }
        Some(CommandLine::Line(_)) => (SourceKind::Procstat, shown(process.pid)),
        None => {
            let fault = Fault::new(format!("the process {} of {name} has ended, or may not be seen", process.pid));
            (SourceKind::Procstat, Err(fault.hint("import again, as root")))
        }
    };
    let setting = ImportOptions { kind: Some(kind), target: options.target, ..ImportOptions::default() };
    Guest::new(name.into(), format!("<the process of {name}>"), text, setting)
}

/// Tells of nodes that no process runs.
fn left(nodes: &Path, platform: Platform, names: &BTreeSet<&str>) -> Vec<Note> {
    if platform != Platform::FreeBsd {
        return Vec::new();
    }
    let note = |name: &String| {
        let text = format!(
            "a node of {name} is left in {}, and nothing runs it: `bhyvectl --destroy --vm={name}` ends it",
            nodes.display()
        );
        Note::new(0, name.clone(), text)
    };
    let is_left = |name: &&String| !name.starts_with('.') && !names.contains(name.as_str());
    let mut all = files::names(nodes);
    all.sort();
    all.iter().filter(is_left).map(note).collect()
}
