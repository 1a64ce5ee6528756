//! A disk of a machine that runs gets larger: QEMU is asked, and says so.

use super::list::{inside, world};

/// What is said of a guest that runs.
const WITHIN: &str = "vmrun: a guest sees that of a virtio disk at once, of another one when it boots next; within it grow the partition and the \
                      file system: growpart and resize2fs or xfs_growfs, gpart resize and growfs";

#[test]
fn a_disk_of_a_guest_that_runs_gets_larger_and_qemu_tells_its_new_size() {
    let world = world(&["db"]);
    let recipe = std::fs::read_to_string(world.path("db.rhai")).unwrap();
    let path = format!("\"{}\"", world.path("db.img").display());
    let recipe = recipe.replace(&path, &format!("disk({path}, 1.MiB)"));
    world.write("db.rhai", recipe);
    std::fs::OpenOptions::new().write(true).open(world.path("db.img")).unwrap().set_len(1 << 20).unwrap();
    let script = "
        ip link set lo up
        look() { echo \"$ vmrun $*\"; vmrun \"$@\" 2>&1; echo \"[$?]\"; }
        vmrun start db.rhai >/dev/null 2>&1
        look resize db 4 4M --dry-run
        look resize db 4 4M --edit
        stat -c %s db.img
        # What is asked for now is what QEMU has, not only its file.
        look resize db 4 4M
        look resize db 4 2M
        # Who grows the file alone has changed nothing for the guest.
        truncate -s 8M db.img
        look resize db 4 8M --edit
        look resize db 4 8M
        vmrun kill db >/dev/null 2>&1
        look resize db 4 9M
    ";
    let (code, stdout, stderr) = inside(&world, script);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert_eq!(
        stdout,
        format!(
            "$ vmrun resize db 4 4M --dry-run
# [tmp]/state/db/ask.sock: {{\"arguments\":{{\"device\":\"disk-4.0\",\"size\":4194304}},\"execute\":\"block_resize\",\"id\":\"resize\"}}
# [tmp]/db.rhai:1: 1.MiB → 4.MiB
[0]
$ vmrun resize db 4 4M --edit
vmrun: [tmp]/db.img has 4 MiB, and had 1 MiB
{WITHIN}
[tmp]/db.rhai:1: 1.MiB → 4.MiB
[0]
4194304
$ vmrun resize db 4 4M
vmrun: [tmp]/db.img has 4 MiB
[0]
$ vmrun resize db 4 2M
error: [tmp]/db.img has 4 MiB: 2M would be less
 |
 = hint: a disk only gets larger here; to have a smaller one, make it and copy what is on it from within the guest
[1]
$ vmrun resize db 4 8M --edit
vmrun: [tmp]/db.img has 8 MiB, and had 4 MiB
{WITHIN}
[tmp]/db.rhai:1: 4.MiB → 8.MiB
[0]
$ vmrun resize db 4 8M
vmrun: [tmp]/db.img has 8 MiB
[0]
$ vmrun resize db 4 9M
vmrun: [tmp]/db.img has 9 MiB, and had 8 MiB
[tmp]/db.rhai:1: 8.MiB → 9.MiB
vmrun: the next start is refused until the recipe says so: --edit writes it
[0]
"
        )
    );
}
