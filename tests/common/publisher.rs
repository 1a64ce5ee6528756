//! A web server on the loopback that stands for a publisher of images, and behaves as well or as badly as a test wants.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// How a file is served.
#[derive(Clone)]
pub(crate) enum Answer {
    /// As it is, from where it is asked for on.
    File(Vec<u8>),
    /// As it is, from the beginning, whatever is asked for.
    NoRanges(Vec<u8>),
    /// As it is, but never more than so many bytes at once.
    CutAfter(usize, Vec<u8>),
    /// Without a word of how long it is.
    Unmeasured(Vec<u8>),
    /// Zeros, until nobody reads any more.
    Endless,
    /// Somewhere else.
    Redirect(String),
    /// Not at all.
    Missing,
    /// So many bytes, and then nothing until the publisher goes.
    Stuck(usize, Vec<u8>),
}

/// What is served, and what was asked for.
#[derive(Default)]
struct Shared {
    files: BTreeMap<String, Answer>,
    asked: Vec<String>,
    /// Connections that say nothing any more, and stay open.
    open: Vec<TcpStream>,
}

/// The server.
pub(crate) struct Publisher {
    port: u16,
    shared: Arc<Mutex<Shared>>,
}

impl Publisher {
    /// Starts it.
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::<Mutex<Shared>>::default();
        let kept = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = kept.clone();
                thread::spawn(move || serve(stream, &kept));
            }
        });
        Self { port, shared }
    }

    /// Has it serve a file in a way, and returns its address.
    pub(crate) fn serve(&self, name: &str, answer: Answer) -> String {
        self.shared.lock().unwrap().files.insert(format!("/{name}"), answer);
        self.url(name)
    }

    /// The address of a file.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }

    /// A text without its port, which is another one every time.
    pub(crate) fn shown(&self, text: &str) -> String {
        text.replace(&format!(":{}/", self.port), ":80/")
    }

    /// Ends the connections that are stuck.
    pub(crate) fn hang_up(&self) {
        self.shared.lock().unwrap().open.clear();
    }

    /// What was asked for since this was called last, with where it was to begin.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock().unwrap().asked)
    }
}

fn serve(mut stream: TcpStream, shared: &Mutex<Shared>) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let path = lines.next()?.ok()?.split(' ').nth(1)?.to_string();
    let headers: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let range = headers.iter().find_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(String::from));
    let from: usize =
        range.as_deref().and_then(|range| range.strip_suffix('-')).map_or(0, |from| from.parse().unwrap());
    let answer = {
        let mut shared = shared.lock().unwrap();
        shared.asked.push(range.map_or(path.clone(), |_| format!("{path} from {from}")));
        shared.files.get(&path).cloned().unwrap_or(Answer::Missing)
    };
    let head = |status: &str, more: &str| format!("HTTP/1.1 {status}\r\nConnection: close\r\n{more}\r\n");
    let (ranges, most, bytes) = match answer {
        Answer::Missing => return stream.write_all(head("404 Not Found", "Content-Length: 0\r\n").as_bytes()).ok(),
        Answer::Redirect(to) => {
            let more = format!("Location: {to}\r\nContent-Length: 0\r\n");
            return stream.write_all(head("302 Found", &more).as_bytes()).ok();
        }
        Answer::Endless => {
            stream.write_all(head("200 OK", "").as_bytes()).ok()?;
            while stream.write_all(&[0; 1 << 14]).is_ok() {}
            return None;
        }
        Answer::Unmeasured(bytes) => {
            stream.write_all(head("200 OK", "").as_bytes()).ok()?;
            return stream.write_all(&bytes).ok();
        }
        Answer::Stuck(most, bytes) => {
            let part = bytes.get(from..).unwrap_or_default();
            let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
            let range = format!("Content-Range: bytes {from}-{}/{}\r\n", bytes.len() - 1, bytes.len());
            let more = format!("Content-Length: {}\r\n{}", part.len(), if from > 0 { range.as_str() } else { "" });
            stream.write_all(head(status, &more).as_bytes()).ok()?;
            stream.write_all(part.get(..most).unwrap_or(part)).ok()?;
            shared.lock().unwrap().open.push(stream);
            return None;
        }
        Answer::File(bytes) => (true, usize::MAX, bytes),
        Answer::NoRanges(bytes) => (false, usize::MAX, bytes),
        Answer::CutAfter(most, bytes) => (true, most, bytes),
    };
    let from = if ranges { from } else { 0 };
    if from > 0 && from >= bytes.len() {
        let more = format!("Content-Range: bytes */{}\r\nContent-Length: 0\r\n", bytes.len());
        return stream.write_all(head("416 Range Not Satisfiable", &more).as_bytes()).ok();
    }
    let part = bytes.get(from..).unwrap_or_default();
    let length = format!("Content-Length: {}\r\n", part.len());
    let head = if from == 0 {
        head("200 OK", &length)
    } else {
        let range = format!("Content-Range: bytes {from}-{}/{}\r\n", bytes.len() - 1, bytes.len());
        head("206 Partial Content", &format!("{length}{range}"))
    };
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(part.get(..most.min(part.len())).unwrap_or_default()).ok()
}
