//! Values as a recipe writes them, and the expressions that stand for some of them.

use super::layout::{Piece, comment, quoted};
use crate::model::{Part, PciSlot, Size, Value};
use std::collections::BTreeMap;

/// What stands in a recipe in the place of plain values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    /// Expressions by the text that they stand for: a path, an interface or an address.
    pub values: BTreeMap<String, String>,
    /// The expression for the password of a frame buffer.
    pub password: String,
    /// The expression that a slot depends on, as `init`.
    pub conditions: BTreeMap<PciSlot, String>,
    /// The expression for the firmware.
    pub bootrom: Option<String>,
    /// The expression for what loads it.
    pub loader: Option<String>,
    /// Remarks, each with what it is about. Those about the machine as a whole come first.
    pub remarks: Vec<(Part, String)>,
}

impl Default for Words {
    fn default() -> Self {
        Self {
            values: BTreeMap::new(),
            password: "secret(\"vnc\")".into(),
            conditions: BTreeMap::new(),
            bootrom: None,
            loader: None,
            remarks: Vec::new(),
        }
    }
}

impl Words {
    /// Returns what stands for a text: an expression, or the text in quotes.
    pub(super) fn value(&self, text: &str) -> Piece {
        Piece::Text(self.values.get(text).cloned().unwrap_or_else(|| quoted(text)))
    }

    /// Returns the remarks that are meant, as lines of comment.
    pub(super) fn about(&self, indent: usize, meant: impl Fn(&Part) -> bool) -> String {
        self.remarks.iter().filter(|(part, _)| meant(part)).map(|(_, remark)| comment(indent, remark)).collect()
    }
}

/// Returns a size as recipes write it: `512.MiB`, `20.GiB`.
pub(crate) fn size(size: Size) -> String {
    let text = size.to_string();
    let unit = [('T', "TiB"), ('G', "GiB"), ('M', "MiB"), ('K', "KiB")]
        .into_iter()
        .find_map(|(letter, unit)| text.strip_suffix(letter).map(|number| format!("{number}.{unit}")));
    unit.unwrap_or_else(|| quoted(&text))
}

/// Returns a value that no expression stands for.
pub(super) fn literal(value: &Value) -> Piece {
    Piece::Text(match value {
        Value::Flag(_) | Value::Integer(_) => value.to_string(),
        Value::SectorSize(logical, physical) if logical == physical => logical.to_string(),
        Value::Choice(word) if word.bytes().all(|b| b.is_ascii_digit()) => (*word).into(),
        Value::Size(of) => size(*of),
        // The others are texts for a recipe.
        other => quoted(&other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_with_the_largest_unit_that_is_exact() {
        let text = |bytes| size(Size::bytes(bytes));
        assert_eq!([text(20 << 30), text(1 << 50), text(5 << 10), text(7)], ["20.GiB", "\"1P\"", "5.KiB", "\"7\""]);
    }
}
