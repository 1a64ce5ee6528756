//! What is known of the programs of this host that the script calls: which of them change something, and which texts are others each time.

use super::sessions::Sessions;
use super::whole_path;
use crate::diag::Fault;
use crate::import::written::{WORD, with_written};
use crate::recording::hidden::hide;
use crate::recording::watched::is_watched;
use crate::recording::{Call, Recording};

impl Sessions<'_> {
    /// Learns from a recording which watched programs change something, which fail, and which texts differ from those of the first recording.
    pub(super) fn learn_watched(&mut self, recording: &Recording) {
        let is_own = |call: &&Call| call.watched.is_some() && is_watched(call.program());
        for call in recording.calls.iter().filter(is_own) {
            let name = call.program().to_string();
            if !call.made_up.is_empty() {
                self.failing.insert(call.argv.clone());
            }
            self.setting.watched.add(&name);
        }
    }

    /// Whether there were watched programs that change something and were not known before this was asked last.
    pub(super) fn has_watched_more(&mut self) -> bool {
        let now = self.setting.watched.names().len();
        std::mem::replace(&mut self.watched_before, now) < now
    }

    /// Learns which texts are others in a recording of the same command with the same answers.
    pub(super) fn learn_texts(&mut self, recording: &Recording) {
        for file in &recording.written {
            let Some(content) = file.content.clone().filter(|content| !content.is_empty()) else { continue };
            let first = self.texts.entry(file.path.clone()).or_insert_with(|| content.clone());
            if *first != content {
                self.varying.insert(file.path.clone());
            }
        }
    }
}

/// Tells which texts that the recipe writes differ in two recordings with the same answers.
pub(super) fn other_texts(first: &Recording, second: &Recording) -> Vec<Fault> {
    let written = |recording: &Recording| -> Vec<Vec<String>> {
        let calls = with_written(recording, &whole_path).calls;
        calls.into_iter().filter(|call| call.program() == WORD).map(|call| call.argv).collect()
    };
    let others = written(second);
    let is_other = |text: &Vec<String>| {
        let mut same = others.iter().filter(|other| other.get(1) == text.get(1));
        same.next().is_some_and(|other| other.get(2) != text.get(2))
    };
    let told = |text: Vec<String>| {
        let path = hide(text.get(1).map(String::as_str).unwrap_or_default());
        let what = format!("the script writes another text into {path} each time, and the recipe has what it was");
        Fault::new(what).hint("ask for what is new in the recipe, by `query(\"…\", […])`, and write that")
    };
    written(first).into_iter().filter(is_other).map(told).collect()
}
