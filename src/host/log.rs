//! The log of a machine: opened, bounded, kept, read from its end and followed.

use super::files::{io_fault, without_links};
use super::folder::{Folder, Keeps};
use super::process::timeout;
use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, poll};
use std::fs::{File, Permissions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a log may get, in bytes, before it is begun anew.
pub(crate) const LOG_MAX: u64 = 4 << 20;

/// How many old logs are kept.
const LOGS: u32 = 3;

/// Opens a log at its end, and returns where that is. Whoever writes to it adds, whatever others do.
pub(crate) fn open(log: &Path) -> Result<(File, u64), Fault> {
    let absolute = std::path::absolute(log).unwrap_or_else(|_| log.into());
    let (Some(folder), Some(name)) = (absolute.parent(), absolute.file_name()) else {
        return Err(Fault::host(format!("{} is no file for a log", log.display())));
    };
    let is_there = folder.exists();
    let open = Folder::made(folder, Keeps::Logs)?;
    if !is_there {
        // It is for everybody, as the folder of the state is, whatever umask vmrun was started with; each log has a mode of its own.
        std::fs::set_permissions(folder, Permissions::from_mode(0o755))
            .may_fail("a folder that only root reads keeps its logs as well");
    }
    rotate(log, LOG_MAX);
    let flags = OFlag::O_CREAT | OFlag::O_APPEND | OFlag::O_WRONLY;
    let file = open.file(name, flags, 0o640).map_err(io_fault("write", log))?;
    let from = file.metadata().map_or(0, |meta| meta.len());
    Ok((file, from))
}

/// Begins a log anew that is too long, and keeps what it was. Guests go on writing to the same file. What cannot be done is left:
/// a log is no reason to stop a guest. Returns whether it was begun anew.
pub(crate) fn rotate(log: &Path, max: u64) -> bool {
    if std::fs::metadata(log).map_or(0, |meta| meta.len()) <= max {
        return false;
    }
    let old = |number: u32| {
        let mut name = log.as_os_str().to_os_string();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    for number in (1..LOGS).rev() {
        std::fs::rename(old(number), old(number + 1)).may_fail("there may be none of this number yet");
    }
    let cut = || without_links().write(true).open(log).and_then(|file| file.set_len(0));
    // What was written since it became too long is kept as well, as far as it is no more than that once more.
    copy_end(log, &old(1), max.saturating_mul(2)).and_then(|()| cut()).is_ok()
}

/// Copies the last bytes of a file, so many at most: what a guest has written since somebody looked has no bound.
fn copy_end(from: &Path, to: &Path, most: u64) -> std::io::Result<()> {
    let mut file = without_links().read(true).open(from)?;
    let meta = file.metadata()?;
    file.seek(SeekFrom::Start(meta.len().saturating_sub(most)))?;
    let mode = meta.permissions().mode() & 0o777;
    let mut copy = without_links().create(true).truncate(true).write(true).mode(mode).open(to)?;
    copy.set_permissions(meta.permissions())?;
    std::io::copy(&mut file.take(most), &mut copy).map(drop)
}

/// How much of a file is read at a time, in bytes.
const BLOCK: u64 = 64 << 10;

/// Returns the last lines of a file, as far as they are after a place in it; only they are read.
pub(crate) fn last_lines(path: &Path, from: u64, count: usize) -> String {
    let bytes = last_bytes(path, from, count).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Reads a file from its end, block by block, until it has so many lines.
fn last_bytes(path: &Path, from: u64, count: usize) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let end = file.metadata()?.len();
    let (from, mut at) = (if from > end { 0 } else { from }, end);
    let (mut blocks, mut lines) = (Vec::new(), 0);
    // The end of the last line is one more.
    while at > from && lines <= count {
        let begin = at.saturating_sub(BLOCK).max(from);
        let mut block = Vec::new();
        file.seek(SeekFrom::Start(begin))?;
        (&mut file).take(at - begin).read_to_end(&mut block)?;
        lines += block.split(|byte| *byte == b'\n').count() - 1;
        blocks.push(block);
        at = begin;
    }
    Ok(blocks.into_iter().rev().flatten().collect())
}

/// Returns what a file has after a place, the last of it where that is more than a log ever keeps; all of it, if it was begun anew
/// meanwhile.
pub(crate) fn after(path: &Path, from: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let end = file.metadata()?.len();
        let from = if from > end { 0 } else { from }.max(end.saturating_sub(2 * LOG_MAX));
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(from))?;
        file.take(2 * LOG_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

/// Prints what is added to a file, from a place on, until nobody reads it any more.
pub(crate) fn follow(path: &Path, mut from: u64, print: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), Fault> {
    loop {
        let length = std::fs::metadata(path).map_err(io_fault("read", path))?.len();
        if length < from {
            from = 0;
        }
        while length > from {
            let mut file = File::open(path).map_err(io_fault("read", path))?;
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(from))
                .and_then(|_| file.take(BLOCK).read_to_end(&mut bytes))
                .map_err(io_fault("read", path))?;
            from += bytes.len() as u64;
            if !bytes.is_empty() && !print(&bytes) {
                return Ok(());
            }
            if bytes.is_empty() {
                break;
            }
        }
        if !has_reader() {
            return Ok(());
        }
    }
}

/// Waits a moment, and returns whether somebody still reads what we print.
pub(crate) fn has_reader() -> bool {
    const OFTEN: Duration = Duration::from_millis(250);
    let stdout = super::terminal::output();
    // A reader that went away shows as an error of the descriptor.
    let mut fds = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    !poll(&mut fds, timeout(Some(Instant::now() + OFTEN))).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn write(path: &Path, text: impl AsRef<[u8]>) -> std::io::Result<()> {
        File::create(path)?.write_all(text.as_ref())
    }

    #[test]
    fn a_log_that_is_too_long_is_begun_anew_and_who_writes_to_it_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log/db.log");
        let (mut file, from) = open(&log).unwrap();
        assert_eq!(from, 0);
        for number in 1..=5 {
            file.write_all(format!("all of the {number}th\n").as_bytes()).unwrap();
            assert!(rotate(&log, 10));
        }
        file.write_all(b"new\n").unwrap();
        assert!(!rotate(&log, 10));
        let read = |name: &str| std::fs::read_to_string(folder.path().join("log").join(name)).unwrap_or_default();
        let all = ["db.log", "db.log.1", "db.log.2", "db.log.3", "db.log.4"].map(read);
        assert_eq!(all, ["new\n", "all of the 5th\n", "all of the 4th\n", "all of the 3th\n", ""]);
        assert_eq!(last_lines(&folder.path().join("log/db.log.1"), 0, 1), "all of the 5th");
        assert_eq!(after(&log, 1000), "new\n");
    }

    #[test]
    fn of_a_log_that_has_grown_without_bound_the_end_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("db.log");
        write(&log, "x".repeat(1000) + "the end\n").unwrap();
        std::fs::set_permissions(&log, Permissions::from_mode(0o640)).unwrap();
        assert!(rotate(&log, 10));
        let old = folder.path().join("db.log.1");
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "xxxxxxxxxxxxthe end\n");
        assert_eq!(std::fs::metadata(&old).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(std::fs::metadata(&log).unwrap().len(), 0);
    }

    #[test]
    fn the_last_lines_are_those_of_the_whole_file_wherever_its_blocks_end() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("db.log");
        let usual = |text: &str, count: usize| {
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(count)..].join("\n")
        };
        let numbered: String =
            (0..9000).map(|number| format!("line {number} of many, each with its number\r\n")).collect();
        let wide = format!("first\n{}\nlast", "w".repeat(200_000));
        for text in ["", "\n", "a", "a\n", "a\nb", "a\n\n\nb\n", &numbered, &wide, &"\n".repeat(70_000)] {
            write(&log, text).unwrap();
            for count in [0, 1, 2, 3, 20, 2000, usize::MAX - 1] {
                assert_eq!(last_lines(&log, 0, count), usual(text, count), "{count}");
            }
        }
        write(&log, "before\nhere\n").unwrap();
        assert_eq!([last_lines(&log, 7, 9), last_lines(&log, 99, 9)], ["here", "before\nhere"]);
        // A file that nobody could read as a whole: only its end is looked at.
        let huge = File::create(&log).unwrap();
        huge.set_len(1 << 40).unwrap();
        (&huge).seek(SeekFrom::End(0)).unwrap();
        (&huge).write_all(b"\none\ntwo\n").unwrap();
        assert_eq!(last_lines(&log, 0, 2), "one\ntwo");
    }
}
