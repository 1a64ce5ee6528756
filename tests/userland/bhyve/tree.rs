//! bhyve's configuration: one tree of dotted keys into which every flag writes, in the order of the command line.
//!
//! A key is a value or a node, never both. Values are checked when they are read, not when they are stored.

use std::fmt::Write;

use crate::exit::{Exit, NO_ERROR, Step, warn};
use crate::release::Release;

/// The status of nearly every error.
pub(crate) const ERROR: u8 = 4;

/// How deep references may go.
const MAX_DEPTH: u32 = 15;

#[derive(Debug)]
enum Entry {
    Value(String),
    /// A value without a text: `-l com1`. Reading it ends bhyve in libnv.
    Broken,
    Node(Node),
}

/// Entries in the order of their insertion; one that is overwritten moves to the end.
#[derive(Debug, Default)]
struct Node(Vec<(String, Entry)>);

impl Node {
    fn get(&self, name: &str) -> Option<&Entry> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, entry)| entry)
    }

    fn child(&self, name: &str) -> Option<&Node> {
        match self.get(name) {
            Some(Entry::Node(node)) => Some(node),
            _ => None,
        }
    }

    fn put(&mut self, name: &str, entry: Entry) {
        self.0.retain(|(key, _)| key != name);
        self.0.push((name.to_string(), entry));
    }

    fn dump(&self, prefix: &str, text: &mut String) {
        for (name, entry) in &self.0 {
            match entry {
                Entry::Node(node) => node.dump(&format!("{prefix}{name}."), text),
                Entry::Value(value) => {
                    let _ = writeln!(text, "{prefix}{name}={value}");
                }
                Entry::Broken => {}
            }
        }
    }
}

/// The whole configuration, and the release whose rules it follows.
#[derive(Debug)]
pub(crate) struct Tree {
    root: Node,
    pub(crate) release: Release,
}

/// An error of errx(3): the program's name, and status 4.
pub(crate) fn fatal(message: impl std::fmt::Display) -> Exit {
    Exit::new(ERROR, format!("bhyve: {message}"))
}

impl Tree {
    /// An empty configuration.
    pub(crate) fn new(release: Release) -> Self {
        Self { root: Node::default(), release }
    }

    /// Sets a key given by its whole path.
    pub(crate) fn set(&mut self, path: &str, value: &str) -> Step<()> {
        let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
        if path.contains('.') {
            self.make_node(parent)?;
        }
        let node = self.node_mut(parent)?;
        if node.child(name).is_some() {
            return Err(fatal(format!("Attempting to add value {value} to existing node {path}")));
        }
        node.put(name, Entry::Value(value.to_string()));
        Ok(())
    }

    /// Sets a key directly below a node. Here a dot in the name is an error.
    pub(crate) fn set_in(&mut self, node: &str, name: &str, value: &str) -> Step<()> {
        if name.contains('.') {
            return Err(fatal(format!("Invalid config node name {name}")));
        }
        self.make_node(node)?;
        let parent = self.node_mut(node)?;
        if parent.child(name).is_some() {
            return Err(fatal(format!("Attemping to add value {value} to existing node {name} of list {node}")));
        }
        parent.put(name, Entry::Value(value.to_string()));
        Ok(())
    }

    /// Stores a value without a text below a node.
    pub(crate) fn set_broken(&mut self, node: &str, name: &str) -> Step<()> {
        self.make_node(node)?;
        self.node_mut(node)?.put(name, Entry::Broken);
        Ok(())
    }

    /// Splits `VAR=VALUE` at the first `=` and sets it. False if it has no value.
    pub(crate) fn set_option(&mut self, option: &str) -> Step<bool> {
        match option.split_once('=') {
            Some((path, value)) if !value.is_empty() => self.set(path, value).map(|()| true),
            _ => Ok(false),
        }
    }

    /// Makes a node and those above it.
    pub(crate) fn make_node(&mut self, path: &str) -> Step<()> {
        let failed = |reason: String| {
            let mut exit = fatal(reason);
            exit.lines.push(format!("bhyve: Failed to create configuration node {path}"));
            exit
        };
        let mut node = &mut self.root;
        for name in path.split('.') {
            if name.is_empty() {
                return Err(failed(format!("Invalid configuration node: {path}")));
            }
            if node.get(name).is_none() {
                node.put(name, Entry::Node(Node::default()));
            }
            node = match node.0.iter_mut().find(|(key, _)| key == name) {
                Some((_, Entry::Node(child))) => child,
                _ => {
                    return Err(failed(format!("Configuration node {path} is a child of existing variable {name}")));
                }
            };
        }
        Ok(())
    }

    /// Whether there is a node at this path.
    pub(crate) fn has_node(&self, path: &str) -> bool {
        self.node(path).is_some()
    }

    /// The names below a node.
    pub(crate) fn names(&self, path: &str) -> Vec<&str> {
        self.node(path).map_or_else(Vec::new, |node| node.0.iter().map(|(name, _)| name.as_str()).collect())
    }

    /// Whether a value without a text is stored here.
    pub(crate) fn is_broken(&self, path: &str) -> bool {
        matches!(self.entry(path), Some(Entry::Broken))
    }

    /// A value, with its references expanded.
    pub(crate) fn get(&self, path: &str) -> Option<String> {
        let raw = self.raw(path)?;
        Some(if raw.contains('%') { self.expand(raw, 0) } else { raw.to_string() })
    }

    /// A boolean; any other word is an error.
    pub(crate) fn flag(&self, path: &str, default: bool) -> Step<bool> {
        let Some(value) = self.get(path) else {
            return Ok(default);
        };
        match value.to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Ok(true),
            "false" | "off" | "no" | "0" => Ok(false),
            _ => {
                // Below a device's node bhyve knows only the last part of the key.
                let name = if path.starts_with("pci.") { path.rsplit('.').next().unwrap_or(path) } else { path };
                Err(fatal(format!("Invalid value {value} for boolean variable {name}: {NO_ERROR}")))
            }
        }
    }

    /// All of it, as `config.dump` prints it.
    pub(crate) fn dump(&self) -> String {
        let mut text = String::new();
        self.root.dump("", &mut text);
        text
    }

    fn node(&self, path: &str) -> Option<&Node> {
        path.split('.').try_fold(&self.root, |node, name| node.child(name))
    }

    fn entry(&self, path: &str) -> Option<&Entry> {
        match path.rsplit_once('.') {
            Some((parent, name)) => self.node(parent)?.get(name),
            None => self.root.get(path),
        }
    }

    fn raw(&self, path: &str) -> Option<&str> {
        match self.entry(path)? {
            Entry::Value(value) => Some(value),
            Entry::Broken | Entry::Node(_) => None,
        }
    }

    /// The node at a path, which [`Self::make_node`] has made; the root for the empty path.
    fn node_mut(&mut self, path: &str) -> Step<&mut Node> {
        let mut node = &mut self.root;
        for name in path.split('.').filter(|_| !path.is_empty()) {
            node = match node.0.iter_mut().find(|(key, _)| key == name) {
                Some((_, Entry::Node(child))) => child,
                _ => return Err(Exit::fake(format!("no configuration node {path}"))),
            };
        }
        Ok(node)
    }

    /// Replaces `%(var)` by the variable's value and takes the backslash off what it protects.
    fn expand(&self, value: &str, depth: u32) -> String {
        let mut text = String::new();
        let mut rest = value;
        while let Some(next) = rest.chars().next() {
            let tail = &rest[next.len_utf8()..];
            rest = match next {
                '%' => self.reference(value, tail, depth, &mut text),
                '\\' if tail.is_empty() => {
                    warn(format!("bhyve: Trailing \\ in configuration value \"{value}\""));
                    tail
                }
                '\\' => {
                    let protected = tail.chars().next().map_or(0, char::len_utf8);
                    text += &tail[..protected];
                    &tail[protected..]
                }
                other => {
                    text.push(other);
                    tail
                }
            };
        }
        text
    }

    /// Expands what follows a `%` and returns the rest.
    fn reference<'a>(&self, value: &str, tail: &'a str, depth: u32, text: &mut String) -> &'a str {
        if depth > MAX_DEPTH {
            warn("bhyve: Too many recursive references in configuration value");
            text.push('%');
            return tail;
        }
        match tail.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            None => {
                warn(format!("bhyve: Invalid reference in configuration value \"{value}\""));
                text.push('%');
                tail
            }
            Some(("", rest)) => {
                warn(format!("bhyve: Empty reference in configuration value \"{value}\""));
                rest
            }
            Some((path, rest)) => {
                match self.raw(path) {
                    Some(raw) => *text += &self.expand(raw, depth + 1),
                    None => warn(format!("bhyve: Failed to fetch referenced configuration variable {path}")),
                }
                rest
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tree;
    use crate::release::Release;

    fn tree(options: &[&str]) -> Tree {
        let mut tree = Tree::new(Release::newest(15));
        for option in options {
            assert!(tree.set_option(option).unwrap(), "{option}");
        }
        tree
    }

    #[test]
    fn the_last_value_wins_and_moves_to_the_end_of_the_dump() {
        let tree = tree(&["a.x=1", "b=2", "a.y=3", "a.x=4"]);
        assert_eq!(tree.dump(), "a.y=3\na.x=4\nb=2\n");
    }

    #[test]
    fn only_the_first_equals_sign_splits_and_blanks_belong_to_the_value() {
        assert_eq!(tree(&["a= b=c "]).get("a").as_deref(), Some(" b=c "));
        assert!(!Tree::new(Release::newest(15)).set_option("a=").unwrap());
        assert!(!Tree::new(Release::newest(15)).set_option("a").unwrap());
    }

    #[test]
    fn a_key_is_a_value_or_a_node_but_not_both() {
        assert!(tree(&["memory.size=1G"]).set("memory", "1G").is_err());
        assert!(tree(&["memory=1G"]).set("memory.size", "1G").is_err());
        assert!(Tree::new(Release::newest(15)).set("a..b", "1").is_err());
        assert!(Tree::new(Release::newest(15)).set_in("pci.0.3.0", "pcireg.vendor", "1").is_err());
    }

    #[test]
    fn references_are_expanded_when_read_and_a_backslash_protects() {
        let tree = tree(&["name=vm", "path=/vm/%(name)/d.img", r"odd=50\% of \%(name)", r"plain=a\b"]);
        assert_eq!(tree.get("path").as_deref(), Some("/vm/vm/d.img"));
        assert_eq!(tree.get("odd").as_deref(), Some("50% of %(name)"));
        assert_eq!(tree.get("plain").as_deref(), Some(r"a\b"));
    }

    #[test]
    fn booleans_are_words_in_any_case() {
        let tree = tree(&["a=YES", "b=off", "c=maybe"]);
        assert!(tree.flag("a", false).unwrap() && !tree.flag("b", true).unwrap() && tree.flag("d", true).unwrap());
        assert!(tree.flag("c", true).is_err());
    }
}
