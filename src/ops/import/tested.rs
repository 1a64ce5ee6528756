//! A test beside a recipe that was written, which compares its plan from then on.

use crate::diag::{Diagnostic, Fault};
use crate::import::golden::{self, TestHost};
use crate::ops::test::replaced;
use crate::script::trial::TestFile;
use std::path::{Path, PathBuf};

/// Returns the file of a recipe's test: `NAME_test.rhai` beside it.
pub(crate) fn file(recipe: &Path) -> PathBuf {
    let name = recipe.file_name().unwrap_or_default().to_string_lossy();
    recipe.with_file_name(format!("{}_test.rhai", name.strip_suffix(".rhai").unwrap_or(&name)))
}

/// Runs a recipe, which is written, on a host that has what it needs, and returns the text of the test that has its plan.
pub(crate) fn test(recipe: &Path, host: &TestHost) -> Result<String, Vec<Diagnostic>> {
    let name = recipe.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = golden::test(&name, host);
    let path = file(recipe);
    let done = TestFile::parse(&path.display().to_string(), &text)?.run(golden::TEST, true);
    if done.faults.is_empty() {
        return Ok(replaced(&text, done.blessed));
    }
    let fault = Fault::new(format!("no test was written: {name} fails on the host that was made up for it"));
    let mut all = vec![Diagnostic::error(fault.hint("write one by hand: `vmrun test --help`"))];
    all.extend(done.faults);
    Err(all)
}
