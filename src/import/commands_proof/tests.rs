//! What counts as the same commands, and what is told.

use super::*;

fn calls(lines: &[&str]) -> Vec<Call> {
    let call = |line: &&str| {
        let (line, output) = line.split_once(" > ").unwrap_or((line, ""));
        let argv: Vec<String> = line.split(' ').map(str::to_string).collect();
        let reads = line.starts_with("kldstat") || line == "ifconfig -l" || line.starts_with("zfs list");
        Call { argv, output: output.into(), reads, ..Call::default() }
    };
    lines.iter().map(call).collect()
}

fn differences(script: &[&str], recipe: &[&str]) -> Vec<String> {
    let (here, there) = deeds(&calls(script)).differences(&deeds(&calls(recipe)));
    told(&here, &there)
}

#[test]
fn what_the_equivalence_lists_is_the_same() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["ifconfig -l", "zfs list z", "cu -l /dev/nmdm0B"], &[]),
        (&["kldload vmm nmdm", "kldload vmm"], &["kldload -n vmm", "kldload -n nmdm.ko"]),
        (&["kldstat -q -m vmm"], &["kldload -n vmm"]),
        (&["bhyvectl --vm a --destroy", "bhyve a"], &["bhyvectl --destroy --vm=a", "bhyve a"]),
        (&["bhyvectl --create --vm=a", "bhyve a", "bhyvectl --destroy --vm=a"], &["bhyve a"]),
        (&["truncate -s8G /a /b"], &["truncate -s 8G /a", "truncate -s 8192M /b"]),
        (
            &[
                "ifconfig tap0 destroy",
                "ifconfig tap create > tap0",
                "ifconfig tap0 up",
                "ifconfig tap0 mtu 9000",
                "bhyve a",
            ],
            &["ifconfig tap0 create mtu 9000", "bhyve a", "ifconfig tap0 destroy"],
        ),
        (
            &["ifconfig b0 addm em0 addm tap0 private tap0", "bhyve a"],
            &["ifconfig b0 addm tap0 private tap0", "ifconfig b0 addm em0", "bhyve a"],
        ),
        (
            &[
                "ifconfig tap create > tap0",
                "bhyve a",
                "ifconfig tap0 name lab0",
                "ifconfig b0 addm lab0",
                "ifconfig lab0 destroy",
            ],
            &["ifconfig tap0 create", "ifconfig b0 addm tap0", "bhyve a"],
        ),
        (&["ifconfig em0.30 create"], &["ifconfig em0.30 create vlan 30 vlandev em0"]),
        (&["ifconfig bridge create > bridge0", "ifconfig bridge0 name lan"], &["ifconfig lan create"]),
        (&["ifconfig epair create > epair3a", "ifconfig epair3b up"], &["ifconfig epair3a create"]),
        (
            &["ifconfig bridge7 create inet 10.0.0.1 netmask 255.255.255.0", "bhyve a"],
            &["ifconfig bridge7 create", "ifconfig bridge7 inet 10.0.0.1/24", "bhyve a"],
        ),
    ];
    for (script, recipe) in cases {
        assert_eq!(differences(script, recipe), [""; 0], "{script:?}");
    }
}

#[test]
fn what_it_does_not_list_is_told_line_by_line() {
    let cases: &[(&[&str], &[&str], &[&str])] = &[
        (
            &["sysctl a=1", "bhyve a"],
            &["bhyve a", "kldload -n vmm"],
            &[
                "the script calls `sysctl a=1`, the recipe does not",
                "the recipe calls `kldload vmm`, the script does not",
            ],
        ),
        (
            &["sysctl a=1", "kldload vmm"],
            &["kldload vmm", "sysctl a=1"],
            &["the recipe calls `sysctl a=1`, but at another place than the script"],
        ),
        (
            &["ifconfig tap0 create mtu 9000", "ifconfig b0 addm tap0", "bhyve a"],
            &["ifconfig tap0 create", "bhyve a"],
            &[
                "the script calls `ifconfig b0 addm tap0`, the recipe does not",
                "the script calls `ifconfig tap0 mtu 9000`, the recipe does not",
            ],
        ),
        (
            &["bhyve a", "ifconfig em0 mtu 1500"],
            &["ifconfig em0 mtu 1500", "bhyve a"],
            &["the recipe calls `ifconfig em0 mtu 1500`, the script does not"],
        ),
        (&["bhyve a", "umount /mnt"], &["bhyve a"], &["the script calls `umount /mnt`, the recipe does not"]),
        (
            &["ifconfig tap0 create", "ifconfig b0 addm tap0", "ifconfig b0 deletem tap0", "bhyve a"],
            &["ifconfig tap0 create", "ifconfig b0 addm tap0", "bhyve a"],
            &["the recipe calls `ifconfig b0 addm tap0`, the script does not"],
        ),
    ];
    for (script, recipe, lines) in cases {
        assert_eq!(&differences(script, recipe), lines, "{script:?}");
    }
}

#[test]
fn who_switches_a_guest_off_that_runs_does_what_no_recipe_does() {
    let line = "bhyvectl --force-poweroff --vm=a";
    let mut called = calls(&["bhyve -c 1 a", line, "bhyvectl --destroy --vm=a"]);
    // Its guest has ended before.
    assert!(!deeds(&called).has(line));
    called[0].carriers = "&".into();
    assert!(deeds(&called).has(line));
}
