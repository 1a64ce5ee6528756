//! What is said to a guest and heard from it while it runs: `vm.serial`, `vm.screen` and its keyboard.

use crate::diag::{Blame, Fault};
use crate::model::{DialogStep, span};
use crate::screen::keys;
use crate::script::handle::{Handle, Screen, SecretHandle, Serial, Vm};
use crate::script::raise::Raised;
use crate::script::words::{Call, Param, Type, Word, WordKind, expected};
use rhai::Dynamic;
use std::time::Duration;

/// How long a guest may take to say or to show something.
const WITHIN: Duration = Duration::from_secs(60);

pub(in crate::script::words) const WORDS: &[Word] = &[
    Word {
        name: "expect",
        kind: WordKind::Method,
        on: Some(Handle::Serial),
        params: &[Param::text("text", "login:"), Param::text("within", "5m").optional()],
        help: "While it runs, has the guest say this on com1, within 60s or that time; what follows waits for it. Else the boot failed.",
        ..Word::of(expect)
    },
    Word {
        name: "send",
        kind: WordKind::Method,
        on: Some(Handle::Serial),
        params: &[Param { ty: Type::Any, ..Param::text("text", "root\n") }],
        help: "While it runs, tells the guest this on com1; a secret is sent as a line.",
        ..Word::of(send)
    },
    Word {
        name: "shows",
        kind: WordKind::Method,
        on: Some(Handle::Screen),
        params: &[Param::text("text", "Press F2"), Param::text("within", "5m").optional()],
        help: "While it runs, has a line of the guest's screen show this, within 60s or that time; what follows waits for it. Else the boot failed.",
        ..Word::of(shows)
    },
    Word {
        name: "type",
        kind: WordKind::Method,
        on: Some(Handle::Vm),
        params: &[Param { ty: Type::Any, ..Param::text("text", "<F2>root\n") }],
        help: "While it runs, types this at the guest's keyboard, keys by their names as in `vmrun type`; a secret is typed as a line.",
        ..Word::of(type_text)
    },
];

fn expect(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let (text, within) = awaited(call, "what a guest says is a part of one line", "vm.serial.expect(\"login:\")")?;
    say(call, DialogStep::Expect(text, within))
}

fn send(call: &Call<'_>) -> Result<Dynamic, Raised> {
    say(
        call,
        secret(call).map_or_else(|| call.text(0).map(DialogStep::Send), |secret| Ok(DialogStep::Whisper(secret.0)))?,
    )
}

fn shows(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let (text, within) = awaited(call, "what a screen shows is a part of one line", "vm.screen.shows(\"Press F2\")")?;
    say(call, DialogStep::Shows(text, within))
}

fn type_text(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let Some(SecretHandle(secret)) = secret(call) else {
        let text = call.text(0)?;
        keys::parse(&text).map_err(|fault| Raised::from(fault.blame(Blame::Recipe)).arg(0))?;
        return say(call, DialogStep::Type(text));
    };
    let cannot = |fault: Fault| Fault { message: format!("the secret cannot be typed: {}", fault.message), ..fault };
    keys::literal(secret.reveal()).map_err(|fault| Raised::from(cannot(fault)).arg(0))?;
    say(call, DialogStep::TypeSecret(secret))
}

fn secret(call: &Call<'_>) -> Option<SecretHandle> {
    call.args[0].read_lock::<SecretHandle>().map(|secret| secret.clone())
}

/// A text that is waited for, and how long.
fn awaited(call: &Call<'_>, what: &str, example: &str) -> Result<(String, Duration), Raised> {
    let text = call.text(0)?;
    if text.is_empty() || text.contains('\n') {
        return Err(Raised::from(Fault::new(what).hint(format!("write `{example}`"))).arg(0));
    }
    Ok((text, if call.args.len() > 1 { time(call, 1)? } else { WITHIN }))
}

fn time(call: &Call<'_>, at: usize) -> Result<Duration, Raised> {
    let text = call.text(at)?;
    span::parse(&text).map_err(|hint| Raised::from(Fault::new(format!("{text:?} is no time")).hint(hint)).arg(at))
}

/// Adds a step to the dialog with the guest.
fn say(call: &Call<'_>, step: DialogStep) -> Result<Dynamic, Raised> {
    let this = call.this.clone().unwrap_or_default();
    let vm = this.clone().try_cast::<Vm>().or_else(|| Some(this.clone().try_cast::<Serial>()?.0));
    let vm = vm.or_else(|| Some(this.try_cast::<Screen>()?.0)).ok_or_else(|| expected("a machine", &Dynamic::UNIT))?;
    vm.0.borrow_mut().draft.dialog.push(step);
    Ok(Dynamic::UNIT)
}
