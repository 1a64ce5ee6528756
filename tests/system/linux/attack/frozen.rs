//! File systems of a real guest that Debian's agent freezes for a snapshot, of which who asked is killed at each of its calls, and so is the
//! supervisor. What becomes of them is looked at from inside: something is written there all the time, and the guest notes when.

use super::super::guest::{end, with_agent};
use super::super::{FIRMWARE, Outcome, Running, SOON, World, need, outcome, read, tool, utf8, wait_for};
use crate::host::lives;
use crate::mess::traced;
use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use vmrun::internals::supervise::status::MachineStatus;

/// The calls that are struck at: all by which something is asked, answered, noted, copied or begun.
const CALLS: &str = "connect,write,rename,unlink,linkat,ioctl,ftruncate,fsync,fdatasync,flock,clone3,vfork,kill,mkdir";

/// How long nothing can be written at most, if the supervisor lives: ten seconds, and what it takes to ask the agent.
const FROZEN_AT_MOST: Duration = Duration::from_secs(13);

/// A machine whose disks are on a file system with reflinks, in a mount namespace of its own, so that they are kept while it runs.
struct Host {
    world: World,
    namespace: Running,
}

impl Drop for Host {
    fn drop(&mut self) {
        end(&self.world, "web");
    }
}

impl Host {
    fn new() -> Self {
        need(&["unshare", "nsenter", "mount", "mkfs.xfs", "mke2fs", "strace"]);
        let world = World::new();
        let image = with_agent(&world);
        tool("mke2fs", &["-q", "-F", "-t", "ext4", utf8(&world.path("data.img")), "16M"]);
        fs::create_dir(world.path("vm")).unwrap();
        let here = utf8(&world.path("")).to_string();
        let script = "cd \"$0\" && truncate -s 400M fs.img && mkfs.xfs -q fs.img && mount -o loop fs.img vm && \
                      cp data.img guest.img vm/ && echo mounted && exec sleep 1000000";
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script, &here]).stdin(Stdio::null());
        let namespace = world.start("namespace", &mut command);
        namespace.says("mounted");
        let vm = world.path("vm");
        world.write(
            "web.rhai",
            format!(
                "ready(#{{ agent: true, within: \"4m\" }});\nbhyve(#{{ name: \"web\", memory: 256.MiB, bootrom: uefi(), agent: \"9\", \
                 slots: #{{ \"0\": hostbridge(), \"3\": virtio_blk(\"{0}/guest.img\"), \"4\": virtio_blk(\"{0}/data.img\"), \
                 \"5\": virtio_net(\"slirp\"), \"31\": lpc() }} }}).run();\n",
                vm.display()
            ),
        );
        assert!(image.exists());
        Self { world, namespace }
    }

    /// Runs something in the namespace to its end.
    fn runs(&self, words: &[&str]) -> Outcome {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.namespace.child.id().to_string(), "-m", "sh", "-c", "cd \"$0\" && exec \"$@\""]);
        command.arg(self.world.path("")).args(words).stdin(Stdio::null());
        self.world.start("run", self.world.surroundings(&mut command)).ends(FIRMWARE)
    }

    fn vmrun(&self, line: &str) -> Outcome {
        let words: Vec<&str> = std::iter::once(env!("CARGO_BIN_EXE_vmrun")).chain(line.split(' ')).collect();
        self.runs(&words)
    }

    /// Has a snapshot made by a program that strace(1) looks at, with options of its own.
    fn snapshot(&self, number: usize, strace: &[&str]) -> Outcome {
        let name = format!("s{number}");
        let trace = self.world.path("trace");
        let begin = ["strace", "-qq", "-f", "-b", "execve", "-o", utf8(&trace)];
        self.runs(&[&begin[..], strace, &[env!("CARGO_BIN_EXE_vmrun"), "snapshot", "web", &name]].concat())
    }

    fn supervisor(&self) -> u32 {
        MachineStatus::read(&read(&self.world.path("state/web/standing.json"))).unwrap().supervisor.unwrap()
    }

    /// Looks at the supervisor by strace(1) from now on, with options of its own.
    fn traces_supervisor(&self, options: &[&str]) -> Running {
        let mut command = Command::new("strace");
        let trace = self.world.path("trace");
        command.args(["-f", "-o", utf8(&trace), "-p", &self.supervisor().to_string()]).args(options);
        let strace = self.world.start("strace", command.stdin(Stdio::null()));
        let begun = Instant::now();
        while !read(&strace.stderr).contains("attached") {
            assert!(
                begun.elapsed() < SOON,
                "{options:?}: {}\n{}",
                read(&strace.stderr),
                self.vmrun("status web").stdout
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        strace
    }

    /// How often file systems were frozen so far.
    fn freezes(&self) -> usize {
        self.vmrun("events web").stdout.matches("its file systems are frozen for a snapshot").count()
    }

    /// Something can be written in the guest, at once or soon; returns after how long.
    #[track_caller]
    fn is_written(&self, case: &str) -> Duration {
        let begun = Instant::now();
        wait_for(&format!("what is written, {case}"), FROZEN_AT_MOST, || {
            let script = "echo written >/data/file && sync && cat /data/file";
            let words = [env!("CARGO_BIN_EXE_vmrun"), "exec", "web", "--within", "3s", "--", "sh", "-c", script];
            let done = self.runs(&words);
            (done == outcome(0, "written\n", "")).then_some(())
        });
        begun.elapsed()
    }

    /// The longest time for which nothing was written in the guest, by its own clock.
    fn longest_gap(&self) -> Duration {
        let ticks = self.vmrun("exec web -- cat /run/ticks");
        assert_eq!((ticks.code, ticks.stderr.as_str()), (Some(0), ""));
        let ticks: Vec<f64> = ticks.stdout.lines().map(|line| line.parse().unwrap()).collect();
        assert!(ticks.len() > 10, "{ticks:?}");
        let longest = ticks.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
        Duration::from_secs_f64(longest)
    }
}

/// The calls of a trace, each with its number among those of its name.
fn numbered<'a>(calls: &[&'a str]) -> Vec<(&'a str, usize)> {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let all = calls.iter().map(|line| {
        let call = line.split('(').next().unwrap();
        let number = numbers.entry(call).or_default();
        *number += 1;
        (call, *number)
    });
    all.collect()
}

/// The calls of a trace that are struck at: all of them where everything is asked for, else a few, and those from the last one on that
/// has a text, by when something is frozen.
fn struck<'a>(trace: &'a str, few: usize, frozen: &str) -> Vec<(&'a str, usize)> {
    let calls = traced(trace);
    let from = calls.iter().rposition(|call| call.contains(frozen)).unwrap_or_else(|| panic!("no {frozen}:\n{trace}"));
    let step = super::rounds(calls.len().div_ceil(few).try_into().unwrap(), 1) as usize;
    let is_struck = |at: usize| at.is_multiple_of(step) || (from..from + 2).contains(&at);
    numbered(&calls).into_iter().enumerate().filter(|(at, _)| is_struck(*at)).map(|(_, call)| call).collect()
}

/// Who asked is killed: the supervisor lets go at once.
fn who_asked_is_killed(host: &Host, trace: &str) {
    let whole = host.snapshot(0, &["-e", trace]);
    assert_eq!(whole.code, Some(0), "{whole:?}");
    assert!(
        whole.stderr.contains("vmrun: the file systems in web were frozen meanwhile (1), and go on\n"),
        "{whole:?}"
    );
    let text = read(&host.world.path("trace"));
    let strikes = struck(&text, 2, "FICLONE");
    let before = host.freezes();
    assert_eq!(before, 1);
    let mut longest = Duration::ZERO;
    for (at, (call, number)) in strikes.iter().enumerate() {
        let inject = format!("inject={call}:signal=SIGKILL:when={number}");
        host.snapshot(1 + at, &["-e", trace, "-e", &inject]);
        longest = longest.max(host.is_written(&format!("who asked was killed at {call} {number}")));
    }
    let (count, frozen, gap) = (strikes.len(), host.freezes() - before, host.longest_gap());
    eprintln!(
        "{count} calls of who asked, {frozen} of them frozen: written again after {longest:.1?} at most, {gap:.1?} in the guest"
    );
    assert!(frozen > 0 && gap < FROZEN_AT_MOST, "{frozen} {gap:?}");
}

/// The supervisor is killed: whoever adopts the guest has it thawed.
fn the_supervisor_is_killed(host: &Host, trace: &str) {
    let strace = host.traces_supervisor(&["-e", trace]);
    let whole = host.vmrun("snapshot web whole");
    assert_eq!(whole.code, Some(0), "{whole:?}");
    strace.signal("INT");
    strace.ends(SOON);
    let text = read(&host.world.path("trace"));
    let strikes = struck(&text, 1, " frozen ");
    let (mut frozen, mut killed) = (0, 0);
    for (at, (call, number)) in strikes.iter().enumerate() {
        let supervisor = host.supervisor();
        let inject = format!("inject={call}:signal=SIGKILL:when={number}");
        let strace = host.traces_supervisor(&["-e", trace, "-e", &inject]);
        host.vmrun(&format!("snapshot web k{at}"));
        strace.signal("INT");
        strace.ends(SOON);
        let case = format!("the supervisor was killed at {call} {number}");
        let journal = read(&host.world.path("state/.web.lock"));
        let last = journal.lines().rfind(|line| line.contains(" frozen ") || line.ends_with(" thawed"));
        frozen += usize::from(last.is_some_and(|line| line.contains(" frozen ")));
        if !lives(supervisor) {
            killed += 1;
            let adopted = host.vmrun("adopt web");
            assert_eq!(adopted.code, Some(0), "{case}: {adopted:?}");
        }
        host.is_written(&case);
    }
    eprintln!("{} calls of the supervisor, {killed} of them killed, {frozen} of them frozen", strikes.len());
    assert!(killed > 0 && frozen > 0, "{killed} {frozen}");
}

#[test]
fn whoever_is_killed_no_file_system_of_a_guest_stays_frozen() {
    let host = Host::new();
    assert_eq!(host.vmrun("start web.rhai"), outcome(0, "", "vmrun: web runs\nvmrun: web is ready\n"));
    host.is_written("at first");
    let trace = format!("trace={CALLS}");
    who_asked_is_killed(&host, &trace);
    the_supervisor_is_killed(&host, &trace);
    assert_eq!(host.vmrun("kill web"), outcome(0, "", "vmrun: web was switched off\n"));
}
