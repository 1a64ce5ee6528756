//! The one door to the world: facts, effects, processes and signals, all behind [`Host`].
//!
//! There are five hosts: [`system::System`] is the real one, for FreeBSD and for Linux; [`worlds::rehearsal::Rehearsal`] answers
//! with real facts and simulates every effect; [`worlds::elsewhere::Elsewhere`] stands for a host that is not here;
//! [`worlds::described::Described`] is the one that a test of recipes describes; and `worlds::fake::Fake` is a small world for our own tests. Nothing
//! outside this floor touches files, processes or the environment.

pub(crate) mod background;
pub(crate) mod boot_plan;
pub(crate) mod carried;
pub(crate) mod clock;
pub(crate) mod commands;
#[cfg(test)]
pub(crate) mod corpus;
pub(crate) mod environment;
pub(crate) mod events;
pub(crate) mod files;
pub(crate) mod full_screen;
pub(crate) mod handover;
pub(crate) mod interfaces;
pub(crate) mod ipxe;
mod kernel;
pub(crate) mod memory;
pub(crate) mod os;
pub(crate) mod process;
pub(crate) mod processes;
mod program;
pub(crate) mod report;
pub(crate) mod server;
pub(crate) mod shelf;
pub(crate) mod signals;
pub(crate) mod standins;
pub(crate) mod statistics;
mod store;
mod stranger;
pub(crate) mod system;
pub(crate) mod terminal;
pub(crate) mod worlds;

use crate::diag::Fault;
use crate::image::Image;
use crate::model::device::Access;
use crate::model::{
    Arch, Argv, DevicePath, Ended, InterfaceName, Link, Machine, Release, Secret, Size, Target, VmName,
};
use boot_plan::{BootPlan, Setting};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

pub use interfaces::Interface;
pub(crate) use interfaces::InterfaceKind;
pub(crate) use kernel::ProcessFact;
pub(crate) use store::{Kept, kept};

/// The kind of a host: whose programs run the machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// bhyve, bhyvectl, ifconfig.
    FreeBsd,
    /// qemu-system-x86_64, ip.
    Linux,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FreeBsd => "freebsd",
            Self::Linux => "linux",
        })
    }
}

/// The kind of a host as it is asked for: `linux`, `freebsd`, `freebsd-14`, `freebsd-15-arm64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The platform.
    pub platform: Platform,
    /// The release of FreeBSD, if it matters.
    pub release: Option<Release>,
    /// The architecture, if it matters.
    pub arch: Option<Arch>,
}

impl Asked {
    /// Returns the bhyve of such a host: what was not said is as on `here`.
    pub(crate) fn target(self, here: Target) -> Target {
        Target { release: self.release.unwrap_or(here.release), arch: self.arch.unwrap_or(here.arch) }
    }
}

impl From<Platform> for Asked {
    fn from(platform: Platform) -> Self {
        Self { platform, release: None, arch: None }
    }
}

impl std::str::FromStr for Asked {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let none = || {
            let fault = Fault::usage(format!("{text:?} is no platform"));
            fault.hint("linux, freebsd, or freebsd with a release and an architecture: freebsd-14, freebsd-15-arm64")
        };
        let mut words = text.split('-');
        let platform = match words.next() {
            Some("freebsd") => Platform::FreeBsd,
            Some("linux") if text == "linux" => Platform::Linux,
            _ => return Err(none()),
        };
        let mut asked = Self::from(platform);
        for word in words {
            match (word.parse(), word.parse()) {
                (Ok(release), _) if asked.release.is_none() && asked.arch.is_none() => asked.release = Some(release),
                (_, Ok(arch)) if asked.arch.is_none() => asked.arch = Some(arch),
                _ => return Err(none()),
            }
        }
        Ok(asked)
    }
}

/// Who a process is, and since when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Its number.
    pub pid: u32,
    /// When it was started, as the system tells it; empty where to ask would cost a command.
    pub started: String,
    /// When the host was started, as the system tells it.
    pub boot: String,
    /// The time, in seconds of 1970.
    pub now: u64,
}

/// What the state folder has of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    /// The machine.
    pub name: VmName,
    /// Whether another process holds its lock: the run, or a command that it has started.
    pub is_locked: bool,
    /// The text of its journal, if it has one.
    pub journal: Option<String>,
}

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileFact {
    /// Its size; nothing for what has none, as a device.
    pub size: Option<Size>,
    /// Whether any block of it is in use.
    pub has_data: bool,
    /// Whether it is a folder.
    pub is_folder: bool,
}

/// What the host can give to machines; nothing where it cannot be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Capacity {
    /// Its processors.
    pub cpus: Option<u64>,
    /// Its memory.
    pub memory: Option<Size>,
    /// The most vCPUs that a machine may have.
    pub vcpus: Option<u64>,
}

/// One change of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// New files get these permissions taken away.
    Umask(u32),
    /// A file gets this size.
    Truncate {
        /// The file; made if it is not there.
        path: PathBuf,
        /// Its size afterwards.
        size: Size,
    },
    /// A machine's vmm node goes away; absent is fine.
    DestroyNode(VmName),
    /// A tap is made.
    CreateTap(InterfaceName),
    /// A tap goes away.
    DestroyTap(InterfaceName),
    /// An interface joins a bridge.
    Join {
        /// The bridge.
        bridge: InterfaceName,
        /// The interface.
        member: InterfaceName,
    },
    /// An interface leaves a bridge.
    Leave {
        /// The bridge.
        bridge: InterfaceName,
        /// The interface.
        member: InterfaceName,
    },
    /// A text is written.
    WriteFile {
        /// The file; replaced as a whole.
        path: PathBuf,
        /// Its text, which ends with the end of a line.
        text: Rc<str>,
        /// Who may do what with it; else what the umask leaves.
        mode: Option<u32>,
    },
    /// A vlan, a bridge or a pair is made.
    CreateLink(Box<Link>),
    /// One of those goes away, with what hangs on it.
    DestroyLink(InterfaceName),
    /// What goes to no network of the host's own goes to this router.
    AddRoute(IpAddr),
    /// It does not any more.
    DeleteRoute(IpAddr),
    /// A boot image is written.
    WriteImage {
        /// The file; replaced as a whole.
        path: PathBuf,
        /// What is in it.
        image: Rc<Image>,
        /// The command that makes the same image.
        command: Argv,
        /// What that command reads from its standard input.
        stdin: Option<String>,
    },
    /// A firmware's empty variables are copied for a machine.
    CopyVars {
        /// The empty ones.
        from: DevicePath,
        /// The machine's.
        to: DevicePath,
    },
    /// Any command.
    Run(Argv),
    /// A command that makes a file or a device, such as zfs(8) a volume.
    Make {
        /// The command.
        argv: Argv,
        /// What is there afterwards.
        path: PathBuf,
    },
}

/// A command of a plan, with what it reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The command.
    pub argv: Argv,
    /// What it reads from its standard input.
    pub stdin: Option<String>,
}

impl From<Argv> for Step {
    fn from(argv: Argv) -> Self {
        Self { argv, stdin: None }
    }
}

/// As it could be pasted into sh(1).
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.stdin {
            Some(text) => {
                // The text ends where a line is only this word, so it has to be one that no line is.
                let is_line = |word: &String| text.lines().any(|line| line == word);
                let words = (0..).map(|number| if number == 0 { "EOF".to_string() } else { format!("EOF{number}") });
                let word = words.into_iter().find(|word| !is_line(word)).unwrap_or_default();
                write!(f, "{} <<'{word}'\n{}\n{word}", self.argv, text.strip_suffix('\n').unwrap_or(text))
            }
            None => self.argv.fmt(f),
        }
    }
}

/// Where a run keeps its state, and what it was told about the host.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The kind of host.
    pub platform: Platform,
    /// The folder with a folder for each running machine.
    pub state: PathBuf,
    /// The folder with the configuration and the secrets.
    pub config: PathBuf,
    /// The bhyve whose machines they are. Under QEMU nothing depends on it, so that it is the newest there.
    pub target: Target,
    /// Network cards are plugged into a network inside the process, which needs no root.
    pub user_net: bool,
}

impl Settings {
    /// Returns the file whose lock says that a machine runs, and whose text is the journal of what the run has taken. Only its
    /// owner may read it, as whoever can open a file can lock it.
    pub fn lock_file(&self, name: &VmName) -> PathBuf {
        self.state.join(format!(".{name}.lock"))
    }

    /// Returns the file with the secrets that bhyve reads.
    pub fn secrets_file(&self, name: &VmName) -> PathBuf {
        self.state.join(format!(".{name}.secrets"))
    }

    /// Returns the file that says how a machine in the background stands.
    pub fn standing_file(&self, name: &VmName) -> PathBuf {
        self.machine_folder(name).join(store::STANDING)
    }

    /// Returns the folder of one machine's state, where there is more than a file: QEMU's sockets, how it stands.
    pub fn machine_folder(&self, name: &VmName) -> PathBuf {
        self.state.join(name.as_str())
    }
}

/// A host: facts to read and effects to have.
pub(crate) trait Host {
    /// Returns the settings.
    fn settings(&self) -> &Settings;
    /// Returns whether its facts are only assumed, because it is not this host.
    fn is_assumed(&self) -> bool;
    /// Returns what is known of a file, or nothing if it is not there.
    fn file(&self, path: &Path) -> Option<FileFact>;
    /// Returns where a path leads, as far as it is there: what is not there yet has no links.
    fn real(&self, path: &Path) -> PathBuf {
        path.into()
    }
    /// Returns the content of a file.
    fn read(&self, path: &Path) -> Result<Vec<u8>, Fault>;
    /// Returns the network interfaces.
    fn interfaces(&self) -> Result<Rc<[Interface]>, Fault>;
    /// Returns the host's name.
    fn hostname(&self) -> String;
    /// Returns a variable of the environment.
    fn env(&self, name: &str) -> Option<String>;
    /// Returns what it can give to a machine of this size.
    fn capacity(&self, cpus: u64, memory: Size) -> Capacity;
    /// Returns whether somebody listens on an address already.
    fn is_taken(&self, address: SocketAddr) -> bool;
    /// Returns whether a program is in PATH.
    fn has_program(&self, name: &str) -> bool;
    /// Returns whether interfaces may be made.
    fn may_change_network(&self) -> bool;
    /// Returns a secret, or nothing if there is none of that name.
    fn secret(&self, name: &str) -> Result<Option<Secret>, Fault>;
    /// Returns the output of a command that changes nothing.
    fn query(&self, argv: &Argv) -> Result<String, Fault>;
    /// Makes a change, and returns the output of a command.
    fn perform(&mut self, effect: &Effect) -> Result<String, Fault>;
    /// Begins a change whose output nobody needs; [`Host::settle`] waits for its end.
    fn begin(&mut self, effect: &Effect) -> Result<(), Fault> {
        self.perform(effect).map(drop)
    }
    /// Waits for those changes that were begun and are meant, and returns what went wrong with which.
    fn settle(&mut self, _meant: fn(&Effect) -> bool) -> Vec<(Effect, Fault)> {
        Vec::new()
    }
    /// Returns what the state folder has of machines, by name.
    fn traces(&self) -> Vec<Trace> {
        Vec::new()
    }
    /// Returns what the state folder has of a machine.
    fn trace(&self, _name: &VmName) -> Option<Trace> {
        None
    }
    /// Waits for a moment, where there is nothing to be woken by.
    fn pause(&self) {}
    /// Has the interfaces read anew when they are asked for again.
    fn look_again(&self) {}
    /// Returns who this process is.
    fn identity(&self) -> Identity {
        Identity::default()
    }
    /// Returns whether the host was started once and not again between what two journals tell of it.
    fn is_same_boot(&self, _one: &str, _other: &str) -> bool {
        true
    }
    /// Returns when a child was started, as far as that can be known at no cost.
    fn started(&self, _pid: u32) -> String {
        String::new()
    }
    /// Returns what is known of a process, or nothing if there is none of that number.
    fn process(&self, _pid: u32) -> Option<ProcessFact> {
        None
    }
    /// Returns the hypervisors of a machine that can be found without its journal.
    fn strays(&self, _name: &VmName) -> Vec<u32> {
        Vec::new()
    }
    /// Returns the file that is written before it replaces another.
    fn temporary(&self, path: &Path) -> PathBuf {
        path.into()
    }
    /// Takes the machine's lock and folder, if this run does not have them yet; waits so long for a lock that another holds, and
    /// returns whether it was had.
    fn reserve(&mut self, name: &VmName, patience: Duration) -> Result<bool, Fault>;
    /// Marks the interfaces that are made from here on as made for a machine that was reserved. What vmrun runs for that holds
    /// the machine's lock until it ends, even if vmrun is gone by then.
    fn mark(&mut self, _name: &VmName) {}
    /// Adds lines to the journal of a machine that was reserved; durable ones are on the disk afterwards.
    fn note(&mut self, _name: &VmName, _lines: &str, _durable: bool) -> Result<(), Fault> {
        Ok(())
    }
    /// Has what machines say go where ours goes, which is a log, and has their guests go on without us.
    fn in_background(&mut self, _log: &Path) {}
    /// Looks after the log: one that has grown too long is begun anew.
    fn tend(&mut self) {}
    /// Writes down how a machine stands that was reserved; everybody may read it.
    fn stand(&mut self, _name: &VmName, _text: &str) -> Result<(), Fault> {
        Ok(())
    }
    /// Returns what was written of how a machine stands.
    fn standing(&self, _name: &VmName) -> Option<String> {
        None
    }
    /// Waits so long, and returns whether somebody asked to stop.
    fn rest(&mut self, _wait: Duration) -> bool {
        false
    }
    /// Takes over the guest of a machine that was reserved; it is none of our children.
    fn adopt(&mut self, name: &VmName, _pid: u32) -> Result<Box<dyn Guest>, Fault> {
        Err(Fault::host(format!("the guest of {name} is on no host that is here")))
    }
    /// Takes the lock of a disk image, which the guest keeps as well; returns whether it was had.
    fn hold(&mut self, _path: &Path, _access: Access) -> bool {
        true
    }
    /// Returns whether another process holds the lock of a disk image.
    fn is_held(&self, _path: &Path, _access: Access) -> bool {
        false
    }
    /// Removes a file; absent is fine.
    fn remove(&mut self, _path: &Path) -> Result<(), Fault> {
        Ok(())
    }
    /// Ends the guest of a machine whose run is gone: its power button, so long, then by force.
    fn end_guest(&mut self, _name: &VmName, _pid: u32, _within: Duration) -> Result<(), Fault> {
        Ok(())
    }
    /// Plans the boot of a machine here.
    fn boot_plan(&self, machine: &Machine) -> Result<BootPlan, Fault> {
        BootPlan::of(machine, &Setting::of(self.settings()))
    }
    /// Makes the folders and files of a boot of a machine that was reserved.
    fn prepare(&mut self, _plan: &BootPlan) -> Result<(), Fault> {
        Ok(())
    }
    /// Starts a machine whose boot was prepared.
    fn boot(&mut self, machine: &Machine, plan: &BootPlan) -> Result<Box<dyn Guest>, Fault>;
    /// Gives back what booting took but the lock: sockets, secrets, and the journal, unless that still has something to say.
    fn tidy(&mut self, _name: &VmName, _keeps_journal: bool) -> Result<(), Fault> {
        Ok(())
    }
    /// Gives back the machine's lock.
    fn clear(&mut self, name: &VmName) -> Result<(), Fault>;
    /// Returns whether somebody asked to stop since the last time.
    fn stop_asked(&self) -> bool;
    /// Has the boots of a rehearsal end so from here on; those of any other host end as they do.
    fn imagine(&mut self, _end: Ended) {}
    /// Returns what a rehearsal would have done; nothing on any other host.
    fn rehearsed(&self) -> &[worlds::rehearsal::Rehearsed] {
        &[]
    }
    /// Returns the host below a rehearsal; any other is its own.
    fn into_below(self: Box<Self>) -> Box<dyn Host>;
}

/// A machine that runs.
pub(crate) trait Guest {
    /// Waits until something happens, at most until then.
    fn wait(&mut self, until: Option<Instant>) -> Woken;
    /// Asks the guest to power itself off.
    fn press_power_button(&mut self);
    /// Switches the machine off from outside.
    fn force(&mut self);
    /// Ends the hypervisor.
    fn kill(&mut self);
    /// Returns the hypervisor's process.
    fn process(&self) -> Option<u32> {
        None
    }
    /// Returns the last lines that the hypervisor wrote to its standard error.
    fn last_words(&self) -> Vec<String>;
}

/// What a wait ended with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// The boot ended.
    Ended(Ended),
    /// Somebody asked to stop.
    StopAsked,
    /// The time is over.
    TimeOver,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_host_may_have_a_release_and_an_architecture() {
        let here = Target { arch: Arch::Amd64, release: Release::V15 };
        let target = |text: &str| text.parse::<Asked>().unwrap().target(here);
        assert_eq!(target("freebsd"), here);
        assert_eq!(target("freebsd-14"), Target { release: Release::V14, ..here });
        assert_eq!(target("freebsd-arm64"), Target { arch: Arch::Arm64, ..here });
        assert_eq!(target("freebsd-16-riscv"), Target { arch: Arch::Riscv64, release: Release::V16 });
        assert_eq!("linux".parse::<Asked>().unwrap(), Platform::Linux.into());
        let none = "is no platform | linux, freebsd, or freebsd with a release and an architecture: freebsd-14, freebsd-15-arm64";
        for text in [
            "",
            "freebsd-13",
            "freebsd-14-15",
            "freebsd-arm64-14",
            "linux-6",
            "freebsd-",
            "windows",
            "freebsd-14-amd64-x",
        ] {
            let fault = text.parse::<Asked>().unwrap_err();
            assert_eq!(format!("{} | {}", fault.message, fault.hint.unwrap()), format!("{text:?} {none}"));
        }
    }
}
