//! Files of other hosts: into the cache by content, and the table of images.

use super::{Asks, Call, Param, Type, Word, WordKind, expected, size, text};
use crate::diag::Fault;
use crate::host::Effect;
use crate::host::commands::fetch::program;
use crate::host::download;
use crate::model::{Arch, Digest, DigestKind, Fetch};
use crate::script::raise::Raised;
use crate::supervise::conflicts::Purpose;
use rhai::{Dynamic, Map};

/// The keys of the map of `fetch`.
const FETCH: &[(&str, &str)] = &[
    ("sha256", "what it has to be, as its publisher says it; or sha512"),
    ("sha512", "likewise"),
    ("size", "how long it has to be: nothing more is taken"),
];

/// What `system_image` returns.
const IMAGE: &[&str] = &["name", "title", "arch", "url", "checksums", "digest", "signed", "kind", "user", "note"];

pub(super) const WORDS: &[Word] = &[
    Word {
        name: "fetch",
        kind: WordKind::Action,
        params: &[
            Param::text("url", "https://example.org/debian.qcow2"),
            Param::map("is", super::Keys::Own(FETCH)).shown("#{ sha512: \"…\", size: 400.MiB }"),
        ],
        returns: Type::Path,
        asks: &[Asks::Downloads],
        help: "Has a file of a web server in the cache, and returns its path there; what is there with that digest is never fetched again.",
        ..Word::of(fetch)
    },
    Word {
        name: "system_image",
        kind: WordKind::Fact,
        params: &[Param::text("name", "debian-13"), Param::text("arch", "arm64").optional()],
        returns: Type::Map(IMAGE),
        help: "Returns what the table of images knows of a system (`vmrun images`); std/images fetches it.",
        ..Word::of(system_image)
    },
];

fn fetch(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let url = call.parsed(0)?;
    let options = call.options(1)?;
    let given = |key: &str| options.get(key).filter(|value| !value.is_unit());
    let mut digests = Vec::new();
    for kind in DigestKind::ALL {
        if let Some(value) = given(kind.name()) {
            let digest = text(value).and_then(|text| Ok(Digest::new(kind, &text)?));
            digests.push(digest.map_err(|raised| raised.under(kind.name()).arg(1))?);
        }
    }
    let digest = match digests.as_slice() {
        [digest] => digest.clone(),
        [] => {
            let fault = Fault::new("nothing says what the file has to be");
            let hint = "add `sha512` or `sha256`, as its publisher has it: `vmrun images pin` asks for those of `vmrun images`";
            return Err(Raised::from(fault.hint(hint)).arg(1));
        }
        _ => {
            let fault = Fault::new("the file has two digests");
            return Err(Raised::from(fault.hint("one says what it is: leave out `sha256`")).under("sha256").arg(1));
        }
    };
    let size = given("size").map(|value| {
        let size = size(value)?;
        let empty =
            || Raised::from(Fault::new("a file without bytes is not fetched").hint("correct `size`, or leave it out"));
        if size.get() == 0 { Err(empty()) } else { Ok(size) }
    });
    let size = size.transpose().map_err(|raised| raised.under("size").arg(1))?;
    let cache = call.evaluation().run().host.settings().cache.clone();
    let fetch = Fetch { url, digest, size, cache };
    let path = fetch.path().display().to_string();
    if call.rehearses() {
        rehearsed(call, &fetch)?;
    }
    call.act(&Effect::Fetch(Box::new(fetch)))?;
    Ok(path.into())
}

/// What is known before anything is fetched: the size of what is there, and whether there is a program for what is not.
fn rehearsed(call: &Call<'_>, fetch: &Fetch) -> Result<(), Raised> {
    let (there, is_assumed, platform) = {
        let mut evaluation = call.evaluation();
        let host = &*evaluation.run().host;
        (host.file(&fetch.path()), host.is_assumed(), host.settings().platform)
    };
    if let Some(size) = there.and_then(|fact| fact.size) {
        return download::against_size(fetch, size)
            .map_or(Ok(()), |fault| Err(Raised::from(fault).under("size").arg(1)));
    }
    let (name, package) = program(platform);
    if is_assumed || there.is_some() || call.evaluation().run().host.has_program(name) {
        return Ok(());
    }
    let raised = Raised::from(download::missing(name, package)).arg(0);
    if call.evaluation().rehearsal == Some(Purpose::Run) {
        return Err(raised);
    }
    super::machine::warn(call, raised);
    Ok(())
}

fn system_image(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let name = call.text(0)?;
    let arch = if call.has(1) { arch(call)? } else { call.evaluation().run().host.settings().target.arch };
    let catalog = call.evaluation().catalog()?;
    let system = catalog.system(&name).map_err(|fault| Raised::from(fault).arg(0))?;
    let image = system.image(&name, arch).map_err(|fault| Raised::from(fault).arg(0))?;
    let checksums = image.checksums.as_ref().map_or(Dynamic::UNIT, |url| url.to_string().into());
    let values: [Dynamic; 10] = [
        name.into(),
        system.title.clone().into(),
        arch.to_string().into(),
        image.url.to_string().into(),
        checksums,
        image.digest.name().into(),
        system.signed.clone().into(),
        system.kind.clone().into(),
        system.user.clone().into(),
        system.note.clone().into(),
    ];
    let map: Map = IMAGE.iter().map(|key| (*key).into()).zip(values).collect();
    Ok(map.into())
}

fn arch(call: &Call<'_>) -> Result<Arch, Raised> {
    let given = call.text(1)?;
    let known = [Arch::Amd64, Arch::Arm64].into_iter().find(|arch| arch.to_string() == given);
    known.ok_or_else(|| expected("\"amd64\" or \"arm64\"", &given.into()).arg(1))
}
