//! proc(5).

use super::ProcessFact;
use std::path::Path;

/// Returns the boot's own id (random(4)).
pub(super) fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().into()
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
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let command = String::from_utf8_lossy(&bytes).replace('\0', " ").trim_end().into();
    Some(ProcessFact { started, command })
}

/// Returns the processes of QEMU whose command line names a file in a folder.
pub(super) fn that_name(folder: &Path) -> Vec<u32> {
    let folder = format!("{}/", folder.display());
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let own = std::process::id();
    let names = |pid: &u32| {
        *pid != own && process(*pid).is_some_and(|fact| fact.command.contains(&folder) && fact.command.contains("qemu"))
    };
    pids.filter(names).collect()
}
