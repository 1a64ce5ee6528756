//! The lines of a guest's file, read as vm-bhyve reads them.
//!
//! vm-bhyve does not source the file: it takes the lines that begin with a lower-case letter, cuts each at its first `#`,
//! even inside quotes, cuts the spaces at the end, and takes every double quote away. The key is all before the first `=`,
//! exactly as it is written, and the first line with a key counts. Nothing is expanded.

use super::Note;
use std::collections::BTreeMap;
use std::fmt;

/// One line that vm-bhyve reads.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The line, from 1.
    pub line: usize,
    /// The key, as it is written.
    pub key: String,
    /// The value without double quotes. A line without `=` is its own value, as in vm-bhyve.
    pub value: String,
    /// Whether the line has no `=`.
    pub bare: bool,
    /// Whether an earlier line has the same key, so that vm-bhyve never sees this one.
    pub repeated: bool,
}

/// Without the value of a password.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.key.contains("password") { "***".into() } else { masked(&self.value) };
        write!(f, "{}: {}={value:?}", self.line, identifier(&self.key))
    }
}

/// Returns a text with everything after `password=` masked.
pub(super) fn masked(text: &str) -> String {
    match text.split_once("password=") {
        Some((head, _)) => format!("{head}password=***"),
        None => text.into(),
    }
}

/// A file of keys and values.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Conf {
    entries: Vec<Entry>,
    first: BTreeMap<String, usize>,
    notes: Vec<Note>,
}

/// Without the values of passwords.
impl fmt::Debug for Conf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.entries).finish()
    }
}

impl Conf {
    /// Reads a file. Every text is one; what vm-bhyve ignores or takes otherwise than it looks is noted.
    pub(crate) fn parse(text: &str) -> Self {
        let mut conf = Self::default();
        let mut carriage_return = false;
        for (at, line) in text.split('\n').enumerate() {
            let stripped = line.strip_suffix('\r');
            if stripped.is_some() && !carriage_return {
                carriage_return = true;
                let text =
                    "the line ends with a carriage return, which vm-bhyve keeps in the value; it is left out here";
                conf.notes.push(Note::new(at + 1, "", text));
            }
            conf.read_line(at + 1, stripped.unwrap_or(line));
        }
        conf
    }

    /// Returns the line that counts for a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.first.get(key).and_then(|at| self.entries.get(*at))
    }

    /// Returns every line that has a key, in order.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns what was noted while reading, in order.
    pub(crate) fn notes(&self) -> &[Note] {
        &self.notes
    }

    fn note(&mut self, line: usize, key: &str, text: impl Into<String>) {
        self.notes.push(Note::new(line, identifier(key), text));
    }

    fn read_line(&mut self, line: usize, text: &str) {
        if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
            let rest = text.trim();
            if !rest.is_empty() && !rest.starts_with('#') {
                self.note(line, rest, "vm-bhyve ignores a line that does not begin with a lower-case letter");
            }
            return;
        }
        let (kept, comment) = text.split_once('#').map_or((text, false), |(kept, _)| (kept, true));
        if comment && kept.matches('"').count() % 2 == 1 {
            self.note(line, kept, "vm-bhyve cuts the line at its first `#`, even inside quotes");
        }
        let unquoted = kept.trim_end_matches(' ').replace('"', "");
        let bare = !unquoted.contains('=');
        let (key, value) = if let Some((key, value)) = unquoted.split_once('=') {
            if key.ends_with(|c: char| c.is_whitespace()) {
                self.note(line, key, "the blank before `=` belongs to the key, so vm-bhyve does not find it");
            }
            if value.contains(['$', '`']) {
                self.note(line, key, "vm-bhyve expands no `$` and no backquote in a value");
            }
            if value.len() > 1 && value.starts_with('\'') && value.ends_with('\'') {
                self.note(line, key, "vm-bhyve takes away double quotes only: the single quotes belong to the value");
            }
            (key, value)
        } else {
            self.note(line, &unquoted, "a line without `=` is its own value for vm-bhyve");
            (unquoted.as_str(), unquoted.as_str())
        };
        let repeated = self.get(key).map(|first| first.line);
        if let Some(first) = repeated {
            self.note(line, key, format!("the key is in line {first} already, and vm-bhyve reads the first only"));
        } else {
            self.first.insert(key.into(), self.entries.len());
        }
        self.entries.push(Entry { line, key: key.into(), value: value.into(), bare, repeated: repeated.is_some() });
    }
}

/// Returns the letters, digits and `_` that a text begins with: all that a note may show of a line it does not know.
pub(super) fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    text.get(..end.min(40)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> (Vec<(usize, String, String)>, Vec<String>) {
        let conf = Conf::parse(text);
        let entries = conf.entries().iter().map(|e| (e.line, e.key.clone(), e.value.clone()));
        let notes = conf.notes().iter().map(|n| format!("{} {}: {}", n.line, n.key, n.text));
        (entries.collect(), notes.collect())
    }

    #[test]
    fn lines_are_read_as_vm_bhyve_reads_them() {
        let (entries, notes) = read(
            "# a comment\n\ncpu=2\nmemory=\"512M\"   # enough\n  loader=\"uefi\"\nCPU=\"4\"\nuuid=\"a#b\"\ncpu=\"3\"\ndebug = yes\n\
             disk0_name='a.img'\ngraphics\nprestart=\"$x\"\r\ngrub_run0=\"linux root=/dev/vda1 \"\n",
        );
        let entry = |line, key: &str, value: &str| (line, key.to_string(), value.to_string());
        assert_eq!(
            entries,
            [
                entry(3, "cpu", "2"),
                entry(4, "memory", "512M"),
                entry(7, "uuid", "a"),
                entry(8, "cpu", "3"),
                entry(9, "debug ", " yes"),
                entry(10, "disk0_name", "'a.img'"),
                entry(11, "graphics", "graphics"),
                entry(12, "prestart", "$x"),
                entry(13, "grub_run0", "linux root=/dev/vda1 "),
            ]
        );
        assert_eq!(
            notes,
            [
                "5 loader: vm-bhyve ignores a line that does not begin with a lower-case letter",
                "6 CPU: vm-bhyve ignores a line that does not begin with a lower-case letter",
                "7 uuid: vm-bhyve cuts the line at its first `#`, even inside quotes",
                "8 cpu: the key is in line 3 already, and vm-bhyve reads the first only",
                "9 debug: the blank before `=` belongs to the key, so vm-bhyve does not find it",
                "10 disk0_name: vm-bhyve takes away double quotes only: the single quotes belong to the value",
                "11 graphics: a line without `=` is its own value for vm-bhyve",
                "12 : the line ends with a carriage return, which vm-bhyve keeps in the value; it is left out here",
                "12 prestart: vm-bhyve expands no `$` and no backquote in a value",
            ]
        );
        assert_eq!(Conf::parse("cpu=1\ncpu=2").get("cpu").map(|entry| entry.value.as_str()), Some("1"));
    }

    #[test]
    fn a_password_is_not_shown() {
        let text = "vnc_password=\"hunter2\"\nbhyve_options=\"-s 9,fbuf,password=hunter2\"\n vnc_password=hunter2\n\
                    vnc_password hunter2";
        let shown = format!("{:?}{:?}", Conf::parse(text), Conf::parse(text).notes());
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(pairs in prop::collection::vec(("[a-z][a-z0-9_]{0,9}", "[!$-~]{0,9}"), 0..9)) {
            let text: String = pairs.iter().map(|(key, value)| format!("{key}=\"{value}\"\n")).collect();
            let conf = Conf::parse(&text);
            let read: Vec<_> = conf.entries().iter().map(|e| (e.key.clone(), e.value.clone())).collect();
            prop_assert_eq!(read, pairs);
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = Conf::parse(&text);
        }

        #[test]
        fn no_line_of_odd_characters_panics(text in "[a-b=#\"' \\t\r\n\\$é]{0,60}") {
            let _ = Conf::parse(&text);
        }
    }
}
