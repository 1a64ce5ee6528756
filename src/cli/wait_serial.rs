//! `vmrun wait-serial`: waits until a machine says something on its serial port.

use super::find::HostArgs;
use super::line::{Port, Wish, here_or_there};
use super::run::duration;
use super::term::Term;
use crate::diag::{Blame, Diagnostic, Fault};
use crate::host::signals::Signals;
use crate::model::Argv;
use crate::screen::serial::Heard;
use clap::Args;
use std::time::{Duration, Instant};

/// How often it is looked whether a line is there again.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct WaitSerialArgs {
    /// The machine, by name or by recipe
    machine: String,
    /// What it is to say
    #[arg(allow_hyphen_values = true)]
    text: String,
    /// Which of its serial ports
    #[arg(long, value_name = "PORT", default_value = "com1")]
    port: String,
    /// How long it may take
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    within: Duration,
    #[command(flatten)]
    hosts: HostArgs,
}

const AFTER: &str = "\
The text is found as it stands, without the sequences by which terminals are told colours; a line ends with \\n. It has
to come from now on, or, where the port is \"stdio\" and so in the log, to stand in the last line already: a prompt does.
A machine that starts again meanwhile is waited for. One that runs on another host, which is asked by ssh (ssh://HOST),
is listened to by the vmrun there.

Examples:
  vmrun start web.rhai && vmrun wait-serial web 'login:' --within 5m";

pub(super) fn run(args: &WaitSerialArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let until = Instant::now() + args.within;
    let here = Port::find(&args.machine, &args.port, Wish::Listen, term);
    let port = here_or_there(here, &args.machine, &args.hosts, |name| args.command(name), term)?;
    let signals = Signals::install()?;
    let mut heard = Heard::default();
    while port.lives() {
        if hears(&port, &args.text, until, &signals, &mut heard)? {
            return Ok(());
        }
        if until <= Instant::now() {
            let name = &port.machine;
            let message = format!("{name} did not say {:?} on {} within {:?}", args.text, args.port, args.within);
            let hint = match heard.last_line() {
                Some(line) => format!("the last line that it said is {line:?}"),
                None => "it said nothing".into(),
            };
            return Err(Fault::new(message).blame(Blame::Guest).hint(hint).into());
        }
        signals.pause(until.min(Instant::now() + LOOK))?;
    }
    Err(port.not_running().into())
}

impl WaitSerialArgs {
    /// The command that does the same on the machine's own host.
    fn command(&self, machine: &str) -> Argv {
        let argv = Argv::new("vmrun").args(["wait-serial", machine, "--port", &self.port, "--within"]);
        argv.arg(format!("{}ms", self.within.as_millis())).arg("--").arg(&self.text)
    }
}

/// Listens until a text was said, the time is over or the line is gone, and returns whether it was said.
fn hears(port: &Port, text: &str, until: Instant, signals: &Signals, heard: &mut Heard) -> Result<bool, Fault> {
    // A line that cannot be opened may be there a moment later.
    let Ok(mut console) = port.line.open() else { return Ok(false) };
    while until > Instant::now() && port.lives() {
        signals.pause(Instant::now())?;
        let Some(bytes) = console.hear(until.min(Instant::now() + LOOK)) else { break };
        heard.add(&bytes);
        if heard.says(text) {
            return Ok(true);
        }
    }
    Ok(heard.says(text))
}
