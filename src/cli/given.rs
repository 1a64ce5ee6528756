//! Arguments that many commands have: which recipe, and what it is told.

use super::term::Term;
use crate::diag::{Blame, Fault};
use crate::model::permit::PermitOptions;
use crate::ops::recipe::RecipeRequest;
use clap::Args;
use std::time::Duration;

/// Which recipe, and what it is told.
#[derive(Args, Clone, Debug, PartialEq)]
pub(super) struct RecipeArgs {
    /// The recipe
    pub(super) recipe: String,
    #[command(flatten)]
    pub(super) given: GivenArgs,
}

/// What a recipe is told, however many there are.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub(super) struct GivenArgs {
    /// Initialize the machine: make its disks, boot its installer
    #[arg(long)]
    pub(super) init: bool,
    /// Give the recipe a parameter
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    pub(super) set: Vec<(String, String)>,
    /// Plug network cards into a network inside the process, which needs no root (Linux)
    #[arg(long)]
    pub(super) user_net: bool,
}

/// What its machine needs to run.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub(super) struct PermitArgs {
    /// Run the machine only while a command lives that has written its first line: 'etcdctl lock vm/db'
    #[arg(long, value_name = "CMD")]
    permit: Option<String>,
    /// Run it only while a command succeeds, which is asked again and again
    #[arg(long, value_name = "CMD")]
    permit_keep: Option<String>,
    /// How long that permit is good without being renewed; the guest is down within two thirds of it [default: 15s]
    #[arg(long, value_name = "TIME", value_parser = super::run::duration)]
    permit_ttl: Option<Duration>,
    /// Take over the reservation of a host that certainly writes no more: it was switched off, or cut off from the disk. Or start a machine
    /// of which that host has a replica, and does not answer whether it has taken it over. Several have commas between them: vm6,vm7
    #[arg(long, value_name = "HOST")]
    fenced: Option<String>,
}

impl PermitArgs {
    /// Has a recipe's machine need it.
    pub(super) fn of(&self, request: RecipeRequest) -> Result<RecipeRequest, Fault> {
        let (acquire, keep) = (self.permit.clone(), self.permit_keep.clone());
        let permit = PermitOptions { acquire, keep, ttl: self.permit_ttl };
        permit.permit().map_err(|fault| fault.blame(Blame::Usage))?;
        Ok(RecipeRequest { permit, fenced: self.fenced.clone(), ..request })
    }

    /// Returns the host that is said to be fenced.
    pub(super) fn fenced(&self) -> Option<&str> {
        self.fenced.as_deref()
    }
}

/// Whether a recipe that is only planned may ask.
#[derive(Args, Clone, Copy)]
pub(super) struct QueryArgs {
    /// Run no command that only asks, by `query`: it has answered nothing, and is named
    #[arg(long)]
    pub(super) no_query: bool,
}

impl QueryArgs {
    /// Has a recipe ask, or not.
    pub(super) fn of(self, request: RecipeRequest) -> RecipeRequest {
        RecipeRequest { asks_nothing: self.no_query, ..request }
    }
}

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.into(), value.into()))
}

impl GivenArgs {
    /// A recipe that is told this.
    pub(super) fn of(&self, recipe: &str) -> RecipeRequest {
        RecipeRequest {
            asked: |what| Term::new().say(what),
            ..RecipeRequest::new(recipe, self.init, &self.set, self.user_net)
        }
    }
}

impl RecipeArgs {
    pub(super) fn request(&self) -> RecipeRequest {
        self.given.of(&self.recipe)
    }
}
