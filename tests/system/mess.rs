//! Runs that are struck at by what is this system's own: a file system that is full (in a namespace, which takes root), and strace(1)
//! at every system call that changes something.

use super::sandbox::{Done, PASSWORD, Sandbox};
use super::subjects::{SUBJECTS, Subject, again, calls, host, is_unfinished, recover, spotless};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

mod crowded;

/// Runs something in a mount namespace of its own, where the state and the disks are on a small file system.
fn on_a_small_disk(sandbox: &Sandbox, script: &str) -> Done {
    let script = format!(
        "set -e\ncp -r vm own\nmount -t tmpfs -o size=12m tmpfs vm\nmount -t tmpfs -o size=1m,mode=755 tmpfs state\ncp -r own/* vm\n\
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
