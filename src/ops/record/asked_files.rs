//! What a script does only where a file is there, or only where it is not: each file that it asks for is there in one recording and is not
//! in another, and they are compared.

use super::guards::{find, questions};
use super::sessions::{Sessions, Tests, is_same, unsteady};
use super::untraced::Untraced;
use super::whole_path;
use crate::diag::{Blame, Fault};
use crate::host::standins::{self, Lines};
use crate::host::{Platform, environment, files};
use crate::import::recorded::{Guard, Refusal, import, with_whole_paths};
use crate::import::spread::with_configurations;
use crate::model::{Draft, Target};
use crate::recording::asked::{FileTest, file_tests, named_files};
use crate::recording::hidden::hide;
use crate::recording::merge::{Pair, align, likeness};
use crate::recording::part::{When, groups};
use crate::recording::settled::is_of_a_run;
use crate::recording::{Call, FileState, Recording, Scenario, system_files, words};
use std::collections::VecDeque;
use std::path::Path;

/// What hangs on files.
#[derive(Default)]
pub(super) struct Files {
    /// What is called only where files are there, or are not.
    pub(super) guards: Vec<Guard>,
    /// A recording for each file on which something hangs, in which it is the other way, with those that had to be so that it was asked for.
    pub(super) others: Vec<(Vec<FileState>, Recording)>,
    /// How these files are on the host on which it is recorded.
    pub(super) states: Vec<FileState>,
    /// The recording with all that is called in any of them.
    pub(super) all: Option<Recording>,
    /// What is to be known of it.
    pub(super) remarks: Vec<String>,
    /// What cannot be said in a recipe.
    pub(super) gaps: Vec<Fault>,
    /// The files that are asked for, whatever is there.
    pub(super) asked: Vec<FileTest>,
    /// Where the script boots no machine, and says why.
    pub(super) refusals: Vec<Refusal>,
}

/// A recording, and the files for which it asks.
pub(super) struct AskedFiles {
    pub(super) recording: Recording,
    pub(super) tests: Vec<FileTest>,
    /// What the script wrote, and what its shell told of its commands.
    pub(super) lines: Vec<String>,
    /// A word by which the script names a file for which it asks, of which nobody knows which it is.
    pub(super) unknown: Option<String>,
    /// The files for which it may ask without anybody telling of it.
    possible: Vec<FileTest>,
    /// Those that it may read behind `<`.
    inputs: Vec<String>,
}

/// A recording with some files the other way, and what it is the first to ask for.
struct Node {
    turned: Vec<FileState>,
    recording: Recording,
    /// Tests that the recordings before it do not have.
    news: Vec<FileTest>,
    /// All tests up to it.
    known: Vec<FileTest>,
    /// What the script wrote.
    said: Vec<String>,
}

impl Sessions<'_> {
    /// Finds what hangs on files in a recording of a command. One that is asked for only where another one is there, or is not, is tried too.
    pub(super) fn files(&mut self, command: &[String], usual: &Recording, target: Target) -> Result<Files, Fault> {
        let mut found = Files::default();
        if !self.is_repeatable() {
            return Ok(found);
        }
        let setting = self.setting.clone();
        let Some(mut asked) = self.asking(command, &setting)? else { return Ok(found) };
        // One that does something else when its shell tells of its commands reads what it tells: then nobody knows for what it asks.
        if self.tests == Tests::Told && unsteady(usual, &asked.recording).is_some() {
            self.tests = Tests::Named;
            let Some(other) = self.asking(command, &setting)? else { return Ok(found) };
            asked = other;
        }
        let AskedFiles { recording: told, mut tests, lines, unknown, possible, inputs } = asked;
        found.gaps.extend(unknown.map(|word| untold(&word)));
        found.gaps.extend(lines.iter().find_map(|line| stat_of_bsd(line).or_else(|| asked_for_more(line))));
        if unsteady(usual, &told).is_some() {
            return Ok(found);
        }
        let usual = with_whole_paths(usual, target, &whole_path);
        found.gaps.extend(self.unread(command, &usual, (&lines, &inputs), target)?);
        tests.extend(self.unasked(command, &usual, (&tests, possible), target)?);
        if tests.is_empty() {
            return Ok(found);
        }
        found.asked.clone_from(&tests);
        let root = Node {
            turned: Vec::new(),
            recording: usual.clone(),
            news: tests.clone(),
            known: tests,
            said: said(&lines),
        };
        let mut rest = VecDeque::from([root]);
        let mut idle = Vec::new();
        while let Some(node) = rest.pop_front() {
            for test in node.news.iter().filter(|test| !is_of_the_system(&test.path)) {
                let known = found.others.len();
                let next = self.turned(command, test, &mut found, &usual, &node, target)?;
                let is_idle = node.turned.is_empty() && found.others.len() == known;
                idle.extend(next.iter().filter(|_| is_idle).flat_map(|next| next.turned.clone()));
                rest.extend(next);
            }
        }
        self.several(command, (&usual, &idle), &mut found, target)?;
        for (turned, recording) in &mut found.others {
            recording.files.clone_from(&found.states);
            recording.files.retain(|state| !turned.iter().any(|other| other.path == state.path));
            recording.files.extend(turned.iter().cloned());
        }
        Ok(found)
    }

    /// Whether a file is there as far as a script may be recorded with it and without it.
    pub(super) fn is_there(&self, path: &str) -> bool {
        self.needed.iter().any(|file| file.path == path) || files::exists(Path::new(path))
    }

    /// Records a command, and returns the files that it asks for besides: as its shell tells them, else all that it may ask for.
    pub(super) fn asking(&mut self, command: &[String], setting: &Scenario) -> Result<Option<AskedFiles>, Fault> {
        let traced = standins::traced(command).filter(|_| self.tests == Tests::Told);
        let mut lines = Vec::new();
        let mut hear = |line: &str| lines.push(line.to_string());
        let heard = (Lines::ByWriter, &mut hear as &mut dyn FnMut(&str));
        let Some(recording) = self.listened(traced.as_deref().unwrap_or(command), setting, heard)? else {
            return Ok(None);
        };
        let cwd = std::env::current_dir().unwrap_or_default().display().to_string();
        let (mut unknown, mut possible, mut inputs) = (None, Vec::new(), Vec::new());
        let tests = if traced.is_some() {
            let mut tests = file_tests(&lines, &cwd);
            let untraced = Untraced::of(command, &lines, &recording);
            for test in untraced.tests(&recording) {
                if tests.iter().all(|other| other.path != test.path) {
                    tests.push(test);
                }
            }
            unknown = untraced.unknown(&tests);
            (possible, inputs) = (untraced.possible(&recording), untraced.inputs(&recording));
            tests
        } else {
            let text = standins::script(command).map(|script| script.text).unwrap_or_default();
            named_files(&text, &recording.calls)
        };
        Ok(Some(AskedFiles { recording, tests, lines, unknown, possible, inputs }))
    }

    /// Records a command with one more file the other way, and compares. A folder with all that is in it is not taken away.
    fn turned(
        &mut self,
        command: &[String],
        test: &FileTest,
        found: &mut Files,
        usual: &Recording,
        before: &Node,
        target: Target,
    ) -> Result<Option<Node>, Fault> {
        let is_there = self.is_there(&test.path);
        if is_there && files::is_folder(Path::new(&test.path)) {
            return Ok(None);
        }
        let other = FileState { is_there: !is_there, ..FileState::of(test) };
        let turned = [before.turned.as_slice(), &[other]].concat();
        let mut setting = self.setting.clone();
        turned.iter().for_each(|file| put(&mut setting, file));
        match self.asking(command, &setting) {
            Ok(Some(AskedFiles { recording, tests, lines, .. })) => {
                found.gaps.extend(turned.last().and_then(|file| self.unread_there(file, &lines)));
                let recording = with_whole_paths(&recording, target, &whole_path);
                let news: Vec<FileTest> =
                    tests.into_iter().filter(|test| before.known.iter().all(|known| known.path != test.path)).collect();
                let known = [before.known.as_slice(), &news].concat();
                let node = Node { turned, recording, news, known, said: said(&lines) };
                let is_one = found.compare(usual, before, &node, target);
                if is_one {
                    let asked = self.answers_where(command, before, &node)?;
                    found.gaps.extend(asked);
                }
                Ok(Some(node).filter(|_| is_one))
            }
            Ok(None) => Ok(None),
            Err(fault) if fault.blame == Blame::Interrupted => Err(fault),
            Err(fault) => {
                let what = format!("what the script does where {} is not known: {fault}", shown(&turned));
                found.gaps.push(Fault::new(what).maybe_hint(fault.hint));
                Ok(None)
            }
        }
    }

    /// Answers the questions the other way that are asked only where files are so.
    fn answers_where(&mut self, command: &[String], before: &Node, node: &Node) -> Result<Vec<Fault>, Fault> {
        let mut gaps = Vec::new();
        for question in questions(&node.recording.calls, &before.recording.calls) {
            let mut setting = self.setting.clone();
            node.turned.iter().for_each(|file| put(&mut setting, file));
            let shown =
                format!("{} and `{}` finds something", shown(&node.turned), hide(&question.command().to_string()));
            find(&mut setting, &question);
            gaps.extend(self.otherwise(command, &setting, &node.recording, &shown)?);
        }
        Ok(gaps)
    }
}

/// Has a file be as is said, whatever it was before in a setting.
pub(super) fn put(setting: &mut Scenario, file: &FileState) {
    let is_below =
        |path: &str| path.strip_prefix(&file.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    setting.files.retain(|other| if file.is_there { other.path != file.path } else { !is_below(&other.path) });
    setting.files.push(file.clone());
}

/// Tells of a test of which no shell told.
fn untold(word: &str) -> Fault {
    let what = format!("for which files the script asks by `{}` is not known: no shell tells of it", hide(word));
    Fault::new(what).hint(
        "record it without what sends its errors elsewhere, as `exec 2>FILE`, or compare the recipe with the script",
    )
}

/// Tells of a stat(1) that is told to speak as FreeBSD's: another one takes the format for a file.
fn stat_of_bsd(line: &str) -> Option<Fault> {
    let words = words::told(line)?;
    let is_bsds = words.first().is_some_and(|word| word == "stat") && words.iter().any(|word| word.starts_with("-f"));
    let what =
        || format!("what `{}` says is not known: this host has another stat(1) than FreeBSD", hide(&words.join(" ")));
    let hint = "record it on FreeBSD, or ask whether a file has anything in it by `[ -s FILE ]`";
    (is_bsds && environment::native_platform() != Platform::FreeBsd).then(|| Fault::new(what()).hint(hint))
}

/// Tells of a test for a link, or for which of two files is newer, as no recipe asks that.
fn asked_for_more(line: &str) -> Option<Fault> {
    let words = words::told(line)?;
    let is_test = words.first().is_some_and(|word| ["[", "[[", "test"].contains(&word.as_str()));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let state = words.windows(3).find_map(|three| match three {
        [_, "-L" | "-h", path] if !["]", "]]"].contains(path) => Some(format!("{} is a link", hide(path))),
        [one, "-nt", other] => Some(format!("{} is newer than {}", hide(one), hide(other))),
        [one, "-ot", other] => Some(format!("{} is older than {}", hide(one), hide(other))),
        _ => None,
    })?;
    let what = format!("what the script does where {state} is not known");
    is_test.then(|| Fault::new(what).hint("ask by `[ -e FILE ]` in the script, or write the condition into the recipe"))
}

/// Returns what a script wrote, among what its shell told of its commands.
fn said(lines: &[String]) -> Vec<String> {
    lines.iter().filter(|line| !line.starts_with('+') && !line.trim().is_empty()).cloned().collect()
}

/// Says how files are.
pub(super) fn shown(files: &[FileState]) -> String {
    files.iter().map(FileState::shown).collect::<Vec<_>>().join(" and ")
}

/// Whether a path is of the kernel, which says by itself what is there, or one that each FreeBSD has.
pub(super) fn is_of_the_system(path: &str) -> bool {
    system_files::content(path).is_some()
        || ["/proc/", "/sys/", "/dev/fd/"].iter().any(|folder| path.starts_with(folder))
        || ["/dev/null", "/dev/tty", "/dev/zero", "/dev/stdin"].contains(&path)
}

/// Whether two recordings change the same, in the same order where that matters: the order of what runs in the background is chance.
pub(super) fn has_same_acts(first: &Recording, second: &Recording) -> bool {
    let acts = |recording: &Recording| -> Vec<Vec<String>> {
        recording.calls.iter().filter(|call| !call.reads).map(|call| call.argv.clone()).collect()
    };
    let (mut ours, mut theirs) = (acts(first), acts(second));
    if ours == theirs {
        return true;
    }
    ours.sort();
    theirs.sort();
    ours == theirs && is_same(first, second)
}

impl Files {
    /// Compares a recording with the one before it, and returns whether it boots a machine that a recipe may have beside that one's.
    fn compare(&mut self, usual: &Recording, before: &Node, node: &Node, target: Target) -> bool {
        let boots = |recording: &Recording| recording.calls.iter().any(|call| call.boots().is_some());
        if has_same_acts(&before.recording, &node.recording) {
            return true;
        }
        let Some(last) = node.turned.last() else { return false };
        if last.is_there
            && usual.has_node(&last.path)
            && has_same_acts(&clear(&before.recording), &clear(&node.recording))
        {
            return true;
        }
        if !boots(&node.recording) {
            // That one of its files is missing bhyve says, and vmrun before it; and vmrun knows what runs.
            if last.is_there && (is_of_a_run(&last.path) || usual.has_node(&last.path)) {
                let path = hide(&last.path);
                let remark =
                    format!("Where {path} is there the script takes its machine to run; vmrun knows that by itself.");
                self.remarks.push(remark);
            } else if !is_a_machines(usual, &last.path, target) {
                self.refuse(usual, before, node);
            }
            return false;
        }
        let base = self.all.clone().unwrap_or_else(|| usual.clone());
        let Some(all) = together(&base, &node.recording, target) else {
            let what = format!("where {} the script boots another machine than the recipe", shown(&node.turned));
            let hint = "let two recipes be made of it, or write `if exists(\"…\")` around both";
            self.gaps.push(Fault::new(what).hint(hint));
            return false;
        };
        self.all = Some(all);
        self.know(&node.turned);
        self.others.push((node.turned.clone(), node.recording.clone()));
        self.learn(before, node, last);
        true
    }

    /// Has the recipe refuse to boot its machine where the script does. One that does something else there no recipe says.
    fn refuse(&mut self, usual: &Recording, before: &Node, node: &Node) {
        let is_usual = |call: &Call| usual.calls.iter().any(|other| other.argv == call.argv);
        if !node.recording.calls.iter().all(|call| call.reads || is_usual(call)) {
            let what = format!(
                "where {} the script boots no machine and does something else, and the recipe boots it",
                shown(&node.turned)
            );
            self.gaps.push(Fault::new(what).hint("let that be a recipe of its own, under `if exists(\"…\")`"));
            return;
        }
        // Where a recipe is looked at without its host, each file is taken to be there.
        let Some(last) = node.turned.last().filter(|last| !last.is_there) else {
            let what = format!("where {} the script boots no machine, and the recipe does", shown(&node.turned));
            self.gaps.push(Fault::new(what).hint("write `if exists(\"…\") { throw \"…\"; }` into the recipe"));
            return;
        };
        let state = last.shown();
        self.know(&node.turned);
        let said = node.said.iter().rev().find(|line| !before.said.contains(line)).map(|line| hide(line.trim()));
        let message =
            said.map_or_else(|| state.clone(), |said| format!("{}: {state}", said.trim_end_matches(['.', ':', '!'])));
        let files = node.turned.iter().map(|file| (file.path.clone(), file.is_there)).collect();
        self.refusals.push(Refusal { files, message, when: When::Always });
    }

    /// Knows how files are on this host.
    fn know(&mut self, turned: &[FileState]) {
        for file in turned {
            if !self.states.iter().any(|state| state.path == file.path) {
                self.states.push(FileState { is_there: !file.is_there, ..file.clone() });
            }
        }
    }

    /// Learns what is called in one of two recordings alone. Where that is not all, the proof tells.
    fn learn(&mut self, before: &Node, node: &Node, last: &FileState) {
        let condition = |file: &FileState| (file.path.clone(), file.is_there);
        let all: Vec<(String, bool)> = node.turned.iter().map(condition).collect();
        let usually = (last.path.clone(), !last.is_there);
        let (gone, come) = alone(&before.recording, &node.recording);
        for what in come {
            if !self.guards.iter().any(|guard| guard.what == what) {
                self.guards.push(Guard { what, files: all.clone(), is_otherwise: false });
            }
        }
        for what in gone {
            match self.guards.iter_mut().find(|guard| guard.what == what) {
                Some(guard) if !guard.is_otherwise && !guard.files.iter().any(|(path, _)| *path == last.path) => {
                    guard.files.push(usually.clone());
                }
                Some(_) => {}
                None if before.turned.is_empty() => {
                    self.guards.push(Guard { what, files: vec![usually.clone()], is_otherwise: false });
                }
                None => self.guards.push(Guard { what, files: all.clone(), is_otherwise: true }),
            }
        }
    }
}

/// Returns a recording in which no node is taken away of a machine that was booted: vmrun does so by itself.
fn clear(recording: &Recording) -> Recording {
    let booted = recording.calls.iter().position(|call| call.boots().is_some()).unwrap_or_default();
    let destroys = |call: &Call| call.program() == "bhyvectl" && call.args().iter().any(|arg| arg == "--destroy");
    let kept = recording.calls.iter().enumerate().filter(|(at, call)| *at < booted || !destroys(call));
    Recording { calls: kept.map(|(_, call)| call.clone()).collect(), ..recording.clone() }
}

/// Returns what is called in the first of two recordings alone, and in the second: commands, and arguments of bhyve's.
fn alone(first: &Recording, second: &Recording) -> (Vec<Vec<String>>, Vec<Vec<String>>) {
    let (left, right): (Vec<&Call>, Vec<&Call>) = (first.calls.iter().collect(), second.calls.iter().collect());
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    for pair in align(&left, &right, |a, b| likeness(a, b)) {
        match pair {
            Pair::Left(call) => gone.push(call.argv.clone()),
            Pair::Right(call) => come.push(call.argv.clone()),
            Pair::Both(left, right) => {
                drop(both(
                    left,
                    right,
                    |words, is_left| {
                        if is_left { gone.push(words.to_vec()) } else { come.push(words.to_vec()) }
                    },
                ))
            }
        }
    }
    (gone, come)
}

/// Returns a recording with what is called in both. Nothing where the two machines are none together.
fn together(base: &Recording, other: &Recording, target: Target) -> Option<Recording> {
    let (left, right): (Vec<&Call>, Vec<&Call>) = (base.calls.iter().collect(), other.calls.iter().collect());
    let calls = align(&left, &right, |a, b| likeness(a, b)).into_iter().map(|pair| match pair {
        Pair::Left(call) | Pair::Right(call) => (*call).clone(),
        Pair::Both(left, right) => both(left, right, |_, _| {}),
    });
    let all = Recording { calls: calls.collect(), ..base.clone() };
    let drafts = drafts(&all, target)?;
    let is_part = |other: &Recording| {
        let others = self::drafts(other, target).unwrap_or_default();
        others.len() == drafts.len() && others.iter().zip(&drafts).all(|(one, all)| differs_in_slots_alone(one, all))
    };
    (is_part(base) && is_part(other)).then_some(all)
}

/// Returns a call with the arguments of two, and tells which are those of one of them alone: the first, or not.
fn both(left: &Call, right: &Call, mut tell: impl FnMut(&[String], bool)) -> Call {
    let mut argv = vec![left.program().to_string()];
    let (ours, theirs) = (groups(left.program(), left.args()), groups(right.program(), right.args()));
    for pair in align(&ours, &theirs, |a, b| usize::from(a == b)) {
        let (words, is_left) = match pair {
            Pair::Both(words, _) => (words, None),
            Pair::Left(words) => (words, Some(true)),
            Pair::Right(words) => (words, Some(false)),
        };
        is_left.into_iter().for_each(|is_left| tell(words, is_left));
        argv.extend(words.iter().cloned());
    }
    Call { argv, ..left.clone() }
}

/// Returns the machines that are booted. Nothing where one of them is none.
fn drafts(recording: &Recording, target: Target) -> Option<Vec<Draft>> {
    let recording = with_configurations(recording);
    let boots = recording.calls.iter().filter(|call| call.boots().is_some());
    boots.map(|call| Some(import(call.args(), target).ok()?.draft)).collect()
}

/// Whether a machine is another one without some of its slots.
fn differs_in_slots_alone(one: &Draft, all: &Draft) -> bool {
    let mut rest = all.clone();
    rest.slots.retain(|slot, _| one.slots.contains_key(slot));
    rest == *one
}

/// Whether a file is one of a machine that is booted.
fn is_a_machines(recording: &Recording, path: &str, target: Target) -> bool {
    let recording = with_configurations(recording);
    let boots = recording.calls.iter().filter(|call| call.boots().is_some());
    let mut drafts = boots.filter_map(|call| import(call.args(), target).ok()).map(|import| import.draft);
    drafts.any(|mut draft| {
        draft.paths_mut().into_iter().any(|(_, of)| path.ends_with(of.as_str().trim_start_matches("./")))
    })
}

impl FileState {
    /// A file of the kind for which is asked, which is not there.
    pub(super) fn of(test: &FileTest) -> Self {
        Self { path: test.path.clone(), is_there: false, is_folder: test.is_folder, is_socket: test.is_socket }
    }

    /// Says how it is.
    pub(super) fn shown(&self) -> String {
        format!("{} {}", hide(&self.path), if self.is_there { "is there" } else { "is not there" })
    }
}
