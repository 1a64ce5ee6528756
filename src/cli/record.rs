//! `vmrun record -- CMD…`: a recipe of what a script would do, recorded by stand-ins for the programs that do it.

use super::proof::of_script;
use super::run::duration;
use super::term::Term;
use crate::diag::{Diagnostic, Fault, Place};
use crate::host::Asked;
use crate::host::standins::{self, Recorder};
use crate::import::recorded;
use crate::model::{Argv, Target};
use crate::recording::escape::{self, Kind};
use crate::recording::hidden::hide;
use crate::recording::{Prepared, Recording, Setting, again, base_name, merge, transcript, words};
use crate::script::Recipe;
use clap::Args;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct RecordArgs {
    /// What initializes the machine: the command is run without these arguments, then with them
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    init_args: Option<String>,
    /// The exit statuses of bhyve, in turn; the last one repeats
    #[arg(long, value_name = "LIST", default_value = "1", value_delimiter = ',')]
    exits: Vec<u8>,
    /// Answer a call with the content of a file: `ifconfig=FILE`, `sysctl -n hw.model=FILE`
    #[arg(long = "answer", value_name = "CALL=FILE")]
    answers: Vec<String>,
    /// How long each run may take: 60s, 2m
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    timeout: Duration,
    /// How many calls each run may make
    #[arg(long, value_name = "CALLS", default_value = "1000", value_parser = clap::value_parser!(u16).range(1..=4000))]
    limit: u16,
    /// The bhyve that the recipe is for: freebsd-14, freebsd-15-arm64
    #[arg(long, value_name = "HOST")]
    on: Option<Asked>,
    /// Run the script although parts of it get past the stand-ins and are done for real
    #[arg(long)]
    anyway: bool,
    /// Print the steps as a transcript for sh(1) instead of a recipe
    #[arg(long, conflicts_with = "json")]
    transcript: bool,
    /// Print a JSON object: `steps`, `again`, and the recordings `with` and `without`
    #[arg(long)]
    json: bool,
    /// The command, as you type it
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

const AFTER: &str = "\
The command runs with stand-ins first in PATH. They do nothing, write down how they were called,
and answer:
  bhyve bhyvectl bhyveload cu devctl gpart grub-bhyve ifconfig kldload kldstat kldunload
  mdconfig mount newfs_msdos ngctl pfctl route service sysctl truncate umount vale-ctl zfs zpool
What changes something succeeds without a word. What only asks sees what was changed before.
bhyve ends as --exits says. The list of interfaces is the host's own, or has em0 with
192.168.2.5/24 where there is no ifconfig. `sudo`, `doas` and `daemon` are passed over: what they
run is recorded, or is run as by you.

EVERYTHING ELSE IS DONE FOR REAL, as by the user who calls vmrun:
  - redirections (> file), the shell's own commands, and all other programs: cp, dd, ssh, tmux
  - programs that are named by their whole path, as /sbin/ifconfig, or found by a PATH that the
    script sets itself: where the script's own text shows either, it is run with --anyway only
  - processes that leave the script's process group; the rest of it is ended at the end
No file is made by truncate, and no device by mdconfig: a test such as `[ -f /vm/a.img ]` sees
the real disk. The standard input is empty. A password is `***` wherever it is shown.";

pub(super) fn run(args: &RecordArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let one = |fault: Fault| vec![Diagnostic::error(fault)];
    let extra = args.init_args.as_ref().map(|line| words::split(line).map_err(|fault| fault.context("--init-args")));
    let extra = extra.transpose().map_err(one)?;
    let setting = args.setting().map_err(one)?;
    let escapes = escapes(&args.command, args.anyway);
    if !args.anyway && !escapes.is_empty() {
        return Err(escapes);
    }
    escapes.iter().for_each(|warning| term.diagnostic(warning));
    let recorder = Recorder::new().map_err(one)?;
    // The reader of our talk may be gone.
    let mut hear = |line: &str| drop(writeln!(io::stderr(), "{line}"));
    let mut record = |command: &[String]| -> Result<Recording, Vec<Diagnostic>> {
        let recording = recorder.record(command, &setting, args.timeout, &mut hear).map_err(one)?;
        doubts(command, &recording).iter().for_each(|warning| term.diagnostic(warning));
        Ok(recording)
    };
    let first = record(&args.command)?;
    let (with, without) = match &extra {
        None => (first, None),
        Some(extra) => (record(&[args.command.as_slice(), extra].concat())?, Some(first)),
    };
    if with.calls.is_empty() && without.as_ref().is_none_or(|without| without.calls.is_empty()) {
        let fault = Fault::new("the command called no program that is recorded");
        return Err(one(
            fault.hint("`vmrun record --help` lists them, and tells how a script gets past their stand-ins")
        ));
    }
    let boots = |recording: &Recording| recording.calls.iter().any(|call| call.boots().is_some());
    if let Some(without) = without.as_ref().filter(|without| boots(&with) && !boots(without)) {
        let why = without.stderr.last().map(|line| format!(": {line}")).unwrap_or_default();
        let init = args.init_args.as_deref().unwrap_or_default();
        let fault = Fault::new(format!("without {init} the script boots no machine{why}"));
        let hint =
            "where it tests for files, as `[ -f disk.img ]`, they have to be there: record where the machine exists";
        term.diagnostic(&Diagnostic::warning(fault.hint(hint)));
    }
    let (steps, again) = (merge(&with, without.as_ref()), again(&with, without.as_ref()));
    let init = hide(args.init_args.as_deref().unwrap_or_default());
    let from = std::env::current_dir().unwrap_or_default().to_string_lossy().into_owned();
    let text = match (args.json, args.transcript) {
        (true, _) => transcript::json(&steps, again, &with, without.as_ref()),
        (_, true) => transcript::text(&steps, again, &init, &from),
        _ => recorded::recipe(&steps, again, args.target(), &args.shown(), &init)?,
    };
    if !args.json && !args.transcript && text.contains("secret(\"vnc\")") {
        term.say(
            "the password is not in the recipe: give it as VMRUN_SECRET_VNC, or in the file secrets/vnc (mode 0600)",
        );
    }
    term.data(text.trim_end_matches('\n')).map_err(one)?;
    if args.json || args.transcript { Ok(()) } else { prove(&text, &with, without.as_ref(), args.target(), term) }
}

/// Rehearses the recipe with and without `--init`, and says whether it boots the machines that the script booted.
fn prove(
    text: &str,
    with: &Recording,
    without: Option<&Recording>,
    target: Target,
    term: &Term,
) -> Result<(), Vec<Diagnostic>> {
    let recipe = Recipe::parse("the recipe", text)?;
    let mut all = Vec::new();
    for (init, named, recording) in [(true, "with", with), (false, "without", without.unwrap_or(with))] {
        let told = |line: &String| format!("the recipe's machine is another one {named} `init`: {line}");
        let found = of_script(&recipe, recording, target, init)?;
        all.extend(found.map(|lines| lines.iter().map(told).collect::<Vec<_>>()));
    }
    if !all.is_empty() && all.concat().is_empty() {
        term.say("same machine");
    }
    let faults: Vec<Diagnostic> = all.concat().into_iter().map(|line| Diagnostic::error(Fault::new(line))).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

impl RecordArgs {
    /// The bhyve that is asked for: this host's on FreeBSD, else the usual one.
    fn target(&self) -> Target {
        let here = crate::host::environment::target();
        self.on.map_or(here, |on| on.target(here))
    }

    /// The command as the recipe names it: without the folder that it lies in.
    fn shown(&self) -> String {
        let words: Vec<&str> = self.command.iter().map(|word| base_name(word)).collect();
        hide(&words.join(" "))
    }

    fn setting(&self) -> Result<Setting, Fault> {
        let answers = self.answers.iter().map(|text| prepared(text)).collect::<Result<Vec<_>, _>>()?;
        let is_given = answers.iter().any(|prepared| prepared.words == ["ifconfig"]);
        let here = if is_given { None } else { standins::interfaces() };
        let usual = Setting::default();
        let interfaces = here.unwrap_or(usual.interfaces);
        Ok(Setting { exits: self.exits.clone(), answers, interfaces, limit: self.limit.into() })
    }
}

/// Reads `CALL=FILE` and the file.
fn prepared(text: &str) -> Result<Prepared, Fault> {
    let form =
        || Fault::usage(format!("--answer: {text:?} is not CALL=FILE")).hint("as `--answer ifconfig=interfaces.txt`");
    let (call, file) = text.rsplit_once('=').ok_or_else(form)?;
    let words = words::split(call).map_err(|fault| fault.context("--answer"))?;
    let Some(program) = words.first().filter(|_| !file.is_empty()) else { return Err(form()) };
    if !crate::recording::NAMES.contains(&program.as_str()) {
        let names = crate::recording::NAMES.iter().copied();
        let fault = Fault::usage(format!("--answer: `{program}` has no stand-in"));
        return Err(fault.maybe_hint(crate::diag::suggest::did_you_mean(program, names)));
    }
    let read = std::fs::read_to_string(file);
    let text = read.map_err(|why| {
        let why = why.to_string();
        let why = why.split(" (os error").next().unwrap_or_default();
        Fault::usage(format!("--answer: cannot read {file}: {why}")).hint("give the path of a text")
    })?;
    Ok(Prepared { words, text })
}

/// Tells what in the script gets past the stand-ins: as warnings, if it shall run anyway.
fn escapes(command: &[String], anyway: bool) -> Vec<Diagnostic> {
    let Some(source) = standins::script(command) else { return Vec::new() };
    let source = Rc::new(source);
    let told = |escape: escape::Escape| {
        let text = source.text.get(escape.span.clone()).unwrap_or_default();
        let fault = match escape.kind {
            Kind::Path => Fault::new(format!("`{text}` is run for real: a whole path gets past its stand-in"))
                .hint("write the name alone while it is recorded; with `--anyway` it runs as it is"),
            Kind::Search => {
                Fault::new("programs are run for real after PATH is set here: the stand-ins are no longer first")
                    .hint("write PATH=\"$PATH:…\" while it is recorded; with `--anyway` it runs as it is")
            }
        };
        let told = if anyway { Diagnostic::warning(fault) } else { Diagnostic::error(fault) };
        told.at(Place { source: source.clone(), span: escape.span })
    };
    escape::find(&source.text).into_iter().map(told).collect()
}

/// Warns of what is doubtful in a recording.
fn doubts(command: &[String], recording: &Recording) -> Vec<Diagnostic> {
    let mut doubts = Vec::new();
    if recording.status != 0 {
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
    doubts.into_iter().map(Diagnostic::warning).collect()
}

/// Plays a program whose stand-in this is, and returns the exit status. Nothing if this is vmrun itself.
pub(super) fn stand_in() -> Option<ExitCode> {
    // Whoever called it may not listen.
    Some(match standins::play()? {
        Ok(answer) => {
            let _ = io::stderr().write_all(answer.error.as_bytes());
            let _ = io::stdout().write_all(answer.output.as_bytes()).and_then(|()| io::stdout().flush());
            ExitCode::from(answer.status)
        }
        Err(fault) => {
            let _ = writeln!(io::stderr(), "vmrun: {fault}");
            ExitCode::FAILURE
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_program_that_has_a_stand_in() {
        let (_, list) = AFTER.split_once("answer:\n").unwrap();
        let (list, _) = list.split_once("\nWhat changes").unwrap();
        assert_eq!(list.split_whitespace().collect::<Vec<_>>(), crate::recording::NAMES);
        assert!(crate::recording::CARRIERS.iter().all(|name| AFTER.contains(&format!("`{name}`"))));
    }
}
