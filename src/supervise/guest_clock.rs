//! The clock of a guest: while its host sleeps it stands still, and afterwards it is set by the agent, if the guest has one.

use super::Run;
use super::progress::Progress;
use crate::client::agent::clock::ClockSetting;
use crate::host::clock::slept;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// For how long a host has slept, of which a guest need not know.
const UNNOTICED: Duration = Duration::from_secs(3);

/// How often it is looked whether it has.
const CHECKED: Duration = Duration::from_secs(1);

/// What a run knows of the clock of its guest.
pub(super) struct GuestClock {
    /// For how long the host has slept since it was started.
    slept: Box<dyn Fn() -> Option<Duration>>,
    /// What of that the guest's clock has in it.
    known: Option<Duration>,
    /// The clock that is being set, and for how long the host had slept.
    setting: Option<(ClockSetting, Duration)>,
    /// When it was looked the last time.
    looked: Option<Instant>,
}

impl Default for GuestClock {
    fn default() -> Self {
        Self::by(slept)
    }
}

impl GuestClock {
    fn by(slept: impl Fn() -> Option<Duration> + 'static) -> Self {
        Self { slept: Box::new(slept), known: None, setting: None, looked: None }
    }

    /// A guest begins with the time that it is.
    fn begins(&mut self) {
        self.known = (self.slept)();
        self.setting = None;
    }

    /// Whether it is time to look again: who looks after a guest does so oftener.
    fn is_due(&mut self) -> bool {
        let is_due = self.looked.is_none_or(|at| at.elapsed() >= CHECKED);
        self.looked = if is_due { Some(Instant::now()) } else { self.looked };
        is_due
    }

    /// Looks whether the host has slept, and what has become of a clock that is being set; returns what there is to say.
    fn look(&mut self, socket: PathBuf) -> Option<String> {
        let outcome = self.setting.as_ref().and_then(|(setting, slept)| Some((setting.outcome()?, *slept)));
        if let Some((outcome, slept)) = outcome {
            self.setting = None;
            return Some(match outcome {
                Ok(()) => format!("the host has slept for {slept:?}: the clock of the guest was set"),
                Err(fault) => late(slept, &fault.message),
            });
        }
        let all = (self.slept)()?;
        let since = Duration::from_secs(all.saturating_sub(*self.known.get_or_insert(all)).as_secs());
        if since < UNNOTICED || self.setting.is_some() {
            return None;
        }
        self.known = Some(all);
        match ClockSetting::begin(socket) {
            Ok(setting) => self.setting = Some((setting, since)),
            Err(fault) => return Some(late(since, &fault.message)),
        }
        None
    }
}

fn late(slept: Duration, why: &str) -> String {
    format!("the host has slept for {slept:?}, and the clock of the guest may be late: its agent {why}")
}

impl Run {
    /// The guest that runs has the time of its host, as far as is known.
    pub(super) fn clock_begins(&mut self) {
        if self.agent().is_some() {
            self.clock.begins();
        }
    }

    /// Has the clock of a guest with an agent set where the host has slept. While its file systems are frozen its agent does nothing else.
    pub(super) fn look_at_clock(&mut self) {
        let socket = self.agent().filter(|_| self.frozen.is_none() && self.clock.is_due());
        if let Some(what) = socket.and_then(|socket| self.clock.look(socket)) {
            self.tell(Progress::Clock(&what));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::wait::pause;
    use nix::poll::PollTimeout;
    use serde_json::Value;
    use std::cell::Cell;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::net::UnixListener;
    use std::path::Path;
    use std::rc::Rc;
    use std::sync::mpsc::{Receiver, channel};
    use std::thread;
    use std::time::{SystemTime, UNIX_EPOCH};

    /// A host whose sleep is said, and a guest whose agent answers so to all but its greeting; what it was asked comes out of the channel.
    fn guest(answer: &'static str) -> (Rc<Cell<u64>>, GuestClock, PathBuf, Receiver<Value>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let (tell, asked) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                for line in BufReader::new(stream.try_clone().unwrap()).split(b'\n') {
                    let line = line.unwrap();
                    let request: Value = serde_json::from_slice(line.strip_prefix(b"\xff").unwrap_or(&line)).unwrap();
                    let greets = request["execute"] == "guest-sync-delimited";
                    let id = format!("{{\"return\": {}}}\n", request["arguments"]["id"]);
                    let said = if greets { [b"\xff", id.as_bytes()].concat() } else { answer.into() };
                    if !greets {
                        tell.send(request).unwrap();
                    }
                    if stream.write_all(&said).is_err() {
                        break;
                    }
                }
            }
        });
        let seconds = Rc::new(Cell::new(7000));
        let source = seconds.clone();
        let mut clock = GuestClock::by(move || Some(Duration::from_secs(source.get())));
        clock.begins();
        (seconds, clock, socket, asked, folder)
    }

    fn told(clock: &mut GuestClock, socket: &Path) -> String {
        let begun = Instant::now();
        loop {
            if let Some(told) = clock.look(socket.into()) {
                return told;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "nothing is told");
            pause(PollTimeout::from(5_u8));
        }
    }

    #[test]
    fn a_host_that_has_slept_sets_the_clock_of_its_guest_once() {
        let (slept, mut clock, socket, asked, _folder) = guest("{\"return\": {}}\n");
        // What is as ever, and what is too short, is no reason.
        for seconds in [0, 1, 1] {
            slept.set(slept.get() + seconds);
            assert_eq!(clock.look(socket.clone()), None);
        }
        assert!(clock.setting.is_none());
        slept.set(slept.get() + 3600);
        assert_eq!(told(&mut clock, &socket), "the host has slept for 3602s: the clock of the guest was set");
        let request = asked.try_recv().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let time = u128::from(request["arguments"]["time"].as_u64().unwrap());
        assert_eq!(request["execute"], "guest-set-time");
        assert!(time <= now && now - time < 20_000_000_000, "{time} {now}");
        assert_eq!((clock.look(socket), asked.try_recv().ok()), (None, None));
    }

    #[test]
    fn an_agent_that_refuses_has_date_try_it_and_is_told_and_not_asked_again() {
        let refuses = "{\"error\": {\"class\": \"GenericError\", \"desc\": \"hwclock failed to set hardware clock to system time\"}}\n";
        let (slept, mut clock, socket, asked, _folder) = guest(refuses);
        slept.set(slept.get() + 60);
        assert_eq!(
            told(&mut clock, &socket),
            "the host has slept for 60s, and the clock of the guest may be late: its agent refuses guest-set-time: hwclock failed \
             to set hardware clock to system time"
        );
        let commands: Vec<Value> = asked.try_iter().map(|request| request["execute"].clone()).collect();
        assert_eq!((clock.look(socket), commands), (None, vec!["guest-set-time".into(), "guest-exec".into()]));
    }

    #[test]
    fn where_a_system_does_not_tell_of_its_sleep_nobody_is_asked() {
        let mut clock = GuestClock::by(|| None);
        clock.begins();
        assert_eq!(clock.look("/no/agent.sock".into()), None);
        assert!(clock.setting.is_none());
    }
}
