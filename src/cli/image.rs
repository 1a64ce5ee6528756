//! `vmrun image ipxe OUT`: a boot image from the command line.

use super::term::Term;
use super::{place, platform};
use crate::bhyve;
use crate::diag::{Diagnostic, Fault};
use crate::host::system::{Ahead, System};
use crate::host::{Effect, Host, Platform};
use crate::image::{DEFAULT_SCRIPT, IpxeImage};
use crate::model::{Argv, Size};
use crate::qemu;
use clap::{Args, Subcommand};
use std::io::Read;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(super) struct ImageArgs {
    #[command(subcommand)]
    kind: ImageKind,
}

#[derive(Subcommand)]
enum ImageKind {
    /// Write a disk image that boots iPXE with a script
    Ipxe(IpxeArgs),
}

#[derive(Args)]
struct IpxeArgs {
    /// The image; an old one is replaced as a whole
    out: PathBuf,
    /// The iPXE to boot, an EFI application (the platform's own)
    #[arg(long, value_name = "FILE")]
    loader: Option<PathBuf>,
    /// The script, `-` for the standard input (DHCP, then chainload by host name)
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// The size of the image
    #[arg(long, value_name = "SIZE", default_value = "4M")]
    size: String,
}

pub(super) fn run(args: &ImageArgs, _: &Term) -> Result<(), Vec<Diagnostic>> {
    let ImageKind::Ipxe(args) = &args.kind;
    ipxe(args).map_err(|fault| vec![fault.into()])
}

fn ipxe(args: &IpxeArgs) -> Result<(), Fault> {
    let size: Size =
        args.size.parse().map_err(|fault: Fault| fault.context("--size").blame(crate::diag::Blame::Usage))?;
    let here = platform()?;
    let mut host = System::new(place::settings(here, false)?, Ahead::default())?;
    let loader = match &args.loader {
        Some(path) => path.clone(),
        None => usual_loader(&host, here.platform),
    };
    let script = match args.script.as_deref() {
        None => DEFAULT_SCRIPT.to_string(),
        Some(path) if path == Path::new("-") => {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|error| Fault::host(format!("cannot read the script: {error}")))?;
            text
        }
        Some(path) => String::from_utf8(host.read(path)?).map_err(|_| {
            Fault::new(format!("the script {} is not text", path.display())).hint("iPXE scripts are UTF-8")
        })?,
    };
    let bytes = IpxeImage { loader: &host.read(&loader)?, script: &script, size: size.get() }.build()?;
    let command = Argv::new("vmrun");
    host.perform(&Effect::WriteImage { path: args.out.clone(), bytes: bytes.into(), command, stdin: None }).map(|_| ())
}

fn usual_loader(host: &System, platform: Platform) -> PathBuf {
    let candidates: &[&str] = match platform {
        Platform::FreeBsd => &[bhyve::IPXE_LOADER],
        Platform::Linux => qemu::IPXE_LOADERS,
    };
    let found = candidates.iter().find(|path| host.file(Path::new(path)).is_some());
    PathBuf::from(found.unwrap_or(&candidates[0]))
}
