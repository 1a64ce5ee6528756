//! The frame buffer of 12.1: what it is made of it tells at every start.

use std::net::IpAddr;

use super::super::device::Place;
use super::super::fbuf::DEFAULT_PORT;
use super::super::machine::Machine;
use super::devices::failed;
use crate::exit::{ENOENT, NO_ERROR, Step, strerror};
use crate::interface;
use crate::number::atoi;

/// The largest screen.
const MOST_COLUMNS: i128 = 1920;
const MOST_ROWS: i128 = 1200;

/// What a screen was told.
struct Options {
    host: String,
    port: i128,
    wait: bool,
    password: Option<String>,
}

/// Starts the frame buffer and its server.
pub(super) fn start(machine: &mut Machine, taken: &mut bool, place: Place, conf: Option<&str>) -> Step<()> {
    if *taken {
        return Err(failed(&["Only one frame buffer device is allowed.".to_string()], ENOENT));
    }
    let options = options(conf).map_err(|option| {
        let lines = [
            format!("Invalid fbuf emulation option \"{option}\"\r"),
            "fbuf: {wait,}{vga=on|io|off,}rfb=<ip>:port{,w=width}{,h=height}\r".to_string(),
        ];
        failed(&lines, ENOENT)
    })?;
    if let Some(password) = &options.password {
        machine.state.append("passwords", &format!("{place} {password}"))?;
    }
    machine.print("fbuf frame buffer base: 0x803600000 [sz 16777216]\r\n");
    *taken = true;
    serve(machine, &options)?;
    machine.viewer = machine.sockets.len().checked_sub(1).filter(|_| options.wait);
    Ok(())
}

/// Reads the options, or tells the one that is none.
fn options(conf: Option<&str>) -> Result<Options, String> {
    let mut options = Options { host: String::new(), port: 0, wait: false, password: None };
    for item in conf.into_iter().flat_map(|conf| conf.split(',')) {
        if item == "wait" {
            options.wait = true;
            continue;
        }
        let (key, value) = item.split_once('=').ok_or(item)?;
        match key {
            "tcp" | "rfb" => {
                let (host, port) = match value.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                    Some((host, rest)) => (host, rest.strip_prefix(':').unwrap_or("0")),
                    None => value.rsplit_once(':').unwrap_or(("", value)),
                };
                (options.host, options.port) = (host.to_string(), atoi(port));
            }
            "vga" if ["off", "io", "on"].contains(&value) => {}
            "w" if atoi(value) <= MOST_COLUMNS => {}
            "h" if atoi(value) <= MOST_ROWS => {}
            "password" => options.password = Some(value.to_string()),
            _ => return Err(key.to_string()),
        }
    }
    Ok(options)
}

fn serve(machine: &mut Machine, options: &Options) -> Step<()> {
    let unknown = |why: &str| failed(&[format!("getaddrinfo: {why}")], NO_ERROR);
    let host = if options.host.is_empty() { "127.0.0.1" } else { &options.host };
    let ip = host.parse::<IpAddr>().map_err(|_| unknown("Name does not resolve"))?;
    let port = u16::try_from(options.port).map_err(|_| unknown("Service was not recognized for socket type"))?;
    let refused = |why: &str| failed(&[format!("bind: {why}")], why);
    if !is_own(machine, ip)? {
        return Err(refused("Can't assign requested address"));
    }
    machine.listen(ip, if port == 0 { DEFAULT_PORT } else { port }).map_err(|error| refused(strerror(&error)))
}

/// Whether an address is one of the host's.
fn is_own(machine: &Machine, ip: IpAddr) -> Step<bool> {
    if ip.is_loopback() || ip.is_unspecified() {
        return Ok(true);
    }
    let interfaces = interface::all(machine.state)?;
    let mut addresses = interfaces.iter().flat_map(interface::Interface::inet);
    Ok(addresses.any(|(address, _)| IpAddr::V4(address) == ip))
}

#[cfg(test)]
mod tests {
    use super::options;

    #[test]
    fn an_option_that_is_none_is_told_by_its_name() {
        let refused = |conf| options(Some(conf)).err();
        assert_eq!(refused("w=640,h=480,vga=io,wait"), None);
        assert_eq!(refused("w=1921").as_deref(), Some("w"));
        assert_eq!(refused("vga=x").as_deref(), Some("vga"));
        assert_eq!(refused("nonsense").as_deref(), Some("nonsense"));
    }

    #[test]
    fn an_address_is_a_host_and_a_port_or_a_port() {
        let read = |conf| options(Some(conf)).map(|options| (options.host, options.port)).unwrap();
        assert_eq!(read("tcp=127.0.0.1:5901"), ("127.0.0.1".to_string(), 5901));
        assert_eq!(read("rfb=5901"), (String::new(), 5901));
        assert_eq!(read("rfb=[::1]:5901"), ("::1".to_string(), 5901));
    }
}
