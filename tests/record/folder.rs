//! Recipes that `vmrun record` writes into a folder: for what a command boots, and for each arm of its script, with tests beside them.

use crate::sandbox::{Done, Sandbox, same};
use crate::scripts::{recorder_of, with_vm_ksh};
use std::fs;

const BHYVE: &str = "bhyve -c 1 -m 1G -s 0,hostbridge -s 31,lpc -l bootrom,/fw.fd";

fn record(sandbox: &Sandbox, args: &[&str]) -> Done {
    sandbox.finish(&mut sandbox.command(&[&["record", "--on", "freebsd-14.3"], args].concat()))
}

#[test]
fn all_arms_of_the_document_have_the_recipes_that_each_alone_has_and_tests_that_pass() {
    for init in [&[][..], &["--init-args", "-i"]] {
        let sandbox = with_vm_ksh();
        let answer = ["--answer", "ifconfig=ifconfig.txt"];
        let one = |name: &str| {
            let done = sandbox.finish(&mut recorder_of(&sandbox, &[&answer, init, &["--", "./s.sh", name]].concat()));
            assert_eq!(done.code, 0, "{}", done.stderr);
            done.stdout
        };
        let (install, report1) = (one("install"), one("report1"));
        let arms = ["--all-arms", "--with-test", "--out", "out", "--", "./s.sh", "report1"];
        let done = sandbox.finish(&mut recorder_of(&sandbox, &[&answer, init, &arms].concat()));
        same(
            &done.stderr,
            "\
vmrun: the password is not in the recipe: give it as VMRUN_SECRET_VNC, or in the file secrets/vnc (mode 0600)
vmrun: out/install.rhai: same machine, same commands
vmrun: out/report1.rhai: same machine, same commands",
        );
        assert_eq!(done.code, 0);
        for (name, text) in [("install", install), ("report1", report1)] {
            let written = fs::read_to_string(sandbox.path(&format!("out/{name}.rhai"))).unwrap();
            assert!(!written.contains("restart("), "{written}");
            let folder = sandbox.path("").display().to_string();
            same(&written.replace(folder.trim_end_matches('/'), "[tmp]"), &text);
        }
        let tested = sandbox.finish(&mut sandbox.command(&["test", "out"]));
        assert_eq!(tested.code, 0, "{}{}", tested.stdout, tested.stderr);
        assert!(tested.stdout.contains("test out/install_test.rhai: test_the_plan ... ok"), "{}", tested.stdout);
    }
}

#[test]
fn a_recipe_is_written_by_the_name_of_its_machine_and_nothing_is_written_over() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "s.sh",
        &format!("#!/bin/sh\nifconfig tap0 create\nmd=$(mdconfig -f /vm/s.img)\n[ -f /iso/x.iso ] && cd='-s 4,ahci-cd,/iso/x.iso'\n{BHYVE} -s 2,virtio-net,tap0 $cd web\nmdconfig -d -u $md\n"),
    );
    let args = ["--with-test", "--out", "a/b", "--", "sh", "s.sh"];
    let done = record(&sandbox, &args);
    same(&done.stderr, "vmrun: a/b/web.rhai: same machine, same commands");
    assert_eq!((done.code, done.stdout.as_str()), (0, ""));
    let tested = sandbox.finish(&mut sandbox.command(&["test", "a/b/web_test.rhai"]));
    assert_eq!(tested.code, 0, "{}{}", tested.stdout, tested.stderr);
    let done = record(&sandbox, &args);
    same(&done.stderr, "error: a/b/web.rhai is there already\n |\n = hint: choose another path, or remove it");
    assert_eq!(done.code, 2);
    // A test of what is known to be something else would only keep it so.
    sandbox.write("s.sh", &format!("#!/bin/sh\nwhile {BHYVE} web; do service x restart; done\n"));
    let done = record(&sandbox, &["--with-test", "--out", "c", "--", "sh", "s.sh"]);
    let own = "after a reboot the script starts the machine in a way of its own, and vmrun with `init` false";
    same(
        &done.stderr,
        &format!(
            "\
vmrun: c/web.rhai: not the same as the script
error: c/web.rhai: {own}
 |
 = hint: what differs may stand under `if init`, or be a recipe of its own
error: c/web.rhai: after bhyve's status 0 the script calls `service x restart`, the recipe does not"
        ),
    );
    assert_eq!((done.code, sandbox.names("c")), (1, vec!["web.rhai".to_string()]));
}

#[test]
fn arms_are_those_of_the_case_or_of_the_functions_that_an_argument_chooses() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "s.sh",
        &format!("#!/bin/sh\nweb() {{ {BHYVE} web; }}\ndb() {{ zfs list >/dev/null; {BHYVE} db; }}\nhalt() {{ :; }}\n\"$1\"\n"),
    );
    let done = record(&sandbox, &["--all-arms", "--out", "out", "--", "sh", "s.sh", "db"]);
    same(
        &done.stderr,
        "\
warning: there is no recipe of the arm `halt`: the command called no program that is recorded
vmrun: out/web.rhai: same machine, same commands
vmrun: out/db.rhai: same machine, same commands",
    );
    assert_eq!((done.code, sandbox.names("out")), (0, vec!["db.rhai".to_string(), "web.rhai".to_string()]));
    for (script, args, told) in [
        (
            "case $1 in start) :;; stop) :;; esac\n",
            &["sh", "s.sh", "x"][..],
            "its arms are start and stop: name one of them",
        ),
        ("bhyve a\n", &["sh", "s.sh"], "it has none: record it once for each machine"),
    ] {
        sandbox.write("s.sh", script);
        let done = record(&sandbox, &[&["--all-arms", "--out", "out", "--"], args].concat());
        same(
            &done.stderr,
            &format!(
                "error: --all-arms: no argument of the command is an arm of a `case` of s.sh\n |\n = hint: {told}"
            ),
        );
        assert_eq!(done.code, 2);
    }
    sandbox.write("s.sh", "case $1 in start) :;; stop) :;; esac\n");
    let done = record(&sandbox, &["--all-arms", "--out", "out", "--", "sh", "s.sh", "stop"]);
    same(
        &done.stderr,
        "\
warning: there is no recipe of the arm `start`: the command called no program that is recorded
warning: there is no recipe of the arm `stop`: the command called no program that is recorded
error: no arm of the script boots a machine
 |
 = hint: what it tests for has to be there; `--transcript` shows what it called",
    );
    assert_eq!(done.code, 1);
}
