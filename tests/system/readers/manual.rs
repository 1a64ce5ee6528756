//! Pages of the manual, as mandoc reads them.

use crate::documented::{library, vmrun};
use crate::sandbox::Sandbox;
use std::fs;
use std::process::Command;

/// What mandoc has to say of a page.
fn lint(sandbox: &Sandbox, page: &str) -> String {
    let file = sandbox.path("page.5");
    fs::write(&file, page).unwrap();
    let done = Command::new("mandoc").args(["-Tlint", "-W", "warning"]).arg(&file).output();
    let done = done.expect("mandoc is installed by tools/setup.sh test");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

#[test]
fn mandoc_shows_a_librarys_functions_as_they_are_told() {
    let sandbox = library();
    let page = vmrun(&sandbox, &["doc", "net", "--format", "man"]).stdout;
    assert_eq!(lint(&sandbox, &page), "");
    let shown =
        Command::new("mandoc").args(["-Tascii", "-O", "width=78"]).arg(sandbox.path("page.5")).output().unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout);
    // Bold is a letter over itself.
    let mut plain = String::new();
    let mut letters = shown.chars().peekable();
    while let Some(letter) = letters.next() {
        match letters.peek() {
            Some('\u{8}') => drop(letters.next()),
            _ => plain.push(letter),
        }
    }
    for line in
        ["       .dots and 'quotes' \\ stay", "           name   its name", "   cards::card(name, more)", "NET/CARDS"]
    {
        assert!(plain.lines().any(|shown| shown == line), "{line}\n{plain}");
    }
}

#[test]
fn mandoc_has_nothing_to_say_of_the_pages_of_the_words_and_of_the_standard_library() {
    let sandbox = Sandbox::new();
    for args in [&["doc", "--format", "man"][..], &["doc", "std", "--format", "man"]] {
        assert_eq!(lint(&sandbox, &vmrun(&sandbox, args).stdout), "", "{args:?}");
    }
}

#[test]
fn mandoc_finds_nothing_wrong_with_any_page_that_is_installed() {
    let sandbox = Sandbox::new();
    let out = sandbox.path("man");
    let files = vmrun(&sandbox, &["man", "--out", out.to_str().unwrap()]).stdout;
    assert!(files.lines().count() > 40, "{files}");
    for file in sandbox.own(&files).lines() {
        let done = Command::new("mandoc").args(["-Tlint", file]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&done.stdout), "", "{file}");
    }
}
