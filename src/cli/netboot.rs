//! `vmrun netboot …`: what a DHCP server has to be told of the machines of recipes, their chain scripts, and a server for a lab.

mod serve;
mod stations;

use super::term::Term;
use super::{pair, place};
use crate::diag::{Diagnostic, Fault};
use crate::host::system::System;
use crate::host::{Effect, Effects as _, Host};
use crate::model::Argv;
use crate::netboot::chainload::{Changes, FOLDER, changes};
use crate::netboot::{Station, dhcpd, dnsmasq, kea};
use clap::{Args, Subcommand};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(super) struct NetbootArgs {
    #[command(subcommand)]
    does: Does,
}

#[derive(Subcommand)]
enum Does {
    /// Write the iPXE script of each recipe that says netboot(#{ … }), as chainload/HOST.ipxe
    Chainload(ChainloadArgs),
    /// Print the lines to add to dnsmasq.conf
    Dnsmasq(DhcpArgs),
    /// Print the lines to add to ISC's dhcpd.conf, or what to add to Kea's configuration
    Dhcpd(DhcpdArgs),
    /// Run the installed dnsmasq in the foreground, for one bridge that vmrun made
    Serve(serve::ServeArgs),
}

/// Which recipes, and what they are told.
#[derive(Args)]
struct RecipesArgs {
    /// The recipes
    #[arg(required = true, value_name = "RECIPES")]
    recipes: Vec<String>,
    /// Give the recipes a parameter
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// Who has the files of machines that say nothing of it
    #[arg(long, value_name = "ADDRESS")]
    server: Option<Ipv4Addr>,
}

#[derive(Args)]
struct ChainloadArgs {
    #[command(flatten)]
    recipes: RecipesArgs,
    /// The TFTP server's folder
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Remove scripts of ours that belong to no recipe any more
    #[arg(long)]
    prune: bool,
}

#[derive(Args)]
struct DhcpArgs {
    #[command(flatten)]
    recipes: RecipesArgs,
    /// What a firmware's own PXE gets, below the TFTP server's folder
    #[arg(long, value_name = "FILE", default_value = "ipxe.efi")]
    loader: String,
}

#[derive(Args)]
struct DhcpdArgs {
    #[command(flatten)]
    dhcp: DhcpArgs,
    /// For Kea, as JSON
    #[arg(long)]
    kea: bool,
}

fn one(fault: Fault) -> Vec<Diagnostic> {
    vec![Diagnostic::error(fault)]
}

pub(super) fn run(args: &NetbootArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    match &args.does {
        Does::Chainload(args) => write(args, term),
        Does::Dnsmasq(args) => {
            let stations = args.recipes.stations(term)?;
            let lines = dnsmasq(&stations, loader(&args.loader)?);
            term.data(lines.join("\n")).map_err(one)
        }
        Does::Dhcpd(args) => {
            let (stations, loader) = (args.dhcp.recipes.stations(term)?, loader(&args.dhcp.loader)?);
            let text =
                if args.kea { kea(&stations, loader) } else { dhcpd(&stations, loader).map(|lines| lines.join("\n")) };
            term.data(text.map_err(one)?).map_err(one)
        }
        Does::Serve(args) => serve::run(args, term),
    }
}

/// A name that can stand in every server's configuration.
fn loader(name: &str) -> Result<&str, Vec<Diagnostic>> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    if !name.is_empty() && name.chars().all(fits) {
        return Ok(name);
    }
    let fault = Fault::usage(format!("--loader: {name:?} is no name of a file"));
    Err(one(fault.hint("letters, digits, `.`, `_`, `-` and `/`: ipxe.efi")))
}

impl RecipesArgs {
    fn stations(&self, term: &Term) -> Result<Vec<Station>, Vec<Diagnostic>> {
        let host = || here().map_err(one);
        stations::stations(&self.recipes, &self.set, self.server, &host, term)
    }
}

fn here() -> Result<System, Fault> {
    place::host(false)
}

fn write(args: &ChainloadArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let stations = args.recipes.stations(term)?;
    for station in stations.iter().filter(|station| station.install.is_none()) {
        let fault = Fault::new(format!("no recipe says how {} is installed", station.host));
        term.diagnostic(&Diagnostic::warning(fault.hint("netboot(#{ os: \"debian\", … }) says it")));
    }
    let mut host = here().map_err(one)?;
    let folder = args.out.join(FOLDER);
    let changes = changes(&stations, &scripts(&host, &folder).map_err(one)?).map_err(one)?;
    make(&mut host, &folder, &changes).map_err(one)?;
    let shown = |name: &str| folder.join(name).display().to_string();
    changes.write.iter().for_each(|(name, _)| term.say(format!("wrote {}", shown(name))));
    changes.same.iter().for_each(|name| term.say(format!("{} is up to date", shown(name))));
    for name in &changes.stale {
        if args.prune {
            let remove = Argv::new("rm").arg("--").arg(folder.join(name).display());
            host.perform(&Effect::Run(remove)).map_err(one)?;
            term.say(format!("removed {}", shown(name)));
        } else {
            term.say(format!("{} belongs to no recipe; --prune removes it", shown(name)));
        }
    }
    Ok(())
}

/// Reads the scripts that are there.
fn scripts(host: &dyn Host, folder: &Path) -> Result<BTreeMap<String, String>, Fault> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(BTreeMap::new()) };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let read =
        |name: String| Ok((name.clone(), String::from_utf8_lossy(&host.read(&folder.join(&name))?).into_owned()));
    names.filter(|name| Path::new(name).extension().is_some_and(|kind| kind == "ipxe")).map(read).collect()
}

/// Writes what has to be written; each file is replaced as a whole.
fn make(host: &mut System, folder: &Path, changes: &Changes) -> Result<(), Fault> {
    if changes.write.is_empty() {
        return Ok(());
    }
    host.perform(&Effect::Run(Argv::new("mkdir").arg("-p").arg("--").arg(folder.display())))?;
    for (name, text) in &changes.write {
        file(host, &folder.join(name), text)?;
    }
    Ok(())
}

fn file(host: &mut System, path: &Path, text: &str) -> Result<(), Fault> {
    host.perform(&Effect::WriteFile { path: path.into(), text: text.into(), mode: None }).map(drop)
}
