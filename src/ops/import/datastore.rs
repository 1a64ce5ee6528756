//! A whole datastore of vm-bhyve: its guests, its switches, and what rc.conf starts.

use super::source::{Guest, Network, Next, Options, Source};
use crate::diag::Fault;
use crate::host::files;
use crate::import::{ImportOptions, SourceKind};
use crate::vmbhyve::rc_conf::RcConf;
use crate::vmbhyve::{Note, switch};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Returns the files of guests in a folder: NAME/NAME.conf.
fn guests(folder: &Path) -> Vec<(String, PathBuf)> {
    let file = |name: String| {
        let path = folder.join(&name).join(format!("{name}.conf"));
        (!name.starts_with('.') && files::is_file(&path)).then_some((name, path))
    };
    let mut all: Vec<(String, PathBuf)> = files::names(folder).into_iter().filter_map(file).collect();
    all.sort();
    all
}

/// Whether a folder is a datastore of vm-bhyve.
pub(super) fn is(folder: &Path) -> bool {
    files::is_file(&folder.join(".config/system.conf")) || !guests(folder).is_empty()
}

/// Reads a datastore.
pub(super) fn read(folder: &Path, options: &Options<'_>) -> Result<Source, Fault> {
    let system_path = folder.join(".config/system.conf");
    let system = files::read_text(&system_path).ok();
    let (rc_name, rc_conf) = rc_conf(options)?;
    let text = system.as_deref().unwrap_or_default().trim_start_matches('\u{feff}').to_string();
    let own = options.datastore.map_or_else(|| folder.display().to_string(), String::from);
    let setting = ImportOptions {
        kind: Some(SourceKind::VmBhyve),
        target: options.target,
        datastore: own.trim_end_matches('/').to_string(),
        dataset: rc_conf.dataset().map(String::from),
        bridges: switch::bridges(&text),
        system,
        ..ImportOptions::default()
    };
    let (mut all, mut secrets) = (Vec::new(), BTreeSet::new());
    for (name, path) in guests(folder) {
        let text = files::read_text(&path).map_err(files::io_fault("read", &path));
        let setting = ImportOptions { secret: secret(&name, &mut secrets), ..setting.clone() };
        all.push(Guest::new(name, path.display().to_string(), text, setting));
    }
    let (switches, switch_notes) = switch::all(&text);
    let network = (!text.trim().is_empty()).then(|| Network {
        file: system_path.display().to_string(),
        switches,
        notes: switch_notes,
    });
    let mut notes = rc_notes(&rc_conf, rc_name.as_deref());
    notes.extend(missing(&rc_conf, &all));
    Ok(Source {
        kind: "vm-bhyve",
        taken: taken(&all),
        guests: all,
        network,
        start: rc_conf.list,
        start_file: rc_name,
        notes,
        next: vec![Next {
            what: "end vm-bhyve's own start of its guests and switches, so that nothing starts twice".into(),
            commands: vec!["sysrc vm_enable=NO".into()],
        }],
    })
}

/// Returns a name for a machine's secret that no other machine has, in capitals neither, as variables are: letters, digits, `_`.
pub(super) fn secret(name: &str, all: &mut BTreeSet<String>) -> String {
    let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let numbered = (2_u32..).map(|number| format!("vnc_{plain}_{number}"));
    let mut names = [format!("vnc_{plain}")].into_iter().chain(numbered);
    names.find(|name| all.insert(name.to_ascii_uppercase())).unwrap_or_default()
}

/// Reads the file that was asked for, or the host's own where it has one.
pub(super) fn rc_conf(options: &Options<'_>) -> Result<(Option<String>, RcConf), Fault> {
    let path = match options.rc_conf {
        Some(path) => Path::new(path),
        None if files::is_file(Path::new("/etc/rc.conf")) => Path::new("/etc/rc.conf"),
        None => return Ok((None, RcConf::default())),
    };
    let fault = |error: std::io::Error| {
        let fault = Fault::usage(format!("cannot read {}: {}", path.display(), files::reason(&error)));
        fault.hint("--rc-conf FILE names the rc.conf(5) that has vm_list")
    };
    let text = files::read_text(path).map_err(fault)?;
    Ok((Some(path.display().to_string()), RcConf::parse(&text)))
}

/// Returns what is not taken over of rc.conf.
fn rc_notes(rc_conf: &RcConf, file: Option<&str>) -> Vec<Note> {
    let mut notes = Vec::new();
    if file.is_none() {
        let text = "no rc.conf was read, so that no machine starts with the host: `--rc-conf FILE` names one";
        notes.push(Note::new(0, "vm_list", text));
    }
    if let Some(delay) = &rc_conf.delay {
        let text =
            format!("vmrun does not wait {delay} s between two starts: `after(\"NAME\")` in a recipe orders them");
        notes.push(Note::new(0, "vm_delay", text));
    }
    let unknown = rc_conf.unknown.iter().map(|line| {
        let text = "a shell would put something in, so that the line is not taken over";
        Note { is_hole: true, ..Note::new(*line, "vm_", text) }
    });
    notes.extend(unknown);
    notes
}

/// Returns what is said of guests that rc.conf starts and the datastore has not.
fn missing(rc_conf: &RcConf, guests: &[Guest]) -> Vec<Note> {
    let is_missing = |name: &&String| !guests.iter().any(|guest| guest.name == **name);
    let note = |name: &String| {
        let text = format!("it starts {name}, which the datastore has not: it may be in another one");
        Note { is_hole: true, ..Note::new(0, "vm_list", text) }
    };
    rc_conf.list.iter().filter(is_missing).map(note).collect()
}

/// Returns the taps and ports that guests name themselves.
fn taken(guests: &[Guest]) -> Vec<String> {
    let texts = guests.iter().filter_map(|guest| guest.text.as_ref().ok());
    let value = |line: &str| {
        let (key, value) = line.split_once('=')?;
        let is_named = key == "graphics_port"
            || key.starts_with("network") && (key.ends_with("_device") || key.ends_with("_name"));
        is_named.then(|| value.split('#').next().unwrap_or_default().replace('"', "").trim().to_string())
    };
    texts.flat_map(|text| text.lines().filter_map(value).collect::<Vec<_>>()).collect()
}
