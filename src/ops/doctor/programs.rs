//! The programs that vmrun runs, and what lacks without each.

use super::Report;
use crate::diag::Fault;
use crate::host::system::System;
use crate::host::{Facts as _, Platform, packages};
use crate::ops::viewer;
use crate::supervise::conflicts::without;

/// Those without which no machine runs.
const fn needed(platform: Platform) -> &'static [&'static str] {
    match platform {
        Platform::FreeBsd => &["bhyve", "bhyvectl", "ifconfig"],
        Platform::Linux => &["qemu-system-x86_64", "ip"],
    }
}

/// Those of one system, with what lacks without them.
const fn of_system(platform: Platform) -> &'static [(&'static str, &'static str)] {
    match platform {
        Platform::FreeBsd => &[
            ("bhyveload", "loads FreeBSD without firmware"),
            ("grub-bhyve", "loads Linux without firmware"),
            ("fetch", "fetches images"),
        ],
        Platform::Linux => &[("curl", "fetches images")],
    }
}

/// Those of every system.
const OF_ALL: &[(&str, &str)] = &[
    ("qemu-img", "reads images in the forms of other hypervisors"),
    ("swtpm", "plays the TPM of a machine"),
    ("zstd", "packs what `vmrun export` writes"),
    ("ssh", "is behind `vmrun ssh` and hosts like ssh://NAME"),
    ("scp", "is behind `vmrun cp`"),
    ("ssh-keygen", "makes keys of guests, and verifies libraries"),
    ("git", "fetches libraries"),
    ("gpgv", "verifies who signed checksums of images"),
    ("dnsmasq", "is behind `vmrun netboot serve`"),
];

pub(super) fn examine(host: &System, report: &mut Report) {
    let platform = host.settings().platform;
    let others = || of_system(platform).iter().chain(OF_ALL);
    let all = needed(platform).iter().copied().chain(others().map(|(name, _)| *name));
    let there: Vec<&str> = all.filter(|name| host.has_program(name)).collect();
    if !there.is_empty() {
        report.ok("programs", there.join(", "));
    }
    // What can be pasted, where there is a line.
    let line = |name: &str| packages::line(platform, name).map(String::from);
    for (name, fault) in needed(platform).iter().filter_map(|name| Some((name, without(host, name)?))) {
        report.wrong("programs", fault.maybe_hint(line(name)));
    }
    for (name, what) in others() {
        if let Some(fault) = without(host, name) {
            let message = format!("{}, which {what}", fault.message);
            report.note("programs", Fault { message, ..fault }.maybe_hint(line(name)));
        }
    }
    match viewer::configured_or_found() {
        Ok(argv) => report.ok("viewer", argv.program),
        Err(fault) => report.note("viewer", fault),
    }
}
