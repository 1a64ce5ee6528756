//! What kind of value an expression has, as far as that can be known without running anything.

use crate::script::handle::Handle;
use crate::script::words::Type;
use rhai::ImmutableString;
use std::collections::BTreeSet;
use std::rc::Rc;

/// What is known of a value without an evaluation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ValueKind {
    /// Nothing is known.
    Any,
    /// Rhai's `()`, which stands for nothing.
    Unit,
    /// True or false.
    Flag,
    /// A whole number.
    Number,
    /// A string of Rhai.
    Text,
    /// An array of Rhai.
    List,
    /// A map; its keys where they are all known.
    Map(Option<Rc<BTreeSet<ImmutableString>>>),
    /// A function without a name, with what it captured.
    Closure,
    /// What a word returned.
    Handle(Handle),
}

impl ValueKind {
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
            Self::Handle(handle) => handle.article(),
        }
    }

    /// Returns a map with these keys.
    pub(super) fn map<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Map(Some(Rc::new(keys.into_iter().map(ImmutableString::from).collect())))
    }
}

/// Returns what a value of a type is, where a word was given arguments of these kinds.
pub(super) fn of(ty: Type, given: &[ValueKind]) -> ValueKind {
    match ty {
        Type::Any => ValueKind::Any,
        Type::Unit => ValueKind::Unit,
        Type::Flag => ValueKind::Flag,
        Type::Number | Type::Size => ValueKind::Number,
        Type::Text | Type::Path => ValueKind::Text,
        Type::List => ValueKind::List,
        Type::Map([]) => ValueKind::Map(None),
        Type::Map(keys) => ValueKind::map(keys.iter().copied()),
        Type::Closure => ValueKind::Closure,
        Type::Handle(handle) => ValueKind::Handle(handle),
        Type::SameAs(at) => given
            .get(at)
            .filter(|kind| matches!(kind, ValueKind::Number | ValueKind::Flag))
            .cloned()
            .unwrap_or(ValueKind::Any),
    }
}

/// Returns what a variable that every recipe sees holds.
pub(super) fn fact(name: &str) -> ValueKind {
    match name {
        "init" => ValueKind::Flag,
        "platform" | "hostname" | "vm_dir" => ValueKind::Text,
        _ => ValueKind::Any,
    }
}
