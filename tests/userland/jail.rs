//! jail(8), jls(8) and jexec(8), as far as bhyve needs them (k). A jail is a file in the folder `jails`, a parameter on each line:
//! `path=/`, `allow.vmm`. What is in one is not told from what is outside, but for making machines.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::exit::{Exit, Step, say};
use crate::getopt;
use crate::state::{State, is_root};

/// The variable that says in which jail a process is.
const VARIABLE: &str = "FAKE_FREEBSD_JAIL";

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
        std::fs::create_dir_all(state.path("jails"))?;
        state.write_lines(&file(name), words.operands)?;
        return Ok(0);
    }
    for name in words.operands {
        if !state.path(&file(name)).is_file() {
            return Err(Exit::new(1, format!("jail: \"{name}\" not found")));
        }
        state.remove(&file(name))?;
    }
    Ok(0)
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
    parameters(state, "jexec", name)?;
    state.end()?;
    let why = Command::new(program).args(rest).env(VARIABLE, name).exec();
    Err(Exit::new(1, format!("jexec: execvp(): {program}: {why}")))
}

/// Whether this process may make machines.
pub(crate) fn may_have_machines(state: &State) -> Step<bool> {
    let Some(name) = std::env::var_os(VARIABLE) else { return Ok(true) };
    let shown = parameters(state, "bhyve", &name.to_string_lossy())?;
    Ok(shown.lines().any(|line| line == "allow.vmm"))
}
