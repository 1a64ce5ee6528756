//! Hosts of the test's own: folders with recipes, disks and state beside those of the publisher, and the programs that work there.

use super::tools::{need, search_path};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a guest may take from its firmware to its end without help of the processor, on a host that has other things to do.
const BOOT: Duration = Duration::from_secs(900);

/// How often it is looked whether something has ended.
const TICK: Duration = Duration::from_millis(100);

/// The folder of the test, with one of the publisher and one for each host.
pub(crate) struct World {
    folder: TempDir,
}

/// A host: its recipes with their disks beside them, its state and its cache.
pub(crate) struct Host {
    folder: PathBuf,
}

/// How a program ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl World {
    /// Fails when something is missing that a boot needs.
    pub(crate) fn new() -> Self {
        need(&["qemu-system-x86_64", "qemu-img", "curl", "xz", "cmp", "mmdebstrap", "mke2fs"]);
        // Where /tmp is memory there is no room for disks.
        let world = Self { folder: tempfile::Builder::new().prefix("vmrun-images").tempdir_in("/var/tmp").unwrap() };
        fs::create_dir(world.path("images")).unwrap();
        world
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a host that knows of nothing.
    pub(crate) fn host(&self, name: &str) -> Host {
        let host = Host { folder: self.path(name) };
        fs::create_dir_all(host.path("recipes")).unwrap();
        fs::create_dir_all(host.path("state")).unwrap();
        host
    }

    /// Runs a line of a shell in the folder of images, and says how long it took.
    pub(crate) fn shell(&self, line: &str) {
        let began = Instant::now();
        let mut command = Command::new("sh");
        command.args(["-ec", line]).current_dir(self.path("images")).env("PATH", search_path());
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        took(line, began);
    }
}

impl Host {
    /// A path of the host.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The machine's disk.
    pub(crate) fn disk(&self) -> String {
        self.path("recipes/web.img").display().to_string()
    }

    /// Writes a recipe.
    pub(crate) fn recipe(&self, name: &str, text: &str) {
        fs::write(self.path("recipes").join(name), text).unwrap();
    }

    /// Runs vmrun for something that has to go well.
    #[track_caller]
    pub(crate) fn does(&self, args: &[&str]) {
        let ended = self.vmrun(args);
        assert_eq!(ended.code, Some(0), "vmrun {args:?}: {}", ended.stderr);
        ended.stderr.lines().for_each(|line| eprintln!("          {line}"));
    }

    /// Runs vmrun where the recipes are, and says how long it took.
    pub(crate) fn vmrun(&self, args: &[&str]) -> Ended {
        let began = Instant::now();
        let [stdout, stderr] = ["out", "err"].map(|name| self.path(&format!("vmrun.{name}")));
        let mut command = Command::new(env!("CARGO_BIN_EXE_vmrun"));
        command.args(args).current_dir(self.path("recipes")).env("PATH", search_path()).env("VMRUN_PLATFORM", "linux");
        command.env("VMRUN_STATE_DIR", self.path("state")).env("VMRUN_CONFIG", &self.folder);
        command.env("VMRUN_CACHE_DIR", self.path("cache")).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
        command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        let mut child = command.spawn().unwrap();
        let code = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status.code();
            }
            if began.elapsed() > BOOT {
                // What it has started it ends.
                let _ = Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status();
                let _ = child.wait();
                panic!("vmrun {args:?}: not within {BOOT:?}\n{}\n{}", read(&stdout), read(&stderr));
            }
            sleep(TICK);
        };
        took(&format!("vmrun {}", args.join(" ")), began);
        Ended { code, stdout: read(&stdout), stderr: read(&stderr) }
    }
}

/// The text of a file, as a serial line has it.
fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).replace('\r', "")
}

/// How long each step took is worth knowing where the next one is thought about.
fn took(what: &str, began: Instant) {
    eprintln!("{:6.1} s  {what}", began.elapsed().as_secs_f64());
}
