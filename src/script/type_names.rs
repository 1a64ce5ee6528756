//! What the types of values are called: no name of Rust's or Rhai's own reaches a person.

use super::handle::{
    Bridge, DeviceHandle, Exit, Interface, LoaderHandle, Node, Rom, Screen, SecretHandle, Serial, Tap, Vm,
};
use super::raise::Raised;
use rhai::Engine;
use std::any::type_name;

/// A type of ours.
struct Named {
    /// Its name in Rust, as Rhai says it of a value.
    rust: fn() -> &'static str,
    /// Its name in Rhai, as `type_of` says it.
    name: &'static str,
    /// One value of it, for people.
    article: &'static str,
}

const fn named(rust: fn() -> &'static str, name: &'static str, article: &'static str) -> Named {
    Named { rust, name, article }
}

/// Every type of ours that a recipe can hold.
const OURS: [Named; 13] = [
    named(type_name::<Vm>, "Vm", "a machine"),
    named(type_name::<Tap>, "Tap", "a tap"),
    named(type_name::<Interface>, "Interface", "an interface"),
    named(type_name::<Bridge>, "Bridge", "a bridge"),
    named(type_name::<Node>, "Node", "a vmm node"),
    named(type_name::<DeviceHandle>, "Device", "a device"),
    named(type_name::<Rom>, "Bootrom", "firmware"),
    named(type_name::<LoaderHandle>, "Loader", "a loader"),
    named(type_name::<Serial>, "Serial", "a serial port"),
    named(type_name::<Screen>, "Screen", "a screen"),
    named(type_name::<Exit>, "Exit", "an exit"),
    named(type_name::<SecretHandle>, "Secret", "a secret"),
    named(type_name::<Raised>, "Fault", "a fault"),
];

/// Rhai's own types, by all names under which it speaks of them.
const RHAIS: [(&str, &str); 19] = [
    ("i64", "a number"),
    ("f64", "a number with a point"),
    ("bool", "true or false"),
    ("string", "a text"),
    ("&str | ImmutableString | String", "a text"),
    ("map", "a map"),
    ("array", "a list"),
    ("char", "a character"),
    ("()", "nothing"),
    ("", "nothing"),
    ("Fn", "a closure"),
    ("rhai::types::fn_ptr::FnPtr", "a closure"),
    ("range", "a range"),
    ("range=", "a range"),
    ("core::ops::range::Range<i64>", "a range"),
    ("core::ops::range::RangeInclusive<i64>", "a range"),
    ("blob", "bytes"),
    ("timestamp", "a time"),
    ("number", "a number"),
];

/// Makes the names of our types known to the engine.
pub(crate) fn register(engine: &mut Engine) {
    for Named { rust, name, .. } in &OURS {
        engine.register_type_with_name_raw(rust(), *name);
    }
    engine.register_fn("to_string", |raised: &mut Raised| raised.fault.message.clone());
    engine.register_fn("to_debug", |raised: &mut Raised| raised.fault.message.clone());
}

/// Names one value of a type.
pub(crate) fn article(of: &str) -> &'static str {
    let ours = || OURS.iter().find(|named| named.name == of || (named.rust)() == of).map(|named| named.article);
    let rhais = RHAIS.iter().find(|(name, _)| *name == of).map(|(_, article)| *article);
    rhais.or_else(ours).unwrap_or("a value of another kind")
}

/// Names the values of a call, as Rhai writes their types: `i64, Tap`.
pub(crate) fn arguments(types: &str) -> String {
    let types = types.trim_end_matches(')');
    if types.is_empty() {
        return String::new();
    }
    types.split(", ").map(article).collect::<Vec<_>>().join(", ")
}

/// Puts the names for people in place of those of Rust in Rhai's own words.
pub(crate) fn plain(mut text: String) -> String {
    for Named { rust, article, .. } in &OURS {
        text = text.replace(rust(), article);
    }
    for (name, article) in RHAIS.iter().filter(|(name, _)| name.contains("::") || name.contains('|')) {
        text = text.replace(name, article);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_called_what_it_is_under_every_name_of_its_type() {
        for Named { rust, name, article: expected } in &OURS {
            assert_eq!([article(rust()), article(name)], [*expected; 2]);
            assert!(rust().starts_with("vmrun::"), "{}", rust());
        }
        for value in [rhai::Dynamic::from(0..4_i64), rhai::Dynamic::from(0..=4_i64), rhai::Dynamic::UNIT] {
            assert_ne!(article(value.type_name()), "a value of another kind");
        }
        assert_eq!(article("alloc::vec::Vec<u8>"), "a value of another kind");
        assert_eq!(arguments("string, i64, Tap)"), "a text, a number, a tap");
    }
}
