//! `vmrun wait-screen`: waits until the screen of a machine shows something.

use super::find::{HostArgs, tell};
use super::run::duration;
use super::term::Term;
use crate::diag::Diagnostic;
use crate::ops::wait_screen::{Awaited, wait};
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct WaitScreenArgs {
    /// The machine, by name or by recipe
    machine: String,
    /// A text that is to stand in a line of the screen
    #[arg(required_unless_present = "picture", conflicts_with = "picture", allow_hyphen_values = true)]
    text: Option<String>,
    /// A PNG that is to be on the screen somewhere, pixel for pixel
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// How long it may take
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    within: Duration,
    #[command(flatten)]
    hosts: HostArgs,
}

const AFTER: &str = "\
A text is found as it stands, within one line of what `vmrun screenshot NAME --text` prints: it is read in the
typefaces of edk2's console and of the VGA, and in no other. For what is drawn otherwise there is --picture:
cut a part out of a screenshot; what is not opaque in it may be anything on the screen.

A machine that does not run yet, or starts again meanwhile, is waited for.";

pub(super) fn run(args: &WaitScreenArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let awaited = match &args.picture {
        Some(path) => Awaited::picture(path)?,
        None => Awaited::Text(args.text.clone().unwrap_or_default()),
    };
    wait(&args.machine, &awaited, args.within, &args.hosts.query(), &mut tell(term))
}
