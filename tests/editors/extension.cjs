// Runs the extension for VS Code in Node, with what stands in for VS Code, and prints what the editor then shows, as a line of JSON:
// node extension.cjs EXTENSION RECIPE
// `vmrun` is looked for as the extension does, on the path.

const Module = require("node:module");
const { readFileSync } = require("node:fs");
const vscode = require("./vscode.cjs");

const load = Module._load;
Module._load = (name, ...rest) => (name === "vscode" ? vscode : load(name, ...rest));

const { editor, Position, Range, CancellationTokenSource } = vscode;
const [, , extension, recipe] = process.argv;
const { activate, deactivate } = require(extension);
const { token } = new CancellationTokenSource();

// What is told of a text next.
const told = (document) =>
    new Promise((done) => {
        const heard = editor.changed.event(() => {
            heard.dispose();
            done(editor.diagnostics.get(document.uri.toString()));
        });
    });

(async () => {
    await activate();
    const document = editor.open(recipe, readFileSync(recipe, "utf8"));
    const faults = await told(document);
    const { range } = faults.find(({ severity }) => severity === vscode.DiagnosticSeverity.Error);

    const at = new Position(range.end.line, range.end.character);
    const completed = await editor.providers.CompletionItem.one.provideCompletionItems(document, at, token, { triggerKind: 0 });
    const hover = await editor.providers.Hover.one.provideHover(document, new Position(0, 5), token);
    const actions = await editor.providers.CodeActions.one.provideCodeActions(document, range, { diagnostics: faults, triggerKind: 1 }, token);

    // The action is carried out, as by a click.
    const [[uri, [edit]]] = actions[0].edit.changes;
    const lines = document.getText().split("\n");
    const { start, end } = edit.range;
    lines[start.line] = lines[start.line].slice(0, start.character) + edit.newText + lines[start.line].slice(end.character);
    const next = told(document);
    editor.change(document, lines.join("\n"));
    const left = await next;

    const shown = {
        faults: faults.map(({ message, severity, source, range }) => ({ message, severity: vscode.DiagnosticSeverity[severity], source, range })),
        completed: (completed.items ?? completed).map(({ label }) => label),
        hover: hover.contents.value,
        actions: actions.map(({ title, kind }) => ({ title, kind: kind.value })),
        changed: uri === document.uri.toString() && document.getText(),
        left: left.map(({ message }) => message),
        messages: editor.messages,
    };
    await deactivate();
    console.log(JSON.stringify(shown));
})().catch((error) => {
    console.error(error, editor.messages);
    process.exit(1);
});
