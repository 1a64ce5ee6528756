//! `vmrun top`: the machines of this host as they are now, and the threads of one of them.

mod view;

use super::run::duration;
use super::term::Term;
use crate::diag::{Diagnostic, Fault};
use crate::host::environment::{env, host_name};
use crate::host::full_screen::{FullScreen, Woken};
use crate::ops::machines::machines;
use crate::ops::status::threads;
use clap::Args;
use std::time::{Duration, Instant};
use view::{Act, Bars, View};

/// How often it is looked at most.
const SHORTEST: Duration = Duration::from_secs(1);

#[derive(Args)]
#[command(after_help = KEYS)]
pub(super) struct TopArgs {
    /// How often it is looked, at most once a second
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    every: Duration,
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
minute. Nothing is told by colour.";

pub(super) fn run(args: &TopArgs, _: &Term) -> Result<(), Vec<Diagnostic>> {
    let mut view = View::new(host_name().unwrap_or_default(), bars());
    let mut screen = FullScreen::open()?;
    let ended = watch(&mut view, &mut screen, args.every.max(SHORTEST));
    drop(screen);
    Ok(ended?)
}

/// Looks, shows and does what keys ask for, until somebody leaves.
fn watch(view: &mut View, screen: &mut FullScreen, every: Duration) -> Result<(), Fault> {
    let mut next = Instant::now();
    loop {
        if Instant::now() >= next {
            view.look(machines()?, Instant::now());
            let threads = view.chosen_process().map_or_else(|| Ok(Vec::new()), threads)?;
            view.look_at_threads(threads, Instant::now());
            next = Instant::now() + every;
        }
        screen.draw(|frame| view.draw(frame))?;
        match screen.wait(next)? {
            Woken::Key(key) => match view.press(key) {
                Act::Nothing => {}
                Act::Leave => return Ok(()),
                Act::Run(words) => {
                    screen.leave_for(&words)?;
                    next = Instant::now();
                }
            },
            Woken::StopAsked => return Ok(()),
            Woken::TimeOver => {}
        }
    }
}

/// What bars are drawn with: a terminal whose locale is no UTF-8 has ASCII only.
fn bars() -> Bars {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(env).find(|value| !value.is_empty());
    let is_wide = locale.is_some_and(|name| name.to_uppercase().replace('-', "").contains("UTF8"));
    if is_wide { Bars::Blocks } else { Bars::Ascii }
}
