//! jail(8), jls(8) and jexec(8), as far as bhyve needs them (k). A jail is a file in the folder `jails`, a parameter on each line:
//! `path=/`, `allow.vmm`. What is in one is not told from what is outside, but for making machines, opening taps, what ps(1) and
//! sysctl(8) tell, and the network where it has one of its own (`vnet=new`).

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::exit::{Exit, Step, say};
use crate::getopt;
use crate::interface;
use crate::state::{State, is_root};

/// The variable that says in which jail a process is.
pub(crate) const VARIABLE: &str = "FAKE_FREEBSD_JAIL";

fn file(name: &str) -> String {
    format!("jails/{name}")
}

fn parameters(state: &State, program: &str, name: &str) -> Step<String> {
    let none = || Exit::new(1, format!("{program}: jail \"{name}\" not found"));
    if state.path(&file(name)).is_file() { Ok(state.read(&file(name))?) } else { Err(none()) }
}

/// Runs jail: `-c` makes one of parameters, `-r` and `-R` remove one.
pub(crate) fn run(state: &State, args: &[String]) -> Step<u8> {
    let usage = "usage: jail [-cqrR] [param=value ...]";
    let words = getopt::or_usage("jail", "cqrR", args, (1, usage))?;
    let _lock = state.lock()?;
    if !is_root() {
        return Err(Exit::new(1, "jail: jail_set: Operation not permitted"));
    }
    if words.has('c') {
        let name = words.operands.iter().find_map(|word| word.strip_prefix("name=")).unwrap_or_default();
        if state.path(&file(name)).is_file() {
            return Err(Exit::new(1, format!("jail: jail \"{name}\" already exists")));
        }
        make(state, name, words.operands)?;
        return Ok(0);
    }
    for name in words.operands {
        if !state.path(&file(name)).is_file() {
            return Err(Exit::new(1, format!("jail: \"{name}\" not found")));
        }
        end_network(state, name)?;
        state.remove(&file(name))?;
    }
    Ok(0)
}

/// Makes a jail. One that has a network of its own is told no addresses (kern_jail.c), and has a loopback that is down.
fn make(state: &State, name: &str, given: &[String]) -> Step<()> {
    let is_vnet = |word: &String| word == "vnet" || word == "vnet=new";
    let has_network = given.iter().any(is_vnet);
    if has_network && given.iter().any(|word| word.starts_with("ip4") || word.starts_with("ip6")) {
        return Err(Exit::new(1, "jail: vnet jails cannot have IP address restrictions"));
    }
    std::fs::create_dir_all(state.path("jails"))?;
    let shown = given.iter().map(|word| if is_vnet(word) { "vnet=new" } else { word.as_str() });
    state.write_lines(&file(name), &shown.collect::<Vec<_>>())?;
    if has_network {
        let mut loopback = interface::Interface::new("lo0", interface::Kind::Lo);
        loopback.up = false;
        interface::add(&state.seen_from(Some(name)), loopback)?;
    }
    Ok(())
}

/// A network ends with its jail: what was moved into it goes back where it was made, the rest is gone (if.c, `vnet_if_return`).
fn end_network(state: &State, name: &str) -> Step<()> {
    let network = state.seen_from(Some(name));
    for one in interface::all(&network)?.into_iter().filter(|one| one.is_lent) {
        interface::carry(&network, &state.seen_from(None), one)?;
    }
    match std::fs::remove_dir_all(state.path(&format!("networks/{name}"))) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Runs jls, which shows the parameters of one jail.
pub(crate) fn list(state: &State, args: &[String]) -> Step<u8> {
    let words = getopt::or_usage("jls", "dhj:Nnqsv", args, (1, "usage: jls [-dhNnqv] [-j jail] [param ...]"))?;
    let name = words.value('j').unwrap_or_default();
    let shown = parameters(state, "jls", name)?;
    say(format!("{}\n", shown.lines().collect::<Vec<_>>().join(" ")));
    Ok(0)
}

/// Runs jexec, which becomes the program that it is given.
pub(crate) fn enter(state: &State, args: &[String]) -> Step<u8> {
    let words =
        getopt::or_usage("jexec", "lu:U:", args, (1, "usage: jexec [-l] [-u username | -U username] jail [command]"))?;
    let [name, program, rest @ ..] = words.operands else { return Err(Exit::new(1, "jexec: no command")) };
    let parameters = parameters(state, "jexec", name)?;
    state.end()?;
    // What the kernel tells vmrun of the jail that it is in.
    let hostname = hostname(&parameters).unwrap_or_default();
    let why = Command::new(program).args(rest).env(VARIABLE, name).env("VMRUN_JAIL", hostname).exec();
    Err(Exit::new(1, format!("jexec: execvp(): {program}: {why}")))
}

/// The jail that this process is in.
pub(crate) fn own() -> Option<String> {
    std::env::var_os(VARIABLE).map(|name| name.to_string_lossy().into_owned())
}

/// The names of all jails, by name; the first has the number 1.
pub(crate) fn all(state: &State) -> Step<Vec<String>> {
    let mut all = state.names("jails")?;
    all.sort();
    Ok(all)
}

/// What the kernel tells of the jail that this process is in, as the names and values of sysctl(8) (kern_jail.c, kern_mib.c): the name
/// of a host only where the jail has one of its own.
pub(crate) fn told(state: &State) -> Step<Vec<(&'static str, String)>> {
    let Some(name) = own() else {
        return Ok(vec![("security.jail.jailed", "0".into()), ("security.jail.vnet", "0".into())]);
    };
    let parameters = parameters(state, "sysctl", &name)?;
    let hostname = hostname(&parameters);
    let has_network = usize::from(has_network(state, &name)).to_string();
    let mut all = vec![("security.jail.jailed", "1".into()), ("security.jail.vnet", has_network)];
    all.extend(hostname.map(|hostname| ("kern.hostname", hostname.to_string())));
    Ok(all)
}

/// The name of the host that a jail has of its own.
fn hostname(parameters: &str) -> Option<&str> {
    parameters.lines().find_map(|line| line.strip_prefix("host.hostname="))
}

/// Whether there is a jail of that name with a network of its own.
pub(crate) fn has_network(state: &State, name: &str) -> bool {
    state.read(&file(name)).is_ok_and(|text| text.lines().any(|line| line == "vnet=new"))
}

/// Whether there is a jail of that name.
pub(crate) fn is_there(state: &State, name: &str) -> bool {
    state.path(&file(name)).is_file()
}

/// Whether this process may make machines.
pub(crate) fn may_have_machines(state: &State) -> Step<bool> {
    let Some(name) = own() else { return Ok(true) };
    let shown = parameters(state, "bhyve", &name)?;
    Ok(shown.lines().any(|line| line == "allow.vmm"))
}
