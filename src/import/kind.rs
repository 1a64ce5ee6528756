//! What a file is: a command line of bhyve or QEMU, a configuration of bhyve, a guest of vm-bhyve, a domain of libvirt, a guest of CBSD or what procstat(1) shows; and
//! which of its lines is the command of bhyve.

use super::loads::{Loads, is_bhyve, unknown};
use super::words::{ShellLine, Simple, Word, Wrong, blanks, lines, program, spans};
use super::{cbsd, libvirt, procstat, qemu, vmlog};
use crate::diag::{Fault, suggest};
use crate::vmbhyve::keys;
use std::ops::Range;
use std::str::FromStr;

/// What a machine is imported from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// A command line of bhyve(8), alone, in a script, or as ps(1) shows it.
    Bhyve,
    /// A file of bhyve_config(5).
    Config,
    /// A guest's file of vm-bhyve.
    VmBhyve,
    /// The XML of a domain of libvirt.
    Libvirt,
    /// A command line of QEMU.
    Qemu,
    /// What `procstat -f` shows of a bhyve, with `procstat -t` and `ifconfig` behind it.
    Procstat,
    /// A guest of CBSD: its `bhyve.conf`.
    Cbsd,
}

const NAMES: [(&str, SourceKind); 7] = [
    ("bhyve", SourceKind::Bhyve),
    ("config", SourceKind::Config),
    ("vm-bhyve", SourceKind::VmBhyve),
    ("libvirt", SourceKind::Libvirt),
    ("qemu", SourceKind::Qemu),
    ("procstat", SourceKind::Procstat),
    ("cbsd", SourceKind::Cbsd),
];

impl FromStr for SourceKind {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let names = || NAMES.iter().map(|(name, _)| *name);
        let found = NAMES.iter().find(|(name, _)| *name == text);
        let fault = || {
            let fault = Fault::usage(format!("{text:?} is nothing to import from"));
            fault.hint(format!("one of {}", suggest::list(names()))).did_you_mean(text, names())
        };
        found.map(|(_, kind)| *kind).ok_or_else(fault)
    }
}

/// A command of bhyve.
pub(super) struct Command {
    /// Its words, the program's name first unless there is none.
    pub(super) words: Vec<Word>,
    /// What is not imported of the text.
    pub(super) remarks: Vec<String>,
    /// What loads the guest before.
    pub(super) loads: Loads,
    /// The taps that other lines make members of bridges, each with its bridge.
    pub(super) bridges: Vec<(String, String)>,
}

/// Returns what a text is.
pub(super) fn of(text: &str) -> Result<SourceKind, Fault> {
    let has_content = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    if text.lines().filter(has_content).count() == 0 {
        return Err(Fault::new("there is nothing to import: the text is empty").hint("give a command line of bhyve"));
    }
    if libvirt::is(text) {
        return Ok(SourceKind::Libvirt);
    }
    if procstat::is(text) {
        return Ok(SourceKind::Procstat);
    }
    if cbsd::is(text) {
        return Ok(SourceKind::Cbsd);
    }
    if qemu::is(text) {
        return Ok(SourceKind::Qemu);
    }
    // A text may hold quotes that are not closed.
    let begins = |line: Range<usize>| start(&blanks(text, line)).is_some();
    let is_command = spans(text).any(begins)
        || spans(text).any(|line| ps_words(text, line).is_some())
        || lines(text).is_ok_and(|lines| lines.iter().flat_map(|line| &line.commands).any(begins_bhyve))
        || vmlog::is(text);
    if is_command || text.trim_start().starts_with('-') {
        return Ok(SourceKind::Bhyve);
    }
    let keys: Vec<&str> = text.lines().filter(has_content).filter_map(|line| Some(line.split_once('=')?.0)).collect();
    let has = |names: &[&str]| keys.iter().any(|key| names.contains(&key.trim()));
    if has(&["loader", "cpu", "memory"]) && keys.iter().any(|key| keys::find(key.trim()).is_some()) {
        return Ok(SourceKind::VmBhyve);
    }
    let dotted = keys.iter().any(|key| key.contains('.') && !key.contains(char::is_whitespace));
    if dotted || has(&["name", "cpus"]) {
        return Ok(SourceKind::Config);
    }
    if keys.iter().any(|key| keys::find(key.trim()).is_some()) {
        return Ok(SourceKind::VmBhyve);
    }
    let fault = Fault::new("the text is nothing that is known of a machine");
    Err(fault.hint(format!("say what it is by --from: {}", suggest::list(NAMES.iter().map(|(name, _)| *name)))))
}

/// Finds the one command of bhyve in a text.
pub(super) fn command(text: &str) -> Result<Command, Wrong> {
    if let Some(vmlog::Started { words, loads, remarks }) = vmlog::read(text) {
        return Ok(Command { words, remarks, loads, bridges: Vec::new() });
    }
    let mut found: Vec<(Vec<Word>, Option<Range<usize>>)> = Vec::new();
    let mut others = Vec::new();
    let ps: Vec<Vec<Word>> = spans(text).filter_map(|line| ps_words(text, line)).collect();
    if ps.is_empty() {
        for line in lines(text)? {
            if let Some(at) = start(&line.words) {
                found.push((line.words.into_iter().skip(at).collect(), line.rest));
            } else {
                found.extend(behind(&line).map(|words| (words, None)));
                others.push(line);
            }
        }
    } else {
        found.extend(ps.into_iter().map(|words| (words, None)));
    }
    let whole = 0..text.lines().next().map_or(0, str::len);
    let titled = |(words, _): &(Vec<Word>, _)| words.first().is_some_and(|word| word.text == "bhyve:");
    if let Some((words, _)) = found.iter().find(|entry| titled(entry)) {
        let span = words.first().map_or(whole, |word| word.span.start..words.last().unwrap_or(word).span.end);
        let fault = Fault::new("this is the title of a process, which carries no arguments");
        return Err((span, fault.hint("give the command line by which the machine is started")));
    }
    if found.len() > 1 {
        let fault = Fault::new(format!("there are {} command lines of bhyve", found.len()));
        let span = found.get(1).and_then(|(words, _)| words.first()).map_or(whole, |word| word.span.clone());
        return Err((span, fault.hint("give one of them; `vmrun record` tells what a whole script does")));
    }
    let Some((words, rest)) = found.pop() else {
        // bhyve's arguments alone.
        let dashed = others.first().filter(|line| line.words.first().is_some_and(|word| word.text.starts_with('-')));
        let Some(line) = dashed else {
            let fault = Fault::new("there is no command line of bhyve").hint("write `bhyve -c 1 -m 512M … NAME`");
            return Err((whole, fault));
        };
        return done(line.words.clone(), line.rest.clone(), others.get(1..).unwrap_or_default(), text);
    };
    done(words, rest, &others, text)
}

/// Returns the words of the only line of a text, split at blanks alone, if it is a command of bhyve without quotes that the shell
/// would cut short; and where it would.
pub(super) fn unquoted_command(text: &str) -> Option<(Vec<Word>, Range<usize>)> {
    let mut all = spans(text).filter(|line| text.get(line.clone()).is_some_and(|line| !line.trim().is_empty()));
    let (line, None) = (all.next()?, all.next()) else { return None };
    let part = text.get(line.clone())?;
    let cut = part.find([';', '(', ')', '&', '|', '<', '>']).filter(|_| !part.contains(['\'', '"', '\\', '$', '`']))?;
    let words = blanks(text, line.clone());
    let begins = words.first().is_some_and(|word| is_bhyve(&word.text) || word.text.starts_with('-'));
    begins.then_some((words, line.start + cut..line.start + cut + 1))
}

/// Refuses words that only the shell knows.
pub(super) fn known(words: &[Word], text: &str) -> Result<(), Wrong> {
    let Some((word, span)) = words.iter().find_map(|word| Some((word, word.expands.clone()?))) else { return Ok(()) };
    let is_shown = !word.text.to_ascii_lowercase().contains("passw");
    Err(unknown(if is_shown { text } else { "" }, span))
}

fn done(words: Vec<Word>, rest: Option<Range<usize>>, others: &[ShellLine], text: &str) -> Result<Command, Wrong> {
    known(&words, text)?;
    let mut remarks = Vec::new();
    let line_of = |at: usize| text.get(..at).unwrap_or_default().matches('\n').count() + 1;
    if let Some(rest) = rest {
        let line = line_of(rest.start);
        remarks.push(format!("not imported: what line {line} has after the command of bhyve"));
    }
    let mut bridges = Vec::new();
    let is_said = |line: &&ShellLine| {
        let texts: Vec<&str> = line.words.iter().map(|word| word.text.as_str()).collect();
        let is_ours = |tap: &str| words.iter().any(|word| word.text.split(',').any(|part| part == tap));
        match texts.as_slice() {
            ["ifconfig", bridge, "addm", tap] | ["ifconfig", bridge, "addm", tap, "up"] if is_ours(tap) => {
                bridges.push(((*tap).to_string(), (*bridge).to_string()));
                true
            }
            ["ifconfig", tap, "create" | "destroy"] => is_ours(tap),
            // vmrun does so itself.
            ["bhyvectl", "--destroy", vm] | ["bhyvectl", vm, "--destroy"] => {
                vm.strip_prefix("--vm=").is_some_and(|name| words.last().is_some_and(|word| word.text == name))
            }
            _ => false,
        }
    };
    let mut loads = Loads::default();
    // What a line prints into a file is another command where no loader reads it.
    let loaded: Vec<bool> = others.iter().map(|line| loads.take(line)).collect();
    let is_loaded = |at: usize| !loads.is_empty() && loaded.get(at) == Some(&true);
    let others = others.iter().enumerate().filter(|(at, _)| !is_loaded(*at)).map(|(_, line)| line);
    // The recipe makes the taps, plugs them in and takes them away.
    let (_, others): (Vec<&ShellLine>, Vec<&ShellLine>) = others.partition(is_said);
    let numbers: Vec<String> = others.into_iter().map(|line| line_of(line_start(line)).to_string()).collect();
    match numbers.as_slice() {
        [] => {}
        [one] => remarks.push(format!("not imported: line {one}, which is another command")),
        many => remarks.push(format!("not imported: lines {}, which are other commands", many.join(", "))),
    }
    Ok(Command { words, remarks, loads, bridges })
}

fn line_start(line: &ShellLine) -> usize {
    line.words.first().map_or(line.span.start, |word| word.span.start)
}

/// Returns the words of a line of ps(1) from `bhyve` on: among the columns before it is the number of the process.
fn ps_words(text: &str, line: Range<usize>) -> Option<Vec<Word>> {
    let words = blanks(text, line);
    let at = words.iter().position(|word| is_bhyve(&word.text) || word.text == "bhyve:")?;
    let number = |word: &Word| word.text.bytes().all(|b| b.is_ascii_digit());
    let titled = words.get(at).is_some_and(|word| word.text == "bhyve:");
    let columns = words.iter().take(at.min(2)).any(number) || titled && at == 0;
    columns.then(|| words.into_iter().skip(at).collect())
}

fn begins_bhyve(command: &Simple) -> bool {
    start(&command.words).is_some()
}

/// Returns the command of bhyve that stands last in a line, behind others.
fn behind(line: &ShellLine) -> Option<Vec<Word>> {
    let last = line.commands.last()?;
    start(&last.words).map(|at| last.words.iter().skip(at).cloned().collect())
}

fn start(words: &[Word]) -> Option<usize> {
    program(words, is_bhyve)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(text: &str) -> String {
        match command(text) {
            Ok(command) => {
                let words: Vec<&str> = command.words.iter().map(|word| word.text.as_str()).collect();
                [words.join(" ")].into_iter().chain(command.remarks).collect::<Vec<_>>().join(" | ")
            }
            Err((span, fault)) => format!("{} <- {fault}", &text[span]),
        }
    }

    #[test]
    fn the_command_is_found_behind_what_carries_it() {
        assert_eq!(
            told("# so\nexec sudo -u root X=1 /usr/sbin/bhyve -c 1 \\\n vm &\n"),
            "/usr/sbin/bhyve -c 1 vm | not imported: what line 3 has after the command of bhyve"
        );
        assert_eq!(
            told("root 1234 0.0 1 I+ 0:01.2 bhyve -s 5,virtio-net,slirp,hostfwd=a;b vm"),
            "bhyve -s 5,virtio-net,slirp,hostfwd=a;b vm"
        );
        assert_eq!(told("-c 1 vm"), "-c 1 vm");
        assert_eq!(told("ls\nx=1\nbhyve vm"), "bhyve vm | not imported: lines 1, 2, which are other commands");
    }

    #[test]
    fn what_is_no_command_is_told() {
        assert_eq!(
            told("1234 I 0:01 bhyve: lab (bhyve)"),
            "bhyve: lab (bhyve) <- this is the title of a process, which carries no arguments"
        );
        assert_eq!(told("bhyve a\nbhyve b"), "bhyve <- there are 2 command lines of bhyve");
        assert_eq!(told("bhyve -s 4,nvme,$VM/a.img a"), "$VM <- the shell would put something in for `$VM`");
        assert_eq!(told("man bhyve"), "man bhyve <- there is no command line of bhyve");
    }

    #[test]
    fn the_kind_is_seen_in_the_content() {
        let kind = |text: &str| of(text).map_err(|fault| fault.message);
        assert_eq!(kind("#!/bin/sh\nexec bhyve -c 1 vm"), Ok(SourceKind::Bhyve));
        assert_eq!(kind("# a\nname=vm\nmemory.size=1G"), Ok(SourceKind::Config));
        assert_eq!(kind("loader=\"uefi\"\ncpu=1\nname=x"), Ok(SourceKind::VmBhyve));
        assert_eq!(kind("disk0_name=\"a\""), Ok(SourceKind::VmBhyve));
        assert_eq!(kind("<?xml version='1.0'?>\n<domain type='bhyve'/>"), Ok(SourceKind::Libvirt));
        assert_eq!(kind("\n# x\n"), Err("there is nothing to import: the text is empty".into()));
        assert!(kind("hello").is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(bhyve:?|[ \\n=a1.'\"$-]|exec|loader|#){0,12}|.*") {
            let _ = of(&text);
            let _ = command(&text);
        }
    }
}
