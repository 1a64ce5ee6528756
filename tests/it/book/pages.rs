//! The pages of the book and the other documents, with their blocks, sentences and links.

use crate::sandbox::project;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Where the pages of the book are, below the project.
pub(super) const PAGES: &str = "docs/book/src";

/// A document: where it is, below the project, and what is in it.
#[derive(Clone)]
pub(super) struct Page {
    pub(super) path: String,
    pub(super) text: String,
}

/// A block between fences: what its first line says it is, and its lines.
pub(super) struct Block {
    pub(super) kind: String,
    pub(super) text: String,
}

/// The texts that end in `.md` below a folder, or directly in it, but for those that `make book` generates.
fn below(folder: &str, is_deep: bool) -> Vec<Page> {
    let mut found = Vec::new();
    for entry in fs::read_dir(project(folder)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        if Path::new(&project(&path)).is_dir() {
            if is_deep && path != format!("{PAGES}/reference") {
                found.extend(below(&path, true));
            }
        } else if Path::new(&path).extension().is_some_and(|kind| kind == "md") {
            found.push(Page { text: fs::read_to_string(project(&path)).unwrap(), path });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The pages of the book as they are written.
pub(super) fn pages() -> Vec<Page> {
    below(PAGES, true)
}

/// The pages of the book with what they include.
pub(super) fn whole() -> Vec<Page> {
    pages().into_iter().map(|page| Page { text: included(&page), path: page.path }).collect()
}

/// Every document that people read: of the project, of its `docs`, and the pages of the book as they are written.
pub(super) fn documents() -> Vec<Page> {
    [below("", false), below("docs", false), pages()].concat()
}

/// A page's text with what it includes, as mdBook's links preprocessor has it: a whole file, or lines of it as `FILE:FROM:TO`.
pub(super) fn included(page: &Page) -> String {
    let mut parts = page.text.split("{{#include ");
    let mut text = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let (what, rest) = part.split_once("}}").unwrap();
        let mut what = what.split(':');
        let path = resolved(&page.path, what.next().unwrap_or_default());
        let file = fs::read_to_string(project(&path)).unwrap_or_else(|why| panic!("{}: {path}: {why}", page.path));
        let mut number = || what.next().and_then(|text| text.parse::<usize>().ok());
        let (from, to) = (number().unwrap_or(1), number().unwrap_or(usize::MAX));
        let lines: Vec<&str> = file.lines().take(to).skip(from - 1).collect();
        text += &format!("{}{rest}", lines.join("\n"));
    }
    text
}

/// A path that a page names, from the project's root on.
pub(super) fn resolved(page: &str, target: &str) -> String {
    let mut path = PathBuf::new();
    let joined = Path::new(page).parent().unwrap().join(target);
    for part in joined.components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{page}: {target} leads out of the project"),
            Component::CurDir => {}
            part => path.push(part),
        }
    }
    path.to_str().unwrap().to_string()
}

/// The blocks of a text.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut is_open = false;
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(kind) if !is_open => {
                found.push(Block { kind: kind.to_string(), text: String::new() });
                is_open = true;
            }
            Some(_) => is_open = false,
            None if is_open => found.last_mut().unwrap().text += &format!("{line}\n"),
            None => {}
        }
    }
    assert!(!is_open, "a block has no end: {text}");
    found
}

/// The lines of a text that are in no block.
pub(super) fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_open = false;
    text.lines().filter(move |line| {
        let is_fence = line.starts_with("```");
        is_open ^= is_fence;
        !is_open && !is_fence
    })
}

/// Where the links of a text lead.
pub(super) fn links(text: &str) -> Vec<String> {
    let text: Vec<&str> = prose(text).collect();
    let text = text.join("\n");
    // What stands in backticks is no link.
    let outside: Vec<&str> = text.split('`').step_by(2).collect();
    let outside = outside.join("x");
    let targets = outside.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target.to_string()).collect()
}

/// The names by which a browser finds the headings of a text, as mdBook and GitHub make them.
pub(super) fn anchors(text: &str) -> Vec<String> {
    let headings = prose(text).filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    headings
        .map(|heading| {
            let kept = heading.to_lowercase().replace(' ', "-");
            kept.chars().filter(|c| c.is_alphanumeric() || ['-', '_'].contains(c)).collect()
        })
        .collect()
}

/// The sentences of a text, each with one space between its words, that are long enough to be nobody else's by chance. Tables and
/// blocks are none.
pub(super) fn sentences(text: &str) -> Vec<String> {
    let lines = prose(text).map(|line| if line.trim_start().starts_with(['|', '#']) { "" } else { line });
    let paragraphs: Vec<&str> = lines.collect();
    let mut found = Vec::new();
    for paragraph in paragraphs.join("\n").split("\n\n") {
        let words: Vec<&str> = paragraph.split_whitespace().collect();
        let paragraph = words.join(" ");
        let ends = paragraph.replace(". ", ".\n").replace(": ", ":\n");
        found.extend(ends.lines().filter(|line| line.split(' ').count() >= 7).map(String::from));
    }
    found
}
