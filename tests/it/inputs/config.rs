//! Files of bhyve_config(5): a line with a number for the release and architecture, then the file.

use super::machine;
use vmrun::internals::bhyve::config::{expand, read, write};
use vmrun::internals::bhyve::tree::Tree;

const FIXTURE: &str = include_str!("../../fixtures/argv-valid.txt");

/// The configurations that the fixtures' command lines set.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<String> = vec![
        "0\n# a comment\nname=vm\nmemory.size=0x200\npath=/vm/%(name)/d.img\nuuid=%(%(name))\\%\\\\\n".into(),
        "12\nname=a\nloop=x%(loop)\nlpc.bootrom=/c\npci.0.29.0.device=fbuf\npci.0.29.0.password=%(name)\n".into(),
        include_str!("../../fixtures/config-found.conf").into(),
    ];
    for line in FIXTURE.lines().filter(|line| !line.starts_with('#')) {
        match (line.strip_prefix("    "), seeds.last_mut()) {
            (Some(option), Some(seed)) => seed.extend([option, "\n"]),
            _ => seeds.push("0\n".into()),
        }
    }
    seeds.into_iter().map(String::into_bytes).collect()
}

pub fn holds(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (number, text) = text.split_once('\n').unwrap_or(("", &text));
    let mut tree = Tree::new();
    if let Err(faults) = read(text, &mut tree, "vm.conf") {
        assert!(faults.iter().all(|(line, _)| (1..=text.split('\n').count()).contains(line)));
    }
    let mut again = Tree::new();
    read(&write(&tree).unwrap(), &mut again, "vm.conf").unwrap();
    assert_eq!(again, tree);
    for (_, value) in tree.entries() {
        // What was expanded is a literal text, which reads back whole.
        let text = expand(&tree, value).text;
        let mut literal = Tree::new();
        literal.set_literal("key", &text).unwrap();
        assert_eq!(expand(&literal, literal.get("key").unwrap()).text, text);
    }
    machine::holds(&tree, machine::target(number));
}
