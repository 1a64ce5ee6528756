//! procstat(1), as 12.1 answered. The threads of a bhyve are those that its command line says it has: one for events, eight for each
//! disk, one for what each network card sends, one for the screen, and one for each vCPU.

use std::fs;

use crate::exit::{Exit, Step, say};
use crate::getopt;
use crate::process::{self, Process, WAITS};
use crate::release::Release;
use crate::state::{State, is_root};

use tables::Table;

mod tables;

const USAGE: &str = "usage: procstat [--libxo] [-h] [-M core] [-N system] [-w interval] command
                [pid ... | core ...]
       procstat [--libxo] -a [-h] [-M core] [-N system]  [-w interval] command
       procstat [--libxo] [-h] [-M core] [-N system] [-w interval]
                [-S | -b | -c | -e | -f [-C] | -i [-n] | -j [-n] | -k [-k] |
                 -l | -r [-H] | -s | -t | -v | -x] [pid ... | core ...]
       procstat [--libxo] -a [-h] [-M core] [-N system] [-w interval]
                [-S | -b | -c | -e | -f [-C] | -i [-n] | -j [-n] | -k [-k] |
                 -l | -r [-H] | -s | -t | -v | -x]
       procstat [--libxo] -L [-h] [-M core] [-N system] core ...
Available commands:
       argument(s)
       auxv
       basic
       binary
       [cpuset | cs]
       credential(s)
       environment
       [fd(s) | file(s)] [-C]
       kstack [-v]
       ptlwpinfo
       rlimit
       rusage [-Ht]
       signal(s) [-n]
       thread(s)
       tsignal(s) [-n]
       vm";

/// What procstat says of a number that is no process; it stops there.
const GONE: &str = "procstat: sysctl(kern.proc): No such process\nprocstat: procstat_getprocs()";

/// Runs procstat.
pub(crate) fn run(state: &State, args: &[String]) -> Step<u8> {
    let (is_json, args) = match args {
        [libxo, json, rest @ ..] if libxo == "--libxo" && json == "json" => (true, rest),
        _ => (false, args),
    };
    let words = getopt::or_usage("procstat", "abCcefHhijkLlM:N:nrSstvw:x", args, (64, USAGE))?;
    if words.operands.is_empty() && !words.has('a') {
        return Err(Exit::new(64, USAGE));
    }
    let _lock = state.lock()?;
    let table = Table::of(&words);
    let visible = process::visible(state)?;
    let mut shown: Vec<&Process> = if words.has('a') { visible.iter().collect() } else { Vec::new() };
    let mut fault = None;
    for text in words.operands {
        let Ok(pid) = text.parse::<u32>() else {
            fault = Some(Exit::new(
                0,
                format!("procstat: open({text}): No such file or directory\nprocstat: procstat_open()"),
            ));
            continue;
        };
        let Some(one) = visible.iter().find(|one| one.pid == pid) else {
            fault = Some(Exit::new(1, GONE));
            break;
        };
        shown.push(one);
    }
    if is_json {
        say(table.json(&shown)?);
    } else {
        let has_header = !words.has('h') && !shown.is_empty();
        say(if has_header { table.header() } else { "" });
        for one in shown.iter().filter(|_| is_root() || table.is_for_all()) {
            say(table.rows(one)?);
        }
    }
    fault.map_or(Ok(0), Err)
}

/// A thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Thread {
    pub(crate) name: String,
    /// What it does: `sleep` or `run`.
    pub(crate) state: &'static str,
    /// What it waits for.
    pub(crate) wait: &'static str,
}

fn thread(name: impl Into<String>, wait: &'static str) -> Thread {
    Thread { name: name.into(), state: if wait == "-" { "run" } else { "sleep" }, wait }
}

/// The first threads of the kernel (12.1).
const KERNEL: &[(u32, &str, &str)] = &[
    (100_000, "swapper", "swapin"),
    (100_003, "kqueue_ctx taskq", "-"),
    (100_006, "thread taskq", "-"),
    (100_008, "config_0", "-"),
];

/// The threads of a process, with their numbers.
pub(crate) fn threads(one: &Process) -> Step<Vec<(u32, Thread)>> {
    if one.pid == 0 {
        let all = KERNEL.iter().map(|(id, name, wait)| (*id, Thread { name: (*name).into(), state: "sleep", wait }));
        return Ok(all.collect());
    }
    let line = fs::read_to_string(format!("/proc/{}/cmdline", one.pid)).unwrap_or_default();
    let words: Vec<&str> = line.split('\0').collect();
    let waits = fs::read_to_string(format!("/proc/{}/comm", one.pid)).is_ok_and(|name| name.trim_end() == WAITS);
    let all = match one.name.as_str() {
        "bhyve" if waits => vec![thread("-", "uwait"), thread("rfb", "accept")],
        "bhyve" => of_bhyve(&words, Release::of_environment()?),
        "sleep" => vec![thread("-", "nanslp")],
        _ => vec![thread("-", "wait")],
    };
    Ok((if one.pid == 1 { 100_001 } else { 100_500 }..).zip(all).collect())
}

fn of_bhyve(words: &[&str], release: Release) -> Vec<Thread> {
    let mut all = vec![thread("mevent", "kqread")];
    let mut cpus = 1;
    for pair in words.windows(2) {
        match (pair[0], pair[1].split_once(',')) {
            ("-c", _) => {
                let count = pair[1].split(',').next();
                cpus = count.and_then(|text| text.trim_start_matches("cpus=").parse().ok()).unwrap_or(1);
            }
            ("-s", Some((slot, device))) => all.extend(of_device(slot, device)),
            _ => {}
        }
    }
    if release.major < 14 {
        // The others appear when the guest starts them, which none here does.
        all.push(thread("vcpu 0", "-"));
        return all;
    }
    all.extend((0..cpus).map(|number: u16| match number {
        0 => thread("vcpu 0", "vmidle"),
        number => thread(format!("vcpu {number}"), "-"),
    }));
    all
}

fn of_device(slot: &str, device: &str) -> Vec<Thread> {
    let place = if slot.contains(':') { slot.to_string() } else { format!("{slot}:0") };
    let disk = |place: &str| (0..8).map(|number| thread(format!("blk-{place}-{number}"), "uwait")).collect();
    match device.split(',').next().unwrap_or_default() {
        "virtio-blk" => disk(&place),
        "ahci-hd" | "ahci-cd" => disk(&format!("{place}:0")),
        "virtio-net" => vec![thread(format!("vtnet-{place} tx"), "uwait")],
        "fbuf" => vec![thread("rfb", "accept")],
        _ => Vec::new(),
    }
}
