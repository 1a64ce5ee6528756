//! Files: disks, texts, permissions.

use super::{Asks, Call, Param, Type, Word, WordKind, size};
use crate::diag::Fault;
use crate::host::{Effect, Host};
use crate::model::{Argv, Size};
use crate::script::allowance::Asked;
use crate::script::raise::Raised;
use crate::supervise::conflicts::lengths::{WHILE_WRITTEN, against_path};
use rhai::Dynamic;
use std::path::Path;

pub(super) const WORDS: &[Word] = &[
    Word {
        name: "truncate",
        kind: WordKind::Action,
        params: &[
            Param::new("path", Type::Path),
            Param::written("size", Type::Size, "20.GiB"),
            Param::options(&[("shrink", "let it cut off data (false)")]).hidden(),
        ],
        asks: &[Asks::Paths],
        help: "Makes a file of that size, sparse; `#{ shrink: true }` lets it cut off data.",
        is_in_rhai: true,
        ..Word::of(truncate)
    },
    Word {
        name: "write_file",
        kind: WordKind::Action,
        params: &[
            Param::new("path", Type::Path),
            Param::new("text", Type::Text),
            Param::options(&[("mode", "who may read it: \"600\"")]).shown("#{ mode: \"600\" }"),
        ],
        asks: &[Asks::Paths],
        help: "Writes a text as a file, in place of an old one; `mode` says who may read it, else the umask does.",
        ..Word::of(write_file)
    },
    Word {
        name: "umask",
        kind: WordKind::Action,
        params: &[Param::text("mask", "027")],
        asks: &[Asks::Umask],
        help: "Sets which permissions new files lack; a run begins with 026.",
        ..Word::of(umask)
    },
];

/// Files are made only where their folder is, and never in the place of one.
/// `more` bytes follow their names while they are written.
pub(super) fn folder_of(call: &Call<'_>, path: &Path, more: usize) -> Result<(), Raised> {
    call.permit(Asked::Path(path))?;
    let platform = call.evaluation().run().host.settings().platform;
    if let Some(fault) = against_path(platform, path, more) {
        return Err(Raised::from(fault).arg(0));
    }
    if call.rehearses() && call.evaluation().run().host.file(path).is_some_and(|fact| fact.is_folder) {
        let fault = Fault::new(format!("{} is a folder", path.display()));
        return Err(Raised::from(fault.hint("name the file in it")).arg(0));
    }
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    // A host that is not here has the folders of what it lacks.
    let lacks = |host: &dyn Host| host.file(folder).is_none() && !host.is_assumed();
    if call.rehearses() && lacks(&*call.evaluation().run().host) {
        let fault = Fault::new(format!("the folder {} is not there", folder.display()));
        return Err(Raised::from(fault.hint(Argv::new("mkdir").arg("-p").arg(folder.display()).to_string())).arg(0));
    }
    Ok(())
}

/// Returns the size of a disk, which is the second argument of a word that begins so; one of a few bytes is warned of.
pub(super) fn disk_size(call: &Call<'_>, word: &str) -> Result<Size, Raised> {
    let is_bare = call.args[1].as_int().is_ok_and(|number| (1..512).contains(&number));
    if is_bare && call.rehearses() {
        let fault = Fault::new(format!("the disk gets {} bytes: a number without a unit counts bytes", call.args[1]));
        let hint = format!("{word}, {}.GiB)", call.args[1]);
        super::machine::warn(call, Raised::from(fault.hint(hint)).arg(1));
    }
    size(&call.args[1]).map_err(|raised| raised.arg(1))
}

fn truncate(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let (path, size) = (call.path(0)?, disk_size(call, "truncate(path")?);
    let options = call.options(2)?;
    let shrink = options.get("shrink").and_then(|value| value.as_bool().ok()).unwrap_or(false);
    folder_of(call, &path, 0)?;
    if let Some(fact) = call.evaluation().run().host.file(&path) {
        let smaller = fact.size.is_some_and(|now| now > size);
        if smaller && fact.has_data && !shrink {
            let now = fact.size.map(Size::rough).unwrap_or_default();
            let fault = Fault::new(format!("{} has data and {now}: {size} would cut it off", path.display()));
            return Err(Raised::from(fault.hint("truncate(path, size, #{ shrink: true }) does it all the same")).arg(1));
        }
    }
    call.act(&Effect::Truncate { path, size })?;
    Ok(Dynamic::UNIT)
}

fn write_file(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let path = call.path(0)?;
    let mut text = call.text(1)?;
    let options = call.options(2)?;
    let mode = options.get("mode").filter(|value| !value.is_unit()).map(|value| {
        let digits = super::text(value)?;
        let fault = || Fault::new(format!("{digits:?} is no mode")).hint("three octal digits: \"600\", \"644\"");
        octal(&digits).ok_or_else(|| Raised::from(fault()))
    });
    let mode = mode.transpose().map_err(|raised| raised.under("mode").arg(2))?;
    folder_of(call, &path, WHILE_WRITTEN)?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    call.act(&Effect::WriteFile { path, text: text.into(), mode })?;
    Ok(Dynamic::UNIT)
}

fn octal(digits: &str) -> Option<u32> {
    u32::from_str_radix(digits, 8).ok().filter(|mode| digits.len() == 3 && *mode <= 0o777)
}

fn umask(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let text = call.text(0)?;
    let mask = u32::from_str_radix(&text, 8).ok().filter(|mask| *mask <= 0o777);
    let fault = || Fault::new(format!("{text:?} is no umask")).hint("three octal digits: \"026\"");
    let mask = mask.ok_or_else(|| Raised::from(fault()).arg(0))?;
    call.act(&Effect::Umask(mask))?;
    Ok(Dynamic::UNIT)
}
