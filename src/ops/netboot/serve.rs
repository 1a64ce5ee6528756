//! The installed dnsmasq with a configuration of ours, for as long as it is wanted.

use super::{Recipes, file, hosts, loader, make, scripts};
use crate::diag::{Diagnostic, Fault};
use crate::host::marks;
use crate::host::system::System;
use crate::host::{Effect, Effects as _, Facts as _, Interface, InterfaceKind, files};
use crate::model::argv::quote;
use crate::model::{Argv, NetAddress};
use crate::netboot::chainload::{FOLDER, changes};
use crate::netboot::{NetbootHost, Served, configuration};
use crate::ops::notice::{Notice, Notify};
use crate::supervise::conflicts;
use std::collections::BTreeMap;
use std::path::Path;

/// What is served, and where.
pub(crate) struct ServeRequest<'a> {
    /// The recipes of the machines.
    pub(crate) recipes: &'a Recipes,
    /// The bridge to serve, one that vmrun made.
    pub(crate) bridge: Option<&'a str>,
    /// The interface to serve, if it is no such bridge.
    pub(crate) interface: Option<&'a str>,
    /// Whether an interface is served that vmrun did not make.
    pub(crate) yes: bool,
    /// The TFTP server's folder with the chain scripts; one of its own, with them alone, if there is none.
    pub(crate) tftp: Option<&'a Path>,
    /// The file that a firmware's own PXE gets, below the TFTP server's folder.
    pub(crate) loader: &'a str,
}

/// Serves until somebody asks to stop.
pub(crate) fn serve(request: &ServeRequest<'_>, notify: Notify<'_>) -> Result<(), Vec<Diagnostic>> {
    let hosts = hosts::hosts(request.recipes, notify)?;
    let mut host = request.recipes.host()?;
    let loader = loader(request.loader)?;
    let (interface, address) = interface(request, &host)?;
    program(&host)?;
    let folder = files::of_this_process(&host.settings().state, "netboot");
    let tftp = match request.tftp {
        Some(folder) => std::path::absolute(folder).unwrap_or_else(|_| folder.into()),
        None => folder.join("tftp"),
    };
    let served = Served { interface: &interface, address, tftp: &tftp, folder: &folder, loader };
    let text = configuration(&hosts, &served)?;
    if request.tftp.is_some() {
        up_to_date(&host, &tftp, &hosts)?;
    }
    let scripts = request.tftp.is_none().then_some(hosts.as_slice());
    let result = serve_files(&mut host, &served, scripts, &text, notify);
    let gone = host.perform(&Effect::Run(Argv::new("rm").args(["-rf", "--"]).arg(folder.display())));
    let faults: Vec<Diagnostic> = [result.err(), gone.err()].into_iter().flatten().map(Diagnostic::error).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Writes the configuration, and the scripts of hosts where they are to be written, and runs the server.
fn serve_files(
    host: &mut System,
    served: &Served<'_>,
    scripts: Option<&[NetbootHost]>,
    text: &str,
    notify: Notify<'_>,
) -> Result<(), Fault> {
    host.perform(&Effect::Run(Argv::new("mkdir").arg("-p").arg("--").arg(served.tftp.display())))?;
    host.perform(&Effect::Run(Argv::new("mkdir").arg("-p").arg("--").arg(served.folder.display())))?;
    if let Some(hosts) = scripts {
        make(host, &served.tftp.join(FOLDER), &changes(hosts, &BTreeMap::new())?)?;
    }
    let path = served.folder.join("dnsmasq.conf");
    file(host, &path, text)?;
    notify(Notice::Message(format!("serving {}; Ctrl-C ends it", served.interface)));
    let argv = Argv::new("dnsmasq").arg(format!("--conf-file={}", path.display()));
    host.serve(&argv.args(["--keep-in-foreground", "--log-facility=-"]))
}

/// Finds the interface and its address. Serving one that is not ours takes being asked twice.
fn interface(request: &ServeRequest<'_>, host: &System) -> Result<(String, NetAddress), Fault> {
    let name = request.bridge.or(request.interface).unwrap_or_default();
    let all = marks::read(host, &|argv| host.query(argv))?;
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
    allowed(request, link)?;
    let address = link.addresses.iter().find(|address| address.ip.is_ipv4()).ok_or_else(|| {
        let fault = Fault::host(format!("{name} has no address to serve from"));
        fault.hint(format!("bridge(\"{name}\", #{{ create: true, address: \"192.168.2.5/24\" }})"))
    })?;
    Ok((name.into(), *address))
}

fn allowed(request: &ServeRequest<'_>, link: &Interface) -> Result<(), Fault> {
    let name = &link.name;
    if request.interface.is_some() {
        return if request.yes || (link.is_ours && link.kind == InterfaceKind::Bridge) {
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
    conflicts::without(host, "dnsmasq").map_or(Ok(()), Err)
}

/// What is served is what the recipes say.
fn up_to_date(host: &System, tftp: &Path, hosts: &[NetbootHost]) -> Result<(), Fault> {
    let changes = changes(hosts, &scripts(host, &tftp.join(FOLDER))?)?;
    match changes.write.first() {
        None => Ok(()),
        Some((name, _)) => {
            let path = tftp.join(FOLDER).join(name);
            let fault = Fault::host(format!("{} is not what the recipes say", path.display()));
            Err(fault.hint(format!("vmrun netboot chainload RECIPES… --out {}", quote(&tftp.display().to_string()))))
        }
    }
}
