//! A folder of libvirt's XML: what `virsh dumpxml` printed of each domain, or libvirt's own folder with its networks and what starts with
//! the host.

use super::datastore::secret;
use super::source::{Guest, Next, Options, Source};
use crate::host::files;
use crate::import::libvirt::{Described, described};
use crate::import::{ImportOptions, SourceKind};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Returns the files of XML in a folder.
fn xml(folder: &Path) -> Vec<PathBuf> {
    let mut names = files::names(folder);
    names.sort();
    names.retain(|name| Path::new(name).extension().is_some_and(|kind| kind == "xml"));
    names.into_iter().map(|name| folder.join(name)).filter(|path| files::is_file(path)).collect()
}

/// Whether a folder has XML.
pub(super) fn is(folder: &Path) -> bool {
    !xml(folder).is_empty()
}

/// Reads a folder.
pub(super) fn read(folder: &Path, options: &Options<'_>) -> Source {
    let mut guests = Vec::new();
    let (mut bridges, mut secrets) = (BTreeMap::new(), BTreeSet::new());
    for path in xml(folder).into_iter().chain(xml(&folder.join("networks"))) {
        let text = files::read_text(&path).map_err(files::io_fault("read", &path));
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let name = match text.as_deref().ok().and_then(described) {
            Some(Described::Network(name, bridge)) => {
                bridges.insert(name, bridge);
                continue;
            }
            Some(Described::Domain(name)) => name,
            // What is wrong with it is told where it is read.
            None => stem,
        };
        let setting = ImportOptions {
            kind: Some(SourceKind::Libvirt),
            target: options.target,
            secret: secret(&name, &mut secrets),
            ..ImportOptions::default()
        };
        guests.push(Guest::new(name, path.display().to_string(), text, setting));
    }
    guests.iter_mut().for_each(|guest| guest.setting.bridges.clone_from(&bridges));
    let autostart = folder.join("autostart");
    let started = xml(&autostart).into_iter().filter_map(|path| match described(&files::read_text(&path).ok()?)? {
        Described::Domain(name) => Some(name),
        Described::Network(..) => None,
    });
    let start: Vec<String> = started.collect();
    let all: Vec<String> = guests.iter().map(|guest| guest.name.clone()).filter(|name| is_plain(name)).collect();
    Source {
        kind: "libvirt",
        taken: Vec::new(),
        guests,
        network: None,
        start,
        start_file: files::is_folder(&autostart).then(|| autostart.display().to_string()),
        notes: Vec::new(),
        next: vec![Next {
            what: "end libvirt's own start of its domains, so that nothing starts twice".into(),
            commands: all.into_iter().map(|name| format!("virsh autostart --disable {name}")).collect(),
        }],
    }
}

/// Whether a name is one word for a shell.
fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) && !name.starts_with('-')
}
