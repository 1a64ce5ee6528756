//! Files that a script reads and that are not there where it is recorded: what is in them nobody knows, and the recipe does not say.

use crate::recorded::record_in;
use crate::sandbox::{Done, Sandbox, same};

const BHYVE: &str = "bhyve -c 1 -m ${mem:-1G} -s 0,hostbridge -s 31,lpc -l bootrom,/fw.fd -s 3,virtio-blk,/vm/x.img a";

const CUT: &str = "truncate -s 8G /vm/x.img";

fn record(script: &str, answer: Option<&str>) -> Done {
    let sandbox = Sandbox::new();
    sandbox.write("answer", answer.unwrap_or_default());
    let said = format!("--answer=/etc/vm.conf={}", sandbox.path("answer").display());
    let options: &[&str] = if answer.is_some() { &[&said] } else { &[] };
    record_in(&sandbox, &format!("{script}\n{BHYVE}"), options)
}

#[test]
fn what_hangs_on_a_file_that_is_not_on_this_host_is_told() {
    let absent = "the script reads /etc/vm.conf, which is not on this host, and the recipe has what it does without it";
    let empty = "the script reads /etc/vm.conf, which is not on this host, and the recipe has what an empty one says";
    let cases = [
        ("grep -q big /etc/vm.conf 2>/dev/null && mem=4G", absent),
        ("mem=$(cd /etc && sed -n 's/mem=//p' vm.conf 2>/dev/null)", absent),
        ("{ read mem < /etc/vm.conf; } 2>/dev/null", absent),
        ("D=/etc\nwhile read line; do mem=${line}G; done 2>/dev/null < \"$D/vm.conf\"", absent),
        ("[ -r /etc/vm.conf ] && . /etc/vm.conf", empty),
        ("[ -x /etc/vm.conf ] && /etc/vm.conf", empty),
        ("readlink /etc/vm.conf >/dev/null 2>&1 && mem=4G", absent),
        ("if [ -s /etc/vm.conf ]; then mem=$(cat /etc/vm.conf); fi", empty),
    ];
    for (script, expected) in cases {
        let done = record(script, None);
        let hint = "record where it is, or say what is in it: --answer /etc/vm.conf=FILE";
        same(done.stderr.trim_end(), &format!("error: {expected}\n |\n = hint: {hint}"));
        assert_eq!(done.code, 1, "{script}");
    }
    // Then it is known.
    let done = record("[ -r /etc/vm.conf ] && . /etc/vm.conf", Some("mem=4G\n"));
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("memory: 4.GiB"), "{}", done.stdout);
}

#[test]
fn what_a_script_reads_of_a_file_before_it_makes_it_is_told() {
    let cases = [
        format!("file -s /vm/x.img 2>/dev/null | grep -q 'boot sector' || {CUT}"),
        format!("cmp -s /vm/x.img /dev/null || {CUT}"),
        format!("[ \"$(du -k /vm/x.img 2>/dev/null | cut -f 1)\" -gt 9 ] 2>/dev/null || {CUT}"),
    ];
    for script in cases {
        let done = record(&script, None);
        let what =
            "the script reads /vm/x.img before it makes it, and the recipe has what it does where it is not there";
        let hint = "write what hangs on it into the recipe, or ask by `[ -e FILE ]` alone in the script";
        same(done.stderr.trim_end(), &format!("error: {what}\n |\n = hint: {hint}"));
        assert_eq!(done.code, 1, "{script}");
    }
}

#[test]
fn whether_a_file_is_a_link_or_newer_no_recipe_asks() {
    let cases = [
        ("[ -L /vm/x.img ]", "/vm/x.img is a link"),
        ("[ /vm/base.img -nt /vm/x.img ]", "/vm/base.img is newer than /vm/x.img"),
        ("test ! /vm/x.img -ot /vm/base.img", "/vm/x.img is older than /vm/base.img"),
    ];
    for (asked, state) in cases {
        let done = record(&format!("{asked} || {CUT}"), None);
        let hint = "ask by `[ -e FILE ]` in the script, or write the condition into the recipe";
        let told = format!("error: what the script does where {state} is not known\n |\n = hint: {hint}");
        same(done.stderr.trim_end(), &told);
        assert_eq!(done.code, 1);
    }
    let done = record("[ \"$1\" = -h ] && exit 2", None);
    same(done.stderr.trim_end(), "vmrun: same machine, same commands");
}

#[test]
fn a_folder_that_a_script_makes_may_say_that_all_has_been_made() {
    let done = record(&format!("ls -d /vm/a >/dev/null 2>&1 || {{ mkdir -p /vm/a; {CUT}; }}"), None);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let (_, text) = done.stdout.split_once("\n\n").unwrap();
    same(
        text.split("\n\nbhyve(#{").next().unwrap(),
        "\
let disk = \"/vm/x.img\";

if !exists(\"/vm/a\") {
    run(\"mkdir\", [\"-p\", \"/vm/a\"], #{ makes: \"/vm/a\" });
    truncate(disk, 8.GiB);
}",
    );
    let done = record(&format!("mkdir /vm/locked 2>/dev/null || exit 1\n{CUT}"), None);
    same(
        done.stderr.split_once('\n').unwrap().1.trim_end(),
        "\
error: where /vm/locked is there the script boots no machine, and the recipe does
 |
 = hint: write `if exists(\"…\") { throw \"…\"; }` into the recipe",
    );
    assert_eq!(done.code, 1);
}
