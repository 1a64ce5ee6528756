//! What libraries may do, and who says so.

use super::sandbox::{Done, Sandbox, same};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

/// A library, `team`, that is used where it is.
fn library(text: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("team")).unwrap();
    sandbox.write("team/lib.rhai", text);
    sandbox.write("vmrun.toml", "[lib.team]\npath = \"team\"\n");
    for program in ["zfs", "logger"] {
        let file = sandbox.path("bin").join(program);
        fs::write(&file, format!("#!/bin/sh\necho {program} >>{}\n", sandbox.path("ran").display())).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    sandbox
}

fn plan(sandbox: &Sandbox, recipe: &str, more: &[&str]) -> Done {
    sandbox.write("recipe.rhai", &format!("import \"team\" as team;\n{recipe}\n"));
    sandbox.run(&[&["plan", "recipe.rhai"], more].concat())
}

/// The first line and the way out that a plan shows which is refused; `fine` for one that is not.
fn said(library_text: &str, recipe: &str) -> String {
    of(&plan(&library(library_text), recipe, &[]))
}

fn of(done: &Done) -> String {
    if done.code == 0 {
        assert_eq!(done.stderr, "");
        return "fine".into();
    }
    assert_eq!((done.code, done.stdout.as_str()), (1, ""), "{}", done.stderr);
    let hint = done.stderr.lines().find_map(|line| line.trim().strip_prefix("= hint: ")).unwrap_or_default();
    format!("{} | {hint}", done.stderr.lines().next().unwrap().trim_start_matches("error: "))
}

fn refused(what: &str, key: &str, name: &str) -> String {
    format!(
        "the library `team` may not {what} | if it shall, the recipe says so before: allow(#{{ {key}: [\"{name}\"] }});"
    )
}

#[test]
fn what_a_library_may_not_do_is_refused_with_its_line_and_the_recipes() {
    let sandbox = library("/// Makes room.\nfn room(name) {\n    truncate(`/etc/${name}`, 1.MiB);\n}\n");
    let done = plan(&sandbox, "team::room(\"passwd\");", &[]);
    assert_eq!((done.code, done.stdout.as_str()), (1, ""));
    same(
        &done.stderr,
        r#"
error: the library `team` may not use /etc/passwd
 --> team/lib.rhai:3:5
  |
3 |     truncate(`/etc/${name}`, 1.MiB);
  |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
 ::: recipe.rhai:2:7
  |
2 | team::room("passwd");
  |       -------------- in `room` called here
  |
  = hint: if it shall, the recipe says so before: allow(#{ paths: ["/etc/passwd"] });
"#,
    );
}

#[test]
fn the_recipes_own_text_may_do_anything() {
    let sandbox = library("fn f() { 1 }\n");
    sandbox.write("near.rhai", "fn act(path) {\n    truncate(path, 1.MiB);\n    run(\"zfs\");\n}\n");
    let own = "import \"./near\" as near;\nimport \"std/disk\" as disk;\nteam::f();\numask(\"022\");\n\
               let at = \"[tmp]\" + \"/vm/a.img\";\ntruncate(at, 1.MiB);\nnear::act(at);\ndisk::zvol(\"tank\" + \"/a\", 1.MiB);\n";
    assert_eq!(of(&plan(&sandbox, own, &[])), "fine");
    fs::remove_file(sandbox.path("vmrun.toml")).unwrap();
    sandbox.write("recipe.rhai", &own.replace("team::f();", ""));
    assert_eq!(of(&sandbox.run(&["plan", "recipe.rhai"])), "fine");
}

#[test]
fn a_library_may_use_what_the_recipe_names_or_allows() {
    let room = "fn room(path) { truncate(path, 1.MiB); }\n";
    let path = |folder: &str| refused(&format!("use {folder}/a.img"), "paths", &format!("{folder}/a.img"));
    let tmp = |recipe: &str| said(room, recipe).replace("[tmp]", "/t");
    assert_eq!(tmp("team::room(\"[tmp]\" + \"/vm/a.img\");"), path("/t/vm"));
    for recipe in [
        "team::room(\"[tmp]/vm/a.img\");",
        "let folder = \"[tmp]/vm/\";\nteam::room(folder + \"a.img\");",
        "let name = \"a\";\nteam::room(`[tmp]/vm/${name}.img`);",
        "allow(#{ paths: [\"[tmp]/vm\"] });\nteam::room(\"[tmp]\" + \"/vm/a.img\");",
        "allow(#{ paths: [\"[tmp]/vm/a.img\"] });\nteam::room(\"[tmp]\" + \"/vm/a.img\");",
        "team::room(env(\"FAKE_FREEBSD\"));",
    ] {
        assert_eq!(tmp(recipe), "fine", "{recipe}");
    }
    let set = library(room);
    let image = set.path("vm/a.img").display().to_string();
    let done = plan(&set, "team::room(param(\"disk\", \"\"));", &["--set", &format!("disk={image}")]);
    assert_eq!(of(&done), "fine");
    // What is allowed later is not allowed yet, and what was allowed once is not allowed in the next evaluation.
    assert_eq!(tmp("team::room(\"[tmp]\" + \"/vm/a.img\");\nallow(#{ paths: [\"[tmp]\" + \"/vm\"] });"), path("/t/vm"));
}

#[test]
fn a_library_may_use_what_the_configuration_allows() {
    let sandbox = library("fn snapshot(of) { run(\"zfs\", [\"snapshot\", of]); }\n");
    let recipe = "team::snapshot(\"tank/a@x\");";
    assert_eq!(of(&plan(&sandbox, recipe, &[])), refused("run `zfs`", "run", "zfs"));
    sandbox.write("config/config.toml", "[allow]\nrun = [\"zfs\"]\n");
    assert_eq!(of(&plan(&sandbox, recipe, &[])), "fine");
    sandbox.write("config/config.toml", "[allow]\nrun = \"zfs\"\n");
    let done = plan(&sandbox, recipe, &[]);
    assert_eq!(done.code, 2);
    let line = done.stderr.lines().next().unwrap();
    assert_eq!(line, "error: [tmp]/config/config.toml:2:7: `run` is a list of texts");
}

#[test]
fn the_folder_of_machines_is_any_librarys_but_not_what_leads_out_of_it() {
    let room = "fn room(path) { write_file(path, \"x\"); }\n";
    let on_linux = |recipe: &str| {
        let sandbox = library(room);
        sandbox.write("recipe.rhai", &format!("import \"team\" as team;\n{recipe}\n"));
        of(&sandbox.finish(sandbox.command(&["plan", "--on", "freebsd", "recipe.rhai"]).env("VMRUN_PLATFORM", "linux")))
    };
    assert_eq!(on_linux("team::room(vm_dir + \"/a\");"), "fine");
    assert_eq!(on_linux("team::room(vm_dir + \"/../a\");"), refused("use /vm/../a", "paths", "/vm/../a"));
    assert_eq!(on_linux("team::room(vm_dir + \"x/a\");"), refused("use /vmx/a", "paths", "/vmx/a"));
    let sandbox = library(room);
    for (link, to) in [("out", "/etc"), ("dangling", "/etc/vmrun-is-not-there"), ("in", "here")] {
        symlink(to, sandbox.path("vm").join(link)).unwrap();
    }
    fs::create_dir_all(sandbox.path("vm/here")).unwrap();
    let said = |path: &str| {
        let recipe =
            format!("let vm = \"[tmp]\" + \"/vm\";\nallow(#{{ paths: [vm] }});\nteam::room(vm + \"/{path}\");");
        of(&plan(&sandbox, &recipe, &[]))
    };
    for path in ["a", "here/a", "in/a"] {
        assert_eq!(said(path), "fine", "{path}");
    }
    for path in ["out/passwd", "dangling", "here/../out/x"] {
        let path = format!("[tmp]/vm/{path}");
        assert_eq!(said(path.trim_start_matches("[tmp]/vm/")), refused(&format!("use {path}"), "paths", &path));
    }
}

#[test]
fn every_way_to_the_host_is_watched() {
    let run = |program: &str| refused(&format!("run `{program}`"), "run", program);
    let path = |path: &str| refused(&format!("use {path}"), "paths", path);
    let interface = |name: &str| refused(&format!("use the interface {name}"), "interfaces", name);
    let machine = |inside: &str| format!("bhyve(#{{ name: \"x\", {inside} }});");
    let slot = |device: &str| machine(&format!("slots: #{{ \"4\": {device} }}"));
    for (text, expected) in [
        ("run(\"zfs\");".to_string(), run("zfs")),
        ("run(\"zfs\", [], #{ makes: \"/data/x\" });".into(), run("zfs")),
        ("query(\"zfs\");".into(), run("zfs")),
        ("ifconfig([\"em0\", \"down\"]);".into(), run("ifconfig")),
        ("umask(\"000\");".into(), "the library `team` may not set the umask | the recipe itself may".into()),
        ("write_file(\"/etc/x\", \"\");".into(), path("/etc/x")),
        ("truncate(\"x\", 0);".into(), path("x")),
        ("cloud_seed(\"/etc/x\", #{ user_data: \"#!x\", meta_data: \"instance-id: x\" });".into(), path("/etc/x")),
        ("ipxe_image(\"/vm/x\", #{ loader: \"/etc/passwd\" });".into(), path("/etc/passwd")),
        ("ipxe_image(\"/vm/x\", #{ loader: [], files: #{ \"a\": \"/etc/passwd\" } });".into(), path("/etc/passwd")),
        ("ipxe_image(\"/vm/x\", #{ loader: [], script: #{ file: \"/etc/passwd\" } });".into(), path("/etc/passwd")),
        ("bridge(\"bridge2\").add(\"em0\");".into(), interface("bridge2")),
        ("vlan(\"em0\", 5);".into(), interface("em0")),
        ("default_router(\"10.0.0.1\");".into(), interface("10.0.0.1")),
        ("uefi(#{ vars: \"/etc/x\" });".into(), path("/etc/x")),
        ("bootrom(\"/etc/x\");".into(), path("/etc/x")),
        (machine("bootrom: \"/etc/x\""), path("/etc/x")),
        (machine("com2: \"/dev/tty\""), path("/dev/tty")),
        (machine("tpm: #{ path: \"/dev/tpm0\" }"), path("/dev/tpm0")),
        (machine("fw_cfg: #{ \"opt/x\": #{ file: \"/etc/passwd\" } }"), path("/etc/passwd")),
        ("let vm = bhyve(#{ name: \"x\" });\nvm.com1 = \"/dev/tty\";".into(), path("/dev/tty")),
        (slot("virtio_blk(\"/dev/ada0\")"), path("/dev/ada0")),
        (slot("virtio_9p(\"x\", \"/etc\")"), path("/etc")),
        (slot("ahci([#{ hd: \"/dev/ada0\" }])"), path("/dev/ada0")),
        (slot("passthru(\"2/0/0\")"), path("2/0/0")),
        (slot("virtio_net(\"tap7\")"), interface("tap7")),
        (slot("virtio_net(\"vale0:x\")"), interface("vale0:x")),
        (slot("virtio_net(\"netgraph\", #{ path: \"sw:\", peerhook: \"x\" })"), interface("sw:")),
        (slot("uart(\"/dev/tty\")"), path("/dev/tty")),
        (slot("lpc(#{ com1: \"/dev/tty\" })"), path("/dev/tty")),
        (slot("virtio_console(#{ \"x\": \"/dev/log\" })"), path("/dev/log")),
        (slot("virtio_scsi(\"/dev/cam/ctl\")"), path("/dev/cam/ctl")),
        (slot("virtio_input(\"/dev/input/event0\")"), path("/dev/input/event0")),
        (slot("hda(#{ rec: \"/dev/dsp0\" })"), path("/dev/dsp0")),
        (
            "let vm = bhyve(#{ name: \"x\" });\nvm.args([\"-M\"]);".into(),
            refused("give bhyve arguments as they are", "run", "bhyve"),
        ),
        (
            "let vm = bhyve(#{ name: \"x\" });\nvm.option(\"a\", \"b\");".into(),
            refused("give bhyve arguments as they are", "run", "bhyve"),
        ),
    ] {
        let said = said(&format!("fn act() {{\n{text}\n}}\n"), "team::act();");
        assert_eq!(said, expected, "{text}");
    }
}

#[test]
fn what_a_library_makes_itself_is_its_own() {
    let nic = "fn nic(n) {\n    let made = tap(\"tap\" + n);\n    bridge(\"bridge\" + \"9\", #{ create: true }).add(made);\n    \
               bhyvectl(\"x\" + n).destroy();\n    virtio_net(made);\n    epair();\n}\n";
    assert_eq!(said(nic, "team::nic(7);"), "fine");
}

#[test]
fn the_standard_library_counts_as_whoever_called_it() {
    let text = "import \"std/disk\" as disk;\nimport \"std/net\" as net;\nfn volume(of) { disk::zvol(of, 1.MiB) }\nfn nic(on) { net::nic(on, \"tap9\") }\n";
    assert_eq!(said(text, "team::volume(\"tank/x\");"), refused("run `zfs`", "run", "zfs"));
    assert_eq!(said(text, "team::nic(\"bridge\" + 2);"), refused("use the interface bridge2", "interfaces", "bridge2"));
    assert_eq!(said(text, "team::nic(\"bridge2\");"), "fine");
    assert_eq!(said(text, "allow(#{ interfaces: [\"bridge\" + 2] });\nteam::nic(\"bridge\" + 2);"), "fine");
}

#[test]
fn a_closure_is_watched_wherever_it_is_called() {
    let zfs = refused("run `zfs`", "run", "zfs");
    for (text, recipe) in [
        ("fn make() { || run(\"zfs\") }", "team::make().call();"),
        ("fn make() { let x = \"zfs\"; || run(x) }", "team::make().call();"),
        ("fn make() { |x| run(x) }", "team::make().call(\"zfs\");"),
        ("fn make() { |x| run(x) }", "let make = team::make();\nlet f = || make.call(\"zfs\");\nf.call();"),
        ("fn make() { || || run(\"zfs\") }", "team::make().call().call();"),
        ("fn make() { || inner() } private fn inner() { run(\"zfs\") }", "team::make().call();"),
        ("fn make() { #{ f: |x| run(\"zfs\") } }", "[1].for_each(team::make().f);"),
        ("fn make() { [|x| run(x)] }", "[\"zfs\"].map(team::make()[0]);"),
        ("fn make() { [|x| { run(x); true }] }", "[\"zfs\"].filter(team::make()[0]);"),
        ("fn make() { || run(\"zfs\") }", "defer(team::make());"),
        (
            "fn make() { |e| run(\"zfs\") }",
            "on(\"exited\", team::make());\nbhyve(#{ name: \"x\", bootrom: \"[tmp]/vm/rom\", slots: #{ \"31\": lpc() } }).run();",
        ),
        ("export const F = || run(\"zfs\");", "let f = team::F;\nf.call();"),
        // The recipe's closure is called by the library, with what that likes.
        ("fn each(f) { f.call(\"zfs\") }", "team::each(|x| run(x));"),
        ("fn each(f) { [\"zfs\"].map(f) }", "team::each(|x| run(x));"),
    ] {
        let sandbox = library(text);
        fs::write(sandbox.path("vm/rom"), [0; 4096]).unwrap();
        assert_eq!(of(&plan(&sandbox, recipe, &[])), zfs, "{text} {recipe}");
    }
    // A closure of the recipe that the recipe itself calls is its own, whatever a library gave it.
    assert_eq!(said("fn name() { \"zfs\" }", "let f = || run(team::name());\nf.call();"), "fine");
}

#[test]
fn only_the_recipe_itself_allows() {
    let only =
        "only the recipe itself may allow something | say in the library's README what it needs; each recipe decides";
    assert_eq!(said("fn f() { allow(#{ run: [\"zfs\"] }); }", "team::f();"), only);
    assert_eq!(said("fn f() { 1 }\nallow(#{ run: [\"zfs\"] });", "team::f();"), only);
    let sandbox = library("fn f() { run(\"zfs\") }");
    sandbox.write("near.rhai", "fn open() { allow(#{ run: [\"zfs\"] }); }\n");
    assert_eq!(of(&plan(&sandbox, "import \"./near\" as near;\nnear::open();\nteam::f();", &[])), only);
    let key = said("fn f() { 1 }", "allow(#{ runs: [\"zfs\"] });");
    assert_eq!(key, "there is no key `runs` | did you mean `run`?");
    let list = said("fn f() { 1 }", "allow(#{ run: \"zfs\" });");
    assert_eq!(
        list,
        "expected a list of texts, got a text | write `allow(#{ paths: [\"/data\"], run: [\"zfs\"], interfaces: [\"em0\"] })`"
    );
}

#[test]
fn nothing_is_run_that_is_refused() {
    let sandbox = library("fn act() { query(\"logger\", [\"x\"]); }\n");
    sandbox.write("recipe.rhai", "import \"team\" as team;\nteam::act();\n");
    assert_eq!(of(&sandbox.run(&["recipe.rhai"])), refused("run `logger`", "run", "logger"));
    assert_eq!(sandbox.read("ran"), "");
}

#[test]
fn an_audit_lists_all_that_a_library_can_ask_for() {
    let sandbox = library(
        "import \"std/disk\" as disk;\nfn room(name) {\n    truncate(`/vm/${name}`,\n        1.MiB);\n    disk::zvol(name, 1.MiB);\n}\n",
    );
    fs::create_dir_all(sandbox.path("team/more")).unwrap();
    sandbox.write("team/more/nic.rhai", "fn nic(on) { let made = tap(\"tap1\"); bridge(on).add(made); }\n");
    sandbox.write("team/lib_test.rhai", "run(\"zfs\");\n");
    let audit = |args: &[&str]| sandbox.finish(&mut sandbox.command(&[&["audit"], args].concat()));
    let done = audit(&["team"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    same(
        &done.stdout,
        "
team/lib.rhai:3:5        paths                                     truncate(`/vm/${name}`, 1.MiB)
team/lib.rhai:5:11       commands, paths, whether files are there  zvol(name, 1.MiB)
team/more/nic.rhai:1:25  interfaces                                tap(\"tap1\")
team/more/nic.rhai:1:38  interfaces                                bridge(on)
team/more/nic.rhai:1:49  interfaces                                add(made)

in all: commands 1, interfaces 3, paths 2, whether files are there 1
",
    );
    let json = audit(&["team", "--json"]).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let second = serde_json::json!({
        "file": "team/lib.rhai", "line": 5, "column": 11, "function": "room", "word": "disk::zvol",
        "asks": ["commands", "paths", "whether files are there"], "text": "zvol(name, 1.MiB)",
    });
    assert_eq!(json[1], second);
    sandbox.write("team/lib.rhai", "fn f() { 1 }\n");
    same(audit(&["./team/more"]).stdout.lines().last().unwrap_or_default(), "in all: interfaces 3");
    fs::remove_dir_all(sandbox.path("team/more")).unwrap();
    same(&audit(&["team"]).stdout, "it asks for nothing");
    let done = audit(&["tema"]);
    assert_eq!(done.code, 2);
    same(
        &done.stderr,
        "
error: tema is no library and no folder
 |
 = hint: vmrun.toml names libraries: vmrun lib list
",
    );
}
