//! The machines of a host, as they are listed on the fake FreeBSD.

use super::background::{Host, kill};
use super::sandbox::{Sandbox, same};
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use vmrun::run::standing::Stance;

/// A table with one blank between its columns, in which numbers of processes have names.
fn shown(table: &str, pids: &[(u32, &str)]) -> String {
    let word = |word: &str| {
        let name = pids.iter().find(|(pid, _)| word == pid.to_string()).map(|(_, name)| format!("[{name}]"));
        name.unwrap_or_else(|| word.into())
    };
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ") + "\n";
    table.lines().map(line).collect()
}

/// A bhyve that somebody has started by hand.
fn by_hand(host: &Sandbox, name: &str) -> std::process::Child {
    let text = "bhyve -c 3 -m 1G -s 0,hostbridge -s 31,lpc -l bootrom,[tmp]/vm/rom.fd [name] &\necho $!\nwait";
    let mut command = host.shell(&host.own(text).replace("[name]", name));
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn every_machine_is_listed_with_how_it_stands_whoever_has_started_it() {
    let host = Host::new("run\nrun\nrun\n");
    let empty = host.run(&["list"]);
    let said = (empty.code, empty.stdout.as_str(), empty.stderr.as_str());
    assert_eq!(said, (0, "", "vmrun: there is no machine on this host\n"));
    for name in ["db", "web"] {
        host.recipe(name, "");
        assert_eq!(host.run(&["start", &format!("{name}.rhai")]).code, 0);
    }
    let [db, web] = ["db", "web"].map(|name| host.standing(name).unwrap());
    kill(web.supervisor.unwrap());
    host.recipe("lab", "");
    let mut front = host.start(&["lab.rhai"]);
    front.until("the guest", |host| host.read("fake/exits").is_empty());
    host.write("fake/exits", "3\n3\nrun\n");
    host.recipe("sad", "restart(#{ on: [\"crash\"], delay: \"10ms\", limit: 1, within: \"1m\" });\n");
    host.write("sad.rhai", &host.read("sad.rhai").replace("tap3", "tap4").replace("[tmp]", &host.own("[tmp]")));
    assert_eq!(host.run(&["start", "sad.rhai"]).code, 4);
    host.until("sad", |standing| standing.state == Stance::Held);
    let mut hand = by_hand(&host, "hand");
    front.until("the bhyve of hand", |host| host.read("fake/vmm/hand").contains("pid "));
    host.write("fake/processes", "    1     0 9000000   0.0   1032 /sbin/init\n 777 1 5 0.0 10 bhyved: no (bhyve)\n");

    let done = host.run(&["list"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let pid = |name: &str| {
        let node = host.read(&format!("fake/vmm/{name}"));
        node.lines().find_map(|line| line.strip_prefix("pid ")?.parse::<u32>().ok()).unwrap()
    };
    let pids = [(db.guest.unwrap(), "db"), (web.guest.unwrap(), "web"), (pid("lab"), "lab"), (pid("hand"), "hand")];
    same(
        &shown(&done.stdout, &pids),
        "
NAME STATE PID UPTIME CPUS MEMORY CPU% VNC RESTARTS RECIPE
db running [db] 1d02h 1 256M 12.5 - 0 [tmp]/db.rhai
lab foreground [lab] 1d02h 1 - 12.5 - - [tmp]/lab.rhai
sad held - - 1 256M - - 1 [tmp]/sad.rhai
web unsupervised [web] 1d02h 1 256M 12.5 - 0 [tmp]/web.rhai
hand foreign [hand] 1d02h 3 - 12.5 - - -
",
    );
    same(
        &done.stderr,
        "
vmrun: sad is held: the guest met a triple fault; it was started again once within 60s, and is not any more
vmrun: web goes on without its vmrun; `vmrun adopt web` takes it over
",
    );

    let json: Value = serde_json::from_str(&host.run(&["list", "--json"]).stdout).unwrap();
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    let one = |name: &str| json["machines"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone();
    assert_eq!(
        one("db"),
        json!({
            "name": "db", "state": "running", "hypervisor": "bhyve", "pid": db.guest, "supervisor": db.supervisor,
            "uptime": 93784, "since": db.since, "until": null, "cpus": 1, "memory": 256 << 20, "resident": 64 << 20,
            "cpu": 12.5, "vnc": null, "disks": ["[tmp]/vm/db.img"], "taps": ["tap1"], "boots": 1, "restarts": 0,
            "recipe": "[tmp]/db.rhai", "log": "[tmp]/log/db.log", "error": null,
        })
    );
    let lab = one("lab");
    assert_eq!((&lab["disks"], &lab["taps"]), (&json!(["[tmp]/vm/lab.img"]), &json!(["tap3"])));
    assert_eq!((&one("hand")["hypervisor"], &one("hand")["memory"]), (&json!("bhyve"), &Value::Null));

    // Killed in the foreground, it is for gc.
    front.kill();
    let done = host.run(&["list"]);
    assert!(
        shown(&done.stdout, &pids).contains("\nlab left [lab] 1d02h 1 - 12.5 - - [tmp]/lab.rhai\n"),
        "{}",
        done.stdout
    );
    assert!(done.stderr.contains("vmrun: lab was left by a run that is dead; `vmrun gc` gives back what it took\n"));
    for name in ["db", "web", "lab", "sad"] {
        assert_eq!(host.run(&["stop", name]).code, 0, "{name}");
    }
    assert!(Command::new("kill").args(["-9", &pid("hand").to_string()]).status().unwrap().success());
    hand.wait().unwrap();
    assert_eq!(host.run(&["list"]).stdout, "");
}

#[test]
fn a_host_whose_processes_cannot_be_seen_is_told_so() {
    let host = Sandbox::new();
    host.write("fake/refuse", "ps \tps: kvm_getprocs: Operation not permitted\n");
    let done = host.run(&["list"]);
    same(
        &done.stderr,
        "error: `ps -axww -o pid= -o ppid= -o etimes= -o %cpu= -o rss= -o command=` failed with status 1: ps: kvm_getprocs: Operation not permitted",
    );
    assert_eq!((done.code, done.stdout.as_str()), (3, ""));
}
