//! What stands beside the program for those who run many of them: what periodic(8), pipelines and Prometheus are given.

use super::host::{Host, ended, kill};
use super::sandbox::{Sandbox, project, same};
use super::shown::table;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

/// The names of numbers in a text.
fn numbers(text: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
    let words = text.split(|c: char| !is_part(c));
    words
        .filter(|word| {
            word.starts_with("vmrun_machine_") || word.starts_with("vmrun_net_") || word.starts_with("vmrun_disk_")
        })
        .collect()
}

#[test]
fn alerts_and_the_dashboard_ask_for_nothing_but_what_is_told() {
    let told = fs::read_to_string(project("src/ops/metrics.rs")).unwrap();
    for file in ["prometheus/vmrun.rules.yml", "prometheus/vmrun.test.yml", "grafana/vmrun.json"] {
        let text = fs::read_to_string(project("packaging") + "/" + file).unwrap();
        let asked = numbers(&text);
        assert!(asked.len() >= 5, "{file}: {asked:?}");
        for name in asked {
            assert!(told.contains(&format!("\"{name}\"")), "{file} asks for {name}");
        }
    }
    let dashboard: Value =
        serde_json::from_str(&fs::read_to_string(project("packaging/grafana/vmrun.json")).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
}

#[test]
fn periodic_tells_root_what_is_to_be_done_and_is_silent_unless_asked() {
    let host = Host::new("run\nrun\n");
    let script = project("packaging/periodic/400.vmrun");
    let vmrun = env!("CARGO_BIN_EXE_vmrun");
    let daily = |enable: &str, program: &str| {
        let mut command = host.program("sh", &[&script]);
        let done = host.finish(command.env("daily_vmrun_enable", enable).env("daily_vmrun_program", program));
        (done.code, done.stdout, done.stderr)
    };
    assert_eq!(daily("NO", vmrun), (0, String::new(), String::new()));
    let (code, said, _) = daily("YES", vmrun);
    assert_eq!((code, said.as_str()), (1, "\nVirtual machines of vmrun:\nvmrun: there is no machine on this host\n"));
    host.recipe("db", "");
    assert_eq!(host.run(&["start", "db.rhai"]).code, 0);
    assert_eq!(daily("yes", vmrun).0, 1);
    let status = host.status("db").unwrap();
    kill(status.supervisor.unwrap());
    kill(status.guest.unwrap());
    let (code, said, _) = daily("YES", vmrun);
    assert_eq!(code, 3);
    same(
        &table(&said, &[]),
        "
Virtual machines of vmrun:
NAME STATE PID UPTIME CPUS MEMORY CPU% VNC RESTARTS RECIPE
db left - - 1 256M - - 0 [tmp]/db.rhai
vmrun: db was left by a run that is dead; `vmrun gc` gives back what it took

`vmrun gc` would give back:
# db was left by vmrun [pid], of [tmp]/db.rhai, since [when]
bhyvectl --destroy --vm=db
ifconfig tap1 destroy
rm -rf [tmp]/state/db [tmp]/state/.db.secrets [tmp]/state/.db.lock
",
    );
    let (code, _, said) = daily("YES", "/no/vmrun");
    assert_eq!(code, 2);
    same(&said, "/no/vmrun is no program: correct daily_vmrun_program in /etc/periodic.conf\n");
}

#[test]
fn a_pipeline_checks_and_tests_recipes_by_what_it_is_given() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("recipes")).unwrap();
    for name in ["install.rhai", "install_test.rhai"] {
        fs::copy(project("recipes") + "/" + name, sandbox.path("recipes").join(name)).unwrap();
    }
    let text = fs::read_to_string(project("packaging/gitlab/vmrun.yml")).unwrap();
    let lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("    - vmrun ")).collect();
    assert_eq!(lines.len(), 2);
    for line in lines {
        let line = format!("{} {line}", env!("CARGO_BIN_EXE_vmrun"));
        let mut command = sandbox.program("sh", &["-c", &line]);
        let done = sandbox.finish(command.env("RECIPES", "recipes").env("HOSTS", "freebsd-15.0 linux"));
        assert_eq!(done.code, 0, "{line}: {}", done.stderr);
    }
    let sarif: Value = serde_json::from_str(&sandbox.read("vmrun.sarif")).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    assert!(sandbox.read("vmrun-junit.xml").contains("tests=\"5\""), "{}", sandbox.read("vmrun-junit.xml"));
    // The action for GitHub runs the same two commands.
    let action = fs::read_to_string(project("packaging/github/action.yml")).unwrap();
    for words in ["check $(printf -- '--on %s ' $HOSTS) --format sarif $RECIPES", "test --junit"] {
        assert!(action.contains(words) && text.contains(words), "{words}");
    }
}

#[test]
fn a_hook_finds_what_is_wrong_before_it_is_committed() {
    let sandbox = Sandbox::new();
    for name in ["install.rhai", "install_test.rhai"] {
        fs::copy(project("recipes") + "/" + name, sandbox.path(name)).unwrap();
    }
    let hooks = fs::read_to_string(project(".pre-commit-hooks.yaml")).unwrap();
    let of = |key: &str| hooks.lines().filter_map(|line| line.trim().strip_prefix(key)).collect::<Vec<_>>();
    let (entries, files) = (of("entry: vmrun "), of("files: "));
    assert_eq!(files, ["\\.rhai$", "_test\\.rhai$"]);
    // It calls the entry with the names of files that match.
    let said = |entry: &str, files: &[&str]| {
        let done = sandbox.run(&[&[entry], files].concat());
        (done.code, format!("{}{}", done.stdout, done.stderr))
    };
    let [check, tries] = entries[..] else { panic!("{entries:?}") };
    // The pattern of the first has the tests, too.
    assert_eq!(said(check, &["install.rhai", "install_test.rhai"]).0, 0);
    assert_eq!(said(tries, &["install_test.rhai"]).0, 0);
    sandbox.write("wrong.rhai", "tpa(\"tap1\");\n");
    let (code, text) = said(check, &["install.rhai", "wrong.rhai"]);
    assert!(code == 1 && text.contains("did you mean `tap`?"), "{text}");
    sandbox.write("wrong_test.rhai", "fn test_this() { assert(1 == 2); }\n");
    assert_eq!(said(tries, &["wrong_test.rhai"]).0, 1);
}

#[test]
fn a_playbook_starts_what_does_not_run_and_nothing_twice() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    let text = fs::read_to_string(project("packaging/ansible/machines.yml")).unwrap();
    // A copy is checked in a folder of Ansible's own before it takes its place.
    assert!(text.contains("validate: vmrun check %s\n"), "{text}");
    fs::create_dir(host.path("ansible")).unwrap();
    fs::copy(host.path("db.rhai"), host.path("ansible/.source.rhai")).unwrap();
    assert_eq!(host.run(&["check", "ansible/.source.rhai"]).code, 0);
    let states = text.split_once("selectattr('state', 'in', [").unwrap().1.split_once(']').unwrap().0;
    let states: BTreeSet<&str> = states.split(", ").map(|state| state.trim_matches('\'')).collect();
    let pass = || {
        assert!(text.contains("command: vmrun list --json\n") && text.contains("command: \"vmrun start "), "{text}");
        let listed: Value = serde_json::from_str(&host.run(&["list", "--json"]).stdout).unwrap();
        let runs = |one: &&Value| one["name"] == "db" && states.contains(one["state"].as_str().unwrap());
        let is_changed = listed["machines"].as_array().unwrap().iter().find(runs).is_none();
        if is_changed {
            ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs\n");
        }
        is_changed
    };
    assert_eq!([pass(), pass(), pass()], [true, false, false]);
}
