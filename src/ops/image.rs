//! Boot images and seeds, and what is in them.

pub(crate) mod inspect;
pub(crate) mod verify;

use super::notice::{Notice, Notify};
use super::recipe::once;
use crate::diag::{Blame, Fault};
use crate::host::files::WHOLE;
use crate::host::system::{Prefetch, System};
use crate::host::{Effect, Effects as _, Facts as _, Settings, files, host_key, ipxe};
use crate::image::{self, DEFAULT_SCRIPT, GuestKey, Image, ImageForm, IpxeImage, Loader, Seed, template};
use crate::model::{Argv, Size};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A disk image that boots iPXE, as it is asked for.
pub(crate) struct IpxeRequest<'a> {
    /// The image.
    pub(crate) out: &'a Path,
    /// EFI applications, one for each architecture; the platform's own iPXE if there is none.
    pub(crate) loaders: &'a [PathBuf],
    /// The script, `-` for the standard input.
    pub(crate) script: Option<&'a Path>,
    /// The values of placeholders in the script.
    pub(crate) fill: &'a [(String, String)],
    /// Further files: the path in the volume, and the path of the content.
    pub(crate) files: &'a [(String, String)],
    /// The size of the image.
    pub(crate) size: &'a str,
    /// The label of the volume and the name of the partition.
    pub(crate) label: Option<&'a str>,
    /// Of what the partition begins and ends at a multiple.
    pub(crate) align: &'a str,
    /// The GUID of the disk.
    pub(crate) guid: Option<&'a str>,
    /// The time of all files.
    pub(crate) time: Option<&'a str>,
}

/// A volume for cloud-init, as it is asked for. A source is a path, `-` for the standard input, or `text:` and the text itself.
pub(crate) struct SeedRequest<'a> {
    /// The volume.
    pub(crate) out: &'a Path,
    /// The source of what is to be done.
    pub(crate) user_data: &'a str,
    /// The source of which instance it is.
    pub(crate) meta_data: &'a str,
    /// The source of the network.
    pub(crate) network_config: Option<&'a str>,
    /// The private key by which the guest is known.
    pub(crate) ssh_host_key: Option<&'a Path>,
    /// The time of all files.
    pub(crate) time: Option<&'a str>,
}

/// Reads what an option says.
fn option<T>(name: &str, value: Option<&str>, read: impl FnOnce(&str) -> Result<T, Fault>) -> Result<Option<T>, Fault> {
    let fault = |fault: Fault| fault.context(name).blame(Blame::Usage);
    value.map(read).transpose().map_err(fault)
}

fn form(request: &IpxeRequest<'_>) -> Result<ImageForm, Fault> {
    let usual = ImageForm::default();
    let size = |text: &str| text.parse().map(Size::get);
    let aligned = |text: &str| {
        let bytes = size(text)?;
        image::check_alignment(bytes).map(|()| bytes)
    };
    Ok(ImageForm {
        size: option("--size", Some(request.size), size)?.unwrap_or(usual.size),
        alignment: option("--align", Some(request.align), aligned)?.unwrap_or(usual.alignment),
        label: option("--label", request.label, str::parse)?.unwrap_or(usual.label),
        guid: option("--guid", request.guid, image::guid)?,
        time: option("--time", request.time, str::parse)?.unwrap_or(usual.time),
    })
}

/// Builds and writes a disk image that boots iPXE; an old one is replaced as a whole.
pub(crate) fn ipxe(request: &IpxeRequest<'_>, settings: Settings, notify: Notify<'_>) -> Result<(), Fault> {
    let form = form(request)?;
    let mut host = System::new(settings, Prefetch::default())?;
    let paths = if request.loaders.is_empty() { vec![ipxe::loader(&host)?.into()] } else { request.loaders.to_vec() };
    let loader = |path: &PathBuf| {
        let bytes = host.read(path, WHOLE).map_err(|fault| fault.hint(ipxe::package(&host)))?;
        Ok(Loader { path: path.display().to_string(), bytes: Rc::new(bytes), arch: None })
    };
    let loaders = paths.iter().map(loader).collect::<Result<_, Fault>>()?;
    let script = match request.script {
        None => DEFAULT_SCRIPT.to_string(),
        Some(path) => script(&host, path)?,
    };
    let script = filled(&script, request.fill)?;
    let file = |(path, source): &(String, String)| {
        image::check_path(path).map_err(|fault| fault.context("--file").blame(Blame::Usage))?;
        Ok((path.clone(), Rc::new(host.read(Path::new(source), WHOLE)?)))
    };
    let files = request.files.iter().map(file).collect::<Result<_, Fault>>()?;
    let image = IpxeImage { loaders, script, files, form };
    let built = image.build()?;
    image.warnings().into_iter().for_each(|refused| notify(Notice::warning(refused.fault)));
    write(&mut host, request.out, built, None)
}

fn write(host: &mut System, path: &Path, image: Image, mode: Option<u32>) -> Result<(), Fault> {
    let (path, command) = (path.to_path_buf(), Argv::new("vmrun"));
    host.perform(&Effect::WriteImage { path, image: image.into(), command, stdin: None, mode }).map(drop)
}

fn script(host: &System, path: &Path) -> Result<String, Fault> {
    let what = || format!("the script {}", path.display());
    let bytes = if path == Path::new("-") { stdin("the script")? } else { host.read(path, WHOLE)? };
    String::from_utf8(bytes).map_err(|_| Fault::new(format!("{} is not text", what())).hint("iPXE scripts are UTF-8"))
}

fn stdin(what: &str) -> Result<Vec<u8>, Fault> {
    files::read_standard_input(&[]).map_err(|error| Fault::host(format!("cannot read {what}: {error}")))
}

fn filled(script: &str, with: &[(String, String)]) -> Result<String, Fault> {
    once("--fill", with)?;
    with.iter().try_for_each(|(name, value)| template::check_value(name, value))?;
    template::fill(script, &with.iter().cloned().collect())
}

/// Builds and writes a volume for cloud-init; an old one is replaced as a whole.
pub(crate) fn seed(request: &SeedRequest<'_>, settings: Settings) -> Result<(), Fault> {
    let mut host = System::new(settings, Prefetch::default())?;
    let text = |name: &str, source: &str| {
        if let Some(text) = source.strip_prefix("text:") {
            return Ok(text.to_string());
        }
        let bytes = if source == "-" { stdin(name)? } else { host.read(Path::new(source), WHOLE)? };
        let fault = |_| Fault::new(format!("{name} {source} is not text")).hint("cloud-init reads UTF-8");
        String::from_utf8(bytes).map_err(fault)
    };
    let key = |path: &Path| {
        let (private, public) = (host_key::private(&host, path)?, host_key::public(&host, path)?);
        Ok::<_, Fault>(GuestKey { path: path.into(), private, public })
    };
    let seed = Seed {
        user_data: text("--user-data", request.user_data)?,
        meta_data: text("--meta-data", request.meta_data)?,
        network_config: request.network_config.map(|source| text("--network-config", source)).transpose()?,
        host_key: request.ssh_host_key.map(key).transpose()?,
        time: option("--time", request.time, str::parse)?.unwrap_or_default(),
    };
    let (image, mode) = (seed.build()?, seed.mode());
    write(&mut host, request.out, image, mode)
}
