//! Networks that stay, and the server for a lab, with the real ip(8) and dnsmasq(8) in a network of their own.

use super::{Network, Outcome, SOON, World, need, outcome, read, wait_for};
use std::process::Stdio;

const NETWORK: &str = r#"let cable = epair("epair0", #{ mtu: 1400 });
let lan = bridge("bridge2", #{ create: true, address: ["192.168.2.5/24", "fd00:82::5/64"], description: "the lab" });
lan.add(cable.a);
default_router("192.168.2.7");
"#;

const WEB: &str = r##"netboot(#{ script: "#!ipxe\nshell\n", address: "192.168.2.50" });
bhyve(#{ name: "web", memory: 64.MiB, slots: #{ "5": virtio_net("tap9", #{ mac: "58:9c:fc:00:00:01" }) } }).run();
"##;

/// Runs the program in the network to its end.
fn vmrun(world: &World, network: &Network, args: &[&str]) -> Outcome {
    let mut command = network.inside(env!("CARGO_BIN_EXE_vmrun"));
    world.surroundings(&mut command).current_dir(world.path("")).stdin(Stdio::null());
    world.start("vmrun", command.args(args)).ends(SOON)
}

#[test]
fn a_network_comes_up_serves_and_goes_down() {
    need(&["ip", "dnsmasq"]);
    let (world, network) = (World::new(), Network::new("network"));
    world.write("network.rhai", NETWORK);
    world.write("web.rhai", WEB);
    network.ip("link set lo up");
    let said = |lines: &[&str]| lines.iter().map(|line| format!("vmrun: {line}\n")).collect::<String>();
    let up = || vmrun(&world, &network, &["network", "up", "network.rhai"]);
    let made = ["made epair0a", "made bridge2", "made epair0a in bridge2", "made the route by 192.168.2.7"];
    assert_eq!(up(), outcome(0, "", &said(&made)));
    let lines = network.ip("-oneline link show");
    for (name, alias) in [("epair0a@epair0b", "epair0a"), ("epair0b@epair0a", "epair0b"), ("bridge2", "the lab")] {
        let line =
            lines.lines().find(|line| line.contains(&format!(": {name}: "))).unwrap_or_else(|| panic!("{lines}"));
        assert!(line.contains(&format!("alias vmrun:{alias}")) && line.contains(",UP"), "{line}");
    }
    assert!(network.ip("link show master bridge2").contains("epair0a"));
    assert!(network.ip("route show default").starts_with("default via 192.168.2.7 dev bridge2"));
    let there = ["epair0a", "bridge2", "epair0a in bridge2", "the route by 192.168.2.7"];
    let there = there.map(|part| format!("{part} is there already"));
    assert_eq!(up(), outcome(0, "", &said(&there.each_ref().map(String::as_str))));

    serves(&world, &network);

    network.ip("link set epair0a mtu 1300");
    network.ip("address delete 192.168.2.5/24 dev bridge2");
    let differs = "\
error: epair0a is there, and not as the recipe says: its MTU is 1300, not 1400
 --> network.rhai:1:13
  |
1 | let cable = epair(\"epair0\", #{ mtu: 1400 });
  |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: it is vmrun's: take the network down and bring it up again
error: bridge2 is there, and not as the recipe says: it has no address 192.168.2.5/24
 --> network.rhai:2:11
  |
2 | let lan = bridge(\"bridge2\", #{ create: true, address: [\"192.168.2.5/24\", \"fd00:82::5/64\"], description: \"the lab\" });
  |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: it is vmrun's: take the network down and bring it up again
";
    assert_eq!(up(), outcome(3, "", differs));

    let down = || vmrun(&world, &network, &["network", "down", "network.rhai"]);
    let gone = ["the route by 192.168.2.7 is not there", "removed bridge2", "removed epair0a"];
    assert_eq!(down(), outcome(0, "", &said(&gone)));
    let left = network.ip("-oneline link show");
    assert!(left.lines().count() == 1 && left.contains("lo:"), "{left}");
    let gone = ["the route by 192.168.2.7 is not there", "bridge2 is not there", "epair0a is not there"];
    assert_eq!(down(), outcome(0, "", &said(&gone)));
}

#[test]
fn what_has_the_name_that_an_interface_has_until_it_is_marked_is_left_alone() {
    need(&["ip"]);
    let (world, network) = (World::new(), Network::new("half"));
    for (make, kind) in [
        ("tap(\"tap9\")", "tuntap add dev tap9.new mode tap"),
        ("bridge(\"tap9\", #{ create: true })", "link add tap9.new type bridge"),
    ] {
        world.write("web.rhai", format!("let nic = {make};\nbhyve(#{{ name: \"web\", memory: 64.MiB, slots: #{{ \"0\": hostbridge() }} }}).run();\n"));
        network.ip(kind);
        let before = network.ip("-oneline link show");
        let (name, column) = ("\"tap9\"", 11 + make.find('"').unwrap());
        let refused = format!(
            "\
error: tap9.new is there already, and tap9 is called so until it is marked
 --> web.rhai:1:{column}
  |
1 | let nic = {make};
  | {:>width$}
  |
  = hint: choose another name, or give that one another: ip link delete tap9.new removes it
",
            "^".repeat(name.len()),
            width = column + name.len() - 1,
        );
        let run = ["web.rhai", "--stop-within", "0s"];
        let done = vmrun(&world, &network, &run);
        assert!(done.stderr.ends_with(&refused), "{}", done.stderr);
        assert_eq!((done.code, network.ip("-oneline link show")), (Some(1), before), "{make}");
        assert!(!world.path("state").exists(), "{make}");
        network.ip("link delete tap9.new");
    }
}

/// The real server takes the configuration, and is gone when it was ended.
fn serves(world: &World, network: &Network) {
    // dnsmasq gives root's rights up, and has to find its files all the same.
    super::tool("chmod", &["755", super::utf8(&world.path(""))]);
    let mut command = network.inside(env!("CARGO_BIN_EXE_vmrun"));
    world.surroundings(&mut command).current_dir(world.path("")).stdin(Stdio::null());
    let server = world.start("serve", command.args(["netboot", "serve", "web.rhai", "--bridge", "bridge2"]));
    wait_for("the server", SOON, || read(&server.stderr).contains("TFTP root is").then_some(()));
    let state = std::fs::read_dir(world.path("state")).unwrap().next().unwrap().unwrap().path();
    assert!(read(&state.join("tftp/chainload/web.ipxe")).ends_with("\nshell\n"));
    let pid = read(&state.join("pid"));
    server.signal("TERM");
    let ended = server.ends(SOON);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{ended:#?}");
    for line in ["DHCP, IP range 192.168.2.1 -- 192.168.2.254, lease time 10m", "exiting on receipt of SIGTERM"] {
        assert!(ended.stderr.contains(line), "{ended:#?}");
    }
    assert!(!std::path::Path::new(&format!("/proc/{}", pid.trim())).exists());
    world.is_clean();
}

#[test]
fn a_link_local_router_comes_and_goes_with_its_link() {
    need(&["ip"]);
    let (world, network) = (World::new(), Network::new("zone"));
    let recipe =
        "bridge(\"bridge2\", #{ create: true, address: \"fe80::6/64\" });\ndefault_router(\"fe80::1%bridge2\");\n";
    world.write("network.rhai", recipe);
    let change = |word: &str| vmrun(&world, &network, &["network", word, "network.rhai"]);
    let up = "vmrun: made bridge2\nvmrun: made the route by fe80::1%bridge2\n";
    assert_eq!(change("up"), outcome(0, "", up));
    assert!(network.ip("-6 route show default").starts_with("default via fe80::1 dev bridge2"));
    // Another default route before it.
    network.ip("link add epair0a type veth peer name epair0b");
    network.ip("link set epair0a up");
    network.ip("address add fe80::7/64 dev epair0a nodad");
    network.ip("-6 route add default via fe80::1 dev epair0a metric 1");
    let there = "vmrun: bridge2 is there already\nvmrun: the route by fe80::1%bridge2 is there already\n";
    assert_eq!(change("up"), outcome(0, "", there));
    let down = "vmrun: removed the route by fe80::1%bridge2\nvmrun: removed bridge2\n";
    assert_eq!(change("down"), outcome(0, "", down));
    assert!(network.ip("-6 route show default").starts_with("default via fe80::1 dev epair0a"));
}

#[test]
fn a_vxlan_carries_what_its_bridge_has_to_the_other_end() {
    need(&["ip"]);
    let (world, network) = (World::new(), Network::new("vxlan"));
    network.ip("link add d0 type veth peer name d1");
    network.ip("address add 10.99.0.1/24 dev d0");
    for name in ["d0", "d1"] {
        network.ip(&format!("link set {name} up"));
    }
    let recipe = "vxlan(\"vxlan0\", #{ id: 108, local: \"10.99.0.1\", remote: \"10.99.0.2\", dev: \"d0\" });\n\
                  vxlan(\"vxlan1\", #{ id: 109, local: \"10.99.0.1\", group: \"224.0.2.6\", dev: \"d0\", port: 4790 });\n";
    world.write("network.rhai", recipe);
    let change = |word: &str| vmrun(&world, &network, &["network", word, "network.rhai"]);
    assert_eq!(change("up"), outcome(0, "", "vmrun: made vxlan0\nvmrun: made vxlan1\n"));
    let told = network.ip("-details link show vxlan0");
    for part in
        ["mtu 1450", "vxlan id 108 remote 10.99.0.2 local 10.99.0.1 dev d0", "dstport 4789", "alias vmrun:vxlan0"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    let told = network.ip("-details link show vxlan1");
    assert!(told.contains("vxlan id 109 group 224.0.2.6 local 10.99.0.1 dev d0"), "{told}");
    let there = "vmrun: vxlan0 is there already\nvmrun: vxlan1 is there already\n";
    assert_eq!(change("up"), outcome(0, "", there));
    assert_eq!(change("down"), outcome(0, "", "vmrun: removed vxlan1\nvmrun: removed vxlan0\n"));
    assert!(!network.ip("-oneline link show").contains("vxlan"));
}
