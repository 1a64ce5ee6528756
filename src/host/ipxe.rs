//! Where a host has its iPXE.

use super::{Host, Platform};
use crate::diag::Fault;
use crate::image::{FREEBSD_PACKAGE, LINUX_PACKAGE};
use crate::{bhyve, qemu};
use std::path::Path;

/// Returns the host's iPXE: the first that is there of those that it may have.
pub(crate) fn loader(host: &dyn Host) -> Result<String, Fault> {
    let candidates: &[&str] = match host.settings().platform {
        Platform::FreeBsd => &[bhyve::IPXE_LOADER],
        Platform::Linux => qemu::IPXE_LOADERS,
    };
    let there = candidates.iter().find(|path| host.file(Path::new(path)).is_some());
    let fault = || Fault::new(format!("iPXE is not there: {}", candidates[0])).hint(package(host));
    there.map(|path| (*path).to_string()).ok_or_else(fault)
}

/// Says what brings a good iPXE.
pub(crate) fn package(host: &dyn Host) -> &'static str {
    match host.settings().platform {
        Platform::FreeBsd => FREEBSD_PACKAGE,
        Platform::Linux => LINUX_PACKAGE,
    }
}
