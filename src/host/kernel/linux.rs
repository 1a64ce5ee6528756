//! proc(5).

use super::ProcessFact;
use crate::qemu::seen::{is_qemu, options_of};
use crate::qemu::{ask_socket, qmp_socket};
use std::collections::BTreeSet;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Returns the boot's own id (random(4)).
pub(super) fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().into()
}

/// Returns the id that the host was given when it was installed (machine-id(5)).
pub(super) fn host_id() -> String {
    std::fs::read_to_string("/etc/machine-id").unwrap_or_default().trim().into()
}

/// Returns when a process was started, in ticks since the boot: the 22nd field (proc(5)).
pub(super) fn started(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // "pid (name) state …"; the name may hold anything. A zombie is no more.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let lives = !matches!(fields.next()?, "Z" | "X");
    fields.nth(18).filter(|_| lives).map(Into::into)
}

/// Returns what is known of a process.
pub(super) fn process(pid: u32) -> Option<ProcessFact> {
    let started = started(pid)?;
    Some(ProcessFact { started, command: arguments(pid).join(" ").trim_end().into() })
}

/// Returns its command line, with the program; none of one that is gone or has none.
fn arguments(pid: u32) -> Vec<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.trim_end_matches('\0').split('\0').map(String::from).collect()
}

/// The namespaces in which a number of a process and a name of an interface mean something (namespaces(7)).
const SPACES: [&str; 2] = ["net", "pid"];

/// Returns the namespaces of a process, as `net:[4026531840],pid:[4026531836]`; nothing where they may not be read.
fn spaces(of: &str) -> Option<String> {
    let link = |kind: &&str| std::fs::read_link(format!("/proc/{of}/ns/{kind}")).ok();
    let all: Vec<String> = SPACES.iter().filter_map(link).map(|link| link.to_string_lossy().into_owned()).collect();
    (all.len() == SPACES.len()).then(|| all.join(","))
}

/// Returns the namespaces of this process; empty where they may not be read.
pub(super) fn space() -> String {
    spaces("self").unwrap_or_default()
}

/// Returns whether a process is known to be in other namespaces than this one.
pub(super) fn is_elsewhere(pid: u32) -> bool {
    spaces(&pid.to_string()).is_some_and(|there| there != space())
}

/// Returns whether a process is the QEMU of the machine whose state is in a folder. Its command line, which anybody may give
/// himself, is not enough: it is a QEMU by the file that it executes, of our user, in our namespaces, sees the folder that we see
/// by that name, and holds a socket that vmrun made there. What may not be read is not ours.
pub(super) fn runs(pid: u32, folder: &Path) -> bool {
    is_qemu_by_file(pid)
        && options_of(arguments(pid).get(1..).unwrap_or_default()).folder.as_deref() == Some(folder)
        && std::fs::metadata(format!("/proc/{pid}")).is_ok_and(|of| of.uid() == nix::unistd::geteuid().as_raw())
        && spaces(&pid.to_string()).is_some_and(|there| there == space())
        && sees_the_same(pid, folder)
        && holds_socket(pid, &[qmp_socket(folder), ask_socket(folder)])
}

/// Returns the processes of QEMU that run the machine whose state is in a folder.
pub(super) fn that_run(folder: &Path) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| runs(*pid, folder)).collect()
}

/// Returns whether a process executes a QEMU, by its file.
fn is_qemu_by_file(pid: u32) -> bool {
    is_qemu(&executed(pid))
}

/// Returns the name of the file that a process executes: one that an upgrade has replaced is the same program still, and one that is
/// wrapped has a dot before its name.
fn executed(pid: u32) -> String {
    let file = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    name.strip_suffix(" (deleted)").unwrap_or(&name).trim_start_matches('.').into()
}

/// Returns whether a folder is the same one to a process. Of one that is gone its mount namespace tells.
fn sees_the_same(pid: u32, folder: &Path) -> bool {
    let place = |of: Metadata| (of.dev(), of.ino());
    let theirs = format!("/proc/{pid}/root{}", folder.display());
    match (std::fs::metadata(folder).map(place), std::fs::metadata(theirs).map(place)) {
        (Ok(ours), Ok(theirs)) => ours == theirs,
        (Err(_), Err(_)) => {
            let mounts = |of: &str| std::fs::read_link(format!("/proc/{of}/ns/mnt")).ok();
            mounts("self").is_some_and(|ours| mounts(&pid.to_string()) == Some(ours))
        }
        _ => false,
    }
}

/// Returns whether a process holds a socket that is bound to one of these paths.
fn holds_socket(pid: u32, paths: &[PathBuf]) -> bool {
    let table = std::fs::read("/proc/self/net/unix").unwrap_or_default();
    let bound = bound_to(&String::from_utf8_lossy(&table), paths);
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let inode = |link: PathBuf| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok();
    open.filter_map(|entry| inode(std::fs::read_link(entry.path()).ok()?)).any(|inode| bound.contains(&inode))
}

/// Reads the table of sockets: number, count, protocol, flags, type, state, inode, and the path that each is bound to.
fn bound_to(table: &str, paths: &[PathBuf]) -> BTreeSet<u64> {
    let inode = |line: &str| {
        let mut rest = line;
        let mut word = || {
            let (word, tail) = rest.trim_start().split_once(' ')?;
            rest = tail;
            Some(word)
        };
        let inode = (0..6).try_for_each(|_| word().map(drop)).and_then(|()| word())?.parse().ok()?;
        paths.iter().any(|path| path.as_os_str() == rest).then_some(inode)
    };
    table.lines().filter_map(inode).collect()
}

/// Returns whether a process has a file open; nothing where that may not be seen.
pub(super) fn has_open(pid: u32, path: &Path) -> Option<bool> {
    let place = |of: Metadata| (of.dev(), of.ino());
    let ours = std::fs::metadata(path).map(place).ok()?;
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    Some(open.flatten().any(|entry| std::fs::metadata(entry.path()).map(place).is_ok_and(|one| one == ours)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::process::Process;
    use crate::host::signals::Signals;
    use crate::model::Argv;

    #[test]
    fn a_socket_is_ours_by_its_whole_path() {
        // As Linux 6.1 shows them.
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 20301 /run/vmrun/web/qmp.sock\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 20302 /run/vmrun/web/qmp.sock\n\
            0000000000000000: 00000002 00000000 00010000 0001 01   777 /run/vmrun/web/qmp.sock.old\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 20304 /x/run/vmrun/web/qmp.sock\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 20305 @/run/vmrun/web/qmp.sock\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 20306\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 20307 /run/my vms/web/qmp.sock\n";
        let bound = |path: &str| bound_to(table, &[path.into()]).into_iter().collect::<Vec<_>>();
        assert_eq!(bound("/run/vmrun/web/qmp.sock"), [20301, 20302]);
        assert_eq!(bound("/run/my vms/web/qmp.sock"), [20307]);
        assert_eq!(bound("/run/vmrun/db/qmp.sock"), [0; 0]);
    }

    #[test]
    fn a_process_has_open_what_it_holds() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(has_open(std::process::id(), file.path()), Some(true));
        assert_eq!(has_open(std::process::id(), Path::new("/proc/version")), Some(false));
        assert_eq!(has_open(u32::MAX, file.path()), None);
    }

    #[test]
    fn a_process_that_only_says_that_it_is_a_qemu_of_a_machine_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let log = crate::qemu::reset_log(folder.path());
        let words = ["-c", "sleep 60; :", "qemu-system-x86_64", "-D"];
        let argv = Argv::new("sh").args(words).arg(log.display());
        let child = Process::spawn(&argv, false, Signals::install().unwrap(), None).unwrap();
        assert!(!runs(child.id(), folder.path()) && !that_run(folder.path()).contains(&child.id()));
        assert!(!is_elsewhere(child.id()) && sees_the_same(child.id(), folder.path()));
    }

    #[test]
    fn a_program_whose_file_was_replaced_while_it_runs_is_the_same_program() {
        let folder = tempfile::tempdir().unwrap();
        let sleep = crate::host::program::find("sleep").unwrap();
        for (name, is_qemu) in [("qemu-system-x86_64", true), (".qemu-system-x86_64", true), ("mariadbd", false)] {
            let file = folder.path().join(name);
            std::fs::copy(&sleep, &file).unwrap();
            let argv = Argv::new(file.display().to_string()).arg("60");
            let child = Process::spawn(&argv, false, Signals::install().unwrap(), None).unwrap();
            let before = executed(child.id());
            crate::host::files::remove(&file).unwrap();
            assert_eq!((executed(child.id()), is_qemu_by_file(child.id())), (before, is_qemu), "{name}");
        }
    }
}
