//! The commands by which the guard of a permit has a reservation: one that gets it and gives it back, and one that renews it once.

use super::{settings, stopped};
use crate::diag::Fault;
use crate::host::clock;
use crate::host::permit::end_with_parent;
use crate::host::reservation::{self, ReservationFile};
use crate::host::signals::Signals;
use crate::host::system::System;
use crate::host::{Facts as _, Host as _};
use crate::model::reservation::{Claim, Record, Refusal, SECTOR, SETTLE, Sector, Step, own};
use crate::model::{Argv, VmName};
use crate::supervise::recovery;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long it is waited at once for whoever asks to end.
const HOLDS: Duration = Duration::from_secs(3600);

/// What is wanted of a reservation.
pub(crate) struct ReservationRequest {
    /// Where its record stands.
    pub path: PathBuf,
    /// The machine whose it is to be.
    pub machine: VmName,
    /// Which run of it.
    pub nonce: String,
    /// How long the guest may run after a renewal at most.
    pub ttl: Duration,
    /// Which host is proved to write no more.
    pub fenced: Option<String>,
}

/// Returns the time since the host was started, as records have it.
fn now() -> Duration {
    Duration::from_millis(clock::uptime().as_millis().try_into().unwrap_or(u64::MAX))
}

/// Gets a reservation, says so, and gives it back when somebody asks to end.
pub(crate) fn hold(request: &ReservationRequest, held: &dyn Fn() -> Result<(), Fault>) -> Result<(), Fault> {
    end_with_parent();
    let signals = Signals::install()?;
    let file = ReservationFile::at(&request.path);
    if !claim(request, &file, &signals)? {
        return Ok(());
    }
    held()?;
    while !signals.stop_within(HOLDS) {}
    release(request, &file)
}

/// Gives a reservation back that a run of its machine has left whose guard was killed. What is not held, or not this host's and this
/// machine's, stays as it is.
pub(crate) fn give_back(machine: &VmName, path: &Path) -> Result<(), Fault> {
    // Nobody starts it meanwhile, or is told that it goes on.
    stopped::hold_moving(&mut settings::host(false)?, machine, &[], |_| give_back_held(machine, path))
}

/// Returns the command that does so.
pub(crate) fn giving_back(machine: &VmName, path: &Path) -> Argv {
    Argv::new("vmrun").arg("reservation").arg(path.display()).arg(format!("--machine={machine}")).arg("--release")
}

fn give_back_held(machine: &VmName, path: &Path) -> Result<(), Fault> {
    let file = ReservationFile::at(path);
    let Some(record) = left(machine, path)? else { return Ok(()) };
    let (path, machine, nonce) = (path.to_path_buf(), machine.clone(), record.owner.nonce.clone());
    let request = ReservationRequest { path, machine, nonce, ttl: record.ttl, fenced: None };
    if record.is_good(now()) {
        return release(&request, &file);
    }
    // Others may be about to take it over by now: who gives it back has to have it first.
    let request = ReservationRequest { nonce: reservation::nonce()?, ..request };
    let signals = Signals::install()?;
    if claim(&request, &file, &signals)? { release(&request, &file) } else { Ok(()) }
}

/// Returns the record that a run of a machine has left there; nothing where it is another one's, or held by nobody.
pub(crate) fn left(machine: &VmName, path: &Path) -> Result<Option<Record>, Fault> {
    let Sector::Record(record) = ReservationFile::at(path).read()? else { return Ok(None) };
    let (machine, path, nonce) = (machine.clone(), path.to_path_buf(), String::new());
    let request = ReservationRequest { path, machine, nonce, ttl: record.ttl, fenced: None };
    Ok(claimant(&settings::host(false)?, &request)?.is_left(&record).then_some(record))
}

/// Returns whether the reservation is had; not where somebody asked to end before.
fn claim(request: &ReservationRequest, file: &ReservationFile, signals: &Signals) -> Result<bool, Fault> {
    let mut claim = claimant(&settings::host(false)?, request)?;
    let mut step = Step::Look(Duration::ZERO);
    loop {
        step = match step {
            Step::Look(after) => {
                if signals.stop_within(after) {
                    return Ok(false);
                }
                let began = now();
                let found = file.read()?;
                claim.looked(began, now(), &found)
            }
            Step::Write(record) => {
                file.write(&bytes(&record, request)?)?;
                claim.wrote(now())
            }
            Step::Held => return Ok(true),
            Step::Refused(refusal) => return Err(refused(&refusal, request)),
        };
    }
}

/// Returns who wants a reservation here.
fn claimant(host: &System, request: &ReservationRequest) -> Result<Claim, Fault> {
    let processes = host.processes();
    let boot = processes.witness(&[]).boot.unwrap_or_else(|| processes.identity().boot);
    let me = reservation::owner(request.machine.as_str(), boot, &host.settings().state, &request.nonce)?;
    let mut claim = Claim::new(me, request.ttl, clock::now());
    claim.fenced.clone_from(&request.fenced);
    claim.has_guest =
        recovery::guest_of_run(host, &request.machine).is_some() || processes.answers(&request.machine) == Some(true);
    Ok(claim)
}

/// Renews a reservation once.
pub(crate) fn renew(request: &ReservationRequest) -> Result<(), Fault> {
    let file = ReservationFile::at(&request.path);
    let find = || own(&file.read()?, &request.nonce).map_err(|refusal| refused(&refusal, request));
    let began = now();
    let before = find()?;
    let late = || {
        let (path, ttl) = (request.path.display(), request.ttl);
        Fault::busy(format!("{path} was not renewed for {ttl:?}, and somebody else may have it"))
    };
    if !before.is_good(began) {
        return Err(late());
    }
    file.write(&bytes(&before.renewed(clock::now(), began), request)?)?;
    find()?;
    if before.is_good(now()) { Ok(()) } else { Err(late()) }
}

/// Gives a reservation back: it is renewed just before, so that nobody takes it over while that is on its way, and a storage that is
/// slow then keeps it.
fn release(request: &ReservationRequest, file: &ReservationFile) -> Result<(), Fault> {
    let began = now();
    let Ok(before) = own(&file.read()?, &request.nonce) else { return Ok(()) };
    let last = before.renewed(clock::now(), began);
    file.write(&bytes(&last, request)?)?;
    if own(&file.read()?, &request.nonce).is_ok() && now().saturating_sub(began) <= SETTLE {
        file.write(&bytes(&Record { is_released: true, ..last }, request)?)?;
    }
    Ok(())
}

fn bytes(record: &Record, request: &ReservationRequest) -> Result<[u8; SECTOR], Fault> {
    record.bytes().ok_or_else(|| refused(&Refusal::TooLong, request))
}

/// Returns the command that empties a record, as a hint.
fn emptied(path: &Path) -> String {
    format!("dd if=/dev/zero of={} bs=4096 count=1", path.display())
}

/// Returns what is said of a record that is not had: one line, as it goes through the guard.
fn refused(refusal: &Refusal, request: &ReservationRequest) -> Fault {
    let (path, machine) = (request.path.display(), &request.machine);
    let whose = |record: &Record| format!("{path} is {}'s, for its {}", record.owner.host, record.owner.machine);
    Fault::busy(match refusal {
        Refusal::Held(record) => format!("{}, which renews it", whose(record)),
        Refusal::Overtaken(Sector::Record(record)) => format!("{}, which has taken it", whose(record)),
        Refusal::Overtaken(_) => format!("{path} is {machine}'s no more: somebody has emptied it, or written to it"),
        Refusal::Unproved(record) => {
            let (whose, ttl, host) = (whose(record), record.ttl, &record.owner.host);
            format!(
                "{whose}, and was not renewed for {ttl:?}; {host} may be paused or cut off: fence it, then start by \
                 `--fenced {host}`"
            )
        }
        Refusal::Fenced(record, fenced) => {
            format!("{}, and `--fenced {fenced}` proves nothing of that host", whose(record))
        }
        Refusal::OwnHost(record) => format!(
            "{}, which is this host: end that machine; where it certainly does not run: {}",
            whose(record),
            emptied(&request.path)
        ),
        Refusal::Garbled => format!(
            "{path} has something else than a reservation; where {machine} certainly runs nowhere, and nothing else \
             is in it: {}",
            emptied(&request.path)
        ),
        Refusal::TooLong => format!("the names of this host and of {machine} have no room in {path}"),
    })
}
