//! `vmrun netboot serve`: the installed dnsmasq with a configuration of ours, for as long as it is wanted.

use super::{RecipesArgs, file, here, loader, make, one, scripts};
use crate::cli::term::Term;
use crate::diag::{Diagnostic, Fault};
use crate::host::interfaces;
use crate::host::system::System;
use crate::host::{Effect, Effects as _, Facts as _, Interface, InterfaceKind, Platform};
use crate::model::{Argv, NetAddress};
use crate::netboot::chainload::{FOLDER, changes};
use crate::netboot::{Served, Station, configuration};
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(super) struct ServeArgs {
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
    #[arg(long, value_name = "DIR")]
    tftp: Option<PathBuf>,
    /// What a firmware's own PXE gets, below the TFTP server's folder
    #[arg(long, value_name = "FILE", default_value = "ipxe.efi")]
    loader: String,
}

pub(super) fn run(args: &ServeArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let stations = args.recipes.stations(term)?;
    let mut host = here().map_err(one)?;
    let loader = loader(&args.loader)?;
    let (interface, address) = interface(args, &host).map_err(one)?;
    program(&host).map_err(one)?;
    let folder = host.settings().state.join(format!("netboot.{}", std::process::id()));
    let tftp = match &args.tftp {
        Some(folder) => std::path::absolute(folder).unwrap_or_else(|_| folder.clone()),
        None => folder.join("tftp"),
    };
    let served = Served { interface: &interface, address, tftp: &tftp, folder: &folder, loader };
    let text = configuration(&stations, &served).map_err(one)?;
    if args.tftp.is_some() {
        up_to_date(&host, &tftp, &stations).map_err(one)?;
    }
    let result = serve(&mut host, &served, &stations, args.tftp.is_none(), &text, term);
    let gone = host.perform(&Effect::Run(Argv::new("rm").args(["-rf", "--"]).arg(folder.display())));
    let faults: Vec<Diagnostic> = [result.err(), gone.err()].into_iter().flatten().map(Diagnostic::error).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn serve(
    host: &mut System,
    served: &Served<'_>,
    stations: &[Station],
    with_scripts: bool,
    text: &str,
    term: &Term,
) -> Result<(), Fault> {
    host.perform(&Effect::Run(Argv::new("mkdir").arg("-p").arg("--").arg(served.tftp.display())))?;
    host.perform(&Effect::Run(Argv::new("mkdir").arg("-p").arg("--").arg(served.folder.display())))?;
    if with_scripts {
        make(host, &served.tftp.join(FOLDER), &changes(stations, &std::collections::BTreeMap::new())?)?;
    }
    let path = served.folder.join("dnsmasq.conf");
    file(host, &path, text)?;
    term.say(format!("serving {}; Ctrl-C ends it", served.interface));
    let argv = Argv::new("dnsmasq").arg(format!("--conf-file={}", path.display()));
    host.serve(&argv.args(["--keep-in-foreground", "--log-facility=-"]))
}

/// Finds the interface and its address. Serving one that is not ours takes being asked twice.
fn interface(args: &ServeArgs, host: &System) -> Result<(String, NetAddress), Fault> {
    let name = args.bridge.as_ref().or(args.interface.as_ref()).map(String::as_str).unwrap_or_default();
    let all = interfaces::read(host.settings().platform, &|argv| host.query(argv))?;
    let link = all.iter().find(|link| link.name == name).ok_or_else(|| {
        let bridges = all.iter().filter(|link| link.kind == InterfaceKind::Bridge && link.is_ours);
        let known: Vec<&str> = bridges.map(|link| link.name.as_str()).collect();
        let fault = Fault::host(format!("the interface {name} is not there"));
        fault.hint(if known.is_empty() {
            "`vmrun network up` makes bridges".into()
        } else {
            format!("bridges that vmrun made: {}", known.join(", "))
        })
    })?;
    allowed(args, link)?;
    let address = link.addresses.iter().find(|address| address.ip.is_ipv4()).ok_or_else(|| {
        let fault = Fault::host(format!("{name} has no address to serve from"));
        fault.hint(format!("bridge(\"{name}\", #{{ create: true, address: \"192.168.2.5/24\" }})"))
    })?;
    Ok((name.into(), *address))
}

fn allowed(args: &ServeArgs, link: &Interface) -> Result<(), Fault> {
    let name = &link.name;
    if args.interface.is_some() {
        return if args.yes || (link.is_ours && link.kind == InterfaceKind::Bridge) {
            Ok(())
        } else {
            let fault =
                Fault::host(format!("{name} is not a bridge that vmrun made: it may have a DHCP server already"));
            Err(fault.hint(format!("if it shall be served all the same: --interface {name} --yes")))
        };
    }
    if link.kind != InterfaceKind::Bridge {
        return Err(Fault::host(format!("{name} is not a bridge")).hint(format!("--interface {name} --yes serves it")));
    }
    if !link.is_ours {
        let fault = Fault::host(format!("vmrun did not make {name}: it may have a DHCP server already"));
        return Err(fault.hint(format!("if it shall be served all the same: --interface {name} --yes")));
    }
    Ok(())
}

fn program(host: &System) -> Result<(), Fault> {
    if host.has_program("dnsmasq") {
        return Ok(());
    }
    let hint = match host.settings().platform {
        Platform::FreeBsd => "pkg install dnsmasq brings it",
        Platform::Linux => "apt-get install dnsmasq-base brings it",
    };
    Err(Fault::host("`dnsmasq` is not installed").hint(hint))
}

/// What is served is what the recipes say.
fn up_to_date(host: &System, tftp: &Path, stations: &[Station]) -> Result<(), Fault> {
    let changes = changes(stations, &scripts(host, &tftp.join(FOLDER))?)?;
    match changes.write.first() {
        None => Ok(()),
        Some((name, _)) => {
            let path = tftp.join(FOLDER).join(name);
            let fault = Fault::host(format!("{} is not what the recipes say", path.display()));
            Err(fault.hint(format!("vmrun netboot chainload RECIPES… --out {}", tftp.display())))
        }
    }
}
