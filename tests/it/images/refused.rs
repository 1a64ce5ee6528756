//! What no image can be made of: one whole message, before anything is written.

use crate::boot_images::{host, vmrun};
use crate::efi::ipxe;
use crate::sandbox::{Sandbox, same};
use std::fs;

const WANTED: &str = "give an iPXE for UEFI: snp.efi-x86_64 of FreeBSD's ipxe package, ipxe-amd64.efi of Debian's";

/// Runs the command line, and compares what is said; nothing may have been written.
#[track_caller]
fn refuses(sandbox: &Sandbox, line: &str, code: i32, message: &str, hint: &str) {
    let before = sandbox.everything();
    let found = vmrun(sandbox, line);
    let hint = if hint.is_empty() { String::new() } else { format!("\n |\n = hint: {hint}") };
    same(&found.stderr, &format!("error: {message}{hint}"));
    assert_eq!((found.code, found.stdout.as_str()), (code, ""), "{line}");
    assert!(sandbox.everything() == before, "something was changed");
}

#[test]
fn a_loader_that_does_not_boot_a_disk_is_refused() {
    let sandbox = host();
    fs::write(sandbox.path("script.efi"), "#!ipxe\nshell\n").unwrap();
    fs::write(sandbox.path("snponly.efi"), [ipxe(0x8664), b"\0SNPONLY\0".to_vec()].concat()).unwrap();
    fs::write(sandbox.path("arm32.efi"), ipxe(0x01c2)).unwrap();
    let ipxe = |loader: &str| format!("image ipxe vm/a.img --loader {loader}");
    refuses(&sandbox, &ipxe("script.efi"), 1, "script.efi: the iPXE loader is an iPXE script", WANTED);
    refuses(
        &sandbox,
        &ipxe("snponly.efi"),
        1,
        "snponly.efi: the iPXE loader is snponly.efi, which drives only the card that it was itself loaded from, \
         and from a disk it is loaded from none",
        WANTED,
    );
    refuses(
        &sandbox,
        &ipxe("arm32.efi"),
        1,
        "arm32.efi: the iPXE loader is for 32-bit Arm",
        "the machine is x86_64 or 64-bit Arm: give the loader that was built for it",
    );
    refuses(
        &sandbox,
        &ipxe("x64.efi --loader x64.efi"),
        1,
        "two iPXE loaders are for amd64: x64.efi and x64.efi",
        "firmware starts only one, EFI/Boot/BootX64.efi: leave the other one out",
    );
    refuses(
        &sandbox,
        &ipxe("none.efi"),
        3,
        "cannot read none.efi: No such file or directory",
        "pkg install ipxe brings it",
    );
    let linux =
        sandbox.finish(sandbox.command(&["image", "ipxe", "a.img", "--loader", "x"]).env("VMRUN_PLATFORM", "linux"));
    same(
        &linux.stderr,
        "
error: cannot read x: No such file or directory
 |
 = hint: tools/setup.sh run brings one that knows autoexec.ipxe, as Debian 13's package ipxe does
",
    );
}

#[test]
fn a_loader_that_looks_for_no_script_is_warned_of() {
    let sandbox = host();
    let old = ipxe(0x8664).iter().map(|byte| if *byte == b'x' { b'y' } else { *byte }).collect::<Vec<u8>>();
    fs::write(sandbox.path("old.efi"), &old).unwrap();
    let found = vmrun(&sandbox, "image ipxe vm/a.img --loader old.efi");
    let hint = format!("iPXE does since 2021: {WANTED}");
    let message = "warning: the iPXE loader old.efi does not look for autoexec.ipxe";
    same(&found.stderr, &format!("{message}\n |\n = hint: {hint}"));
    assert_eq!((found.code, sandbox.names("vm")), (0, vec!["a.img".to_string()]));
    sandbox.write("recipe.rhai", "ipxe_image(\"vm/b.img\", #{ loader: \"old.efi\" });\n");
    same(
        &vmrun(&sandbox, "plan recipe.rhai").stderr,
        &format!(
            "warning: the iPXE loader [tmp]/old.efi does not look for autoexec.ipxe
 --> recipe.rhai:1:35
  |
1 | ipxe_image(\"vm/b.img\", #{{ loader: \"old.efi\" }});
  |                                   ^^^^^^^^^
  |
  = hint: {hint}"
        ),
    );
}

#[test]
fn an_image_that_cannot_be_as_it_should_is_refused() {
    let sandbox = host();
    fs::write(sandbox.path("big"), vec![1; 5_000_000]).unwrap();
    fs::write(sandbox.path("nul.ipxe"), "#!ipxe\nshell\0\n").unwrap();
    fs::write(sandbox.path("latin1.ipxe"), b"#!ipxe\necho \xe9\n").unwrap();
    let ipxe = |more: &str| format!("image ipxe vm/a.img --loader x64.efi {more}");
    refuses(
        &sandbox,
        &ipxe("--file big=big"),
        1,
        "the loader (530 bytes), the script (356 bytes) and a file (5,000,000 bytes) do not fit into 4M: ask for at least 8M",
        "",
    );
    refuses(
        &sandbox,
        &ipxe("--script nul.ipxe"),
        1,
        "the iPXE script has a NUL byte in line 2",
        "iPXE stops reading there: remove it, or give the script's own text",
    );
    refuses(&sandbox, &ipxe("--script latin1.ipxe"), 1, "the script latin1.ipxe is not text", "iPXE scripts are UTF-8");
    refuses(
        &sandbox,
        &ipxe("--script boot.ipxe --fill server=a"),
        1,
        "the script has the placeholder {{port}} in line 2, and no value for it",
        "there are values for server",
    );
    refuses(
        &sandbox,
        &ipxe("--file ../a=logo.png"),
        2,
        "--file: \"../a\" is no path in an image: `..` leads elsewhere",
        "write names with `/` between them: \"EFI/ipxe/logo.png\"",
    );
    refuses(
        &sandbox,
        &ipxe("--file efi/boot/bootx64.efi=logo.png"),
        1,
        "the file \"efi/boot/bootx64.efi\" of the image collides: \"efi\" is there already, as \"EFI\"",
        "FAT makes no difference between large and small letters: give it another name",
    );
    refuses(&sandbox, &ipxe("--size 1"), 1, "a boot image of 1 byte is too small", "the smallest is 1M, usual are 4M");
    refuses(
        &sandbox,
        &ipxe("--size x"),
        2,
        "--size: \"x\" is not a size",
        "write 20.GiB, or \"20G\" with one of K, M, G, T, P",
    );
    refuses(
        &sandbox,
        &ipxe("--label efisys"),
        2,
        "--label: \"efisys\" is no label: FAT has labels in capital letters only",
        "write \"EFISYS\"",
    );
    refuses(
        &sandbox,
        &ipxe("--align 3k"),
        2,
        "--align: nothing is aligned to 3K",
        "write \"4k\" as for gpart, \"1M\", or another power of two from 512 to \"64M\"",
    );
    refuses(
        &sandbox,
        &ipxe("--guid 1"),
        2,
        "--guid: \"1\" is no GUID",
        "write it as \"5d1f7c3a-0b62-4c8e-9f47-6a2e81d3b590\", or leave it out",
    );
    refuses(
        &sandbox,
        &ipxe("--time now"),
        2,
        "--time: \"now\" is no time that FAT can tell",
        "write \"2026-01-31 12:30:00\", \"2026-01-31\" or the seconds since 1970, from 1980 to 2107, in UTC",
    );
}

#[test]
fn what_is_to_be_inspected_has_to_be_there() {
    let sandbox = host();
    refuses(&sandbox, "image inspect none.img", 3, "cannot read none.img: No such file or directory", "");
    refuses(&sandbox, "image inspect vm", 3, "cannot read vm: it is a folder", "");
    fs::write(sandbox.path("empty"), "").unwrap();
    same(&vmrun(&sandbox, "image inspect empty").stdout, "size 0 bytes, no partition table\n  no FAT volume");
}

#[test]
fn a_seed_that_cloud_init_would_not_read_is_refused() {
    let sandbox = host();
    fs::write(sandbox.path("user"), "hostname: web\n").unwrap();
    fs::write(sandbox.path("latin1"), b"#!\xe9").unwrap();
    refuses(
        &sandbox,
        "image seed vm/a --user-data user --meta-data text:instance-id:1",
        1,
        "the user-data of the seed begins with nothing that cloud-init knows",
        "the first line is #cloud-config for YAML, or #!/bin/sh for a script",
    );
    refuses(
        &sandbox,
        "image seed vm/a --user-data latin1 --meta-data text:instance-id:1",
        1,
        "--user-data latin1 is not text",
        "cloud-init reads UTF-8",
    );
}

/// Plans a recipe of one line, and compares what is said of it and where.
#[track_caller]
fn wrong(line: &str, marked: &str, message: &str, hint: &str) {
    let sandbox = host();
    sandbox.write("recipe.rhai", &format!("{line}\n"));
    let before = sandbox.everything();
    let found = vmrun(&sandbox, "recipe.rhai");
    let at = line.find(marked).unwrap();
    let marks = "^".repeat(marked.chars().count());
    let hint = if hint.is_empty() { String::new() } else { format!("\n  |\n  = hint: {hint}") };
    let column = at + 1;
    let want =
        format!("error: {message}\n --> recipe.rhai:1:{column}\n  |\n1 | {line}\n  | {}{marks}{hint}", " ".repeat(at));
    same(&found.stderr, &want);
    assert_eq!((found.code, found.stdout.as_str()), (1, ""), "{line}");
    assert!(sandbox.everything() == before, "something was changed");
}

#[test]
fn a_fault_stands_at_its_key() {
    let image = |options: &str| format!("ipxe_image(\"vm/a.img\", #{{ loader: \"x64.efi\", {options} }});");
    let path = "write names with `/` between them: \"EFI/ipxe/logo.png\"";
    wrong(&image("size: 1000"), "1000", "a boot image of 1,000 bytes is too small", "the smallest is 1M, usual are 4M");
    wrong(
        &image("align: \"5k\""),
        "\"5k\"",
        "nothing is aligned to 5K",
        "write \"4k\" as for gpart, \"1M\", or another power of two from 512 to \"64M\"",
    );
    wrong(
        &image("label: \"a/b\""),
        "\"a/b\"",
        "\"a/b\" is no label: FAT has labels in capital letters only",
        "write \"A/B\"",
    );
    wrong(
        &image("time: 10"),
        "10",
        "\"10\" is no time that FAT can tell",
        "write \"2026-01-31 12:30:00\", \"2026-01-31\" or the seconds since 1970, from 1980 to 2107, in UTC",
    );
    wrong(
        &image("files: #{ \"/etc/x\": \"logo.png\" }"),
        "\"/etc/x\"",
        "\"/etc/x\" is no path in an image: it begins with `/`, and all paths begin at the root of the volume",
        path,
    );
    wrong(
        &image("files: #{ \"A\": \"logo.png\", \"a\": \"logo.png\" }"),
        "#{ \"A\": \"logo.png\", \"a\": \"logo.png\" }",
        "the file \"a\" of the image collides: \"a\" is there already, as \"A\"",
        "FAT makes no difference between large and small letters: give it another name",
    );
    wrong(
        &image("script: #{ file: \"boot.ipxe\", fill: #{ server: \"a\", prot: 1 } }"),
        "#{ file: \"boot.ipxe\", fill: #{ server: \"a\", prot: 1 } }",
        "the script has the placeholder {{port}} in line 2, and no value for it",
        "did you mean `prot`?",
    );
    wrong(
        &image("script: #{ text: \"#!ipxe\\n{{a}}\", fill: #{ a: [] } }"),
        "[]",
        "expected a text or a number, got a list",
        "write `ipxe_image(path, #{ loader, script, files, size, label, align, guid, time })`",
    );
    wrong(
        &image("script: #{ text: \"#!ipxe\\n{{a}}\", fill: #{ a: \"b\\nshell\" } }"),
        "\"b\\nshell\"",
        "the value of {{a}} has more than one line",
        "a value is a part of a line; commands belong into the script",
    );
    wrong(
        &image("script: #{ text: \"a\", file: \"b\" }"),
        "#{ text: \"a\", file: \"b\" }",
        "a script is a `text` or a `file`",
        "write script: #{ file: \"boot.ipxe\", fill: #{ … } }",
    );
    wrong(
        &image("script: \"shell\""),
        "\"shell\"",
        "the iPXE script does not begin with #!ipxe",
        "the first line of a script is #!ipxe, the commands follow on lines of their own",
    );
    wrong(
        "ipxe_image(\"vm/a.img\", #{ loader: #{ riscv: \"x64.efi\" } });",
        "riscv",
        "there is no loader for \"riscv\"",
        "there are amd64 and arm64",
    );
    wrong(
        "ipxe_image(\"vm/a.img\", #{ loader: #{ arm64: \"x64.efi\" } });",
        "#{ arm64: \"x64.efi\" }",
        "[tmp]/x64.efi: the iPXE loader is for amd64, and is given for arm64",
        "give it for amd64, or another file for arm64",
    );
    wrong(
        "ipxe_image(\"vm/a.img\", #{ loader: 1 });",
        "1",
        "expected a path, a list of paths or a map #{ amd64: path, arm64: path }, got a number",
        "write `ipxe_image(path, #{ loader, script, files, size, label, align, guid, time })`",
    );
    wrong(
        "ipxe_image(\"vm/a.img\", #{ loader: [] });",
        "[]",
        "the image has no iPXE loader",
        "leave `loader` out for the platform's own",
    );
    wrong(
        "cloud_seed(\"vm/a\", #{ user_data: \"#cloud-config\\n\" });",
        "#{ user_data: \"#cloud-config\\n\" }",
        "the seed has no `meta_data`",
        "write #{ user_data: \"#cloud-config\\n…\", meta_data: \"instance-id: web-1\" }",
    );
    wrong("write_file(\"vm\", \"a\");", "\"vm\"", "[tmp]/vm is a folder", "name the file in it");
    wrong(
        "write_file(\"vm/a\", \"a\", #{ mode: \"0600\" });",
        "\"0600\"",
        "\"0600\" is no mode",
        "three octal digits: \"600\", \"644\"",
    );
}

#[test]
fn a_placeholder_without_a_value_is_refused_with_and_without_fill() {
    let sandbox = host();
    sandbox.write("unfilled.ipxe", "#!ipxe\nkernel http://10.0.0.1/{{MIRROR}}/vmlinuz\nboot\n");
    let line = "image ipxe vm/a.img --loader x64.efi --script unfilled.ipxe";
    let message = "the script has the placeholder {{MIRROR}} in line 2, and no value for it";
    refuses(&sandbox, line, 1, message, "give one: fill: #{ MIRROR: … }, or --fill MIRROR=…");
    refuses(
        &sandbox,
        &format!("{line} --fill MIRROR=a --fill MIRROR=b"),
        2,
        "`--fill MIRROR=…` is given twice",
        "leave one of them out",
    );
}

#[test]
fn a_label_that_a_script_lacks_is_warned_of() {
    let sandbox = host();
    sandbox.write("goto.ipxe", "#!ipxe\nkernel http://10.0.0.1/vmlinuz || goto failed\nboot\n");
    let found = vmrun(&sandbox, "image ipxe vm/a.img --loader x64.efi --script goto.ipxe");
    let label = "warning: the iPXE script goes to the label failed in line 2, which it does not have\n |\n \
                 = hint: write a line `:failed` above what is to be done then";
    assert!(found.stderr.contains(label), "{}", found.stderr);
    assert_eq!(found.code, 0);
}

#[test]
fn a_seed_that_is_no_yaml_is_refused_with_line_and_column() {
    let sandbox = host();
    sandbox.write("broken.user", "#cloud-config\nusers:\n  - name: a\n   shell: /bin/sh\n");
    sandbox.write("good.user", "#cloud-config\nruncmd:\n  - echo \"a: b\"\n");
    sandbox.write("broken.net", "version: 2\nethernets: {eth0: {dhcp4: true}\n");
    let hint = "what belongs together begins in one column, by spaces; a text with `: ` or ` #` in it stands in quotes";
    let seed = |user: &str, net: &str| {
        format!("image seed vm/seed.img --user-data {user} --meta-data text:instance-id:1 --network-config {net}")
    };
    refuses(
        &sandbox,
        &seed("broken.user", "broken.net"),
        1,
        "the user-data of the seed is no YAML: line 4, column 4: while parsing a block collection, did not find expected '-' indicator",
        hint,
    );
    refuses(
        &sandbox,
        &seed("good.user", "broken.net"),
        1,
        "the network-config of the seed is no YAML: line 3, column 1: while parsing a flow mapping, did not find expected ',' or '}'",
        hint,
    );
}

#[test]
fn a_seed_of_any_form_that_cloud_init_reads_is_written() {
    let sandbox = host();
    let mime = "Content-Type: multipart/mixed; boundary=\"==B==\"\nMIME-Version: 1.0\n\n--==B==\n\
                Content-Type: text/cloud-config; charset=\"us-ascii\"\n\n#cloud-config\nhostname: a\n--==B==--\n";
    let hook = "#cloud-boothook\n#!/bin/sh\necho 1\n";
    // A key that cloud-init does not know is cloud-init's to tell.
    let typo = "#cloud-config\nusers:\n  - name: cardano\n    ssh-authorized-keys:\n      - ssh-ed25519 AAAA x\n";
    let first = "version: 1\nconfig:\n  - type: physical\n    name: vtnet0\n    subnets: [{type: static, address: 10.0.0.5/24}]\n";
    let second = "version: 2\nethernets:\n  vtnet0:\n    match: {macaddress: \"58:9c:fc:00:00:05\"}\n    \
                  addresses: [10.0.0.5/24, \"2001:db8::5/64\"]\n    routes: [{to: default, via: 10.0.0.1}]\n";
    let wrapped = "network:\n  version: 2\n  ethernets: {eth0: {dhcp4: true}}\n";
    for (user, net) in [(mime, first), (hook, second), (typo, wrapped)] {
        sandbox.write("good.user", user);
        sandbox.write("good.net", net);
        let words = ["image", "seed", "vm/seed.img", "--user-data", "good.user", "--meta-data", "text:instance-id: x"];
        let done = sandbox.run(&[&words[..], &["--network-config", "good.net"]].concat());
        assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{user}{net}");
    }
    sandbox.write("spaced.user", "# cloud-config\nhostname: a\n");
    refuses(
        &sandbox,
        "image seed vm/seed.img --user-data spaced.user --meta-data text:instance-id:1",
        1,
        "the user-data of the seed begins with nothing that cloud-init knows",
        "the first line is #cloud-config for YAML, or #!/bin/sh for a script",
    );
}
