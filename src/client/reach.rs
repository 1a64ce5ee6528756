//! Asks many addresses at once whether a VNC server answers there.
//!
//! One poll(2) waits for all of them, so that a host that is silent costs one timeout, however many machines it is asked for
//! and however many hosts are silent.

use crate::diag::Fault;
use crate::host::files::reason;
use crate::host::name_service;
use crate::host::process::timeout;
use crate::host::seat::reach;
use crate::host::spawn;
use crate::host::wait;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, getsockopt, socket, sockopt};
use std::collections::{BTreeMap, VecDeque};
use std::io::{ErrorKind, Read as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// How many questions one host is asked at a time. If it answers none of them it is silent, and is asked no more.
const AT_A_TIME: usize = 200;

/// How long the others may still take when it is known what was asked for: a host on the same network answers in less than one
/// of these milliseconds, unless it is silent.
const GRACE: Duration = Duration::from_millis(100);

/// How many descriptors the rest of the program needs.
const SPARE: usize = 64;

/// What a VNC server says first (RFC 6143, 7.1.1): `RFB 003.008` and a newline.
const BANNER: usize = 12;

/// What came back from an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A VNC server.
    Vnc,
    /// Something else listens there.
    Other,
    /// The host is there, and nothing listens.
    Refused,
    /// Nothing came back in time.
    Silent,
    /// There is no way to it.
    Unreachable(String),
}

/// A question that is on its way.
struct Asked {
    number: usize,
    ip: IpAddr,
    stream: TcpStream,
    connected: bool,
    heard: Vec<u8>,
    until: Instant,
}

/// The questions to one host.
#[derive(Default)]
struct HostQueue {
    waiting: VecDeque<usize>,
    on_their_way: usize,
    answered: bool,
}

/// Asks every address, all of them at once, and returns their answers in the same order. It takes little more than `within`, and
/// less once the answers are `enough`.
pub(crate) fn ask(addresses: &[SocketAddr], within: Duration, enough: impl Fn(&[Answer]) -> bool) -> Vec<Answer> {
    let mut answers = vec![Answer::Silent; addresses.len()];
    let mut queues: BTreeMap<IpAddr, HostQueue> = BTreeMap::new();
    for (number, address) in addresses.iter().enumerate() {
        queues.entry(address.ip()).or_default().waiting.push_back(number);
    }
    let each = (descriptors() / queues.len().max(1)).clamp(1, AT_A_TIME);
    let mut asked: Vec<Asked> = Vec::new();
    loop {
        for (ip, queue) in &mut queues {
            queue.fill(*ip, each, addresses, within, &mut asked, &mut answers);
        }
        if asked.is_empty() {
            return answers;
        }
        let mut ready = wait(&asked).into_iter();
        let (before, now) = (asked.len(), Instant::now());
        // To look costs two calls of the system: only where something came, or nothing will.
        asked.retain_mut(|question| match question.hear(ready.next().unwrap_or_default(), now) {
            None => true,
            Some(answer) => {
                if let Some(queue) = queues.get_mut(&question.ip) {
                    queue.note(&answer);
                }
                answers[question.number] = answer;
                false
            }
        });
        if asked.len() < before && enough(&answers) {
            let last = Instant::now() + GRACE;
            asked.iter_mut().for_each(|question| question.until = question.until.min(last));
            queues.values_mut().for_each(|queue| queue.waiting.clear());
        }
    }
}

impl HostQueue {
    /// Sends as many questions as may be on their way at a time.
    fn fill(
        &mut self,
        ip: IpAddr,
        each: usize,
        addresses: &[SocketAddr],
        within: Duration,
        asked: &mut Vec<Asked>,
        answers: &mut [Answer],
    ) {
        while self.on_their_way < each {
            let Some(number) = self.waiting.pop_front() else { return };
            match begin(addresses[number]) {
                Ok(stream) => {
                    let (heard, until) = (Vec::new(), Instant::now() + within);
                    asked.push(Asked { number, ip, stream, connected: false, heard, until });
                    self.on_their_way += 1;
                }
                Err(answer) => {
                    self.answered |= answer == Answer::Refused;
                    answers[number] = answer;
                }
            }
        }
    }

    /// Notes an answer, and asks a host no more that had its time and said nothing to anything.
    fn note(&mut self, answer: &Answer) {
        self.on_their_way -= 1;
        match answer {
            Answer::Vnc | Answer::Other | Answer::Refused => self.answered = true,
            Answer::Silent | Answer::Unreachable(_) if !self.answered => self.waiting.clear(),
            Answer::Silent | Answer::Unreachable(_) => {}
        }
    }
}

impl Asked {
    /// Returns the answer, when it is there or too late.
    fn hear(&mut self, ready: bool, now: Instant) -> Option<Answer> {
        let until = self.until;
        let late = || (until <= now).then_some(Answer::Silent);
        if !ready {
            return late();
        }
        match self.connected().map_err(failed) {
            Err(answer) => return Some(answer),
            Ok(false) => return late(),
            Ok(true) => {}
        }
        let mut buffer = [0; BANNER];
        loop {
            match self.stream.read(&mut buffer[self.heard.len()..]) {
                Ok(0) => return Some(Answer::Other),
                Ok(count) => {
                    let heard = self.heard.len();
                    self.heard.extend_from_slice(&buffer[heard..heard + count]);
                    if self.heard.len() == BANNER || !b"RFB ".starts_with(&self.heard[..self.heard.len().min(4)]) {
                        return Some(if is_banner(&self.heard) { Answer::Vnc } else { Answer::Other });
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A connection that is taken and says nothing is no VNC server that one could look at.
                Err(error) if error.kind() == ErrorKind::WouldBlock => return late(),
                Err(_) => return Some(Answer::Other),
            }
        }
    }

    /// Whether the connection is there by now.
    fn connected(&mut self) -> Result<bool, Errno> {
        if !self.connected {
            match getsockopt(&self.stream, sockopt::SocketError).map(Errno::from_raw)? {
                error if error as i32 != 0 => return Err(error),
                _ => self.connected = self.stream.peer_addr().is_ok(),
            }
        }
        Ok(self.connected)
    }
}

/// Asks a socket of the file system, which is of this host.
pub(crate) fn ask_socket(path: &Path, within: Duration) -> Answer {
    let until = Instant::now() + within;
    let mut stream = match reach(path) {
        Ok(stream) => stream,
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Answer::Silent,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
            return Answer::Refused;
        }
        Err(error) => return Answer::Unreachable(reason(&error)),
    };
    let (mut heard, mut buffer) = (Vec::new(), [0; BANNER]);
    while heard.len() < BANNER {
        match stream.read(&mut buffer[heard.len()..]) {
            Ok(0) => return Answer::Other,
            Ok(count) => {
                let before = heard.len();
                heard.extend_from_slice(&buffer[before..before + count]);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if until <= Instant::now() {
                    return Answer::Silent;
                }
                wait::for_any(&mut [PollFd::new(stream.as_fd(), PollFlags::POLLIN)], timeout(Some(until)));
            }
            Err(_) => return Answer::Other,
        }
    }
    if is_banner(&heard) { Answer::Vnc } else { Answer::Other }
}

/// `RFB xxx.yyy\n`, all of them digits.
fn is_banner(heard: &[u8]) -> bool {
    let digits = |range: std::ops::Range<usize>| heard[range].iter().all(u8::is_ascii_digit);
    heard.len() == BANNER
        && heard.starts_with(b"RFB ")
        && heard[7] == b'.'
        && heard[11] == b'\n'
        && digits(4..7)
        && digits(8..11)
}

/// Begins to connect.
fn begin(address: SocketAddr) -> Result<TcpStream, Answer> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = socket(family, SockType::Stream, flags, None).map_err(failed)?;
    match connect(fd.as_raw_fd(), &SockaddrStorage::from(address)) {
        Ok(()) | Err(Errno::EINPROGRESS | Errno::EINTR) => Ok(TcpStream::from(fd)),
        Err(error) => Err(failed(error)),
    }
}

fn failed(error: Errno) -> Answer {
    match error {
        Errno::ECONNREFUSED | Errno::ECONNRESET => Answer::Refused,
        Errno::ETIMEDOUT => Answer::Silent,
        other => Answer::Unreachable(reason(&other.into())),
    }
}

/// Waits until one of them may have an answer, or the first of them is too late, and returns which may have one.
fn wait(asked: &[Asked]) -> Vec<bool> {
    let flags = |question: &Asked| if question.connected { PollFlags::POLLIN } else { PollFlags::POLLOUT };
    let mut fds: Vec<PollFd<'_>> =
        asked.iter().map(|question| PollFd::new(question.stream.as_fd(), flags(question))).collect();
    let first = asked.iter().map(|question| question.until).min();
    let left = first.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
    let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
    wait::for_any(&mut fds, timeout);
    fds.iter().map(|fd| fd.any().unwrap_or(true)).collect()
}

/// Finds the addresses of hosts, all at once: a name server may be slow.
pub(crate) fn resolve(names: &[String]) -> Vec<Result<IpAddr, Fault>> {
    let lost = || Err(Fault::host("a host's address could not be asked for"));
    let all = spawn::side_by_side(names, |name| address(name));
    all.into_iter().map(|one| one.unwrap_or_else(lost)).collect()
}

fn address(name: &str) -> Result<IpAddr, Fault> {
    if let Ok(ip) = name.parse() {
        return Ok(ip);
    }
    let hint = "give an address, or a name that this host knows";
    let fault = |why: &str| Fault::host(format!("the host {name} has no known address: {why}")).hint(hint);
    let all = name_service::addresses(name).map_err(|why| fault(&why.message))?;
    all.into_iter().next().ok_or_else(|| fault("none is registered"))
}

/// How many sockets there may be, after asking for as many as the system allows.
fn descriptors() -> usize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 1 };
    let wanted = hard.min(16_384).max(soft);
    let now = if setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_ok() { wanted } else { soft };
    // The type of a limit is the system's.
    usize::try_from(now).unwrap_or(usize::MAX).saturating_sub(SPARE)
}

#[cfg(test)]
mod tests {
    use super::Answer::{Other, Refused, Silent, Vnc};
    use super::*;
    use std::io::Write as _;
    use std::net::TcpListener;
    use std::thread;

    /// A server that says this to whoever connects, once.
    fn server(words: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for part in words.chunks(5) {
                stream.write_all(part).unwrap();
                thread::yield_now();
            }
            // Until the other side has read it.
            let _ = stream.read(&mut [0]);
        });
        address
    }

    #[test]
    fn a_socket_of_the_file_system_is_asked_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let serve = |name: &str, words: &'static [u8]| {
            let listener = std::os::unix::net::UnixListener::bind(path(name)).unwrap();
            thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                stream.write_all(words).unwrap();
                let _ = stream.read(&mut [0]);
            });
        };
        serve("vnc", b"RFB 003.008\n");
        serve("ssh", b"SSH-2.0-OpenSSH_9.2\r\n");
        serve("mute", b"");
        drop(std::os::unix::net::UnixListener::bind(path("left")).unwrap());
        let answers =
            ["vnc", "ssh", "mute", "left", "none"].map(|name| ask_socket(&path(name), Duration::from_millis(300)));
        assert_eq!(answers, [Vnc, Other, Silent, Refused, Refused]);
    }

    #[test]
    fn what_answers_is_told_from_what_does_not() {
        let mute = TcpListener::bind("127.0.0.1:0").unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let addresses = [
            server(b"RFB 003.008\n"),
            server(b"SSH-2.0-OpenSSH_9.2\r\n"),
            server(b"RFB three.8\n"),
            server(b""),
            closed,
            mute.local_addr().unwrap(),
        ];
        let answers = ask(&addresses, Duration::from_millis(300), |_| false);
        // Who says nothing at all may only be slow.
        assert_eq!(answers, [Vnc, Other, Other, Silent, Refused, Silent]);
        assert_eq!(ask(&[], Duration::from_secs(1), |_| false), []);
    }

    #[test]
    fn nobody_waits_for_the_silent_once_enough_is_known() {
        let mute = TcpListener::bind("127.0.0.1:0").unwrap();
        let addresses = [mute.local_addr().unwrap(), server(b"RFB 003.008\n")];
        let begin = Instant::now();
        let answers = ask(&addresses, Duration::from_secs(60), |answers| answers.contains(&Vnc));
        assert_eq!(answers, [Silent, Vnc]);
        assert!(begin.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_host_is_known_by_its_address_or_by_a_name() {
        let all = resolve(&["10.0.0.5".into(), "::1".into(), "a b".into()]);
        assert_eq!(all[..2], [Ok("10.0.0.5".parse().unwrap()), Ok("::1".parse().unwrap())]);
        let fault = all[2].clone().unwrap_err();
        assert!(fault.message.starts_with("the host a b has no known address: "), "{}", fault.message);
        assert_eq!(fault.hint.as_deref(), Some("give an address, or a name that this host knows"));
    }

    #[test]
    fn a_banner_is_a_version_and_a_newline() {
        assert!(is_banner(b"RFB 003.889\n"));
        for bytes in [&b"RFB 003.008"[..], b"RFB 003.0080", b"RFB 3.8\n    ", b"RFB 003-008\n", b""] {
            assert!(!is_banner(bytes), "{bytes:?}");
        }
    }
}
