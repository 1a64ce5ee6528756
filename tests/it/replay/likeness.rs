//! Whether two outputs are the same, but for what differs from run to run.

use std::collections::BTreeMap;

/// A piece of what was recorded.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    /// This very text.
    Text(String),
    /// Something without blanks.
    Any,
    /// As many blanks as there are: columns are as wide as what stands in them.
    Blanks,
}

/// Whether an output is what was recorded of this command, given the numbers of the processes.
pub(super) fn is_like(_command: &str, expected: &str, actual: &str, pids: &BTreeMap<String, u32>) -> bool {
    let (expected, actual): (Vec<_>, Vec<_>) =
        (expected.split_inclusive('\n').collect(), actual.split_inclusive('\n').collect());
    expected.len() == actual.len()
        && expected.iter().zip(&actual).all(|(expected, actual)| fits(&pieces(expected, pids), actual))
}

/// Cuts a line at its placeholders.
fn pieces(line: &str, pids: &BTreeMap<String, u32>) -> Vec<Piece> {
    const MARK: char = '\u{1}';
    let marked = super::corpus::replaced(line, |words| {
        let pid = words.strip_prefix("pid ").and_then(|words| pids.get(words.split(' ').next()?));
        // A time has blanks in it, and each of its words may be another.
        let word = format!("{MARK}{}{MARK}", pid.map(ToString::to_string).unwrap_or_default());
        let value = words.split_once(' ').map_or("", |(_, value)| value.trim());
        let count = if words.starts_with("n ") { value.split_whitespace().count().max(1) } else { 1 };
        vec![word; count].join(" ")
    });
    if !marked.contains(MARK) {
        return vec![Piece::Text(line.to_string())];
    }
    let mut pieces = Vec::new();
    for (at, part) in marked.split(MARK).enumerate() {
        match (at % 2, part) {
            (1, "") => pieces.push(Piece::Any),
            (1, pid) => pieces.push(Piece::Text(pid.to_string())),
            _ => {
                for (at, text) in part.split(' ').enumerate() {
                    if at > 0 && pieces.last() != Some(&Piece::Blanks) {
                        pieces.push(Piece::Blanks);
                    }
                    if !text.is_empty() {
                        pieces.push(Piece::Text(text.to_string()));
                    }
                }
            }
        }
    }
    pieces
}

fn fits(pieces: &[Piece], text: &str) -> bool {
    match pieces {
        [] => text.is_empty(),
        [Piece::Text(own), rest @ ..] => text.strip_prefix(own.as_str()).is_some_and(|text| fits(rest, text)),
        [Piece::Blanks, rest @ ..] => fits(rest, text.trim_start_matches(' ')),
        [Piece::Any, rest @ ..] => {
            let end = text.find(char::is_whitespace).unwrap_or(text.len());
            (1..=end).rev().any(|at| text.is_char_boundary(at) && fits(rest, &text[at..]))
        }
    }
}

#[test]
fn placeholders_let_any_word_pass_and_processes_only_their_own_number() {
    let pids = BTreeMap::from([("web".to_string(), 77)]);
    let like = |expected, actual| is_like("ps", expected, actual, &pids);
    assert!(like("a  {{pid web 1234}} b\n", "a    77 b\n") && !like("a {{pid web 1234}} b\n", "a 78 b\n"));
    assert!(like("{{ll fe80::1}}%tap1 x\n", "fe80::2%tap1 x\n") && !like("ether {{mac 0:1}}\n", "ether \n"));
    assert!(!like("a  b\n", "a b\n") && !like("a\n", "a"));
    assert!(like("{{pid - 5}}\n", "123\n"));
}
