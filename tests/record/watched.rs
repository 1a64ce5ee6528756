//! Programs that the host of the recording has and that have no stand-in: they do in the enclosure what they are called for, and what they change
//! is in the recipe, or told.

use crate::sandbox::{Done, Sandbox, same};

const BOOT: &str = "bhyve -c 1 -m 1G -s 0,hostbridge -s 31,lpc -l bootrom,/fw.fd";

/// Records a script on a host that has some programs of its own: one that makes a key, one that makes the same text each time, one that
/// packs what it reads, one that only prints, one that fails, and one that serves until it is ended.
fn record(script: &str, args: &[&str]) -> Done {
    let sandbox = Sandbox::new();
    sandbox.script("mkkey", "head -c 8 /dev/urandom | od -An -tx1 > \"${1:-/dev/stdout}\"");
    sandbox.script("mkconf", "echo made > \"$1\"");
    sandbox.script("pack", "{ cat; head -c 4 /dev/urandom | od -An -tx1; } > \"$1\"");
    sandbox.script("memory", "echo 2G");
    sandbox.script("fails", "echo no network >&2\nexit 3");
    sandbox.script("serve", "exec tail -f /dev/null");
    sandbox.script("boots", &format!("mkconf /vm/made\nexec {BOOT} -s 4,virtio-blk,/vm/made a"));
    sandbox.write("s.sh", &format!("#!/bin/sh\n{script}\n"));
    sandbox.finish(&mut sandbox.command(&[&["record", "--on", "freebsd-14.3"], args, &["--", "sh", "s.sh"]].concat()))
}

/// What stands in the recipe of a proved script between its first lines and its machine.
fn body(script: &str) -> String {
    let done = record(script, &[]);
    let same = "vmrun: same machine, same commands\n";
    assert!(done.code == 0 && done.stderr.ends_with(same), "{script}\n{}{}", done.stderr, done.stdout);
    let (_, text) = done.stdout.split_once("\n\n").unwrap();
    text.split("\nbhyve(#{").next().unwrap().trim().to_string()
}

#[test]
fn what_a_program_makes_anew_each_time_the_recipe_has_made_by_it() {
    let script = format!(
        "mkdir -p /vm/a\nmkkey /vm/a/one\ncd /vm/a\nmkkey two\nmkkey > /vm/a/three\nmkkey >> /vm/a/three\n\
         {BOOT} -s 4,virtio-blk,/vm/a/one -s 5,virtio-blk,/vm/a/two -s 6,virtio-blk,/vm/a/three a\nexit 0"
    );
    assert_eq!(
        body(&script),
        "\
run(\"mkdir\", [\"-p\", \"/vm/a\"], #{ makes: \"/vm/a\" });
run(\"mkkey\", [\"/vm/a/one\"], #{ makes: \"/vm/a/one\" });
run(\"sh\", [\"-c\", \"cd /vm/a && mkkey two\"], #{ makes: \"/vm/a/two\" });
run(\"sh\", [\"-c\", \"mkkey > /vm/a/three\"], #{ makes: \"/vm/a/three\" });
run(\"sh\", [\"-c\", \"mkkey >> /vm/a/three\"], #{ makes: \"/vm/a/three\" });"
    );
    // What goes when the host starts anew counts where a machine has it.
    let script = format!("mkkey /var/tmp/seed\nmkkey /var/tmp/other\n{BOOT} -s 4,virtio-blk,/var/tmp/seed a\nexit 0");
    assert_eq!(body(&script), "run(\"mkkey\", [\"/var/tmp/seed\"], #{ makes: \"/var/tmp/seed\" });");
    // Where it is made only once, it is so in the recipe.
    let script = format!("mkdir -p /vm\n[ -f /vm/key ] || mkkey /vm/key\n{BOOT} -s 4,virtio-blk,/vm/key a\nexit 0");
    assert_eq!(
        body(&script),
        "run(\"mkdir\", [\"-p\", \"/vm\"], #{ makes: \"/vm\" });\n\nif !exists(\"/vm/key\") {\n    run(\"mkkey\", [\"/vm/key\"], #{ makes: \"/vm/key\" });\n}"
    );
}

#[test]
fn a_text_that_is_the_same_each_time_is_written_and_what_only_prints_is_not_called() {
    let script = format!(
        "mkdir -p /vm\nM=$(memory)\nmkconf /vm/conf\nprintf 'set x\\n' > /vm/in\npack /vm/key < /vm/in\npack /vm/two <<E\nset y\nE\n\
         perl -pi -e 's/made/mended/' /vm/conf\n{BOOT} -m $M -s 4,virtio-blk,/vm/conf -s 5,virtio-blk,/vm/key -s 6,virtio-blk,/vm/two a\nexit 0"
    );
    assert_eq!(
        body(&script).replace(
            "\n\n// `-m 2G` overrides `-m 1G`: both set `memory.size` (the last one counts: keep one of them)",
            ""
        ),
        "\
run(\"mkdir\", [\"-p\", \"/vm\"], #{ makes: \"/vm\" });
write_file(\"/vm/in\", \"set x\\n\");
run(\"sh\", [\"-c\", \"pack /vm/key < /vm/in\"], #{ makes: \"/vm/key\" });
run(\"sh\", [\"-c\", \"printf %s \\\"$1\\\" | pack /vm/two\", \"sh\", \"set y\\n\"], #{ makes: \"/vm/two\" });
write_file(\"/vm/conf\", \"mended\\n\");"
    );
}

#[test]
fn a_program_that_boots_the_machine_is_no_command_of_its_own() {
    let expected = "run(\"mkdir\", [\"-p\", \"/vm\"], #{ makes: \"/vm\" });\nwrite_file(\"/vm/made\", \"made\\n\");";
    assert_eq!(body("mkdir -p /vm\nboots\nexit 0"), expected);
}

#[test]
fn a_program_that_fails_where_it_is_recorded_works_and_is_called() {
    let done = record(&format!("fails --now\n{BOOT} a\nexit 0"), &[]);
    same(
        &done.stderr,
        "\
no network
vmrun: made up, where `--answer` says nothing: `fails`, which fails where it is recorded, succeeds
vmrun: same machine, same commands",
    );
    let tried = "\n// It fails where the script was recorded, and the script goes on.\ntry { run(\"fails\", [\"--now\"]); } catch { }\n";
    assert!(done.code == 0 && done.stdout.contains(tried), "{}", done.stdout);
    // One after which the script ends is called as it is, and one that it waits for is waited for.
    let called = [
        (format!("fails || exit 1\n{BOOT} a\nexit 0"), "run(\"fails\", []);"),
        (
            format!("while ! fails --now; do sleep 2; done\n{BOOT} a\nexit 0"),
            "run(\"sh\", [\"-c\", \"until fails --now; do sleep 2; done\"]);",
        ),
        (
            format!("until vmrun-asks; do sleep 1; done\n{BOOT} a\nexit 0"),
            "run(\"sh\", [\"-c\", \"until vmrun-asks; do sleep 1; done\"]);",
        ),
    ];
    for (script, expected) in called {
        assert_eq!(body(&script), expected);
    }
    let done = record(&format!("M=1G\nfails --now || M=2G\n{BOOT} -m $M a\nexit 0"), &[]);
    let told = "error: what the script calls hangs on how `fails` ends, and a call of it fails where the script is recorded\n |\n = hint: record \
                where it works, or let the recipe ask for it\n";
    assert!(done.code == 1 && done.stderr.ends_with(told), "{}", done.stderr);
}

#[test]
fn what_goes_on_and_what_is_another_text_each_time_are_told() {
    let done = record(&format!("serve 6080 &\n{BOOT} a\nexit 0"), &[]);
    same(
        &done.stderr,
        "\
error: the script leaves `serve 6080` running, and the recipe does not start it
 |
 = hint: a program that lives with the machine is `helper(#{ run: [\"…\"] })`",
    );
    assert_eq!(done.code, 1);
    let done =
        record(&format!("mkdir -p /vm\necho \"id $(mkkey)\" > /vm/id\n{BOOT} -s 4,virtio-blk,/vm/id a\nexit 0"), &[]);
    let told = "the script writes another text into /vm/id each time, and the recipe has what it was";
    assert!(done.code == 1 && done.stderr.contains(told), "{}", done.stderr);
}
