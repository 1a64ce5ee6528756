//! ps(1) and procstat(1).

use super::{Hypervisor, HypervisorKind, Processes, Thread};
use crate::bhyve::seen::machine_of;
use crate::diag::Fault;
use crate::host::identity::is_vmrun;
use crate::host::program::Query;
use crate::model::{Argv, Shape, Size};
use std::collections::BTreeMap;
use std::time::Duration;

/// What ps is asked for: a line for each process, the command last.
fn ps() -> Argv {
    let keys = ["pid", "ppid", "etimes", "%cpu", "time", "rss", "command"];
    Argv::new("ps").arg("-axww").args(keys.iter().flat_map(|key| ["-o".to_string(), format!("{key}=")]))
}

/// The process that has started all others.
const FIRST: u32 = 1;

/// What procstat is asked for: the threads of processes.
fn procstat(pids: &[u32]) -> Argv {
    Argv::new("procstat").arg("-t").args(pids)
}

/// What ps is asked for: how much of a processor each thread uses.
fn ps_threads(pid: u32) -> Argv {
    Argv::new("ps").args(["-H", "-o", "lwp=", "-o", "%cpu=", "-p"]).arg(pid)
}

/// Returns a process's command line, or its title.
pub(super) fn command(query: Query<'_>, pid: u32) -> Option<String> {
    let argv = Argv::new("ps").args(["-ww", "-o", "command=", "-p"]).arg(pid);
    query(&argv).ok().map(|text| text.trim().to_string()).filter(|text| !text.is_empty())
}

/// Returns what is shown of a bhyve: each command behind a `$`, and its answer below it.
pub(super) fn shown(query: Query<'_>, pid: u32) -> Result<String, Fault> {
    let files = Argv::new("procstat").arg("-f").arg(pid);
    let mut text = format!("$ {files}\n{}", query(&files)?);
    for argv in [procstat(&[pid]), Argv::new("ifconfig")] {
        // What one of them does not tell is not known.
        text.push_str(&format!("$ {argv}\n{}", query(&argv).unwrap_or_default()));
    }
    Ok(text)
}

/// Returns the threads of a process.
pub(crate) fn threads(query: Query<'_>, pid: u32) -> Result<Vec<Thread>, Fault> {
    let mut all = parse_threads(&query(&procstat(&[pid]))?).remove(&pid).unwrap_or_default();
    // Where ps does not answer that is not known.
    let shares = query(&ps_threads(pid)).map(|text| parse_shares(&text)).unwrap_or_default();
    all.iter_mut().for_each(|thread| thread.cpu = shares.get(&thread.id).copied());
    Ok(all)
}

/// Reads numbers of threads and how much of a processor they use.
fn parse_shares(text: &str) -> BTreeMap<u32, u64> {
    let share = |line: &str| {
        let (id, share) = line.trim().split_once(' ')?;
        Some((id.parse().ok()?, permille(share.trim())?))
    };
    text.lines().filter_map(share).collect()
}

/// Looks at what runs.
pub(crate) fn look(query: Query<'_>) -> Result<Processes, Fault> {
    let mut processes = parse_processes(&query(&ps())?);
    let pids: Vec<u32> = processes.hypervisors.iter().map(|one| one.pid).collect();
    if !pids.is_empty() {
        let threads = threads_of(query, &pids);
        for one in &mut processes.hypervisors {
            let vcpus = threads.get(&one.pid).map(|all| all.iter().filter(|it| it.name.starts_with("vcpu ")).count());
            one.shape.cpus = vcpus.filter(|count| *count > 0).map(|count| count as u64);
        }
    }
    Ok(processes)
}

/// Returns the threads of processes, of as many as procstat tells of. Where one of them has ended meanwhile it fails, and tells of
/// none behind it (12.1), so that each is asked for alone.
fn threads_of(query: Query<'_>, pids: &[u32]) -> BTreeMap<u32, Vec<Thread>> {
    let ask = |pids: &[u32]| query(&procstat(pids)).map(|text| parse_threads(&text));
    ask(pids).unwrap_or_else(|_| match pids {
        [] | [_] => BTreeMap::new(),
        _ => pids.iter().filter_map(|pid| ask(&[*pid]).ok()).flatten().collect(),
    })
}

/// Reads what ps prints: number, parent, seconds, share of a processor, processor time, resident memory and command of each process.
pub fn parse_processes(text: &str) -> Processes {
    let mut processes = Processes::default();
    for line in text.lines() {
        let mut rest = line;
        let mut word = || {
            let (word, tail) = rest.trim_start().split_once(' ')?;
            rest = tail;
            Some(word)
        };
        let fields = [word(), word(), word(), word(), word(), word()];
        let [Some(pid), Some(parent), Some(seconds), Some(share), Some(used), Some(kib)] = fields else { continue };
        let (Ok(pid), Ok(parent)) = (pid.parse::<u32>(), parent.parse::<u32>()) else { continue };
        let command = rest.trim();
        processes.sees_others |= pid == FIRST;
        if let Some(name) = machine_of(command) {
            processes.hypervisors.push(Hypervisor {
                pid,
                parent,
                kind: HypervisorKind::Bhyve,
                name: Some(name.into()),
                uptime: Duration::from_secs(seconds.parse().unwrap_or_default()),
                cpu: permille(share).unwrap_or_default(),
                used: time(used),
                resident: Size::bytes(kib.parse::<u64>().unwrap_or_default().saturating_mul(1024)),
                shape: Shape::default(),
                folder: None,
            });
        }
        if command.split(' ').next().is_some_and(is_vmrun) {
            processes.vmruns.insert(pid);
        }
    }
    processes.hypervisors.sort_by_key(|one| one.pid);
    processes
}

/// Returns what asks for the processes of every bhyve.
fn ps_names() -> Argv {
    Argv::new("ps").args(["-axww", "-o", "pid=", "-o", "command="])
}

/// Returns the processes of bhyve that run a machine of this name. That there is none can be told only by who sees the processes
/// of others, of which the first is one, which is in no jail: who may run a machine there tells whether he `sees_all` otherwise.
pub(crate) fn named(query: Query<'_>, name: &str, sees_all: &dyn Fn() -> bool) -> Result<Vec<u32>, Fault> {
    let text = query(&ps_names())?;
    let all: Vec<(u32, &str)> = text
        .lines()
        .filter_map(|line| {
            let (pid, command) = line.trim().split_once(' ')?;
            Some((pid.parse().ok()?, command.trim()))
        })
        .collect();
    let named: Vec<u32> =
        all.iter().filter(|(_, command)| machine_of(command) == Some(name)).map(|(pid, _)| *pid).collect();
    if named.is_empty() && all.iter().all(|(pid, _)| *pid != FIRST) && !sees_all() {
        return Err(Fault::host("the processes of other users are not to be seen here"));
    }
    Ok(named)
}

/// Minutes, seconds and hundredths of processor time, `195:23.50`; there may be hours and days before them.
fn time(text: &str) -> Option<Duration> {
    let (rest, hundredths) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    let (days, rest) = rest.split_once('-').unwrap_or(("0", rest));
    let mut seconds = 0_u64;
    for part in rest.split(':') {
        seconds = seconds.checked_mul(60)?.checked_add(part.parse().ok()?)?;
    }
    let seconds = days.parse::<u64>().ok()?.checked_mul(86400)?.checked_add(seconds)?;
    Duration::from_secs(seconds).checked_add(Duration::from_millis(hundredths.parse::<u64>().ok()?.checked_mul(10)?))
}

/// A percentage with one decimal, in thousandths.
fn permille(text: &str) -> Option<u64> {
    // Some locales have a comma.
    let (whole, tenths) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    whole.parse::<u64>().ok()?.checked_mul(10)?.checked_add(tenths.get(..1)?.parse().ok()?)
}

/// Reads what `procstat -t` prints, by process: `PID TID COMM TDNAME CPU PRI STATE WCHAN`. A thread's name may hold blanks and be
/// wider than its column; it ends where two numbers and a state follow. COMM is one word, as it is bhyve's.
pub fn parse_threads(text: &str) -> BTreeMap<u32, Vec<Thread>> {
    let mut all: BTreeMap<u32, Vec<Thread>> = BTreeMap::new();
    for (pid, thread) in text.lines().filter_map(thread) {
        all.entry(pid).or_default().push(thread);
    }
    all
}

/// What procstat calls the states of threads.
const STATES: &[&str] = &["run", "stop", "sleep", "lock", "wait", "zomb", "idle", "??"];

fn thread(line: &str) -> Option<(u32, Thread)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [pid, id, called, rest @ ..] = words.as_slice() else { return None };
    let is_number = |word: &str| word == "-" || word.parse::<i32>().is_ok();
    let is_end = |three: &[&str]| is_number(three[0]) && is_number(three[1]) && STATES.contains(&three[2]);
    // The name has at least one word.
    let end = 1 + rest.get(1..)?.windows(3).position(is_end)?;
    let (name, wait) = (rest[..end].join(" "), rest[end + 3..].join(" "));
    let thread = Thread {
        id: id.parse().ok()?,
        // The first one has no name of its own on some releases.
        name: if name == "-" { (*called).into() } else { name },
        state: rest[end + 2].into(),
        processor: rest[end].parse().ok(),
        cpu: None,
        used: None,
        wait: Some(wait).filter(|wait| !wait.is_empty() && wait != "-"),
    };
    Some((pid.parse().ok()?, thread))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::corpus::steps;
    use proptest::prelude::*;

    /// The threads of a bhyve with a disk, a network card, a screen and six vCPUs.
    const THREADS: &[(u32, &str, i32, u32, &str, &str)] = &[
        (100_259, "mevent", -1, 120, "sleep", "kqread"),
        (100_510, "blk-4:0-0", -1, 120, "sleep", "uwait"),
        (100_511, "blk-4:0-1", -1, 120, "sleep", "uwait"),
        (100_512, "blk-4:0-2", -1, 120, "sleep", "uwait"),
        (100_513, "blk-4:0-3", -1, 120, "sleep", "uwait"),
        (100_514, "blk-4:0-4", -1, 120, "sleep", "uwait"),
        (100_515, "blk-4:0-5", -1, 120, "sleep", "uwait"),
        (100_516, "blk-4:0-6", -1, 120, "sleep", "uwait"),
        (100_517, "blk-4:0-7", -1, 120, "sleep", "uwait"),
        (100_518, "vtnet-5:0 tx", -1, 120, "sleep", "uwait"),
        (100_519, "rfb", -1, 126, "sleep", "accept"),
        (100_520, "vcpu 0", -1, 128, "sleep", "vmidle"),
        (100_521, "vcpu 1", 1, 124, "run", "-"),
        (100_522, "vcpu 2", 9, 127, "run", "-"),
        (100_523, "vcpu 3", -1, 134, "sleep", "vmidle"),
        (100_524, "vcpu 4", 3, 125, "run", "-"),
        (100_525, "vcpu 5", 5, 136, "run", "-"),
    ];

    /// As procstat(1) prints them, by the formats of its source; names are 19 wide, before FreeBSD 11 they were 16.
    fn printed(width: usize) -> String {
        let head = format!(
            "{:>5} {:>6} {:width$} {:width$} {:>2} {:>4} {:7} {:9}\n",
            "PID", "TID", "COMM", "TDNAME", "CPU", "PRI", "STATE", "WCHAN"
        );
        let line = |(id, name, cpu, priority, state, wait): &(u32, &str, i32, u32, &str, &str)| {
            format!("{:>5} {id:>6} {:width$} {name:width$} {cpu:>3} {priority:>4} {state:7} {wait:9} \n", 4470, "bhyve")
        };
        std::iter::once(head).chain(THREADS.iter().map(line)).collect()
    }

    #[test]
    fn threads_are_read_as_procstat_shows_them() {
        for width in [16, 19] {
            let all = parse_threads(&printed(width));
            assert_eq!(all.keys().collect::<Vec<_>>(), [&4470]);
            let said: Vec<_> = all[&4470]
                .iter()
                .map(|it| {
                    (
                        it.id,
                        it.name.as_str(),
                        it.processor.map_or(-1, |on| i32::try_from(on).unwrap()),
                        it.state.as_str(),
                        it.wait.as_deref().unwrap_or("-"),
                    )
                })
                .collect();
            let expected: Vec<_> =
                THREADS.iter().map(|(id, name, cpu, _, state, wait)| (*id, *name, *cpu, *state, *wait)).collect();
            assert_eq!(said, expected);
        }
        let wide = " 4470 100600 bhyve               pci-passthru-ring-0 worker 12  120 sleep   *vm page queue \n 4470 100259 bhyve  - - 120 sleep kqread\n";
        let all: Vec<_> = parse_threads(wide)[&4470]
            .iter()
            .map(|it| (it.name.clone(), it.processor, it.wait.clone().unwrap()))
            .collect();
        let name = "pci-passthru-ring-0 worker";
        assert_eq!(all, [(name.into(), Some(12), "*vm page queue".into()), ("bhyve".into(), None, "kqread".into())]);
    }

    #[test]
    fn every_bhyve_of_a_name_is_found_whoever_has_started_it() {
        let listing = "    1 /sbin/init --\n 4470 bhyve: web (bhyve)\n 4471 bhyve: web2 (bhyve)\n 99 bhyve -c 1 web\nx bhyve: web\n";
        let query = |argv: &Argv| {
            assert_eq!(argv.to_string(), "ps -axww -o pid= -o command=");
            Ok(listing.to_string())
        };
        assert_eq!(named(&query, "web", &|| false).unwrap(), [4470, 99]);
    }

    #[test]
    fn processes_are_read_as_ps_shows_them() {
        let text = "    1     0 9000000   0.0    0:01.00   1032 /sbin/init\n \
             4470  4460   93784 112.5  195:23.50 524288 bhyve: web (bhyve)\n\
             99999     1      10   0.0          -   2048 bhyve: lab.2\n 4460     1   93785   0.0    0:00.10   9216 vmrun supervise /vm/web.rhai\nnonsense\n 7 8\n";
        let processes = parse_processes(text);
        let said: Vec<_> = processes
            .hypervisors
            .iter()
            .map(|it| {
                (it.pid, it.parent, it.name.as_deref().unwrap(), it.uptime.as_secs(), it.cpu, it.resident.to_string())
            })
            .collect();
        assert_eq!(said, [(4470, 4460, "web", 93784, 1125, "512M".into()), (99999, 1, "lab.2", 10, 0, "2M".into())]);
        let used = |text: &str| time(text).map(|time| time.as_millis());
        assert_eq!(processes.hypervisors[0].used, time("195:23.50"));
        assert_eq!(
            ["195:23.50", "1-02:03:04", "0:00,07", "x", "-", ""].map(used),
            [Some(11_723_500), Some(93_784_000), Some(70), None, None, None]
        );
        assert!(processes.is_vmrun(4460) && !processes.is_vmrun(4470));
        assert_eq!(ps().to_string(), "ps -axww -o pid= -o ppid= -o etimes= -o %cpu= -o time= -o rss= -o command=");
        assert_eq!(ps_threads(7).to_string(), "ps -H -o lwp= -o %cpu= -p 7");
        let shares: Vec<_> = parse_shares("100521  98.2\n100520   0.0\n-\n").into_iter().collect();
        assert_eq!(shares, [(100_520, 0), (100_521, 982)]);
        assert_eq!(procstat(&[7, 8]).to_string(), "procstat -t 7 8");
    }

    #[test]
    fn what_runs_is_asked_of_ps_and_then_of_procstat() {
        let procstat_steps = steps("procstat.txt");
        let lines = |command: &str| {
            let step = procstat_steps.iter().find(|step| step.command == command).unwrap();
            step.outcome()
        };
        let listing = " 12819 12800 20 0.0 0:03.81 4096 bhyve: web (bhyve)\n";
        let query = |argv: &Argv| if argv.program == "ps" { Ok(listing.into()) } else { lines(&argv.to_string()) };
        let seen = look(&query).unwrap();
        assert_eq!(seen.hypervisors.iter().map(|one| one.shape.cpus).collect::<Vec<_>>(), [Some(1)]);
        let nobody = |argv: &Argv| if argv.program == "ps" { Ok(listing.into()) } else { lines("procstat -t 99998") };
        assert_eq!(look(&nobody).unwrap().hypervisors[0].shape.cpus, None);

        let threads_of_web = threads(&query, 12819).unwrap();
        assert_eq!(threads_of_web.len(), 20);
        assert!(threads_of_web.iter().all(|thread| thread.cpu.is_none()));
        assert_eq!(threads(&query, 99998).unwrap_err().message.lines().count(), 2);
        let none = |_: &Argv| Err(Fault::host("no ps"));
        assert_eq!(look(&none).unwrap_err().message, "no ps");
    }

    #[test]
    fn a_process_that_has_ended_takes_nothing_away_from_what_is_known_of_the_others() {
        let recorded = steps("procstat.txt");
        for order in [[12819, 99998], [99998, 12819]] {
            let line = |pid| format!("{pid} 12800 20 0.0 0:03.81 4096 bhyve: vm{pid} (bhyve)\n");
            let listing: String = order.iter().map(line).collect();
            let query = |argv: &Argv| match argv.to_string() {
                command if argv.program == "ps" && command.contains("-axww") => Ok(listing.clone()),
                command => recorded.iter().find(|step| step.command == command).unwrap().outcome(),
            };
            let seen = look(&query).unwrap().hypervisors;
            let vcpus: Vec<_> = seen.iter().map(|one| (one.pid, one.shape.cpus)).collect();
            assert_eq!(vcpus, [(12819, Some(1)), (99998, None)]);
        }
    }

    #[test]
    fn whether_others_are_to_be_seen_is_told_by_the_first_process_of_all() {
        let asked = ps().to_string();
        let listings = steps("ps.txt").into_iter().filter(|step| step.command == asked && step.status == 0);
        let seen: Vec<bool> = listings.map(|step| parse_processes(&step.output).sees_others).collect();
        assert_eq!(seen.first(), Some(&true));
        assert!(seen.contains(&false), "of other users nothing is to be seen where see_other_uids is 0");
    }

    #[test]
    fn how_much_of_a_processor_a_thread_uses_is_read_as_ps_shows_it() {
        let recorded = steps("ps.txt");
        let asked = ps_threads(1432).to_string();
        let step = recorded.iter().find(|step| step.command == asked && step.status == 0).unwrap();
        let shares = parse_shares(&step.output);
        assert_eq!((shares.len(), shares.get(&100_096)), (step.output.lines().count(), Some(&0)));
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in "( {0,3}[0-9]{1,9} [0-9]{1,7} .{0,60}\n|  PID .{0,9}COMM .{0,9}TDNAME .{0,9}CPU\n|.{0,40}\n){0,6}") {
            let _ = parse_threads(&text);
            let _ = parse_shares(&text);
            let _ = parse_processes(&text);
        }
    }
}
