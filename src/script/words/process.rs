//! Commands, and what is left for the end.

use super::{Call, Kind, Word, expected, text};
use crate::diag::Fault;
use crate::host::{Effect, Platform};
use crate::model::{Argv, span};
use crate::script::allowance::Asked;
use crate::script::handle::Node;
use crate::script::raise::Raised;
use crate::supervise::Progress;
use crate::supervise::conflicts::Purpose;
use rhai::{Dynamic, FnPtr};
use std::any::TypeId;
use std::time::Duration;

pub(super) const WORDS: &[Word] = &[
    Word {
        name: "bhyvectl",
        kind: Kind::Value,
        on: None,
        arity: (1, 1),
        usage: "bhyvectl(\"name\")",
        help: "Names a machine's vmm node.",
        call: bhyvectl,
    },
    Word {
        name: "destroy",
        kind: Kind::Method,
        on: Some(TypeId::of::<Node>()),
        arity: (0, 0),
        usage: "bhyvectl(\"name\").destroy()",
        help: "Takes the node away; absent is fine.",
        call: destroy,
    },
    Word {
        name: "run",
        kind: Kind::Action,
        on: None,
        arity: (1, 3),
        usage: "run(\"zfs\", [\"create\", \"tank/vm\"], #{ stand_in: \"\", makes: path, each_boot: false })",
        help: "Runs any command and returns its output; a rehearsal returns the stand-in, and then has what the command makes. After a reboot one that this run has run is not run again, unless it says `each_boot` or is a loader.",
        call: run,
    },
    Word {
        name: "query",
        kind: Kind::Fact,
        on: None,
        arity: (1, 2),
        usage: "query(\"sysctl\", [\"-n\", \"hw.ncpu\"])",
        help: "Returns the output of a command that changes nothing; it is run in a rehearsal too, but not with `--no-query` of `plan`, `image verify` and `network up`.",
        call: query,
    },
    Word {
        name: "sleep",
        kind: Kind::Action,
        on: None,
        arity: (1, 1),
        usage: "sleep(\"500ms\")",
        help: "Waits, in seconds or a text as \"500ms\" or \"2m\"; a rehearsal does not, and Ctrl-C ends it.",
        call: sleep,
    },
    Word {
        name: "defer",
        kind: Kind::Action,
        on: None,
        arity: (1, 1),
        usage: "defer(|| …)",
        help: "Leaves something to be done when this evaluation ends, however it ends; the last one first.",
        call: defer,
    },
];

fn bhyvectl(call: &Call<'_>) -> Result<Dynamic, Raised> {
    Ok(Dynamic::from(Node(call.parsed(0)?)))
}

fn destroy(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let node = call.this.clone().and_then(Dynamic::try_cast::<Node>);
    let node = node.ok_or_else(|| expected("bhyvectl(name)", &Dynamic::UNIT))?;
    if call.session().run().host.settings().platform == Platform::FreeBsd {
        call.act(&Effect::DestroyNode(node.0))?;
    }
    Ok(Dynamic::UNIT)
}

/// Reads a command; whether one that is missing is no more than a warning here.
fn argv(call: &Call<'_>, may_be_missing: bool) -> Result<Argv, Raised> {
    let program = call.text(0)?;
    if call.rehearses() && !program.contains('/') && !call.session().run().host.has_program(&program) {
        let fault = Fault::host(format!("`{program}` is not installed")).hint("install it, or correct its name");
        let raised = Raised::from(fault).arg(0);
        if !may_be_missing {
            return Err(raised);
        }
        super::machine::warn(call, raised);
    }
    Ok(Argv::new(program).args(if call.args.len() > 1 { call.texts(1)? } else { Vec::new() }))
}

fn run(call: &Call<'_>) -> Result<Dynamic, Raised> {
    // What a plan holds is only read.
    let planned = call.session().rehearsal == Some(Purpose::Plan);
    let argv = argv(call, planned)?;
    let options =
        if call.args.len() > 2 { call.options(2, &["stand_in", "makes", "each_boot"])? } else { rhai::Map::new() };
    let makes = options.get("makes").filter(|value| !value.is_unit());
    let makes = makes.map(text).transpose().map_err(|raised| raised.under("makes").arg(2))?;
    let effect = match makes {
        Some(path) => {
            let path = call.whole(&path, &|raised| raised.under("makes").arg(2))?.into();
            Effect::Make { argv, path }
        }
        None => Effect::Run(argv),
    };
    let output = call.command(&effect, &options, 2)?;
    let stand_in = options.get("stand_in").filter(|_| call.rehearses());
    Ok(stand_in.cloned().unwrap_or_else(|| output.into()))
}

fn query(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let argv = argv(call, false)?;
    call.permit(Asked::Run(&argv))?;
    if matches!(call.session().rehearsal, Some(Purpose::Plan | Purpose::Network)) {
        if call.session().inputs.asks_nothing {
            let fault = Fault::new(format!("`{argv}` is not run, and has answered nothing"));
            super::machine::warn(call, Raised::from(fault.hint("without --no-query it is run")).arg(0));
            return Ok(String::new().into());
        }
        announce(call, &argv);
    }
    Ok(call.session().run().host.query(&argv)?.into())
}

/// Who only looks at what a recipe would do hears of what it runs for that, where it is not his own.
fn announce(call: &Call<'_>, argv: &Argv) {
    let mut session = call.session();
    let who = match (&call.library, &session.inputs.owner) {
        (Some(library), _) => format!("the library `{library}`"),
        (None, Some(owner)) => format!("the recipe, which is {owner}'s,"),
        (None, None) => return,
    };
    session.run().tell(Progress::Asks(&format!("{who} asks by running `{argv}`")));
}

fn sleep(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let value = &call.args[0];
    let fault = |hint: &str| Raised::from(Fault::new(format!("{value} is no time to wait")).hint(hint)).arg(0);
    let negative = || fault("seconds from 0 on");
    let wait = match (value.as_int(), value.as_float()) {
        (Ok(seconds), _) => Duration::from_secs(u64::try_from(seconds).map_err(|_| negative())?),
        (_, Ok(seconds)) => Duration::try_from_secs_f64(seconds).map_err(|_| negative())?,
        _ => span::parse(&call.text(0)?).map_err(fault)?,
    };
    if !call.rehearses() {
        call.session().run().sleep(wait)?;
    }
    Ok(Dynamic::UNIT)
}

fn defer(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let closure = call.args[0].clone().try_cast::<FnPtr>();
    let closure = closure.ok_or_else(|| expected("a closure", &call.args[0]).arg(0))?;
    call.session().defers.push(closure);
    Ok(Dynamic::UNIT)
}
