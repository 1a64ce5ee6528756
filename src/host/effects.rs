//! What can be changed on a host, as values, and the door to changing it.

use super::disks::DiskChange;
use super::helper::{HelperEnd, HelperStart};
use crate::diag::Fault;
use crate::image::Image;
use crate::model::Url;
use crate::model::{
    Argv, DevicePath, Fetch, InterfaceName, IscsiSession, Jail, JailName, Link, LinkKind, Membership, Router, Size,
    VmName,
};
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

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
    /// A tap goes away.
    DestroyTap(InterfaceName),
    /// An interface joins a bridge.
    Join {
        /// The bridge, which is there.
        bridge: InterfaceName,
        /// The interface.
        member: InterfaceName,
        /// How it is a member.
        how: Membership,
    },
    /// An interface leaves a bridge.
    Leave {
        /// The bridge that loses a member.
        bridge: InterfaceName,
        /// The interface.
        member: InterfaceName,
        /// Whether it is a span port there.
        is_span: bool,
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
    /// A tap, a vlan, a bridge or a pair is made.
    CreateLink(Box<Link>),
    /// A vlan, a bridge or a pair goes away, with what hangs on it.
    DestroyLink(InterfaceName),
    /// What goes to no network of the host's own goes to this router.
    AddRoute(Router),
    /// It does not any more.
    DeleteRoute(Router),
    /// A boot image is written.
    WriteImage {
        /// The file; replaced as a whole.
        path: PathBuf,
        /// The partitions and files of which the image is made.
        image: Rc<Image>,
        /// The command that makes the same image.
        command: Argv,
        /// What that command reads from its standard input.
        stdin: Option<String>,
        /// Who may do what with it; else what the umask leaves.
        mode: Option<u32>,
    },
    /// A private key of a host of ssh is made, and the public one beside it, as `FILE.pub`.
    MakeHostKey(PathBuf),
    /// A firmware's empty variables are copied for a machine.
    CopyVars {
        /// The empty ones.
        from: DevicePath,
        /// The machine's.
        to: DevicePath,
    },
    /// A jail is made, which may have a machine.
    CreateJail {
        /// Its name, parameters and commands (jail(8)).
        jail: Jail,
        /// The machine for which it is made, by which it is known again.
        machine: VmName,
        /// Whether that is given devices of the host.
        passes_devices: bool,
    },
    /// A jail goes away, with the processes in it.
    RemoveJail(JailName),
    /// A tap goes into the network of a jail: it leaves its bridge and its groups, and what describes it stays.
    Lend {
        /// The jail that gets it, which has a network of its own (vnet).
        jail: JailName,
        /// The tap, by the name that it keeps there.
        tap: InterfaceName,
    },
    /// It comes back into the host's network.
    Reclaim {
        /// The jail that had it.
        jail: JailName,
        /// The tap, by the name that it has there.
        tap: InterfaceName,
    },
    /// A bridge is made in the network of a jail, between a tap that is there and the half of a pair that goes there.
    CreateInner(Box<Inner>),
    /// It goes away; the half of the pair goes with the other half.
    DestroyInner(Box<Inner>),
    /// A control group is made (cgroups(7)).
    MakeCgroup(PathBuf),
    /// It goes away, which it only does when no process is in it.
    RemoveCgroup(PathBuf),
    /// A disk is made, grown or taken away.
    Disk(Box<DiskChange>),
    /// A file comes into the cache by content.
    Fetch(Box<Fetch>),
    /// Whoever uses the disks of an iSCSI target logs in there.
    IscsiLogin(Box<IscsiSession>),
    /// The session ends, and its disks are gone.
    IscsiLogout(Box<IscsiSession>),
    /// A helper is started.
    StartHelper(Box<HelperStart>),
    /// A helper is ended: it is asked to, and killed when it takes too long.
    EndHelper(Box<HelperEnd>),
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

impl Effect {
    /// Returns whether vmrun does it itself, without starting a program.
    pub(crate) fn is_done_without_a_command(&self) -> bool {
        matches!(self, Self::Disk(change) if change.is_done_without_a_command())
            || matches!(
                self,
                Self::Umask(_)
                    | Self::Truncate { .. }
                    | Self::WriteImage { .. }
                    | Self::WriteFile { .. }
                    | Self::CopyVars { .. }
                    | Self::StartHelper(_)
                    | Self::EndHelper(_)
            )
    }

    /// Makes a tap that is up and has nothing else.
    pub(crate) fn create_tap(name: InterfaceName) -> Self {
        Self::CreateLink(Box::new(Link::tap(name)))
    }

    /// Makes an interface a member of a bridge, as it is.
    pub(crate) fn join(bridge: InterfaceName, member: InterfaceName) -> Self {
        Self::Join { bridge, member, how: Membership::default() }
    }

    /// Returns the tap that it makes, if it makes one.
    pub(crate) fn made_tap(&self) -> Option<&InterfaceName> {
        match self {
            Self::CreateLink(link) if link.kind == LinkKind::Tap => Some(&link.name),
            // What a jail gives back was made before, and the other effects make no tap.
            _ => None,
        }
    }
}

/// A bridge in the network of a jail, by which a tap there reaches the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inner {
    /// The jail in whose network the bridge is.
    pub jail: JailName,
    /// The bridge's name in there.
    pub bridge: InterfaceName,
    /// The half of a pair whose other half is in the host's network.
    pub half: InterfaceName,
    /// The tap that bhyve opens, which is in the jail already.
    pub tap: InterfaceName,
}

/// A command of a plan, with what it reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandStep {
    /// The command.
    pub argv: Argv,
    /// What it reads from its standard input.
    pub stdin: Option<String>,
}

impl From<Argv> for CommandStep {
    fn from(argv: Argv) -> Self {
        Self { argv, stdin: None }
    }
}

/// As it could be pasted into sh(1).
impl fmt::Display for CommandStep {
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

/// How a file comes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct FetchProgress<'a> {
    /// Where it is.
    pub url: &'a Url,
    /// What is done.
    pub stage: Stage,
}

/// What is being done with a file that is fetched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stage {
    /// Somebody else fetches the same; it is waited for.
    Waits,
    /// It comes.
    Comes {
        /// How many bytes there are.
        done: u64,
        /// How many there will be, if that is known.
        whole: Option<u64>,
        /// How many came in the last second or so.
        rate: u64,
    },
    /// It was cut off, and it is gone on from so many bytes.
    GoesOn(u64),
    /// It is there, and is what it has to be.
    Done(u64),
}

/// Who is told.
pub(crate) type Tell<'a> = &'a mut dyn FnMut(FetchProgress<'_>);

/// A host that can be changed.
pub(crate) trait Effects {
    /// Makes a change, and returns the output of a command.
    fn perform(&mut self, effect: &Effect) -> Result<String, Fault>;
    /// Has a file in the cache, which is nothing where it is there already, and tells how it comes.
    fn fetch(&mut self, fetch: &Fetch, tell: Tell<'_>) -> Result<(), Fault>;
    /// Begins a change whose output nobody needs; [`Effects::settle`] waits for its end.
    fn begin(&mut self, effect: &Effect) -> Result<(), Fault>;
    /// Waits for those changes that were begun and are meant, and returns what went wrong with which.
    fn settle(&mut self, meant: fn(&Effect) -> bool) -> Vec<(Effect, Fault)>;
    /// Marks the interfaces that are made from here on as made for a machine that was reserved. What vmrun runs for that holds
    /// the machine's lock until it ends, even if vmrun is gone by then.
    fn mark(&mut self, name: &VmName);
    /// Removes a file; absent is fine.
    fn remove(&mut self, path: &Path) -> Result<(), Fault>;
    /// Returns whether a file can have a second one beside it that shares its blocks. That is tried, by one of which nothing is left.
    fn has_reflinks(&self, path: &Path) -> Result<bool, Fault>;
}
