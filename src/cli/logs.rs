//! `vmrun logs`: what a machine in the background and its supervisor have said.

use super::term::Term;
use crate::diag::Diagnostic;
use crate::diag::shown::Pieces;
use crate::model::VmName;
use crate::ops::logs::Log;
use clap::Args;

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
    let log = Log::open(&args.machine)?;
    let lines = log.last_lines(args.lines);
    if !lines.is_empty() {
        term.data(lines)?;
    }
    if args.follow {
        let mut pieces = Pieces::default();
        log.follow(&mut |bytes| term.piece(&pieces.add(bytes)))?;
        term.piece(&pieces.finish());
    }
    Ok(())
}
