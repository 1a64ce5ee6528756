//! Files: disks, boot images, permissions.

use super::{Call, Kind, Word, size};
use crate::diag::Fault;
use crate::host::Effect;
use crate::image::{self, DEFAULT_SCRIPT, DEFAULT_SIZE, IpxeImage};
use crate::model::{Argv, Size};
use crate::script::raise::Raised;
use rhai::Dynamic;
use std::path::{Path, PathBuf};

pub(super) const WORDS: &[Word] = &[
    Word {
        name: "truncate",
        kind: Kind::Action,
        on: None,
        arity: (2, 3),
        usage: "truncate(path, 20.GiB)",
        help: "Makes a file of that size, sparse; `#{ shrink: true }` lets it cut off data.",
        call: truncate,
    },
    Word {
        name: "ipxe_image",
        kind: Kind::Action,
        on: None,
        arity: (1, 2),
        usage: "ipxe_image(path, #{ loader, script, size })",
        help: "Writes a disk image that boots iPXE with a script.",
        call: ipxe_image,
    },
    Word {
        name: "umask",
        kind: Kind::Action,
        on: None,
        arity: (1, 1),
        usage: "umask(\"027\")",
        help: "Sets which permissions new files lack; a run begins with 026.",
        call: umask,
    },
];

/// Files are made only where their folder is.
fn folder_of(call: &Call<'_>, path: &Path) -> Result<(), Raised> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    if call.rehearses() && call.session().run().host.file(folder).is_none() {
        let fault = Fault::new(format!("the folder {} is not there", folder.display()));
        return Err(Raised::from(fault.hint(format!("mkdir -p {}", folder.display()))).arg(0));
    }
    Ok(())
}

fn truncate(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let path = PathBuf::from(call.text(0)?);
    let size = size(&call.args[1]).map_err(|raised| raised.arg(1))?;
    let options = call.options(2, &["shrink"])?;
    let shrink = options.get("shrink").and_then(|value| value.as_bool().ok()).unwrap_or(false);
    folder_of(call, &path)?;
    if let Some(fact) = call.session().run().host.file(&path) {
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

fn ipxe_image(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let path = PathBuf::from(call.text(0)?);
    let options = call.options(1, &["loader", "script", "size"])?;
    let under = |key: &'static str| move |raised: Raised| raised.under(key).arg(1);
    let given = |key: &str| options.get(key).filter(|value| !value.is_unit());
    let script = given("script").map(super::text).transpose().map_err(under("script"))?;
    let bytes = given("size").map(size).transpose().map_err(under("size"))?.map_or(DEFAULT_SIZE, Size::get);
    let loader = match given("loader") {
        Some(value) => super::text(value).map_err(under("loader"))?,
        None => super::facts::loader(call)?,
    };
    folder_of(call, &path)?;
    let mut command = Argv::new("vmrun").arg("image").arg("ipxe").arg(path.display()).arg("--loader").arg(&loader);
    command = command.arg("--size").arg(Size::bytes(bytes));
    if script.is_some() {
        command = command.arg("--script").arg("-");
    }
    let text = script.clone().unwrap_or_else(|| DEFAULT_SCRIPT.into());
    let image = if call.session().run().host.is_assumed() {
        image::check_size(bytes).map_err(|fault| under("size")(fault.into()))?;
        Vec::new()
    } else {
        let content = call.session().run().host.read(Path::new(&loader)).map_err(Raised::from)?;
        IpxeImage { loader: &content, script: &text, size: bytes }.build()?
    };
    call.act(&Effect::WriteImage { path, bytes: image.into(), command, stdin: script })?;
    Ok(Dynamic::UNIT)
}

fn umask(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let text = call.text(0)?;
    let mask = u32::from_str_radix(&text, 8).ok().filter(|mask| *mask <= 0o777);
    let fault = || Fault::new(format!("{text:?} is no umask")).hint("three octal digits: \"026\"");
    let mask = mask.ok_or_else(|| Raised::from(fault()).arg(0))?;
    call.act(&Effect::Umask(mask))?;
    Ok(Dynamic::UNIT)
}
