//! Records and their form, and whole histories of hosts that want one, on a disk whose writes come late and in any order.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const TTL: Duration = Duration::from_secs(3);

fn owner(host: &str, nonce: &str) -> ReservationOwner {
    ReservationOwner {
        host: host.into(),
        host_id: format!("id of {host}"),
        boot: format!("boot of {host}"),
        machine: "db".into(),
        state: "64:1".into(),
        nonce: nonce.into(),
    }
}

fn held(host: &str, nonce: &str) -> Record {
    let (written, begun) = (1_764_090_312, seconds(77));
    Record { owner: owner(host, nonce), epoch: 4, renewals: 7, written, begun, ttl: TTL, is_released: false }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_record_is_text_in_one_sector_and_read_as_it_was_written() {
    let record = held("one", "00ff");
    let bytes = record.bytes().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&bytes).trim_end_matches('\0'),
        "vmrun reservation 1\nhost one\nhost_id id of one\nboot boot of one\nmachine db\nstate 64:1\nnonce 00ff\nepoch 4\n\
         renewals 7\nwritten 1764090312\nbegun_ms 77000\nttl_ms 3000\nis held\ncrc32 b59626e2\n"
    );
    assert_eq!(Sector::read(&bytes), Sector::Record(record.clone()));
    let released = Record { is_released: true, ..record.clone() };
    assert_eq!(Sector::read(&released.bytes().unwrap()), Sector::Record(released));
    assert_eq!(Sector::read(&[0; SECTOR]), Sector::Blank);
    assert_eq!(Sector::read(&[]), Sector::Blank);
    let long = Record { owner: owner(&"h".repeat(400), "00ff"), ..record.clone() };
    assert_eq!(long.bytes(), None);
    let two_lines = Record { owner: owner("one\nboot two", "00ff"), ..record };
    assert_eq!(two_lines.bytes(), None);
}

proptest! {
    #[test]
    fn what_is_torn_or_changed_is_no_record_and_nothing_panics(at in 0_usize..SECTOR, bit in 0_u8..8, noise in prop::collection::vec(any::<u8>(), 0..600)) {
        let record = held("one", "00ff");
        let mut bytes = record.bytes().unwrap();
        bytes[at] ^= 1 << bit;
        prop_assert_eq!(Sector::read(&bytes), Sector::Garbled);
        // The first half of one that is longer, the second half of another.
        let (one, other) = (record.bytes().unwrap(), held("other", "11aa").bytes().unwrap());
        let torn: Vec<u8> = one[..at].iter().chain(&other[at..]).copied().collect();
        let read = Sector::read(&torn);
        let is_whole = torn == one || torn == other;
        prop_assert!(is_whole || read == Sector::Garbled, "{:?}", read);
        let _ = Sector::read(&noise);
    }
}

/// What becomes of a claim on a record that nobody changes.
fn claimed(mut claim: Claim, found: &Sector) -> (Step, Duration) {
    let mut now = Duration::ZERO;
    loop {
        match claim.looked(now, now, found) {
            Step::Look(after) => now += after,
            step => return (step, now),
        }
    }
}

fn claim(host: &str) -> Claim {
    Claim::new(owner(host, "me"), TTL, 0)
}

#[test]
fn what_is_free_is_taken_at_once_and_what_is_not_with_proof_alone() {
    let written = |step: Step| if let Step::Write(record) = step { record.epoch } else { panic!("{step:?}") };
    let refused = |step: Step| if let Step::Refused(refusal) = step { refusal } else { panic!("{step:?}") };
    let other = held("two", "other");
    let found = Sector::Record(other.clone());
    let (step, after) = claimed(claim("one"), &Sector::Blank);
    assert_eq!((written(step), after), (1, Duration::ZERO));
    let (step, after) = claimed(claim("one"), &Sector::Record(Record { is_released: true, ..other.clone() }));
    assert_eq!((written(step), after), (5, Duration::ZERO));

    let (step, after) = claimed(claim("one"), &found);
    assert_eq!((refused(step), after), (Refusal::Unproved(other.clone()), TTL));
    let fenced = |host: &str| Claim { fenced: Some(host.into()), ..claim("one") };
    let (step, after) = claimed(fenced("two"), &found);
    assert_eq!((written(step), after), (5, TTL));
    let (step, after) = claimed(fenced("three"), &found);
    assert_eq!((refused(step), after), (Refusal::Fenced(other, "three".into()), Duration::ZERO));

    // What this host has left: of this start of it where this machine's lock is ours, of an earlier one always.
    let left = held("one", "before");
    assert_eq!(written(claimed(claim("one"), &Sector::Record(left.clone())).0), 5);
    let runs = Claim { has_guest: true, ..claim("one") };
    assert_eq!(refused(claimed(runs, &Sector::Record(left.clone())).0), Refusal::OwnHost(left.clone()));
    let change = |change: fn(&mut ReservationOwner)| {
        let mut record = left.clone();
        change(&mut record.owner);
        claimed(fenced("one"), &Sector::Record(record)).0
    };
    assert!(matches!(refused(change(|owner| owner.machine = "web".into())), Refusal::OwnHost(_)));
    assert!(matches!(refused(change(|owner| owner.state = "64:2".into())), Refusal::OwnHost(_)));
    assert_eq!(written(change(|owner| (owner.boot, owner.state) = ("before".into(), "9:9".into()))), 5);
    // Two hosts of one id have two names, or those of one name two ids; who knows no id proves nothing by it.
    let unproved = |change: fn(&mut ReservationOwner)| {
        let mut record = left.clone();
        record.owner.boot = "before".into();
        change(&mut record.owner);
        refused(claimed(claim("one"), &Sector::Record(record)).0)
    };
    assert!(matches!(unproved(|owner| owner.host = "two".into()), Refusal::Unproved(_)));
    assert!(matches!(unproved(|owner| owner.host_id = "other".into()), Refusal::Unproved(_)));
    assert!(matches!(unproved(|owner| owner.boot = String::new()), Refusal::Unproved(_)));
    let mut nameless = claim("one");
    nameless.me.host_id = String::new();
    let mut before = left;
    (before.owner.host_id, before.owner.boot) = (String::new(), "before".into());
    assert!(matches!(refused(claimed(nameless, &Sector::Record(before)).0), Refusal::Unproved(_)));

    let (step, after) = claimed(claim("one"), &Sector::Garbled);
    assert_eq!((refused(step), after), (Refusal::Garbled, SETTLE));
    assert_eq!(refused(claimed(claim(&"h".repeat(400)), &Sector::Blank).0), Refusal::TooLong);
}

#[test]
fn what_is_renewed_is_held_whoever_is_said_to_be_fenced_and_a_late_write_is_waited_for() {
    let mut one = Claim { fenced: Some("two".into()), ..claim("one") };
    let other = held("two", "other");
    assert!(matches!(one.looked(seconds(1), seconds(1), &Sector::Record(other.clone())), Step::Look(_)));
    let renewed = other.renewed(1, seconds(9));
    assert!(other.is_good(seconds(79)) && !other.is_good(seconds(80)) && !other.is_good(seconds(76)));
    let step = one.looked(seconds(2), seconds(2), &Sector::Record(renewed.clone()));
    assert_eq!(step, Step::Refused(Refusal::Held(renewed)));

    let (mut one, mut late) = (claim("one"), claim("one"));
    let Step::Write(record) = one.looked(seconds(1), seconds(1), &Sector::Blank) else { panic!() };
    assert_eq!(one.wrote(seconds(2)), Step::Look(SETTLE));
    assert_eq!(one.looked(seconds(3), seconds(3), &Sector::Record(record.clone())), Step::Held);
    assert!(matches!(late.looked(seconds(1), seconds(1), &Sector::Blank), Step::Write(_)));
    assert_eq!(late.wrote(seconds(2) + Duration::from_millis(1)), Step::Look(TTL + SETTLE));
    let found = Sector::Record(other);
    let mut overtaken = late.clone();
    assert_eq!(overtaken.looked(seconds(7), seconds(7), &found), Step::Refused(Refusal::Overtaken(found.clone())));
    // What is still there after that time is written anew, as somebody may have seen it unchanged for so long.
    let Step::Write(again) = late.looked(seconds(7), seconds(7), &Sector::Record(record.clone())) else { panic!() };
    assert_eq!(again, record.renewed(0, seconds(7)));
    assert_eq!(late.wrote(seconds(8)), Step::Look(SETTLE));
    assert_eq!(late.looked(seconds(9), seconds(9), &Sector::Record(again)), Step::Held);

    assert_eq!(own(&found, "me"), Err(Refusal::Overtaken(found)));
    assert_eq!(own(&Sector::Record(record.clone()), "me"), Ok(record.clone()));
    let back = Record { is_released: true, ..record };
    assert!(own(&Sector::Record(back), "me").is_err());
}

/// What is on its way, or comes at a time.
enum Event {
    /// Somebody begins, or begins again.
    Begin,
    /// A look of a claim reaches the disk.
    Look,
    /// It is told what it has found; it began then.
    Looked(Sector, u64, u64),
    /// A write reaches the disk, whatever has become of whoever began it.
    Lands(Record),
    /// It is told that it is done.
    Wrote,
    /// The record is renewed, step by step, since then.
    Renews,
    RenewalLook(u64),
    RenewalWrite(u64, Record),
    RenewalCheck(u64, Record),
    /// The guest ends, and the record is renewed for the last time.
    Release,
    /// It is given back then.
    GiveBack,
    /// The host crashes: nothing of it runs.
    Crash,
}

/// A host that wants the record, and what has come of it.
struct SimulatedHost {
    claim: Claim,
    /// What is told to an earlier life does not count.
    life: u64,
    began: u64,
    /// Since when the guest runs, and the begin of the last renewal that succeeded.
    up: Option<(u64, u64)>,
    /// When guests ran.
    ran: Vec<(u64, u64)>,
}

/// Hosts that want one record, in milliseconds.
struct Simulation {
    now: u64,
    disk: Sector,
    hosts: Vec<SimulatedHost>,
    coming: BTreeMap<(u64, u64), (usize, u64, Event)>,
    count: u64,
    random: u64,
}

const TTL_MS: u64 = 3000;
const WITHIN_MS: u64 = 2000;
const EVERY_MS: u64 = 400;

impl Simulation {
    fn new(hosts: usize, seed: u64) -> Self {
        let host = |_| SimulatedHost { claim: claim("none"), life: 0, began: 0, up: None, ran: Vec::new() };
        let hosts: Vec<_> = (0..hosts).map(host).collect();
        let mut all = Self { now: 0, disk: Sector::Blank, hosts, coming: BTreeMap::new(), count: 0, random: seed | 1 };
        (0..all.hosts.len()).for_each(|host| {
            let at = all.below(40);
            all.comes(at, host, Event::Begin);
        });
        all
    }

    fn below(&mut self, most: u64) -> u64 {
        // xorshift64
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % most
    }

    /// How long something is on its way: mostly little.
    fn delay(&mut self) -> u64 {
        match self.below(20) {
            0 => self.below(6000),
            1..4 => self.below(1200),
            _ => self.below(60),
        }
    }

    fn comes(&mut self, after: u64, host: usize, event: Event) {
        self.count += 1;
        let life = self.hosts[host].life;
        self.coming.insert((self.now + after, self.count), (host, life, event));
    }

    fn run(&mut self, until: u64) {
        while let Some(((at, _), (host, life, event))) = self.coming.pop_first() {
            if at > until {
                break;
            }
            self.now = at;
            if let Event::Lands(record) = event {
                self.disk = Sector::Record(record);
            } else if life == self.hosts[host].life {
                self.happens(host, event);
            }
        }
        (0..self.hosts.len()).for_each(|host| self.ends(host));
    }

    /// The guest of a host ends now, if it did not before.
    fn ends(&mut self, host: usize) {
        let now = self.now;
        let one = &mut self.hosts[host];
        if let Some((since, last)) = one.up.take() {
            one.ran.push((since, now.min(last + WITHIN_MS)));
        }
        one.life += 1;
    }

    fn begins(&mut self, host: usize) {
        let (nonce, proof) = (self.count.to_string(), self.below(4));
        let mut claim = Claim::new(owner(&host.to_string(), &nonce), TTL, 0);
        // Whoever says so may be wrong.
        claim.fenced = (proof > 0).then(|| self.below(4).to_string());
        self.hosts[host].claim = claim;
        self.looks(host, 0);
    }

    fn looks(&mut self, host: usize, after: u64) {
        self.hosts[host].began = self.now + after;
        let delay = self.delay();
        self.comes(after + delay, host, Event::Look);
    }

    fn step(&mut self, host: usize, step: Step) {
        match step {
            Step::Look(after) => self.looks(host, u64::try_from(after.as_millis()).unwrap()),
            Step::Write(record) => {
                let delay = self.delay();
                let told = delay + self.below(30);
                self.comes(delay, host, Event::Lands(record));
                self.comes(told, host, Event::Wrote);
            }
            Step::Held => {
                let (release, crash) = (self.below(20_000), self.below(30_000));
                self.comes(0, host, Event::Renews);
                self.comes(release, host, Event::Release);
                self.comes(crash, host, Event::Crash);
            }
            Step::Refused(_) => {
                let after = self.below(3000);
                self.comes(after, host, Event::Begin);
            }
        }
    }

    fn happens(&mut self, host: usize, event: Event) {
        let ms = Duration::from_millis;
        match event {
            Event::Lands(_) => {}
            Event::Begin => {
                self.begins(host);
                if self.below(8) == 0 {
                    let after = self.below(3000);
                    self.comes(after, host, Event::Crash);
                }
            }
            Event::Look => {
                let (found, began, delay) = (self.disk.clone(), self.hosts[host].began, self.delay());
                self.comes(delay, host, Event::Looked(found, began, self.now + delay));
            }
            Event::Looked(found, began, ended) => {
                let step = self.hosts[host].claim.looked(ms(began), ms(ended), &found);
                self.step(host, step);
            }
            Event::Wrote => {
                let step = self.hosts[host].claim.wrote(ms(self.now));
                self.step(host, step);
            }
            Event::Renews => {
                let is_over = self.hosts[host].up.is_some_and(|(_, last)| self.now >= last + WITHIN_MS);
                if is_over {
                    self.ends(host);
                    return self.comes(1, host, Event::Begin);
                }
                let delay = self.delay();
                self.comes(EVERY_MS, host, Event::Renews);
                self.comes(delay, host, Event::RenewalLook(self.now));
            }
            Event::RenewalLook(_) | Event::RenewalWrite(..) | Event::RenewalCheck(..) => self.renews(host, event),
            Event::Release => {
                self.ends(host);
                let nonce = self.hosts[host].claim.me.nonce.clone();
                let delay = self.delay();
                if let Ok(record) = own(&self.disk, &nonce) {
                    self.comes(delay, host, Event::Lands(record.renewed(0, Duration::from_millis(self.now))));
                    if delay <= u64::try_from(SETTLE.as_millis()).unwrap() {
                        self.comes(delay, host, Event::GiveBack);
                    }
                }
                let after = delay + 1 + self.below(6000);
                self.comes(after, host, Event::Begin);
            }
            Event::GiveBack => {
                let nonce = self.hosts[host].claim.me.nonce.clone();
                if let Ok(record) = own(&self.disk, &nonce) {
                    let delay = self.delay().min(TTL_MS - 1);
                    self.comes(delay, host, Event::Lands(Record { is_released: true, ..record }));
                }
            }
            Event::Crash => {
                self.ends(host);
                let after = self.below(2000);
                self.comes(after, host, Event::Begin);
            }
        }
    }

    /// A renewal goes on: one that took longer than it may was killed, though what it wrote is on its way. The first has to succeed.
    fn renews(&mut self, host: usize, event: Event) {
        let nonce = self.hosts[host].claim.me.nonce.clone();
        let (now, found) = (Duration::from_millis(self.now), own(&self.disk, &nonce));
        let in_time = |began: u64| self.now <= began + EVERY_MS;
        match (event, found) {
            (Event::RenewalLook(began), Ok(record)) if in_time(began) && record.is_good(now) => {
                let delay = self.delay();
                self.comes(delay, host, Event::Lands(record.renewed(0, now)));
                self.comes(delay, host, Event::RenewalWrite(began, record));
            }
            (Event::RenewalWrite(began, before), _) => {
                let delay = self.delay();
                self.comes(delay, host, Event::RenewalCheck(began, before));
            }
            (Event::RenewalCheck(began, before), Ok(_)) if in_time(began) && before.is_good(now) => {
                let (now, one) = (self.now, &mut self.hosts[host]);
                match &mut one.up {
                    // What comes after the end is another permit's.
                    Some((_, last)) if now < *last + WITHIN_MS => *last = (*last).max(began),
                    Some(_) => {}
                    None => one.up = Some((now, began)),
                }
            }
            _ if self.hosts[host].up.is_none() => {
                self.ends(host);
                let after = self.below(3000);
                self.comes(after, host, Event::Begin);
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn no_two_guests_run_at_one_moment_however_late_writes_come_and_whatever_proof_is_claimed(hosts in 2_usize..5, seed in any::<u64>()) {
        let mut all = Simulation::new(hosts, seed);
        all.run(90_000);
        let mut ran: Vec<(u64, u64, usize)> = Vec::new();
        for (index, host) in all.hosts.iter().enumerate() {
            ran.extend(host.ran.iter().map(|(since, until)| (*since, *until, index)));
        }
        ran.sort_unstable();
        for pair in ran.windows(2) {
            prop_assert!(pair[0].1 <= pair[1].0, "{:?} in {:?}", pair, ran);
        }
    }
}

#[test]
fn of_hosts_that_begin_at_one_moment_one_wins_and_the_record_goes_from_one_to_the_next() {
    let (mut ran, mut at_first) = (0, 0);
    for seed in 1..300 {
        let mut all = Simulation::new(3, 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        all.run(60_000);
        at_first += all.hosts.iter().filter(|host| host.ran.iter().any(|(since, _)| *since < 10_000)).count();
        ran += all.hosts.iter().map(|host| host.ran.len()).sum::<usize>();
    }
    // The property beside this one would hold where nobody ever ran.
    assert!(at_first > 250 && ran > 1000, "{at_first} {ran}");
}
