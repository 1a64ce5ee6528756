//! What the types of values are called: no name of Rust's or Rhai's own reaches a person.

use super::handle::Handle;
use super::raise::Raised;
use rhai::Engine;
use std::any::type_name;

/// Every type of ours that a recipe can hold: its name in Rust, as Rhai says it of a value, its name in Rhai, as `type_of` says it,
/// and one value of it, for people.
fn ours() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let handles = Handle::ALL.into_iter().map(|handle| (handle.rust(), handle.name(), handle.article()));
    handles.chain([(type_name::<Raised>(), "Fault", "a fault")])
}

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
    for (rust, name, _) in ours() {
        engine.register_type_with_name_raw(rust, name);
    }
    engine.register_fn("to_string", |raised: &mut Raised| raised.fault.message.clone());
    engine.register_fn("to_debug", |raised: &mut Raised| raised.fault.message.clone());
}

/// Names one value of a type.
pub(crate) fn article(of: &str) -> &'static str {
    let ours = || ours().find(|(rust, name, _)| *name == of || *rust == of).map(|(.., article)| article);
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
pub(crate) fn in_own_names(mut text: String) -> String {
    for (rust, _, article) in ours() {
        text = text.replace(rust, article);
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
        for (rust, name, expected) in ours() {
            assert_eq!([article(rust), article(name)], [expected; 2]);
            assert!(rust.starts_with("vmrun::"), "{rust}");
        }
        for value in [rhai::Dynamic::from(0..4_i64), rhai::Dynamic::from(0..=4_i64), rhai::Dynamic::UNIT] {
            assert_ne!(article(value.type_name()), "a value of another kind");
        }
        assert_eq!(article("alloc::vec::Vec<u8>"), "a value of another kind");
        assert_eq!(arguments("string, i64, Tap)"), "a text, a number, a tap");
    }
}
