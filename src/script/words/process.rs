//! Commands, and what is left for the end.

use super::{Asks, Call, Param, Type, Word, WordKind, expected, text};
use crate::diag::Fault;
use crate::host::{Effect, Host, Platform};
use crate::model::{Argv, span};
use crate::recording::words;
use crate::script::allowance::Asked;
use crate::script::handle::{Handle, Node};
use crate::script::raise::Raised;
use crate::supervise::Progress;
use crate::supervise::conflicts::Purpose;
use rhai::{Dynamic, FnPtr};
use std::path::Path;
use std::time::Duration;

/// The key that has a raw command run before each boot.
pub(super) const EACH_BOOT: (&str, &str) =
    ("each_boot", "run it before each boot of the run, not only before the first (false)");

/// The keys of the map of `run`.
const RUN: &[(&str, &str)] = &[
    ("stand_in", "what it returns in a rehearsal (\"\")"),
    ("makes", "the file that it makes, which a rehearsal then has"),
    EACH_BOOT,
];

pub(super) const WORDS: &[Word] = &[
    Word {
        name: "bhyvectl",
        params: &[Param::text("name", "name")],
        returns: Type::Handle(Handle::Node),
        help: "Names a machine's vmm node.",
        ..Word::of(bhyvectl)
    },
    Word {
        name: "destroy",
        kind: WordKind::Method,
        on: Some(Handle::Node),
        asks: &[Asks::Nodes],
        help: "Takes the node away; absent is fine.",
        ..Word::of(destroy)
    },
    Word {
        name: "run",
        kind: WordKind::Action,
        params: &[
            Param::text("program", "zfs"),
            Param::written("args", Type::List, "[\"create\", \"tank/vm\"]").optional(),
            Param::options(RUN).shown("#{ stand_in: \"\", makes: path, each_boot: false }"),
        ],
        returns: Type::Any,
        asks: &[Asks::Commands, Asks::Paths],
        help: "Runs any command and returns its output; a rehearsal returns the stand-in, and then has what the command makes. After a reboot one that this run has run is not run again, unless it says `each_boot` or is a loader.",
        ..Word::of(run)
    },
    Word {
        name: "query",
        kind: WordKind::Fact,
        params: &[
            Param::text("program", "sysctl"),
            Param::written("args", Type::List, "[\"-n\", \"hw.ncpu\"]").optional(),
        ],
        returns: Type::Text,
        asks: &[Asks::Commands],
        help: "Returns the output of a command that changes nothing; it is run in a rehearsal too, but not with `--no-query` of `plan`, `image verify` and `network up`.",
        ..Word::of(query)
    },
    Word {
        name: "sleep",
        kind: WordKind::Action,
        params: &[Param { ty: Type::Any, ..Param::text("time", "500ms") }],
        help: "Waits, in seconds or a text as \"500ms\" or \"2m\"; a rehearsal does not, and Ctrl-C ends it.",
        is_in_rhai: true,
        ..Word::of(sleep)
    },
    Word {
        name: "defer",
        kind: WordKind::Action,
        params: &[Param::written("closure", Type::Closure, "|| …")],
        help: "Leaves something to be done when this evaluation ends, however it ends; the last one first.",
        is_tried: false,
        ..Word::of(defer)
    },
];

fn bhyvectl(call: &Call<'_>) -> Result<Dynamic, Raised> {
    Ok(Dynamic::from(Node(call.parsed(0)?)))
}

fn destroy(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let node = call.this.clone().and_then(Dynamic::try_cast::<Node>);
    let node = node.ok_or_else(|| expected("bhyvectl(name)", &Dynamic::UNIT))?;
    if call.evaluation().run().host.settings().platform == Platform::FreeBsd {
        call.act(&Effect::DestroyNode(node.0))?;
    }
    Ok(Dynamic::UNIT)
}

/// Reads a command; whether one that is missing is no more than a warning here.
fn argv(call: &Call<'_>, word: &str, may_be_missing: bool) -> Result<Argv, Raised> {
    let program = call.text(0)?;
    let is_line = call.rehearses().then(|| against_line(&*call.evaluation().run().host, word, &program)).flatten();
    if let Some(fault) = is_line {
        // Of a host that is nowhere it is not known which programs it has.
        let is_certain = call.evaluation().rehearsal == Some(Purpose::Run);
        let raised = Raised::from(fault).arg(0);
        if is_certain {
            return Err(raised);
        }
        super::machine::warn(call, raised);
    } else if call.rehearses() && !program.contains('/') && !call.evaluation().run().host.has_program(&program) {
        let fault = Fault::host(format!("`{program}` is not installed")).hint("install it, or correct its name");
        let raised = Raised::from(fault).arg(0);
        if !may_be_missing {
            return Err(raised);
        }
        super::machine::warn(call, raised);
    }
    Ok(Argv::new(program).args(if call.args.len() > 1 { call.texts(1)? } else { Vec::new() }))
}

/// Returns the fault of a whole line in the place of a program: no shell cuts it into words.
fn against_line(host: &dyn Host, word: &str, program: &str) -> Option<Fault> {
    let is_there = || host.file(Path::new(program)).is_some() || host.has_program(program);
    if !program.contains(char::is_whitespace) || program.contains('/') && is_there() {
        return None;
    }
    let texts = |words: &[String]| words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
    let is_for_a_shell = program.contains(['|', '<', '>', ';', '&', '$', '`', '*', '?', '~', '#']);
    let hint = match words::split(program).ok().filter(|_| !is_for_a_shell) {
        Some(words) if !words.is_empty() => {
            let (name, rest) = words.split_at(1);
            format!("write the program and its arguments apart: {word}({}, [{}])", texts(name), texts(rest))
        }
        _ => format!("a shell cuts it into words: {word}(\"sh\", [\"-c\", {program:?}])"),
    };
    Some(Fault::new(format!("{program:?} is taken for the name of one program, blanks and all")).hint(hint))
}

fn run(call: &Call<'_>) -> Result<Dynamic, Raised> {
    // What a plan holds is only read.
    let planned = call.evaluation().rehearsal == Some(Purpose::Plan);
    let argv = argv(call, "run", planned)?;
    let options = call.options(2)?;
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
    let argv = argv(call, "query", false)?;
    call.permit(Asked::Run(&argv))?;
    if matches!(call.evaluation().rehearsal, Some(Purpose::Plan | Purpose::Network)) {
        if call.evaluation().inputs.asks_nothing {
            let fault = Fault::new(format!("`{argv}` is not run, and has answered nothing"));
            super::machine::warn(call, Raised::from(fault.hint("without --no-query it is run")).arg(0));
            return Ok(String::new().into());
        }
        announce(call, &argv);
    }
    Ok(call.evaluation().run().host.query(&argv)?.into())
}

/// Who only looks at what a recipe would do hears of what it runs for that, where it is not his own.
fn announce(call: &Call<'_>, argv: &Argv) {
    let mut evaluation = call.evaluation();
    let who = match (&call.library, &evaluation.inputs.owner) {
        (Some(library), _) => format!("the library `{library}`"),
        (None, Some(owner)) => format!("the recipe, which is {owner}'s,"),
        (None, None) => return,
    };
    evaluation.run().tell(Progress::Asks(&format!("{who} asks by running `{argv}`")));
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
        call.evaluation().run().sleep(wait)?;
    }
    Ok(Dynamic::UNIT)
}

fn defer(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let closure = call.args[0].clone().try_cast::<FnPtr>();
    let closure = closure.ok_or_else(|| expected("a closure", &call.args[0]).arg(0))?;
    call.evaluation().defers.push(closure);
    Ok(Dynamic::UNIT)
}
