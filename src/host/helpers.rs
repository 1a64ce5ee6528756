//! The helpers of machines that this vmrun runs: swtpm(8) and its kind.
//!
//! One is started behind a gate: a shell that waits for a line before it becomes the program. Its process is there, with the number
//! that it keeps, and can be written down before it does anything; where vmrun is killed before, the shell finds the end of its
//! input and ends. So there is no moment at which one runs that nobody has noted.

use super::files::{io_fault, make_folder, remove, write_private};
use super::foreign_process::{ForeignProcess, HypervisorProcess};
use super::helper::{HelperEnd, HelperId, HelperProcess, HelperStart};
use super::kernel;
use super::process::{EndedBy, Process};
use super::seat::Seat;
use super::signals::Signals;
use crate::diag::{Blame, Fault};
use crate::model::{Argv, Helper};
use nix::sys::signal::Signal;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ChildStdin;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long a helper may take to end once it was asked to, and how long once it was killed.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often it is looked whether one is ready, or has ended.
const LOOKED: Duration = Duration::from_millis(10);

/// How long it is tried to reach an address at which it is to listen.
const REACHED_WITHIN: Duration = Duration::from_millis(200);

/// A helper that runs.
struct Running {
    name: String,
    process: HypervisorProcess,
    /// What opens the gate, until that was done.
    gate: Option<ChildStdin>,
}

/// The helpers that run. Those that are our children end with us, unless we are killed.
#[derive(Default)]
pub(crate) struct Helpers(Vec<Running>);

impl Helpers {
    /// Starts one in a folder, where it waits at its gate.
    pub(crate) fn start(
        &mut self,
        start: &HelperStart,
        folder: Option<&Path>,
        signals: Rc<Signals>,
        log: Option<&Path>,
    ) -> Result<HelperProcess, Fault> {
        let helper = &start.helper;
        make_folder(&start.folder, Some(0o755))?;
        helper.folder.as_ref().map_or(Ok(()), |folder| make_folder(folder, Some(0o700)))?;
        helper.socket.as_ref().map_or(Ok(()), |socket| make_room(helper, socket))?;
        let argv = if helper.is_ours { with_own_program(&start.argv)? } else { start.argv.clone() };
        let (process, gate) =
            Process::gated(&argv, folder.filter(|_| !helper.is_ours || helper.is_permit), signals, log)?;
        let pid = process.id();
        write_private(&start.pid_file(), format!("{pid}\n").as_bytes())?;
        let started = kernel::started(pid).unwrap_or_default();
        let process = HypervisorProcess::Child(process);
        self.0.push(Running { name: helper.name.clone(), process, gate: Some(gate) });
        Ok(HelperProcess { pid, started, command: helper.command_line() })
    }

    /// Opens the gate, and waits until the helper is ready if that is wanted.
    pub(crate) fn release(&mut self, helper: &Helper, signals: &Signals, is_waited: bool) -> Result<(), Fault> {
        let name = &helper.name;
        let one = self.0.iter_mut().find(|one| one.name == *name);
        let Some(one) = one else { return Err(Fault::host(format!("the helper {name} was not started"))) };
        let until = Instant::now() + helper.within;
        if let Some(mut gate) = one.gate.take() {
            // One that was killed at the gate is found to have ended.
            gate.write_all(b"go\n").unwrap_or_default();
        }
        if !is_waited {
            return Ok(());
        }
        loop {
            let is_ready = is_ready(helper);
            if let Some(how) = one.process.ended() {
                if helper.is_permit {
                    return Err(not_had(one.process.last_words().pop()));
                }
                return Err(not_ready(&format!("the helper {name} {how} before it was ready"), one));
            }
            if is_ready {
                return Ok(());
            }
            if Instant::now() >= until {
                if helper.is_permit {
                    let said = one.process.last_words().pop();
                    let said = said.unwrap_or_else(|| "nothing has come of it".into());
                    return Err(not_had(Some(format!("{said}, and {:?} are over", helper.within))));
                }
                let what = format!("the helper {name} is not ready within {:?}: {}", helper.within, missing(helper));
                return Err(not_ready(&what, one));
            }
            if signals.stop_within(LOOKED) {
                return Err(Fault::new("interrupted").blame(Blame::Interrupted));
            }
        }
    }

    /// Takes over one that another vmrun has started, if it is still the one.
    pub(crate) fn adopt(&mut self, name: &str, noted: &HelperProcess, signals: Rc<Signals>) -> bool {
        let Ok(process) = ForeignProcess::of(noted.pid, signals, None) else { return false };
        // Until it was held another one may have got its number.
        if !is_the_one(noted) {
            return false;
        }
        self.0.push(Running { name: name.into(), process: HypervisorProcess::Adopted(process), gate: None });
        true
    }

    /// Returns how a helper has ended, as the rest of a sentence; nothing while it runs.
    pub(crate) fn ended(&mut self, name: &str) -> Option<String> {
        match self.0.iter_mut().find(|one| one.name == name) {
            Some(one) => {
                let how = one.process.ended()?;
                let said = one.process.last_words().pop().map(|line| format!(": {line}")).unwrap_or_default();
                Some(format!("{how}{said}"))
            }
            None => Some("has ended".into()),
        }
    }

    /// Ends one: it is asked to, and killed when it takes too long. One that is gone needs nothing; the socket that it may have left
    /// goes.
    pub(crate) fn end(&mut self, end: &HelperEnd, signals: Rc<Signals>) -> Result<(), Fault> {
        if let Some(process) = self.taken(end, signals) {
            end_process(&end.name, process)?;
        }
        end.socket.as_deref().map_or(Ok(()), clear_socket)
    }

    /// Returns the process of a helper that is to be ended, and forgets it; nothing where there is none any more.
    fn taken(&mut self, end: &HelperEnd, signals: Rc<Signals>) -> Option<HypervisorProcess> {
        match (self.0.iter().position(|one| one.name == end.name), &end.id) {
            (Some(at), _) => Some(self.0.remove(at).process),
            (None, HelperId::Process(noted)) if is_the_one(noted) => {
                let process = ForeignProcess::of(noted.pid, signals, None).ok()?;
                // Until it was held another one may have got its number.
                is_the_one(noted).then_some(HypervisorProcess::Adopted(process))
            }
            (None, HelperId::Process(_) | HelperId::PidFile(_) | HelperId::Gone) => None,
        }
    }
}

/// Asks a process to end, and kills it when that takes too long.
fn end_process(name: &str, mut process: HypervisorProcess) -> Result<(), Fault> {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        match &mut process {
            HypervisorProcess::Child(process) => process.signal_group(signal),
            HypervisorProcess::Adopted(process) => process.signal_group(signal),
        }
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if process.ended().is_some() {
                return Ok(());
            }
            kernel::tick();
        }
    }
    let fault = Fault::host(format!("the helper {name}, process {}, does not end", process.id()));
    Err(fault.hint("it may wait for a disk that does not answer"))
}

/// Takes a socket away at which nobody listens any more; what is none stays, and one that somebody else serves by now.
fn clear_socket(socket: &Path) -> Result<(), Fault> {
    let is_socket = std::fs::symlink_metadata(socket).is_ok_and(|there| there.file_type().is_socket());
    if is_socket && !Seat::Socket(socket.into()).is_taken() { remove(socket) } else { Ok(()) }
}

impl HypervisorProcess {
    /// Returns how it ended, as the rest of a sentence; nothing while it runs. It waits for nothing.
    fn ended(&mut self) -> Option<String> {
        match self {
            Self::Child(process) => process.look().map(|status| match Process::ended_by(status) {
                EndedBy::Code(code) => format!("ended with status {code}"),
                EndedBy::Signal(signal) => format!("was killed by signal {signal}"),
            }),
            Self::Adopted(process) => process.has_ended().then(|| "has ended".into()),
        }
    }
}

/// The file of this program is not in PATH everywhere.
fn with_own_program(argv: &Argv) -> Result<Argv, Fault> {
    let program = std::env::current_exe().map_err(io_fault("find", Path::new("vmrun")))?;
    Ok(Argv { program: program.display().to_string(), args: argv.args.clone() })
}

/// Whether a process that was noted is still the one: by its number, when it was started, and its command line.
fn is_the_one(noted: &HelperProcess) -> bool {
    kernel::process(noted.pid).is_some_and(|fact| {
        let is_of_then = noted.started.is_empty() || noted.started == fact.started;
        is_of_then && noted.has_command_of(&fact)
    })
}

/// A socket that nobody listens at any more makes room for the helper's.
fn make_room(helper: &Helper, socket: &Path) -> Result<(), Fault> {
    let shown = socket.display();
    let own = "give this helper a socket of its own";
    match std::fs::symlink_metadata(socket) {
        Err(_) => Ok(()),
        Ok(there) if !there.file_type().is_socket() => {
            let fault =
                Fault::host(format!("{shown} is there and no socket, and the helper {} makes one", helper.name));
            Err(fault.hint(own))
        }
        Ok(_) if UnixStream::connect(socket).is_ok() => {
            let fault = Fault::busy(format!("somebody listens at {shown}, and the helper {} is to", helper.name));
            Err(fault.hint(format!("end that program, or {own}")))
        }
        Ok(_) => remove(socket),
    }
}

/// The fault of a permit that is not to be had, and why.
fn not_had(why: Option<String>) -> Fault {
    let why = why.map(|why| format!(": {}", why.trim_start_matches("permit: "))).unwrap_or_default();
    let fault = Fault::busy(format!("the permit is not to be had{why}"));
    fault.hint(
        "somebody else may have it: `vmrun start --wait 45s` tries for so long, and the key `wait` is for one try",
    )
}

/// Whether a helper is ready. Its socket is only looked at: many serve one client, and are over when that is gone.
fn is_ready(helper: &Helper) -> bool {
    let is_socket = |path: &Path| std::fs::metadata(path).is_ok_and(|there| there.file_type().is_socket());
    helper.socket.as_deref().is_none_or(is_socket)
        && helper.tcp.is_none_or(|address| TcpStream::connect_timeout(&address, REACHED_WITHIN).is_ok())
}

/// What a helper that is not ready lacks.
fn missing(helper: &Helper) -> String {
    match (&helper.socket, helper.tcp) {
        (Some(socket), _) if !socket.exists() => format!("its socket {} is not there", socket.display()),
        (_, Some(address)) => format!("nobody listens at {address}"),
        (_, None) => "its socket is not there".into(),
    }
}

/// The fault of a helper that is not ready, with what it said last.
fn not_ready(what: &str, one: &Running) -> Fault {
    let said = one.process.last_words().pop().map(|line| format!(": {line}")).unwrap_or_default();
    Fault::host(format!("{what}{said}")).hint("its command has to stay in the foreground: try it in a shell")
}
