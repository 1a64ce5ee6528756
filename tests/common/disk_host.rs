//! A fake FreeBSD with a pool of ZFS.

use super::sandbox::Sandbox;
use std::fs;

/// A host with a pool of 100 GiB and a recipe.
pub(crate) fn host(recipe: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    ["zfs", "zpool"].iter().for_each(|program| sandbox.has(program));
    sandbox.write("fake/zfs", "filesystem zroot\tsize=107374182400\nfilesystem zroot/vm\n");
    fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    sandbox.write("web.rhai", recipe);
    sandbox
}
