//! What of a recipe hangs on files.

use super::super::layout::quoted;
use super::commands::made_file;
use super::{Guard, Refusal, Writer, truncated};
use crate::diag::Diagnostic;
use crate::recording::part::groups;
use crate::recording::{Step, When};

impl Writer<'_> {
    /// Returns what has to be so for a command, or for arguments of bhyve's. Nothing where no file does.
    pub(super) fn condition(&self, what: &[String]) -> Option<String> {
        let text = self.expression(self.guards.iter().find(|guard| guard.what == what)?);
        Some(self.early.iter().find(|(early, _)| *early == text).map_or(text, |(_, name)| name.clone()))
    }

    /// Ends the recipe where the script boots no machine.
    pub(super) fn refuse(&self, refusal: &Refusal) -> String {
        let init = match refusal.when {
            When::Always => "",
            When::OnlyInit => "init && ",
            When::OnlyWithout => "!init && ",
        };
        format!("\nif {init}{} {{\n    throw {};\n}}\n", self.files(&refusal.files), quoted(&refusal.message))
    }

    /// Says which files there have to be, and which must not be there.
    fn expression(&self, guard: &Guard) -> String {
        let all = self.files(&guard.files);
        if guard.is_otherwise { format!("!({all})") } else { all }
    }

    fn files(&self, files: &[(String, bool)]) -> String {
        let exists = |(path, is_there): &(String, bool)| {
            let word = self.words.values.get(path).cloned().unwrap_or_else(|| quoted(path));
            format!("{}exists({word})", if *is_there { "" } else { "!" })
        };
        files.iter().map(exists).collect::<Vec<_>>().join(" && ")
    }

    /// Names the conditions of slots, and of loaders, on files that the recipe makes before its machine, which then are there: they are asked for at its
    /// beginning.
    pub(super) fn early(&mut self) -> String {
        let boots = || self.steps.iter().filter(|step| step.call.boots().is_some());
        let loads =
            |guard: &Guard| guard.what.first().is_some_and(|word| ["bhyveload", "grub-bhyve"].contains(&word.as_str()));
        let is_of_slot = |guard: &&Guard| {
            loads(guard) || boots().any(|step| groups("bhyve", step.call.args()).contains(&guard.what))
        };
        let is_made =
            |guard: &&Guard| guard.files.iter().any(|(path, _)| self.steps.iter().any(|step| makes(step, path)));
        let mut all: Vec<String> = Vec::new();
        for text in self.guards.iter().filter(is_of_slot).filter(is_made).map(|guard| self.expression(guard)) {
            if !all.contains(&text) {
                all.push(text);
            }
        }
        let name = |at: usize| if at == 0 { "is_new".to_string() } else { format!("is_new{}", at + 1) };
        self.early = all.into_iter().enumerate().map(|(at, text)| (text, name(at))).collect();
        self.early.iter().map(|(text, name)| format!("let {name} = {text};\n")).collect()
    }

    /// Finds the slots of a machine that are there only where a file is, or is not.
    pub(super) fn guarded_slots(&mut self, args: &[String]) -> Result<(), Vec<Diagnostic>> {
        let whole = self.import(args)?.draft;
        let all = groups("bhyve", args);
        for (at, group) in all.iter().enumerate() {
            let Some(condition) = self.condition(group) else { continue };
            let rest = all.iter().enumerate().filter(|(other, _)| *other != at);
            let rest: Vec<String> = rest.flat_map(|(_, words)| words.clone()).collect();
            let without = self.import(&rest)?.draft;
            let gone = whole.slots.keys().filter(|slot| !without.slots.contains_key(slot));
            self.words.conditions.extend(gone.map(|slot| (*slot, condition.clone())));
        }
        Ok(())
    }
}

/// Whether a step makes a file.
fn makes(step: &Step, path: &str) -> bool {
    let args = step.call.args();
    match step.call.program() {
        "truncate" => truncated(args).is_some_and(|(_, paths)| paths.iter().any(|made| made == path)),
        super::written::WORD => args.first().is_some_and(|made| made == path),
        _ => made_file(&step.call) == Some(path),
    }
}
