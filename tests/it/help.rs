//! Help: commands in groups on one page, examples with each, and an answer to commands of other tools.

use super::program::commands;
use super::sandbox::{Sandbox, same};

#[test]
fn the_top_page_shows_commands_in_groups_however_it_is_asked_for() {
    let sandbox = Sandbox::new();
    let page = sandbox.run(&["--help"]);
    assert_eq!((page.code, page.stderr.as_str()), (0, ""));
    let start = "Runs bhyve virtual machines from small recipes: `vmrun RECIPE [--init]`

Usage: vmrun [OPTIONS] <COMMAND>

Run machines:
  new          Write the recipe of a new machine, from the image of its system
  run          Rehearse a recipe, then run its machine in the foreground
  plan         Print the commands that a recipe would run, in order
";
    assert!(page.stdout.starts_with(start), "{}", page.stdout);
    let titles = page.stdout.lines().filter(|line| line.ends_with(':') && !line.starts_with(' '));
    let all = [
        "Run machines:",
        "See machines:",
        "Reach machines:",
        "Write recipes:",
        "Images and disks:",
        "Network:",
        "Share recipes:",
        "Elsewhere:",
        "Options:",
        "Exit codes:",
        "Environment:",
    ];
    assert_eq!(titles.collect::<Vec<_>>(), all);
    assert!(!commands(&page.stdout).any(|name| name == "supervise"), "{}", page.stdout);
    same(&sandbox.run(&["help"]).stdout, &page.stdout);
    let none = sandbox.run(&[]);
    same(&none.stderr, &page.stdout);
    assert_eq!((none.code, none.stdout.as_str()), (2, ""));
}

#[test]
fn every_command_has_examples_after_its_options() {
    let sandbox = Sandbox::new();
    let plan = sandbox.run(&["plan", "--help"]).stdout;
    let end = "
Examples:
  vmrun plan web.rhai --init
      Print the commands of its first boot; nothing is run
  vmrun plan web.rhai --on freebsd-15.0
      Print those that FreeBSD 15.0 would be given, on any system
";
    assert!(plan.ends_with(end), "{plan}");
    let prune = sandbox.run(&["help", "cache", "prune"]).stdout;
    let end = "
Examples:
  vmrun cache prune
      Remove what was not used for 30 days
  vmrun cache prune --older-than 0s --dry-run
      Print what removing all of it would remove
";
    assert!(prune.ends_with(end), "{prune}");
}

#[test]
fn a_command_of_another_tool_is_answered_with_ours() {
    let sandbox = Sandbox::new();
    let said = |args: &[&str]| {
        let done = sandbox.run(args);
        assert_eq!((done.code, done.stdout.as_str()), (2, ""), "{args:?}");
        done.stderr
    };
    same(
        &said(&["create", "web"]),
        "error: vmrun has no command `create`
 |
 = hint: `vmrun new NAME --os OS` writes the recipe of a machine, `vmrun RECIPE --init` makes its disks and boots its installer
",
    );
    same(
        &said(&["destroy", "--force", "web"]),
        "error: vmrun has no command `destroy`
 |
 = hint: `vmrun kill NAME` switches a machine off at once, `vmrun remove NAME` removes it with its disks
",
    );
    for verb in [
        "shell", "pause", "startall", "ip", "mount", "bcreate", "shutdown", "ps", "install", "poweroff", "delete",
        "rm", "up", "down", "ls", "reboot", "version",
    ] {
        let text = said(&[verb]);
        let first = format!("error: vmrun has no command `{verb}`\n |\n = hint: ");
        assert!(text.starts_with(&first) && text.contains("`vmrun "), "{text}");
    }
    // A recipe may have any name.
    std::fs::write(sandbox.path("ps"), "print(\"mine\");\n").unwrap();
    assert_eq!(sandbox.run(&["ps"]).stderr, "");
}

#[test]
fn options_are_known_by_the_names_that_they_had() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("shown.rhai"), "print(\"shown\");\n").unwrap();
    let plan = |option: &str| sandbox.run(&["plan", "shown.rhai", "--on", "freebsd", option, "config"]).code;
    assert_eq!((plan("--form"), plan("--format")), (0, 0));
    let help = sandbox.run(&["find", "--help"]).stdout;
    assert!(help.contains("--answer-within <TIME>") && !help.contains("--timeout"), "{help}");
}
