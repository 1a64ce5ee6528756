//! What mends the faults of a text, as an editor offers it (LSP 3.17, textDocument/codeAction).

use super::answers::diagnostic;
use super::position::{position, range};
use crate::diag::Diagnostic;
use crate::script::editor::edit;
use lsp_types::{CodeAction, CodeActionKind, CodeActionOrCommand, Range, TextEdit, Uri, WorkspaceEdit};
use std::collections::HashMap;
use std::path::Path;

/// Returns what mends those faults of a text that touch a range; each says what fault it is that it mends.
#[expect(clippy::mutable_key_type, reason = "the protocol's own type has addresses as keys")]
pub(super) fn fixes(
    text: &str,
    (path, uri): (&Path, &Uri),
    findings: &[Diagnostic],
    within: Range,
) -> Vec<CodeActionOrCommand> {
    let action = |finding: &Diagnostic| {
        let fix = finding.fault.fix.as_ref()?;
        let place = finding.place.as_ref().filter(|place| Path::new(&place.source.name) == path)?;
        let there = text.get(place.span.clone()).map(|_| range(text, &place.span))?;
        let edit = edit(text, &place.span, fix).filter(|_| touches(&there, &within))?;
        let stretch = Range { start: position(text, edit.span.start), end: position(text, edit.span.end) };
        let changes = HashMap::from([(uri.clone(), vec![TextEdit::new(stretch, edit.text)])]);
        Some(CodeAction {
            title: edit.title,
            kind: Some(CodeActionKind::QUICKFIX),
            diagnostics: Some(vec![diagnostic(text, path, finding)]),
            edit: Some(WorkspaceEdit::new(changes)),
            is_preferred: Some(true),
            ..CodeAction::default()
        })
    };
    let mut all: Vec<CodeAction> = Vec::new();
    for one in findings.iter().filter_map(action) {
        // Two rehearsals find one fault twice.
        if all.iter().all(|other| other.edit != one.edit) {
            all.push(one);
        }
    }
    all.into_iter().map(CodeActionOrCommand::CodeAction).collect()
}

fn touches(one: &Range, other: &Range) -> bool {
    one.start <= other.end && other.start <= one.end
}
