//! `vmrun clone`: a machine under another name, with copies of its disks.

use super::fetching::Meter;
use super::term::Term;
use crate::diag::Diagnostic;
use crate::model::{Size, VmName};
use crate::ops::clone::{Clone, CloneEvent};
use clap::Args;

/// How much is copied before it is told again: 1 GiB.
const TELLS: u32 = 30;

#[derive(Args)]
pub(super) struct CloneArgs {
    /// The machine, or its recipe
    #[arg(value_name = "NAME")]
    machine: String,
    /// The name of the clone; its recipe is NEW.rhai, beside the other
    #[arg(value_name = "NEW")]
    new: VmName,
    /// Only print the commands
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: &CloneArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let clone = Clone::of(&args.machine, &args.new)?;
    let recipe = clone.recipe.display().to_string();
    if args.dry_run {
        clone.commands().iter().try_for_each(|command| term.data(command))?;
        clone.shared.iter().try_for_each(|what| term.data(format!("# {what}")))?;
        return Ok(term.data(format!("# {recipe} is written"))?);
    }
    let (shared, runs, new) = (clone.shared.clone(), clone.runs, &args.new);
    let (mut said, mut meter) = (0, Meter::default());
    clone.perform(&mut |event| match event {
        CloneEvent::Copied(to, done) if term.is_terminal() => meter.draw(to, *done, None),
        CloneEvent::Copied(to, done) => {
            let whole = done >> TELLS;
            if whole > 0 && whole != said {
                term.say(format!("{}: {} copied", to.display(), Size::bytes(whole << TELLS).rough()));
            }
            said = whole;
        }
        CloneEvent::Made(what, how) => term.say(format!("{what} is {how}")),
    })?;
    if runs {
        term.say(format!("{} runs: its clone begins as after a power cut", args.machine));
    }
    shared.iter().for_each(|what| term.say(what));
    term.say(format!("{recipe} is written; `vmrun start {new}` starts it"));
    Ok(())
}
