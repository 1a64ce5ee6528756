//! The guest: how it ends is told by the next line of `exits`.
//!
//! | line | what the guest does |
//! |---|---|
//! | `0`, `1`, `2`, `3`, `4` | ends at once with this status; so does any other number up to 255 |
//! | `signal N` | dies by this signal |
//! | `run` | runs; SIGTERM presses its power button, and it ends with 1 |
//! | `deaf` | runs and ignores SIGTERM; bhyvectl can stop it |
//! | `stuck` | runs and ignores SIGTERM and what bhyvectl asks; only `--destroy` or SIGKILL ends it |
//! | `firmware` | runs without ACPI: SIGTERM kills it at once |
//! | `say TEXT\|STATUS` | writes TEXT and a newline on stdout if a serial port is `stdio`, and ends |
//! | `err TEXT\|STATUS` | writes TEXT on stderr and ends |
//! | `talk` | runs, and writes on stdout whatever is put into the file `talk`; else like `run` |
//! | `echo` | copies stdin to stdout until a line `quit`, and ends with 1; else like `run` |
//!
//! No line is `1`. A line is used up only by a bhyve whose every check has passed. A running guest ends with 1 or 0
//! when bhyvectl forces it off or to a reset, and with 1 and a word on stderr when its node is destroyed.

use std::io::{self, BufRead};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use super::machine::Machine;
use super::tree::ERROR;
use crate::exit::{Ending, Exit, Step, say, warn};
use crate::node;

/// `SIGTERM`.
const SIGTERM: i32 = 15;

/// How often the world is looked at.
const POLL: Duration = Duration::from_millis(5);

/// The signals that have arrived.
pub(crate) struct Signals {
    term: Arc<AtomicBool>,
}

impl Signals {
    /// Catches SIGTERM from now on, so that one which comes early is not lost. FreeBSD's bhyve would die of it.
    pub(crate) fn catch() -> Step<Self> {
        let term = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGTERM, Arc::clone(&term))?;
        Ok(Self { term })
    }

    fn take(&self) -> bool {
        self.term.swap(false, Ordering::SeqCst)
    }
}

/// One line of `exits`.
#[derive(Debug, PartialEq, Eq)]
enum Script {
    End(Ending),
    Say(String, u8),
    Complain(String, u8),
    Run(Ears),
    Talk,
    Echo,
}

/// What a running guest heeds, besides the loss of its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ears {
    /// The power button and bhyvectl.
    Acpi,
    /// bhyvectl; SIGTERM kills.
    Firmware,
    /// bhyvectl only.
    Deaf,
    /// Nothing.
    Stuck,
}

impl Script {
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim_end();
        let ending = |text: &str| match text.rsplit_once('|') {
            Some((text, status)) => Some((text.to_string(), status.trim().parse().ok()?)),
            None => Some((text.to_string(), 1)),
        };
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        Some(match (word, rest) {
            ("run", "") => Self::Run(Ears::Acpi),
            ("deaf", "") => Self::Run(Ears::Deaf),
            ("stuck", "") => Self::Run(Ears::Stuck),
            ("firmware", "") => Self::Run(Ears::Firmware),
            ("talk", "") => Self::Talk,
            ("echo", "") => Self::Echo,
            ("signal", number) => Self::End(Ending::Signal(number.parse().ok()?)),
            ("say", text) => ending(text).map(|(text, status)| Self::Say(text, status))?,
            ("err", text) => ending(text).map(|(text, status)| Self::Complain(text, status))?,
            (status, "") => Self::End(Ending::Status(status.parse().ok()?)),
            _ => return None,
        })
    }
}

/// Plays the guest to its end; with -M again and again, until it ends otherwise than by a reboot.
pub(crate) fn play(machine: &Machine, signals: &Signals) -> Step<Ending> {
    if let Some(ending) = wait_for_viewer(machine, signals)? {
        return Ok(ending);
    }
    let monitor = machine.tree.flag("monitor", false)?;
    loop {
        let line = machine.state.take_boot()?.unwrap_or_else(|| "1".to_string());
        let script = Script::parse(&line).ok_or_else(|| Exit::fake(format!("exits: cannot read `{line}`")))?;
        match boot(machine, signals, script)? {
            Ending::Status(0) if monitor => {}
            Ending::Signal(_) if monitor => return Ok(Ending::Status(ERROR)),
            ending @ (Ending::Status(_) | Ending::Signal(_)) => return Ok(ending),
        }
    }
}

fn boot(machine: &Machine, signals: &Signals, script: Script) -> Step<Ending> {
    match script {
        Script::End(ending) => Ok(ending),
        Script::Say(text, status) => {
            if machine.stdio {
                say(format!("{text}\n"));
            }
            Ok(Ending::Status(status))
        }
        Script::Complain(text, status) => {
            warn(text);
            Ok(Ending::Status(status))
        }
        Script::Run(ears) => watch(machine, signals, ears, None),
        Script::Talk => talk(machine, signals),
        Script::Echo => watch(machine, signals, Ears::Acpi, Some(&input())),
    }
}

/// Runs until something ends the guest, and says what it finds in the file `talk`.
fn talk(machine: &Machine, signals: &Signals) -> Step<Ending> {
    loop {
        if let Some(ending) = look(machine, signals, Ears::Acpi)? {
            return Ok(ending);
        }
        let text = machine.state.read("talk")?;
        if !text.is_empty() {
            machine.state.remove("talk")?;
            say(text);
        }
        thread::sleep(POLL);
    }
}

/// With fbuf's `wait` the guest starts when a viewer has connected; until then SIGTERM kills.
fn wait_for_viewer(machine: &Machine, signals: &Signals) -> Step<Option<Ending>> {
    let Some(socket) = machine.viewer.and_then(|viewer| machine.sockets.get(viewer)) else {
        return Ok(None);
    };
    socket.set_nonblocking(true)?;
    while socket.accept().is_err() {
        if let Some(ending) = look(machine, signals, Ears::Firmware)? {
            return Ok(Some(ending));
        }
        thread::sleep(POLL);
    }
    Ok(None)
}

/// Runs until something ends the guest.
fn watch(machine: &Machine, signals: &Signals, ears: Ears, input: Option<&Receiver<String>>) -> Step<Ending> {
    loop {
        if let Some(ending) = look(machine, signals, ears)? {
            return Ok(ending);
        }
        for line in input.into_iter().flat_map(Receiver::try_iter) {
            if line == "quit" {
                return Ok(Ending::Status(1));
            }
            say(format!("{line}\n"));
        }
        thread::sleep(POLL);
    }
}

/// Looks once whether something ends the guest.
fn look(machine: &Machine, signals: &Signals, ears: Ears) -> Step<Option<Ending>> {
    let node = node::load(machine.state, &machine.name)?;
    if node.and_then(|node| node.pid) != Some(std::process::id()) {
        warn("vm_run error -1, errno 25");
        return Ok(Some(Ending::Status(1)));
    }
    let file = node::request_file(&machine.name);
    let request = machine.state.read(&file)?;
    if !request.is_empty() && ears != Ears::Stuck {
        machine.state.remove(&file)?;
        return Ok(Some(Ending::Status(u8::from(request.trim() != "reset"))));
    }
    Ok(match (signals.take(), ears) {
        (true, Ears::Acpi) => Some(Ending::Status(1)),
        (true, Ears::Firmware) => Some(Ending::Signal(SIGTERM)),
        (true, Ears::Deaf | Ears::Stuck) | (false, _) => None,
    })
}

/// The lines of stdin, read on the side.
fn input() -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::{Ears, Ending, Script};

    #[test]
    fn a_number_is_a_status_and_signals_have_a_word() {
        assert_eq!(Script::parse("0"), Some(Script::End(Ending::Status(0))));
        assert_eq!(Script::parse("signal 6"), Some(Script::End(Ending::Signal(6))));
        assert_eq!(Script::parse("256"), None);
        assert_eq!(Script::parse("dance"), None);
    }

    #[test]
    fn texts_end_at_the_last_bar() {
        assert_eq!(Script::parse("say a|b|3"), Some(Script::Say("a|b".into(), 3)));
        assert_eq!(Script::parse("err no status"), Some(Script::Complain("no status".into(), 1)));
        assert_eq!(Script::parse("say text|x"), None);
    }

    #[test]
    fn running_guests_differ_in_what_they_hear() {
        assert_eq!(Script::parse("run"), Some(Script::Run(Ears::Acpi)));
        assert_eq!(Script::parse("deaf "), Some(Script::Run(Ears::Deaf)));
        assert_eq!(Script::parse("echo"), Some(Script::Echo));
    }
}
