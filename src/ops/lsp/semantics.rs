//! Semantic tokens and foldings in the protocol's types (LSP 3.17, textDocument/semanticTokens and textDocument/foldingRange).

use super::position::Walk;
use crate::script::editor::{Fold, FoldKind, Meaning, SemanticToken};
use lsp_types::{
    FoldingRange, FoldingRangeKind, SemanticToken as Encoded, SemanticTokenModifier, SemanticTokenType, SemanticTokens,
    SemanticTokensFullOptions, SemanticTokensLegend, SemanticTokensOptions,
};

/// What tokens are, in the order in which they are numbered.
const TYPES: [(Meaning, SemanticTokenType); 10] = [
    (Meaning::Comment, SemanticTokenType::COMMENT),
    (Meaning::Text, SemanticTokenType::STRING),
    (Meaning::Number, SemanticTokenType::NUMBER),
    (Meaning::Keyword, SemanticTokenType::KEYWORD),
    (Meaning::Function, SemanticTokenType::FUNCTION),
    (Meaning::Method, SemanticTokenType::METHOD),
    (Meaning::Property, SemanticTokenType::PROPERTY),
    (Meaning::Variable, SemanticTokenType::VARIABLE),
    (Meaning::Parameter, SemanticTokenType::PARAMETER),
    (Meaning::Module, SemanticTokenType::NAMESPACE),
];

/// The bit of a token that is declared where it stands.
const DECLARED: u32 = 1;

/// The bit of one that vmrun brings.
const BUILTIN: u32 = 2;

/// What the server can say of tokens.
pub(super) fn options() -> SemanticTokensOptions {
    SemanticTokensOptions {
        legend: SemanticTokensLegend {
            token_types: TYPES.into_iter().map(|(_, kind)| kind).collect(),
            token_modifiers: vec![SemanticTokenModifier::DECLARATION, SemanticTokenModifier::DEFAULT_LIBRARY],
        },
        range: Some(false),
        full: Some(SemanticTokensFullOptions::Bool(true)),
        ..SemanticTokensOptions::default()
    }
}

/// Encodes tokens: each by how far it is from the one before. One of several lines is one for each of them, because not every editor
/// takes it whole.
pub(super) fn encoded(text: &str, tokens: &[SemanticToken]) -> SemanticTokens {
    let mut walk = Walk::new(text);
    let (mut data, mut last) = (Vec::new(), lsp_types::Position::new(0, 0));
    for token in tokens {
        let kind = TYPES.iter().position(|(meaning, _)| *meaning == token.meaning);
        let bits = [(token.is_declared, DECLARED), (token.is_builtin, BUILTIN)];
        let mut at = token.span.start;
        for line in text[token.span.clone()].split_inclusive('\n') {
            let shown = line.trim_end_matches(['\r', '\n']);
            let range = walk.through(&(at..at + shown.len()));
            at += line.len();
            if shown.is_empty() {
                continue;
            }
            let delta_line = range.start.line.saturating_sub(last.line);
            let before = if delta_line == 0 { last.character } else { 0 };
            data.push(Encoded {
                delta_line,
                delta_start: range.start.character.saturating_sub(before),
                length: range.end.character.saturating_sub(range.start.character),
                token_type: kind.and_then(|kind| u32::try_from(kind).ok()).unwrap_or_default(),
                token_modifiers_bitset: bits.iter().filter(|(is, _)| *is).map(|(_, bit)| bit).sum(),
            });
            last = range.start;
        }
    }
    SemanticTokens { result_id: None, data }
}

/// What can be folded away, by lines: that of the last bracket stays.
pub(super) fn foldings(text: &str, folds: &[Fold]) -> Vec<FoldingRange> {
    let lines: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
    let line = |byte: usize| u32::try_from(lines.partition_point(|end| *end < byte)).unwrap_or(u32::MAX);
    let folding = |fold: &Fold| {
        let (start_line, last) = (line(fold.span.start), line(fold.span.end.saturating_sub(1)));
        let (end_line, kind) = match fold.kind {
            FoldKind::Comment => (last, Some(FoldingRangeKind::Comment)),
            FoldKind::Imports => (last, Some(FoldingRangeKind::Imports)),
            FoldKind::Brackets => (last.saturating_sub(1), None),
        };
        (end_line > start_line).then_some(FoldingRange { start_line, end_line, kind, ..FoldingRange::default() })
    };
    let mut all: Vec<FoldingRange> = folds.iter().filter_map(folding).collect();
    // Brackets that open on one line fold together.
    all.dedup_by_key(|one| one.start_line);
    all
}
