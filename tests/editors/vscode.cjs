// What stands in for the module `vscode`, which only VS Code has: as much of it as vscode-languageclient asks for, over texts that a test
// opens and changes.  What an editor is given to show (diagnostics, providers, messages) is kept in `editor`, for the test to look at.

class Position {
    constructor(line, character) {
        Object.assign(this, { line, character });
    }
}

class Range {
    constructor(start, end, endLine, endCharacter) {
        const whole = start instanceof Position ? [start, end] : [new Position(start, end), new Position(endLine, endCharacter)];
        [this.start, this.end] = whole;
    }
    intersection(other) {
        const before = (one, two) => one.line < two.line || (one.line === two.line && one.character <= two.character);
        return before(this.start, other.end) && before(other.start, this.end) ? this : undefined;
    }
}

class Uri {
    constructor(text) {
        const { protocol, host, pathname } = new URL(text);
        const path = decodeURIComponent(pathname);
        Object.assign(this, { scheme: protocol.slice(0, -1), authority: host, path, fsPath: path, query: "", fragment: "" });
    }
    static parse(text) {
        return new Uri(text);
    }
    static file(path) {
        return new Uri(`file://${encodeURI(path)}`);
    }
    toString() {
        return `${this.scheme}://${this.authority}${encodeURI(this.path)}`;
    }
}

class Disposable {
    constructor(end) {
        this.dispose = end;
    }
    static from(...all) {
        return new Disposable(() => all.forEach((one) => one.dispose()));
    }
}

class EventEmitter {
    #heard = new Set();
    event = (listener, self) => {
        const bound = listener.bind(self);
        this.#heard.add(bound);
        return new Disposable(() => this.#heard.delete(bound));
    };
    fire = (said) => [...this.#heard].map((listener) => listener(said));
    dispose = () => this.#heard.clear();
}

class CancellationTokenSource {
    #cancelled = new EventEmitter();
    token = { isCancellationRequested: false, onCancellationRequested: this.#cancelled.event };
    cancel() {
        this.token.isCancellationRequested = true;
        this.#cancelled.fire();
    }
    dispose() {}
}

class WorkspaceEdit {
    changes = new Map();
    set(uri, edits) {
        this.changes.set(uri.toString(), edits);
    }
}

// What is only made and read again: a class with fields of these names, in the order of its constructor.
const record = (...fields) =>
    class {
        constructor(...values) {
            fields.forEach((field, at) => (this[field] = values[at]));
        }
    };
// An enumeration: from the names to numbers, and back.
const numbered = (first, ...names) =>
    Object.fromEntries(names.flatMap((name, at) => [[name, at + first], [at + first, name]]));

class MarkdownString {
    constructor(value = "") {
        this.value = value;
    }
    appendCodeblock(code, language) {
        this.value += `\n\`\`\`${language}\n${code}\n\`\`\`\n`;
    }
}

class CodeActionKind {
    constructor(value) {
        this.value = value;
    }
    append = (part) => new CodeActionKind(this.value ? `${this.value}.${part}` : part);
    static Empty = new CodeActionKind("");
}
CodeActionKind.QuickFix = CodeActionKind.Empty.append("quickfix");
CodeActionKind.Refactor = CodeActionKind.Empty.append("refactor");
CodeActionKind.RefactorExtract = CodeActionKind.Refactor.append("extract");
CodeActionKind.RefactorInline = CodeActionKind.Refactor.append("inline");
CodeActionKind.RefactorRewrite = CodeActionKind.Refactor.append("rewrite");
CodeActionKind.Source = CodeActionKind.Empty.append("source");
CodeActionKind.SourceOrganizeImports = CodeActionKind.Source.append("organizeImports");

// What the editor shows, and what a test does to it.
const editor = { diagnostics: new Map(), providers: {}, messages: [], changed: new EventEmitter() };

const events = {};
const on = (name) => (events[name] = new EventEmitter()).event;
const said = (kind) => async (message) => void editor.messages.push(`${kind}: ${message}`);
const provider = (name) => (selector, one) => {
    editor.providers[name] = { selector, one };
    return new Disposable(() => delete editor.providers[name]);
};

class TextDocument {
    version = 1;
    isClosed = false;
    constructor(path, languageId, text) {
        Object.assign(this, { uri: Uri.file(path), fileName: path, languageId, text });
    }
    getText = () => this.text;
}

// Opens a text, as a person does with a file.
editor.open = (path, text) => {
    const document = new TextDocument(path, "rhai", text);
    workspace.textDocuments.push(document);
    events.onDidOpenTextDocument.fire(document);
    return document;
};
// Gives it another text.
editor.change = (document, text) => {
    const lines = document.text.split("\n");
    const range = new Range(0, 0, lines.length - 1, lines.at(-1).length);
    document.text = text;
    document.version += 1;
    events.onDidChangeTextDocument.fire({ document, contentChanges: [{ range, text }] });
};

const workspace = {
    textDocuments: [],
    notebookDocuments: [],
    workspaceFolders: undefined,
    getConfiguration: () => ({ get: (_, otherwise) => otherwise, inspect: () => undefined }),
    getWorkspaceFolder: () => undefined,
    createFileSystemWatcher: () => ({ dispose() {}, onDidCreate: on("made"), onDidChange: on("written"), onDidDelete: on("removed") }),
    applyEdit: async () => true,
    ...Object.fromEntries(
        ["onDidOpenTextDocument", "onDidChangeTextDocument", "onDidSaveTextDocument", "onDidCloseTextDocument", "onWillSaveTextDocument",
            "onDidChangeConfiguration", "onDidChangeWorkspaceFolders", "onDidOpenNotebookDocument", "onDidChangeNotebookDocument",
            "onDidSaveNotebookDocument", "onDidCloseNotebookDocument", "onDidCreateFiles", "onDidRenameFiles", "onDidDeleteFiles",
            "onWillCreateFiles", "onWillRenameFiles", "onWillDeleteFiles"].map((name) => [name, on(name)]),
    ),
};

const languages = {
    match: (selector, document) => ([].concat(selector).some((one) => (one.language ?? one) === document.languageId) ? 10 : 0),
    createDiagnosticCollection: () => ({
        set: (uri, all) => {
            editor.diagnostics.set(uri.toString(), all);
            editor.changed.fire();
        },
        delete: (uri) => editor.diagnostics.delete(uri.toString()),
        clear: () => editor.diagnostics.clear(),
        dispose() {},
    }),
};
for (const name of ["CallHierarchy", "CodeLens", "Color", "Declaration", "Definition", "DocumentFormattingEdit", "DocumentHighlight", "DocumentLink",
    "DocumentRangeFormattingEdit", "DocumentRangeSemanticTokens", "DocumentSemanticTokens", "DocumentSymbol", "FoldingRange", "Hover",
    "Implementation", "InlayHints", "InlineCompletionItem", "InlineValues", "LinkedEditingRange", "OnTypeFormattingEdit", "Reference", "Rename",
    "SelectionRange", "SignatureHelp", "TypeDefinition", "TypeHierarchy", "WorkspaceSymbol", "CompletionItem", "CodeActions"]) {
    languages[`register${name}Provider`] = provider(name);
}

const log = { append: said("log"), appendLine: said("log"), show() {}, dispose() {}, replace() {}, clear() {}, hide() {} };
const window = {
    activeTextEditor: undefined,
    tabGroups: { all: [], onDidChangeTabs: on("tabs") },
    showErrorMessage: said("error"),
    showWarningMessage: said("warning"),
    showInformationMessage: said("information"),
    createOutputChannel: () => log,
    onDidChangeActiveTextEditor: on("onDidChangeActiveTextEditor"),
};

module.exports = {
    editor,
    workspace,
    languages,
    window,
    commands: { registerCommand: () => new Disposable(() => {}) },
    env: { language: "en", appName: "a stand-in for VS Code", openExternal: async () => false },
    version: "1.82.0",
    Position, Range, Uri, Disposable, EventEmitter, CancellationTokenSource, WorkspaceEdit, MarkdownString, CodeActionKind,
    CancellationError: class extends Error {},
    CallHierarchyItem: record("kind", "name", "detail", "uri", "range", "selectionRange"),
    CodeAction: record("title", "kind"),
    CodeLens: record("range", "command"),
    CompletionItem: record("label", "kind"),
    CompletionList: record("items", "isIncomplete"),
    Diagnostic: record("range", "message", "severity"),
    DiagnosticRelatedInformation: record("location", "message"),
    DocumentHighlight: record("range", "kind"),
    DocumentLink: record("range", "target"),
    DocumentSymbol: record("name", "detail", "kind", "range", "selectionRange"),
    FoldingRange: record("start", "end", "kind"),
    Hover: record("contents", "range"),
    InlayHint: record("position", "label", "kind"),
    Location: record("uri", "range"),
    ParameterInformation: record("label", "documentation"),
    SelectionRange: record("range", "parent"),
    SemanticTokens: record("data", "resultId"),
    SemanticTokensEdit: record("start", "deleteCount", "data"),
    SemanticTokensEdits: record("edits", "resultId"),
    SignatureHelp: record(),
    SignatureInformation: record("label", "documentation"),
    SnippetString: record("value"),
    SymbolInformation: record("name", "kind", "range", "uri", "containerName"),
    TextEdit: record("range", "newText"),
    TypeHierarchyItem: record("kind", "name", "detail", "uri", "range", "selectionRange"),
    CodeActionTriggerKind: numbered(1, "Invoke", "Automatic"),
    CompletionItemKind: numbered(0, "Text", "Method", "Function", "Constructor", "Field", "Variable", "Class", "Interface", "Module", "Property"),
    CompletionItemTag: numbered(1, "Deprecated"),
    CompletionTriggerKind: numbered(0, "Invoke", "TriggerCharacter", "TriggerForIncompleteCompletions"),
    DiagnosticSeverity: numbered(0, "Error", "Warning", "Information", "Hint"),
    DiagnosticTag: numbered(1, "Unnecessary", "Deprecated"),
    FoldingRangeKind: numbered(1, "Comment", "Imports", "Region"),
    SignatureHelpTriggerKind: numbered(1, "Invoke", "TriggerCharacter", "ContentChange"),
    SymbolKind: numbered(0, "File", "Module", "Namespace"),
    SymbolTag: numbered(1, "Deprecated"),
    TextDocumentChangeReason: numbered(1, "Undo", "Redo"),
    TextDocumentSaveReason: numbered(1, "Manual", "AfterDelay", "FocusOut"),
};
