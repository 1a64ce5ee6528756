//! The table of images of systems, and what their publishers say.

mod voucher;

use super::settings::{platform, settings};
use crate::diag::{Diagnostic, Fault};
use crate::host::worlds::elsewhere::Elsewhere;
use crate::host::worlds::rehearsal::{Rehearsal, Rehearsed};
use crate::host::{Effect, Settings, files, library_tree};
use crate::image::catalog::{Catalog, SystemImage};
pub(crate) use crate::image::catalog::{System, Verifies};
use crate::image::checksums;
use crate::model::{Arch, Digest, Fetch, Url};
use crate::script::edit;
use crate::script::{Inputs, Recipe};
use crate::supervise::Run;
use crate::supervise::conflicts::Purpose;
use std::path::Path;
pub(crate) use voucher::Voucher;

/// What a publisher says of an image.
#[derive(Clone, Debug)]
pub(crate) struct Pin {
    /// The system.
    pub name: String,
    /// The architecture.
    pub arch: Arch,
    /// Whether that is the host's.
    pub is_of_host: bool,
    /// What the image is.
    pub digest: Digest,
    /// Where it is.
    pub url: Url,
    /// Where that is said.
    pub checksums: Url,
    /// Whether what says so is signed, for people.
    pub signed: String,
    /// Who vouches for what is said there.
    pub voucher: Voucher,
}

/// A pin of a recipe, and what its publisher says.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    /// What the recipe has.
    pub has: Digest,
    /// What the publisher has.
    pub pin: Pin,
}

fn here() -> Result<Settings, Fault> {
    settings(platform()?, false)
}

/// Returns the images that this host knows.
pub(crate) fn catalog() -> Result<Catalog, Vec<Diagnostic>> {
    let path = here()?.config.join("config.toml");
    let text = library_tree::text(&path)?.unwrap_or_default();
    Catalog::configured(&path.display().to_string(), &text).map_err(|fault| vec![fault])
}

/// Asks the publisher of an image what it is.
pub(crate) fn pin(name: &str, arch: Option<Arch>) -> Result<Pin, Vec<Diagnostic>> {
    let settings = here()?;
    let arch = arch.unwrap_or(settings.target.arch);
    Ok(asked(&settings, &catalog()?, name, arch)?)
}

fn asked(settings: &Settings, catalog: &Catalog, name: &str, arch: Arch) -> Result<Pin, Fault> {
    let system = catalog.system(name)?;
    let SystemImage { url, checksums, digest: kind, signature } = system.image(name, arch)?;
    let Some(checksums) = checksums else {
        let fault = Fault::new(format!("the table does not say where the checksums of {name} are"));
        return Err(fault.hint(format!("add `checksums` to [images.{name}] in config.toml")));
    };
    let publisher = voucher::Publisher { settings, checksums: &checksums, keyring: catalog.keyring(system) };
    let (text, voucher) = publisher.says(signature.as_ref())?;
    let digest = checksums::find(&text, url.file_name(), kind)?.ok_or_else(|| {
        let fault = Fault::host(format!("{checksums} has no {} of {}", kind.name(), url.file_name()));
        fault.hint(format!("its publisher may have moved it: look there, and correct [images.{name:?}] in config.toml"))
    })?;
    let is_of_host = arch == settings.target.arch;
    Ok(Pin { name: name.into(), arch, is_of_host, digest, url, checksums, signed: system.signed.clone(), voucher })
}

/// Compares the images that a recipe fetches with what their publishers say: those of the table.
pub(crate) fn check(recipe: &Path) -> Result<Vec<Checked>, Vec<Diagnostic>> {
    let settings = here()?;
    let catalog = catalog()?;
    let mut all = Vec::new();
    for fetch in fetches(recipe, &settings)? {
        let arches = [Arch::Amd64, Arch::Arm64];
        let is_it = |name: &str, system: &System, arch: Arch| {
            system.image(name, arch).is_ok_and(|image| image.url == fetch.url)
        };
        let row = catalog
            .systems()
            .find_map(|(name, system)| Some((name, arches.into_iter().find(|arch| is_it(name, system, *arch))?)));
        let Some((name, arch)) = row else { continue };
        let mut pin = asked(&settings, &catalog, name, arch)?;
        if pin.digest.kind() != fetch.digest.kind() {
            let (is, has) = (pin.digest.kind().name(), fetch.digest.kind().name());
            let fault =
                Fault::new(format!("{}: the publisher of {name} has a {is}, and the pin is a {has}", recipe.display()));
            return Err(fault.hint(format!("`vmrun images pin {name}` prints a {is}")).into());
        }
        pin.is_of_host = arch == settings.target.arch;
        all.push(Checked { has: fetch.digest, pin });
    }
    Ok(all)
}

/// Writes the pins that publishers have into a recipe, in the place of those that are old.
///
/// # Errors
/// A pin is not written in the recipe's own text, or what comes of it is no recipe that fetches what it should. Nothing is changed then.
pub(crate) fn write(path: &Path, old: &[Checked]) -> Result<(), Vec<Diagnostic>> {
    let text = files::read_text(path).map_err(files::io_fault("read", path))?;
    let new = |written: &str| {
        let is_it = |one: &&Checked| one.has.hex().eq_ignore_ascii_case(written);
        old.iter().find(is_it).map(|one| one.pin.digest.hex().to_string())
    };
    let edits = edit::rewritten(&text, &new);
    let is_there = |one: &&Checked| edits.iter().any(|(_, hex)| hex == one.pin.digest.hex());
    if let Some(one) = old.iter().find(|one| !is_there(one)) {
        let fault = Fault::new(format!("the pin of {} is no text of {}", one.pin.name, path.display()));
        return Err(fault.hint("write it where it is computed, or into the library that has it").into());
    }
    let after = edit::replaced(&text, &edits);
    let fetched = fetches_of(path, &after, &here()?)?;
    let has = |one: &Checked| fetched.iter().any(|fetch| fetch.digest == one.pin.digest && fetch.url == one.pin.url);
    if !old.iter().all(has) {
        let fault = Fault::new(format!("with the new pins {} would fetch something else", path.display()));
        return Err(fault.hint("write them by hand").into());
    }
    Ok(files::rewrite(path, &after)?)
}

/// Returns what a recipe would fetch where nothing is fetched yet.
fn fetches(path: &Path, settings: &Settings) -> Result<Vec<Fetch>, Vec<Diagnostic>> {
    let text = files::read_text(path).map_err(files::io_fault("read", path))?;
    fetches_of(path, &text, settings)
}

fn fetches_of(path: &Path, text: &str, settings: &Settings) -> Result<Vec<Fetch>, Vec<Diagnostic>> {
    let recipe = Recipe::parse(&path.display().to_string(), text)?;
    let rehearsal = Rehearsal::new(Box::new(Elsewhere::nowhere(settings.clone())));
    let inputs = Inputs { init: true, asks_nothing: true, ..Inputs::default() };
    let evaluated = recipe.evaluate(Run::new(Box::new(rehearsal)), &inputs, Some(Purpose::Plan));
    if !evaluated.faults.is_empty() {
        return Err(evaluated.faults);
    }
    let fetch = |done: &Rehearsed| match done {
        Rehearsed::Effect(Effect::Fetch(fetch)) => Some((**fetch).clone()),
        Rehearsed::Effect(_) | Rehearsed::Boot(_) => None,
    };
    Ok(evaluated.run.rehearsed().iter().filter_map(fetch).collect())
}
