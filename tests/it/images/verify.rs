//! Whether an image is what recipes would write now.

use crate::boot_images::{done, host, vmrun};
use crate::sandbox::{Sandbox, same};
use std::fs;

const RECIPE: &str = r#"let port = param("port", 80);
if init {
    ipxe_image("vm/boot.img", #{
        loader: "x64.efi", script: #{ file: "boot.ipxe", fill: #{ server: "a", port: port } },
        files: #{ "logo.png": "logo.png" }, guid: "5d1f7c3a-0b62-4c8e-9f47-6a2e81d3b590",
    });
}
"#;

fn made() -> Sandbox {
    let sandbox = host();
    sandbox.write("a.rhai", RECIPE);
    done(&sandbox, "a.rhai --init");
    sandbox
}

#[track_caller]
fn differs(sandbox: &Sandbox, line: &str, stderr: &str) {
    let found = vmrun(sandbox, line);
    same(&found.stderr, stderr);
    assert_eq!((found.code, found.stdout.as_str()), (1, ""));
}

#[test]
fn an_image_that_is_what_its_recipe_writes_is_said_to_be() {
    let sandbox = made();
    sandbox.write("b.rhai", RECIPE);
    assert_eq!(
        done(&sandbox, "image verify vm/boot.img a.rhai b.rhai"),
        "vm/boot.img is what a.rhai writes\nvm/boot.img is what b.rhai writes\n"
    );
    // The only image of a recipe may have been moved.
    fs::rename(sandbox.path("vm/boot.img"), sandbox.path("vm/moved.img")).unwrap();
    assert_eq!(done(&sandbox, "image verify vm/moved.img a.rhai"), "vm/moved.img is what a.rhai writes\n");
}

#[test]
fn what_differs_is_named_with_the_recipe() {
    let sandbox = made();
    differs(
        &sandbox,
        "image verify vm/boot.img a.rhai --set port=81",
        "
error: vm/boot.img is not what a.rhai writes: autoexec.ipxe: byte 23 of 34 is another one
error: vm/boot.img is not what a.rhai writes: line 2 of the script: \"chain http://a/80 || shell\", should be \"chain http://a/81 || shell\"
",
    );
    fs::write(sandbox.path("logo.png"), "another").unwrap();
    differs(
        &sandbox,
        "image verify vm/boot.img a.rhai",
        "error: vm/boot.img is not what a.rhai writes: logo.png: 4 bytes, should be 7 bytes",
    );
    let before = fs::read(sandbox.path("vm/boot.img")).unwrap();
    done(&sandbox, "a.rhai --init");
    assert!(fs::read(sandbox.path("vm/boot.img")).unwrap() != before);
    done(&sandbox, "image verify vm/boot.img a.rhai");
}

#[test]
fn a_recipe_without_the_image_is_told() {
    let sandbox = made();
    sandbox.write("none.rhai", "print(1);\n");
    let image = "loader: \"x64.efi\", script: \"#!ipxe\\nshell\"";
    let two = format!("for name in [\"a\", \"b\"] {{ ipxe_image(`vm/${{name}}.img`, #{{ {image} }}); }}\n");
    sandbox.write("two.rhai", &two);
    let printed = vmrun(&sandbox, "image verify vm/boot.img none.rhai");
    same(
        &printed.stderr,
        "
error: none.rhai writes no image
 |
 = hint: it is asked what it does with --init; an image is written by ipxe_image or cloud_seed
",
    );
    assert_eq!(printed.code, 1);
    differs(
        &sandbox,
        "image verify vm/boot.img two.rhai",
        "
error: two.rhai does not write vm/boot.img
 |
 = hint: it writes [tmp]/vm/a.img and [tmp]/vm/b.img
",
    );
    let missing = vmrun(&sandbox, "image verify vm/c.img a.rhai");
    same(&missing.stderr, "error: cannot read vm/c.img: No such file or directory");
    assert_eq!(missing.code, 3);
}
