//! The key `ssh` of a machine.

use super::super::super::{expected, map, text, unknown_key};
use crate::diag::Fault;
use crate::model::SshOptions;
use crate::script::raise::Raised;
use rhai::Dynamic;

const KNOWN: [&str; 5] = ["user", "host_key", "port", "address", "identity"];

/// Reads what is said of ssh; `()` says nothing.
pub(super) fn options(value: &Dynamic) -> Result<SshOptions, Raised> {
    let mut options = SshOptions::default();
    for (key, value) in map(value)?.iter().filter(|(_, value)| !value.is_unit()) {
        let read = match key.as_str() {
            "user" => parsed(value).map(|user| options.user = Some(user)),
            "host_key" => parsed(value).map(|host_key| options.host_key = Some(host_key)),
            "port" => port(value).map(|port| options.port = Some(port)),
            "address" => address(value).map(|address| options.address = Some(address)),
            "identity" => parsed(value).map(|identity| options.identity = Some(identity)),
            _ => return Err(unknown_key(key, &KNOWN)),
        };
        read.map_err(|raised| raised.under(key))?;
    }
    Ok(options)
}

fn parsed<T: std::str::FromStr<Err = Fault>>(value: &Dynamic) -> Result<T, Raised> {
    Ok(text(value)?.parse()?)
}

fn port(value: &Dynamic) -> Result<u16, Raised> {
    let number = value.as_int().map_err(|_| expected("a port, from 1 to 65535", value))?;
    let port = u16::try_from(number).ok().filter(|port| *port > 0);
    port.ok_or_else(|| Fault::new(format!("{number} is no port")).hint("from 1 to 65535").into())
}

fn address(value: &Dynamic) -> Result<std::net::IpAddr, Raised> {
    let text = text(value)?;
    let fault = |_| Fault::new(format!("{text:?} is no address of a guest")).hint("write \"10.0.0.5\" or \"fd00::5\"");
    Ok(text.parse().map_err(fault)?)
}
