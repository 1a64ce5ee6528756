//! A dialog with a guest (expect and send) on its first serial port, its screen and its keyboard, beside the run that waits for its end.

use super::console::{Console, SerialLine, reachable};
use super::screen::{Screen, Seat};
use crate::diag::may_fail::MayFail as _;
use crate::diag::{Blame, Fault};
use crate::host::Settings;
use crate::host::spawn;
use crate::model::{DialogStep, Machine, Secret};
use crate::screen::picture::Picture;
use crate::screen::serial::Heard;
use crate::screen::{keys, text};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long a line or a screen may take to be there.
const OPENS: Duration = Duration::from_secs(10);

/// How long after a key the next one is pressed.
const PACE: Duration = Duration::from_millis(30);

/// How often it is looked whether it is, and whether the dialog is still wanted.
const LOOK: Duration = Duration::from_millis(100);

/// How far a dialog has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DialogOutcome {
    /// A step waits for a text of the guest, or for its time.
    UnderWay,
    /// All of it was said and heard.
    Done,
    /// The guest did not say what it was to say, or cannot be talked to.
    Failed(Fault),
}

/// A dialog that is under way. It ends when this is dropped.
pub(crate) struct Dialog {
    outcome: Receiver<Result<(), Fault>>,
    is_over: Arc<AtomicBool>,
}

/// Returns where the screen of a machine is shown, and the password that lets one in.
fn display_of(machine: &Machine) -> Option<(Seat, Option<Secret>)> {
    let socket = machine.screen_socket().map(|(path, password)| (Seat::Socket(path.as_path().into()), password));
    let address = || machine.screen().map(|(address, password)| (Seat::Address(reachable(address)), password));
    socket.or_else(address).map(|(seat, password)| (seat, password.cloned()))
}

impl Drop for Dialog {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
    }
}

impl Dialog {
    /// Begins the dialog with the guest of a machine, whose first serial port is that line.
    pub(crate) fn begin(machine: &Machine, line: Option<SerialLine>) -> Self {
        let (tell, outcome) = channel();
        let is_over: Arc<AtomicBool> = Arc::default();
        let display = display_of(machine);
        let (name, steps) = (machine.name().to_string(), machine.dialog().to_vec());
        let (known, tells) = (is_over.clone(), tell.clone());
        let begun = spawn::thread(move || {
            let mut player =
                DialogPlayer { name, is_over: known, console: None, display, screen: None, heard: Heard::default() };
            tells.send(player.play(line.as_ref(), &steps)).may_fail("whoever waited for it may be gone");
        });
        if let Err(fault) = begun {
            // It is told as what became of it.
            tell.send(Err(fault)).may_fail("who waits for it is here");
        }
        Self { outcome, is_over }
    }

    /// Begins the dialog with the guest of a machine that was booted, if its recipe has one.
    pub(crate) fn of(machine: &Machine, settings: &Settings) -> Option<Self> {
        if machine.dialog().iter().all(DialogStep::is_on_screen) {
            return (!machine.dialog().is_empty()).then(|| Self::begin(machine, None));
        }
        let line = SerialLine::of(machine.ttys().get("com1")?, "com1", machine.name(), settings)?;
        Some(Self::begin(machine, Some(line)))
    }

    /// Returns how far it has come, waiting so long for its end.
    pub(crate) fn outcome(&self, within: Duration) -> DialogOutcome {
        match self.outcome.recv_timeout(within) {
            Ok(Ok(())) => DialogOutcome::Done,
            Ok(Err(fault)) => DialogOutcome::Failed(fault),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => DialogOutcome::UnderWay,
        }
    }
}

fn open(line: &SerialLine) -> Result<Console, Fault> {
    let until = Instant::now() + OPENS;
    loop {
        match line.open() {
            Err(_) if Instant::now() < until => thread::park_timeout(LOOK),
            opened => return opened,
        }
    }
}

/// Who takes the steps of a dialog.
struct DialogPlayer {
    name: String,
    is_over: Arc<AtomicBool>,
    /// The serial port, if anything is to be said or heard there.
    console: Option<Console>,
    /// What was heard of it and is not forgotten yet.
    heard: Heard,
    /// Where the screen is, and what lets one in.
    display: Option<(Seat, Option<Secret>)>,
    /// The screen, while it is needed: bhyve lets in one viewer at a time.
    screen: Option<Screen>,
}

impl DialogPlayer {
    fn play(&mut self, line: Option<&SerialLine>, steps: &[DialogStep]) -> Result<(), Fault> {
        // Nothing that is said before it is asked for is missed.
        self.console = line.map(open).transpose()?;
        for step in steps {
            if self.is_over() {
                break;
            }
            if !step.is_on_screen() {
                self.screen = None;
            }
            match step {
                DialogStep::Expect(text, within) => self.expect(text, *within)?,
                DialogStep::Send(text) => self.say(text.as_bytes())?,
                DialogStep::Whisper(secret) => self.say(format!("{}\n", secret.reveal()).as_bytes())?,
                DialogStep::Shows(text, within) => self.watch(text, *within)?,
                DialogStep::Type(text) => self.press(&keys::parse(text)?)?,
                DialogStep::TypeSecret(secret) => self.press(&keys::literal(&format!("{}\n", secret.reveal()))?)?,
            }
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    fn ended(&self, before: &str) -> Fault {
        Fault::new(format!("{} ended before it {before} on com1", self.name)).blame(Blame::Guest)
    }

    /// Waits until the guest says something.
    fn expect(&mut self, text: &str, within: Duration) -> Result<(), Fault> {
        let until = Instant::now() + within;
        while !self.heard.forget_to(text) {
            if until <= Instant::now() {
                let fault = Fault::new(format!("{} did not say {text:?} on com1 within {within:?}", self.name));
                let hint = self.heard.last_line().map(|line| format!("the last line that it said is {line:?}"));
                return Err(fault.blame(Blame::Guest).hint("it said nothing").maybe_hint(hint));
            }
            if self.is_over() {
                break;
            }
            self.hear(until.min(Instant::now() + LOOK)).ok_or_else(|| self.ended(&format!("said {text:?}")))?;
        }
        Ok(())
    }

    /// Says something until the guest took all of it.
    fn say(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if let Some(console) = &mut self.console {
            console.say(bytes);
        }
        while self.console.as_ref().is_some_and(|console| !console.is_sent()) {
            self.hear(Instant::now() + LOOK).ok_or_else(|| self.ended("took what it was told"))?;
        }
        Ok(())
    }

    /// Hears what the guest says until then; nothing if the line is gone.
    fn hear(&mut self, until: Instant) -> Option<()> {
        if let Some(console) = &mut self.console {
            self.heard.add(&console.hear(until)?);
        }
        Some(())
    }

    /// Waits until a line of the guest's screen has a text.
    fn watch(&mut self, wanted: &str, within: Duration) -> Result<(), Fault> {
        let until = Instant::now() + within;
        let (mut last, mut is_looked_at) = (None, false);
        while !self.is_over() {
            let looked = self.shows(wanted, is_looked_at, &mut last);
            is_looked_at = looked.is_ok();
            let gone = match looked {
                Ok(true) => break,
                Ok(false) => None,
                // A guest that starts again takes its server with it.
                Err(fault) => {
                    self.screen = None;
                    thread::park_timeout(LOOK);
                    Some(fault)
                }
            };
            if until <= Instant::now() {
                let message = format!("the screen of {} did not show {wanted:?} within {within:?}", self.name);
                let hint = last.map(|line| format!("the last line of its text is {line:?}"));
                let none = "no text was read on it: it is read as edk2's console and the VGA draw it";
                let unseen = || Fault::new(message).blame(Blame::Guest).hint(none).maybe_hint(hint);
                return Err(gone.unwrap_or_else(unseen));
            }
            // Who is not heard may wait to be.
            self.hear(Instant::now());
        }
        Ok(())
    }

    /// Looks whether the screen shows a text, now if it was not looked at yet, or as soon as it changes, and keeps the last
    /// line that it shows.
    fn shows(&mut self, wanted: &str, is_looked_at: bool, last: &mut Option<String>) -> Result<bool, Fault> {
        let has = |picture: &Picture| {
            let mut rows = text::read(picture);
            let found = rows.iter().any(|row| row.contains(wanted));
            *last = rows.pop();
            found
        };
        let screen = self.screen()?;
        if !is_looked_at {
            return screen.whole().map(has);
        }
        Ok(screen.changed(Instant::now() + LOOK)?.is_some_and(has))
    }

    /// Types at the guest's keyboard.
    fn press(&mut self, strokes: &[keys::Stroke]) -> Result<(), Fault> {
        let until = Instant::now() + OPENS;
        while self.screen().is_err() && Instant::now() < until && !self.is_over() {
            thread::park_timeout(LOOK);
        }
        self.screen()?.press(strokes, PACE)
    }

    fn screen(&mut self) -> Result<&mut Screen, Fault> {
        let Some((seat, password)) = &self.display else {
            return Err(Fault::new(format!("{} has no screen", self.name)));
        };
        let open = || Screen::open(seat.clone(), password.as_ref(), None, None);
        Ok(match self.screen.take() {
            Some(screen) => self.screen.insert(screen),
            None => self.screen.insert(open()?),
        })
    }
}
