//! The standard library: what its machines are, what its examples do, and where its faults stand.

mod answers;
mod cloud;
mod guests;
mod refused;

use super::sandbox::{Done, Sandbox, project, same};
use std::fs;

/// Plans a recipe for FreeBSD on a host of the other kind.
fn plan(sandbox: &Sandbox, text: &str, more: &[&str]) -> Done {
    sandbox.write("recipe.rhai", text);
    let args = [&["plan", "--on", "freebsd", "recipe.rhai"], more].concat();
    sandbox.finish(sandbox.command(&args).env("VMRUN_PLATFORM", "linux").env("VMRUN_SECRET_VNC", "hunter22"))
}

/// The recipes in the comments of the library: the file, and the text.
pub(crate) fn examples() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for name in ["answers", "disk", "guest", "net"] {
        let text = fs::read_to_string(project(&format!("stdlib/{name}.rhai"))).unwrap();
        let comments = text.lines().filter_map(|line| line.strip_prefix("//!").or_else(|| line.strip_prefix("///")));
        let comments: String = comments.map(|line| line.strip_prefix(' ').unwrap_or(line).to_string() + "\n").collect();
        let blocks = comments.split("```rhai\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
        all.extend(blocks.map(|block| (name.to_string(), block.to_string())));
    }
    all
}

#[test]
fn the_examples_in_the_library_are_short_and_do_what_they_say() {
    let sandbox = Sandbox::new();
    let examples = examples();
    for (name, text) in &examples {
        assert!(text.lines().count() <= 8, "std/{name}:\n{text}");
        for more in [&[][..], &["--init"]] {
            let done = plan(&sandbox, text, more);
            assert_eq!((done.code, done.stderr.as_str()), (0, ""), "std/{name}:\n{text}");
            let command = done.stdout.lines().find(|line| line.starts_with("bhyve ")).unwrap();
            let of = text.split("name: \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
            assert!(command.ends_with(&format!(" {of}")), "{command}");
        }
    }
    let names: Vec<&str> = examples.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["answers", "answers", "disk", "guest", "guest", "guest", "guest", "guest", "net"]);
}

#[test]
fn a_mac_address_follows_from_name_and_number() {
    let recipe = r#"import "std/net" as net;
for of in [["web", 0], ["web", 255], ["wea", 0]] { print(net::mac(of[0], of[1])); }
"#;
    let done = plan(&Sandbox::new(), recipe, &[]);
    assert_eq!(done.stderr, "02:0f:d9:bc:91:00\n02:0f:d9:bc:91:ff\n02:0c:d9:b7:d8:00\n");
}

#[test]
fn several_cards_are_made_on_one_bridge() {
    let recipe = r#"import "std/net" as net;
for nic in net::nics("bridge2", ["tap1", "tap2"]) { print(nic.name); }
"#;
    let done = plan(&Sandbox::new(), recipe, &[]);
    same(&done.stderr, "tap1\ntap2");
    same(
        &done.stdout,
        "
umask 026
ifconfig tap1 create
ifconfig tap1 group vmrun description vmrun:recipe up
ifconfig bridge2 addm tap1
ifconfig tap2 create
ifconfig tap2 group vmrun description vmrun:recipe up
ifconfig bridge2 addm tap2
# given back when the run ends:
ifconfig tap2 destroy
ifconfig tap1 destroy
",
    );
}

/// Plans on the fake FreeBSD, where files are missing.
fn here(sandbox: &Sandbox, text: &str, more: &[&str]) -> Done {
    sandbox.write("recipe.rhai", text);
    sandbox.has("zfs");
    sandbox.write("fake/zfs", "filesystem tank\tsize=107374182400\nfilesystem tank/vm\n");
    fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    sandbox.run(&[&["plan", "recipe.rhai"], more].concat())
}

#[test]
fn a_disk_that_is_missing_is_made_and_is_there_for_the_machine() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("vm/there.img"), [0; 4096]).unwrap();
    let recipe = r#"import "std/disk" as disk;
let lab = bhyve(#{ name: "lab", bootrom: "[tmp]/vm/rom.fd", slots: #{
    "2": virtio_blk(disk::file("[tmp]/vm/there.img", 1.MiB)),
    "3": virtio_blk(disk::file("[tmp]/vm/new.img", 1.GiB)),
    "4": virtio_blk(disk::file("[tmp]/vm/a.img", 1.GiB, init)),
    "5": virtio_blk(disk::zvol("tank/vm/b", 1536.MiB)),
    "6": virtio_blk(disk::zvol("tank/vm/c", "20G", #{ sparse: true, blocksize: "16K" })),
    "7": virtio_blk(disk::overlay("tank/vm/base@clean", "tank/vm/d")),
    "31": lpc(),
} });
lab.run();
"#;
    let done = here(&sandbox, recipe, &[]);
    same(&done.stderr, "");
    same(&done.stdout, "
umask 026
truncate -s 1M [tmp]/vm/there.img
truncate -s 1G [tmp]/vm/new.img
truncate -s 1G [tmp]/vm/a.img
zfs create -o volmode=dev -V 1536M tank/vm/b
zfs create -s -b 16K -o volmode=dev -V 20G tank/vm/c
zfs clone -o volmode=dev tank/vm/base@clean tank/vm/d
bhyve -c 1 -m 256M -s 2,virtio-blk,[tmp]/vm/there.img -s 3,virtio-blk,[tmp]/vm/new.img -s 4,virtio-blk,[tmp]/vm/a.img -s 5,virtio-blk,[tmp]/fake/zvol/tank/vm/b -s 6,virtio-blk,[tmp]/fake/zvol/tank/vm/c -s 7,virtio-blk,/dev/zvol/tank/vm/d -s 31,lpc -l bootrom,[tmp]/vm/rom.fd lab
# given back when the run ends:
bhyvectl --destroy --vm=lab
");
}

#[test]
fn a_guests_volume_is_made_when_the_machine_is_initialized() {
    let sandbox = Sandbox::new();
    let recipe = r#"import "std/disk" as disk;
for path in ["/dev/zvol/tank/vm/web", "[tmp]/vm/web.img"] { disk::make(path, 20.GiB); }
"#;
    let done = here(&sandbox, recipe, &[]);
    same(&done.stderr, "");
    same(
        &done.stdout,
        "
umask 026
zfs create -o volmode=dev -V 20G tank/vm/web
truncate -s 20G [tmp]/vm/web.img
",
    );
}
