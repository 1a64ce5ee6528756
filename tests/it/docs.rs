//! What is written for readers and editors: references, pages of the manual, definitions.

use super::documented::{library, vmrun};
use super::sandbox::{Sandbox, same};
use std::fs;

#[test]
fn a_librarys_functions_are_told_by_their_comments() {
    let sandbox = library();
    same(
        &vmrun(&sandbox, &["doc", "net"]).stdout,
        "
# net/cards

Cards.

```rhai
import \"net/cards\" as cards;
.dots and 'quotes' \\ stay
```

## `cards::card(name, more)`

A card on `bridge2`; what is known of it:
```
name   its name
mac    its address
```
and no more.

## `cards::plain()`

# net

All of it.

## `net::one()`

One.
",
    );
}

#[test]
fn the_words_are_told_as_markdown_and_as_a_page() {
    let sandbox = Sandbox::new();
    let text = vmrun(&sandbox, &["doc"]).stdout;
    for line in [
        "### `truncate(path, 20.GiB)`",
        "## Actions: simulated until the whole recipe was rehearsed",
        "| `vm_dir` | the folder for machines: /vm |",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}");
    }
    let page = vmrun(&sandbox, &["doc", "--format", "man"]).stdout;
    let words = vmrun(&sandbox, &["words", "--json"]).stdout;
    let words: serde_json::Value = serde_json::from_str(&words).unwrap();
    let plain = page.replace("\\-", "-").replace("\\&", "").replace("\\\\", "\\");
    for word in words.as_array().unwrap() {
        let usage = word["usage"].as_str().unwrap();
        assert!(text.contains(&format!("### `{usage}`\n")), "{usage}");
        let name = word["name"].as_str().unwrap();
        assert!(plain.contains(name), "{name}");
    }
}

#[test]
fn the_standard_library_is_told_whole() {
    let sandbox = Sandbox::new();
    let text = vmrun(&sandbox, &["doc", "std"]).stdout;
    for head in [
        "# std/answers",
        "# std/disk",
        "# std/guest",
        "# std/images",
        "# std/net",
        "## `guest::openbsd(of)`",
        "## `net::mac(name, index)`",
    ] {
        assert!(text.lines().any(|line| line == head), "{head}");
    }
    let done = sandbox.finish(&mut sandbox.command(&["doc", "std/nett"]));
    assert_eq!(done.code, 2);
    same(
        &done.stderr,
        "
error: there is no module `std/nett`
 |
 = hint: did you mean `std/net`?
",
    );
}

#[test]
fn definitions_are_written_beside_what_is_there() {
    let sandbox = library();
    fs::create_dir_all(sandbox.path("out")).unwrap();
    sandbox.write("out/mine", "stays");
    same(
        &vmrun(&sandbox, &["definitions", "out"]).stdout,
        "
out/net.d.rhai
out/net/cards.d.rhai
out/std/answers.d.rhai
out/std/disk.d.rhai
out/std/guest.d.rhai
out/std/images.d.rhai
out/std/net.d.rhai
out/vmrun.d.rhai
",
    );
    assert_eq!(sandbox.read("out/mine"), "stays");
    same(
        &sandbox.read("out/net/cards.d.rhai"),
        "
/// Cards.
///
/// ```rhai
/// import \"net/cards\" as cards;
/// .dots and 'quotes' \\ stay
/// ```
module cards;

/// A card on `bridge2`; what is known of it:
///     name   its name
///     mac    its address
/// and no more.
fn card(name: ?, more: ?) -> ?;

fn plain() -> ?;
",
    );
    let words = sandbox.read("out/vmrun.d.rhai");
    assert!(words.contains("fn truncate(path: string, size: ?) -> ();\n"), "{words}");
}
