//! What a script calls that hangs on answers that were made up, on the time, or on what it reads: it is recorded with other ones, and the recordings
//! are compared.

use super::sessions::Sessions;
use crate::diag::Fault;
use crate::host::{clock, standins};
use crate::model::Argv;
use crate::recording::hidden::hide;
use crate::recording::literals::{literals, ports};
use crate::recording::{Call, Prepared, Recording, Scenario, dates, made_up};

/// How many other answers are tried of what a script compares an answer with.
const ANSWERS_MAX: usize = 12;

/// The programs whose answer is their status alone.
const BY_STATUS: &[&str] = &["nc", "ping"];

impl Sessions<'_> {
    /// Tells if what the script calls hangs on the time, on what it reads, or on what was made up for an answer.
    pub(super) fn hanging_on_answers(&mut self, command: &[String], usual: &Recording) -> Result<Vec<Fault>, Fault> {
        let script = standins::script(command).map(|script| script.text).unwrap_or_default();
        let compared = literals(&script);
        let mut gaps = self.hanging_on_time(command, usual, &compared)?;
        gaps.extend(dated(usual));
        gaps.extend(self.hanging_on_input(command, usual)?);
        gaps.extend(self.hanging_on_texts(command, usual, &compared)?);
        gaps.extend(self.hanging_on_nothing(command, usual, &script)?);
        Ok(gaps)
    }

    /// Tells if what the script calls hangs on what it reads.
    fn hanging_on_input(&mut self, command: &[String], usual: &Recording) -> Result<Option<Fault>, Fault> {
        let reads = |text: &str| text.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == "read");
        if standins::script(command).is_some_and(|script| !reads(&script.text)) {
            return Ok(None);
        }
        let setting = Scenario { has_input: true, ..self.setting.clone() };
        let what = "what the script calls hangs on what it reads from its standard input, which is empty here";
        let fault = Fault::new(what).hint("let it have that as an argument, or by a variable");
        Ok(self.is_other(command, &setting, usual)?.then_some(fault))
    }

    /// Tells if what the script calls hangs on the time.
    fn hanging_on_time(
        &mut self,
        command: &[String],
        usual: &Recording,
        compared: &[String],
    ) -> Result<Vec<Fault>, Fault> {
        let printed: Vec<&str> = printed_by(usual, "date");
        if printed.is_empty() {
            return Ok(Vec::new());
        }
        let others = compared.iter().map(String::as_str).filter(|text| !printed.contains(text)).take(ANSWERS_MAX);
        for text in std::iter::once("1").chain(others) {
            let mut setting = self.setting.clone();
            let text = format!("{text}\n");
            setting.answers.push(Prepared { words: vec!["date".into()], text, ..Prepared::default() });
            if self.is_other(command, &setting, usual)? {
                let fault =
                    Fault::new("what the script calls hangs on what `date` prints, and the recipe has what that was");
                return Ok(vec![fault.hint("let the recipe ask for it: `let now = query(\"date\", [\"+%Y%m%d\"]);`")]);
            }
        }
        Ok(Vec::new())
    }

    /// Tells if what the script calls hangs on a text that was made up for an answer.
    fn hanging_on_texts(
        &mut self,
        command: &[String],
        usual: &Recording,
        compared: &[String],
    ) -> Result<Vec<Fault>, Fault> {
        let setting = self.setting.clone();
        let told = made_up::told(&setting, &usual.calls);
        if told.is_empty() {
            return Ok(Vec::new());
        }
        if self.is_other(command, &varied(&setting, &told), usual)? {
            let mut gaps = Vec::new();
            for call in &told {
                if told.len() == 1 || self.is_other(command, &varied(&setting, &[call]), usual)? {
                    gaps.push(hanging_on(call));
                }
            }
            return Ok(gaps);
        }
        // What is compared with a number is one, and what is compared with a text is none.
        let is_number = |text: &str| text.trim().parse::<u64>().is_ok();
        for text in compared.iter().take(ANSWERS_MAX) {
            let alike: Vec<&Call> = told
                .iter()
                .filter(|call| {
                    !is_list(call) && is_number(&call.output) == is_number(text) && call.output.trim() != text
                })
                .copied()
                .collect();
            if alike.is_empty() || !self.is_other(command, &answering(&setting, &alike, text), usual)? {
                continue;
            }
            for call in &alike {
                if alike.len() == 1 || self.is_other(command, &answering(&setting, &[call], text), usual)? {
                    return Ok(vec![hanging_on(call)]);
                }
            }
        }
        Ok(Vec::new())
    }

    /// Tells if what the script calls hangs on what a program finds of which it was made up that it finds nothing.
    fn hanging_on_nothing(&mut self, command: &[String], usual: &Recording, script: &str) -> Result<Vec<Fault>, Fault> {
        let setting = self.setting.clone();
        let asked: Vec<&Call> = made_up::told_nothing(&setting, &usual.calls)
            .into_iter()
            .filter(|call| !BY_STATUS.contains(&call.program()))
            .collect();
        // As sockstat(1) says that somebody listens at a port.
        let listens = ports(script).into_iter().map(|port| format!("root bhyve 100 7 tcp4 *:{port} *:*"));
        let text: Vec<String> = literals(script).into_iter().chain(listens).collect();
        let text = if text.is_empty() { "1".into() } else { text.join("\n") };
        if asked.is_empty() || !self.is_other(command, &answering(&setting, &asked, &text), usual)? {
            return Ok(Vec::new());
        }
        let mut gaps = Vec::new();
        for call in asked {
            let other = self.other(command, &answering(&setting, &[call], &text), usual)?;
            if other.is_some_and(|other| !lacks_drivers_alone(&other, usual)) {
                gaps.push(hanging_on(call));
            }
        }
        Ok(gaps)
    }
}

/// Whether a recording is another one without what gives devices a driver: one that has it already is given it once more.
fn lacks_drivers_alone(other: &Recording, usual: &Recording) -> bool {
    let acts = |recording: &'_ Recording, is_all: bool| -> Vec<Vec<String>> {
        let acts = recording.calls.iter().filter(|call| !call.reads && (is_all || call.program() != "devctl"));
        acts.map(|call| call.argv.clone()).collect()
    };
    let (ours, theirs) = (acts(usual, true), acts(other, true));
    acts(usual, false) == acts(other, false) && theirs.iter().all(|argv| ours.contains(argv))
}

/// Returns what a program printed, each time.
fn printed_by<'a>(recording: &'a Recording, program: &str) -> Vec<&'a str> {
    recording.calls.iter().filter(|call| call.program() == program).map(|call| call.output.trim()).collect()
}

fn is_list(call: &Call) -> bool {
    call.program() == "ifconfig"
}

/// Returns a setting in which the answers to some calls have other numbers.
fn varied(setting: &Scenario, calls: &[&Call]) -> Scenario {
    // What the script has made is in such a list too: only the host's own have other names.
    let is_listed = calls.iter().any(|call| is_list(call));
    let interfaces = if is_listed { made_up::varied(&setting.interfaces) } else { setting.interfaces.clone() };
    let text = |call: &&Call| Prepared {
        words: call.argv.clone(),
        text: made_up::varied(&call.output),
        ..Prepared::default()
    };
    let texts = calls.iter().filter(|call| !is_list(call)).map(text);
    let answers = setting.answers.iter().cloned().chain(texts).collect();
    Scenario { interfaces, answers, ..setting.clone() }
}

/// Returns a setting in which some calls have the same answer.
fn answering(setting: &Scenario, calls: &[&Call], text: &str) -> Scenario {
    let mut setting = setting.clone();
    let answer = |call: &&Call| Prepared { words: call.argv.clone(), text: format!("{text}\n"), ..Prepared::default() };
    setting.answers.extend(calls.iter().map(answer));
    setting
}

/// Tells that what a script calls hangs on what was made up for an answer.
fn hanging_on(call: &Call) -> Fault {
    let line = hide(&call.command().to_string());
    let fault = Fault::new(format!(
        "what the script calls hangs on what `{line}` prints, which was made up, and the recipe has what that was"
    ));
    let whole = if is_list(call) { "ifconfig".to_string() } else { line };
    let option = Argv::new("--answer").arg(format!("{whole}=FILE"));
    fault.hint(format!("say what it is on its host: {option}"))
}

/// Half a day, in seconds.
const HALF_A_DAY: u64 = 43_200;

/// Tells if today's date is in what a script calls that has not asked date(1) for it.
fn dated(usual: &Recording) -> Option<Fault> {
    if usual.calls.iter().any(|call| call.program() == "date") {
        return None;
    }
    let now = clock::now();
    // Somewhere on earth it is one of these days.
    let days = [now.saturating_sub(HALF_A_DAY), now, now + HALF_A_DAY]
        .map(|moment| clock::Utc(moment).to_string().chars().take_while(|c| *c != ' ').collect::<String>());
    let acts = usual.calls.iter().filter(|call| !call.reads);
    let word = acts.flat_map(Call::args).find(|word| dates::has(word, &days, now))?;
    let what = format!("the script has the date, or the time, in `{}`, and the recipe has what that was", hide(word));
    Some(Fault::new(what).hint("let the recipe ask for it: `let now = query(\"date\", [\"+%Y%m%d\"]);`"))
}
