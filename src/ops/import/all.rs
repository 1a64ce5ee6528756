//! Everything that another manager has, as a folder of recipes with a report.

use super::folders::folder;
use super::kept::{KeptFolder, Written};
use super::outcome::{NetworkOutcome, Outcome, Outcomes};
use super::source::{Guest, Network, Options};
use super::{proved, report, running, tested};
use crate::diag::snippet::{Colour, draw};
use crate::diag::{Diagnostic, Fault};
use crate::host::files;
use crate::import::golden::TestHost;
use crate::import::{Import, ImportOptions, SourceKind, network};
use crate::model::VmName;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What is told of an import, in short.
pub(crate) struct Summary {
    /// A line of the whole, for people.
    pub(crate) line: String,
    /// What is not whole, or was not written.
    pub(crate) faults: Vec<Fault>,
    /// Files of an earlier import that this one has not.
    pub(crate) left: Vec<String>,
}

/// Imports all of a source.
pub(crate) fn import_all(options: &Options<'_>) -> Result<Summary, Vec<Diagnostic>> {
    let (name, source) = if options.running {
        ("what runs on this host".to_string(), running::read(options)?)
    } else {
        let (path, source) = folder(options.source.unwrap_or_default(), options)?;
        (path.display().to_string(), source)
    };
    let mut kept = KeptFolder::open(Path::new(options.out))?;
    let mut taken: BTreeSet<String> = source.taken.into_iter().collect();
    let mut guests = Vec::new();
    for guest in source.guests {
        let has_name = guests.iter().any(|other: &Outcome| other.name == guest.name);
        let (mut outcome, host) = outcome(guest, has_name, &mut taken, &mut kept)?;
        if let Some(host) = host.filter(|_| options.with_test) {
            test(&mut outcome, &host, options, &mut kept)?;
        }
        guests.push(outcome);
    }
    let network = match source.network {
        Some(found) => Some(network_outcome(found, &guests, &mut kept)?),
        None => None,
    };
    let written = |name: &&String| guests.iter().any(|guest| guest.name == **name && guest.recipe.is_some());
    let start: Vec<String> = source.start.iter().filter(written).cloned().collect();
    let out = files::whole(Path::new(""), Path::new(options.out)).display().to_string();
    let config = kept.write("config.toml", &config(&out, &start))?;
    let outcomes = Outcomes {
        kind: source.kind,
        source: name,
        out,
        guests,
        network,
        start,
        start_file: source.start_file,
        notes: source.notes,
        next: source.next,
        config,
    };
    kept.write("REPORT.md", &report::markdown(&outcomes))?;
    kept.write("report.json", &report::json(&outcomes))?;
    let left = kept.close()?;
    Ok(Summary { line: report::line(&outcomes), faults: report::faults(&outcomes), left })
}

/// Tells of the images that the running hypervisor has open and the machine does not name.
fn opened(import: &mut Import, paths: &[String], file: &str) -> Vec<String> {
    let whole = |path: &str| files::whole(Path::new(""), Path::new(path));
    let named: BTreeSet<PathBuf> = import.draft.paths_mut().into_iter().map(|(_, path)| whole(path.as_str())).collect();
    let is_new = |path: &&String| !named.contains(&whole(path));
    let told = |path: &String| {
        format!(
            "the bhyve that runs has {path} open, which {file} does not name: it was changed since, or started otherwise"
        )
    };
    paths.iter().filter(is_new).map(told).collect()
}

/// Imports a guest, and writes its recipe.
fn outcome(
    guest: Guest,
    has_name: bool,
    taken: &mut BTreeSet<String>,
    kept: &mut KeptFolder,
) -> Result<(Outcome, Option<TestHost>), Fault> {
    let mut outcome = Outcome {
        name: guest.name,
        file: guest.file,
        recipe: None,
        is_partial: false,
        own_recipe: guest.own_recipe,
        differences: Vec::new(),
        holes: Vec::new(),
        notes: Vec::new(),
        warnings: Vec::new(),
        secret: None,
        written: Written::Ours,
        test: None,
    };
    if outcome.own_recipe.is_some() {
        return Ok((outcome, None));
    }
    if has_name {
        let fault = Fault::new(format!("another machine is called {} too", outcome.name));
        outcome.holes.push(said(&Diagnostic::error(fault.hint("give one of them another name, and import again"))));
        return Ok((outcome, None));
    }
    let text = match guest.text {
        Ok(text) => text,
        Err(fault) => {
            outcome.holes.push(said(&Diagnostic::error(fault)));
            return Ok((outcome, None));
        }
    };
    let setting = ImportOptions { taken: taken.clone(), ..guest.setting };
    let is_name = outcome.name.parse::<VmName>().map(drop);
    let name = format!("{}.rhai", outcome.name);
    match is_name.map_err(Into::into).and_then(|()| proved(&outcome.file, &text, &setting, &name)) {
        Ok((mut import, recipe, differences)) => {
            taken.extend(uses(&import));
            outcome.differences = differences;
            outcome.holes = import.holes().into_iter().map(|fault| said(&Diagnostic::error(fault))).collect();
            outcome.differences.extend(opened(&mut import, &guest.opened, &outcome.file));
            outcome.is_partial = import.kind == SourceKind::Procstat;
            outcome.warnings = import.warnings.iter().map(said).collect();
            let host = TestHost::of(&mut import);
            outcome.secret = import.password.map(|_| import.secret.clone());
            outcome.notes = import.notes;
            outcome.written = kept.write(&name, &recipe)?;
            outcome.recipe = Some(name);
            return Ok((outcome, Some(host)));
        }
        Err(faults) => outcome.holes.extend(faults.iter().map(said)),
    }
    Ok((outcome, None))
}

/// Writes the test of a recipe. One that somebody has changed has his plan: its test stays as it is.
fn test(outcome: &mut Outcome, host: &TestHost, options: &Options<'_>, kept: &mut KeptFolder) -> Result<(), Fault> {
    let Some(recipe) = &outcome.recipe else { return Ok(()) };
    let path = Path::new(options.out).join(recipe);
    let name = tested::file(Path::new(recipe)).display().to_string();
    if outcome.written != Written::Ours {
        kept.keep(&name);
        return Ok(());
    }
    match tested::test(&path, host) {
        Ok(text) => outcome.test = Some((name.clone(), kept.write(&name, &text)?)),
        Err(faults) => outcome.holes.extend(faults.iter().map(said)),
    }
    Ok(())
}

/// Returns the taps and the port of the screen that a machine has.
fn uses(import: &Import) -> Vec<String> {
    let ports = import.tree.entries().filter(|(key, _)| key.rsplit('.').next() == Some("tcp"));
    let ports = ports.filter_map(|(_, value)| Some(value.rsplit(':').next()?.to_string()));
    import.taps.keys().cloned().chain(ports).collect()
}

/// Says a fault as a text, as a terminal would show it.
fn said(diagnostic: &Diagnostic) -> String {
    draw(diagnostic, Colour::Plain).trim_end().to_string()
}

/// Writes the recipe of the switches, whose name no guest's recipe has.
fn network_outcome(found: Network, guests: &[Outcome], kept: &mut KeptFolder) -> Result<NetworkOutcome, Fault> {
    let is_free = |name: &String| guests.iter().all(|guest| guest.recipe.as_ref() != Some(name));
    let names = ["network.rhai".to_string()].into_iter().chain((2_u32..).map(|number| format!("network{number}.rhai")));
    let name = names.into_iter().find(is_free).unwrap_or_default();
    let network::Network { recipe, holes } = network::recipe(&found.switches, &name);
    let written = kept.write(&name, &recipe)?;
    let holes = holes.into_iter().map(|(switch, text)| format!("{switch}: {text}"));
    let noted = found.notes.iter().filter(|note| note.is_hole);
    let noted = noted.map(|note| format!("line {}, {}: {}", note.line, note.key, note.text));
    Ok(NetworkOutcome {
        file: found.file,
        recipe: name,
        holes: holes.chain(noted).collect(),
        switches: found.switches,
        notes: found.notes,
        written,
    })
}

/// Returns the text of a configuration that has the recipes, and starts those that started before.
fn config(out: &str, start: &[String]) -> String {
    let list = |all: &[String]| {
        let all: Vec<String> = all.iter().map(|text| format!("{}", toml_text(text))).collect();
        format!("[{}]", all.join(", "))
    };
    let recipes = list(&[out.to_string()]);
    format!(
        "# Where recipes are looked for, and what `vmrun start --all` starts, in this order.\nrecipes = {recipes}\nstart = {}\n",
        list(start)
    )
}

/// A text in TOML's quotes, which escape as JSON's do.
fn toml_text(text: &str) -> serde_json::Value {
    serde_json::Value::String(text.into())
}
