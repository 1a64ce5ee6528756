//! A machine as a service: when it is started again, what it starts after, and what says that it is ready.

use super::{Call, Keys, Param, Word, WordKind, expected, text};
use crate::diag::{Fault, suggest};
use crate::model::{VmName, span};
use crate::script::raise::Raised;
use crate::supervise::order::{Ready, Sign};
use crate::supervise::policy::{After, RestartPolicy};
use rhai::{Dynamic, Map};
use std::time::Duration;

/// The keys of the map of `restart`.
const RESTART_KEYS: &[(&str, &str)] = &[
    ("on", "after what: a list of \"reboot\", \"poweroff\", \"halt\", \"crash\" ([\"reboot\", \"crash\"])"),
    ("delay", "how long is waited before the first start (\"1s\")"),
    ("backoff", "by which factor the wait grows (2.0)"),
    ("max_delay", "how long it may grow (\"1m\")"),
    ("limit", "how many starts there may be (5)"),
    ("within", "in which time that limit is counted (\"10m\")"),
];

/// The keys of the map of `ready`.
const READY_KEYS: &[(&str, &str)] = &[
    ("tcp", "where somebody listens then: \"10.0.0.5:5432\""),
    ("serial", "what the serial port in the log has said then, as a part of one line"),
    ("ssh", "true: its sshd answers then, at the address by which `vmrun ssh` reaches it"),
    ("agent", "true: its guest's agent answers then, at the port that the key `agent` of the machine makes"),
    ("within", "how long that may take (\"60s\")"),
];

pub(super) const WORDS: &[Word] = &[
    Word {
        name: "restart",
        kind: WordKind::Description,
        params: &[Param::map("policy", Keys::Own(RESTART_KEYS)).shown("#{ on: [\"reboot\", \"crash\"], delay: \"1s\", backoff: 2.0, max_delay: \"1m\", limit: 5, within: \"10m\" }")],
        help: "Says after what a guest is started again: reboot, poweroff, halt or crash; each time later, and not more often than the limit.",
        ..Word::of(restart)
    },
    Word {
        name: "after",
        kind: WordKind::Description,
        params: &[Param::text("machine", "db")],
        help: "Says which machine `vmrun start` starts first, when it starts several; it stops last. It may be one of another host of config.toml.",
        ..Word::of(after)
    },
    Word {
        name: "ready",
        kind: WordKind::Description,
        params: &[Param::map("sign", Keys::Own(READY_KEYS)).shown("#{ tcp: \"10.0.0.5:5432\", within: \"30s\" }")],
        help: "Says when a machine is ready for those after it: when somebody listens at `tcp`, the serial port in the log has said `serial`, or its `ssh` or its `agent` answers.",
        ..Word::of(ready)
    },
];

fn restart(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let mut policy = RestartPolicy::default();
    let options = call.options(0)?;
    if let Some(value) = value(&options, "on") {
        policy.on = afters(value).map_err(|raised| raised.under("on").arg(0))?;
    }
    for (key, time) in
        [("delay", &mut policy.delay), ("max_delay", &mut policy.max_delay), ("within", &mut policy.within)]
    {
        if let Some(value) = value(&options, key) {
            *time = duration(value).map_err(|raised| raised.under(key).arg(0))?;
        }
    }
    if let Some(value) = value(&options, "backoff") {
        policy.backoff = backoff(value).map_err(|raised| raised.under("backoff").arg(0))?;
    }
    if let Some(value) = value(&options, "limit") {
        let number = value.as_int().ok().and_then(|number| u32::try_from(number).ok());
        let none = || expected("how often, as a number from 0 on", value).under("limit").arg(0);
        policy.limit = number.ok_or_else(none)?;
    }
    call.evaluation().run().service.restart = Some(policy);
    Ok(Dynamic::UNIT)
}

fn after(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let name: VmName = call.parsed(0)?;
    let mut evaluation = call.evaluation();
    evaluation.afters.push((name.clone(), call.site.clone()));
    let after = &mut evaluation.run().service.after;
    if !after.contains(&name) {
        after.push(name);
    }
    Ok(Dynamic::UNIT)
}

fn ready(call: &Call<'_>) -> Result<Dynamic, Raised> {
    const WITHIN: Duration = Duration::from_secs(60);
    let options = call.options(0)?;
    let is = |key: &str| {
        let wrong = |value| expected("true or false", value).under(key).arg(0);
        value(&options, key).map_or(Ok(false), |value| value.as_bool().map_err(|_| wrong(value)))
    };
    let answers = [(is("ssh")?, Sign::Ssh), (is("agent")?, Sign::Agent)];
    let mut answers = answers.into_iter().filter_map(|(is, sign)| is.then_some(sign));
    let sign = match (value(&options, "tcp"), value(&options, "serial"), (answers.next(), answers.next())) {
        (None, None, (Some(sign), None)) => sign,
        (Some(address), None, (None, None)) => {
            let address = text(address).map_err(|raised| raised.under("tcp").arg(0))?;
            let none = |_| Fault::new(format!("{address:?} is no address with a port")).hint("write \"10.0.0.5:5432\"");
            Sign::Tcp(address.parse().map_err(|error| Raised::from(none(error)).under("tcp").arg(0))?)
        }
        (None, Some(words), (None, None)) => {
            let words = text(words).map_err(|raised| raised.under("serial").arg(0))?;
            if words.is_empty() || words.contains('\n') {
                let fault = Fault::new("what the serial port says is a part of one line");
                return Err(Raised::from(fault.hint("write `serial: \"login:\"`")).under("serial").arg(0));
            }
            Sign::Serial(words)
        }
        _ => {
            let fault = Fault::new("a machine is ready by `tcp`, `serial`, `ssh` or `agent`, one of them");
            return Err(Raised::from(fault).arg(0));
        }
    };
    let within = value(&options, "within").map(duration).transpose();
    let within = within.map_err(|raised| raised.under("within").arg(0))?.unwrap_or(WITHIN);
    call.evaluation().run().service.ready = Some(Ready { sign, within });
    Ok(Dynamic::UNIT)
}

pub(super) fn value<'a>(options: &'a Map, key: &str) -> Option<&'a Dynamic> {
    options.get(key).filter(|value| !value.is_unit())
}

fn afters(value: &Dynamic) -> Result<Vec<After>, Raised> {
    let known = || After::ALL.iter().map(|(word, _)| *word);
    let list = value.read_lock::<rhai::Array>().ok_or_else(|| expected("a list of texts", value))?;
    let read = |(index, value): (usize, &Dynamic)| {
        let word = text(value).map_err(|raised| raised.under(&index.to_string()))?;
        After::ALL.iter().find(|(name, _)| *name == word).map(|(_, after)| *after).ok_or_else(|| {
            let fault = Fault::new(format!("a guest does not end by {word:?}"));
            let fault = fault.hint(format!("one of {}", suggest::list(known())));
            Raised::from(fault.did_you_mean(&word, known())).under(&index.to_string())
        })
    };
    list.iter().enumerate().map(read).collect()
}

pub(super) fn duration(value: &Dynamic) -> Result<Duration, Raised> {
    let text = match value.as_int() {
        Ok(number) => number.to_string(),
        Err(_) => text(value)?,
    };
    span::parse(&text).map_err(|hint| Fault::new(format!("{text:?} is no time")).hint(hint).into())
}

/// Reads a factor, as hundredths.
fn backoff(value: &Dynamic) -> Result<u32, Raised> {
    let whole = || value.as_int().ok().and_then(|number| i32::try_from(number).ok()).map(f64::from);
    let factor = value.as_float().ok().or_else(whole).ok_or_else(|| expected("a factor: 2.0", value))?;
    if !(1.0..=100.0).contains(&factor) {
        return Err(Fault::new(format!("{factor} is no factor by which a wait grows"))
            .hint("from 1.0 to 100.0")
            .into());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 100 and 10000")]
    Ok((factor * 100.0).round() as u32)
}
