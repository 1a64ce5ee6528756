//! All that a library can ask the host for.

use super::library::sources::{root_of, texts_of};
use crate::diag::Diagnostic;
pub(crate) use crate::script::audit::Ask;
use crate::script::audit::audit;
use serde_json::{Value, json};
use std::path::Path;

/// The longest excerpt of a call, in characters.
const EXCERPT: usize = 60;

/// Returns what a library asks for, which the manifest of a folder names, or which is a folder itself.
pub(crate) fn asks(folder: Option<&Path>, library: &str) -> Result<Vec<Ask>, Vec<Diagnostic>> {
    let (mut asks, mut faults) = (Vec::new(), Vec::new());
    for (_, source) in texts_of(&root_of(folder, library)?)? {
        match audit(&source) {
            Ok(all) => asks.extend(all),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(asks) } else { Err(faults) }
}

/// Returns the call in one line, cut to a length that can be shown.
pub(crate) fn excerpt(ask: &Ask) -> String {
    let text = &ask.place.source.text[ask.place.span.clone()];
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= EXCERPT { line } else { line.chars().take(EXCERPT - 1).chain(['…']).collect() }
}

/// Returns a JSON list.
pub(crate) fn json(asks: &[Ask]) -> String {
    let one = |ask: &Ask| {
        let (line, column) = ask.place.line_column();
        let all: Vec<&str> = ask.asks.iter().copied().collect();
        json!({
            "file": ask.place.source.name, "line": line, "column": column, "function": ask.function,
            "word": ask.word, "asks": all, "text": excerpt(ask),
        })
    };
    format!("{:#}", Value::Array(asks.iter().map(one).collect()))
}
