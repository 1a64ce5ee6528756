//! `vmrun man`: the pages of the manual, from the same descriptions as `--help`.

use super::groups::{self, GROUPS};
use super::help;
use super::term::Term;
use crate::diag::Diagnostic;
use crate::ops::manual;
use clap::{Arg, Args, Command};
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct ManArgs {
    /// The page: a command, `recipe`, `vmrun.toml` or `config` (that of vmrun, which lists them)
    page: Option<String>,
    /// Write all pages below this folder, into man1 and man5
    #[arg(long, value_name = "FOLDER", conflicts_with = "page")]
    out: Option<PathBuf>,
}

/// Prints a page of the manual, or writes all of them.
pub(super) fn man(args: &ManArgs, program: Command, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let pages = manual::pages(&described(program))?;
    let Some(out) = &args.out else {
        return Ok(term.data(manual::named(pages, args.page.as_deref())?.text.trim_end())?);
    };
    let files = manual::write(out, &pages)?;
    let lines: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    Ok(term.data(lines.join("\n"))?)
}

/// Returns what the manual has of the program.
fn described(mut program: Command) -> manual::Program {
    program.build();
    let groups = GROUPS.iter().map(|group| {
        let commands = group.commands.iter().filter_map(|entry| program.find_subcommand(entry.0));
        (group.title, commands.map(|one| command(one, &[one.get_name()])).collect())
    });
    let arguments = program.get_arguments().map(argument).collect();
    let own = manual::Command { arguments, ..command(&Command::new("vmrun"), &[]) };
    manual::Program { own, groups: groups.collect() }
}

fn command(of: &Command, path: &[&str]) -> manual::Command {
    let is_own = |arg: &&Arg| arg.get_id() != "help" && arg.get_id() != "version" && !arg.is_global_set();
    let inner = of.get_subcommands().filter(|inner| inner.get_name() != "help");
    manual::Command {
        name: path.join(" "),
        usage: of.clone().render_usage().to_string().trim_start_matches("Usage: ").into(),
        about: of.get_about().map(ToString::to_string).unwrap_or_default(),
        arguments: of.get_arguments().filter(is_own).map(argument).collect(),
        notes: of.get_after_help().map(|notes| help::joined(&notes.to_string())),
        examples: groups::examples(path, false).into_iter().copied().collect(),
        commands: inner.map(|inner| command(inner, &[path, &[inner.get_name()]].concat())).collect(),
    }
}

/// Returns how an argument is written, and what it means, with its default and the values that it may have.
fn argument(arg: &Arg) -> (String, String) {
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let values = arg.get_value_names().filter(|_| arg.get_action().takes_values());
    let value = values.and_then(|names| names.first()).map(|name| format!("<{name}>"));
    let names = [short, long].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let name =
        [Some(names).filter(|names| !names.is_empty()), value].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let takes = arg.get_action().takes_values();
    let possible: Vec<String> =
        arg.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    let default = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect::<Vec<_>>().join(",");
    let mut means = arg.get_help().map(ToString::to_string).unwrap_or_default();
    if takes && !possible.is_empty() {
        means += &format!(": {}", possible.join(", "));
    }
    if takes && !default.is_empty() {
        means += &format!(" (default: {default})");
    }
    (name, format!("{means}."))
}
