//! procstat(1): the threads of a bhyve, as its command line says that it has them: one for events, eight for each disk, one for
//! what each network card sends, one for the screen and one for each vCPU.

use std::fs;

use crate::exit::{Exit, Step, say, warn};
use crate::node;
use crate::state::State;

const USAGE: &str = "usage: procstat [--libxo] [-Hhn] [-M core] [-N system] [-w interval]\n                \
                     [-S | -b | -c | -e | -f | -i | -j | -k | -kk | -l | -r | -s |\n                 \
                     -t | -v | -x] [-a | pid | core ...]";

/// Runs procstat; of its forms only `-t` is known.
pub(crate) fn run(state: &State, args: &[String]) -> Step<u8> {
    let (Some("-t"), pids) = (args.first().map(String::as_str), args.get(1..).unwrap_or_default()) else {
        return Err(Exit::new(64, USAGE));
    };
    let _lock = state.lock()?;
    let running = node::running(state)?;
    for text in pids {
        let pid = text.parse::<u32>().map_err(|_| Exit::new(64, USAGE))?;
        if !running.iter().any(|(known, _)| *known == pid) {
            warn(format!("procstat: sysctl: kern.proc.pid: {pid}: No such process"));
            continue;
        }
        say(format!(
            "{:>5} {:>6} {:19} {:19} {:>2} {:>4} {:7} {:9}\n",
            "PID", "TID", "COMM", "TDNAME", "CPU", "PRI", "STATE", "WCHAN"
        ));
        for (id, (name, state, wait)) in threads(pid) {
            let cpu = if state == "run" { 1 } else { -1 };
            say(format!("{pid:>5} {id:>6} {:19} {name:19} {cpu:>3} {:>4} {state:7} {wait:9} \n", "bhyve", 120));
        }
    }
    Ok(0)
}

/// The name of a thread, what it does, and what it waits for.
type Thread = (String, &'static str, &'static str);

/// The threads of a process, with their numbers.
pub(crate) fn threads(pid: u32) -> Vec<(u32, Thread)> {
    let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<&str> = line.split('\0').collect();
    let mut all = vec![("mevent".to_string(), "sleep", "kqread")];
    let mut cpus = 1;
    for pair in words.windows(2) {
        match (pair[0], pair[1].split_once(',')) {
            ("-c", _) => {
                cpus = pair[1]
                    .split(',')
                    .next()
                    .and_then(|text| text.trim_start_matches("cpus=").parse().ok())
                    .unwrap_or(1)
            }
            ("-s", Some((slot, device))) => all.extend(of_device(slot, device)),
            _ => {}
        }
    }
    all.extend((0..cpus).map(|number: u16| match number {
        0 => ("vcpu 0".to_string(), "sleep", "vmidle"),
        number => (format!("vcpu {number}"), "run", "-"),
    }));
    (100_500..).zip(all).collect()
}

fn of_device(slot: &str, device: &str) -> Vec<Thread> {
    let place = if slot.contains(':') { slot.to_string() } else { format!("{slot}:0") };
    match device.split(',').next().unwrap_or_default() {
        "virtio-blk" => (0..8).map(|number| (format!("blk-{place}-{number}"), "sleep", "uwait")).collect(),
        "virtio-net" => vec![(format!("vtnet-{place} tx"), "sleep", "uwait")],
        "fbuf" => vec![("rfb".to_string(), "sleep", "accept")],
        _ => Vec::new(),
    }
}
