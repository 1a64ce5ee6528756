//! What one machine of a host has alone while it runs: a second one that wants it is refused before anything happens.

use super::host::Host;
use super::sandbox::same;

/// Keys and a slot of two machines that cannot both run, and what the second one is told: the text, where it is in the second's
/// recipe, and the way out.
struct Pair {
    keys: [&'static str; 2],
    slots: [&'static str; 2],
    message: &'static str,
    hint: &'static str,
}

const PAIRS: &[Pair] = &[
    Pair {
        keys: ["", ""],
        slots: [
            "virtio_net(\"slirp\", #{ mac: \"58:9c:fc:00:00:01\" })",
            "e1000(\"slirp\", #{ mac: \"58:9C:FC:0:0:1\" })",
        ],
        message: "the hardware address 58:9c:fc:00:00:01",
        hint: "give each card an address of its own, or leave `mac` out",
    },
    Pair {
        keys: ["uuid: \"11111111-2222-3333-4444-55555555abcd\",", "uuid: \"11111111-2222-3333-4444-55555555ABCD\","],
        slots: ["", ""],
        message: "the UUID 11111111-2222-3333-4444-55555555abcd",
        hint: "give each machine a UUID of its own, or leave `uuid` out",
    },
    Pair {
        keys: ["com1: \"/dev/nmdm0A\",", ""],
        slots: ["", "uart(\"/dev/nmdm0A\")"],
        message: "the serial line /dev/nmdm0A",
        hint: "give each serial port a nmdm(4) of its own: \"/dev/nmdm-NAME.1A\"",
    },
    Pair {
        keys: ["gdb: #{ port: 18234 },", "com1: \"tcp=127.0.0.1:18234\","],
        slots: ["", ""],
        message: "the address 127.0.0.1:18234",
        hint: "give each machine a port of its own",
    },
    Pair {
        keys: ["com1: \"tcp=0.0.0.0:18235\",", "gdb: #{ port: 18235 },"],
        slots: ["", ""],
        message: "the address 0.0.0.0:18235",
        hint: "give each machine a port of its own",
    },
    Pair {
        keys: [
            "tpm: #{ type: \"swtpm\", path: \"[tmp]/vm/tpm\" },",
            "tpm: #{ type: \"swtpm\", path: \"[tmp]/vm/tpm\" },",
        ],
        slots: ["", ""],
        message: "the TPM [tmp]/vm/tpm",
        hint: "a TPM serves one machine: give each its own swtpm(8), or leave `tpm` out",
    },
    Pair {
        keys: ["wired: true,", "wired: true,"],
        slots: ["passthru(\"2/0/0\")", "passthru(\"pci0:2:0:0\")"],
        message: "the PCI device 2/0/0",
        hint: "a device of the host is one machine's alone",
    },
    Pair {
        keys: ["", ""],
        slots: ["virtio_console(#{ a: \"[tmp]/vm/a-b\" })", "virtio_console(#{ b: \"[tmp]/vm/a-b\" })"],
        message: "the socket [tmp]/vm/a-b",
        hint: "give each machine a socket of its own",
    },
    Pair {
        keys: ["", ""],
        slots: ["virtio_net(\"vale0:lab\")", "virtio_net(\"vale0:lab\")"],
        message: "the port vale0:lab",
        hint: "give each card a tap of its own",
    },
];

fn recipe(host: &Host, name: &str, keys: &str, slot: &str) {
    let slot = if slot.is_empty() { String::new() } else { format!(", \"7\": {slot}") };
    let text = format!(
        "bhyve(#{{\n    name: \"{name}\", bootrom: bootrom(\"[tmp]/vm/rom.fd\"),\n    {keys}\n    \
         slots: #{{ \"0\": hostbridge(), \"31\": lpc(){slot} }},\n}}).run();\n"
    );
    host.write(&format!("{name}.rhai"), &text);
}

#[test]
fn two_machines_that_run_never_have_the_same_of_what_there_is_one_of() {
    for pair in PAIRS {
        let host = Host::new("run\n");
        host.write("vm/tpm", "");
        recipe(&host, "db", pair.keys[0], pair.slots[0]);
        recipe(&host, "web", pair.keys[1], pair.slots[1]);
        let done = host.run(&["start", "db.rhai"]);
        // What listens for everybody is warned of before.
        let last = done.stderr.trim().lines().last();
        assert_eq!((done.code, last), (0, Some("vmrun: db runs")), "{}", pair.message);
        let first = host.run(&["start", "web.rhai"]);
        let said = format!(
            "error: {} is in use by the machine db, vmrun [pid], of [tmp]/db.rhai, since [when]\n",
            pair.message
        );
        assert!(first.code == 5 && first.stderr.starts_with(&said), "{first:?}");
        let hint = format!("  = hint: `vmrun stop db`, or {}\n", pair.hint);
        assert!(first.stderr.ends_with(&hint), "{first:?}");
        // A plan is only read.
        let plan = host.run(&["plan", "web.rhai"]);
        assert!(plan.code == 0 && plan.stderr.starts_with(&said.replace("error", "warning")), "{plan:?}");
        assert_eq!(host.run(&["stop", "db"]).code, 0);
        host.is_clean();
    }
}

#[test]
fn what_a_machine_has_alone_is_told_at_the_place_that_asks_for_it() {
    let host = Host::new("run\n");
    recipe(&host, "db", "uuid: \"11111111-2222-3333-4444-555555555555\",", "");
    recipe(&host, "web", "uuid: \"11111111-2222-3333-4444-555555555555\",", "");
    assert_eq!(host.run(&["start", "db.rhai"]).code, 0);
    same(
        &host.run(&["start", "web.rhai"]).stderr,
        "
error: the UUID 11111111-2222-3333-4444-555555555555 is in use by the machine db, vmrun [pid], of [tmp]/db.rhai, since [when]
 --> web.rhai:3:11
  |
3 |     uuid: \"11111111-2222-3333-4444-555555555555\",
  |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: `vmrun stop db`, or give each machine a UUID of its own, or leave `uuid` out
",
    );
    // A machine is not in its own way: neither when it is planned, nor when it comes back.
    let plan = host.run(&["plan", "db.rhai"]);
    assert!(plan.code == 0 && !plan.stderr.contains("UUID"), "{plan:?}");
    host.write("fake/exits", "run\n");
    let again = host.run(&["restart", "db"]);
    assert!(again.code == 0, "{again:?}");
}

#[test]
fn the_guest_of_a_supervisor_that_is_gone_has_its_own_still() {
    let host = Host::new("run\n");
    recipe(&host, "db", "gdb: #{ port: 18236 },", "");
    recipe(&host, "web", "gdb: #{ port: 18236 },", "");
    assert_eq!(host.run(&["start", "db.rhai"]).code, 0);
    let status = host.until("db", |status| status.supervisor.is_some());
    super::host::kill(status.supervisor.unwrap());
    let done = host.run(&["start", "web.rhai"]);
    let said = "error: the address 127.0.0.1:18236 is in use by the guest of db, whose vmrun is gone\n";
    let hint = "`vmrun stop db` stops it, `vmrun adopt db` takes it over, or give each machine a port of its own\n";
    assert!(done.code == 5 && done.stderr.starts_with(said) && done.stderr.ends_with(hint), "{done:?}");
    assert_eq!(host.run(&["stop", "db"]).code, 0);
}
