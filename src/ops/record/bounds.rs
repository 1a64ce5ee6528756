//! How often a script starts its machine again: it is recorded with the same end of each boot, until it starts it no more.

use super::sessions::Sessions;
use crate::diag::{Blame, Fault};
use crate::host::clock;
use crate::ops::proof::boots;
use crate::recording::ends::{Bounds, Restarts, is_loop, waits};
use crate::recording::{Call, Prepared, Recording, Scenario};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How often a machine may be booted in a recording that asks how often the script does so: what is started again more often counts as always.
const BOOTS_MAX: usize = 21;

/// The status of a guest that rebooted.
const REBOOTED: i32 = 0;

impl Sessions<'_> {
    /// Finds how often a script starts its machine again, and how long it waits before; and what of that no recipe says.
    pub(super) fn bounds(&mut self, command: &[String], restarts: &Restarts) -> Result<(Bounds, Vec<Fault>), Fault> {
        let mut limits: BTreeMap<Option<usize>, BTreeSet<i32>> = BTreeMap::new();
        let mut slept: BTreeMap<Vec<u64>, BTreeSet<i32>> = BTreeMap::new();
        let mut after_reboots = Vec::new();
        let mut gaps = Vec::new();
        for status in &restarts.0 {
            let exits = vec![u8::try_from(*status).unwrap_or(1)];
            let setting = Scenario { exits, boots_max: BOOTS_MAX, ..self.setting.clone() };
            let recording = match self.again(command, &setting) {
                Ok(Some(recording)) => recording,
                Ok(None) => return Ok((Bounds::default(), gaps)),
                Err(fault) if fault.blame == Blame::Interrupted => return Err(fault),
                Err(fault) => {
                    let what = format!(
                        "how often the script starts the machine again after bhyve's status {status} is not known: {fault}"
                    );
                    gaps.push(Fault::new(what).maybe_hint(fault.hint));
                    continue;
                }
            };
            let boots = recording.calls.iter().filter(|call| call.boots().is_some()).count();
            // One that starts another machine the second time does not count.
            let is_counted = !recording.is_cut && is_loop(&recording);
            limits.entry(is_counted.then(|| boots.saturating_sub(1))).or_default().insert(*status);
            if *status == REBOOTED {
                after_reboots = waits(&recording);
            } else {
                slept.entry(waits(&recording)).or_default().insert(*status);
            }
        }
        gaps.extend(counted_reboots(&mut limits));
        gaps.extend(torn(&limits));
        let last = limits.into_iter().next_back();
        let limit = last.as_ref().and_then(|(limit, _)| *limit);
        if let Some((Some(limit), statuses)) = last {
            gaps.extend(self.counted_otherwise(command, restarts, (limit, &statuses))?);
        }
        let all: Vec<Vec<u64>> = slept.into_keys().collect();
        let waits = all.iter().max_by_key(|waits| waits.len()).cloned().unwrap_or_default();
        let bounds = Bounds { limit, ..Bounds::default() }.waiting(&waits);
        gaps.extend(all.iter().find(|waits| !bounds.are(waits)).map(|waits| unsaid_waits(waits, &bounds)));
        let (after_reboot, gap) = after_reboots_of(&after_reboots, &bounds);
        gaps.extend(gap);
        Ok((Bounds { after_reboot, ..bounds }, gaps))
    }
}

impl Sessions<'_> {
    /// Tells if a script counts how often it starts its machine in a way that no recipe says: anew after a reboot, or after a time.
    fn counted_otherwise(
        &mut self,
        command: &[String],
        restarts: &Restarts,
        (limit, statuses): (usize, &BTreeSet<i32>),
    ) -> Result<Vec<Fault>, Fault> {
        let Some(status) = statuses.first() else { return Ok(Vec::new()) };
        let mut gaps = Vec::new();
        if restarts.0.contains(&REBOOTED) && self.counts_anew(command, limit, *status)? {
            gaps.push(counted_anew(limit, statuses));
        }
        if self.forgets(command, limit, *status)? {
            gaps.push(forgotten(limit, statuses));
        }
        Ok(gaps)
    }

    /// Whether a script that counts how often it starts its machine forgets what it has counted when time goes by: each time that it asks date(1) it
    /// is a day later.
    fn forgets(&mut self, command: &[String], limit: usize, status: i32) -> Result<bool, Fault> {
        let boots_max = 2 * limit + 3;
        let exits = vec![u8::try_from(status).unwrap_or(1)];
        let plain = Scenario { exits, boots_max, ..self.setting.clone() };
        let boots = |recording: &Recording| recording.calls.iter().filter(|call| call.boots().is_some()).count();
        let Some(usual) = self.unheard(command, &plain)? else { return Ok(false) };
        let asked =
            usual.calls.iter().filter(|call| call.program() == "date" && call.args().iter().any(|arg| arg == "+%s"));
        let mut asked: Vec<&Call> = asked.collect();
        asked.sort_by(|one, other| one.argv.cmp(&other.argv));
        asked.dedup_by(|one, other| one.argv == other.argv);
        if asked.is_empty() {
            return Ok(false);
        }
        let mut setting = plain;
        for call in asked {
            // The last one that is prepared is the first one that is answered.
            let days = (0..DAYS).rev().map(|day| Prepared {
                words: call.argv.clone(),
                text: format!("{}\n", clock::now() + day * DAY),
                times: Some(1),
                ..Prepared::default()
            });
            setting.answers.extend(days);
        }
        Ok(self.unheard(command, &setting)?.is_some_and(|later| boots(&later) > boots(&usual)))
    }

    /// Whether a script that starts its machine a number of times after an end begins to count anew when the machine has rebooted in between.
    fn counts_anew(&mut self, command: &[String], limit: usize, status: i32) -> Result<bool, Fault> {
        let turn = [u8::try_from(status).unwrap_or(1), 0];
        let boots_max = 2 * limit + 3;
        let setting = Scenario { exits: turn.repeat(boots_max), boots_max, ..self.setting.clone() };
        match self.again(command, &setting) {
            Err(fault) if fault.blame == Blame::Interrupted => Err(fault),
            // What is wrong with it is told where its ends are recorded.
            Err(_) | Ok(None) => Ok(false),
            Ok(Some(recording)) => {
                let boots = recording.calls.iter().filter(|call| call.boots().is_some()).count();
                Ok(boots > 2 * limit + 1)
            }
        }
    }
}

/// How many seconds a day has.
const DAY: u64 = 86_400;

/// How many days go by at most in a recording in which time does.
const DAYS: u64 = 100;

/// Returns how long a script waits before it starts a machine again that has rebooted, where that is another wait than after other ends; and
/// what of that no recipe says.
fn after_reboots_of(waits: &[u64], bounds: &Bounds) -> (Option<u64>, Option<Fault>) {
    let Some(first) = waits.first().copied() else { return (None, None) };
    if waits.iter().any(|wait| *wait != first) {
        let is_told = bounds.delay.is_some() && bounds.are(waits);
        return (None, (!is_told).then(|| growing(waits)));
    }
    (Some(first).filter(|wait| *wait > 0 && bounds.delay != Some(*wait)), None)
}

fn growing(waits: &[u64]) -> Fault {
    let fault = Fault::new(format!(
        "the script waits {} before it starts the machine again that has rebooted, and vmrun does so at once",
        named(waits)
    ));
    fault.hint("write the wait that you mean into the recipe: `on(\"rebooted\", |_end| run(\"sleep\", [\"5\"], #{ each_boot: true }));`")
}

fn forgotten(limit: usize, statuses: &BTreeSet<i32>) -> Fault {
    let fault = Fault::new(format!(
        "the script starts the machine again at most {} {}, and forgets what it has counted after a time that it measures by `date`; the recipe \
         does not",
        times(limit),
        boots::of(statuses).trim_end()
    ));
    fault.hint("write into `restart(#{ … })` `within`, the time after which a start is forgotten, as \"10m\"")
}

/// How many waits are named.
const WAITS_MAX: usize = 4;

fn shown(wait: u64) -> String {
    Duration::from_millis(wait).as_secs_f64().to_string() + "s"
}

/// Lists the first waits.
fn named(waits: &[u64]) -> String {
    let mut named: Vec<String> = waits.iter().take(WAITS_MAX).map(|wait| shown(*wait)).collect();
    named.extend((waits.len() > WAITS_MAX).then(|| "…".into()));
    named.join(", ")
}

/// Tells that a script waits in a way that no recipe says.
fn unsaid_waits(waits: &[u64], bounds: &Bounds) -> Fault {
    let first = shown(bounds.delay.unwrap_or_default());
    let times = Duration::from_millis(bounds.backoff.max(100) * 10).as_secs_f64();
    let fault = Fault::new(format!(
        "the script waits {} before it starts the machine again, and the recipe {first}, then {times} times as long each time",
        named(waits)
    ));
    fault.hint("write the wait that you mean into `restart(#{ … })`: `delay`, `backoff` and `max_delay`")
}

fn counted_anew(limit: usize, statuses: &BTreeSet<i32>) -> Fault {
    let fault = Fault::new(format!(
        "the script starts the machine again at most {} {}in a row, and begins to count anew when it has rebooted in between; vmrun counts all \
         of them",
        times(limit),
        boots::of(statuses)
    ));
    fault.hint("write into `restart(#{ … })` `within`, the time after which a start is forgotten, as \"10m\"")
}

/// Takes out how often a machine is started after a reboot, and tells if the script counts that.
fn counted_reboots(limits: &mut BTreeMap<Option<usize>, BTreeSet<i32>>) -> Option<Fault> {
    let limit = limits.iter_mut().find_map(|(limit, statuses)| statuses.remove(&REBOOTED).then_some(*limit)).flatten();
    limits.retain(|_, statuses| !statuses.is_empty());
    let times = times(limit?);
    let fault = Fault::new(format!(
        "the script starts the machine again at most {times} when it reboots, and vmrun does so as often as it reboots"
    ));
    Some(fault.hint("leave it so if a guest may reboot; `no_reboot` of a machine, or `restart(#{ on: [] })`, ends it at the first one"))
}

/// Tells if the script counts one end and not another, or otherwise: a recipe has one limit for all.
fn torn(limits: &BTreeMap<Option<usize>, BTreeSet<i32>>) -> Option<Fault> {
    let mut all = limits.iter().map(|(limit, statuses)| {
        let often = limit.map_or_else(|| "for ever".into(), |limit| format!("at most {}", times(limit)));
        format!("{often} {}", boots::of(statuses).trim_end())
    });
    let (one, other) = (all.next()?, all.next()?);
    let fault =
        Fault::new(format!("the script starts the machine again {one} and {other}, and a recipe has one limit"));
    Some(fault.hint("write the limit that you mean into `restart(#{ … })`"))
}

fn times(count: usize) -> String {
    if count == 1 { "once".into() } else { format!("{count} times") }
}
