//! Networks that stay: `vmrun network`, and the words that make interfaces, on the fake FreeBSD.

use super::sandbox::{Done, Sandbox, project, same};
use std::fs;

/// The lines of the document, "VLAN Tagging and Bridging", as it gives them.
const DOCUMENT: &str = r#"
ifconfig_ix0="up"
vlans_ix0="80 81 82"
ifconfig_ix0_80="inet 192.168.0.6/24"
ifconfig_ix0_81="inet 192.168.1.6/24"
ifconfig_ix0_82="inet 192.168.2.6/24"
defaultrouter="192.168.0.7"
cloned_interfaces="bridge2"
ifconfig_bridge2="addm ix0.82 up"
"#;

/// A host with the card of the document, and its recipe.
fn host() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("fake/interfaces/ix0", "kind ether\n");
    fs::remove_file(sandbox.path("fake/interfaces/bridge2")).unwrap();
    sandbox.write("network.rhai", &fs::read_to_string(project("recipes/network.rhai")).unwrap());
    sandbox
}

fn network(sandbox: &Sandbox, words: &[&str]) -> Done {
    sandbox.run(&[&["network"], words].concat())
}

#[track_caller]
fn ended(done: &Done, code: i32, stdout: &str, stderr: &str) {
    same(&done.stderr, stderr);
    same(&done.stdout, stdout);
    assert_eq!(done.code, code);
}

/// The calls that change something, since the last time that the log was looked at.
fn changes(sandbox: &Sandbox) -> String {
    let log = sandbox.read("fake/log");
    fs::write(sandbox.path("fake/log"), "").unwrap();
    let reads = |line: &str| line == "ifconfig" || line.starts_with("route -n get ") || line.starts_with("sysctl -n ");
    log.lines().filter(|line| !reads(line)).map(|line| line.to_string() + "\n").collect()
}

#[test]
fn the_documents_network_has_the_documents_lines() {
    ended(&network(&host(), &["rcconf", "network.rhai"]), 0, DOCUMENT, "");
    // Where nothing of it is there it is the same.
    let sandbox = Sandbox::new();
    sandbox.write("network.rhai", &fs::read_to_string(project("recipes/network.rhai")).unwrap());
    let mut elsewhere = sandbox.command(&["network", "rcconf", "network.rhai", "--on", "freebsd"]);
    ended(&sandbox.finish(elsewhere.env("VMRUN_PLATFORM", "linux")), 0, DOCUMENT, "");
}

#[test]
fn on_linux_a_network_has_files_of_systemd_networkd() {
    let sandbox = host();
    let recipe =
        r#"let guests = vlan("ix0", 82); bridge("bridge2", #{ create: true, address: "192.168.2.6/24" }).add(guests);"#;
    sandbox.write("network.rhai", recipe);
    let expected = "
# /etc/systemd/network/50-vmrun-ix0.82.netdev
[NetDev]
Name=ix0.82
Kind=vlan

[VLAN]
Id=82

# /etc/systemd/network/50-vmrun-bridge2.netdev
[NetDev]
Name=bridge2
Kind=bridge

[Bridge]
ForwardDelaySec=0

# /etc/systemd/network/50-vmrun-ix0.82.network
[Match]
Name=ix0.82

[Network]
LinkLocalAddressing=no
Bridge=bridge2

# /etc/systemd/network/50-vmrun-bridge2.network
[Match]
Name=bridge2

[Network]
Address=192.168.2.6/24
ConfigureWithoutCarrier=yes

# /etc/systemd/network/50-vmrun-ix0.network
# If another file matches ix0 already, these lines belong there.
[Match]
Name=ix0

[Network]
VLAN=ix0.82
";
    ended(&network(&sandbox, &["rcconf", "network.rhai", "--on", "linux"]), 0, expected, "");
    sandbox.write("network.rhai", &fs::read_to_string(project("recipes/network.rhai")).unwrap());
    let doubt = "
warning: nobody hears the address of ix0.82, a member of bridge2
 |
 = hint: on Linux the address belongs to the bridge
";
    let done = network(&sandbox, &["rcconf", "network.rhai", "--on", "linux"]);
    same(&done.stderr, doubt);
    assert_eq!(done.code, 0);
}

#[test]
fn a_network_comes_up_once_and_goes_down_in_reverse() {
    let sandbox = host();
    let made = "
vmrun: made ix0.80
vmrun: made ix0.81
vmrun: made ix0.82
vmrun: made the route by 192.168.0.7
vmrun: made bridge2
vmrun: made ix0.82 in bridge2
";
    ended(&network(&sandbox, &["up", "network.rhai"]), 0, "", made);
    let commands = "
ifconfig ix0.80 create
ifconfig ix0.80 group vmrun description vmrun:ix0.80 up
ifconfig ix0.80 inet 192.168.0.6/24
ifconfig ix0.81 create
ifconfig ix0.81 group vmrun description vmrun:ix0.81 up
ifconfig ix0.81 inet 192.168.1.6/24
ifconfig ix0.82 create
ifconfig ix0.82 group vmrun description vmrun:ix0.82 up
ifconfig ix0.82 inet 192.168.2.6/24
route -n add default 192.168.0.7
ifconfig bridge2 create
ifconfig bridge2 group vmrun description vmrun:bridge2 up
ifconfig bridge2 addm ix0.82
";
    same(&changes(&sandbox), commands);
    assert_eq!(sandbox.names("fake/interfaces"), ["bridge2", "em0", "ix0", "ix0.80", "ix0.81", "ix0.82", "lo0"]);

    let there = made.replace("made ", "").replace('\n', " is there already\n");
    ended(&network(&sandbox, &["up", "network.rhai"]), 0, "", there.trim_start_matches(" is there already"));
    same(&changes(&sandbox), "");

    let gone = "
vmrun: removed bridge2
vmrun: removed the route by 192.168.0.7
vmrun: removed ix0.82
vmrun: removed ix0.81
vmrun: removed ix0.80
";
    ended(&network(&sandbox, &["down", "network.rhai"]), 0, "", gone);
    let commands = "
ifconfig bridge2 destroy
route -n delete default 192.168.0.7
ifconfig ix0.82 destroy
ifconfig ix0.81 destroy
ifconfig ix0.80 destroy
";
    same(&changes(&sandbox), commands);
    assert_eq!(sandbox.names("fake/interfaces"), ["em0", "ix0", "lo0"]);

    let absent = gone.replace("removed ", "").replace('\n', " is not there\n");
    let absent = absent.trim_start_matches(" is not there");
    ended(&network(&sandbox, &["down", "network.rhai"]), 0, "", absent);
    same(&changes(&sandbox), "");
}

#[test]
fn what_is_missing_is_made_and_what_is_not_ours_stays() {
    let sandbox = host();
    sandbox.write("fake/interfaces/ix0.80", "kind vlan\nup yes\ninet 192.168.0.6/24\nvlan 80 ix0\n");
    sandbox.write("fake/interfaces/bridge2", "kind bridge\nup yes\nmember em0\n");
    sandbox.write("fake/route", "192.168.0.7");
    let up = "
vmrun: ix0.80 is there already
vmrun: made ix0.81
vmrun: made ix0.82
vmrun: the route by 192.168.0.7 is there already
vmrun: bridge2 is there already
vmrun: made ix0.82 in bridge2
";
    ended(&network(&sandbox, &["up", "network.rhai"]), 0, "", up);
    let down = "
vmrun: bridge2 is not vmrun's, and stays
vmrun: the route by 192.168.0.7 is not vmrun's, and stays
vmrun: removed ix0.82
vmrun: removed ix0.81
vmrun: ix0.80 is not vmrun's, and stays
";
    ended(&network(&sandbox, &["down", "network.rhai"]), 0, "", down);
    assert_eq!(sandbox.names("fake/interfaces"), ["bridge2", "em0", "ix0", "ix0.80", "lo0"]);
    assert!(sandbox.read("fake/interfaces/bridge2").contains("member em0"));
}

#[test]
fn a_network_that_differs_is_told_of_part_by_part_and_nothing_is_changed() {
    let sandbox = host();
    sandbox.write("fake/interfaces/ix0.80", "kind vlan\nup no\nvlan 80 em0\ngroup vmrun\n");
    sandbox.write("fake/interfaces/ix0.82", "kind vlan\nup yes\ninet 192.168.2.6/24\nvlan 82 ix0\n");
    sandbox.write("fake/interfaces/bridge2", "kind tap\nup yes\n");
    sandbox.write("fake/interfaces/bridge5", "kind bridge\nup yes\nmember ix0.82\n");
    sandbox.write("fake/route", "192.168.0.1");
    let before = sandbox.everything();
    let expected = "
error: ix0.80 is there, and not as the recipe says: it is VLAN 80 of em0, not VLAN 80 of ix0; it has no address 192.168.0.6/24; it is down
 --> network.rhai:3:1
  |
3 | vlan(\"ix0\", 80, #{ address: \"192.168.0.6/24\" });
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: it is vmrun's: take the network down and bring it up again
error: the default router is 192.168.0.1, not 192.168.0.7
 --> network.rhai:6:1
  |
6 | default_router(\"192.168.0.7\");
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: it is not vmrun's: change it, or the recipe
error: bridge2 is there, and not as the recipe says: it is a tap, not a bridge
 --> network.rhai:7:1
  |
7 | bridge(\"bridge2\", #{ create: true }).add(guests);
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: it is not vmrun's: change it, or the recipe
error: ix0.82 is a member of bridge5, not of bridge2
 --> network.rhai:7:38
  |
7 | bridge(\"bridge2\", #{ create: true }).add(guests);
  |                                      ^^^^^^^^^^^
  |
  = hint: an interface is a member of one bridge at most
";
    ended(&network(&sandbox, &["up", "network.rhai"]), 3, "", expected);
    assert!(sandbox.everything() == before, "something was changed");
    same(&changes(&sandbox), "");
}

/// A network with a router that is known on one link only.
const ZONED: &str = "let lan = vlan(\"ix0\", 80, #{ address: \"fe80::6/64\" });\ndefault_router(\"fe80::1%ix0.80\");\n";

#[test]
fn a_link_local_router_is_one_of_its_link() {
    let sandbox = host();
    sandbox.write("network.rhai", ZONED);
    let made = "\nvmrun: made ix0.80\nvmrun: made the route by fe80::1%ix0.80\n";
    ended(&network(&sandbox, &["up", "network.rhai"]), 0, "", made);
    assert_eq!(sandbox.read("fake/route6"), "fe80::1%ix0.80");
    let commands = "
ifconfig ix0.80 create
ifconfig ix0.80 group vmrun description vmrun:ix0.80 up
ifconfig ix0.80 inet6 fe80::6/64
route -n add -6 default fe80::1%ix0.80
";
    same(&changes(&sandbox), commands);
    let there = "\nvmrun: ix0.80 is there already\nvmrun: the route by fe80::1%ix0.80 is there already\n";
    ended(&network(&sandbox, &["up", "network.rhai"]), 0, "", there);

    // The same address on another link is another router.
    sandbox.write("fake/interfaces/em0", "kind ether\nup yes\ninet6 fe80::5/64\n");
    sandbox.write("fake/route6", "fe80::1%em0");
    let gone = "\nvmrun: the route by fe80::1%ix0.80 is not there\nvmrun: removed ix0.80\n";
    ended(&network(&sandbox, &["down", "network.rhai"]), 0, "", gone);
    assert_eq!(sandbox.read("fake/route6"), "fe80::1%em0");

    fs::remove_file(sandbox.path("fake/route6")).unwrap();
    assert_eq!(network(&sandbox, &["up", "network.rhai"]).code, 0);
    let gone = "\nvmrun: removed the route by fe80::1%ix0.80\nvmrun: removed ix0.80\n";
    ended(&network(&sandbox, &["down", "network.rhai"]), 0, "", gone);
    assert!(!fs::exists(sandbox.path("fake/route6")).unwrap());
}

#[test]
fn a_link_local_router_is_written_for_every_start_with_its_link() {
    let sandbox = host();
    sandbox.write("network.rhai", &format!("{ZONED}bridge(\"bridge2\", #{{ create: true }}).add(lan);\n"));
    let lines = "
ifconfig_ix0=\"up\"
vlans_ix0=\"80\"
ifconfig_ix0_80=\"up\"
ifconfig_ix0_80_ipv6=\"inet6 fe80::6/64\"
ipv6_defaultrouter=\"fe80::1%ix0.80\"
cloned_interfaces=\"bridge2\"
ifconfig_bridge2=\"addm ix0.80 up\"
";
    ended(&network(&sandbox, &["rcconf", "network.rhai"]), 0, lines, "");
    sandbox.write("network.rhai", "default_router(\"fe80::1%ix0\");\n");
    let files = "
# /etc/systemd/network/50-vmrun-ix0.network
# If another file matches ix0 already, these lines belong there.
[Match]
Name=ix0

[Network]
Gateway=fe80::1
";
    let done = network(&sandbox, &["rcconf", "network.rhai", "--on", "linux"]);
    ended(&done, 0, files, "");
}

#[test]
fn a_network_that_fails_half_way_leaves_nothing() {
    let sandbox = host();
    // Nothing has an address through which the router could be reached.
    sandbox.write("network.rhai", "vlan(\"ix0\", 80);\nvlan(\"ix0\", 81);\ndefault_router(\"192.168.0.7\");\n");
    let refused = "
error: `route -n add default 192.168.0.7` failed with status 1: route: writing to routing socket: Network is unreachable
";
    ended(&network(&sandbox, &["up", "network.rhai"]), 3, "", refused);
    assert_eq!(sandbox.names("fake/interfaces"), ["em0", "ix0", "lo0"]);
    let log = "
ifconfig ix0.80 create
ifconfig ix0.80 group vmrun description vmrun:ix0.80 up
ifconfig ix0.81 create
ifconfig ix0.81 group vmrun description vmrun:ix0.81 up
route -n add default 192.168.0.7
ifconfig ix0.81 destroy
ifconfig ix0.80 destroy
";
    same(&changes(&sandbox), log);
}

#[test]
fn a_bridge_that_a_machine_uses_is_not_taken_away() {
    let sandbox = host();
    assert_eq!(network(&sandbox, &["up", "network.rhai"]).code, 0);
    sandbox.write("fake/interfaces/tap1", "kind tap\n");
    let bridge = sandbox.read("fake/interfaces/bridge2");
    sandbox.write("fake/interfaces/bridge2", &format!("{bridge}member tap1\n"));
    changes(&sandbox);
    let expected = "
error: the bridge bridge2 is in use by tap1
 --> network.rhai:7:1
  |
7 | bridge(\"bridge2\", #{ create: true }).add(guests);
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: stop the machines that use it first
";
    ended(&network(&sandbox, &["down", "network.rhai"]), 3, "", expected);
    same(&changes(&sandbox), "");
}

#[test]
fn a_bridge_of_a_running_machine_is_not_taken_away_nor_what_carries_a_vlan() {
    let sandbox = host();
    assert_eq!(network(&sandbox, &["up", "network.rhai"]).code, 0);
    fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    sandbox.write("fake/exits", "run\n");
    sandbox.write(
        "db.rhai",
        "let nic = tap(\"tap1\");\nbridge(\"bridge2\").add(nic);\nbhyve(#{ name: \"db\", memory: 64.MiB, bootrom: \
         bootrom(\"[tmp]/vm/rom.fd\"), slots: #{ \"5\": virtio_net(nic), \"31\": lpc() } }).run();\n",
    );
    let mut run = sandbox.start(&["db.rhai"]);
    run.until("the guest", |sandbox| sandbox.read("fake/interfaces/tap1").contains("opened_by"));
    run.until("its card in its bridge", |sandbox| sandbox.read("fake/log").contains("addm tap1"));
    sandbox.write("fake/interfaces/vlan7", "kind vlan\nvlan 7 ix0.80\n");
    let expected = "
error: the bridge bridge2 is in use by tap1 of the machine db
 --> network.rhai:7:1
  |
7 | bridge(\"bridge2\", #{ create: true }).add(guests);
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: stop the machines that use it first
error: ix0.80 is in use by vlan7
 --> network.rhai:3:1
  |
3 | vlan(\"ix0\", 80, #{ address: \"192.168.0.6/24\" });
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: stop the machines that use it first
";
    changes(&sandbox);
    ended(&network(&sandbox, &["down", "network.rhai"]), 3, "", expected);
    same(&changes(&sandbox), "");
    run.signal("TERM");
    assert_eq!(run.wait().code, 130);
    fs::remove_file(sandbox.path("fake/interfaces/vlan7")).unwrap();
    assert_eq!(network(&sandbox, &["down", "network.rhai"]).code, 0);
}

/// A network recipe that is wrong.
#[track_caller]
fn wrong(recipe: &str, code: i32, stderr: &str) {
    let sandbox = host();
    sandbox.write("network.rhai", recipe);
    let before = sandbox.everything();
    ended(&network(&sandbox, &["up", "network.rhai"]), code, "", stderr);
    assert!(sandbox.everything() == before, "something was changed");
    same(&changes(&sandbox), "");
}

#[test]
fn a_network_recipe_makes_a_network_and_nothing_else() {
    wrong(
        r#"tap("tap1");
"#,
        1,
        r#"
error: the tap tap1 is no part of a network that stays
 --> network.rhai:1:1
  |
1 | tap("tap1");
  | ^^^^^^^^^^^
  |
  = hint: a machine's tap comes and goes with its machine: make it in that recipe
"#,
    );
    wrong(
        r#"run("touch", ["/tmp/x"]);
"#,
        1,
        r#"
error: a network recipe makes a network and nothing else
 --> network.rhai:1:1
  |
1 | run("touch", ["/tmp/x"]);
  | ^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: vlan, vxlan, bridge with `create: true`, epair, default_router, bridge.add
"#,
    );
    wrong(
        r#"bhyve(#{ name: "lab", memory: 64.MiB }).run();
"#,
        1,
        r"
error: a network recipe boots no machine, and this one boots lab
 |
 = hint: what machines share goes into a recipe of its own
",
    );
    wrong(
        r#"default_router("10.0.0.1");
default_router("10.0.0.2");
"#,
        1,
        r#"
error: there is a default router already: 10.0.0.1
 --> network.rhai:2:1
  |
2 | default_router("10.0.0.2");
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: a host has one for each version of IP
"#,
    );
    wrong(
        "epair();\n",
        1,
        r#"
error: a pair of a network has a name
 --> network.rhai:1:1
  |
1 | epair();
  | ^^^^^^^
  |
  = hint: write `epair("epair0")`
"#,
    );
}

#[test]
fn a_router_has_the_zone_of_its_link_if_it_needs_one() {
    wrong(
        r#"default_router("fe80::1");
"#,
        1,
        r#"
error: the router fe80::1 is link-local, and does not say on which interface
 --> network.rhai:1:16
  |
1 | default_router("fe80::1");
  |                ^^^^^^^^^
  |
  = hint: write the interface behind it: "fe80::1%em0"
"#,
    );
    wrong(
        r#"default_router("fd00::7%ix0");
"#,
        1,
        r#"
error: the router fd00::7 is not link-local, and has the zone ix0
 --> network.rhai:1:16
  |
1 | default_router("fd00::7%ix0");
  |                ^^^^^^^^^^^^^
  |
  = hint: only fe80::/10 has a zone: write "fd00::7"
"#,
    );
    wrong(
        r#"default_router("fe80::1%ix9");
"#,
        1,
        r#"
error: the interface ix9 is not there
 --> network.rhai:1:16
  |
1 | default_router("fe80::1%ix9");
  |                ^^^^^^^^^^^^^
  |
  = hint: interfaces on this host: em0, ix0 and lo0
"#,
    );
}

#[test]
fn words_of_a_network_are_checked_where_they_stand() {
    wrong(
        r#"vlan("ix9", 82);
"#,
        1,
        r#"
error: the interface ix9 is not there
 --> network.rhai:1:6
  |
1 | vlan("ix9", 82);
  |      ^^^^^
  |
  = hint: interfaces on this host: em0, ix0 and lo0
"#,
    );
    wrong(
        r#"vlan("ix0", 4095);
"#,
        1,
        r#"
error: 4095 is no tag of a VLAN
 --> network.rhai:1:13
  |
1 | vlan("ix0", 4095);
  |             ^^^^
  |
  = hint: from 1 to 4094
"#,
    );
    wrong(
        r#"vlan("ix0", "82");
"#,
        1,
        r#"
error: expected the tag of a VLAN, got a text
 --> network.rhai:1:13
  |
1 | vlan("ix0", "82");
  |             ^^^^
  |
  = hint: write `vlan("ix0", 82, #{ name, address, mtu, description, up })`
"#,
    );
    wrong(
        r#"vlan("ix0", 82, #{ address: "192.168.2.6" });
"#,
        1,
        r#"
error: "192.168.2.6" is no address of an interface
 --> network.rhai:1:29
  |
1 | vlan("ix0", 82, #{ address: "192.168.2.6" });
  |                             ^^^^^^^^^^^^^
  |
  = hint: an address and the length of its network: "192.168.2.6/24"
"#,
    );
    wrong(
        r#"vlan("ix0", 82, #{ mtu: 71 });
"#,
        1,
        r#"
error: 71 is no MTU
 --> network.rhai:1:25
  |
1 | vlan("ix0", 82, #{ mtu: 71 });
  |                         ^^
  |
  = hint: from 72 to 65535 bytes
"#,
    );
    wrong(
        r#"vlan("ix0", 82, #{ up: 1 });
"#,
        1,
        r#"
error: expected true or false, got a number
 --> network.rhai:1:24
  |
1 | vlan("ix0", 82, #{ up: 1 });
  |                        ^
  |
  = hint: write `vlan("ix0", 82, #{ name, address, mtu, description, up })`
"#,
    );
    wrong(
        r#"vlan("ix0", 82, #{ description: "a$b" });
"#,
        1,
        r#"
error: a description cannot have '$'
 --> network.rhai:1:33
  |
1 | vlan("ix0", 82, #{ description: "a$b" });
  |                                 ^^^^^
  |
  = hint: it stands in rc.conf(5), between quotes
"#,
    );
}

#[test]
fn names_of_a_network_are_checked_where_they_stand() {
    wrong(
        r#"vlan("ix0", 82);
vlan("ix0", 82, #{ mtu: 1400 });
"#,
        1,
        r#"
error: ix0.82 is made twice, and not alike
 --> network.rhai:2:13
  |
2 | vlan("ix0", 82, #{ mtu: 1400 });
  |             ^^
  |
  = hint: make it once, and keep what the word returns
"#,
    );
    wrong(
        r#"epair("cable");
"#,
        1,
        r#"
error: cable is no name of a pair
 --> network.rhai:1:7
  |
1 | epair("cable");
  |       ^^^^^^^
  |
  = hint: epair with a number: epair0 has the ends epair0a and epair0b
"#,
    );
    wrong(
        r#"default_router("gateway");
"#,
        1,
        r#"
error: "gateway" is no address of a router
 --> network.rhai:1:16
  |
1 | default_router("gateway");
  |                ^^^^^^^^^
  |
  = hint: write "192.168.0.7" or "fe80::1%em0"
"#,
    );
    wrong(
        r#"bridge("bridge0").add("em0");
"#,
        1,
        r#"
error: the bridge bridge0 is not there
 --> network.rhai:1:8
  |
1 | bridge("bridge0").add("em0");
  |        ^^^^^^^^^
  |
  = hint: make it: ifconfig bridge0 create up
"#,
    );
    wrong(
        r#"bridge("bridge0", #{ mtu: 1500 });
"#,
        1,
        r#"
error: `mtu` is for a bridge that is made: bridge0 is only looked for
 --> network.rhai:1:22
  |
1 | bridge("bridge0", #{ mtu: 1500 });
  |                      ^^^
  |
  = hint: add `create: true` to make it
"#,
    );
    wrong(
        r#"let b = bridge("bridge0", #{ create: true });
b.add("em9");
"#,
        3,
        r#"
error: the interface em9 is not there
 --> network.rhai:2:3
  |
2 | b.add("em9");
  |   ^^^^^^^^^^
  |
  = hint: nothing was changed
"#,
    );
}

/// A machine whose network comes and goes with it.
const GUEST: &str = r#"let net = bridge("bridge7", #{ create: true, address: "127.100.101.1/24", description: "of lab" });
let cable = epair();
let other = epair();
net.add(cable.a);
net.add(vlan(other.b, 82, #{ name: "vlan82" }));
let nic = tap("tap1");
net.add(nic);
print(host_ip("127.100.101.0/24"));
bhyve(#{ name: "lab", memory: 64.MiB, bootrom: bootrom("[tmp]/vm/rom.fd"), slots: #{ "6": virtio_net(nic), "31": lpc() } }).run();
"#;

#[test]
fn what_a_run_makes_stays_through_a_reboot_and_is_given_back_in_reverse() {
    let sandbox = host();
    sandbox.write("guest.rhai", GUEST);
    fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    sandbox.write("fake/exits", "0\n1\n");
    sandbox.write("fake/interfaces/epair0a", "kind epair\n");
    sandbox.write("fake/interfaces/epair0b", "kind epair\n");
    let done = sandbox.run(&["guest.rhai"]);
    let printed = "127.100.101.1\n".repeat(2);
    ended(&done, 0, &printed, "vmrun: the guest rebooted; starting it again");
    let log: String =
        sandbox.calls().lines().filter(|line| *line != "ifconfig").map(|line| format!("{line}\n")).collect();
    let expected = "
ifconfig bridge7 create
ifconfig bridge7 group vmrun description 'vmrun:@lab of lab' up
ifconfig bridge7 inet 127.100.101.1/24
ifconfig epair1 create
ifconfig epair1a group vmrun description vmrun:@lab up
ifconfig epair1b group vmrun description vmrun:epair1b up
ifconfig epair2 create
ifconfig epair2a group vmrun description vmrun:@lab up
ifconfig epair2b group vmrun description vmrun:epair2b up
ifconfig bridge7 addm epair1a
ifconfig vlan82 create
ifconfig vlan82 vlan 82 vlandev epair2b group vmrun description vmrun:@lab up
ifconfig bridge7 addm vlan82
ifconfig tap1 create
ifconfig tap1 group vmrun description vmrun:lab up
ifconfig bridge7 addm tap1
";
    let boots = "bhyve -c 1 -m 64M -s 6,virtio-net,tap1 -s 31,lpc -l bootrom,[tmp]/vm/rom.fd lab\n";
    let back = "
bhyvectl --destroy --vm=lab
ifconfig tap1 destroy
ifconfig bridge7 deletem vlan82
ifconfig vlan82 destroy
ifconfig bridge7 deletem epair1a
ifconfig epair2a destroy
ifconfig epair1a destroy
ifconfig bridge7 destroy
";
    // What need not wait for each other has no order; what stands on something comes after it, and goes before it.
    let sorted = |text: &str| {
        let mut lines: Vec<&str> = text.trim().lines().collect();
        lines.sort_unstable();
        lines.join("\n")
    };
    same(&sorted(&log), &sorted(&format!("{expected}{boots}{boots}{}", back.trim_start())));
    let at = |line: &str| log.lines().position(|logged| logged.starts_with(line)).unwrap();
    let orders: [&[&str]; 5] = [
        &["ifconfig bridge7 create", "ifconfig epair1 create", "ifconfig epair1b", "ifconfig epair2 create"],
        &["ifconfig epair2b group", "ifconfig vlan82 create", "ifconfig bridge7 addm vlan82", "bhyvectl"],
        &["ifconfig tap1 create", "ifconfig bridge7 addm tap1", "ifconfig tap1 destroy"],
        &["bhyve -c", "ifconfig bridge7 deletem vlan82", "ifconfig vlan82 destroy", "ifconfig bridge7 deletem epair1a"],
        &[
            "ifconfig bridge7 deletem epair1a",
            "ifconfig epair2a destroy",
            "ifconfig epair1a destroy",
            "ifconfig bridge7 destroy",
        ],
    ];
    for order in orders {
        assert!(order.is_sorted_by_key(|line| at(line)), "{order:?} in\n{log}");
    }
    assert_eq!(sandbox.names("fake/interfaces"), ["em0", "epair0a", "epair0b", "ix0", "lo0"]);
}

#[test]
fn a_run_does_not_make_what_is_there() {
    let sandbox = host();
    sandbox.write("fake/interfaces/bridge2", "kind bridge\nup yes\n");
    sandbox.write("fake/interfaces/ix0.82", "kind vlan\nup yes\nvlan 82 ix0\n");
    let fails = |recipe: &str, stderr: &str| {
        sandbox.write("guest.rhai", recipe);
        ended(&sandbox.run(&["guest.rhai"]), 1, "", stderr);
        same(&changes(&sandbox), "");
    };
    fails(
        r#"bridge("bridge2", #{ create: true });"#,
        r#"
error: bridge2 is there already, and this run did not make it
 --> guest.rhai:1:8
  |
1 | bridge("bridge2", #{ create: true });
  |        ^^^^^^^^^
  |
  = hint: bridge("bridge2") names a bridge that is there; what machines share is made by `vmrun network up`
"#,
    );
    fails(
        r#"vlan("ix0", 82);"#,
        r#"
error: ix0.82 is there already, and this run did not make it
 --> guest.rhai:1:13
  |
1 | vlan("ix0", 82);
  |             ^^
  |
  = hint: choose another name, or remove it: ifconfig ix0.82 destroy
"#,
    );
    fails(
        r#"vlan("enp129s0f0np0", 82);"#,
        r#"
error: the interface name "enp129s0f0np0.82" has 16 characters
 --> guest.rhai:1:6
  |
1 | vlan("enp129s0f0np0", 82);
  |      ^^^^^^^^^^^^^^^
  |
  = hint: name it: vlan("enp129s0f0np0", 82, #{ name: "vlan82" })
"#,
    );
    // What one misspells is not made.
    fails(
        r#"bridge("brigde2");"#,
        r#"
error: the bridge brigde2 is not there
 --> guest.rhai:1:8
  |
1 | bridge("brigde2");
  |        ^^^^^^^^^
  |
  = hint: bridges on this host: bridge2
"#,
    );
}

#[test]
fn the_plan_for_linux_makes_the_same_with_ip() {
    let sandbox = host();
    sandbox.write("guest.rhai", &GUEST.replace("print(host_ip(\"127.100.101.0/24\"));\n", ""));
    let mut plan = sandbox.command(&["plan", "--on", "linux", "guest.rhai"]);
    let done = sandbox.finish(&mut plan);
    let back = done.stdout.split_once("# given back when the run ends:\n").unwrap_or_default().1;
    let until = done.stdout.find("mkdir").unwrap_or_default();
    let expected = "
umask 026
ip link add name bridge7.new type bridge forward_delay 0
ip link set dev bridge7.new name bridge7 alias 'vmrun:@lab of lab' up
ip address add 127.100.101.1/24 dev bridge7
ip link add name epair0a.new type veth peer name epair0b.new
ip link set dev epair0a.new name epair0a alias vmrun:@lab up
ip link set dev epair0b.new name epair0b alias vmrun:epair0b up
ip link add name epair1a.new type veth peer name epair1b.new
ip link set dev epair1a.new name epair1a alias vmrun:@lab up
ip link set dev epair1b.new name epair1b alias vmrun:epair1b up
ip link set dev epair0a master bridge7
ip link add link epair1b name vlan82.new type vlan id 82
ip link set dev vlan82.new name vlan82 alias vmrun:@lab up
ip link set dev vlan82 master bridge7
ip tuntap add dev tap1.new mode tap
ip link set dev tap1.new name tap1 alias vmrun:lab up
ip link set dev tap1 master bridge7
";
    same(&done.stdout[..until], expected);
    let expected = "
ip link delete dev tap1
ip link set dev vlan82 nomaster
ip link delete dev vlan82
ip link set dev epair0a nomaster
ip link delete dev epair1a
ip link delete dev epair0a
ip link delete dev bridge7
";
    same(back, expected);
    same(&done.stderr, "");
}
