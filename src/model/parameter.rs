//! One option of a device: a line of a table, from which words, checks, reference, command line and configuration come.

use super::value::Type;
use super::{Feature, Target};

/// One option of a device, or one of the things it is given before its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// bhyve's own name in a `-s`, and the recipe's.
    pub name: &'static str,
    /// What it may hold.
    pub ty: Type,
    /// Whether it has to be there.
    pub need: Need,
    /// Where bhyve is told it.
    pub form: ParameterForm,
    /// Its bhyve_config(5) key below the device's node; `N` stands for the number in a group. By [`ParameterForm::Lpc`] it is a key of
    /// the machine.
    pub key: &'static str,
    /// The key since some release, if it changed.
    pub renamed: Option<(Feature, &'static str)>,
    /// A further key and its value, which go with this one: `port.N.type=hd`.
    pub implies: Option<(&'static str, &'static str)>,
    /// What bhyve has to have in order to understand it.
    pub feature: Option<Feature>,
    /// One sentence for the reference.
    pub help: &'static str,
}

/// Whether a parameter has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The device is nothing without it.
    Required,
    /// It has a default.
    Optional,
    /// It begins a new one of a group.
    Leading,
}

/// Where bhyve is told a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterForm {
    /// In the device's own `-s`: `,name=value`, or the value alone where it is given before the options.
    Slot,
    /// In the device's own `-s`, as the name of what follows: `,value=`.
    Label,
    /// In the device's own `-s`, after the label.
    Labelled,
    /// In the device's own `-s`, after the parameter's name and a colon: `,hd:value`.
    Prefixed,
    /// In the device's own `-s`, with the number in its group: `,target=1:value`.
    Numbered,
    /// By a `-l` of its own, as the serial ports.
    Lpc,
    /// In a file that only root may read, by `-k`.
    Secret,
    /// Nowhere: it is vmrun's own.
    Own,
    /// By an `-o`: the device's own `-s` cannot carry it.
    Config,
}

impl Parameter {
    /// Makes an optional parameter, whose key is its name, and which every known release has.
    pub const fn new(name: &'static str, ty: Type, help: &'static str) -> Self {
        let form = if matches!(ty, Type::Password) { ParameterForm::Secret } else { ParameterForm::Slot };
        Self { name, ty, need: Need::Optional, form, key: name, renamed: None, implies: None, feature: None, help }
    }

    /// Makes the parameter one that the device needs.
    #[must_use]
    pub const fn required(self) -> Self {
        Self { need: Need::Required, ..self }
    }

    /// Makes the parameter one that begins a new one of its group.
    #[must_use]
    pub const fn leading(self) -> Self {
        Self { need: Need::Leading, ..self }
    }

    /// Says where bhyve is told it.
    #[must_use]
    pub const fn form(self, form: ParameterForm) -> Self {
        Self { form, ..self }
    }

    /// Says its key, where that is not its name.
    #[must_use]
    pub const fn at(self, key: &'static str) -> Self {
        Self { key, ..self }
    }

    /// Says its key since something came.
    #[must_use]
    pub const fn renamed(self, with: Feature, key: &'static str) -> Self {
        Self { renamed: Some((with, key)), ..self }
    }

    /// Says what goes with it.
    #[must_use]
    pub const fn implying(self, key: &'static str, value: &'static str) -> Self {
        Self { implies: Some((key, value)), ..self }
    }

    /// Says what bhyve has to have in order to understand it.
    #[must_use]
    pub const fn needs(self, feature: Feature) -> Self {
        Self { feature: Some(feature), ..self }
    }

    /// Returns its key for a release.
    pub fn key_for(&self, target: Target) -> &'static str {
        match self.renamed {
            Some((with, key)) if target.has(with) => key,
            _ => self.key,
        }
    }

    /// Returns every key that it has or had.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> {
        [self.key].into_iter().chain(self.renamed.map(|(_, key)| key))
    }

    /// Returns whether its key holds the number of a group.
    pub fn is_grouped(&self) -> bool {
        self.key.split('.').any(|part| part == "N")
    }
}

/// Writes a number in the place of `N`.
pub(crate) fn numbered(pattern: &str, number: u16) -> String {
    let parts: Vec<String> =
        pattern.split('.').map(|part| if part == "N" { number.to_string() } else { part.to_string() }).collect();
    parts.join(".")
}

/// Returns whether a key is of a pattern: the number where it has one, else 0. Numbers are as bhyve writes them, without
/// leading zeros.
pub(crate) fn matches(pattern: &str, key: &str) -> Option<u16> {
    let mut number = 0;
    let mut parts = key.split('.');
    for wanted in pattern.split('.') {
        let part = parts.next()?;
        if wanted == "N" {
            number = part.parse().ok().filter(|number: &u16| number.to_string() == part)?;
        } else if wanted != part {
            return None;
        }
    }
    parts.next().is_none().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_holds_its_number_where_the_pattern_says() {
        assert_eq!(numbered("port.N.path", 3), "port.3.path");
        assert_eq!(matches("port.N.path", "port.3.path"), Some(3));
        assert_eq!(matches("bus", "bus"), Some(0));
        for key in ["port.03.path", "port..path", "port.3", "port.3.path.x", "port.x.path", "port.-1.path", ""] {
            assert_eq!(matches("port.N.path", key), None, "{key}");
        }
    }
}
