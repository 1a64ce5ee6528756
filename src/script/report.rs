//! Rhai's errors as diagnostics with exact places.

mod place;

use super::bounds;
use super::handle::Handle;
use super::raise::{Raised, Site};
use super::source::{self, Sources, Unit};
use super::type_names;
use super::words;
use super::{given, habits};
use crate::diag::{Cause, Diagnostic, Fault, Place, Source, suggest};
use crate::supervise::interrupted;
pub(crate) use place::place;
use place::{exact, with_argument};
use rhai::{EvalAltResult, Expr, ParseError, Position};
use std::ops::Range;
use std::rc::Rc;

/// Returns the diagnostic of a text that does not parse.
pub(crate) fn syntax(error: &ParseError, source: &Rc<Source>) -> Diagnostic {
    Diagnostic::error(habits::syntax(error, source)).at(source::token(source, error.position()))
}

/// Returns the diagnostics of an evaluation that failed: usually one, several for a machine with several faults.
pub(crate) fn runtime(error: &EvalAltResult, main: &Rc<Source>, sources: &Rc<Sources>) -> Vec<Diagnostic> {
    let mut unit = sources.get(&main.name);
    let mut trail: Vec<(Place, String)> = Vec::new();
    let mut frames: Vec<Frame> = Vec::new();
    let mut error = error;
    loop {
        match error {
            EvalAltResult::ErrorInFunctionCall(name, reported, inner, position) => {
                let closure = name.starts_with("anon$");
                let label =
                    if closure { "in the closure called here".into() } else { format!("in `{name}` called here") };
                if let Some(unit) = unit.as_ref().filter(|_| !position.is_none()) {
                    trail.push((source::call(&unit.source, *position), label));
                    frames.push(Frame { unit: unit.clone(), position: *position, function: name.clone() });
                }
                unit = sources.home_of(name, reported, inner.position()).or(unit);
                error = inner;
            }
            EvalAltResult::ErrorInModule(name, inner, position) => {
                if let Some(unit) = unit.as_ref().filter(|_| !position.is_none()) {
                    trail.push((source::token(&unit.source, *position), "imported here".into()));
                }
                unit = sources.get(name).or(unit);
                error = inner;
            }
            _ => break,
        }
    }
    let Some(unit) = unit else { return vec![Diagnostic::error(Fault::new(error.to_string()))] };
    let mut diagnostics = match given(error, &unit, &mut frames) {
        Some((raised, site)) => {
            trail.retain(|(place, _)| {
                frames.iter().any(|frame| source::call(&frame.unit.source, frame.position) == *place)
            });
            diagnostics(raised, &site, sources)
        }
        None => describe(error, &unit, sources),
    };
    trail.dedup_by(|a, b| a.0 == b.0);
    trail.reverse();
    for diagnostic in &mut diagnostics {
        diagnostic.trail =
            trail.iter().filter(|(place, _)| Some(place) != diagnostic.place.as_ref()).cloned().collect();
    }
    diagnostics.into_iter().map(|diagnostic| given::outward(diagnostic, sources)).collect()
}

/// A call on the way to an error.
struct Frame {
    /// The text that it stands in.
    unit: Unit,
    /// Where its name stands.
    position: Position,
    /// What it calls.
    function: String,
}

/// What is raised about what a function was given is about the call that gave it: the calls up to that one are left behind.
fn given(error: &EvalAltResult, unit: &Unit, frames: &mut Vec<Frame>) -> Option<(Raised, Site)> {
    let EvalAltResult::ErrorRuntime(value, position) = error else { return None };
    let mut raised = value.read_lock::<Raised>().filter(|raised| raised.given)?.clone();
    let (mut unit, mut position, mut arg) = (unit.clone(), *position, raised.arg?);
    while let Some(frame) = frames.last() {
        let Some(index) = parameter(&unit, position, arg, &frame.function) else { break };
        (unit, position, arg) = (frame.unit.clone(), frame.position, index);
        frames.pop();
    }
    raised.arg = Some(arg);
    raised.more.iter_mut().for_each(|more| more.arg = Some(arg));
    Some((raised, Site { source: Some(unit.source.name.clone()), position }))
}

/// Returns which parameter of a function the argument of a call in it is.
fn parameter(unit: &Unit, position: Position, arg: usize, function: &str) -> Option<usize> {
    let name = with_argument(unit, position, arg, |expression| match expression {
        Expr::Variable(x, ..) => Some(x.1.clone()),
        _ => None,
    })??;
    let holds = |begin: Position, end: Position| begin <= position && (end.is_none() || position <= end);
    let mut all = unit.ast.iter_fn_def().filter(|def| def.name == function);
    let def = all.find(|def| holds(def.body.position(), def.body.end_position()))?;
    def.params.iter().position(|parameter| *parameter == name)
}

fn describe(error: &EvalAltResult, unit: &Unit, sources: &Rc<Sources>) -> Vec<Diagnostic> {
    let position = error.position();
    let here = || source::token(&unit.source, position);
    let one = |fault: Fault, place: Place| vec![Diagnostic::error(fault).at(place)];
    match error {
        EvalAltResult::ErrorRuntime(value, _) if value.is::<Raised>() => {
            let site = Site { source: Some(unit.source.name.clone()), position };
            diagnostics(value.clone_cast::<Raised>(), &site, sources)
        }
        EvalAltResult::ErrorRuntime(value, _) => {
            let is_shown =
                value.is_string() || value.is_int() || value.is_float() || value.is_bool() || value.is_char();
            let text = if is_shown { value.to_string() } else { type_names::article(value.type_name()).to_string() };
            one(Fault::new(text).hint("the recipe itself threw this"), source::call(&unit.source, position))
        }
        EvalAltResult::ErrorTerminated(why, _) => {
            let why = why.clone().into_string().unwrap_or_default();
            match ended(&why) {
                Some(fault) => one(fault, here()),
                None => vec![Diagnostic::error(interrupted())],
            }
        }
        EvalAltResult::ErrorTooManyOperations(_) => one(too_many(), here()),
        EvalAltResult::ErrorFunctionNotFound(signature, _) => one(not_found(signature), here()),
        EvalAltResult::ErrorPropertyNotFound(name, _) => {
            let fault = Fault::new(format!("the map has no key `{name}`"));
            one(fault.hint(format!("`\"{name}\" in map` asks whether it has")), here())
        }
        EvalAltResult::ErrorDotExpr(text, _) => one(property(text, &unit.source, &here().span), here()),
        EvalAltResult::ErrorParsing(kind, _) => {
            one(Fault::new(kind.to_string()).hint("a recipe is Rhai: https://rhai.rs/book"), here())
        }
        EvalAltResult::ErrorMismatchDataType(wanted, got, _) => {
            let (wanted, got) = (type_names::article(wanted), type_names::article(got));
            one(Fault::new(format!("expected {wanted}, got {got}")), here())
        }
        EvalAltResult::ErrorIndexingType(of, _) => {
            let of = type_names::article(of.split(" [").next().unwrap_or(of));
            one(Fault::new(format!("{of} has no parts that `[…]` could name")), here())
        }
        EvalAltResult::ErrorFor(_) => {
            let fault = Fault::new("this cannot be gone through one by one");
            one(fault.hint("`for` takes a list, a map's `keys()`, or a range as in `0..4`"), here())
        }
        _ => one(limit(error).unwrap_or_else(|| Fault::new(rhai_message(error))), here()),
    }
}

/// The fault of an evaluation that was ended because it took too much of something; nothing where it was interrupted.
fn ended(why: &str) -> Option<Fault> {
    let endless = |message: String| {
        Fault::new(message).hint("is there a loop or a recursion without an end?").cause(Cause::Endless)
    };
    Some(match why {
        bounds::TOO_MANY => too_many(),
        bounds::TOO_MUCH => endless(format!("the recipe takes more than {} MiB of memory", super::MEMORY >> 20)),
        bounds::TOO_LONG => endless(format!("the rehearsal takes more than {} s", super::REHEARSAL.as_secs())),
        bounds::TOO_BUSY => {
            endless(format!("the recipe takes more than {} s of processor time", bounds::PROCESSOR.as_secs()))
        }
        bounds::TOO_DEEP => Fault::new(format!("a value is nested more than {} deep", bounds::NESTED))
            .hint("is it put into itself, or does a loop put each one into the next?"),
        bounds::TOO_LARGE => endless(format!("a value has more than {} parts", bounds::PARTS)),
        _ => return None,
    })
}

fn too_many() -> Fault {
    let fault = Fault::new(format!("the recipe did not end within {} operations", bounds::OPERATIONS));
    fault.hint("is there a loop without an end?").cause(Cause::Endless)
}

/// The faults of a recipe that asks for more than there is.
fn limit(error: &EvalAltResult) -> Option<Fault> {
    let endless = |message: String| {
        Some(Fault::new(message).hint("is there a loop or a recursion without an end?").cause(Cause::Endless))
    };
    match error {
        EvalAltResult::ErrorStackOverflow(_) => endless(format!("calls go more than {} deep", super::CALLS)),
        EvalAltResult::ErrorDataTooLarge(what, _) if what.contains("string") => {
            endless(format!("a text may have {} bytes at most", super::TEXT))
        }
        EvalAltResult::ErrorDataTooLarge(..) => {
            endless(format!("a list or a map may have {} values at most", super::VALUES))
        }
        EvalAltResult::ErrorArrayBounds(length, index, _) => {
            let values = if *length == 1 { "value" } else { "values" };
            let fault = Fault::new(format!("the list has {length} {values}, but none at {index}"));
            Some(fault.hint("the first one is at 0"))
        }
        _ => None,
    }
}

/// Rhai's own words, without its position.
fn rhai_message(error: &EvalAltResult) -> String {
    let text = error.to_string();
    let text = match text.rfind(" (line ") {
        Some(at) if !error.position().is_none() => text[..at].to_string(),
        _ => text,
    };
    type_names::in_own_names(text)
}

/// Rhai says the same of a wrong name, a wrong number of arguments and a wrong type.
fn not_found(signature: &str) -> Fault {
    let (name, args) = signature.split_once(" (").unwrap_or((signature, ""));
    let args = type_names::arguments(args);
    if name.starts_with("anon$") {
        let fault = Fault::new(format!("the closure does not take ({args})"));
        return fault.hint("it has another number of parameters between its bars");
    }
    let usages = words::usages(name);
    if usages.is_empty() {
        let fault = Fault::new(format!("there is no function `{name}` for ({args})"));
        return fault.did_you_mean(name, words::names());
    }
    Fault::new(format!("`{name}` does not take ({args})")).hint(format!("write {}", usages.join(" or ")))
}

/// Rhai: "Unknown property 'x' - a getter is not registered for type 'Vm'".
fn property(text: &str, source: &Source, span: &Range<usize>) -> Fault {
    let quoted: Vec<&str> = text.split('\'').collect();
    let token = source::slice(source, span.clone());
    let (name, of) = (quoted.get(1).copied().unwrap_or(token), quoted.get(3).copied().unwrap_or_default());
    let known = match Handle::named(of) {
        Some(handle) => handle.properties(text.contains("setter")),
        None if ["number", "i64"].contains(&of) => words::UNITS.iter().map(|(name, _)| *name).collect(),
        None => Vec::new(),
    };
    let fault = Fault::new(format!("{} has no property `{name}`", type_names::article(of)));
    if let Some((_, shift)) = words::UNITS.iter().find(|(unit, _)| *unit == name && of == "f64") {
        let before = source.text.get(..span.start).unwrap_or_default();
        return fault.hint(in_whole_numbers(before, *shift));
    }
    let list = (!known.is_empty()).then(|| format!("it has {}", suggest::list(known.iter().copied())));
    fault.maybe_hint(list).did_you_mean(name, known.iter().copied())
}

/// Says how a number with a point, which stands before the dot of its unit, is written as a size.
fn in_whole_numbers(before: &str, shift: u32) -> String {
    let before = before.trim_end().trim_end_matches('.').trim_end_matches([')', ' ']);
    let begin = before.rfind(|c: char| !c.is_ascii_digit() && c != '.').map_or(0, |at| at + 1);
    let number = before.get(begin..).and_then(|digits| digits.parse::<f64>().ok());
    let smaller = words::UNITS.iter().rev().filter(|(_, less)| *less < shift).find_map(|(unit, less)| {
        let count = number? * f64::from(1_u32 << (shift - less).min(30));
        (count.fract() == 0.0 && count < 1e9).then(|| format!("{count:.0}.{unit}"))
    });
    format!("a size is a whole number: write {}", smaller.as_deref().unwrap_or("1536.MiB for one and a half GiB"))
}

/// Returns the diagnostics of what a word raised.
pub(crate) fn raised(raised: Raised, call: &Site, sources: &Rc<Sources>) -> Vec<Diagnostic> {
    diagnostics(raised, call, sources).into_iter().map(|diagnostic| given::outward(diagnostic, sources)).collect()
}

/// Returns the diagnostics of what a word raised, where it raised it.
fn diagnostics(mut raised: Raised, call: &Site, sources: &Rc<Sources>) -> Vec<Diagnostic> {
    let more = std::mem::take(&mut raised.more);
    let site = raised.site.clone().unwrap_or_else(|| call.clone());
    let mut diagnostic = Diagnostic::error(raised.fault.clone());
    diagnostic.severity = raised.severity;
    if let Some(unit) = site.source.as_deref().and_then(|name| sources.get(name)) {
        diagnostic.place = Some(exact(&raised, &unit, site.position));
    }
    let mut all = vec![diagnostic];
    all.extend(more.into_iter().flat_map(|next| diagnostics(next, call, sources)));
    all
}
