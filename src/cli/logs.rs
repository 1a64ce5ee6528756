//! `vmrun logs`: what a machine in the background and its supervisor have said.

use super::term::Term;
use super::{place, platform};
use crate::diag::{Diagnostic, Fault};
use crate::host::background::{follow, last_lines};
use crate::model::VmName;
use crate::supervise::standing::Standing;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct LogsArgs {
    /// The machine
    machine: VmName,
    /// Go on with what is added, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// How many of the last lines
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
    lines: usize,
}

pub(super) fn run(args: &LogsArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let log = log(&args.machine)?;
    let length = std::fs::metadata(&log).map(|meta| meta.len()).map_err(|_| none(&args.machine, &log))?;
    let lines = last_lines(&log, 0, args.lines);
    if !lines.is_empty() {
        term.data(lines)?;
    }
    if args.follow {
        follow(&log, length, &|bytes| term.bytes(bytes))?;
    }
    Ok(())
}

/// Where the log of a machine is: where its supervisor says, or where it would be.
pub(super) fn log(name: &VmName) -> Result<PathBuf, Fault> {
    let settings = platform().and_then(|platform| place::settings(platform, false))?;
    let standing = std::fs::read_to_string(settings.standing_file(name)).ok();
    let standing = standing.and_then(|text| Standing::read(&text));
    standing.map_or_else(|| place::log_file(name), |standing| Ok(standing.log.into()))
}

fn none(name: &VmName, log: &std::path::Path) -> Fault {
    let fault = Fault::host(format!("there is no log of {name}: {} is not there", log.display()));
    fault.hint(format!("a machine has one once it runs in the background: `vmrun start {name}`"))
}
