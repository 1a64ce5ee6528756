//! The display of a machine: where its VNC server is, and what lets us in.

use super::find::{HostArgs, Search, recipes, wrong};
use super::inventory::Inventory;
use super::term::Term;
use crate::client::console::reachable;
use crate::client::screen::Screen;
use crate::client::tunnel::{Tried, Tunnel, try_once};
use crate::diag::{Diagnostic, Fault};
use crate::fleet::find::Place;
use crate::fleet::ssh::why;
use crate::host::signals::Signals;
use crate::model::Secret;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How often it is looked whether a machine runs by now.
pub(super) const LOOK: Duration = Duration::from_millis(500);

/// How long ssh may take at least: it has been there a moment before.
pub(super) const CONNECT: Duration = Duration::from_secs(5);

/// Where the display of a machine is.
pub(super) struct Display {
    /// The machine.
    pub(super) name: String,
    /// Where its server listens, or the tunnel that leads there begins.
    pub(super) address: SocketAddr,
    /// The password that it asks for.
    pub(super) password: Option<Secret>,
    /// The way there, if its own host alone reaches it; it ends with this.
    pub(super) tunnel: Option<Tunnel>,
}

impl Display {
    /// Finds the display of a machine that runs, whichever host runs it.
    pub(super) fn find(machine: &str, hosts: &HostArgs, term: &Term) -> Result<Self, Vec<Diagnostic>> {
        Self::find_within(machine, hosts, Instant::now(), &*Signals::install()?, term)
    }

    /// Finds the display of a machine that runs, or will before that time.
    pub(super) fn find_within(
        machine: &str,
        hosts: &HostArgs,
        until: Instant,
        signals: &Signals,
        term: &Term,
    ) -> Result<Self, Vec<Diagnostic>> {
        let inventory = Inventory::open()?;
        let recipes = recipes(&inventory, std::slice::from_ref(&machine.to_string()))?;
        loop {
            let mut search = Search::new(&inventory, &recipes, hosts, false)?;
            search.faults().iter().for_each(|fault| term.drawn(fault));
            if !search.faults().is_empty() {
                return Err(wrong().into());
            }
            if search.machines.is_empty() {
                let fault = Fault::new(format!("{} describes no machine", recipes[0].display()));
                return Err(vec![fault.hint("a recipe describes one by bhyve(#{ … }).run()").into()]);
            }
            let may_come = search.machines[0].console.is_some() && search.found[0].runs.is_empty();
            if may_come && Instant::now() < until {
                signals.pause(until.min(Instant::now() + LOOK))?;
                continue;
            }
            search.tell_silence(term);
            let host = search.only(0)?;
            let wanted = search.machines.swap_remove(0);
            let place = &search.hosts[host];
            let address = search.found[0].runs.iter().find(|(at, _)| *at == host).and_then(|(_, address)| *address);
            let (address, tunnel) = reached(&wanted.name, address, place, hosts.timeout)?;
            return Ok(Self { name: wanted.name, address, password: wanted.password, tunnel });
        }
    }

    /// Looks at it.
    pub(super) fn open(&self, signals: &Rc<Signals>) -> Result<Screen, Fault> {
        Screen::open(self.address, self.password.as_ref(), Some(signals.clone()))
    }
}

/// Returns where a console can be reached from here, and the tunnel that leads there if its host alone reaches it. A host that
/// told of it itself tells where it listens there.
fn reached(
    name: &str,
    address: Option<SocketAddr>,
    place: &Place,
    within: Duration,
) -> Result<(SocketAddr, Option<Tunnel>), Fault> {
    let Some(address) = address else {
        let fault = Fault::host(format!("{name} runs on {}, and has no console", place.name));
        return Err(fault.hint("a frame buffer has one: \"29\": fbuf(#{ tcp: \"0.0.0.0:5901\" })"));
    };
    let is_local = address.ip().is_loopback() || address.ip().is_unspecified();
    let Some(remote) = place.remote().filter(|_| is_local) else { return Ok((address, None)) };
    let within = within.max(CONNECT);
    let carrier = remote.forward(reachable(address), within);
    let why = match try_once(&carrier, within)? {
        Tried::Vnc => {
            let tunnel = Tunnel::open(carrier)?;
            return Ok((tunnel.address(), Some(tunnel)));
        }
        Tried::Other => "something else than a VNC server answers there".into(),
        Tried::Ended(status, said) => why(remote, status, &said),
        Tried::Silent => format!("nothing came within {within:?}"),
    };
    let host = &place.name;
    Err(Fault::host(format!("{name} runs on {host}, and no tunnel leads to its console at {address}: {why}")))
}
