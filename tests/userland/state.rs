//! What the fake system remembers, as a folder of plain files that tests write and read by hand.
//!
//! The environment variable `FAKE_FREEBSD` names the folder. Everything in it is optional:
//!
//! | file | content |
//! |---|---|
//! | `log` | every call, one line each, in the order of arrival: `program arg arg…`, quoted for sh where needed |
//! | `interfaces/NAME` | one network interface: see [`interface`](crate::interface) |
//! | `networks/JAIL/` | `interfaces`, `route` and `route6` of a jail that has a network of its own, see [`jail`](crate::jail) |
//! | `vmm/NAME` | one virtual machine node, as `/dev/vmm/NAME`: see [`node`](crate::node) |
//! | `sysctl` | lines `name=value`, over those that a release has: see [`variables`] |
//! | `modules` | the kernel's modules that were loaded, one a line; without the file it is vmm: see [`kld`](crate::kld) |
//! | `md` | memory disks: see [`mdconfig`](crate::mdconfig) |
//! | `rctl` | the limits of processes, one rule a line: see [`rctl`](crate::rctl) |
//! | `zfs`, `zvol/`, `zvol-snapshots/` | pools and what is in them: see [`pools`](crate::zfs::pools) |
//! | `clock` | how many seconds have passed, for what takes its time; it stands still by itself |
//! | `processes` | lines that ps prints beside those of machines |
//! | `exits` | how the coming boots go, one line each, taken from the top: see [`guest`](crate::bhyve) |
//! | `refuse` | lines `PREFIX<TAB>MESSAGE`: a call whose log line starts with PREFIX prints MESSAGE on stderr and |
//! | | ends with status 1, and `  # refused` is added to its log line; `once PREFIX<TAB>MESSAGE` does it once |
//! | `strike` | `before SIGNAL N PREFIX` or `after SIGNAL N PREFIX`: who called is sent the signal by the N-th call whose |
//! | | log line starts with PREFIX, before it does anything or when it has done all; `fill` in the place of a signal |
//! | | fills the disks of the folders that FAKE_FREEBSD_DISKS names, with `:` between them |
//! | | `group-SIGNAL` sends the signal to the whole process group of who called, as a terminal does |
//! | `appear/` | files that `appear` in the place of a signal puts beside the others, where there are none; told in `appeared` |
//! | `ssh` | which sandbox is another host, and who dies when both speak: see [`ssh`](crate::ssh) |
//! | `passwords` | every VNC password a bhyve was given: `BUS:SLOT:FUNC PASSWORD` |
//! | `seen-argv` | `/proc/self/cmdline` of the last bhyve, so that a test can prove what was not in it |
//! | `outlives` | held (flock) by a call that has struck `before` it did anything, until it ends; never by a guest |
//! | `lock` | held (flock) around every change of the above, never while a guest runs |
//!
//! More from the environment: `FAKE_FREEBSD_RELEASE` is a release from 12 to 16, as `15` (the default, and the newest of
//! its major) or `12.1`, see [`release`](crate::release); `FAKE_FREEBSD_USER` is who calls, root (the default) or a user who may nothing;
//! `FAKE_FREEBSD_ASSUME_FILES=1` lets bhyve take files, interfaces and sockets for granted, so that a command line can be
//! judged anywhere.

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpgid};
use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::exit::{Exit, Step};
use crate::jail;
use crate::sysctl::variables;

/// How the name of a file begins that is not whole yet.
const DRAFT: &str = ".draft.";

/// The folder.
pub(crate) struct State {
    root: PathBuf,
    /// The jail whose network is meant, if that is not the host's.
    network: Option<String>,
    /// What is to be done when this call has done all.
    at_end: RefCell<Option<String>>,
    /// Who has struck its caller and goes on has a lock until its end, so that a test can wait for what it still does. A guest has none.
    outlives: RefCell<Option<File>>,
}

impl State {
    /// Finds the folder through the environment.
    pub(crate) fn open() -> Step<Self> {
        let root = std::env::var_os("FAKE_FREEBSD").unwrap_or_default();
        if !Path::new(&root).is_dir() {
            return Err(Exit::fake("FAKE_FREEBSD does not name a folder"));
        }
        let state = Self::at(root.into());
        let network = jail::own().filter(|jail| jail::has_network(&state, jail));
        Ok(Self { network, ..state })
    }

    /// The state in a folder.
    pub(crate) fn at(root: PathBuf) -> Self {
        Self { root, network: None, at_end: RefCell::default(), outlives: RefCell::default() }
    }

    /// The same state, seen from the network of a jail, or from the host's.
    pub(crate) fn seen_from(&self, network: Option<&str>) -> Self {
        Self { network: network.map(str::to_string), ..Self::at(self.root.clone()) }
    }

    /// The jail whose network is meant.
    pub(crate) fn network(&self) -> Option<&str> {
        self.network.as_deref()
    }

    /// Takes the lock; it is given back when the file is dropped.
    pub(crate) fn lock(&self) -> io::Result<File> {
        self.lock_of("lock")
    }

    fn lock_of(&self, name: &str) -> io::Result<File> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(self.root.join(name))?;
        file.lock()?;
        Ok(file)
    }

    /// Whether a file of this name is one that is not whole yet.
    pub(crate) fn is_draft(name: &str) -> bool {
        name.starts_with(DRAFT)
    }

    /// A file of the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        const OF_NETWORKS: [&str; 3] = ["interfaces", "route", "route6"];
        let is_of_network = name.split('/').next().is_some_and(|first| OF_NETWORKS.contains(&first));
        match self.network.as_ref().filter(|_| is_of_network) {
            Some(jail) => self.root.join("networks").join(jail).join(name),
            None => self.root.join(name),
        }
    }

    /// The text of a file; a missing file is empty.
    pub(crate) fn read(&self, name: &str) -> io::Result<String> {
        match fs::read(self.path(name)) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(error),
        }
    }

    /// Replaces a file at once, so that a reader never sees half of it.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> io::Result<()> {
        let path = self.path(name);
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder)?;
        let draft = folder.join(format!("{DRAFT}{}", std::process::id()));
        fs::write(&draft, content)?;
        fs::rename(&draft, &path)
    }

    /// Replaces a file by these lines; each ends with a newline, so that tests can add more.
    pub(crate) fn write_lines(&self, name: &str, lines: &[impl AsRef<str>]) -> io::Result<()> {
        let text = lines.iter().fold(String::new(), |text, line| text + line.as_ref() + "\n");
        self.write(name, text)
    }

    /// Adds to the end of a file with a single write.
    pub(crate) fn append(&self, name: &str, line: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(name))?;
        file.write_all(format!("{line}\n").as_bytes())
    }

    /// Removes a file; one that is gone already is no error.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The names in a subfolder, without drafts.
    pub(crate) fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        if self.path(folder).is_dir() {
            for entry in fs::read_dir(self.path(folder))? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                if !name.starts_with('.') {
                    names.push(name);
                }
            }
        }
        Ok(names)
    }

    /// Logs a call, and refuses it if `refuse` says so.
    pub(crate) fn admit(&self, call: &str) -> Step<()> {
        let _lock = self.lock()?;
        let rules = self.read("refuse")?;
        let Some((at, rule)) = rules.lines().map(Rule::parse).enumerate().find(|(_, rule)| rule.matches(call)) else {
            self.append("log", call)?;
            return Ok(self.strike(call)?);
        };
        if rule.once {
            let rest: Vec<&str> =
                rules.lines().enumerate().filter(|(other, _)| *other != at).map(|(_, line)| line).collect();
            self.write_lines("refuse", &rest)?;
        }
        self.append("log", &format!("{call}  # refused"))?;
        Err(Exit::new(1, rule.message))
    }

    /// Does what `strike` says of this call, or keeps it for the end.
    fn strike(&self, call: &str) -> io::Result<()> {
        let rule = self.read("strike")?;
        let Some((when, rest)) = rule.trim_end_matches('\n').split_once(' ') else { return Ok(()) };
        let Some((what, rest)) = rest.split_once(' ') else { return Ok(()) };
        let Some((count, prefix)) = rest.split_once(' ') else { return Ok(()) };
        let seen = self.read("log")?.lines().filter(|line| line.starts_with(prefix)).count();
        if !call.starts_with(prefix) || count.parse() != Ok(seen) {
            return Ok(());
        }
        match when {
            "before" => {
                if !call.starts_with("bhyve ") {
                    *self.outlives.borrow_mut() = Some(self.lock_of("outlives")?);
                }
                self.do_strike(what)?;
            }
            _ => *self.at_end.borrow_mut() = Some(what.to_string()),
        }
        Ok(())
    }

    /// Does what was kept for the end.
    pub(crate) fn end(&self) -> io::Result<()> {
        let kept = self.at_end.take();
        kept.map_or(Ok(()), |what| self.do_strike(&what))
    }

    fn do_strike(&self, what: &str) -> io::Result<()> {
        self.append("struck", what)?;
        if what == "appear" {
            return self.appear();
        }
        if let Some(signal) = what.strip_prefix("group-") {
            let signal: Signal = signal.parse().map_err(io::Error::from)?;
            let group = getpgid(Some(Pid::from_raw(caller()))).map_err(io::Error::from)?;
            return killpg(group, signal).map_err(io::Error::from);
        }
        if what != "fill" {
            let signal: Signal = what.parse().map_err(io::Error::from)?;
            return kill(Pid::from_raw(caller()), signal).map_err(io::Error::from);
        }
        for folder in std::env::var("FAKE_FREEBSD_DISKS").unwrap_or_default().split(':') {
            let mut file = File::create(Path::new(folder).join("fill"))?;
            for size in [1 << 16, 1] {
                while file.write_all(&vec![0; size]).is_ok() {}
            }
        }
        Ok(())
    }

    /// Puts the files of `appear` into their places, unless there is something already: somebody else makes them at this moment,
    /// before a call, which has the lock.
    fn appear(&self) -> io::Result<()> {
        for folder in ["interfaces", "vmm"] {
            for name in self.names(&format!("appear/{folder}"))? {
                let place = format!("{folder}/{name}");
                if !self.path(&place).exists() {
                    self.write(&place, self.read(&format!("appear/{place}"))?)?;
                    self.append("appeared", &place)?;
                }
            }
        }
        Ok(())
    }

    /// The sysctl variables that tests and calls have set, in the order of the file.
    pub(crate) fn sysctls(&self) -> io::Result<Vec<(String, String)>> {
        let text = self.read("sysctl")?;
        Ok(text.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect())
    }

    /// One sysctl variable.
    pub(crate) fn sysctl(&self, name: &str) -> Step<Option<String>> {
        variables::one(self, name)
    }

    /// The moment, in seconds of `clock`.
    pub(crate) fn now(&self) -> io::Result<u64> {
        Ok(self.read("clock")?.trim().parse().unwrap_or(0))
    }

    /// Takes the first line of `exits`.
    pub(crate) fn take_boot(&self) -> io::Result<Option<String>> {
        let _lock = self.lock()?;
        let text = self.read("exits")?;
        let mut lines = text.lines().skip_while(|line| line.trim().is_empty());
        let Some(first) = lines.next() else {
            return Ok(None);
        };
        let rest: Vec<&str> = lines.collect();
        self.write_lines("exits", &rest)?;
        Ok(Some(first.to_string()))
    }
}

/// One line of `refuse`.
struct Rule<'a> {
    once: bool,
    prefix: &'a str,
    message: &'a str,
}

impl<'a> Rule<'a> {
    fn parse(line: &'a str) -> Self {
        let (once, line) = line.strip_prefix("once ").map_or((false, line), |rest| (true, rest));
        let (prefix, message) = line.split_once('\t').unwrap_or((line, ""));
        Self { once, prefix, message }
    }

    fn matches(&self, call: &str) -> bool {
        !self.prefix.is_empty() && call.starts_with(self.prefix)
    }
}

/// Whether the caller is root, who it is unless `FAKE_FREEBSD_USER` names somebody else.
pub(crate) fn is_root() -> bool {
    std::env::var_os("FAKE_FREEBSD_USER").is_none_or(|user| user == "root")
}

/// A word as sh would have to be given it: quoted only when it must be.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The process that called: not the shell that it may have called through.
fn caller() -> i32 {
    let mut pid = i32::try_from(std::os::unix::process::parent_id()).unwrap_or(i32::MAX);
    loop {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
        match parent {
            Some(parent) if stat.contains(" (sh) ") || stat.contains(" (dash) ") => pid = parent,
            _ => return pid,
        }
    }
}

/// Whether a process still runs; a zombie does not.
pub(crate) fn alive(pid: u32) -> bool {
    if Path::new("/proc/self/stat").exists() {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        return state.is_some_and(|state| state != 'Z' && state != 'X');
    }
    let mut kill = Command::new("/bin/kill");
    kill.args(["-0", &pid.to_string()]).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::{Rule, quoted};

    #[test]
    fn words_are_quoted_only_when_sh_needs_it() {
        assert_eq!(quoted("virtio-blk,/a.img,w=1"), "virtio-blk,/a.img,w=1");
        assert_eq!(quoted("two words"), "'two words'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn a_rule_refuses_by_prefix_and_may_do_so_once() {
        let rule = Rule::parse("once ifconfig tap1\tifconfig: no");
        assert!(rule.once && rule.matches("ifconfig tap1 create") && !rule.matches("ifconfig tap2 create"));
        assert_eq!(rule.message, "ifconfig: no");
        assert!(!Rule::parse("").matches("anything"));
    }

    #[test]
    fn this_process_is_alive_and_an_impossible_one_is_not() {
        assert!(super::alive(std::process::id()));
        assert!(!super::alive(u32::MAX));
    }
}
