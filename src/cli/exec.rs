//! `vmrun exec`: a command in a guest, by the guest's agent.

use super::run::duration;
use super::term::Term;
use crate::diag::Diagnostic;
use crate::ops::exec::{CommandEnd, ExecQuery, document, execute};
use clap::Args;
use std::time::Duration;

#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct ExecArgs {
    /// The machine, by name or by recipe
    machine: String,
    /// How long the command may take; else as long as it takes
    #[arg(long, value_name = "TIME", value_parser = duration)]
    within: Option<Duration>,
    /// Print a JSON object, as below
    #[arg(long)]
    json: bool,
    /// The program that is run there, with its arguments; no shell reads them
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

const AFTER: &str = "\
It is run by QEMU's guest agent, as root, and needs no network and no key: the machine has a port for it (`agent: \"9\"` in its
recipe, a free slot) and the guest the package qemu-guest-agent, running. A pipe or a file on the standard input is passed on, up
to 8 MiB. Output comes when the command has ended, up to 8 MiB of each kind; on a terminal it is escaped. `sh -c 'a | b'` as the
command has a shell.

The exit code is that of the command, 128 and the signal's number if a signal ended it, and 255 for what is no exit code here.
What goes wrong before has those of vmrun(1).

JSON: an object with
  exit, signal    the exit code of the command, and what signal ended it; one of them is null
  stdout, stderr  what it wrote, with what is no UTF-8 replaced
  truncated       whether some of that is missing
Keys may be added.";

/// Runs it, and returns the exit code.
pub(super) fn run(args: &ExecArgs, term: &Term) -> Result<u8, Vec<Diagnostic>> {
    let query = ExecQuery { machine: &args.machine, command: &args.command, within: args.within };
    let done = execute(&query)?;
    if args.json {
        term.json(format!("{:#}", document(&done)))?;
    } else {
        term.passed(&done.output)?;
        term.passed_as_error(&done.error);
        if done.is_cut {
            term.say("some of what the command wrote is left out: there was too much");
        }
        if let CommandEnd::Signalled(signal) = done.end {
            term.say(format_args!("signal {signal} ended the command in {}", args.machine));
        }
    }
    Ok(match done.end {
        CommandEnd::Exited(code) => u8::try_from(code).unwrap_or(u8::MAX),
        CommandEnd::Signalled(signal) => {
            u8::try_from(signal).ok().and_then(|it| it.checked_add(128)).unwrap_or(u8::MAX)
        }
    })
}
