//! What is known of what a script does, from all its recordings together.

use super::asked_files::{Files, shown};
use super::ends::Course;
use super::guards::Guards;
use super::sessions::{Sessions, jailed, lost};
use super::tolerance::Tolerance;
use super::{Request, filled};
use crate::diag::{Diagnostic, Fault, suggest};
use crate::import::recorded::{Flow, Guard, Refusal};
use crate::model::Target;
use crate::ops::proof;
use crate::ops::proof::boots::{self, Ends};
use crate::recording::ends::POWERED_OFF;
use crate::recording::hidden::hide;
use crate::recording::merge::{after_crash, between, each_boot};
use crate::recording::part::When;
use crate::recording::{Again, FileState, Recording, again, words};
use crate::script::Recipe;
use std::rc::Rc;

/// What is known of a script beside its first recordings.
#[derive(Default)]
pub(super) struct Known {
    pub(super) flow: Flow,
    /// As it is usually run; nothing where it was recorded but once.
    usual: Option<Way>,
    /// As it initializes, where that is another way.
    initial: Option<Way>,
    /// What could not be derived, unless the proof shows that it is the same.
    pub(super) doubt: Option<Fault>,
}

/// One of the two ways in which a script is run.
struct Way {
    course: Course,
    files: Files,
}

impl Way {
    /// Has each recording know how the files were on which something hangs.
    fn with_files(mut self) -> Self {
        self.course.ends.iter_mut().for_each(|(_, recording)| recording.files.clone_from(&self.files.states));
        self
    }

    /// Compares the recipe with the recordings in which a file is the other way.
    fn where_files_are_otherwise(
        &self,
        recipe: &Rc<Recipe>,
        init: bool,
        proof: &Proof<'_>,
    ) -> Result<Vec<String>, Vec<Diagnostic>> {
        let mut all = Vec::new();
        for (turned, recording) in &self.files.others {
            let recordings = [(POWERED_OFF, (proof.whole)(recording))];
            let way = Ends { init, recordings: &recordings };
            let lines = boots::differences(recipe, proof.target, &[way], proof.once)?;
            let shown = shown(turned);
            let line = |line: String| {
                let line = line.trim_start_matches("after bhyve's status 1 ");
                format!("where {shown}, {line}")
            };
            all.extend(lines.into_iter().map(line));
        }
        Ok(all)
    }
}

impl Way {
    /// Tells where the script boots no machine and the recipe does.
    fn without_refusal(&self, recipe: &Recipe, init: bool, proof: &Proof<'_>) -> impl Iterator<Item = String> {
        let off = self.course.end(POWERED_OFF).map(proof.whole).unwrap_or_default();
        let boots = move |refusal: &&Refusal| {
            let mut there = off.clone();
            for (path, is_there) in &refusal.files {
                there.files.retain(|file| file.path != *path);
                there.files.push(FileState { path: path.clone(), is_there: *is_there, ..FileState::default() });
            }
            !proof::refuses(recipe, proof.target, &there, init, &refusal.message)
        };
        let told = |refusal: &Refusal| format!("{}, and the recipe boots the machine all the same", refusal.message);
        self.files.refusals.iter().filter(boots).map(told).collect::<Vec<_>>().into_iter()
    }
}

/// What a proof is told beside its recipe.
struct Proof<'a> {
    target: Target,
    whole: &'a dyn Fn(&Recording) -> Recording,
    once: &'a [String],
}

impl Known {
    /// What is known where nothing is but that.
    pub(super) fn of(flow: Flow) -> Self {
        Self { flow, ..Self::default() }
    }

    /// Returns the recordings with all that is called whichever files are there, with and without what initializes.
    pub(super) fn together<'a>(
        &'a self,
        with: &'a Recording,
        without: Option<&'a Recording>,
    ) -> (&'a Recording, Option<&'a Recording>) {
        let all = |way: &'a Option<Way>, one: &'a Recording| {
            way.as_ref().and_then(|way| way.files.all.as_ref()).unwrap_or(one)
        };
        match without {
            None => (all(&self.usual, with), None),
            Some(without) => (all(&self.initial, with), Some(all(&self.usual, without))),
        }
    }

    /// Compares the recipe boot by boot with what was recorded of each end, and of each file. Where something is not known of the script there
    /// is nothing to compare with.
    pub(super) fn boot_by_boot(
        &self,
        text: &str,
        target: Target,
        whole: &dyn Fn(&Recording) -> Recording,
    ) -> Result<Vec<String>, Vec<Diagnostic>> {
        let Some(usual) = self.usual.as_ref().filter(|_| self.flow.gaps.is_empty()) else { return Ok(Vec::new()) };
        let recipe = Rc::new(Recipe::parse("the recipe", text)?);
        let first = self.initial.as_ref().unwrap_or(usual);
        let all = |way: &Way| way.course.ends.iter().map(|(status, one)| (*status, whole(one))).collect::<Vec<_>>();
        let (recorded, initial) = (all(usual), all(first));
        let ways = [Ends { init: true, recordings: &initial }, Ends { init: false, recordings: &recorded }];
        let proof = Proof { target, whole, once: &self.flow.missing };
        let mut lines = boots::differences(&recipe, target, &ways, proof.once)?;
        for line in [
            first.where_files_are_otherwise(&recipe, true, &proof)?,
            usual.where_files_are_otherwise(&recipe, false, &proof)?,
        ]
        .concat()
        {
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        lines.extend(first.without_refusal(&recipe, true, &proof).chain(usual.without_refusal(&recipe, false, &proof)));
        lines.dedup();
        Ok(lines)
    }
}

impl Request<'_> {
    /// Finds what the script does after its boots, and what hangs on answers and files: by recordings with other ones where it may be repeated,
    /// else in what was heard.
    pub(super) fn flow(
        &self,
        sessions: &mut Sessions<'_>,
        with: &mut Recording,
        without: Option<&mut Recording>,
        (gaps, is_race): (&mut Vec<Fault>, bool),
    ) -> Result<Known, Fault> {
        let args = self.init_args.map(words::split).transpose()?;
        let command = filled(self.command, &[]);
        // Two recordings that differ with the same answers would differ with others too, and that would say nothing of these.
        let usual =
            if is_race { None } else { self.way(sessions, &command, without.as_deref().unwrap_or(with), gaps)? };
        gaps.extend(lost(with));
        gaps.extend(sessions.left_running(with));
        gaps.extend(jailed(with));
        let Some(usual) = usual else {
            return Ok(Known::of(of_one(with, without.as_deref(), gaps, sessions)));
        };
        let (guards, tolerance) = answered(sessions, &command, without.as_deref().unwrap_or(with), &usual, gaps)?;
        let initial = match (&args, &without) {
            (Some(args), Some(_)) => self.way(sessions, &filled(self.command, args), with, gaps)?,
            _ => None,
        };
        let first = initial.as_ref().unwrap_or(&usual);
        with.restarts = Some(first.course.restarts.0.clone());
        with.files.clone_from(&first.files.states);
        let plain = without.map(|without| {
            without.restarts = Some(usual.course.restarts.0.clone());
            without.files.clone_from(&usual.files.states);
            &*without
        });
        gaps.extend(sessions.exhausted());
        gaps.extend(torn(&usual.course, initial.as_ref().map(|way| &way.course)));
        let reboot = first.course.end(0);
        let again = reboot.map_or_else(|| again(with, plain), |reboot| again(reboot, plain));
        // After a reboot vmrun does what the script does without what initializes.
        let is_own = again == Again::Otherwise || again == Again::Same && plain.is_some();
        let mut doubt = is_own.then(way_of_its_own);
        // Where something else is not known there is no proof boot by boot.
        if !gaps.is_empty() {
            gaps.extend(doubt.take());
        }
        let flow = Flow {
            again: if is_own { Again::AsWithout } else { again },
            on: Some(usual.course.restarts.words()),
            bounds: usual.course.bounds.clone(),
            after: sessions.before(),
            remarks: [usual.files.remarks.clone(), needless(with, plain)].concat(),
            missing: guards.missing,
            passing: guards.passing,
            tolerated: tolerance.tolerated,
            instead: tolerance.instead,
            each_boot: reboot.map(each_boot).unwrap_or_default(),
            between: reboot.map(between).unwrap_or_default(),
            guards: all_guards(&usual, initial.as_ref()),
            refusals: refusals(&usual, initial.as_ref()),
            gaps: gaps.iter().map(|gap| gap.message.clone()).collect(),
        };
        Ok(Known { flow, usual: Some(usual), initial, doubt })
    }

    /// Records one way of a script with each end, and with each file there and not.
    fn way(
        &self,
        sessions: &mut Sessions<'_>,
        command: &[String],
        heard: &Recording,
        gaps: &mut Vec<Fault>,
    ) -> Result<Option<Way>, Fault> {
        let Some(course) = sessions.course(command, heard)? else { return Ok(None) };
        let files = sessions.files(command, heard, self.target())?;
        for gap in course.gaps.iter().chain(&files.gaps) {
            if !gaps.contains(gap) {
                gaps.push(gap.clone());
            }
        }
        Ok(Some(Way { course, files }.with_files()))
    }
}

/// Finds what hangs on answers, and after which failures the script goes on.
fn answered(
    sessions: &mut Sessions<'_>,
    command: &[String],
    recording: &Recording,
    usual: &Way,
    gaps: &mut Vec<Fault>,
) -> Result<(Guards, Tolerance), Fault> {
    let mut guards = sessions.guards(command, recording, &usual.files.asked)?;
    gaps.append(&mut guards.gaps);
    let mut tolerance = sessions.going_on(command, recording)?;
    gaps.append(&mut tolerance.gaps);
    gaps.extend(sessions.hanging(command, recording)?);
    gaps.extend(sessions.hanging_on_contents(command, recording)?);
    gaps.extend(sessions.loading(command, recording)?);
    gaps.extend(sessions.hanging_on_globs(command, recording)?);
    Ok((guards, tolerance))
}

/// Returns what is known of a script that was recorded but once.
fn of_one(with: &Recording, without: Option<&Recording>, gaps: &[Fault], sessions: &Sessions<'_>) -> Flow {
    Flow {
        again: again(with, without),
        on: after_crash(with).then(|| vec!["reboot", "crash"]),
        gaps: gaps.iter().map(|gap| gap.message.clone()).collect(),
        after: sessions.before(),
        remarks: needless(with, without),
        ..Flow::default()
    }
}

/// How many commands a remark names.
const NAMED_MAX: usize = 8;

/// Says what of a script the recipe does not do: what it does to files that vmrun makes needless, and what only tells people something.
fn needless(with: &Recording, without: Option<&Recording>) -> Vec<String> {
    let both = || [Some(with), without].into_iter().flatten();
    let files = commands(both().flat_map(|recording| recording.needless.clone()));
    let told = commands(both().flat_map(|recording| recording.told.clone()));
    let files = files
        .map(|what| format!("Left out: {what}. vmrun knows by itself what runs, keeps others out, and keeps logs."));
    let told = told.map(|what| format!("Left out, as it changes nothing of the machine: {what}."));
    let waits = commands(both().flat_map(waits_before_boot));
    let waits = waits.map(|what| format!("Left out: {what}, by which the script waits before it boots its machine."));
    files.into_iter().chain(told).chain(waits).collect()
}

/// Returns the commands by which a script waits before it boots its machine. Of one that runs beside nobody knows what is before it.
fn waits_before_boot(recording: &Recording) -> Vec<String> {
    let Some(boot) = recording.calls.iter().position(|call| call.boots().is_some()) else { return Vec::new() };
    let (before, after) = recording.calls.split_at(boot);
    let is_beside = after.first().is_some_and(|call| !call.carriers.is_empty());
    let waits = before.iter().filter(|call| call.program() == "sleep" && !is_beside);
    waits.map(|call| call.command().to_string()).collect()
}

/// Lists commands, each once. Nothing where there are none.
fn commands(lines: impl Iterator<Item = String>) -> Option<String> {
    let mut all: Vec<String> = Vec::new();
    lines.for_each(|line| {
        if !all.contains(&line) {
            all.push(line);
        }
    });
    let more = all.len().saturating_sub(NAMED_MAX);
    let mut named: Vec<String> = all.iter().take(NAMED_MAX).map(|line| format!("`{}`", hide(line))).collect();
    named.extend((more > 0).then(|| format!("{more} more of this kind")));
    (!all.is_empty()).then(|| suggest::list(named.iter().map(String::as_str)))
}

/// Returns what hangs on files in either way, each once.
fn all_guards(usual: &Way, initial: Option<&Way>) -> Vec<Guard> {
    let mut all = usual.files.guards.clone();
    all.extend(
        initial.iter().flat_map(|way| &way.files.guards).filter(|guard| !usual.files.guards.contains(guard)).cloned(),
    );
    all
}

/// Returns where the script boots no machine: in either way, or in one of them alone.
fn refusals(usual: &Way, initial: Option<&Way>) -> Vec<Refusal> {
    let Some(initial) = initial else { return usual.files.refusals.clone() };
    let of = |way: &Way, other: &Way, when: When| {
        let is_both = |one: &Refusal| other.files.refusals.iter().any(|other| other.files == one.files);
        let of_one = |one: &Refusal| Refusal { when: if is_both(one) { When::Always } else { when }, ..one.clone() };
        way.files.refusals.iter().map(of_one).collect::<Vec<_>>()
    };
    let mut all = of(usual, initial, When::OnlyWithout);
    all.extend(of(initial, usual, When::OnlyInit).into_iter().filter(|one| one.when == When::OnlyInit));
    all
}

fn way_of_its_own() -> Fault {
    let what = "after a reboot the script starts the machine in a way of its own, and vmrun with `init` false";
    Fault::new(what).hint("what differs may stand under `if init`, or be a recipe of its own")
}

/// Returns what is wrong where a script starts its machine again after other ends when it initializes.
fn torn(usual: &Course, initial: Option<&Course>) -> Option<Fault> {
    let initial = initial.filter(|initial| initial.restarts != usual.restarts)?;
    let shown = |course: &Course| match course.restarts.words().as_slice() {
        [] => "nothing".to_string(),
        words => words.join(", "),
    };
    let fault = Fault::new(format!(
        "the script starts the machine again after {} when it initializes, and else after {}",
        shown(initial),
        shown(usual)
    ));
    Some(fault.hint("the recipe's `restart` is of the second: write another one under `if init`"))
}
