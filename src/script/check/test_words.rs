//! What a file of tests has beside Rhai: words of its own. `script::trial` does what they mean.

use crate::diag::{Diagnostic, Fault};

/// The words of tests, with the least and the greatest number of their arguments.
pub(crate) const TEST_WORDS: [(&str, (usize, usize)); 8] = [
    ("host", (1, 1)),
    ("exits", (1, 1)),
    ("recipe", (1, 2)),
    ("assert", (1, 2)),
    ("assert_plan", (2, 2)),
    ("assert_error", (2, 2)),
    ("assert_clean", (1, 1)),
    ("prove_clean", (1, 1)),
];

/// Whether a file holds tests, by its name.
pub(crate) fn is_test_file(name: &str) -> bool {
    name.ends_with("_test.rhai")
}

/// Returns the fault of a file of tests that was taken for a recipe, by what is wrong with it then.
pub(in crate::script) fn of_tests(name: &str, faults: &[Diagnostic]) -> Option<Fault> {
    let is_word = |fault: &Diagnostic| {
        TEST_WORDS.iter().any(|(word, _)| fault.fault.message == format!("there is no function `{word}`"))
    };
    let fault = || Fault::new(format!("{name} has tests of recipes, and is no recipe"));
    (is_test_file(name) && faults.iter().any(is_word)).then(|| fault().hint(format!("`vmrun test {name}` runs them")))
}
