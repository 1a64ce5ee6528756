//! The display of a machine: where its VNC server is and what lets us in, what is on it, and its keyboard.

use super::hosts::VmHost;
use super::installation::Installation;
use super::known::wanted;
use super::remote::{Remote, failure};
use super::search::{HostQuery, Listener, Search, wrong};
use crate::client::console::reachable;
use crate::client::screen::{Screen, Seat, replace};
use crate::client::tunnel::{Tried, Tunnel, try_once};
use crate::diag::{Diagnostic, Fault};
use crate::host::signals::Signals;
pub(crate) use crate::host::terminal::{self, size as terminal_size};
use crate::model::Secret;
pub(crate) use crate::screen::picture::{Ink, Picture};
use crate::screen::{keys, text};
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How often it is looked whether a machine runs by now.
pub(crate) const LOOK: Duration = Duration::from_millis(500);

/// How long ssh may take at least, which answered a moment before.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);

/// Where the display of a machine is.
pub(crate) struct Display {
    /// The machine.
    pub(crate) name: String,
    /// Where its server listens, or the tunnel that leads there begins.
    pub(crate) seat: Seat,
    /// The password that it asks for.
    pub(crate) password: Option<Secret>,
    /// The way there, if its own host alone reaches it; it ends with this.
    pub(crate) tunnel: Option<Tunnel>,
    /// That host, and where the server listens there.
    pub(crate) far: Option<(Remote, SocketAddr)>,
}

impl Display {
    /// Finds the display of a machine that runs, whichever host runs it.
    pub(crate) fn find(machine: &str, query: &HostQuery, listener: Listener<'_>) -> Result<Self, Vec<Diagnostic>> {
        Self::find_within(machine, query, Instant::now(), &*Signals::install()?, listener)
    }

    /// Finds the display of a machine that runs, or will before that time.
    pub(crate) fn find_within(
        machine: &str,
        query: &HostQuery,
        until: Instant,
        signals: &Signals,
        listener: Listener<'_>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let installation = Installation::open()?;
        let recipes = wanted(&installation, &[machine.to_string()])?;
        loop {
            let mut search = Search::new(&installation, &recipes, query)?;
            search.faults().for_each(&mut *listener);
            if search.has_faults() {
                return Err(wrong().into());
            }
            if search.machines.is_empty() {
                let fault = Fault::new(format!("{} describes no machine", recipes[0].path.display()));
                return Err(vec![fault.hint("a recipe describes one by bhyve(#{ … }).run()").into()]);
            }
            if let Some(path) = search.socket(0) {
                let seat = Seat::Socket(path);
                if !seat.is_open() && Instant::now() < until {
                    signals.pause(until.min(Instant::now() + LOOK))?;
                    continue;
                }
                let wanted = search.machines.swap_remove(0);
                return Ok(Self { name: wanted.name, seat, password: wanted.password, tunnel: None, far: None });
            }
            let may_come = search.machines[0].console.is_some() && search.locations[0].runs.is_empty();
            if may_come && Instant::now() < until {
                signals.pause(until.min(Instant::now() + LOOK))?;
                continue;
            }
            search.silence().for_each(listener);
            let host = search.only(0)?;
            let wanted = search.machines.swap_remove(0);
            let vm_host = &search.hosts[host];
            if let Some(path) = &wanted.socket {
                return Err(out_of_reach(&wanted.name, path, &vm_host.name).into());
            }
            let address = search.locations[0].runs.iter().find(|(at, _)| *at == host).and_then(|(_, address)| *address);
            let (reachable_at, tunnel) = reached(&wanted.name, address, vm_host, query.timeout)?;
            let far = tunnel.as_ref().and_then(|_| Some((vm_host.remote()?.clone(), reachable(address?))));
            let seat = Seat::Address(reachable_at);
            return Ok(Self { name: wanted.name, seat, password: wanted.password, tunnel, far });
        }
    }

    /// Looks at it, at most until then.
    pub(crate) fn open(&self, signals: &Rc<Signals>, until: Option<Instant>) -> Result<Screen, Fault> {
        Screen::open(self.seat.clone(), self.password.as_ref(), Some(signals.clone()), until)
    }
}

/// Returns what is on the screen of a machine.
pub(crate) fn picture(machine: &str, query: &HostQuery, listener: Listener<'_>) -> Result<Picture, Vec<Diagnostic>> {
    let display = Display::find(machine, query, listener)?;
    let mut screen = display.open(&Signals::install()?, None)?;
    Ok(screen.whole()?.clone())
}

/// Writes a picture as a PNG, of which nobody ever sees half.
pub(crate) fn save(picture: &Picture, file: &Path) -> Result<(), Fault> {
    replace(file, &picture.to_png()?)
}

/// Returns the text that is on a screen, line by line.
pub(crate) fn text_of(picture: &Picture) -> String {
    text::read(picture).join("\n")
}

/// Types a text at the keyboard of a machine, with that time between keys. The text may name keys: `<Enter>`.
pub(crate) fn type_text(
    machine: &str,
    text: &str,
    apart: Duration,
    query: &HostQuery,
    listener: Listener<'_>,
) -> Result<(), Vec<Diagnostic>> {
    let strokes = keys::parse(text)?;
    let display = Display::find(machine, query, listener)?;
    display.open(&Signals::install()?, None)?.press(&strokes, apart)?;
    Ok(())
}

/// The fault of a screen that listens on a socket of another host.
fn out_of_reach(name: &str, path: &Path, host: &str) -> Fault {
    let path = path.display();
    let fault = Fault::host(format!("{name} runs on {host}, and its screen is the socket {path} there"));
    let to = host.trim_start_matches("ssh://");
    fault.hint(format!("`ssh -L 5901:{path} {to}` leads there: point a viewer at 127.0.0.1:5901"))
}

/// Returns where a screen can be reached from here, and the tunnel that leads there if its host alone reaches it. A host that
/// told of it itself tells where it listens there.
fn reached(
    name: &str,
    address: Option<SocketAddr>,
    host: &VmHost,
    within: Duration,
) -> Result<(SocketAddr, Option<Tunnel>), Fault> {
    let Some(address) = address else {
        let fault = Fault::host(format!("{name} runs on {}, and has no screen", host.name));
        return Err(
            fault.hint("a frame buffer has one: \"29\": fbuf(#{ tcp: \"127.0.0.1:5901\", password: secret(\"vnc\") })")
        );
    };
    let is_local = address.ip().is_loopback() || address.ip().is_unspecified();
    let Some(remote) = host.remote().filter(|_| is_local) else { return Ok((address, None)) };
    let within = within.max(CONNECT);
    let carrier = remote.forward(reachable(address), within);
    let why = match try_once(&carrier, within)? {
        Tried::Vnc => {
            let tunnel = Tunnel::open(carrier)?;
            return Ok((tunnel.address(), Some(tunnel)));
        }
        Tried::Other => "something else than a VNC server answers there".into(),
        Tried::Ended(status, said) => failure(remote, status, &said),
        Tried::Silent => format!("nothing came within {within:?}"),
    };
    let host = &host.name;
    Err(Fault::host(format!("{name} runs on {host}, and no tunnel leads to its screen at {address}: {why}")))
}
