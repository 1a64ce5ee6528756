//! A machine of another manager or hypervisor as the command line of bhyve that it comes to.

use crate::model::Part;
use crate::vmbhyve::{Load, Note};
use std::collections::BTreeMap;

/// A machine as bhyve runs it.
#[derive(Debug, Default)]
pub(super) struct Translated {
    pub(super) name: String,
    /// bhyve's arguments, the name last.
    pub(super) argv: Vec<String>,
    /// What loads the guest before.
    pub(super) load: Option<Load>,
    /// The taps, each with its bridge where it is known.
    pub(super) taps: BTreeMap<String, Option<String>>,
    /// The taps that are there whether or not the machine runs.
    pub(super) lasting: Vec<String>,
    /// What was said of lines and keys of the source.
    pub(super) notes: Vec<Note>,
    /// What stands in the recipe beside the part that it is about.
    pub(super) remarks: Vec<(Part, String)>,
}

impl Translated {
    /// Adds a device.
    pub(super) fn put(&mut self, slot: &str, device: &str) {
        self.argv.extend(["-s".into(), format!("{slot},{device}")]);
    }

    /// Notes something about a key.
    pub(super) fn note(&mut self, line: usize, key: &str, text: impl Into<String>) {
        self.notes.push(Note::new(line, key, text));
    }

    /// Notes what the recipe is not whole without; it is said beside the part that it is about too.
    pub(super) fn hole(&mut self, line: usize, key: &str, part: Part, text: &str) {
        self.notes.push(Note { is_hole: true, ..Note::new(line, key, text) });
        if part != Part::Whole {
            self.remarks.push((part, format!("to be finished: {text}")));
        }
    }
}
