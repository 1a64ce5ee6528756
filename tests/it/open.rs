//! What of a machine lets in everybody who reaches it is told of, with the way to have it for oneself.

use super::sandbox::{Sandbox, same};
use std::fs;

const RECIPE: &str = r#"bhyve(#{
    name: "db", memory: 64.MiB, bootrom: bootrom("[tmp]/vm/rom.fd"),
    gdb: #{ port: 18237, address: "GDB" },
    com1: "tcp=TCP:18238",
    slots: #{
        "3": uart("tcp=TCP:18239"),
        "29": fbuf(#{ tcp: "VNC:18240" }),
        "31": lpc(#{ com2: "tcp=TCP:18241" }),
    },
}).run();
"#;

/// A host of FreeBSD 15 whose machine listens at these addresses.
fn host(gdb: &str, tcp: &str, vnc: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    sandbox.write("db.rhai", &RECIPE.replace("GDB", gdb).replace("TCP", tcp).replace("VNC", vnc));
    sandbox
}

/// Returns what a command says of the machine, and its status.
fn said(sandbox: &Sandbox, words: &[&str]) -> (i32, String) {
    let mut command = sandbox.command(words);
    command.env("VMRUN_PLATFORM", "freebsd-15.0");
    let done = sandbox.finish(&mut command);
    (done.code, done.stderr)
}

const SOUND: &str = "vmrun: nothing is wrong with 1 recipe, after 3 rehearsals\n";

const OPEN: &str = r#"
warning: the stub for gdb listens on 0.0.0.0:18237, which knows no password: whoever reaches it reads and writes the guest's memory
 --> db.rhai:3:35
  |
3 |     gdb: #{ port: 18237, address: "0.0.0.0" },
  |                                   ^^^^^^^^^
  |
  = hint: leave `address` out for 127.0.0.1; `ssh -L 18237:127.0.0.1:18237 HOST` leads there from elsewhere
warning: VNC listens on 0.0.0.0:18240 without a password: whoever reaches it sees the screen and types there
 --> db.rhai:7:28
  |
7 |         "29": fbuf(#{ tcp: "0.0.0.0:18240" }),
  |                            ^^^^^^^^^^^^^^^
  |
  = hint: listen on 127.0.0.1, where `vmrun vnc db --hosts ssh://HOST` leads; or add `password: secret("vnc")`, which is weak: who sees the network sees the screen
warning: `com1` listens on [::]:18238, which knows no password: whoever reaches it has the guest's screen
 --> db.rhai:4:11
  |
4 |     com1: "tcp=[::]:18238",
  |           ^^^^^^^^^^^^^^^^
  |
  = hint: "tcp=127.0.0.1:18238"; `vmrun console db --port com1 --hosts ssh://HOST` leads there
warning: `com2` listens on [::]:18241, which knows no password: whoever reaches it has the guest's screen
 --> db.rhai:8:28
  |
8 |         "31": lpc(#{ com2: "tcp=[::]:18241" }),
  |                            ^^^^^^^^^^^^^^^^
  |
  = hint: "tcp=127.0.0.1:18241"; `vmrun console db --port com2 --hosts ssh://HOST` leads there
warning: the uart in slot 3 listens on [::]:18239, which knows no password: whoever reaches it has the guest's screen
 --> db.rhai:6:19
  |
6 |         "3": uart("tcp=[::]:18239"),
  |                   ^^^^^^^^^^^^^^^^
  |
  = hint: "tcp=127.0.0.1:18239"; `ssh -L 18239:127.0.0.1:18239 HOST` leads there from elsewhere
"#;

#[test]
fn whatever_lets_everybody_in_is_warned_of_in_a_plan_and_a_run_and_found_by_a_check() {
    let sandbox = host("0.0.0.0", "[::]", "0.0.0.0");
    for (words, code, end) in [
        (&["plan", "db.rhai"][..], 0, ""),
        (&["db.rhai"], 0, ""),
        (&["check", "--on", "freebsd-15.0", "db.rhai"], 1, "error: 5 faults found in 1 file\n"),
    ] {
        let (status, stderr) = said(&sandbox, words);
        same(&stderr, &format!("{OPEN}{end}"));
        assert_eq!(status, code, "{words:?}");
    }
}

#[test]
fn what_only_the_host_itself_reaches_and_a_screen_with_a_password_are_said_nothing_of() {
    for (gdb, tcp, vnc) in [
        ("localhost", "127.0.0.1", "127.0.0.1"),
        ("127.100.100.1", "[::1]", "[::1]"),
        ("::1", "[::ffff:127.0.0.1]", ""),
    ] {
        let sandbox = host(gdb, tcp, vnc);
        assert_eq!(said(&sandbox, &["check", "--on", "freebsd-15.0", "db.rhai"]), (0, SOUND.into()));
    }
    let sandbox = host("localhost", "127.0.0.1", "0.0.0.0");
    let text = sandbox.read("db.rhai").replace(":18240\"", ":18240\", password: secret(\"vnc\")");
    sandbox.write("db.rhai", &text);
    assert_eq!(said(&sandbox, &["check", "--on", "freebsd-15.0", "db.rhai"]), (0, SOUND.into()));
}

#[test]
fn a_screen_of_the_standard_library_is_warned_of_where_the_recipe_says_its_address() {
    let sandbox = Sandbox::new();
    let text = "import \"std/guest\" as guest;\nguest::openbsd(#{ name: \"db\", memory: 64.MiB, disks: [[\"[tmp]/vm/a.img\", 1.GiB]], VNC }).run();\n";
    sandbox.write("db.rhai", &text.replace("VNC", "vnc: \"0.0.0.0:5901\""));
    let (status, stderr) = said(&sandbox, &["check", "db.rhai"]);
    same(
        &stderr,
        r#"
warning: VNC listens on 0.0.0.0:5901 without a password: whoever reaches it sees the screen and types there
 --> db.rhai:2:98
  |
2 | guest::openbsd(#{ name: "db", memory: 64.MiB, disks: [["[tmp]/vm/a.img", 1.GiB]], vnc: "0.0.0.0:5901" }).run();
  |                                                                                                  ^^^^^^^^^^^^^^
  |
  = hint: listen on 127.0.0.1, where `vmrun vnc db --hosts ssh://HOST` leads; or add `password: secret("vnc")`, which is weak: who sees the network sees the screen
error: 1 fault found in 1 file
"#,
    );
    assert_eq!(status, 1);
    sandbox.write("db.rhai", &text.replace("VNC", "vnc: 5901"));
    assert_eq!(said(&sandbox, &["check", "db.rhai"]).0, 0);
}
