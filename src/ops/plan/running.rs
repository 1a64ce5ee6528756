//! What has changed of a machine since it was started: its hypervisor's command line as it was recorded, and as its recipe gives it now.

use super::{MachineForm, Planning, plan};
use crate::diag::difference::{Side, between};
use crate::diag::{Blame, Diagnostic, Fault};
use crate::host::clock::Utc;
use crate::model::VmName;
use crate::model::argv::quote;
use crate::ops::installation::did_you_mean;
use crate::ops::inventory::{Entry, EntryState};
use crate::ops::machines::machines;
use crate::ops::notice::Notify;
use crate::ops::recipe::{Prefetch, RecipeRequest, absolute};
use crate::supervise::status::MachineStatus;
use serde_json::{Value, json};
use std::path::PathBuf;

/// What a machine runs as, beside what it would be started as.
pub(crate) struct Change {
    /// The machine.
    pub(crate) name: VmName,
    /// Its recipe.
    pub(crate) recipe: String,
    /// When it was started, as people read it.
    pub(crate) since: String,
    /// Parameters, then options of the hypervisor, one a line.
    pub(crate) lines: Vec<(Side, String)>,
}

impl Change {
    /// Returns whether there is any.
    pub(crate) fn differs(&self) -> bool {
        self.lines.iter().any(|(side, _)| *side != Side::Both)
    }

    /// Returns it as a JSON object: `name`, `recipe`, `since`, `differs` and `lines`, a list of `sign`, which is a blank, `-` for what
    /// runs alone or `+`, and `text`.
    pub(crate) fn json(&self) -> Value {
        let line = |(side, text): &(Side, String)| json!({ "sign": sign(*side), "text": text });
        let lines: Vec<Value> = self.lines.iter().map(line).collect();
        json!({
            "name": self.name.as_str(), "recipe": self.recipe, "since": self.since, "differs": self.differs(), "lines": lines,
        })
    }
}

/// Returns the sign before a line: `-` for what runs.
pub(crate) const fn sign(side: Side) -> &'static str {
    match side {
        Side::Both => " ",
        Side::First => "-",
        Side::Second => "+",
    }
}

/// Compares a machine that runs, by its name or its recipe, with what the request's recipe, parameters and options would start now.
/// What the request does not say is as the machine was started.
pub(crate) fn change(asked: &RecipeRequest, notify: Notify<'_>) -> Result<Change, Vec<Diagnostic>> {
    let status = running(&asked.path)?;
    let mut set: Vec<(String, String)> = status
        .params
        .iter()
        .filter(|(name, _)| !asked.set.iter().any(|(given, _)| given == *name))
        .map(owned)
        .collect();
    set.extend(asked.set.iter().cloned());
    set.sort();
    let request = RecipeRequest {
        path: status.recipe.clone(),
        // Only its first boot initializes it.
        init: asked.init || status.init && status.boots <= 1,
        set: set.clone(),
        user_net: asked.user_net || status.user_net,
        ..asked.clone()
    };
    let log = Some(PathBuf::from(&status.log)).filter(|_| !status.log.is_empty());
    let planning = Planning { form: MachineForm::Argv, log, is_compared: true, ..Planning::default() };
    let plan = plan(&request, &planning, Prefetch::default(), notify)?;
    let params = |set: &[(String, String)]| -> Vec<String> {
        set.iter().map(|(name, value)| format!("--set {}", quote(&format!("{name}={value}")))).collect()
    };
    let recorded: Vec<(String, String)> = status.params.iter().map(owned).collect();
    let before = [params(&recorded), options(&status.argv)].concat();
    // A recipe may boot its machine several times, each time differently: what runs is one of these.
    let boots = plan.boots.iter().filter(|(name, _)| *name == status.name);
    let changes = boots.map(|(_, argv)| {
        let words: Vec<String> = argv.words().into_iter().map(String::from).collect();
        compared(&before, &[params(&set), options(&words)].concat())
    });
    let lines = changes.min_by_key(|lines| lines.iter().filter(|(side, _)| *side != Side::Both).count());
    let none = || {
        let fault = Fault::new(format!("{} boots no machine {} now", status.recipe, status.name));
        fault.hint(format!(
            "it runs as it was started; `vmrun plan {}` shows what the recipe does",
            quote(&status.recipe)
        ))
    };
    let lines = lines.ok_or_else(none)?;
    Ok(Change { name: status.name, recipe: status.recipe, since: Utc(status.since).to_string(), lines })
}

fn owned((name, value): (&String, &String)) -> (String, String) {
    (name.clone(), value.clone())
}

fn compared(before: &[String], now: &[String]) -> Vec<(Side, String)> {
    let texts = |all: &'_ [String]| all.iter().map(String::as_str).collect::<Vec<_>>().join("\n");
    let (before, now) = (texts(before), texts(now));
    let (before, now): (Vec<&str>, Vec<&str>) = (before.lines().collect(), now.lines().collect());
    between(&before, &now).into_iter().map(|(side, line)| (side, line.to_string())).collect()
}

/// Returns the words of a command line as lines: an option with its value, or a word that belongs to none.
fn options(words: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut takes_value = false;
    for word in words {
        let is_option = word.starts_with('-') && word.len() > 1;
        // A newline in a word would be the end of its line.
        let shown = quote(word).replace('\n', "\\n");
        match lines.last_mut().filter(|_| takes_value && !is_option) {
            Some(line) => {
                line.push(' ');
                line.push_str(&shown);
            }
            None => lines.push(shown),
        }
        takes_value = is_option;
    }
    lines
}

/// Finds a machine that runs in the background, by its name or its recipe, with what is recorded of it.
fn running(asked: &str) -> Result<MachineStatus, Fault> {
    let all = machines()?;
    let recipe = absolute(asked);
    let is_it = |one: &&Entry| one.name.as_deref() == Some(asked) || one.recipe.as_ref() == Some(&recipe);
    let mut found = all.iter().filter(is_it).filter(|one| one.process.is_some());
    let Some(one) = found.next() else {
        let fault = Fault::new(format!("no machine {asked} runs here")).blame(Blame::Down);
        let names = all.iter().filter_map(|one| one.name.clone());
        let way_out = "`vmrun list` tells what runs; `vmrun plan RECIPE` shows what a start would do";
        return Err(fault.hint(way_out).maybe_hint(did_you_mean(asked, names)));
    };
    if let Some(other) = found.next() {
        let names = [one, other].map(|one| one.name.clone().unwrap_or_default()).join(" and ");
        let fault = Fault::usage(format!("{asked} has several machines that run: {names}"));
        return Err(fault.hint("name one of them"));
    }
    let name = one.name.clone().unwrap_or_default();
    let unsure = |why: &str, way_out: String| Fault::new(format!("{name} {why}")).blame(Blame::Unsure).hint(way_out);
    match (&one.status, one.state) {
        (Some(status), _) if !status.argv.is_empty() => Ok(status.clone()),
        (Some(_), _) => Err(unsure(
            "was started by an earlier vmrun, which recorded no command line",
            format!("`vmrun restart {name}` starts it anew, with one that does"),
        )),
        (None, EntryState::Foreign) => Err(unsure(
            "was not started by vmrun, and it is not recorded how",
            "`vmrun import --all --running --out FOLDER` writes what can be seen of it".into(),
        )),
        (None, _) => Err(unsure(
            "runs in the foreground, where nothing is recorded of how it was started",
            "machines that `vmrun start` starts can be compared".into(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_and_its_value_are_one_line() {
        let words = |line: &str| line.split(' ').map(String::from).collect::<Vec<_>>();
        assert_eq!(
            options(&words("bhyve -c 2 -w -H -s 4,virtio-blk,/a -l com1,stdio web")),
            ["bhyve", "-c 2", "-w", "-H", "-s 4,virtio-blk,/a", "-l com1,stdio", "web"]
        );
        assert_eq!(options(&["a b".into(), "-".into(), "-x".into(), "c\nd".into()]), ["'a b'", "-", "-x 'c\\nd'"]);
        assert_eq!(options(&[]), [""; 0]);
    }
}
