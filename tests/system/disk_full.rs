//! A disk that is full at any call that writes to it, as strace(1) has it: whatever was going to be made, one message names the file
//! and says that room is needed, nothing of it is left, and every image is as it was.

use super::disk_host::host;
use super::mess::{THREADS, traced};
use super::sandbox::{Done, Sandbox};
use super::tools::need;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// The calls of ours that a full disk refuses.
const CALLS: [&str; 6] = ["pwrite64", "copy_file_range", "ftruncate", "fsync", "rename", "linkat"];

/// How often one call is refused at most: at the first, the last, and some in between.
const EACH: usize = 2;

/// A machine with two files.
const WEB: &str = r#"bhyve(#{
    name: "web", memory: 64.MiB, bootrom: bootrom("[tmp]/vm/rom.fd"),
    slots: #{ "0": hostbridge(), "4": virtio_blk("[tmp]/vm/web.img"), "5": virtio_blk("[tmp]/vm/web-data.img"), "31": lpc() },
}).run();
"#;

/// What is called, and what is made before.
const SCENES: [(&str, &str); 9] = [
    ("raw.rhai", "true"),
    ("xz.rhai", "true"),
    ("qcow2.rhai", "true"),
    ("clone web db", "true"),
    ("snapshot web a --copy", "true"),
    ("rollback web a --copy", "vmrun snapshot web a --copy && cp vm/image.raw vm/web.img"),
    ("export web web.tar.zst", "true"),
    ("import web.tar.zst --out web.rhai", "vmrun export web web.tar.zst && rm web.rhai vm/web.img vm/web-data.img"),
    (
        "import web.tar.zst --out web.rhai --disks zroot/vm",
        "vmrun export web web.tar.zst && rm web.rhai vm/web.img vm/web-data.img",
    ),
];

fn prepared(command: &str, before: &str) -> Sandbox {
    let sandbox = host(WEB);
    for (name, byte) in [("web.img", 1), ("web-data.img", 2), ("image.raw", 3)] {
        let file = fs::File::create(sandbox.path("vm").join(name)).unwrap();
        file.set_len(2 << 20).unwrap();
        [0, 1 << 20].iter().for_each(|at| file.write_all_at(&[byte; 100_000], *at).unwrap());
    }
    for form in ["raw", "xz", "qcow2"] {
        let text = format!("convert(\"[tmp]/vm/image.{form}\", disk(\"[tmp]/vm/{form}.img\", 4.MiB));\n");
        sandbox.write(&format!("{form}.rhai"), &text);
    }
    let made = match command {
        "xz.rhai" => "xz -0 -T1 -c vm/image.raw > vm/image.xz",
        "qcow2.rhai" => "qemu-img convert -f raw -O qcow2 vm/image.raw vm/image.qcow2",
        _ => "true",
    };
    let line = format!("{made} && {before}");
    let done = sandbox.finish(&mut sandbox.shell(&line));
    assert_eq!(done.code, 0, "{done:?}");
    sandbox
}

/// Every file beside the recipes and the disks, and what is kept of machines.
fn content(sandbox: &Sandbox) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for folder in ["", "vm", "state"] {
        for name in sandbox.names(folder).into_iter().filter(|name| name != "trace") {
            let path = sandbox.path(folder).join(&name);
            if path.is_file() {
                all.insert(format!("{folder}/{name}"), fs::read(path).unwrap());
            }
        }
    }
    all
}

fn strace(sandbox: &Sandbox, command: &str, filter: &str) -> Done {
    let trace = sandbox.path("trace").display().to_string();
    let mut args = vec!["-qq", "-o", trace.as_str()];
    args.extend(THREADS);
    args.extend(["-e", filter, env!("CARGO_BIN_EXE_vmrun")]);
    args.extend(command.split(' '));
    sandbox.finish(&mut sandbox.program("strace", &args))
}

/// How often each call comes.
fn counts(command: &str, before: &str) -> BTreeMap<String, usize> {
    let sandbox = prepared(command, before);
    let done = strace(&sandbox, command, &format!("trace={}", CALLS.join(",")));
    assert_eq!(done.code, 0, "{command}: {done:?}");
    let trace = fs::read_to_string(sandbox.path("trace")).unwrap();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for call in traced(&trace) {
        *counts.entry(call.split('(').next().unwrap_or_default().into()).or_default() += 1;
    }
    counts
}

/// Says what is wrong with how a command ended on a disk that was full.
fn against(done: &Done, before: &BTreeMap<String, Vec<u8>>, now: &BTreeMap<String, Vec<u8>>) -> Option<String> {
    let names = |all: &BTreeMap<String, Vec<u8>>| all.keys().cloned().collect::<Vec<_>>();
    if let Some(half) = now.keys().find(|name| Path::new(name.as_str()).extension().is_some_and(|kind| kind == "new")) {
        return Some(format!("{half} is left"));
    }
    if let Some((name, _)) =
        before.iter().find(|(name, bytes)| name.contains("/image.") && now.get(*name) != Some(bytes))
    {
        return Some(format!("{name} is not what it was"));
    }
    // What may fail did so.
    if done.code == 0 {
        return None;
    }
    if now != before {
        return Some(format!("it was {:?}, and is {:?}", names(before), names(now)));
    }
    let is_one = done.stderr.matches("error: ").count() == 1;
    let says = is_one && done.stderr.contains("No space left on device") && done.stderr.contains("= hint: ");
    (done.code != 3 || !says || !done.stderr.contains("room")).then(|| "its message does not say so".into())
}

#[test]
fn whatever_is_made_on_a_disk_that_is_full_is_told_and_leaves_nothing() {
    need(&["strace", "qemu-img", "xz", "zstd"]);
    let (mut cases, mut faults) = (0, Vec::new());
    for (command, before) in SCENES {
        for (call, count) in counts(command, before) {
            let step = count.div_ceil(EACH);
            for number in (1..count).step_by(step).chain([count]) {
                let sandbox = prepared(command, before);
                let there = content(&sandbox);
                let done = strace(&sandbox, command, &format!("inject={call}:error=ENOSPC:when={number}"));
                cases += 1;
                let fault = against(&done, &there, &content(&sandbox));
                faults.extend(fault.map(|fault| format!("{command}: {call} {number} of {count}: {fault}\n{done:?}")));
            }
        }
    }
    eprintln!("{cases} places at which a disk is full");
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    assert!(cases >= 25, "{cases}");
}
