//! What is told of an import of many machines: for people, in Markdown, and for programs, in JSON.

use super::kept::Written;
use super::outcome::{NetworkOutcome, Outcome, Outcomes};
use super::source::Next;
use crate::diag::{Fault, shown};
use crate::vmbhyve::Note;
use serde_json::{Value, json};

/// The state of a machine that vmrun runs already.
const OWN: &str = "vmrun's own";

impl Outcome {
    fn state(&self) -> &'static str {
        match (&self.recipe, self.differences.is_empty()) {
            (None, _) if self.own_recipe.is_some() => OWN,
            (None, _) => "not imported",
            (Some(_), false) => "another machine",
            (Some(_), true) if self.is_partial => "in part, to be finished",
            (Some(_), true) if self.holes.is_empty() => "same machine",
            (Some(_), true) => "same machine, to be finished",
        }
    }
}

/// What is done after an import, in order.
fn next(outcomes: &Outcomes) -> Vec<Next> {
    let out = &outcomes.out;
    let step = |what: &str, commands: Vec<String>| Next { what: what.into(), commands };
    let mut all = vec![step("see that nothing is wrong with the recipes", vec![format!("vmrun check {out}")])];
    if outcomes.guests.iter().any(|guest| guest.test.is_some()) {
        all.push(step("see that they do what they did, after each change", vec![format!("vmrun test {out}")]));
    }
    if outcomes.guests.iter().any(|guest| guest.secret.is_some()) {
        all.push(step("place the secrets that are listed above", Vec::new()));
    }
    all.extend(outcomes.next.iter().cloned());
    if let Some(network) = &outcomes.network {
        let commands = ["up", "rcconf"].map(|verb| format!("vmrun network {verb} {out}/{}", network.recipe));
        all.push(step("make the network, and print the lines that make it at every start", commands.into()));
    }
    let install = format!("install -m 644 {out}/config.toml /usr/local/etc/vmrun/config.toml");
    all.push(step("take the configuration, or its lines where there is one already", vec![install]));
    if !outcomes.start.is_empty() {
        let what = "start the machines with the host, by the script for rc.d";
        all.push(step(what, vec!["sysrc vmrun_enable=YES".into()]));
    }
    all
}

/// Returns the report for people.
pub(super) fn markdown(outcomes: &Outcomes) -> String {
    let mut text = format!("# Import of {}\n\n{}\n\n## Machines\n", outcomes.source, line(outcomes));
    outcomes.guests.iter().for_each(|guest| text += &machine(guest));
    if let Some(network) = &outcomes.network {
        text += &switches(network);
    }
    text += "\n## Start with the host\n\n";
    let from = outcomes.start_file.as_deref().unwrap_or("no file");
    let started = match outcomes.start.as_slice() {
        [] => format!("Nothing starts with the host (from {from}).\n"),
        all => format!("In this order (from {from}): {}.\n", all.join(", ")),
    };
    text.push_str(&started);
    text += &notes(&outcomes.notes);
    text += &edited("config.toml", outcomes.config);
    let secrets: Vec<&String> = outcomes.guests.iter().filter_map(|guest| guest.secret.as_ref()).collect();
    if !secrets.is_empty() {
        text += "\n## Secrets\n\nPasswords were not copied. Each goes into a file of its own (mode 0600), or into a variable:\n\n";
        for secret in secrets {
            let variable = crate::host::environment::variable(secret);
            text.push_str(&format!("- `/usr/local/etc/vmrun/secrets/{secret}`, or `{variable}`\n"));
        }
    }
    text += "\n## What to do next\n\n";
    for (at, Next { what, commands }) in next(outcomes).iter().enumerate() {
        text.push_str(&format!("{}. {what}\n", at + 1));
        if !commands.is_empty() {
            text.push_str(&format!("\n   ```sh\n   {}\n   ```\n\n", commands.join("\n   ")));
        }
    }
    shown::text(&text).into_owned()
}

fn machine(guest: &Outcome) -> String {
    let mut text = format!("\n### {}: {}\n\nFrom `{}`", guest.name, guest.state(), guest.file);
    text += &guest.recipe.as_ref().map(|recipe| format!(" to `{recipe}`")).unwrap_or_default();
    text += &guest.own_recipe.as_ref().map(|recipe| format!(", which runs from `{recipe}`")).unwrap_or_default();
    text += ".\n";
    text += &edited(guest.recipe.as_deref().unwrap_or_default(), guest.written);
    if let Some((test, written)) = &guest.test {
        text.push_str(&format!("\n`{test}` compares its plan from now on.\n"));
        text += &edited(test, *written);
    }
    let list = |what: &str, all: &[String]| {
        let blocks: String = all.iter().map(|one| format!("- {}\n", one.replace('\n', "\n  "))).collect();
        if all.is_empty() { String::new() } else { format!("\n{what}:\n\n{blocks}") }
    };
    text += &list("The recipe's machine is another one", &guest.differences);
    let holes: Vec<String> = guest.holes.iter().map(|hole| format!("```text\n{hole}\n```")).collect();
    text += &list(if guest.recipe.is_some() { "To be finished" } else { "Why not" }, &holes);
    let warnings: Vec<String> = guest.warnings.iter().map(|one| format!("```text\n{one}\n```")).collect();
    text += &list("Doubtful", &warnings);
    text += &notes(&guest.notes);
    text
}

fn switches(network: &NetworkOutcome) -> String {
    let mut text = format!("\n## Network\n\nFrom `{}` to `{}`.\n", network.file, network.recipe);
    text += &edited(&network.recipe, network.written);
    if !network.switches.is_empty() {
        text += "\n| switch | type | bridge |\n|---|---|---|\n";
        for switch in &network.switches {
            let bridge = switch.bridge.as_deref().unwrap_or("none");
            text.push_str(&format!("| {} | {} | {bridge} |\n", switch.name, switch.kind));
        }
    }
    if !network.holes.is_empty() {
        text += "\nTo be finished:\n\n";
        network.holes.iter().for_each(|hole| text.push_str(&format!("- {hole}\n")));
    }
    text += &notes(&network.notes);
    text
}

/// Lists what was not taken over, or otherwise than it looks.
fn notes(notes: &[Note]) -> String {
    if notes.is_empty() {
        return String::new();
    }
    let mut text = String::from("\nNot taken over, or not as it looks:\n\n| line | key | why |\n|---|---|---|\n");
    for note in notes {
        let line = if note.line > 0 { note.line.to_string() } else { String::new() };
        text.push_str(&format!("| {line} | {} | {} |\n", cell(&note.key), cell(&note.text)));
    }
    text
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

fn edited(name: &str, written: Written) -> String {
    match written {
        Written::Ours => String::new(),
        Written::Edited => format!("\n`{name}` was changed by hand, and stays as it is.\n"),
        Written::Behind => {
            format!(
                "\n`{name}` was changed by hand, and stays as it is: what is told here is not in it. Move it away, and import again.\n"
            )
        }
    }
}

/// Returns the report for programs.
pub(super) fn json(outcomes: &Outcomes) -> String {
    let listed = |notes: &[Note]| -> Vec<Value> {
        let one = |note: &Note| json!({ "line": note.line, "key": note.key, "why": note.text, "hole": note.is_hole });
        notes.iter().map(one).collect()
    };
    let written = |written: Written| match written {
        Written::Ours => "written",
        Written::Edited => "edited",
        Written::Behind => "edited, not up to date",
    };
    let guest = |guest: &Outcome| {
        json!({
            "name": guest.name, "file": guest.file, "recipe": guest.recipe, "own_recipe": guest.own_recipe, "state": guest.state(),
            "same_machine": guest.recipe.is_some() && guest.differences.is_empty() && !guest.is_partial, "differences": guest.differences,
            "holes": guest.holes, "warnings": guest.warnings, "not_taken": listed(&guest.notes), "secret": guest.secret,
            "written": written(guest.written), "test": guest.test.as_ref().map(|(name, _)| name),
        })
    };
    let network = outcomes.network.as_ref().map(|network| {
        let switch = |switch: &crate::vmbhyve::switch::Description| {
            json!({ "name": switch.name, "type": switch.kind, "bridge": switch.bridge })
        };
        json!({
            "file": network.file, "recipe": network.recipe, "holes": network.holes, "not_taken": listed(&network.notes),
            "switches": network.switches.iter().map(switch).collect::<Vec<_>>(), "written": written(network.written),
        })
    });
    let next = next(outcomes).into_iter().map(|next| json!({ "what": next.what, "commands": next.commands }));
    let document = json!({
        "source": outcomes.source, "kind": outcomes.kind, "machines": outcomes.guests.iter().map(guest).collect::<Vec<_>>(),
        "network": network, "start": outcomes.start, "start_file": outcomes.start_file,
        "not_taken": listed(&outcomes.notes), "next": next.collect::<Vec<_>>(),
    });
    format!("{}\n", shown::json(&format!("{document:#}")))
}

/// Returns the whole in a line.
pub(super) fn line(outcomes: &Outcomes) -> String {
    let count = |state: &str| outcomes.guests.iter().filter(|guest| guest.state() == state).count();
    let states = [
        OWN,
        "same machine",
        "same machine, to be finished",
        "in part, to be finished",
        "another machine",
        "not imported",
    ];
    let states: Vec<String> = states
        .iter()
        .filter(|state| count(state) > 0)
        .map(|state| format!("{} of {}: {state}", count(state), outcomes.guests.len()))
        .collect();
    format!("{} ({})", states.join("; "), outcomes.kind)
}

/// Returns what keeps the import from being whole: each has exit code 1.
pub(super) fn faults(outcomes: &Outcomes) -> Vec<Fault> {
    let mut all = Vec::new();
    let report = || format!("see {}/REPORT.md", outcomes.out);
    for guest in outcomes.guests.iter().filter(|guest| ![OWN, "same machine"].contains(&guest.state())) {
        all.push(Fault::new(format!("{}: {}", guest.name, guest.state())).hint(report()));
    }
    if let Some(network) = outcomes.network.as_ref().filter(|network| !network.holes.is_empty()) {
        all.push(Fault::new(format!("{}: to be finished", network.recipe)).hint(report()));
    }
    if outcomes.notes.iter().any(|note| note.is_hole) {
        all.push(Fault::new("what starts with the host is not whole").hint(report()));
    }
    let files = outcomes.guests.iter().filter_map(|guest| Some((guest.recipe.as_deref()?, guest.written)));
    let network = outcomes.network.iter().map(|network| (network.recipe.as_str(), network.written));
    let tests =
        outcomes.guests.iter().filter_map(|guest| guest.test.as_ref()).map(|(name, written)| (name.as_str(), *written));
    for (name, written) in files.chain(tests).chain(network).chain([("config.toml", outcomes.config)]) {
        if written == Written::Behind {
            let fault =
                Fault::new(format!("{name} was changed by hand and is not written: the import has another text now"));
            all.push(fault.hint("move it away, import again, and take over your changes"));
        }
    }
    all
}
