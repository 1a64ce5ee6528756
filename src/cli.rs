//! What people type: the command line, and the only place that prints. Exit codes are those of [`crate::diag::exit_code`].

mod audit;
mod cache;
mod check;
mod clone;
mod completion;
mod confirm;
mod console;
mod definitions;
mod doc;
mod doctor;
mod events;
mod exec;
mod export;
mod fetching;
mod find;
mod gc;
mod given;
mod groups;
mod help;
mod image;
mod images;
mod import;
mod keyboard;
mod library;
mod list;
mod logs;
mod lsp;
mod manual;
mod metrics;
mod migrate;
mod mistakes;
mod monitor;
#[cfg(test)]
mod named;
mod netboot;
mod network;
mod new;
#[cfg(test)]
mod options;
mod paint;
mod permit_guard;
mod plan;
mod record;
mod remove;
mod replicate;
mod reservation;
mod resize;
mod restart;
mod run;
mod screenshot;
mod serial_relay;
mod short;
mod snapshot;
mod ssh;
mod start;
mod status;
mod stop;
mod supervise;
mod table;
pub(crate) mod term;
mod test;
mod top;
mod verbs;
mod vnc;
mod wait_screen;
mod wait_serial;
mod words;

use crate::diag::{Blame, Diagnostic, Severity};
use crate::ops::recipe::{Prefetch, is_there, prefetch};
use crate::ops::settings::{self as place, platform};
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use given::{GivenArgs, PermitArgs, QueryArgs, RecipeArgs, pair};
use std::process::ExitCode;
use term::Term;

/// Runs bhyve virtual machines from small recipes: `vmrun RECIPE [--init]`
#[derive(Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true, after_help = after())]
struct Cli {
    /// Show every command as it is run
    #[arg(short, long, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

/// What stands below the list of commands.
fn after() -> String {
    format!(
        "\
`vmrun RECIPE` is `vmrun run RECIPE`. `vmrun RECIPE --help` lists the recipe's parameters.

Exit codes:
{}
{ENVIRONMENT}",
        crate::diag::exit_code::listed()
    )
}

const ENVIRONMENT: &str = "\
Environment:
  VMRUN_PLATFORM     freebsd or linux: the kind of host (freebsd-14.3 names a release)
  VMRUN_STATE_DIR    the folder for running machines
  VMRUN_LOG_DIR      the folder for the logs of machines in the background
  VMRUN_CACHE_DIR    the folder of the files that were fetched
  VMRUN_CONFIG       the configuration folder
  VMRUN_SECRET_NAME  the secret `name`";

#[derive(Subcommand)]
enum Command {
    /// Write the recipe of a new machine, from the image of its system
    New(new::NewArgs),
    /// Rehearse a recipe, then run its machine in the foreground
    Run(run::RunArgs),
    /// Print the commands that a recipe would run, in order
    Plan(plan::PlanArgs),
    /// Find what is wrong with recipes and libraries
    Check(check::CheckArgs),
    /// Run the tests of recipes on hosts that they describe
    Test(test::TestArgs),
    /// Rehearse recipes, then run their machines in the background
    Start(start::StartArgs),
    /// Stop machines, and wait until they are down
    Stop(stop::StopArgs),
    /// Stop machines in the background, and start them again
    Restart(restart::RestartArgs),
    /// Switch machines off at once
    Kill(stop::KillArgs),
    /// Take over guests whose supervisor is gone
    Adopt(start::AdoptArgs),
    /// Look after a machine: what `start` starts
    #[command(hide = true)]
    Supervise(supervise::SuperviseArgs),
    #[command(flatten)]
    Helper(HelperCommand),
    /// Give back what runs have left that were killed
    Gc(gc::GcArgs),
    /// Tell what this host lacks for machines, and what mends it
    Doctor(doctor::DoctorArgs),
    /// List the machines of this host
    List(list::ListArgs),
    /// Watch the machines of this host
    Top(top::TopArgs),
    /// Tell all that is known of a machine, and its threads
    Status(status::StatusArgs),
    /// Tell by the exit code whether a machine runs, for programs
    Monitor(monitor::MonitorArgs),
    /// Print numbers of the machines of this host, for Prometheus
    Metrics(metrics::MetricsArgs),
    /// Print the log of a machine in the background
    Logs(logs::LogsArgs),
    /// Print what happened to machines in the background, as JSON
    Events(events::EventsArgs),
    /// Tell which host runs a machine
    Find(find::FindArgs),
    /// Connect the terminal with the serial port of a machine
    Console(console::ConsoleArgs),
    /// Wait until a machine says something on its serial port
    WaitSerial(wait_serial::WaitSerialArgs),
    /// Log in to the guest of a machine, or run a command there, by ssh
    Ssh(ssh::SshArgs),
    /// Run a command in the guest of a machine, by its agent
    Exec(exec::ExecArgs),
    /// Copy files to the guest of a machine, or from it, by scp
    Cp(ssh::CpArgs),
    /// Print what ssh's configuration has to have of machines
    SshConfig(ssh::SshConfigArgs),
    /// Say that a key is not the guest's: what ssh runs
    #[command(hide = true)]
    SshOffered(ssh::OfferedArgs),
    /// Open a viewer on the screen of a machine, whichever host runs it
    Vnc(vnc::VncArgs),
    /// Save or show what is on the screen of a machine
    Screenshot(screenshot::ScreenshotArgs),
    /// Type at the keyboard of a machine
    Type(keyboard::TypeArgs),
    /// Wait until the screen of a machine shows something
    WaitScreen(wait_screen::WaitScreenArgs),
    /// Make a network that stays, or print the files that do
    Network(network::NetworkArgs),
    /// Make a disk of a machine larger
    Resize(resize::ResizeArgs),
    /// Make a machine of another one, with copies of its disks
    Clone(clone::CloneArgs),
    /// Remove a machine with its disks
    Remove(remove::RemoveArgs),
    /// Print what DHCP servers have to know, and write chain scripts
    Netboot(netboot::NetbootArgs),
    /// Keep the disks of a machine as they are now
    Snapshot(snapshot::SnapshotArgs),
    /// List the snapshots of a machine's disks, and remove them
    Snapshots(snapshot::SnapshotsArgs),
    /// Have the disks of a machine as they were in a snapshot
    Rollback(snapshot::RollbackArgs),
    /// Make boot images
    Image(image::ImageArgs),
    /// List images of systems that are known, and pin what is published
    Images(images::ImagesArgs),
    /// List what was fetched, and remove what is not used
    Cache(cache::CacheArgs),
    #[command(flatten)]
    Transfer(migrate::TransferCommand),
    /// Write recipes of what bhyve, vm-bhyve, CBSD, libvirt, QEMU have
    Import(import::ImportArgs),
    /// Run a shell script with stand-ins, and write its recipe
    Record(record::RecordArgs),
    /// Name, fetch and pin the libraries that recipes share
    Lib(library::LibArgs),
    /// List all that a library can ask the host for
    Audit(audit::AuditArgs),
    /// Print the reference of the recipe language
    Words(words::WordsArgs),
    /// Write the reference of words, or of a library's functions
    Doc(doc::DocArgs),
    /// Write what editors read of words and libraries
    Definitions(definitions::DefinitionsArgs),
    /// Help an editor with recipes (Language Server Protocol)
    Lsp(lsp::LspArgs),
    /// Print a page of the manual, or write all of them
    Man(manual::ManArgs),
    /// Print the completions of a shell
    Completions(completion::CompletionsArgs),
}

/// Runs the program and returns its exit code. A stand-in of a recording is a link to it, called by the name of another, and the
/// processes of an enclosure have names of their own.
pub fn main() -> ExitCode {
    if let Some(code) = record::enclosure() {
        return code;
    }
    crate::ops::gather_randomness();
    crate::ops::with_room(|| record::stand_in().unwrap_or_else(program))
}

/// Reads the command line, does what it asks and returns the exit code.
fn program() -> ExitCode {
    let term = Term::new();
    let args: Vec<String> = std::env::args().collect();
    if let Some(code) = completion::asked(&args, &term) {
        return code;
    }
    // It takes a moment, in which the command line is parsed.
    let prefetch = args.iter().find(|arg| arg.contains(".rhai")).map_or_else(Prefetch::default, |path| prefetch(path));
    if let Some(cli) = short::parsed(&args) {
        return exit_code(cli, prefetch, term);
    }
    let command = Cli::command();
    if let Some(fault) = verbs::answer(&args, &command) {
        return failed(&[fault.into()], &term);
    }
    let args = with_run(args, &command);
    if let Some(code) = run::recipe_help(&args, &term) {
        return code;
    }
    let cli = match parsed(command, &args) {
        Ok(cli) => cli,
        Err(error) => {
            if let Some(fault) = mistakes::fault(&error, &args, &Cli::command()) {
                return failed(&[fault.into()], &term);
            }
            let bad = error.use_stderr();
            term.usage(&error);
            return ExitCode::from(if bad { 2 } else { 0 });
        }
    };
    exit_code(cli, prefetch, term)
}

/// Parses a whole command line. Only what shows help is parsed again with its text made ready: that goes through all commands, and
/// took as long as all the rest of the parsing.
fn parsed(command: clap::Command, args: &[String]) -> Result<Cli, clap::Error> {
    let is_help = |error: &clap::Error| {
        matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand)
    };
    let matches = match command.try_get_matches_from(args) {
        Err(error) if is_help(&error) => help::shown(Cli::command()).try_get_matches_from(args),
        done => done,
    };
    matches.and_then(|matches| Cli::from_arg_matches(&matches))
}

/// Does what the command line asks, and says how it went.
fn exit_code(cli: Cli, prefetch: Prefetch, mut term: Term) -> ExitCode {
    if cli.verbose {
        term.say_more();
    }
    match perform(cli.command, prefetch, &term) {
        Ok(code) => ExitCode::from(code),
        Err(diagnostics) => failed(&diagnostics, &term),
    }
}

/// Shows what went wrong, and returns the exit code.
fn failed(diagnostics: &[Diagnostic], term: &Term) -> ExitCode {
    diagnostics.iter().for_each(|diagnostic| term.diagnostic(diagnostic));
    ExitCode::from(code(diagnostics))
}

/// What vmrun itself is where another vmrun starts it: as a helper of a machine, or as the other side of a move.
#[derive(Subcommand)]
enum HelperCommand {
    /// Keep what a serial port says, and let consoles in: a helper of a machine with `serial_log`
    #[command(hide = true)]
    SerialRelay(serial_relay::SerialRelayArgs),
    /// Hold the permit of a machine, and end its guest where it is lost: a helper of a machine with `permit`
    #[command(hide = true)]
    PermitGuard(permit_guard::PermitGuardArgs),
    /// Answer a vmrun that moves a machine to this host: called by that one, by ssh
    #[command(hide = true)]
    MigrateReceive,
    /// Have a reservation, or renew it: what guards the permit of a machine with `reservation` runs it
    #[command(hide = true)]
    Reservation(reservation::ReservationArgs),
}

fn helper(command: HelperCommand, term: &Term) -> Result<(), Vec<Diagnostic>> {
    match command {
        HelperCommand::SerialRelay(args) => serial_relay::run(&args),
        HelperCommand::PermitGuard(args) => permit_guard::run(&args, term),
        HelperCommand::MigrateReceive => migrate::receive(),
        HelperCommand::Reservation(args) => reservation::run(&args, term),
    }
}

/// Calls the function of a command, and returns the exit code if nothing went wrong.
fn perform(command: Command, prefetch: Prefetch, term: &Term) -> Result<u8, Vec<Diagnostic>> {
    let done = match command {
        Command::Exec(args) => return exec::run(&args, term),
        Command::Doctor(args) => return doctor::run(&args, term),
        Command::New(args) => new::run(&args, term),
        Command::Run(args) => run::run(&args, prefetch, term),
        Command::Plan(args) => return plan::run(&args, prefetch, term),
        Command::Check(args) => check::run(&args, term),
        Command::Test(args) => test::run(&args, term),
        Command::Start(args) => start::run(&args, term),
        Command::Stop(args) => stop::run(&args, term),
        Command::Restart(args) => restart::run(&args, term),
        Command::Kill(args) => stop::kill(&args, term),
        Command::Adopt(args) => start::adopt(&args, term),
        Command::Supervise(args) => supervise::run(&args, term),
        Command::Helper(command) => helper(command, term),
        Command::Gc(args) => gc::run(&args, term),
        Command::List(args) => list::run(&args, term),
        Command::Top(args) => top::run(&args, term),
        Command::Status(args) => status::run(&args, term),
        Command::Monitor(args) => monitor::run(&args, term),
        Command::Metrics(args) => metrics::run(&args, term),
        Command::Logs(args) => logs::run(&args, term),
        Command::Events(args) => events::run(&args, term),
        Command::Find(args) => find::run(&args, term),
        Command::Console(args) => console::run(&args, term),
        Command::WaitSerial(args) => wait_serial::run(&args, term),
        Command::Ssh(args) => ssh::ssh(&args, term),
        Command::Cp(args) => ssh::copy(&args, term),
        Command::SshConfig(args) => ssh::config(&args, term),
        Command::SshOffered(args) => ssh::offered(&args, term),
        Command::Vnc(args) => vnc::run(&args, term),
        Command::Screenshot(args) => screenshot::run(&args, term),
        Command::Type(args) => keyboard::run(&args, term),
        Command::WaitScreen(args) => wait_screen::run(&args, term),
        Command::Network(args) => network::run(&args, term),
        Command::Resize(args) => resize::run(&args, term),
        Command::Clone(args) => clone::run(&args, term),
        Command::Remove(args) => remove::run(&args, term),
        Command::Netboot(args) => netboot::run(&args, term),
        Command::Snapshot(args) => snapshot::take(&args, term),
        Command::Snapshots(args) => snapshot::list(&args, term),
        Command::Rollback(args) => snapshot::rollback(&args, term),
        Command::Image(args) => image::run(&args, term),
        Command::Images(args) => images::run(&args, term),
        Command::Cache(args) => cache::run(&args, term),
        Command::Transfer(command) => migrate::transfer(&command, term),
        Command::Import(args) => import::run(&args, term),
        Command::Record(args) => record::run(&args, term),
        Command::Lib(args) => library::run(&args, term),
        Command::Audit(args) => audit::run(&args, term),
        Command::Words(args) => words::run(&args, term),
        Command::Doc(args) => doc::run(&args, term),
        Command::Definitions(args) => definitions::run(&args, term),
        Command::Lsp(args) => lsp::run(&args),
        Command::Man(args) => manual::man(&args, Cli::command(), term),
        Command::Completions(args) => completion::completions(&args, term),
    };
    done.map(|()| 0)
}

/// `vmrun RECIPE` means `vmrun run RECIPE`: the first word that is no flag and no command is a recipe.
fn with_run(mut args: Vec<String>, commands: &clap::Command) -> Vec<String> {
    let first = args.iter().skip(1).position(|arg| !arg.starts_with('-'));
    if let Some(at) = first {
        let word = &args[at + 1];
        let names: Vec<&str> = commands.get_subcommands().map(clap::Command::get_name).collect();
        let misspelt = !is_there(word) && crate::diag::suggest::nearest(word, names.iter().copied()).is_some();
        let known = names.contains(&word.as_str()) || word == "help" || misspelt;
        if !known {
            args.insert(1, "run".into());
        }
    }
    args
}

/// Returns the exit code of faults: the gravest of their blames decides.
fn code(diagnostics: &[Diagnostic]) -> u8 {
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    errors.map(|diagnostic| diagnostic.fault.blame).max().map_or(0, Blame::code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(String::from).collect()
    }

    #[test]
    fn the_text_of_help_is_made_ready_wherever_help_is_shown() {
        let plain = |line: &str| Cli::command().try_get_matches_from(words(line)).unwrap_err().to_string();
        let ready = |line: &str| help::shown(Cli::command()).try_get_matches_from(words(line)).unwrap_err();
        let mut differ = 0;
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            for line in [format!("vmrun {name} --help"), format!("vmrun {name} -h"), format!("vmrun help {name}")] {
                let shown = parsed(Cli::command(), &words(&line)).err().unwrap().to_string();
                assert_eq!(shown, ready(&line).to_string(), "{line}");
                differ += usize::from(shown != plain(&line));
            }
        }
        assert!(differ > 0);
    }
}
