//! Serial consoles of real guests under QEMU.

use super::guest::{bootable, end};
use super::story::Root;
use super::{FIRMWARE, SOON, World, read, utf8, wait_for};
use crate::terminal::Terminal;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

/// A world whose machine ends with the test.
struct Host(World);

impl Drop for Host {
    fn drop(&mut self) {
        end(&self.0, "guest");
    }
}

impl Host {
    /// Runs vmrun to its end, and returns what it said.
    fn vmrun(&self, args: &[&str]) -> (Option<i32>, String) {
        let outcome = self.0.start("vmrun", self.0.vmrun().args(args).stdin(Stdio::null())).ends(FIRMWARE);
        assert_eq!(outcome.stdout, "");
        (outcome.code, outcome.stderr)
    }
}

/// Logs in, and waits for the prompt of its shell.
fn log_in(terminal: &mut Terminal) {
    terminal.types("root\r");
    terminal.shows("Password: ", SOON);
    terminal.types("sesame\r");
    terminal.shows("# ", SOON);
}

#[test]
fn a_linux_is_logged_into_restarted_and_powered_off_at_its_console() {
    let host = Host(World::new());
    let slots = format!(
        "\"1\": nvme(\"{}\", #{{ ro: true }}), \"5\": virtio_net(\"slirp\"), \"31\": lpc()",
        bootable(&host.0, &Root::new(&host.0, "login", "login.init")).display()
    );
    let machine = format!("name: \"guest\", memory: 512.MiB, bootrom: uefi(), com1: \"stdio\", slots: #{{ {slots} }}");
    let recipe = host.0.write("guest.rhai", format!("bhyve(#{{ {machine} }}).run();\n"));
    let said = |text: &str| (Some(0), text.to_string());
    assert_eq!(host.vmrun(&["start", utf8(&recipe)]), said("vmrun: guest runs\n"));
    assert_eq!(host.vmrun(&["wait-serial", "guest", "guest login: ", "--within", "4m"]), said(""));

    let mut terminal = Terminal::new();
    let before = terminal.settings();
    let console = |terminal: &mut Terminal| {
        let console = terminal.start(host.0.vmrun().args(["console", "guest"]));
        terminal.shows("this is com1 of guest; Ctrl-] leaves it\r\n", SOON);
        terminal.until_raw();
        terminal.types("\r");
        console
    };
    let first = console(&mut terminal);
    terminal.shows("guest login: ", SOON);
    log_in(&mut terminal);
    terminal.types("\x1d");
    let (status, text) = terminal.ends(first);
    assert_eq!(status.code(), Some(0));
    assert!(text.ends_with("\r\nvmrun: left guest, which goes on\r\n"), "{text}");
    assert!(before == terminal.settings(), "the terminal is as it was");

    // Whoever comes back finds the guest as he left it; after its reboot he is still there.
    let second = console(&mut terminal);
    terminal.shows("# ", SOON);
    terminal.types("reboot -f\r");
    terminal.shows("iPXE initialising devices...", FIRMWARE);
    terminal.shows("guest login: ", FIRMWARE);
    log_in(&mut terminal);
    terminal.types("poweroff -f\r");
    let (status, text) = terminal.ends(second);
    assert_eq!(status.code(), Some(0), "{text}");
    assert!(text.ends_with("vmrun: guest has ended\r\n"), "{text}");
    assert!(before == terminal.settings(), "the terminal is as it was");
    wait_for("the end of the run", SOON, || (!host.0.path("state/guest").exists()).then_some(()));
    // All of it is in the log as well.
    let log = read(&host.0.path("log/guest.log"));
    assert_eq!(log.matches("guest: up\r\n").count(), 2, "{log}");
    assert!(log.contains("poweroff -f"), "{log}");
    host.0.is_clean();
}

#[test]
fn a_nmdm_is_a_socket_under_qemu() {
    let world = World::new();
    let disk = world.disk('E');
    let slots = format!(r#""0": hostbridge(), "4": virtio_blk("{}"), "31": lpc()"#, disk.display());
    let machine = format!(r#"name: "loop", memory: 64.MiB, com1: "/dev/nmdm-loop.1A", slots: #{{ {slots} }}"#);
    let recipe = world.write("loop.rhai", format!("umask(\"000\");\nbhyve(#{{ {machine} }}).run();\n"));
    let run = world.start("loop", world.vmrun().arg(&recipe).stdin(Stdio::null()));
    let socket = world.path("state/loop/com1.sock");
    let mode = || std::fs::metadata(&socket).map(|meta| meta.permissions().mode() & 0o777).ok();
    wait_for("a socket of nobody else's", SOON, || (mode() == Some(0o600)).then_some(()));
    let mut command = world.vmrun();
    command.args(["console", utf8(&recipe)]).stdin(Stdio::piped());
    let mut console = world.start("console", &mut command);
    std::io::Write::write_all(console.child.stdin.as_mut().unwrap(), b"good morning\n").unwrap();
    let ended = console.ends(SOON);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), "vmrun: loop has ended\n"), "{ended:?}");
    assert!(ended.stdout.ends_with("good morning\r\n"), "{ended:?}");
    let run = run.ends(SOON);
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (Some(0), "", ""));
    world.is_clean();
}

#[test]
fn a_recipe_talks_to_a_guest_under_qemu() {
    let world = World::new();
    let disk = world.disk('E');
    let slots = format!(r#""0": hostbridge(), "4": virtio_blk("{}"), "31": lpc()"#, disk.display());
    let machine = format!(r#"name: "loop", memory: 64.MiB, com1: "/dev/nmdm-loop.1A", slots: #{{ {slots} }}"#);
    let talk = "vm.serial.expect(\"test guest: E\");\nvm.serial.send(\"good morning\\n\");\nvm.serial.expect(\"good morning\");\n";
    let recipe = world.write("loop.rhai", format!("let vm = bhyve(#{{ {machine} }});\n{talk}vm.run();\n"));
    let run = world.start("loop", world.vmrun().arg(&recipe).stdin(Stdio::null())).ends(SOON);
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (Some(0), "", ""));
    world.is_clean();
}
