//! `vmrun cache`: what was fetched, by content.

use super::run::duration;
use super::table::{Column, table};
use super::term::Term;
use crate::diag::{Diagnostic, Fault};
use crate::model::{Argv, Size};
use crate::ops::cache::{self, Cached};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Args)]
pub(super) struct CacheArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// List what was fetched: its size, when it was used last and when it was fetched, its digest, and where it came from
    List(ListArgs),
    /// Remove what was not used for long, and what is half fetched; nothing but what is the cache's own
    Prune(PruneArgs),
}

#[derive(Args)]
struct ListArgs {
    /// Print a JSON list: digest, path, bytes, used, partial, url, fetched
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct PruneArgs {
    /// Remove what was not used for so long: 12h, 90d; 0s is all
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = duration)]
    older_than: Duration,
    /// Only print what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Print a JSON list, as `vmrun cache list` does
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &CacheArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    match &args.what {
        What::List(args) => Ok(list(&cache::list()?, args.json, term)?),
        What::Prune(args) => {
            let pruned = cache::prune(args.older_than, args.dry_run)?;
            for held in pruned.held {
                term.say(format!("{} stays: it is being fetched", held.digest));
            }
            if args.json {
                return Ok(list(&pruned.removed, true, term)?);
            }
            let lines: Vec<String> = pruned.removed.iter().map(|one| rm(one).to_string()).collect();
            if !lines.is_empty() {
                term.data(lines.join("\n"))?;
            }
            Ok(())
        }
    }
}

/// The command that removes the same.
fn rm(cached: &Cached) -> Argv {
    let argv = Argv::new("rm");
    let argv = (if cached.is_partial { argv.arg("-r") } else { argv }).arg(cached.path.display());
    if cached.origin.is_some() { argv.arg(cache::Origin::path(&cached.path).display()) } else { argv }
}

fn list(all: &[Cached], json: bool, term: &Term) -> Result<(), Fault> {
    if json {
        let object = |one: &Cached| {
            let origin = one.origin.as_ref();
            json!({
                "digest": one.digest.to_string(),
                "path": one.path,
                "bytes": one.bytes,
                "used": one.used,
                "partial": one.is_partial,
                "url": origin.map(|origin| origin.url.as_str()),
                "fetched": origin.map(|origin| origin.fetched),
            })
        };
        return term.json(format!("{:#}", Value::Array(all.iter().map(object).collect())));
    }
    let row = |one: &Cached| {
        let state = if one.is_partial { "half fetched" } else { "" };
        let origin = one.origin.as_ref();
        let (fetched, from) =
            origin.map(|origin| (cache::shown_time(origin.fetched), origin.url.to_string())).unwrap_or_default();
        let (size, used) = (Size::bytes(one.bytes).rough(), cache::shown_time(one.used));
        vec![size, used, fetched, state.into(), one.digest.to_string(), from]
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    if rows.is_empty() {
        return term.data("nothing was fetched");
    }
    let texts = ["USED", "FETCHED", "STATE", "DIGEST", "FROM"].map(Column::Text);
    let columns: Vec<Column> = std::iter::once(Column::Number("SIZE")).chain(texts).collect();
    term.data(table(&columns, &rows))
}
