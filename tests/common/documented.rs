//! A library with comments.

use super::sandbox::{Done, Sandbox};
use std::fs;

/// Runs the program, which has nothing to complain of.
pub(crate) fn vmrun(sandbox: &Sandbox, args: &[&str]) -> Done {
    let done = sandbox.finish(&mut sandbox.command(args));
    assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{args:?}");
    done
}

const CARDS: &str = "\
//! Cards.
//!
//! ```rhai
//! import \"net/cards\" as cards;
//! .dots and 'quotes' \\ stay
//! ```

/// A card on `bridge2`; what is known of it:
///     name   its name
///     mac    its address
/// and no more.
fn card(name, more) { name }

/// Nobody sees this.
private fn hidden() { 1 }

fn plain() { 2 }
";

/// A host with a library of two modules.
pub(crate) fn library() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("team/net")).unwrap();
    sandbox.write("team/net/cards.rhai", CARDS);
    sandbox.write("team/net/cards_test.rhai", "no recipe at all");
    sandbox.write("team/net/lib.rhai", "//! All of it.\n\n/// One.\nfn one() { 1 }\n");
    sandbox.write("vmrun.toml", "[lib.net]\npath = \"team/net\"\n");
    sandbox
}
