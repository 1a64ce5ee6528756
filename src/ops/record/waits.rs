//! What a script waits for before it boots its machine: what it asks and finds is found late in one recording, never in another one, and they are
//! compared.

use super::asked_files::has_same_acts;
use super::sessions::Sessions;
use crate::diag::{Blame, Fault};
use crate::host::standins::{self, Lines};
use crate::model::Argv;
use crate::recording::hidden::hide;
use crate::recording::{Call, MAKERS, Prepared, Recording, Scenario, TELLERS, base_name, words};

/// The programs that ask whether somebody answers, who may not do so yet.
const ASKING: &[&str] = &["nc", "ping"];

/// How often a question finds nobody before it finds somebody.
const LATE: usize = 2;

/// How many calls a script may make that waits: one that asks more often waits for ever.
const CALLS_MAX: usize = 700;

/// How a script takes it that nobody answers.
enum Course {
    /// It does the same.
    Same,
    /// It boots no machine.
    GivesUp,
    /// It asks again: for ever, or so often; then it goes on, or gives up.
    Waits { most: Option<usize>, goes_on: bool, pause: Option<String> },
    /// It does something else.
    Otherwise(Vec<Fault>),
}

impl Sessions<'_> {
    /// Finds the questions by which the script waits until somebody answers, or gives up where nobody does: the recipe does so in their place.
    /// Returns what no recipe says.
    pub(super) fn learn_waits(&mut self, command: &[String], usual: &Recording) -> Result<Vec<Fault>, Fault> {
        let mut gaps = Vec::new();
        for question in self.asked(command, usual) {
            // Recordings from here on have what was found before.
            let usual = self.tolerant(usual.clone());
            let instead = match self.course_of(command, &question, &usual)? {
                Course::Same => continue,
                // Of a program that fails here it is told by itself that something hangs on it.
                Course::Otherwise(_) | Course::GivesUp if !question.reads => continue,
                Course::Otherwise(faults) => {
                    gaps.extend(faults);
                    continue;
                }
                Course::GivesUp => question.argv.clone(),
                Course::Waits { most, goes_on, pause } => waiting(&question, most, goes_on, pause.as_deref()),
            };
            let instead = Call { argv: instead, status: 0, output: String::new(), reads: false, ..question.clone() };
            self.waits.push((question.argv, instead));
        }
        Ok(gaps)
    }

    /// Returns what a script asks before its boots and that somebody answered, and in a loop the programs that fail on this host or are not on it,
    /// each question once.
    fn asked(&self, command: &[String], usual: &Recording) -> Vec<Call> {
        let script = standins::script(command).map(|script| script.text).unwrap_or_default();
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let has_loop = script.split(|c| !is_word(c)).any(|word| ["while", "until", "for"].contains(&word));
        let is_asking = |call: &Call| ASKING.contains(&call.program()) && call.reads && call.status == 0;
        let is_missing = |call: &Call| {
            let name = call.program();
            self.setting.programs.iter().any(|one| one == name) && !MAKERS.contains(&name) && !TELLERS.contains(&name)
        };
        let is_failing = |call: &Call| self.failing.contains(&call.argv) && call.watched.is_some();
        let is_one =
            |call: &&Call| is_asking(call) || has_loop && !call.reads && (is_missing(call) || is_failing(call));
        let mut all: Vec<Call> = Vec::new();
        for call in before_boots(usual).iter().filter(is_one) {
            if all.iter().all(|other| other.argv != call.argv) {
                all.push(call.clone());
            }
        }
        all
    }

    fn course_of(&mut self, command: &[String], question: &Call, usual: &Recording) -> Result<Course, Fault> {
        let Some(Ok(late)) = self.without_answer(command, question, Some(LATE))? else { return Ok(Course::Same) };
        let before = before_boots(&late);
        let asked: Vec<usize> =
            before.iter().enumerate().filter(|(_, call)| call.argv == question.argv).map(|(at, _)| at).collect();
        let gives_up = !is_booted(&late) && asked.len() <= LATE;
        if gives_up && asked.len() == 1 {
            return Ok(Course::GivesUp);
        }
        // One that gives up after so many has found somebody by the last.
        let times = if gives_up { LATE - 1 } else { LATE };
        if let Some(faults) = self.acts_otherwise(command, question, (times, &late), usual)? {
            return Ok(Course::Otherwise(faults));
        }
        let [first, second, ..] = asked.as_slice() else { return Ok(Course::Same) };
        let between = before.get(*first..*second).unwrap_or_default();
        let pause = between.iter().find(|call| call.program() == "sleep").and_then(|call| call.args().first().cloned());
        if gives_up {
            return Ok(Course::Waits { most: Some(asked.len()), goes_on: false, pause });
        }
        if self.is_endless(command, question)? {
            return Ok(Course::Waits { most: None, goes_on: false, pause });
        }
        let never = self.without_answer(command, question, None)?;
        Ok(match never {
            None => Course::Waits { most: None, goes_on: false, pause },
            // It was ended before it came to its end, if there is one.
            Some(Err(_)) => Course::Otherwise(vec![uncounted(question)]),
            Some(Ok(never)) => {
                let count = before_boots(&never).iter().filter(|call| call.argv == question.argv).count();
                Course::Waits { most: Some(count), goes_on: is_booted(&never), pause }
            }
        })
    }

    /// Whether the script asks for ever: each turn of its loop is as the one before, and it counts none.
    fn is_endless(&mut self, command: &[String], question: &Call) -> Result<bool, Fault> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let counts = |text: &str| text.split(|c| !is_word(c)).any(|word| COUNTING.contains(&word));
        let (Some(script), Some(traced)) = (standins::script(command), standins::traced(command)) else {
            return Ok(false);
        };
        if counts(&script.text) {
            return Ok(false);
        }
        let mut lines = Vec::new();
        let mut hear = |line: &str| lines.push(line.to_string());
        let setting = Scenario { limit: TURNS, ..self.unanswered(question, None) };
        match self.listened(&traced, &setting, (Lines::ByWriter, &mut hear as &mut dyn FnMut(&str))) {
            Err(fault) if fault.blame == Blame::Interrupted => return Err(fault),
            // It was ended, or it has ended by itself.
            Err(_) => {}
            Ok(_) => return Ok(false),
        }
        Ok(has_same_turns(&lines, question))
    }

    /// Returns what the script does otherwise where a question finds nobody so often, and then somebody.
    fn acts_otherwise(
        &mut self,
        command: &[String],
        question: &Call,
        (times, late): (usize, &Recording),
        usual: &Recording,
    ) -> Result<Option<Vec<Fault>>, Fault> {
        let other = if times == LATE { None } else { self.without_answer(command, question, Some(times))? };
        let other = other.and_then(Result::ok);
        // It may ask as often as it likes.
        let unasked = |recording: &Recording| {
            let mut recording = recording.clone();
            recording.calls.retain(|call| call.argv != question.argv);
            recording
        };
        if has_same_acts(&unasked(other.as_ref().unwrap_or(late)), &unasked(usual)) {
            return Ok(None);
        }
        let shown = format!("`{}` finds nobody", hide(&question.command().to_string()));
        let setting = self.unanswered(question, Some(times));
        self.otherwise(command, &setting, usual, &shown).map(Some)
    }

    /// Records a command where a question finds nobody, always or so often. Nothing where nothing is recorded any more.
    fn without_answer(
        &mut self,
        command: &[String],
        question: &Call,
        times: Option<usize>,
    ) -> Result<Option<Result<Recording, Fault>>, Fault> {
        let setting = self.unanswered(question, times);
        match self.again(command, &setting) {
            Err(fault) if fault.blame == Blame::Interrupted => Err(fault),
            Err(fault) => Ok(Some(Err(fault))),
            Ok(recording) => Ok(recording.map(Ok)),
        }
    }

    fn unanswered(&self, question: &Call, times: Option<usize>) -> Scenario {
        let mut setting = self.setting.clone();
        setting.limit = setting.limit.min(CALLS_MAX);
        setting.answers.push(Prepared { words: question.argv.clone(), status: 1, times, ..Prepared::default() });
        setting
    }
}

/// The words of a script by which a loop may come to an end that no turn of it shows.
const COUNTING: &[&str] = &["SECONDS", "date", "for", "jot", "repeat", "seq", "timeout"];

/// How many calls a script makes of which it is asked whether it counts.
const TURNS: usize = 40;

/// Whether what a shell tells of each turn of a loop is the same: between one question and the next.
fn has_same_turns(lines: &[String], question: &Call) -> bool {
    let told = lines.iter().filter_map(|line| line.strip_prefix('+')).map(|line| line.trim_start_matches('+').trim());
    let asks = |line: &&str| {
        words::split(line).is_ok_and(|words| {
            words
                .split_first()
                .is_some_and(|(program, args)| base_name(program) == question.program() && args == question.args())
        })
    };
    let told: Vec<&str> = told.collect();
    let turns: Vec<&[&str]> = told.split(asks).collect();
    // The first is what comes before, and the last may have been cut.
    let whole = turns.get(1..turns.len().saturating_sub(1)).unwrap_or_default();
    whole.len() > 2 && whole.windows(2).all(|pair| pair[0] == pair[1])
}

/// Tells that it is not known how often a script asks.
fn uncounted(question: &Call) -> Fault {
    let line = hide(&question.command().to_string());
    let fault = Fault::new(format!(
        "the script asks `{line}` again and again where nobody answers, and how often was not found: it may give up"
    ));
    let one = "i=0; until …; do i=$((i+1)); [ $i -lt 500 ] || exit 1; sleep 1; done";
    fault.hint(format!("write into the recipe, before its machine, `run(\"sh\", [\"-c\", \"{one}\"])`"))
}

fn is_booted(recording: &Recording) -> bool {
    recording.calls.iter().any(|call| call.boots().is_some())
}

/// Returns the calls up to the last boot; up to the first one where a guest runs while the script goes on, which may be what it waits for.
pub(super) fn before_boots(recording: &Recording) -> &[Call] {
    let boots = |call: &Call| call.boots().is_some();
    let first = recording.calls.iter().position(boots);
    let is_beside = first.and_then(|at| recording.calls.get(at)).is_some_and(|call| !call.carriers.is_empty());
    let last = if is_beside { first } else { recording.calls.iter().rposition(boots) };
    recording.calls.get(..last.unwrap_or(recording.calls.len())).unwrap_or_default()
}

/// Returns the command that asks until somebody answers.
fn waiting(question: &Call, most: Option<usize>, goes_on: bool, pause: Option<&str>) -> Vec<String> {
    let asks = question.command();
    let pause = pause.map_or_else(|| ":".to_string(), |time| Argv::new("sleep").arg(time).to_string());
    let line = match most {
        None => format!("until {asks}; do {pause}; done"),
        Some(most) => {
            let status = u8::from(!goes_on);
            format!("i=0; until {asks}; do i=$((i+1)); [ $i -lt {most} ] || exit {status}; {pause}; done")
        }
    };
    vec!["sh".into(), "-c".into(), line]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_asked_again_by_a_shell() {
        let question = Call { argv: ["ping", "-c", "1", "a b"].map(String::from).into(), ..Call::default() };
        let line = |most, goes_on, pause| waiting(&question, most, goes_on, pause).pop().unwrap();
        assert_eq!(line(None, false, Some("2")), "until ping -c 1 'a b'; do sleep 2; done");
        assert_eq!(
            line(Some(30), true, None),
            "i=0; until ping -c 1 'a b'; do i=$((i+1)); [ $i -lt 30 ] || exit 0; :; done"
        );
        assert!(line(Some(3), false, None).contains("|| exit 1;"));
    }
}
