//! Stopping machines: a run is asked to stop its machine, and waited for.

use super::inventory::{Entry, EntryState};
use super::machines::machines;
use super::settings;
use super::start::near;
use crate::diag::may_fail::MayFail as _;
use crate::diag::{Diagnostic, Fault};
use crate::host::Host;
use crate::host::processes::HypervisorKind;
use crate::host::spawn;
use crate::host::store::OpenJournal;
use crate::host::system::System;
use crate::model::{Argv, VmName};
use crate::supervise::STOP_WITHIN;
use crate::supervise::journal::Journal;
use crate::supervise::order::{depths, order};
use crate::supervise::recovery::monitor::{Monitored, monitor};
use crate::supervise::recovery::{self, Aim};
use crate::supervise::status::{MachineState, MachineStatus};
use crate::supervise::step::Means;
use std::sync::{Condvar, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// How long all machines together get: below the 90 seconds of rc.shutdown(8).
const TOTAL: Duration = Duration::from_secs(80);

/// How long a supervisor may take to switch its machine off and to give back what it took.
const FORCED: Duration = Duration::from_secs(10);

/// How much longer than he said somebody waits who said how long: then the machine is down, or he is told that it is not.
const GRACE: Duration = Duration::from_secs(1);

/// How machines are stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Their guests are asked to power off, and get so long together; nothing where one gets the time that its start gave it.
    Asked(Option<Duration>),
    /// They are switched off.
    AtOnce,
}

/// How a machine came down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Down {
    /// Its guest powered off, or there was none.
    PoweredOff,
    /// It was switched off, as was asked.
    SwitchedOff,
    /// It was switched off, since its guest did not power off in time.
    Forced,
}

/// What happens while machines are stopped.
pub(crate) enum StopEvent<'a> {
    /// A dead run, of which is told whose, has left something, which is given back by these commands.
    GivesBack(&'a str, &'a [Argv]),
    /// A machine that had failed is as one that was stopped.
    FailureCleared(&'a VmName),
    /// A machine does not run, and did not before; another one that may have been meant, as words.
    NotRunning(&'a VmName, Option<String>),
    /// A machine is down.
    Down(&'a VmName, Down),
}

/// Who hears of what happens, in any thread.
pub(crate) type Listener<'a> = &'a (dyn Fn(&StopEvent<'_>) + Sync);

/// Returns the time that machines get together: what was given, or for several of them one for all.
pub(crate) fn total(given: Option<Duration>, are_several: bool) -> Option<Duration> {
    given.or(are_several.then_some(TOTAL))
}

/// Returns the machines that run in the background, by name.
pub(crate) fn in_background() -> Result<Vec<VmName>, Fault> {
    let host = settings::host(false)?;
    let runs =
        |name: &VmName| MachineStatus::of(&host, name).is_some_and(|status| status.state != MachineState::Failed);
    Ok(host.store().records().into_iter().map(|record| record.name).filter(runs).collect())
}

/// Stops machines, side by side where nothing orders them, within one time for all.
pub(crate) fn stop(names: &[VmName], how: How, listener: Listener<'_>) -> Result<(), Vec<Diagnostic>> {
    let outcomes = stop_each(names, how, listener)?;
    let faults: Vec<Diagnostic> = outcomes.into_iter().filter_map(Result::err).map(Diagnostic::error).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Stops machines like [`stop`], and returns how that went with each of them.
pub(crate) fn stop_each(names: &[VmName], how: How, listener: Listener<'_>) -> Result<Vec<Result<(), Fault>>, Fault> {
    let here = settings::host(false)?;
    let after = |name: &VmName| {
        let status = MachineStatus::of(&here, name);
        status.map(|status| status.after).unwrap_or_default().into_iter().filter(|name| names.contains(name)).collect()
    };
    let machines: Vec<(VmName, Vec<VmName>)> = names.iter().map(|name| (name.clone(), after(name))).collect();
    let before = order(&machines, |_| true)?;
    drop(here);
    let depths = depths(&before);
    let (begun, down, changed) = (Instant::now(), Mutex::new(vec![false; names.len()]), Condvar::new());
    Ok(thread::scope(|scope| {
        let (down, changed, before) = (&down, &changed, &before);
        let each = names.iter().zip(depths).enumerate().map(|(at, (name, depth))| {
            let begun = spawn::scoped(scope, move || {
                let mut known = down.lock().unwrap_or_else(PoisonError::into_inner);
                let is_needed = |known: &[bool]| (0..known.len()).any(|it| before[it].contains(&at) && !known[it]);
                while is_needed(&known) {
                    known = changed.wait(known).unwrap_or_else(PoisonError::into_inner);
                }
                drop(known);
                let share = |total: Duration| {
                    let left = total.saturating_sub(begun.elapsed()) / depth;
                    if names.len() == 1 {
                        total
                    } else {
                        Duration::from_secs(left.as_secs()) + Duration::from_millis(left.subsec_millis().into())
                    }
                };
                let how = match how {
                    How::Asked(total) => How::Asked(total.map(share)),
                    How::AtOnce => How::AtOnce,
                };
                let outcome = stop_one(name, how, listener);
                down.lock().unwrap_or_else(PoisonError::into_inner)[at] = true;
                changed.notify_all();
                outcome
            });
            begun.inspect_err(|_| {
                down.lock().unwrap_or_else(PoisonError::into_inner)[at] = true;
                changed.notify_all();
            })
        });
        let threads: Vec<_> = each.collect();
        let lost = |_| Err(Fault::host("vmrun itself failed: this is a mistake in it"));
        threads.into_iter().map(|begun| begun.and_then(|thread| thread.join().unwrap_or_else(lost))).collect()
    }))
}

/// Stops one machine.
fn stop_one(name: &VmName, how: How, listener: Listener<'_>) -> Result<(), Fault> {
    let (mut host, asked) = (settings::host(false)?, Instant::now());
    // What cannot be looked at may run.
    host.store().examine_lock(name)?;
    let had_failed = recovery::has_failed(&host, name);
    let mut down = match recovery::holder(&host, name) {
        Some(Some(owner)) => ask(&host, name, owner.pid, how)?,
        Some(None) => return Err(recovery::running(&host, name, None, Aim::End)),
        None if host.store().record(name).is_none() && !had_failed => {
            others(name).map_or(Ok(()), Err)?;
            listener(&StopEvent::NotRunning(name, near(&host, name)));
            return Ok(());
        }
        None => Down::PoweredOff,
    };
    // A supervisor that was killed meanwhile, or long before, has left its guest.
    if (had_failed || host.store().record(name).is_some()) && recovery::holder(&host, name).is_none() {
        let within = match how {
            How::Asked(within) => within.unwrap_or(STOP_WITHIN),
            How::AtOnce => Duration::ZERO,
        };
        let (has_guest, begun) = (recovery::guest_of_run(&host, name).is_some(), Instant::now());
        // The run that was asked before may have taken some of it.
        let left = within.saturating_sub(asked.elapsed());
        end_left(&mut host, name, how, (within, left), listener)?;
        if has_guest && begun.elapsed() >= left {
            down = if how == How::AtOnce { Down::SwitchedOff } else { Down::Forced };
        }
        is_certainly_down(&host, name, within)?;
    }
    listener(&if had_failed { StopEvent::FailureCleared(name) } else { StopEvent::Down(name, down) });
    Ok(())
}

/// Ends what a dead run has left. Where one has said how long it may take, that and a second is all it gets; what is not done by then
/// the next one does, as after a crash.
fn end_left(
    host: &mut System,
    name: &VmName,
    how: How,
    (within, left): (Duration, Duration),
    listener: Listener<'_>,
) -> Result<(), Fault> {
    if !matches!(how, How::Asked(Some(_))) {
        return recovery::end(host, name, left, &mut |host, left| {
            listener(&StopEvent::GivesBack(&left.whose(), &left.commands(host)));
        });
    }
    let (events, heard) = mpsc::channel();
    let (ended, until) = (name.clone(), Instant::now() + left + GRACE);
    let work = move || {
        let tell = |what| events.send(what).may_fail("nobody waits for it any more");
        let done = settings::host(false).and_then(|mut host| {
            recovery::end(&mut host, &ended, left, &mut |host, left| tell(Ok((left.whose(), left.commands(host)))))
        });
        tell(Err(done));
    };
    spawn::thread(work)?;
    loop {
        match heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Ok((whose, commands))) => listener(&StopEvent::GivesBack(&whose, &commands)),
            Ok(Err(done)) => return done,
            Err(_) => return Err(late(host, name, within)),
        }
    }
}

/// The fault of a machine that is not certainly down in time, whose run is dead.
fn late(host: &System, name: &VmName, within: Duration) -> Fault {
    let fault = match recovery::guest_of_run(host, name) {
        Some(guest) => Fault::host(format!("the guest of {name}, process {guest}, did not end within {within:?}")),
        None => Fault::host(format!("not all that a dead run of {name} has left was given back within {within:?}")),
    };
    fault.hint(format!("`vmrun stop {name}` goes on with it; `vmrun status {name}` shows what there is"))
}

/// Looks once more at a machine whose dead run is over: a fault if it is not certainly down.
fn is_certainly_down(host: &System, name: &VmName, within: Duration) -> Result<(), Fault> {
    match monitor(host, name)? {
        Monitored::Unsupervised(_) => Err(late(host, name, within)),
        // Somebody may have begun to start it again.
        Monitored::Supervised(_)
        | Monitored::Starting(_)
        | Monitored::Foreground(_)
        | Monitored::Failed(_)
        | Monitored::Down(_) => Ok(()),
    }
}

/// When a run whose guest did not power off in time is asked again, and when that is given up, counted from then: the second
/// asking ends the hypervisor, and who waits is told within a second.
const AGAIN: [Duration; 3] = [Duration::from_millis(400), Duration::from_millis(700), Duration::from_millis(950)];

/// Asks a run to stop its machine, and waits for its end. Its guest gets so long; nothing where it gets the time of its start.
fn ask(host: &System, name: &VmName, pid: u32, how: How) -> Result<Down, Fault> {
    let journal = journal_of(host, name);
    // The process that is held is the run, or there was none of it any more; one elsewhere may not be seen at all.
    let run = host.hold_process(pid)?.filter(|_| recovery::is_certain(host, name, pid));
    let Some(mut run) = run else {
        return if recovery::holder(host, name).is_some() {
            Err(uncertain(host, name, pid))
        } else {
            Ok(Down::PoweredOff)
        };
    };
    let begun = Instant::now();
    if how == How::AtOnce {
        run.ask_to_stop(3);
        return if run.ends_until(begun + FORCED)? { Ok(Down::SwitchedOff) } else { Err(deaf(host, name, pid, how)) };
    }
    let given = if let How::Asked(given) = how { given } else { None };
    given.iter().for_each(|within| host.store().ask_within(name, pid, *within));
    let within = given.or_else(|| MachineStatus::of(host, name).map(|status| status.stop_within));
    run.ask_to_stop(1);
    // A run in the foreground knows alone how long its guest gets.
    let Some(within) = within else { return run.ends().map(|()| came_down(journal.as_ref(), false)) };
    let over = begun + within;
    if run.ends_until(over)? {
        return Ok(came_down(journal.as_ref(), false));
    }
    // The run switches the machine off by itself now. Each further asking goes a step further.
    for pause in AGAIN {
        if run.ends_until(over + pause)? {
            return Ok(came_down(journal.as_ref(), true));
        }
        run.ask_to_stop(1);
    }
    // One whose guest is gone is giving back.
    let last = if given.is_some() { GRACE } else { FORCED };
    if recovery::guest_of_run(host, name).is_none() && run.ends_until(over + last)? {
        return Ok(came_down(journal.as_ref(), true));
    }
    Err(deaf(host, name, pid, How::Asked(Some(within))))
}

/// Opens the journal of a machine's run, which is with the first of its machines.
fn journal_of(host: &System, name: &VmName) -> Option<OpenJournal> {
    let own = host.store().open_journal(name)?;
    match Journal::read(&own.text()).part_of {
        Some(whole) => host.store().open_journal(&whole),
        None => Some(own),
    }
}

/// Returns how a machine came down whose run is over, by what that has noted last. Of one that has noted nothing, as an older vmrun
/// does not, time tells.
fn came_down(journal: Option<&OpenJournal>, is_late: bool) -> Down {
    match journal.and_then(|journal| Journal::read(&journal.text()).stops) {
        Some(Means::Force | Means::Kill) => Down::Forced,
        None if is_late => Down::Forced,
        Some(Means::Agent | Means::PowerButton) | None => Down::PoweredOff,
    }
}

/// The fault of a run that does not end: what was done, and what remains.
fn deaf(host: &System, name: &VmName, pid: u32, how: How) -> Fault {
    let asked = match how {
        How::Asked(Some(within)) => {
            format!("it was asked to power {name} off within {within:?}, then to switch it off")
        }
        How::Asked(_) | How::AtOnce => format!("it was asked to switch {name} off"),
    };
    let guest = recovery::guest_of_run(host, name);
    let remains = guest.map_or_else(|| "its guest is gone".into(), |guest| format!("its guest, process {guest}, runs"));
    let fault = Fault::host(format!("the run of {name}, process {pid}, does not end: {asked}, and {remains}"));
    fault.hint(format!("`kill -9 {pid}` ends it, and `vmrun stop {name}` what it leaves"))
}

/// The fault of a run that somebody holds, and whose process is not certainly the one that its journal names.
fn uncertain(host: &System, name: &VmName, pid: u32) -> Fault {
    let running = recovery::running(host, name, recovery::holder(host, name).flatten().as_ref(), Aim::End);
    running.context(format!("process {pid} is not certainly the run of {name} and is sent no signal"))
}

/// The fault of a machine that is not to be stopped, as it is none of ours.
fn others(name: &VmName) -> Option<Fault> {
    // Where processes are not to be seen there is no more to say.
    let all = machines().unwrap_or_default();
    all.iter().find(|one| one.name.as_deref() == Some(name.as_str())).map(|one| not_ours(one, name))
}

/// The fault of a machine that another user runs, or another program.
fn not_ours(one: &Entry, name: &VmName) -> Fault {
    let process = one.process.as_ref();
    let which = process.map(|process| format!(", process {}", process.pid)).unwrap_or_default();
    if one.state == EntryState::Foreign {
        let kind = process.map_or("hypervisor", |process| process.kind.word());
        let fault = Fault::host(format!("vmrun did not start the {kind} of {name}{which}"));
        let by_hand = process.filter(|process| process.kind == HypervisorKind::Bhyve);
        let button = by_hand.map(|process| format!("; `kill {}` presses its power button", process.pid));
        return fault.hint(format!("stop it by what has started it{}", button.unwrap_or_default()));
    }
    let fault =
        Fault::host(format!("the machine {name}{which} is another user's: its lock may be read by its owner only"));
    fault.hint(format!("`vmrun stop {name}` as that user, or as root, stops it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Shape;

    #[test]
    fn a_machine_of_another_user_is_told_of_with_who_can_stop_it() {
        let entry = Entry {
            name: Some("db".into()),
            state: EntryState::Unknown,
            supervisor: None,
            process: None,
            shape: Shape::default(),
            status: None,
            recipe: None,
            instance: None,
            elsewhere: None,
            address: None,
            permit: None,
            is_exported: false,
            away: None,
            replicas: None,
        };
        let fault = not_ours(&entry, &"db".parse().unwrap());
        assert_eq!(
            format!("{} | {}", fault.message, fault.hint.unwrap()),
            "the machine db is another user's: its lock may be read by its owner only | `vmrun stop db` as that user, or as root, \
             stops it"
        );
    }
}
