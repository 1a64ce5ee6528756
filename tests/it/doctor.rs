//! `vmrun doctor`: what is said of a host, and what mends it.

use super::sandbox::{Done, Sandbox, same};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

/// Asks on a FreeBSD whose PATH has nothing but the fake userland, and what the sandbox was given.
fn doctor(sandbox: &Sandbox, args: &[&str]) -> Done {
    let mut command = sandbox.command(&[&["doctor"], args].concat());
    sandbox.finish(command.env("PATH", sandbox.path("bin")))
}

/// What every fake FreeBSD is told on a host that is none.
const NO_FREEBSD: &str = "\
note   system         VMRUN_PLATFORM has this host count as freebsd, which it is not
                      unset VMRUN_PLATFORM
";

/// What lies in folders of the host beside it, where no package of FreeBSD is.
const NO_PACKAGES: &str = "\
wrong  firmware       the firmware /usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd is not there
                      pkg install edk2-bhyve (or bhyve-firmware) brings it
note   iPXE           iPXE is not there: /usr/local/share/ipxe/snp.efi-x86_64
                      pkg install ipxe brings it
";

#[test]
fn a_terminal_that_is_narrow_is_told_in_lines_that_it_has_room_for() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.on_terminal("stty cols 60 rows 24; vmrun doctor");
    let done = sandbox.finish(command.env("NO_COLOR", "1"));
    let text = done.stdout.replace('\r', "");
    let told: Vec<&str> = text.lines().skip_while(|line| !line.contains("`fetch`")).take(4).collect();
    same(
        &(told.join("\n") + "\n"),
        "
note   programs       `fetch` is not installed, which
                      fetches images
                      fetch is part of FreeBSD's base
                      system; is PATH right?
",
    );
    let is_narrow =
        |line: &&str| line.chars().count() <= 60 || !line[22..].contains(' ') || line.starts_with("vmrun: ");
    assert_eq!(text.lines().filter(|line| !is_narrow(line)).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn a_host_is_told_part_by_part_with_what_mends_each() {
    let sandbox = Sandbox::new();
    sandbox.write("fake/sysctls", "hw.vmm.vmx.initialized=1\n");
    for program in ["ssh", "scp", "ssh-keygen", "git", "zstd", "fetch", "vncviewer"] {
        sandbox.script(program, "");
    }
    let done = doctor(&sandbox, &[]);
    same(
        &done.stdout,
        &format!(
            "
ok     system         vmrun {} for FreeBSD 15.1, amd64
{NO_FREEBSD}ok     kernel         vmm is loaded
ok     kernel         nmdm is loaded
note   kernel         /usr/local/lib/libslirp.so.0 is not there, and bhyve needs it for slirp
                      pkg install libslirp
ok     rights         machines may be made: this is root
ok     programs       bhyve, bhyvectl, ifconfig, bhyveload, grub-bhyve, fetch, zstd, ssh, scp, ssh-keygen, git
note   programs       `qemu-img` is not installed, which reads images in the forms of other hypervisors
                      pkg install qemu-tools
note   programs       `swtpm` is not installed, which plays the TPM of a machine
                      pkg install swtpm
note   programs       `gpgv` is not installed, which verifies who signed checksums of images
                      pkg install gnupg
note   programs       `dnsmasq` is not installed, which is behind `vmrun netboot serve`
                      pkg install dnsmasq
ok     viewer         vncviewer
{NO_PACKAGES}ok     bridges        bridge2
ok     state          [tmp]/state
ok     logs           [tmp]/log, which is made when it is needed
ok     cache          [tmp]/cache, which is made when it is needed
ok     configuration  none: [tmp]/config/config.toml is not there, and need not be
ok     libraries      none: there is no vmrun.toml in this folder
ok     machines       none, and nothing is left of dead runs
",
            env!("CARGO_PKG_VERSION")
        ),
    );
    same(&done.stderr, "vmrun: 1 thing is wrong with this host; 7 notes");
    assert_eq!(done.code, 3);

    let mut command = sandbox.command(&["doctor"]);
    let coloured = sandbox.finish(command.env("PATH", sandbox.path("bin")).env("CLICOLOR_FORCE", "1")).stdout;
    assert!(coloured.contains("\n\u{1b}[31mwrong\u{1b}[0m  firmware"), "{coloured}");
    let plain = ["\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[0m"]
        .iter()
        .fold(coloured, |text, code| text.replace(code, ""));
    assert_eq!(plain, done.stdout);
}

#[test]
fn what_is_wrong_decides_the_exit_code_and_programs_read_it_as_json() {
    let sandbox = Sandbox::new();
    sandbox.write("fake/modules", "");
    sandbox.write("fake/interfaces/bridge2", "kind bridge\n");
    fs::remove_file(sandbox.path("bin/bhyvectl")).unwrap();
    sandbox.write("config/config.toml", "start = [\"web\"]\nviewer = 7\n");
    sandbox.write("config/secrets/vnc", "hunter22\n");
    fs::set_permissions(sandbox.path("config/secrets/vnc"), fs::Permissions::from_mode(0o644)).unwrap();
    sandbox.write("vmrun.toml", "[lib.net]\ngit = \"https://git.example.org/net.git\"\nrev = \"v1\"\n");
    let done = doctor(&sandbox, &["--json"]);
    let report: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((done.code, &report["code"], done.stderr.as_str()), (3, &3.into(), ""));
    let is_meant = |one: &&Value| one["health"] != "ok" && one["part"] != "programs" && one["part"] != "system";
    let told: Vec<String> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(is_meant)
        .map(|one| {
            [&one["health"], &one["part"], &one["what"], &one["way_out"]]
                .map(|it| it.as_str().unwrap_or("-"))
                .join(" | ")
        })
        .collect();
    same(
        &told.join("\n"),
        "
note | kernel | the kernel has no vmm yet: bhyve tries to load it | kldload vmm, and vmm_load=\"YES\" in /boot/loader.conf
note | kernel | /usr/local/lib/libslirp.so.0 is not there, and bhyve needs it for slirp | pkg install libslirp
note | viewer | there is no viewer for VNC: neither vncviewer, remote-viewer nor open | install one (tigervnc-viewer), or name yours: viewer = [\"vncviewer\", \"{host}:{port}\"] in config.toml
wrong | firmware | the firmware /usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd is not there | pkg install edk2-bhyve (or bhyve-firmware) brings it
note | iPXE | iPXE is not there: /usr/local/share/ipxe/snp.efi-x86_64 | pkg install ipxe brings it
note | bridges | bridge2 is down | ifconfig bridge2 up
wrong | secrets | [tmp]/config/secrets/vnc can be read by others | chmod 0600 [tmp]/config/secrets/vnc
wrong | configuration | [tmp]/config/config.toml:2:10: `viewer` is a list of texts | viewer = [\"vncviewer\", \"{host}:{port}\"]
wrong | libraries | net is not pinned | `vmrun lib sync` fetches and pins it
",
    );
}
