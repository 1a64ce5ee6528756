//! What a DHCP server has to be told of the machines of recipes, and their chain scripts.

mod hosts;
pub(crate) mod serve;

use super::notice::{Notice, Notify};
use super::recipe::RecipeRequest;
use crate::diag::{Diagnostic, Fault};
use crate::host::files::WHOLE;
use crate::host::system::{Prefetch, System};
use crate::host::{Effect, Effects as _, Host, Settings, files};
use crate::model::Argv;
use crate::netboot::chainload::{Changes, FOLDER, changes};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;

/// Recipes whose machines boot from the network.
pub(crate) struct Recipes {
    /// The recipes, which are evaluated with `init`.
    pub(crate) recipes: Vec<RecipeRequest>,
    /// The server of the files of machines that name none.
    pub(crate) server: Option<Ipv4Addr>,
    /// The settings of this host.
    pub(crate) settings: Settings,
}

impl Recipes {
    fn host(&self) -> Result<System, Fault> {
        System::new(self.settings.clone(), Prefetch::default())
    }
}

/// What became of a chain script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChainScript {
    /// It was written.
    Written,
    /// It was there as it is to be.
    Unchanged,
    /// It belonged to no recipe, and was removed.
    Removed,
    /// It belongs to no recipe, and stays.
    Stale,
}

/// Returns the lines to add to dnsmasq.conf.
pub(crate) fn dnsmasq(recipes: &Recipes, file: &str, notify: Notify<'_>) -> Result<String, Vec<Diagnostic>> {
    let hosts = hosts::hosts(recipes, notify)?;
    Ok(crate::netboot::dnsmasq(&hosts, loader(file)?).join("\n"))
}

/// Returns the lines to add to ISC's dhcpd.conf, or what to add to Kea's configuration.
pub(crate) fn dhcpd(
    recipes: &Recipes,
    file: &str,
    is_kea: bool,
    notify: Notify<'_>,
) -> Result<String, Vec<Diagnostic>> {
    let (hosts, loader) = (hosts::hosts(recipes, notify)?, loader(file)?);
    if is_kea {
        return Ok(crate::netboot::kea(&hosts, loader)?);
    }
    Ok(crate::netboot::dhcpd(&hosts, loader)?.join("\n"))
}

/// Writes the chain script of each machine below a TFTP server's folder, and tells what became of each script there.
pub(crate) fn chainload(
    recipes: &Recipes,
    out: &Path,
    prune: bool,
    notify: Notify<'_>,
    tell: &mut dyn FnMut(ChainScript, &Path),
) -> Result<(), Vec<Diagnostic>> {
    let hosts = hosts::hosts(recipes, notify)?;
    for host in hosts.iter().filter(|host| host.install.is_none()) {
        let fault = Fault::new(format!("no recipe says how {} is installed", host.name));
        notify(Notice::warning(fault.hint("netboot(#{ os: \"debian\", … }) says it")));
    }
    let mut host = recipes.host()?;
    let folder = out.join(FOLDER);
    let changes = changes(&hosts, &scripts(&host, &folder)?)?;
    make(&mut host, &folder, &changes)?;
    changes.write.iter().for_each(|(name, _)| tell(ChainScript::Written, &folder.join(name)));
    changes.same.iter().for_each(|name| tell(ChainScript::Unchanged, &folder.join(name)));
    for name in &changes.stale {
        let path = folder.join(name);
        if prune {
            host.perform(&Effect::Run(Argv::new("rm").arg("--").arg(path.display())))?;
        }
        tell(if prune { ChainScript::Removed } else { ChainScript::Stale }, &path);
    }
    Ok(())
}

/// A name that can stand in every server's configuration.
fn loader(name: &str) -> Result<&str, Fault> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    if !name.is_empty() && name.chars().all(fits) {
        return Ok(name);
    }
    let fault = Fault::usage(format!("--loader: {name:?} is no name of a file"));
    Err(fault.hint("letters, digits, `.`, `_`, `-` and `/`: ipxe.efi"))
}

/// Reads the scripts that are there.
fn scripts(host: &dyn Host, folder: &Path) -> Result<BTreeMap<String, String>, Fault> {
    let entries = files::entries(folder).unwrap_or_default();
    let scripts = entries.iter().filter(|path| path.extension().is_some_and(|kind| kind == "ipxe"));
    let named = scripts.filter_map(|path| Some((path.file_name()?.to_str()?, path)));
    let text = |path: &Path| Ok::<_, Fault>(String::from_utf8_lossy(&host.read(path, WHOLE)?).into_owned());
    named.map(|(name, path)| Ok((name.into(), text(path)?))).collect()
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
