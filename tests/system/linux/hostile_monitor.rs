//! A hypervisor whose monitor is hostile: whatever it says there and however long it goes on, its machine is stopped in time.

use super::{SOON, World, read, signal, wait_for};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use vmrun::internals::supervise::status::MachineStatus;

/// What a QEMU does once somebody has come to its monitor, in Perl.
const HOSTILE: [(&str, &str); 5] = [
    ("tells events without end", "print $c qq({\"event\": \"RTC_CHANGE\"}\\n) x 100 while 1;"),
    ("ends no line", "print $c 'x' x 65536 while 1;"),
    ("answers with what is no JSON", "print $c qq(\\e]0;mine\\a[[[[\\n) x 100 while 1;"),
    ("says nothing and reads nothing", "sleep 1 while 1;"),
    ("closes it", "close $c; sleep 1 while 1;"),
];

/// A world whose QEMU is a program of that kind, which heeds no signal that can be ignored.
fn world(acts: &str) -> World {
    let world = World::new();
    std::fs::create_dir(world.path("bin")).unwrap();
    let program = format!(
        "#!/usr/bin/perl\n$SIG{{$_}} = 'IGNORE' for qw(TERM INT HUP PIPE);\n\
         my ($fd) = map {{ /^socket,id=qmp,fd=(\\d+)/ ? $1 : () }} @ARGV or die 'no monitor';\n\
         open my $l, '+<&=', $fd or die; accept my $c, $l or die; select((select($c), $| = 1)[0]);\n{acts}\n"
    );
    let program = world.write("bin/qemu-system-x86_64", program);
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
    world.recipe("loop", &world.write("disk.img", vec![1; 1 << 20]));
    world
}

/// vmrun in that world.
fn vmrun(world: &World, args: &[&str]) -> Command {
    let mut command = world.vmrun();
    let path = format!("{}:{}", world.path("bin").display(), super::search_path());
    command.env("PATH", path).args(args).stdin(Stdio::null());
    command
}

/// How much memory a process has ever had, in KiB.
fn memory(pid: u32) -> u64 {
    let status = read(Path::new(&format!("/proc/{pid}/status")));
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn whatever_a_monitor_says_its_machine_is_stopped_in_time() {
    for (case, acts) in HOSTILE {
        let world = world(acts);
        let recipe = world.path("loop.rhai").display().to_string();
        let started = world.start("start", &mut vmrun(&world, &["start", &recipe])).ends(SOON);
        assert_eq!((started.code, started.stderr.as_str()), (Some(0), "vmrun: loop runs\n"), "{case}");
        let status = MachineStatus::read(&read(&world.path("state/loop/standing.json"))).unwrap();
        let listed = world.start("status", &mut vmrun(&world, &["status", "loop"])).ends(SOON);
        assert_eq!(listed.code, Some(0), "{case}: {listed:?}");
        let used = memory(status.supervisor.unwrap());
        assert!(used < 64 << 10, "{case}: {used} KiB");
        let stopped = world.start("stop", &mut vmrun(&world, &["stop", "loop", "--within", "600ms"])).ends(SOON);
        let forced = "vmrun: loop did not power off in time and was switched off\n";
        assert_eq!((stopped.code, stopped.stderr.as_str()), (Some(0), forced), "{case}");
        let lives = || Path::new(&format!("/proc/{}", status.guest.unwrap())).exists();
        wait_for("the end of the guest", SOON, || (!lives()).then_some(()));
        world.is_clean();
    }
}

#[test]
fn whatever_a_monitor_says_a_run_in_the_foreground_hears_who_stops_it() {
    // A QEMU that is switched off has five seconds for its disks: the two that never stop talking are enough.
    for (case, acts) in HOSTILE.into_iter().take(2) {
        let world = world(acts);
        let recipe = world.path("loop.rhai").display().to_string();
        let run = world.start("run", &mut vmrun(&world, &[&recipe, "--stop-within", "600ms"]));
        let pid = run.child.id();
        wait_for("the guest", SOON, || world.path("state/.loop.lock").exists().then_some(()));
        wait_for("its note", SOON, || read(&world.path("state/.loop.lock")).contains(" + guest ").then_some(()));
        std::thread::sleep(std::time::Duration::from_millis(300));
        let used = memory(pid);
        assert!(used < 64 << 10, "{case}: {used} KiB");
        signal(pid, "TERM");
        let done = run.ends(SOON);
        assert_eq!(done.code, Some(130), "{case}: {done:?}");
        world.is_clean();
    }
}
