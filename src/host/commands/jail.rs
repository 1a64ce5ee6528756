//! ifconfig(8) and jexec(8): what takes the taps of a machine into the network of its jail, and back. None of it was run on a FreeBSD.
//!
//! A tap has to be in the network of the bhyve that opens it, which brings it up by its name (net_backends.c), and what is in a
//! jail's network is in no bridge of the host. So the host's bridge has one half of an epair(4), and the other half is in the jail,
//! in a bridge with the tap. An interface that changes networks is down and in no group afterwards; its description stays (if.c,
//! `if_detach_internal`).

use crate::bhyve::within;
use crate::host::effects::Inner;
use crate::host::interfaces::marks::{Maker, mark_link};
use crate::model::link::MARK;
use crate::model::{Argv, InterfaceName, JailName, Link, LinkKind};

fn ifconfig(name: &InterfaceName) -> Argv {
    Argv::new("ifconfig").arg(name)
}

/// Returns the commands that take a tap into a jail: it is up there, and marked as before.
pub(super) fn lend(jail: &JailName, tap: &InterfaceName) -> Vec<Argv> {
    vec![ifconfig(tap).arg("vnet").arg(jail), within(jail, &ifconfig(tap).args(["group", MARK, "up"]))]
}

/// Returns the commands that take it back.
pub(super) fn reclaim(jail: &JailName, tap: &InterfaceName) -> Vec<Argv> {
    vec![ifconfig(tap).arg("-vnet").arg(jail), ifconfig(tap).args(["group", MARK])]
}

/// Returns the commands that make a bridge in a jail, which is marked as made for the machine.
pub(super) fn create_inner(maker: Option<&Maker>, inner: &Inner) -> Vec<Argv> {
    let Inner { jail, bridge, half, tap } = inner;
    let link = Link::new(bridge.clone(), LinkKind::Bridge);
    let mark = maker.map_or_else(|| link.mark(bridge), |maker| mark_link(maker, &link));
    let marked = ifconfig(bridge).args(["group", MARK, "description"]).arg(mark);
    vec![
        ifconfig(half).arg("vnet").arg(jail),
        within(jail, &ifconfig(half).arg("up")),
        within(jail, &ifconfig(bridge).arg("create")),
        within(jail, &marked.arg("addm").arg(half).arg("addm").arg(tap).arg("up")),
    ]
}

/// Returns what takes back what was made, where the second of these commands is refused, the third, or the fourth.
pub(super) fn undone(inner: &Inner) -> Vec<Argv> {
    let back = || ifconfig(&inner.half).arg("-vnet").arg(&inner.jail);
    vec![back(), back(), destroy_inner(inner)]
}

/// Returns the command that destroys it. The half of the pair goes with the other one, which is in the host's network (if_epair.c,
/// `epair_clone_destroy`).
pub(super) fn destroy_inner(inner: &Inner) -> Argv {
    within(&inner.jail, &ifconfig(&inner.bridge).arg("destroy"))
}
