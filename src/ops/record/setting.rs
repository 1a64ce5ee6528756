//! What the recordings of a script begin with.

use super::Request;
use crate::diag::Fault;
use crate::host::{files, standins};
use crate::recording::{FileState, MAKERS, NAMES, Prepared, Scenario, base_name, words};
use std::path::Path;

impl Request<'_> {
    /// Returns it: as whoever records says, and else as usual.
    pub(super) fn setting(&self) -> Result<Scenario, Fault> {
        let answers = self.answers.iter().map(|text| prepared(text)).collect::<Result<Vec<_>, _>>()?;
        let is_file = |prepared: &&Prepared| matches!(prepared.words.as_slice(), [word] if is_file(word));
        let path = |prepared: &Prepared| prepared.words.first().cloned().unwrap_or_default();
        let files: Vec<FileState> = answers
            .iter()
            .filter(is_file)
            .map(|prepared| FileState { path: path(prepared), is_there: true, ..FileState::default() })
            .collect();
        if let Some(file) = files.first().filter(|_| self.anyway) {
            let fault = Fault::usage(format!("--answer: by `--anyway` the script reads this host's {}", file.path));
            return Err(fault.hint("leave out `--anyway`: in an enclosure it reads what is given"));
        }
        let is_given = answers.iter().any(|prepared| prepared.words == ["ifconfig"]);
        let here = if is_given { None } else { standins::interfaces() };
        let usual = Scenario::default();
        let interfaces = here.unwrap_or_else(|| usual.interfaces.clone());
        // One that loads none has them loaded, by loader.conf(5) or rc.conf(5). The last two are of rc.subr(8).
        let loads = |text: &str| ["kldload", "load_kld", "required_modules"].iter().any(|word| text.contains(word));
        let loads = standins::script(self.command).is_none_or(|script| loads(&script.text));
        let (exits, limit, has_modules) = (self.exits.to_vec(), self.limit, !loads);
        Ok(Scenario { exits, limit, interfaces, answers, files, has_modules, ..usual })
    }
}

/// Whether an answer is what is in a file, and not what a program says.
fn is_file(call: &str) -> bool {
    let is_program = || NAMES.contains(&base_name(call)) || MAKERS.contains(&base_name(call));
    call.starts_with('/') && !call.contains(char::is_whitespace) && !call.contains("/../") && !is_program()
}

/// Reads `CALL=FILE` and the file.
fn prepared(text: &str) -> Result<Prepared, Fault> {
    let form =
        || Fault::usage(format!("--answer: {text:?} is not CALL=FILE")).hint("as `--answer ifconfig=interfaces.txt`");
    let (call, file) = text.rsplit_once('=').ok_or_else(form)?;
    let words = words::split(call).map_err(|fault| fault.context("--answer"))?;
    let Some(program) = words.first().filter(|_| !file.is_empty()) else { return Err(form()) };
    if !NAMES.contains(&program.as_str()) && !MAKERS.contains(&program.as_str()) && !is_file(call) {
        let names = NAMES.iter().copied();
        let fault = Fault::usage(format!("--answer: `{program}` has no stand-in"));
        return Err(fault.did_you_mean(program, names));
    }
    let text = files::read_text(Path::new(file)).map_err(|error| {
        let why = files::reason(&error);
        Fault::usage(format!("--answer: cannot read {file}: {why}")).hint("give the path of a text")
    })?;
    Ok(Prepared { words, text, ..Prepared::default() })
}
