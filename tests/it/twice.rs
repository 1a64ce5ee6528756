//! What is said twice is right twice, on the fake FreeBSD: a machine that runs is started, one that is down is stopped, and what
//! somebody else has is waited for.

use super::host::{Host, ended, kill, lives};
use super::sandbox::same;
use std::fs::{self, File};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn a_machine_that_runs_is_started_and_one_that_is_down_is_stopped() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db does not run");
    ended(&host.run(&["kill", "db"]), 0, "vmrun: db does not run");
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    let before = host.status("db").unwrap();
    // By its recipe, by its name, from elsewhere, and among others.
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs already");
    ended(&host.run(&["start", "db"]), 0, "vmrun: db runs already");
    let path = host.path("db.rhai").display().to_string();
    ended(&host.finish(host.command(&["start", &path]).current_dir("/")), 0, "vmrun: db runs already");
    host.write("config/config.toml", "start = [\"db\"]\n");
    ended(&host.run(&["start", "--all"]), 0, "vmrun: db runs already");
    assert_eq!(host.status("db").unwrap(), before);
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db does not run");
    ended(&host.run(&["stop", "other"]), 0, "vmrun: other does not run");
    host.is_clean();
}

#[test]
fn a_machine_that_runs_as_another_one_is_not_the_one_that_was_asked_for() {
    let host = Host::new("run\nrun\n");
    host.recipe("db", "let size = param(\"size\", 1);\nlet disk = param(\"disk\", \"none\");\n");
    ended(&host.run(&["start", "db.rhai", "--set", "size=7"]), 0, "vmrun: db runs");
    let refused = |args: &[&str], other: &str| {
        let stderr = format!(
            "
error: the machine db runs already, and was started with --set=size=7, not {other}
 |
 = hint: `vmrun stop db`, then start it so; `vmrun restart db` starts it again as it was
"
        );
        ended(&host.run(args), 5, &stderr);
    };
    refused(&["start", "db.rhai"], "without options");
    refused(&["start", "db.rhai", "--set", "size=8"], "with --set=size=8");
    refused(&["start", "db.rhai", "--set", "size=7", "--set", "disk=a b"], "with '--set=disk=a b' --set=size=7");
    refused(&["start", "db.rhai", "--init", "--set", "size=7"], "with --init --set=size=7");
    // It is not waited for, as it does not become the one that was asked for.
    refused(&["start", "db.rhai", "--wait", "10s"], "without options");
    ended(&host.run(&["start", "db.rhai", "--set", "size=7"]), 0, "vmrun: db runs already");
    ended(&host.run(&["start", "db"]), 0, "vmrun: as it was started before: db --set=size=7\nvmrun: db runs already");
    // Another recipe of a machine of that name.
    let text = fs::read_to_string(host.path("db.rhai")).unwrap();
    host.write(
        "db2.rhai",
        text.split_once("bridge").unwrap().1.split_once('\n').unwrap().1.replace("virtio_net(nic)", "()").as_str(),
    );
    let done = host.run(&["start", "db2.rhai"]);
    let said = "error: the machine db is running already: vmrun [pid], of [tmp]/db.rhai, since [when]\n";
    assert!(done.code == 5 && done.stderr.starts_with(said), "{done:?}");
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    host.is_clean();
}

#[test]
fn a_recipe_of_several_machines_is_started_once_for_each() {
    let host = Host::new("run\nrun\n");
    let text = "let name = param(\"name\", \"a\");\nbhyve(#{ name: name, memory: 256.MiB, bootrom: \
                bootrom(\"[tmp]/vm/rom.fd\"), slots: #{ \"0\": hostbridge(), \"31\": lpc() } }).run();\n";
    host.write("one.rhai", text);
    ended(&host.run(&["start", "one.rhai", "--set", "name=a"]), 0, "vmrun: a runs");
    ended(&host.run(&["start", "one.rhai", "--set", "name=b"]), 0, "vmrun: b runs");
    ended(&host.run(&["start", "one.rhai", "--set", "name=b"]), 0, "vmrun: b runs already");
    ended(&host.run(&["stop", "--all"]).sorted(), 0, "vmrun: a is down\nvmrun: b is down");
}

#[test]
fn a_disk_that_somebody_else_has_is_waited_for_and_no_longer_than_that() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    let image = File::open(host.path("vm/db.img")).unwrap();
    image.lock().unwrap();
    let busy = "\
error: [tmp]/vm/db.img is in use by another vmrun or its guest
 --> db.rhai:4:36
  |
4 | \"0\": hostbridge(), \"4\": virtio_blk(\"[tmp]/vm/db.img\"), \"6\": virtio_net(nic), \"31\": lpc(),
  |                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: it keeps its state in another folder, as another user's or another host's does; stop it there
";
    let underlined = |done: &super::sandbox::Done, before: &str| {
        assert_eq!(done.code, 5, "{done:?}");
        let lines = |text: &str| -> Vec<String> {
            text.lines().filter(|line| !line.contains("^^^^")).map(String::from).collect()
        };
        assert_eq!(lines(&done.stderr), lines(&format!("{before}{busy}")));
    };
    underlined(&host.run(&["start", "db.rhai"]), "");
    let waits = "vmrun: waiting: [tmp]/vm/db.img is in use by another vmrun or its guest\n";
    let begin = Instant::now();
    underlined(&host.run(&["start", "db.rhai", "--wait", "600ms"]), waits);
    assert!((600..5000).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    // It is let go while somebody waits.
    let letting_go = thread::spawn(move || {
        thread::sleep(Duration::from_millis(700));
        drop(image);
    });
    ended(&host.run(&["start", "db.rhai", "--wait", "30s"]), 0, &format!("{waits}vmrun: db runs"));
    letting_go.join().unwrap();
    // What is wrong is not waited for.
    host.write("web.rhai", "tap(7);\n");
    let begin = Instant::now();
    assert_eq!(host.run(&["start", "web.rhai", "--wait", "30s"]).code, 1);
    assert!(begin.elapsed() < Duration::from_secs(10));
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    host.is_clean();
}

#[test]
fn whoever_waits_can_be_interrupted() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    let image = File::open(host.path("vm/db.img")).unwrap();
    image.lock().unwrap();
    let mut waits = host.start_program(
        "bash",
        &["-c", &format!("exec {} start db.rhai --wait 30s 2>said", env!("CARGO_BIN_EXE_vmrun"))],
    );
    waits.until("waiting", |host| host.read("said").contains("waiting: "));
    waits.signal("INT");
    assert_eq!(waits.wait().code, 130);
    same(
        &host.read("said"),
        "vmrun: waiting: [tmp]/vm/db.img is in use by another vmrun or its guest\nerror: interrupted\n",
    );
    drop(image);
    host.is_clean();
}

#[test]
fn a_stop_is_over_within_its_time_and_a_second_and_says_if_the_machine_is_not_down() {
    // A guest that is deaf, and a supervisor that is stopped, so that nobody switches anything off.
    let host = Host::new("deaf\ndeaf\n");
    host.recipe("db", "");
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    let status = host.status("db").unwrap();
    let (supervisor, guest) = (status.supervisor.unwrap(), status.guest.unwrap());
    assert!(Command::new("kill").args(["-STOP", &supervisor.to_string()]).status().unwrap().success());
    let begin = Instant::now();
    let done = host.run(&["stop", "db", "--within", "500ms"]);
    assert!(begin.elapsed() < Duration::from_millis(2500), "{:?}", begin.elapsed());
    let said = format!(
        "
error: the run of db, process {supervisor}, does not end: it was asked to power db off within 500ms, then to switch it off, and its guest, process {guest}, runs
 |
 = hint: `kill -9 {supervisor}` ends it, and `vmrun stop db` what it leaves
"
    );
    ended(&done, 3, &said);
    assert!(lives(guest));
    // Without a supervisor the guest is switched off by whoever stops it.
    kill(supervisor);
    let begin = Instant::now();
    let done = host.run(&["stop", "db", "--within", "500ms"]);
    assert!(begin.elapsed() < Duration::from_millis(2500), "{:?}", begin.elapsed());
    assert!(
        done.code == 0 && done.stderr.ends_with("vmrun: db did not power off in time and was switched off\n"),
        "{done:?}"
    );
    assert!(!lives(guest));
    assert_eq!(host.run(&["monitor", "db"]).code, 8);
    host.is_clean();
}

#[test]
fn a_stop_of_what_a_dead_run_has_left_is_over_in_time_too() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    let status = host.status("db").unwrap();
    kill(status.supervisor.unwrap());
    let guest = status.guest.unwrap();
    // Somebody has the lock of the machine, as a command that the supervisor has left.
    let lock = File::open(host.path("state/.db.lock")).unwrap();
    lock.lock().unwrap();
    let late = |what: &str| {
        let begin = Instant::now();
        let said = format!(
            "error: {what} within 500ms
 |
 = hint: `vmrun stop db` goes on with it; `vmrun status db` shows what there is
"
        );
        ended(&host.run(&["stop", "db", "--within", "500ms"]), 3, &said);
        assert!(begin.elapsed() < Duration::from_millis(2500), "{:?}", begin.elapsed());
    };
    late(&format!("the guest of db, process {guest}, did not end"));
    kill(guest);
    late("not all that a dead run of db has left was given back");
    drop(lock);
    assert_eq!(host.run(&["stop", "db"]).code, 0);
    host.is_clean();
}

#[test]
fn a_stop_does_not_say_of_what_it_could_not_look_at_that_it_does_not_run() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    fs::create_dir(host.path("state/.db.lock")).unwrap();
    ended(
        &host.run(&["stop", "db"]),
        7,
        "
error: cannot look at [tmp]/state/.db.lock: it is a folder
 |
 = hint: whether the machine runs is not known; ps(1) shows its hypervisor
",
    );
    fs::remove_dir(host.path("state/.db.lock")).unwrap();
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db does not run");
}
