//! What is in the way of a start, and may be gone soon.

use super::{Listener, StartEvent};
use crate::diag::{Blame, Diagnostic, Fault};
use crate::host::signals::Signals;
use std::time::{Duration, Instant};

/// How often it is looked whether somebody has let go of what a machine needs.
pub(super) const LOOK: Duration = Duration::from_millis(200);

/// Tries again what was refused, for as long as nothing is in the way but what somebody else may let go.
pub(super) fn patiently<T>(
    refused: Vec<Diagnostic>,
    until: Option<Instant>,
    listener: Listener<'_>,
    again: &dyn Fn() -> Result<T, Vec<Diagnostic>>,
) -> Result<T, Vec<Diagnostic>> {
    let is_busy = |wrong: &Vec<Diagnostic>| wrong.iter().all(|one| one.fault.blame == Blame::Busy);
    let (signals, mut wrong) = (Signals::install()?, refused);
    let Some(until) = until.filter(|_| is_busy(&wrong)) else { return Err(wrong) };
    wrong.first().iter().for_each(|one| listener(&StartEvent::Waits(&one.fault)));
    while is_busy(&wrong) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(wrong);
        }
        if signals.stop_within(left.min(LOOK)) {
            return Err(Fault::new("interrupted").blame(Blame::Interrupted).into());
        }
        match again() {
            Ok(done) => return Ok(done),
            Err(still) => wrong = still,
        }
    }
    Err(wrong)
}
