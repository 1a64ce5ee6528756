//! Everything that is wrong with recipes and libraries, at once.

pub(crate) mod documents;
mod workers;

use super::recipe::is_recipe;
use super::recipe_files::Wanted;
use super::settings;
use crate::diag::{Diagnostic, Fault};
use crate::host::{Asked, Platform, Settings, files};
use crate::script::check::test_words::is_test_file;
use crate::script::check::{Finding, Places, Role, conflicts};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use workers::FileOutcome;

/// Which files are checked in folders.
const RECIPES: Wanted = Wanted {
    fits: |name| is_recipe(name) && !is_test_file(name),
    what: "recipe",
    hint: "recipes are files that end in .rhai",
};

/// What came out.
pub(crate) struct Report {
    /// What is wrong, file by file.
    pub(crate) findings: Vec<Finding>,
    /// How many recipes were checked.
    pub(crate) recipes: usize,
    /// How many libraries were checked.
    pub(crate) libraries: usize,
    /// How many files of tests were checked.
    pub(crate) tests: usize,
    /// What is to be known of this host, whose release they are checked for.
    pub(crate) doubt: Option<Diagnostic>,
    /// How many rehearsals there were.
    pub(crate) rehearsals: usize,
    /// The recipes that were not rehearsed, and the parameter that each needs.
    pub(crate) lacking: Vec<(PathBuf, String)>,
}

impl Report {
    /// Returns how many files were checked.
    pub(crate) const fn files(&self) -> usize {
        self.recipes + self.libraries + self.tests
    }
}

/// Checks files and what is in folders; recipes are rehearsed on a host of each of these kinds.
pub(crate) fn check(paths: &[PathBuf], on: &[Asked], params: &BTreeMap<String, String>) -> Result<Report, Fault> {
    let files = RECIPES.files(paths)?;
    let hosts = on.iter().map(|asked| settings::settings(*asked, false));
    let mut hosts = hosts.collect::<Result<Vec<Settings>, Fault>>()?;
    hosts.sort_by_key(|settings| settings.platform == Platform::Linux);
    let outcomes = workers::check(&files, &hosts, params);
    let of = |role: Role| outcomes.iter().filter(|outcome| outcome.role == Some(role)).count();
    let (libraries, tests) = (of(Role::Library), of(Role::Test));
    let lacks = |(file, outcome): (&PathBuf, &FileOutcome)| Some((file.clone(), outcome.lacks.clone()?));
    Ok(Report {
        findings: findings(&files, &outcomes),
        recipes: outcomes.len() - libraries - tests,
        libraries,
        tests,
        doubt: on.iter().find_map(|asked| settings::doubt(*asked)),
        rehearsals: outcomes.iter().map(|outcome| outcome.rehearsals).sum(),
        lacking: files.iter().zip(&outcomes).filter_map(lacks).collect(),
    })
}

/// Returns every finding: those of each file, and those between files.
fn findings(files: &[PathBuf], outcomes: &[FileOutcome]) -> Vec<Finding> {
    let places = Places::default();
    let text = |name: &str| {
        let own = files.iter().position(|file| file.as_path() == Path::new(name));
        let own = own.and_then(|at| outcomes[at].text.as_deref().map(String::from));
        own.or_else(|| files::read_text(Path::new(name)).ok())
    };
    let claims =
        outcomes.iter().enumerate().flat_map(|(at, outcome)| outcome.claims.iter().map(move |one| (at, one.clone())));
    let between = conflicts(&claims.collect::<Vec<_>>(), |claim, message| places.find(claim, message, text));
    let mut found = Vec::new();
    for (at, outcome) in outcomes.iter().enumerate() {
        found.extend(outcome.findings.iter().map(workers::Sent::received));
        found.extend(between.iter().filter(|(file, _)| *file == at).map(|(_, finding)| finding.clone()));
    }
    found
}
