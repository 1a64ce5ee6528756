//! Domains of libvirt, as XML.

use std::path::Path;
use vmrun::internals::import::{ImportOptions, SourceKind, proof, read, recipe};

/// The domains of the fixtures.
pub fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [folder.join("tests/fixtures/import/libvirt"), folder.join("../tests/fixtures/import/libvirt")];
    let files = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let domains = files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|kind| kind == "xml"));
    let mut texts: Vec<Vec<u8>> = domains.filter_map(|path| std::fs::read(path).ok()).collect();
    texts.sort();
    texts
}

pub fn holds(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let setting = ImportOptions { kind: Some(SourceKind::Libvirt), ..ImportOptions::default() };
    match read("a.xml", &text, &setting, &|_| None) {
        Err(faults) => assert!(!faults.is_empty()),
        Ok(import) => {
            let same = import.draft.clone().check().map(|machine| proof::differences(&import, &machine));
            assert!(import.prints.is_some() || same.is_ok_and(|differences| differences.is_empty()));
            assert!(!recipe::recipe(&import).is_empty());
        }
    }
}
