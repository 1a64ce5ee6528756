//! `vmrun netboot`: chain scripts, and what DHCP servers are told. The servers check it themselves in `tests/system/readers/dhcp.rs`.

use super::netboot_host::{OWN, WEB, ended, host, netboot, recipe};
use super::sandbox::{project, same};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

const CHAINLOAD: [&str; 5] = ["chainload", "--out", "tftp", "web.rhai", "report_1.rhai"];

#[test]
fn chain_scripts_are_written_when_they_changed() {
    let sandbox = host();
    let wrote = "
vmrun: wrote tftp/chainload/report.ipxe
vmrun: wrote tftp/chainload/web.ipxe
";
    ended(&netboot(&sandbox, &CHAINLOAD), 0, "", wrote);
    let web = "
#!ipxe
# vmrun: made by `vmrun netboot chainload`; what is changed here is lost
kernel http://192.168.2.5/rocky/images/pxeboot/vmlinuz initrd=initrd ip=dhcp inst.repo=http://192.168.2.5/rocky || goto failed
initrd --name initrd http://192.168.2.5/rocky/images/pxeboot/initrd.img || goto failed
boot || goto failed

:failed
prompt --key s --timeout 10000 Installing failed, hit 's' for the iPXE shell; reboot in 10 seconds && shell || reboot
";
    same(&sandbox.read("tftp/chainload/web.ipxe"), web);
    let own = "#!ipxe\n# vmrun: made by `vmrun netboot chainload`; what is changed here is lost\necho hello\n";
    same(&sandbox.read("tftp/chainload/report.ipxe"), own);

    let same_again = "
vmrun: tftp/chainload/report.ipxe is up to date
vmrun: tftp/chainload/web.ipxe is up to date
";
    let before = sandbox.everything();
    ended(&netboot(&sandbox, &CHAINLOAD), 0, "", same_again);
    assert!(sandbox.everything() == before);

    sandbox.write("web.rhai", &recipe("web", "58:9c:fc:00:00:01", &WEB.replace("/rocky", "/rocky9")));
    let mixed = "
vmrun: wrote tftp/chainload/web.ipxe
vmrun: tftp/chainload/report.ipxe is up to date
";
    ended(&netboot(&sandbox, &CHAINLOAD), 0, "", mixed);
    assert!(sandbox.read("tftp/chainload/web.ipxe").contains("/rocky9/images"));
    assert_eq!(sandbox.names("tftp/chainload"), ["report.ipxe", "web.ipxe"]);
}

#[test]
fn scripts_without_a_recipe_are_named_and_removed_only_when_asked_to() {
    let sandbox = host();
    assert_eq!(netboot(&sandbox, &CHAINLOAD).code, 0);
    sandbox.write("tftp/chainload/own.ipxe", "#!ipxe\nshell\n");
    let stale = "
vmrun: tftp/chainload/web.ipxe is up to date
vmrun: tftp/chainload/report.ipxe belongs to no recipe; --prune removes it
";
    ended(&netboot(&sandbox, &["chainload", "--out", "tftp", "web.rhai"]), 0, "", stale);
    assert_eq!(sandbox.names("tftp/chainload"), ["own.ipxe", "report.ipxe", "web.ipxe"]);
    let pruned = "
vmrun: tftp/chainload/web.ipxe is up to date
vmrun: removed tftp/chainload/report.ipxe
";
    ended(&netboot(&sandbox, &["chainload", "--out", "tftp", "web.rhai", "--prune"]), 0, "", pruned);
    assert_eq!(sandbox.names("tftp/chainload"), ["own.ipxe", "web.ipxe"]);
}

/// Recipes that cannot be served, by their faults; nothing is written.
#[track_caller]
fn refused(web: &str, report: &str, code: i32, stderr: &str) {
    let sandbox = host();
    sandbox.write("web.rhai", web);
    sandbox.write("report_1.rhai", report);
    let before = sandbox.everything();
    ended(&netboot(&sandbox, &CHAINLOAD), code, "", stderr);
    assert!(sandbox.everything() == before, "something was written");
}

#[test]
fn machines_that_a_server_could_not_tell_apart_are_refused_with_both_places() {
    let web = recipe("web", "58:9c:fc:00:00:01", WEB);
    let other = |mac: &str, netboot: &str| recipe("report_1", mac, netboot);
    refused(
        &web,
        &other("58:9c:fc:00:00:02", "netboot(#{ host: \"WEB\", script: \"#!ipxe\" });\n"),
        1,
        r##"
error: two machines have the host name web: in web.rhai and in report_1.rhai
 --> report_1.rhai:1:1
  |
1 | netboot(#{ host: "WEB", script: "#!ipxe" });
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
 ::: web.rhai:1:1
  |
1 | netboot(#{ os: "rocky", mirror: "http://192.168.2.5/rocky", address: "192.168.2.50" });
  | -------------------------------------------------------------------------------------- the other one
  |
  = hint: give one of them another
"##,
    );
    refused(
        &web,
        &other("58:9C:FC:0:0:1", OWN),
        1,
        r##"
error: two machines have the MAC address 58:9c:fc:00:00:01: in web.rhai and in report_1.rhai
 --> report_1.rhai:1:1
  |
1 | netboot(#{ host: "report", script: "#!ipxe\necho hello\n" });
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
 ::: web.rhai:1:1
  |
1 | netboot(#{ os: "rocky", mirror: "http://192.168.2.5/rocky", address: "192.168.2.50" });
  | -------------------------------------------------------------------------------------- the other one
  |
  = hint: give one of them another
"##,
    );
    let same_address = "netboot(#{ host: \"report\", script: \"#!ipxe\", address: \"192.168.2.50\" });\n";
    refused(
        &web,
        &other("58:9c:fc:00:00:02", same_address),
        1,
        r##"
error: two machines have the address 192.168.2.50: in web.rhai and in report_1.rhai
 --> report_1.rhai:1:1
  |
1 | netboot(#{ host: "report", script: "#!ipxe", address: "192.168.2.50" });
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
 ::: web.rhai:1:1
  |
1 | netboot(#{ os: "rocky", mirror: "http://192.168.2.5/rocky", address: "192.168.2.50" });
  | -------------------------------------------------------------------------------------- the other one
  |
  = hint: give one of them another
"##,
    );
}

#[test]
fn what_cannot_be_a_machine_of_the_network_is_refused_where_it_is_said() {
    let web = recipe("web", "58:9c:fc:00:00:01", WEB);
    refused(
        &web,
        &recipe("report_1", "58:9c:fc:00:00:02", "netboot(#{ script: \"#!ipxe\" });\n"),
        1,
        r##"
error: DHCP has no host name "report_1": it has '_'
 --> report_1.rhai:1:1
  |
1 | netboot(#{ script: "#!ipxe" });
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: letters, digits and `-`, neither first nor last (RFC 1123); netboot(#{ host: "web1" }) gives a machine another name there than its own
"##,
    );
    refused(
        &web,
        &recipe("report_1", "58:9c:fc:00:00:02", ""),
        1,
        r#"
error: report_1.rhai: DHCP has no host name "report_1": it has '_'
 |
 = hint: letters, digits and `-`, neither first nor last (RFC 1123); netboot(#{ host: "web1" }) gives a machine another name there than its own
"#,
    );
    refused(
        &web,
        &recipe("a", "58:9c:fc:00:00:02", "netboot(#{ os: \"rocky\" });\n"),
        1,
        r#"
error: to install rocky netboot needs `mirror`
 --> report_1.rhai:1:16
  |
1 | netboot(#{ os: "rocky" });
  |                ^^^^^^^
  |
  = hint: it needs mirror
"#,
    );
    refused(
        &web,
        &recipe("a", "58:9c:fc:00:00:02", "netboot(#{ host: \"a\", address: \"fd00::1\" });\n"),
        1,
        r#"
error: "fd00::1" is no address of IP version 4
 --> report_1.rhai:1:32
  |
1 | netboot(#{ host: "a", address: "fd00::1" });
  |                                ^^^^^^^^^
  |
  = hint: write "192.168.2.50"
"#,
    );
    refused(
        &web,
        &recipe("a", "58:9c:fc:00:00:02", "netboot(#{ mirrors: \"x\" });\n"),
        1,
        r#"
error: there is no key `mirrors`
 --> report_1.rhai:1:12
  |
1 | netboot(#{ mirrors: "x" });
  |            ^^^^^^^
  |
  = hint: did you mean `mirror`?
"#,
    );
}

#[test]
fn an_install_is_one_machines() {
    let web = recipe("web", "58:9c:fc:00:00:01", WEB);
    refused(
        &web,
        "netboot(#{ script: \"#!ipxe\" });\n",
        1,
        r##"
error: an install is described, and no machine is booted
 --> report_1.rhai:1:1
  |
1 | netboot(#{ script: "#!ipxe" });
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: bhyve(#{ … }).run() boots one
"##,
    );
    let two = recipe("a", "58:9c:fc:00:00:02", OWN) + recipe("b", "58:9c:fc:00:00:03", "").as_str();
    refused(
        &web,
        &two,
        1,
        r##"
error: the recipe boots a and b: whose install is it?
 --> report_1.rhai:1:1
  |
1 | netboot(#{ host: "report", script: "#!ipxe\necho hello\n" });
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: name it: `machine: "web"`
"##,
    );
    let wrong = recipe("a", "58:9c:fc:00:00:02", "netboot(#{ machine: \"b\", script: \"#!ipxe\" });\n");
    refused(
        &web,
        &wrong,
        1,
        r##"
error: the recipe boots no machine b
 --> report_1.rhai:1:1
  |
1 | netboot(#{ machine: "b", script: "#!ipxe" });
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: it boots a
"##,
    );
    let twice = recipe("a", "58:9c:fc:00:00:02", &OWN.repeat(2));
    refused(
        &web,
        &twice,
        1,
        r##"
error: the install of a is described twice
 --> report_1.rhai:2:1
  |
2 | netboot(#{ host: "report", script: "#!ipxe\necho hello\n" });
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: say it once
"##,
    );
    let bare = "netboot(#{ host: \"a\" });\nbhyve(#{ name: \"a\", memory: 64.MiB }).run();\n";
    refused(
        &web,
        bare,
        1,
        r#"
error: the machine a has no card with a MAC address of its own
 --> report_1.rhai:1:1
  |
1 | netboot(#{ host: "a" });
  | ^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: virtio_net(nic, #{ mac: "58:9c:fc:00:00:01" }): DHCP knows machines by it
"#,
    );
}

#[test]
fn a_script_of_somebody_else_is_not_replaced() {
    let sandbox = host();
    fs::create_dir_all(sandbox.path("tftp/chainload")).unwrap();
    sandbox.write("tftp/chainload/web.ipxe", "#!ipxe\nshell\n");
    ended(
        &netboot(&sandbox, &CHAINLOAD),
        3,
        "",
        "
error: chainload/web.ipxe is there, and vmrun did not make it
 |
 = hint: move it away, or give it to the machine: netboot(#{ script: … })
",
    );
    assert_eq!(sandbox.names("tftp/chainload"), ["web.ipxe"]);
}

#[test]
fn a_recipe_that_says_nothing_of_an_install_has_its_lines_and_no_script() {
    let sandbox = host();
    sandbox.write("web.rhai", &recipe("web", "58:9c:fc:00:00:01", ""));
    ended(
        &netboot(&sandbox, &["chainload", "--out", "tftp", "web.rhai"]),
        0,
        "",
        "
warning: no recipe says how web is installed
 |
 = hint: netboot(#{ os: \"debian\", … }) says it
",
    );
    sandbox.write("empty.rhai", "print(1);\n");
    ended(
        &netboot(&sandbox, &["dnsmasq", "empty.rhai"]),
        0,
        "# vmrun netboot dnsmasq\ndhcp-match=set:vmrun-ipxe,175\ndhcp-match=set:vmrun-efi64,option:client-arch,7\n\
         dhcp-match=set:vmrun-efi64,option:client-arch,9\n",
        "
warning: the recipe empty.rhai boots no machine
 |
 = hint: a machine is bhyve(#{ … }).run()
",
    );
}

/// The recipes of the project, as a DHCP server sees them, without their secrets.
#[test]
fn the_lines_for_dnsmasq_are_of_every_recipe() {
    let sandbox = host();
    for name in ["install", "report1"] {
        sandbox.write(&format!("{name}.rhai"), &fs::read_to_string(project(&format!("recipes/{name}.rhai"))).unwrap());
    }
    let args =
        ["netboot", "dnsmasq", "web.rhai", "report_1.rhai", "install.rhai", "report1.rhai", "--loader", "snp.efi"];
    let done = sandbox.finish(&mut sandbox.command(&args));
    let expected = "
# vmrun netboot dnsmasq
dhcp-match=set:vmrun-ipxe,175
dhcp-match=set:vmrun-efi64,option:client-arch,7
dhcp-match=set:vmrun-efi64,option:client-arch,9
dhcp-host=58:9c:fc:00:00:01,set:vmrun-host-web,192.168.2.50,web
dhcp-boot=tag:vmrun-host-web,tag:vmrun-ipxe,chainload/web.ipxe
dhcp-boot=tag:vmrun-host-web,tag:!vmrun-ipxe,tag:vmrun-efi64,snp.efi
dhcp-host=58:9c:fc:00:00:02,set:vmrun-host-report,report
dhcp-boot=tag:vmrun-host-report,tag:vmrun-ipxe,chainload/report.ipxe
dhcp-boot=tag:vmrun-host-report,tag:!vmrun-ipxe,tag:vmrun-efi64,snp.efi
dhcp-host=00:0c:29:a5:19:b9,set:vmrun-host-install,install
dhcp-boot=tag:vmrun-host-install,tag:vmrun-ipxe,chainload/install.ipxe
dhcp-boot=tag:vmrun-host-install,tag:!vmrun-ipxe,tag:vmrun-efi64,snp.efi
dhcp-host=00:0c:29:f9:6d:4e,set:vmrun-host-report1,report1
dhcp-boot=tag:vmrun-host-report1,tag:vmrun-ipxe,chainload/report1.ipxe
dhcp-boot=tag:vmrun-host-report1,tag:!vmrun-ipxe,tag:vmrun-efi64,snp.efi
";
    ended(&done, 0, expected, "");
}

#[test]
fn only_a_bridge_of_ours_is_served_unless_it_is_said_twice() {
    let sandbox = host();
    sandbox.script("dnsmasq", "exit 1");
    sandbox.write("fake/interfaces/bridge3", "kind bridge\nup yes\ngroup vmrun\n");
    sandbox.write("fake/interfaces/bridge4", "kind bridge\nup yes\ngroup vmrun\ninet 10.0.0.1/24\n");
    let serves = |words: &[&str], code: i32, stderr: &str| {
        let done = netboot(&sandbox, &[&["serve", "web.rhai"], words].concat());
        same(&done.stderr, stderr);
        assert_eq!((done.code, done.stdout.as_str()), (code, ""));
        assert_eq!(sandbox.names("state"), [""; 0]);
    };
    serves(
        &["--bridge", "bridge9"],
        3,
        r"
error: the interface bridge9 is not there
 |
 = hint: bridges that vmrun made: bridge3, bridge4
",
    );
    serves(
        &["--bridge", "bridge2"],
        3,
        r"
error: vmrun did not make bridge2: it may have a DHCP server already
 |
 = hint: if it shall be served all the same: --interface bridge2 --yes
",
    );
    serves(
        &["--bridge", "em0"],
        3,
        r"
error: em0 is not a bridge
 |
 = hint: --interface em0 --yes serves it
",
    );
    serves(
        &["--interface", "em0"],
        3,
        r"
error: em0 is not a bridge that vmrun made: it may have a DHCP server already
 |
 = hint: if it shall be served all the same: --interface em0 --yes
",
    );
    serves(
        &["--bridge", "bridge3"],
        3,
        r#"
error: bridge3 has no address to serve from
 |
 = hint: bridge("bridge3", #{ create: true, address: "192.168.2.5/24" })
"#,
    );
    serves(
        &["--bridge", "bridge4"],
        1,
        r"
error: web's address 192.168.2.50 is not in bridge4's network, 10.0.0.1/24
 |
 = hint: correct `address` in its recipe, or serve on another bridge
",
    );
    sandbox.write("fake/interfaces/bridge4", "kind bridge\nup yes\ngroup vmrun\ninet 192.168.2.5/24\n");
    serves(
        &["--bridge", "bridge4", "--tftp", "tftp"],
        3,
        r"
error: [tmp]/tftp/chainload/web.ipxe is not what the recipes say
 |
 = hint: vmrun netboot chainload RECIPES… --out [tmp]/tftp
",
    );
}

/// A server that says what it was given and serves until it is ended.
const SERVER: &str = "#!/bin/sh\necho \"$@\" >&2; cat \"${1#--conf-file=}\" >given; ls \"$(dirname \"${1#--conf-file=}\")/tftp/chainload\" >>given\nexec sleep 60\n";

#[test]
fn a_server_ends_with_us_and_leaves_nothing() {
    let sandbox = host();
    sandbox.write("fake/interfaces/bridge4", "kind bridge\nup yes\ngroup vmrun\ninet 192.168.2.5/24\n");
    let program = |text: &str| {
        let _ = fs::remove_file(sandbox.path("bin/dnsmasq"));
        sandbox.write("bin/dnsmasq", text);
        fs::set_permissions(sandbox.path("bin/dnsmasq"), fs::Permissions::from_mode(0o755)).unwrap();
    };
    program(SERVER);
    for signal in ["INT", "TERM"] {
        let _ = fs::remove_file(sandbox.path("given"));
        let mut running = sandbox.start(&["netboot", "serve", "web.rhai", "--bridge", "bridge4"]);
        running.until("the server", |sandbox| sandbox.read("given").contains("web.ipxe\n"));
        running.signal(signal);
        let done = running.wait();
        assert_eq!((done.code, done.stdout.as_str()), (0, ""), "{}", done.stderr);
        assert!(done.stderr.starts_with("vmrun: serving bridge4; Ctrl-C ends it\n"), "{}", done.stderr);
        assert!(done.stderr.ends_with("dnsmasq.conf --keep-in-foreground --log-facility=-\n"), "{}", done.stderr);
        assert!(
            sandbox
                .read("given")
                .contains("interface=bridge4\ndhcp-range=192.168.2.1,192.168.2.254,255.255.255.0,10m\n")
        );
        assert_eq!(sandbox.names("state"), [""; 0]);
    }
    program("#!/bin/sh\necho 'dnsmasq: failed to bind DHCP server socket: Address already in use' >&2\nexit 2\n");
    let done = netboot(&sandbox, &["serve", "web.rhai", "--bridge", "bridge4"]);
    let expected = "
vmrun: serving bridge4; Ctrl-C ends it
dnsmasq: failed to bind DHCP server socket: Address already in use
error: `dnsmasq` ended with status 2
 |
 = hint: its last words: dnsmasq: failed to bind DHCP server socket: Address already in use
";
    ended(&done, 3, "", expected);
    assert_eq!(sandbox.names("state"), [""; 0]);
    // Without it nothing is begun.
    fs::remove_file(sandbox.path("bin/dnsmasq")).unwrap();
    for tool in ["mkdir", "rm"] {
        symlink(format!("/bin/{tool}"), sandbox.path("bin").join(tool)).unwrap();
    }
    let mut command = sandbox.command(&["netboot", "serve", "web.rhai", "--bridge", "bridge4"]);
    let done = sandbox.finish(command.env("PATH", sandbox.path("bin")));
    ended(&done, 3, "", "error: `dnsmasq` is not installed\n |\n = hint: pkg install dnsmasq brings it\n");
}

#[test]
fn dhcpd_has_to_be_told_who_has_the_files() {
    let sandbox = host();
    let nobody = "
error: nothing says who has the boot files of web
 |
 = hint: netboot(#{ server: \"192.168.2.5\" }) in its recipe, or --server 192.168.2.5
";
    ended(&netboot(&sandbox, &["dhcpd", "web.rhai"]), 1, "", nobody);
    ended(&netboot(&sandbox, &["dhcpd", "--kea", "web.rhai"]), 1, "", nobody);
    let loader = "
error: --loader: \"a b\" is no name of a file
 |
 = hint: letters, digits, `.`, `_`, `-` and `/`: ipxe.efi
";
    ended(&netboot(&sandbox, &["dhcpd", "web.rhai", "--loader", "a b"]), 2, "", loader);
}
