//! `vnet` and `-vnet`: interfaces go into the network of a jail, and come back (ifconfig(8), if.c of 2024). (k)

use super::Host;
use super::words::{Target, refused};
use crate::exit::{EEXIST, EPERM, Exit, Step};
use crate::interface;
use crate::jail;
use crate::state::State;

const ENXIO: &str = "Device not configured";

/// The network of a jail; that of one which has none of its own is the caller's.
fn network(state: &State, jail: &str) -> Step<State> {
    if !jail::is_there(state, jail) {
        return Err(Exit::new(1, format!("ifconfig: jail \"{jail}\" not found")));
    }
    let own = Some(jail).filter(|jail| jail::has_network(state, jail));
    Ok(state.seen_from(own.or(state.network())))
}

impl Target<'_> {
    /// `vnet`: into the network of a jail, unless it is there or has one of that name already.
    pub(super) fn lend(&self, jail: &str) -> Step<()> {
        const WHAT: &str = "SIOCSIFVNET";
        let (from, one) = (self.host.state, self.load()?);
        let to = network(from, jail)?;
        self.privileged(WHAT, EPERM)?;
        if to.network() == from.network() || interface::load(&to, &one.name)?.is_some() {
            return Err(refused(WHAT, EEXIST));
        }
        Ok(interface::carry(from, &to, one)?)
    }
}

/// `-vnet`: back from the network of a jail. The interface is not to be seen from here, so that ifconfig does not look for it.
pub(super) fn reclaim(host: &Host, name: &str, jail: &str) -> Step<()> {
    let what = format!("SIOCSIFRVNET(1, {name})");
    let from = network(host.state, jail)?;
    if !host.is_root {
        return Err(refused(what, EPERM));
    }
    let one = interface::load(&from, name)?.ok_or_else(|| refused(&what, ENXIO))?;
    if from.network() == host.state.network() || interface::load(host.state, name)?.is_some() {
        return Err(refused(what, EEXIST));
    }
    Ok(interface::carry(&from, host.state, one)?)
}
