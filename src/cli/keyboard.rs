//! `vmrun type`: types a text at the keyboard of a machine.

use super::find::{HostArgs, tell};
use super::run::duration;
use super::term::Term;
use crate::diag::{Diagnostic, Fault};
use crate::ops::display::type_text;
use clap::Args;
use std::io::Read as _;
use std::time::Duration;

#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct TypeArgs {
    /// The machine, by name or by recipe
    machine: String,
    /// What to type, or `-` to read it from the standard input
    #[arg(allow_hyphen_values = true)]
    text: String,
    /// How long after a key the next one is pressed
    #[arg(long, value_name = "TIME", default_value = "30ms", value_parser = duration)]
    pace: Duration,
    #[command(flatten)]
    hosts: HostArgs,
}

const AFTER: &str = "\
In the text \\n is the return key, \\t the tabulator, \\\\ and \\< are those characters, and <NAME> is a key or
several at once: <Enter> <Tab> <Esc> <Space> <Backspace> <Del> <Ins> <Home> <End> <PageUp> <PageDown> <Left>
<Right> <Up> <Down> <F1> to <F12>, after Shift-, Ctrl-, Alt- or Super-: <Ctrl-Alt-Del>, <Ctrl-c>.
What is typed is what a US keyboard has, which bhyve and QEMU give the guest unless they are told otherwise.

Others see arguments in ps(1): a password is better read from the standard input.";

pub(super) fn run(args: &TypeArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let mut text = args.text.clone();
    if text == "-" {
        text.clear();
        let read = std::io::stdin().read_to_string(&mut text);
        read.map_err(|why| vec![Fault::usage(format!("cannot read the standard input: {why}")).into()])?;
    }
    type_text(&args.machine, &text, args.pace, &args.hosts.query(), &mut tell(term))
}
