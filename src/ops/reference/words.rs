//! The reference of words as plain text, and as JSON.

use crate::diag::Fault;
use crate::script::words::{self, Row, WordKind};
use serde_json::{Value, json};

/// Returns the rows of a word, or of all.
fn rows(word: Option<&str>) -> Result<Vec<Row>, Fault> {
    let rows: Vec<Row> = words::all().filter(|row| word.is_none_or(|word| row.name() == word)).collect();
    match word.filter(|_| rows.is_empty()) {
        None => Ok(rows),
        Some(word) => {
            let fault = Fault::usage(format!("there is no word `{word}`"));
            Err(fault.did_you_mean(word, words::names()))
        }
    }
}

/// Returns the reference of a word as plain text; of all, and of variables and sizes, where none is given.
pub(crate) fn text(word: Option<&str>) -> Result<String, Fault> {
    let rows = rows(word)?;
    let mut lines = Vec::new();
    for (kind, headline) in WordKind::ALL {
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
    if word.is_none() {
        lines.push("Variables\n".into());
        lines.extend(words::variables().iter().map(|(name, help)| format!("  {name:<10} {help}")));
        lines.push("\nSizes\n\n  20.GiB     with KiB, MiB, GiB or TiB; or a text: \"20G\"".into());
    }
    Ok(lines.join("\n").trim_end().to_string())
}

/// Returns a JSON list of a word, or of all.
pub(crate) fn json(word: Option<&str>) -> Result<String, Fault> {
    let option = |(name, help): (&str, String)| json!({ "name": name, "help": help });
    let row = |row: &Row| {
        let options: Vec<_> = row.options().into_iter().map(option).collect();
        json!({ "name": row.name(), "usage": row.usage(), "help": row.help(), "options": options })
    };
    Ok(format!("{:#}", Value::Array(rows(word)?.iter().map(row).collect())))
}
