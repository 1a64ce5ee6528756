//! What a file of tests has beside Rhai: words of its own. `script::trial` does what they mean.

use crate::diag::{Diagnostic, Fault};

/// A word of tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TestWord {
    /// Its name.
    pub name: &'static str,
    /// The least and the greatest number of its arguments.
    pub arity: (usize, usize),
    /// How it is written.
    pub usage: &'static str,
    /// What it does, in one sentence.
    pub help: &'static str,
    /// The keys of its map, and what each is.
    pub keys: &'static [(&'static str, &'static str)],
}

/// The words of tests.
pub(crate) const TEST_WORDS: [TestWord; 8] = [
    TestWord {
        name: "host",
        arity: (1, 1),
        usage: "host(#{ interfaces: #{ bridge2: \"bridge\" }, files: [\"/vm/web.img\"] })",
        help: "Describes the host on which the recipes of this test run.",
        keys: &HOST,
    },
    TestWord {
        name: "exits",
        arity: (1, 1),
        usage: "exits([\"reboot\", \"poweroff\"])",
        help: "Says how the boots of a recipe end, first to last.",
        keys: &[],
    },
    TestWord {
        name: "recipe",
        arity: (1, 2),
        usage: "recipe(\"web.rhai\", #{ init: true })",
        help: "Runs a recipe on the described host, and returns what came of it: `plan`, `errors`, `warnings` and `printed`.",
        keys: &RECIPE,
    },
    TestWord {
        name: "assert",
        arity: (1, 2),
        usage: "assert(condition, \"why\")",
        help: "Fails where a condition does not hold.",
        keys: &[],
    },
    TestWord {
        name: "assert_plan",
        arity: (2, 2),
        usage: "assert_plan(r, `…`)",
        help: "Fails where something else was done, line by line; `vmrun test --bless` writes what was.",
        keys: &[],
    },
    TestWord {
        name: "assert_error",
        arity: (2, 2),
        usage: "assert_error(r, \"text\")",
        help: "Fails where the recipe did not fail with these words.",
        keys: &[],
    },
    TestWord {
        name: "assert_clean",
        arity: (1, 1),
        usage: "assert_clean(r)",
        help: "Fails where the recipe failed, or something is left.",
        keys: &[],
    },
    TestWord {
        name: "prove_clean",
        arity: (1, 1),
        usage: "prove_clean(r)",
        help: "Lets each effect of the recipe fail in turn, and fails where something is left.",
        keys: &[],
    },
];

/// What a test can say of its host.
pub(in crate::script) const HOST: [(&str, &str); 11] = [
    ("platform", "\"freebsd\" or \"linux\""),
    ("release", "the release of FreeBSD, as \"15.0\""),
    ("interfaces", "by name: \"bridge\", \"tap\", an address with its network, or a list of those"),
    ("files", "a list of paths, or a map of paths to a size, a text, or `()`; one that ends in `/` is a folder"),
    ("secrets", "their values, by name"),
    ("env", "the variables of the environment"),
    ("hostname", "how the host is called"),
    ("lacks", "the programs that are not installed"),
    ("answers", "what commands that `query` asks print"),
    ("cpus", "how many processors there are"),
    ("memory", "how much memory there is"),
];

/// With what a test can run a recipe.
pub(in crate::script) const RECIPE: [(&str, &str); 2] =
    [("init", "whether the machine is initialized"), ("params", "the values of parameters, by name")];

/// Returns a word of tests by its name.
pub(in crate::script) fn of_name(name: &str) -> Option<&'static TestWord> {
    TEST_WORDS.iter().find(|word| word.name == name)
}

/// Whether a file holds tests, by its name.
pub(crate) fn is_test_file(name: &str) -> bool {
    name.ends_with("_test.rhai")
}

/// Returns the fault of a file of tests that was taken for a recipe, by what is wrong with it then.
pub(in crate::script) fn of_tests(name: &str, faults: &[Diagnostic]) -> Option<Fault> {
    let is_word = |fault: &Diagnostic| {
        TEST_WORDS.iter().any(|word| fault.fault.message == format!("there is no function `{}`", word.name))
    };
    let fault = || Fault::new(format!("{name} has tests of recipes, and is no recipe"));
    (is_test_file(name) && faults.iter().any(is_word)).then(|| fault().hint(format!("`vmrun test {name}` runs them")))
}
