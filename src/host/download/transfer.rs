//! One call of curl(1) or fetch(1), watched from outside: how long the file may become, how slow it may come, and what a failure is.

use super::pace::Pace;
use super::{Fetcher, certificate, room, unreachable};
use crate::diag::may_fail::MayFail as _;
use crate::diag::{Blame, Cause, Fault};
use crate::host::cache::Claim;
use crate::host::commands::fetch::{SLOWEST, Transfer, program, transfer};
use crate::host::environment::command;
use crate::host::{FetchProgress, Platform, Stage, Tell, spawn, wait};
use crate::model::{Argv, Digest, Size, Url};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use std::io::Read as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Instant;

/// How often it is looked how much has come.
const LOOK_MS: u8 = 100;

/// The unit of `ulimit -f` of sh(1), in bytes.
const BLOCK: u64 = 512;

/// How much of what a program says is read.
const WORDS: u64 = 1 << 16;

/// Why a file is not there.
#[derive(Debug)]
pub(super) enum Broken {
    /// The network, or the server, in the program's words; what came stays.
    CutOff(String),
    /// The server cannot go on from where it was cut off, or there is nothing more.
    CannotGoOn(String),
    /// The server ended after so many bytes, of so many; what came stays.
    Short(u64, u64),
    /// It has more bytes than this.
    TooLong(u64),
    /// Less than so many bytes came over so many seconds; what came stays.
    TooSlow(u64, u64),
    /// There is no room for it: so many bytes are needed, if that is known, and so many are free.
    NoRoom {
        /// How many it has.
        wanted: Option<u64>,
        /// How many are free.
        free: u64,
    },
    /// It is something else.
    Other {
        /// What it is.
        is: Digest,
        /// What it should be.
        wanted: Digest,
        /// How many bytes it has.
        length: u64,
    },
    /// Anything else; what came stays.
    Fault(Fault),
}

impl Broken {
    /// Returns the fault, having removed what nobody can go on with.
    pub(super) fn fault(self, url: &Url, claim: &Claim) -> Fault {
        let stays = matches!(self, Self::CutOff(_) | Self::Short(..) | Self::TooSlow(..) | Self::Fault(_));
        let length = claim.length();
        let mut fault = self.described(url);
        if !stays || length == 0 {
            claim.remove().may_fail("`vmrun cache prune` removes it, and the fault that matters is the first one");
        } else if fault.blame != Blame::Interrupted {
            fault.message = format!("{}; {length} bytes of it are kept", fault.message);
            fault.hint.get_or_insert_with(|| "the next run goes on from there".into());
        }
        with_way_out(fault)
    }

    /// Returns the fault of a text of which nothing is kept.
    pub(super) fn fault_of_text(self, url: &Url) -> Fault {
        with_way_out(self.described(url))
    }

    fn described(self, url: &Url) -> Fault {
        match self {
            Self::CutOff(said) | Self::CannotGoOn(said) => {
                let fault = Fault::host(format!("cannot fetch {url}: {said}"));
                let fault = if unreachable::is(&said) { fault.cause(Cause::Unreachable) } else { fault };
                let way_out = certificate::way_out(&said).or_else(|| unreachable::way_out(&said));
                way_out.into_iter().fold(fault, Fault::hint)
            }
            Self::Short(came, size) => {
                let fault = Fault::host(format!("cannot fetch {url}: it ended after {came} of {size} bytes"));
                fault.hint("if the file has no more, correct `size`; else the next run goes on from there")
            }
            Self::TooLong(most) => {
                let fault = Fault::host(format!("{url} has more than {most} bytes, and was not fetched further"));
                fault.hint("if that is right, correct `size`; else it is not the file that is meant")
            }
            Self::TooSlow(slowest, seconds) => {
                let fault =
                    Fault::host(format!("{url} came with less than {slowest} bytes a second for {seconds} seconds"));
                fault.hint("try another mirror; the next run goes on from where this one was")
            }
            Self::NoRoom { wanted, free } => {
                let wanted = wanted.map_or_else(String::new, |wanted| format!(", and it has {wanted} bytes"));
                let fault =
                    Fault::host(format!("there is no room for {url}: {} are free{wanted}", Size::bytes(free).rough()));
                fault.hint("`vmrun cache prune` makes room, or VMRUN_CACHE_DIR names another folder")
            }
            Self::Other { is, wanted, length } => {
                // Whole: a digest that was cut or mistyped may differ in its last digit.
                let (kind, [is, wanted]) = (is.kind().name(), [is.hex(), wanted.hex()]);
                let fault = Fault::host(format!(
                    "{url} is not the file that is meant: its {length} bytes have the {kind} {is}, not {wanted}; nothing is kept"
                ));
                fault.hint("if its publisher has a new one, take the digest that he publishes (`vmrun images pin`); else do not use it")
            }
            Self::Fault(fault) => fault,
        }
    }
}

/// Adds to a fault of what another program said what is left to do.
fn with_way_out(mut fault: Fault) -> Fault {
    if fault.blame != Blame::Interrupted {
        fault.hint.get_or_insert_with(|| "correct the address, or try again when its server answers".into());
    }
    fault
}

/// Runs the program until it ends, comes too slowly, brings too much or somebody asks to stop. It holds the lock of the folder,
/// so that nobody else begins while it goes on without us.
pub(super) fn run(
    fetcher: &Fetcher<'_>,
    asked: Transfer<'_>,
    most: u64,
    claim: &Claim,
    tell: Tell<'_>,
) -> Result<(), Broken> {
    let before = claim.length();
    let mut child = start(&transfer(fetcher.platform, asked), most, claim).map_err(Broken::Fault)?;
    let began = Instant::now();
    let mut pace = Pace::new(before);
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) => {}
            Err(why) => return Err(Broken::Fault(spawn::refused(program(fetcher.platform).0, &why))),
        }
        pause(fetcher);
        let done = claim.length();
        let is_slow = pace.observe(done, began.elapsed(), SLOWEST, fetcher.patience);
        let ends = match fetcher.against_stop() {
            Err(fault) => Some(Broken::Fault(fault)),
            Ok(()) if done > most => Some(too_much(asked, most)),
            Ok(()) if is_slow => Some(Broken::TooSlow(SLOWEST, fetcher.patience.as_secs())),
            Ok(()) => None,
        };
        if let Some(broken) = ends {
            spawn::end(&mut child);
            return Err(broken);
        }
        tell(FetchProgress { url: asked.url, stage: Stage::Comes { done, whole: asked.size, rate: pace.rate() } });
    };
    let done = claim.length();
    if done > most {
        return Err(too_much(asked, most));
    }
    if status.success() {
        return Ok(());
    }
    Err(failed(fetcher.platform, asked, status, &words(&mut child), (most, done > before || before == 0)))
}

/// What is wrong when there are more bytes than there may be: the file is longer than was said, or than there is room for.
fn too_much(asked: Transfer<'_>, most: u64) -> Broken {
    match asked.size {
        None if !asked.is_trusted => Broken::NoRoom { wanted: None, free: asked.to.parent().map_or(0, room) },
        _ => Broken::TooLong(most),
    }
}

/// Starts the program with a limit for the files that it writes.
fn start(argv: &Argv, most: u64, claim: &Claim) -> Result<Child, Fault> {
    tracing::debug!("{argv}");
    // The shell counts blocks; one that is begun is needed.
    let limit = most / BLOCK + 1;
    let line = format!("ulimit -f {limit} 2>/dev/null; exec \"$@\"");
    let mut command = command("/bin/sh");
    command.args(["-c", &line, "sh", &argv.program]).args(&argv.args);
    let lock = claim.lock().try_clone().map_or_else(|_| Stdio::null(), Stdio::from);
    command.stdin(lock).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    spawn::start(&mut command).map_err(|why| spawn::refused(&argv.program, &why))
}

fn pause(fetcher: &Fetcher<'_>) {
    let timeout = PollTimeout::from(LOOK_MS);
    match fetcher.signals {
        Some(signals) => {
            signals.forget_children();
            let fds = [signals.stop_fd(), signals.child_fd()];
            wait::for_any(&mut fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)), timeout);
        }
        None => wait::pause(timeout),
    }
}

/// Returns the line of what a program complained of that says what is wrong.
fn words(child: &mut Child) -> String {
    let mut bytes = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        stderr.take(WORDS).read_to_end(&mut bytes).may_fail("it has said nothing then");
    }
    let text = String::from_utf8_lossy(&bytes);
    certificate::reason(&text).to_string()
}

/// Says what a status means: those of curl(1) have numbers of their own, fetch(1) has words.
fn failed(
    platform: Platform,
    asked: Transfer<'_>,
    status: ExitStatus,
    said: &str,
    (most, grew): (u64, bool),
) -> Broken {
    let name = program(platform).0;
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("`{name}` failed with status {code}"),
        (None, signal) => format!("`{name}` was ended by signal {}", signal.unwrap_or_default()),
    };
    let said_or = || if said.is_empty() { how.clone() } else { said.to_string() };
    if status.signal() == Some(nix::libc::SIGXFSZ) {
        return too_much(asked, most);
    }
    let is_full = || asked.to.parent().map_or(0, room);
    match (platform, status.code()) {
        // EX_IOERR of both shells and of curl: it could not write. A limit of the process says the same.
        (Platform::Linux, Some(23)) if is_full() >= super::RESERVE => too_much(asked, most),
        (Platform::Linux, Some(23)) => Broken::NoRoom { wanted: asked.size, free: is_full() },
        (Platform::Linux, Some(63)) => Broken::TooLong(most),
        (Platform::Linux, Some(33 | 36)) => Broken::CannotGoOn(said_or()),
        (Platform::Linux, Some(22)) if !grew && said.contains("416") => Broken::CannotGoOn(said_or()),
        (Platform::FreeBsd, _) if !grew && said.contains("Range Not Satisfiable") => Broken::CannotGoOn(said_or()),
        (Platform::FreeBsd, _) if said.contains("No space left") => {
            Broken::NoRoom { wanted: asked.size, free: is_full() }
        }
        (Platform::FreeBsd, _) if said.contains("File too large") => too_much(asked, most),
        _ => Broken::CutOff(said_or()),
    }
}
