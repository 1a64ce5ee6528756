//! Whether an sshd answers: the line by which it begins (RFC 4253, section 4.2).

use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How much may come before that line, in bytes.
const MOST: usize = 4096;

/// Whether an sshd answers at an address within a time. What only takes a connection, as a port that leads to a guest which is not
/// there yet, is none.
pub(crate) fn greets(address: SocketAddr, within: Duration) -> bool {
    let end = Instant::now() + within;
    let Ok(mut stream) = TcpStream::connect_timeout(&address, within) else { return false };
    let mut said = Vec::new();
    let mut buffer = [0; 256];
    while said.len() < MOST {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return false;
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return false,
            Ok(count) => said.extend(buffer.iter().take(count)),
        }
        if said.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"SSH-")) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::net::TcpListener;

    #[test]
    fn an_sshd_is_known_by_its_line_and_nothing_else_is_waited_for() {
        let said = |text: &'static [u8]| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let server = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                for byte in text.chunks(3) {
                    let _ = stream.write_all(byte);
                }
                // It stays open for longer than is waited for it.
                stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
                let _ = std::io::Read::read(&mut stream, &mut [0]);
            });
            let begin = Instant::now();
            let answer = greets(address, Duration::from_millis(200));
            assert!(begin.elapsed() < Duration::from_secs(5));
            server.join().unwrap();
            answer
        };
        assert!(said(b"Welcome\r\nSSH-2.0-OpenSSH_9.2\r\n"));
        assert!(!said(b"") && !said(b"HTTP/1.0 400 no\r\n\r\n") && !said(b"\x1b[2J no SSH-2.0\n"));
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(!greets(closed, Duration::from_millis(200)));
    }
}
