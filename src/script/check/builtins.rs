//! The functions that Rhai brings along.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// The names of Rhai's own functions.
pub(super) struct Builtins {
    /// Each with its numbers of arguments; a method counts what it is called on.
    pub(super) functions: BTreeMap<String, BTreeSet<usize>>,
    /// What can be read of a value without a call: `len`.
    pub(super) getters: BTreeSet<String>,
}

/// Returns them; asked for the first time, it makes an engine, which costs more than a recipe's check.
pub(super) fn builtins() -> &'static Builtins {
    static ALL: OnceLock<Builtins> = OnceLock::new();
    ALL.get_or_init(|| {
        let (mut functions, mut getters): (BTreeMap<String, BTreeSet<usize>>, BTreeSet<String>) = Default::default();
        let engine = crate::script::functions();
        let pairs =
            engine.collect_fn_metadata(None, |f| Some((f.metadata.name.to_string(), f.metadata.num_params)), true);
        let keywords =
            [("print", 1), ("debug", 1), ("type_of", 1), ("is_shared", 1), ("is_def_var", 1), ("is_def_fn", 2)];
        let more = [("call", 1), ("call", 2), ("call", 3), ("call", 4)];
        let named = keywords.into_iter().chain(more).map(|(name, arity)| (name.to_string(), arity));
        for (name, arity) in pairs.into_iter().chain(named) {
            if let Some(getter) = name.strip_prefix("get$") {
                getters.insert(getter.into());
            }
            functions.entry(name).or_default().insert(arity);
        }
        Builtins { functions, getters }
    })
}
