//! Boot images and seeds.

use super::disk::folder_of;
use super::{Asks, Call, Keys, Param, Type, Word, WordKind, expected, map, text, unknown_key};
use crate::diag::Fault;
use crate::host::files::WHOLE;
use crate::host::{Effect, host_key, ipxe};
use crate::image::{
    self, DEFAULT_SCRIPT, GuestKey, Image, ImageForm, IpxeImage, Loader, Refused, Seed, Time, template,
};
use crate::model::{Argv, Size};
use crate::script::allowance::Asked;
use crate::script::raise::Raised;
use crate::supervise::conflicts::lengths::WHILE_WRITTEN;
use rhai::{Array, Dynamic, Map};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

pub(super) const WORDS: &[Word] = &[
    Word {
        name: "ipxe_image",
        kind: WordKind::Action,
        params: &[Param::new("path", Type::Path), Param::options(IMAGE_KEYS)],
        asks: &[Asks::Paths],
        help: "Writes a disk image that boots iPXE with a script: a text, or #{ file, text, fill: #{ name: value } }.",
        ..Word::of(ipxe_image)
    },
    Word {
        name: "cloud_seed",
        kind: WordKind::Action,
        params: &[Param::new("path", Type::Path), Param::map("seed", Keys::Own(SEED_KEYS))],
        asks: &[Asks::Paths],
        help: "Writes the volume `cidata`, from which cloud-init takes what a guest is to become.",
        ..Word::of(cloud_seed)
    },
];

/// The keys of each word's map, with what is said of them in the reference.
const IMAGE_KEYS: &[(&str, &str)] = &[
    ("loader", "iPXE: a path, a list of paths, or #{ amd64: path, arm64: path }; else the platform's own"),
    ("script", "a text, or #{ text, fill } or #{ file, fill }: `fill` has the values of its {{placeholders}}"),
    ("files", "further files: #{ \"path in the volume\": \"file of the host\" }"),
    ("size", "from 1.MiB to 2.TiB (4.MiB)"),
    ("label", "of the volume, and the partition's name (\"VMRUN IPXE\")"),
    ("align", "of what the partition begins and ends at a multiple: \"4k\" as gpart, \"1M\" (\"4k\")"),
    ("guid", "of the disk; else it is made of what is in the image"),
    ("time", "of all files: \"2026-01-31 12:30:00\", or seconds since 1970 (\"1980-01-01\")"),
];
const SEED_KEYS: &[(&str, &str)] = &[
    ("user_data", "what is to be done: a text that begins with #cloud-config or #!"),
    ("meta_data", "which instance it is: a text with `instance-id: …`"),
    ("network_config", "the network, a text with `version: 2`; else every card asks DHCP"),
    (
        "ssh_host_key",
        "the key by which ssh knows the guest: what ssh_host_key returns, or the private key's path; with it the seed is readable by its owner only",
    ),
    ("time", "of all files, as in ipxe_image"),
];

/// What a map of options has for a key.
struct Given<'a> {
    options: &'a Map,
    at: usize,
}

impl Given<'_> {
    fn get<T>(&self, key: &str, read: impl FnOnce(&Dynamic) -> Result<T, Raised>) -> Result<Option<T>, Raised> {
        let value = self.options.get(key).filter(|value| !value.is_unit());
        value.map(read).transpose().map_err(|raised| raised.under(key).arg(self.at))
    }

    fn parsed<T: std::str::FromStr<Err = Fault>>(&self, key: &str) -> Result<Option<T>, Raised> {
        self.get(key, |value| Ok(text(value)?.parse()?))
    }

    fn time(&self) -> Result<Option<Time>, Raised> {
        self.get("time", |value| match value.as_int() {
            Ok(seconds) => Ok(Time::epoch(seconds)?),
            Err(_) => Ok(text(value)?.parse()?),
        })
    }
}

/// Reads a file of the host, and says which package brings it if it is an iPXE.
fn read(call: &Call<'_>, path: &str) -> Result<Rc<Vec<u8>>, Raised> {
    let bytes = call.evaluation().run().host.read(Path::new(path), WHOLE)?;
    call.evaluation().holds(bytes.len());
    Ok(Rc::new(bytes))
}

fn ipxe_image(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let path = call.path(0)?;
    let options = call.options(1)?;
    let given = Given { options: &options, at: 1 };
    let mut command = Argv::new("vmrun").arg("image").arg("ipxe").arg(path.display());
    let loaders = loaders(call, &given)?;
    for loader in &loaders {
        command = command.arg("--loader").arg(&loader.path);
    }
    let form = form(&given)?;
    command = command.arg("--size").arg(Size::bytes(form.size));
    let script = script(call, &given)?;
    command = command.args(script.arguments.clone());
    let files = files(call, &given)?;
    for (path, source, _) in &files {
        command = command.arg("--file").arg(format!("{path}={source}"));
    }
    for (key, flag) in [("label", "--label"), ("align", "--align"), ("guid", "--guid"), ("time", "--time")] {
        if let Some(value) = options.get(key).filter(|value| !value.is_unit()) {
            command = command.arg(flag).arg(value);
        }
    }
    folder_of(call, &path, WHILE_WRITTEN)?;
    let image = if call.evaluation().run().host.is_assumed() {
        Image::blank(form.size)
    } else {
        let files = files.into_iter().map(|(path, _, content)| (path, content)).collect();
        let image = IpxeImage { loaders, script: script.text, files, form };
        let built = image.build().map_err(|refused| {
            let raised = Raised::from(refused.fault);
            if options.contains_key(refused.key) { raised.under(refused.key).arg(1) } else { raised }
        })?;
        if call.rehearses() {
            let about = |refused: Refused| {
                let raised = Raised::from(refused.fault);
                if options.contains_key(refused.key) { raised.under(refused.key).arg(1) } else { raised }
            };
            image.warnings().into_iter().for_each(|refused| super::machine::warn(call, about(refused)));
        }
        built
    };
    call.act(&Effect::WriteImage { path, image: image.into(), command, stdin: script.stdin, mode: None })?;
    Ok(Dynamic::UNIT)
}

fn form(given: &Given<'_>) -> Result<ImageForm, Raised> {
    let usual = ImageForm::default();
    let sized = |check: fn(u64) -> Result<(), Fault>| {
        move |value: &Dynamic| {
            let size = super::size(value)?.get();
            check(size)?;
            Ok(size)
        }
    };
    Ok(ImageForm {
        size: given.get("size", sized(image::check_size))?.unwrap_or(usual.size),
        alignment: given.get("align", sized(image::check_alignment))?.unwrap_or(usual.alignment),
        label: given.parsed("label")?.unwrap_or(usual.label),
        guid: given.get("guid", |value| Ok(image::guid(&text(value)?)?))?,
        time: given.time()?.unwrap_or(usual.time),
    })
}

/// The loaders: a path, a list of paths, or a map of paths by architecture; else the platform's own.
fn loaders(call: &Call<'_>, given: &Given<'_>) -> Result<Vec<Loader>, Raised> {
    let Some(value) = given.get("loader", |value| Ok(value.clone()))? else {
        let path = ipxe::loader(&*call.evaluation().run().host)?;
        return Ok(vec![loader(call, &path, None)?]);
    };
    given
        .get("loader", |_| {
            if let Some(list) = value.read_lock::<Array>() {
                let one = |(at, value): (usize, &Dynamic)| {
                    let made = text(value).and_then(|path| loader(call, &path, None));
                    made.map_err(|raised| raised.under(&at.to_string()))
                };
                return list.iter().enumerate().map(one).collect();
            }
            if let Some(map) = value.read_lock::<Map>() {
                let one = |(name, value): (&rhai::Identifier, &Dynamic)| {
                    let arch = image::arch_named(name);
                    let arch = arch.map_err(|fault| Raised::from(fault).under(name).about_key())?;
                    let made = text(value).and_then(|path| loader(call, &path, Some(arch)));
                    made.map_err(|raised| raised.under(name))
                };
                return map.iter().map(one).collect();
            }
            match text(&value) {
                Ok(path) => Ok(vec![loader(call, &path, None)?]),
                Err(_) => Err(expected("a path, a list of paths or a map #{ amd64: path, arm64: path }", &value)),
            }
        })
        .map(Option::unwrap_or_default)
}

fn loader(call: &Call<'_>, path: &str, arch: Option<crate::model::Arch>) -> Result<Loader, Raised> {
    let path = call.whole(path, &|raised| raised.under("loader").arg(1))?;
    call.permit(Asked::Read(Path::new(&path)))?;
    let is_assumed = call.evaluation().run().host.is_assumed();
    let bytes = if is_assumed {
        Rc::default()
    } else {
        let package = ipxe::package(&*call.evaluation().run().host);
        read(call, &path).map_err(|raised| Raised::from(raised.fault.hint(package)))?
    };
    Ok(Loader { path, bytes, arch })
}

/// A script, and what the command that writes the image is told of it.
struct Script {
    text: String,
    arguments: Vec<String>,
    stdin: Option<String>,
}

/// The script: a text, or a map with a text or a file, and values for the placeholders in it.
fn script(call: &Call<'_>, given: &Given<'_>) -> Result<Script, Raised> {
    let usual = || Script { text: DEFAULT_SCRIPT.into(), arguments: Vec::new(), stdin: None };
    let from_stdin =
        |text: String| Script { arguments: vec!["--script".into(), "-".into()], stdin: Some(text.clone()), text };
    let script = given.get("script", |value| {
        let Ok(map) = map(value) else {
            let script = text(value).map_err(|_| expected("a text, or #{ file, text, fill }", value))?;
            return Ok(from_stdin(template::fill(&script, &BTreeMap::new())?));
        };
        let known = ["file", "text", "fill"];
        if let Some(key) = map.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(unknown_key(key, &known));
        }
        let inner = Given { options: &map, at: 1 };
        let script = match (inner.get("text", text)?, inner.get("file", text)?) {
            (Some(text), None) => from_stdin(text),
            (None, Some(file)) => from_file(call, &file).map_err(|raised| raised.under("file"))?,
            _ => {
                let fault = Fault::new("a script is a `text` or a `file`");
                return Err(Raised::from(fault.hint("write script: #{ file: \"boot.ipxe\", fill: #{ … } }")));
            }
        };
        let values = inner.get("fill", self::values)?.unwrap_or_default();
        let pairs = values.iter().flat_map(|(name, value)| ["--fill".into(), format!("{name}={value}")]);
        let arguments = script.arguments.into_iter().chain(pairs).collect();
        // A file of a host that is not here has no text.
        let text = if script.text.is_empty() { script.text } else { template::fill(&script.text, &values)? };
        Ok(Script { text, arguments, stdin: script.stdin })
    })?;
    Ok(script.unwrap_or_else(usual))
}

fn from_file(call: &Call<'_>, file: &str) -> Result<Script, Raised> {
    let file = call.whole(file, &|raised| raised.under("file").under("script").arg(1))?;
    call.permit(Asked::Read(Path::new(&file)))?;
    let text = if call.evaluation().run().host.is_assumed() {
        String::new()
    } else {
        let bytes = call.evaluation().run().host.read(Path::new(&file), WHOLE)?;
        let no_text = |_| Fault::new(format!("the script {file} is not text")).hint("iPXE scripts are UTF-8");
        String::from_utf8(bytes).map_err(no_text)?
    };
    Ok(Script { text, arguments: vec!["--script".into(), file], stdin: None })
}

/// The values of placeholders: texts, numbers, true and false.
fn values(value: &Dynamic) -> Result<BTreeMap<String, String>, Raised> {
    let one = |(name, value): (&rhai::Identifier, &Dynamic)| {
        let is_plain = value.is_string() || value.is_int() || value.is_bool();
        if !is_plain {
            return Err(expected("a text or a number", value).under(name));
        }
        let value = value.to_string();
        template::check_value(name, &value).map_err(|fault| Raised::from(fault).under(name))?;
        Ok((name.to_string(), value))
    };
    map(value)?.iter().map(one).collect()
}

type Extra = (String, String, Rc<Vec<u8>>);

/// Further files: where each is in the volume, where it comes from, and its bytes.
fn files(call: &Call<'_>, given: &Given<'_>) -> Result<Vec<Extra>, Raised> {
    let is_assumed = call.evaluation().run().host.is_assumed();
    let one = |(path, source): (&rhai::Identifier, &Dynamic)| {
        image::check_path(path).map_err(|fault| Raised::from(fault).under(path).about_key())?;
        let source = text(source).map_err(|raised| raised.under(path))?;
        let source = call.whole(&source, &|raised| raised.under(path).under("files").arg(1))?;
        call.permit(Asked::Read(Path::new(&source))).map_err(|raised| raised.under(path))?;
        let content = if is_assumed { Ok(Rc::default()) } else { read(call, &source) };
        Ok((path.to_string(), source, content.map_err(|raised| raised.under(path))?))
    };
    let files = given.get("files", |value| map(value)?.iter().map(one).collect())?;
    Ok(files.unwrap_or_default())
}

fn cloud_seed(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let path = call.path(0)?;
    let options = call.options(1)?;
    let given = Given { options: &options, at: 1 };
    let needed = |key: &str| {
        let missing = || {
            let fault = Fault::new(format!("the seed has no `{key}`"));
            Raised::from(fault.hint("write #{ user_data: \"#cloud-config\\n…\", meta_data: \"instance-id: web-1\" }"))
                .arg(1)
        };
        given.get(key, text)?.ok_or_else(missing)
    };
    let key = guest_key(call, &given)?;
    let seed = Seed {
        user_data: needed("user_data")?,
        meta_data: needed("meta_data")?,
        network_config: given.get("network_config", text)?,
        host_key: key.as_ref().map(|(_, key)| key.clone()),
        time: given.time()?.unwrap_or_default(),
    };
    folder_of(call, &path, WHILE_WRITTEN)?;
    let key = key.as_ref().map(|(path, _)| path.as_path());
    let command = seed_command(&path, &seed, key, options.get("time").filter(|value| !value.is_unit()));
    let (image, mode) = (seed.build().map_err(|fault| Raised::from(fault).arg(1))?, seed.mode());
    call.act(&Effect::WriteImage { path, image: image.into(), command, stdin: Some(seed.user_data), mode })?;
    Ok(Dynamic::UNIT)
}

/// The key by which the guest is known, and where the private one is: a path, or what `ssh_host_key` returned.
fn guest_key(call: &Call<'_>, given: &Given<'_>) -> Result<Option<(PathBuf, GuestKey)>, Raised> {
    const KEY: &str = "ssh_host_key";
    given.get(KEY, |value| {
        let path = match map(value) {
            Ok(map) => map.get("path").cloned().ok_or_else(|| expected("what ssh_host_key returns", value))?,
            Err(_) => value.clone(),
        };
        let path = text(&path).map_err(|_| expected("what ssh_host_key returns, or a path", &path))?;
        let path = PathBuf::from(call.whole(&path, &|raised| raised.under(KEY).arg(1))?);
        call.permit(Asked::Read(&path))?;
        let mut evaluation = call.evaluation();
        let host = &*evaluation.run().host;
        let (private, public) = (host_key::private(host, &path)?, host_key::public(host, &path)?);
        Ok((path.clone(), GuestKey { path, private, public }))
    })
}

/// Returns the command that writes the same seed, to which the user data are handed.
fn seed_command(path: &Path, seed: &Seed, key: Option<&Path>, time: Option<&Dynamic>) -> Argv {
    let command = Argv::new("vmrun").arg("image").arg("seed").arg(path.display());
    let command = command.arg("--user-data").arg("-").arg("--meta-data").arg(format!("text:{}", seed.meta_data));
    let network = seed.network_config.iter().flat_map(|text| ["--network-config".to_string(), format!("text:{text}")]);
    let time = time.into_iter().flat_map(|time| ["--time".to_string(), time.to_string()]);
    let key = key.into_iter().flat_map(|path| ["--ssh-host-key".to_string(), path.display().to_string()]);
    command.args(network).args(key).args(time)
}
