//! `vmrun screenshot`: what is on the screen of a machine, as a file, in the terminal, or as text.

use super::find::{HostArgs, tell};
use super::term::Term;
use crate::diag::{Diagnostic, Fault};
use crate::ops::display::{Ink, picture, save, text_of};
use clap::Args;
use std::path::Path;

#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct ScreenshotArgs {
    /// The machine, by name or by recipe
    machine: String,
    /// The PNG to write, or `-` for the standard output; without it the screen is shown in the terminal
    file: Option<String>,
    /// Print the text that is on the screen
    #[arg(long, conflicts_with = "file")]
    text: bool,
    #[command(flatten)]
    hosts: HostArgs,
}

const AFTER: &str = "\
The screen is what the VNC server of its frame buffer sends. bhyve lets in one viewer at a time: close the
other one. A terminal shows two pixels to a character, in 24-bit colours, or as shades where NO_COLOR is set.

--text reads what is in a typeface that is known: the console of edk2's firmware (8x19 pixels), which iPXE
prints to as well, and that of the VGA (8x16), in one grid, as consoles have it. A cell with anything else
in it is a \u{fffd}.";

pub(super) fn run(args: &ScreenshotArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let size = term.size();
    if args.file.is_none() && !args.text && size.is_none() {
        let fault = Fault::usage("the standard output is no terminal that a screen could be shown in");
        let hint = format!("name a file, `vmrun screenshot {0} {0}.png`, or read its text by --text", args.machine);
        return Err(vec![fault.hint(hint).into()]);
    }
    let picture = picture(&args.machine, &args.hosts.query(), &mut tell(term))?;
    match (args.file.as_deref(), size) {
        (Some("-"), _) => term.file(&picture.to_png()?)?,
        (Some(file), _) => {
            save(&picture, Path::new(file))?;
            term.say(format_args!("wrote {file}, {}x{} pixels", picture.width(), picture.height()));
        }
        (None, _) if args.text => term.data(text_of(&picture))?,
        (None, size) => {
            let (columns, lines) = size.unwrap_or((80, 24));
            let ink = if term.has_no_colour() { Ink::Shade } else { Ink::Colour };
            // The last line is for the prompt.
            let drawn = picture.draw(columns, lines.saturating_sub(1), ink);
            term.picture(&drawn)?;
        }
    }
    Ok(())
}
