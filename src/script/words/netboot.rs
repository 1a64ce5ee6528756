//! Booting from the network: what a machine says of its install.

use super::{Call, Keys, Param, Word, WordKind, text};
use crate::netboot::{Install, KEYS, NetbootOptions};
use crate::script::raise::Raised;
use rhai::{Dynamic, Map};
use std::collections::BTreeMap;

pub(super) const WORDS: &[Word] = &[Word {
    name: "netboot",
    kind: WordKind::Description,
    params: &[
        Param::map("install", Keys::Of(names, help)).shown("#{ os, mirror, answers, args, host, address, server }")
    ],
    help: "Says how a machine is installed by the network; `vmrun netboot` makes files of it. Or `script: \"#!ipxe…\"`.",
    ..Word::of(netboot)
}];

/// The keys that say which machine it is, and what DHCP gives it.
const OWN: [(&str, &str); 4] = [
    ("machine", "which machine of the recipe is meant, if it has several"),
    ("host", "the host's name that the guest gets (the machine's)"),
    ("address", "the guest's address, if DHCP gives it always the same"),
    ("server", "the address of who has the files (the DHCP server)"),
];

fn names() -> Vec<&'static str> {
    KEYS.into_iter().chain(OWN).map(|(name, _)| name).collect()
}

fn help(key: &str) -> String {
    KEYS.into_iter().chain(OWN).find(|(name, _)| *name == key).map_or_else(String::new, |(_, help)| help.into())
}

fn netboot(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let options = call.options(0)?;
    let mut given = BTreeMap::new();
    for (key, _) in KEYS {
        if let Some(value) = options.get(key).filter(|value| !value.is_unit()) {
            given.insert(key.to_string(), text(value).map_err(|raised| raised.under(key).arg(0))?);
        }
    }
    let install = Install::read(&given).map_err(|(key, fault)| Raised::from(fault).under(key).arg(0))?;
    let options = NetbootOptions {
        install,
        machine: parsed(&options, "machine", |text| text.parse().map_err(Raised::from))?,
        host: parsed(&options, "host", |text| text.parse().map_err(Raised::from))?,
        address: parsed(&options, "address", address)?,
        server: parsed(&options, "server", address)?,
    };
    call.evaluation().installs.push((options, call.site.clone()));
    Ok(Dynamic::UNIT)
}

fn address(text: &str) -> Result<std::net::Ipv4Addr, Raised> {
    text.parse().map_err(|_| {
        let fault = crate::diag::Fault::new(format!("{text:?} is no address of IP version 4"));
        Raised::from(fault.hint("write \"192.168.2.50\""))
    })
}

fn parsed<T>(options: &Map, key: &str, read: impl Fn(&str) -> Result<T, Raised>) -> Result<Option<T>, Raised> {
    let Some(value) = options.get(key).filter(|value| !value.is_unit()) else { return Ok(None) };
    text(value).and_then(|text| read(&text)).map(Some).map_err(|raised| raised.under(key).arg(0))
}
