//! `vmrun completions`, and what shells ask when a tab is pressed: command lines are completed with commands, options, and the names
//! that this host has.

use super::term::Term;
use super::{Cli, with_run};
use crate::diag::{Diagnostic, Fault};
use crate::ops::completion::{self, Candidate};
use crate::ops::settings::env;
use clap::{Arg, Args, Command, CommandFactory, ValueEnum};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, complete};
use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

/// The variable by which a shell asks, with its name.
const ASKED: &str = "VMRUN_COMPLETE";

/// The variable with the number of the word that is completed.
const AT: &str = "VMRUN_COMPLETE_AT";

#[derive(Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// A shell that completes our commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shell {
    /// Bash, 4.0 and later.
    Bash,
    /// Fish.
    Fish,
    /// Zsh.
    Zsh,
    /// Tcsh: names of commands and options only.
    Tcsh,
    /// Elvish: names of commands and options only.
    Elvish,
    /// PowerShell: names of commands and options only.
    Powershell,
}

/// Prints what makes a shell complete our commands.
pub(super) fn completions(args: &CompletionsArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let plain = |shell| {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut with_candidates(Cli::command(), &[]), "vmrun", &mut text);
        String::from_utf8_lossy(&text).into_owned()
    };
    let script = match args.shell {
        Shell::Bash => include_str!("completion/vmrun.bash").into(),
        Shell::Fish => include_str!("completion/vmrun.fish").into(),
        Shell::Zsh => include_str!("completion/vmrun.zsh").into(),
        Shell::Tcsh => tcsh(&Cli::command()),
        Shell::Elvish => plain(clap_complete::Shell::Elvish),
        Shell::Powershell => plain(clap_complete::Shell::PowerShell),
    };
    term.data(script.trim_end()).map_err(|fault: Fault| vec![fault.into()])
}

/// Answers a shell that asks what a word may be, if one asks.
pub(super) fn asked(args: &[String], term: &Term) -> Option<ExitCode> {
    let shell = Shell::from_str(&env(ASKED)?, true).ok()?;
    let words: Vec<String> = args.iter().skip_while(|word| *word != "--").skip(1).cloned().collect();
    let at = env(AT).and_then(|at| at.parse().ok()).unwrap_or(words.len().saturating_sub(1));
    let lines: Vec<String> = candidates(words, at).iter().map(|found| line(shell, found)).collect();
    let is_told = lines.is_empty() || term.data(lines.join("\n")).is_ok();
    Some(if is_told { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

/// Returns what a word may be: a candidate that is hidden is none, even if it is the only one.
fn candidates(mut words: Vec<String>, mut at: usize) -> Vec<CompletionCandidate> {
    words.resize(words.len().max(at + 1), String::new());
    let is_first = words[1..at.max(1)].iter().all(|word| word.starts_with('-'));
    let mut found = if is_first { recipes(&words[at]) } else { Vec::new() };
    if !is_first {
        // `vmrun RECIPE` is `vmrun run RECIPE`.
        let given = words.len();
        words = with_run(words, &Cli::command());
        at += words.len() - given;
    }
    let program = with_candidates(Cli::command(), &words);
    let words: Vec<OsString> = words.into_iter().map(OsString::from).collect();
    let known = complete(&mut program.clone(), words, at, None).unwrap_or_default();
    found.splice(0..0, known);
    found.retain(|one| !one.is_hide_set());
    found
}

fn recipes(begun: &str) -> Vec<CompletionCandidate> {
    if begun.starts_with('-') { Vec::new() } else { shown(completion::recipes(begun)) }
}

/// Returns a candidate as a shell reads it.
fn line(shell: Shell, candidate: &CompletionCandidate) -> String {
    let value = candidate.get_value().to_string_lossy();
    let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
    let help = help.lines().next().unwrap_or_default();
    match shell {
        Shell::Fish if !help.is_empty() => format!("{value}\t{help}"),
        Shell::Zsh => {
            let value = value.replace('\\', "\\\\").replace(':', "\\:");
            if help.is_empty() { value } else { format!("{value}:{}", help.replace('\\', "\\\\")) }
        }
        Shell::Bash | Shell::Fish | Shell::Tcsh | Shell::Elvish | Shell::Powershell => value.into_owned(),
    }
}

fn shown(found: Vec<Candidate>) -> Vec<CompletionCandidate> {
    found.into_iter().map(|(name, what)| CompletionCandidate::new(name).help(Some(what.into()))).collect()
}

/// The kinds of hosts that are known, the newest release first.
const HOSTS: [&str; 8] =
    ["freebsd", "freebsd-16", "freebsd-15.1", "freebsd-15.0", "freebsd-14.5", "freebsd-14.4", "freebsd-14.3", "linux"];

/// What completes a word that is begun, of the words of a command line.
type Source = fn(&str, &[String]) -> Vec<Candidate>;

/// What an argument can be completed with, by the command that has it.
fn source(command: &str, argument: &str) -> Option<Source> {
    Some(match (command, argument) {
        ("stop" | "restart" | "kill" | "adopt" | "logs" | "events" | "status" | "monitor", "machine" | "machines") => {
            |_, _| completion::machines()
        }
        (_, "machine" | "machines") | ("start", "recipes") | ("export", "name") => |begun, _| {
            let known = [completion::machines(), completion::described(), completion::recipes(begun)].concat();
            first_of_each(known)
        },
        (_, "recipe" | "recipes") if command != "remove" => |begun, _| completion::recipes(begun),
        ("pin", "names") => |begun, _| [completion::systems(), completion::recipes(begun)].concat(),
        ("update", "names") | ("audit", "library") => |_, _| completion::libraries(),
        ("doc", "library") => |_, _| [completion::libraries(), completion::modules()].concat(),
        ("words", "word") => |_, _| completion::all_words(),
        ("man", "page") => |_, _| {
            let commands = super::groups::names().map(|name| (name.to_string(), "a command".to_string()));
            commands.chain(["recipe", "vmrun.toml", "config"].map(|file| (file.into(), "a file".into()))).collect()
        },
        (_, "hosts") | ("replicate", "host") => |_, _| completion::hosts(),
        (_, "on") => |_, _| HOSTS.map(|host| (host.to_string(), "a kind of host".to_string())).to_vec(),
        (_, "set") => |begun, words| {
            let recipe =
                words.iter().skip(2).filter(|word| !word.starts_with('-')).find_map(|word| completion::recipe(word));
            recipe.map(|recipe| completion::parameters(&recipe, begun)).unwrap_or_default()
        },
        _ => return None,
    })
}

/// Returns candidates without those whose names came before.
fn first_of_each(all: Vec<Candidate>) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    for one in all {
        if !found.iter().any(|known| known.0 == one.0) {
            found.push(one);
        }
    }
    found
}

/// Has the arguments of commands be completed with what this host has; the other words of the command line say which recipe is meant.
fn with_candidates(command: Command, words: &[String]) -> Command {
    let name = command.get_name().to_string();
    let ids: Vec<String> = command.get_arguments().map(|arg| arg.get_id().to_string()).collect();
    // An argument that is changed becomes the last one: all are gone through, so that their order stays.
    let command = ids.iter().fold(command, |command, id| command.mut_arg(id, |arg| with_source(&name, arg, words)));
    let names: Vec<String> = command.get_subcommands().map(|inner| inner.get_name().to_string()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, |inner| with_candidates(inner, words)))
}

/// Has an argument be completed with what this host has of it, if it has anything.
fn with_source(command: &str, arg: Arg, words: &[String]) -> Arg {
    let found = source(command, arg.get_id().as_str()).filter(|_| arg.get_action().takes_values());
    let Some(found) = found else { return arg };
    let words = words.to_vec();
    arg.add(ArgValueCompleter::new(move |begun: &OsStr| {
        let begun = begun.to_string_lossy();
        let is_one = |one: &Candidate| one.0.starts_with(&*begun);
        shown(found(&begun, &words).into_iter().filter(is_one).collect())
    }))
}

/// Returns a script for tcsh: names of commands and of their options.
fn tcsh(program: &Command) -> String {
    let commands: Vec<&Command> = program.get_subcommands().filter(|command| !command.is_hide_set()).collect();
    let mut names: Vec<&str> = commands.iter().map(|command| command.get_name()).collect();
    names.push("help");
    let mut rules = vec![format!("'p/1/({})/'", names.join(" "))];
    for command in commands {
        let inner: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        if !inner.is_empty() {
            rules.push(format!("'n/{}/({})/'", command.get_name(), inner.join(" ")));
        }
    }
    let mut options: Vec<&str> = Vec::new();
    collect_options(program, &mut options);
    options.sort_unstable();
    options.dedup();
    rules.insert(0, format!("'c/--/({})/'", options.join(" ")));
    format!("# Completes vmrun in tcsh: names of commands and options.\ncomplete vmrun {} 'p/*/f/'\n", rules.join(" "))
}

fn collect_options<'a>(command: &'a Command, options: &mut Vec<&'a str>) {
    options.extend(command.get_arguments().filter(|arg| !arg.is_hide_set()).filter_map(Arg::get_long));
    command.get_subcommands().filter(|inner| !inner.is_hide_set()).for_each(|inner| collect_options(inner, options));
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

    #[test]
    fn what_is_completed_is_an_argument_that_there_is() {
        fn ids(command: &Command, found: &mut usize) {
            let name = command.get_name();
            *found += command.get_arguments().filter(|arg| source(name, arg.get_id().as_str()).is_some()).count();
            command.get_subcommands().for_each(|inner| ids(inner, found));
        }
        let mut found = 0;
        ids(&Cli::command(), &mut found);
        assert!(found > 40, "{found}");
    }

    #[test]
    fn no_words_panic() {
        for (words, at) in
            [(&[][..], 0), (&["vmrun"], 0), (&["vmrun"], 1), (&["vmrun", "--"], 2), (&["vmrun", "x", "y"], 9)]
        {
            candidates(words.iter().map(ToString::to_string).collect(), at);
        }
    }
}
