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

/// The first line that is said, whatever comes of it.
fn of_any(done: &Done) -> String {
    format!("{}{}", if done.code == 0 { "fine" } else { "" }, done.stderr.trim_start_matches("error: "))
}

fn refused(what: &str, key: &str, name: &str) -> String {
    format!(
        "the library `team` may not {what} | if it shall, the recipe says so before: allow(#{{ {key}: [\"{name}\"] }});"
    )
}

/// The same, of what the recipe itself does.
fn own_refused(what: &str, key: &str, name: &str) -> String {
    format!(
        "the recipe imports the library `team`, and does not name what it does: to {what} | if it shall, the recipe says so \
         before: allow(#{{ {key}: [\"{name}\"] }});"
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
fn a_library_may_be_in_the_folder_of_its_recipes() {
    let sandbox = library("");
    sandbox.write("lib.rhai", "fn room(path) { truncate(path, 1.MiB); }\n");
    for path in [".", "./", "team/.."] {
        sandbox.write("vmrun.toml", &format!("[lib.team]\npath = \"{path}\"\n"));
        assert_eq!(of(&plan(&sandbox, "team::room(\"[tmp]/vm/a.img\");", &[])), "fine", "{path}");
        let done = plan(&sandbox, "team::room(\"/etc/passwd\" + \"\");\nimport \"team/more\" as more;", &[]);
        let first = done.stderr.lines().next().unwrap();
        assert_eq!((first, done.code), ("error: the library `team` has no file more.rhai", 1), "{path}");
    }
}

#[test]
fn a_recipe_without_libraries_may_do_anything_and_one_with_them_what_it_names() {
    let sandbox = library("fn f() { 1 }\n");
    sandbox.write("near.rhai", "fn act(path) {\n    truncate(path, 1.MiB);\n    run(\"zfs\");\n}\n");
    let own = "import \"./near\" as near;\nimport \"std/disk\" as disk;\numask(\"022\");\nlet at = \"[tmp]\" + \"/vm/a.img\";\n\
               truncate(at, 1.MiB);\nnear::act(at);\ndisk::zvol(\"tank\" + \"/a\", 1.MiB);\n";
    sandbox.write("recipe.rhai", own);
    assert_eq!(of(&sandbox.run(&["plan", "recipe.rhai"])), "fine");
    assert_eq!(of(&plan(&sandbox, own, &[])), own_refused("use [tmp]/vm/a.img", "paths", "[tmp]/vm/a.img"));
    let named = own.replace("\"[tmp]\" + \"/vm/a.img\"", "\"[tmp]/vm/a.img\"");
    let volume = own_refused("use the volume tank/a", "run", "zfs");
    assert_eq!(of(&plan(&sandbox, &named, &[])), volume);
    let named = named.replace("\"tank\" + \"/a\"", "\"tank/\" + \"a\"");
    assert_eq!(of(&plan(&sandbox, &named, &[])), "fine");
}

#[test]
fn what_the_recipe_does_not_name_is_refused_at_its_own_line_too() {
    let sandbox = library("fn conf() { #{ name: \"x\", bootrom: \"/etc/shadow\" } }\n");
    let done = plan(&sandbox, "bhyve(team::conf()).run();", &[]);
    assert_eq!((done.code, done.stdout.as_str()), (1, ""));
    same(
        &done.stderr,
        r#"
error: the recipe imports the library `team`, and does not name what it does: to use /etc/shadow
 --> recipe.rhai:2:13
  |
2 | bhyve(team::conf()).run();
  |             ^^^^^^
  |
  = hint: if it shall, the recipe says so before: allow(#{ paths: ["/etc/shadow"] });
"#,
    );
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
    ] {
        assert_eq!(tmp(recipe), "fine", "{recipe}");
    }
    // It may use what the environment names; that there is a folder is another matter.
    assert_eq!(tmp("team::room(env(\"FAKE_FREEBSD\"));"), "/t/fake is a folder | name the file in it");
    let set = library(room);
    let image = set.path("vm/a.img").display().to_string();
    let done = plan(&set, "team::room(param(\"disk\", \"\"));", &["--set", &format!("disk={image}")]);
    assert_eq!(of(&done), "fine");
    // What is allowed later is not allowed yet, and what was allowed once is not allowed in the next evaluation.
    assert_eq!(tmp("team::room(\"[tmp]\" + \"/vm/a.img\");\nallow(#{ paths: [\"[tmp]\" + \"/vm\"] });"), path("/t/vm"));
}

#[test]
fn each_thing_that_may_be_allowed_is_let_through_once_it_is() {
    let said = |text: &str, allowed: &str| {
        let sandbox = library(text);
        sandbox.write("config/secrets/db", "xyzzy");
        fs::set_permissions(sandbox.path("config/secrets/db"), fs::Permissions::from_mode(0o600)).unwrap();
        of(&plan(&sandbox, &format!("{allowed}\nteam::act();"), &[]))
    };
    for (text, what, key, name) in [
        ("fn act() { env(\"HOME\"); }", "read the variable HOME", "env", "HOME"),
        ("fn act() { secret(\"db\"); }", "read the secret `db`", "secrets", "db"),
        ("fn act() { fbuf(#{ tcp: \"0.0.0.0:5900\" }); }", "listen on 0.0.0.0:5900", "listen", "0.0.0.0:5900"),
        ("fn act() { run(\"logger\", []); }", "run `logger`", "run", "logger"),
        ("fn act() { exists(\"/etc/hosts\"); }", "ask whether /etc/hosts is there", "paths", "/etc/hosts"),
    ] {
        assert_eq!(said(text, ""), refused(what, key, name));
        assert_eq!(said(text, &format!("allow(#{{ {key}: [\"{name}\"] }});")), "fine", "{text}");
        // What is allowed is that, and nothing else of its kind.
        assert_eq!(said(text, &format!("allow(#{{ {key}: [\"{name}x\"] }});")), refused(what, key, name));
    }
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
fn in_the_folder_of_machines_is_each_ones_own_and_nothing_that_leads_out_of_it() {
    let room = "fn room(path) { write_file(path, \"x\"); }\n";
    let on_linux = |recipe: &str| {
        let sandbox = library(room);
        sandbox.write("recipe.rhai", &format!("import \"team\" as team;\n{recipe}\n"));
        of(&sandbox.finish(sandbox.command(&["plan", "--on", "freebsd", "recipe.rhai"]).env("VMRUN_PLATFORM", "linux")))
    };
    let boot = "bhyve(#{ name: \"web\", bootrom: uefi(), slots: #{ \"31\": lpc() } }).run();";
    let own = |path: &str| on_linux(&format!("team::room(vm_dir + \"/{path}\");\n{boot}"));
    for path in ["web", "web.img", "web-data.img", "web/disk", "recipe.img"] {
        assert_eq!(own(path), "fine", "{path}");
    }
    // A text that could be the name of a machine is none: the recipe has to boot it, before or afterwards.
    for recipe in ["let user = \"web\";", "after(\"web\");"] {
        let said = on_linux(&format!("{recipe}\nteam::room(vm_dir + \"/web.img\");"));
        assert_eq!(said, refused("use /vm/web.img", "paths", "/vm/web.img"), "{recipe}");
    }
    assert_eq!(on_linux(&format!("{boot}\nteam::room(vm_dir + \"/web.img\");")), "fine");
    for path in ["website", "db.img", "a", "web/../db.img"] {
        let path = format!("/vm/{path}");
        assert_eq!(own(path.trim_start_matches("/vm/")), refused(&format!("use {path}"), "paths", &path));
    }
    // A recipe beside it is of another machine, whose name goes on.
    let sandbox = library(room);
    sandbox.write("web-data.rhai", "bhyve(#{ name: \"web-data\" });\n");
    sandbox
        .write("recipe.rhai", &format!("import \"team\" as team;\nteam::room(vm_dir + \"/web-data.img\");\n{boot}\n"));
    let mut command = sandbox.command(&["plan", "--on", "freebsd", "recipe.rhai"]);
    let done = of(&sandbox.finish(command.env("VMRUN_PLATFORM", "linux")));
    assert_eq!(done, refused("use /vm/web-data.img", "paths", "/vm/web-data.img"));
    let all = "for n in 1..4 { team::room(`/vm/web${n}`); }";
    assert_eq!(on_linux(all), refused("use /vm/web1", "paths", "/vm/web1"));
    assert_eq!(on_linux(&format!("allow(#{{ paths: [\"/vm/web*\"] }});\n{all}")), "fine");
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
        (
            "umask(\"000\");".into(),
            "the library `team` may not set the umask | the recipe itself may, by its own text".into(),
        ),
        ("write_file(\"/etc/x\", \"\");".into(), path("/etc/x")),
        ("truncate(\"x\", 0);".into(), path("[tmp]/x")),
        ("cloud_seed(\"/etc/x\", #{ user_data: \"#!x\", meta_data: \"instance-id: x\" });".into(), path("/etc/x")),
        ("ipxe_image(\"/vm/x\", #{ loader: \"/etc/passwd\" });".into(), path("/etc/passwd")),
        ("ipxe_image(\"/vm/x\", #{ loader: [], files: #{ \"a\": \"/etc/passwd\" } });".into(), path("/etc/passwd")),
        ("ipxe_image(\"/vm/x\", #{ loader: [], script: #{ file: \"/etc/passwd\" } });".into(), path("/etc/passwd")),
        ("bridge(\"bridge2\").add(\"em0\");".into(), interface("bridge2")),
        ("vlan(\"em0\", 5);".into(), interface("em0")),
        ("default_router(\"10.0.0.1\");".into(), interface("10.0.0.1")),
        ("default_router(\"fe80::1%em0\");".into(), interface("fe80::1%em0")),
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
    assert_eq!(said(text, "team::volume(\"tank/x\");"), refused("use the volume tank/x", "run", "zfs"));
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
    // A closure of the recipe that the recipe itself calls is held to what the recipe names.
    let own = own_refused("run `zfs`", "run", "zfs");
    assert_eq!(said("fn name() { \"zfs\" }", "let f = || run(team::name());\nf.call();"), own);
    assert_eq!(said("fn name() { \"zfs\" }", "let f = || run(\"zfs\");\nf.call();"), "fine");
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
        "expected a list of texts, got a text | write `allow(#{ paths: [\"/data/*\"], run: [\"zfs\"], interfaces: [\"tap*\"], listen: [\"0.0.0.0:5901\"], secrets: [\"vnc\"], env: [\"LANG\"], fetch: [\"https://example.org/*\"] })`"
    );
}

/// What a library is, and what a recipe does with it; none of it may be done.
const WAYS_OUT: &[(&str, &str)] = &[
    // Texts of the recipe that are the root once they are made plain.
    ("fn act() { write_file(\"/run/x\", \"\"); }", "let a = \"//\";\nteam::act();"),
    ("fn act() { write_file(\"/run/x\", \"\"); }", "let a = \"/./\";\nteam::act();"),
    ("fn act() { write_file(\"/run/x\", \"\"); }", "let a = 1;\nlet b = 2;\nlet c = `${a}//${b}`;\nteam::act();"),
    ("fn act() { write_file(\"/run/x\", \"\"); }", "let at = \"http:\" + \"//\" + hostname;\nteam::act();"),
    ("fn act() { write_file(\"/run/x\", \"\"); }", "let a = \"a/b\".split(\"/\");\nteam::act();"),
    ("fn act() { virtio_9p(\"all\", \"/\") }", "let a = \"a/b\".split(\"/\");\nteam::act();"),
    ("fn act() { write_file(\"/etc/cron.d/x\", \"\"); }", "let a = \"/etc/\";\nteam::act();"),
    ("fn act() { write_file(\"/etc/cron.d/x\", \"\"); }", "let a = \"/etc/cron.d/\";\nteam::act();"),
    ("fn act() { write_file(\"/usr/local/etc/rc.d/x\", \"\"); }", "let a = \"/usr/local/\";\nteam::act();"),
    ("fn act() { virtio_blk(\"/dev/ada0\") }", "let a = \"/dev/\";\nteam::act();"),
    ("fn act() { write_file(\"/data/../etc/x\", \"\"); }", "let a = \"/data/\";\nteam::act();"),
    ("fn act() { truncate(\"/vm/db.img\", 1.MiB); }", "let n = \"web\";\nlet a = `/vm/${n}.img`;\nteam::act();"),
    // What a library returns.
    ("fn conf() { #{ name: \"x\", bootrom: \"/etc/shadow\" } }", "bhyve(team::conf()).run();"),
    ("fn conf() { #{ name: \"x\", com1: \"/dev/mem\" } }", "bhyve(team::conf()).run();"),
    (
        "fn conf() { #{ name: \"x\", fw_cfg: #{ \"opt/x\": #{ file: \"/etc/shadow\" } } } }",
        "bhyve(team::conf()).run();",
    ),
    ("fn conf() { #{ name: \"x\", tpm: #{ type: \"passthru\", path: \"/dev/tpm0\" } } }", "bhyve(team::conf()).run();"),
    ("fn conf() { #{ name: \"x\", gdb: #{ port: 1234, address: \"0.0.0.0\" } } }", "bhyve(team::conf()).run();"),
    ("fn conf() { #{ name: \"x\", com1: \"tcp=0.0.0.0:4000\" } }", "bhyve(team::conf()).run();"),
    ("fn conf() { #{ name: \"x\", jail: \"web\" } }", "bhyve(team::conf()).run();"),
    ("fn path() { \"/etc/cron.d/x\" }", "write_file(team::path(), \"x\");"),
    ("fn path() { \"/etc/x\" }", "truncate(team::path(), 1.MiB);"),
    ("fn path() { \"/etc/x\" }", "cloud_seed(team::path(), #{ user_data: \"#!x\", meta_data: \"instance-id: x\" });"),
    ("fn path() { \"/etc/shadow\" }", "ipxe_image(\"x.img\", #{ loader: [], files: #{ \"a\": team::path() } });"),
    ("fn path() { \"/etc/shadow\" }", "ipxe_image(\"x.img\", #{ loader: team::path() });"),
    ("fn path() { \"/etc/shadow\" }", "ipxe_image(\"x.img\", #{ loader: [], script: #{ file: team::path() } });"),
    ("fn path() { \"/dev/ada0\" }", "virtio_blk(team::path());"),
    ("fn path() { \"/etc\" }", "virtio_9p(\"x\", team::path());"),
    ("fn path() { \"2/0/0\" }", "passthru(team::path());"),
    ("fn path() { \"/etc/x\" }", "uefi(#{ vars: team::path() });"),
    ("fn path() { \"/etc/shadow\" }", "let vm = bhyve(#{ name: \"x\" });\nvm.bootrom = team::path();"),
    ("fn tap() { \"tap7\" }", "virtio_net(team::tap());"),
    ("fn name() { \"em0\" }", "let b = bridge(\"bridge0\", #{ create: true });\nb.add(team::name());"),
    ("fn name() { \"em0\" }", "vlan(team::name(), 5, #{ name: \"vlan5\" });"),
    ("fn words() { [\"em0\", \"down\"] }", "ifconfig(team::words());"),
    ("fn words() { [\"-c\", \"touch /tmp/x\"] }", "run(\"sh\", team::words());"),
    ("fn words() { [\"-c\", \"touch /tmp/x\"] }", "query(\"sh\", team::words());"),
    ("fn program() { \"true\" }", "run(team::program());"),
    ("fn words() { [\"-s\", \"5,passthru,2/0/0\"] }", "let vm = bhyve(#{ name: \"x\" });\nvm.args(team::words());"),
    ("fn value() { \"/etc/shadow\" }", "let vm = bhyve(#{ name: \"x\" });\nvm.option(\"bootrom\", team::value());"),
    ("fn mask() { \"000\" }", "umask(team::mask());"),
    ("fn path() { \"/etc/cron.d/x\" }", "write_file(param(\"file\", team::path()), \"x\");"),
    // What a library asks for.
    ("fn act() { env(\"HOME\") }", "team::act();"),
    ("fn act() { secret(\"db\") }", "team::act();"),
    ("fn act() { exists(\"/etc/shadow\") }", "team::act();"),
    ("fn name() { \"db\" }", "secret(team::name());"),
    ("fn name() { \"HOME\" }", "env(team::name());"),
    ("fn path() { \"/etc/shadow\" }", "exists(team::path());"),
    ("fn act() { fbuf(#{ tcp: \"0.0.0.0:5900\" }) }", "team::act();"),
    ("fn act() { virtio_net(\"slirp\", #{ hostfwd: [\"tcp::2222-:22\"] }) }", "team::act();"),
    ("fn act() { run(\"sh\", [\"-c\", \"x\"]); }", "run(\"sh\", [\"-c\", \"x\"]);\nteam::act();"),
    ("fn act() { || write_file(\"/etc/x\", \"\") }", "defer(team::act());"),
    ("fn act() { let f = |p| write_file(p, \"\"); || f.call(\"/etc/x\") }", "let f = team::act();\nf.call();"),
    ("fn act(vm) { vm.com1 = \"/dev/mem\"; }", "let vm = bhyve(#{ name: \"x\" });\nteam::act(vm);"),
    ("fn act(of) { of.bootrom = \"/etc/shadow\"; of }", "let of = #{ name: \"x\" };\nbhyve(team::act(of)).run();"),
];

#[test]
fn no_way_leads_out_of_a_library() {
    let sandbox = library("");
    fs::write(
        sandbox.path("bin/sh"),
        "#!/bin/sh\necho sh >>[tmp]/ran\n".replace("[tmp]", &sandbox.path("").display().to_string()),
    )
    .unwrap();
    assert!(WAYS_OUT.len() >= 45);
    let mut open = Vec::new();
    for (text, recipe) in WAYS_OUT {
        sandbox.write("team/lib.rhai", text);
        let said = of_any(&plan(&sandbox, recipe, &[]));
        let refused = ["the library `team` may not ", "the recipe imports the library `team`, "];
        if !refused.iter().any(|begin| said.starts_with(begin)) {
            open.push(format!("{text}\n{recipe}\n{said}\n"));
        }
    }
    assert!(open.is_empty(), "{}", open.join("\n"));
    assert_eq!(sandbox.read("ran"), "");
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
team/lib.rhai:3:5        paths            truncate(`/vm/${name}`, 1.MiB)
team/lib.rhai:5:11       commands, paths  zvol(name, 1.MiB)
team/more/nic.rhai:1:25  interfaces       tap(\"tap1\")
team/more/nic.rhai:1:38  interfaces       bridge(on)
team/more/nic.rhai:1:49  interfaces       add(made)

in all: commands 1, interfaces 3, paths 2
",
    );
    let json = audit(&["team", "--json"]).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let second = serde_json::json!({
        "file": "team/lib.rhai", "line": 5, "column": 11, "function": "room", "word": "disk::zvol",
        "asks": ["commands", "paths"], "text": "zvol(name, 1.MiB)",
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
 = hint: vmrun.toml names libraries: `vmrun lib list`
",
    );
}
