//! What the library refuses, and where that is shown.

use super::plan;
use crate::sandbox::{Sandbox, same};

/// Compares what is said of a recipe that is wrong.
#[track_caller]
fn wrong(recipe: &str, stderr: &str) {
    let done = plan(&Sandbox::new(), recipe, &[]);
    same(&done.stderr, stderr);
    assert_eq!((done.code, done.stdout.as_str()), (1, ""));
}

#[test]
fn a_misspelt_key_is_shown_where_the_recipe_has_it() {
    wrong(
        r#"import "std/guest" as guest;
guest::openbsd(#{
    name: "lab", memroy: 1.GiB, disks: ["/vm/lab.img"], drivers: "/iso/a.iso",
});
"#,
        r#"
error: there is no key `drivers`
 --> recipe.rhai:3:57
  |
3 |     name: "lab", memroy: 1.GiB, disks: ["/vm/lab.img"], drivers: "/iso/a.iso",
  |                                                         ^^^^^^^
  |
  = hint: keys: name, memory, disks, init, cpus, installer, ipxe, bridge, tap, mac, nics, vnc, password, screen, com1, vars, controller, card, hostbridge, localtime, random and acpi
error: there is no key `memroy`
 --> recipe.rhai:3:18
  |
3 |     name: "lab", memroy: 1.GiB, disks: ["/vm/lab.img"], drivers: "/iso/a.iso",
  |                  ^^^^^^
  |
  = hint: did you mean `memory`?
"#,
    );
}

#[test]
fn a_key_that_is_missing_is_named_at_the_recipes_call() {
    wrong(
        r#"import "std/guest" as guest;
let lab = #{ name: "lab", disks: ["/vm/lab.img"] };
guest::debian(lab).run();
"#,
        "
error: the keys `memory` and `vars` are missing
 --> recipe.rhai:3:15
  |
3 | guest::debian(lab).run();
  |               ^^^
  |
  = hint: add `memory: …`
",
    );
}

#[test]
fn what_is_no_map_is_refused_at_the_recipes_call() {
    wrong(
        r#"import "std/guest" as guest;
guest::windows("lab").run();
"#,
        r#"
error: expected a map #{ … }, got a text
 --> recipe.rhai:2:16
  |
2 | guest::windows("lab").run();
  |                ^^^^^
"#,
    );
}

#[test]
fn a_disk_without_a_path_is_shown_in_the_list() {
    wrong(
        r#"import "std/guest" as guest;
guest::rocky(#{ name: "lab", memory: 1.GiB, disks: ["/vm/lab.img", [20.GiB]] });
"#,
        r#"
error: a disk needs a path
 --> recipe.rhai:2:68
  |
2 | guest::rocky(#{ name: "lab", memory: 1.GiB, disks: ["/vm/lab.img", [20.GiB]] });
  |                                                                    ^^^^^^^^
  |
  = hint: write ["/vm/lab.img", 20.GiB], or only the path
"#,
    );
}

#[test]
fn disks_are_a_list() {
    wrong(
        r#"import "std/guest" as guest;
guest::rocky(#{ name: "lab", memory: 1.GiB, disks: #{ "/vm/lab.img": 20.GiB } });
"#,
        r#"
error: `disks` is a list, because the first one boots
 --> recipe.rhai:2:52
  |
2 | guest::rocky(#{ name: "lab", memory: 1.GiB, disks: #{ "/vm/lab.img": 20.GiB } });
  |                                                    ^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: write [["/vm/lab.img", 20.GiB]]
"#,
    );
}

#[test]
fn a_controller_is_one_of_three() {
    wrong(
        r#"import "std/guest" as guest;
guest::rocky(#{ name: "lab", memory: 1.GiB, disks: [], controller: "virtio_blk" });
"#,
        r#"
error: there is no controller "virtio_blk"
 --> recipe.rhai:2:68
  |
2 | guest::rocky(#{ name: "lab", memory: 1.GiB, disks: [], controller: "virtio_blk" });
  |                                                                    ^^^^^^^^^^^^
  |
  = hint: write "virtio-blk" or "nvme" or "ahci-hd"
"#,
    );
}

#[test]
fn a_card_needs_a_tap() {
    wrong(
        r#"import "std/guest" as guest;
guest::rocky(#{ name: "lab", memory: 1.GiB, disks: [], nics: ["slirp", #{ bridge: "bridge2" }] });
"#,
        r#"
error: a network card needs a `tap`
 --> recipe.rhai:2:72
  |
2 | guest::rocky(#{ name: "lab", memory: 1.GiB, disks: [], nics: ["slirp", #{ bridge: "bridge2" }] });
  |                                                                        ^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: write tap: "tap1"
"#,
    );
}

#[test]
fn one_card_and_a_list_of_cards_contradict_each_other() {
    wrong(
        r#"import "std/guest" as guest;
guest::rocky(#{ name: "lab", memory: 1.GiB, disks: [], nics: ["slirp"], tap: "tap1" });
"#,
        r#"
error: `nics` and `tap` both say how the machine is connected
 --> recipe.rhai:2:78
  |
2 | guest::rocky(#{ name: "lab", memory: 1.GiB, disks: [], nics: ["slirp"], tap: "tap1" });
  |                                                                              ^^^^^^
  |
  = hint: keep one of them
"#,
    );
}

#[test]
fn a_number_of_a_card_is_a_byte() {
    wrong(
        r#"import "std/net" as net;
print(net::mac("lab", 256));
"#,
        r#"
error: 256 is no number of a card
 --> recipe.rhai:2:23
  |
2 | print(net::mac("lab", 256));
  |                       ^^^
  |
  = hint: from 0 to 255
"#,
    );
}

#[test]
fn a_value_is_shown_where_the_recipe_has_it_and_the_library_only_to_those_who_want_more() {
    let recipe = r#"import "std/guest" as guest;
guest::freebsd(#{ name: "lab", memory: "lots", disks: [] });
"#;
    wrong(
        recipe,
        r#"
error: "lots" is not a size
 --> recipe.rhai:2:40
  |
2 | guest::freebsd(#{ name: "lab", memory: "lots", disks: [] });
  |                                        ^^^^^^
  |
  = hint: write 20.GiB, or "20G" with one of K, M, G, T, P
"#,
    );
    let sandbox = Sandbox::new();
    sandbox.write("recipe.rhai", recipe);
    let done = sandbox.run(&["plan", "-v", "recipe.rhai"]);
    same(
        &done.stderr,
        r#"
error: "lots" is not a size
   --> recipe.rhai:2:40
    |
  2 | guest::freebsd(#{ name: "lab", memory: "lots", disks: [] });
    |                                        ^^^^^^
    |
   ::: std/guest:284:56
    |
284 |         name: of.name, cpus: cpus(of, system), memory: of.memory,
    |                                                        --------- refused here
    |
   ::: std/guest:60:5
    |
 60 |     make(of, #{ acpi: true })
    |     ------------------------- in `make` called here
    |
    = hint: write 20.GiB, or "20G" with one of K, M, G, T, P
"#,
    );
}

#[test]
fn what_a_boot_refuses_is_shown_where_the_recipe_has_it() {
    wrong(
        r#"import "std/guest" as guest;
let lab = guest::freebsd(#{ name: "lab", memory: 1.GiB, disks: ["~/none.img"], vnc: 5901 });
guest::debian(#{ name: "other", memory: 1.GiB, disks: [], vars: "/vm/other.vars" });
lab.run();
"#,
        r#"
error: the path "~/none.img" begins with `~`, which only a shell reads
 --> recipe.rhai:2:65
  |
2 | let lab = guest::freebsd(#{ name: "lab", memory: 1.GiB, disks: ["~/none.img"], vnc: 5901 });
  |                                                                 ^^^^^^^^^^^^
  |
  = hint: write it whole: `${env("HOME")}/none.img` in backticks; a file of that name is ./~/none.img
"#,
    );
}

#[test]
fn a_value_that_is_computed_is_shown_at_the_call() {
    wrong(
        r#"import "std/guest" as guest;
let of = #{ name: "lab", memory: "lots", disks: [] };
guest::freebsd(of).run();
"#,
        r#"
error: "lots" is not a size
 --> recipe.rhai:3:8
  |
3 | guest::freebsd(of).run();
  |        ^^^^^^^^^^^
  |
  = hint: write 20.GiB, or "20G" with one of K, M, G, T, P
"#,
    );
    wrong(
        r#"import "std/guest" as guest;
guest::freebsd(#{ name: "lab", memory: 1.GiB, disks: [["/vm/lab.img", "much"]], init: true }).run();
"#,
        r#"
error: "much" is not a size
 --> recipe.rhai:2:71
  |
2 | guest::freebsd(#{ name: "lab", memory: 1.GiB, disks: [["/vm/lab.img", "much"]], init: true }).run();
  |                                                                       ^^^^^^
  |
  = hint: write 20.GiB, or "20G" with one of K, M, G, T, P
"#,
    );
    wrong(
        r#"import "std/disk" as disk;
disk::file("/vm/lab.img", "much", true);
"#,
        r#"
error: "much" is not a size
 --> recipe.rhai:2:27
  |
2 | disk::file("/vm/lab.img", "much", true);
  |                           ^^^^^^
  |
  = hint: write 20.GiB, or "20G" with one of K, M, G, T, P
"#,
    );
}

#[test]
fn what_a_file_beside_the_recipe_refuses_stands_where_the_recipe_gave_it() {
    let sandbox = Sandbox::new();
    let library = "fn lab(of, more) { part(more, of) }\nprivate fn part(a, b) {\n    known_keys(b, [\"name\"]);\n    \
                   refuse(a, (), \"not this one\");\n}\n";
    sandbox.write("lib.rhai", library);
    let said = |recipe: &str| plan(&sandbox, &format!("import \"./lib\" as lib;\n{recipe}\n"), &[]).stderr;
    same(
        &said("fn here(of) { lib::lab(of, 1) }\nhere(#{ name: \"lab\", nam: 1 });"),
        r#"
error: there is no key `nam`
 --> recipe.rhai:3:22
  |
3 | here(#{ name: "lab", nam: 1 });
  |                      ^^^
  |
  = hint: did you mean `name`?
"#,
    );
    same(
        &said("lib::lab(#{ name: \"lab\" }, [1, 2]);"),
        r#"
error: not this one
 --> recipe.rhai:2:28
  |
2 | lib::lab(#{ name: "lab" }, [1, 2]);
  |                            ^^^^^^
"#,
    );
}

#[test]
fn a_file_that_does_not_parse_is_shown_where_it_does_not() {
    let sandbox = Sandbox::new();
    sandbox.write("lib.rhai", "fn lab() {\n    let (a, b) = [1, 2];\n}\n");
    let done = plan(&sandbox, "import \"./lib\" as lib;\n", &[]);
    same(
        &done.stderr,
        r#"
error: each variable has a `let` of its own
 --> lib.rhai:2:9
  |
2 |     let (a, b) = [1, 2];
  |         ^
  |
 ::: recipe.rhai:1:8
  |
1 | import "./lib" as lib;
  |        ------- imported here
  |
  = hint: let a = 1; let b = 2;
"#,
    );
}
