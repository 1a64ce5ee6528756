//! Files without which a script boots no machine, and that are not there where it is recorded: it is recorded as if they were, and its recipe
//! refuses to boot the machine where they are not.

use crate::recorded::record_in;
use crate::sandbox::{Sandbox, same};

const BHYVE: &str = "bhyve -c 1 -m 1G -s 0,hostbridge -s 31,lpc -l bootrom,/fw.fd";

/// What was made up for a proved script, and what stands in its recipe before its machine.
fn proved(script: &str) -> (String, String) {
    let sandbox = Sandbox::new();
    let done = record_in(&sandbox, script, &[]);
    let same = "vmrun: same machine, same commands\n";
    assert!(done.code == 0 && done.stderr.ends_with(same), "{script}\n{}{}", done.stderr, done.stdout);
    sandbox.write("made.rhai", &done.stdout);
    let checked = sandbox.finish(&mut sandbox.command(&["check", "--on", "freebsd-14.3", "made.rhai"]));
    assert_eq!(checked.code, 0, "{}\n{}", done.stdout, checked.stderr);
    let made_up =
        done.stderr.lines().find_map(|line| line.strip_prefix("vmrun: made up, where `--answer` says nothing: "));
    let (_, text) = done.stdout.split_once("\n\n").unwrap();
    (made_up.unwrap_or_default().into(), format!("\n{text}").split("\nbhyve(#{").next().unwrap().trim().to_string())
}

#[test]
fn a_machine_is_recorded_without_its_files_and_its_recipe_refuses_to_boot_it() {
    let cases = [
        // That its disk is missing vmrun says by itself.
        (
            format!("[ -f /vm/a.img ] || {{ echo 'no disk' >&2; exit 1; }}\n{BHYVE} -s 3,virtio-blk,/vm/a.img a"),
            "/vm/a.img is there, for which the script asks",
            "",
        ),
        (
            format!("if [ ! -e /vm/enabled ]; then echo 'Disabled.'; exit 1; fi\n{BHYVE} a"),
            "/vm/enabled is there, for which the script asks",
            "if !exists(\"/vm/enabled\") {\n    throw \"Disabled: /vm/enabled is not there\";\n}",
        ),
        (
            format!("test -e /vm/enabled && test -d /vm/isos || exit 0\n{BHYVE} a"),
            "/vm/enabled is there, for which the script asks; /vm/isos is there, for which the script asks",
            "if !exists(\"/vm/enabled\") {\n    throw \"/vm/enabled is not there\";\n}\n\n\
             if !exists(\"/vm/isos\") {\n    throw \"/vm/isos is not there\";\n}",
        ),
        (
            format!(
                "for f in a b c; do [ -f /vm/$f.img ] || {{ echo $f is missing; exit 2; }}; done\n{BHYVE} -s 3,virtio-blk,/vm/a.img a"
            ),
            "/vm/a.img is there, for which the script asks; /vm/b.img is there, for which the script asks; /vm/c.img is there, for which \
             the script asks",
            "if !exists(\"/vm/b.img\") {\n    throw \"b is missing: /vm/b.img is not there\";\n}\n\n\
             if !exists(\"/vm/c.img\") {\n    throw \"c is missing: /vm/c.img is not there\";\n}",
        ),
    ];
    for (script, made_up, expected) in cases {
        let (told, text) = proved(&script);
        same(&told, made_up);
        same(&text, expected);
    }
}

#[test]
fn what_keeps_a_script_from_its_machine_where_it_is_there_is_told() {
    let script = format!(
        "die() {{ echo \"$0: $*\" >&2; exit 1; }}\n[ -f /etc/vm.conf ] && . /etc/vm.conf\n[ -e /vm/maintenance ] && die maintenance\n\
         [ -r /vm/a.img -a -s /vm/a.img ] || die no disk\n{BHYVE} -s 3,virtio-blk,/vm/a.img a"
    );
    let done = record_in(&Sandbox::new(), &script, &[]);
    same(
        &done.stderr,
        "\
vmrun: made up, where `--answer` says nothing: /vm/a.img is there, for which the script asks
error: the script reads /etc/vm.conf, which is not on this host, and the recipe has what an empty one says
 |
 = hint: record where it is, or say what is in it: --answer /etc/vm.conf=FILE
error: where /vm/maintenance is there the script boots no machine, and the recipe does
 |
 = hint: write `if exists(\"…\") { throw \"…\"; }` into the recipe",
    );
    assert_eq!(done.code, 1);
}

#[test]
fn a_recipe_that_refuses_says_what_the_script_says() {
    let sandbox = Sandbox::new();
    let script = "if [ ! -e enabled ]; then echo 'not enabled' >&2; exit 1; fi\n\
                  bhyve -c 1 -m 512M -H -s 0,hostbridge -s 31,lpc -l bootrom,$PWD/vm/rom.fd guest";
    let done = record_in(&sandbox, script, &[]);
    assert_eq!(done.code, 0, "{}{}", done.stderr, done.stdout);
    std::fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    sandbox.write("made.rhai", &done.stdout);
    let refused = sandbox.run(&["made.rhai"]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stderr.starts_with("error: not enabled: [tmp]/enabled is not there\n"), "{}", refused.stderr);
    assert!(!sandbox.calls().contains("bhyve "), "{}", sandbox.calls());
    sandbox.write("enabled", "");
    sandbox.write("fake/exits", "1\n");
    let run = sandbox.run(&["made.rhai"]);
    assert!(run.code == 0 && sandbox.calls().contains("bhyve "), "{}\n{}", run.stderr, sandbox.calls());
}

#[test]
fn what_is_in_such_a_file_is_asked_for_where_the_script_reads_it() {
    let script = format!("[ -f /vm/a.conf ] || exit 1\n. /vm/a.conf\n{} a", BHYVE.replace("1G", "${mem:-1G}"));
    let sandbox = Sandbox::new();
    let done = record_in(&sandbox, &script, &[]);
    same(
        &done.stderr,
        "\
vmrun: made up, where `--answer` says nothing: /vm/a.conf is there, for which the script asks
error: the script reads /vm/a.conf, which is not on this host, and the recipe has what an empty one says
 |
 = hint: record where it is, or say what is in it: --answer /vm/a.conf=FILE",
    );
    assert_eq!(done.code, 1);
    sandbox.write("conf", "mem=3G\n");
    let done = record_in(&sandbox, &script, &["--answer", "/vm/a.conf=conf"]);
    same(&done.stderr, "vmrun: same machine, same commands");
    // Its text is a part of the script, and so of the recipe.
    assert!(
        done.code == 0 && done.stdout.contains("memory: 3.GiB,") && !done.stdout.contains("throw"),
        "{}",
        done.stdout
    );
    let script = format!("[ -f /vm/mem ] || exit 1\nread mem < /vm/mem\n{} a", BHYVE.replace("1G", "${mem:-1}G"));
    let done = record_in(&sandbox, &script, &[]);
    let told =
        "error: the script reads /vm/mem, which is not on this host, and the recipe has what an empty one says\n";
    assert!(done.code == 1 && done.stderr.contains(told), "{}", done.stderr);
}

#[test]
fn a_script_that_boots_nothing_without_a_file_and_does_something_else_then_is_told() {
    let done = record_in(&Sandbox::new(), &format!("[ -f /vm/seen ] || {{ sysctl a.b=1; exit 0; }}\n{BHYVE} a"), &[]);
    same(
        &done.stderr,
        "\
vmrun: made up, where `--answer` says nothing: /vm/seen is there, for which the script asks
error: where /vm/seen is not there the script boots no machine and does something else, and the recipe boots it
 |
 = hint: let that be a recipe of its own, under `if exists(\"…\")`",
    );
    assert_eq!(done.code, 1);
    // No file is what it lacks.
    let done = record_in(&Sandbox::new(), "[ -f /vm/a ] && . /vm/a\nkldload vmm\necho usage >&2\nexit 2", &[]);
    assert!(done.code != 0 && done.stderr.contains("error: the script boots no machine: usage\n"), "{}", done.stderr);
}
