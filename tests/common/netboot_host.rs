//! A host with machines that boot from the network.

use super::sandbox::{Done, Sandbox, same};

/// A recipe of a machine with a card; what is said of its install follows.
pub(crate) fn recipe(name: &str, mac: &str, netboot: &str) -> String {
    format!(
        "{netboot}bhyve(#{{ name: \"{name}\", memory: 64.MiB, slots: #{{ \"5\": virtio_net(\"tap9\", #{{ mac: \"{mac}\" }}) }} }}).run();\n"
    )
}

pub(crate) const WEB: &str =
    "netboot(#{ os: \"rocky\", mirror: \"http://192.168.2.5/rocky\", address: \"192.168.2.50\" });\n";
pub(crate) const OWN: &str = "netboot(#{ host: \"report\", script: \"#!ipxe\\necho hello\\n\" });\n";

/// A host with two recipes.
pub(crate) fn host() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("web.rhai", &recipe("web", "58:9c:fc:00:00:01", WEB));
    sandbox.write("report_1.rhai", &recipe("report_1", "58:9c:fc:00:00:02", OWN));
    sandbox
}

pub(crate) fn netboot(sandbox: &Sandbox, words: &[&str]) -> Done {
    sandbox.run(&[&["netboot"], words].concat())
}

#[track_caller]
pub(crate) fn ended(done: &Done, code: i32, stdout: &str, stderr: &str) {
    same(&done.stderr, stderr);
    same(&done.stdout, stdout);
    assert_eq!(done.code, code);
}
