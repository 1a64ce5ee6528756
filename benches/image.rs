//! How long a boot image takes, beside the programs that one would make it with, and beside a copy of a finished one.
//!
//! All of them do the same in turns, from a folder in which nothing is, so that the ratios stand whatever else the host does.
//! Nothing is asserted.

#![allow(clippy::print_stdout, reason = "a benchmark's figures are its output")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to say")]
#![allow(clippy::disallowed_methods, reason = "it measures from outside, as a user would")]
#![allow(clippy::let_underscore_must_use, reason = "what it clears away may be gone")]
#![allow(missing_docs, reason = "there is nothing to call")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const VMRUN: &str = env!("CARGO_BIN_EXE_vmrun");
const RUNS: usize = 41;
const LOADERS: [&str; 3] =
    ["/usr/local/share/ipxe/snp.efi-x86_64", "/usr/local/share/ipxe/ipxe-amd64.efi", "/usr/lib/ipxe/ipxe-amd64.efi"];

/// The image of the design document, by hand: 4 MiB, a partition at sector 40, FAT12, the loader and the script.
const BY_HAND: [&[&str]; 6] = [
    &["truncate", "-s", "4M", "out.img"],
    &["sgdisk", "-a", "8", "-n", "1:0:0", "-t", "1:ef00", "out.img"],
    &["mformat", "-i", "out.img@@20480", "-T", "8119", "-h", "1", "-s", "1", "-v", "EFISYS", "::"],
    &["mmd", "-i", "out.img@@20480", "::/EFI", "::/EFI/Boot"],
    &["mcopy", "-i", "out.img@@20480", "loader.efi", "::/EFI/Boot/BootX64.efi"],
    &["mcopy", "-i", "out.img@@20480", "autoexec.ipxe", "::/autoexec.ipxe"],
];

/// A folder that goes away at the end.
struct World(PathBuf);

impl World {
    /// Runs commands one after the other, and returns how long they took.
    fn time(&self, commands: &[&[&str]]) -> Duration {
        let _ = fs::remove_file(self.0.join("out.img"));
        let begin = Instant::now();
        for words in commands {
            let mut command = Command::new(words[0]);
            command.args(&words[1..]).current_dir(&self.0).env("PATH", search_path());
            let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
            assert!(status.success(), "{words:?} ended with {status}");
        }
        begin.elapsed()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn search_path() -> String {
    format!("{}:/usr/local/sbin:/usr/sbin:/sbin", std::env::var("PATH").unwrap())
}

fn is_there(program: &str) -> bool {
    search_path().split(':').any(|folder| Path::new(folder).join(program).exists())
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

fn main() {
    let Some(loader) = LOADERS.iter().find(|file| Path::new(file).exists()) else {
        println!("image      not measured: no iPXE here");
        return;
    };
    let world = World(std::env::temp_dir().join(format!("vmrun-image.{}", std::process::id())));
    fs::create_dir_all(&world.0).unwrap();
    fs::copy(loader, world.0.join("loader.efi")).unwrap();
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/image/autoexec.ipxe"), world.0.join("autoexec.ipxe"))
        .unwrap();
    let ours: &[&[&str]] =
        &[&[VMRUN, "image", "ipxe", "out.img", "--loader", "loader.efi", "--script", "autoexec.ipxe"]];
    let copy: &[&[&str]] = &[&["cp", "done.img", "out.img"]];

    let missing: Vec<&str> = BY_HAND.iter().map(|words| words[0]).filter(|program| !is_there(program)).collect();
    world.time(ours);
    // Written as a whole, as a file that came over the network is: cp has no holes to leave out.
    fs::write(world.0.join("done.img"), fs::read(world.0.join("out.img")).unwrap()).unwrap();
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..RUNS {
        times[0].push(world.time(ours));
        times[1].push(world.time(copy));
        if missing.is_empty() {
            times[2].push(world.time(&BY_HAND));
        }
    }
    let [ours, copy, hand] = times;
    let (ours, copy) = (median(ours), median(copy));
    println!("image      vmrun {ours:.2} ms for 4 MiB");
    println!("image      cp of a finished one {copy:.2} ms: ratio {:.2} (at most 3)", ours / copy);
    if missing.is_empty() {
        let hand = median(hand);
        println!("image      sgdisk, mformat, mmd, mcopy {hand:.2} ms: ratio {:.3} (at most 0.1)", ours / hand);
    } else {
        println!("image      not beside the programs for it: {} missing", missing.join(", "));
    }
}
