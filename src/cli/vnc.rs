//! `vmrun vnc`: finds a machine, and opens its console.

use super::display::Display;
use super::find::HostArgs;
use super::inventory::Inventory;
use super::term::Term;
use crate::diag::{Diagnostic, Fault};
use crate::host::handover::{hand_over, is_there};
use crate::model::Argv;
use clap::Args;
use std::net::SocketAddr;

/// The viewers that are looked for, with what they take.
const VIEWERS: [&[&str]; 3] =
    [&["vncviewer", "{host}:{port}"], &["remote-viewer", "vnc://{host}:{port}"], &["open", "vnc://{host}:{port}"]];

#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct VncArgs {
    /// The machine, by name or by recipe
    machine: String,
    #[command(flatten)]
    hosts: HostArgs,
}

const AFTER: &str = "\
Where a host was asked by ssh (ssh://HOST) and the console listens there for the host itself only, the viewer gets an
address of this host from which ssh leads there. That way ends with the viewer, which has to stay in the foreground.";

/// Becomes the viewer. The password goes by VNC_PASSWORD, which other users cannot see, never by an argument. Through a
/// tunnel it is run, since somebody has to end that.
pub(super) fn run(args: &VncArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let display = Display::find(&args.machine, &args.hosts, term)?;
    let viewer = viewer(&Inventory::open()?.config.viewer)?;
    let password = display.password.as_ref().map(|password| ("VNC_PASSWORD", password));
    let command = filled(&viewer, display.address);
    let Some(tunnel) = display.tunnel else { return Err(vec![hand_over(&command, password).into()]) };
    match tunnel.lead(&command, password)? {
        0 => Ok(()),
        status => Err(Fault::host(format!("the viewer `{}` ended with status {status}", command.program)).into()),
    }
}

/// The viewer of the configuration, or the first that is there.
fn viewer(told: &[String]) -> Result<Argv, Fault> {
    let argv = |words: Vec<String>| {
        let mut words = words.into_iter();
        Argv::new(words.next().unwrap_or_default()).args(words)
    };
    if !told.is_empty() {
        return Ok(argv(told.to_vec()));
    }
    let known = VIEWERS.iter().find(|words| is_there(words[0]));
    known.map(|words| argv(words.iter().map(ToString::to_string).collect())).ok_or_else(|| {
        let fault = Fault::host("there is no viewer for VNC: neither vncviewer, remote-viewer nor open");
        fault.hint(
            "install one (tigervnc-viewer), or name yours: viewer = [\"vncviewer\", \"{host}:{port}\"] in config.toml",
        )
    })
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
        let argv = filled(&viewer, "[fd00::5]:5901".parse().unwrap());
        assert_eq!(argv.words()[1], "vnc://[fd00::5]:5901/");
    }
}
