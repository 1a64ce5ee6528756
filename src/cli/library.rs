//! `vmrun lib`: libraries that recipes share. Only what is asked for here uses a network; a recipe that runs does not.

use super::term::Term;
use crate::diag::{Diagnostic, Fault};
use crate::ops::display::terminal::while_it_takes;
use crate::ops::library::status::{self, Status};
use crate::ops::library::{self, Change, LibraryOutcome, Origin, template};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

#[derive(Args)]
#[command(disable_version_flag = true)]
pub(super) struct LibArgs {
    /// The folder of the recipes, with vmrun.toml and vmrun.lock
    #[arg(long, global = true)]
    folder: Option<PathBuf>,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Name a library in vmrun.toml, fetch and pin it
    Add(AddArgs),
    /// Fetch what vmrun.lock pins and is not here, and pin what is not pinned yet
    Sync,
    /// Compare every file of every library with vmrun.lock
    Verify(ShowArgs),
    /// Pin the newest that vmrun.toml allows
    Update(UpdateArgs),
    /// Keep the libraries with the recipes, in the folder vendor
    Vendor,
    /// List the libraries, and what is pinned of each
    List(ShowArgs),
    /// Make a library: a module, a test and a README
    New(NewArgs),
}

#[derive(Args)]
#[command(disable_version_flag = true)]
struct AddArgs {
    /// What its imports begin with: `net` for `import "net/cards" as cards;`
    name: String,
    /// The address of its repository: https://…, git@host:team/net.git, or a path
    #[arg(required_unless_present = "path", conflicts_with = "path")]
    git: Option<String>,
    /// The tags that will do, as Cargo writes it: 1.2 is 1.2.0 and what is compatible with it
    #[arg(long, alias = "version", value_name = "VERSION", conflicts_with_all = ["rev", "path"])]
    semver: Option<String>,
    /// A tag, a branch or a commit
    #[arg(long, conflicts_with = "path")]
    rev: Option<String>,
    /// A folder, used as it is there
    #[arg(long, value_name = "FOLDER")]
    path: Option<PathBuf>,
}

#[derive(Args)]
struct UpdateArgs {
    /// Only these
    names: Vec<String>,
    /// Take a tag that was moved to another commit
    #[arg(long)]
    moved: bool,
}

#[derive(Args)]
struct ShowArgs {
    /// Print a JSON list
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct NewArgs {
    /// The library, and the folder that is made for it
    name: String,
}

/// What is told while repositories are asked.
const FETCHES: &str = "fetching libraries";

pub(super) fn run(args: &LibArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let folder = args.folder.as_deref().unwrap_or(Path::new(""));
    match &args.what {
        What::Add(args) => {
            let what = format!("fetching the library {}", args.name);
            let added = while_it_takes(&what, || library::add(folder, &args.name, &args.origin()))?;
            Ok(term.data(line(&added))?)
        }
        What::Sync => {
            let synced = while_it_takes(FETCHES, || library::sync(folder))?;
            outcomes(&synced, "nothing to fetch: all libraries are used where they are", term)
        }
        What::Update(args) => {
            let updated = while_it_takes(FETCHES, || library::update(folder, &args.names, args.moved))?;
            outcomes(&updated, "nothing to fetch: all libraries are used where they are", term)
        }
        What::Vendor => outcomes(&library::vendor(folder)?, "no library comes from a repository", term),
        What::Verify(args) => verify(&status::all(folder)?, args.json, term),
        What::List(args) => Ok(list(&status::all(folder)?, args.json, term)?),
        What::New(args) => {
            let files = template::make(folder, &args.name)?;
            let lines: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            Ok(term.data(lines.join("\n"))?)
        }
    }
}

impl AddArgs {
    fn origin(&self) -> Origin {
        match &self.git {
            Some(url) => Origin::Git { url: url.clone(), semver: self.semver.clone(), rev: self.rev.clone() },
            None => Origin::Path(self.path.clone().unwrap_or_default()),
        }
    }
}

fn line(outcome: &LibraryOutcome) -> String {
    let (name, pin, what) = match outcome {
        LibraryOutcome::Path { name, root } => return format!("{name}  {}", root.display()),
        LibraryOutcome::Removed { name } => return format!("{name}  not named any more"),
        LibraryOutcome::Pinned { name, pin, change: Change::Unchanged } => (name, pin, "as pinned"),
        LibraryOutcome::Pinned { name, pin, change: Change::Fetched } => (name, pin, "fetched"),
        LibraryOutcome::Pinned { name, pin, change: Change::Pinned } => (name, pin, "pinned"),
    };
    let (short, commit) = (pin.short(), pin.commit.chars().take(12).collect::<String>());
    if short == commit { format!("{name}  {commit}  {what}") } else { format!("{name}  {short}  {commit}  {what}") }
}

fn outcomes(outcomes: &[LibraryOutcome], none: &str, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let lines: Vec<String> = outcomes.iter().map(line).collect();
    Ok(term.data(if lines.is_empty() { none.into() } else { lines.join("\n") })?)
}

fn verify(all: &[Status], json: bool, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let faults: Vec<Fault> = all.iter().filter_map(Status::fault).collect();
    let sound = all.iter().filter(|one| one.fault().is_none());
    let lines: Vec<String> = sound.map(|one| format!("{}  {}", one.name, one.state.word())).collect();
    if json {
        term.json(status::changes_json(all))?;
    } else if !lines.is_empty() {
        term.data(lines.join("\n"))?;
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.into_iter().map(Diagnostic::error).collect()) }
}

fn list(all: &[Status], json: bool, term: &Term) -> Result<(), Fault> {
    if json {
        return term.json(status::json(all));
    }
    let row = |one: &Status| [one.name.clone(), one.short(), one.state.word().into(), one.from.clone()];
    let rows: Vec<[String; 4]> = all.iter().map(row).collect();
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let line = |[name, pin, word, from]: &[String; 4]| {
        format!("{name:<a$}  {pin:<b$}  {word:<c$}  {from}", a = widths[0], b = widths[1], c = widths[2])
    };
    let lines: Vec<String> = rows.iter().map(line).collect();
    term.data(if lines.is_empty() { "no library is named".into() } else { lines.join("\n") })
}
