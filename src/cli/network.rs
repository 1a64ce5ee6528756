//! `vmrun network up|down|rcconf RECIPE`: a network that stays, and the files that make it at every start.

use super::term::Term;
use super::{QueryArgs, RecipeArgs, place, platform};
use crate::diag::Diagnostic;
use crate::ops::network::{self, Change, NetworkStep, PartOutcome};
use crate::ops::settings::Asked;
use clap::{Args, Subcommand};

#[derive(Args)]
pub(super) struct NetworkArgs {
    #[command(subcommand)]
    does: Does,
}

#[derive(Subcommand)]
enum Does {
    /// Make what is missing of a recipe's network; what is there and right is left alone
    Up(Of),
    /// Take a recipe's network away, as far as vmrun made it
    Down(Of),
    /// Print the lines of rc.conf that make it at every start; for Linux, systemd-networkd's files
    Rcconf(RcconfArgs),
}

#[derive(Args)]
struct Of {
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    query: QueryArgs,
}

#[derive(Args)]
struct RcconfArgs {
    #[command(flatten)]
    recipe: RecipeArgs,
    /// For a host of that kind: freebsd, linux
    #[arg(long, value_name = "HOST")]
    on: Option<String>,
}

pub(super) fn run(args: &NetworkArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    match &args.does {
        Does::Up(of) => change(of, Change::Up, term),
        Does::Down(of) => change(of, Change::Down, term),
        Does::Rcconf(args) => print(args, term),
    }
}

fn change(args: &Of, change: Change, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let settings = place::settings(platform()?, args.recipe.given.user_net)?;
    let request = args.query.of(args.recipe.request());
    let steps = network::change(&request, change, settings, &mut |notice| term.notice(&notice))?;
    for NetworkStep { part, outcome } in steps {
        term.say(match outcome {
            PartOutcome::Made => format!("made {part}"),
            PartOutcome::Removed => format!("removed {part}"),
            PartOutcome::Foreign => format!("{part} is not vmrun's, and stays"),
            PartOutcome::Present => format!("{part} is there already"),
            PartOutcome::Absent => format!("{part} is not there"),
        });
    }
    Ok(())
}

fn print(args: &RcconfArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let here = platform()?;
    let there: Asked = args.on.as_ref().map_or(Ok(here), |on| on.parse())?;
    let (here, there) = (place::settings(here, false)?, place::settings(there, false)?);
    let text = network::files(&args.recipe.request(), here, there, &mut |notice| term.notice(&notice))?;
    Ok(term.data(text)?)
}
