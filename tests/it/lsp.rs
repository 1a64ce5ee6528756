//! The language server, driven by a client over its standard streams, and by Neovim.

use super::sandbox::{Sandbox, project};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// An editor, as far as the server can tell.
struct Client {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    next: i64,
    /// What was told of each text last.
    told: std::collections::BTreeMap<String, Value>,
}

impl Client {
    fn new(sandbox: &Sandbox) -> Self {
        Self::of(sandbox.command(&["lsp"]))
    }

    fn of(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut client = Self { child, stdin, stdout, next: 0, told: std::collections::BTreeMap::new() };
        let answer = client.ask("initialize", &json!({ "capabilities": {}, "processId": null, "rootUri": null }));
        assert_eq!(answer["result"]["serverInfo"]["name"], "vmrun");
        client.say("initialized", &json!({}));
        client
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        write!(self.stdin, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
        self.stdin.flush().unwrap();
    }

    fn say(&mut self, method: &str, params: &Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    fn receive(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(self.stdout.read_line(&mut line).unwrap() > 0, "the server is gone");
            match line.trim().split_once(": ") {
                Some(("Content-Length", number)) => length = number.parse().unwrap(),
                Some(_) => {}
                None => break,
            }
        }
        let mut bytes = vec![0; length];
        self.stdout.read_exact(&mut bytes).unwrap();
        let message: Value = serde_json::from_slice(&bytes).unwrap();
        if message["method"] == "textDocument/publishDiagnostics" {
            let params = &message["params"];
            self.told.insert(params["uri"].as_str().unwrap().into(), params["diagnostics"].clone());
        }
        message
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.next += 1;
        let id = self.next;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let message = self.receive();
            if message["id"] == id {
                return message;
            }
        }
    }

    /// Opens a text, and waits for what is told of it.
    fn open(&mut self, uri: &str, text: &str) -> Vec<String> {
        let item = json!({ "uri": uri, "languageId": "rhai", "version": 1, "text": text });
        self.say("textDocument/didOpen", &json!({ "textDocument": item }));
        self.told_of(uri)
    }

    /// Changes a stretch of a text, and waits for what is told of it.
    fn change(&mut self, uri: &str, from: (u32, u32), to: (u32, u32), text: &str) -> Vec<String> {
        let place = |(line, character)| json!({ "line": line, "character": character });
        let change = json!({ "range": { "start": place(from), "end": place(to) }, "text": text });
        let document = json!({ "uri": uri, "version": 2 });
        self.say("textDocument/didChange", &json!({ "textDocument": document, "contentChanges": [change] }));
        self.told_of(uri)
    }

    fn told_of(&mut self, uri: &str) -> Vec<String> {
        while self.receive()["params"]["uri"] != uri {}
        let shown = |one: &Value| {
            let start = &one["range"]["start"];
            format!("{}:{}: {}", start["line"], start["character"], one["message"].as_str().unwrap())
        };
        self.told[uri].as_array().unwrap().iter().map(shown).collect()
    }

    fn at(&mut self, method: &str, uri: &str, line: u32, character: u32) -> Value {
        let params = json!({ "textDocument": { "uri": uri }, "position": { "line": line, "character": character } });
        self.ask(method, &params)["result"].clone()
    }

    fn labels(&mut self, uri: &str, line: u32, character: u32) -> Vec<String> {
        let items = self.at("textDocument/completion", uri, line, character);
        items.as_array().unwrap().iter().map(|item| item["label"].as_str().unwrap().to_string()).collect()
    }

    fn ends(mut self) {
        let answer = self.ask("shutdown", &Value::Null);
        assert!(answer["error"].is_null(), "{answer}");
        self.say("exit", &Value::Null);
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const RECIPE: &str = "\
import \"./own\" as own;
let disk = \"/vm/ä.img\";
truncate(disk, 20.GiB);
own::two(disk);
let nic = tap(\"tap1\");
bridge(\"bridge2\").add(nic);
";

#[test]
fn a_first_line_for_the_kernel_moves_nothing() {
    let sandbox = Sandbox::new();
    let mut client = Client::new(&sandbox);
    let uri = format!("file://{}", sandbox.path("lab.rhai").display());
    assert_eq!(client.open(&uri, "#!/usr/bin/env vmrun\ntap(\"tap1\");\n"), [""; 0]);
    let told = client.change(&uri, (1, 0), (1, 3), "tpa");
    assert_eq!(told, ["1:0: there is no function `tpa`\ndid you mean `tap`?"]);
    assert_eq!(client.labels(&uri, 0, 3), [""; 0]);
    client.ends();
}

#[test]
fn a_file_of_tests_has_the_words_of_tests() {
    let sandbox = Sandbox::new();
    let mut client = Client::new(&sandbox);
    let uri = format!("file://{}", sandbox.path("lab_test.rhai").display());
    let text = "fn test_lab() {\n    host(#{});\n    let ran = recipe(\"lab.rhai\");\n    assert_clean(ran);\n}\n";
    assert_eq!(client.open(&uri, text), [""; 0]);
    let told = client.change(&uri, (3, 4), (3, 16), "asert_clean");
    assert_eq!(told, ["3:4: there is no function `asert_clean`\ndid you mean `assert_clean`?"]);
    // They are told of, and those of recipes are not: nothing of them is there.
    let hover = client.at("textDocument/hover", &uri, 2, 16);
    assert_eq!(
        hover["contents"]["value"],
        "```rhai\nrecipe(\"web.rhai\", #{ init: true })\n```\n\nRuns a recipe on the described host, and returns what came of it: `plan`, \
         `errors`, `warnings` and `printed`."
    );
    let signature = client.at("textDocument/signatureHelp", &uri, 2, 22);
    assert_eq!(signature["signatures"][0]["label"], "recipe(\"web.rhai\", #{ init: true })");
    client.change(&uri, (3, 4), (3, 20), "");
    let all = client.labels(&uri, 3, 4);
    for word in ["host", "exits", "recipe", "assert", "assert_plan", "assert_error", "assert_clean", "prove_clean"] {
        assert!(all.contains(&word.to_string()), "{word}: {all:?}");
    }
    assert!(!all.contains(&"bhyve".to_string()), "{all:?}");
    client.change(&uri, (3, 4), (3, 4), "host(#{ platform: \"linux\", ");
    let keys = client.labels(&uri, 3, 31);
    assert!(keys.contains(&"interfaces".to_string()) && !keys.contains(&"platform".to_string()), "{keys:?}");
    client.ends();
}

#[test]
fn an_editor_is_helped_while_a_recipe_is_written() {
    let sandbox = Sandbox::new();
    sandbox.write("own.rhai", "/// Makes two of it.\nfn two(of) { of + of }\n");
    let uri = format!("file://{}", sandbox.path("lab.rhai").display());
    let mut client = Client::new(&sandbox);
    assert_eq!(client.open(&uri, RECIPE), [""; 0]);
    // A word that is misspelt, and what it is told.
    let told = client.change(&uri, (2, 0), (2, 8), "trunacte");
    assert_eq!(told, ["2:0: there is no function `trunacte`\ndid you mean `truncate`?"]);
    assert_eq!(client.change(&uri, (2, 0), (2, 8), "truncate"), [""; 0]);
    // Help at places.
    let hover = client.at("textDocument/hover", &uri, 2, 3);
    assert_eq!(
        hover["contents"]["value"],
        "```rhai\ntruncate(path, 20.GiB)\n```\n\nMakes a file of that size, sparse; `#{ shrink: true }` lets it cut off data.\n- `shrink`: let it cut off data (false)"
    );
    assert_eq!(hover["range"], json!({ "start": { "line": 2, "character": 0 }, "end": { "line": 2, "character": 8 } }));
    let hover = client.at("textDocument/hover", &uri, 3, 6);
    assert_eq!(hover["contents"]["value"], "```rhai\nown::two(of)\n```\n\nMakes two of it.");
    let signature = client.at("textDocument/signatureHelp", &uri, 2, 15);
    assert_eq!(
        (&signature["signatures"][0]["label"], &signature["activeParameter"]),
        (&json!("truncate(path, 20.GiB)"), &json!(1))
    );
    let definition = client.at("textDocument/definition", &uri, 3, 11);
    assert_eq!(definition["uri"], uri);
    assert_eq!(definition["range"]["start"], json!({ "line": 1, "character": 4 }));
    let definition = client.at("textDocument/definition", &uri, 3, 6);
    assert_eq!(definition["uri"], format!("file://{}", sandbox.path("own.rhai").display()));
    assert_eq!(definition["range"]["start"], json!({ "line": 1, "character": 3 }));
    assert_eq!(client.at("textDocument/hover", &uri, 1, 12), Value::Null);
    // Completion of words, members, keys and paths in what is not finished.
    let labels = |client: &mut Client, text: &str| {
        client.change(&uri, (5, 0), (6, 0), text);
        client.labels(&uri, 5, u32::try_from(text.len()).unwrap())
    };
    assert_eq!(labels(&mut client, "own::"), ["two"]);
    assert_eq!(labels(&mut client, "import \"std/g"), ["std/guest"]);
    assert!(labels(&mut client, "bhyve(#{ memory: 1.GiB, ").contains(&"bootrom".to_string()));
    assert!(labels(&mut client, "bridge(\"bridge2\").").contains(&"add".to_string()));
    assert_eq!(labels(&mut client, "let a = n")[0], "nic");
    let path = sandbox.path("").display().to_string();
    let found = labels(&mut client, &format!("virtio_blk(\"{path}own"));
    assert_eq!(found, [format!("{path}own.rhai")]);
    // Names of the text are renamed, words are not.
    let params = |name: &str, line: u32, character: u32| json!({ "textDocument": { "uri": &uri }, "position": { "line": line, "character": character }, "newName": name });
    let renamed = client.ask("textDocument/rename", &params("image", 1, 5));
    let edits = renamed["result"]["changes"][&uri].as_array().unwrap();
    assert_eq!(edits.len(), 3, "{renamed}");
    assert!(edits.iter().all(|edit| edit["newText"] == "image"));
    let error = |answer: Value| answer["error"]["message"].as_str().unwrap().to_string();
    let answer = client.ask("textDocument/rename", &params("let", 1, 5));
    assert_eq!(error(answer), "`let` is no name of a variable or a function");
    let answer = client.ask("textDocument/rename", &params("image", 2, 3));
    assert_eq!(error(answer), "this is no name of the text's own");
    let symbols = client.ask("textDocument/documentSymbol", &json!({ "textDocument": { "uri": &uri } }));
    let names: Vec<&Value> = symbols["result"].as_array().unwrap().iter().map(|symbol| &symbol["name"]).collect();
    assert_eq!(names, ["own", "disk", "nic"]);
    let answer = client.ask("textDocument/moniker", &json!({ "textDocument": { "uri": &uri } }));
    assert_eq!(error(answer), "vmrun does not know textDocument/moniker");
    client.ends();
}

#[test]
fn everything_that_is_wrong_is_told_though_a_line_is_not_finished_and_on_saving_what_a_rehearsal_says() {
    let sandbox = Sandbox::new();
    let uri = format!("file://{}", sandbox.path("lab.rhai").display());
    let mut client = Client::new(&sandbox);
    let told =
        client.open(&uri, "let disk = \"/vm/a\";\nlet vm = bhyve(#{ na\ntruncate(disk, 1.Gib);\ntpa(\"tap1\");\n");
    let first: Vec<&str> = told.iter().map(|one| one.split('\n').next().unwrap()).collect();
    assert!(first.contains(&"2:17: a number has no property `Gib`"), "{told:?}");
    assert!(first.contains(&"3:0: there is no function `tpa`"), "{told:?}");
    // What only a rehearsal finds is told of a text that was saved.
    let text = "let slot = param(\"slot\", 99);\nlet vm = bhyve(#{ name: \"a\", memory: 64.MiB, bootrom: uefi() });\nvm.slot(slot, virtio_rnd());\nvm.run();\n";
    let document = json!({ "uri": &uri, "version": 3 });
    client.say("textDocument/didChange", &json!({ "textDocument": &document, "contentChanges": [{ "text": text }] }));
    assert_eq!(client.told_of(&uri), [""; 0]);
    client.say("textDocument/didSave", &json!({ "textDocument": { "uri": &uri } }));
    assert_eq!(
        client.told_of(&uri),
        [
            "2:8: `99` is not a PCI slot\nslots are SLOT, SLOT:FUNCTION or BUS:SLOT:FUNCTION with bus 0 to 255, slot 0 to 31, \
             function 0 to 7"
        ]
    );
    client.ends();
}

/// A range as `line:character-line:character`.
fn range(of: &Value) -> String {
    let place = |end: &str| format!("{}:{}", of[end]["line"], of[end]["character"]);
    format!("{}-{}", place("start"), place("end"))
}

#[test]
fn all_places_of_a_name_are_found_and_marked() {
    let sandbox = Sandbox::new();
    let uri = format!("file://{}", sandbox.path("lab.rhai").display());
    let mut client = Client::new(&sandbox);
    client.open(&uri, "/* 😀 */ let nic = tap(\"tap1\");\nbridge(\"b\").add(nic, `${nic}`);\n");
    let mut places = |method: &str, with_declaration: bool| -> Vec<String> {
        let params = json!({
            "textDocument": { "uri": &uri }, "position": { "line": 1, "character": 17 },
            "context": { "includeDeclaration": with_declaration },
        });
        let found = client.ask(method, &params)["result"].clone();
        found.as_array().unwrap().iter().map(|one| range(&one["range"])).collect()
    };
    assert_eq!(places("textDocument/references", true), ["0:13-0:16", "1:16-1:19", "1:24-1:27"]);
    assert_eq!(places("textDocument/references", false), ["1:16-1:19", "1:24-1:27"]);
    assert_eq!(places("textDocument/documentHighlight", false), ["0:13-0:16", "1:16-1:19", "1:24-1:27"]);
    assert_eq!(client.at("textDocument/references", &uri, 1, 2), Value::Null);
    client.ends();
}

#[test]
fn what_a_token_means_and_what_folds_is_told_by_lines_and_units_of_utf_16() {
    let sandbox = Sandbox::new();
    let uri = format!("file://{}", sandbox.path("lab.rhai").display());
    let mut client = Client::new(&sandbox);
    let text = "/* 😀\r\ntwo */ let a = 20.GiB;\nif init {\n    tap(`ä\n${a}`, #{ mtu: 9000 });\n}\n";
    client.open(&uri, text);
    let document = json!({ "textDocument": { "uri": &uri } });
    let legend = ["comment", "string", "number", "keyword", "function", "method", "property", "variable"];
    let answer = client.ask("textDocument/semanticTokens/full", &document);
    let data: Vec<u64> = answer["result"]["data"].as_array().unwrap().iter().map(|it| it.as_u64().unwrap()).collect();
    let (mut line, mut unit, mut shown) = (0, 0, Vec::new());
    for one in data.chunks(5) {
        unit = if one[0] == 0 { unit + one[1] } else { one[1] };
        line += one[0];
        shown.push(format!("{line}:{unit}+{} {} {}", one[2], legend[usize::try_from(one[3]).unwrap()], one[4]));
    }
    assert_eq!(
        shown,
        [
            "0:0+5 comment 0",
            "1:0+6 comment 0",
            "1:7+3 keyword 0",
            "1:11+1 variable 1",
            "1:15+2 number 0",
            "1:18+3 number 2",
            "2:0+2 keyword 0",
            "2:3+4 variable 2",
            "3:4+3 function 2",
            "3:8+2 string 0",
            "4:2+1 variable 0",
            "4:4+1 string 0",
            "4:10+3 property 0",
            "4:15+4 number 0",
        ]
    );
    let answer = client.ask("textDocument/foldingRange", &document);
    assert_eq!(
        answer["result"],
        json!([{ "startLine": 0, "endLine": 1, "kind": "comment" }, { "startLine": 2, "endLine": 4 }])
    );
    client.ends();
}

/// What is offered for the faults of a text, and what the text is then.
fn mended(client: &mut Client, uri: &str, text: &str) -> Vec<(String, String)> {
    client.open(uri, text);
    let faults = client.told[uri].clone();
    let whole = json!({ "start": { "line": 0, "character": 0 }, "end": { "line": 9, "character": 0 } });
    let params = json!({ "textDocument": { "uri": uri }, "range": whole, "context": { "diagnostics": faults } });
    let actions = client.ask("textDocument/codeAction", &params)["result"].clone();
    let done = |action: &Value| {
        let edit = &action["edit"]["changes"][uri][0];
        let byte = |end: &str| {
            let place = |key: &str| usize::try_from(edit["range"][end][key].as_u64().unwrap()).unwrap();
            text.split_inclusive('\n').take(place("line")).map(str::len).sum::<usize>() + place("character")
        };
        let mut text = text.to_string();
        text.replace_range(byte("start")..byte("end"), edit["newText"].as_str().unwrap());
        assert_eq!(action["kind"], "quickfix");
        assert!(faults.as_array().unwrap().contains(&action["diagnostics"][0]), "{action}");
        (action["title"].as_str().unwrap().to_string(), text)
    };
    actions.as_array().unwrap().iter().map(done).collect()
}

#[test]
fn what_a_fault_asks_for_is_done_by_the_editor() {
    let sandbox = Sandbox::new();
    let uri = format!("file://{}", sandbox.path("lab.rhai").display());
    let mut client = Client::new(&sandbox);
    let machine = "bhyve(#{ name: \"a\", memory: 64.MiB, bootrom: uefi(), slots: #{ \"31\": lpc() } })";
    for (text, title, after) in [
        ("tpa(\"tap1\");\n".into(), "Write `tap`", "tap(\"tap1\");\n".into()),
        ("tap(\"tap1\", #{ mtuu: 1400 });\n".into(), "Write `mtu`", "tap(\"tap1\", #{ mtu: 1400 });\n".into()),
        ("truncate(\"a\", 1.Gib);\n".into(), "Write `GiB`", "truncate(\"a\", 1.GiB);\n".into()),
        ("let disk = 1;\nprint(dsk);\n".into(), "Write `disk`", "let disk = 1;\nprint(disk);\n".into()),
        (
            "// Own.\nprint(net::mac(\"a\", 0));\n".into(),
            "Import \"std/net\"",
            "// Own.\nimport \"std/net\" as net;\nprint(net::mac(\"a\", 0));\n".into(),
        ),
        (format!("{machine};\n"), "Boot the machine: .run()", format!("{machine}.run();\n")),
    ] {
        let (text, after): (String, String) = (text, after);
        assert_eq!(mended(&mut client, &uri, &text), [(title.to_string(), after.clone())], "{text}");
        // And nothing is wrong with it any more.
        assert_eq!(client.open(&uri, &after), [""; 0], "{title}");
    }
    assert_eq!(mended(&mut client, &uri, "zebra();\n"), []);
    client.ends();
}

#[test]
fn a_key_of_a_function_of_the_standard_library_says_what_it_is_for() {
    let sandbox = Sandbox::new();
    let uri = format!("file://{}", sandbox.path("lab.rhai").display());
    let mut client = Client::new(&sandbox);
    client.open(&uri, "import \"std/guest\" as guest;\nguest::cloud(#{ pin: #{}, vnc: 5901, m });\n");
    let hover = client.at("textDocument/hover", &uri, 1, 17);
    let says = "```rhai\npin\n```\n\nwhich image is meant, as `vmrun images pin` prints it: #{ sha512: \"…\" }";
    assert_eq!(hover["contents"]["value"], says);
    let hover = client.at("textDocument/hover", &uri, 1, 27);
    let says = "port of the screen at 127.0.0.1, or \"address:port\"; with it comes a tablet as pointer";
    assert_eq!(hover["contents"]["value"], format!("```rhai\nvnc\n```\n\n{says}"));
    let items = client.at("textDocument/completion", &uri, 1, 38);
    let memory = items.as_array().unwrap().iter().find(|item| item["label"] == "memory").unwrap();
    assert_eq!(memory["documentation"]["value"], "2.GiB, \"2G\"");
    client.ends();
}

#[test]
fn a_module_of_the_standard_library_can_be_looked_at() {
    let sandbox = Sandbox::new();
    let uri = format!("file://{}", sandbox.path("lab.rhai").display());
    let mut client = Client::new(&sandbox);
    client.open(&uri, "import \"std/net\" as net;\nlet nic = net::nic(\"bridge2\", \"tap1\");\n");
    let definition = client.at("textDocument/definition", &uri, 1, 16);
    let file = definition["uri"].as_str().unwrap().strip_prefix("file://").unwrap();
    assert!(file.ends_with("/vmrun/std/net.rhai"), "{file}");
    assert_eq!(fs::read_to_string(file).unwrap(), fs::read_to_string(project("stdlib/net.rhai")).unwrap());
    let line = usize::try_from(definition["range"]["start"]["line"].as_u64().unwrap()).unwrap();
    assert_eq!(fs::read_to_string(file).unwrap().lines().nth(line), Some("fn nic(on, name) {"));
    client.ends();
}

/// Its client is run by `make editors`.
#[test]
fn the_extension_for_vs_code_starts_this_server() {
    let read = |name: &str| fs::read_to_string(project(&format!("packaging/vscode/{name}"))).unwrap();
    let package: Value = serde_json::from_str(&read("package.json")).unwrap();
    assert_eq!(package["contributes"]["languages"][0]["extensions"], json!([".rhai"]));
    let _: Value =
        serde_json::from_str(&read(package["contributes"]["languages"][0]["configuration"].as_str().unwrap())).unwrap();
    assert!(read("extension.js").contains(r#"{ command: "vmrun", args: ["lsp"] }"#));
}

#[test]
fn a_length_that_no_message_has_ends_the_server_with_a_word() {
    let sandbox = Sandbox::new();
    for (length, why) in [
        ("18446744073709551615", "a message of 18446744073709551615 bytes is too long; 67108864 are the most"),
        ("99999999999999999999", "\"99999999999999999999\" is no length of a message"),
    ] {
        sandbox.write("sent", &format!("Content-Length: {length}\r\n\r\n{{}}"));
        let done = sandbox.finish(&mut sandbox.shell("vmrun lsp <sent"));
        assert_eq!((done.code, done.stdout.as_str()), (3, ""));
        super::sandbox::same(&done.stderr, &format!("error: the editor's connection broke: {why}"));
    }
}

#[test]
fn a_hostile_recipe_is_told_of_and_the_server_lives() {
    let sandbox = Sandbox::new();
    let mut client = Client::of(sandbox.shell("ulimit -v 524288; exec vmrun lsp"));
    for attack in super::hostile::attacks() {
        let uri = format!("file://{}", sandbox.path(&format!("{}.rhai", attack.name)).display());
        let told = client.open(&uri, &attack.text);
        assert!(told.iter().any(|one| one.contains(&attack.message)), "{}: {told:?}", attack.name);
    }
    client.ends();
}
