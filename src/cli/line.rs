//! The serial line of a machine: what its port is plugged into, and who is at the other end. That of a machine on another host
//! is that host's own matter.

use super::display::CONNECT;
use super::find::{HostArgs, elsewhere, wrong};
use super::inventory::Inventory;
use super::term::Term;
use super::{is_recipe, place};
use crate::client::console::Line;
use crate::diag::{Diagnostic, Fault, suggest};
use crate::host::handover::hand_over;
use crate::host::system::System;
use crate::host::{Facts as _, Platform};
use crate::model::value::Tty;
use crate::model::{Argv, VmName};
use crate::qemu;
use crate::script::Inputs;
use crate::supervise::recovery;
use crate::supervise::standing::Standing;
use std::io::IsTerminal as _;
use std::path::PathBuf;

/// What somebody wants of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// To say something as well.
    Talk,
    /// To hear only.
    Listen,
}

/// The serial port of a machine.
pub(super) struct Port {
    /// The machine.
    pub(super) machine: VmName,
    /// The other end of its port.
    pub(super) line: Line,
    host: System,
}

impl Port {
    /// Finds the line of a machine: by its recipe, as it was started with it if it runs in the background.
    pub(super) fn find(machine: &str, port: &str, wish: Wish, term: &Term) -> Result<Self, Vec<Diagnostic>> {
        let host = place::host(false)?;
        let (machine, tty, log) = tty(machine, port, &host, term)?;
        let line = line(&machine, port, &tty, log, wish, &host)?;
        Ok(Self { machine, line, host })
    }

    /// Returns whether the machine runs, or is about to.
    pub(super) fn lives(&self) -> bool {
        recovery::holder(&self.host, &self.machine).is_some() || recovery::goes_on(&self.host, &self.machine).is_some()
    }

    /// The fault of a machine that does not run.
    pub(super) fn not_running(&self) -> Fault {
        recovery::not_running(&self.machine)
    }
}

/// Becomes the command that does the same on the host that runs a machine, unless that is this one or no host is asked by ssh.
/// Returns what is known of it here.
pub(super) fn here_or_there(
    here: Result<Port, Vec<Diagnostic>>,
    machine: &str,
    hosts: &HostArgs,
    command: impl FnOnce(&str) -> Argv,
    term: &Term,
) -> Result<Port, Vec<Diagnostic>> {
    if here.as_ref().is_ok_and(Port::lives) {
        return here;
    }
    let Some((remote, name)) = elsewhere(machine, hosts, here.is_err(), term)? else { return here };
    let ssh = remote.run(&command(&name), std::io::stdin().is_terminal(), hosts.timeout.max(CONNECT));
    Err(hand_over(&ssh, None).into())
}

/// Returns the machine of that name or recipe, what its port is plugged into, and its log if it runs in the background.
fn tty(
    wanted: &str,
    port: &str,
    host: &System,
    term: &Term,
) -> Result<(VmName, Tty, Option<PathBuf>), Vec<Diagnostic>> {
    let inventory = Inventory::open()?;
    let name: Option<VmName> = wanted.parse().ok().filter(|_| !is_recipe(wanted));
    let (recipe, inputs) = match name.and_then(|name| Standing::of(host, &name)) {
        Some(standing) => (standing.recipe.into(), Inputs { init: false, params: standing.params }),
        None => (inventory.recipe(wanted)?, Inputs::default()),
    };
    let mut machines = inventory.told(&recipe, &inputs)?;
    machines.faults.iter().for_each(|fault| term.drawn(fault));
    if !machines.faults.is_empty() {
        return Err(wrong().into());
    }
    let at = machines.all.iter().position(|one| one.name == wanted).unwrap_or_default();
    if machines.all.is_empty() {
        let fault = Fault::new(format!("{} describes no machine", recipe.display()));
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
    let log = Standing::of(host, &machine).map(|standing| standing.log.into());
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
    log: Option<PathBuf>,
    wish: Wish,
    host: &System,
) -> Result<Line, Fault> {
    let settings = host.settings();
    let socket = || Line::Socket(qemu::serial_socket(&settings.machine_folder(machine), port));
    let is_qemu = settings.platform == Platform::Linux;
    if let Some(line) = Line::of(tty, port, machine, settings) {
        return Ok(line);
    }
    match (tty, log) {
        (Tty::Tcp(_) | Tty::Path(_), _) => {
            let path = tty;
            let fault = Fault::new(format!("{port} of {machine} is plugged into {path}, a tty of this host"));
            Err(fault.hint("whoever has the other end of that tty is its console"))
        }
        (Tty::Stdio, Some(log)) if wish == Wish::Listen => Ok(Line::Log(log)),
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
