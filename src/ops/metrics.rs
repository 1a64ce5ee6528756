//! The metrics of the machines of this host, for Prometheus.

mod exposition;

use super::inventory::Entry;
use super::machines::machines;
use super::settings::{self, platform};
use crate::diag::Fault;
use crate::host::statistics::{self, InterfaceUse, Statistics};
use crate::host::{Effect, Effects as _};
use crate::model::Size;
use crate::supervise::status::MachineState;
use exposition::{Family, MetricKind};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Returns the numbers of the machines of this host, in Prometheus's text format.
pub(crate) fn text() -> Result<String, Fault> {
    let all = machines()?;
    let taps: Vec<&str> = all.iter().flat_map(|one| &one.shape.taps).map(String::as_str).collect();
    let interfaces = statistics::of_interfaces(platform()?.platform, &taps);
    let known: Vec<Option<Statistics>> = all.iter().map(|one| one.process.as_ref().and_then(statistics::of)).collect();
    Ok(exposed(&all, &known, &interfaces))
}

/// Writes a file of metrics. Everybody may read it: the collector is somebody else.
pub(crate) fn write(path: PathBuf, text: &str) -> Result<(), Fault> {
    let mut host = settings::host(false)?;
    host.perform(&Effect::WriteFile { path, text: text.into(), mode: Some(0o644) }).map(drop)
}

/// Returns the names of machines as labels: no two of them are the same.
fn labels(all: &[Entry]) -> Vec<String> {
    let mut known = BTreeSet::new();
    let label = |one: &Entry| {
        let pid = one.process.as_ref().map(|process| format!("process {}", process.pid)).unwrap_or_default();
        let name = one.name.clone().filter(|name| !known.contains(name));
        let label = name.unwrap_or_else(|| one.name.as_ref().map_or(pid.clone(), |name| format!("{name}, {pid}")));
        known.insert(label.clone());
        label
    };
    all.iter().map(label).collect()
}

fn exposed(all: &[Entry], statistics: &[Option<Statistics>], carried: &[InterfaceUse]) -> String {
    let mut build = Family::new("vmrun_build_info", MetricKind::Gauge, "The version of vmrun.");
    build.add(&[("version", env!("CARGO_PKG_VERSION"))], &1);
    let labels = labels(all);
    let named: Vec<(&str, &Entry)> = labels.iter().map(String::as_str).zip(all).collect();
    let mut families = vec![build];
    families.extend(of_machines(&named));
    families.extend(of_interfaces(&named, carried));
    let mut known = Family::new(
        "vmrun_machine_statistics_known",
        MetricKind::Gauge,
        "Whether the hypervisor told what it has counted.",
    );
    for ((label, _), counted) in named.iter().zip(statistics).filter(|((_, one), _)| one.process.is_some()) {
        known.add(&[("machine", label)], &u8::from(counted.is_some()));
    }
    families.push(known);
    let counted: Vec<(&str, &Statistics)> = labels
        .iter()
        .map(String::as_str)
        .zip(statistics)
        .filter_map(|(label, counted)| Some((label, counted.as_ref()?)))
        .collect();
    families.extend(of_hypervisors(&counted));
    families.iter().map(Family::text).collect()
}

/// Returns a number of a machine; nothing where it has none.
type Value = fn(&Entry) -> Option<String>;

/// What is told of a machine by one number each.
fn numbers() -> [(Family, Value); 10] {
    [
        (Family::new("vmrun_machine_up", MetricKind::Gauge, "Whether its hypervisor runs."), |one| {
            Some(u8::from(one.process.is_some()).to_string())
        }),
        (Family::new("vmrun_machine_uptime_seconds", MetricKind::Gauge, "How long its hypervisor runs."), |one| {
            one.process.as_ref().map(|it| it.uptime.as_secs_f64().to_string())
        }),
        (
            Family::new("vmrun_machine_cpu_seconds_total", MetricKind::Counter, "Processor time of its hypervisor."),
            |one| one.process.as_ref()?.used.map(|used| used.as_secs_f64().to_string()),
        ),
        (Family::new("vmrun_machine_vcpus", MetricKind::Gauge, "Its vCPUs."), |one| {
            one.shape.cpus.map(|count| count.to_string())
        }),
        (Family::new("vmrun_machine_memory_bytes", MetricKind::Gauge, "Its memory."), |one| {
            one.shape.memory.map(|size| size.get().to_string())
        }),
        (
            Family::new(
                "vmrun_machine_resident_bytes",
                MetricKind::Gauge,
                "The host's memory that its hypervisor has.",
            ),
            |one| one.process.as_ref().map(|it| Size::get(it.resident).to_string()),
        ),
        (
            Family::new(
                "vmrun_machine_boots_total",
                MetricKind::Counter,
                "How often it was booted since it was started.",
            ),
            |one| one.status.as_ref().map(|it| it.boots.to_string()),
        ),
        (
            Family::new(
                "vmrun_machine_restarts_total",
                MetricKind::Counter,
                "How often it was started again after a crash.",
            ),
            |one| one.status.as_ref().map(|it| it.restarts.to_string()),
        ),
        (Family::new("vmrun_machine_held", MetricKind::Gauge, "Whether it crashed too often and is held."), |one| {
            one.status.as_ref().map(|it| u8::from(it.state == MachineState::Failed).to_string())
        }),
        (
            Family::new(
                "vmrun_machine_permit_held",
                MetricKind::Gauge,
                "Whether its permit is held, where it needs one.",
            ),
            |one| one.permit.as_ref().map(|permit| u8::from(permit.is_held()).to_string()),
        ),
    ]
}

fn of_machines(all: &[(&str, &Entry)]) -> Vec<Family> {
    let mut state = Family::new(
        "vmrun_machine_state",
        MetricKind::Gauge,
        "How it is found, as vmrun list tells: 1 for the state that it is in.",
    );
    for (label, one) in all {
        let hypervisor = one.process.as_ref().map_or("", |process| process.kind.word());
        state.add(&[("machine", label), ("state", one.state.word()), ("hypervisor", hypervisor)], &1);
    }
    let filled = numbers().into_iter().map(|(mut family, value)| {
        for (label, one) in all {
            if let Some(value) = value(one) {
                family.add(&[("machine", label)], &value);
            }
        }
        family
    });
    std::iter::once(state).chain(filled).collect()
}

/// What taps have carried, as their guests see it: what the host sends, a guest receives.
fn of_interfaces(all: &[(&str, &Entry)], carried: &[InterfaceUse]) -> [Family; 4] {
    let mut families = [
        Family::new("vmrun_net_receive_bytes_total", MetricKind::Counter, "What the guest has received by its tap."),
        Family::new(
            "vmrun_net_receive_packets_total",
            MetricKind::Counter,
            "Packets that the guest has received by its tap.",
        ),
        Family::new("vmrun_net_transmit_bytes_total", MetricKind::Counter, "What the guest has sent by its tap."),
        Family::new(
            "vmrun_net_transmit_packets_total",
            MetricKind::Counter,
            "Packets that the guest has sent by its tap.",
        ),
    ];
    for (label, one) in all.iter().filter(|(_, one)| one.process.is_some()) {
        for it in carried.iter().filter(|it| one.shape.taps.contains(&it.name)) {
            let values = [it.sent, it.sent_packets, it.received, it.received_packets];
            for (family, value) in families.iter_mut().zip(values) {
                family.add(&[("machine", label), ("tap", &it.name)], &value);
            }
        }
    }
    families
}

fn of_hypervisors(counted: &[(&str, &Statistics)]) -> Vec<Family> {
    let mut disks = [
        Family::new("vmrun_disk_read_bytes_total", MetricKind::Counter, "What the guest has read."),
        Family::new("vmrun_disk_written_bytes_total", MetricKind::Counter, "What the guest has written."),
        Family::new("vmrun_disk_reads_total", MetricKind::Counter, "How often the guest has read."),
        Family::new("vmrun_disk_writes_total", MetricKind::Counter, "How often the guest has written."),
        Family::new(
            "vmrun_disk_flushes_total",
            MetricKind::Counter,
            "How often the guest asked that all be on the disk.",
        ),
        Family::new("vmrun_disk_busy_seconds_total", MetricKind::Counter, "How long its requests took, all added up."),
    ];
    let mut counts =
        Family::new("vmrun_bhyve_stat", MetricKind::Untyped, "What bhyvectl --get-stats tells, in its own words.");
    for (label, counted) in counted {
        for it in &counted.disks {
            #[expect(clippy::cast_precision_loss, reason = "a float's 53 bits of nanoseconds are a hundred days")]
            let busy = it.busy as f64 / 1e9;
            let values = [it.read, it.written, it.reads, it.writes, it.flushes].map(|number| number.to_string());
            for (family, value) in disks.iter_mut().zip(values.into_iter().chain([busy.to_string()])) {
                family.add(&[("machine", label), ("disk", &it.name)], &value);
            }
        }
        for it in &counted.counts {
            counts.add(&[("machine", label), ("vcpu", &it.vcpu.to_string()), ("stat", &it.name)], &it.value);
        }
    }
    disks.into_iter().chain([counts]).collect()
}
