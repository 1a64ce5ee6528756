//! `vmrun vnc`: finds a machine, and opens a viewer on its screen.

use super::find::{HostArgs, tell};
use super::term::Term;
use crate::diag::Diagnostic;
use crate::ops::viewer::view;
use clap::Args;

#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct VncArgs {
    /// The machine, by name or by recipe
    machine: String,
    #[command(flatten)]
    hosts: HostArgs,
}

const AFTER: &str = "\
Where a host was asked by ssh (ssh://HOST) and the screen listens there for the host itself only, the viewer gets an
address of this host from which ssh leads there. That way ends with the viewer, which has to stay in the foreground.";

pub(super) fn run(args: &VncArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    view(&args.machine, &args.hosts.query(), &mut tell(term))
}
