//! Arguments that many commands have: which recipe, and what it is told.

use super::term::Term;
use crate::ops::recipe::RecipeRequest;
use clap::Args;

/// Which recipe, and what it is told.
#[derive(Args, Clone)]
pub(super) struct RecipeArgs {
    /// The recipe
    pub(super) recipe: String,
    #[command(flatten)]
    pub(super) given: GivenArgs,
}

/// What a recipe is told, however many there are.
#[derive(Args, Clone, Default)]
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
