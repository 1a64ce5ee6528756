//! A reservation: a record beside a disk, on storage that several hosts see, which says whose the disk is.
//!
//! There is no lock on such storage, only sectors that are read and written whole. Who finds the record free writes his own, waits
//! until whoever has found it free as well has written too, and looks whose it is (Fischer's algorithm). A write that took longer
//! may have gone over the record of somebody who runs already: he finds that when he renews it, and is down within his `within`, so
//! that it is waited for as long as that, and written anew. What is not free is watched for its `ttl` by our own clock, and then taken
//! over with proof alone; so nobody counts a renewal that came more than a `ttl` after what it renews. Times here are those of a clock
//! that only grows.

use std::fmt::Write as _;
use std::time::Duration;

/// How much of the storage a record takes: what disks write whole.
pub(crate) const SECTOR: usize = 512;

/// How long a look at the record and the write that follows from it may take, in all, and so how long it is waited for those of others.
pub(crate) const SETTLE: Duration = Duration::from_secs(1);

/// The first line of a record.
const MAGIC: &str = "vmrun reservation 1";

/// What a record is checked by: CRC-32 as Ethernet has it.
const CHECK: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

/// Who has a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReservationOwner {
    /// The name of the host.
    pub host: String,
    /// What tells the host from others of that name; empty where it has nothing such.
    pub host_id: String,
    /// Which start of the host it is; empty where that is not known.
    pub boot: String,
    /// The machine.
    pub machine: String,
    /// Which state folder it is that has the machine's lock, as this start of the host numbers it.
    pub state: String,
    /// Which run of the machine it is.
    pub nonce: String,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Who has it.
    pub owner: ReservationOwner,
    /// The how manieth owner that is.
    pub epoch: u64,
    /// How often it was renewed.
    pub renewals: u64,
    /// When that was, in seconds of 1970 by the clock of its host: for people alone.
    pub written: u64,
    /// When that was begun, by the clock of its host that only grows: for its owner alone.
    pub begun: Duration,
    /// How long the guest may run after a renewal at most.
    pub ttl: Duration,
    /// Whether its owner has given it back.
    pub is_released: bool,
}

/// What stands where a record may be.
#[expect(clippy::large_enum_variant, reason = "there are one or two of them at a time")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sector {
    /// Nothing but zeros.
    Blank,
    /// Something else than a record, or part of one.
    Garbled,
    /// A record.
    Record(Record),
}

impl Record {
    /// Returns its bytes; nothing if its names are too long for them.
    pub(crate) fn bytes(&self) -> Option<[u8; SECTOR]> {
        let owner = &self.owner;
        let mut text = format!("{MAGIC}\n");
        let names = [&owner.host, &owner.host_id, &owner.boot, &owner.machine, &owner.state, &owner.nonce];
        for (key, value) in KEYS.iter().zip(names) {
            if value.contains('\n') {
                return None;
            }
            writeln!(text, "{key} {value}").ok()?;
        }
        let ms = |time: Duration| u64::try_from(time.as_millis()).ok();
        let numbers = [self.epoch, self.renewals, self.written, ms(self.begun)?, ms(self.ttl)?];
        for (key, number) in NUMBERS.iter().zip(numbers) {
            writeln!(text, "{key} {number}").ok()?;
        }
        writeln!(text, "is {}", if self.is_released { "released" } else { "held" }).ok()?;
        writeln!(text, "crc32 {:08x}", CHECK.checksum(text.as_bytes())).ok()?;
        let mut sector = [0; SECTOR];
        sector.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(sector)
    }

    /// Returns it renewed once more, which was begun then.
    pub(crate) fn renewed(&self, written: u64, begun: Duration) -> Self {
        Self { renewals: self.renewals.wrapping_add(1), written, begun, ..self.clone() }
    }

    /// Returns whether what renews it at that time, or later, counts: nobody can have seen it unchanged for its `ttl`.
    pub(crate) fn is_good(&self, now: Duration) -> bool {
        now.checked_sub(self.begun).is_some_and(|since| since < self.ttl)
    }
}

/// The names in a record, in their order.
const KEYS: [&str; 6] = ["host", "host_id", "boot", "machine", "state", "nonce"];

/// The numbers in it, which follow.
const NUMBERS: [&str; 5] = ["epoch", "renewals", "written", "begun_ms", "ttl_ms"];

impl Sector {
    /// Reads what stands in a sector.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        let (text, rest) = bytes.split_at(end);
        match std::str::from_utf8(text).ok().filter(|_| rest.iter().all(|byte| *byte == 0)) {
            Some("") => Self::Blank,
            Some(text) => record(text).map_or(Self::Garbled, Self::Record),
            None => Self::Garbled,
        }
    }
}

fn record(text: &str) -> Option<Record> {
    let (checked, sum) = text.split_at_checked(text.rfind("crc32 ")?)?;
    let sum = u32::from_str_radix(sum.strip_prefix("crc32 ")?.strip_suffix('\n')?, 16).ok()?;
    if CHECK.checksum(checked.as_bytes()) != sum {
        return None;
    }
    let mut lines = checked.lines();
    lines.next().filter(|line| *line == MAGIC)?;
    let mut value = |key: &str| lines.next()?.strip_prefix(key)?.strip_prefix(' ').map(String::from);
    let mut names = [const { String::new() }; 6];
    for (name, key) in names.iter_mut().zip(KEYS) {
        *name = value(key)?;
    }
    let mut numbers = [0; 5];
    for (number, key) in numbers.iter_mut().zip(NUMBERS) {
        *number = value(key)?.parse().ok()?;
    }
    let is_released = match value("is")?.as_str() {
        "released" => true,
        "held" => false,
        _ => return None,
    };
    let [host, host_id, boot, machine, state, nonce] = names;
    let [epoch, renewals, written, begun, ttl] = numbers;
    let owner = ReservationOwner { host, host_id, boot, machine, state, nonce };
    lines.next().is_none().then_some(Record {
        owner,
        epoch,
        renewals,
        written,
        begun: Duration::from_millis(begun),
        ttl: Duration::from_millis(ttl),
        is_released,
    })
}

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
    phase: Phase,
}

#[derive(Clone, Debug)]
enum Phase {
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

#[cfg(test)]
mod tests;
