//! Recipes with an error in their last line: it is found in rehearsal, so nothing has been touched.

use super::sandbox::{Sandbox, same};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// What comes before the last line would change a lot.
const BEFORE: &str = r#"bhyvectl("lab").destroy();
truncate("[tmp]/vm/new.img", 1.GiB);
let nic = tap("tap1");
bridge("bridge2").add(nic);
"#;

fn host() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("fake/interfaces/tap9", "kind tap\n");
    fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    fs::write(sandbox.path("vm/a.img"), [0; 4096]).unwrap();
    sandbox
}

/// Runs the recipe `recipe.rhai`, which fails, and compares what is said.
#[track_caller]
fn fails(sandbox: &Sandbox, code: i32, stderr: &str) {
    let before = sandbox.everything();
    let done = sandbox.run(&["recipe.rhai"]);
    same(&done.stderr, stderr);
    assert_eq!((done.code, done.stdout.as_str()), (code, ""));
    assert!(sandbox.everything() == before, "something was changed");
    let log = sandbox.read("fake/log");
    let changes: Vec<&str> = log.lines().filter(|line| *line != "ifconfig" && !line.starts_with("sysctl ")).collect();
    assert_eq!(changes, [""; 0]);
}

/// A recipe whose last line is wrong.
#[track_caller]
fn wrong(line: &str, code: i32, stderr: &str) {
    let sandbox = host();
    sandbox.write("recipe.rhai", &format!("{BEFORE}{line}\n"));
    fails(&sandbox, code, stderr);
}

#[test]
fn an_unknown_function_is_found_before_anything_is_touched() {
    let line = r#"brigde("bridge2");"#;
    wrong(
        line,
        1,
        r#"
error: there is no function `brigde`
 --> recipe.rhai:5:1
  |
5 | brigde("bridge2");
  | ^^^^^^
  |
  = hint: did you mean `bridge`?
"#,
    );
}

#[test]
fn an_unknown_key_is_found_before_anything_is_touched() {
    let line = r#"bhyve(#{ name: "lab", cpu: 2 }).run();"#;
    wrong(
        line,
        1,
        r#"
error: there is no key `cpu`
 --> recipe.rhai:5:23
  |
5 | bhyve(#{ name: "lab", cpu: 2 }).run();
  |                       ^^^
  |
  = hint: did you mean `cpus`?
"#,
    );
}

#[test]
fn an_unknown_property_is_found_before_anything_is_touched() {
    let line = r#"bhyve(#{ name: "lab", memory: 20.Gib }).run();"#;
    wrong(
        line,
        1,
        r#"
error: a number has no property `Gib`
 --> recipe.rhai:5:34
  |
5 | bhyve(#{ name: "lab", memory: 20.Gib }).run();
  |                                  ^^^
  |
  = hint: did you mean `GiB`?
"#,
    );
}

#[test]
fn a_wrong_type_is_found_before_anything_is_touched() {
    let line = r#"bhyve(#{ name: "lab", cpus: "two" }).run();"#;
    wrong(
        line,
        1,
        r#"
error: expected a number of CPUs, got a text
 --> recipe.rhai:5:29
  |
5 | bhyve(#{ name: "lab", cpus: "two" }).run();
  |                             ^^^^^
  |
  = hint: `cpus`: number of virtual CPUs (1), or #{ sockets: 2, cores: 2, threads: 1 }
"#,
    );
}

#[test]
fn a_slot_that_is_taken_is_named() {
    let line = r#"let vm = bhyve(#{ name: "lab", slots: #{ "0": hostbridge() } }); vm.slot(0, lpc()); vm.run();"#;
    wrong(
        line,
        1,
        r#"
error: slot 0 is taken twice: by hostbridge and by lpc
 --> recipe.rhai:5:77
  |
5 | let vm = bhyve(#{ name: "lab", slots: #{ "0": hostbridge() } }); vm.slot(0, lpc()); vm.run();
  |                                                                             ^^^^^
  |
  = hint: slot 3 is free
"#,
    );
}

#[test]
fn a_function_needs_a_function_0() {
    let line = r#"bhyve(#{ name: "lab", slots: #{ "4:1": virtio_rnd() } }).run();"#;
    wrong(
        line,
        1,
        r#"
error: slot 4:1 has no function 0 beside it: the guest will never see it
 --> recipe.rhai:5:40
  |
5 | bhyve(#{ name: "lab", slots: #{ "4:1": virtio_rnd() } }).run();
  |                                        ^^^^^^^^^^^^
  |
  = hint: put a device into slot 4 too
"#,
    );
}

#[test]
fn a_disk_that_is_not_there_is_named() {
    let line = r#"bhyve(#{ name: "lab", slots: #{ "4": virtio_blk("[tmp]/vm/none.img") } }).run();"#;
    wrong(
        line,
        1,
        r#"
error: the disk [tmp]/vm/none.img is not there, and the recipe does not make it
 --> recipe.rhai:5:49
  |
5 | bhyve(#{ name: "lab", slots: #{ "4": virtio_blk("[tmp]/vm/none.img") } }).run();
  |                                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: add --init to initialize, or correct the path
"#,
    );
}

#[test]
fn a_tap_that_is_there_already_is_not_taken() {
    let line = r#"tap("tap9");"#;
    wrong(
        line,
        1,
        r#"
error: tap9 is there already, and this run did not make it
 --> recipe.rhai:5:5
  |
5 | tap("tap9");
  |     ^^^^^^
  |
  = hint: choose another name, or remove it: ifconfig tap9 destroy
"#,
    );
}

#[test]
fn a_bridge_that_is_not_there_is_named() {
    let line = r#"bridge("bridge3").add("tap1");"#;
    wrong(
        line,
        1,
        r#"
error: the bridge bridge3 is not there
 --> recipe.rhai:5:8
  |
5 | bridge("bridge3").add("tap1");
  |        ^^^^^^^^^
  |
  = hint: bridges on this host: bridge2
"#,
    );
}

#[test]
fn a_bad_mac_is_shown() {
    let line = r#"virtio_net("tap1", #{ mac: "00:0c:29:a5:19" });"#;
    wrong(
        line,
        1,
        r#"
error: "00:0c:29:a5:19" is not a MAC address
 --> recipe.rhai:5:28
  |
5 | virtio_net("tap1", #{ mac: "00:0c:29:a5:19" });
  |                            ^^^^^^^^^^^^^^^^
  |
  = hint: six hexadecimal octets with colons: 58:9c:fc:00:00:01
"#,
    );
}

#[test]
fn a_mac_is_given_to_one_card_only() {
    let line = r#"bhyve(#{ name: "lab", slots: #{ "5": virtio_net("tap1", #{ mac: "00:0c:29:a5:19:b9" }), "6": virtio_net("tap9", #{ mac: "00:0c:29:a5:19:b9" }) } }).run();"#;
    wrong(
        line,
        1,
        r#"
error: slots 5 and 6 have the same MAC address 00:0c:29:a5:19:b9
 --> recipe.rhai:5:121
  |
5 | ...00:0c:29:a5:19:b9" }), "6": virtio_net("tap9", #{ mac: "00:0c:29:a5:19:b9" }) } }).run();
  |                                                           ^^^^^^^^^^^^^^^^^^^
  |
  = hint: change one of them
"#,
    );
}

#[test]
fn a_console_listens_only_on_an_address_of_this_host() {
    let line = r#"bhyve(#{ name: "lab", slots: #{ "29": fbuf(#{ tcp: "198.51.100.7:5901" }), "31": lpc() }, bootrom: bootrom("[tmp]/vm/rom.fd") }).run();"#;
    wrong(
        line,
        1,
        r#"
error: VNC cannot listen on 198.51.100.7:5901: this host does not have 198.51.100.7
 --> recipe.rhai:5:52
  |
5 | bhyve(#{ name: "lab", slots: #{ "29": fbuf(#{ tcp: "198.51.100.7:5901" }), "31": lpc() }, bootrom: bootrom("[tmp]/vm/rom.fd...
  |                                                    ^^^^^^^^^^^^^^^^^^^
  |
  = hint: host_ip("192.168.2.0/24") finds the host's own address
"#,
    );
}

#[test]
fn a_password_has_eight_characters_at_most() {
    let line = r#"fbuf(#{ tcp: "127.0.0.1:5901", password: "123456789" });"#;
    wrong(
        line,
        1,
        r#"
error: the password has 9 bytes, of which VNC uses 8
 --> recipe.rhai:5:42
  |
5 | fbuf(#{ tcp: "127.0.0.1:5901", password: "123456789" });
  |                                          ^^^^^^^^^^^
  |
  = hint: choose one of at most eight: the rest would protect nothing
"#,
    );
}

#[test]
fn firmware_needs_the_lpc_bridge() {
    let line = r#"bhyve(#{ name: "lab", bootrom: bootrom("[tmp]/vm/rom.fd"), slots: #{ "0": hostbridge() } }).run();"#;
    wrong(
        line,
        1,
        r#"
error: `bootrom` hangs on an LPC bridge, and no slot has one
 --> recipe.rhai:5:32
  |
5 | bhyve(#{ name: "lab", bootrom: bootrom("[tmp]/vm/rom.fd"), slots: #{ "0": hostbridge() } }).run();
  |                                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: add `"31": lpc()` to `slots`
"#,
    );
}

#[test]
fn an_image_is_written_by_one_disk_only() {
    let line = r#"bhyve(#{ name: "lab", slots: #{ "4": virtio_blk("[tmp]/vm/a.img"), "5": virtio_blk("[tmp]/vm/a.img") } }).run();"#;
    wrong(
        line,
        1,
        r#"
error: slots 4 and 5 both write [tmp]/vm/a.img
 --> recipe.rhai:5:94
  |
5 | bhyve(#{ name: "lab", slots: #{ "4": virtio_blk("[tmp]/vm/a.img"), "5": virtio_blk("[tmp]/vm/a.img") } }).run();
  |                                                                                              ^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: give each disk an image of its own, or make one of them `ro: true`
"#,
    );
}

#[test]
fn an_endless_loop_ends() {
    let line = r"loop { }";
    wrong(
        line,
        1,
        "
error: the recipe did not end within 5000000 operations
 --> recipe.rhai:5:6
  |
5 | loop { }
  |      ^^^
  |
  = hint: is there a loop without an end?
",
    );
}

#[test]
fn a_syntax_error_is_shown() {
    let line = r#"bhyve(#{ name: "lab" );"#;
    wrong(
        line,
        1,
        r#"
error: the `#{` of line 5 is not closed
 --> recipe.rhai:5:22
  |
5 | bhyve(#{ name: "lab" );
  |                      ^
  |
  = hint: close it by `}`
"#,
    );
}

#[test]
fn a_secret_that_is_not_there_is_named() {
    let line = r#"secret("other");"#;
    wrong(
        line,
        3,
        r#"
error: the secret `other` is not there
 --> recipe.rhai:5:8
  |
5 | secret("other");
  |        ^^^^^^^
  |
  = hint: set VMRUN_SECRET_OTHER, or write it to [tmp]/config/secrets/other (mode 0600)
"#,
    );
}

#[test]
fn an_error_in_a_module_is_shown_there_with_the_import_that_led_to_it() {
    let sandbox = host();
    sandbox.write("lib.rhai", "fn lab(name) {\n    bhyve(#{ name: name, cpu: 2 })\n}\n");
    sandbox.write("recipe.rhai", &format!("import \"./lib\" as lib;\n{BEFORE}lib::lab(\"lab\").run();\n"));
    fails(
        &sandbox,
        1,
        r#"
error: there is no key `cpu`
 --> lib.rhai:2:26
  |
2 |     bhyve(#{ name: name, cpu: 2 })
  |                          ^^^
  |
 ::: recipe.rhai:1:8
  |
1 | import "./lib" as lib;
  |        ------- imported here
  |
  = hint: did you mean `cpus`?
"#,
    );
}

#[test]
fn a_module_that_is_not_there_is_named() {
    wrong(
        r#"import "./nothing" as nothing;"#,
        1,
        r#"
error: cannot read the module nothing.rhai: No such file or directory
 --> recipe.rhai:5:8
  |
5 | import "./nothing" as nothing;
  |        ^^^^^^^^^^^
"#,
    );
}

#[test]
fn a_recipe_that_cannot_be_read_is_named_with_what_may_have_been_meant() {
    let written = "= hint: `vmrun new recipe --os OS` writes the recipe of a machine";
    fails(&host(), 1, &format!("error: cannot read the recipe recipe.rhai: there is no such file\n |\n {written}"));
    let sandbox = host();
    for (name, text) in [("install.rhai", &b""[..]), ("latin.rhai", b"// caf\xe9\n")] {
        fs::write(sandbox.path(name), text).unwrap();
    }
    let said = |recipe: &str| {
        let done = sandbox.run(&[recipe]);
        assert_eq!((done.code, done.stdout.as_str()), (1, ""));
        done.stderr
    };
    let instead = [said("instal.rhai"), said("install"), said("web"), said("config"), said("latin.rhai")];
    same(
        &instead.join("\n"),
        "
error: cannot read the recipe instal.rhai: there is no such file
 |
 = hint: did you mean install.rhai?

error: cannot read the recipe install: there is no such file
 |
 = hint: did you mean install.rhai?

error: cannot read the recipe web: there is no such file
 |
 = hint: `vmrun --help` lists the commands; `vmrun new web --os OS` writes the recipe of a machine

error: cannot read the recipe config: it is a folder
 |
 = hint: name a recipe in it

error: cannot read the recipe latin.rhai: it is no UTF-8 text
 |
 = hint: a recipe is text, as in recipes/install.rhai
",
    );
}

#[test]
fn a_recipe_that_has_no_end_is_stopped_by_what_it_uses_up() {
    let cases = [
        (
            "fn deeper() { deeper() } deeper();",
            r"
error: calls go more than 64 deep
 --> recipe.rhai:5:26
  |
5 | fn deeper() { deeper() } deeper();
  |                          ^^^^^^
  |
  = hint: is there a loop or a recursion without an end?
",
        ),
        (
            r#"let text = "a"; loop { text += text; }"#,
            r#"
error: a text may have 1048576 bytes at most
 --> recipe.rhai:5:29
  |
5 | let text = "a"; loop { text += text; }
  |                             ^
  |
  = hint: is there a loop or a recursion without an end?
"#,
        ),
        (
            "let list = []; loop { list.push(0); }",
            r"
error: a list or a map may have 10000 values at most
 --> recipe.rhai:5:28
  |
5 | let list = []; loop { list.push(0); }
  |                            ^^^^
  |
  = hint: is there a loop or a recursion without an end?
",
        ),
    ];
    for (line, stderr) in cases {
        wrong(line, 1, stderr);
    }
}

#[test]
fn what_rhai_itself_finds_is_said_in_our_words() {
    let cases = [
        (
            "let disks = [\"a.img\"]; print(disks[1]);",
            r#"
error: the list has 1 value, but none at 1
 --> recipe.rhai:5:36
  |
5 | let disks = ["a.img"]; print(disks[1]);
  |                                    ^
  |
  = hint: the first one is at 0
"#,
        ),
        (
            "let nics = 4; for nic in nics { print(nic); }",
            r"
error: this cannot be gone through one by one
 --> recipe.rhai:5:26
  |
5 | let nics = 4; for nic in nics { print(nic); }
  |                          ^^^^
  |
  = hint: `for` takes a list, a map's `keys()`, or a range as in `0..4`
",
        ),
        (
            "let disks = 1; if disks { print(\"one\"); }",
            r#"
error: expected true or false, got a number
 --> recipe.rhai:5:19
  |
5 | let disks = 1; if disks { print("one"); }
  |                   ^^^^^
"#,
        ),
    ];
    for (line, stderr) in cases {
        wrong(line, 1, stderr);
    }
}

#[test]
fn an_unknown_parameter_is_the_command_lines_mistake() {
    let sandbox = host();
    sandbox.write("recipe.rhai", "let cpus = param(\"cpus\", 2);\n");
    let done = sandbox.run(&["recipe.rhai", "--set", "cpu=4"]);
    same(
        &done.stderr,
        "
error: the recipe recipe.rhai has no parameter `cpu`
 |
 = hint: did you mean `cpus`?
",
    );
    assert_eq!((done.code, done.stdout.as_str()), (2, ""));
}

#[test]
fn a_program_that_is_missing_is_named_with_what_brings_it() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("none")).unwrap();
    sandbox.write("disk.img", "x");
    sandbox.write("recipe.rhai", "bhyve(#{ name: \"lab\", slots: #{ \"4\": nvme(\"disk.img\") } }).run();\n");
    let mut command = sandbox.command(&["recipe.rhai"]);
    let done = sandbox.finish(command.env("VMRUN_PLATFORM", "linux").env("PATH", sandbox.path("none")));
    same(
        &done.stderr,
        r#"
error: `qemu-system-x86_64` is not installed
 --> recipe.rhai:1:1
  |
1 | bhyve(#{ name: "lab", slots: #{ "4": nvme("disk.img") } }).run();
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: apt-get install qemu-system-x86 brings it
"#,
    );
    assert_eq!((done.code, done.stdout.as_str()), (3, ""));
    sandbox.write("recipe.rhai", "iscsi(\"iqn.2026-01.org.example:web\", #{ portal: \"10.0.0.9\", login: true });\n");
    let done = sandbox.finish(sandbox.command(&["plan", "recipe.rhai"]).env("PATH", sandbox.path("none")));
    let lines: Vec<&str> = done.stderr.lines().collect();
    assert_eq!(
        (done.code, lines.first(), lines.last()),
        (
            3,
            Some(&"error: cannot start `iscsictl`: No such file or directory"),
            Some(&"  = hint: iscsictl is part of FreeBSD's base system; is PATH right?")
        )
    );
}

/// As an ordinary user, with a copy of the program where that user may run it.
#[test]
fn making_interfaces_without_root_is_refused_before_anything_is_touched() {
    let sandbox = Sandbox::new();
    let open = |name: &str| fs::set_permissions(sandbox.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_vmrun"), sandbox.path("vmrun")).unwrap();
    sandbox.write("recipe.rhai", "truncate(\"new.img\", 1.MiB);\nlet nic = tap(\"vmruntest0\");\n");
    open("");
    open("vmrun");
    // Of Linux' interfaces it has none.
    sandbox.script("ip", "echo []");
    let words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "./vmrun", "recipe.rhai"];
    // Whoever is not root is as good.
    let words = if nix::unistd::geteuid().is_root() { &words[..] } else { &words[4..] };
    let mut command = std::process::Command::new(words[0]);
    command.args(&words[1..]);
    command
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", sandbox.path("bin").display()))
        .env("VMRUN_STATE_DIR", "state");
    command.env("VMRUN_PLATFORM", "linux").env("VMRUN_CONFIG", "config").current_dir(sandbox.path(""));
    let output = command.output().unwrap();
    same(
        &String::from_utf8_lossy(&output.stderr),
        r#"
error: making interfaces needs root
 --> recipe.rhai:2:11
  |
2 | let nic = tap("vmruntest0");
  |           ^^^^^^^^^^^^^^^^^
  |
  = hint: run vmrun as root, or with --user-net
"#,
    );
    assert_eq!((output.status.code(), sandbox.path("new.img").exists()), (Some(3), false));
}

#[test]
fn a_port_of_a_controller_is_underlined() {
    let line = r#"bhyve(#{ name: "lab", slots: #{ "4": ahci([#{ hd: "[tmp]/vm/a.img" }, #{ cd: "[tmp]/vm/none.iso" }]) } }).run();"#;
    wrong(
        line,
        1,
        r#"
error: [tmp]/vm/none.iso is not there
 --> recipe.rhai:5:88
  |
5 | bhyve(#{ name: "lab", slots: #{ "4": ahci([#{ hd: "[tmp]/vm/a.img" }, #{ cd: "[tmp]/vm/none.iso" }]) } }).run();
  |                                                                                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: add --init if that makes it, or fetch the image, or correct the path
"#,
    );
}

#[test]
fn a_key_in_the_map_of_a_key_is_underlined() {
    wrong(
        r#"bhyve(#{ name: "lab", pin: #{ "1": 0 }, gdb: #{ port: 1 } }).run();"#,
        1,
        r#"
error: there is no CPU 1 to pin: the machine has 1
 --> recipe.rhai:5:36
  |
5 | bhyve(#{ name: "lab", pin: #{ "1": 0 }, gdb: #{ port: 1 } }).run();
  |                                    ^
  |
  = hint: from 0 to 0
"#,
    );
}

#[test]
fn an_unknown_key_of_a_port_is_underlined() {
    wrong(
        r#"ahci([#{ hd: "/a", sre: "X" }]);"#,
        1,
        r#"
error: there is no key `sre`
 --> recipe.rhai:5:20
  |
5 | ahci([#{ hd: "/a", sre: "X" }]);
  |                    ^^^
  |
  = hint: did you mean `ser`?
"#,
    );
}

#[test]
fn a_rule_in_a_list_is_underlined() {
    wrong(
        r#"virtio_net("slirp", #{ hostfwd: ["tcp::2222-:22", "tcp:22"] });"#,
        1,
        r#"
error: "tcp:22" is not a rule for `hostfwd`
 --> recipe.rhai:5:51
  |
5 | virtio_net("slirp", #{ hostfwd: ["tcp::2222-:22", "tcp:22"] });
  |                                                   ^^^^^^^^
  |
  = hint: write PROTO:[ADDRESS]:PORT-[ADDRESS]:PORT: "tcp::2222-:22" or "udp:127.0.0.1:53-10.0.2.15:53"
"#,
    );
}

#[test]
fn a_port_that_has_a_name_is_underlined() {
    let line =
        r#"bhyve(#{ name: "lab", slots: #{ "4": virtio_console(#{ a: "[tmp]/vm/a.img", b: "[tmp]/vm/b" }) } }).run();"#;
    wrong(
        line,
        1,
        r#"
error: [tmp]/vm/a.img is there already, and bhyve makes its sockets anew
 --> recipe.rhai:5:59
  |
5 | bhyve(#{ name: "lab", slots: #{ "4": virtio_console(#{ a: "[tmp]/vm/a.img", b: "[tmp]/vm/b" }) } }).run();
  |                                                           ^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: if no program listens there any more, remove it: rm [tmp]/vm/a.img
"#,
    );
}

#[test]
fn bhyve_is_not_asked_for_what_it_would_answer_without_a_screen() {
    wrong(
        r#"fbuf(#{ vga: "on" });"#,
        1,
        r#"
error: bhyve cannot do `vga=on`: it would run without any VNC server
 --> recipe.rhai:5:14
  |
5 | fbuf(#{ vga: "on" });
  |              ^^^^
  |
  = hint: write "io" (the default) or "off"
"#,
    );
}

#[test]
fn a_wrong_argument_is_shown_how_its_word_is_written() {
    wrong(
        "tap(5);",
        1,
        r#"
error: expected a text, got a number
 --> recipe.rhai:5:5
  |
5 | tap(5);
  |     ^
  |
  = hint: write `tap("tap1", #{ mtu, description, up })`
"#,
    );
    wrong(
        r#"bhyve(#{ name: "lab", slots: #{ "3": fbuf(#{ w: "wide" }) } }).run();"#,
        1,
        r#"
error: "wide" is not a whole number
 --> recipe.rhai:5:49
  |
5 | bhyve(#{ name: "lab", slots: #{ "3": fbuf(#{ w: "wide" }) } }).run();
  |                                                 ^^^^^^
  |
  = hint: from 1 to 3840
"#,
    );
    wrong(
        r#"bhyve(#{ name: "lab", slots: #{ "3": "disk.img" } }).run();"#,
        1,
        r#"
error: expected a device, got a text
 --> recipe.rhai:5:38
  |
5 | bhyve(#{ name: "lab", slots: #{ "3": "disk.img" } }).run();
  |                                      ^^^^^^^^^^
  |
  = hint: write a device's word: `virtio_blk("/vm/a.img")`
"#,
    );
}

#[test]
fn a_parameter_that_is_given_twice_is_refused() {
    let sandbox = host();
    sandbox.write("recipe.rhai", "print(param(\"n\", 0));\n");
    for words in [&["recipe.rhai"][..], &["plan", "recipe.rhai"], &["check", "recipe.rhai"]] {
        let done = sandbox.run(&[words, &["--set", "n=1", "--set", "n=2"]].concat());
        same(&done.stderr, "error: `--set n=…` is given twice\n |\n = hint: leave one of them out\n");
        assert_eq!((done.code, done.stdout.as_str()), (2, ""), "{words:?}");
    }
}

#[test]
fn what_does_nothing_is_warned_of_before_it_is_run() {
    let sandbox = host();
    let warned = |text: &str, stderr: &str| {
        sandbox.write("recipe.rhai", text);
        for words in [&["recipe.rhai"][..], &["plan", "recipe.rhai"]] {
            let done = sandbox.run(words);
            same(&done.stderr, stderr);
            assert_eq!(done.code, 0, "{words:?}");
        }
    };
    let empty = "
warning: the recipe recipe.rhai does nothing
 |
 = hint: a recipe boots a machine: bhyve(#{ name: \"lab\", … }).run();
";
    warned("// later\n", empty);
    warned("fn make() { 1 }\n", empty);
    let never = "
warning: the machine `lab` is described and never run
 --> recipe.rhai:1:10
  |
1 | let vm = bhyve(#{ name: \"lab\" });
  |          ^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: add .run()
";
    warned("let vm = bhyve(#{ name: \"lab\" });\n", never);
}

#[test]
fn a_folder_is_no_disk_and_the_hint_is_about_the_disk() {
    let line = r#"bhyve(#{ name: "lab", slots: #{ "4": virtio_blk("[tmp]/vm") } }).run();"#;
    wrong(
        line,
        1,
        r#"
error: [tmp]/vm is a folder
 --> recipe.rhai:5:49
  |
5 | bhyve(#{ name: "lab", slots: #{ "4": virtio_blk("[tmp]/vm") } }).run();
  |                                                 ^^^^^^^^^^^^^^^^^^^^
  |
  = hint: name the disk image in it, or a device
"#,
    );
}

#[test]
fn a_disk_that_is_missing_is_made_as_what_it_is() {
    let sandbox = host();
    let hints = [
        ("/dev/zvol/tank/vm/lab", "zvol(\"tank/vm/lab\", 20.GiB) makes it"),
        ("/dev/none0", "correct the path: a device is there or is not"),
        ("/none.img", "truncate(\"/none.img\", 20.GiB) makes it"),
    ];
    for (path, hint) in hints {
        let text = format!("bhyve(#{{ name: \"lab\", slots: #{{ \"4\": virtio_blk(\"{path}\") }} }}).run();\n");
        sandbox.write("recipe.rhai", &text);
        let done = sandbox.run(&["recipe.rhai", "--init"]);
        let wanted =
            format!("error: the disk {path} is not there, and the recipe does not make it\n --> recipe.rhai:1:49\n");
        assert!(done.stderr.starts_with(&wanted), "{}", done.stderr);
        assert!(done.stderr.ends_with(&format!("\n  = hint: {hint}\n")), "{}", done.stderr);
        assert_eq!(done.code, 1);
    }
}

#[test]
fn no_name_of_rust_or_rhai_is_said_of_a_value() {
    for (line, message) in [
        ("bhyve(#{ name: secret(\"vnc\") });", "expected a text, got a secret"),
        ("truncate(bhyvectl(\"a\"), 1.GiB);", "expected a text, got a vmm node"),
        ("truncate(0..4, 1.GiB);", "expected a text, got a range"),
        ("let s = secret(\"vnc\"); s.foo;", "a secret has no property `foo`"),
        ("let x = tap(\"tap2\"); x.foo = 2;", "a tap has no property `foo`"),
        ("let x = tap(\"tap2\"); x[0];", "a tap has no parts that `[…]` could name"),
        ("let x = tap(\"tap2\"); x += 1;", "there is no function `+` for (a tap, a number)"),
        ("let m = #{}; m - \"a\";", "there is no function `-` for (a map, a text)"),
        ("let f = |x| x; f.call(1, 2);", "the closure does not take (a number, a number)"),
        ("throw secret(\"vnc\");", "a secret"),
        ("try { tap(1) } catch (e) { throw `so: ${e}`; }", "so: expected a text, got a number"),
        ("try { tap(1) } catch (e) { tap(e); }", "expected a text, got a fault"),
    ] {
        let sandbox = host();
        sandbox.write("recipe.rhai", line);
        let done = sandbox.run(&["plan", "recipe.rhai"]);
        same(done.stderr.lines().next().unwrap_or_default(), &format!("error: {message}"));
        assert!(!done.stderr.contains("::"), "{}", done.stderr);
    }
}

#[test]
fn a_size_may_have_the_whole_name_of_its_unit_and_is_a_whole_number() {
    let sandbox = host();
    let line = |memory: &str| {
        format!(
            "bhyve(#{{ name: \"lab\", memory: {memory}, bootrom: bootrom(\"vm/rom.fd\"), slots: #{{ \"31\": lpc() }} }}).run();"
        )
    };
    for memory in ["\"2GiB\"", "\"2GB\"", "\"2G\"", "2.GiB", "param(\"m\", \"2gib\")"] {
        sandbox.write("recipe.rhai", &line(memory));
        let done = sandbox.run(&["plan", "recipe.rhai"]);
        assert!(done.code == 0 && done.stdout.contains(" -m 2G "), "{memory}: {}", done.stderr);
    }
    for (memory, hint) in [
        ("1.5.GiB", "write 1536.MiB"),
        ("(0.25).KiB", "write 1536.MiB for one and a half GiB"),
        ("0.3.GiB", "write 1536.MiB for one and a half GiB"),
    ] {
        sandbox.write("recipe.rhai", &line(memory));
        let told = sandbox.run(&["plan", "recipe.rhai"]).stderr;
        assert!(told.starts_with("error: a number with a point has no property `"), "{told}");
        assert!(told.contains(&format!("= hint: a size is a whole number: {hint}\n")), "{told}");
    }
}

#[test]
fn a_line_in_the_place_of_a_program_is_told_before_it_is_run() {
    wrong(
        r#"run("ls -la /");"#,
        1,
        r#"
error: "ls -la /" is taken for the name of one program, blanks and all
 --> recipe.rhai:5:5
  |
5 | run("ls -la /");
  |     ^^^^^^^^^^
  |
  = hint: write the program and its arguments apart: run("ls", ["-la", "/"])
"#,
    );
    wrong(
        r#"query("ls | wc", []);"#,
        1,
        r#"
error: "ls | wc" is taken for the name of one program, blanks and all
 --> recipe.rhai:5:7
  |
5 | query("ls | wc", []);
  |       ^^^^^^^^^
  |
  = hint: a shell cuts it into words: query("sh", ["-c", "ls | wc"])
"#,
    );
    // One whose name has a blank is a program.
    let sandbox = host();
    fs::write(sandbox.path("vm/my tool"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(sandbox.path("vm/my tool"), fs::Permissions::from_mode(0o755)).unwrap();
    sandbox.write("recipe.rhai", "run(\"[tmp]/vm/my tool\");\n");
    let done = sandbox.run(&["plan", "recipe.rhai"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
}

#[test]
fn what_the_recipe_makes_is_not_said_to_be_the_hosts() {
    for (line, message, hint) in [
        (
            "vlan(\"em0\", 82); vlan(\"ix0\", 83);",
            "the interface ix0 is not there",
            "interfaces on this host: em0, lo0, bridge2 and tap9; the recipe makes em0.82",
        ),
        (
            "bridge(\"bridge9\", #{ create: true }); bridge(\"bridge8\");",
            "the bridge bridge8 is not there",
            "bridges on this host: bridge2; the recipe makes bridge9",
        ),
    ] {
        let sandbox = host();
        sandbox.write("recipe.rhai", line);
        let told = sandbox.run(&["plan", "recipe.rhai"]).stderr;
        assert!(told.starts_with(&format!("error: {message}\n")), "{told}");
        let names = told.lines().find_map(|line| line.strip_prefix("  = hint: ")).unwrap_or_default();
        let sorted = |text: &str| {
            let mut words: Vec<String> = text.replace([',', ';'], "").split(' ').map(String::from).collect();
            words.sort();
            words
        };
        assert_eq!(sorted(names), sorted(hint));
        assert!(names.ends_with(hint.rsplit(';').next().unwrap()), "{names}");
    }
}

#[test]
fn a_wireless_member_of_a_bridge_is_warned_of() {
    let told = |name: &str| {
        format!(
            "\
warning: {name} is wireless: as a station of a network it cannot be a member of a bridge
 --> recipe.rhai:1:23
  |
1 | bridge(\"bridge2\").add(\"{name}\");
  |                       {}
  |
  = hint: an access point can; else leave it out, and have the host route between the bridge and it (NAT)
",
            "^".repeat(name.len() + 2)
        )
    };
    for (on, name) in [("freebsd", "wlan0"), ("linux", "wlp3s0"), ("linux", "wlan0")] {
        let sandbox = host();
        sandbox.write("recipe.rhai", &format!("bridge(\"bridge2\").add(\"{name}\");\n"));
        same(&sandbox.run(&["plan", "--on", on, "recipe.rhai"]).stderr, &told(name));
    }
    let sandbox = host();
    sandbox.write("recipe.rhai", "bridge(\"bridge2\").add(\"em0\");\n");
    assert_eq!(sandbox.run(&["plan", "--on", "freebsd", "recipe.rhai"]).stderr, "");
}

#[test]
fn what_a_hypervisor_opens_has_to_be_there_and_the_folder_of_what_it_makes() {
    let machine = |more: &str, slots: &str| {
        format!(
            "bhyve(#{{ name: \"lab\", fwcfg: \"qemu\", bootrom: bootrom(\"[tmp]/vm/rom.fd\"), {more}slots: #{{ \"0\": hostbridge(), {slots}\"31\": \
             lpc() }} }}).run();"
        )
    };
    for (more, slots, message, hint) in [
        ("com1: \"/none/x\", ", "", "/none/x is not there", "correct the path: it is opened when the machine starts"),
        (
            "tpm: #{ type: \"swtpm\", path: \"/none/x\" }, ",
            "",
            "/none/x is not there",
            "correct the path: it is opened when the machine starts",
        ),
        (
            "fw_cfg: #{ \"opt/a\": #{ file: \"/none/x\" } }, ",
            "",
            "/none/x is not there",
            "correct the path: it is opened when the machine starts",
        ),
        (
            "",
            "\"5\": hda(#{ play: \"/dev/none\" }), ",
            "/dev/none is not there",
            "correct the path: it is opened when the machine starts",
        ),
        (
            "",
            "\"5\": virtio_input(\"/dev/none\"), ",
            "/dev/none is not there",
            "correct the path: it is opened when the machine starts",
        ),
        (
            "",
            "\"5\": uart(\"/none/x\"), ",
            "/none/x is not there",
            "correct the path: it is opened when the machine starts",
        ),
        ("", "\"5\": fbuf(#{ rfb: \"unix:/none/x\" }), ", "the folder /none is not there", "mkdir -p /none"),
        ("", "\"5\": virtio_console(#{ a: \"/none/x\" }), ", "the folder /none is not there", "mkdir -p /none"),
    ] {
        let sandbox = host();
        sandbox.write("recipe.rhai", &machine(more, slots));
        let told = sandbox.run(&["recipe.rhai"]).stderr;
        assert!(told.starts_with(&format!("error: {message}\n --> recipe.rhai:1:")), "{told}");
        assert!(told.ends_with(&format!("  = hint: {hint}\n")), "{told}");
        let told = sandbox.run(&["plan", "recipe.rhai"]);
        assert!(told.code == 0 && told.stderr.starts_with(&format!("warning: {message}\n")), "{}", told.stderr);
    }
    // What serves a TPM may be started by the recipe.
    let sandbox = host();
    sandbox.write(
        "recipe.rhai",
        &format!("run(\"true\");\n{}", machine("tpm: #{ type: \"swtpm\", path: \"/none/x\" }, ", "")),
    );
    assert_eq!(sandbox.run(&["plan", "recipe.rhai"]).stderr, "");
}
