//! Runs the tests of recipes on hosts that they describe.

mod junit;

use super::recipe_files::Wanted;
use crate::diag::{Diagnostic, Fault};
use crate::host::{files, report};
use crate::script::check::test_words::is_test_file;
use crate::script::trial::{TestFile, TestResult};
use crate::script::unreadable;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Which files hold tests in folders.
const TESTS: Wanted = Wanted { fits: is_test_file, what: "test", hint: "tests are files that end in _test.rhai" };

/// Which tests are run, and what is written.
pub(crate) struct Options<'a> {
    /// Files of tests, and folders of them.
    pub(crate) paths: &'a [PathBuf],
    /// A text that the name of a test or of its file has to hold.
    pub(crate) only: Option<&'a str>,
    /// Whether plans that differ are written into the files of tests.
    pub(crate) rewrites: bool,
    /// The file for a report in the form of JUnit.
    pub(crate) junit: Option<&'a Path>,
}

/// What happens while tests are run.
pub(crate) enum Event<'a> {
    /// So many tests are going to be run.
    Begun(usize),
    /// A test has ended.
    Ended(&'a TestRun),
}

/// A test that was run.
pub(crate) struct TestRun {
    /// The path of its file.
    pub(crate) file: String,
    /// The name of its function; empty where the file is one test.
    pub(crate) name: String,
    /// How long it took.
    pub(crate) time: Duration,
    /// What came out.
    pub(crate) outcome: TestResult,
}

impl TestRun {
    /// Returns its file and its name.
    pub(crate) fn title(&self) -> String {
        if self.name.is_empty() { self.file.clone() } else { format!("{}: {}", self.file, self.name) }
    }

    /// Returns whether nothing was wrong.
    pub(crate) const fn has_passed(&self) -> bool {
        self.outcome.faults.is_empty()
    }
}

/// All tests that were run.
pub(crate) struct Summary {
    /// The tests in the order in which they were run.
    pub(crate) tests: Vec<TestRun>,
    /// How long all of them took.
    pub(crate) time: Duration,
}

/// Runs tests; a fault of `tell` ends it.
pub(crate) fn run(
    options: &Options<'_>,
    tell: &mut dyn FnMut(Event<'_>) -> Result<(), Fault>,
) -> Result<Summary, Vec<Diagnostic>> {
    let paths = TESTS.files(options.paths)?;
    let begin = Instant::now();
    let mut parsed = Vec::new();
    for path in &paths {
        let name = path.display().to_string();
        let text = files::read_text(path).map_err(|error| unreadable(&name, &error))?;
        parsed.push((path, TestFile::parse(&name, &text)?, text));
    }
    let is_wanted = |file: &Path, test: &str| {
        options.only.is_none_or(|only| test.contains(only) || file.display().to_string().contains(only))
    };
    let of_file = |path: &Path, file: &TestFile| {
        file.tests().into_iter().filter(|test| is_wanted(path, test)).collect::<Vec<_>>()
    };
    tell(Event::Begun(parsed.iter().map(|(path, file, _)| of_file(path, file).len()).sum()))?;
    let mut tests = Vec::new();
    for (path, file, text) in &parsed {
        let mut blessed = Vec::new();
        for name in of_file(path, file) {
            let begin = Instant::now();
            let mut outcome = file.run(&name, options.rewrites);
            blessed.append(&mut outcome.blessed);
            let test = TestRun { file: path.display().to_string(), name, time: begin.elapsed(), outcome };
            tell(Event::Ended(&test))?;
            tests.push(test);
        }
        if !blessed.is_empty() {
            report::write(path, &replaced(text, blessed))?;
        }
    }
    if let Some(file) = options.junit {
        report::write(file, &junit::document(&tests))?;
    }
    Ok(Summary { tests, time: begin.elapsed() })
}

/// Puts plans into a text, from its end on.
pub(super) fn replaced(text: &str, mut blessed: Vec<(Range<usize>, String)>) -> String {
    blessed.sort_by_key(|(span, _)| span.start);
    blessed.dedup_by(|a, b| a.0 == b.0);
    let mut text = text.to_string();
    for (span, plan) in blessed.into_iter().rev() {
        text.replace_range(span, &plan);
    }
    text
}
