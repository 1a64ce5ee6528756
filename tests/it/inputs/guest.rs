//! Guests of vm-bhyve: the guest's file, and after a NUL the file of the switches.

use super::machine;
use std::path::Path;
use vmrun::internals::bhyve::command;
use vmrun::internals::model::{Arch, Release, Target};
use vmrun::internals::vmbhyve::{self, Place};

/// The guests of the fixtures, with and without switches.
pub fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [folder.join("tests/fixtures/vm-bhyve"), folder.join("../tests/fixtures/vm-bhyve")];
    let files = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let confs = files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|kind| kind == "conf"));
    let mut texts: Vec<Vec<u8>> = confs.filter_map(|path| std::fs::read(path).ok()).collect();
    texts.sort();
    let switches = b"\0switch_list=\"public\"\ntype_public=\"standard\"\nports_public=\"em0\"\n";
    let with: Vec<Vec<u8>> = texts.iter().map(|text| [text.as_slice(), switches].concat()).collect();
    texts.extend(with);
    texts
}

pub fn holds(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (text, system) = text.split_once('\0').map_or((&*text, None), |(text, system)| (text, Some(system)));
    for release in Release::ALL {
        let place = Place { release, system, ..Place::new("/vm") };
        match vmbhyve::read(text, "g1", &place) {
            Err(faults) => assert!(!faults.is_empty()),
            Ok(guest) => {
                assert_eq!(guest.argv.last().map(String::as_str), Some("g1"));
                let target = Target { arch: Arch::Amd64, release };
                if let Ok(reading) = command::read(&guest.argv, target, &|_| None) {
                    machine::holds(&reading.tree, target);
                }
            }
        }
    }
}
