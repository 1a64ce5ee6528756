//! The port of FreeBSD, by the make that FreeBSD has and what tests/bsd.port.mk plays of the ports tree.

use crate::sandbox::{Sandbox, project};
use crate::tools::{need, tool};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The files below a folder, by their paths from it on.
fn below(root: &Path, folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            below(root, &path, found);
        } else {
            found.insert(path.strip_prefix(root).unwrap().display().to_string());
        }
    }
}

/// What pkg(8) packs by a plist, when options are off.
fn planned(off: &[&str]) -> BTreeSet<String> {
    let plist = fs::read_to_string(project("packaging/freebsd-port/pkg-plist")).unwrap();
    let is_off = |line: &&str| off.iter().any(|option| line.starts_with(&format!("%%PORT{option}%%")));
    let name = |line: &str| {
        let line = line.replace("%%PORTDOCS%%", "").replace("%%PORTEXAMPLES%%", "");
        let line = line.replace("%%DATADIR%%", "share/vmrun");
        line.replace("%%DOCSDIR%%", "share/doc/vmrun").replace("%%EXAMPLESDIR%%", "share/examples/vmrun")
    };
    plist.lines().filter(|line| !is_off(line)).map(name).collect()
}

#[test]
fn the_port_stages_what_its_plist_says_with_its_options_and_without() {
    need(&["bmake", "gzip"]);
    for off in [&[][..], &["DOCS", "EXAMPLES"]] {
        let sandbox = Sandbox::new();
        let built = sandbox.path("work/target/x86_64-unknown-freebsd/release");
        fs::create_dir_all(&built).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_vmrun"), built.join("vmrun")).unwrap();
        fs::create_dir(sandbox.path("mk")).unwrap();
        fs::copy(project("tests/bsd.port.mk"), sandbox.path("mk/bsd.port.mk")).unwrap();
        // What bmake reads first; the port needs none of its rules.
        sandbox.write("mk/sys.mk", "");
        let [stage, work, mk] = ["stage", "work", "mk"].map(|name| sandbox.path(name).display().to_string());
        let variables =
            [("STAGEDIR", &stage), ("WRKDIR", &work), ("WRKSRC", &project("")), ("OPTIONS_OFF", &off.join(" "))];
        let variables = variables.map(|(name, value)| format!("{name}={value}"));
        let mut args = vec!["-m", &mk, "-C"];
        let port = project("packaging/freebsd-port");
        args.extend([port.as_str(), "stage"]);
        args.extend(variables.iter().map(String::as_str));
        tool("bmake", &args);
        let (root, mut staged) = (sandbox.path("stage/usr/local"), BTreeSet::new());
        below(&root, &root, &mut staged);
        assert_eq!(staged, planned(off), "without {off:?}");
    }
}
