//! Boot images and seeds: as recipes and the command line make them, and what is refused. How other programs read them is in
//! `tests/system/readers/images.rs`.

mod refused;
mod verify;

use super::boot_images::{done, host};
use super::sandbox::{Sandbox, same};
use std::fs;
use std::process::{Command, Stdio};

/// Gives a plan to a shell, as one could paste it.
fn pasted(sandbox: &Sandbox, plan: &str) {
    let script = sandbox.own(plan).replace("vmrun", env!("CARGO_BIN_EXE_vmrun"));
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", &script]).current_dir(sandbox.path("")).stdout(Stdio::null());
    assert_eq!(sandbox.finish(&mut shell).code, 0, "{script}");
}

const RECIPE: &str = r#"write_file("[tmp]/extra.txt", "of this run\n");
ipxe_image("[tmp]/vm/boot.img", #{
    loader: #{ arm64: "[tmp]/aa64.efi", amd64: "[tmp]/x64.efi" },
    script: #{ file: "[tmp]/boot.ipxe", fill: #{ server: "192.0.2.1", port: 8080 } },
    files: #{ "EFI/ipxe/logo.png": "[tmp]/logo.png", "extra.txt": "[tmp]/extra.txt" },
    size: 8.MiB, label: "EFISYS", align: "1M", guid: "5d1f7c3a-0b62-4c8e-9f47-6a2e81d3b590", time: "2026-01-31",
});
"#;

#[test]
fn a_recipe_plans_an_image_that_the_command_line_makes_too() {
    let sandbox = host();
    sandbox.write("recipe.rhai", RECIPE);
    let plan = done(&sandbox, "plan recipe.rhai");
    same(
        &plan,
        "
umask 026
tee [tmp]/extra.txt <<'EOF'
of this run
EOF
vmrun image ipxe [tmp]/vm/boot.img --loader [tmp]/x64.efi --loader [tmp]/aa64.efi --size 8M --script [tmp]/boot.ipxe --fill port=8080 --fill server=192.0.2.1 --file EFI/ipxe/logo.png=[tmp]/logo.png --file extra.txt=[tmp]/extra.txt --label EFISYS --align 1M --guid 5d1f7c3a-0b62-4c8e-9f47-6a2e81d3b590 --time 2026-01-31
",
    );
    assert!(!sandbox.path("extra.txt").exists());

    done(&sandbox, "recipe.rhai");
    let bytes = fs::read(sandbox.path("vm/boot.img")).unwrap();
    fs::remove_file(sandbox.path("vm/boot.img")).unwrap();
    fs::remove_file(sandbox.path("extra.txt")).unwrap();
    // The plan is what one can paste.
    pasted(&sandbox, &plan);
    assert!(fs::read(sandbox.path("vm/boot.img")).unwrap() == bytes);
}

#[test]
fn what_is_in_an_image_is_shown() {
    let sandbox = host();
    sandbox.write("recipe.rhai", RECIPE);
    done(&sandbox, "recipe.rhai");
    same(
        &done(&sandbox, "image inspect vm/boot.img"),
        r#"
size 8M, GPT 5d1f7c3a-0b62-4c8e-9f47-6a2e81d3b590
partition 1: EFI system, sectors 2048 to 14335, "EFISYS", 651d63c1-f281-8ec9-920e-e39052e28c61
  FAT12, label "EFISYS", serial DB83-BF73, 3050 of 3058 clusters of 2K free
  EFI/
  EFI/Boot/
  EFI/Boot/BootX64.efi   2026-01-31 00:00:00  530 bytes  iPXE for amd64, looks for autoexec.ipxe
  EFI/Boot/BootAA64.efi  2026-01-31 00:00:00  530 bytes  iPXE for arm64, looks for autoexec.ipxe
  EFI/ipxe/
  EFI/ipxe/logo.png      2026-01-31 00:00:00  4 bytes
  autoexec.ipxe          2026-01-31 00:00:00  44 bytes
  extra.txt              2026-01-31 00:00:00  12 bytes
  the script that iPXE runs:
    #!ipxe
    chain http://192.0.2.1/8080 || shell
"#,
    );
    let json: serde_json::Value = serde_json::from_str(&done(&sandbox, "image inspect vm/boot.img --json")).unwrap();
    assert_eq!(json["table"]["kind"], "GPT");
    assert_eq!(json["partitions"][0]["volume"]["script"], "#!ipxe\nchain http://192.0.2.1/8080 || shell\n");
    let file = &json["partitions"][0]["volume"]["files"][2];
    assert_eq!((&file["path"], &file["size"]), (&"EFI/Boot/BootX64.efi".into(), &530.into()));
    assert_eq!(json["wrong"], serde_json::json!([]));
}

#[test]
fn a_seed_is_planned_and_made() {
    let sandbox = host();
    sandbox.write(
        "recipe.rhai",
        r##"cloud_seed("[tmp]/vm/web.seed", #{
    user_data: "#!/bin/sh\nEOF\nhostname web\n", meta_data: "instance-id: web\n", network_config: "version: 2\n",
});
"##,
    );
    let plan = done(&sandbox, "plan recipe.rhai");
    same(
        &plan,
        "
umask 026
vmrun image seed [tmp]/vm/web.seed --user-data - --meta-data 'text:instance-id: web
' --network-config 'text:version: 2
' <<'EOF1'
#!/bin/sh
EOF
hostname web
EOF1
",
    );
    done(&sandbox, "recipe.rhai");
    let bytes = fs::read(sandbox.path("vm/web.seed")).unwrap();
    pasted(&sandbox, &plan);
    assert!(fs::read(sandbox.path("vm/web.seed")).unwrap() == bytes);
    same(
        &done(&sandbox, "image inspect vm/web.seed"),
        r#"
size 1M, no partition table
  FAT12, label "cidata", serial ABE9-DA08, 1000 of 1003 clusters of 1K free
  meta-data       1980-01-01 00:00:00  17 bytes
  user-data       1980-01-01 00:00:00  27 bytes
  network-config  1980-01-01 00:00:00  11 bytes
"#,
    );
}

#[test]
fn a_file_has_the_mode_that_is_asked_for_and_ends_with_a_line() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::new();
    let recipe =
        "write_file(\"[tmp]/vm/a\", \"one\", #{ mode: \"600\" });\nwrite_file(\"[tmp]/vm/b\", \"two\\n\\n\");\n";
    sandbox.write("recipe.rhai", recipe);
    let plan = done(&sandbox, "plan recipe.rhai");
    same(
        &plan,
        "
umask 026
install -m 600 /dev/stdin [tmp]/vm/a <<'EOF'
one
EOF
tee [tmp]/vm/b <<'EOF'
two

EOF
",
    );
    let mode = |name: &str| fs::metadata(sandbox.path(name)).unwrap().permissions().mode() & 0o777;
    let found = || {
        [("a", "one\n", 0o600), ("b", "two\n\n", 0o640)].map(|(name, text, want)| {
            let path = format!("vm/{name}");
            assert_eq!((sandbox.read(&path).as_str(), mode(&path)), (text, want));
            fs::remove_file(sandbox.path(&path)).unwrap();
        })
    };
    // As one could paste it.
    pasted(&sandbox, &plan);
    found();
    fs::write(sandbox.path("vm/a"), "an old one that is longer").unwrap();
    done(&sandbox, "recipe.rhai");
    assert_eq!(sandbox.names("vm"), ["a", "b"]);
    found();
}

/// Image sizes at the borders of the kinds of FAT, with the sum of all bytes.
const SUMS: &[(&str, &str)] = &[
    ("1M", "c9b5c744278cb4c82953d90242b2a65653253a02dff9c5a6326403fab31935e3"),
    ("4M", "4d9b4642f323592ddfa58c253570a8ea28ca9aef05034df0d8e1178501389a91"),
    ("16M", "9c6faa24b5d92177f1b1d0b02756e12c2a681d176e2985322e2742f6babfc4b7"),
    ("17M", "06f57111fea0841db3f29f125eb2b256bfd59358c75e660b4d406db486a44bb8"),
    ("512M", "846e525c98e28e4052417f984dac03c6dc470efbc403ea8f08cde90b623a1387"),
    ("513M", "1dbb182cf52ec4e705bf3aadbb2abbc2d41108c9f4cdb2c5c704d4b510d5f6bd"),
];

#[test]
fn the_sums_of_images_of_any_size_are_those_of_yesterday() {
    let sandbox = host();
    let sum = |size: &str| {
        let line =
            format!("image ipxe a.img --loader x64.efi --loader aa64.efi --file EFI/größe.png=logo.png --size {size}");
        done(&sandbox, &line);
        let summed = Command::new("sha256sum").arg(sandbox.path("a.img")).output().unwrap();
        String::from_utf8_lossy(&summed.stdout)[..64].to_string()
    };
    let sums: Vec<(&str, String)> = SUMS.iter().map(|(size, _)| (*size, sum(size))).collect();
    // Another sum here means other images for everybody.
    for ((size, found), (_, sum)) in sums.iter().zip(SUMS) {
        assert_eq!(found, sum, "{size}: {sums:#?}");
    }
}
