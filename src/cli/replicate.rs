//! `vmrun replicate`: the disks of a machine, as they are at one moment, are kept on another host.

use super::migrate::tell;
use super::run::duration;
use super::term::Term;
use crate::diag::{Diagnostic, Fault};
use crate::model::VmName;
use crate::ops::migrate::{self, MigrateEvent, MigrateOptions, ReplicateRequest};
use clap::Args;
use std::time::Duration;

#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct ReplicateArgs {
    /// The machine: a name or a recipe
    #[arg(value_name = "NAME")]
    machine: String,
    /// The host, as ssh knows it: HOST, USER@HOST or USER@HOST:PORT
    #[arg(required_unless_present = "forget")]
    host: Option<String>,
    /// How many replicas that host keeps; the oldest go
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
    keep: u64,
    /// Remove all replicas of a machine from this host; with HOST, do not ask that one any more before the machine is started
    #[arg(long)]
    forget: bool,
    /// How long the other host may take to let us in
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    answer_within: Duration,
}

const AFTER: &str = "\
Of a machine that runs a snapshot is made, as by `vmrun snapshot`: volumes of ZFS, or files that have reflinks. Its file systems are frozen
meanwhile where its guest has an agent; otherwise a replica is as after a power cut. One that does not run is read as it is, and is not
started meanwhile. Only blocks that differ from the replica before are sent, and all are compared by their digests.

The recipe is checked and rehearsed there, as for a move. A replica is no machine of that host: `vmrun start NAME --from-replica`
there makes one of the newest. Replicate on a schedule by cron or by a timer of systemd; one that is still under way is not joined.";

pub(super) fn run(args: &ReplicateArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let Some(host) = args.host.as_ref().filter(|_| !args.forget) else { return forget(args, term) };
    let options = MigrateOptions { within: None, answer_within: args.answer_within };
    let is_terminal = term.is_terminal();
    let told = |event: &MigrateEvent<'_>| tell(event, term, is_terminal);
    let request = ReplicateRequest { name: &args.machine, host, keep: args.keep };
    let (name, sent) = migrate::replicate(&request, options, &told)?;
    term.say(format_args!("a replica of {name} is on {host}; {} were sent", sent.rough()));
    Ok(())
}

fn forget(args: &ReplicateArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let name: VmName = args.machine.parse().map_err(|fault: Fault| fault.hint("name the machine, not its recipe"))?;
    if let Some(host) = &args.host {
        migrate::forget_host(&name, host)?;
        term.say(format_args!("{host} is not asked any more whether it has taken {name} over"));
        return Ok(());
    }
    let count = migrate::forget_replicas(&name)?;
    let what = if count == 1 { "the replica".into() } else { format!("the {count} replicas") };
    term.say(format_args!("{what} of {name} went"));
    Ok(())
}
