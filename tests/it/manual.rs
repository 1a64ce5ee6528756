//! The pages of the manual, which come from the same descriptions as `--help`.

use super::program::commands;
use super::sandbox::{Sandbox, same};

/// The long flags that a help text has.
fn flags(help: &str) -> Vec<&str> {
    let words = help.split_whitespace().map(|word| word.trim_end_matches([',', '.', ')', '`']));
    words.filter(|word| word.starts_with("--") && word.len() > 2 && !["--help", "--version"].contains(word)).collect()
}

fn printed(sandbox: &Sandbox, args: &[&str]) -> String {
    let done = sandbox.finish(&mut sandbox.command(args));
    assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{args:?}");
    done.stdout
}

#[test]
fn every_command_has_a_page_with_every_flag() {
    let sandbox = Sandbox::new();
    let help = printed(&sandbox, &["--help"]);
    let map = printed(&sandbox, &["man"]).replace("\\-", "-");
    for command in commands(&help) {
        assert!(map.contains(&format!("\n.TP\n\\fB{command}\\fR\n")), "{command}");
        let page = printed(&sandbox, &["man", command]).replace("\\-", "-");
        let head = format!(".TH VMRUN-{} 1 ", command.to_uppercase());
        assert!(page.contains(&head) && page.contains("\n.SH EXAMPLES\n"), "{page}");
        for flag in flags(&printed(&sandbox, &[command, "--help"])) {
            let name = flag.split(['=', '[', '<']).next().unwrap();
            assert!(page.contains(name) || map.contains(name), "{command} {flag}");
        }
    }
}

#[test]
fn the_first_page_is_short_and_leads_to_the_others() {
    let sandbox = Sandbox::new();
    let page = printed(&sandbox, &["man"]);
    let sections: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
    let all = [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "COMMANDS",
        "OPTIONS",
        "\"EXIT STATUS\"",
        "ENVIRONMENT",
        "FILES",
        "EXAMPLES",
        "\"SEE ALSO\"",
    ];
    assert_eq!(sections, all);
    assert!(page.lines().count() < 400, "{}", page.lines().count());
    let language = printed(&sandbox, &["man", "recipe"]);
    assert!(language.contains("\n\\fBfbuf,rfb=unix:PATH\\fR\nFreeBSD 15.1 (documented: release notes 15.1).\n"));
    assert!(language.contains("\nFreeBSD 15.0; before it, \\-A (inferred: amd64/bhyverun_machdep.c).\n"));
    same(&language, &printed(&sandbox, &["doc", "--format", "man"]));
    let done = sandbox.run(&["man", "plann"]);
    assert_eq!((done.code, done.stdout.as_str()), (2, ""));
    same(&done.stderr, "error: there is no page `plann`\n |\n = hint: did you mean `plan`?\n");
    same(&sandbox.run(&["man", "x"]).stderr, "error: there is no page `x`\n |\n = hint: `vmrun man` lists them\n");
}

#[test]
fn all_pages_are_written_into_the_folders_of_their_sections() {
    let sandbox = Sandbox::new();
    let out = sandbox.path("share/man");
    let written = printed(&sandbox, &["man", "--out", out.to_str().unwrap()]);
    let help = printed(&sandbox, &["--help"]);
    let mut expected = vec!["man1/vmrun.1".to_string()];
    expected.extend(commands(&help).map(|command| format!("man1/vmrun-{command}.1")));
    expected.extend(["recipe.5", ".toml.5", "config.5"].map(|end| {
        let dash = if end.starts_with('.') { "" } else { "-" };
        format!("man5/vmrun{dash}{end}")
    }));
    let paths: Vec<String> = expected.iter().map(|file| format!("[tmp]/share/man/{file}")).collect();
    same(&written, &format!("{}\n", paths.join("\n")));
    same(&std::fs::read_to_string(out.join("man1/vmrun-plan.1")).unwrap(), &printed(&sandbox, &["man", "plan"]));
}
