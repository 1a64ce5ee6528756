//! `vmrun migrate`: a machine is moved to another host.

use super::export;
use super::list::lasted;
use super::replicate;
use super::run::duration;
use super::term::Term;
use crate::diag::{Diagnostic, Fault, shown};
use crate::model::VmName;
use crate::ops::display::terminal;
use crate::ops::migrate::{self, MigrateEvent, MigrateOptions, MigrateRequest, Migrated};
use crate::ops::snapshots::shown_time;
use clap::{ArgGroup, Args, Subcommand};
use std::time::Duration;

/// How a machine comes to another host.
#[derive(Subcommand)]
pub(super) enum TransferCommand {
    /// Write a machine with its disks into one file or pipe
    Export(export::ExportArgs),
    /// Move a machine to another host, with its disks
    Migrate(MigrateArgs),
    /// Keep what is on a machine's disks on another host
    Replicate(replicate::ReplicateArgs),
}

pub(super) fn transfer(command: &TransferCommand, term: &Term) -> Result<(), Vec<Diagnostic>> {
    match command {
        TransferCommand::Export(args) => export::run(args, term),
        TransferCommand::Migrate(args) => run(args, term),
        TransferCommand::Replicate(args) => replicate::run(args, term),
    }
}

#[derive(Args)]
#[command(after_help = AFTER, override_usage = USAGE, group = ArgGroup::new("known").args(["resume", "abort"]))]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(super) struct MigrateArgs {
    /// The machine: a name or a recipe; with --all the first host
    #[arg(value_name = "NAME|HOST")]
    machine: String,
    /// The host, as ssh knows it: HOST, USER@HOST or USER@HOST:PORT. It goes to the first one that nothing stands against
    #[arg(value_name = "HOST", required_unless_present_any = ["resume", "abort", "forget", "all"])]
    hosts: Vec<String>,
    /// Move every machine that runs here, one after the other; what cannot be moved stays, and is told
    #[arg(long, conflicts_with_all = ["resume", "abort", "forget"])]
    all: bool,
    /// Go on with a move that was cut off
    #[arg(long, conflicts_with_all = ["hosts", "abort", "forget", "shared", "dry_run"])]
    resume: bool,
    /// Undo a move that was cut off; what ran runs here again
    #[arg(long, conflicts_with_all = ["hosts", "forget", "shared", "dry_run"])]
    abort: bool,
    /// Keep nothing of a move, whatever the other host has of it: only if that one is gone for ever
    #[arg(long, conflicts_with_all = ["hosts", "shared", "dry_run"])]
    forget: bool,
    /// Copy no disk: both hosts see the same ones
    #[arg(long)]
    shared: bool,
    /// Only ask the other host what stands against it
    #[arg(long)]
    dry_run: bool,
    /// For --resume and --abort: hosts with replicas that certainly do not run the machine, as nobody reaches them; with commas between them
    #[arg(long, value_name = "HOST,…", requires = "known")]
    fenced: Option<String>,
    /// How long the guest may take to power off; it is switched off then. Otherwise it gets the time that its start gave it
    #[arg(long, value_name = "TIME", value_parser = duration)]
    within: Option<Duration>,
    /// How long the other host may take to let us in
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    answer_within: Duration,
}

/// With `--all` there is no name, which clap cannot say of what stands at one place.
const USAGE: &str = "vmrun migrate [OPTIONS] NAME HOST...\n       vmrun migrate [OPTIONS] --all HOST...";

const AFTER: &str = "\
On the other host the same vmrun is installed, and ssh lets us in without a password. There the recipe is checked and rehearsed
before anything is copied; it is put where that host has its recipes, with what it imports of its own folder, and its disks where
it has them. Libraries are not copied: there they have to be as they are pinned.

The disks are copied while the guest runs, block by block; what has changed is copied again. Then the guest is stopped, the rest is
sent, and the machine is started there as it was started here. Only when it runs there this host gives it up: its disks and its
recipe stay here, and `vmrun start` refuses it; `vmrun remove` removes them.

--all empties a host: machines are moved one after the other, in the order in which they are started, and each of them to the first
of the hosts that nothing stands against. One that starts after others goes where they went, and stays if one of them stays. With
--dry-run each is asked for by itself: whether there is room for all of them together is seen when they are moved.

Whatever is killed meanwhile, exactly one of both hosts may start the machine. What was cut off is gone on with by --resume, or
undone by --abort, both on the host that gives it.";

/// Answers a vmrun that moves a machine to this host.
pub(super) fn receive() -> Result<(), Vec<Diagnostic>> {
    migrate::receive()
}

fn run(args: &MigrateArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let options = MigrateOptions { within: args.within, answer_within: args.answer_within };
    let is_terminal = term.is_terminal();
    let told = |event: &MigrateEvent<'_>| tell(event, term, is_terminal);
    if args.all {
        let hosts: Vec<String> = std::iter::once(&args.machine).chain(&args.hosts).cloned().collect();
        let request = MigrateRequest { name: "", hosts: &hosts, shared: args.shared, dry_run: args.dry_run };
        if migrate::migrate_all(&request, options, &told)? == 0 {
            term.say("no machine runs here");
        }
        return Ok(());
    }
    if args.hosts.is_empty() {
        return known(args, options, &told, term);
    }
    let request =
        MigrateRequest { name: &args.machine, hosts: &args.hosts, shared: args.shared, dry_run: args.dry_run };
    term.say(summary(&migrate::migrate(&request, options, &told)?));
    Ok(())
}

/// Does what is asked of a move that has begun.
fn known(
    args: &MigrateArgs,
    options: MigrateOptions,
    told: migrate::Listener<'_>,
    term: &Term,
) -> Result<(), Vec<Diagnostic>> {
    let name: VmName = args
        .machine
        .parse()
        .map_err(|fault: Fault| fault.hint("name the machine, not its recipe: its move is known by its name"))?;
    if args.resume {
        term.say(summary(&migrate::resume(&name, args.fenced.as_deref(), options, told)?));
    } else if args.abort {
        migrate::abort(&name, args.fenced.as_deref(), options, told)?;
    } else {
        let record = migrate::forget(&name)?;
        term.say(format_args!("nothing more is known here of the move of {name}, of which {} has a part", record.peer));
    }
    Ok(())
}

pub(super) fn tell(event: &MigrateEvent<'_>, term: &Term, is_terminal: bool) {
    match event {
        MigrateEvent::Begins(name, host, disks, used) => {
            term.say(format_args!("{name} is moved to {host}: {} with {}", counted(*disks), used.rough()));
        }
        MigrateEvent::Replicates(name, host, disks, used) => {
            term.say(format_args!("a replica of {name} goes to {host}: {} with {}", counted(*disks), used.rough()));
        }
        MigrateEvent::Note(note) => term.say(note),
        MigrateEvent::FromReplica(name, host, at, age) => {
            let (date, age) = (shown_time(*at), lasted(Duration::from_secs(*age)));
            term.say(format_args!(
                "{name} begins as it was on {host} on {date}, {age} ago; what came after that is lost"
            ));
        }
        MigrateEvent::Copies(progress) if is_terminal => {
            let amounts = terminal::amounts(progress.done, Some(progress.whole), progress.rate);
            terminal::redraw(&format!("vmrun: copying: {amounts}"));
        }
        MigrateEvent::Copies(_) => {}
        MigrateEvent::Copied(1, sent) => term.say(format_args!("copied {} while it runs", sent.rough())),
        MigrateEvent::Copied(_, sent) => term.say(format_args!("copied {} that had changed", sent.rough())),
        MigrateEvent::Stops(name) => term.say(format_args!("stopping {name}")),
        MigrateEvent::Starts(name, host) => term.say(format_args!("starting {name} on {host}")),
        MigrateEvent::StartsHere(name) => term.say(format_args!("starting {name} here again")),
        MigrateEvent::LeftOut(what) => term.say(format_args!("not moved: {what}")),
        MigrateEvent::Remains(what) => term.say(what),
        MigrateEvent::Undone(name, host) => {
            term.say(format_args!("the move of {name} to {host} is undone; it is this host's"))
        }
        MigrateEvent::NextHost(host, faults) => {
            faults.iter().for_each(|one| term.say(&one.fault.message));
            term.say(format_args!("{host} does not take it; the next host is asked"));
        }
        MigrateEvent::Done(moved) => term.say(summary(moved)),
        MigrateEvent::NotMoved(name) => term.say(format_args!("{name} stays here")),
        MigrateEvent::Foreign(name) => term.say(format_args!("{} stays here: it is not vmrun's", shown::line(name))),
    }
}

fn counted(disks: usize) -> String {
    if disks == 1 { "1 disk".into() } else { format!("{disks} disks") }
}

/// Returns what is said when all is done.
fn summary(migrated: &Migrated) -> String {
    let Migrated { machine, host, downtime, runs, was_dry_run } = migrated;
    if *was_dry_run {
        return format!("nothing stands against moving {machine} to {host}; nothing was changed");
    }
    match (runs, downtime) {
        (true, Some(downtime)) => {
            format!("{machine} runs on {host}; it was down for {:.1} s", downtime.as_secs_f64())
        }
        (true, None) => format!("{machine} runs on {host}"),
        (false, _) => format!("{machine} is on {host}; `vmrun start {machine}` there starts it"),
    }
}
