// Colours for recipes: mdBook's highlight.js does not know Rhai. Its words are those of the language; vmrun's are called like functions.
hljs.registerLanguage("rhai", (hljs) => {
    const words = "let const fn if else switch for in while loop do until break continue return throw try catch import export as private this true false";
    const filled = { className: "subst", begin: /\$\{/, end: /\}/, keywords: words, contains: [hljs.QUOTE_STRING_MODE, hljs.C_NUMBER_MODE] };
    return {
        keywords: words,
        contains: [
            hljs.C_LINE_COMMENT_MODE,
            hljs.C_BLOCK_COMMENT_MODE,
            hljs.QUOTE_STRING_MODE,
            { className: "string", begin: "`", end: "`", contains: [{ begin: /\\\$\{/ }, filled] },
            { className: "number", begin: /\b\d[\d_]*(\.\d+)?(?:\.(?:KiB|MiB|GiB|TiB))?\b/ },
            { className: "title", begin: /\b[a-z_]\w*(?=\()/, keywords: words },
        ],
    };
});
for (const block of document.querySelectorAll("code.language-rhai")) {
    // What was marked before goes.
    block.textContent = block.textContent;
    hljs.highlightBlock(block);
}
// What is to stay on one line, as book.css has it.
for (const code of document.querySelectorAll(":not(pre) > code")) {
    if (/^\S{1,24}$/.test(code.textContent)) {
        code.classList.add("word");
    }
}
