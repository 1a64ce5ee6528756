//! A machine may start after one of another host: those of the configuration are asked whether it runs there.

use super::patience::patiently;
use super::{Listener, Start, StartEvent, runs};
use crate::diag::{Blame, Diagnostic, Fault};
use crate::model::VmName;
use crate::ops::all_hosts::{self, AllHosts};
use crate::ops::display::CONNECT;
use crate::ops::installation::Installation;
use crate::ops::search::HostQuery;
use std::cell::RefCell;
use std::time::Instant;

/// Has machines not wait for those of other hosts that run there; until then they are waited for, if that is wanted. What runs nowhere is
/// told by whoever sets the machines in order.
pub(super) fn look(
    starts: &mut [Start],
    installation: &Installation,
    until: Option<Instant>,
    listener: Listener<'_>,
) -> Result<(), Vec<Diagnostic>> {
    let missing = missing(starts);
    if missing.is_empty() || installation.config.hosts.is_empty() {
        return Ok(());
    }
    let told = RefCell::new(AllHosts::default());
    let ask = || {
        let query = HostQuery { hosts: Vec::new(), timeout: CONNECT };
        told.replace(all_hosts::ask(&query, false)?);
        let told = told.borrow();
        missing.iter().find(|name| !is_there(&told, name)).map_or(Ok(()), |name| {
            Err(Fault::busy(format!("{name} runs neither here nor on another host of config.toml")).into())
        })
    };
    let found = ask().or_else(|wrong| patiently(wrong, until, listener, &ask));
    let told = told.borrow();
    for start in starts {
        start.after.retain(|name| !missing.contains(name) || !is_there(&told, name));
    }
    match found {
        Ok(()) => Ok(()),
        Err(wrong) if wrong.iter().all(|one| one.fault.blame == Blame::Busy) => {
            silence(&told).iter().for_each(|warning| listener(&StartEvent::Warning(warning)));
            Ok(())
        }
        Err(wrong) => Err(wrong),
    }
}

/// The machines after which others start, and which neither run here nor are about to.
fn missing(starts: &[Start]) -> Vec<VmName> {
    let is_among = |name: &VmName| starts.iter().any(|start| start.name == *name);
    let mut missing: Vec<VmName> = starts.iter().flat_map(|start| &start.after).cloned().collect();
    missing.sort();
    missing.dedup();
    missing.retain(|name| !is_among(name) && !runs(name));
    missing
}

/// Whether a machine runs on another host; what a host wrote long ago does not say so.
fn is_there(all: &AllHosts, name: &VmName) -> bool {
    let fresh = all.hosts.iter().filter(|host| host.stale.is_none());
    fresh.flat_map(|host| &host.told.machines).any(|one| one.running() == Some(name.as_str()))
}

/// The hosts that did not tell: what is missing may run there.
fn silence(all: &AllHosts) -> Vec<Diagnostic> {
    let warning = |(host, why): &(String, Option<String>)| {
        let why = why.as_ref().map_or_else(|| "it did not answer".into(), Clone::clone);
        Diagnostic::warning(Fault::host(format!("{host} does not tell what runs there: {why}")))
    };
    all.silent.iter().map(warning).collect()
}
