//! A machine from the image of its system: `guest::cloud`.

use super::plan;
use crate::sandbox::{Sandbox, same};

/// A machine with what differs.
fn recipe(os: &str, network: &str) -> String {
    let hex = "ab".repeat(64);
    format!(
        r#"import "std/guest" as guest;
guest::cloud(#{{
    name: "web", cpus: 2, memory: 2.GiB, disks: [["/vm/web.img", 20.GiB]], init: init, os: "{os}",
    pin: #{{ sha512: "{hex}" }}, seed: "/vm/web.seed", host_key: "/vm/web.key",
    user: "ann", ssh_keys: ["ssh-ed25519 AAAAC3Nz ann@home"], {network}
}}).run();
"#
    )
}

/// What is planned from the disk on, without where the image is in the cache.
#[track_caller]
fn planned(recipe: &str, more: &[&str]) -> String {
    let done = plan(&Sandbox::new(), recipe, more);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{}", done.stderr);
    let text = done.stdout.replace(&"ab".repeat(64), "[digest]");
    text.split_once("truncate").map_or(text.clone(), |(_, rest)| format!("truncate{rest}"))
}

#[test]
fn a_machine_from_an_image_is_reached_by_a_port_of_its_host() {
    let recipe = recipe("debian-13", "ssh_port: 2222, com1: \"/dev/nmdm-web.1A\",");
    same(
        &planned(&recipe, &["--init"]),
        r#"
truncate -s 20G /vm/web.img
truncate -s 20G /vm/web.img.new
qemu-img convert -n --target-is-zero -f qcow2 -O raw [tmp]/cache/sha512/[digest] /vm/web.img.new
mv /vm/web.img.new /vm/web.img
vmrun image seed /vm/web.seed --user-data - --meta-data 'text:instance-id: "web"
local-hostname: "web"
' --ssh-host-key /vm/web.key <<'EOF'
#cloud-config
hostname: "web"
timezone: "UTC"
ssh_pwauth: false
users:
  - name: "ann"
    lock_passwd: true
    passwd: "*"
    sudo: "ALL=(ALL) NOPASSWD:ALL"
    shell: "/bin/bash"
    ssh_authorized_keys:
      - "ssh-ed25519 AAAAC3Nz ann@home"
EOF
bhyvectl --destroy --vm=web
bhyve -c 2 -m 2G -w -H -A -u -s 0,hostbridge -s 4,virtio-blk,/vm/web.img -s 5,virtio-net,slirp,hostfwd=tcp:127.0.0.1:2222-:22,open,mac=02:0f:d9:bc:91:00 -s 27,virtio-blk,/vm/web.seed,ro -s 28,virtio-rnd -s 31,lpc -l com1,/dev/nmdm-web.1A -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd web
# given back when the run ends:
bhyvectl --destroy --vm=web
"#,
    );
    // Later it is only booted.
    same(
        &planned(&recipe, &[]),
        "
umask 026
bhyve -c 2 -m 2G -w -H -A -u -s 0,hostbridge -s 4,virtio-blk,/vm/web.img -s 5,virtio-net,slirp,hostfwd=tcp:127.0.0.1:2222-:22,open,mac=02:0f:d9:bc:91:00 -s 27,virtio-blk,/vm/web.seed,ro -s 28,virtio-rnd -s 31,lpc -l com1,/dev/nmdm-web.1A -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd web
# given back when the run ends:
bhyvectl --destroy --vm=web
",
    );
}

#[test]
fn a_packed_image_on_a_bridge_becomes_what_its_recipe_says() {
    let more = r#"bridge: "bridge2", tap: "tap1", packages: ["sudo"], commands: ["echo \"it's\" up"], timezone: "Europe/Berlin","#;
    same(
        &planned(&recipe("freebsd-15.1", more), &["--init"]),
        r#"
truncate -s 20G /vm/web.img
sh -c 'xz -dc --memlimit-decompress=512MiB "$0" | dd of="$1" obs=1048576 conv=sparse' [tmp]/cache/sha512/[digest] /vm/web.img.new
truncate -s 20G /vm/web.img.new
mv /vm/web.img.new /vm/web.img
vmrun image seed /vm/web.seed --user-data - --meta-data 'text:instance-id: "web"
local-hostname: "web"
' --ssh-host-key /vm/web.key <<'EOF'
#cloud-config
hostname: "web"
timezone: "Europe/Berlin"
ssh_pwauth: false
users:
  - name: "ann"
    lock_passwd: true
    passwd: "*"
    sudo: "ALL=(ALL) NOPASSWD:ALL"
    shell: "/bin/sh"
    groups:
      - "wheel"
    ssh_authorized_keys:
      - "ssh-ed25519 AAAAC3Nz ann@home"
packages:
  - "sudo"
runcmd:
  - "echo \"it's\" up"
EOF
bhyvectl --destroy --vm=web
ifconfig tap1 create
ifconfig tap1 group vmrun description vmrun:web up
ifconfig bridge2 addm tap1
bhyve -c 2 -m 2G -w -H -A -u -s 0,hostbridge -s 4,virtio-blk,/vm/web.img -s 5,virtio-net,tap1,mac=02:0f:d9:bc:91:00 -s 27,virtio-blk,/vm/web.seed,ro -s 28,virtio-rnd -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd web
# given back when the run ends:
bhyvectl --destroy --vm=web
ifconfig tap1 destroy
"#,
    );
}

#[test]
fn a_machine_from_an_image_has_a_port_for_an_agent_where_its_recipe_says_so() {
    let with =
        planned(&recipe("debian-13", "bridge: \"bridge2\", tap: \"tap1\", agent: true, address: \"10.0.0.5\","), &[]);
    let port = " -s 26,virtio-console,org.qemu.guest_agent.0=[tmp]/state/web/agent.sock";
    assert!(with.contains(port), "{with}");
    let without = planned(&recipe("debian-13", "bridge: \"bridge2\", tap: \"tap1\", agent: false,"), &[]);
    let bhyve = |text: &str| text.lines().find(|line| line.starts_with("bhyve ")).map(String::from);
    assert_eq!(bhyve(&with.replace(port, "")), bhyve(&without));
}

/// The fault of a recipe, and its way out.
fn refused(recipe: &str) -> String {
    let done = plan(&Sandbox::new(), recipe, &["--init"]);
    assert_eq!((done.code, done.stdout.as_str()), (1, ""), "{}", done.stderr);
    let lines: Vec<&str> = done.stderr.lines().collect();
    let told = |start: &str| lines.iter().find_map(|line| line.split_once(start)).map_or("", |(_, rest)| rest);
    format!("{} | {}", told("error: "), told("= hint: "))
}

#[test]
fn what_an_image_cannot_become_is_refused_with_a_way_out() {
    let of = |network: &str| refused(&recipe("debian-13", network));
    let given = recipe("debian-13", "ssh_port: 2222");
    for (found, expected) in [
        (of(""), "nobody could reach the machine | write ssh_port: 2222, or bridge: \"bridge0\" and tap: \"tap1\""),
        (of("ssh_port: 2222, tap: \"tap1\""), "`tap` is for another network than one with `ssh_port` | leave it out"),
        (
            of("ssh_port: 2222, address: \"10.0.0.5\""),
            "`address` is for another network than one with `ssh_port` | leave it out",
        ),
        (of("tap: \"tap1\", agent: 9"), "`agent` is true or false: its port is in slot 26 | write agent: true"),
        (of("tap: \"tap1\", open: true"), "`open` is for another network than a bridge | leave it out"),
        (
            of("ssh_port: 99999"),
            "\"tcp:127.0.0.1:99999-:22\" is not a rule for `hostfwd` | write PROTO:[ADDRESS]:PORT-[ADDRESS]:PORT: \
             \"tcp::2222-:22\" or \"udp:127.0.0.1:53-10.0.2.15:53\"",
        ),
        (
            refused(&given.replace(", 20.GiB", "")),
            "the first disk begins as the image, and needs a size | write [[\"web.img\", 20.GiB]]",
        ),
        (
            refused(&given.replace("debian-13", "debain-13")),
            "there is no image \"debain-13\" | did you mean `debian-13`?",
        ),
        (
            refused(&given.replace("[\"ssh-ed25519 AAAAC3Nz ann@home\"]", "[]")),
            "nobody could log in: the user has no key and no password | give `ssh_keys`, or a `hash`",
        ),
        (refused(&given.replace("\"ann\"", "\"an n\"")), "this is no user | write letters, digits and -_ only"),
    ] {
        assert_eq!(found, expected);
    }
}

#[test]
fn a_key_that_is_gone_is_not_made_anew_behind_the_guests_back() {
    let sandbox = Sandbox::new();
    let recipe = recipe("debian-13", "ssh_port: 2222").replace("/vm/", "vm/");
    sandbox.write("vm/web.img", &"\0".repeat(1 << 20));
    sandbox.write("vm/web.seed", &"\0".repeat(1 << 20));
    sandbox.write("web.rhai", &recipe);
    let done = sandbox.run(&["plan", "web.rhai"]);
    assert_eq!(done.code, 1);
    same(
        &done.stderr,
        r#"
error: the key vm/web.key is gone, and another one would not be the guest's
 --> web.rhai:4:186
  |
4 | ...bababababababababababab" }, seed: "vm/web.seed", host_key: "vm/web.key",
  |                                                               ^^^^^^^^^^^^
  |
  = hint: put it back: it is the guest's own /etc/ssh/ssh_host_ed25519_key, which `vmrun console` leads to
"#,
    );
    assert!(!sandbox.path("vm/web.key").exists());
}

#[test]
fn a_system_gives_its_user_what_that_needs_there() {
    let of = |os: &str| {
        let plan = planned(&recipe(os, "ssh_port: 2222"), &["--init"]);
        let lines = plan.lines().skip_while(|line| !line.starts_with("    sudo:")).skip(1);
        lines.take_while(|line| !line.contains("ssh_authorized_keys")).map(str::trim).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(of("alpine-3.24"), "doas: [\"permit nopass ann\"] shell: \"/bin/ash\"");
    assert_eq!(of("freebsd-14.5"), "shell: \"/bin/sh\" groups: - \"wheel\"");
    for os in ["ubuntu-24.04", "rocky-10", "alma-9", "fedora-44", "opensuse-leap-16.0", "arch"] {
        assert_eq!(of(os), "shell: \"/bin/bash\"");
    }
}
