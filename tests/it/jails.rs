//! Machines whose bhyve runs in a jail, on the fake FreeBSD: one that is there is only entered, one that is made goes again.

use super::sandbox::{Running, Sandbox, same};
use std::fs;

mod shared;
mod taps;

/// What a jail for machines has.
const USUAL: &str = "path=/\nhost.hostname=web.example.org\nip4=inherit\nallow.vmm\n";

/// A host with a recipe of the machine `db`, whose jail is given so.
fn host(jail: &str, slots: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    fs::create_dir(sandbox.path("fake/jails")).unwrap();
    let recipe = format!(
        "let rom = bootrom(\"[tmp]/vm/rom.fd\");\n\
         let slots = #{{ \"31\": lpc(), {slots} }};\n\
         bhyve(#{{ name: \"db\", memory: 64.MiB, jail: {jail}, bootrom: rom, slots: slots }}).run();\n"
    );
    sandbox.write("db.rhai", &recipe);
    sandbox
}

/// Holds that a plan warns of what refuses a run, which then does nothing.
fn refused(sandbox: &Sandbox, expected: &str) {
    let plan = sandbox.run(&["plan", "db.rhai"]);
    same(&plan.stderr, &expected.replace("error:", "warning:"));
    let run = sandbox.run(&["db.rhai"]);
    same(&run.stderr, expected);
    assert_eq!((plan.code, run.code), (0, 3));
    assert!(!sandbox.calls().contains("bhyve -c"), "{}", sandbox.calls());
}

/// Waits until the guest runs and is noted: before that a run that is killed does not know its process.
fn until_noted(run: &mut Running<'_>) {
    run.until("the guest", |sandbox| {
        let is_running = sandbox.path("fake/vmm/db").exists() && sandbox.read("fake/vmm/db").contains("pid ");
        is_running && sandbox.read("state/.db.lock").contains(" + guest ")
    });
}

/// The calls that are about jails and nodes.
fn of_jails(sandbox: &Sandbox) -> Vec<String> {
    let is_meant = |line: &&str| ["jail ", "jexec ", "bhyvectl "].iter().any(|program| line.starts_with(program));
    sandbox.calls().lines().filter(is_meant).map(String::from).collect()
}

#[test]
fn a_jail_that_is_there_is_entered_and_stays() {
    let sandbox = host("\"web\"", "");
    sandbox.write("fake/jails/web", USUAL);
    sandbox.write("fake/exits", "0\n1\n");
    let done = sandbox.run(&["db.rhai"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, "vmrun: the guest rebooted; starting it again\n"));
    let line = "jexec web bhyve -c 1 -m 64M -s 31,lpc -l 'bootrom,[tmp]/vm/rom.fd' db";
    let calls: Vec<String> = of_jails(&sandbox).iter().map(|call| call.replace('\'', "")).collect();
    let line = line.replace('\'', "");
    assert_eq!(calls, [line.clone(), line.clone(), "bhyvectl --destroy --vm=db".into()]);
    assert_eq!(sandbox.read("fake/jails/web"), USUAL);
    assert_eq!((sandbox.names("fake/vmm"), sandbox.names("state")), (vec![], vec![]));
    let plan = sandbox.run(&["plan", "db.rhai"]);
    assert!(plan.stdout.contains(&line), "{}", plan.stdout);
}

#[test]
fn a_jail_that_is_not_there_or_lacks_something_is_told() {
    let sandbox = host("\"web\"", "");
    let at = "
 --> db.rhai:3:44
  |
3 | bhyve(#{ name: \"db\", memory: 64.MiB, jail: \"web\", bootrom: rom, slots: slots }).run();
  |                                            ^^^^^
  |
";
    refused(
        &sandbox,
        &format!(
            "\nerror: the jail web is not there{at}  = hint: jls shows those that are; jail: #{{ name: \"web\", create: true }} has \
             it made\n"
        ),
    );
    sandbox.write("fake/jails/web", "path=/jails/web\nallow.novmm\n");
    refused(
        &sandbox,
        &format!(
            "\nerror: the jail web has a root of its own, /jails/web: bhyve, its disks, firmware and /dev would be looked for \
             there{at}  = hint: a jail for machines has path=/: files and /dev are the host's there, devfs rules or not\n\
             error: the jail web does not have allow.vmm{at}  = hint: kldload vmm, then jail -m name=web allow.vmm\n"
        ),
    );
}

#[test]
fn a_jail_that_is_made_goes_after_the_node_of_its_machine() {
    let sandbox = host("#{ name: \"box\", create: true }", "");
    sandbox.write("fake/exits", "0\n1\n");
    let done = sandbox.run(&["db.rhai"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, "vmrun: the guest rebooted; starting it again\n"));
    let calls: Vec<String> = of_jails(&sandbox).iter().map(|call| call.replace('\'', "")).collect();
    let line = "jexec box bhyve -c 1 -m 64M -s 31,lpc -l bootrom,[tmp]/vm/rom.fd db";
    assert_eq!(
        calls,
        [
            "jail -qc name=box persist path=/ host.hostname=db.vmrun ip4=inherit ip6=inherit allow.vmm",
            line,
            line,
            "bhyvectl --destroy --vm=db",
            "jail -qR box"
        ]
    );
    assert_eq!((sandbox.names("fake/jails"), sandbox.names("state")), (vec![], vec![]));
}

#[test]
fn a_jail_of_somebody_else_is_not_made_and_not_removed() {
    let sandbox = host("#{ name: \"web\", create: true }", "");
    sandbox.write("fake/jails/web", USUAL);
    refused(
        &sandbox,
        "
error: the jail web is there already, and this run did not make it
 --> db.rhai:3:44
  |
3 | bhyve(#{ name: \"db\", memory: 64.MiB, jail: #{ name: \"web\", create: true }, bootrom: rom, slots: slots }).run();
  |                                            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: choose another name, or enter it: jail: \"web\"
",
    );
    assert_eq!(sandbox.read("fake/jails/web"), USUAL);
}

#[test]
fn what_a_killed_run_has_made_goes_and_a_jail_of_that_name_since_then_stays() {
    for is_anothers in [false, true] {
        let sandbox = host("#{ name: \"box\", create: true }", "");
        sandbox.write("fake/exits", "run\n");
        let mut run = sandbox.start(&["db.rhai"]);
        until_noted(&mut run);
        run.kill();
        if is_anothers {
            sandbox.write("fake/jails/box", USUAL);
        }
        let done = sandbox.run(&["gc"]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        let left = if is_anothers { vec!["box".to_string()] } else { vec![] };
        assert_eq!((sandbox.names("fake/jails"), sandbox.names("fake/vmm")), (left, vec![]), "{}", done.stdout);
        assert_eq!(sandbox.names("state"), [""; 0]);
        let said = "the jail box";
        assert_eq!([done.stdout, done.stderr].concat().contains(said), is_anothers);
    }
}

#[test]
fn a_jail_that_somebody_has_removed_is_gone_and_no_error() {
    let sandbox = host("#{ name: \"box\", create: true }", "");
    sandbox.write("fake/exits", "run\n");
    let mut run = sandbox.start(&["db.rhai"]);
    until_noted(&mut run);
    fs::remove_file(sandbox.path("fake/jails/box")).unwrap();
    run.signal("TERM");
    let done = run.wait();
    assert!(done.stderr.contains("the jail box is gone already"), "{}", done.stderr);
    assert_eq!(sandbox.names("state"), [""; 0]);
}

#[test]
fn a_guest_in_a_jail_goes_on_without_its_vmrun_and_its_jail_goes_with_who_takes_it_over() {
    let sandbox = host("#{ name: \"box\", create: true }", "");
    sandbox.write("fake/exits", "run\n");
    let started = sandbox.run(&["start", "db.rhai"]);
    assert_eq!(started.code, 0, "{}", started.stderr);
    let status = sandbox.read("state/db/standing.json");
    let of = |key: &str| {
        let rest = &status[status.find(&format!("\"{key}\":")).unwrap() + key.len() + 3..];
        rest.trim_start().split(|c: char| !c.is_ascii_digit()).next().unwrap().to_string()
    };
    let killed = sandbox.shell(&format!("kill -9 {}", of("supervisor"))).status().unwrap();
    assert!(killed.success(), "{status}");
    let adopted = sandbox.run(&["adopt", "db"]);
    assert_eq!(adopted.code, 0, "{}", adopted.stderr);
    assert_eq!(sandbox.names("fake/jails"), ["box"]);
    let stopped = sandbox.run(&["stop", "db"]);
    assert_eq!(stopped.code, 0, "{}", stopped.stderr);
    assert_eq!((sandbox.names("fake/jails"), sandbox.names("fake/vmm")), (vec![], vec![]));
    let ends: Vec<String> = of_jails(&sandbox).into_iter().filter(|call| !call.starts_with("jexec")).skip(1).collect();
    assert_eq!(ends, ["bhyvectl --destroy --vm=db", "jail -qR box"]);
}

#[test]
fn a_screen_in_the_network_of_a_jail_is_told_of() {
    let sandbox = host("\"web\"", "\"29\": fbuf(#{ tcp: \"127.0.0.1:5907\" }),");
    sandbox.write("fake/jails/web", "path=/\nallow.vmm\nvnet=new\nip4=inherit\n");
    same(
        &sandbox.run(&["plan", "db.rhai"]).stderr,
        "
warning: 127.0.0.1:5907 is in the network of the jail web, where vmrun does not reach it
 --> db.rhai:2:48
  |
2 | let slots = #{ \"31\": lpc(), \"29\": fbuf(#{ tcp: \"127.0.0.1:5907\" }), };
  |                                                ^^^^^^^^^^^^^^^^
  |
  = hint: a jail has the host's addresses by vnet=inherit, ip4=inherit and ip6=inherit
",
    );
    sandbox.write("fake/jails/web", "path=/\nallow.vmm\nvnet=inherit\nip4=inherit\n");
    assert_eq!(sandbox.run(&["plan", "db.rhai"]).stderr, "");
}

#[test]
fn qemu_is_told_of_no_jail() {
    let sandbox = host("\"web\"", "");
    let done = sandbox.run(&["plan", "--on", "linux", "db.rhai"]);
    assert!(done.stderr.contains("warning: `jail` is for bhyve: QEMU is not told it"), "{}", done.stderr);
    assert!(!done.stdout.contains("jexec"), "{}", done.stdout);
}

#[test]
fn what_is_no_jail_is_refused_where_it_is_written() {
    for (jail, message) in [
        ("\"7\"", "\"7\" is not the name of a jail"),
        ("7", "expected the name of a jail, or #{ name, create, vnet }, got a number"),
        ("#{ create: true }", "a jail has a `name`"),
        ("#{ name: \"a.b\", create: true }", "a.b would be a jail within a jail, and vmrun makes none"),
        ("#{ name: \"a\", path: \"/\" }", "there is no key `path`"),
        ("#{ name: \"a\", create: true, vnet: 1 }", "expected true or false, got a number"),
        (
            "#{ name: \"a\", vnet: true }",
            "`vnet` is for a jail that is made: one that is there has a network of its own or not",
        ),
    ] {
        let done = host(jail, "").run(&["check", "db.rhai"]);
        assert!(done.stderr.starts_with(&format!("error: {message}\n")), "{}", done.stderr);
        assert_ne!(done.code, 0);
    }
}
