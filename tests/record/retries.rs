//! What a script tries again, and how long it waits before it does.

use crate::recorded::record;
use crate::sandbox::same;

const BOOT: &str = "bhyve -c 1 -m 1G -s 0,hostbridge -s 31,lpc -l bootrom,/fw.fd a";

#[test]
fn a_wait_that_grows_is_the_recipes_or_is_told() {
    let looped = |turn: &str| format!("n=5\nuntil {BOOT}; do\nsleep $n\n{turn}\ndone");
    let done = record(&looped("n=$((n*2)); [ $n -gt 90 ] && n=90"));
    let policy =
        "restart(#{ on: [\"poweroff\", \"halt\", \"crash\"], delay: \"5s\", backoff: 2.0, max_delay: \"90s\" });";
    assert!(done.code == 0 && done.stdout.contains(policy), "{}{}", done.stderr, done.stdout);
    let done = record(&looped("n=$((n+5))"));
    same(
        &done.stderr,
        "\
error: the script waits 5s, 10s, 15s, 20s, … before it starts the machine again, and the recipe 5s, then 2 times as long each time
 |
 = hint: write the wait that you mean into `restart(#{ … })`: `delay`, `backoff` and `max_delay`",
    );
    assert_eq!(done.code, 1);
}

#[test]
fn a_loader_that_is_called_again_where_it_failed_is_told() {
    let machine = "bhyve -c 1 -m 1G -s 0,hostbridge -s 31,lpc -s 3,virtio-blk,/vm/d.img a";
    let load = "bhyveload -m 1G -d /vm/d.img a";
    let again = format!(
        "while :; do\n{load} || {{ bhyvectl --destroy --vm=a; {load} || exit 1; }}\n{machine}\n[ $? -eq 0 ] || break\ndone\n\
         bhyvectl --destroy --vm=a"
    );
    for script in [again, format!("until {load}; do sleep 1; done\n{machine}\nexit 0")] {
        let done = record(&script);
        same(
            &done.stderr,
            &format!(
                "\
error: where `{load}` fails the script goes on, and boots the machine after all; the recipe ends there
 |
 = hint: mend what makes it fail: what the loader said is told where the recipe ends"
            ),
        );
        assert_eq!(done.code, 1);
    }
    // One that gives up there does what the recipe does.
    let done = record(&format!("{load} || exit 1\n{machine}\nexit 0"));
    assert_eq!(done.stderr, "vmrun: same machine, same commands\n");
}

/// So often that no recording comes to the end: it is not known that there is one.
#[test]
fn a_wait_that_is_counted_further_than_it_is_recorded_is_told() {
    let done = record(&format!(
        "i=0\nwhile ! nc -z nas 3260; do\ni=$((i+1))\n[ $i -ge 900 ] && exit 1\nsleep 1\ndone\n{BOOT}\nexit 0"
    ));
    same(
        &done.stderr,
        "\
vmrun: made up, where `--answer` says nothing: `nc -z nas 3260` finds somebody who answers
error: the script asks `nc -z nas 3260` again and again where nobody answers, and how often was not found: it may give up
 |
 = hint: write into the recipe, before its machine, `run(\"sh\", [\"-c\", \"i=0; until …; do i=$((i+1)); [ $i -lt 500 ] || exit 1; sleep 1; done\"])`",
    );
    assert_eq!(done.code, 1);
}

/// vmrun starts a machine at once that has rebooted.
#[test]
fn a_wait_after_a_reboot_alone_is_the_recipes_or_is_told() {
    let looped = |turn: &str| format!("while :; do\n{BOOT}\nrc=$?\n{turn}\ndone\nexit 0");
    let done = record(&looped("[ $rc -eq 0 ] && { sleep 3; continue; }\n[ $rc -ge 3 ] && continue\nbreak"));
    let hook = "\n\non(\"rebooted\", |_end| run(\"sleep\", [\"3\"], #{ each_boot: true }));\n\nbhyve(#{";
    assert!(done.code == 0 && done.stdout.contains(hook), "{}{}", done.stderr, done.stdout);
    let done = record(&format!("n=1\n{}", looped("[ $rc -eq 0 ] || break\nsleep $n; n=$((n*2))")));
    same(
        &done.stderr,
        "\
error: the script waits 1s, 2s, 4s, 8s, … before it starts the machine again that has rebooted, and vmrun does so at once
 |
 = hint: write the wait that you mean into the recipe: `on(\"rebooted\", |_end| run(\"sleep\", [\"5\"], #{ each_boot: true }));`",
    );
    assert_eq!(done.code, 1);
}

#[test]
fn a_limit_that_the_script_forgets_after_a_time_is_told() {
    let done = record(&format!(
        "n=0\nwhile [ $n -lt 3 ]; do\nbegin=$(date +%s)\n{BOOT}\nrc=$?\n[ $rc -ge 3 ] && n=$((n+1)) || exit 0\n\
         [ $(($(date +%s) - begin)) -gt 300 ] && n=0\ndone\nexit 0"
    ));
    same(
        &done.stderr,
        "\
error: the script starts the machine again at most 2 times after bhyve's statuses 3 and 4, and forgets what it has counted after a time that it \
         measures by `date`; the recipe does not
 |
 = hint: write into `restart(#{ … })` `within`, the time after which a start is forgotten, as \"10m\"",
    );
    assert_eq!(done.code, 1);
}
