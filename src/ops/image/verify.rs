//! Whether an image is what a recipe would write now.

use crate::diag::{Diagnostic, Fault, suggest};
use crate::host::files;
use crate::host::files::disk_file::DiskFile;
use crate::host::system::{Prefetch, System};
use crate::host::worlds::rehearsal::{Rehearsal, Rehearsed};
use crate::host::{Effect, Host, Settings};
use crate::image::{Image, compare};
use crate::ops::notice::{Notice, Notify};
use crate::ops::recipe::RecipeRequest;
use crate::supervise::Run;
use crate::supervise::conflicts::Purpose;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Returns how an image differs from what a recipe writes. Of a recipe that may not ask it is told what it has not asked.
pub(crate) fn differences(
    path: &Path,
    recipe: &RecipeRequest,
    settings: Settings,
    notify: Notify<'_>,
) -> Result<Vec<String>, Vec<Diagnostic>> {
    let written = written(recipe, settings, notify)?;
    let image = wanted(&written, path, &recipe.path)?;
    Ok(compare(&DiskFile::open(path)?, image)?)
}

/// Images and where they are written, in order.
type Written = Vec<(PathBuf, Rc<Image>)>;

/// Rehearses a recipe, and returns the images that it would write.
fn written(recipe: &RecipeRequest, settings: Settings, notify: Notify<'_>) -> Result<Written, Vec<Diagnostic>> {
    let host: Box<dyn Host> = Box::new(System::new(settings, Prefetch::default())?);
    let text = recipe.read()?;
    let mut run = Run::new(Box::new(Rehearsal::new(host)));
    run.listener = Some(recipe.listener());
    let evaluated = text.evaluate(run, &recipe.inputs(), Some(Purpose::Plan));
    // Others are about a run, which this is not.
    let warnings = evaluated.warnings.into_iter().filter(|_| recipe.asks_nothing);
    warnings.for_each(|warning| notify(Notice::Warning(warning)));
    if !evaluated.faults.is_empty() {
        return Err(evaluated.faults);
    }
    let image = |done: &Rehearsed| match done {
        Rehearsed::Effect(Effect::WriteImage { path, image, .. }) => Some((path.clone(), image.clone())),
        Rehearsed::Effect(_) | Rehearsed::Boot(_) => None,
    };
    Ok(evaluated.run.rehearsed().iter().filter_map(image).collect())
}

/// The image of that path, or the only one that there is.
fn wanted<'a>(written: &'a Written, path: &Path, recipe: &str) -> Result<&'a Image, Fault> {
    let whole = files::whole(Path::new(""), path);
    // What is written last stays.
    if let Some((_, image)) = written.iter().rev().find(|(other, _)| *other == whole) {
        return Ok(image);
    }
    let paths: Vec<String> = written.iter().map(|(path, _)| path.display().to_string()).collect();
    match &written[..] {
        [] => {
            let fault = Fault::new(format!("{recipe} writes no image"));
            Err(fault.hint("it is asked what it does with --init; an image is written by ipxe_image or cloud_seed"))
        }
        [(_, image)] => Ok(image),
        _ => {
            let fault = Fault::new(format!("{recipe} does not write {}", path.display()));
            Err(fault.hint(format!("it writes {}", suggest::list(paths.iter().map(String::as_str)))))
        }
    }
}
