//! `vmrun audit LIB`: all that a library can ask the host for.

use super::library::found::{root_of, texts_of};
use super::term::Term;
use crate::diag::Diagnostic;
use crate::script::audit::{self, Ask};
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct AuditArgs {
    /// A library that vmrun.toml names, or a folder
    library: String,
    /// The folder of the recipes, with vmrun.toml
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Print a JSON list of `file`, `line`, `column`, `function`, `word`, `asks` and `text`
    #[arg(long)]
    json: bool,
}

/// How much of a call is shown, in characters.
const SHOWN: usize = 60;

pub(super) fn run(args: &AuditArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let (mut asks, mut faults) = (Vec::new(), Vec::new());
    for (_, source) in texts_of(&root_of(args.folder.as_deref(), &args.library)?)? {
        match audit::audit(&source) {
            Ok(all) => asks.extend(all),
            Err(fault) => faults.push(fault),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(term.data(if args.json { as_json(&asks) } else { as_text(&asks) })?)
}

/// The call in one line.
fn shown(ask: &Ask) -> String {
    let text = &ask.place.source.text[ask.place.span.clone()];
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= SHOWN { line } else { line.chars().take(SHOWN - 1).chain(['…']).collect() }
}

fn as_text(asks: &[Ask]) -> String {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    let rows: Vec<[String; 3]> = asks
        .iter()
        .map(|ask| {
            ask.asks.iter().for_each(|kind| *kinds.entry(kind).or_default() += 1);
            let all: Vec<&str> = ask.asks.iter().copied().collect();
            [ask.place.to_string(), all.join(", "), shown(ask)]
        })
        .collect();
    if rows.is_empty() {
        return "it asks for nothing".into();
    }
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let (a, b) = (width(0), width(1));
    let lines = rows.iter().map(|[place, kinds, call]| format!("{place:<a$}  {kinds:<b$}  {call}"));
    let total: Vec<String> = kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    lines.chain([String::new(), format!("in all: {}", total.join(", "))]).collect::<Vec<_>>().join("\n")
}

fn as_json(asks: &[Ask]) -> String {
    let one = |ask: &Ask| {
        let (line, column) = ask.place.line_column();
        let all: Vec<&str> = ask.asks.iter().copied().collect();
        json!({
            "file": ask.place.source.name, "line": line, "column": column, "function": ask.function,
            "word": ask.word, "asks": all, "text": shown(ask),
        })
    };
    format!("{:#}", serde_json::Value::Array(asks.iter().map(one).collect()))
}
