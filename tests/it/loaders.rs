//! Loaders: what puts a guest into a machine's memory before each of its boots, where no firmware does.

use super::sandbox::{Sandbox, same};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

/// A machine that FreeBSD's own loader starts.
const FREEBSD: &str = "bhyve(#{
    name: \"alpha\", memory: 1.GiB, wired: true,
    loader: bhyveload(#{ env: #{ autoboot_delay: 3, boot_verbose: \"YES\" } }),
    slots: #{ \"0\": hostbridge(), \"3\": virtio_blk(\"[tmp]/vm/a.img\"), \"31\": lpc() },
}).run();
";

/// A machine that GRUB starts.
const LINUX: &str = "bhyve(#{
    name: \"alp\", memory: 1.GiB,
    loader: grub_bhyve(#{ root: \"hd0\", input: [\"set root='(hd0,gpt3)'\", \"configfile /boot/grub/grub.cfg\"] }),
    slots: #{
        \"0\": hostbridge(),
        \"3\": if init { ahci_cd(\"[tmp]/vm/cd.iso\") },
        \"4\": virtio_blk(\"[tmp]/vm/a.img\"),
        \"31\": lpc(),
    },
}).run();
";

/// A host with a recipe, its disks, and boots that end so.
fn host(recipe: &str, exits: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("recipe.rhai", recipe);
    sandbox.write("fake/exits", exits);
    for name in ["vm/a.img", "vm/cd.iso"] {
        fs::write(sandbox.path(name), [0; 4096]).unwrap();
    }
    sandbox
}

/// What was called, without questions.
fn changes(sandbox: &Sandbox) -> String {
    let asks = |line: &&str| ["ps ", "sysctl ", "ifconfig"].iter().all(|program| !line.starts_with(program));
    sandbox.calls().lines().filter(asks).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_plan_shows_the_loader_before_the_hypervisor() {
    let sandbox = host(FREEBSD, "");
    let done = sandbox.run(&["plan", "recipe.rhai"]);
    same(&done.stderr, "");
    same(
        &done.stdout,
        "umask 026
bhyveload -S -m 1G -d [tmp]/vm/a.img -e autoboot_delay=3 -e boot_verbose=YES alpha
bhyve -c 1 -m 1G -S -s 0,hostbridge -s 3,virtio-blk,[tmp]/vm/a.img -s 31,lpc alpha
# given back when the run ends:
bhyvectl --destroy --vm=alpha
",
    );
    assert_eq!(done.code, 0);
}

#[test]
fn a_plan_shows_the_map_and_the_commands_of_grub() {
    let sandbox = host(LINUX, "");
    let done = sandbox.run(&["plan", "--init", "recipe.rhai"]);
    same(&done.stderr, "");
    same(
        &done.stdout,
        "umask 026
mkdir -p [tmp]/state
install -m 600 /dev/stdin [tmp]/state/.alp.map <<'EOF'
(cd0) [tmp]/vm/cd.iso
(hd0) [tmp]/vm/a.img
EOF
grub-bhyve -m [tmp]/state/.alp.map -M 1024 -r hd0 alp <<'EOF'
set root='(hd0,gpt3)'
configfile /boot/grub/grub.cfg
EOF
bhyve -c 1 -m 1G -s 0,hostbridge -s 3,ahci-cd,[tmp]/vm/cd.iso -s 4,virtio-blk,[tmp]/vm/a.img -s 31,lpc alp
# given back when the run ends:
bhyvectl --destroy --vm=alp
",
    );
    assert_eq!(done.code, 0);
}

#[test]
fn every_key_of_a_loader_is_told_to_it() {
    let sandbox = host("", "");
    fs::create_dir(sandbox.path("vm/root")).unwrap();
    let plan = |loader: &str| {
        let text = format!(
            "bhyve(#{{ name: \"x\", com1: \"/dev/nmdm-x.1A\", guest_in_core: true, loader: {loader}, slots: #{{ \"31\": lpc() }} \
             }}).run();\n"
        );
        sandbox.write("x.rhai", &text);
        let done = sandbox.run(&["plan", "x.rhai"]);
        same(&done.stderr, "");
        done.stdout.lines().find(|line| line.starts_with("bhyveload") || line.starts_with("grub")).unwrap().to_string()
    };
    let all = "bhyveload(#{ disks: [\"[tmp]/vm/a.img\", \"[tmp]/vm/cd.iso\"], host: \"[tmp]/vm/root\", loader: \"[tmp]/vm/a.img\" })";
    same(
        &plan(all),
        "bhyveload -c /dev/nmdm-x.1A -C -m 256M -d [tmp]/vm/a.img -d [tmp]/vm/cd.iso -h [tmp]/vm/root -l [tmp]/vm/a.img x",
    );
    let all = "grub_bhyve(#{ root: \"(hd1,msdos1)\", map: #{ hd1: \"[tmp]/vm/a.img\" }, directory: \"/grub2\", config: \"g.cfg\", \
               ncons: true, evga: true, console: \"stdio\" })";
    let line = "grub-bhyve -n -e -m [tmp]/state/.x.map -M 256 -r hd1,msdos1 -d /grub2 -g g.cfg x";
    same(&plan(all), line);
}

#[test]
fn the_loader_runs_before_each_boot_in_a_node_of_its_own() {
    let sandbox = host(FREEBSD, "0\n1\n");
    let done = sandbox.run(&["recipe.rhai"]);
    same(&done.stderr, "vmrun: the guest rebooted; starting it again");
    same(
        &changes(&sandbox),
        "
bhyveload -S -m 1G -d [tmp]/vm/a.img -e autoboot_delay=3 -e boot_verbose=YES alpha
bhyve -c 1 -m 1G -S -s 0,hostbridge -s 3,virtio-blk,[tmp]/vm/a.img -s 31,lpc alpha
bhyvectl --destroy --vm=alpha
bhyveload -S -m 1G -d [tmp]/vm/a.img -e autoboot_delay=3 -e boot_verbose=YES alpha
bhyve -c 1 -m 1G -S -s 0,hostbridge -s 3,virtio-blk,[tmp]/vm/a.img -s 31,lpc alpha
bhyvectl --destroy --vm=alpha
",
    );
    assert_eq!((done.code, sandbox.names("fake/vmm"), sandbox.names("state")), (0, vec![], vec![]));
}

#[test]
fn grub_reads_its_commands_and_its_map_is_gone_afterwards() {
    let sandbox = host(LINUX, "0\n1\n");
    let done = sandbox.run(&["recipe.rhai"]);
    same(&done.stderr, "vmrun: the guest rebooted; starting it again");
    same(&sandbox.read("fake/seen-map"), "(hd0) [tmp]/vm/a.img\n");
    same(&sandbox.read("fake/seen-input"), "set root='(hd0,gpt3)'\nconfigfile /boot/grub/grub.cfg\n");
    let loads = changes(&sandbox).lines().filter(|line| line.starts_with("grub-bhyve ")).count();
    assert_eq!((done.code, loads, sandbox.names("state")), (0, 2, vec![]));
}

#[test]
fn a_loader_that_fails_is_told_with_its_words_its_place_and_the_way_out() {
    let sandbox = host(FREEBSD, "1\n");
    sandbox.write("fake/refuse", "bhyveload \tbhyveload: Could not open '[tmp]/vm/a.img'\n");
    let done = sandbox.run(&["recipe.rhai"]);
    same(
        &done.stderr,
        "
bhyveload: Could not open '[tmp]/vm/a.img'
error: `bhyveload -S -m 1G -d [tmp]/vm/a.img -e autoboot_delay=3 -e boot_verbose=YES alpha` failed with status 1: bhyveload: Could not open '[tmp]/vm/a.img'
 --> recipe.rhai:3:13
  |
3 |     loader: bhyveload(#{ env: #{ autoboot_delay: 3, boot_verbose: \"YES\" } }),
  |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: is the disk or the tty there, and does nobody else use it?
",
    );
    assert_eq!((done.code, sandbox.names("fake/vmm"), sandbox.names("state")), (3, vec![], vec![]));
    assert!(!sandbox.calls().contains("bhyve -c"), "{}", sandbox.calls());
}

#[test]
fn what_a_loader_lacks_is_told_before_anything_happens() {
    let sandbox = host(LINUX, "");
    fs::remove_file(sandbox.path("bin/grub-bhyve")).unwrap();
    let done = sandbox.run(&["recipe.rhai"]);
    same(
        &done.stderr,
        "
error: `grub-bhyve` is not installed
 --> recipe.rhai:3:13
  |
3 |     loader: grub_bhyve(#{ root: \"hd0\", input: [\"set root='(hd0,gpt3)'\", \"configfile /boot/grub/grub.cfg\"] }),
  |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: pkg install grub2-bhyve brings it
",
    );
    assert_eq!((done.code, changes(&sandbox).as_str()), (3, ""));
    sandbox
        .write("recipe.rhai", "bhyve(#{ name: \"x\", loader: bhyveload(#{ disks: \"[tmp]/vm/no.img\" }) }).run();\n");
    let done = sandbox.run(&["recipe.rhai"]);
    same(
        &done.stderr,
        "
error: the loader's disk [tmp]/vm/no.img is not there, and the recipe does not make it
 --> recipe.rhai:1:49
  |
1 | bhyve(#{ name: \"x\", loader: bhyveload(#{ disks: \"[tmp]/vm/no.img\" }) }).run();
  |                                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: correct the path, or add --init to initialize
",
    );
}

#[test]
fn what_a_machine_and_its_loader_say_against_each_other_is_refused() {
    let sandbox = host("", "");
    let said = |on: &str, text: &str| {
        sandbox.write("x.rhai", text);
        let done = sandbox.run(&["plan", "--on", on, "x.rhai"]);
        let lines = done.stderr.lines().filter(|line| line.starts_with("error") || line.contains("= hint"));
        lines.map(|line| line.trim().to_string()).collect::<Vec<_>>()
    };
    let machine = |rest: &str| format!("bhyve(#{{ name: \"x\", {rest} }}).run();\n");
    let both = "bootrom: uefi(), slots: #{ \"31\": lpc() }, loader: bhyveload(#{ disks: \"/vm/a.img\" })";
    let cases = [
        (
            "freebsd",
            both,
            "the machine has a boot ROM and bhyveload: bhyve starts from the first alone",
            "take `bootrom` out, or `loader`",
        ),
        (
            "freebsd-15-arm64",
            "loader: bhyveload(#{ disks: \"/vm/a.img\" })",
            "bhyveload is not there on arm64",
            "only bhyve on amd64 has it: give the machine a `bootrom` instead",
        ),
        (
            "freebsd",
            "loader: bhyveload()",
            "bhyveload has nothing to load from: neither a disk nor a folder of the host",
            "name one: `disks: \"/vm/a.img\"`, or `host: \"/vm/root\"`",
        ),
        (
            "freebsd",
            "loader: grub_bhyve(#{ root: \"hd1,gpt2\", map: #{ hd0: \"/vm/a.img\" } })",
            "grub-bhyve has no device hd1",
            "devices: hd0 and host",
        ),
        (
            "freebsd",
            "loader: grub_bhyve(#{ input: \"boot\", console: \"/dev/nmdm0A\" })",
            "what is typed into grub-bhyve is not read where its console is /dev/nmdm0A",
            "take `console` out: its commands come from its standard input then",
        ),
        (
            "freebsd",
            "loader: bhyveload(#{ disks: \"/vm/a.img\", console: \"tcp=127.0.0.1:99\" })",
            "bhyveload has no terminal at tcp=127.0.0.1:99",
            "\"stdio\", or the path of a tty such as \"/dev/nmdm0A\"",
        ),
        (
            "freebsd",
            "loader: \"bhyveload\"",
            "expected a loader, got a text",
            "bhyveload(#{ disks: \"/vm/a.img\" }) or grub_bhyve(#{ root: \"hd0,gpt2\" })",
        ),
    ];
    for (on, rest, message, hint) in cases {
        assert_eq!(said(on, &machine(rest)), [format!("error: {message}"), format!("= hint: {hint}")], "{rest}");
    }
}

#[test]
fn a_secret_is_no_word_of_a_loaders_command_line() {
    let sandbox = host("", "");
    sandbox.write("config/secrets/vnc", "hunter22");
    fs::set_permissions(sandbox.path("config/secrets/vnc"), fs::Permissions::from_mode(0o600)).unwrap();
    for (loader, message, hint) in [
        (
            "bhyveload(#{ env: #{ a: secret(\"vnc\") } })",
            "a secret would be in the loader's command line, which everybody can read",
            "set it in the guest's own /boot/loader.conf",
        ),
        (
            "grub_bhyve(#{ input: [secret(\"vnc\")] })",
            "a secret is no command of GRUB's: a plan would show it",
            "keep it in the guest",
        ),
    ] {
        sandbox.write("x.rhai", &format!("let loader = {loader};\n"));
        let done = sandbox.run(&["plan", "x.rhai"]);
        assert!(done.stderr.starts_with(&format!("error: {message}\n")), "{}", done.stderr);
        assert!(done.stderr.contains(&format!("= hint: {hint}\n")), "{}", done.stderr);
        assert!(!done.stderr.contains("hunter22"));
    }
}

#[test]
fn under_qemu_a_loader_is_told_to_be_bhyves() {
    let sandbox = host("", "");
    sandbox.write("x.rhai", "bhyve(#{ name: \"x\", loader: bhyveload(#{ disks: \"/vm/a.img\" }) }).run();\n");
    let done = sandbox.run(&["plan", "--on", "linux", "x.rhai"]);
    same(
        &done.stderr,
        "
warning: bhyveload is for bhyve: QEMU starts the machine's first disk by its BIOS
 --> x.rhai:1:29
  |
1 | bhyve(#{ name: \"x\", loader: bhyveload(#{ disks: \"/vm/a.img\" }) }).run();
  |                             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: a disk that starts by UEFI alone needs firmware there: `bootrom: if platform == \"linux\" { uefi() }`, and `loader: if platform == \"freebsd\" { bhyveload(…) }`
",
    );
    assert_eq!((done.code, done.stdout.contains("bhyveload")), (0, false));
}
