//! The guests of the fake bhyve, as the assembler makes them.

use crate::sandbox::{Sandbox, project};
use std::fs;
use std::process::Command;

#[test]
fn the_roms_are_what_the_assembler_makes_of_their_source() {
    let output = Command::new("sh").args([&project("tools/roms.sh"), "text"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(project("tests/guests/roms/roms.txt")).unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
    let sandbox = Sandbox::new();
    let into = sandbox.path("vm").display().to_string();
    let make = [&project("tools/roms.sh"), "make", &project("tests/guests/roms/roms.txt"), &into];
    assert!(Command::new("sh").args(make).status().unwrap().success());
    assert_eq!(sandbox.names("vm").len(), 10);
    for name in sandbox.names("vm") {
        let rom = fs::read(sandbox.path("vm").join(&name)).unwrap();
        let first = format!("guest {}\n", name.strip_suffix(".rom").unwrap());
        assert!(rom.len() == 4096 && rom.starts_with(first.as_bytes()), "{name}");
    }
}
