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
    /// A number, time, share or size.
    Measure,
}

/// Stands around what may be anything, and in the place of a number.
const MARK: char = '\u{1}';
const MEASURE: char = '\u{2}';

/// The programs whose columns have numbers of threads, times, shares and sizes.
const MEASURING: &[&str] = &["ps", "procstat", "netstat"];

/// What is left out of lists of processes that are made in a pipeline: its own, which come and go.
const OF_A_PIPELINE: &[&str] = &[" sh /tmp/steps.sh", " sh -c ", " grep "];

/// Whether an output is what was recorded of this command, given the numbers of the processes.
pub(super) fn is_like(command: &str, expected: &str, actual: &str, pids: &BTreeMap<String, u32>) -> bool {
    let program = command.split(' ').next().unwrap_or_default();
    let is_piped = program == "ps" && command.contains('|');
    let has_measures = MEASURING.contains(&program);
    // Where numbers differ, so does how far they are from the edge.
    let is_margin = |sign| has_measures && sign == ' ';
    let lines = |text| -> Vec<String> {
        let lines = str::split_inclusive(text, '\n').map(|line| line.trim_start_matches(is_margin)).filter(|line| {
            let line = format!(" {line}");
            !is_piped || !OF_A_PIPELINE.iter().any(|own| line.contains(own))
        });
        lines.map(String::from).collect()
    };
    let (expected, actual) = (lines(expected), lines(actual));
    let pieces = |line: &str| pieces(line, has_measures, pids);
    expected.len() == actual.len()
        && expected.iter().zip(&actual).all(|(expected, actual)| fits(&pieces(expected), actual))
}

/// Cuts a line at its placeholders.
fn pieces(line: &str, has_measures: bool, pids: &BTreeMap<String, u32>) -> Vec<Piece> {
    let marked = super::corpus::replaced(line, |words| {
        let pid = words.strip_prefix("pid ").and_then(|words| pids.get(words.split(' ').next()?));
        // A time has blanks in it, and each of its words may be another.
        let word = format!("{MARK}{}{MARK}", pid.map(ToString::to_string).unwrap_or_default());
        let value = words.split_once(' ').map_or("", |(_, value)| value.trim());
        let count = if words.starts_with("n ") { value.split_whitespace().count().max(1) } else { 1 };
        vec![word; count].join(" ")
    });
    let marked = if has_measures { measured(&marked) } else { marked };
    // Where there are measures, headers stand as far apart as those are wide.
    if !has_measures && !marked.contains(MARK) {
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
                    for (at, text) in text.split(MEASURE).enumerate() {
                        pieces.extend((at > 0).then_some(Piece::Measure));
                        pieces.extend((!text.is_empty()).then(|| Piece::Text(text.to_string())));
                    }
                }
            }
        }
    }
    pieces
}

/// Puts a mark in the place of every number: of words that are one, and in JSON of values and keys, but for an mtu.
fn measured(line: &str) -> String {
    if !line.starts_with('{') {
        let words = line.split_inclusive([' ', '\n']).map(|word| {
            let own = word.trim_end_matches([' ', '\n']);
            if is_measure(own) { word.replacen(own, &MEASURE.to_string(), 1) } else { word.to_string() }
        });
        return words.collect();
    }
    let mut text = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(|sign: char| sign.is_ascii_digit() || sign == '-') {
        let (head, tail) = rest.split_at(at);
        let end = tail.find(|sign: char| !is_sign(sign)).unwrap_or(tail.len());
        let (number, tail) = tail.split_at(end);
        text += head;
        let is_value = text.ends_with("\":") && !text.ends_with("\"mtu\":");
        let is_quoted = text.ends_with('"') && tail.starts_with('"');
        let is_measure = is_measure(number) && (is_value || is_quoted);
        text += if is_measure { "\u{2}" } else { number };
        rest = tail;
    }
    text + rest
}

fn is_sign(sign: char) -> bool {
    sign.is_ascii_digit() || "-.:".contains(sign)
}

/// Whether a word is a number, a share or a time; addresses have more points.
fn is_measure(word: &str) -> bool {
    let first = word.trim_start_matches('-').chars().next();
    first.is_some_and(|sign| sign.is_ascii_digit()) && word.chars().all(is_sign) && word.matches('.').count() < 2
}

fn fits(pieces: &[Piece], text: &str) -> bool {
    match pieces {
        [] => text.is_empty(),
        [Piece::Text(own), rest @ ..] => text.strip_prefix(own.as_str()).is_some_and(|text| fits(rest, text)),
        [Piece::Blanks, rest @ ..] => fits(rest, text.trim_start_matches(' ')),
        [Piece::Measure, rest @ ..] => {
            let end = text.find(|sign| !is_sign(sign)).unwrap_or(text.len());
            is_measure(&text[..end]) && fits(rest, &text[end..])
        }
        [Piece::Any, rest @ ..] => {
            let end = text.find(char::is_whitespace).unwrap_or(text.len());
            (1..=end).rev().any(|at| text.is_char_boundary(at) && fits(rest, &text[at..]))
        }
    }
}

#[test]
fn placeholders_let_any_word_pass_and_processes_only_their_own_number() {
    let pids = BTreeMap::from([("web".to_string(), 77)]);
    let like = |expected, actual| is_like("ifconfig", expected, actual, &pids);
    assert!(like("a  {{pid web 1234}} b\n", "a    77 b\n") && !like("a {{pid web 1234}} b\n", "a 78 b\n"));
    assert!(like("{{ll fe80::1}}%tap1 x\n", "fe80::2%tap1 x\n") && !like("ether {{mac 0:1}}\n", "ether \n"));
    assert!(!like("a  b\n", "a b\n") && !like("a\n", "a"));
    assert!(like("{{pid - 5}}\n", "123\n"));
}

#[test]
fn numbers_in_columns_may_be_others_and_names_may_not() {
    let pids = BTreeMap::from([("web".to_string(), 77)]);
    let like = |command, expected, actual| is_like(command, expected, actual, &pids);
    assert!(like("ps -p 1", "{{pid web 1}} u0  SC+  0:03.46 bhyve: web\n", "  77 u0  SC+ 10:00.00 bhyve: web\n"));
    assert!(!like("ps -p 1", "{{pid web 1}} u0  SC+  0:03.46 bhyve: web\n", "  77 u0  TC+ 10:00.00 bhyve: web\n"));
    assert!(!like("ps -p 1", " 29.0 -\n", " - 29.0\n") && !like("sysctl -n hw.ncpu", "1\n", "2\n"));
    assert!(
        like("procstat -t 1", "-1  152 sleep\n", " 1   20 sleep\n")
            && !like("procstat -t 1", "vcpu 0 x\n", "vcpu - x\n")
    );
    let json = |expected, actual| like("netstat --libxo json -ibn", expected, actual);
    assert!(json("{\"a\":5,\"7\": {\"b\":\"0:01\"}}\n", "{\"a\":6,\"8\": {\"b\":\"1:02\"}}\n"));
    assert!(!json("{\"mtu\":1500}\n", "{\"mtu\":1501}\n") && !json("{\"a\":\"tap1\"}\n", "{\"a\":\"tap2\"}\n"));
    // What a pipeline itself consists of is left out.
    let all = "   1 init\n   4 sh /tmp/steps.sh\n   5 R+ grep < (sh)\n";
    assert!(like("ps -ax | grep i", all, " 1 init\n 9 sh -c ps -ax | grep i\n") && !like("ps -ax", all, " 1 init\n"));
}
