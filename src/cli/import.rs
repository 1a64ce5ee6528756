//! `vmrun import FILE`: a recipe of a machine that is described elsewhere, and the proof that it is the same machine.

use super::proof::{booted, rehearsed};
use super::term::Term;
use crate::diag::{Diagnostic, Fault};
use crate::host::worlds::rehearsal::Rehearsed;
use crate::host::{Asked, Effect, Platform};
use crate::import::{Import, Kind, Prints, Setting, command_line, proof, read, recipe};
use crate::model::{Argv, Target};
use crate::script::Recipe;
use clap::Args;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;

#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct ImportArgs {
    /// The file, or `-` for the standard input
    #[arg(required_unless_present = "command")]
    file: Option<String>,
    /// What it is, where its content does not tell: bhyve, config or vm-bhyve
    #[arg(long, value_name = "KIND")]
    from: Option<String>,
    /// Write the recipe to a new file
    #[arg(long, value_name = "PATH")]
    out: Option<String>,
    /// The bhyve that it is for: freebsd-14, freebsd-15-arm64
    #[arg(long, value_name = "HOST")]
    on: Option<String>,
    /// The folder of vm-bhyve's guests
    #[arg(long, value_name = "FOLDER")]
    datastore: Option<String>,
    /// The command line, as you type it
    #[arg(last = true, value_name = "bhyve ARGS", conflicts_with = "file")]
    command: Vec<String>,
}

const AFTER: &str = "\
FILE holds a command line of bhyve (alone, in a script, or as `ps -axww` shows it), a
configuration of bhyve_config(5), or a guest of vm-bhyve. The recipe is rehearsed, and its
machine is compared with what was read; the exit code is 1 if it is another one.

A password is not copied: the recipe says secret(\"vnc\").";

pub(super) fn run(args: &ImportArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let one = |fault: Fault| vec![Diagnostic::error(fault)];
    let (name, text) = args.text().map_err(one)?;
    let setting = args.setting(&name).map_err(one)?;
    let files = |path: &str| std::fs::read_to_string(path).ok();
    let import = read(&name, &text, &setting, &files).map_err(shortened)?;
    let recipe = recipe::recipe(&import);
    let differences = compare(&import, &recipe, args.out.as_deref().unwrap_or("the recipe"))?;
    match &args.out {
        Some(path) => write(path, &recipe).map_err(one)?,
        None => term.data(recipe.trim_end()).map_err(one)?,
    }
    import.warnings.iter().for_each(|warning| term.diagnostic(warning));
    if import.password.is_some() {
        let folder = super::place::settings(Platform::FreeBsd.into(), false).map(|settings| settings.config);
        let file =
            folder.map_or_else(|_| "secrets/vnc".into(), |folder| folder.join("secrets/vnc").display().to_string());
        term.say(format_args!("the password is not copied: set VMRUN_SECRET_VNC, or write it to {file} (mode 0600)"));
    }
    if differences.is_empty() {
        match &import.prints {
            None => term.say("same machine"),
            Some(prints) => term.say(format_args!("same machine: none, bhyve prints {} and ends", prints.what())),
        }
        return Ok(());
    }
    let fault = |line: &String| Diagnostic::error(Fault::new(format!("the recipe's machine is another one: {line}")));
    Err(differences.iter().map(fault).collect())
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
        let done = rehearsed(&parsed, import.draft.target, &[], init)?;
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

/// Writes a file that is not there yet.
fn write(path: &str, recipe: &str) -> Result<(), Fault> {
    let why = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Fault::usage(format!("{path} is there already")).hint("choose another path, or remove it")
        }
        _ => Fault::host(format!("cannot write {path}: {}", plain(&error))),
    };
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(why)?;
    file.write_all(recipe.as_bytes()).map_err(why)
}

fn plain(error: &std::io::Error) -> String {
    error.to_string().split(" (os error").next().unwrap_or_default().into()
}

impl ImportArgs {
    /// Returns the name of the source and its text.
    fn text(&self) -> Result<(String, String), Fault> {
        let Some(file) = &self.file else {
            return Ok(("<command line>".into(), command_line(&self.command)));
        };
        let mut bytes = Vec::new();
        let read = match file.as_str() {
            "-" => std::io::stdin().read_to_end(&mut bytes).map(drop),
            path => std::fs::read(path).map(|read| bytes = read),
        };
        read.map_err(|error| {
            Fault::usage(format!("cannot read {file}: {}", plain(&error)))
                .hint("give a file, or `-` for the standard input")
        })?;
        let name = if file == "-" { "<standard input>" } else { file };
        let fault = |_| Fault::new(format!("{name} is no text")).hint("give a text of UTF-8");
        Ok((name.into(), String::from_utf8(bytes).map_err(fault)?))
    }

    /// A guest of vm-bhyve is DATASTORE/NAME/NAME.conf.
    fn setting(&self, name: &str) -> Result<Setting, Fault> {
        let kind = match (&self.from, &self.file) {
            (Some(from), _) => Some(from.parse().map_err(|fault: Fault| fault.context("--from"))?),
            (None, None) => Some(Kind::Bhyve),
            (None, Some(_)) => None,
        };
        let path = std::path::absolute(name).unwrap_or_default();
        let own = path.parent().filter(|folder| folder.file_name() == path.file_stem());
        let above = own.and_then(Path::parent).map(|above| above.display().to_string());
        let datastore = self.datastore.clone().or(above).unwrap_or_else(|| "/vm".into());
        let system = std::fs::read_to_string(Path::new(&datastore).join(".config/system.conf")).ok();
        Ok(Setting { kind, target: self.target()?, datastore, system })
    }

    /// The bhyve that is asked for: this host's on FreeBSD, else the usual one.
    fn target(&self) -> Result<Target, Fault> {
        let asked = self.on.as_deref().map_or(Ok(Platform::FreeBsd.into()), str::parse::<Asked>);
        let asked = asked.map_err(|fault| fault.context("--on"))?;
        if asked.platform != Platform::FreeBsd {
            return Err(Fault::usage("--on: there is no bhyve on Linux").hint("freebsd-14, freebsd-15-arm64"));
        }
        Ok(asked.target(crate::host::environment::target()))
    }
}
