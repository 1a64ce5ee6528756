//! The host key of ssh that a machine has: it goes with the machine, and a clone has one of its own.

use super::{holds, with};
use crate::sandbox::Sandbox;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

/// A machine whose guest is known by a key.
const WEB: &str = r##"let key = ssh_host_key("[tmp]/vm/web.key");
let data = disk("[tmp]/vm/web-data.img", 1.MiB);
let about = #{ user_data: "#cloud-config\n", meta_data: "instance-id: web-1\n", ssh_host_key: key };
cloud_seed("[tmp]/vm/web.seed", about);
bhyve(#{
    name: "web", memory: 64.MiB, bootrom: bootrom("[tmp]/vm/rom.fd"), ssh: #{ host_key: key.public_key },
    slots: #{ "0": hostbridge(), "4": virtio_blk(data), "5": virtio_blk("[tmp]/vm/web.seed", #{ ro: true }), "31": lpc() },
}).run();
"##;

/// A host on which it was started.
fn web() -> Sandbox {
    let sandbox = with(WEB);
    let done = sandbox.run(&["web.rhai"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    sandbox
}

/// The files of a machine.
fn of(sandbox: &Sandbox, name: &str) -> Vec<String> {
    sandbox.names("vm").into_iter().filter(|file| file.starts_with(name)).collect()
}

#[test]
fn a_clone_is_known_by_a_key_of_its_own_which_is_in_its_seed_and_goes_with_it() {
    let sandbox = web();
    holds(
        &sandbox,
        "
$ vmrun clone web db
vmrun: [tmp]/vm/db-data.img is a copy of [tmp]/vm/web-data.img
vmrun: [tmp]/vm/db.key is made by the recipe
vmrun: [tmp]/vm/db.seed is made by the recipe
vmrun: db.rhai is written; `vmrun start db` starts it
[0]
",
    );
    assert_eq!(of(&sandbox, "db"), ["db-data.img", "db.key", "db.key.pub", "db.seed"]);
    let private = sandbox.read("vm/db.key");
    assert_ne!(private, sandbox.read("vm/web.key"));
    let lines: String = private.lines().map(|line| format!("    {line}\n")).collect();
    let seed = String::from_utf8_lossy(&fs::read(sandbox.path("vm/db.seed")).unwrap()).into_owned();
    let public = sandbox.read("vm/db.key.pub");
    assert!(seed.contains(&format!("private: |\n{lines}  ed25519_public: {}\n", public.trim_end())), "{seed}");
    let mode = |name: &str| fs::metadata(sandbox.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(["vm/db.key", "vm/db.seed"].map(mode), [0o600; 2]);
    let plan = sandbox.run(&["plan", "db.rhai"]);
    assert!(plan.code == 0 && !plan.stdout.contains("ssh-keygen"), "{}", plan.stdout);
    holds(
        &sandbox,
        "
$ vmrun remove db --dry-run
# stays: db.rhai, its recipe, which --recipe removes
rm [tmp]/vm/db-data.img
rm [tmp]/vm/db.seed
rm [tmp]/vm/db.key
rm [tmp]/vm/db.key.pub
[0]
$ vmrun remove db --yes --recipe
vmrun: db is removed
[0]
",
    );
    assert_eq!(of(&sandbox, "db"), [""; 0]);
}

#[test]
fn a_clone_that_finds_its_key_there_is_refused_and_one_that_fails_leaves_none() {
    let sandbox = web();
    sandbox.write("vm/db.key.pub", "somebody's\n");
    holds(
        &sandbox,
        "
$ vmrun clone web db
error: [tmp]/vm/db.key.pub is there already
 |
 = hint: choose another name, or remove it if nobody needs it
[3]
",
    );
    fs::remove_file(sandbox.path("vm/db.key.pub")).unwrap();
    sandbox.script("ssh-keygen", "echo no entropy >&2; exit 1");
    let done = sandbox.run(&["clone", "web", "db"]);
    assert_eq!((done.code, of(&sandbox, "db")), (3, vec![]), "{}", done.stderr);
    assert!(!sandbox.path("db.rhai").exists());
}

#[test]
fn a_key_that_another_recipe_names_stays_and_an_export_says_that_it_has_none() {
    let sandbox = web();
    sandbox.write("other.rhai", "let key = ssh_host_key(\"[tmp]/vm/web.key\");\nprint(key.public_key);\n");
    holds(
        &sandbox,
        "
$ vmrun remove web --dry-run
# stays: [tmp]/vm/web.key, which other.rhai has as well
# stays: web.rhai, its recipe, which --recipe removes
rm [tmp]/vm/web-data.img
rm [tmp]/vm/web.seed
[0]
",
    );
    sandbox.script("zstd", "exec cat");
    let done = sandbox.run(&["export", "web", "web.vmrun"]);
    let told = "vmrun: not in it: [tmp]/vm/web.key and [tmp]/vm/web.key.pub, by which ssh knows the guest: copy them to where its recipe \
                has them, before its first start there";
    assert!(done.code == 0 && done.stderr.lines().any(|line| line == told), "{}", done.stderr);
}
