//! Help as it is shown: the groups of commands on the top page, examples after each command's options, and what is told there, which is
//! written in lines of its own width that a narrower terminal would break twice.

use super::groups;
use clap::Command;
use clap::builder::StyledStr;

/// How wide a line is at least that goes on in the next one.
const FULL: usize = 90;

/// Returns the program with its help as it is shown: its commands in groups, and each with examples.
pub(super) fn shown(program: Command) -> Command {
    let groups = groups::page(&program).ansi().to_string();
    let template =
        format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}Options:\n{{options}}{{after-help}}");
    told(program, &[]).help_template(StyledStr::from(template))
}

/// Adds examples to what commands tell after their options, and joins the lines of its paragraphs, so that each is wrapped once.
fn told(mut command: Command, path: &[&str]) -> Command {
    let after = command.get_after_help().map(|after| joined(&after.to_string()));
    let parts: Vec<String> = after.into_iter().chain(examples(&command, path)).collect();
    if !parts.is_empty() {
        command = command.after_help(parts.join("\n\n"));
    }
    let names: Vec<String> = command.get_subcommands().map(|inner| inner.get_name().to_string()).collect();
    names.iter().fold(command, |command, name| {
        command.mut_subcommand(name, |inner| told(inner, &[path, &[name.as_str()]].concat()))
    })
}

/// Returns the examples of a command, as its help shows them.
fn examples(command: &Command, path: &[&str]) -> Option<String> {
    let all = groups::examples(path, command.has_subcommands());
    let lines: String = all.iter().map(|(line, what)| format!("\n  {line}\n      {what}")).collect();
    (!lines.is_empty()).then(|| format!("Examples:{lines}"))
}

/// Joins lines: one that is full goes on in the next, unless that begins an item, a row of a table or a paragraph.
pub(super) fn joined(text: &str) -> String {
    let mut all: Vec<String> = Vec::new();
    let mut last = "";
    for line in text.lines() {
        let (indent, begun) = (indent(line), indent(last));
        let first = line.split_whitespace().next().map_or(0, |word| word.chars().count());
        let is_full = last.chars().count() + 1 + first > FULL;
        let is_item = line.trim_start().starts_with("- ") || line.trim().contains("  ") || line.trim().is_empty();
        let is_below = indent == begun || indent > begun && last.trim_start().starts_with("- ");
        match all.last_mut() {
            Some(paragraph) if is_full && !is_item && is_below => paragraph.extend([" ", line.trim()]),
            _ => all.push(line.into()),
        }
        // An item goes on with its first line's indent.
        last = line;
    }
    all.join("\n")
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_is_one_line_and_a_table_stays_as_it_is() {
        let long = "a word and another one ".repeat(4);
        let long = long.trim();
        let text = format!(
            "{long}\nwhich goes on.\nShort.\n  - {long}\n    goes on\n  - next\n  key  {long}\n  next  row\n\n{long}"
        );
        let expected = format!(
            "{long} which goes on.\nShort.\n  - {long} goes on\n  - next\n  key  {long}\n  next  row\n\n{long}"
        );
        assert_eq!(joined(&text), expected);
    }

    #[test]
    fn no_text_panics() {
        for text in ["", "\n", "é", "- \n  - "] {
            assert_eq!(joined(text), text.trim_end_matches('\n'));
        }
    }
}
