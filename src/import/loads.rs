//! What loads a guest before bhyve runs: bhyveload(8) and grub-bhyve in a script, with what they read, and what vm-bhyve calls.

use super::expressions::Words;
use super::words::{Reads, ShellLine, Simple, Word, Wrong, program};
use crate::bhyve::loader;
use crate::diag::Fault;
use crate::model::{Grub, Loader};
use crate::vmbhyve;
use std::collections::BTreeMap;
use std::ops::Range;

/// A loader's command in a script.
pub(super) struct Load {
    /// Its words, the program's name first.
    words: Vec<Word>,
    /// What it reads from its standard input.
    input: GivenText,
    /// Where its line begins.
    at: usize,
}

/// Text that a script gives to a program.
#[derive(Clone)]
enum GivenText {
    Nothing,
    Text(Word),
    /// A file that is there already.
    File(Word),
    /// What another program prints, which only running it would tell.
    Unknown,
}

/// The loaders of a script, and what it prints into files for them.
#[derive(Default)]
pub(super) struct Loads {
    all: Vec<Load>,
    files: BTreeMap<String, Word>,
}

/// Gives the text of a file, or nothing if it cannot be read.
pub(super) type Files<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Whether a word is the name of bhyve, with or without its folder.
pub(super) fn is_bhyve(word: &str) -> bool {
    word.rsplit('/').next() == Some("bhyve")
}

/// Whether a word is the name of a loader, with or without its folder.
pub(super) fn is_loader(word: &str) -> bool {
    matches!(word.rsplit('/').next(), Some("bhyveload" | "grub-bhyve"))
}

impl Loads {
    /// Takes the loaders of a line, and what is printed into a file; returns whether the line says nothing else.
    pub(super) fn take(&mut self, line: &ShellLine) -> bool {
        let mut is_all = !line.commands.is_empty();
        let mut printed = GivenText::Nothing;
        for (at, command) in line.commands.iter().enumerate() {
            let input = input(command, &printed);
            let is_piped_on = line.commands.get(at + 1).is_some_and(|next| next.is_piped);
            printed = prints(command, &input);
            if let Some(begin) = program(&command.words, is_loader) {
                let words = command.words.iter().skip(begin).cloned().collect();
                self.all.push(Load { words, input, at: line.span.start });
            } else if let (Some(file), GivenText::Text(text)) = (&command.writes, &printed) {
                self.files.insert(file.text.clone(), text.clone());
            } else {
                let is_read = is_piped_on && !matches!(printed, GivenText::Unknown);
                is_all &= is_read || program(&command.words, is_bhyve).is_some();
            }
        }
        is_all
    }

    /// Takes a loader's words as a log has them, which tells nothing of what it read.
    pub(super) fn take_words(&mut self, words: Vec<Word>) {
        let at = words.first().map_or(0, |word| word.span.start);
        self.all.push(Load { words, input: GivenText::Nothing, at });
    }

    /// Whether there is none.
    pub(super) const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Returns the last loader of a machine of that name, and what is said of others. What a loader reads is of the script or of a file
    /// that is there.
    pub(super) fn of(&self, name: &str, text: &str, files: Files<'_>) -> Result<(Option<Loader>, Vec<String>), Wrong> {
        let (mut found, mut remarks) = (None, Vec::new());
        let line_of = |at: usize| text.get(..at).unwrap_or_default().matches('\n').count() + 1;
        for load in &self.all {
            let line = line_of(load.at);
            let shown = load.words.first().map_or("", |word| word.text.rsplit('/').next().unwrap_or_default());
            let Some((loader, of)) = self.read(load, shown, files, text)? else {
                remarks.push(format!("not imported: {shown} of line {line}, which vmrun does not know how to call so"));
                continue;
            };
            if of != name {
                remarks.push(format!("not imported: {shown} of line {line}, which loads {of}, not {name}"));
                continue;
            }
            found = Some(loader);
        }
        Ok((found, remarks))
    }

    fn read(
        &self,
        load: &Load,
        program: &str,
        files: Files<'_>,
        text: &str,
    ) -> Result<Option<(Loader, String)>, Wrong> {
        let told = match &load.input {
            GivenText::Text(word) => Some(word.clone()),
            GivenText::File(word) => match self.files.get(&word.text) {
                Some(printed) => Some(printed.clone()),
                None => files(&word.text).map(|text| Word { text, ..word.clone() }),
            },
            GivenText::Nothing => None,
            GivenText::Unknown => return Ok(None),
        };
        if matches!(load.input, GivenText::File(_)) && told.is_none() {
            return Ok(None);
        }
        let args: Vec<String> = load.words.iter().skip(1).map(|word| word.text.clone()).collect();
        let map = match (program, loader::map_of(&args)) {
            ("grub-bhyve", Some(path)) => match self.files.get(path) {
                Some(printed) => Some(printed.clone()),
                None => match files(path) {
                    Some(text) => Some(Word { text, span: 0..0, expands: None }),
                    None => return Ok(None),
                },
            },
            _ => None,
        };
        let mut words = load.words.iter().chain(&told).chain(&map);
        if let Some(span) = words.find_map(|word| word.expands.clone()) {
            return Err(unknown(text, span));
        }
        let input = told.map(|word| word.text);
        Ok(loader::read(program, &args, input.as_deref(), map.as_ref().map(|word| word.text.as_str())))
    }
}

/// The fault of a word that only the shell knows.
pub(super) fn unknown(text: &str, span: Range<usize>) -> Wrong {
    let shown = text.get(span.clone()).unwrap_or("$…");
    let fault = Fault::new(format!("the shell would put something in for `{shown}`"));
    let hint = "write what it stands for; `vmrun record -- SCRIPT` sees the command lines of a whole script";
    (span, fault.hint(hint))
}

fn input(command: &Simple, printed: &GivenText) -> GivenText {
    match &command.reads {
        Some(Reads::File(file)) if file.text == "/dev/null" => GivenText::Nothing,
        Some(Reads::File(file)) => GivenText::File(file.clone()),
        Some(Reads::Here(text)) => GivenText::Text(text.clone()),
        None if command.is_piped => printed.clone(),
        None => GivenText::Nothing,
    }
}

/// Returns what a command prints: cat(1), echo(1) and printf(1) with a format that has nothing to fill in.
fn prints(command: &Simple, input: &GivenText) -> GivenText {
    let Some((program, args)) = command.words.split_first() else { return GivenText::Unknown };
    let joined = |args: &[Word], end: &str| {
        let texts: Vec<&str> = args.iter().map(|word| word.text.as_str()).collect();
        let expands = args.iter().find_map(|word| word.expands.clone());
        GivenText::Text(Word { text: texts.join(" ") + end, span: program.span.clone(), expands })
    };
    match (program.text.as_str(), args) {
        ("cat", []) => input.clone(),
        ("cat", [file]) if !file.text.starts_with('-') => GivenText::File(file.clone()),
        ("echo", [flag, rest @ ..]) if flag.text == "-n" => joined(rest, ""),
        ("echo", args) => joined(args, "\n"),
        ("printf", [format]) => {
            filled(&format.text).map_or(GivenText::Unknown, |text| GivenText::Text(Word { text, ..format.clone() }))
        }
        _ => GivenText::Unknown,
    }
}

/// Returns what printf(1) prints of a format that has no `%` but `%%`.
fn filled(format: &str) -> Option<String> {
    let (mut text, mut rest) = (String::new(), format.chars());
    while let Some(c) = rest.next() {
        match c {
            '%' => text.push(rest.next().filter(|c| *c == '%')?),
            '\\' => text.push(match rest.next()? {
                'n' => '\n',
                't' => '\t',
                c @ ('\\' | '\'' | '"') => c,
                _ => return None,
            }),
            _ => text.push(c),
        }
    }
    Some(text)
}

/// Returns the loader of a guest of vm-bhyve, and what is said of it, with what to do for an installer.
pub(super) fn of_guest(load: &vmbhyve::Load, slot: &str) -> (Option<Loader>, Vec<String>) {
    let mut remarks = Vec::new();
    let (program, args) = load.argv.split_first().map_or(("", &[][..]), |(program, args)| (program.as_str(), args));
    let input = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let found = loader::read(program, args, Some(&input(&load.commands)), None).map(|(loader, _)| loader);
    if found.is_none() {
        let line = super::command_line(&load.argv);
        remarks.push(format!("vmrun does not know how to call the loader: `{line}`"));
    }
    let device = "if init { ahci_cd(\"/path/of/the/installer.iso\") }";
    let mut remark = format!("to install, add `\"{slot}\": {device}` to the slots");
    if !load.install.is_empty() {
        let grub = Grub { root: Some("cd0".into()), input: Some(input(&load.install)), ..Grub::default() };
        let word = super::loader::piece(&Loader::Grub(grub), &Words::default()).flat();
        remark.push_str(&format!(", and write `loader: if init {{ {word} }} else {{ … }}`"));
    }
    remarks.push(remark);
    (found, remarks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_printf_prints_is_known_without_anything_to_fill_in() {
        assert_eq!(filled("a\\n\\tb%%\\\\'").as_deref(), Some("a\n\tb%\\'"));
        for text in ["%s", "%", "\\", "\\061"] {
            assert_eq!(filled(text), None, "{text}");
        }
    }
}
