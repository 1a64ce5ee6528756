//! Hands this process over to another program: a viewer, or ssh.

use super::environment::command;
use super::files::reason;
use super::program;
use crate::diag::Fault;
use crate::model::{Argv, Secret};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;

/// Becomes another program, with one more variable in its environment, and comes back only with the reason why not.
pub(crate) fn hand_over(argv: &Argv, variable: Option<(&str, &Secret)>) -> Fault {
    let mut command = command(&argv.program);
    command.args(&argv.args);
    if let Some((name, secret)) = variable {
        command.env(name, secret.reveal());
    }
    Fault::host(format!("cannot start `{}`: {}", argv.program, reason(&command.exec())))
}

/// Returns whether there is such a program.
pub(crate) fn is_there(name: &str) -> bool {
    name.contains('/') || program::find(name).is_some()
}

/// Returns where this program is.
pub(crate) fn own_program() -> Option<PathBuf> {
    std::env::current_exe().ok()
}
