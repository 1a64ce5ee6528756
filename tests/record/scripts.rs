//! `vmrun record`: scripts that run with stand-ins, and what is told of them.

use crate::golden;
use crate::host::{SOON, lives};
use crate::sandbox::{Done, Sandbox, project, same};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Instant;

/// The text of a fixture.
fn fixture(name: &str) -> String {
    fs::read_to_string(project("tests/fixtures/record").as_str().to_owned() + "/" + name).unwrap()
}

/// A sandbox with an empty folder for temporary files and a script.
fn with_script(text: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("tmp")).unwrap();
    sandbox.write("s.sh", text);
    fs::set_permissions(sandbox.path("s.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    sandbox
}

/// A sandbox with the script that vmrun stands in for, and the disks of its machines.
pub(crate) fn with_vm_ksh() -> Sandbox {
    // It keeps to what bash has of ksh.
    let shells = [
        "/bin/ksh",
        "/usr/bin/mksh",
        "/usr/local/bin/mksh",
        "/usr/local/bin/ksh93",
        "/bin/bash",
        "/usr/local/bin/bash",
    ];
    let shell = shells.iter().find(|shell| Path::new(shell).exists()).expect("neither ksh nor bash is here");
    let text = fs::read_to_string(project("benches/vm.ksh")).unwrap();
    let sandbox = with_script(&text.replacen("#!/bin/ksh", &format!("#!{shell}"), 1));
    sandbox.write("ifconfig.txt", &fixture("ifconfig.txt"));
    sandbox.write("vm/install.img", "");
    sandbox.write("vm/report1.img", "");
    sandbox
}

/// The program, about to record. What is recorded is shown as it is, unless the arguments ask for another form.
fn recorder(sandbox: &Sandbox, args: &[&str]) -> Command {
    let form: &[&str] =
        if args.contains(&"--json") || args.contains(&"--transcript") { &[] } else { &["--transcript"] };
    recorder_of(sandbox, &[form, args].concat())
}

pub(crate) fn recorder_of(sandbox: &Sandbox, args: &[&str]) -> Command {
    let anyway: &[&str] = if is_enclosed() || args.contains(&"--anyway") { &[] } else { &["--anyway"] };
    let mut command = sandbox.command(&[&["record"], anyway, args].concat());
    command.env("TMPDIR", sandbox.path("tmp")).env("VMDIR", sandbox.path("vm"));
    command
}

/// Whether scripts are enclosed here. Where namespaces are refused, as to an ordinary user in a container, the rest is tested without.
fn is_enclosed() -> bool {
    static ENCLOSED: LazyLock<bool> = LazyLock::new(|| {
        let sandbox = with_script("#!/bin/sh\nbhyve -c 1 vm\n");
        let done = sandbox.finish(&mut sandbox.command(&["record", "--transcript", "--", "./s.sh"]));
        assert!(done.code == 0 || done.stderr.starts_with("error: the script cannot be enclosed"), "{}", done.stderr);
        done.code == 0
    });
    *ENCLOSED
}

/// Records, and sees that nothing was changed or left.
fn record(sandbox: &Sandbox, args: &[&str]) -> Done {
    let before = sandbox.everything();
    let done = sandbox.finish(&mut recorder(sandbox, args));
    assert_eq!(sandbox.names("tmp"), [""; 0]);
    assert_eq!(sandbox.everything(), before);
    done
}

/// Compares what was recorded of a machine, but for how its hypervisor ended.
#[track_caller]
fn is_recorded(name: &str, done: &Done, status: &str) {
    let text = done.stdout.replace(&format!("  # {status};"), "  # [status];");
    golden::check([(format!("tests/fixtures/record/{name}.sh.txt"), text)]);
}

#[test]
fn the_script_of_two_machines_is_recorded_with_and_without_its_installer() {
    let sandbox = with_vm_ksh();
    for name in ["install", "report1"] {
        let args = ["--transcript", "--init-args", "-i", "--answer", "ifconfig=ifconfig.txt", "--", "./s.sh", name];
        let done = record(&sandbox, &args);
        same(&done.stderr, "");
        is_recorded(name, &done, "status 1");
        assert_eq!(done.code, 0);
    }
}

#[test]
fn a_script_that_starts_itself_again_after_a_reboot_is_recorded_once() {
    let sandbox = with_vm_ksh();
    let args = ["--init-args=-i", "--exits", "0,1", "--answer", "ifconfig=ifconfig.txt", "--", "./s.sh", "install"];
    let done = record(&sandbox, &args);
    same(&done.stderr, "");
    is_recorded("install", &done, "status 0, started again as without -i");
}

#[test]
fn a_machine_whose_disks_are_missing_is_told() {
    let sandbox = with_vm_ksh();
    fs::remove_file(sandbox.path("vm/install.img")).unwrap();
    let done = record(&sandbox, &["--init-args", "-i", "--", "./s.sh", "install"]);
    same(
        &done.stderr,
        "\
install not found, add -i to initialize
warning: `./s.sh install` ended with status 1
 |
 = hint: what it would have done after that is not in the recording
warning: without -i the script boots no machine
 |
 = hint: where it tests for files, as `[ -f disk.img ]`, they have to be there: record where the machine exists",
    );
    assert!(done.stdout.contains("\nifconfig tap1 create  # only with -i; given back by ifconfig tap1 destroy\n"));
}

#[test]
fn answers_fit_what_was_called_before() {
    let sandbox = with_script(
        "#!/bin/sh
ifconfig -l
tap=$(ifconfig tap create)
ifconfig bridge2 addm $tap up
ifconfig bridge2 | grep member
ifconfig -l
kldstat -q -m vmm || kldload vmm
kldstat -q -m vmm && echo loaded
sysctl -n hw.ncpu
sysctl -n hw.model
md=$(mdconfig -a -t vnode -f a.img)
mdconfig -l
mdconfig -d -u $md
zfs create -V 1G zroot/a && zfs get -H -o value volsize zroot/a
zfs list zroot/b
bhyvectl --vm=a --get-active-cpus
bhyve a
bhyvectl --vm=a --get-active-cpus
bhyve a; echo $?
ifconfig $tap destroy
ifconfig $tap
",
    );
    sandbox.write("model.txt", "Zuse Z3\n");
    let done = record(&sandbox, &["--exits", "2,3", "--answer", "sysctl -n hw.model=model.txt", "--", "./s.sh"]);
    let (said, warning) = done.stderr.split_once("warning:").unwrap();
    let mut lines: Vec<&str> = said.lines().collect();
    // What a script writes to its two streams has no order.
    lines.sort_unstable();
    let mut expected = vec![
        "em0 lo0 bridge2",
        "\tmember: tap0 flags=143<LEARNING,DISCOVER,AUTOEDGE,AUTOPTP>",
        "em0 lo0 bridge2 tap0",
        "loaded",
        "8",
        "Zuse Z3",
        "md0",
        "1G",
        "cannot open 'zroot/b': dataset does not exist",
        "VM:a is not created.",
        "active cpus:\t0",
        "3",
        "ifconfig: interface tap0 does not exist",
        "vmrun: made up, where `--answer` says nothing: hw.ncpu is 8",
    ];
    expected.sort_unstable();
    assert_eq!(lines, expected);
    same(
        warning,
        " `./s.sh` ended with status 1\n |\n = hint: what it would have done after that is not in the recording",
    );
    same(
        &done.stdout,
        "\
ifconfig -l
ifconfig tap create  # given back by ifconfig tap0 destroy
ifconfig bridge2 addm tap0 up  # given back by ifconfig tap0 destroy
ifconfig bridge2
ifconfig -l
kldstat -q -m vmm  # status 1
kldload vmm
kldstat -q -m vmm
sysctl -n hw.ncpu
sysctl -n hw.model
mdconfig -a -t vnode -f a.img  # given back by mdconfig -d -u md0
mdconfig -l
mdconfig -d -u md0
zfs create -V 1G zroot/a
zfs get -H -o value volsize zroot/a
zfs list zroot/b  # status 1
bhyvectl --vm=a --get-active-cpus  # status 1
bhyve a  # status 2
bhyvectl --vm=a --get-active-cpus
bhyve a  # status 3
ifconfig tap0 destroy
ifconfig tap0  # status 1",
    );
}

#[test]
fn a_host_without_ifconfig_has_a_card_and_the_bridges_that_a_script_names() {
    let sandbox = with_script("#!/bin/sh\nifconfig -l\nifconfig bridge7 addm tap1\nifconfig -l\nifconfig em0 inet\n");
    let mut command = recorder(&sandbox, &["--", "./s.sh"]);
    let done = sandbox.finish(command.env("PATH", sandbox.path("home")));
    let said: Vec<&str> = done.stderr.lines().filter(|line| !line.starts_with('\t') || line.contains("inet")).collect();
    assert_eq!(
        said,
        [
            "em0 lo0",
            "em0 lo0 bridge7",
            "em0: flags=1008843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST,LOWER_UP> metric 0 mtu 1500",
            "\tinet 192.168.2.5 netmask 0xffffff00 broadcast 192.168.2.255",
            "vmrun: made up, where `--answer` says nothing: the interfaces of the host are em0 and lo0",
        ]
    );
}

#[test]
fn a_script_without_end_is_ended_with_its_whole_group() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("behind");
    let script =
        format!("#!/bin/sh\ntail -f /dev/null &\necho $! > {}\nwhile bhyve -c 1 vm; do :; done\n", file.display());
    let sandbox = with_script(&script);
    let done = record(&sandbox, &["--anyway", "--exits", "0", "--limit", "20", "--", "./s.sh"]);
    same(
        &done.stderr,
        "\
error: the script made 20 calls, did not come to an end, and was ended
 |
 = hint: every boot ended in a reboot: `--exits 0,1` lets the second one power off",
    );
    assert_eq!((done.code, done.stdout.as_str()), (1, ""));
    let behind: u32 = fs::read_to_string(file).unwrap().trim().parse().unwrap();
    let begin = Instant::now();
    while lives(behind) {
        assert!(begin.elapsed() < SOON, "process {behind} does not end");
    }
}

#[test]
fn a_script_that_takes_too_long_is_ended() {
    let sandbox = with_script("#!/bin/sh\nifconfig tap1 create\ntrap '' TERM\ntail -f /dev/null\n");
    let done = record(&sandbox, &["--within", "200ms", "--", "./s.sh"]);
    same(
        &done.stderr,
        "\
error: the script took longer than 0.2s and was ended
 |
 = hint: give it more by `--within 5m`; its standard input is empty, and no guest ever runs",
    );
    assert_eq!(done.code, 1);
}

#[test]
fn an_interrupted_recording_leaves_nothing() {
    let sandbox = with_script(
        "#!/bin/sh\nbhyve -s 29,fbuf,password=geheim vm\necho $VMRUN_RECORDING > here\ntail -f /dev/null\n",
    );
    let mut running = sandbox.start(&["record", "--anyway", "--", "./s.sh"]);
    running.until("the script has begun", |sandbox| sandbox.read("here").ends_with('\n'));
    let folder = sandbox.read("here").trim().to_string();
    let folder = Path::new(&folder);
    assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(!String::from_utf8_lossy(&fs::read(folder.join("journal")).unwrap()).contains("geheim"));
    running.signal("INT");
    let done = running.wait();
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (130, "", "error: interrupted\n"));
    assert!(!folder.exists());
}

#[test]
fn what_gets_past_the_stand_ins_without_an_enclosure_is_shown_where_it_stands() {
    let sandbox = with_script(
        "#!/bin/sh\n# /sbin/ifconfig is a path\n[ $# = 1 ] || /sbin/ifconfig -l\n[ $# = 1 ] || PATH=/sbin\nifconfig -l\n",
    );
    let told = "\
warning: `/sbin/ifconfig` is run for real: a whole path gets past its stand-in
 --> s.sh:3:15
  |
3 | [ $# = 1 ] || /sbin/ifconfig -l
  |               ^^^^^^^^^^^^^^
  |
  = hint: leave out `--anyway`, and its stand-in is reached; or write the name alone
warning: programs are run for real after PATH is set here: the stand-ins are no longer first
 --> s.sh:4:15
  |
4 | [ $# = 1 ] || PATH=/sbin
  |               ^^^^^^^^^^
  |
  = hint: leave out `--anyway`, and they are reached; or write PATH=\"$PATH:…\"
em0 lo0 bridge2";
    let done = record(&sandbox, &["--anyway", "--", "sh", "-e", "s.sh", "x"]);
    same(&done.stderr, told);
    same(&done.stdout, "ifconfig -l");
}

#[test]
fn arguments_are_recorded_as_they_are() {
    let sandbox = with_script(
        "#!/bin/sh\ncd vm\ntruncate '' 'a b' \"it's\" 'two\nlines' '$x' '*'\nkldload \"$(printf '\\377')\"\n",
    );
    let done = record(&sandbox, &["--", "./s.sh"]);
    same(&done.stdout, "cd [tmp]/vm\ntruncate '' 'a b' 'it'\\''s' 'two\nlines' '$x' '*'\nkldload '\u{fffd}'");
    same(
        &done.stderr,
        "\
warning: `kldload '\u{fffd}'` was called with bytes that are no text
 |
 = hint: U+FFFD stands for them",
    );
    let json = record(&sandbox, &["--json", "--", "./s.sh"]).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let expected = serde_json::json!({
        "argv": ["truncate", "", "a b", "it's", "two\nlines", "$x", "*"],
        "cwd": "[tmp]/vm", "status": 0, "output": "", "reads": false,
    });
    assert_eq!((&json["with"]["calls"][0], &json["without"]), (&expected, &serde_json::Value::Null));
}

#[test]
fn a_password_is_shown_nowhere() {
    let sandbox = with_script(
        "#!/bin/sh\nset -x\nbhyve -s 29,fbuf,w=800,password=geheim,h=600 vm\nbhyve -o pci.0.29.0.password=geheim vm\nexit 3\n",
    );
    let end = ["--init-args", "password=geheim", "--", "./s.sh", "password=geheim"];
    for args in [[&["--json"], &end[..]].concat(), end.to_vec(), end[2..].to_vec()] {
        let done = record(&sandbox, &args);
        assert!(done.stdout.contains("password=***") && !format!("{done:?}").contains("geheim"), "{done:?}");
    }
}

#[test]
fn what_runs_as_root_or_in_the_background_is_recorded_as_if_it_stood_alone() {
    let sandbox = with_script(
        "#!/bin/sh\nsudo -n ifconfig tap1 create\ndoas /sbin/ifconfig tap1 destroy\ndaemon -r -p /run/pid bhyve vm\nsudo sh -c 'ifconfig tap2 create'\nsudo -s\n",
    );
    let done = record(&sandbox, &["--", "./s.sh"]);
    same(
        &done.stdout,
        "ifconfig tap1 create  # given back by ifconfig tap1 destroy\nifconfig tap1 destroy\nbhyve vm  # status 1\nifconfig tap2 create",
    );
    let said = done.stderr.lines().find(|line| line.starts_with("vmrun:"));
    assert_eq!(said, Some("vmrun: `sudo` is recorded only with a command after it"));
}

#[test]
fn calls_at_the_same_time_are_all_recorded_each_once() {
    let sandbox =
        with_script("#!/bin/sh\nfor i in 1 2 3 4 5 6 7 8 9; do ifconfig tap create >/dev/null 2>&1 & done\nwait\n");
    let done = record(&sandbox, &["--json", "--", "./s.sh"]);
    let json: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    let calls = json["with"]["calls"].as_array().unwrap();
    let outputs: Vec<&str> = calls.iter().map(|call| call["output"].as_str().unwrap().trim()).collect();
    assert_eq!(outputs, ["tap0", "tap1", "tap2", "tap3", "tap4", "tap5", "tap6", "tap7", "tap8"]);
}

#[test]
fn a_command_line_that_is_wrong_records_nothing() {
    let sandbox = with_script("#!/bin/sh\necho nothing\n");
    let cases = [
        (&["--answer", "ifconfig", "--", "./s.sh"][..], 2, "error: --answer: \"ifconfig\" is not CALL=FILE"),
        (&["--answer", "ifconfg=x", "--", "./s.sh"], 2, "error: --answer: `ifconfg` has no stand-in"),
        (
            &["--answer", "ifconfig=none.txt", "--", "./s.sh"],
            2,
            "error: --answer: cannot read none.txt: No such file or directory\n",
        ),
        (&["--init-args", "'a", "--", "./s.sh"], 2, "error: --init-args: \"'a\" has a ' that is not closed"),
        (&["--", "./none.sh"], 3, "error: cannot start ./none.sh: No such file or directory\n"),
        (&["--exits", "256", "--", "./s.sh"], 2, "error: invalid value '256' for '--exits <LIST>'"),
        (&["./s.sh"], 2, "error: unexpected argument './s.sh'"),
        (&["--", "./s.sh"], 1, "nothing\nerror: the command called no program that is recorded"),
    ];
    for (args, code, start) in cases {
        let done = record(&sandbox, args);
        assert!(done.stderr.starts_with(start), "{}", done.stderr);
        assert_eq!((done.code, done.stdout.as_str()), (code, ""), "{start}");
    }
}

/// The recipe of a recorded script, whose disks are where the document has them.
#[track_caller]
fn recipe(sandbox: &Sandbox, args: &[&str]) -> String {
    let answer = ["--answer", "ifconfig=ifconfig.txt"];
    let done = sandbox.finish(&mut recorder_of(sandbox, &[&answer, args].concat()));
    same(
        &done.stderr,
        "\
vmrun: the password is not in the recipe: give it as VMRUN_SECRET_VNC, or in the file secrets/vnc (mode 0600)
vmrun: same machine, same commands",
    );
    assert_eq!(done.code, 0);
    done.stdout.replace("[tmp]/vm/", "/vm/")
}

fn plan(sandbox: &Sandbox, recipe: &str, more: &[&str]) -> String {
    let done = sandbox.finish(&mut sandbox.command(&[&["plan", "--on", "freebsd-15", recipe], more].concat()));
    assert_eq!(done.code, 0, "{}", done.stderr);
    done.stdout
}

#[test]
fn the_recorded_script_becomes_a_recipe_that_one_would_have_written() {
    let sandbox = with_vm_ksh();
    let text = recipe(&sandbox, &["--init-args", "-i", "--exits", "0,1", "--", "./s.sh", "install"]);
    same(
        &text,
        r#"
// Made from what `s.sh install` called.

let disk1 = "/vm/install.img";
let disk2 = "/vm/install-data.img";

if init {
    bhyvectl("install").destroy();
    truncate(disk1, 20.GiB);
    truncate(disk2, 80.GiB);
}

let nic = tap("tap1");
bridge("bridge2").add(nic);

bhyve(#{
    name: "install", memory: 512.MiB,
    strict_msr: false, exit_on_hlt: true,
    bootrom: uefi(),
    slots: #{
        "0": hostbridge(),
        "3": if init { ahci_cd("/iso/miniroot74.img") },
        "4": virtio_blk(disk1),
        "5": virtio_blk(disk2),
        "6": virtio_net(nic, #{ mac: "00:0c:29:a5:19:b9" }),
        "29": fbuf(#{ tcp: `${host_ip("192.168.2.0/24")}:5901`, w: 800, h: 600, password: secret("vnc") }),
        "30": xhci("tablet"),
        "31": lpc(),
    },
}).run();
"#,
    );
}

#[test]
fn the_recorded_script_has_the_plans_of_the_recipes_that_stand_in_for_it() {
    let sandbox = with_vm_ksh();
    let exits = [&["--init-args", "-i"][..], &["--init-args", "-i", "--exits", "0,1"]];
    for (name, args) in ["install", "report1"].into_iter().flat_map(|name| exits.map(|args| (name, args))) {
        fs::write(sandbox.path("made.rhai"), recipe(&sandbox, &[args, &["--", "./s.sh", name]].concat())).unwrap();
        let ours = project(&format!("recipes/{name}.rhai"));
        for more in [&[][..], &["--init"]] {
            // The script boots an image that another script made; the recipe makes it.
            let ours = plan(&sandbox, &ours, more);
            let ours: Vec<&str> = ours.lines().filter(|line| !line.starts_with("vmrun image ipxe ")).collect();
            same(&plan(&sandbox, "made.rhai", more), &ours.join("\n"));
        }
    }
}

#[test]
fn what_has_no_word_becomes_a_command_and_what_differs_within_a_slot_two_machines() {
    let sandbox = with_script(
        r#"#!/bin/sh
kldload vmm
zfs create -V 20G tank/web
if [ "$1" = -i ]; then ifconfig tap7 create; rom=/fw/A.fd; else rom=/fw/B.fd; fi
ifconfig bridge0 addm em1
bhyve -c 2 -m 1G -s 0,hostbridge -s 4,virtio-blk,/dev/zvol/tank/web -s 31,lpc -l bootrom,$rom web
bhyvectl --destroy --vm=web
kldunload vmm
"#,
    );
    let done = sandbox.finish(&mut recorder_of(&sandbox, &["--init-args", "-i", "--", "./s.sh"]));
    same(&done.stderr, "vmrun: same machine, same commands");
    same(
        &done.stdout,
        r#"
// Made from what `s.sh` called.
// The script ends when the guest reboots; vmrun starts it again, with `init` false, until it powers off.

run("kldload", ["-n", "vmm"]);
defer(|| run("kldunload", ["vmm"]));

if init {
    // Once: a second start would find it there.
    run("zfs", ["create", "-V", "20G", "tank/web"]);
    tap("tap7");
}

bridge("bridge0").add("em1");

if init {
    bhyve(#{
        name: "web", cpus: 2, memory: 1.GiB,
        bootrom: "/fw/A.fd",
        slots: #{
            "0": hostbridge(),
            "4": virtio_blk("/dev/zvol/tank/web"),
            "31": lpc(),
        },
    }).run();
} else {
    bhyve(#{
        name: "web", cpus: 2, memory: 1.GiB,
        bootrom: "/fw/B.fd",
        slots: #{
            "0": hostbridge(),
            "4": virtio_blk("/dev/zvol/tank/web"),
            "31": lpc(),
        },
    }).run();
}
"#,
    );
}

#[test]
fn every_boot_of_a_script_is_compared() {
    let sandbox = with_script(
        "#!/bin/sh\nfor n in a b; do bhyve -c 1 -m 1G -s 0,hostbridge $n; done\nbhyve -c 2 -m 2G -s 0,hostbridge a\n",
    );
    let done = sandbox.finish(&mut recorder_of(&sandbox, &["--exits", "1,0,1", "--", "./s.sh"]));
    same(
        &done.stderr,
        "\
error: the script boots 2 machines, a and b
 |
 = hint: a recipe is of one machine: `vmrun record --out FOLDER -- …` writes one for each",
    );
    assert_eq!((done.code, done.stdout.as_str()), (1, ""));
    let done = sandbox.finish(&mut recorder_of(&sandbox, &["--out", "out", "--", "./s.sh"]));
    let of_a = "the script boots a 2 times, one after the other: when it reboots vmrun begins at the first again";
    same(
        &done.stderr,
        &format!(
            "\
vmrun: out/a.rhai: not the same as the script
vmrun: out/b.rhai: same machine, same commands
error: out/a.rhai: {of_a}
 |
 = hint: let each boot be a recipe of its own, or stand under `if init`"
        ),
    );
}

#[test]
fn a_script_whose_last_line_is_bhyve_ends_as_the_guest_does_unless_each_status_ends_it() {
    let line = "bhyve -c 1 -m 1G -s 0,hostbridge -s 31,lpc -l bootrom,/fw.fd a\n";
    let said = |text: String| {
        let sandbox = with_script(&text);
        sandbox.finish(&mut recorder_of(&sandbox, &["--", "./s.sh"])).stderr
    };
    same(&said(format!("#!/bin/sh\n{line}")), "vmrun: same machine, same commands");
    let doubt = "warning: `./s.sh` ended with status 1\n |\n = hint: what it would have done after that is not in the recording\n";
    for text in [format!("#!/bin/sh\nset -eu\n{line}kldunload vmm\n"), format!("#!/bin/sh\n{line}exit 1\n")] {
        let told = said(text.clone());
        assert_eq!(told.contains(doubt), text.contains("set -e"), "{told}");
    }
}

#[test]
fn paths_that_a_script_names_where_it_is_begin_at_the_root_in_the_recipe() {
    let sandbox = with_script(
        "#!/bin/sh\ntruncate -s 1G a.img\nmkdir -p vm/fw\ncd vm\nbhyve -c 1 -S -s 0,hostbridge -s 3,virtio-blk,../a.img \
         -s 4,passthru,$2 -s 5,ahci,hd:b.img,hd:/c.img -s 31,lpc -l bootrom,fw/a.fd a\n",
    );
    let done = sandbox.finish(&mut recorder_of(&sandbox, &["--", "./s.sh", "-p", "3/0/0"]));
    same(&done.stderr, "vmrun: same machine, same commands");
    same(
        &done.stdout,
        r#"
// Made from what `s.sh -p 3/0/0` called.
// The script ends when the guest reboots; vmrun starts it again, with `init` false, until it powers off.

let disk = "[tmp]/a.img";

truncate(disk, 1.GiB);
run("mkdir", ["-p", "[tmp]/vm/fw"], #{ makes: "[tmp]/vm/fw" });

bhyve(#{
    name: "a",
    wired: true,
    bootrom: "[tmp]/vm/fw/a.fd",
    slots: #{
        "0": hostbridge(),
        "3": virtio_blk(disk),
        "4": passthru("3/0/0"),
        "5": ahci([#{ hd: "[tmp]/vm/b.img" }, #{ hd: "/c.img" }]),
        "31": lpc(),
    },
}).run();
"#,
    );
}

#[test]
fn a_script_that_starts_a_crashed_machine_again_has_a_recipe_that_does() {
    let sandbox = with_script(
        "#!/bin/sh\nwhile :; do\nbhyve -c 1 -s 0,hostbridge -s 31,lpc -l bootrom,/fw.fd a\n[ $? -lt 3 ] && break\ndone\n",
    );
    let done = sandbox.finish(&mut recorder_of(&sandbox, &["--exits", "4,3,1", "--", "./s.sh"]));
    same(&done.stderr, "vmrun: same machine, same commands");
    same(
        &done.stdout,
        r#"
// Made from what `s.sh` called.
// After a crash the script starts the machine again, for ever; vmrun ends that after 5 times within 10m,
// where `limit` says nothing.

restart(#{ on: ["crash"] });

bhyve(#{
    name: "a",
    bootrom: "/fw.fd",
    slots: #{
        "0": hostbridge(),
        "31": lpc(),
    },
}).run();
"#,
    );
}

#[test]
fn an_interpreter_that_is_missing_is_told_and_not_the_script() {
    for (first, shown) in [("#!/no/such -x\n", "/no/such"), ("#! /bin/sh\r\n", "/bin/sh\\r")] {
        let sandbox = with_script(&format!("{first}bhyve a\n"));
        let done = record(&sandbox, &["--", "./s.sh"]);
        let told = format!(
            "error: cannot start ./s.sh: its interpreter {shown:?} is not there\n |\n = hint: install it, or correct the first line \
             of ./s.sh"
        );
        same(&done.stderr, &told.replace("\\\\", "\\"));
        assert_eq!(done.code, 3);
    }
}

#[test]
fn a_machine_of_an_old_script_is_known_behind_its_port_for_gdb() {
    let sandbox = with_script(
        "#!/bin/sh\nbhyveload -m 1G -d /vm/a.img alpha\nbhyve -c 1 -m 1G -A -H -g 0 -s 0:0,hostbridge -s 1:0,lpc -s 3:0,virtio-blk,/vm/a.img alpha\n",
    );
    let done = sandbox.finish(&mut recorder_of(&sandbox, &["--", "./s.sh"]));
    same(&done.stderr, "vmrun: same machine, same commands");
    assert!(done.stdout.contains("    loader: bhyveload(),\n") && !done.stdout.contains("run(\""), "{}", done.stdout);
}

#[test]
fn a_recorded_machine_that_is_none_is_refused_at_its_argument() {
    let sandbox = with_script("#!/bin/sh\nbhyve -c 1 -m 1G -s 5,virtio-blok,/a web\nexit 0\n");
    let done = sandbox.finish(&mut recorder_of(&sandbox, &["--", "./s.sh"]));
    same(
        &done.stderr,
        "
error: `-s 5,virtio-blok,/a`: `virtio-blok` is no device of bhyve
 --> <recorded>:1:21
  |
1 | bhyve -c 1 -m 1G -s 5,virtio-blok,/a web
  |                     ^^^^^^^^^^^^^^^^
  |
  = hint: did you mean `virtio-blk`?
",
    );
    same(&done.stdout, "");
    assert_eq!(done.code, 1);
}

/// Records a script as a recipe, which has to be the script's machine.
fn recipe_of(script: &str) -> String {
    let sandbox = with_script(script);
    sandbox.write("vm/a.img", "");
    let done = sandbox.finish(&mut recorder_of(&sandbox, &["--on", "freebsd-14.3", "--", "./s.sh"]));
    assert_eq!(done.code, 0, "{}", done.stderr);
    done.stdout
}

#[test]
fn a_loader_before_the_machine_becomes_its_word() {
    let text = recipe_of(
        "#!/bin/sh
bhyveload -m 1G -d /vm/a.img alpha
bhyve -c 1 -m 1G -A -H -P -s 0:0,hostbridge -s 1:0,lpc -s 2:0,virtio-net,tap0 -s 3:0,virtio-blk,/vm/a.img -l com1,stdio alpha
",
    );
    same(
        &text,
        r#"
// Made from what `s.sh` called.
// The script ends when the guest reboots; vmrun starts it again, with `init` false, until it powers off.

bhyve(#{
    name: "alpha", memory: 1.GiB,
    exit_on_hlt: true, exit_on_pause: true, acpi: true,
    loader: bhyveload(),
    com1: "stdio",
    slots: #{
        "0": hostbridge(),
        "1": lpc(),
        "2": virtio_net("tap0"),
        "3": virtio_blk("/vm/a.img"),
    },
}).run();
"#,
    );
}

#[test]
fn a_machine_of_a_configuration_is_as_if_its_lines_stood_in_the_call() {
    let sandbox = with_script("#!/bin/sh\nbhyve -k vm/lab.conf -s 4,virtio-net,tap0 lab\n");
    let text = "# of the lab\ncpus=2\nmemory.size=2G\npci.0.0.0.device=hostbridge\npci.0.2.0.device=nvme\n\
                pci.0.2.0.path=/vm/lab.img\npci.0.3.0.device=lpc\nlpc.bootrom=/fw.fd\n";
    sandbox.write("vm/lab.conf", text);
    let done = sandbox.finish(&mut recorder_of(&sandbox, &["--on", "freebsd-14.3", "--", "./s.sh"]));
    same(&done.stderr, "vmrun: same machine, same commands");
    same(
        &done.stdout,
        r#"
// Made from what `s.sh` called.
// The script ends when the guest reboots; vmrun starts it again, with `init` false, until it powers off.

bhyve(#{
    name: "lab", cpus: 2, memory: 2.GiB,
    bootrom: "/fw.fd",
    slots: #{
        "0": hostbridge(),
        "2": nvme("/vm/lab.img"),
        "3": lpc(),
        "4": virtio_net("tap0"),
    },
}).run();
"#,
    );
}

#[test]
fn a_script_that_only_asks_for_modules_finds_them_and_what_was_made_up_is_told() {
    let sandbox = with_script(
        "#!/bin/sh
kldstat -q -m vmm || { echo 'load vmm first'; exit 1; }
bhyve -c $(sysctl -n hw.ncpu) -m 512M -H -s 0,hostbridge -s 1,lpc -s 3,virtio-blk,/vm/a.img -l bootrom,/fw.fd alpha
exit 0
",
    );
    let done = record(&sandbox, &["--json", "--init-args", "x", "--", "./s.sh"]);
    same(&done.stderr, "vmrun: made up, where `--answer` says nothing: the module vmm is loaded; hw.ncpu is 8");
    let json: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    for recording in ["with", "without"] {
        assert_eq!(json[recording]["made_up"], serde_json::json!(["the module vmm is loaded", "hw.ncpu is 8"]));
    }
    sandbox.write("eight", "8\n");
    let done = record(&sandbox, &["--answer", "sysctl -n hw.ncpu=eight", "--answer", "kldstat=eight", "--", "./s.sh"]);
    same(&done.stderr, "8");
}

#[test]
fn what_grub_reads_and_its_map_are_in_the_recipe() {
    let text = recipe_of(
        "#!/bin/sh
set -eu
vm=alp
disk=/vm/alp/alp.raw
cat > alp.map <<MAP
(hd0) $disk
MAP
printf \"set root='(hd0,gpt3)'\\nconfigfile /boot/grub/grub.cfg\\n\" | grub-bhyve -m alp.map -r hd0 -M 1024 $vm
bhyve -ADHP -c 1 -m 1024 -s 0:0,hostbridge -s 1:0,lpc -s 2:0,virtio-net,tap0 -s 3:0,virtio-blk,$disk -l com1,stdio $vm
bhyvectl --destroy --vm=$vm
exit 0
",
    );
    same(
        &text,
        r#"
// Made from what `s.sh` called.
// The script ends when the guest reboots; vmrun starts it again, with `init` false, until it powers off.

bhyve(#{
    name: "alp", memory: 1.GiB,
    exit_on_hlt: true, exit_on_pause: true, acpi: true, destroy_on_poweroff: true,
    loader: grub_bhyve(#{ root: "hd0", input: ["set root='(hd0,gpt3)'", "configfile /boot/grub/grub.cfg"] }),
    com1: "stdio",
    slots: #{
        "0": hostbridge(),
        "1": lpc(),
        "2": virtio_net("tap0"),
        "3": virtio_blk("/vm/alp/alp.raw"),
    },
}).run();
"#,
    );
}
