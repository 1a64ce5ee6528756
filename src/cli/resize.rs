//! `vmrun resize`: a disk of a machine gets larger.

use super::term::Term;
use crate::diag::{Diagnostic, Fault};
use crate::model::Size;
use crate::ops::resize::{Resize, Said};
use clap::Args;

#[derive(Args)]
pub(super) struct ResizeArgs {
    /// The machine, or its recipe
    #[arg(value_name = "NAME")]
    machine: String,
    /// The disk: its path, its file's name, its volume or its slot
    disk: String,
    /// The size that it gets: 40G, 2T; no disk gets smaller
    #[arg(value_parser = size)]
    size: Size,
    /// Also write the size into the recipe, in the place of the literal that says it
    #[arg(long)]
    edit: bool,
    /// Only print the commands
    #[arg(long)]
    dry_run: bool,
}

/// What is left to do in a guest that runs: a virtio disk tells its guest that it has another size (Virtio 1.2, 5.2.5); that QEMU's NVMe
/// and SATA disks do not is from memory.
const WITHIN: &str = "a guest sees that of a virtio disk at once, of another one when it boots next; within it grow the partition and the file \
                      system: growpart and resize2fs or xfs_growfs, gpart resize and growfs";

fn size(text: &str) -> Result<Size, Fault> {
    Size::disk_written(text).map_err(|fault| fault.hint("for example 40G, with one of K, M, G and T"))
}

pub(super) fn run(args: &ResizeArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let resize = Resize::of(&args.machine, &args.disk, args.size)?;
    let (recipe, way_out) = of_recipe(&resize);
    if args.dry_run {
        resize.commands().iter().try_for_each(|command| term.data(command))?;
        resize.told().map_or(Ok(()), |told| term.data(format!("# {told}")))?;
        return Ok(recipe.map_or(Ok(()), |line| term.data(format!("# {line}")))?);
    }
    let (disk, now, size) = (resize.disk.clone(), resize.now.rough(), resize.size.rough());
    let (is_there, is_live) = (resize.is_there(), resize.told().is_some());
    resize.perform(args.edit)?;
    term.say(if is_there { format!("{disk} has {size}") } else { format!("{disk} has {size}, and had {now}") });
    if is_live {
        term.say(WITHIN);
    }
    if let Some(line) = recipe {
        term.data(line)?;
    }
    if let Some(way_out) = way_out.filter(|_| !args.edit) {
        term.say(way_out);
    }
    Ok(())
}

/// What is to be said of the recipe, and what is to be done about it.
fn of_recipe(resize: &Resize) -> (Option<String>, Option<String>) {
    match &resize.said {
        Said::Nothing | Said::Already => (None, None),
        Said::Literal(correction) => {
            let (path, line) = &correction.at;
            let change = format!("{}:{line}: {} → {}", path.display(), correction.old, correction.new);
            let way_out = "the next start is refused until the recipe says so: --edit writes it".to_string();
            (Some(change), Some(way_out))
        }
        Said::Computed(size, place) => {
            let at = place.as_ref().map(|place| format!("{}:{}: ", place.source.name, place.line_column().0));
            let (at, new) = (at.unwrap_or_default(), resize.size);
            let line = format!("{at}the recipe says {size} by no literal; it has to say {new}");
            (Some(line), Some("the next start is refused until the recipe says so".to_string()))
        }
    }
}
