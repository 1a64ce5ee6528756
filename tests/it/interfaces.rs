//! How interfaces are made on FreeBSD: whose they are, what they are called, and how long their packets may be.

use super::sandbox::{Sandbox, same};
use std::fs;
use std::os::unix::process::CommandExt as _;

/// A host with a machine that has one disk and one tap, made by these words.
fn host(tap: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let recipe = format!(
        "{tap}\nbhyve(#{{ name: \"lab\", memory: 64.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"),\n    slots: #{{ \"5\": virtio_net(nic), \
         \"31\": lpc() }} }}).run();\n"
    );
    sandbox.write("lab.rhai", &recipe);
    fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    sandbox.write("fake/exits", "1\n");
    sandbox
}

/// The calls that change something.
fn changes(sandbox: &Sandbox) -> String {
    let log = sandbox.calls();
    let reads = |line: &str| line == "ifconfig" || line.starts_with("sysctl ");
    log.lines().filter(|line| !reads(line)).map(|line| line.to_string() + "\n").collect()
}

const BOOT: &str = "bhyve -c 1 -m 64M -s 5,virtio-net,tap1 -s 31,lpc -l bootrom,[tmp]/vm/rom.fd lab";

#[test]
fn a_tap_that_somebody_made_meanwhile_is_not_taken_over() {
    let sandbox =
        host("run(\"ifconfig\", [\"tap1\", \"create\", \"description\", \"theirs\"]);\nlet nic = tap(\"tap1\");");
    let done = sandbox.run(&["lab.rhai"]);
    let expected = "
error: `ifconfig tap1 create && ifconfig tap1 group vmrun description vmrun:lab up` failed with status 1: ifconfig: interface tap1 already exists
 --> lab.rhai:2:11
  |
2 | let nic = tap(\"tap1\");
  |           ^^^^^^^^^^^
";
    same(&done.stderr, expected);
    assert_eq!(done.code, 3);
    assert!(sandbox.read("fake/interfaces/tap1").contains("description theirs\n"), "{}", sandbox.calls());
    assert_eq!(sandbox.names("state"), [""; 0]);
}

#[test]
fn a_tap_that_cannot_be_marked_is_taken_away_at_once() {
    let sandbox = host("let nic = tap(\"tap1\");");
    sandbox.write("fake/refuse", "ifconfig tap1 group\tifconfig: no more\n");
    let done = sandbox.run(&["lab.rhai"]);
    assert_eq!(done.code, 3, "{}", done.stderr);
    assert!(done.stderr.starts_with("error: `ifconfig tap1 create && ifconfig tap1 group vmrun description vmrun:lab up` failed with status 1: ifconfig: no more\n"), "{}", done.stderr);
    assert_eq!(sandbox.names("fake/interfaces"), ["bridge2", "em0", "lo0"]);
    assert_eq!(sandbox.names("state"), [""; 0]);
}

#[test]
fn a_tap_is_marked_even_if_vmrun_is_killed_before() {
    let sandbox = host("let nic = tap(\"tap1\");");
    sandbox.write("fake/strike", "before SIGKILL 1 ifconfig tap1 group");
    assert_eq!(sandbox.run(&["lab.rhai"]).code, -9);
    // Who gives back waits for the last commands of the dead run.
    let done = sandbox.run(&["gc"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(sandbox.calls().contains("ifconfig tap1 group vmrun description vmrun:lab up\n"), "{}", sandbox.calls());
    assert_eq!(sandbox.names("fake/interfaces"), ["bridge2", "em0", "lo0"]);
}

#[test]
fn a_number_that_a_renamed_interface_has_is_told() {
    let sandbox = host("let nic = tap(\"tap2\");");
    assert!(sandbox.shell("ifconfig tap2 create && ifconfig tap2 name web0").status().unwrap().success());
    let done = sandbox.run(&["lab.rhai"]);
    let expected = "
error: `ifconfig tap2 create && ifconfig tap2 group vmrun description vmrun:lab up` failed with status 1: ifconfig: SIOCIFCREATE2 (tap2): File exists
 --> lab.rhai:1:11
  |
1 | let nic = tap(\"tap2\");
  |           ^^^^^^^^^^^
  |
  = hint: an interface that was renamed has its number: choose another, or destroy that one
";
    same(&done.stderr, expected);
    assert_eq!(
        (done.code, sandbox.names("fake/interfaces")),
        (3, ["bridge2", "em0", "lo0", "web0"].map(String::from).to_vec())
    );
}

#[test]
fn a_tap_that_is_not_there_is_not_made_by_opening_it() {
    let sandbox = host("let nic = \"tap7\";");
    let done = sandbox.run(&["lab.rhai"]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert!(
        done.stderr.starts_with("error: the tap tap7 is not there, and the recipe does not make it\n"),
        "{}",
        done.stderr
    );
    assert_eq!(sandbox.names("fake/interfaces"), ["bridge2", "em0", "lo0"]);
}

#[test]
fn an_interface_of_somebody_else_that_is_down_is_told_of_where_no_bhyve_brings_it_up() {
    let sandbox = host("let nic = \"vmnet3\";");
    sandbox.write("fake/interfaces/vmnet3", "kind vmnet\nup no\n");
    let done = sandbox.run(&["plan", "lab.rhai"]);
    let expected = "
warning: vmnet3 is down, and what the guest sends gets nowhere
 --> lab.rhai:3:31
  |
3 |     slots: #{ \"5\": virtio_net(nic), \"31\": lpc() } }).run();
  |                               ^^^
  |
  = hint: it is not vmrun's to change: ifconfig vmnet3 up
";
    same(&done.stderr, expected);
    sandbox.write("fake/interfaces/vmnet3", "kind vmnet\nup yes\n");
    assert_eq!(sandbox.run(&["plan", "lab.rhai"]).stderr, "");
}

#[test]
fn a_tap_is_whole_or_gone_when_a_terminal_interrupts_all_that_runs() {
    for call in ["ifconfig tap1 create", "ifconfig tap1 group", "ifconfig bridge2 addm"] {
        let sandbox = host("let nic = tap(\"tap1\");\nbridge(\"bridge2\").add(nic);");
        sandbox.write("fake/exits", "run\n");
        sandbox.write("fake/strike", &format!("before group-SIGINT 1 {call}"));
        let mut command = sandbox.command(&["lab.rhai"]);
        let done = sandbox.finish(command.process_group(0));
        assert_eq!(done.code, 130, "{call}: {}\n{}", done.stderr, sandbox.calls());
        assert_eq!(sandbox.names("fake/interfaces"), ["bridge2", "em0", "lo0"], "{call}: {}", sandbox.calls());
        assert_eq!(sandbox.names("state"), [""; 0], "{call}");
    }
}

#[test]
fn a_tap_has_what_its_recipe_says_and_is_up() {
    let sandbox = host("let nic = tap(\"tap1\", #{ mtu: 9000, description: \"of the lab\", up: false });");
    let done = sandbox.run(&["lab.rhai"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    let expected = format!(
        "ifconfig tap1 create\nifconfig tap1 group vmrun description 'vmrun:lab of the lab' mtu 9000\n{BOOT}\nbhyvectl --destroy \
         --vm=lab\nifconfig tap1 destroy"
    );
    same(&changes(&sandbox), &expected);
}

#[test]
fn a_tap_of_another_name_is_made_with_a_number_and_renamed() {
    let sandbox = host("let nic = tap(\"vm-web0\");");
    let plan = sandbox.run(&["plan", "lab.rhai"]);
    let expected = "
umask 026
ifconfig tap27457 create
ifconfig tap27457 name vm-web0
ifconfig vm-web0 group vmrun description vmrun:lab up
bhyve -c 1 -m 64M -s 5,virtio-net,vm-web0,type=tap -s 31,lpc -l bootrom,[tmp]/vm/rom.fd lab
# given back when the run ends:
bhyvectl --destroy --vm=lab
ifconfig vm-web0 destroy
";
    same(&plan.stdout, expected);
    let done = sandbox.run(&["lab.rhai"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{}", sandbox.calls());
    let expected = "
ifconfig tap27457 create
ifconfig tap27457 name vm-web0
ifconfig vm-web0 group vmrun description vmrun:lab up
bhyve -c 1 -m 64M -s 5,virtio-net,vm-web0,type=tap -s 31,lpc -l bootrom,[tmp]/vm/rom.fd lab
";
    let calls = changes(&sandbox);
    same(calls.get(..expected.len() - 1).unwrap_or_default(), expected);
    assert!(calls.contains("ifconfig vm-web0 destroy\n"), "{calls}");
    assert_eq!(sandbox.names("fake/interfaces"), ["bridge2", "em0", "lo0"]);
}

#[test]
fn a_tap_that_cannot_be_renamed_is_not_left() {
    let sandbox = host("let nic = tap(\"vm-web0\");");
    sandbox.write("fake/refuse", "ifconfig tap27457 name\tifconfig: ioctl SIOCSIFNAME (set name): File exists\n");
    let done = sandbox.run(&["lab.rhai"]);
    assert_eq!(done.code, 3, "{}", done.stderr);
    assert_eq!(sandbox.names("fake/interfaces"), ["bridge2", "em0", "lo0"]);
}

#[test]
fn a_name_that_freebsd_cannot_make_is_told_before_a_disk_is_made() {
    let sandbox = host("truncate(\"[tmp]/vm/new.img\", 1.MiB);\nlet nic = tap(\"tap01\");");
    let expected = "
error: FreeBSD cannot make tap01: its number begins with 0
 --> lab.rhai:2:15
  |
2 | let nic = tap(\"tap01\");
  |               ^^^^^^^
  |
  = hint: write tap1
";
    for words in [&["check", "lab.rhai"][..], &["plan", "lab.rhai"], &["lab.rhai"]] {
        let done = sandbox.run(words);
        assert!(done.stderr.contains(expected.trim_start()), "{words:?}: {}", done.stderr);
        assert_eq!(done.code, 1, "{words:?}");
    }
    assert!(!sandbox.path("vm/new.img").exists());
}

#[test]
fn a_tap_is_given_the_mtu_of_its_bridge_before_it_joins() {
    let sandbox =
        host("let nic = tap(\"tap1\");\nlet lan = bridge(\"bridge9\", #{ create: true, mtu: 9000 });\nlan.add(nic);");
    let done = sandbox.run(&["lab.rhai"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    let calls = changes(&sandbox);
    let expected = "ifconfig tap1 mtu 9000\nifconfig bridge9 addm tap1\n";
    assert!(calls.contains(expected), "{calls}");
}

#[test]
fn an_mtu_that_a_bridge_cannot_have_is_refused() {
    let sandbox = host("let nic = tap(\"tap1\", #{ mtu: 9000 });\nbridge(\"bridge2\").add(nic);");
    sandbox.write("fake/interfaces/bridge2", "kind bridge\nup yes\nmember em0\n");
    let done = sandbox.run(&["plan", "lab.rhai"]);
    let expected = "
error: tap1 has an MTU of 9000 bytes, and the members of bridge2 one of 1500
 --> lab.rhai:2:23
  |
2 | bridge(\"bridge2\").add(nic);
  |                       ^^^
  |
  = hint: leave its `mtu` out, or make it 1500: a bridge has one MTU
";
    same(&done.stderr, expected);
    assert_eq!(done.code, 1);
    // A bridge without members takes that of the first.
    sandbox.write("fake/interfaces/bridge2", "kind bridge\nup yes\n");
    assert_eq!(sandbox.run(&["plan", "lab.rhai"]).code, 0);
}

#[test]
fn a_vlan_has_the_mtu_of_its_card() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "net.rhai",
        "let lan = bridge(\"bridge9\", #{ create: true, mtu: 9000 });\nlan.add(vlan(\"em0\", 5));\n",
    );
    let done = sandbox.run(&["network", "up", "net.rhai"]);
    let expected = "
error: em0.5 has an MTU of 1500 bytes, and bridge9 one of 9000
 --> net.rhai:2:9
  |
2 | lan.add(vlan(\"em0\", 5));
  |         ^^^^^^^^^^^^^^
  |
  = hint: a VLAN has the MTU of its card: make that 9000, or give bridge9 another
";
    same(&done.stderr, expected);
    assert_eq!((done.code, changes(&sandbox).as_str()), (1, ""));
    sandbox.write("fake/interfaces/em0", "kind ether\nmtu 9000\ninet 127.100.100.1/24\n");
    assert_eq!(sandbox.run(&["network", "up", "net.rhai"]).code, 0);
    // Two VLANs that are said of each other have an end as well.
    let circle = "let a = vlan(\"a\", 5, #{ name: \"b\" });\nlet b = vlan(\"b\", 6, #{ name: \"a\" });\nlet lan = bridge(\"bridge9\", #{ create: true, mtu: 9000 });\nlan.add(a);\nlan.add(b);\n";
    sandbox.write("circle.rhai", circle);
    let mut elsewhere = sandbox.command(&["plan", "circle.rhai", "--on", "freebsd"]);
    assert_eq!(sandbox.finish(elsewhere.env("VMRUN_PLATFORM", "linux")).code, 0);
    // Where the card is not to be seen nothing is known of it.
    let mut elsewhere = sandbox.command(&["network", "rcconf", "net.rhai", "--on", "freebsd"]);
    assert_eq!(sandbox.finish(elsewhere.env("VMRUN_PLATFORM", "linux")).code, 0);
}

#[test]
fn a_network_whose_bridge_has_an_mtu_comes_up_once() {
    let sandbox = Sandbox::new();
    sandbox.write("net.rhai", "let wire = epair(\"epair0\");\nbridge(\"bridge9\", #{ create: true, mtu: 9000 }).add(wire.b, #{ \"private\": true });\n");
    let done = sandbox.run(&["network", "up", "net.rhai"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let made = changes(&sandbox);
    assert!(made.contains("ifconfig epair0b mtu 9000\nifconfig bridge9 addm epair0b private epair0b\n"), "{made}");
    let done = sandbox.run(&["network", "up", "net.rhai"]);
    same(
        &done.stderr,
        "vmrun: epair0a is there already\nvmrun: bridge9 is there already\nvmrun: epair0b in bridge9 is there already",
    );
    assert_eq!((done.code, changes(&sandbox)), (0, made));
    let lines = "
cloned_interfaces=\"epair0 bridge9\"
ifconfig_epair0a=\"up\"
ifconfig_epair0b=\"mtu 9000 up\"
ifconfig_bridge9=\"mtu 9000 addm epair0b private epair0b up\"
";
    same(&sandbox.run(&["network", "rcconf", "net.rhai"]).stdout, lines);
}

#[test]
fn a_bridge_of_another_name_has_its_lines_in_rc_conf() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "net.rhai",
        "bridge(\"lan\", #{ create: true, address: \"10.0.0.1/24\" });\nbridge(\"bridge0\", #{ create: true });\n",
    );
    let lines = "
cloned_interfaces=\"bridge16400 bridge0\"
ifconfig_bridge16400_name=\"lan\"
ifconfig_lan=\"inet 10.0.0.1/24\"
ifconfig_bridge0=\"up\"
";
    same(&sandbox.run(&["network", "rcconf", "net.rhai"]).stdout, lines);
    let done = sandbox.run(&["network", "up", "net.rhai"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let made = "
ifconfig bridge16400 create
ifconfig bridge16400 name lan
ifconfig lan group vmrun description vmrun:lan up
ifconfig lan inet 10.0.0.1/24
ifconfig bridge0 create
ifconfig bridge0 group vmrun description vmrun:bridge0 up
";
    same(&changes(&sandbox), made);
}

#[test]
fn how_an_interface_is_a_member_is_said_by_keys() {
    let sandbox = Sandbox::new();
    sandbox.script("ip", "echo []");
    let plan = |line: &str, on: &str| {
        let lan = "bridge(\"bridge2\", #{ create: true })";
        sandbox.write("net.rhai", &format!("let nic = tap(\"tap1\");\nlet lan = {lan};\nlan.add(nic, {line});\n"));
        let done = sandbox.finish(sandbox.command(&["plan", "net.rhai", "--on", on]).env("VMRUN_PLATFORM", "linux"));
        let join =
            done.stdout.lines().find(|line| line.contains("tap1") && line.contains(" bridge2")).unwrap_or_default();
        let fault = done
            .stderr
            .lines()
            .filter(|line| ["error:", "warning:", "  = hint:"].iter().any(|word| line.starts_with(word)));
        std::iter::once(join).chain(fault).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" | ")
    };
    let told = [
        plan("#{ \"private\": true, learn: false, edge: true }", "freebsd"),
        plan("#{ span: true }", "freebsd"),
        plan("#{ untagged: 5, tagged: [10, 11] }", "freebsd-15"),
        plan("#{ untagged: 5 }", "freebsd-14"),
        plan("#{ span: true, \"private\": true }", "freebsd"),
        plan("#{ \"private\": true, sticky: true }", "linux"),
        plan("#{ tagged: 5 }", "linux"),
    ];
    let expected = [
        "ifconfig bridge2 addm tap1 private tap1 edge tap1 -learn tap1",
        "ifconfig bridge2 span tap1",
        "ifconfig bridge2 addm tap1 untagged tap1 5 tagged tap1 10,11",
        "error: `untagged` needs FreeBSD 15.0, and this is for FreeBSD 14.5 |   = hint: leave it out, and make a bridge for each VLAN",
        "error: a span port only gets copies of frames |   = hint: leave the other keys out",
        "ip link set dev tap1 master bridge2 | warning: bridges of Linux have no `sticky` |   = hint: it is ignored here",
        "error: `tagged` is FreeBSD's, and this is a run for Linux |   = hint: leave it out where platform == \"linux\"",
    ];
    assert_eq!(told, expected);
}

/// A VXLAN to another host that a bridge has as its first member.
const VXLAN: &str =
    "let far = vxlan(\"vxlan0\", #{ id: 108, local: \"10.0.0.1\", remote: \"10.0.0.2\", dev: \"em0\" });
bridge(\"bridge9\", #{ create: true }).add(far);
";

#[test]
fn a_vxlan_comes_with_its_ends_and_room_for_its_headers() {
    let sandbox = Sandbox::new();
    sandbox.write("net.rhai", VXLAN);
    let change = |word: &str| {
        let done = sandbox.run(&["network", word, "net.rhai"]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        done.stderr
    };
    same(&change("up"), "\nvmrun: made vxlan0\nvmrun: made bridge9\nvmrun: made vxlan0 in bridge9\n");
    let commands = "
ifconfig vxlan0 create
ifconfig vxlan0 vxlanid 108 vxlanlocal 10.0.0.1 vxlanremote 10.0.0.2 vxlanlocalport 4789 vxlanremoteport 4789 group vmrun description vmrun:vxlan0 mtu 1450 up
ifconfig bridge9 create
ifconfig bridge9 group vmrun description vmrun:bridge9 up
ifconfig bridge9 addm vxlan0
";
    same(&changes(&sandbox), commands);
    same(
        &change("up"),
        "\nvmrun: vxlan0 is there already\nvmrun: bridge9 is there already\nvmrun: vxlan0 in bridge9 is there already\n",
    );
    sandbox.write("net.rhai", &VXLAN.replace("10.0.0.2", "10.0.0.3"));
    let done = sandbox.run(&["network", "up", "net.rhai"]);
    let expected = "
error: vxlan0 is there, and not as the recipe says: it is VXLAN 108 from 10.0.0.1 to 10.0.0.2, not VXLAN 108 from 10.0.0.1 to 10.0.0.3
 --> net.rhai:1:11
  |
1 | let far = vxlan(\"vxlan0\", #{ id: 108, local: \"10.0.0.1\", remote: \"10.0.0.3\", dev: \"em0\" });
  |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: it is vmrun's: take the network down and bring it up again
";
    same(&done.stderr, expected);
    sandbox.write("net.rhai", VXLAN);
    same(&change("down"), "\nvmrun: removed bridge9\nvmrun: removed vxlan0\n");
    assert_eq!(sandbox.names("fake/interfaces"), ["bridge2", "em0", "lo0"]);
}

#[test]
fn a_vxlan_of_version_6_and_one_of_jumbo_frames_have_the_mtu_of_their_card_without_their_headers() {
    let sandbox = host(
        "let nic = tap(\"tap1\");\nvxlan(\"far\", #{ id: 1, local: \"fd00::1\", group: \"ff05::1\", dev: \"em0\", port: 4790 });",
    );
    sandbox.write("fake/interfaces/em0", "kind ether\nmtu 9000\ninet 127.100.100.1/24\n");
    let done = sandbox.run(&["lab.rhai"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let first = "ifconfig vxlan23022 create\nifconfig vxlan23022 name far\nifconfig far vxlanid 1 vxlanlocal fd00::1 vxlangroup ff05::1 vxlanlocalport 4790 vxlanremoteport 4790 vxlandev em0 group vmrun description vmrun:@lab mtu 8930 up\n";
    assert!(changes(&sandbox).contains(first), "{}", changes(&sandbox));
    assert!(changes(&sandbox).contains("ifconfig far destroy\n"), "{}", changes(&sandbox));
    assert_eq!(sandbox.names("fake/interfaces"), ["bridge2", "em0", "lo0"]);
}

#[test]
fn a_vxlan_that_cannot_be_is_told_of_where_it_is_said() {
    let sandbox = Sandbox::new();
    let told = |inside: &str, fault: &str, hint: &str| {
        sandbox.write("net.rhai", &format!("vxlan(\"vxlan0\", #{{ {inside} }});\n"));
        let done = sandbox.run(&["network", "up", "net.rhai"]);
        assert!(done.stderr.starts_with(&format!("error: {fault}\n --> net.rhai:1:")), "{}", done.stderr);
        assert!(done.stderr.ends_with(&format!("  = hint: {hint}\n")), "{}", done.stderr);
        assert_eq!((done.code, changes(&sandbox).as_str()), (1, ""));
    };
    let ends = "id: 108, local: \"10.0.0.1\", remote: \"10.0.0.2\"";
    told("local: \"10.0.0.1\"", "a VXLAN needs `id`", "a number up to 16777215");
    told(
        "id: 1, local: \"10.0.0.1\"",
        "a VXLAN needs `remote`",
        "the address of the other host, or `group` with `dev`",
    );
    told("id: 1, remote: \"10.0.0.1\"", "a VXLAN needs `local`", "the address of this host that the other end knows");
    told(
        &format!("{ends}, group: \"224.0.0.9\""),
        "a VXLAN goes to one host or to a group",
        "leave out `remote` or `group`",
    );
    told(&format!("{ends}, port: 65535"), "65535 is no port of a VXLAN", "from 1 to 65534");
    told(
        &format!("{ends}, dev: \"em9\""),
        "the interface em9 is not there",
        "interfaces on this host: em0, lo0 and bridge2",
    );
    told("id: 1, remote: \"10.0.0.2\", local: \"here\"", "\"here\" is no address of a host", "write \"192.168.100.2\"");
    told("id: -1, local: \"10.0.0.1\", remote: \"10.0.0.2\"", "-1 is no number of a VXLAN", "from 0 to 16777215");
    told(
        "id: 1, local: \"10.0.0.1\", group: \"224.0.0.9\"",
        "nothing says which card listens to 224.0.0.9",
        "add `dev: \"em0\"`",
    );
}

#[test]
fn a_vxlan_that_does_not_fit_into_its_bridge_is_refused() {
    let sandbox = Sandbox::new();
    let recipe = VXLAN.replace("create: true }", "create: true, mtu: 1500 }");
    sandbox.write("net.rhai", &recipe);
    let done = sandbox.run(&["network", "up", "net.rhai"]);
    let expected = "
error: vxlan0 has an MTU of 1450 bytes, and bridge9 one of 1500
 --> net.rhai:2:53
  |
2 | bridge(\"bridge9\", #{ create: true, mtu: 1500 }).add(far);
  |                                                     ^^^
  |
  = hint: a VXLAN has that of its card without its headers: make its `mtu` 1500, or give bridge9 one of 1450
";
    same(&done.stderr, expected);
    assert_eq!((done.code, changes(&sandbox).as_str()), (1, ""));
}
