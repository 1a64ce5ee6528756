//! A device of the configuration, written as the text of a `-s`.

use super::{AHCI_PORTS, AMD, CONSOLE_PORTS, ItemForm, Slot, SlotDevice, kind_of, node, read};
use crate::diag::Fault;
use crate::model::device::KINDS;
use crate::model::{Feature, PciSlot, Target, Type};
use std::collections::{BTreeMap, BTreeSet};

/// Keys with their values, as they are given.
type Pairs<'a> = Vec<(&'a str, &'a str)>;

/// A name with the items that follow it, or the key that has no place among them.
type Items<'a> = Result<(&'static str, Vec<String>), &'a str>;

/// Writes the text of a `-s` that sets these keys below the device's node, in its shortest form: `ahci-hd`, `ahci-cd` and
/// `amd_hostbridge` where they set the same. Refuses keys and values that a `-s` cannot carry; `-o` carries them.
pub(crate) fn write(slot: PciSlot, entries: &[(String, String)], target: Target) -> Result<String, Fault> {
    let pairs: Pairs = entries.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let Some((_, name)) = pairs.iter().find(|(key, _)| *key == "device") else {
        return Err(Fault::new(format!("slot {slot} has no device")).hint(format!("set `{}.device`", node(slot))));
    };
    let kind = kind_of(name, target)?;
    if kind.name != kind.device {
        let hint = format!("write `{}.device={}`", node(slot), kind.device);
        return Err(Fault::new(format!("`{name}` is no device of a configuration, only of `-s`")).hint(hint));
    }
    let rest: Pairs = pairs.iter().copied().filter(|(key, _)| *key != "device").collect();
    let homeless = |key: &str, what: &str| {
        let fault = Fault::new(format!("`{key}` of `{name}` in slot {slot} {what}"));
        Err(fault.hint(format!("write `-o {}.{key}=...`, or a configuration file", node(slot))))
    };
    if let Some((key, _)) =
        rest.iter().find(|(_, value)| value.contains(',') && !matches!(kind.form, ItemForm::Whole(_)))
    {
        return homeless(key, "holds a comma, where the next option would begin");
    }
    let (name, items) = match items(kind, &rest, target) {
        Ok(written) => written,
        Err(key) => return homeless(key, "has no place in a `-s`"),
    };
    let text: String = [slot.to_string(), name.to_string()].into_iter().chain(items).collect::<Vec<String>>().join(",");
    let same = |again: &Slot| {
        let again: BTreeSet<(&str, &str)> = again.entries.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        again == pairs.iter().copied().collect() && again.len() == pairs.len()
    };
    if read(&text, target).is_ok_and(|again| again.slot == slot && again.warnings.is_empty() && same(&again)) {
        return Ok(text);
    }
    let hint = format!("write `-o {}.KEY=VALUE`, or a configuration file", node(slot));
    Err(Fault::new(format!("`{name}` in slot {slot} is set in a way that no `-s` says")).hint(hint))
}

/// What was written is read again before it is used, so that here only the canonical forms are told.
fn items<'a>(kind: &SlotDevice, rest: &Pairs<'a>, target: Target) -> Items<'a> {
    let written = match kind.form {
        ItemForm::Options if kind.device == "hostbridge" && is_amd(rest) => return Ok(("amd_hostbridge", Vec::new())),
        ItemForm::Options => options(rest)?,
        ItemForm::First(key) | ItemForm::Needed(key) => first(key, rest)?,
        ItemForm::Whole(key) => whole(key, rest)?,
        ItemForm::PathOrRam if value(rest, "path").is_none() && value(rest, "ram").is_some() => ram(rest)?,
        ItemForm::PathOrRam => first("path", rest)?,
        ItemForm::Ports => return ports(rest),
        ItemForm::Share => share(rest)?,
        ItemForm::Named => named(rest)?,
        ItemForm::Targets if !target.has(Feature::ScsiTargets) => first("dev", rest)?,
        ItemForm::Targets => targets(rest)?,
        ItemForm::Host => host(rest)?,
        ItemForm::Usb => usb(rest)?,
        // Names of `-s` alone, which no configuration holds.
        ItemForm::Amd | ItemForm::Port(_) => Vec::new(),
    };
    Ok((kind.name, written))
}

fn value<'a>(pairs: &Pairs<'a>, key: &str) -> Option<&'a str> {
    pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
}

fn without<'a>(pairs: &Pairs<'a>, keys: &[&str]) -> Pairs<'a> {
    pairs.iter().copied().filter(|(key, _)| !keys.contains(key)).collect()
}

fn is_amd(pairs: &Pairs) -> bool {
    pairs.len() == AMD.len() && AMD.iter().all(|pair| pairs.contains(pair))
}

/// Returns whether an option stands for itself, without a value.
fn is_word(name: &str) -> bool {
    let mut all = KINDS.iter().flat_map(|kind| kind.parameters());
    all.any(|(_, parameter)| parameter.name == name && parameter.ty == Type::Flag)
}

/// Keys with a dot have no place among options.
fn options<'a>(pairs: &Pairs<'a>) -> Result<Vec<String>, &'a str> {
    let item = |(key, value): &(&'a str, &'a str)| match (key.contains(['.', ',']), *value) {
        (true, _) => Err(*key),
        (false, "true") if is_word(key) => Ok((*key).to_string()),
        (false, value) => Ok(format!("{key}={value}")),
    };
    pairs.iter().map(item).collect()
}

/// Without the first item no other can be said.
fn first<'a>(key: &str, pairs: &Pairs<'a>) -> Result<Vec<String>, &'a str> {
    match (value(pairs, key), pairs.first()) {
        (Some(first), _) => Ok([vec![first.to_string()], options(&without(pairs, &[key]))?].concat()),
        (None, Some((other, _))) => Err(other),
        (None, None) => Ok(Vec::new()),
    }
}

fn whole<'a>(key: &str, pairs: &Pairs<'a>) -> Result<Vec<String>, &'a str> {
    match pairs.iter().find(|(name, _)| *name != key) {
        Some((other, _)) => Err(other),
        None => Ok(pairs.iter().map(|(_, value)| (*value).to_string()).collect()),
    }
}

fn ram<'a>(pairs: &Pairs<'a>) -> Result<Vec<String>, &'a str> {
    let size = value(pairs, "ram").unwrap_or_default();
    Ok([vec![format!("ram={size}")], options(&without(pairs, &["ram"]))?].concat())
}

/// Keys below `NODE.N.`, each with its key as a whole.
type Numbered<'a> = BTreeMap<usize, Vec<(&'a str, &'a str, &'a str)>>;

/// Sorts the keys below `NODE.N.` by N, less than `limit`. Fails with the first key of another form.
fn numbered<'a>(pairs: &Pairs<'a>, node: &str, limit: usize) -> Result<Numbered<'a>, &'a str> {
    let mut found = Numbered::new();
    for (key, value) in pairs {
        let below =
            key.strip_prefix(node).and_then(|rest| rest.strip_prefix('.')).and_then(|rest| rest.split_once('.'));
        let (at, name) = below.ok_or(*key)?;
        let at = at.parse().ok().filter(|number: &usize| number.to_string() == at && *number < limit).ok_or(*key)?;
        found.entry(at).or_default().push((*key, name, *value));
    }
    Ok(found)
}

fn ports<'a>(pairs: &Pairs<'a>) -> Items<'a> {
    let ports = numbered(pairs, "port", AHCI_PORTS)?;
    let mut written = Vec::new();
    let alone = ports.len() == 1 && ports.contains_key(&0);
    for port in 0..ports.keys().next_back().map_or(0, |last| last + 1) {
        let Some(entries) = ports.get(&port) else {
            written.push("hd:".to_string());
            continue;
        };
        let keys: Pairs = entries.iter().map(|(_, name, value)| (*name, *value)).collect();
        let kind = value(&keys, "type").and_then(|kind| ["hd", "cd"].into_iter().find(|known| *known == kind));
        let body = first("path", &without(&keys, &["type"]));
        let key = |name: &str| entries.iter().find(|(_, known, _)| *known == name).map_or("port", |(key, _, _)| *key);
        let body = body.map_err(key)?;
        match (kind, alone) {
            (Some("hd"), true) => return Ok(("ahci-hd", body)),
            (Some("cd"), true) => return Ok(("ahci-cd", body)),
            (Some(kind), _) => written.push(format!("{kind}:{}", body.join(","))),
            (None, _) => return Err(key("type")),
        }
    }
    Ok(("ahci", written))
}

fn share<'a>(pairs: &Pairs<'a>) -> Result<Vec<String>, &'a str> {
    let words = without(pairs, &["sharename", "path"]);
    if let Some((key, _)) = words.iter().find(|(_, value)| *value != "true") {
        return Err(key);
    }
    let shared = match (value(pairs, "sharename"), value(pairs, "path")) {
        (Some(name), Some(path)) => vec![format!("{name}={path}")],
        (None, None) => Vec::new(),
        (Some(_), None) => return Err("sharename"),
        (None, Some(_)) => return Err("path"),
    };
    Ok([shared, options(&words)?].concat())
}

fn named<'a>(pairs: &Pairs<'a>) -> Result<Vec<String>, &'a str> {
    let mut written = Vec::new();
    for entries in numbered(pairs, "port", CONSOLE_PORTS)?.values() {
        match entries[..] {
            [(_, "name", name), (_, "path", path)] | [(_, "path", path), (_, "name", name)] => {
                written.push(format!("{name}={path}"));
            }
            _ => return Err(entries.first().map_or("port", |(key, _, _)| *key)),
        }
    }
    Ok(written)
}

fn targets<'a>(pairs: &Pairs<'a>) -> Result<Vec<String>, &'a str> {
    let mut written = Vec::new();
    let mut others = Vec::new();
    for (key, value) in pairs {
        match key.strip_prefix("target.") {
            // With a `=` it would be taken for an option.
            Some("0") if value.starts_with('/') && !value.contains('=') => written.insert(0, (*value).to_string()),
            Some(id) => written.push(format!("target={id}:{value}")),
            None => others.push((*key, *value)),
        }
    }
    match others.first() {
        // A first item that is no target would be taken for one.
        Some((key, "true")) if written.is_empty() => Err(key),
        _ => Ok([written, options(&others)?].concat()),
    }
}

fn host<'a>(pairs: &Pairs<'a>) -> Result<Vec<String>, &'a str> {
    let numbers = ["bus", "slot", "func"];
    let device = match (value(pairs, "pptdev"), numbers.map(|key| value(pairs, key))) {
        (Some(name), [None, None, None]) => Some(name.to_string()),
        (None, [Some(bus), Some(slot), Some(func)]) => Some(format!("{bus}/{slot}/{func}")),
        _ => None,
    };
    let others = without(pairs, &["pptdev", "bus", "slot", "func"]);
    match (device, pairs.first()) {
        (Some(device), _) => Ok([vec![device], options(&others)?].concat()),
        (None, Some((key, _))) => Err(key),
        (None, None) => Ok(Vec::new()),
    }
}

fn usb<'a>(pairs: &Pairs<'a>) -> Result<Vec<String>, &'a str> {
    let mut written = Vec::new();
    for entries in numbered(pairs, "slot", usize::MAX)?.values() {
        let keys: Pairs = entries.iter().map(|(_, name, value)| (*name, *value)).collect();
        let key = entries.first().map_or("slot", |(key, _, _)| *key);
        let device = value(&keys, "device").ok_or(key)?;
        match options(&without(&keys, &["device"])).map_err(|_| key)?.as_slice() {
            [] => written.push(device.to_string()),
            [option] => written.push(format!("{device}={option}")),
            _ => return Err(key),
        }
    }
    Ok(written)
}
