//! A recipe of a machine that is described elsewhere, and the proof that it is the same machine.

pub(crate) mod all;
pub(crate) mod archive;
mod cbsd;
mod datastore;
mod domains;
mod folders;
mod kept;
mod outcome;
mod report;
mod running;
pub(crate) mod source;
pub(crate) mod tested;

use super::proof::{booted, rehearsed};
use crate::diag::{Diagnostic, Fault};
use crate::host::worlds::rehearsal::Rehearsed;
use crate::host::{Asked, Effect, Platform, files, target};
use crate::import::golden::TestHost;
use crate::import::{Import, ImportOptions, Prints, SourceKind, command_line, path_in, proof, read, recipe};
use crate::model::{Argv, Target};
use crate::qemu::seen::is_qemu;
use crate::recording::Recording;
use crate::script::Recipe;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;

/// What is imported, and how it is read.
pub(crate) struct Request<'a> {
    /// The file, or `-` for the standard input; nothing for a command line.
    pub(crate) file: Option<&'a str>,
    /// What was read of the standard input by now.
    pub(crate) begun: Vec<u8>,
    /// The command line, word by word.
    pub(crate) command: &'a [String],
    /// The kind of the file, where its content does not tell: bhyve, config, vm-bhyve, libvirt, qemu, procstat or cbsd.
    pub(crate) from: Option<&'a str>,
    /// The bhyve that the recipe is for.
    pub(crate) on: Option<&'a str>,
    /// The folder of vm-bhyve's guests.
    pub(crate) datastore: Option<&'a str>,
    /// The file for the recipe.
    pub(crate) out: Option<&'a str>,
    /// Whether a test of the recipe is written beside it.
    pub(crate) with_test: bool,
}

/// What was imported.
pub(crate) struct Imported {
    /// The text of the recipe.
    pub(crate) recipe: String,
    /// What is doubtful.
    pub(crate) warnings: Vec<Diagnostic>,
    /// Whether the recipe asks for the secret `vnc` where a password was read.
    pub(crate) hides_password: bool,
    /// What bhyve prints, where it was called to print something and runs no machine.
    pub(crate) prints: Option<&'static str>,
    /// What is known on the host only, and how it is told to the recipe.
    pub(crate) holes: Vec<Fault>,
    /// How the machine of the recipe differs from the one that was read.
    pub(crate) differences: Vec<String>,
}

/// Reads a description, makes a recipe of it, compares both, and writes the recipe if there is a file for it.
pub(crate) fn import(request: &Request<'_>) -> Result<Imported, Vec<Diagnostic>> {
    let (name, text) = request.text()?;
    let setting = request.setting(&name)?;
    let (mut import, recipe, differences) = proved(&name, &text, &setting, request.out.unwrap_or("the recipe"))?;
    if let Some(path) = request.out {
        let beside = request.with_test.then(|| tested::file(Path::new(path)));
        if let Some(test) = beside.as_ref().filter(|test| files::exists(test)) {
            return Err(is_there(&test.display().to_string()).into());
        }
        write(path, &recipe)?;
        if let Some(test) = beside {
            let text = tested::test(Path::new(path), &TestHost::of(&mut import))?;
            write(&test.display().to_string(), &text)?;
        }
    }
    let (hides_password, prints) = (import.password.is_some(), import.prints.as_ref().map(Prints::what));
    let holes = import.holes();
    Ok(Imported { recipe, warnings: import.warnings, hides_password, prints, holes, differences })
}

/// Reads a text, makes a recipe of it, and compares both; `out` is the recipe's name for what is said of it.
fn proved(
    name: &str,
    text: &str,
    setting: &ImportOptions,
    out: &str,
) -> Result<(Import, String, Vec<String>), Vec<Diagnostic>> {
    let included = |path: &str| files::read_text(Path::new(path)).ok();
    let mut import = read(name, text, setting, &included).map_err(shortened)?;
    if let Some(whole) = with_whole_paths(text, &mut import) {
        // What is doubtful is shown in the text as it is.
        let warnings = std::mem::take(&mut import.warnings);
        import = Import { warnings, ..read(name, &whole, setting, &included).map_err(shortened)? };
    }
    let recipe = recipe::recipe(&import);
    let differences = compare(&import, &recipe, out)?;
    Ok((import, recipe, differences))
}

/// Returns the text with every path of the machine from the root on, where one begins in our working directory, as bhyve would
/// look for it. A path that a shell would have to be told in quotes stays as it is.
fn with_whole_paths(text: &str, import: &mut Import) -> Option<String> {
    let paths = import.draft.paths_mut().into_iter().map(|(_, path)| path.as_str().to_string());
    let parts: BTreeSet<String> = paths.filter(|path| !path.starts_with('/')).collect();
    let is_plain = |c: char| !c.is_whitespace() && !"'\"\\$`,=;&|<>()*?[]#~%".contains(c);
    let whole = |part: &str| {
        let (before, part) = path_in(part);
        let whole = files::whole(Path::new(""), Path::new(part)).display().to_string();
        (parts.contains(part) && whole.chars().all(is_plain)).then(|| format!("{before}{whole}"))
    };
    let ends = |c: char| c.is_whitespace() || matches!(c, ',' | '=' | '\'' | '"');
    let words = text.split_inclusive(ends).map(|word| {
        let part = word.trim_end_matches(ends);
        whole(part).map_or_else(|| word.to_string(), |whole| format!("{whole}{}", &word[part.len()..]))
    });
    // vm-bhyve has folders of its own.
    (![SourceKind::VmBhyve, SourceKind::Libvirt, SourceKind::Procstat, SourceKind::Cbsd].contains(&import.kind)
        && !parts.is_empty())
    .then(|| words.collect())
}

/// Leaves out what nobody would read.
fn shortened(mut faults: Vec<Diagnostic>) -> Vec<Diagnostic> {
    const MOST: usize = 40;
    let more = faults.len().saturating_sub(MOST);
    faults.truncate(MOST);
    let fault = || Fault::new(format!("{more} more are not shown")).hint("mend these, and import again");
    faults.extend((more > 0).then(|| Diagnostic::error(fault())));
    faults
}

/// Returns what differs between what was imported and what the recipe boots, with and without `--init`.
fn compare(import: &Import, recipe: &str, name: &str) -> Result<Vec<String>, Vec<Diagnostic>> {
    let parsed = Recipe::parse(name, recipe)?;
    let mut differences = Vec::new();
    for init in [false, true] {
        let done = rehearsed(&parsed, import.draft.target, &Recording::default(), init)?;
        let machine = booted(&done).first().copied();
        let found = match &import.prints {
            Some(prints) => printed(prints, &done),
            None => machine.map_or_else(|| vec!["it boots nothing".into()], |it| proof::differences(import, it)),
        };
        differences.extend(found.into_iter().filter(|line| !differences.contains(line)).collect::<Vec<_>>());
    }
    Ok(differences)
}

/// Returns what differs where no machine is run.
fn printed(prints: &Prints, done: &[Rehearsed]) -> Vec<String> {
    let command = Effect::Run(Argv::new("bhyve").args(&prints.args));
    if matches!(done, [Rehearsed::Effect(effect)] if *effect == command) {
        Vec::new()
    } else {
        vec!["it does something else".into()]
    }
}

/// The fault of a file that cannot be read.
fn unread(file: &str, error: &std::io::Error) -> Fault {
    let fault = Fault::usage(format!("cannot read {file}: {}", files::reason(error)));
    fault.hint("give a file, or `-` for the standard input")
}

pub(super) fn is_there(path: &str) -> Fault {
    Fault::usage(format!("{path} is there already")).hint("choose another path, or remove it")
}

/// Writes a file that is not there yet.
pub(super) fn write(path: &str, recipe: &str) -> Result<(), Fault> {
    files::create(Path::new(path), recipe).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => is_there(path),
        _ => Fault::host(format!("cannot write {path}: {}", files::reason(&error))),
    })
}

impl Request<'_> {
    /// Returns the name of the source and its text.
    fn text(&self) -> Result<(String, String), Fault> {
        let Some(file) = self.file else {
            return Ok(("<command line>".into(), command_line(self.command)));
        };
        let read = match file {
            "-" => files::read_standard_input(&self.begun),
            path => files::read_bytes(Path::new(path)),
        };
        let bytes = read.map_err(|error| unread(file, &error))?;
        let name = if file == "-" { "<standard input>" } else { file };
        let fault = |_| Fault::new(format!("{name} is no text")).hint("give a text of UTF-8");
        Ok((name.into(), String::from_utf8(bytes).map_err(fault)?))
    }

    /// A guest of vm-bhyve is DATASTORE/NAME/NAME.conf.
    fn setting(&self, name: &str) -> Result<ImportOptions, Fault> {
        let kind = match (self.from, self.file) {
            (Some(from), _) => Some(from.parse().map_err(|fault: Fault| fault.context("--from"))?),
            (None, None) if self.command.first().is_some_and(|program| is_qemu(program)) => Some(SourceKind::Qemu),
            (None, None) => Some(SourceKind::Bhyve),
            (None, Some(_)) => None,
        };
        let path = std::path::absolute(name).unwrap_or_default();
        let own = path.parent().filter(|folder| folder.file_name() == path.file_stem());
        let above = own.and_then(Path::parent).map(|above| above.display().to_string());
        let datastore = self.datastore.map(String::from).or(above).unwrap_or_else(|| "/vm".into());
        let system = files::read_text(&Path::new(&datastore).join(".config/system.conf")).ok();
        Ok(ImportOptions { kind, target: self.target()?, datastore, system, ..ImportOptions::default() })
    }

    /// The bhyve that is asked for: this host's on FreeBSD, else the usual one.
    pub(crate) fn target(&self) -> Result<Target, Fault> {
        let asked = self.on.map_or(Ok(Platform::FreeBsd.into()), str::parse::<Asked>);
        let asked = asked.map_err(|fault| fault.context("--on"))?;
        if asked.platform != Platform::FreeBsd {
            return Err(Fault::usage("--on: there is no bhyve on Linux").hint("freebsd-14.3, freebsd-15-arm64"));
        }
        Ok(asked.target(target()))
    }
}
