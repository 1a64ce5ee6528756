//! `vmrun wait-screen`: waits until the screen of a machine shows something.

use super::display::{Display, LOOK};
use super::find::HostArgs;
use super::run::duration;
use super::term::Term;
use crate::client::screen::{Screen, read};
use crate::diag::{Blame, Diagnostic, Fault};
use crate::host::signals::Signals;
use crate::screen::picture::Picture;
use crate::screen::text;
use clap::Args;
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct WaitScreenArgs {
    /// The machine, by name or by recipe
    machine: String,
    /// A text that is to stand in a line of the screen
    #[arg(required_unless_present = "picture", conflicts_with = "picture", allow_hyphen_values = true)]
    text: Option<String>,
    /// A PNG that is to be on the screen somewhere, pixel for pixel
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// How long it may take
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    within: Duration,
    #[command(flatten)]
    hosts: HostArgs,
}

const AFTER: &str = "\
A text is found as it stands, within one line of what `vmrun screenshot NAME --text` prints: it is read in the
typefaces of edk2's console and of the VGA, and in no other. For what is drawn otherwise there is --picture:
cut a part out of a screenshot; what is not opaque in it may be anything on the screen.

A machine that does not run yet, or starts again meanwhile, is waited for.

Examples:
  vmrun wait-screen report1 'iPXE initialising devices' --within 2m
  vmrun wait-screen report1 --picture login-button.png";

/// What is waited for.
enum Awaited {
    Text(String),
    Part(Picture, PathBuf),
}

pub(super) fn run(args: &WaitScreenArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let awaited = args.awaited()?;
    let until = Instant::now() + args.within;
    let signals = Signals::install()?;
    let mut seen = None;
    loop {
        let display = Display::find_within(&args.machine, &args.hosts, until, &signals, term)?;
        match display.open(&signals).and_then(|screen| watch(screen, &awaited, until, &mut seen)) {
            Ok(true) => return Ok(()),
            Ok(false) => {
                let message = format!("the screen of {} did not show {awaited} within {:?}", display.name, args.within);
                return Err(vec![Fault::new(message).blame(Blame::Guest).hint(hint(&display.name, seen)).into()]);
            }
            // A guest that starts again takes its server with it.
            Err(fault) if fault.blame == Blame::Guest && Instant::now() < until => {
                signals.pause(until.min(Instant::now() + LOOK))?;
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

impl WaitScreenArgs {
    fn awaited(&self) -> Result<Awaited, Fault> {
        let Some(path) = &self.picture else { return Ok(Awaited::Text(self.text.clone().unwrap_or_default())) };
        let name = path.display();
        let part = read(path).and_then(|bytes| Picture::from_png(&bytes).map_err(|fault| fault.context(name)));
        Ok(Awaited::Part(part?, path.clone()))
    }
}

impl std::fmt::Display for Awaited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Part(_, path) => write!(f, "the picture {}", path.display()),
        }
    }
}
