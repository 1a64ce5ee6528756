//! What `vmrun record` writes of the commands that scripts prepare their machines with.

use crate::golden;
use crate::sandbox::{Done, Sandbox, project, same};
use std::fs;
use std::path::Path;

const BHYVE: &str = "bhyve -c 1 -m 1G -s 0,hostbridge -s 2,virtio-net,tap0 -s 31,lpc -l bootrom,/fw.fd a";

fn record(sandbox: &Sandbox, args: &[&str]) -> Done {
    fs::create_dir_all(sandbox.path("tmp")).unwrap();
    let mut command = sandbox.command(&[&["record", "--on", "freebsd-14.3"], args].concat());
    sandbox.finish(command.env("TMPDIR", sandbox.path("tmp")))
}

/// What stands before the machine in the recipe of these lines and a bhyve, which `vmrun check` has nothing against.
fn before(lines: &str) -> String {
    of(&format!("#!/bin/sh\n{lines}\n{BHYVE}\n"))
}

fn of(script: &str) -> String {
    let sandbox = Sandbox::new();
    sandbox.write("s.sh", script);
    let done = record(&sandbox, &["--", "sh", "s.sh"]);
    assert!(done.code == 0 && done.stderr.ends_with("vmrun: same machine, same commands\n"), "{script}{}", done.stderr);
    sandbox.write("made.rhai", &done.stdout);
    let checked = sandbox.finish(&mut sandbox.command(&["check", "--on", "freebsd-14.3", "made.rhai"]));
    assert_eq!(checked.code, 0, "{}\n{}", done.stdout, checked.stderr);
    let text = done.stdout.replace("// Made from what `sh s.sh` called.\n", "").replace(ENDS, "");
    text.split("\nbhyve(#{").next().unwrap().trim().to_string()
}

/// What is said of a script that boots its machine once.
const ENDS: &str =
    "// The script ends when the guest reboots; vmrun starts it again, with `init` false, until it powers off.\n";

#[test]
fn the_scripts_of_the_field_become_recipes() {
    let folder = project("tests/fixtures/record/field");
    let mut names: Vec<String> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| Path::new(name).extension().is_some_and(|kind| kind == "sh"));
    names.sort();
    let mut files = Vec::new();
    for name in names {
        let sandbox = Sandbox::new();
        for file in [name.as_str(), "rec-k.conf"] {
            // In /tmp there may be a file of somebody else by that name, which the script may not write.
            sandbox.write(file, &fs::read_to_string(format!("{folder}/{file}")).unwrap().replace("/tmp/", "[tmp]/"));
        }
        let more: &[&str] = if name == "getopts-init.sh" { &["{}", "alpha"] } else { &[] };
        let init: &[&str] = if more.is_empty() { &[] } else { &["--init-args", "-i -I /iso/x.iso"] };
        let done = record(&sandbox, &[init, &["--", "sh", &name], more].concat());
        assert!(
            done.code == 0 && done.stderr.ends_with("vmrun: same machine, same commands\n"),
            "{name}: {}",
            done.stderr
        );
        sandbox.write("made.rhai", &done.stdout);
        let checked = sandbox.finish(&mut sandbox.command(&["check", "--on", "freebsd-14.3", "made.rhai"]));
        assert_eq!(checked.code, 0, "{name}: {}", checked.stderr);
        files.push((format!("tests/fixtures/record/field/{name}.rhai"), done.stdout));
    }
    golden::check(files);
}

/// What is told, in which a random number of 36 letters after `/vm/` is `ID`.
fn without_ids(text: &str) -> String {
    let mut parts = text.split("/vm/");
    let first = parts.next().unwrap().to_string();
    parts.fold(first, |text, part| text + "/vm/ID" + part.get(36..).unwrap())
}

#[test]
fn calls_that_differ_with_the_same_answers_are_told() {
    let sandbox = Sandbox::new();
    sandbox.write("s.sh", &format!("read id </proc/sys/kernel/random/uuid\ntruncate -s 1G /vm/$id\n{BHYVE}\n"));
    let done = record(&sandbox, &["--", "sh", "s.sh"]);
    let called = "with the same answers the script called `truncate -s 1G /vm/ID` once and `truncate -s 1G /vm/ID` the next time";
    let hint = " |\n = hint: the recipe is of the first time: let what runs in the background be waited for, and what is new each time stand \
                in the recipe as a parameter";
    same(&without_ids(&done.stderr), &format!("error: {called}\n{hint}"));
    let text = without_ids(&done.stdout).replace("\n// ", " ");
    assert!(text.starts_with(&format!("// Made from what `sh s.sh` called. NOT DERIVED: {called}.")), "{text}");
    assert_eq!(done.code, 1);
    let done = record(&sandbox, &["--transcript", "--", "sh", "s.sh"]);
    same(&without_ids(&done.stderr), &format!("warning: {called}\n{hint}"));
    assert_eq!(done.code, 0);
    // Nothing is derived of what differs anyway.
    sandbox.write(
        "s.sh",
        &format!("read id </proc/sys/kernel/random/uuid\ntruncate -s 1G /vm/$id\nif {BHYVE}; then :; fi\n"),
    );
    let done = record(&sandbox, &["--", "sh", "s.sh"]);
    same(&without_ids(&done.stderr), &format!("error: {called}\n{hint}"));
}

/// What is told of a script, and the head of its recipe: what stands before the machine.
fn head(script: &str, code: i32) -> (String, String) {
    let sandbox = Sandbox::new();
    sandbox.write("s.sh", script);
    let done = record(&sandbox, &["--", "sh", "s.sh"]);
    assert_eq!(done.code, code, "{script}{}{}", done.stdout, done.stderr);
    if code == 0 {
        same(&done.stderr, "vmrun: same machine, same commands");
    }
    let text = done.stdout.replace("// Made from what `sh s.sh` called.\n", "");
    (done.stderr, text.split("\nbhyve(#{").next().unwrap().trim().to_string())
}

#[test]
fn after_which_ends_a_script_starts_its_machine_again_is_found_by_recording_each() {
    let ends = ENDS.trim_end();
    let again = |ends: &str, on: &str| {
        let ever = "for ever; vmrun ends that after 5 times within 10m, where `limit` says nothing.";
        format!("// After {ends} the script starts the machine again, {ever}\n\nrestart(#{{ on: [{on}] }});")
    };
    let cases = [
        (BHYVE.to_string(), ends.to_string()),
        (format!("if {BHYVE}; then echo rebooted; fi"), ends.into()),
        (format!("while {BHYVE}; do :; done"), String::new()),
        (format!("while :; do {BHYVE}; [ $? -gt 0 ] && break; done"), String::new()),
        (format!("{BHYVE} && exec sh $0\nexit 0"), String::new()),
        (format!("until {BHYVE} || [ $? -lt 3 ]; do :; done"), again("a crash", "\"crash\"")),
        (
            format!("while :; do {BHYVE}; case $? in 1|2) break;; esac; done"),
            again("a reboot and a crash", "\"reboot\", \"crash\""),
        ),
        (
            format!("while :; do\n{BHYVE}\n[ $? -eq 2 ] && exit 0\nbhyvectl --destroy --vm=a\ndone"),
            again("a reboot, a power off and a crash", "\"reboot\", \"poweroff\", \"crash\""),
        ),
        (
            format!("while :; do {BHYVE}; done"),
            again("a reboot, a power off, a halt and a crash", "\"reboot\", \"poweroff\", \"halt\", \"crash\""),
        ),
        (
            format!("daemon -r -P /run/a.pid {BHYVE}"),
            format!(
                "// The script runs it by `daemon`: `vmrun start` keeps it in the background instead.\n{}",
                again("a reboot, a power off, a halt and a crash", "\"reboot\", \"poweroff\", \"halt\", \"crash\"")
                    .replace("\"crash\"] });", "\"crash\"], delay: \"1s\", backoff: 1.0 });")
            ),
        ),
        (
            format!("daemon -p /run/a.pid -R 15 {BHYVE}"),
            format!(
                "// The script runs it by `daemon`: `vmrun start` keeps it in the background instead.\n{}",
                again("a reboot, a power off, a halt and a crash", "\"reboot\", \"poweroff\", \"halt\", \"crash\"")
                    .replace("\"crash\"] });", "\"crash\"], delay: \"15s\", backoff: 1.0 });")
            ),
        ),
    ];
    for (lines, expected) in cases {
        let text = head(&format!("#!/bin/sh\n{lines}\n"), 0).1;
        same(&text.replace("\n// ", " "), &expected.replace("\n// ", " "));
    }
}

#[test]
fn an_end_after_which_a_script_does_what_a_recipe_cannot_say_is_told() {
    let (told, text) = head(
        &format!(
            "#!/bin/sh\nwhile :; do\n{BHYVE}\ncase $? in\n0|3) ;;\n4) zfs rollback z/a@b; exit 4 ;;\n*) break ;;\nesac\ndone\n"
        ),
        1,
    );
    same(
        &told,
        "\
error: the script starts the machine again after bhyve's status 3 and not after 4, which are both `crash` in a recipe
 |
 = hint: write `restart(#{ on: [\"crash\"] })` into the recipe if it may be started after either
error: after bhyve's status 4 the script calls `zfs rollback z/a@b`, which the recipe does not
 |
 = hint: what is done after an end alone stands in a recipe as `on(\"failed\", |e| …)`, or after `.run()` under an `if`",
    );
    same(
        &text,
        "\
// NOT DERIVED: the script starts the machine again after bhyve's status 3 and not after 4, which are both
// `crash` in a recipe.
// NOT DERIVED: after bhyve's status 4 the script calls `zfs rollback z/a@b`, which the recipe does not.",
    );
    let (told, text) = head(
        &format!(
            "#!/bin/sh\nzfs rollback z/a@b\n{BHYVE} && bhyve -c 2 -m 1G -s 0,hostbridge -s 31,lpc -l bootrom,/fw.fd a\nexit 0\n"
        ),
        1,
    );
    let own = "after a reboot the script starts the machine in a way of its own, and vmrun with `init` false";
    same(
        &told,
        &format!(
            "\
error: {own}
 |
 = hint: what differs may stand under `if init`, or be a recipe of its own
error: after bhyve's status 0 at boot 2, the recipe's machine is another one: cpus: 2, not 1
error: after bhyve's status 0 at boot 2, the recipe's machine is another one: sockets: 2, not 1
error: after bhyve's status 0 at boot 2, the recipe's machine is another one: only there: pci.0.2.0.backend=tap0
error: after bhyve's status 0 at boot 2, the recipe's machine is another one: only there: pci.0.2.0.device=virtio-net"
        ),
    );
    assert!(text.starts_with(&format!("// NOT DERIVED: {own}.\n")), "{text}");
}

#[test]
fn what_a_script_does_only_where_something_is_missing_is_done_once() {
    let once = "    // Once: the script does so only where something is missing.\n";
    let there = "    // Once: a second start would find it there.\n";
    let cases = [
        (
            "if ! zfs list z/a >/dev/null 2>&1; then zfs create z/a; service zfsd restart; fi\nsysctl a=1",
            format!(
                "if init {{\n{there}    run(\"zfs\", [\"create\", \"z/a\"]);\n{once}    run(\"service\", [\"zfsd\", \"restart\"]);\n}}\n\n\
                 run(\"sysctl\", [\"a=1\"]);"
            ),
        ),
        (
            "ifconfig tap7 >/dev/null 2>&1 || { sysctl a=1; sysctl b=2; }",
            format!("if init {{\n{once}    run(\"sysctl\", [\"a=1\"]);\n    run(\"sysctl\", [\"b=2\"]);\n}}"),
        ),
        (
            "ifconfig tap0 >/dev/null 2>&1 && ifconfig tap0 destroy\nifconfig tap0 create",
            "let nic = tap(\"tap0\");".into(),
        ),
        ("ifconfig tap7 >/dev/null 2>&1 && exit 1", String::new()),
        (
            // What is there already need not be up.
            "ifconfig bridge5 >/dev/null 2>&1 || ifconfig bridge5 create\nifconfig bridge5 addm em0 up",
            "// bridge5 goes away when the run ends; one that machines share is made by `vmrun network up`.\nlet net = bridge(\"bridge5\", #{ create: true });\n\
             net.add(\"em0\");\nifconfig([\"bridge5\", \"up\"]);".into(),
        ),
        (
            "ifconfig em0.7 >/dev/null 2>&1 || { ifconfig em0.7 create; ifconfig em0.7 up; }",
            "vlan(\"em0\", 7);".into(),
        ),
    ];
    for (lines, expected) in cases {
        same(&before(lines), &expected);
    }
    let (told, text) = head(&format!("#!/bin/sh\nzfs list z/a@b >/dev/null 2>&1 && zfs rollback z/a@b\n{BHYVE}\n"), 1);
    let what =
        "where `zfs list z/a@b` finds something the script calls `zfs rollback z/a@b`, and the recipe never does";
    let hint = "record where it is there, by `--answer`, or write it into the recipe, in `try { … } catch { }`";
    same(
        told.split_once("does not exist\n").map_or(told.as_str(), |(_, told)| told),
        &format!("error: {what}\n |\n = hint: {hint}"),
    );
    assert!(text.replace("\n// ", " ").starts_with(&format!("// NOT DERIVED: {what}.")), "{text}");
}

#[test]
fn a_script_that_boots_more_than_once_is_told_what_its_recipe_does() {
    let of = |name: &str| format!("bhyve -c 1 -m 1G -s 0,hostbridge -s 31,lpc -l bootrom,/fw.fd {name}");
    let twice = "the script boots a 2 times, one after the other: when it reboots vmrun begins at the first again";
    let cases = [(
        format!("{}\n{}", of("a"), of("a")),
        twice,
        "let each boot be a recipe of its own, or stand under `if init`",
    )];
    for (lines, expected, hint) in cases {
        let (told, text) = head(&format!("#!/bin/sh\n{lines}\nexit 0\n"), 1);
        same(&told, &format!("error: {expected}\n |\n = hint: {hint}"));
        let text = text.replace("\n// ", " ");
        assert!(text.starts_with(&format!("// NOT DERIVED: {expected}. ")), "{text}");
    }
}

#[test]
fn each_form_of_ifconfig_becomes_a_word() {
    let gone = "// bridge7 goes away when the run ends; one that machines share is made by `vmrun network up`.\n";
    let cases: &[(&str, &str)] = &[
        ("ifconfig bridge7 create", &format!("{gone}bridge(\"bridge7\", #{{ create: true }});")),
        ("ifconfig bridge create name bridge7 up", &format!("{gone}bridge(\"bridge7\", #{{ create: true }});")),
        (
            "ifconfig bridge7 create mtu 9000 description lab inet 10.0.0.1 netmask 255.255.255.0\nifconfig bridge7 inet 10.0.1.1/24 alias up",
            &format!(
                "{gone}bridge(\"bridge7\", #{{ create: true, address: [\"10.0.0.1/24\", \"10.0.1.1/24\"], mtu: 9000, description: \"lab\" }});"
            ),
        ),
        ("ifconfig em0.30 create", "vlan(\"em0\", 30);"),
        ("ifconfig vlan7 create vlan 30 vlandev em0 up", "vlan(\"em0\", 30, #{ name: \"vlan7\" });"),
        ("ifconfig epair create", "epair(\"epair0\");"),
        (
            "e=$(ifconfig epair create)\nifconfig bridge2 addm $e up",
            "let pair = epair(\"epair0\");\nbridge(\"bridge2\").add(pair.a);\nifconfig([\"bridge2\", \"up\"]);",
        ),
        ("ifconfig tap0 create up", "let nic = tap(\"tap0\");"),
        ("ifconfig tap0 create mtu 9000", "let nic = tap(\"tap0\", #{ mtu: 9000 });"),
        (
            "ifconfig tap0 create group vms description web\nifconfig tap0 mtu 9000 up",
            "let nic = tap(\"tap0\", #{ mtu: 9000, description: \"web\" });\nifconfig([\"tap0\", \"group\", \"vms\"]);",
        ),
        ("ifconfig tap0 destroy 2>/dev/null\nifconfig tap0 create", "let nic = tap(\"tap0\");"),
        (
            "ifconfig tap0 create\nifconfig bridge0 addm em0 addm tap0 private tap0 up",
            "let nic = tap(\"tap0\");\nbridge(\"bridge0\").add(\"em0\");\nbridge(\"bridge0\").add(nic, #{ \"private\": true });\nifconfig([\"bridge0\", \"up\"]);",
        ),
        (
            "ifconfig bridge0 deletem tap0\nifconfig tap0 create\nifconfig bridge0 addm tap0",
            "let nic = tap(\"tap0\");\nbridge(\"bridge0\").add(nic);",
        ),
        (
            "ifconfig tap9 destroy",
            "// tap9 is taken away if it is there.\ntry { ifconfig([\"tap9\", \"destroy\"]); } catch { }",
        ),
    ];
    for (lines, expected) in cases {
        same(&before(lines), expected);
    }
}

#[test]
fn other_commands_are_said_so_that_every_start_can_stand_them() {
    let once = "// Once: a second start would find it there.\n";
    let cases: &[(&str, &str)] = &[
        ("kldload vmm", "run(\"kldload\", [\"-n\", \"vmm\"]);"),
        ("kldload -n vmm nmdm", "run(\"kldload\", [\"-n\", \"vmm\", \"nmdm\"]);"),
        ("kldstat -q -m vmm || kldload vmm", "run(\"kldload\", [\"-n\", \"vmm\"]);"),
        ("kldstat -qm vmm || kldload vmm\nkldload vmm", "run(\"kldload\", [\"-n\", \"vmm\"]);"),
        (
            "zfs list z/x >/dev/null || zfs create z/x",
            &format!("if init {{\n    {once}    run(\"zfs\", [\"create\", \"z/x\"]);\n}}"),
        ),
        (
            "zfs destroy z/x@a\nzfs snapshot z/x@a",
            "// It may not be there.\ntry { run(\"zfs\", [\"destroy\", \"z/x@a\"]); } catch { }\nrun(\"zfs\", [\"snapshot\", \"z/x@a\"]);",
        ),
        ("bhyvectl --vm a --destroy || true", "bhyvectl(\"a\").destroy();"),
        ("bhyvectl --destroy --vm=a", "bhyvectl(\"a\").destroy();"),
        ("bhyvectl --force-poweroff --vm=a", ""),
        ("bhyvectl --create --vm=a", ""),
        ("truncate -s8G /a.img", "let disk = \"/a.img\";\n\ntruncate(disk, 8.GiB);"),
        (
            "truncate -s 8G /a.img /b.img",
            "let disk1 = \"/a.img\";\nlet disk2 = \"/b.img\";\n\ntruncate(disk1, 8.GiB);\ntruncate(disk2, 8.GiB);",
        ),
        (
            "truncate -s +1G /a.img",
            "if init {\n    // Once: each start would change its size again.\n    run(\"truncate\", [\"-s\", \"+1G\", \"/a.img\"]);\n}",
        ),
        ("sysctl net.link.tap.up_on_open=1", "run(\"sysctl\", [\"net.link.tap.up_on_open=1\"]);"),
    ];
    for (lines, expected) in cases {
        same(&before(lines), expected);
    }
}

#[test]
fn what_runs_a_machine_is_named_and_left_out() {
    let kept =
        |name: &str| format!("// The script runs it by {name}: `vmrun start` keeps it in the background instead.");
    let passed = |name: &str| format!("// The script runs it by {name}, which is left out.");
    let cases = [
        (format!("tmux new-session -d -s a '{BHYVE}'"), kept("`tmux`")),
        (format!("tmux new -d -s a {BHYVE}"), kept("`tmux`")),
        (format!("tmux new -d -s a; tmux send-keys -t a '{BHYVE}' Enter"), kept("`tmux`")),
        (format!("screen -dmS a {BHYVE}"), kept("`screen`")),
        (format!("nohup {BHYVE} &\nwait"), kept("`nohup` and `&`")),
        (format!("daemon -p /run/a nice -n 5 cpuset -l 0-1 {BHYVE}"), kept("`daemon` and `nice` and `cpuset`")),
        (format!("su root -c '{BHYVE}'"), passed("`su`")),
        (format!("timeout 5m env A=b {BHYVE}"), passed("`timeout` and `env`")),
        (format!("setsid {BHYVE}"), kept("`setsid`")),
        (format!("limits -m 3g setfib 1 protect {BHYVE}"), passed("`limits` and `setfib` and `protect`")),
        (format!("dtach -n /run/a.sock {BHYVE}"), kept("`dtach`")),
    ];
    for (line, expected) in cases {
        same(&of(&format!("#!/bin/sh\n{line}\nexit 0\n")), &expected);
    }
}

#[test]
fn a_script_that_boots_nothing_is_no_recipe() {
    let sandbox = Sandbox::new();
    sandbox.write("s.sh", "[ $# = 1 ] || { ifconfig -l >/dev/null; echo usage: s.sh name >&2; exit 1; }\n");
    let done = record(&sandbox, &["--", "sh", "s.sh"]);
    same(
        &done.stderr,
        "\
usage: s.sh name
warning: `sh s.sh` ended with status 1
 |
 = hint: what it would have done after that is not in the recording
error: the script boots no machine: usage: s.sh name
 |
 = hint: what it tests for has to be there; `--transcript` shows what it called",
    );
    assert_eq!((done.code, done.stdout.as_str()), (1, ""));
    sandbox.write("s.sh", &format!("[ $# = 1 ] || {{ ifconfig -l >/dev/null; echo usage >&2; exit 1; }}\n{BHYVE}\n"));
    let done = record(&sandbox, &["--init-args=-i", "--", "sh", "s.sh", "a"]);
    assert!(
        done.stderr.ends_with(
            "error: with -i the script boots no machine: usage\n |\n = hint: `{}` says where the arguments stand, if not at the \
             end: `vmrun record --init-args … -- sh vm.sh {} vm`\n"
        ),
        "{}",
        done.stderr
    );
    assert_eq!((done.code, done.stdout.as_str()), (1, ""));
}

#[test]
fn a_recipe_that_calls_something_else_than_the_script_is_told_line_by_line() {
    let sandbox = Sandbox::new();
    let script = format!("#!/bin/sh\n{BHYVE}\nifconfig em0 mtu 1500\nifconfig bridge0 addm em1\nexit 0\n");
    sandbox.write("s.sh", &script);
    let done = record(&sandbox, &["--", "sh", "s.sh"]);
    same(
        &done.stderr,
        "\
error: the recipe calls `ifconfig bridge0 addm em1`, the script does not
error: the recipe calls `ifconfig em0 mtu 1500`, the script does not",
    );
    assert!(done.code == 1 && done.stdout.contains("}).run();"), "{}", done.stdout);
}
