//! Machines that run on a host: how they are started, taken over and ended, and what wakes whoever waits for them.

use super::boot_plan::{BootPlan, Load};
use super::helper::{HelperProcess, HelperStart};
use super::kvm::Kvm;
use crate::diag::Fault;
use crate::model::{Ended, Helper, Machine, VmName};
use std::time::{Duration, Instant};

/// A host that runs machines.
pub(crate) trait Guests {
    /// Looks whether the processor helps QEMU here.
    fn kvm(&self) -> Kvm;
    /// Plans the boot of a machine here.
    fn boot_plan(&self, machine: &Machine) -> Result<BootPlan, Fault>;
    /// Makes the folders and files of a boot of a machine that was reserved.
    fn prepare(&mut self, plan: &BootPlan) -> Result<(), Fault>;
    /// Runs the loader of a machine whose boot was prepared, to its end.
    fn load(&mut self, machine: &Machine, load: &Load) -> Result<(), Fault>;
    /// Starts a machine whose boot was prepared.
    fn boot(&mut self, machine: &Machine, plan: &BootPlan) -> Result<Box<dyn Guest>, Fault>;
    /// Takes over the guest of a machine that was reserved; it is none of our children.
    fn adopt(&mut self, name: &VmName, pid: u32) -> Result<Box<dyn Guest>, Fault>;
    /// Ends the guest of a machine whose run is gone: its power button, so long, then by force.
    fn end_guest(&mut self, name: &VmName, pid: u32, within: Duration) -> Result<(), Fault>;
    /// Starts a helper that waits until it is released, and returns its process; nothing of one that is only imagined.
    fn start_helper(&mut self, start: &HelperStart) -> Result<Option<HelperProcess>, Fault>;
    /// Lets a helper that was started do its work, and waits until it is ready if that is wanted.
    fn release_helper(&mut self, helper: &Helper, is_waited: bool) -> Result<(), Fault>;
    /// Takes over a helper that is none of our children; returns whether it is still there.
    fn adopt_helper(&mut self, name: &str, process: &HelperProcess) -> bool;
    /// Returns how a helper has ended, as the rest of a sentence; nothing while it runs.
    fn helper_ended(&mut self, name: &str) -> Option<String>;
    /// Begins the log of a machine in the background anew if it has grown too long, and returns where what is said from now on
    /// stands in it, in bytes: 0 if it was begun anew; nothing without a log.
    fn rotate_log(&mut self) -> Option<u64>;
    /// Waits so long, and returns whether somebody asked to stop.
    fn rest(&mut self, wait: Duration) -> bool;
    /// Returns whether somebody asked to stop since the last time.
    fn stop_asked(&self) -> bool;
}

/// A machine that runs.
pub(crate) trait Guest {
    /// Waits until something happens, at most until then.
    fn wait(&mut self, until: Option<Instant>) -> Woken;
    /// Asks the guest to power itself off.
    fn press_power_button(&mut self);
    /// Switches the machine off from outside.
    fn force(&mut self);
    /// Ends the hypervisor.
    fn kill(&mut self);
    /// Returns the hypervisor's process; nothing of a guest that is only imagined.
    fn process(&self) -> Option<u32>;
    /// Returns the last lines that the hypervisor wrote to its standard error.
    fn last_words(&self) -> Vec<String>;
}

/// The fault of a hypervisor that does not even end when it is killed.
pub(crate) fn does_not_end(what: &str, pid: u32) -> Fault {
    let fault = Fault::host(format!("the hypervisor of {what}, process {pid}, does not end"));
    fault.hint("it may wait for a disk that does not answer")
}

/// What a wait ended with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// The boot ended.
    Ended(Ended),
    /// Somebody asked to stop.
    StopAsked,
    /// The moment that the wait was given has come.
    TimeOver,
}
