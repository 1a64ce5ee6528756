//! What takes longer than a second, as somebody at a terminal sees it.

use super::sandbox::Sandbox;
use std::fs;
use std::io::Read as _;
use std::process::Command;

/// Runs a line of shell on a terminal until it says something, lets go what waits for the file `go`, and returns the line that was drawn
/// there, with all of it, and what was said to the end.
fn drawn(sandbox: &Sandbox, line: &str, says: &str) -> (String, String) {
    let mut command: Command = sandbox.on_terminal(line);
    command.env("TERM", "xterm");
    let mut child = command.spawn().unwrap();
    let (mut stdout, mut seen, mut buffer) = (child.stdout.take().unwrap(), String::new(), [0; 4096]);
    let mut found = None;
    loop {
        let count = stdout.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
        let mut lines = seen.split(['\r', '\n']);
        if found.is_none()
            && let Some(line) = lines.find(|line| line.contains(says) && line.ends_with("\u{1b}[K"))
        {
            found = Some(line.trim_end_matches("\u{1b}[K").to_string());
            sandbox.write("go", "");
        }
    }
    assert!(child.wait().unwrap().success(), "{seen}");
    (found.unwrap_or_else(|| panic!("{says} was never drawn: {seen}")), seen)
}

/// A recipe that has a disk made of an image, with the beginning of the image.
fn converting(name: &str, image: &[u8]) -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    fs::write(sandbox.path(&format!("vm/{name}")), image).unwrap();
    sandbox.write("fake/exits", "1\n");
    sandbox.write(
        "web.rhai",
        &format!(
            "let root = convert(\"[tmp]/vm/{name}\", disk(\"[tmp]/vm/web.img\", 1.MiB));\n\
             bhyve(#{{ name: \"web\", cpus: 1, memory: 256.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"), slots: #{{\n\
             \"0\": hostbridge(), \"4\": virtio_blk(root), \"31\": lpc(),\n}} }}).run();\n"
        ),
    );
    sandbox
}

#[test]
fn a_conversion_is_drawn_with_its_share_and_the_time_that_is_left() {
    // The header of a qcow2 of 1 MiB: version 2, clusters of 64 KiB, no backing file (QEMU's docs/interop/qcow2.txt).
    let mut header = vec![0; 512];
    header[..8].copy_from_slice(b"QFI\xfb\0\0\0\x02");
    header[20..32].copy_from_slice(&[0, 0, 0, 16, 0, 0, 0, 0, 0, 0x10, 0, 0]);
    let sandbox = converting("a.qcow2", &header);
    sandbox.script(
        "qemu-img",
        "case $* in *-p*) printf '    (0.00/100%%)\\r    (25.00/100%%)\\r' ;; esac\n\
         echo \"$@\" >>\"${0%/*}/../asked\"; until [ -e \"${0%/*}/../go\" ]; do sleep 0.05; done",
    );
    let (line, seen) = drawn(&sandbox, "vmrun web.rhai --init", "filling");
    let known = sandbox.own("vmrun: filling [tmp]/vm/web.img: 25 %, ");
    let left = line.strip_prefix(&known).and_then(|rest| rest.strip_suffix("s left"));
    assert!(left.is_some_and(|seconds| seconds.parse::<u64>().unwrap() >= 3), "{line}\n{seen}");
    // Nobody looks on: what is run is what was planned.
    fs::remove_file(sandbox.path("vm/web.img")).unwrap();
    sandbox.write("fake/exits", "1\n");
    let done = sandbox.run(&["web.rhai", "--init"]);
    assert_eq!((done.code, done.stderr.contains("filling")), (0, false), "{}", done.stderr);
    let asked = sandbox.read("asked");
    let ends: Vec<&str> = asked.lines().map(|line| line.rsplit_once('.').unwrap().1).collect();
    assert_eq!(ends, ["new -p", "new"], "{asked}");
}

#[test]
fn what_is_unpacked_is_drawn_with_how_much_there_is_and_how_quickly_it_comes() {
    let sandbox = converting("a.raw.xz", b"\xfd7zXZ\0\0\x04");
    sandbox.script("xz", "head -c 524288 /dev/zero; until [ -e \"${0%/*}/../go\" ]; do sleep 0.05; done");
    let (line, seen) = drawn(&sandbox, "vmrun web.rhai --init", "filling");
    assert!(line.starts_with(&sandbox.own("vmrun: filling [tmp]/vm/web.img: 512 KiB, ")), "{line}\n{seen}");
    assert!(line.ends_with("KiB/s"), "{line}\n{seen}");
}

#[test]
fn a_command_that_takes_long_is_drawn_with_for_how_long() {
    let sandbox = converting("a.img", &[0; 512]);
    sandbox.script("slow", "until [ -e \"${0%/*}/../go\" ]; do sleep 0.05; done");
    sandbox.write("web.rhai", &format!("run(\"slow\", [\"a b\"]);\n{}", sandbox.read("web.rhai")));
    let (line, seen) = drawn(&sandbox, "vmrun web.rhai --init", "slow");
    assert_eq!(line, "vmrun: slow 'a b': 1s", "{seen}");
}
