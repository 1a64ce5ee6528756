//! What is done with disks, struck at every call of a program: refused, and killed before and after it. Then the same is called again,
//! and ends well; no image has lost a byte, and what has the name of a disk is one.

use super::disk_host::host;
use super::sandbox::Sandbox;
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// A machine with volumes in two pools and two files, one of which is what its recipe writes.
const WEB: &str = r##"let name = "web";
let root = zvol("zroot/vm/web", 8.MiB);
let logs = zvol("tank/web-logs", 8.MiB);
let data = disk("[tmp]/vm/web-data.img", 2.MiB);
cloud_seed("[tmp]/vm/web.seed", #{ user_data: "#cloud-config\n", meta_data: "instance-id: web-1\nlocal-hostname: web\n" });
bhyve(#{
    name: name, memory: 64.MiB, bootrom: bootrom("[tmp]/vm/rom.fd", #{ vars: "[tmp]/vm/web.vars" }),
    slots: #{
        "0": hostbridge(), "4": virtio_blk(root), "5": virtio_blk(logs), "6": virtio_blk(data),
        "7": virtio_blk("[tmp]/vm/web.seed", #{ ro: true }), "31": lpc(),
    },
}).run();
"##;

/// The programs that are the host's own.
const PROGRAMS: [&str; 3] = ["qemu-img", "xz", "zstd"];

/// Something that is done with disks.
#[derive(Clone, Copy)]
pub(crate) struct Scene {
    /// The command.
    pub(crate) command: &'static str,
    /// What there is before.
    pub(crate) prepared: fn() -> Sandbox,
    /// Whether what is refused may have begun: what goes, goes one after the other.
    pub(crate) may_begin: bool,
}

/// How a call is struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strike {
    Refused,
    Before,
    After,
}

fn zfs(sandbox: &Sandbox, line: &str) {
    let done = sandbox.finish(&mut sandbox.shell(line));
    assert_eq!(done.code, 0, "{done:?}");
}

/// Puts a text on a disk, one MiB from its beginning.
fn put(sandbox: &Sandbox, disk: &str, text: &str) {
    let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(sandbox.path(disk)).unwrap();
    file.write_all_at(format!("{text:8}").as_bytes(), 1 << 20).unwrap();
}

/// The machine, with its disks and something on each.
pub(crate) fn web() -> Sandbox {
    let sandbox = host(WEB);
    let pools = "filesystem zroot\tsize=107374182400\nfilesystem zroot/vm\nfilesystem tank\tsize=107374182400\n";
    sandbox.write("fake/zfs", pools);
    zfs(&sandbox, "zfs create -s -V 8M zroot/vm/web && zfs create -s -V 8M tank/web-logs");
    fs::File::create(sandbox.path("vm/web-data.img")).unwrap().set_len(2 << 20).unwrap();
    sandbox.write("vm/web.seed", "a seed");
    sandbox.write("vm/web.vars", "variables");
    DISKS.iter().for_each(|disk| put(&sandbox, disk, "first"));
    own(&sandbox);
    sandbox
}

/// Has the host's own programs where they can be struck.
pub(crate) fn own(sandbox: &Sandbox) {
    for program in PROGRAMS {
        let folder = sandbox.path("fake").display().to_string();
        let text = format!(
            "echo \"{program} $*\" >> {folder}/log
own=$(PATH=/usr/bin:/bin command -v {program})
rule=$(cat {folder}/own 2>/dev/null)
case $rule in
'Refused {program}') rm {folder}/own; echo 'no room' >&2; exit 1;;
'Before {program}') rm {folder}/own; kill -KILL $PPID; exit 1;;
'After {program}') rm {folder}/own; $own \"$@\"; kill -KILL $PPID; exit 1;;
esac
exec $own \"$@\""
        );
        sandbox.script(program, &text);
    }
}

const DISKS: [&str; 3] = ["fake/zvol/zroot/vm/web", "fake/zvol/tank/web-logs", "vm/web-data.img"];

/// It with a snapshot, and something else on the disks now.
pub(crate) fn kept() -> Sandbox {
    let sandbox = web();
    assert_eq!(sandbox.run(&["snapshot", "web", "a", "--copy"]).code, 0);
    DISKS.iter().for_each(|disk| put(&sandbox, disk, "second"));
    sandbox
}

/// It as an export alone.
pub(crate) fn moved() -> Sandbox {
    let sandbox = web();
    let done = sandbox.run(&["export", "web.rhai", "web.tar.zst"]);
    assert_eq!(done.code, 0, "{done:?}");
    zfs(&sandbox, "zfs destroy zroot/vm/web && zfs destroy tank/web-logs");
    ["web.rhai", "vm/web-data.img", "vm/web.vars"].iter().for_each(|name| fs::remove_file(sandbox.path(name)).unwrap());
    sandbox
}

/// A machine whose disks are to be made: of images, empty, and larger than they are.
pub(crate) fn new() -> Sandbox {
    let sandbox = host(
        "let root = convert(\"[tmp]/vm/image.qcow2\", disk(\"[tmp]/vm/root.img\", 4.MiB));
let more = convert(\"[tmp]/vm/image.xz\", disk(\"[tmp]/vm/more.img\", 4.MiB));
let first = convert(\"[tmp]/vm/image.qcow2\", zvol(\"zroot/vm/first\", 4.MiB));
let second = convert(\"[tmp]/vm/image.xz\", zvol(\"zroot/vm/second\", 4.MiB));
let empty = zvol(\"zroot/vm/empty\", 4.MiB);
let data = disk(\"[tmp]/vm/data.img\", 4.MiB);
let old = zvol(\"zroot/vm/old\", 8.MiB);
bhyve(#{
    name: \"web\", memory: 64.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"),
    slots: #{
        \"0\": hostbridge(), \"4\": virtio_blk(root), \"5\": virtio_blk(more), \"6\": virtio_blk(first), \"7\": virtio_blk(second),
        \"8\": virtio_blk(empty), \"9\": virtio_blk(data), \"10\": virtio_blk(old), \"31\": lpc(),
    },
}).run();
",
    );
    put(&sandbox, "vm/image", "image");
    let line = "qemu-img convert -f raw -O qcow2 vm/image vm/image.qcow2 && xz -0 -T1 vm/image && zfs create -s -V 4M zroot/vm/old";
    zfs(&sandbox, line);
    fs::OpenOptions::new()
        .write(true)
        .open(sandbox.path("fake/zvol/zroot/vm/old"))
        .unwrap()
        .write_all_at(&vec![7; 2 << 20], 0)
        .unwrap();
    own(&sandbox);
    sandbox
}

/// Files and what zfs has, by name.
pub type Content = BTreeMap<String, Vec<u8>>;

/// What there is, by name: files with what is in them, volumes and snapshots with what zfs has of them. A program whose caller was killed
/// may still be about to do what it was called for, so that a file has another name by the time at which it is read.
fn content(sandbox: &Sandbox) -> Content {
    let began = std::time::Instant::now();
    loop {
        match looked(sandbox) {
            Err(error) if error.kind() == ErrorKind::NotFound && began.elapsed().as_secs() < 20 => {}
            all => return all.unwrap(),
        }
    }
}

fn looked(sandbox: &Sandbox) -> std::io::Result<Content> {
    let mut all = BTreeMap::new();
    let mut add = |folder: &str| -> std::io::Result<()> {
        for entry in fs::read_dir(sandbox.path(folder)).into_iter().flatten().flatten() {
            if entry.file_type()?.is_file() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = format!("{folder}/{name}");
                let kind = entry.path().extension().map(|kind| kind.to_string_lossy().into_owned());
                let is_text = kind.is_some_and(|kind| ["rhai", "lock"].contains(&kind.as_str()));
                let bytes = if is_text {
                    sandbox.read(path.trim_start_matches('/')).into_bytes()
                } else {
                    fs::read(entry.path())?
                };
                all.insert(path, bytes);
            }
        }
        Ok(())
    };
    ["", "vm", "state", "config/recipes", "fake/zvol/zroot/vm", "fake/zvol/tank"].into_iter().try_for_each(&mut add)?;
    for line in sandbox.read("fake/zfs").lines() {
        let mut fields = line.split('\t');
        let name = fields.next().unwrap_or_default().to_string();
        let is_stable = |field: &&str| !["createtxg=", "creation=", "id="].iter().any(|key| field.starts_with(key));
        all.insert(name, fields.filter(is_stable).collect::<Vec<_>>().join("\t").into_bytes());
    }
    // A volume that was there before is kept before another system comes on it.
    all.retain(|name, _| !name.contains("@vmrun-before-init"));
    // What was packed at another time is not the same, and is compared by importing it.
    all.get_mut("/web.tar.zst").into_iter().for_each(Vec::clear);
    Ok(all)
}

/// The names that only one of both has, or that differ.
fn differences(one: &BTreeMap<String, Vec<u8>>, other: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let all: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let differs = |name: &&&String| one.get(**name) != other.get(**name);
    let shown = |name: &String| {
        let of = |all: &BTreeMap<String, Vec<u8>>| {
            all.get(name).map_or("-".to_string(), |bytes| {
                if bytes.len() < 300 { String::from_utf8_lossy(bytes).into_owned() } else { bytes.len().to_string() }
            })
        };
        format!("{name}: {} | {}", of(one), of(other))
    };
    all.iter().filter(differs).map(|name| shown(name)).collect()
}

fn holds(is_so: bool, case: &str) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(case.into()) }
}

impl Scene {
    fn run(&self, sandbox: &Sandbox) -> super::sandbox::Done {
        sandbox.write("fake/exits", "0\n1\n1\n");
        let args: Vec<&str> = self.command.split(' ').collect();
        sandbox.run(&args)
    }

    /// The calls that change something, each with how often its like came before, and what there is afterwards.
    fn calls(&self) -> (Vec<(usize, String)>, Content) {
        let sandbox = (self.prepared)();
        sandbox.write("fake/log", "");
        let done = self.run(&sandbox);
        assert_eq!(done.code, 0, "{}: {done:?}", self.command);
        let looks = ["zfs get", "zfs list", "zpool", "sysctl", "ps ", "kldstat", "bhyve", "ifconfig"];
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let log = fs::read_to_string(sandbox.path("fake/log")).unwrap();
        let mut calls = Vec::new();
        for line in log.lines().filter(|line| !looks.iter().any(|look| line.starts_with(look))) {
            let is_own = PROGRAMS.iter().find(|program| line.starts_with(**program));
            // What has the number of a process in its name has another one the next time.
            let call = is_own.map_or(line.split_once(".vmrun-").map_or(line, |(begin, _)| begin), |program| *program);
            let count = seen.entry(call.into()).or_default();
            *count += 1;
            calls.push((*count, call.to_string()));
        }
        calls.retain(|(count, call)| *count == 1 || !PROGRAMS.contains(&call.as_str()));
        (calls, content(&sandbox))
    }

    fn strike(&self, call: &(usize, String), strike: Strike, wanted: &BTreeMap<String, Vec<u8>>) -> Result<(), String> {
        let sandbox = (self.prepared)();
        let (count, call) = call;
        let case = format!("{}: {strike:?} {call} ({count})", self.command);
        let before = content(&sandbox);
        sandbox.write("fake/log", "");
        match strike {
            _ if PROGRAMS.contains(&call.as_str()) => sandbox.write("fake/own", &format!("{strike:?} {call}")),
            Strike::Refused => sandbox.write("fake/refuse", &format!("once {call}\tcannot do it: out of space\n")),
            Strike::Before => sandbox.write("fake/strike", &format!("before SIGKILL {count} {call}\n")),
            Strike::After => sandbox.write("fake/strike", &format!("after SIGKILL {count} {call}\n")),
        }
        let done = self.run(&sandbox);
        let case = format!("{case}\n{done:?}");
        let now = content(&sandbox);
        if strike == Strike::Refused {
            holds(done.code == 3, &case)?;
            // What was grown stays so: it cannot be made smaller.
            let is_grown = call.starts_with("zfs snapshot zroot/vm/old");
            holds(self.may_begin || is_grown || now == before, &format!("{case}\n{:#?}", differences(&before, &now)))?;
        } else {
            holds(done.code == -9, &case)?;
        }
        // What has the name of a disk is one: as it was, or as it is to be.
        for (name, bytes) in now
            .iter()
            .filter(|(name, _)| name.starts_with("vm/") && Path::new(name).extension().is_none_or(|kind| kind != "new"))
        {
            let known = [before.get(name), wanted.get(name)].contains(&Some(bytes));
            let is_new = || !before.contains_key(name) && bytes.iter().all(|byte| *byte == 0);
            holds(known || is_new(), &format!("{name} is half: {case}"))?;
        }
        ["fake/refuse", "fake/strike", "fake/own"].iter().for_each(|name| drop(fs::remove_file(sandbox.path(name))));
        let gc = sandbox.run(&["gc"]);
        let case = format!("{case}\n{gc:?}");
        holds(gc.code == 0, &case)?;
        let mut again = self.run(&sandbox);
        // The way out that is told.
        if again.code == 3 && again.stderr.contains("if a snapshot that was cut off has left it") {
            let removed = sandbox.run(&["snapshots", "web", "--remove", "a", "--yes"]);
            holds(removed.code == 0, &format!("{case}\n{again:?}\n{removed:?}"))?;
            again = self.run(&sandbox);
        }
        let is_done = again.stderr.contains("there is no recipe") || again.stderr.contains("is there already");
        let now = content(&sandbox);
        let case = format!("{case}\n{again:?}\n{:#?}", differences(wanted, &now));
        holds((again.code == 0 || is_done) && now == *wanted, &case)
    }

    /// Strikes at every call, and holds what has to be afterwards.
    pub(crate) fn at_every_call(&self) {
        let (calls, wanted) = self.calls();
        assert!(!calls.is_empty(), "{}", self.command);
        let mut faults = Vec::new();
        for (number, call) in calls.iter().enumerate() {
            // One of many is killed before some calls and after the others: both are tried of all that is done with disks.
            let killed = if number % 2 == 0 { Strike::Before } else { Strike::After };
            let both: &[Strike] = if calls.len() > 4 { &[killed] } else { &[Strike::Before, Strike::After] };
            let refused = (call.0 == 1).then_some(Strike::Refused);
            for strike in both.iter().copied().chain(refused) {
                faults.extend(self.strike(call, strike, &wanted).err());
            }
        }
        assert!(faults.is_empty(), "{}", faults.join("\n\n"));
        eprintln!("{} calls of {}: {calls:?}", calls.len(), self.command);
    }
}
