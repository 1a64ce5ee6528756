//! A talk with a guest on its first serial port, beside the run that waits for its end.

use super::console::{Console, Line};
use crate::diag::{Blame, Fault};
use crate::model::Talk;
use crate::screen::serial::Heard;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long a line may take to be there.
const OPENS: Duration = Duration::from_secs(10);

/// How often it is looked whether it is, and whether the talk is still wanted.
const LOOK: Duration = Duration::from_millis(100);

/// How a talk went on so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Went {
    /// It is under way.
    On,
    /// All of it was said and heard.
    Well,
    /// The guest did not say what it was to say, or cannot be talked to.
    Wrong(Fault),
}

/// A talk that is under way. It ends when this is dropped.
pub struct Conversation {
    outcome: Receiver<Result<(), Fault>>,
    is_over: Arc<AtomicBool>,
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
    }
}

impl Conversation {
    /// Begins to talk.
    pub fn begin(name: &str, line: Line, steps: &[Talk]) -> Self {
        let (tell, outcome) = channel();
        let (name, steps) = (name.to_string(), steps.to_vec());
        let is_over: Arc<AtomicBool> = Arc::default();
        let known = is_over.clone();
        thread::spawn(move || {
            let is_over = || known.load(Ordering::SeqCst);
            let went = open(&line).and_then(|mut console| hold(&name, &mut console, &steps, &is_over));
            // Whoever waited for it may be gone.
            let _ = tell.send(went);
        });
        Self { outcome, is_over }
    }

    /// Returns how it went, waiting for that so long.
    pub fn went(&self, within: Duration) -> Went {
        match self.outcome.recv_timeout(within) {
            Ok(Ok(())) => Went::Well,
            Ok(Err(fault)) => Went::Wrong(fault),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Went::On,
        }
    }
}

fn open(line: &Line) -> Result<Console, Fault> {
    let until = Instant::now() + OPENS;
    loop {
        match line.open() {
            Err(_) if Instant::now() < until => thread::park_timeout(LOOK),
            opened => return opened,
        }
    }
}

fn hold(name: &str, console: &mut Console, steps: &[Talk], is_over: &dyn Fn() -> bool) -> Result<(), Fault> {
    let mut heard = Heard::default();
    let ended = |what: &str| Fault::new(format!("{name} ended before it {what} on com1")).blame(Blame::Guest);
    for step in steps {
        match step {
            Talk::Expect(text, within) => {
                let until = Instant::now() + *within;
                while !heard.forget_to(text) {
                    if until <= Instant::now() {
                        let fault = Fault::new(format!("{name} did not say {text:?} on com1 within {within:?}"));
                        let hint = heard.last_line().map(|line| format!("the last line that it said is {line:?}"));
                        return Err(fault.blame(Blame::Guest).hint("it said nothing").maybe_hint(hint));
                    }
                    if is_over() {
                        return Ok(());
                    }
                    let bytes = console
                        .hear(until.min(Instant::now() + LOOK))
                        .ok_or_else(|| ended(&format!("said {text:?}")))?;
                    heard.add(&bytes);
                }
            }
            Talk::Send(text) => {
                say(console, &mut heard, text.as_bytes()).ok_or_else(|| ended("took what it was told"))?
            }
            Talk::Whisper(secret) => say(console, &mut heard, format!("{}\n", secret.reveal()).as_bytes())
                .ok_or_else(|| ended("took what it was told"))?,
        }
    }
    Ok(())
}

/// Says something until the guest took all of it; nothing if the line is gone.
fn say(console: &mut Console, heard: &mut Heard, bytes: &[u8]) -> Option<()> {
    console.say(bytes);
    while !console.is_said() {
        heard.add(&console.hear(Instant::now() + LOOK)?);
    }
    Some(())
}
