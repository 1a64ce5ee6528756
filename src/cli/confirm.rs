//! Asking before what cannot be undone.

use super::term::Term;
use crate::diag::Fault;
use crate::model::Argv;
use crate::ops::display::terminal::{ask, has_keyboard};

/// Asks whether to do something, and returns whether somebody says so. Where nobody can be asked, `--yes` has to have said it.
pub(super) fn confirm(what: &str, commands: &[&Argv], is_sure: bool, term: &Term) -> Result<bool, Fault> {
    if is_sure {
        return Ok(true);
    }
    if !has_keyboard() {
        let fault = Fault::usage(format!("nobody can be asked here whether to {what}"));
        return Err(fault.hint("--yes does it, --dry-run shows what would be done"));
    }
    commands.iter().for_each(|argv| term.say(argv));
    let answer = ask(&format!("{what}? [y/N] "))?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}
