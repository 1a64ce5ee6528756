//! Runs that are killed, interrupted, refused and out of room at every step: afterwards nothing of theirs is left, nothing of
//! others is gone, and no disk image has lost a byte.
//!
//! The program is the real one. The fake FreeBSD's programs strike at whoever called them, and strace(1) at every system call
//! that changes something.

use super::sandbox::{Done, PASSWORD, Sandbox, project, same};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use vmrun::internals::supervise::journal;

mod bounds;
mod strangers;

/// What the disks hold before any run.
const CONTENT: [u8; 4096] = [0xA5; 4096];

/// What others have, who must not notice.
const OTHERS: [&str; 6] = ["bridge2", "em0", "lo0", "tap7", "tap8", "tap9"];

/// A recipe of the project, and how it is run.
#[derive(Clone, Copy, Debug)]
struct Subject {
    name: &'static str,
    init: bool,
}

const SUBJECTS: [Subject; 8] = [
    Subject { name: "links", init: false },
    Subject { name: "demo", init: false },
    Subject { name: "demo", init: true },
    Subject { name: "install", init: false },
    Subject { name: "install", init: true },
    Subject { name: "report1", init: false },
    Subject { name: "report1", init: true },
    Subject { name: "jailed", init: false },
];

/// A machine that makes its own network.
const LINKS: &str = r#"
let guests = vlan("em0", 82, #{ address: "127.100.100.82/32" });
let both = epair("epair0");
let own = bridge("bridge82", #{ create: true, description: "for links" });
own.add(guests);
own.add(both.a);
let nic = tap("tap82");
own.add(nic);
bhyve(#{ name: "links", cpus: 1, memory: 256.MiB, bootrom: bootrom("[tmp]/vm/rom.fd"), slots: #{
    "0": hostbridge(), "4": virtio_blk("[tmp]/vm/report1.img"), "6": virtio_net(nic), "31": lpc(),
} }).run();
"#;

/// A machine in a jail of others, which has a network of its own.
const JAILED: &str = r#"
let nic = tap("tap81");
bridge("bridge2").add(nic);
bhyve(#{ name: "jailed", cpus: 1, memory: 256.MiB, bootrom: bootrom("[tmp]/vm/rom.fd"), jail: "web", slots: #{
    "0": hostbridge(), "4": virtio_blk("[tmp]/vm/report1.img"), "6": virtio_net(nic), "31": lpc(),
} }).run();
"#;

impl Subject {
    fn args(self) -> Vec<String> {
        let mut args = vec![format!("{}.rhai", self.name), "--stop-within".into(), "2s".into()];
        args.extend(self.init.then(|| "--init".into()));
        args
    }

    /// The first boot of an initialized machine ends in a reboot.
    fn exits(self) -> &'static str {
        if self.init { "0\n1\n" } else { "1\n" }
    }
}

/// A FreeBSD with the project's recipes, their files, and what others have.
fn host() -> Sandbox {
    let sandbox = Sandbox::new();
    for name in ["demo", "install", "report1"] {
        let text = fs::read_to_string(project(&format!("recipes/{name}.rhai"))).unwrap();
        let text = text
            .replace("uefi()", "bootrom(\"[tmp]/vm/rom.fd\")")
            .replace("\"/vm/", "\"[tmp]/vm/")
            .replace("\"/iso/", "\"[tmp]/vm/")
            .replace("\"/root/", "\"[tmp]/vm/")
            .replace("/tmp/vmrun-demo.img", "[tmp]/vm/demo.img")
            .replace("ipxe_image(ipxe)", "ipxe_image(ipxe, #{ loader: \"[tmp]/vm/loader.efi\" })")
            .replace("ipxe_image(image, #{ script", "ipxe_image(image, #{ loader: \"[tmp]/vm/loader.efi\", script")
            .replace("8.GiB", "512.MiB")
            .replace("cpus: 4", "cpus: 1")
            .replace("192.168.2.0/24", "127.100.100.0/24");
        sandbox.write(&format!("{name}.rhai"), &text);
    }
    sandbox.write("links.rhai", LINKS);
    sandbox.write("jailed.rhai", JAILED);
    for folder in ["fake/jails", "fake/networks/web/interfaces"] {
        fs::create_dir_all(sandbox.path(folder)).unwrap();
    }
    sandbox.write("fake/jails/web", "path=/\nallow.vmm\nvnet=new\n");
    sandbox.write("fake/networks/web/interfaces/bridge81", "kind bridge\n");
    for name in ["install.img", "install-data.img", "report1.img", "demo.img", "uefi-ipxe-chainload.img"] {
        fs::write(sandbox.path("vm").join(name), CONTENT).unwrap();
    }
    for name in ["rom.fd", "miniroot74.img"] {
        fs::write(sandbox.path("vm").join(name), CONTENT).unwrap();
    }
    let loaders = ["/usr/local/share/ipxe/ipxe-amd64.efi", "/usr/lib/ipxe/ipxe-amd64.efi"];
    let loader = loaders.iter().find(|path| fs::exists(path).unwrap());
    fs::copy(
        loader.unwrap_or_else(|| panic!("this test needs iPXE, one of {loaders:?}")),
        sandbox.path("vm/loader.efi"),
    )
    .unwrap();
    sandbox.write("fake/interfaces/tap7", "kind tap\n");
    sandbox.write("fake/interfaces/tap8", "kind tap\ndescription vmrun:install\n");
    sandbox.write("fake/interfaces/tap9", "kind tap\ndescription vm/guest1/0\ngroup vm-port\n");
    sandbox.write("fake/interfaces/bridge2", "kind bridge\nup yes\nmember em0\nmember tap9\n");
    sandbox.write("fake/vmm/other", "cpus 1\n");
    sandbox
}

/// Makes the disks what they were, as far as a run may have grown them.
fn again(sandbox: &Sandbox, subject: Subject) {
    sandbox.write("fake/log", "");
    sandbox.write("fake/exits", subject.exits());
    for name in ["strike", "struck", "refuse"] {
        let _ = fs::remove_file(sandbox.path("fake").join(name));
    }
    for name in ["install.img", "install-data.img", "report1.img"] {
        fs::OpenOptions::new().write(true).open(sandbox.path("vm").join(name)).unwrap().set_len(4096).unwrap();
    }
}

fn run(sandbox: &Sandbox, args: &[String]) -> Done {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    sandbox.run(&args)
}

/// A file that was to replace another.
fn is_unfinished(name: &str) -> bool {
    name.rsplit('.').next() == Some("new")
}

/// Nothing of ours is left, nothing of others is gone, no disk has lost a byte.
#[track_caller]
fn spotless(sandbox: &Sandbox, case: &str) {
    // A fake program that is killed may leave a draft, which is nothing.
    let names = |folder| sandbox.names(folder).into_iter().filter(|name| !name.starts_with('.')).collect::<Vec<_>>();
    assert_eq!(names("fake/interfaces"), OTHERS, "{case}");
    let members: Vec<String> = sandbox
        .read("fake/interfaces/bridge2")
        .lines()
        .filter(|line| line.starts_with("member"))
        .map(Into::into)
        .collect();
    assert_eq!(members, ["member em0", "member tap9"], "{case}");
    assert_eq!(
        (names("fake/jails"), names("fake/networks/web/interfaces")),
        (vec!["web".into()], vec!["bridge81".into()]),
        "{case}"
    );
    assert_eq!(names("fake/vmm"), ["other"], "{case}");
    assert_eq!(sandbox.names("state"), [""; 0], "{case}");
    let left: Vec<String> = sandbox.names("vm").into_iter().filter(|name| is_unfinished(name)).collect();
    assert_eq!(left, [""; 0], "{case}");
    for name in ["install.img", "install-data.img", "report1.img"] {
        let bytes = fs::File::open(sandbox.path("vm").join(name)).and_then(|mut file| {
            let mut bytes = [0; 4096];
            std::io::Read::read_exact(&mut file, &mut bytes).map(|()| bytes)
        });
        assert!(bytes.is_ok_and(|bytes| bytes == CONTENT), "{name}: {case}");
    }
    for name in ["demo.img", "uefi-ipxe-chainload.img"] {
        let length = fs::metadata(sandbox.path("vm").join(name)).unwrap().len();
        assert!(length == 4096 || length == 4 << 20, "{name} has {length} bytes: {case}");
    }
}

/// The calls that change something, each with how often it came before.
fn calls(sandbox: &Sandbox, subject: Subject) -> Vec<(usize, String)> {
    again(sandbox, subject);
    let done = run(sandbox, &subject.args());
    assert_eq!(done.code, 0, "{subject:?}: {}", done.stderr);
    spotless(sandbox, &format!("{subject:?}"));
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let log = fs::read_to_string(sandbox.path("fake/log")).unwrap();
    let changes = log.lines().filter(|line| *line != "ifconfig" && !line.starts_with("sysctl"));
    let call = |line: &str| {
        // All of a boot's arguments are not needed to know it.
        let call = if line.starts_with("bhyve ") { "bhyve -c" } else { line };
        let count = seen.entry(call.into()).or_default();
        *count += 1;
        (*count, call.to_string())
    };
    changes.map(call).collect()
}

/// What comes after a run that was killed: the collector or the next start of the machine.
fn recover(sandbox: &Sandbox, subject: Subject, by_start: bool, case: &str) {
    let _ = fs::remove_file(sandbox.path("fake/strike"));
    let done = if by_start {
        sandbox.write("fake/exits", "1\n1\n1\n");
        run(sandbox, &[format!("{}.rhai", subject.name), "--stop-within".into(), "2s".into()])
    } else {
        sandbox.run(&["gc", "--stop-within", "2s"])
    };
    assert_eq!(done.code, 0, "{case}: {}", done.stderr);
    spotless(sandbox, case);
}

/// Strikes at every call, before and after it, and hands each case to be judged.
fn at_every_call(what: &str, judge: impl Fn(&Sandbox, Subject, Done, usize, &str)) -> usize {
    let sandbox = host();
    let mut cases = 0;
    for subject in SUBJECTS {
        for (count, call) in calls(&sandbox, subject) {
            for when in ["before", "after"] {
                again(&sandbox, subject);
                sandbox.write("fake/strike", &format!("{when} {what} {count} {call}\n"));
                let done = run(&sandbox, &subject.args());
                let case = format!("{subject:?}: {what} {when} {call} ({count})\n{done:?}");
                assert_eq!(sandbox.read("fake/struck").trim(), what, "{case}");
                cases += 1;
                judge(&sandbox, subject, done, cases, &case);
            }
        }
    }
    cases
}

#[test]
fn a_run_that_is_killed_at_any_call_is_cleaned_up_after() {
    let cases = at_every_call("SIGKILL", |sandbox, subject, done, number, case| {
        assert!(done.code == -9 || done.code == 0, "{case}");
        recover(sandbox, subject, number % 2 == 0, case);
    });
    eprintln!("{cases} cases of a run that is killed at a call");
    assert!(cases >= 50, "{cases}");
}

#[test]
fn a_run_that_is_asked_to_stop_at_any_call_leaves_nothing() {
    let cases = at_every_call("SIGTERM", |sandbox, _, done, _, case| {
        assert!([0, 3, 130].contains(&done.code), "{case}");
        spotless(sandbox, case);
    });
    eprintln!("{cases} cases of a run that is asked to stop at a call");
}

/// The calls that change something while a machine is started in the background.
fn calls_of_a_start(sandbox: &Sandbox) -> Vec<(usize, String)> {
    again(sandbox, SUBJECTS[3]);
    sandbox.write("fake/exits", "run\n");
    let done = sandbox.run(&["start", "install.rhai", "--stop-within", "2s"]);
    assert_eq!(done.code, 0, "{done:?}");
    let log = fs::read_to_string(sandbox.path("fake/log")).unwrap();
    assert_eq!(sandbox.run(&["stop", "install"]).code, 0);
    spotless(sandbox, "a start and a stop");
    let changes = log.lines().filter(|line| *line != "ifconfig" && !line.starts_with("sysctl"));
    changes.map(|line| (1, if line.starts_with("bhyve ") { "bhyve -c".into() } else { line.into() })).collect()
}

#[test]
fn a_supervisor_that_is_killed_at_any_call_is_cleaned_up_after() {
    let sandbox = host();
    let mut cases = 0;
    for (count, call) in calls_of_a_start(&sandbox) {
        for (when, by_start) in [("before", true), ("before", false), ("after", true), ("after", false)] {
            // A guest that ends has done all that its bhyve does.
            again(&sandbox, SUBJECTS[3]);
            sandbox.write("fake/exits", if call.starts_with("bhyve ") && when == "after" { "1\n" } else { "run\n" });
            sandbox.write("fake/strike", &format!("{when} SIGKILL {count} {call}\n"));
            let done = sandbox.run(&["start", "install.rhai", "--stop-within", "2s"]);
            let case = format!("SIGKILL {when} {call} ({count}), by_start {by_start}\n{done:?}");
            assert_eq!(sandbox.read("fake/struck").trim(), "SIGKILL", "{case}");
            fs::remove_file(sandbox.path("fake/strike")).unwrap();
            if by_start {
                // A bhyve that was only just started may take a line still.
                sandbox.write("fake/exits", "run\nrun\n");
                let done = sandbox.run(&["start", "install.rhai", "--stop-within", "2s"]);
                assert_eq!(done.code, 0, "{case}: {done:?}");
                let done = sandbox.run(&["stop", "install"]);
                assert_eq!(done.code, 0, "{case}: {done:?}\n{}", sandbox.read("log/install.log"));
            } else {
                let done = sandbox.run(&["stop", "install", "--within", "2s"]);
                assert!(done.code == 0 || done.stderr.contains("the machine install does not run"), "{case}: {done:?}");
            }
            spotless(&sandbox, &case);
            cases += 1;
        }
    }
    eprintln!("{cases} cases of a supervisor that is killed at a call");
    assert!(cases >= 12, "{cases}");
}

#[test]
fn a_run_whose_call_is_refused_leaves_nothing_that_can_be_given_back() {
    let sandbox = host();
    let mut cases = 0;
    for subject in SUBJECTS {
        for (_, call) in calls(&sandbox, subject).into_iter().filter(|(count, _)| *count == 1) {
            again(&sandbox, subject);
            sandbox.write("fake/refuse", &format!("once {call}\tno\n"));
            let done = run(&sandbox, &subject.args());
            let case = format!("{subject:?}: refused {call}\n{done:?}\n{}", sandbox.calls());
            // A bhyve that ends with 1 says that its guest powered off; a membership of a bridge that goes is gone with it.
            let goes_along =
                ["bhyve ", "jexec web bhyve ", "ifconfig bridge82 deletem", "ifconfig bridge2 deletem epair"];
            let is_well = goes_along.iter().any(|begin| call.starts_with(begin));
            assert_eq!(done.code, if is_well { 0 } else { 3 }, "{case}");
            cases += 1;
            // What could not be given back is in the journal still.
            recover(&sandbox, subject, false, &case);
        }
    }
    eprintln!("{cases} cases of a call that is refused");
}

/// Runs something in a mount namespace of its own, where the state and the disks are on a small file system.
fn on_a_small_disk(sandbox: &Sandbox, script: &str) -> Done {
    let script = format!(
        "set -e\ncp -r vm own\nmount -t tmpfs -o size=12m tmpfs vm\nmount -t tmpfs -o size=1m,mode=755 tmpfs state\ncp own/* vm\n\
         rm -r own\n{script}\n"
    );
    let mut command = Command::new("unshare");
    let vmrun = sandbox.command(&[]);
    command.args(["-m", "sh", "-c", &script]).env_clear().envs(vmrun.get_envs().filter_map(|(k, v)| Some((k, v?))));
    command.env("VMRUN", env!("CARGO_BIN_EXE_vmrun")).env("VMRUN_SECRET_VNC", PASSWORD).current_dir(sandbox.path(""));
    let disks = format!("{}:{}", sandbox.path("vm").display(), sandbox.path("state").display());
    command.env("FAKE_FREEBSD_DISKS", disks);
    command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    sandbox.finish(&mut command)
}

#[test]
fn a_run_whose_disk_is_full_from_any_call_on_leaves_nothing() {
    let sandbox = host();
    let mut cases = 0;
    for subject in SUBJECTS {
        let mut strikes: Vec<String> =
            calls(&sandbox, subject).into_iter().map(|(count, call)| format!("before fill {count} {call}")).collect();
        // Before anything at all: the first call of every run reads.
        strikes.push("before fill 1 ifconfig".into());
        for strike in strikes {
            again(&sandbox, subject);
            sandbox.write("fake/strike", &format!("{strike}\n"));
            let args = subject.args().join(" ");
            let script = format!(
                "code=0; $VMRUN {args} >&2 || code=$?\nls -A state vm | grep -v fill || true\n\
                 cmp -n 4096 vm/rom.fd vm/install.img\ncmp -n 4096 vm/rom.fd vm/report1.img\n\
                 $VMRUN gc --stop-within 2s >&2\nls -A state\necho $code"
            );
            let done = on_a_small_disk(&sandbox, &script);
            let case = format!("{subject:?}: {strike}\n{done:?}");
            let mut lines: Vec<&str> = done.stdout.lines().collect();
            let code = lines.pop().unwrap_or_default();
            assert!(["0", "3", "4"].contains(&code), "{case}");
            assert!(!lines.iter().any(|line| is_unfinished(line) || line.starts_with('.')), "{case}");
            assert_eq!(done.code, 0, "{case}");
            spotless(&sandbox, &case);
            cases += 1;
        }
    }
    eprintln!("{cases} cases of a disk that is full from a call on");
}

#[test]
fn a_journal_that_was_torn_anywhere_is_as_good_as_a_whole_one() {
    let sandbox = host();
    let subject = SUBJECTS[3];
    let mut cases = 0;
    let mut cut = 0;
    loop {
        again(&sandbox, subject);
        sandbox.write("fake/exits", "run\n");
        sandbox.write("fake/strike", "before SIGKILL 1 never");
        let mut vmrun = sandbox.start(&["install.rhai"]);
        vmrun.until("the guest", |sandbox| {
            sandbox.read("state/.install.lock").contains(" + guest ") && sandbox.read("fake/exits").is_empty()
        });
        vmrun.kill();
        let journal = fs::read(sandbox.path("state/.install.lock")).unwrap();
        if cut > journal.len() {
            sandbox.run(&["gc", "--stop-within", "2s"]);
            break;
        }
        // The last line at every byte, the others here and there.
        fs::write(sandbox.path("state/.install.lock"), &journal[..journal.len() - cut]).unwrap();
        recover(&sandbox, subject, cases % 2 == 0, &format!("{cut} bytes are torn off the journal"));
        cases += 1;
        cut += if cut < 32 { 1 } else { 29 };
        let _ = fs::remove_file(sandbox.path("fake/passwords"));
    }
    eprintln!("{cases} cases of a journal that is torn");
}

/// The system calls of our own that change something.
pub(crate) const CALLS: &str =
    "mkdir,flock,write,ftruncate,rename,unlink,rmdir,clone3,vfork,kill,fsync,fdatasync,fcntl";

/// Of all threads of the program, and of none of the programs that it starts (strace(1), `-b`).
pub(crate) const THREADS: [&str; 3] = ["-f", "-b", "execve"];

/// The calls of a trace with [`THREADS`], of the thread that makes most of them: the one that evaluates.
pub(crate) fn traced(trace: &str) -> Vec<&str> {
    let mut threads: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in trace.lines() {
        let (thread, call) = line.split_once(' ').unwrap();
        let call = call.trim_start();
        if !call.starts_with(['-', '+', '<']) && !call.starts_with("execve(") {
            threads.entry(thread).or_default().push(call);
        }
    }
    threads.into_values().max_by_key(Vec::len).unwrap_or_default()
}

fn strace(sandbox: &Sandbox, subject: Subject, args: &[&str]) -> Done {
    let vmrun = sandbox.command(&[]);
    let mut command = Command::new("strace");
    command.args(["-qq", "-o"]).arg(sandbox.path("trace")).args(THREADS).args(args).arg(env!("CARGO_BIN_EXE_vmrun"));
    command.args(subject.args()).env_clear().envs(vmrun.get_envs().filter_map(|(k, v)| Some((k, v?))));
    command.env("VMRUN_SECRET_VNC", PASSWORD).current_dir(sandbox.path("")).stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    sandbox.finish(&mut command)
}

#[test]
fn a_run_that_is_killed_at_any_system_call_is_cleaned_up_after() {
    if cfg!(target_os = "freebsd") {
        eprintln!("strace(1) is Linux's: the system calls are struck at there");
        return;
    }
    let sandbox = host();
    let mut cases = 0;
    let mut kinds = BTreeSet::new();
    for subject in SUBJECTS {
        again(&sandbox, subject);
        let done = strace(&sandbox, subject, &["-e", &format!("trace={CALLS}")]);
        assert_eq!(done.code, 0, "this test needs strace: {done:?}");
        let trace = fs::read_to_string(sandbox.path("trace")).unwrap();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for line in traced(&trace) {
            *counts.entry(line.split('(').next().unwrap_or_default().into()).or_default() += 1;
        }
        for (call, count) in counts {
            kinds.insert(call.clone());
            for number in 1..=count {
                again(&sandbox, subject);
                let inject = format!("inject={call}:signal=SIGKILL:when={number}");
                let done = strace(&sandbox, subject, &["-e", &inject]);
                let case = format!("{subject:?}: killed at {call} {number} of {count}\n{done:?}");
                // How often it looks whether something has ended is not always the same; and a child may be hit that has not become its
                // program yet.
                assert!([-9, 137, 0, 3].contains(&done.code), "{case}");
                recover(&sandbox, subject, cases % 2 == 0, &case);
                cases += 1;
            }
        }
    }
    eprintln!("{cases} cases of a run that is killed at a system call: {kinds:?}");
    assert!(["flock", "write", "rename", "unlink", "clone3"].iter().all(|kind| kinds.contains(*kind)), "{kinds:?}");
}

#[test]
fn a_guest_whose_vmrun_was_killed_is_ended_and_everything_given_back() {
    let sandbox = host();
    let pid = killed(&sandbox);
    let expected = format!(
        "# install was left by vmrun [pid], of [tmp]/install.rhai, since [when]\nkill {pid}\n\
         bhyvectl --destroy --vm=install\nifconfig tap1 destroy\nrm -rf [tmp]/state/install [tmp]/state/.install.secrets [tmp]/state/.install.lock\n"
    );
    let before = sandbox.everything();
    let done = sandbox.run(&["gc", "--dry-run"]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, expected.as_str(), ""));
    assert!(sandbox.everything() == before, "only looked at");
    let done = sandbox.run(&["gc"]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, expected.as_str(), ""));
    spotless(&sandbox, "gc");
    assert_eq!(sandbox.run(&["gc"]).stdout, "");
    assert_eq!(sandbox.run(&["gc", "--json"]).stdout, "[]\n");
}

/// Runs `install` until its guest runs, and kills vmrun.
fn killed(sandbox: &Sandbox) -> String {
    sandbox.write("fake/exits", "run\n");
    let mut vmrun = sandbox.start(&["install.rhai"]);
    // What the guest is to do is taken from there last of all.
    vmrun.until("the guest", |sandbox| {
        sandbox.read("state/.install.lock").contains(" + guest ") && sandbox.read("fake/exits").is_empty()
    });
    vmrun.kill();
    let node = sandbox.read("fake/vmm/install");
    node.lines().find_map(|line| line.strip_prefix("pid ")).unwrap().into()
}

#[test]
fn the_next_start_says_what_it_gives_back_first() {
    let sandbox = host();
    let pid = killed(&sandbox);
    sandbox.write("fake/exits", "1\n1\n");
    let done = sandbox.run(&["install.rhai"]);
    same(
        &done.stderr,
        &format!(
            "vmrun: install was left by vmrun [pid], of [tmp]/install.rhai, since [when]; giving back what it took\n\
             vmrun: kill {pid}\nvmrun: bhyvectl --destroy --vm=install\nvmrun: ifconfig tap1 destroy\n\
             vmrun: rm -rf [tmp]/state/install [tmp]/state/.install.secrets [tmp]/state/.install.lock"
        ),
    );
    assert_eq!(done.code, 0);
    spotless(&sandbox, "the next start");
}

#[test]
fn the_disk_of_a_guest_whose_vmrun_is_gone_is_refused() {
    let sandbox = host();
    killed(&sandbox);
    let other = "bhyve(#{ name: \"else\", slots: #{ \"4\": virtio_blk(\"[tmp]/vm/install.img\") } }).run();\n";
    sandbox.write("other.rhai", other);
    let done = sandbox.run(&["other.rhai"]);
    same(
        &done.stderr,
        r#"
error: [tmp]/vm/install.img is in use by the guest of install, whose vmrun is gone
 --> other.rhai:1:50
  |
1 | bhyve(#{ name: "else", slots: #{ "4": virtio_blk("[tmp]/vm/install.img") } }).run();
  |                                                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: `vmrun gc` ends it
"#,
    );
    assert_eq!(done.code, 3);
    assert_eq!(sandbox.run(&["gc"]).code, 0);
    spotless(&sandbox, "gc");
}

#[test]
fn interfaces_are_known_again_by_their_marks_when_the_journal_is_lost() {
    let sandbox = host();
    let pid = killed(&sandbox);
    fs::write(sandbox.path("state/.install.lock"), "").unwrap();
    let done = sandbox.run(&["gc"]);
    let text = format!(
        "# install was left by a vmrun of which nothing is known\nkill {pid}\nifconfig tap1 destroy\n\
         rm -rf [tmp]/state/install [tmp]/state/.install.secrets [tmp]/state/.install.lock\n"
    );
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, text.as_str(), ""));
    // Only the journal knew of the node.
    fs::remove_file(sandbox.path("fake/vmm/install")).unwrap();
    spotless(&sandbox, "gc");

    // The whole folder is gone: a tap that nobody has open goes, one that somebody has open is another user's.
    let tap =
        |machine: &str| format!("kind tap\ndescription vmrun:{machine}/{}\ngroup vmrun\n", sandbox.mark_of("state"));
    sandbox.write("fake/interfaces/tap1", &tap("web"));
    let me = std::process::id();
    sandbox.write("fake/interfaces/tap2", &format!("{}opened_by {me}\n", tap("db")));
    let done = sandbox.run(&["gc"]);
    let text = "# web was left by a vmrun of which nothing is known\nifconfig tap1 destroy\n\
        rm -rf [tmp]/state/web [tmp]/state/.web.secrets [tmp]/state/.web.lock\n";
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, text, ""));
    fs::remove_file(sandbox.path("fake/interfaces/tap2")).unwrap();
    spotless(&sandbox, "gc");
}

/// The journal of a run that was begun before the host was started anew, or else only just.
fn journal_of(boot: &str, taken: &[&[&str]]) -> String {
    let owner = ["owner", &u32::MAX.to_string(), "1", boot, "0.1.0", "0", "/root/web.rhai"];
    let taken = taken.iter().map(|words| journal::line(&[&["+"], *words].concat()));
    std::iter::once(journal::line(&owner)).chain(taken).collect()
}

#[test]
fn what_others_have_made_since_stays() {
    let sandbox = host();
    let half = sandbox.path("vm/half.img.1.new");
    let (half_word, own) = (half.display().to_string(), std::process::id().to_string());
    let leases: [&[&str]; 7] = [
        &["lock", "web"],
        &["node", "other"],
        &["tap", "tap7"],
        &["tap", "tap6"],
        &["member", "bridge2", "em0"],
        &["file", &half_word],
        &["guest", &own, "1"],
    ];
    let leave = |boot: &str| {
        fs::create_dir_all(sandbox.path("state/web")).unwrap();
        fs::write(&half, "half").unwrap();
        sandbox.write("state/.web.lock", &journal_of(boot, &leases));
    };
    leave("another boot");
    let done = sandbox.run(&["gc"]);
    let text = "# web was left by vmrun [pid], of /root/web.rhai, since [when]\nrm [tmp]/vm/half.img.1.new\n\
        rm -rf [tmp]/state/web [tmp]/state/.web.secrets [tmp]/state/.web.lock\n\
        # tap7 stays: it has no mark of the run, or others use it\n";
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, text, ""));
    spotless(&sandbox, "gc after a boot");

    leave("another boot");
    let done = sandbox.run(&["gc", "--json"]);
    let tmp = sandbox.own("[tmp]");
    let value: serde_json::Value = serde_json::from_str(&done.stdout.replace("[tmp]", &tmp)).unwrap();
    let rm = serde_json::json!(["rm", half.display().to_string()]);
    let state = serde_json::json!([
        "rm",
        "-rf",
        format!("{tmp}/state/web"),
        format!("{tmp}/state/.web.secrets"),
        format!("{tmp}/state/.web.lock")
    ]);
    let owner = serde_json::json!({ "pid": u32::MAX, "recipe": "/root/web.rhai", "version": "0.1.0", "since": 0 });
    let object = serde_json::json!({
        "machine": "web", "owner": owner, "given_back": [rm, state], "kept": ["tap7"], "goes_on": null, "faults": [],
    });
    assert_eq!(value, serde_json::json!([object]));
    spotless(&sandbox, "gc after a boot");
}

#[test]
fn what_cannot_be_given_back_stays_in_the_journal() {
    let sandbox = host();
    let pid = killed(&sandbox);
    sandbox.write("fake/refuse", "ifconfig tap1 destroy\tifconfig: SIOCIFDESTROY: Device busy\n");
    let why = "`ifconfig tap1 destroy` failed with status 1: ifconfig: SIOCIFDESTROY: Device busy";
    let done = sandbox.run(&["gc"]);
    same(&done.stderr, &format!("error: {why}"));
    assert_eq!(done.code, 3);
    sandbox.write("fake/exits", "1\n1\n");
    let done = sandbox.run(&["install.rhai"]);
    let said = done.stderr.lines().last().unwrap();
    assert_eq!((done.code, said), (3, format!("error: install cannot be taken over: {why}").as_str()));
    fs::remove_file(sandbox.path("fake/refuse")).unwrap();
    let done = sandbox.run(&["gc"]);
    let text = "# install was left by vmrun [pid], of [tmp]/install.rhai, since [when]\nbhyvectl --destroy --vm=install\n\
        ifconfig tap1 destroy\nrm -rf [tmp]/state/install [tmp]/state/.install.secrets [tmp]/state/.install.lock\n";
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, text, ""), "{pid}");
    spotless(&sandbox, "gc");
}

#[test]
fn of_two_starts_at_once_one_wins_and_the_other_says_who_has_it() {
    let sandbox = host();
    let mut wins = 0;
    for _ in 0..100 {
        sandbox.write("fake/exits", "run\nrun\n");
        let _ = fs::remove_file(sandbox.path("fake/passwords"));
        let pair = [sandbox.start(&["install.rhai"]), sandbox.start(&["install.rhai"])];
        let [mut one, mut other] = pair;
        let is_one = loop {
            match (one.has_ended(), other.has_ended()) {
                (true, true) => panic!("nobody wins: {:?} {:?}", one.wait(), other.wait()),
                (true, false) => break false,
                (false, true) => break true,
                (false, false) => std::thread::yield_now(),
            }
        };
        let (mut winner, loser) = if is_one { (one, other) } else { (other, one) };
        let lost = loser.wait();
        assert_eq!(lost.code, 3, "{lost:?}");
        // Who has only just taken the lock has not said yet who he is.
        let known = [
            "error: the machine install is running already: vmrun [pid], of [tmp]/install.rhai, since [when]",
            "error: the machine install is running already",
            "error: tap1 is in use by the machine install, vmrun [pid], of [tmp]/install.rhai, since [when]",
        ];
        assert!(lost.stderr.lines().any(|line| known.contains(&line)), "{lost:?}");
        winner.until("the guest", |sandbox| !sandbox.read("fake/passwords").is_empty());
        winner.signal("TERM");
        assert_eq!(winner.wait().code, 130);
        spotless(&sandbox, "two starts");
        wins += 1;
    }
    assert_eq!(wins, 100);
}
