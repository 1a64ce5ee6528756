//! `vmrun words`: the reference of the recipe language, from its table.

use super::term::Term;
use crate::diag::{Diagnostic, Fault, suggest};
use crate::script::words::{self, Kind, Row};
use clap::Args;
use serde_json::json;

#[derive(Args)]
pub(super) struct WordsArgs {
    /// Only this word
    word: Option<String>,
    /// Print a JSON list
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &WordsArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let wanted = |row: &Row| args.word.as_ref().is_none_or(|word| row.name() == *word);
    let rows: Vec<Row> = words::all().filter(wanted).collect();
    if let (Some(word), true) = (&args.word, rows.is_empty()) {
        let fault = Fault::usage(format!("there is no word `{word}`"));
        return Err(vec![fault.maybe_hint(suggest::did_you_mean(word, words::names())).into()]);
    }
    let text = if args.json { as_json(&rows) } else { as_text(&rows, args.word.is_none()) };
    term.data(text).map_err(|fault| vec![fault.into()])
}

fn as_text(rows: &[Row], whole: bool) -> String {
    let mut lines = Vec::new();
    for (kind, headline) in Kind::ALL {
        let of_kind: Vec<&Row> = rows.iter().filter(|row| row.kind() == kind).collect();
        if of_kind.is_empty() {
            continue;
        }
        lines.push(format!("{headline}\n"));
        for row in of_kind {
            lines.push(format!("  {}\n      {}", row.usage(), row.help()));
            lines.extend(row.options().into_iter().map(|(name, help)| format!("      {name:<20} {help}")));
        }
        lines.push(String::new());
    }
    if whole {
        lines.push("Variables\n".into());
        lines.extend(words::variables().iter().map(|(name, help)| format!("  {name:<10} {help}")));
        lines.push("\nSizes\n\n  20.GiB     with KiB, MiB, GiB or TiB; or a text: \"20G\"".into());
    }
    lines.join("\n").trim_end().to_string()
}

fn as_json(rows: &[Row]) -> String {
    let option = |(name, help): (&str, String)| json!({ "name": name, "help": help });
    let row = |row: &Row| {
        let options: Vec<_> = row.options().into_iter().map(option).collect();
        json!({ "name": row.name(), "usage": row.usage(), "help": row.help(), "options": options })
    };
    format!("{:#}", serde_json::Value::Array(rows.iter().map(row).collect()))
}
