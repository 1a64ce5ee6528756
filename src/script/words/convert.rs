//! Disks that begin as an image.

use super::{Asks, Call, Param, Type, Word, WordKind, text};
use crate::diag::{Cause, Fault, suggest};
use crate::host::disks::{DiskChange, Filling};
use crate::host::{Effect, Host, packages, volumes};
use crate::image::source::{BEGINNING, FORMS, Source, SourceForm, source};
use crate::model::volume::{DiskPlace, VolumeName};
use crate::model::{Argv, Size};
use crate::script::allowance::Asked;
use crate::script::raise::Raised;
use crate::supervise::conflicts::Purpose;
use rhai::Dynamic;
use std::path::{Path, PathBuf};

pub(super) const WORDS: &[Word] = &[Word {
    name: "convert",
    kind: WordKind::Action,
    params: &[
        Param::written("image", Type::Path, "\"/images/debian.qcow2\""),
        Param::written("disk", Type::Path, "disk(\"/vm/web.img\", 20.GiB)"),
        Param::options(OPTIONS).hidden(),
    ],
    returns: Type::Path,
    asks: &[Asks::Commands, Asks::Paths],
    help: "Fills a disk that is new from an image, and returns its path: qcow2, vmdk, vhdx, raw, or raw that xz, gzip, zstd or bzip2 has packed, as its content tells. A disk that has data is left alone.",
    ..Word::of(convert)
}];

/// The options.
const OPTIONS: &[(&str, &str)] =
    &[("kind", "what the image is, for a plan where it is not here yet: \"qcow2\", \"raw.xz\" (its content tells)")];

fn convert(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let (image, path, said) = (call.path(0)?, call.path(1)?, said(call)?);
    let zvols = call.evaluation().run().host.settings().zvols.clone();
    let (path, volume) = match DiskPlace::of(&path, &zvols).map_err(|fault| Raised::from(fault).arg(1))? {
        DiskPlace::Volume(name, device) => (device, Some(name)),
        DiskPlace::File(path) => (path, None),
        DiskPlace::Device(path) => {
            let fault = Fault::new(format!("{} is a device, and whose data are on it nobody knows", path.display()));
            let hint =
                format!("if they are not needed: qemu-img convert -O raw {} {}", image.display(), path.display());
            return Err(Raised::from(fault.hint(hint)).arg(1));
        }
    };
    call.permit(Asked::Read(&image))?;
    match &volume {
        Some(name) => call.permit(Asked::Volume(name))?,
        None => call.permit(Asked::Path(&path))?,
    }
    let returned = Dynamic::from(path.display().to_string());
    let Some(size) = room(call, &image, &path, volume.as_ref())? else { return Ok(returned) };
    let known = known(call, &image, said)?;
    let (form, needed) = known.map_or((UNKNOWN, None), |source| (source.form, source.size));
    let is_of_the_run = call.evaluation().run().has_made_disk(&path);
    let filling = Filling { image, form, path, volume, is_of_the_run, size };
    if !call.evaluation().run().host.is_assumed() {
        let is_known = known.is_some();
        let fault = against(&*call.evaluation().run().host, &filling, needed, is_known);
        fault.map_or(Ok(()), |fault| Err(Raised::from(fault).arg(0)))?;
    }
    call.act(&Effect::Disk(Box::new(DiskChange::Fill(filling))))?;
    Ok(returned)
}

/// Returns the size of a disk that is to be filled; nothing of one that has data.
fn room(call: &Call<'_>, image: &Path, path: &Path, volume: Option<&VolumeName>) -> Result<Option<Size>, Raised> {
    let is_init = call.evaluation().inputs.init;
    let (found, is_new) = {
        let mut evaluation = call.evaluation();
        let run = evaluation.run();
        let has_made = run.has_made_disk(path);
        if run.host.is_assumed() {
            let made = run.made_size(path);
            return Ok(made.filter(|_| is_init));
        }
        if let Some(name) = volume {
            let fact = volumes::volume(&*run.host, name).map_err(|fault| Raised::from(fault).arg(1))?;
            // A run that was killed before it came to fill the volume has left it empty.
            let is_new = fact.as_ref().is_some_and(|fact| has_made || is_init && fact.is_empty());
            (fact.map(|fact| fact.size), is_new)
        } else {
            let fact = run.host.file(path);
            (fact.and_then(|fact| fact.size), fact.is_some_and(|fact| !fact.has_data))
        }
    };
    let Some(size) = found else {
        let fault = Fault::new(format!("the disk {} is not there", path.display()));
        let hint = format!("convert(\"{}\", disk(\"{}\", 20.GiB)) makes it", image.display(), path.display());
        return Err(Raised::from(fault.hint(hint)).arg(1));
    };
    if !is_new && is_init && call.rehearses() {
        let fault = Fault::new(format!("{} has data, and is left as it is", path.display()));
        let hint = "to begin anew, take it away before; what is on it is lost then";
        super::machine::warn(call, Raised::from(fault.hint(hint)).arg(1));
    }
    Ok(is_new.then_some(size))
}

/// Returns what the recipe says that the image is.
fn said(call: &Call<'_>) -> Result<Option<SourceForm>, Raised> {
    let options = call.options(2)?;
    let about = |raised: Raised| raised.under("kind").arg(2);
    let given = options.get("kind").filter(|value| !value.is_unit()).map(text).transpose().map_err(about)?;
    let Some(given) = given.filter(|kind| !kind.is_empty()) else { return Ok(None) };
    let names = || FORMS.iter().map(|(name, _)| *name);
    let found = FORMS.iter().find(|(name, _)| *name == given).map(|(_, form)| *form);
    found.map(Some).ok_or_else(|| {
        let fault = Fault::new(format!("no disk is made of an image that is {given:?}"));
        let fault = fault.hint(format!("it is known how to make one of {}", suggest::list(names())));
        about(fault.did_you_mean(&given, names()).into())
    })
}

/// What an image is taken for of which nothing is known yet.
const UNKNOWN: SourceForm = SourceForm::Format("qcow2");

/// Returns what an image is, by its content; nothing of one that is not here, or that the run brings itself.
fn known(call: &Call<'_>, image: &Path, said: Option<SourceForm>) -> Result<Option<Source>, Raised> {
    let (is_assumed, length, head) = {
        let mut evaluation = call.evaluation();
        let host = &*evaluation.run().host;
        (host.is_assumed(), host.file(image).and_then(|fact| fact.size), host.read(image, BEGINNING))
    };
    let head = match head {
        Ok(head) => head,
        Err(why) if is_assumed || why.cause == Some(Cause::NotYet) => {
            if said.is_some() {
                return Ok(said.map(|form| Source { form, size: None }));
            }
            // A run looks again, once it is there.
            let purpose = call.evaluation().rehearsal;
            if purpose == Some(Purpose::Plan) || is_assumed && purpose != Some(Purpose::Check) {
                let fault = Fault::new(format!("{} is not here, and is taken for a qcow2", image.display()));
                let hint = "its content tells what it is when it is converted";
                super::machine::warn(call, Raised::from(fault.hint(hint)).arg(0));
            }
            return Ok(None);
        }
        Err(fault) => {
            let hint =
                "correct the path, which begins at the recipe's folder; `fetch(…)` and `std/images` have images there";
            return Err(Raised::from(fault.hint(hint)).arg(0));
        }
    };
    let length = length.map_or(head.len() as u64, Size::get);
    source(&head, length).map(Some).map_err(|fault| {
        let message = format!("{} {}", image.display(), fault.message);
        Raised::from(Fault { message, ..fault }).arg(0)
    })
}

/// Returns what speaks against filling a disk: it is too small, a program is missing, or there is no space. Which program it takes is
/// known once the image is.
fn against(host: &dyn Host, filling: &Filling, needed: Option<u64>, is_known: bool) -> Option<Fault> {
    let (image, path) = (filling.image.display(), filling.path.display());
    if let Some(needed) = needed.map(Size::bytes).filter(|needed| *needed > filling.size) {
        let fault =
            Fault::new(format!("{image} makes a disk of {}, and {path} has {}", needed.rough(), filling.size.rough()));
        return Some(fault.hint(format!("give the disk a size of at least \"{needed}\"")));
    }
    if let Some(program) = filling.program().filter(|program| is_known && !host.has_program(program)) {
        let package = packages::line(host.settings().platform, program);
        let package = package.unwrap_or("install it by the system's packages");
        return Some(Fault::host(format!("`{program}` is not installed, and {image} needs it")).hint(package));
    }
    let length = host.file(&filling.image)?.size?;
    let (place, free) = if let Some(name) = &filling.volume {
        (PathBuf::from(name.parent()), volumes::parent(host, name).ok()??.free)
    } else {
        let folder = filling.path.parent()?;
        (folder.into(), free(&host.query(&Argv::new("df").arg("-Pk").arg(folder.display())).ok()?)?)
    };
    // What is packed, or has holes, takes more: that much it takes at least. What is reserved for a volume is there already.
    let is_reserved = filling.volume.as_ref().and_then(|name| volumes::volume(host, name).ok()?);
    let is_reserved = is_reserved.is_some_and(|fact| fact.reserved >= fact.size);
    (length > free && !is_reserved).then(|| {
        let fault = Fault::host(format!(
            "{} has {} left, and {image} alone has {}",
            place.display(),
            free.rough(),
            length.rough()
        ));
        fault.hint("make room there, or choose another place for the disk")
    })
}

/// Reads how much space df(1) says that there is: `-P` has one line for each file system, `-k` counts in KiB (POSIX).
fn free(text: &str) -> Option<Size> {
    let available: u64 = text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    Some(Size::bytes(available.saturating_mul(1024)))
}
