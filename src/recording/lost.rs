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
}

/// Returns what is lost, each thing once.
pub(crate) fn lost(recording: &Recording) -> Vec<Lost> {
    let mut all: Vec<Lost> = Vec::new();
    let programs = recording.stderr.iter().filter_map(|line| program(line)).map(|name| Lost::Program(name.into()));
    let mounts = || recording.calls.iter().filter(|call| call.program() == "mount" && !call.reads);
    let files = recording.written.iter().filter_map(|file| {
        let mut mounts = mounts().filter_map(|call| Some((call.args().iter().rev().nth(1)?, call.args().last()?)));
        let (device, _) = mounts.find(|(_, folder)| {
            file.path.strip_prefix(folder.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'))
        })?;
        Some(Lost::File { path: file.path.clone(), device: device.clone() })
    });
    for one in programs.chain(files) {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{Call, Written};

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
            calls: vec![call("mount -t msdosfs /dev/md0 /mnt/"), call("umount /mnt")],
            stderr: stderr.map(String::from).into(),
            written: written.into(),
            ..Recording::default()
        };
        let programs = ["makefs", "qemu-img", "foo", "bar"].map(|name| Lost::Program(name.into()));
        let file = Lost::File { path: "/mnt/hosts".into(), device: "/dev/md0".into() };
        assert_eq!(lost(&recording), programs.into_iter().chain([file]).collect::<Vec<_>>());
    }
}
