//! What runs the code of a guest: QEMU by itself, where the processor does not help it, which is many times slower.

use crate::diag::Fault;
use crate::host::{Host, Platform};
use crate::model::{Accelerator, Machine};

/// Returns why the processor does not run the guest's code here, though the recipe wants that.
pub(super) fn unusable(host: &dyn Host, machine: &Machine) -> Option<Fault> {
    if host.settings().platform != Platform::Linux || machine.accelerator() != Some(Accelerator::Kvm) {
        return None;
    }
    let why = host.kvm().fault()?;
    Some(Fault { message: format!("KVM cannot be used here: {}", why.message), ..why })
}

/// Returns what a recipe says of it to bhyve, which has no choice.
pub(super) fn ignored(host: &dyn Host, machine: &Machine) -> Option<Fault> {
    let asked = machine.accelerator().filter(|_| host.settings().platform == Platform::FreeBsd)?;
    Some(Fault::new(format!("`accel` {} is for QEMU: bhyve is not told it", asked.word())))
}

/// Returns what is to be known of a machine that runs without KVM though its recipe does not ask for that: one line, with the reason.
pub(crate) fn emulated(host: &dyn Host, machine: &Machine) -> Option<String> {
    if host.settings().platform != Platform::Linux || machine.accelerator().is_some() {
        return None;
    }
    let why = host.kvm().fault()?.message;
    Some(format!(
        "{} runs without KVM, many times slower: {why}; `vmrun doctor` says what mends it, and accel: \"tcg\" in the recipe that it is meant",
        machine.name()
    ))
}
