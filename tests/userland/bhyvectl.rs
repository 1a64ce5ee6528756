//! bhyvectl(8): makes, asks and removes virtual machine nodes.
//!
//! Several flags may come in one call; they act in bhyvectl's own order, `--destroy` last.

use crate::exit::{Exit, Step, say, warn};
use crate::node::{self, Node, Topology};
use crate::state::State;

const USAGE: &str = "Usage: bhyvectl --vm=<vmname>\n       [--cpu=<vcpu_number>]\n       [--create]\n       \
                     [--destroy]\n       [--get-all]\n       [--get-stats]\n       [--inject-nmi]\n       \
                     [--force-reset]\n       [--force-poweroff]\n       [--get-active-cpus]\n       \
                     [--get-suspended-cpus]\n       [--get-cpu-topology]";

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

/// `EALREADY` and `EEXIST`, as bhyvectl prints them.
const EALREADY: u8 = 37;
const EEXIST: u8 = 17;

/// What bhyvectl leaves when an ioctl(2) fails: it exits with -1. (k)
const IOCTL_FAILED: u8 = 255;

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
    let call = parse(args).map_err(|complaint| usage(&complaint))?;
    let name = call.vm.as_deref().ok_or_else(|| usage(""))?;
    let _lock = state.lock()?;
    if call.wants("create") && !create(state, name)? {
        return Ok(failed(EEXIST));
    }
    let Some(node) = node::load(state, name)? else {
        // (k) printf(3), so it goes to stdout.
        say(format!("VM:{name} is not created.\n"));
        return Ok(1);
    };
    show(&call, &node);
    for (flag, request) in [("force-reset", "reset"), ("force-poweroff", "poweroff")] {
        if call.wants(flag) && !ask(state, name, &node, request)? {
            return Ok(failed(EALREADY));
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
                return Err(format!("bhyvectl: option doesn't take an argument -- {flag}"));
            }
            call.flags.push(flag.to_string());
        } else if OPTIONS.contains(&flag) {
            let value = value.map(str::to_string).or_else(|| words.next().cloned());
            let value = value.ok_or_else(|| format!("bhyvectl: option requires an argument -- {flag}"))?;
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

fn usage(complaint: &str) -> Exit {
    if !complaint.is_empty() {
        warn(complaint);
    }
    Exit::new(1, USAGE)
}

fn failed(errno: u8) -> u8 {
    say(format!("errno = {errno}\n"));
    IOCTL_FAILED
}

fn create(state: &State, name: &str) -> Step<bool> {
    if !node::valid(name) || node::load(state, name)?.is_some() {
        return Ok(false);
    }
    Node::default().save(state, name)?;
    Ok(true)
}

/// Asks a running guest to stop. A machine is asked once: the second time it is already on its way. (k)
fn ask(state: &State, name: &str, node: &Node, request: &str) -> Step<bool> {
    let file = node::request_file(name);
    if node.runner().is_some() {
        if state.path(&file).exists() {
            return Ok(false);
        }
        state.write(&file, request)?;
    }
    Ok(true)
}

fn show(call: &Call, node: &Node) {
    let running = node.runner().is_some();
    let Topology { cpus, sockets, cores, threads } = node.topology;
    if call.shows("get-active-cpus") {
        say(cpu_list("active cpus", if running { cpus } else { 0 }));
    }
    if call.shows("get-suspended-cpus") {
        say(cpu_list("suspended cpus", 0));
    }
    if call.shows("get-stats") {
        say(format!("vcpu{} stats:\n", call.cpu));
        let ticks = u64::from(running);
        for (what, value) in [
            ("number of ticks vcpu was idle", 1000 * ticks),
            ("vcpu total runtime", 2_000_000_000 * ticks),
            ("total number of vm exits", 1234 * ticks),
            ("Resident memory", (64 << 20) * ticks),
            ("Wired memory", 0),
        ] {
            say(format!("{what:<40}\t{value}\n"));
        }
    }
    if call.shows("get-cpu-topology") {
        say(format!("cpu_topology:\tsockets={sockets}, cores={cores}, threads={threads}, maxcpus=16\n"));
    }
}

/// A set of CPUs as bhyvectl prints it. (k)
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
