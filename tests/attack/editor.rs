//! An editor that asks everything at every place of every text, finished or not.

use super::is_made;
use lsp_server::{Connection, Message, Notification, Request};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use vmrun::internals::ops::lsp::serve_by;
use vmrun::internals::script::editor::ask_all;

/// What is asked at a place.
const METHODS: [&str; 8] = [
    "completion",
    "signatureHelp",
    "hover",
    "definition",
    "prepareRename",
    "rename",
    "references",
    "documentHighlight",
];

/// Texts that no recipe has: what is put in, characters of two, three and four bytes, what has no end.
const ODD: [&str; 12] = [
    "print(`${n}`);",
    "print(`${n}ä${m}😀`); tap(`ta${n}",
    "let ä = \"ö\"; ä.ß(#{ \"é\": ä, ü: 1 }); // ä\n/* 😀",
    "import \"./ä😀\" as ä; ä::ö(\"ä",
    "import `std/${n}` as x; x::",
    "bhyve(#{ name: `${`${`a${1}`}`}`, slots: #{ \"3\": virtio_blk(`${n}`, #{",
    "on(`${n}`, || { print(`}${`",
    "\u{feff}tap(\"\u{202e}\u{0}\u{9b}\r\n\", '\u{1f600}",
    "}}}))]]#{${`${${`}}`",
    "fn ä(ß) { ß + ä(`${ß}`) }\r\nä(\"😀\")\r\n",
    "\"\\",
    "",
];

/// Every recipe, library and faulty text of the project.
fn texts() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|kind| kind == "rhai") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["recipes", "stdlib", "tests", "docs"] {
        walk(&root.join(folder), &mut found);
    }
    found.sort();
    assert!(found.len() > 100, "where are they? {found:?}");
    let text = |path: &PathBuf| Some((path.display().to_string(), String::from_utf8(fs::read(path).unwrap()).ok()?));
    let odd = ODD.iter().enumerate().map(|(at, text)| (format!("/odd/{at}.rhai"), (*text).to_string()));
    found.iter().filter_map(text).chain(odd).collect()
}

/// The bytes of a text that are asked about; of all texts, this one begins at that byte. Odd texts are asked about everywhere.
fn places(text: &str, begin: u64) -> impl Iterator<Item = usize> {
    let is_odd = ODD.contains(&text);
    (0..=text.len()).filter(move |at| is_odd || is_made(begin + *at as u64))
}

#[test]
fn at_every_byte_of_every_text_finished_or_not_all_can_be_asked() {
    let mut begin = 0;
    for (name, text) in texts() {
        for at in places(&text, begin) {
            let asked = std::panic::catch_unwind(|| {
                ask_all(&name, &text, at);
                let cut = text.floor_char_boundary(at);
                ask_all(&name, &text[..cut], cut);
            });
            assert!(asked.is_ok(), "at byte {at} of {name}:\n{text}");
        }
        begin += text.len() as u64;
    }
}

/// What is asked of a place, whatever the method is.
fn place(document: &Value, position: &Value) -> Value {
    let context = json!({ "includeDeclaration": true, "triggerKind": 1, "isRetrigger": false });
    json!({ "textDocument": document, "position": position, "newName": "other", "context": context })
}

/// An editor with its server.
struct Editor {
    connection: Connection,
    server: JoinHandle<()>,
    next: i32,
}

impl Editor {
    fn new() -> Self {
        let (server, connection) = Connection::memory();
        let server = std::thread::spawn(move || drop(serve_by(server)));
        let mut editor = Self { connection, server, next: 0 };
        editor.ask("initialize", json!({ "capabilities": {} })).unwrap();
        editor.say("initialized", json!({}));
        editor
    }

    fn say(&self, method: &str, params: Value) {
        let _ = self.connection.sender.send(Notification::new(method.into(), params).into());
    }

    /// Asks something; nothing is answered by a server that is gone, or that says that it is at fault.
    fn ask(&mut self, method: &str, params: Value) -> Option<()> {
        const INTERNAL: i32 = -32603;
        self.next += 1;
        let request = Request::new(self.next.into(), method.into(), params);
        self.connection.sender.send(request.into()).ok()?;
        loop {
            match self.connection.receiver.recv().ok()? {
                Message::Response(response) if response.id == self.next.into() => {
                    return response.response_result.err().is_none_or(|fault| fault.code != INTERNAL).then_some(());
                }
                _ => {}
            }
        }
    }
}

#[test]
fn at_every_place_of_every_text_a_server_answers_and_lives() {
    let mut editor = Editor::new();
    let mut begin = 0;
    for (name, text) in texts() {
        let uri = format!("file://{name}");
        let document = json!({ "uri": uri });
        editor.say(
            "textDocument/didOpen",
            json!({ "textDocument": { "uri": uri, "languageId": "rhai", "version": 1, "text": text } }),
        );
        let mut line = 0;
        let mut unit = 0;
        let mut wanted = places(&text, begin).peekable();
        for (at, c) in text.char_indices().chain([(text.len(), '\n')]) {
            // Each unit of UTF-16 is a place, the second one of a character too, and so is what is behind the end of a line.
            let is_wanted = wanted.next_if(|place| *place < at + c.len_utf8()).is_some();
            while wanted.next_if(|place| *place < at + c.len_utf8()).is_some() {}
            for extra in 0..if is_wanted { c.len_utf16() + usize::from(c == '\n') } else { 0 } {
                let position = json!({ "line": line, "character": unit + extra });
                for method in METHODS {
                    let answer = editor.ask(&format!("textDocument/{method}"), place(&document, &position));
                    assert!(answer.is_some(), "{method} at {position} of {name}:\n{text}");
                }
            }
            unit += c.len_utf16();
            if c == '\n' {
                (line, unit) = (line + 1, 0);
            }
        }
        for position in
            [json!({ "line": line + 9, "character": 9 }), json!({ "line": u32::MAX, "character": u32::MAX })]
        {
            for method in METHODS {
                let params = place(&document, &position);
                assert!(editor.ask(&format!("textDocument/{method}"), params).is_some(), "{method} behind {name}");
            }
        }
        let params = json!({ "textDocument": document });
        for method in ["documentSymbol", "foldingRange", "semanticTokens/full"] {
            assert!(editor.ask(&format!("textDocument/{method}"), params.clone()).is_some(), "{method} of {name}");
        }
        let whole =
            json!({ "start": { "line": 0, "character": 0 }, "end": { "line": u32::MAX, "character": u32::MAX } });
        let asked = json!({ "textDocument": document, "range": whole, "context": { "diagnostics": [] } });
        assert!(editor.ask("textDocument/codeAction", asked).is_some(), "actions of {name}");
        editor.say("textDocument/didClose", params);
        begin += text.len() as u64;
    }
    drop(editor.connection);
    editor.server.join().unwrap();
}

#[test]
fn any_change_of_any_stretch_of_a_text_is_taken() {
    let mut editor = Editor::new();
    let document = json!({ "uri": "file:///odd/changed.rhai" });
    let places = [(0, 0), (0, 3), (0, 11), (0, 12), (0, 99), (1, 0), (7, 7), (u32::MAX, u32::MAX)];
    for text in ODD {
        let item = json!({ "uri": document["uri"], "languageId": "rhai", "version": 1, "text": text });
        editor.say("textDocument/didOpen", json!({ "textDocument": item }));
        for (from, to) in places.iter().flat_map(|from| places.iter().map(move |to| (from, to))) {
            let place = |(line, character): &(u32, u32)| json!({ "line": line, "character": character });
            let change = json!({ "range": { "start": place(from), "end": place(to) }, "text": "`${ä}" });
            editor.say("textDocument/didChange", json!({ "textDocument": document, "contentChanges": [change] }));
        }
        let params = json!({ "textDocument": document });
        assert!(editor.ask("textDocument/documentSymbol", params).is_some(), "{text}");
    }
}
