//! How soon an editor is told what is wrong with a recipe of 200 lines after a letter was typed, beside a check of the file by a
//! command, which is what one would run otherwise.

#![allow(clippy::print_stdout, reason = "a benchmark's figures are its output")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to say")]
#![allow(clippy::disallowed_methods, reason = "it measures from outside, as a user would")]
#![allow(missing_docs, reason = "there is nothing to call")]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// How often is measured.
const TIMES: usize = 200;

/// A recipe of 200 lines with nothing wrong in it: 21 machines.
fn recipe() -> String {
    let mut lines = vec!["import \"std/net\" as net;".to_string(), "let folder = \"/vm\";".into()];
    for number in 0..21 {
        lines.push(format!("// The machine {number}."));
        lines.push(format!("let nic{number} = net::nic(\"bridge2\", \"tap{number}\");"));
        lines.push("bhyve(#{".into());
        lines.push(format!("    name: \"web{number}\", cpus: 2, memory: 1.GiB, bootrom: uefi(),"));
        lines.push("    slots: #{".into());
        lines.push(format!(
            "        \"0\": hostbridge(), \"4\": virtio_blk(`${{folder}}/web{number}.img`), \"31\": lpc(),"
        ));
        lines.push(format!("        \"5\": virtio_net(nic{number}, #{{ mac: net::mac(\"web{number}\", 0) }}),"));
        lines.push("    },".into());
        lines.push("}).run();".into());
    }
    lines.resize(199, "// Further machines go here.".into());
    lines.push("print(folder);".into());
    lines.join("\n") + "\n"
}

struct Client {
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Client {
    fn send(&mut self, text: &str) {
        write!(self.stdin, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
        self.stdin.flush().unwrap();
    }

    fn receive(&mut self) -> String {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(self.stdout.read_line(&mut line).unwrap() > 0, "the server is gone");
            match line.trim().strip_prefix("Content-Length: ") {
                Some(number) => length = number.parse().unwrap(),
                None if line.trim().is_empty() => break,
                None => {}
            }
        }
        let mut bytes = vec![0; length];
        self.stdout.read_exact(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn told(&mut self) {
        while !self.receive().contains("publishDiagnostics") {}
    }
}

fn median(mut all: Vec<Duration>) -> (f64, f64) {
    all.sort();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    (ms(all[all.len() / 2]), ms(all[all.len() - 1]))
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lab.rhai");
    let text = recipe();
    std::fs::write(&path, &text).unwrap();
    let vmrun = env!("CARGO_BIN_EXE_vmrun");
    let mut child = Command::new(vmrun).arg("lsp").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut client =
        Client { stdin: child.stdin.take().unwrap(), stdout: BufReader::new(child.stdout.take().unwrap()) };
    client.send(r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{},"processId":null,"rootUri":null}}"#);
    client.receive();
    client.send(r#"{"jsonrpc":"2.0","method":"initialized","params":{}}"#);
    let uri = format!("file://{}", path.display());
    let item = serde_json::json!({ "uri": uri, "languageId": "rhai", "version": 1, "text": text });
    let open =
        serde_json::json!({ "jsonrpc": "2.0", "method": "textDocument/didOpen", "params": { "textDocument": item } });
    client.send(&open.to_string());
    client.told();
    let mut changes = Vec::new();
    for number in 0..TIMES {
        // A letter more in the last line, which is wrong then, and one less.
        let place = |character: u32| serde_json::json!({ "line": 199, "character": character });
        let (from, to, put) = if number % 2 == 0 { (6, 6, "x") } else { (6, 7, "") };
        let change = serde_json::json!({ "range": { "start": place(from), "end": place(to) }, "text": put });
        let params =
            serde_json::json!({ "textDocument": { "uri": uri, "version": number + 2 }, "contentChanges": [change] });
        let change =
            serde_json::json!({ "jsonrpc": "2.0", "method": "textDocument/didChange", "params": params }).to_string();
        let begin = Instant::now();
        client.send(&change);
        client.told();
        changes.push(begin.elapsed());
    }
    client.send(r#"{"jsonrpc":"2.0","id":2,"method":"shutdown"}"#);
    client.receive();
    client.send(r#"{"jsonrpc":"2.0","method":"exit"}"#);
    child.wait().unwrap();
    let mut checks = Vec::new();
    for _ in 0..20 {
        let begin = Instant::now();
        Command::new(vmrun).arg("check").arg(&path).output().unwrap();
        checks.push(begin.elapsed());
    }
    let ((change, longest), (check, _)) = (median(changes), median(checks));
    println!(
        "a letter in a recipe of 200 lines: {change:.1} ms until its faults are told, {longest:.1} ms at most (at most 20)"
    );
    println!("beside `vmrun check` of the file: {check:.1} ms, ratio {:.2}", change / check);
}
