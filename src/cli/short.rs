//! What is typed most, and what programs call again and again, is parsed without all commands: only their own options are made.

use super::run::RunArgs;
use super::{Cli, Command};
use crate::ops::recipe::is_recipe;
use clap::Parser;

/// The options of one command, as a parser of its own: it is made in a tenth of the time that one of all commands takes, which is 5
/// to 8 % of a start, and half of the instructions of a plan.
#[derive(Parser)]
#[command(disable_help_flag = true)]
struct Only<A: clap::Args> {
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    args: A,
}

/// Parses a command line that begins with a recipe, with `run` or with `plan`, as it is typed most, with `monitor`, `ssh` or `exec`, as
/// programs call it again and again, or with what ssh itself runs twice. What it does not take, the whole command line has an answer to.
pub(super) fn parsed(args: &[String]) -> Option<Cli> {
    let at = args.iter().skip(1).position(|arg| !arg.starts_with('-'))? + 1;
    if is_recipe(&args[at]) {
        if let Some(args) = plain(args) {
            return Some(Cli { verbose: false, command: Command::Run(args) });
        }
        return only(args, Command::Run);
    }
    let rest = || [&args[..at], &args[at + 1..]].concat();
    match args[at].as_str() {
        "run" => only(&rest(), Command::Run),
        "plan" => only(&rest(), Command::Plan),
        "monitor" => only(&rest(), Command::Monitor),
        "exec" => only(&rest(), Command::Exec),
        "ssh" => only(&rest(), Command::Ssh),
        "ssh-offered" => only(&rest(), Command::SshOffered),
        _ => None,
    }
}

/// Reads `vmrun RECIPE` and `vmrun RECIPE --init`, as clap would.
fn plain(args: &[String]) -> Option<RunArgs> {
    let (recipe, init) = match args {
        [_, recipe] => (recipe, false),
        [_, recipe, flag] | [_, flag, recipe] if flag == "--init" => (recipe, true),
        _ => return None,
    };
    Some(RunArgs::plain(recipe, init))
}

fn only<A: clap::Args>(args: &[String], command: impl FnOnce(A) -> Command) -> Option<Cli> {
    let only = Only::<A>::try_parse_from(args).ok()?;
    Some(Cli { verbose: only.verbose, command: command(only.args) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(String::from).collect()
    }

    #[test]
    fn what_is_typed_most_is_parsed_without_all_commands_and_the_rest_with_them() {
        for (line, by_itself) in [
            ("vmrun web.rhai --init", Some("run")),
            ("vmrun -v run web.rhai --set a=b", Some("run")),
            ("vmrun plan web.rhai --json --no-query", Some("plan")),
            ("vmrun --verbose plan --on linux web.rhai", Some("plan")),
            ("vmrun plan plan", Some("plan")),
            ("vmrun web", None),
            ("vmrun monitor web --json", Some("monitor")),
            ("vmrun monitor --help", None),
            ("vmrun exec web --within 5s -- ls --help -v", Some("exec")),
            ("vmrun -v exec web -- ls", Some("exec")),
            ("vmrun exec web ls", None),
            ("vmrun exec web --help", None),
            ("vmrun ssh --wait 5m web", Some("ssh")),
            ("vmrun ssh web -- uname --version", Some("ssh")),
            ("vmrun ssh --help", None),
            ("vmrun ssh-offered web /k HOSTNAME ssh-ed25519 AAAA", Some("ssh-offered")),
            ("vmrun plan", None),
            ("vmrun plan --help", None),
            ("vmrun plan -V", None),
            ("vmrun plan web.rhai --bogus", None),
            ("vmrun plan web.rhai --json --places", None),
            ("vmrun help plan", None),
            ("vmrun check web.rhai", None),
            ("vmrun -v", None),
            ("vmrun", None),
        ] {
            let cli = parsed(&words(line));
            let is_verbose = cli.as_ref().map(|cli| cli.verbose);
            let name = cli.map(|cli| match cli.command {
                Command::Run(_) => "run",
                Command::Plan(_) => "plan",
                Command::Monitor(_) => "monitor",
                Command::Exec(_) => "exec",
                Command::Ssh(_) => "ssh",
                Command::SshOffered(_) => "ssh-offered",
                _ => "another",
            });
            assert_eq!(name, by_itself, "{line}");
            let own = line.split(" -- ").next().unwrap();
            assert_eq!(is_verbose, name.map(|_| own.contains(" -v") || own.contains("--verbose")), "{line}");
        }
    }

    #[test]
    fn what_is_read_without_clap_is_what_clap_reads() {
        for line in ["vmrun web.rhai", "vmrun web.rhai --init", "vmrun --init web.rhai"] {
            let args = words(line);
            assert_eq!(plain(&args), Only::try_parse_from(&args).ok().map(|only| only.args), "{line}");
        }
        for line in ["vmrun web.rhai --user-net", "vmrun -v web.rhai", "vmrun web.rhai --init --init", "vmrun"] {
            assert_eq!(plain(&words(line)), None, "{line}");
        }
    }
}
