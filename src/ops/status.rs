//! The status of a machine: all that is known of it, and the threads of its hypervisor.

use super::installation::{Installation, did_you_mean};
use super::inventory::{Entry, EntryState};
use super::known;
use super::machines::{locate, machines, object, percent};
use super::settings::platform;
use crate::diag::{Blame, Fault};
use crate::host::clock::Utc;
use crate::host::clock::now;
use crate::host::processes;
pub(crate) use crate::host::processes::Thread;
use crate::model::VmName;
use crate::supervise::recovery;
use crate::supervise::status::MachineStatus;
use serde_json::{Value, json};
use std::time::Duration;

/// A machine and the threads of its hypervisor.
pub(crate) struct Status {
    /// The machine, as `vmrun list` shows it.
    pub machine: Entry,
    /// The threads; none if no hypervisor runs.
    pub threads: Vec<Thread>,
}

/// Finds a machine by its name or the process of its hypervisor. A fault says that there is none, and which name is near.
pub(crate) fn status(wanted: &str) -> Result<Status, Fault> {
    let mut all = machines()?;
    let at = find(&all, wanted)?;
    let mut machine = all.swap_remove(at);
    locate(std::slice::from_mut(&mut machine));
    let platform = platform()?.platform;
    let threads = machine.process.as_ref().map(|process| processes::threads(platform, process.pid)).transpose()?;
    Ok(Status { machine, threads: threads.unwrap_or_default() })
}

/// Returns the threads of a process; none of one that has ended.
pub(crate) fn threads(pid: u32) -> Result<Vec<Thread>, Fault> {
    Ok(processes::threads(platform()?.platform, pid).unwrap_or_default())
}

/// Returns the number of a machine by its name, ours first, or by its process.
pub(super) fn find(all: &[Entry], wanted: &str) -> Result<usize, Fault> {
    let has_name = |one: &Entry| one.name.as_deref() == Some(wanted);
    let is_process = |one: &Entry| one.process.as_ref().is_some_and(|process| process.pid.to_string() == wanted);
    let found = all.iter().position(has_name).or_else(|| all.iter().position(is_process));
    found.ok_or_else(|| {
        let near = did_you_mean(wanted, all.iter().filter_map(|one| one.name.clone()));
        let none = || Fault::host(format!("there is no machine {wanted} on this host"));
        // One with a name that is nearly that was meant.
        let unknown = |name: &VmName| unknown(name).filter(|_| near.is_none());
        let of = |name| unknown(&name).unwrap_or_else(|| recovery::not_running(&name));
        wanted.parse().map_or_else(|_| none(), of).maybe_hint(near.clone())
    })
}

/// Returns the fault of a machine that this host knows nothing of: none of that name ran since the host was started, and no recipe
/// describes one. Where it cannot be looked for, it counts as known.
fn unknown(name: &VmName) -> Option<Fault> {
    let ran = known::statuses().ok()?.iter().any(|status| status.name == *name);
    let no_recipe = Installation::open().ok()?.recipe(name.as_str()).err().filter(|_| !ran)?;
    let fault = Fault::new(format!("no machine {name} is known: none runs, and no recipe describes one"));
    Some(fault.blame(Blame::Down).maybe_hint(no_recipe.hint))
}

/// Returns what the supervisor has written, if it is what the machine's state follows from.
fn current(one: &Entry) -> Option<&MachineStatus> {
    one.status.as_ref().filter(|status| matches!(one.state, EntryState::Supervised(state) if state == status.state))
}

/// Returns when the state of a machine in the background began.
pub(crate) fn state_began(one: &Entry) -> Option<Utc> {
    current(one).map(|status| Utc(status.since))
}

/// Returns in what time a machine that waits is started again.
pub(crate) fn start_in(one: &Entry) -> Option<Duration> {
    current(one)?.until?.checked_sub(now()).map(Duration::from_secs)
}

/// Returns a status as a JSON object: that of the machine in a list, and what is known of it alone.
pub(crate) fn document(status: &Status) -> Value {
    let Status { machine: one, threads } = status;
    let mut all = object(one);
    let status = one.status.as_ref();
    all["init"] = json!(status.map(|it| it.init));
    all["user_net"] = json!(status.map(|it| it.user_net));
    all["params"] = json!(status.map(|it| &it.params));
    all["stop_within"] = json!(status.map(|it| it.stop_within.as_secs_f64()));
    all["after"] = json!(status.map(|it| it.after.iter().map(ToString::to_string).collect::<Vec<_>>()));
    all["threads"] = threads.iter().map(thread).collect();
    all
}

fn thread(thread: &Thread) -> Value {
    let cpu: Option<Value> = thread.cpu.and_then(|share| percent(share).parse().ok());
    json!({
        "id": thread.id,
        "name": thread.name,
        "for": thread.work().to_string(),
        "state": thread.state,
        "processor": thread.processor,
        "cpu": cpu,
        "wait": thread.wait,
    })
}
