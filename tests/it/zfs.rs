//! The fake zfs(8) and zpool(8): what they keep, and what they refuse in OpenZFS's words. What vmrun does is tested against them.

use super::sandbox::{Sandbox, same};
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;

/// Runs lines of a shell, and returns each with what it said and the status where that is not 0.
fn transcript(sandbox: &Sandbox, lines: &str) -> String {
    let mut text = String::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let done = sandbox.finish(&mut sandbox.shell(line));
        writeln!(text, "$ {line}\n{}{}", done.stdout, done.stderr).unwrap();
        text.truncate(text.trim_end().len());
        text += "\n";
        if done.code != 0 {
            writeln!(text, "[{}]", done.code).unwrap();
        }
    }
    text
}

/// Holds that a transcript, whose lines after `$ ` are the commands, comes out as it stands.
#[track_caller]
fn holds(sandbox: &Sandbox, expected: &str) {
    let lines: String =
        expected.lines().filter_map(|line| line.strip_prefix("$ ")).map(|line| format!("{line}\n")).collect();
    same(&transcript(sandbox, &lines), expected);
}

/// A host with ZFS.
fn empty() -> Sandbox {
    let sandbox = Sandbox::new();
    ["zfs", "zpool"].iter().for_each(|program| sandbox.has(program));
    sandbox
}

/// A pool of 100 GiB with a filesystem for machines.
fn host() -> Sandbox {
    let sandbox = empty();
    sandbox.write("fake/zfs", "filesystem zroot\tsize=107374182400\nfilesystem zroot/vm\n");
    sandbox
}

#[test]
fn zfs_makes_a_volume_once_below_a_filesystem_that_is_there() {
    holds(
        &host(),
        "
$ zfs create -V 20G zroot/vm/web
$ zfs create -s -b 64K -o compression=lz4 -o volmode=dev -V 1000000 zroot/vm/odd
$ zfs get -Hp -o property,value volsize,volblocksize,refreservation,compression,volmode,type zroot/vm/odd
volsize	1048576
volblocksize	65536
refreservation	0
compression	lz4
volmode	dev
type	volume
$ zfs create -V 20G zroot/vm/web
cannot create 'zroot/vm/web': dataset already exists
[1]
$ zfs create -V 20G zroot/none/web
cannot create 'zroot/none/web': parent does not exist
[1]
$ zfs create -V 20G zroot/vm/web/inner
cannot create 'zroot/vm/web/inner': parent is not a filesystem
[1]
$ zfs create -V 20G tank/web
cannot open 'tank': no such pool
[1]
$ zfs create tank/web
cannot create 'tank/web': no such pool 'tank'
[1]
$ zfs create -V 20G zroot/vm/a+b
cannot create 'zroot/vm/a+b': invalid character '+' in name
[1]
$ zfs create -V 20G zroot/vm/web@a
cannot create 'zroot/vm/web@a': snapshot delimiter '@' is not expected here
[1]
$ zfs create -V 20G zroot
cannot create 'zroot': missing dataset name
[1]
$ zfs create -V 0 zroot/vm/nil
cannot create 'zroot/vm/nil': volume size cannot be zero
[1]
$ zfs create -V much zroot/vm/nil
bad volume size 'much': bad numeric value 'much'
[1]
$ zfs create -b 10K -V 1G zroot/vm/nil
cannot create 'zroot/vm/nil': 'volblocksize' must be power of 2 from 512B to 16M
[1]
$ zfs create -o compression=rar -V 1G zroot/vm/nil
cannot create 'zroot/vm/nil': 'compression' must be one of 'on | off | lzjb | gzip | gzip-[1-9] | zle | lz4 | zstd | \
zstd-[1-19] | zstd-fast | zstd-fast-[1-10,20,30,40,50,60,70,80,90,100,500,1000]'
[1]
$ zfs create -o colour=red -V 1G zroot/vm/nil
cannot create 'zroot/vm/nil': invalid property 'colour'
[1]
$ zfs create -s zroot/vm/nil
'-s' and '-b' can only be used when creating a volume
usage: zfs create ...
[2]
$ zfs create -p -V 1G zroot/new/deep/web
$ zfs list -Hr -o name,type zroot/new
zroot/new	filesystem
zroot/new/deep	filesystem
zroot/new/deep/web	volume
$ stat -c %s fake/zvol/zroot/vm/web
21474836480
",
    );
}

#[test]
fn zfs_has_no_more_space_than_the_pool_and_its_quotas() {
    let sandbox = host();
    holds(
        &sandbox,
        "
$ zfs create -V 90G zroot/vm/large
$ zfs create -V 20G zroot/vm/web
cannot create 'zroot/vm/web': out of space
[1]
$ zfs create -s -V 20G zroot/vm/web
$ zfs set volsize=120G zroot/vm/large
cannot set property for 'zroot/vm/large': size is greater than available space
[1]
$ zfs set volsize=100G zroot/vm/large
$ zfs set refreservation=none zroot/vm/large
$ zfs set volsize=200G zroot/vm/web
$ zfs set quota=5G zroot/vm
$ zfs create -V 6G zroot/vm/more
cannot create 'zroot/vm/more': out of space
[1]
$ zpool list -Hp -o name,size,free,health
zroot	107374182400	107374182400	ONLINE
$ zpool get -Hp -o value free zroot
107374182400
$ zpool list -Hp -o free tank
cannot open 'tank': no such pool
[1]
",
    );
    sandbox.write("fake/zfs", "filesystem zroot\tsize=107374182400\treadonly=on\nfilesystem zroot/vm\n");
    holds(
        &sandbox,
        "
$ zfs create -V 1G zroot/vm/web
cannot create 'zroot/vm/web': pool is read-only
[1]
",
    );
    sandbox.write("fake/zfs", "filesystem zroot\tsize=107374182400\nfilesystem zroot/vm\tkeystatus=unavailable\n");
    holds(
        &sandbox,
        "
$ zfs create -V 1G zroot/vm/web
cannot create 'zroot/vm/web': encryption root's key is not loaded or provided
[1]
",
    );
}

#[test]
fn zfs_sets_a_size_that_is_a_multiple_of_the_block() {
    holds(
        &host(),
        "
$ zfs create -V 20G zroot/vm/web
$ zfs set volsize=30000000000 zroot/vm/web
cannot set property for 'zroot/vm/web': 'volsize' must be a multiple of volume block size (16K)
[1]
$ zfs set volsize=0 zroot/vm/web
cannot set property for 'zroot/vm/web': 'volsize' cannot be zero
[1]
$ zfs set volblocksize=4K zroot/vm/web
cannot set property for 'zroot/vm/web': 'volblocksize' is readonly
[1]
$ zfs set quota=1G zroot/vm/web
cannot set property for 'zroot/vm/web': 'quota' does not apply to datasets of this type
[1]
$ zfs set volsize=30G zroot/vm/web
$ zfs get -H -o value volsize,refreservation zroot/vm/web
30G
30G
$ zfs set volsize=30G zroot/vm/none
cannot open 'zroot/vm/none': dataset does not exist
[1]
$ zfs set volsize=10G zroot/vm/web
$ stat -c %s fake/zvol/zroot/vm/web
10737418240
",
    );
}

#[test]
fn zfs_keeps_what_a_snapshot_had_and_rolls_back_past_newer_ones_only_if_told() {
    let sandbox = host();
    holds(&sandbox, "\n$ zfs create -s -V 1G zroot/vm/web\n$ zfs create -s -V 1G zroot/vm/data\n");
    let write = |text: &str| {
        let file = OpenOptions::new().write(true).open(sandbox.path("fake/zvol/zroot/vm/web")).unwrap();
        file.write_all_at(text.as_bytes(), 1 << 20).unwrap();
    };
    let read = || {
        let file = fs::File::open(sandbox.path("fake/zvol/zroot/vm/web")).unwrap();
        let mut bytes = [0; 5];
        file.read_exact_at(&mut bytes, 1 << 20).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    write("first");
    holds(
        &sandbox,
        "
$ zfs snapshot zroot/vm/web@a zroot/vm/data@a
$ zfs list -H -t snapshot -o name,creation,volsize zroot/vm/web
zroot/vm/web@a	1764288000	1G
$ zfs snapshot zroot/vm/web@b zroot/vm/data@a
cannot create snapshot 'zroot/vm/data@a': dataset already exists
[1]
$ zfs list -H -o name zroot/vm/web@b
cannot open 'zroot/vm/web@b': dataset does not exist
[1]
$ zfs snapshot zroot/vm/web
cannot snapshot 'zroot/vm/web': missing '@' delimiter in snapshot name
[1]
$ zfs snapshot zroot/vm/none@a
cannot open 'zroot/vm/none': dataset does not exist
[1]
",
    );
    write("later");
    holds(
        &sandbox,
        "
$ zfs set volsize=2G zroot/vm/web
$ zfs snapshot zroot/vm/web@b
$ zfs clone zroot/vm/web@b zroot/vm/copy
$ zfs rollback zroot/vm/web@a
cannot rollback to 'zroot/vm/web@a': more recent snapshots or bookmarks exist
use '-r' to force deletion of the following snapshots and bookmarks:
zroot/vm/web@b
[1]
$ zfs rollback -r zroot/vm/web@a
cannot rollback to 'zroot/vm/web@a': clones of previous snapshots exist
use '-R' to force deletion of the following clones and dependents:
zroot/vm/copy
[1]
",
    );
    assert_eq!(read(), "later");
    holds(
        &sandbox,
        "
$ zfs rollback -R zroot/vm/web@a
$ zfs list -Hr -t all -o name,volsize zroot/vm
zroot/vm	-
zroot/vm/web	1G
zroot/vm/data	1G
zroot/vm/web@a	1G
zroot/vm/data@a	1G
",
    );
    assert_eq!(read(), "first");
}

#[test]
fn zfs_takes_nothing_away_that_something_hangs_on() {
    let sandbox = host();
    holds(
        &sandbox,
        "
$ zfs create -s -V 1G zroot/vm/base
$ zfs snapshot zroot/vm/base@clean
$ zfs clone -o volmode=dev zroot/vm/base@clean zroot/vm/web
$ zfs get -H -o value origin,volsize,volblocksize zroot/vm/web
zroot/vm/base@clean
1G
16K
$ zfs clone zroot/vm/base@clean zroot/vm/web
cannot create 'zroot/vm/web': dataset already exists
[1]
$ zfs clone zroot/vm/base@clean zroot/none/web
cannot create 'zroot/none/web': parent does not exist
[1]
$ zfs clone zroot/vm/base zroot/vm/other
cannot open 'zroot/vm/base': missing '@' delimiter in snapshot name
[1]
$ zfs destroy zroot/vm/base
cannot destroy 'zroot/vm/base': volume has children
use '-r' to destroy the following datasets:
zroot/vm/base@clean
[1]
$ zfs destroy -r zroot/vm/base
cannot destroy 'zroot/vm/base': volume has dependent clones
use '-R' to destroy the following datasets:
zroot/vm/web
[1]
$ zfs destroy zroot/vm/base@clean
cannot destroy 'zroot/vm/base@clean': snapshot has dependent clones
use '-R' to destroy the following datasets:
zroot/vm/web
[1]
$ zfs destroy zroot/vm/base@none
could not find any snapshots to destroy; check snapshot names.
[1]
$ zfs destroy zroot
cannot destroy 'zroot': operation does not apply to pools
use 'zfs destroy -r zroot' to destroy all datasets in the pool
use 'zpool destroy zroot' to destroy the pool itself
[1]
$ zfs destroy zroot/vm/web
$ zfs hold keep zroot/vm/base@clean
$ zfs hold keep zroot/vm/base@clean
cannot hold snapshot 'zroot/vm/base@clean': tag already exists on this dataset
[1]
$ zfs destroy zroot/vm/base@clean
cannot destroy snapshot zroot/vm/base@clean: it's being held. Run 'zfs holds -r zroot/vm/base@clean' to see holders.
[1]
$ zfs release keep zroot/vm/base@clean
$ sh -c 'exec 3<fake/zvol/zroot/vm/base; zfs destroy -r zroot/vm/base'
cannot destroy 'zroot/vm/base': dataset is busy
[1]
$ zfs destroy -r zroot/vm/base
$ zfs list -Hr -t all -o name zroot
zroot
zroot/vm
$ FAKE_FREEBSD_USER=nobody zfs create -V 1G zroot/vm/mine
cannot create 'zroot/vm/mine': permission denied
[1]
",
    );
}

#[test]
fn zfs_gives_a_volume_another_name_that_nothing_has() {
    let sandbox = host();
    holds(
        &sandbox,
        "
$ zfs create -s -V 1G zroot/vm/a
$ zfs create -s -V 1G zroot/vm/b
$ zfs snapshot zroot/vm/a@one
$ zfs clone zroot/vm/a@one zroot/vm/copy
$ zfs rename zroot/vm/a zroot/vm/b
cannot rename 'zroot/vm/a': dataset already exists
[1]
$ zfs rename zroot/vm/none zroot/vm/c
cannot open 'zroot/vm/none': dataset does not exist
[1]
$ zfs rename zroot/vm/a zroot/none/c
cannot create 'zroot/none/c': parent does not exist
[1]
$ zfs rename zroot/vm/a zroot/vm/a+b
cannot rename to 'zroot/vm/a+b': invalid character '+' in name
[1]
$ sh -c 'exec 3<fake/zvol/zroot/vm/a; zfs rename zroot/vm/a zroot/vm/c'
cannot rename 'zroot/vm/a': dataset is busy
[1]
$ zfs rename zroot/vm/a zroot/vm/c
$ zfs list -Hr -t all -o name zroot/vm
zroot/vm
zroot/vm/c
zroot/vm/b
zroot/vm/c@one
zroot/vm/copy
$ zfs get -H -o value origin zroot/vm/copy
zroot/vm/c@one
$ stat -c %s fake/zvol/zroot/vm/c
1073741824
$ zfs rename zroot/vm/c
missing target dataset argument
usage: zfs rename ...
[2]
",
    );
}

#[test]
fn zfs_makes_no_snapshot_of_what_has_a_reservation_and_no_space_beside_it() {
    let sandbox = empty();
    sandbox.write("fake/zfs", "filesystem zroot\tsize=1048576\n");
    holds(&sandbox, "\n$ zfs create -V 1M zroot/web\n$ zfs snapshot zroot/web@empty\n");
    fs::write(sandbox.path("fake/zvol/zroot/web"), vec![1; 1 << 19]).unwrap();
    holds(
        &sandbox,
        "
$ zfs snapshot zroot/web@full
cannot create snapshot 'zroot/web@full': out of space
[1]
",
    );
}

#[test]
fn zfs_receives_a_whole_volume_or_nothing_of_it() {
    let sandbox = host();
    let pools = sandbox.read("fake/zfs");
    sandbox.write(
        "fake/zfs",
        &format!(
            "{pools}filesystem old\tsize=1073741824\tfeatures=none\nfilesystem small\tsize=1000\n\
             filesystem zroot/safe\tencryption=aes-256-gcm\tkeystatus=unavailable\n"
        ),
    );
    holds(
        &sandbox,
        "
$ zfs create -s -b 64K -V 1M zroot/vm/web
$ printf data | dd of=fake/zvol/zroot/vm/web bs=1 seek=70000 conv=notrunc status=none
$ zfs snapshot zroot/vm/web@a
$ zfs send -c zroot/vm/web@a > stream
$ zfs send -c zroot/vm/web@b
cannot open 'zroot/vm/web@b': dataset does not exist
[1]
$ zfs receive -u -o volmode=dev -o compression=lz4 zroot/vm/copy@b < stream
$ cmp fake/zvol/zroot/vm/web fake/zvol/zroot/vm/copy && zfs list -Hr -t all -o name,volsize,volblocksize,compression zroot/vm
zroot/vm	-	-	on
zroot/vm/web	1M	64K	on
zroot/vm/web@a	1M	-	on
zroot/vm/copy	1M	64K	lz4
zroot/vm/copy@b	1M	-	lz4
$ zfs set refreservation=auto zroot/vm/copy && zfs get -Hp -o value refreservation zroot/vm/copy
1048576
$ zfs receive zroot/vm/copy@b < stream
cannot receive new filesystem stream: destination 'zroot/vm/copy' exists
must specify -F to overwrite it
[1]
$ zfs receive zroot/none/copy@b < stream
cannot open 'zroot/none': dataset does not exist
cannot receive new filesystem stream: unable to restore to destination
[1]
$ zfs receive zroot/vm/web/copy@b < stream
cannot receive new filesystem stream: parent 'zroot/vm/web' is not a filesystem
[1]
$ zfs receive old/copy@b < stream
cannot receive new filesystem stream: pool must be upgraded to receive this stream.
[1]
$ zfs receive small/copy@b < stream
cannot receive new filesystem stream: out of space
[1]
$ zfs receive zroot/safe/copy@b < stream
cannot receive new filesystem stream: inherited key must be loaded
[1]
$ head -c 50000 stream | zfs receive zroot/vm/half@b
cannot receive new filesystem stream: incomplete stream
[1]
$ sed s/data/Data/ stream | zfs receive zroot/vm/half@b
cannot receive new filesystem stream: checksum mismatch
[1]
$ zfs receive zroot/vm/half@b < /dev/null
cannot receive: failed to read from stream
[1]
$ echo something else | zfs receive zroot/vm/half@b
cannot receive: invalid stream (bad magic number)
[1]
$ zfs list -H zroot/vm/half
cannot open 'zroot/vm/half': dataset does not exist
[1]
",
    );
    let locked = sandbox
        .read("fake/zfs")
        .replace("volume zroot/vm/web\t", "volume zroot/vm/web\tencryption=aes-256-gcm\tkeystatus=unavailable\t");
    sandbox.write("fake/zfs", &locked);
    holds(
        &sandbox,
        "
$ zfs send -c zroot/vm/web@a
warning: cannot send 'zroot/vm/web@a': source key must be loaded
[1]
$ zfs send -w zroot/vm/web@a | zfs receive -u zroot/safe/raw@b
$ zfs get -H -o value encryption,keystatus zroot/safe/raw
aes-256-gcm
unavailable
",
    );
}
