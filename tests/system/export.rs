//! Machines on their way to another host: exported as one stream, and imported as the same machine.

use super::disk_host::host;
use super::host::{Host, ended};
use super::repositories::{lib, release};
use super::sandbox::{Done, Sandbox, same};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A machine whose disks are beside its recipe, and what it imports from there.
const WEB: &str = r#"import "./lib/cards" as cards;
let cpus = param("cpus", 1);
bhyve(#{
    name: "web", cpus: cpus, memory: 64.MiB, bootrom: bootrom("[tmp]/vm/rom.fd", #{ vars: "web.vars" }),
    slots: #{ "0": hostbridge(), "4": virtio_blk(disk("web.img", cards::SIZE)), "5": virtio_blk("data.img"), "31": lpc() },
}).run();
"#;

/// A host with the machine, whose disks have something in them.
fn exporting() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("config/recipes/lib")).unwrap();
    fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    sandbox.write("config/recipes/web.rhai", WEB);
    sandbox.write("config/recipes/lib/cards.rhai", "export const SIZE = 64.MiB;\n");
    disk(&sandbox.path("config/recipes/web.img"), 64 << 20, &[(0, 1), (5 << 20, 2), (40 << 20, 3)]);
    disk(&sandbox.path("config/recipes/data.img"), 3 << 20, &[((3 << 20) - 4096, 4)]);
    fs::write(sandbox.path("config/recipes/web.vars"), vec![5; 10_000]).unwrap();
    sandbox
}

/// A host that knows nothing of it, but has its firmware, at the path that the recipe names.
fn importing(from: &Sandbox) -> Sandbox {
    let sandbox = Sandbox::new();
    fs::copy(from.path("web.tar.zst"), sandbox.path("web.tar.zst")).unwrap_or_default();
    sandbox
}

/// Makes a sparse disk with a page of some byte at each place.
fn disk(path: &Path, size: u64, pages: &[(u64, u8)]) {
    let file = File::create(path).unwrap();
    file.set_len(size).unwrap();
    pages.iter().for_each(|(at, byte)| file.write_all_at(&[*byte; 4096], *at).unwrap());
}

/// How many bytes of a file are on the disk.
fn taken(path: &Path) -> u64 {
    fs::metadata(path).unwrap().blocks() * 512
}

/// Exports the machine.
#[track_caller]
fn exported(sandbox: &Sandbox) -> PathBuf {
    let done = sandbox.run(&["export", "web", "web.tar.zst"]);
    assert_eq!((done.code, done.stdout.as_str()), (0, ""), "{}", done.stderr);
    sandbox.path("web.tar.zst")
}

/// The plan of the machine, but for the folder that it is in.
fn plan(sandbox: &Sandbox) -> String {
    let done = sandbox.run(&["plan", "config/recipes/web.rhai"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    done.stdout
}

/// What the host says when it imports.
fn imports(sandbox: &Sandbox, args: &[&str]) -> Done {
    sandbox.run(&[&["import"], args].concat())
}

/// Every name below the folder of recipes, and the temporary ones with them.
fn found(sandbox: &Sandbox) -> Vec<String> {
    let names = |folder: &str| if sandbox.path(folder).exists() { sandbox.names(folder) } else { Vec::new() };
    [names("config/recipes"), names("config/recipes/lib"), names("vm"), names("state")].concat()
}

/// Holds that an import is refused so, and leaves nothing.
#[track_caller]
fn refused(sandbox: &Sandbox, args: &[&str], code: i32, stderr: &str) {
    let before = found(sandbox);
    let done = imports(sandbox, args);
    same(&done.stderr, stderr);
    assert_eq!((done.code, done.stdout.as_str()), (code, ""));
    assert_eq!(found(sandbox), before);
}

/// A stream of zstd, unpacked; and packed again.
fn zstd(args: &[&str], bytes: &[u8]) -> Vec<u8> {
    let mut child = Command::new("zstd")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&bytes).unwrap_or_default());
    let mut packed = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut packed).unwrap();
    writer.join().unwrap();
    child.wait().unwrap();
    packed
}

/// A seed that the recipe makes does not come, and is where the recipe is.
#[test]
fn what_is_only_read_beside_the_recipe_makes_no_other_machine() {
    let one = exporting();
    let seed =
        "cloud_seed(\"web.seed\", #{ user_data: \"#cloud-config\\n\", meta_data: \"instance-id: web-1\\n\" });\n";
    let text = fs::read_to_string(one.path("config/recipes/web.rhai")).unwrap();
    let slots = text.replace("\"31\": lpc()", "\"6\": virtio_blk(\"web.seed\", #{ ro: true }), \"31\": lpc()");
    fs::write(one.path("config/recipes/web.rhai"), slots.replace("bhyve(#{", &format!("{seed}bhyve(#{{"))).unwrap();
    exported(&one);
    let other = importing(&one);
    let done = imports(&other, &["web.tar.zst"]);
    let last = done.stderr.lines().last().unwrap_or_default();
    assert_eq!(last, "vmrun: same machine; `vmrun start [tmp]/config/recipes/web.rhai` starts it");
    assert_eq!(done.code, 0, "{}", done.stderr);
}

#[test]
fn a_machine_is_the_same_on_another_host() {
    let one = exporting();
    let done = one.run(&["export", "web", "web.tar.zst"]);
    let packed = done.stderr.rsplit_once(", packed to ").unwrap();
    assert_eq!((packed.0, done.stdout.as_str()), ("vmrun: exported web: 3 disks with 265.7 KiB", ""));
    assert!(fs::metadata(one.path("web.tar.zst")).unwrap().len() < 4096, "{}", packed.1);
    assert_eq!(one.names("state"), [""; 0]);
    let other = importing(&one);
    // The firmware is none of the machine's own, and is where the recipe has it.
    let plan_of = |sandbox: &Sandbox| plan(sandbox).replace(&one.own("[tmp]"), "[tmp]");
    let would = imports(&other, &["web.tar.zst", "--dry-run"]);
    same(
        &would.stderr,
        "
vmrun: would make [tmp]/config/recipes/web.img, 64 MiB
vmrun: would make [tmp]/config/recipes/data.img, 3 MiB
vmrun: would make [tmp]/config/recipes/web.vars, 9.7 KiB
vmrun: would make [tmp]/config/recipes/web.rhai
vmrun: would make [tmp]/config/recipes/lib/cards.rhai
vmrun: same machine; nothing was written
",
    );
    assert_eq!((would.code, found(&other).len()), (0, 0));
    let done = imports(&other, &["web.tar.zst"]);
    same(
        &done.stderr,
        "
vmrun: made [tmp]/config/recipes/web.img, 64 MiB
vmrun: made [tmp]/config/recipes/data.img, 3 MiB
vmrun: made [tmp]/config/recipes/web.vars, 9.7 KiB
vmrun: made [tmp]/config/recipes/web.rhai
vmrun: made [tmp]/config/recipes/lib/cards.rhai
vmrun: same machine; `vmrun start [tmp]/config/recipes/web.rhai` starts it
",
    );
    assert_eq!((done.code, done.stdout.as_str()), (0, "[tmp]/config/recipes/web.rhai\n"));
    assert_eq!(found(&other), ["data.img", "lib", "web.img", "web.rhai", "web.vars", "cards.rhai"]);
    for name in ["web.img", "data.img", "web.vars", "web.rhai", "lib/cards.rhai"] {
        let [here, there] = [&one, &other].map(|sandbox| sandbox.path(&format!("config/recipes/{name}")));
        assert!(fs::read(&here).unwrap() == fs::read(&there).unwrap(), "{name}");
        assert!(taken(&there) <= taken(&here).next_multiple_of(65536) * 16, "{name}");
    }
    assert!(taken(&other.path("config/recipes/web.img")) <= 4 * 65536);
    assert_eq!(plan_of(&one), plan_of(&other));
    // The digests are those of the disks, whichever host exports them.
    fs::remove_file(other.path("web.tar.zst")).unwrap();
    let again = exported(&other);
    let trailer = |path: &Path| {
        let tar = zstd(&["-dc"], &fs::read(path).unwrap());
        String::from_utf8_lossy(&tar).rsplit_once("\"disks\": [").unwrap().1.to_string()
    };
    assert_eq!(trailer(&one.path("web.tar.zst")), trailer(&again));
}

#[test]
fn any_tar_takes_an_export_apart() {
    let sandbox = exporting();
    exported(&sandbox);
    let done = sandbox.finish(&mut sandbox.shell(
        "zstd -dcq web.tar.zst | tar -xf - && cd vmru[n]-export && find . -type f | sort && sha256sum -c SHA256SUMS",
    ));
    same(
        &format!("{}{}", done.stdout, done.stderr),
        "
./SHA256SUMS
./disks/1/00000000000000000000
./disks/1/00000000000005242880
./disks/1/00000000000041943040
./disks/2/00000000000003080192
./disks/3/00000000000000000000
./manifest.json
./texts/lib/cards.rhai
./texts/web.rhai
./trailer.json
manifest.json: OK
texts/web.rhai: OK
texts/lib/cards.rhai: OK
",
    );
}

#[test]
fn a_machine_goes_through_a_pipe_as_well() {
    let one = exporting();
    let other = importing(&one);
    let there = |name: &str| other.path(name).display().to_string();
    let line = format!(
        "vmrun export web - | VMRUN_STATE_DIR={} VMRUN_CONFIG={} vmrun import -",
        there("state"),
        there("config")
    );
    let done = one.finish(&mut one.shell(&line));
    assert!(done.code == 0 && done.stderr.contains("vmrun: same machine; "), "{done:?}");
    assert!(done.stderr.contains("vmrun: exported web: 3 disks with 265.7 KiB\n"), "{done:?}");
    assert_eq!(found(&other), ["data.img", "lib", "web.img", "web.rhai", "web.vars", "cards.rhai"]);
    // Anything else that comes so is what it was.
    let script = "printf 'bhyve -c 2 -m 1G -s 0,hostbridge -s 31,lpc a' | vmrun import - && printf ab | vmrun import -";
    let done = one.finish(&mut one.shell(script));
    assert!(done.stdout.contains("cpus: 2") && done.stderr.contains("same machine"), "{done:?}");
    let terminal = one.finish(one.on_terminal("vmrun export web -").env("NO_COLOR", "1"));
    same(
        &terminal.stdout.replace('\r', ""),
        "
error: an export is no text, and the standard output is a terminal
 |
 = hint: `vmrun export web FILE`, or a pipe: `| ssh host vmrun import -`
",
    );
}

#[test]
fn a_large_disk_with_little_in_it_takes_as_long_as_that() {
    let one = exporting();
    let pages: Vec<(u64, u8)> = (0..16).map(|at| (at << 29, 7)).collect();
    disk(&one.path("config/recipes/data.img"), 10 << 30, &pages);
    let began = Instant::now();
    exported(&one);
    let other = importing(&one);
    assert_eq!(imports(&other, &["web.tar.zst"]).code, 0);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let there = other.path("config/recipes/data.img");
    assert_eq!(fs::metadata(&there).unwrap().len(), 10 << 30);
    assert!(taken(&there) <= 17 * 65536, "{}", taken(&there));
}

#[test]
fn a_machine_that_is_changed_by_others_is_not_exported() {
    let sandbox = exporting();
    sandbox.write("config/recipes/lib/cards.rhai", "export const SIZE = 64.MiB;\n// ends when it is told to\n");
    sandbox.write("fake/exits", "wait\n");
    let lock = File::create(sandbox.path("state/.web.lock")).unwrap();
    lock.lock().unwrap();
    let done = sandbox.run(&["export", "web", "web.tar.zst"]);
    same(
        &done.stderr,
        "
error: the machine web is running already
 |
 = hint: `vmrun stop web` stops it; what it has can be changed then
",
    );
    assert_eq!((done.code, sandbox.path("web.tar.zst").exists()), (5, false));
    drop(lock);
    let image = File::open(sandbox.path("config/recipes/data.img")).unwrap();
    image.lock().unwrap();
    let done = sandbox.run(&["export", "web", "web.tar.zst"]);
    same(
        &done.stderr,
        "
error: [tmp]/config/recipes/data.img is in use by another vmrun or its guest
 |
 = hint: it keeps its state in another folder, as another user's or another host's does; stop it there
",
    );
    assert_eq!((done.code, sandbox.path("web.tar.zst").exists()), (5, false));
}

#[test]
fn what_cannot_be_exported_is_told() {
    let sandbox = exporting();
    let said = |args: &[&str]| {
        let done = sandbox.run(args);
        assert_ne!(done.code, 0);
        done.stderr
    };
    sandbox.write("there.tar.zst", "mine");
    same(
        &said(&["export", "web", "there.tar.zst"]),
        "
error: there.tar.zst is there already
 |
 = hint: choose another path, or remove it
",
    );
    assert_eq!(sandbox.read("there.tar.zst"), "mine");
    same(
        &said(&["export", "web", "vm"]),
        "
error: vm is there already
 |
 = hint: it is a folder: name a file in it
",
    );
    let unread = sandbox.finish(&mut sandbox.shell("vmrun export web - | :"));
    same(
        &unread.stderr,
        "
error: the standard output: it cannot be written: whoever reads it has ended
 |
 = hint: that one says why
",
    );
    same(
        &said(&["export", "web", "none/web.tar.zst"]),
        "
error: cannot make none/web.tar.zst: No such file or directory
 |
 = hint: mkdir -p none
",
    );
    fs::rename(sandbox.path("config/recipes/data.img"), sandbox.path("data.img")).unwrap();
    same(
        &said(&["export", "web", "web.tar.zst"]),
        "
error: [tmp]/config/recipes/data.img, a disk of web, is not there
 |
 = hint: `vmrun run [tmp]/config/recipes/web.rhai --init` makes what the recipe makes
",
    );
    sandbox.write("config/recipes/web.rhai", &WEB.replace("\"data.img\"", "\"/dev/null\""));
    same(
        &said(&["export", "web", "web.tar.zst"]),
        "
error: /dev/null is a device of this host, and nothing that another one has
 |
 = hint: copy it to a file or a volume, and name that in the recipe
",
    );
    sandbox.write("config/recipes/web.rhai", &WEB.replace("./lib/cards", "../cards"));
    sandbox.write("config/cards.rhai", "export const SIZE = 64.MiB;\n");
    fs::rename(sandbox.path("data.img"), sandbox.path("config/recipes/data.img")).unwrap();
    same(
        &said(&["export", "web", "web.tar.zst"]),
        "
error: [tmp]/config/cards.rhai is imported from outside of the recipe's folder
 |
 = hint: an export has what is in [tmp]/config/recipes: move it there, or make it a library
",
    );
    assert!(!sandbox.names("state").iter().any(|name| name.contains("lock")) && !sandbox.path("web.tar.zst").exists());
}

#[test]
fn nothing_is_written_over() {
    let one = exporting();
    exported(&one);
    refused(
        &one,
        &["web.tar.zst"],
        3,
        "
error: a machine web is here already, of [tmp]/config/recipes/web.rhai
 |
 = hint: an import writes over nothing: `vmrun list` shows the machines of this host
",
    );
    let other = importing(&one);
    fs::create_dir_all(other.path("config/recipes/lib")).unwrap();
    disk(&other.path("config/recipes/data.img"), 3 << 20, &[(0, 4)]);
    let another = "
error: web.tar.zst: [tmp]/config/recipes/data.img is there already, and is another disk
 |
 = hint: an import writes over nothing: move it away, or remove it
";
    refused(&other, &["web.tar.zst"], 3, another);
    // One that is shorter is told before anything is read.
    disk(&other.path("config/recipes/data.img"), 1 << 20, &[]);
    refused(&other, &["web.tar.zst"], 3, &another.replace("web.tar.zst: ", ""));
    disk(&other.path("config/recipes/data.img"), 3 << 20, &[((3 << 20) - 4096, 4), (1 << 20, 9)]);
    refused(&other, &["web.tar.zst"], 3, another);
    // What an import had named before it was killed is taken as it is, with a text that is the same.
    disk(&other.path("config/recipes/data.img"), 3 << 20, &[((3 << 20) - 4096, 4)]);
    other.write("config/recipes/web.img.vmrun-2147483647.new", "half");
    other.write("config/recipes/lib/cards.rhai", "export const SIZE = 65.MiB;\n");
    refused(
        &other,
        &["web.tar.zst"],
        3,
        "
error: [tmp]/config/recipes/lib/cards.rhai is there already, and is another text
 |
 = hint: `--out FOLDER/NAME.rhai` puts the recipe into a folder of its own
",
    );
    other.write("config/recipes/lib/cards.rhai", "export const SIZE = 64.MiB;\n");
    let done = imports(&other, &["web.tar.zst"]);
    same(
        &done.stderr,
        "
vmrun: made [tmp]/config/recipes/web.img, 64 MiB
vmrun: [tmp]/config/recipes/data.img, 3 MiB, is there and the same
vmrun: made [tmp]/config/recipes/web.vars, 9.7 KiB
vmrun: made [tmp]/config/recipes/web.rhai
vmrun: same machine; `vmrun start [tmp]/config/recipes/web.rhai` starts it
",
    );
    assert_eq!(found(&other), ["data.img", "lib", "web.img", "web.rhai", "web.vars", "cards.rhai"]);
}

#[test]
fn a_stream_that_is_cut_off_or_damaged_leaves_nothing() {
    let one = exporting();
    let whole = fs::read(exported(&one)).unwrap();
    let other = importing(&one);
    let says = |bytes: &[u8]| {
        fs::write(other.path("web.tar.zst"), bytes).unwrap();
        let before = found(&other);
        let done = imports(&other, &["web.tar.zst"]);
        assert_eq!((done.code, found(&other)), (3, before), "{done:?}");
        done.stderr
    };
    for length in (8..whole.len()).step_by(whole.len() / 12) {
        let said = says(&whole[..length]);
        assert!(said.starts_with("error: web.tar.zst: it is cut off or damaged: "), "{length}: {said}");
        assert!(said.contains("= hint: fetch it again, or export the machine again"), "{length}: {said}");
    }
    for at in (8..whole.len()).step_by(whole.len() / 20) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        says(&flipped);
    }
    // What zstd cannot know: a stream that was packed again.
    let tar = zstd(&["-dc"], &whole);
    let place = |needle: &[u8]| tar.windows(needle.len()).position(|window| window == needle).unwrap();
    for (at, expected) in [
        (place(b"\"vmrun\": \"") + 10, "it is damaged: its manifest is not what was written"),
        (place(b"  texts/web.rhai") - 9, "it is damaged: \"web.rhai\" is not what was written"),
        (place(b"param(\"cpus\"") + 7, "it is damaged: \"web.rhai\" is not what was written"),
        (place(b"export const") + 7, "it is damaged: \"lib/cards.rhai\" is not what was written"),
        (place(b"\"extents\"") + 3, "it is damaged: its disk 1 is not what was written"),
        (place(&[1; 4096]) + 5, "it is damaged: its disk 1 is not what was written"),
        (place(&[4; 4096]) + 5, "it is damaged: its disk 2 is not what was written"),
        (place(&[5; 4096]) + 5, "it is damaged: its disk 3 is not what was written"),
        (place(b"disks/1/") + 148, "it is damaged: the sum of a header is wrong"),
    ] {
        let mut flipped = tar.clone();
        flipped[at] ^= 1;
        let said = says(&zstd(&["-qc"], &flipped));
        let expected =
            format!("error: web.tar.zst: {expected}\n |\n = hint: fetch it again, or export the machine again\n");
        same(&said, &expected);
    }
    let said = says(&zstd(&["-qc"], &tar[..tar.len() / 1024 * 512]));
    same(
        &said,
        "error: web.tar.zst: it is cut off: its end did not come\n |\n = hint: fetch it again, or export the machine again",
    );
}

/// An export with another manifest, and a part of a disk with another name.
fn forged(sandbox: &Sandbox, whole: &[u8], from: &str, to: &str) {
    let mut tar = zstd(&["-dc"], whole);
    assert_eq!(from.len(), to.len());
    let at = tar.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    tar[at..at + to.len()].copy_from_slice(to.as_bytes());
    // With its digests, as who forges it would.
    for name in ["manifest.json", "texts/web.rhai", "texts/lib/cards.rhai"] {
        let begins = |text: &str| tar.windows(text.len()).position(|window| window == text.as_bytes());
        let header = (0..tar.len() / 512).map(|unit| unit * 512).find(|at| tar[*at..].starts_with(name.as_bytes()));
        let Some(header) = header else { continue };
        let size = usize::from_str_radix(std::str::from_utf8(&tar[header + 124..header + 135]).unwrap(), 8).unwrap();
        let digest = Sha256::digest(&tar[header + 512..header + 512 + size]);
        let line = begins(&format!("  {name}\n")).unwrap();
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        tar[line - 64..line].copy_from_slice(hex.as_bytes());
    }
    fs::write(sandbox.path("web.tar.zst"), zstd(&["-qc"], &tar)).unwrap();
}

#[test]
fn an_export_brings_no_file_that_is_neither_a_module_nor_a_pin() {
    let one = exporting();
    let mut tar = zstd(&["-dc"], &fs::read(exported(&one)).unwrap());
    let other = importing(&one);
    // The same letters, so that the sums of headers stay; the manifest, which comes first, is forged with its digest.
    let (from, to) = ("lib/cards.rhai", "lib/cards.raih");
    let places: Vec<usize> = (0..tar.len() - from.len()).filter(|at| tar[*at..].starts_with(from.as_bytes())).collect();
    places.iter().skip(1).for_each(|at| tar[*at..at + to.len()].copy_from_slice(to.as_bytes()));
    forged(&other, &zstd(&["-qc"], &tar), from, to);
    let before = found(&other);
    let done = imports(&other, &["web.tar.zst"]);
    assert_eq!((done.code, found(&other)), (1, before));
    same(
        &done.stderr,
        "
error: \"lib/cards.raih\" is in the export, and is no module of its recipe
 |
 = hint: an import writes modules and the pins of libraries alone; who made the export?
",
    );
}

#[test]
fn a_hostile_export_is_refused_before_anything_is_written() {
    let one = exporting();
    let whole = fs::read(exported(&one)).unwrap();
    let other = importing(&one);
    let says = |from: &str, to: &str| {
        forged(&other, &whole, &one.own(from), &one.own(to));
        let before = found(&other);
        let done = imports(&other, &["web.tar.zst"]);
        assert_eq!(found(&other), before);
        assert_ne!(done.code, 0);
        done.stderr.lines().next().unwrap_or_default().to_string()
    };
    let none = "error: web.tar.zst: its manifest is none that an import takes: ";
    for (from, to, expected) in [
        ("\"machine\": \"web\"", "\"machine\": \"../\"", "\"../\" is not a machine's name"),
        (
            "\"name\": \"lib/cards.rhai\"",
            "\"name\": \"../cards1.rhai\"",
            "\"../cards1.rhai\" is no path of a text of an export",
        ),
        ("\"size\": 67108864", "\"size\": 671088x4", "it is no JSON"),
    ] {
        assert_eq!(says(from, to), format!("{none}{expected}"));
    }
    // Where the stream would put a disk counts for nothing.
    let said = says("virtio_blk(\"data.img\")", "virtio_blk(\"/etc/d.x\")");
    assert_eq!(said, "error: /etc/d.x would be in a folder of the system, and is a disk");
    // Nor is it where somebody reads what is there by its name: the forged recipe is as long as the exported one.
    fs::create_dir_all(other.path("config/recipes")).unwrap();
    std::os::unix::fs::symlink("/etc", other.path("config/recipes/e")).unwrap();
    let hidden = "would be hidden, where programs look for their settings, and is a disk";
    for (path, expected) in [
        ("/.bashrc", format!("/.bashrc {hidden}")),
        (".img.img", format!("[tmp]/config/recipes/.img.img {hidden}")),
        ("abc.rhai", "[tmp]/config/recipes/abc.rhai has the name of a recipe or of its pins, and is a disk".into()),
        ("e/dd.img", "[tmp]/config/recipes/e/dd.img would be in a folder of the system, and is a disk".into()),
    ] {
        let said = says("virtio_blk(\"data.img\")", &format!("virtio_blk(\"{path}\")"));
        assert_eq!(said, format!("error: {expected}"));
    }
    let said = says("\"5\": virtio_blk(\"data.img\"),", &" ".repeat(28));
    assert!(said.ends_with("/config/recipes/data.img, and its recipe has not"), "{said}");
    // More than the manifest says never comes.
    let said = says("\"used\": 196608", "\"used\": 100000");
    assert_eq!(said, "error: web.tar.zst: it is damaged: disk 1 has more than its manifest says");
}

#[test]
fn an_import_that_is_killed_leaves_what_the_next_one_takes_away() {
    let one = exporting();
    exported(&one);
    let other = importing(&one);
    other.script("zstd", "/usr/bin/zstd \"$@\" | head -c 100000; while kill -0 $PPID 2>/dev/null; do sleep 0.05; done");
    let mut running = other.start(&["import", "web.tar.zst"]);
    running.until("half a disk", |sandbox| found(sandbox).iter().any(|name| name.starts_with("web.img.vmrun-")));
    running.kill();
    assert!(!found(&other).contains(&"web.img".to_string()) && !found(&other).contains(&"web.rhai".to_string()));
    fs::remove_file(other.path("bin/zstd")).unwrap();
    let done = imports(&other, &["web.tar.zst"]);
    assert!(done.code == 0 && done.stderr.contains("same machine"), "{done:?}");
    assert_eq!(found(&other), ["data.img", "lib", "web.img", "web.rhai", "web.vars", "cards.rhai"]);
}

#[test]
fn an_export_or_import_that_is_interrupted_or_has_no_room_leaves_nothing() {
    let one = exporting();
    // What packs never ends, or fails as it does on a full disk.
    one.script("zstd", "cat >/dev/null; while kill -0 $PPID 2>/dev/null; do sleep 0.05; done");
    let mut running = one.start(&["export", "web", "web.tar.zst"]);
    running.until("half an export", |sandbox| {
        sandbox.names(".").iter().any(|name| name.starts_with("web.tar.zst.vmrun-"))
    });
    one.script(
        "zstd",
        "echo 'zstd: error 70 : Write error : cannot write block : No space left on device' >&2; exit 70",
    );
    running.kill();
    // What packs ends a moment after who writes to it, and has the lock until then.
    let half = one.names(".").into_iter().find(|name| name.starts_with("web.tar.zst.vmrun-")).unwrap();
    let half = File::open(one.path(&half)).unwrap();
    let began = Instant::now();
    while half.try_lock_shared().is_err() {
        assert!(began.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(half);
    let done = one.run(&["export", "web", "web.tar.zst"]);
    same(
        &done.stderr,
        "
error: web.tar.zst: it cannot be written: zstd: error 70 : Write error : cannot write block : No space left on device
 |
 = hint: is there room for it?
",
    );
    let left: Vec<String> = one.names(".").into_iter().filter(|name| name.starts_with("web.tar.zst")).collect();
    assert_eq!((done.code, left), (3, vec![]));
    fs::remove_file(one.path("bin/zstd")).unwrap();
    exported(&one);
    let other = importing(&one);
    other.script("zstd", "/usr/bin/zstd \"$@\" | head -c 100000; while kill -0 $PPID 2>/dev/null; do sleep 0.05; done");
    let mut running = other.start(&["import", "web.tar.zst"]);
    running.until("half a disk", |sandbox| found(sandbox).iter().any(|name| name.starts_with("web.img.vmrun-")));
    fs::remove_file(other.path("bin/zstd")).unwrap();
    drop(running);
    let limited = other.finish(&mut other.shell("ulimit -f 1000; vmrun import web.tar.zst"));
    same(
        &limited.stderr,
        "
error: web.tar.zst: cannot truncate [tmp]/config/recipes/web.img: File too large
 |
 = hint: its file system has no files of that length, or `ulimit -f` allows none
",
    );
    // The folders are of the one that was killed.
    assert_eq!(found(&other), ["lib"]);
}

#[test]
fn a_volume_is_a_volume_again() {
    let recipe = r#"bhyve(#{
    name: "web", memory: 64.MiB, bootrom: bootrom("[tmp]/vm/rom.fd"),
    slots: #{ "0": hostbridge(), "4": virtio_blk(zvol("zroot/vm/web", 64.MiB)), "31": lpc() },
}).run();
"#;
    let sandbox = host(recipe);
    let zfs = |line: &str| {
        let done = sandbox.finish(&mut sandbox.shell(line));
        assert_eq!(done.code, 0, "{done:?}");
        done.stdout
    };
    zfs("zfs create -s -b 64K -o compression=lz4 -o volmode=dev -V 64M zroot/vm/web");
    let write = |at: u64| {
        let device = OpenOptions::new().write(true).open(sandbox.path("fake/zvol/zroot/vm/web")).unwrap();
        device.write_all_at(&[9; 5000], at).unwrap();
    };
    write(20 << 20);
    let done = sandbox.run(&["export", "web.rhai", "web.tar.zst"]);
    assert!(done.stderr.starts_with("vmrun: exported web: 1 disk with "), "{done:?}");
    let before = fs::read(sandbox.path("fake/zvol/zroot/vm/web")).unwrap();
    zfs("zfs destroy zroot/vm/web && rm web.rhai");
    // What is refused, and what died, leaves no volume, and none has the name that is only half there.
    let volumes = || zfs("zfs list -H -t volume -o name");
    sandbox.write("fake/refuse", "zfs rename\tcannot rename 'it': pool is read-only\n");
    let done = imports(&sandbox, &["web.tar.zst", "--out", "web.rhai"]);
    assert!(done.stderr.contains("failed with status 1: cannot rename 'it': pool is read-only"), "{done:?}");
    assert_eq!((volumes().as_str(), sandbox.path("web.rhai").exists()), ("", false));
    sandbox.write("fake/refuse", "");
    sandbox
        .script("zstd", "/usr/bin/zstd \"$@\" | head -c 100000; while kill -0 $PPID 2>/dev/null; do sleep 0.05; done");
    let mut running = sandbox.start(&["import", "web.tar.zst", "--out", "web.rhai"]);
    running.until("half a volume", |sandbox| sandbox.read("fake/zfs").contains("volume zroot/vm/web.vmrun-"));
    running.kill();
    fs::remove_file(sandbox.path("bin/zstd")).unwrap();
    let done = imports(&sandbox, &["web.tar.zst", "--out", "web.rhai"]);
    same(
        &done.stderr,
        "
vmrun: made the volume zroot/vm/web, 64 MiB
vmrun: made web.rhai
vmrun: same machine; `vmrun start web.rhai` starts it
",
    );
    assert!(fs::read(sandbox.path("fake/zvol/zroot/vm/web")).unwrap() == before);
    assert_eq!(volumes(), "zroot/vm/web\n");
    assert_eq!(
        zfs("zfs get -Hp -o value volsize,volblocksize,refreservation,compression,volmode zroot/vm/web"),
        "67108864\n65536\n0\nlz4\ndev\n"
    );
    // What nobody may read in the clear does not leave so.
    sandbox.write(
        "fake/zfs",
        &sandbox.read("fake/zfs").replace("volume zroot/vm/web\t", "volume zroot/vm/web\tencryption=aes-256-gcm\t"),
    );
    let done = sandbox.run(&["export", "web.rhai", "more.tar.zst"]);
    same(
        &done.stderr,
        "
error: the volume zroot/vm/web is encrypted, and would be in the clear in an export
 |
 = hint: `vmrun export … --zfs-send` has it as it is, for who has its key
",
    );
}

#[test]
fn parameters_come_along_and_secrets_do_not() {
    let one = Host::new("run\n");
    fs::create_dir_all(one.path("config/recipes")).unwrap();
    one.write(
        "config/recipes/web.rhai",
        "let memory = param(\"memory\", \"64M\");\nsecret_param(\"code\");\nbhyve(#{ name: \"web\", memory: memory, \
         bootrom: bootrom(\"[tmp]/vm/rom.fd\"), slots: #{ \"0\": hostbridge(), \"4\": virtio_blk(\"web.img\"), \"31\": lpc() } }).run();\n",
    );
    disk(&one.path("config/recipes/web.img"), 1 << 20, &[(0, 1)]);
    let done = one.run(&["start", "web", "--set", "memory=96M", "--set", "code=sesame8"]);
    ended(&done, 0, "vmrun: web runs");
    ended(&one.run(&["stop", "web"]), 0, "vmrun: web is down");
    exported(&one);
    let tar = zstd(&["-dc"], &fs::read(one.path("web.tar.zst")).unwrap());
    assert!(!String::from_utf8_lossy(&tar).contains("sesame8"));
    let other = importing(&one);
    let done = imports(&other, &["web.tar.zst"]);
    same(
        &done.stderr,
        "
vmrun: made [tmp]/config/recipes/web.img, 1 MiB
vmrun: made [tmp]/config/recipes/web.rhai
vmrun: same machine; `vmrun start [tmp]/config/recipes/web.rhai --set memory=96M` starts it
",
    );
}

#[test]
fn the_libraries_of_a_machine_are_named() {
    let one = exporting();
    release(&one, "net", &[("lib.rhai", "export const SIZE = 64.MiB;\n")], "v1.0.0");
    one.write("config/recipes/web.rhai", &WEB.replace("./lib/cards", "net"));
    let add = ["--folder", "config/recipes", "add", "net", &one.own("file://[tmp]/git/net"), "--semver", "1"];
    let done = lib(&one, &add);
    assert_eq!(done.code, 0, "{done:?}");
    let done = one.run(&["export", "web", "web.tar.zst"]);
    assert!(
        done.stderr
            .starts_with("vmrun: not in it: the libraries, which `vmrun lib sync` fetches where it is imported\n"),
        "{done:?}"
    );
    let other = importing(&one);
    let missing = |hint: &str| format!("error: the libraries of its recipe are not here\n |\n = hint: {hint}\n");
    let sync = "`vmrun lib --folder [tmp]/config/recipes sync`";
    let done = imports(&other, &["web.tar.zst", "--dry-run"]);
    same(&done.stderr, &missing(&format!("without --dry-run their pins come to [tmp]/config/recipes; then {sync}")));
    assert_eq!(found(&other), [""; 0]);
    let again = missing(&format!("{sync} fetches them by their pins, which are there now; then import it again"));
    for _ in 0..2 {
        same(&imports(&other, &["web.tar.zst"]).stderr, &again);
        assert_eq!(found(&other), ["vmrun.lock", "vmrun.toml"]);
    }
    assert_eq!(lib(&other, &["--folder", "config/recipes", "sync"]).code, 0);
    let done = imports(&other, &["web.tar.zst"]);
    assert!(done.code == 0 && done.stderr.contains("vmrun: same machine; "), "{done:?}");
    assert!(other.path("config/recipes/web.img").exists());
}

#[test]
fn who_interrupts_an_export_or_an_import_has_nothing_left() {
    let one = exporting();
    // What takes nothing, and what gives nothing.
    one.script("zstd", "while kill -0 $PPID 2>/dev/null; do sleep 0.05; done");
    disk(&one.path("config/recipes/data.img"), 3 << 20, &[]);
    fs::write(one.path("config/recipes/data.img"), vec![1; 3 << 20]).unwrap();
    let mut running = one.start(&["export", "web", "web.tar.zst"]);
    running.until("half an export", |sandbox| {
        sandbox.names(".").iter().any(|name| name.starts_with("web.tar.zst.vmrun-"))
    });
    running.signal("TERM");
    let done = running.wait();
    same(&done.stderr, "error: web.tar.zst: interrupted");
    assert_eq!((done.code, one.names(".").iter().any(|name| name.starts_with("web.tar"))), (130, false));
    fs::remove_file(one.path("bin/zstd")).unwrap();
    exported(&one);
    let other = importing(&one);
    other.script("zstd", "/usr/bin/zstd \"$@\" | head -c 100000; while kill -0 $PPID 2>/dev/null; do sleep 0.05; done");
    let mut running = other.start(&["import", "web.tar.zst"]);
    running.until("half a disk", |sandbox| found(sandbox).iter().any(|name| name.starts_with("web.img.vmrun-")));
    running.signal("INT");
    let done = running.wait();
    same(&done.stderr, "error: web.tar.zst: interrupted");
    assert_eq!((done.code, found(&other)), (130, vec![]));
}

#[test]
fn an_export_brings_no_recipe_that_its_own_does_not_import() {
    let one = exporting();
    let recipe = one.read("config/recipes/web.rhai");
    one.write("config/recipes/web.rhai", &format!("import \"./lib/more\" as more;\n{recipe}"));
    one.write("config/recipes/lib/more.rhai", "export const MORE = 1;\n");
    let whole = fs::read(exported(&one)).unwrap();
    let other = importing(&one);
    forged(&other, &whole, "import \"./lib/more\"", "//port \"./lib/more\"");
    let before = found(&other);
    let done = imports(&other, &["web.tar.zst"]);
    assert_eq!((done.code, found(&other)), (1, before));
    same(
        &done.stderr,
        "
error: \"lib/more.rhai\" is in the export, and its recipe does not import it
 |
 = hint: an import writes modules and the pins of libraries alone; who made the export?
",
    );
}

/// A host with a volume of a machine that was sent, and the export.
fn sent(encryption: &str) -> (Sandbox, Vec<u8>) {
    let recipe = r#"bhyve(#{
    name: "web", memory: 64.MiB, bootrom: bootrom("[tmp]/vm/rom.fd"),
    slots: #{ "0": hostbridge(), "4": virtio_blk(zvol("zroot/vm/web", 20.MiB)), "31": lpc() },
}).run();
"#;
    let sandbox = host(recipe);
    let made = "zfs create -b 64K -o compression=lz4 -o volmode=dev -V 20M zroot/vm/web";
    assert_eq!(sandbox.finish(&mut sandbox.shell(made)).code, 0);
    let device = OpenOptions::new().write(true).open(sandbox.path("fake/zvol/zroot/vm/web")).unwrap();
    // Longer than a member may be.
    device.write_all_at(&vec![9; 12 << 20], 1 << 20).unwrap();
    drop(device);
    let all = sandbox.read("fake/zfs").replace("volume zroot/vm/web\t", &format!("volume zroot/vm/web\t{encryption}"));
    sandbox.write("fake/zfs", &all);
    let done = sandbox.run(&["export", "web.rhai", "web.tar.zst", "--zfs-send"]);
    assert!(done.code == 0 && done.stderr.starts_with("vmrun: exported web: 1 disk with "), "{done:?}");
    let before = fs::read(sandbox.path("fake/zvol/zroot/vm/web")).unwrap();
    assert_eq!(sandbox.finish(&mut sandbox.shell("zfs destroy -r zroot/vm/web && rm web.rhai")).code, 0);
    (sandbox, before)
}

/// The names and properties of what is in the pool.
fn volumes(sandbox: &Sandbox) -> String {
    let line = "zfs list -H -t volume,snapshot -o name,volsize,volblocksize,refreservation,compression,volmode";
    sandbox.finish(&mut sandbox.shell(line)).stdout
}

const TAKES_IN: [&str; 4] = ["import", "web.tar.zst", "--out", "web.rhai"];

#[test]
fn a_volume_that_was_sent_is_received_as_it_was() {
    let (sandbox, before) = sent("");
    let done = sandbox.run(&TAKES_IN);
    same(
        &done.stderr,
        "
vmrun: made the volume zroot/vm/web, 20 MiB
vmrun: made web.rhai
vmrun: same machine; `vmrun start web.rhai` starts it
",
    );
    assert_eq!(volumes(&sandbox), "zroot/vm/web\t20M\t64K\t20M\tlz4\tdev\n");
    assert!(fs::read(sandbox.path("fake/zvol/zroot/vm/web")).unwrap() == before);
    // What is there cannot be compared with a stream.
    fs::remove_file(sandbox.path("web.rhai")).unwrap();
    let done = sandbox.run(&TAKES_IN);
    same(
        &done.stderr,
        "
error: the volume zroot/vm/web is there already, and a stream cannot be compared with it
 |
 = hint: if an import that was cut off has left it: zfs destroy zroot/vm/web
",
    );
    assert_eq!((done.code, sandbox.path("web.rhai").exists()), (3, false));
    // Without vmrun the members are the stream.
    let line = "zstd -dcq web.tar.zst | tar -xf - && cat vmru[n]-export/disks/1/* | zfs receive zroot/vm/other@a && cmp fake/zvol/zroot/vm/web fake/zvol/zroot/vm/other";
    assert_eq!(sandbox.finish(&mut sandbox.shell(line)).code, 0);
}

#[test]
fn a_volume_that_was_sent_encrypted_is_so_and_its_key_is_asked_for() {
    let (sandbox, _) = sent("encryption=aes-256-gcm\tkeystatus=unavailable\t");
    let done = sandbox.run(&TAKES_IN);
    same(
        &done.stderr,
        "
vmrun: made the volume zroot/vm/web, 20 MiB
vmrun: made web.rhai
vmrun: zroot/vm/web is encrypted, and its key did not come: before the first start `zfs load-key zroot/vm/web`, with the key that it had
vmrun: same machine; `vmrun start web.rhai` starts it
",
    );
    let line = "zfs get -H -o value encryption,keystatus zroot/vm/web";
    assert_eq!(sandbox.finish(&mut sandbox.shell(line)).stdout, "aes-256-gcm\nunavailable\n");
}

#[test]
fn whatever_is_refused_or_killed_of_a_stream_no_volume_is_left() {
    let (sandbox, _) = sent("");
    let pools = sandbox.read("fake/zfs");
    for (call, why, hint) in [
        (
            "receive -u",
            "cannot receive new filesystem stream: pool must be upgraded to receive this stream.",
            "\n |\n = hint: `zpool upgrade` tells what the pool lacks; or export it without --zfs-send\n",
        ),
        ("receive -u", "cannot receive new filesystem stream: out of space", "\n"),
        ("receive -u", "cannot receive new filesystem stream: checksum mismatch", "\n"),
        ("destroy zroot/vm/web.vmrun-", "cannot destroy it: pool I/O is currently suspended", "\n"),
        ("set refreservation=auto", "cannot set property: size is greater than available space", "\n"),
        ("rename", "cannot rename 'it': pool is read-only", "\n"),
    ] {
        sandbox.write("fake/refuse", &format!("once zfs {call}\t{why}\n"));
        let done = sandbox.run(&TAKES_IN);
        assert!(done.code == 3 && done.stderr.ends_with(&format!("{why}{hint}")), "{done:?}");
        assert_eq!((sandbox.read("fake/zfs"), sandbox.path("web.rhai").exists()), (pools.clone(), false), "{call}");
        fs::remove_file(sandbox.path("fake/refuse")).unwrap_or_default();
    }
    for (when, call) in [
        ("before", "zfs receive"),
        ("after", "zfs receive"),
        ("after", "zfs destroy"),
        ("before", "zfs set"),
        ("after", "zfs set"),
    ] {
        sandbox.write("fake/log", "");
        sandbox.write("fake/strike", &format!("{when} SIGKILL 1 {call}\n"));
        assert_eq!(sandbox.run(&TAKES_IN).code, -9, "{when} {call}");
        fs::remove_file(sandbox.path("fake/strike")).unwrap();
        assert!(!sandbox.path("web.rhai").exists() && !sandbox.read("fake/zfs").contains("volume zroot/vm/web\t"));
        let done = sandbox.run(&TAKES_IN);
        assert_eq!(
            (done.code, volumes(&sandbox)),
            (0, "zroot/vm/web\t20M\t64K\t20M\tlz4\tdev\n".into()),
            "{when} {call}: {done:?}"
        );
        assert_eq!(sandbox.finish(&mut sandbox.shell("zfs destroy zroot/vm/web && rm web.rhai")).code, 0);
    }
    // One that says another size, or is cut off.
    sandbox.script("zstd", "/usr/bin/zstd \"$@\" | sed s/volsize=20971520/volsize=10485760/");
    let done = sandbox.run(&TAKES_IN);
    assert_eq!((done.code, sandbox.read("fake/zfs")), (3, pools.clone()), "{done:?}");
    assert!(done.stderr.contains("cannot receive new filesystem stream: checksum mismatch"), "{done:?}");
    sandbox.script("zstd", "/usr/bin/zstd \"$@\" | head -c 100000");
    let done = sandbox.run(&TAKES_IN);
    assert!(done.stderr.starts_with("error: web.tar.zst: it is cut off"), "{done:?}");
    assert_eq!((done.code, sandbox.read("fake/zfs")), (3, pools));
}

#[test]
fn on_a_host_without_zfs_a_stream_is_refused_with_the_way_out() {
    let (sandbox, _) = sent("");
    fs::remove_file(sandbox.path("bin/zfs")).unwrap();
    let done = sandbox.run(&TAKES_IN);
    same(
        &done.stderr,
        "
error: zroot/vm/web is in it as a stream of zfs send, and this host has no ZFS
 |
 = hint: export the machine without --zfs-send, if none of its volumes is encrypted; or install OpenZFS
",
    );
    assert_eq!((done.code, sandbox.path("web.rhai").exists()), (3, false));
}

#[test]
fn disks_are_put_where_this_host_has_them() {
    let one = exporting();
    exported(&one);
    let other = importing(&one);
    fs::create_dir(other.path("data")).unwrap();
    let data = other.path("data").display().to_string();
    let would = imports(&other, &["web.tar.zst", "--disks", &data, "--dry-run"]);
    let told = "
vmrun: would make [tmp]/data/web.img, 64 MiB
vmrun: would make [tmp]/data/data.img, 3 MiB
vmrun: would make [tmp]/data/web.vars, 9.7 KiB
vmrun: would make [tmp]/config/recipes/web.rhai
vmrun: would make [tmp]/config/recipes/lib/cards.rhai
vmrun: same machine; nothing was written
";
    same(&would.stderr, told);
    assert_eq!((would.code, found(&other).len(), other.names("data").len()), (0, 0, 0));
    // What is in the way, and what is not there, is told before anything is written.
    refused(
        &other,
        &["web.tar.zst", "--disks", "/usr/bin"],
        1,
        "
error: /usr/bin/web.img would be in a folder of the system, and is a disk
 |
 = hint: an import puts none there; who made the export?
",
    );
    refused(
        &other,
        &["web.tar.zst", "--disks", "zroot/vm"],
        3,
        "
error: zroot/vm/web is a volume, and this host has no ZFS
 |
 = hint: `--disks FOLDER` makes files of all its disks there; or install OpenZFS
",
    );
    refused(
        &other,
        &["web.tar.zst", "--disks", "./none"],
        3,
        "
error: the folder [tmp]/none is not there
 |
 = hint: mkdir -p [tmp]/none
",
    );
    let done = imports(&other, &["web.tar.zst", "--disks", &data]);
    assert!(done.code == 0 && done.stderr.contains("vmrun: same machine; `vmrun start "), "{done:?}");
    assert_eq!(other.names("data"), ["data.img", "web.img", "web.vars"]);
    let recipe = other.read("config/recipes/web.rhai");
    assert!(
        recipe.contains("disk(\"[tmp]/data/web.img\", cards::SIZE)), \"5\": virtio_blk(\"[tmp]/data/data.img\")"),
        "{recipe}"
    );
    for name in ["web.img", "data.img", "web.vars"] {
        let [here, there] =
            [one.path("config/recipes"), other.path("data")].map(|folder| fs::read(folder.join(name)).unwrap());
        assert!(here == there, "{name}");
    }
    let script = "printf 'bhyve -c 2 -m 1G -s 0,hostbridge -s 31,lpc a' | vmrun import - --disks /vm";
    same(
        &one.finish(&mut one.shell(script)).stderr,
        "
error: --disks is for what `vmrun export` wrote
 |
 = hint: edit the recipe that an import of anything else writes
",
    );
}

#[test]
fn volumes_are_put_into_the_pool_of_this_host() {
    let (sandbox, before) = sent("");
    let pools = sandbox.read("fake/zfs").replace("zroot/vm", "tank/guests").replace("zroot", "tank");
    sandbox.write("fake/zfs", &pools);
    let done = sandbox.run(&[&TAKES_IN[..], &["--disks", "tank/none"]].concat());
    same(
        &done.stderr,
        "
error: the filesystem tank/none is not there
 |
 = hint: zfs create -p tank/none
",
    );
    assert_eq!(sandbox.read("fake/zfs"), pools);
    let done = sandbox.run(&[&TAKES_IN[..], &["--disks", "tank/guests"]].concat());
    same(
        &done.stderr,
        "
vmrun: made the volume tank/guests/web, 20 MiB
vmrun: made web.rhai
vmrun: same machine; `vmrun start web.rhai` starts it
",
    );
    assert!(fs::read(sandbox.path("fake/zvol/tank/guests/web")).unwrap() == before);
    assert!(sandbox.read("web.rhai").contains("zvol(\"tank/guests/web\", 20.MiB)"));
}

#[test]
fn a_disk_that_is_larger_than_its_recipe_says_is_told_with_what_corrects_it() {
    let one = exporting();
    let text = one
        .read("config/recipes/web.rhai")
        .replace("cards::SIZE", "64.MiB")
        .replace("import \"./lib/cards\" as cards;\n", "");
    one.write("config/recipes/web.rhai", &text.replace("[tmp]", &one.own("[tmp]")));
    File::options().write(true).open(one.path("config/recipes/web.img")).unwrap().set_len(80 << 20).unwrap();
    let resize = "`vmrun resize [tmp]/config/recipes/web.rhai [tmp]/config/recipes/web.img 80M --edit` corrects that";
    let told = format!(
        "vmrun: [tmp]/config/recipes/web.img has 80M, and its recipe says 64M, by which no start is let through: {resize}\n"
    );
    let done = one.run(&["export", "web", "web.tar.zst"]);
    assert!(done.code == 0 && done.stderr.starts_with(&format!("{told}vmrun: exported web: ")), "{done:?}");
    let other = importing(&one);
    let done = imports(&other, &["web.tar.zst"]);
    let start = "`vmrun start [tmp]/config/recipes/web.rhai`";
    assert!(
        done.code == 0 && done.stderr.ends_with(&format!("{told}vmrun: same machine; {start} starts it after that\n")),
        "{done:?}"
    );
    let recipe = other.path("config/recipes/web.rhai").display().to_string();
    let image = other.path("config/recipes/web.img").display().to_string();
    assert!(
        other
            .run(&["start", &recipe])
            .stderr
            .starts_with("error: [tmp]/config/recipes/web.img has data and 80 MiB: 64M would cut it off\n")
    );
    assert_eq!(other.run(&["resize", &recipe, &image, "80M", "--edit"]).code, 0);
    assert_eq!(other.run(&["plan", &recipe]).code, 0);
    // What it reads by now is no news.
    fs::remove_file(one.path("web.tar.zst")).unwrap();
    one.run(&["resize", "web", "web.img", "80M", "--edit"]);
    assert!(one.run(&["export", "web", "web.tar.zst"]).stderr.starts_with("vmrun: exported web: "));
}
