//! Scripts that boot several machines: a recipe for each, with what is its own.

use crate::sandbox::{Done, Sandbox, same};
use std::fs;

const BHYVE: &str = "bhyve -c 1 -m 1G -s 0,hostbridge -s 31,lpc -l bootrom,/fw.fd";

/// Records a script into the folder `out`.
fn recorded(sandbox: &Sandbox, text: &str) -> Done {
    sandbox.write("s.sh", &format!("#!/bin/sh\n{text}\n"));
    sandbox.finish(&mut sandbox.command(&["record", "--on", "freebsd-14.3", "--out", "out", "--", "sh", "s.sh"]))
}

/// A recipe that was written, without its first line and its machine.
fn written(sandbox: &Sandbox, name: &str) -> String {
    let text = fs::read_to_string(sandbox.path(&format!("out/{name}.rhai"))).unwrap();
    let text = text.replace("// Made from what `sh s.sh` called.\n", "");
    text.split("\nbhyve(#{").next().unwrap().trim().to_string()
}

#[track_caller]
fn nothing_is_wrong_with(sandbox: &Sandbox) {
    let checked = sandbox.finish(&mut sandbox.command(&["check", "--on", "freebsd-14.3", "out"]));
    assert_eq!(checked.code, 0, "{}", checked.stderr);
}

#[test]
fn machines_that_run_beside_each_other_have_a_recipe_each_in_the_order_of_the_script() {
    let sandbox = Sandbox::new();
    let text = format!(
        "kldload -n vmm\nifconfig bridge7 create\nifconfig bridge7 addm em0 up\nn=0\nfor vm in web db; do\nifconfig tap$n create\n\
         ifconfig bridge7 addm tap$n\n[ -f /vm/$vm.img ] || truncate -s 20G /vm/$vm.img\n\
         (while :; do\n{BHYVE} -s 2,virtio-net,tap$n -s 3,virtio-blk,/vm/$vm.img $vm\n[ $? -eq 0 ] || break\ndone\n\
         bhyvectl --destroy --vm=$vm) &\nn=$((n+1))\ndone\nwait\nifconfig tap0 destroy\nifconfig tap1 destroy\n\
         ifconfig bridge7 destroy"
    );
    let done = recorded(&sandbox, &text);
    same(
        &done.stderr,
        "vmrun: out/web.rhai: same machine, same commands\nvmrun: out/db.rhai: same machine, same commands",
    );
    assert_eq!((done.code, done.stdout.as_str()), (0, ""));
    same(
        &written(&sandbox, "web"),
        r#"// The script runs it by `&`: `vmrun start` keeps it in the background instead.

let disk = "/vm/web.img";

run("kldload", ["-n", "vmm"]);
// bridge7 goes away when the run ends; one that machines share is made by `vmrun network up`.
let net = bridge("bridge7", #{ create: true });
net.add("em0");
let nic = tap("tap0");
net.add(nic);

if !exists(disk) {
    truncate(disk, 20.GiB);
}"#,
    );
    same(
        &written(&sandbox, "db"),
        r#"// The script runs it by `&`: `vmrun start` keeps it in the background instead.

after("web");

let disk = "/vm/db.img";

run("kldload", ["-n", "vmm"]);
let nic = tap("tap1");
bridge("bridge7").add(nic);

if !exists(disk) {
    truncate(disk, 20.GiB);
}"#,
    );
    nothing_is_wrong_with(&sandbox);
}

#[test]
fn machines_that_run_one_after_the_other_say_so_and_what_they_cannot_share_is_found() {
    let sandbox = Sandbox::new();
    let done = recorded(
        &sandbox,
        &format!(
            "ifconfig tap0 create\n{BHYVE} -s 2,virtio-net,tap0 a\nifconfig tap1 create\n{BHYVE} -s 2,virtio-net,tap1 b\n\
             ifconfig tap0 destroy\nifconfig tap1 destroy"
        ),
    );
    assert_eq!(done.code, 0, "{}", done.stderr);
    same(
        &written(&sandbox, "b"),
        "// The script ends when the guest reboots; vmrun starts it again, with `init` false, until it powers off.\n\
         // The script boots it when a has ended; `vmrun start` does not wait for that.\n\n\
         after(\"a\");\n\nlet nic = tap(\"tap1\");",
    );
    nothing_is_wrong_with(&sandbox);
    let sandbox = Sandbox::new();
    let done = recorded(
        &sandbox,
        &format!(
            "ifconfig tap0 create\n{BHYVE} -s 2,virtio-net,tap0 a\n{BHYVE} -s 2,virtio-net,tap0 b\nifconfig tap0 destroy"
        ),
    );
    same(
        &done.stderr,
        "\
vmrun: out/a.rhai: same machine, same commands
vmrun: out/b.rhai: same machine, same commands
error: `a` is plugged into tap0 too
  --> out/b.rhai:14:25
   |
14 |         \"2\": virtio_net(nic),
   |                         ^^^
   |
  ::: out/a.rhai:11:25
   |
11 |         \"2\": virtio_net(nic),
   |                         --- here first
   |
   = hint: give each card a tap of its own",
    );
    assert_eq!(done.code, 1);
    assert!(written(&sandbox, "b").ends_with("let nic = tap(\"tap0\");"), "{}", written(&sandbox, "b"));
}

#[test]
fn each_machine_is_started_again_as_the_script_does_after_its_own_ends() {
    let sandbox = Sandbox::new();
    let done = recorded(
        &sandbox,
        &format!("until {BHYVE} a || [ $? -lt 3 ]; do :; done &\n(while {BHYVE} b; do :; done) &\nwait"),
    );
    same(
        &done.stderr,
        "vmrun: out/a.rhai: same machine, same commands\nvmrun: out/b.rhai: same machine, same commands",
    );
    assert!(written(&sandbox, "a").contains("restart(#{ on: [\"crash\"] });"), "{}", written(&sandbox, "a"));
    assert!(!written(&sandbox, "b").contains("restart("), "{}", written(&sandbox, "b"));
    // What a second machine has of the first one's end is no recipe's to say.
    let sandbox = Sandbox::new();
    let done = recorded(&sandbox, &format!("{BHYVE} a\n[ $? -eq 1 ] || exit 0\n{BHYVE} b"));
    let told =
        "after bhyve's statuses 0, 2, 3 and 4 the script does not boot b, and after a power off it is the other way";
    same(
        &done.stderr,
        &format!(
            "\
vmrun: out/a.rhai: not the same as the script
vmrun: out/b.rhai: same machine, same commands
error: out/a.rhai: {told}
 |
 = hint: `vmrun start` starts each machine by itself: start that one by hand where it hangs on how this one ended"
        ),
    );
    assert_eq!(done.code, 1);
}

#[test]
fn what_is_called_while_a_machine_runs_comes_after_its_boot_each_time() {
    let sandbox = Sandbox::new();
    let done = recorded(
        &sandbox,
        &format!(
            "ifconfig tap0 create\n{BHYVE} -s 2,virtio-net,tap0 a &\nuntil ifconfig tap0 >/dev/null; do :; done\n\
             ifconfig bridge2 addm tap0\nwait\nifconfig tap0 destroy"
        ),
    );
    same(&done.stderr, "vmrun: out/a.rhai: same machine, same commands");
    assert!(written(&sandbox, "a").contains("here it is done before.\nbridge(\"bridge2\").add(nic);"));
}

#[test]
fn what_shells_say_at_the_same_time_is_not_mixed_up_and_each_file_that_one_asks_for_is_found() {
    let sandbox = Sandbox::new();
    // The shell of the background tells of its commands as long as the other one asks.
    let done = recorded(
        &sandbox,
        &format!(
            "(n=0; while [ $n -lt 3000 ]; do n=$((n+1)); done) &\nfor vm in a b c d e f g h; do\n\
             [ -f /vm/$vm.img ] || truncate -s 1G /vm/$vm.img\ndone\nwait\n{BHYVE} -s 2,virtio-blk,/vm/a.img a"
        ),
    );
    same(&done.stderr, "vmrun: out/a.rhai: same machine, same commands");
    let named = |n: u8| format!("let disk{n} = \"/vm/{}.img\";", char::from(b'`' + n));
    let made = |n: u8| format!("\n\nif !exists(disk{n}) {{\n    truncate(disk{n}, 1.GiB);\n}}");
    let (disks, makings): (Vec<String>, Vec<String>) = (1..=8).map(|n| (named(n), made(n))).unzip();
    let expected = format!(
        "// The script ends when the guest reboots; vmrun starts it again, with `init` false, until it powers off.\n\n{}{}",
        disks.join("\n"),
        makings.concat()
    );
    same(&written(&sandbox, "a"), &expected);
}
