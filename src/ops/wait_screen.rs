//! Waiting for what the screen of a machine shows.

use super::display::{Display, LOOK};
use super::search::{HostQuery, Listener};
use crate::client::screen::{Screen, read};
use crate::diag::{Blame, Diagnostic, Fault};
use crate::host::signals::Signals;
use crate::screen::picture::Picture;
use crate::screen::text;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What a screen is to show.
pub(crate) enum Awaited {
    /// A text, within one line.
    Text(String),
    /// A picture anywhere on it, and the file that it is from.
    Part(Picture, PathBuf),
}

impl Awaited {
    /// Reads the PNG that a screen is to show.
    pub(crate) fn picture(path: &Path) -> Result<Self, Fault> {
        let part =
            read(path).and_then(|bytes| Picture::from_png(&bytes).map_err(|fault| fault.context(path.display())));
        Ok(Self::Part(part?, path.into()))
    }
}

/// Waits until the screen of a machine shows something. A machine that does not run yet, or starts again, is waited for.
pub(crate) fn wait(
    machine: &str,
    awaited: &Awaited,
    within: Duration,
    query: &HostQuery,
    listener: Listener<'_>,
) -> Result<(), Vec<Diagnostic>> {
    let until = Instant::now() + within;
    let signals = Signals::install()?;
    let mut seen = None;
    loop {
        let display = Display::find_within(machine, query, until, &signals, &mut *listener)?;
        match display.open(&signals, Some(until)).and_then(|screen| watch(screen, awaited, until, &mut seen)) {
            Ok(true) => return Ok(()),
            Ok(false) => {
                let message = format!("the screen of {} did not show {awaited} within {within:?}", display.name);
                return Err(Fault::new(message).blame(Blame::Guest).hint(hint(&display.name, seen)).into());
            }
            // A guest that starts again takes its server with it.
            Err(fault) if fault.blame == Blame::Guest && Instant::now() < until => {
                signals.pause(until.min(Instant::now() + LOOK))?;
                // Another look would have no time, and nothing to say but that.
                if until <= Instant::now() {
                    return Err(fault.into());
                }
            }
            Err(fault) => return Err(fault.into()),
        }
    }
}

/// Looks at a screen until it shows something or the time is over, and keeps the last line of its text.
fn watch(mut screen: Screen, awaited: &Awaited, until: Instant, seen: &mut Option<String>) -> Result<bool, Fault> {
    let mut shows = |picture: &Picture| match awaited {
        Awaited::Text(wanted) => {
            let mut rows = text::read(picture);
            let found = rows.iter().any(|row| row.contains(wanted));
            *seen = rows.pop();
            found
        }
        Awaited::Part(part, _) => picture.find(part).is_some(),
    };
    if shows(screen.whole()?) {
        return Ok(true);
    }
    while let Some(picture) = screen.changed(until)? {
        if shows(picture) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn hint(name: &str, seen: Option<String>) -> String {
    match seen {
        Some(line) => format!("the last line of its text is {line:?}"),
        None => format!("`vmrun screenshot {name}` shows what is on it"),
    }
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Part(_, path) => write!(f, "the picture {}", path.display()),
        }
    }
}
