//! The book and the other documents: every recipe and command in them is right, every link leads somewhere, nothing is said twice.
//! None of it needs mdBook.

mod pages;

use super::sandbox::{Sandbox, project};
use pages::{PAGES, Page, anchors, blocks, documents, links, resolved, sentences, whole};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::thread;

/// The pages that `make book` generates, by their names in the book.
const GENERATED: &[&str] = &["reference/commands.md", "reference/std.md", "reference/words.md"];

/// What a block can be: a recipe, tests of recipes, a command of a shell, what was typed and answered, and what is no text of ours.
const KINDS: &[&str] = &["rhai", "rhai,test", "sh", "console", "text", "toml", "lua"];

fn name(page: &Page) -> &str {
    page.path.strip_prefix(PAGES).unwrap_or(&page.path).trim_start_matches('/')
}

/// The blocks of a kind in the book and in the README, each with a name for its file.
fn of_kind(kind: &str) -> Vec<(String, String)> {
    let readme = documents().into_iter().filter(|page| page.path == "README.md");
    let mut found = Vec::new();
    for page in whole().into_iter().chain(readme) {
        let own = blocks(&page.text).into_iter().filter(|block| block.kind == kind);
        let file = |at: usize| format!("{}-{at}.rhai", name(&page).trim_end_matches(".md").replace('/', "-"));
        found.extend(own.enumerate().map(|(at, block)| (file(at), block.text)));
    }
    found
}

/// Does something with each of them, a few at once.
fn each(recipes: &[(String, String)], check: impl Fn(&Sandbox, &str, &str) + Sync) {
    let check = &check;
    thread::scope(|scope| {
        for part in recipes.chunks(recipes.len().div_ceil(4)) {
            scope.spawn(move || {
                let sandbox = Sandbox::new();
                for (name, text) in part {
                    sandbox.write(name, text);
                    check(&sandbox, name, text);
                }
            });
        }
    });
}

#[test]
fn nothing_is_wrong_with_any_recipe_of_the_book() {
    let recipes = of_kind("rhai");
    assert!(recipes.len() >= 50, "{}", recipes.len());
    each(&recipes, |sandbox, name, text| {
        let mut command = sandbox.command(&["check", "--on", "freebsd", name]);
        let done = sandbox.finish(command.env("VMRUN_PLATFORM", "linux"));
        assert_eq!(done.code, 0, "{name}\n{text}\n{}", done.stderr);
    });
}

#[test]
fn every_recipe_of_the_cookbook_has_a_plan_with_and_without_init() {
    let recipes: Vec<_> = of_kind("rhai").into_iter().filter(|(name, _)| name.starts_with("cookbook-")).collect();
    assert!(recipes.len() >= 25, "{}", recipes.len());
    each(&recipes, |sandbox, name, text| {
        for init in [&[][..], &["--init"]] {
            let mut command = sandbox.command(&[&["plan", "--on", "freebsd", name], init].concat());
            command.env("VMRUN_PLATFORM", "linux").env("VMRUN_SECRET_VNC", "hunter22");
            let done = sandbox.finish(&mut command);
            let boots = !text.contains("bhyve(") && !text.contains("guest::") || done.stdout.contains("bhyve -c");
            assert!(done.code == 0 && boots && !done.stdout.contains("hunter22"), "{name}\n{text}\n{done:?}");
        }
    });
}

#[test]
fn the_tests_in_the_book_pass_beside_the_recipes_that_they_name() {
    let tests = of_kind("rhai,test");
    assert!(!tests.is_empty());
    for (name, text) in tests {
        let sandbox = Sandbox::new();
        fs::copy(project("recipes/install.rhai"), sandbox.path("install.rhai")).unwrap();
        let file = name.replace(".rhai", "_test.rhai");
        sandbox.write(&file, &text);
        let done = sandbox.finish(&mut sandbox.command(&["test", &file]));
        assert_eq!(done.code, 0, "{name}\n{}{}", done.stdout, done.stderr);
    }
}

#[test]
fn every_block_says_what_it_is() {
    let readme = documents().into_iter().filter(|page| page.path == "README.md");
    for page in pages::pages().into_iter().chain(readme) {
        for block in blocks(&page.text) {
            assert!(KINDS.contains(&block.kind.as_str()), "{}: ```{}\n{}", page.path, block.kind, block.text);
        }
    }
}

#[test]
fn the_summary_names_every_page_once() {
    let summary = fs::read_to_string(project(&format!("{PAGES}/SUMMARY.md"))).unwrap();
    let mut named = links(&summary);
    named.sort();
    let pages = pages::pages();
    let written = pages.iter().map(name).filter(|name| *name != "SUMMARY.md");
    let mut all: Vec<String> = written.chain(GENERATED.iter().copied()).map(String::from).collect();
    all.sort();
    assert_eq!(named, all);
}

#[test]
fn every_link_within_the_project_leads_somewhere() {
    let whole: BTreeMap<String, String> = whole().into_iter().map(|page| (page.path, page.text)).collect();
    let files: BTreeMap<String, String> = documents().into_iter().map(|page| (page.path, page.text)).collect();
    // Pages of the book with what they include: links of a document are relative to where it is shown, too.
    let all = files.iter().chain(&whole);
    let mut faults = BTreeSet::new();
    for (page, text) in all {
        for link in links(text) {
            let (target, anchor) = link.split_once('#').unwrap_or((&link, ""));
            if target.starts_with("https://") {
                continue;
            }
            let path = if target.is_empty() { page.clone() } else { resolved(page, target) };
            let is_generated = GENERATED.iter().any(|name| path == format!("{PAGES}/{name}"));
            let is_there = is_generated || fs::exists(project(&path)).unwrap();
            let text = whole.get(&path).or_else(|| files.get(&path));
            let has_anchor =
                anchor.is_empty() || text.is_some_and(|text| anchors(text).iter().any(|name| name == anchor));
            if !is_there || !has_anchor {
                faults.insert(format!("{page}: {link}"));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn no_sentence_is_in_two_documents() {
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for page in documents() {
        for sentence in sentences(&page.text) {
            places.entry(sentence).or_default().insert(page.path.clone());
        }
    }
    let twice: Vec<_> = places.into_iter().filter(|(_, places)| places.len() > 1).collect();
    assert!(twice.is_empty(), "{twice:#?}");
}

#[test]
fn the_readme_is_one_screen_long_and_its_picture_is_there() {
    let readme = fs::read_to_string(project("README.md")).unwrap();
    assert!(readme.lines().count() <= 120, "{}", readme.lines().count());
    assert!(readme.contains("](docs/picture.svg)") && readme.contains("[Rhai](https://rhai.rs)"), "{readme}");
}

#[test]
fn every_message_that_the_book_explains_is_one_of_vmrun() {
    let page = fs::read_to_string(project(&format!("{PAGES}/troubleshooting.md"))).unwrap();
    let sources: String = sources("src").concat().replace("{BOOTS}", "{}");
    let headings = page.lines().filter_map(|line| line.strip_prefix("### "));
    let messages: Vec<&str> = headings.flat_map(|line| line.split('`').skip(1).step_by(2)).collect();
    assert!(messages.len() >= 25, "{}", messages.len());
    for message in messages {
        for part in message.split('…').map(str::trim).filter(|part| part.len() > 3) {
            assert!(sources.contains(part), "{message}: {part}");
        }
    }
}

/// The texts of the files of Rust below a folder.
fn sources(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(project(folder)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(project("")).unwrap().to_str().unwrap().to_string();
        if path.is_dir() {
            found.extend(sources(&name));
        } else {
            found.push(fs::read_to_string(&path).unwrap_or_default());
        }
    }
    found
}

#[test]
fn a_page_is_read_as_a_browser_and_a_reader_would() {
    let text = "# A `word`, and more\n\nA [page](a.md#b) and `[none](x)`. This sentence has seven words or\nmore: here is one more of seven words.\n\n\
                | [cell](c.md) | this is no sentence though it is long |\n\n```sh\n[no](link)\n```\n```\nbare\n```\n";
    assert_eq!(links(text), ["a.md#b", "c.md"]);
    assert_eq!(anchors(text), ["a-word-and-more"]);
    assert_eq!(sentences(text), ["This sentence has seven words or more:", "here is one more of seven words."]);
    let kinds: Vec<(String, String)> = blocks(text).into_iter().map(|block| (block.kind, block.text)).collect();
    assert_eq!(kinds, [("sh".into(), "[no](link)\n".into()), (String::new(), "bare\n".into())]);
    assert_eq!(resolved("docs/book/src/from/a.md", "../b.md"), "docs/book/src/b.md");
    let file = fs::read_to_string(project("recipes/network.rhai")).unwrap();
    let lines = file.lines().skip(2).take(2).collect::<Vec<_>>().join("\n");
    let page = Page { path: "docs/a.md".into(), text: "<{{#include ../recipes/network.rhai:3:4}}>".into() };
    assert_eq!(pages::included(&page), format!("<{lines}>"));
}

#[test]
fn the_pages_that_are_generated_have_every_command_word_and_function() {
    let sandbox = Sandbox::new();
    let out = sandbox.path("reference");
    let mut command = Command::new("sh");
    command.arg(project("tools/book.sh")).args(["pages", env!("CARGO_BIN_EXE_vmrun")]).arg(&out);
    let done = sandbox.finish(&mut command);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{done:?}");
    let files = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<String> = files.map(|name| format!("reference/{name}")).collect();
    files.sort();
    assert_eq!(files, GENERATED);
    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    let help = sandbox.run(&["--help"]).stdout;
    let commands = read("commands.md");
    for command in super::program::commands(&help).filter(|name| !name.is_empty()) {
        assert!(commands.contains(&format!("\n## vmrun {command}\n")), "{command}");
    }
    assert!(commands.contains("\nUsage: vmrun cache prune "), "{commands}");
    let words = read("words.md");
    assert!(words.contains("### `truncate(path, 20.GiB)`"));
    let untitled: Vec<_> = words.lines().filter(|line| line.starts_with('|') && line.contains("| |")).collect();
    assert!(untitled.is_empty(), "a column has a title: {untitled:?}");
    assert!(read("std.md").contains("## `guest::openbsd(of)`"));
}
