//! proc(5).

use super::{Hypervisor, HypervisorKind, Processes, Thread};
use crate::host::identity::is_vmrun;
use crate::host::kernel;
use crate::model::Size;
use crate::qemu::seen::{is_qemu, options_of};
use nix::unistd::{SysconfVar, sysconf};
use std::fs::File;
use std::io::Read as _;
use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

/// What `stat` of a process or a thread says.
struct Stat {
    /// One letter.
    state: String,
    parent: u32,
    /// Processor time, in ticks.
    used: u64,
    /// When it was started, in ticks since the boot.
    started: u64,
    /// In pages.
    resident: u64,
    /// The processor that it was on last.
    processor: Option<u32>,
}

/// How the kernel counts.
struct Units {
    /// How many ticks a second has.
    ticks: u64,
    page: u64,
    /// How long the host runs, in ticks.
    uptime: u64,
}

impl Units {
    fn read() -> Self {
        let ask = |what, usual| sysconf(what).ok().flatten().and_then(|it| u64::try_from(it).ok()).unwrap_or(usual);
        let ticks = ask(SysconfVar::CLK_TCK, 100).max(1);
        let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
        Self { ticks, page: ask(SysconfVar::PAGE_SIZE, 4096), uptime: uptime(&text, ticks) }
    }

    /// How much of a processor something has used since it was started, in thousandths.
    fn share(&self, stat: &Stat) -> u64 {
        let age = self.uptime.saturating_sub(stat.started).max(1);
        stat.used.saturating_mul(1000) / age
    }
}

/// `uptime` begins with the seconds since the boot, with two decimals.
fn uptime(text: &str, ticks: u64) -> u64 {
    let seconds = text.split(' ').next().unwrap_or_default();
    let (whole, hundredths) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let number = |text: &str| text.parse::<u64>().unwrap_or_default();
    number(whole).saturating_mul(ticks).saturating_add(number(hundredths) * ticks / 100)
}

/// "pid (name) state parent …"; the name may hold anything.
fn parse_stat(text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Stat {
        state: (*fields.first()?).into(),
        parent: u32::try_from(number(1)?).ok()?,
        used: number(11)?.saturating_add(number(12)?),
        started: number(19)?,
        resident: number(21)?,
        processor: number(36).and_then(|number| u32::try_from(number).ok()),
    })
}

/// Returns the threads of a process. What it waits for its owner is told only.
pub(crate) fn threads(pid: u32) -> Vec<Thread> {
    let units = Units::read();
    let folder = format!("/proc/{pid}/task");
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let thread = |id: u32| {
        let read = |name: &str| std::fs::read_to_string(format!("{folder}/{id}/{name}")).ok();
        let (name, stat) = (read("comm")?, parse_stat(&read("stat")?)?);
        Some(Thread {
            id,
            name: name.trim_end_matches('\n').into(),
            state: word(&stat.state),
            processor: stat.processor,
            cpu: Some(units.share(&stat)),
            used: Some(Duration::from_millis(stat.used.saturating_mul(1000) / units.ticks)),
            wait: read("wchan").filter(|wait| !matches!(wait.trim(), "" | "0")),
        })
    };
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter_map(thread).collect()
}

/// The states of proc(5), by the words of procstat(1) where it has one.
fn word(letter: &str) -> String {
    let word = match letter {
        "R" => "run",
        "S" => "sleep",
        "D" => "disk",
        "T" | "t" => "stop",
        "Z" | "X" => "zomb",
        "I" => "idle",
        other => other,
    };
    word.into()
}

/// The longest command line that the kernel takes: a quarter of a stack of 8 MiB.
const LONGEST: u64 = 2 << 20;

/// How many processes are worth a thread.
const WORTH: usize = 256;

/// Returns the words of a command line.
pub(super) fn words(pid: u32) -> Option<Vec<String>> {
    let mut bytes = Vec::new();
    read(&format!("/proc/{pid}/cmdline"), &mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let words: Vec<String> = text.strip_suffix('\0').unwrap_or(&text).split('\0').map(String::from).collect();
    words.first().is_some_and(|program| !program.is_empty()).then_some(words)
}

/// Looks at what runs, on all processors where it is much. A process that ends meanwhile is none.
pub(crate) fn look() -> Processes {
    let units = Units::read();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let part = pids.len().div_ceil(threads).max(WORTH);
    let units = &units;
    thread::scope(|scope| {
        let mut parts = pids.chunks(part);
        let own = parts.next().unwrap_or_default();
        let start = |pids| (pids, thread::Builder::new().spawn_scoped(scope, move || look_at(pids, units)));
        let others: Vec<_> = parts.map(start).collect();
        let mut processes = look_at(own, units);
        for (pids, other) in others {
            let seen = other
                .map_or_else(|_| look_at(pids, units), |it| it.join().unwrap_or_else(|panic| resume_unwind(panic)));
            processes.hypervisors.extend(seen.hypervisors);
            processes.vmruns.extend(seen.vmruns);
            processes.sees_others |= seen.sees_others;
        }
        processes
    })
}

/// Looks at some processes.
fn look_at(pids: &[u32], units: &Units) -> Processes {
    let mut processes = Processes::default();
    let mut bytes = Vec::with_capacity(1 << 16);
    for &pid in pids {
        if read(&format!("/proc/{pid}/cmdline"), &mut bytes).is_err() {
            continue;
        }
        processes.sees_others |= pid == 1;
        let program = String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default());
        if is_vmrun(&program) {
            processes.vmruns.insert(pid);
        } else if is_qemu(&program) {
            processes.hypervisors.extend(hypervisor(pid, &mut bytes, units));
        }
    }
    processes
}

/// Reads a file of proc(5) into what has room for it. It has no size, and one that is bounded is not asked for it.
fn read(path: &str, into: &mut Vec<u8>) -> std::io::Result<()> {
    into.clear();
    File::open(path)?.take(LONGEST).read_to_end(into).map(drop)
}

/// Reads a process whose arguments are there.
fn hypervisor(pid: u32, bytes: &mut Vec<u8>, units: &Units) -> Option<Hypervisor> {
    let text = String::from_utf8_lossy(bytes);
    let args: Vec<String> = text.trim_end_matches('\0').split('\0').skip(1).map(String::from).collect();
    let options = options_of(&args);
    read(&format!("/proc/{pid}/stat"), bytes).ok()?;
    let stat = parse_stat(&String::from_utf8_lossy(bytes))?;
    let age = units.uptime.saturating_sub(stat.started);
    Some(Hypervisor {
        pid,
        parent: stat.parent,
        kind: HypervisorKind::Qemu,
        name: options.name,
        uptime: Duration::from_millis(age.saturating_mul(1000) / units.ticks),
        cpu: units.share(&stat),
        used: Some(Duration::from_millis(stat.used.saturating_mul(1000) / units.ticks)),
        resident: Size::bytes(stat.resident.saturating_mul(units.page)),
        shape: options.shape,
        // In a container it is another one of that name.
        folder: options.folder.filter(|_| !kernel::is_elsewhere(pid)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_as_proc_shows_it() {
        // Captured from Linux 6.1, with another name.
        let text = "4720 (qemu) (x) y) S 4711 4720 4720 0 -1 4194560 3210 0 12 0 731 211 0 0 20 0 5 0 81213 1258291200 \
            18230 18446744073709551615 1 1 0 0 0 0 16781312 4096 1 0 0 0 17 3 0 0\n";
        let stat = parse_stat(text).unwrap();
        assert_eq!((stat.parent, stat.used, stat.started, stat.resident), (4711, 942, 81213, 18230));
        assert_eq!((word(&stat.state).as_str(), stat.processor), ("sleep", Some(3)));
        let units = Units { ticks: 100, page: 4096, uptime: uptime("831.55 1600.10\n", 100) };
        assert_eq!((units.uptime, units.share(&stat)), (83155, 485));
        assert!(parse_stat("4720 (qemu").is_none() && parse_stat("1 (a) S x").is_none());
    }
}
