//! What words read of the values that they are given.

use crate::diag::{Cause, Fault, suggest};
use crate::model::Size;
use crate::script::raise::Raised;
use crate::script::type_names;
use rhai::{Dynamic, Map};

/// Reads a list of texts; numbers are texts too.
pub(crate) fn texts(value: &Dynamic) -> Result<Vec<String>, Raised> {
    let Some(array) = value.read_lock::<rhai::Array>() else { return Err(expected("a list of texts", value)) };
    let read = |(index, value): (usize, &Dynamic)| match value.as_int() {
        Ok(number) => Ok(number.to_string()),
        Err(_) => text(value).map_err(|raised| raised.under(&index.to_string())),
    };
    array.iter().enumerate().map(read).collect()
}

/// Raises a key that is not known.
pub(crate) fn unknown_key(key: &str, known: &[&str]) -> Raised {
    let fault = Fault::new(format!("there is no key `{key}`")).cause(Cause::UnknownKey);
    let list = format!("keys: {}", suggest::list(known.iter().copied()));
    // What has no keys at all is told with how it is written.
    let fault = fault.maybe_hint((!known.is_empty()).then_some(list)).did_you_mean(key, known.iter().copied());
    Raised::from(fault).under(key).about_key()
}

/// Raises a value of the wrong type.
pub(crate) fn expected(what: &str, got: &Dynamic) -> Raised {
    let fault = Fault::new(format!("expected {what}, got {}", type_names::article(got.type_name())));
    // What stands in single quotes is a single character.
    let hint = got.as_char().ok().map(|c| format!("a text stands in double quotes: \"{c}\""));
    let hint = hint.or_else(|| unquoted(what, got));
    Raised::from(fault.maybe_hint(hint))
}

/// Returns how what stands in quotes is written as what was expected, where it is that but for the quotes.
fn unquoted(what: &str, got: &Dynamic) -> Option<String> {
    let text = got.clone().into_string().ok()?;
    let is_truth = what == "true or false" && ["true", "false"].contains(&text.as_str());
    let is_number = what.starts_with("a number") && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (is_truth || is_number).then(|| format!("write {text}, without quotes"))
}

/// Reads a text.
pub(crate) fn text(value: &Dynamic) -> Result<String, Raised> {
    value.clone().into_string().map_err(|_| expected("a text", value))
}

/// Reads a map.
pub(crate) fn map(value: &Dynamic) -> Result<Map, Raised> {
    value.clone().try_cast::<Map>().ok_or_else(|| expected("a map #{ … }", value))
}

/// Reads a size of a file.
pub(crate) fn size(value: &Dynamic) -> Result<Size, Raised> {
    if let Ok(number) = value.as_int() {
        let negative = || Raised::from(Fault::new(format!("{number} is no size")).hint("write 20.GiB or \"20G\""));
        return u64::try_from(number).map(Size::bytes).map_err(|_| negative());
    }
    let text = value.clone().into_string().map_err(|_| expected("a size: 20.GiB or \"20G\"", value))?;
    Size::disk_written(&text).map_err(Raised::from)
}
