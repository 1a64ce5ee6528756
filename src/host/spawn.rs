//! Starting processes and threads where there may be as many as there may be: `ulimit -u`, `pids.max` of a cgroup.

use super::files::reason;
use crate::diag::may_fail::MayFail as _;
use crate::diag::{Cause, Fault};
use crate::host::wait;
use nix::poll::PollTimeout;
use std::io::{self, ErrorKind};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Builder, JoinHandle, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

/// How long a process that is refused for want of room is asked for again. What a run has started has usually ended when it gives
/// back; others may have ended, too.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many milliseconds it is waited before that.
const PAUSE_MS: u8 = 20;

/// Whether somebody has waited in vain, and nothing was to be had since: many things that are given back take no longer than one.
static IN_VAIN: AtomicBool = AtomicBool::new(false);

/// Has the next one wait again, though somebody has waited in vain: giving back begins.
pub(super) fn wait_again() {
    IN_VAIN.store(false, Ordering::Relaxed);
}

/// Asks for something until it is not refused for want of room, at most for [`PATIENCE`].
pub(super) fn patiently<T, E>(is_crowded: impl Fn(&E) -> bool, mut ask: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    let patience = if IN_VAIN.load(Ordering::Relaxed) { Duration::ZERO } else { PATIENCE };
    let end = Instant::now() + patience;
    loop {
        match ask() {
            Err(why) if is_crowded(&why) => {
                if Instant::now() >= end {
                    IN_VAIN.store(true, Ordering::Relaxed);
                    return Err(why);
                }
                wait::pause(PollTimeout::from(PAUSE_MS));
            }
            done => {
                wait_again();
                return done;
            }
        }
    }
}

/// Starts a program. One that is refused for want of room (EAGAIN of fork(2)) is asked for again.
pub(crate) fn start(command: &mut Command) -> io::Result<Child> {
    patiently(is_crowded, || command.spawn())
}

/// Ends a child, if it has not ended by itself, and takes its status, which nobody wants.
pub(crate) fn end(child: &mut Child) {
    child.kill().may_fail("it has ended by itself");
    child.wait().may_fail("it was waited for");
}

pub(super) fn is_crowded(why: &io::Error) -> bool {
    why.kind() == ErrorKind::WouldBlock
}

/// Returns the fault of a program that could not be started, by its name, with the way out where there is no room for one more.
pub(crate) fn refused(program: &str, why: &io::Error) -> Fault {
    with_cause(why, Fault::host(format!("cannot start `{program}`: {}", reason(why))))
}

/// Adds to the fault of a program or thread that was refused why it was, and the way out where there is no room.
fn with_cause(why: &io::Error, fault: Fault) -> Fault {
    match why.kind() {
        ErrorKind::NotFound => fault.cause(Cause::NoProgram),
        _ if is_crowded(why) => fault.hint(WAY_OUT).cause(Cause::NoRoom),
        _ => fault,
    }
}

/// The way out where there is no room for one more process or thread.
const WAY_OUT: &str = "there are as many processes and threads as there may be: end some, or allow more (ulimit -u, pids.max of a \
                       cgroup, kern.maxproc)";

/// Returns the way out where there is no room for one more process or thread.
pub(crate) fn hint(why: &io::Error) -> Option<String> {
    is_crowded(why).then(|| WAY_OUT.into())
}

/// Adds to the fault of something that could not be given back for want of room who does so later.
pub(crate) fn left_to_gc(fault: Fault) -> Fault {
    match fault.cause {
        Some(Cause::NoRoom) => fault.hint(format!("{WAY_OUT}; then `vmrun gc` gives back what is left")),
        // The others have a way out of their own.
        _ => fault,
    }
}

/// Returns the error that fork(2) gives where there is no room.
pub(super) fn crowded() -> io::Error {
    io::Error::from_raw_os_error(nix::libc::EAGAIN)
}

/// Starts a thread.
pub(crate) fn thread<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>, Fault> {
    Builder::new().spawn(act).map_err(|why| no_thread(&why))
}

/// Starts a thread that ends with a scope.
pub(crate) fn scoped<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    act: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, Fault> {
    Builder::new().spawn_scoped(scope, act).map_err(|why| no_thread(&why))
}

fn no_thread(why: &io::Error) -> Fault {
    with_cause(why, Fault::host(format!("cannot start a thread: {}", reason(why))))
}

/// Does something with each of some things, side by side as far as threads are to be had, and returns what came of them, in order;
/// nothing of one that panicked.
pub(crate) fn side_by_side<T: Sync, R: Send>(things: &[T], act: impl Fn(&T) -> R + Sync) -> Vec<Option<R>> {
    let act = &act;
    thread::scope(|scope| {
        let begun: Vec<_> = things.iter().map(|thing| (thing, scoped(scope, move || act(thing)))).collect();
        let end = |(thing, begun): (&T, Result<ScopedJoinHandle<'_, R>, Fault>)| match begun {
            Ok(begun) => begun.join().ok(),
            Err(_) => Some(act(thing)),
        };
        begun.into_iter().map(end).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_for_want_of_room_is_asked_for_again_and_nothing_else() {
        let mut left = 3;
        let done = patiently(is_crowded, || {
            left -= 1;
            if left == 0 { Ok(7) } else { Err(crowded()) }
        });
        assert_eq!((done.unwrap(), left), (7, 0));
        let mut asked = 0;
        let done: io::Result<()> = patiently(is_crowded, || {
            asked += 1;
            Err(ErrorKind::NotFound.into())
        });
        assert_eq!((done.unwrap_err().kind(), asked), (ErrorKind::NotFound, 1));
        let begin = Instant::now();
        let refused = || patiently(is_crowded, || Err::<(), _>(crowded())).is_err();
        assert!(refused() && begin.elapsed() >= PATIENCE);
        // Who comes after has to wait no more, until giving back begins.
        let begin = Instant::now();
        assert!(refused() && begin.elapsed() < PATIENCE);
        wait_again();
        assert!(refused() && begin.elapsed() >= PATIENCE);
    }

    #[test]
    fn each_of_some_things_is_done_and_in_their_order() {
        assert_eq!(side_by_side(&[3, 1, 2], |number| number * 2), [Some(6), Some(2), Some(4)]);
    }
}
