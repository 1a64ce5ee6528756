//! `vmrun vnc`: finds a machine, and opens a viewer on its screen.

use super::find::{HostArgs, tell};
use super::term::Term;
use crate::diag::Diagnostic;
use crate::ops::viewer::{ForViewers, view};
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
address of this host from which ssh leads there. That way ends with the viewer, which has to stay in the foreground.

Without a viewer on this host the address of the screen is printed, and the command by which ssh leads to it from another host.";

pub(super) fn run(args: &VncArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let Some(found) = view(&args.machine, &args.hosts.query(), &mut tell(term))? else { return Ok(()) };
    let ForViewers { machine, address, tunnel, through, has_password, why } = found;
    term.data(address)?;
    term.say(why.hint.map_or(why.message.clone(), |hint| format!("{}; {hint}", why.message)));
    term.say(format!("the screen of {machine} is there; on another host: {tunnel}"));
    term.say(format!("and point a viewer there at {through}"));
    if has_password {
        term.say("it asks for the password that the recipe gives it by `secret`");
    }
    Ok(())
}
