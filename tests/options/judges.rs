//! The two who judge a command line.

use crate::bhyve::{self, Machine};
use crate::exit::{Ending, Exit};
use crate::node::{self, Node};
use crate::release;
use crate::state::State;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use tempfile::TempDir;
use vmrun::internals::bhyve::{argv, command, secrets};
use vmrun::internals::import::{Import, ImportOptions, SourceKind, proof, read};
use vmrun::internals::model::{Machine as Ours, Release, Target};

/// The files that command lines of the fixtures name.
const FILES: [(&str, &str); 3] = [
    ("/vm/a.conf", "# a\nuuid=5c8dbf6a-0f3f-11ee-9d6b-589cfc0f1c2a\npci.0.1.0.device=virtio-rnd\n"),
    ("/vm/wrong.conf", "a\n\nname.x=1\n "),
    ("/vm/a.txt", "text"),
];

/// What is called secrets in a command line that vmrun has written.
const SECRETS: &str = "/vm/secrets";

/// Keys and their values.
pub(crate) type Keys = BTreeMap<String, String>;

/// How a judge ends a command line.
#[derive(Debug)]
pub(crate) enum Verdict<T> {
    /// It makes a machine.
    Taken(T),
    /// It prints something and makes none.
    Printed,
    /// It is refused while it is read.
    Refused(String),
    /// It is read, and refused by what is done with it.
    Late(T, #[expect(dead_code, reason = "it is shown")] String),
}

impl<T> Verdict<T> {
    /// Whether it makes nothing.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Late(..))
    }

    /// What it is in one word.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Taken(_) => "taken",
            Self::Printed => "prints",
            Self::Refused(_) => "parse",
            Self::Late(..) => "init",
        }
    }
}

/// Where both find what they need.
pub(crate) struct Bench {
    folder: TempDir,
    state: State,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // As many processors as anybody asks for: how many there are is the host's.
        fs::write(folder.path().join("sysctl"), "hw.vmm.maxcpu=65535\n").unwrap();
        fs::create_dir(folder.path().join("vm")).unwrap();
        let state = State::at(folder.path().to_path_buf());
        let bench = Self { folder, state };
        FILES.iter().for_each(|(path, text)| bench.write(path, text));
        bench
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// The words that name a file of the bench, as who opens it has to be told.
    fn placed(&self, words: &[String]) -> Vec<String> {
        let names = FILES.iter().map(|(path, _)| *path).chain([SECRETS]);
        let place = |word: &String| {
            let found = names.clone().find(|name| {
                word.strip_suffix(name).is_some_and(|head| head.is_empty() || head == "-k" || head.ends_with(",file="))
            });
            let path = |name: &str| self.path(name).display().to_string();
            found.map_or_else(|| word.clone(), |name| word.replacen(name, &path(name), 1))
        };
        words.iter().map(place).collect()
    }

    /// What bhyve does with a command line (without the program's name) if each file and interface is there.
    pub(crate) fn bhyve(&self, words: &[String], release: Release) -> Verdict<Keys> {
        let (major, minor) = release.numbers();
        let release = release::Release::new(u8::try_from(major).unwrap(), u8::try_from(minor).unwrap());
        let (tree, _) = match bhyve::read(&self.placed(words), release) {
            Ok(read) => read,
            Err(exit) if exit.ending == Ending::Status(0) => return Verdict::Printed,
            Err(exit) => return Verdict::Refused(said(&exit)),
        };
        let folder = self.folder.path().display().to_string();
        let keys = keys(&tree.dump().replace(&folder, ""));
        // There is a node of it already: whether bhyveload has made one is not in the command line.
        Node::default().save(&self.state, "vm").unwrap();
        let mut machine = Machine::new(&self.state, tree, "vm", true);
        let started = machine.start();
        node::remove(&self.state, "vm").unwrap();
        match started {
            Ok(()) => Verdict::Taken(keys),
            Err(exit) => Verdict::Late(keys, said(&exit)),
        }
    }

    /// What bhyve has set before it reads anything.
    pub(crate) fn defaults(release: Release) -> Keys {
        let (major, minor) = release.numbers();
        let release = release::Release::new(u8::try_from(major).unwrap(), u8::try_from(minor).unwrap());
        keys(&bhyve::defaults(release).unwrap().dump())
    }

    /// The keys that vmrun reads.
    pub(crate) fn keys(words: &[String], target: Target, secrets: Option<&str>) -> Option<Keys> {
        let files = |path: &str| if path == SECRETS { secrets.map(str::to_string) } else { file(path) };
        let reading = command::read(words, target, &files).ok()?;
        Some(reading.tree.entries().map(|(key, value)| (key.to_string(), value.to_string())).collect())
    }

    /// What vmrun makes of a command line.
    pub(crate) fn vmrun(words: &[String], target: Target, secrets: Option<&str>) -> Verdict<Taken> {
        let line = words.iter().fold("bhyve".to_string(), |line, word| line + " " + &*quoted(word));
        let setting = ImportOptions { kind: Some(SourceKind::Bhyve), target, ..ImportOptions::default() };
        let files = |path: &str| if path == SECRETS { secrets.map(str::to_string) } else { file(path) };
        let import = match read("<line>", &line, &setting, &files) {
            Ok(import) => import,
            Err(faults) => {
                let faults: Vec<String> = faults.into_iter().map(|fault| fault.fault.message).collect();
                return Verdict::Refused(faults.join("\n"));
            }
        };
        if import.prints.is_some() {
            return Verdict::Printed;
        }
        match import.draft.clone().check() {
            Ok(machine) => Verdict::Taken(Taken { import, machine }),
            Err(faults) => {
                let faults: Vec<String> = faults.into_iter().map(|(_, fault)| fault.message).collect();
                Verdict::Refused(faults.join("\n"))
            }
        }
    }

    /// Asks both for a command line, and the same again for what vmrun writes. What is wrong is returned, a line for each.
    pub(crate) fn compare(&self, words: &[String], target: Target) -> Vec<String> {
        let theirs = self.bhyve(words, target.release);
        let ours = Self::vmrun(words, target, None);
        let mut wrong = Vec::new();
        // What both can read they read alike, whatever comes of it.
        if let (Verdict::Taken(keys) | Verdict::Late(keys, _), Some(read)) = (&theirs, Self::keys(words, target, None))
        {
            wrong.extend(unlike(keys, &read, target.release));
        }
        // A recipe names the file of `-f`, and may make it.
        let is_to_come = |theirs: &Verdict<Keys>| matches!(theirs, Verdict::Refused(why) if why.contains("fwcfg item"));
        match (ours, theirs) {
            (Verdict::Taken(_), theirs) if is_to_come(&theirs) => {}
            (Verdict::Printed, Verdict::Printed) => {}
            (Verdict::Taken(taken), Verdict::Taken(_)) => wrong.extend(self.written(&taken, target)),
            (Verdict::Taken(_) | Verdict::Printed, other) => {
                wrong.push(format!("vmrun takes what bhyve does not: {other:?}"))
            }
            (Verdict::Refused(why), Verdict::Taken(_) | Verdict::Printed) => {
                let unknown = why.lines().filter(|line| crate::stricter::reason(line).is_none());
                wrong.extend(unknown.map(|line| format!("vmrun refuses, without a reason, what bhyve takes: {line}")));
            }
            (Verdict::Refused(_) | Verdict::Late(..), _) => {}
        }
        wrong
    }

    /// What is wrong with what vmrun writes of a machine.
    fn written(&self, taken: &Taken, target: Target) -> Vec<String> {
        let mut wrong = proof::differences(&taken.import, &taken.machine);
        let secrets = secrets(&taken.machine);
        self.write(SECRETS, secrets.as_deref().unwrap_or_default());
        let line = argv(&taken.machine, SECRETS.as_ref());
        let words: Vec<String> = line.words().into_iter().skip(1).map(str::to_string).collect();
        match self.bhyve(&words, target.release) {
            Verdict::Taken(keys) => {
                let read = Self::keys(&words, target, secrets.as_deref()).unwrap_or_default();
                wrong.extend(unlike(&keys, &read, target.release));
            }
            other => wrong.push(format!("bhyve does not take what vmrun writes: {other:?}")),
        }
        match Self::vmrun(&words, target, secrets.as_deref()) {
            Verdict::Taken(again) => wrong.extend(proof::differences(&again.import, &taken.machine)),
            other => wrong.push(format!("vmrun does not take what it writes: {}", other.word())),
        }
        wrong.iter().map(|wrong| format!("{line}: {wrong}")).collect()
    }
}

/// A machine that vmrun has taken.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) import: Import,
    pub(crate) machine: Ours,
}

fn file(path: &str) -> Option<String> {
    FILES.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_string())
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn said(exit: &Exit) -> String {
    format!("{:?}: {}", exit.ending, exit.lines.join(" | "))
}

fn keys(dump: &str) -> Keys {
    dump.lines().filter_map(|line| line.split_once('=')).map(|(key, value)| (key.into(), value.into())).collect()
}

/// What differs between the keys of bhyve and those that vmrun read, which are without bhyve's own.
fn unlike(theirs: &Keys, ours: &Keys, release: Release) -> Vec<String> {
    let defaults = Bench::defaults(release);
    let mut all = ours.clone();
    // What bhyve adds to what it was told: its defaults, and the newer names of the firmware.
    for (key, value) in defaults {
        all.entry(key).or_insert(value);
    }
    for key in ["bootrom", "bootvars"] {
        if let Some(value) = ours.get(&format!("lpc.{key}")).filter(|_| release.numbers() >= (15, 0)) {
            all.entry(key.to_string()).or_insert_with(|| value.clone());
        }
    }
    let names = all.keys().chain(theirs.keys()).collect::<std::collections::BTreeSet<_>>();
    let differ = names.into_iter().filter(|name| all.get(*name) != theirs.get(*name));
    differ.map(|name| format!("{name}: {:?} in bhyve, {:?} in vmrun", theirs.get(name), all.get(name))).collect()
}
