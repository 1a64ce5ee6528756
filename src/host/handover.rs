//! Hands this process over to another program.

use super::files::reason;
use super::program;
use crate::diag::Fault;
use crate::model::{Argv, Secret};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Becomes another program, with one more variable in its environment, and comes back only with the reason why not.
pub(crate) fn hand_over(argv: &Argv, variable: Option<(&str, &Secret)>) -> Fault {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    let mut command = Command::new(&argv.program);
    command.args(&argv.args);
    if let Some((name, secret)) = variable {
        command.env(name, secret.reveal());
    }
    Fault::host(format!("cannot start `{}`: {}", argv.program, reason(&command.exec())))
}

/// Becomes another program with the arguments of this one, under its name, and comes back only with the reason why not.
pub(crate) fn hand_over_all(program: &Path) -> Fault {
    let mut args = std::env::args_os();
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    let mut command = Command::new(program);
    if let Some(name) = args.next() {
        command.arg0(name);
    }
    Fault::host(format!("cannot start `{}`: {}", program.display(), reason(&command.args(args).exec())))
}

/// Finds a program that comes with this one: beside it, in the folder libexec that is beside its own, or in PATH.
pub(crate) fn sibling(name: &str) -> Option<PathBuf> {
    let beside = |own: PathBuf| {
        let bin = own.parent()?.to_path_buf();
        let libexec = bin.parent().map(|prefix| prefix.join("libexec").join(name));
        [Some(bin.join(name)), libexec].into_iter().flatten().find(|path| path.is_file())
    };
    std::env::current_exe().ok().and_then(beside).or_else(|| program::find(name))
}

/// Returns whether there is such a program.
pub(crate) fn is_there(name: &str) -> bool {
    name.contains('/') || program::find(name).is_some()
}
