//! Names and paths that are too long for the system are found by the rehearsal.

use super::sandbox::{Sandbox, same};
use std::fs;

fn recipe(sandbox: &Sandbox, name: &str, slot: &str) {
    let text = format!(
        "bhyve(#{{\n    name: \"{name}\", bootrom: bootrom(\"[tmp]/vm/rom.fd\"),\n    slots: #{{ \"0\": hostbridge(), \"3\": {slot}, \"31\": lpc() }},\n}}).run();\n"
    );
    sandbox.write("lab.rhai", &text);
}

/// The first line of what is said, the last, and whether that is all: nothing was done.
fn said(sandbox: &Sandbox, args: &[&str]) -> (i32, String, String) {
    let done = sandbox.run(args);
    let first = done.stderr.lines().next().unwrap_or_default().to_string();
    let last = done.stderr.lines().rfind(|line| line.contains("hint: ")).unwrap_or_default();
    assert_eq!(done.stdout, "");
    (done.code, first, last.split("hint: ").last().unwrap_or_default().to_string())
}

#[test]
fn a_socket_has_a_path_that_fits_the_system() {
    let host = Sandbox::new();
    fs::write(host.path("vm/rom.fd"), [0; 4096]).unwrap();
    for (slot, of) in [("fbuf(#{ rfb: \"unix:PATH\" })", 103), ("virtio_console(#{ agent: \"PATH\" })", 103)] {
        for (length, fits) in [(of, true), (of + 1, false)] {
            let path = format!("/run/{}", "s".repeat(length - 5));
            recipe(&host, "lab", &slot.replace("PATH", &path));
            let done = host.run(&["plan", "lab.rhai"]);
            assert_eq!(done.code == 0, fits, "{done:?}");
            let first = format!("error: the path of the socket {path} has {length} bytes");
            let hint = "a socket's path has at most 103 bytes on FreeBSD: choose a shorter one";
            assert_eq!(done.stderr.starts_with(&first) && done.stderr.trim_end().ends_with(hint), !fits, "{done:?}");
            // Linux has four more.
            let on_linux = host.run(&["plan", "lab.rhai", "--on", "linux"]);
            assert!(!on_linux.stderr.contains("bytes"), "{on_linux:?}");
        }
    }
}

#[test]
fn the_sockets_of_qemu_fit_beside_the_machines_name() {
    let host = Sandbox::new();
    fs::write(host.path("vm/rom.fd"), [0; 4096]).unwrap();
    let name = "n".repeat(120);
    recipe(&host, &name, "virtio_rnd()");
    let (code, first, hint) = said(&host, &["plan", "lab.rhai", "--on", "linux"]);
    assert!(
        first.starts_with("error: the path of QEMU's socket [tmp]/state/nnn") && first.ends_with(" bytes"),
        "{first}"
    );
    let way_out = "give the machine a shorter name, or VMRUN_STATE_DIR names a shorter folder";
    assert_eq!((code, hint), (1, format!("a socket's path has at most 107 bytes on Linux: {way_out}")));
    assert_eq!(host.run(&["plan", "lab.rhai"]).code, 0, "bhyve has none");
}

#[test]
fn a_file_that_is_made_has_a_name_that_fits_while_it_is_written() {
    let host = Sandbox::new();
    fs::write(host.path("vm/rom.fd"), [0; 4096]).unwrap();
    let name = "f".repeat(256);
    for (line, most) in [("truncate(\"[tmp]/vm/NAME\", 1.MiB);", 255), ("write_file(\"[tmp]/vm/NAME\", \"x\");", 237)] {
        for length in [most, most + 1] {
            host.write("lab.rhai", &line.replace("NAME", &name[..length]));
            let done = host.run(&["run", "lab.rhai"]);
            assert_eq!(done.code, i32::from(length > most), "{done:?}");
        }
    }
    host.write("lab.rhai", &format!("write_file(\"[tmp]/vm/{}\", \"x\");", &name[..238]));
    let long = format!("[tmp]/vm/{}", &name[..238]);
    same(
        host.run(&["run", "lab.rhai"]).stderr.lines().next().unwrap_or_default(),
        &format!("error: the name of {long} has 238 bytes"),
    );
    assert_eq!(fs::read_dir(host.path("vm")).unwrap().count(), 3);
}
