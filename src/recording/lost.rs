//! What a script does that its calls do not show, and no recipe says.

use super::call::Recording;

/// One thing that is not in the calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// A program that the script calls and that is not on this host.
    Program(String),
    /// A file that the script writes into what it has mounted.
    File {
        /// Its path.
        path: String,
        /// What is mounted there.
        device: String,
    },
    /// A command that is about a process by its number, which is another one in each run.
    Process(String),
    /// A watched program that goes on when the script has ended.
    Left(String),
    /// A command that reads from a pipe what is not known.
    Fed(String),
    /// A name that the shell has filled in nothing for, as no file of that pattern is there.
    Pattern(String),
    /// A file that the script writes, and that no word of a recipe writes.
    Unsaid {
        /// Its path.
        path: String,
        /// Whether a program is told of it.
        is_named: bool,
    },
}

/// Returns what is lost, each thing once.
pub(crate) fn lost(recording: &Recording) -> Vec<Lost> {
    let mut all: Vec<Lost> = Vec::new();
    let programs = recording.stderr.iter().filter_map(|line| program(line)).map(|name| Lost::Program(name.into()));
    let mounts = || recording.calls.iter().filter(|call| call.program() == "mount" && !call.reads);
    let processes = recording.calls.iter().filter(|call| names_process(call));
    let processes = processes.map(|call| Lost::Process(call.command().to_string()));
    let files = recording.written.iter().filter_map(|file| {
        let mut mounts = mounts().filter_map(|call| Some((call.args().iter().rev().nth(1)?, call.args().last()?)));
        let (device, _) = mounts.find(|(_, folder)| {
            file.path.strip_prefix(folder.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'))
        })?;
        Some(Lost::File { path: file.path.clone(), device: device.clone() })
    });
    let files: Vec<Lost> = files.collect();
    let is_told =
        |path: &String| files.iter().any(|one| matches!(one, Lost::File { path: other, .. } if other == path));
    let unsaid = recording.unsaid.iter().filter(|(path, _)| !is_told(path)).cloned();
    let unsaid: Vec<Lost> = unsaid.map(|(path, is_named)| Lost::Unsaid { path, is_named }).collect();
    let patterns = recording.calls.iter().filter(|call| !call.reads && call.program() != "sh");
    let patterns = patterns.flat_map(|call| call.args().iter().filter_map(|word| pattern(word)));
    let patterns: Vec<Lost> = patterns.map(|word| Lost::Pattern(word.into())).collect();
    let left = recording.left.iter().cloned().map(Lost::Left);
    let is_fed = |call: &&super::Call| call.watched.as_ref().is_some_and(|watched| watched.is_fed);
    let fed = recording.calls.iter().filter(is_fed).map(|call| Lost::Fed(call.command().to_string()));
    for one in programs.chain(left).chain(fed).chain(patterns).chain(processes).chain(files).chain(unsaid) {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

/// Returns the part of a word that is a path with a `*` in it.
fn pattern(word: &str) -> Option<&str> {
    word.split([',', '=']).find(|part| part.contains('*') && part.contains('/') && !part.contains("://"))
}

/// Whether a call is about a process by its number: `rctl -a process:7:memoryuse:deny=3g`.
fn names_process(call: &super::Call) -> bool {
    let is_number = |word: &str| word.split(':').next().is_some_and(|number| number.parse::<u32>().is_ok());
    call.program() == "rctl" && call.args().iter().any(|word| word.strip_prefix("process:").is_some_and(is_number))
}

/// Returns the program that a shell says it has not found: `s.sh: 17: makefs: not found`, `makefs: command not found`, as each shell says it.
pub(crate) fn program(line: &str) -> Option<&str> {
    let ends = [": not found", ": command not found", ": Command not found.", ": inaccessible or not found"];
    let before = ends.iter().find_map(|end| line.strip_suffix(end))?;
    let name = before.rsplit([':', ' ']).next()?;
    // What is a sentence of a program's own has more words before it.
    let is_shells = before == name || before.ends_with(&format!(": {name}"));
    (is_shells && !name.is_empty()).then_some(name)
}

/// Returns the file that a shell says it cannot write as its folder is not there, as each shell says it.
pub(crate) fn unwritten(line: &str) -> Option<&str> {
    let of_dash = || line.strip_suffix(": Directory nonexistent")?.rsplit_once("cannot create ").map(|(_, path)| path);
    let of_ksh =
        || line.strip_suffix(": No such file or directory")?.rsplit_once("can't create ").map(|(_, path)| path);
    // Others name the line and the file alone: `s.sh: line 3: /vm/a: No such file or directory`.
    let named_alone = || {
        let (before, path) = line.strip_suffix(": No such file or directory")?.rsplit_once(": ")?;
        before.rsplit_once(": line ").map(|_| path)
    };
    of_dash().or_else(of_ksh).or_else(named_alone).filter(|path| !path.is_empty())
}

/// Returns the folder that a shell says it cannot go into as it is not there, as each shell says it.
pub(crate) fn unfound_folder(line: &str) -> Option<&str> {
    // dash and ash(1): `s.sh: 3: cd: can't cd to /vm/a`.
    if let Some((_, path)) = line.rsplit_once("cd: can't cd to ") {
        return Some(path.trim_end_matches(": No such file or directory")).filter(|path| !path.is_empty());
    }
    // bash, ksh93 and mksh: `cd: /vm/a: No such file or directory`, `cd: /vm/a: [No such file or directory]`, `cd: /vm/a - No such …`.
    let (_, rest) = line.rsplit_once(": cd: ")?;
    let ends = [": No such file or directory", ": [No such file or directory]", " - No such file or directory"];
    ends.iter().find_map(|end| rest.strip_suffix(end)).filter(|path| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{Call, Written};

    #[test]
    fn a_file_whose_folder_is_missing_is_found() {
        let lines = [
            "s.sh: 6: cannot create /vm/a: Directory nonexistent",
            "s.sh: line 3: /vm/b c: No such file or directory",
            "cat: /vm/c: No such file or directory",
        ];
        assert_eq!(lines.map(unwritten), [Some("/vm/a"), Some("/vm/b c"), None]);
    }

    #[test]
    fn a_folder_into_which_a_shell_could_not_go_is_found() {
        let lines = [
            "s.sh: 3: cd: can't cd to /vm/a",
            "s.sh: line 3: cd: /vm/b c: No such file or directory",
            "s.sh: line 3: cd: /vm/d: [No such file or directory]",
            "ksh: s.sh[3]: cd: /vm/e - No such file or directory",
            "cat: /vm/c: No such file or directory",
            "+ cd /vm/f",
        ];
        let found = [Some("/vm/a"), Some("/vm/b c"), Some("/vm/d"), Some("/vm/e"), None, None];
        assert_eq!(lines.map(unfound_folder), found);
    }

    #[test]
    fn what_no_call_shows_is_found() {
        let stderr = [
            "./s.sh: 17: makefs: not found",
            "s.sh: line 3: qemu-img: command not found",
            "foo: Command not found.",
            "s.sh[2]: bar: inaccessible or not found",
            "./s.sh: 18: makefs: not found",
            "file /x was not found",
            "zfs: dataset not found",
        ];
        let call = |line: &str| Call { argv: line.split(' ').map(str::to_string).collect(), ..Call::default() };
        let written = ["/mnt/hosts", "/mntx", "/vm/a"].map(|path| Written { path: path.into(), ..Written::default() });
        let recording = Recording {
            calls: vec![
                call("mount -t msdosfs /dev/md0 /mnt/"),
                call("umount /mnt"),
                call("rctl -a process:7:memoryuse:deny=3g"),
                call("rctl -a user:vm:maxproc:deny=9"),
            ],
            stderr: stderr.map(String::from).into(),
            written: written.into(),
            ..Recording::default()
        };
        let programs = ["makefs", "qemu-img", "foo", "bar"].map(|name| Lost::Program(name.into()));
        let file = Lost::File { path: "/mnt/hosts".into(), device: "/dev/md0".into() };
        let process = Lost::Process("rctl -a process:7:memoryuse:deny=3g".into());
        assert_eq!(lost(&recording), programs.into_iter().chain([process, file]).collect::<Vec<_>>());
    }
}
