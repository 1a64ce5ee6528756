//! `vmrun reservation`: the command by which the guard of a permit has a reservation.

use super::run::duration;
use super::term::Term;
use crate::diag::Diagnostic;
use crate::model::VmName;
use crate::ops::reservation::{self, ReservationRequest};
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Args)]
pub(super) struct ReservationArgs {
    /// The file or device with its record
    path: PathBuf,
    /// Renew it once, instead of holding it
    #[arg(long)]
    renew: bool,
    /// Give back what a run of the machine has left that does not go on, instead of holding it
    #[arg(long, conflicts_with_all = ["renew", "nonce", "ttl", "fenced"])]
    release: bool,
    /// The machine
    #[arg(long)]
    machine: VmName,
    /// Which run of the machine it is
    #[arg(long, required_unless_present = "release")]
    nonce: Option<String>,
    /// How long it is good after a renewal
    #[arg(long, required_unless_present = "release", value_parser = duration)]
    ttl: Option<Duration>,
    /// A host that is proved to be fenced
    #[arg(long)]
    fenced: Option<String>,
}

pub(super) fn run(args: &ReservationArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    if args.release {
        return Ok(reservation::give_back(&args.machine, &args.path)?);
    }
    let (path, machine, nonce) = (args.path.clone(), args.machine.clone(), args.nonce.clone().unwrap_or_default());
    let request =
        ReservationRequest { path, machine, nonce, ttl: args.ttl.unwrap_or_default(), fenced: args.fenced.clone() };
    if args.renew {
        return Ok(reservation::renew(&request)?);
    }
    Ok(reservation::hold(&request, &|| term.data("held"))?)
}
