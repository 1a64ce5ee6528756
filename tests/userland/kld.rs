//! kldload(8), kldstat(8) and kldunload(8): modules of the kernel. The files that were loaded are the lines of the file `modules`;
//! where that is not there, it is vmm alone. What else bhyve needs is in the kernel.

use std::path::Path;

use crate::exit::{EBUSY, ENOENT, Exit, Step, say, warn};
use crate::getopt;
use crate::node;
use crate::release::Release;
use crate::state::{State, is_root};

/// What is in the kernel.
const BUILT_IN: &[&str] = &["if_bridge", "if_epair", "if_vlan", "nmdm"];

/// The number of vmm among the modules of 12.1.
const ID_OF_VMM: u32 = 143;

/// The files that are loaded, without their ending.
fn loaded(state: &State) -> Step<Vec<String>> {
    if !state.path("modules").is_file() {
        return Ok(vec!["vmm".to_string()]);
    }
    Ok(state.read("modules")?.lines().map(str::to_string).collect())
}

/// Whether a module is there, loaded or in the kernel.
pub(crate) fn has_module(state: &State, name: &str) -> Step<bool> {
    // if_tap and if_tun became one in 13.
    let tap = if Release::of_environment()?.major >= 13 { "if_tuntap" } else { "if_tap" };
    Ok(name == tap || BUILT_IN.contains(&name) || loaded(state)?.iter().any(|loaded| loaded == name))
}

/// The name of a module, given a file or a path.
fn module(file: &str) -> String {
    let name = Path::new(file).file_name().map_or(file.into(), |name| name.to_string_lossy());
    name.strip_suffix(".ko").unwrap_or(&name).to_string()
}

/// Runs kldstat.
pub(crate) fn stat(state: &State, args: &[String]) -> Step<u8> {
    let usage = "usage: kldstat [-dhqv] [-i id] [-n filename]\n       kldstat [-dq] [-m modname]";
    let words = getopt::or_usage("kldstat", "dhi:m:n:qv", args, (1, usage))?;
    let _lock = state.lock()?;
    let missing = |what: &str, name: &str| {
        let quiet = Exit::silent(1);
        if words.has('q') { quiet } else { Exit::new(1, format!("kldstat: can't find {what} {name}: {ENOENT}")) }
    };
    let line = |id: usize, refs: u32, address: u64, size: u64, name: &str| {
        say(format!("{id:>2} {refs:>4} {address:#18x} {size:>8x} {name}\n"));
    };
    let file = |id: usize, name: &str| line(id, 1, 0xffff_ffff_8101_1000, 0x0053_3090, &format!("{name}.ko"));
    let header = || say("Id Refs Address                Size Name\n");
    if let Some(name) = words.value('m') {
        if !has_module(state, name)? {
            return Err(missing("module", name));
        }
        if !words.has('q') {
            say(format!("Id  Refs Name\n{ID_OF_VMM:>3} {:>4} {name}\n", 1));
        }
        return Ok(0);
    }
    let loaded = loaded(state)?;
    if let Some(name) = words.value('n') {
        let Some(at) = loaded.iter().position(|own| *own == module(name)) else { return Err(missing("file", name)) };
        if !words.has('q') {
            header();
            file(at + 2, &loaded[at]);
        }
        return Ok(0);
    }
    header();
    line(1, 7, 0xffff_ffff_8020_0000, 0x00b5_20a8, "kernel");
    loaded.iter().enumerate().for_each(|(at, name)| file(at + 2, name));
    Ok(0)
}

/// Runs kldload; there is no other module that could be loaded than vmm and what is in the kernel.
pub(crate) fn load(state: &State, args: &[String]) -> Step<u8> {
    let usage = "usage: kldload [-nqv] file ...";
    let words = getopt::or_usage("kldload", "nqv", args, (1, usage))?;
    if words.operands.is_empty() {
        return Err(Exit::new(1, usage));
    }
    let _lock = state.lock()?;
    let mut status = 0;
    for file in words.operands {
        let name = module(file);
        let why = match (is_root(), has_module(state, &name)?, name == "vmm") {
            (false, ..) => "Operation not permitted",
            (_, true, _) if words.has('n') => continue,
            (_, true, _) => "module already loaded or in kernel",
            (.., false) => ENOENT,
            (.., true) => {
                let mut loaded = loaded(state)?;
                loaded.push(name);
                state.write_lines("modules", &loaded)?;
                // By it machines are made since 15.0 (k).
                state.write("vmmctl", "")?;
                continue;
            }
        };
        warn(format!("kldload: can't load {file}: {why}"));
        status = 1;
    }
    Ok(status)
}

/// Runs kldunload. vmm stays while there are nodes.
pub(crate) fn unload(state: &State, args: &[String]) -> Step<u8> {
    let usage = "usage: kldunload [-fv] -i id ...\n       kldunload [-fv] [-n] name ...";
    let words = getopt::or_usage("kldunload", "fi:nv", args, (1, usage))?;
    if words.operands.is_empty() {
        return Err(Exit::new(1, usage));
    }
    let _lock = state.lock()?;
    for file in words.operands {
        let name = module(file);
        let mut loaded = loaded(state)?;
        let Some(at) = loaded.iter().position(|own| *own == name) else {
            return Err(Exit::new(1, format!("kldunload: can't find file {file}")));
        };
        let refused = |why: &str| Err(Exit::new(1, format!("kldunload: can't unload file: {why}")));
        if !is_root() {
            return refused("Operation not permitted");
        }
        if name == "vmm" && !node::all(state)?.is_empty() {
            return refused(EBUSY);
        }
        loaded.remove(at);
        state.write_lines("modules", &loaded)?;
        if name == "vmm" {
            state.remove("vmmctl")?;
        }
    }
    Ok(0)
}
