//! Word between who wants the file systems of a guest frozen and the supervisor of its machine, which does it: a file for each, in the
//! machine's folder, into which nobody else can write.

use super::clock::since_1970;
use super::files;
use super::settings::Settings;
use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::model::VmName;
use serde_json::{Value, json};
use std::path::PathBuf;

/// What somebody wants of a supervisor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FreezeRequest {
    /// The process of the supervisor.
    pub run: u32,
    /// The process of who asks.
    pub asker: u32,
    /// What tells this asking from others.
    pub token: String,
    /// Whether the file systems are to be frozen; else they are to be thawed.
    pub freezes: bool,
}

impl FreezeRequest {
    /// Makes one of this process, which tells itself from all others.
    pub(crate) fn new(run: u32) -> Self {
        let asker = std::process::id();
        Self { run, asker, token: format!("{asker}.{}", since_1970().as_nanos()), freezes: true }
    }
}

/// What a supervisor answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FreezeAnswer {
    /// So many file systems are frozen.
    Frozen(u64),
    /// They are not, and why.
    Refused(String),
    /// They are thawed, and whether they were frozen until they were to be.
    Thawed(bool),
    /// They are not thawed yet, and why.
    Stuck(String),
}

/// Asks a supervisor.
pub(crate) fn ask(settings: &Settings, name: &VmName, request: &FreezeRequest) -> Result<(), Fault> {
    let FreezeRequest { run, asker, token, freezes } = request;
    let text = json!({ "run": run, "asker": asker, "token": token, "freezes": freezes });
    files::write_anew(&asked(settings, name), 0o600, text.to_string().as_bytes())
}

/// Returns whether nobody has heard yet what was asked.
pub(crate) fn is_unheard(settings: &Settings, name: &VmName) -> bool {
    files::exists(&asked(settings, name))
}

/// Takes back what was asked.
pub(crate) fn withdraw(settings: &Settings, name: &VmName) {
    files::remove(&asked(settings, name)).may_fail("the supervisor lets go by itself");
}

/// Takes what was asked of this process.
pub(crate) fn take(settings: &Settings, name: &VmName) -> Option<FreezeRequest> {
    let path = asked(settings, name);
    let text = if files::exists(&path) { files::read_text(&path).ok()? } else { return None };
    let value: Option<Value> = serde_json::from_str(&text).ok();
    files::remove(&path).may_fail("the next one is written over it");
    let value = value?;
    let number = |key: &str| u32::try_from(value.get(key)?.as_u64()?).ok();
    let (run, asker) = (number("run")?, number("asker")?);
    let (token, freezes) = (value.get("token")?.as_str()?.into(), value.get("freezes")?.as_bool()?);
    (run == std::process::id()).then_some(FreezeRequest { run, asker, token, freezes })
}

/// Answers who has asked.
pub(crate) fn answer(settings: &Settings, name: &VmName, token: &str, answer: &FreezeAnswer) {
    let (state, count, why) = match answer {
        FreezeAnswer::Frozen(count) => ("frozen", *count, ""),
        FreezeAnswer::Refused(why) => ("refused", 0, why.as_str()),
        FreezeAnswer::Thawed(is_whole) => ("thawed", u64::from(*is_whole), ""),
        FreezeAnswer::Stuck(why) => ("stuck", 0, why.as_str()),
    };
    let text = json!({ "token": token, "state": state, "count": count, "why": why }).to_string();
    let (path, new) = (answered(settings, name), settings.machine_folder(name).join("frozen.new"));
    let written = files::write_anew(&new, 0o600, text.as_bytes())
        .and_then(|()| std::fs::rename(&new, &path).map_err(files::io_fault("write", &path)));
    written.may_fail("who has asked gives up after a while");
}

/// Returns the answer to what was asked, if it is there.
pub(crate) fn heard(settings: &Settings, name: &VmName, token: &str) -> Option<FreezeAnswer> {
    let path = answered(settings, name);
    let text = if files::exists(&path) { files::read_text(&path).ok()? } else { return None };
    let value: Value = serde_json::from_str(&text).ok()?;
    let text = |key: &str| value.get(key)?.as_str().map(String::from);
    let count = value.get("count")?.as_u64()?;
    if text("token")? != token {
        return None;
    }
    Some(match text("state")?.as_str() {
        "frozen" => FreezeAnswer::Frozen(count),
        "thawed" => FreezeAnswer::Thawed(count == 1),
        "stuck" => FreezeAnswer::Stuck(text("why")?),
        _ => FreezeAnswer::Refused(text("why")?),
    })
}

fn asked(settings: &Settings, name: &VmName) -> PathBuf {
    settings.machine_folder(name).join("freeze")
}

fn answered(settings: &Settings, name: &VmName) -> PathBuf {
    settings.machine_folder(name).join("frozen")
}
