//! A fault on its way through Rhai: it travels whole, as the value of the error, with what it is about.

use crate::diag::{Fault, Severity};
use rhai::{Dynamic, EvalAltResult, Position};

/// A call of a word: where a value came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// The name of the text.
    pub source: Option<String>,
    /// Where the call's name stands.
    pub position: Position,
}

/// A fault and the part of a call that it is about.
#[derive(Clone, Debug)]
pub struct Raised {
    /// What is wrong and the way out, without a place.
    pub fault: Fault,
    /// How bad it is.
    pub severity: Severity,
    /// The argument, from 0; nothing for the call as a whole.
    pub arg: Option<usize>,
    /// The keys that lead from the argument to the part.
    pub path: Vec<String>,
    /// Whether it is about the last key itself, not its value.
    pub key: bool,
    /// Another call that it is about.
    pub site: Option<Site>,
    /// Whether it is about what the function was given that called the word, not about the call itself.
    pub given: bool,
    /// Further ones.
    pub more: Vec<Raised>,
}

impl From<Fault> for Raised {
    fn from(fault: Fault) -> Self {
        let (severity, path, more) = (Severity::Error, Vec::new(), Vec::new());
        Self { fault, severity, arg: None, path, key: false, site: None, given: false, more }
    }
}

impl Raised {
    /// Says which argument it is about.
    #[must_use]
    pub fn arg(mut self, arg: usize) -> Self {
        self.arg.get_or_insert(arg);
        self
    }

    /// Puts a key in front of the path.
    #[must_use]
    pub fn under(mut self, key: &str) -> Self {
        self.path.insert(0, key.into());
        self
    }

    /// Says that it is about the key, not its value.
    #[must_use]
    pub fn about_key(mut self) -> Self {
        self.key = true;
        self
    }

    /// Says which call it is about.
    #[must_use]
    pub fn at(mut self, site: &Site) -> Self {
        self.site.get_or_insert_with(|| site.clone());
        self
    }

    /// Adds a way out to a fault of an argument that names none. A refusal of the host is not about how a word is written, nor
    /// is what a library says of what it was given, nor what is about another call.
    #[must_use]
    pub fn or_hint(mut self, hint: impl FnOnce() -> String) -> Self {
        if !self.given && self.site.is_none() && (self.arg.is_some() || !self.path.is_empty()) {
            self.fault.hint.get_or_insert_with(hint);
        }
        self
    }

    /// Says that it is about what the function was given that called the word.
    #[must_use]
    pub fn about_given(mut self) -> Self {
        self.given = true;
        self
    }

    /// Makes one of many; nothing of none.
    pub fn all(raised: Vec<Self>) -> Option<Self> {
        let mut raised = raised.into_iter();
        let mut first = raised.next()?;
        first.more.extend(raised);
        Some(first)
    }

    /// Makes Rhai's error of it.
    #[expect(clippy::unnecessary_box_returns, reason = "Rhai's errors travel boxed")]
    pub fn throw(self, position: Position) -> Box<EvalAltResult> {
        EvalAltResult::ErrorRuntime(Dynamic::from(self), position).into()
    }
}
