//! What a script called, and what becomes of it. Pure: nothing is touched.
//!
//! `vmrun record` runs a script with stand-ins for the programs in [`NAMES`]. A stand-in asks the [`World`] what to answer
//! and writes the call into the [`journal`]. Afterwards [`merge()`] sets two recordings beside each other, with and without
//! what initializes the machine, and the [`transcript`] shows the outcome.

pub(crate) mod arms;
pub(crate) mod asked;
pub(crate) mod call;
pub(crate) mod carriers;
pub(crate) mod daemons;
pub(crate) mod dates;
pub(crate) mod download;
pub(crate) mod ends;
pub(crate) mod escape;
pub(crate) mod fed;
pub(crate) mod file_programs;
pub(crate) mod globs;
pub(crate) mod guests;
pub(crate) mod hidden;
pub(crate) mod jailed;
pub(crate) mod journal;
pub(crate) mod literals;
pub(crate) mod lost;
pub(crate) mod made_up;
pub mod merge;
pub(crate) mod operands;
pub(crate) mod part;
mod placed;
pub(crate) mod race;
pub(crate) mod repeated;
mod repeated_programs;
pub(crate) mod settled;
pub(crate) mod sized;
pub(crate) mod started;
pub(crate) mod system_files;
pub(crate) mod taken;
mod temporary;
pub(crate) mod transcript;
pub(crate) mod watched;
pub(crate) mod words;
pub(crate) mod world;

pub(crate) use call::Written;
pub use call::{Call, Recording};
pub use carriers::carried;
pub(crate) use carriers::{CARRIERS, supervised};
pub(crate) use file_programs::MAKERS;
pub(crate) use made_up::made_up;
pub(crate) use merge::{Again, Step};
pub use merge::{again, merge};
pub(crate) use part::{Part, When};
pub(crate) use taken::node_of;
pub(crate) use world::FileState;
pub(crate) use world::{Answer, Prepared};
pub use world::{Scenario, World};

/// The programs that have stand-ins: those that change the system, and what a script asks of it.
pub(crate) const NAMES: &[&str] = &[
    "bhyve",
    "bhyvectl",
    "bhyveload",
    "bunzip2",
    "bzip2",
    "chmod",
    "chown",
    "cp",
    "cu",
    "curl",
    "date",
    "dd",
    "devctl",
    "devfs",
    "dhcpd",
    "dnsmasq",
    "fetch",
    "freebsd-version",
    "gpart",
    "grub-bhyve",
    "gunzip",
    "gzip",
    "halt",
    "hostname",
    "ifconfig",
    "install",
    "jail",
    "jexec",
    "jls",
    "kenv",
    "killall",
    "kldload",
    "kldstat",
    "kldunload",
    "ln",
    "logger",
    "mail",
    "mailx",
    "makefs",
    "mdconfig",
    "mkdir",
    "mktemp",
    "mount",
    "mv",
    "nc",
    "newfs",
    "newfs_msdos",
    "ngctl",
    "pciconf",
    "pfctl",
    "pgrep",
    "ping",
    "pkg",
    "pkill",
    "poweroff",
    "pw",
    "qemu-img",
    "rctl",
    "reboot",
    "rm",
    "rmdir",
    "route",
    "sendmail",
    "service",
    "shutdown",
    "sleep",
    "socat",
    "sockstat",
    "swtpm",
    "sysctl",
    "sysrc",
    "touch",
    "truncate",
    "umount",
    "uname",
    "unxz",
    "unzstd",
    "vale-ctl",
    "wall",
    "wget",
    "xz",
    "zfs",
    "zpool",
    "zstd",
];

/// The programs of which all that they do is to tell people something. A recipe has none of it.
pub(crate) const TELLERS: &[&str] = &[
    "banner",
    "beep",
    "clear",
    "cowsay",
    "curl",
    "fetch",
    "figlet",
    "logger",
    "lolcat",
    "mail",
    "mailx",
    "notify-send",
    "ntfy",
    "sendmail",
    "toilet",
    "tput",
    "vncviewer",
    "wall",
    "wget",
];

/// The programs of which what they do is on a disk, where a later start finds it done.
pub(crate) const LASTING: &[&str] = &["dd", "gpart", "newfs", "newfs_msdos", "truncate", "zfs", "zpool"];

/// The programs that go on by themselves and serve a guest, until they are ended.
pub(crate) const DAEMONS: &[&str] = &["dhcpd", "dnsmasq", "socat", "swtpm"];

/// The programs of which what they do lasts no longer than the host is up, and that fail where it is done already.
pub(crate) const PASSING: &[&str] =
    &["devctl", "dhcpd", "dnsmasq", "jail", "ngctl", "pfctl", "route", "service", "socat", "swtpm", "vale-ctl"];

/// Returns the last part of a path: the name of a program.
pub(crate) fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}
