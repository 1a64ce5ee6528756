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
//! Where there is no line, the guest is the one that the boot ROM names in its first line, `guest NAME`; any other is `1`:
//!
//! | name | what the guest does |
//! |---|---|
//! | `poweroff`, `reset`, `halt` | ends at once with 1, 0 or 2; without -H one that halts goes on for ever |
//! | `triple` | a triple fault: bhyve aborts, as it does on AMD's processors |
//! | `spin`, `acpi`, `deaf` | runs without ACPI, with it, and deaf to its button |
//! | `hello`, `helloacpi` | writes `hello from guest` on its serial port, and powers off, or runs with ACPI |
//! | `echo` | writes back what it reads on its serial port, until a `p` powers it off or an `r` resets it |
//!
//! A line is used up only by a bhyve whose every check has passed. A running guest ends with 1 or 0 when bhyvectl forces
//! it off or to a reset, and with 1 and a word on stderr when its node is destroyed.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

use super::machine::Machine;
use super::tree::ERROR;
use super::{serial, twelve};
use crate::exit::{Ending, Exit, Step, say, warn};
use crate::node::{self, Suspend};
use crate::process::WAITS;

/// `SIGABRT` and `SIGTERM`.
const SIGABRT: i32 = 6;
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

    /// Dies of the signals that Rust's own start has taken for itself, as every other program does.
    pub(crate) fn die_as_others() -> Step<()> {
        let taken: SigSet = [Signal::SIGPIPE, Signal::SIGSEGV].into_iter().collect();
        taken.thread_block().map_err(io::Error::from)?;
        thread::spawn(move || {
            if let Ok(signal) = taken.wait() {
                let _ = signal_hook::low_level::emulate_default_handler(signal as i32);
            }
        });
        Ok(())
    }

    fn take(&self) -> bool {
        self.term.swap(false, Ordering::SeqCst)
    }
}

/// One line of `exits`.
#[derive(Debug, PartialEq, Eq)]
enum Script {
    End(Ending),
    /// An exit of the machine that bhyve does not know: it shows it, and aborts.
    Abort(Fault),
    /// An assertion of bhyve's own that does not hold.
    Assert(&'static str),
    Say(String, u8),
    Complain(String, u8),
    Run(Ears),
    Talk,
    /// Says a line on the serial port, and then does something else.
    Hello(Box<Script>),
    Echo,
    /// Echoes single characters.
    Typewriter,
}

/// An exit of a machine on an AMD processor that bhyve does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fault {
    rip: u64,
    code: u64,
    info1: u64,
    info2: u64,
}

/// A triple fault; no ROM is mapped, and no code is in the one that is.
const TRIPLE: Fault = Fault { rip: 0xf006, code: 0x7f, info1: 0, info2: 0 };
const NO_ROM: Fault = Fault { rip: 0xfff0, code: 0x400, info1: 0x1_0000_0014, info2: 0xffff_fff0 };
const NO_CODE: Fault = Fault { rip: 0, code: 0x400, info1: 0x1_0000_0014, info2: 0xffff_0000 };

impl Fault {
    fn lines(self) -> Vec<String> {
        let Self { rip, code, info1, info2 } = self;
        vec![
            "vm exit[0]".to_string(),
            "\treason\t\tSVM".to_string(),
            format!("\trip\t\t0x{rip:016x}"),
            "\tinst_length\t0".to_string(),
            format!("\texitcode\t{code:#x}"),
            format!("\texitinfo1\t{}", hexadecimal(info1)),
            format!("\texitinfo2\t{}", hexadecimal(info2)),
        ]
    }
}

/// `%#lx` of printf(3): no `0x` before a 0.
fn hexadecimal(number: u64) -> String {
    if number == 0 { "0".to_string() } else { format!("{number:#x}") }
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

    /// What the guest in the boot ROM does; bhyve halts with it only where -H was given.
    fn of_rom(machine: &Machine) -> Step<Self> {
        let rom = machine.tree.get("bootrom").or_else(|| machine.tree.get("lpc.bootrom"));
        let Some(rom) = rom else { return Ok(Self::End(Ending::Status(1))) };
        if machine.tree.release.major < 13 {
            if !twelve::has_bridge(machine) {
                return Ok(Self::Abort(NO_ROM));
            }
            if Path::new(&rom).is_dir() {
                return Ok(Self::Abort(NO_CODE));
            }
        }
        let mut line = String::new();
        if fs::metadata(&rom).is_ok_and(|metadata| metadata.is_file()) {
            let _ = BufReader::new(File::open(&rom)?.take(64)).read_line(&mut line);
        }
        let off = Self::End(Ending::Status(1));
        Ok(match line.trim_end().strip_prefix("guest ").unwrap_or_default() {
            "reset" => Self::End(Ending::Status(0)),
            "halt" if machine.tree.flag("x86.vmexit_on_hlt", false)? => Self::End(Ending::Status(2)),
            "halt" | "spin" => Self::Run(Ears::Firmware),
            "triple" => Self::Abort(TRIPLE),
            "acpi" => Self::Run(Ears::Acpi),
            "deaf" => Self::Run(Ears::Deaf),
            "hello" => Self::Hello(Box::new(off)),
            "helloacpi" => Self::Hello(Box::new(Self::Run(Ears::Acpi))),
            "echo" => Self::Typewriter,
            _ => off,
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
        if !machine.set_going()? {
            return Ok(lost());
        }
        if machine.stdio && machine.tree.release.major < 13 {
            serial::warn_of_stdin();
        }
        let script = match machine.state.take_boot()? {
            Some(line) => Script::parse(&line).ok_or_else(|| Exit::fake(format!("exits: cannot read `{line}`")))?,
            None => Script::of_rom(machine)?,
        };
        let script = machine.assertion().map_or(script, Script::Assert);
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
        Script::Abort(fault) => {
            fault.lines().iter().for_each(warn);
            Ok(Ending::Signal(SIGABRT))
        }
        Script::Assert(line) => {
            warn(line);
            Ok(Ending::Signal(SIGABRT))
        }
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
        Script::Hello(then) => {
            if machine.stdio {
                say("hello from guest\r\n");
            }
            boot(machine, signals, *then)
        }
        Script::Echo => {
            let mut line = Vec::new();
            watch(machine, signals, Ears::Acpi, Some(&mut |byte| echo(&mut line, byte)))
        }
        Script::Typewriter if machine.stdio => watch(machine, signals, Ears::Firmware, Some(&mut typed)),
        Script::Typewriter => watch(machine, signals, Ears::Firmware, None),
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

/// Copies a line once it is whole, until one is `quit`.
fn echo(line: &mut Vec<u8>, byte: u8) -> Option<Ending> {
    if byte != b'\n' {
        line.push(byte);
        return None;
    }
    if line == b"quit" {
        return Some(Ending::Status(1));
    }
    say(String::from_utf8_lossy(line) + "\n");
    line.clear();
    None
}

/// Writes a character back; two of them end the guest.
fn typed(byte: u8) -> Option<Ending> {
    match byte {
        b'p' => return Some(Ending::Status(1)),
        b'r' => return Some(Ending::Status(0)),
        _ => say(char::from(byte)),
    }
    None
}

/// With fbuf's `wait` the guest starts when a viewer has connected; until then SIGTERM kills. No processor runs yet that could
/// see what bhyvectl asks, or that the node is gone (signals.txt).
fn wait_for_viewer(machine: &Machine, signals: &Signals) -> Step<Option<Ending>> {
    let Some(socket) = machine.viewer.and_then(|viewer| machine.sockets.get(viewer)) else {
        return Ok(None);
    };
    socket.set_nonblocking(true)?;
    // Only then it gives itself its title.
    let named = |name: &str| fs::write("/proc/self/comm", name);
    named(WAITS)?;
    while socket.accept().is_err() {
        if signals.take() {
            return Ok(Some(Ending::Signal(SIGTERM)));
        }
        thread::sleep(POLL);
    }
    named("bhyve")?;
    Ok(None)
}

/// What a guest does with a byte from its serial port, and whether it ends of it.
type Heed<'a> = &'a mut dyn FnMut(u8) -> Option<Ending>;

/// Runs until something ends the guest, or what is done with a byte from its serial port does.
fn watch(machine: &Machine, signals: &Signals, ears: Ears, heed: Option<Heed<'_>>) -> Step<Ending> {
    let mut port = heed.map(|heed| (heed, input()));
    loop {
        if let Some(ending) = look(machine, signals, ears)? {
            return Ok(ending);
        }
        if let Some((heed, input)) = &mut port
            && let Some(ending) = input.try_iter().flatten().find_map(heed)
        {
            return Ok(ending);
        }
        thread::sleep(POLL);
    }
}

/// Looks once whether something ends the guest.
fn look(machine: &Machine, signals: &Signals, ears: Ears) -> Step<Option<Ending>> {
    let node = node::load(machine.state, &machine.name)?;
    let Some(node) = node.filter(|node| node.pid == Some(std::process::id())) else {
        return Ok(Some(lost()));
    };
    if let Some(how) = node.suspend.filter(|_| ears != Ears::Stuck) {
        return Ok(Some(Ending::Status(how.status())));
    }
    Ok(match (signals.take(), ears) {
        (true, Ears::Acpi) => Some(Ending::Status(Suspend::Poweroff.status())),
        (true, Ears::Firmware) => Some(Ending::Signal(SIGTERM)),
        (true, Ears::Deaf | Ears::Stuck) | (false, _) => None,
    })
}

/// The node was destroyed.
fn lost() -> Ending {
    warn("vm_run error -1, errno 25");
    Ending::Status(1)
}

/// What comes in on stdin, read on the side. Nothing may be there yet: bhyve has made it non-blocking.
fn input() -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        loop {
            match io::stdin().lock().read(&mut bytes) {
                Ok(0) => break,
                Ok(count) if sender.send(bytes[..count].to_vec()).is_err() => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(POLL),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
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
