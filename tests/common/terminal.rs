//! A terminal with somebody at it: a program in a pty.

use nix::pty::{OpenptyResult, openpty};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take that nobody waits for on purpose.
const SOON: Duration = Duration::from_secs(30);

/// What no program says: ACK.
const MARK: &str = "\x06";

/// One end of a pty, with all that came from it. The other end is a tty.
pub(crate) struct Terminal {
    keyboard: File,
    tty: OwnedFd,
    /// How it was set up at first.
    first: Termios,
    shown: Arc<Mutex<Vec<u8>>>,
    /// What was looked at already.
    seen: usize,
}

impl Terminal {
    pub(crate) fn new() -> Self {
        let OpenptyResult { master, slave } = openpty(None, None).unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut screen, all) = (File::from(master.try_clone().unwrap()), shown.clone());
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Ends when every tty of it is closed.
            while let Ok(count) = screen.read(&mut buffer) {
                all.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        let first = tcgetattr(&slave).unwrap();
        Self { keyboard: master.into(), tty: slave, first, shown, seen: 0 }
    }

    /// The path of its tty.
    pub(crate) fn path(&self) -> PathBuf {
        nix::unistd::ttyname(&self.tty).unwrap()
    }

    /// Starts a program on it.
    pub(crate) fn start(&self, command: &mut Command) -> Child {
        let tty = || self.tty.try_clone().unwrap();
        command.stdin(tty()).stdout(tty()).stderr(tty()).spawn().unwrap()
    }

    /// Types something.
    pub(crate) fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
    }

    /// Waits until something is shown, and returns what came up to it.
    #[track_caller]
    pub(crate) fn shows(&mut self, text: &str, within: Duration) -> String {
        let begin = Instant::now();
        loop {
            let all = self.shown.lock().unwrap().clone();
            if let Some(at) = all[self.seen..].windows(text.len()).position(|bytes| bytes == text.as_bytes()) {
                let end = self.seen + at + text.len();
                let from = std::mem::replace(&mut self.seen, end);
                return String::from_utf8_lossy(&all[from..self.seen]).into_owned();
            }
            assert!(begin.elapsed() < within, "never came: {text:?}\n{}", String::from_utf8_lossy(&all));
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until a program on it has ended, and returns how, and what was shown since the last look.
    #[track_caller]
    pub(crate) fn ends(&mut self, mut child: Child) -> (ExitStatus, String) {
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert!(begin.elapsed() < SOON, "still runs: {}", String::from_utf8_lossy(&self.shown.lock().unwrap()));
            thread::sleep(Duration::from_millis(5));
        };
        // What it said last is on its way, and comes before what is said now.
        File::from(self.tty.try_clone().unwrap()).write_all(MARK.as_bytes()).unwrap();
        let said = self.shows(MARK, SOON);
        (status, said.trim_end_matches(MARK).to_string())
    }

    /// How it is set up.
    pub(crate) fn settings(&self) -> Termios {
        tcgetattr(self.tty.as_fd()).unwrap()
    }

    /// Whether keys come as they are.
    pub(crate) fn is_raw(&self) -> bool {
        !self.settings().local_flags.intersects(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG)
    }

    /// Sets it up as it was at first, so that [`Self::until_raw`] tells of the next program that has it.
    pub(crate) fn is_nobodys(&self) {
        tcsetattr(&self.tty, SetArg::TCSANOW, &self.first).unwrap();
    }

    /// Waits until keys come as they are.
    #[track_caller]
    pub(crate) fn until_raw(&self) {
        let begin = Instant::now();
        while !self.is_raw() {
            assert!(begin.elapsed() < SOON, "not raw: {}", String::from_utf8_lossy(&self.shown.lock().unwrap()));
            thread::sleep(Duration::from_millis(5));
        }
    }
}
