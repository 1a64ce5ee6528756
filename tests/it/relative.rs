//! Where paths begin: those of a recipe in its folder, those that `--set` gives in the caller's.

use super::host::{Host, ended};
use super::sandbox::{Done, same};
use std::fs;
use std::os::unix::fs::symlink;

/// A host with two folders, each of which has a recipe `guest.rhai` that names its disk without a folder.
fn host() -> Host {
    let host = Host::new("run\nrun\nrun\n");
    for name in ["a", "b"] {
        fs::create_dir(host.path(name)).unwrap();
        recipe(&host, name, "\"disk.img\"");
    }
    host
}

/// Writes the recipe of a folder, with the expression of its disk.
fn recipe(host: &Host, name: &str, disk: &str) {
    host.write(
        &format!("{name}/guest.rhai"),
        &format!(
            "bhyve(#{{ name: \"rel{name}\", memory: 256.MiB, bootrom: bootrom(\"../vm/rom.fd\"), slots: #{{\n\
             \"0\": hostbridge(), \"1\": nvme({disk}), \"31\": lpc() }} }}).run();\n"
        ),
    );
}

/// Runs vmrun in a folder.
fn within(host: &Host, folder: &str, args: &[&str]) -> Done {
    host.finish(host.command(args).current_dir(host.path(folder)))
}

/// The disks in a plan.
#[track_caller]
fn disks(done: &Done) -> Vec<String> {
    assert_eq!(done.code, 0, "{done:?}");
    let words = done.stdout.split_whitespace().filter(|word| word.contains("nvme"));
    words.map(|word| word.trim_start_matches("1,nvme,").to_string()).collect()
}

#[test]
fn a_path_in_a_recipe_begins_in_the_folder_of_the_recipe() {
    let host = host();
    fs::write(host.path("b/disk.img"), [0; 4096]).unwrap();
    for (folder, path) in
        [("b", "guest.rhai"), ("a", "../b/guest.rhai"), (".", "b/guest.rhai"), ("vm", "./../a/../b/guest.rhai")]
    {
        let done = within(&host, folder, &["plan", path]);
        assert_eq!((disks(&done), done.stderr.as_str()), (vec!["[tmp]/b/disk.img".into()], ""), "{folder} {path}");
        assert!(done.stdout.contains("[tmp]/vm/rom.fd"), "{done:?}");
    }
    // A link is where it leads to.
    symlink("../b/guest.rhai", host.path("a/link.rhai")).unwrap();
    assert_eq!(disks(&within(&host, "a", &["plan", "link.rhai"])), ["[tmp]/b/disk.img"]);
    // What stands beside it is imported from there.
    host.write("b/disks.rhai", "fn own() { \"own.img\" }\n");
    fs::write(host.path("b/own.img"), [0; 4096]).unwrap();
    recipe(&host, "b", "disks::own()");
    let text = fs::read_to_string(host.path("b/guest.rhai")).unwrap();
    host.write("b/guest.rhai", &format!("import \"./disks\" as disks;\n{text}"));
    assert_eq!(disks(&within(&host, "a", &["plan", "link.rhai"])), ["[tmp]/b/own.img"]);
}

#[test]
fn a_file_that_is_only_in_the_callers_folder_is_told_of() {
    let host = host();
    fs::write(host.path("a/disk.img"), [0; 4096]).unwrap();
    let done = within(&host, "a", &["plan", "../b/guest.rhai"]);
    same(
        &done.stderr,
        "
warning: [tmp]/b/disk.img is meant, which is not there, and not [tmp]/a/disk.img
 --> ../b/guest.rhai:2:30
  |
2 | \"0\": hostbridge(), \"1\": nvme(\"disk.img\"), \"31\": lpc() } }).run();
  |                              ^^^^^^^^^^
  |
  = hint: a path in a recipe begins in the recipe's folder; one that `--set` gives begins in yours
error: the disk [tmp]/b/disk.img is not there, and the recipe does not make it
 --> ../b/guest.rhai:2:30
  |
2 | \"0\": hostbridge(), \"1\": nvme(\"disk.img\"), \"31\": lpc() } }).run();
  |                              ^^^^^^^^^^
  |
  = hint: add --init to initialize, or correct the path
",
    );
    assert_eq!(done.code, 1);
}

#[test]
fn a_path_that_is_given_begins_in_the_callers_folder() {
    let host = host();
    recipe(&host, "b", "param(\"disk\", \"disk.img\")");
    for folder in ["a", "b"] {
        fs::write(host.path(folder).join("disk.img"), [0; 4096]).unwrap();
    }
    let plan = |args: &[&str]| disks(&within(&host, "a", &[&["plan", "../b/guest.rhai"], args].concat()));
    assert_eq!(plan(&[]), ["[tmp]/b/disk.img"]);
    assert_eq!(plan(&["--set", "disk=disk.img"]), ["[tmp]/a/disk.img"]);
    assert_eq!(plan(&["--set", "disk=../b/disk.img"]), ["[tmp]/b/disk.img"]);
    recipe(&host, "b", "`${param(\"folder\", \".\")}/disk.img`");
    assert_eq!(plan(&["--set", "folder=../a"]), ["[tmp]/a/disk.img"]);
    assert_eq!(plan(&[]), ["[tmp]/b/disk.img"]);
}

#[test]
fn what_is_recorded_of_a_machine_is_from_the_root_on() {
    let host = host();
    recipe(&host, "b", "param(\"disk\")");
    fs::write(host.path("a/disk.img"), [0; 4096]).unwrap();
    let done = within(&host, "a", &["start", "../b/guest.rhai", "--set", "disk=disk.img"]);
    ended(&done, 0, "vmrun: relb runs");
    let status = host.status("relb").unwrap();
    let disk = host.path("a/disk.img").display().to_string();
    assert_eq!(status.params.get("disk"), Some(&disk));
    assert_eq!(status.shape.disks, [disk]);
    assert!(status.recipe.starts_with('/') && status.log.starts_with('/'), "{status:?}");
    let text = host.read("state/.relb.lock");
    assert!(text.contains("[tmp]/a/disk.img"), "{text}");
    // From wherever it is restarted.
    ended(&within(&host, "vm", &["restart", "relb"]), 0, "vmrun: relb is down\nvmrun: relb runs");
    assert_eq!(host.status("relb").unwrap().shape, status.shape);
    ended(&host.run(&["stop", "relb"]), 0, "vmrun: relb is down");
    host.is_clean();
}

#[test]
fn what_a_recipe_makes_reads_and_runs_is_in_its_folder() {
    let host = Host::new("");
    fs::create_dir(host.path("b")).unwrap();
    fs::create_dir(host.path("a")).unwrap();
    host.write("b/note", "hello\n");
    host.write(
        "b/guest.rhai",
        "print(query(\"cat\", [\"note\"]));\nprint(exists(\"note\"));\ntruncate(\"disk.img\", 1.MiB);\n\
         write_file(\"sub/../text\", \"t\");\nrun(\"cp\", [\"note\", \"copy\"]);\nrun(\"true\", [\"a/b\"]);\n\
         run(\"sh\", [\"-c\", \"pwd > where\"], #{ makes: \"where\" });\n",
    );
    fs::create_dir(host.path("b/sub")).unwrap();
    let done = within(&host, "a", &["plan", "../b/guest.rhai"]);
    same(
        &done.stdout,
        "
umask 026
truncate -s 1M [tmp]/b/disk.img
tee [tmp]/b/text <<'EOF'
t
EOF
(cd [tmp]/b && cp note copy)
true a/b
sh -c 'pwd > where'
",
    );
    let done = within(&host, "a", &["../b/guest.rhai"]);
    assert_eq!(done.stdout, "hello\n\ntrue\n", "{done:?}");
    assert_eq!(host.names("b"), ["copy", "disk.img", "guest.rhai", "note", "sub", "text", "where"]);
    assert_eq!(host.names("a"), [""; 0]);
    assert_eq!(host.read("b/where"), "[tmp]/b\n");
}

#[test]
fn two_recipes_with_disks_of_one_name_in_folders_of_their_own_do_not_clash() {
    let host = host();
    let done = host.run(&["check", "a", "b"]);
    assert!(done.code == 0 && !done.stdout.contains("disk.img") && !done.stderr.contains("disk.img"), "{done:?}");
    fs::remove_file(host.path("b/guest.rhai")).unwrap();
    let other = fs::read_to_string(host.path("a/guest.rhai")).unwrap();
    host.write("a/other.rhai", &other.replace("rela", "relo").replace("disk.img", "../a/disk.img"));
    let done = host.run(&["check", "a"]);
    assert!(done.code == 1 && format!("{done:?}").contains("disk.img"), "{done:?}");
}

#[test]
fn what_is_imported_has_paths_from_the_root_on() {
    let host = host();
    let words =
        ["import", "--", "bhyve", "-s", "0,hostbridge", "-s", "4,virtio-blk,disk.img", "-l", "bootrom,../vm/rom.fd"];
    let done = within(&host, "a", &[&words[..], &["-s", "31,lpc", "-m", "256M", "relb"]].concat());
    assert!(
        done.code == 0
            && done.stdout.contains("let disk = \"[tmp]/a/disk.img\";\n")
            && done.stdout.contains("bootrom: \"[tmp]/vm/rom.fd\""),
        "{done:?}"
    );
    host.write("a/vm.conf", "name=relb\nmemory.size=256M\npci.0.4.0.device=virtio-blk\npci.0.4.0.path=disk.img\n");
    let done = within(&host, "b", &["import", "../a/vm.conf"]);
    assert!(done.code == 0 && done.stdout.contains("let disk = \"[tmp]/b/disk.img\";\n"), "{done:?}");
}
