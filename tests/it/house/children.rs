//! Which programs see the secrets: none but vmrun itself.

use super::product::Code;
use super::{PRODUCT, assert_none, one};

/// Who begins programs, and why: what is begun elsewhere sees the secrets.
const BEGINS: &[(&str, &str)] = &[
    ("host/environment.rs", "it takes the secrets out of what the program sees"),
    ("host/full_screen.rs", "it begins vmrun itself, which may see them"),
    ("cli/manual.rs", "it is a command of clap's, and begins nothing"),
];

/// How std begins a program; in two parts, as what tests begin is looked for by the same words.
const BEGIN: &str = concat!("Command", "::new(");

/// Looks for programs that are begun past the function that keeps secrets from them.
fn begun_past(product: &[Code]) -> Vec<String> {
    let is_begun = |line: &str| line.match_indices(BEGIN).any(|(at, _)| !line[..at].ends_with(char::is_alphanumeric));
    let product = product.iter().filter(|code| BEGINS.iter().all(|(file, _)| *file != code.file));
    let lines = product.flat_map(|code| code.lines.iter().map(move |(at, line)| (&code.file, at, line)));
    let found = lines.filter(|(_, _, line)| is_begun(line));
    found.map(|(file, at, line)| format!("src/{file}:{at}: begun with all secrets: {}", line.trim())).collect()
}

#[test]
fn no_program_is_begun_with_the_secrets() {
    assert_none(&begun_past(&PRODUCT));
    let faults = |file: &str, text: &str| begun_past(&one(file, text)).len();
    for line in [format!("{BEGIN}program)"), format!("std::process::{BEGIN}\"xz\")")] {
        assert_eq!((faults("host/fill.rs", &line), faults("host/environment.rs", &line)), (1, 0), "{line}");
    }
    assert_eq!(faults("host/fill.rs", &format!("Pending{BEGIN}chain, lock, None); command(program)")), 0);
}
