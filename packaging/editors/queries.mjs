// Writes the query by which tree-sitter highlights recipes, with the words that a vmrun has: node queries.mjs VMRUN >FILE
// A node has the names of Neovim and of Helix, where they differ.

import { words } from "./words.mjs";

const { functions, variables } = words(process.argv[2] ?? "vmrun");
const quoted = (names) => names.map((name) => `"${name}"`).join(" ");
process.stdout.write(`; Written by packaging/editors/queries.mjs from the words of vmrun; make editors does it again.

(shebang) @comment
(line_comment) @comment
(block_comment) @comment
(doc_comment) @comment @comment.documentation

(text) @string
(character) @string
(template "\`" @string)
(content) @string
(substitution "\${" @punctuation.special "}" @punctuation.special)

(number) @number @constant.numeric
(unit) @type
(boolean) @boolean @constant.builtin.boolean
(keyword) @keyword
(storage) @keyword
"fn" @keyword.function

(identifier) @variable
(field name: (identifier) @property @variable.other.member)
(namespace (identifier) @module @namespace)
(call function: (identifier) @function)
(function name: (identifier) @function)

((identifier) @variable.builtin
  (#any-of? @variable.builtin ${quoted(variables)}))

((call function: (identifier) @function.builtin)
  (#any-of? @function.builtin ${quoted(functions)}))

(operator) @operator
(separator) @punctuation.delimiter
["#{" "{" "}" "[" "]" "(" ")"] @punctuation.bracket
`);
