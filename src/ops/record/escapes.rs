//! What of a script that is not enclosed gets past its stand-ins.

use crate::diag::{Diagnostic, Fault, Place};
use crate::host::standins;
use crate::recording::escape::{self, EscapeKind};
use std::rc::Rc;

/// Warns of what in the script gets past the stand-ins where it is not enclosed.
pub(super) fn escapes(command: &[String]) -> Vec<Diagnostic> {
    let Some(source) = standins::script(command) else { return Vec::new() };
    let source = Rc::new(source);
    let reported = |escape: escape::Escape| {
        let text = source.text.get(escape.span.clone()).unwrap_or_default();
        let fault = match escape.kind {
            EscapeKind::Path => Fault::new(format!("`{text}` is run for real: a whole path gets past its stand-in"))
                .hint("leave out `--anyway`, and its stand-in is reached; or write the name alone"),
            EscapeKind::Search => {
                Fault::new("programs are run for real after PATH is set here: the stand-ins are no longer first")
                    .hint("leave out `--anyway`, and they are reached; or write PATH=\"$PATH:…\"")
            }
        };
        Diagnostic::warning(fault).at(Place { source: source.clone(), span: escape.span })
    };
    escape::find(&source.text).into_iter().map(reported).collect()
}
