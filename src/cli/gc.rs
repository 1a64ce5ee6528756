//! `vmrun gc`: gives back what dead runs have left.

use super::run::duration;
use super::term::Term;
use crate::diag::Diagnostic;
use crate::model::Argv;
use crate::ops::gc::{Left, collect, halves};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Args)]
pub(super) struct GcArgs {
    /// Also look for half-written files in these folders, which a power cut may have left
    #[arg(value_name = "FOLDER")]
    folders: Vec<PathBuf>,
    /// Only print what would be given back
    #[arg(long)]
    dry_run: bool,
    /// Print a JSON list: machine, owner, given_back, kept, goes_on, faults
    #[arg(long)]
    json: bool,
    /// How long a guest that still runs may take to power off: 60s, 2m
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    stop_within: Duration,
}

pub(super) fn run(args: &GcArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let mut list = Vec::new();
    let mut broken = Ok(());
    let mut tell = |left: &Left, commands: &[Argv]| {
        if args.json {
            list.push(as_json(left, commands));
        } else if broken.is_ok() {
            broken = term.data(as_text(left, commands));
        }
    };
    let found = collect(args.dry_run, args.stop_within, &mut tell)?;
    broken?;
    for folder in &args.folders {
        for path in halves(folder, args.dry_run)? {
            if args.json {
                list.push(half_as_json(&path));
            } else {
                term.data(format!("# left half written by a vmrun that is gone\n{}", rm(&path)))?;
            }
        }
    }
    if args.json {
        for (object, left) in list.iter_mut().zip(&found) {
            object["faults"] = left.faults.iter().map(ToString::to_string).collect();
        }
        term.json(format!("{:#}", Value::Array(list)))?;
    }
    let faults: Vec<Diagnostic> = found.into_iter().flat_map(|left| left.faults).map(Diagnostic::error).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Who it was, and the commands that give back what it took.
fn as_text(left: &Left, commands: &[Argv]) -> String {
    let commands = commands.iter().map(ToString::to_string);
    let kept = left.kept.iter().map(|name| format!("# {name} stays: it has no mark of the run, or others use it"));
    let dated = left.dated.iter().map(|(name, command)| {
        format!(
            "# {name} stays: an older vmrun made it, perhaps one with another state folder; if none runs: {command}"
        )
    });
    let goes_on = left.goes_on.map(|pid| {
        format!(
            "# its guest, process {pid}, goes on: `vmrun adopt {0}` takes it over, `vmrun stop {0}` stops it",
            left.name
        )
    });
    let thawed = "# its file systems were frozen for a snapshot: they are thawed".to_string();
    let thawed = Some(thawed).filter(|_| left.goes_on.is_some() && left.frozen.is_some());
    std::iter::once(format!("# {}", left.whose()))
        .chain(goes_on)
        .chain(thawed)
        .chain(commands)
        .chain(kept)
        .chain(dated)
        .collect::<Vec<_>>()
        .join("\n")
}

fn rm(path: &Path) -> Argv {
    Argv::new("rm").arg(path.display())
}

fn half_as_json(path: &Path) -> Value {
    json!({ "machine": null, "owner": null, "given_back": [rm(path).words()], "kept": [], "goes_on": null, "faults": [] })
}

fn as_json(left: &Left, commands: &[Argv]) -> Value {
    let owner = left.owner.as_ref().map(
        |owner| json!({ "pid": owner.pid, "recipe": owner.recipe, "version": owner.version, "since": owner.since }),
    );
    let commands: Vec<Value> = commands.iter().map(|argv| json!(argv.words())).collect();
    let kept: Vec<&String> = left.kept.iter().chain(left.dated.iter().map(|(name, _)| name)).collect();
    json!({ "machine": left.name.as_str(), "owner": owner, "given_back": commands, "kept": kept, "goes_on": left.goes_on, "faults": [] })
}
