//! The words of the recipe language: one table, from which come registration, checks, reference and suggestions.

mod allow;
mod devices;
mod disk;
mod facts;
pub(crate) mod hooks;
mod image;
mod keeping;
mod library;
mod loader;
pub(crate) mod machine;
mod netboot;
mod network;
mod process;

use super::raise::{Raised, Site};
use super::{Session, Shared};
use super::{allowance, habits, handle, type_names};
use crate::diag::{Fault, suggest};
use crate::host::{Effect, clock};
use crate::model::Size;
use crate::supervise::conflicts::Purpose;
use crate::supervise::is_left_to_itself;
use rhai::{Dynamic, Engine, ImmutableString, Map, NativeCallContext};
use std::any::TypeId;
use std::cell::RefMut;
use std::path::{Path, PathBuf};

pub(super) use devices::read_alone;

/// The units of sizes and how far they shift: `20.GiB`.
pub(crate) const UNITS: [(&str, u32); 4] = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];

/// The folder for machines.
pub(crate) const VM_DIR: &str = crate::library::protected::MACHINES;

/// What kind of word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Reads the host.
    Fact,
    /// Makes a value.
    Value,
    /// Describes a device or a machine.
    Description,
    /// Changes the host.
    Action,
    /// Is called on a handle.
    Method,
}

impl Kind {
    /// Every kind with its headline, in the order of the reference.
    pub(crate) const ALL: [(Self, &'static str); 5] = [
        (Self::Description, "Descriptions: inert, checked as a whole"),
        (Self::Method, "Methods"),
        (Self::Action, "Actions: simulated until the whole recipe was rehearsed"),
        (Self::Fact, "Facts"),
        (Self::Value, "Values"),
    ];
}

/// One word.
pub(crate) struct Word {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// The handle that it is called on.
    pub on: Option<TypeId>,
    /// The least and the greatest number of arguments.
    pub arity: (usize, usize),
    /// How it is written.
    pub usage: &'static str,
    /// What it does, in a sentence.
    pub help: &'static str,
    /// What it does, in code.
    pub call: fn(&Call<'_>) -> Result<Dynamic, Raised>,
}

/// A row of the table: a word of its own, or a device's.
#[derive(Clone, Copy)]
pub(crate) enum Row {
    /// A word.
    Word(&'static Word),
    /// The word of a kind of device.
    Device(&'static crate::model::DeviceKind),
}

impl Row {
    /// Returns the name.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Word(word) => word.name.into(),
            Self::Device(kind) => kind.word(),
        }
    }

    /// Returns whether it has that name.
    pub(crate) fn is_named(self, name: &str) -> bool {
        match self {
            Self::Word(word) => word.name == name,
            Self::Device(kind) => kind.is_word(name),
        }
    }

    /// Returns the least and the greatest number of arguments.
    pub(crate) fn arity(self) -> (usize, usize) {
        match self {
            Self::Word(word) => word.arity,
            Self::Device(kind) => devices::arity(kind),
        }
    }

    /// Returns how it is written.
    pub(crate) fn usage(self) -> String {
        match self {
            Self::Word(word) => word.usage.into(),
            Self::Device(kind) => devices::usage(kind),
        }
    }

    /// Returns what it does.
    pub(crate) fn help(self) -> &'static str {
        match self {
            Self::Word(word) => word.help,
            Self::Device(kind) => kind.help,
        }
    }

    /// Returns its kind.
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Word(word) => word.kind,
            Self::Device(_) => Kind::Description,
        }
    }

    /// Returns the options that its map may have, with one line of help each.
    pub(crate) fn options(self) -> Vec<(&'static str, String)> {
        match self {
            Self::Word(word) if word.name == "bhyve" => machine::reference(),
            Self::Word(word) => loader::options(word.name).unwrap_or_else(|| image::options(word.name)),
            Self::Device(kind) => devices::options(kind),
        }
    }
}

/// Returns every row.
pub(crate) fn all() -> impl Iterator<Item = Row> {
    let words = [
        machine::WORDS,
        machine::talk::WORDS,
        loader::WORDS,
        network::WORDS,
        disk::WORDS,
        image::WORDS,
        netboot::WORDS,
        process::WORDS,
        hooks::WORDS,
        keeping::WORDS,
        facts::WORDS,
        library::WORDS,
        allow::WORDS,
    ];
    let devices = crate::model::device::KINDS.iter().map(|kind| Row::Device(kind));
    devices.chain(words.into_iter().flatten().map(Row::Word))
}

/// Returns every name.
pub(crate) fn names() -> Vec<&'static str> {
    all()
        .map(|row| match row {
            Row::Word(word) => word.name,
            Row::Device(kind) => devices::static_word(kind),
        })
        .chain(facts::VARIABLES.iter().map(|(name, _)| *name))
        .collect()
}

/// Returns the variables that every recipe sees, with their help.
pub(crate) const fn variables() -> &'static [(&'static str, &'static str)] {
    facts::VARIABLES
}

/// Returns how the words of a name are written.
pub(crate) fn usages(name: &str) -> Vec<String> {
    all().filter(|row| row.is_named(name)).map(|row| format!("`{}`", row.usage())).collect()
}

/// Returns the value of a fact that recipes see as a variable.
pub(crate) fn fact(name: &str, shared: &Shared) -> Option<Dynamic> {
    facts::variable(name, shared)
}

/// A call of a word.
pub(crate) struct Call<'a> {
    /// What the words share.
    pub shared: &'a Shared,
    /// The arguments, without the handle.
    pub args: Vec<Dynamic>,
    /// The handle.
    pub this: Option<Dynamic>,
    /// Where it stands.
    pub site: Site,
    /// The library that is on the way to it.
    pub library: Option<String>,
    /// The kind of device that it makes.
    pub device: Option<&'static crate::model::DeviceKind>,
}

impl<'a> Call<'a> {
    /// Counts an action, of which there may not be any number.
    fn counted(&self) -> Result<(), Raised> {
        let mut session = self.shared.borrow_mut();
        session.actions += 1;
        if session.actions > super::ACTIONS {
            let fault = Fault::new(format!("the recipe asks for more than {} actions", super::ACTIONS));
            return Err(fault.hint("is there a loop without an end?").into());
        }
        Ok(())
    }

    /// What sets a property, as a call without arguments.
    pub(crate) fn of_property(context: &NativeCallContext<'_>, shared: &'a Shared) -> Self {
        let sources = shared.borrow().sources.clone();
        let library = allowance::library(context, &sources);
        let site = handle::site(context, &sources.main());
        Self { shared, args: Vec::new(), this: None, site, library, device: None }
    }
}

impl Call<'_> {
    /// Returns what the words share; never held across a call of the script.
    pub(crate) fn session(&self) -> RefMut<'_, Session> {
        self.shared.borrow_mut()
    }

    /// Returns whether this is a rehearsal.
    pub(crate) fn rehearses(&self) -> bool {
        self.session().rehearsal.is_some()
    }

    /// Has an effect.
    pub(crate) fn act(&self, effect: &Effect) -> Result<String, Raised> {
        self.permit_effect(effect)?;
        self.session().asks(&self.site);
        let done = self.session().run().act(effect);
        if is_left_to_itself(effect) || self.session().rehearsal == Some(Purpose::Network) {
            self.session().begun.push((effect.clone(), self.site.clone()));
        }
        done.map_err(|fault| self.session().raised(fault))
    }

    /// Runs a command of the recipe; after the first evaluation of a run only if the options say that it is for each boot, or if
    /// that did not run it.
    pub(crate) fn command(&self, effect: &Effect, options: &Map, at: usize) -> Result<String, Raised> {
        let each_boot = options.get("each_boot").filter(|value| !value.is_unit()).map_or(Ok(false), |value| {
            value.as_bool().map_err(|_| expected("true or false", value).under("each_boot").arg(at))
        })?;
        self.permit_effect(effect)?;
        self.session().asks(&self.site);
        let done = self.session().run().command(effect, each_boot);
        if self.session().rehearsal == Some(Purpose::Network) {
            self.session().begun.push((effect.clone(), self.site.clone()));
        }
        done.map_err(|fault| self.session().raised(fault))
    }

    /// Returns whether an argument is there and not `()`.
    pub(crate) fn has(&self, at: usize) -> bool {
        self.args.get(at).is_some_and(|value| !value.is_unit())
    }

    /// Returns a text.
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
            let mut session = self.session();
            let whole = session.whole(text);
            let other = session.inputs.origin.of_caller(text).filter(|other| other.to_str() != Some(whole.as_str()));
            (whole, other.filter(|_| session.rehearsal.is_some()))
        };
        if let Some(other) = other {
            let is_only_there = {
                let mut session = self.session();
                let host = &*session.run().host;
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

    /// Returns a map of options whose keys are known; an empty one where there is none.
    pub(crate) fn options(&self, at: usize, known: &[&str]) -> Result<Map, Raised> {
        if !self.has(at) {
            return Ok(Map::new());
        }
        let map = map(&self.args[at]).map_err(|raised| raised.arg(at))?;
        for key in map.keys() {
            if !known.contains(&key.as_str()) {
                return Err(unknown_key(key, known).arg(at));
            }
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

/// Reads a list of texts; numbers are texts too.
pub(crate) fn texts(value: &Dynamic) -> Result<Vec<String>, Raised> {
    let Some(array) = value.read_lock::<rhai::Array>() else { return Err(expected("a list of texts", value)) };
    let read = |(index, value): (usize, &Dynamic)| match value.as_int() {
        Ok(number) => Ok(number.to_string()),
        Err(_) => text(value).map_err(|raised| raised.under(&index.to_string())),
    };
    array.iter().enumerate().map(read).collect()
}

/// Raises a key that is not known.
pub(crate) fn unknown_key(key: &str, known: &[&str]) -> Raised {
    let fault = Fault::new(format!("there is no key `{key}`"));
    let list = format!("keys: {}", suggest::list(known.iter().copied()));
    let fault = fault.hint(list).maybe_hint(suggest::did_you_mean(key, known.iter().copied()));
    Raised::from(fault).under(key).about_key()
}

/// Raises a value of the wrong type.
pub(crate) fn expected(what: &str, got: &Dynamic) -> Raised {
    let fault = Fault::new(format!("expected {what}, got {}", type_names::article(got.type_name())));
    // What stands in single quotes is a single character.
    let hint = got.as_char().ok().map(|c| format!("a text stands in double quotes: \"{c}\""));
    Raised::from(fault.maybe_hint(hint))
}

/// Reads a text.
pub(crate) fn text(value: &Dynamic) -> Result<String, Raised> {
    value.clone().into_string().map_err(|_| expected("a text", value))
}

/// Reads a map.
pub(crate) fn map(value: &Dynamic) -> Result<Map, Raised> {
    value.clone().try_cast::<Map>().ok_or_else(|| expected("a map #{ … }", value))
}

/// Reads a size of a file.
pub(crate) fn size(value: &Dynamic) -> Result<Size, Raised> {
    if let Ok(number) = value.as_int() {
        let negative = || Raised::from(Fault::new(format!("{number} is no size")).hint("write 20.GiB or \"20G\""));
        return u64::try_from(number).map(Size::bytes).map_err(|_| negative());
    }
    let text = value.clone().into_string().map_err(|_| expected("a size: 20.GiB or \"20G\"", value))?;
    Size::written(&text).map_err(Raised::from)
}

/// Tries a call of a word, for what it raises. What a method is called on is something of its kind.
pub(super) fn tried(row: Row, args: &[Dynamic], site: &Site, shared: &Shared) -> Result<(), Raised> {
    let (on, call, device): Does = match row {
        Row::Word(word) => (word.on, word.call, None),
        Row::Device(kind) => (None, devices::make, Some(kind)),
    };
    let this = on.and_then(|on| handle::stand_in(on, site));
    let call_of = Call { shared, args: args.to_vec(), this, site: site.clone(), library: None, device };
    call(&call_of).map(drop).map_err(|raised| raised.or_hint(|| format!("write `{}`", row.usage())))
}

/// Makes a row known to the engine, once for each number of arguments.
pub(crate) fn register(engine: &mut Engine, row: Row, shared: &Shared) {
    let (least, most) = row.arity();
    let (on, call, device): Does = match row {
        Row::Word(word) => (word.on, word.call, None),
        Row::Device(kind) => (None, devices::make, Some(kind)),
    };
    for arity in least..=most {
        let mut types: Vec<TypeId> = on.into_iter().collect();
        types.extend(std::iter::repeat_n(TypeId::of::<Dynamic>(), arity));
        register_for(engine, row, shared, types, (on, call, device));
    }
    // Rhai has words of these names of its own, one of which cuts a text: exact types would win over any type.
    let exact: &[&[TypeId]] = match row {
        Row::Word(word) if word.name == "truncate" => &[&[TypeId::of::<ImmutableString>(), TypeId::of::<i64>()]],
        Row::Word(word) if word.name == "sleep" => &[&[TypeId::of::<i64>()], &[TypeId::of::<f64>()]],
        _ => &[],
    };
    for types in exact {
        register_for(engine, row, shared, types.to_vec(), (on, call, device));
    }
}

type Does = (Option<TypeId>, fn(&Call<'_>) -> Result<Dynamic, Raised>, Option<&'static crate::model::DeviceKind>);

fn register_for(engine: &mut Engine, row: Row, shared: &Shared, types: Vec<TypeId>, (on, call, device): Does) {
    let shared = shared.clone();
    engine.register_raw_fn(row.name(), types, move |context: NativeCallContext<'_>, args: &mut [&mut Dynamic]| {
        let sources = shared.borrow().sources.clone();
        let (main, library) = (sources.main(), allowance::library(&context, &sources));
        let mut args: Vec<Dynamic> = args.iter().map(|arg| arg.flatten_clone()).collect();
        let this = on.is_some().then(|| args.remove(0));
        let call_of = Call { shared: &shared, args, this, site: handle::site(&context, &main), library, device };
        let position = call_of.site.position;
        let asleep =
            if row.kind() == Kind::Action { call_of.counted().and_then(|()| call_of.while_awake()) } else { Ok(()) };
        let began = clock::processor();
        let done = asleep
            .and_then(|()| call(&call_of))
            .map_err(|raised| raised.or_hint(|| format!("write `{}`", row.usage())).throw(position))?;
        let took = clock::processor().saturating_sub(began);
        shared.borrow_mut().bounds.excuse(took);
        let due = std::mem::take(&mut shared.borrow_mut().due);
        // One that fails keeps none of the others from what they have to do.
        let called: Vec<_> =
            due.into_iter().map(|(closure, e)| closure.call_within_context::<Dynamic>(&context, (e,))).collect();
        let mut errors = called.into_iter().filter_map(Result::err);
        let first = errors.next();
        shared.borrow_mut().also.extend(errors);
        first.map_or(Ok(done), Err)
    });
}
