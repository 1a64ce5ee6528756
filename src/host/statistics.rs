//! What a machine has done since it was booted, as far as its hypervisor and the host's interfaces tell.

use super::Platform;
use super::processes::{Hypervisor, HypervisorKind};
use super::program::{Query, run};
use super::qemu_monitor::QemuMonitor;
use crate::bhyve::statistics::{self as bhyve, Count};
use crate::model::Argv;
use crate::qemu;
use crate::qemu::statistics::{self, DiskUse};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// How long a monitor may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a hypervisor tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Statistics {
    /// What bhyve's kernel module has counted.
    pub counts: Vec<Count>,
    /// What QEMU's disks have done.
    pub disks: Vec<DiskUse>,
}

/// What an interface of the host has carried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceUse {
    /// The name of the interface.
    pub name: String,
    /// What came in, in bytes: of a tap what its guest has sent.
    pub received: u64,
    /// How many packets came in.
    pub received_packets: u64,
    /// What went out, in bytes: of a tap what its guest has received.
    pub sent: u64,
    /// How many packets went out.
    pub sent_packets: u64,
}

/// Asks a hypervisor. Nothing comes back where it does not answer, or where this user may not ask it.
pub(crate) fn of(process: &Hypervisor) -> Option<Statistics> {
    match process.kind {
        HypervisorKind::Bhyve => {
            let name = process.name.as_ref()?;
            let vcpus = u16::try_from(process.shape.cpus.unwrap_or(1)).ok()?;
            Some(Statistics { counts: counts(&run, name, vcpus)?, ..Statistics::default() })
        }
        HypervisorKind::Qemu => {
            let disks = disks(&qemu::ask_socket(process.folder.as_ref()?))?;
            Some(Statistics { disks, ..Statistics::default() })
        }
    }
}

/// Reads what bhyvectl(8) tells of each vCPU; nothing where one of them is not told of.
fn counts(query: Query<'_>, name: &str, vcpus: u16) -> Option<Vec<Count>> {
    let texts: Option<Vec<String>> = (0..vcpus).map(|vcpu| query(&bhyve::question(name, vcpu)).ok()).collect();
    Some(texts?.iter().flat_map(|text| bhyve::read(text)).collect())
}

fn disks(socket: &Path) -> Option<Vec<DiskUse>> {
    QemuMonitor::open(socket).ok()?.ask(statistics::QUESTION, PATIENCE, statistics::answer)
}

/// Returns what the interfaces have carried of those names.
pub(crate) fn of_interfaces(platform: Platform, names: &[&str]) -> Vec<InterfaceUse> {
    match platform {
        _ if names.is_empty() => Vec::new(),
        Platform::Linux => names.iter().filter_map(|name| in_sysfs(name)).collect(),
        Platform::FreeBsd => carried(&run).into_iter().filter(|one| names.contains(&one.name.as_str())).collect(),
    }
}

/// Reads what netstat(1) tells of every interface; nothing where it does not answer.
fn carried(query: Query<'_>) -> Vec<InterfaceUse> {
    let text = query(&Argv::new("netstat").args(["--libxo", "json", "-ibn"])).unwrap_or_default();
    of_netstat(&text)
}

fn in_sysfs(name: &str) -> Option<InterfaceUse> {
    let folder = Path::new("/sys/class/net").join(name).join("statistics");
    let number = |file: &str| std::fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok();
    Some(InterfaceUse {
        name: name.into(),
        received: number("rx_bytes")?,
        received_packets: number("rx_packets")?,
        sent: number("tx_bytes")?,
        sent_packets: number("tx_packets")?,
    })
}

/// Reads what `netstat --libxo json -ibn` prints: an object for each address of an interface, that of the link with all that it has
/// carried.
pub fn of_netstat(text: &str) -> Vec<InterfaceUse> {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let all = value.pointer("/statistics/interface").and_then(Value::as_array);
    let one = |value: &Value| {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let number = |name: &str| value.get(name).and_then(Value::as_u64).unwrap_or_default();
        let is_link = text("network").is_some_and(|network| network.starts_with("<Link"));
        is_link.then_some(())?;
        Some(InterfaceUse {
            name: text("name")?.into(),
            received: number("received-bytes"),
            received_packets: number("received-packets"),
            sent: number("sent-bytes"),
            sent_packets: number("sent-packets"),
        })
    };
    all.into_iter().flatten().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Fault;
    use crate::host::corpus::steps;

    #[test]
    fn what_an_interface_carried_is_with_its_link() {
        let text = r#"{"statistics": {"interface": [{"name":"tap1","network":"<Link#5>","received-packets":12,"received-bytes":3456,
            "sent-packets":78,"sent-bytes":9012},{"name":"tap1","network":"10.0.0.0/24","sent-bytes":1},{"network":"<Link#6>"}]}}"#;
        let (name, received, received_packets, sent, sent_packets) = ("tap1".into(), 3456, 12, 9012, 78);
        assert_eq!(of_netstat(text), [InterfaceUse { name, received, received_packets, sent, sent_packets }]);
        assert_eq!(of_netstat("netstat: not found"), []);
    }

    #[test]
    fn what_a_bhyve_has_counted_is_asked_of_each_vcpu() {
        let recorded = steps("bhyvectl.txt");
        let no = || Fault::host("no");
        let query = |argv: &Argv| {
            let command = argv.to_string();
            recorded.iter().filter(|step| step.command == command).find_map(|step| step.outcome().ok()).ok_or_else(no)
        };
        let one = counts(&query, "web", 1).unwrap();
        assert!(!one.is_empty());
        assert_eq!(counts(&query, "web", 2).unwrap().len(), 2 * one.len());
        assert_eq!(counts(&query, "db", 1), None);
    }

    #[test]
    fn what_interfaces_carried_is_asked_of_netstat() {
        let recorded = steps("netstat.txt");
        let names = |nth: usize| {
            let query = |argv: &Argv| {
                recorded.iter().filter(|step| step.command == argv.to_string()).nth(nth).unwrap().outcome()
            };
            carried(&query).into_iter().map(|one| one.name).collect::<Vec<_>>()
        };
        assert_eq!(names(0), ["vtnet0", "lo0"]);
        assert_eq!(names(1), ["vtnet0", "lo0", "tap1", "bridge2"]);
        assert_eq!(carried(&|_| Err(Fault::host("no"))), []);
    }
}
