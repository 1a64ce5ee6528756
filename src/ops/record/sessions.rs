//! The recordings of one script: the first is heard, the others, with the same answers or with other ones, are not.

use super::guards::{answer_found, questions};
use super::waits::before_boots;
use super::watched::other_texts;
use super::{RecordingFormat, Request, whole_path};
use crate::diag::{Blame, Fault};
use crate::host::standins::{self, Lines, Reach, Recorder};
use crate::import::commands_proof::deeds;
use crate::model::Argv;
use crate::ops::notice::{Notice, Notify};
use crate::recording::guests::{Before, Guests};
use crate::recording::hidden::hide;
use crate::recording::jailed::{self, JailGap, Unsaid};
use crate::recording::lost::{self, Lost};
use crate::recording::race::race;
use crate::recording::settled::settled;
use crate::recording::watched::WatchedPrograms;
use crate::recording::{Call, DAEMONS, FileState, Recording, Scenario, node_of};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

/// How many recordings are made of a script at most.
const RECORDINGS_MAX: u32 = 64;

/// How often a machine may be booted beyond the statuses that are given for its ends.
const BOOTS_MORE: usize = 7;

/// How long a recording may take that nobody hears.
const TIME_MAX: Duration = Duration::from_secs(10);

/// How much higher the numbers of processes are in the recording that looks whether something hangs on them.
const NUMBERS_MORE: usize = 95;

/// How it is found for which files a script asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tests {
    /// Its shell tells of its commands, where it can.
    Told,
    /// They are those that it names.
    Named,
}

/// Records one script, once or again and again.
pub(super) struct Sessions<'a> {
    recorder: Recorder,
    reach: Reach,
    /// What the world begins with, where nothing else is said.
    pub(super) setting: Scenario,
    timeout: Duration,
    /// Whether a recipe is to be made, in which what vmrun makes needless is left out.
    is_settled: bool,
    /// What is there for the recordings alone.
    pub(super) assumed: Vec<String>,
    notify: Notify<'a>,
    /// What was made up in one recording is usually so in the next.
    told: BTreeSet<String>,
    pub(super) left: u32,
    /// Whether there was more to record than may be.
    is_exhausted: bool,
    /// Questions, each with what a recipe calls in its place whether it finds something or not.
    tolerated: Vec<(Vec<String>, Call)>,
    /// The commands that fail the first time, as what they change is not there: the script makes it then.
    pub(super) fallen: Vec<Vec<String>>,
    /// What is told of the files for which the script waits.
    pub(super) awaited: Vec<Fault>,
    /// Questions before a boot, each with what a recipe calls in its place until it finds something.
    pub(super) waits: Vec<(Vec<String>, Call)>,
    /// The files that are there for the recordings alone, since the script boots no machine without them.
    pub(super) needed: Vec<FileState>,
    /// The texts that the script wrote while it was looked for programs, by their paths.
    pub(super) texts: BTreeMap<String, Vec<u8>>,
    /// The files that had another text the next time.
    pub(super) varying: BTreeSet<String>,
    /// How many watched programs were known to change something when that was asked last.
    pub(super) watched_before: usize,
    /// The calls of watched programs that fail where the script is recorded.
    pub(super) failing: BTreeSet<Vec<String>>,
    /// Whether the script ends processes by the shell's own kill(1).
    pub(super) ends_processes: bool,
    /// How it is found for which files the script asks.
    pub(super) tests: Tests,
    /// The machine of which alone is recorded from now on, and which calls are whose.
    guest: Option<(Rc<Guests>, String)>,
}

impl<'a> Sessions<'a> {
    pub(super) fn new(request: &Request<'_>, setting: Scenario, notify: Notify<'a>) -> Result<Self, Fault> {
        let reach = if request.anyway { Reach::Host } else { Reach::Enclosure };
        let recorder = Recorder::new(reach)?;
        let told = BTreeSet::new();
        // A script that boots its machine for ever is cut where its recordings are compared.
        let boots_max = setting.exits.len().saturating_add(BOOTS_MORE);
        let setting = if request.anyway { setting } else { Scenario { boots_max, ..setting } };
        Ok(Self {
            recorder,
            reach,
            setting,
            timeout: request.timeout,
            is_settled: request.form == RecordingFormat::Recipe,
            assumed: Vec::new(),
            notify,
            told,
            left: RECORDINGS_MAX,
            is_exhausted: false,
            tolerated: Vec::new(),
            fallen: Vec::new(),
            awaited: Vec::new(),
            waits: Vec::new(),
            needed: Vec::new(),
            texts: BTreeMap::new(),
            varying: BTreeSet::new(),
            watched_before: 0,
            failing: BTreeSet::new(),
            ends_processes: false,
            tests: Tests::Told,
            guest: None,
        })
    }

    /// Records one of several machines from now on, as if the script were its own.
    pub(super) fn go_on_with(&mut self, guests: &Rc<Guests>, name: &str) {
        self.left = RECORDINGS_MAX;
        self.waits.clear();
        self.setting.exits_of = Some(name.into());
        self.guest = Some((guests.clone(), name.into()));
    }

    /// Returns what of a recording is the machine's that is recorded.
    pub(super) fn share(&self, recording: Recording) -> Recording {
        let own = self.guest.as_ref().map(|(guests, name)| guests.share(name, &recording));
        self.tolerant(own.unwrap_or(recording))
    }

    /// Returns a recording with what a recipe calls in the place of questions.
    pub(super) fn tolerant(&self, mut recording: Recording) -> Recording {
        recording.calls.retain(|call| call.status == 0 || !self.fallen.contains(&call.argv));
        let before = before_boots(&recording).len();
        for call in recording.calls.iter_mut().take(before) {
            if let Some((_, instead)) = self.waits.iter().find(|(asked, _)| *asked == call.argv) {
                *call = Call { cwd: call.cwd.clone(), ..instead.clone() };
            }
        }
        // Where it is found the script takes it away by itself.
        for call in recording.calls.iter_mut().filter(|call| call.status != 0) {
            if let Some((_, instead)) = self.tolerated.iter().find(|(asked, _)| *asked == call.argv) {
                *call = Call { cwd: call.cwd.clone(), ..instead.clone() };
            }
        }
        recording
    }

    /// Finds the questions after which the script takes away what is there, a node or a dataset: a recipe takes it away if it is there.
    pub(super) fn tolerate(&mut self, command: &[String], usual: &Recording) -> Result<(), Fault> {
        for question in questions(&usual.calls, &[]) {
            let Some(asked) = taken_thing(&question) else { continue };
            let mut setting = self.setting.clone();
            setting.answers.push(answer_found(&question));
            let Some(other) = self.again(command, &setting)? else { return Ok(()) };
            let destroys = |call: &&Call| {
                let is_end = call.args().iter().any(|arg| arg == "--destroy")
                    || call.args().first().is_some_and(|arg| arg == "destroy");
                call.program() == question.program() && is_end && taken_thing(call) == Some(asked)
            };
            let at = other.calls.iter().position(|call| call.argv == question.argv).unwrap_or_default();
            let count = |of: &Recording| of.calls.iter().filter(destroys).count();
            let next = other.calls.iter().skip(at).take_while(|call| call.boots().is_none()).find(destroys);
            if let Some(call) = next.filter(|_| count(&other) > count(usual)) {
                self.tolerated.push((question.argv.clone(), call.clone()));
            }
        }
        Ok(())
    }

    /// Tells if the script ends by kill(1) what it has started, which the recipe starts and never ends.
    pub(super) fn left_running(&self, recording: &Recording) -> Option<Fault> {
        let is_own = |call: &&Call| DAEMONS.contains(&call.program()) && !call.reads;
        let name = recording.calls.iter().find(is_own)?.program();
        let what =
            format!("the script ends a process by `kill`, and the recipe does not: it may be `{name}`, which goes on");
        let hint = "a program that lives with the machine is `helper(#{ run: [\"dnsmasq\", \"-k\", …] })`; or end it after `.run()`";
        self.ends_processes.then(|| Fault::new(what).hint(hint))
    }

    /// Tells if what the script calls hangs on the numbers of its processes: it is recorded with the same answers, and with higher numbers.
    /// `race` is whether it calls something else each time anyway.
    pub(super) fn numbered(&mut self, command: &[String], usual: &Recording) -> Result<(Vec<Fault>, bool), Fault> {
        let other = Scenario { processes_before: NUMBERS_MORE, ..self.setting.clone() };
        let Some(other) = self.again(command, &other)? else { return Ok((Vec::new(), false)) };
        let Some(fault) = unsteady(usual, &other) else { return Ok((other_texts(usual, &other), false)) };
        let second = self.again(command, &self.setting.clone())?;
        if second.is_none_or(|second| unsteady(usual, &second).is_some()) {
            return Ok((vec![fault], true));
        }
        let line = race(usual, &other).and_then(|race| race.first).unwrap_or_default();
        let what = format!(
            "the script has the number of a process in `{}`, which is another one in each run, and the recipe has what it was",
            hide(&line)
        );
        let hint = "write a name that stays in its place: a run knows by the machine's name whether it runs already";
        // What is about a process is told by itself.
        let is_told = lost::lost(usual).iter().any(|lost| matches!(lost, Lost::Process(_)));
        Ok((if is_told { Vec::new() } else { vec![Fault::new(what).hint(hint)] }, false))
    }

    /// Tells that there was more to record than may be.
    pub(super) fn exhausted(&self) -> Option<Fault> {
        let what = format!(
            "the script asks for more than {RECORDINGS_MAX} recordings answer, and what hangs on the rest is not known"
        );
        self.is_exhausted
            .then(|| Fault::new(what).hint("let it ask for less, or record a part of it as a script of its own"))
    }

    /// Records a command with other answers, and tells what it calls otherwise there, which no recipe says.
    pub(super) fn otherwise(
        &mut self,
        command: &[String],
        setting: &Scenario,
        usual: &Recording,
        shown: &str,
    ) -> Result<Vec<Fault>, Fault> {
        match self.again(command, setting) {
            Ok(Some(other)) if other.calls.iter().any(|call| call.boots().is_some()) => {
                Ok(differing(&other, usual, shown))
            }
            Ok(_) => Ok(Vec::new()),
            Err(fault) if fault.blame == Blame::Interrupted => Err(fault),
            Err(fault) => {
                let what = format!("what the script does where {shown} is not known: {fault}");
                Ok(vec![Fault::new(what).maybe_hint(fault.hint)])
            }
        }
    }

    /// Returns the machine that the script starts before the one that is recorded.
    pub(super) fn before(&self) -> Option<Before> {
        self.guest.as_ref().and_then(|(guests, name)| guests.before(name))
    }

    /// Whether a command may be recorded more than once: what it does for real is not done twice.
    pub(super) fn is_repeatable(&self) -> bool {
        self.reach == Reach::Enclosure
    }

    /// Says something to whoever records.
    pub(super) fn notify(&mut self, notice: Notice) {
        (self.notify)(notice);
    }

    /// Records a command, and tells what it writes, what was made up for it, and what is doubtful.
    pub(super) fn heard(&mut self, command: &[String]) -> Result<Recording, Fault> {
        self.left = self.left.saturating_sub(1);
        let notify = &mut self.notify;
        let mut hear = |line: &str| notify(Notice::Printed(line.into()));
        let recording = self.recorder.record(command, &self.setting, self.timeout, (Lines::AsWritten, &mut hear))?;
        let made_up = self.assumed.iter().chain(&recording.made_up);
        let news: Vec<&str> = made_up.filter(|text| self.told.insert((*text).clone())).map(String::as_str).collect();
        if !news.is_empty() {
            self.notify(Notice::Message(format!("made up, where `--answer` says nothing: {}", news.join("; "))));
        }
        doubts(command, &recording).into_iter().for_each(|doubt| self.notify(Notice::warning(doubt)));
        Ok(self.settled(recording))
    }

    /// Records a command again, unheard. Nothing where it is not enclosed: what it does for real is not done twice; nor where there were too
    /// many recordings.
    pub(super) fn again(&mut self, command: &[String], setting: &Scenario) -> Result<Option<Recording>, Fault> {
        self.listened(command, setting, (Lines::AsWritten, &mut |_| {}))
    }

    /// Records a command again as [`Self::again`] does, and hears it by itself.
    pub(super) fn listened(
        &mut self,
        command: &[String],
        setting: &Scenario,
        heard: (Lines, &mut dyn FnMut(&str)),
    ) -> Result<Option<Recording>, Fault> {
        if !self.is_repeatable() || self.left == 0 {
            self.is_exhausted |= self.left == 0;
            return Ok(None);
        }
        self.left -= 1;
        let one = self.recorder.record(command, setting, self.timeout.min(TIME_MAX), heard)?;
        self.learn_watched(&one);
        if setting.watched == WatchedPrograms::All {
            self.learn_texts(&one);
        }
        Ok(Some(self.share(self.settled(one))))
    }

    /// Returns a recording as a recipe has what the script does to files.
    fn settled(&self, recording: Recording) -> Recording {
        let recording = Recording { varying: self.varying.clone(), ..recording };
        if self.is_settled { settled(&recording, &whole_path) } else { recording }
    }
}

/// Returns the node, or the dataset, for which a call asks or which it takes away.
fn taken_thing(call: &Call) -> Option<&str> {
    let args: Vec<&str> = call.args().iter().map(String::as_str).collect();
    if call.program() == "bhyvectl" {
        return node_of(&args);
    }
    match (call.program(), args.as_slice()) {
        ("zfs", ["list" | "get" | "destroy", .., name]) if !name.starts_with('-') => Some(name),
        _ => None,
    }
}

/// Tells what a script calls otherwise than usual in another recording, which no recipe says.
pub(super) fn differing(other: &Recording, usual: &Recording, shown: &str) -> Vec<Fault> {
    let told = |does: &str, call: &Call| {
        let line = hide(&call.command().to_string());
        Fault::new(format!("where {shown} the script {does} `{line}`, which no recipe says"))
            .hint("write it into the recipe by hand, or record where it is so")
    };
    let is_in = |of: &Recording, call: &Call| of.calls.iter().any(|there| there.argv == call.argv);
    let acts = |of: &Recording| of.calls.iter().filter(|call| !call.reads).cloned().collect::<Vec<_>>();
    let more = acts(other).into_iter().filter(|call| !is_in(usual, call)).map(|call| told("calls", &call));
    let less = acts(usual).into_iter().filter(|call| !is_in(other, call));
    more.chain(less.map(|call| told("does not call", &call))).collect()
}

/// Returns what is wrong with two recordings that have the same answers, if they differ.
pub(super) fn unsteady(first: &Recording, second: &Recording) -> Option<Fault> {
    let race = race(first, second).filter(|_| !is_same(first, second))?;
    let shown = |command: Option<String>| command.map_or("nothing more".into(), |text| format!("`{}`", hide(&text)));
    let (first, second) = (shown(race.first), shown(race.second));
    let fault = Fault::new(format!("with the same answers the script called {first} once and {second} the next time"));
    Some(fault.hint(
        "the recipe is of the first time: let what runs in the background be waited for, and what is new each time stand in the \
         recipe as a parameter",
    ))
}

/// Whether two recordings do the same: only the order of what is said of different things may be another one.
pub(super) fn is_same(first: &Recording, second: &Recording) -> bool {
    let boots = |one: &'_ Recording| -> Vec<Vec<String>> {
        one.calls.iter().filter(|call| call.boots().is_some()).map(|call| call.argv.clone()).collect()
    };
    deeds(&first.calls) == deeds(&second.calls) && boots(first) == boots(second)
}

/// Tells what a script does with a jail that no recipe says.
pub(super) fn jailed(recording: &Recording) -> Option<Fault> {
    let made = |name: &str| format!("jail: #{{ name: \"{name}\", create: true }}");
    Some(match jailed::gap(recording)? {
        JailGap::Unrecorded { jail, why } => {
            let why = unsaid(why);
            let what = format!("the script boots a machine in the jail {jail}, and it is not recorded: {why}");
            Fault::new(what).hint(format!(
                "let it be `jexec {jail} bhyve …` in a jail that is there, or have vmrun make it: `{}` in `bhyve(#{{ … }})`",
                made(&jail)
            ))
        }
        JailGap::Unnamed => {
            let what = "the script boots a machine in a jail without a name, and it is not recorded";
            Fault::new(what).hint("give it a name, as `jail -c name=web path=/ allow.vmm command=bhyve …`")
        }
        JailGap::Misnamed(fault) => {
            let fault = Fault { message: hide(&fault.message), ..fault };
            let what = format!("the script boots a machine in a jail, and it is not recorded: {fault}");
            Fault::new(what).maybe_hint(fault.hint)
        }
        JailGap::Made(name) => {
            let what =
                format!("the script makes the jail {name} for its machine, and the recipe enters one that is there");
            Fault::new(what)
                .hint(format!("write `{}`, without its `jail -c`, if it may go with the machine", made(&hide(&name))))
        }
        JailGap::Card { jail, tap } => {
            let what = format!(
                "the script has {tap} in the jail {jail}, where vmrun brings the taps of its recipes by itself"
            );
            Fault::new(what)
                .hint("leave out of the recipe what brings it there; its machine has the tap that the recipe makes")
        }
    })
}

/// Tells why no recipe says how a machine is booted in a jail.
fn unsaid(why: Unsaid) -> String {
    match why {
        Unsaid::Words(words) => {
            let shown: Vec<String> = words.iter().map(|word| format!("`{}`", hide(word))).collect();
            format!("no recipe says {}", shown.join(", "))
        }
        Unsaid::Lacks(parameter) => format!("a jail that vmrun makes has `{parameter}`, and this one has not"),
        Unsaid::Runs(program) => format!("what is run there is `{}`, and not bhyve itself", hide(&program)),
    }
}

/// Returns what a script does that its calls do not show.
pub(super) fn lost(recording: &Recording) -> Vec<Fault> {
    let told = |lost: Lost| match lost {
        Lost::Program(name) => {
            let fault = Fault::new(format!("the script calls `{}`, which is not on this host", hide(&name)));
            fault.hint("record where it is, or write into the recipe what it would do, as `run(…)`")
        }
        Lost::Left(line) => {
            let what = format!("the script leaves `{}` running, and the recipe does not start it", hide(&line));
            Fault::new(what).hint("a program that lives with the machine is `helper(#{ run: [\"…\"] })`")
        }
        Lost::Fed(line) => {
            let what = format!("what `{}` reads from a pipe is not in the recipe", hide(&line));
            Fault::new(what).hint("let the script write it into a file, and the program read that")
        }
        Lost::Pattern(path) => {
            let fault = Fault::new(format!("the script names files by `{}`, and none is there", hide(&path)));
            fault.hint("record where they are, or write their names into the recipe")
        }
        Lost::Process(line) => {
            let fault =
                Fault::new(format!("`{}` is about a process, which has another number in each run", hide(&line)));
            fault.hint("leave it out of the recipe; what bhyve may take is `vm.limits(#{ … })`")
        }
        Lost::Unsaid { path, is_named } => {
            let why = if is_named {
                "what is in it is not known, no text, another one each time, or has a password"
            } else {
                "nothing that it calls is told of it"
            };
            let fault = Fault::new(format!("the script writes {}, and the recipe does not: {why}", hide(&path)));
            fault.hint("write it into the recipe, as `write_file(…)`, or make the file once by hand")
        }
        Lost::File { path, device } => {
            let fault = Fault::new(format!("the script writes {} into {device}, and the recipe does not", hide(&path)));
            fault.hint(
                "write it into the recipe after its `mount`, as `run(\"cp\", […])`, or make the image once by hand",
            )
        }
    };
    lost::lost(recording).into_iter().map(told).collect()
}

/// Returns what is doubtful in a recording.
fn doubts(command: &[String], recording: &Recording) -> Vec<Fault> {
    let mut doubts = Vec::new();
    // The status of a last line that is bhyve's says how the guest ended, but where each status ends the script.
    let text = standins::script(command).map(|script| script.text).unwrap_or_default();
    let hands_on = ["trap ", "exit $", "exit \"$", "return $", "return \"$"].iter().any(|words| text.contains(words));
    let last = recording.calls.iter().rfind(|call| call.boots().is_some());
    let is_last = |call: &&Call| hands_on || recording.calls.last().is_some_and(|last| last.argv == call.argv);
    let is_guests = last.filter(is_last).is_some_and(|call| call.status == recording.status);
    let ends_at_once = text.contains("set -e");
    if recording.status != 0 && (!is_guests || ends_at_once) {
        let shown = hide(
            &Argv::new(command.first().map(String::as_str).unwrap_or_default())
                .args(command.iter().skip(1))
                .to_string(),
        );
        let fault = Fault::new(format!("`{shown}` ended with status {}", recording.status));
        doubts.push(fault.hint("what it would have done after that is not in the recording"));
    }
    if let Some(call) = recording.calls.iter().find(|call| call.is_lossy) {
        let fault = Fault::new(format!("`{}` was called with bytes that are no text", call.command()));
        doubts.push(fault.hint("U+FFFD stands for them"));
    }
    doubts
}
