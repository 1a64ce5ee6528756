//! fetch(1): files of web servers, as usr.bin/fetch and lib/libfetch do it (k). Its own words and statuses; HTTP only.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;

use crate::exit::{Exit, Step};
use crate::getopt;

const USAGE: &str = "usage: fetch [-146AadFlMmnPpqRrsUv] [-B bytes] [--bind-address=host] [-i file] [-N file] [-o file] \
                     [-S bytes] [-T seconds] [-w seconds] URL ...";

/// MAX_REDIRECT of libfetch.
const REDIRECTS: u32 = 20;

/// Runs fetch.
pub(crate) fn run(args: &[String]) -> Step<u8> {
    let words = getopt::or_usage("fetch", "146AaB:dFi:lMmN:no:PpqRrS:sT:Uvw:", args, (1, USAGE))?;
    let ([url], Some(file)) = (words.operands, words.value('o')) else { return Err(Exit::new(1, USAGE)) };
    let there = fs::metadata(file).ok().filter(fs::Metadata::is_file).map(|data| data.len());
    let from = there.filter(|_| words.has('r')).unwrap_or(0);
    let mut at = url.clone();
    for _ in 0..REDIRECTS {
        let answer = ask(&at, from).map_err(|why| Exit::new(1, format!("fetch: {url}: {why}")))?;
        match answer.status {
            200 | 206 => return keep(url, Path::new(file), (there, from), words.value('S'), answer),
            301 | 302 | 303 | 307 | 308 => at = answer.header("location").unwrap_or_default(),
            status => return Err(Exit::new(1, format!("fetch: {url}: {}", said(status)))),
        }
    }
    Err(Exit::new(1, format!("fetch: {url}: Too many redirects")))
}

/// http.errors of libfetch.
fn said(status: u16) -> &'static str {
    match status {
        403 => "Forbidden",
        404 => "Not Found",
        416 => "Requested Range Not Satisfiable",
        _ => "Unknown HTTP error",
    }
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: BufReader<TcpStream>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    }
}

fn ask(url: &str, from: u64) -> Result<Answer, String> {
    let rest = url.strip_prefix("http://").ok_or("Protocol not supported")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(host).map_err(|_| "Connection refused")?;
    let range = if from > 0 { format!("Range: bytes={from}-\r\n") } else { String::new() };
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{range}\r\n");
    stream.write_all(request.as_bytes()).map_err(|_| "Connection reset by peer")?;
    let mut body = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        body.read_line(&mut line).map_err(|_| "Connection reset by peer")?;
        Ok::<_, String>(line.trim_end().to_string())
    };
    let status = line()?.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or("Protocol error")?;
    let mut headers = Vec::new();
    loop {
        let line = line()?;
        match line.split_once(": ") {
            Some((name, value)) => headers.push((name.to_string(), value.to_string())),
            None => break,
        }
    }
    Ok(Answer { status, headers, body })
}

/// Writes what comes: behind what is there, or, where the server begins anew, beside it.
fn keep(
    url: &str,
    file: &Path,
    (there, from): (Option<u64>, u64),
    wanted: Option<&str>,
    mut answer: Answer,
) -> Step<u8> {
    let goes_on = answer.status == 206;
    let from = if goes_on { from } else { 0 };
    let length: Option<u64> = answer.header("content-length").and_then(|text| text.parse().ok());
    let whole = length.map(|length| from + length);
    if let (Some(wanted), Some(whole)) = (wanted.and_then(|text| text.parse::<u64>().ok()), whole)
        && wanted != whole
    {
        return Err(Exit::new(1, format!("fetch: {url}: size mismatch: expected {wanted}, actual {whole}")));
    }
    let beside =
        file.with_file_name(format!(".fetch.aB3dEf.{}", file.file_name().unwrap_or_default().to_string_lossy()));
    let is_beside = !goes_on && there.is_some();
    let to = if is_beside { &beside } else { file };
    let mut output = if goes_on { OpenOptions::new().append(true).open(to)? } else { File::create(to)? };
    let (mut done, mut block) = (from, [0; 1 << 14]);
    loop {
        let read = answer.body.read(&mut block)?;
        if read == 0 {
            break;
        }
        output.write_all(&block[..read]).map_err(|why| {
            let full = why.kind() == std::io::ErrorKind::StorageFull;
            let why = if full { crate::exit::ENOSPC } else { "File too large" };
            Exit::new(1, format!("fetch: {}: {why}", to.display()))
        })?;
        done += read as u64;
    }
    if whole.is_some_and(|whole| done < whole) {
        let whole = whole.unwrap_or_default();
        return Err(Exit::new(1, format!("fetch: {} appears to be truncated: {done}/{whole} bytes", file.display())));
    }
    if is_beside {
        fs::rename(&beside, file)?;
    }
    Ok(0)
}
