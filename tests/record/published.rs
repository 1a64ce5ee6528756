//! What `vmrun record` makes of scripts as people publish them: all that is told, and the whole recipe.

use crate::golden;
use crate::sandbox::{Sandbox, project};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The arguments of the scripts that take some.
const ARGUMENTS: &[(&str, &str)] = &[
    ("anchor.sh", "start"),
    ("options-grub.sh", "mail"),
    ("start-stop.sh", "start"),
    ("rc-service.sh", "start"),
    ("rc-daemon.sh", "start"),
    ("golden-clone.sh", "web1"),
    ("arrays-grub.sh", "web"),
];

#[test]
fn scripts_as_people_publish_them_become_recipes_or_say_why_not() {
    let folder = project("tests/fixtures/record/published");
    let mut names: Vec<String> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| Path::new(name).extension().is_some_and(|kind| kind == "sh"));
    names.sort();
    assert!(names.len() >= 8);
    // A script that asks for the date is told; its transcript has that of one day.
    let today = Command::new("date").arg("+%Y%m%d").output().unwrap();
    let today = String::from_utf8(today.stdout).unwrap().trim().to_string();
    let mut files = Vec::new();
    for name in names {
        let sandbox = Sandbox::new();
        for file in [name.as_str(), "vm.conf"] {
            sandbox.write(file, &fs::read_to_string(format!("{folder}/{file}")).unwrap());
        }
        let text = fs::read_to_string(format!("{folder}/{name}")).unwrap();
        let shell = if text.lines().next().unwrap().ends_with("bash") { "bash" } else { "sh" };
        let args = ARGUMENTS.iter().filter(|(of, _)| *of == name).map(|(_, arg)| *arg);
        let words: Vec<&str> = ["record", "--on", "freebsd-14.3", "--", shell, &name].into_iter().chain(args).collect();
        let done = sandbox.finish(&mut sandbox.command(&words));
        // What is not derived is said in the first lines, and only then.
        assert_eq!(done.stdout.contains("// NOT DERIVED: "), done.code == 1, "{name}: {}", done.stderr);
        if done.code == 0 {
            sandbox.write("made.rhai", &done.stdout);
            let checked = sandbox.finish(&mut sandbox.command(&["check", "--on", "freebsd-14.3", "made.rhai"]));
            assert_eq!(checked.code, 0, "{name}: {}", checked.stderr);
        }
        files.push((
            format!("tests/fixtures/record/published/{name}.txt"),
            format!("{}\n{}", done.stderr, done.stdout).replace(&today, "20261130"),
        ));
    }
    golden::check(files);
}

/// What is told of a script, and the head of its recipe: what stands before the machine.
fn head(lines: &str, code: i32) -> (String, String) {
    let sandbox = Sandbox::new();
    sandbox.write("s.sh", &format!("#!/bin/sh\n{lines}\n"));
    let done = sandbox.finish(&mut sandbox.command(&["record", "--on", "freebsd-14.3", "--", "sh", "s.sh"]));
    assert_eq!(done.code, code, "{lines}\n{}{}", done.stdout, done.stderr);
    let text = done.stdout.replace("// Made from what `sh s.sh` called.\n", "");
    (done.stderr, text.split("\nbhyve(#{").next().unwrap().trim().replace("\n// ", " "))
}

const BHYVE: &str = "bhyve -c 1 -m 1G -s 0,hostbridge -s 31,lpc -l bootrom,/fw.fd a";

#[test]
fn a_script_that_counts_its_starts_has_a_recipe_that_does() {
    let reboots = "NOT DERIVED: the script starts the machine again at most 4 times when it reboots, and vmrun does so as often as it reboots.";
    let cases = [
        (
            format!("until {BHYVE}; do sleep 5; done"),
            "// After a power off, a halt and a crash the script starts the machine again, for ever; vmrun ends that after 5 times \
             within 10m, where `limit` says nothing.\n\n\
             restart(#{ on: [\"poweroff\", \"halt\", \"crash\"], delay: \"5s\", backoff: 1.0 });"
                .to_string(),
            0,
        ),
        (
            format!("for i in 1 2 3; do\n{BHYVE} && break\nsleep $i\ndone"),
            "// After a power off, a halt and a crash the script starts the machine again, at most 2 times in all.\n\n\
             restart(#{ on: [\"poweroff\", \"halt\", \"crash\"], delay: \"1s\", backoff: 2.0, limit: 2, within: \"365d\" });"
                .into(),
            0,
        ),
        (
            format!(
                "n=0\nwhile :; do\n{BHYVE}\ncase $? in 0) continue ;; 1|2) break ;; esac\nn=$((n+1))\n[ $n -ge 4 ] && exit 1\nsleep 10\ndone"
            ),
            "// After a reboot and a crash the script starts the machine again, at most 3 times in all, reboots not counted.\n\n\
             restart(#{ on: [\"reboot\", \"crash\"], delay: \"10s\", backoff: 1.0, limit: 3, within: \"365d\" });"
                .into(),
            0,
        ),
        (
            format!("c=0\nwhile [ $c -lt 5 ]; do\n{BHYVE}\nc=$((c+1))\ndone"),
            format!(
                "// {reboots} After a reboot, a power off, a halt and a crash the script starts the machine again, at most 4 times in all, \
                 reboots not counted.\n\n\
                 restart(#{{ on: [\"reboot\", \"poweroff\", \"halt\", \"crash\"], limit: 4, within: \"365d\" }});"
            ),
            1,
        ),
        (
            format!("n=0\nwhile [ $n -lt 9 ]; do\n{BHYVE}\ncase $? in 3) n=9 ;; 4) n=$((n+1)) ;; 1) n=$((n+3)) ;; *) break ;; esac\ndone"),
            String::new(),
            1,
        ),
    ];
    for (lines, expected, code) in cases {
        let (told, text) = head(&lines, code);
        if expected.is_empty() {
            let torn = "error: the script starts the machine again at most 2 times after bhyve's status 1 and at most 8 times after bhyve's \
                        status 4, and a recipe has one limit\n |\n = hint: write the limit that you mean into `restart(#{ … })`";
            assert!(told.contains(torn), "{told}");
        } else {
            assert_eq!(text, expected, "{lines}");
        }
    }
}

#[test]
fn a_loop_that_outlives_its_script_has_no_limit() {
    let lines = format!(
        "( while true; do\n{BHYVE}\n[ $? -ne 0 ] && break\ndone\nbhyvectl --destroy --vm=a ) </dev/null >/dev/null 2>&1 &\necho started"
    );
    let (told, text) = head(&lines, 0);
    assert_eq!(told, "started\nvmrun: same machine, same commands\n");
    assert_eq!(text, "// The script runs it by `&`: `vmrun start` keeps it in the background instead.");
}

#[test]
fn what_runs_beside_in_subshells_is_recorded_in_the_order_of_its_start() {
    let lines = format!(
        "( sysctl a.a=1; sysctl a.b=2 ) &\n( sysctl b.a=1; sysctl b.b=2 ) &\n( sysctl c.a=1 ) &\nwait\n{BHYVE}\nexit 0"
    );
    let ends =
        "// The script ends when the guest reboots; vmrun starts it again, with `init` false, until it powers off.\n\n";
    for _ in 0..5 {
        let (_, text) = head(&lines, 0);
        let settings: Vec<String> =
            ["a.a=1", "a.b=2", "b.a=1", "b.b=2", "c.a=1"].map(|one| format!("run(\"sysctl\", [\"{one}\"]);")).into();
        assert_eq!(text, format!("{ends}{}", settings.join("\n")));
    }
}

#[test]
fn a_copy_that_outlives_a_reboot_stays_and_that_is_told() {
    let boot = BHYVE.replace(".fd a", ".fd -s 3,virtio-blk,/vm/a.img a");
    let (told, text) = head(&format!("cp /vm/golden.img /vm/a.img\nwhile {boot}; do :; done\nrm -f /vm/a.img"), 1);
    let made_up = "/vm/golden.img is there\n";
    assert!(told.contains(made_up.trim_start()), "{told}");
    let lines: Vec<&str> = told.lines().skip(1).collect();
    assert_eq!(lines, ["error: the script calls `rm -f /vm/a.img`, the recipe does not"]);
    assert_eq!(
        text,
        "// NOT DERIVED: the script calls `rm -f /vm/a.img`, the recipe does not.\n\nrun(\"cp\", [\"/vm/golden.img\", \"/vm/a.img\"], #{ makes: \"/vm/a.img\" });"
    );
}

#[test]
fn a_script_that_counts_anew_after_a_reboot_is_no_recipe_of_the_same_kind() {
    let (told, _) = head(
        &format!(
            "n=0\nwhile :; do\n{BHYVE}\ncase $? in 0) n=0; continue ;; 1|2) break ;; esac\nn=$((n+1))\n[ $n -ge 3 ] && break\nsleep 5\ndone"
        ),
        1,
    );
    assert_eq!(
        told,
        "error: the script starts the machine again at most 2 times after bhyve's statuses 3 and 4 in a row, and begins to count anew when it \
         has rebooted in between; vmrun counts all of them\n |\n = hint: write into `restart(#{ … })` `within`, the time after which a start \
         is forgotten, as \"10m\"\n"
    );
}

const ENDS: &str =
    "// The script ends when the guest reboots; vmrun starts it again, with `init` false, until it powers off.\n\n";

#[test]
fn what_a_program_reads_and_what_is_asked_of_netgraph_and_of_processes_is_in_the_recipe() {
    let cases = [
        (
            format!(
                "echo 'nat on wlan0 from 10.0.0.0/24 to any -> (wlan0)' | pfctl -a vm/nat -f -\n{BHYVE}\npfctl -a vm/nat -F all"
            ),
            r#"run("sh", ["-c", "printf %s \"$1\" | pfctl -a vm/nat -f -", "sh", "nat on wlan0 from 10.0.0.0/24 to any -> (wlan0)\n"]);"#,
        ),
        (
            format!(
                "ngctl info sw: >/dev/null 2>&1 || {{\nngctl mkpeer em0: bridge lower link0\nngctl name em0:lower sw\n}}\n{BHYVE}\nexit 0"
            ),
            "// It may be there already.\ntry { run(\"ngctl\", [\"mkpeer\", \"em0:\", \"bridge\", \"lower\", \"link0\"]); } catch { }\n\
             // It may be there already.\ntry { run(\"ngctl\", [\"name\", \"em0:lower\", \"sw\"]); } catch { }",
        ),
        (
            format!("pgrep -q dnsmasq || service dnsmasq onestart\n{BHYVE}\nexit 0"),
            "// It may be there already.\ntry { run(\"service\", [\"dnsmasq\", \"onestart\"]); } catch { }",
        ),
        (
            format!("dnsmasq -C /usr/local/etc/dnsmasq.conf\n{BHYVE}\npkill dnsmasq\nexit 0"),
            "run(\"dnsmasq\", [\"-C\", \"/usr/local/etc/dnsmasq.conf\"]);",
        ),
    ];
    let cases = cases.into_iter().chain([(
        // A list that lacks it: the question ends well, and what it prints is empty.
        format!("if [ -z \"$(ifconfig -l | grep -w bridge0)\" ]; then\nifconfig bridge0 create\nsysctl a=1\nfi\n{BHYVE}\nexit 0"),
        "// bridge0 goes away when the run ends; one that machines share is made by `vmrun network up`.\n\
         bridge(\"bridge0\", #{ create: true });\n\nif init {\n    // Once: the script does so only where something is missing.\n    \
         run(\"sysctl\", [\"a=1\"]);\n}",
    )]);
    for (lines, expected) in cases {
        assert_eq!(head(&lines, 0).1, format!("{ENDS}{expected}").replace("\n// ", " "), "{lines}");
    }
    let (told, _) = head(&format!("dnsmasq -x /run/d.pid\n{BHYVE}\nkill $(cat /run/d.pid)\nexit 0"), 1);
    let expected = "error: the script ends a process by `kill`, and the recipe does not: it may be `dnsmasq`, which goes on\n |\n = hint: a \
                    program that lives with the machine is `helper(#{ run: [\"dnsmasq\", \"-k\", …] })`; or end it after `.run()`";
    assert!(told.trim_end().ends_with(expected), "{told}");
}
