//! What is used at a desk, and not to run machines: the commands of the program `vmrun-tools`.
//!
//! A host that runs machines starts `vmrun` often, and needs none of this: it is a program of its own, which has the whole
//! command line, and to which `vmrun` hands over.

use super::term::Term;
use super::{
    Cli, audit, definitions, doc, import, keyboard, library, lsp, manual, record, screenshot, top, wait_screen,
};
use crate::diag::{Diagnostic, Fault};
use crate::host::handover;
use clap::{CommandFactory, Subcommand};

/// The program's name.
const PROGRAM: &str = "vmrun-tools";

#[derive(Subcommand)]
pub(super) enum Tools {
    /// Find what is wrong with recipes and libraries
    Check(super::check::CheckArgs),
    /// Run the tests of recipes on hosts that they describe
    Test(super::test::TestArgs),
    /// Write a recipe of a command line or configuration of bhyve, or of a guest of vm-bhyve
    Import(import::ImportArgs),
    /// Run a shell script with stand-ins, and write the recipe of what it would have done
    Record(record::RecordArgs),
    /// Name, fetch and pin the libraries that recipes share
    Lib(library::LibArgs),
    /// List all that a library can ask the host for
    Audit(audit::AuditArgs),
    /// Help an editor with recipes (Language Server Protocol)
    Lsp(lsp::LspArgs),
    /// Write the reference of words, or of a library's functions
    Doc(doc::DocArgs),
    /// Write what editors read of words and libraries: files of definitions
    Definitions(definitions::DefinitionsArgs),
    /// Watch the machines of this host
    Top(top::TopArgs),
    /// Save or show what is on the screen of a machine
    Screenshot(screenshot::ScreenshotArgs),
    /// Type at the keyboard of a machine
    Type(keyboard::TypeArgs),
    /// Wait until the screen of a machine shows something
    WaitScreen(wait_screen::WaitScreenArgs),
    /// Print the manual page
    Man,
    /// Print the completions of a shell
    Completions(manual::CompletionsArgs),
}

/// Does what a tool does.
pub(super) fn run(tool: Tools, term: &Term) -> Result<(), Vec<Diagnostic>> {
    match tool {
        Tools::Check(args) => super::check::run(&args, term),
        Tools::Test(args) => super::test::run(&args, term),
        Tools::Import(args) => import::run(&args, term),
        Tools::Record(args) => record::run(&args, term),
        Tools::Lib(args) => library::run(&args, term),
        Tools::Audit(args) => audit::run(&args, term),
        Tools::Lsp(args) => lsp::run(&args),
        Tools::Doc(args) => doc::run(&args, term),
        Tools::Definitions(args) => definitions::run(&args, term),
        Tools::Top(args) => top::run(&args, term),
        Tools::Screenshot(args) => screenshot::run(&args, term),
        Tools::Type(args) => keyboard::run(&args, term),
        Tools::WaitScreen(args) => wait_screen::run(&args, term),
        Tools::Man => manual::man(Cli::command(), term),
        Tools::Completions(args) => manual::completions(&args, Cli::command(), term),
    }
}

/// Becomes the program that has the tools, with the command line that this one was given.
pub(super) fn hand_over(_tool: Tools, _term: &Term) -> Result<(), Vec<Diagnostic>> {
    let Some(path) = handover::sibling(PROGRAM) else {
        let fault = Fault::host(format!("this command is in the program {PROGRAM}, which is not installed"));
        return Err(vec![fault.hint("it comes with vmrun, and belongs beside it or into PATH").into()]);
    };
    Err(vec![handover::hand_over_all(&path).into()])
}
