//! A call of a word: who calls, with what, and what it may do.

use super::values::{expected, map, text, texts, unknown_key};
use super::{Row, habits, machine};
use crate::diag::{Cause, Fault};
use crate::host::Effect;
use crate::script::raise::{Raised, Site};
use crate::script::{EvaluationContext, SharedContext, allowance, handle};
use crate::supervise::conflicts::Purpose;
use crate::supervise::is_left_to_itself;
use rhai::{Dynamic, Map, NativeCallContext};
use std::cell::RefMut;
use std::path::{Path, PathBuf};

/// A call of a word.
pub(crate) struct Call<'a> {
    /// What the words share.
    pub shared: &'a SharedContext,
    /// The arguments, without the handle.
    pub args: Vec<Dynamic>,
    /// The handle.
    pub this: Option<Dynamic>,
    /// Where it stands.
    pub site: Site,
    /// The library that is on the way to it.
    pub library: Option<String>,
    /// The word; nothing where a property is set.
    pub row: Option<Row>,
}

impl<'a> Call<'a> {
    /// Counts an action, of which there may not be any number.
    pub(super) fn counted(&self) -> Result<(), Raised> {
        let mut evaluation = self.shared.borrow_mut();
        evaluation.actions += 1;
        if evaluation.actions > crate::script::ACTIONS {
            let fault = Fault::new(format!("the recipe asks for more than {} actions", crate::script::ACTIONS));
            return Err(fault.hint("is there a loop without an end?").cause(Cause::Endless).into());
        }
        Ok(())
    }

    /// What sets a property, as a call without arguments.
    pub(crate) fn of_property(context: &NativeCallContext<'_>, shared: &'a SharedContext) -> Self {
        let sources = shared.borrow().sources.clone();
        let library = allowance::library(context, &sources);
        let site = handle::site(context, &sources.main());
        Self { shared, args: Vec::new(), this: None, site, library, row: None }
    }
}

impl Call<'_> {
    /// Returns what the words share; never held across a call of the script.
    pub(crate) fn evaluation(&self) -> RefMut<'_, EvaluationContext> {
        self.shared.borrow_mut()
    }

    /// Returns whether this is a rehearsal.
    pub(crate) fn rehearses(&self) -> bool {
        self.evaluation().rehearsal.is_some()
    }

    /// Has an effect.
    pub(crate) fn act(&self, effect: &Effect) -> Result<String, Raised> {
        self.permit_effect(effect)?;
        self.evaluation().asks(&self.site);
        let done = self.evaluation().run().act(effect);
        if is_left_to_itself(effect) || self.evaluation().rehearsal == Some(Purpose::Network) {
            self.evaluation().begun.push((effect.clone(), self.site.clone()));
        }
        done.map_err(|fault| self.evaluation().raised(fault))
    }

    /// Runs a command of the recipe; after the first evaluation of a run only if the options say that it is for each boot, or if
    /// that did not run it.
    pub(crate) fn command(&self, effect: &Effect, options: &Map, at: usize) -> Result<String, Raised> {
        let each_boot = options.get("each_boot").filter(|value| !value.is_unit()).map_or(Ok(false), |value| {
            value.as_bool().map_err(|_| expected("true or false", value).under("each_boot").arg(at))
        })?;
        self.permit_effect(effect)?;
        self.evaluation().asks(&self.site);
        let done = self.evaluation().run().command(effect, each_boot);
        if self.evaluation().rehearsal == Some(Purpose::Network) {
            self.evaluation().begun.push((effect.clone(), self.site.clone()));
        }
        done.map_err(|fault| self.evaluation().raised(fault))
    }

    /// Returns whether an argument is there and not `()`.
    pub(crate) fn has(&self, at: usize) -> bool {
        self.args.get(at).is_some_and(|value| !value.is_unit())
    }

    /// Returns the argument at that place, from 0, as a text; it is an error at that argument if it is none.
    pub(crate) fn text(&self, at: usize) -> Result<String, Raised> {
        text(&self.args[at]).map_err(|raised| raised.arg(at))
    }

    /// Returns a path from the root on.
    pub(crate) fn path(&self, at: usize) -> Result<PathBuf, Raised> {
        let text = self.text(at)?;
        Ok(self.whole(&text, &|raised| raised.arg(at))?.into())
    }

    /// Returns a path of the recipe from the root on; one that only a shell would read is refused. In a rehearsal it is told if only the caller's folder has a file of that name;
    /// `about` says where the path stands.
    pub(crate) fn whole(&self, text: &str, about: &dyn Fn(Raised) -> Raised) -> Result<String, Raised> {
        if let Some(fault) = habits::path(text) {
            return Err(about(fault.into()));
        }
        let (whole, other) = {
            let mut evaluation = self.evaluation();
            let whole = evaluation.whole(text);
            let other = evaluation.inputs.origin.of_caller(text).filter(|other| other.to_str() != Some(whole.as_str()));
            (whole, other.filter(|_| evaluation.rehearsal.is_some()))
        };
        if let Some(other) = other {
            let is_only_there = {
                let mut evaluation = self.evaluation();
                let host = &*evaluation.run().host;
                !host.is_assumed() && host.file(Path::new(&whole)).is_none() && host.file(&other).is_some()
            };
            if is_only_there {
                let fault = Fault::new(format!("{whole} is meant, which is not there, and not {}", other.display()));
                let hint = "a path in a recipe begins in the recipe's folder; one that `--set` gives begins in yours";
                machine::warn(self, about(Raised::from(fault.hint(hint))));
            }
        }
        Ok(whole)
    }

    /// Returns a value that parses from text.
    pub(crate) fn parsed<T: std::str::FromStr<Err = Fault>>(&self, at: usize) -> Result<T, Raised> {
        self.text(at)?.parse().map_err(|fault: Fault| Raised::from(fault).arg(at))
    }

    /// Returns the word's map of options, whose keys are those of its row; an empty one where it was left out.
    pub(crate) fn options(&self, at: usize) -> Result<Map, Raised> {
        let (least, _) = self.row.map_or((0, 0), Row::arity);
        if !self.has(at) && at >= least {
            return Ok(Map::new());
        }
        let map = map(&self.args[at]).map_err(|raised| raised.arg(at))?;
        let known = self.row.map(Row::options).unwrap_or_default();
        if let Some(key) = map.keys().find(|key| !known.iter().any(|(name, _)| *name == key.as_str())) {
            let known: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            return Err(unknown_key(key, &known).arg(at));
        }
        Ok(map)
    }

    /// Returns a list of texts.
    pub(crate) fn texts(&self, at: usize) -> Result<Vec<String>, Raised> {
        if !self.has(at) {
            return Ok(Vec::new());
        }
        texts(&self.args[at]).map_err(|raised| raised.arg(at))
    }
}
