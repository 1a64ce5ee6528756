//! `vmrun clone`: a machine under another name, with copies of its disks, that shares nothing with the first which makes it that one.

use super::{everything, holds, length, with};
use crate::sandbox::{Sandbox, same};
use std::fs;
use std::os::unix::fs::FileExt as _;

/// A machine with all that is its own.
const WEB: &str = r##"// The web server.
let name = "web";
let root = zvol("zroot/vm/web", 20.GiB);
let data = disk(`[tmp]/vm/${name}-data.img`, 1.MiB);
let logs = disk("[tmp]/vm/logs.img", 2.MiB);
cloud_seed("[tmp]/vm/web.seed", #{ user_data: "#cloud-config\n", meta_data: "instance-id: web-1\nlocal-hostname: web\n" });
bhyve(#{
    name: name, memory: 64.MiB, bootrom: bootrom("[tmp]/vm/rom.fd"), uuid: "c5a1ad6a-1f4f-11ef-9a3c-0800200c9a66",
    slots: #{
        "0": hostbridge(), "4": virtio_blk(root), "5": virtio_blk(data), "6": virtio_blk(logs), "7": ahci_cd("[tmp]/vm/boot.iso"),
        "8": virtio_blk("[tmp]/vm/web.seed", #{ ro: true }), "9": virtio_net(tap("tap7"), #{ mac: "58:9c:fc:00:00:07" }),
        "10": fbuf(#{ tcp: "127.0.0.1:5931" }), "31": lpc(),
    },
}).run();
"##;

/// A host on which that machine has its disks.
fn web() -> Sandbox {
    let sandbox = with(WEB);
    let file = fs::File::options().write(true).open(sandbox.path("vm/web-data.img")).unwrap();
    file.write_all_at(b"data", 900_000).unwrap();
    fs::write(sandbox.path("fake/zvol/zroot/vm/web"), "root").unwrap();
    fs::write(sandbox.path("vm/web.seed"), [1; 512]).unwrap();
    sandbox
}

#[test]
fn a_clone_has_its_own_name_disks_addresses_and_seed() {
    let sandbox = web();
    let before = everything(&sandbox);
    holds(
        &sandbox,
        "
$ vmrun clone web db --dry-run
zfs snapshot zroot/vm/web@vmrun-clone-db
cp -p [tmp]/vm/web-data.img [tmp]/vm/db-data.img
cp -p [tmp]/vm/logs.img [tmp]/vm/db-logs.img
zfs clone -o volmode=dev zroot/vm/web@vmrun-clone-db zroot/vm/db
vmrun image seed [tmp]/vm/db.seed --user-data - --meta-data 'text:instance-id: db-1
local-hostname: db
' <<'EOF'
#cloud-config
EOF
# both machines have the tap tap7, and only one of them runs at a time: give each card a tap of its own
# both machines have the address 127.0.0.1:5931, and only one of them runs at a time: give each machine a port of its own
# db.rhai is written
[0]
",
    );
    assert_eq!(everything(&sandbox), before);
    holds(
        &sandbox,
        "
$ vmrun clone web db
vmrun: zroot/vm/db is cloned of zroot/vm/web@vmrun-clone-db
vmrun: [tmp]/vm/db-data.img is a copy of [tmp]/vm/web-data.img
vmrun: [tmp]/vm/db-logs.img is a copy of [tmp]/vm/logs.img
vmrun: [tmp]/vm/db.seed is made by the recipe
vmrun: both machines have the tap tap7, and only one of them runs at a time: give each card a tap of its own
vmrun: both machines have the address 127.0.0.1:5931, and only one of them runs at a time: give each machine a port of its own
vmrun: db.rhai is written; `vmrun start db` starts it
[0]
",
    );
    same(
        &sandbox.read("db.rhai"),
        "
// The web server.
let name = \"db\";
let root = zvol(\"zroot/vm/db\", 20.GiB);
let data = disk(`[tmp]/vm/${name}-data.img`, 1.MiB);
let logs = disk(\"[tmp]/vm/db-logs.img\", 2.MiB);
cloud_seed(\"[tmp]/vm/db.seed\", #{ user_data: \"#cloud-config\\n\", meta_data: \"instance-id: db-1\\nlocal-hostname: db\\n\" });
bhyve(#{
    name: name, memory: 64.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"), uuid: \"5c3ef7ff-1388-82c4-a0ba-402c8fa43899\",
    slots: #{
        \"0\": hostbridge(), \"4\": virtio_blk(root), \"5\": virtio_blk(data), \"6\": virtio_blk(logs), \"7\": ahci_cd(\"[tmp]/vm/boot.iso\"),
        \"8\": virtio_blk(\"[tmp]/vm/db.seed\", #{ ro: true }), \"9\": virtio_net(tap(\"tap7\"), #{ mac: \"58:9c:fc:f8:a6:2e\" }),
        \"10\": fbuf(#{ tcp: \"127.0.0.1:5931\" }), \"31\": lpc(),
    },
}).run();
",
    );
    assert_eq!(sandbox.read("web.rhai"), sandbox.own(WEB).replace(&sandbox.path("").display().to_string(), "[tmp]/"));
    assert_eq!(fs::read(sandbox.path("vm/db-data.img")).unwrap(), fs::read(sandbox.path("vm/web-data.img")).unwrap());
    assert_eq!(length(&sandbox, "db-logs.img"), 2 << 20);
    assert_eq!(sandbox.read("fake/zvol/zroot/vm/db"), "root");
    assert!(sandbox.read("vm/db.seed").contains("instance-id: db-1\nlocal-hostname: db\n"));
    assert_eq!(sandbox.names("state"), [""; 0]);
    let plan = sandbox.run(&["plan", "db.rhai"]);
    assert_eq!((plan.code, plan.stderr.as_str()), (0, ""));
    holds(
        &sandbox,
        "
$ vmrun clone web db
error: db.rhai is there already
 |
 = hint: choose another name
[2]
$ vmrun clone db mail
vmrun: zroot/vm/mail is cloned of zroot/vm/db@vmrun-clone-mail
vmrun: [tmp]/vm/mail-data.img is a copy of [tmp]/vm/db-data.img
vmrun: [tmp]/vm/mail-logs.img is a copy of [tmp]/vm/db-logs.img
vmrun: [tmp]/vm/mail.seed is made by the recipe
vmrun: both machines have the tap tap7, and only one of them runs at a time: give each card a tap of its own
vmrun: both machines have the address 127.0.0.1:5931, and only one of them runs at a time: give each machine a port of its own
vmrun: mail.rhai is written; `vmrun start mail` starts it
[0]
$ vmrun remove db --yes --recipe
error: zroot/vm/mail is cloned of zroot/vm/db@vmrun-clone-mail, and cannot be without it
 |
 = hint: `zfs promote zroot/vm/mail` makes it stand alone; or remove that one first
[3]
",
    );
}

#[test]
fn what_would_not_be_a_machine_of_its_own_is_refused_and_nothing_is_left() {
    let refused = |recipe: String, expected: &str| {
        let sandbox = web();
        sandbox.write("web.rhai", &recipe);
        let before = everything(&sandbox);
        holds(&sandbox, expected);
        assert_eq!(everything(&sandbox), before);
    };
    refused(
        WEB.replace("let name = \"web\"", "let name = \"we\" + \"b\""),
        "
$ vmrun clone web db
error: the recipe says the name web by no literal, and would boot web again
 |
 = hint: write the name as a literal in the recipe itself: name: \"web\"
[1]
",
    );
    refused(
        WEB.replace("virtio_blk(logs)", "virtio_blk(\"/dev/ada1\")"),
        "
$ vmrun clone web  db
error: both machines would have the image /dev/ada1
 |
 = hint: a device is one machine's alone: take it out of the recipe, and clone without it
[1]
",
    );
    refused(
        WEB.replace("mac: \"58:9c:fc:00:00:07\"", "mac: \"58:9c:fc:00:00:\" + \"07\""),
        "
$ vmrun clone  web db
error: both machines would have the hardware address 58:9c:fc:00:00:07
 |
 = hint: the recipe says it by no literal that can be replaced; give each card an address of its own, or leave `mac` out
[1]
",
    );
    refused(
        WEB.replace("\"[tmp]/vm/logs.img\"", "\"[tmp]/vm/lo\" + \"gs.img\""),
        "
$ vmrun  clone web db
error: both machines would have the image [tmp]/vm/logs.img
 |
 = hint: the recipe says it by no literal that can be replaced; an image that is written is one machine's alone: copy it, or make it read-only
[1]
",
    );
    refused(
        WEB.replace("let name = \"web\"", "let name = param(\"name\", \"web\")")
            .replace("zroot/vm/web", "zroot/web/root"),
        "
$ vmrun   clone web db
error: the disk zroot/web/root is not there
 |
 = hint: start its machine with --init first
[3]
",
    );
    refused(
        WEB.replace("let root", "write_file(\"[tmp]/vm/motd\", \"hi\");\nlet root"),
        "
$ vmrun    clone web db
error: both recipes would write [tmp]/vm/motd
 |
 = hint: have the recipe say its path by a literal that has the name of the machine
[1]
",
    );
    let sandbox = web();
    fs::write(sandbox.path("vm/db-logs.img"), "mine").unwrap();
    holds(
        &sandbox,
        "
$ vmrun clone web db
error: [tmp]/vm/db-logs.img is there already
 |
 = hint: choose another name, or remove it if nobody needs it
[3]
$ vmrun clone web web
error: there is a machine web already
 |
 = hint: choose another name
[2]
$ vmrun clone wep db
error: there is no recipe of a machine wep
 |
 = hint: did you mean `web`?
[2]
$ vmrun clone web no/name
error: invalid value 'no/name' for '<NEW>': \"no/name\" is not a machine's name
 |
 = hint: a name begins with a letter or digit; letters, digits, `.`, `_` and `-` follow
[2]
",
    );
}

#[test]
fn where_a_part_fails_what_was_made_goes_again() {
    let sandbox = web();
    let before = everything(&sandbox);
    for call in ["zfs snapshot", "zfs clone"] {
        sandbox.write("fake/refuse", &format!("{call}\tcannot do it: pool I/O is currently suspended\n"));
        let done = sandbox.run(&["clone", "web", "db"]);
        assert!(done.code == 3 && done.stderr.contains("pool I/O is currently suspended"), "{done:?}");
        sandbox.write("fake/refuse", "");
        assert_eq!(everything(&sandbox), before, "{call}");
    }
    for (when, call) in [("before", "zfs snapshot"), ("after", "zfs snapshot"), ("before", "zfs clone")] {
        let calls = sandbox.calls().lines().filter(|line| line.starts_with(call)).count();
        sandbox.write("fake/strike", &format!("{when} SIGKILL {} {call}\n", calls + 1));
        assert_eq!(sandbox.run(&["clone", "web", "db"]).code, -9, "{when} {call}");
        fs::remove_file(sandbox.path("fake/strike")).unwrap();
        assert!(!sandbox.path("db.rhai").exists() && !sandbox.path("vm/db-data.img").exists());
        holds(
            &sandbox,
            "
$ vmrun clone web db
error: a clone of web that is gone has left something
 |
 = hint: `vmrun gc` gives it back, `vmrun gc --dry-run` shows what that is
[3]
",
        );
        // A clone makes no node: one of its name is somebody else's.
        sandbox.write("fake/vmm/db", "");
        let gc = sandbox.run(&["gc"]);
        assert!(gc.code == 0 && gc.stdout.starts_with("# db, a clone of web, ended half done\n"), "{gc:?}");
        fs::remove_file(sandbox.path("fake/vmm/db")).unwrap();
        assert_eq!(everything(&sandbox), before, "{when} {call}");
    }
    assert_eq!(sandbox.run(&["clone", "web", "db"]).code, 0);
    assert_eq!(sandbox.run(&["remove", "db", "--yes", "--recipe"]).code, 0);
    assert_eq!(everything(&sandbox), before);
}

#[test]
fn a_disk_that_another_machine_has_is_told_with_who_has_it() {
    let sandbox = web();
    let slots = "\"0\": hostbridge(), \"4\": virtio_blk(\"[tmp]/vm/web-data.img\"), \"31\": lpc()";
    let rom = "bootrom: bootrom(\"[tmp]/vm/rom.fd\")";
    sandbox.write(
        "config/shop.rhai",
        &format!("bhyve(#{{ name: \"shop\", memory: 64.MiB, {rom}, slots: #{{ {slots} }} }}).run();\n"),
    );
    sandbox.write("fake/exits", "run\n");
    let mut run = sandbox.start(&["config/shop.rhai", "--stop-within", "300ms"]);
    run.until("the guest", |sandbox| sandbox.read("state/.shop.lock").contains(" + guest "));
    let before = everything(&sandbox);
    holds(
        &sandbox,
        "
$ vmrun clone web db
error: [tmp]/vm/web-data.img is in use by the machine shop, vmrun [pid], of [tmp]/config/shop.rhai, since [when]
 |
 = hint: `vmrun stop shop`, or give this one a disk of its own
[5]
",
    );
    assert_eq!(everything(&sandbox), before);
    assert_eq!(sandbox.run(&["stop", "shop"]).code, 0);
    run.wait();
}

#[test]
fn of_a_machine_that_runs_only_what_has_one_moment_is_cloned() {
    let sandbox = web();
    // It listens there, and no other test's recipe has to be planned beside it.
    let recipe = WEB.replace("5931", "5932");
    sandbox.write("web.rhai", &recipe);
    sandbox.write("fake/exits", "run\n");
    let mut run = sandbox.start(&["web.rhai", "--stop-within", "300ms"]);
    run.until("the guest", |sandbox| sandbox.read("state/.web.lock").contains(" + guest "));
    holds(
        &sandbox,
        "
$ vmrun clone web db
error: web runs, and [tmp]/vm/web-data.img and [tmp]/vm/logs.img would be copied while it writes
 |
 = hint: `vmrun stop web` stops it; volumes, and files with reflinks, are cloned while it runs
[3]
",
    );
    assert_eq!(sandbox.run(&["stop", "web"]).code, 0);
    run.wait();
    let volumes = recipe.replace("\"5\": virtio_blk(data), \"6\": virtio_blk(logs), ", "");
    sandbox.write("web.rhai", &volumes);
    sandbox.write("fake/exits", "run\n");
    let mut run = sandbox.start(&["web.rhai", "--stop-within", "300ms"]);
    run.until("the guest", |sandbox| sandbox.read("state/.web.lock").contains(" + guest "));
    holds(
        &sandbox,
        "
$ vmrun clone  web db
vmrun: zroot/vm/db is cloned of zroot/vm/web@vmrun-clone-db
vmrun: [tmp]/vm/db.seed is made by the recipe
vmrun: web runs: its clone begins as after a power cut
vmrun: both machines have the tap tap7, and only one of them runs at a time: give each card a tap of its own
vmrun: both machines have the address 127.0.0.1:5932, and only one of them runs at a time: give each machine a port of its own
vmrun: db.rhai is written; `vmrun start db` starts it
[0]
",
    );
    assert_eq!(sandbox.run(&["stop", "web"]).code, 0);
    run.wait();
}

#[test]
fn what_only_parameters_make_a_machine_is_not_cloned_without_them() {
    let recipe = r#"let name = param("name", "web");
bhyve(#{
    name: name, memory: 64.MiB, bootrom: bootrom("[tmp]/vm/rom.fd"),
    slots: #{ "0": hostbridge(), "4": virtio_blk(disk(`[tmp]/vm/${name}-data.img`, 1.MiB)), "31": lpc() },
}).run();
"#;
    let sandbox = with(recipe);
    fs::copy(sandbox.path("vm/web-data.img"), sandbox.path("vm/web1-data.img")).unwrap();
    sandbox.write("fake/exits", "1\n");
    assert_eq!(sandbox.run(&["start", "web.rhai", "--set", "name=web1"]).code, 0);
    let before = everything(&sandbox);
    holds(
        &sandbox,
        "
$ vmrun clone web1 db
error: web1 was started with name=web1, and db would be another machine without
 |
 = hint: write these values into the recipe as the defaults of its parameters, and clone that
[1]
",
    );
    assert_eq!(everything(&sandbox), before);
}
