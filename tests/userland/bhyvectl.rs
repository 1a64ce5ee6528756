//! bhyvectl(8): makes, asks and removes virtual machine nodes.
//!
//! Several flags may come in one call; they act in bhyvectl's own order, `--destroy` last.

use crate::exit::{Exit, Step, say, warn};
use crate::node::{self, Node, Processors, Suspend, Topology};
use crate::release::Release;
use crate::state::{State, is_root};

const USAGE: &str = "Usage: bhyvectl --vm=<vmname>\n       [--cpu=<vcpu_number>]\n       [--create]\n       \
                     [--destroy]\n       [--get-all]\n       [--get-stats]\n       [--inject-nmi]\n       \
                     [--force-reset]\n       [--force-poweroff]\n       [--get-active-cpus]\n       \
                     [--get-suspended-cpus]\n       [--get-cpu-topology]";

/// The usage of 12.1, with every register, and the counters that it shows.
const USAGE_OF_12: &str = include_str!("bhyvectl/usage-12.txt");
const STATS_OF_12: &str = include_str!("bhyvectl/stats-12.txt");

/// The flags without an argument that are known here.
const FLAGS: &[&str] = &[
    "create",
    "destroy",
    "force-poweroff",
    "force-reset",
    "get-active-cpus",
    "get-all",
    "get-cpu-topology",
    "get-memmap",
    "get-memseg",
    "get-rtc-time",
    "get-stats",
    "get-suspended-cpus",
    "inject-nmi",
];

/// The flags that take an argument.
const OPTIONS: &[&str] = &["vm", "cpu", "set-rtc-time"];

/// `EPERM`, `EEXIST`, `EINVAL` and `EALREADY`, as bhyvectl prints them.
const EPERM: u8 = 1;
const EEXIST: u8 = 17;
const EINVAL: u8 = 22;
const EALREADY: u8 = 37;

/// What bhyvectl leaves when an ioctl(2) fails: it exits with -1.
const IOCTL_FAILED: u8 = 255;

/// How many processors a machine of 12.1 may have.
const MAX_CPUS: u16 = 16;

/// The counters that are not 0 for a machine which runs; time is always the same, so that tests can compare it.
const COUNTERS: &[(&str, u64)] = &[
    ("number of ticks vcpu was idle", 1000),
    ("vcpu total runtime", 2_000_000_000),
    ("total number of vm exits", 1234),
    ("Resident memory", 64 << 20),
    ("Wired memory", 0),
];

/// A parsed command line.
#[derive(Debug, Default)]
struct Call {
    vm: Option<String>,
    cpu: u16,
    flags: Vec<String>,
}

impl Call {
    fn wants(&self, flag: &str) -> bool {
        self.flags.iter().any(|given| given == flag)
    }

    fn shows(&self, flag: &str) -> bool {
        self.wants(flag) || self.wants("get-all")
    }
}

/// Runs bhyvectl.
pub(crate) fn run(state: &State, args: &[String]) -> Step<u8> {
    let release = Release::of_environment()?;
    let call = parse(args).map_err(|complaint| usage(release, &complaint))?;
    let name = call.vm.as_deref().ok_or_else(|| usage(release, ""))?;
    let _lock = state.lock()?;
    if call.wants("create")
        && let Some(errno) = create(state, name)?
    {
        return Ok(failed(errno));
    }
    let Some(mut node) = node::load(state, name)?.filter(|_| is_root()) else {
        // printf(3), so it goes to stdout (bhyvectl.txt).
        say(format!("VM:{name} is not created.\n"));
        return Ok(1);
    };
    show(release, &call, &node);
    for (flag, how) in [("force-reset", Suspend::Reset), ("force-poweroff", Suspend::Poweroff)] {
        if call.wants(flag) {
            // A machine is told once, until its next bhyve makes it new.
            if node.suspend.is_some() {
                return Ok(failed(EALREADY));
            }
            node.suspend = Some(how);
            node.save(state, name)?;
        }
    }
    if call.wants("destroy") {
        node::remove(state, name)?;
    }
    Ok(0)
}

/// Splits the command line as `getopt_long(3)` does.
fn parse(args: &[String]) -> Result<Call, String> {
    let mut call = Call::default();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix("--").filter(|flag| !flag.is_empty()) else {
            break;
        };
        let (flag, value) = flag.split_once('=').map_or((flag, None), |(flag, value)| (flag, Some(value)));
        if FLAGS.contains(&flag) {
            if value.is_some() {
                return Err(format!("bhyvectl: option `--{flag}' doesn't allow an argument"));
            }
            call.flags.push(flag.to_string());
        } else if OPTIONS.contains(&flag) {
            let value = value.map(str::to_string).or_else(|| words.next().cloned());
            let value = value.ok_or_else(|| format!("bhyvectl: option `--{flag}' requires an argument"))?;
            match flag {
                "vm" => call.vm = Some(value),
                "cpu" => call.cpu = u16::try_from(crate::number::atoi(&value)).unwrap_or(0),
                _ => {}
            }
        } else {
            return Err(format!("bhyvectl: unrecognized option `--{flag}'"));
        }
    }
    Ok(call)
}

fn usage(release: Release, complaint: &str) -> Exit {
    if !complaint.is_empty() {
        warn(complaint);
    }
    Exit::new(1, if release.major < 13 { USAGE_OF_12.trim_end() } else { USAGE })
}

fn failed(errno: u8) -> u8 {
    say(format!("errno = {errno}\n"));
    IOCTL_FAILED
}

/// Makes a node, or tells the errno for which it cannot be made.
fn create(state: &State, name: &str) -> Step<Option<u8>> {
    let errno = if !is_root() {
        Some(EPERM)
    } else if !node::is_valid(name)? {
        Some(EINVAL)
    } else {
        node::load(state, name)?.map(|_| EEXIST)
    };
    if errno.is_none() {
        Node::default().save(state, name)?;
    }
    Ok(errno)
}

fn show(release: Release, call: &Call, node: &Node) {
    let is_old = release.major < 13;
    let Topology { cpus, sockets, cores, threads } = node.topology;
    if call.shows("get-active-cpus") {
        // The first processor alone, unless the guest sets others going; nobody has looked at later releases. (k)
        let active =
            if is_old { u16::from(node.processors != Processors::Idle) } else { node.runner().map_or(0, |_| cpus) };
        say(cpu_list("active cpus", active));
    }
    if call.shows("get-suspended-cpus") {
        say(cpu_list("suspended cpus", u16::from(is_old && node.processors == Processors::Stopped)));
    }
    if call.shows("get-stats") && (!is_old || call.cpu < MAX_CPUS) {
        stats(is_old, call.cpu, node);
    }
    if call.wants("get-rtc-time") && is_old {
        say("rtc time 0x6b0ae11d: Sat Nov 28 14:11:41 2026\n");
    }
    if call.shows("get-cpu-topology") {
        say(format!("cpu_topology:\tsockets={sockets}, cores={cores}, threads={threads}, maxcpus={MAX_CPUS}\n"));
    }
}

fn stats(is_old: bool, cpu: u16, node: &Node) {
    say(format!("vcpu{cpu} stats:\n"));
    let runs = node.runner().is_some();
    let value = |what: &str| {
        let counter = COUNTERS.iter().find(|(name, _)| runs && *name == what);
        counter.map_or(0, |(_, value)| *value)
    };
    let names: Vec<&str> =
        if is_old { STATS_OF_12.lines().collect() } else { COUNTERS.iter().map(|(name, _)| *name).collect() };
    for what in names {
        say(format!("{what:<40}\t{}\n", value(what)));
    }
}

/// A set of CPUs as bhyvectl prints it; more than one is (k).
fn cpu_list(banner: &str, cpus: u16) -> String {
    let list: Vec<String> = (0..cpus).map(|cpu| cpu.to_string()).collect();
    let list = if list.is_empty() { "(none)".to_string() } else { list.join(", ") };
    format!("{banner}:\t {list}\n")
}

#[cfg(test)]
mod tests {
    use super::{cpu_list, parse};

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_string).collect()
    }

    #[test]
    fn the_name_may_be_its_own_word() {
        assert_eq!(parse(&words("--vm=a --destroy")).unwrap().vm.as_deref(), Some("a"));
        assert_eq!(parse(&words("--destroy --vm a")).unwrap().vm.as_deref(), Some("a"));
    }

    #[test]
    fn unknown_flags_and_missing_names_are_refused() {
        assert!(parse(&words("--vm")).is_err());
        assert!(parse(&words("--vm=a --destory")).is_err());
        assert!(parse(&words("--vm=a --destroy=yes")).is_err());
    }

    #[test]
    fn active_cpus_are_a_list() {
        assert_eq!(cpu_list("active cpus", 2), "active cpus:\t 0, 1\n");
        assert_eq!(cpu_list("active cpus", 0), "active cpus:\t (none)\n");
    }
}
