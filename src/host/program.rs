//! A command that runs to its end, and what it says.

use super::environment::{command, env};
use super::files::reason;
use crate::diag::Fault;
use crate::model::Argv;
use std::fmt::{self, Display};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, LazyLock};

/// What runs a command that only asks, and returns its output. Readers of facts are given one: [`run`] on a host, and in tests
/// what a host answered once.
pub(crate) type Query<'a> = &'a dyn Fn(&Argv) -> Result<String, Fault>;

/// A command that nobody waits for yet: to wait for each would make a start a third longer. It is run by a thread of its own, once it is hurried, or by whoever waits for it.
#[derive(Clone)]
pub(crate) struct Errand {
    outcome: Arc<LazyLock<Outcome, Box<dyn FnOnce() -> Outcome + Send>>>,
    hurried: bool,
}

/// What a command said, or why it failed.
type Outcome = Result<String, Fault>;

/// How much a thread needs that starts a command and reads what it says, in bytes.
const STACK: usize = 256 << 10;

impl Errand {
    /// Makes one that is to be run when what it stands on has succeeded. If that fails nothing is run, and the fault is the
    /// other's to tell.
    pub(crate) fn new(chain: Chain, holds: Option<File>, after: Option<Self>) -> Self {
        let stands = move || after.is_none_or(|errand| errand.outcome.is_ok());
        let run =
            move || if stands() { Program::start_with(&chain, holds.as_ref())?.finish() } else { Ok(String::new()) };
        let run: Box<dyn FnOnce() -> Outcome + Send> = Box::new(run);
        Self { outcome: Arc::new(LazyLock::new(run)), hurried: false }
    }

    /// Has it run by a thread of its own: to start a process takes whoever does it several times as long as to start a thread.
    pub(crate) fn hurry(&mut self) {
        if !std::mem::replace(&mut self.hurried, true) {
            let outcome = self.outcome.clone();
            // Where no thread is to be had, whoever waits for the command runs it.
            let _ = std::thread::Builder::new().stack_size(STACK).spawn(move || outcome.is_ok());
        }
    }

    /// Waits for its end, or runs it.
    pub(crate) fn wait(&self) {
        LazyLock::force(&self.outcome);
    }

    /// Waits for its end, and returns what it said.
    pub(crate) fn finish(self) -> Outcome {
        (*self.outcome).clone()
    }
}

/// Commands that one child runs, each after the one before has succeeded. It goes on when we are gone, so that there is nothing
/// between the first command and the last that a kill of vmrun could leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    /// The commands, as one would type them.
    pub argvs: Vec<Argv>,
    /// What takes back what the commands before have made, when the one behind the first, the second and so on is refused; the last
    /// of them goes for all that follow.
    pub made: Vec<Argv>,
    /// Whether it is kept from the signals that a terminal sends to all that runs there (Ctrl-C): what is ours is done as a whole,
    /// and vmrun, which hears them, takes it back.
    pub is_apart: bool,
    /// The folder in which they are run, if not ours.
    pub folder: Option<PathBuf>,
}

impl From<Argv> for Chain {
    fn from(argv: Argv) -> Self {
        Self { argvs: vec![argv], made: Vec::new(), is_apart: false, folder: None }
    }
}

/// As it could be pasted into sh(1).
impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.argvs.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join(" && "))
    }
}

impl Chain {
    /// Returns the command that does all of it.
    fn argv(&self) -> Argv {
        let (Some(first), Some(rest)) = (self.argvs.first(), self.argvs.get(1..).filter(|rest| !rest.is_empty()))
        else {
            return self.argvs.first().cloned().unwrap_or_else(|| Argv::new("true"));
        };
        let back = |at: usize| self.made.get(at).or(self.made.last());
        let or = |at: usize| back(at).map_or_else(|| "exit".into(), |back| format!("{{ {back}; exit 1; }}"));
        let rest = rest.iter().enumerate().map(|(at, argv)| format!("; {argv} || {}", or(at)));
        let line = std::iter::once(format!("{first} || exit")).chain(rest).collect::<String>();
        // By its path, as in system(3): a shell that somebody has put before it is not asked.
        Argv::new("/bin/sh").arg("-c").arg(line)
    }
}

/// A command that was started.
pub(crate) struct Program {
    /// What it does, as one would type it.
    shown: String,
    child: Child,
}

impl Program {
    /// Starts a command, with nothing to read.
    pub(crate) fn start(argv: &Argv) -> Result<Self, Fault> {
        Self::start_with(&argv.clone().into(), None)
    }

    /// Starts commands that hold a file until they end, whatever becomes of us: the file is in the place of their standard
    /// input, and cannot be read.
    pub(crate) fn start_with(chain: &Chain, holds: Option<&File>) -> Result<Self, Fault> {
        chain.argvs.iter().for_each(|argv| tracing::debug!("{argv}"));
        let argv = chain.argv();
        let mut command = command(&argv.program);
        let stdin = holds.and_then(|file| file.try_clone().ok()).map_or_else(Stdio::null, Stdio::from);
        command.args(&argv.args).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(folder) = &chain.folder {
            command.current_dir(folder);
        }
        if chain.is_apart {
            command.process_group(0);
        }
        let child = command.spawn();
        let child = child.map_err(|error| {
            without_interpreter(Path::new(&argv.program))
                .unwrap_or_else(|| Fault::host(format!("cannot start `{}`: {}", argv.program, reason(&error))))
        })?;
        Ok(Self { shown: chain.to_string(), child })
    }

    /// Waits for its end and returns its output; a status other than 0 is a fault, with what the command complained of.
    pub(crate) fn finish(self) -> Result<String, Fault> {
        let shown = self.shown;
        let output = self.child.wait_with_output();
        let output = output.map_err(|error| Fault::host(format!("cannot wait for `{shown}`: {}", reason(&error))))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let how = match (output.status.code(), output.status.signal()) {
            (Some(code), _) => format!("status {code}"),
            (None, signal) => format!("signal {}", signal.unwrap_or_default()),
        };
        let [complaint, said] =
            [output.stderr, output.stdout].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Err(failed(&shown, &how, &complaint, &said))
    }
}

/// Returns the fault of a script that is there, and whose first line names an interpreter that is not (execve(2) blames the script for it).
pub(crate) fn without_interpreter(script: &Path) -> Option<Fault> {
    const LINE: u64 = 4096;
    let mut head = Vec::new();
    super::files::open(script).ok()?.take(LINE).read_to_end(&mut head).ok()?;
    let head = String::from_utf8_lossy(&head).into_owned();
    // A carriage return at the end of the line is a part of the name.
    let line = head.strip_prefix("#!")?.split('\n').next()?.trim_matches([' ', '\t']);
    let interpreter = line.split([' ', '\t']).next().filter(|name| !name.is_empty())?;
    let fault =
        || Fault::host(format!("cannot start {}: its interpreter {interpreter:?} is not there", script.display()));
    let hint = || format!("install it, or correct the first line of {}", script.display());
    (!Path::new(interpreter).exists()).then(|| fault().hint(hint()))
}

/// Returns the fault of a command that failed, with what it complained of.
fn failed(argv: &dyn Display, how: &str, complaint: &str, output: &str) -> Fault {
    // bhyvectl(8) complains on its standard output.
    let words = [complaint, output].into_iter().map(str::trim).find(|text| !text.is_empty());
    let said = words.map(|words| format!(": {words}")).unwrap_or_default();
    Fault::host(format!("`{argv}` failed with {how}{said}"))
}

#[cfg(test)]
impl super::corpus::Step {
    /// Returns what [`run`] makes of such a command: a query that answers as it was recorded.
    pub(crate) fn outcome(&self) -> Result<String, Fault> {
        match self.status {
            0 => Ok(self.output.clone()),
            status => Err(failed(&self.command, &format!("status {status}"), &self.complaint, &self.output)),
        }
    }
}

/// Runs a command to its end and returns its output.
pub(crate) fn run(argv: &Argv) -> Result<String, Fault> {
    Program::start(argv)?.finish()
}

/// Finds a program in PATH.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env("PATH")?;
    let executable =
        |file: &PathBuf| std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.mode() & 0o111 != 0);
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(executable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Argv {
        Argv::new("sh").args(["-c", script])
    }

    #[test]
    fn an_errand_runs_after_the_one_that_it_stands_on_and_not_at_all_when_that_fails() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("made").display().to_string();
        let errand = |script: &str, after| Errand::new(sh(script).into(), None, after);
        let first = errand(&format!("sleep 0.05; echo made > {file}"), None);
        let mut second = errand(&format!("cat {file}"), Some(first.clone()));
        second.hurry();
        assert_eq!((second.finish(), first.finish()), (Ok("made\n".into()), Ok(String::new())));

        let first = errand("echo no room; exit 1", None);
        let second = errand(&format!("rm {file}"), Some(first.clone()));
        assert_eq!(second.finish(), Ok(String::new()));
        let said = first.finish().map_err(|fault| fault.message);
        assert_eq!(said, Err("`sh -c 'echo no room; exit 1'` failed with status 1: no room".into()));
        assert!(std::fs::exists(file).unwrap());
    }

    #[test]
    fn a_chain_is_done_as_a_whole_or_what_its_first_command_made_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let made = folder.path().join("made").display().to_string();
        let chain = |second: &[&str]| Chain {
            argvs: vec![Argv::new("mkdir").arg(&made), Argv::new(second[0]).args(&second[1..])],
            made: vec![Argv::new("rmdir").arg(&made)],
            is_apart: true,
            folder: None,
        };
        let run = |chain: &Chain| Program::start_with(chain, None).unwrap().finish().map_err(|fault| fault.message);
        let refused = run(&chain(&["sh", "-c", "echo no more >&2; exit 3"]));
        assert_eq!(
            refused,
            Err(format!("`mkdir {made} && sh -c 'echo no more >&2; exit 3'` failed with status 1: no more"))
        );
        assert!(!std::fs::exists(&made).unwrap());
        assert_eq!(run(&chain(&["echo", "a b"])), Ok("a b\n".into()));
        // What was there before is not taken back.
        assert!(run(&chain(&["echo"])).is_err() && std::fs::exists(&made).unwrap());
        let argvs = ["a", "b", "c", "d"].map(Argv::new).to_vec();
        let chain = Chain { made: ["undo-a", "undo-b"].map(Argv::new).to_vec(), argvs, is_apart: true, folder: None };
        assert_eq!(chain.to_string(), "a && b && c && d");
        let line = "a || exit; b || { undo-a; exit 1; }; c || { undo-b; exit 1; }; d || { undo-b; exit 1; }";
        assert_eq!(chain.argv(), Argv::new("/bin/sh").arg("-c").arg(line));
    }
}
