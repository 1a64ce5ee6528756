//! Those of Rhai's own functions that would take what they like, with bounds.
//!
//! Each was looked at in Rhai 1.25.1 (`src/packages`): `replace` may make a text of 10^12 bytes of two of 10^6, `pad` with an empty text
//! never ends, `==`, `to_json` and what makes texts of lists and maps go down by recursion and look at all that is below on each
//! level, and `sort` panics where a closure contradicts itself. The others take and make as much as their arguments at most.

use super::bounds;
use rhai::{Array, Dynamic, Engine, EvalAltResult, FnPtr, INT, ImmutableString, Map, NativeCallContext};
use std::cmp::Ordering;

type NativeResult<T> = Result<T, Box<EvalAltResult>>;

/// Registers them in place of Rhai's.
pub(super) fn register(engine: &mut Engine) {
    texts(engine);
    engine
        .register_fn("==", |c: NativeCallContext<'_>, a: &mut Array, b: Array| lists(&c, a, &b, 0))
        .register_fn("!=", |c: NativeCallContext<'_>, a: &mut Array, b: Array| lists(&c, a, &b, 0).map(|same| !same))
        .register_fn("==", |c: NativeCallContext<'_>, a: &mut Map, b: Map| maps(&c, a, &b, 0))
        .register_fn("!=", |c: NativeCallContext<'_>, a: &mut Map, b: Map| maps(&c, a, &b, 0).map(|same| !same))
        .register_fn("to_json", |map: &mut Map| {
            map.values().try_for_each(|value| bounds::weigh(value).map(drop))?;
            Ok::<_, Box<EvalAltResult>>(rhai::format_map_as_json(map))
        });
    for name in ["sort", "sort_by"] {
        engine.register_fn(name, |c: NativeCallContext<'_>, list: &mut Array, by: FnPtr| -> NativeResult<()> {
            *list = sorted(&c, std::mem::take(list), &by)?;
            Ok(())
        });
    }
    for name in ["order", "order_by"] {
        engine.register_fn(name, |c: NativeCallContext<'_>, list: &mut Array, by: FnPtr| sorted(&c, list.clone(), &by));
    }
    for name in ["print", "to_string", "debug", "to_debug"] {
        written(engine, name);
    }
}

/// Registers what makes texts of lists and maps: all that a recipe without any other function needs.
pub(super) fn written(engine: &mut Engine, name: &str) {
    engine.register_fn(name, |c: NativeCallContext<'_>, list: &mut Array| list_as_text(&c, list));
    engine.register_fn(name, |c: NativeCallContext<'_>, map: &mut Map| map_as_text(&c, map));
}

fn texts(engine: &mut Engine) {
    let replace = |text: &mut ImmutableString, from: &str, to: &str| -> NativeResult<()> {
        bounds::text(bounds::replaced(text, from, to))?;
        if !text.is_empty() {
            *text = text.replace(from, to).into();
        }
        Ok(())
    };
    engine
        .register_fn("replace", move |text: &mut ImmutableString, from: &str, to: &str| replace(text, from, to))
        .register_fn("replace", move |text: &mut ImmutableString, from: &str, to: char| {
            replace(text, from, to.encode_utf8(&mut [0; 4]))
        })
        .register_fn("replace", move |text: &mut ImmutableString, from: char, to: &str| {
            replace(text, from.encode_utf8(&mut [0; 4]), to)
        })
        .register_fn("pad", |text: &mut ImmutableString, length: INT, with: &str| -> NativeResult<()> {
            let missing = usize::try_from(length).unwrap_or(0).saturating_sub(text.chars().count());
            let least = if with.is_empty() { 0 } else { missing };
            bounds::text(text.len().saturating_add(least))?;
            let more: String = with.chars().cycle().take(missing).collect();
            *text = format!("{text}{more}").into();
            bounds::text(text.len())
        });
}

fn lists(context: &NativeCallContext<'_>, a: &[Dynamic], b: &[Dynamic], depth: usize) -> NativeResult<bool> {
    if a.len() != b.len() {
        return Ok(false);
    }
    for (a, b) in a.iter().zip(b) {
        if !same(context, a, b, depth + 1)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn maps(context: &NativeCallContext<'_>, a: &Map, b: &Map, depth: usize) -> NativeResult<bool> {
    if a.len() != b.len() {
        return Ok(false);
    }
    for (key, value) in a {
        let Some(other) = b.get(key) else { return Ok(false) };
        if !same(context, value, other, depth + 1)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// As Rhai compares what is in lists and maps: values of different types that nothing compares are not the same.
fn same(context: &NativeCallContext<'_>, a: &Dynamic, b: &Dynamic, depth: usize) -> NativeResult<bool> {
    if depth > bounds::NESTED {
        return Err(bounds::end(bounds::TOO_DEEP));
    }
    if let (Some(a), Some(b)) = (a.read_lock::<Array>(), b.read_lock::<Array>()) {
        return lists(context, &a, &b, depth);
    }
    if let (Some(a), Some(b)) = (a.read_lock::<Map>(), b.read_lock::<Map>()) {
        return maps(context, &a, &b, depth);
    }
    let (mut first, mut second) = (a.flatten_clone(), b.flatten_clone());
    match context.call_native_fn_raw("==", true, &mut [&mut first, &mut second]) {
        Ok(value) => Ok(value.as_bool().unwrap_or(false)),
        Err(error) => match *error {
            EvalAltResult::ErrorFunctionNotFound(ref signature, _)
                if signature.starts_with("==") && a.type_id() != b.type_id() =>
            {
                Ok(false)
            }
            _ => Err(error),
        },
    }
}

fn list_as_text(context: &NativeCallContext<'_>, list: &mut Array) -> NativeResult<ImmutableString> {
    list.iter().try_for_each(|value| bounds::weigh(value).map(drop))?;
    let mut text = String::from("[");
    for (at, value) in list.iter_mut().enumerate() {
        text.push_str(&format!("{}{}", if at > 0 { ", " } else { "" }, debugged(context, value)?));
    }
    text.push(']');
    Ok(text.into())
}

fn map_as_text(context: &NativeCallContext<'_>, map: &mut Map) -> NativeResult<ImmutableString> {
    map.values().try_for_each(|value| bounds::weigh(value).map(drop))?;
    let mut text = String::from("#{");
    for (at, (key, value)) in map.iter_mut().enumerate() {
        text.push_str(&format!("{}{key:?}: {}", if at > 0 { ", " } else { "" }, debugged(context, value)?));
    }
    text.push('}');
    Ok(text.into())
}

/// What is in a list or a map, as Rhai writes it.
fn debugged(context: &NativeCallContext<'_>, value: &mut Dynamic) -> NativeResult<ImmutableString> {
    if let Some(mut list) = value.write_lock::<Array>() {
        return list_as_text(context, &mut list);
    }
    if let Some(mut map) = value.write_lock::<Map>() {
        return map_as_text(context, &mut map);
    }
    match context.call_native_fn_raw("to_debug", true, &mut [value]) {
        Ok(text) if text.is_string() => Ok(text.into_immutable_string().unwrap_or_default()),
        Ok(other) => Ok(other.type_name().into()),
        Err(_) => Ok(format!("{value:?}").into()),
    }
}

/// Sorts a list by merging: what a closure says may contradict itself.
fn sorted(context: &NativeCallContext<'_>, mut list: Array, by: &FnPtr) -> NativeResult<Array> {
    if list.len() < 2 {
        return Ok(list);
    }
    let second = sorted(context, list.split_off(list.len() / 2), by)?;
    let first = sorted(context, list, by)?;
    let mut merged = Array::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.into_iter().peekable(), second.into_iter().peekable());
    while let (Some(a), Some(b)) = (first.peek(), second.peek()) {
        let is_after = order(context, a, b, by)? == Ordering::Greater;
        merged.extend(if is_after { second.next() } else { first.next() });
    }
    merged.extend(first.chain(second));
    Ok(merged)
}

/// What a closure says of two values: a number, or whether the first one comes first.
fn order(context: &NativeCallContext<'_>, a: &Dynamic, b: &Dynamic, by: &FnPtr) -> NativeResult<Ordering> {
    let said = by.call_raw(context, None, [a.clone(), b.clone()])?;
    Ok(match (said.as_int(), said.as_bool()) {
        (Ok(number), _) => number.cmp(&0),
        (_, Ok(true)) => Ordering::Less,
        (_, Ok(false)) => Ordering::Greater,
        _ => a.type_id().cmp(&b.type_id()),
    })
}
