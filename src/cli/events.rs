//! `vmrun events`: what happened to machines, as lines of JSON.

use super::term::Term;
use crate::diag::Diagnostic;
use crate::model::VmName;
use crate::ops::events;
use clap::Args;

#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct EventsArgs {
    /// The machines, if not all
    machines: Vec<VmName>,
    /// Go on with what happens, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// How many of the last events, if not all that are kept
    #[arg(short = 'n', long, value_name = "COUNT")]
    lines: Option<usize>,
}

const AFTER: &str = "\
A line is a JSON object with `time` (RFC 3339, UTC), `machine` and `event`:
  cleaned   what a killed run had left was given back; `of`, `commands`
  started   the hypervisor was started; `boot`, `pid`
  adopted   a guest that ran already was taken over; `pid`
  running   the guest runs
  ready     the machine is ready, as its recipe says; `address` of its guest, where that is known
  stopping  it is being stopped; `by` (agent, power button, force, kill), `within_ms`
  ended     the boot ended; `how` (as in an exit's questions), `status`, `message`, `last_words`
  waiting   it is started again after `delay_ms`
  failed    the run is over; `errors`
  held      nothing happens until somebody starts it; `error`
  permit    its permit is held, or lost; `state` (held, lost), and of one that is lost `why` and `left_ms`
  freeze    its file systems are frozen for a snapshot, or thawed; `what`
  clock     the clock of its guest was set after its host had slept, or may be late; `what`
  gone      something that was to be given back is gone already, `what`
  down      all was given back

Machines in the background have their events beside their logs; a run in the foreground has some
where `vmrun run --events FILE` says so.";

pub(super) fn run(args: &EventsArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let print = |lines: &[String]| if lines.is_empty() { Ok(()) } else { term.json(lines.join("\n")) };
    Ok(events::read(&args.machines, args.lines, args.follow, &print)?)
}
