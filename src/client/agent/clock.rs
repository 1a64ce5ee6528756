//! The clock of a guest, which is set by its agent (`guest-set-time`). A thread of its own does it, so that a guest which is slow or silent
//! keeps nobody from looking after the machine.

use super::Agent;
use super::exec::CommandEnd;
use crate::diag::may_fail::MayFail as _;
use crate::diag::{Blame, Fault};
use crate::host::clock::since_1970;
use crate::host::spawn;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// How long an agent may take to say that it is there, and how long to set the clock, for which it starts hwclock(8).
const GREETS_WITHIN: Duration = Duration::from_secs(1);
const SETS_WITHIN: Duration = Duration::from_secs(5);

/// How often one that says nothing is asked, and how long it is waited in between: a guest that wakes up may have other things to do, and
/// its hypervisor hears one client at a time.
const TRIES: u32 = 6;
const PAUSE: Duration = Duration::from_secs(5);

/// A clock that is being set. Dropping it ends the tries.
#[derive(Debug)]
pub(crate) struct ClockSetting {
    outcome: Receiver<Result<(), Fault>>,
    _wanted: Sender<()>,
}

impl ClockSetting {
    /// Has the clock of a guest set to the time of this host, by the agent at a socket.
    pub(crate) fn begin(socket: PathBuf) -> Result<Self, Fault> {
        let ((tell, outcome), (wanted, is_wanted)) = (channel(), channel());
        spawn::thread(move || tell.send(try_to_set(&socket, &is_wanted)).may_fail("nobody wants to know any more"))?;
        Ok(Self { outcome, _wanted: wanted })
    }

    /// Returns how it went, once it is over.
    pub(crate) fn outcome(&self) -> Option<Result<(), Fault>> {
        self.outcome.try_recv().ok()
    }
}

fn try_to_set(socket: &Path, is_wanted: &Receiver<()>) -> Result<(), Fault> {
    let mut left = TRIES;
    loop {
        left -= 1;
        match set(socket) {
            Ok(answer) => return answer,
            Err(fault) if left == 0 || is_wanted.recv_timeout(PAUSE) == Err(RecvTimeoutError::Disconnected) => {
                return Err(fault);
            }
            Err(_) => {}
        }
    }
}

/// Asks once; the inner fault is that of an agent that does not do it, and says so.
fn set(socket: &Path) -> Result<Result<(), Fault>, Fault> {
    const COMMAND: &str = "guest-set-time";
    let mut agent = Agent::open(socket, Instant::now() + GREETS_WITHIN)?;
    // Not earlier: until it is there, time goes by.
    let now = u64::try_from(since_1970().as_nanos()).unwrap_or_default();
    let Err(why) = agent.ask(COMMAND, &json!({ "time": now }), Instant::now() + SETS_WITHIN)? else {
        return Ok(Ok(()));
    };
    let refused = || Fault::new(format!("refuses {COMMAND}: {why}")).blame(Blame::Guest);
    Ok(is_set_by_date(&mut agent).then_some(()).ok_or_else(refused))
}

/// Has date(1) set the clock, and returns whether it did: an agent on a system without hwclock(8) refuses to, such as Debian's in an image for
/// clouds, where that is in a package of its own. The second form is FreeBSD's, whose date has no `-s` (from its manual; not run).
fn is_set_by_date(agent: &mut Agent) -> bool {
    let now = since_1970().as_secs();
    let command = ["sh", "-c", &format!("date -u -s @{now} || date -u -f %s {now}")].map(String::from);
    let done = agent.execute(&command, &[], Some(Instant::now() + SETS_WITHIN));
    done.is_ok_and(|done| done.end == CommandEnd::Exited(0))
}
