//! What a recipe wants to be called for: the ends of its boots.

use super::{Call, Param, Type, Word, WordKind, expected};
use crate::diag::{Fault, suggest};
use crate::model::{Ended, Machine};
use crate::script::handle::EXITS;
use crate::script::raise::Raised;
use rhai::{Array, Dynamic, FnPtr, Map};

/// Every end of a boot, whichever it is.
const ANY: &str = "exited";

pub(super) const WORDS: &[Word] = &[Word {
    name: "on",
    kind: WordKind::Action,
    params: &[Param::text("event", "exited"), Param::written("closure", Type::Closure, "|e| …")],
    help: "Calls a closure after each boot that ends so (exited: any; else as an exit's questions); e has machine, word, status, last_words.",
    ..Word::of(on)
}];

/// A closure that waits for an end.
pub(crate) struct Hook {
    event: &'static str,
    closure: FnPtr,
}

impl Hook {
    /// Returns an end that it is called for; a rehearsal has each at least once.
    pub(crate) fn end(&self) -> Ended {
        match self.event {
            "rebooted" => Ended::Rebooted,
            "powered_off" => Ended::PoweredOff,
            "halted" => Ended::Halted,
            "triple_fault" => Ended::TripleFault,
            "killed" => Ended::Killed { signal: 9 },
            // Whoever hears of every end hears of failures.
            _ => Ended::Failed { status: 4 },
        }
    }
}

/// A closure that is to be called now, with what it is given.
pub(crate) type Due = (FnPtr, Map);

fn on(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let name = call.text(0)?;
    let known = || EXITS.into_iter().chain([ANY]);
    let event = known().find(|event| *event == name).ok_or_else(|| {
        let fault = Fault::new(format!("nothing is called {name:?} that happens to a machine"));
        let fault = fault.hint(format!("it is one of {}", suggest::list(known())));
        Raised::from(fault.did_you_mean(&name, known())).arg(0)
    })?;
    let closure = call.args[1].clone().try_cast::<FnPtr>();
    let closure = closure.ok_or_else(|| expected("a closure", &call.args[1]).arg(1))?;
    let mut evaluation = call.evaluation();
    evaluation.asks_end |= event == ANY;
    evaluation.hooks.push(Hook { event, closure });
    Ok(Dynamic::UNIT)
}

/// Notes the closures that a boot's end calls, in the order in which they were given.
pub(super) fn ended(call: &Call<'_>, machine: &Machine, ended: &Ended) {
    let mut evaluation = call.evaluation();
    let fits = |hook: &&Hook| [ANY, ended.word()].contains(&hook.event);
    if !evaluation.hooks.iter().any(|hook| fits(&hook)) {
        return;
    }
    let last_words: Array = evaluation.run().last_words().iter().map(|line| line.clone().into()).collect();
    let e = Map::from([
        ("machine".into(), machine.name().to_string().into()),
        ("word".into(), ended.word().into()),
        ("status".into(), i64::from(ended.status()).into()),
        ("last_words".into(), last_words.into()),
    ]);
    let due: Vec<Due> = evaluation.hooks.iter().filter(fits).map(|hook| (hook.closure.clone(), e.clone())).collect();
    evaluation.due.extend(due);
}
