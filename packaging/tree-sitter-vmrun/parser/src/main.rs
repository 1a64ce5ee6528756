//! `tree-sitter-vmrun-parser generate` writes the parser into `src`; `kinds FILE…` prints what it makes of recipes, `corpus` compares the trees of
//! `test/corpus`, `queries` compiles `queries/*.scm`.

use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::Path;
use std::process::Command;
use tree_sitter::{Language, Node, Parser, Query};

/// What Neovim 0.7 and later read.
const ABI: usize = 14;

fn main() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the folder of the grammar")?;
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|what| what == "generate") {
        return Ok(tree_sitter_generate::generate_parser_in_directory(folder, None, None, ABI, None, Some("node"))?);
    }
    let library = folder.join("src/parser.so");
    let done = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-std=c11", "-I"])
        .args([&folder.join("src"), Path::new("-o"), &library, &folder.join("src/parser.c")])
        .status()?;
    ensure!(done.success(), "cc failed");
    // SAFETY: the library is the parser that was just made of our own grammar, and it stays loaded to the end.
    let language = unsafe {
        let library = Box::leak(Box::new(libloading::Library::new(&library)?));
        let symbol: libloading::Symbol<unsafe extern "C" fn() -> *const ()> = library.get(b"tree_sitter_vmrun")?;
        Language::new(tree_sitter_language(*symbol))
    };
    let mut parser = Parser::new();
    parser.set_language(&language)?;
    match args.split_first() {
        Some((what, files)) if what == "kinds" => kinds(&mut parser, files),
        Some((what, _)) if what == "corpus" => corpus(&mut parser, &folder.join("test/corpus")),
        Some((what, _)) if what == "queries" => queries(&language, &folder.join("queries")),
        _ => bail!("generate, kinds FILE…, corpus or queries"),
    }
}

fn tree_sitter_language(symbol: unsafe extern "C" fn() -> *const ()) -> tree_sitter_language::LanguageFn {
    // SAFETY: it is the function that tree-sitter has generated for this.
    unsafe { tree_sitter_language::LanguageFn::from_raw(symbol) }
}

/// Prints a line of JSON for each file: for each byte that is no white space c (comment), t (text), n (number), w (word) or m (mark).
fn kinds(parser: &mut Parser, files: &[String]) -> Result<()> {
    for file in files {
        let text = fs::read_to_string(file)?;
        let tree = parser.parse(&text, None).context("no tree")?;
        let mut kinds = vec!['?'; text.len()];
        mark(tree.root_node(), None, &text, &mut kinds);
        let shown: String = text
            .char_indices()
            .flat_map(|(at, letter)| {
                let is_space = letter.is_whitespace();
                let (one, count) = if is_space { (letter, 1) } else { (kinds[at], letter.len_utf8()) };
                std::iter::repeat_n(one, count)
            })
            .collect();
        println!("{}", serde_json::to_string(&(file, shown))?);
    }
    Ok(())
}

/// Marks the bytes of a node: those of its children are theirs.
fn mark(node: Node<'_>, above: Option<char>, text: &str, kinds: &mut [char]) {
    let own = match node.kind() {
        "shebang" | "line_comment" | "doc_comment" | "block_comment" => Some('c'),
        "text" | "character" | "template" => Some('t'),
        "number" => Some('n'),
        "substitution" => Some('m'),
        _ if node.child_count() > 0 => None,
        _ if text[node.start_byte()..].starts_with(|c: char| c == '_' || c.is_alphanumeric()) => Some('w'),
        _ => Some('m'),
    };
    // What is in a comment or in a text is of it; what is put in is code again.
    let own = match (above, node.kind()) {
        (Some('c'), _) => Some('c'),
        (Some('t'), "content" | "`") => Some('t'),
        _ => own,
    };
    if let Some(kind) = own {
        kinds[node.byte_range()].fill(kind);
    }
    let mut cursor = node.walk();
    for child in node.children(&mut cursor) {
        mark(child, own, text, kinds);
    }
}

/// Compares trees with those that are written down, as tree-sitter's own tests do.
fn corpus(parser: &mut Parser, folder: &Path) -> Result<()> {
    let mut count = 0;
    for entry in fs::read_dir(folder)? {
        let text = fs::read_to_string(entry?.path())?;
        let mut parts = text.split("==================\n").skip(1);
        while let (Some(title), Some(rest)) = (parts.next(), parts.next()) {
            let (source, wanted) = rest.split_once("\n---\n").context("no --- in a test")?;
            let tree = parser.parse(source, None).context("no tree")?;
            let words = |text: &str| text.replace(')', " )").split_whitespace().collect::<Vec<_>>().join(" ");
            let (found, wanted) = (words(&tree.root_node().to_sexp()), words(wanted));
            ensure!(found == wanted, "{}\nfound  {found}\nwanted {wanted}", title.trim());
            count += 1;
        }
    }
    println!("{count} trees are as they are written down");
    Ok(())
}

/// Compiles the queries.
fn queries(language: &Language, folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        Query::new(language, &fs::read_to_string(&path)?).with_context(|| path.display().to_string())?;
    }
    Ok(())
}
