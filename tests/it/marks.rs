//! Whose an interface is that vmrun has made: of a run with this state folder, with another, or of an older vmrun, which did not say.

use super::sandbox::{Sandbox, same};
use std::fs;
use vmrun::internals::supervise::journal;

fn host() -> Sandbox {
    let sandbox = Sandbox::new();
    let recipe = "
let net = bridge(\"bridge7\", #{ create: true });
let nic = tap(\"tap1\");
net.add(nic);
bhyve(#{ name: \"lab\", memory: 64.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"), slots: #{ \"5\": virtio_net(nic), \"31\": lpc() } }).run();
";
    sandbox.write("lab.rhai", recipe);
    fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    fs::create_dir(sandbox.path("other")).unwrap();
    sandbox.write("fake/exits", "1\n");
    sandbox
}

/// Has an interface that a run of `lab` has made whose mark says this of its folder.
fn has(sandbox: &Sandbox, name: &str, folder: &str) {
    let folder = if folder.is_empty() { String::new() } else { format!("/{}", sandbox.mark_of(folder)) };
    let kind = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let at = if kind == "tap" { "" } else { "@" };
    sandbox.write(
        &format!("fake/interfaces/{name}"),
        &format!("kind {kind}\nup yes\ndescription vmrun:{at}lab{folder}\ngroup vmrun\n"),
    );
}

const THERE: [&str; 3] = ["bridge2", "em0", "lo0"];

#[test]
fn a_mark_says_which_state_folder_the_run_has() {
    let sandbox = host();
    assert_eq!(sandbox.run(&["lab.rhai"]).code, 0);
    let log = fs::read_to_string(sandbox.path("fake/log")).unwrap();
    let folder = sandbox.mark_of("state");
    for line in [
        format!("ifconfig bridge7 group vmrun description vmrun:@lab/{folder} up\n"),
        format!("ifconfig tap1 group vmrun description vmrun:lab/{folder} up\n"),
    ] {
        assert!(log.contains(&line), "{log}");
    }
    assert_eq!(sandbox.names("fake/interfaces"), THERE);
}

#[test]
fn gc_gives_back_what_is_of_its_own_state_folder_only() {
    let sandbox = host();
    has(&sandbox, "tap1", "other");
    has(&sandbox, "bridge7", "other");
    has(&sandbox, "tap2", "state");
    let done = sandbox.run(&["gc"]);
    let text = "# lab was left by a vmrun of which nothing is known\nifconfig tap2 destroy\n\
        rm -rf [tmp]/state/lab [tmp]/state/.lab.secrets [tmp]/state/.lab.lock\n";
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, text, ""));
    assert_eq!(sandbox.names("fake/interfaces"), ["bridge2", "bridge7", "em0", "lo0", "tap1"]);
    let done = sandbox.run(&["gc"]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, "", ""));
    assert_eq!(sandbox.names("state"), [""; 0]);
}

#[test]
fn what_an_older_vmrun_has_marked_and_no_journal_has_is_told_and_stays() {
    let sandbox = host();
    has(&sandbox, "tap1", "");
    let text = "# lab was left by a vmrun of which nothing is known\n\
        # tap1 stays: an older vmrun made it, perhaps one with another state folder; if none runs: ifconfig tap1 destroy\n";
    for words in [&["gc", "--dry-run"][..], &["gc"]] {
        let done = sandbox.run(words);
        assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, text, ""));
    }
    let done = sandbox.run(&["gc", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    let lab = serde_json::json!({ "machine": "lab", "owner": null, "given_back": [], "kept": ["tap1"], "goes_on": null, "faults": [] });
    assert_eq!(told, serde_json::json!([lab]));
    assert_eq!(sandbox.names("fake/interfaces"), ["bridge2", "em0", "lo0", "tap1"]);
    assert_eq!(sandbox.names("state"), [""; 0]);
}

#[test]
fn what_an_older_vmrun_has_marked_and_our_journal_has_is_given_back() {
    let sandbox = host();
    has(&sandbox, "tap1", "");
    has(&sandbox, "bridge7", "");
    let owner = ["owner", &u32::MAX.to_string(), "1", "another boot", "0.1.0", "0", "/root/lab.rhai"];
    let lines: [&[&str]; 4] = [&owner, &["+", "lock", "lab"], &["+", "link", "bridge7"], &["+", "tap", "tap1"]];
    sandbox.write("state/.lab.lock", &lines.map(journal::line).concat());
    let done = sandbox.run(&["gc"]);
    let text = "# lab was left by vmrun [pid], of /root/lab.rhai, since [when]\nifconfig tap1 destroy\nifconfig bridge7 destroy\n\
        rm -rf [tmp]/state/lab [tmp]/state/.lab.secrets [tmp]/state/.lab.lock\n";
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, text, ""));
    assert_eq!(sandbox.names("fake/interfaces"), THERE);
}

#[test]
fn a_start_takes_over_what_is_of_its_own_state_folder_only() {
    let sandbox = host();
    let said = |folder: &str| {
        has(&sandbox, "tap1", folder);
        let done = sandbox.run(&["lab.rhai"]);
        assert_eq!(sandbox.names("state"), [""; 0]);
        (done.code, done.stderr)
    };
    let expected = |fault: &str, hint: &str| {
        format!(
            "\nerror: {fault}\n --> lab.rhai:3:15\n  |\n3 | let nic = tap(\"tap1\");\n  |               ^^^^^^\n  |\n  = hint: {hint}\n"
        )
    };
    let (code, text) = said("other");
    same(
        &text,
        &expected(
            "tap1 is of the machine lab of another vmrun",
            "it keeps its state in another folder; choose another name, or stop it there",
        ),
    );
    assert_eq!(code, 3);
    let (code, text) = said("");
    same(
        &text,
        &expected(
            "tap1 is there already, and this run did not make it",
            "choose another name, or remove it: ifconfig tap1 destroy",
        ),
    );
    assert_eq!(code, 1);
    assert!(sandbox.names("fake/interfaces").contains(&"tap1".into()));
    let (code, text) = said("state");
    assert_eq!((code, text.contains("error")), (0, false), "{text}");
    assert_eq!(sandbox.names("fake/interfaces"), THERE);
}

#[test]
fn a_bridge_stays_that_an_idle_tap_of_another_vmrun_is_in() {
    let sandbox = host();
    sandbox.write("net.rhai", "bridge(\"bridge7\", #{ create: true });\n");
    assert_eq!(sandbox.run(&["network", "up", "net.rhai"]).code, 0);
    for folder in ["other", ""] {
        has(&sandbox, "tap1", folder);
        let bridge = sandbox.read("fake/interfaces/bridge7");
        sandbox.write("fake/interfaces/bridge7", &format!("{bridge}member tap1\n"));
        let done = sandbox.run(&["network", "down", "net.rhai"]);
        let of = if folder.is_empty() { "tap1 of the machine lab" } else { "tap1" };
        let expected = format!(
            "
error: the bridge bridge7 is in use by {of}
 --> net.rhai:1:1
  |
1 | bridge(\"bridge7\", #{{ create: true }});
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: stop the machines that use it first
"
        );
        same(&done.stderr, &expected);
        assert_eq!(done.code, 3);
        sandbox.write("fake/interfaces/bridge7", &bridge);
    }
}
