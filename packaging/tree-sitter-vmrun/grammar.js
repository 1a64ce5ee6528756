// A grammar of vmrun's recipes (Rhai) for tree-sitter, as far as colours, folds and indents need it: what is in brackets, texts with
// what is put into them, comments within comments, numbers, sizes, names, calls and fields.  What is between them stays a list, so
// that half a recipe is read as well as a whole one.

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
        text: () => token(seq('"', repeat(choice(/[^"\\\n]/, '""', /\\(.|\n)/)), optional('"'))),
        character: () => token(seq("'", repeat(choice(/[^'\\\n]/, "''", /\\(.|\n)/)), optional("'"))),

        template: ($) => seq("`", repeat(choice($.content, $.substitution)), token.immediate("`")),
        content: () => token.immediate(prec(1, /([^`$]|``|\$[^{`])+/)),
        substitution: ($) => seq(token.immediate("${"), repeat($._item), "}"),

        // The first line, for the kernel. One that stands elsewhere is none, and what is in it are words.
        shebang: () => token.immediate(prec(1, /#![^\n]*/)),
        line_comment: () => token(prec(-1, /\/\/.*/)),
        doc_comment: () => token(choice(/\/\/\/[^\/\n].*/, /\/\/!.*/)),
        block_comment: ($) => seq("/*", repeat(choice($.block_comment, $._commented)), "*/"),
        _commented: () => token.immediate(prec(-1, choice(/[^*\/]+/, /\*/, /\//))),

        operator: () => token(prec(-2, choice(/[-+*\/%=<>!&|^~?]+/, "..", "..=", "=>", "."))),
        separator: () => choice(",", ";", ":"),
    },
});
