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
    /// What its guest has said on its serial port, where the recipe has that kept by `serial_log`
    #[arg(long)]
    serial: bool,
    /// Go on with what is added, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// How many of the last lines
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
    lines: usize,
}

pub(super) fn run(args: &LogsArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let log = if args.serial { Log::of_serial(&args.machine)? } else { Log::open(&args.machine)? };
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
