//! The state from which a file of the corpus begins, and where its paths are here.

use crate::sandbox::Sandbox;
use std::fs;

/// The guests of the corpus: what its ROMs do is told by their names, and the fake's bhyve reads it in their first line.
const GUESTS: &[&str] = &["poweroff", "reset", "halt", "triple", "spin", "acpi", "deaf", "hello", "helloacpi", "echo"];

/// Makes the system that a file begins with.
pub(super) fn sandbox(file: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    for name in ["em0", "bridge2"] {
        fs::remove_file(sandbox.path("fake/interfaces").join(name)).unwrap();
    }
    ["kill", "ls", "stat", "truncate"].iter().for_each(|program| sandbox.has(program));
    for name in ["root/vm/rom", "root/tmp", "root/dev"] {
        fs::create_dir_all(sandbox.path(name)).unwrap();
    }
    sandbox.write("fake/interfaces/vtnet0", "kind ether\nup no\nether 52:54:00:12:34:56\n");
    sandbox.write(
        "fake/interfaces/lo0",
        "kind lo\nup yes\nmtu 16384\ninet6 ::1/128\ninet6 fe80::1/64\ninet 127.0.0.1/8\nindex 2\n",
    );
    if file == "ifconfig-tap-open.txt" {
        sandbox.write("fake/sysctl", "net.link.tap.up_on_open=0\nnet.link.tap.devfs_cloning=1\n");
    }
    for guest in GUESTS {
        let mut rom = format!("guest {guest}\n").into_bytes();
        rom.resize(4096, 0);
        fs::write(sandbox.path("root/vm/rom").join(format!("{guest}.rom")), rom).unwrap();
    }
    if matches!(file, "bhyve-start.txt" | "mdconfig.txt") {
        fs::write(sandbox.path("root/vm/a.img"), vec![0; 1 << 20]).unwrap();
    }
    if file == "bhyve-start.txt" {
        fs::write(sandbox.path("root/vm/odd.rom"), vec![0; 4097]).unwrap();
        fs::write(sandbox.path("root/vm/empty.rom"), "").unwrap();
    }
    sandbox
}

/// Where the paths of the corpus are here: what it says, what that is in the sandbox.
const PLACES: &[(&str, &str)] =
    &[("/tmp/", "root/tmp/"), ("/vm/", "root/vm/"), ("/vm ", "root/vm "), ("/dev/vmm", "fake/vmm")];

/// Where the screens of the corpus listen; files are replayed beside each other, so that each has an address of its own.
const SCREENS: &str = "127.0.0.1:59";

fn own_screens(sandbox: &Sandbox) -> String {
    sandbox.own("127.100.100.1:59")
}

/// A command of the corpus, with the sandbox's paths.
pub(super) fn here(sandbox: &Sandbox, command: &str) -> String {
    let command = command.replace(SCREENS, &own_screens(sandbox));
    // The folder itself.
    let command = command.strip_suffix(" /vm").map_or(command.clone(), |command| format!("{command} /vm/."));
    let command = PLACES
        .iter()
        .fold(command, |text, (there, here)| text.replace(there, &sandbox.path(here).display().to_string()));
    // What a shell opens is a file, and nothing is made in this host's own folder of devices.
    let opens = format!("<>{}/", sandbox.path("root/dev").display());
    ["tap", "nmdm"]
        .iter()
        .fold(command, |text, device| text.replace(&format!("<>/dev/{device}"), &format!("{opens}{device}")))
}

/// What was said here, with the paths of the corpus.
pub(super) fn there(sandbox: &Sandbox, said: &str) -> String {
    PLACES
        .iter()
        .fold(said.to_string(), |text, (there, here)| text.replace(&sandbox.path(here).display().to_string(), there))
        .replace("/vm/.:", "/vm:")
        .replace(&own_screens(sandbox), SCREENS)
}
