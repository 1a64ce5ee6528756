//! What somebody asks a QEMU that runs, at its second monitor, which hears one who asks at a time.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// How much of what a monitor says is listened to, in bytes: it tells events too.
const ANSWER_MAX: usize = 1 << 20;

/// A connection to a monitor.
#[derive(Debug)]
pub(crate) struct QemuMonitor(UnixStream);

impl QemuMonitor {
    /// Connects, which says nothing of whether it hears us: another one may be asking.
    pub(crate) fn open(socket: &Path) -> io::Result<Self> {
        let mut stream = UnixStream::connect(socket)?;
        stream.write_all(b"{\"execute\":\"qmp_capabilities\"}\n")?;
        Ok(Self(stream))
    }

    /// Asks something, and waits so long for the line that answers it, however slowly and however much else is said.
    pub(crate) fn ask<T>(
        &mut self,
        question: &str,
        patience: Duration,
        answer: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let until = Instant::now() + patience;
        self.0.set_write_timeout(Some(patience)).ok()?;
        self.0.write_all(format!("{question}\n").as_bytes()).ok()?;
        heard(&mut self.0, until, answer)
    }
}

fn heard<T>(stream: &mut UnixStream, until: Instant, answer: impl Fn(&str) -> Option<T>) -> Option<T> {
    let (mut heard, mut buffer) = (Vec::new(), [0; 4096]);
    while heard.len() < ANSWER_MAX {
        let left = until.saturating_duration_since(Instant::now());
        stream.set_read_timeout(Some(left)).ok()?;
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        let begin = heard.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        heard.extend_from_slice(&buffer[..count]);
        let Some(end) = heard.iter().rposition(|byte| *byte == b'\n') else { continue };
        let new = String::from_utf8_lossy(heard.get(begin..=end).unwrap_or_default()).into_owned();
        if let Some(found) = new.lines().find_map(&answer) {
            return Some(found);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qemu::statistics::answer;

    #[test]
    fn a_monitor_that_does_not_answer_is_not_listened_to_for_ever() {
        let soon = || Instant::now() + Duration::from_millis(50);
        let said = |text: &[u8]| {
            let (mut theirs, mut ours) = UnixStream::pair().unwrap();
            theirs.write_all(text).unwrap();
            // It stays open, and says no more.
            heard(&mut ours, soon(), answer)
        };
        assert_eq!(said(b""), None);
        assert_eq!(said(b"{\"event\": \"X\"}\n{\"ret"), None);
        let (mut theirs, mut ours) = UnixStream::pair().unwrap();
        let flood = std::thread::spawn(move || while theirs.write_all(&[b'x'; 4096]).is_ok() {});
        assert_eq!(heard(&mut ours, Instant::now() + Duration::from_secs(60), answer), None);
        drop(ours);
        flood.join().unwrap();
    }
}
