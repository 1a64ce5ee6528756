//! ps(1): the processes that run a machine, and what the file `processes` has of others, line for line.
//!
//! How long they run and what they use is the same for each, so that tests can compare it. bhyve calls itself `bhyve: NAME`
//! (setproctitle(3)), to which ps adds the command's own name.

use std::fs;

use crate::exit::{Exit, Step, say};
use crate::state::State;
use crate::{node, procstat};

const USAGE: &str = "usage: ps [--libxo] [-aCcdeHfhjlmrSTuvwXxZ] [-O fmt | -o fmt]\n          \
                     [-G gid[,gid...]] [-J jid[,jid...]] [-M core] [-N system]\n          \
                     [-p pid[,pid...]] [-t tty[,tty...]] [-U user[,user...]]";

/// A day, two hours, three minutes and four seconds.
const ELAPSED: u64 = 93_784;

/// Runs ps; headers have to be empty.
pub(crate) fn run(state: &State, args: &[String]) -> Step<u8> {
    if let ["-H", "-o", "lwp=", "-o", "%cpu=", "-p", pid] =
        args.iter().map(String::as_str).collect::<Vec<_>>().as_slice()
    {
        return threads(state, pid);
    }
    let mut keys = Vec::new();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-axww" => {}
            "-o" => keys.push(words.next().and_then(|key| key.strip_suffix('=')).ok_or_else(|| Exit::new(1, USAGE))?),
            _ => return Err(Exit::new(1, USAGE)),
        }
    }
    let _lock = state.lock()?;
    for (pid, name) in node::running(state)? {
        let parent = parent(pid);
        let value = |key: &&str| match *key {
            "pid" => Ok(format!("{pid:>5}")),
            "ppid" => Ok(format!("{parent:>5}")),
            "etimes" => Ok(format!("{ELAPSED:>7}")),
            "%cpu" => Ok(" 12.5".into()),
            "time" => Ok("  195:23.50".into()),
            "rss" => Ok(" 65536".into()),
            "command" => Ok(format!("bhyve: {name} (bhyve)")),
            other => {
                Err(Exit::new(1, format!("ps: {other}: keyword not found\nps: no valid keywords; valid keywords:")))
            }
        };
        say(keys.iter().map(value).collect::<Step<Vec<String>>>()?.join(" ") + "\n");
    }
    say(state.read("processes").unwrap_or_default());
    Ok(0)
}

/// A thread that runs uses nearly all of a processor, and one that sleeps none.
fn threads(state: &State, pid: &str) -> Step<u8> {
    let _lock = state.lock()?;
    let running = node::running(state)?;
    let Some((pid, _)) = running.into_iter().find(|(known, _)| known.to_string() == pid) else { return Ok(1) };
    for (id, (_, does, _)) in procstat::threads(pid) {
        say(format!("{id:>6} {:>5}\n", if does == "run" { "98.2" } else { "0.0" }));
    }
    Ok(0)
}

/// The process that has started another.
fn parent(pid: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' '));
    fields.and_then(|mut fields| fields.nth(1)?.parse().ok()).unwrap_or(1)
}
