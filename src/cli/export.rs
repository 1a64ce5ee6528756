//! `vmrun export NAME FILE`: a machine with its disks, for `vmrun import` on another host.

use super::term::Term;
use crate::diag::Diagnostic;
use crate::ops::display::terminal;
use crate::ops::export::{Exported, MoveProgress, export};
use clap::Args;
use std::path::Path;

#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct ExportArgs {
    /// The machine: a name or a recipe
    name: String,
    /// The file to write, which is not there yet; `-` for the standard output
    file: String,
    /// Have volumes as streams of zfs-send(8): as they are compressed, and encrypted
    #[arg(long)]
    zfs_send: bool,
}

const AFTER: &str = "\
In FILE are the machine's recipe, what that imports of its own folder, its parameters without secrets, the pins of
its libraries, the disks that it writes to, and the variables of its firmware. What is zero takes no room.

A machine that does not run cannot be started meanwhile. Of one that runs, volumes are read as a snapshot has them,
which goes again, and files where their file system has reflinks; its agent, if it has one, freezes its file systems
for that moment.

With --zfs-send a volume of ZFS is in it as `zfs send -c` of that snapshot has it, and as `zfs send -w` where it is
encrypted: its key is not in it. Only a host with ZFS imports that.

FILE is a tar that zstd(1) has packed, which has its name only when it is whole: `tar -tf FILE` lists it, and
`vmrun import FILE` makes the same machine of it.";

pub(super) fn run(args: &ExportArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let file = Some(args.file.as_str()).filter(|file| *file != "-").map(Path::new);
    let exported = export(&args.name, file, args.zfs_send, &mut progress(term, "exporting", &args.name))?;
    exported.notes.iter().for_each(|note| term.say(note));
    for what in &exported.left_out {
        term.say(format_args!("not in it: {what}"));
    }
    term.say(summary(&exported));
    Ok(())
}

/// Returns what is said when all is done.
fn summary(exported: &Exported) -> String {
    let Exported { machine, disks, used, length, .. } = exported;
    let disks = if *disks == 1 { "1 disk".into() } else { format!("{disks} disks") };
    let packed = length.map_or_else(String::new, |length| format!(", packed to {}", length.rough()));
    format!("exported {machine}: {disks} with {}{packed}", used.rough())
}

/// Returns who draws how far something is, where somebody looks on.
pub(super) fn progress<'a>(term: &Term, what: &'a str, name: &'a str) -> impl FnMut(MoveProgress) + use<'a> {
    let is_terminal = term.is_terminal();
    move |MoveProgress { done, whole, rate }| {
        if is_terminal {
            terminal::redraw(&format!("vmrun: {what} {name}: {}", terminal::amounts(done, Some(whole), rate)));
        }
    }
}
