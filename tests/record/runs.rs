//! A script and the recipe that was recorded of it do the same on the fake FreeBSD, boot by boot.
//!
//! `tests/fixtures/record/vmrun.sh` has the options and the loop of share/examples/bhyve/vmrun.sh, and is written anew.

use crate::sandbox::{Sandbox, project};
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert_eq, proptest};
use proptest::sample::select;
use proptest::test_runner::RngSeed;
use std::fs;

const SCRIPT: &str = "tests/fixtures/record/vmrun.sh";

/// A host with the script, its files, and the cards that it is given.
fn host(exits: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("vm.sh", &fs::read_to_string(project(SCRIPT)).unwrap());
    sandbox.write("fake/exits", exits);
    for name in ["rom.fd", "cd.iso", "a.img", "b.img"] {
        fs::write(sandbox.path(&format!("vm/{name}")), [0; 4096]).unwrap();
    }
    for tap in ["tap0", "tap1"] {
        let made = sandbox.finish(&mut sandbox.shell(&format!("ifconfig {tap} create")));
        assert_eq!((made.code, made.stderr.as_str()), (0, ""));
    }
    sandbox.write("fake/log", "");
    sandbox
}

/// The loads and boots of a log, each as its options, whose order means nothing.
fn boots(sandbox: &Sandbox) -> Vec<Vec<String>> {
    let log = sandbox.calls();
    let boots = log.lines().filter(|line| line.starts_with("bhyve ") || line.starts_with("bhyveload "));
    let options = |line: &str| {
        let mut options: Vec<String> = line.split(" -").map(|option| option.replacen(":0,", ",", 1)).collect();
        // The name stands behind the last option.
        let last = options.pop().unwrap();
        options.extend(last.split(' ').map(String::from));
        // What is so if nothing is said: the console of bhyveload(8), and the local APIC as a device of the hypervisor.
        options.retain(|option| !["c stdio", "a"].contains(&option.as_str()));
        options.sort();
        options
    };
    boots.map(options).collect()
}

/// What is there of machines and interfaces.
fn left(sandbox: &Sandbox) -> (Vec<String>, Vec<String>) {
    (sandbox.names("fake/vmm"), sandbox.names("fake/interfaces"))
}

/// Runs the script and its recipe on hosts of their own on which a guest's boots end so.
#[track_caller]
fn same_runs(options: &str, init: bool, recipe: &str, exits: &str) {
    let (script, made) = (host(exits), host(exits));
    let install = if init { "-i" } else { "" };
    let done = script.finish(&mut script.shell(&script.own(&format!("sh vm.sh {install} {options} guest"))));
    made.write("made.rhai", recipe);
    let run = made.run(if init { &["made.rhai", "--init"] } else { &["made.rhai"] });
    assert_eq!(
        boots(&script),
        boots(&made),
        "{exits:?} {options} {init}: {}\n{}\n{recipe}{}",
        done.stderr,
        script.calls(),
        run.stderr
    );
    assert_eq!(left(&script), left(&made), "{exits:?} {options} {init}");
    // The script hands on what bhyve said, where 1 is a guest that powered off.
    assert_eq!((done.code == 1, run.code == 0), (true, true), "{}{}", done.stderr, run.stderr);
}

#[test]
fn a_script_with_the_options_of_the_handbooks_boots_as_its_recipe_does() {
    for options in [
        "-c 2 -m 1G -t tap0 -d [tmp]/vm/a.img -I [tmp]/vm/cd.iso",
        "-c 4 -m 2G -t tap0 -t tap1 -d [tmp]/vm/a.img -d [tmp]/vm/b.img -I [tmp]/vm/cd.iso -w -u",
        "-m 512M -n e1000 -t tap1 -d [tmp]/vm/a.img -I [tmp]/vm/cd.iso -E -f [tmp]/vm/rom.fd -F w=800,h=600 -P 5907 -T -C /dev/nmdm0A",
        "-a -A -d [tmp]/vm/a.img -I [tmp]/vm/cd.iso -e boot_serial=YES -e console=comconsole",
    ] {
        let sandbox = host("1\n");
        let own = sandbox.own(options);
        let words = ["record", "--on", "freebsd-14.3", "--init-args", "-i", "--", "sh", "vm.sh", "{}"];
        let words: Vec<&str> = words.into_iter().chain(own.split(' ')).chain(["guest"]).collect();
        let done = sandbox.finish(&mut sandbox.command(&words));
        assert_eq!(done.code, 0, "{}", done.stderr);
        assert!(done.stderr.ends_with("vmrun: same machine, same commands\n"), "{}", done.stderr);
        for (init, exits) in [(false, "1\n"), (true, "1\n"), (false, "0\n0\n1\n"), (true, "0\n1\n")] {
            // Each run has files of its own.
            same_runs(options, init, &done.stdout, exits);
        }
    }
}

/// How a script makes sure of its modules, makes its card, puts it into a bridge and prepares its disk; how it loops, clears up, and is laid out.
#[derive(Clone, Debug)]
struct Shape {
    module: &'static str,
    tap: &'static str,
    bridge: &'static [&'static str],
    disk: &'static str,
    node: &'static str,
    loops: &'static str,
    form: &'static str,
}

fn shapes() -> impl Strategy<Value = Shape> {
    let one = |of: &'static [&'static str]| select(of);
    (
        one(&[
            "",
            "kldload vmm",
            "kldload -n vmm",
            "kldstat -q -m vmm || kldload vmm",
            "kldload -n vmm nmdm || exit 1",
        ]),
        one(&[
            "ifconfig tap5 create",
            "ifconfig tap5 create up",
            "ifconfig tap5 create mtu 1400",
            "ifconfig tap5 create\nifconfig tap5 up",
            "ifconfig tap5 create >/dev/null 2>&1 || true\nifconfig tap5 up",
            "ifconfig tap5 destroy 2>/dev/null\nifconfig tap5 create\nifconfig tap5 description guest",
        ]),
        select(vec![
            &[][..],
            &["ifconfig bridge2 addm tap5"],
            &["ifconfig bridge2 addm tap5 up"],
            &["ifconfig bridge7 create", "ifconfig bridge7 addm tap5 up", "ifconfig bridge7 destroy"],
            &["ifconfig bridge7 create inet 10.7.0.1/24", "ifconfig bridge7 addm tap5 up", "ifconfig bridge7 destroy"],
        ]),
        one(&[
            "",
            "truncate -s 1G vm/a.img",
            "[ -f vm/a.img ] || truncate -s 1G vm/a.img",
            "touch vm/seen",
            "[ -f vm/c.img ] || truncate -s 1M vm/c.img",
        ]),
        one(&["", "bhyvectl --destroy --vm=guest 2>/dev/null", "bhyvectl --vm guest --destroy >/dev/null 2>&1 || :"]),
        one(&[
            "while :; do\n@\n[ $? -eq 0 ] || break\ndone",
            "while true; do\n@\nif [ $? -ne 0 ]; then break; fi\ndone",
            "status=0\nwhile [ $status -eq 0 ]; do\n@\nstatus=$?\ndone",
            "until ! @\ndo :; done",
            "status=0\nwhile [ $status -eq 0 ]; do\n@ &\nwait $!\nstatus=$?\ndone",
        ]),
        one(&[
            "@",
            "main() {\n@\n}\nmain",
            "main() {\n@\n}\nmain 2>/dev/null",
            "exec 2>>vm/log\n@",
            "umask 077\n@",
            "case ${1:-start} in\nstop) exit 1;;\nstart)\n@\n;;\nesac",
            "while getopts i o; do :; done\n@",
            "[ -f vm/rom.fd ] || exit 1\n@",
            "cat > vm/seen <<E\nx\nE\n@",
        ]),
    )
        .prop_map(|(module, tap, bridge, disk, node, loops, form)| Shape {
            module,
            tap,
            bridge,
            disk,
            node,
            loops,
            form,
        })
}

impl Shape {
    fn script(&self) -> String {
        let boot = "bhyve -c 1 -m 512M -H -s 0,hostbridge -s 1,lpc -s 2,virtio-net,tap5 -s 3,virtio-blk,$PWD/vm/a.img \
                    -l bootrom,$PWD/vm/rom.fd guest";
        let (make, clear) = self.bridge.split_at(self.bridge.len().min(2));
        let lines = [&[self.module, self.tap][..], make, &[self.disk, self.node]].concat();
        let after = [&["bhyvectl --destroy --vm=guest"][..], clear, &["ifconfig tap5 destroy"]].concat();
        let all = [lines.join("\n"), self.loops.replace('@', boot), after.join("\n")].join("\n");
        format!("#!/bin/sh\n{}\n", self.form.replace('@', &all))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    /// Whatever a script of these shapes does, its recipe does the same.
    #[test]
    fn a_script_of_any_shape_leaves_what_its_recipe_leaves(shape in shapes(), exits in select(&["1\n", "0\n1\n", "2\n"][..])) {
        let text = shape.script();
        let recorded = host("1\n");
        recorded.write("s.sh", &text);
        let done = recorded.finish(&mut recorded.command(&["record", "--on", "freebsd-14.3", "--", "sh", "s.sh"]));
        prop_assert_eq!(done.code, 0, "{}\n{}", text, done.stderr);
        let (script, made) = (host(exits), host(exits));
        script.write("s.sh", &text);
        let ran = script.finish(&mut script.shell("sh s.sh"));
        made.write("made.rhai", &done.stdout);
        let run = made.run(&["made.rhai"]);
        let told = format!("{exits:?}\n{text}\n{}\n{}{}", done.stdout, ran.stderr, run.stderr);
        prop_assert_eq!(boots(&script), boots(&made), "{}", told);
        prop_assert_eq!(left(&script), left(&made), "{}", told);
        prop_assert_eq!(run.code, 0, "{}", told);
        let size = |sandbox: &Sandbox| ["vm/a.img", "vm/c.img"].map(|name| fs::metadata(sandbox.path(name)).map(|meta| meta.len()).ok());
        prop_assert_eq!(size(&script), size(&made), "{}", told);
    }
}

/// How a script prepares one of two machines: its card, its bridge, its disk.
type Preparation = (&'static str, &'static str, &'static str);

fn preparations() -> impl Strategy<Value = Preparation> {
    let one = |of: &'static [&'static str]| select(of);
    (
        one(&["ifconfig TAP create", "ifconfig TAP create up", "ifconfig TAP create\nifconfig TAP up"]),
        one(&["", "ifconfig bridge2 addm TAP"]),
        one(&["", "[ -f vm/NAME.img ] || truncate -s 1G vm/NAME.img", "truncate -s 1G vm/NAME.img"]),
    )
}

/// A script of two machines, which run beside each other or one after the other.
fn script_of_two(first: Preparation, second: Preparation, are_beside: bool) -> String {
    let of = |(tap, bridge, disk): Preparation, name: &str, card: &str| {
        let boot = "bhyve -c 1 -m 512M -H -s 0,hostbridge -s 1,lpc -s 2,virtio-net,TAP -s 3,virtio-blk,$PWD/vm/NAME.img \
                    -l bootrom,$PWD/vm/rom.fd NAME";
        let end = if are_beside { " &" } else { "" };
        [tap, bridge, disk, boot].join("\n").replace("TAP", card).replace("NAME", name) + end
    };
    let clear = "bhyvectl --destroy --vm=a\nbhyvectl --destroy --vm=b\nifconfig tap5 destroy\nifconfig tap6 destroy";
    let wait = if are_beside { "wait" } else { ":" };
    format!("#!/bin/sh\n{}\n{}\n{wait}\n{clear}\n", of(first, "a", "tap5"), of(second, "b", "tap6"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases() / 6, rng_seed: RngSeed::Fixed(2), ..ProptestConfig::default() })]

    /// The recipes of two machines do together what their script does.
    #[test]
    fn a_script_of_two_machines_leaves_what_its_recipes_leave(first in preparations(), second in preparations(), are_beside in any::<bool>()) {
        let text = script_of_two(first, second, are_beside);
        let recorded = host("1\n1\n");
        recorded.write("s.sh", &text);
        let words = ["record", "--on", "freebsd-14.3", "--out", "out", "--", "sh", "s.sh"];
        let done = recorded.finish(&mut recorded.command(&words));
        prop_assert_eq!(done.code, 0, "{}\n{}", text, done.stderr);
        let (script, made) = (host("1\n1\n"), host("1\n1\n"));
        script.write("s.sh", &text);
        script.finish(&mut script.shell("sh s.sh"));
        let mut told = text.clone();
        for name in ["a.rhai", "b.rhai"] {
            let recipe = recorded.read(&format!("out/{name}"));
            made.write(name, &recipe);
            let run = made.run(&[name]);
            told += &format!("{recipe}\n{}", run.stderr);
            prop_assert_eq!(run.code, 0, "{}", told);
        }
        let of = |sandbox: &Sandbox| { let mut all = boots(sandbox); all.sort(); all };
        prop_assert_eq!(of(&script), of(&made), "{}", told);
        prop_assert_eq!(left(&script), left(&made), "{}", told);
        let size = |sandbox: &Sandbox| ["vm/a.img", "vm/b.img"].map(|name| fs::metadata(sandbox.path(name)).unwrap().len());
        prop_assert_eq!(size(&script), size(&made), "{}", told);
    }
}

/// How many scripts are made: `PROPTEST_CASES`, or a share for everybody.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(18)
}
