//! A serial port of the real QEMU that is kept in a log and is a console at once.

use super::{SOON, World, outcome, read, wait_for};
use std::fs;
use std::process::{Command, Stdio};
use vmrun::internals::supervise::status::MachineStatus;

/// A world whose machine ends with the test.
struct Host(World);

impl Drop for Host {
    fn drop(&mut self) {
        let status = MachineStatus::read(&read(&self.0.path("state/loop/standing.json")));
        for pid in status.iter().flat_map(|it| [it.supervisor, it.guest]).flatten() {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).output();
        }
    }
}

/// Makes the recipe of a guest with the order have its port kept.
fn kept(world: &World, order: char) -> String {
    let path = world.recipe("loop", &world.disk(order));
    let text = read(&path).replace("\"stdio\"", "\"/dev/nmdm-loop.1A\", serial_log: \"own.serial\"");
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn every_byte_of_each_boot_is_kept_and_a_console_is_heard() {
    let host = Host(World::new());
    let world = &host.0;
    let vmrun = |args: &[&str]| world.start("vmrun", world.vmrun().args(args).stdin(Stdio::null())).ends(SOON);
    let recipe = kept(world, 'R');
    let rebooted = "vmrun: the guest rebooted; starting it again\n";
    assert_eq!(vmrun(&[&recipe]), outcome(0, "", rebooted));
    let both = "vmrun test guest: R\r\nvmrun test guest: P\r\n";
    assert_eq!(read(&world.path("own.serial")), both);
    let recipe = kept(world, 'E');
    assert_eq!(vmrun(&["start", &recipe]), outcome(0, "", "vmrun: loop runs\n"));
    let greeting = format!("{both}vmrun test guest: E\r\n");
    wait_for("the greeting", SOON, || (read(&world.path("own.serial")) == greeting).then_some(()));
    let line = format!("printf 'hello\\r' | {} console loop", env!("CARGO_BIN_EXE_vmrun"));
    let mut shell = Command::new("sh");
    let console = world.start("console", world.surroundings(shell.args(["-c", &line]))).ends(SOON);
    assert_eq!(console.code, Some(0), "{console:?}");
    let all = format!("{greeting}hello\r\n");
    wait_for("the answer", SOON, || (read(&world.path("own.serial")) == all).then_some(()));
    wait_for("its end", SOON, || (!world.path("state/.loop.lock").exists()).then_some(()));
    world.is_clean();
    let logs = vmrun(&["logs", "loop", "--serial", "-n", "2"]);
    assert_eq!((logs.code, logs.stdout.as_str()), (Some(0), "vmrun test guest: E\nhello\n"));
}
