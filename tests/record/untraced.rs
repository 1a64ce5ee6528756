//! Files for which a script asks where its shell tells nobody of it: its errors go elsewhere, or another shell asks.

use crate::recorded::record;
use crate::sandbox::same;

const BHYVE: &str = "bhyve -c 1 -m ${mem:-1G} -s 0,hostbridge -s 31,lpc -l bootrom,/fw.fd -s 3,virtio-blk,/vm/x.img a";

const GUARDED: &str = "let disk = \"/vm/x.img\";\n\nif !exists(disk) {\n    truncate(disk, 8.GiB);\n}";

const UNTRACED: &str =
    "record it without what sends its errors elsewhere, as `exec 2>FILE`, or compare the recipe with the script";

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
        format!("cd /vm\nsh -c '[ -f x.img ] || truncate -s 8G x.img'\n{BHYVE}"),
        format!("for d in /vm/x.img; do [ -f $d ] || truncate -s 8G $d; done 2>/dev/null\n{BHYVE}"),
        format!("make_disk() {{ [ -f \"$1\" ] || truncate -s 8G \"$1\"; }}\nmake_disk /vm/x.img 2>/dev/null\n{BHYVE}"),
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
fn of_one_program_a_call_is_told_and_the_next_one_is_not() {
    let done =
        record(&format!("truncate -s 1G /vm/y.img\nsh -c '[ -f /vm/x.img ] || truncate -s 8G /vm/x.img'\n{BHYVE}"));
    assert_eq!(done.code, 0, "{}{}", done.stderr, done.stdout);
    let (_, text) = done.stdout.split_once("\n\n").unwrap();
    same(
        text.split("\n\nbhyve(#{").next().unwrap(),
        "\
let disk1 = \"/vm/y.img\";
let disk2 = \"/vm/x.img\";

truncate(disk1, 1.GiB);

if !exists(disk2) {
    truncate(disk2, 8.GiB);
}",
    );
}

#[test]
fn what_hangs_on_a_file_that_is_made_does_so_whoever_asks_for_it() {
    let cases = [
        "ls /vm/x.img >/dev/null 2>&1 || truncate -s 8G /vm/x.img",
        "stat /vm/x.img >/dev/null 2>&1 || truncate -s 8G /vm/x.img",
        "awk 'BEGIN { if ((getline line < \"/vm/x.img\") < 0) exit 1 }' || truncate -s 8G /vm/x.img",
        "case $(echo /vm/*.img) in */x.img) ;; *) truncate -s 8G /vm/x.img ;; esac",
    ];
    for guard in cases {
        let done = record(&format!("{guard}\n{BHYVE}"));
        assert_eq!(done.code, 0, "{guard}\n{}{}", done.stderr, done.stdout);
        same(done.stderr.lines().last().unwrap(), "vmrun: same machine, same commands");
        let (_, text) = done.stdout.split_once("\n\n").unwrap();
        same(text.split("\n\nbhyve(#{").next().unwrap(), GUARDED);
    }
}

#[test]
fn a_disk_that_was_cut_has_something_in_it_also_where_its_folder_is_not_on_this_host() {
    let done =
        record(&format!("[ -f /vm/x.img ] || truncate -s 8G /vm/x.img\n[ -s /vm/x.img ] || newfs /vm/x.img\n{BHYVE}"));
    assert_eq!(done.code, 0, "{}{}", done.stderr, done.stdout);
    let (_, text) = done.stdout.split_once("\n\n").unwrap();
    same(text.split("\n\nbhyve(#{").next().unwrap(), GUARDED);
}

#[test]
fn what_is_called_only_where_a_file_is_there_is_found_where_nothing_is_called() {
    let grow = "[ -f /etc/vm.grow ] && truncate -s 8G /vm/x.img";
    let cases = [
        format!("sh -c '{grow}'"),
        format!("main() {{ {grow}; }}\nmain 2>/dev/null"),
        format!("{{ {grow}; }} >/dev/null 2>&1"),
        format!("exec 2>/dev/null\nconf=/etc/vm.grow\nif [ -f $conf ]\nthen\ntruncate -s 8G /vm/x.img\nfi"),
    ];
    for script in cases {
        let done = record(&format!("{script}\n{BHYVE}"));
        assert_eq!(done.code, 0, "{script}\n{}{}", done.stderr, done.stdout);
        same(done.stderr.lines().last().unwrap(), "vmrun: same machine, same commands");
        let (_, text) = done.stdout.split_once("\n\n").unwrap();
        same(
            text.split("\n\nbhyve(#{").next().unwrap(),
            "let disk = \"/vm/x.img\";\n\nif exists(\"/etc/vm.grow\") {\n    truncate(disk, 8.GiB);\n}",
        );
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
            "where /etc/vm/big is there the script boots another machine than the recipe",
            "let two recipes be made of it, or write `if exists(\"…\")` around both",
        ),
        (
            format!("exec 2>/dev/null\nD=$(printf /etc)\n[ -e \"$D/big\" ] && mem=4G\n{BHYVE}"),
            "for which files the script asks by `$D/big` is not known: no shell tells of it",
            UNTRACED,
        ),
        (
            format!("sh -c '[ -f \"$1\" ] || truncate -s 1G /vm/there' sh /etc/vm.there\n{BHYVE}"),
            "for which files the script asks by `$1` is not known: no shell tells of it",
            UNTRACED,
        ),
        (
            format!("[ \"$(stat -f %z /vm/x.img 2>/dev/null)\" = 0 ] && truncate -s 8G /vm/x.img\n{BHYVE}"),
            "what `stat -f %z /vm/x.img` says is not known: this host has another stat(1) than FreeBSD",
            "record it on FreeBSD, or ask whether a file has anything in it by `[ -s FILE ]`",
        ),
    ];
    for (script, expected, hint) in cases {
        let done = record(&script);
        same(&done.stderr, &format!("error: {expected}\n |\n = hint: {hint}"));
        assert_eq!(done.code, 1);
    }
}
