//! A reservation: a record beside a disk, on storage that several hosts see, which says whose the disk is.
//!
//! There is no lock on such storage, only sectors that are read and written whole. Who finds the record free writes his own, waits
//! until whoever has found it free as well has written too, and looks whose it is (Fischer's algorithm). A write that took longer
//! may have gone over the record of somebody who runs already: he finds that when he renews it, and is down within his `within`, so
//! that it is waited for as long as that, and written anew. What is not free is watched for its `ttl` by our own clock, and then taken
//! over with proof alone; so nobody counts a renewal that came more than a `ttl` after what it renews. Times here are those of a clock
//! that only grows.

mod claim;

pub(crate) use claim::{Claim, Refusal, Step, is_fenced, own};
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
    // As it is written, letter by letter: a bit that makes another letter of it was changed, too.
    if sum != format!("crc32 {:08x}\n", CHECK.checksum(checked.as_bytes())) {
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

#[cfg(test)]
mod tests;
