//! A machine's permit on a host: the helper that guards it, and what that answers whoever asks how the permit stands.
//!
//! The guard is a process of its own, so that there is somebody to end the guest where vmrun was killed or hangs; it answers at a
//! socket, so that no disk has to work for it to be heard.

use super::Settings;
use super::clock;
use super::files::{io_fault, remove};
use super::spawn;
use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::model::permit::{Permit, PermitState};
use crate::model::{Argv, Helper, VmName};
use nix::poll::PollTimeout;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect};
use nix::sys::stat::{Mode, umask};
use nix::unistd::AccessFlags;
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What the helper is called.
pub(crate) const NAME: &str = "permit";

/// How long its answer is waited for: whoever asks has a guest to look after.
const ANSWERS_WITHIN: Duration = Duration::from_millis(100);

/// How many milliseconds it is waited after somebody could not be let in.
const PAUSE_MS: u8 = 50;

/// The longest answer, in bytes.
const ANSWER_MAX: u64 = 1024;

/// Returns the socket at which the guard of a machine's permit answers.
pub(crate) fn socket(settings: &Settings, machine: &VmName) -> PathBuf {
    settings.machine_folder(machine).join("permit.sock")
}

/// Returns the helper that guards the permit of a machine.
pub(crate) fn helper(permit: &Permit, machine: &VmName, settings: &Settings) -> Result<Helper, Fault> {
    let socket = socket(settings, machine);
    let time = |key: &str, time: Duration| format!("--{key}={}ms", time.as_millis());
    let mut argv = Argv::new("vmrun").arg("permit-guard").arg(format!("--machine={machine}"));
    argv = argv.arg(format!("--listen={}", socket.display()));
    argv = argv.args([time("ttl", permit.ttl), time("within", permit.within), time("every", permit.every)]);
    argv = argv.args(permit.ready.iter().map(|ready| format!("--ready={ready}")));
    argv = argv.args(permit.fenced.iter().map(|host| format!("--fenced={host}")));
    argv = argv.args(permit.reservation.iter().map(|path| format!("--reservation={}", path.display())));
    for (key, command) in [("acquire", &permit.acquire), ("keep", &permit.keep)] {
        argv = argv.args(command.iter().flat_map(Argv::words).map(|word| format!("--{key}={word}")));
    }
    let helper = Helper::new(NAME, argv)?;
    let within = permit.wait;
    Ok(Helper { socket: Some(socket), within, is_fatal: true, is_ours: true, is_permit: true, ..helper })
}

/// Returns the socket of a guard by its command line.
pub(crate) fn socket_of(command: &str) -> Option<PathBuf> {
    let (_, rest) = command.split_once(" --listen=")?;
    rest.split_once(" --ttl=").map(|(socket, _)| socket.into())
}

/// Returns the machine of a guard and where the record of its reservation stands, by the guard's command; nothing where it has none.
pub(crate) fn reservation_of(command: &str) -> Option<(VmName, PathBuf)> {
    let (_, rest) = command.split_once(" --machine=")?;
    let machine = rest.split(' ').next()?.parse().ok()?;
    rest.split_once(" --reservation=").map(|(_, path)| (machine, path.into()))
}

/// What a guard answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PermitAnswer {
    /// Since when the permit is held, or was, in seconds of 1970.
    pub since: u64,
    /// How much time the guest is left with when a permit that is not renewed is given up.
    pub margin: Duration,
    /// How it stands.
    pub state: PermitState,
}

impl PermitAnswer {
    fn line(&self) -> String {
        let (since, margin) = (self.since, self.margin.as_millis());
        match &self.state {
            PermitState::Wanted => format!("wanted {since} {margin} 0\n"),
            PermitState::Held { left } => format!("held {since} {margin} {}\n", left.as_millis()),
            PermitState::Lost { left, why } => format!("lost {since} {margin} {} {why}\n", left.as_millis()),
        }
    }

    fn read(line: &str) -> Option<Self> {
        let mut words = line.trim_end().splitn(5, ' ');
        let word = words.next()?;
        let since = words.next()?.parse().ok()?;
        let margin = Duration::from_millis(words.next()?.parse().ok()?);
        let left = Duration::from_millis(words.next()?.parse().ok()?);
        let state = match word {
            "held" => PermitState::Held { left },
            "lost" => PermitState::Lost { left, why: words.next().unwrap_or_default().into() },
            "wanted" => PermitState::Wanted,
            _ => return None,
        };
        Some(Self { since, margin, state })
    }
}

/// Asks the guard at a socket how its permit stands; nothing where nobody answers at once.
pub(crate) fn ask(socket: &Path) -> Option<PermitAnswer> {
    let stream = connected(socket).ok()?;
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(ANSWERS_WITHIN)).ok()?;
    let mut line = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut line).ok()?;
    PermitAnswer::read(&String::from_utf8_lossy(&line))
}

/// Connects with a socket without waiting: one that hangs takes no more at some time, and connect(2) would wait until it does.
fn connected(socket: &Path) -> nix::Result<UnixStream> {
    let address = UnixAddr::new(socket)?;
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let ours = nix::sys::socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(ours.as_raw_fd(), &address)?;
    Ok(ours.into())
}

/// Returns whether a socket is another user's, who alone may ask there.
pub(crate) fn is_anothers(socket: &Path) -> bool {
    nix::unistd::access(socket, AccessFlags::W_OK) == Err(nix::errno::Errno::EACCES)
}

/// Where a guard answers, from the moment on at which the permit is held.
pub(crate) struct PermitSocket {
    path: PathBuf,
    answer: Arc<Mutex<PermitAnswer>>,
}

impl PermitSocket {
    /// Begins to answer, to nobody but its user.
    pub(crate) fn open(path: &Path, answer: PermitAnswer) -> Result<Self, Fault> {
        remove(path)?;
        let mask = umask(Mode::from_bits_truncate(0o177));
        let listener = UnixListener::bind(path).map_err(io_fault("listen at", path));
        umask(mask);
        let (listener, answer) = (listener?, Arc::new(Mutex::new(answer)));
        let told = answer.clone();
        let answer_all = move || {
            for stream in listener.incoming() {
                let line = told.lock().unwrap_or_else(PoisonError::into_inner).line();
                match stream {
                    Ok(mut stream) => stream.write_all(line.as_bytes()).may_fail("whoever asked is gone"),
                    // There are as many descriptors as there may be.
                    Err(_) => super::wait::pause(PollTimeout::from(PAUSE_MS)),
                }
            }
        };
        spawn::thread(answer_all)?;
        Ok(Self { path: path.into(), answer })
    }

    /// Has it answer so from now on.
    pub(crate) fn set(&self, state: PermitState) {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner).state = state;
    }
}

impl Drop for PermitSocket {
    fn drop(&mut self) {
        remove(&self.path).may_fail("its folder goes with the machine");
    }
}

/// Returns the first answer of a guard whose permit is held now.
pub(crate) fn held_now(permit: &Permit, state: PermitState) -> PermitAnswer {
    PermitAnswer { since: clock::now(), margin: permit.margin(), state }
}

/// Has this process end when the one that started it does, whatever becomes of that. Other systems than Linux have no safe call
/// for it here (procctl(2) of FreeBSD would do it).
pub(crate) fn end_with_parent() {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .may_fail("whoever looks after it ends it, too");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_waits_for_no_guard_that_hangs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("permit.sock");
        assert_eq!(ask(&path), None);
        let _nobody_accepts = UnixListener::bind(&path).unwrap();
        // More than it has room for.
        let waiting: Vec<_> = (0..6000).map_while(|_| connected(&path).ok()).collect();
        assert!(waiting.len() < 6000);
        let begin = std::time::Instant::now();
        assert_eq!(ask(&path), None);
        assert!(begin.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let margin = Duration::from_secs(5);
        let left = Duration::from_millis(1250);
        let why = "`etcdctl lock vm/db` ended with status 1: no lease".to_string();
        for state in [PermitState::Wanted, PermitState::Held { left }, PermitState::Lost { left, why }] {
            let answer = PermitAnswer { since: 1_764_090_312, margin, state };
            assert_eq!(PermitAnswer::read(&answer.line()), Some(answer));
        }
        for wrong in ["", "held", "held 1 2", "held 1 2 x", "kept 1 2 3", "held -1 2 3"] {
            assert_eq!(PermitAnswer::read(wrong), None, "{wrong:?}");
        }
    }
}
