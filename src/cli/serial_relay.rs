//! `vmrun serial-relay`: the helper that keeps what a serial port says.

use crate::diag::Diagnostic;
use crate::ops::serial;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct SerialRelayArgs {
    /// The other end of the port: a tty
    #[arg(long, required_unless_present = "connect", conflicts_with = "connect")]
    tty: Option<PathBuf>,
    /// The other end of the port: a socket
    #[arg(long)]
    connect: Option<PathBuf>,
    /// The socket at which consoles are let in
    #[arg(long)]
    listen: PathBuf,
    /// The log
    #[arg(long)]
    log: PathBuf,
}

pub(super) fn run(args: &SerialRelayArgs) -> Result<(), Vec<Diagnostic>> {
    Ok(serial::relay(args.tty.as_deref(), args.connect.as_deref(), &args.listen, &args.log)?)
}
