//! The log of a guest of vm-bhyve (`vm-bhyve.log`): the arguments that bhyve was started with, by kind.
//!
//! vm-bhyve's `lib/vm-run` writes `[bhyve options: …]`, `[bhyve devices: …]`, `[bhyve console: …]` and, while it installs, `[bhyve iso
//! device: …]`, each in a line that begins with a date, and does not write the name of the guest.

use super::loads::{Loads, is_loader};
use super::words::{Word, blanks, spans};
use std::ops::Range;

const KINDS: [&str; 4] = ["options", "devices", "iso device", "console"];

/// A start of bhyve.
#[derive(Default)]
pub(super) struct Started {
    /// Its arguments, with a name.
    pub(super) words: Vec<Word>,
    /// What loads the guest before, where the log has the command.
    pub(super) loads: Loads,
    /// What somebody should know.
    pub(super) remarks: Vec<String>,
}

/// Returns the words of a loader's command in a line: from the loader's name on, without `-m FILE`, in which vm-bhyve writes the names of the
/// machine's disks by itself. In which form vm-bhyve logs it is not sure, so that any line is taken that has one.
fn loader(text: &str, line: Range<usize>) -> Option<Vec<Word>> {
    let words = blanks(text, line);
    let begin = words.iter().position(|word| is_loader(&word.text))?;
    let words: Vec<Word> = words.into_iter().skip(begin).collect();
    let is_grub = words.first().is_some_and(|word| word.text.ends_with("grub-bhyve"));
    let map = words.iter().position(|word| word.text == "-m").filter(|_| is_grub);
    let is_map = |at: usize| map.is_some_and(|map| at == map || at == map + 1);
    Some(words.into_iter().enumerate().filter(|(at, _)| !is_map(*at)).map(|(_, word)| word).collect())
}

/// Returns where the arguments of a line stand, and their kind.
fn arguments(text: &str, line: Range<usize>) -> Option<(usize, Range<usize>)> {
    let part = text.get(line.clone())?;
    let begin = part.find("[bhyve ")? + "[bhyve ".len();
    let inner = part.get(begin..)?.trim_end().strip_suffix(']')?;
    let (kind, args) = inner.split_once(": ")?;
    let kind = KINDS.iter().position(|known| *known == kind)?;
    let start = line.start + begin + inner.len() - args.len();
    Some((kind, start..start + args.len()))
}

/// Whether a text is such a log.
pub(super) fn is(text: &str) -> bool {
    spans(text).any(|line| arguments(text, line).is_some())
}

/// Returns the last start of bhyve that the log tells of; nothing where the text is no such log.
pub(super) fn read(text: &str) -> Option<Started> {
    let all: Vec<(usize, Range<usize>)> = spans(text).filter_map(|line| arguments(text, line)).collect();
    let begin = all.iter().rposition(|(kind, _)| *kind == 0).unwrap_or_default();
    let mut started = Started::default();
    started.remarks.extend(passed_over(all.iter().take(begin).filter(|(kind, _)| *kind == 0).count()));
    let last = all.get(begin..).filter(|all| !all.is_empty())?;
    for (_, span) in last {
        started.words.extend(blanks(text, span.clone()));
    }
    let end = last.last().map_or(0, |(_, span)| span.end);
    // The consoles of vm-bhyve are called after the guest: /dev/nmdm-NAME.1A.
    let named = |word: &Word| Some(word.text.split_once("/dev/nmdm-")?.1.rsplit_once('.')?.0.to_string());
    let command = spans(text).filter_map(|line| loader(text, line)).last();
    let loaded = command.iter().flatten().next_back().map(|word| word.text.clone());
    let name = loaded.or_else(|| {
        let name = started.words.iter().find_map(named);
        started.remarks.push(match &name {
            Some(name) => format!("vm-bhyve's log does not tell the name: `{name}` is that of its console"),
            None => "vm-bhyve's log does not tell the name: give the machine its own in place of `guest`".into(),
        });
        name
    });
    command.into_iter().for_each(|words| started.loads.take_words(words));
    let name = name.unwrap_or_else(|| "guest".into());
    started.words.push(Word { text: name, span: end..end, expands: None });
    Some(started)
}

/// Returns what is said of starts that are not taken.
fn passed_over(earlier: usize) -> Option<String> {
    let times = match earlier {
        0 => return None,
        1 => "one earlier start".into(),
        _ => format!("{earlier} earlier starts"),
    };
    Some(format!("the last start of the log is taken; it has {times}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_start_of_a_log_is_taken() {
        let start = |cpus: u8| {
            format!("Feb 23 11:23:52:  [bhyve options: -c {cpus} -u]\nFeb 23 11:23:52:  [bhyve devices: -s 31,lpc]\r\n")
        };
        let log = format!("{}Feb 23: exited\n{}x: [bhyve console: -l com1,/dev/nmdm-a.b.1A]\n", start(1), start(2));
        let started = read(&log).unwrap();
        let words: Vec<&str> = started.words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(words.join(" "), "-c 2 -u -s 31,lpc -l com1,/dev/nmdm-a.b.1A a.b");
        assert_eq!(started.remarks[0], "the last start of the log is taken; it has one earlier start");
        assert!(started.loads.is_empty());
        let started =
            read(&format!("x: /usr/local/sbin/grub-bhyve -m /a/device.map -r hd0,1 web\n{}", start(1))).unwrap();
        assert_eq!((started.words.last().unwrap().text.as_str(), started.loads.is_empty()), ("web", false));
        assert_eq!(started.remarks, [""; 0]);
        assert!(read("[bhyve nonsense: -c 1]\n[bhyve options: -c 1").is_none());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(\\[bhyve options: |\\]|\n|[-c 1,é])*") {
            prop_assert_eq!(is(&text), read(&text).is_some());
        }
    }
}
