//! How long disks take: filled from an image, cloned and exported, beside the programs that one would do it with.
//!
//! All of them do the same in turns, so that the ratios stand whatever else the host does. Nothing is asserted.

#![allow(clippy::print_stdout, reason = "a benchmark's figures are its output")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to say")]
#![allow(clippy::disallowed_methods, reason = "it measures from outside, as a user would")]
#![allow(clippy::let_underscore_must_use, reason = "what it clears away may be gone")]
#![allow(missing_docs, reason = "there is nothing to call")]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const VMRUN: &str = env!("CARGO_BIN_EXE_vmrun");
const RUNS: usize = 7;
const MIB: u64 = 1 << 20;
/// How large the disk is, and how much is on it, in MiB.
const SIZE: u64 = 10 << 10;
const USED: u64 = 192;

/// A folder that goes away at the end.
struct World(PathBuf);

impl World {
    fn new() -> Self {
        let world = Self(std::env::temp_dir().join(format!("vmrun-disks.{}", std::process::id())));
        fs::create_dir_all(&world.0).unwrap();
        for folder in ["state", "config", "cache"] {
            fs::create_dir_all(world.0.join(folder)).unwrap();
        }
        world.disk();
        fs::write(world.0.join("code.fd"), [0; 4096]).unwrap();
        let at = world.0.display();
        let recipe = format!(
            "bhyve(#{{\n    name: \"web\", memory: 64.MiB, bootrom: bootrom(\"{at}/code.fd\"),\n    \
             slots: #{{ \"0\": hostbridge(), \"4\": virtio_blk(\"{at}/web.img\"), \"31\": lpc() }},\n}}).run();\n"
        );
        fs::write(world.0.join("web.rhai"), recipe).unwrap();
        fs::write(world.0.join("fill.rhai"), format!("convert(\"{at}/web.qcow2\", disk(\"{at}/out.img\", 10.GiB));\n"))
            .unwrap();
        world
    }

    /// Writes a disk of which every fiftieth MiB has data: half a MiB that cannot be packed, and half a MiB of text.
    fn disk(&self) {
        let file = File::create(self.0.join("web.img")).unwrap();
        file.set_len(SIZE * MIB).unwrap();
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut noise = || {
            // xorshift64
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        };
        for at in 0..USED {
            let mut bytes: Vec<u8> = (0..MIB / 16).flat_map(|_| noise()).collect();
            bytes.extend(b"the disk of a machine \n".iter().cycle().take(usize::try_from(MIB / 2).unwrap()));
            file.write_all_at(&bytes, at * (SIZE / USED) * MIB).unwrap();
        }
        file.sync_all().unwrap();
    }

    /// Runs a command of the shell from where what it makes is not there, and returns how long it took.
    fn time(&self, line: &str) -> Duration {
        for made in ["out.img", "new.img", "new.rhai", "out.tar.zst"] {
            let _ = fs::remove_file(self.0.join(made));
        }
        let mut command = Command::new("sh");
        command.args(["-ec", line]).current_dir(&self.0).env("VMRUN", VMRUN);
        for (name, folder) in [("STATE_DIR", "state"), ("CONFIG", "config"), ("CACHE_DIR", "cache")] {
            command.env(format!("VMRUN_{name}"), self.0.join(folder));
        }
        let begin = Instant::now();
        let done = command.stdin(Stdio::null()).output().unwrap();
        let took = begin.elapsed();
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
        took
    }

    /// Prints how long ours and each of the others take, in turns.
    ///
    /// Ours is on the disk when it is done, as after `sync`: the ratio to what only is in memory tells less.
    fn compare(&self, what: &str, ours: &str, others: &[(&str, &str)]) {
        let lines: Vec<&str> = std::iter::once(ours).chain(others.iter().map(|(line, _)| *line)).collect();
        for line in &lines {
            self.time(line);
        }
        let mut took = vec![Vec::new(); lines.len()];
        for _ in 0..RUNS {
            took.iter_mut().zip(&lines).for_each(|(took, line)| took.push(self.time(line)));
        }
        let took: Vec<f64> = took.into_iter().map(median).collect();
        println!("{what:<10} vmrun {:.0} ms", took[0]);
        for ((line, most), theirs) in others.iter().zip(&took[1..]) {
            println!("           ratio {:.2} ({most}) to {theirs:.0} ms of {line}", took[0] / theirs);
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

fn is_there(program: &str) -> bool {
    std::env::var("PATH").unwrap().split(':').any(|folder| PathBuf::from(folder).join(program).exists())
}

/// A command, and the same with what it made on the disk.
fn both(line: &str, made: &str, most: &str, compare: impl FnOnce(&[(&str, &str)])) {
    compare(&[(&format!("{line} && sync {made}"), most), (line, "in memory only")]);
}

fn main() {
    let world = World::new();
    if is_there("qemu-img") {
        world.time("qemu-img convert -f raw -O qcow2 web.img web.qcow2");
        let theirs = "qemu-img convert -f qcow2 -O raw web.qcow2 out.img";
        both(theirs, "out.img", "at most 1.1", |theirs| world.compare("convert", "\"$VMRUN\" fill.rhai", theirs));
    } else {
        println!("convert    not measured: no qemu-img here");
    }
    let theirs = "cp --reflink=auto --sparse=always web.img new.img";
    both(theirs, "new.img", "at most 1.5", |theirs| {
        world.compare("clone", "\"$VMRUN\" clone web.rhai new", theirs);
    });
    if is_there("zstd") {
        let theirs = "tar -cSf - web.img code.fd web.rhai | zstd -q -T0 > out.tar.zst";
        both(theirs, "out.tar.zst", "at most 1.0", |theirs| {
            world.compare("export", "\"$VMRUN\" export web.rhai out.tar.zst", theirs);
        });
    } else {
        println!("export     not measured: no zstd here");
    }
}
