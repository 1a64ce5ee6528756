//! A permit: what has to be held, somewhere beyond this host, for as long as a machine runs.
//!
//! Times here are those of a clock that only grows, since some moment.

use super::Argv;
use super::reservation::SETTLE;
use crate::diag::Fault;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a permit may be waited for, unless somebody says otherwise.
pub(crate) const WAIT: Duration = Duration::from_secs(10);

/// How long a permit is good without being renewed, unless somebody says otherwise: as a session of etcd or consul is about.
pub(crate) const TTL: Duration = Duration::from_secs(15);

/// The shortest time in which a guest is stopped: in less nothing could be tried twice.
const WITHIN_MIN: Duration = Duration::from_secs(1);

/// The shortest time that a reservation is good: it is written, waited for, looked at and renewed within.
const RESERVATION_TTL_MIN: Duration = SETTLE.saturating_mul(3);

/// How a machine's permit is had, kept and lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    /// The command that holds it for as long as it lives.
    pub acquire: Option<Argv>,
    /// The command that renews it each time that it succeeds.
    pub keep: Option<Argv>,
    /// Where the record stands that is it, if it is a reservation: vmrun itself has the commands then.
    pub reservation: Option<PathBuf>,
    /// Which hosts are proved to be fenced, so that their reservations may be taken over, with commas between them.
    pub fenced: Option<String>,
    /// What a line has in it by which the first command says that it holds; without that it is its first line.
    pub ready: Option<String>,
    /// How long it is good after it was renewed.
    pub ttl: Duration,
    /// When the guest is down at the latest, since it was renewed.
    pub within: Duration,
    /// How often it is renewed.
    pub every: Duration,
    /// How long it may be waited for.
    pub wait: Duration,
}

impl Permit {
    /// Makes one of its commands and the times that were given; the others follow from these.
    pub(crate) fn new(acquire: Option<Argv>, keep: Option<Argv>, times: Times) -> Result<Self, Fault> {
        if acquire.is_none() && keep.is_none() {
            let fault = Fault::new("a permit needs a command that holds it, or one that renews it");
            return Err(fault.hint("write `acquire: [\"etcdctl\", \"lock\", \"vm/db\"]`, or `keep: […]`, or both"));
        }
        Ok(Self { acquire, keep, ..Self::timed(times)? })
    }

    /// Makes one that is a reservation.
    pub(crate) fn reserved(path: &Path, times: Times) -> Result<Self, Fault> {
        let ttl = times.ttl.unwrap_or(TTL);
        if ttl < RESERVATION_TTL_MIN {
            let fault = Fault::new(format!("a reservation is not written and looked at within {ttl:?}"));
            return Err(fault.hint(format!("make `ttl` at least {RESERVATION_TTL_MIN:?}")));
        }
        // Somebody else's is watched for that time first.
        let wait = Some(times.wait.unwrap_or(ttl + WAIT));
        Ok(Self { reservation: Some(path.into()), ..Self::timed(Times { wait, ..times })? })
    }

    /// Makes one of its times, that nothing holds.
    fn timed(times: Times) -> Result<Self, Fault> {
        let ttl = times.ttl.unwrap_or(TTL);
        let within = times.within.unwrap_or(ttl * 2 / 3);
        let every = times.every.unwrap_or(within / 5);
        if within > ttl {
            let fault =
                Fault::new(format!("the guest would be down within {within:?}, and the permit is good for {ttl:?}"));
            return Err(fault.hint(
                "`within` is at most `ttl`, both counted from the last renewal: until then nobody else gets it",
            ));
        }
        if within < WITHIN_MIN {
            let fault = Fault::new(format!("no guest is certainly down within {within:?}"));
            return Err(fault.hint(format!("make `within` at least {WITHIN_MIN:?}, and `ttl` no shorter")));
        }
        if every.is_zero() || every > within / 4 {
            let fault = Fault::new(format!(
                "a permit that is renewed every {every:?} is lost within {within:?} by one slow answer"
            ));
            return Err(fault.hint(format!("make `every` at most a fourth of `within`: {:?}", within / 4)));
        }
        let wait = times.wait.unwrap_or(WAIT);
        let (acquire, keep, ready, reservation, fenced) = (None, None, None, None, None);
        Ok(Self { acquire, keep, reservation, fenced, ready, ttl, within, every, wait })
    }

    /// Returns the time that is left for a guest to end when a permit that was not renewed is given up: the other half of `within`
    /// is for trying to renew it.
    pub(crate) fn margin(&self) -> Duration {
        self.within / 2
    }
}

/// A permit as the command line gives it: commands as one types them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PermitOptions {
    /// The command that holds it for as long as it lives.
    pub acquire: Option<String>,
    /// The command that renews it each time that it succeeds.
    pub keep: Option<String>,
    /// How long it is good after it was renewed.
    pub ttl: Option<Duration>,
}

impl PermitOptions {
    /// Returns the permit, if one is given.
    pub(crate) fn permit(&self) -> Result<Option<Permit>, Fault> {
        let command = |text: &Option<String>| text.as_ref().map(|text| Argv::new("sh").arg("-c").arg(text));
        let times = Times { ttl: self.ttl, ..Times::default() };
        match (command(&self.acquire), command(&self.keep)) {
            (None, None) if self.ttl.is_none() => Ok(None),
            (None, None) => {
                let fault = Fault::usage("`--permit-ttl` says how long a permit is good, and there is none");
                Err(fault.hint("say which, by `--permit 'CMD …'` or `--permit-keep 'CMD …'`"))
            }
            (acquire, keep) => Permit::new(acquire, keep, times).map(Some),
        }
    }

    /// Returns the options of a command line that give it.
    pub(crate) fn words(&self) -> Vec<String> {
        let command = |key: &str, text: &Option<String>| text.as_ref().map(|text| format!("--{key}={text}"));
        let ttl = self.ttl.map(|ttl| format!("--permit-ttl={}ms", ttl.as_millis()));
        [command("permit", &self.acquire), command("permit-keep", &self.keep), ttl].into_iter().flatten().collect()
    }
}

/// The times of a permit, as far as somebody gives them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    /// How long it is good after it was renewed.
    pub ttl: Option<Duration>,
    /// When the guest is down at the latest, since then.
    pub within: Option<Duration>,
    /// How often it is renewed.
    pub every: Option<Duration>,
    /// How long it may be waited for.
    pub wait: Option<Duration>,
}

/// How a permit stands at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PermitState {
    /// It is not had yet.
    Wanted,
    /// It is held, and would be good for so long if nothing renewed it any more.
    Held {
        /// How long.
        left: Duration,
    },
    /// It is lost: the guest has to be down in this time.
    Lost {
        /// In what time.
        left: Duration,
        /// Why it is lost.
        why: String,
    },
}

/// What has happened to a permit so far.
#[derive(Clone, Debug)]
pub(crate) struct PermitRecord {
    permit: Permit,
    is_acquired: bool,
    renewed: Option<Duration>,
    lost: Option<(Duration, String)>,
    /// What the last command that did not renew it has said.
    trouble: Option<String>,
}

impl PermitRecord {
    /// Begins with nothing.
    pub(crate) fn new(permit: Permit) -> Self {
        let is_acquired = permit.acquire.is_none();
        Self { permit, is_acquired, renewed: None, lost: None, trouble: None }
    }

    /// The first command says that it holds.
    pub(crate) fn acquired(&mut self) {
        self.is_acquired = true;
    }

    /// The second command has succeeded, which was started at that time: when it asked is not known better.
    pub(crate) fn renewed(&mut self, started: Duration) {
        self.renewed = self.renewed.max(Some(started));
    }

    /// The second command has not succeeded. A reservation is not had where the first renewal fails: how old it is nobody knows.
    pub(crate) fn not_renewed(&mut self, now: Duration, why: String) {
        if self.permit.reservation.is_some() && !self.was_held() {
            return self.ended(now, why);
        }
        self.trouble = Some(why);
    }

    /// The first command has ended.
    pub(crate) fn ended(&mut self, now: Duration, why: String) {
        let until = self.until(now);
        self.lost.get_or_insert((until, why));
    }

    /// Returns whether what renews it may do so: not before a reservation is had.
    pub(crate) fn is_to_be_renewed(&self) -> bool {
        self.permit.reservation.is_none() || self.is_acquired
    }

    /// Returns whether it was ever held.
    fn was_held(&self) -> bool {
        self.is_acquired && (self.permit.keep.is_none() || self.renewed.is_some())
    }

    /// Returns what it lacks that is not had yet, for people.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Returns when the guest has to be down if nothing renews it any more.
    fn until(&self, now: Duration) -> Duration {
        self.permit.keep.as_ref().and(self.renewed).unwrap_or(now) + self.permit.within
    }

    /// Returns how it stands. One that is lost stays lost.
    pub(crate) fn at(&mut self, now: Duration) -> PermitState {
        let is_held = self.was_held();
        let left = self.until(now).saturating_sub(now);
        if self.lost.is_none() && is_held && left <= self.permit.margin() {
            let trouble = self.trouble.take().map(|trouble| format!(": {trouble}")).unwrap_or_default();
            let since = self.permit.within.saturating_sub(left);
            self.lost = Some((now + left, format!("it was not renewed for {:.1}s{trouble}", since.as_secs_f64())));
        }
        match &self.lost {
            Some((until, why)) => PermitState::Lost { left: until.saturating_sub(now), why: why.clone() },
            None if is_held => PermitState::Held { left },
            None => PermitState::Wanted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn permit(acquires: bool, keeps: bool) -> Permit {
        let argv = |is: bool| is.then(|| Argv::new("true"));
        Permit::new(argv(acquires), argv(keeps), Times { ttl: Some(seconds(15)), ..Times::default() }).unwrap()
    }

    #[test]
    fn times_follow_from_the_ttl_and_what_cannot_be_kept_is_refused() {
        let times = permit(true, false);
        assert_eq!(
            (times.within, times.every, times.margin(), times.wait),
            (seconds(10), seconds(2), seconds(5), WAIT)
        );
        let wrong = |times: Times| Permit::new(Some(Argv::new("true")), None, times).unwrap_err().message;
        let (ttl, within) = (Some(seconds(15)), Some(seconds(16)));
        assert_eq!(
            wrong(Times { ttl, within, ..Times::default() }),
            "the guest would be down within 16s, and the permit is good for 15s"
        );
        let (ttl, within) = (Some(Duration::MAX / 4), Some(Duration::from_millis(999)));
        assert_eq!(wrong(Times { ttl, within, ..Times::default() }), "no guest is certainly down within 999ms");
        let every = Some(seconds(3));
        assert_eq!(
            wrong(Times { every, ..Times::default() }),
            "a permit that is renewed every 3s is lost within 10s by one slow answer"
        );
        let none = Permit::new(None, None, Times::default()).unwrap_err();
        assert_eq!(none.message, "a permit needs a command that holds it, or one that renews it");
    }

    #[test]
    fn options_are_commands_of_a_shell_and_give_themselves_again() {
        let options = PermitOptions {
            acquire: Some("etcdctl lock vm/db".into()),
            keep: Some("exit 0".into()),
            ttl: Some(seconds(30)),
        };
        assert_eq!(options.words(), ["--permit=etcdctl lock vm/db", "--permit-keep=exit 0", "--permit-ttl=30000ms"]);
        let permit = options.permit().unwrap().unwrap();
        assert_eq!(permit.acquire.unwrap().to_string(), "sh -c 'etcdctl lock vm/db'");
        assert_eq!((permit.ttl, permit.within), (seconds(30), seconds(20)));
        assert_eq!(PermitOptions::default().permit(), Ok(None));
        let alone = PermitOptions { ttl: Some(seconds(30)), ..PermitOptions::default() }.permit().unwrap_err();
        assert_eq!(alone.message, "`--permit-ttl` says how long a permit is good, and there is none");
    }

    #[test]
    fn what_only_holds_is_lost_when_it_ends_and_the_time_is_counted_from_there() {
        let mut record = PermitRecord::new(permit(true, false));
        assert_eq!(record.at(seconds(3)), PermitState::Wanted);
        record.acquired();
        assert_eq!(record.at(seconds(1000)), PermitState::Held { left: seconds(10) });
        record.ended(seconds(1001), "it ended".into());
        assert_eq!(record.at(seconds(1004)), PermitState::Lost { left: seconds(7), why: "it ended".into() });
    }

    #[test]
    fn what_is_renewed_counts_from_the_last_renewal_whatever_happens_then() {
        let mut record = PermitRecord::new(permit(true, true));
        record.renewed(seconds(100));
        assert_eq!(record.at(seconds(101)), PermitState::Wanted);
        record.acquired();
        assert_eq!(record.at(seconds(104)), PermitState::Held { left: seconds(6) });
        record.renewed(seconds(103));
        record.renewed(seconds(102));
        assert_eq!(record.at(seconds(107)), PermitState::Held { left: seconds(6) });
        record.not_renewed(seconds(107), "no answer".into());
        let why = "it was not renewed for 5.0s: no answer".to_string();
        assert_eq!(record.at(seconds(108)), PermitState::Lost { left: seconds(5), why: why.clone() });
        // What comes later is another permit's.
        record.renewed(seconds(109));
        assert_eq!(record.at(seconds(110)), PermitState::Lost { left: seconds(3), why });
        let mut record = PermitRecord::new(permit(true, true));
        record.acquired();
        record.renewed(seconds(100));
        record.ended(seconds(104), "it ended".into());
        assert_eq!(record.at(seconds(105)), PermitState::Lost { left: seconds(5), why: "it ended".into() });
    }

    proptest! {
        #[test]
        fn no_guest_has_longer_than_within_since_the_last_renewal(renewals in prop::collection::vec(0_u64..100_000, 1..20), at in 0_u64..200_000) {
            let mut record = PermitRecord::new(permit(false, true));
            let mut last = 0;
            for renewal in renewals.iter().filter(|renewal| **renewal <= at) {
                record.renewed(Duration::from_millis(*renewal));
                last = last.max(*renewal);
            }
            let until = |left: Duration| Duration::from_millis(at) + left <= Duration::from_millis(last) + seconds(10);
            match record.at(Duration::from_millis(at)) {
                PermitState::Held { left } => prop_assert!(left > seconds(5) && until(left)),
                PermitState::Lost { left, .. } => prop_assert!(left.is_zero() || until(left)),
                PermitState::Wanted => prop_assert!(renewals.iter().all(|renewal| *renewal > at)),
            }
        }
    }
}
