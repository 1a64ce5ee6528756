//! Commands in guests, by their agents: no network and no key is needed for it.

use super::settings;
use super::ssh::running_machine;
use crate::client::agent::exec::MOST_OUTPUT;
pub(crate) use crate::client::agent::exec::{CommandEnd, Executed};
use crate::client::agent::{Agent, PATIENCE};
use crate::diag::{Diagnostic, Fault};
use crate::host::standard_input;
use crate::model::{Shape, VmName};
use crate::supervise::recovery;
use crate::supervise::status::MachineStatus;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// What is run where.
pub(crate) struct ExecQuery<'a> {
    /// The machine, by name or by recipe.
    pub machine: &'a str,
    /// The program with its arguments.
    pub command: &'a [String],
    /// How long it may take altogether; as long as it takes where that is nothing.
    pub within: Option<Duration>,
}

/// Runs a command in the guest of a machine that runs here, with what comes from a pipe or a file on the standard input.
pub(crate) fn execute(query: &ExecQuery<'_>) -> Result<Executed, Vec<Diagnostic>> {
    let begun = Instant::now();
    let until = query.within.map(|within| begun + within);
    let (name, shape) = find(query.machine)?;
    let socket = shape.agent.ok_or_else(|| no_agent(&name))?;
    let input = standard_input::piped(MOST_OUTPUT, until)?;
    let about = |fault: Fault| Fault { message: format!("the agent in {name} {}", fault.message), ..fault };
    let soon = Instant::now() + PATIENCE;
    let agent = Agent::open(Path::new(&socket), until.map_or(soon, |until| until.min(soon)));
    let done = agent.and_then(|mut agent| agent.execute(query.command, &input, until));
    Ok(done.map_err(about).map_err(|fault| while_frozen(fault, &name))?)
}

/// Says of an agent that does nothing because it has frozen its file systems that this is why.
fn while_frozen(fault: Fault, name: &VmName) -> Fault {
    let is_frozen = settings::host(false).is_ok_and(|host| recovery::frozen(&host, name).is_some());
    if !is_frozen {
        return fault;
    }
    let message = format!("the file systems in {name} are frozen for a snapshot: {}", fault.message);
    Fault { message, ..fault }
        .hint("try again in a moment; `vmrun gc` thaws them if nobody looks after the machine any more")
}

/// Whether the agent of a machine in the background answers.
pub(crate) fn has_agent(name: &VmName) -> bool {
    const PATIENCE: Duration = Duration::from_secs(2);
    let Ok(host) = settings::host(false) else { return false };
    let socket = MachineStatus::of(&host, name).and_then(|status| status.shape.agent);
    socket.is_some_and(|socket| Agent::open(Path::new(&socket), Instant::now() + PATIENCE).is_ok())
}

/// Finds a machine that runs. What its supervisor has written is enough, where it has one.
fn find(machine: &str) -> Result<(VmName, Shape), Vec<Diagnostic>> {
    if let Ok(name) = machine.parse::<VmName>() {
        let host = settings::host(false)?;
        if let Some(status) = MachineStatus::of(&host, &name).filter(|status| status.guest.is_some()) {
            return Ok((name, status.shape));
        }
    }
    let (name, one) = running_machine(machine)?;
    Ok((name, one.shape))
}

/// The fault of a machine without a port for the agent.
fn no_agent(name: &VmName) -> Fault {
    let fault = Fault::host(format!("{name} has no port for a guest agent"));
    fault.hint(format!(
        "in its recipe `agent: \"9\"`, a free slot, and the package qemu-guest-agent in the guest; `vmrun ssh {name}` needs neither"
    ))
}

/// Returns what came of a command as other programs read it. What is no UTF-8 is replaced.
pub(crate) fn document(done: &Executed) -> Value {
    let (exit, signal) = match done.end {
        CommandEnd::Exited(code) => (Some(code), None),
        CommandEnd::Signalled(signal) => (None, Some(signal)),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    json!({
        "exit": exit, "signal": signal, "stdout": text(&done.output), "stderr": text(&done.error), "truncated": done.is_cut,
    })
}
