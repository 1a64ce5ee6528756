//! What is read of a JSON object that somebody else wrote: each field with its kind, and within bounds.

use crate::diag::Fault;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// How many values a list may have.
const PARTS: usize = 1000;

/// The fields of an object, and what that is called.
pub(super) struct Fields<'a>(&'a Map<String, Value>, &'static str);

impl<'a> Fields<'a> {
    /// Takes an object.
    pub(super) fn of(value: &'a Value, what: &'static str) -> Result<Self, Fault> {
        value.as_object().map(|map| Self(map, what)).ok_or_else(|| Fault::new(format!("{what} is no object")))
    }

    fn without(&self, key: &str, kind: &str) -> Fault {
        Fault::new(format!("{} has no {kind} `{key}`", self.1))
    }

    /// Whether there is such a field.
    pub(super) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Returns a text.
    pub(super) fn text(&self, key: &str) -> Result<&'a str, Fault> {
        self.0.get(key).and_then(Value::as_str).ok_or_else(|| self.without(key, "text"))
    }

    /// Returns a number that is at most so large.
    pub(super) fn number(&self, key: &str, most: u64) -> Result<u64, Fault> {
        let number = self.0.get(key).and_then(Value::as_u64).ok_or_else(|| self.without(key, "number"))?;
        if number <= most {
            return Ok(number);
        }
        Err(Fault::new(format!("the `{key}` of {} is {number}, and at most {most}", self.1)))
    }

    /// Refuses what a vmrun has written that writes another form.
    pub(super) fn require_form(&self, known: u64) -> Result<(), Fault> {
        let form = self.number("form", u64::MAX)?;
        if form == known {
            return Ok(());
        }
        let fault = Fault::host(format!("it has form {form}, and this vmrun knows form {known}"));
        Err(fault.hint("take the vmrun that has written it, or a newer one"))
    }

    /// Returns a list.
    pub(super) fn list(&self, key: &str) -> Result<&'a [Value], Fault> {
        let list = self.0.get(key).and_then(Value::as_array).ok_or_else(|| self.without(key, "list"))?;
        if list.len() <= PARTS { Ok(list) } else { Err(Fault::new(format!("it has more than {PARTS} of `{key}`"))) }
    }

    /// Returns an object whose values are texts.
    pub(super) fn texts(&self, key: &str) -> Result<BTreeMap<String, String>, Fault> {
        let map = self.0.get(key).and_then(Value::as_object).ok_or_else(|| self.without(key, "object"))?;
        let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_string()));
        let all: Option<_> = map.iter().map(text).collect();
        all.ok_or_else(|| Fault::new(format!("a value in `{key}` is no text")))
    }

    /// Returns a switch.
    pub(super) fn switch(&self, key: &str) -> Result<bool, Fault> {
        self.0.get(key).and_then(Value::as_bool).ok_or_else(|| self.without(key, "switch"))
    }

    /// Returns a field, whatever it is.
    pub(super) fn value(&self, key: &str) -> Result<&'a Value, Fault> {
        self.0.get(key).ok_or_else(|| self.without(key, "field"))
    }

    /// Whether a field is null, or not there.
    pub(super) fn is_null(&self, key: &str) -> bool {
        self.0.get(key).is_none_or(Value::is_null)
    }
}
