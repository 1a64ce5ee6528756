//! FreeBSD: machines that are bhyve processes.

use crate::bhyve;
use crate::diag::{Blame, Fault};
use crate::host::boot_plan::{BootPlan, Load};
use crate::host::foreign_process::{ForeignProcess, HypervisorProcess};
use crate::host::guests::does_not_end;
use crate::host::process::{EndedBy, Happened, Process, Reads};
use crate::host::signals::Signals;
use crate::host::{Guest, Woken};
use crate::model::message::explain;
use crate::model::{Argv, Ended, Machine, VmName};
use nix::sys::signal::Signal;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Starts bhyve.
pub(crate) fn boot(
    machine: &Machine,
    plan: &BootPlan,
    signals: Rc<Signals>,
    log: Option<&Path>,
) -> Result<Box<dyn Guest>, Fault> {
    let process = Process::spawn(&plan.argv, machine.uses_stdio(), signals, log)?;
    Ok(Box::new(Bhyve { process: HypervisorProcess::Child(process), name: machine.name().clone() }))
}

/// How long a loader may take to leave once it was told to.
const LEAVES_WITHIN: Duration = Duration::from_secs(2);

/// Runs a machine's loader to its end. Where nobody is before the standard streams it finds nothing to read there.
pub(crate) fn load(machine: &Machine, load: &Load, signals: Rc<Signals>, log: Option<&Path>) -> Result<(), Fault> {
    let argv = &load.step.argv;
    let input = match &load.step.stdin {
        Some(text) => Reads::Text(text),
        None if load.uses_stdio && log.is_none() => Reads::Ours,
        None => Reads::Nothing,
    };
    let mut process = Process::load(argv, input, signals, log)?;
    let Happened::Exited(status) = process.wait(None, None) else {
        process.signal(Signal::SIGTERM);
        process.end(LEAVES_WITHIN);
        return Err(Fault::new("interrupted").blame(Blame::Interrupted));
    };
    let how = match Process::ended_by(status) {
        EndedBy::Code(0) => return Ok(()),
        EndedBy::Code(code) => format!("status {code}"),
        EndedBy::Signal(signal) => format!("signal {signal}"),
    };
    let words = process.last_words();
    let said = words.last().map(|line| format!(": {line}")).unwrap_or_default();
    let hint = explain(bhyve::messages::KNOWN, &words, machine).map(|explained| explained.hint);
    Err(Fault::host(format!("`{argv}` failed with {how}{said}")).maybe_hint(hint))
}

/// Takes over a bhyve that is none of our children.
pub(crate) fn adopt(
    name: &VmName,
    pid: u32,
    signals: Rc<Signals>,
    log: Option<&Path>,
) -> Result<Box<dyn Guest>, Fault> {
    let process = HypervisorProcess::Adopted(ForeignProcess::of(pid, signals, log)?);
    Ok(Box::new(Bhyve { process, name: name.clone() }))
}

/// bhyve's exit status of a failure: what is said of a bhyve whose status nobody can know, which is never so on FreeBSD.
const FAILED: i32 = 4;

/// How long bhyve may take to leave once it was killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long it may take once its guest was switched off, which had its time before: nobody waits much longer than he said.
const LAST_PATIENCE: Duration = Duration::from_millis(700);

/// Ends a bhyve that is none of our children: the power button, so long, then the switch, then a signal.
pub(crate) fn end(name: &VmName, pid: u32, guest: &mut ForeignProcess, within: Duration) -> Result<(), Fault> {
    guest.signal(Signal::SIGTERM);
    if guest.ends_within(within) {
        return Ok(());
    }
    let off = crate::host::program::run(&bhyve::force_poweroff(name)).is_ok();
    if !(off && guest.ends_within(LAST_PATIENCE)) {
        guest.signal(Signal::SIGKILL);
    }
    if guest.ends_within(PATIENCE) { Ok(()) } else { Err(does_not_end(name.as_str(), pid)) }
}

struct Bhyve {
    process: HypervisorProcess,
    name: VmName,
}

impl Guest for Bhyve {
    fn wait(&mut self, until: Option<Instant>) -> Woken {
        loop {
            match self.process.wait(until, None) {
                Happened::Exited(status) => {
                    return Woken::Ended(match (status.code(), status.signal()) {
                        (Some(code), _) => bhyve::ended(code, &self.process.last_words()),
                        (None, signal) => Ended::Killed { signal: signal.unwrap_or_default() },
                    });
                }
                Happened::Gone => return Woken::Ended(bhyve::ended(FAILED, &[])),
                Happened::StopAsked => return Woken::StopAsked,
                Happened::TimeOver => return Woken::TimeOver,
                Happened::Extra => {}
            }
        }
    }

    /// bhyve takes SIGTERM for the ACPI power button once the guest has switched ACPI on; before that it dies of it, by
    /// what is known of its source.
    fn press_power_button(&mut self) {
        self.process.signal(Signal::SIGTERM);
    }

    fn force(&mut self) {
        let argv: Argv = bhyve::force_poweroff(&self.name);
        if crate::host::program::run(&argv).is_err() {
            self.kill();
        }
    }

    fn kill(&mut self) {
        self.process.signal(Signal::SIGKILL);
    }

    fn process(&self) -> Option<u32> {
        Some(self.process.id())
    }

    fn last_words(&self) -> Vec<String> {
        self.process.last_words()
    }
}
