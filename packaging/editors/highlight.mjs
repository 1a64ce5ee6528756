// Prints what the TextMate grammar makes of recipes: node highlight.mjs GRAMMAR FILE…
// A line of JSON for each file: for each byte that is no white space c (comment), t (text), n (number), w (word) or m (mark).

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { Registry, INITIAL, parseRawGrammar } = require("vscode-textmate");
const oniguruma = require("vscode-oniguruma");

const [file, ...recipes] = process.argv.slice(2);
await oniguruma.loadWASM(readFileSync(require.resolve("vscode-oniguruma/release/onig.wasm")).buffer);
const onigLib = Promise.resolve({
    createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
    createOnigString: (text) => new oniguruma.OnigString(text),
});
const registry = new Registry({
    onigLib,
    loadGrammar: async () => parseRawGrammar(readFileSync(file, "utf8"), file),
});
const grammar = await registry.loadGrammar("source.rhai");

// The innermost of what makes code of a text again counts.
function kind(scopes, text) {
    for (const scope of [...scopes].reverse()) {
        if (scope.startsWith("comment")) return "c";
        if (scope.startsWith("string")) return "t";
        if (scope.startsWith("constant.character")) return "t";
        if (scope.startsWith("constant.numeric")) return "n";
        if (scope.startsWith("meta.embedded") || scope.startsWith("punctuation.section")) break;
    }
    return /^[\p{L}\p{N}_]/u.test(text) ? "w" : "m";
}

for (const recipe of recipes) {
    let all = "";
    let state = INITIAL;
    for (const line of readFileSync(recipe, "utf8").split("\n")) {
        const done = grammar.tokenizeLine(line, state);
        state = done.ruleStack;
        for (const { startIndex, endIndex, scopes } of done.tokens) {
            for (const letter of line.slice(startIndex, endIndex)) {
                all += /\p{White_Space}/u.test(letter) ? letter : kind(scopes, letter).repeat(Buffer.byteLength(letter));
            }
        }
        all += "\n";
    }
    console.log(JSON.stringify([recipe, all.slice(0, -1)]));
}
