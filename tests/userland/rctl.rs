//! rctl(8): adds rules for processes, kept in the file `rctl`, one line each. The texts are (k).

use crate::exit::{Exit, Step};
use crate::state::{State, alive};

const USAGE: &str = "usage: rctl [-h] [-a rule | -l | -r | -u] [filter]";

/// Runs rctl; of its forms only `-a` is known, with a process for a subject.
pub(crate) fn run(state: &State, args: &[String]) -> Step<u8> {
    let [flag, rule] = args else { return Err(Exit::new(1, USAGE)) };
    if flag != "-a" {
        return Err(Exit::new(1, USAGE));
    }
    let _lock = state.lock()?;
    if state.sysctl("kern.racct.enable")?.as_deref() != Some("1") {
        let line = "rctl: RACCT/RCTL present, but disabled; enable using kern.racct.enable=1 tunable";
        return Err(Exit::new(1, line));
    }
    let words: Vec<&str> = rule.split(':').collect();
    let ["process", pid, resource, action] = words.as_slice() else {
        return Err(Exit::new(1, format!("rctl: malformed rule '{rule}'")));
    };
    let is_there = pid.parse().is_ok_and(alive);
    let is_known = ["memoryuse", "pcpu", "vmemoryuse", "maxproc", "openfiles", "nthr"].contains(resource);
    let amount = action.strip_prefix("deny=").map(|amount| amount.trim_end_matches(['K', 'M', 'G', 'T']));
    let is_amount = amount.is_some_and(|amount| amount.parse::<u64>().is_ok());
    match (is_there, is_known && is_amount) {
        (false, _) => Err(Exit::new(1, format!("rctl: failed to add rule '{rule}': No such process"))),
        (_, false) => Err(Exit::new(1, format!("rctl: failed to add rule '{rule}': Invalid argument"))),
        (true, true) => {
            let rules = state.read("rctl").unwrap_or_default();
            state.write("rctl", format!("{rules}{resource}:{action}\n"))?;
            Ok(0)
        }
    }
}
