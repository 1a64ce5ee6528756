//! Paths that bhyve can be told.

use crate::diag::Fault;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// A path of a file or device in an option of bhyve, where a comma would begin the next option.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DevicePath(String);

impl DevicePath {
    /// Returns it in the form that the standard library takes.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// Returns the path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DevicePath {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let fault = |what: &str, hint: &str| Err(Fault::new(format!("the path {text:?} {what}")).hint(hint));
        match text.chars().find(|c| *c == ',' || c.is_control()) {
            Some(',') => fault("holds a comma", "bhyve separates its options by commas: rename the file or link to it"),
            Some(_) => {
                fault("holds a control character", "bhyve's configuration has one value a line: rename the file")
            }
            None if text.is_empty() => fault("is empty", "name a file"),
            None => Ok(Self(text.into())),
        }
    }
}

impl fmt::Display for DevicePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns whether a file name is that of a recipe.
pub(crate) fn is_recipe(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "rhai")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_would_split_an_option_are_refused() {
        let message = |text: &str| text.parse::<DevicePath>().unwrap_err().message;
        assert_eq!(message("/vm/a,b.img"), "the path \"/vm/a,b.img\" holds a comma");
        assert_eq!(message("/vm/a\nb"), "the path \"/vm/a\\nb\" holds a control character");
        assert_eq!(message(""), "the path \"\" is empty");
    }
}
