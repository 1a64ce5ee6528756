//! What FreeBSD 12.1 answered (tests/fixtures/freebsd-12.1), command by command, against the fake userland: exit status, output and
//! errors are the same, or the step stands in excused.txt with the reason.

use super::recorded::corpus::{self, Act, Record};
use super::sandbox::Sandbox;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

mod likeness;
mod releases;
mod scene;

/// What a second of the recording's waiting is here: the fake needs no time of its own, but the machine may be busy.
const SECOND: Duration = Duration::from_millis(150);

/// How long one step may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// A file of the corpus that is being replayed.
struct Replay {
    sandbox: Sandbox,
    /// The processes that were begun, by what the file calls them.
    begun: BTreeMap<String, Child>,
    /// Their numbers, which outlive them.
    pids: BTreeMap<String, u32>,
    /// How many files for outputs were made.
    files: usize,
    /// How long the recording has waited.
    seconds: u32,
}

impl Replay {
    fn new(file: &str) -> Self {
        let sandbox = scene::sandbox(file);
        Self { sandbox, begun: BTreeMap::new(), pids: BTreeMap::new(), files: 0, seconds: 0 }
    }

    /// A command of the corpus as it is here.
    fn here(&self, command: &str) -> String {
        let command = corpus::replaced(command, |words| match words.strip_prefix("pid ") {
            Some(words) => {
                let (id, recorded) = words.split_once(' ').unwrap_or((words, ""));
                self.pids.get(id).map_or_else(|| recorded.to_string(), ToString::to_string)
            }
            None => words.split_once(' ').map_or_else(String::new, |(_, value)| value.to_string()),
        });
        scene::here(&self.sandbox, &command)
    }

    /// Starts a command of sh(1), its outputs into files of their own.
    fn spawn(&mut self, record: &Record, command: &str) -> (Child, usize) {
        self.files += 1;
        let at = self.files;
        let file = |what: &str| File::create(self.output(what, &record.id, at)).unwrap();
        // What is built into the host's shell speaks its own words, and so does it of a program that it has seen die.
        let command = if is_alone(command) && !command.starts_with("kill ") {
            format!("exec {command}")
        } else {
            format!("kill() {{ env kill \"$@\"; }}; {command}")
        };
        let mut shell = self.sandbox.program("sh", &["-c", &command]);
        shell
            .env("FAKE_FREEBSD_RELEASE", "12.1")
            .stdout(file("out"))
            .stderr(file("err"))
            .current_dir(self.sandbox.path("root"));
        if record.is_nobodys {
            shell.env("FAKE_FREEBSD_USER", "nobody");
        }
        (shell.spawn().unwrap(), at)
    }

    /// How much the programs of the fake have logged.
    fn calls(&self) -> u64 {
        fs::metadata(self.sandbox.path("fake/log")).map_or(0, |log| log.len())
    }

    /// Where an output goes: of what was begun into `/tmp`, as it did in the recording, which procstat(1) shows.
    fn output(&self, what: &str, id: &str, at: usize) -> PathBuf {
        let name = if id.is_empty() { format!("{what}.{at}") } else { format!("root/tmp/{what}.{id}") };
        self.sandbox.path(&name)
    }

    fn said(&self, what: &str, id: &str, at: usize) -> String {
        let bytes = fs::read(self.output(what, id, at)).unwrap();
        scene::there(&self.sandbox, &String::from_utf8_lossy(&bytes))
    }

    /// Does what a record did, and tells how that differs from what was recorded.
    fn play(&mut self, record: &Record) -> Option<String> {
        let command = self.here(&record.command);
        match record.act {
            Act::Begin => {
                let calls = self.calls();
                let (mut child, at) = self.spawn(record, &command);
                self.pids.insert(record.id.clone(), child.id());
                // The recording took longer from a beginning to the next step than a program to start. What is not of the fake logs nothing.
                let start = Instant::now();
                let patience = if command.starts_with("bhyve ") { DEADLINE } else { SECOND };
                while self.calls() == calls && start.elapsed() < patience && child.try_wait().unwrap().is_none() {
                    thread::sleep(Duration::from_millis(2));
                }
                thread::sleep(SECOND / 5);
                self.begun.insert(format!("{} {at}", record.id), child);
                None
            }
            Act::Aside => {
                let seconds = command.strip_prefix("sleep ").and_then(|text| text.parse::<u32>().ok());
                if let Some(seconds) = seconds {
                    self.seconds += seconds;
                    self.sandbox.write("fake/clock", &self.seconds.to_string());
                    thread::sleep(SECOND * seconds);
                } else {
                    finish(&mut self.spawn(record, &command).0);
                }
                None
            }
            Act::Run => {
                let (mut child, at) = self.spawn(record, &command);
                let status = finish(&mut child);
                self.difference(record, status, at)
            }
            Act::Wait => {
                let mut begun = self.begun.keys().rev().filter(|key| key.split(' ').next() == Some(&record.id));
                let newest = |key: &&String| key.rsplit(' ').next().and_then(|at| at.parse::<usize>().ok());
                let key = begun.by_ref().max_by_key(newest).unwrap().clone();
                let mut child = self.begun.remove(&key).unwrap();
                let status = finish(&mut child);
                self.difference(record, status, newest(&&key).unwrap())
            }
        }
    }

    fn difference(&self, record: &Record, status: Option<i32>, at: usize) -> Option<String> {
        let (output, complaint) = (self.said("out", &record.id, at), self.said("err", &record.id, at));
        let like = |expected: &str, actual: &str| likeness::is_like(&record.command, expected, actual, &self.pids);
        let is_same =
            status == Some(record.status) && like(&record.output, &output) && like(&record.complaint, &complaint);
        (!is_same).then(|| {
            let mut text = String::new();
            let sides =
                [(record.status, &record.output, &record.complaint), (status.unwrap_or(-1), &output, &complaint)];
            for (side, (status, output, complaint)) in ["-", "+"].into_iter().zip(sides) {
                writeln!(text, "  {side} ? {status}").unwrap();
                output.lines().for_each(|line| writeln!(text, "  {side} < {line}").unwrap());
                complaint.lines().for_each(|line| writeln!(text, "  {side} ! {line}").unwrap());
            }
            text
        })
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        for child in self.begun.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Whether a line of sh(1) is one program, which may take the place of the shell.
fn is_alone(command: &str) -> bool {
    let unquoted: String = command.split('\'').step_by(2).collect();
    let is_assignment = unquoted.split(' ').next().is_some_and(|word| word.contains('='));
    !is_assignment && !unquoted.contains([';', '|', '&', '(', '"'])
}

/// A signal of this system as FreeBSD counts it.
fn freebsds(signal: i32) -> i32 {
    const USR: [(i32, i32); 2] = [(10, 30), (12, 31)];
    USR.iter().find(|(own, _)| *own == signal).map_or(signal, |(_, theirs)| *theirs)
}

/// Waits for a command; one that takes too long is killed and has no status.
fn finish(child: &mut Child) -> Option<i32> {
    let start = Instant::now();
    let seen = |status: ExitStatus| status.code().or_else(|| status.signal().map(|signal| 128 + freebsds(signal)));
    loop {
        match child.try_wait().unwrap() {
            Some(status) => return seen(status),
            None if start.elapsed() < DEADLINE => thread::sleep(Duration::from_millis(2)),
            None => {
                child.kill().unwrap();
                child.wait().unwrap();
                return None;
            }
        }
    }
}

/// The steps that are not the same, by file and line, with the reason.
fn excused() -> BTreeMap<(String, usize), String> {
    let text = fs::read_to_string(corpus::folder().join("excused.txt")).unwrap();
    let mut excused = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (place, reason) = line.split_once(' ').unwrap();
        let (file, at) = place.rsplit_once(':').unwrap();
        assert!(!reason.trim().is_empty(), "{line}");
        let before = excused.insert((file.to_string(), at.parse().unwrap()), reason.to_string());
        assert_eq!(before, None, "{line}");
    }
    excused
}

/// Replays a file.
#[track_caller]
fn replay(file: &str) {
    let mut excused: BTreeMap<usize, String> =
        excused().into_iter().filter(|((name, _), _)| name == file).map(|((_, at), reason)| (at, reason)).collect();
    let mut replay = Replay::new(file);
    let (mut steps, mut equal, mut differences) = (0, 0, String::new());
    let all = excused.len();
    for record in corpus::records(file) {
        let mut difference = replay.play(&record);
        // The programs of a pipe begin in any order, and some see each other: as often as not in the one that was recorded.
        for _ in 0..9 {
            if difference.is_some() && record.act == Act::Run && record.command.contains(" | ") {
                difference = replay.play(&record);
            }
        }
        if !matches!(record.act, Act::Run | Act::Wait) {
            continue;
        }
        steps += 1;
        match (difference, excused.remove(&record.line)) {
            (None, None) => equal += 1,
            (None, Some(_)) => writeln!(differences, "{file}:{} is excused, and it is the same", record.line).unwrap(),
            (Some(_), Some(_)) => {}
            (Some(difference), None) => {
                write!(differences, "{file}:{} {} {}\n{difference}", record.line, record.command, record.id).unwrap();
            }
        }
    }
    assert!(excused.is_empty(), "{file}: no step stands at {excused:?}");
    assert!(differences.is_empty(), "\n{differences}{file}: {steps} steps, {equal} the same, {all} excused");
}

/// A test for each file, so that they run beside each other.
macro_rules! files {
    ($($name:ident $file:literal),* $(,)?) => {
        pub(crate) const FILES: &[&str] = &[$($file),*];
        $(#[test]
        fn $name() {
            replay($file);
        })*
    };
}

files! {
    how_bhyve_ends_is_as_recorded "bhyve-exit.txt",
    what_nodes_refuse_is_as_recorded "bhyve-node.txt",
    how_bhyve_starts_is_as_recorded "bhyve-start.txt",
    bhyvectl_is_as_recorded "bhyvectl.txt",
    bridges_are_as_recorded "ifconfig-bridge.txt",
    pairs_are_as_recorded "ifconfig-epair.txt",
    names_and_groups_are_as_recorded "ifconfig-names-groups.txt",
    lists_of_interfaces_are_as_recorded "ifconfig-show.txt",
    open_taps_are_as_recorded "ifconfig-tap-open.txt",
    taps_are_as_recorded "ifconfig-tap.txt",
    vlans_are_as_recorded "ifconfig-vlan.txt",
    modules_are_as_recorded "kldstat.txt",
    memory_disks_are_as_recorded "mdconfig.txt",
    memory_is_as_recorded "memory.txt",
    counts_of_interfaces_are_as_recorded "netstat.txt",
    null_modems_are_as_recorded "nmdm.txt",
    threads_are_as_recorded "procstat.txt",
    processes_are_as_recorded "ps.txt",
    limits_are_as_recorded "rctl.txt",
    routes_are_as_recorded "route.txt",
    signals_are_as_recorded "signals.txt",
    variables_are_as_recorded "sysctl.txt",
    sizes_of_files_are_as_recorded "truncate.txt",
}

#[test]
fn every_file_of_the_corpus_is_replayed() {
    let entries = fs::read_dir(corpus::folder()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<String> =
        names.filter(|name| name.rsplit('.').next() == Some("txt") && name != "excused.txt").collect();
    files.sort();
    assert_eq!(files, FILES);
    let steps = |file: &&str| corpus::steps(file).len();
    assert_eq!(FILES.iter().map(steps).sum::<usize>(), 1286);
    assert!(excused().keys().all(|(file, _)| FILES.contains(&file.as_str())));
}

/// procstat.txt shows it of a log; uart_backend.c of later releases does the same.
#[test]
fn a_serial_port_on_stdio_makes_its_caller_s_file_non_blocking_and_takes_append_away() {
    for release in ["12.1", "15"] {
        let sandbox = scene::sandbox("bhyve-exit.txt");
        let log = File::options().create(true).append(true).open(sandbox.path("root/tmp/log")).unwrap();
        let rom = format!("bootrom,{}", sandbox.path("root/vm/rom/hello.rom").display());
        let args = ["-m", "32M", "-s", "31,lpc", "-l", &rom, "-l", "com1,stdio", "web"];
        let mut bhyve = sandbox.program("bhyve", &args);
        bhyve.env("FAKE_FREEBSD_RELEASE", release).stdout(log.try_clone().unwrap());
        assert_eq!(bhyve.status().unwrap().code(), Some(1), "{release}");
        let flags = OFlag::from_bits_retain(fcntl(&log, FcntlArg::F_GETFL).unwrap());
        assert_eq!(flags & (OFlag::O_APPEND | OFlag::O_NONBLOCK), OFlag::O_NONBLOCK, "{release}");
        assert_eq!(fs::read_to_string(sandbox.path("root/tmp/log")).unwrap(), "hello from guest\r\n", "{release}");
    }
}
