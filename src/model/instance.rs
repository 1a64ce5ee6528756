//! The instances of a recipe that is of several machines: what it declares by `instance(1..=10)`, and which of them are meant by
//! `worker.rhai[3]`.

use crate::diag::{Fault, suggest};
use std::fmt;
use std::str::FromStr;

/// The parameter by which an evaluation is told which instance it is of.
pub(crate) const INSTANCE: &str = "instance";

/// How many instances a recipe has at most.
pub(crate) const MOST: usize = 1000;

/// Which instances are meant, as it stands between brackets: `3`, `1..=10`, `1..4`, `a,b`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instances(Vec<Picked>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Picked {
    One(String),
    /// Numbers from the first to the last, which is included.
    Numbers(i64, i64),
}

/// Returns whether a text can be the name of an instance: what a file may be called without a thought, so that it can be a part of
/// names of machines, disks and interfaces, and of `worker.rhai[a,b]`.
pub(crate) fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

impl Instances {
    /// Takes `worker.rhai[3]` apart; nothing of what ends otherwise.
    pub(crate) fn split(word: &str) -> Option<(&str, &str)> {
        let (before, inside) = word.strip_suffix(']')?.rsplit_once('[')?;
        (!before.is_empty()).then_some((before, inside))
    }

    /// Returns those that are meant, of all that the recipe of that name has, in the order in which it has them.
    pub(crate) fn of(&self, recipe: &str, all: &[String]) -> Result<Vec<String>, Fault> {
        let unknown = |name: &str| Fault::usage(format!("{recipe} has no instance {name}")).hint(known(name, all));
        let is_known = |name: &str| all.iter().any(|known| known == name);
        for picked in &self.0 {
            let missing = match picked {
                Picked::One(name) => Some(name.clone()).filter(|name| !is_known(name)),
                // As many as a recipe can have are looked for, and one that is too many.
                Picked::Numbers(first, last) => {
                    (*first..=*last).take(MOST + 1).map(|number| number.to_string()).find(|number| !is_known(number))
                }
            };
            if let Some(name) = missing {
                return Err(unknown(&name));
            }
        }
        Ok(all.iter().filter(|name| self.has(name)).cloned().collect())
    }
}

impl Instances {
    /// Returns those that are named one by one, and the first of each range: of a recipe of which it is not known which it has.
    pub(crate) fn names(&self) -> Vec<String> {
        let first = |picked: &Picked| match picked {
            Picked::One(name) => name.clone(),
            Picked::Numbers(first, _) => first.to_string(),
        };
        self.0.iter().map(first).collect()
    }

    /// Returns whether an instance is one of those that are meant.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|picked| picked.has(name))
    }
}

impl Picked {
    fn has(&self, name: &str) -> bool {
        match self {
            Self::One(one) => one == name,
            Self::Numbers(first, last) => name.parse().is_ok_and(|number: i64| (*first..=*last).contains(&number)),
        }
    }
}

/// Returns what is said to whoever asks for an instance that is not there.
pub(crate) fn known(name: &str, all: &[String]) -> String {
    let is_number = name.parse::<i64>().is_ok();
    let near = suggest::did_you_mean(name, all.iter().map(String::as_str)).filter(|_| !is_number);
    near.unwrap_or_else(|| format!("it has {}", shown(all)))
}

/// Returns instances as they are told: `1 to 10`, `a, b and c`.
pub(crate) fn shown(all: &[String]) -> String {
    let numbers: Option<Vec<i64>> = all.iter().map(|name| name.parse().ok()).collect();
    match numbers.as_deref() {
        Some([first, .., last]) if last - first + 1 == i64::try_from(all.len()).unwrap_or(0) => {
            format!("{first} to {last}")
        }
        _ => suggest::list(all.iter().map(String::as_str)),
    }
}

impl FromStr for Instances {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let wrong = || Fault::usage(format!("{text:?} names no instances")).hint("write [3], [1..=10] or [a,b]");
        let number = |text: &str| text.parse::<i64>().map_err(|_| wrong());
        let picked = |part: &str| {
            if let Some((first, last)) = part.split_once("..=") {
                return Ok(Picked::Numbers(number(first)?, number(last)?));
            }
            if let Some((first, end)) = part.split_once("..") {
                return Ok(Picked::Numbers(number(first)?, number(end)?.saturating_sub(1)));
            }
            if is_name(part) { Ok(Picked::One(part.into())) } else { Err(wrong()) }
        };
        let all = text.split(',').map(|part| picked(part.trim())).collect::<Result<Vec<_>, _>>()?;
        let is_empty = |picked: &Picked| matches!(picked, Picked::Numbers(first, last) if first > last);
        if all.iter().any(is_empty) {
            return Err(Fault::usage(format!("[{text}] is empty")).hint("write the smaller number first: [1..=10]"));
        }
        Ok(Self(all))
    }
}

impl fmt::Display for Instances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, picked) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { "," })?;
            match picked {
                Picked::One(name) => f.write_str(name)?,
                Picked::Numbers(first, last) => write!(f, "{first}..={last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(count: usize) -> Vec<String> {
        (1..=count).map(|number| number.to_string()).collect()
    }

    fn picked(text: &str, all: &[String]) -> Result<String, String> {
        let said = |fault: Fault| format!("{} | {}", fault.message, fault.hint.unwrap_or_default());
        let instances: Instances = text.parse().map_err(said)?;
        instances.of("worker.rhai", all).map(|some| some.join(" ")).map_err(said)
    }

    #[test]
    fn instances_are_picked_by_number_range_and_name_in_their_own_order() {
        let ten = names(10);
        assert_eq!(picked("3", &ten).unwrap(), "3");
        assert_eq!(picked("8..=10, 2,9", &ten).unwrap(), "2 8 9 10");
        assert_eq!(picked("1..3", &ten).unwrap(), "1 2");
        let zones = ["north".to_string(), "south".to_string()];
        assert_eq!(picked("south,north", &zones).unwrap(), "north south");
    }

    #[test]
    fn what_is_not_there_or_cannot_be_is_told() {
        let (ten, zones) = (names(10), ["north".to_string(), "south".to_string(), "west".to_string()]);
        let said = |text: &str| picked(text, &ten).unwrap_err();
        assert_eq!(said("11"), "worker.rhai has no instance 11 | it has 1 to 10");
        assert_eq!(said("9..=20"), "worker.rhai has no instance 11 | it has 1 to 10");
        assert_eq!(said("1..=9223372036854775807"), "worker.rhai has no instance 11 | it has 1 to 10");
        assert_eq!(said(""), "\"\" names no instances | write [3], [1..=10] or [a,b]");
        assert_eq!(said("a b"), "\"a b\" names no instances | write [3], [1..=10] or [a,b]");
        assert_eq!(said("3..=1"), "[3..=1] is empty | write the smaller number first: [1..=10]");
        let said = picked("noth", &zones).unwrap_err();
        assert_eq!(said, "worker.rhai has no instance noth | did you mean `north`?");
    }

    #[test]
    fn a_word_is_taken_apart_where_it_ends_with_brackets() {
        assert_eq!(Instances::split("vm/worker.rhai[1..=3]"), Some(("vm/worker.rhai", "1..=3")));
        assert_eq!(Instances::split("a[1][2]"), Some(("a[1]", "2")));
        for word in ["worker.rhai", "[3]", "worker.rhai[3", "worker.rhai3]", ""] {
            assert_eq!(Instances::split(word), None, "{word}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_written_does_harm_and_what_is_read_is_written_again(text in ".{0,40}") {
            if let Ok(instances) = text.parse::<Instances>() {
                prop_assert_eq!(instances.to_string().parse::<Instances>().unwrap(), instances.clone());
                prop_assert!(instances.of("r", &names(20)).map_or(true, |some| some.len() <= 20));
            }
        }
    }
}
