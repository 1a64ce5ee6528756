//! `vmrun audit LIB`: all that a library can ask the host for.

use super::term::Term;
use crate::diag::Diagnostic;
use crate::ops::audit::{Ask, asks, excerpt, json};
use clap::Args;
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

pub(super) fn run(args: &AuditArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let asks = asks(args.folder.as_deref(), &args.library)?;
    Ok(if args.json { term.json(json(&asks)) } else { term.data(as_text(&asks)) }?)
}

fn as_text(asks: &[Ask]) -> String {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    let rows: Vec<[String; 3]> = asks
        .iter()
        .map(|ask| {
            ask.asks.iter().for_each(|kind| *kinds.entry(kind).or_default() += 1);
            let all: Vec<&str> = ask.asks.iter().copied().collect();
            [ask.place.to_string(), all.join(", "), excerpt(ask)]
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
