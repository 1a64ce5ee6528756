//! The folders of other managers, each known by what is in it.

use super::source::{Options, Source};
use super::{cbsd, datastore, domains};
use crate::diag::Fault;
use crate::host::files;
use std::path::{Path, PathBuf};

/// Reads a folder, whoever's it is.
pub(super) fn folder(given: &str, options: &Options<'_>) -> Result<(PathBuf, Source), Fault> {
    let path = files::whole(Path::new(""), Path::new(given));
    if !files::is_folder(&path) {
        let fault = Fault::usage(format!("{given} is no folder"));
        return Err(fault.hint("--all takes the folder of all guests; one guest is imported without it"));
    }
    let source = if datastore::is(&path) {
        Some(datastore::read(&path, options)?)
    } else if cbsd::is(&path) {
        Some(cbsd::read(&path, options))
    } else {
        domains::is(&path).then(|| domains::read(&path, options))
    };
    // One that is known, and has neither a guest nor a switch yet, is as good as none.
    if let Some(source) = source.filter(|source| !source.guests.is_empty() || source.network.is_some()) {
        return Ok((path, source));
    }
    let fault = Fault::usage(format!("{given} holds no guests that can be imported"));
    Err(fault.hint("give a folder of vm-bhyve's guests (NAME/NAME.conf), of libvirt's XML (NAME.xml), or CBSD's own (jails-system/NAME)"))
}
