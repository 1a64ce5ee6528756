//! What a stand-in does when it is called.

use super::done::{Done, have_done};
#[cfg(target_os = "linux")]
use super::watched::Outcome;
use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::host::enclosure::{self, VARIABLE};
use crate::host::environment::{command, env};
use crate::host::files::{self, io_fault, read_text};
use crate::host::wait;
use crate::recording::watched::{Watched, is_reader};
use crate::recording::{
    Answer, CARRIERS, Call, NAMES, Scenario, World, base_name, carried, daemons, download, fed, file_programs,
    jailed::jailed, journal, sized, supervised,
};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{IsTerminal as _, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

/// How long a stand-in waits to be ended after it rang, in milliseconds.
const PATIENCE: u16 = 30_000;

/// Plays the program by whose name this one was called, if a recording is going on. Nothing if this is vmrun itself.
///
/// A carrier whose command has no stand-in becomes that command, without what the carrier would have given it.
pub(crate) fn play() -> Option<Result<Answer, Fault>> {
    #[expect(clippy::disallowed_methods, reason = "this is the door, and a folder may have any name")]
    let folder = std::env::var_os(VARIABLE).map(PathBuf::from);
    let argv: Vec<Vec<u8>> = std::env::args_os().map(OsStringExt::into_vec).collect();
    let words: Vec<String> = argv.iter().map(|arg| String::from_utf8_lossy(arg).into_owned()).collect();
    let name = base_name(words.first()?);
    let is_known = NAMES.contains(&name) || CARRIERS.contains(&name);
    if name == US || !is_known && folder.is_none() && enclosure::recording().is_none() {
        return None;
    }
    // `env -i` takes the variable away, and the enclosure stays.
    let folder = folder.or_else(enclosure::recording)?;
    if !is_known && !has_program(&folder, name) && !is_watched(&folder, name) {
        return None;
    }
    if CARRIERS.contains(&name) {
        return Some(carry(&folder, name, argv, &words));
    }
    Some(answer(&folder, name, argv))
}

/// The name of vmrun itself, which a script may call.
const US: &str = "vmrun";

/// Whether a program of this name is one that the host lacks, and that has a stand-in for this recording.
fn has_program(folder: &Path, name: &str) -> bool {
    let setting = std::fs::read(folder.join("setting")).ok().and_then(|bytes| journal::read_scenario(&bytes));
    setting.is_some_and(|setting| setting.programs.iter().any(|program| program == name))
}

/// Whether a program is one of this host that is watched.
fn is_watched(folder: &Path, name: &str) -> bool {
    let setting = std::fs::read(folder.join("setting")).ok().and_then(|bytes| journal::read_scenario(&bytes));
    setting.is_some_and(|setting| setting.watched.has(name))
}

/// Plays a carrier: answers for the command that it carries, or becomes it.
fn carry(folder: &Path, name: &str, mut argv: Vec<Vec<u8>>, words: &[String]) -> Result<Answer, Fault> {
    let Some(rest) = carried(words) else {
        return match name {
            // Nothing runs in a terminal that a script only asks for.
            "tmux" | "screen" => {
                let asks =
                    words.iter().any(|word| ["has-session", "has", "-ls", "-list", "ls"].contains(&word.as_str()));
                Ok(Answer { status: asks.into(), ..Answer::default() })
            }
            "abduco" | "cpuset" | "dtach" | "env" | "idprio" | "limits" | "lockf" | "nice" | "protect" | "rtprio" => {
                Ok(Answer::default())
            }
            _ => {
                let fault = Fault::host(format!("`{name}` is recorded only with a command after it"));
                Err(fault.hint("let the script call the command itself"))
            }
        };
    };
    let own = supervised(words).map_or_else(|| name.to_string(), |seconds| format!("daemon -r={seconds}"));
    let carriers = [carriers(), own].join(" ").trim().to_string();
    if rest.is_line {
        let line = rest.words.first().map(|line| line.replace("\\n", "\n")).unwrap_or_default();
        return Err(become_command(&[b"sh".to_vec(), b"-c".to_vec(), line.into_bytes()], &[], &carriers));
    }
    let variables: Vec<Vec<u8>> = argv
        .drain(..argv.len().saturating_sub(rest.words.len()))
        .skip(1)
        .filter(|word| ["env", "sudo"].contains(&name) && word.contains(&b'='))
        .collect();
    let command = rest.words.first().map(|word| base_name(word)).unwrap_or_default();
    if NAMES.contains(&command) || has_program(folder, command) {
        answer_by(folder, command, argv, &carriers)
    } else {
        Err(become_command(&argv, &variables, &carriers))
    }
}

/// Becomes a command; returns only if that cannot be done.
fn become_command(argv: &[Vec<u8>], variables: &[Vec<u8>], carriers: &str) -> Fault {
    let mut words = argv.iter().map(|arg| OsStr::from_bytes(arg));
    let program = words.next().unwrap_or_default();
    // Its stand-in, also where it is named by its path.
    let is_carrier = CARRIERS.contains(&base_name(&program.to_string_lossy()));
    let program = if is_carrier { Path::new(program).file_name().unwrap_or(program) } else { program };
    let mut command = command(program);
    command.args(words).env(CARRIED, carriers);
    for variable in variables {
        if let Some(at) = variable.iter().position(|byte| *byte == b'=')
            && let (name, [_, value @ ..]) = variable.split_at(at)
            && name != b"PATH"
        {
            command.env(OsStr::from_bytes(name), OsStr::from_bytes(value));
        }
    }
    let why = command.exec();
    io_fault("start", Path::new(program))(why)
}

/// The variable that names the carriers to what they run.
const CARRIED: &str = "VMRUN_CARRIED";

fn carriers() -> String {
    env(CARRIED).unwrap_or_default()
}

fn answer(folder: &Path, name: &str, argv: Vec<Vec<u8>>) -> Result<Answer, Fault> {
    answer_by(folder, name, argv, &carriers())
}

/// Answers a call and appends it to the journal.
fn answer_by(folder: &Path, name: &str, mut argv: Vec<Vec<u8>>, carriers: &str) -> Result<Answer, Fault> {
    let words: Vec<String> = argv.iter().map(|arg| String::from_utf8_lossy(arg).into_owned()).collect();
    if let Some(boot) = jailed(&words) {
        let argv = boot.argv.into_iter().map(String::into_bytes).collect();
        return answer_by(folder, "bhyve", argv, format!("{carriers} {}", boot.carrier).trim());
    }
    let over = |_| Fault::host(format!("`{name}` is called after the end of its recording, and does nothing"));
    let setting = std::fs::read(folder.join("setting")).map_err(over)?;
    let setting = journal::read_scenario(&setting).unwrap_or_default();
    // Before the lock: it may take a while, and whoever writes to a loader may call a stand-in first.
    let own: Vec<String> = std::iter::once(name.into()).chain(words.into_iter().skip(1)).collect();
    let before = match watch(folder, &own, is_reader(&own), &argv, carriers, &setting)? {
        Some(Watching::Told(status)) => return Ok(Answer { status, ..Answer::default() }),
        Some(Watching::Acted(before)) => Some(*before),
        None => None,
    };
    // It may be called by its path.
    if let Some(program) = argv.first_mut() {
        *program = name.into();
    }
    let words: Vec<String> = argv.iter().map(|arg| String::from_utf8_lossy(arg).into_owned()).collect();
    let before = match before {
        Some(before) => before,
        None => before_the_lock(name, &argv, &words, &setting)?,
    };
    let mut file = OpenOptions::new().read(true).write(true).open(folder.join("journal")).map_err(over)?;
    file.lock().map_err(over)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(over)?;
    let (calls, length) = journal::read_calls(&bytes);
    let cwd = std::env::current_dir().unwrap_or_default();
    let cwd = cwd.as_os_str().as_bytes();
    let call = Call::new(&argv, cwd, &Answer::default());
    if let Some(fault) = beyond(&setting, &calls, &call) {
        drop(file);
        ring(folder);
        return Err(fault);
    }
    let mut world = World::new(&setting);
    for call in &calls {
        world.call(&call.argv);
    }
    let carriers = if is_in_background() { format!("{carriers} &").trim().into() } else { carriers.into() };
    let (pid, parent) = (std::process::id(), std::os::unix::process::parent_id());
    let umask = Some(files::umask());
    let answer = before.put_into(Answer { pid, parent, umask, carriers, ..world.call(&call.argv) });
    // Whoever was killed while it wrote has left half a call.
    let bytes = journal::write_call(&argv, cwd, &answer);
    let end = length as u64;
    let written = file.set_len(end).and_then(|()| file.seek(SeekFrom::Start(end))).and_then(|_| file.write_all(&bytes));
    written.map_err(io_fault("write", &folder.join("journal")))?;
    make_files(&words);
    Ok(answer)
}

/// Returns the fault of a call that is one too many.
fn beyond(setting: &Scenario, calls: &[Call], call: &Call) -> Option<Fault> {
    if calls.len() >= setting.limit {
        return Some(Fault::host("there were too many calls"));
    }
    let machine = call.boots()?;
    let boots = calls.iter().filter(|earlier| earlier.boots() == Some(machine)).count();
    (boots >= setting.boots_max).then(|| Fault::host("there were too many boots"))
}

/// What a stand-in learns before it answers.
#[derive(Default)]
struct BeforeTheLock {
    heard: String,
    map: String,
    done: Option<Done>,
    watched: Option<Watched>,
}

/// What the stand-in of a watched program learns.
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only an enclosure has watched programs"))]
enum Watching {
    /// It told the script something, and ended with this status.
    Told(u8),
    /// It is a call like others.
    Acted(Box<BeforeTheLock>),
}

/// Has a watched program do what it is called for; nothing where it is none, or has an answer.
#[cfg(target_os = "linux")]
fn watch(
    folder: &Path,
    words: &[String],
    only_reads: bool,
    argv: &[Vec<u8>],
    carriers: &str,
    setting: &Scenario,
) -> Result<Option<Watching>, Fault> {
    let name = words.first().map_or("", String::as_str);
    let is_said = setting.answers.iter().any(|prepared| prepared.words == [name] || prepared.words == words);
    if is_said && setting.watched.has(name) {
        let watched = Some(super::watched::unwatched());
        return Ok(Some(Watching::Acted(Box::new(BeforeTheLock { watched, ..BeforeTheLock::default() }))));
    }
    if is_said || !setting.watched.has(name) || setting.programs.iter().any(|program| program == name) {
        return Ok(None);
    }
    Ok(Some(match super::watched::watch(folder, words, only_reads, argv, carriers)? {
        Outcome::Told(status) => Watching::Told(status),
        Outcome::Acted { watched, heard, made_up } => {
            let done = Some(Done { made_up, ..Done::default() });
            let watched = Some(watched);
            Watching::Acted(Box::new(BeforeTheLock { heard, done, watched, ..BeforeTheLock::default() }))
        }
    }))
}

/// Only an enclosure has watched programs.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "it is called as the one of an enclosure")]
const fn watch(
    _: &Path,
    _: &[String],
    _: bool,
    _: &[Vec<u8>],
    _: &str,
    _: &Scenario,
) -> Result<Option<Watching>, Fault> {
    Ok(None)
}

fn before_the_lock(name: &str, argv: &[Vec<u8>], words: &[String], setting: &Scenario) -> Result<BeforeTheLock, Fault> {
    let is_said = setting.answers.iter().any(|prepared| prepared.words == [name] || prepared.words == words);
    let done = if is_done(name) && !is_said { Some(have_done(name, argv, words)?) } else { None };
    let (read, watched) =
        done.as_ref().map_or_else(Default::default, |done| (done.heard.clone(), done.watched.clone()));
    let heard = if name == "grub-bhyve" || fed::reads_input(words) { heard() } else { read };
    let map = match name {
        "grub-bhyve" => file_of(argv, b"-m"),
        "bhyve" => files_of(argv, b"-k").join("\0"),
        _ => String::new(),
    };
    Ok(BeforeTheLock { heard, map, done, watched })
}

impl BeforeTheLock {
    fn put_into(self, answer: Answer) -> Answer {
        let answer = Answer { heard: self.heard, map: self.map, watched: self.watched, ..answer };
        match self.done {
            Some(Done { status, made_up, reads, output, .. }) => Answer { status, output, reads, made_up, ..answer },
            None => answer,
        }
    }
}

/// Whether what a program does is done, in the enclosure or on this host.
fn is_done(name: &str) -> bool {
    file_programs::is_one(name) || ["date", "mktemp", "sleep"].contains(&name)
}

/// Whether a shell runs this in the background (`&`): what a script runs so ignores SIGINT (2) and SIGQUIT (3) (POSIX.1-2024, XCU 2.11). It is
/// seen where proc(5) says so, which is on Linux.
fn is_in_background() -> bool {
    const BOTH: u64 = 1 << (2 - 1) | 1 << (3 - 1);
    let status = read_text(Path::new("/proc/self/status")).unwrap_or_default();
    let ignored = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    ignored.is_some_and(|ignored| ignored & BOTH == BOTH)
}

/// Makes the files that a call would make, for the script to go on with. One that is there stays as it is.
fn make_files(words: &[String]) {
    const WHY: &str = "one that is there stays as it is, and one that cannot be made is the script's to find";
    let new = |path: &str| {
        // It has said that it has made it: where the script works the folder is there.
        let folder = Path::new(path).parent().filter(|_| enclosure::recording().is_some());
        folder.map_or(Ok(()), std::fs::create_dir_all).may_fail(WHY);
        OpenOptions::new().write(true).create_new(true).open(path)
    };
    if let Some(file) = download::file(words) {
        new(&file).may_fail(WHY);
    }
    if let Some(path) = daemons::process_file(words).filter(|_| enclosure::recording().is_some()) {
        new(path).and_then(|mut file| file.write_all(daemons::PROCESS)).may_fail(WHY);
    }
    if let Some(socket) = daemons::socket(words).filter(|_| enclosure::recording().is_some()) {
        UnixListener::bind(socket).may_fail(WHY);
    }
    for path in sized::files(words).into_iter().filter(|_| enclosure::recording().is_some()) {
        new(path).and_then(|mut file| file.write_all(sized::CONTENT)).may_fail(WHY);
    }
}

/// The most that is kept of what a loader reads, in bytes.
const HEARD_MAX: u64 = 1 << 16;

/// Returns what stands at our standard input, unless that is a terminal.
fn heard() -> String {
    let mut bytes = Vec::new();
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        stdin.lock().take(HEARD_MAX).read_to_end(&mut bytes).may_fail("what came until it failed is what came");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns the text of the file that an option names first; nothing if it cannot be read.
fn file_of(argv: &[Vec<u8>], option: &[u8]) -> String {
    files_of(argv, option).into_iter().next().unwrap_or_default()
}

/// Returns the texts of the files that an option names, each time that it is there; an empty one where it cannot be read.
fn files_of(argv: &[Vec<u8>], option: &[u8]) -> Vec<String> {
    let paths = argv.iter().enumerate().filter_map(|(at, word)| match word.strip_prefix(option)? {
        [] => argv.get(at + 1).map(Vec::as_slice),
        joined => Some(joined),
    });
    paths.map(|path| read_text(Path::new(OsStr::from_bytes(path))).unwrap_or_default()).collect()
}

/// Rings the bell, and waits to be ended: until nobody listens any more.
fn ring(folder: &Path) {
    if let Ok(mut bell) = OpenOptions::new().write(true).custom_flags(nix::libc::O_NONBLOCK).open(folder.join("bell"))
        && bell.write_all(b"!").is_ok()
    {
        let mut fds = [PollFd::new(bell.as_fd(), PollFlags::empty())];
        wait::for_any(&mut fds, PollTimeout::from(PATIENCE));
    }
}
