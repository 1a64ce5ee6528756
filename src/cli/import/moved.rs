//! What is said of a machine that `vmrun export` wrote, and that is here by now.

use crate::cli::export::progress;
use crate::cli::term::Term;
use crate::diag::{Diagnostic, Fault};
use crate::model::Argv;
use crate::ops::import::archive::{MadePath, MoveOptions, Moved, Unpacker, import};

/// Imports it.
pub(super) fn run(from: Unpacker, options: &MoveOptions<'_>, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let moved = import(from, options, &mut progress(term, "importing", options.name))?;
    let dry_run = options.dry_run;
    let word = if dry_run { "would make" } else { "made" };
    for MadePath { path, shown } in &moved.made {
        let is_kept = moved.kept.contains(path);
        term.say(if is_kept { format!("{shown}, is there and the same") } else { format!("{word} {shown}") });
    }
    for name in &moved.locked {
        term.say(format_args!(
            "{name} is encrypted, and its key did not come: before the first start `zfs load-key {name}`, with the key that it had"
        ));
    }
    let fault = |line: &String| Diagnostic::error(Fault::new(format!("the recipe's machine is another one: {line}")));
    let differences: Vec<Diagnostic> = moved.differences.iter().map(fault).collect();
    if !differences.is_empty() {
        return Err(differences);
    }
    moved.undersized.iter().for_each(|disk| term.say(disk.shown()));
    let next = next(&moved);
    term.say(if dry_run {
        "same machine; nothing was written".into()
    } else if !moved.undersized.is_empty() {
        format!("same machine; `{next}` starts it after that")
    } else {
        format!("same machine; `{next}` starts it")
    });
    Ok(term.data(moved.recipe.display())?)
}

/// Returns what starts the machine.
fn next(moved: &Moved) -> Argv {
    let start = Argv::new("vmrun").arg("start").arg(moved.recipe.display());
    moved.params.iter().fold(start, |argv, (name, value)| argv.arg("--set").arg(format!("{name}={value}")))
}
