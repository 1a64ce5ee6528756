//! What is wrong with a command line, where more can be said of it than clap does: the way out of a value that is none, and our name
//! of an option that other programs have by another.

use crate::diag::Fault;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};
use std::error::Error as _;
use std::num::ParseIntError;

/// What other programs call it, and ours, which is the only one that help shows.
pub(super) const SYNONYMS: &[(&[&str], &str)] = &[
    (&["timeout", "deadline", "max-time", "wait-time", "grace"], "within"),
    (&["output", "dest", "destination", "target", "directory", "outdir"], "out"),
    (&["form", "style", "type", "kind"], "format"),
    (&["simulate", "no-act", "pretend", "noop", "dryrun", "just-print"], "dry-run"),
    (&["assume-yes", "force", "no-confirm", "non-interactive"], "yes"),
    (&["tail"], "follow"),
    (&["interval", "period"], "every"),
    (&["platform", "os-type", "for"], "on"),
    (&["param", "var", "define", "parameter"], "set"),
    (&["host", "server-list"], "hosts"),
    (&["write", "save", "update-recipe"], "edit"),
    (&["count", "number"], "lines"),
    (&["filter", "match"], "only"),
    (&["everything"], "all"),
    (&["initialize", "initialise"], "init"),
    (&["ram", "mem"], "memory"),
    (&["cpu", "vcpu", "vcpus", "smp"], "cpus"),
    (&["disk", "disk-size", "disk-gb"], "size"),
    (&["image", "os-variant", "distro", "template"], "os"),
    (&["network", "nic"], "net"),
    (&["ssh-key", "pubkey", "public-key"], "key"),
    (&["username", "login"], "user"),
    (&["zfs", "pool", "dataset"], "zvol"),
];

/// Returns the fault of a command line; nothing where clap says all that there is to say.
pub(super) fn fault(error: &Error, args: &[String], program: &Command) -> Option<Fault> {
    match error.kind() {
        ErrorKind::ValueValidation => value(error),
        ErrorKind::UnknownArgument => option(error, args, program),
        _ => None,
    }
}

/// What a part of the command line is that clap has kept.
fn part(error: &Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text),
        _ => None,
    }
}

/// A value that is none, with the way out that whoever read it says.
fn value(error: &Error) -> Option<Fault> {
    let source = error.source()?;
    let (says, hint) = match source.downcast_ref::<Fault>() {
        Some(fault) => (fault.message.clone(), fault.hint.clone()?),
        None if source.is::<ParseIntError>() => ("it is no whole number".into(), "write digits only".into()),
        None => return None,
    };
    let (given, to) = (part(error, ContextKind::InvalidValue)?, part(error, ContextKind::InvalidArg)?);
    Some(Fault::usage(format!("invalid value '{given}' for '{to}': {says}")).hint(hint))
}

/// An option that its command does not have, and has by another name.
fn option(error: &Error, args: &[String], program: &Command) -> Option<Fault> {
    let written = part(error, ContextKind::InvalidArg)?;
    let name = written.strip_prefix("--")?.split('=').next()?;
    let (_, ours) = SYNONYMS.iter().find(|(theirs, _)| theirs.contains(&name))?;
    let mut command = program;
    for word in args.iter().skip(1).take_while(|word| !word.starts_with("--")) {
        command = command.find_subcommand(word).unwrap_or(command);
    }
    let has = command.get_arguments().any(|argument| argument.get_long() == Some(*ours));
    let fault = Fault::usage(format!("unexpected argument '{written}' found"));
    has.then(|| fault.hint(format!("`vmrun {}` calls it --{ours}", command.get_name())))
}

#[cfg(test)]
mod tests {
    use super::super::Cli;
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn what_clap_leaves_out_is_said() {
        for (line, message, hint) in [
            (
                "vmrun new web --cpus two",
                "invalid value 'two' for '--cpus <CPUS>': it is no whole number",
                "write digits only",
            ),
            (
                "vmrun new we/b",
                "invalid value 'we/b' for '[NAME]': \"we/b\" is not a machine's name",
                "a name begins with a letter or digit; letters, digits, `.`, `_` and `-` follow",
            ),
            ("vmrun new web --ram 2G", "unexpected argument '--ram' found", "`vmrun new` calls it --memory"),
            ("vmrun new web --disk=20G", "unexpected argument '--disk' found", "`vmrun new` calls it --size"),
            ("vmrun stop web --timeout 5s", "unexpected argument '--timeout' found", "`vmrun stop` calls it --within"),
        ] {
            let args: Vec<String> = line.split(' ').map(String::from).collect();
            let error = Cli::command().try_get_matches_from(&args).unwrap_err();
            assert_eq!(fault(&error, &args, &Cli::command()), Some(Fault::usage(message).hint(hint)), "{line}");
        }
        for line in ["vmrun stop web --ram 2G", "vmrun new web --bogus", "vmrun new web --cpus"] {
            let args: Vec<String> = line.split(' ').map(String::from).collect();
            let error = Cli::command().try_get_matches_from(&args).unwrap_err();
            assert_eq!(fault(&error, &args, &Cli::command()), None, "{line}");
        }
    }
}
