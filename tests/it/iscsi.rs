//! Disks of iSCSI targets: their sessions are the administrator's, and a recipe names the target.

use super::host::{Host, ended, kill};
use super::sandbox::{Sandbox, same};
use std::fs;

/// A machine with such a disk.
fn host(disk: &str) -> Host {
    let host = Host::new("run\n");
    host.has("iscsictl");
    let machine = "bhyve(#{ name: \"web\", memory: 64.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"),\n    slots: #{ \"0\": hostbridge(), \"4\": virtio_blk(disk), \"31\": lpc() } }).run();\n";
    host.write("web.rhai", &host.own(&format!("let disk = iscsi({disk});\n{machine}")));
    host.write(
        "fake/iscsi",
        "iqn.a:web\t10.0.0.30\tConnected\t0:da3\t5:da4\niqn.a:web\t10.0.0.31\tConnected\t0:da5\niqn.a:db\t10.0.0.30\tWaiting for iscsid(8)\n\
         iqn.a:new\t10.0.0.30\tConnected\t0:probe0\n",
    );
    host
}

/// The device that a recipe has, which is not there: no target is behind these sessions.
fn device(host: &Host) -> String {
    let done = host.run(&["plan", "web.rhai"]);
    let rest = done.stderr.strip_prefix("error: the disk ").and_then(|rest| rest.split_once(" is not there"));
    rest.unwrap_or_else(|| panic!("{done:?}")).0.to_string()
}

#[test]
fn a_disk_of_a_target_is_the_device_of_its_session() {
    let disk = |arguments: &str| device(&host(arguments));
    assert_eq!(disk("\"iqn.a:web\", #{ portal: \"10.0.0.30\" }"), "/dev/da3");
    assert_eq!(disk("\"iqn.a:web\", #{ portal: \"10.0.0.30\", lun: 5 }"), "/dev/da4");
    let host = host("\"iqn.a:web\", #{ portal: \"10.0.0.31\" }");
    assert_eq!(device(&host), "/dev/da5");
    assert!(host.calls().lines().any(|line| line == "iscsictl --libxo json -L"), "{}", host.calls());
}

#[test]
fn a_machine_whose_session_is_not_there_is_refused_before_anything_happens() {
    let host = host("\"iqn.a:old\"");
    for command in ["plan", "run"] {
        let done = host.run(&[command, "web.rhai"]);
        same(
            &done.stderr,
            "
error: there is no iSCSI session of iqn.a:old
 --> web.rhai:1:18
  |
1 | let disk = iscsi(\"iqn.a:old\");
  |                  ^^^^^^^^^^^
  |
  = hint: `login: true` has vmrun log in, and out; `iscsictl -A -p PORTAL -t iqn.a:old -w 60` does it by hand; /etc/iscsi.conf has what is logged in at each start of the host, and the secrets of CHAP
",
        );
        assert_eq!(done.code, 3);
    }
}

#[test]
fn each_fault_of_a_session_has_its_way_out() {
    for (arguments, message, hint) in [
        (
            "\"iqn.a:web\"",
            "there are 2 iSCSI sessions of iqn.a:web",
            "say which one: `portal: \"10.0.0.30\"`; they are 10.0.0.30, 10.0.0.31",
        ),
        (
            "\"iqn.a:web\", #{ portal: \"10.0.0.31\", lun: 1 }",
            "the iSCSI target iqn.a:web has no disk as LUN 1",
            "it has LUN 0",
        ),
        (
            "\"iqn.a:db\"",
            "the iSCSI session of iqn.a:db is not connected: \"Waiting for iscsid(8)\"",
            "`service iscsid status` tells whether iscsid(8) runs, and `iscsictl -L -v` what failed",
        ),
        (
            "\"iqn.a:new\"",
            "the iSCSI target iqn.a:new has no disk as LUN 0",
            "it has none that is ready: try again in a moment",
        ),
        (
            "\"web\"",
            "\"web\" is no name of an iSCSI target: it begins with none of `iqn.`, `eui.` and `naa.`",
            "\"iqn.2012-06.com.example:target0\", as its server calls it",
        ),
        ("\"iqn.a:web\", #{ lun: -1 }", "-1 is no LUN", "a number from 0 on, as `iscsictl -L -v` shows it"),
    ] {
        let done = host(arguments).run(&["run", "web.rhai"]);
        assert!(
            done.stderr.starts_with(&format!("error: {message}\n"))
                && done.stderr.ends_with(&format!("  = hint: {hint}\n")),
            "{arguments}: {done:?}"
        );
        assert_ne!(done.code, 0);
    }
}

#[test]
fn a_check_needs_no_session() {
    let host = host("\"iqn.a:old\", #{ lun: 2 }");
    let done = host.run(&["check", "web.rhai"]);
    same(&done.stderr, "vmrun: nothing is wrong with 1 recipe, after 3 rehearsals");
    assert_eq!(done.code, 0);
}

#[test]
fn a_disk_of_vm_bhyve_is_that_of_its_target_and_one_that_names_none_is_to_be_finished() {
    let host = host("\"iqn.a:web\"");
    let imported = |name: &str| {
        let disk = format!("disk0_type=\"virtio-blk\"\ndisk0_dev=\"iscsi\"\ndisk0_name=\"{name}\"\n");
        host.write("g1.conf", &format!("loader=\"uefi\"\ncpu=1\nmemory=512M\n{disk}"));
        host.run(&["import", "g1.conf"])
    };
    for (name, word) in [
        ("iqn.a:web", "let disk = iscsi(\"iqn.a:web\");\n"),
        ("iqn.a:web/0", "let disk = iscsi(\"iqn.a:web\");\n"),
        ("iqn.a:web/3", "let disk = iscsi(\"iqn.a:web\", #{ lun: 3 });\n"),
    ] {
        let done = imported(name);
        assert!(done.code == 0 && done.stdout.contains(word), "{done:?}");
        assert!(done.stderr.ends_with("vmrun: same machine\n"), "{done:?}");
    }
    let done = imported("target0");
    assert!(
        done.code == 1 && done.stdout.contains("let disk = param(\"disk\", \"/dev/iscsi/target0/0\");\n"),
        "{done:?}"
    );
    let told = "error: the disk of the iSCSI target target0/0 is not known: it is so while it is there only\n |\n \
                = hint: see `iscsictl -L`, and run the recipe with `--set disk=/dev/daN`\n";
    assert!(done.stderr.ends_with(told), "{done:?}");
}

#[test]
fn of_a_host_that_is_not_here_the_device_is_assumed_and_that_is_told() {
    let sandbox = Sandbox::new();
    sandbox.write("web.rhai", "let root = iscsi(\"iqn.a:web\");\nrun(\"ls\", [root]);\n");
    let done = sandbox.run(&["plan", "web.rhai", "--on", "freebsd-15"]);
    assert_eq!((done.code, done.stdout.as_str()), (0, "umask 026\nls /dev/iscsi/iqn.a:web/0\n"));
    same(
        &done.stderr,
        "
warning: the device of an iSCSI disk is not known here, and is assumed to be /dev/iscsi/iqn.a:web/0
 --> web.rhai:1:18
  |
1 | let root = iscsi(\"iqn.a:web\");
  |                  ^^^^^^^^^^^
  |
  = hint: the run itself will find the right one
",
    );
}

const LOGIN: &str = "\"iqn.a:web\", #{ portal: \"10.0.0.30\", login: true }";

/// A host on which nobody has logged in, with a machine whose boots go so; its target is there.
fn logs_in(disk: &str, exits: &str) -> Host {
    let host = host(disk);
    fs::write(host.path("vm/rom.fd"), [0; 4096]).unwrap();
    fs::write(host.path("vm/da3"), vec![0; 1 << 20]).unwrap();
    host.write("fake/exits", exits);
    host.write("fake/iscsi", "iqn.a:db\t10.0.0.30\tConnected\t0:da9\n");
    host.write(
        "fake/iscsi-targets",
        &format!("iqn.a:web\t10.0.0.30\tConnected\t0:probe0>..{}\n", host.path("vm/da3").display()),
    );
    host
}

/// The calls of iscsictl that change something.
fn changes(host: &Host) -> Vec<String> {
    let is_change = |line: &&str| line.starts_with("iscsictl -A") || line.starts_with("iscsictl -R");
    host.calls().lines().filter(is_change).map(String::from).collect()
}

const BOTH: [&str; 2] = ["iscsictl -A -p 10.0.0.30 -t iqn.a:web", "iscsictl -R -p 10.0.0.30 -t iqn.a:web"];
const OF_OTHERS: &str = "iqn.a:db\t10.0.0.30\tConnected\t0:da9\n";

#[test]
fn a_run_logs_in_boots_from_the_disk_and_logs_out() {
    let host = logs_in(LOGIN, "0\n1\n");
    let done = host.run(&["run", "web.rhai"]);
    same(&done.stderr, "vmrun: the guest rebooted; starting it again");
    assert_eq!((done.code, changes(&host)), (0, BOTH.map(String::from).to_vec()));
    assert_eq!(host.read("fake/iscsi"), OF_OTHERS);
    host.is_clean();
}

#[test]
fn a_plan_says_that_it_logs_in_and_changes_nothing() {
    let host = logs_in(LOGIN, "");
    let done = host.run(&["plan", "web.rhai"]);
    same(
        &done.stderr,
        "
warning: the device of an iSCSI disk is not known here, and is assumed to be /dev/iscsi/iqn.a:web/0
 --> web.rhai:1:18
  |
1 | let disk = iscsi(\"iqn.a:web\", #{ portal: \"10.0.0.30\", login: true });
  |                  ^^^^^^^^^^^
  |
  = hint: the run itself will find the right one
",
    );
    same(
        &done.stdout,
        "
umask 026
iscsictl -A -p 10.0.0.30 -t iqn.a:web
bhyve -c 1 -m 64M -s 0,hostbridge -s 4,virtio-blk,/dev/iscsi/iqn.a:web/0 -s 31,lpc -l bootrom,[tmp]/vm/rom.fd web
# given back when the run ends:
bhyvectl --destroy --vm=web
iscsictl -R -p 10.0.0.30 -t iqn.a:web
",
    );
    assert_eq!((done.code, changes(&host)), (0, vec![]));
}

#[test]
fn a_session_that_is_there_is_left_there() {
    let host = logs_in(LOGIN, "1\n");
    let there = format!("{OF_OTHERS}iqn.a:web\t10.0.0.30:3260\tConnected\t0:..{}\n", host.path("vm/da3").display());
    host.write("fake/iscsi", &there);
    let done = host.run(&["run", "web.rhai"]);
    same(&done.stderr, "");
    assert_eq!(
        (done.code, changes(&host), host.read("fake/iscsi")),
        (0, vec![], there.replace(&host.own("[tmp]"), "[tmp]"))
    );
}

#[test]
fn what_a_killed_run_has_made_is_ended_by_gc_and_by_the_next_start() {
    // A command that has begun goes on without who called it.
    for (when, call) in
        [("before", BOTH[0]), ("after", BOTH[0]), ("before", "bhyve"), ("before", BOTH[1]), ("after", BOTH[1])]
    {
        let host = logs_in(LOGIN, "1\n1\n");
        let killed = |host: &Host| {
            host.write("fake/log", "");
            host.write("fake/strike", &format!("{when} SIGKILL 1 {call}\n"));
            let done = host.run(&["run", "web.rhai"]);
            fs::remove_file(host.path("fake/strike")).unwrap();
            assert_ne!(done.code, 0, "{when} {call}: {done:?}");
        };
        killed(&host);
        let done = host.run(&["gc"]);
        assert_eq!((done.code, host.read("fake/iscsi").contains("\niqn.a:web")), (0, false), "{when} {call}: {done:?}");
        assert!(call == BOTH[1] || done.stdout.contains(BOTH[1]), "{when} {call}: {done:?}");
        host.is_clean();
        killed(&host);
        let done = host.run(&["run", "web.rhai"]);
        assert_eq!((done.code, host.read("fake/iscsi").as_str()), (0, OF_OTHERS), "{when} {call}: {done:?}");
        host.is_clean();
    }
}

#[test]
fn what_has_not_come_in_time_is_told_and_the_session_ended() {
    for (targets, message, hint) in [
        (
            "",
            "the iSCSI session of iqn.a:web is not connected: \"Waiting for iscsid(8)\"",
            "`service iscsid status` tells whether iscsid(8) runs, and `iscsictl -L -v` what failed",
        ),
        (
            "iqn.a:web\t10.0.0.30\tAuthentication failed\n",
            "the iSCSI session of iqn.a:web is not connected: \"Authentication failed\"",
            "`service iscsid status` tells whether iscsid(8) runs, and `iscsictl -L -v` what failed",
        ),
        ("iqn.a:web\t10.0.0.30\tConnected\t1:da3\n", "the iSCSI target iqn.a:web has no disk as LUN 0", "it has LUN 1"),
    ] {
        let host = logs_in("\"iqn.a:web\", #{ portal: \"10.0.0.30\", login: true, within: \"1s\" }", "");
        host.write("fake/iscsi-targets", targets);
        let done = host.run(&["run", "web.rhai"]);
        let told = format!(
            "
error: {message}
 --> web.rhai:1:18
  |
1 | let disk = iscsi(\"iqn.a:web\", #{{ portal: \"10.0.0.30\", login: true, within: \"1s\" }});
  |                  ^^^^^^^^^^^
  |
  = hint: {hint}
"
        );
        same(&done.stderr, &told);
        assert_eq!(
            (done.code, changes(&host), host.read("fake/iscsi").as_str()),
            (3, BOTH.map(String::from).to_vec(), OF_OTHERS)
        );
        host.is_clean();
    }
}

#[test]
fn by_a_nickname_the_secrets_stay_in_iscsi_conf() {
    let disk = "\"iqn.a:web\", #{ portal: \"10.0.0.30\", login: \"shop\" }";
    let host = logs_in(disk, "1\n");
    host.write("fake/iscsi.conf", "shop\tiqn.a:web\t10.0.0.30\n");
    let done = host.run(&["run", "web.rhai"]);
    same(&done.stderr, "");
    assert_eq!((done.code, changes(&host)), (0, vec!["iscsictl -A -n shop".into(), "iscsictl -R -n shop".into()]));
    assert_eq!(host.read("fake/iscsi"), OF_OTHERS);
    host.is_clean();
    let told = |message: &str, hint: &str| {
        format!(
            "
error: {message}
 --> web.rhai:1:{}
  |
1 | let disk = iscsi({disk});
  |                  {}
{hint}",
            18, "^^^^^^^^^^^",
        )
    };
    host.write("fake/iscsi.conf", "shop\tiqn.a:old\t10.0.0.30\n");
    let done = host.run(&["run", "web.rhai"]);
    let hint = "  |\n  = hint: what it has as TargetName and TargetAddress is to be iqn.a:web and 10.0.0.30, as in the recipe\n";
    same(&done.stderr, &told("shop of /etc/iscsi.conf is not the iSCSI session of iqn.a:web at 10.0.0.30", hint));
    assert_eq!((done.code, host.read("fake/iscsi").as_str()), (3, OF_OTHERS));
    host.write("fake/iscsi.conf", "");
    let done = host.run(&["run", "web.rhai"]);
    assert!(done.stderr.contains("iscsictl: target shop not found in /etc/iscsi.conf"), "{done:?}");
    host.is_clean();
}

#[test]
fn the_session_of_another_machine_is_not_used_since_it_ends_with_that() {
    let host = logs_in(LOGIN, "run\nrun\n");
    assert_eq!(host.run(&["start", "web.rhai"]).code, 0);
    let text = host.read("web.rhai").replace("name: \"web\"", "name: \"db\"");
    for (name, login) in [("db.rhai", ", login: true"), ("plain.rhai", "")] {
        host.write(name, &host.own(&text.replace(", login: true", login)));
        let done = host.run(&["run", name]);
        same(
            &done.stderr,
            &format!(
                "
error: the iSCSI session of iqn.a:web at 10.0.0.30 is of the machine web, and ends with it
 --> {name}:1:18
  |
1 | let disk = iscsi(\"iqn.a:web\", #{{ portal: \"10.0.0.30\"{login} }});
  |                  ^^^^^^^^^^^
  |
  = hint: `vmrun stop web`, or log in yourself for both: a session that vmrun finds is left as it is
"
            ),
        );
        assert_eq!(done.code, 5);
    }
    assert_eq!(host.run(&["kill", "web"]).code, 0);
    assert_eq!(host.read("fake/iscsi"), OF_OTHERS);
    host.is_clean();
}

#[test]
fn a_machine_in_the_background_is_adopted_with_its_session() {
    let host = logs_in(LOGIN, "run\n");
    assert_eq!(host.run(&["start", "web.rhai"]).code, 0);
    kill(host.status("web").unwrap().supervisor.unwrap());
    assert!(host.run(&["gc"]).stdout.contains("goes on"), "its guest lives");
    assert!(host.read("fake/iscsi").contains("iqn.a:web"));
    assert_eq!(host.run(&["adopt", "web"]).code, 0);
    assert_eq!(host.run(&["kill", "web"]).code, 0);
    assert_eq!((changes(&host), host.read("fake/iscsi").as_str()), (BOTH.map(String::from).to_vec(), OF_OTHERS));
    host.is_clean();
}

#[test]
fn a_session_that_the_administrator_has_ended_meanwhile_is_gone_already() {
    let host = logs_in(LOGIN, "run\n");
    assert_eq!(host.run(&["start", "web.rhai"]).code, 0);
    host.write("fake/iscsi", OF_OTHERS);
    assert_eq!(host.run(&["kill", "web"]).code, 0);
    let told = "vmrun: the iSCSI session of iqn.a:web at 10.0.0.30 is gone already: it counts as given back\n";
    assert!(host.log("web").contains(told), "{}", host.log("web"));
    host.is_clean();
}

#[test]
fn what_is_wrong_with_a_login_is_told_before_anything_happens() {
    for (options, message, hint) in [
        ("login: true", "a login at iqn.a:web needs its portal", "`portal: \"10.0.0.30\"`, the address of its server"),
        (
            "portal: \"10.0.0.30 -w\", login: true",
            "\"10.0.0.30 -w\" is no portal of an iSCSI target: it has ' '",
            "an address or a name, and a port where it is not 3260: \"10.0.0.30\", \"[fd00::30]:3261\"",
        ),
        (
            "portal: \"10.0.0.30\", login: \"a b\"",
            "\"a b\" is no nickname of /etc/iscsi.conf",
            "letters, digits, `.`, `_` and `-`, as they stand there before `{`",
        ),
        (
            "portal: \"10.0.0.30\", login: 7",
            "expected true, false or a nickname of /etc/iscsi.conf, got a number",
            "write `iscsi(",
        ),
        ("portal: \"10.0.0.30\", login: true, within: \"soon\"", "\"soon\" is no time", "write 60s, 2m or 500ms"),
    ] {
        let host = logs_in(&format!("\"iqn.a:web\", #{{ {options} }}"), "");
        let done = host.run(&["run", "web.rhai"]);
        assert!(done.stderr.starts_with(&format!("error: {message}\n")), "{done:?}");
        assert!(done.stderr.contains(hint), "{done:?}");
        assert_eq!(changes(&host), [""; 0]);
    }
}

#[test]
fn on_linux_it_is_a_record_of_iscsiadm_and_the_link_is_known_before() {
    let sandbox = Sandbox::new();
    sandbox.write("web.rhai", &format!("let root = iscsi({LOGIN});\nrun(\"ls\", [root]);\n"));
    let done = sandbox.run(&["plan", "web.rhai", "--on", "linux"]);
    same(&done.stderr, "");
    same(
        &done.stdout,
        "
umask 026
iscsiadm -m node -T iqn.a:web -p 10.0.0.30 --login
ls /dev/disk/by-path/ip-10.0.0.30:3260-iscsi-iqn.a:web-lun-0
# given back when the run ends:
iscsiadm -m node -T iqn.a:web -p 10.0.0.30 --logout
",
    );
    sandbox.write("web.rhai", "iscsi(\"iqn.a:web\", #{ portal: \"10.0.0.30\", login: \"shop\" });\n");
    let done = sandbox.run(&["plan", "web.rhai", "--on", "linux"]);
    same(
        &done.stderr,
        "
error: iscsiadm(8) knows no nicknames: its record of a target has the secrets of CHAP
 --> web.rhai:1:51
  |
1 | iscsi(\"iqn.a:web\", #{ portal: \"10.0.0.30\", login: \"shop\" });
  |                                                   ^^^^^^
  |
  = hint: `login: true`, and node.session.auth.* in /etc/iscsi/iscsid.conf before `iscsiadm -m discovery` makes the record
",
    );
}

/// A Linux with open-iscsi, which has a record of the target, and brings the link of its disk a moment after the login.
fn linux() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.script(
        "iscsiadm",
        r#"echo "iscsiadm $*" >>calls
case "$*" in
"-m session") test -s sessions && exec cat sessions; echo "iscsiadm: No active sessions." >&2; exit 21;;
"-m node -T iqn.a:web -p 10.0.0.30 --login")
    echo "tcp: [1] 10.0.0.30:3260,1 iqn.a:web (non-flash)" >sessions
    (sleep 0.4; echo ip-10.0.0.30:3260-iscsi-iqn.a:web-lun-0 >links) >&- 2>&- & ;;
"-m node -T iqn.a:web -p 10.0.0.30 --logout") rm -f sessions links;;
*) echo "iscsiadm: No records found" >&2; exit 21;;
esac"#,
    );
    sandbox.script("ls", r#"test "$*" = /dev/disk/by-path || exec /bin/ls "$@"; exec cat links"#);
    sandbox.write("web.rhai", &format!("let root = iscsi({LOGIN});\nprint(run(\"echo\", [root]));\n"));
    sandbox
}

#[test]
fn on_linux_a_run_logs_in_waits_for_the_link_and_logs_out() {
    let sandbox = linux();
    let run = |arguments: &[&str]| sandbox.finish(sandbox.command(arguments).env("VMRUN_PLATFORM", "linux"));
    let done = run(&["run", "web.rhai"]);
    same(&done.stderr, "");
    same(&done.stdout, "/dev/disk/by-path/ip-10.0.0.30:3260-iscsi-iqn.a:web-lun-0");
    let calls = "iscsiadm -m node -T iqn.a:web -p 10.0.0.30 --login\niscsiadm -m node -T iqn.a:web -p 10.0.0.30 --logout\niscsiadm -m session\n";
    assert_eq!((done.code, sandbox.read("calls").as_str()), (0, calls));
    assert!(!sandbox.path("sessions").exists());
    // A target of which there is no record.
    let text = sandbox.read("web.rhai").replace("iqn.a:web", "iqn.a:old");
    sandbox.write("old.rhai", &text);
    let done = run(&["run", "old.rhai"]);
    same(
        &done.stderr,
        "
error: `iscsiadm -m node -T iqn.a:old -p 10.0.0.30 --login` failed with status 21: iscsiadm: No records found
 --> old.rhai:1:12
  |
1 | let root = iscsi(\"iqn.a:old\", #{ portal: \"10.0.0.30\", login: true });
  |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: `iscsiadm -m discovery -t sendtargets -p 10.0.0.30` makes the records of what it serves
",
    );
    assert_eq!(done.code, 3);
}

#[test]
fn a_disk_of_a_target_is_nothing_that_vmrun_copies() {
    let host = logs_in(LOGIN, "");
    for (command, code, told) in [
        (
            &["clone", "web", "wen"][..],
            1,
            "error: /dev/iscsi/iqn.a:web/0 would become /dev/iscsi/iqn.a:wen/0, which is no copy of it\n |\n \
             = hint: a device is copied by what provides it: clone without it, and give the clone another\n",
        ),
        (
            &["export", "web", "web.tar"][..],
            3,
            "error: /dev/iscsi/iqn.a:web/0 is a device of this host, and nothing that another one has\n |\n \
             = hint: copy it to a file or a volume, and name that in the recipe\n",
        ),
        (
            &["resize", "web", "4", "1G"][..],
            1,
            "error: /dev/iscsi/iqn.a:web/0 is a device, and has the size that it has\n |\n \
             = hint: what provides it makes it larger\n",
        ),
        (
            &["snapshot", "web"][..],
            3,
            "error: web has no disk of which there can be a snapshot\n |\n \
             = hint: /dev/iscsi/iqn.a:web/0 is left out: a device has no snapshots\n",
        ),
    ] {
        ended(&host.run(command), code, told);
    }
    assert_eq!((changes(&host), host.read("fake/iscsi").as_str()), (vec![], OF_OTHERS));
}

#[test]
fn whoever_interrupts_a_login_has_no_session_left() {
    let host = logs_in(LOGIN, "");
    host.write("fake/iscsi-targets", "");
    let mut run = host.start(&["run", "web.rhai"]);
    run.until("the login", |host| host.calls().contains(BOTH[0]));
    run.signal("INT");
    let done = run.wait();
    assert_eq!((done.code, changes(&host)), (130, BOTH.map(String::from).to_vec()), "{done:?}");
    assert_eq!(host.read("fake/iscsi"), OF_OTHERS);
    host.is_clean();
}
