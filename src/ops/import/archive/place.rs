//! Where a disk that comes may be put: nowhere that somebody reads by its name. Who made the export has said what is on it.

use crate::diag::Fault;
use crate::host::environment::env;
use crate::host::files;
use crate::host::restore::Place;
use crate::image::archive::DiskPart;
use crate::library::protected::{is_systems, is_systems_by_link};
use crate::library::{LOCK, MANIFEST};
use crate::model::{Argv, is_recipe};
use std::path::{Component, Path, PathBuf};

/// Refuses a place that belongs to the system, or that has the name of a recipe, or whose folder is not there; that of the recipe is made.
pub(in crate::ops) fn against_place(part: &DiskPart, place: &Place, recipes: &Path) -> Result<(), Fault> {
    let Place::File(path) = place else { return Ok(()) };
    let (shown, folder) = (path.display(), path.parent().unwrap_or(Path::new("/")));
    if is_systems(path) || files::real(folder).is_some_and(|real| is_systems_by_link(&real)) {
        let fault = Fault::new(format!("{shown} would be in a folder of the system, and is a disk"));
        return Err(fault.hint("an import puts none there; who made the export?"));
    }
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if is_recipe(name) || [MANIFEST, LOCK].contains(&name) {
        let fault = Fault::new(format!("{shown} has the name of a recipe or of its pins, and is a disk"));
        return Err(fault.hint("vmrun would take it for one; who made the export?"));
    }
    if files::length(path).is_some_and(|length| length != part.size.get()) {
        let fault = Fault::host(format!("{shown} is there already, and is another disk"));
        return Err(fault.hint("an import writes over nothing: move it away, or remove it"));
    }
    if files::is_folder(folder) || folder == recipes {
        return Ok(());
    }
    let fault = Fault::host(format!("the folder {} is not there", folder.display()));
    Err(fault.hint(Argv::new("mkdir").arg("-p").arg(folder.display()).to_string()))
}

/// Refuses a hidden file, and one in a hidden folder of somebody's home: shells and other programs read what is there by its name. What
/// somebody has named for disks, or has recipes in, is his own to choose.
pub(super) fn against_foreign(place: &Place, chosen: [Option<&Path>; 2]) -> Result<(), Fault> {
    let Place::File(path) = place else { return Ok(()) };
    let rest = chosen.into_iter().flatten().find_map(|folder| path.strip_prefix(folder).ok());
    let is_hidden = match rest {
        Some(rest) => hidden(rest).next().is_some(),
        None => hidden(path).last().is_some_and(|at| at + 1 == path.components().count()) || is_of_home(path),
    };
    if !is_hidden {
        return Ok(());
    }
    let fault = Fault::new(format!(
        "{} would be hidden, where programs look for their settings, and is a disk",
        path.display()
    ));
    Err(fault.hint("`--disks FOLDER` puts the disks there instead; who made the export?"))
}

/// Which parts of a path are hidden.
fn hidden(path: &Path) -> impl Iterator<Item = usize> + '_ {
    let is_hidden =
        |part: &Component<'_>| matches!(part, Component::Normal(name) if name.as_encoded_bytes().starts_with(b"."));
    path.components().enumerate().filter(move |(_, part)| is_hidden(part)).map(|(at, _)| at)
}

/// Whether a path is below what is hidden in the home of whoever this is, or of anybody.
fn is_of_home(path: &Path) -> bool {
    let own = env("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    let below = |folder: &Path, skipped: usize| {
        path.strip_prefix(folder).is_ok_and(|rest| hidden(rest).any(|at| at == skipped))
    };
    own.is_some_and(|home| below(&home, 0)) || ["/home", "/usr/home"].iter().any(|homes| below(Path::new(homes), 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_disk_is_put_where_a_program_reads_it_unless_somebody_has_chosen_that() {
        let chosen = [Some(Path::new("/home/me/.config/vmrun/recipes")), Some(Path::new("/home/me/.local/share/vm"))];
        let said = |path: &str| against_foreign(&Place::File(path.into()), chosen).err();
        for path in [
            "/home/me/.bash_profile",
            "/home/me/.config/systemd/user/a.service",
            "/usr/home/me/.ssh/rc",
            "/vm/.img",
            "/.profile",
            "/home/me/.config/vmrun/recipes/.img",
            "/home/me/.local/share/vm/.a/b.img",
        ] {
            assert!(said(path).is_some(), "{path}");
        }
        for path in [
            "/home/me/vm/web.img",
            "/vm/.snapshots/web.img",
            "/home/me/.config/vmrun/recipes/web.img",
            "/home/me/.local/share/vm/web.img",
        ] {
            assert_eq!(said(path), None, "{path}");
        }
        let fault = said("/vm/.img").unwrap();
        assert_eq!(fault.message, "/vm/.img would be hidden, where programs look for their settings, and is a disk");
        assert_eq!(fault.hint.unwrap(), "`--disks FOLDER` puts the disks there instead; who made the export?");
    }
}
