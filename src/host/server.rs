//! A server that is somebody else's program, in the foreground: it ends when we are asked to.

use super::Guests as _;
use super::process::{EndedBy, Happened, Process};
use super::system::System;
use crate::diag::Fault;
use crate::model::Argv;
use nix::sys::signal::Signal;
use std::time::Duration;

/// How long a server may take to end.
const PATIENCE: Duration = Duration::from_secs(5);

impl System {
    /// Runs a server until somebody asks to stop, which ends it. One that ends by itself has failed.
    pub(crate) fn serve(&self, argv: &Argv) -> Result<(), Fault> {
        if self.stop_asked() {
            return Ok(());
        }
        let mut process = Process::spawn(argv, false, self.signals.clone(), None)?;
        loop {
            match process.wait(None, None) {
                Happened::StopAsked => {
                    process.signal(Signal::SIGTERM);
                    process.end(PATIENCE);
                    return Ok(());
                }
                Happened::Exited(status) => {
                    let how = match Process::ended_by(status) {
                        EndedBy::Code(code) => format!("ended with status {code}"),
                        EndedBy::Signal(signal) => format!("was killed by signal {signal}"),
                    };
                    let last = process.last_words().last().map(|words| format!("its last words: {words}"));
                    let fault = Fault::host(format!("`{}` {how}", argv.program));
                    return Err(fault.hint(last.unwrap_or_else(|| "it said nothing".into())));
                }
                Happened::TimeOver | Happened::Extra | Happened::Gone => {}
            }
        }
    }
}
