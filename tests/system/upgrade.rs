//! A host is upgraded while machines run: what vmrun left there before its insides were rebuilt is read by today's.
//!
//! Machines are started by the program of that day, on the fake FreeBSD, and listed, stopped, adopted and cleaned up by today's.
//! Under QEMU it is `linux/upgrade.rs`.

use super::host::{Host, ended, kill};
use super::sandbox::{Done, Running, project, same};
use super::shown::{self, events, table};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use vmrun::internals::supervise::status::MachineState;

/// How long anything may take.
const SOON: Duration = Duration::from_secs(20);

/// The program of before, which `make test` builds once (`tools/build-before.sh`), beside what cargo builds.
pub(super) fn before() -> &'static str {
    static FOUND: OnceLock<String> = OnceLock::new();
    let find = || {
        let here = std::env::current_exe().unwrap();
        let folder = here.ancestors().nth(3).unwrap().join("before");
        let script = project("tools/build-before.sh");
        let done = Command::new(&script).arg("-n").arg(&folder).output();
        let done = done.unwrap_or_else(|why| panic!("{script}: {why}: this test needs the project's repository"));
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim_end().to_string()
    };
    FOUND.get_or_init(find)
}

/// Starts the program of before.
fn start<'a>(host: &'a Host, args: &[&str]) -> Running<'a> {
    host.start_program(before(), args)
}

/// Runs the program of before to its end.
fn run(host: &Host, args: &[&str]) -> Done {
    start(host, args).wait()
}

/// What a machine has: a policy, a tap in a bridge, a disk, and a secret.
const MACHINE: &str = r#"
restart(#{ on: ["reboot", "crash"], delay: "20ms", limit: 1, within: "10m" });
let cpus = param("cpus", 1);
let nic = tap("tap1");
bridge("bridge2").add(nic);
bhyve(#{ name: "db", cpus: cpus, memory: 256.MiB, bootrom: bootrom("[tmp]/vm/rom.fd"), slots: #{
    "0": hostbridge(), "4": virtio_blk("[tmp]/vm/db.img"), "6": virtio_net(nic),
    "29": fbuf(#{ tcp: "127.100.100.1:5901", password: secret("vnc") }), "31": lpc(),
} }).run();
"#;

/// A host with the recipe `db.rhai`, whose coming boots go so.
fn host(exits: &str, recipe: &str) -> Host {
    let host = Host::new(exits);
    std::fs::write(host.path("vm/db.img"), [0; 4096]).unwrap();
    host.write("db.rhai", recipe.trim_start());
    host
}

/// A host on which the program of before has started `db` in the background.
fn started(exits: &str, args: &[&str]) -> Host {
    let host = host(exits, MACHINE);
    ended(&run(&host, &[&["start", "db.rhai"], args].concat()), 0, "vmrun: db runs");
    host
}

/// A program that has said this on its standard output, and nothing else.
#[track_caller]
fn printed(done: &Done, stdout: &str) {
    same(&done.stdout, stdout);
    same(&done.stderr, "");
    assert_eq!(done.code, 0);
}

/// Waits until something was written to a file.
#[track_caller]
fn until_written(host: &Host, file: &str, text: &str) {
    let begin = Instant::now();
    while !host.read(file).contains(text) {
        assert!(begin.elapsed() < SOON, "never came: {text}\n{}", host.read(file));
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_machine_of_before_is_listed_shown_and_stopped() {
    let host = started("run\n", &["--set", "cpus=2", "--stop-within", "7s"]);
    let db = host.status("db").unwrap();
    let pids = [(db.guest.unwrap(), "db"), (db.supervisor.unwrap(), "vmrun")];
    let list = host.run(&["list"]);
    printed(
        &Done { stdout: table(&list.stdout, &pids), ..list },
        "
NAME STATE PID UPTIME CPUS MEMORY CPU% VNC RESTARTS RECIPE
db running [db] 1d02h 2 256M 12.5 127.100.100.1:5901 0 [tmp]/db.rhai
",
    );
    let status = host.run(&["status", "db"]);
    let (facts, threads) = status.stdout.split_once("\n\n").unwrap();
    same(
        &shown::status(facts, &pids),
        "
name        db
state       running
hypervisor  bhyve, process [db], for 1d02h, 12.5 % of a processor, 64 MiB resident
supervisor  vmrun, process [vmrun]
recipe      [tmp]/db.rhai --set cpus=2
vcpus       2
memory      256M
screen      127.100.100.1:5901
disks       [tmp]/vm/db.img
taps        tap1
boots       1
restarts    0
power off   within 7s
log         [tmp]/log/db.log
",
    );
    assert_eq!((threads.lines().count(), status.stderr.as_str(), status.code), (14, "", 0));
    let logs = host.run(&["logs", "db"]);
    assert!(logs.stdout.starts_with("vmrun: 2") && logs.stdout.ends_with(" UTC: db runs\n"), "{logs:?}");
    same(
        &events(&host.run(&["events", "db"]).stdout),
        "
{\"boot\":1,\"event\":\"started\",\"machine\":\"db\",\"pid\":\"[pid]\"}
{\"event\":\"running\",\"machine\":\"db\"}
",
    );
    // What it has nobody else gets.
    let refused = |recipe: &str| {
        host.write("web.rhai", recipe);
        let done = host.run(&["web.rhai"]);
        assert_eq!((done.code, done.stdout.as_str()), (5, ""));
        done.stderr.lines().next().unwrap_or_default().to_string()
    };
    let by = "is in use by the machine db, vmrun [pid], of [tmp]/db.rhai, since [when]";
    assert_eq!(refused("tap(\"tap1\");\n"), format!("error: tap1 {by}"));
    let disk = "bhyve(#{ name: \"web\", slots: #{ \"4\": virtio_blk(\"[tmp]/vm/db.img\") } }).run();\n";
    assert_eq!(refused(disk), format!("error: [tmp]/vm/db.img {by}"));
    let name = "bhyve(#{ name: \"db\", slots: #{} }).run();\n";
    assert_eq!(refused(name), "error: the machine db is running already: vmrun [pid], of [tmp]/db.rhai, since [when]");
    printed(&host.run(&["gc"]), "");
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    same(&host.log("db"), "vmrun: db runs\nvmrun: asked the guest to power off; it has 7s\nvmrun: it is down\n");
    host.is_clean();
}

#[test]
fn a_machine_of_before_is_restarted_as_it_was_started() {
    let host = started("run\nrun\n", &["--init", "--set", "cpus=2", "--stop-within", "7s"]);
    let before = host.status("db").unwrap();
    ended(&host.run(&["restart", "db"]), 0, "vmrun: db is down\nvmrun: db runs");
    let after = host.status("db").unwrap();
    assert_ne!((before.supervisor, before.guest), (after.supervisor, after.guest));
    assert_eq!((before.init, after.init), (true, false));
    assert_eq!((after.params, after.shape, after.stop_within), (before.params, before.shape, Duration::from_secs(7)));
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    host.is_clean();
}

#[test]
fn a_guest_whose_supervisor_of_before_was_killed_is_adopted() {
    let host = started("run\nrun\n", &["--stop-within", "7s"]);
    let db = host.status("db").unwrap();
    kill(db.supervisor.unwrap());
    let list = host.run(&["list"]);
    same(
        &table(&list.stdout, &[(db.guest.unwrap(), "db")]),
        "
NAME STATE PID UPTIME CPUS MEMORY CPU% VNC RESTARTS RECIPE
db unsupervised [db] 1d02h 1 256M 12.5 127.100.100.1:5901 0 [tmp]/db.rhai
",
    );
    ended(
        &Done { stdout: String::new(), ..list },
        0,
        "vmrun: db goes on without its vmrun; `vmrun adopt db` takes it over",
    );
    let goes_on = format!(
        "# db was left by vmrun [pid], of [tmp]/db.rhai, since [when]\n\
         # its guest, process {}, goes on: `vmrun adopt db` takes it over, `vmrun stop db` stops it\n",
        db.guest.unwrap()
    );
    printed(&host.run(&["gc"]), &goes_on);
    ended(&host.run(&["adopt", "db"]), 0, "vmrun: db goes on; it was taken over");
    let adopted = host.status("db").unwrap();
    assert_eq!((adopted.state, adopted.guest, adopted.boots), (MachineState::Running, db.guest, 1));
    assert_ne!(adopted.supervisor, db.supervisor);
    // Its policy goes on, and what was taken is not taken again.
    kill(db.guest.unwrap());
    host.until("db", |status| status.state == MachineState::Running && status.boots == 2);
    let made = |what: &str| host.read("fake/log").lines().filter(|line| line.contains(what)).count();
    assert_eq!((made("ifconfig tap1 create"), made("addm tap1")), (1, 1));
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    host.is_clean();
}

#[test]
fn a_guest_whose_supervisor_of_before_was_killed_is_stopped() {
    let host = started("run\n", &["--stop-within", "7s"]);
    let db = host.status("db").unwrap();
    kill(db.supervisor.unwrap());
    let expected = "
vmrun: db was left by vmrun [pid], of [tmp]/db.rhai, since [when]; giving back what it took
vmrun: kill [guest]
vmrun: bhyvectl --destroy --vm=db
vmrun: ifconfig tap1 destroy
vmrun: rm -rf [tmp]/state/db [tmp]/state/.db.secrets [tmp]/state/.db.lock
vmrun: db is down
";
    ended(&host.run(&["stop", "db"]), 0, &expected.replace("[guest]", &db.guest.unwrap().to_string()));
    host.is_clean();
}

#[test]
fn a_machine_that_was_held_before_is_listed_with_its_reason_and_started() {
    let host = host("3\n3\n", MACHINE);
    assert_eq!(run(&host, &["start", "db.rhai"]).code, 4);
    host.until("db", |status| status.state == MachineState::Failed);
    until_written(&host, "log/db.log", "has the limit");
    let list = host.run(&["list"]);
    same(
        &table(&list.stdout, &[]),
        "
NAME STATE PID UPTIME CPUS MEMORY CPU% VNC RESTARTS RECIPE
db held - - 1 256M - 127.100.100.1:5901 1 [tmp]/db.rhai
",
    );
    // The program before did not destroy the node that a crash has left, so that the second bhyve was refused it.
    let held = "vmrun: db is held: the hypervisor failed with status 4; it was started again once within 600s, and is not any more";
    ended(&Done { stdout: String::new(), ..list }, 0, held);
    same(
        &shown::status(&host.run(&["status", "db"]).stdout, &[]),
        "
name        db
state       held
recipe      [tmp]/db.rhai
vcpus       1
memory      256M
screen      127.100.100.1:5901
disks       [tmp]/vm/db.img
taps        tap1
boots       2
restarts    1
power off   within 60s
last error  the hypervisor failed with status 4; it was started again once within 600s, and is not any more
log         [tmp]/log/db.log
",
    );
    printed(&host.run(&["gc"]), "");
    host.write("fake/exits", "run\n");
    ended(&host.run(&["start", "db"]), 0, "vmrun: db runs");
    let db = host.status("db").unwrap();
    assert_eq!((db.state, db.error), (MachineState::Running, None));
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    host.is_clean();
}

#[test]
fn a_machine_that_waits_since_before_is_stopped_at_once() {
    let host = host("3\n", &MACHINE.replace("20ms", "1h").replace("limit: 1", "max_delay: \"1h\", limit: 1"));
    assert_eq!(run(&host, &["start", "db.rhai"]).code, 4);
    host.until("db", |status| status.state == MachineState::Waiting);
    let list = host.run(&["list"]);
    printed(
        &Done { stdout: table(&list.stdout, &[]), ..list },
        "
NAME STATE PID UPTIME CPUS MEMORY CPU% VNC RESTARTS RECIPE
db waiting - - 1 256M - 127.100.100.1:5901 1 [tmp]/db.rhai
",
    );
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    host.is_clean();
}

/// A machine with a network of its own.
const NETWORK: &str = r#"
let guests = vlan("em0", 82);
let both = epair("epair0");
let own = bridge("bridge82", #{ create: true, description: "for db" });
own.add(guests);
own.add(both.a);
let nic = tap("tap1");
own.add(nic);
let other = tap("tap2");
bridge("bridge2").add(other);
bhyve(#{ name: "db", bootrom: bootrom("[tmp]/vm/rom.fd"), slots: #{
    "4": virtio_blk("[tmp]/vm/db.img"), "6": virtio_net(nic), "7": virtio_net(other),
    "29": fbuf(#{ tcp: "127.100.100.1:5901", password: secret("vnc") }), "31": lpc(),
} }).run();
"#;

/// What gives back what a run of it took.
const GIVEN_BACK: &str = "
# db was left by vmrun [pid], of [tmp]/db.rhai, since [when]
kill [guest]
bhyvectl --destroy --vm=db
ifconfig tap2 destroy
ifconfig tap1 destroy
ifconfig bridge82 deletem epair0a
ifconfig bridge82 deletem em0.82
ifconfig bridge82 destroy
ifconfig epair0a destroy
ifconfig em0.82 destroy
rm -rf [tmp]/state/db [tmp]/state/.db.secrets [tmp]/state/.db.lock
";

/// Waits until the guest of `db` runs, in a run whose journal is that of a machine.
fn until_guest(run: &mut Running<'_>, journal: &str) {
    let journal = format!("state/.{journal}.lock");
    // What the guest is to do is taken from there last of all.
    run.until("the guest", |host| host.read(&journal).contains(" + guest ") && host.read("fake/exits").is_empty());
}

/// The process of the guest of `db`.
fn guest(host: &Host) -> String {
    let node = host.read("fake/vmm/db");
    node.lines().find_map(|line| line.strip_prefix("pid ")).unwrap().into()
}

/// Kills a run whose guest runs, and returns what gives back what it took.
fn kill_run(host: &Host, mut run: Running<'_>) -> String {
    until_guest(&mut run, "db");
    run.kill();
    GIVEN_BACK.replace("[guest]", &guest(host))
}

#[test]
fn what_a_run_of_before_has_left_is_given_back() {
    let host = host("run\n", NETWORK);
    let expected = kill_run(&host, start(&host, &["db.rhai"]));
    let before = host.everything();
    printed(&host.run(&["gc", "--dry-run"]), &expected);
    assert!(host.everything() == before, "only looked at");
    printed(&host.run(&["gc"]), &expected);
    host.is_clean();
    printed(&host.run(&["gc"]), "");
}

#[test]
fn the_next_start_takes_over_what_a_run_of_before_has_left() {
    for args in [&["db.rhai"][..], &["start", "db.rhai"]] {
        let host = host("run\n", NETWORK);
        let expected = kill_run(&host, start(&host, &["db.rhai"]));
        host.write("fake/exits", if args.len() == 1 { "1\n" } else { "run\n" });
        let done = host.run(args);
        assert_eq!(done.code, 0, "{done:?}");
        let given_back =
            expected.trim_start().replace("# db", "db").replace("[when]\n", "[when]; giving back what it took\n");
        let given_back: String = given_back.lines().map(|line| format!("vmrun: {line}\n")).collect();
        if args.len() == 1 {
            same(&done.stderr, &given_back);
        } else {
            same(&done.stderr, "vmrun: db runs");
            same(&host.log("db"), &format!("{given_back}vmrun: db runs"));
            ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
        }
        host.is_clean();
    }
}

#[test]
fn what_a_run_of_several_machines_of_before_has_left_is_given_back() {
    let first = "bhyve(#{ name: \"boot\", bootrom: bootrom(\"[tmp]/vm/rom.fd\"), slots: #{ \"31\": lpc() } }).run();\n";
    let host = host("1\nrun\n", &format!("{first}{NETWORK}"));
    let mut run = start(&host, &["db.rhai"]);
    until_guest(&mut run, "boot");
    run.kill();
    let guest = guest(&host);
    let expected = "
# boot was left by vmrun [pid], of [tmp]/db.rhai, since [when]
kill [guest]
bhyvectl --destroy --vm=db
ifconfig tap2 destroy
ifconfig tap1 destroy
ifconfig bridge82 deletem epair0a
ifconfig bridge82 deletem em0.82
ifconfig bridge82 destroy
ifconfig epair0a destroy
ifconfig em0.82 destroy
bhyvectl --destroy --vm=boot
rm -rf [tmp]/state/boot [tmp]/state/.boot.secrets [tmp]/state/.boot.lock
# db was left by vmrun [pid], of [tmp]/db.rhai, since [when]
bhyvectl --destroy --vm=db
rm -rf [tmp]/state/db [tmp]/state/.db.secrets [tmp]/state/.db.lock
";
    printed(&host.run(&["gc"]), &expected.replace("[guest]", &guest));
    host.is_clean();
}

#[test]
fn a_run_of_before_is_stopped() {
    let host = host("run\n", NETWORK);
    let mut run = start(&host, &["db.rhai"]);
    until_guest(&mut run, "db");
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    ended(&run.wait(), 130, "error: interrupted");
    host.is_clean();
}

#[test]
fn a_host_can_go_back_to_the_program_of_before() {
    let host = host("run\n", NETWORK);
    let expected = kill_run(&host, host.start(&["db.rhai"]));
    // It does not know marks that say which state folder a run has: what carries one stays, and goes with the gc of the program of now.
    let guest = expected.lines().find(|line| line.starts_with("kill ")).unwrap();
    let gone = format!(
        "
# db was left by vmrun [pid], of [tmp]/db.rhai, since [when]
{guest}
bhyvectl --destroy --vm=db
ifconfig bridge82 deletem epair0a
ifconfig bridge82 deletem em0.82
rm -rf [tmp]/state/db [tmp]/state/.db.secrets [tmp]/state/.db.lock
"
    );
    let stays = ["tap2", "tap1", "bridge82", "epair0a", "em0.82"];
    let stays = stays.map(|name| format!("# {name} stays: it has no mark of the run, or others use it\n"));
    printed(&run(&host, &["gc"]), &format!("{gone}{}", stays.concat()));
    assert_eq!(host.run(&["gc"]).code, 0);
    host.is_clean();
    // In the background too, where it is taken over.
    host.write("db.rhai", MACHINE.trim_start());
    host.write("fake/exits", "run\n");
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    let db = host.status("db").unwrap();
    kill(db.supervisor.unwrap());
    ended(&run(&host, &["adopt", "db"]), 0, "vmrun: db goes on; it was taken over");
    assert_eq!(host.status("db").unwrap().guest, db.guest);
    ended(&run(&host, &["stop", "db"]), 0, "vmrun: db is down");
    host.is_clean();
}
