//! `vmrun monitor`: whether a machine runs, as an exit code.

use super::term::Term;
use crate::diag::Diagnostic;
use crate::model::VmName;
use crate::ops::monitor::monitor;
use clap::Args;

#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct MonitorArgs {
    /// The machine
    machine: VmName,
    /// Print a JSON object, as below
    #[arg(long)]
    json: bool,
}

const AFTER: &str = "\
Exit codes:
  0    it runs, or is about to: somebody looks after it
  6    it has failed, and is not started again by itself
  7    it cannot be told: what there is to look at could not be read, or does not fit together
  8    it does not run
  9    its guest runs, and its supervisor is gone: `vmrun adopt`

Of a machine that runs, has failed or is down files and locks are read, and no program is started. What a dead run has left is looked
at as `vmrun adopt` does.

JSON: an object with
  name, code       the machine, and the exit code
  state            running, starting, stopping, waiting, foreground, held, unsupervised, left, down or unknown
  supervisor, pid  the processes of the vmrun that looks after it and of its hypervisor, or null
  since, until     the second of 1970 in which its state began, and in which it is started again, or null
  boots, restarts  how often it was booted, and started again after a crash, or null
  recipe           the path of its recipe, or null
  error            why the exit code is not 0, or null
Keys may be added.";

pub(super) fn run(args: &MonitorArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let answer = monitor(&args.machine);
    if args.json {
        term.json(format!("{:#}", answer.document()))?;
    } else {
        term.data(format!("{} {}", args.machine, answer.state()))?;
    }
    answer.fault().map_or(Ok(()), |fault| Err(fault.into()))
}
