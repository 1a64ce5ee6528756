//! What in a script's text gets past the stand-ins where it is not enclosed.

use super::{CARRIERS, NAMES, base_name, carried};
use std::ops::Range;

/// A place in a script where a program is run that no stand-in stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escape {
    /// How the program gets past.
    pub kind: EscapeKind,
    /// Bytes of the text.
    pub span: Range<usize>,
}

/// How a program gets past its stand-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EscapeKind {
    /// It is named by its whole path.
    Path,
    /// PATH is set anew, without what it was.
    Search,
}

/// Finds the places, in the order of the text. Comments are passed over, as far as a line shows that it is one.
pub fn find(text: &str) -> Vec<Escape> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if !line.trim_start().starts_with('#') {
            let words: Vec<(usize, &str)> = words(line).collect();
            let escapes = words.iter().enumerate().filter_map(|(number, (at, word))| {
                let before = number.checked_sub(1).and_then(|before| words.get(before)).map(|(_, word)| *word);
                let kind =
                    kind(before, word).filter(|kind| *kind == EscapeKind::Search || !is_carried(&words, number))?;
                Some(Escape { kind, span: start + at..start + at + word.len() })
            });
            found.extend(escapes);
        }
        start += line.len();
    }
    found
}

/// Words as far as they matter here: stretches without blanks, quotes and the shell's own signs, a `$` and braces included.
fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let separates = |c: char| c.is_whitespace() || "'\"`;&|()<>".contains(c);
    let mut rest = line;
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let before = rest.len() - rest.trim_start_matches(separates).len();
            at += before;
            rest = rest.get(before..).filter(|rest| !rest.is_empty())?;
            let mut length = rest.find(separates).unwrap_or(rest.len());
            if rest.get(..length) == Some("PATH=") {
                // Its value stands in quotes.
                length = rest.get(6..).and_then(|value| value.find(separates)).map_or(length, |more| 6 + more);
            }
            let (word, after) = (rest.get(..length)?, rest.get(length..)?);
            let found = (at, word);
            at += length;
            rest = after;
            if !word.is_empty() {
                return Some(found);
            }
        }
    })
}

/// Returns whether a stand-in for a carrier takes the word for the program that it runs.
fn is_carried(words: &[(usize, &str)], number: usize) -> bool {
    let carrier = words.iter().take(number).rposition(|(_, word)| CARRIERS.contains(word));
    let Some(line) = carrier.and_then(|at| words.get(at..)) else { return false };
    let line: Vec<String> = line.iter().map(|(_, word)| (*word).to_string()).collect();
    carried(&line).is_some_and(|rest| rest.words.len() + number == words.len())
}

fn kind(before: Option<&str>, word: &str) -> Option<EscapeKind> {
    // csh(1).
    let is_anew = matches!((before, word), (Some("setenv"), "PATH") | (Some("set"), "path" | "path="));
    if is_anew {
        return Some(EscapeKind::Search);
    }
    if let Some(value) = word.strip_prefix("PATH=") {
        let value = value.trim_start_matches(['"', '\'']);
        return (!value.starts_with("$PATH") && !value.starts_with("${PATH")).then_some(EscapeKind::Search);
    }
    // A variable's value is a path too.
    let path = word.rsplit('=').next().unwrap_or_default();
    let name = base_name(path);
    let folder = base_name(path.strip_suffix(name)?.trim_end_matches('/'));
    let is_program = path.starts_with('/') && ["bin", "sbin"].contains(&folder);
    (is_program && (NAMES.contains(&name) || CARRIERS.contains(&name))).then_some(EscapeKind::Path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> Vec<(EscapeKind, &str)> {
        find(text).into_iter().map(|escape| (escape.kind, &text[escape.span])).collect()
    }

    #[test]
    fn whole_paths_of_programs_are_found_and_others_are_not() {
        let text = "#!/sbin/mount\n\t# /sbin/ifconfig\nx=`/sbin/ifconfig tap1`; IF=/usr/sbin/bhyve\n[ -f /vm/mount ] && \
                    \"/usr/local/bin/sudo\" /etc/rc.d/zfs /sbin/dmesg /sbin/mount_msdosfs ifconfig\n";
        assert_eq!(
            shown(text),
            [
                (EscapeKind::Path, "/sbin/ifconfig"),
                (EscapeKind::Path, "IF=/usr/sbin/bhyve"),
                (EscapeKind::Path, "/usr/local/bin/sudo")
            ]
        );
    }

    #[test]
    fn what_a_carrier_runs_has_its_stand_in_whatever_its_path() {
        let text = "doas /sbin/ifconfig tap1 destroy\nsudo -n -u root /sbin/ifconfig -l; /sbin/kldload vmm\n\
                    sudo sh -c '/sbin/ifconfig -l'\ndaemon -p /run/a /usr/sbin/bhyve vm\n";
        assert_eq!(shown(text), [(EscapeKind::Path, "/sbin/kldload"), (EscapeKind::Path, "/sbin/ifconfig")]);
    }

    #[test]
    fn a_path_of_csh_is_found() {
        let text = "setenv PATH /sbin\nset path = (/sbin)\nset path=(/sbin $path)\nsetenv HOME /root\n";
        assert_eq!(
            shown(text),
            [(EscapeKind::Search, "PATH"), (EscapeKind::Search, "path"), (EscapeKind::Search, "path=")]
        );
    }

    #[test]
    fn a_path_that_forgets_the_old_one_is_found() {
        let text =
            "PATH=$PATH:/x\nexport PATH=\"${PATH}:/x\"\nPATH=/bin:/sbin\nexport PATH=\"/usr/bin:$PATH\"\nMYPATH=/x\n";
        assert_eq!(
            shown(text),
            [(EscapeKind::Search, "PATH=/bin:/sbin"), (EscapeKind::Search, "PATH=\"/usr/bin:$PATH")]
        );
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in "(PATH=|/sbin/|mount|[ -~\n]|.)*") {
            for escape in find(&text) {
                prop_assert!(text.get(escape.span).is_some_and(|text| !text.is_empty()));
            }
        }
    }
}
