//! The viewer of consoles: which program it is, and how it is led to a machine's display.

use super::display::Display;
use super::installation::Installation;
use super::remote::Remote;
use super::search::{HostQuery, Listener};
use crate::client::screen::Seat;
use crate::diag::{Diagnostic, Fault};
use crate::host::environment::host_name;
use crate::host::handover::{hand_over, is_there};
use crate::model::Argv;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

/// The viewers that are looked for, with what they take.
const VIEWERS: [&[&str]; 3] =
    [&["vncviewer", "{host}:{port}"], &["remote-viewer", "vnc://{host}:{port}"], &["open", "vnc://{host}:{port}"]];

/// Where a screen is that no viewer here can be opened on, for who has one elsewhere.
pub(crate) struct ForViewers {
    /// The machine.
    pub(crate) machine: String,
    /// Where its screen is, on this host or on the one that runs it.
    pub(crate) address: SocketAddr,
    /// The command that brings it to the host on which it is run.
    pub(crate) tunnel: Argv,
    /// The address to which a viewer is led there.
    pub(crate) through: SocketAddr,
    /// Whether it asks for a password.
    pub(crate) has_password: bool,
    /// Why no viewer is opened here, and what would have it be.
    pub(crate) why: Fault,
}

impl ForViewers {
    fn of(display: &Display, address: SocketAddr, why: Fault) -> Self {
        let here = || (Remote { destination: host_name().unwrap_or_else(|| "HOST".into()), port: None }, address);
        let (host, address) = display.far.clone().unwrap_or_else(here);
        let through = SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()));
        let tunnel = host.lead(address.port(), &address.to_string());
        let has_password = display.password.is_some();
        Self { machine: display.name.clone(), address, tunnel, through, has_password, why }
    }
}

/// Finds a machine and becomes the viewer of its screen. The password goes by VNC_PASSWORD, which other users cannot see, never by
/// an argument. Through a tunnel the viewer is run, since somebody has to end the tunnel.
/// Where there is no viewer, it is returned where one elsewhere finds the screen.
pub(crate) fn view(
    machine: &str,
    query: &HostQuery,
    listener: Listener<'_>,
) -> Result<Option<ForViewers>, Vec<Diagnostic>> {
    let display = Display::find(machine, query, listener)?;
    let configured = Installation::open()?.config.viewer;
    let password = display.password.as_ref().map(|password| ("VNC_PASSWORD", password));
    let command = match &display.seat {
        Seat::Address(address) => match viewer(&configured) {
            Ok(viewer) => filled(&viewer, *address),
            Err(why) => return Ok(Some(ForViewers::of(&display, *address, why))),
        },
        Seat::Socket(path) => {
            of_socket(&configured, path, is_there("vncviewer")).ok_or_else(|| no_socket(machine, path))?
        }
    };
    let Some(tunnel) = display.tunnel else { return Err(hand_over(&command, password).into()) };
    match tunnel.lead(&command, password)? {
        0 => Ok(None),
        status => Err(Fault::host(format!("the viewer `{}` ended with status {status}", command.program)).into()),
    }
}

/// Returns the viewer of the configuration, or the first that is there, with the places for an address.
pub(crate) fn configured_or_found() -> Result<Argv, Fault> {
    // What is wrong with the configuration is told elsewhere.
    viewer(&Installation::open().map(|installation| installation.config.viewer).unwrap_or_default())
}

/// The viewer of the configuration, or the first that is there.
fn viewer(configured: &[String]) -> Result<Argv, Fault> {
    let argv = |words: Vec<String>| {
        let mut words = words.into_iter();
        Argv::new(words.next().unwrap_or_default()).args(words)
    };
    if !configured.is_empty() {
        return Ok(argv(configured.to_vec()));
    }
    let known = VIEWERS.iter().find(|words| is_there(words[0]));
    known.map(|words| argv(words.iter().map(ToString::to_string).collect())).ok_or_else(|| {
        let fault = Fault::host("there is no viewer for VNC: neither vncviewer, remote-viewer nor open");
        fault.hint(
            "install one (tigervnc-viewer), or name yours: viewer = [\"vncviewer\", \"{host}:{port}\"] in config.toml",
        )
    })
}

/// Returns the viewer of a socket: one of the configuration that names `{socket}`, or TigerVNC's, which takes its path.
fn of_socket(configured: &[String], path: &Path, has_tiger: bool) -> Option<Argv> {
    let path = path.display().to_string();
    if configured.iter().any(|word| word.contains("{socket}")) {
        let mut words = configured.iter().map(|word| word.replace("{socket}", &path));
        return Some(Argv::new(words.next()?).args(words));
    }
    (configured.is_empty() && has_tiger).then(|| Argv::new("vncviewer").arg(path))
}

/// The fault of a viewer that cannot be led to a socket.
fn no_socket(machine: &str, path: &Path) -> Fault {
    let path = path.display();
    let fault = Fault::host(format!(
        "the screen of {machine} is the socket {path}, to which no viewer here is known to connect"
    ));
    fault.hint(format!(
        "`socat TCP-LISTEN:5901,bind=127.0.0.1 UNIX-CONNECT:{path}` leads there: point a viewer at 127.0.0.1:5901; or name one that \
         takes a socket: viewer = [\"vncviewer\", \"{{socket}}\"] in config.toml"
    ))
}

/// Puts the address in. An IPv6 address goes into brackets, as viewers and URLs write it.
fn filled(viewer: &Argv, address: SocketAddr) -> Argv {
    let host = if address.is_ipv6() { format!("[{}]", address.ip()) } else { address.ip().to_string() };
    let port = address.port().to_string();
    let fill = |word: &str| word.replace("{host}", &host).replace("{port}", &port);
    let words = viewer.words();
    Argv::new(fill(words[0])).args(words[1..].iter().map(|word| fill(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_is_told_where_the_console_is() {
        let viewer = viewer(&["view".into(), "vnc://{host}:{port}/".into(), "--port={port}".into()]).unwrap();
        let argv = filled(&viewer, "192.168.2.5:5901".parse().unwrap());
        assert_eq!(argv.words(), ["view", "vnc://192.168.2.5:5901/", "--port=5901"]);
        let words = ["view".to_string(), "unix={socket}".to_string()];
        assert_eq!(of_socket(&words, Path::new("/run/a"), true).unwrap().words(), ["view", "unix=/run/a"]);
        assert_eq!(of_socket(&[], Path::new("/run/a"), true).unwrap().words(), ["vncviewer", "/run/a"]);
        assert_eq!(
            (of_socket(&words[..1], Path::new("/run/a"), true), of_socket(&[], Path::new("/run/a"), false)),
            (None, None)
        );
        let argv = filled(&viewer, "[fd00::5]:5901".parse().unwrap());
        assert_eq!(argv.words()[1], "vnc://[fd00::5]:5901/");
    }
}
