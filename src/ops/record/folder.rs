//! Recordings that are written into a folder: a recipe for what the command boots, or one for each arm of its script.

use super::{Recorded, Request, tried};
use crate::diag::{Diagnostic, Fault, suggest};
use crate::host::{Asked, files, standins};
use crate::ops::check::check;
use crate::ops::import::tested;
use crate::ops::import::write;
use crate::ops::notice::{Notice, Notify};
use crate::recording::arms::arms;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where recipes are written.
pub(crate) struct Destination<'a> {
    /// The folder; made if it is not there.
    pub(crate) folder: &'a Path,
    /// Whether each arm of the script is recorded.
    pub(crate) all_arms: bool,
    /// Whether a test is written beside each recipe that does the same as the script.
    pub(crate) with_test: bool,
}

/// A recipe that was written.
pub(crate) struct WrittenRecipe {
    /// Its file.
    pub(crate) path: PathBuf,
    /// What was recorded.
    pub(crate) recorded: Recorded,
}

/// What was written into a folder.
pub(crate) struct WrittenFolder {
    /// The recipes.
    pub(crate) recipes: Vec<WrittenRecipe>,
    /// What is wrong with the recipes of machines of one script beside each other.
    pub(crate) findings: Vec<Diagnostic>,
}

/// Records a command, or each arm of its script, and writes the recipes. Nothing is written unless all of it was recorded and no file is in
/// the way.
pub(crate) fn into_folder(
    request: &Request<'_>,
    to: &Destination<'_>,
    notify: Notify<'_>,
) -> Result<WrittenFolder, Vec<Diagnostic>> {
    let all = if to.all_arms {
        arms_of(request, to, notify)?
    } else {
        let all = tried(request, true, notify)?.map_err(Vec::from)?;
        let path = |recorded: &Recorded| to.folder.join(format!("{}.rhai", recorded.machine));
        all.into_iter().map(|recorded| WrittenRecipe { path: path(&recorded), recorded }).collect()
    };
    files::make_folder(to.folder, None)?;
    let beside = |one: &WrittenRecipe| to.with_test.then(|| tested::file(&one.path));
    let mut paths = all.iter().flat_map(|one| [Some(one.path.clone()), beside(one)]).flatten();
    if let Some(path) = paths.find(|path| files::exists(path)) {
        return Err(crate::ops::import::is_there(&path.display().to_string()).into());
    }
    for one in &all {
        write(&one.path.display().to_string(), &one.recorded.text)?;
        if let Some((path, host)) = beside(one).zip(one.recorded.host.as_ref()).filter(|_| one.recorded.is_proved()) {
            write(&path.display().to_string(), &tested::test(&one.path, host)?)?;
        }
    }
    let findings = if all.len() > 1 && !to.all_arms { found(request, &all)? } else { Vec::new() };
    Ok(WrittenFolder { recipes: all, findings })
}

/// Checks recipes beside each other, as `vmrun check` does.
fn found(request: &Request<'_>, all: &[WrittenRecipe]) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
    let paths: Vec<PathBuf> = all.iter().map(|one| one.path.clone()).collect();
    let on: Vec<Asked> = request.on.into_iter().collect();
    let report = check(&paths, &on, &BTreeMap::new())?;
    Ok(report.findings.into_iter().map(|finding| finding.diagnostic).collect())
}

/// Records each arm of a script.
fn arms_of(
    request: &Request<'_>,
    to: &Destination<'_>,
    notify: Notify<'_>,
) -> Result<Vec<WrittenRecipe>, Vec<Diagnostic>> {
    let mut all = Vec::new();
    let (at, words) = chosen(request.command)?;
    for word in &words {
        let mut command = request.command.to_vec();
        command.get_mut(at).into_iter().for_each(|place| place.clone_from(word));
        match tried(&Request { command: &command, ..*request }, true, notify)? {
            Ok(machines) => {
                let is_one = machines.len() == 1;
                let own = |recorded: &Recorded| if is_one { String::new() } else { format!("-{}", recorded.machine) };
                let path = |recorded: &Recorded| to.folder.join(format!("{word}{}.rhai", own(recorded)));
                all.extend(machines.into_iter().map(|recorded| WrittenRecipe { path: path(&recorded), recorded }));
            }
            Err(why) => {
                let fault = Fault::new(format!("there is no recipe of the arm `{word}`: {why}"));
                notify(Notice::warning(fault));
            }
        }
    }
    if all.is_empty() {
        let fault = Fault::new("no arm of the script boots a machine");
        return Err(fault.hint("what it tests for has to be there; `--transcript` shows what it called").into());
    }
    Ok(all)
}

/// Returns which word of a command is an arm of its script, and all arms beside it.
fn chosen(command: &[String]) -> Result<(usize, Vec<String>), Fault> {
    let Some(script) = standins::script(command) else {
        return Err(
            Fault::usage("--all-arms: the text of the script cannot be read").hint("record it once for each arm")
        );
    };
    let all = arms(&script.text);
    let is_one = |words: &&Vec<String>, word: &String| words.contains(word);
    let found = command
        .iter()
        .enumerate()
        .skip(1)
        .rev()
        .find_map(|(at, word)| all.iter().find(|words| is_one(words, word)).map(|words| (at, words.clone())));
    found.ok_or_else(|| {
        let fault =
            Fault::usage(format!("--all-arms: no argument of the command is an arm of a `case` of {}", script.name));
        let known: Vec<&str> = all.iter().flatten().map(String::as_str).collect();
        fault.hint(if known.is_empty() {
            "it has none: record it once for each machine".to_string()
        } else {
            format!("its arms are {}: name one of them", suggest::list(known))
        })
    })
}
