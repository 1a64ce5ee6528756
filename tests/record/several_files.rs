//! What hangs on several files at once: on one that is there and another one that is not.

use crate::recorded::record;
use crate::sandbox::same;

const BHYVE: &str = "bhyve -c 1 -m 1G -s 0,hostbridge -s 31,lpc -l bootrom,/fw.fd -s 3,virtio-blk,/vm/a.img $cd a";

#[test]
fn what_is_done_only_where_one_file_is_there_and_another_one_is_not_is_told_where_the_recipe_has_it_otherwise() {
    let cut = "truncate -s 8G /vm/a.img";
    let cases = [
        format!("if [ ! -f /vm/a.img ]; then\n{cut}\n[ -f /vm/pool ] && zfs destroy -r zroot/data\nfi"),
        format!("new=; [ -f /vm/a.img ] || {{ {cut}; new=1; }}\n[ \"$new\" ] && [ -f /vm/vars.fd ] && rm /vm/vars.fd"),
        format!("test -e /vm/a.img && e=$? || e=$?\n[ $e -ne 0 ] && [ -e /dev/da1p1 ] && newfs /dev/da1p1\n{cut}"),
        format!(
            "new=; [ -f /vm/a.img ] || {{ {cut}; new=1; }}\n[ \"$new\" ] && [ -f /iso/i.iso ] && cd='-s 4,ahci-cd,/iso/i.iso'"
        ),
        format!("if [ -f /vm/reset ] && [ -f /vm/a.img ]; then rm /vm/a.img /vm/reset; fi\n[ -f /vm/a.img ] || {cut}"),
        "ls /vm/a.img /vm/b.img >/dev/null 2>&1 || newfs /dev/da1".into(),
    ];
    let mut told = String::new();
    for script in cases {
        let done = record(&format!("{script}\n{BHYVE}"));
        let errors = done.stderr.lines().filter(|line| line.starts_with("error: ")).map(|line| format!("  {line}\n"));
        told += &format!("{script}\n{}", errors.collect::<String>());
        assert_eq!(done.code, 1, "{script}\n{}{}", done.stderr, done.stdout);
    }
    same(&told, "\
if [ ! -f /vm/a.img ]; then
truncate -s 8G /vm/a.img
[ -f /vm/pool ] && zfs destroy -r zroot/data
fi
  error: where /vm/a.img is there and /vm/pool is there, the recipe calls `zfs destroy -r zroot/data`, the script does not
new=; [ -f /vm/a.img ] || { truncate -s 8G /vm/a.img; new=1; }
[ \"$new\" ] && [ -f /vm/vars.fd ] && rm /vm/vars.fd
  error: where /vm/a.img is there and /vm/vars.fd is there, the recipe calls `rm -f /vm/vars.fd`, the script does not
test -e /vm/a.img && e=$? || e=$?
[ $e -ne 0 ] && [ -e /dev/da1p1 ] && newfs /dev/da1p1
truncate -s 8G /vm/a.img
  error: where /dev/da1p1 is there and /vm/a.img is there the script does not call `newfs /dev/da1p1`, which no recipe says
new=; [ -f /vm/a.img ] || { truncate -s 8G /vm/a.img; new=1; }
[ \"$new\" ] && [ -f /iso/i.iso ] && cd='-s 4,ahci-cd,/iso/i.iso'
  error: where /vm/a.img is there and /iso/i.iso is there, at boot 1, the recipe's machine is another one: only there: pci.0.4.0.device=ahci
  error: where /vm/a.img is there and /iso/i.iso is there, at boot 1, the recipe's machine is another one: only there: pci.0.4.0.port.0.path=/iso/i.iso
  error: where /vm/a.img is there and /iso/i.iso is there, at boot 1, the recipe's machine is another one: only there: pci.0.4.0.port.0.type=cd
if [ -f /vm/reset ] && [ -f /vm/a.img ]; then rm /vm/a.img /vm/reset; fi
[ -f /vm/a.img ] || truncate -s 8G /vm/a.img
  error: where /vm/a.img is there and /vm/reset is there the script calls `rm -f /vm/a.img /vm/reset`, which no recipe says
  error: where /vm/a.img is there and /vm/reset is there the script calls `truncate -s 8G /vm/a.img`, which no recipe says
ls /vm/a.img /vm/b.img >/dev/null 2>&1 || newfs /dev/da1
  error: where /vm/a.img is there and /vm/b.img is there the script does not call `newfs /dev/da1`, which no recipe says
");
}

#[test]
fn files_that_have_nothing_to_do_with_each_other_are_a_recipe() {
    let done = record(&format!(
        "[ -f /vm/a.img ] || truncate -s 8G /vm/a.img\n[ -f /iso/i.iso ] && cd='-s 4,ahci-cd,/iso/i.iso'\n[ -f /vm/grow ] && truncate -s 9G /vm/b.img\n\
         [ -e /etc/quiet ] && echo quiet\n{BHYVE}"
    ));
    same(done.stderr.trim_end(), "vmrun: same machine, same commands");
    assert_eq!(done.code, 0);
}

#[test]
fn what_is_made_only_where_a_disk_or_a_pool_is_not_there_is_told() {
    let cases = [
        ("gpart show da1 >/dev/null 2>&1 || gpart create -s gpt da1", "gpart show da1", "gpart create -s gpt da1"),
        ("zpool list tank >/dev/null 2>&1 || zpool create -f tank da1", "zpool list tank", "zpool create -f tank da1"),
        (
            "[ -z \"$(zpool list -H -o name tank 2>/dev/null)\" ] && zpool import tank",
            "zpool list -H -o name tank",
            "zpool import tank",
        ),
    ];
    for (script, asked, made) in cases {
        let done = record(&format!("{script}\n{BHYVE}"));
        let told = format!("error: where `{asked}` finds nothing the script calls `{made}`, which no recipe says");
        same(done.stderr.lines().next().unwrap_or_default(), &told);
        assert_eq!(done.code, 1);
    }
}
