//! The frame buffer and its VNC server.

use std::net::IpAddr;

use super::device::{Place, failed};
use super::machine::Machine;
use crate::exit::{NO_ERROR, Step, strerror, warn};
use crate::number::{atoi, strtol};
use crate::release::{Release, V15_1};

/// The port that 0 stands for.
pub(crate) const DEFAULT_PORT: u16 = 5900;

/// Initialises the frame buffer. The password it was given, by whatever way, is noted for the tests.
pub(crate) fn start(machine: &mut Machine, taken: &mut bool, place: Place, node: &str) -> Step<()> {
    let refused = |line: String| failed(line, NO_ERROR);
    if *taken {
        return Err(refused("Only one frame buffer device is allowed.".into()));
    }
    let value = |key: &str| machine.tree.get(&format!("{node}.{key}"));
    if let Some(password) = value("password") {
        machine.state.append("passwords", &format!("{place} {password}"))?;
    }
    let wait = machine.tree.flag(&format!("{node}.wait"), false)?;
    let text = value("rfb").or_else(|| value("tcp")).unwrap_or_default();
    let socket = text.strip_prefix("unix:").filter(|_| machine.tree.release >= V15_1);
    let (host, port) = match (socket, text.as_str()) {
        (Some(_), _) | (None, "") => (String::new(), 0),
        (None, text) => address(text).map_err(refused)?,
    };
    let vga = value("vga").unwrap_or_else(|| "io".to_string());
    if !["off", "io", "on"].contains(&vga.as_str()) {
        return Err(refused(format!("fbuf: Invalid vga setting: \"{vga}\"")));
    }
    check_size(machine.tree.release, value("w").as_deref(), value("h").as_deref()).map_err(refused)?;
    if vga == "on" {
        // Not an error, but there will be no server.
        warn("pci_fbuf: VGA rendering not enabled");
        return Ok(());
    }
    *taken = true;
    if let Some(path) = socket {
        return machine.bind_socket(path).map_err(|error| {
            let why = strerror(&error);
            failed(format!("bind: {why}"), why)
        });
    }
    serve(machine, &host, port)?;
    machine.viewer = machine.sockets.len().checked_sub(1).filter(|_| wait);
    Ok(())
}

fn serve(machine: &mut Machine, host: &str, port: u16) -> Step<()> {
    let numeric = host.split('%').next().unwrap_or_default();
    let host = if numeric.is_empty() { "127.0.0.1" } else { numeric };
    let Ok(ip) = host.parse::<IpAddr>() else {
        return Err(failed("getaddrinfo: Name does not resolve", NO_ERROR));
    };
    machine.listen(ip, if port == 0 { DEFAULT_PORT } else { port }).map_err(|error| {
        let why = strerror(&error);
        failed(format!("bind: {why}"), why)
    })
}

/// `PORT`, `HOST:PORT`, `[HOST]:PORT` or `[HOST]`. What is no port is 0.
fn address(text: &str) -> Result<(String, u16), String> {
    let invalid = || format!("fbuf: Invalid IPv6 address: \"{text}\"");
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']').filter(|(host, _)| !host.is_empty()).ok_or_else(invalid)?;
            match rest.strip_prefix(':') {
                Some(port) => (host, port),
                None if rest.is_empty() => (host, "0"),
                None => return Err(invalid()),
            }
        }
        None => text.split_once(':').unwrap_or(("", text)),
    };
    if port.is_empty() && text.contains(':') {
        return Err(format!("fbuf: Missing port number: \"{text}\""));
    }
    // bhyve leaves the range to bind(2), which takes 16 bits. (k)
    Ok((host.to_string(), wrap(atoi(port))))
}

/// Values are kept in 16 bits.
fn wrap(number: i128) -> u16 {
    u16::try_from(number.rem_euclid(0x1_0000)).unwrap_or(0)
}

fn check_size(release: Release, width: Option<&str>, height: Option<&str>) -> Result<(), String> {
    let read = |text: Option<&str>, default| text.map_or(default, |text| wrap(strtol(text, 10).map_or(0, |n| n.value)));
    let (width, height) = (read(width, 1024), read(height, 768));
    match (width, height) {
        (1921.., _) if release.major < 15 => Err(format!("fbuf: width {width} too large")),
        (_, 1201..) if release.major < 15 => Err(format!("fbuf: height {height} too large")),
        _ if release.major < 15 => Ok(()),
        (3841.., _) | (_, 2161..) => Err("fbuf: max resolution is 3840x2160".into()),
        (..640, _) | (_, ..480) => Err("fbuf: minimum resolution is 640x480".into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{address, check_size};
    use crate::release::Release;

    #[test]
    fn addresses_come_in_four_forms() {
        let read = |text| address(text).unwrap();
        assert_eq!(read("5901"), (String::new(), 5901));
        assert_eq!(read("10.0.0.1:5901"), ("10.0.0.1".into(), 5901));
        assert_eq!(read("[::1]:5901"), ("::1".into(), 5901));
        assert_eq!(read("[fe80::1%em0]"), ("fe80::1%em0".into(), 0));
        assert_eq!(read("127.0.0.1:abc"), ("127.0.0.1".into(), 0));
    }

    #[test]
    fn broken_addresses_are_refused_in_bhyves_words() {
        for (text, why) in [
            ("[::1:5900", "fbuf: Invalid IPv6 address: \"[::1:5900\""),
            ("[::1]5900", "fbuf: Invalid IPv6 address: \"[::1]5900\""),
            ("127.0.0.1:", "fbuf: Missing port number: \"127.0.0.1:\""),
        ] {
            assert_eq!(address(text).unwrap_err(), why);
        }
    }

    #[test]
    fn sizes_depend_on_the_release_and_wrap_at_16_bits() {
        assert!(check_size(Release::newest(15), Some("3840"), Some("2160")).is_ok());
        assert!(check_size(Release::newest(14), Some("3840"), Some("2160")).is_err());
        assert!(check_size(Release::newest(15), Some("320"), Some("200")).is_err());
        assert!(check_size(Release::newest(14), Some("320"), Some("200")).is_ok());
        assert!(check_size(Release::newest(15), Some("66336"), Some("600")).is_ok());
    }
}
