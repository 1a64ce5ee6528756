//! Boot images and seeds: as recipes and the command line make them, as other programs read them, and what is refused.

mod refused;
mod verify;

use super::linux::{need, tool};
use super::sandbox::{Done, Sandbox, same};
use std::fs;
use std::process::{Command, Stdio};

/// The smallest file that passes for an iPXE.
pub(super) fn loader(machine: u16) -> Vec<u8> {
    let mut file = crate::inputs::application(machine);
    file.extend_from_slice(b"iPXE");
    file
}

/// A host with the two loaders, a file to add, and a script.
pub(super) fn host() -> Sandbox {
    let sandbox = Sandbox::new();
    for (name, bytes) in [
        ("x64.efi", loader(0x8664)),
        ("aa64.efi", loader(0xaa64)),
        ("logo.png", b"logo".to_vec()),
        ("boot.ipxe", b"#!ipxe\nchain http://{{server}}/{{port}} || shell\n".to_vec()),
    ] {
        fs::write(sandbox.path(name), bytes).unwrap();
    }
    sandbox
}

/// Runs a line of words, without quotes.
pub(super) fn vmrun(sandbox: &Sandbox, line: &str) -> Done {
    sandbox.run(&line.split_whitespace().collect::<Vec<_>>())
}

#[track_caller]
fn done(sandbox: &Sandbox, line: &str) -> String {
    let done = vmrun(sandbox, line);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{line}");
    done.stdout
}

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

/// Image sizes at the borders of the kinds of FAT, with the volume's kind, and the sum of all bytes.
const GOLDEN: &[(&str, &str, &str)] = &[
    ("1M", "FAT12", "c9b5c744278cb4c82953d90242b2a65653253a02dff9c5a6326403fab31935e3"),
    ("4M", "FAT12", "4d9b4642f323592ddfa58c253570a8ea28ca9aef05034df0d8e1178501389a91"),
    ("16M", "FAT12", "9c6faa24b5d92177f1b1d0b02756e12c2a681d176e2985322e2742f6babfc4b7"),
    ("17M", "FAT16", "06f57111fea0841db3f29f125eb2b256bfd59358c75e660b4d406db486a44bb8"),
    ("512M", "FAT16", "846e525c98e28e4052417f984dac03c6dc470efbc403ea8f08cde90b623a1387"),
    ("513M", "FAT32", "1dbb182cf52ec4e705bf3aadbb2abbc2d41108c9f4cdb2c5c704d4b510d5f6bd"),
];

#[test]
fn other_programs_find_nothing_wrong_with_any_size_and_the_sums_are_those_of_yesterday() {
    need(&["sgdisk", "fsck.fat", "mdir", "mtype", "sha256sum"]);
    let sandbox = host();
    let mut sums = Vec::new();
    for (size, kind, sum) in GOLDEN {
        let line =
            format!("image ipxe a.img --loader x64.efi --loader aa64.efi --file EFI/größe.png=logo.png --size {size}");
        done(&sandbox, &line);
        let image = sandbox.path("a.img").display().to_string();
        let checked = tool("sgdisk", &["-v", &image]);
        assert!(checked.contains("No problems found") && !checked.contains("aution"), "{checked}");
        assert!(tool("sgdisk", &["-i", "1", &image]).contains("(EFI system partition)"));
        let volume = sandbox.path("volume.img");
        let end: u64 = field(&tool("sgdisk", &["-i", "1", &image]), "Last sector: ");
        tool("dd", &[&format!("if={image}"), &format!("of={}", volume.display()), "bs=4096", "skip=5", "conv=sparse"]);
        fs::File::options().write(true).open(&volume).unwrap().set_len((end + 1 - 40) * 512).unwrap();
        let checked = tool("fsck.fat", &["-n", "-v", &volume.display().to_string()]);
        let bits = kind.trim_start_matches("FAT");
        assert!(
            checked.contains(&format!("{bits} bit entries")) || checked.contains(&format!("{bits} bits/entry")),
            "{checked}"
        );
        assert!(done(&sandbox, "image inspect a.img").contains(&format!("\n  {kind}, ")));
        let at = format!("{image}@@20480");
        let listed = tool("mdir", &["-/", "-b", "-i", &at, "::"]);
        let folders = "::/EFI/\n::/autoexec.ipxe\n::/EFI/Boot/\n::/EFI/größe.png\n";
        assert_eq!(listed, format!("{folders}::/EFI/Boot/BootX64.efi\n::/EFI/Boot/BootAA64.efi\n"));
        assert_eq!(tool("mtype", &["-i", &at, "::/EFI/größe.png"]), "logo");
        sums.push((*size, tool("sha256sum", &[&image])[..64].to_string(), *sum));
    }
    // Another sum here means other images for everybody.
    for (size, found, sum) in &sums {
        assert_eq!(found, sum, "{size}: {sums:#?}");
    }
}

fn field<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str, name: &str) -> T {
    let rest = text.split(name).nth(1).unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn an_image_of_other_programs_is_shown_as_well() {
    need(&["sgdisk", "mformat", "mmd", "mcopy"]);
    let sandbox = host();
    let image = sandbox.path("other.img").display().to_string();
    fs::File::create(&image).unwrap().set_len(4 << 20).unwrap();
    let guids = ["-u", "1:a86e2b94-73d1-4f05-8c1b-e94d50f7263c", "-U", "5d1f7c3a-0b62-4c8e-9f47-6a2e81d3b590"];
    tool(
        "sgdisk",
        &[&["-a", "8", "-n", "1:0:0", "-t", "1:ef00", "-c", "1:made by hand"], &guids[..], &[&image]].concat(),
    );
    let at = format!("{image}@@20480");
    tool("mformat", &["-i", &at, "-T", "8119", "-h", "1", "-s", "1", "-N", "1bfe2021", "-v", "EFISYS", "::"]);
    tool("mmd", &["-i", &at, "::/EFI", "::/EFI/BOOT"]);
    let file = |name: &str| sandbox.path(name).display().to_string();
    tool("mcopy", &["-m", "-i", &at, &file("x64.efi"), "::/EFI/BOOT/BOOTX64.EFI"]);
    tool("mcopy", &["-m", "-i", &at, &file("boot.ipxe"), "::/autoexec.ipxe"]);
    let shown = done(&sandbox, "image inspect other.img");
    // What is not ours to say: times, and how mformat divides.
    let lines: Vec<&str> = shown.lines().map(|line| line.split("  20").next().unwrap()).collect();
    assert_eq!(lines[0], "size 4M, GPT 5d1f7c3a-0b62-4c8e-9f47-6a2e81d3b590");
    assert_eq!(
        lines[1],
        "partition 1: EFI system, sectors 40 to 8158, \"made by hand\", a86e2b94-73d1-4f05-8c1b-e94d50f7263c"
    );
    assert!(lines[2].starts_with("  FAT12, label \"EFISYS\", serial 1BFE-2021, "), "{shown}");
    assert_eq!(lines[3..5], ["  EFI/", "  EFI/BOOT/"]);
    assert!(lines[5].starts_with("  EFI/BOOT/BOOTX64.EFI"), "{shown}");
    assert!(lines[6].starts_with("  autoexec.ipxe"), "{shown}");
    assert_eq!(
        lines[7..],
        ["  the script that iPXE runs:", "    #!ipxe", "    chain http://{{server}}/{{port}} || shell"]
    );
}
