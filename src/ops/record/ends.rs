//! What a script does after its boots: it is recorded with each end of a boot, and the recordings are compared.

use super::sessions::Sessions;
use crate::diag::{Blame, Fault, suggest};
use crate::host::standins;
use crate::import::commands_proof::deeds;
use crate::ops::proof::boots;
use crate::recording::ends::{Bounds, POWERED_OFF, Restarts, STATUSES, is_loop, supervised_after};
use crate::recording::hidden::hide;
use crate::recording::{Call, Recording, Scenario, merge};
use std::collections::BTreeSet;

/// How often a machine may be booted in a recording that only asks whether it is booted again.
const BOOTS_MAX: usize = 4;

/// How a script goes on after each end of a boot.
#[derive(Default)]
pub(super) struct Course {
    /// After which ends it starts the machine again.
    pub(super) restarts: Restarts,
    /// How often, and after which waits.
    pub(super) bounds: Bounds,
    /// The recording whose first boot ended so, for each status.
    pub(super) ends: Vec<(i32, Recording)>,
    /// What cannot be said in a recipe.
    pub(super) gaps: Vec<Fault>,
}

impl Course {
    /// Returns the recording whose first boot ended so.
    pub(super) fn end(&self, status: i32) -> Option<&Recording> {
        self.ends.iter().find(|(of, _)| *of == status).map(|(_, recording)| recording)
    }
}

impl Sessions<'_> {
    /// Records a command with each end of its first boot. Nothing where it is recorded but once.
    pub(super) fn course(&mut self, command: &[String], heard: &Recording) -> Result<Option<Course>, Fault> {
        let mut course = Course::default();
        if !self.is_repeatable() {
            return Ok(None);
        }
        let is_plain = !hangs_on_status(command);
        for status in STATUSES {
            let exits = if status == POWERED_OFF { vec![1] } else { vec![u8::try_from(status).unwrap_or(1), 1] };
            // One that asks for no status does the same after each.
            if is_plain || exits == self.setting.exits {
                course.ends.push((status, with_first_end(heard, status)));
                continue;
            }
            let setting = Scenario { exits, boots_max: BOOTS_MAX, ..self.setting.clone() };
            match self.again(command, &setting) {
                Ok(recording) => course.ends.extend(recording.map(|recording| (status, recording))),
                Err(fault) if fault.blame == Blame::Interrupted => return Err(fault),
                Err(fault) => {
                    let what = format!("what the script does after bhyve's status {status} is not known: {fault}");
                    course.gaps.push(Fault::new(what).maybe_hint(fault.hint));
                }
            }
        }
        let is_counted = !is_plain && course.end(POWERED_OFF).is_some_and(is_loop);
        course.restarts = Restarts::of(&course.ends, is_counted);
        if let Some(delay) = supervised_after(heard) {
            // What daemon(8) starts again is counted nowhere.
            course.bounds = Bounds::default().waiting(&[delay]);
        } else if !is_plain {
            let (bounds, gaps) = self.bounds(command, &course.restarts)?;
            course.bounds = bounds;
            course.gaps.extend(gaps);
        }
        for (_, recording) in &mut course.ends {
            recording.restarts = Some(course.restarts.0.clone());
        }
        course.gaps.extend(course.restarts.torn_crash().map(|(again, not)| {
            let fault = Fault::new(format!(
                "the script starts the machine again after bhyve's status {again} and not after {not}, which are both `crash` in a recipe"
            ));
            fault.hint("write `restart(#{ on: [\"crash\"] })` into the recipe if it may be started after either")
        }));
        // Which of several machines an end is of, and what follows from it, no comparison tells.
        let gaps = several(&course).map_or_else(|| deviations(&course), |several| vec![several]);
        course.gaps.extend(gaps);
        Ok(Some(course))
    }
}

/// A recording in which the first boot ends in another way.
fn with_first_end(heard: &Recording, status: i32) -> Recording {
    let mut recording = heard.clone();
    if let Some(call) = recording.calls.iter_mut().find(|call| call.boots().is_some()) {
        call.status = status;
    }
    recording
}

/// Whether a script may do something else when bhyve ends in another way: it asks for a status, or runs other scripts.
pub(super) fn hangs_on_status(command: &[String]) -> bool {
    const WORDS: &[&str] = &[
        "if", "elif", "while", "until", "for", "case", "set", "trap", "exec", "source", "eval", "sh", "bash", "ksh",
        "csh", "perl", "python", "function",
    ];
    // What another program than a shell runs has words of its own.
    let Some(script) = standins::script(command).filter(|_| standins::traced(command).is_some()) else { return true };
    let (first, rest) = script.text.split_once('\n').unwrap_or_default();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    first.contains(" -")
        || ["$?", "&&", "||", "./"].iter().any(|mark| rest.contains(mark))
        || rest.split(|c| !is_word(c)).any(|word| WORDS.contains(&word))
        || rest.lines().any(|line| line.trim_start().starts_with(". "))
}

/// Tells that a script boots more than once, though no end is why: a recipe is run again as a whole after a reboot.
fn several(course: &Course) -> Option<Fault> {
    let off = course.end(POWERED_OFF)?;
    let steps = merge(off, None);
    let boots: Vec<&str> = steps.iter().filter_map(|step| step.call.boots()).collect();
    let mut names: Vec<&str> = Vec::new();
    boots.iter().for_each(|name| {
        if !names.contains(name) {
            names.push(name)
        }
    });
    match names.as_slice() {
        [] => None,
        [_] if boots.len() == 1 => None,
        [name] => {
            let times = boots.len();
            let fault = Fault::new(format!(
                "the script boots {name} {times} times, one after the other: when it reboots vmrun begins at the first again"
            ));
            Some(fault.hint("let each boot be a recipe of its own, or stand under `if init`"))
        }
        names => {
            let fault = Fault::new(format!(
                "the script boots {} machines, {}, and the recipe runs them one after the other",
                names.len(),
                names.join(" and ")
            ));
            Some(fault.hint(
                "a recipe is of one machine: let an argument of the script say which one it boots, record it once for each, and write \
                 `after(\"…\")` into the later one",
            ))
        }
    }
}

/// Tells which other machines of the script it boots only after some ends of this one.
fn beside(course: &Course, off: &Recording) -> Vec<Fault> {
    let mut gaps: Vec<(Vec<&String>, bool, BTreeSet<i32>)> = Vec::new();
    for (status, recording) in &course.ends {
        let lacks = |of: &'_ [String], name: &String| !of.contains(name);
        let less: Vec<&String> = off.beside.iter().filter(|name| lacks(&recording.beside, name)).collect();
        let more: Vec<&String> = recording.beside.iter().filter(|name| lacks(&off.beside, name)).collect();
        for (names, is_more) in [(less, false), (more, true)].into_iter().filter(|(names, _)| !names.is_empty()) {
            match gaps.iter_mut().find(|(others, of_more, _)| *others == names && *of_more == is_more) {
                Some((_, _, statuses)) => drop(statuses.insert(*status)),
                None => gaps.push((names, is_more, [*status].into())),
            }
        }
    }
    let told = gaps.into_iter().map(|(names, is_more, statuses)| {
        let (after, names) = (boots::of(&statuses), suggest::list(names.into_iter().map(String::as_str)));
        let does = if is_more { "boots" } else { "does not boot" };
        let fault = Fault::new(format!("{after}the script {does} {names}, and after a power off it is the other way"));
        fault.hint(
            "`vmrun start` starts each machine by itself: start that one by hand where it hangs on how this one ended",
        )
    });
    told.collect()
}

/// Tells what a script calls after one end and not after a power off, or the other way around.
fn deviations(course: &Course) -> Vec<Fault> {
    let calls =
        |recording: &Recording| -> Vec<Call> { merge(recording, None).into_iter().map(|step| step.call).collect() };
    let Some(off) = course.end(POWERED_OFF) else { return Vec::new() };
    let usual = deeds(&calls(off));
    let mut gaps: Vec<Fault> = beside(course, off);
    let mut told = |message: String| {
        let hint = "what is done after an end alone stands in a recipe as `on(\"failed\", |e| …)`, or after `.run()` under an `if`";
        if !gaps.iter().any(|gap| gap.message == message) {
            gaps.push(Fault::new(message).hint(hint));
        }
    };
    for (status, recording) in course.ends.iter().filter(|(status, _)| *status != POWERED_OFF) {
        let (missing, more) = usual.differences(&deeds(&calls(recording)));
        for line in more {
            told(format!(
                "after bhyve's status {status} the script calls `{}`, which the recipe does not",
                hide(&line)
            ));
        }
        for line in missing {
            told(format!(
                "after bhyve's status {status} the script does not call `{}`, which the recipe does",
                hide(&line)
            ));
        }
    }
    gaps
}
