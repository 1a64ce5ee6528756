//! What the stand-in of a watched program does: it has the program do what it is called for, and looks what that changes.

use super::BEGUN;
use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::host::enclosure::{self, INSIDE, PROGRAMS_INSIDE, changes};
use crate::host::environment::{command, env};
use crate::host::files::{self, io_fault};
use crate::recording::watched::Watched;
use crate::recording::{Answer, journal};
use nix::fcntl::{OFlag, SpliceFFlags, tee};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{Whence, lseek};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};

/// How long whoever fills a pipe may take to have filled it, in milliseconds.
const FILLING: u16 = 200;

/// The most that is kept of what a program reads, in bytes.
const HEARD_MAX: usize = 1 << 16;

/// What became of a call.
pub(super) enum Outcome {
    /// It changed nothing, or what it called did: it ended with this status.
    Told(u8),
    /// It changed something, or failed, as it may not on another host.
    Acted { watched: Watched, heard: String, made_up: Option<String> },
}

/// Has a watched program do what it is called for, which is known by these words, and only reads or not.
pub(super) fn watch(
    folder: &Path,
    own: &[String],
    only_reads: bool,
    argv: &[Vec<u8>],
    carriers: &str,
) -> Result<Outcome, Fault> {
    let called = argv.first().map(|arg| String::from_utf8_lossy(arg).into_owned()).unwrap_or_default();
    let name = own.first().map_or("", String::as_str);
    let Some(program) = program(&called, name) else {
        return Err(Fault::host(format!("`{name}` is not on this host")).hint("record where it is"));
    };
    let mut command = command(&program);
    let words = spelled(name, argv.get(1..).unwrap_or_default());
    command.arg0(&called).args(words.iter().map(|arg| OsStr::from_bytes(arg)));
    // It would leave what it has compiled beside its modules.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    if only_reads {
        return Err(io_fault("start", &program)(command.exec()));
    }
    let begun = Begun::note(folder, own, carriers);
    let (before, calls) = (changes(), length(folder));
    let input = Input::look();
    let mut child = command.spawn().map_err(io_fault("start", &program))?;
    let number = child.id();
    let status = child.wait().map_err(io_fault("wait for", &program))?;
    drop(begun);
    let status = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    let status = u8::try_from(status).unwrap_or(1);
    if has_called(folder, calls, number) {
        return Ok(Outcome::Told(status));
    }
    let after = changes();
    let new = after.iter().filter(|(path, stamp)| before.get(*path) != Some(stamp));
    let changed: Vec<String> = new.map(|(path, _)| path.display().to_string()).collect();
    if changed.is_empty() && status == 0 {
        return Ok(Outcome::Told(0));
    }
    let (mut watched, heard) = input.end();
    watched.changed = changed;
    watched.output = output().unwrap_or_default();
    let made_up = (status != 0).then(|| format!("`{name}`, which fails where it is recorded, succeeds"));
    Ok(Outcome::Acted { watched, heard, made_up })
}

/// Returns arguments as a program of this host has them: FreeBSD's sed(1) takes the end of a copy's name, which may be empty, as a word of its own
/// behind `-i` or `-I`.
fn spelled(name: &str, args: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut spelled = args.to_vec();
    let option = spelled.iter().position(|arg| ["-i", "-I"].map(str::as_bytes).contains(&arg.as_slice()));
    if let (true, Some(at)) = (["gsed", "sed"].contains(&name), option) {
        let is_end = |word: &[u8]| match word {
            [] => true,
            [b'.', rest @ ..] => !rest.is_empty() && rest.iter().all(u8::is_ascii_alphanumeric),
            _ => false,
        };
        let end =
            if spelled.get(at + 1).is_some_and(|word| is_end(word)) { spelled.remove(at + 1) } else { Vec::new() };
        spelled[at] = [b"-i", end.as_slice()].concat();
    }
    spelled
}

/// Returns what is known of a call that is answered and not done.
pub(super) fn unwatched() -> Watched {
    Watched { output: output().unwrap_or_default(), ..Watched::default() }
}

/// A file that tells of a call that has not ended. Dropping it takes it away.
struct Begun(PathBuf);

impl Begun {
    fn note(folder: &Path, argv: &[String], carriers: &str) -> Self {
        let path = folder.join(format!("{BEGUN}{}", std::process::id()));
        let cwd = std::env::current_dir().unwrap_or_default();
        let answer = Answer { carriers: carriers.into(), pid: std::process::id(), ..Answer::default() };
        let bytes = journal::write_call(argv, cwd.as_os_str().as_bytes(), &answer);
        files::write_private(&path, &bytes).may_fail("another user's script has no such files");
        Self(path)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        files::remove(&self.0).may_fail("it may not have been written");
    }
}

fn length(folder: &Path) -> usize {
    std::fs::metadata(folder.join("journal")).map_or(0, |meta| usize::try_from(meta.len()).unwrap_or(usize::MAX))
}

/// Whether a process, or one that it started, has called a stand-in since the journal had a length.
fn has_called(folder: &Path, length: usize, process: u32) -> bool {
    let bytes = std::fs::read(folder.join("journal")).unwrap_or_default();
    let (calls, _) = journal::read_calls(bytes.get(length..).unwrap_or_default());
    calls.iter().any(|call| call.parent >= process)
}

/// What stands at our standard input before a program reads it.
enum Input {
    /// It is none that a recipe could have.
    None,
    /// A file, and up to where it was read.
    File(File, u64),
    /// A pipe, with what is in it, and whether that is all.
    Pipe(Vec<u8>, bool),
}

impl Input {
    fn look() -> Self {
        let stdin = io::stdin();
        let Ok(file) = stdin.as_fd().try_clone_to_owned().map(File::from) else { return Self::None };
        let Ok(kind) = file.metadata().map(|meta| meta.file_type()) else { return Self::None };
        if kind.is_file() {
            let at = lseek(&file, 0, Whence::SeekCur).ok().and_then(|at| u64::try_from(at).ok());
            return at.map_or(Self::None, |at| Self::File(file, at));
        }
        if !kind.is_fifo() {
            return Self::None;
        }
        // Nobody writes into it any more where it is a document of the shell's, and soon where it is another program's.
        let mut fds = [PollFd::new(file.as_fd(), PollFlags::empty())];
        let is_all = poll(&mut fds, PollTimeout::from(FILLING)).is_ok_and(|count| count > 0);
        Self::Pipe(peek(&file), is_all)
    }

    /// Returns what a program has read that has ended.
    fn end(self) -> (Watched, String) {
        let mut watched = Watched::default();
        let mut heard = Vec::new();
        match self {
            Self::None => {}
            Self::File(file, before) => {
                let after = lseek(&file, 0, Whence::SeekCur).ok().and_then(|at| u64::try_from(at).ok());
                let path = path_of(0).filter(|path| path.exists());
                match path {
                    _ if after == Some(before) => {}
                    Some(path) if before == 0 => watched.input = path.display().to_string(),
                    _ => {
                        heard = vec![0; HEARD_MAX];
                        let count = file.read_at(&mut heard, before).unwrap_or_default();
                        heard.truncate(count);
                    }
                }
            }
            Self::Pipe(before, is_all) => {
                let left = peek(io::stdin().as_fd());
                if left != before {
                    watched.is_fed = !is_all;
                    heard = before;
                }
            }
        }
        if watched.is_fed {
            heard.clear();
        }
        (watched, String::from_utf8_lossy(&heard).into_owned())
    }
}

/// Returns what is in a pipe, and leaves it there.
fn peek(pipe: impl std::os::fd::AsFd) -> Vec<u8> {
    let mut bytes = Vec::new();
    let Ok((mut reader, writer)) = io::pipe() else { return bytes };
    let count = tee(pipe, &writer, HEARD_MAX, SpliceFFlags::SPLICE_F_NONBLOCK);
    drop(writer);
    if count.is_ok() {
        reader.read_to_end(&mut bytes).may_fail("what came until it failed is what came");
    }
    bytes
}

/// Returns the file into which our standard output goes, after `>` or `>>`.
fn output() -> Option<String> {
    let path = path_of(1).filter(|path| path.is_file())?;
    // As proc(5) has them: `flags:	0102001`, in octal.
    let told = std::fs::read_to_string("/proc/self/fdinfo/1").ok()?;
    let flags = told.lines().find_map(|line| i32::from_str_radix(line.strip_prefix("flags:")?.trim(), 8).ok())?;
    let sign = if OFlag::from_bits_truncate(flags).contains(OFlag::O_APPEND) { ">>" } else { ">" };
    Some(format!("{sign} {}", path.display()))
}

fn path_of(descriptor: u32) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/self/fd/{descriptor}")).ok()
}

/// How many links may lead to a program.
const LINKS_MAX: usize = 16;

/// Returns where a program is in whose place its stand-in is.
fn program(called: &str, name: &str) -> Option<PathBuf> {
    let usual = enclosure::usual_path();
    let path = env("PATH").unwrap_or_default();
    let own = Path::new(called).parent().filter(|_| called.contains('/')).map(Path::to_path_buf);
    let folders = own.into_iter().chain(std::env::split_paths(&path)).chain(std::env::split_paths(&usual));
    let mut folders =
        folders.filter_map(|folder| folder.canonicalize().ok()).filter(|folder| !folder.starts_with(INSIDE));
    let mut at = folders.find(|folder| kept(&folder.join(name)).symlink_metadata().is_ok())?.join(name);
    for _ in 0..LINKS_MAX {
        let Ok(to) = std::fs::read_link(kept(&at)) else { return Some(kept(&at)) };
        let to = at.parent()?.join(to);
        let folder = to.parent()?.canonicalize().ok()?;
        at = folder.join(to.file_name()?);
    }
    None
}

/// Returns where the host's own file is, if a stand-in may be in its place.
fn kept(path: &Path) -> PathBuf {
    let kept = Path::new(PROGRAMS_INSIDE).join(path.strip_prefix("/").unwrap_or(path));
    if kept.symlink_metadata().is_ok() { kept } else { path.to_path_buf() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sed_is_called_as_the_one_of_this_host_is() {
        let shown = |name: &str, words: &[&str]| {
            let args: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
            spelled(name, &args)
                .iter()
                .map(|arg| String::from_utf8_lossy(arg).into_owned())
                .collect::<Vec<_>>()
                .join("|")
        };
        assert_eq!(shown("sed", &["-i", "", "s/a/b/", "f"]), "-i|s/a/b/|f");
        assert_eq!(shown("sed", &["-E", "-I", ".bak", "-e", "p", "f"]), "-E|-i.bak|-e|p|f");
        assert_eq!(shown("sed", &["-i", "s/a/b/", "f"]), "-i|s/a/b/|f");
        assert_eq!((shown("sed", &["-n", "p"]), shown("jq", &["-i", ""])), ("-n|p".into(), "-i|".into()));
    }
}
