//! What a script called, and what becomes of it. Pure: nothing is touched.
//!
//! `vmrun record` runs a script with stand-ins for the programs in [`NAMES`]. A stand-in asks the [`World`] what to answer
//! and writes the call into the [`journal`]. Afterwards [`merge()`] sets two recordings beside each other, with and without
//! what initializes the machine, and the [`transcript`] shows the outcome.

pub(crate) mod call;
pub(crate) mod download;
pub(crate) mod escape;
pub(crate) mod hidden;
pub(crate) mod journal;
pub mod merge;
pub(crate) mod part;
pub(crate) mod taken;
pub(crate) mod transcript;
pub(crate) mod words;
pub(crate) mod world;

pub(crate) use call::Written;
pub use call::{Call, Recording};
pub(crate) use merge::{Again, Step};
pub use merge::{again, merge};
pub(crate) use part::{Part, When};
pub(crate) use world::{Answer, Prepared, made_up};
pub use world::{Setting, World};

/// The programs that have stand-ins: those that change the system, and what a script asks of it.
pub(crate) const NAMES: &[&str] = &[
    "bhyve",
    "bhyvectl",
    "bhyveload",
    "cu",
    "curl",
    "devctl",
    "fetch",
    "gpart",
    "grub-bhyve",
    "halt",
    "ifconfig",
    "jail",
    "kldload",
    "kldstat",
    "kldunload",
    "mdconfig",
    "mount",
    "newfs_msdos",
    "ngctl",
    "pfctl",
    "pkg",
    "poweroff",
    "reboot",
    "route",
    "service",
    "shutdown",
    "sysctl",
    "sysrc",
    "truncate",
    "umount",
    "vale-ctl",
    "wget",
    "zfs",
    "zpool",
];

/// The programs that run another one, as root, in the background or on some processors. Their stand-ins take its call as if it stood
/// alone.
pub(crate) const CARRIERS: &[&str] = &["cpuset", "daemon", "doas", "su", "sudo"];

/// Returns the last part of a path: the name of a program.
pub(crate) fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// Returns what a carrier was asked to run: what follows its options and variables. Nothing if it is asked for something else.
pub fn carried(argv: &[String]) -> Option<&[String]> {
    let (carrier, mut rest) = argv.split_first()?;
    // The options that take an argument.
    let with_argument = match base_name(carrier) {
        // What it runs is a line of shell.
        "su" => return None,
        "cpuset" => "djlnpstx",
        "daemon" => "lmopPRstTu",
        "doas" => "aCu",
        _ => "CDghpRrTtUu",
    };
    while let Some((word, after)) = rest.split_first() {
        if word == "--" {
            rest = after;
            break;
        }
        let is_variable =
            word.split_once('=').is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
        match word.strip_prefix('-') {
            Some(letters) if !letters.is_empty() => {
                let takes_next =
                    !letters.starts_with('-') && letters.chars().next_back().is_some_and(|c| with_argument.contains(c));
                rest = if takes_next { after.get(1..).unwrap_or_default() } else { after };
            }
            _ if is_variable => rest = after,
            _ => break,
        }
    }
    (!rest.is_empty()).then_some(rest)
}

/// Returns the line that su(1) has a shell run: its last `-c`, as FreeBSD's takes a class by an earlier one. Nothing if it has none.
pub(crate) fn line_of_su(argv: &[String]) -> Option<&str> {
    let words = argv.get(1..)?;
    let is_command = |word: &str| {
        word == "--command"
            || word.strip_prefix('-').is_some_and(|letters| !letters.starts_with('-') && letters.ends_with('c'))
    };
    let apart = words.windows(2).rev().find(|pair| is_command(&pair[0])).map(|pair| pair[1].as_str());
    apart.or_else(|| words.iter().find_map(|word| word.strip_prefix("--command=")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_string).collect()
    }

    #[test]
    fn what_a_carrier_runs_is_what_follows_its_options() {
        let cases = [
            ("sudo ifconfig tap1 create", "ifconfig tap1 create"),
            ("sudo -n -u root A=b ifconfig -l", "ifconfig -l"),
            ("/usr/local/bin/doas -u root -- ifconfig", "ifconfig"),
            ("sudo --user=root ifconfig", "ifconfig"),
            ("cpuset -c -l 0-3 bhyve -c 1 vm", "bhyve -c 1 vm"),
            ("daemon -f -p /run/vm.pid -r bhyve -c 1 vm", "bhyve -c 1 vm"),
        ];
        for (line, rest) in cases {
            assert_eq!(carried(&argv(line)).unwrap().join(" "), rest);
        }
        for line in ["sudo", "sudo -v", "sudo -u", "sudo -s", "cpuset -g", "su root"] {
            assert_eq!(carried(&argv(line)), None, "{line}");
        }
        for line in ["su root -c ls", "su - -c ls", "su -c class root -c ls", "su -mc ls", "su --command=ls x"] {
            assert_eq!(line_of_su(&argv(line)), Some("ls"), "{line}");
        }
        assert_eq!((line_of_su(&argv("su -")), line_of_su(&[])), (None, None));
    }
}
