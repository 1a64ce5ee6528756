//! What kind of value an expression has, as far as that can be known without running anything.

use crate::script::handle;
use crate::script::type_names;
use crate::script::words::Row;
use rhai::ImmutableString;
use std::collections::BTreeSet;
use std::rc::Rc;

/// A kind of value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing is known.
    Any,
    /// `()`.
    Unit,
    /// True or false.
    Flag,
    /// A whole number.
    Number,
    /// A text.
    Text,
    /// A list.
    List,
    /// A map; its keys where they are all known.
    Map(Option<Rc<BTreeSet<ImmutableString>>>),
    /// A closure.
    Closure,
    /// What a word returned, by the name of its type: `Vm`, `Tap`.
    Handle(&'static str),
}

impl Kind {
    /// Returns its name for people.
    pub(super) fn article(&self) -> &'static str {
        match self {
            Self::Any => "a value",
            Self::Unit => "()",
            Self::Flag => "a flag",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::List => "a list",
            Self::Map(_) => "a map",
            Self::Closure => "a closure",
            Self::Handle(name) => type_names::article(name),
        }
    }

    /// Returns a map with these keys.
    pub(super) fn map<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Map(Some(Rc::new(keys.into_iter().map(ImmutableString::from).collect())))
    }
}

/// Returns what a word returns.
pub(super) fn returned(row: Row) -> Kind {
    let Row::Word(word) = row else { return Kind::Handle("Device") };
    match (word.name, word.on.is_some()) {
        ("bhyve", _) => Kind::Handle("Vm"),
        ("run", true) => Kind::Handle("Exit"),
        ("tap", _) => Kind::Handle("Tap"),
        ("bridge", _) => Kind::Handle("Bridge"),
        ("vlan" | "vxlan", _) => Kind::Handle("Interface"),
        ("epair", _) => Kind::map(["a", "b"]),
        ("bhyvectl", _) => Kind::Handle("Node"),
        ("uefi" | "bootrom", _) => Kind::Handle("Bootrom"),
        ("bhyveload" | "grub_bhyve", _) => Kind::Handle("Loader"),
        ("secret", _) => Kind::Handle("Secret"),
        ("query" | "host_ip" | "ipxe_loader", _) => Kind::Text,
        ("exists", _) => Kind::Flag,
        _ => Kind::Any,
    }
}

/// Returns what a variable that every recipe sees holds.
pub(super) fn fact(name: &str) -> Kind {
    match name {
        "init" => Kind::Flag,
        "platform" | "hostname" | "vm_dir" => Kind::Text,
        _ => Kind::Any,
    }
}

/// Returns the properties of a handle that can be read, or that can be set.
pub(super) fn properties(of: &str, set: bool) -> Vec<&'static str> {
    match (of, set) {
        ("Vm", true) | ("Exit", false) => handle::properties(of),
        ("Vm", false) => ["name", "cpus", "memory"].into_iter().chain(handle::PARTS.map(|part| part.0)).collect(),
        ("Tap", false) => vec!["name"],
        _ => Vec::new(),
    }
}

/// Returns what a property of a handle holds.
pub(super) fn property(of: &Kind, name: &str) -> Kind {
    let part = || handle::PARTS.into_iter().find(|part| part.0 == name);
    match of {
        Kind::Handle("Vm") => part().map(|part| Kind::Handle(part.1)),
        _ => None,
    }
    .unwrap_or(if ["name", "word"].contains(&name) { Kind::Text } else { Kind::Any })
}

/// Returns the handle on which a method is called, by the name of its type.
pub(super) fn on(row: Row) -> Option<&'static str> {
    use std::any::TypeId;
    let Row::Word(word) = row else { return None };
    let on = word.on?;
    let known = [
        (TypeId::of::<handle::Vm>(), "Vm"),
        (TypeId::of::<handle::Serial>(), "Serial"),
        (TypeId::of::<handle::Screen>(), "Screen"),
        (TypeId::of::<handle::Bridge>(), "Bridge"),
        (TypeId::of::<handle::Node>(), "Node"),
        (TypeId::of::<handle::Exit>(), "Exit"),
        (TypeId::of::<handle::Tap>(), "Tap"),
    ];
    known.into_iter().find(|(id, _)| *id == on).map(|(_, name)| name)
}
