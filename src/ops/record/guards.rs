//! What a script does only where something is missing, or only where it is there: each question that found nothing is answered the other
//! way, and the recordings are compared.

use super::asked_files::AskedFiles;
use super::ends::hangs_on_status;
use super::sessions::Sessions;
use crate::diag::{Blame, Fault, suggest};
use crate::import::commands_proof::deeds;
use crate::model::Argv;
use crate::recording::asked::FileTest;
use crate::recording::hidden::hide;
use crate::recording::{Call, FileState, Prepared, Recording, Scenario, merge, words};
use std::collections::VecDeque;

/// Programs that tell of disks, pools and images.
const OF_STORAGE: &[&str] = &["fstyp", "geom", "glabel", "gmirror", "gpart", "qemu-img", "zfs", "zpool"];

/// What hangs on answers.
#[derive(Default)]
pub(super) struct Guards {
    /// The commands that are called only where something is missing.
    pub(super) missing: Vec<String>,
    /// Those of them that hang on what is gone when the host starts anew: a node, a process, a jail.
    pub(super) passing: Vec<String>,
    /// What cannot be said in a recipe.
    pub(super) gaps: Vec<Fault>,
}

/// A recording in which some questions find something, and those that it is the first to ask.
struct Node {
    answered: Vec<Call>,
    recording: Recording,
    news: Vec<Call>,
}

impl Sessions<'_> {
    /// Answers each question of a recording that found nothing the other way, and those that are asked only then. `asked` are the files that
    /// are asked for in any case.
    pub(super) fn guards(
        &mut self,
        command: &[String],
        usual: &Recording,
        asked: &[FileTest],
    ) -> Result<Guards, Fault> {
        let mut guards = Guards::default();
        if !self.is_repeatable() || !hangs_on_status(command) {
            return Ok(guards);
        }
        let root = Node { answered: Vec::new(), recording: usual.clone(), news: questions(&usual.calls, &[]) };
        let mut rest = VecDeque::from([root]);
        while let Some(node) = rest.pop_front() {
            for question in &node.news {
                rest.extend(self.answered(command, question, &node, &mut guards, asked)?);
            }
        }
        self.listed(command, usual, &mut guards)?;
        guards.gaps.extend(self.lacking(command, usual)?);
        Ok(guards)
    }

    /// Tells what the script does where a disk, a pool or an image is not there of which it asks: nobody knows what a stand-in would say of it, and
    /// it has taken it to be there.
    fn lacking(&mut self, command: &[String], usual: &Recording) -> Result<Vec<Fault>, Fault> {
        let mut asked: Vec<&Call> = Vec::new();
        // Each pool is taken to be there, and its size is made up.
        let is_taken = |call: &&Call| call.output.trim().is_empty() || call.program() == "zpool";
        for call in usual.calls.iter().filter(|call| call.reads && call.status == 0).filter(is_taken) {
            if OF_STORAGE.contains(&call.program()) && !asked.iter().any(|other| other.argv == call.argv) {
                asked.push(call);
            }
        }
        let mut gaps = Vec::new();
        for call in asked {
            let mut setting = self.setting.clone();
            // Whoever waits for it has it the next time.
            let fails = Prepared { words: call.argv.clone(), status: 1, times: Some(1), ..Prepared::default() };
            setting.answers.push(fails);
            let shown = format!("`{}` finds nothing", hide(&call.command().to_string()));
            gaps.extend(self.otherwise(command, &setting, usual, &shown)?);
        }
        Ok(gaps)
    }

    /// Has the interfaces be there that the script makes by their names, where it has asked which there are.
    fn listed(&mut self, command: &[String], usual: &Recording, guards: &mut Guards) -> Result<(), Fault> {
        let is_list = |call: &Call| call.program() == "ifconfig" && matches!(call.args(), [] | [_]) && call.reads;
        let asked = usual.calls.iter().position(|call| is_list(call) && call.status == 0);
        let later = usual.calls.iter().skip(asked.unwrap_or(usual.calls.len()));
        let is_numbered = |name: &&str| name.ends_with(|c: char| c.is_ascii_digit());
        let names: Vec<String> = later.filter_map(made).filter(is_numbered).map(String::from).collect();
        let Some(question) = asked.and_then(|at| usual.calls.get(at)).filter(|_| !names.is_empty()) else {
            return Ok(());
        };
        let mut setting = self.setting.clone();
        for name in &names {
            setting.interfaces += &interface(name);
        }
        let shown = format!("`{}` has {}", question.command(), suggest::list(names.iter().map(String::as_str)));
        match self.again(command, &setting) {
            Ok(None) => {}
            Ok(Some(recording)) => {
                let before = Node { answered: Vec::new(), recording: usual.clone(), news: Vec::new() };
                let node = Node { answered: vec![question.clone()], recording, news: Vec::new() };
                guards.compare(&shown, &before, &node);
            }
            Err(fault) if fault.blame == Blame::Interrupted => return Err(fault),
            Err(fault) => {
                let what = format!("what the script does where {shown} is not known: {fault}");
                guards.gaps.push(Fault::new(what).maybe_hint(fault.hint));
            }
        }
        Ok(())
    }

    /// Records a command with one more question that finds something, and compares.
    fn answered(
        &mut self,
        command: &[String],
        question: &Call,
        before: &Node,
        guards: &mut Guards,
        asked: &[FileTest],
    ) -> Result<Option<Node>, Fault> {
        let answered = [before.answered.as_slice(), std::slice::from_ref(question)].concat();
        let mut setting = self.setting.clone();
        answered.iter().for_each(|question| find(&mut setting, question));
        let shown = shown(&answered);
        match self.asking(command, &setting) {
            Ok(Some(AskedFiles { recording, tests, .. })) => {
                let news = questions(&recording.calls, &before.recording.calls);
                let node = Node { answered, recording, news };
                let known = guards.gaps.len();
                guards.compare(&shown, before, &node);
                // What is asked then is asked of another machine.
                if guards.gaps.len() > known {
                    return Ok(None);
                }
                for test in tests.iter().filter(|test| asked.iter().all(|known| known.path != test.path)) {
                    let other = FileState { is_there: !self.is_there(&test.path), ..FileState::of(test) };
                    let shown = format!("{shown} and {}", other.shown());
                    let mut setting = setting.clone();
                    setting.files.push(other);
                    guards.gaps.extend(self.otherwise(command, &setting, &node.recording, &shown)?);
                }
                Ok(Some(node))
            }
            Ok(None) => Ok(None),
            Err(fault) if fault.blame == Blame::Interrupted => Err(fault),
            Err(fault) => {
                let what = format!("what the script does where {shown} is not known: {fault}");
                guards.gaps.push(Fault::new(what).maybe_hint(fault.hint));
                Ok(None)
            }
        }
    }
}

/// Whether two recordings boot the same machines, with the same arguments.
fn has_same_machines(one: &Recording, other: &Recording) -> bool {
    let booted = |recording: &'_ Recording| -> Vec<Vec<String>> {
        let boots = recording.calls.iter().filter(|call| call.boots().is_some());
        let mut all: Vec<Vec<String>> = boots.map(|call| call.argv.clone()).collect();
        all.sort();
        all.dedup();
        all
    };
    booted(one) == booted(other)
}

/// Says that questions find something.
fn shown(answered: &[Call]) -> String {
    let asked: Vec<String> = answered.iter().map(|call| format!("`{}`", hide(&call.command().to_string()))).collect();
    let finds = if asked.len() == 1 { "finds" } else { "find" };
    format!("{} {finds} something", suggest::list(asked.iter().map(String::as_str)))
}

/// Returns the questions of a recording that found nothing and that are not in another one, each once.
pub(super) fn questions(calls: &[Call], others: &[Call]) -> Vec<Call> {
    let mut all: Vec<Call> = Vec::new();
    for call in calls.iter().filter(|call| call.reads && call.status != 0) {
        if !all.iter().chain(others).any(|other| other.argv == call.argv) {
            all.push(call.clone());
        }
    }
    all
}

/// Has a question find something. An interface is there then for whatever else is asked and made.
pub(super) fn find(setting: &mut Scenario, question: &Call) {
    match question.args() {
        [name] if question.program() == "ifconfig" && !name.starts_with('-') => setting.interfaces += &interface(name),
        _ => setting.answers.push(answer_found(question)),
    }
}

/// Returns the answer to a question that finds something.
pub(super) fn answer_found(question: &Call) -> Prepared {
    Prepared { words: question.argv.clone(), text: found(question), ..Prepared::default() }
}

impl Guards {
    fn compare(&mut self, shown: &str, before: &Node, node: &Node) {
        let (usual, other) = (&before.recording, &node.recording);
        // One that gives up there does nothing that a recipe could say.
        if !other.calls.iter().any(|call| call.boots().is_some()) {
            return;
        }
        if !has_same_machines(usual, other) {
            let fault = Fault::new(format!("where {shown} the script boots another machine than the recipe"));
            self.gaps.push(fault.hint("record where it is so, with what it finds there by `--answer`"));
            return;
        }
        let is_there = |call: &Call| other.calls.iter().any(|there| there.argv == call.argv);
        let missing = usual.calls.iter().filter(|call| !call.reads && !is_there(call));
        let missing = missing.map(|call| call.command().to_string()).filter(|line| !self.missing.contains(line));
        if before.answered.is_empty() {
            let missing: Vec<String> = missing.collect();
            if node.answered.iter().all(|question| ["jls", "ngctl", "pgrep"].contains(&question.program())) {
                self.passing.extend(missing.iter().cloned());
            }
            self.missing.extend(missing);
        } else {
            let told = |line: String| {
                let what = format!("where {shown} the script does not call `{}`, and the recipe does", hide(&line));
                Fault::new(what).hint("write it into the recipe under a condition, or record where it is so")
            };
            self.gaps.extend(missing.map(told).collect::<Vec<_>>());
        }
        let calls =
            |recording: &Recording| -> Vec<Call> { merge(recording, None).into_iter().map(|step| step.call).collect() };
        let (_, more) = deeds(&calls(usual)).differences(&deeds(&calls(other)));
        let made: Vec<&str> = usual.calls.iter().filter_map(made).collect();
        // It is set up where it is there too, by a line of its own.
        let is_set_up = |line: &String| {
            let said = words::split(line).unwrap_or_default();
            let [program, name, said @ ..] = said.as_slice() else { return false };
            let sets_up = |call: &Call| {
                let args = call.args();
                call.program() == "ifconfig"
                    && args.first() == Some(name)
                    && args.get(1).is_some_and(|word| word != "create")
                    && args.windows(said.len()).any(|words| words == said)
            };
            program == "ifconfig"
                && made.contains(&name.as_str())
                && !said.is_empty()
                && usual.calls.iter().any(sets_up)
        };
        let is_own_end =
            |line: &String| made.iter().any(|name| *line == Argv::new("ifconfig").arg(name).arg("destroy").to_string());
        // What it finds, and would have made itself, it takes away at its end all the same: vmrun leaves what it has not made.
        for line in more.into_iter().filter(|line| !is_own_end(line) && !is_set_up(line)) {
            let fault =
                Fault::new(format!("where {shown} the script calls `{}`, and the recipe never does", hide(&line)));
            self.gaps.push(fault.hint(
                "record where it is there, by `--answer`, or write it into the recipe, in `try { … } catch { }`",
            ));
        }
    }
}

/// Returns the interface that a call makes: by the name that it gives, or that the kernel gave and the call printed.
pub(super) fn made(call: &Call) -> Option<&str> {
    let is_made = call.program() == "ifconfig" && call.args().get(1).is_some_and(|word| word == "create");
    let printed = Some(call.output.trim()).filter(|name| !name.is_empty() && !name.contains(char::is_whitespace));
    printed.or_else(|| call.args().first().map(String::as_str)).filter(|_| is_made)
}

/// What a question is answered that finds something.
fn found(question: &Call) -> String {
    let name = question.args().last().map(String::as_str).unwrap_or_default();
    if question.program() == "pgrep" {
        return "4711\n".into();
    }
    if question.program() != "ifconfig" {
        return format!("{name}\n");
    }
    interface(question.args().iter().find(|word| !word.starts_with('-')).map_or(name, String::as_str))
}

/// What ifconfig(8) prints of an interface that is there.
fn interface(name: &str) -> String {
    format!("{name}: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500\n")
}
