//! What a check has found: a rule that was broken, and where.

use crate::diag::{Diagnostic, Severity};

/// What a finding is about. Programs that read findings tell them apart by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The text does not parse.
    Syntax,
    /// Nothing has that name.
    UnknownName,
    /// A function gets too few or too many arguments.
    Arguments,
    /// A map has a key that means nothing.
    UnknownKey,
    /// A value has no such property or method.
    UnknownProperty,
    /// A literal is of the wrong type or does not parse.
    Literal,
    /// Something has a name, and nothing uses it.
    Unused,
    /// Something can never be done.
    Unreachable,
    /// An import does not resolve.
    Import,
    /// A `switch` that Rhai takes the wrong arm of.
    Switch,
    /// A library does what only a recipe may.
    Library,
    /// A rehearsal failed.
    Rehearsal,
    /// Two recipes want the same for themselves.
    Shared,
    /// A text hardly says what it should.
    Text,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 14] = [
        Self::Syntax,
        Self::UnknownName,
        Self::Arguments,
        Self::UnknownKey,
        Self::UnknownProperty,
        Self::Literal,
        Self::Unused,
        Self::Unreachable,
        Self::Import,
        Self::Switch,
        Self::Library,
        Self::Rehearsal,
        Self::Shared,
        Self::Text,
    ];

    /// Returns its name, which stays.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::UnknownName => "unknown-name",
            Self::Arguments => "arguments",
            Self::UnknownKey => "unknown-key",
            Self::UnknownProperty => "unknown-property",
            Self::Literal => "literal",
            Self::Text => "text",
            Self::Unused => "unused",
            Self::Unreachable => "unreachable",
            Self::Import => "import",
            Self::Switch => "switch",
            Self::Library => "library",
            Self::Rehearsal => "rehearsal",
            Self::Shared => "shared",
        }
    }

    /// Returns what it asks for, in a sentence.
    pub const fn help(self) -> &'static str {
        match self {
            Self::Syntax => "A recipe parses as Rhai.",
            Self::UnknownName => "Every variable, function and module that is used is there.",
            Self::Arguments => "Every call has as many arguments as the function takes.",
            Self::UnknownKey => "A map has only keys that mean something.",
            Self::UnknownProperty => "A value has the properties and methods that are asked of it.",
            Self::Literal => "A literal argument is of the right type, and can be read.",
            Self::Text => "A text says what it seems to say.",
            Self::Unused => "What has a name is used.",
            Self::Unreachable => "Everything can be reached.",
            Self::Import => "Every import resolves.",
            Self::Switch => "No `switch` is of a kind of which Rhai takes the wrong arm.",
            Self::Library => "A library is made of functions of what they are given.",
            Self::Rehearsal => "A recipe can be rehearsed, whatever its boots end with and its parameters are.",
            Self::Shared => "No two recipes want the same address, interface, name or disk for themselves.",
        }
    }

    /// Returns how bad it is to break it: what does nothing is a warning.
    pub const fn severity(self) -> Severity {
        match self {
            Self::Text | Self::Unused | Self::Unreachable => Severity::Warning,
            // Who breaks another one has a recipe that does not do what it says.
            _ => Severity::Error,
        }
    }
}

/// A rule that was broken, with the diagnostic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule that is broken, which decides how bad that is.
    pub rule: Rule,
    /// What is wrong, where, and the way out.
    pub diagnostic: Diagnostic,
}
