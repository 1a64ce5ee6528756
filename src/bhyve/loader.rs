//! The command lines of loaders: bhyveload(8), and grub-bhyve as its README and `grub-bhyve --help` tell them.

use crate::model::loader::{grub_device, grub_root, grub_word, loader_variable};
use crate::model::value::Tty;
use crate::model::{Argv, Bhyveload, DevicePath, Grub, Loader, Machine};
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

/// The options of grub-bhyve (getopt(3)).
const GRUB: &str = "Senc:d:g:m:M:r:";

/// Reads the command line of a loader, without its name: the loader, and the machine that it is for. `input` is what it read from its
/// standard input, `map` the text of the file that `-m` names. What has to be as bhyve has it is left to the machine. Nothing if
/// something in it is not known.
pub(crate) fn read(program: &str, args: &[String], input: Option<&str>, map: Option<&str>) -> Option<(Loader, String)> {
    let letters = if program == "bhyveload" { "CSc:d:e:h:l:m:" } else { GRUB };
    let (flags, name) = flags(letters, args)?;
    let values = |letter: char| flags.iter().filter(move |(of, _)| *of == letter).map(|(_, value)| *value);
    let last = |letter: char| values(letter).next_back();
    let path = |letter: char| last(letter).map(str::parse).transpose().ok();
    let console = last('c').map(str::parse::<Tty>).transpose().ok()?;
    let loader = if program == "bhyveload" {
        let disks: Vec<DevicePath> = values('d').map(str::parse).collect::<Result<_, _>>().ok()?;
        let variable = |text: &str| loader_variable(text.split_once('=')?.0, text.split_once('=')?.1).ok();
        Loader::Bhyveload(Bhyveload {
            console,
            disks: (!disks.is_empty()).then_some(disks),
            env: values('e').map(variable).collect::<Option<_>>()?,
            host: path('h')?,
            loader: path('l')?,
        })
    } else {
        let named = |line: &str| {
            let (name, path) = line.strip_prefix('(')?.split_once(')')?;
            Some((grub_device(name).ok()?, path.split_whitespace().next()?.parse().ok()?))
        };
        // As GRUB reads it (hostdisk.c, `read_device_map`): comments, and no blank need be behind a name.
        let is_said = |line: &&str| !line.is_empty() && !line.starts_with('#');
        let lines = map.map(|map| map.lines().map(str::trim).filter(is_said).map(named).collect::<Option<_>>());
        Loader::Grub(Grub {
            console,
            root: last('r').map(grub_root).transpose().ok()?,
            map: lines.map_or(Some(None), |map| map.map(Some))?,
            directory: last('d').map(grub_word).transpose().ok()?,
            config: last('g').map(grub_word).transpose().ok()?,
            ncons: last('n').is_some(),
            evga: last('e').is_some(),
            input: input.filter(|input| !input.is_empty()).map(String::from),
        })
    };
    loader.check().is_ok().then_some((loader, name.clone()))
}

/// Returns the file of GRUB's names that a command line of grub-bhyve, without its name, tells.
pub(crate) fn map_of(args: &[String]) -> Option<&str> {
    let (flags, _) = flags(GRUB, args)?;
    flags.into_iter().rfind(|(letter, _)| *letter == 'm').map(|(_, path)| path)
}

/// Reads flags of these letters, and the one word behind them (getopt(3)).
fn flags<'a>(letters: &str, args: &'a [String]) -> Option<(Vec<(char, &'a str)>, &'a String)> {
    let mut found = Vec::new();
    let mut rest = args;
    while let Some((word, after)) = rest.split_first() {
        let Some(given) = word.strip_prefix('-').filter(|given| !given.is_empty() && !given.starts_with('-')) else {
            return (after.is_empty() && !word.is_empty()).then_some((found, word));
        };
        rest = after;
        for (at, letter) in given.char_indices() {
            let known = letters.find(letter).filter(|_| letter != ':')?;
            if !letters.get(known + 1..)?.starts_with(':') {
                found.push((letter, ""));
                continue;
            }
            let joined = given.get(at + letter.len_utf8()..).unwrap_or_default();
            let value = if joined.is_empty() {
                let (value, after) = rest.split_first()?;
                rest = after;
                value.as_str()
            } else {
                joined
            };
            found.push((letter, value));
            break;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(String::from).collect()
    }

    #[test]
    fn the_command_line_of_a_loader_reads_back() {
        let (loader, name) = read("bhyveload", &words("-Sm 1G -d/a -d /b -e x=1=2 -l /l.so a"), None, None).unwrap();
        let Loader::Bhyveload(load) = loader else { panic!("{loader:?}") };
        assert_eq!((name.as_str(), load.disks.unwrap().len(), load.env), ("a", 2, vec![("x".into(), "1=2".into())]));
        let map = Some("# of a\n(hd0)/a\n\n (cd0)\t/b\n");
        let (loader, _) = read("grub-bhyve", &words("-n -m map -r hd0,gpt2 -M 1024 a"), Some("boot\n"), map).unwrap();
        let Loader::Grub(grub) = loader else { panic!("{loader:?}") };
        assert_eq!((grub.ncons, grub.map.unwrap().len(), grub.input.as_deref()), (true, 2, Some("boot\n")));
        for line in ["-x a", "", "-d", "-d /a", "a b", "-e x a", "-c tcp=1.2.3.4:5 a"] {
            assert_eq!(read("bhyveload", &words(line), None, None), None, "{line}");
        }
    }
}
