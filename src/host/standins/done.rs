//! What the stand-ins of programs for files have done, in the place in which the script has it.
//!
//! An enclosed script's files are copies in memory: what is large is neither copied nor changed there, and what is not on this host is there
//! as on one on which the script would work, which is told.

use super::temporary;
use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::host::environment::{command, env};
use crate::host::files::io_fault;
use crate::host::{enclosure, files, wait};
use crate::recording::file_programs::{FileCall, UNPACKERS};
use crate::recording::watched::Watched;
use crate::recording::{Written, journal, sized};
use nix::poll::PollTimeout;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

/// The largest file that is copied or changed in an enclosure, in bytes.
const LARGE: u64 = 64 << 20;

/// How long a script sleeps in an enclosure at most, so that what it has started beside comes first.
const NAP: Duration = Duration::from_millis(100);

/// How something was done.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) status: u8,
    /// What was made up, so that it worked.
    pub(super) made_up: Option<String>,
    /// It changes no file.
    pub(super) reads: bool,
    /// What it prints, where the program itself has not done so.
    pub(super) output: String,
    /// What it read from its standard input.
    pub(super) heard: String,
    /// What it changed, where that hangs on what it read.
    pub(super) watched: Option<Watched>,
}

/// Does what a program was called for, and returns how. `words` are those of `argv`, as text.
pub(super) fn have_done(name: &str, argv: &[Vec<u8>], words: &[String]) -> Result<Done, Fault> {
    let is_enclosed = enclosure::recording().is_some();
    if name == "sleep" {
        if is_enclosed {
            let time =
                words.get(1).and_then(|time| time.parse().ok()).and_then(|time| Duration::try_from_secs_f64(time).ok());
            if !is_alone() {
                wait::pause(PollTimeout::try_from(time.unwrap_or(NAP).min(NAP)).unwrap_or(PollTimeout::ZERO));
            }
            return Ok(Done { reads: true, ..Done::default() });
        }
        return Ok(Done { status: by_program(name, argv)?, reads: true, ..Done::default() });
    }
    if name == "mktemp" && is_enclosed {
        return Ok(match temporary::make(words.get(1..).unwrap_or_default()) {
            Some(named) => Done { reads: named.reads, output: named.output, ..Done::default() },
            None => Done { status: 1, reads: true, ..Done::default() },
        });
    }
    // Of date(1), and of dd(1) in a pipe, what is printed counts: it goes where ours goes.
    let named: Vec<String> = std::iter::once(name.to_string()).chain(words.iter().skip(1).cloned()).collect();
    let is_unpacker = UNPACKERS.contains(&name);
    let Some(call) = FileCall::of(&named) else {
        if is_unpacker && is_enclosed {
            return Ok(Done { reads: true, ..Done::default() });
        }
        return Ok(Done { status: by_program(name, argv)?, reads: true, ..Done::default() });
    };
    let mut made_up = None;
    if is_enclosed && name == "dd" && call.sources.iter().all(|path| *path == "/dev/stdin") {
        return filled(&call, argv);
    }
    if is_enclosed {
        let prepared = prepare(name, &call);
        if prepared.is_all {
            return Ok(Done { made_up: prepared.made_up, ..Done::default() });
        }
        made_up = prepared.made_up;
    }
    Ok(Done { status: by_program(name, argv)?, made_up, ..Done::default() })
}

/// The most that dd(1) is given of what it reads from its standard input, in bytes.
const FILLING_MAX: u64 = 1 << 16;

/// Has dd(1) fill a file from its standard input. What is too much for a recipe, or no text, it does not have.
fn filled(call: &FileCall<'_>, argv: &[Vec<u8>]) -> Result<Done, Fault> {
    let cwd = std::env::current_dir().unwrap_or_default();
    let whole = |path: &&str| files::whole(&cwd, Path::new(path)).display().to_string();
    let changed = call.targets.iter().map(whole).collect();
    let made_up = folders(&call.targets);
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(FILLING_MAX + 1)
        .read_to_end(&mut bytes)
        .may_fail("what came until it failed is what came");
    let is_much = bytes.len() as u64 > FILLING_MAX;
    let heard = String::from_utf8(bytes.clone()).ok().filter(|text| !is_much && !text.contains('\0'));
    let status = if is_much {
        put(&call.targets);
        0
    } else {
        by_program_with("dd", argv, &bytes)?
    };
    let watched = Watched { changed, is_fed: heard.is_none(), ..Watched::default() };
    Ok(Done { status, made_up, heard: heard.unwrap_or_default(), watched: Some(watched), ..Done::default() })
}

/// Whether no process of the enclosure is beside us and those that wait for us: then nobody could come first.
fn is_alone() -> bool {
    let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
    let mut others: BTreeSet<u32> =
        std::fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(number).collect();
    let mut process = std::process::id();
    while others.remove(&process) && process > 1 {
        process = parent(process).unwrap_or_default();
    }
    others.remove(&1);
    others.is_empty()
}

/// Returns the process that has started another one, as proc_pid_stat(5) has it.
fn parent(process: u32) -> Option<u32> {
    let stat = files::read_text(Path::new(&format!("/proc/{process}/stat"))).ok()?;
    // The name, in brackets, may have any character.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// What has to be there before a program does its work in an enclosure.
#[derive(Default)]
struct Prepared {
    /// Whether that is all, and the program has nothing to do.
    is_all: bool,
    made_up: Option<String>,
}

fn prepare(name: &str, call: &FileCall<'_>) -> Prepared {
    let is_there = |path: &&str| Path::new(path).exists();
    let is_large = |path: &&str| std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() > LARGE);
    let missing = |paths: &[&str]| paths.iter().find(|path| !is_there(path)).map(|path| format!("{path} is there"));
    let targets = call.targets.as_slice();
    match name {
        // Nobody but its owner has a file in an enclosure.
        "chown" => Prepared { is_all: true, made_up: missing(targets) },
        "chmod" => {
            let made_up = missing(targets);
            Prepared { is_all: made_up.is_some() || targets.iter().any(is_large), made_up }
        }
        "dd" => {
            put(targets);
            Prepared { is_all: true, made_up: folders(targets) }
        }
        "cp" | "install" | "mv" => {
            let made_up = if name == "mv" { None } else { missing(&call.sources).or_else(|| folders(targets)) };
            let is_all = !call.sources.iter().all(is_there) && name != "mv" || call.sources.iter().any(is_large);
            if is_all {
                put(targets);
            }
            if is_all && name == "mv" {
                call.sources.iter().for_each(|path| files::remove(Path::new(path)).may_fail("a folder stays"));
            }
            Prepared { is_all, made_up }
        }
        _ if UNPACKERS.contains(&name) => {
            put(targets);
            let is_kept =
                call.options.iter().any(|word| *word == "--keep" || word.starts_with('-') && word.contains('k'));
            let packed = call.sources.iter().filter(|_| !is_kept);
            packed.for_each(|path| files::remove(Path::new(path)).may_fail("it may not be there"));
            Prepared { is_all: true, made_up: None }
        }
        "mkdir" | "touch" | "ln" => {
            Prepared { is_all: name == "touch" && targets.iter().any(is_large), made_up: folders(targets) }
        }
        "rm" => {
            keep(targets);
            Prepared::default()
        }
        _ => Prepared::default(),
    }
}

/// How many files of those that are removed are kept, and how large one may be, in bytes.
const KEPT_MAX: (usize, u64) = (256, 1 << 20);

/// Keeps what the script wrote into files that it is about to remove, for a program may have read them.
fn keep(paths: &[&str]) {
    let cwd = std::env::current_dir().unwrap_or_default();
    let begin = std::fs::metadata(Path::new(enclosure::INSIDE).join("setting")).and_then(|meta| meta.modified());
    let Ok(begin) = begin else { return };
    let mut rest: Vec<PathBuf> = paths.iter().map(|path| files::whole(&cwd, Path::new(path))).collect();
    let mut kept = Vec::new();
    while let Some(path) = rest.pop().filter(|_| kept.len() < KEPT_MAX.0) {
        let Ok(meta) = path.symlink_metadata() else { continue };
        if meta.is_dir() {
            let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
            rest.extend(entries.map(|entry| entry.path()).take(KEPT_MAX.0));
        } else if meta.is_file() && meta.len() > 0 && meta.modified().is_ok_and(|time| time >= begin) {
            let content = files::read_within(&path, KEPT_MAX.1).ok();
            kept.push(Written { path: path.display().to_string(), mode: meta.mode() & 0o7777, content, is_gone: true });
        }
    }
    let file = OpenOptions::new().append(true).create(true).open(Path::new(enclosure::INSIDE).join(enclosure::REMOVED));
    file.and_then(|mut file| file.write_all(&journal::write_written(&kept)))
        .may_fail("what is removed is then not known");
}

/// Makes the folders of files where they are missing, and says so.
fn folders(paths: &[&str]) -> Option<String> {
    let parents = paths.iter().filter_map(|path| Path::new(path.trim_end_matches('/')).parent());
    let missing: Vec<&Path> = parents.filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()).collect();
    missing.iter().for_each(|folder| std::fs::create_dir_all(folder).may_fail("the script finds that it is not there"));
    missing.first().map(|folder| format!("the folder {} is there", folder.display()))
}

/// Has files be there whose content does not matter.
fn put(paths: &[&str]) {
    folders(paths);
    for path in paths {
        let made = OpenOptions::new().write(true).create_new(true).open(path);
        made.and_then(|mut file| file.write_all(sized::CONTENT)).may_fail("one that is there stays as it is");
    }
}

/// Has the program itself do it, and returns its status.
fn by_program(name: &str, argv: &[Vec<u8>]) -> Result<u8, Fault> {
    ended(name, argv, |command| command.spawn().and_then(|mut child| child.wait()))
}

/// Has the program itself do it with something that stands at its standard input, and returns its status.
fn by_program_with(name: &str, argv: &[Vec<u8>], input: &[u8]) -> Result<u8, Fault> {
    ended(name, argv, |command| {
        let mut child = command.stdin(Stdio::piped()).spawn()?;
        if let Some(mut pipe) = child.stdin.take() {
            pipe.write_all(input).may_fail("it may read less than there is");
        }
        child.wait()
    })
}

fn ended(
    name: &str,
    argv: &[Vec<u8>],
    run: impl FnOnce(&mut Command) -> std::io::Result<ExitStatus>,
) -> Result<u8, Fault> {
    let Some(program) = program(name) else {
        return Err(Fault::host(format!("`{name}` is not on this host")).hint("record where it is"));
    };
    let mut command = command(&program);
    command.arg0(name).args(argv.iter().skip(1).map(|arg| OsStr::from_bytes(arg)));
    let status = run(&mut command).map_err(io_fault("start", &program))?;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    Ok(u8::try_from(code).unwrap_or(1))
}

/// Returns where a program is that is none of our stand-ins.
fn program(name: &str) -> Option<PathBuf> {
    let kept = Path::new(enclosure::PROGRAMS_INSIDE).join(name);
    if kept.exists() {
        return Some(kept);
    }
    let us = std::env::current_exe().ok()?.canonicalize().ok()?;
    let path = env("PATH").unwrap_or_default();
    let usual = enclosure::usual_path();
    let folders = std::env::split_paths(&path).chain(std::env::split_paths(&usual)).collect::<Vec<_>>();
    folders.into_iter().map(|folder| folder.join(name)).find(|path| path.canonicalize().is_ok_and(|path| path != us))
}
