//! A child whose words are read until it ends: posix_spawn(3), with the environment of all children. std's own way copies the whole
//! environment for each of them where there is a secret that it must not see, which took a tenth of a start.

use super::environment;
use crate::model::Argv;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};

/// How much is read at once.
const CHUNK: usize = 8 << 10;

/// A child that was started.
pub(super) struct Child {
    pid: Pid,
    stdout: Option<File>,
    stderr: Option<File>,
}

/// How a child is started.
#[derive(Default)]
pub(super) struct Start<'a> {
    /// What is in the place of its standard input, if not /dev/null.
    pub(super) holds: Option<&'a File>,
    /// Whether it leads a process group of its own.
    pub(super) is_apart: bool,
    /// The folder in which it runs, if not ours.
    pub(super) folder: Option<&'a Path>,
}

impl Child {
    /// Starts a program that is found along PATH.
    ///
    /// # Errors
    ///
    /// Those of pipe(2), posix_spawn(3) and execve(2).
    pub(super) fn start(argv: &Argv, start: &Start<'_>) -> io::Result<Self> {
        match start.folder {
            None => Self::here(argv, start),
            // posix_spawn(3) of nix knows no folder.
            Some(folder) => Self::there(argv, start, folder),
        }
    }

    fn here(argv: &Argv, start: &Start<'_>) -> io::Result<Self> {
        const INPUT: i32 = 0;
        let text = |text: &String| CString::new(text.as_bytes()).map_err(|_| ErrorKind::InvalidInput);
        let program = text(&argv.program)?;
        let rest = argv.args.iter().map(text).collect::<Result<Vec<_>, _>>()?;
        let words: Vec<&CString> = std::iter::once(&program).chain(&rest).collect();
        let (stdout, output) = io::pipe()?;
        let (stderr, error) = io::pipe()?;
        let mut files = PosixSpawnFileActions::init()?;
        match start.holds {
            Some(file) => files.add_dup2(file.as_raw_fd(), INPUT)?,
            None => files.add_open(INPUT, "/dev/null", OFlag::O_RDONLY, Mode::empty())?,
        }
        files.add_dup2(output.as_raw_fd(), 1)?;
        files.add_dup2(error.as_raw_fd(), 2)?;
        let pid = posix_spawnp(&program, &files, &attributes(start.is_apart)?, &words, environment::of_children())?;
        Ok(Self {
            pid,
            stdout: Some(File::from(OwnedFd::from(stdout))),
            stderr: Some(File::from(OwnedFd::from(stderr))),
        })
    }

    fn there(argv: &Argv, start: &Start<'_>, folder: &Path) -> io::Result<Self> {
        let mut command = environment::command(&argv.program);
        let stdin = start.holds.and_then(|file| file.try_clone().ok()).map_or_else(Stdio::null, Stdio::from);
        command.args(&argv.args).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).current_dir(folder);
        if start.is_apart {
            command.process_group(0);
        }
        let mut child = command.spawn()?;
        let pid = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
        let file = |fd: OwnedFd| File::from(fd);
        let stdout = child.stdout.take().map(OwnedFd::from).map(file);
        Ok(Self { pid, stdout, stderr: child.stderr.take().map(OwnedFd::from).map(file) })
    }

    /// Returns its standard output, which [`Self::finish`] does not read then.
    pub(super) fn take_output(&mut self) -> Option<File> {
        self.stdout.take()
    }

    /// Reads what it says until it has ended, and whoever else has its standard output and error.
    ///
    /// # Errors
    ///
    /// Those of poll(2), read(2) and waitpid(2).
    pub(super) fn finish(self) -> io::Result<Output> {
        let [stdout, stderr] = read([self.stdout, self.stderr])?;
        Ok(Output { status: status(self.pid)?, stdout, stderr })
    }
}

/// What a child of std's has too: it hears of a pipe that nobody reads, which we do not.
fn attributes(is_apart: bool) -> nix::Result<PosixSpawnAttr> {
    let mut attributes = PosixSpawnAttr::init()?;
    let mut flags = PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF;
    let mut default = SigSet::empty();
    default.add(Signal::SIGPIPE);
    attributes.set_sigdefault(&default)?;
    if is_apart {
        attributes.set_pgroup(Pid::from_raw(0))?;
        flags |= PosixSpawnFlags::POSIX_SPAWN_SETPGROUP;
    }
    attributes.set_flags(flags)?;
    Ok(attributes)
}

/// Reads pipes to their ends, each as it has something.
fn read<const N: usize>(mut pipes: [Option<File>; N]) -> io::Result<[Vec<u8>; N]> {
    let mut said = [const { Vec::new() }; N];
    let mut chunk = [0; CHUNK];
    loop {
        let open = |pipe: &Option<File>| pipe.is_some();
        if !pipes.iter().any(open) {
            return Ok(said);
        }
        let ready = ready(&pipes)?;
        for ((pipe, said), _) in pipes.iter_mut().zip(&mut said).zip(ready).filter(|(_, is_ready)| *is_ready) {
            match pipe.as_mut().map_or(Ok(0), |pipe| pipe.read(&mut chunk)) {
                Ok(0) => *pipe = None,
                Ok(count) => said.extend_from_slice(chunk.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Waits until one of the pipes has something or is at its end, and says which.
fn ready<const N: usize>(pipes: &[Option<File>; N]) -> io::Result<[bool; N]> {
    let mut fds: Vec<PollFd<'_>> =
        pipes.iter().flatten().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)).collect();
    loop {
        match poll(&mut fds, PollTimeout::NONE) {
            Err(Errno::EINTR) => {}
            done => break done.map(drop)?,
        }
    }
    let mut all = fds.iter().map(|fd| fd.any().unwrap_or_default());
    Ok(std::array::from_fn(|at| pipes.get(at).is_some_and(Option::is_some) && all.next().unwrap_or_default()))
}

/// Waits for the end of a child.
fn status(pid: Pid) -> io::Result<ExitStatus> {
    const CORE: i32 = 0x80;
    loop {
        match waitpid(pid, None) {
            Ok(WaitStatus::Exited(_, code)) => return Ok(ExitStatus::from_raw(code << 8)),
            Ok(WaitStatus::Signaled(_, signal, core)) => {
                return Ok(ExitStatus::from_raw(signal as i32 | if core { CORE } else { 0 }));
            }
            // It is not asked for a child that is stopped.
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Argv {
        Argv::new("sh").args(["-c", script])
    }

    fn ended(script: &str, start: &Start<'_>) -> (Option<i32>, Option<i32>, String, String) {
        let output = Child::start(&sh(script), start).unwrap().finish().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), output.status.signal(), text(output.stdout), text(output.stderr))
    }

    #[test]
    fn a_child_says_what_it_says_and_how_it_ended() {
        let here = Start::default();
        assert_eq!(ended("echo a; echo b >&2; exit 3", &here), (Some(3), None, "a\n".into(), "b\n".into()));
        assert_eq!(ended("kill -TERM $$", &here), (None, Some(15), String::new(), String::new()));
        // It has nothing to read, hears of a pipe that nobody reads, and is in our process group.
        assert_eq!(ended("cat; kill -PIPE $$", &here), (None, Some(13), String::new(), String::new()));
        #[cfg(target_os = "linux")]
        {
            let group = |start: &Start<'_>| ended("set -- $(cut -d' ' -f5 /proc/$$/stat); test $1 = $$", start).0;
            assert_eq!((group(&here), group(&Start { is_apart: true, ..Start::default() })), (Some(1), Some(0)));
        }
        let (folder, file) = (tempfile::tempdir().unwrap(), tempfile::tempfile().unwrap());
        let there = Start { holds: Some(&file), is_apart: true, folder: Some(folder.path()) };
        let path = folder.path().canonicalize().unwrap();
        assert_eq!(ended("pwd -P; cat", &there), (Some(0), None, format!("{}\n", path.display()), String::new()));
    }

    #[test]
    fn both_of_what_it_says_are_read_however_much_it_is() {
        let script = "head -c 300000 /dev/zero | tr '\\0' e >&2; head -c 300000 /dev/zero | tr '\\0' o";
        let (code, _, stdout, stderr) = ended(script, &Start::default());
        assert_eq!((code, stdout == "o".repeat(300_000), stderr == "e".repeat(300_000)), (Some(0), true, true));
    }

    #[test]
    fn what_cannot_be_started_is_told_as_std_tells_it() {
        let kind = |argv: Argv| Child::start(&argv, &Start::default()).err().map(|error| error.kind());
        let folder = tempfile::tempdir().unwrap();
        let told = ["no-such-program", folder.path().to_str().unwrap(), "a\0b"].map(|name| kind(Argv::new(name)));
        assert_eq!(told, [ErrorKind::NotFound, ErrorKind::PermissionDenied, ErrorKind::InvalidInput].map(Some));
        assert_eq!(kind(Argv::new("true").arg("a\0b")), Some(ErrorKind::InvalidInput));
    }
}
