//! Pages of the manual: what all of them have in common.

use crate::diag::Fault;
use clap_mangen::roff::{Inline, Roff, bold, roman};

/// The date of the pages: that of the release, so that the same program writes the same page.
const DATE: &str = "2026-11-27";

/// How long a line of a page's source is at most, as mandoc(1) wants it.
const WIDTH: usize = 78;

/// Begins a page of a section, with its name in the index.
pub(super) fn page(name: &str, about: &str, title: &str, section: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("TH", [title.to_uppercase().as_str(), section, DATE, "vmrun"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman(format!("{name} - {about}"))]);
    roff
}

/// A term, and what it means.
pub(super) fn term(roff: &mut Roff, name: &str, help: &str) {
    roff.control("TP", []);
    roff.text([bold(name)]);
    roff.text(inlines(help));
}

/// What stands between backticks is bold.
pub(super) fn inlines(text: &str) -> Vec<Inline> {
    let parts = text.split('`').enumerate();
    parts
        .filter(|(_, part)| !part.is_empty())
        .map(|(at, part)| if at % 2 == 1 { bold(part) } else { roman(part) })
        .collect()
}

/// Paragraphs, and what is between fences or indented as it is.
pub(super) fn prose(roff: &mut Roff, about: &str) {
    let (mut in_fence, mut as_it_is, mut paragraph) = (false, false, Vec::new());
    // Below a headline there is a gap already.
    let mut is_first = true;
    let mut gap = |roff: &mut Roff| {
        if !std::mem::take(&mut is_first) {
            roff.control("PP", []);
        }
    };
    let mut flush = |roff: &mut Roff, paragraph: &mut Vec<&str>, more: bool| {
        if !paragraph.is_empty() {
            gap(roff);
            roff.text(inlines(&paragraph.join(" ")));
            paragraph.clear();
        }
        if more {
            gap(roff);
        }
    };
    for line in about.lines() {
        let is_mark = line.starts_with("```");
        in_fence ^= is_mark;
        let verbatim = in_fence || line.starts_with("    ");
        if verbatim != as_it_is {
            flush(roff, &mut paragraph, verbatim);
            roff.control(if verbatim { "nf" } else { "fi" }, []);
            as_it_is = verbatim;
        }
        match line.trim() {
            _ if is_mark => {}
            _ if verbatim => drop(roff.text([roman(line)])),
            "" => flush(roff, &mut paragraph, false),
            words => paragraph.push(words),
        }
    }
    flush(roff, &mut paragraph, false);
    if as_it_is {
        roff.control("fi", []);
    }
}

/// Returns the source of a page.
pub(super) fn text(roff: &Roff) -> Result<String, Fault> {
    let mut bytes = Vec::new();
    roff.to_writer(&mut bytes).map_err(|error| Fault::host(format!("cannot write the page: {error}")))?;
    Ok(wrapped(&String::from_utf8_lossy(&bytes)))
}

/// Breaks the lines of a page's source that are long. Where a line counts as such, in a term or in what is shown as it is, the next one
/// continues it.
fn wrapped(text: &str) -> String {
    let (mut as_it_is, mut is_term) = (false, false);
    let mut all = String::new();
    for line in text.lines() {
        as_it_is = line == ".nf" || as_it_is && line != ".fi";
        let (end, begin) = if as_it_is || is_term { (" \\\n", "") } else { ("\n", "\\&") };
        is_term = line == ".TP";
        if line.starts_with('.') || length(line) <= WIDTH {
            all.extend([line, "\n"]);
            continue;
        }
        let mut taken = 0;
        for (at, word) in line.split(' ').enumerate() {
            let is_full = taken + length(word) + 3 > WIDTH;
            // A line cannot begin with nothing, which a gap between columns would be.
            if at > 0 && is_full && !word.is_empty() {
                let begin = if word.starts_with(['.', '\'']) { begin } else { "" };
                all.extend([end, begin]);
                taken = begin.len();
            } else if at > 0 {
                all.push(' ');
            }
            all.push_str(word);
            taken += length(word) + 1;
        }
        all.push('\n');
    }
    all
}

/// Returns how long mandoc(1) takes a text to be: what is not ASCII it writes as `\[u2026]` first.
fn length(text: &str) -> usize {
    text.chars().map(|letter| if letter.is_ascii() { 1 } else { 8 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_goes_on_in_the_next_and_no_word_becomes_a_request() {
        let words = "word ".repeat(20);
        let long = format!("{words}.dots");
        let filled = format!("{}\n{} .dots\n", ["word"; 15].join(" "), ["word"; 5].join(" "));
        assert_eq!(wrapped(&long), filled);
        let dots = format!("{} .dots", ["word"; 15].join(" "));
        assert_eq!(wrapped(&dots), format!("{}\n\\&.dots\n", ["word"; 15].join(" ")));
        let continued = format!(".TP\n{} \\\n.dots\nnext\n", ["word"; 15].join(" "));
        assert_eq!(wrapped(&format!(".TP\n{dots}\nnext")), continued);
        let shown = format!(".nf\n{} \\\n.dots\n.fi\n", ["word"; 15].join(" "));
        assert_eq!(wrapped(&format!(".nf\n{dots}\n.fi")), shown);
    }
}
