//! The text of a device, by its word.

use super::expressions::{Words, literal};
use super::layout::{Piece, key, quoted};
use crate::model::device::{Group, Item, Shape};
use crate::model::{Backend, Device, Parameter, Value};

/// Returns the call that makes a device, inside of `if` where it depends on something.
pub(super) fn piece(device: &Device, words: &Words, condition: Option<&String>) -> Piece {
    let kind = device.kind();
    let is_given = |name: &str| kind.given.iter().any(|given| given.name == name);
    let named = |name: &str| device.items().iter().find(|item| item.number.is_none() && item.parameter.name == name);
    let given = kind.given.iter().filter_map(|given| named(given.name));
    let mut args: Vec<Piece> = given.map(|item| value(item, words)).collect();
    let mut options: Vec<(String, Piece)> = Vec::new();
    for item in device.items().iter().filter(|item| item.number.is_none() && !is_given(item.parameter.name)) {
        if !is_said_by_the_tap(device, item.parameter, words) {
            options.push((key(item.parameter.name), value(item, words)));
        }
    }
    if let Some(group) = kind.group {
        match (group.shape, group_piece(device, group, words)) {
            (Shape::Numbers(name), Some(numbers)) => options.push((name.into(), numbers)),
            (_, group) => args.extend(group),
        }
    }
    if !options.is_empty() {
        args.push(Piece::Map(options));
    }
    match condition {
        None => Piece::Call(kind.word(), args, ""),
        Some(condition) => Piece::Call(format!("if {condition} {{ {}", kind.word()), args, " }"),
    }
}

/// A tap in a variable brings along that it is one.
fn is_said_by_the_tap(device: &Device, parameter: &Parameter, words: &Words) -> bool {
    let tap = |backend: &Backend| words.values.contains_key(&backend.to_string()) && backend.kind().is_none();
    let is_tap = parameter.name == "type" && device.value("type") == Some(&Value::Choice("tap"));
    is_tap && device.backend().is_some_and(tap)
}

fn value(item: &Item, words: &Words) -> Piece {
    match &item.value {
        Value::Password(_) => Piece::Text(words.password.clone()),
        Value::Path(path) => words.value(path.as_str()),
        Value::Backend(backend) => words.value(&backend.to_string()),
        Value::Address(_) | Value::Socket(_) => words.value(&item.value.to_string()),
        Value::Forwards(rules) if rules.len() > 1 => {
            Piece::List(rules.iter().map(|rule| Piece::Text(quoted(&rule.to_string()))).collect())
        }
        // No expression stands for the others.
        other => literal(other),
    }
}

/// Returns the ports or targets of a device as its word takes them.
fn group_piece(device: &Device, group: Group, words: &Words) -> Option<Piece> {
    let numbers = device.numbers();
    if numbers.is_empty() {
        return None;
    }
    let row =
        |items: &[&Item]| Piece::Map(items.iter().map(|item| (key(item.parameter.name), value(item, words))).collect());
    let first = |items: &[&Item]| items.first().map_or_else(|| Piece::List(Vec::new()), |item| value(item, words));
    Some(match group.shape {
        Shape::Rows => {
            let last = numbers.last().map_or(group.first, |(number, _)| *number);
            let of = |number| numbers.iter().find(|(known, _)| *known == number).map_or(&[][..], |(_, items)| items);
            Piece::List((group.first..=last).map(|number| row(of(number))).collect())
        }
        Shape::List => match numbers.as_slice() {
            [(_, items)] => first(items),
            many => Piece::List(many.iter().map(|(_, items)| first(items)).collect()),
        },
        Shape::Numbers(_) => {
            Piece::Map(numbers.iter().map(|(number, items)| (quoted(&number.to_string()), first(items))).collect())
        }
        Shape::Pairs => pairs(&numbers, words).unwrap_or_else(|| {
            // A map would number them by their names.
            Piece::List(numbers.iter().map(|(_, items)| row(items)).collect())
        }),
    })
}

/// Returns a map of names to values, if that numbers them in the same way.
fn pairs(numbers: &[(u16, Vec<&Item>)], words: &Words) -> Option<Piece> {
    let pair = |(_, items): &(u16, Vec<&Item>)| match items.as_slice() {
        [name, of] => Some((name.value.to_string(), value(of, words))),
        _ => None,
    };
    let pairs: Vec<(String, Piece)> = numbers.iter().map(pair).collect::<Option<_>>()?;
    pairs.is_sorted_by(|a, b| a.0 < b.0).then(|| Piece::Map(pairs.into_iter().map(|(n, p)| (quoted(&n), p)).collect()))
}
