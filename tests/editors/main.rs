//! The grammars for editors: what they highlight agrees with vmrun's lexer, and they have the words that there are. The extension for VS Code:
//! its client is run, and what it shows is what the language server says. It takes Node.js, and what `make editors` installs.
#![allow(clippy::unwrap_used, missing_docs, clippy::disallowed_methods, reason = "tests may stop with a panic")]

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use vmrun::internals::script::lexer::kinds;

fn project(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Every recipe and library of the project, whatever it is for.
fn recipes() -> Vec<PathBuf> {
    fn below(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, found);
            } else if path.extension().is_some_and(|kind| kind == "rhai") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    ["recipes", "stdlib", "tests"].iter().for_each(|folder| below(&project(folder), &mut found));
    found.sort();
    found
}

/// Runs a script of `packaging/editors`.
fn node(script: &str, args: &[&str]) -> String {
    let script = project("packaging/editors").join(script);
    let done = Command::new("node").arg(script).args(args).output().expect("Node.js is installed");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// Runs the parser that tree-sitter has of the grammar; `make editors` has built it.
fn parser(args: &[&str]) -> String {
    let program = project("packaging/tree-sitter-vmrun/parser/target/debug/tree-sitter-vmrun-parser");
    let done = Command::new(program).args(args).output().expect("`make editors` builds it");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// Compares, for each file, what a grammar makes of it with what the lexer does.
fn agree(files: &[PathBuf], asked: impl Fn(&[&str]) -> String) {
    let paths: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let answer = asked(&paths);
    assert_eq!(answer.lines().count(), files.len());
    for (file, line) in files.iter().zip(answer.lines()) {
        let (_, shown): (String, String) = serde_json::from_str(line).unwrap();
        let text = fs::read_to_string(file).unwrap();
        let expected = kinds(&text);
        for (at, ((shown, expected), text)) in shown.lines().zip(expected.lines()).zip(text.lines()).enumerate() {
            assert_eq!(shown, expected, "{}:{}\n  {text}", file.display(), at + 1);
        }
        assert_eq!(shown.lines().count(), expected.lines().count(), "{}", file.display());
    }
}

/// What is read in another way by whoever does not know all of Rhai: texts with signs of other things in them, numbers beside dots.
fn part() -> impl Strategy<Value = String> {
    const PARTS: [&str; 48] = [
        "\"a\\\"b\"",
        "\"c\"\"d\"",
        "\"\"",
        "\"e\\\n f\"",
        "\"// no /* no ${x} `\"",
        "\"\\\\\"",
        "'x'",
        "'\\''",
        "'\"'",
        "'`'",
        "'\\\\'",
        "#\"g \" \\ \n\"#",
        "##\"\"#h\"##",
        "#\"\"#",
        "###\"`${\"##\"###",
        "``",
        "`a``b`",
        "`$ { } \" '`",
        "`\n// no\n`",
        "20.GiB",
        "0x10.KiB",
        "0x1f",
        "0b11",
        "1_000",
        "1.5",
        "1.5e10",
        "1..=16",
        "2..3",
        "x1",
        "_y",
        "a.b",
        "x?.y",
        "f(x)",
        "std::f",
        "größe",
        "|a| a",
        "a != b",
        "// c \" `\n",
        "/// doc `\n",
        "//// none\n",
        "/* a \" /* b ` */ // */",
        "/**/",
        "/* // x */",
        "/* /* /* a */ */ // b\n */",
        "/*\n  // a\n  let b;\n*/",
        "/*/ x */",
        "/*** x ***/",
        "a / b * c",
    ];
    let one = proptest::sample::select(&PARTS[..]).prop_map(String::from);
    one.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|part| format!("`x ${{{part} }} y``z`")),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("`${{{one}\n}}${{{other}\n}}\"`")),
            inner.clone().prop_map(|part| format!("#{{ k: {part}\n, \"l\": 1 }}")),
            inner.clone().prop_map(|part| format!("if a {{ {part}\n }} else {{ [b] }}")),
            proptest::collection::vec(inner, 1..4).prop_map(|parts| parts.join(" ")),
        ]
    })
}

/// Texts of such parts, the same ones each time.
fn odd(folder: &Path) -> Vec<PathBuf> {
    let mut runner = TestRunner::deterministic();
    let text = proptest::collection::vec(part(), 1..8).prop_map(|parts| parts.join("\n"));
    let write = |at: usize| {
        let path = folder.join(format!("odd{at}.rhai"));
        fs::write(&path, text.new_tree(&mut runner).unwrap().current()).unwrap();
        path
    };
    (0..400).map(write).collect()
}

/// Every recipe of the project, a hard one, and those that nobody writes.
fn all(folder: &Path) -> Vec<PathBuf> {
    let hard = folder.join("hard.rhai");
    fs::write(&hard, HARD).unwrap();
    let mut files = recipes();
    assert!(files.len() > 300, "{}", files.len());
    files.insert(0, hard);
    files.extend(odd(folder));
    files
}

/// What is hard to read: texts in texts, comments in comments, and what looks like one of them and is not.
const HARD: &str = r####"let a = `one ${if x { "}" } else { `two ${#{ k: 1 }.k} "` }} three // no comment`;
/* one /* two */ still one */ let b = 20.GiB + 1_000 + 0xff + 1.5 + x1;
let c = "a \" quote, a "" quote and \\"; let d = 'x'; // "no text"
let e = `tick `` and $ { and
another line`; /// documentation
let f = #{ "a": [1..=16, 2..3], b: |x| x }; f::g("http://example.org/*"); /* "no text" */
let größe = "über"; let g = a /b/ 2; //// no documentation
let h = `a ${`b ${`c ${1} }`} }`} }`; let i = 0x10.KiB + 0b1; /* a /* b /* c */ */ " */ let j = 'k';
let k = `a \${net0/ip} \\${b} ${c}`;
let l = #"raw \ "text" /* `${
"#; let m = ##"with "# in it"##; let n = #{ o: '"', p: '\'' };
"####;

#[test]
fn the_grammar_of_textmate_agrees_with_the_lexer_on_every_recipe() {
    let folder = tempfile::tempdir().unwrap();
    let grammar = project("packaging/vscode/syntaxes/rhai.tmLanguage.json");
    agree(&all(folder.path()), |files| node("highlight.mjs", &[&[grammar.to_str().unwrap()], files].concat()));
}

#[test]
fn the_grammar_of_tree_sitter_agrees_with_the_lexer_on_every_recipe() {
    let folder = tempfile::tempdir().unwrap();
    agree(&all(folder.path()), |files| parser(&[&["kinds"], files].concat()));
}

#[test]
fn the_trees_of_tree_sitter_are_those_of_its_corpus_and_its_queries_are_queries() {
    assert!(parser(&["corpus"]).contains("trees are as they are written down"));
    parser(&["queries"]);
}

#[test]
fn both_grammars_have_the_words_of_today() {
    let written = node("textmate.mjs", &[env!("CARGO_BIN_EXE_vmrun")]);
    let there = fs::read_to_string(project("packaging/vscode/syntaxes/rhai.tmLanguage.json")).unwrap();
    assert!(written == there, "`make editors` writes it again: look at what changed");
    let written = node("queries.mjs", &[env!("CARGO_BIN_EXE_vmrun")]);
    let there = fs::read_to_string(project("packaging/tree-sitter-vmrun/queries/highlights.scm")).unwrap();
    assert!(written == there, "`make editors` writes it again: look at what changed");
}

/// Makes the extension for VS Code as it is sent: one file, and the licences of what is in it.
fn bundle(folder: &Path) -> String {
    let done = Command::new("node")
        .arg(project("packaging/vscode/bundle.mjs"))
        .arg(folder)
        .output()
        .expect("Node.js is installed");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(String::from_utf8_lossy(&done.stderr), "");
    fs::read_to_string(folder.join("licences.txt")).unwrap()
}

#[test]
fn the_extension_for_vs_code_is_one_file_with_the_licences_of_what_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let licences = bundle(folder.path());
    let manifest: Value =
        serde_json::from_str(&fs::read_to_string(project("packaging/vscode/package.json")).unwrap()).unwrap();
    assert_eq!(
        (&manifest["version"], &manifest["main"]),
        (&json!(env!("CARGO_PKG_VERSION")), &json!("./dist/extension.js"))
    );
    let client = manifest["devDependencies"]["vscode-languageclient"].as_str().unwrap();
    for name in [
        format!("vmrun {}", env!("CARGO_PKG_VERSION")),
        format!("vscode-languageclient {client}"),
        "vscode-jsonrpc 8.2.0".into(),
    ] {
        assert_eq!(licences.lines().filter(|line| **line == name).count(), 1, "{name}\n{licences}");
    }
    // It asks for nothing that neither Node.js nor VS Code has.
    let code = fs::read_to_string(folder.path().join("extension.js")).unwrap();
    let mut asked: Vec<&str> = code.split("require(\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked, ["child_process", "crypto", "fs", "net", "os", "path", "util", "vscode"]);
}

#[test]
fn the_extension_for_vs_code_shows_what_the_language_server_says() {
    let folder = tempfile::tempdir().unwrap();
    bundle(folder.path());
    let recipe = folder.path().join("lab.rhai");
    fs::write(&recipe, "let nic = tap(\"tap1\");\nbridg(\"bridge2\").add(nic);\n").unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_vmrun")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("node");
    command.arg(project("tests/editors/extension.cjs")).arg(folder.path().join("extension.js")).arg(&recipe);
    let done = command.env("PATH", path).env("HOME", folder.path()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let mut shown: Value = serde_json::from_slice(&done.stdout).unwrap();
    let completed = shown["completed"].take();
    let has = |label: &str| completed.as_array().unwrap().contains(&json!(label));
    assert!(has("nic") && has("bridge") && has("bhyve") && !has("bridg"), "{completed}");
    let range = json!({ "start": { "line": 1, "character": 0 }, "end": { "line": 1, "character": 5 } });
    let message = "there is no function `bridg`\ndid you mean `bridge`?";
    let expected = json!({
        "faults": [{ "message": message, "severity": "Error", "source": "vmrun", "range": range }],
        "completed": null,
        "hover": "```rhai\nlet nic\n```",
        "actions": [{ "title": "Write `bridge`", "kind": "quickfix" }],
        "changed": "let nic = tap(\"tap1\");\nbridge(\"bridge2\").add(nic);\n",
        "left": [],
        "messages": [],
    });
    assert_eq!(shown, expected);
}
