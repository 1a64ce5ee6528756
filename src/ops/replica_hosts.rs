//! A machine of which another host has a replica may have been taken over there while this host was away: fenced, or cut off. Before it is
//! started here those hosts are asked.
//!
//! Where one says so, that is written down as if the machine had been moved there. One that cannot be asked may have it too, so that the
//! machine is not started unless somebody vouches for that host. Then it is this one that has taken the machine back, and the other one
//! asks in its turn.

mod silence;

use super::display::CONNECT;
use super::other_host::{OtherHost, remote};
use super::recipe::{RecipeRequest, absolute};
use super::settings;
use crate::diag::{Blame, Diagnostic, Fault};
use crate::host::{Settings, clock, moves, replication, spawn};
use crate::image::migration::{MoveRecord, Replication, StartedWith, TakenAway};
use crate::model::VmName;
use crate::model::reservation::is_fenced;
use silence::Silence;
use std::collections::BTreeMap;
use std::thread;

/// A machine that is about to be started here, or given away.
pub(crate) struct OwnStart<'a> {
    /// The machine.
    pub(crate) name: &'a VmName,
    /// The hosts for which somebody vouches that they do not run the machine, with commas between them.
    pub(crate) fenced: Option<&'a str>,
    /// How it is started here.
    pub(crate) with: StartedWith,
    /// What is about to be done.
    pub(crate) aim: Aim,
}

/// What is about to be done with a machine that another host may have taken over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aim {
    /// It is started, or given away.
    Start,
    /// A move of it that was cut off is gone on with.
    Resume,
    /// The same is undone.
    Abort,
    /// It is only asked what stands against it: nothing is changed, here or there.
    Ask,
}

impl Aim {
    /// The command that does it.
    fn command(self, name: &VmName) -> String {
        match self {
            Self::Start | Self::Ask => format!("vmrun start {name}"),
            Self::Resume => format!("vmrun migrate --resume {name}"),
            Self::Abort => format!("vmrun migrate --abort {name}"),
        }
    }
}

impl<'a> OwnStart<'a> {
    /// That of a recipe's machine.
    pub(crate) fn of(name: &'a VmName, request: &'a RecipeRequest) -> Self {
        let params = request.set.iter().cloned().collect();
        let with = StartedWith { recipe: absolute(&request.path).into(), params, ..StartedWith::default() };
        Self { name, fenced: request.fenced.as_deref(), with, aim: Aim::Start }
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

/// Changes what is known of a machine's replicas, of which nobody sends one meanwhile.
fn change(
    settings: &Settings,
    name: &VmName,
    start: &OwnStart<'_>,
    change: impl FnOnce(&mut Replication),
) -> Result<(), Fault> {
    // Who goes on with a move, or undoes it, has the lock of that machine.
    let is_locked = matches!(start.aim, Aim::Resume | Aim::Abort) && name == start.name;
    let _lock = if is_locked { None } else { Some(moves::lock_now(settings, name)?) };
    replication::change(settings, name, change)
}

impl ReplicaHosts {
    /// Says why a machine may not be started, or given away, as another host has taken it over, or may have. Returns what is to be known
    /// of one that may be.
    pub(crate) fn against(&mut self, start: &OwnStart<'_>) -> Result<Vec<Diagnostic>, Fault> {
        let settings = settings::settings(settings::platform()?, false)?;
        // What says already that it is not here is told by whoever takes it for a run.
        if moves::against(&settings, start.name).is_some() {
            Ok(Vec::new())
        } else {
            self.against_all(&settings, start)
        }
    }

    /// The same of a machine whose move was cut off.
    pub(crate) fn against_moving(&mut self, start: &OwnStart<'_>) -> Result<Vec<Diagnostic>, Fault> {
        self.against_all(&settings::settings(settings::platform()?, false)?, start)
    }

    fn against_all(&mut self, settings: &Settings, start: &OwnStart<'_>) -> Result<Vec<Diagnostic>, Fault> {
        let StartedWith { recipe, params, .. } = &start.with;
        let mut warnings = self.against_known(settings, &replication::read(settings, start.name)?, start)?;
        // A machine that was renamed in its recipe is the one that was replicated: its disks are the same.
        for known in replication::of_other_names(settings, start.name, recipe, params) {
            warnings.extend(self.against_known(settings, &known, start)?);
        }
        Ok(warnings)
    }

    /// Asks all hosts that may have taken a machine over, or taken it back.
    fn against_known(
        &mut self,
        settings: &Settings,
        known: &Replication,
        start: &OwnStart<'_>,
    ) -> Result<Vec<Diagnostic>, Fault> {
        let mut answers = self.ask_all(&known.machine, known.hosts().chain(known.origins()).collect());
        let mut untold_by = None;
        for (host, _) in known.hosts() {
            let answer = answers.remove(host).unwrap_or(Ok(None));
            let told = self.against_keeper(settings, known, (host, &answer), start)?;
            untold_by = untold_by.or(told);
            answers.insert(host.into(), answer);
        }
        // Who has taken it over is told before who does not tell.
        if let Some(fault) = untold_by {
            return Err(fault);
        }
        let silent = known.hosts().map(|(host, _)| host).filter(|host| answers.get(*host).is_some_and(Result::is_err));
        for host in silent.filter(|_| start.aim != Aim::Ask) {
            change(settings, &known.machine, start, |all| all.takes_back(host, clock::now()))?;
        }
        against_origins(settings, known, answers, start)
    }

    /// Says why a machine may not be started of which a host has replicas. Returns why it may not be where that host does not tell.
    fn against_keeper(
        &mut self,
        settings: &Settings,
        known: &Replication,
        (host, answer): (&str, &Told),
        start: &OwnStart<'_>,
    ) -> Result<Option<Fault>, Fault> {
        let (name, is_taken_back) = (&known.machine, known.has_taken_back(host));
        let changes = start.aim != Aim::Ask;
        let answer = match answer {
            Ok(Some(_)) if is_taken_back && !changes => return Ok(None),
            Ok(Some(taken)) if is_taken_back => self.tell(host, name, &taken.id).map(|()| None),
            answer => answer.clone(),
        };
        match answer {
            Ok(Some(taken)) => Err(taken_away(settings, host, &taken, name, start)),
            Ok(None) if is_taken_back && changes => change(settings, name, start, |all| all.told(host)).map(|()| None),
            Ok(None) => Ok(None),
            Err(silence) if !silence.is_there && start.is_vouched(host) => Ok(None),
            Err(silence) => {
                // Who has vouched for one is to vouch for both.
                let is_vouched = |other: &&str| *other != host && start.is_vouched(other);
                let vouched: Vec<&str> = known.hosts().map(|(other, _)| other).filter(is_vouched).collect();
                Ok(Some(untold(name, (host, &vouched), is_taken_back, &silence, start)))
            }
        }
    }

    /// Says of a machine that is only copied that another host has taken it over: what is here is old then. Who does not tell hinders
    /// nothing.
    pub(crate) fn against_old(&mut self, start: &OwnStart<'_>) -> Result<(), Fault> {
        let settings = settings::settings(settings::platform()?, false)?;
        let known = replication::read(&settings, start.name)?;
        let asked: Vec<_> = known.hosts().filter(|(host, _)| !known.has_taken_back(host)).collect();
        let taken = self.ask_all(start.name, asked).into_iter().find_map(|(host, told)| Some((host, told.ok()??)));
        taken.map_or(Ok(()), |(host, taken)| Err(taken_away(&settings, &host, &taken, start.name, start)))
    }

    /// Tells a host for which somebody has vouched that this one has taken the machine back. It refuses that where the machine runs there.
    fn tell(&mut self, host: &str, name: &VmName, id: &str) -> Result<(), Silence> {
        let mut other = OtherHost::new(host.into(), remote(host).map_err(Silence::away)?, CONNECT);
        other.give_up(name, id).map_err(|faults| {
            let silence = silence(&other, faults);
            if !silence.is_there {
                self.silent.insert(host.into(), silence.clone());
            }
            silence
        })
    }

    /// Asks several hosts at once whether they have taken a machine over, or back: who does not answer takes no longer than the others.
    fn ask_all(&mut self, name: &VmName, hosts: Vec<(&str, Vec<String>)>) -> BTreeMap<String, Told> {
        let (silent, asked): (Vec<_>, Vec<_>) =
            hosts.into_iter().partition(|(host, _)| self.silent.contains_key(*host));
        let mut all: BTreeMap<String, Told> =
            silent.into_iter().map(|(host, _)| (host.to_string(), Err(self.silent[host].clone()))).collect();
        let asked: Vec<_> = asked.into_iter().map(|(host, ids)| (host, ids, self.called.remove(host))).collect();
        let answers: Vec<(String, Option<OtherHost>, Told)> = thread::scope(|scope| {
            let ask = |(host, ids, other): (&str, Vec<String>, Option<OtherHost>)| {
                let owned = host.to_string();
                let asking = spawn::scoped(scope, move || ask(&owned, other, name, ids));
                (host.to_string(), asking)
            };
            let asking: Vec<_> = asked.into_iter().map(ask).collect();
            let failed = || Silence::away(Fault::host("vmrun itself failed: this is a mistake in it"));
            let end = |(host, asking): (String, Result<thread::ScopedJoinHandle<'_, _>, Fault>)| match asking {
                Ok(asking) => {
                    let (other, told) = asking.join().unwrap_or_else(|_| (None, Err(failed())));
                    (host, other, told)
                }
                Err(fault) => (host, None, Err(Silence::away(fault))),
            };
            asking.into_iter().map(end).collect()
        });
        for (host, other, told) in answers {
            match (&told, other) {
                (Ok(_), Some(other)) => drop(self.called.insert(host.clone(), other)),
                // One that is there may tell of another machine.
                (Err(silence), _) if !silence.is_there => drop(self.silent.insert(host.clone(), silence.clone())),
                (Ok(_) | Err(_), _) => {}
            }
            all.insert(host, told);
        }
        all
    }
}

/// What a host has told: whether a machine was taken over there.
type Told = Result<Option<TakenAway>, Silence>;

/// Asks a host whether a machine was taken over there. Returns it where it can be asked for another one.
fn ask(host: &str, other: Option<OtherHost>, name: &VmName, replicas: Vec<String>) -> (Option<OtherHost>, Told) {
    let mut other = match (other, remote(host)) {
        (Some(other), _) => other,
        (None, Ok(remote)) => OtherHost::new(host.into(), remote, CONNECT),
        (None, Err(fault)) => return (None, Err(Silence::away(fault))),
    };
    match other.taken_over(name, replicas) {
        Ok(taken) => (Some(other), Ok(taken)),
        Err(faults) => (None, Err(silence(&other, faults))),
    }
}

fn silence(other: &OtherHost, faults: Vec<Diagnostic>) -> Silence {
    let why = faults.into_iter().next().map_or_else(|| other.senseless(), |one| one.fault);
    Silence { why, is_there: other.has_answered() }
}

/// Says why a machine may not be started that one of the hosts has taken back from which it was taken over. They were away then, and may
/// be away for ever: one that does not answer hinders nothing.
fn against_origins(
    settings: &Settings,
    known: &Replication,
    mut answers: BTreeMap<String, Told>,
    start: &OwnStart<'_>,
) -> Result<Vec<Diagnostic>, Fault> {
    let (mut warnings, name) = (Vec::new(), &known.machine);
    for (host, _) in known.origins() {
        match answers.remove(host).unwrap_or(Ok(None)) {
            Ok(None) => {}
            Ok(Some(taken)) => return Err(taken_away(settings, host, &taken, name, start)),
            Err(_) if start.is_vouched(host) => {}
            Err(silence) => {
                let said = silence.said(host);
                let what = format!(
                    "{host}, from which {name} was taken over, does not tell whether it has taken it back: {said}"
                );
                let way = format!("`vmrun replicate {name} {host} --forget` if it is gone for ever");
                warnings.push(Diagnostic::warning(Fault::host(what).hint(way)));
            }
        }
    }
    Ok(warnings)
}

/// Writes down that another host has taken a machine over, and returns the fault of that.
fn taken_away(settings: &Settings, host: &str, taken: &TakenAway, name: &VmName, start: &OwnStart<'_>) -> Fault {
    let with = start.with.clone();
    let record = MoveRecord::taken_over(name.clone(), taken.id.clone(), host.into(), clock::now(), with);
    let write = |_lock| {
        // A move that has begun meanwhile knows better.
        let is_known = moves::read(settings, name)?.is_some_and(|record| !record.is_over());
        if is_known { Ok(()) } else { moves::write(settings, &record) }
    };
    let written = if start.aim == Aim::Ask { Ok(()) } else { moves::lock_now(settings, name).and_then(write) };
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
fn untold(
    name: &VmName,
    (host, vouched): (&str, &[&str]),
    is_taken_back: bool,
    silence: &Silence,
    start: &OwnStart<'_>,
) -> Fault {
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
    let command = start.aim.command(start.name);
    let wait = if matches!(start.aim, Aim::Start | Aim::Ask) { "or wait for it by --wait; " } else { "" };
    fault.hint(format!("fence it, so that {name} cannot run there, then `{command} --fenced {fenced}`; {wait}{never}"))
}
