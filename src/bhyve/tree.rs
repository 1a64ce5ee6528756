//! bhyve's configuration: one tree of dotted keys, into which every flag writes (bhyve_config(5)).
//!
//! A tree holds values as bhyve stores them: nothing is expanded, nothing is checked. bhyve converts a value when it reads it,
//! key by key; [`super::config::expand`] and [`Tree::normalized`] do the same.

use super::escape;
use crate::diag::Fault;
use std::collections::BTreeMap;
use std::fmt;

/// A configuration. A key is a value or a node, never both; the order is that of bhyve's `config.dump`.
#[derive(Clone, Default)]
pub struct Tree {
    root: Node,
    /// Counts the writes, so that a node knows the order of its entries.
    writes: u64,
}

/// The entries of a node by name, each with the number of the write that put it there.
#[derive(Clone, Default)]
struct Node(BTreeMap<String, (u64, Entry)>);

#[derive(Clone)]
enum Entry {
    Value { key: String, value: String },
    Node(Node),
}

/// How many parts a key may have. bhyve has no limit, but its longest key has seven.
const PARTS_MAX: usize = 32;

impl Tree {
    /// Makes an empty configuration.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key to a value as bhyve stores it. A later value wins, and its key moves to the end of its node
    /// (bhyve_config(5)).
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), Fault> {
        check(key, value)?;
        let mut node = &mut self.root;
        let (parents, last) = key.rsplit_once('.').map_or((None, key), |(parents, last)| (Some(parents), last));
        for name in parents.into_iter().flat_map(|parents| parents.split('.')) {
            let made = || (self.writes, Entry::Node(Node::default()));
            match &mut node.0.entry(name.into()).or_insert_with(made).1 {
                Entry::Node(child) => node = child,
                Entry::Value { key: above, .. } => {
                    return Err(both(format!("`{key}` cannot be set: `{above}` has a value")));
                }
            }
        }
        if let Some((_, Entry::Node(child))) = node.0.get(last) {
            let below = child.first().unwrap_or_default();
            return Err(both(format!("`{key}` cannot have a value: `{below}` is set below it")));
        }
        node.0.insert(last.into(), (self.writes, Entry::Value { key: key.into(), value: value.into() }));
        self.writes += 1;
        Ok(())
    }

    /// Sets a key to a text that bhyve shall read back whole: a `%` in it is no reference (bhyve_config(5); the manual's `%%`
    /// is not what the source does, which takes a backslash).
    pub fn set_literal(&mut self, key: &str, text: &str) -> Result<(), Fault> {
        self.set(key, &escape(text))
    }

    /// Returns the value of a key as it is stored.
    pub fn get(&self, key: &str) -> Option<&str> {
        let (node, last) = match key.rsplit_once('.') {
            Some((parents, last)) => (self.node(parents)?, last),
            None => (&self.root, key),
        };
        match &node.0.get(last)?.1 {
            Entry::Value { value, .. } => Some(value),
            Entry::Node(_) => None,
        }
    }

    /// Takes a key away and returns its value. A node whose last value is taken is none any more.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        self.get(key)?;
        let parts: Vec<&str> = key.split('.').collect();
        self.root.remove(&parts)
    }

    /// Returns every key with its value, in the order of `config.dump`.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut found = Vec::new();
        self.root.collect(&mut found);
        found.into_iter()
    }

    /// Returns the keys below a node, relative to it, with their values, in order.
    pub fn under(&self, node: &str) -> impl Iterator<Item = (&str, &str)> {
        let mut found = Vec::new();
        if let Some(node) = self.node(node) {
            node.collect(&mut found);
        }
        let skipped = node.len() + 1;
        found.into_iter().map(move |(key, value)| (key.get(skipped..).unwrap_or_default(), value))
    }

    /// Returns whether keys are set below this one.
    pub fn has_node(&self, key: &str) -> bool {
        self.node(key).is_some()
    }

    /// Returns the names directly below a node, values and nodes, in order.
    pub fn names(&self, node: &str) -> Vec<&str> {
        self.node(node).map(|node| node.ordered().map(|(name, _)| name).collect()).unwrap_or_default()
    }

    /// Returns what differs, a line for each key, in the order of this tree and then of the other. The order of keys is no
    /// difference. Passwords are not shown.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for (key, here) in self.entries() {
            match other.get(key) {
                Some(there) if there == here => {}
                Some(_) if is_secret(key) => lines.push(format!("{key}: ***, not the other ***")),
                Some(there) => lines.push(format!("{key}: {}, not {}", shown_value(here), shown_value(there))),
                None => lines.push(format!("only here: {key}={}", shown(key, here))),
            }
        }
        let missing = other.entries().filter(|(key, _)| self.get(key).is_none());
        lines.extend(missing.map(|(key, value)| format!("only there: {key}={}", shown(key, value))));
        lines
    }

    fn node(&self, key: &str) -> Option<&Node> {
        key.split('.').try_fold(&self.root, |node, name| match &node.0.get(name)?.1 {
            Entry::Node(child) => Some(child),
            Entry::Value { .. } => None,
        })
    }
}

impl Node {
    fn ordered(&self) -> impl Iterator<Item = (&str, &Entry)> {
        let mut entries: Vec<(&String, &(u64, Entry))> = self.0.iter().collect();
        entries.sort_by_key(|(_, (written, _))| *written);
        entries.into_iter().map(|(name, (_, entry))| (name.as_str(), entry))
    }

    fn collect<'a>(&'a self, found: &mut Vec<(&'a str, &'a str)>) {
        for (_, entry) in self.ordered() {
            match entry {
                Entry::Value { key, value } => found.push((key, value)),
                Entry::Node(child) => child.collect(found),
            }
        }
    }

    fn first(&self) -> Option<&str> {
        match self.ordered().next()?.1 {
            Entry::Value { key, .. } => Some(key),
            Entry::Node(child) => child.first(),
        }
    }

    fn remove(&mut self, parts: &[&str]) -> Option<String> {
        let (name, rest) = parts.split_first()?;
        let taken = match &mut self.0.get_mut(*name)?.1 {
            Entry::Value { value, .. } => Some(std::mem::take(value)),
            Entry::Node(child) => child.remove(rest),
        };
        let empty = match self.0.get(*name)? {
            (_, Entry::Value { .. }) => true,
            (_, Entry::Node(child)) => child.0.is_empty(),
        };
        if empty {
            self.0.remove(*name);
        }
        taken
    }
}

/// The same keys with the same values in the same order.
impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        self.entries().eq(other.entries())
    }
}

impl Eq for Tree {}

/// Passwords are not shown.
impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.entries().map(|(key, value)| (key, shown(key, value)))).finish()
    }
}

/// Returns whether the value of a key must not be seen (bhyve(8), `fbuf`: `password`).
pub(crate) fn is_secret(key: &str) -> bool {
    key.rsplit('.').next() == Some("password")
}

/// Returns a value as people may see it.
pub(super) fn shown<'a>(key: &str, value: &'a str) -> &'a str {
    if is_secret(key) { "***" } else { value }
}

/// Returns an argument as people may see it: one line of at most 60 characters, nothing of what follows the word `password`.
pub(super) fn veiled(text: &str) -> String {
    const MAX: usize = 60;
    const WORD: &str = "password";
    let after = text.to_ascii_lowercase().find(WORD).map(|at| at + WORD.len()).filter(|at| *at < text.len());
    let (text, hidden) = after.and_then(|at| text.get(..at)).map_or((text, ""), |head| (head, "=***"));
    let mut line: String = text.chars().take(MAX).flat_map(char::escape_debug).collect();
    if text.chars().count() > MAX {
        line.push('…');
    }
    line + hidden
}

fn shown_value(value: &str) -> &str {
    if value.is_empty() { "\"\"" } else { value }
}

fn both(message: String) -> Fault {
    Fault::new(message).hint("a key of bhyve's configuration is a value or a node, never both: keep one of them")
}

fn check(key: &str, value: &str) -> Result<(), Fault> {
    let fault = |what: &str, hint: &str| Err(Fault::new(format!("`{}` {what}", veiled(key))).hint(hint));
    let breaks = |text: &str| text.contains(['\n', '\0']);
    if key.split('.').any(str::is_empty) {
        return fault(
            "is no key: a part of it is empty",
            "a key is words with single dots between them: `memory.size`",
        );
    }
    if key.split('.').count() > PARTS_MAX {
        return fault("has too many parts", &format!("at most {PARTS_MAX}; the longest key of bhyve has seven"));
    }
    if breaks(key) || key.contains('=') {
        return fault("is no key: it holds `=` or a line break", "the first `=` ends a key, and a line holds one key");
    }
    if breaks(value) {
        return fault("has a value that holds a line break or a NUL", "bhyve's configuration has one value a line");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(options: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::new();
        options.iter().for_each(|(key, value)| tree.set(key, value).unwrap());
        tree
    }

    fn dump(tree: &Tree) -> String {
        tree.entries().map(|(key, value)| format!("{key}={value} ")).collect()
    }

    #[test]
    fn the_last_value_wins_and_moves_to_the_end_of_its_node() {
        let mut tree = tree(&[("a.x", "1"), ("b", "2"), ("a.y", "3"), ("a.x", "4"), ("c.d.e", "5")]);
        assert_eq!(dump(&tree), "a.y=3 a.x=4 b=2 c.d.e=5 ");
        assert_eq!(tree.under("a").collect::<Vec<_>>(), [("y", "3"), ("x", "4")]);
        assert_eq!((tree.names("a"), tree.names("b"), tree.has_node("c.d")), (vec!["y", "x"], vec![], true));
        assert_eq!((tree.remove("c.d.e").as_deref(), tree.remove("c"), tree.remove("b.z")), (Some("5"), None, None));
        assert_eq!((tree.has_node("c"), tree.get("a.x"), tree.get("a")), (false, Some("4"), None));
    }

    #[test]
    fn a_key_is_a_value_or_a_node_but_not_both() {
        let mut tree = tree(&[("memory.size", "1G"), ("name", "vm")]);
        let mut message = |key: &str, value: &str| tree.set(key, value).unwrap_err().message;
        assert_eq!(message("memory", "1G"), "`memory` cannot have a value: `memory.size` is set below it");
        assert_eq!(message("name.first", "x"), "`name.first` cannot be set: `name` has a value");
        assert_eq!(message("a..b", "x"), "`a..b` is no key: a part of it is empty");
        assert_eq!(message("", "x"), "`` is no key: a part of it is empty");
        assert_eq!(message("a=b", "x"), "`a=b` is no key: it holds `=` or a line break");
        assert_eq!(message("a", "x\ny"), "`a` has a value that holds a line break or a NUL");
        assert_eq!(
            message("a.".repeat(40).trim_end_matches('.'), "x"),
            format!("`{}…` has too many parts", "a.".repeat(30))
        );
        assert_eq!(dump(&tree), "memory.size=1G name=vm ");
    }

    #[test]
    fn differences_are_told_key_by_key() {
        let here = tree(&[("name", "vm"), ("pci.0.4.0.path", "/a"), ("cpus", ""), ("only", "1"), ("same", "x")]);
        let there = tree(&[("same", "x"), ("pci.0.4.0.path", "/b"), ("name", "vm"), ("cpus", "2"), ("extra", "y")]);
        assert_eq!(
            here.differences(&there),
            ["pci.0.4.0.path: /a, not /b", "cpus: \"\", not 2", "only here: only=1", "only there: extra=y"]
        );
        assert_eq!(here.differences(&here), [""; 0]);
    }

    #[test]
    fn a_password_is_never_shown() {
        let here = tree(&[("pci.0.29.0.password", "hunter2"), ("w", "1")]);
        let there = tree(&[("pci.0.29.0.password", "hunter3")]);
        assert_eq!(here.differences(&there), ["pci.0.29.0.password: ***, not the other ***", "only here: w=1"]);
        assert_eq!(Tree::new().differences(&there), ["only there: pci.0.29.0.password=***"]);
        assert_eq!(format!("{here:?}"), r#"{"pci.0.29.0.password": "***", "w": "1"}"#);
        assert_eq!(veiled("29,fbuf,Password=hunter2,w=8"), "29,fbuf,Password=***");
    }
}
