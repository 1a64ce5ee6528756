//! `vmrun check [PATH…]`: everything that is wrong with recipes and libraries, at once.

mod crew;
mod form;

use super::term::Term;
use super::{pair, place};
use crate::diag::{Diagnostic, Fault, suggest};
use crate::host::{Asked, Platform};
use crate::script::check::{Finding, Places, conflicts};
use crate::script::modules::STDLIB;
use clap::{Args, ValueEnum};
use crew::Outcome;
use std::path::{Path, PathBuf};

#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct CheckArgs {
    /// Recipes, libraries, and folders of them (.)
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Rehearse for hosts of that kind: freebsd, freebsd-14, linux; it may be given several times
    #[arg(long, value_name = "HOST", default_value = "freebsd")]
    on: Vec<String>,
    /// Give the recipes a parameter
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// How findings are printed: text on the standard error, json or sarif (SARIF 2.1.0) on the standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The same as --format json
    #[arg(long)]
    json: bool,
}

const AFTER: &str = "\
First each text is checked: names, arguments, keys, literals, imports, what is unused and what can never be reached. Then
each recipe is rehearsed on a host that has whatever it needs: with and without --init, with each way in which a boot can
end, with each parameter at the ends of the range or the values that `param(\"cpus\", 4, 1..=16)` declares. At last the
recipes are set against each other: names, hardware addresses, VNC, taps, disks that are written, host names.

A file that has nothing but functions is a library. A variable whose name begins with `_` may stay unused. In folders
what is hidden and what ends in _test.rhai is left out.

Exit codes:
  0    nothing was found
  1    something was found
  2    the command line is wrong";

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// An object with a list of findings.
    Json,
    /// The Static Analysis Results Interchange Format.
    Sarif,
}

pub(super) fn run(args: &CheckArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let one = |fault: Fault| vec![Diagnostic::error(fault)];
    let here = [PathBuf::from(".")];
    let paths = if args.paths.is_empty() { &here[..] } else { &args.paths };
    let is_checked = |name: &str| super::is_recipe(name) && !name.ends_with("_test.rhai");
    let files = files_of(paths, is_checked, "recipe", "recipes are files that end in .rhai").map_err(one)?;
    let settings = |on: &String| on.parse::<Asked>().and_then(|asked| place::settings(asked, false));
    let mut settings = args.on.iter().map(settings).collect::<Result<Vec<_>, _>>().map_err(one)?;
    settings.sort_by_key(|settings| settings.platform == Platform::Linux);
    let params = args.set.iter().cloned().collect();
    let outcomes = crew::check(&files, &settings, &params);
    let findings = all(&files, &outcomes);
    match if args.json { Format::Json } else { args.format } {
        Format::Text => findings.iter().for_each(|finding| term.diagnostic(&finding.diagnostic)),
        Format::Json => term.data(form::json(&findings, files.len())).map_err(one)?,
        Format::Sarif => term.data(form::sarif(&findings)).map_err(one)?,
    }
    for (file, outcome) in files.iter().zip(&outcomes) {
        if let Some(name) = &outcome.lacks {
            term.say(format!(
                "{} was not rehearsed: it needs the parameter `{name}`, so add --set {name}=…",
                file.display()
            ));
        }
    }
    if findings.is_empty() {
        term.say(summary(&outcomes));
        return Ok(());
    }
    let text = format!("{} found in {}", count(findings.len(), "fault"), count(files.len(), "file"));
    Err(one(Fault::new(text)))
}

fn summary(outcomes: &[Outcome]) -> String {
    let libraries = outcomes.iter().filter(|outcome| outcome.is_library).count();
    let rehearsals: usize = outcomes.iter().map(|outcome| outcome.rehearsals).sum();
    let kinds = [(outcomes.len() - libraries, "recipe"), (libraries, "library")];
    let kinds: Vec<String> =
        kinds.into_iter().filter(|(number, _)| *number > 0).map(|(number, kind)| count(number, kind)).collect();
    let kinds = suggest::list(kinds.iter().map(String::as_str));
    format!("nothing is wrong with {kinds}, after {}", count(rehearsals, "rehearsal"))
}

pub(super) fn count(number: usize, what: &str) -> String {
    match (number, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {what}s"),
    }
}

/// Returns every finding: those of each file, and those between files.
fn all(files: &[PathBuf], outcomes: &[Outcome]) -> Vec<Finding> {
    let places = Places::default();
    let text = |name: &str| {
        let own = files.iter().position(|file| file.as_path() == Path::new(name));
        let own = own.and_then(|at| outcomes[at].text.as_deref().map(String::from));
        let carried = || STDLIB.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_string());
        own.or_else(carried).or_else(|| std::fs::read_to_string(name).ok())
    };
    let claims =
        outcomes.iter().enumerate().flat_map(|(at, outcome)| outcome.claims.iter().map(move |one| (at, one.clone())));
    let between = conflicts(&claims.collect::<Vec<_>>(), |claim| places.find(claim, text));
    let mut found = Vec::new();
    for (at, outcome) in outcomes.iter().enumerate() {
        found.extend(outcome.findings.iter().map(crew::Sent::received));
        found.extend(between.iter().filter(|(file, _)| *file == at).map(|(_, finding)| finding.clone()));
    }
    found
}

/// Returns the files that are meant, in order, each once. In folders those whose name fits are; what is hidden is left alone.
pub(super) fn files_of(
    paths: &[PathBuf],
    fits: impl Fn(&str) -> bool + Copy,
    what: &str,
    hint: &str,
) -> Result<Vec<PathBuf>, Fault> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = found.len();
            below(path, fits, &mut found)?;
            if found.len() == before {
                let fault = Fault::usage(format!("there is no {what} in {}", path.display()));
                return Err(fault.hint(hint));
            }
        } else {
            found.push(path.clone());
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|path| seen.insert(path.clone()));
    Ok(found)
}

fn below(folder: &Path, fits: impl Fn(&str) -> bool + Copy, found: &mut Vec<PathBuf>) -> Result<(), Fault> {
    let unreadable = |error: std::io::Error| {
        let why = error.to_string();
        let why = why.split(" (os error").next().unwrap_or_default().to_string();
        Fault::usage(format!("cannot read the folder {}: {why}", folder.display()))
    };
    let entries = std::fs::read_dir(folder).map_err(unreadable)?;
    let mut paths =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_link = path.is_symlink();
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() && !is_link {
            below(&path, fits, found)?;
        } else if fits(&name) && path.is_file() {
            // `./lab.rhai` is how nobody would write it.
            found.push(path.strip_prefix(".").map(Path::to_path_buf).unwrap_or(path));
        }
    }
    Ok(())
}
