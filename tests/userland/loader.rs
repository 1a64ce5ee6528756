//! bhyveload(8) and grub-bhyve: they make the node of a machine with its memory, or begin it anew, and put a guest into it.
//!
//! Their words and statuses are those of their sources (`bhyveload.c`, grub2-bhyve's `main.c` and `bhyve_hostif.c`), as nobody
//! has recorded them: (k). Nothing of a guest is looked at: `-e`, `-h` and GRUB's commands are taken as they are.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::path::Path;

use crate::exit::{Exit, Step, say};
use crate::getopt;
use crate::node::{self, Memory};
use crate::number::memory_size;
use crate::state::State;

/// `EX_USAGE` of sysexits(3).
const EX_USAGE: u8 = 64;

const BHYVELOAD: &str = "usage: bhyveload [-S][-c <console-device>] [-d <disk-path>] [-e <name=value>]\n                 \
                         [-h <host-path>] [-m memsize[K|k|M|m|G|g|T|t]] <vmname>";

const GRUB: &str = "Try `grub-bhyve --help' or `grub-bhyve --usage' for more information.";

const MIB: u64 = 1 << 20;

/// Runs bhyveload.
pub(crate) fn bhyveload(state: &State, args: &[String]) -> Step<u8> {
    let words = getopt::or_usage("bhyveload", "CSc:d:e:h:l:m:", args, (1, BHYVELOAD))?;
    let cannot = |path: &str| Exit::new(EX_USAGE, format!("bhyveload: Could not open '{path}'"));
    for path in words.values('c').into_iter().filter(|path| *path != "stdio") {
        open(path).map_err(|_| cannot(path))?;
    }
    for path in words.values('d') {
        open(path).map_err(|_| cannot(path))?;
    }
    if words.count('l') > 1 {
        return Err(Exit::new(EX_USAGE, "bhyveload: -l can only be given once"));
    }
    let size = words.value('m').unwrap_or("256M");
    let size = memory_size(size).ok_or_else(|| Exit::new(EX_USAGE, format!("bhyveload: Invalid memsize '{size}'")))?;
    let [name] = words.operands else { return Err(Exit::new(1, BHYVELOAD)) };
    let memory = Memory { size, wired: words.has('S') };
    load(state, name, memory).map_err(|refused| {
        Exit::new(
            1,
            match refused {
                Refused::NoVmm => "vm_create: No such file or directory",
                Refused::Name => "vm_create: Invalid argument",
                Refused::Busy => "vm_reinit: Device busy",
                Refused::Memory => "vm_setup_memory: Invalid argument",
                Refused::Failed(exit) => return exit,
            },
        )
    })?;
    if let Some(path) = words.value('l').filter(|path| !Path::new(path).exists()) {
        say(format!("Cannot open \"{path}\"\n"));
        return Ok(1);
    }
    heard(state)
}

/// Runs grub-bhyve.
pub(crate) fn grub_bhyve(state: &State, args: &[String]) -> Step<u8> {
    let words = getopt::words("grub-bhyve", "Senvc:d:g:m:M:r:", args)
        .map_err(|complaint| Exit::new(EX_USAGE, format!("{complaint}\n{GRUB}")))?;
    let wrong = |line: String| {
        let mut exit = Exit::new(1, line);
        exit.lines.push("Error in parsing command line arguments".into());
        exit
    };
    let size = words.value('M').unwrap_or("256");
    // A number alone is in megabytes.
    let bytes = size.parse::<u64>().ok().and_then(|number| number.checked_mul(MIB)).or_else(|| memory_size(size));
    let bytes = bytes.ok_or_else(|| wrong(format!("Invalid guest memory size `{size}'.")))?;
    let [name] = words.operands else { return Err(Exit::new(1, "Required VM name parameter not supplied")) };
    load(state, name, Memory { size: bytes, wired: words.has('S') }).map_err(|refused| {
        let line = match refused {
            Refused::NoVmm | Refused::Name => format!("Could not create VM {name}"),
            Refused::Busy => format!("Could not reinit VM {name}"),
            Refused::Memory => format!("Could not setup memory for VM {name}"),
            Refused::Failed(exit) => return exit,
        };
        let mut exit = Exit::new(1, line);
        exit.lines.push("Error in initializing VM".into());
        exit
    })?;
    if let Some(path) = words.value('m') {
        let map = std::fs::read_to_string(path).map_err(|_| {
            Exit::new(1, format!("grub-bhyve: error: cannot open `{path}': No such file or directory."))
        })?;
        state.write("seen-map", map)?;
    }
    heard(state)
}

/// Opens a disk or a tty as bhyveload does: to read and to write.
fn open(path: &str) -> io::Result<()> {
    OpenOptions::new().read(true).write(true).open(path).map(drop)
}

/// Why a node is refused.
enum Refused {
    NoVmm,
    Name,
    Busy,
    Memory,
    Failed(Exit),
}

impl From<Exit> for Refused {
    fn from(exit: Exit) -> Self {
        Self::Failed(exit)
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Makes the node with its memory, or begins one anew that is there already, as vm_create and vm_reinit do.
fn load(state: &State, name: &str, memory: Memory) -> Result<(), Refused> {
    let _lock = state.lock()?;
    if !node::has_vmm(state)? {
        return Err(Refused::NoVmm);
    }
    if !node::is_valid(name)? {
        return Err(Refused::Name);
    }
    let mut node = node::load(state, name)?.unwrap_or_default();
    if !node.reinit() {
        return Err(Refused::Busy);
    }
    // The node stays where its memory is refused (bhyve-node.txt has it of bhyve).
    node.save(state, name)?;
    if node.memory.is_some_and(|there| there != memory) {
        return Err(Refused::Memory);
    }
    (node.memory, node.loaded) = (Some(memory), true);
    Ok(node.save(state, name)?)
}

/// Keeps what stands at its standard input, for tests. A terminal's end is not waited for.
fn heard(state: &State) -> Step<u8> {
    let mut text = String::new();
    if !io::IsTerminal::is_terminal(&io::stdin()) {
        io::stdin().read_to_string(&mut text)?;
    }
    state.write("seen-input", text)?;
    Ok(0)
}
