//! What stops a machine and starts it again, on the fake FreeBSD: nothing is stopped that would not come back.

use super::host::{Host, ended, kill, lives};
use super::sandbox::same;
use std::fs;

/// Restarts a machine that would not come back: the whole message, and its guest goes on.
#[track_caller]
fn refused(host: &Host, name: &str, code: i32, stderr: &str) {
    let before = host.status(name).unwrap();
    ended(&host.run(&["restart", name]), code, stderr);
    assert_eq!(host.status(name).unwrap(), before);
    assert!(lives(before.guest.unwrap()) && lives(before.supervisor.unwrap()));
}

#[test]
fn a_machine_that_would_not_come_back_is_not_stopped() {
    let host = Host::new("run\nrun\n");
    host.recipe("db", "");
    let text = fs::read_to_string(host.path("db.rhai")).unwrap();
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    let goes_on = "error: db was not restarted, and goes on as it was started\n |\n \
                   = hint: correct what is wrong; `vmrun stop db` stops it\n";
    // A recipe that no longer parses,
    host.write("db.rhai", "bogus(\n");
    let done = host.run(&["restart", "db"]);
    assert!(done.code == 1 && done.stderr.starts_with("error: ") && done.stderr.ends_with(goes_on), "{done:?}");
    // one that is gone,
    fs::rename(host.path("db.rhai"), host.path("away.rhai")).unwrap();
    refused(&host, "db", 1, &format!("error: cannot read the recipe [tmp]/db.rhai: there is no such file\n{goes_on}"));
    // one that names a bridge that is not there,
    host.write("db.rhai", &text.replace("bridge2", "bridge9"));
    refused(
        &host,
        "db",
        1,
        &format!(
            "error: the bridge bridge9 is not there
 --> [tmp]/db.rhai:2:8
  |
2 | bridge(\"bridge9\").add(nic);
  |        ^^^^^^^^^
  |
  = hint: bridges on this host: bridge2
{goes_on}"
        ),
    );
    // and one that is of another machine.
    host.write("db.rhai", &text.replace("name: \"db\"", "name: \"dc\""));
    let done = host.run(&["restart", "db"]);
    assert_eq!(done.code, 5, "{done:?}");
    assert!(done.stderr.ends_with(goes_on), "{done:?}");
    host.write("db.rhai", &text);
    ended(&host.run(&["restart", "db"]), 0, "vmrun: db is down\nvmrun: db runs");
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    host.is_clean();
}

#[test]
fn a_machine_is_restarted_with_the_parameters_of_its_start_or_not_at_all() {
    let host = Host::new("run\nrun\n");
    host.recipe("db", "let size = param(\"size\", 1, 1..=9);\nlet pass = secret(\"vnc\");\n");
    ended(&host.run(&["start", "db.rhai", "--set", "size=7"]), 0, "vmrun: db runs");
    let text = fs::read_to_string(host.path("db.rhai")).unwrap();
    host.write("db.rhai", &text.replace("1..=9", "1..=5"));
    let done = host.run(&["restart", "db"]);
    assert!(done.code == 1 && done.stderr.contains("--set size=7: expected a number from 1 to 5"), "{done:?}");
    assert_eq!(host.status("db").unwrap().boots, 1);
    host.write("db.rhai", &text);
    // Who restarts it has no secret.
    let before = host.status("db").unwrap();
    let done = host.finish(&mut host.command(&["restart", "db"]));
    assert!(done.code == 3 && done.stderr.starts_with("error: the secret `vnc` is not there\n"), "{done:?}");
    assert_eq!(host.status("db").unwrap(), before);
    // From wherever that is.
    let done = host.finish(host.command(&["restart", "db"]).env("VMRUN_SECRET_VNC", "hunter22").current_dir("/"));
    ended(&done, 0, "vmrun: db is down\nvmrun: db runs");
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    host.is_clean();
}

#[test]
fn a_guest_is_adopted_without_the_secret_of_its_start_as_it_has_it() {
    let host = Host::new("run\nrun\n");
    host.recipe("db", "let pass = secret(\"vnc\");\n");
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    let guest = host.status("db").unwrap().guest;
    kill(host.status("db").unwrap().supervisor.unwrap());
    let done = host.finish(&mut host.command(&["adopt", "db"]));
    ended(&done, 0, "vmrun: db goes on; it was taken over");
    let adopted = host.status("db").unwrap();
    assert_eq!((adopted.guest, adopted.boots), (guest, 1));
    assert!(lives(guest.unwrap()) && lives(adopted.supervisor.unwrap()));
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    host.is_clean();
}

#[test]
fn of_several_machines_what_is_wrong_is_told_and_the_others_come_back() {
    let host = Host::new("run\nrun\nrun\n");
    host.recipe("db", "");
    host.recipe("web", "");
    ended(&host.run(&["start", "db.rhai", "web.rhai"]).sorted(), 0, "vmrun: db runs\nvmrun: web runs");
    let before = host.status("web").unwrap();
    host.write("web.rhai", "tap(7);\n");
    let done = host.run(&["restart", "web", "db", "mail"]);
    same(
        &done.stderr,
        "
vmrun: db is down
vmrun: db runs
error: expected a text, got a number
 --> [tmp]/web.rhai:1:5
  |
1 | tap(7);
  |     ^
  |
  = hint: write `tap(\"tap1\", #{ mtu, description, up })`
error: web was not restarted, and goes on as it was started
 |
 = hint: correct what is wrong; `vmrun stop web` stops it
error: the machine mail does not run in the background
 |
 = hint: `vmrun start mail` starts it
",
    );
    assert_eq!(done.code, 3);
    assert_eq!(host.status("web").unwrap(), before);
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    // So do those that are started beside one that is wrong.
    host.write("fake/exits", "run\n");
    host.write("mail.rhai", "tap(7);\n");
    let done = host.run(&["start", "mail.rhai", "db.rhai"]);
    assert!(
        done.stderr.starts_with("vmrun: db runs\nerror: expected a text, got a number\n --> mail.rhai:1:5\n"),
        "{done:?}"
    );
    assert_eq!(done.code, 1);
    ended(&host.run(&["stop", "--all"]).sorted(), 0, "vmrun: db is down\nvmrun: web is down");
    host.is_clean();
}

#[test]
fn a_machine_whose_recipe_has_another_port_of_somebody_else_is_not_stopped() {
    let host = Host::new("run\nrun\n");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let recipe = |port: u16| {
        host.write(
            "db.rhai",
            &format!(
                "bhyve(#{{ name: \"db\", memory: 256.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"), slots: #{{\n\
                 \"0\": hostbridge(), \"29\": fbuf(#{{ tcp: \"127.0.0.1:{port}\" }}), \"31\": lpc() }} }}).run();\n"
            ),
        );
    };
    recipe(free);
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    recipe(port);
    let done = host.run(&["restart", "db"]);
    let said = format!("error: VNC cannot listen on 127.0.0.1:{port}: somebody does already\n");
    assert!(done.code == 1 && done.stderr.starts_with(&said), "{done:?}");
    assert_eq!(host.status("db").unwrap().boots, 1);
    // Its own is no hindrance, though its guest has it.
    recipe(free);
    ended(&host.run(&["restart", "db"]), 0, "vmrun: db is down\nvmrun: db runs");
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    host.is_clean();
}

#[test]
fn a_machine_that_runs_already_is_said_to_be_restarted_and_one_in_the_foreground_to_be_stopped() {
    let host = Host::new("run\nrun\n");
    host.recipe("db", "");
    // Without a tap it is the name that is taken.
    let text = host.read("db.rhai");
    host.write("web.rhai", "bhyve(#{ name: \"db\", memory: 64.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"), slots: #{ \"31\": lpc() } }).run();\n");
    ended(&host.run(&["start", "web.rhai"]), 0, "vmrun: db runs");
    let said =
        |done: super::sandbox::Done| done.stderr.lines().filter(|line| line.contains("hint:")).collect::<String>();
    let again = "  = hint: `vmrun restart db` starts it again, `vmrun stop db` stops it";
    assert_eq!(said(host.run(&["web.rhai"])), again);
    // Another recipe has a machine of that name.
    host.write("mail.rhai", &host.read("web.rhai"));
    let another = "  = hint: `vmrun stop db` stops it; or give this machine another name";
    assert_eq!(said(host.run(&["start", "mail.rhai"])), another);
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    host.write("db.rhai", &text);
    let run = host.start(&["db.rhai"]);
    let begin = std::time::Instant::now();
    while host.names("fake/vmm").is_empty() {
        assert!(begin.elapsed() < std::time::Duration::from_secs(20), "it never ran");
    }
    let refusal = "
error: the machine db does not run in the background
 |
 = hint: it runs in the foreground: `vmrun stop db`, then `vmrun start [tmp]/db.rhai`
";
    ended(&host.run(&["restart", "db"]), 3, refusal);
    let second = "  = hint: `vmrun stop db` stops it; then it can be started again; a second machine of this recipe needs another name here";
    assert_eq!(said(host.run(&["start", "db.rhai"])), second);
    run.signal("TERM");
    run.wait();
}
