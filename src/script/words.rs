//! The words of the recipe language: one table, from which come registration, checks, reference and suggestions.

mod allow;
mod before_init;
mod call;
mod convert;
mod devices;
mod disk;
mod facts;
mod fetch;
mod helper;
pub(crate) mod hooks;
mod image;
mod iscsi;
mod library;
mod loader;
pub(crate) mod machine;
mod netboot;
mod network;
mod permit;
mod process;
mod service;
mod ssh;
mod storage;
mod values;
mod word;

use super::raise::{Raised, Site};
use super::{SharedContext, allowance, habits, handle};
use crate::host::clock;
use rhai::{Dynamic, Engine, NativeCallContext};
use std::any::TypeId;

pub(crate) use before_init::BeforeInit;
pub(crate) use call::Call;
pub(super) use devices::read_alone;
pub(crate) use values::{expected, map, size, text, texts, unknown_key};
pub(crate) use word::{Asks, Row, Type, WordKind};
use word::{Example, Keys, Param, Word};

/// The units of sizes and how far they shift: `20.GiB`.
pub(crate) const UNITS: [(&str, u32); 4] = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];

/// The folder for machines.
pub(crate) const VM_DIR: &str = crate::library::protected::MACHINES;

/// Returns every row.
pub(crate) fn all() -> impl Iterator<Item = Row> {
    let words = [
        machine::WORDS,
        machine::dialog::WORDS,
        loader::WORDS,
        network::WORDS,
        disk::WORDS,
        storage::WORDS,
        iscsi::WORDS,
        convert::WORDS,
        image::WORDS,
        fetch::WORDS,
        ssh::WORDS,
        netboot::WORDS,
        process::WORDS,
        hooks::WORDS,
        service::WORDS,
        helper::WORDS,
        permit::WORDS,
        before_init::WORDS,
        facts::WORDS,
        library::WORDS,
        allow::WORDS,
    ];
    let devices = crate::model::device::KINDS.iter().map(|kind| Row::Device(kind));
    devices.chain(words.into_iter().flatten().map(Row::Word))
}

/// Returns every name.
pub(crate) fn names() -> Vec<&'static str> {
    all().map(Row::name).chain(facts::VARIABLES.iter().map(|(name, _)| *name)).collect()
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
pub(crate) fn fact(name: &str, shared: &SharedContext) -> Option<Dynamic> {
    facts::variable(name, shared)
}

/// Tries a call of a word, for what it raises. What a method is called on is something of its kind.
pub(super) fn tried(row: Row, args: &[Dynamic], site: &Site, shared: &SharedContext) -> Result<(), Raised> {
    let this = row.on().and_then(|on| on.placeholder(site));
    let call = Call { shared, args: args.to_vec(), this, site: site.clone(), library: None, row: Some(row) };
    row.call()(&call).map(drop).map_err(|raised| raised.or_hint(|| format!("write `{}`", row.usage())))
}

/// Makes a row known to the engine, once for each number of arguments.
pub(crate) fn register(engine: &mut Engine, row: Row, shared: &SharedContext) {
    for types in row.types() {
        register_for(engine, row, shared, types);
    }
}

fn register_for(engine: &mut Engine, row: Row, shared: &SharedContext, types: Vec<TypeId>) {
    let (shared, name, on, does) = (shared.clone(), row.name(), row.on(), row.call());
    let is_action = row.kind() == WordKind::Action;
    let takes_time = row.kind() != WordKind::Description;
    engine.register_raw_fn(name, types, move |context: NativeCallContext<'_>, args: &mut [&mut Dynamic]| {
        let sources = shared.borrow().sources.clone();
        let (main, library) = (sources.main(), allowance::library(&context, &sources));
        let mut args: Vec<Dynamic> = args.iter().map(|arg| arg.flatten_clone()).collect();
        let this = on.is_some().then(|| args.remove(0));
        let call_of =
            Call { shared: &shared, args, this, site: handle::site(&context, &main), library, row: Some(row) };
        let position = call_of.site.position;
        let asleep = if is_action { call_of.counted().and_then(|()| call_of.while_awake()) } else { Ok(()) };
        // What only describes takes no time of its own.
        let began = takes_time.then(clock::processor);
        let done = asleep
            .and_then(|()| does(&call_of))
            .map_err(|raised| raised.or_hint(|| format!("write `{}`", row.usage())).throw(position))?;
        if let Some(began) = began {
            shared.borrow_mut().bounds.excuse(clock::processor().saturating_sub(began));
        }
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
