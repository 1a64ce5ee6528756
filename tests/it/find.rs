//! Which host runs a machine: what is asked, of whom, by ssh too. Hosts in namespaces are in `tests/system/find.rs`.

use super::sandbox::{Sandbox, same};
use std::time::{Duration, Instant};

/// A recipe whose console listens on its host's own address.
fn recipe(name: &str, port: u16) -> String {
    let console = format!("fbuf(#{{ tcp: `${{host_ip(\"10.89.0.0/24\")}}:{port}`, password: secret(\"vnc\") }})");
    format!("bhyve(#{{ name: \"{name}\", bootrom: uefi(), slots: #{{ \"29\": {console}, \"31\": lpc() }} }}).run();\n")
}

#[test]
fn what_cannot_be_looked_for_is_told_with_the_way_out() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("recipes")).unwrap();
    sandbox.write("recipes/install.rhai", &recipe("install", 5901));
    sandbox.write("recipes/wrong.rhai", "tap(1);\n");
    sandbox.write("recipes/local.rhai", "bhyve(#{ name: \"local\", slots: #{ \"29\": fbuf() } }).run();\n");
    sandbox.write("recipes/empty.rhai", "");
    let socket = "bhyve(#{ name: \"socket\", slots: #{ \"29\": fbuf(#{ rfb: \"unix:/run/socket.vnc\" }) } }).run();\n";
    sandbox.write("recipes/socket.rhai", socket);
    sandbox.write("recipes/blind.rhai", "bhyve(#{ name: \"blind\" }).run();\n");
    let said = |args: &[&str], code: i32| {
        let done = sandbox.run(args);
        assert_eq!((done.code, done.stdout.as_str()), (code, ""), "{}", done.stderr);
        done.stderr
    };
    let all = [
        said(&["find", "instal"], 2),
        said(&["find", "blind"], 4),
        said(&["find", "socket", "--hosts", "10.89.0.2"], 4),
        said(&["find", "socket"], 4),
        said(&["find", "local", "--hosts", "10.89.0.2"], 4),
        said(&["find", "wrong"], 1),
        said(&["find", "install", "--hosts", "no such host"], 3).split(": ").take(2).collect::<Vec<_>>().join(": "),
        said(&["vnc", "recipes/none.rhai"], 1),
        said(&["vnc", "wrong"], 1),
        said(&["vnc", "empty"], 1),
    ];
    same(
        &all.join("\n"),
        r#"
error: there is no recipe of a machine instal
 |
 = hint: did you mean `install`?

error: blind has no screen by which it could be found
 |
 = hint: a frame buffer has one: "29": fbuf(#{ tcp: "0.0.0.0:5901", password: secret("vnc") })

error: socket can be found only by its own host: its screen is the socket /run/socket.vnc
 |
 = hint: run `vmrun find` there with --hosts 127.0.0.1, or have its vmrun asked: --hosts ssh://HOST

error: socket runs on none of these hosts: 127.0.0.1

error: local can be found only by its own host: its screen is at 127.0.0.1:5900
 |
 = hint: run `vmrun find` there with --hosts 127.0.0.1, or have its vmrun asked: --hosts ssh://HOST

error: expected a text, got a number
 --> recipes/wrong.rhai:1:5
  |
1 | tap(1);
  |     ^
  |
  = hint: write `tap("tap1", #{ mtu, description, up })`
error: not every recipe could be read: the machines of the others were looked for

error: the host no such host has no known address
error: cannot read the recipe recipes/none.rhai: there is no such file
error: not every recipe could be read: the machines of the others were looked for

error: expected a text, got a number
 --> recipes/wrong.rhai:1:5
  |
1 | tap(1);
  |     ^
  |
  = hint: write `tap("tap1", #{ mtu, description, up })`
error: not every recipe could be read: the machines of the others were looked for

error: recipes/empty.rhai describes no machine
 |
 = hint: a recipe describes one by bhyve(#{ … }).run()
"#,
    );
}

#[test]
fn a_configuration_that_is_wrong_is_shown_where_it_is() {
    let sandbox = Sandbox::new();
    sandbox.write("config/config.toml", "hosts = [\"10.89.0.2\"]\nrecipe = []\n");
    let done = sandbox.run(&["find", "--all"]);
    assert_eq!((done.code, done.stdout.as_str()), (2, ""));
    same(
        &done.stderr,
        "
error: there is no key `recipe`
 --> [tmp]/config/config.toml:2:1
  |
2 | recipe = []
  | ^^^^^^
  |
  = hint: did you mean `recipes`?
",
    );
}

/// An ssh that knows some hosts: one has a vmrun with a state of its own, the others fail as hosts do.
const SSH: &str = r#"#!/bin/sh
echo "$*" >>[tmp]/ssh.log
way=
while [ "$1" != -- ]; do [ "$1" != -W ] || way=$2; shift; done
host=$2; shift 2
[ -z "$way" ] || case $host in
vm7) exec bash -c 'exec 3<>/dev/tcp/${0%:*}/${0##*:} 4<&0; cat <&4 >&3 & exec cat <&3' "$way" ;;
closed) printf 'channel 0: open failed: connect failed: Connection refused\r\nstdio forwarding failed\r\n' >&2; exit 255 ;;
changed) printf 'Host key verification failed.\r\n' >&2; exit 255 ;;
odd) echo 'SSH-2.0-OpenSSH_9.2'; exit ;;
esac
case $host in
closed|changed|odd) cat [tmp]/vm7.json ;;
root@vm6) VMRUN_STATE_DIR=[tmp]/vm6 exec sh -c "$*" ;;
vm7) cat [tmp]/vm7.json ;;
stranger) printf 'No ED25519 host key is known for stranger and you have requested strict checking.\r\nHost key verification failed.\r\n' >&2; exit 255 ;;
locked) echo 'me@locked: Permission denied (publickey,password).' >&2; exit 255 ;;
bare) echo 'sh: vmrun: not found' >&2; exit 127 ;;
old) echo 'error: cannot read the recipe list: there is no such file' >&2; exit 1 ;;
chatty) echo 'Welcome!' ;;
empty) echo '{"machines": []}' ;;
silent) exec sleep 60 ;;
*) echo "ssh: Could not resolve hostname $host: Name or service not known" >&2; exit 255 ;;
esac
"#;

/// A sandbox with that ssh, and a recipe without a console.
pub(super) fn with_ssh() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("bin/ssh", SSH);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(sandbox.path("bin/ssh"), mode).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_vmrun"), sandbox.path("bin/vmrun")).unwrap();
    for folder in ["recipes", "vm6/web"] {
        std::fs::create_dir_all(sandbox.path(folder)).unwrap();
    }
    std::fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    let machine = r#"bootrom: bootrom("[tmp]/vm/rom.fd"), slots: #{ "31": lpc() }"#;
    sandbox.write("recipes/web.rhai", &format!("bhyve(#{{ name: \"web\", {machine} }}).run();\n"));
    sandbox.write("vm7.json", r#"{"machines": [{"name": "lab", "pid": 7, "vnc": "127.0.0.1:5907"}]}"#);
    sandbox
}

#[test]
fn a_host_tells_by_ssh_what_runs_there_and_why_it_cannot_in_one_line() {
    let sandbox = with_ssh();
    sandbox.write("fake/exits", "run\n");
    // What runs is of this host, as there is only one: its state is the other's.
    let mut command = sandbox.command(&["start", "recipes/web.rhai"]);
    let started = sandbox.finish(command.env("VMRUN_STATE_DIR", sandbox.path("vm6")));
    assert_eq!(started.code, 0, "{}", started.stderr);
    let hosts = "ssh://root@vm6:2222,ssh://vm7,ssh://stranger,ssh://locked,ssh://bare,ssh://old,ssh://chatty,ssh://silent,ssh://nowhere";
    let begin = Instant::now();
    let found = sandbox.run(&["find", "web", "lab", "--hosts", hosts, "--answer-within", "2s"]);
    assert_eq!(
        (found.code, found.stdout.as_str()),
        (0, "web\tssh://root@vm6:2222\t-\nlab\tssh://vm7\t127.0.0.1:5907\n"),
        "{}",
        found.stderr
    );
    // What was asked for is known long before the silent one has had its time; who answered until then is told of.
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    let all = sandbox.run(&["find", "--all", "--hosts", hosts, "--answer-within", "2s", "--json"]);
    assert_eq!(all.code, 0);
    same(
        &all.stderr,
        "
vmrun: ssh://stranger cannot be asked: its host key is not known here, or not the one that is known: see `ssh stranger`
vmrun: ssh://locked cannot be asked: it lets nobody in without a password: it needs a key of yours, see `ssh locked`
vmrun: ssh://bare cannot be asked: it has no vmrun: install it there, or ask it by its screens, without ssh://
vmrun: ssh://old cannot be asked: cannot read the recipe list: there is no such file
vmrun: ssh://chatty cannot be asked: what it answered is no list of machines
vmrun: ssh://silent did not answer
vmrun: ssh://nowhere cannot be asked: ssh: Could not resolve hostname nowhere: Name or service not known
",
    );
    let json: serde_json::Value = serde_json::from_str(&all.stdout).unwrap();
    let expected =
        serde_json::json!([{ "name": "web", "hosts": [{ "host": "ssh://root@vm6:2222", "address": null }] }]);
    assert_eq!((&json["machines"], json["silent"].as_array().unwrap().len()), (&expected, 7));
    let asked = "-oBatchMode=yes -oConnectTimeout=2 -p 2222 -- root@vm6 vmrun list --json\n";
    assert!(sandbox.read("ssh.log").contains(asked), "{}", sandbox.read("ssh.log"));

    // A machine on two hosts is an alarm, whoever tells of it.
    sandbox.write("vm7.json", r#"{"machines": [{"name": "web", "pid": 7, "vnc": null}, {"name": "db", "pid": null}]}"#);
    let twice = sandbox.run(&["find", "web", "db", "--hosts", "ssh://root@vm6,ssh://vm7"]);
    assert_eq!((twice.code, twice.stdout.as_str()), (4, "web\tssh://root@vm6\t-\nweb\tssh://vm7\t-\n"));
    same(
        &twice.stderr,
        "
error: web runs on 2 hosts: ssh://root@vm6 and ssh://vm7
 |
 = hint: stop all but one at once: a disk that two machines write to is lost
error: db runs on none of these hosts: ssh://root@vm6 and ssh://vm7
",
    );
    let mut command = sandbox.command(&["stop", "web"]);
    assert_eq!(sandbox.finish(command.env("VMRUN_STATE_DIR", sandbox.path("vm6"))).code, 0);
}

#[test]
fn what_stands_in_the_way_of_ssh_is_told_with_the_way_out() {
    let sandbox = with_ssh();
    sandbox.write("vm7.json", r#"{"machines": [{"name": "web", "pid": 7, "vnc": null}]}"#);
    let done = sandbox.run(&["vnc", "web", "--hosts", "ssh://vm7"]);
    same(
        &done.stderr,
        "
error: web runs on ssh://vm7, and has no screen
 |
 = hint: a frame buffer has one: \"29\": fbuf(#{ tcp: \"127.0.0.1:5901\", password: secret(\"vnc\") })
",
    );
    let wrong = sandbox.run(&["find", "web", "--hosts", "ssh://-oProxyCommand=touch"]);
    same(
        &wrong.stderr,
        "
error: \"ssh://-oProxyCommand=touch\" is not a host to be asked by ssh
 |
 = hint: write ssh://host, ssh://user@host or ssh://user@host:port
",
    );
    assert_eq!(wrong.code, 2);
    std::fs::remove_file(sandbox.path("bin/ssh")).unwrap();
    let mut command = sandbox.command(&["find", "web", "--hosts", "ssh://vm7"]);
    let without = sandbox.finish(command.env("PATH", sandbox.path("bin")));
    same(
        &without.stderr,
        "vmrun: ssh://vm7 cannot be asked: ssh is not installed here\nerror: web runs on none of these hosts: ssh://vm7",
    );
}

#[test]
fn without_a_viewer_whoever_has_one_elsewhere_is_told_where_the_screen_is() {
    let sandbox = Sandbox::new();
    let listener = std::net::TcpListener::bind((sandbox.own("127.100.100.1").as_str(), 5907)).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = std::io::Write::write_all(&mut stream, b"RFB 003.008\n");
        }
    });
    sandbox.write(
        "web.rhai",
        "bhyve(#{ name: \"web\", bootrom: uefi(), slots: #{ \"29\": fbuf(#{ tcp: \"127.100.100.1:5907\", \
         password: secret(\"vnc\") }), \"31\": lpc() } }).run();\n",
    );
    let mut command = sandbox.command(&["vnc", "web.rhai", "--hosts", &sandbox.own("127.100.100.1")]);
    let done = sandbox.finish(command.env("PATH", sandbox.path("bin")).env("VMRUN_SECRET_VNC", "hunter22"));
    let name = nix::unistd::gethostname().unwrap().into_string().unwrap();
    same(
        &done.stderr,
        &format!(
            "
vmrun: there is no viewer for VNC: neither vncviewer, remote-viewer nor open; install one (tigervnc-viewer), or name yours: viewer = [\"vncviewer\", \"{{host}}:{{port}}\"] in config.toml
vmrun: the screen of web is there; on another host: ssh -N -L 127.0.0.1:5907:127.100.100.1:5907 -- {name}
vmrun: and point a viewer there at 127.0.0.1:5907
vmrun: it asks for the password that the recipe gives it by `secret`
"
        ),
    );
    assert_eq!((done.code, done.stdout.as_str()), (0, "127.100.100.1:5907\n"));
}
