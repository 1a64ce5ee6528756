//! What `vmrun record` makes of machines that a script boots in jails.

use crate::recorded::record;
use crate::sandbox::{Sandbox, same};

const MACHINE: &str = "bhyve -c 1 -m 1G -s 0,hostbridge -s 3,virtio-blk,/vm/a.img -s 31,lpc -l bootrom,/fw.fd a";

/// The recipe, and that it is the same.
fn recipe(script: &str) -> String {
    let done = record(script);
    assert!(
        done.code == 0 && done.stderr.ends_with("vmrun: same machine, same commands\n"),
        "{script}\n{}",
        done.stderr
    );
    let sandbox = Sandbox::new();
    sandbox.write("made.rhai", &done.stdout);
    let checked = sandbox.finish(&mut sandbox.command(&["check", "--on", "freebsd-14.3", "made.rhai"]));
    assert_eq!(checked.code, 0, "{}{}", done.stdout, checked.stderr);
    done.stdout
}

#[test]
fn a_machine_in_a_jail_that_is_there_has_it() {
    let text = recipe(&format!("while jexec -l web /usr/sbin/{MACHINE}; do :; done\nbhyvectl --destroy --vm=a"));
    same(
        &text,
        "\
// Made from what `sh s.sh` called.

bhyve(#{
    name: \"a\", jail: \"web\", memory: 1.GiB,
    bootrom: \"/fw.fd\",
    slots: #{
        \"0\": hostbridge(),
        \"3\": virtio_blk(\"/vm/a.img\"),
        \"31\": lpc(),
    },
}).run();",
    );
    let text = recipe(&format!("tmux new-session -d -s a \"jexec web {MACHINE}\"\nexit 0"));
    assert!(text.contains("by `tmux`: ") && text.contains("name: \"a\", jail: \"web\","), "{text}");
}

#[test]
fn a_machine_in_a_jail_that_is_made_for_it_has_it_made() {
    let of = |parameters: &str| recipe(&format!("jail -c name=vm {parameters} command={MACHINE}\nexit 0"));
    let text = of("path=/ host.hostname=vm.example.org ip4=inherit ip6=inherit allow.vmm");
    assert!(text.contains("name: \"a\", jail: #{ name: \"vm\", create: true }, memory: 1.GiB,"), "{text}");
    let text = of("path=/ vnet allow.vmm");
    assert!(text.contains("jail: #{ name: \"vm\", create: true, vnet: true },"), "{text}");
}

#[test]
fn a_recipe_with_a_jail_has_a_test_that_passes() {
    let sandbox = Sandbox::new();
    for (number, by) in ["jexec web", "jail -c name=vm path=/ allow.vmm command="].iter().enumerate() {
        let folder = format!("made{number}");
        sandbox.write("s.sh", &format!("#!/bin/sh\n{by} {MACHINE}\nexit 0\n").replace("command= ", "command="));
        let words = ["record", "--on", "freebsd-14.3", "--out", &folder, "--with-test", "--", "sh", "s.sh"];
        let done = sandbox.finish(&mut sandbox.command(&words));
        assert_eq!(done.code, 0, "{}", done.stderr);
        let done = sandbox.finish(&mut sandbox.command(&["test", &folder]));
        assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    }
}

#[test]
fn a_jail_that_no_recipe_says_is_told() {
    let cases = [
        (
            format!("jls -j web >/dev/null 2>&1 || jail -c name=web persist allow.vmm\njexec -l web {MACHINE}\nexit 0"),
            "\
error: the script makes the jail web for its machine, and the recipe enters one that is there
 |
 = hint: write `jail: #{ name: \"web\", create: true }`, without its `jail -c`, if it may go with the machine",
        ),
        (
            format!("jexec -U vm web {MACHINE}\nexit 0"),
            "\
error: the script boots a machine in the jail web, and it is not recorded: no recipe says `-U vm`
 |
 = hint: let it be `jexec web bhyve …` in a jail that is there, or have vmrun make it: `jail: #{ name: \"web\", create: true }` in `bhyve(#{ … })`",
        ),
        (
            format!("jail -c name=web path=/ mount.devfs allow.vmm command={MACHINE}\nexit 0"),
            "\
error: the script boots a machine in the jail web, and it is not recorded: no recipe says `mount.devfs`
 |
 = hint: let it be `jexec web bhyve …` in a jail that is there, or have vmrun make it: `jail: #{ name: \"web\", create: true }` in `bhyve(#{ … })`",
        ),
        (
            format!("jexec web {}\nexit 0", MACHINE.replace("-s 31", "-s 2,virtio-net,tap0 -s 31")),
            "\
error: the script has tap0 in the jail web, where vmrun brings the taps of its recipes by itself
 |
 = hint: leave out of the recipe what brings it there; its machine has the tap that the recipe makes",
        ),
    ];
    for (script, expected) in cases {
        let done = record(&script);
        same(&done.stderr, expected);
        assert_eq!(done.code, 1, "{script}");
    }
}

#[test]
fn why_a_boot_in_a_jail_is_not_recorded_is_told() {
    let form = "letters, digits, `.`, `_` and `-`, not only digits";
    let misnamed = |name: &str| {
        format!(
            "\
error: the script boots a machine in a jail, and it is not recorded: {name} is not the name of a jail
 |
 = hint: write its name, as jls(8) shows it: {form}"
        )
    };
    let because = |why: &str| {
        format!(
            "\
error: the script boots a machine in the jail web, and it is not recorded: {why}
 |
 = hint: let it be `jexec web bhyve …` in a jail that is there, or have vmrun make it: `jail: #{{ name: \"web\", create: true }}` in `bhyve(#{{ … }})`"
        )
    };
    let without = "\
error: the script boots a machine in a jail without a name, and it is not recorded
 |
 = hint: give it a name, as `jail -c name=web path=/ allow.vmm command=bhyve …`";
    let cases = [
        ("jexec 5 ", misnamed("\"5\"")),
        ("jexec 'we ird\"; ${x}' ", misnamed(r#""we ird\"; ${x}""#)),
        ("jail -c path=/ allow.vmm command=", without.into()),
        ("jexec -l -u root web ", because("no recipe says `-u root`")),
        ("jail -c name=web path=/jail allow.vmm persist command=", because("no recipe says `path=/jail`, `persist`")),
        ("jail -c name=web path=/ allow.vmm vnet=inherit command=", because("no recipe says `vnet=inherit`")),
        ("jail -c name=web path=/ command=", because("a jail that vmrun makes has `allow.vmm`, and this one has not")),
        ("jexec web sh -c 'exec \"$@\"' sh ", because("what is run there is `sh`, and not bhyve itself")),
    ];
    for (by, expected) in cases {
        let done = record(&format!("{by}{MACHINE}\nexit 0"));
        same(&done.stderr, &expected);
        assert_eq!(done.code, 1, "{by}");
    }
    assert!(
        recipe(&format!("jail -c name=vm path=/ vnet=new allow.vmm command={MACHINE}\nexit 0")).contains("vnet: true")
    );
}
