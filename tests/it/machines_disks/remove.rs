//! `vmrun remove`: a machine goes with what is its own, and with nothing else.

use super::super::terminal::Terminal;
use super::{WEB, everything, holds, web};
use std::fs;
use std::time::Duration;

/// How long a question may take.
const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_machine_goes_with_its_disks_and_with_what_is_kept_of_it() {
    let sandbox = web();
    fs::write(sandbox.path("state/.web.last"), "{}").unwrap();
    fs::create_dir(sandbox.path("log")).unwrap();
    ["web.log", "web.log.1", "db.log"].iter().for_each(|name| fs::write(sandbox.path("log").join(name), "x").unwrap());
    let before = everything(&sandbox);
    holds(
        &sandbox,
        "
$ vmrun remove web --dry-run --recipe
# stays: [tmp]/vm/boot.iso, which it only reads
# stays: /dev/ada1, which is a device
zfs destroy zroot/vm/web
rm [tmp]/vm/web-data.img
rm [tmp]/vm/logs.img
rm [tmp]/state/.web.last
rm [tmp]/log/web.log
rm [tmp]/log/web.log.1
rm web.rhai
[0]
$ vmrun remove web
vmrun: stays: [tmp]/vm/boot.iso, which it only reads
vmrun: stays: /dev/ada1, which is a device
vmrun: stays: web.rhai, its recipe, which --recipe removes
error: nobody can be asked here whether to remove web with 3 disks, 20 GiB
 |
 = hint: --yes does it, --dry-run shows what would be done
[2]
",
    );
    assert_eq!(everything(&sandbox), before);
    holds(
        &sandbox,
        "
$ vmrun remove web --yes
vmrun: stays: [tmp]/vm/boot.iso, which it only reads
vmrun: stays: /dev/ada1, which is a device
vmrun: stays: web.rhai, its recipe, which --recipe removes
vmrun: web is removed
[0]
$ vmrun remove web --yes --recipe
vmrun: stays: [tmp]/vm/boot.iso, which it only reads
vmrun: stays: /dev/ada1, which is a device
vmrun: web is removed
[0]
$ vmrun remove web --yes
error: there is no recipe of a machine web
 |
 = hint: looked for web.rhai in [tmp]/config/recipes, recipes and .
[2]
",
    );
    assert_eq!(sandbox.names("vm"), ["boot.iso", "rom.fd"]);
    assert_eq!((sandbox.names("state"), sandbox.names("log")), (vec![], vec!["db.log".to_string()]));
    assert!(!sandbox.read("fake/zfs").contains("volume"));
    assert!(!sandbox.path("web.rhai").exists());
}

#[test]
fn whoever_sits_at_a_terminal_is_asked() {
    for (answer, says) in [("n", "nothing was removed"), ("", "nothing was removed"), ("yes", "web is removed")] {
        let sandbox = web();
        let mut terminal = Terminal::new();
        let mut child = terminal.start(&mut sandbox.command(&["remove", "web"]));
        terminal.shows("remove web with 3 disks, 20 GiB? [y/N] ", SOON);
        terminal.types(&format!("{answer}\n"));
        terminal.shows(says, SOON);
        assert!(child.wait().unwrap().success());
        assert_eq!(sandbox.names("vm").len(), if answer == "yes" { 2 } else { 4 });
    }
}

#[test]
fn snapshots_go_only_if_that_is_said_and_none_that_something_hangs_on() {
    let sandbox = web();
    let shell = |line: &str| assert_eq!(sandbox.finish(&mut sandbox.shell(line)).code, 0, "{line}");
    shell("zfs snapshot zroot/vm/web@daily");
    fs::write(sandbox.path("vm/web-data.img@vmrun-a"), [1; 10]).unwrap();
    holds(
        &sandbox,
        "
$ vmrun remove web --yes
error: there are snapshots of its disks: zroot/vm/web@daily and [tmp]/vm/web-data.img@vmrun-a
 |
 = hint: --snapshots removes them as well
[2]
$ vmrun remove web --snapshots --dry-run
# stays: [tmp]/vm/boot.iso, which it only reads
# stays: /dev/ada1, which is a device
# stays: web.rhai, its recipe, which --recipe removes
zfs destroy zroot/vm/web@daily
zfs destroy zroot/vm/web
rm [tmp]/vm/web-data.img@vmrun-a
rm [tmp]/vm/web-data.img
rm [tmp]/vm/logs.img
[0]
",
    );
    shell("zfs clone zroot/vm/web@daily zroot/vm/copy");
    holds(
        &sandbox,
        "
$ vmrun remove web --yes --snapshots
error: zroot/vm/copy is cloned of zroot/vm/web@daily, and cannot be without it
 |
 = hint: `zfs promote zroot/vm/copy` makes it stand alone; or remove that one first
[3]
",
    );
    shell("zfs destroy zroot/vm/copy");
    shell("zfs hold mine zroot/vm/web@daily");
    holds(
        &sandbox,
        "
$ vmrun remove web --yes  --snapshots
error: zroot/vm/web@daily is held by somebody
 |
 = hint: `zfs holds zroot/vm/web@daily` tells by whom, `zfs release` lets it go
[3]
",
    );
    shell("zfs release mine zroot/vm/web@daily");
    holds(
        &sandbox,
        "
$ vmrun remove web  --yes --snapshots
vmrun: stays: [tmp]/vm/boot.iso, which it only reads
vmrun: stays: /dev/ada1, which is a device
vmrun: stays: web.rhai, its recipe, which --recipe removes
vmrun: web is removed
[0]
",
    );
    assert_eq!(sandbox.names("vm"), ["boot.iso", "rom.fd"]);
    assert!(!sandbox.read("fake/zfs").contains("web"));
}

#[test]
fn a_disk_that_another_recipe_has_stays() {
    let sandbox = web();
    let other = WEB.replace("name: \"web\"", "name: \"db\"").replace("zvol(\"zroot/vm/web\", 20.GiB)", "\"/dev/ada2\"");
    sandbox.write("db.rhai", &other.replace("[tmp]/vm/logs.img", "[tmp]/vm/db.img"));
    // One that cannot be rehearsed has what it names.
    sandbox.write("old.rhai", "bhyve(#{ name: \"old\" }).run(); // [tmp]/vm/logs.img\nno();\n");
    holds(
        &sandbox,
        "
$ vmrun remove web --yes
vmrun: stays: [tmp]/vm/web-data.img, which db has as well
vmrun: stays: [tmp]/vm/logs.img, which old.rhai, which cannot be rehearsed, has as well
vmrun: stays: [tmp]/vm/boot.iso, which it only reads
vmrun: stays: /dev/ada1, which is a device
vmrun: stays: web.rhai, its recipe, which --recipe removes
vmrun: web is removed
[0]
",
    );
    assert_eq!(sandbox.names("vm"), ["boot.iso", "logs.img", "rom.fd", "web-data.img"]);
    let second = r#"bhyve(#{ name: "db", memory: 64.MiB, bootrom: bootrom("[tmp]/vm/rom.fd"), slots: #{ "0": hostbridge(), "31": lpc() } }).run();"#;
    sandbox.write("web.rhai", &format!("{WEB}{second}\n"));
    holds(
        &sandbox,
        "
$ vmrun remove web --yes --recipe
error: web.rhai is the recipe of db as well
 |
 = hint: leave --recipe out, and take this machine out of it by hand
[1]
",
    );
}

#[test]
fn a_machine_that_runs_or_has_something_to_be_given_back_stays() {
    let sandbox = web();
    sandbox.write("fake/exits", "run\n");
    fs::write(sandbox.path("vm/ada1"), []).unwrap();
    sandbox.write("web.rhai", &WEB.replace("/dev/ada1", "[tmp]/vm/ada1"));
    let mut run = sandbox.start(&["web.rhai", "--stop-within", "300ms"]);
    run.until("the guest", |sandbox| sandbox.read("state/.web.lock").contains(" + guest "));
    holds(
        &sandbox,
        "
$ vmrun remove web --yes
error: the machine web is running already: vmrun [pid], of [tmp]/web.rhai, since [when]
 |
 = hint: `vmrun stop web` stops it; what it has can be changed then
[5]
",
    );
    assert_eq!(sandbox.run(&["stop", "web"]).code, 0);
    run.wait();
    sandbox.write("fake/exits", "0\n");
    sandbox.write("fake/strike", "before SIGKILL 2 bhyvectl --destroy\n");
    sandbox.run(&["web.rhai"]);
    fs::remove_file(sandbox.path("fake/strike")).unwrap();
    let before = everything(&sandbox);
    holds(
        &sandbox,
        "
$ vmrun remove  web --yes
error: a run of web that is gone has left something
 |
 = hint: `vmrun gc` gives it back, `vmrun gc --dry-run` shows what that is
[3]
",
    );
    assert_eq!(everything(&sandbox), before);
}

#[test]
fn what_zfs_refuses_is_told_and_a_second_try_removes_the_rest() {
    let sandbox = web();
    let before = everything(&sandbox);
    sandbox.write("fake/refuse", "zfs destroy zroot/vm/web\tcannot destroy 'zroot/vm/web': dataset is busy\n");
    holds(
        &sandbox,
        "
$ vmrun remove web --yes
vmrun: stays: [tmp]/vm/boot.iso, which it only reads
vmrun: stays: /dev/ada1, which is a device
vmrun: stays: web.rhai, its recipe, which --recipe removes
error: `zfs destroy zroot/vm/web` failed with status 1: cannot destroy 'zroot/vm/web': dataset is busy
[3]
",
    );
    assert_eq!(everything(&sandbox), before);
    sandbox.write("fake/refuse", "");
    sandbox.write("fake/strike", "after SIGKILL 2 zfs destroy zroot/vm/web\n");
    assert_eq!(sandbox.run(&["remove", "web", "--yes", "--recipe"]).code, -9);
    fs::remove_file(sandbox.path("fake/strike")).unwrap();
    assert_eq!(sandbox.names("vm").len(), 4);
    holds(
        &sandbox,
        "
$ vmrun remove web --yes --recipe
vmrun: stays: [tmp]/vm/boot.iso, which it only reads
vmrun: stays: /dev/ada1, which is a device
vmrun: web is removed
[0]
",
    );
    assert_eq!((sandbox.names("vm"), sandbox.names("state")), (vec!["boot.iso".to_string(), "rom.fd".into()], vec![]));
}

#[test]
fn a_recipe_that_cannot_be_rehearsed_has_what_it_names_in_any_way() {
    let sandbox = web();
    let before = everything(&sandbox);
    for (names, kept) in [
        ("zvol(\"zroot/vm/web\", 20.GiB)", vec!["zroot/vm/web"]),
        ("zvol(`zroot/vm/${n}`, 20.GiB)", vec!["zroot/vm/web"]),
        ("disk(\"logs.img\", 2.MiB)", vec!["[tmp]/vm/logs.img"]),
        ("disk(`[tmp]/vm/${n}.img`, 2.MiB)", vec!["[tmp]/vm/web-data.img", "[tmp]/vm/logs.img"]),
        ("disk(\"[tmp]/vm/\" + n, 2.MiB)", vec!["[tmp]/vm/web-data.img", "[tmp]/vm/logs.img"]),
        ("disk(\"/srv/website.img\", 2.MiB)", vec![]),
    ] {
        sandbox.write("old.rhai", &format!("{names};\nno();\n"));
        let stays = |disk: &&str| format!("# stays: {disk}, which old.rhai, which cannot be rehearsed, has as well");
        let done = sandbox.run(&["remove", "web", "--dry-run"]);
        let told: Vec<&str> = done.stdout.lines().filter(|line| line.contains("as well")).collect();
        assert_eq!(told, kept.iter().map(stays).collect::<Vec<_>>(), "{names}");
        assert!(!done.stdout.lines().any(|line| kept.iter().any(|disk| line.ends_with(disk))), "{}", done.stdout);
    }
    fs::remove_file(sandbox.path("old.rhai")).unwrap();
    assert_eq!(everything(&sandbox), before);
}

#[test]
fn of_a_disk_that_is_a_link_only_the_link_goes() {
    let sandbox = web();
    fs::rename(sandbox.path("vm/logs.img"), sandbox.path("vm/real.img")).unwrap();
    std::os::unix::fs::symlink("real.img", sandbox.path("vm/logs.img")).unwrap();
    holds(
        &sandbox,
        "
$ vmrun remove web --yes
vmrun: stays: [tmp]/vm/real.img, to which [tmp]/vm/logs.img leads
vmrun: stays: [tmp]/vm/boot.iso, which it only reads
vmrun: stays: /dev/ada1, which is a device
vmrun: stays: web.rhai, its recipe, which --recipe removes
vmrun: web is removed
[0]
",
    );
    assert_eq!(sandbox.names("vm"), ["boot.iso", "real.img", "rom.fd"]);
}
