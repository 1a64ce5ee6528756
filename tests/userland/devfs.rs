//! ls(1) of what a replayed test looks for in /dev: the nodes of machines, as root sees them, and null modems, which are there as
//! soon as somebody looks (nmdm.txt).

use std::collections::BTreeSet;

use crate::exit::{ENOENT, Step, say, warn};
use crate::node;
use crate::state::State;

/// Lists paths of /dev; `None` if any is elsewhere.
pub(crate) fn ls(state: &State, args: &[String]) -> Step<Option<u8>> {
    let vmm = state.path("vmm").display().to_string();
    let (flags, paths): (Vec<&str>, Vec<&str>) = args.iter().map(String::as_str).partition(|arg| arg.starts_with('-'));
    if paths.is_empty() || !paths.iter().all(|path| *path == vmm || path.starts_with("/dev/nmdm")) {
        return Ok(None);
    }
    let mut status = 0;
    let nodes = node::all(state)?;
    for path in paths {
        if path == vmm && !nodes.is_empty() {
            folder(&vmm, &nodes.iter().map(String::as_str).collect::<Vec<_>>(), &flags);
        } else if is_null_modem(path) {
            say(format!("{path}\n"));
        } else {
            warn(format!("ls: {path}: {ENOENT}"));
            status = 1;
        }
    }
    Ok(Some(status))
}

/// The first parts of names, in the order of bytes; with `-R` what is in a folder follows.
fn folder(path: &str, nodes: &[&str], flags: &[&str]) {
    let firsts: BTreeSet<&str> = nodes.iter().map(|name| name.split('/').next().unwrap_or(name)).collect();
    if flags.contains(&"-l") {
        say("total 0\n");
    }
    for first in &firsts {
        let mode = if flags.contains(&"-l") { "crw-------  1 root  wheel  0x30 Nov 28 14:13 " } else { "" };
        say(format!("{mode}{first}\n"));
    }
    for first in firsts.iter().filter(|_| flags.contains(&"-R")) {
        let below: Vec<&str> = nodes.iter().filter_map(|name| name.strip_prefix(first)?.strip_prefix('/')).collect();
        if !below.is_empty() {
            say(format!("\n{path}/{first}:\n"));
            folder(&format!("{path}/{first}"), &below, flags);
        }
    }
}

/// nmdm(4): any name, and the letter of one of its two ends.
fn is_null_modem(path: &str) -> bool {
    path.strip_prefix("/dev/nmdm").is_some_and(|unit| unit.len() > 1 && unit.ends_with(['A', 'B']))
}

#[cfg(test)]
mod tests {
    use super::is_null_modem;

    #[test]
    fn a_null_modem_has_two_ends() {
        assert!(is_null_modem("/dev/nmdm0A") && is_null_modem("/dev/nmdmx1B"));
        assert!(!is_null_modem("/dev/nmdm0C") && !is_null_modem("/dev/nmdmA") && !is_null_modem("/dev/tap0A"));
    }
}
