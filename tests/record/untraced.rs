//! Files for which a script asks where its shell tells nobody of it: its errors go elsewhere, or another shell asks.

use crate::sandbox::{Done, Sandbox, same};

const BHYVE: &str = "bhyve -c 1 -m ${mem:-1G} -s 0,hostbridge -s 31,lpc -l bootrom,/fw.fd -s 3,virtio-blk,/vm/x.img a";

const GUARDED: &str = "let disk = \"/vm/x.img\";\n\nif !exists(disk) {\n    truncate(disk, 8.GiB);\n}";

fn record(script: &str) -> Done {
    let sandbox = Sandbox::new();
    sandbox.write("s.sh", &format!("#!/bin/sh\n{script}\n"));
    sandbox.finish(&mut sandbox.command(&["record", "--on", "freebsd-14.3", "--", "sh", "s.sh"]))
}

#[test]
fn what_hangs_on_a_file_does_so_wherever_the_errors_of_the_script_go() {
    let guard = "[ -f /vm/x.img ] || truncate -s 8G /vm/x.img";
    let cases = [
        format!("exec >> /var/log/vm.log 2>&1\n{guard}\n{BHYVE}"),
        format!("exec 2>/dev/null\nD=/vm\n[ -f \"$D/x.img\" ] || truncate -s 8G $D/x.img\n{BHYVE}"),
        format!("main() {{\n{guard}\n{BHYVE}\n}}\nmain 2>/dev/null"),
        format!("{{ {guard}\n{BHYVE}; }} > /var/log/vm.log 2>&1"),
        format!("sh -c '{guard}'\n{BHYVE}"),
        format!("su -m root -c '{guard}'\n{BHYVE}"),
        format!("sh <<'E'\n{guard}\nE\n{BHYVE}"),
    ];
    for script in cases {
        let done = record(&script);
        assert_eq!(done.code, 0, "{script}\n{}{}", done.stderr, done.stdout);
        same(done.stderr.lines().last().unwrap(), "vmrun: same machine, same commands");
        let (_, text) = done.stdout.split_once("\n\n").unwrap();
        same(text.split("\n\nbhyve(#{").next().unwrap(), GUARDED);
    }
}

#[test]
fn what_is_not_known_of_such_a_file_is_told() {
    let cases = [
        (
            format!("exec 2>/dev/null\n[ -e /etc/vm.big ] && mem=4G\n{BHYVE}"),
            "where /etc/vm.big is there the script boots another machine than the recipe",
            "let two recipes be made of it, or write `if exists(\"…\")` around both",
        ),
        (
            format!("exec 2>/dev/null\nD=${{D:-/etc}}/vm\n[ -e \"$D/big\" ] && mem=4G\n{BHYVE}"),
            "for which files the script asks by `$D/big` is not known: no shell tells of it",
            "record it without what sends its errors elsewhere, as `exec 2>FILE`, or compare the recipe with the script",
        ),
    ];
    for (script, expected, hint) in cases {
        let done = record(&script);
        same(&done.stderr, &format!("error: {expected}\n |\n = hint: {hint}"));
        assert_eq!(done.code, 1);
    }
}
