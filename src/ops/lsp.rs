//! The server that an editor starts for recipes: the Language Server Protocol over the standard streams.

mod actions;
mod answers;
mod documents;
mod position;
mod semantics;
mod stream;

use crate::diag::may_fail::MayFail as _;
use crate::diag::{Diagnostic, Fault};
use crate::host::Settings;
use crate::script::editor::{Document, is_free};
use documents::Documents;
use lsp_server::{Connection, ErrorCode, Message, Notification, Request, RequestId, Response};
use lsp_types::notification::{
    DidChangeTextDocument, DidCloseTextDocument, DidOpenTextDocument, DidSaveTextDocument, Notification as _,
    PublishDiagnostics,
};
use lsp_types::request::{
    CodeActionRequest, Completion, DocumentHighlightRequest, DocumentSymbolRequest, FoldingRangeRequest,
    GotoDefinition, HoverRequest, PrepareRenameRequest, References, Rename, Request as _, SemanticTokensFullRequest,
    SignatureHelpRequest,
};
use lsp_types::{
    CodeActionKind, CodeActionOptions, CodeActionParams, CodeActionResponse, CompletionOptions, DocumentHighlight,
    GotoDefinitionResponse, Location, OneOf, PrepareRenameResponse, PublishDiagnosticsParams, Range, RenameOptions,
    ServerCapabilities, SignatureHelpOptions, TextDocumentPositionParams, TextDocumentSyncCapability,
    TextDocumentSyncKind, TextDocumentSyncOptions, TextEdit, Uri, WorkspaceEdit,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

/// What the server can be asked.
fn capabilities() -> ServerCapabilities {
    let characters = |all: &str| Some(all.chars().map(String::from).collect());
    ServerCapabilities {
        text_document_sync: Some(TextDocumentSyncCapability::Options(TextDocumentSyncOptions {
            open_close: Some(true),
            change: Some(TextDocumentSyncKind::INCREMENTAL),
            save: Some(true.into()),
            ..TextDocumentSyncOptions::default()
        })),
        completion_provider: Some(CompletionOptions {
            trigger_characters: characters(".:\"/{,"),
            ..CompletionOptions::default()
        }),
        hover_provider: Some(true.into()),
        signature_help_provider: Some(SignatureHelpOptions {
            trigger_characters: characters("(,"),
            ..SignatureHelpOptions::default()
        }),
        definition_provider: Some(OneOf::Left(true)),
        references_provider: Some(OneOf::Left(true)),
        document_highlight_provider: Some(OneOf::Left(true)),
        folding_range_provider: Some(true.into()),
        semantic_tokens_provider: Some(semantics::options().into()),
        code_action_provider: Some(
            CodeActionOptions {
                code_action_kinds: Some(vec![CodeActionKind::QUICKFIX]),
                ..CodeActionOptions::default()
            }
            .into(),
        ),
        document_symbol_provider: Some(OneOf::Left(true)),
        rename_provider: Some(OneOf::Right(RenameOptions {
            prepare_provider: Some(true),
            work_done_progress_options: lsp_types::WorkDoneProgressOptions::default(),
        })),
        ..ServerCapabilities::default()
    }
}

/// Serves an editor until it ends the connection. Recipes are rehearsed when they are saved, if there are settings of a host for it.
pub(crate) fn serve(settings: Option<Settings>) -> Result<(), Fault> {
    let lost = |why: &dyn std::fmt::Display| Fault::host(format!("the editor's connection broke: {why}"));
    let (connection, carriers) = stream::open().map_err(|why| lost(&why))?;
    let receiver = connection.receiver.clone();
    let served = serve_by(connection, settings);
    let is_over = receiver.try_recv().is_err_and(|why| why.is_disconnected());
    drop(receiver);
    carriers.finish(is_over).map_err(|why| lost(&why))?;
    served.map_err(|why| lost(&why))
}

/// Serves an editor by a connection until it is over.
pub(crate) fn serve_by(connection: Connection, settings: Option<Settings>) -> Result<(), lsp_server::ProtocolError> {
    let begin = || {
        let (id, _) = connection.initialize_start()?;
        let server = json!({ "name": "vmrun", "version": env!("CARGO_PKG_VERSION") });
        connection.initialize_finish(id, json!({ "capabilities": capabilities(), "serverInfo": server }))
    };
    begin()?;
    Server {
        connection,
        documents: Documents::new(settings),
        changed: BTreeSet::new(),
        saved: BTreeSet::new(),
        told: BTreeMap::new(),
    }
    .serve()
}

/// The server of one editor.
struct Server {
    connection: Connection,
    documents: Documents,
    /// The texts of which nothing was said since they changed.
    changed: BTreeSet<PathBuf>,
    /// Those of them that were saved.
    saved: BTreeSet<PathBuf>,
    /// What was said of each text last.
    told: BTreeMap<PathBuf, Vec<Diagnostic>>,
}

/// Why a request has no answer.
type Refusal = (ErrorCode, String);

impl Server {
    /// Answers until the editor ends it. What is wrong with texts is told when nothing else is to be done: who types fast is not
    /// told of every letter.
    fn serve(mut self) -> Result<(), lsp_server::ProtocolError> {
        while let Ok(message) = self.connection.receiver.recv() {
            let mut next = Some(message);
            while let Some(message) = next.take() {
                if !self.hear(message)? {
                    return Ok(());
                }
                next = self.connection.receiver.try_recv().ok();
            }
            for path in std::mem::take(&mut self.changed) {
                let is_saved = self.saved.remove(&path);
                self.publish(&path, is_saved);
            }
        }
        Ok(())
    }

    /// Does what a message asks, and returns whether there will be more.
    fn hear(&mut self, message: Message) -> Result<bool, lsp_server::ProtocolError> {
        match message {
            Message::Request(request) => {
                if self.connection.handle_shutdown(&request)? {
                    return Ok(false);
                }
                let answer = self.answer(request);
                self.connection
                    .sender
                    .send(answer.into())
                    .may_fail("an editor that is gone sends nothing more either, which ends the loop");
            }
            Message::Notification(notification) => self.note(notification),
            Message::Response(_) => {}
        }
        Ok(true)
    }

    fn note(&mut self, notification: Notification) {
        let Notification { method, params } = notification;
        match method.as_str() {
            DidOpenTextDocument::METHOD => {
                let Some(params) = read::<DidOpenTextDocument>(params) else { return };
                let Some(path) = position::path(&params.text_document.uri) else { return };
                self.documents.put(path.clone(), params.text_document.text);
                self.saved.insert(path.clone());
                self.changed.insert(path);
            }
            DidChangeTextDocument::METHOD => {
                let Some(params) = read::<DidChangeTextDocument>(params) else { return };
                let Some(path) = position::path(&params.text_document.uri) else { return };
                let Some(mut text) = self.documents.text(&path).map(String::from) else { return };
                for change in params.content_changes {
                    match change.range {
                        Some(range) => {
                            let (start, end) = (position::byte(&text, range.start), position::byte(&text, range.end));
                            text.replace_range(start..end.max(start), &change.text);
                        }
                        None => text = change.text,
                    }
                }
                self.documents.put(path.clone(), text);
                self.changed.insert(path);
            }
            DidSaveTextDocument::METHOD => {
                let Some(params) = read::<DidSaveTextDocument>(params) else { return };
                let Some(path) = position::path(&params.text_document.uri) else { return };
                self.saved.insert(path.clone());
                self.changed.insert(path);
            }
            DidCloseTextDocument::METHOD => {
                let Some(params) = read::<DidCloseTextDocument>(params) else { return };
                let Some(path) = position::path(&params.text_document.uri) else { return };
                self.documents.take(&path);
                self.changed.remove(&path);
                self.told.remove(&path);
                self.tell(params.text_document.uri, Vec::new());
            }
            _ => {}
        }
    }

    /// Tells what is wrong with a text.
    fn publish(&mut self, path: &std::path::Path, is_saved: bool) {
        let findings = self.documents.findings(path, is_saved);
        let (Some(text), Some(uri)) = (self.documents.text(path), position::uri(path)) else { return };
        self.tell(uri, findings.iter().map(|finding| answers::diagnostic(text, path, finding)).collect());
        self.told.insert(path.into(), findings);
    }

    fn tell(&self, uri: Uri, diagnostics: Vec<lsp_types::Diagnostic>) {
        let params = PublishDiagnosticsParams { uri, diagnostics, version: None };
        self.connection
            .sender
            .send(Notification::new(PublishDiagnostics::METHOD.into(), params).into())
            .may_fail("an editor that is gone sends nothing more either, which ends the loop");
    }

    fn answer(&self, request: Request) -> Response {
        let Request { id, method, params } = request;
        let answered = match method.as_str() {
            Completion::METHOD => reply::<Completion>(params, |params| self.complete(&params.text_document_position)),
            HoverRequest::METHOD => {
                reply::<HoverRequest>(params, |params| self.hover(&params.text_document_position_params))
            }
            SignatureHelpRequest::METHOD => {
                reply::<SignatureHelpRequest>(params, |params| self.signature(&params.text_document_position_params))
            }
            GotoDefinition::METHOD => {
                reply::<GotoDefinition>(params, |params| self.definition(&params.text_document_position_params))
            }
            DocumentSymbolRequest::METHOD => reply::<DocumentSymbolRequest>(params, |params| {
                let path = position::path(&params.text_document.uri)?;
                self.documents.ask(&path, |document| answers::symbols(document.text, &document.declarations()))
            }),
            References::METHOD => reply::<References>(params, |params| {
                let with_declaration = params.context.include_declaration;
                let (uri, spans) = self.references(&params.text_document_position, with_declaration)?;
                Some(spans.into_iter().map(|range| Location { uri: uri.clone(), range }).collect())
            }),
            DocumentHighlightRequest::METHOD => reply::<DocumentHighlightRequest>(params, |params| {
                let (_, spans) = self.references(&params.text_document_position_params, true)?;
                Some(spans.into_iter().map(|range| DocumentHighlight { range, kind: None }).collect())
            }),
            SemanticTokensFullRequest::METHOD => reply::<SemanticTokensFullRequest>(params, |params| {
                let path = position::path(&params.text_document.uri)?;
                let tokens = |document: &Document<'_>| semantics::encoded(document.text, &document.semantics());
                self.documents.ask(&path, tokens).map(Into::into)
            }),
            FoldingRangeRequest::METHOD => reply::<FoldingRangeRequest>(params, |params| {
                let path = position::path(&params.text_document.uri)?;
                self.documents.ask(&path, |document| semantics::foldings(document.text, &document.folds()))
            }),
            CodeActionRequest::METHOD => reply::<CodeActionRequest>(params, |params| self.actions(&params)),
            PrepareRenameRequest::METHOD => reply::<PrepareRenameRequest>(params, |params| {
                let (_, at) = self.at(&params)?;
                let path = position::path(&params.text_document.uri)?;
                let spans = self.documents.ask(&path, |document| document.renamed(at))??;
                let span = spans.into_iter().find(|span| span.start <= at && at <= span.end)?;
                Some(PrepareRenameResponse::Range(position::range(self.documents.text(&path)?, &span)))
            }),
            Rename::METHOD => parsed::<Rename>(params).and_then(|params| self.rename(params)),
            _ => Err((ErrorCode::MethodNotFound, format!("vmrun does not know {method}"))),
        };
        respond(id, answered)
    }

    /// The path and the byte that a request is about.
    fn at(&self, params: &TextDocumentPositionParams) -> Option<(PathBuf, usize)> {
        let path = position::path(&params.text_document.uri)?;
        let at = position::byte(self.documents.text(&path)?, params.position);
        Some((path, at))
    }

    fn complete(&self, params: &TextDocumentPositionParams) -> Option<lsp_types::CompletionResponse> {
        let (path, at) = self.at(params)?;
        self.documents.ask(&path, |document| answers::completion(document.text, &document.complete(at)))
    }

    fn hover(&self, params: &TextDocumentPositionParams) -> Option<lsp_types::Hover> {
        let (path, at) = self.at(params)?;
        self.documents.ask(&path, |document| document.hover(at).map(|hover| answers::hover(document.text, &hover)))?
    }

    fn signature(&self, params: &TextDocumentPositionParams) -> Option<lsp_types::SignatureHelp> {
        let (path, at) = self.at(params)?;
        self.documents.ask(&path, |document| document.signature(at).map(answers::signature))?
    }

    fn definition(&self, params: &TextDocumentPositionParams) -> Option<GotoDefinitionResponse> {
        let (path, at) = self.at(params)?;
        let target = self.documents.ask(&path, |document| document.definition(at))??;
        let file = target.module.as_deref().map_or(Some(path), Documents::file)?;
        let text = self.documents.read(&file)?;
        Some(GotoDefinitionResponse::Scalar(Location {
            uri: position::uri(&file)?,
            range: position::range(&text, &target.span),
        }))
    }

    /// The places that mean the same as what stands at a place.
    fn references(&self, params: &TextDocumentPositionParams, with_declaration: bool) -> Option<(Uri, Vec<Range>)> {
        let (path, at) = self.at(params)?;
        let spans = self.documents.ask(&path, |document| document.references(at, with_declaration))??;
        let mut walk = position::Walk::new(self.documents.text(&path)?);
        Some((params.text_document.uri.clone(), spans.iter().map(|span| walk.through(span)).collect()))
    }

    /// What mends the faults at a place.
    fn actions(&self, params: &CodeActionParams) -> Option<CodeActionResponse> {
        let uri = &params.text_document.uri;
        let path = position::path(uri)?;
        let (text, findings) = (self.documents.text(&path)?, self.told.get(&path)?);
        let wanted = |kind: &CodeActionKind| CodeActionKind::QUICKFIX.as_str().starts_with(kind.as_str());
        let is_wanted = params.context.only.as_ref().is_none_or(|only| only.iter().any(wanted));
        is_wanted.then(|| actions::fixes(text, (&path, uri), findings, params.range))
    }

    #[expect(clippy::mutable_key_type, reason = "the protocol's own type has addresses as keys")]
    fn rename(&self, params: lsp_types::RenameParams) -> Result<Value, Refusal> {
        let refused = |message: String| (ErrorCode::InvalidParams, message);
        let name = params.new_name;
        if !is_free(&name) {
            return Err(refused(format!("`{name}` is no name of a variable or a function")));
        }
        let position = params.text_document_position;
        let edits = self.at(&position).and_then(|(path, at)| {
            let spans = self.documents.ask(&path, |document| document.renamed(at))??;
            let text = self.documents.text(&path)?;
            Some(spans.into_iter().map(|span| TextEdit::new(position::range(text, &span), name.clone())).collect())
        });
        let edits: Vec<TextEdit> = edits.ok_or_else(|| refused("this is no name of the text's own".into()))?;
        let changes = HashMap::from([(position.text_document.uri, edits)]);
        value(&WorkspaceEdit::new(changes))
    }
}

fn respond(id: RequestId, answered: Result<Value, Refusal>) -> Response {
    match answered {
        Ok(value) => Response::new_ok(id, value),
        Err((code, message)) => Response::new_err(id, code as i32, message),
    }
}

fn read<N: lsp_types::notification::Notification>(params: Value) -> Option<N::Params>
where
    N::Params: DeserializeOwned,
{
    serde_json::from_value(params).ok()
}

fn parsed<R: lsp_types::request::Request>(params: Value) -> Result<R::Params, Refusal> {
    serde_json::from_value(params).map_err(|why| (ErrorCode::InvalidParams, why.to_string()))
}

fn value(result: &impl serde::Serialize) -> Result<Value, Refusal> {
    serde_json::to_value(result).map_err(|why| (ErrorCode::InternalError, why.to_string()))
}

fn reply<R: lsp_types::request::Request>(
    params: Value,
    answer: impl FnOnce(R::Params) -> R::Result,
) -> Result<Value, Refusal> {
    parsed::<R>(params).and_then(|params| value(&answer(params)))
}
