//! `vmrun image`: boot images and seeds from the command line, and what is in them.

use super::term::Term;
use super::{GivenArgs, QueryArgs, pair, place, platform};
use crate::diag::{Diagnostic, Fault};
use crate::ops::image::{self, IpxeRequest, SeedRequest, inspect, verify};
use crate::ops::settings::Settings;
use clap::{Args, Subcommand};
use std::path::PathBuf;

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
    Inspect(InspectArgs),
    /// Compare an image with what recipes would write with --init; differences are named, and end with 1
    Verify(VerifyArgs),
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
    /// The private key by which ssh knows the guest, with FILE.pub beside it; nobody else may read the volume then
    #[arg(long, value_name = "FILE")]
    ssh_host_key: Option<PathBuf>,
    /// The time of all files (1980-01-01)
    #[arg(long)]
    time: Option<String>,
}

#[derive(Args)]
struct InspectArgs {
    /// The image
    file: PathBuf,
    /// Print a JSON object: `size`, `table`, `partitions` with their `volume`, and what is `wrong`
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct VerifyArgs {
    /// The image
    image: PathBuf,
    /// The recipes that write it
    #[arg(required = true)]
    recipes: Vec<String>,
    /// Give the recipes a parameter
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    #[command(flatten)]
    query: QueryArgs,
}

pub(super) fn run(args: &ImageArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    match &args.kind {
        ImageKind::Ipxe(args) => Ok(image::ipxe(&args.request(), settings()?, &mut |notice| term.notice(&notice))?),
        ImageKind::Seed(args) => Ok(image::seed(&args.request(), settings()?)?),
        ImageKind::Inspect(args) => {
            let found = inspect::inspect(&args.file)?;
            Ok(if args.json { term.json(inspect::json(&found)) } else { term.data(found) }?)
        }
        ImageKind::Verify(args) => compare(args, term),
    }
}

fn settings() -> Result<Settings, Fault> {
    place::settings(platform()?, false)
}

impl IpxeArgs {
    fn request(&self) -> IpxeRequest<'_> {
        IpxeRequest {
            out: &self.out,
            loaders: &self.loader,
            script: self.script.as_deref(),
            fill: &self.fill,
            files: &self.file,
            size: &self.size,
            label: self.label.as_deref(),
            align: &self.align,
            guid: self.guid.as_deref(),
            time: self.time.as_deref(),
        }
    }
}

impl SeedArgs {
    fn request(&self) -> SeedRequest<'_> {
        SeedRequest {
            out: &self.out,
            user_data: &self.user_data,
            meta_data: &self.meta_data,
            network_config: self.network_config.as_deref(),
            ssh_host_key: self.ssh_host_key.as_deref(),
            time: self.time.as_deref(),
        }
    }
}

fn compare(args: &VerifyArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let given = GivenArgs { init: true, set: args.set.clone(), user_net: false };
    let name = args.image.display();
    let mut faults: Vec<Diagnostic> = Vec::new();
    for recipe in &args.recipes {
        let request = args.query.of(given.of(recipe));
        let differences = verify::differences(&args.image, &request, settings()?, &mut |notice| term.notice(&notice))?;
        let fault = |line: String| Diagnostic::error(Fault::new(format!("{name} is not what {recipe} writes: {line}")));
        faults.extend(differences.into_iter().map(fault));
        if faults.is_empty() {
            term.data(format!("{name} is what {recipe} writes"))?;
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}
