//! Programs that serve a machine while it runs.

use super::service::{duration, value};
use super::{Asks, Call, Keys, Param, Word, WordKind, expected, map, text, texts, unknown_key};
use crate::diag::Fault;
use crate::model::{Argv, Helper};
use crate::script::allowance::Asked;
use crate::script::raise::Raised;
use crate::supervise::conflicts::Purpose;
use rhai::{Dynamic, Map};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The keys of the map of `helper`.
const KEYS: &[(&str, &str)] = &[
    ("run", "its command, which stays in the foreground: [\"virtiofsd\", \"--socket-path=/run/fs.sock\", …]"),
    ("name", "what it is called (the name of its program)"),
    ("socket", "the socket that it makes; it is ready when that is there"),
    (
        "ready",
        "where it listens when it is ready, and how long that may take: #{ tcp: \"127.0.0.1:53\", within: \"10s\" }",
    ),
    ("fatal", "true: the guest is stopped when it ends by itself; else it is started again, up to five times (false)"),
];

/// The keys of the map below `ready`.
const READY: [&str; 2] = ["tcp", "within"];

pub(super) const WORDS: &[Word] = &[Word {
    name: "helper",
    kind: WordKind::Description,
    params: &[Param::map("helper", Keys::Own(KEYS))
        .shown("#{ run: [\"virtiofsd\", …], socket: \"/run/fs.sock\", fatal: false }")],
    asks: &[Asks::Commands, Asks::Paths],
    help: "Names a program that lives with the machine: it is started before the hypervisor, in the machine's jail, looked after, and ended after it.",
    ..Word::of(helper)
}];

fn helper(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let options = call.options(0)?;
    let words = value(&options, "run").map(|value| texts(value).map_err(|raised| raised.under("run").arg(0)));
    let words = words.transpose()?.unwrap_or_default();
    let Some((program, rest)) = words.split_first() else {
        let fault = Fault::new("a helper needs a command").hint("write `run: [\"virtiofsd\", \"--socket-path=…\"]`");
        return Err(Raised::from(fault).arg(0));
    };
    let argv = Argv::new(program).args(rest);
    call.permit(Asked::Run(&argv))?;
    against_missing(call, program, "run")?;
    let name = value(&options, "name").map(|value| text(value).map_err(|raised| raised.under("name").arg(0)));
    let base = || Path::new(program).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut helper =
        Helper::new(&name.transpose()?.unwrap_or_else(base), argv).map_err(|fault| Raised::from(fault).arg(0))?;
    if helper.name == crate::host::permit::NAME {
        let fault = Fault::new(format!("a helper cannot be called {}: who guards a permit is", helper.name));
        return Err(Raised::from(fault.hint("give it another `name`")).arg(0));
    }
    set_options(call, &mut helper, &options)?;
    let mut evaluation = call.evaluation();
    let declared = &mut evaluation.run().helpers.declared;
    if declared.iter().any(|one| one.name == helper.name) {
        let fault = Fault::new(format!("two helpers are called {}", helper.name));
        return Err(Raised::from(fault.hint("give one of them another `name`")).arg(0));
    }
    declared.push(helper);
    Ok(Dynamic::UNIT)
}

/// Reads what may be said of a helper beside its command and its name.
fn set_options(call: &Call<'_>, helper: &mut Helper, options: &Map) -> Result<(), Raised> {
    if let Some(value) = value(options, "socket") {
        let about = |raised: Raised| raised.under("socket").arg(0);
        let path: PathBuf = call.whole(&text(value).map_err(about)?, &about)?.into();
        call.permit(Asked::Path(&path))?;
        helper.socket = Some(path);
    }
    if let Some(value) = value(options, "ready") {
        set_ready(helper, value).map_err(|raised| raised.under("ready").arg(0))?;
    }
    if let Some(value) = value(options, "fatal") {
        let wrong = |_| expected("true or false", value).under("fatal").arg(0);
        helper.is_fatal = value.as_bool().map_err(wrong)?;
    }
    Ok(())
}

/// A program that is not there is found before anything happens; in a plan it is a warning.
pub(super) fn against_missing(call: &Call<'_>, program: &str, key: &str) -> Result<(), Raised> {
    let is_missing = call.rehearses() && {
        let mut evaluation = call.evaluation();
        let host = &*evaluation.run().host;
        let is_there =
            if program.contains('/') { host.file(Path::new(program)).is_some() } else { host.has_program(program) };
        !host.is_assumed() && !is_there
    };
    if !is_missing {
        return Ok(());
    }
    let fault = Fault::host(format!("`{program}` is not installed")).hint("install it, or correct its name");
    let raised = Raised::from(fault).under(key).arg(0);
    if call.evaluation().rehearsal == Some(Purpose::Run) {
        return Err(raised);
    }
    super::machine::warn(call, raised);
    Ok(())
}

fn set_ready(helper: &mut Helper, given: &Dynamic) -> Result<(), Raised> {
    let given = map(given)?;
    if let Some(key) = given.keys().find(|key| !READY.contains(&key.as_str())) {
        return Err(unknown_key(key, &READY));
    }
    if let Some(value) = value(&given, "tcp") {
        let address = text(value).map_err(|raised| raised.under("tcp"))?;
        let none = |_| Fault::new(format!("{address:?} is no address with a port")).hint("write \"127.0.0.1:53\"");
        let address: SocketAddr = address.parse().map_err(|error| Raised::from(none(error)).under("tcp"))?;
        helper.tcp = Some(address);
    }
    if let Some(value) = value(&given, "within") {
        helper.within = duration(value).map_err(|raised| raised.under("within"))?;
    }
    Ok(())
}
