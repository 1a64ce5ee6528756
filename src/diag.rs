//! What went wrong, in whose words, and where: [`Fault`], [`Place`], [`Diagnostic`].
//!
//! Code deep in the house returns a [`Fault`], a message with a hint, and knows no positions. The script floor adds the
//! [`Place`] and makes a [`Diagnostic`] of it, which [`snippet`] draws.

pub(crate) mod difference;
pub(crate) mod exit_code;
pub(crate) mod may_fail;
pub(crate) mod shown;
pub(crate) mod snippet;
pub(crate) mod suggest;

use std::fmt;
use std::ops::Range;
use std::rc::Rc;

/// Who has to act on a fault. It decides the exit code and nothing else: [`exit_code`] has the table. The later ones are graver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blame {
    /// Nobody: the machine does not run.
    Down,
    /// The guest runs, and its supervisor is gone.
    Unsupervised,
    /// The machine has failed, and is not started again by itself.
    Failed,
    /// The recipe is wrong.
    Recipe,
    /// The command line is wrong.
    Usage,
    /// Another run or guest has what was wanted; it may be had later.
    Busy,
    /// The host refused.
    Host,
    /// The guest failed.
    Guest,
    /// The machine has lost its permit, and was stopped.
    Permit,
    /// It cannot be told: what there is to look at could not be read.
    Unsure,
    /// Somebody interrupted the run.
    Interrupted,
}

/// What the program itself acts on in a fault. Messages and hints are for people, and no code depends on their words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A key of a map is not known.
    UnknownKey,
    /// An evaluation took more than it may, as one without an end does.
    Endless,
    /// A program is not there.
    NoProgram,
    /// Nothing answers at an address.
    Unreachable,
    /// There is no room for one more process or thread.
    NoRoom,
    /// No session of an iSCSI target is there.
    NoSession,
    /// It is not ready, and may be soon.
    NotReady,
    /// What is rehearsed brings the file: what is in it nobody knows before.
    NotYet,
}

/// One thing that is wrong: what, and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong, in one line, naming the thing.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Who has to act on it.
    pub blame: Blame,
    /// What the program acts on, if it does.
    pub cause: Option<Cause>,
    /// What in the text mends it, where that is known: what the hint says for an editor.
    pub fix: Option<Box<Fix>>,
}

/// A change of a text that mends a fault in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fix {
    /// Another word in the place of one that stands at the fault's place.
    Word {
        /// The word that is written there.
        written: String,
        /// The word that was meant.
        meant: String,
    },
    /// The import of a module.
    Import {
        /// The module's path.
        path: String,
        /// The name that it gets.
        name: String,
    },
    /// The call that boots the machine which is described at the fault's place.
    Run,
}

impl Fault {
    /// Makes a fault of the recipe.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, blame: Blame::Recipe, cause: None, fix: None }
    }

    /// Makes a fault of the host: it refused, or it lacks something.
    pub fn host(message: impl Into<String>) -> Self {
        Self { blame: Blame::Host, ..Self::new(message) }
    }

    /// Makes a fault of what another run or guest has, and may let go.
    pub fn busy(message: impl Into<String>) -> Self {
        Self { blame: Blame::Busy, ..Self::new(message) }
    }

    /// Makes a fault of the command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { blame: Blame::Usage, ..Self::new(message) }
    }

    /// Adds the way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the way out, if there is one.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    /// Adds the way out of a word that is misspelt, if one of the candidates is near: ``did you mean `x`?``.
    #[must_use]
    pub fn did_you_mean<'a>(mut self, word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        if let Some(meant) = suggest::nearest(word, candidates) {
            self.hint = Some(suggest::question(meant));
            self.fix = Some(Box::new(Fix::Word { written: word.into(), meant: meant.into() }));
        }
        self
    }

    /// Adds the change of the text that the hint asks for.
    #[must_use]
    pub fn fix(mut self, fix: Fix) -> Self {
        self.fix = Some(Box::new(fix));
        self
    }

    /// Says whose it is.
    #[must_use]
    pub fn blame(mut self, blame: Blame) -> Self {
        self.blame = blame;
        self
    }

    /// Says what the program acts on.
    #[must_use]
    pub fn cause(mut self, cause: Cause) -> Self {
        self.cause = Some(cause);
        self
    }

    /// Puts words in front of the message.
    #[must_use]
    pub fn context(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

/// A text that faults can point into: a recipe or a module.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The path as the user gave it, or the import name of a library that is carried in the binary.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// A stretch of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub source: Rc<Source>,
    /// Bytes of the text; never outside it, always on character boundaries.
    pub span: Range<usize>,
}

impl Place {
    /// Returns line and column, both from 1, the column in characters.
    pub fn line_column(&self) -> (usize, usize) {
        let head = &self.source.text[..self.span.start];
        let line = head.matches('\n').count() + 1;
        let column = head.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_column();
        write!(f, "{}:{line}:{column}", self.source.name)
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Nothing will be done.
    Error,
    /// It will be done, and may not be what was meant.
    Warning,
}

/// A fault with its place and the calls that led there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What and what to do.
    pub fault: Fault,
    /// Where, if it has a place.
    pub place: Option<Place>,
    /// The calls and imports that led there, innermost first, each with its label.
    pub trail: Vec<(Place, String)>,
    /// How the standard library came to it, likewise; shown to those who want to see more.
    pub inside: Vec<(Place, String)>,
}

impl Diagnostic {
    /// Makes an error without a place.
    pub fn error(fault: Fault) -> Self {
        Self { severity: Severity::Error, fault, place: None, trail: Vec::new(), inside: Vec::new() }
    }

    /// Makes a warning without a place.
    pub fn warning(fault: Fault) -> Self {
        Self { severity: Severity::Warning, ..Self::error(fault) }
    }

    /// Returns it with the calls inside of the standard library among those that led there.
    #[must_use]
    pub fn unfolded(&self) -> Self {
        let trail = [self.inside.clone(), self.trail.clone()].concat();
        Self { trail, inside: Vec::new(), ..self.clone() }
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }
}

impl From<Fault> for Vec<Diagnostic> {
    fn from(fault: Fault) -> Self {
        vec![fault.into()]
    }
}

impl From<Fault> for Diagnostic {
    fn from(fault: Fault) -> Self {
        Self::error(fault)
    }
}
