//! A package of Debian in a Debian that has nothing else: of the program that is tested, by what `make fresh` tries a release with.

use crate::sandbox::{Sandbox, project};
use crate::tools::{need, search_path, tool};
use std::fs;
use std::process::Command;

/// What says, with its status, whether a package is installed, used, upgraded and removed as it has to be.
fn tried(package: &str) -> (Option<i32>, String) {
    let mut command = Command::new(project("tools/fresh.sh"));
    let output = command.arg(package).env("PATH", search_path()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn a_fresh_debian_has_the_package_uses_it_and_is_the_same_without_it() {
    need(&["curl", "dpkg-deb", "mandoc", "mmdebstrap", "strip"]);
    let sandbox = Sandbox::new();
    let folder = sandbox.path("package").display().to_string();
    let package = tool(&project("tools/deb.sh"), &["--quick", env!("CARGO_BIN_EXE_vmrun"), &folder]);
    let package = package.trim_end();
    let well = "fresh: installed, used, upgraded and removed; nothing is left\n";
    assert_eq!(tried(package), (Some(0), well.to_string()));

    // One that leaves a file of its own, and changes one of the system's.
    let [changed, other] = ["changed", "other.deb"].map(|name| sandbox.path(name).display().to_string());
    tool("dpkg-deb", &["--raw-extract", package, &changed]);
    let script = format!("{changed}/DEBIAN/postinst");
    let text = fs::read_to_string(&script).unwrap() + "echo vmrun >/etc/vmrun.mark\necho vmrun >>/etc/issue\n";
    fs::write(script, text).unwrap();
    tool("dpkg-deb", &["--root-owner-group", "-Znone", "--build", &changed, &other]);
    let ill = "fresh: after the removal it is another system:\nfresh: gone: ./etc/issue\nleft: ./etc/issue\nleft: ./etc/vmrun.mark\n";
    assert_eq!(tried(&other), (Some(1), ill.to_string()));
}
