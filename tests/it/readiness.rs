//! What a FreeBSD lacks for a machine is said before anything happens: as warnings of a plan, as errors of a run.

use super::sandbox::{Sandbox, same};
use std::fs;

/// A host with a recipe of one machine with these slots and settings.
fn host(slots: &str, settings: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    let recipe = format!(
        "let slots = #{{ \"31\": lpc(), {slots} }};\n\
         bhyve(#{{ name: \"db\", memory: 64.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"), {settings} slots: slots }}).run();\n"
    );
    sandbox.write("db.rhai", &recipe);
    sandbox
}

/// Holds that a plan warns of what refuses a run, which then does nothing.
fn refused(sandbox: &Sandbox, expected: &str) {
    let plan = sandbox.run(&["plan", "db.rhai"]);
    same(&plan.stderr, &expected.replace("error:", "warning:"));
    assert_eq!(plan.code, 0);
    let run = sandbox.run(&["db.rhai"]);
    same(&run.stderr, expected);
    assert_eq!((run.code, run.stdout.as_str()), (3, ""));
    assert!(!sandbox.calls().contains("bhyve -c"), "{}", sandbox.calls());
    assert_eq!(sandbox.names("state"), [""; 0]);
}

/// Holds that plan and run warn, and that the guest runs.
fn warned(sandbox: &Sandbox, expected: &str) {
    for words in [&["plan", "db.rhai"][..], &["db.rhai"]] {
        let done = sandbox.run(words);
        same(&done.stderr, expected);
        assert_eq!(done.code, 0, "{words:?}");
    }
}

#[test]
fn a_host_that_is_ready_is_asked_nothing() {
    let sandbox = host("", "");
    assert_eq!(sandbox.run(&["db.rhai"]).stderr, "");
    let calls = sandbox.calls();
    let asked = |program: &str| calls.lines().any(|line| line.starts_with(program));
    assert!(!["kldstat", "pciconf", "sysctl -i", "sysctl -n hw"].iter().any(|it| asked(it)), "{calls}");
}

#[test]
fn a_kernel_without_vmm_is_told_of_and_bhyve_loads_it_if_it_can() {
    let sandbox = host("", "");
    sandbox.write("fake/modules", "");
    fs::remove_file(sandbox.path("fake/vmmctl")).unwrap();
    let expected = "
warning: the kernel has no vmm yet: bhyve tries to load it
 --> db.rhai:2:1
  |
2 | bhyve(#{ name: \"db\", memory: 64.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"),  slots: slots }).run();
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: kldload vmm, and vmm_load=\"YES\" in /boot/loader.conf
";
    same(&sandbox.run(&["plan", "db.rhai"]).stderr, expected);
    // The recipe may load it itself.
    sandbox.write("db.rhai", &format!("run(\"kldload\", [\"-n\", \"vmm\"]);\n{}", sandbox.read("db.rhai")));
    let done = sandbox.run(&["db.rhai"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
}

#[test]
fn a_serial_port_on_a_null_modem_needs_nmdm() {
    let sandbox = host("", "com1: \"/dev/nmdm70A\",");
    // The fake kernel has nmdm in it.
    assert_eq!(sandbox.run(&["plan", "db.rhai"]).stderr, "");
    sandbox.write("fake/refuse", "kldstat \tkldstat: can't find module nmdm: No such file or directory\n");
    refused(
        &sandbox,
        "
error: the kernel has no nmdm, so that /dev/nmdm70A cannot be opened
 --> db.rhai:2:91
  |
2 | bhyve(#{ name: \"db\", memory: 64.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"), com1: \"/dev/nmdm70A\", slots: slots }).run();
  |                                                                                           ^^^^^^^^^^^^^^
  |
  = hint: kldload nmdm, and nmdm_load=\"YES\" in /boot/loader.conf
",
    );
}

#[test]
fn wired_memory_is_set_against_what_programs_may_wire_and_what_is_free() {
    let sandbox = host("", "wired: true,");
    let wiring = |most: &str, free: u64| {
        let told = format!(
            "vm.max_user_wired={most}\nvm.stats.vm.v_user_wire_count=1000\nvm.stats.vm.v_free_count={free}\n\
             vm.stats.vm.v_inactive_count=10\nhw.pagesize=4096\n"
        );
        sandbox.write("fake/sysctl", &told);
    };
    wiring("17383", 100_000);
    refused(
        &sandbox,
        "
error: 64 MiB of wired memory are more than this host lets programs wire: 63.9 MiB are left
 --> db.rhai:2:30
  |
2 | bhyve(#{ name: \"db\", memory: 64.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"), wired: true, slots: slots }).run();
  |                              ^^^^^^
  |
  = hint: sysctl vm.max_user_wired=17384, also in /etc/sysctl.conf; or give the machine less
",
    );
    // -1 is what an administrator writes for no limit.
    for (most, free) in [("17384", 16384), ("18446744073709551615", 20000), ("-1", 20000)] {
        wiring(most, free);
        assert_eq!(sandbox.run(&["plan", "db.rhai"]).stderr, "", "{most} {free}");
    }
    wiring("100000", 8182);
    warned(
        &sandbox,
        "
warning: 64 MiB of wired memory are more than is free now: 32 MiB
 --> db.rhai:2:30
  |
2 | bhyve(#{ name: \"db\", memory: 64.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"), wired: true, slots: slots }).run();
  |                              ^^^^^^
  |
  = hint: others have to be swapped out, or ZFS to give up some of its cache, before the guest runs
",
    );
}

#[test]
fn a_device_of_the_host_has_to_be_ppts_and_needs_an_iommu() {
    let sandbox = host("\"5\": passthru(\"2/0/0\"), \"6\": passthru(\"ppt7\"),", "wired: true,");
    sandbox.write("fake/pci", "ix0 2/0/0\nppt7 3/0/0\n");
    sandbox.write(
        "fake/sysctl",
        "hw.vmm.iommu.enable=1\nhw.vmm.iommu.initialized=0\nhw.vmm.svm.features=0\nhw.vmm.amdvi.enable=0\n",
    );
    let used = "
error: 2/0/0 is ix0's, not ppt's
 --> db.rhai:1:34
  |
1 | let slots = #{ \"31\": lpc(), \"5\": passthru(\"2/0/0\"), \"6\": passthru(\"ppt7\"), };
  |                                  ^^^^^^^^^^^^^^^^^
  |
  = hint: pptdevs=\"2/0/0\" in /boot/loader.conf, and start the host anew; or devctl set driver -f pci0:2:0:0 ppt
";
    refused(&sandbox, used);
    sandbox.write("fake/pci", "none3 2/0/0\nppt7 3/0/0\n");
    refused(&sandbox, &used.replace("is ix0's", "has no driver"));
    sandbox.write("fake/pci", "ppt0 2/0/0\nppt7 3/0/0\n");
    assert_eq!(sandbox.run(&["plan", "db.rhai"]).stderr, "");
    // AMD's is off unless somebody switched it on; Intel's may be switched off.
    let told = [
        ("hw.vmm.iommu.enable=0\n", "hw.vmm.iommu.enable"),
        ("hw.vmm.iommu.enable=1\nhw.vmm.svm.features=1\nhw.vmm.amdvi.enable=0\n", "hw.vmm.amdvi.enable"),
    ];
    for (kernel, name) in told {
        sandbox.write("fake/sysctl", kernel);
        let expected = format!(
            "
error: this host uses no IOMMU, without which no device can be given away: {name} is 0
 --> db.rhai:1:34
  |
1 | let slots = #{{ \"31\": lpc(), \"5\": passthru(\"2/0/0\"), \"6\": passthru(\"ppt7\"), }};
  |                                  ^^^^^^^^^^^^^^^^^
  |
  = hint: {name}=1 in /boot/loader.conf, and start the host anew
"
        );
        refused(&sandbox, &expected);
    }
}

#[test]
fn inside_of_a_jail_what_it_lacks_is_said_first() {
    let sandbox = host("\"6\": virtio_net(nic),", "");
    sandbox.write("db.rhai", &format!("let nic = tap(\"tap1\");\n{}", sandbox.read("db.rhai")));
    // A jail sees neither of them unless its devfs rules say so.
    fs::remove_file(sandbox.path("fake/mem")).unwrap();
    fs::remove_file(sandbox.path("fake/vmmctl")).unwrap();
    sandbox.write("fake/sysctl", "security.jail.jailed=1\nsecurity.jail.vnet=0\n");
    let at = "
 --> db.rhai:3:1
  |
3 | bhyve(#{ name: \"db\", memory: 64.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"),  slots: slots }).run();
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
";
    let door = "error: this jail does not see [tmp]/fake/vmmctl, by which bhyve makes machines";
    let door_hint = "  = hint: on its host: allow.vmm in jail.conf(5), and devfs rules that unhide vmmctl, vmm, vmm/*, vmm.io, \
                     vmm.io/* and tap*\n";
    let network = "error: this jail has the network of its host, and can make no interfaces";
    let network_hint = "  = hint: on its host: vnet in jail.conf(5), which is set when it is made\n";
    refused(&sandbox, &format!("\n{door}{at}{door_hint}{network}{at}{network_hint}"));
    sandbox.write("fake/vmmctl", "");
    refused(&sandbox, &format!("\n{network}{at}{network_hint}"));
    sandbox.write("fake/sysctl", "security.jail.jailed=1\nsecurity.jail.vnet=1\n");
    let done = sandbox.run(&["db.rhai"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
}

#[test]
fn a_host_whose_release_is_not_known_is_told_of_once() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    sandbox.write(
        "lab.rhai",
        "bhyve(#{ name: \"lab\", memory: 64.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"), slots: #{ \"31\": lpc() } }).run();\n",
    );
    sandbox.write("fake/exits", "1\nrun\n");
    let said = |words: &[&str]| {
        let done = sandbox.finish(sandbox.command(words).env("UNAME_r", "12.1-RELEASE-p10"));
        assert_eq!(done.code, 0, "{words:?}: {}", done.stderr);
        done.stderr
    };
    let warning = "
warning: this host is FreeBSD 12.1-RELEASE-p10, which vmrun does not know: it counts as FreeBSD 14.3, the oldest that is known
 |
 = hint: its bhyve may refuse what that release has: look at `vmrun plan`, or bring the host to a release that is known; known are 14.3, 14.4, 14.5, 15.0, 15.1, 16
";
    same(&said(&["plan", "lab.rhai"]), warning);
    same(&said(&["lab.rhai"]), warning);
    for words in [&["check", "--on", "freebsd", "lab.rhai"][..], &["start", "./lab.rhai"]] {
        let text = said(words);
        assert_eq!(text.matches("12.1-RELEASE-p10").count(), 1, "{words:?}: {text}");
        assert!(text.contains(warning.trim()), "{words:?}: {text}");
    }
    for words in [&["plan", "--on", "freebsd-14.3", "lab.rhai"][..], &["check", "--on", "linux", "lab.rhai"]] {
        assert!(!said(words).contains("12.1"), "{words:?}");
    }
    assert_eq!(sandbox.run(&["kill", "lab"]).code, 0);
}

#[test]
fn a_socket_for_the_screen_at_which_somebody_listens_is_refused() {
    let sandbox = host("\"29\": fbuf(#{ rfb: \"unix:[tmp]/v\" })", "");
    let listener = std::os::unix::net::UnixListener::bind(sandbox.path("v")).unwrap();
    let expected = "
error: VNC cannot listen on the socket [tmp]/v: somebody does already
 --> db.rhai:1:48
  |
1 | let slots = #{ \"31\": lpc(), \"29\": fbuf(#{ rfb: \"unix:[tmp]/v\" }) };
  |                                                ^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: choose another path, or stop the other machine
";
    for words in [&["db.rhai"][..], &["plan", "db.rhai"]] {
        let done = sandbox.run(words);
        same(&done.stderr, expected);
        assert_eq!(done.code, 1);
    }
    // Its file alone, which a listener leaves, is in nobody's way.
    drop(listener);
    // A process that another test starts at this moment has the listener too, until it has become its program.
    let mut plans = (0..100).map(|_| sandbox.run(&["plan", "db.rhai"]));
    let last = plans.by_ref().find(|done| done.code == 0).map(|done| done.stderr);
    assert_eq!(last.as_deref(), Some(""));
}
