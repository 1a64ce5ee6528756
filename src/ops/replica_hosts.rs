//! A machine of which another host has a replica may have been taken over there while this host was away: fenced, or cut off. Before it is
//! started here those hosts are asked.
//!
//! Where one says so, that is written down as if the machine had been moved there. One that cannot be asked may have it too, so that the
//! machine is not started unless somebody vouches for that host. Then it is this one that has taken the machine back, and the other one
//! asks in its turn.

use super::display::CONNECT;
use super::other_host::{OtherHost, remote};
use super::recipe::{RecipeRequest, absolute};
use super::settings;
use crate::diag::{Blame, Diagnostic, Fault};
use crate::host::{Settings, clock, moves, replication};
use crate::image::migration::{MoveRecord, Replication, StartedWith, TakenAway};
use crate::model::VmName;
use crate::model::reservation::is_fenced;
use std::collections::BTreeMap;

/// A machine that is about to be started here, or given away.
pub(crate) struct OwnStart<'a> {
    /// The machine.
    pub(crate) name: &'a VmName,
    /// The hosts for which somebody vouches that they do not run the machine, with commas between them.
    pub(crate) fenced: Option<&'a str>,
    /// How it is started here.
    pub(crate) with: StartedWith,
}

impl<'a> OwnStart<'a> {
    /// That of a recipe's machine.
    pub(crate) fn of(name: &'a VmName, request: &'a RecipeRequest) -> Self {
        let params = request.set.iter().cloned().collect();
        let with = StartedWith { recipe: absolute(&request.path).into(), params, ..StartedWith::default() };
        Self { name, fenced: request.fenced.as_deref(), with }
    }

    /// Whether somebody vouches for a host.
    fn is_vouched(&self, host: &str) -> bool {
        self.fenced.is_some_and(|fenced| is_fenced(fenced, host))
    }
}

/// The hosts that have replicas of machines of this one. Each is called once.
#[derive(Default)]
pub(crate) struct ReplicaHosts {
    called: BTreeMap<String, OtherHost>,
    /// Those that could not be asked, and why.
    silent: BTreeMap<String, Silence>,
}

/// Why a host has not told.
#[derive(Clone)]
struct Silence {
    why: Fault,
    /// Whether it is there, and has refused to tell.
    is_there: bool,
}

impl Silence {
    /// That of a host that was not reached.
    const fn away(why: Fault) -> Self {
        Self { why, is_there: false }
    }

    /// What is told of it where the host is named before.
    fn said(&self, host: &str) -> &str {
        let said = &self.why.message;
        said.strip_prefix(host).and_then(|said| said.strip_prefix(": ")).unwrap_or(said)
    }
}

/// Changes what is known of a machine's replicas, of which nobody sends one meanwhile.
fn change(settings: &Settings, name: &VmName, change: impl FnOnce(&mut Replication)) -> Result<(), Fault> {
    let _lock = moves::lock_now(settings, name)?;
    replication::change(settings, name, change)
}

impl ReplicaHosts {
    /// Says why a machine may not be started, or given away, as another host has taken it over, or may have. Returns what is to be known
    /// of one that may be.
    pub(crate) fn against(&mut self, start: &OwnStart<'_>) -> Result<Vec<Diagnostic>, Fault> {
        let settings = settings::settings(settings::platform()?, false)?;
        // What says already that it is not here is told by whoever takes it for a run.
        if moves::against(&settings, start.name).is_some() { Ok(Vec::new()) } else { self.against_moving(start) }
    }

    /// The same of a machine whose move was cut off.
    pub(crate) fn against_moving(&mut self, start: &OwnStart<'_>) -> Result<Vec<Diagnostic>, Fault> {
        let settings = settings::settings(settings::platform()?, false)?;
        let (name, known) = (start.name, replication::read(&settings, start.name)?);
        for (host, replicas) in known.hosts() {
            let is_taken_back = known.has_taken_back(host);
            let answer = match self.ask(host, name, replicas) {
                Ok(Some(taken)) if is_taken_back => self.tell(host, name, &taken.id).map(|()| None),
                answer => answer,
            };
            match answer {
                Ok(Some(taken)) => return Err(taken_away(&settings, host, &taken, start)),
                Ok(None) if is_taken_back => change(&settings, name, |all| all.told(host))?,
                Ok(None) => {}
                Err(silence) if !silence.is_there && start.is_vouched(host) => {
                    change(&settings, name, |all| all.takes_back(host, clock::now()))?;
                }
                Err(silence) => {
                    // Who has vouched for one is to vouch for both.
                    let is_vouched = |other: &&str| *other != host && start.is_vouched(other);
                    let vouched: Vec<&str> = known.hosts().map(|(other, _)| other).filter(is_vouched).collect();
                    return Err(untold(name, (host, &vouched), is_taken_back, &silence));
                }
            }
        }
        self.against_origins(&settings, &known, start)
    }

    /// Says of a machine that is only copied that another host has taken it over: what is here is old then. Who does not tell hinders
    /// nothing.
    pub(crate) fn against_old(&mut self, start: &OwnStart<'_>) -> Result<(), Fault> {
        let settings = settings::settings(settings::platform()?, false)?;
        let known = replication::read(&settings, start.name)?;
        for (host, replicas) in known.hosts().filter(|(host, _)| !known.has_taken_back(host)) {
            if let Ok(Some(taken)) = self.ask(host, start.name, replicas) {
                return Err(taken_away(&settings, host, &taken, start));
            }
        }
        Ok(())
    }

    /// Tells a host for which somebody has vouched that this one has taken the machine back. It refuses that where the machine runs there.
    fn tell(&mut self, host: &str, name: &VmName, id: &str) -> Result<(), Silence> {
        let mut other = OtherHost::new(host.into(), remote(host).map_err(Silence::away)?, CONNECT);
        other.give_up(name, id).map_err(|faults| self.silence(host, &other, faults))
    }

    fn silence(&mut self, host: &str, other: &OtherHost, faults: Vec<Diagnostic>) -> Silence {
        let why = faults.into_iter().next().map_or_else(|| other.senseless(), |one| one.fault);
        let silence = Silence { why, is_there: other.has_answered() };
        // One that is there may tell of another machine.
        if !silence.is_there {
            self.silent.insert(host.into(), silence.clone());
        }
        silence
    }

    /// Asks the hosts from which the machine was taken over whether they have taken it back. They were away then, and may be away for
    /// ever: one that does not answer hinders nothing.
    fn against_origins(
        &mut self,
        settings: &Settings,
        known: &Replication,
        start: &OwnStart<'_>,
    ) -> Result<Vec<Diagnostic>, Fault> {
        let mut warnings = Vec::new();
        for (host, replicas) in known.origins() {
            match self.ask(host, &known.machine, replicas) {
                Ok(None) => {}
                Ok(Some(taken)) => return Err(taken_away(settings, host, &taken, start)),
                Err(_) if start.is_vouched(host) => {}
                Err(silence) => {
                    let (name, said) = (&known.machine, silence.said(host));
                    let what = format!(
                        "{host}, from which {name} was taken over, does not tell whether it has taken it back: {said}"
                    );
                    warnings.push(Diagnostic::warning(Fault::host(what)));
                }
            }
        }
        Ok(warnings)
    }

    fn ask(&mut self, host: &str, name: &VmName, replicas: Vec<String>) -> Result<Option<TakenAway>, Silence> {
        if let Some(silence) = self.silent.get(host) {
            return Err(silence.clone());
        }
        let mut other = match self.called.remove(host) {
            Some(other) => other,
            None => OtherHost::new(host.into(), remote(host).map_err(Silence::away)?, CONNECT),
        };
        let taken = other.taken_over(name, replicas).map_err(|faults| self.silence(host, &other, faults))?;
        self.called.insert(host.into(), other);
        Ok(taken)
    }
}

/// Writes down that another host has taken a machine over, and returns the fault of that.
fn taken_away(settings: &Settings, host: &str, taken: &TakenAway, start: &OwnStart<'_>) -> Fault {
    let (name, with) = (start.name, start.with.clone());
    let record = MoveRecord::taken_over(name.clone(), taken.id.clone(), host.into(), clock::now(), with);
    let written = moves::lock_now(settings, name).and_then(|_lock| {
        // A move that has begun meanwhile knows better.
        let is_known = moves::read(settings, name)?.is_some_and(|record| !record.is_over());
        if is_known { Ok(()) } else { moves::write(settings, &record) }
    });
    let then = taken.moved_to.as_ref().map(|other| format!(", and has moved it to {other}")).unwrap_or_default();
    let fault =
        Fault::busy(format!("{host} has taken {name} over from its replica{then}: what is on the disks here is older"));
    // It is asked again the next time.
    if written.is_err() {
        return fault.hint(format!("a move of {name} was cut off here: `vmrun migrate --forget {name}` ends it"));
    }
    fault.maybe_hint(record.refusal().and_then(|refusal| refusal.hint))
}

/// The fault of a host that does not tell, where somebody vouches for others already.
fn untold(name: &VmName, (host, vouched): (&str, &[&str]), is_taken_back: bool, silence: &Silence) -> Fault {
    let Silence { why, is_there } = silence;
    if is_taken_back && *is_there {
        return why.clone();
    }
    let what = format!("{host}, which has a replica of {name}, does not tell whether it has taken {name} over");
    let fault = Fault::busy(format!("{what}: {}", silence.said(host)));
    let never = format!("`vmrun replicate {name} {host} --forget` if it has no replica any more, and never will");
    if *is_there {
        let blame = if why.blame == Blame::Busy { Blame::Busy } else { Blame::Unsure };
        let first = why.hint.as_deref().unwrap_or("have the same vmrun on both hosts");
        return fault.blame(blame).hint(format!("{first}; {never}"));
    }
    let fenced = [vouched, &[host]].concat().join(",");
    fault.hint(format!(
        "fence it, so that {name} cannot run there, then `vmrun start {name} --fenced {fenced}`; or wait for it by --wait; {never}"
    ))
}
