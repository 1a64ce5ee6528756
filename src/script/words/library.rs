//! What a library says of the map that it was given: the fault stands where the recipe gave it.

use super::{Call, Param, Type, Word, map, unknown_key};
use crate::diag::{Fault, suggest};
use crate::script::raise::Raised;
use rhai::Dynamic;

pub(super) const WORDS: &[Word] = &[
    Word {
        name: "known_keys",
        params: &[
            Param::new("map", Type::Map(&[])),
            Param::written("needed", Type::List, "[\"name\"]"),
            Param::written("others", Type::List, "[\"cpus\", \"memory\"]").optional(),
        ],
        help: "Refuses a map that a function was given without a key of the first list, or with one of neither.",
        is_tried: false,
        ..Word::of(known_keys)
    },
    Word {
        name: "refuse",
        params: &[
            Param::new("value", Type::Any),
            Param { ty: Type::Any, ..Param::text("key", "key") },
            Param::text("fault", "what is wrong"),
            Param::text("hint", "what to write").optional(),
        ],
        help: "Refuses what a function was given: a key of it, a list of keys that lead to a part, or with `()` the whole.",
        is_tried: false,
        ..Word::of(refuse)
    },
];

fn known_keys(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let (needed, wanted) = (call.texts(1)?, call.texts(2)?);
    let more = wanted.iter().filter(|key| !needed.contains(key));
    let known: Vec<&str> = needed.iter().chain(more).map(String::as_str).collect();
    let given = map(&call.args[0]).map_err(|raised| raised.arg(0).about_given())?;
    let unknown = given.keys().filter(|key| !known.contains(&key.as_str())).map(|key| unknown_key(key, &known));
    let mut raised: Vec<Raised> = unknown.collect();
    // What is missing may be what is misspelt: that says more.
    if raised.is_empty() {
        let is_there = |key: &&str| given.get(*key).is_some_and(|value| !value.is_unit());
        let keys: Vec<&str> = known.iter().take(needed.len()).copied().filter(|key| !is_there(key)).collect();
        raised.extend(missing(&keys));
    }
    let about = |raised: Raised| raised.arg(0).about_given();
    Raised::all(raised.into_iter().map(about).collect()).map_or(Ok(Dynamic::UNIT), Err)
}

fn missing(keys: &[&str]) -> Option<Raised> {
    let first = keys.first().map(|key| format!("add `{key}: …`"))?;
    let (what, are) = if keys.len() == 1 { ("key", "is") } else { ("keys", "are") };
    let quoted: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
    let list = suggest::list(quoted.iter().map(String::as_str));
    Some(Fault::new(format!("the {what} {list} {are} missing")).hint(first).into())
}

fn refuse(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let path = if call.args[1].is_array() || !call.has(1) { call.texts(1)? } else { vec![call.text(1)?] };
    let fault = Fault::new(call.text(2)?);
    let fault = if call.has(3) { fault.hint(call.text(3)?) } else { fault };
    let raised = path.iter().rfold(Raised::from(fault), |raised, key| raised.under(key));
    Err(raised.arg(0).about_given())
}
