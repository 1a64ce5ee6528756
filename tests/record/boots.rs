//! What `vmrun record` proves of a recipe boot by boot, for each way in which the first boot ends.

use crate::sandbox::{Sandbox, same};

const BHYVE: &str = "bhyve -c 1 -m 1G -s 0,hostbridge -s 2,virtio-net,tap0 -s 31,lpc -l bootrom,/fw.fd a";

/// What is told of a script, and the recipe up to its machine.
fn recorded(lines: &str, code: i32) -> (String, String) {
    let sandbox = Sandbox::new();
    sandbox.write("s.sh", &format!("#!/bin/sh\n{lines}\n"));
    let done = sandbox.finish(&mut sandbox.command(&["record", "--on", "freebsd-14.3", "--", "sh", "s.sh"]));
    assert_eq!(done.code, code, "{lines}\n{}{}", done.stdout, done.stderr);
    let text = done.stdout.replace("// Made from what `sh s.sh` called.\n", "");
    (done.stderr, text.split("\nbhyve(#{").next().unwrap().trim().to_string())
}

#[test]
fn what_a_script_does_before_each_boot_its_recipe_does_before_each_boot() {
    let cases = [
        (
            format!(
                "ifconfig tap0 create\nwhile :; do\nzfs rollback z/a@clean\nsysctl a.b=1\n{BHYVE} || break\ndone\nifconfig tap0 destroy"
            ),
            "let nic = tap(\"tap0\");\nrun(\"zfs\", [\"rollback\", \"z/a@clean\"], #{ each_boot: true });\nrun(\"sysctl\", [\"a.b=1\"]);",
        ),
        (
            format!("service x restart\n{BHYVE} && exec sh $0\nexit 0"),
            "run(\"service\", [\"x\", \"restart\"], #{ each_boot: true });",
        ),
        (format!("service x restart\nwhile {BHYVE}; do :; done"), "run(\"service\", [\"x\", \"restart\"]);"),
        (
            format!(
                "kldload -n vmm\nwhile :; do\nifconfig tap0 create\nifconfig bridge2 addm tap0\n\
                 md=$(mdconfig -a -t vnode -f /vm/seed.img)\nmount -o ro /dev/$md /mnt\numount /mnt\nmdconfig -d -u $md\n\
                 {BHYVE}\nrc=$?\nifconfig tap0 destroy\nbhyvectl --destroy --vm=a\n[ $rc -eq 0 ] || break\ndone"
            ),
            "run(\"kldload\", [\"-n\", \"vmm\"]);\nlet nic = tap(\"tap0\");\nbridge(\"bridge2\").add(nic);\n\
             let md = run(\"mdconfig\", [\"-a\", \"-t\", \"vnode\", \"-f\", \"/vm/seed.img\"], #{ stand_in: \"md0\", each_boot: true });\n\
             run(\"mount\", [\"-o\", \"ro\", `/dev/${md}`, \"/mnt\"], #{ each_boot: true });\n\
             run(\"umount\", [\"/mnt\"], #{ each_boot: true });\nrun(\"mdconfig\", [\"-d\", \"-u\", md], #{ each_boot: true });",
        ),
    ];
    for (lines, expected) in cases {
        let (told, text) = recorded(&lines, 0);
        same(&told, "vmrun: same machine, same commands");
        same(&text, expected);
    }
}

#[test]
fn what_a_recipe_does_otherwise_after_an_end_is_told_line_by_line() {
    let own = "after a reboot the script starts the machine in a way of its own, and vmrun with `init` false";
    let hint = " |\n = hint: what differs may stand under `if init`, or be a recipe of its own";
    let cases = [
        // What is set up only between two boots.
        (
            format!("while {BHYVE}; do zfs snapshot z/a@later; done"),
            format!(
                "error: {own}\n{hint}\nerror: after bhyve's status 0 the script calls `zfs snapshot z/a@later`, the recipe does not"
            ),
        ),
        // Another machine after the first boot.
        (
            format!("{BHYVE} && {} && exit 1\nexit 0", BHYVE.replace("-m 1G", "-m 2G")),
            format!(
                "error: {own}\n{hint}\nerror: after bhyve's status 0 at boot 2, the recipe's machine is another one: memory.size: 2G, not 1G"
            ),
        ),
        // What is done once more after a crash alone.
        (
            format!(
                "zfs destroy z/a@x\nzfs snapshot z/a@x\nuntil {BHYVE} || [ $? -lt 3 ]; do zfs rollback z/a@x; done"
            ),
            "error: after bhyve's statuses 3 and 4 the script calls `zfs rollback z/a@x`, the recipe does not".into(),
        ),
    ];
    for (lines, expected) in cases {
        let (told, text) = recorded(&lines, 1);
        same(&told, &expected);
        assert_eq!(text.starts_with(&format!("// NOT DERIVED: {own}.")), expected.contains(own), "{text}");
    }
}

/// What comes after `.run()` is done after each boot; what the script does when its loop has ended is done after the last.
#[test]
fn what_a_script_does_when_its_machine_is_not_started_again_stands_under_that() {
    let shown = |lines: &str| {
        let sandbox = Sandbox::new();
        sandbox.write("s.sh", &format!("#!/bin/sh\n{lines}\n"));
        let done = sandbox.finish(&mut sandbox.command(&["record", "--on", "freebsd-14.3", "--", "sh", "s.sh"]));
        assert_eq!((done.code, done.stderr.as_str()), (0, "vmrun: same machine, same commands\n"), "{}", done.stdout);
        sandbox.write("made.rhai", &done.stdout);
        let checked = sandbox.finish(&mut sandbox.command(&["check", "--on", "freebsd-14.3", "made.rhai"]));
        assert_eq!(checked.code, 0, "{}", checked.stderr);
        let (machine, after) = done.stdout.split_once("\n}).run();\n").unwrap();
        assert!(machine.contains("\nlet ended = bhyve(#{\n"), "{machine}");
        after.trim().to_string()
    };
    let after = "service y stop\npfctl -a vm -F rules\nexit 0";
    assert_eq!(
        shown(&format!("pfctl -a vm -f /etc/vm.pf\nwhile {BHYVE}; do :; done\n{after}")),
        "if !ended.rebooted {\n    run(\"service\", [\"y\", \"stop\"]);\n    run(\"pfctl\", [\"-a\", \"vm\", \"-F\", \"rules\"]);\n}"
    );
    assert_eq!(
        shown(&format!("while :; do\n{BHYVE}\ncase $? in 1|2) break;; esac\ndone\nservice y stop\nexit 0")),
        "if !(ended.status in [0, 3, 4]) {\n    run(\"service\", [\"y\", \"stop\"]);\n}"
    );
}
