//! route(8): the default route, kept in the file `route`. The texts are (k).

use std::net::Ipv4Addr;

use crate::exit::{EEXIST, Exit, Step, say};
use crate::interface;
use crate::state::State;

const USAGE: &str = "usage: route [-46dnqtv] command [[modifiers] args]";

/// Runs route; of destinations only the default one is known.
pub(crate) fn run(state: &State, args: &[String]) -> Step<u8> {
    let words: Vec<&str> = args.iter().map(String::as_str).filter(|word| !["-n", "-4"].contains(word)).collect();
    let _lock = state.lock()?;
    let is_there = state.path("route").is_file();
    match words.as_slice() {
        ["get", "default"] if is_there => {
            let gateway = state.read("route")?;
            say(format!("   route to: default\ndestination: default\n       mask: default\n    gateway: {gateway}\n"));
        }
        ["add", "default", router] => add(state, router, is_there)?,
        // Whatever router is named, the default route that is there goes (12.1).
        ["delete", "default", router] if is_there => {
            state.remove("route")?;
            say(format!("delete net default: gateway {router}\n"));
        }
        ["get" | "delete", "default", ..] => return Err(Exit::new(1, "route: route has not been found")),
        _ => return Err(Exit::new(64, USAGE)),
    }
    Ok(0)
}

fn add(state: &State, router: &str, is_there: bool) -> Step<()> {
    let address: Ipv4Addr = router.parse().map_err(|_| Exit::new(68, format!("route: bad address: {router}")))?;
    let refused = |why: &str| Exit::new(1, format!("route: writing to routing socket: {why}"));
    if is_there {
        return Err(refused(EEXIST));
    }
    let reaches = |(own, bits): &(Ipv4Addr, u8)| {
        let mask = u32::MAX.checked_shl(32 - u32::from(*bits)).unwrap_or(0);
        own.to_bits() & mask == address.to_bits() & mask
    };
    if !interface::all(state)?.iter().any(|one| one.up && one.inet.iter().any(reaches)) {
        return Err(refused("Network is unreachable"));
    }
    state.write("route", router)?;
    say(format!("add net default: gateway {router}\n"));
    Ok(())
}
