//! A row of a table of CBSD's.

use serde_json::{Map, Value};

/// The values of a row by the names of its columns.
pub(super) type Row = Map<String, Value>;

/// Returns a value as a text without spaces around it; nothing of one that is not there.
pub(super) fn text(row: &Row, key: &str) -> String {
    match row.get(key) {
        Some(Value::String(text)) => text.trim().to_string(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

/// Returns whether a value says yes, as CBSD's scripts ask for it.
pub(super) fn is_set(row: &Row, key: &str) -> bool {
    !["", "0", "false", "none"].contains(&text(row, key).as_str())
}
