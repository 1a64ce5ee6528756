//! Somebody who wants a record: what he does next after each look and each write.

use super::{Record, ReservationOwner, SETTLE, Sector};
use std::time::Duration;

/// Why a record is not had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Its owner renews it.
    Held(Record),
    /// Somebody else has written his at the same moment, or what can no longer be read.
    Overtaken(Sector),
    /// Its owner, on another host, has not renewed it for its `ttl`, and nothing proves that he writes no more.
    Unproved(Record),
    /// Another host is said to be fenced than the one that has it.
    Fenced(Record, String),
    /// It is this host's, for another machine, or for one that runs.
    OwnHost(Record),
    /// What stands there is no record.
    Garbled,
    /// The names of this host and machine are too long for a record.
    TooLong,
}

/// What whoever wants a record does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Look after so long.
    Look(Duration),
    /// Write this.
    Write(Record),
    /// It is his.
    Held,
    /// It is not had.
    Refused(Refusal),
}

/// Somebody who wants a record.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// Who he is.
    pub me: ReservationOwner,
    /// How long his guest may run after a renewal at most.
    pub ttl: Duration,
    /// Which host is proved to write no more.
    pub fenced: Option<String>,
    /// Whether a guest of the machine may run that an earlier run has left: then nothing that this host has left is taken over.
    pub has_guest: bool,
    /// The time that its record tells people, in seconds of 1970.
    pub written: u64,
    /// What it waits for.
    pub(super) phase: Phase,
}

/// How far a claim is.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// Looks for the first time.
    Looking,
    /// It was not free, or no record, at the end of a look.
    Watching(Sector, Duration),
    /// It was free in a look, and this is written.
    Writing(Record),
    /// So it was, and the write took so long that others may run meanwhile.
    Late(Record),
}

/// How often what is not free is looked at, as a part of its `ttl`.
const LOOKS: u32 = 20;

impl Claim {
    /// Begins with a look.
    pub(crate) const fn new(me: ReservationOwner, ttl: Duration, written: u64) -> Self {
        Self { me, ttl, fenced: None, has_guest: false, written, phase: Phase::Looking }
    }

    /// Returns whether a record that is held was left by a run of this machine here, of which nothing goes on.
    pub(crate) fn is_left(&self, found: &Record) -> bool {
        !found.is_released && self.against(found).is_none()
    }

    /// Returns what follows from a look, which began and ended then.
    pub(crate) fn looked(&mut self, began: Duration, ended: Duration, found: &Sector) -> Step {
        match (&self.phase, found) {
            (Phase::Writing(written), Sector::Record(record)) if record == written => return Step::Held,
            (Phase::Late(written), Sector::Record(record)) if record == written => {
                return self.write(record.renewed(self.written, began));
            }
            (Phase::Writing(_) | Phase::Late(_), other) => return Step::Refused(Refusal::Overtaken(other.clone())),
            (Phase::Looking | Phase::Watching(..), _) => {}
        }
        let record = match found {
            Sector::Blank => return self.write(self.record(began, 0)),
            Sector::Record(record) if record.is_released => return self.write(self.record(began, record.epoch)),
            Sector::Record(record) => Some(record),
            Sector::Garbled => None,
        };
        let Some(since) = self.unchanged_since(found) else {
            return match (&self.phase, record) {
                (Phase::Watching(..), Some(record)) => Step::Refused(Refusal::Held(record.clone())),
                _ => self.watch(ended, found),
            };
        };
        if began.saturating_sub(since) < record.map_or(SETTLE, |record| record.ttl) {
            return Step::Look(self.pause(found));
        }
        let Some(record) = record else { return Step::Refused(Refusal::Garbled) };
        match self.against(record) {
            Some(refusal) => Step::Refused(refusal),
            None => self.write(self.record(began, record.epoch)),
        }
    }

    /// Returns what follows from a write, which ended then.
    pub(crate) fn wrote(&mut self, ended: Duration) -> Step {
        let Phase::Writing(written) = &self.phase else { return Step::Look(Duration::ZERO) };
        if ended.saturating_sub(written.begun) <= SETTLE {
            return Step::Look(SETTLE);
        }
        self.phase = Phase::Late(written.clone());
        Step::Look(self.ttl + SETTLE)
    }

    fn record(&self, begun: Duration, epoch: u64) -> Record {
        let (owner, epoch) = (self.me.clone(), epoch.saturating_add(1));
        Record { owner, epoch, renewals: 0, written: self.written, begun, ttl: self.ttl, is_released: false }
    }

    fn write(&mut self, record: Record) -> Step {
        // What renews it must not be longer than there is room for.
        let longest = Record { renewals: u64::MAX, written: u64::MAX, is_released: true, ..record.clone() };
        if longest.bytes().is_none() {
            return Step::Refused(Refusal::TooLong);
        }
        self.phase = Phase::Writing(record.clone());
        Step::Write(record)
    }

    fn unchanged_since(&self, found: &Sector) -> Option<Duration> {
        if let Phase::Watching(seen, since) = &self.phase { Some(*since).filter(|_| seen == found) } else { None }
    }

    fn watch(&mut self, ended: Duration, found: &Sector) -> Step {
        self.phase = Phase::Watching(found.clone(), ended);
        let Sector::Record(record) = found else { return Step::Look(self.pause(found)) };
        match self.against(record) {
            // No watching makes it true.
            Some(refusal @ Refusal::Fenced(..)) => Step::Refused(refusal),
            _ => Step::Look(self.pause(found)),
        }
    }

    fn pause(&self, found: &Sector) -> Duration {
        let ttl = if let Sector::Record(record) = found { record.ttl } else { SETTLE };
        (ttl / LOOKS).clamp(Duration::from_millis(10), SETTLE)
    }

    /// Returns what speaks against taking over a record that its owner does not renew.
    fn against(&self, record: &Record) -> Option<Refusal> {
        let (me, other) = (&self.me, &record.owner);
        let knows_boots = !me.boot.is_empty() && !other.boot.is_empty();
        if knows_boots && me.boot == other.boot {
            // Its lock is ours: no other run has the machine, and what an earlier one has left was given back.
            let is_left = me.machine == other.machine && me.state == other.state && !self.has_guest;
            return (!is_left).then(|| Refusal::OwnHost(record.clone()));
        }
        let is_same_host = !me.host_id.is_empty() && me.host_id == other.host_id && me.host == other.host;
        match &self.fenced {
            // Its guest ended when the host was started again.
            _ if knows_boots && is_same_host => None,
            Some(fenced) if is_fenced(fenced, &other.host) => None,
            Some(host) => Some(Refusal::Fenced(record.clone(), host.clone())),
            None => Some(Refusal::Unproved(record.clone())),
        }
    }
}

/// Whether a host is one of those that are said to be fenced, with commas between them.
pub(crate) fn is_fenced(said: &str, host: &str) -> bool {
    said.split(',').any(|one| one == host)
}

/// Returns the record that a run has found, where it is still its own.
pub(crate) fn own(found: &Sector, nonce: &str) -> Result<Record, Refusal> {
    let is_own = |record: &&Record| record.owner.nonce == nonce && !record.is_released;
    let record = if let Sector::Record(record) = found { Some(record) } else { None };
    record.filter(is_own).cloned().ok_or_else(|| Refusal::Overtaken(found.clone()))
}
