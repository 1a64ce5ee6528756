//! ssh(1) to another sandbox: it runs vmrun there, and of a move of a machine it carries what both say to each other.
//!
//! The file `ssh` of the state has lines of a word and what belongs to it: `host FOLDER`, the sandbox that is reached, none if nothing is;
//! `at HOST FOLDER`, the one that is reached by that name; `vmrun PATH`, the program there; `earlier`, which has that seem to be one that
//! remembers no takeovers; `together COUNT`, which lets nobody through before so many have called; `strike WHEN WHO WHAT`. WHAT is a frame:
//! `take`, the request; `re:take`, the answer to it; `block`, one of a disk; `text` and `digests`. WHO dies by SIGKILL: `source`, which
//! has called us, `target`, which we have called, or `ssh`, which we are. `hang` is nobody: nothing more is passed on then, either way, and
//! nobody ends. WHEN is `before` the frame is passed on or `after` that; `struck` tells that it happened. It reads frames by itself, and shares no code with who speaks them.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::exit::{Exit, Step};
use crate::state::State;

/// What ssh(1) ends with when it fails itself (ssh(1), EXIT STATUS).
const SSH_FAILED: u8 = 255;

/// As long as any test waits for who hangs; who waits for longer fails.
const FOR_EVER: Duration = Duration::from_secs(300);

/// Who dies, and when.
#[derive(Clone)]
struct Strike {
    is_before: bool,
    who: String,
    what: String,
}

/// What is said, passed on.
struct Line {
    strike: Option<Strike>,
    /// Where it is told that somebody was struck.
    struck: PathBuf,
    target: u32,
    /// The last request.
    asked: Arc<Mutex<String>>,
    is_earlier: bool,
}

/// Runs `ssh OPTION… -- HOST vmrun WORD…`.
pub(crate) fn run(state: &State, args: &[String]) -> Step<u8> {
    let said = state.read("ssh")?;
    let of = |word: &str| said.lines().find_map(|line| line.strip_prefix(word)?.strip_prefix(' '));
    let destination = args.iter().skip_while(|word| *word != "--").nth(1).cloned().unwrap_or_default();
    let host = destination.rsplit('@').next().unwrap_or_default();
    let of_host = said.lines().find_map(|line| line.strip_prefix("at ")?.strip_prefix(host)?.strip_prefix(' '));
    let Some(folder) = of_host.or_else(|| of("host")) else {
        return Err(Exit::new(SSH_FAILED, format!("ssh: connect to host {destination} port 22: Connection refused\r")));
    };
    if of("together").is_some_and(|count| !are_together(state, count)) {
        return Err(Exit::new(SSH_FAILED, "nobody else has called meanwhile"));
    }
    let strike = of("strike").map(|text| {
        let mut words = text.split(' ').map(String::from);
        let mut next = || words.next().unwrap_or_default();
        Strike { is_before: next() == "before", who: next(), what: next() }
    });
    let words: Vec<&String> = args.iter().skip_while(|word| *word != "vmrun").skip(1).collect();
    let mut command = Command::new(of("vmrun").unwrap_or("vmrun"));
    command.args(&words).env_clear().current_dir(folder);
    let at = |name: &str| Path::new(folder).join(name);
    command.env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", at("bin").display())).env("HOME", at("home"));
    command.env("VMRUN_PLATFORM", "freebsd").env("FAKE_FREEBSD", at("fake"));
    command.env("VMRUN_VMM_DIR", at("fake/vmm")).env("VMRUN_ZVOL_DIR", at("fake/zvol"));
    command.env("VMRUN_STATE_DIR", at("state")).env("VMRUN_CONFIG", at("config"));
    command.env("VMRUN_CGROUP_DIR", at("fake/cgroup"));
    if words.first().is_none_or(|word| *word != "migrate-receive") {
        return plain(state, strike.as_ref(), (host, &words), command);
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (to, from) = (child.stdin.take(), child.stdout.take());
    let (struck, target, is_earlier) = (state.path("struck"), child.id(), said.lines().any(|line| line == "earlier"));
    let line = || Line { strike: strike.clone(), struck: struck.clone(), target, asked: Arc::default(), is_earlier };
    let (up, mut down) = (line(), line());
    down.asked = up.asked.clone();
    // It ends with us.
    thread::spawn(move || to.map(|to| up.carry(io::stdin(), to, false)));
    if let Some(from) = from {
        let _ = down.carry(from, io::stdout(), true);
    }
    let status = child.wait()?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(SSH_FAILED))
}

/// Waits until so many call at once, and returns whether they do in time.
fn are_together(state: &State, count: &str) -> bool {
    let (begin, folder) = (Instant::now(), state.path("calling"));
    let _ = std::fs::create_dir_all(&folder);
    let _ = std::fs::write(folder.join(Pid::this().to_string()), "");
    let wanted = count.parse().unwrap_or(1);
    while std::fs::read_dir(&folder).map_or(0, Iterator::count) < wanted {
        if begin.elapsed() > Duration::from_secs(5) {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
    true
}

/// Runs a command whose output is passed on as it is. It is struck where WHAT of the strike are its words, with `_` between them; who is
/// struck then dies before it begins or after it has ended, and of `ssh` the other side knows nothing.
fn plain(state: &State, strike: Option<&Strike>, (host, words): (&str, &[&String]), mut command: Command) -> Step<u8> {
    let said: Vec<&str> = words.iter().map(|word| word.as_str()).collect();
    let strike = strike.filter(|strike| strike.what == said.join("_"));
    let hit = |strike: &Strike| {
        let _ = std::fs::write(state.path("struck"), &strike.what);
        if strike.who == "hang" {
            thread::sleep(FOR_EVER);
        }
        if strike.who == "source" {
            let _ = kill(nix::unistd::getppid(), Signal::SIGKILL);
        }
        Err(Exit::new(SSH_FAILED, "Timeout, server vm6 not responding."))
    };
    if let Some(strike) = strike.filter(|strike| strike.is_before) {
        return hit(strike);
    }
    let done = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    // All sandboxes are on one host, and each is another one to those who ask.
    let own = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let named = String::from_utf8_lossy(&done.stdout)
        .replace(&format!("\"host\": \"{own}\""), &format!("\"host\": \"{host}\""));
    io::stdout().write_all(named.as_bytes())?;
    let status = done.status;
    strike.map_or_else(|| Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(SSH_FAILED)), hit)
}

/// Returns a message as a vmrun has it, or takes it, that knows of no takeovers.
fn earlier(message: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(message).replace("\"given_up\":[],", "").replace("\"encrypts\":true,", "");
    text.replace("\"request\":\"taken_over\"", "\"request\":\"what_is_not_known\"").into_bytes()
}

impl Line {
    fn carry(&self, mut from: impl Read, mut to: impl Write, is_answer: bool) -> io::Result<()> {
        loop {
            let mut head = [0; 5];
            from.read_exact(&mut head)?;
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
            from.read_exact(&mut bytes)?;
            let what = self.name(head[0], &bytes, is_answer);
            if self.is_earlier && head[0] == b'M' {
                bytes = earlier(&bytes);
                head[1..].copy_from_slice(&u32::try_from(bytes.len()).unwrap_or(0).to_be_bytes());
            }
            let strike = self.strike.as_ref().filter(|strike| strike.what == what);
            if self.strike.as_ref().is_some_and(|strike| strike.who == "hang") && self.struck.exists() {
                thread::sleep(FOR_EVER);
            }
            strike.filter(|strike| strike.is_before).inspect(|strike| self.hit(strike));
            to.write_all(&head)?;
            to.write_all(&bytes)?;
            to.flush()?;
            strike.inspect(|strike| self.hit(strike));
        }
    }

    /// What a frame is.
    fn name(&self, kind: u8, bytes: &[u8], is_answer: bool) -> String {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        match kind {
            b'M' if is_answer => format!("re:{asked}"),
            b'M' => {
                let text = String::from_utf8_lossy(bytes);
                let word = text.split("\"request\":\"").nth(1).and_then(|rest| rest.split('"').next());
                *asked = word.unwrap_or("nothing").to_string();
                asked.clone()
            }
            b'T' => "text".into(),
            b'B' => "block".into(),
            b'H' => "hole".into(),
            _ => "digests".into(),
        }
    }

    /// Kills who is meant; nothing more is passed on by us then.
    fn hit(&self, strike: &Strike) {
        if strike.who == "hang" {
            let _ = std::fs::write(&self.struck, &strike.what);
            thread::sleep(FOR_EVER);
        }
        let pid = match strike.who.as_str() {
            "source" => nix::unistd::getppid(),
            "target" => Pid::from_raw(i32::try_from(self.target).unwrap_or(-1)),
            _ => Pid::this(),
        };
        let _ = std::fs::write(&self.struck, &strike.what);
        let _ = kill(pid, Signal::SIGKILL);
        if strike.who == "source" {
            // Its pipes are closed with it, and so are ours.
            std::process::exit(0);
        }
    }
}
