//! What a script has in files only for a while: by names that mktemp(1) gave, and for what reads them once and is in the recipe with what it read.

use super::call::{Call, Recording};
use std::collections::BTreeSet;

/// Returns a call as it makes the same folder again: what mktemp(1) has made is made by its name.
pub(super) fn named(call: &Call) -> Call {
    let name = call.output.trim();
    let is_folder = call.program() == "mktemp" && !call.reads && call.status == 0 && !name.is_empty();
    if !is_folder {
        return call.clone();
    }
    let argv = std::iter::once("mkdir").chain(["-p"]).chain(name.lines()).map(String::from).collect();
    Call { argv, output: String::new(), ..call.clone() }
}

/// Whether an argument of a call names no file that a recipe needs: a template of mktemp(1), and the map that a loader has read.
pub(super) fn is_read_once(call: &Call, at: usize) -> bool {
    let is_map = || {
        let before = at.checked_sub(1).and_then(|before| call.args().get(before));
        let joined = call.args().get(at).is_some_and(|arg| arg.starts_with("-m") && arg.len() > 2);
        joined || before.is_some_and(|before| before == "-m")
    };
    call.program() == "mktemp" || call.program() == "grub-bhyve" && !call.map.is_empty() && is_map()
}

/// Returns the files of which a recipe has what was read of them: a loader's map, and what stood at a program's standard input.
pub(super) fn read_once(recording: &Recording, whole: &dyn Fn(&str, &str) -> String) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for call in &recording.calls {
        let maps = call.args().iter().enumerate().filter(|(at, _)| is_read_once(call, *at)).map(|(_, arg)| arg);
        all.extend(
            maps.map(|arg| whole(&call.cwd, arg.strip_prefix("-m").filter(|rest| !rest.is_empty()).unwrap_or(arg))),
        );
        let is_heard = |text: &String| !call.heard.is_empty() && *text == call.heard;
        let heard = recording.written.iter().filter(|file| file.text().as_ref().is_some_and(is_heard));
        all.extend(heard.map(|file| file.path.clone()));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Written;

    fn call(line: &str) -> Call {
        Call { argv: line.split(' ').map(String::from).collect(), cwd: "/vm".into(), ..Call::default() }
    }

    #[test]
    fn a_folder_that_mktemp_has_made_is_made_by_its_name() {
        let made = Call { output: "/tmp/a.1\n".into(), ..call("mktemp -d /tmp/a.X") };
        assert_eq!(named(&made).command().to_string(), "mkdir -p /tmp/a.1");
        let file = Call { reads: true, ..made };
        assert_eq!(named(&file), file);
    }

    #[test]
    fn a_map_and_what_a_loader_was_told_are_read_once() {
        let written =
            |path: &str, text: &str| Written { path: path.into(), content: Some(text.into()), ..Written::default() };
        let load = Call { map: "(hd0) /a\n".into(), heard: "boot\n".into(), ..call("grub-bhyve -m a.map -M 1G b") };
        let joined = Call { argv: call("grub-bhyve -m/vm/c.map b").argv, heard: String::new(), ..load.clone() };
        let recording = Recording {
            calls: vec![load, joined, call("grub-bhyve -m d.map b")],
            written: vec![written("/vm/in", "boot\n"), written("/vm/other", "boots\n")],
            ..Recording::default()
        };
        let whole = |cwd: &str, path: &str| if path.starts_with('/') { path.into() } else { format!("{cwd}/{path}") };
        let all: Vec<String> = read_once(&recording, &whole).into_iter().collect();
        assert_eq!(all, ["/vm/a.map", "/vm/c.map", "/vm/in"]);
    }
}
