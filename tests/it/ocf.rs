//! The resource agent of Pacemaker, on the fake FreeBSD: what it tells follows from exit codes, and is what a cluster may act on.

use super::host::{Host, kill, lives};
use super::sandbox::{Done, project, same};
use std::fs::{self, File};

const SUCCESS: i32 = 0;
const GENERIC: i32 = 1;
const UNIMPLEMENTED: i32 = 3;
const INSTALLED: i32 = 5;
const CONFIGURED: i32 = 6;
const NOT_RUNNING: i32 = 7;

/// Calls the agent as Pacemaker does, with the machine `db` unless parameters say otherwise.
fn agent(host: &Host, action: &str, params: &[(&str, &str)]) -> Done {
    let mut command = host.program("sh", &[&project("packaging/ocf/vmrun"), action]);
    command.env("OCF_RESKEY_recipe", host.path("db.rhai")).env("OCF_RESKEY_program", env!("CARGO_BIN_EXE_vmrun"));
    command.env("OCF_RESKEY_within", "5s").env("OCF_RESKEY_wait", "1s").env("OCF_RESKEY_CRM_meta_interval", "10000");
    for (name, value) in params {
        command.env(format!("OCF_RESKEY_{name}"), host.own(value));
    }
    host.finish(&mut command)
}

/// What the agent answers.
#[track_caller]
fn answers(host: &Host, action: &str, params: &[(&str, &str)], code: i32) {
    let done = agent(host, action, params);
    assert_eq!(done.code, code, "{action} {params:?}: {done:?}");
    assert_eq!(done.stdout, "", "{action} {params:?}");
}

#[test]
fn a_cluster_starts_watches_and_stops_a_machine() {
    let host = Host::new("run\nrun\nrun\n");
    host.recipe("db", "");
    answers(&host, "validate-all", &[], SUCCESS);
    answers(&host, "monitor", &[], NOT_RUNNING);
    // A node that never had it is asked to stop it, too.
    answers(&host, "stop", &[], SUCCESS);
    answers(&host, "start", &[], SUCCESS);
    answers(&host, "start", &[], SUCCESS);
    answers(&host, "monitor", &[], SUCCESS);
    let status = host.status("db").unwrap();
    // The supervisor is gone: who only looks changes nothing.
    kill(status.supervisor.unwrap());
    answers(&host, "monitor", &[("CRM_meta_interval", "0")], SUCCESS);
    assert_eq!(host.run(&["monitor", "db"]).code, 9);
    answers(&host, "monitor", &[("adopt", "false")], GENERIC);
    answers(&host, "monitor", &[], SUCCESS);
    let adopted = host.status("db").unwrap();
    assert_eq!((adopted.guest, adopted.boots), (status.guest, 1));
    assert_ne!(adopted.supervisor, status.supervisor);
    // The guest is gone as well.
    kill(adopted.supervisor.unwrap());
    kill(adopted.guest.unwrap());
    answers(&host, "monitor", &[], NOT_RUNNING);
    answers(&host, "stop", &[], SUCCESS);
    answers(&host, "start", &[], SUCCESS);
    answers(&host, "stop", &[], SUCCESS);
    answers(&host, "stop", &[], SUCCESS);
    answers(&host, "monitor", &[], NOT_RUNNING);
    answers(&host, "promote", &[], UNIMPLEMENTED);
    host.is_clean();
}

#[test]
fn what_is_wrong_everywhere_is_told_from_what_one_host_lacks_and_from_what_somebody_has() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    let text = fs::read_to_string(host.path("db.rhai")).unwrap();
    // Nobody else need try.
    for (param, value) in [
        ("recipe", ""),
        ("recipe", "db.rhai"),
        ("init", "once"),
        ("adopt", "perhaps"),
        ("within", "soon"),
        ("wait", "1d"),
    ] {
        answers(&host, "start", &[(param, value)], CONFIGURED);
        answers(&host, "validate-all", &[(param, value)], CONFIGURED);
    }
    host.write("db.rhai", "bogus(\n");
    answers(&host, "start", &[], CONFIGURED);
    answers(&host, "validate-all", &[], CONFIGURED);
    host.write("db.rhai", &text.replace("256.MiB", "\"much\""));
    answers(&host, "start", &[], CONFIGURED);
    // Others are tried: a bridge, a program, firmware, a disk, the recipe itself.
    host.write("db.rhai", &text.replace("bridge2", "bridge9"));
    answers(&host, "start", &[], INSTALLED);
    answers(&host, "validate-all", &[], SUCCESS);
    host.write("db.rhai", &text.replace("rom.fd", "none.fd"));
    answers(&host, "start", &[], INSTALLED);
    host.write("db.rhai", &text.replace("db.img", "none.img"));
    answers(&host, "start", &[], INSTALLED);
    answers(&host, "start", &[("recipe", "[tmp]/none.rhai")], INSTALLED);
    answers(&host, "validate-all", &[("recipe", "[tmp]/none.rhai")], INSTALLED);
    answers(&host, "start", &[("program", "[tmp]/none")], INSTALLED);
    answers(&host, "monitor", &[("program", "[tmp]/none")], INSTALLED);
    // Somebody has its disk, and may let go of it.
    host.write("db.rhai", &text);
    let image = File::open(host.path("vm/db.img")).unwrap();
    image.lock().unwrap();
    answers(&host, "start", &[], GENERIC);
    drop(image);
    // It cannot be told how it is: that is not "it does not run", and no success.
    fs::create_dir(host.path("state/.db.lock")).unwrap();
    answers(&host, "monitor", &[], GENERIC);
    answers(&host, "stop", &[], GENERIC);
    fs::remove_dir(host.path("state/.db.lock")).unwrap();
    host.is_clean();
}

#[test]
fn a_machine_that_does_not_go_down_in_time_is_not_told_to_be_down() {
    let host = Host::new("deaf\n");
    host.recipe("db", "");
    answers(&host, "start", &[], SUCCESS);
    let status = host.status("db").unwrap();
    let signal = |name: &str| {
        let pid = status.supervisor.unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    };
    signal("STOP");
    let done = agent(&host, "stop", &[("within", "1s")]);
    assert_eq!(done.code, GENERIC, "{done:?}");
    let asked: Vec<&str> = done.stderr.lines().filter(|line| line.starts_with("vmrun resource agent: ")).collect();
    same(
        &asked.join("\n"),
        "vmrun resource agent: db is not down: asked 1 of 3 times
vmrun resource agent: db is not down: asked 2 of 3 times
vmrun resource agent: db is not down: asked 3 of 3 times",
    );
    assert!(lives(status.guest.unwrap()));
    signal("CONT");
    answers(&host, "stop", &[("within", "1s")], SUCCESS);
    assert!(!lives(status.guest.unwrap()));
    host.is_clean();
}

#[test]
fn parameters_of_the_recipe_are_words() {
    let host = Host::new("run\n");
    host.recipe("db", "let size = param(\"size\", 1);\nlet glob = param(\"glob\", \"\");\n");
    let set = [("set", "size=7 glob=*")];
    answers(&host, "start", &set, SUCCESS);
    assert_eq!(host.status("db").unwrap().params, [("glob".into(), "*".into()), ("size".into(), "7".into())].into());
    answers(&host, "start", &set, SUCCESS);
    answers(&host, "start", &[("set", "size=8")], GENERIC);
    answers(&host, "stop", &set, SUCCESS);
    host.is_clean();
}

#[test]
fn a_recipe_that_boots_a_machine_of_another_name_is_refused_before_it_runs() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    // What ran under a name that is not looked for would run on the next node, too.
    let done = agent(&host, "start", &[("name", "other")]);
    assert_eq!(done.code, CONFIGURED);
    same(
        &host.own(&done.stderr),
        &host.own(
            "error: the recipe [tmp]/db.rhai boots the machine db, not other
 |
 = hint: say --name=db, or give the recipe of other
ocf-exit-reason:the recipe [tmp]/db.rhai boots the machine db, not other
",
        ),
    );
    assert!(host.status("db").is_none());
    host.is_clean();
    // One that runs already is not taken for it, either.
    answers(&host, "start", &[], SUCCESS);
    answers(&host, "start", &[("name", "other")], CONFIGURED);
    answers(&host, "monitor", &[], SUCCESS);
    answers(&host, "stop", &[], SUCCESS);
    host.is_clean();
}

#[test]
fn a_resource_is_one_machine_of_a_recipe_that_is_of_several() {
    let host = Host::new("run\nrun\n");
    let machine = "name: `worker${n}`, cpus: 1, memory: 256.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\")";
    let slots = "slots: #{ \"0\": hostbridge(), \"31\": lpc() }";
    host.write("worker.rhai", &format!("let n = instance(1..=3);\nbhyve(#{{ {machine}, {slots} }}).run();\n"));
    let two: &[(&str, &str)] = &[("recipe", "[tmp]/worker.rhai[2]")];
    answers(&host, "validate-all", two, SUCCESS);
    answers(&host, "monitor", two, NOT_RUNNING);
    answers(&host, "start", two, SUCCESS);
    answers(&host, "start", two, SUCCESS);
    assert_eq!(host.run(&["monitor", "worker2"]).code, 0);
    answers(&host, "monitor", two, SUCCESS);
    answers(&host, "monitor", &[("recipe", "[tmp]/worker.rhai[1]")], NOT_RUNNING);
    answers(&host, "stop", two, SUCCESS);
    answers(&host, "monitor", two, NOT_RUNNING);
    for recipe in ["[tmp]/worker.rhai[4]", "[tmp]/worker.rhai[1,2]", "[tmp]/worker.rhai[1..=2]", "[tmp]/worker.rhai[]"]
    {
        answers(&host, "start", &[("recipe", recipe)], CONFIGURED);
    }
    host.is_clean();
}

/// What is told as the reason of a failure.
fn reason(host: &Host, action: &str, params: &[(&str, &str)]) -> String {
    let said = agent(host, action, params).stderr;
    let reasons: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("ocf-exit-reason:")).collect();
    host.own(&reasons.join("\n"))
}

#[test]
fn the_reason_of_a_failure_is_told_to_the_cluster() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    let tmp = host.path("").display().to_string();
    let tmp = tmp.trim_end_matches('/');
    let is = |action: &str, params: &[(&str, &str)], text: &str| {
        same(&reason(&host, action, params), &host.own(&text.replace("[tmp]", tmp)));
    };
    is("start", &[("recipe", "")], "the parameter recipe is missing");
    is("start", &[("recipe", "[tmp]/none.rhai")], "there is no recipe [tmp]/none.rhai on this host");
    is("start", &[("recipe", "db.rhai")], "recipe=db.rhai is no path of a recipe from the root on: /path/NAME.rhai");
    is("start", &[("recipe", "/w.rhai[1,2]")], "recipe=/w.rhai[1,2] is several machines, and a resource is one");
    is("start", &[("wait", "1d")], "1d is no time: 60s, 2m");
    is("start", &[("adopt", "perhaps")], "adopt=perhaps is neither true nor false");
    is("monitor", &[("program", "/none")], "there is no program /none on this host");
    // To look is no failure.
    is("monitor", &[], "");
    let image = File::open(host.path("vm/db.img")).unwrap();
    image.lock().unwrap();
    is("start", &[], "[tmp]/vm/db.img is in use by another vmrun or its guest");
    drop(image);
    fs::create_dir(host.path("state/.db.lock")).unwrap();
    assert!(reason(&host, "monitor", &[]).contains(".db.lock"));
    fs::remove_dir(host.path("state/.db.lock")).unwrap();
    host.is_clean();
}

/// The blocks of commands of the page on Pacemaker, each line without its continuation.
fn documented() -> Vec<String> {
    let page = fs::read_to_string(project("docs/pacemaker.md")).unwrap();
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(|block| block.replace("\\\n", " ").lines().map(String::from).collect::<Vec<_>>()).collect()
}

#[test]
fn the_page_on_pacemaker_gives_the_agent_parameters_that_it_has() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    let meta = agent(&host, "meta-data", &[]).stdout;
    let known = |name: &str| meta.contains(&format!("<parameter name=\"{name}\" "));
    let commands = documented();
    let resources: Vec<&String> = commands.iter().filter(|line| line.contains("ocf:vmrun:vmrun")).collect();
    assert_eq!(resources.len(), 2, "pcs and crm: {commands:#?}");
    let mut given = Vec::new();
    for line in resources {
        let (_, rest) = line.split_once("ocf:vmrun:vmrun").unwrap();
        let rest = rest.split(" op ").next().unwrap();
        let params: Vec<(&str, &str)> = rest.split_whitespace().filter_map(|word| word.split_once('=')).collect();
        assert!(params.len() >= 3 && params.iter().all(|(name, _)| known(name)), "{params:?}");
        given.push(params);
        // A stop has to be longer than all that the guest gets, three times.
        assert!(line.contains("stop timeout=90s") || line.contains("op stop timeout=90s"), "{line}");
    }
    assert_eq!(given[0], given[1]);
    // With these values the agent works; only where things lie is the test's own.
    let own: Vec<(&str, &str)> = given[0].iter().filter(|(name, _)| *name != "recipe").copied().collect();
    answers(&host, "start", &own, SUCCESS);
    answers(&host, "monitor", &own, SUCCESS);
    answers(&host, "stop", &own, SUCCESS);
    host.is_clean();
}
