//! Documentation as Markdown.

use crate::script::docs::Module;
use crate::script::words::{self, WordKind};

/// Returns the reference of all words.
pub(super) fn words() -> String {
    let mut text = vec![String::from("# The words of recipes\n")];
    for (kind, headline) in WordKind::ALL {
        text.push(format!("\n## {headline}\n"));
        for row in words::all().filter(|row| row.kind() == kind) {
            text.push(format!("\n### `{}`\n\n{}\n", row.usage(), row.help()));
            let options = row.options();
            if !options.is_empty() {
                text.push("\n| key | meaning |\n|---|---|\n".into());
            }
            for (name, help) in options {
                text.push(format!("| `{name}` | {} |\n", help.replace('|', "\\|")));
            }
        }
    }
    text.push("\n## Variables\n\n| name | meaning |\n|---|---|\n".into());
    for (name, help) in words::variables() {
        text.push(format!("| `{name}` | {help} |\n"));
    }
    text.push("\n## Sizes\n\n`20.GiB`, with KiB, MiB, GiB or TiB; or a text: `\"20G\"`.\n".into());
    text.concat()
}

/// Returns the documentation of a library.
pub(super) fn library(modules: &[Module]) -> String {
    let mut text: Vec<String> = Vec::new();
    for module in modules {
        let gap = if text.is_empty() { "" } else { "\n" };
        text.push(format!("{gap}# {}\n", module.name));
        if !module.about.is_empty() {
            text.push(format!("\n{}\n", fenced(&module.about)));
        }
        let alias = module.name.rsplit('/').next().unwrap_or_default().replace('-', "_");
        for function in &module.functions {
            text.push(format!("\n## `{alias}::{}`\n", function.usage()));
            if !function.about.is_empty() {
                text.push(format!("\n{}\n", fenced(&function.about)));
            }
        }
    }
    text.concat()
}

/// A list that is indented in a comment would flow together in Markdown: it is put between fences.
fn fenced(about: &str) -> String {
    let (mut lines, mut in_fence, mut in_list) = (Vec::new(), false, false);
    for line in about.lines() {
        in_fence ^= line.starts_with("```");
        let is_listed = !in_fence && line.starts_with("    ");
        if is_listed != in_list {
            lines.push("```".to_string());
            in_list = is_listed;
        }
        lines.push(line.strip_prefix("    ").filter(|_| is_listed).unwrap_or(line).to_string());
    }
    if in_list {
        lines.push("```".into());
    }
    lines.join("\n")
}
