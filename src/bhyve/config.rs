//! The files of `-k`: bhyve_config(5).

use super::tree::{Tree, is_secret, veiled};
use crate::diag::Fault;

/// How deep references may lead, as in bhyve's source.
const DEPTH_MAX: u32 = 16;

/// How many references one value may lead to, how many bytes it may grow to, and of how much is warned. bhyve has no such limits.
const REFERENCES_MAX: u32 = 4096;
const BYTES_MAX: usize = 1 << 16;
const WARNINGS_MAX: usize = 32;

/// Reads a file into a tree, as if each of its lines were a `-o` (bhyve_config(5)). Nothing is trimmed; empty lines and those
/// that begin with `#` are skipped; a line of blanks is a fault. `name` is the file's, for the messages.
///
/// Faults come with their line, from 1. The lines that are right are in the tree even so.
pub fn read(text: &str, tree: &mut Tree, name: &str) -> Result<(), Vec<(usize, Fault)>> {
    let mut faults = Vec::new();
    for (line, option) in lines(text) {
        let set = option.and_then(|(key, value)| tree.set(key, value));
        faults.extend(set.err().map(|fault| (line, fault.context(format!("`{}` line {line}", veiled(name))))));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// What a line says: a key and its value.
type ConfigLine<'a> = Result<(&'a str, &'a str), Fault>;

/// Returns the lines that say something, with their numbers from 1.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, ConfigLine<'_>)> {
    let numbered = text.split('\n').enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    numbered.map(|(at, line)| (at + 1, option(line)))
}

/// Splits `KEY=VALUE` at the first `=` (bhyve(8), `-o`).
pub(super) fn option(text: &str) -> ConfigLine<'_> {
    const HOW: &str = "write KEY=VALUE; blanks around either are part of it";
    match text.split_once('=') {
        Some((key, "")) => Err(Fault::new(format!("`{}` has an empty value", veiled(key))).hint(HOW)),
        Some((key, value)) => Ok((key, value)),
        None => Err(Fault::new(format!("\"{}\" is not KEY=VALUE", veiled(text))).hint(HOW)),
    }
}

/// Writes a tree as a file, a line for each key; read again, it gives the same tree. Values are written as they are stored:
/// a `%` that shall be none of a reference is escaped where it is set, by [`Tree::set_literal`].
///
/// Passwords are written like all else: the caller takes them out first.
pub fn write(tree: &Tree) -> Result<String, Fault> {
    let mut text = String::new();
    for (key, value) in tree.entries() {
        if value.is_empty() {
            let hint = "leave the key out, or give it a value";
            return Err(Fault::new(format!("`{key}` is empty, which a configuration file cannot say")).hint(hint));
        }
        if key.starts_with('#') {
            let hint = "bhyve reads no such key: leave it out";
            return Err(Fault::new(format!("`{key}` would be a comment in a configuration file")).hint(hint));
        }
        text.extend([key, "=", value, "\n"]);
    }
    Ok(text)
}

/// A value as bhyve reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expanded {
    /// The value with what its variables stand for.
    pub text: String,
    /// What bhyve warns of and reads as it can.
    pub warnings: Vec<Fault>,
}

/// Expands the references `%(key)` of a value as bhyve does when it reads one (bhyve_config(5)). Only where a value holds a `%`
/// is the backslash an escape, which takes the next character as it is. Passwords are not copied into other values.
///
/// The text and the warnings of a password's own value are as secret as the value.
pub fn expand(tree: &Tree, value: &str) -> Expanded {
    let bytes = BYTES_MAX.max(value.len());
    let mut expansion = Expansion { tree, done: Expanded::default(), references: 0, bytes };
    expansion.value(value, 0);
    expansion.done
}

struct Expansion<'a> {
    tree: &'a Tree,
    done: Expanded,
    references: u32,
    /// How many bytes the text may have.
    bytes: usize,
}

impl Expansion<'_> {
    fn warn(&mut self, message: String, hint: &str) {
        let fault = Fault::new(message).hint(hint);
        if self.done.warnings.len() < WARNINGS_MAX && !self.done.warnings.contains(&fault) {
            self.done.warnings.push(fault);
        }
    }

    fn value(&mut self, value: &str, depth: u32) {
        if !value.contains('%') {
            return self.push(value);
        }
        let mut rest = value;
        while let Some(at) = rest.find(['%', '\\']) {
            let (before, special) = rest.split_at(at);
            self.push(before);
            let (special, tail) = special.split_at(1);
            rest = match tail.chars().next() {
                _ if special == "%" => self.reference(tail, depth),
                Some(protected) => {
                    let (protected, tail) = tail.split_at(protected.len_utf8());
                    self.push(protected);
                    tail
                }
                None => {
                    self.warn(
                        "a value ends in a backslash".into(),
                        "in a value with `%`, write `\\\\` for a backslash",
                    );
                    tail
                }
            };
        }
        self.push(rest);
    }

    /// Expands what follows a `%` and returns the rest.
    fn reference<'t>(&mut self, tail: &'t str, depth: u32) -> &'t str {
        let Some((key, rest)) = tail.strip_prefix('(').and_then(|inner| inner.split_once(')')) else {
            self.warn("a `%` begins no reference".into(), "write `%(key)` for a value, `\\%` for a `%`");
            self.push("%");
            return tail;
        };
        self.references += 1;
        let shown = veiled(key);
        match self.tree.get(key) {
            _ if key.is_empty() => self.warn("`%()` names no key".into(), "write `%(key)`"),
            _ if depth + 1 >= DEPTH_MAX || self.references > REFERENCES_MAX => {
                self.warn(format!("`%({shown})` leads too deep"), "references may not lead back to themselves");
            }
            Some(_) if is_secret(key) => {
                self.warn(format!("`%({shown})` would copy a password"), "a password is read from its own key only")
            }
            Some(value) => {
                let value = value.to_string();
                self.value(&value, depth + 1);
            }
            None => self.warn(format!("`%({shown})` names a key that is not set"), "bhyve reads nothing there"),
        }
        rest
    }

    fn push(&mut self, text: &str) {
        if self.done.text.len() + text.len() > self.bytes {
            return self.warn("a value grows without end".into(), "references may not lead back to themselves");
        }
        self.done.text += text;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tree(text: &str) -> Tree {
        let mut tree = Tree::new();
        read(text, &mut tree, "vm.conf").unwrap();
        tree
    }

    fn expanded(tree: &Tree, value: &str) -> String {
        let Expanded { text, warnings } = expand(tree, value);
        warnings.iter().fold(text, |text, warning| format!("{text} | {warning}"))
    }

    #[test]
    fn a_file_is_read_line_by_line_and_nothing_is_trimmed() {
        let text = "# a comment\n\nname=vm\nmemory.size= 1G \na.b=c=d\nname=again";
        let tree = tree(text);
        assert_eq!(tree.entries().collect::<Vec<_>>(), [("memory.size", " 1G "), ("a.b", "c=d"), ("name", "again")]);
        assert_eq!(write(&tree).unwrap(), "memory.size= 1G \na.b=c=d\nname=again\n");
    }

    #[test]
    fn every_line_that_is_wrong_is_named() {
        let mut tree = Tree::new();
        let faults = read("name\n  \nx=\na.b=1\na=2\n #c\npci.0.29.0.password hunter2\na..b=1\n", &mut tree, "vm.conf");
        let faults: Vec<String> = faults.unwrap_err().into_iter().map(|(at, f)| format!("{at} {f}")).collect();
        assert_eq!(
            faults,
            [
                "1 `vm.conf` line 1: \"name\" is not KEY=VALUE",
                "2 `vm.conf` line 2: \"  \" is not KEY=VALUE",
                "3 `vm.conf` line 3: `x` has an empty value",
                "5 `vm.conf` line 5: `a` cannot have a value: `a.b` is set below it",
                "6 `vm.conf` line 6: \" #c\" is not KEY=VALUE",
                "7 `vm.conf` line 7: \"pci.0.29.0.password=***\" is not KEY=VALUE",
                "8 `vm.conf` line 8: `a..b` is no key: a part of it is empty",
            ]
        );
    }

    #[test]
    fn references_are_expanded_as_bhyve_does_when_it_reads() {
        let tree = tree("name=vm\npath=/vm/%(name)/d.img\nloop=x%(loop)\nodd=a\\b\nf.password=hunter2");
        assert_eq!(expanded(&tree, "%(path),%(name)"), "/vm/vm/d.img,vm");
        assert_eq!(expanded(&tree, r"50\% of \%(name)\\"), r"50% of %(name)\");
        assert_eq!(expanded(&tree, r"C:\x"), r"C:\x");
        assert_eq!(expanded(&tree, "%(odd)"), r"a\b");
        assert_eq!(expanded(&tree, "100%"), "100% | a `%` begins no reference");
        assert_eq!(
            expanded(&tree, "%()%(nme)\\"),
            " | `%()` names no key | `%(nme)` names a key that is not set | a value ends in a backslash"
        );
        assert_eq!(expanded(&tree, "%(loop)"), format!("{} | `%(loop)` leads too deep", "x".repeat(15)));
        assert_eq!(
            expanded(&tree, "%(f.password)"),
            " | `%(f.password=***)` would copy a password".replace("=***", "")
        );
    }

    #[test]
    fn references_that_multiply_come_to_an_end() {
        let tree = tree(&format!("a={}\nb={}%(b)", "%(a)".repeat(1000), "x".repeat(500_000)));
        assert!(expand(&tree, "%(a)").text.is_empty());
        assert!(expand(&tree, "%(b)").text.len() <= BYTES_MAX);
        let long = "x".repeat(BYTES_MAX * 2);
        assert_eq!(expand(&tree, &long).text, long);
        let many: String = (0..9999).map(|number| format!("%({number})")).collect();
        assert_eq!(expand(&tree, &many).warnings.len(), WARNINGS_MAX);
    }

    #[test]
    fn what_a_file_cannot_say_is_refused() {
        let message = |key: &str, value: &str| {
            let mut tree = Tree::new();
            tree.set(key, value).unwrap();
            write(&tree).unwrap_err().message
        };
        assert_eq!(message("cpus", ""), "`cpus` is empty, which a configuration file cannot say");
        assert_eq!(message("#a", "1"), "`#a` would be a comment in a configuration file");
    }

    proptest! {
        #[test]
        fn no_text_panics(text: String, value: String) {
            let mut tree = Tree::new();
            let _ = read(&text, &mut tree, "x");
            let _ = read(&value, &mut tree, "x");
            let _ = expand(&tree, &value);
        }

        #[test]
        fn what_is_written_reads_back(pairs in prop::collection::vec(("[a-c](\\.[a-c#]){0,3}", "[^\n\0]{1,12}"), 0..9)) {
            let mut tree = Tree::new();
            for (key, value) in &pairs {
                let _ = tree.set(key, value);
            }
            let mut again = Tree::new();
            read(&write(&tree).unwrap(), &mut again, "x").unwrap();
            prop_assert_eq!(again, tree);
        }

        #[test]
        fn a_literal_text_is_read_back_whole(text in "[^\n\0]*|[%\\\\()a]{0,9}") {
            let mut tree = Tree::new();
            tree.set("a", "x").unwrap();
            tree.set_literal("key", &text).unwrap();
            let expanded = expand(&tree, tree.get("key").unwrap());
            prop_assert_eq!(expanded, Expanded { text, warnings: vec![] });
        }
    }
}
