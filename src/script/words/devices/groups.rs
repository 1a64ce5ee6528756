//! What a device has any number of, as recipes write it: lists, lists of maps, maps.

use super::{expected, map, unknown_key};
use crate::diag::Fault;
use crate::model::device::{Group, Item, Shape};
use crate::model::value::Need;
use crate::model::{DeviceKind, Parameter};
use crate::script::raise::Raised;
use rhai::{Array, Dynamic};

/// Reads a group.
pub(super) fn read(kind: &'static DeviceKind, group: Group, value: &Dynamic) -> Result<Vec<Item>, Raised> {
    let of = Reader { kind, group };
    match (group.shape, value.clone().try_cast::<Array>()) {
        (Shape::Numbers(_), _) => of.numbers(value),
        (Shape::Pairs, None) => of.pairs(value),
        (Shape::List, None) => of.one(group.first, value),
        (Shape::Rows, None) => of.row(group.first, value),
        (shape, Some(list)) => {
            let mut items = Vec::new();
            for ((at, value), number) in list.iter().enumerate().filter(|(_, v)| !v.is_unit()).zip(group.first..) {
                let read = if shape == Shape::List { of.one(number, value) } else { of.row(number, value) };
                items.extend(read.map_err(|raised| raised.under(&at.to_string()))?);
            }
            Ok(items)
        }
    }
}

/// Says where in a group's argument a parameter stands.
pub(super) fn about(raised: Raised, group: Group, shape: Shape, number: u16, name: &str) -> Raised {
    let at = number.saturating_sub(group.first).to_string();
    match shape {
        Shape::Rows => raised.under(name).under(&at),
        Shape::Pairs | Shape::List | Shape::Numbers(_) => raised.under(&at),
    }
}

struct Reader {
    kind: &'static DeviceKind,
    group: Group,
}

impl Reader {
    /// The parameter that a value alone stands for.
    fn leading(&self) -> Result<&'static Parameter, Raised> {
        let none = || Fault::new(format!("{} has nothing of that kind", self.kind.word()));
        self.kind.grouped().find(|parameter| parameter.need == Need::Leading).ok_or_else(|| none().into())
    }

    fn one(&self, number: u16, value: &Dynamic) -> Result<Vec<Item>, Raised> {
        let parameter = self.leading()?;
        Ok(vec![Item { number: Some(number), parameter, value: read_value(parameter, value)? }])
    }

    fn row(&self, number: u16, value: &Dynamic) -> Result<Vec<Item>, Raised> {
        let known: Vec<&str> = self.kind.grouped().map(|parameter| parameter.name).collect();
        let mut items = Vec::new();
        for (key, value) in map(value)? {
            let parameter = self.kind.grouped().find(|parameter| parameter.name == key.as_str());
            let parameter = parameter.ok_or_else(|| unknown_key(&key, &known))?;
            if !value.is_unit() {
                let value = read_value(parameter, &value).map_err(|raised| raised.under(&key))?;
                items.push(Item { number: Some(number), parameter, value });
            }
        }
        Ok(items)
    }

    /// A map of the first parameter to the second.
    fn pairs(&self, value: &Dynamic) -> Result<Vec<Item>, Raised> {
        let first = self.leading()?;
        let second = self.kind.grouped().find(|parameter| parameter.name != first.name);
        let mut items = Vec::new();
        for ((key, value), number) in map(value)?.into_iter().filter(|(_, v)| !v.is_unit()).zip(self.group.first..) {
            let name = first.ty.read(&key).map_err(|fault| Raised::from(fault).under(&key).about_key())?;
            items.push(Item { number: Some(number), parameter: first, value: name });
            if let Some(parameter) = second {
                let value = read_value(parameter, &value).map_err(|raised| raised.under(&key))?;
                items.push(Item { number: Some(number), parameter, value });
            }
        }
        Ok(items)
    }

    /// A map of numbers to values.
    fn numbers(&self, value: &Dynamic) -> Result<Vec<Item>, Raised> {
        let (what, first, last) = (self.group.what, self.group.first, self.group.last);
        let mut items = Vec::new();
        for (key, value) in map(value)?.into_iter().filter(|(_, v)| !v.is_unit()) {
            let number =
                key.parse().ok().filter(|number: &u16| (first..=last).contains(number) && number.to_string() == *key);
            let wrong = || {
                Fault::new(format!("{:?} is no number of a {what}", key.as_str()))
                    .hint(format!("from {first} to {last}"))
            };
            let number = number.ok_or_else(|| Raised::from(wrong()).under(&key).about_key())?;
            items.extend(self.one(number, &value).map_err(|raised| raised.under(&key))?);
        }
        Ok(items)
    }
}

/// A list is no value of a parameter here, so that a fault names the list.
fn read_value(parameter: &'static Parameter, value: &Dynamic) -> Result<crate::model::Value, Raised> {
    if value.is_map() { Err(expected(&parameter.ty.to_string(), value)) } else { super::read(parameter, value) }
}
