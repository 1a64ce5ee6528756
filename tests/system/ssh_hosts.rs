//! What other hosts are asked for, by a real ssh and a real sshd: machines that move, replicas, lists and restarts; through a connection
//! that is cut, and to a host that has another key.

use super::host::Host;
use super::sandbox::{Done, same};
use super::ssh::{Sshd, free, key, sshd_with};
use super::tools::{need, tool};
use super::two_hosts::TwoHosts;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::process::Command;
use std::time::{Duration, Instant};

/// Two hosts, of which the second one has an sshd that the first one reaches as vm6.
struct Reached {
    hosts: TwoHosts,
    port: u16,
    sshd: Option<Sshd>,
}

fn executable(host: &Host, name: &str, text: &str) {
    host.write(name, text);
    fs::set_permissions(host.path(name), fs::Permissions::from_mode(0o755)).unwrap();
}

impl Reached {
    fn new(hosts: TwoHosts) -> Self {
        need(&["ssh", "ssh-keygen"]);
        let (source, target) = (&hosts.source, &hosts.target);
        key(source, "me");
        ["first", "other"].iter().for_each(|name| key(target, name));
        fs::copy(source.path("me.pub"), target.path("me.pub")).unwrap();
        let port = free();
        let known = fs::read_to_string(target.path("first.pub")).unwrap();
        source.write("known_hosts", &format!("[127.0.0.1]:{port} {known}"));
        source.write(
            "ssh.conf",
            &format!(
                "Host vm6\nHostName 127.0.0.1\nPort {port}\nUser root\nIdentityFile [tmp]/me\nIdentitiesOnly yes\n\
                 UserKnownHostsFile [tmp]/known_hosts\nGlobalKnownHostsFile none\nStrictHostKeyChecking yes\n"
            ),
        );
        // ssh reads the configuration of who is in passwd(5), which is not the test's.
        fs::remove_file(source.path("bin/ssh")).unwrap();
        executable(source, "bin/ssh", "#!/bin/sh\nexec /usr/bin/ssh -F [tmp]/ssh.conf \"$@\"\n");
        symlink(env!("CARGO_BIN_EXE_vmrun"), target.path("bin/vmrun")).unwrap();
        // What the environment of who logs in is there.
        executable(
            target,
            "login",
            "#!/bin/sh\ncd [tmp] && exec env -i PATH=[tmp]/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=[tmp]/home VMRUN_PLATFORM=freebsd \
             FAKE_FREEBSD=[tmp]/fake VMRUN_VMM_DIR=[tmp]/fake/vmm VMRUN_ZVOL_DIR=[tmp]/fake/zvol VMRUN_STATE_DIR=[tmp]/state \
             VMRUN_CONFIG=[tmp]/config VMRUN_CGROUP_DIR=[tmp]/fake/cgroup sh -c \"$SSH_ORIGINAL_COMMAND\"\n",
        );
        let mut reached = Self { hosts, port, sshd: None };
        reached.answers_with("first");
        reached
    }

    /// Has the host answer with that key.
    fn answers_with(&mut self, key: &str) {
        self.sshd = None;
        let target = &self.hosts.target;
        let login = format!("ForceCommand={}", target.path("login").display());
        self.sshd = Some(sshd_with(target, self.port, key, &[&login]));
        let begin = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(30), "no sshd");
        }
    }

    fn run(&self, args: &[&str]) -> Done {
        self.hosts.source.run(args)
    }

    /// Where the machine runs.
    fn runs(&self) -> (bool, bool) {
        (TwoHosts::runs(&self.hosts.source), TwoHosts::runs(&self.hosts.target))
    }
}

/// The processes of an sshd that serve connections.
fn sessions(sshd: u32) -> Vec<u32> {
    let listed = Command::new("ps").args(["-o", "pid=", "--ppid", &sshd.to_string()]).output().unwrap();
    String::from_utf8_lossy(&listed.stdout).split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// So much that it is under way when something happens to it.
const LARGE: u32 = 48 << 20;

/// Makes the first disk of the machine large, and full.
fn large(hosts: &TwoHosts) {
    let bytes: Vec<u8> = (0..LARGE / 4).flat_map(|word| word.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    fs::write(hosts.source.path("config/recipes/web.img"), bytes).unwrap();
}

/// Moves the machine, and waits until a part of it is there: a disk has its size before anything of it has come.
fn under_way(reached: &Reached) -> super::sandbox::Running<'_> {
    let mut moving = reached.hosts.source.start(&["migrate", "web", "vm6"]);
    moving.until("a disk on its way", |_| {
        let all = fs::read_dir(reached.hosts.target.path("config/recipes")).unwrap();
        all.flatten().any(|entry| entry.metadata().is_ok_and(|file| file.blocks() * 512 > 8 << 20))
    });
    moving
}

/// A file system of so many MiB on a folder, until this is dropped.
struct Small(std::path::PathBuf);

impl Small {
    fn new(folder: std::path::PathBuf, mib: u32) -> Self {
        let kept: Vec<_> = fs::read_dir(&folder).unwrap().flatten().collect();
        let kept = kept.iter().map(|one| (one.path(), fs::read(one.path()).unwrap())).collect::<Vec<_>>();
        tool("mount", &["-t", "tmpfs", "-o", &format!("size={mib}m"), "vmrun-test", folder.to_str().unwrap()]);
        kept.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
        Self(folder)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_file_system_that_gets_full_in_the_middle_of_a_move_ends_it_and_leaves_the_machine_where_it_is() {
    let hosts = TwoHosts::new();
    let small = Small::new(hosts.target.path("config/recipes"), 64);
    let reached = Reached::new(hosts);
    large(&reached.hosts);
    assert_eq!(reached.run(&["start", "web"]).code, 0);
    let disks = TwoHosts::disks(&reached.hosts.source);
    let moving = under_way(&reached);
    // Somebody else writes there.
    let filler = small.0.join("filler");
    let _ = fs::write(&filler, vec![1; 40 << 20]);
    let done = moving.wait();
    let told = done.stderr.replace(reached.hosts.target.path("").to_str().unwrap(), "[there]/");
    // The number of the move is another one each time.
    let told = match told.split_once("web.img.vmrun-").map(|(head, rest)| (head, rest.split_once(".moving"))) {
        Some((head, Some((_, tail)))) => format!("{head}web.img.vmrun-[id].moving{tail}"),
        _ => told,
    };
    same(
        &told,
        "
vmrun: web is moved to vm6: 2 disks with 48 MiB
error: vm6: cannot write [there]/config/recipes/web.img.vmrun-[id].moving: No space left on device
 |
 = hint: on vm6: make room there: `df -h [there]/config/recipes` shows how much is left
error: the move of web to vm6 has not ended; it is still this host's
 |
 = hint: `vmrun migrate --resume web` goes on with it, `vmrun migrate --abort web` undoes it
",
    );
    assert_eq!((done.code, reached.runs()), (3, (true, false)));
    fs::remove_file(&filler).unwrap();
    let done = reached.hosts.patiently(&["migrate", "--resume", "web"]);
    assert_eq!((done.code, reached.runs()), (0, (false, true)), "{done:?}");
    assert!(TwoHosts::disks(&reached.hosts.target) == disks);
}

#[test]
fn a_machine_moves_through_a_real_ssh_and_back_to_it_after_a_cut() {
    let reached = Reached::new(TwoHosts::new());
    large(&reached.hosts);
    assert_eq!(reached.run(&["start", "web"]).code, 0);
    let disks = TwoHosts::disks(&reached.hosts.source);
    let moving = under_way(&reached);
    let sshd = reached.sshd.as_ref().map(Sshd::pid).unwrap();
    sessions(sshd).iter().for_each(|pid| super::host::kill(*pid));
    let done = moving.wait();
    // ssh notices it where it reads, or where it writes.
    let told = ["Connection to 127.0.0.1 closed by remote host.", "client_loop: send disconnect: Broken pipe"];
    let stderr = told.iter().fold(done.stderr.clone(), |text, told| text.replace(told, "[ssh]"));
    same(
        &stderr,
        "
vmrun: web is moved to vm6: 2 disks with 48 MiB
error: vm6: [ssh]
error: the move of web to vm6 has not ended; it is still this host's
 |
 = hint: `vmrun migrate --resume web` goes on with it, `vmrun migrate --abort web` undoes it
",
    );
    assert_eq!((done.code, reached.runs()), (3, (true, false)));
    let done = reached.hosts.patiently(&["migrate", "--resume", "web"]);
    assert_eq!((done.code, reached.runs()), (0, (false, true)), "{done:?}");
    assert!(TwoHosts::disks(&reached.hosts.target) == disks);
    // There is one of it, and it is known where.
    let listed = reached.run(&["list", "--hosts", "ssh://vm6", "--json", "--answer-within", "20s"]);
    assert!(
        listed.stdout.contains("\"name\": \"web\"") && listed.stdout.contains("\"state\": \"running\""),
        "{listed:?}"
    );
}

#[test]
fn a_host_that_answers_with_another_key_is_told_and_gets_nothing() {
    let mut reached = Reached::new(TwoHosts::new());
    reached.answers_with("other");
    let before = reached.hosts.target.everything();
    let why = "its host key is not known here, or not the one that is known: see `ssh vm6`";
    let done = reached.run(&["replicate", "web", "vm6"]);
    same(&done.stderr, &format!("error: vm6: {why}\n"));
    assert_eq!(done.code, 3);
    assert_eq!(reached.run(&["start", "web"]).code, 0);
    let done = reached.run(&["migrate", "web", "vm6"]);
    same(&done.stderr, &format!("error: vm6: {why}\n"));
    assert_eq!((done.code, reached.runs()), (3, (true, false)));
    assert!(!reached.hosts.source.path("config/moves/web.json").exists());
    let done = reached.run(&["restart", "--hosts", "ssh://vm6", "--answer-within", "20s", "web"]);
    assert!(done.code != 0 && done.stderr.contains(why), "{done:?}");
    let done = reached.run(&["list", "--hosts", "ssh://vm6", "--answer-within", "20s"]);
    assert!(done.stderr.contains(why), "{done:?}");
    assert_eq!(reached.hosts.target.everything(), before);
    // Whoever has the key that is known is spoken to.
    reached.answers_with("first");
    let done = reached.run(&["migrate", "web", "vm6"]);
    assert_eq!((done.code, reached.runs()), (0, (false, true)), "{done:?}");
}

#[test]
fn replicas_lists_and_restarts_go_through_a_real_ssh() {
    let reached = Reached::new(TwoHosts::new());
    let done = reached.run(&["replicate", "web", "vm6"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(reached.hosts.target.names("config/replicas/web").len(), 1);
    // The machines of both, where the other one has one of its own.
    let recipe = fs::read_to_string(reached.hosts.source.path("config/recipes/web.rhai")).unwrap();
    let target = &reached.hosts.target;
    for name in ["web.img", "data.img"] {
        fs::copy(reached.hosts.source.path("config/recipes").join(name), target.path("config/recipes").join(name))
            .unwrap();
    }
    target.write("config/recipes/db.rhai", &recipe.replace("\"web\"", "\"db\"").replace("tap2", "tap3"));
    assert_eq!(target.run(&["start", "db"]).code, 0);
    assert_eq!(reached.run(&["start", "web"]).code, 0);
    reached.hosts.source.write("config/config.toml", "hosts = [\"ssh://vm6\"]\n");
    let listed = reached.run(&["list", "--all-hosts", "--answer-within", "20s"]);
    let states = |name: &str| {
        let line = listed.stdout.lines().find(|line| line.split_whitespace().nth(1) == Some(name));
        line.map(|line| line.split_whitespace().take(3).map(String::from).collect::<Vec<_>>())
    };
    assert_eq!(states("db"), Some(vec!["ssh://vm6".into(), "db".into(), "running".into()]), "{listed:?}");
    let before = target.status("db").and_then(|status| status.supervisor);
    let done = reached.run(&["restart", "--all-hosts", "--answer-within", "20s"]);
    assert_eq!(done.code, 0, "{done:?}");
    let after = target.status("db").and_then(|status| status.supervisor);
    assert!(before != after && after.is_some(), "{before:?} {after:?}: {done:?}");
    assert_eq!((target.run(&["kill", "db"]).code, reached.run(&["kill", "web"]).code), (0, 0));
}
