//! A command that runs to its end, and what it says.

use super::child::{Child, Start};
use super::environment::env;
use super::files::reason;
use super::spawn;
use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::model::Argv;
use std::cell::Cell;
use std::fmt::{self, Display};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

/// What runs a command that only asks, and returns its output. Readers of facts are given one: [`run`] on a host, and in tests
/// what a host answered once.
pub(crate) type Query<'a> = &'a dyn Fn(&Argv) -> Result<String, Fault>;

/// A command that nobody waits for yet: to wait for each would make a start a third longer. It is run by a thread of its own, once it is hurried, or by whoever waits for it.
#[derive(Clone)]
pub(crate) struct PendingCommand {
    outcome: Arc<LazyLock<CommandResult, Box<dyn FnOnce() -> CommandResult + Send>>>,
    hurried: Cell<bool>,
}

/// What a command said, or why it failed.
type CommandResult = Result<String, Fault>;

/// How much a thread needs that starts a command and reads what it says, in bytes.
const STACK: usize = 256 << 10;

impl PendingCommand {
    /// Makes one that is to be run when what it stands on has succeeded. If that fails nothing is run, and the fault is the
    /// other's to tell.
    pub(crate) fn new(chain: Chain, holds: Option<File>, after: Option<Self>) -> Self {
        let stands = move || after.is_none_or(|command| command.outcome.is_ok());
        let run = move || if stands() { Program::run(&chain, holds.as_ref()) } else { Ok(String::new()) };
        let run: Box<dyn FnOnce() -> CommandResult + Send> = Box::new(run);
        Self { outcome: Arc::new(LazyLock::new(run)), hurried: Cell::new(false) }
    }

    /// Has it run by a thread of its own: to start a process takes whoever does it several times as long as to start a thread.
    pub(crate) fn hurry(&self) {
        if !self.hurried.replace(true) {
            let outcome = self.outcome.clone();
            std::thread::Builder::new()
                .stack_size(STACK)
                .spawn(move || outcome.is_ok())
                .may_fail("where no thread is to be had, whoever waits for the command runs it");
        }
    }

    /// Waits for its end, or runs it.
    pub(crate) fn wait(&self) {
        LazyLock::force(&self.outcome);
    }

    /// Waits for its end, and returns what it said.
    pub(crate) fn finish(self) -> CommandResult {
        (*self.outcome).clone()
    }
}

/// Commands that one child runs, each after the one before has succeeded. It goes on when we are gone, so that there is nothing
/// between the first command and the last that a kill of vmrun could leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
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
    /// Returns what takes back what was made when the command of this number, from that behind the first, is refused.
    fn made_by(&self, at: usize) -> Option<&Argv> {
        self.made.get(at).or(self.made.last())
    }

    /// Returns the number of the command that its shell had no room to start, if that is what a status says.
    fn crowded_at(&self, status: i32) -> Option<usize> {
        let at = usize::try_from(status.checked_sub(CROWDED)?).ok()?;
        (self.argvs.len() > 1 && at < self.argvs.len()).then_some(at)
    }

    /// Returns the command that does all of it.
    pub fn argv(&self) -> Argv {
        let (Some(first), Some(rest)) = (self.argvs.first(), self.argvs.get(1..).filter(|rest| !rest.is_empty()))
        else {
            return self.argvs.first().cloned().unwrap_or_else(|| Argv::new("true"));
        };
        let back = |at: usize| self.made_by(at).map_or_else(String::new, |back| format!("{back}; "));
        let fail = "s=$?; exit;";
        let or = |at: usize| if self.made.is_empty() { fail.into() } else { format!("{}s=1; exit;", back(at)) };
        // A shell that cannot fork ends at once, whatever stands behind `||`, and by its trap (dash 0.5.12; sh(1) of FreeBSD
        // comes from the same source, and was not asked).
        let rest = rest.iter().enumerate().map(|(at, argv)| {
            format!(
                "; s={}; {argv} || {{ {} }}",
                CROWDED.saturating_add(i32::try_from(at + 1).unwrap_or(i32::MAX)),
                or(at)
            )
        });
        let first = format!("trap 'exit $s' EXIT; s={CROWDED}; {first} || {{ {fail} }}");
        let line = std::iter::once(first).chain(rest).chain(["; s=0".into()]).collect::<String>();
        // By its path, as in system(3): a shell that somebody has put before it is not asked.
        Argv::new("/bin/sh").arg("-c").arg(line)
    }
}

/// The status by which the shell of a chain says that it could not start the first command; one more where that was the second,
/// and so on. No command of ours has any of them.
const CROWDED: i32 = 213;

/// A command that was started.
pub(crate) struct Program {
    /// What it does.
    chain: Chain,
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
        let start = Start { holds, is_apart: chain.is_apart, folder: chain.folder.as_deref() };
        let child = spawn::patiently(spawn::is_crowded, || Child::start(&argv, &start));
        let child = child.map_err(|error| {
            without_interpreter(Path::new(&argv.program)).unwrap_or_else(|| spawn::refused(&argv.program, &error))
        })?;
        Ok(Self { chain: chain.clone(), child })
    }

    /// Starts commands as [`Self::start_with`] does, and waits for their end; again, where their shell had no room for the first.
    pub(crate) fn run(chain: &Chain, holds: Option<&File>) -> Result<String, Fault> {
        let once = || {
            let started = Self::start_with(chain, holds).map_err(Ended::Failed)?;
            started.end()
        };
        spawn::patiently(|ended| matches!(ended, Ended::Crowded(0)), once).map_err(|ended| ended.fault(chain))
    }

    /// Waits for its end and returns its output; a status other than 0 is a fault, with what the command complained of.
    pub(crate) fn finish(self) -> Result<String, Fault> {
        let chain = self.chain.clone();
        self.end().map_err(|ended| ended.fault(&chain))
    }

    /// Does the same, and shows what it writes to its standard output as it comes; the output is not kept.
    pub(crate) fn finish_watched(mut self, mut see: impl FnMut(&[u8])) -> Result<String, Fault> {
        let mut chunk = [0; 256];
        let mut stdout = self.child.take_output();
        while let Some(from) = &mut stdout {
            match from.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => see(chunk.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                // Its end tells what it came to.
                Err(_) => break,
            }
        }
        self.finish()
    }

    fn end(self) -> Result<String, Ended> {
        let shown = self.chain.to_string();
        let output = self.child.finish();
        let output = output
            .map_err(|error| Ended::Failed(Fault::host(format!("cannot wait for `{shown}`: {}", reason(&error)))))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        if let Some(at) = output.status.code().and_then(|code| self.chain.crowded_at(code)) {
            return Err(Ended::Crowded(at));
        }
        let how = match (output.status.code(), output.status.signal()) {
            (Some(code), _) => format!("status {code}"),
            (None, signal) => format!("signal {}", signal.unwrap_or_default()),
        };
        let [complaint, said] =
            [output.stderr, output.stdout].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Err(Ended::Failed(failed(&shown, &how, &complaint, &said)))
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
    let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
    let mut interpreter = words.next()?;
    let mut is_there = Path::new(interpreter).exists();
    // env(1) finds it along PATH.
    if is_there && interpreter.ends_with("/env") {
        interpreter = words.find(|word| !word.starts_with('-') && !word.contains('='))?;
        is_there = find(interpreter).is_some();
    }
    let fault =
        || Fault::host(format!("cannot start {}: its interpreter {interpreter:?} is not there", script.display()));
    let hint = || format!("install it, or correct the first line of {}", script.display());
    (!is_there).then(|| fault().hint(hint()))
}

/// How commands ended that did not succeed.
enum Ended {
    /// One was refused.
    Failed(Fault),
    /// The shell had no room to start the one of this number.
    Crowded(usize),
}

impl Ended {
    /// Returns the fault. What the commands before have made, which their shell could not take back, is taken back.
    fn fault(self, chain: &Chain) -> Fault {
        let at = match self {
            Self::Failed(fault) => return fault,
            Self::Crowded(at) => at,
        };
        let program = chain.argvs.get(at).map_or("/bin/sh", |argv| &argv.program);
        let fault = spawn::refused(program, &spawn::crowded());
        let back = at.checked_sub(1).and_then(|before| chain.made_by(before));
        match back.map(|back| (back, run(back))) {
            Some((back, Err(_))) => stays(fault, back),
            _ => fault,
        }
    }
}

/// Adds to the fault of what was half done that its first half could not be taken back.
pub(crate) fn stays(mut fault: Fault, back: &dyn Display) -> Fault {
    fault.message = format!("{}; `{back}` was refused too, and is left to do", fault.message);
    fault
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
    fn a_pending_command_runs_after_the_one_that_it_stands_on_and_not_at_all_when_that_fails() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("made").display().to_string();
        let command = |script: &str, after| PendingCommand::new(sh(script).into(), None, after);
        let first = command(&format!("sleep 0.05; echo made > {file}"), None);
        let second = command(&format!("cat {file}"), Some(first.clone()));
        second.hurry();
        assert_eq!((second.finish(), first.finish()), (Ok("made\n".into()), Ok(String::new())));

        let first = command("echo no room; exit 1", None);
        let second = command(&format!("rm {file}"), Some(first.clone()));
        assert_eq!(second.finish(), Ok(String::new()));
        let said = first.finish().map_err(|fault| fault.message);
        assert_eq!(said, Err("`sh -c 'echo no room; exit 1'` failed with status 1: no room".into()));
        assert!(std::fs::exists(file).unwrap());
    }

    /// A shell ends at once, and by its trap, where it cannot start a program; it does so too where a file is not there that it is to read.
    /// `tests/system/chains.rs` refuses it processes.
    #[test]
    fn what_a_chain_has_made_whose_shell_ends_at_once_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let made = folder.path().join("made").display().to_string();
        let nothing = folder.path().join("nothing").display().to_string();
        let ends = Argv::new(".").arg(&nothing);
        let [mkdir, rmdir] = ["mkdir", "rmdir"].map(|program| Argv::new(program).arg(&made));
        let chain = |argvs: [&Argv; 3]| Chain {
            argvs: argvs.map(Clone::clone).to_vec(),
            made: vec![rmdir.clone()],
            is_apart: false,
            folder: None,
        };
        let yes = Argv::new("true");
        for (crowded, argvs) in [(0, [&ends, &yes, &yes]), (1, [&mkdir, &ends, &yes]), (2, [&mkdir, &yes, &ends])] {
            let chain = chain(argvs);
            let ended = Program::start_with(&chain, None).unwrap().end();
            assert!(matches!(ended, Err(Ended::Crowded(at)) if at == crowded), "{chain}");
            assert_eq!(std::fs::exists(&made).unwrap(), crowded > 0, "{chain}");
            let fault = Ended::Crowded(crowded).fault(&chain);
            assert!(!std::fs::exists(&made).unwrap(), "{chain}: {fault}");
        }
        let no = Argv::new("false");
        let fault =
            Ended::Crowded(1).fault(&Chain { made: vec![no], ..chain([&mkdir, &Argv::new("/bin/true"), &yes]) });
        let why =
            "cannot start `/bin/true`: Resource temporarily unavailable; `false` was refused too, and is left to do";
        assert_eq!(fault.message, why);
        assert!(fault.hint.unwrap().starts_with("there are as many processes and threads as there may be"));
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
        let line = "trap 'exit $s' EXIT; s=213; a || { s=$?; exit; }; s=214; b || { undo-a; s=1; exit; }; \
                    s=215; c || { undo-b; s=1; exit; }; s=216; d || { undo-b; s=1; exit; }; s=0";
        assert_eq!(chain.argv(), Argv::new("/bin/sh").arg("-c").arg(line));
    }
}
