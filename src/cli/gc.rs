//! `vmrun gc`: gives back what dead runs have left.

use super::run::duration;
use super::term::Term;
use super::{place, platform};
use crate::diag::{Diagnostic, Fault};
use crate::host::Host;
use crate::host::system::{Ahead, System};
use crate::supervise::recovery::{self, Left};
use clap::Args;
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Args)]
pub(super) struct GcArgs {
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
    let one = |fault: Fault| vec![Diagnostic::error(fault)];
    let settings = platform().and_then(|platform| place::settings(platform, false)).map_err(one)?;
    let mut host = System::new(settings, Ahead::default()).map_err(one)?;
    let mut list = Vec::new();
    let mut broken = Ok(());
    let mut tell = |host: &dyn Host, left: &Left| {
        if args.json {
            list.push(as_json(left, host));
        } else if broken.is_ok() {
            broken = term.data(as_text(left, host));
        }
    };
    let found = recovery::collect(&mut host, args.dry_run, args.stop_within, &mut tell).map_err(one)?;
    broken.map_err(one)?;
    if args.json {
        for (object, left) in list.iter_mut().zip(&found) {
            object["faults"] = left.faults.iter().map(ToString::to_string).collect();
        }
        term.data(format!("{:#}", Value::Array(list))).map_err(one)?;
    }
    let faults: Vec<Diagnostic> = found.into_iter().flat_map(|left| left.faults).map(Diagnostic::error).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Who it was, and the commands that give back what it took.
fn as_text(left: &Left, host: &dyn Host) -> String {
    let commands = left.commands(host).into_iter().map(|argv| argv.to_string());
    let kept = left.kept.iter().map(|name| format!("# {name} stays: it has no mark of the run, or others use it"));
    let goes_on = left.goes_on.map(|pid| {
        format!(
            "# its guest, process {pid}, goes on: `vmrun adopt {0}` takes it over, `vmrun stop {0}` stops it",
            left.name
        )
    });
    std::iter::once(format!("# {}", left.whose()))
        .chain(goes_on)
        .chain(commands)
        .chain(kept)
        .collect::<Vec<_>>()
        .join("\n")
}

fn as_json(left: &Left, host: &dyn Host) -> Value {
    let owner = left.owner.as_ref().map(
        |owner| json!({ "pid": owner.pid, "recipe": owner.recipe, "version": owner.version, "since": owner.since }),
    );
    let commands: Vec<Value> = left.commands(host).iter().map(|argv| json!(argv.words())).collect();
    json!({ "machine": left.name.as_str(), "owner": owner, "given_back": commands, "kept": left.kept, "goes_on": left.goes_on, "faults": [] })
}
