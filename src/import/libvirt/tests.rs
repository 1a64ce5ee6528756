//! Whole domains and what bhyve is told of them.

use super::*;
use proptest::prelude::*;

fn domain(text: &str) -> Result<Translated, Vec<Wrong>> {
    read(text, &BTreeSet::new(), &BTreeMap::new())
}

#[test]
fn bombs_are_refused_at_once() {
    let told = |text: &str| domain(text).err().unwrap().remove(0).1.message;
    let entities = "<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]><domain><name>&b;</name></domain>";
    assert!(told(entities).starts_with("the XML cannot be read: "), "{}", told(entities));
    let deep = format!("<domain>{}{}</domain>", "<a>".repeat(15_000), "</a>".repeat(15_000));
    assert_eq!(told(&deep), "the elements of the XML stand more than 32 deep in each other");
    let wide = format!("<domain>{}</domain>", "<a/>".repeat(30_000));
    assert!(told(&wide).starts_with("the XML cannot be read: "), "{}", told(&wide));
    let long = format!("<domain><name>{}</name></domain>", "a".repeat(1 << 20));
    assert!(told(&long).contains("and a domain of libvirt has a few thousand"));
}

#[test]
fn a_password_is_hidden_wherever_it_stands() {
    let text = "<domain><graphics passwd='hunter2'/><a value=\"-s 9,fbuf,password=hunter2\"/></domain>";
    let shown = hidden(text);
    assert!(!shown.contains("hunter") && shown.len() == text.len(), "{shown}");
    assert!(!hidden("<domain><graphics passwd='hunter2'").contains("hunter"));
}

proptest! {
    #[test]
    fn no_text_panics(text in "(<domain( type='(bhyve|kvm)')?>|</?(name|memory|devices|disk|interface|source)>|<disk/>|[<>&'\" a1/é-])*") {
        drop(domain(&text));
        prop_assert!(hidden(&text).len() == text.len());
    }
}
