//! Files that a recorded script wrote and that a program then read, as calls of a word of recipes.

use super::umasks::{shown, usual_mode};
use crate::recording::hidden::hide_lines;
use crate::recording::settled::reads_folder;
use crate::recording::{Call, Recording, Written};

/// The word that stands for a file in the calls of a recording; after it come the path, the text and the mode, if
/// that is to be said.
pub(crate) const WORD: &str = "write_file";

/// Returns a recording in which the files that the script wrote stand before the first call that names them. `whole` gives the path
/// from the root on of one that begins in a folder.
///
/// A configuration of bhyve's and a loader's map are in the machine already. What is empty is a download's, and what is no text or holds
/// a password is left out.
pub(crate) fn with_written(recording: &Recording, whole: &dyn Fn(&str, &str) -> String) -> Recording {
    let mut recording = recording.clone();
    for file in &recording.written {
        let Some(text) = text(file) else { continue };
        let names = |call: &Call| {
            reads(call) && call.args().iter().any(|arg| names(arg, &call.cwd, &file.path, whole))
                || call.program() == "sh" && call.args().iter().any(|line| says(line, &call.cwd, &file.path, whole))
                || reads_folder(call, &file.path, &|path| whole(&call.cwd, path))
        };
        let Some(at) = recording.calls.iter().position(names) else { continue };
        let mode = told_mode(&recording, file, at);
        let argv = [WORD.into(), file.path.clone(), text, mode].into();
        let cwd = recording.calls.get(at).map(|call| call.cwd.clone()).unwrap_or_default();
        recording.calls.insert(at, Call { argv, cwd, ..Call::default() });
    }
    recording
}

/// Returns the mode of a file that the recipe writes before a call: nothing where the umask says it, but for one that its owner alone may read.
fn told_mode(recording: &Recording, file: &Written, at: usize) -> String {
    let mode = file.mode & 0o777;
    let is_usual = mode == usual_mode(recording.calls.get(..at).unwrap_or_default(), recording);
    if is_usual && mode & 0o077 != 0 { String::new() } else { shown(mode) }
}

fn text(file: &Written) -> Option<String> {
    let bytes = file.content.as_deref().filter(|bytes| !bytes.is_empty())?;
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))?;
    (hide_lines(text) == text).then(|| text.to_string())
}

/// Whether a call is one whose files are its own to read, and not made by it.
fn reads(call: &Call) -> bool {
    !["curl", "fetch", "wget", "truncate", "grub-bhyve", WORD].contains(&call.program())
        && !["mkdir", "rm", "rmdir", "touch"].contains(&call.program())
}

/// Whether an argument names a file, as a whole or as a part between commas, colons and `=`.
fn names(arg: &str, cwd: &str, path: &str, whole: &dyn Fn(&str, &str) -> String) -> bool {
    let parts = arg.split([',', '=', ':']);
    parts.chain([arg]).filter(|part| !part.is_empty()).any(|part| part == path || whole(cwd, part) == path)
}

/// Whether a line of the shell's names a file in one of its words.
fn says(line: &str, cwd: &str, path: &str, whole: &dyn Fn(&str, &str) -> String) -> bool {
    let words = line.split(|c: char| c.is_whitespace() || "'\"<>|;&".contains(c)).filter(|word| !word.is_empty());
    words.into_iter().any(|word| names(word, cwd, path, whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_stands_before_the_first_call_that_names_it() {
        let call = |line: &str| Call {
            argv: line.split(' ').map(str::to_string).collect(),
            cwd: "/vm".into(),
            ..Call::default()
        };
        let file = |path: &str, content: &[u8]| Written {
            path: path.into(),
            mode: 0o600,
            content: Some(content.into()),
            ..Written::default()
        };
        let recording = Recording {
            calls: vec![
                call("kldload vmm"),
                call("bhyve -f name=opt/x,file=a.txt vm"),
                call("pfctl -f /vm/a.txt"),
                call("cu -l e.txt"),
            ],
            written: vec![
                file("/vm/a.txt", b"one\n"),
                file("/vm/b.txt", b"nobody names it"),
                file("/vm/vmm", b""),
                file("/vm/e.txt", b"password=x"),
            ],
            ..Recording::default()
        };
        let whole = |cwd: &str, path: &str| format!("{cwd}/{path}");
        let lines: Vec<String> =
            with_written(&recording, &whole).calls.iter().map(|call| call.argv.join(" ")).collect();
        assert_eq!(
            lines,
            [
                "kldload vmm",
                "write_file /vm/a.txt one\n 600",
                "bhyve -f name=opt/x,file=a.txt vm",
                "pfctl -f /vm/a.txt",
                "cu -l e.txt"
            ]
        );
    }
}
