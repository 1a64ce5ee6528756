//! `vmrun image`: boot images and seeds from the command line, and what is in them.

mod inspect;
mod verify;

use super::term::Term;
use super::{pair, place};
use crate::diag::{Blame, Diagnostic, Fault};
use crate::host::system::System;
use crate::host::{Effect, Effects as _, Facts as _, ipxe};
use crate::image::{self, DEFAULT_SCRIPT, Form, Image, IpxeImage, Loader, Seed, template};
use crate::model::{Argv, Size};
use clap::{Args, Subcommand};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;

#[derive(Args)]
pub(super) struct ImageArgs {
    #[command(subcommand)]
    kind: ImageKind,
}

#[derive(Subcommand)]
enum ImageKind {
    /// Write a disk image that boots iPXE with a script
    Ipxe(IpxeArgs),
    /// Write the volume `cidata`, from which cloud-init takes what a guest is to become
    Seed(SeedArgs),
    /// Show what is in an image: partitions, files, the script
    Inspect(inspect::InspectArgs),
    /// Compare an image with what recipes would write with --init; differences are named, and end with 1
    Verify(verify::VerifyArgs),
}

#[derive(Args)]
struct IpxeArgs {
    /// The image; an old one is replaced as a whole
    out: PathBuf,
    /// The iPXE to boot, an EFI application (the platform's own); once for each architecture
    #[arg(long, value_name = "FILE")]
    loader: Vec<PathBuf>,
    /// The script, `-` for the standard input (DHCP, then chainload by host name)
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// The value of a placeholder {{NAME}} in the script
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    fill: Vec<(String, String)>,
    /// A further file, by its path in the volume
    #[arg(long, value_name = "PATH=FILE", value_parser = pair)]
    file: Vec<(String, String)>,
    /// The size of the image
    #[arg(long, value_name = "SIZE", default_value = "4M")]
    size: String,
    /// The label of the volume and the name of the partition (VMRUN IPXE)
    #[arg(long)]
    label: Option<String>,
    /// Of what the partition begins and ends at a multiple
    #[arg(long, value_name = "SIZE", default_value = "4k")]
    align: String,
    /// The GUID of the disk (made of what is in the image)
    #[arg(long)]
    guid: Option<String>,
    /// The time of all files: a date, a date and a time, or seconds since 1970 (1980-01-01)
    #[arg(long)]
    time: Option<String>,
}

#[derive(Args)]
struct SeedArgs {
    /// The volume; an old one is replaced as a whole
    out: PathBuf,
    /// What is to be done: a file, `-` for the standard input, or `text:` and the text itself
    #[arg(long, value_name = "SOURCE")]
    user_data: String,
    /// Which instance it is, likewise
    #[arg(long, value_name = "SOURCE")]
    meta_data: String,
    /// The network, likewise
    #[arg(long, value_name = "SOURCE")]
    network_config: Option<String>,
    /// The time of all files (1980-01-01)
    #[arg(long)]
    time: Option<String>,
}

pub(super) fn run(args: &ImageArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let one = |fault: Fault| vec![fault.into()];
    match &args.kind {
        ImageKind::Ipxe(args) => ipxe(args, term).map_err(one),
        ImageKind::Seed(args) => seed(args).map_err(one),
        ImageKind::Inspect(args) => inspect::run(args, term).map_err(one),
        ImageKind::Verify(args) => verify::run(args, term),
    }
}

fn host() -> Result<System, Fault> {
    place::host(false)
}

/// Reads what an option says.
fn option<T>(name: &str, value: Option<&String>, read: impl Fn(&str) -> Result<T, Fault>) -> Result<Option<T>, Fault> {
    let fault = |fault: Fault| fault.context(name).blame(Blame::Usage);
    value.map(|text| read(text)).transpose().map_err(fault)
}

fn form(args: &IpxeArgs) -> Result<Form, Fault> {
    let usual = Form::default();
    let size = |text: &str| text.parse().map(Size::get);
    let aligned = |text: &str| {
        let bytes = size(text)?;
        image::check_alignment(bytes).map(|()| bytes)
    };
    Ok(Form {
        size: option("--size", Some(&args.size), size)?.unwrap_or(usual.size),
        alignment: option("--align", Some(&args.align), aligned)?.unwrap_or(usual.alignment),
        label: option("--label", args.label.as_ref(), str::parse)?.unwrap_or(usual.label),
        guid: option("--guid", args.guid.as_ref(), image::guid)?,
        time: option("--time", args.time.as_ref(), str::parse)?.unwrap_or(usual.time),
    })
}

fn ipxe(args: &IpxeArgs, term: &Term) -> Result<(), Fault> {
    let form = form(args)?;
    let mut host = host()?;
    let paths = if args.loader.is_empty() { vec![ipxe::loader(&host)?.into()] } else { args.loader.clone() };
    let loader = |path: &PathBuf| {
        let bytes = host.read(path).map_err(|fault| fault.hint(ipxe::package(&host)))?;
        Ok(Loader { path: path.display().to_string(), bytes: Rc::new(bytes), arch: None })
    };
    let loaders = paths.iter().map(loader).collect::<Result<_, Fault>>()?;
    let script = match args.script.as_deref() {
        None => DEFAULT_SCRIPT.to_string(),
        Some(path) => script(&host, path)?,
    };
    let script = if args.fill.is_empty() { script } else { filled(&script, &args.fill)? };
    let file = |(path, source): &(String, String)| {
        image::check_path(path).map_err(|fault| fault.context("--file").blame(Blame::Usage))?;
        Ok((path.clone(), Rc::new(host.read(Path::new(source))?)))
    };
    let files = args.file.iter().map(file).collect::<Result<_, Fault>>()?;
    let image = IpxeImage { loaders, script, files, form };
    let built = image.build()?;
    image.warnings().into_iter().for_each(|fault| term.diagnostic(&Diagnostic::warning(fault)));
    write(&mut host, &args.out, built)
}

fn write(host: &mut System, path: &Path, image: Image) -> Result<(), Fault> {
    let (path, command) = (path.to_path_buf(), Argv::new("vmrun"));
    host.perform(&Effect::WriteImage { path, image: image.into(), command, stdin: None }).map(drop)
}

fn script(host: &System, path: &Path) -> Result<String, Fault> {
    let what = || format!("the script {}", path.display());
    let bytes = if path == Path::new("-") { stdin("the script")? } else { host.read(path)? };
    String::from_utf8(bytes).map_err(|_| Fault::new(format!("{} is not text", what())).hint("iPXE scripts are UTF-8"))
}

fn stdin(what: &str) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().read_to_end(&mut bytes);
    read.map_err(|error| Fault::host(format!("cannot read {what}: {error}")))?;
    Ok(bytes)
}

fn filled(script: &str, with: &[(String, String)]) -> Result<String, Fault> {
    with.iter().try_for_each(|(name, value)| template::check_value(name, value))?;
    template::fill(script, &with.iter().cloned().collect())
}

fn seed(args: &SeedArgs) -> Result<(), Fault> {
    let mut host = host()?;
    let text = |name: &str, source: &str| {
        if let Some(text) = source.strip_prefix("text:") {
            return Ok(text.to_string());
        }
        let bytes = if source == "-" { stdin(name)? } else { host.read(Path::new(source))? };
        let fault = |_| Fault::new(format!("{name} {source} is not text")).hint("cloud-init reads UTF-8");
        String::from_utf8(bytes).map_err(fault)
    };
    let seed = Seed {
        user_data: text("--user-data", &args.user_data)?,
        meta_data: text("--meta-data", &args.meta_data)?,
        network_config: args.network_config.as_ref().map(|source| text("--network-config", source)).transpose()?,
        time: option("--time", args.time.as_ref(), str::parse)?.unwrap_or_default(),
    };
    let image = seed.build()?;
    write(&mut host, &args.out, image)
}
