//! `vmrun doctor`: whether this host is ready for machines, and what mends what is not.

use super::paint::Paint;
use super::term::Term;
use crate::diag::{Diagnostic, shown};
use crate::ops::display::terminal::filled;
use crate::ops::doctor::{Finding, Health, Report, examine};
use clap::Args;

#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct DoctorArgs {
    /// Print a JSON object, as below
    #[arg(long)]
    json: bool,
}

const AFTER: &str = "\
Each line is a part of this host:
  ok     it is as it has to be
  note   it lacks what few need, or is slower than it could be; below it is what mends it
  wrong  machines cannot be run, or not as they are meant to be; below it is what mends it

Nothing is changed. Libraries are those of the folder in which it is called. The exit code is 0 if nothing is wrong, 3 if the host lacks something, 1 if
libraries are not what is pinned, 2 if the configuration is wrong; the gravest counts.

JSON: an object with `code`, the exit code, and `findings`, a list of objects:
  part     kernel, rights, firmware and so on
  health   ok, note or wrong
  what     what it is, or what is wrong with it
  way_out  what mends it, or null
Keys may be added.";

/// Prints what was found, and returns the exit code.
pub(super) fn run(args: &DoctorArgs, term: &Term) -> Result<u8, Vec<Diagnostic>> {
    let report = examine()?;
    if args.json {
        term.json(format!("{:#}", report.json()))?;
        return Ok(report.code());
    }
    let most = term.size().map_or(usize::MAX, |(columns, _)| columns);
    if term.has_coloured_data() {
        term.painted(&as_text(&report, most, |health, word| by_health(health).on(word)))?;
    } else {
        term.data(as_text(&report, most, |_, word| word.into()))?;
    }
    let (wrong, notes) = (report.count(Health::Wrong), report.count(Health::Note));
    let notes = match notes {
        0 => String::new(),
        1 => "; 1 note".into(),
        _ => format!("; {notes} notes"),
    };
    term.say(match wrong {
        0 => format!("nothing is wrong with this host{notes}"),
        1 => format!("1 thing is wrong with this host{notes}"),
        _ => format!("{wrong} things are wrong with this host{notes}"),
    });
    Ok(report.code())
}

/// The colour of how a part is.
const fn by_health(health: Health) -> Paint {
    match health {
        Health::Ok => Paint::Good,
        Health::Note => Paint::Doubtful,
        Health::Wrong => Paint::Bad,
    }
}

/// The findings, each in lines of at most so many columns.
fn as_text(report: &Report, most: usize, paint: impl Fn(Health, &str) -> String) -> String {
    let width = report.findings().iter().map(|finding| finding.part.len()).max().unwrap_or_default();
    let indent = width + 9;
    let lines = |Finding { part, health, what, way_out, .. }: &Finding| {
        let first = format!(
            "{}{:blanks$}  {part:<width$}  {}",
            paint(*health, health.word()),
            "",
            filled(&shown::line(what), indent, most),
            blanks = 5 - health.word().len().min(5)
        );
        let second =
            way_out.as_ref().map(|way_out| format!("\n{:indent$}{}", "", filled(&shown::line(way_out), indent, most)));
        format!("{first}{}", second.unwrap_or_default())
    };
    report.findings().iter().map(lines).collect::<Vec<_>>().join("\n")
}
