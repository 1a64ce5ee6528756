//! Answers in the protocol's types.

use super::position::{range, uri};
use crate::diag::{Diagnostic, Severity};
use crate::script::editor::{Completion, Declaration, Hover, Sense, Signature, Sort};
use lsp_types::{
    CompletionItem, CompletionItemKind, CompletionResponse, CompletionTextEdit, DiagnosticRelatedInformation,
    DiagnosticSeverity, DocumentSymbol, DocumentSymbolResponse, Documentation, HoverContents, Location, MarkupContent,
    MarkupKind, Range, SignatureHelp, SignatureInformation, SymbolKind, TextEdit,
};
use std::path::Path;

/// What is wrong with a text, at its place in that; what is at fault elsewhere is told at its beginning.
pub(super) fn diagnostic(text: &str, path: &Path, finding: &Diagnostic) -> lsp_types::Diagnostic {
    let here = finding.place.iter().chain(finding.trail.iter().map(|(place, _)| place));
    let own = here.clone().find(|place| Path::new(&place.source.name) == path);
    let message = match &finding.fault.hint {
        Some(hint) => format!("{}\n{hint}", finding.fault.message),
        None => finding.fault.message.clone(),
    };
    let others = finding.place.iter().map(|place| (place, finding.fault.message.as_str()));
    let others = others.chain(finding.trail.iter().map(|(place, label)| (place, label.as_str())));
    let related = others.filter(|(place, _)| Some(*place) != own).filter_map(|(place, label)| {
        let location =
            Location { uri: uri(Path::new(&place.source.name))?, range: range(&place.source.text, &place.span) };
        Some(DiagnosticRelatedInformation { location, message: label.into() })
    });
    lsp_types::Diagnostic {
        range: own.map_or_else(Range::default, |place| range(text, &place.span)),
        severity: Some(match finding.severity {
            Severity::Error => DiagnosticSeverity::ERROR,
            Severity::Warning => DiagnosticSeverity::WARNING,
        }),
        source: Some("vmrun".into()),
        message,
        related_information: Some(related.collect::<Vec<_>>()).filter(|all| !all.is_empty()),
        ..lsp_types::Diagnostic::default()
    }
}

fn markdown(value: String) -> MarkupContent {
    MarkupContent { kind: MarkupKind::Markdown, value }
}

pub(super) fn completion(text: &str, completion: &Completion) -> CompletionResponse {
    let replaced = range(text, &completion.replaced);
    let item = |(at, item): (usize, &crate::script::editor::Item)| CompletionItem {
        label: item.label.clone(),
        kind: Some(match item.sense {
            Sense::Function => CompletionItemKind::FUNCTION,
            Sense::Method => CompletionItemKind::METHOD,
            Sense::Variable => CompletionItemKind::VARIABLE,
            Sense::Key => CompletionItemKind::PROPERTY,
            Sense::Module => CompletionItemKind::MODULE,
            Sense::File => CompletionItemKind::FILE,
            Sense::Keyword => CompletionItemKind::KEYWORD,
        }),
        detail: Some(item.detail.clone()).filter(|detail| !detail.is_empty()),
        documentation: Some(&item.docs)
            .filter(|docs| !docs.is_empty())
            .map(|docs| Documentation::MarkupContent(markdown(docs.clone()))),
        // What the text has a name for comes first.
        sort_text: Some(format!("{at:04}")),
        text_edit: Some(CompletionTextEdit::Edit(TextEdit::new(replaced, item.label.clone()))),
        ..CompletionItem::default()
    };
    CompletionResponse::Array(completion.items.iter().enumerate().map(item).collect())
}

pub(super) fn hover(text: &str, hover: &Hover) -> lsp_types::Hover {
    let usage = format!("```rhai\n{}\n```", hover.usage.join("\n"));
    let value = if hover.docs.is_empty() { usage } else { format!("{usage}\n\n{}", hover.docs) };
    lsp_types::Hover { contents: HoverContents::Markup(markdown(value)), range: Some(range(text, &hover.span)) }
}

pub(super) fn signature(signature: Signature) -> SignatureHelp {
    let argument = u32::try_from(signature.argument).ok();
    let one = |(label, docs): (String, String)| SignatureInformation {
        label,
        documentation: Some(Documentation::MarkupContent(markdown(docs))),
        parameters: None,
        active_parameter: argument,
    };
    SignatureHelp {
        signatures: signature.usages.into_iter().map(one).collect(),
        active_signature: None,
        active_parameter: argument,
    }
}

/// What the text declares for all of itself.
#[expect(deprecated, reason = "a field that nobody fills any more has to be given")]
pub(super) fn symbols(text: &str, declarations: &[Declaration]) -> DocumentSymbolResponse {
    let is_outer = |one: &&Declaration| match one.sort {
        Sort::Function | Sort::Module => true,
        Sort::Variable => one.known.end == text.len(),
        Sort::Parameter => false,
    };
    let symbol = |one: &Declaration| DocumentSymbol {
        name: one.name.clone(),
        detail: Some(one.detail.clone()),
        kind: match one.sort {
            Sort::Function => SymbolKind::FUNCTION,
            Sort::Module => SymbolKind::MODULE,
            Sort::Variable | Sort::Parameter => SymbolKind::VARIABLE,
        },
        tags: None,
        deprecated: None,
        range: range(text, &one.span),
        selection_range: range(text, &one.span),
        children: None,
    };
    DocumentSymbolResponse::Nested(declarations.iter().filter(is_outer).map(symbol).collect())
}
