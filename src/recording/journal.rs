//! The bytes in which calls and settings lie on the disk while a script runs.
//!
//! Everything is a row of netstrings, `LENGTH:BYTES,`, so that an argument may hold any byte. A call is its number of
//! words, the words, the folder, the status, the output, whether it only reads, what it read, the file that it was told
//! of, its carriers, the numbers of the process and its parent, its umask, what was made up for it, and what a watched program did.

use super::call::{Call, Written};
use super::hidden::{hide, hide_lines};
use super::watched::{Watched, WatchedPrograms};
use super::world::{Answer, FileState, Prepared, Scenario};

/// Returns the bytes of one call. A password is hidden before it is written.
pub fn write_call<T: AsRef<[u8]>>(argv: &[T], cwd: &[u8], answer: &Answer) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, argv.len().to_string().as_bytes());
    for arg in argv {
        match std::str::from_utf8(arg.as_ref()) {
            Ok(text) => put(&mut bytes, hide(text).as_bytes()),
            // Lossy, and so shorter, only where it has to be.
            Err(_) if contains_key(arg.as_ref()) => {
                put(&mut bytes, hide(&String::from_utf8_lossy(arg.as_ref())).as_bytes())
            }
            Err(_) => put(&mut bytes, arg.as_ref()),
        }
    }
    put(&mut bytes, cwd);
    put(&mut bytes, answer.status.to_string().as_bytes());
    put(&mut bytes, answer.output.as_bytes());
    put(&mut bytes, if answer.reads { b"reads" } else { b"changes" });
    put(&mut bytes, hide_lines(&answer.heard).as_bytes());
    put(&mut bytes, hide_lines(&answer.map).as_bytes());
    put(&mut bytes, answer.carriers.as_bytes());
    put(&mut bytes, answer.pid.to_string().as_bytes());
    put(&mut bytes, answer.parent.to_string().as_bytes());
    put(&mut bytes, answer.umask.map(|mask| mask.to_string()).unwrap_or_default().as_bytes());
    put(&mut bytes, hide(answer.made_up.as_deref().unwrap_or_default()).as_bytes());
    put_watched(&mut bytes, answer.watched.as_ref());
    bytes
}

/// Adds what a watched program did: the number of files that it changed, these, and what went in and out.
fn put_watched(bytes: &mut Vec<u8>, watched: Option<&Watched>) {
    let Some(watched) = watched else { return put(bytes, b"") };
    put(bytes, watched.changed.len().to_string().as_bytes());
    for text in watched.changed.iter().chain([&watched.input, &watched.output]) {
        put(bytes, text.as_bytes());
    }
    put(bytes, if watched.is_fed { b"fed" } else { b"known" });
}

#[expect(clippy::option_option, reason = "nothing is no whole call; nothing in it is one that was not watched")]
fn take_watched(rest: &mut &[u8]) -> Option<Option<Watched>> {
    let head = take(rest)?;
    if head.is_empty() {
        return Some(None);
    }
    let count: usize = number(head)?;
    if count > rest.len() {
        return None;
    }
    let changed = (0..count).map(|_| take(rest).map(text)).collect::<Option<_>>()?;
    let (input, output) = (text(take(rest)?), text(take(rest)?));
    Some(Some(Watched { changed, input, output, is_fed: take(rest)? == b"fed" }))
}

fn contains_key(bytes: &[u8]) -> bool {
    bytes.windows(9).any(|window| window == b"password=")
}

/// Reads calls, and returns them with the number of bytes that they take. What follows is no whole call: whoever wrote it
/// was killed.
pub fn read_calls(bytes: &[u8]) -> (Vec<Call>, usize) {
    let mut calls = Vec::new();
    let mut rest = bytes;
    while let Some((call, after)) = read_call(rest) {
        calls.push(call);
        rest = after;
    }
    (calls, bytes.len() - rest.len())
}

fn read_call(bytes: &[u8]) -> Option<(Call, &[u8])> {
    let mut rest = bytes;
    let count: usize = number(take(&mut rest)?)?;
    // Every word takes at least three bytes.
    if count > rest.len() {
        return None;
    }
    let argv: Vec<&[u8]> = (0..count).map(|_| take(&mut rest)).collect::<Option<_>>()?;
    let cwd = take(&mut rest)?;
    let answer = Answer {
        status: number(take(&mut rest)?)?,
        output: text(take(&mut rest)?),
        reads: take(&mut rest)? == b"reads",
        heard: text(take(&mut rest)?),
        map: text(take(&mut rest)?),
        carriers: text(take(&mut rest)?),
        pid: number(take(&mut rest)?)?,
        parent: number(take(&mut rest)?)?,
        umask: number(take(&mut rest)?),
        made_up: Some(text(take(&mut rest)?)).filter(|text| !text.is_empty()),
        watched: take_watched(&mut rest)?,
        ..Answer::default()
    };
    Some((Call::new(argv, cwd, &answer), rest))
}

/// Returns the bytes of a setting.
pub fn write_scenario(setting: &Scenario) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, setting.limit.to_string().as_bytes());
    put(&mut bytes, setting.boots_max.to_string().as_bytes());
    put(&mut bytes, &setting.exits);
    put(&mut bytes, if setting.exits_of.is_some() { b"of" } else { b"all" });
    put(&mut bytes, setting.exits_of.as_deref().unwrap_or_default().as_bytes());
    put(&mut bytes, if setting.has_modules { b"modules" } else { b"none" });
    put(&mut bytes, setting.processes_before.to_string().as_bytes());
    put(&mut bytes, if setting.has_input { b"input" } else { b"none" });
    put(&mut bytes, setting.interfaces.as_bytes());
    put(&mut bytes, setting.files.len().to_string().as_bytes());
    for file in &setting.files {
        put(&mut bytes, file.path.as_bytes());
        put(&mut bytes, if file.is_there { b"there" } else { b"missing" });
        put(
            &mut bytes,
            match file {
                FileState { is_folder: true, .. } => b"folder",
                FileState { is_socket: true, .. } => b"socket",
                _ => b"file",
            },
        );
    }
    put(&mut bytes, setting.programs.len().to_string().as_bytes());
    setting.programs.iter().for_each(|name| put(&mut bytes, name.as_bytes()));
    put(&mut bytes, if setting.are_failing { b"failing" } else { b"succeeding" });
    put(&mut bytes, if setting.watched == WatchedPrograms::All { b"all" } else { b"these" });
    put(&mut bytes, setting.watched.names().len().to_string().as_bytes());
    setting.watched.names().iter().for_each(|name| put(&mut bytes, name.as_bytes()));
    for prepared in &setting.answers {
        put(&mut bytes, prepared.words.len().to_string().as_bytes());
        prepared.words.iter().for_each(|word| put(&mut bytes, word.as_bytes()));
        put(&mut bytes, prepared.text.as_bytes());
        put(&mut bytes, prepared.status.to_string().as_bytes());
        put(&mut bytes, prepared.times.map(|times| times.to_string()).unwrap_or_default().as_bytes());
    }
    bytes
}

/// Reads a setting. Nothing if it is none.
pub fn read_scenario(bytes: &[u8]) -> Option<Scenario> {
    let mut rest = bytes;
    let limit = number(take(&mut rest)?)?;
    let boots_max = number(take(&mut rest)?)?;
    let exits = take(&mut rest)?.to_vec();
    let is_of_one = take(&mut rest)? == b"of";
    let exits_of = Some(text(take(&mut rest)?)).filter(|_| is_of_one);
    let has_modules = take(&mut rest)? == b"modules";
    let processes_before = number(take(&mut rest)?)?;
    let has_input = take(&mut rest)? == b"input";
    let interfaces = text(take(&mut rest)?);
    let count: usize = number(take(&mut rest)?)?;
    if count > rest.len() {
        return None;
    }
    let mut file = || {
        let (path, is_there) = (text(take(&mut rest)?), take(&mut rest)? == b"there");
        let kind = take(&mut rest)?;
        Some(FileState { path, is_there, is_folder: kind == b"folder", is_socket: kind == b"socket" })
    };
    let files = (0..count).map(|_| file()).collect::<Option<_>>()?;
    let count: usize = number(take(&mut rest)?)?;
    if count > rest.len() {
        return None;
    }
    let programs = (0..count).map(|_| take(&mut rest).map(text)).collect::<Option<_>>()?;
    let are_failing = take(&mut rest)? == b"failing";
    let are_all = take(&mut rest)? == b"all";
    let count: usize = number(take(&mut rest)?)?;
    if count > rest.len() {
        return None;
    }
    let names = (0..count).map(|_| take(&mut rest).map(text)).collect::<Option<_>>()?;
    let watched = if are_all { WatchedPrograms::All } else { WatchedPrograms::These(names) };
    let mut answers = Vec::new();
    while !rest.is_empty() {
        let count: usize = number(take(&mut rest)?)?;
        if count > rest.len() {
            return None;
        }
        let words = (0..count).map(|_| take(&mut rest).map(text)).collect::<Option<_>>()?;
        let (text, status) = (text(take(&mut rest)?), number(take(&mut rest)?)?);
        answers.push(Prepared { words, text, status, times: number(take(&mut rest)?) });
    }
    Some(Scenario {
        exits,
        exits_of,
        limit,
        boots_max,
        interfaces,
        answers,
        files,
        programs,
        are_failing,
        watched,
        has_modules,
        processes_before,
        has_input,
    })
}

/// Reads the files that a script wrote, as far as they are whole: of each its path, its mode, whether its content is known, and the content.
pub(crate) fn read_written(bytes: &[u8]) -> Vec<Written> {
    let mut rest = bytes;
    let mut one = || {
        let (path, mode) = (text(take(&mut rest)?), number(take(&mut rest)?)?);
        let is_known = take(&mut rest)? == b"whole";
        let content = take(&mut rest)?.to_vec();
        let is_gone = take(&mut rest)? == b"gone";
        Some(Written { path, mode, content: is_known.then_some(content), is_gone })
    };
    std::iter::from_fn(&mut one).collect()
}

/// Returns the bytes by which files are told, as [`read_written`] reads them.
pub(crate) fn write_written(files: &[Written]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for file in files {
        put(&mut bytes, file.path.as_bytes());
        put(&mut bytes, file.mode.to_string().as_bytes());
        put(&mut bytes, if file.content.is_some() { b"whole" } else { b"unknown" });
        put(&mut bytes, file.content.as_deref().unwrap_or_default());
        put(&mut bytes, if file.is_gone { b"gone" } else { b"there" });
    }
    bytes
}

/// Adds a netstring.
pub(crate) fn put(bytes: &mut Vec<u8>, content: &[u8]) {
    bytes.extend_from_slice(content.len().to_string().as_bytes());
    bytes.push(b':');
    bytes.extend_from_slice(content);
    bytes.push(b',');
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let colon = rest.iter().take(20).position(|byte| *byte == b':')?;
    let length: usize = number(rest.get(..colon)?)?;
    let after = rest.get(colon + 1..)?;
    let content = after.get(..length)?;
    *rest = after.get(length..)?.strip_prefix(b",")?;
    Some(content)
}

/// A plain decimal number, written in one way only.
fn number<T: std::str::FromStr + ToString>(bytes: &[u8]) -> Option<T> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.parse::<T>().ok().filter(|number| number.to_string() == text)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn a_password_never_reaches_the_disk() {
        for arg in [&b"29,fbuf,password=geheim"[..], b"\xff,password=geheim"] {
            let bytes = write_call(&[b"bhyve", arg], b"/", &Answer::default());
            assert!(!text(&bytes).contains("geheim"));
        }
    }

    #[test]
    fn half_a_call_at_the_end_is_passed_over() {
        let whole = write_call(&["ifconfig", "-l"], b"/", &Answer::default());
        for cut in 0..whole.len() {
            let bytes = [&whole[..], &whole[..cut]].concat();
            let (calls, length) = read_calls(&bytes);
            assert_eq!((calls.len(), length), (1, whole.len()), "{cut}");
        }
    }

    #[test]
    fn files_read_back_as_far_as_they_are_whole() {
        let mut bytes = Vec::new();
        for part in
            [&b"/a"[..], b"420", b"whole", b"x\n\xff", b"there", b"/b", b"384", b"unknown", b"", b"gone", b"/c", b"0"]
        {
            put(&mut bytes, part);
        }
        let file = |path: &str, mode, content| Written { path: path.into(), mode, content, is_gone: path == "/b" };
        assert_eq!(read_written(&bytes), [file("/a", 0o644, Some(b"x\n\xff".to_vec())), file("/b", 0o600, None)]);
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(bytes: Vec<u8>, text in "[0-9]{0,3}(:[0-9]*,){0,9}") {
            let _ = (read_calls(&bytes), read_scenario(&bytes), read_calls(text.as_bytes()), read_scenario(text.as_bytes()));
        }

        #[test]
        fn calls_read_back(calls in vec((vec(vec(any::<u8>(), 0..9), 0..4), vec(any::<u8>(), 0..9), any::<u8>(), ".{0,9}", any::<bool>()), 0..4)) {
            let mut bytes = Vec::new();
            let mut expected = Vec::new();
            for (argv, cwd, status, output, reads) in calls {
                let watched = reads.then(|| Watched { changed: vec![output.clone()], is_fed: status > 9, ..Watched::default() });
                let answer = Answer { status, output, reads, watched, ..Answer::default() };
                bytes.extend(write_call(&argv, &cwd, &answer));
                expected.push(Call::new(&argv, &cwd, &answer));
            }
            prop_assert_eq!(read_calls(&bytes), (expected, bytes.len()));
        }

        #[test]
        fn settings_read_back(
            exits: Vec<u8>, exits_of in proptest::option::of(".{0,9}"), limit: usize, boots_max: usize,
            (has_modules, processes_before, has_input) in (any::<bool>(), any::<usize>(), any::<bool>()), interfaces in ".{0,9}",
            answers in vec((vec(".{0,9}", 0..3), ".{0,9}", any::<u8>(), any::<Option<usize>>()), 0..3), files in vec((".{0,9}", any::<bool>(), any::<bool>()), 0..3),
            (programs, are_failing, watched, are_all) in (vec(".{0,9}", 0..3), any::<bool>(), vec(".{0,9}", 0..3), any::<bool>())
        ) {
            let files = files.into_iter().map(|(path, is_there, is_folder)| FileState { path, is_there, is_folder, is_socket: false }).collect();
            let answers = answers.into_iter().map(|(words, text, status, times)| Prepared { words, text, status, times }).collect();
            let watched = if are_all { WatchedPrograms::All } else { WatchedPrograms::These(watched) };
            let setting = Scenario {
                exits, exits_of, limit, boots_max, interfaces, answers, files, programs, are_failing, watched, has_modules,
                processes_before, has_input
            };
            prop_assert_eq!(read_scenario(&write_scenario(&setting)), Some(setting));
        }
    }
}
