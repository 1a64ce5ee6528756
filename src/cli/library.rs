//! `vmrun lib`: libraries that recipes share. Only what is asked for here uses a network; a recipe that runs does not.

mod fetch;
pub(super) mod found;
mod template;

use super::term::Term;
use crate::diag::{Blame, Diagnostic, Fault, suggest};
use crate::host::shelf;
use crate::library::lock::{self, Lock};
use crate::library::manifest::{self, From, Named, Want};
use crate::library::{FETCHED, LOCK, MANIFEST};
use crate::script::shelf::Shelf;
use clap::{Args, Subcommand};
use fetch::{Fetched, Tags};
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(super) struct LibArgs {
    /// The folder of the recipes, with vmrun.toml and vmrun.lock
    #[arg(long)]
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
struct AddArgs {
    /// What its imports begin with: `net` for `import "net/cards" as cards;`
    name: String,
    /// The address of its repository: https://…, git@host:team/net.git, or a path
    #[arg(required_unless_present = "path", conflicts_with = "path")]
    git: Option<String>,
    /// The tags that will do, as Cargo writes it: 1.2 is 1.2.0 and what is compatible with it
    #[arg(long, value_name = "VERSION", conflicts_with_all = ["rev", "path"])]
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

type Done = Result<(), Vec<Diagnostic>>;

pub(super) fn run(args: &LibArgs, term: &Term) -> Done {
    let folder = args.folder.as_deref().unwrap_or(Path::new(""));
    match &args.what {
        What::Add(args) => add(folder, args, term),
        What::Sync => {
            let shelf = shelf_of(folder)?;
            let all: Vec<Named> = shelf.named.clone();
            pin(&shelf, &all, Tags::Kept, term)
        }
        What::Update(args) => update(folder, args, term),
        What::Verify(args) => verify(folder, args, term),
        What::Vendor => vendor(folder, term),
        What::List(args) => list(folder, args, term),
        What::New(args) => template::make(folder, &args.name, term),
    }
}

fn shelf_of(folder: &Path) -> Result<Shelf, Vec<Diagnostic>> {
    let none = || {
        let fault = Fault::new(format!("there is no {}", folder.join(MANIFEST).display())).blame(Blame::Usage);
        vec![fault.hint("`vmrun lib add NAME URL` makes it; --folder says where recipes are").into()]
    };
    Shelf::beside(folder)?.ok_or_else(none)
}

/// Names a library. Nothing is written before all of it was had.
fn add(folder: &Path, args: &AddArgs, term: &Term) -> Done {
    manifest::check_name(&args.name).map_err(|fault| fault.blame(Blame::Usage))?;
    let path = folder.join(MANIFEST);
    let text = shelf::text(&path)?.unwrap_or_default();
    let shelf = Shelf::beside(folder)?.unwrap_or_else(|| Shelf::empty(folder));
    if shelf.named.iter().any(|named| named.name == args.name) {
        let fault = Fault::usage(format!("{} names a library `{}` already", path.display(), args.name));
        return Err(fault.hint("change it there, and then: vmrun lib sync").into());
    }
    let name = args.name.clone();
    let (named, fetched) = match (&args.git, &args.path) {
        (Some(url), _) => {
            manifest::check_url(url).map_err(|fault| fault.blame(Blame::Usage))?;
            let want = match (&args.semver, &args.rev) {
                (Some(version), _) => Some(Want::Version(version.clone())),
                (_, Some(rev)) => {
                    manifest::check_rev(rev).map_err(|fault| fault.blame(Blame::Usage))?;
                    Some(Want::Rev(rev.clone()))
                }
                (None, None) => None,
            };
            let (want, fetched) = fetch::anew(&shelf, &name, url, want)?;
            (Named { name, from: From::Git(url.clone(), want) }, Some(fetched))
        }
        (None, path) => {
            let path = path.clone().unwrap_or_default();
            let named = Named { name, from: From::Path(path) };
            if !shelf::is_folder(&shelf.root(&named)) {
                let fault = Fault::usage(format!("{} is no folder", shelf.root(&named).display()));
                return Err(fault.hint("a path is from the folder of the recipes on").into());
            }
            (named, None)
        }
    };
    let mut lock = shelf.lock.clone();
    let line = match fetched {
        Some(fetched) => {
            let line = told(&named.name, &fetched.pin.short(), &fetched.pin.commit, "fetched");
            put(&shelf, &named, &fetched)?;
            lock.insert(named.name.clone(), fetched.pin);
            shelf::replace(&folder.join(LOCK), &lock::text(&lock))?;
            line
        }
        None => format!("{}  {}", named.name, shelf.root(&named).display()),
    };
    let gap = if text.is_empty() {
        ""
    } else if text.ends_with('\n') {
        "\n"
    } else {
        "\n\n"
    };
    shelf::replace(&path, &format!("{text}{gap}{}", manifest::entry(&named)))?;
    Ok(term.data(line)?)
}

/// Pins libraries and puts them where they belong: all are fetched before the first is written.
fn pin(shelf: &Shelf, wanted: &[Named], tags: Tags, term: &Term) -> Done {
    let mut done: Vec<(&Named, Option<Fetched>)> = Vec::new();
    for named in wanted {
        let From::Git(url, want) = &named.from else { continue };
        let known = shelf.lock.get(&named.name).filter(|pin| pin.is_of(named));
        let fetched = match known {
            Some(pin) if tags == Tags::Kept => {
                let is_here = shelf.changes(named)?.is_some_and(|changes| changes.is_empty());
                if is_here { None } else { Some(fetch::again(shelf, named, pin)?) }
            }
            _ => {
                let (_, fetched) = fetch::anew(shelf, &named.name, url, Some(want.clone()))?;
                if let Some(old) = known.filter(|_| tags != Tags::Moved) {
                    fetch::check_moved(&named.name, old, &fetched.pin)?;
                }
                Some(fetched)
            }
        };
        done.push((named, fetched));
    }
    let is_named =
        |name: &str| shelf.named.iter().any(|named| named.name == name && matches!(named.from, From::Git(..)));
    let mut lock: Lock = shelf.lock.clone();
    lock.retain(|name, _| is_named(name));
    let mut lines = Vec::new();
    for (named, fetched) in done {
        let name = &named.name;
        let what = match &fetched {
            None => "as pinned",
            Some(fetched) if shelf.lock.get(name).is_some_and(|old| *old == fetched.pin) => "fetched",
            Some(_) => "pinned",
        };
        if let Some(fetched) = fetched {
            put(shelf, named, &fetched)?;
            lock.insert(name.clone(), fetched.pin);
        }
        if let Some(pin) = lock.get(name) {
            lines.push(told(name, &pin.short(), &pin.commit, what));
        }
    }
    if lock != shelf.lock {
        shelf::replace(&shelf.folder().join(LOCK), &lock::text(&lock))?;
    }
    for gone in shelf.lock.keys().filter(|name| !is_named(name)) {
        shelf::remove(&shelf.folder().join(FETCHED).join(gone))?;
        lines.push(format!("{gone}  not named any more"));
    }
    if lines.is_empty() {
        lines.push("nothing to fetch: all libraries are used where they are".into());
    }
    Ok(term.data(lines.join("\n"))?)
}

fn told(name: &str, short: &str, commit: &str, what: &str) -> String {
    let commit: String = commit.chars().take(12).collect();
    if short == commit { format!("{name}  {commit}  {what}") } else { format!("{name}  {short}  {commit}  {what}") }
}

/// Puts a library where it belongs.
fn put(shelf: &Shelf, named: &Named, fetched: &Fetched) -> Result<(), Fault> {
    let fetched_to = shelf.folder().join(FETCHED);
    let root = shelf.root(named);
    if root.starts_with(&fetched_to) && !shelf::is_folder(&fetched_to) {
        shelf::make_folder(&fetched_to)?;
    }
    if shelf::is_folder(&fetched_to) {
        // What can be fetched again is nothing for version control.
        shelf::put(&fetched_to.join(".gitignore"), b"*\n")?;
    }
    shelf::write(&root, &fetched.files)
}

fn update(folder: &Path, args: &UpdateArgs, term: &Term) -> Done {
    let shelf = shelf_of(folder)?;
    let names = || shelf.named.iter().map(|named| named.name.as_str());
    if let Some(name) = args.names.iter().find(|name| !names().any(|known| known == *name)) {
        let fault = Fault::usage(format!("{} names no library `{name}`", folder.join(MANIFEST).display()));
        return Err(fault.maybe_hint(suggest::did_you_mean(name, names())).into());
    }
    let is_meant = |named: &&Named| args.names.is_empty() || args.names.contains(&named.name);
    let wanted: Vec<Named> = shelf.named.iter().filter(is_meant).cloned().collect();
    pin(&shelf, &wanted, if args.moved { Tags::Moved } else { Tags::Newest }, term)
}

/// How a library stands.
struct Standing {
    word: &'static str,
    changes: Vec<String>,
}

fn standing(shelf: &Shelf, named: &Named) -> Result<Standing, Fault> {
    let simply = |word| Standing { word, changes: Vec::new() };
    if let From::Path(_) = named.from {
        let is_there = shelf::is_folder(&shelf.root(named));
        return Ok(simply(if is_there { "by path" } else { "missing" }));
    }
    if !shelf.lock.get(&named.name).is_some_and(|pin| pin.is_of(named)) {
        return Ok(simply("not pinned"));
    }
    Ok(match shelf.changes(named)? {
        None => simply("not here"),
        Some(changes) if changes.is_empty() => simply("as pinned"),
        Some(changes) => Standing { word: "changed", changes: changes.iter().map(ToString::to_string).collect() },
    })
}

fn verify(folder: &Path, args: &ShowArgs, term: &Term) -> Done {
    let shelf = shelf_of(folder)?;
    let (mut lines, mut faults, mut objects) = (Vec::new(), Vec::new(), Vec::new());
    for named in &shelf.named {
        let Standing { word, changes } = standing(&shelf, named)?;
        let name = &named.name;
        objects.push(json!({ "name": name, "state": word, "changes": changes }));
        let root = shelf.root(named).display().to_string();
        match word {
            "changed" => {
                let fault =
                    Fault::new(format!("{name}: in {root}, {}", suggest::list(changes.iter().map(String::as_str))));
                faults.push(fault.hint("`vmrun lib sync` puts it back"));
            }
            "missing" => faults.push(Fault::new(format!("{name}: {root} is not there"))),
            "not here" | "not pinned" => {
                faults.push(Fault::new(format!("{name} is {word}")).hint("`vmrun lib sync` fetches and pins it"));
            }
            word => lines.push(format!("{name}  {word}")),
        }
    }
    if args.json {
        lines = vec![format!("{:#}", serde_json::Value::Array(objects))];
    }
    if !lines.is_empty() {
        term.data(lines.join("\n"))?;
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.into_iter().map(Diagnostic::error).collect()) }
}

fn list(folder: &Path, args: &ShowArgs, term: &Term) -> Done {
    let shelf = shelf_of(folder)?;
    let mut rows: Vec<[String; 4]> = Vec::new();
    let mut objects = Vec::new();
    for named in &shelf.named {
        let word = standing(&shelf, named)?.word;
        let pin = shelf.lock.get(&named.name).filter(|pin| pin.is_of(named));
        let (from, want) = match &named.from {
            From::Git(url, want) => (url.clone(), want.to_string()),
            From::Path(path) => (path.display().to_string(), String::new()),
        };
        objects.push(json!({
            "name": named.name, "from": from, "want": want, "tag": pin.and_then(|pin| pin.tag.clone()),
            "commit": pin.map(|pin| pin.commit.clone()), "state": word,
            "folder": shelf.root(named).display().to_string(),
        }));
        rows.push([named.name.clone(), pin.map(lock::Pin::short).unwrap_or_default(), word.into(), from]);
    }
    if args.json {
        return Ok(term.data(format!("{:#}", serde_json::Value::Array(objects)))?);
    }
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let line = |[name, pin, word, from]: &[String; 4]| {
        format!("{name:<a$}  {pin:<b$}  {word:<c$}  {from}", a = widths[0], b = widths[1], c = widths[2])
    };
    let lines: Vec<String> = rows.iter().map(line).collect();
    Ok(term.data(if lines.is_empty() { "no library is named".into() } else { lines.join("\n") })?)
}

fn vendor(folder: &Path, term: &Term) -> Done {
    let shelf = shelf_of(folder)?;
    let mut all = Vec::new();
    for named in shelf.named.iter().filter(|named| matches!(named.from, From::Git(..))) {
        let Standing { word, .. } = standing(&shelf, named)?;
        if word != "as pinned" {
            let fault = Fault::new(format!("the library `{}` is {word}", named.name));
            return Err(fault.hint("first: vmrun lib sync").into());
        }
        all.push(named);
    }
    let mut lines = Vec::new();
    for named in all {
        let (from, to) = (shelf.root(named), shelf.vendored(&named.name));
        if from != to
            && let Some((files, _)) = shelf::read(&from)?
        {
            shelf::write(&to, &files)?;
            shelf::remove(&from)?;
        }
        lines.push(format!("{}  {}", named.name, to.display()));
    }
    if lines.is_empty() {
        lines.push("no library comes from a repository".into());
    }
    Ok(term.data(lines.join("\n"))?)
}
