//! truncate(1), stat(1) and ls(1) as FreeBSD has them, for the replay of what one answered; vmrun calls none of them there.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use crate::exit::{Exit, Step, say, strerror, warn};
use crate::getopt;
use crate::state::is_root;

const TRUNCATE: &str = "usage: truncate [-c] -s [+|-|%|/]size[K|k|M|m|G|g|T|t] file ...\n       \
                        truncate [-c] -r rfile file ...";

/// The largest file that UFS holds with blocks of 32 KiB, rounded down: what 12.1 refused was larger, what it took smaller.
const LARGEST: i128 = 1 << 46;

/// Runs truncate. A folder that is not there is passed over (12.1).
pub(crate) fn truncate(args: &[String]) -> Step<u8> {
    let words = getopt::or_usage("truncate", "cs:r:", args, (1, TRUNCATE))?;
    let Some(text) = words.value('s').filter(|_| !words.operands.is_empty()) else {
        return Err(Exit::new(1, TRUNCATE));
    };
    let (sign, number) = match text.chars().next() {
        Some(sign @ ('+' | '-')) => (sign, &text[1..]),
        _ => ('=', text),
    };
    let size = expanded(number).ok_or_else(|| Exit::new(1, format!("truncate: invalid size argument `{text}'")))?;
    let mut status = 0;
    for file in words.operands {
        if let Err(why) = resize(Path::new(file), sign, size, words.has('c')) {
            warn(format!("truncate: {file}: {why}"));
            status = 1;
        }
    }
    Ok(status)
}

/// A number as expand_number(3) reads it.
fn expanded(text: &str) -> Option<i128> {
    let number = crate::number::strtol(text, 0)?;
    let power = match number.rest.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        unit => 1 + ["k", "m", "g", "t", "p", "e"].iter().position(|known| *known == unit)?,
    };
    let size = number.value.checked_mul(1 << (10 * power))?;
    i64::try_from(size).ok().map(i128::from)
}

fn resize(path: &Path, sign: char, size: i128, only_there: bool) -> Result<(), &'static str> {
    if !may_write(path) {
        return Err("Permission denied");
    }
    let file = match OpenOptions::new().write(true).create(!only_there).truncate(false).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(strerror(&error)),
    };
    let own = file.metadata().map_or(0, |data| i128::from(data.len()));
    let size = match sign {
        '+' => own + size,
        '-' => (own - size).max(0),
        _ => size,
    };
    let size = u64::try_from(size).ok().filter(|size| i128::from(*size) <= LARGEST).ok_or("File too large")?;
    file.set_len(size).map_err(|error| strerror(&error))
}

/// Whether the user may write a file, or make it: root always, others where all may.
fn may_write(path: &Path) -> bool {
    let mode = |path: &Path| fs::metadata(path).map(|data| data.permissions().mode());
    let folder = path.parent().unwrap_or(path);
    is_root() || mode(path).or_else(|_| mode(folder)).is_ok_and(|mode| mode & 0o002 != 0)
}

/// Runs stat with a format of `%z` (bytes) and `%b` (blocks of 512 bytes).
pub(crate) fn stat(args: &[String]) -> Step<u8> {
    let words = getopt::or_usage("stat", "f:", args, (1, "usage: stat [-FLnq] [-f format] [file ...]"))?;
    for file in words.operands {
        let data =
            fs::metadata(file).map_err(|error| Exit::new(1, format!("stat: {file}: stat: {}", strerror(&error))))?;
        let format = words.value('f').unwrap_or("%z");
        say(format.replace("%z", &data.len().to_string()).replace("%b", &data.blocks().to_string()) + "\n");
    }
    Ok(0)
}

/// Runs ls: it says in its own words what is not there, and the host's ls the rest.
pub(crate) fn ls(args: &[String]) -> Step<u8> {
    let (there, missing): (Vec<&String>, Vec<&String>) =
        args.iter().partition(|arg| arg.starts_with('-') || Path::new(arg).exists());
    for path in &missing {
        warn(format!("ls: {path}: No such file or directory"));
    }
    if missing.is_empty() || there.iter().any(|arg| !arg.starts_with('-')) {
        Command::new("/bin/ls").args(there).status()?;
    }
    Ok(u8::from(!missing.is_empty()))
}
