//! What a word is: one row, from which its registration, its checks, the editor's help and the reference follow.

use super::{Call, devices};
use crate::model::DeviceKind;
use crate::model::value::Type as ValueType;
use crate::script::handle::Handle;
use crate::script::raise::{Raised, Site};
use rhai::{Array, Dynamic, FnPtr, ImmutableString, Map};
use std::any::TypeId;

/// What calling a word does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WordKind {
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

impl WordKind {
    /// Every kind with its headline, in the order of the reference.
    pub(crate) const ALL: [(Self, &'static str); 5] = [
        (Self::Description, "Descriptions: inert, checked as a whole"),
        (Self::Method, "Methods"),
        (Self::Action, "Actions: simulated until the whole recipe was rehearsed"),
        (Self::Fact, "Facts"),
        (Self::Value, "Values"),
    ];
}

/// The type of a value, as far as a word fixes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// One of several.
    Any,
    /// Rhai's `()`, which stands for nothing.
    Unit,
    /// True or false.
    Flag,
    /// A whole number.
    Number,
    /// A size in bytes: a number, or a text as `"20G"`.
    Size,
    /// A string of Rhai.
    Text,
    /// A path of the host.
    Path,
    /// An array of Rhai.
    List,
    /// A map; of what a word returns, all of its keys.
    Map(&'static [&'static str]),
    /// A function without a name, with what it captured.
    Closure,
    /// What a word returned.
    Handle(Handle),
    /// The type of an argument, by its number from 0 on, if that is a number or a flag.
    SameAs(usize),
}

impl Type {
    /// Returns its name in definition files (`.d.rhai`).
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Any | Self::Size | Self::SameAs(_) => "?",
            Self::Unit => "()",
            Self::Flag => "bool",
            Self::Number => "int",
            Self::Text | Self::Path => "string",
            Self::List => "array",
            Self::Map(_) => "map",
            Self::Closure => "Fn",
            Self::Handle(handle) => handle.name(),
        }
    }

    /// Returns the types of Rhai whose values it has; nothing where that is any.
    fn exact(self) -> Vec<TypeId> {
        match self {
            Self::Text | Self::Path => vec![TypeId::of::<ImmutableString>()],
            Self::Number | Self::Size => vec![TypeId::of::<i64>()],
            Self::Any => vec![TypeId::of::<i64>(), TypeId::of::<f64>()],
            Self::Unit | Self::Flag | Self::List | Self::Map(_) | Self::Closure | Self::Handle(_) | Self::SameAs(_) => {
                Vec::new()
            }
        }
    }
}

/// How an argument is shown where the use of a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Example {
    /// By the parameter's name.
    Name,
    /// As a text, in quotes.
    Text(&'static str),
    /// As a number, without a unit.
    Number(i64),
    /// As Rhai has it.
    Written(&'static str),
    /// As a map, by its keys.
    Keys,
    /// Not at all: most calls go without it, and it stands among the options.
    Hidden,
}

/// The keys of a map of options, each with one line of help.
#[derive(Clone, Copy)]
pub(crate) enum Keys {
    /// Those of the word alone.
    Own(&'static [(&'static str, &'static str)]),
    /// Those of a table that others use too: their names, and the help of one.
    Of(fn() -> Vec<&'static str>, fn(&str) -> String),
}

impl Keys {
    /// Returns every key with its help.
    pub(crate) fn all(self) -> Vec<(&'static str, String)> {
        match self {
            Self::Own(keys) => keys.iter().map(|(name, help)| (*name, (*help).to_string())).collect(),
            Self::Of(names, help) => names().into_iter().map(|name| (name, help(name))).collect(),
        }
    }

    /// Returns the names of all, without their help: a check of each map that is written out asks for them.
    fn names(self) -> Vec<&'static str> {
        match self {
            Self::Own(keys) => keys.iter().map(|(name, _)| *name).collect(),
            Self::Of(names, _) => names(),
        }
    }
}

/// A parameter of a word.
#[derive(Clone, Copy)]
pub(crate) struct Param {
    /// The parameter's name, as definition files have it.
    pub name: &'static str,
    /// The type of its values.
    pub ty: Type,
    /// Whether it may be left out, with those that follow.
    pub is_optional: bool,
    /// How it is shown.
    pub example: Example,
    /// The keys that it has as a map.
    pub keys: Keys,
}

impl Param {
    /// Describes a parameter that is shown by its name.
    pub(super) const fn new(name: &'static str, ty: Type) -> Self {
        Self { name, ty, is_optional: false, example: Example::Name, keys: Keys::Own(&[]) }
    }

    /// Describes a text that is shown by one.
    pub(super) const fn text(name: &'static str, example: &'static str) -> Self {
        Self { example: Example::Text(example), ..Self::new(name, Type::Text) }
    }

    /// Describes a parameter that is shown as Rhai has it.
    pub(super) const fn written(name: &'static str, ty: Type, example: &'static str) -> Self {
        Self { example: Example::Written(example), ..Self::new(name, ty) }
    }

    /// Describes a map that may have these keys.
    pub(super) const fn map(name: &'static str, keys: Keys) -> Self {
        Self { example: Example::Keys, keys, ..Self::new(name, Type::Map(&[])) }
    }

    /// Describes a map of options, which may be left out, by its keys.
    pub(super) const fn options(keys: &'static [(&'static str, &'static str)]) -> Self {
        Self::map("options", Keys::Own(keys)).optional()
    }

    /// Has it shown as Rhai has it.
    pub(super) const fn shown(self, example: &'static str) -> Self {
        Self { example: Example::Written(example), ..self }
    }

    /// Has it not shown: most calls go without it.
    pub(super) const fn hidden(self) -> Self {
        Self { example: Example::Hidden, ..self }
    }

    /// Lets it be left out.
    pub(super) const fn optional(self) -> Self {
        Self { is_optional: true, ..self }
    }

    /// Returns how it is shown, if it is.
    fn usage(&self) -> Option<String> {
        Some(match self.example {
            Example::Hidden => return None,
            Example::Name => self.name.into(),
            Example::Text(text) => format!("{text:?}"),
            Example::Number(number) => number.to_string(),
            Example::Written(text) => text.into(),
            Example::Keys => {
                format!("#{{ {} }}", self.keys.names().join(", "))
            }
        })
    }

    /// Returns something that fits in place of a value that is not known.
    fn placeholder(&self, site: &Site) -> Dynamic {
        let path = || Dynamic::from("/vm/x".to_string());
        match (self.example, self.ty) {
            (Example::Text(text), _) => text.into(),
            (Example::Number(number), _) => number.into(),
            (_, Type::Size) => (1_i64 << 30).into(),
            (_, Type::Flag) => false.into(),
            (_, Type::List) => Array::new().into(),
            (_, Type::Map(_)) => Map::new().into(),
            (_, Type::Closure) => FnPtr::new("hook").map_or(Dynamic::UNIT, Dynamic::from),
            (_, Type::Handle(handle)) => handle.placeholder(site).unwrap_or_else(path),
            _ => path(),
        }
    }
}

/// What of the host a word can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    /// Files of the host.
    Paths,
    /// Interfaces that are there, and addresses of routers.
    Interfaces,
    /// PCI devices of the host (ppt(4)).
    HostDevices,
    /// Commands that are run.
    Commands,
    /// Boots of a machine.
    Boots,
    /// The vmm nodes of machines.
    Nodes,
    /// The permissions that files lack which are made later.
    Umask,
    /// Arguments of bhyve that vmrun does not know.
    Arguments,
    /// Secrets, by name.
    Secrets,
    /// Variables of the environment, by name.
    Environment,
    /// Whether files are there.
    Existence,
    /// Files of other hosts.
    Downloads,
}

impl Asks {
    /// Returns its name in an audit.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Paths => "paths",
            Self::Interfaces => "interfaces",
            Self::HostDevices => "devices of the host",
            Self::Commands => "commands",
            Self::Boots => "boots",
            Self::Nodes => "nodes",
            Self::Umask => "the umask",
            Self::Arguments => "arguments of bhyve",
            Self::Secrets => "secrets",
            Self::Environment => "the environment",
            Self::Existence => "whether files are there",
            Self::Downloads => "files of other hosts",
        }
    }
}

/// What a word does, in code.
pub(super) type Does = fn(&Call<'_>) -> Result<Dynamic, Raised>;

/// One word.
pub(crate) struct Word {
    /// What a recipe calls it by.
    pub name: &'static str,
    /// Under which headline the reference has it.
    pub kind: WordKind,
    /// The handle that it is called on.
    pub on: Option<Handle>,
    /// Its parameters.
    pub params: &'static [Param],
    /// The type of its value; `Unit` where it is called for its effect.
    pub returns: Type,
    /// What it can ask for.
    pub asks: &'static [Asks],
    /// What it does, in a sentence.
    pub help: &'static str,
    /// What it does, in code.
    pub call: Does,
    /// Whether a check tries it with what is written out. Not where a parameter of the recipe's, or of a function's, is at
    /// fault, nor where there is nothing to be tried.
    pub is_tried: bool,
    /// Whether Rhai has a word of this name, whose exact types would win over any type.
    pub is_in_rhai: bool,
}

impl Word {
    /// Describes a word that takes nothing and returns nothing, to be filled in.
    pub(super) const fn of(call: Does) -> Self {
        let (params, asks): (&[Param], &[Asks]) = (&[], &[]);
        let (kind, returns) = (WordKind::Value, Type::Unit);
        Self { name: "", kind, on: None, params, returns, asks, help: "", call, is_tried: true, is_in_rhai: false }
    }
}

/// A parameter as it is shown: its name and the name of its type.
pub(crate) struct Shown {
    /// The parameter's name.
    pub name: &'static str,
    /// The type, as in definition files.
    pub ty: &'static str,
}

/// A row of the table: a word of its own, or a device's.
#[derive(Clone, Copy)]
pub(crate) enum Row {
    /// A word with a row and a function of its own.
    Word(&'static Word),
    /// The word of a kind of device.
    Device(&'static DeviceKind),
}

impl Row {
    /// Returns what a recipe calls it by.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Word(word) => word.name,
            Self::Device(kind) => devices::static_word(kind),
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
            Self::Word(word) => (word.params.iter().filter(|param| !param.is_optional).count(), word.params.len()),
            Self::Device(kind) => devices::arity(kind),
        }
    }

    /// Returns the parameters in their order, as they are shown.
    pub(crate) fn parameters(self) -> Vec<Shown> {
        match self {
            Self::Word(word) => {
                word.params.iter().map(|param| Shown { name: param.name, ty: param.ty.name() }).collect()
            }
            Self::Device(kind) => devices::parameters(kind),
        }
    }

    /// Returns how it is written.
    pub(crate) fn usage(self) -> String {
        match self {
            Self::Word(word) => {
                let on = word.on.map_or("", Handle::written);
                let params: Vec<String> = word.params.iter().filter_map(Param::usage).collect();
                format!("{on}{}({})", word.name, params.join(", "))
            }
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

    /// Returns what calling it does.
    pub(crate) fn kind(self) -> WordKind {
        match self {
            Self::Word(word) => word.kind,
            Self::Device(_) => WordKind::Description,
        }
    }

    /// Returns the handle that it is called on.
    pub(crate) fn on(self) -> Option<Handle> {
        match self {
            Self::Word(word) => word.on,
            Self::Device(_) => None,
        }
    }

    /// Returns the type of its value.
    pub(crate) fn returns(self) -> Type {
        match self {
            Self::Word(word) => word.returns,
            Self::Device(_) => Type::Handle(Handle::Device),
        }
    }

    /// Returns what it can ask for.
    pub(crate) fn asks(self) -> Vec<Asks> {
        let is = |ty: ValueType| match ty {
            ValueType::Path | ValueType::Tty => Some(Asks::Paths),
            ValueType::Backend => Some(Asks::Interfaces),
            ValueType::HostDevice => Some(Asks::HostDevices),
            _ => None,
        };
        match self {
            Self::Word(word) => word.asks.to_vec(),
            Self::Device(kind) => {
                let parameters = kind.given.iter().chain(kind.options()).chain(kind.grouped());
                parameters.filter_map(|parameter| is(parameter.ty)).collect()
            }
        }
    }

    /// Returns whether a check tries it with what is written out.
    pub(crate) fn is_tried(self) -> bool {
        match self {
            Self::Word(word) => word.is_tried,
            Self::Device(_) => true,
        }
    }

    /// Returns the options that its map may have, with one line of help each.
    pub(crate) fn options(self) -> Vec<(&'static str, String)> {
        match self {
            Self::Word(word) => word.params.iter().flat_map(|param| param.keys.all()).collect(),
            Self::Device(kind) => devices::options(kind),
        }
    }

    /// Returns the names of the options that its map may have.
    pub(crate) fn option_names(self) -> Vec<&'static str> {
        match self {
            Self::Word(word) => word.params.iter().flat_map(|param| param.keys.names()).collect(),
            Self::Device(kind) => devices::option_names(kind),
        }
    }

    /// Returns something that fits in place of an argument that is not known.
    pub(crate) fn placeholder(self, at: usize, site: &Site) -> Dynamic {
        let of_word = |word: &Word| word.params.get(at).map(|param| param.placeholder(site));
        let known = if let Self::Word(word) = self { of_word(word) } else { None };
        known.unwrap_or_else(|| "/vm/x".into())
    }

    /// Returns what it does, in code.
    pub(super) fn call(self) -> Does {
        match self {
            Self::Word(word) => word.call,
            Self::Device(_) => devices::make,
        }
    }

    /// Returns the types of arguments with which the engine is to know it.
    pub(super) fn types(self) -> Vec<Vec<TypeId>> {
        let (least, most) = self.arity();
        let on: Vec<TypeId> = self.on().map(Handle::id).into_iter().collect();
        let any = |arity| std::iter::repeat_n(TypeId::of::<Dynamic>(), arity);
        let mut all: Vec<Vec<TypeId>> =
            (least..=most).map(|arity| on.iter().copied().chain(any(arity)).collect()).collect();
        if let Self::Word(word) = self
            && word.is_in_rhai
        {
            all.extend(exact(&word.params[..least]));
        }
        all
    }
}

/// Every way to give parameters values of exact types.
fn exact(params: &[Param]) -> Vec<Vec<TypeId>> {
    params.iter().fold(vec![Vec::new()], |all, param| {
        let with = |types: &Vec<TypeId>| {
            let types = types.clone();
            param.ty.exact().into_iter().map(move |ty| types.iter().copied().chain([ty]).collect())
        };
        all.iter().flat_map(with).collect()
    })
}
