//! `vmrun resize`: a disk gets larger, never smaller, and the recipe says so.

use super::{WEB, everything, holds, length, web, with};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn a_disk_grows_wherever_it_lives_and_the_line_that_says_its_size_is_told() {
    let sandbox = web();
    holds(
        &sandbox,
        "
$ vmrun resize web 4 40G --dry-run
zfs set volsize=40G zroot/vm/web
# web.rhai:2: 20.GiB → 40.GiB
[0]
$ vmrun resize web zroot/vm/web 40G
web.rhai:2: 20.GiB → 40.GiB
vmrun: zroot/vm/web has 40 GiB, and had 20 GiB
vmrun: the next start is refused until the recipe says so: --edit writes it
[0]
$ vmrun resize web web-data.img 3M
web.rhai:3: 1.MiB → 3.MiB
vmrun: [tmp]/vm/web-data.img has 3 MiB, and had 1 MiB
vmrun: the next start is refused until the recipe says so: --edit writes it
[0]
$ vmrun resize web.rhai [tmp]/vm/logs.img 4M
web.rhai:4: \"2M\" → \"4M\"
vmrun: [tmp]/vm/logs.img has 4 MiB, and had 2 MiB
vmrun: the next start is refused until the recipe says so: --edit writes it
[0]
$ vmrun resize web logs.img 4M
web.rhai:4: \"2M\" → \"4M\"
vmrun: [tmp]/vm/logs.img has 4 MiB
vmrun: the next start is refused until the recipe says so: --edit writes it
[0]
",
    );
    assert_eq!((length(&sandbox, "web-data.img"), length(&sandbox, "logs.img")), (3 << 20, 4 << 20));
    assert_eq!((sandbox.read("web.rhai"), sandbox.names("state")), (WEB.into(), vec![]));
}

#[test]
fn with_edit_the_recipe_says_the_new_size_and_nothing_else_of_it_changes() {
    let sandbox = web();
    fs::set_permissions(sandbox.path("web.rhai"), fs::Permissions::from_mode(0o640)).unwrap();
    holds(
        &sandbox,
        "
$ vmrun resize web 4 40G --edit
web.rhai:2: 20.GiB → 40.GiB
vmrun: zroot/vm/web has 40 GiB, and had 20 GiB
[0]
$ vmrun resize web 6 3M --edit
web.rhai:4: \"2M\" → \"3M\"
vmrun: [tmp]/vm/logs.img has 3 MiB, and had 2 MiB
[0]
$ vmrun resize web 6 3M --edit
vmrun: [tmp]/vm/logs.img has 3 MiB
[0]
",
    );
    let edited = WEB.replace("web\", 20.GiB", "web\", 40.GiB").replace("\"2M\"", "\"3M\"");
    assert_eq!(sandbox.read("web.rhai"), edited);
    assert_eq!(fs::metadata(sandbox.path("web.rhai")).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(sandbox.names(""), ["bin", "config", "fake", "home", "state", "vm", "web.rhai"]);
}

#[test]
fn what_is_no_growth_of_a_disk_of_the_machine_is_refused() {
    let sandbox = web();
    let before = everything(&sandbox);
    holds(&sandbox, "
$ vmrun resize web 4 10G
error: zroot/vm/web has 20 GiB: 10G would cut off its end
 |
 = hint: a disk only gets larger here; to have a smaller one, make it and copy what is on it from within the guest
[1]
$ vmrun resize web 5 512K
error: [tmp]/vm/web-data.img has 1 MiB: 512K would be less
 |
 = hint: a disk only gets larger here; to have a smaller one, make it and copy what is on it from within the guest
[1]
$ vmrun resize web 8 1T
error: /dev/ada1 is a device, and has the size that it has
 |
 = hint: what provides it makes it larger
[1]
$ vmrun resize web boot.iso 1M
error: web only reads [tmp]/vm/boot.iso
 |
 = hint: its size is up to whoever makes it
[1]
$ vmrun resize web web-date.img 2M
error: web has no disk web-date.img
 |
 = hint: did you mean `web-data.img`?
[2]
$ vmrun resize web 3 40G
error: web has no disk 3
 |
 = hint: it has zroot/vm/web (slot 4), [tmp]/vm/web-data.img (slot 5), [tmp]/vm/logs.img (slot 6), [tmp]/vm/boot.iso (slot 7) and /dev/ada1 (slot 8)
[2]
$ vmrun resize wep 4 40G
error: there is no recipe of a machine wep
 |
 = hint: did you mean `web`?
[2]
$ vmrun resize web 4 21474836481
error: 21474836481 does not end with a whole block of zroot/vm/web, which has 16K
 |
 = hint: 20971536K does
[1]
$ vmrun resize web 4 300G
error: zroot/vm/web needs 280 GiB, and zroot/vm has 80 GiB left
 |
 = hint: `zfs set refreservation=none zroot/vm/web` reserves none
[3]
$ vmrun resize web 4 plenty
error: invalid value 'plenty' for '<SIZE>': \"plenty\" is not a size
 |
 = hint: for example 40G, with one of K, M, G and T
[2]
");
    assert_eq!(everything(&sandbox), before);
}

#[test]
fn a_size_that_is_no_literal_is_told_and_never_guessed() {
    let computed = with(&WEB.replace("size = \"2M\"", "size = 1.MiB * 2"));
    holds(
        &computed,
        "
$ vmrun resize web logs.img 4M --dry-run
truncate -s 4M [tmp]/vm/logs.img
# web.rhai:5: the recipe says 2M by no literal; it has to say 4M
[0]
$ vmrun resize web logs.img 4M --edit
error: the recipe says 2M of [tmp]/vm/logs.img by no literal
 --> web.rhai:5:12
  |
5 | let logs = disk(\"[tmp]/vm/logs.img\", size);
  |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: write 4M there by hand, and call this without --edit
[1]
",
    );
    // A literal that another disk has as well is not this one's alone.
    let shared = with(&WEB.replace("size = \"2M\"", "size = \"2M\"; disk(\"[tmp]/vm/more.img\", size)"));
    holds(
        &shared,
        "
$ vmrun resize web 6 4M --dry-run
truncate -s 4M [tmp]/vm/logs.img
# web.rhai:5: the recipe says 2M by no literal; it has to say 4M
[0]
",
    );
    let silent = with(&WEB.replace("disk(\"[tmp]/vm/logs.img\", size)", "disk(\"[tmp]/vm/logs.img\")"));
    holds(
        &silent,
        "
$ vmrun resize web logs.img 4M
vmrun: [tmp]/vm/logs.img has 4 MiB, and had 2 MiB
[0]
",
    );
    let imported = WEB.replace("disk(\"[tmp]/vm/logs.img\", size)", "disk::file(\"[tmp]/vm/logs.img\", size)");
    holds(
        &with(&format!("import \"std/disk\" as disk;\n{imported}")),
        "
$ vmrun resize web logs.img 4M
web.rhai:5: \"2M\" → \"4M\"
vmrun: [tmp]/vm/logs.img has 4 MiB, and had 2 MiB
vmrun: the next start is refused until the recipe says so: --edit writes it
[0]
",
    );
}

#[test]
fn an_image_of_another_program_is_left_to_it() {
    let sandbox = web();
    fs::write(sandbox.path("vm/logs.img"), b"QFI\xfb\0\0\0\x03and more").unwrap();
    holds(
        &sandbox,
        "
$ vmrun resize web logs.img 4M
error: [tmp]/vm/logs.img is a qcow2, whose content says its size
 |
 = hint: qemu-img resize -f qcow2 [tmp]/vm/logs.img 4M
[1]
",
    );
}

#[test]
fn a_machine_that_runs_keeps_its_disks_as_they_are() {
    let sandbox = web();
    sandbox.write("fake/exits", "run\n");
    fs::write(sandbox.path("vm/ada1"), []).unwrap();
    let recipe = WEB.replace("/dev/ada1", "[tmp]/vm/ada1");
    sandbox.write("web.rhai", &recipe);
    let mut run = sandbox.start(&["web.rhai", "--stop-within", "300ms"]);
    run.until("the guest", |sandbox| sandbox.read("state/.web.lock").contains(" + guest "));
    holds(
        &sandbox,
        "
$ vmrun resize web 4 40G --edit
error: the machine web is running already: vmrun [pid], of [tmp]/web.rhai, since [when]
 |
 = hint: `vmrun stop web` stops it; what it has can be changed then
[5]
",
    );
    assert_eq!(sandbox.run(&["stop", "web"]).code, 0);
    run.wait();
    assert_eq!(sandbox.read("web.rhai"), recipe);
}

#[test]
fn where_the_disk_does_not_grow_the_recipe_is_as_before_and_where_vmrun_dies_the_next_start_grows_it() {
    let sandbox = web();
    sandbox.write("fake/refuse", "zfs set volsize=40G\tcannot set property for 'zroot/vm/web': out of space\n");
    holds(
        &sandbox,
        "
$ vmrun resize web 4 40G --edit
error: `zfs set volsize=40G zroot/vm/web` failed with status 1: cannot set property for 'zroot/vm/web': out of space
[3]
",
    );
    assert_eq!((sandbox.read("web.rhai"), sandbox.names("state")), (WEB.into(), vec![]));
    sandbox.write("fake/refuse", "");
    sandbox.write("fake/strike", "before SIGKILL 2 zfs set volsize=40G\n");
    assert_eq!(sandbox.run(&["resize", "web", "4", "40G", "--edit"]).code, -9);
    assert_eq!(sandbox.read("web.rhai"), WEB.replace("web\", 20.GiB", "web\", 40.GiB"));
    fs::remove_file(sandbox.path("fake/strike")).unwrap();
    holds(
        &sandbox,
        "
$ vmrun resize web 4 40G --edit
vmrun: zroot/vm/web has 40 GiB
[0]
",
    );
    assert_eq!(sandbox.names(""), ["bin", "config", "fake", "home", "state", "vm", "web.rhai"]);
}

#[test]
fn what_is_no_disk_is_told_before_anybody_waits_for_it() {
    let sandbox = web();
    fs::remove_file(sandbox.path("vm/logs.img")).unwrap();
    nix::unistd::mkfifo(&sandbox.path("vm/logs.img"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let fault = "error: [tmp]/vm/logs.img is no disk of web: it is a named pipe, not a file
 |
 = hint: name another file in the recipe, or move what is there away
[3]
";
    for line in
        ["resize web 6 10M", "snapshot web", "snapshots web", "rollback web a", "clone web db", "remove web --yes"]
    {
        holds(&sandbox, &format!("$ vmrun {line}\n{fault}"));
    }
}
