//! `vmrun check [PATH…]`: everything that is wrong with recipes and libraries, at once.

use super::pair;
use super::term::Term;
use crate::diag::{Diagnostic, Fault, suggest};
use crate::ops::check::{Report, check, documents};
use crate::ops::display::terminal::while_it_takes;
use crate::ops::recipe::once;
use crate::ops::settings::Asked;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct CheckArgs {
    /// Recipes, libraries, and folders of them (.)
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Rehearse for hosts of that kind: freebsd, freebsd-14.3, linux; it may be given several times
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

A file that has nothing but functions is a library, and one that ends in _test.rhai has tests: its names are looked at, and
`vmrun test` runs it. A variable whose name begins with `_` may stay unused. In folders what is hidden and tests are left out.

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
    let on = args.on.iter().map(|on| on.parse::<Asked>()).collect::<Result<Vec<_>, _>>()?;
    once("--set", &args.set)?;
    let set = args.set.iter().cloned().collect();
    let report = while_it_takes("checking", || check(&args.paths, &on, &set))?;
    report.doubt.iter().for_each(|warning| term.diagnostic(warning));
    match if args.json { Format::Json } else { args.format } {
        Format::Text => report.findings.iter().for_each(|finding| term.diagnostic(&finding.diagnostic)),
        Format::Json => term.json(documents::json(&report))?,
        Format::Sarif => term.json(documents::sarif(&report.findings))?,
    }
    for (file, name) in &report.lacking {
        let file = file.display();
        term.say(format!("{file} was not rehearsed: it needs the parameter `{name}`, so add --set {name}=…"));
    }
    if report.findings.is_empty() {
        term.say(summary(&report));
        return Ok(());
    }
    let text = format!("{} found in {}", count(report.findings.len(), "fault"), count(report.files(), "file"));
    Err(Fault::new(text).into())
}

fn summary(report: &Report) -> String {
    let kinds = [(report.recipes, "recipe"), (report.libraries, "library"), (report.tests, "test file")];
    let kinds: Vec<String> =
        kinds.into_iter().filter(|(number, _)| *number > 0).map(|(number, kind)| count(number, kind)).collect();
    let kinds = suggest::list(kinds.iter().map(String::as_str));
    format!("nothing is wrong with {kinds}, after {}", count(report.rehearsals, "rehearsal"))
}

pub(super) fn count(number: usize, what: &str) -> String {
    match (number, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {what}s"),
    }
}
