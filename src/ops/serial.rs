//! The serial ports of machines: what is at the other end of one, who is connected with it, and what is waited for there. A machine
//! on another host is that host's matter.

use super::display::CONNECT;
use super::installation::Installation;
use super::known;
use super::search::{HostQuery, Listener, SearchEvent, elsewhere, wrong};
use super::settings;
use crate::client::console::SerialLine;
pub(crate) use crate::client::console::attach::Left;
use crate::client::console::attach::attach;
use crate::client::console::relay::Relay;
use crate::diag::{Blame, Diagnostic, Fault, suggest};
use crate::host::handover::hand_over;
use crate::host::signals::Signals;
use crate::host::system::System;
use crate::host::{Facts as _, Platform};
use crate::model::value::Tty;
use crate::model::{Argv, VmName};
use crate::qemu;
use crate::screen::serial::Heard;
use crate::supervise::recovery;
use crate::supervise::status::MachineStatus;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often it is looked whether a line is there again.
const LOOK: Duration = Duration::from_millis(200);

/// Which serial port of which machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PortQuery {
    /// The machine, by name or by recipe.
    pub machine: String,
    /// The port, as `com1`.
    pub port: String,
    /// The hosts that may run the machine, if it does not run here.
    pub hosts: HostQuery,
    /// Whether the standard input is a terminal, which an ssh to another host is given then.
    pub is_terminal: bool,
}

/// What a port is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortUse {
    /// To say something as well.
    ReadWrite,
    /// To hear only.
    ReadOnly,
}

/// The serial port of a machine.
pub(crate) struct Port {
    /// The name of the machine, for messages.
    pub machine: VmName,
    /// The other end of its port.
    line: SerialLine,
    host: System,
}

impl Port {
    /// Finds the port of a machine of this host: by its recipe, as it was started with it if it runs in the background. Becomes the
    /// command that does the same on the host that runs it, if that is another one that is asked by ssh.
    pub(crate) fn open(
        query: &PortQuery,
        usage: PortUse,
        command: impl FnOnce(&str) -> Argv,
        listener: Listener<'_>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let here = Self::find(&query.machine, &query.port, usage, &mut *listener);
        if here.as_ref().is_ok_and(Self::lives) {
            return here;
        }
        let Some((remote, name)) = elsewhere(&query.machine, &query.hosts, here.is_err(), listener)? else {
            return here;
        };
        let ssh = remote.run(&command(&name), query.is_terminal, query.hosts.timeout.max(CONNECT));
        Err(hand_over(&ssh, None).into())
    }

    fn find(machine: &str, port: &str, usage: PortUse, listener: Listener<'_>) -> Result<Self, Vec<Diagnostic>> {
        let host = settings::host(false)?;
        let (machine, tty, log) = tty(machine, port, &host, listener)?;
        let line = line(&machine, port, &tty, log, usage, &host)?;
        Ok(Self { machine, line, host })
    }

    /// Returns whether the machine runs, or is about to.
    fn lives(&self) -> bool {
        recovery::holder(&self.host, &self.machine).is_some() || recovery::goes_on(&self.host, &self.machine).is_some()
    }

    /// A fault if the machine does not run.
    pub(crate) fn check_running(&self) -> Result<(), Fault> {
        if self.lives() { Ok(()) } else { Err(recovery::not_running(&self.machine)) }
    }

    /// Connects the terminal with it, until the key for leaving is pressed or the machine ends. What the guest sends goes to `print`,
    /// which returns whether somebody still reads.
    pub(crate) fn attach(&self, leave: u8, print: &dyn Fn(&[u8]) -> bool) -> Result<Left, Fault> {
        attach(&self.line, leave, print, &|| self.lives())
    }

    /// Listens until a text was sent or the time is over or the line is gone, and returns whether the text was sent.
    fn hears(&self, text: &str, until: Instant, signals: &Signals, heard: &mut Heard) -> Result<bool, Fault> {
        // A line that cannot be opened may be there a moment later.
        let Ok(mut console) = self.line.open() else { return Ok(false) };
        while until > Instant::now() && self.lives() {
            signals.pause(Instant::now())?;
            let Some(bytes) = console.hear(until.min(Instant::now() + LOOK)) else { break };
            heard.add(&bytes);
            if heard.says(text) {
                return Ok(true);
            }
        }
        Ok(heard.says(text))
    }
}

/// Keeps what comes from the other end of a serial port, a tty or a socket, and lets consoles in, until somebody asks to stop.
pub(crate) fn relay(tty: Option<&Path>, socket: Option<&Path>, listen: &Path, log: &Path) -> Result<(), Fault> {
    let line = tty.map(|path| SerialLine::Tty(path.into())).or_else(|| Some(SerialLine::Socket(socket?.into())));
    if let Some(line) = line {
        Relay::open(line, listen, log)?.run();
    }
    Ok(())
}

/// Waits until a machine sends a text on its serial port. A machine that starts again meanwhile is waited for.
pub(crate) fn wait(
    query: &PortQuery,
    text: &str,
    within: Duration,
    listener: Listener<'_>,
) -> Result<(), Vec<Diagnostic>> {
    let until = Instant::now() + within;
    let port = Port::open(query, PortUse::ReadOnly, |name| wait_command(name, query, text, within), listener)?;
    let signals = Signals::install()?;
    let mut heard = Heard::default();
    while port.lives() {
        if port.hears(text, until, &signals, &mut heard)? {
            return Ok(());
        }
        if until <= Instant::now() {
            let message = format!("{} did not say {text:?} on {} within {within:?}", port.machine, query.port);
            let hint = match heard.last_line() {
                Some(line) => format!("the last line that it said is {line:?}"),
                None => "it said nothing".into(),
            };
            return Err(Fault::new(message).blame(Blame::Guest).hint(hint).into());
        }
        signals.pause(until.min(Instant::now() + LOOK))?;
    }
    Err(recovery::not_running(&port.machine).into())
}

/// Returns the command that waits on the machine's own host.
fn wait_command(machine: &str, query: &PortQuery, text: &str, within: Duration) -> Argv {
    let argv = Argv::new("vmrun").args(["wait-serial", machine, "--port", &query.port, "--within"]);
    argv.arg(format!("{}ms", within.as_millis())).arg("--").arg(text)
}

/// The log of a machine, and where what its last boot says begins there.
type Log = (PathBuf, u64);

/// Returns the machine of that name or recipe, what its port is plugged into, and its log if it runs in the background.
fn tty(
    wanted: &str,
    port: &str,
    host: &System,
    listener: Listener<'_>,
) -> Result<(VmName, Tty, Option<Log>), Vec<Diagnostic>> {
    let installation = Installation::open()?;
    let known = known::one(&installation, &known::statuses()?, wanted)?;
    let mut machines = installation.machines_of(&known)?;
    if !machines.faults.is_empty() {
        machines.faults.into_iter().map(SearchEvent::RecipeFault).for_each(listener);
        return Err(wrong().into());
    }
    let at = machines.all.iter().position(|one| one.name == wanted).unwrap_or_default();
    if machines.all.is_empty() {
        let fault = Fault::new(format!("{} describes no machine", known.path.display()));
        return Err(fault.hint("a recipe describes one by bhyve(#{ … }).run()").into());
    }
    let mut found = machines.all.swap_remove(at);
    let machine: VmName = found.name.parse()?;
    let Some(tty) = found.ttys.remove(port) else {
        let fault = Fault::new(format!("{machine} has no serial port {port}"));
        let others = found.ttys.keys().map(String::as_str);
        let others = (!found.ttys.is_empty()).then(|| format!("it has {}", suggest::list(others)));
        return Err(fault.hint(format!("add `{port}: \"{}\"`", nmdm(&machine))).maybe_hint(others).into());
    };
    let log = MachineStatus::of(host, &machine).map(|status| (status.log.into(), status.log_from));
    Ok((machine, tty, log))
}

/// A port that a console can be attached to.
fn nmdm(machine: &VmName) -> String {
    format!("/dev/nmdm-{machine}.1A")
}

fn line(
    machine: &VmName,
    port: &str,
    tty: &Tty,
    log: Option<Log>,
    usage: PortUse,
    host: &System,
) -> Result<SerialLine, Fault> {
    let settings = host.settings();
    let socket = || SerialLine::Socket(qemu::serial_socket(&settings.machine_folder(machine), port));
    let is_qemu = settings.platform == Platform::Linux;
    if let Some(line) = SerialLine::of(tty, port, machine, settings) {
        return Ok(line);
    }
    match (tty, log) {
        (Tty::Tcp(_) | Tty::Path(_), _) => {
            let path = tty;
            let fault = Fault::new(format!("{port} of {machine} is plugged into {path}, a tty of this host"));
            Err(fault.hint("whoever has the other end of that tty is its console"))
        }
        (Tty::Stdio, Some((log, from))) if usage == PortUse::ReadOnly => Ok(SerialLine::Log(log, from)),
        (Tty::Stdio, Some(_)) if is_qemu => Ok(socket()),
        (Tty::Stdio, Some(_)) => {
            let fault = Fault::new(format!("what {port} of {machine} says goes into its log, and nothing goes back"));
            let other = nmdm(machine);
            Err(fault
                .hint(format!("`vmrun logs -f {machine}` follows it; with `{port}: \"{other}\"` it has a console")))
        }
        (Tty::Stdio, None) if recovery::holder(host, machine).is_some() => {
            let fault = Fault::host(format!("{port} of {machine} is the terminal of the vmrun that runs it"));
            Err(fault.hint(format!("`vmrun start {machine}` runs it in the background")))
        }
        (Tty::Stdio, None) => Err(recovery::not_running(machine)),
    }
}
