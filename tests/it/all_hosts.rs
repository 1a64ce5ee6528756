//! The machines of many hosts in one list: what each tells by ssh or by a file, what runs twice, and what differs.

use super::sandbox::{Sandbox, same};
use super::terminal::Terminal;
use serde_json::{Value, json};
use std::time::Duration;

/// An ssh that knows some hosts: two have a vmrun with a state and recipes of their own, the others say what a file has.
const SSH: &str = r#"#!/bin/sh
while [ "$1" != -- ]; do shift; done
host=$2; shift 2
[ -d "[tmp]/$host" ] && VMRUN_STATE_DIR=[tmp]/$host/state VMRUN_CONFIG=[tmp]/$host exec sh -c "$*"
[ ! -f "[tmp]/$host.json" ] || exec cat "[tmp]/$host.json"
echo "ssh: Could not resolve hostname $host: Name or service not known" >&2
exit 255
"#;

fn with_ssh() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("bin/ssh", SSH);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(sandbox.path("bin/ssh"), mode).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_vmrun"), sandbox.path("bin/vmrun")).unwrap();
    sandbox
}

/// A machine that a host tells of.
fn machine(name: &str, state: &str, pid: Option<u32>, digest: Option<&str>) -> Value {
    json!({
        "name": name, "state": state, "pid": pid, "uptime": pid.map(|_| 3725), "cpus": 2, "memory": 2_u64 << 30, "cpu": pid.map(|_| 12.5),
        "vnc": null, "address": null, "restarts": 0, "recipe": format!("/vm/{name}.rhai"), "recipe_digest": digest, "instance": null,
    })
}

fn document(host: &str, time: u64, machines: &[Value]) -> String {
    json!({ "version": "0.1.0", "host": host, "time": time, "machines": machines }).to_string()
}

fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

#[test]
fn every_host_tells_of_its_machines_and_one_that_runs_twice_is_an_alarm() {
    let sandbox = with_ssh();
    sandbox.write("config/config.toml", "hosts = [\"ssh://vm5\", \"ssh://root@vm6\", \"ssh://gone\", \"10.89.0.7\"]\n");
    let web = machine("web", "running", Some(7), Some("aa"));
    let odd = json!({ "name": "a\u{1b}[31mb", "state": "foreign", "pid": 9, "recipe": null });
    sandbox.write("vm5.json", &document("vm5", now(), &[machine("web10", "down", None, None), web.clone(), odd]));
    sandbox.write(
        "root@vm6.json",
        &document("vm6", now(), &[machine("web", "down", None, Some("bb")), json!("no machine")]),
    );
    let done = sandbox.run(&["list", "--all-hosts", "--answer-within", "20s"]);
    same(
        &done.stdout,
        "
HOST            NAME          STATE    UPTIME  CPUS  MEMORY  CPU%  RESTARTS  RECIPE
ssh://vm5       a\\u{1b}[31mb  foreign       -     -       -     -         -  -
ssh://vm5       web           running   1h02m     2      2G  12.5         0  /vm/web.rhai
ssh://vm5       web10         down          -     2      2G     -         0  /vm/web10.rhai
ssh://root@vm6  web           down          -     2      2G     -         0  /vm/web.rhai
",
    );
    let told = "
vmrun: ssh://gone cannot be asked: ssh: Could not resolve hostname gone: Name or service not known
vmrun: 10.89.0.7 cannot be asked: it is asked by screens alone, which do not tell what runs: write ssh://10.89.0.7
vmrun: the recipe of web, or what pins its libraries, is not the same on ssh://root@vm6 and ssh://vm5: compare them before it moves
";
    same(&done.stderr, told);
    assert_eq!(done.code, 0);

    // It runs on both; a host that is asked by two names is one host.
    sandbox.write("root@vm6.json", &document("vm6", now(), &[machine("web", "running", Some(7), Some("aa"))]));
    sandbox.write("again.json", &sandbox.read("vm5.json"));
    let hosts = "ssh://vm5,ssh://again,ssh://root@vm6";
    let twice = sandbox.run(&["list", "--hosts", hosts, "--json", "--answer-within", "20s"]);
    same(
        &twice.stderr,
        "
error: web runs on 2 hosts: ssh://vm5 and ssh://root@vm6
 |
 = hint: stop all but one at once: a disk that two machines write to is lost
",
    );
    assert_eq!(twice.code, 4);
    let json: Value = serde_json::from_str(&twice.stdout).unwrap();
    assert_eq!(json["twice"], json!([{ "name": "web", "hosts": ["ssh://vm5", "ssh://root@vm6"] }]));
    assert_eq!((&json["drifted"], &json["silent"]), (&json!([]), &json!([])));
    assert_eq!((&json["hosts"][0]["name"], &json["hosts"][0]["host"]), (&json!("ssh://vm5"), &json!("vm5")));
    assert_eq!(json["hosts"][0]["machines"][1], web);
}

#[test]
fn hosts_that_write_files_are_known_by_these_until_they_are_old() {
    let sandbox = with_ssh();
    let folder = sandbox.path("told");
    std::fs::create_dir(&folder).unwrap();
    std::fs::create_dir_all(sandbox.path("recipes")).unwrap();
    sandbox.write("recipes/web.rhai", "bhyve(#{ name: \"web\", bootrom: uefi(), slots: #{ \"31\": lpc() } }).run();\n");
    sandbox.write("told/vm5.json", &document("vm5", now() - 60, &[machine("web", "running", Some(7), None)]));
    sandbox.write("told/vm6.json", &document("vm6", now() - 7300, &[machine("web", "running", Some(8), None)]));
    sandbox.write("told/vm7.json", "half a fi");
    sandbox.write("told/vm9.json", &document("vm9", now() + 7200, &[machine("web", "running", Some(9), None)]));
    let hosts = format!("file://{}", folder.display());
    let done = sandbox.run(&["list", "--hosts", &hosts]);
    same(
        &done.stdout,
        "
HOST  NAME  STATE    UPTIME  CPUS  MEMORY  CPU%  RESTARTS  RECIPE
vm5   web   running   1h02m     2      2G  12.5         0  /vm/web.rhai
vm6   web   unknown   1h02m     2      2G  12.5         0  /vm/web.rhai
vm9   web   unknown   1h02m     2      2G  12.5         0  /vm/web.rhai
",
    );
    let known = "has written its file 73";
    let (before, after) = done.stderr.split_once(known).unwrap_or_else(|| panic!("{}", done.stderr));
    // A second or two may pass.
    same(
        &format!("{before}{known}{}", &after[2..]),
        "
vmrun: file://[tmp]/told/vm7.json cannot be asked: it is no list of machines, as `vmrun list --json --out FILE` writes it
vmrun: vm6 has written its file 73s ago: what it runs now is not known
vmrun: vm9 has written its file at a time that is still to come, by its clock or by ours: what it runs now is not known
",
    );
    assert_eq!(done.code, 0);
    let found = sandbox.run(&["find", "web", "--hosts", &hosts]);
    assert_eq!((found.code, found.stdout.as_str()), (0, "web\tfile://[tmp]/told/vm5.json\t-\n"), "{}", found.stderr);
    // A second or two may pass.
    let old = "it has written its file 73";
    assert!(found.stderr.contains(old), "{}", found.stderr);

    // A machine of which this host has no recipe is found too, and nobody gets there by a file.
    let lab = document("vm8", now(), &[machine("lab", "running", Some(7), None)]);
    sandbox.write("told/vm8.json", &lab);
    let hosts = format!("file://{}", folder.join("vm8.json").display());
    let found = sandbox.run(&["find", "lab", "--hosts", &hosts]);
    assert_eq!((found.code, found.stdout.as_str()), (0, "lab\tfile://[tmp]/told/vm8.json\t-\n"), "{}", found.stderr);
    same(
        &sandbox.run(&["console", "lab", "--hosts", &hosts]).stderr,
        "
error: lab runs on file://[tmp]/told/vm8.json, which is not asked by ssh
 |
 = hint: name it as ssh://HOST in `hosts`, or by --hosts, to get there
",
    );

    // What this host writes, another one reads.
    let own = sandbox.path("told/own.json").display().to_string();
    let written = sandbox.run(&["list", "--json", "--out", &own]);
    assert_eq!((written.code, written.stdout.as_str(), written.stderr.as_str()), (0, "", ""));
    let read = sandbox.run(&["list", "--hosts", &format!("file://{own}")]);
    assert_eq!((read.code, read.stderr.as_str()), (0, "vmrun: there is no machine on these hosts\n"));
}

#[test]
fn a_recipe_that_differs_between_hosts_is_told() {
    let sandbox = with_ssh();
    for host in ["vm5", "vm6"] {
        std::fs::create_dir_all(sandbox.path(&format!("{host}/recipes"))).unwrap();
        let recipes = sandbox.path(&format!("{host}/recipes")).display().to_string();
        sandbox.write(&format!("{host}/config.toml"), &format!("recipes = [\"{recipes}\"]\n"));
        let recipe = "import \"./size\" as size;\nbhyve(#{ name: \"web\", memory: size::MEMORY, slots: #{ \"31\": lpc() } }).run();\n";
        sandbox.write(&format!("{host}/recipes/web.rhai"), recipe);
        sandbox.write(&format!("{host}/recipes/size.rhai"), "export const MEMORY = 1.GiB;\n");
    }
    let list = || {
        let done = sandbox.run(&["list", "--all", "--hosts", "ssh://vm5,ssh://vm6", "--answer-within", "60s"]);
        (done.stdout, done.stderr, done.code)
    };
    let (table, told, code) = list();
    same(
        &table,
        "
HOST       NAME  STATE  UPTIME  CPUS  MEMORY  CPU%  RESTARTS  RECIPE
ssh://vm5  web   down        -     -       -     -         -  [tmp]/vm5/recipes/web.rhai
ssh://vm6  web   down        -     -       -     -         -  [tmp]/vm6/recipes/web.rhai
",
    );
    assert_eq!((told.as_str(), code), ("", 0));
    // The text of the recipe itself is the same.
    sandbox.write("vm6/recipes/size.rhai", "export const MEMORY = 2.GiB;\n");
    let (_, told, code) = list();
    same(
        &told,
        "vmrun: the recipe of web, or what pins its libraries, is not the same on ssh://vm5 and ssh://vm6: compare them before it moves\n",
    );
    assert_eq!(code, 0);
}

#[test]
fn whom_nobody_can_ask_is_told_with_the_way_out() {
    let sandbox = with_ssh();
    let said = |args: &[&str]| {
        let done = sandbox.run(args);
        assert_eq!((done.code, done.stdout.as_str()), (2, ""), "{}", done.stderr);
        done.stderr
    };
    same(
        &[said(&["list", "--all-hosts"]), said(&["list", "--hosts", "file://vm5.json"])].join("\n"),
        "
error: no other host is known
 |
 = hint: name them in config.toml, as hosts = [\"ssh://vm5\", \"ssh://vm6\"], or by --hosts

error: \"file://vm5.json\" is not the file of a host
 |
 = hint: write file:// and the path from the root on, as file:///srv/vmrun/vm5.json, or that of their folder
",
    );
}

#[test]
fn whoever_watches_many_hosts_sees_what_each_carries_and_the_busiest_machines() {
    let sandbox = with_ssh();
    let mut busy = machine("busy", "running", Some(8), None);
    busy["cpu"] = json!(150.5);
    sandbox.write(
        "vm5.json",
        &document("vm5", now(), &[machine("a", "running", Some(7), None), machine("b", "down", None, None)]),
    );
    sandbox.write("vm6.json", &document("vm6", now(), &[busy, machine("a", "running", Some(9), None)]));
    for words in ["top --all-hosts", "list --watch"] {
        let mut terminal = Terminal::new();
        let script =
            format!("stty cols 100 rows 24; exec vmrun {words} --hosts ssh://vm5,ssh://vm6 --answer-within 20s");
        let mut command = sandbox.shell(&script);
        let child = terminal.start(command.env("TERM", "xterm").env("LC_ALL", "C.UTF-8"));
        let shown = terminal.shows("leaves", Duration::from_secs(30));
        // Only what differs from a blank is written: 163.0 is what vm6 carries, and the busiest machine stands first.
        let wanted: &[&str] =
            if words.starts_with("top") { &["MACHINES", "163.0", "busy", "150.5"] } else { &["down", "busy"] };
        let mut rest = shown.as_str();
        for text in wanted.iter().chain(&["runs"]) {
            rest = rest.split_once(text).unwrap_or_else(|| panic!("{text}: {shown}")).1;
        }
        terminal.types("q");
        assert!(terminal.ends(child).0.success());
    }
}
