//! Whether the machine of a recipe is the machine that was imported.

use super::Import;
use crate::bhyve::tree::Tree;
use crate::model::fwcfg::FwContent;
use crate::model::setting::SETTINGS;
use crate::model::value::Type;
use crate::model::{Draft, FwItem, Jail, Machine, Size, Target};

/// Returns what differs between what was imported (here) and a machine (there): nothing if they are the same.
///
/// Passwords are not compared, nor what only repeats bhyve's default.
pub fn differences(import: &Import, machine: &Machine) -> Vec<String> {
    let mut lines = against(&import.tree, import.draft.target, machine);
    lines.extend(items(&import.items, machine.fw_items()));
    lines.extend(jails(import.draft.jail.as_ref(), machine.jail()));
    lines.extend(machine.args().iter().map(|arg| format!("only there: the argument {arg}")));
    lines
}

/// Returns how the jails of two machines differ.
fn jails(here: Option<&Jail>, there: Option<&Jail>) -> Option<String> {
    let shown = |jail: Option<&Jail>| match jail {
        None => "none".to_string(),
        Some(Jail { name, is_made: false, .. }) => name.to_string(),
        Some(Jail { name, has_network: false, .. }) => format!("{name}, made for it"),
        Some(Jail { name, .. }) => format!("{name}, made for it with a network of its own"),
    };
    (here != there).then(|| format!("jail: {}, not {}", shown(there), shown(here)))
}

/// Returns what differs between the entries of one machine (here) and another machine (there): nothing if they are the same.
pub(crate) fn changes(entries: &[(String, String)], machine: &Machine) -> Vec<String> {
    let (here, mut lines) = tree(entries);
    lines.extend(against(&here, machine.target(), machine));
    lines
}

/// Makes a configuration of entries; with what could not be one.
fn tree(entries: &[(String, String)]) -> (Tree, Vec<String>) {
    let (mut tree, mut lines) = (Tree::new(), Vec::new());
    for (key, value) in entries {
        if let Err(fault) = tree.set_literal(key, value) {
            lines.push(fault.message);
        }
    }
    (tree, lines)
}

fn against(here: &Tree, target: Target, machine: &Machine) -> Vec<String> {
    let entries: Vec<(String, String)> = machine.entries().into_iter().collect();
    let (there, mut lines) = tree(&entries);
    lines.extend(canonical(here, target).differences(&canonical(&there, target)));
    lines
}

/// Returns a configuration in one form: normalized, without passwords and without what repeats a default of bhyve.
fn canonical(tree: &Tree, target: Target) -> Tree {
    let mut normalized = tree.normalized(target);
    let entries: Vec<(String, String)> = normalized.entries().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let domains: Vec<String> = normalized.names("domains").iter().map(|id| format!("domains.{id}.size")).collect();
    let is_sum = !domains.is_empty() && domains.iter().all(|key| normalized.get(key).is_some());
    for (key, value) in &entries {
        if is_default(key, value, target) || key == "memory.size" && is_sum {
            normalized.remove(key);
        }
    }
    normalized
}

fn is_default(key: &str, value: &str, target: Target) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key);
    match key {
        "memory.size" => Size::memory(value).is_ok_and(|size| size == Draft::default().memory),
        "tpm.version" => value == "2.0",
        _ if last == "password" => true,
        _ if key.starts_with("pci.") && !key.starts_with("pci.enable") => value == "false" && FLAGS.contains(&last),
        _ => SETTINGS
            .iter()
            .find(|setting| setting.key == key && setting.ty == Type::Flag)
            .is_some_and(|setting| setting.ty.read(value).is_ok_and(|value| setting.is_default(&value, target))),
    }
}

/// The switches of devices, all of them off where nothing is said.
const FLAGS: [&str; 7] = ["nocache", "sync", "direct", "ro", "nodelete", "wait", "open"];

/// Their order is no difference: firmware finds them by name.
fn items(here: &[FwItem], there: &[FwItem]) -> Vec<String> {
    let content = |item: &FwItem| match item.content() {
        FwContent::Text(text) => format!("string={text}"),
        FwContent::File(path) => format!("file={path}"),
    };
    let mut lines = Vec::new();
    for item in here {
        match there.iter().find(|other| other.name() == item.name()) {
            Some(other) if other.content() == item.content() => {}
            Some(other) => lines.push(format!("-f {}: {}, not {}", item.name(), content(item), content(other))),
            None => lines.push(format!("only here: -f {},{}", item.name(), content(item))),
        }
    }
    let missing = there.iter().filter(|item| !here.iter().any(|other| other.name() == item.name()));
    lines.extend(missing.map(|item| format!("only there: -f {},{}", item.name(), content(item))));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bhyve::{self, file};
    use crate::import::{ImportOptions, SourceKind, read};
    use crate::model::samples::any::{items, machine};
    use crate::model::{Argv, Device};
    use proptest::prelude::*;
    use proptest::sample::subsequence;
    use proptest::test_runner::RngSeed;
    use std::path::Path;

    /// What a command line says, beside the file that its `-k` names.
    fn said(argv: &Argv, file: &str, target: Target) -> Import {
        let setting = ImportOptions { kind: Some(SourceKind::Bhyve), target, ..ImportOptions::default() };
        let files = |path: &str| (path == "/machine").then(|| file.to_string());
        read("<line>", &argv.to_string(), &setting, &files)
            .unwrap_or_else(|faults| panic!("{argv}\n{file}\n{faults:?}"))
    }

    /// The machine in both forms of bhyve: its flags, and a configuration beside which `-f` and raw arguments stay.
    fn forms(machine: &Machine) -> [Import; 2] {
        let target = machine.target();
        let text = file::text(machine).unwrap();
        [
            said(&bhyve::argv(machine, Path::new("/secrets")), "", target),
            said(&file::argv(machine, Path::new("/machine")), &text, target),
        ]
    }

    proptest! {
        // A machine is hundreds of values; the same ones every time.
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::with_cases(48) })]

        #[test]
        fn any_machine_is_read_back_from_both_of_its_forms(machine in machine(items())) {
            prop_assert!(machine.devices().all(|(_, device): (_, &Device)| device.password().is_none()));
            for form in forms(&machine) {
                prop_assert_eq!(differences(&form, &machine), Vec::<String>::new());
            }
        }

        #[test]
        fn raw_options_and_arguments_mean_the_same_in_both_forms(
            machine in machine(items()),
            args in subsequence(vec!["-C", "-D", "-SW", "-Hw", "-obios.vendor=a%b", "-m3G"], 0..6),
            dump in any::<bool>(),
        ) {
            let mut draft = machine.draft().clone();
            draft.args = args.iter().map(ToString::to_string).collect();
            draft.options = if dump { vec![("config.dump".into(), "false".into())] } else { Vec::new() };
            let [argv, file] = forms(&draft.check().unwrap());
            prop_assert_eq!(differences(&argv, &file.draft.check().unwrap()), Vec::<String>::new());
        }
    }
}
