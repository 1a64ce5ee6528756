//! A run in a jail and one on its host with one state folder: each is left alone by whoever is on the other side.

use super::USUAL;
use crate::host::{Host, ended, kill, lives};
use crate::sandbox::{Done, same};
use crate::shown::table as shown;
use std::fs;

/// Where something is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Host,
    Jail,
}

use Side::{Host as OnHost, Jail as InJail};

/// A host with the jail `web`, which has its files, and a recipe of the machine `db`.
fn host() -> Host {
    let host = Host::new("run\nrun\n");
    fs::create_dir_all(host.path("fake/jails")).unwrap();
    // A jail does not see the nodes of its host.
    fs::create_dir(host.path("fake/none")).unwrap();
    host.write("fake/jails/web", USUAL);
    host.write(
        "db.rhai",
        "let rom = bootrom(\"[tmp]/vm/rom.fd\");\n\
         bhyve(#{ name: \"db\", memory: 64.MiB, bootrom: rom, slots: #{ \"31\": lpc() } }).run();\n",
    );
    host
}

/// Runs vmrun on a side to its end; who looks at the other side's machine sees its node on the host only.
fn vmrun(host: &Host, side: Side, sees_node: bool, args: &[&str]) -> Done {
    let program = env!("CARGO_BIN_EXE_vmrun");
    let words: Vec<&str> = ["web", program].iter().chain(args).copied().collect();
    let mut command = match side {
        OnHost => host.command(args),
        InJail => host.program("jexec", &words),
    };
    let nodes = if sees_node { "fake/vmm" } else { "fake/none" };
    host.finish(command.env("VMRUN_VMM_DIR", host.path(nodes)))
}

/// What everybody is told who is asked on a side, with their commands. Columns have one blank between them, and the processes of the
/// machine have names.
fn transcript(host: &Host, side: Side, commands: &[&str], pids: &[(u32, &str)]) -> String {
    let mut text = String::new();
    for command in commands {
        let args: Vec<&str> = command.split(' ').collect();
        let done = vmrun(host, side, side == OnHost, &args);
        let table = shown(&done.stdout, pids);
        let words = pids.iter().fold(done.stderr, |text, (pid, name)| {
            text.replace(&format!("process {pid} "), &format!("process [{name}] "))
        });
        text = format!("{text}$ vmrun {command}\n{table}{words}[{}]\n", done.code);
    }
    text
}

const COMMANDS: [&str; 8] =
    ["list", "start db.rhai", "db.rhai", "stop db", "kill db", "adopt db", "gc", "gc --dry-run"];

/// Has a machine run on one side, and then its guest without its vmrun, and holds what is said on the other, where nothing changes.
#[track_caller]
fn kept_apart(there: Side, here: Side, expected: &str) {
    let host = host();
    let own = |args: &[&str]| vmrun(&host, there, true, args);
    ended(&own(&["start", "db.rhai"]), 0, "vmrun: db runs");
    let status = host.status("db").unwrap();
    let (run, guest) = (status.supervisor.unwrap(), status.guest.unwrap());
    let pids = [(run, "run"), (guest, "guest")];
    let state = || [host.read("state/.db.lock"), host.read("state/db/standing.json"), host.read("fake/vmm/db")];
    let before = state();
    let alive = transcript(&host, here, &COMMANDS, &pids);
    assert_eq!(state(), before);
    assert!(lives(run) && lives(guest));
    kill(run);
    let dead = transcript(&host, here, &COMMANDS, &pids);
    same(&format!("{alive}$ kill -9 [run]\n{dead}"), expected);
    assert_eq!(state(), before);
    assert!(lives(guest));
    // It is stopped where it runs.
    let done = own(&["stop", "db"]);
    assert!(done.code == 0 && done.stderr.ends_with("vmrun: db is down\n"), "{}", done.stderr);
    assert_eq!((host.names("state"), host.names("fake/vmm")), (vec![], vec![]), "{}", done.stderr);
}

#[test]
fn a_machine_in_a_jail_is_left_alone_by_who_is_on_the_host() {
    kept_apart(InJail, OnHost, IN_JAIL);
}

#[test]
fn a_machine_on_the_host_is_left_alone_by_who_is_in_a_jail() {
    kept_apart(OnHost, InJail, ON_HOST);
}

/// What a run in a jail has left without a guest is given back there; of a jail that is gone, by what the host is told.
#[test]
fn what_a_run_in_a_jail_has_left_is_given_back_there_or_by_hand_when_the_jail_is_gone() {
    let host = host();
    ended(&vmrun(&host, InJail, true, &["start", "db.rhai"]), 0, "vmrun: db runs");
    let status = host.status("db").unwrap();
    [status.supervisor, status.guest].into_iter().flatten().for_each(kill);
    let commands = ["list", "gc", "start db.rhai", "stop db"];
    same(&transcript(&host, OnHost, &commands, &[]), LEFT_IN_JAIL);
    let by_hand = "bhyvectl --destroy --vm=db && rm -rf [tmp]/state/db [tmp]/state/.db.lock";
    assert!(host.finish(&mut host.shell(&host.own(by_hand))).code == 0);
    assert_eq!(host.names("state"), [""; 0]);
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
}

/// What the host is told of a machine in a jail.
const IN_JAIL: &str = r#"
$ vmrun list
NAME STATE PID UPTIME CPUS MEMORY CPU% VNC RESTARTS RECIPE
db running [guest] 1d02h 1 64M 12.5 - 0 [tmp]/db.rhai
[0]
$ vmrun start db.rhai
error: the machine db is running already: vmrun [pid], of [tmp]/db.rhai, since [when], in the jail with the host name web.example.org
 --> db.rhai:2:16
  |
2 | bhyve(#{ name: "db", memory: 64.MiB, bootrom: rom, slots: #{ "31": lpc() } }).run();
  |                ^^^^
  |
  = hint: `vmrun stop db` there stops it; VMRUN_STATE_DIR names another state folder
[5]
$ vmrun db.rhai
error: the machine db is running already: vmrun [pid], of [tmp]/db.rhai, since [when], in the jail with the host name web.example.org
 --> db.rhai:2:16
  |
2 | bhyve(#{ name: "db", memory: 64.MiB, bootrom: rom, slots: #{ "31": lpc() } }).run();
  |                ^^^^
  |
  = hint: `vmrun stop db` there stops it; VMRUN_STATE_DIR names another state folder
[5]
$ vmrun stop db
error: process [run] is not certainly the run of db and is sent no signal: the machine db is running already: vmrun [pid], of [tmp]/db.rhai, since [when], in the jail with the host name web.example.org
 |
 = hint: `vmrun stop db` there stops it; VMRUN_STATE_DIR names another state folder
[5]
$ vmrun kill db
error: process [run] is not certainly the run of db and is sent no signal: the machine db is running already: vmrun [pid], of [tmp]/db.rhai, since [when], in the jail with the host name web.example.org
 |
 = hint: `vmrun stop db` there stops it; VMRUN_STATE_DIR names another state folder
[5]
$ vmrun adopt db
error: the machine db is running already: vmrun [pid], of [tmp]/db.rhai, since [when], in the jail with the host name web.example.org
 |
 = hint: `vmrun stop db` there stops it; VMRUN_STATE_DIR names another state folder
[5]
$ vmrun gc
[0]
$ vmrun gc --dry-run
[0]
$ kill -9 [run]
$ vmrun list
NAME STATE PID UPTIME CPUS MEMORY CPU% VNC RESTARTS RECIPE
db unsupervised [guest] 1d02h 1 64M 12.5 - 0 [tmp]/db.rhai
vmrun: db goes on without its vmrun in the jail with the host name web.example.org; `vmrun adopt db` there takes it over
[0]
$ vmrun start db.rhai
error: the guest of db goes on without its vmrun in the jail with the host name web.example.org
 --> db.rhai:2:16
  |
2 | bhyve(#{ name: "db", memory: 64.MiB, bootrom: rom, slots: #{ "31": lpc() } }).run();
  |                ^^^^
  |
  = hint: `vmrun adopt db` there takes it over, `vmrun stop db` there stops it
[3]
$ vmrun db.rhai
error: the guest of db goes on without its vmrun in the jail with the host name web.example.org
 --> db.rhai:2:16
  |
2 | bhyve(#{ name: "db", memory: 64.MiB, bootrom: rom, slots: #{ "31": lpc() } }).run();
  |                ^^^^
  |
  = hint: `vmrun adopt db` there takes it over, `vmrun stop db` there stops it
[3]
$ vmrun stop db
error: the guest of db goes on without its vmrun in the jail with the host name web.example.org
 |
 = hint: `vmrun adopt db` there takes it over, `vmrun stop db` there stops it
[3]
$ vmrun kill db
error: the guest of db goes on without its vmrun in the jail with the host name web.example.org
 |
 = hint: `vmrun adopt db` there takes it over, `vmrun stop db` there stops it
[3]
$ vmrun adopt db
error: the guest of db goes on without its vmrun in the jail with the host name web.example.org
 |
 = hint: `vmrun adopt db` there takes it over, `vmrun stop db` there stops it
error: db did not start
 |
 = hint: its log: [tmp]/log/db.log
[3]
$ vmrun gc
[0]
$ vmrun gc --dry-run
[0]
"#;

/// What a jail is told of a machine of its host.
const ON_HOST: &str = r#"
$ vmrun list
NAME STATE PID UPTIME CPUS MEMORY CPU% VNC RESTARTS RECIPE
db running - - 1 64M - - 0 [tmp]/db.rhai
[0]
$ vmrun start db.rhai
error: the machine db is running already: vmrun [pid], of [tmp]/db.rhai, since [when], on the host of this jail
 --> db.rhai:2:16
  |
2 | bhyve(#{ name: "db", memory: 64.MiB, bootrom: rom, slots: #{ "31": lpc() } }).run();
  |                ^^^^
  |
  = hint: `vmrun stop db` there stops it; VMRUN_STATE_DIR names another state folder
[5]
$ vmrun db.rhai
error: the machine db is running already: vmrun [pid], of [tmp]/db.rhai, since [when], on the host of this jail
 --> db.rhai:2:16
  |
2 | bhyve(#{ name: "db", memory: 64.MiB, bootrom: rom, slots: #{ "31": lpc() } }).run();
  |                ^^^^
  |
  = hint: `vmrun stop db` there stops it; VMRUN_STATE_DIR names another state folder
[5]
$ vmrun stop db
error: process [run] is not certainly the run of db and is sent no signal: the machine db is running already: vmrun [pid], of [tmp]/db.rhai, since [when], on the host of this jail
 |
 = hint: `vmrun stop db` there stops it; VMRUN_STATE_DIR names another state folder
[5]
$ vmrun kill db
error: process [run] is not certainly the run of db and is sent no signal: the machine db is running already: vmrun [pid], of [tmp]/db.rhai, since [when], on the host of this jail
 |
 = hint: `vmrun stop db` there stops it; VMRUN_STATE_DIR names another state folder
[5]
$ vmrun adopt db
error: the machine db is running already: vmrun [pid], of [tmp]/db.rhai, since [when], on the host of this jail
 |
 = hint: `vmrun stop db` there stops it; VMRUN_STATE_DIR names another state folder
[5]
$ vmrun gc
[0]
$ vmrun gc --dry-run
[0]
$ kill -9 [run]
$ vmrun list
NAME STATE PID UPTIME CPUS MEMORY CPU% VNC RESTARTS RECIPE
db left - - 1 64M - - 0 [tmp]/db.rhai
vmrun: db was left by a run that is dead on the host of this jail; `vmrun gc` there gives back what it took
[0]
$ vmrun start db.rhai
error: db was left by vmrun [pid], of [tmp]/db.rhai, since [when], on the host of this jail: what it left is to be seen only there
 --> db.rhai:2:16
  |
2 | bhyve(#{ name: "db", memory: 64.MiB, bootrom: rom, slots: #{ "31": lpc() } }).run();
  |                ^^^^
  |
  = hint: `vmrun stop db` there gives it back
[3]
$ vmrun db.rhai
error: db was left by vmrun [pid], of [tmp]/db.rhai, since [when], on the host of this jail: what it left is to be seen only there
 --> db.rhai:2:16
  |
2 | bhyve(#{ name: "db", memory: 64.MiB, bootrom: rom, slots: #{ "31": lpc() } }).run();
  |                ^^^^
  |
  = hint: `vmrun stop db` there gives it back
[3]
$ vmrun stop db
error: db was left by vmrun [pid], of [tmp]/db.rhai, since [when], on the host of this jail: what it left is to be seen only there
 |
 = hint: `vmrun stop db` there gives it back
[3]
$ vmrun kill db
error: db was left by vmrun [pid], of [tmp]/db.rhai, since [when], on the host of this jail: what it left is to be seen only there
 |
 = hint: `vmrun stop db` there gives it back
[3]
$ vmrun adopt db
error: db was left by vmrun [pid], of [tmp]/db.rhai, since [when], on the host of this jail: what it left is to be seen only there
 |
 = hint: `vmrun stop db` there gives it back
error: db did not start
 |
 = hint: its log: [tmp]/log/db.log
[3]
$ vmrun gc
[0]
$ vmrun gc --dry-run
[0]
"#;

/// What the host is told of what a jail has left.
const LEFT_IN_JAIL: &str = r#"
$ vmrun list
NAME STATE PID UPTIME CPUS MEMORY CPU% VNC RESTARTS RECIPE
db left - - 1 64M - - 0 [tmp]/db.rhai
vmrun: db was left by a run that is dead in the jail with the host name web.example.org; `vmrun gc` there gives back what it took
[0]
$ vmrun gc
[0]
$ vmrun start db.rhai
error: db was left by vmrun [pid], of [tmp]/db.rhai, since [when], in the jail with the host name web.example.org: what it left is to be seen only there
 --> db.rhai:2:16
  |
2 | bhyve(#{ name: "db", memory: 64.MiB, bootrom: rom, slots: #{ "31": lpc() } }).run();
  |                ^^^^
  |
  = hint: `vmrun stop db` there gives it back; if that jail is gone, `bhyvectl --destroy --vm=db` and `rm -rf [tmp]/state/db [tmp]/state/.db.lock` here
[3]
$ vmrun stop db
error: db was left by vmrun [pid], of [tmp]/db.rhai, since [when], in the jail with the host name web.example.org: what it left is to be seen only there
 |
 = hint: `vmrun stop db` there gives it back; if that jail is gone, `bhyvectl --destroy --vm=db` and `rm -rf [tmp]/state/db [tmp]/state/.db.lock` here
[3]
"#;
