//! `vmrun words`: the reference of the recipe language, from its table.

use super::term::Term;
use crate::diag::Diagnostic;
use crate::ops::reference::words;
use clap::Args;

#[derive(Args)]
pub(super) struct WordsArgs {
    /// Only this word
    word: Option<String>,
    /// Print a JSON list
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &WordsArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let word = args.word.as_deref();
    Ok(if args.json { term.json(words::json(word)?) } else { term.data(words::text(word)?) }?)
}
