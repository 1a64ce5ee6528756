//! What `vmrun record` finds of the files that a script asks for: each is there in one recording and is not in another.

use crate::sandbox::{Sandbox, same};

const BHYVE: &str = "bhyve -c 1 -m 1G -s 0,hostbridge -s 31,lpc -l bootrom,/fw.fd";

/// What is told of a script, and its recipe without what is said of its ends; in the sandbox there is `here.img`.
fn recorded(script: &str, code: i32) -> (String, String) {
    let sandbox = Sandbox::new();
    sandbox.write("here.img", "x");
    sandbox.write("s.sh", script);
    let done = sandbox.finish(&mut sandbox.command(&["record", "--on", "freebsd-14.3", "--", "sh", "s.sh"]));
    assert_eq!(done.code, code, "{script}\n{}{}", done.stdout, done.stderr);
    if code == 0 {
        sandbox.write("made.rhai", &done.stdout);
        let checked = sandbox.finish(&mut sandbox.command(&["check", "--on", "freebsd-14.3", "made.rhai"]));
        assert_eq!(checked.code, 0, "{}\n{}", done.stdout, checked.stderr);
    }
    let ends =
        "// The script ends when the guest reboots; vmrun starts it again, with `init` false, until it powers off.\n";
    (done.stderr, done.stdout.replace("// Made from what `sh s.sh` called.\n", "").replace(ends, ""))
}

#[test]
fn what_a_script_does_only_where_a_file_is_or_is_not_stands_under_that() {
    let cases = [
        (
            format!("[ -f /vm/a.img ] || truncate -s 8G /vm/a.img\n{BHYVE} -s 3,virtio-blk,/vm/a.img a"),
            "let disk = \"/vm/a.img\";\n\nif !exists(disk) {\n    truncate(disk, 8.GiB);\n}\n",
        ),
        // It is there while it is recorded.
        (
            format!("[ -f here.img ] || truncate -s 8G here.img\n{BHYVE} -s 3,virtio-blk,here.img a"),
            "let disk = \"[tmp]/here.img\";\n\nif !exists(disk) {\n    truncate(disk, 8.GiB);\n}\n",
        ),
        (
            format!("if test ! -s /vm/a.img; then truncate -s 1M /vm/a.img; newfs_msdos /vm/a.img; fi\n{BHYVE} a"),
            "let disk = \"/vm/a.img\";\n\nif !exists(disk) {\n    truncate(disk, 1.MiB);\n    run(\"newfs_msdos\", [\"/vm/a.img\"]);\n}\n",
        ),
        (
            format!("[ -e /dev/vmm/a ] && bhyvectl --destroy --vm=a\n{BHYVE} a"),
            "if exists(\"/dev/vmm/a\") {\n    bhyvectl(\"a\").destroy();\n}\n",
        ),
        (
            format!("[ -d /vm/x ] || mkdir -p /vm/x\n[ -r /etc/rc.conf ] && . /etc/rc.conf\n{BHYVE} a"),
            "if !exists(\"/vm/x\") {\n    run(\"mkdir\", [\"-p\", \"/vm/x\"], #{ makes: \"/vm/x\" });\n}",
        ),
        // That a disk is missing vmrun says by itself.
        (format!("[ -f here.img ] || {{ echo no disk; exit 1; }}\n{BHYVE} -s 3,virtio-blk,here.img a"), ""),
    ];
    for (lines, expected) in cases {
        let (told, text) = recorded(&format!("#!/bin/sh\n{lines}\n"), 0);
        same(told.lines().last().unwrap(), "vmrun: same machine, same commands");
        same(text.split("\nbhyve(#{").next().unwrap().trim(), expected.trim());
    }
}

#[test]
fn a_slot_that_hangs_on_a_file_is_there_with_it() {
    let (told, text) = recorded(
        &format!("#!/bin/sh\nif [ -f /iso/x.iso ]; then cd=\"-s 4,ahci-cd,/iso/x.iso\"; fi\n{BHYVE} $cd a\n"),
        0,
    );
    same(&told, "vmrun: same machine, same commands");
    assert!(text.contains("        \"4\": if exists(\"/iso/x.iso\") { ahci_cd(\"/iso/x.iso\") },\n"), "{text}");
}

#[test]
fn what_hangs_on_a_file_and_cannot_be_said_is_told() {
    let cases = [
        (
            format!("d=/iso/a\n[ -e /etc/big ] && d=/iso/b\n{BHYVE} -s 4,ahci-cd,$d a"),
            "where /etc/big is there the script boots another machine than the recipe",
            "let two recipes be made of it, or write `if exists(\"…\")` around both",
        ),
        (
            format!("m=1G\n[ -e /etc/big ] && m=2G\n{} a", BHYVE.replace("1G", "$m")),
            "where /etc/big is there the script boots another machine than the recipe",
            "let two recipes be made of it, or write `if exists(\"…\")` around both",
        ),
    ];
    for (lines, expected, hint) in cases {
        let (told, text) = recorded(&format!("#!/bin/sh\n{lines}\n"), 1);
        same(&told, &format!("error: {expected}\n |\n = hint: {hint}"));
        assert!(text.replace("\n// ", " ").starts_with(&format!("// NOT DERIVED: {expected}.")), "{text}");
    }
    // What is made only where a file is missing is a word that has no condition: the proof tells of it.
    let (told, _) = recorded(&format!("#!/bin/sh\n[ -e /dev/tap0 ] || ifconfig tap0 create\n{BHYVE} a\n"), 1);
    same(&told, "error: where /dev/tap0 is there, the recipe calls `ifconfig tap0 create`, the script does not");
}
