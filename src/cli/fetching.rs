//! What is said of a file that is fetched.

use crate::model::Size;
use crate::ops::display::terminal::{self, amounts};
use crate::ops::run::{FetchProgress, Stage};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Returns the line that is drawn over while a file comes; nothing of what is a message.
pub(super) fn line(file: &FetchProgress<'_>) -> Option<String> {
    let Stage::Comes { done, whole, rate } = file.stage else { return None };
    Some(format!("fetching {}: {}", file.url.file_name(), amounts(done, whole, rate)))
}

/// Draws how far a copy is, at what rate it comes and how long the rest takes, once it has taken a second.
#[derive(Debug, Default)]
pub(super) struct Meter(Option<(PathBuf, Instant)>);

impl Meter {
    /// Draws it over what was drawn before, where somebody looks on.
    pub(super) fn draw(&mut self, path: &Path, done: u64, whole: Option<u64>) {
        let began = match &self.0 {
            Some((known, began)) if known == path => *began,
            _ => self.0.insert((path.into(), Instant::now())).1,
        };
        if let Some(line) = copying(path, done, whole, began.elapsed()) {
            terminal::redraw(&line);
        }
    }
}

/// Returns the line of a copy that goes on for some time.
fn copying(path: &Path, done: u64, whole: Option<u64>, took: Duration) -> Option<String> {
    let rate = u128::from(done).saturating_mul(1000).checked_div(took.as_millis()).filter(|_| took.as_secs() > 0)?;
    let rate = u64::try_from(rate).unwrap_or(u64::MAX);
    Some(format!("vmrun: copying {}: {}", path.display(), amounts(done, whole, rate)))
}

/// Returns the message of what goes on with a file, if it is one.
pub(super) fn message(file: &FetchProgress<'_>) -> Option<String> {
    let url = file.url;
    match file.stage {
        Stage::Comes { .. } => None,
        Stage::Waits => Some(format!("somebody else is fetching {url}; waiting for that")),
        Stage::GoesOn(bytes) => Some(format!("fetching {url} from {} on", Size::bytes(bytes).rough())),
        Stage::Done(bytes) => Some(format!("fetched {url}, {}", Size::bytes(bytes).rough())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_takes_longer_than_a_second_is_told_of_with_the_time_that_is_left() {
        let said = |done, whole, took| copying(Path::new("/vm/a.img"), done, whole, Duration::from_millis(took));
        assert_eq!((said(1 << 30, Some(2 << 30), 900), said(0, None, 0)), (None, None));
        assert_eq!(
            said(1 << 30, Some(3 << 30), 4000).unwrap(),
            "vmrun: copying /vm/a.img: 1 GiB of 3 GiB, 256 MiB/s, 8s left"
        );
        assert_eq!(said(1 << 30, None, 2000).unwrap(), "vmrun: copying /vm/a.img: 1 GiB, 512 MiB/s");
    }

    #[test]
    fn a_file_that_comes_is_told_of_with_its_rate_and_the_time_that_is_left() {
        let url = "https://a.example/b/debian.qcow2".parse().unwrap();
        let said = |stage| {
            let file = FetchProgress { url: &url, stage };
            [line(&file), message(&file)].map(Option::unwrap_or_default).join("|")
        };
        let comes = |done, whole, rate| said(Stage::Comes { done, whole, rate });
        assert_eq!(
            comes(120 << 20, Some(400 << 20), 2 << 20),
            "fetching debian.qcow2: 120 MiB of 400 MiB, 2 MiB/s, 140s left|"
        );
        assert_eq!(comes(300, Some(400), 200), "fetching debian.qcow2: 300 bytes of 400 bytes, 200 bytes/s|");
        assert_eq!(comes(120, Some(400), 0), "fetching debian.qcow2: 120 bytes of 400 bytes, 0 bytes/s|");
        assert_eq!(comes(120 << 20, None, 2 << 20), "fetching debian.qcow2: 120 MiB, 2 MiB/s|");
        assert_eq!(said(Stage::Waits), "|somebody else is fetching https://a.example/b/debian.qcow2; waiting for that");
        assert_eq!(said(Stage::GoesOn(1 << 20)), "|fetching https://a.example/b/debian.qcow2 from 1 MiB on");
        assert_eq!(said(Stage::Done(1 << 20)), "|fetched https://a.example/b/debian.qcow2, 1 MiB");
    }
}
