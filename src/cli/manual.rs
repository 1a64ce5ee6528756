//! `vmrun man` and `vmrun completions`: what packages install beside the program.

use super::term::Term;
use crate::diag::{Diagnostic, Fault};
use crate::ops::manual;
use clap::builder::PossibleValuesParser;
use clap::{Arg, Args, Command};
use clap_mangen::Man;
use std::io;

#[derive(Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: clap_complete::Shell,
}

/// Prints the page for section 1 of the manual.
pub(super) fn man(program: Command, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let page = page(program).map_err(|why| vec![Fault::host(format!("cannot write the manual: {why}")).into()])?;
    term.data(String::from_utf8_lossy(&page).trim_end()).map_err(|fault| vec![fault.into()])
}

/// Prints what makes a shell complete our commands.
pub(super) fn completions(args: &CompletionsArgs, program: Command, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let mut program = with_hosts(program);
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut program, "vmrun", &mut text);
    term.data(String::from_utf8_lossy(&text).trim_end()).map_err(|fault| vec![fault.into()])
}

/// The kinds of hosts that are known, the newest release first.
const HOSTS: [&str; 8] =
    ["freebsd", "freebsd-16", "freebsd-15.1", "freebsd-15.0", "freebsd-14.5", "freebsd-14.4", "freebsd-14.3", "linux"];

/// Has `--on` complete the kinds of hosts that are known. Others are read too, as those with an architecture.
fn with_hosts(command: Command) -> Command {
    let has_host = command.get_arguments().any(|arg| arg.get_id() == "on");
    let command = if has_host {
        command.mut_arg("on", |arg| arg.value_parser(PossibleValuesParser::new(HOSTS)))
    } else {
        command
    };
    let names: Vec<String> = command.get_subcommands().map(|inner| inner.get_name().to_string()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, with_hosts))
}

fn page(mut program: Command) -> io::Result<Vec<u8>> {
    program.build();
    let mut out = Vec::new();
    let man = Man::new(program.clone());
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    manual::description(&mut out)?;
    man.render_options_section(&mut out)?;
    let shown = program.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help");
    manual::commands(&mut out, &shown.map(command).collect::<Vec<_>>())?;
    Ok(out)
}

fn command(of: &Command) -> manual::Command {
    let is_own = |arg: &&Arg| arg.get_id() != "help" && arg.get_id() != "version" && !arg.is_global_set();
    manual::Command {
        usage: of.clone().render_usage().to_string().trim_start_matches("Usage: ").into(),
        about: of.get_about().map(ToString::to_string).unwrap_or_default(),
        arguments: of.get_arguments().filter(is_own).map(argument).collect(),
        notes: of.get_after_help().map(ToString::to_string),
        commands: of.get_subcommands().filter(|inner| inner.get_name() != "help").map(command).collect(),
    }
}

fn argument(arg: &Arg) -> (String, String) {
    let long = arg.get_long().map(|long| format!("--{long}"));
    let values = arg.get_value_names().filter(|_| arg.get_action().takes_values());
    let value = values.and_then(|names| names.first()).map(|name| format!("<{name}>"));
    let name = [long, value].into_iter().flatten().collect::<Vec<_>>().join(" ");
    (name, arg.get_help().map(ToString::to_string).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Release;

    #[test]
    fn every_release_that_is_known_is_a_host_that_completes() {
        let releases = Release::ALL.iter().rev().map(|release| format!("freebsd-{}", release.name()));
        let known: Vec<String> = std::iter::once("freebsd".into()).chain(releases).chain(["linux".into()]).collect();
        assert_eq!(HOSTS.to_vec(), known);
    }
}
