//! `vmrun import`: recipes of what is described elsewhere.

use crate::golden;
use crate::sandbox::{Done, Sandbox, project, same};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use vmrun::internals::import::{Import, ImportOptions, SourceKind, proof, read, recipe};
use vmrun::internals::model::{Arch, Machine, Target};
use vmrun::internals::script::{Inputs, Recipe};
use vmrun::internals::supervise::rehearse;

/// The text of a fixture.
fn fixture(name: &str) -> String {
    fs::read_to_string(project("tests/fixtures/") + name).unwrap()
}

/// Imports a fixture, which lies in the sandbox's folder.
fn import(sandbox: &Sandbox, name: &str, args: &[&str]) -> Done {
    let file = name.rsplit('/').next().unwrap_or(name);
    fs::write(sandbox.path(file), fixture(name)).unwrap();
    sandbox.finish(&mut sandbox.command(&[&["import", file], args].concat()))
}

/// Everything that a person sees of an import.
fn told(done: &Done) -> String {
    assert!(!format!("{done:?}").contains("hunter"), "{done:?}");
    format!("{}---\n{}--- {}\n", done.stdout, done.stderr, done.code)
}

#[test]
fn what_is_described_elsewhere_becomes_these_recipes() {
    golden::check(
        [
            "install.sh",
            "report1.sh",
            "web.conf",
            "ps.txt",
            "trouble.sh",
            "whole.sh",
            "old.txt",
            "vmlog.txt",
            "loader.sh",
            "grub.sh",
            "cbsd.txt",
            "crlf.sh",
        ]
        .map(|name| {
            let done = import(&Sandbox::new(), &format!("import/{name}"), &[]);
            (format!("tests/fixtures/import/{name}.told"), told(&done))
        }),
    );
}

#[test]
fn recipes_of_loaded_guests_pass_a_check() {
    let sandbox = Sandbox::new();
    let names = ["import/loader.sh", "import/grub.sh", "vm-bhyve/alpine.conf", "vm-bhyve/freebsd.conf"];
    for name in names {
        let done = import(&sandbox, name, &["--on", "freebsd-14.3"]);
        assert_eq!(done.code, 0, "{name}: {}", done.stderr);
        fs::write(sandbox.path("loaded.rhai"), &done.stdout).unwrap();
        let done = sandbox.run(&["check", "--on", "freebsd-14.3", "loaded.rhai"]);
        assert_eq!(done.code, 0, "{name}: {}", done.stderr);
    }
}

/// The status of an import of a text, what it says, and the recipe.
fn said(text: &str) -> (i32, String, String) {
    let sandbox = Sandbox::new();
    sandbox.write("a.sh", text);
    let done = sandbox.run(&["import", "a.sh"]);
    (done.code, done.stderr, done.stdout)
}

#[test]
fn a_loader_that_cannot_be_taken_over_is_told() {
    let bhyve = "bhyve -c 1 -m 1G -s 0,hostbridge -s 31,lpc -l com1,stdio a\n";
    let expected = "
error: the shell would put something in for `$disk`
 --> a.sh:1:20
  |
1 | bhyveload -m 1G -d $disk a
  |                    ^^^^^
  |
  = hint: write what it stands for; `vmrun record -- SCRIPT` sees the command lines of a whole script
";
    let (code, text, _) = said(&format!("bhyveload -m 1G -d $disk a\n{bhyve}"));
    same(&text, expected);
    assert_eq!(code, 1);
    for (line, note) in [
        ("bhyveload -x a", "not imported: bhyveload of line 1, which vmrun does not know how to call so"),
        (
            "grub-bhyve -m /no.map -r hd0 a",
            "not imported: grub-bhyve of line 1, which vmrun does not know how to call so",
        ),
        ("./commands | grub-bhyve a", "not imported: grub-bhyve of line 1, which vmrun does not know how to call so"),
        ("bhyveload -d /vm/b.img b", "not imported: bhyveload of line 1, which loads b, not a"),
    ] {
        let (code, _, text) = said(&format!("{line}\n{bhyve}"));
        assert!(code == 0 && text.contains(note), "{line}: {text}");
    }
}

#[test]
fn guests_of_vm_bhyve_become_these_recipes() {
    let usual = ["alpine", "debian", "default", "every-key", "freebsd", "openbsd", "windows"];
    // What people have.
    let odd = ["alpdocker", "crlf2", "gap", "nineshare", "oldwin", "optname", "scsi", "vmnetopt", "winjp"];
    golden::check(usual.into_iter().chain(odd).map(|name| {
        let done = import(&Sandbox::new(), &format!("vm-bhyve/{name}.conf"), &[]);
        (format!("tests/fixtures/import/vm-bhyve/{name}.told"), told(&done))
    }));
}

#[test]
fn domains_of_libvirt_become_these_recipes_and_those_that_are_whole_pass_a_check() {
    golden::check(["grub", "loaded", "qemu", "web"].map(|name| {
        let sandbox = Sandbox::new();
        let done = import(&sandbox, &format!("import/libvirt/{name}.xml"), &["--on", "freebsd-14"]);
        sandbox.write("made.rhai", &done.stdout);
        let checked = sandbox.run(&["check", "--on", "freebsd-14", "made.rhai"]);
        assert_eq!(checked.code, 0, "{name}: {}", checked.stderr);
        (format!("tests/fixtures/import/libvirt/{name}.told"), told(&done))
    }));
}

#[test]
fn xml_that_is_no_domain_is_told_at_its_place() {
    let sandbox = Sandbox::new();
    let said = |text: &str| {
        sandbox.write("a.xml", text);
        let done = sandbox.run(&["import", "--from", "libvirt", "a.xml"]);
        assert_eq!(done.code, 1, "{done:?}");
        done.stderr
    };
    same(
        &said("<network>\n  <name>default</name>\n</network>\n"),
        "
error: the XML is of a <network>, not of a <domain>
 --> a.xml:1:1
  |
1 | <network>
  | ^^^^^^^^
  |
  = hint: give what `virsh dumpxml NAME` prints
",
    );
    same(
        &said("<domain>\n  <name>a</nome>\n  <graphics passwd='hunter2'/>\n</domain>\n"),
        "
error: the XML cannot be read: expected 'name' tag, not 'nome' at 2:10
 --> a.xml:2:10
  |
2 | ****************
  |          ^
  |
  = hint: give what `virsh dumpxml NAME` prints
",
    );
    same(
        &said("<domain type='bhyve'>\n  <name>a</name>\n  <memory unit='ells'>9</memory>\n</domain>\n"),
        "
error: the domain has no <memory> that can be read
 --> a.xml:1:1
  |
1 | <domain type='bhyve'>
  | ^^^^^^^
  |
  = hint: <memory unit='MiB'>512</memory>
",
    );
}

#[test]
fn a_guest_lives_in_its_datastore_and_its_disks_are_made_where_their_sizes_are_known() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("store/lab")).unwrap();
    fs::create_dir_all(sandbox.path("store/.config")).unwrap();
    let system = "switch_list=\"lan\"\ntype_lan=\"standard\"\nbridge_lan=\"bridge2\"\nprivate_lan=\"yes\"\n";
    sandbox.write("store/.config/system.conf", system);
    sandbox.write(
        "store/lab/lab.conf",
        "loader=\"uefi\"\ncpu=1\nmemory=512M\nuuid=\"6f1f3ba0-7c1c-11f0-9c59-0800200c9a66\"\ndisk0_type=\"nvme\"\n\
         disk0_name=\"root.img\"\ndisk0_size=\"20G\"\nnetwork0_type=\"virtio-net\"\nnetwork0_switch=\"lan\"\n\
         network0_mac=\"58:9c:fc:01:02:03\"\n",
    );
    let done = sandbox.finish(&mut sandbox.command(&["import", "store/lab/lab.conf"]));
    golden::check([("tests/fixtures/import/vm-bhyve/lab.told".into(), told(&done))]);
}

#[test]
fn a_volume_of_vm_bhyve_is_made_by_the_standard_library() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "web.conf",
        "loader=\"uefi\"\ncpu=1\nmemory=1G\nuuid=\"6f1f3ba0-7c1c-11f0-9c59-0800200c9a66\"\n\
         disk0_type=\"virtio-blk\"\ndisk0_name=\"disk0\"\ndisk0_dev=\"sparse-zvol\"\ndisk0_size=\"20G\"\n",
    );
    let args = ["import", "web.conf", "--on", "freebsd-14", "--datastore", "/tank/vm"];
    let done = sandbox.finish(&mut sandbox.command(&args));
    same(
        &told(&done),
        r#"
// Made from vm-bhyve's guest web.conf.
// to install, add `"3": if init { ahci_cd("/path/of/the/installer.iso") }` to the slots

import "std/disk" as storage;

let disk = "/dev/zvol/tank/vm/web/disk0";

if init {
    storage::zvol("tank/vm/web/disk0", 20.GiB, #{ sparse: true });
}

bhyve(#{
    name: "web", memory: 1.GiB,
    strict_msr: false, exit_on_hlt: true, exit_on_pause: true, acpi: true, localtime: false,
    uuid: "6f1f3ba0-7c1c-11f0-9c59-0800200c9a66",
    bootrom: "/usr/local/share/uefi-firmware/BHYVE_UEFI.fd",
    com1: "/dev/nmdm-web.1A",
    slots: #{
        "0": hostbridge(),
        // line 6, disk0_name: the dataset of the datastore is taken to be "tank/vm", by its folder
        "4": virtio_blk(disk),
        "31": lpc(),
    },
}).run();
---
vmrun: same machine
--- 0"#,
    );
}

#[test]
fn what_is_odd_in_a_guest_of_vm_bhyve_is_noted_at_its_line() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("store/odd")).unwrap();
    fs::create_dir_all(sandbox.path("store/.config")).unwrap();
    sandbox.write("store/.config/system.conf", "switch_list=\"lan wan\"\ntype_lan=\"standard\"\n");
    sandbox.write(
        "store/odd/odd.conf",
        "loader=\"uefi\"\r\ncpu=1\r\nmemory=512M\r\nuuid=\"6f1f3ba0-7c1c-11f0-9c59-0800200c9a66\"\r\n\
         network0_type=\"virtio-net\"\r\nnetwork0_switch=\"lam\"\r\nnetwork0_mac=\"58:9c:fc:01:02:03\"\r\n\
         limit_pcpu=\"300\"\r\nlimit_rbps=\"50m\"\r\n",
    );
    let done = sandbox.finish(&mut sandbox.command(&["import", "store/odd/odd.conf", "--on", "freebsd-14"]));
    same(
        &told(&done),
        r#"
// Made from vm-bhyve's guest odd.conf.
// line 1: the line ends with a carriage return, which vm-bhyve keeps in the value; it is left out here
// to install, add `"3": if init { ahci_cd("/path/of/the/installer.iso") }` to the slots

let nic = tap("tap0");
bridge("vm-lam").add(nic);

let vm = bhyve(#{
    name: "odd", memory: 512.MiB,
    strict_msr: false, exit_on_hlt: true, exit_on_pause: true, acpi: true, localtime: false,
    uuid: "6f1f3ba0-7c1c-11f0-9c59-0800200c9a66",
    bootrom: "/usr/local/share/uefi-firmware/BHYVE_UEFI.fd",
    com1: "/dev/nmdm-odd.1A",
    slots: #{
        "0": hostbridge(),
        // line 6, network0_switch: system.conf knows no switch "lam", so that it is taken for a standard one:
        // did you mean `lan`?
        "4": virtio_net(nic, #{ mac: "58:9c:fc:01:02:03" }),
        "31": lpc(),
    },
});
vm.limits(#{ cpu: 300, readbps: 50.MiB });
vm.run();
---
vmrun: same machine
--- 0"#,
    );
}

#[test]
fn the_loader_of_a_log_of_vm_bhyve_is_taken_and_the_recipe_passes_a_check() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "vm-bhyve.log",
        "Jun 24 17:45:51: grub-bhyve -c /dev/nmdm-web.1A -m /vm/web/device.map -M 1024M -r hd0,1 -d /grub web\n\
         Jun 24 17:45:51:  [bhyve options: -c 1 -m 1024M -AHP -u]\n\
         Jun 24 17:45:51:  [bhyve devices: -s 0,hostbridge -s 31,lpc -s 4:0,virtio-blk,/vm/web/disk0.img]\n\
         Jun 24 17:45:51:  [bhyve console: -l com1,/dev/nmdm-web.1A]\n",
    );
    let done = sandbox.run(&["import", "vm-bhyve.log", "--on", "freebsd-14"]);
    assert!(done.stdout.contains("loader: grub_bhyve(#{ root: \"hd0,1\", directory: \"/grub\" })"), "{}", done.stdout);
    fs::write(sandbox.path("web.rhai"), &done.stdout).unwrap();
    let done = sandbox.run(&["check", "--on", "freebsd-14", "web.rhai"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
}

#[test]
fn what_to_add_is_told_of_a_machine_that_nothing_loads() {
    let told = "\
// nothing here loads the guest: add `loader: bhyveload()` for FreeBSD, `loader: grub_bhyve(#{ … })` for
// others, or `bootrom: uefi()`
";
    let (code, _, text) = said("bhyve -c 1 -s 0,hostbridge -s 31,lpc -s 3,virtio-blk,/vm/a.img a\n");
    assert!(code == 0 && text.contains(told), "{text}");
    for text in
        ["bhyveload -d /vm/a.img a\nbhyve -s 31,lpc -s 3,virtio-blk,/vm/a.img a\n", "bhyve -s 31,lpc -l bootrom,/c a\n"]
    {
        assert!(!said(text).2.contains("nothing here loads"), "{text}");
    }
}

#[test]
fn a_command_line_is_imported_as_it_is_typed() {
    let sandbox = Sandbox::new();
    let args = ["import", "--on", "freebsd-14", "--", "bhyve", "-A", "-s", "3,virtio-blk,/vm/it's $x.img", "vm"];
    let done = sandbox.finish(&mut sandbox.command(&args));
    same(
        &told(&done),
        r#"
// Made from a command line of bhyve.
// nothing here loads the guest: add `loader: bhyveload()` for FreeBSD, `loader: grub_bhyve(#{ … })` for
// others, or `bootrom: uefi()`

let disk = "/vm/it's $x.img";

bhyve(#{
    name: "vm",
    acpi: true,
    slots: #{
        "3": virtio_blk(disk),
    },
}).run();
---
vmrun: same machine
--- 0"#,
    );
}

#[test]
fn a_size_that_is_overridden_is_wrong_all_the_same() {
    for (flags, under) in [("-m lots", "          ^^^^"), ("-Hmlots", "       ^^^^^^^")] {
        let sandbox = Sandbox::new();
        sandbox.write("a.sh", &format!("bhyve {flags} -m 1G vm\n"));
        let done = sandbox.finish(&mut sandbox.command(&["import", "a.sh"]));
        let column = under.find('^').unwrap();
        let told = format!(
            "error: `-m`: \"lots\" is not a size\n --> a.sh:1:{column}\n  |\n1 | bhyve {flags} -m 1G vm\n  |{under}\n  |\n  \
             = hint: take it out: a later `-m` overrides it"
        );
        same(&done.stderr, &told);
        assert_eq!((done.code, done.stdout.as_str()), (1, ""));
    }
}

#[test]
fn a_recipe_is_written_to_a_new_file_only() {
    let sandbox = Sandbox::new();
    let args = ["import", "--out", "lab.rhai", "--", "bhyve", "lab"];
    let done = sandbox.finish(&mut sandbox.command(&args));
    same(&told(&done), "---\nvmrun: same machine\n--- 0");
    same(
        &sandbox.read("lab.rhai"),
        "\
// Made from a command line of bhyve.
// nothing here loads the guest: add `loader: bhyveload()` for FreeBSD, `loader: grub_bhyve(#{ … })` for
// others, or `bootrom: uefi()`

bhyve(#{
    name: \"lab\",
}).run();",
    );
    let done = sandbox.finish(&mut sandbox.command(&args));
    same(&told(&done), "---\nerror: lab.rhai is there already\n |\n = hint: choose another path, or remove it\n--- 2");
}

#[test]
fn what_cannot_be_imported_is_told() {
    let texts = [
        ("", "there is nothing to import"),
        ("hello\n", "the text is nothing that is known of a machine"),
        ("1234 I 0:01 bhyve: lab (bhyve)\n", "this is the title of a process, which carries no arguments"),
        ("bhyve -s 4,nvme,$VM/a.img a\n", "the shell would put something in for `$VM`"),
        ("bhyve -s 29,fbuf,password=hunter$x a\n", "the shell would put something in for `$…`"),
        ("bhyve -m '1G hunter\n", "a ' is not closed"),
        ("bhyve a\nbhyve b\n", "there are 2 command lines of bhyve"),
        ("name=a\nname.b=c\n", "`a.conf` line 2: `name.b` cannot be set: `name` has a value"),
        ("name=a\npci.0.4.0.path=/a\n", "the slot has no `device`"),
        ("loader=\"grubb\"\ncpu=1\nmemory=1G\n", "vm-bhyve knows no loader \"grubb\""),
        ("pci.0.29.0.password=x hunter2; hunter2\npci.0.29.0.password.x=hunter2\n", "cannot be set"),
        ("name=a\npci.0.29.0.device=fbuf\npci.0.29.0.passwrd=hunter2\n", "fbuf has no key `passwrd`"),
        ("name=a\r\ncpus=2\r\n", "the line ends with a carriage return, which bhyve takes for a part of the value"),
        ("\u{feff}bhyve -c 0 a\n", "\"0\" is no number of cpus"),
        ("bhyve -c 1\0 a\n", "`cpus` has a value that holds a line break or a NUL"),
        ("bhyve ((( a\n", "the machine has no name"),
        ("bhyve -s 29,fbuf,password=hunter2hunter2 a\n", "the password has 14 bytes, of which VNC uses 8"),
    ];
    for (text, message) in texts {
        let sandbox = Sandbox::new();
        sandbox.write("a.conf", text);
        let done = sandbox.finish(&mut sandbox.command(&["import", "a.conf"]));
        let hinted = done.stderr.contains("= hint: ");
        assert!(done.code == 1 && done.stdout.is_empty() && hinted, "{text}: {done:?}");
        assert!(done.stderr.contains(message), "{}", done.stderr);
        assert!(!done.stderr.contains("hunter2") && !done.stderr.contains("hunter$"), "{}", done.stderr);
    }
    let sandbox = Sandbox::new();
    let many: String = (0..100).map(|number| format!("-o a.b{number}=1 ")).collect();
    sandbox.write("a.sh", &format!("bhyve {many}vm\n"));
    let done = sandbox.finish(&mut sandbox.command(&["import", "a.sh"]));
    let end = "error: 60 more are not shown\n |\n = hint: mend these, and import again";
    assert!(done.stderr.trim_end().ends_with(end) && done.stderr.matches("error: ").count() == 41, "{}", done.stderr);
    for args in [["--on", "linux"], ["--on", "freebsd-sparc"], ["--from", "vmware"]] {
        let sandbox = Sandbox::new();
        sandbox.write("a.conf", "name=a\n");
        let done = sandbox.finish(&mut sandbox.command(&[&["import", "a.conf"], &args[..]].concat()));
        assert_eq!((done.code, done.stdout.as_str()), (2, ""), "{}", done.stderr);
    }
}

/// The command lines of a fixture, each with its bhyve.
fn lines(text: &str) -> Vec<(Target, String)> {
    let mut target = Target::default();
    let mut all = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with("    ")) {
        if let Some((release, arch)) = line.strip_prefix("# FreeBSD ").and_then(|rest| rest.split_once(" on ")) {
            let arch = Arch::ALL.into_iter().find(|known| known.to_string() == arch).unwrap();
            target = Target { arch, release: release.parse().unwrap() };
        } else {
            all.push((target, line.to_string()));
        }
    }
    all
}

#[test]
fn every_known_command_line_is_imported_or_refused_in_these_words() {
    let mut text = String::new();
    for name in ["valid", "late", "invalid"] {
        let mut current = None;
        writeln!(text, "# {name}").unwrap();
        for (target, line) in lines(&fixture(&format!("argv-{name}.txt"))) {
            if current.replace(target) != Some(target) {
                writeln!(text, "# {} on {}", target.release, target.arch).unwrap();
            }
            let sandbox = Sandbox::new();
            sandbox.write("a.sh", &format!("{line}\n"));
            let on = format!("freebsd-{}-{}", target.release.name(), target.arch);
            let args = ["import", "a.sh", "--from", "bhyve", "--on", &on];
            let done = sandbox.finish(&mut sandbox.command(&args));
            assert!(done.code == 0 || done.stderr.matches("error: ").count() == done.stderr.matches("= hint").count());
            assert_eq!(done.stdout.is_empty(), done.code != 0, "{line}");
            writeln!(text, "$ {line}").unwrap();
            done.stderr.lines().for_each(|line| writeln!(text, "    {line}").unwrap());
        }
    }
    golden::check([("tests/fixtures/import/argv.told".into(), text)]);
}

fn files(path: &str) -> Option<String> {
    (path == "/secrets").then(|| "pci.0.29.0.password=hunter22\n".to_string())
}

fn of_line(line: &str, target: Target) -> Option<Import> {
    let setting = ImportOptions { kind: Some(SourceKind::Bhyve), target, ..ImportOptions::default() };
    read("<line>", line, &setting, &files).ok()
}

fn booted(text: &str, target: Target) -> Machine {
    let recipe = Recipe::parse("a.rhai", text).unwrap_or_else(|faults| panic!("{text}\n{faults:?}"));
    let outcome = rehearse(&recipe, target, &[Inputs::default()]);
    assert_eq!(outcome.faults, [], "{text}");
    outcome.machines.into_iter().next().unwrap()
}

/// A recipe without its comments.
fn code(text: &str) -> String {
    let code = |line: &&str| !line.trim_start().starts_with("//");
    text.lines().filter(code).map(|line| line.to_string() + "\n").collect()
}

#[test]
fn the_command_line_of_an_imported_machine_gives_the_same_recipe_again() {
    let mut count = 0;
    for (target, line) in lines(&fixture("argv-valid.txt")) {
        let Some(import) = of_line(&line, target).filter(|import| import.prints.is_none()) else { continue };
        let text = recipe::recipe(&import);
        let machine = booted(&text, target);
        assert_eq!(proof::differences(&import, &machine), [""; 0], "{line}");
        let again = vmrun::internals::bhyve::argv(&machine, Path::new("/secrets")).to_string();
        let again = of_line(&again, target).unwrap_or_else(|| panic!("{again}"));
        assert_eq!(code(&recipe::recipe(&again)), code(&text), "{line}");
        count += 1;
    }
    assert!(count > 100, "{count}");
}

#[test]
fn another_machine_is_told_key_by_key() {
    let import = |line: &str| of_line(line, Target::default()).unwrap();
    let here = import("bhyve -c 2 -w -f a,string=x -s 0,hostbridge -s 31,lpc -s 3,nvme,/a -l bootrom,/c,fwcfg=qemu vm");
    let there =
        import("bhyve -m 512M -a -f a,string=y -s 0,hostbridge -s 31,lpc -s 3,nvme,/b,ro -l bootrom,/c,fwcfg=qemu vm");
    let machine = there.draft.check().unwrap();
    assert_eq!(
        proof::differences(&here, &machine),
        [
            "cpus: 2, not 1",
            "pci.0.3.0.path: /a, not /b",
            "sockets: 2, not 1",
            "only here: x86.strictmsr=false",
            "only there: memory.size=512M",
            "only there: pci.0.3.0.ro=true",
            "-f a: string=x, not string=y",
        ]
    );
}
