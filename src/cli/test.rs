//! `vmrun test [PATH…]`: runs the tests of recipes on hosts that they describe.

use super::check::count;
use super::term::Term;
use crate::diag::snippet::{Colour, draw};
use crate::diag::{Diagnostic, Fault};
use crate::ops::test::{Event, Options, Summary, TestRun, run as run_tests};
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct TestArgs {
    /// Files of tests, and folders in which they end in _test.rhai (.)
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Run only those tests whose name holds this text
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Write what recipes do now into the tests, in place of the plans that differ
    #[arg(long)]
    bless: bool,
    /// Write a report in the form of JUnit
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

const AFTER: &str = "\
A test is a function `fn test_…()`; a file without one is a test as a whole. Each has a host of its own, in memory:

  fn test_the_installer_makes_the_disk() {
      host(#{ interfaces: #{ bridge2: \"bridge\" }, files: [\"/iso/a.iso\"], release: \"15.0\" });
      exits([\"reboot\", \"poweroff\"]);
      let r = recipe(\"lab.rhai\", #{ init: true, params: #{ cpus: 4 } });
      assert_plan(r, `…`);             // what was done, line by line; --bless writes it
      prove_clean(r);                  // fails each effect in turn: nothing is left
  }

assert_error(r, \"…\") wants a failure with these words, assert_clean(r) that nothing failed and nothing is left, and
assert(condition, \"why\") anything. r has plan, errors, warnings and printed.

host knows platform, release, interfaces, files (a list of paths, or a map of paths to a size, a text or (); a folder ends
in /), secrets, env, hostname, lacks (programs), answers (of query and run), cpus and memory. exits knows reboot, poweroff, halt, triple_fault, error
and killed; a boot that is not told of powers off.

Exit codes:
  0    every test passed
  1    a test failed
  2    the command line is wrong";

pub(super) fn run(args: &TestArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let options =
        Options { paths: &args.paths, only: args.only.as_deref(), rewrites: args.bless, junit: args.junit.as_deref() };
    let summary = run_tests(&options, &mut |event| match event {
        Event::Begun(number) => term.data(format!("running {}", count(number, "test"))),
        Event::Ended(test) => {
            term.data(format!("test {} ... {}", test.title(), if test.has_passed() { "ok" } else { "FAILED" }))
        }
    })?;
    Ok(ended(&summary, term)?)
}

fn ended(summary: &Summary, term: &Term) -> Result<(), Fault> {
    let failed: Vec<&TestRun> = summary.tests.iter().filter(|test| !test.has_passed()).collect();
    if !failed.is_empty() {
        term.data("\nfailures:\n")?;
        for test in &failed {
            term.data(format!("---- {} ----", test.title()))?;
            test.outcome.printed.iter().try_for_each(|line| term.data(line))?;
            test.outcome.faults.iter().try_for_each(|fault| term.data(draw(fault, Colour::Plain)))?;
            term.data("")?;
        }
        term.data("failures:")?;
        failed.iter().try_for_each(|test| term.data(format!("    {}", test.title())))?;
    }
    let word = if failed.is_empty() { "ok" } else { "FAILED" };
    let passed = summary.tests.len() - failed.len();
    let seconds = summary.time.as_secs_f64();
    term.data(format!("\ntest result: {word}. {passed} passed; {} failed; finished in {seconds:.2}s", failed.len()))?;
    if failed.is_empty() { Ok(()) } else { Err(Fault::new(format!("{} failed", count(failed.len(), "test")))) }
}
