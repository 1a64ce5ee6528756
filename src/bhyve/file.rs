//! A machine as a bhyve_config(5) file, and the short command line that names the file.

use super::config;
use super::tree::Tree;
use crate::diag::Fault;
use crate::model::{Argv, Machine};
use std::path::Path;

/// Returns a machine's configuration, without its secrets. Configuration that vmrun does not know is set last, as it was given;
/// a fault is one of its keys that cannot stand beside the others.
pub(crate) fn tree(machine: &Machine) -> Result<Tree, Fault> {
    let mut tree = Tree::new();
    let given = machine.options().len();
    let entries = machine.entries();
    for (key, value) in &entries[..entries.len().saturating_sub(given)] {
        tree.set_literal(key, value)?;
    }
    for (key, value) in machine.options() {
        tree.set(key, value)?;
    }
    Ok(tree)
}

/// Returns the text of the file, without its secrets.
pub(crate) fn text(machine: &Machine) -> Result<String, Fault> {
    config::write(&tree(machine)?)
}

/// Returns the command line: the file, and what no file can say (bhyve(8), `-f`). The name is in the file.
pub(crate) fn argv(machine: &Machine, file: &Path) -> Argv {
    let items = machine.fw_items().iter().flat_map(|item| ["-f".to_string(), item.argument()]);
    Argv::new("bhyve").arg("-k").arg(file.display()).args(items).args(machine.args())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bhyve::command;
    use crate::model::{Draft, Target};

    /// The command lines of the fixture, each with its target.
    fn lines() -> Vec<(Target, Vec<String>)> {
        let text = include_str!("../../tests/fixtures/argv-valid.txt");
        let mut target = Target::default();
        let mut all = Vec::new();
        for line in text.lines() {
            if let Some(header) = line.strip_prefix("# FreeBSD ") {
                let (release, arch) = header.split_once(" on ").unwrap();
                target = Target { arch: arch.parse().unwrap(), release: release.parse().unwrap() };
            } else if line.starts_with("bhyve ") {
                all.push((target, line.split(' ').map(String::from).collect()));
            }
        }
        all
    }

    #[test]
    fn both_forms_are_the_same_machine() {
        let mut machines = 0;
        for (target, line) in lines() {
            // Those with files of their own are another test's.
            let Ok(reading) = command::read(&line, target, &|_| None) else { continue };
            let entries = reading.tree.entries().map(|(key, value)| (key.to_string(), value.to_string()));
            let (mut draft, _) = Draft::from_entries(entries);
            draft.target = target;
            let Ok(machine) = draft.check() else { continue };
            let argv = super::super::argv(&machine, Path::new("/secrets"));
            let by_argv = command::read(&owned(&argv), target, &|_| Some(String::new())).unwrap().tree;
            let file = text(&machine).unwrap();
            let name = Path::new("/machine");
            let by_file =
                command::read(&owned(&super::argv(&machine, name)), target, &|_| Some(file.clone())).unwrap().tree;
            let meaning = |mut tree: Tree| {
                // The flag for this default says nothing, and is not given.
                if tree.get("x86.x2apic") == Some("false") {
                    tree.remove("x86.x2apic");
                }
                tree.normalized(target)
            };
            assert_eq!(meaning(by_argv), meaning(by_file), "{line:?}");
            machines += 1;
        }
        assert!(machines > 30, "{machines} of the lines are machines");
    }

    fn owned(argv: &Argv) -> Vec<String> {
        argv.words().into_iter().map(String::from).collect()
    }
}
