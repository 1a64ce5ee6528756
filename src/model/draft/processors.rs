//! Whether a machine's processors and NUMA domains add up.

use super::check::Faults;
use super::{Draft, Part};
use crate::diag::Fault;
use crate::model::domain::DOMAINS_MAX;
use crate::model::target::Arch;
use crate::model::{Domain, Feature, Size, Value};

/// The greatest virtual CPU that bhyve can pin: its key has a buffer of 16 bytes.
const PIN_MAX: u16 = 999;

impl Draft {
    pub(super) fn check_processors(&self, faults: &mut Faults) {
        if self.cpus == 0 {
            let fault = Fault::new("0 is no number of CPUs").hint("from 1 to 65535");
            faults.push((Part::Key("cpus"), fault));
        }
        if let Some(topology) = self.topology.filter(|topology| topology.total() != Some(self.cpus)) {
            let (sockets, cores, threads) = (topology.sockets, topology.cores, topology.threads);
            let message =
                format!("{sockets} sockets of {cores} cores with {threads} threads are not {} CPUs", self.cpus);
            faults.push((Part::Key("cpus"), Fault::new(message).hint("their product is the number of CPUs")));
        }
        for vcpu in self.pins.keys() {
            let part = Part::Under("pin", vcpu.to_string());
            if *vcpu > PIN_MAX {
                let fault = Fault::new(format!("CPU {vcpu} cannot be pinned")).hint("bhyve pins CPUs from 0 to 999");
                faults.push((part, fault));
            } else if *vcpu >= self.cpus {
                let fault = Fault::new(format!("there is no CPU {vcpu} to pin: the machine has {}", self.cpus));
                faults.push((part, fault.hint(format!("from 0 to {}", self.cpus.saturating_sub(1)))));
            }
        }
        self.check_domains(faults);
    }

    fn check_domains(&self, faults: &mut Faults) {
        if self.domains.is_empty() {
            return;
        }
        let mut whole = |fault: Fault| faults.push((Part::Key("domains"), fault));
        if let Some(fault) = self.lacks(&"`domains`", Some(Feature::Domains), &[Arch::Amd64]) {
            whole(fault);
        }
        if self.settings.get("acpi") == Some(&Value::Flag(false)) {
            whole(Fault::new("the guest learns of `domains` by ACPI, which is off").hint("leave `acpi: false` out"));
        }
        if self.bootrom.is_none() {
            whole(Fault::new("`domains` needs a boot ROM").hint("add `bootrom: uefi()`"));
        }
        let sizes: Option<u64> = self
            .domains
            .values()
            .map(|domain| domain.size.map(Size::get))
            .try_fold(0_u64, |sum, size| size?.checked_add(sum));
        if let Some(sum) = sizes.filter(|sum| *sum != self.memory.get()) {
            let (sum, memory) = (Size::bytes(sum), self.memory);
            let fault = Fault::new(format!("the domains have {sum} of memory together, and the machine {memory}"));
            whole(fault.hint(format!("bhyve would take the sum: write `memory: \"{sum}\"`")));
        }
        for ((id, domain), expected) in self.domains.iter().zip(0..) {
            self.check_domain(*id, domain, expected, faults);
        }
    }

    fn check_domain(&self, id: u16, domain: &Domain, expected: u16, faults: &mut Faults) {
        let mut fault = |fault: Fault| faults.push((Part::Under("domains", id.to_string()), fault));
        if id >= DOMAINS_MAX {
            fault(Fault::new(format!("there is no domain {id}")).hint(format!("from 0 to {}", DOMAINS_MAX - 1)));
        } else if id != expected {
            let hint = "count them from 0 on without a gap: bhyve stops at the first that is not there";
            fault(Fault::new(format!("domain {id} follows no domain {}", id.saturating_sub(1))).hint(hint));
        }
        let Some(cpus) = &domain.cpus else {
            return fault(Fault::new(format!("domain {id} needs `cpus`")).hint("write `cpus: \"0-1\"`"));
        };
        if cpus.greatest() >= self.cpus {
            let message = format!("domain {id} has CPU {}, and the machine has {}", cpus.greatest(), self.cpus);
            fault(Fault::new(message).hint(format!("from 0 to {}", self.cpus.saturating_sub(1))));
        }
        let mut earlier = self.domains.iter().take_while(|(other, _)| **other < id);
        let common = |(other, of): (&u16, &Domain)| Some((*other, of.cpus.as_ref()?.common(cpus)?));
        if let Some((other, cpu)) = earlier.find_map(common) {
            fault(Fault::new(format!("CPU {cpu} is in domain {other} and in domain {id}")).hint("put it into one"));
        }
        if domain.size.is_some_and(|size| !size.get().is_multiple_of(4096)) {
            fault(Fault::new(format!("the memory of domain {id} is no whole number of pages")).hint("write \"512M\""));
        }
    }
}
