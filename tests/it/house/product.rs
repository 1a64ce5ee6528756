//! The product as code: files without comments, without what is between quotes, and without tests.

use std::collections::BTreeSet;

/// A file below src, as far as it belongs to the product.
pub struct Code {
    /// Its path below src.
    pub file: String,
    /// Its lines: their numbers and code.
    pub lines: Vec<(usize, String)>,
}

impl Code {
    /// Returns what its path says of the module: its names, from the root of the crate.
    pub fn module(&self) -> Vec<String> {
        let name = self.file.trim_end_matches(".rs");
        let is_root = ["lib", "main"].contains(&name);
        if is_root { Vec::new() } else { name.split('/').map(String::from).collect() }
    }

    /// Returns its code without the ends of its lines.
    pub fn joined(&self) -> String {
        self.lines.iter().map(|(_, line)| line.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// Returns the product of files, given by their paths below src. What tests and benchmarks reach, `internals.rs`, is no part.
pub fn product(files: &[(String, String)]) -> Vec<Code> {
    let mut tests = BTreeSet::new();
    let mut read: Vec<Code> = Vec::new();
    for (file, text) in files {
        let (lines, modules) = untested(&bare(text));
        let folder = if ["lib.rs", "main.rs"].contains(&file.as_str()) { "" } else { file.trim_end_matches(".rs") };
        tests.extend(modules.iter().map(|module| format!("{folder}/{module}").trim_start_matches('/').to_string()));
        read.push(Code { file: file.clone(), lines });
    }
    let is_test = |file: &str| {
        let below = |module: &String| file == format!("{module}.rs") || file.starts_with(&format!("{module}/"));
        file == "internals.rs" || file.ends_with("tests.rs") || file.contains("/tests/") || tests.iter().any(below)
    };
    read.retain(|code| !is_test(&code.file));
    read
}

/// Leaves out comments and what is between quotes; lines stay.
fn bare(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let starts = |what: &str| what.chars().enumerate().all(|(n, c)| chars.get(at + n) == Some(&c));
        let is_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
        let begin = at;
        if starts("//") {
            at += chars[at..].iter().take_while(|c| **c != '\n').count();
            continue;
        }
        let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
        if c == 'r' && !is_word && chars.get(at + 1 + hashes) == Some(&'"') {
            let end = format!("\"{}", "#".repeat(hashes));
            at += 2 + hashes;
            while at < chars.len() && !end.chars().enumerate().all(|(n, c)| chars.get(at + n) == Some(&c)) {
                at += 1;
            }
            at += end.len();
        } else if c == '"' {
            at += 1;
            while at < chars.len() && chars[at] != '"' {
                at += if chars[at] == '\\' { 2 } else { 1 };
            }
            at += 1;
        } else if c == '\'' && chars.get(at + 1) == Some(&'\\') {
            at += 3 + chars[at + 3..].iter().take_while(|c| **c != '\'').count() + 1;
        } else if c == '\'' && chars.get(at + 2) == Some(&'\'') {
            at += 3;
        } else {
            out.push(c);
            at += 1;
            continue;
        }
        out += "\"\"";
        out.extend(chars[begin..at.min(chars.len())].iter().filter(|c| **c == '\n'));
    }
    out
}

/// Leaves out items below `#[cfg(test)]`, which rustfmt has end at their own indentation, and returns the modules among them that
/// are files.
fn untested(text: &str) -> (Vec<(usize, String)>, Vec<String>) {
    let (mut kept, mut modules) = (Vec::new(), Vec::new());
    let (mut is_next, mut inside) = (false, None);
    for (at, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let code = line.trim();
        if let Some(depth) = inside {
            if indent == depth && code.starts_with(['}', ')', ']']) {
                inside = None;
            }
        } else if is_next {
            if code.starts_with("#[") {
                continue;
            }
            is_next = false;
            let module = code.split("mod ").nth(1).and_then(|rest| rest.strip_suffix(';'));
            modules.extend(module.map(String::from));
            if !code.ends_with([';', ',', '}']) {
                inside = Some(indent);
            }
        } else if code == "#[cfg(test)]" {
            is_next = true;
        } else if !code.is_empty() {
            kept.push((at + 1, line.to_string()));
        }
    }
    (kept, modules)
}

#[test]
fn the_product_has_no_tests_comments_or_texts() {
    let text = "//! host::a\nfn a() { b(\"x // \\\" y\"); } // c\n#[cfg(test)]\nmod corpus;\n#[cfg(test)]\nmod tests {\n    fn d() {}\n}\n\
                fn e(c: char) -> &'static str { if c == '\"' { r#\"\"f\"\"# } else { \"\\\n  g\" } }\n";
    let files = [("host.rs", text), ("host/corpus.rs", "fn h() {}"), ("host/tests.rs", ""), ("internals.rs", "")];
    let product = product(&files.map(|(file, text)| (file.into(), text.into())));
    assert_eq!(product.iter().map(|code| code.file.as_str()).collect::<Vec<_>>(), ["host.rs"]);
    let lines: Vec<_> = product[0].lines.iter().map(|(at, line)| (*at, line.trim())).collect();
    assert_eq!(
        lines,
        [
            (2, "fn a() { b(\"\"); }"),
            (9, "fn e(c: char) -> &'static str { if c == \"\" { \"\" } else { \"\""),
            (10, "} }")
        ]
    );
}
