//! Draws a diagnostic: the line, the underline, the calls that led there, the hint.

use super::{Diagnostic, Place, Severity};
use annotate_snippets::{AnnotationKind, Element, Level, Renderer, Snippet};

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
    let mut elements: Vec<Element<'_>> = Vec::new();
    if let Some(place) = &diagnostic.place {
        elements.push(snippet(place, AnnotationKind::Primary, None));
    }
    for (place, label) in &diagnostic.trail {
        elements.push(snippet(place, AnnotationKind::Context, Some(label)));
    }
    if let Some(hint) = &diagnostic.fault.hint {
        elements.push(Level::HELP.with_name("hint").message(hint.as_str()).into());
    }
    let renderer = match colour {
        Colour::Styled => Renderer::styled(),
        Colour::Plain => Renderer::plain(),
    };
    let report = [level.primary_title(diagnostic.fault.message.as_str()).elements(elements)];
    renderer.term_width(WIDTH).render(&report)
}

/// A text longer than this, in bytes, is drawn from the lines at hand alone: drawing goes through all of what it is given.
const LONG: usize = 1 << 14;

fn snippet<'a>(place: &'a Place, kind: AnnotationKind, label: Option<&'a String>) -> Element<'a> {
    let (text, span) = (place.source.text.as_str(), place.span.clone());
    let (from, to) = if text.len() > LONG { lines(text, &span) } else { (0, text.len()) };
    let annotation = kind.span(span.start - from..span.end - from).label(label.map(String::as_str));
    let first = text[..from].matches('\n').count() + 1;
    Snippet::source(&text[from..to]).line_start(first).path(place.source.name.as_str()).annotation(annotation).into()
}

/// The lines that a stretch is in.
fn lines(text: &str, span: &std::ops::Range<usize>) -> (usize, usize) {
    let from = text[..span.start].rfind('\n').map_or(0, |end| end + 1);
    let to = text[span.end..].find('\n').map_or(text.len(), |end| span.end + end + 1);
    (from, to)
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
    fn a_fault_without_a_place_is_one_line_and_its_hint() {
        let diagnostic = Diagnostic::warning(Fault::new("no `vnc` secret").hint("set VMRUN_SECRET_VNC"));
        assert_eq!(draw(&diagnostic, Colour::Plain), "warning: no `vnc` secret\n |\n = hint: set VMRUN_SECRET_VNC");
    }
}
