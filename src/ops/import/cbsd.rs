//! A whole working folder of CBSD: its guests, and which of them start with the host.
//!
//! The layout is that of CBSD 13.1 (`cbsd.conf`, `bcreate`): a guest's settings are in `jails-system/NAME`, its disks in
//! `jails-data/NAME-data`, which may be a link. `bhyve.conf` is there once a guest was started; `local.sqlite` always is, for jails too.

use super::datastore::secret;
use super::source::{Guest, Next, Options, Source};
use crate::diag::Fault;
use crate::host::files;
use crate::host::program::run;
use crate::import::cbsd::TABLES;
use crate::import::{ImportOptions, SourceKind};
use crate::model::Argv;
use crate::vmbhyve::Note;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The folder of the settings of all guests and jails.
const SYSTEM: &str = "jails-system";

/// Files of a guest's settings that are told beside its tables.
const FILES: &[&str] = &["seed.iso", "BHYVE_UEFI_VARS.fd", "vars.fd", "etc/rc.conf"];

/// Whether a folder is a working folder of CBSD.
pub(super) fn is(folder: &Path) -> bool {
    files::is_folder(&folder.join(SYSTEM))
}

/// Reads a working folder.
pub(super) fn read(folder: &Path, options: &Options<'_>) -> Source {
    let own = options.datastore.map_or_else(|| folder.to_path_buf(), PathBuf::from);
    let (mut guests, mut start, mut notes, mut secrets) = (Vec::new(), Vec::new(), Vec::new(), BTreeSet::new());
    let mut names = files::names(&folder.join(SYSTEM));
    names.sort();
    for name in names {
        let place = folder.join(SYSTEM).join(&name);
        let (conf, database) = (place.join("bhyve.conf"), place.join("local.sqlite"));
        let tables = files::is_file(&database).then(|| Tables::read(&database));
        if let Some(Ok(tables)) = &tables {
            if !tables.is_guest() {
                continue;
            }
            start.extend(tables.starts().then(|| name.clone()));
        }
        let (file, text) = match tables {
            _ if files::is_file(&conf) => {
                if let Some(Err(fault)) = &tables {
                    let text = format!("whether {name} starts with the host is not known: {}", fault.message);
                    notes.push(Note { is_hole: true, ..Note::new(0, "astart", text) });
                }
                let text = files::read_text(&conf).map_err(files::io_fault("read", &conf));
                (conf, text)
            }
            Some(tables) => {
                let media = folder.join("var/db/storage_media.sqlite");
                let document = tables.and_then(|tables| tables.with_media(&media, &name));
                (database, document.map(|tables| tables.document(&name, &own, &place)))
            }
            None => continue,
        };
        let setting = ImportOptions {
            kind: Some(SourceKind::Cbsd),
            target: options.target,
            secret: secret(&name, &mut secrets),
            ..ImportOptions::default()
        };
        guests.push(Guest::new(name, file.display().to_string(), text, setting));
    }
    let all = guests.iter().filter(|guest| start.contains(&guest.name)).map(|guest| &guest.name);
    let commands = all.filter(|name| is_plain(name)).map(|name| format!("cbsd bset jname={name} astart=0")).collect();
    if start.len() > 1 {
        notes.push(Note::new(0, "astart", "CBSD has no order of its guests: they start by their names"));
    }
    Source {
        kind: "CBSD",
        taken: taken(&guests),
        start_file: Some(folder.join(SYSTEM).display().to_string()),
        guests,
        network: None,
        start,
        notes,
        next: vec![Next { what: "end CBSD's own start of its guests, so that nothing starts twice".into(), commands }],
    }
}

/// Whether a name is one word for a shell.
fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) && !name.starts_with('-')
}

/// Returns the taps and the ports of screens that guests name themselves.
fn taken(guests: &[Guest]) -> Vec<String> {
    let texts = guests.iter().filter_map(|guest| guest.text.as_ref().ok()).filter(|text| !text.starts_with('{'));
    let of = |text: &String| {
        let words = text.split([' ', ',', '\'', '"', '\n']);
        let has_tap = |part: &&str| part.strip_prefix("tap").is_some_and(|number| number.parse::<u32>().is_ok());
        let port = |part: &str| Some(part.strip_prefix("tcp=")?.rsplit(':').next()?.to_string());
        let (taps, ports): (Vec<_>, Vec<_>) = words.map(|part| (Some(part).filter(has_tap), port(part))).unzip();
        taps.into_iter().flatten().map(String::from).chain(ports.into_iter().flatten()).collect::<Vec<_>>()
    };
    texts.flat_map(of).collect()
}

/// The tables of a guest, by sqlite3(1).
struct Tables {
    all: serde_json::Map<String, Value>,
}

/// Asks a database; no rows are no text.
fn ask(file: &Path, question: &str) -> Result<Value, Fault> {
    let argv = Argv::new("sqlite3").args(["-batch", "-readonly", "-json"]).arg(file.display()).arg(question);
    let hint = "see that sqlite3 opens the file: `pkg install sqlite3` brings it";
    let text = run(&argv).map_err(|fault| fault.hint(hint))?;
    if text.trim().is_empty() {
        return Ok(Value::Array(Vec::new()));
    }
    let fault = |_| {
        Fault::host(format!("sqlite3 answers of {} what is no JSON", file.display())).hint("-json takes sqlite3 3.33")
    };
    serde_json::from_str(&text).map_err(fault)
}

impl Tables {
    fn read(file: &Path) -> Result<Self, Fault> {
        let names = ask(file, "SELECT name FROM sqlite_master WHERE type='table'")?;
        let is_there = |table: &&&str| {
            names
                .as_array()
                .is_some_and(|all| all.iter().any(|row| row.get("name").and_then(Value::as_str) == Some(**table)))
        };
        let mut all = serde_json::Map::new();
        for table in TABLES.iter().filter(is_there) {
            all.insert((*table).into(), ask(file, &format!("SELECT * FROM {table} ORDER BY rowid"))?);
        }
        // The last row counts (`init_bhyve_rcconf`).
        if let Some(Value::Array(rows)) = all.get_mut("settings") {
            rows.reverse();
        }
        Ok(Self { all })
    }

    /// Adds the images that CBSD's own database has for the guest.
    fn with_media(mut self, file: &Path, name: &str) -> Result<Self, Fault> {
        if files::is_file(file) && is_plain(name) {
            let question = format!("SELECT idx, type, path FROM media WHERE jname='{name}' ORDER BY idx");
            self.all.insert("media".into(), ask(file, &question)?);
        }
        Ok(self)
    }

    /// Whether it is a guest's, and no jail's.
    fn is_guest(&self) -> bool {
        self.all.contains_key("bhyvedsk") && self.all.contains_key("settings")
    }

    fn starts(&self) -> bool {
        let row = self.all.get("settings").and_then(|rows| rows.get(0));
        let value = row.and_then(|row| row.get("astart")).map(ToString::to_string).unwrap_or_default();
        !["", "0", "\"0\"", "null"].contains(&value.as_str())
    }

    /// Returns the tables as a text, with what of the folders belongs to them.
    fn document(mut self, name: &str, own: &Path, place: &Path) -> String {
        let there: Vec<&&str> = FILES.iter().filter(|file| files::is_file(&place.join(file))).collect();
        self.all.insert("jname".into(), json!(name));
        self.all.insert("folder".into(), json!(own.join(SYSTEM).join(name).display().to_string()));
        self.all
            .insert("data".into(), json!(own.join("jails-data").join(format!("{name}-data")).display().to_string()));
        self.all.insert("files".into(), json!(there));
        Value::Object(self.all).to_string()
    }
}
