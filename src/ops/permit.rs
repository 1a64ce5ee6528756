//! The guard of a machine's permit: a helper that has the permit's commands run, answers how it stands, and ends the guest where the
//! permit is lost and nobody else does so in time.

use super::settings;
use crate::diag::Fault;
use crate::host::Host as _;
use crate::host::clock::{self, Utc};
use crate::host::foreign_process::ForeignProcess;
use crate::host::handover::{hand_over, own_program};
use crate::host::helper::HelperId;
use crate::host::permit::{self, PermitAnswer, PermitSocket};
use crate::host::reservation;
use crate::host::signals::Signals;
use crate::host::wait;
use crate::host::watched_command::WatchedCommand;
pub(crate) use crate::model::permit::{Permit, Times};
use crate::model::permit::{PermitRecord, PermitState};
use crate::model::{Argv, VmName};
use crate::supervise::Hold;
use crate::supervise::journal::Journal;
use crate::supervise::recovery;
use nix::poll::PollTimeout;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

/// How often it is looked how the commands go.
const LOOK: Duration = Duration::from_millis(50);

/// How many milliseconds lie between looks at what is ending.
const TICK_MS: u8 = 10;

/// How often it is looked whether the machine's run and its guest are still there.
const MACHINE_CHECKED: Duration = Duration::from_secs(1);

/// How long the command that holds the permit gets to give it back, in all less than a helper gets to end.
const GIVES_BACK_WITHIN: Duration = Duration::from_secs(2);

/// How many commands that were killed and do not go away there may be, before no more are started.
const STUCK_MAX: usize = 8;

/// How the permit of a machine is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PermitFound {
    /// Where its guard answers.
    socket: PathBuf,
    /// What it has answered, if it has.
    answer: Option<PermitAnswer>,
}

/// What is said of a permit of which nobody tells how it stands.
const UNGUARDED: &str = "who guards it does not answer";

impl PermitFound {
    /// Returns that of a machine whose journal has a guard.
    pub(crate) fn noted(journal: &Journal) -> Option<Self> {
        let socket = |hold: &Hold| {
            let Hold::Helper { name, id: HelperId::Process(process), .. } = hold else { return None };
            permit::socket_of(&process.command).filter(|_| name == permit::NAME)
        };
        journal.holds.iter().find_map(socket).map(|socket| Self { socket, answer: None })
    }

    /// Asks its guard; nothing is known of another user's.
    pub(crate) fn asked(self) -> Option<Self> {
        let answer = permit::ask(&self.socket);
        (answer.is_some() || !permit::is_anothers(&self.socket)).then_some(Self { answer, ..self })
    }

    /// Returns whether it is held.
    pub(crate) fn is_held(&self) -> bool {
        matches!(&self.answer, Some(PermitAnswer { state: PermitState::Held { .. }, .. }))
    }

    /// Returns it as a JSON object.
    pub(crate) fn value(&self) -> Value {
        let since = self.answer.as_ref().map(|answer| answer.since);
        let why = match self.answer.as_ref().map(|answer| &answer.state) {
            Some(PermitState::Lost { why, .. }) => Some(why.as_str()),
            Some(PermitState::Held { .. } | PermitState::Wanted) => None,
            None => Some(UNGUARDED),
        };
        json!({ "state": if self.is_held() { "held" } else { "lost" }, "since": since, "why": why })
    }
}

impl fmt::Display for PermitFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.answer.as_ref().map(|answer| (answer.since, &answer.state)) {
            Some((since, PermitState::Held { .. })) => write!(f, "held since {}", Utc(since)),
            Some((_, PermitState::Lost { why, .. })) => write!(f, "lost: {why}"),
            Some((_, PermitState::Wanted)) | None => write!(f, "lost: {UNGUARDED}"),
        }
    }
}

/// What a guard is told.
pub(crate) struct GuardRequest {
    /// The machine.
    pub machine: VmName,
    /// Its permit.
    pub permit: Permit,
    /// The socket at which it answers.
    pub listen: PathBuf,
}

/// Becomes the command that holds a permit; it ends when the guard does, whatever becomes of that.
pub(crate) fn become_holder(argv: &Argv) -> Fault {
    permit::end_with_parent();
    hand_over(argv, None)
}

/// Guards a permit until somebody asks to stop, or it is lost and the guest is down. Returns why it is lost, or was not had.
pub(crate) fn guard(asked: GuardRequest, tell: &dyn Fn(&str)) -> Result<Option<String>, Fault> {
    let mut guard = Guard::begin(asked)?;
    let mut told = None;
    let why = loop {
        // What holds the permit gives it up when it ends: not before the guest is down, whoever asks.
        if guard.signals.stop_within(LOOK) && !guard.has_guest() {
            break None;
        }
        if let Some(why) = guard.look()? {
            break Some(why);
        }
        // Whoever waits for it hears what is in the way.
        let trouble = guard.record.trouble().filter(|_| guard.socket.is_none());
        if trouble.is_some() && trouble != told.as_deref() {
            told = trouble.map(String::from);
            told.iter().for_each(|trouble| tell(trouble));
        }
    };
    guard.end();
    Ok(why)
}

/// A guard at work.
struct Guard {
    asked: GuardRequest,
    signals: Rc<Signals>,
    record: PermitRecord,
    socket: Option<PermitSocket>,
    /// The command that holds the permit.
    holder: Option<WatchedCommand>,
    /// The command that renews it, and when it was started.
    renewal: Option<(WatchedCommand, Duration)>,
    /// When it is started next.
    renews_at: Duration,
    /// Commands that were killed and have not ended yet.
    stuck: Vec<WatchedCommand>,
    /// When it is looked next whether the machine is there.
    machine_at: Duration,
}

impl Guard {
    fn begin(mut asked: GuardRequest) -> Result<Self, Fault> {
        let signals = Signals::install()?;
        let now = clock::uptime();
        reserve(&mut asked)?;
        let (ready, is_own) = (asked.permit.ready.clone().unwrap_or_default(), asked.permit.reservation.is_some());
        let start = |argv: &Argv| {
            if is_own {
                return WatchedCommand::start_own(argv, Some(&ready));
            }
            WatchedCommand::start(&holding(argv), argv, Some(&ready))
        };
        let holder = asked.permit.acquire.as_ref().map(start).transpose()?;
        let record = PermitRecord::new(asked.permit.clone());
        let (renewal, stuck, machine_at) = (None, Vec::new(), now + MACHINE_CHECKED);
        Ok(Self { asked, signals, record, socket: None, holder, renewal, renews_at: now, stuck, machine_at })
    }

    /// Looks how everything goes. Returns why there is nothing left to guard.
    fn look(&mut self) -> Result<Option<String>, Fault> {
        let now = clock::uptime();
        self.look_at_holder(now);
        self.look_at_renewal(now);
        self.stuck.retain_mut(|command| command.ended().is_none());
        let state = self.record.at(now);
        if self.socket.is_none() && matches!(state, PermitState::Held { .. }) {
            let answer = permit::held_now(&self.asked.permit, state.clone());
            self.socket = Some(PermitSocket::open(&self.asked.listen, answer)?);
        }
        self.socket.iter().for_each(|socket| socket.set(state.clone()));
        match state {
            PermitState::Lost { left, why } => Ok((!self.ends_guest(now, left)).then_some(why)),
            PermitState::Held { .. } | PermitState::Wanted => Ok(self.is_left(now)),
        }
    }

    fn look_at_holder(&mut self, now: Duration) {
        let Some(holder) = &mut self.holder else { return };
        if holder.is_ready() {
            self.record.acquired();
        }
        let Some(ended) = holder.ended() else { return };
        let why = ended.err().unwrap_or_else(|| holder.told("ended with status 0"));
        self.record.ended(now, why);
        self.holder = None;
    }

    fn look_at_renewal(&mut self, now: Duration) {
        let Some(keep) = self.asked.permit.keep.clone() else { return };
        if let Some((mut command, started)) = self.renewal.take() {
            match command.ended() {
                Some(Ok(())) => self.record.renewed(started),
                Some(Err(why)) => self.record.not_renewed(now, why),
                None if now < started + self.asked.permit.every => self.renewal = Some((command, started)),
                None => {
                    let every = self.asked.permit.every;
                    self.record.not_renewed(now, command.told(&format!("did not answer within {every:?}")));
                    command.signal(Signal::SIGKILL);
                    self.stuck.push(command);
                }
            }
        }
        let is_over = self.renewal.is_some() || now < self.renews_at || self.stuck.len() >= STUCK_MAX;
        if is_over || !self.record.is_to_be_renewed() {
            return;
        }
        self.renews_at = now + self.asked.permit.every;
        let started = match self.asked.permit.reservation {
            Some(_) => WatchedCommand::start_own(&keep, None),
            None => WatchedCommand::start(&keep, &keep, None),
        };
        match started {
            Ok(command) => self.renewal = Some((command, now)),
            Err(fault) => self.record.not_renewed(now, fault.message),
        }
    }

    /// Ends the guest of a permit that is lost when its time is over. Returns whether there is one.
    fn ends_guest(&mut self, now: Duration, left: Duration) -> bool {
        if !left.is_zero() && now < self.machine_at.min(now + left) {
            return true;
        }
        self.machine_at = now + MACHINE_CHECKED.min(LOOK * 4);
        // Who cannot look does not leave: there may be one.
        let Ok(host) = settings::host(false) else { return true };
        let Some(pid) = recovery::guest_of_run(&host, &self.asked.machine) else { return false };
        if left.is_zero() {
            // Held before it is asked once more whether it is the guest's: no other process has the number then.
            let held = ForeignProcess::of(pid, self.signals.clone(), None);
            let is_its = recovery::guest_of_run(&host, &self.asked.machine) == Some(pid);
            held.into_iter().filter(|_| is_its).for_each(|mut guest| guest.signal(Signal::SIGKILL));
        }
        true
    }

    /// Returns why a permit is given back though it is held: nobody runs the machine any more.
    fn is_left(&mut self, now: Duration) -> Option<String> {
        if now < self.machine_at {
            return None;
        }
        self.machine_at = now + MACHINE_CHECKED;
        let (host, machine) = (settings::host(false).ok()?, &self.asked.machine);
        // One that its run had no time to note is not known as its guest, and may be.
        let is_there = recovery::holder(&host, machine).is_some()
            || recovery::guest_of_run(&host, machine).is_some()
            || host.processes().answers(machine) == Some(true);
        (!is_there).then(|| format!("{machine} does not run any more, and its permit is given back"))
    }

    /// Returns whether the guest runs though somebody asks to stop. Its permit counts as lost then.
    fn has_guest(&mut self) -> bool {
        let machine = &self.asked.machine;
        let runs = settings::host(false).map_or(true, |host| recovery::guest_of_run(&host, machine).is_some());
        if runs {
            self.record.ended(clock::uptime(), "somebody asked who guards it to end".into());
        }
        runs
    }

    /// Ends the commands: the one that holds the permit may give it back.
    fn end(&mut self) {
        self.socket = None;
        let renewal = self.renewal.take().map(|(command, _)| command);
        renewal.iter().for_each(|command| command.signal(Signal::SIGKILL));
        self.stuck.extend(renewal);
        let Some(holder) = &mut self.holder else { return };
        for (signal, within) in [(Signal::SIGTERM, GIVES_BACK_WITHIN), (Signal::SIGKILL, LOOK * 4)] {
            holder.signal(signal);
            let until = clock::uptime() + within;
            while clock::uptime() < until {
                if holder.ended().is_some() {
                    return;
                }
                wait::pause(PollTimeout::from(TICK_MS));
            }
        }
    }
}

/// Has a permit that is a reservation be held and renewed by commands of vmrun's own, for this run of its machine.
fn reserve(asked: &mut GuardRequest) -> Result<(), Fault> {
    let Some(path) = &asked.permit.reservation else { return Ok(()) };
    let nonce = reservation::nonce()?;
    let argv = Argv::new(own()).arg("reservation").arg(path.display().to_string());
    let argv = argv.arg(format!("--machine={}", asked.machine)).arg(format!("--nonce={nonce}"));
    let argv = argv.arg(format!("--ttl={}ms", asked.permit.ttl.as_millis()));
    asked.permit.keep = Some(argv.clone().arg("--renew"));
    asked.permit.acquire = Some(argv.args(asked.permit.fenced.iter().map(|host| format!("--fenced={host}"))));
    Ok(())
}

/// Returns the program that this one is.
fn own() -> String {
    own_program().map_or_else(|| "vmrun".into(), |path| path.display().to_string())
}

/// Returns the command that becomes the one which holds a permit.
fn holding(argv: &Argv) -> Argv {
    let program = own();
    let words = argv.words().into_iter().map(|word| format!("--acquire={word}"));
    Argv::new(program).args(["permit-guard", "--become"]).args(words)
}

/// Returns a command of its words.
pub(crate) fn command(words: &[String]) -> Option<Argv> {
    let (program, rest) = words.split_first()?;
    Some(Argv::new(program).args(rest))
}
