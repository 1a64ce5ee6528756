//! Draws a diagnostic: the line, the underline, the calls that led there, the hint.

use super::{Diagnostic, Place, Severity, shown};
use annotate_snippets::{AnnotationKind, Element, Level, Renderer, Snippet};
use std::borrow::Cow;
use std::ops::Range;

/// How wide a drawn diagnostic may be: columns of a terminal.
const WIDTH: usize = 140;

/// Whether escape sequences may be used. Nothing is ever said by colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// For a terminal.
    Styled,
    /// For everything else.
    Plain,
}

/// Returns the diagnostic as text, without a newline at the end.
pub fn draw(diagnostic: &Diagnostic, colour: Colour) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    // What a recipe, a name or a program says is escaped before it is drawn, so that all colours are the renderer's.
    let mut elements: Vec<Element<'_>> = Vec::new();
    if let Some(place) = &diagnostic.place {
        elements.push(snippet(place, AnnotationKind::Primary, None));
    }
    for (place, label) in &diagnostic.trail {
        elements.push(snippet(place, AnnotationKind::Context, Some(label)));
    }
    if let Some(hint) = &diagnostic.fault.hint {
        elements.push(Level::HELP.with_name("hint").message(shown::text(hint)).into());
    }
    let renderer = match colour {
        Colour::Styled => Renderer::styled(),
        Colour::Plain => Renderer::plain(),
    };
    let report = [level.primary_title(shown::text(&diagnostic.fault.message)).elements(elements)];
    renderer.term_width(WIDTH).render(&report)
}

/// A text longer than this, in bytes, is drawn from the lines at hand alone: drawing goes through all of what it is given.
const LONG: usize = 1 << 14;

fn snippet<'a>(place: &'a Place, kind: AnnotationKind, label: Option<&'a String>) -> Element<'a> {
    let text = place.source.text.as_str();
    let (from, to) = if text.len() > LONG { lines(text, &place.span) } else { (0, text.len()) };
    let span = place.span.start - from..place.span.end - from;
    let (shown, span) = match shown::without_passwords(&text[from..to]) {
        Cow::Borrowed(part) => escaped(part, span),
        Cow::Owned(part) => {
            let (shown, span) = escaped(&part, span);
            (shown.into_owned().into(), span)
        }
    };
    let first = text[..from].matches('\n').count() + 1;
    let annotation = kind.span(span).label(label.map(|label| shown::line(label)));
    Snippet::source(shown).line_start(first).path(shown::line(&place.source.name)).annotation(annotation).into()
}

/// The lines that a stretch is in.
fn lines(text: &str, span: &Range<usize>) -> (usize, usize) {
    let from = text[..span.start].rfind('\n').map_or(0, |end| end + 1);
    let to = text[span.end..].find('\n').map_or(text.len(), |end| span.end + end + 1);
    (from, to)
}

/// Returns a text with nothing hidden in it, and where a stretch of it is in that, in the same column.
fn escaped(text: &str, span: Range<usize>) -> (Cow<'_, str>, Range<usize>) {
    if let Cow::Borrowed(text) = shown::source(text) {
        return (text.into(), span);
    }
    let (before, rest) = text.split_at(span.start);
    let (inside, after) = rest.split_at(span.len());
    let [before, inside, after] = [before, inside, after].map(shown::source);
    let span = before.len()..before.len() + inside.len();
    (format!("{before}{inside}{after}").into(), span)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{Fault, Source};
    use std::rc::Rc;

    fn place(text: &str, part: &str) -> Place {
        let start = text.find(part).unwrap();
        let source = Rc::new(Source { name: "lab.rhai".into(), text: text.into() });
        Place { source, span: start..start + part.len() }
    }

    #[test]
    fn a_fault_shows_its_line_its_underline_its_callers_and_its_hint() {
        let mut diagnostic = Diagnostic::error(Fault::new("`40` is not a PCI slot").hint("slots are 0 to 31"))
            .at(place("let a = 1;\nvm.slot(40, x);\n", "40"));
        diagnostic.trail.push((place("\n\nmake(a);\n", "make(a)"), "in `make` called here".into()));
        assert_eq!(
            draw(&diagnostic, Colour::Plain),
            "\
error: `40` is not a PCI slot
 --> lab.rhai:2:9
  |
2 | vm.slot(40, x);
  |         ^^
  |
 ::: lab.rhai:3:1
  |
3 | make(a);
  | ------- in `make` called here
  |
  = hint: slots are 0 to 31"
        );
    }

    #[test]
    fn nothing_that_a_terminal_acts_on_is_drawn_but_our_own_colours() {
        let text = "let a = \"\u{9b}2J\u{202e}\"; wrong\u{1b}[8m; // \u{2067}\n";
        let source = Rc::new(Source { name: "a\u{1b}[2J\n.rhai".into(), text: text.into() });
        let at = text.find("wrong").unwrap();
        let place = Place { source, span: at..at + "wrong\u{1b}".len() };
        let fault = Fault::host("`\u{9b}31m` failed: \u{1b}]0;x\u{7}").hint("see \u{202e}txt.sh");
        let mut diagnostic = Diagnostic::error(fault).at(place.clone());
        diagnostic.trail.push((place, "in \u{1b}c".into()));
        assert_eq!(
            draw(&diagnostic, Colour::Plain),
            r#"error: `\u{9b}31m` failed: \u{1b}]0;x\u{7}
 --> a\u{1b}[2J\n.rhai:1:17
  |
1 | let a = "�2J�"; wrong␛[8m; // �
  |                 ^^^^^^
  |
 ::: a\u{1b}[2J\n.rhai:1:17
  |
1 | let a = "�2J�"; wrong␛[8m; // �
  |                 ------ in \u{1b}c
  |
  = hint: see \u{202e}txt.sh"#
        );
        let styled = draw(&diagnostic, Colour::Styled);
        assert_eq!(shown::styled(&styled), styled);
        assert!(!styled.contains("\u{1b}[8m") && !styled.contains("\u{1b}[2J"));
    }

    #[test]
    fn a_fault_without_a_place_is_one_line_and_its_hint() {
        let diagnostic = Diagnostic::warning(Fault::new("no `vnc` secret").hint("set VMRUN_SECRET_VNC"));
        assert_eq!(draw(&diagnostic, Colour::Plain), "warning: no `vnc` secret\n |\n = hint: set VMRUN_SECRET_VNC");
    }
}
