//! bhyve(8) of amd64: reads the command line, checks what bhyve checks in bhyve's order, and then plays the guest.
//!
//! How the guest ends is told by the next line of `exits`, see [`guest`].
//!
//! Two checks are the kernel's and the resolver's, so a judge that only reads command lines cannot make them; here they
//! are made always: a memory size that is no multiple of the page, and a VNC address that is a name.
//!
//! Not played: gdb's server, the VNC protocol (the port is bound and silent), TPM and passthrough devices (their names
//! are checked, not their presence on the PCI bus), snapshots, and everything of arm64 and riscv.

use std::fs;

use crate::exit::{Ending, Exit, Step, say};
use crate::release::Release;
use crate::state::State;
use crate::{interface, node};

mod device;
mod disk;
mod fbuf;
mod flags;
mod guest;
mod lpc;
mod machine;
mod network;
mod serial;
mod slot;
mod tree;
mod twelve;

pub(crate) use guest::Signals;
pub(crate) use machine::Machine;
pub(crate) use tree::Tree;

/// How many host CPUs a set can hold (256 before 14).
const CPU_SETSIZE: i128 = 1024;

const USAGE: &str = "Usage: bhyve [-aCDeHhPSuWwxY]\n             \
                     [-c [[cpus=]numcpus][,sockets=n][,cores=n][,threads=n]]\n             \
                     [-G port] [-k config_file] [-l lpc] [-m mem] [-o var=value]\n             \
                     [-p vcpu:hostcpu] [-r file] [-s pci] [-U uuid] vmname";

/// The usage text, after a complaint if there is one.
fn usage(release: Release, status: u8, complaint: impl std::fmt::Display) -> Exit {
    let complaint = complaint.to_string();
    let mut exit = Exit::silent(status);
    exit.lines.extend(Some(complaint).filter(|text| !text.is_empty()));
    exit.lines.push(if release.major < 13 { twelve::USAGE } else { USAGE }.to_string());
    exit
}

/// Runs bhyve.
pub(crate) fn run(state: &State, signals: &Signals, args: &[String]) -> Step<u8> {
    let cmdline = fs::read("/proc/self/cmdline").unwrap_or_else(|_| args.join("\0").into_bytes());
    state.write("seen-argv", cmdline)?;
    let release = Release::of_environment()?;
    if release.major < 13 {
        Signals::die_as_others()?;
    }
    let (tree, name) = read(args, release)?;
    if tree.flag("config.dump", false)? {
        say(tree.dump());
        return Ok(1);
    }
    let assume = std::env::var_os("FAKE_FREEBSD_ASSUME_FILES").is_some_and(|value| value == "1");
    let mut machine = Machine::new(state, tree, &name, assume);
    let started = machine.start();
    let is_started = started.is_ok();
    let result = started.and_then(|()| guest::play(&machine, signals));
    let ending = result.as_ref().map_or_else(|exit| exit.ending, |ending| *ending);
    close(&machine, ending, is_started)?;
    if matches!(ending, Ending::Status(_)) {
        say(&machine.printed);
    }
    match result? {
        Ending::Status(status) => Ok(status),
        Ending::Signal(number) => Err(Exit::signal(number)),
    }
}

/// Reads a command line into a configuration, and the name of the machine.
pub(crate) fn read(args: &[String], release: Release) -> Step<(Tree, String)> {
    let mut tree = defaults(release)?;
    let operands = flags::parse(args, &mut tree)?;
    let name = name(&mut tree, operands)?;
    Ok((tree, name))
}

pub(crate) fn defaults(release: Release) -> Step<Tree> {
    let mut tree = Tree::new(release);
    tree.set("acpi_tables", if release.major >= 15 { "true" } else { "false" })?;
    tree.set("acpi_tables_in_memory", "true")?;
    tree.set("memory.size", "256M")?;
    tree.set("x86.strictmsr", "true")?;
    tree.set("lpc.fwcfg", "bhyve")?;
    Ok(tree)
}

fn name(tree: &mut Tree, operands: &[String]) -> Step<String> {
    match operands {
        [] => {}
        [name] => tree.set("name", name)?,
        _ => return Err(usage(tree.release, 1, "")),
    }
    tree.get("name").ok_or_else(|| usage(tree.release, 1, ""))
}

/// Gives back what dies with the process: open taps, and the node's runner. The node itself stays, as on FreeBSD, and after a
/// crash it cannot be used again (bhyve-node.txt).
fn close(machine: &Machine, ending: Ending, is_started: bool) -> Step<()> {
    let pid = std::process::id();
    interface::close_all(machine.state, pid)?;
    let _lock = machine.state.lock()?;
    let Some(mut node) = node::load(machine.state, &machine.name)?.filter(|node| node.pid == Some(pid)) else {
        return Ok(());
    };
    let off = ending == Ending::Status(1) && machine.tree.flag("destroy_on_poweroff", false)?;
    if off || (machine.created && machine.tree.flag("monitor", false)?) {
        return Ok(node::remove(machine.state, &machine.name)?);
    }
    // Only a guest that powered off, halted or reset has its processors stopped.
    let how = match ending {
        Ending::Status(status) => node::Suspend::of_status(status),
        Ending::Signal(_) => None,
    };
    if !is_started {
        node.pid = None;
    } else if how.is_some() {
        (node.pid, node.suspend) = (None, node.suspend.or(how));
        node.processors = node::Processors::Stopped;
    }
    Ok(node.save(machine.state, &machine.name)?)
}
