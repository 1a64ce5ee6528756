//! A folder of its own for every test, with the fake FreeBSD's programs first in PATH.

use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long a child may take; it is killed then.
const DEADLINE: Duration = Duration::from_secs(30);

/// How often the world is looked at.
const POLL: Duration = Duration::from_millis(5);

/// The secret `vnc`.
pub(crate) const PASSWORD: &str = "hunter22";

/// The programs that every sandbox has of the fake FreeBSD.
const PROGRAMS: &[&str] = &[
    "bhyve",
    "bhyvectl",
    "bhyveload",
    "grub-bhyve",
    "ifconfig",
    "jail",
    "jexec",
    "jls",
    "kldload",
    "kldstat",
    "kldunload",
    "mdconfig",
    "netstat",
    "pciconf",
    "procstat",
    "ps",
    "rctl",
    "route",
    "sysctl",
];

/// Where transcripts show the sandbox's own loopback network, which is as wide.
const NET: &str = "127.100.100";

/// The folders and the address of one test.
pub(crate) struct Sandbox {
    folder: tempfile::TempDir,
    net: String,
}

/// What a program left.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    /// It with what was said in the order of letters, where several things happen side by side.
    pub(crate) fn sorted(mut self) -> Self {
        let mut lines: Vec<&str> = self.stderr.lines().collect();
        lines.sort_unstable();
        self.stderr = lines.join("\n");
        self
    }
}

impl Sandbox {
    /// Makes a fake FreeBSD with a network card, a loopback and `bridge2`.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        // Underlines and cuts in messages depend on the length of paths.
        let folder = tempfile::Builder::new().prefix(".tmp").rand_bytes(6).tempdir_in("/tmp").unwrap();
        let count = NEXT.fetch_add(1, Ordering::SeqCst);
        // Three digits each, and no two sandboxes of a run share one.
        let (third, second) = (100 + count % 150, 100 + (std::process::id() + u32::from(count / 150)) % 150);
        let net = format!("127.{second}.{third}");
        let sandbox = Self { folder, net };
        for name in [
            "bin",
            "fake/interfaces",
            "fake/vmm",
            "fake/host/proc",
            "fake/host/dev",
            "state",
            "config/secrets",
            "vm",
            "home",
        ] {
            fs::create_dir_all(sandbox.path(name)).unwrap();
        }
        let userland = userland();
        for name in PROGRAMS {
            symlink(&userland, sandbox.path("bin").join(name)).unwrap();
        }
        let em0 = format!("kind ether\ninet {}.1/24\n", sandbox.net);
        sandbox.write("fake/interfaces/em0", &em0);
        // What every host has beside its machines, and a jail only if it is shown.
        sandbox.write("fake/mem", "");
        sandbox.write("fake/vmmctl", "");
        for (name, text) in [("proc/cpuinfo", "flags\t\t: fpu vmx\n"), ("dev/kvm", "")] {
            sandbox.write(&format!("fake/host/{name}"), text);
        }
        sandbox.write("fake/interfaces/lo0", "kind lo\ninet 127.0.0.1/8\n");
        sandbox.write("fake/interfaces/bridge2", "kind bridge\nup yes\n");
        sandbox
    }

    /// Has one more program of the fake FreeBSD, which hides the host's own.
    pub(crate) fn has(&self, program: &str) {
        symlink(userland(), self.path("bin").join(program)).unwrap();
    }

    /// Has a program that is a script, which hides the host's own.
    pub(crate) fn script(&self, program: &str, text: &str) {
        let path = self.path("bin").join(program);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A path in the sandbox.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file; `[tmp]` and the network of transcripts stand for the sandbox's own.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), self.own(text)).unwrap();
    }

    /// Text of transcripts, as it is in this sandbox.
    pub(crate) fn own(&self, text: &str) -> String {
        text.replace("[tmp]", &self.folder.path().display().to_string()).replace(NET, &self.net)
    }

    /// What marks of interfaces say of a state folder: the CRC-32 of its path. Transcripts are without that of the sandbox's own.
    pub(crate) fn mark_of(&self, folder: &str) -> String {
        let path = fs::canonicalize(self.path(folder)).unwrap();
        let sum = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
        format!("{:08x}", sum.checksum(path.as_os_str().as_encoded_bytes()))
    }

    /// Text of this sandbox, as it is in transcripts: without what is different every time.
    fn shown(&self, text: &str) -> String {
        let text = text.replace(&self.folder.path().display().to_string(), "[tmp]").replace(&self.net, NET);
        let text = text.replace(&format!("/{}", self.mark_of("state")), "");
        let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        let mut shown = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find("vmrun ") {
            let (head, tail) = rest.split_at(at + "vmrun ".len());
            shown += head;
            rest = tail;
            if let Some((pid, tail)) = tail.split_once(", of ").filter(|(pid, _)| is_number(pid))
                && let Some((recipe, tail)) = tail.split_once(", since ")
            {
                assert!(!pid.is_empty() && tail.len() >= "2026-11-25 17:05:12 UTC".len(), "{tail}");
                write!(shown, "[pid], of {recipe}, since [when]").unwrap();
                rest = &tail["2026-11-25 17:05:12 UTC".len()..];
            }
        }
        shown + rest
    }

    /// The text of a file, as in transcripts; a missing file is empty.
    pub(crate) fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.path(name)).unwrap_or_default();
        self.shown(&String::from_utf8_lossy(&bytes))
    }

    /// Every call of the fake FreeBSD's programs. What vmrun runs side by side is in one order: the interfaces are read before a node
    /// goes away, a node goes away before what is done to taps, and a tap joins its bridge before bhyve starts.
    pub(crate) fn calls(&self) -> String {
        let mut lines: Vec<String> = self.read("fake/log").lines().map(String::from).collect();
        let is_tap = |line: &str| line.starts_with("ifconfig tap") || line.contains(" addm ");
        let swapped = |first: &str, second: &str| {
            first.starts_with("bhyvectl --destroy") && second == "ifconfig"
                || is_tap(first) && second.starts_with("bhyvectl --destroy")
                || first.starts_with("bhyve -c") && second.contains(" addm ")
        };
        while let Some(at) = (1..lines.len()).find(|at| swapped(&lines[at - 1], &lines[*at])) {
            lines.swap(at - 1, at);
        }
        lines.iter().map(|line| line.clone() + "\n").collect()
    }

    /// The names in a folder, sorted; but for how machines were started last, which is known until the host is started anew.
    pub(crate) fn names(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(name)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.retain(|name| {
            !(name.starts_with('.') && Path::new(name).extension().is_some_and(|extension| extension == "last"))
        });
        names.sort();
        names
    }

    /// Every path below the sandbox, with the text of the file, so that a change can be seen.
    pub(crate) fn everything(&self) -> String {
        let mut text = String::new();
        let mut folders = vec![self.folder.path().to_path_buf()];
        while let Some(folder) = folders.pop() {
            let mut paths: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            paths.sort();
            for path in paths {
                if path.is_dir() {
                    folders.push(path.clone());
                }
                let known = ["log", "lock"].iter().any(|name| path.ends_with(Path::new("fake").join(name)));
                if !known && !path.is_symlink() {
                    let content = fs::read(&path).unwrap_or_default();
                    writeln!(text, "{} {}", path.display(), String::from_utf8_lossy(&content)).unwrap();
                }
            }
        }
        text
    }

    /// The program, seeing nothing but the sandbox and the project's folder.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.program(env!("CARGO_BIN_EXE_vmrun"), args)
    }

    /// A line of shell on a terminal, in which `vmrun` is the program.
    pub(crate) fn on_terminal(&self, line: &str) -> Command {
        let line = line.replace("vmrun", env!("CARGO_BIN_EXE_vmrun"));
        self.program("script", &["--quiet", "--return", "--command", &line, "/dev/null"])
    }

    /// A line of bash, in which `vmrun` is the program.
    pub(crate) fn shell(&self, line: &str) -> Command {
        self.program("bash", &["-c", &line.replace("vmrun", env!("CARGO_BIN_EXE_vmrun"))])
    }

    /// Any program, seeing nothing but the sandbox and the project's folder.
    pub(crate) fn program(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.env_clear().args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let bin = self.path("bin").display().to_string();
        command.env("PATH", format!("{bin}:/usr/sbin:/usr/bin:/sbin:/bin")).env("HOME", self.path("home"));
        command.env("VMRUN_PLATFORM", "freebsd").env("FAKE_FREEBSD", self.path("fake"));
        command.env("VMRUN_VMM_DIR", self.path("fake/vmm")).env("VMRUN_ZVOL_DIR", self.path("fake/zvol"));
        command.env("VMRUN_STATE_DIR", self.path("state")).env("VMRUN_CONFIG", self.path("config"));
        command.env("VMRUN_CGROUP_DIR", self.path("fake/cgroup")).env("VMRUN_KVM_DIR", self.path("fake/host"));
        command
    }

    /// Starts the program with the secret `vnc`.
    pub(crate) fn start(&self, args: &[&str]) -> Running<'_> {
        self.start_program(env!("CARGO_BIN_EXE_vmrun"), args)
    }

    /// Starts any program with the secret `vnc`.
    pub(crate) fn start_program(&self, program: &str, args: &[&str]) -> Running<'_> {
        Running::new(self, self.program(program, args).env("VMRUN_SECRET_VNC", PASSWORD))
    }

    /// Runs the program with the secret `vnc` to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Done {
        self.start(args).wait()
    }

    /// A call that has killed its caller goes on to its end, as programs do whose parent is dead. What it leaves is there only then.
    fn wait_for_last_call(&self) {
        if let Ok(outlives) = fs::File::open(self.path("fake/outlives")) {
            outlives.lock().unwrap();
        }
    }

    /// Runs a command to its end.
    pub(crate) fn finish(&self, command: &mut Command) -> Done {
        Running::new(self, command).wait()
    }
}

/// A program that runs.
pub(crate) struct Running<'a> {
    sandbox: &'a Sandbox,
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

fn reader(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Starts a program. One that was just copied is busy for as long as a process that another test began has not become its program.
fn spawn(command: &mut Command) -> Child {
    loop {
        match command.spawn() {
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                thread::sleep(Duration::from_millis(5))
            }
            spawned => return spawned.unwrap(),
        }
    }
}

impl<'a> Running<'a> {
    fn new(sandbox: &'a Sandbox, command: &mut Command) -> Self {
        let mut child = spawn(command);
        let stdout = child.stdout.take().map(reader);
        let stderr = child.stderr.take().map(reader);
        Self { sandbox, child, stdout, stderr }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits until a condition of the sandbox holds.
    pub(crate) fn until(&mut self, what: &str, holds: impl Fn(&Sandbox) -> bool) {
        let start = Instant::now();
        while !holds(self.sandbox) {
            assert!(start.elapsed() < DEADLINE, "never came: {what}");
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() || holds(self.sandbox), "ended before {what}: {}", self.words());
            thread::sleep(POLL);
        }
    }

    /// Waits until it has a file open: it has come to read it, or to wait for more. Where there is no /proc that is not to be seen, and
    /// it is given a moment.
    pub(crate) fn until_open(&mut self, name: &str) {
        let descriptors = PathBuf::from(format!("/proc/{}/fd", self.child.id()));
        if !Path::new("/proc/self/fd").exists() {
            return thread::sleep(Duration::from_millis(500));
        }
        self.until(&format!("{name} open"), |sandbox| {
            let file = fs::canonicalize(sandbox.path(name)).unwrap();
            let opened = fs::read_dir(&descriptors).into_iter().flatten().flatten();
            opened.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|path| path == file)
        });
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Kills it. What it has started may live on, and what that says is not waited for.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn words(&mut self) -> String {
        self.stderr.take().map_or_else(String::new, |reader| reader.join().unwrap())
    }

    /// Waits for the end.
    pub(crate) fn wait(mut self) -> Done {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if start.elapsed() > DEADLINE {
                self.child.kill().unwrap();
                self.child.wait().unwrap();
                panic!("took more than {DEADLINE:?}: {}", self.words());
            }
            thread::sleep(POLL);
        };
        let text = |reader: Option<JoinHandle<String>>| reader.map_or_else(String::new, |it| it.join().unwrap());
        let code = status.code().unwrap_or_else(|| -status.signal().unwrap());
        let (stdout, stderr) = (text(self.stdout.take()), text(self.stderr.take()));
        if code < 0 {
            self.sandbox.wait_for_last_call();
        }
        Done { code, stdout: self.sandbox.shown(&stdout), stderr: self.sandbox.shown(&stderr) }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The fake FreeBSD's programs. `cargo test` builds them, as it builds every example; where it is told of a target by name it does not.
fn userland() -> PathBuf {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    let find = || {
        let here = std::env::current_exe().unwrap();
        let program = here.parent().and_then(Path::parent).unwrap().join("examples/userland");
        let changed = |path: &Path| fs::metadata(path).and_then(|meta| meta.modified()).ok();
        let built = changed(&program);
        let is_old = |path: &PathBuf| changed(path) > built;
        let newer = sources(Path::new(&project("tests/userland"))).into_iter().find(is_old);
        let way_out = "build it as the tests are, by: cargo build --locked --example userland (--release)";
        assert!(built.is_some(), "{} is not there: {way_out}", program.display());
        assert!(newer.is_none(), "{} is older than {}: {way_out}", program.display(), newer.unwrap().display());
        program
    };
    FOUND.get_or_init(find).clone()
}

/// The files in a folder and those in it.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(sources(&path)) } else { found.push(path) }
    }
    found
}

/// A file of the project.
pub(crate) fn project(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name).display().to_string()
}

/// Compares a transcript, but for empty lines at its ends.
#[track_caller]
pub(crate) fn same(actual: &str, expected: &str) {
    let (actual, expected) = (actual.trim_matches('\n'), expected.trim_matches('\n'));
    assert!(actual == expected, "\n--- expected\n{expected}\n--- actual\n{actual}\n");
}
