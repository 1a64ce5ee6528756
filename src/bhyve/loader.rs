//! The command lines of loaders: bhyveload(8), and grub-bhyve as its README and `grub-bhyve --help` tell them.

use crate::model::value::Tty;
use crate::model::{Argv, Bhyveload, Grub, Loader, Machine};
use std::path::Path;

/// How a loader is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loading {
    /// Its command line.
    pub argv: Argv,
    /// What it reads from its standard input.
    pub input: Option<String>,
    /// Whether somebody may type into it where vmrun runs.
    pub uses_stdio: bool,
    /// GRUB's names of files, for the file that the command line names.
    pub map: Option<String>,
}

/// Returns how the loader of a machine is run, if it has one; `map` is the file for GRUB's names.
pub(crate) fn loading(machine: &Machine, map: &Path) -> Option<Loading> {
    let loader = machine.loader()?;
    let console = console(machine, loader);
    let mut argv = Argv::new(loader.program());
    if let Tty::Path(path) = &console {
        argv = argv.arg("-c").arg(path);
    }
    let (argv, map) = match loader {
        Loader::Bhyveload(load) => (bhyveload(argv, machine, load), None),
        Loader::Grub(grub) => {
            let names = machine.grub_map(grub).iter().map(|(name, path)| format!("({name}) {path}\n")).collect();
            (grub_bhyve(argv, machine, grub, map), Some(names))
        }
    };
    let input = loader.input().map(String::from);
    let is_asked = loader.console() == Some(&Tty::Stdio) || machine.uses_stdio();
    let uses_stdio = console == Tty::Stdio && is_asked && input.is_none();
    Some(Loading { argv: argv.arg(machine.name()), input, uses_stdio, map })
}

/// A loader talks where the first serial port does: bhyve opens that only afterwards. One that is told its commands reads them
/// from its standard input.
fn console(machine: &Machine, loader: &Loader) -> Tty {
    let com1 = || machine.ttys().get("com1").map(|tty| (*tty).clone());
    let own = loader.console().cloned().or_else(|| if loader.input().is_some() { None } else { com1() });
    own.filter(|tty| !matches!(tty, Tty::Tcp(_))).unwrap_or(Tty::Stdio)
}

/// What has to be as bhyve is told it: `-C` and `-S` (bhyveload(8)).
fn memory_flags(mut argv: Argv, machine: &Machine, flags: &[(&str, &str)]) -> Argv {
    for (setting, flag) in flags {
        if machine.switch(setting) == Some(true) {
            argv = argv.arg(flag);
        }
    }
    argv
}

fn bhyveload(argv: Argv, machine: &Machine, load: &Bhyveload) -> Argv {
    let argv = memory_flags(argv, machine, &[("guest_in_core", "-C"), ("wired", "-S")]);
    let mut argv = argv.arg("-m").arg(machine.memory());
    for disk in machine.loader_disks(load) {
        argv = argv.arg("-d").arg(disk);
    }
    for (name, value) in &load.env {
        argv = argv.arg("-e").arg(format!("{name}={value}"));
    }
    for (flag, path) in [("-h", &load.host), ("-l", &load.loader)] {
        if let Some(path) = path {
            argv = argv.arg(flag).arg(path);
        }
    }
    argv
}

/// grub-bhyve takes a number for megabytes.
fn grub_bhyve(argv: Argv, machine: &Machine, grub: &Grub, map: &Path) -> Argv {
    const MIB: u64 = 1 << 20;
    let bytes = machine.memory().get();
    let memory = if bytes.is_multiple_of(MIB) { (bytes / MIB).to_string() } else { machine.memory().to_string() };
    let mut argv = memory_flags(argv, machine, &[("wired", "-S")]);
    for (flag, given) in [("-n", grub.ncons), ("-e", grub.evga)] {
        if given {
            argv = argv.arg(flag);
        }
    }
    argv = argv.arg("-m").arg(map.display()).arg("-M").arg(memory);
    for (flag, value) in [("-r", &grub.root), ("-d", &grub.directory), ("-g", &grub.config)] {
        if let Some(value) = value {
            argv = argv.arg(flag).arg(value);
        }
    }
    argv
}
