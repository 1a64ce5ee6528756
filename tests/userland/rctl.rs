//! rctl(8): the limits of processes, kept in the file `rctl`, one rule a line, the newest last. As 12.1 answered.
//!
//! A process begins with the rules of the one that made it, and what it has of its own ends with it.

use crate::exit::{EINVAL, Exit, Step, say, warn};
use crate::getopt;
use crate::number::strtol;
use crate::process;
use crate::state::{State, alive, is_root};
use crate::sysctl::variables;

const USAGE: &str = "usage: rctl [ -h ] [-a rule | -l filter | -r filter | -u filter | filter]";

const DISABLED: &str = "rctl: RACCT/RCTL present, but disabled; enable using kern.racct.enable=1 tunable";

/// Everything that is counted.
const RESOURCES: &[&str] = &[
    "cputime",
    "datasize",
    "stacksize",
    "coredumpsize",
    "memoryuse",
    "memorylocked",
    "maxproc",
    "openfiles",
    "vmemoryuse",
    "pseudoterminals",
    "swapuse",
    "nthr",
    "msgqqueued",
    "msgqsize",
    "nmsgq",
    "nsem",
    "nsemop",
    "nshm",
    "shmsize",
    "wallclock",
    "pcpu",
    "readbps",
    "writebps",
    "readiops",
    "writeiops",
];

/// Runs rctl, with processes for subjects.
pub(crate) fn run(state: &State, args: &[String]) -> Step<u8> {
    let words = getopt::or_usage("rctl", "a:hl:nr:u:", args, (1, USAGE))?;
    let _lock = state.lock()?;
    if variables::one(state, "kern.racct.enable")?.as_deref() != Some("1") {
        return Err(Exit::new(1, DISABLED));
    }
    if let Some(rule) = words.value('a') {
        return add(state, rule);
    }
    if let Some(filter) = words.value('r') {
        return remove(state, filter);
    }
    if words.value('u').is_some() {
        let used = |name: &&str| format!("{name}={}\n", if *name == "datasize" { 2_183_168 } else { 0 });
        say(RESOURCES.iter().map(used).collect::<String>());
        return Ok(0);
    }
    let filter = words.value('l').or_else(|| words.operands.first().map(String::as_str)).unwrap_or("::");
    if !is_root() {
        warn(format!("rctl: failed to show rules for '{filter}': Operation not permitted"));
        return Ok(0);
    }
    let wanted = filter.trim_end_matches(':');
    for rule in all(state)?.iter().filter(|rule| is_of(rule, wanted)) {
        say(format!("{rule}\n"));
    }
    Ok(0)
}

/// Whether a filter means a rule: the parts that it has are those of the rule.
fn is_of(rule: &str, filter: &str) -> bool {
    filter.is_empty() || rule.strip_prefix(filter).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// The rules of processes that live.
fn kept(state: &State) -> Step<Vec<String>> {
    let lives = |rule: &&str| holder(rule).is_some_and(alive);
    Ok(state.read("rctl")?.lines().filter(lives).map(str::to_string).collect())
}

fn holder(rule: &str) -> Option<u32> {
    rule.split(':').nth(1)?.parse().ok()
}

/// All rules as they are listed: of the newest process first, and of each the newest rule first; those that a process was born
/// with have been turned around.
fn all(state: &State) -> Step<Vec<String>> {
    let kept = kept(state)?;
    let of = |pid: u32| -> Vec<&String> { kept.iter().filter(|rule| holder(rule) == Some(pid)).collect() };
    let mut rules = Vec::new();
    let mut pids: Vec<u32> = process::all(state)?.iter().map(|one| one.pid).collect();
    pids.extend(kept.iter().filter_map(|rule| holder(rule)));
    pids.sort_unstable();
    pids.dedup();
    for pid in pids.into_iter().rev() {
        let own = of(pid);
        if !own.is_empty() {
            rules.extend(own.into_iter().rev().cloned());
            continue;
        }
        let mut parents = std::iter::successors(process::parent(pid), |pid| process::parent(*pid));
        // init has made no process since it got a rule.
        let Some(parent) = parents.find(|parent| *parent > 1 && !of(*parent).is_empty()) else { continue };
        let born = |rule: &&String| rule.replacen(&format!(":{parent}:"), &format!(":{pid}:"), 1);
        rules.extend(of(parent).iter().map(born));
    }
    Ok(rules)
}

fn add(state: &State, rule: &str) -> Step<u8> {
    let failed = |why: &str| Exit::new(1, format!("rctl: failed to add rule '{rule}': {why}"));
    let malformed = |why: String| Exit::new(1, format!("rctl: malformed rule '{rule}': {why}"));
    let parts: Vec<&str> = rule.split(':').collect();
    let [subject, id, rest @ ..] = parts.as_slice() else { return Err(malformed("missing subject".into())) };
    let amount = match rest.get(1).and_then(|action| action.split_once('=')) {
        Some((_, text)) => Some(amount(text).ok_or_else(|| malformed(format!("invalid numeric value '{text}'")))?),
        None => None,
    };
    if !is_root() {
        return Err(failed("Operation not permitted"));
    }
    let (Ok(pid), &[resource, action], Some(amount)) = (id.parse::<u32>(), rest, amount) else {
        return Err(failed(EINVAL));
    };
    let action = action.split('=').next().unwrap_or(action);
    let is_known = RESOURCES.contains(&resource) && ["deny", "log", "devctl", "throttle"].contains(&action);
    if *subject != "process" || !(is_known || action.starts_with("sig")) {
        return Err(failed(EINVAL));
    }
    if !alive(pid) {
        return Err(failed("No such process"));
    }
    let mut rules = kept(state)?;
    let rule = format!("process:{pid}:{resource}:{action}={amount}");
    if !rules.contains(&rule) {
        rules.push(rule);
    }
    state.write_lines("rctl", &rules)?;
    Ok(0)
}

/// An amount as expand_number(3) reads it.
fn amount(text: &str) -> Option<i128> {
    let number = strtol(text, 0)?;
    let power = match number.rest.to_ascii_lowercase().as_str() {
        "" => 0,
        unit => 1 + ["k", "m", "g", "t", "p", "e"].iter().position(|known| *known == unit)?,
    };
    number.value.checked_mul(1 << (10 * power))
}

fn remove(state: &State, filter: &str) -> Step<u8> {
    let failed = |why: &str| Exit::new(1, format!("rctl: failed to remove rule '{filter}': {why}"));
    if !is_root() {
        return Err(failed("Operation not permitted"));
    }
    let (gone, rest): (Vec<String>, Vec<String>) = kept(state)?.into_iter().partition(|rule| is_of(rule, filter));
    if gone.is_empty() {
        return Err(failed("No such process"));
    }
    state.write_lines("rctl", &rest)?;
    Ok(0)
}
