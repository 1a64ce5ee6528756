//! Where the releases behind 12.1 are known to answer differently (KNOWN-DIFFERENCES.md): the fake userland follows the release.

use crate::sandbox::Sandbox;
use std::process::Command;

/// What a command of sh(1) says of a release: the status, and then its outputs.
fn said(sandbox: &Sandbox, release: &str, command: &str) -> (Option<i32>, String) {
    let mut shell: Command = sandbox.program("sh", &["-c", command]);
    let output = shell.env("FAKE_FREEBSD_RELEASE", release).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// Asks each release in a system of its own.
#[track_caller]
fn differs(before: &str, command: &str, answers: &[(&str, i32, &str)]) {
    for (release, status, words) in answers {
        let sandbox = Sandbox::new();
        assert_eq!(said(&sandbox, release, before), (Some(0), String::new()), "{release}: {before}");
        let (code, text) = said(&sandbox, release, command);
        assert!(code == Some(*status) && text.contains(words), "{release}: {command}: {code:?} {text}");
    }
}

#[test]
fn what_cannot_be_made_is_named_from_14_on() {
    let wrong = "SIOCIFCREATE2: Invalid argument";
    let named = "SIOCIFCREATE2 (vm0): Invalid argument";
    differs(
        "true",
        "ifconfig vm0 create",
        &[("12.1", 1, wrong), ("13.2", 1, wrong), ("14.0", 1, named), ("15", 1, named)],
    );
}

#[test]
fn a_member_of_another_mtu_is_given_the_bridges_from_13_on() {
    let before = "ifconfig bridge7 create && ifconfig tap1 create && ifconfig tap2 create mtu 1400 && ifconfig bridge7 addm tap1";
    let command = "ifconfig bridge7 addm tap2; status=$?; ifconfig tap2; exit $status";
    differs(before, command, &[("12.1", 1, "mtu 1400"), ("13.0", 0, "mtu 1500"), ("15", 0, "mtu 1500")]);
}

#[test]
fn the_mtu_of_a_bridge_is_that_of_its_members_from_13_on() {
    let before = "ifconfig bridge7 create && ifconfig tap1 create && ifconfig bridge7 addm tap1";
    let refused = "ioctl SIOCSIFMTU (set mtu): Invalid argument";
    let command = "ifconfig bridge7 mtu 1400; status=$?; ifconfig tap1; exit $status";
    differs(before, command, &[("12.1", 1, refused), ("13.0", 0, "mtu 1400"), ("15", 0, "mtu 1400")]);
    differs(
        before,
        "ifconfig tap1 mtu 1400",
        &[("12.1", 0, ""), ("14.3", 0, ""), ("15.0", 1, "Operation not supported")],
    );
}

#[test]
fn members_have_no_addresses_on_15_if_the_system_says_so() {
    let before = "echo net.link.bridge.member_ifaddrs=0 > \"$FAKE_FREEBSD/sysctl\" && ifconfig bridge7 create && \
                  ifconfig tap1 create && ifconfig tap2 create inet 127.9.9.9/32 && ifconfig bridge7 addm tap1";
    differs(before, "ifconfig bridge7 addm tap2", &[("14", 0, ""), ("15", 1, "BRDGADD tap2: Invalid argument")]);
    differs(before, "ifconfig tap1 inet 127.9.9.8/32", &[("14", 0, ""), ("15", 1, "Invalid argument")]);
}

#[test]
fn a_group_is_shown_whole_and_left_out_from_14_on() {
    let before = "ifconfig tap1 create group lab && ifconfig tap2 create";
    differs(
        before,
        "ifconfig -a -g lab",
        &[("12.1", 0, "tap1\n"), ("13", 0, "tap1\n"), ("14.0", 0, "groups: tap lab")],
    );
    differs(before, "ifconfig -l -G lab", &[("13", 1, "illegal option -- G"), ("14", 0, "tap2\n")]);
}

#[test]
fn the_lower_layer_is_told_from_14_1_on() {
    let command = "ifconfig bridge2";
    differs("true", command, &[("13", 0, "flags=8843<"), ("14.0", 0, "flags=8843<"), ("14.1", 0, "flags=1008843<")]);
}

#[test]
fn a_tap_that_is_open_goes_at_once_on_12_and_when_it_is_closed_from_13_on() {
    // Who holds it is the shell, until it ends.
    let held = "printf 'kind tap\\nopened_by %s\\n' $$ > \"$FAKE_FREEBSD/interfaces/tap1\"";
    let now = format!("{held}; ifconfig tap1 destroy; echo destroyed; echo closed");
    differs("true", &now, &[("12.1", 0, "destroyed\nclosed\n")]);
    let later = format!("{held}; (ifconfig tap1 destroy; echo destroyed) & sleep 0.1; echo closed");
    differs("true", &later, &[("13", 0, "closed\ndestroyed\n"), ("15", 0, "closed\ndestroyed\n")]);
}

#[test]
fn a_route_that_is_not_there_is_status_1_from_13_on() {
    let words = "route: route has not been found";
    differs("true", "route -n get -4 default", &[("12.1", 255, words), ("13", 1, words), ("15", 1, words)]);
}
