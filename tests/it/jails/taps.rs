//! Taps of machines whose bhyve runs in a jail: they are lent to its network, reach the host's bridge by a pair, and come back.

use super::super::sandbox::{Sandbox, same};
use super::{host, until_noted};
use std::fs;

/// A jail with a network of its own.
const APART: &str = "path=/\nhost.hostname=web.example.org\nallow.vmm\nvnet=new\n";

/// What the host has before and after.
const HOST: [&str; 3] = ["bridge2", "em0", "lo0"];

/// A host with a recipe of the machine `db`, whose jail is given so and which has a card in `bridge2`.
fn carded(jail: &str, how: &str) -> Sandbox {
    let sandbox = host(jail, "\"6\": virtio_net(nic),");
    let text = format!("let nic = tap(\"tap1\");\nbridge(\"bridge2\").add(nic{how});\n{}", sandbox.read("db.rhai"));
    sandbox.write("db.rhai", &text);
    sandbox
}

/// Gives the host a jail with a network of its own, in which there is something already.
fn apart(sandbox: &Sandbox, interfaces: &[(&str, &str)]) {
    sandbox.write("fake/jails/web", APART);
    fs::create_dir_all(sandbox.path("fake/networks/web/interfaces")).unwrap();
    for (name, text) in interfaces {
        sandbox.write(&format!("fake/networks/web/interfaces/{name}"), text);
    }
}

/// The calls that change something.
fn changes(sandbox: &Sandbox) -> Vec<String> {
    let looks = ["ifconfig", "ifconfig -a", "jexec web ifconfig -a", "jexec box ifconfig -a"];
    let is_meant = |line: &&str| {
        let inner = line.strip_prefix("jexec ").and_then(|rest| rest.split_once(' ')).map_or(*line, |(_, inner)| inner);
        // A node goes at the same time as the rest.
        let is_call = ["jail ", "jexec ", "ifconfig "].iter().any(|program| line.starts_with(program));
        // The fake is called again by what it becomes.
        is_call && !looks.contains(line) && !inner.starts_with("bhyve ")
    };
    let own = |line: &str| line.replace('\'', "");
    let lines: Vec<String> = sandbox.calls().lines().filter(is_meant).map(own).collect();
    let is_inner = |line: &String| lines.iter().any(|other| other.ends_with(&format!(" {line}")));
    lines.iter().filter(|line| line.starts_with("jexec") || !is_inner(line)).cloned().collect()
}

/// Nothing is left on the host, and nothing in the jail but this.
#[track_caller]
fn is_given_back(sandbox: &Sandbox, within: &[&str]) {
    assert_eq!(sandbox.names("fake/interfaces"), HOST);
    assert!(!sandbox.read("fake/interfaces/bridge2").contains("member"));
    if sandbox.path("fake/networks/web").exists() {
        assert_eq!(sandbox.names("fake/networks/web/interfaces"), within);
    }
    assert_eq!((sandbox.names("fake/vmm"), sandbox.names("state")), (vec![], vec![]));
}

#[test]
fn a_jail_without_a_network_of_its_own_has_no_taps() {
    let why = "bhyve has to open it and to bring it up, and may not there";
    let at = "
 --> db.rhai:4:45
  |
4 | let slots = #{ \"31\": lpc(), \"6\": virtio_net(nic), };
  |                                             ^^^
  |
  = hint: ";
    let sandbox = carded("\"web\"", "");
    sandbox.write("fake/jails/web", super::USUAL);
    super::refused(
        &sandbox,
        &format!(
            "\nerror: tap1 cannot be used in a jail without a network of its own: {why}{at}one that is made with `vnet` has one \
             (jail(8)); or give the card \"slirp\"\n"
        ),
    );
    let sandbox = carded("#{ name: \"box\", create: true }", "");
    let done = sandbox.run(&["db.rhai"]);
    same(
        &done.stderr,
        &format!(
            "\nerror: tap1 cannot be used in a jail without a network of its own: {why}{at}jail: #{{ name: \"box\", create: \
             true, vnet: true }}, or give the card \"slirp\"\n"
        ),
    );
    assert_eq!((done.code, changes(&sandbox)), (1, vec![]));
}

#[test]
fn a_tap_goes_into_the_network_of_a_jail_and_comes_back() {
    let sandbox = carded("\"web\"", "");
    apart(&sandbox, &[("bridge1", "kind bridge\n"), ("lo0", "kind lo\n")]);
    sandbox.write("fake/exits", "0\n1\n");
    let done = sandbox.run(&["db.rhai"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, "vmrun: the guest rebooted; starting it again\n"));
    let lent = [
        "ifconfig tap1 create",
        "ifconfig tap1 group vmrun description vmrun:db up",
        "ifconfig bridge2 addm tap1",
        "ifconfig epair1 create",
        "ifconfig epair1a group vmrun description vmrun:@db up",
        "ifconfig epair1b group vmrun description vmrun:epair1b up",
        "ifconfig bridge2 addm epair1a",
        "ifconfig tap1 vnet web",
        "jexec web ifconfig tap1 group vmrun up",
        "ifconfig epair1b vnet web",
        "jexec web ifconfig epair1b up",
        "jexec web ifconfig bridge2 create",
        "jexec web ifconfig bridge2 group vmrun description vmrun:@db addm epair1b addm tap1 up",
    ];
    let back = [
        "jexec web ifconfig bridge2 destroy",
        "ifconfig tap1 -vnet web",
        "ifconfig tap1 group vmrun",
        "ifconfig bridge2 deletem epair1a",
        "ifconfig epair1a destroy",
        "ifconfig tap1 destroy",
    ];
    assert_eq!(changes(&sandbox), [&lent[..], &back[..]].concat());
    is_given_back(&sandbox, &["bridge1", "lo0"]);
    let plan = sandbox.run(&["plan", "db.rhai"]);
    let said: Vec<&str> = lent.iter().chain(&back).copied().filter(|line| !plan.stdout.contains(line)).collect();
    assert_eq!(said, [""; 0], "{}", plan.stdout);
}

#[test]
fn a_jail_is_made_with_a_network_and_its_taps_are_as_they_were_meant() {
    let sandbox = carded("#{ name: \"box\", create: true, vnet: true }", ", #{ \"private\": true }");
    sandbox.write("fake/interfaces/bridge2", "kind bridge\nup yes\nmtu 9000\nmember em0\n");
    sandbox.write("fake/interfaces/em0", "kind ether\nmtu 9000\n");
    sandbox.write("fake/exits", "1\n");
    let done = sandbox.run(&["db.rhai"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    let calls = changes(&sandbox);
    for call in [
        "jail -qc name=box persist path=/ host.hostname=db.vmrun vnet allow.vmm",
        "ifconfig epair1a group vmrun description vmrun:@db mtu 9000 up",
        "ifconfig epair1b group vmrun description vmrun:epair1b mtu 9000 up",
        "ifconfig bridge2 addm epair1a private epair1a",
        "jexec box ifconfig bridge1 group vmrun description vmrun:@db addm epair1b addm tap1 up",
    ] {
        assert!(calls.iter().any(|line| line == call), "{call}: {calls:#?}");
    }
    let last = calls.iter().position(|call| call == "ifconfig tap1 destroy");
    assert!(calls.iter().position(|call| call == "jail -qR box") < last, "{calls:#?}");
    assert_eq!(
        (sandbox.names("fake/interfaces"), sandbox.names("fake/jails")),
        (HOST.map(String::from).to_vec(), vec![])
    );
}

#[test]
fn a_tap_without_a_bridge_goes_alone() {
    let sandbox = host("\"web\"", "\"6\": virtio_net(tap(\"tap1\")),");
    apart(&sandbox, &[]);
    sandbox.write("fake/exits", "1\n");
    let done = sandbox.run(&["db.rhai"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    assert!(!sandbox.calls().contains("epair"), "{}", sandbox.calls());
    is_given_back(&sandbox, &[]);
}

#[test]
fn the_tap_of_somebody_else_is_used_where_it_is_and_not_taken_there() {
    let sandbox = host("\"web\"", "\"6\": virtio_net(\"tap7\"),");
    apart(&sandbox, &[("tap7", "kind tap\n")]);
    sandbox.write("fake/exits", "1\n");
    let done = sandbox.run(&["db.rhai"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    assert!(!changes(&sandbox).iter().any(|call| call.contains("tap7")), "{}", sandbox.calls());
    is_given_back(&sandbox, &["tap7"]);
    fs::remove_file(sandbox.path("fake/networks/web/interfaces/tap7")).unwrap();
    let at = "
 --> db.rhai:2:45
  |
2 | let slots = #{ \"31\": lpc(), \"6\": virtio_net(\"tap7\"), };
  |                                             ^^^^^^
  |
";
    sandbox.write("fake/log", "");
    let done = sandbox.run(&["db.rhai"]);
    same(
        &done.stderr,
        &format!(
            "\nerror: the tap tap7 is not there, and the recipe does not make it{at}  = hint: let nic = tap(\"tap7\");\n"
        ),
    );
    assert_eq!((done.code, changes(&sandbox)), (1, vec![]));
    sandbox.write("fake/interfaces/tap7", "kind tap\n");
    super::refused(
        &sandbox,
        &format!(
            "\nerror: tap7 is not vmrun's to take into the jail web{at}  = hint: have the recipe make a tap of its own, or: \
             ifconfig tap7 vnet web\n"
        ),
    );
}

#[test]
fn what_a_killed_run_has_lent_comes_back_and_what_is_anothers_stays() {
    for (jail, left) in [("\"web\"", vec!["lo0"]), ("#{ name: \"box\", create: true, vnet: true }", vec!["lo0"])] {
        let sandbox = carded(jail, "");
        apart(&sandbox, &[("lo0", "kind lo\n")]);
        sandbox.write("fake/exits", "run\n");
        let mut run = sandbox.start(&["db.rhai"]);
        until_noted(&mut run);
        run.kill();
        let done = sandbox.run(&["gc"]);
        assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{}", done.stdout);
        is_given_back(&sandbox, &left);
        assert_eq!(sandbox.names("fake/jails"), ["web"]);
    }
}

#[test]
fn a_tap_and_a_bridge_that_others_have_made_in_a_jail_since_then_stay() {
    let sandbox = carded("\"web\"", "");
    apart(&sandbox, &[]);
    sandbox.write("fake/exits", "run\n");
    let mut run = sandbox.start(&["db.rhai"]);
    until_noted(&mut run);
    run.kill();
    for name in ["tap1", "bridge1"] {
        assert!(sandbox.shell(&format!("jexec web ifconfig {name} -description")).status().unwrap().success());
    }
    let done = sandbox.run(&["gc"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    for name in ["tap1 in the jail web", "bridge1 in the jail web"] {
        assert!(done.stdout.contains(name), "{name}: {}", done.stdout);
    }
    is_given_back(&sandbox, &["bridge1", "tap1"]);
}

#[test]
fn a_jail_that_somebody_has_removed_has_given_its_taps_back() {
    for is_killed in [false, true] {
        let sandbox = carded("\"web\"", "");
        apart(&sandbox, &[]);
        sandbox.write("fake/exits", "run\n");
        let mut run = sandbox.start(&["db.rhai"]);
        until_noted(&mut run);
        let removed = sandbox.shell("jail -qR web").status().unwrap();
        assert!(removed.success());
        if is_killed {
            run.kill();
            let done = sandbox.run(&["gc"]);
            assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{}", done.stdout);
        } else {
            run.signal("TERM");
            let done = run.wait();
            for what in ["bridge1 is gone from the jail web", "tap1 is gone from the jail web"] {
                assert!(done.stderr.contains(what), "{}", done.stderr);
            }
        }
        is_given_back(&sandbox, &[]);
    }
}

#[test]
fn a_run_that_is_taken_over_goes_on_with_what_was_lent() {
    let sandbox = carded("#{ name: \"box\", create: true, vnet: true }", "");
    sandbox.write("fake/exits", "run\nrun\n");
    let started = sandbox.run(&["start", "db.rhai"]);
    assert_eq!(started.code, 0, "{}", started.stderr);
    let status = sandbox.read("state/db/standing.json");
    let rest = &status[status.find("\"supervisor\":").unwrap() + "\"supervisor\":".len()..];
    let supervisor = rest.trim_start().split(|c: char| !c.is_ascii_digit()).next().unwrap();
    assert!(sandbox.shell(&format!("kill -9 {supervisor}")).status().unwrap().success());
    let adopted = sandbox.run(&["adopt", "db"]);
    assert_eq!(adopted.code, 0, "{}", adopted.stderr);
    let stopped = sandbox.run(&["stop", "db"]);
    assert_eq!(stopped.code, 0, "{}", stopped.stderr);
    is_given_back(&sandbox, &[]);
    assert_eq!(sandbox.names("fake/jails"), [""; 0]);
}

#[test]
fn a_screen_has_no_address_in_a_network_that_is_made() {
    let jail = "#{ name: \"box\", create: true, vnet: true }";
    let sandbox = host(jail, "\"29\": fbuf(#{ tcp: \"127.0.0.1:5907\" }),");
    let done = sandbox.run(&["db.rhai"]);
    same(
        &done.stderr,
        "
error: 127.0.0.1:5907 is no address of the jail box, whose network is its own
 --> db.rhai:2:48
  |
2 | let slots = #{ \"31\": lpc(), \"29\": fbuf(#{ tcp: \"127.0.0.1:5907\" }), };
  |                                                ^^^^^^^^^^^^^^^^
  |
  = hint: leave `vnet` out, or have the guest answer by its own network
",
    );
    assert_eq!(done.code, 1);
}
