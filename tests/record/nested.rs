//! What `vmrun record` finds of tests that are asked only where another one is answered so, and of scripts that no shell runs.

use crate::sandbox::{Sandbox, same};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

const BHYVE: &str = "bhyve -c 1 -m 1G -s 0,hostbridge -s 31,lpc -l bootrom,/fw.fd a";

const SAME: &str = "vmrun: same machine, same commands";

/// What is told of a script, and its recipe up to its machine without what is said of its ends.
fn recorded(script: &str, code: i32) -> (String, String) {
    let sandbox = Sandbox::new();
    sandbox.write("s", script);
    fs::set_permissions(sandbox.path("s"), fs::Permissions::from_mode(0o755)).unwrap();
    let done = sandbox.finish(&mut sandbox.command(&["record", "--on", "freebsd-14.3", "--", "./s"]));
    assert_eq!(done.code, code, "{script}\n{}{}", done.stdout, done.stderr);
    let ends =
        "// The script ends when the guest reboots; vmrun starts it again, with `init` false, until it powers off.\n";
    let text = done.stdout.replace("// Made from what `s` called.\n", "").replace(ends, "");
    (done.stderr, text.split("\nbhyve(#{").next().unwrap().trim().to_string())
}

#[test]
fn a_test_that_another_one_hides_is_found_and_both_are_conditions() {
    let cases = [
        (
            "[ -f /x/a ] && [ -f /x/b ] && sysctl a.b=1",
            "if exists(\"/x/a\") && exists(\"/x/b\") {\n    run(\"sysctl\", [\"a.b=1\"]);\n}",
        ),
        (
            "if [ -f /x/c ]; then if [ ! -f /x/d ]; then truncate -s 1G /x/d; fi; fi",
            "let disk = \"/x/d\";\n\nif exists(\"/x/c\") && !exists(disk) {\n    truncate(disk, 1.GiB);\n}",
        ),
        (
            "[ -f /x/a ] || [ -f /x/b ] || sysctl a.b=1",
            "if !exists(\"/x/a\") && !exists(\"/x/b\") {\n    run(\"sysctl\", [\"a.b=1\"]);\n}",
        ),
        (
            "if [ -f /x/a ] && [ -f /x/b ]; then :; else sysctl a.b=1; fi",
            "if !(exists(\"/x/a\") && exists(\"/x/b\")) {\n    run(\"sysctl\", [\"a.b=1\"]);\n}",
        ),
        (
            "[ -f /x/a ] && [ -f /x/b ] && [ ! -f /x/c ] && sysctl a.b=1",
            "if exists(\"/x/a\") && exists(\"/x/b\") && !exists(\"/x/c\") {\n    run(\"sysctl\", [\"a.b=1\"]);\n}",
        ),
    ];
    for (lines, expected) in cases {
        let (told, text) = recorded(&format!("#!/bin/sh\n{lines}\n{BHYVE}\n"), 0);
        same(&told, SAME);
        same(&text, expected);
    }
}

#[test]
fn what_a_hidden_test_decides_and_no_recipe_says_is_told() {
    let cases = [
        (
            "if zfs list z/a >/dev/null 2>&1; then if zfs list z/b >/dev/null 2>&1; then zfs rollback z/b@x; fi; fi",
            "where `zfs list z/a` and `zfs list z/b` find something the script calls `zfs rollback z/b@x`, and the recipe never does",
            "record where it is there, by `--answer`, or write it into the recipe, in `try { … } catch { }`",
        ),
        (
            "if [ -f /x/a ]; then ifconfig tap9 >/dev/null 2>&1 && sysctl a.b=1; fi",
            "where /x/a is there and `ifconfig tap9` finds something the script calls `sysctl a.b=1`, which no recipe says",
            "write it into the recipe by hand, or record where it is so",
        ),
        (
            "if ifconfig tap9 >/dev/null 2>&1; then [ -f /x/a ] && sysctl a.b=1; fi",
            "where `ifconfig tap9` finds something and /x/a is there the script calls `sysctl a.b=1`, which no recipe says",
            "write it into the recipe by hand, or record where it is so",
        ),
        (
            "[ -f /x/a ] && [ -f /x/b ] && exit 1",
            "where /x/a is there and /x/b is there the script boots no machine, and the recipe does",
            "write `if exists(\"…\") { throw \"…\"; }` into the recipe",
        ),
    ];
    for (lines, expected, hint) in cases {
        let (told, text) = recorded(&format!("#!/bin/sh\n{lines}\n{BHYVE}\n"), 1);
        same(&told, &format!("error: {expected}\n |\n = hint: {hint}"));
        assert!(text.replace("\n// ", " ").starts_with(&format!("// NOT DERIVED: {expected}.")), "{text}");
    }
}

#[test]
fn a_script_that_asks_for_too_much_is_told() {
    let tests: String = (0..70).map(|n| format!("[ -f /x/{n} ] && :\n")).collect();
    let (told, text) = recorded(&format!("#!/bin/sh\n{tests}{BHYVE}\n"), 1);
    let what = "the script asks for more than 64 recordings answer, and what hangs on the rest is not known";
    same(
        &told,
        &format!("error: {what}\n |\n = hint: let it ask for less, or record a part of it as a script of its own"),
    );
    assert!(text.replace("\n// ", " ").starts_with(&format!("// NOT DERIVED: {what}.")), "{text}");
}

#[test]
fn what_a_recipe_does_whether_it_is_there_or_not_is_a_word() {
    let cases = [
        ("bhyvectl --vm=a --get-all >/dev/null 2>&1 && bhyvectl --destroy --vm=a", "bhyvectl(\"a\").destroy();"),
        ("if bhyvectl --get-stats --vm a; then bhyvectl --vm a --destroy; fi >/dev/null", "bhyvectl(\"a\").destroy();"),
        ("kldstat -q -m vmm || kldload vmm", "run(\"kldload\", [\"-n\", \"vmm\"]);"),
        ("if ! ifconfig tap0 >/dev/null 2>&1; then ifconfig tap0 create; fi", "let nic = tap(\"tap0\");"),
        (
            "ifconfig tap0 >/dev/null 2>&1 || ifconfig tap0 create\ntrap 'ifconfig tap0 destroy' EXIT",
            "let nic = tap(\"tap0\");",
        ),
        (
            "zfs list z/a >/dev/null 2>&1 || zfs create -V 1G z/a",
            "if init {\n    // Once: a second start would find it there.\n    run(\"zfs\", [\"create\", \"-V\", \"1G\", \"z/a\"]);\n}",
        ),
    ];
    for (lines, expected) in cases {
        let (told, text) = recorded(&format!("#!/bin/sh\n{lines}\n{BHYVE}\nexit 0\n"), 0);
        same(&told, SAME);
        same(&text, expected);
    }
}

#[test]
fn what_another_program_than_a_shell_runs_is_recorded_as_a_shells() {
    let perl = format!(
        "#!/usr/bin/env perl\nsystem('ifconfig tap0 create');\nsystem('truncate', '-s', '2G', '/vm/a.img') unless -f '/vm/a.img';\n\
         my $rc;\ndo {{ $rc = system('{BHYVE}') >> 8 }} while $rc == 0;\nsystem('ifconfig tap0 destroy');\n"
    );
    let (told, text) = recorded(&perl, 0);
    same(&told, SAME);
    same(
        &text,
        "let disk = \"/vm/a.img\";\n\nlet nic = tap(\"tap0\");\n\nif !exists(disk) {\n    truncate(disk, 2.GiB);\n}",
    );
    let (told, _) = recorded("#!/usr/bin/env -S tclsh8.7 -x\nexec bhyve a\n", 3);
    same(
        &told,
        "error: cannot start ./s: its interpreter \"tclsh8.7\" is not there\n |\n = hint: install it, or correct the first line of ./s",
    );
}

#[test]
fn what_no_call_shows_is_told_and_a_file_of_a_run_is_named() {
    let (told, text) =
        recorded(&format!("#!/bin/sh\nmakeseed /vm/seed.iso /vm/seed\n{BHYVE} 2>/dev/null\nexit 0\n"), 0);
    same(
        &told,
        &format!(
            "vmrun: made up, where `--answer` says nothing: `makeseed`, which is not on this host, succeeds\n{SAME}"
        ),
    );
    same(&text, "run(\"makeseed\", [\"/vm/seed.iso\", \"/vm/seed\"]);");
    let hanging = [
        ("n=$(makeseed a)\ntruncate -s 1G /vm/a$n", "on what `makeseed` prints"),
        ("makeseed a || truncate -s 1G /vm/a", "on how `makeseed` ends"),
    ];
    for (lines, on) in hanging {
        let (told, text) = recorded(&format!("#!/bin/sh\n{lines}\n{BHYVE}\nexit 0\n"), 1);
        let what = format!("what the script calls hangs {on}, and this host has no such program");
        assert!(told.trim_end().ends_with(&format!("error: {what}\n |\n = hint: record where it is")), "{told}");
        assert!(text.starts_with(&format!("// NOT DERIVED: {what}.")), "{text}");
    }
    let (told, text) = recorded(&format!("#!/bin/sh\nlogger -t vm starts\nfiglet vm\n{BHYVE}\nexit 0\n"), 0);
    same(&told, SAME);
    same(&text, "// Left out, as it changes nothing of the machine: `logger -t vm starts` and `figlet vm`.");
    let (told, text) = recorded(
        &format!(
            "#!/bin/sh\nmkdir -p /run/vm\n[ -e /run/vm/a.pid ] && exit 1\necho $$ > /run/vm/a.pid\n{BHYVE}\nrm /run/vm/a.pid\n"
        ),
        0,
    );
    same(&told, SAME);
    same(
        &text.replace("\n// ", " "),
        "// Where /run/vm/a.pid is there the script takes its machine to run; vmrun knows that by itself. \
         Left out: `mkdir -p /run/vm` and `rm /run/vm/a.pid`. vmrun knows by itself what runs, keeps others out, and keeps logs.",
    );
    // GRUB asks for its devices by name, in whichever order they are.
    let boot = "bhyve -c 1 -m 1G -s 0,hostbridge -s 3,virtio-blk,/vm/a.img -s 31,lpc a";
    let (told, _) = recorded(
        &format!(
            "#!/bin/sh\nprintf '(hd0) /vm/a.img\\n(cd0) /iso/a.iso\\n' > map\ngrub-bhyve -m map -r hd0,1 -M 1G a </dev/null\n{boot}\n"
        ),
        0,
    );
    same(&told, SAME);
}
