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
    /// The machine
    #[arg(long)]
    machine: VmName,
    /// Which run of the machine it is
    #[arg(long)]
    nonce: String,
    /// How long it is good after a renewal
    #[arg(long, value_parser = duration)]
    ttl: Duration,
    /// A host that is proved to be fenced
    #[arg(long)]
    fenced: Option<String>,
}

pub(super) fn run(args: &ReservationArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let (path, machine, nonce) = (args.path.clone(), args.machine.clone(), args.nonce.clone());
    let request = ReservationRequest { path, machine, nonce, ttl: args.ttl, fenced: args.fenced.clone() };
    if args.renew {
        return Ok(reservation::renew(&request)?);
    }
    Ok(reservation::hold(&request, &|| term.data("held"))?)
}
