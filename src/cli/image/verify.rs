//! `vmrun image verify IMAGE RECIPE…`: whether an image is what recipes would write now.

use crate::cli::term::Term;
use crate::cli::{GivenArgs, RecipeArgs, pair};
use crate::diag::{Diagnostic, Fault, suggest};
use crate::host::files::DiskFile;
use crate::host::worlds::rehearsal::{Rehearsal, Rehearsed};
use crate::host::{Effect, Host};
use crate::image::{Image, compare};
use crate::supervise::Run;
use crate::supervise::conflicts::Purpose;
use clap::Args;
use std::path::{Path, PathBuf};
use std::rc::Rc;

#[derive(Args)]
pub(super) struct VerifyArgs {
    /// The image
    image: PathBuf,
    /// The recipes that write it
    #[arg(required = true)]
    recipes: Vec<String>,
    /// Give the recipes a parameter
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
}

pub(super) fn run(args: &VerifyArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let mut faults: Vec<Diagnostic> = Vec::new();
    for recipe in &args.recipes {
        let recipe = RecipeArgs {
            recipe: recipe.clone(),
            given: GivenArgs { init: true, set: args.set.clone(), user_net: false },
        };
        let written = written(&recipe)?;
        let differs = wanted(&written, &args.image, &recipe.recipe).and_then(|image| {
            let disk = DiskFile::open(&args.image)?;
            compare(&disk, image)
        });
        let name = args.image.display();
        let fault = |difference: String| {
            let message = format!("{name} is not what {} writes: {difference}", recipe.recipe);
            Diagnostic::error(Fault::new(message))
        };
        faults.extend(differs.map_err(|fault| vec![fault.into()])?.into_iter().map(fault));
        if faults.is_empty() {
            term.data(format!("{name} is what {} writes", recipe.recipe)).map_err(|fault| vec![fault.into()])?;
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

type Written = Vec<(PathBuf, Rc<Image>)>;

/// Rehearses a recipe, and returns the images that it would write.
fn written(recipe: &RecipeArgs) -> Result<Written, Vec<Diagnostic>> {
    let host: Box<dyn Host> = Box::new(super::host().map_err(|fault| vec![fault.into()])?);
    let text = recipe.read()?;
    let evaluated = text.evaluate(Run::new(Box::new(Rehearsal::new(host))), &recipe.inputs(), Some(Purpose::Plan));
    if !evaluated.faults.is_empty() {
        return Err(evaluated.faults);
    }
    let image = |done: &Rehearsed| match done {
        Rehearsed::Effect(Effect::WriteImage { path, image, .. }) => Some((path.clone(), image.clone())),
        _ => None,
    };
    Ok(evaluated.run.rehearsed().iter().filter_map(image).collect())
}

/// The image of that path, or the only one that there is.
fn wanted<'a>(written: &'a Written, path: &Path, recipe: &str) -> Result<&'a Image, Fault> {
    // What is written last stays.
    if let Some((_, image)) = written.iter().rev().find(|(other, _)| other == path) {
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
