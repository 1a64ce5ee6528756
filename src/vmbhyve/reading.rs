//! A guest's file while it is read: values, and what was noted and refused on the way.

use super::conf::{Conf, Entry, identifier};
use super::keys::{self, Becomes};
use super::{Note, Place};
use crate::diag::Fault;
use std::collections::BTreeMap;

/// A guest's file while it is read.
pub(super) struct Reading<'a> {
    pub(super) name: &'a str,
    pub(super) place: &'a Place<'a>,
    pub(super) uefi: bool,
    pub(super) system: Conf,
    conf: Conf,
    notes: Vec<Note>,
    faults: Vec<(usize, Fault)>,
    reached: BTreeMap<&'static str, usize>,
    silent: Vec<(&'static str, &'static str)>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(text: &str, name: &'a str, place: &'a Place<'a>) -> Self {
        let conf = Conf::parse(text);
        let notes = conf.notes().to_vec();
        let (faults, reached, silent) = (Vec::new(), BTreeMap::new(), Vec::new());
        let system = Conf::parse(place.system.unwrap_or_default());
        Self { name, place, uefi: false, system, conf, notes, faults, reached, silent }
    }

    /// Returns the value of a key, if the file has the key.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.conf.get(key).map(|entry| entry.value.as_str())
    }

    /// Returns the value of a key, or nothing.
    pub(super) fn text(&self, key: &str) -> &str {
        self.get(key).unwrap_or_default()
    }

    /// Returns whether a key is on: anything but nothing, `no`, `false`, `off` and `0`.
    pub(super) fn yes(&self, key: &str, default: &str) -> bool {
        yes(self.get(key).unwrap_or(default))
    }

    /// Returns the value of a key that becomes a part of one argument, if there is one. The shell splits arguments at
    /// blanks, so a blank inside is refused, and one at the ends is left out.
    pub(super) fn word(&mut self, key: &str) -> Option<String> {
        let value = self.text(key);
        let word = value.trim().to_string();
        if word.len() != value.len() {
            self.note(key, "the blanks at the ends of the value are left out");
        }
        if word.contains(char::is_whitespace) {
            let message = format!("`{key}` holds a blank, at which vm-bhyve's shell splits the argument");
            self.fault(key, Fault::new(message).hint("take a name without blanks"));
        }
        (!word.is_empty()).then_some(word)
    }

    /// Returns the line of a key, or 0.
    pub(super) fn line(&self, key: &str) -> usize {
        self.conf.get(key).map_or(0, |entry| entry.line)
    }

    /// Notes something about a key that the file does not have, at the line of one that it has.
    pub(super) fn note_at(&mut self, there: &str, key: &str, text: &str) {
        self.notes.push(Note::new(self.line(there), key, text));
    }

    /// Notes something about a key.
    pub(super) fn note(&mut self, key: &str, text: impl Into<String>) {
        self.notes.push(Note::new(self.line(key), key, text));
    }

    /// Notes what the recipe is not whole without.
    pub(super) fn hole(&mut self, key: &str, text: impl Into<String>) {
        self.notes.push(Note::hole(self.line(key), key, text));
    }

    /// Refuses a key.
    pub(super) fn fault(&mut self, key: &str, fault: Fault) {
        self.faults.push((self.line(key), fault));
    }

    /// Says how many of a numbered key vm-bhyve reaches: it counts from 0 and stops at the first that is not there.
    pub(super) fn reach(&mut self, prefix: &'static str, count: usize) {
        self.reached.insert(prefix, count);
    }

    /// Says that keys with a prefix have no effect, and without what.
    pub(super) fn silence(&mut self, prefix: &'static str, without: &'static str) {
        self.silent.push((prefix, without));
    }

    /// Returns a path in the guest's folder.
    pub(super) fn own(&self, file: &str) -> String {
        format!("{}/{}/{file}", self.place.datastore.trim_end_matches('/'), self.name)
    }

    /// Notes every key that does not become a part of the command line, and returns the notes in order, or the faults.
    pub(super) fn finish(mut self) -> Result<Vec<Note>, Vec<(usize, Fault)>> {
        let mut notes = std::mem::take(&mut self.notes);
        notes.extend(self.conf.entries().iter().filter(|entry| !entry.repeated).filter_map(|entry| {
            let text = self.fate(entry)?;
            Some(Note::new(entry.line, identifier(&entry.key), text))
        }));
        notes.sort();
        notes.dedup();
        self.faults.sort_by_key(|(line, _)| *line);
        if self.faults.is_empty() { Ok(notes) } else { Err(self.faults) }
    }

    /// Returns what there is to say of a key, if there is anything.
    fn fate(&self, entry: &Entry) -> Option<String> {
        let (key, value) = (entry.key.as_str(), entry.value.as_str());
        let Some((known, number)) = keys::find(key) else {
            // A line without `=` and a blank in a key were noted when they were read.
            if entry.bare || key.ends_with(char::is_whitespace) {
                return None;
            }
            let hint = if identifier(key).len() == key.len() { keys::nearest(key) } else { None };
            let hint = hint.map(|hint| format!(": {hint}")).unwrap_or_default();
            return Some(format!("vm-bhyve knows no such key{hint}"));
        };
        if value.is_empty() {
            return None;
        }
        if let (Some(number), Some((family, _))) = (number, known.name.split_once('N')) {
            let stale = matches!(known.becomes, Becomes::Nothing(_));
            match self.reached.get(family) {
                Some(count) if number >= *count && !stale => {
                    return Some(format!("vm-bhyve never reaches it: it stops before `{family}{count}`"));
                }
                _ => {}
            }
        }
        match known.becomes {
            Becomes::Instead(_) if value == known.default => None,
            Becomes::Instead(text) | Becomes::Nothing(text) => Some(text.into()),
            Becomes::Command(_) => {
                let silent = self.silent.iter().find(|(prefix, _)| key.starts_with(prefix));
                silent.map(|(_, without)| format!("it has no effect without {without}"))
            }
        }
    }
}

/// Returns whether vm-bhyve takes a value for yes.
pub(super) fn yes(value: &str) -> bool {
    !value.is_empty() && value != "0" && !["no", "false", "off"].iter().any(|no| value.eq_ignore_ascii_case(no))
}
