//! What a machine needs beyond this host, for as long as it runs.

use super::helper::against_missing;
use super::service::{duration, value};
use super::{Asks, Call, Keys, Param, Word, WordKind, text, texts};
use crate::diag::Fault;
use crate::model::Argv;
use crate::model::permit::{Permit, Times};
use crate::script::allowance::Asked;
use crate::script::raise::Raised;
use rhai::{Dynamic, Map};
use std::path::PathBuf;
use std::time::Duration;

/// The keys of the map of `permit`.
const KEYS: &[(&str, &str)] = &[
    ("acquire", "a command that holds it as long as it lives: [\"etcdctl\", \"lock\", \"vm/db\"]"),
    ("ready", "what a line has in it by which that command says that it holds (its first line)"),
    ("keep", "a command that renews it each time that it ends with status 0: [\"etcdctl\", \"get\", \"vm/db\"]"),
    (
        "reservation",
        "instead of both, a file beside the disk that all hosts see, or a disk of its own: \"/nfs/vm/db.reservation\"",
    ),
    ("ttl", "how long it is good after a renewal (\"15s\")"),
    ("within", "when the guest is down at the latest, since the last renewal; at most `ttl` (two thirds of it)"),
    ("every", "how often it is renewed, and how long that may take (a fifth of `within`)"),
    ("wait", "how long it may be waited for (\"10s\")"),
];

pub(super) const WORDS: &[Word] = &[Word {
    name: "permit",
    kind: WordKind::Description,
    params: &[Param::map("permit", Keys::Own(KEYS)).shown(
        "#{ acquire: [\"etcdctl\", \"lock\", \"vm/db\"], keep: [\"etcdctl\", \"get\", \"vm/db\"], ttl: \"15s\" }",
    )],
    asks: &[Asks::Commands, Asks::Paths],
    help: "Says what the machine needs to run: it is had before the hypervisor starts, kept through reboots, and the guest is stopped in time when it is lost.",
    ..Word::of(permit)
}];

fn permit(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let options = call.options(0)?;
    let (acquire, keep) = (command(call, &options, "acquire")?, command(call, &options, "keep")?);
    let time = |key: &str| -> Result<Option<Duration>, Raised> {
        value(&options, key).map(|value| duration(value).map_err(|raised| raised.under(key).arg(0))).transpose()
    };
    let times = Times { ttl: time("ttl")?, within: time("within")?, every: time("every")?, wait: time("wait")? };
    let made = match place(call, &options)? {
        Some(_) if acquire.is_some() || keep.is_some() => {
            let fault = Fault::new("a reservation is held and renewed by vmrun, and here is a command for it");
            let hint = "leave `acquire` and `keep` out, or `reservation`";
            return Err(Raised::from(fault.hint(hint)).under("reservation").arg(0));
        }
        Some(path) => Permit::reserved(&path, times),
        None => Permit::new(acquire, keep, times),
    };
    let mut permit = made.map_err(|fault| Raised::from(fault).arg(0))?;
    let ready = value(&options, "ready").map(|value| text(value).map_err(|raised| raised.under("ready").arg(0)));
    permit.ready = ready.transpose()?;
    if permit.ready.is_some() && permit.acquire.is_none() {
        let fault = Fault::new("nothing says that it is ready: there is no `acquire`");
        return Err(Raised::from(fault.hint("leave `ready` out: the first success of `keep` tells"))
            .under("ready")
            .arg(0));
    }
    let mut evaluation = call.evaluation();
    let wanted = &mut evaluation.run().permit.wanted;
    if wanted.is_some() {
        let fault = Fault::new("a machine has one permit, and this is another one");
        return Err(Raised::from(fault.hint("leave one of them out: `--permit` counts as well")).arg(0));
    }
    *wanted = Some(permit);
    Ok(Dynamic::UNIT)
}

/// Reads where the record of a reservation stands.
fn place(call: &Call<'_>, options: &Map) -> Result<Option<PathBuf>, Raised> {
    let Some(given) = value(options, "reservation") else { return Ok(None) };
    let about = |raised: Raised| raised.under("reservation").arg(0);
    let path: PathBuf = call.whole(&text(given).map_err(about)?, &about)?.into();
    call.permit(Asked::Path(&path))?;
    Ok(Some(path))
}

/// Reads a command that stands under a key.
fn command(call: &Call<'_>, options: &Map, key: &str) -> Result<Option<Argv>, Raised> {
    let Some(given) = value(options, key) else { return Ok(None) };
    let words = texts(given).map_err(|raised| raised.under(key).arg(0))?;
    let Some((program, rest)) = words.split_first() else {
        let fault = Fault::new(format!("`{key}` is a command, and has no words"));
        return Err(Raised::from(fault.hint(format!("write `{key}: [\"etcdctl\", …]`"))).under(key).arg(0));
    };
    let argv = Argv::new(program).args(rest);
    call.permit(Asked::Run(&argv))?;
    against_missing(call, program, key)?;
    Ok(Some(argv))
}
