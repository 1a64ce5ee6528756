//! Libraries that two teams keep in repositories of git, and everything that can be wrong with them.

use super::repositories::{lib, refuses, release};
use super::sandbox::{Sandbox, same};
use super::terminal::Terminal;
use std::fs;
use std::os::unix::fs::symlink;

const CARDS: &str = "//! Cards.\nimport \"./names\" as names;\n\n/// A card.\nfn card(number) {\n    let made = tap(names::of(number));\n    bridge(\"bridge2\").add(made);\n    made\n}\n";
const NAMES: &str = "fn of(number) { `tap${number}` }\n";
const STORE: &str = "import \"net/cards\" as cards;\n\nfn machine(name, rom) {\n    bhyve(#{\n        name: name, bootrom: rom,\n        slots: #{ \"4\": virtio_net(cards::card(1)), \"31\": lpc() },\n    })\n}\n";
const RECIPE: &str = "import \"store\" as store;\nallow(#{ interfaces: [\"bridge2\"] });\nstore::machine(\"web\", \"[tmp]/vm/rom.fd\").run();\n";

/// Two teams' repositories, and a recipe that uses both.
fn teams() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    release(&sandbox, "net", &[("cards.rhai", CARDS), ("names.rhai", NAMES)], "v1.0.0");
    release(&sandbox, "store", &[("lib.rhai", STORE)], "v0.3.0");
    sandbox.write("recipe.rhai", RECIPE);
    sandbox
}

/// The same, named and fetched.
fn shared() -> Sandbox {
    let sandbox = teams();
    assert_eq!(lib(&sandbox, &["add", "net", "git/net"]).stderr, "");
    assert_eq!(lib(&sandbox, &["add", "store", "git/store", "--rev", "main"]).stderr, "");
    sandbox
}

/// What a plan of the recipe says is wrong.
#[track_caller]
fn plan_refuses(sandbox: &Sandbox, expected: &str) {
    refuses(&sandbox.run(&["plan", "recipe.rhai"]), 1, expected);
}

/// Puts another file in the place of one that was fetched.
fn tamper(sandbox: &Sandbox, file: &str, text: &str) {
    sandbox.write(&format!(".vmrun/{file}"), text);
}

#[test]
fn two_teams_libraries_are_named_pinned_and_used() {
    let sandbox = teams();
    let done = lib(&sandbox, &["add", "net", "git/net"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    same(&done.stdout, "net  v1.0.0  fb3378a28f9c  fetched");
    let done = lib(&sandbox, &["add", "store", "git/store", "--rev", "main"]);
    same(&done.stdout, "store  bc150dab9e64  fetched");
    same(
        &sandbox.read("vmrun.toml"),
        "
[lib.net]
git = \"git/net\"
version = \"1.0.0\"

[lib.store]
git = \"git/store\"
rev = \"main\"
",
    );
    let done = sandbox.run(&["plan", "recipe.rhai"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    same(
        &done.stdout,
        "
umask 026
ifconfig tap1 create
ifconfig tap1 group vmrun description vmrun:web up
ifconfig bridge2 addm tap1
bhyve -c 1 -m 256M -s 4,virtio-net,tap1 -s 31,lpc -l bootrom,[tmp]/vm/rom.fd web
# given back when the run ends:
bhyvectl --destroy --vm=web
ifconfig tap1 destroy
",
    );
    same(&lib(&sandbox, &["verify"]).stdout, "net  as pinned\nstore  as pinned");
    assert_eq!(sandbox.names(".vmrun"), [".gitignore", "net", "store"]);
}

#[test]
fn a_file_that_was_changed_is_refused_with_what_changed() {
    let sandbox = shared();
    tamper(&sandbox, "net/names.rhai", "fn of(number) { run(\"rm\", [\"-r\", \"/vm\"]); `tap${number}` }\n");
    tamper(&sandbox, "net/more.rhai", "");
    plan_refuses(
        &sandbox,
        "
error: the library `net` is not as it was pinned: in .vmrun/net, more.rhai is new and names.rhai was changed
 --> .vmrun/net/cards.rhai:2:8
  |
2 | import \"./names\" as names;
  |        ^^^^^^^^^
  |
 ::: .vmrun/store/lib.rhai:1:8
  |
1 | import \"net/cards\" as cards;
  |        ----------- imported here
  |
 ::: recipe.rhai:1:8
  |
1 | import \"store\" as store;
  |        ------- imported here
  |
  = hint: `vmrun lib sync` puts it back; a change is made in its repository
",
    );
    let done = lib(&sandbox, &["verify"]);
    same(&done.stdout, "store  as pinned");
    same(
        &done.stderr,
        "
error: net: in .vmrun/net, more.rhai is new and names.rhai was changed
 |
 = hint: `vmrun lib sync` puts it back
",
    );
    assert_eq!(done.code, 1);
    let done = lib(&sandbox, &["verify", "--json"]);
    same(
        &done.stdout,
        r#"
[
  {
    "changes": [
      "more.rhai is new",
      "names.rhai was changed"
    ],
    "name": "net",
    "state": "changed"
  },
  {
    "changes": [],
    "name": "store",
    "state": "as pinned"
  }
]
"#,
    );
    same(&lib(&sandbox, &["sync"]).stdout, "net  v1.0.0  fb3378a28f9c  fetched\nstore  bc150dab9e64  as pinned");
    assert_eq!(sandbox.run(&["plan", "recipe.rhai"]).stderr, "");
}

#[test]
fn a_tag_that_was_moved_is_refused() {
    let sandbox = shared();
    release(&sandbox, "net", &[("names.rhai", "fn of(number) { `tap1${number}` }\n")], "v1.0.0");
    let moved = "
error: the tag v1.0.0 of the library `net` was moved: vmrun.lock pins fb3378a28f9c, and it is 00372bb50afb now
 |
 = hint: ask who moved it, and why; `vmrun lib update --moved net` then pins what is there now
";
    refuses(&lib(&sandbox, &["update"]), 1, moved);
    // What is here is as it was pinned, and nobody is asked.
    assert_eq!(lib(&sandbox, &["sync"]).code, 0);
    fs::remove_dir_all(sandbox.path(".vmrun")).unwrap();
    let before = sandbox.everything();
    refuses(&lib(&sandbox, &["sync"]), 1, moved);
    assert_eq!(sandbox.everything(), before);
    plan_refuses(
        &sandbox,
        "
error: the library `store` is not here
 --> recipe.rhai:1:8
  |
1 | import \"store\" as store;
  |        ^^^^^^^
  |
  = hint: `vmrun lib sync` fetches it; a recipe that runs fetches nothing
",
    );
    same(&lib(&sandbox, &["update", "--moved", "net"]).stdout, "net  v1.0.0  00372bb50afb  pinned");
}

#[test]
fn without_git_nothing_is_fetched_and_what_is_here_is_used() {
    let sandbox = shared();
    let without = |args: &[&str]| {
        let mut command = sandbox.command(args);
        command.env("PATH", sandbox.path("bin"));
        sandbox.finish(&mut command)
    };
    assert_eq!(without(&["plan", "recipe.rhai"]).stderr, "");
    same(&without(&["lib", "sync"]).stdout, "net  v1.0.0  fb3378a28f9c  as pinned\nstore  bc150dab9e64  as pinned");
    let before = sandbox.everything();
    refuses(
        &without(&["lib", "update"]),
        3,
        "
error: git is not installed, and libraries are fetched by it
 |
 = hint: install it: pkg install git, apt install git
",
    );
    assert_eq!(sandbox.everything(), before);
}

#[test]
fn a_machine_that_is_offline_uses_what_is_here() {
    let sandbox = shared();
    // Nobody listens at the first port.
    for file in ["vmrun.toml", "vmrun.lock"] {
        let text = sandbox.read(file).replace("git/net", "git://127.0.0.1:1/net");
        fs::write(sandbox.path(file), text).unwrap();
    }
    assert_eq!(sandbox.run(&["plan", "recipe.rhai"]).stderr, "");
    same(&lib(&sandbox, &["sync"]).stdout, "net  v1.0.0  fb3378a28f9c  as pinned\nstore  bc150dab9e64  as pinned");
    let before = sandbox.everything();
    refuses(
        &lib(&sandbox, &["update", "net"]),
        3,
        "
error: cannot fetch git://127.0.0.1:1/net: unable to connect to 127.0.0.1
 |
 = hint: libraries that are here already are used as they are; try again when it can be reached
",
    );
    assert_eq!(sandbox.everything(), before);
}

#[test]
fn libraries_that_import_each_other_are_shown_as_a_chain() {
    let sandbox = shared();
    release(
        &sandbox,
        "net",
        &[("names.rhai", "import \"store\" as store;\nfn of(number) { `tap${number}` }\n")],
        "v1.0.1",
    );
    assert_eq!(lib(&sandbox, &["update"]).stderr, "");
    plan_refuses(
        &sandbox,
        "
error: the modules import each other: .vmrun/store/lib.rhai -> .vmrun/net/cards.rhai -> .vmrun/net/names.rhai -> .vmrun/store/lib.rhai
 --> .vmrun/net/names.rhai:1:8
  |
1 | import \"store\" as store;
  |        ^^^^^^^
  |
 ::: .vmrun/net/cards.rhai:2:8
  |
2 | import \"./names\" as names;
  |        --------- imported here
  |
 ::: .vmrun/store/lib.rhai:1:8
  |
1 | import \"net/cards\" as cards;
  |        ----------- imported here
  |
 ::: recipe.rhai:1:8
  |
1 | import \"store\" as store;
  |        ------- imported here
  |
  = hint: move what both need into a third
",
    );
}

#[test]
fn the_newest_version_is_taken_that_will_do() {
    let sandbox = shared();
    release(&sandbox, "net", &[], "v1.2.3");
    release(&sandbox, "net", &[], "2.0.0");
    release(&sandbox, "net", &[], "v2.1.0-rc.1");
    let versions = |args: &[&str]| lib(&sandbox, args).stdout.split("  ").nth(1).unwrap().to_string();
    assert_eq!(versions(&["update", "net"]), "v1.2.3");
    assert_eq!(versions(&["add", "new", "git/net"]), "2.0.0");
    assert_eq!(versions(&["add", "rc", "git/net", "--semver", "=2.1.0-rc.1"]), "v2.1.0-rc.1");
    refuses(
        &lib(&sandbox, &["add", "old", "git/net", "--semver", "0.9"]),
        1,
        "
error: git/net has no version ^0.9
 |
 = hint: its tags: 2.0.0, v1.0.0, v1.2.3 and v2.1.0-rc.1
",
    );
    refuses(
        &lib(&sandbox, &["add", "no", "git/net", "--rev", "devel"]),
        1,
        "
error: git/net has no revision `devel`
 |
 = hint: a tag, a branch, or a commit that one of them leads to
",
    );
    same(
        &lib(&sandbox, &["list"]).stdout,
        "
net    v1.2.3        as pinned  git/net
store  bc150dab9e64  as pinned  git/store
new    2.0.0         as pinned  git/net
rc     v2.1.0-rc.1   as pinned  git/net
",
    );
}

#[test]
fn the_version_of_a_library_is_not_that_of_vmrun() {
    let sandbox = Sandbox::new();
    for word in ["--version", "--semver"] {
        let done = lib(&sandbox, &["add", "net", "--path", "net", word, "1.0"]);
        refuses(
            &done,
            2,
            "\
error: the argument '--path <FOLDER>' cannot be used with '--semver <VERSION>'

Usage: vmrun lib add --path <FOLDER> <NAME> [GIT]

For more information, try '--help'.",
        );
    }
    let help = lib(&sandbox, &["add", "--help"]).stdout;
    assert!(!help.contains("--version"), "{help}");
}

#[test]
fn a_library_is_kept_with_the_recipes_or_used_where_it_is() {
    let sandbox = shared();
    same(&lib(&sandbox, &["vendor"]).stdout, "net  vendor/net\nstore  vendor/store");
    assert_eq!(sandbox.names(".vmrun"), [".gitignore"]);
    assert_eq!(sandbox.run(&["plan", "recipe.rhai"]).stderr, "");
    same(&lib(&sandbox, &["verify"]).stdout, "net  as pinned\nstore  as pinned");
    fs::create_dir_all(sandbox.path("lab/recipes")).unwrap();
    let done = lib(&sandbox, &["--folder", "lab/recipes", "add", "store", "--path", "../../git/store"]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, "store  git/store\n", ""));
    let done = lib(&sandbox, &["--folder", "lab/recipes", "add", "net", "../../git/net"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    sandbox.write("lab/recipes/recipe.rhai", RECIPE);
    assert_eq!(sandbox.run(&["plan", "lab/recipes/recipe.rhai"]).stderr, "");
    same(&lib(&sandbox, &["--folder", "lab/recipes", "verify"]).stdout, "store  by path\nnet  as pinned");
    let done = lib(&sandbox, &["--folder", "lab/recipes", "list", "--json"]);
    same(
        &done.stdout,
        r#"
[
  {
    "commit": null,
    "folder": "git/store",
    "from": "../../git/store",
    "name": "store",
    "signed_by": null,
    "state": "by path",
    "tag": null,
    "want": ""
  },
  {
    "commit": "fb3378a28f9ca19aea101426346cc10474bee8b2",
    "folder": "lab/recipes/.vmrun/net",
    "from": "../../git/net",
    "name": "net",
    "signed_by": null,
    "state": "as pinned",
    "tag": "v1.0.0",
    "want": "version 1.0.0"
  }
]
"#,
    );
}

#[test]
fn a_new_library_works_at_once() {
    let sandbox = Sandbox::new();
    same(
        &lib(&sandbox, &["new", "web-lab"]).stdout,
        "web-lab/lib.rhai\nweb-lab/example.rhai\nweb-lab/lib_test.rhai\nweb-lab/README.md",
    );
    let done = sandbox
        .finish(sandbox.command(&["plan", "--on", "freebsd", "web-lab/example.rhai"]).env("VMRUN_PLATFORM", "linux"));
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    assert!(done.stdout.contains("-s 4,virtio-blk,/vm/lab.img"), "{}", done.stdout);
    refuses(
        &lib(&sandbox, &["new", "web-lab"]),
        2,
        "
error: web-lab is there already
 |
 = hint: choose another name
",
    );
    refuses(
        &lib(&sandbox, &["new", "../x"]),
        2,
        "
error: \"../x\" is no name of a library
 |
 = hint: letters, digits, `_` and `-`, as in `net`
",
    );
}

/// What a plan says whose recipe imports this, in a folder where two libraries are named.
#[track_caller]
fn import_refused(sandbox: &Sandbox, import: &str, expected: &str) {
    sandbox.write("recipe.rhai", &format!("import \"{import}\" as x;\n"));
    plan_refuses(sandbox, expected);
}

#[test]
fn an_import_that_means_nothing_is_named_with_what_there_is() {
    let sandbox = shared();
    import_refused(
        &sandbox,
        "nett/cards",
        "
error: there is no library `nett`
 --> recipe.rhai:1:8
  |
1 | import \"nett/cards\" as x;
  |        ^^^^^^^^^^^^
  |
  = hint: did you mean `net`?
",
    );
    import_refused(
        &sandbox,
        "net/card",
        "
error: the library `net` has no file card.rhai
 --> recipe.rhai:1:8
  |
1 | import \"net/card\" as x;
  |        ^^^^^^^^^^
  |
  = hint: did you mean `net/cards`?
",
    );
    import_refused(
        &sandbox,
        "./.vmrun/net/cards",
        "
error: .vmrun/net/cards.rhai is in a library, and would not be compared with vmrun.lock
 --> recipe.rhai:1:8
  |
1 | import \"./.vmrun/net/cards\" as x;
  |        ^^^^^^^^^^^^^^^^^^^^
  |
  = hint: import it by the library's name, as in \"net/cards\"
",
    );
    let toml = sandbox.read("vmrun.toml").replace("git/net", "git/other");
    sandbox.write("vmrun.toml", &toml);
    import_refused(
        &sandbox,
        "net/cards",
        "
error: the library `net` is not pinned in vmrun.lock
 --> recipe.rhai:1:8
  |
1 | import \"net/cards\" as x;
  |        ^^^^^^^^^^^
  |
  = hint: `vmrun lib sync` fetches and pins it; a recipe that runs fetches nothing
",
    );
    sandbox.write("vmrun.toml", "[lib.net]\ngti = \"x\"\n");
    import_refused(
        &sandbox,
        "net/cards",
        "
error: vmrun.toml:2:1: there is no key `gti`
 --> recipe.rhai:1:8
  |
1 | import \"net/cards\" as x;
  |        ^^^^^^^^^^^
  |
  = hint: did you mean `git`?
",
    );
    fs::remove_file(sandbox.path("vmrun.toml")).unwrap();
    import_refused(
        &sandbox,
        "net/cards",
        "
error: there is no module `net/cards`
 --> recipe.rhai:1:8
  |
1 | import \"net/cards\" as x;
  |        ^^^^^^^^^^^
  |
  = hint: an import begins with `std/`, with `./` for a file beside, or with a library that vmrun.toml names
",
    );
}

#[test]
fn an_import_stands_at_the_top() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "recipe.rhai",
        "if init { import \"std/net\" as net; }\nfn f() {\n    import \"std/disk\" as disk;\n}\n",
    );
    plan_refuses(
        &sandbox,
        "
error: an import stands at the top of a file
 --> recipe.rhai:1:11
  |
1 | if init { import \"std/net\" as net; }
  |           ^^^^^^
  |
  = hint: not in a block, nor in a function
error: an import stands at the top of a file
 --> recipe.rhai:3:5
  |
3 |     import \"std/disk\" as disk;
  |     ^^^^^^
  |
  = hint: not in a block, nor in a function
",
    );
}

/// A library that is used where it is, with one file.
fn hostile(text: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("evil/inner")).unwrap();
    fs::write(sandbox.path("evil/lib.rhai"), text).unwrap();
    sandbox.write("vmrun.toml", "[lib.evil]\npath = \"evil\"\n");
    sandbox.write("recipe.rhai", "import \"evil\" as evil;\n");
    sandbox
}

#[test]
fn a_path_that_leaves_its_library_is_refused() {
    let leaves = |import: &str| {
        let sandbox = hostile(&format!("import \"{import}\" as x;\n"));
        sandbox.write("secret.rhai", "fn f() { 1 }\n");
        symlink(sandbox.path("secret.rhai"), sandbox.path("evil/link.rhai")).unwrap();
        symlink(sandbox.path("vm"), sandbox.path("evil/folder")).unwrap();
        fs::write(sandbox.path("vm/secret.rhai"), "fn f() { 1 }\n").unwrap();
        let done = sandbox.run(&["plan", "recipe.rhai"]);
        assert_eq!(done.code, 1);
        let (message, hint) = (done.stderr.lines().next().unwrap(), done.stderr.lines().last().unwrap());
        let import =
            "  = hint: a library imports its own files, `std/…`, and libraries that the recipe's vmrun.toml names";
        assert_eq!(hint, import, "{}", done.stderr);
        message.to_string()
    };
    let out = "error: the import leaves the library `evil`";
    for import in ["../secret", "./../secret", "./inner/../../secret", "evil/../../secret", "../../../../etc/passwd"] {
        assert_eq!(leaves(import), out, "{import}");
    }
    assert_eq!(leaves("./link"), "error: link.rhai is a link: the import leaves the library `evil`");
    assert_eq!(leaves("./folder/secret"), "error: folder/secret.rhai is a link: the import leaves the library `evil`");
}

#[test]
fn a_library_cannot_take_the_place_of_the_standard_one() {
    let sandbox = hostile("");
    sandbox.write("vmrun.toml", "[lib.std]\npath = \"evil\"\n");
    fs::create_dir_all(sandbox.path("std")).unwrap();
    fs::write(sandbox.path("std/net.rhai"), "fn nic(on, name) { throw \"taken over\"; }\n").unwrap();
    sandbox.write("recipe.rhai", "import \"std/net\" as net;\nprint(net::mac(\"web\", 0));\n");
    assert_eq!(sandbox.run(&["plan", "recipe.rhai"]).stderr, "02:0f:d9:bc:91:00\n");
    refuses(
        &lib(&sandbox, &["list"]),
        1,
        "
error: `std` is vmrun's own library
 --> vmrun.toml:1:6
  |
1 | [lib.std]
  |      ^^^
  |
  = hint: give this one another name
",
    );
}

#[test]
fn a_repository_with_links_is_no_library() {
    let sandbox = teams();
    symlink("/etc/passwd", sandbox.path("git/net/more.rhai")).unwrap();
    release(&sandbox, "net", &[], "v1.0.1");
    let before = sandbox.everything();
    refuses(
        &lib(&sandbox, &["add", "net", "git/net"]),
        1,
        "
error: git/net has symbolic links, and a library has none: more.rhai
 |
 = hint: what is shared is a library of its own, or a file
",
    );
    assert_eq!(sandbox.everything(), before);
}

#[test]
fn a_library_that_asks_for_more_than_is_allowed_is_refused() {
    let sandbox = shared();
    sandbox.write("recipe.rhai", &RECIPE.replace("allow(#{ interfaces: [\"bridge2\"] });\n", ""));
    plan_refuses(
        &sandbox,
        "
error: the library `net` may not use the interface bridge2
 --> .vmrun/net/cards.rhai:7:23
  |
7 |     bridge(\"bridge2\").add(made);
  |                       ^^^^^^^^^
  |
 ::: .vmrun/store/lib.rhai:6:42
  |
6 |         slots: #{ \"4\": virtio_net(cards::card(1)), \"31\": lpc() },
  |                                          ------- in `card` called here
  |
 ::: recipe.rhai:2:8
  |
2 | store::machine(\"web\", \"[tmp]/vm/rom.fd\").run();
  |        ------------------------------------------- in `machine` called here
  |
  = hint: if it shall, the recipe says so before: allow(#{ interfaces: [\"bridge2\"] });
",
    );
}

#[test]
fn whoever_waits_for_a_repository_sees_that_it_goes_on() {
    let sandbox = teams();
    let git = std::process::Command::new("sh").args(["-c", "command -v git"]).output().unwrap();
    let git = String::from_utf8(git.stdout).unwrap();
    sandbox.write(
        "bin/git",
        &format!("#!/bin/sh\ncase \" $* \" in *' fetch '*) sleep 3 ;; esac\nexec {} \"$@\"\n", git.trim()),
    );
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(sandbox.path("bin/git"), mode).unwrap();
    let mut terminal = Terminal::new();
    let child = terminal.start(sandbox.shell("exec vmrun lib add net git/net").env("TERM", "xterm"));
    terminal.shows("vmrun: fetching the library net: 1s", std::time::Duration::from_secs(30));
    let (status, shown) = terminal.ends(child);
    // The line is gone when what came of it is said.
    assert!(status.success() && shown.contains("\r\u{1b}[Knet  v1.0.0  fb3378a28f9c  fetched"), "{shown:?}");
}
