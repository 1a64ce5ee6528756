// Writes the TextMate grammar of recipes, with the words that a vmrun has: node textmate.mjs VMRUN >FILE

import { words } from "./words.mjs";

const { functions, variables } = words(process.argv[2] ?? "vmrun");

const one = (names) => `(?<![\\p{L}\\p{N}_])(?:${names.join("|")})(?![\\p{L}\\p{N}_])`;
const include = (name) => ({ include: `#${name}` });
const name = "[\\p{L}_][\\p{L}\\p{N}_]*";
const escape = { name: "constant.character.escape.rhai", match: "\\\\(?:x\\h{2}|u\\h{4}|U\\h{8}|.|$)" };

// A text ends with its line, unless a backslash ends that; a quote that stands twice is one of the text.
const quoted = (quote, scope) => ({
    name: scope,
    begin: quote,
    beginCaptures: { 0: { name: "punctuation.definition.string.begin.rhai" } },
    end: `${quote}(?!${quote})|(?<![\\\\\\n])$`,
    endCaptures: { 0: { name: "punctuation.definition.string.end.rhai" } },
    patterns: [{ name: "constant.character.escape.rhai", match: quote + quote }, escape],
});

const grammar = {
    $schema: "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
    comment: "Written by packaging/editors/textmate.mjs from the words of vmrun; make editors does it again",
    name: "Rhai",
    scopeName: "source.rhai",
    fileTypes: ["rhai"],
    firstLineMatch: "^#!.*\\bvmrun\\b",
    patterns: [include("code")],
    repository: {
        code: {
            patterns: ["comments", "texts", "numbers", "sizes", "words", "names", "braces", "marks"].map(include),
        },
        comments: {
            patterns: [
                // What a kernel runs the file by is a comment, at its very beginning only.
                { name: "comment.line.shebang.rhai", match: "\\A#!.*$" },
                { name: "comment.line.documentation.rhai", match: "//(?:/(?!/)|!).*$" },
                { name: "comment.line.double-slash.rhai", match: "//.*$" },
                include("block"),
            ],
        },
        block: { name: "comment.block.rhai", begin: "/\\*", end: "\\*/", patterns: [include("block")] },
        texts: {
            patterns: [
                {
                    name: "string.quoted.other.raw.rhai",
                    begin: '(#+)"',
                    beginCaptures: { 0: { name: "punctuation.definition.string.begin.rhai" } },
                    end: '"\\1',
                    endCaptures: { 0: { name: "punctuation.definition.string.end.rhai" } },
                },
                quoted('"', "string.quoted.double.rhai"),
                quoted("'", "string.quoted.single.rhai"),
                {
                    name: "string.quoted.template.rhai",
                    begin: "`",
                    beginCaptures: { 0: { name: "punctuation.definition.string.begin.rhai" } },
                    end: "`(?!`)",
                    endCaptures: { 0: { name: "punctuation.definition.string.end.rhai" } },
                    patterns: [
                        { name: "constant.character.escape.rhai", match: "``|\\\\\\$\\{" },
                        {
                            name: "meta.embedded.expression.rhai",
                            begin: "\\$\\{",
                            beginCaptures: { 0: { name: "punctuation.section.embedded.begin.rhai" } },
                            end: "\\}",
                            endCaptures: { 0: { name: "punctuation.section.embedded.end.rhai" } },
                            patterns: [include("code")],
                        },
                    ],
                },
            ],
        },
        numbers: {
            name: "constant.numeric.rhai",
            match: "(?<![\\p{L}\\p{N}_])[0-9][\\p{L}\\p{N}_]*(?:\\.[0-9][\\p{L}\\p{N}_]*)?",
        },
        sizes: {
            match: "(?<=[0-9])(\\.)((?:Ki|Mi|Gi|Ti)B)(?![\\p{L}\\p{N}_])",
            captures: { 1: { name: "punctuation.accessor.rhai" }, 2: { name: "keyword.other.unit.rhai" } },
        },
        words: {
            patterns: [
                {
                    name: "keyword.control.rhai",
                    match: one(["if", "else", "switch", "for", "in", "do", "while", "until", "loop", "break", "continue", "return", "throw", "try", "catch", "import", "export", "as"]),
                },
                { name: "storage.type.rhai", match: one(["let", "const", "fn", "private", "global", "this"]) },
                { name: "constant.language.rhai", match: one(["true", "false"]) },
                { name: "support.variable.vmrun.rhai", match: `${one(variables)}(?!\\s*\\()` },
                { name: "support.function.vmrun.rhai", match: `${one(functions)}(?=\\s*\\()` },
            ],
        },
        names: {
            patterns: [
                { name: "entity.name.function.rhai", match: `${name}(?=\\s*\\()` },
                { name: "entity.name.namespace.rhai", match: `${name}(?=::)` },
                { name: "variable.other.property.rhai", match: `${name}(?=\\s*:(?!:))` },
                { name: "variable.other.rhai", match: name },
            ],
        },
        // The braces of a map or a block in something that is put into a text do not end it.
        braces: { begin: "#?\\{", end: "\\}", patterns: [include("code")] },
        marks: { name: "keyword.operator.rhai", match: "[-+*/%=<>!&|^~?]+|\\.\\.=?|::" },
    },
};

process.stdout.write(`${JSON.stringify(grammar, null, 2)}\n`);
