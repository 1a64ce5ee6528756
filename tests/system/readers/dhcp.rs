//! What DHCP servers are told, as they check it themselves.

use crate::netboot_host::{host, netboot, recipe};
use crate::sandbox::{Sandbox, project};
use std::fs;
use std::process::Command;

/// Runs the checker of a server, wherever tools/setup.sh has put it.
#[track_caller]
fn checked(sandbox: &Sandbox, program: &str, args: &[&str], says: &str) {
    let local = format!("/usr/local/share/vmrun-test/usr/sbin/{program}");
    let program = if fs::exists(&local).unwrap() { local } else { program.to_string() };
    let mut command = Command::new(&program);
    command.args(args).env("PATH", "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin").current_dir(sandbox.path(""));
    let output =
        command.output().unwrap_or_else(|why| panic!("this test needs {program} (tools/setup.sh test): {why}"));
    let said = [output.stdout.as_slice(), &output.stderr].map(String::from_utf8_lossy).concat();
    assert!(output.status.success() && said.contains(says), "{program}: {said}");
}

#[test]
fn the_lines_for_dhcpd_and_kea_pass_their_own_checks() {
    let sandbox = host();
    let openbsd = "netboot(#{ os: \"openbsd\", mirror: \"tftp://192.168.2.5/7.4\", server: \"192.168.2.6\" });\n";
    sandbox.write("report_1.rhai", &recipe("obsd", "58:9c:fc:00:00:02", openbsd));
    let args = ["dhcpd", "web.rhai", "report_1.rhai", "--server", "192.168.2.5"];
    let done = netboot(&sandbox, &args);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    assert!(done.stdout.contains("next-server 192.168.2.6;\n"), "{}", done.stdout);
    sandbox.write("dhcpd.conf", &done.stdout);
    checked(&sandbox, "dhcpd", &["-t", "-cf", "dhcpd.conf"], "Config file: dhcpd.conf");

    let done = netboot(&sandbox, &[&args[..], &["--kea"]].concat());
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    sandbox.write("kea.json", &done.stdout);
    checked(&sandbox, "kea-dhcp4", &["-t", "kea.json"], "");
}

/// The recipes of the project, as a DHCP server sees them, without their secrets.
#[test]
fn the_lines_for_dnsmasq_pass_its_own_check() {
    let sandbox = host();
    for name in ["install", "report1"] {
        sandbox.write(&format!("{name}.rhai"), &fs::read_to_string(project(&format!("recipes/{name}.rhai"))).unwrap());
    }
    let recipes = ["web.rhai", "report_1.rhai", "install.rhai", "report1.rhai"];
    let args = [&["netboot", "dnsmasq"][..], &recipes, &["--loader", "snp.efi"]].concat();
    let done = sandbox.finish(&mut sandbox.command(&args));
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    sandbox.write("dnsmasq.conf", &done.stdout);
    let conf = format!("--conf-file={}", sandbox.path("dnsmasq.conf").display());
    checked(&sandbox, "dnsmasq", &["--test", &conf], "dnsmasq: syntax check OK.");
}
