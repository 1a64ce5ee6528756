//! What an evaluation may take: operations, memory, time, and how large and how deep its values may get.
//!
//! Rhai bounds texts, lists and maps where they are made, but not what closures hold: a chain of them is dropped by recursion, as
//! deep as it is long. So each value is weighed where a variable is read, which is the only way to put one value into the next. `this`
//! is no variable: what is done to that alone is as large as Rhai lets it get, and is bounded by the processor time that it takes.

use super::{EvaluationContext, lexer};
use crate::diag::Fault;
use crate::host::memory;
use rhai::{Array, Dynamic, Engine, EvalAltResult, FnPtr, ImmutableString, Map, Position, Scope};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How many operations one evaluation may take: a recipe that does more does not end.
pub(crate) const OPERATIONS: u64 = 5_000_000;

/// How deep values may be nested.
pub(crate) const NESTED: usize = 128;

/// How many parts a value may have, those of values that closures share counted for each of them.
pub(crate) const PARTS: usize = 1_000_000;

/// How much processor time an evaluation may take, beside that of words: several times what [`OPERATIONS`] take that do little each.
/// What was built for tests is that much slower.
pub(crate) const PROCESSOR: Duration = Duration::from_secs(if cfg!(debug_assertions) { 40 } else { 2 });

/// What an evaluation is ended with that takes too much of something.
pub(super) const TOO_MANY: &str = "operations";
pub(super) const TOO_MUCH: &str = "memory";
pub(super) const TOO_LONG: &str = "time";
pub(super) const TOO_BUSY: &str = "processor";
pub(super) const TOO_DEEP: &str = "depth";
pub(super) const TOO_LARGE: &str = "parts";

/// How many operations lie between two looks at the memory, and between two at the time.
const LOOK: u64 = 16;
const LONG_LOOK: u64 = 1024;

/// How long it may be between two looks at the time, where operations do much each.
const LONG: Duration = Duration::from_millis(20);

/// Ends an evaluation; nothing can catch it.
#[expect(clippy::unnecessary_box_returns, reason = "Rhai's errors travel boxed")]
pub(super) fn end(why: &'static str) -> Box<EvalAltResult> {
    EvalAltResult::ErrorTerminated(why.into(), Position::NONE).into()
}

/// Returns what reading a value costs, in operations.
pub(super) fn weigh(value: &Dynamic) -> Result<u64, Box<EvalAltResult>> {
    let mut parts = 0;
    part(value, 0, &mut parts)?;
    // A text in a list is not copied when that is read.
    let bytes = value.read_lock::<ImmutableString>().map_or(0, |text| text.len());
    Ok((parts + bytes / 16) as u64 / PARTS_OF_AN_OPERATION)
}

/// How many parts of a value are looked at in the time of an operation, about.
const PARTS_OF_AN_OPERATION: u64 = 64;

fn part(value: &Dynamic, depth: usize, parts: &mut usize) -> Result<(), Box<EvalAltResult>> {
    *parts += 1;
    if depth > NESTED {
        return Err(end(TOO_DEEP));
    }
    if *parts > PARTS {
        return Err(end(TOO_LARGE));
    }
    // Of a long list that is read in a loop nearly all of the time goes here.
    if is_plain(value) || value.is_string() {
        return Ok(());
    }
    if value.is_shared() {
        // One that is being written to is looked at when it is read again.
        return value.read_lock::<Dynamic>().map_or(Ok(()), |inner| part(&inner, depth + 1, parts));
    }
    if let Some(list) = value.read_lock::<Array>() {
        list.iter().try_for_each(|inner| part(inner, depth + 1, parts))?;
    } else if let Some(map) = value.read_lock::<Map>() {
        map.values().try_for_each(|inner| part(inner, depth + 1, parts))?;
    } else if let Some(closure) = value.read_lock::<FnPtr>() {
        closure.iter_curry().try_for_each(|inner| part(inner, depth + 1, parts))?;
    }
    Ok(())
}

/// Returns a variable that is read: the one that is so many from the end as Rhai has counted, or the last one of its name; nothing if
/// it has no parts, and so costs nothing to read.
pub(super) fn variable<'a>(name: &str, index: usize, scope: &'a Scope<'_>) -> Option<&'a Dynamic> {
    // The scope is gone through from its end.
    let value = match index.checked_sub(1) {
        Some(before) => scope.iter_raw().nth(before).map(|(_, _, value)| value),
        None => scope.get(name),
    };
    // One that is shared may be given parts later.
    value.filter(|value| value.is_shared() || !is_plain(value))
}

/// Bounds an engine that evaluates no recipe: that of a test of recipes, which may take as much again as the recipe that it runs.
pub(super) fn alone(engine: &mut Engine) {
    let spent = Rc::new(Cell::new(0_u64));
    let mut bounds = Bounds::begin();
    bounds.hold(super::MEMORY);
    let take = move |operations: u64| {
        let before = spent.replace(spent.get().saturating_add(operations));
        match spent.get() {
            spent if spent > OPERATIONS => Some(TOO_MANY),
            spent if spent / LOOK == before / LOOK => None,
            _ if bounds.is_over() => Some(TOO_MUCH),
            _ => (bounds.busy() > PROCESSOR).then_some(TOO_BUSY),
        }
    };
    let take = Rc::new(take);
    let read = take.clone();
    #[expect(deprecated, reason = "the callback is marked volatile, not on its way out")]
    engine.on_var(move |name, index, context| {
        let cost = variable(name, index, context.scope()).map_or(Ok(0), weigh)?;
        read(cost).map_or(Ok(None), |why| Err(end(why)))
    });
    engine.on_progress(move |_| take(1).map(Into::into));
}

/// Returns whether a value is nothing that has parts, and so costs nothing to read.
fn is_plain(value: &Dynamic) -> bool {
    value.is_int() || value.is_bool() || value.is_unit() || value.is_char() || value.is_float()
}

/// Counts operations, and says what there was too much of.
pub(super) fn spend(
    evaluation: &RefCell<EvaluationContext>,
    spent: &Cell<u64>,
    operations: u64,
) -> Option<&'static str> {
    let before = spent.get();
    let now = before.saturating_add(operations);
    spent.set(now);
    if now > OPERATIONS {
        return Some(TOO_MANY);
    }
    // Asking costs little, but not nothing.
    if before / LOOK == now / LOOK {
        return None;
    }
    let mut evaluation = evaluation.try_borrow_mut().ok()?;
    if evaluation.bounds.is_over() {
        return Some(TOO_MUCH);
    }
    if before / LONG_LOOK == now / LONG_LOOK && evaluation.bounds.looked.elapsed() < LONG {
        return None;
    }
    evaluation.bounds.looked = Instant::now();
    if evaluation.run().host.stop_asked() {
        evaluation.run().interrupt();
        return Some("interrupted");
    }
    if evaluation.rehearsal.is_some() && evaluation.bounds.begun.elapsed() > evaluation.patience {
        return Some(TOO_LONG);
    }
    (evaluation.bounds.busy() > evaluation.effort).then_some(TOO_BUSY)
}

/// A peak of which it makes no difference how much of it is still taken, in bytes.
const SMALL: u64 = super::MEMORY / 8;

/// How much of the host an evaluation may take from where it began.
pub(super) struct Bounds {
    /// When it began.
    pub(super) begun: Instant,
    /// When the time was looked at last.
    looked: Instant,
    /// How much memory the process may have come to.
    most: u64,
    /// Whether the process had more than that once, so that its peak says nothing.
    is_past: bool,
    /// The processor time of the thread when it began, and what words took of it since.
    processor: Duration,
}

impl Bounds {
    /// Starts to count time and memory for one evaluation.
    pub(super) fn begin() -> Self {
        static FIRST: OnceLock<u64> = OnceLock::new();
        let (peak, begun) = (memory::peak(), Instant::now());
        // The peak of a process is also that of the one that it was before execve(2), and that one's parent's by vfork(2): what a
        // large program started would else have no bound.
        // A peak that is small says enough.
        let now = if peak > SMALL { memory::now().unwrap_or(peak) } else { peak };
        let first = *FIRST.get_or_init(|| now);
        // What an evaluation before this one took is free by now, but not all of it need be the system's again.
        let most = (first + super::MEMORY).max(now + super::MEMORY / 4);
        Self { begun, looked: begun, most, is_past: peak > most, processor: crate::host::clock::processor() }
    }

    /// Lets it have more memory.
    pub(super) fn hold(&mut self, bytes: u64) {
        self.most = self.most.saturating_add(bytes);
    }

    /// Does not count processor time.
    pub(super) fn excuse(&mut self, time: Duration) {
        self.processor += time;
    }

    fn is_over(&self) -> bool {
        let taken = if self.is_past { memory::now().unwrap_or(0) } else { memory::peak() };
        taken > self.most
    }

    fn busy(&self) -> Duration {
        crate::host::clock::processor().saturating_sub(self.processor)
    }
}

/// Returns the error of a text that would be too long.
pub(super) fn text(length: usize) -> Result<(), Box<EvalAltResult>> {
    if length > super::TEXT {
        return Err(EvalAltResult::ErrorDataTooLarge("Length of string".into(), Position::NONE).into());
    }
    Ok(())
}

/// Returns how long a text gets in which every `from` is replaced.
pub(super) fn replaced(text: &ImmutableString, from: &str, to: &str) -> usize {
    let found = text.matches(from).count();
    (text.len() - found * from.len()).saturating_add(found.saturating_mul(to.len()))
}

/// How many different words a text may have.
pub(crate) const WORDS: usize = 10_000;

/// A text shorter than this, in bytes, is not asked how many words it has.
const SHORT: usize = 1 << 15;

/// Returns the fault of a text that has more names than one may: the parser looks at all that there are for each of them.
pub(super) fn declared(text: &str) -> Option<Fault> {
    let words = || lexer::words(text);
    if text.len() < SHORT {
        return None;
    }
    let declares = |word: &&str| matches!(*word, "let" | "const" | "fn");
    let message = if words().filter(declares).nth(super::NAMES).is_some() {
        format!("the text declares more than {} variables and functions", super::NAMES)
    } else {
        let different: HashSet<&str> = words().collect();
        (different.len() > WORDS).then(|| format!("the text has more than {WORDS} different words"))?
    };
    Some(Fault::new(message).hint("put into a list or a map what belongs together"))
}
