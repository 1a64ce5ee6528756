//! `vmrun netboot …`: what a DHCP server has to be told of the machines of recipes, their chain scripts, and a server for a lab.

use super::term::Term;
use super::{GivenArgs, pair, place, platform};
use crate::diag::{Diagnostic, Fault};
use crate::ops::netboot::serve::{ServeRequest, serve};
use crate::ops::netboot::{self, ChainScript, Recipes};
use clap::{Args, Subcommand};
use std::net::Ipv4Addr;
use std::path::PathBuf;

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
    Serve(ServeArgs),
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
    #[arg(long, value_name = "FOLDER")]
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

#[derive(Args)]
struct ServeArgs {
    #[command(flatten)]
    recipes: RecipesArgs,
    /// The bridge to serve, one that vmrun made
    #[arg(long, value_name = "NAME", conflicts_with = "interface", required_unless_present = "interface")]
    bridge: Option<String>,
    /// Any interface to serve; takes --yes as well, for a second DHCP server disturbs a network
    #[arg(long, value_name = "NAME")]
    interface: Option<String>,
    /// Serve an interface that vmrun did not make
    #[arg(long, requires = "interface")]
    yes: bool,
    /// The TFTP server's folder, with the chain scripts of `vmrun netboot chainload` (one of its own, with them alone)
    #[arg(long, value_name = "FOLDER")]
    tftp: Option<PathBuf>,
    /// What a firmware's own PXE gets, below the TFTP server's folder
    #[arg(long, value_name = "FILE", default_value = "ipxe.efi")]
    loader: String,
}

pub(super) fn run(args: &NetbootArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let notify = &mut |notice| term.notice(&notice);
    match &args.does {
        Does::Chainload(args) => {
            let recipes = args.recipes.recipes()?;
            netboot::chainload(&recipes, &args.out, args.prune, notify, &mut |script, path| {
                let path = path.display();
                term.say(match script {
                    ChainScript::Written => format!("wrote {path}"),
                    ChainScript::Unchanged => format!("{path} is up to date"),
                    ChainScript::Removed => format!("removed {path}"),
                    ChainScript::Stale => format!("{path} belongs to no recipe; --prune removes it"),
                });
            })
        }
        Does::Dnsmasq(args) => Ok(term.data(netboot::dnsmasq(&args.recipes.recipes()?, &args.loader, notify)?)?),
        Does::Dhcpd(args) => {
            let (recipes, loader) = (args.dhcp.recipes.recipes()?, &args.dhcp.loader);
            Ok(term.data(netboot::dhcpd(&recipes, loader, args.kea, notify)?)?)
        }
        Does::Serve(args) => {
            let request = ServeRequest {
                recipes: &args.recipes.recipes()?,
                bridge: args.bridge.as_deref(),
                interface: args.interface.as_deref(),
                yes: args.yes,
                tftp: args.tftp.as_deref(),
                loader: &args.loader,
            };
            serve(&request, notify)
        }
    }
}

impl RecipesArgs {
    fn recipes(&self) -> Result<Recipes, Fault> {
        let given = GivenArgs { init: true, set: self.set.clone(), user_net: false };
        let recipes = self.recipes.iter().map(|recipe| given.of(recipe)).collect();
        Ok(Recipes { recipes, server: self.server, settings: place::settings(platform()?, false)? })
    }
}
