//! Messages on the standard streams: the base protocol of LSP 3.17 ("Base Protocol"), a header with the length, and JSON.
//!
//! The lengths are whatever the other side says, so that they are limited before anything is allocated.

use crate::host::terminal;
use lsp_server::{Connection, Message};
use std::io::{self, BufRead, ErrorKind, Read as _};
use std::thread::{Builder, JoinHandle};

/// How long a message may be, in bytes: editors send whole texts.
const MESSAGE: u64 = 64 << 20;

/// How long a line of a header may be, in bytes.
const LINE: u64 = 4096;

/// How many lines a header may have.
const LINES: usize = 64;

/// The threads that carry messages.
pub(super) struct Carriers {
    reader: JoinHandle<io::Result<()>>,
    writer: JoinHandle<io::Result<()>>,
}

/// Returns a connection by the standard streams.
pub(super) fn open() -> io::Result<(Connection, Carriers)> {
    let (ours, theirs) = Connection::memory();
    let Connection { sender, receiver } = theirs;
    let reader = Builder::new().name("reader".into()).spawn(move || {
        let mut input = io::stdin().lock();
        while let Some(text) = read(&mut input)? {
            // What is no message is passed over: the next one begins behind it.
            let Ok(message) = serde_json::from_slice::<Message>(&text) else { continue };
            let is_last = matches!(&message, Message::Notification(note) if note.method == "exit");
            if sender.send(message).is_err() || is_last {
                break;
            }
        }
        Ok(())
    })?;
    let writer = Builder::new().name("writer".into()).spawn(move || {
        receiver.into_iter().try_for_each(|message| {
            let mut bytes = Vec::new();
            message.write(&mut bytes)?;
            terminal::pass(&bytes)
        })
    })?;
    Ok((ours, Carriers { reader, writer }))
}

impl Carriers {
    /// Waits until all is written, and where nothing comes any more tells why, if it was no end. The connection has to be gone.
    pub(super) fn finish(self, is_over: bool) -> io::Result<()> {
        let broke = |_| io::Error::other("a thread of it has ended");
        // Somebody who has not ended it may never say more.
        let read = if is_over { self.reader.join().map_err(broke)? } else { Ok(()) };
        self.writer.join().map_err(broke)?.and(read)
    }
}

/// Reads the next message; nothing at the end.
fn read(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let Some(length) = header(input)? else { return Ok(None) };
    if length > MESSAGE {
        return Err(invalid(&format!("a message of {length} bytes is too long; {MESSAGE} are the most")));
    }
    let mut text = Vec::new();
    input.take(length).read_to_end(&mut text)?;
    let is_whole = text.len() as u64 == length;
    is_whole.then_some(Some(text)).ok_or_else(|| invalid("it ends within a message"))
}

/// Reads a header and returns the length that it tells; nothing at the end.
fn header(input: &mut impl BufRead) -> io::Result<Option<u64>> {
    let mut length = None;
    for _ in 0..LINES {
        let mut line = Vec::new();
        input.take(LINE).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&line);
        let Some(text) = text.strip_suffix('\n') else { return Err(invalid("a line of a header has no end")) };
        let text = text.trim_end_matches('\r');
        if text.is_empty() {
            return length.map(Some).ok_or_else(|| invalid("a header has no Content-Length"));
        }
        let Some((name, value)) = text.split_once(':') else {
            return Err(invalid(&format!("{text:?} is no line of a header")));
        };
        if name.eq_ignore_ascii_case("Content-Length") {
            let number = value.trim().parse();
            length = Some(number.map_err(|_| invalid(&format!("{:?} is no length of a message", value.trim())))?);
        }
    }
    Err(invalid(&format!("a header has more than {LINES} lines")))
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(mut input: &[u8]) -> Vec<Result<String, String>> {
        let mut found = Vec::new();
        loop {
            match read(&mut input) {
                Ok(None) => return found,
                Ok(Some(text)) => found.push(Ok(String::from_utf8(text).unwrap())),
                Err(why) => {
                    found.push(Err(why.to_string()));
                    return found;
                }
            }
        }
    }

    #[test]
    fn a_message_is_as_long_as_its_header_says_and_no_longer_than_it_may_be() {
        let ok = |text: &str| Ok(text.to_string());
        let no = |why: &str| Err(why.to_string());
        let two = b"Content-Length: 2\r\n\r\n{}content-length:1\nX: y\n\n1";
        assert_eq!(all(two), [ok("{}"), ok("1")]);
        for (input, why) in [
            (
                "Content-Length: 18446744073709551615\r\n\r\n",
                "a message of 18446744073709551615 bytes is too long; 67108864 are the most",
            ),
            ("Content-Length: 18446744073709551616\r\n\r\n", "\"18446744073709551616\" is no length of a message"),
            ("Content-Length: -1\r\n\r\n", "\"-1\" is no length of a message"),
            ("Content-Length: 60000000\r\n\r\n{}", "it ends within a message"),
            ("X: y\r\n\r\n{}", "a header has no Content-Length"),
            ("nothing\r\n\r\n{}", "\"nothing\" is no line of a header"),
            ("Content-Length: 2", "a line of a header has no end"),
        ] {
            assert_eq!(all(input.as_bytes()), [no(why)], "{input}");
        }
        assert_eq!(all("x".repeat(10_000).as_bytes()), [no("a line of a header has no end")]);
        assert_eq!(all("a: b\n".repeat(100).as_bytes()), [no("a header has more than 64 lines")]);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b':'), any::<u8>()], 0..80)) {
            let mut input = b"Content-Length: ".to_vec();
            input.extend(&bytes);
            let mut input = input.as_slice();
            while let Ok(Some(_)) = read(&mut input) {}
        }
    }
}
