//! ssh to guests by a real ssh and a real sshd, which stands for that of a guest.

use super::host::Host;
use super::sandbox::same;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};

/// The sshd of a guest, until this is dropped.
pub(crate) struct Sshd(Child);

impl Sshd {
    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the sshd of a guest that has a host key.
fn sshd(host: &Host, port: u16, key: &str) -> Sshd {
    sshd_with(host, port, key, &[])
}

/// Starts an sshd that has a host key and more options.
pub(crate) fn sshd_with(host: &Host, port: u16, key: &str, options: &[&str]) -> Sshd {
    fs::create_dir_all("/run/sshd").unwrap();
    let mut command = Command::new("/usr/sbin/sshd");
    command.args(["-D", "-e", "-p", &port.to_string(), "-h"]).arg(host.path(key));
    for option in ["ListenAddress=127.0.0.1", "StrictModes=no", "PidFile=none", "UsePAM=no", "PermitRootLogin=yes"] {
        command.args(["-o", option]);
    }
    for option in options {
        command.args(["-o", option]);
    }
    command.arg("-o").arg(format!("AuthorizedKeysFile={}", host.path("me.pub").display()));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Sshd(command.spawn().unwrap_or_else(|why| panic!("this test needs an sshd (openssh-server): {why}")))
}

pub(crate) fn key(host: &Host, name: &str) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"])
        .arg(host.path(name))
        .status();
    assert!(made.unwrap().success());
}

/// A port that nobody has just now.
pub(crate) fn free() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_guest_is_known_before_it_is_spoken_to_first_and_another_one_is_not_spoken_to() {
    let host = Host::new("run\n");
    key(&host, "me");
    key(&host, "other");
    let port = free();
    host.write(
        "web.rhai",
        &format!(
            "let key = ssh_host_key(\"vm/web.key\");\nready(#{{ ssh: true, within: \"20s\" }});\nbhyve(#{{\n\
             name: \"web\", memory: 256.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"), slots: #{{ \"0\": hostbridge(), \"31\": lpc() }},\n\
             ssh: #{{ user: \"root\", host_key: key.public_key, address: \"127.0.0.1\", port: {port}, identity: \"me\" }},\n}}).run();\n"
        ),
    );
    // The guest's sshd comes up while it is waited for.
    let mut started = host.start(&["start", "web.rhai"]);
    started.until("the key of the guest", |host| host.path("vm/web.key").exists());
    let guest = sshd(&host, port, "vm/web.key");
    let done = started.wait();
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stderr.contains("web is ready"), "{}", done.stderr);
    let done = host.run(&["ssh", "--wait", "20s", "web", "--", "echo hi; exit 5"]);
    same(&done.stderr, "");
    assert_eq!((done.code, done.stdout.as_str()), (5, "hi\n"));
    fs::write(host.path("notes"), "a\n").unwrap();
    let to = host.own("web:[tmp]/copied");
    assert_eq!(host.run(&["cp", "notes", &to]).code, 0);
    assert_eq!(host.read("copied"), "a\n");
    // What it prints is what a real ssh takes.
    let config = host.own(&host.run(&["ssh-config", "web"]).stdout);
    fs::write(host.path("ssh.conf"), config).unwrap();
    let done = host.finish(&mut host.program("ssh", &["-F", "ssh.conf", "web", "echo by the configuration"]));
    assert_eq!((done.code, done.stdout.as_str()), (0, "by the configuration\n"), "{}", done.stderr);

    drop(guest);
    let _other = sshd(&host, port, "other");
    let done = host.run(&["ssh", "--wait", "20s", "web", "--", "echo hi"]);
    assert_eq!((done.code, done.stdout.as_str()), (255, ""), "{}", done.stderr);
    let ours: String = done.stderr.lines().take(3).map(|line| format!("{line}\n")).collect();
    same(
        &ours,
        "
error: what answers is not web: it has another host key, so that nothing was said to it
 |
 = hint: something else has the guest's address, or pretends to; or the guest was installed anew and has a new key: `vmrun console web` leads to it without ssh, and /etc/ssh/ssh_host_ed25519_key.pub there belongs into `ssh: #{ host_key }` of its recipe
",
    );
    assert!(done.stderr.contains("Host key verification failed."), "{}", done.stderr);
    assert_eq!(fs::metadata(host.path("vm/web.key")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(host.run(&["kill", "web"]).code, 0);
}
