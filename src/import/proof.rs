//! Whether the machine of a recipe is the machine that was imported.

use super::Import;
use crate::bhyve::tree::Tree;
use crate::model::fwcfg::FwContent;
use crate::model::setting::SETTINGS;
use crate::model::value::Type;
use crate::model::{Draft, FwItem, Machine, Size, Target};

/// Returns what differs between what was imported (here) and a machine (there): nothing if they are the same.
///
/// Passwords are not compared, nor what only repeats bhyve's default.
pub fn differences(import: &Import, machine: &Machine) -> Vec<String> {
    let target = import.draft.target;
    let mut there = Tree::new();
    let mut lines = Vec::new();
    for (key, value) in machine.entries() {
        if let Err(fault) = there.set_literal(&key, &value) {
            lines.push(fault.message);
        }
    }
    lines.extend(canonical(&import.tree, target).differences(&canonical(&there, target)));
    lines.extend(items(&import.items, machine.fw_items()));
    lines.extend(machine.args().iter().map(|arg| format!("only there: the argument {arg}")));
    lines
}

/// Returns a configuration in one form: normalized, without passwords and without what repeats a default of bhyve.
fn canonical(tree: &Tree, target: Target) -> Tree {
    let mut plain = tree.normalized(target);
    let entries: Vec<(String, String)> = plain.entries().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let domains: Vec<String> = plain.names("domains").iter().map(|id| format!("domains.{id}.size")).collect();
    let is_sum = !domains.is_empty() && domains.iter().all(|key| plain.get(key).is_some());
    for (key, value) in &entries {
        if is_default(key, value, target) || key == "memory.size" && is_sum {
            plain.remove(key);
        }
    }
    plain
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
