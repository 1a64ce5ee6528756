//! `vmrun top`: the machines of this host as they are now, and the threads of one of them.

mod hosts;
mod view;

use super::list::hosts::AllHostsArgs;
use super::run::duration;
use super::term::Term;
use crate::diag::Diagnostic;
use crate::ops::top::watch;
use crate::ops::watch::watch as watch_lines;
use clap::Args;
use std::time::Duration;
use view::{Bars, draw};

#[derive(Args)]
#[command(after_help = KEYS)]
pub(super) struct TopArgs {
    /// How often it is looked, at most once a second
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    every: Duration,
    #[command(flatten)]
    hosts: AllHostsArgs,
}

const KEYS: &str = "\
Keys:
  up, down, j, k   choose a machine; its threads are shown below
  o                order by name, CPU, memory or uptime
  /                show only machines whose names, states or recipes have a text; Esc shows all again
  l                read its log, and follow it until Ctrl-C
  v                open its console by the viewer
  p                show the plan of its recipe
  s                stop it, once y says so
  q                leave

CPU% is of one processor, since the last look where the system tells processor time; of threads under FreeBSD within the last
minute. Nothing is told by colour. Many hosts are only looked at: q leaves.";

pub(super) fn run(args: &TopArgs, _: &Term) -> Result<(), Vec<Diagnostic>> {
    if let Some(query) = args.hosts.query() {
        return watch_lines(args.every, &mut |columns, lines| hosts::lines(&query, columns, lines));
    }
    let bars = Bars::of_locale();
    Ok(watch(args.every, &|view, frame| draw(view, bars, frame))?)
}
