// A grammar of vmrun's recipes (Rhai) for tree-sitter, as far as colours, folds and indents need it: what is in brackets, texts with
// what is put into them, comments within comments, numbers, sizes, names, calls and fields.  What is between them stays a list, so
// that half a recipe is read as well as a whole one.

// A text whose signs stand for themselves, with that many `#` on both sides: what ends it has that many behind a quote. Three are
// more than anybody writes, and need no scanner of their own.
const raw = (count) => {
    const fewer = Array.from({ length: count }, (_, signs) => "#".repeat(signs));
    const again = `"(${fewer.slice(1).concat('"').map((signs) => (signs === '"' ? signs : `${signs}"`)).join("|")})*`;
    const goesOn = fewer.map((signs) => `${signs}[^"#]`).join("|");
    return new RegExp(`${"#".repeat(count)}"([^"]|${again}(${goesOn}))*${again}${"#".repeat(count)}`);
};

module.exports = grammar({
    name: "vmrun",

    extras: ($) => [/\s/, $.line_comment, $.doc_comment, $.block_comment],

    word: ($) => $.identifier,

    rules: {
        recipe: ($) => seq(optional($.shebang), repeat($._item)),

        _item: ($) =>
            choice(
                $.function,
                $.call,
                $.field,
                $.size,
                $.keyword,
                $.storage,
                $.boolean,
                $.namespace,
                $.identifier,
                $.number,
                $.text,
                $.character,
                $.template,
                $.map,
                $.block,
                $.list,
                $.arguments,
                $.operator,
                $.separator,
            ),

        function: ($) => prec(2, seq("fn", field("name", $.identifier), field("parameters", $.arguments))),
        call: ($) => prec(1, seq(field("function", $.identifier), field("arguments", $.arguments))),
        field: ($) => prec(1, seq(choice(".", "?."), field("name", $.identifier))),
        size: ($) => prec(2, seq($.number, ".", field("unit", alias(choice("KiB", "MiB", "GiB", "TiB"), $.unit)))),
        namespace: ($) => prec(1, seq($.identifier, "::")),

        keyword: () =>
            choice(
                ...["if", "else", "switch", "for", "in", "do", "while", "until", "loop", "break", "continue", "return", "throw"],
                ...["try", "catch", "import", "export", "as"],
            ),
        storage: () => choice("let", "const", "private", "global", "this"),
        boolean: () => choice("true", "false"),

        map: ($) => seq("#{", repeat($._item), "}"),
        block: ($) => seq("{", repeat($._item), "}"),
        list: ($) => seq("[", repeat($._item), "]"),
        arguments: ($) => seq("(", repeat($._item), ")"),

        identifier: () => /[\p{L}_][\p{L}\p{N}_]*/u,
        number: () => token(/[0-9][\p{L}\p{N}_]*(\.[0-9][\p{L}\p{N}_]*)?/u),

        // A quote that stands twice is one of the text; a text ends with its line, unless a backslash ends that.
        text: () =>
            token(choice(seq('"', repeat(choice(/[^"\\\n]/, '""', /\\(.|\n)/)), optional('"')), raw(1), raw(2), raw(3))),
        character: () => token(seq("'", repeat(choice(/[^'\\\n]/, "''", /\\(.|\n)/)), optional("'"))),

        template: ($) => seq("`", repeat(choice($.content, $.substitution)), token.immediate("`")),
        content: () => token.immediate(prec(1, /([^`$]|``|\$[^{`]|\$?\\\$\{)+/)),
        substitution: ($) => seq(token.immediate("${"), repeat($._item), "}"),

        // The first line, for the kernel. One that stands elsewhere is none, and what is in it are words.
        shebang: () => token.immediate(prec(1, /#![^\n]*/)),
        line_comment: () => token(prec(-1, /\/\/.*/)),
        doc_comment: () => token(choice(/\/\/\/[^\/\n].*/, /\/\/!.*/)),
        // One within another is found as such a one is anywhere; what begins as a comment of one line does not within one.
        block_comment: ($) => seq(token(prec(2, "/*")), repeat($._commented), token(prec(2, "*/"))),
        _commented: () => token.immediate(prec(1, choice(/[^*\/]+/, /\s+\//, /\*/, /\//))),

        operator: () => token(prec(-2, choice(/[-+*\/%=<>!&|^~?]+/, "..", "..=", "=>", "."))),
        separator: () => choice(",", ";", ":"),
    },
});
