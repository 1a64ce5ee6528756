//! The machines of a host, as they are listed on the fake FreeBSD.

use super::host::{Host, kill};
use super::sandbox::{Sandbox, same};
use super::shown::{status, table};
use super::terminal::Terminal;
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::time::Duration;
use vmrun::internals::supervise::status::MachineState;

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
    let [db, web] = ["db", "web"].map(|name| host.status(name).unwrap());
    kill(web.supervisor.unwrap());
    host.recipe("lab", "");
    let mut front = host.start(&["lab.rhai"]);
    front.until("the guest", |host| host.read("fake/exits").is_empty());
    host.write("fake/exits", "3\n3\nrun\n");
    host.recipe("sad", "restart(#{ on: [\"crash\"], delay: \"10ms\", limit: 1, within: \"1m\" });\n");
    host.write("sad.rhai", &host.read("sad.rhai").replace("tap3", "tap4").replace("[tmp]", &host.own("[tmp]")));
    assert_eq!(host.run(&["start", "sad.rhai"]).code, 4);
    host.until("sad", |status| status.state == MachineState::Failed);
    let mut hand = by_hand(&host, "hand");
    front.until("the bhyve of hand", |host| host.read("fake/vmm/hand").contains("pid "));
    host.write(
        "fake/processes",
        "    1     0 9000000   0.0    0:01.00   1032 /sbin/init\n 777 1 5 0.0 0:00.00 10 bhyved: no (bhyve)\n",
    );

    let done = host.run(&["list"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let pid = |name: &str| {
        let node = host.read(&format!("fake/vmm/{name}"));
        node.lines().find_map(|line| line.strip_prefix("pid ")?.parse::<u32>().ok()).unwrap()
    };
    let pids = [(db.guest.unwrap(), "db"), (web.guest.unwrap(), "web"), (pid("lab"), "lab"), (pid("hand"), "hand")];
    same(
        &table(&done.stdout, &pids),
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
    let digest = one("db")["recipe_digest"].clone();
    assert_eq!(digest.as_str().map(str::len), Some(64));
    assert_eq!(
        one("db"),
        json!({ "recipe_digest": digest,
            "name": "db", "state": "running", "hypervisor": "bhyve", "pid": db.guest, "supervisor": db.supervisor,
            "uptime": 93784, "since": db.since, "until": null, "cpus": 1, "memory": 256 << 20, "resident": 64 << 20,
            "cpu": 12.5, "vnc": null, "disks": ["[tmp]/vm/db.img"], "taps": ["tap1"], "boots": 1, "restarts": 0,
            "recipe": "[tmp]/db.rhai", "instance": null, "log": "[tmp]/log/db.log", "error": null,
            "macs": [], "address": null, "address_from": null, "permit": null, "moved": null, "replicas": null,
            "exporting": false,
            "ssh": { "user": null, "host_key": null, "port": null, "address": null, "identity": null },
        })
    );
    let lab = one("lab");
    assert_eq!((&lab["disks"], &lab["taps"]), (&json!(["[tmp]/vm/lab.img"]), &json!(["tap3"])));
    assert_eq!((&one("hand")["hypervisor"], &one("hand")["memory"]), (&json!("bhyve"), &Value::Null));

    // Killed in the foreground, it is for gc.
    front.kill();
    let done = host.run(&["list"]);
    assert!(
        table(&done.stdout, &pids).contains("\nlab left [lab] 1d02h 1 - 12.5 - - [tmp]/lab.rhai\n"),
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
        "error: `ps -axww -o pid= -o ppid= -o etimes= -o %cpu= -o time= -o rss= -o command=` failed with status 1: ps: kvm_getprocs: Operation not permitted",
    );
    assert_eq!((done.code, done.stdout.as_str()), (3, ""));
}

#[test]
fn the_status_of_a_machine_is_all_that_is_known_with_its_threads() {
    let host = Host::new("run\nrun\n");
    host.recipe("db", "");
    let recipe = host.read("db.rhai").replace("cpus: 1", "cpus: param(\"cpus\", 2)");
    let fbuf = "\"29\": fbuf(#{ tcp: \"127.100.100.1:5901\" }), \"31\"";
    host.write("db.rhai", &recipe.replace("\"31\"", fbuf));
    assert_eq!(host.run(&["start", "db.rhai", "--set", "cpus=2", "--stop-within", "90s"]).code, 0);
    let db = host.status("db").unwrap();
    let pids = [(db.guest.unwrap(), "db"), (db.supervisor.unwrap(), "vmrun")];
    let done = host.run(&["status", "db"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    same(
        &status(&done.stdout, &pids),
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
power off   within 90s
log         [tmp]/log/db.log

THREAD  NAME          FOR       STATE  CPU%  ON  WAITS FOR
100500  mevent        main      sleep   0.0   -  kqread
100501  blk-4:0-0     disk 4:0  sleep   0.0   -  uwait
100502  blk-4:0-1     disk 4:0  sleep   0.0   -  uwait
100503  blk-4:0-2     disk 4:0  sleep   0.0   -  uwait
100504  blk-4:0-3     disk 4:0  sleep   0.0   -  uwait
100505  blk-4:0-4     disk 4:0  sleep   0.0   -  uwait
100506  blk-4:0-5     disk 4:0  sleep   0.0   -  uwait
100507  blk-4:0-6     disk 4:0  sleep   0.0   -  uwait
100508  blk-4:0-7     disk 4:0  sleep   0.0   -  uwait
100509  vtnet-6:0 tx  net 6:0   sleep   0.0   -  uwait
100510  rfb           screen    sleep   0.0   -  accept
100511  vcpu 0        vcpu 0    sleep   0.0   -  vmidle
100512  vcpu 1        vcpu 1    run    98.2   1  -
",
    );
    let json: Value = serde_json::from_str(&host.run(&["status", "db", "--json"]).stdout).unwrap();
    let given = (&json["vnc"], &json["params"], &json["stop_within"]);
    assert_eq!(given, (&json!("127.100.100.1:5901"), &json!({ "cpus": "2" }), &json!(90.0)));
    let threads = json["threads"].as_array().unwrap();
    let last = json!({ "id": 100_512, "name": "vcpu 1", "for": "vcpu 1", "state": "run", "processor": 1, "cpu": 98.2, "wait": null });
    assert_eq!((threads.len(), &threads[12]), (13, &last));

    // By the process of its hypervisor too.
    let by_process = host.run(&["status", &db.guest.unwrap().to_string()]);
    assert!(by_process.stdout.starts_with("name        db\n"), "{by_process:?}");
    let unknown = host.run(&["status", "dp"]);
    same(&unknown.stderr, "error: the machine dp does not run\n |\n = hint: did you mean `db`?");
    assert_eq!((unknown.code, unknown.stdout.as_str()), (8, ""));
    let nobody = host.run(&["status", "no such machine"]);
    same(&nobody.stderr, "error: there is no machine no such machine on this host");

    kill(db.supervisor.unwrap());
    let done = host.run(&["status", "db"]);
    same(&done.stderr, "vmrun: db goes on without its vmrun; `vmrun adopt db` takes it over");
    assert!(done.stdout.contains("\nstate       unsupervised\n"), "{}", done.stdout);
    assert_eq!(host.run(&["stop", "db"]).code, 0);
}

#[test]
fn the_status_of_what_waits_or_is_held_says_why_and_until_when() {
    let host = Host::new("3\n3\n");
    host.recipe("db", "restart(#{ on: [\"crash\"], delay: \"1h\", max_delay: \"1h\" });\n");
    assert_eq!(host.run(&["start", "db.rhai", "--init"]).code, 4);
    host.until("db", |status| status.state == MachineState::Waiting);
    let waits = host.run(&["status", "db"]).stdout;
    let supervisor = host.status("db").unwrap().supervisor.unwrap();
    let state = waits.lines().find(|line| line.starts_with("state")).unwrap();
    assert!(state.starts_with("state       waiting since ") && state.contains("; it is started again in "), "{state}");
    same(
        &status(&waits, &[(supervisor, "vmrun")]),
        "
name        db
state       waiting
supervisor  vmrun, process [vmrun]
recipe      [tmp]/db.rhai --init
vcpus       1
memory      256M
disks       [tmp]/vm/db.img
taps        tap1
boots       1
restarts    1
power off   within 60s
last error  the guest met a triple fault
log         [tmp]/log/db.log
",
    );
    assert_eq!(host.run(&["stop", "db"]).code, 0);
}

#[test]
fn prometheus_is_told_of_every_machine() {
    let host = Host::new("run\nrun\n");
    let none = host.run(&["metrics"]);
    let build = format!(
        "# HELP vmrun_build_info The version of vmrun.\n# TYPE vmrun_build_info gauge\nvmrun_build_info{{version=\"{}\"}} 1\n",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!((none.code, none.stdout.as_str(), none.stderr.as_str()), (0, build.as_str(), ""));
    host.recipe("db", "");
    assert_eq!(host.run(&["start", "db.rhai"]).code, 0);
    let done = host.run(&["metrics", "--out", &host.own("[tmp]/vmrun.prom")]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, "", ""));
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(host.path("vmrun.prom")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o644);
    let text = host.read("vmrun.prom");
    let samples: String = text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    same(
        &samples,
        r#"
vmrun_build_info{version="0.1.0"} 1
vmrun_machine_state{machine="db",state="running",hypervisor="bhyve"} 1
vmrun_machine_up{machine="db"} 1
vmrun_machine_uptime_seconds{machine="db"} 93784
vmrun_machine_cpu_seconds_total{machine="db"} 11723.5
vmrun_machine_vcpus{machine="db"} 1
vmrun_machine_memory_bytes{machine="db"} 268435456
vmrun_machine_resident_bytes{machine="db"} 67108864
vmrun_machine_boots_total{machine="db"} 1
vmrun_machine_restarts_total{machine="db"} 0
vmrun_machine_held{machine="db"} 0
vmrun_net_receive_bytes_total{machine="db",tap="tap1"} 9012
vmrun_net_receive_packets_total{machine="db",tap="tap1"} 78
vmrun_net_transmit_bytes_total{machine="db",tap="tap1"} 3456
vmrun_net_transmit_packets_total{machine="db",tap="tap1"} 12
vmrun_machine_statistics_known{machine="db"} 1
vmrun_bhyve_stat{machine="db",vcpu="0",stat="number of ticks vcpu was idle"} 1000
vmrun_bhyve_stat{machine="db",vcpu="0",stat="vcpu total runtime"} 2000000000
vmrun_bhyve_stat{machine="db",vcpu="0",stat="total number of vm exits"} 1234
vmrun_bhyve_stat{machine="db",vcpu="0",stat="Resident memory"} 67108864
vmrun_bhyve_stat{machine="db",vcpu="0",stat="Wired memory"} 0
"#,
    );
    // Each meaning is told once, before its numbers.
    let names = |start: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(start)?.split(' ').next());
        lines.map(String::from).collect()
    };
    let used: std::collections::BTreeSet<&str> = samples.lines().map(|line| line.split('{').next().unwrap()).collect();
    assert_eq!(names("# HELP "), names("# TYPE "));
    assert_eq!(names("# TYPE ").len(), used.len());
    // Whoever may not ask bhyvectl has the rest.
    host.write("fake/refuse", "bhyvectl \tbhyvectl: cannot open /dev/vmm: Permission denied\n");
    let rest = host.run(&["metrics"]).stdout;
    assert!(
        rest.contains("vmrun_machine_statistics_known{machine=\"db\"} 0\n") && !rest.contains("bhyve_stat"),
        "{rest}"
    );
    host.write("fake/refuse", "");
    let nowhere = host.run(&["metrics", "--out", "/proc/nowhere"]);
    same(&nowhere.stderr, "error: cannot write /proc/nowhere: No such file or directory");
    assert_eq!(host.run(&["stop", "db"]).code, 0);
}

/// What a command shows on a terminal with so many columns.
fn on_terminal(host: &Sandbox, columns: usize, line: &str) -> String {
    let mut command = host.on_terminal(&format!("stty cols {columns} rows 24; {line}"));
    let done = host.finish(command.env("LC_ALL", "C.UTF-8").env("TERM", "xterm").env("NO_COLOR", "1"));
    assert_eq!(done.code, 0, "{}", done.stdout);
    done.stdout.replace("\r\n", "\n")
}

#[test]
fn on_a_terminal_the_table_fits_and_into_a_pipe_nothing_is_cut() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    assert_eq!(host.run(&["start", "db.rhai"]).code, 0);
    let piped = host.run(&["list"]).stdout;
    assert_eq!(on_terminal(&host, 160, "vmrun list"), piped);
    assert_eq!(on_terminal(&host, 40, "vmrun list | cat"), piped);
    for (columns, titles) in [
        (80, "NAME STATE PID UPTIME CPUS MEMORY CPU% VNC RECIPE"),
        (44, "NAME STATE MEMORY RECIPE"),
        (33, "NAME STATE RECIPE"),
    ] {
        let shown = on_terminal(&host, columns, "vmrun list");
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>().join(" "), titles, "{shown}");
        assert!(lines.iter().all(|line| line.chars().count() <= columns), "{shown}");
        assert!(lines.len() == 2 && lines[1].ends_with("/db.rhai"), "{shown}");
    }
    // A colour stands beside the word that says the same, and where nobody wants it there is none.
    let with = |given: &[(&str, &str)]| {
        let mut command = host.command(&["list"]);
        host.finish(command.envs(given.iter().copied())).stdout
    };
    let coloured = with(&[("CLICOLOR_FORCE", "1")]);
    assert_eq!(coloured, piped.replace("running", "\u{1b}[32mrunning\u{1b}[0m"));
    for given in [&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")][..], &[("CLICOLOR_FORCE", "0")], &[("CLICOLOR", "1")]] {
        assert_eq!(with(given), piped, "{given:?}");
    }
    assert_eq!(host.run(&["stop", "db"]).code, 0);
}

#[test]
fn whoever_watches_sees_machines_come_and_go_until_q_or_an_interrupt() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    for end in ["q", "\u{3}"] {
        let mut terminal = Terminal::new();
        let mut command = host.shell("stty cols 80 rows 24; exec vmrun list --watch --every 1s");
        let child = terminal.start(command.env("TERM", "xterm").env("LC_ALL", "C.UTF-8"));
        terminal.shows("leaves", Duration::from_secs(20));
        assert_eq!(host.run(&["start", "db.rhai"]).code, 0);
        terminal.shows("running", Duration::from_secs(20));
        terminal.types(end);
        let (status, _) = terminal.ends(child);
        assert!(status.success());
        assert_eq!(host.run(&["stop", "db"]).code, 0);
        host.write("fake/exits", "run\n");
    }
    let done = host.run(&["list", "--watch"]);
    same(
        &done.stderr,
        "
error: this is shown on a terminal only
 |
 = hint: `vmrun list` prints the same once, `vmrun list --json` for programs
",
    );
    assert_eq!((done.code, done.stdout.as_str()), (2, ""));
    assert_eq!(host.run(&["list", "--watch", "--json"]).code, 2);
}
