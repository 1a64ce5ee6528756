//! Domains of libvirt: the XML that `virsh dumpxml` prints in, the command line of bhyve that libvirt's driver would run and notes on
//! everything else out. A domain of QEMU is read too, as far as bhyve has what it asks for.
//!
//! The facts are those of libvirt's bhyve driver (`bhyve_command.c`, `bhyve_device.c`) and of its documentation of the format. libvirt
//! gives bhyve no UUID. What is not read by name is noted, element by element and attribute by attribute.

mod devices;
mod disks;
mod machine;
mod slots;

use super::translated::Translated;
use crate::diag::Fault;
use crate::vmbhyve::Note;
use roxmltree::{Document, Node, ParsingOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// The longest text that is read, in bytes: domains have some thousands.
const LONGEST: usize = 1 << 20;

/// How many elements, attributes' owners, texts and comments a domain may have.
const NODES: u32 = 20_000;

/// How deep elements may stand in each other: libvirt's own stand eight deep.
const DEPTH: usize = 32;

/// How many notes are kept.
const NOTES: usize = 200;

/// Where a fault is in the text.
pub(super) type Wrong = (Range<usize>, Fault);

/// Whether a text is XML of libvirt.
pub(super) fn is(text: &str) -> bool {
    text.trim_start().starts_with('<') && text.contains("<dom")
}

/// What a file of libvirt's describes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Described {
    /// A domain, by its name.
    Domain(String),
    /// A network, by its name, with its bridge.
    Network(String, String),
}

/// Returns what a text describes, if it is libvirt's.
pub(crate) fn described(text: &str) -> Option<Described> {
    let document = parsed(text.trim_start_matches('\u{feff}')).ok()?;
    let outer = document.root_element();
    let is_named = |name: &'static str| move |node: &Node<'_, '_>| node.tag_name().name() == name;
    let find = |name| Some(outer).filter(is_named(name)).or_else(|| outer.children().find(is_named(name)));
    let name = |node: Node<'_, '_>| Some(node.children().find(is_named("name"))?.text()?.trim().to_string());
    if let Some(domain) = find("domain") {
        return name(domain).map(Described::Domain);
    }
    let network = find("network")?;
    let bridge = network.children().find(is_named("bridge"))?.attribute("name")?;
    Some(Described::Network(name(network)?, bridge.into()))
}

/// Returns the text with the values of passwords masked, byte by byte, so that places stay.
pub(super) fn hidden(text: &str) -> String {
    let spans = match parsed(text) {
        Ok(document) => passwords(&document),
        // What is no XML may have a password anywhere.
        Err(_) => Vec::from_iter(text.contains("passw").then_some(0..text.len())),
    };
    let mut bytes = text.as_bytes().to_vec();
    for span in spans {
        let part = bytes.get_mut(span).unwrap_or_default();
        part.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b'*');
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// Returns where passwords stand: attributes, and the arguments that are handed to a hypervisor.
fn passwords(document: &Document<'_>) -> Vec<Range<usize>> {
    let attributes = document.descendants().flat_map(|node| node.attributes().collect::<Vec<_>>());
    let is_secret = |name: &str, value: &str| {
        let has = |text: &str| text.to_ascii_lowercase().contains("passw");
        has(name) || has(value)
    };
    attributes.filter(|one| is_secret(one.name(), one.value())).map(|one| one.range_value()).collect()
}

fn parsed(text: &str) -> Result<Document<'_>, Wrong> {
    if text.len() > LONGEST {
        let fault = Fault::new(format!("the XML has {} bytes, and a domain of libvirt has a few thousand", text.len()));
        return Err((0..0, fault.hint("give what `virsh dumpxml NAME` prints")));
    }
    // No entities are declared, so that none can grow.
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| {
        let at = offset(text, error.pos());
        (at..at, Fault::new(format!("the XML cannot be read: {error}")).hint("give what `virsh dumpxml NAME` prints"))
    })?;
    let mut depths: BTreeMap<u32, usize> = BTreeMap::new();
    for node in document.descendants() {
        let depth = node.parent().and_then(|parent| depths.get(&parent.id().get())).map_or(0, |depth| depth + 1);
        if depth > DEPTH {
            let fault = Fault::new(format!("the elements of the XML stand more than {DEPTH} deep in each other"));
            return Err((node.range(), fault.hint("give what `virsh dumpxml NAME` prints")));
        }
        depths.insert(node.id().get(), depth);
    }
    Ok(document)
}

fn offset(text: &str, at: roxmltree::TextPos) -> usize {
    let row = usize::try_from(at.row).unwrap_or(1).saturating_sub(1);
    let start: usize = text.split_inclusive('\n').take(row).map(str::len).sum();
    let line = text.get(start..).unwrap_or_default();
    let column = usize::try_from(at.col).unwrap_or(1).saturating_sub(1);
    start + line.char_indices().nth(column).map_or(0, |(at, _)| at)
}

/// A domain while it is read: what was asked for, and what was said of it.
pub(super) struct Reading<'a, 'input> {
    /// Whether it is a domain of bhyve, so that its addresses are bhyve's.
    pub(super) is_bhyve: bool,
    /// What other machines have: taps by name, ports of screens by number.
    pub(super) taken: &'a BTreeSet<String>,
    /// The bridges of libvirt's networks, by name, where they are known.
    pub(super) bridges: &'a BTreeMap<String, String>,
    pub(super) faults: Vec<Wrong>,
    lines: Vec<usize>,
    seen: BTreeSet<u32>,
    attributes: BTreeSet<(u32, &'a str)>,
    notes: Vec<Note>,
    root: Node<'a, 'input>,
}

impl<'a, 'input> Reading<'a, 'input> {
    /// Returns the elements of a name in another.
    pub(super) fn children(&mut self, node: Node<'a, 'input>, name: &str) -> Vec<Node<'a, 'input>> {
        let is_it = |child: &Node<'_, '_>| child.tag_name().name() == name && child.tag_name().namespace().is_none();
        let found: Vec<Node<'_, '_>> = node.children().filter(is_it).collect();
        self.seen.extend(found.iter().map(|node| node.id().get()));
        found
    }

    /// Returns the first element of a name in another; libvirt reads no second one.
    pub(super) fn child(&mut self, node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
        let is_it = |child: &Node<'_, '_>| child.tag_name().name() == name && child.tag_name().namespace().is_none();
        let found = node.children().find(is_it)?;
        self.seen.insert(found.id().get());
        Some(found)
    }

    /// Returns the value of an attribute.
    pub(super) fn attribute(&mut self, node: Node<'a, 'input>, name: &'a str) -> Option<&'a str> {
        self.attributes.insert((node.id().get(), name));
        node.attribute(name).map(str::trim).filter(|value| !value.is_empty())
    }

    /// Returns the attribute of an element's first element of a name.
    pub(super) fn of(&mut self, node: Node<'a, 'input>, child: &str, name: &'a str) -> Option<&'a str> {
        let child = self.child(node, child)?;
        self.attribute(child, name)
    }

    /// Returns the text of an element's first element of a name.
    pub(super) fn text(&mut self, node: Node<'a, 'input>, child: &str) -> Option<&'a str> {
        let child = self.child(node, child)?;
        child.text().map(str::trim).filter(|text| !text.is_empty())
    }

    /// Takes an element with all that is in it for read, as it says nothing to bhyve.
    pub(super) fn take_whole(&mut self, node: Node<'a, 'input>) {
        for inner in node.descendants() {
            self.seen.insert(inner.id().get());
            self.attributes.extend(inner.attributes().map(|one| (inner.id().get(), one.name())));
        }
    }

    fn line(&self, node: Node<'_, '_>) -> usize {
        self.lines.partition_point(|start| *start <= node.range().start)
    }

    /// Returns the path of an element, without the domain's own name.
    fn path(node: Node<'_, '_>) -> String {
        let mut names: Vec<&str> =
            node.ancestors().filter(Node::is_element).map(|node| node.tag_name().name()).collect();
        names.reverse();
        let from = names.iter().position(|name| *name == "domain").map_or(0, |at| at + 1);
        match names.get(from..).unwrap_or_default() {
            [] => "domain".into(),
            inner => inner.join("/"),
        }
    }

    /// Notes something about an element.
    pub(super) fn note(&mut self, node: Node<'_, '_>, text: impl Into<String>) {
        self.notes.push(Note::new(self.line(node), Self::path(node), text));
    }

    /// Notes what the recipe is not whole without.
    pub(super) fn hole(&mut self, node: Node<'_, '_>, text: impl Into<String>) {
        self.notes.push(Note { is_hole: true, ..Note::new(self.line(node), Self::path(node), text) });
    }

    /// Refuses an element.
    pub(super) fn fault(&mut self, node: Node<'_, '_>, fault: Fault) {
        self.faults.push((node.range_start(), fault));
    }

    /// Returns the notes, with one for each element and attribute that nobody asked for.
    fn finish(mut self) -> Vec<Note> {
        let mut unread = Vec::new();
        let mut pending = vec![self.root];
        while let Some(node) = pending.pop() {
            for one in node.attributes().filter(|one| !self.attributes.contains(&(node.id().get(), one.name()))) {
                let key = format!("{}@{}", Self::path(node), one.name());
                unread.push(Note::new(self.line(node), key, "it has no place in a machine of bhyve, and is left out"));
            }
            for child in node.children().filter(Node::is_element) {
                if self.seen.contains(&child.id().get()) {
                    pending.push(child);
                } else {
                    let text = "it has no place in a machine of bhyve, and is left out";
                    unread.push(Note::new(self.line(child), Self::path(child), text));
                }
            }
        }
        self.notes.extend(unread);
        self.notes.sort();
        self.notes.dedup();
        let more = self.notes.len().saturating_sub(NOTES);
        self.notes.truncate(NOTES);
        self.notes.extend((more > 0).then(|| Note::new(0, "", format!("{more} more are left out"))));
        self.notes
    }
}

/// The tag that an element begins with.
trait Begins {
    fn range_start(&self) -> Range<usize>;
}

impl Begins for Node<'_, '_> {
    fn range_start(&self) -> Range<usize> {
        let range = self.range();
        range.start..range.end.min(range.start + 1 + self.tag_name().name().len())
    }
}

/// Reads a domain.
pub(super) fn read(
    text: &str,
    taken: &BTreeSet<String>,
    bridges: &BTreeMap<String, String>,
) -> Result<Translated, Vec<Wrong>> {
    let document = parsed(text).map_err(|wrong| vec![wrong])?;
    let outer = document.root_element();
    let is_domain = |node: &Node<'_, '_>| node.tag_name().name() == "domain";
    // A file of libvirt's own of a domain that runs has the domain in it.
    let Some(root) = Some(outer).filter(is_domain).or_else(|| outer.children().find(is_domain)) else {
        let fault = Fault::new(format!("the XML is of a <{}>, not of a <domain>", outer.tag_name().name()));
        return Err(vec![(outer.range_start(), fault.hint("give what `virsh dumpxml NAME` prints"))]);
    };
    let starts = text.match_indices('\n').map(|(at, _)| at + 1);
    let mut reading = Reading {
        is_bhyve: false,
        taken,
        bridges,
        faults: Vec::new(),
        lines: [0].into_iter().chain(starts).collect(),
        seen: BTreeSet::new(),
        attributes: BTreeSet::new(),
        notes: Vec::new(),
        root,
    };
    let mut domain = machine::read(&mut reading, root);
    if !reading.faults.is_empty() {
        return Err(reading.faults);
    }
    domain.notes = reading.finish();
    Ok(domain)
}

#[cfg(test)]
mod tests;
