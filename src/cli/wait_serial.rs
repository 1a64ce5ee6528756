//! `vmrun wait-serial`: waits until a machine says something on its serial port.

use super::console::port;
use super::find::{HostArgs, tell};
use super::run::duration;
use super::term::Term;
use crate::diag::Diagnostic;
use crate::ops::serial::wait;
use clap::Args;
use std::time::Duration;

#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct WaitSerialArgs {
    /// The machine, by name or by recipe
    machine: String,
    /// What it is to say
    #[arg(allow_hyphen_values = true)]
    text: String,
    /// Which of its serial ports
    #[arg(long, value_name = "PORT", default_value = "com1")]
    port: String,
    /// How long it may take
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    within: Duration,
    #[command(flatten)]
    hosts: HostArgs,
}

const AFTER: &str = "\
The text is found as it stands, without the sequences by which terminals are told colours; a line ends with \\n. It has
to come from now on, or, where the port is \"stdio\" and so in the log, to stand in the last line already: a prompt does.
A machine that starts again meanwhile is waited for. One that runs on another host, which is asked by ssh (ssh://HOST),
is listened to by the vmrun there.";

pub(super) fn run(args: &WaitSerialArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let query = port(&args.machine, &args.port, &args.hosts);
    wait(&query, &args.text, args.within, &mut tell(term))
}
