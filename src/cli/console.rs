//! `vmrun console`: connects the terminal with the serial port of a machine.

use super::find::{HostArgs, tell};
use super::term::Term;
use crate::diag::{Blame, Diagnostic, Fault};
use crate::model::Argv;
use crate::ops::display::terminal;
use crate::ops::serial::{Left, Port, PortQuery, PortUse};
use clap::Args;
use std::io::IsTerminal as _;

#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct ConsoleArgs {
    /// The machine, by name or by recipe
    machine: String,
    /// Which of its serial ports
    #[arg(long, value_name = "PORT", default_value = "com1")]
    port: String,
    /// The key that leaves the console
    #[arg(long, value_name = "^KEY", default_value = "^]", value_parser = key)]
    escape: u8,
    #[command(flatten)]
    hosts: HostArgs,
}

const AFTER: &str = "\
Ctrl-] leaves the console; the guest goes on. Every other key goes to the guest, Ctrl-C too. After a reboot of the
guest the console goes on. Where the standard input is no terminal, what comes from it is typed, and the console is
left when nothing was said for a second after it.

A machine that runs on another host, which is asked by ssh (ssh://HOST), is reached by the vmrun there.

How a port has a console, and one at a time:
  com1: \"/dev/nmdm-web.1A\"    the other end is /dev/nmdm-web.1B; under QEMU a socket stands for the two
  com1: \"tcp=127.0.0.1:4321\"  bhyve since FreeBSD 15.0 and QEMU listen there
  com1: \"stdio\"               under QEMU, for machines that `vmrun start` has started; what it says is in the log too";

pub(super) fn run(args: &ConsoleArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let query = port(&args.machine, &args.port, &args.hosts);
    let port = Port::open(&query, PortUse::ReadWrite, |name| args.command(name), &mut tell(term))?;
    port.check_running()?;
    let name = &port.machine;
    if term.is_terminal() {
        term.say(format_args!("this is {} of {name}; {} leaves it", args.port, shown(args.escape)));
    }
    match port.attach(args.escape, &|bytes| term.console(bytes))? {
        Left::Away if term.is_terminal() => {
            // Somewhere in a line of the guest.
            term.drawn("");
            term.say(format_args!("left {name}, which goes on"));
        }
        Left::Away => {}
        Left::Ended => term.say(format_args!("{name} has ended")),
        Left::Interrupted => return Err(Fault::new("interrupted").blame(Blame::Interrupted).into()),
    }
    Ok(())
}

/// Returns which port of which machine is meant.
pub(super) fn port(machine: &str, port: &str, hosts: &HostArgs) -> PortQuery {
    let is_terminal = std::io::stdin().is_terminal();
    PortQuery { machine: machine.into(), port: port.into(), hosts: hosts.query(), is_terminal }
}

impl ConsoleArgs {
    /// The command that does the same on the machine's own host.
    fn command(&self, machine: &str) -> Argv {
        let argv = Argv::new("vmrun").args(["console", machine, "--port", &self.port]);
        if self.escape == terminal::LEAVES {
            return argv;
        }
        argv.arg("--escape").arg(format!("^{}", char::from(self.escape | 0x40)))
    }
}

/// `^]` is Ctrl-].
fn key(text: &str) -> Result<u8, String> {
    let key = text.strip_prefix('^').and_then(|rest| rest.bytes().next().filter(|_| rest.len() == 1));
    let key = key.map(|key| key.to_ascii_uppercase()).filter(|key| (b'@'..=b'_').contains(key));
    key.map(|key| key & 0x1f).ok_or_else(|| "write ^ and a key that Ctrl goes with: ^], ^A".into())
}

fn shown(key: u8) -> String {
    format!("Ctrl-{}", char::from(key | 0x40).to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_leaves_is_one_that_ctrl_goes_with() {
        assert_eq!(["^]", "^a", "^A", "^@"].map(|text| key(text).unwrap()), [0x1d, 1, 1, 0]);
        assert_eq!(["]", "^", "^ab", "^1", ""].map(|text| key(text).is_err()), [true; 5]);
        assert_eq!([0x1d, 1].map(shown), ["Ctrl-]", "Ctrl-a"]);
    }
}
