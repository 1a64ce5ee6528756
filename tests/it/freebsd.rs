//! Real runs on the fake FreeBSD: every process, signal and exit status is real.

use super::sandbox::{Done, PASSWORD, Sandbox, same};
use super::terminal::Terminal;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::time::{Duration, Instant};

/// The recipe `install`, with its files in the sandbox.
const RECIPE: &str = r#"let root = "[tmp]/vm/install.img";
let data = "[tmp]/vm/install-data.img";

if init {
    bhyvectl("install").destroy();
    truncate(root, 20.GiB);
    truncate(data, 80.GiB);
}

let nic = tap("tap1");
bridge("bridge2").add(nic);

bhyve(#{
    name: "install", cpus: 1, memory: 256.MiB,
    strict_msr: false, exit_on_hlt: true,
    bootrom: bootrom("[tmp]/vm/rom.fd"),
    slots: #{
        "0": hostbridge(),
        "3": if init { ahci_cd("[tmp]/vm/cd.img") },
        "4": virtio_blk(root),
        "5": virtio_blk(data),
        "6": virtio_net(nic, #{ mac: "00:0c:29:a5:19:b9" }),
        "29": fbuf(#{ tcp: `${host_ip("127.100.100.0/24")}:5901`, w: 800, h: 600, password: secret("vnc") }),
        "30": xhci("tablet"),
        "31": lpc(),
    },
}).run();
"#;

/// A FreeBSD with the recipe, whose guest's boots end so.
fn host(exits: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("install.rhai", RECIPE);
    sandbox.write("fake/exits", exits);
    fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    fs::write(sandbox.path("vm/cd.img"), [0; 4096]).unwrap();
    sandbox
}

/// A host whose machine has been initialized.
fn initialized(exits: &str) -> Sandbox {
    let sandbox = host(exits);
    for name in ["vm/install.img", "vm/install-data.img"] {
        fs::write(sandbox.path(name), [0; 4096]).unwrap();
    }
    sandbox
}

/// Nothing is left of the run.
#[track_caller]
fn clean(sandbox: &Sandbox) {
    // A fake bhyve that is killed may leave a draft of its node or of its tap, which is none.
    let names = |folder| sandbox.names(folder).into_iter().filter(|name| !name.starts_with('.')).collect::<Vec<_>>();
    assert_eq!(names("fake/interfaces"), ["bridge2", "em0", "lo0"]);
    assert_eq!(names("fake/vmm"), [""; 0]);
    assert_eq!(sandbox.names("state"), [""; 0]);
    assert!(!sandbox.read("fake/interfaces/bridge2").contains("member"));
}

/// The calls that change something.
fn changes(sandbox: &Sandbox) -> String {
    let log = sandbox.calls();
    let reads = |line: &str| line == "ifconfig" || line == "ifconfig -a" || line.starts_with("sysctl ");
    log.lines().filter(|line| !reads(line)).map(|line| line.to_string() + "\n").collect()
}

#[track_caller]
fn ended(done: &Done, code: i32, stdout: &str, stderr: &str) {
    same(&done.stderr, stderr);
    same(&done.stdout, stdout);
    assert_eq!(done.code, code);
}

fn running(sandbox: &Sandbox) -> bool {
    sandbox.read("fake/log").contains("bhyve -c") && !sandbox.read("fake/passwords").is_empty()
}

#[test]
fn what_a_recipe_prints_is_printed_once_and_cannot_steer_a_terminal() {
    let sandbox = Sandbox::new();
    sandbox.write("recipe.rhai", "print(`init is ${init}`);\nprint(\"\\x1b[2Jone\\ttwo\");\n");
    let done = sandbox.run(&["recipe.rhai", "--init"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    same(&done.stdout, "init is true\n\\u{1b}[2Jone\ttwo");
    // In a plan it is no command.
    let done = sandbox.run(&["plan", "recipe.rhai"]);
    assert_eq!((done.code, done.stdout.as_str()), (0, "umask 026\n"));
    same(&done.stderr, "init is false\n\\u{1b}[2Jone\ttwo");
    // A reader that went away is no error.
    let done = sandbox.finish(&mut sandbox.shell("vmrun recipe.rhai | true; echo ${PIPESTATUS[0]}"));
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("0\n", ""));
}

#[test]
fn a_guest_that_reboots_is_started_again_and_everything_is_given_back_in_reverse() {
    let sandbox = host("0\n1\n");
    ended(&sandbox.run(&["install.rhai", "--init"]), 0, "", "vmrun: the guest rebooted; starting it again");
    same(&sandbox.calls(), "
ifconfig
bhyvectl --destroy --vm=install
ifconfig tap1 create
ifconfig tap1 group vmrun description vmrun:install up
ifconfig bridge2 addm tap1
bhyve -c 1 -m 256M -w -H -s 0,hostbridge -s 3,ahci-cd,[tmp]/vm/cd.img -s 4,virtio-blk,[tmp]/vm/install.img -s 5,virtio-blk,[tmp]/vm/install-data.img -s 6,virtio-net,tap1,mac=00:0c:29:a5:19:b9 -s 29,fbuf,tcp=127.100.100.1:5901,w=800,h=600 -k [tmp]/state/.install.secrets -s 30,xhci,tablet -s 31,lpc -l bootrom,[tmp]/vm/rom.fd install
bhyve -c 1 -m 256M -w -H -s 0,hostbridge -s 4,virtio-blk,[tmp]/vm/install.img -s 5,virtio-blk,[tmp]/vm/install-data.img -s 6,virtio-net,tap1,mac=00:0c:29:a5:19:b9 -s 29,fbuf,tcp=127.100.100.1:5901,w=800,h=600 -k [tmp]/state/.install.secrets -s 30,xhci,tablet -s 31,lpc -l bootrom,[tmp]/vm/rom.fd install
ifconfig
bhyvectl --destroy --vm=install
ifconfig tap1 destroy
");
    clean(&sandbox);
    assert_eq!(fs::metadata(sandbox.path("vm/install.img")).unwrap().len(), 20 << 30);
    assert_eq!(fs::metadata(sandbox.path("vm/install-data.img")).unwrap().len(), 80 << 30);
}

#[test]
fn a_machine_whose_node_somebody_destroys_has_not_powered_off() {
    let sandbox = initialized("run\n");
    let mut run = sandbox.start(&["install.rhai"]);
    run.until("the guest", running);
    assert!(sandbox.shell("bhyvectl --destroy --vm=install").status().unwrap().success());
    let done = run.wait();
    let end =
        "\n   |\n   = hint: somebody has destroyed its node while it ran, by bhyvectl --destroy: start it again\n";
    assert_eq!(done.code, 4, "{}", done.stderr);
    assert!(
        done.stderr
            .contains("error: the hypervisor failed with status 1: vm_run error -1, errno 25\n  --> install.rhai:")
    );
    assert!(done.stderr.ends_with(end), "{}", done.stderr);
    clean(&sandbox);
}

#[test]
fn a_default_route_that_somebody_has_changed_meanwhile_stays() {
    for (other, left) in [(None, None), (Some("127.100.100.9"), Some("127.100.100.9"))] {
        let sandbox = initialized("run\n");
        let recipe = sandbox.read("install.rhai");
        sandbox.write("install.rhai", &format!("default_router(\"127.100.100.7\");\n{recipe}"));
        let mut run = sandbox.start(&["install.rhai"]);
        run.until("the guest", running);
        assert_eq!(sandbox.read("fake/route"), "127.100.100.7");
        if let Some(other) = other {
            sandbox.write("fake/route", other);
        }
        run.signal("TERM");
        assert_eq!(run.wait().code, 130);
        let there = fs::exists(sandbox.path("fake/route")).unwrap().then(|| sandbox.read("fake/route"));
        assert_eq!(there.as_deref(), left);
        clean(&sandbox);
    }
}

#[test]
fn a_link_local_route_goes_back_only_while_it_leads_over_its_link() {
    for (other, left) in [(None, None), (Some("fe80::1%em1"), Some("fe80::1%em1"))] {
        let sandbox = initialized("run\n");
        let card = sandbox.read("fake/interfaces/em0");
        sandbox.write("fake/interfaces/em0", &format!("{card}inet6 fe80::5/64\n"));
        sandbox.write("fake/interfaces/em1", "kind ether\nup yes\ninet6 fe80::6/64\n");
        let recipe = sandbox.read("install.rhai");
        sandbox.write("install.rhai", &format!("default_router(\"fe80::1%em0\");\n{recipe}"));
        let mut run = sandbox.start(&["install.rhai"]);
        run.until("the guest", running);
        assert_eq!(sandbox.read("fake/route6"), "fe80::1%em0");
        if let Some(other) = other {
            sandbox.write("fake/route6", other);
        }
        run.signal("TERM");
        assert_eq!(run.wait().code, 130);
        let there = fs::exists(sandbox.path("fake/route6")).unwrap().then(|| sandbox.read("fake/route6"));
        assert_eq!(there.as_deref(), left);
        fs::remove_file(sandbox.path("fake/interfaces/em1")).unwrap();
        clean(&sandbox);
    }
}

#[test]
fn what_somebody_has_taken_away_meanwhile_counts_as_given_back() {
    let taken: [(&str, &[&str]); 6] = [
        // 12.1 takes a tap away that bhyve has open.
        ("ifconfig bridge2 deletem tap1; rm [tmp]/fake/interfaces/tap1", &["tap1 is gone already"]),
        ("ifconfig bridge2 deletem em0", &["em0 is no member of bridge2 any more"]),
        // It comes back, since the host's own is looked for in the end; its members do not.
        ("ifconfig bridge2 destroy; ifconfig bridge2 create", &["em0 is no member of bridge2 any more"]),
        ("ifconfig bridge7 destroy", &["bridge7 is gone already"]),
        ("bhyvectl --destroy --vm=install", &[]),
        ("route -n delete default 127.100.100.7", &["no default route goes by 127.100.100.7 any more"]),
    ];
    for (by_hand, told) in taken {
        let sandbox = initialized("run\n");
        let recipe =
            sandbox.read("install.rhai").replace(".add(nic);", ".add(nic);\nbridge(\"bridge2\").add(\"em0\");");
        let before = "bridge(\"bridge7\", #{ create: true });\ndefault_router(\"127.100.100.7\");\n";
        sandbox.write("install.rhai", &format!("{before}{recipe}"));
        let mut run = sandbox.start(&["install.rhai"]);
        // What is begun and left to itself may come about while bhyve starts.
        let is_in = |sandbox: &Sandbox, name: &str| sandbox.read("fake/interfaces/bridge2").contains(name);
        run.until("the guest", |sandbox| running(sandbox) && is_in(sandbox, "tap1") && is_in(sandbox, "em0"));
        assert!(sandbox.shell(&sandbox.own(by_hand)).output().unwrap().status.success(), "{by_hand}");
        run.signal("TERM");
        let done = run.wait();
        let said: Vec<String> =
            done.stderr.lines().filter(|line| line.contains("counts as")).map(String::from).collect();
        let expected: Vec<String> = told.iter().map(|what| format!("vmrun: {what}: it counts as given back")).collect();
        assert_eq!(said, expected, "{by_hand}: {}", done.stderr);
        assert!(!done.stderr.contains("error: `"), "{by_hand}: {}", done.stderr);
        assert!(!sandbox.read("fake/interfaces/bridge2").contains("em0"), "{by_hand}");
        clean(&sandbox);
    }
}

#[test]
fn what_somebody_has_made_anew_under_the_name_of_what_a_run_made_stays() {
    let made: [(&str, &str, &str); 3] = [
        (
            "ifconfig bridge2 deletem tap1; rm [tmp]/fake/interfaces/tap1; ifconfig tap1 create && ifconfig tap1 description theirs",
            "tap1",
            "description theirs",
        ),
        ("sed -i s/@install/@other/ [tmp]/fake/interfaces/bridge7", "bridge7", "description vmrun:@other"),
        ("ifconfig bridge7 destroy; ifconfig bridge7 create", "bridge7", "kind bridge"),
    ];
    for (by_hand, name, text) in made {
        let sandbox = initialized("run\n");
        let recipe = sandbox.read("install.rhai");
        sandbox.write("install.rhai", &format!("bridge(\"bridge7\", #{{ create: true }});\n{recipe}"));
        let mut run = sandbox.start(&["install.rhai"]);
        let is_in = |sandbox: &Sandbox, name: &str| sandbox.read("fake/interfaces/bridge2").contains(name);
        run.until("the guest", |sandbox| running(sandbox) && is_in(sandbox, "tap1"));
        assert!(sandbox.shell(&sandbox.own(by_hand)).status().unwrap().success(), "{by_hand}");
        run.signal("TERM");
        let done = run.wait();
        let told = format!("vmrun: {name} is somebody else's by now, and stays: it counts as given back\n");
        assert!(done.stderr.contains(&told), "{by_hand}: {}", done.stderr);
        assert!(sandbox.read(&format!("fake/interfaces/{name}")).contains(text), "{by_hand}");
        std::fs::remove_file(sandbox.path(&format!("fake/interfaces/{name}"))).unwrap();
        clean(&sandbox);
    }
}

#[test]
fn a_node_that_a_crash_has_left_is_destroyed_before_the_next_boot() {
    let sandbox = initialized("3\n1\n1\n");
    let recipe = sandbox.read("install.rhai");
    sandbox.write("install.rhai", &format!("restart(#{{ on: [\"crash\"], delay: \"10ms\" }});\n{recipe}"));
    let done = sandbox.run(&["install.rhai"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let calls = changes(&sandbox);
    let calls = calls.lines().map(|line| if line.starts_with("bhyve ") { "bhyve" } else { line });
    let tap = ["ifconfig tap1 create", "ifconfig tap1 group vmrun description vmrun:install up"];
    let destroy = "bhyvectl --destroy --vm=install";
    let back = [destroy, "ifconfig tap1 destroy"];
    let expected = [&tap[..], &["ifconfig bridge2 addm tap1", "bhyve", destroy, "bhyve"], &back[..]].concat();
    assert_eq!(calls.collect::<Vec<_>>(), expected);
    clean(&sandbox);
}

#[test]
fn the_password_reaches_bhyve_and_is_seen_nowhere_else() {
    let sandbox = initialized("1\n");
    let done = sandbox.run(&["--verbose", "install.rhai"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    same(&sandbox.read("fake/passwords"), &format!("0:29:0 {PASSWORD}"));
    assert!(sandbox.read("fake/seen-argv").contains("fbuf"));
    for seen in [sandbox.read("fake/log"), sandbox.read("fake/seen-argv"), done.stdout, done.stderr] {
        assert!(!seen.contains(PASSWORD), "{seen}");
    }
    clean(&sandbox);
}

#[test]
fn verbose_shows_all_that_the_plan_has_files_and_the_hypervisor_included() {
    let sandbox = host("1\n");
    let plan = sandbox.run(&["plan", "install.rhai", "--init"]).stdout;
    let done = sandbox.run(&["--verbose", "install.rhai", "--init"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let shown = done.stderr.lines().map(|line| line.strip_prefix("+ ").unwrap_or(line));
    // What only asks is in no plan.
    let mut shown: Vec<&str> = shown.filter(|line| *line != "ifconfig" && !line.starts_with("sysctl -n ")).collect();
    let mut planned: Vec<&str> = plan.lines().filter(|line| !line.starts_with('#')).collect();
    // What is begun and left to itself is shown when a thread comes to it.
    shown.sort_unstable();
    planned.sort_unstable();
    assert_eq!(shown, planned);
    assert!(shown.iter().any(|line| line.starts_with("truncate -s 20G")) && shown.contains(&"pci.0.29.0.password=***"));
}

#[test]
fn a_secret_may_come_from_a_file() {
    let sandbox = initialized("1\n");
    fs::write(sandbox.path("config/secrets/vnc"), "fromfile\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(sandbox.path("config/secrets/vnc"), mode).unwrap();
    let done = sandbox.finish(&mut sandbox.command(&["install.rhai"]));
    assert_eq!(done.code, 0, "{}", done.stderr);
    same(&sandbox.read("fake/passwords"), "0:29:0 fromfile");
}

#[track_caller]
fn guest_ends(exits: &str, code: i32, stderr: &str) {
    let sandbox = initialized(exits);
    ended(&sandbox.run(&["install.rhai"]), code, "", stderr);
    clean(&sandbox);
}

#[test]
fn a_guest_that_powers_off_or_halts_is_no_failure() {
    guest_ends("1\n", 0, "");
    guest_ends("2\n", 0, "");
}

#[test]
fn a_triple_fault_is_the_guests_failure() {
    guest_ends(
        "3\n",
        4,
        "
error: the guest met a triple fault
 |
 = hint: the guest's kernel or firmware crashed; its console shows where
",
    );
}

#[test]
fn a_hypervisor_that_fails_is_quoted() {
    guest_ends(
        "4\n",
        4,
        "
error: the hypervisor failed with status 4
 |
 = hint: it said nothing
",
    );
    guest_ends(
        "err vm_run: something broke|4\n",
        4,
        "
vm_run: something broke
error: the hypervisor failed with status 4
 |
 = hint: its last words: vm_run: something broke
",
    );
}

#[test]
fn a_hypervisor_that_gives_up_has_its_hint() {
    guest_ends(
        "signal 6\n",
        4,
        "
error: the hypervisor was killed by signal 6 (SIGABRT)
 |
 = hint: it gave up: the guest crashed in a way that it cannot tell, or somebody has destroyed the machine
",
    );
}

#[test]
fn a_bhyve_that_was_called_in_a_wrong_way_has_not_powered_off() {
    let usage = "err        -Y: disable MPtable generation|1\n";
    let sandbox = initialized(usage);
    let done = sandbox.run(&["install.rhai"]);
    assert_eq!(done.code, 4, "{}", done.stderr);
    assert!(
        done.stderr.contains("error: the hypervisor failed with status 1:        -Y: disable MPtable generation\n"),
        "{}",
        done.stderr
    );
    let hint = " = hint: this bhyve does not know a word of its command line, which `vmrun plan` shows: is it of another release?\n";
    assert!(done.stderr.ends_with(hint), "{}", done.stderr);
    clean(&sandbox);
}

#[test]
fn a_node_that_was_left_with_other_memory_is_told_with_the_command_that_takes_it_away() {
    let sandbox = initialized("err bhyve: Unable to setup memory (22)|4\n");
    let done = sandbox.run(&["install.rhai"]);
    assert_eq!(done.code, 4, "{}", done.stderr);
    let hint = " = hint: a machine of this name has left its node with other memory: `bhyvectl --destroy --vm=install` takes it \
                away; else the memory is no multiple of a page, 4K\n";
    assert!(done.stderr.contains("--> install.rhai:14:") && done.stderr.ends_with(hint), "{}", done.stderr);
}

#[test]
fn what_bhyve_says_is_led_back_to_the_line_at_fault_with_a_way_out() {
    guest_ends(
        "err bhyve: Could not open backing file: [tmp]/vm/install-data.img: Device busy|4\n",
        4,
        r#"
bhyve: Could not open backing file: [tmp]/vm/install-data.img: Device busy
error: the hypervisor failed with status 4: bhyve: Could not open backing file: [tmp]/vm/install-data.img: Device busy
  --> install.rhai:21:25
   |
21 |         "5": virtio_blk(data),
   |                         ^^^^
   |
   = hint: another program may have the disk open: stop it, or give this machine a disk of its own
"#,
    );
    guest_ends(
        "err open of tap device tap1 failed|4\n",
        4,
        r#"
open of tap device tap1 failed
error: the hypervisor failed with status 4: open of tap device tap1 failed
  --> install.rhai:22:25
   |
22 |         "6": virtio_net(nic, #{ mac: "00:0c:29:a5:19:b9" }),
   |                         ^^^
   |
   = hint: another program has it open, it is gone, or the jail's devfs rules hide it: ifconfig shows by whom it was opened
"#,
    );
    guest_ends(
        "err 17 vCPUs requested but only 16 available|4\n",
        4,
        r#"
17 vCPUs requested but only 16 available
error: the hypervisor failed with status 4: 17 vCPUs requested but only 16 available
  --> install.rhai:14:28
   |
14 |     name: "install", cpus: 1, memory: 256.MiB,
   |                            ^
   |
   = hint: give the machine fewer, or the host more: hw.vmm.maxcpu in /boot/loader.conf
"#,
    );
    guest_ends(
        "err bind: Address already in use|4\n",
        4,
        r#"
bind: Address already in use
error: the hypervisor failed with status 4: bind: Address already in use
  --> install.rhai:23:15
   |
23 |         "29": fbuf(#{ tcp: `${host_ip("127.100.100.0/24")}:5901`, w: 800, h: 600, password: secret("vnc") }),
   |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = hint: somebody listens there already: choose another port, or stop the other machine
"#,
    );
    guest_ends(
        "err vm_create: No such file or directory|4\n",
        4,
        r#"
vm_create: No such file or directory
error: the hypervisor failed with status 4: vm_create: No such file or directory
  --> install.rhai:13:1
   |
13 | / bhyve(#{
14 | |     name: "install", cpus: 1, memory: 256.MiB,
15 | |     strict_msr: false, exit_on_hlt: true,
16 | |     bootrom: bootrom("[tmp]/vm/rom.fd"),
...  |
26 | |     },
27 | | }).run();
   | |__^
   |
   = hint: the kernel has no vmm: kldload vmm, and vmm_load="YES" in /boot/loader.conf
"#,
    );
}

/// A recipe whose machine has limits, on a host that counts what processes take.
fn limited(sandbox: &Sandbox, limits: &str) {
    sandbox.write("fake/sysctl", "kern.racct.enable=1\n");
    let text = "let vm = bhyve(#{ name: \"web\", memory: 256.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"), slots: #{ \"31\": lpc() } });\n";
    sandbox.write("web.rhai", &format!("{text}vm.limits({limits});\nvm.run();\n"));
}

#[test]
fn limits_are_taken_on_before_bhyve_starts() {
    let sandbox = host("1\n");
    let recipe = |limits: &str| limited(&sandbox, limits);
    recipe("#{ memory: 1.GiB, cpu: 150 }");
    let limited = r#"sh -c 'rctl -a process:$$:memoryuse:deny=1G && rctl -a process:$$:pcpu:deny=150 && exec "$0" "$@" || exit 73' bhyve -c 1 -m 256M -s 31,lpc -l bootrom,[tmp]/vm/rom.fd web"#;
    let done = sandbox.run(&["plan", "web.rhai"]);
    assert!(done.stdout.contains(limited), "{}", done.stdout);
    ended(&sandbox.run(&["web.rhai"]), 0, "", "");
    let rules = sandbox.read("fake/rctl");
    let rules: Vec<&str> = rules.lines().map(|rule| rule.splitn(3, ':').nth(2).unwrap()).collect();
    assert_eq!(rules, ["memoryuse:deny=1073741824", "pcpu:deny=150"]);
    // What goes to disks is slowed down, and nice(1) comes last.
    recipe("#{ nice: 10, readbps: 20.MiB, writebps: \"10M\", readiops: 500, writeiops: 200 }");
    let limited = r#"sh -c 'rctl -a process:$$:readbps:throttle=20M && rctl -a process:$$:writebps:throttle=10M && rctl -a process:$$:readiops:throttle=500 && rctl -a process:$$:writeiops:throttle=200 && exec "$0" "$@" || exit 73' nice -n 10 bhyve -c 1 -m 256M -s 31,lpc -l bootrom,[tmp]/vm/rom.fd web"#;
    for on in ["freebsd-14.3", "freebsd-15"] {
        let done = sandbox.run(&["plan", "--on", on, "web.rhai"]);
        assert!(done.stdout.contains(limited), "{}", done.stdout);
    }
    sandbox.write("fake/rctl", "");
    ended(&sandbox.run(&["web.rhai"]), 0, "", "");
    let rules = sandbox.read("fake/rctl");
    let rules: Vec<&str> = rules.lines().map(|rule| rule.splitn(3, ':').nth(2).unwrap()).collect();
    let bytes = ["readbps:throttle=20971520", "writebps:throttle=10485760"];
    assert_eq!(rules, [&bytes[..], &["readiops:throttle=500", "writeiops:throttle=200"]].concat());
    recipe("#{ nice: 10 }");
    let done = sandbox.run(&["plan", "web.rhai"]);
    assert!(done.stdout.contains("\nnice -n 10 bhyve -c 1 -m 256M"), "{}", done.stdout);
    // What serves the machine is limited as it is.
    sandbox.write(
        "web.rhai",
        &format!("helper(#{{ name: \"log\", run: [\"sleep\", \"9\"] }});\n{}", sandbox.read("web.rhai")),
    );
    let done = sandbox.run(&["plan", "web.rhai"]);
    assert!(done.stdout.contains("\nsh -c 'nice -n 10 sleep 9 & echo $! >"), "{}", done.stdout);
}

#[test]
fn limits_that_cannot_be_kept_are_refused() {
    let sandbox = host("1\n");
    let recipe = |limits: &str| limited(&sandbox, limits);
    recipe("#{ memory: 1.GiB, cpu: 150 }");
    let refused = |code: i32, stderr: &str| {
        ended(&sandbox.run(&["web.rhai"]), code, "", stderr);
        clean(&sandbox);
    };
    // What rctl(8) refuses keeps bhyve from starting.
    sandbox.write("fake/refuse", "rctl -a\trctl: failed to add rule: Operation not permitted\n");
    refused(
        4,
        "
rctl: failed to add rule: Operation not permitted
error: the hypervisor failed with status 73
 |
 = hint: its last words: rctl: failed to add rule: Operation not permitted
",
    );
    fs::remove_file(sandbox.path("fake/refuse")).unwrap();
    sandbox.write("fake/sysctl", "kern.racct.enable=0\n");
    refused(
        3,
        r#"
error: the machine has limits, and this host does not count what processes take
 --> web.rhai:1:10
  |
1 | let vm = bhyve(#{ name: "web", memory: 256.MiB, bootrom: bootrom("[tmp]/vm/rom.fd"), slots: #{ "31": lpc() } });
  |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: kern.racct.enable=1 in /boot/loader.conf, and start the host anew
"#,
    );
    recipe("#{ memory: 256.MiB }");
    refused(
        1,
        "
error: the limit of 256M is no more than the guest's memory, 256M
 --> web.rhai:2:11
  |
2 | vm.limits(#{ memory: 256.MiB });
  |           ^^^^^^^^^^^^^^^^^^^^
  |
  = hint: the hypervisor needs some itself: add a few hundred MiB
",
    );
    recipe("#{ cpu: 0 }");
    refused(
        1,
        "
error: a guest that gets no processor time never runs
 --> web.rhai:2:11
  |
2 | vm.limits(#{ cpu: 0 });
  |           ^^^^^^^^^^^
  |
  = hint: 100 is one processor
",
    );
    recipe("#{ cpu: \"much\" }");
    refused(
        1,
        r#"
error: expected percent of one processor, as 150, got a text
 --> web.rhai:2:19
  |
2 | vm.limits(#{ cpu: "much" });
  |                   ^^^^^^
  |
  = hint: write `vm.limits(#{ memory: 6.GiB, cpu: 150 })`
"#,
    );
    for (map, fault) in [
        ("nice: 20", "there is no `nice` of 20"),
        ("cpu_weight: 0", "there is no `cpu_weight` of 0"),
        ("writeiops: 0", "with a limit of 0 for `writeiops` no disk ever answers"),
        ("cpu_weight: 50", "FreeBSD shares processors out by no weights"),
    ] {
        recipe(&format!("#{{ {map} }}"));
        let done = sandbox.run(&["web.rhai"]);
        assert!(done.stderr.starts_with(&format!("error: {fault}\n")), "{}", done.stderr);
    }
    recipe("#{ disk: 1 }");
    refused(
        1,
        "
error: there is no key `disk`
 --> web.rhai:2:14
  |
2 | vm.limits(#{ disk: 1 });
  |              ^^^^
  |
  = hint: keys: memory, cpu, cpu_weight, nice, readbps, writebps, readiops and writeiops
",
    );
}

#[test]
fn what_a_hook_does_about_an_end_is_rehearsed_before_anything_is_done() {
    let sandbox = host("1\n");
    let hook = |event: &str| format!("on(\"{event}\", |e| run(\"no-such-pager\", [e.word]));\n{RECIPE}");
    for event in ["rebooted", "powered_off", "halted", "triple_fault", "failed", "killed", "exited"] {
        sandbox.write("install.rhai", &hook(event));
        let done = sandbox.run(&["install.rhai", "--init"]);
        assert!(done.stderr.starts_with("error: `no-such-pager` is not installed\n"), "{event}: {}", done.stderr);
        assert_eq!((done.code, changes(&sandbox).as_str()), (3, ""), "{event}");
    }
    clean(&sandbox);
}

#[test]
fn a_hook_that_fails_does_not_hide_why_the_guest_did() {
    let sandbox = initialized("err bind: Address already in use|4\n");
    sandbox.write("install.rhai", &format!("on(\"failed\", |e| run(\"false\", [e.machine]));\n{RECIPE}"));
    ended(
        &sandbox.run(&["install.rhai"]),
        4,
        "",
        r#"
bind: Address already in use
error: the hypervisor failed with status 4: bind: Address already in use
  --> install.rhai:24:15
   |
24 |         "29": fbuf(#{ tcp: `${host_ip("127.100.100.0/24")}:5901`, w: 800, h: 600, password: secret("vnc") }),
   |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = hint: somebody listens there already: choose another port, or stop the other machine
error: `false install` failed with status 1
  --> install.rhai:1:18
   |
 1 | on("failed", |e| run("false", [e.machine]));
   |                  ^^^^^^^^^^^^^^^^^^^^^^^^^
   |
  ::: install.rhai:28:4
   |
28 | }).run();
   |    ----- in the closure called here
"#,
    );
    clean(&sandbox);
}

#[test]
fn a_hook_that_fails_keeps_no_other_from_being_called() {
    let sandbox = host("1\n");
    let hooks = "on(\"exited\", |e| run(\"false\", [\"one\"]));\non(\"exited\", |e| run(\"touch\", [\"[tmp]/two\"]));\n\
        on(\"exited\", |e| run(\"false\", [\"three\"]));\n";
    let boot = HEARD.lines().find(|line| line.starts_with("let vm")).unwrap();
    sandbox.write("web.rhai", &format!("{hooks}{boot}\nvm.run();\n"));
    ended(
        &sandbox.run(&["web.rhai"]),
        3,
        "",
        r#"
error: `false one` failed with status 1
 --> web.rhai:1:18
  |
1 | on("exited", |e| run("false", ["one"]));
  |                  ^^^^^^^^^^^^^^^^^^^^^
  |
 ::: web.rhai:5:4
  |
5 | vm.run();
  |    ----- in the closure called here
error: `false three` failed with status 1
 --> web.rhai:3:18
  |
3 | on("exited", |e| run("false", ["three"]));
  |                  ^^^^^^^^^^^^^^^^^^^^^^^
  |
 ::: web.rhai:5:4
  |
5 | vm.run();
  |    ----- in the closure called here
"#,
    );
    assert!(sandbox.path("two").exists());
    clean(&sandbox);
}

/// A machine whose ends are heard of.
const HEARD: &str = r#"
on("exited", |e| print(`${e.machine}: ${e.word}, ${e.status}, ${e.last_words}`));
on("failed", |e| run("touch", [`[tmp]/${e.machine}-failed`]));
let vm = bhyve(#{ name: "web", cpus: 1, memory: 256.MiB, bootrom: bootrom("[tmp]/vm/rom.fd"), slots: #{ "0": hostbridge(), "31": lpc() } });
let end = vm.run();
print(`then ${end}`);
"#;

#[test]
fn a_recipe_hears_of_the_ends_of_its_boots_before_it_goes_on() {
    let sandbox = host("0\nerr vm_run: something broke|4\n");
    sandbox.write("web.rhai", HEARD);
    let said = "web: rebooted, 0, []\nthen the guest rebooted\n\
        web: failed, 4, [\"vm_run: something broke\"]\nthen the hypervisor failed with status 4\n";
    let done = sandbox.run(&["web.rhai"]);
    same(&done.stdout, said);
    assert_eq!((done.code, sandbox.path("web-failed").exists()), (4, true), "{}", done.stderr);
    // In a plan the guest powers off, and nothing fails.
    let done = sandbox.run(&["plan", "web.rhai"]);
    same(&done.stderr, "web: powered_off, 1, []\nthen the guest powered off");
    assert!(!done.stdout.contains("touch"), "{}", done.stdout);
    clean(&sandbox);
}

#[test]
fn a_hook_that_fails_is_shown_and_everything_is_given_back() {
    let sandbox = initialized("1\n");
    sandbox.write("install.rhai", &format!("on(\"powered_off\", |e| run(\"false\", [e.machine]));\n{RECIPE}"));
    ended(
        &sandbox.run(&["install.rhai"]),
        3,
        "",
        r#"
error: `false install` failed with status 1
  --> install.rhai:1:23
   |
 1 | on("powered_off", |e| run("false", [e.machine]));
   |                       ^^^^^^^^^^^^^^^^^^^^^^^^^
   |
  ::: install.rhai:28:4
   |
28 | }).run();
   |    ----- in the closure called here
"#,
    );
    clean(&sandbox);
    let refused = |text: &str, stderr: &str| {
        sandbox.write("hook.rhai", text);
        ended(&sandbox.run(&["hook.rhai"]), 1, "", stderr);
    };
    refused(
        "on(\"poweredoff\", |e| print(e));\n",
        r#"
error: nothing is called "poweredoff" that happens to a machine
 --> hook.rhai:1:4
  |
1 | on("poweredoff", |e| print(e));
  |    ^^^^^^^^^^^^
  |
  = hint: did you mean `powered_off`?
"#,
    );
    refused(
        "on(\"exited\", 1);\n",
        r#"
error: expected a closure, got a number
 --> hook.rhai:1:14
  |
1 | on("exited", 1);
  |              ^
  |
  = hint: write `on("exited", |e| …)`
"#,
    );
}

#[test]
fn a_hypervisor_that_was_killed_is_a_failure() {
    guest_ends(
        "signal 9\n",
        4,
        "
error: the hypervisor was killed by signal 9 (SIGKILL)
 |
 = hint: somebody killed it, or the host ran out of memory
",
    );
}

#[test]
fn a_refused_step_ends_the_run_and_gives_back_what_was_taken() {
    let sandbox = initialized("1\n");
    sandbox.write("fake/refuse", "ifconfig bridge2 addm\tifconfig: BRDGADD tap1: Device busy\n");
    ended(
        &sandbox.run(&["install.rhai"]),
        3,
        "",
        r#"
error: `ifconfig bridge2 addm tap1` failed with status 1: ifconfig: BRDGADD tap1: Device busy
  --> install.rhai:11:19
   |
11 | bridge("bridge2").add(nic);
   |                   ^^^^^^^^
"#,
    );
    // bhyve is started while the tap joins its bridge, and ended at once; how far it came is open, and with it the order.
    let log = changes(&sandbox);
    // A bhyve that was ended soon has made no node to take away.
    let log = log.replace("--vm=install  # refused", "--vm=install");
    let mut calls: Vec<&str> = log.lines().filter(|line| !line.starts_with("bhyve -c")).collect();
    calls.sort_unstable();
    assert_eq!(
        calls,
        [
            "bhyvectl --destroy --vm=install",
            "ifconfig bridge2 addm tap1  # refused",
            "ifconfig tap1 create",
            "ifconfig tap1 destroy",
            "ifconfig tap1 group vmrun description vmrun:install up",
        ]
    );
    clean(&sandbox);
}

#[test]
fn a_step_that_was_left_to_itself_and_refused_is_told_at_its_own_place() {
    let sandbox = host("1\n");
    sandbox.write("fake/refuse", "bhyvectl --destroy\tbhyvectl: vm_open: Operation not permitted\n");
    ended(
        &sandbox.run(&["install.rhai", "--init"]),
        3,
        "",
        r#"
error: `bhyvectl --destroy --vm=install` failed with status 1: bhyvectl: vm_open: Operation not permitted
 --> install.rhai:5:25
  |
5 |     bhyvectl("install").destroy();
  |                         ^^^^^^^^^
"#,
    );
    same(
        &changes(&sandbox),
        "
bhyvectl --destroy --vm=install  # refused
ifconfig tap1 create
ifconfig tap1 group vmrun description vmrun:install up
ifconfig bridge2 addm tap1
ifconfig tap1 destroy
",
    );
    clean(&sandbox);
}

#[test]
fn a_request_to_stop_presses_the_guests_power_button() {
    let sandbox = initialized("run\n");
    let mut vmrun = sandbox.start(&["install.rhai"]);
    vmrun.until("the guest", running);
    vmrun.signal("TERM");
    ended(&vmrun.wait(), 130, "", "error: interrupted");
    assert!(!sandbox.read("fake/log").contains("force-poweroff"));
    clean(&sandbox);
}

#[test]
fn a_guest_that_does_not_listen_is_forced_off_when_its_time_is_over() {
    let sandbox = initialized("deaf\n");
    let mut vmrun = sandbox.start(&["install.rhai", "--stop-within", "300ms"]);
    vmrun.until("the guest", running);
    let start = Instant::now();
    vmrun.signal("TERM");
    ended(&vmrun.wait(), 130, "", "error: interrupted");
    assert!(start.elapsed() >= Duration::from_millis(300));
    same(&changes(&sandbox), "
ifconfig tap1 create
ifconfig tap1 group vmrun description vmrun:install up
ifconfig bridge2 addm tap1
bhyve -c 1 -m 256M -w -H -s 0,hostbridge -s 4,virtio-blk,[tmp]/vm/install.img -s 5,virtio-blk,[tmp]/vm/install-data.img -s 6,virtio-net,tap1,mac=00:0c:29:a5:19:b9 -s 29,fbuf,tcp=127.100.100.1:5901,w=800,h=600 -k [tmp]/state/.install.secrets -s 30,xhci,tablet -s 31,lpc -l bootrom,[tmp]/vm/rom.fd install
bhyvectl --force-poweroff --vm=install
bhyvectl --destroy --vm=install
ifconfig tap1 destroy
");
    clean(&sandbox);
}

#[test]
fn a_machine_that_runs_is_not_started_a_second_time() {
    let sandbox = initialized("run\n");
    // Without a tap or a console, so that only the machine itself is in the way.
    let nothing = r#"bhyve(#{ name: "install", cpus: 1, memory: 256.MiB, bootrom: bootrom("[tmp]/vm/rom.fd"),
    slots: #{ "0": hostbridge(), "4": virtio_blk("[tmp]/vm/install.img", #{ ro: true }), "31": lpc() } }).run();
"#;
    sandbox.write("second.rhai", nothing);
    let mut first = sandbox.start(&["install.rhai"]);
    first.until("the guest", running);
    let before = sandbox.names("fake/vmm");
    ended(
        &sandbox.run(&["second.rhai"]),
        5,
        "",
        r#"
error: the machine install is running already: vmrun [pid], of [tmp]/install.rhai, since [when]
 --> second.rhai:1:16
  |
1 | bhyve(#{ name: "install", cpus: 1, memory: 256.MiB, bootrom: bootrom("[tmp]/vm/rom.fd"),
  |                ^^^^^^^^^
  |
  = hint: `vmrun stop install` stops it; or give this machine another name
"#,
    );
    sandbox.write("second.rhai", &nothing.replace("\"install\"", "\"second\""));
    ended(
        &sandbox.run(&["second.rhai"]),
        5,
        "",
        r#"
error: [tmp]/vm/install.img is in use by the machine install, vmrun [pid], of [tmp]/install.rhai, since [when]
 --> second.rhai:2:50
  |
2 |     slots: #{ "0": hostbridge(), "4": virtio_blk("[tmp]/vm/install.img", #{ ro: true }), "31": lpc() } }).run();
  |                                                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: `vmrun stop install`, or give this one a disk of its own
"#,
    );
    sandbox.write("second.rhai", "let nic = tap(\"tap1\");\n");
    ended(
        &sandbox.run(&["second.rhai"]),
        5,
        "",
        r#"
error: tap1 is in use by the machine install, vmrun [pid], of [tmp]/install.rhai, since [when]
 --> second.rhai:1:15
  |
1 | let nic = tap("tap1");
  |               ^^^^^^
  |
  = hint: `vmrun stop install`, or choose another name for it
"#,
    );
    // Another user, whose state is elsewhere.
    sandbox.write("second.rhai", &nothing.replace("\"install\"", "\"second\""));
    ended(
        &sandbox.finish(sandbox.command(&["second.rhai"]).env("VMRUN_STATE_DIR", sandbox.path("home"))),
        5,
        "",
        r#"
error: [tmp]/vm/install.img is in use by another vmrun or its guest
 --> second.rhai:2:50
  |
2 |     slots: #{ "0": hostbridge(), "4": virtio_blk("[tmp]/vm/install.img", #{ ro: true }), "31": lpc() } }).run();
  |                                                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: it keeps its state in another folder, as another user's or another host's does; stop it there
"#,
    );
    assert_eq!(sandbox.names("fake/vmm"), before);
    first.signal("TERM");
    assert_eq!(first.wait().code, 130);
    clean(&sandbox);
}

#[test]
fn who_looks_on_is_told_that_a_guest_runs_and_what_is_done_to_stop_it() {
    let sandbox = initialized("run\n");
    let mut terminal = Terminal::new();
    let run = terminal.start(sandbox.command(&["install.rhai"]).env("VMRUN_SECRET_VNC", PASSWORD));
    let runs = terminal.shows("power off\r\n", Duration::from_secs(20));
    kill(Pid::from_raw(run.id().cast_signed()), Signal::SIGTERM).unwrap();
    let (status, ends) = terminal.ends(run);
    same(
        &(runs + ends.as_str()).replace("\r\n", "\n"),
        "
vmrun: install runs; Ctrl-C asks it to power off
vmrun: asked the guest to power off; it has 60s, Ctrl-C switches it off at once
\u{1b}[1m\u{1b}[91merror\u{1b}[0m\u{1b}[1m: interrupted\u{1b}[0m
",
    );
    assert_eq!(status.code(), Some(130));
    clean(&sandbox);
}
