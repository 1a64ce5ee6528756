//! `vmrun permit-guard`: the helper that guards the permit of a machine.

use super::run::duration;
use super::term::Term;
use crate::diag::{Diagnostic, Fault, shown};
use crate::model::VmName;
use crate::ops::permit::{self, GuardRequest, Permit, Times};
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Args)]
pub(super) struct PermitGuardArgs {
    /// Become the command of `--acquire`, and end when whoever started it does
    #[arg(long = "become")]
    becomes: bool,
    /// The machine
    #[arg(long, required_unless_present = "becomes")]
    machine: Option<VmName>,
    /// The socket at which it is told how the permit stands
    #[arg(long, required_unless_present = "becomes")]
    listen: Option<PathBuf>,
    /// How long the permit is good after a renewal
    #[arg(long, value_parser = duration)]
    ttl: Option<Duration>,
    /// When the guest is down at the latest, since the last renewal
    #[arg(long, value_parser = duration)]
    within: Option<Duration>,
    /// How often it is renewed
    #[arg(long, value_parser = duration)]
    every: Option<Duration>,
    /// A host that is proved to be fenced
    #[arg(long)]
    fenced: Option<String>,
    /// The file or device with the reservation that is the permit
    #[arg(long, conflicts_with_all = ["acquire", "keep"])]
    reservation: Option<PathBuf>,
    /// What a line has in it by which the command of `--acquire` says that it holds
    #[arg(long, allow_hyphen_values = true)]
    ready: Option<String>,
    /// The command that holds the permit, each word by itself
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    acquire: Vec<String>,
    /// The command that renews it, each word by itself
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    keep: Vec<String>,
}

pub(super) fn run(args: &PermitGuardArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let (acquire, keep) = (permit::command(&args.acquire), permit::command(&args.keep));
    if let Some(argv) = acquire.as_ref().filter(|_| args.becomes) {
        return Err(permit::become_holder(argv).into());
    }
    let times = Times { ttl: args.ttl, within: args.within, every: args.every, wait: None };
    let permit = match &args.reservation {
        Some(path) => Permit::reserved(path, times)?,
        None => Permit::new(acquire, keep, times)?,
    };
    let permit = Permit { ready: args.ready.clone(), fenced: args.fenced.clone(), ..permit };
    let (Some(machine), Some(listen)) = (args.machine.clone(), args.listen.clone()) else {
        return Err(Fault::usage("`--become` needs a command: `--acquire`").into());
    };
    // In a log, what vmrun says of a machine begins otherwise: this is what the guard says to whoever waits for it.
    let tell = |why: &str| term.passed_as_error(format!("permit: {}\n", shown::line(why)).as_bytes());
    if let Some(why) = permit::guard(GuardRequest { machine, permit, listen }, &tell)? {
        tell(&why);
    }
    Ok(())
}
