//! What hangs on answers that were made up, and on calls that fail at a second start.

use crate::recorded::record_in;
use crate::sandbox::{Sandbox, same};

const REST: &str = "-s 0,hostbridge -s 31,lpc -l bootrom,/fw.fd a";

/// The recipe's lines before the machine.
fn before(script: &str) -> String {
    let done = record_in(&Sandbox::new(), script, &[]);
    assert!(
        done.code == 0 && done.stderr.ends_with("vmrun: same machine, same commands\n"),
        "{script}\n{}",
        done.stderr
    );
    let (_, text) = done.stdout.split_once("\n\n").unwrap();
    text.split("\nbhyve(#{").next().unwrap().trim().to_string()
}

#[test]
fn a_machine_that_hangs_on_a_made_up_answer_is_told_with_the_way_to_say_it() {
    let sandbox = Sandbox::new();
    let script = format!(
        "n=$(($(sysctl -n hw.ncpu) / 2))\n[ $n -ge 1 ] || n=1\nsysctl -n hw.pagesize >/dev/null\nbhyve -c $n -m 1G {REST}"
    );
    let done = record_in(&sandbox, &script, &[]);
    same(
        &done.stderr,
        "\
vmrun: made up, where `--answer` says nothing: hw.ncpu is 8; hw.pagesize is 4096
error: what the script calls hangs on what `sysctl -n hw.ncpu` prints, which was made up, and the recipe has what that was
 |
 = hint: say what it is on its host: --answer 'sysctl -n hw.ncpu=FILE'",
    );
    let gap = "// NOT DERIVED: what the script calls hangs on what `sysctl -n hw.ncpu` prints, which was made up, and the\n// recipe has what that was.\n";
    assert!(done.code == 1 && done.stdout.contains(gap), "{}", done.stdout);
    sandbox.write("cpus", "12\n");
    let done = record_in(&sandbox, &script, &["--answer", "sysctl -n hw.ncpu=cpus"]);
    same(
        &done.stderr,
        "vmrun: made up, where `--answer` says nothing: hw.pagesize is 4096\nvmrun: same machine, same commands",
    );
    assert!(done.code == 0 && done.stdout.contains("cpus: 6,"), "{}", done.stdout);
    // The interface by which the host is on its network is one that was made up too.
    let script = format!(
        "nic=$(route -n get default | awk '/interface:/ {{ print $2 }}')\nifconfig bridge0 addm $nic\nbhyve -c 1 -m 1G {REST}"
    );
    let done = record_in(&sandbox, &script, &[]);
    let what = "error: what the script calls hangs on what `route -n get default` prints, which was made up";
    assert!(done.code == 1 && done.stderr.contains(what), "{}", done.stderr);
    // What is only looked at tells nothing of the machine.
    let script = format!("[ $(sysctl -n hw.ncpu) -ge 2 ] || exit 1\nuname -r\nbhyve -c 1 -m 1G {REST}");
    assert_eq!(record_in(&sandbox, &script, &[]).code, 0);
}

#[test]
fn what_fails_at_a_second_start_and_is_no_fault_of_the_scripts_is_none_of_the_recipes() {
    let boot = format!("bhyve -c 1 -m 1G {REST}");
    let tried = |calls: &[&str]| {
        let line = |call: &&str| {
            format!("// It may be so already, and the script goes on.\ntry {{ run({call}); }} catch {{ }}")
        };
        calls.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    let cases = [
        (
            format!("pfctl -f /etc/pf.conf\npfctl -e 2>/dev/null\n{boot}\nexit 0"),
            format!("run(\"pfctl\", [\"-f\", \"/etc/pf.conf\"]);\n{}", tried(&["\"pfctl\", [\"-e\"]"])),
        ),
        (
            format!("route add 10.9.0.0/24 10.0.0.1 || true\nservice dnsmasq onestart\n{boot}\nexit 0"),
            tried(&["\"route\", [\"add\", \"10.9.0.0/24\", \"10.0.0.1\"]", "\"service\", [\"dnsmasq\", \"onestart\"]"]),
        ),
        (
            format!("vale-ctl -a vale0:em1\ndevctl detach pci0:1:0:0\n{boot}\nexit 0"),
            tried(&["\"vale-ctl\", [\"-a\", \"vale0:em1\"]", "\"devctl\", [\"detach\", \"pci0:1:0:0\"]"]),
        ),
        // What is taken back at the end is there no more at the next start.
        (
            format!("vale-ctl -a vale0:em1\n{boot}\nvale-ctl -d vale0:em1\nexit 0"),
            "run(\"vale-ctl\", [\"-a\", \"vale0:em1\"]);".into(),
        ),
        // The script gives up there itself.
        (
            format!("set -e\nroute add 10.9.0.0/24 10.0.0.1\n{boot} || true"),
            "run(\"route\", [\"add\", \"10.9.0.0/24\", \"10.0.0.1\"]);".into(),
        ),
        (
            format!("route add 10.9.0.0/24 10.0.0.1 || exit 1\npfctl -e\n{boot}\nexit 0"),
            format!("run(\"route\", [\"add\", \"10.9.0.0/24\", \"10.0.0.1\"]);\n{}", tried(&["\"pfctl\", [\"-e\"]"])),
        ),
    ];
    for (script, expected) in cases {
        same(&before(&script), &expected);
    }
}

#[test]
fn what_a_script_waits_for_before_its_machine_is_named() {
    let boot = format!("bhyve -c 1 -m 1G {REST}");
    let text = |script: &str| record_in(&Sandbox::new(), script, &[]).stdout;
    let left_out = "// Left out: `sleep 3`, by which the script waits before it boots its machine.\n";
    let waits = text(&format!("service iscsid onestart\nsleep 3\n{boot}\nexit 0"));
    assert!(waits.contains(left_out), "{waits}");
    // What is between two boots is of `restart`, and what is beside it comes before or after it by chance.
    for script in [format!("while {boot}; do sleep 3; done"), format!("{boot} &\nsleep 3\nwait")] {
        let text = text(&script);
        assert!(text.contains("name: \"a\"") && !text.contains("Left out"), "{text}");
    }
}

#[test]
fn folders_and_sockets_of_a_machine_are_what_they_are_where_its_recipe_is_proved() {
    let devices = "-s 4,virtio-9p,data=/srv/data,ro -s 5,virtio-console,agent=/var/run/a.sock";
    let done = record_in(&Sandbox::new(), &format!("bhyve -c 1 -m 1G {devices} {REST}\nexit 0"), &[]);
    assert!(done.code == 0 && done.stderr.ends_with("vmrun: same machine, same commands\n"), "{}", done.stderr);
}

#[test]
fn a_number_of_a_process_is_none_of_a_recipe() {
    let script = format!("rctl -a process:$$:memoryuse:deny=3g\nbhyve -c 1 -m 1G {REST}\nexit 0");
    let done = record_in(&Sandbox::new(), &script, &[]);
    let what = "is about a process, which has another number in each run\n |\n = hint: leave it out of the recipe; what bhyve may take is `vm.limits(#{ … })`\n";
    assert!(done.code == 1 && done.stderr.ends_with(what), "{}", done.stderr);
}

#[test]
fn a_lock_keeps_others_out_as_vmrun_does() {
    let text = |script: &str| record_in(&Sandbox::new(), script, &[]).stdout;
    let by_number = text(&format!("exec 9>/var/run/a.lock\nlockf -t 0 9 || exit 1\nbhyve -c 1 -m 1G {REST}\nexit 0"));
    assert!(!by_number.contains("lockf") && by_number.contains("name: \"a\""), "{by_number}");
    let around = text(&format!("lockf -k -t 0 /var/run/a.lock bhyve -c 1 -m 1G {REST}\nexit 0"));
    assert!(around.contains("// The script runs it by `lockf`, which is left out.\n"), "{around}");
}

/// Each of them boots another machine where the answer is the other one; what is asked is in the same place of the message.
#[test]
fn a_text_with_which_an_answer_is_compared_is_an_answer_too() {
    let boot = format!("bhyve -c 1 -m $M {REST}\nexit 0");
    let cases = [
        ("case $(hostname) in big*) M=8G ;; *) M=1G ;; esac", "hostname", ", which was made up, and"),
        ("if [ \"$(hostname -s)\" = web1 ]; then M=8G; else M=1G; fi", "hostname -s", ", which was made up, and"),
        ("M=1G; sockstat -4l | grep -q :5900 && M=2G", "sockstat -4l", ", which was made up, and"),
        ("[ $(date +%H) -gt 20 ] && M=8G || M=1G", "date", ", and"),
    ];
    for (line, asked, why) in cases {
        let done = record_in(&Sandbox::new(), &format!("{line}\n{boot}"), &[]);
        let what =
            format!("error: what the script calls hangs on what `{asked}` prints{why} the recipe has what that was\n");
        assert!(done.code == 1 && done.stderr.contains(&what), "{line}\n{}", done.stderr);
    }
    // What is compared and changes nothing is no doubt.
    let script = format!("M=1G\ncase $(hostname) in big*) echo big ;; esac\nsockstat -4l\n{boot}");
    let done = record_in(&Sandbox::new(), &script, &[]);
    assert_eq!(done.code, 0, "{}", done.stderr);
}

#[test]
fn a_machine_that_hangs_on_which_files_a_pattern_finds_is_told() {
    let cases = [
        "ISO=$(ls -t /vm/iso/*.iso 2>/dev/null | head -1)\n[ -n \"$ISO\" ] && CD=\"-s 4,ahci-cd,$ISO\"",
        "for i in /vm/iso/*.iso; do [ -f \"$i\" ] && CD=\"-s 4,ahci-cd,$i\"; done",
    ];
    let told = |pattern: &str| {
        format!(
            "error: what the script calls hangs on which files `{pattern}` finds, and the recipe has what it was\n |\n = hint: write the name that \
             you mean into the script, or into the recipe\n"
        )
    };
    for lines in cases {
        let done = record_in(&Sandbox::new(), &format!("{lines}\nbhyve -c 1 -m 1G $CD {REST}\nexit 0"), &[]);
        assert_eq!((done.code, done.stderr), (1, told("/vm/iso/*.iso")), "{lines}");
    }
    // The newest of several that are there.
    let sandbox = Sandbox::new();
    sandbox.write("a.iso", "1");
    sandbox.write("b.iso", "2");
    let script = format!("CD=$(ls -t *.iso | head -1)\nbhyve -c 1 -m 1G -s 4,ahci-cd,$PWD/$CD {REST}\nexit 0");
    let done = record_in(&sandbox, &script, &[]);
    assert!(done.code == 1 && done.stderr.contains(&told("[tmp]/*.iso")), "{}", done.stderr);
    // What is only listed tells nothing of the machine.
    let done = record_in(&sandbox, &format!("ls *.iso *.img\nbhyve -c 1 -m 1G {REST}\nexit 0"), &[]);
    assert_eq!(done.code, 0, "{}", done.stderr);
}
