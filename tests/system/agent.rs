//! Debian's own qemu-ga as the agent of a machine whose hypervisor is not real. It speaks at a socket of the file system, in namespaces of
//! its own, and may shut nothing down.

use super::host::{Host, ended};
use super::tools::need;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What it is not to do here.
const REFUSED: &str = "guest-shutdown,guest-suspend-disk,guest-suspend-ram,guest-suspend-hybrid,guest-fsfreeze-freeze,\
                       guest-fsfreeze-freeze-list,guest-fstrim,guest-set-time,guest-set-vcpus,guest-set-memory-blocks,\
                       guest-set-user-password,guest-ssh-add-authorized-keys,guest-ssh-remove-authorized-keys";

/// The agent; it ends with the test, and with it all of its namespace of processes.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Agent {
    fn start(host: &Host) -> Self {
        let socket = host.path("state/web/agent.sock");
        std::fs::remove_file(&socket).unwrap();
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "qemu-ga",
            "-m",
            "unix-listen",
            "-b",
            REFUSED,
        ]);
        command.arg("-p").arg(&socket).arg("-t").arg(host.path("vm")).arg("-f").arg(host.path("vm/qga.pid"));
        let agent = Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let begun = Instant::now();
        while !socket.exists() {
            assert!(begun.elapsed() < Duration::from_secs(20), "qemu-ga makes no socket");
            thread::sleep(Duration::from_millis(10));
        }
        agent
    }
}

#[test]
fn debians_agent_runs_commands_and_what_it_refuses_is_told() {
    need(&["qemu-ga", "unshare"]);
    let host = Host::new("run\n");
    host.recipe("web", "");
    host.has("zfs");
    host.write("fake/zfs", "filesystem zroot\tsize=107374182400\nfilesystem zroot/vm\n");
    assert_eq!(host.finish(&mut host.shell("zfs create -s -V 8M zroot/vm/web")).code, 0);
    let disk = "virtio_blk(zvol(\"zroot/vm/web\", 8.MiB))";
    let recipe = host.read("web.rhai").replace("virtio_blk(\"[tmp]/vm/web.img\")", disk);
    host.write("web.rhai", &recipe.replace("cpus: 1,", "cpus: 1, agent: \"9\","));
    ended(&host.run(&["start", "web.rhai"]), 0, "vmrun: web runs\n");
    let _agent = Agent::start(&host);
    let exec = |line: &str| {
        let done = host.finish(&mut host.shell(&format!("vmrun exec web {line}")));
        (done.code, done.stdout, done.stderr)
    };
    let said = |code, output: &str, error: &str| (code, output.to_string(), error.to_string());
    assert_eq!(exec("-- sh -c 'echo out; echo err >&2; exit 3'"), said(3, "out\n", "err\n"));
    assert_eq!(exec("-- true"), said(0, "", ""));
    assert_eq!(exec("-- sh -c 'kill -9 $$'"), said(137, "", "vmrun: signal 9 ended the command in web\n"));
    let count = host.finish(&mut host.shell("head -c 3000000 /dev/zero | vmrun exec web -- wc -c"));
    assert_eq!((count.code, &*count.stdout, &*count.stderr), (0, "3000000\n", ""));
    let many = host.finish(&mut host.shell("vmrun exec web -- head -c 5000000 /dev/zero | wc -c"));
    assert_eq!((many.code, &*many.stdout, &*many.stderr), (0, "5000000\n", ""));
    let (code, output, error) = exec("-- /no/such/program");
    assert_eq!((code, &*output), (4, ""));
    assert!(
        error.starts_with("error: the agent in web refuses guest-exec: Guest agent command failed, error was "),
        "{error}"
    );
    let (code, _, error) = exec("--within 1s -- sleep 30");
    assert_eq!(code, 4, "{error}");
    assert!(error.starts_with("error: the agent in web says that `sleep` has not ended within 1s\n"), "{error}");
    let kept = host.run(&["snapshot", "web", "a"]);
    let refused = "vmrun: the disks are as after a power cut: the agent in web refuses guest-fsfreeze-freeze: ";
    assert!(kept.stderr.starts_with(refused), "{}", kept.stderr);
    // It may not shut down here: the power button does it, at once.
    let begun = Instant::now();
    ended(&host.run(&["stop", "web", "--within", "30s"]), 0, "vmrun: web is down\n");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
