//! A TPM that the real swtpm(8) plays for the real QEMU: what it keeps stays, and it ends with its machine.

use super::{SOON, World, outcome, read, signal, wait_for};
use crate::tools::need;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes the recipe of a machine with a TPM whose state is in a folder.
fn recipe(world: &World, disk: &Path, state: &str) -> String {
    need(&["swtpm"]);
    let path = world.recipe("loop", disk);
    let tpm = format!("name: \"loop\", tpm: #{{ type: \"swtpm\", state: \"{state}\" }}");
    let text = read(&path).replace("name: \"loop\"", &tpm);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// The processes of swtpm whose state is in this world.
fn swtpms(world: &World) -> Vec<u32> {
    let listed = Command::new("ps").args(["-eo", "pid=,args="]).output().unwrap();
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let folder = world.path("").display().to_string();
    let is_its = |line: &&str| line.contains("swtpm socket") && line.contains(&folder);
    text.lines().filter(is_its).filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}

#[test]
fn what_a_tpm_keeps_stays_from_run_to_run_and_is_its_own_in_each_folder() {
    let world = World::new();
    let disk = world.sector("tpm", &[]);
    let said = |state: &str| {
        let recipe = recipe(&world, &disk, state);
        world.start("loop", world.vmrun().arg(recipe).stdin(Stdio::null())).ends(SOON)
    };
    // How often it was reset.
    assert_eq!(said("one.tpm"), outcome(0, "tpm 00000000 00000001\r\n", ""));
    assert_eq!(said("one.tpm"), outcome(0, "tpm 00000000 00000002\r\n", ""));
    assert_eq!(said("other.tpm"), outcome(0, "tpm 00000000 00000001\r\n", ""));
    assert_eq!(said("one.tpm"), outcome(0, "tpm 00000000 00000003\r\n", ""));
    assert_eq!(swtpms(&world), [0_u32; 0]);
    world.is_clean();
}

#[test]
fn a_tpm_comes_back_after_a_reboot_and_goes_after_a_run_that_was_killed() {
    let world = World::new();
    let path = recipe(&world, &world.disk('R'), "own.tpm");
    let expected =
        outcome(0, "vmrun test guest: R\r\nvmrun test guest: P\r\n", "vmrun: the guest rebooted; starting it again\n");
    assert_eq!(world.start("loop", world.vmrun().arg(&path).stdin(Stdio::null())).ends(SOON), expected);
    assert_eq!(swtpms(&world), [0_u32; 0]);
    let path = recipe(&world, &world.disk('W'), "own.tpm");
    let run = world.start("loop", world.vmrun().arg(&path).stdin(Stdio::null()));
    wait_for("the greeting", SOON, || read(&world.path("loop.out")).contains("guest: W").then_some(()));
    let [swtpm] = swtpms(&world)[..] else { panic!("{:?}", swtpms(&world)) };
    signal(run.child.id(), "KILL");
    assert_eq!(run.ends(SOON).code, None);
    assert_eq!(swtpms(&world), [swtpm]);
    let gc = world.start("gc", world.vmrun().args(["gc", "--stop-within", "1s"]).stdin(Stdio::null())).ends(SOON);
    assert_eq!(gc.code, Some(0), "{gc:?}");
    assert_eq!(swtpms(&world), [0_u32; 0]);
    world.is_clean();
}
