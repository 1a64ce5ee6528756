//! A fake FreeBSD userland: one program that is `bhyve`, `bhyvectl`, `bhyveload`, `grub-bhyve`, `ifconfig`, `iscsictl`, `jail`, `jexec`, `jls`, `kldload`, `kldstat`, `kldunload`, `mdconfig`,
//! `netstat`, `pciconf`, `procstat`, `ps`, `rctl`, `route`, `sysctl`, `zfs` or `zpool`, and for some tests `fetch`, `ls`, `ssh`, `stat` and `truncate`, by the name it is
//! called with.
//!
//! Tests link it under those names into a folder that comes first in `PATH`, so that everything above it (processes,
//! pipes, signals, exit statuses) is real. It keeps its state in files (see state.rs) and refuses what FreeBSD
//! refuses, with FreeBSD's words and statuses. What is knowledge and not from the reference is marked (k).
#![expect(clippy::disallowed_methods, reason = "this is another operating system, not a part of the house")]
#![expect(clippy::let_underscore_must_use, reason = "what FreeBSD's programs do when nobody reads them is to end")]

use std::path::Path;
use std::process::ExitCode;

use exit::{Ending, Exit, FAKE_FAILED, Step, warn};
use state::State;

mod bhyve;
mod bhyvectl;
mod devfs;
mod exit;
mod fetch;
mod files;
mod getopt;
mod ifconfig;
mod interface;
mod iscsictl;
mod jail;
mod kill;
mod kld;
mod loader;
mod mdconfig;
mod netstat;
mod node;
mod number;
mod pciconf;
mod process;
mod procstat;
mod ps;
mod rctl;
mod release;
mod route;
mod ssh;
mod state;
mod sysctl;
mod zfs;
mod zpool;

fn main() -> ExitCode {
    let mut words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let called = words.next().unwrap_or_default();
    let program = Path::new(&called).file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let args: Vec<String> = words.collect();
    match play(&program, &args) {
        Ok(status) => ExitCode::from(status),
        Err(exit) => end(&exit),
    }
}

/// Logs the call and hands it to the program that is wanted.
fn play(program: &str, args: &[String]) -> Step<u8> {
    let state = State::open()?;
    let call: Vec<String> =
        std::iter::once(program).chain(args.iter().map(String::as_str)).map(state::quoted).collect();
    // Before the call is logged, so that whoever sees it there may send a signal.
    let signals = (program == "bhyve").then(bhyve::Signals::catch).transpose()?;
    state.admit(&call.join(" "))?;
    let played = match program {
        "bhyve" => signals.map_or(Ok(0), |signals| bhyve::run(&state, &signals, args)),
        "bhyvectl" => bhyvectl::run(&state, args),
        "bhyveload" => loader::bhyveload(&state, args),
        "grub-bhyve" => loader::grub_bhyve(&state, args),
        "fetch" => fetch::run(args),
        "kill" => kill::run(args),
        "ls" => list(&state, args),
        "ifconfig" => ifconfig::run(&state, args),
        "iscsictl" => iscsictl::run(&state, args),
        "jail" => jail::run(&state, args),
        "jexec" => jail::enter(&state, args),
        "jls" => jail::list(&state, args),
        "kldload" => kld::load(&state, args),
        "kldstat" => kld::stat(&state, args),
        "kldunload" => kld::unload(&state, args),
        "mdconfig" => mdconfig::run(&state, args),
        "netstat" => netstat::run(&state, args),
        "pciconf" => pciconf::run(&state, args),
        "procstat" => procstat::run(&state, args),
        "ps" => ps::run(&state, args),
        "rctl" => rctl::run(&state, args),
        "route" => route::run(&state, args),
        "ssh" => ssh::run(&state, args),
        "stat" => files::stat(args),
        "sysctl" => sysctl::run(&state, args),
        "truncate" => files::truncate(args),
        "zfs" => zfs::run(&state, args),
        "zpool" => zpool::run(&state, args),
        other => Err(Exit::fake(format!("nobody here is called `{other}`"))),
    };
    state.end()?;
    played
}

/// ls(1): what is in /dev, or the host's own.
fn list(state: &State, args: &[String]) -> Step<u8> {
    if let Some(status) = devfs::ls(state, args)? {
        return Ok(status);
    }
    files::ls(args)
}

/// Leaves the last words and dies as asked.
fn end(exit: &Exit) -> ExitCode {
    for line in &exit.lines {
        warn(line);
    }
    match exit.ending {
        Ending::Status(status) => ExitCode::from(status),
        Ending::Signal(number) => {
            // A handler may stand in the way of the first attempt, never of the second.
            let _ = signal_hook::low_level::raise(number);
            let _ = signal_hook::low_level::emulate_default_handler(number);
            ExitCode::from(FAKE_FAILED)
        }
    }
}
