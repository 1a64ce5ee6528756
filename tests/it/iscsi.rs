//! Disks of iSCSI targets: their sessions are the administrator's, and a recipe names the target.

use super::host::Host;
use super::sandbox::{Sandbox, same};

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
  = hint: `iscsictl -A -p PORTAL -t iqn.a:old -w 60` logs in; /etc/iscsi.conf has what is logged in at each start of the host, and the secrets of CHAP
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
