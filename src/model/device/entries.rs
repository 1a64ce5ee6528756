//! A device as bhyve_config(5) has it: keys and values below its node.

use super::{Device, DeviceKind, Item, KINDS};
use crate::diag::{Fault, suggest};
use crate::model::Target;
use crate::model::parameter::{Need, Parameter, ParameterForm, matches, numbered};

/// A key with what is wrong about it.
pub(crate) type KeyFault = (String, Fault);

/// Puts a key below another; either may be empty.
fn join(below: &str, key: &str) -> String {
    let dot = if below.is_empty() || key.is_empty() { "" } else { "." };
    format!("{below}{dot}{key}")
}

/// Whether a parameter is no key of the device.
const fn is_elsewhere(parameter: &Parameter) -> bool {
    matches!(parameter.form, ParameterForm::Lpc | ParameterForm::Own)
}

impl Device {
    /// Returns the device as keys and values below its node, in bhyve's order, for the newest release that is usual. A
    /// password is left out, and so are the serial ports of an LPC bridge, which are keys of the machine.
    pub fn entries(&self) -> Vec<(String, String)> {
        self.entries_for(Target::default())
    }

    /// Returns the same for a bhyve.
    pub fn entries_for(&self, target: Target) -> Vec<(String, String)> {
        let own = |key: &str, value: &str| (key.to_string(), value.to_string());
        let mut entries = vec![own("device", self.kind.device)];
        entries.extend(self.kind.implied.iter().map(|(key, value)| own(key, value)));
        for Item { number, parameter, value } in self.items() {
            if is_elsewhere(parameter) {
                continue;
            }
            let below = match (number, self.kind.group) {
                (Some(number), Some(group)) => numbered(group.below, *number),
                _ => self.kind.below.to_string(),
            };
            entries.extend(parameter.implies.map(|(key, value)| (join(&below, key), value.to_string())));
            let key = match parameter.key_for(target) {
                // The key is another one altogether.
                renamed if renamed != parameter.key => renamed.to_string(),
                key => join(&below, key),
            };
            entries.extend(value.entries(&key));
        }
        entries
    }

    /// Reads a device from keys and values below its node. Where they are exactly what an alias of bhyve's stands for
    /// (`ahci-hd`, `amd_hostbridge`), the device is of that kind. Values are as bhyve reads them, after their expansion.
    pub fn from_entries(entries: &[(String, String)]) -> Result<Self, Vec<KeyFault>> {
        let one = |fault| Err(vec![("device".to_string(), fault)]);
        let Some((_, name)) = entries.iter().rev().find(|(key, _)| key == "device") else {
            let fault = Fault::new("the slot has no `device`").hint("say which one it is: `device=virtio-blk`");
            return one(fault);
        };
        let of_name: Vec<&'static DeviceKind> = KINDS.iter().copied().filter(|kind| kind.device == name).collect();
        if of_name.is_empty() {
            return one(unknown(name));
        }
        let mut of_alias = None;
        for kind in of_name.iter().filter(|kind| !kind.implied.is_empty()) {
            let has = |(key, value): &(&str, &str)| entries.iter().any(|(k, v)| k == key && v == value);
            if !kind.implied.iter().all(has) {
                continue;
            }
            match read(kind, entries) {
                Ok(device) => return Ok(device),
                Err(faults) => of_alias = Some(faults),
            }
        }
        let plain = of_name.iter().find(|kind| kind.implied.is_empty());
        let read = plain.map_or_else(|| one(unknown(name)), |kind| read(kind, entries));
        // Where the device lacks something as a whole, the alias knows better what.
        let is_whole = |faults: &[KeyFault]| faults.iter().all(|(key, _)| key == "device");
        read.map_err(|faults| match of_alias {
            Some(of_alias) if is_whole(&faults) || is_whole(&of_alias) => of_alias,
            _ => faults,
        })
    }
}

fn unknown(name: &str) -> Fault {
    if let Some(kind) = DeviceKind::named(name) {
        let implied = kind.implied.iter().map(|(key, value)| format!(" with `{key}={value}`"));
        let fault = Fault::new(format!("{name:?} is an alias, which bhyve's configuration does not take"));
        return fault.hint(format!("write `device={}`{}", kind.device, implied.collect::<Vec<_>>().join(" and")));
    }
    let names = || KINDS.iter().map(|kind| kind.device);
    let fault = Fault::new(format!("bhyve has no device {name:?}"));
    let mut known: Vec<&str> = names().collect();
    known.dedup();
    fault.hint(format!("it has {}", suggest::list(known))).did_you_mean(name, names())
}

fn read(kind: &'static DeviceKind, entries: &[(String, String)]) -> Result<Device, Vec<KeyFault>> {
    let entries = gathered(kind, entries);
    let value_of = |key: &str| entries.iter().rev().find(|(k, _)| k == key).map(|(_, value)| value.as_str());
    let mut faults = Vec::new();
    let mut items = Vec::new();
    let mut places: Vec<(Option<u16>, &str, String)> = Vec::new();
    for (at, (key, text)) in entries.iter().enumerate() {
        // Of two equal keys the later wins, as in bhyve.
        let again = entries.iter().skip(at + 1).any(|(later, _)| later == key);
        let implied = kind.implied.iter().any(|(k, v)| k == key && v == text);
        if again || implied || key == "device" {
            continue;
        }
        match find(kind, key, &value_of) {
            KeyMatch::Parameter(number, parameter) => {
                places.push((number, parameter.name, key.clone()));
                match parameter.ty.read(text) {
                    Ok(value) => items.push(Item { number, parameter, value }),
                    Err(fault) => faults.push((key.clone(), fault)),
                }
            }
            KeyMatch::Implied => {}
            KeyMatch::Wrong(fault) => faults.push((key.clone(), fault)),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Device::of_items(kind, items).map_err(|(number, parameter, fault)| {
        let place = places.iter().find(|(n, name, _)| *n == number && parameter.is_some_and(|p| p.name == *name));
        let fault = if fault.hint.is_none() { fault.maybe_hint(missing(kind, &entries)) } else { fault };
        vec![(place.map_or_else(|| "device".to_string(), |(_, _, key)| key.clone()), fault)]
    })
}

/// Returns what to add where the device lacks something that it needs.
fn missing(kind: &'static DeviceKind, entries: &[(String, String)]) -> Option<String> {
    let first = kind.group.map_or(0, |group| group.first);
    let needs = |(_, parameter): &(&str, &Parameter)| parameter.need != Need::Optional;
    let keys = kind.parameters().filter(needs).map(|(below, parameter)| numbered(&join(below, parameter.key), first));
    let lacking = keys.filter(|key| !entries.iter().any(|(given, _)| given == key));
    lacking.map(|key| format!("add `{key}=…`")).next()
}

/// Replaces the parts of a value by the value: `bus`, `slot` and `func` by one.
fn gathered(kind: &'static DeviceKind, entries: &[(String, String)]) -> Vec<(String, String)> {
    let mut entries = entries.to_vec();
    for parameter in kind.given.iter().filter(|parameter| !parameter.ty.parts().is_empty()) {
        let parts = parameter.ty.parts();
        let found: Vec<String> = parts
            .iter()
            .filter_map(|part| entries.iter().rev().find(|(key, _)| key == part).map(|(_, value)| value.clone()))
            .collect();
        if found.len() == parts.len() && !entries.iter().any(|(key, _)| key == parameter.key) {
            entries.retain(|(key, _)| !parts.contains(&key.as_str()));
            entries.push((parameter.key.to_string(), found.join("/")));
        }
    }
    entries
}

enum KeyMatch {
    Parameter(Option<u16>, &'static Parameter),
    /// It goes with another key.
    Implied,
    Wrong(Fault),
}

fn find<'a>(kind: &'static DeviceKind, key: &str, value_of: &dyn Fn(&str) -> Option<&'a str>) -> KeyMatch {
    // A key of a later release may look like one of a group.
    let renamed = kind.given.iter().chain(kind.options()).find(|p| p.renamed.is_some_and(|(_, later)| later == key));
    if let Some(parameter) = renamed {
        return KeyMatch::Parameter(None, parameter);
    }
    let mut candidates = Vec::new();
    for (below, parameter) in kind.parameters().filter(|(_, p)| !is_elsewhere(p)) {
        let is_grouped = kind.group.is_some_and(|group| group.below == below) && kind.has_grouped(parameter.name);
        if let Some(number) = matches(&join(below, parameter.key), key) {
            let number = is_grouped.then_some(number);
            let fits = parameter.implies.is_none_or(|(implied, value)| {
                value_of(&place(below, number, implied)).is_some_and(|given| given == value)
            });
            if fits {
                return KeyMatch::Parameter(number, parameter);
            }
            candidates.extend(parameter.implies.map(|(implied, value)| (place(below, number, implied), value)));
        }
        if let Some((implied, value)) = parameter.implies
            && let Some(number) = matches(&join(below, implied), key)
            && value_of(key) == Some(value)
        {
            let goes_with = place(below, is_grouped.then_some(number), parameter.key);
            return if value_of(&goes_with).is_some() {
                KeyMatch::Implied
            } else {
                KeyMatch::Wrong(alone(key, &goes_with))
            };
        }
    }
    KeyMatch::Wrong(no_key(kind, key, &candidates))
}

fn place(below: &str, number: Option<u16>, key: &str) -> String {
    join(&number.map_or_else(|| below.to_string(), |number| numbered(below, number)), key)
}

/// What is wrong about a key that only says what another one is.
fn alone(key: &str, goes_with: &str) -> Fault {
    Fault::new(format!("`{key}` is there without `{goes_with}`"))
        .hint(format!("add `{goes_with}=…`, or take `{key}` out"))
}

/// What is wrong about a key that no parameter has.
fn no_key(kind: &'static DeviceKind, key: &str, candidates: &[(String, &str)]) -> Fault {
    if let Some((implied, _)) = candidates.first() {
        let values: Vec<String> = candidates.iter().map(|(_, value)| format!("`{implied}={value}`")).collect();
        let fault = Fault::new(format!("`{key}` needs to know what it is"));
        return fault.hint(format!("add {}", values.join(" or ")));
    }
    let implied = |(below, parameter): (&'static str, &'static Parameter)| {
        let keys = parameter.implies.map(|(key, _)| join(below, key));
        [join(below, parameter.key)].into_iter().chain(keys).collect::<Vec<String>>()
    };
    let known: Vec<String> = kind.parameters().filter(|(_, p)| !is_elsewhere(p)).flat_map(implied).collect();
    // Numbers stand where the key has its own.
    let number = key.split('.').find(|part| part.parse::<u16>().is_ok()).unwrap_or("0");
    let known: Vec<String> = known
        .iter()
        .map(|k| k.split('.').map(|p| if p == "N" { number } else { p }).collect::<Vec<_>>().join("."))
        .collect();
    let mut names: Vec<&str> = known.iter().map(String::as_str).collect();
    names.dedup();
    if names.contains(&key) {
        // It goes with another key, but its value is none of those.
        let values = kind.parameters().filter_map(|(_, p)| p.implies).map(|(_, value)| format!("{value:?}"));
        let fault = Fault::new(format!("`{key}` has a value that {} does not know", kind.device));
        return fault.hint(format!("write {}", values.collect::<Vec<_>>().join(" or ")));
    }
    let fault = Fault::new(format!("{} has no key `{key}`", kind.device));
    let none = || match names.as_slice() {
        [] => "it has none but `device`".to_string(),
        names => format!("keys: {}", suggest::list(names.iter().copied())),
    };
    fault.hint(none()).did_you_mean(key, names.iter().copied())
}
