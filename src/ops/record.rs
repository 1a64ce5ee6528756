//! A recipe of what a script would do, recorded by stand-ins for the programs that do it.

mod answers;
mod asked_files;
mod bounds;
mod ends;
mod escapes;
mod fallbacks;
mod flow;
pub(crate) mod folder;
mod globs;
mod guards;
mod loading;

mod needed_files;
mod programs;
mod read_files;
mod sessions;
mod setting;
mod several_files;
mod shares;
mod tolerance;
mod unasked_files;
mod untraced;
mod waits;
mod watched;

use self::flow::Known;
use self::sessions::Sessions;
use super::notice::{Notice, Notify};
use super::proof::boots::described;
use super::proof::of_script;
use crate::diag::{Diagnostic, Fault};
pub(crate) use crate::host::enclosure::enter;
use crate::host::standins;
pub(crate) use crate::host::standins::play;
use crate::host::{Asked, files, target};
use crate::import::commands_proof::{is_lasting, told};
use crate::import::golden::TestHost;
use crate::import::recorded::{self, Flow};
use crate::import::spread::with_configurations;
use crate::import::umasks::with_umasks;
use crate::import::written::with_written;
use crate::model::{Argv, Target};
use crate::recording::hidden::hide;
use crate::recording::{Recording, again, base_name, merge, transcript, words};
use crate::script::Recipe;
use std::path::Path;
use std::time::Duration;

/// As what a recording is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordingFormat {
    /// A recipe that does what the script did.
    Recipe,
    /// A transcript for sh(1).
    Transcript,
    /// A JSON object.
    Json,
}

/// What is recorded, and how.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    /// The command, word by word.
    pub(crate) command: &'a [String],
    /// The arguments that initialize the machine, as one line.
    pub(crate) init_args: Option<&'a str>,
    /// The exit statuses of bhyve, in turn; the last one repeats.
    pub(crate) exits: &'a [u8],
    /// Answers to calls, as `CALL=FILE`.
    pub(crate) answers: &'a [String],
    /// How long each run may take.
    pub(crate) timeout: Duration,
    /// How many calls each run may make.
    pub(crate) limit: usize,
    /// The bhyve that the recipe is for.
    pub(crate) on: Option<Asked>,
    /// Whether the script is not enclosed, so that what has no stand-in is done for real.
    pub(crate) anyway: bool,
    /// As what the recording is written.
    pub(crate) form: RecordingFormat,
}

/// What was recorded.
pub(crate) struct Recorded {
    /// The recipe, the transcript or the JSON object.
    pub(crate) text: String,
    /// The first machine that is booted; empty where no recipe is written.
    pub(crate) machine: String,
    /// A host on which the recipe runs, for a test of it; nothing where it does something else than the script.
    pub(crate) host: Option<TestHost>,
    /// Whether the recipe asks for the secret `vnc` where a password was recorded.
    pub(crate) hides_password: bool,
    /// How the machines and the commands of the recipe differ from those of the script. Nothing where the script boots none, or where no
    /// recipe is written; a fault where the recipe cannot be rehearsed.
    pub(crate) differences: Option<Result<Vec<String>, Vec<Diagnostic>>>,
    /// What could not be derived of the script, and stands in the recipe's first lines.
    pub(crate) gaps: Vec<Fault>,
}

impl Recorded {
    fn of(text: String) -> Self {
        Self { text, machine: String::new(), host: None, hides_password: false, differences: None, gaps: Vec::new() }
    }

    /// Whether the recipe does what the script does.
    pub(crate) fn is_proved(&self) -> bool {
        self.gaps.is_empty() && matches!(&self.differences, Some(Ok(lines)) if lines.is_empty())
    }
}

/// Records a command once, or with and without the arguments that initialize the machine.
pub(crate) fn record(request: &Request<'_>, notify: Notify<'_>) -> Result<Recorded, Vec<Diagnostic>> {
    let mut all = tried(request, false, notify)?.map_err(Vec::from)?;
    all.pop().ok_or_else(|| Fault::new("nothing was recorded").into())
}

/// Records a command, and each machine that it boots if `is_each`; what is wrong where it boots no machine, or several and not each of them is
/// wanted, comes back apart.
fn tried(
    request: &Request<'_>,
    is_each: bool,
    notify: Notify<'_>,
) -> Result<Result<Vec<Recorded>, Fault>, Vec<Diagnostic>> {
    let extra = request.init_args.map(|line| words::split(line).map_err(|fault| fault.context("--init-args")));
    let extra = extra.transpose()?;
    let setting = request.setting()?;
    if request.anyway {
        escapes::escapes(request.command).into_iter().for_each(|warning| notify(Notice::Warning(warning)));
    }
    let mut sessions = Sessions::new(request, setting, notify)?;
    for args in [Some(Vec::new()), extra.clone()].into_iter().flatten() {
        sessions.learn_programs(&filled(request.command, &args))?;
    }
    let is_recipe = request.form == RecordingFormat::Recipe;
    for args in [Some(Vec::new()), extra.clone()].into_iter().flatten().filter(|_| is_recipe) {
        sessions.learn_needed_files(&filled(request.command, &args))?;
    }
    sessions.learn_fallbacks(&filled(request.command, &[]))?;
    let first = sessions.heard(&filled(request.command, &[]))?;
    let (with, without) = match &extra {
        None => (first, None),
        Some(extra) => (sessions.heard(&filled(request.command, extra))?, Some(first)),
    };
    if with.calls.is_empty() && without.as_ref().is_none_or(|without| without.calls.is_empty()) {
        let fault = Fault::new("the command called no program that is recorded");
        let hint = "`vmrun record --help` lists them, and tells how a script gets past their stand-ins";
        return Ok(Err(fault.hint(hint)));
    }
    let guests = shares::guests(request.command, &with, without.as_ref());
    if request.form == RecordingFormat::Recipe && guests.names().len() > 1 {
        return if is_each {
            request.each(sessions, &guests, (&with, without.as_ref()))
        } else {
            Ok(Err(shares::refused(&guests)))
        };
    }
    Ok(request.one(&mut sessions, with, without)?.map(|one| vec![one]))
}

/// The word of a command in whose place the arguments stand that initialize the machine.
const PLACE: &str = "{}";

/// Puts arguments where the command has a place for them, else at its end.
fn filled(command: &[String], args: &[String]) -> Vec<String> {
    if !command.iter().any(|word| word == PLACE) {
        return [command, args].concat();
    }
    command.iter().flat_map(|word| if word == PLACE { args } else { std::slice::from_ref(word) }).cloned().collect()
}

/// Returns what is wrong if the script boots no machine, or none in one of its two ways.
fn bootless(request: &Request<'_>, with: &Recording, without: Option<&Recording>) -> Option<Fault> {
    const FILES: &str =
        "where it tests for files, as `[ -f disk.img ]`, they have to be there: record where the machine exists";
    let boots = |recording: &Recording| recording.calls.iter().any(|call| call.boots().is_some());
    let why = |recording: &Recording| recording.stderr.last().map(|line| format!(": {line}")).unwrap_or_default();
    let init = hide(request.init_args.unwrap_or_default());
    let has_place = request.command.iter().any(|word| word == PLACE);
    let jailed = || sessions::jailed(without.unwrap_or(with)).filter(|_| !boots(with));
    if let Some(fault) = jailed() {
        return Some(fault);
    }
    match without {
        None if boots(with) => None,
        None => {
            let fault = Fault::new(format!("the script boots no machine{}", why(with)));
            Some(fault.hint("what it tests for has to be there; `--transcript` shows what it called"))
        }
        Some(without) if boots(with) == boots(without) && boots(with) => None,
        Some(without) if boots(with) => {
            Some(Fault::new(format!("without {init} the script boots no machine{}", why(without))).hint(FILES))
        }
        Some(_) => {
            let fault = Fault::new(format!("with {init} the script boots no machine{}", why(with)));
            let command = Argv::new("vmrun record --init-args … --").args(["sh", "vm.sh", PLACE, "vm"]).to_string();
            Some(fault.hint(if has_place {
                "what it tests for has to be there; `--transcript` shows what it called".to_string()
            } else {
                let command = command.replace('\'', "");
                format!("`{PLACE}` says where the arguments stand, if not at the end: `{command}`")
            }))
        }
    }
}

/// Rehearses the recipe with and without `init`, and returns how its machines and commands differ from those of the script; nothing of
/// a script that boots none.
fn differences(
    text: &str,
    (with, without): (&Recording, Option<&Recording>),
    once: &[String],
    target: Target,
) -> Result<Option<Vec<String>>, Vec<Diagnostic>> {
    let recipe = Recipe::parse("the recipe", text)?;
    let first = of_script(&recipe, with, target, true)?;
    let later = of_script(&recipe, without.unwrap_or(with), target, false)?;
    let mut all = Vec::new();
    let mut calls = Vec::new();
    for (named, proof) in [("with", &first), ("without", &later)] {
        let Some(proof) = proof else { continue };
        let line = |line: &String| format!("the recipe's machine is another one {named} `init`: {line}");
        all.extend(proof.machines.iter().map(line));
        let (mut missing, more) = proof.calls.0.differences(&proof.calls.1);
        if let Some(first) = first.as_ref().filter(|_| named == "without") {
            missing.retain(|line| !is_lasting(line) && !once.contains(line) || !first.calls.1.has(line));
        }
        calls.push((named, [told(&missing, &more), proof.loaders.clone()].concat()));
    }
    // What differs in both ways is told once.
    let is_both = |line: &String| calls.len() == 2 && calls.iter().all(|(_, lines)| lines.contains(line));
    for (named, lines) in &calls {
        let other = lines.iter().filter(|line| !is_both(line)).map(|line| format!("{named} `init`, {line}"));
        let both = lines.iter().filter(|line| is_both(line) && *named == "with").cloned();
        all.extend(both.chain(other));
    }
    Ok((first.is_some() || later.is_some()).then_some(all))
}

impl Request<'_> {
    /// Finds what a machine needs, and writes it: from the first recordings of the command, with and without what initializes.
    fn one(
        &self,
        sessions: &mut Sessions<'_>,
        mut with: Recording,
        mut without: Option<Recording>,
    ) -> Result<Result<Recorded, Fault>, Vec<Diagnostic>> {
        sessions.tolerate(&filled(self.command, &[]), without.as_ref().unwrap_or(&with))?;
        (with, without) = (sessions.tolerant(with), without.map(|without| sessions.tolerant(without)));
        let waits = sessions.learn_waits(&filled(self.command, &[]), without.as_ref().unwrap_or(&with))?;
        (with, without) = (sessions.tolerant(with), without.map(|without| sessions.tolerant(without)));
        let (mut gaps, is_race) = sessions.numbered(&filled(self.command, &[]), without.as_ref().unwrap_or(&with))?;
        gaps.extend(waits.into_iter().chain(sessions.awaited.clone()));
        if let Some(doubt) = bootless(self, &with, without.as_ref()) {
            // A transcript is of calls; a recipe without a machine is none.
            if self.form == RecordingFormat::Recipe {
                return Ok(Err(doubt));
            }
            if without.is_some() {
                sessions.notify(Notice::warning(doubt));
            }
        }
        let known = if self.form == RecordingFormat::Recipe {
            self.flow(sessions, &mut with, without.as_mut(), (&mut gaps, is_race))?
        } else {
            Known::of(Flow { again: again(&with, without.as_ref()), ..Flow::default() })
        };
        let recorded = self.written(&with, without.as_ref(), &known).map_err(|mut faults| {
            // What is wrong with a machine may be what such a program would have printed.
            faults.extend(sessions.unknown_programs(&with).map(Diagnostic::from));
            faults
        })?;
        if self.form != RecordingFormat::Recipe {
            gaps.into_iter().for_each(|gap| sessions.notify(Notice::warning(gap)));
            return Ok(Ok(recorded));
        }
        gaps.extend(recorded.gaps);
        Ok(Ok(Recorded { gaps, ..recorded }))
    }

    /// Writes the recording in the form that is asked for.
    fn written(
        &self,
        with: &Recording,
        without: Option<&Recording>,
        known: &Known,
    ) -> Result<Recorded, Vec<Diagnostic>> {
        let flow = &known.flow;
        let (steps, again) = (merge(with, without), flow.again);
        let init = hide(self.init_args.unwrap_or_default());
        match self.form {
            RecordingFormat::Json => Ok(Recorded::of(transcript::json(&steps, again, with, without))),
            RecordingFormat::Transcript => {
                let from = std::env::current_dir().unwrap_or_default().to_string_lossy().into_owned();
                Ok(Recorded::of(transcript::text(&steps, again, &init, &from)))
            }
            RecordingFormat::Recipe => {
                let whole = |recording: &Recording| {
                    let recording = with_written(&with_umasks(&with_configurations(recording)), &whole_path);
                    recorded::with_whole_paths(&recording, self.target(), &whole_path)
                };
                let (all, plain) = known.together(with, without);
                let steps = merge(&whole(all), plain.map(&whole).as_ref());
                let (with, without) = (&whole(with), without.map(&whole));
                let without = without.as_ref();
                let mut text = recorded::recipe(&steps, flow, self.target(), &self.shown(), &init)?;
                let hides_password = text.contains("secret(\"vnc\")");
                let mut differences = differences(&text, (with, without), &flow.missing, self.target()).transpose();
                let mut gaps = Vec::new();
                if let Some(Ok(lines)) = &mut differences
                    && lines.is_empty()
                {
                    match known.boot_by_boot(&text, self.target(), &whole) {
                        Ok(more) => {
                            gaps.extend(known.doubt.clone().filter(|_| !more.is_empty()));
                            lines.extend(more);
                        }
                        Err(faults) => differences = Some(Err(faults)),
                    }
                }
                let told: Vec<String> =
                    gaps.iter().map(|gap| gap.message.clone()).chain(wrong(differences.as_ref())).collect();
                if !told.is_empty() {
                    let flow = Flow { gaps: [flow.gaps.clone(), told].concat(), ..flow.clone() };
                    text = recorded::recipe(&steps, &flow, self.target(), &self.shown(), &init)?;
                }
                let machine = with.calls.iter().find_map(|call| call.boots()).unwrap_or_default().to_string();
                let mut recorded = Recorded { machine, hides_password, differences, gaps, ..Recorded::of(text) };
                if recorded.is_proved() {
                    let recipe = Recipe::parse("the recipe", &recorded.text)?;
                    recorded.host = Some(described(&recipe, self.target(), without.unwrap_or(with), false)?);
                }
                Ok(recorded)
            }
        }
    }

    /// The bhyve that is asked for: this host's on FreeBSD, else the usual one.
    fn target(&self) -> Target {
        let here = target();
        self.on.map_or(here, |on| on.target(here))
    }

    /// The command as the recipe names it: program and script without the folders that they lie in.
    fn shown(&self) -> String {
        let script = standins::script(self.command).map(|script| script.name);
        let is_file = |at: usize, word: &String| at == 0 || script.as_ref() == Some(word);
        let words = self.command.iter().enumerate().filter(|(_, word)| *word != PLACE);
        let words: Vec<&str> = words.map(|(at, word)| if is_file(at, word) { base_name(word) } else { word }).collect();
        hide(&words.join(" "))
    }
}

/// Returns what a proof has found wrong, as the first lines of a recipe have it.
fn wrong(differences: Option<&Result<Vec<String>, Vec<Diagnostic>>>) -> Vec<String> {
    match differences {
        None => Vec::new(),
        Some(Ok(lines)) => lines.clone(),
        Some(Err(faults)) => {
            faults.iter().map(|one| format!("this recipe cannot be run as it is: {}", one.fault.message)).collect()
        }
    }
}

/// Returns the path from the root on of one that begins in a folder.
fn whole_path(folder: &str, path: &str) -> String {
    files::whole(Path::new(folder), Path::new(path)).display().to_string()
}
