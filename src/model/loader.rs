//! What puts a guest into a machine's memory before bhyve runs it, where no boot ROM does: bhyveload(8), or grub-bhyve of the port
//! sysutils/grub2-bhyve.
//!
//! What has to be as bhyve has it is not said here but taken from the machine: its name, its memory, and whether that is wired or
//! in core dumps.

use super::DevicePath;
use super::value::Tty;
use crate::diag::Fault;

/// The most disks that bhyveload takes (its `NDISKS`).
pub(crate) const DISKS_MAX: usize = 32;

/// The most that is typed into a loader, in bytes: what a pipe takes before anybody reads.
const INPUT_MAX: usize = 8192;

/// A loader, as a value of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loader {
    /// bhyveload(8): FreeBSD's own loader, for guests that are FreeBSD.
    Bhyveload(Bhyveload),
    /// grub-bhyve, for guests that GRUB knows how to start.
    Grub(Grub),
}

/// How bhyveload(8) is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bhyveload {
    /// Where it reads and writes (`-c`); else where the first serial port does.
    pub console: Option<Tty>,
    /// The disks that it finds (`-d`), the one that it boots first; else those of the machine.
    pub disks: Option<Vec<DevicePath>>,
    /// Variables of the loader (`-e`), in order.
    pub env: Vec<(String, String)>,
    /// A folder of the host that is the root of the guest's file system (`-h`).
    pub host: Option<DevicePath>,
    /// The loader of the operating system (`-l`); else /boot/userboot.so.
    pub loader: Option<DevicePath>,
}

/// How grub-bhyve is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grub {
    /// Where it reads and writes (`-c`); else where the first serial port does.
    pub console: Option<Tty>,
    /// The device of paths that name none (`-r`), as `hd0,gpt2`.
    pub root: Option<String>,
    /// GRUB's names of the host's files (`-m`); else those of the machine's disks.
    pub map: Option<Vec<(String, DevicePath)>>,
    /// The folder with GRUB's files, on the root device (`-d`).
    pub directory: Option<String>,
    /// The name of GRUB's configuration in that folder (`-g`).
    pub config: Option<String>,
    /// That no `console=ttyS0` is added to a kernel's arguments (`-n`).
    pub ncons: bool,
    /// That a guest is told of no VGA (`-e`).
    pub evga: bool,
    /// The commands that it reads from its standard input, each with the end of a line.
    pub input: Option<String>,
}

impl Loader {
    /// Returns the name of the program.
    pub const fn program(&self) -> &'static str {
        match self {
            Self::Bhyveload(_) => "bhyveload",
            Self::Grub(_) => "grub-bhyve",
        }
    }

    /// Returns its word in a recipe.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Bhyveload(_) => "bhyveload",
            Self::Grub(_) => "grub_bhyve",
        }
    }

    /// Returns what is typed into it.
    pub fn input(&self) -> Option<&str> {
        match self {
            Self::Bhyveload(_) => None,
            Self::Grub(grub) => grub.input.as_deref(),
        }
    }

    /// Returns what its terminal was said to be.
    pub const fn console(&self) -> Option<&Tty> {
        match self {
            Self::Bhyveload(load) => load.console.as_ref(),
            Self::Grub(grub) => grub.console.as_ref(),
        }
    }

    /// Returns the files and folders of the host that it was told of, each with its key.
    pub fn paths(&self) -> Vec<(&'static str, &DevicePath)> {
        match self {
            Self::Bhyveload(load) => {
                let disks = load.disks.iter().flatten().map(|path| ("disks", path));
                let host = load.host.iter().map(|path| ("host", path));
                disks.chain(host).chain(load.loader.iter().map(|path| ("loader", path))).collect()
            }
            Self::Grub(grub) => grub.map.iter().flatten().map(|(_, path)| ("map", path)).collect(),
        }
    }

    /// Returns the same files and folders, to be replaced.
    pub(super) fn paths_mut(&mut self) -> Vec<(&'static str, &mut DevicePath)> {
        match self {
            Self::Bhyveload(load) => {
                let disks = load.disks.iter_mut().flatten().map(|path| ("disks", path));
                let host = load.host.iter_mut().map(|path| ("host", path));
                disks.chain(host).chain(load.loader.iter_mut().map(|path| ("loader", path))).collect()
            }
            Self::Grub(grub) => grub.map.iter_mut().flatten().map(|(_, path)| ("map", path)).collect(),
        }
    }

    /// Refuses what does not hold together, whatever the machine: the key, and what is wrong.
    pub fn check(&self) -> Result<(), (&'static str, Fault)> {
        if let Some(tty @ Tty::Tcp(_)) = self.console() {
            let fault = Fault::new(format!("{} has no terminal at {tty}", self.program()));
            return Err(("console", fault.hint("\"stdio\", or the path of a tty such as \"/dev/nmdm0A\"")));
        }
        let Self::Grub(grub) = self else { return Ok(()) };
        if let (Some(_), Some(tty @ Tty::Path(_))) = (&grub.input, &grub.console) {
            let fault = Fault::new(format!("what is typed into grub-bhyve is not read where its console is {tty}"));
            return Err(("input", fault.hint("take `console` out: its commands come from its standard input then")));
        }
        if grub.input.as_ref().is_some_and(|input| input.len() > INPUT_MAX) {
            let fault = Fault::new(format!("more than {INPUT_MAX} bytes are typed into grub-bhyve"));
            return Err(("input", fault.hint("put them into a file: `configfile (host)/vm/grub.cfg`")));
        }
        Ok(())
    }
}

/// Reads a word of GRUB's: a name or a folder, which is one line.
pub(crate) fn grub_word(text: &str) -> Result<String, Fault> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(Fault::new(format!("{text:?} is empty or holds a control character")));
    }
    Ok(text.into())
}

/// Reads the name of a device in a map: `hd0` or `(hd0)`.
pub(crate) fn grub_device(text: &str) -> Result<String, Fault> {
    let name = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(text);
    let is_plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric());
    let fault = || Fault::new(format!("{text:?} is no device of GRUB's")).hint("hd0, hd1 … for disks, cd0 for a CD");
    if is_plain { Ok(name.into()) } else { Err(fault()) }
}

/// Reads the device that GRUB is to begin on: `hd0,gpt2` or `(hd0,gpt2)`.
pub(crate) fn grub_root(text: &str) -> Result<String, Fault> {
    let name = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(text);
    let (device, partitions) = name.split_once(',').map_or((name, None), |(device, rest)| (device, Some(rest)));
    let is_plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric());
    let is_well = is_plain(device) && partitions.is_none_or(|rest| rest.split(',').all(is_plain));
    let fault =
        || Fault::new(format!("{text:?} is no device of GRUB's")).hint("as \"hd0,gpt2\", \"hd0,msdos1\" or \"cd0\"");
    if is_well { Ok(name.into()) } else { Err(fault()) }
}

/// Reads a variable of FreeBSD's loader: its name, and its value.
pub(crate) fn loader_variable(name: &str, value: &str) -> Result<(String, String), Fault> {
    let is_name = !name.is_empty() && !name.contains(['=', ' ']) && !name.chars().any(char::is_control);
    if !is_name {
        return Err(Fault::new(format!("{name:?} is no name of a variable")).hint("as autoboot_delay"));
    }
    if value.chars().any(char::is_control) {
        return Err(Fault::new(format!("{value:?} holds a control character")));
    }
    Ok((name.into(), value.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_of_grub_are_read_with_and_without_brackets() {
        assert_eq!(grub_device("(hd0)").unwrap(), "hd0");
        assert_eq!(grub_root("(hd0,gpt2)").unwrap(), "hd0,gpt2");
        assert_eq!(grub_root("hd0,msdos1,bsd1").unwrap(), "hd0,msdos1,bsd1");
        for wrong in ["", "(", "hd0,", "hd 0", "hd0\n"] {
            assert!(grub_root(wrong).is_err() && grub_device(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_variable_of_the_loader_has_a_name_and_one_line() {
        assert_eq!(loader_variable("boot_verbose", "YES").unwrap(), ("boot_verbose".into(), "YES".into()));
        assert!(loader_variable("a=b", "").is_err() && loader_variable("", "").is_err());
        assert!(loader_variable("a", "b\nc").is_err());
    }
}
