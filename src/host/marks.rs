//! What a host's runs mark interfaces with, and the interfaces of a host as its runs see them.

use super::Facts;
use super::interfaces::marks::{Folder, Maker};
use super::interfaces::{self, Interface};
use super::program::Query;
use crate::diag::Fault;
use crate::model::VmName;

/// Returns what marks say of the state folder of a host's runs.
pub(crate) fn own_folder(host: &dyn Facts) -> Folder {
    Folder::of(&host.real(&host.settings().state))
}

/// Returns the run of a machine on a host, which makes interfaces.
pub(crate) fn maker(host: &dyn Facts, machine: VmName) -> Maker {
    Maker { machine, folder: Some(own_folder(host)) }
}

/// Returns interfaces as the runs of a host see them: what a vmrun with another state folder has made is somebody else's.
pub(crate) fn seen(host: &dyn Facts, all: Vec<Interface>) -> Vec<Interface> {
    let own = own_folder(host);
    all.into_iter().map(|one| one.seen_from(&own)).collect()
}

/// Reads the interfaces of a host as they are now, whatever a rehearsal has made.
pub(crate) fn read(host: &dyn Facts, query: Query<'_>) -> Result<Vec<Interface>, Fault> {
    Ok(seen(host, interfaces::read(host.settings().platform, query)?))
}
