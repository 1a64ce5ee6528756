//! `vmrun remove`: a machine goes, with all that it has.

use super::confirm::confirm;
use super::term::Term;
use crate::diag::Diagnostic;
use crate::ops::remove::{Removal, RemovalRequest};
use clap::Args;

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(super) struct RemoveArgs {
    /// The machine, or its recipe
    #[arg(value_name = "NAME")]
    machine: String,
    /// Also remove the snapshots of its disks
    #[arg(long)]
    snapshots: bool,
    /// Also remove its recipe
    #[arg(long)]
    recipe: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Only print the commands
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: &RemoveArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let request = RemovalRequest { name: &args.machine, snapshots: args.snapshots, recipe: args.recipe };
    let removal = Removal::of(request)?;
    let commands = removal.commands();
    if args.dry_run {
        removal.kept.iter().try_for_each(|what| term.data(format!("# stays: {what}")))?;
        return Ok(commands.iter().try_for_each(|command| term.data(command))?);
    }
    let name = removal.name.clone();
    if commands.is_empty() {
        term.say(format!("there is nothing of {name}"));
        return Ok(());
    }
    removal.kept.iter().for_each(|what| term.say(format!("stays: {what}")));
    let what = match removal.disks {
        (0, _) => format!("remove {name}"),
        (1, size) => format!("remove {name} with 1 disk, {}", size.rough()),
        (count, size) => format!("remove {name} with {count} disks, {}", size.rough()),
    };
    if !confirm(&what, &commands.iter().collect::<Vec<_>>(), args.yes, term)? {
        term.say("nothing was removed");
        return Ok(());
    }
    removal.perform()?;
    term.say(format!("{name} is removed"));
    Ok(())
}
